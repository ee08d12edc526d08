/* mlflow_dataset_rows.c - the records of a dataset: put, list, delete.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/sha256.h"
#include "serve/mlflow_dataset.h"
#include "serve/python_json.h"
#include "text/base64.h"

enum {
    ID_DIGITS = 32, /* behind "dr-" */
    ROWS_READ = 8,  /* at a time: each may be as large as a request */
};

#define TAG_USER "mlflow.user"

/* -- what a request says of a record -------------------------------------- */

struct new_row {
    const struct tj_json *record;
    tj_str hash;
    tj_str id;
    tj_str source_type; /* empty: no source */
};

struct upsert {
    struct tj_ml *call;
    tj_str dataset_id;
    struct new_row *rows;
    size_t count;
    size_t inserted;
    size_t updated;
    tj_str updated_by; /* ptr NULL: nobody said */
};

/* One row of an upsert, as the edit of its record sees it. */
struct row_edit {
    struct upsert *upsert;
    const struct new_row *row;
};

static bool refuse_row(struct tj_ml *call, size_t i, const char *what)
{
    return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE, "records[%zu]: %s",
                      i, what);
}

static tj_str user_of(const struct tj_json *record)
{
    return tj_json_find_str(tj_json_find(record, TJ_STR("tags")),
                            TJ_STR(TAG_USER));
}

static bool read_source(struct tj_ml *call, size_t i, struct new_row *row)
{
    static const char *const types[] = {"UNSPECIFIED", "TRACE", "HUMAN",
                                        "DOCUMENT", "CODE"};
    const struct tj_json *source = tj_json_find(row->record, TJ_STR("source"));
    if (tj_json_is_null(source) ||
        (tj_json_is_object(source) && !tj_json_count(source)))
        return true;
    if (!tj_json_is_object(source))
        return refuse_row(call, i, "source must be an object");
    tj_str type = tj_json_find_str(source, TJ_STR("source_type"));
    for (size_t k = 0; k < TJ_COUNT(types); k++) {
        if (tj_str_eq_fold(type, tj_str_c(types[k]))) {
            row->source_type = tj_str_c(types[k]);
            return true;
        }
    }
    return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid dataset record source type: %.*s. Valid source "
                      "types: ['UNSPECIFIED', 'TRACE', 'HUMAN', 'DOCUMENT', "
                      "'CODE']",
                      TJ_STR_ARG(type));
}

static bool is_object_or_none(const struct tj_json *v)
{
    return tj_json_is_null(v) || tj_json_is_object(v);
}

/* The same inputs, however they are written, are the same record. */
static void identify(struct upsert *u, struct new_row *row)
{
    const struct tj_json *inputs = tj_json_find(row->record, TJ_STR("inputs"));
    struct tj_arena *a = u->call->arena;
    struct tj_buf text;
    tj_buf_init(&text, a, SIZE_MAX);
    if (inputs)
        tj_python_json(&text, inputs, TJ_PYTHON_SORTED);
    else
        tj_buf_add(&text, TJ_STR("{}"));
    row->hash = tj_sha256_hex(a, tj_buf_str(&text));
    tj_str both = tj_str_printf(a, "%.*s %.*s", TJ_STR_ARG(u->dataset_id),
                                TJ_STR_ARG(row->hash));
    row->id =
        tj_str_printf(a, "dr-%.*s", ID_DIGITS, tj_sha256_hex(a, both).ptr);
}

static bool read_row(struct upsert *u, size_t i, const struct tj_json *record)
{
    struct new_row *row = &u->rows[i];
    const struct tj_json *inputs = tj_json_find(record, TJ_STR("inputs"));
    row->record = record;
    if (!tj_json_is_object(record))
        return refuse_row(u->call, i, "a record must be an object");
    if (inputs && !tj_json_is_object(inputs))
        return refuse_row(u->call, i, "inputs must be an object");
    if (!is_object_or_none(tj_json_find(record, TJ_STR("expectations"))))
        return refuse_row(u->call, i, "expectations must be an object");
    if (!is_object_or_none(tj_json_find(record, TJ_STR("tags"))))
        return refuse_row(u->call, i, "tags must be an object");
    if (!read_source(u->call, i, row))
        return false;
    if (user_of(record).ptr)
        u->updated_by = user_of(record);
    identify(u, row);
    return true;
}

static bool read_rows(struct upsert *u)
{
    struct tj_ml *call = u->call;
    struct tj_json_doc doc;
    tj_str text;
    size_t i = 0;
    if (!tj_ml_need_str(call, "records", &text))
        return false;
    if (!tj_json_parse(text, call->arena, &doc, &call->err))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "records is not JSON: %s", call->err.message);
    if (!tj_json_is_array(doc.root))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "records must be a list of objects");
    if (tj_json_count(doc.root) > TJ_DATASET_UPSERT_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "one request has at most %zu records of a dataset",
                          TJ_DATASET_UPSERT_MAX);
    u->count = tj_json_count(doc.root);
    u->rows = tj_arena_array(call->arena, struct new_row, u->count);
    tj_json_each (doc.root, record) {
        if (!read_row(u, i++, record))
            return false;
    }
    return true;
}

/* -- the body of a row ---------------------------------------------------- */

static void put_key(struct tj_buf *out, const char *key)
{
    tj_buf_byte(out, out->len > 1 ? ',' : '{');
    tj_python_str(out, tj_str_c(key));
    tj_buf_byte(out, ':');
}

static void put_value(struct tj_buf *out, const char *key,
                      const struct tj_json *v)
{
    if (!v)
        return;
    put_key(out, key);
    tj_python_json(out, v, 0);
}

static void put_text(struct tj_buf *out, const char *key, tj_str text)
{
    if (!text.ptr)
        return;
    put_key(out, key);
    tj_python_str(out, text);
}

/* Members of objects by key; an entry's number is the place of its value. */
struct merged {
    struct tj_map map;
    TJ_VEC(const struct tj_json *) values;
};

static void add_members(struct merged *to, const struct tj_json *object)
{
    struct tj_json_members m = tj_json_members(object);
    while (tj_json_member(&m)) {
        bool fresh;
        /* The last value counts, at the place of the first. */
        struct tj_map_entry *e = tj_map_add(&to->map, m.key, &fresh);
        if (fresh) {
            e->number = to->values.count;
            (void)tj_vec_add(&to->values, to->map.arena);
        }
        to->values.items[e->number] = m.value;
    }
}

/* What old has, with the members of fresh over it. */
static void put_merged(struct tj_buf *out, const char *key,
                       const struct tj_json *old, const struct tj_json *fresh)
{
    struct merged all = {0};
    if (!tj_json_count(fresh) || !tj_json_count(old)) {
        put_value(out, key, tj_json_count(fresh) ? fresh : old);
        return;
    }
    tj_map_init(&all.map, out->arena);
    add_members(&all, old);
    add_members(&all, fresh);
    put_key(out, key);
    tj_buf_byte(out, '{');
    for (size_t i = 0; i < all.map.count; i++) {
        if (i)
            tj_buf_byte(out, ',');
        tj_python_str(out, all.map.entries[i].key);
        tj_buf_byte(out, ':');
        tj_python_json(out, all.values.items[i], 0);
    }
    tj_buf_byte(out, '}');
}

static void put_source(struct tj_buf *out, const struct new_row *row)
{
    const struct tj_json *source = tj_json_find(row->record, TJ_STR("source"));
    const struct tj_json *data = tj_json_find(source, TJ_STR("source_data"));
    bool is_trace = tj_str_eq(row->source_type, TJ_STR("TRACE"));
    if (!row->source_type.len)
        return;
    put_key(out, "source");
    tj_buf_add(out, TJ_STR("{\"source_type\":"));
    tj_python_str(out, row->source_type);
    tj_buf_add(out, TJ_STR(",\"source_data\":"));
    if (tj_json_is_null(data))
        tj_buf_add(out, TJ_STR("{}"));
    else
        tj_python_json(out, data, 0);
    tj_buf_byte(out, '}');
    put_text(out, "source_id",
             tj_json_find_str(data, is_trace ? TJ_STR("trace_id")
                                             : TJ_STR("source_id")));
    put_text(out, "source_type", row->source_type);
}

/* None is absent, but outputs that are not there are {}, as in MLflow. */
static void write_new(struct tj_buf *out, const struct new_row *row)
{
    const struct tj_json *r = row->record;
    const struct tj_json *outputs = tj_json_find(r, TJ_STR("outputs"));
    const struct tj_json *expectations =
        tj_json_find(r, TJ_STR("expectations"));
    if (tj_json_find(r, TJ_STR("inputs"))) {
        put_value(out, "inputs", tj_json_find(r, TJ_STR("inputs")));
    } else {
        put_key(out, "inputs");
        tj_buf_add(out, TJ_STR("{}"));
    }
    if (!outputs) {
        put_key(out, "outputs");
        tj_buf_add(out, TJ_STR("{}"));
    } else if (!tj_json_is_null(outputs)) {
        put_value(out, "outputs", outputs);
    }
    if (!tj_json_is_null(expectations))
        put_value(out, "expectations", expectations);
    if (tj_json_is_object(tj_json_find(r, TJ_STR("tags"))))
        put_value(out, "tags", tj_json_find(r, TJ_STR("tags")));
    put_source(out, row);
    put_text(out, "created_by", user_of(r));
    put_text(out, "last_updated_by", user_of(r));
    tj_buf_byte(out, '}');
}

static void write_merged(struct tj_buf *out, const struct tj_json *old,
                         const struct new_row *row)
{
    const struct tj_json *r = row->record;
    const struct tj_json *outputs = tj_json_find(r, TJ_STR("outputs"));
    tj_str user = user_of(r);
    put_value(out, "inputs", tj_json_find(old, TJ_STR("inputs")));
    if (!outputs)
        put_value(out, "outputs", tj_json_find(old, TJ_STR("outputs")));
    else if (!tj_json_is_null(outputs))
        put_value(out, "outputs", outputs);
    put_merged(out, "expectations", tj_json_find(old, TJ_STR("expectations")),
               tj_json_find(r, TJ_STR("expectations")));
    put_merged(out, "tags", tj_json_find(old, TJ_STR("tags")),
               tj_json_find(r, TJ_STR("tags")));
    put_value(out, "source", tj_json_find(old, TJ_STR("source")));
    put_value(out, "source_id", tj_json_find(old, TJ_STR("source_id")));
    put_value(out, "source_type", tj_json_find(old, TJ_STR("source_type")));
    put_value(out, "created_by", tj_json_find(old, TJ_STR("created_by")));
    if (user.ptr)
        put_text(out, "last_updated_by", user);
    else
        put_value(out, "last_updated_by",
                  tj_json_find(old, TJ_STR("last_updated_by")));
    tj_buf_byte(out, '}');
}

static enum tj_edit edit_row(void *ctx, struct tj_record *record, bool found,
                             struct tj_arena *a, struct tj_err *err)
{
    struct row_edit *edit = ctx;
    struct tj_json_doc doc;
    struct tj_buf body;
    tj_buf_init(&body, a, SIZE_MAX);
    if (found) {
        if (!tj_json_parse(record->body, a, &doc, err))
            return TJ_EDIT_FAIL;
        write_merged(&body, doc.root, edit->row);
        record->update_time = tj_now();
        edit->upsert->updated++;
    } else {
        write_new(&body, edit->row);
        edit->upsert->inserted++;
    }
    record->parent = edit->upsert->dataset_id;
    record->name = edit->row->hash;
    record->body = tj_buf_str(&body);
    return TJ_EDIT_PUT;
}

/* -- upsert --------------------------------------------------------------- */

static bool count_upsert(void *ctx, struct tj_ml *call,
                         struct tj_ml_dataset *dataset)
{
    const struct upsert *u = ctx;
    dataset->record_count += u->inserted;
    dataset->profiled = dataset->profiled || dataset->record_count > 0;
    dataset->last_updated_by = u->updated_by;
    for (size_t i = 0; i < u->count; i++)
        tj_ml_schema_add(&dataset->schema, u->rows[i].record, call->arena);
    tj_ml_dataset_touch(dataset, call->arena, tj_now());
    return true;
}

/* All rows and the dataset as one.  The dataset comes last, when it is known
 * how many are new; when it is not there, nothing is. */
static bool run_upsert(struct upsert *u)
{
    struct tj_arena *a = u->call->arena;
    struct tj_record_work *works =
        tj_arena_array(a, struct tj_record_work, u->count + 1);
    struct row_edit *edits = tj_arena_array(a, struct row_edit, u->count);
    struct tj_ml_dataset_edit dataset = {
        .call = u->call,
        .change = count_upsert,
        .ctx = u,
    };
    for (size_t i = 0; i < u->count; i++) {
        edits[i] = (struct row_edit){u, &u->rows[i]};
        works[i] = (struct tj_record_work){TJ_RECORD_DATASET_ROW, u->rows[i].id,
                                           edit_row, &edits[i]};
    }
    works[u->count] = (struct tj_record_work){TJ_RECORD_DATASET, u->dataset_id,
                                              tj_ml_edit_dataset, &dataset};
    return tj_ml_edited(u->call,
                        tj_store_edit_records(u->call->store, works,
                                              u->count + 1, a, &u->call->err));
}

void tj_ml_dataset_upsert(struct tj_server *s, const struct tj_request *rq,
                          struct tj_answer *out)
{
    struct tj_ml call;
    struct upsert u = {.call = &call, .dataset_id = rq->captures[0]};
    if (!tj_ml_begin(&call, s, rq, out) || !read_rows(&u) || !run_upsert(&u))
        return;
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key_u64(w, "inserted_count", u.inserted);
    tj_jw_key_u64(w, "updated_count", u.updated);
    tj_ml_end(&call);
}

/* -- list ----------------------------------------------------------------- */

static void put_i64(struct tj_buf *out, const char *key, int64_t value)
{
    tj_buf_add(out, TJ_STR(", "));
    tj_python_str(out, tj_str_c(key));
    tj_buf_add(out, TJ_STR(": "));
    tj_buf_i64(out, value);
}

static void put_member(struct tj_buf *out, const struct tj_json *body,
                       const char *key)
{
    const struct tj_json *v = tj_json_find(body, tj_str_c(key));
    if (!v)
        return;
    tj_buf_add(out, TJ_STR(", "));
    tj_python_str(out, tj_str_c(key));
    tj_buf_add(out, TJ_STR(": "));
    tj_python_json(out, v, 0);
}

/* As MLflow's DatasetRecord.to_dict has it. */
static void put_row(struct tj_buf *out, const struct tj_record *record,
                    const struct tj_json *body)
{
    static const char *const before[] = {"inputs", "expectations"};
    static const char *const between[] = {"source", "source_id", "source_type"};
    static const char *const behind[] = {"created_by", "last_updated_by",
                                         "outputs"};
    tj_buf_add(out, TJ_STR("{\"dataset_record_id\": "));
    tj_python_str(out, record->id);
    tj_buf_add(out, TJ_STR(", \"dataset_id\": "));
    tj_python_str(out, record->parent);
    for (size_t i = 0; i < TJ_COUNT(before); i++)
        put_member(out, body, before[i]);
    if (tj_json_find(body, TJ_STR("tags")))
        put_member(out, body, "tags");
    else
        tj_buf_add(out, TJ_STR(", \"tags\": {}"));
    for (size_t i = 0; i < TJ_COUNT(between); i++)
        put_member(out, body, between[i]);
    put_i64(out, "created_time", tj_ml_ms(record->create_time));
    put_i64(out, "last_update_time", tj_ml_ms(record->update_time));
    for (size_t i = 0; i < TJ_COUNT(behind); i++)
        put_member(out, body, behind[i]);
    tj_buf_byte(out, '}');
}

static bool read_page(struct tj_ml *call, struct tj_record_query *query)
{
    int64_t max = 0;
    tj_str token = tj_ml_str(call, "page_token");
    if (!tj_ml_i64(call, "max_results", 0, &max))
        return false;
    query->row_max =
        max < 1 || max > TJ_SEARCH_ROWS_MAX ? TJ_SEARCH_ROWS_MAX : (size_t)max;
    return !token.len ||
           tj_base64_parse(call->arena, token, &query->page_token) ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid page token, could not base64-decode");
}

static bool put_rows(struct tj_ml *call, const struct tj_record_page *page,
                     struct tj_arena *a, struct tj_buf *out)
{
    for (size_t i = 0; i < page->count; i++) {
        struct tj_json_doc doc;
        if (!tj_json_parse(page->items[i].body, a, &doc, &call->err))
            return tj_ml_fail_err(call);
        if (out->len > 1)
            tj_buf_add(out, TJ_STR(", "));
        put_row(out, &page->items[i], doc.root);
    }
    return true;
}

/* As many as were asked for, or as fit; few at a time.  query->page_token is
 * where the next page begins. */
static bool gather(struct tj_ml *call, struct tj_record_query *query,
                   struct tj_buf *out)
{
    struct tj_arena arena = {0};
    size_t left = query->row_max;
    bool ok = true;
    do {
        struct tj_record_page page = {0};
        query->row_max = tj_size_min(left, ROWS_READ);
        ok = (tj_store_records(call->store, query, &arena, &page, &call->err) ||
              tj_ml_fail_err(call)) &&
             put_rows(call, &page, &arena, out);
        left -= tj_size_min(left, page.count);
        query->page_token = tj_str_dup(call->arena, page.next_page_token);
        tj_arena_reset(&arena);
    } while (ok && query->page_token.len && left &&
             out->len < TJ_DATASET_PAGE_BYTES_MAX);
    tj_arena_release(&arena);
    return ok;
}

/* One that is not there has no records, as in MLflow. */
void tj_ml_dataset_records(struct tj_server *s, const struct tj_request *rq,
                           struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_dataset dataset;
    bool found = false;
    struct tj_record_query query = {
        .kind = TJ_RECORD_DATASET_ROW,
        .parent = rq->captures[0],
    };
    struct tj_buf text;
    if (!tj_ml_begin(&call, s, rq, out) || !read_page(&call, &query) ||
        !tj_ml_find_dataset(&call, rq->captures[0], &dataset, &found))
        return;
    tj_buf_init(&text, call.arena, TJ_IMPORT_BYTES_MAX);
    tj_buf_byte(&text, '[');
    if (!found)
        query.page_token = (tj_str){0};
    else if (!gather(&call, &query, &text))
        return;
    tj_buf_byte(&text, ']');
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key_str(w, "records", tj_buf_str(&text));
    if (query.page_token.len)
        tj_jw_key_str(w, "next_page_token",
                      tj_base64_write(call.arena, query.page_token));
    tj_ml_end(&call);
}

/* -- delete --------------------------------------------------------------- */

struct deletion {
    tj_str dataset_id;
    size_t deleted;
};

static enum tj_edit delete_row(void *ctx, struct tj_record *record, bool found,
                               struct tj_arena *a, struct tj_err *err)
{
    struct deletion *d = ctx;
    (void)a;
    (void)err;
    if (!found || !tj_str_eq(record->parent, d->dataset_id))
        return TJ_EDIT_KEEP;
    d->deleted++;
    return TJ_EDIT_DELETE;
}

static bool count_deletion(void *ctx, struct tj_ml *call,
                           struct tj_ml_dataset *dataset)
{
    const struct deletion *d = ctx;
    (void)call;
    dataset->record_count -= tj_size_min(d->deleted, dataset->record_count);
    return true;
}

void tj_ml_dataset_delete_records(struct tj_server *s,
                                  const struct tj_request *rq,
                                  struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_list ids;
    struct deletion d = {.dataset_id = rq->captures[0]};
    struct tj_ml_dataset_edit edit = {
        .call = &call,
        .change = count_deletion,
        .ctx = &d,
    };
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_strs(&call, "dataset_record_ids", &ids))
        return;
    if (ids.count > TJ_DATASET_UPSERT_MAX) {
        (void)tj_ml_fail(&call, TJ_ML_INVALID_PARAMETER_VALUE,
                         "one request deletes at most %zu records of a dataset",
                         TJ_DATASET_UPSERT_MAX);
        return;
    }
    struct tj_record_work *works =
        tj_arena_array(call.arena, struct tj_record_work, ids.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < ids.count; i++) {
        if (ids.items[i].len)
            works[count++] = (struct tj_record_work){
                TJ_RECORD_DATASET_ROW, ids.items[i], delete_row, &d};
    }
    works[count++] = (struct tj_record_work){TJ_RECORD_DATASET, d.dataset_id,
                                             tj_ml_edit_dataset, &edit};
    if (!tj_ml_edited(&call, tj_store_edit_records(call.store, works, count,
                                                   call.arena, &call.err)))
        return;
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key_u64(w, "deleted_count", d.deleted);
    tj_ml_end(&call);
}
