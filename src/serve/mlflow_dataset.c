/* mlflow_dataset.c - an evaluation dataset of MLflow: its record.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_dataset.h"

#include <inttypes.h>

#include "base/limits.h"
#include "base/sha256.h"

enum { DIGEST_DIGITS = 8 };

/* -- the body ------------------------------------------------------------- */

static const struct tj_ml_member members[] = {
    {"dataset_id", TJ_ML_OWN_ID, offsetof(struct tj_ml_dataset, id)},
    {"name", TJ_ML_OWN_NAME, offsetof(struct tj_ml_dataset, name)},
    {"created_time", TJ_ML_OWN_CREATE_TIME,
     offsetof(struct tj_ml_dataset, create_time)},
    {"last_update_time", TJ_ML_OWN_UPDATE_TIME,
     offsetof(struct tj_ml_dataset, update_time)},
    {"tags", TJ_ML_MAP, offsetof(struct tj_ml_dataset, tags)},
    {"digest", TJ_ML_TEXT, offsetof(struct tj_ml_dataset, digest)},
    {"created_by", TJ_ML_MAYBE_TEXT,
     offsetof(struct tj_ml_dataset, created_by)},
    {"last_updated_by", TJ_ML_MAYBE_TEXT,
     offsetof(struct tj_ml_dataset, last_updated_by)},
    {"profiled", TJ_ML_FLAG, offsetof(struct tj_ml_dataset, profiled)},
    {NULL, TJ_ML_OWN_ID, 0},
};

const struct tj_ml_kind tj_ml_dataset_kind = {"dataset", TJ_RECORD_DATASET,
                                              members};

static void read_schema(const struct tj_json *v, struct tj_arena *a,
                        struct tj_ml_schema *out)
{
    const struct tj_json *outputs = tj_json_find(v, TJ_STR("outputs"));
    out->known = v != NULL;
    tj_ml_read_map(tj_json_find(v, TJ_STR("inputs")), a, &out->inputs);
    tj_ml_read_map(outputs, a, &out->outputs);
    out->outputs_type = tj_json_str(outputs);
    tj_ml_read_map(tj_json_find(v, TJ_STR("expectations")), a,
                   &out->expectations);
}

bool tj_ml_dataset_parse(const struct tj_record *record, struct tj_arena *a,
                         struct tj_ml_dataset *out, struct tj_err *err)
{
    struct tj_ml_dataset d = {0};
    const struct tj_json *body;
    if (!tj_ml_record_read(&tj_ml_dataset_kind, record, a, &d, &body, err))
        return false;
    tj_json_each (tj_json_find(body, TJ_STR("experiment_ids")), id)
        (void)tj_json_u64(id, tj_vec_add(&d.experiments, a));
    (void)tj_json_u64(tj_json_find(body, TJ_STR("record_count")),
                      &d.record_count);
    read_schema(tj_json_find(body, TJ_STR("schema")), a, &d.schema);
    *out = d;
    return true;
}

static void write_schema(struct tj_json_writer *w,
                         const struct tj_ml_schema *schema)
{
    tj_jw_key(w, TJ_STR("schema"));
    tj_jw_object(w);
    tj_ml_write_map(w, "inputs", &schema->inputs);
    if (schema->outputs_type.len)
        tj_jw_key_str(w, "outputs", schema->outputs_type);
    else
        tj_ml_write_map(w, "outputs", &schema->outputs);
    tj_ml_write_map(w, "expectations", &schema->expectations);
    tj_jw_end(w);
}

void tj_ml_dataset_body(const struct tj_ml_dataset *d, struct tj_arena *a,
                        struct tj_record *out)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_ml_record_write(&tj_ml_dataset_kind, d, &w);
    tj_jw_key(&w, TJ_STR("experiment_ids"));
    tj_jw_array(&w);
    tj_vec_each (&d->experiments, const uint64_t, id)
        tj_jw_u64(&w, *id);
    tj_jw_end(&w);
    tj_jw_key_u64(&w, "record_count", d->record_count);
    if (d->schema.known)
        write_schema(&w, &d->schema);
    tj_jw_end(&w);
    out->name = d->name;
    out->parent = TJ_STR("");
    out->body = tj_buf_str(&buf);
    out->update_time = d->update_time;
}

void tj_ml_dataset_touch(struct tj_ml_dataset *dataset, struct tj_arena *a,
                         tj_time now)
{
    tj_str text = tj_str_printf(a, "%.*s:%" PRId64, TJ_STR_ARG(dataset->name),
                                tj_ml_ms(now));
    dataset->update_time = now;
    dataset->digest = tj_str_slice(tj_sha256_hex(a, text), 0, DIGEST_DIGITS);
}

/* -- the schema ----------------------------------------------------------- */

static const char *field_type(const struct tj_json *v)
{
    switch (tj_json_type(v)) {
    case TJ_JSON_NULL: return "null";
    case TJ_JSON_FALSE:
    case TJ_JSON_TRUE: return "boolean";
    case TJ_JSON_INT:
    case TJ_JSON_UINT: return "integer";
    case TJ_JSON_DOUBLE: return "float";
    case TJ_JSON_STRING: return "string";
    case TJ_JSON_ARRAY: return "array";
    case TJ_JSON_OBJECT: break;
    }
    return "object";
}

/* The first type that a field was seen with stays. */
static void add_fields(tj_pairs *fields, const struct tj_json *object,
                       struct tj_arena *a)
{
    struct tj_json_members m = tj_json_members(object);
    while (tj_json_member(&m)) {
        if (fields->count < TJ_DATASET_FIELDS_MAX &&
            !tj_pairs_find(fields, m.key).ptr)
            tj_pairs_set(fields, a, m.key, tj_str_c(field_type(m.value)));
    }
}

void tj_ml_schema_add(struct tj_ml_schema *schema, const struct tj_json *record,
                      struct tj_arena *a)
{
    const struct tj_json *outputs = tj_json_find(record, TJ_STR("outputs"));
    schema->known = true;
    add_fields(&schema->inputs, tj_json_find(record, TJ_STR("inputs")), a);
    if (tj_json_is_object(outputs) && !schema->outputs_type.len)
        add_fields(&schema->outputs, outputs, a);
    else if (!tj_json_is_null(outputs) && !tj_json_is_object(outputs) &&
             !schema->outputs.count && !schema->outputs_type.len)
        schema->outputs_type = tj_str_c(field_type(outputs));
    add_fields(&schema->expectations,
               tj_json_find(record, TJ_STR("expectations")), a);
}

/* -- in the store --------------------------------------------------------- */

bool tj_ml_dataset_covered(const struct tj_ml *call,
                           const struct tj_ml_dataset *dataset)
{
    if (tj_grant_covers_all(call->rq->grant))
        return true;
    tj_vec_each (&dataset->experiments, const uint64_t, id) {
        if (tj_grant_covers(call->rq->grant, *id))
            return true;
    }
    return false;
}

static bool need_covered(struct tj_ml *call,
                         const struct tj_ml_dataset *dataset)
{
    return tj_ml_dataset_covered(call, dataset) ||
           tj_ml_fail(call, TJ_ML_PERMISSION_DENIED, "Permission denied");
}

bool tj_ml_find_dataset(struct tj_ml *call, tj_str id,
                        struct tj_ml_dataset *out, bool *found)
{
    struct tj_record record;
    if (!tj_store_find_record(call->store, TJ_RECORD_DATASET, id, call->arena,
                              &record, found, &call->err))
        return tj_ml_fail_err(call);
    if (!*found)
        return true;
    return (tj_ml_dataset_parse(&record, call->arena, out, &call->err) ||
            tj_ml_fail_err(call)) &&
           need_covered(call, out);
}

enum tj_edit tj_ml_edit_dataset(void *ctx, struct tj_record *record, bool found,
                                struct tj_arena *a, struct tj_err *err)
{
    struct tj_ml_dataset_edit *edit = ctx;
    if (!found) {
        (void)tj_ml_fail(edit->call, TJ_ML_RESOURCE_DOES_NOT_EXIST, "%s%.*s%s",
                         edit->before ? edit->before : "Dataset '",
                         TJ_STR_ARG(record->id),
                         edit->before ? "" : "' not found");
        return tj_ml_stop(err);
    }
    if (!tj_ml_dataset_parse(record, a, &edit->dataset, err))
        return TJ_EDIT_FAIL;
    if (!need_covered(edit->call, &edit->dataset) ||
        !edit->change(edit->ctx, edit->call, &edit->dataset))
        return tj_ml_stop(err);
    tj_ml_dataset_body(&edit->dataset, a, record);
    return TJ_EDIT_PUT;
}
