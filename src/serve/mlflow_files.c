/* mlflow_files.c - files that clients keep with a run or a logged model.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_files.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/map.h"
#include "serve/mlflow_check.h"
#include "serve/mlflow_record.h"
#include "text/utf8.h"

/* -- paths ---------------------------------------------------------------- */

static bool is_id(tj_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        if (!plain)
            return false;
    }
    return id.len > 0;
}

/* Segments that are names: none is empty, "." or "..". */
static bool is_path(tj_str path)
{
    if (path.len > TJ_NAME_BYTES_MAX || tj_utf8_valid(path) != path.len)
        return false;
    for (size_t i = 0; i < path.len; i++) {
        if ((unsigned char)path.ptr[i] < ' ' || path.ptr[i] == '\\')
            return false;
    }
    while (path.ptr) {
        tj_str part = tj_str_cut(&path, '/');
        if (!part.len || tj_str_eq(part, TJ_STR(".")) ||
            tj_str_eq(part, TJ_STR("..")))
            return false;
    }
    return true;
}

bool tj_ml_file_parse(tj_str path, struct tj_ml_file *out)
{
    uint64_t experiment = 0;
    *out = (struct tj_ml_file){.kind = TJ_RECORD_RUN};
    while (tj_str_starts(path, TJ_STR("/")))
        path = tj_str_slice(path, 1, path.len);
    while (tj_str_ends(path, TJ_STR("/")))
        path.len--;
    tj_str rest = path;
    if (!tj_str_to_u64(tj_str_cut(&rest, '/'), &experiment))
        return false;
    out->owner = tj_str_cut(&rest, '/');
    if (tj_str_eq(out->owner, TJ_STR("traces")))
        return false;
    if (tj_str_eq(out->owner, TJ_STR("models"))) {
        out->kind = TJ_RECORD_LOGGED_MODEL;
        out->owner = tj_str_cut(&rest, '/');
    }
    bool artifacts = tj_str_eq(tj_str_cut(&rest, '/'), TJ_STR("artifacts"));
    out->path = rest;
    return artifacts && is_id(out->owner) && (!rest.len || is_path(rest));
}

static tj_str parent_of(struct tj_ml *call, const struct tj_ml_file *file)
{
    return tj_str_printf(call->arena, "%s/%.*s",
                         file->kind == TJ_RECORD_RUN ? "run" : "model",
                         TJ_STR_ARG(file->owner));
}

static tj_str record_id(struct tj_ml *call, const struct tj_ml_file *file)
{
    return tj_str_printf(call->arena, "%.*s/%.*s",
                         TJ_STR_ARG(parent_of(call, file)),
                         TJ_STR_ARG(file->path));
}

/* -- who may -------------------------------------------------------------- */

static bool fail_none(struct tj_ml *call)
{
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "No such artifact: '%.*s'",
                      TJ_STR_ARG(call->rq->captures[0]));
}

/* The run or the model is there, and covered. */
static bool find_owner(struct tj_ml *call, const struct tj_ml_file *file)
{
    struct tj_record record;
    uint64_t experiment = 0;
    bool found = false;
    if (!tj_store_find_record(call->store, file->kind, file->owner, call->arena,
                              &record, &found, &call->err))
        return tj_ml_fail_err(call);
    if (!found || !tj_str_to_u64(record.parent, &experiment))
        return fail_none(call);
    return tj_ml_covers(call, experiment);
}

/* -- put and get ---------------------------------------------------------- */

static enum tj_edit put_body(void *ctx, struct tj_record *record, bool found,
                             struct tj_arena *a, struct tj_err *err)
{
    const struct tj_record *file = ctx;
    (void)found;
    (void)a;
    (void)err;
    record->parent = file->parent;
    record->name = file->name;
    record->body = file->body;
    record->update_time = tj_now();
    return TJ_EDIT_PUT;
}

void tj_ml_file_put(struct tj_ml *call, const struct tj_ml_file *file)
{
    struct tj_record record = {
        .parent = parent_of(call, file),
        .name = file->path,
        .body = call->rq->body,
    };
    if (!find_owner(call, file))
        return;
    if (!file->path.len)
        (void)tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                         "Invalid path: a file needs a name");
    else if (record.body.len > TJ_ATTACHMENT_BYTES_MAX)
        (void)tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                         "The artifact is over %zu bytes",
                         TJ_ATTACHMENT_BYTES_MAX);
    else if (tj_store_edit_record(call->store, TJ_RECORD_ATTACHMENT,
                                  record_id(call, file), put_body, &record,
                                  call->arena, &call->err))
        tj_ml_done(call);
    else
        (void)tj_ml_fail_err(call);
}

/* As a download that no browser shows; its name is not worth quoting. */
void tj_ml_file_get(struct tj_ml *call, const struct tj_ml_file *file)
{
    struct tj_record record;
    bool found = false;
    if (!find_owner(call, file))
        return;
    if (!tj_store_find_record(call->store, TJ_RECORD_ATTACHMENT,
                              record_id(call, file), call->arena, &record,
                              &found, &call->err)) {
        (void)tj_ml_fail_err(call);
        return;
    }
    if (!found) {
        (void)fail_none(call);
        return;
    }
    call->out->status = 200;
    call->out->content_type = TJ_STR("application/octet-stream");
    call->out->body = record.body;
    tj_answer_header(call->out, TJ_STR("Content-Disposition"),
                     TJ_STR("attachment"));
}

/* -- all of one folder ---------------------------------------------------- */

/* What stands behind folder in path; ptr NULL: it is not in there. */
static tj_str within(tj_str folder, tj_str path)
{
    if (!folder.len)
        return path;
    if (!tj_str_starts(path, folder) || path.len <= folder.len + 1 ||
        path.ptr[folder.len] != '/')
        return (tj_str){0};
    return tj_str_slice(path, folder.len + 1, path.len);
}

/* Few at a time, since they come with their bytes. */
static bool each_record(struct tj_ml *call, const struct tj_ml_file *file,
                        tj_ml_record_visit visit, void *ctx)
{
    enum { ROWS = 4 };
    struct tj_record_query query = {
        .kind = TJ_RECORD_ATTACHMENT,
        .parent = parent_of(call, file),
        .row_max = ROWS,
    };
    return tj_ml_each_record(call, &query, visit, ctx);
}

struct entry {
    tj_str name;
    uint64_t size;
    bool folder;
};

struct listing {
    const struct tj_ml_file *file;
    struct tj_map known;
    TJ_VEC(struct entry) entries;
};

static bool list_record(void *ctx, struct tj_ml *call,
                        const struct tj_record *record, struct tj_arena *a)
{
    (void)a;
    struct listing *l = ctx;
    tj_str rest = within(l->file->path, record->name);
    if (!rest.ptr)
        return true;
    tj_str name = tj_str_dup(call->arena, tj_str_cut(&rest, '/'));
    bool fresh;
    (void)tj_map_add(&l->known, name, &fresh);
    if (fresh)
        *tj_vec_add(&l->entries, call->arena) = (struct entry){
            .name = name,
            .size = record->body.len,
            .folder = rest.ptr != NULL,
        };
    return true;
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    return tj_str_cmp(a->name, b->name);
}

void tj_ml_file_list(struct tj_ml *call, const struct tj_ml_file *file)
{
    struct listing l = {.file = file};
    tj_map_init(&l.known, call->arena);
    if (!find_owner(call, file) || !each_record(call, file, list_record, &l))
        return;
    struct tj_json_writer *w = tj_ml_answer(call);
    if (l.entries.count) {
        qsort(l.entries.items, l.entries.count, sizeof *l.entries.items,
              compare_entries);
        tj_jw_key(w, TJ_STR("files"));
        tj_jw_array(w);
        tj_vec_each (&l.entries, const struct entry, e) {
            tj_jw_object(w);
            tj_jw_key_str(w, "path", e->name);
            tj_jw_key_bool(w, "is_dir", e->folder);
            if (!e->folder)
                tj_jw_key_u64(w, "file_size", e->size);
            tj_jw_end(w);
        }
        tj_jw_end(w);
    }
    tj_ml_end(call);
}

struct doomed {
    const struct tj_ml_file *file;
    TJ_VEC(struct tj_record_work) works;
};

static bool doom_record(void *ctx, struct tj_ml *call,
                        const struct tj_record *record, struct tj_arena *a)
{
    (void)a;
    struct doomed *d = ctx;
    if (!tj_str_eq(record->name, d->file->path) &&
        !within(d->file->path, record->name).ptr)
        return true;
    *tj_vec_add(&d->works, call->arena) = (struct tj_record_work){
        TJ_RECORD_ATTACHMENT, tj_str_dup(call->arena, record->id),
        tj_ml_delete_record, NULL};
    return true;
}

void tj_ml_file_delete(struct tj_ml *call, const struct tj_ml_file *file)
{
    struct doomed d = {.file = file};
    if (!find_owner(call, file) || !each_record(call, file, doom_record, &d))
        return;
    if (d.works.count &&
        !tj_store_edit_records(call->store, d.works.items, d.works.count,
                               call->arena, &call->err))
        (void)tj_ml_fail_err(call);
    else
        tj_ml_done(call);
}
