/* mlflow_datasets.c - MLflow's evaluation datasets: make, find, change.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/limits.h"
#include "base/map.h"
#include "serve/mlflow_dataset.h"
#include "serve/mlflow_search.h"
#include "serve/python_json.h"
#include "serve/route.h"

enum { DATASETS_PAGE = 1000 };

#define TAG_USER "mlflow.user"

/* -- answers -------------------------------------------------------------- */

static void put_map(struct tj_buf *out, const tj_pairs *pairs)
{
    const char *comma = "";
    tj_buf_byte(out, '{');
    tj_vec_each (pairs, const struct tj_pair, pair) {
        tj_buf_add(out, tj_str_c(comma));
        tj_python_str(out, pair->key);
        tj_buf_add(out, TJ_STR(": "));
        tj_python_str(out, pair->value);
        comma = ", ";
    }
    tj_buf_byte(out, '}');
}

/* The text of Python's json.dumps, which is how MLflow nests JSON in JSON. */
static tj_str map_text(struct tj_ml *call, const tj_pairs *pairs)
{
    struct tj_buf buf;
    tj_buf_init(&buf, call->arena, SIZE_MAX);
    put_map(&buf, pairs);
    return tj_buf_str(&buf);
}

static tj_str schema_text(struct tj_ml *call, const struct tj_ml_schema *schema)
{
    struct tj_buf buf;
    tj_buf_init(&buf, call->arena, SIZE_MAX);
    tj_buf_add(&buf, TJ_STR("{\"inputs\": "));
    put_map(&buf, &schema->inputs);
    tj_buf_add(&buf, TJ_STR(", \"outputs\": "));
    if (schema->outputs_type.len)
        tj_python_str(&buf, schema->outputs_type);
    else
        put_map(&buf, &schema->outputs);
    tj_buf_add(&buf, TJ_STR(", \"expectations\": "));
    put_map(&buf, &schema->expectations);
    tj_buf_add(&buf, TJ_STR(", \"version\": \"1.0\"}"));
    return tj_buf_str(&buf);
}

static void write_experiments(struct tj_ml *call, const struct tj_ml_dataset *d)
{
    struct tj_json_writer *w = &call->writer;
    if (!d->experiments.count)
        return;
    tj_jw_key(w, TJ_STR("experiment_ids"));
    tj_jw_array(w);
    tj_vec_each (&d->experiments, const uint64_t, id)
        tj_jw_str(w, tj_ml_experiment_id(call->arena, *id));
    tj_jw_end(w);
}

static void write_dataset(struct tj_ml *call, const struct tj_ml_dataset *d)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_key_str(w, "dataset_id", d->id);
    tj_jw_key_str(w, "name", d->name);
    tj_jw_key_str(w, "tags", map_text(call, &d->tags));
    if (d->schema.known)
        tj_jw_key_str(w, "schema", schema_text(call, &d->schema));
    if (d->record_count)
        tj_jw_key_str(w, "profile",
                      tj_str_printf(call->arena, "{\"num_records\": %llu}",
                                    (unsigned long long)d->record_count));
    else if (d->profiled)
        tj_jw_key_str(w, "profile", TJ_STR("null"));
    tj_jw_key_str(w, "digest", d->digest);
    tj_jw_key_i64(w, "created_time", tj_ml_ms(d->create_time));
    tj_jw_key_i64(w, "last_update_time", tj_ml_ms(d->update_time));
    if (d->created_by.ptr)
        tj_jw_key_str(w, "created_by", d->created_by);
    if (d->last_updated_by.ptr)
        tj_jw_key_str(w, "last_updated_by", d->last_updated_by);
}

enum with { ALONE, WITH_EXPERIMENTS };

static void answer_dataset(struct tj_ml *call, const struct tj_ml_dataset *d,
                           enum with with)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    tj_jw_key(w, TJ_STR("dataset"));
    tj_jw_object(w);
    write_dataset(call, d);
    if (with == WITH_EXPERIMENTS)
        write_experiments(call, d);
    tj_jw_end(w);
    tj_ml_end(call);
}

/* -- tags ----------------------------------------------------------------- */

/* Python's str() of what JSON says. */
static tj_str tag_text(struct tj_ml *call, const struct tj_json *v)
{
    struct tj_buf buf;
    if (tj_json_is_string(v))
        return tj_json_str(v).ptr ? tj_json_str(v) : TJ_STR("");
    if (tj_json_type(v) == TJ_JSON_TRUE)
        return TJ_STR("True");
    if (tj_json_type(v) == TJ_JSON_FALSE)
        return TJ_STR("False");
    tj_buf_init(&buf, call->arena, SIZE_MAX);
    tj_python_json(&buf, v, 0);
    return tj_buf_str(&buf);
}

/* The argument is the text of a JSON object. */
static bool read_tags(struct tj_ml *call, tj_pairs *out)
{
    struct tj_json_doc doc;
    tj_str text;
    if (!tj_ml_opt_str(call, "tags", &text))
        return false;
    if (!text.len)
        return true;
    if (!tj_json_parse(text, call->arena, &doc, &call->err))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "tags is not JSON: %s", call->err.message);
    if (!tj_json_is_object(doc.root))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "tags must be the text of a JSON object");
    if (tj_json_count(doc.root) > TJ_REQUEST_PAIRS_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "one request has at most %zu tags",
                          TJ_REQUEST_PAIRS_MAX);
    struct tj_json_members m = tj_json_members(doc.root);
    while (tj_json_member(&m)) {
        if (!tj_json_is_null(m.value))
            tj_pairs_set(out, call->arena, m.key, tag_text(call, m.value));
    }
    return true;
}

/* -- make and find -------------------------------------------------------- */

static bool read_experiments(struct tj_ml *call, struct tj_ml_dataset *d)
{
    struct tj_map ids;
    if (!tj_ml_set(call, "experiment_ids", &ids))
        return false;
    for (size_t i = 0; i < ids.count; i++) {
        struct tj_experiment ex;
        if (!tj_ml_experiment(call, ids.entries[i].key, &ex))
            return false;
        *tj_vec_add(&d->experiments, call->arena) = ex.id;
    }
    return true;
}

static enum tj_edit put_new(void *ctx, struct tj_record *record, bool found,
                            struct tj_arena *a, struct tj_err *err)
{
    struct tj_ml_dataset *dataset = ctx;
    if (found) {
        (void)tj_fail(err, TJ_E_BUSY, "the dataset's id is taken");
        return TJ_EDIT_FAIL;
    }
    dataset->create_time = record->create_time;
    tj_ml_dataset_touch(dataset, a, record->create_time);
    tj_ml_dataset_body(dataset, a, record);
    return TJ_EDIT_PUT;
}

static void create(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_dataset dataset = {0};
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_need_str(&call, "name", &dataset.name) ||
        !read_tags(&call, &dataset.tags) || !read_experiments(&call, &dataset))
        return;
    if (!tj_ml_dataset_covered(&call, &dataset)) {
        (void)tj_ml_fail(&call, TJ_ML_PERMISSION_DENIED, "Permission denied");
        return;
    }
    dataset.id = tj_ml_random_id(call.arena, "d-");
    dataset.created_by = tj_pairs_find(&dataset.tags, TJ_STR(TAG_USER));
    dataset.last_updated_by = dataset.created_by;
    if (tj_store_edit_record(call.store, TJ_RECORD_DATASET, dataset.id, put_new,
                             &dataset, call.arena, &call.err))
        answer_dataset(&call, &dataset, WITH_EXPERIMENTS);
    else
        (void)tj_ml_fail_err(&call);
}

static void find(struct tj_server *s, const struct tj_request *rq,
                 struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_dataset dataset;
    bool found = false;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_find_dataset(&call, rq->captures[0], &dataset, &found))
        return;
    if (found)
        answer_dataset(&call, &dataset, ALONE);
    else
        (void)tj_ml_fail(&call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                         "Evaluation dataset with id '%.*s' not found",
                         TJ_STR_ARG(rq->captures[0]));
}

static void experiment_ids(struct tj_server *s, const struct tj_request *rq,
                           struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_dataset dataset = {0};
    bool found = false;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_find_dataset(&call, rq->captures[0], &dataset, &found))
        return;
    (void)tj_ml_answer(&call);
    write_experiments(&call, &dataset);
    tj_ml_end(&call);
}

/* -- change --------------------------------------------------------------- */

static bool edit(struct tj_ml *call, struct tj_ml_dataset_edit *edit)
{
    edit->call = call;
    return tj_ml_edited(
        call, tj_store_edit_record(call->store, TJ_RECORD_DATASET,
                                   call->rq->captures[0], tj_ml_edit_dataset,
                                   edit, call->arena, &call->err));
}

static bool change_tags(void *ctx, struct tj_ml *call,
                        struct tj_ml_dataset *dataset)
{
    const tj_pairs *tags = ctx;
    tj_vec_each (tags, const struct tj_pair, tag)
        tj_pairs_set(&dataset->tags, call->arena, tag->key, tag->value);
    return true;
}

static void set_tags(struct tj_server *s, const struct tj_request *rq,
                     struct tj_answer *out)
{
    struct tj_ml call;
    tj_pairs tags = {0};
    struct tj_ml_dataset_edit change = {
        .change = change_tags,
        .ctx = &tags,
        .before = "Could not find evaluation dataset with ID ",
    };
    tj_str text;
    if (tj_ml_begin(&call, s, rq, out) &&
        tj_ml_need_str(&call, "tags", &text) && read_tags(&call, &tags) &&
        edit(&call, &change))
        tj_ml_done(&call);
}

static bool change_tag_away(void *ctx, struct tj_ml *call,
                            struct tj_ml_dataset *dataset)
{
    (void)call;
    (void)tj_ml_pairs_remove(&dataset->tags, *(const tj_str *)ctx);
    return true;
}

/* A tag, or a dataset, that is not there is as good as deleted. */
static void delete_tag(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_dataset dataset;
    bool found = false;
    tj_str key = rq->captures[1];
    struct tj_ml_dataset_edit change = {
        .change = change_tag_away,
        .ctx = &key,
    };
    if (tj_ml_begin(&call, s, rq, out) &&
        tj_ml_find_dataset(&call, rq->captures[0], &dataset, &found) &&
        (!found || edit(&call, &change)))
        tj_ml_done(&call);
}

/* more holds the experiments of the request. */
static bool change_add(void *ctx, struct tj_ml *call,
                       struct tj_ml_dataset *dataset)
{
    const struct tj_ml_dataset *more = ctx;
    tj_vec_each (&more->experiments, const uint64_t, id) {
        bool there = false;
        tj_vec_each (&dataset->experiments, const uint64_t, have)
            there = there || *have == *id;
        if (!there)
            *tj_vec_add(&dataset->experiments, call->arena) = *id;
    }
    dataset->update_time = tj_now();
    return true;
}

static void add_experiments(struct tj_server *s, const struct tj_request *rq,
                            struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_dataset more = {0};
    struct tj_ml_dataset_edit change = {.change = change_add, .ctx = &more};
    if (tj_ml_begin(&call, s, rq, out) && read_experiments(&call, &more) &&
        edit(&call, &change))
        answer_dataset(&call, &change.dataset, ALONE);
}

static bool change_remove(void *ctx, struct tj_ml *call,
                          struct tj_ml_dataset *dataset)
{
    const struct tj_map *ids = ctx;
    size_t kept = 0;
    for (size_t i = 0; i < dataset->experiments.count; i++) {
        uint64_t id = dataset->experiments.items[i];
        bool away = tj_map_find(ids, tj_ml_experiment_id(call->arena, id));
        if (away && !tj_ml_covers(call, id))
            return false;
        if (!away)
            dataset->experiments.items[kept++] = id;
    }
    dataset->experiments.count = kept;
    dataset->update_time = tj_now();
    return true;
}

static void remove_experiments(struct tj_server *s, const struct tj_request *rq,
                               struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_map ids;
    struct tj_ml_dataset_edit change = {.change = change_remove, .ctx = &ids};
    if (tj_ml_begin(&call, s, rq, out) &&
        tj_ml_set(&call, "experiment_ids", &ids) && edit(&call, &change))
        answer_dataset(&call, &change.dataset, ALONE);
}

static bool delete_rows(struct tj_ml *call)
{
    uint64_t deleted = 0;
    return tj_store_delete_records(call->store, TJ_RECORD_DATASET_ROW,
                                   call->rq->captures[0], &deleted, &call->err);
}

/* The dataset comes behind its rows, so that what is left after a failure can
 * still be deleted; then those that came in between, since from now on none is
 * added. */
static void delete (struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_dataset dataset;
    bool found = false;
    tj_str id = rq->captures[0];
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_find_dataset(&call, id, &dataset, &found))
        return;
    if (found && (!delete_rows(&call) ||
                  !tj_store_edit_record(call.store, TJ_RECORD_DATASET, id,
                                        tj_ml_delete_record, NULL, call.arena,
                                        &call.err) ||
                  !delete_rows(&call)))
        (void)tj_ml_fail_err(&call);
    else
        tj_ml_done(&call);
}

/* -- search --------------------------------------------------------------- */

static const struct tj_ml_key dataset_keys[] = {
    {"name", "name", TJ_ML_KEY_LIST},
    {"created_time", "created_time", TJ_ML_KEY_NUMERIC},
    {"last_update_time", "last_update_time", TJ_ML_KEY_NUMERIC},
    {"created_by", "created_by", TJ_ML_KEY_FILTER_ONLY},
    {"last_updated_by", "last_updated_by", TJ_ML_KEY_FILTER_ONLY},
    {0},
};

static const struct tj_ml_language dataset_language = {
    .keys = dataset_keys,
    .entities = 1 << TJ_ML_ATTRIBUTE | 1 << TJ_ML_TAG,
    .types = "['tags']",
    .attributes = ": {'created_by', 'created_time', 'last_update_time', "
                  "'last_updated_by', 'name'}",
    .order_attributes = ": {'created_time', 'last_update_time', 'name'}",
    .lists = "['name']",
};

static bool lookup(const void *item, const struct tj_ml_field *field, size_t i,
                   struct tj_ml_value *out)
{
    return tj_ml_record_lookup(&tj_ml_dataset_kind, item, field, i, out);
}

struct search {
    struct tj_ml_search common;
    struct tj_map experiments; /* none: all */
};

static bool read_search(struct tj_ml *call, struct search *s)
{
    struct tj_ml_orders *orders = &s->common.orders;
    if (!tj_ml_set(call, "experiment_ids", &s->experiments) ||
        !tj_ml_search_read(call, &dataset_language, DATASETS_PAGE,
                           "filter_string", &s->common))
        return false;
    if (!orders->count)
        tj_ml_orders_add(call, orders, "created_time", true);
    tj_ml_orders_add(call, orders, "dataset_id", true);
    return true;
}

static bool in_experiments(struct tj_ml *call, const struct search *s,
                           const struct tj_ml_dataset *d)
{
    if (!s->experiments.count)
        return true;
    tj_vec_each (&d->experiments, const uint64_t, id) {
        if (tj_map_find(&s->experiments, tj_ml_experiment_id(call->arena, *id)))
            return true;
    }
    return false;
}

/* Only what is found stays in memory until the end. */
static bool consider(void *ctx, struct tj_ml *call,
                     const struct tj_record *record, struct tj_arena *a)
{
    struct search *s = ctx;
    struct tj_ml_dataset d;
    if (!tj_ml_dataset_parse(record, a, &d, &call->err))
        return tj_ml_fail_err(call);
    if (!tj_ml_dataset_covered(call, &d) || !in_experiments(call, s, &d) ||
        !tj_ml_filter_match(&s->common.filter, lookup, &d))
        return true;
    struct tj_record copy = tj_ml_keep_record(call, record);
    struct tj_ml_dataset *kept =
        tj_arena_new(call->arena, struct tj_ml_dataset);
    *tj_vec_add(&s->common.found, call->arena) = kept;
    return tj_ml_dataset_parse(&copy, call->arena, kept, &call->err) ||
           tj_ml_fail_err(call);
}

static bool gather(struct tj_ml *call, struct search *s)
{
    struct tj_record_query query = {
        .kind = TJ_RECORD_DATASET,
        .row_max = TJ_SEARCH_ROWS_MAX,
    };
    return tj_ml_each_record(call, &query, consider, s);
}

static void write_found(struct tj_ml *call, const void *item)
{
    tj_jw_object(&call->writer);
    write_dataset(call, item);
    tj_jw_end(&call->writer);
}

static void search(struct tj_server *server, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct search s = {0};
    if (tj_ml_begin(&call, server, rq, out) && read_search(&call, &s) &&
        gather(&call, &s))
        tj_ml_answer_search(&call, &s.common, "datasets", lookup, write_found);
}

#define AT(name) "/mlflow/datasets" name

const struct tj_route tj_routes_datasets[] = {
    {TJ_METHOD_POST, TJ_V3, AT("/create"), TJ_ACCESS_WRITE, create},
    {TJ_METHOD_POST, TJ_V3, AT("/search"), TJ_ACCESS_READ, search},
    {TJ_METHOD_GET, TJ_V3, AT("/search"), TJ_ACCESS_READ, search},
    {TJ_METHOD_GET, TJ_V3, AT("/{}"), TJ_ACCESS_READ, find},
    {TJ_METHOD_DELETE, TJ_V3, AT("/{}"), TJ_ACCESS_WRITE, delete},
    {TJ_METHOD_PATCH, TJ_V3, AT("/{}/tags"), TJ_ACCESS_WRITE, set_tags},
    {TJ_METHOD_DELETE, TJ_V3, AT("/{}/tags/{}"), TJ_ACCESS_WRITE, delete_tag},
    {TJ_METHOD_GET, TJ_V3, AT("/{}/records"), TJ_ACCESS_READ,
     tj_ml_dataset_records},
    {TJ_METHOD_POST, TJ_V3, AT("/{}/records"), TJ_ACCESS_WRITE,
     tj_ml_dataset_upsert},
    {TJ_METHOD_DELETE, TJ_V3, AT("/{}/records"), TJ_ACCESS_WRITE,
     tj_ml_dataset_delete_records},
    {TJ_METHOD_GET, TJ_V3, AT("/{}/experiment-ids"), TJ_ACCESS_READ,
     experiment_ids},
    {TJ_METHOD_POST, TJ_V3, AT("/{}/add-experiments"), TJ_ACCESS_WRITE,
     add_experiments},
    {TJ_METHOD_POST, TJ_V3, AT("/{}/remove-experiments"), TJ_ACCESS_WRITE,
     remove_experiments},
    {.run = NULL},
};
