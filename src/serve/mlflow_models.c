/* mlflow_models.c - MLflow's logged models: the versions of an application.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A TJ_RECORD_LOGGED_MODEL: parent is the experiment, name the model's, and
 * the body JSON:
 *
 *     {"model_type", "source_run_id", "status", "artifact_uri", "deleted",
 *      "params": {}, "tags": {},
 *      "metrics": [[key, value, timestamp, step, run_id], ...]}
 */
#include "serve/mlflow_models.h"

#include <math.h>

#include "base/limits.h"
#include "serve/mlflow_search.h"
#include "serve/route.h"

enum { MODELS_PAGE = 100 };

struct model {
    tj_str id;
    tj_str name;
    uint64_t experiment_id;
    tj_time create_time;
    tj_time update_time;
    tj_str type;
    tj_str source_run_id;
    tj_str status;
    tj_str artifact_uri;
    bool deleted;
    tj_pairs params;
    tj_pairs tags;
    tj_ml_metrics metrics;
};

/* -- the record ------------------------------------------------------------ */

#define FIELD(field) offsetof(struct model, field)

static const struct tj_ml_member members[] = {
    {"model_id", TJ_ML_OWN_ID, FIELD(id)},
    {"name", TJ_ML_OWN_NAME, FIELD(name)},
    {"experiment_id", TJ_ML_OWN_EXPERIMENT, FIELD(experiment_id)},
    {"creation_timestamp", TJ_ML_OWN_CREATE_TIME, FIELD(create_time)},
    {"last_updated_timestamp", TJ_ML_OWN_UPDATE_TIME, FIELD(update_time)},
    {"model_type", TJ_ML_TEXT, FIELD(type)},
    {"source_run_id", TJ_ML_TEXT, FIELD(source_run_id)},
    {"status", TJ_ML_TEXT, FIELD(status)},
    {"artifact_uri", TJ_ML_TEXT, FIELD(artifact_uri)},
    {"deleted", TJ_ML_FLAG, FIELD(deleted)},
    {"params", TJ_ML_MAP, FIELD(params)},
    {"tags", TJ_ML_MAP, FIELD(tags)},
    {"metrics", TJ_ML_RUN_METRICS, FIELD(metrics)},
    {NULL, TJ_ML_OWN_ID, 0},
};

static const struct tj_ml_kind model_kind = {"logged model",
                                             TJ_RECORD_LOGGED_MODEL, members};

static bool parse(const struct tj_record *record, struct tj_arena *a,
                  struct model *out, struct tj_err *err)
{
    struct model model = {0};
    const struct tj_json *body;
    if (!tj_ml_record_read(&model_kind, record, a, &model, &body, err))
        return false;
    *out = model;
    return true;
}

static void put(const struct model *model, struct tj_arena *a,
                struct tj_record *out)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_ml_record_write(&model_kind, model, &w);
    tj_jw_end(&w);
    out->parent = tj_ml_experiment_id(a, model->experiment_id);
    out->name = model->name;
    out->body = tj_buf_str(&buf);
    out->update_time = model->update_time;
}

/* -- answers -------------------------------------------------------------- */

static void write_info(struct tj_ml *call, const struct model *model)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_object(w);
    tj_jw_key_str(w, "model_id", model->id);
    tj_jw_key_str(w, "experiment_id",
                  tj_ml_experiment_id(call->arena, model->experiment_id));
    tj_jw_key_str(w, "name", model->name);
    tj_jw_key_i64(w, "creation_timestamp_ms", tj_ml_ms(model->create_time));
    tj_jw_key_i64(w, "last_updated_timestamp_ms", tj_ml_ms(model->update_time));
    tj_jw_key_str(w, "artifact_uri", model->artifact_uri);
    tj_jw_key_str(w, "status", model->status);
    tj_jw_key_str(w, "model_type", model->type);
    tj_jw_key_str(w, "source_run_id", model->source_run_id);
    if (model->tags.count)
        tj_ml_write_pairs(w, "tags", &model->tags);
    tj_jw_end(w);
}

static void write_metric(struct tj_json_writer *w, const struct model *model,
                         const struct tj_ml_metric *m)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "key", m->key);
    tj_jw_key(w, TJ_STR("value"));
    tj_ml_write_number(w, m->value);
    tj_jw_key_i64(w, "timestamp", m->timestamp);
    tj_jw_key_i64(w, "step", m->step);
    tj_jw_key_str(w, "model_id", model->id);
    tj_jw_key_str(w, "run_id", m->run_id);
    tj_jw_end(w);
}

static void write_model(struct tj_ml *call, const struct model *model)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_object(w);
    tj_jw_key(w, TJ_STR("info"));
    write_info(call, model);
    tj_jw_key(w, TJ_STR("data"));
    tj_jw_object(w);
    if (model->params.count)
        tj_ml_write_pairs(w, "params", &model->params);
    if (model->metrics.count) {
        tj_jw_key(w, TJ_STR("metrics"));
        tj_jw_array(w);
        tj_vec_each (&model->metrics, const struct tj_ml_metric, m)
            write_metric(w, model, m);
        tj_jw_end(w);
    }
    tj_jw_end(w);
    tj_jw_end(w);
}

static void answer_model(struct tj_ml *call, const struct model *model)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    tj_jw_key(w, TJ_STR("model"));
    write_model(call, model);
    tj_ml_end(call);
}

/* -- edits ---------------------------------------------------------------- */

static bool refuse_unknown(struct tj_ml *call, tj_str id)
{
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "Logged model with ID '%.*s' not found.", TJ_STR_ARG(id));
}

typedef bool (*model_change)(void *ctx, struct tj_ml *call,
                             struct model *model);

struct edit {
    struct tj_ml *call;
    model_change change;
    void *ctx;
    struct model model;
};

static enum tj_edit edit_record(void *ctx, struct tj_record *record, bool found,
                                struct tj_arena *a, struct tj_err *err)
{
    struct edit *edit = ctx;
    if (!found) {
        (void)refuse_unknown(edit->call, record->id);
        return tj_ml_stop(err);
    }
    if (!parse(record, a, &edit->model, err))
        return TJ_EDIT_FAIL;
    if (!tj_ml_covers(edit->call, edit->model.experiment_id) ||
        !edit->change(edit->ctx, edit->call, &edit->model))
        return tj_ml_stop(err);
    put(&edit->model, a, record);
    return TJ_EDIT_PUT;
}

static bool edit_model(struct tj_ml *call, tj_str id, model_change change,
                       void *ctx, struct model *out)
{
    struct edit edit = {.call = call, .change = change, .ctx = ctx};
    bool ok = tj_ml_edited(call, tj_store_edit_record(call->store,
                                                      TJ_RECORD_LOGGED_MODEL,
                                                      id, edit_record, &edit,
                                                      call->arena, &call->err));
    if (ok && out)
        *out = edit.model;
    return ok;
}

/* -- make and find -------------------------------------------------------- */

static bool check_model_name(struct tj_ml *call, tj_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] && !strchr("/:.%\"'", name.ptr[i]))
            continue;
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid model name ('%.*s') provided. Model name "
                          "must be a non-empty string and cannot contain the "
                          "following characters: ('/', ':', '.', '%%', '\"', "
                          "\"'\")",
                          TJ_STR_ARG(name));
    }
    return true;
}

static bool read_new(struct tj_ml *call, struct model *m)
{
    struct tj_experiment ex;
    tj_str experiment_id;
    m->name = tj_ml_str(call, "name");
    m->type = tj_ml_str(call, "model_type");
    m->source_run_id = tj_ml_str(call, "source_run_id");
    m->status = TJ_STR("LOGGED_MODEL_PENDING");
    if (!tj_ml_need_str(call, "experiment_id", &experiment_id) ||
        !tj_ml_pairs(call, "params", &m->params) ||
        !tj_ml_pairs(call, "tags", &m->tags) ||
        !check_model_name(call, m->name) ||
        !tj_ml_experiment(call, experiment_id, &ex))
        return false;
    if (!tj_ml_experiment_is_active(call, &ex))
        return false;
    m->id = tj_ml_random_id(call->arena, "m-");
    m->experiment_id = ex.id;
    m->create_time = m->update_time = tj_now();
    m->artifact_uri =
        tj_str_printf(call->arena, "%.*s/models/%.*s/artifacts",
                      TJ_STR_ARG(tj_ml_artifact_location(call->arena, &ex)),
                      TJ_STR_ARG(m->id));
    if (!m->name.len)
        m->name = tj_ml_run_random_name(call->arena);
    return true;
}

static enum tj_edit put_new(void *ctx, struct tj_record *record, bool found,
                            struct tj_arena *a, struct tj_err *err)
{
    struct model *model = ctx;
    if (found) {
        (void)tj_fail(err, TJ_E_BUSY, "the model's id is taken");
        return TJ_EDIT_FAIL;
    }
    put(model, a, record);
    model->create_time = record->create_time;
    record->update_time = record->create_time;
    model->update_time = record->create_time;
    return TJ_EDIT_PUT;
}

static void create(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct model model = {0};
    if (!tj_ml_begin(&call, s, rq, out) || !read_new(&call, &model))
        return;
    if (tj_store_edit_record(call.store, TJ_RECORD_LOGGED_MODEL, model.id,
                             put_new, &model, call.arena, &call.err))
        answer_model(&call, &model);
    else
        (void)tj_ml_fail_err(&call);
}

static void find(struct tj_server *s, const struct tj_request *rq,
                 struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_record record;
    struct model model;
    bool found = false;
    bool deleted_too = false;
    tj_str id = rq->captures[0];
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_bool(&call, "allow_deleted", false, &deleted_too))
        return;
    if (!tj_store_find_record(call.store, TJ_RECORD_LOGGED_MODEL, id,
                              call.arena, &record, &found, &call.err) ||
        (found && !parse(&record, call.arena, &model, &call.err)))
        (void)tj_ml_fail_err(&call);
    else if (!found || (model.deleted && !deleted_too))
        (void)refuse_unknown(&call, id);
    else if (tj_ml_covers(&call, model.experiment_id))
        answer_model(&call, &model);
}

/* -- change --------------------------------------------------------------- */

static bool read_status(struct tj_ml *call, tj_str *out)
{
    static const struct {
        const char *name;
        const char *number;
    } statuses[] = {
        {"LOGGED_MODEL_PENDING", "1"},
        {"LOGGED_MODEL_READY", "2"},
        {"LOGGED_MODEL_UPLOAD_FAILED", "3"},
    };
    if (!tj_ml_need_str(call, "status", out))
        return false;
    for (size_t i = 0; i < TJ_COUNT(statuses); i++) {
        if (tj_str_eq(*out, tj_str_c(statuses[i].name)) ||
            tj_str_eq(*out, tj_str_c(statuses[i].number))) {
            *out = tj_str_c(statuses[i].name);
            return true;
        }
    }
    return tj_ml_bad_type(call, "status", tj_ml_arg(call, "status"));
}

static bool change_status(void *ctx, struct tj_ml *call, struct model *model)
{
    (void)call;
    model->status = *(const tj_str *)ctx;
    model->update_time = tj_now();
    return true;
}

static void finalize(struct tj_server *s, const struct tj_request *rq,
                     struct tj_answer *out)
{
    struct tj_ml call;
    struct model model;
    tj_str status;
    if (tj_ml_begin(&call, s, rq, out) && read_status(&call, &status) &&
        edit_model(&call, rq->captures[0], change_status, &status, &model))
        answer_model(&call, &model);
}

static bool change_deleted(void *ctx, struct tj_ml *call, struct model *model)
{
    (void)ctx;
    (void)call;
    model->deleted = true;
    model->update_time = tj_now();
    return true;
}

static void delete (struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    struct tj_ml call;
    if (tj_ml_begin(&call, s, rq, out) &&
        edit_model(&call, rq->captures[0], change_deleted, NULL, NULL))
        tj_ml_done(&call);
}

static bool has_room(struct tj_ml *call, const struct model *model)
{
    return (model->tags.count <= TJ_RUN_KEYS_MAX &&
            model->params.count <= TJ_RUN_KEYS_MAX &&
            model->metrics.count <= TJ_RUN_KEYS_MAX) ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "a logged model has at most %zu tags, params and metrics "
                      "each",
                      TJ_RUN_KEYS_MAX);
}

static bool change_tags(void *ctx, struct tj_ml *call, struct model *model)
{
    const tj_pairs *tags = ctx;
    tj_vec_each (tags, const struct tj_pair, tag)
        tj_pairs_set(&model->tags, call->arena, tag->key, tag->value);
    return has_room(call, model);
}

static void set_tags(struct tj_server *s, const struct tj_request *rq,
                     struct tj_answer *out)
{
    struct tj_ml call;
    tj_pairs tags;
    if (tj_ml_begin(&call, s, rq, out) && tj_ml_pairs(&call, "tags", &tags) &&
        edit_model(&call, rq->captures[0], change_tags, &tags, NULL))
        tj_ml_done(&call);
}

static bool change_tag_away(void *ctx, struct tj_ml *call, struct model *model)
{
    const tj_str *key = ctx;
    return tj_ml_pairs_remove(&model->tags, *key) ||
           tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "No tag with key '%.*s' found for model with ID '%.*s'.",
                      TJ_STR_ARG(*key), TJ_STR_ARG(model->id));
}

static void delete_tag(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    tj_str key = rq->captures[1];
    if (tj_ml_begin(&call, s, rq, out) &&
        edit_model(&call, rq->captures[0], change_tag_away, &key, NULL))
        tj_ml_done(&call);
}

static bool change_params(void *ctx, struct tj_ml *call, struct model *model)
{
    const tj_pairs *params = ctx;
    tj_vec_each (params, const struct tj_pair, param)
        tj_pairs_set(&model->params, call->arena, param->key, param->value);
    return has_room(call, model);
}

static void log_params(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    tj_pairs params;
    if (tj_ml_begin(&call, s, rq, out) &&
        tj_ml_pairs(&call, "params", &params) &&
        edit_model(&call, rq->captures[0], change_params, &params, NULL))
        tj_ml_done(&call);
}

/* -- metrics of runs that name a model ------------------------------------ */

struct run_metrics {
    tj_str run_id;
    tj_str model_id;
    const tj_ml_metrics *metrics;
};

static bool same_metric(const struct tj_ml_metric *a,
                        const struct tj_ml_metric *b)
{
    bool same_value =
        (isnan(a->value) && isnan(b->value)) || a->value == b->value;
    return same_value && a->timestamp == b->timestamp && a->step == b->step &&
           tj_str_eq(a->key, b->key) && tj_str_eq(a->run_id, b->run_id);
}

static bool change_metrics(void *ctx, struct tj_ml *call, struct model *model)
{
    const struct run_metrics *run = ctx;
    tj_vec_each (run->metrics, const struct tj_ml_metric, m) {
        struct tj_ml_metric own = *m;
        bool known = false;
        if (!tj_str_eq(m->model_id, model->id))
            continue;
        own.run_id = run->run_id;
        tj_vec_each (&model->metrics, const struct tj_ml_metric, have)
            known = known || same_metric(have, &own);
        if (!known)
            *tj_vec_add(&model->metrics, call->arena) = own;
    }
    return has_room(call, model);
}

bool tj_ml_add_model_metrics(struct tj_ml *call, tj_str run_id,
                             const tj_ml_metrics *metrics)
{
    for (size_t i = 0; i < metrics->count; i++) {
        tj_str id = metrics->items[i].model_id;
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || tj_str_eq(metrics->items[k].model_id, id);
        struct run_metrics run = {run_id, id, metrics};
        if (id.len && !again &&
            !edit_model(call, id, change_metrics, &run, NULL))
            return false;
    }
    return true;
}

/* -- search --------------------------------------------------------------- */

static const struct tj_ml_key model_keys[] = {
    {"name", "name", TJ_ML_KEY_LIST},
    {"model_id", "model_id", TJ_ML_KEY_LIST},
    {"model_type", "model_type", TJ_ML_KEY_LIST},
    {"status", "status", TJ_ML_KEY_LIST},
    {"source_run_id", "source_run_id", TJ_ML_KEY_LIST},
    {"creation_time", "creation_timestamp", TJ_ML_KEY_NUMERIC},
    {"creation_timestamp", "creation_timestamp", TJ_ML_KEY_NUMERIC},
    {"creation_timestamp_ms", "creation_timestamp", TJ_ML_KEY_NUMERIC},
    {"last_updated_timestamp", "last_updated_timestamp", TJ_ML_KEY_NUMERIC},
    {"last_updated_timestamp_ms", "last_updated_timestamp", TJ_ML_KEY_NUMERIC},
    {0},
};

static const struct tj_ml_language model_language = {
    .keys = model_keys,
    .entities = 1 << TJ_ML_ATTRIBUTE | 1 << TJ_ML_TAG | 1 << TJ_ML_PARAM |
                1 << TJ_ML_METRIC,
    .types = "['attributes', 'metrics', 'params', 'tags']",
    .attributes = " '{'creation_timestamp', 'last_updated_timestamp', "
                  "'model_id', 'model_type', 'name', 'source_run_id', "
                  "'status'}'",
};

static bool lookup(const void *item, const struct tj_ml_field *field, size_t i,
                   struct tj_ml_value *out)
{
    return tj_ml_record_lookup(&model_kind, item, field, i, out);
}

/* [{"field_name", "ascending"}] as the texts that other searches have. */
static bool read_orders(struct tj_ml *call, struct tj_ml_search *s)
{
    TJ_VEC(tj_str) texts = {0};
    tj_json_each (tj_ml_arg(call, "order_by"), v) {
        bool up = tj_json_bool(tj_ml_member(v, "ascending"), true);
        *tj_vec_add(&texts, call->arena) = tj_str_printf(
            call->arena, "%.*s %s", TJ_STR_ARG(tj_ml_text(v, "field_name")),
            up ? "ASC" : "DESC");
    }
    struct tj_ml_list list = {texts.items, texts.count};
    if (!tj_ml_orders_parse(call, &model_language, &list, &s->orders))
        return false;
    tj_ml_orders_add(call, &s->orders, "creation_timestamp", true);
    tj_ml_orders_add(call, &s->orders, "model_id", false);
    return true;
}

/* Only what is found stays in memory until the end. */
static bool consider(void *ctx, struct tj_ml *call,
                     const struct tj_record *record, struct tj_arena *a)
{
    struct tj_ml_search *s = ctx;
    struct model model;
    if (!parse(record, a, &model, &call->err))
        return tj_ml_fail_err(call);
    if (model.deleted || !tj_ml_filter_match(&s->filter, lookup, &model))
        return true;
    struct tj_record copy = tj_ml_keep_record(call, record);
    struct model *kept = tj_arena_new(call->arena, struct model);
    *tj_vec_add(&s->found, call->arena) = kept;
    return parse(&copy, call->arena, kept, &call->err) || tj_ml_fail_err(call);
}

static bool gather(struct tj_ml *call, tj_str experiment_id,
                   struct tj_ml_search *s)
{
    struct tj_record_query query = {
        .kind = TJ_RECORD_LOGGED_MODEL,
        .parent = experiment_id,
        .row_max = TJ_SEARCH_ROWS_MAX,
    };
    return tj_ml_each_record(call, &query, consider, s);
}

static bool gather_all(struct tj_ml *call, struct tj_ml_search *s)
{
    struct tj_map ids;
    if (!tj_ml_set(call, "experiment_ids", &ids))
        return false;
    if (!ids.count)
        return tj_ml_missing(call, "experiment_ids");
    for (size_t i = 0; i < ids.count; i++) {
        uint64_t id = 0;
        if (!tj_str_to_u64(ids.entries[i].key, &id))
            return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                              "Invalid experiment ID '%.*s'. Experiment ID "
                              "must be a valid integer.",
                              TJ_STR_ARG(ids.entries[i].key));
        if (tj_grant_covers(call->rq->grant, id) &&
            !gather(call, tj_ml_experiment_id(call->arena, id), s))
            return false;
    }
    return true;
}

static void write_found(struct tj_ml *call, const void *item)
{
    write_model(call, item);
}

static void search(struct tj_server *server, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_search s = {0};
    if (!tj_ml_begin(&call, server, rq, out))
        return;
    if (tj_json_count(tj_ml_arg(&call, "datasets"))) {
        (void)tj_ml_fail(&call, TJ_ML_NOT_IMPLEMENTED,
                         "logged models cannot be searched by dataset here");
        return;
    }
    if (tj_ml_max_results(&call, MODELS_PAGE, &s.max) &&
        tj_ml_page_offset(&call, &s.offset) &&
        tj_ml_filter_parse(&call, &model_language, tj_ml_str(&call, "filter"),
                           &s.filter) &&
        read_orders(&call, &s) && gather_all(&call, &s))
        tj_ml_answer_search(&call, &s, "models", lookup, write_found);
}

#define AT(name) "/mlflow/logged-models" name

const struct tj_route tj_routes_models[] = {
    {TJ_METHOD_POST, TJ_V2, AT(""), TJ_ACCESS_WRITE, create},
    {TJ_METHOD_POST, TJ_V2, AT("/search"), TJ_ACCESS_READ, search},
    {TJ_METHOD_GET, TJ_V2, AT("/{}"), TJ_ACCESS_READ, find},
    {TJ_METHOD_PATCH, TJ_V2, AT("/{}"), TJ_ACCESS_WRITE, finalize},
    {TJ_METHOD_DELETE, TJ_V2, AT("/{}"), TJ_ACCESS_WRITE, delete},
    {TJ_METHOD_PATCH, TJ_V2, AT("/{}/tags"), TJ_ACCESS_WRITE, set_tags},
    {TJ_METHOD_DELETE, TJ_V2, AT("/{}/tags/{}"), TJ_ACCESS_WRITE, delete_tag},
    {TJ_METHOD_POST, TJ_V2, AT("/{}/params"), TJ_ACCESS_WRITE, log_params},
    {.run = NULL},
};
