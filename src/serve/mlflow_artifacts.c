/* mlflow_artifacts.c - what MLflow's clients keep as files beside a trace.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     /mlflow-artifacts/artifacts/<experiment>/traces/<id>/artifacts/
 *         traces.json           the spans, from clients that send no OTLP
 *         attachments/<name>    images and the like, cut out of the spans
 *
 * There are no files behind it: a path is taken apart into these four words,
 * or those of mlflow_files.h, and any other path is refused, so no path of a
 * request reaches the file system.  traces.json becomes spans as if they had
 * come by OTLP, and is written anew for whoever asks; attachments are records
 * of the store, handed out as downloads that no browser will show or run.
 */
#include "base/limits.h"
#include "serve/mlflow.h"
#include "serve/mlflow_check.h"
#include "serve/mlflow_files.h"
#include "serve/mlflow_info.h"
#include "serve/mlflow_spans.h"
#include "serve/route.h"
#include "trace/format.h"

/* -- paths ---------------------------------------------------------------- */

enum kind { NO_KIND, FOLDER, SPANS, ATTACHMENTS, ATTACHMENT };

struct place {
    enum kind kind;
    tj_str experiment;
    tj_str trace; /* as it was written */
    tj_trace_id id;
    tj_str name; /* of an attachment */
};

/* Names that clients make: UUIDs. */
static bool is_name(tj_str name)
{
    if (!name.len || name.len > TJ_ATTACHMENT_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        if (!plain)
            return false;
    }
    return true;
}

/* What stands behind ".../artifacts". */
static enum kind kind_of(tj_str rest, tj_str *name)
{
    if (!rest.len)
        return FOLDER;
    if (tj_str_eq(rest, TJ_STR("traces.json")))
        return SPANS;
    if (!tj_str_eq(tj_str_cut(&rest, '/'), TJ_STR("attachments")))
        return NO_KIND;
    *name = rest;
    if (!rest.len)
        return ATTACHMENTS;
    return is_name(rest) ? ATTACHMENT : NO_KIND;
}

static struct place parse_path(tj_str path)
{
    struct place p = {0};
    while (tj_str_starts(path, TJ_STR("/")))
        path = tj_str_slice(path, 1, path.len);
    tj_str rest = path;
    p.experiment = tj_str_cut(&rest, '/');
    bool traces = tj_str_eq(tj_str_cut(&rest, '/'), TJ_STR("traces"));
    p.trace = tj_str_cut(&rest, '/');
    bool artifacts = tj_str_eq(tj_str_cut(&rest, '/'), TJ_STR("artifacts"));
    if (traces && artifacts && tj_trace_id_parse(p.trace, &p.id))
        p.kind = kind_of(rest, &p.name);
    return p;
}

/* -- calls ---------------------------------------------------------------- */

/* Bodies here are files, not arguments. */
static struct tj_ml begin(struct tj_server *s, const struct tj_request *rq,
                          struct tj_answer *out)
{
    return (struct tj_ml){.server = s,
                          .store = s->store,
                          .rq = rq,
                          .out = out,
                          .arena = rq->arena};
}

static bool fail_no_artifact(struct tj_ml *call)
{
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "There is no such artifact");
}

static bool fail_other(struct tj_ml *call)
{
    return tj_ml_fail(call, TJ_ML_NOT_IMPLEMENTED,
                      "This server keeps files of traces (traces.json and "
                      "attachments), runs and logged models; this path is of "
                      "none of them");
}

/* The file as a download that is not shown, whatever it holds (the door puts
 * nosniff on every answer). */
static void answer_file(struct tj_ml *call, tj_str name, tj_str bytes)
{
    struct tj_answer *out = call->out;
    out->status = 200;
    out->content_type = TJ_STR("application/octet-stream");
    out->body = bytes;
    tj_answer_header(out, TJ_STR("Content-Disposition"),
                     tj_str_printf(call->arena, "attachment; filename=%.*s",
                                   TJ_STR_ARG(name)));
}

/* -- traces.json ---------------------------------------------------------- */

static void get_spans(struct tj_ml *call, tj_trace_id id)
{
    struct tj_arena arena = {0};
    struct tj_trace trace = {0};
    if (!tj_store_open_trace(call->store, id, &arena, &trace, &call->err)) {
        (void)tj_ml_fail_err(call);
    } else if (!tj_trace_is_open(&trace)) {
        (void)fail_no_artifact(call);
    } else {
        struct tj_json_writer *w = tj_ml_answer(call);
        tj_jw_key(w, TJ_STR("spans"));
        if (tj_ml_write_spans(call, w, &trace, TJ_MLFLOW_DICT)) {
            tj_jw_end(w);
            if (tj_buf_ok(&call->buf, "traces.json", &call->err))
                answer_file(call, TJ_STR("traces.json"),
                            tj_buf_str(&call->buf));
            else
                (void)tj_ml_fail_err(call);
        }
    }
    tj_arena_release(&arena);
}

/* All of a file's spans belong to the trace that its path names. */
static bool check_spans(struct tj_ml *call, const struct place *p,
                        const struct tj_batch *batch)
{
    tj_vec_each (&batch->spans, const struct tj_span, span) {
        if (!tj_trace_id_eq(span->trace_id, p->id))
            return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                              "traces.json has spans of other traces than "
                              "%.*s",
                              TJ_STR_ARG(p->trace));
    }
    if (batch->rejected_count)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "traces.json: %zu spans cannot be kept: %.*s",
                          batch->rejected_count, TJ_STR_ARG(batch->rejected));
    return true;
}

/* The trace is there and may be written to; or it is not there yet, and its
 * experiment may. */
static bool check_trace(struct tj_ml *call, const struct place *p,
                        struct tj_trace_info *info)
{
    struct tj_trace_info there = {0};
    struct tj_experiment ex;
    bool found = false;
    if (!tj_store_find_info(call->store, p->id, call->arena, &there, &found,
                            &call->err))
        return tj_ml_fail_err(call);
    if (found)
        return tj_ml_covers(call, there.experiment_id);
    if (!tj_ml_experiment(call, p->experiment, &ex))
        return false;
    info->experiment = ex.name;
    info->experiment_if_new = true;
    return true;
}

static void put_spans(struct tj_ml *call, const struct place *p)
{
    const struct tj_format *format = tj_format_find(TJ_STR("mlflow"));
    struct tj_server_counts *counts = &call->server->counts;
    struct tj_batch batch;
    assert(format);
    tj_batch_init(&batch, call->arena);
    if (!tj_format_parse(format, call->rq->body, call->arena, &batch, NULL,
                         &call->err)) {
        (void)tj_ml_fail_err(call);
        return;
    }
    /* A file of spans says nothing else of its trace. */
    if (!check_spans(call, p, &batch) ||
        !check_trace(call, p, tj_batch_info(&batch, p->id)))
        return;
    if (!tj_store_add_batch(call->store, &batch, &call->err)) {
        (void)tj_ml_fail_err(call);
        return;
    }
    atomic_fetch_add(&counts->spans, batch.spans.count);
    atomic_fetch_add(&counts->span_bytes, call->rq->body.len);
    tj_ml_done(call);
}

/* -- attachments ---------------------------------------------------------- */

static tj_str record_id(struct tj_ml *call, const struct place *p)
{
    return tj_str_printf(call->arena, "%.*s/%.*s",
                         TJ_STR_ARG(tj_trace_id_text(call->arena, p->id)),
                         TJ_STR_ARG(p->name));
}

struct attachment {
    tj_str trace;
    tj_str name;
    tj_str bytes;
};

static enum tj_edit put_body(void *ctx, struct tj_record *record, bool found,
                             struct tj_arena *a, struct tj_err *err)
{
    const struct attachment *file = ctx;
    (void)found;
    (void)a;
    (void)err;
    record->parent = file->trace;
    record->name = file->name;
    record->body = file->bytes;
    return TJ_EDIT_PUT;
}

/* A trace takes its attachments along when it is deleted, but not one that was
 * still to come: that one is taken away here. */
static bool is_still_there(struct tj_ml *call, const struct place *p)
{
    struct tj_trace_info info = {0};
    bool found = false;
    if (!tj_store_find_info(call->store, p->id, call->arena, &info, &found,
                            &call->err))
        return tj_ml_fail_err(call);
    if (found)
        return true;
    if (!tj_store_edit_record(call->store, TJ_RECORD_ATTACHMENT,
                              record_id(call, p), tj_ml_delete_record, NULL,
                              call->arena, &call->err))
        return tj_ml_fail_err(call);
    return tj_ml_trace(call, p->trace, &info);
}

static void put_attachment(struct tj_ml *call, const struct place *p)
{
    struct tj_trace_info info = {0};
    tj_str body = call->rq->body;
    struct attachment file = {tj_trace_id_text(call->arena, p->id), p->name,
                              body};
    if (!tj_ml_trace(call, p->trace, &info))
        return;
    if (body.len > TJ_ATTACHMENT_BYTES_MAX)
        (void)tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                         "The attachment is over %zu bytes",
                         TJ_ATTACHMENT_BYTES_MAX);
    else if (!tj_store_edit_record(call->store, TJ_RECORD_ATTACHMENT,
                                   record_id(call, p), put_body, &file,
                                   call->arena, &call->err))
        (void)tj_ml_fail_err(call);
    else if (is_still_there(call, p))
        tj_ml_done(call);
}

static void get_attachment(struct tj_ml *call, const struct place *p)
{
    struct tj_record record = {0};
    bool found = false;
    if (!tj_store_find_record(call->store, TJ_RECORD_ATTACHMENT,
                              record_id(call, p), call->arena, &record, &found,
                              &call->err))
        (void)tj_ml_fail_err(call);
    else if (!found)
        (void)fail_no_artifact(call);
    else
        answer_file(call, p->name, record.body);
}

/* -- routes --------------------------------------------------------------- */

static void put(struct tj_server *s, const struct tj_request *rq,
                struct tj_answer *out)
{
    struct tj_ml call = begin(s, rq, out);
    struct place p = parse_path(rq->captures[0]);
    struct tj_ml_file file;
    if (tj_ml_file_parse(rq->captures[0], &file)) {
        tj_ml_file_put(&call, &file);
        return;
    }
    switch (p.kind) {
    case SPANS: put_spans(&call, &p); return;
    case ATTACHMENT: put_attachment(&call, &p); return;
    case NO_KIND:
    case FOLDER:
    case ATTACHMENTS: break;
    }
    (void)fail_other(&call);
}

static void answer_place(struct tj_ml *call, const struct place *p)
{
    struct tj_trace_info info = {0};
    if (p->kind != SPANS && p->kind != ATTACHMENT)
        (void)fail_no_artifact(call);
    else if (!tj_ml_trace(call, p->trace, &info))
        return;
    else if (p->kind == SPANS)
        get_spans(call, p->id);
    else
        get_attachment(call, p);
}

static void get(struct tj_server *s, const struct tj_request *rq,
                struct tj_answer *out)
{
    struct tj_ml call = begin(s, rq, out);
    struct place p = parse_path(rq->captures[0]);
    struct tj_ml_file file;
    if (tj_ml_file_parse(rq->captures[0], &file))
        tj_ml_file_get(&call, &file);
    else
        answer_place(&call, &p);
}

static void delete (struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    struct tj_ml call = begin(s, rq, out);
    struct tj_ml_file file;
    if (tj_ml_file_parse(rq->captures[0], &file))
        tj_ml_file_delete(&call, &file);
    else
        (void)fail_other(&call);
}

static void put_file(struct tj_json_writer *w, tj_str path, bool folder,
                     uint64_t size)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "path", path);
    tj_jw_key_bool(w, "is_dir", folder);
    if (!folder)
        tj_jw_key_u64(w, "file_size", size);
    tj_jw_end(w);
}

/* Attachments of a trace, few at a time since they come with their bytes: all
 * of them, or whether there are any (`most` 1). */
static bool list_attachments(struct tj_ml *call, const struct place *p,
                             struct tj_json_writer *w, size_t most)
{
    enum { ROWS = 4 };
    struct tj_arena arena = {0};
    struct tj_record_query query = {.kind = TJ_RECORD_ATTACHMENT,
                                    .parent =
                                        tj_trace_id_text(call->arena, p->id),
                                    .row_max = tj_size_min(ROWS, most)};
    bool ok = true;
    for (size_t count = 0; ok && count < most;) {
        struct tj_record_page page = {0};
        ok = tj_store_records(call->store, &query, &arena, &page, &call->err) ||
             tj_ml_fail_err(call);
        for (size_t i = 0; i < page.count && most > 1; i++)
            put_file(w, page.items[i].name, false, page.items[i].body.len);
        if (page.count && most == 1)
            put_file(w, TJ_STR("attachments"), true, 0);
        count += page.count;
        query.page_token = tj_str_dup(call->arena, page.next_page_token);
        if (!query.page_token.len)
            break;
        tj_arena_reset(&arena);
    }
    tj_arena_release(&arena);
    return ok;
}

/* A list has names alone, without the folder that was asked for. */
static void list(struct tj_server *s, const struct tj_request *rq,
                 struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info info = {0};
    if (!tj_ml_begin(&call, s, rq, out))
        return;
    struct tj_ml_file file;
    struct place p = parse_path(tj_ml_str(&call, "path"));
    if (tj_ml_file_parse(tj_ml_str(&call, "path"), &file)) {
        tj_ml_file_list(&call, &file);
        return;
    }
    if (p.kind != FOLDER && p.kind != ATTACHMENTS) {
        tj_ml_done(&call);
        return;
    }
    if (!tj_ml_trace(&call, p.trace, &info))
        return;
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key(w, TJ_STR("files"));
    tj_jw_array(w);
    if (p.kind == FOLDER && info.span_count)
        put_file(w, TJ_STR("traces.json"), false, info.text_bytes);
    if (!list_attachments(&call, &p, w,
                          p.kind == FOLDER ? 1 : TJ_SEARCH_ROWS_MAX))
        return;
    tj_jw_end(w);
    tj_ml_end(&call);
}

/* What a browser asks for, and the one call that gives the spans on every
 * version of MLflow. */
static void trace_artifact(struct tj_server *s, const struct tj_request *rq,
                           struct tj_answer *out)
{
    struct tj_ml call;
    struct place p = {.kind = SPANS};
    if (!tj_ml_begin(&call, s, rq, out))
        return;
    p.trace = tj_ml_str(&call, "request_id");
    p.name = tj_ml_str(&call, "path");
    if (!p.trace.len) {
        (void)tj_ml_fail(&call, TJ_ML_BAD_REQUEST,
                         "Request must include the \"request_id\" query "
                         "parameter.");
        return;
    }
    if (p.name.len)
        p.kind = is_name(p.name) ? ATTACHMENT : NO_KIND;
    /* What is no id is the id of no trace, and answered so. */
    (void)!tj_trace_id_parse(p.trace, &p.id);
    answer_place(&call, &p);
}

#define ARTIFACTS "/mlflow-artifacts/artifacts"

const struct tj_route tj_routes_artifacts[] = {
    {TJ_METHOD_PUT, TJ_V2, ARTIFACTS "/{*}", TJ_ACCESS_WRITE, put},
    {TJ_METHOD_GET, TJ_V2, ARTIFACTS "/{*}", TJ_ACCESS_READ, get},
    {TJ_METHOD_DELETE, TJ_V2, ARTIFACTS "/{*}", TJ_ACCESS_WRITE, delete},
    {TJ_METHOD_GET, TJ_V2, ARTIFACTS, TJ_ACCESS_READ, list},
    {TJ_METHOD_GET, TJ_V2 | TJ_V3, "/mlflow/get-trace-artifact", TJ_ACCESS_READ,
     trace_artifact},
    {.run = NULL},
};
