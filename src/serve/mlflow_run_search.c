/* mlflow_run_search.c - runs by filter and order.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_check.h"
#include "serve/mlflow_run.h"
#include "serve/mlflow_runs.h"
#include "serve/mlflow_search.h"

enum {
    RUNS_PAGE = 1000, /* when a request does not say */
    RUNS_MAX = 50000,
};

/* MLflow's own spellings; run_name is what the tag says. */
static const struct tj_ml_key run_keys[] = {
    {"run_id", "run_id", TJ_ML_KEY_LIST},
    {"run_name", "run_name", 0},
    {"run name", "run_name", TJ_ML_KEY_FILTER_ONLY},
    {"Run name", "run_name", TJ_ML_KEY_FILTER_ONLY},
    {"Run Name", "run_name", TJ_ML_KEY_FILTER_ONLY},
    {"user_id", "user_id", 0},
    {"status", "status", 0},
    {"artifact_uri", "artifact_uri", 0},
    {"start_time", "start_time", TJ_ML_KEY_NUMERIC},
    {"created", "start_time", TJ_ML_KEY_NUMERIC},
    {"Created", "start_time", TJ_ML_KEY_NUMERIC},
    {"end_time", "end_time", TJ_ML_KEY_NUMERIC},
    {0},
};

static const struct tj_ml_language run_language = {
    .keys = run_keys,
    .entities = 1 << TJ_ML_ATTRIBUTE | 1 << TJ_ML_TAG | 1 << TJ_ML_PARAM |
                1 << TJ_ML_METRIC | 1 << TJ_ML_DATASET,
    .types = "['metric', 'parameter', 'tag', 'attribute', 'dataset']",
    .attributes = " '{'Created', 'Run Name', 'Run name', 'artifact_uri', "
                  "'created', 'end_time', 'run name', 'run_id', 'run_name', "
                  "'start_time', 'status', 'user_id'}'",
    .order_attributes = " '{'Created', 'artifact_uri', 'created', 'end_time', "
                        "'run_id', 'run_name', 'start_time', 'status', "
                        "'user_id'}'",
    .lists = "['run_id']",
    .nulls = true,
    .quotes = true,
};

/* -- what a run has ------------------------------------------------------- */

static bool lookup_dataset(const struct tj_ml_run *run, tj_str key, size_t i,
                           struct tj_ml_value *out)
{
    if (!tj_str_eq(key, TJ_STR("context"))) {
        if (i >= run->datasets.count)
            return false;
        const struct tj_ml_dataset_input *d = &run->datasets.items[i];
        out->text = tj_str_eq(key, TJ_STR("name")) ? d->name : d->digest;
        return true;
    }
    tj_vec_each (&run->datasets, const struct tj_ml_dataset_input, d) {
        out->text = tj_pairs_find(&d->tags, TJ_STR("mlflow.data.context"));
        if (out->text.ptr && i-- == 0)
            return true;
    }
    return false;
}

static bool lookup(const void *item, const struct tj_ml_field *field, size_t i,
                   struct tj_ml_value *out)
{
    return field->entity == TJ_ML_DATASET
               ? lookup_dataset(item, field->key, i, out)
               : tj_ml_record_lookup(&tj_ml_run_kind, item, field, i, out);
}

/* -- search --------------------------------------------------------------- */

struct search {
    struct tj_ml_search common;
    enum tj_ml_view view;
};

/* Too many is another text than for experiments. */
static bool check_max(struct tj_ml *call)
{
    int64_t max = 0;
    const struct tj_json *v = tj_ml_arg(call, "max_results");
    return !tj_json_i64(v, &max) || max <= RUNS_MAX ||
           tj_ml_bad_type(call, "max_results", v);
}

static bool read_search(struct tj_ml *call, struct search *s)
{
    struct tj_ml_orders *orders = &s->common.orders;
    if (!check_max(call) || !tj_ml_view(call, "run_view_type", &s->view) ||
        !tj_ml_search_read(call, &run_language, RUNS_PAGE, "filter",
                           &s->common))
        return false;
    tj_ml_orders_add(call, orders, "start_time", true);
    tj_ml_orders_add(call, orders, "run_id", false);
    return true;
}

/* Only what is found stays in memory until the end. */
static bool consider(void *ctx, struct tj_ml *call, const struct tj_ml_run *run,
                     const struct tj_record *record)
{
    struct search *s = ctx;
    if (!tj_ml_in_view(s->view, run->deleted) ||
        !tj_ml_filter_match(&s->common.filter, lookup, run))
        return true;
    struct tj_record copy = tj_ml_keep_record(call, record);
    struct tj_ml_run *kept = tj_arena_new(call->arena, struct tj_ml_run);
    if (!tj_ml_run_parse(&copy, call->arena, kept, &call->err))
        return tj_ml_fail_err(call);
    *tj_vec_add(&s->common.found, call->arena) = kept;
    return true;
}

/* Experiments that are not there, or not covered, have no runs to show. */
static bool consider_all(struct tj_ml *call, struct search *s)
{
    struct tj_map ids;
    if (!tj_ml_set(call, "experiment_ids", &ids))
        return false;
    for (size_t i = 0; i < ids.count; i++) {
        uint64_t id = 0;
        if (!tj_str_to_u64(ids.entries[i].key, &id))
            return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                              "Invalid experiment ID '%.*s'. Experiment ID "
                              "must be a valid integer.",
                              TJ_STR_ARG(ids.entries[i].key));
        if (tj_grant_covers(call->rq->grant, id) &&
            !tj_ml_each_run(call, id, consider, s))
            return false;
    }
    return true;
}

static void write_found(struct tj_ml *call, const void *item)
{
    tj_ml_write_run(call, item, TJ_ML_RUN_OUTPUTS);
}

void tj_ml_run_search(struct tj_server *server, const struct tj_request *rq,
                      struct tj_answer *out)
{
    struct tj_ml call;
    struct search s = {0};
    if (tj_ml_begin(&call, server, rq, out) && read_search(&call, &s) &&
        consider_all(&call, &s))
        tj_ml_answer_search(&call, &s.common, "runs", lookup, write_found);
}
