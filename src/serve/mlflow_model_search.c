/* mlflow_model_search.c - logged models by filter and order.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_model.h"

enum { MODELS_PAGE = 100 };

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
    return tj_ml_record_lookup(&tj_ml_model_kind, item, field, i, out);
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
    struct tj_ml_model model;
    if (!tj_ml_model_parse(record, a, &model, &call->err))
        return tj_ml_fail_err(call);
    if (model.deleted || !tj_ml_filter_match(&s->filter, lookup, &model))
        return true;
    struct tj_record copy = tj_ml_keep_record(call, record);
    struct tj_ml_model *kept = tj_arena_new(call->arena, struct tj_ml_model);
    *tj_vec_add(&s->found, call->arena) = kept;
    return tj_ml_model_parse(&copy, call->arena, kept, &call->err) ||
           tj_ml_fail_err(call);
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
    if (!tj_ml_arg(call, "experiment_ids"))
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
    tj_ml_write_model(call, item);
}

void tj_ml_model_search(struct tj_server *server, const struct tj_request *rq,
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
