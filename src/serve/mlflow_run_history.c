/* mlflow_run_history.c - all that was logged of a run's metrics.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/sha256.h"
#include "serve/mlflow_model.h"
#include "serve/mlflow_run.h"
#include "serve/mlflow_runs.h"

/* -- adding to it ---------------------------------------------------------- */

static tj_str name_of(const tj_ml_metrics *metrics)
{
    tj_str name = metrics->items[0].key;
    tj_vec_each (metrics, const struct tj_ml_metric, m) {
        if (!tj_str_eq(m->key, name))
            return TJ_STR("");
    }
    return name;
}

struct new_metrics {
    tj_str run_id;
    tj_str name;
    tj_str body;
};

static enum tj_edit put_metrics(void *ctx, struct tj_record *record, bool found,
                                struct tj_arena *a, struct tj_err *err)
{
    const struct new_metrics *new = ctx;
    (void)a;
    (void)err;
    if (found)
        return TJ_EDIT_KEEP;
    record->parent = new->run_id;
    record->name = new->name;
    record->body = new->body;
    return TJ_EDIT_PUT;
}

/* The record of what a request logged. */
static struct tj_record_work metrics_work(struct tj_ml *call, tj_str run_id,
                                          const tj_ml_metrics *metrics)
{
    struct new_metrics *new = tj_arena_new(call->arena, struct new_metrics);
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, call->arena, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_ml_write_metrics(&w, metrics, TJ_ML_METRICS);
    *new = (struct new_metrics){run_id, name_of(metrics), tj_buf_str(&buf)};
    tj_str text = tj_str_printf(call->arena, "%.*s %.*s", TJ_STR_ARG(run_id),
                                TJ_STR_ARG(new->body));
    return (struct tj_record_work){
        TJ_RECORD_METRIC, tj_sha256_hex(call->arena, text), put_metrics, new};
}

bool tj_ml_log_to_run(struct tj_ml *call, tj_str id, tj_ml_run_change change,
                      void *ctx, const tj_ml_metrics *metrics)
{
    struct tj_ml_run_edit edit = {.call = call, .change = change, .ctx = ctx};
    tj_ml_works works = {0};
    *tj_vec_add(&works, call->arena) = (struct tj_record_work){
        TJ_RECORD_RUN, id, tj_ml_edit_run_record, &edit};
    if (metrics->count)
        *tj_vec_add(&works, call->arena) = metrics_work(call, id, metrics);
    tj_ml_add_model_works(call, id, metrics, &works);
    return tj_ml_edited(call, tj_store_edit_records(call->store, works.items,
                                                    works.count, call->arena,
                                                    &call->err));
}

/* -- reading it ------------------------------------------------------------ */

struct gathering {
    tj_str key;
    tj_ml_metrics *out;
};

static bool gather_record(void *ctx, struct tj_ml *call,
                          const struct tj_record *record, struct tj_arena *a)
{
    const struct gathering *g = ctx;
    struct tj_json_doc doc;
    tj_ml_metrics all = {0};
    if (!tj_json_parse(record->body, a, &doc, &call->err))
        return tj_ml_fail_err(call);
    tj_ml_read_metrics(doc.root, a, &all);
    tj_vec_each (&all, const struct tj_ml_metric, m) {
        if (!tj_str_eq(m->key, g->key))
            continue;
        struct tj_ml_metric *kept = tj_vec_add(g->out, call->arena);
        *kept = *m;
        kept->key = g->key; /* m's own goes with a */
        kept->run_id = (tj_str){0};
    }
    return true;
}

/* The records of a run with this name: key, or "" for those of many keys. */
static bool gather(struct tj_ml *call, tj_str run_id, tj_str name, tj_str key,
                   tj_ml_metrics *out)
{
    struct gathering g = {key, out};
    struct tj_record_query query = {
        .kind = TJ_RECORD_METRIC,
        .parent = run_id,
        .name = name,
        .row_max = TJ_SEARCH_ROWS_MAX,
    };
    return tj_ml_each_record(call, &query, gather_record, &g);
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* NaN stands where MLflow's SQL has it: at 0, before a true 0. */
static int compare_metrics(const void *left, const void *right)
{
    const struct tj_ml_metric *a = left;
    const struct tj_ml_metric *b = right;
    int order = compare_i64(a->timestamp, b->timestamp);
    double x = isnan(a->value) ? 0 : a->value;
    double y = isnan(b->value) ? 0 : b->value;
    order = order ? order : compare_i64(a->step, b->step);
    order = order ? order : (x > y) - (x < y);
    return order ? order : !isnan(a->value) - !isnan(b->value);
}

static bool read_history(struct tj_ml *call, tj_str run_id, tj_str key,
                         tj_ml_metrics *out)
{
    tj_ml_metrics all = {0};
    if (!gather(call, run_id, key, key, &all) ||
        !gather(call, run_id, TJ_STR(""), key, &all))
        return false;
    if (all.count)
        qsort(all.items, all.count, sizeof *all.items, compare_metrics);
    size_t kept = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (!kept || compare_metrics(&all.items[kept - 1], &all.items[i]))
            all.items[kept++] = all.items[i];
    }
    all.count = kept;
    *out = all;
    return true;
}

/* -- the answer ------------------------------------------------------------ */

/* A run that is not there has no history, as in MLflow. */
static bool may_see(struct tj_ml *call, tj_str run_id, bool *found)
{
    struct tj_record record;
    struct tj_ml_run run;
    if (!tj_store_find_record(call->store, TJ_RECORD_RUN, run_id, call->arena,
                              &record, found, &call->err))
        return tj_ml_fail_err(call);
    return !*found ||
           ((tj_ml_run_parse(&record, call->arena, &run, &call->err) ||
             tj_ml_fail_err(call)) &&
            tj_ml_covers(call, run.experiment_id));
}

static bool read_max(struct tj_ml *call, size_t *out)
{
    int64_t max = 0;
    if (!tj_ml_i64(call, "max_results", INT64_MAX, &max))
        return false;
    *out = (size_t)max;
    return max > 0 ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid value %lld for parameter 'max_results' "
                      "supplied. It must be a positive integer.",
                      (long long)max);
}

static void write_metric(struct tj_ml *call, const void *item)
{
    tj_ml_write_metric(&call->writer, item);
}

void tj_ml_run_history(struct tj_server *server, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_search s = {0};
    tj_str id, key;
    bool found = false;
    tj_ml_metrics all = {0};
    if (!tj_ml_begin(&call, server, rq, out) ||
        !tj_ml_need_run_id(&call, &id) ||
        !tj_ml_need_str(&call, "metric_key", &key) ||
        !read_max(&call, &s.max) || !tj_ml_page_offset(&call, &s.offset) ||
        !may_see(&call, id, &found) ||
        (found && !read_history(&call, id, key, &all)))
        return;
    tj_vec_each (&all, const struct tj_ml_metric, m)
        *tj_vec_add(&s.found, call.arena) = m;
    tj_ml_answer_page(&call, &s, "metrics", write_metric);
}
