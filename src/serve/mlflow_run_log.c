/* mlflow_run_log.c - what is logged to a run: metrics, params and tags.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>

#include "base/limits.h"
#include "base/map.h"
#include "serve/mlflow_check.h"
#include "serve/mlflow_run.h"
#include "serve/mlflow_runs.h"
#include "serve/python_json.h"

/* MLflow's limits on one request. */
enum {
    BATCH_METRICS_MAX = 1000,
    BATCH_PAIRS_MAX = 100,
    BATCH_ITEMS_MAX = 1000,
};

/* -- a batch of metrics, params and tags ---------------------------------- */

struct batch {
    tj_ml_metrics metrics;
    tj_pairs params;
    tj_pairs tags;
    bool single; /* of log-parameter: another text says what is wrong */
};

/* protobuf's double: a number, or a string that holds one, or "NaN" and so
 * on.  Infinities become what SQL can hold, as in MLflow. */
static bool read_double(const struct tj_json *v, double *out)
{
    tj_str text = tj_json_str(v);
    if (tj_str_eq(text, TJ_STR("NaN")))
        *out = (double)NAN;
    else if (tj_str_eq(text, TJ_STR("Infinity")))
        *out = HUGE_VAL;
    else if (tj_str_eq(text, TJ_STR("-Infinity")))
        *out = -HUGE_VAL;
    else if (!tj_json_double(v, out) && !tj_str_to_double(text, out))
        return false;
    if (isinf(*out))
        *out = *out > 0 ? 1.7976931348623157e308 : -1.7976931348623157e308;
    return true;
}

/* path is "" or "metrics[3]."; *path_len as long as it is. */
static const char *at(struct tj_ml *call, tj_str path, const char *name)
{
    return tj_cstr(call->arena, tj_str_printf(call->arena, "%.*s%s",
                                              TJ_STR_ARG(path), name));
}

static bool read_metric(struct tj_ml *call, const struct tj_json *v,
                        tj_str path, struct tj_ml_metric *out)
{
    const struct tj_json *value = tj_ml_member(v, "value");
    const struct tj_json *timestamp = tj_ml_member(v, "timestamp");
    const struct tj_json *step = tj_ml_member(v, "step");
    out->key = tj_ml_text(v, "key");
    out->model_id = tj_ml_text(v, "model_id");
    if (!out->key.len)
        return tj_ml_missing(call, at(call, path, "key"));
    if (!value)
        return tj_ml_missing(call, at(call, path, "value"));
    if (!timestamp)
        return tj_ml_missing(call, at(call, path, "timestamp"));
    if (!read_double(value, &out->value))
        return tj_ml_bad_type(call, at(call, path, "value"), value);
    if (!tj_ml_read_i64(timestamp, &out->timestamp))
        return tj_ml_bad_type(call, at(call, path, "timestamp"), timestamp);
    return !step || tj_ml_read_i64(step, &out->step) ||
           tj_ml_bad_type(call, at(call, path, "step"), step);
}

static bool check_metric(struct tj_ml *call, tj_str path,
                         const struct tj_ml_metric *m)
{
    if (!tj_ml_check_name(call, at(call, path, "name"), m->key))
        return false;
    if (m->timestamp < 0) {
        struct tj_buf value;
        tj_buf_init(&value, call->arena, TJ_NAME_BYTES_MAX);
        tj_python_float(&value, m->value);
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid value %" PRId64 " for parameter '%s' "
                          "supplied: metric '%.*s' (value=%.*s). Timestamp "
                          "must be a nonnegative long (64-bit integer) ",
                          m->timestamp, at(call, path, "timestamp"),
                          TJ_STR_ARG(m->key), TJ_STR_ARG(tj_buf_str(&value)));
    }
    return tj_ml_check_chars(call, "Metric name", m->key, TJ_ML_KEY_CHARS_MAX);
}

static bool check_param(struct tj_ml *call, const char *path,
                        struct tj_pair *param)
{
    if (!tj_ml_check_name(call, path, param->key) ||
        !tj_ml_check_chars(call, "Param key", param->key, TJ_ML_KEY_CHARS_MAX))
        return false;
    param->value = tj_ml_cut(param->value, TJ_ML_PARAM_CHARS_MAX);
    return true;
}

/* -- applying a batch ----------------------------------------------------- */

static bool refuse_param(struct tj_ml *call, const struct tj_ml_run *run,
                         const struct batch *batch, const struct tj_pair *param,
                         tj_str old)
{
    if (batch->single)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Changing param values is not allowed. Param with "
                          "key='%.*s' was already logged with value='%.*s' for "
                          "run ID='%.*s'. Attempted logging new value '%.*s'.",
                          TJ_STR_ARG(param->key), TJ_STR_ARG(old),
                          TJ_STR_ARG(run->id), TJ_STR_ARG(param->value));
    return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Changing param values is not allowed. Params were "
                      "already logged='[{'key': '%.*s', 'old_value': '%.*s', "
                      "'new_value': '%.*s'}]' for run ID='%.*s'.",
                      TJ_STR_ARG(param->key), TJ_STR_ARG(old),
                      TJ_STR_ARG(param->value), TJ_STR_ARG(run->id));
}

static bool put_params(struct tj_ml *call, struct tj_ml_run *run,
                       const struct batch *batch)
{
    tj_vec_each (&batch->params, const struct tj_pair, param) {
        tj_str old = tj_pairs_find(&run->params, param->key);
        if (old.ptr && !tj_str_eq(old, param->value))
            return refuse_param(call, run, batch, param, old);
    }
    tj_vec_each (&batch->params, const struct tj_pair, param)
        tj_pairs_set(&run->params, call->arena, param->key, param->value);
    return true;
}

/* By step, then time, then value: which of two is the latest. */
static bool is_later(const struct tj_ml_metric *a, const struct tj_ml_metric *b)
{
    double x = isnan(a->value) ? 0 : a->value;
    double y = isnan(b->value) ? 0 : b->value;
    if (a->step != b->step)
        return a->step > b->step;
    if (a->timestamp != b->timestamp)
        return a->timestamp > b->timestamp;
    return x > y;
}

void tj_ml_merge_metrics(struct tj_arena *a, tj_ml_metrics *have,
                         const tj_ml_metrics *more)
{
    struct tj_map map;
    tj_map_init(&map, a);
    for (size_t i = 0; i < have->count; i++) {
        bool fresh;
        tj_map_add(&map, have->items[i].key, &fresh)->number = i;
    }
    tj_vec_each (more, const struct tj_ml_metric, m) {
        bool fresh;
        struct tj_map_entry *entry = tj_map_add(&map, m->key, &fresh);
        if (fresh) {
            entry->number = have->count;
            *tj_vec_add(have, a) = *m;
        } else if (is_later(m, &have->items[entry->number])) {
            have->items[entry->number] = *m;
        }
    }
}

static void put_tags(struct tj_ml *call, struct tj_ml_run *run,
                     const tj_pairs *tags)
{
    tj_vec_each (tags, const struct tj_pair, tag) {
        if (tj_str_eq(tag->key, TJ_STR(TJ_TAG_RUN_NAME)) && !tag->value.len)
            continue; /* a name does not become empty */
        tj_pairs_set(&run->tags, call->arena, tag->key, tag->value);
        if (tj_str_eq(tag->key, TJ_STR(TJ_TAG_RUN_NAME)))
            run->name = tag->value;
    }
}

static bool change_batch(void *ctx, struct tj_ml *call, struct tj_ml_run *run)
{
    const struct batch *batch = ctx;
    if (!tj_ml_run_is_active(call, run) || !put_params(call, run, batch))
        return false;
    tj_ml_merge_metrics(call->arena, &run->metrics, &batch->metrics);
    put_tags(call, run, &batch->tags);
    return tj_ml_run_has_room(call, run);
}

static void log_it(struct tj_ml *call, tj_str id, struct batch *batch)
{
    if (tj_ml_log_to_run(call, id, change_batch, batch, &batch->metrics))
        tj_ml_done(call);
}

/* -- one at a time -------------------------------------------------------- */

void tj_ml_run_log_metric(struct tj_server *s, const struct tj_request *rq,
                          struct tj_answer *out)
{
    struct tj_ml call;
    struct batch batch = {.single = true};
    tj_str id;
    if (!tj_ml_begin(&call, s, rq, out) || !tj_ml_need_run_id(&call, &id))
        return;
    struct tj_ml_metric *m = tj_vec_add(&batch.metrics, call.arena);
    if (read_metric(&call, call.args, TJ_STR(""), m) &&
        check_metric(&call, TJ_STR(""), m))
        log_it(&call, id, &batch);
}

void tj_ml_run_log_parameter(struct tj_server *s, const struct tj_request *rq,
                             struct tj_answer *out)
{
    struct tj_ml call;
    struct batch batch = {.single = true};
    tj_str id;
    struct tj_pair param = {0};
    if (!tj_ml_begin(&call, s, rq, out) || !tj_ml_need_run_id(&call, &id) ||
        !tj_ml_need_str(&call, "key", &param.key) ||
        !tj_ml_opt_str(&call, "value", &param.value))
        return;
    if (!param.value.ptr)
        param.value = TJ_STR("");
    if (!check_param(&call, "key", &param))
        return;
    *tj_vec_add(&batch.params, call.arena) = param;
    log_it(&call, id, &batch);
}

void tj_ml_run_set_tag(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    struct batch batch = {.single = true};
    tj_str id;
    struct tj_pair tag = {0};
    if (!tj_ml_begin(&call, s, rq, out) || !tj_ml_need_run_id(&call, &id) ||
        !tj_ml_need_str(&call, "key", &tag.key) ||
        !tj_ml_opt_str(&call, "value", &tag.value))
        return;
    *tj_vec_add(&batch.tags, call.arena) = tag;
    if (tj_ml_check_run_tags(&call, &batch.tags, NULL))
        log_it(&call, id, &batch);
}

static bool change_tag_away(void *ctx, struct tj_ml *call,
                            struct tj_ml_run *run)
{
    const tj_str *key = ctx;
    if (!tj_ml_run_is_active(call, run))
        return false;
    return tj_ml_pairs_remove(&run->tags, *key) ||
           tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "No tag with name: %.*s in run with id %.*s",
                      TJ_STR_ARG(*key), TJ_STR_ARG(run->id));
}

void tj_ml_run_delete_tag(struct tj_server *s, const struct tj_request *rq,
                          struct tj_answer *out)
{
    struct tj_ml call;
    tj_str id, key;
    if (tj_ml_begin(&call, s, rq, out) && tj_ml_need_run_id(&call, &id) &&
        tj_ml_need_str(&call, "key", &key) &&
        tj_ml_edit_run(&call, id, change_tag_away, &key, NULL))
        tj_ml_done(&call);
}

/* -- many at once --------------------------------------------------------- */

static bool read_metrics(struct tj_ml *call, struct batch *batch)
{
    const struct tj_json *list;
    if (!tj_ml_array(call, "metrics", &list) ||
        !tj_ml_check_count(call, "metrics", BATCH_METRICS_MAX,
                           tj_json_count(list)))
        return false;
    tj_json_each (list, item) {
        tj_str path =
            tj_str_printf(call->arena, "metrics[%zu].", batch->metrics.count);
        struct tj_ml_metric *m = tj_vec_add(&batch->metrics, call->arena);
        if (!read_metric(call, item, path, m) || !check_metric(call, path, m))
            return false;
    }
    return true;
}

static bool read_pairs(struct tj_ml *call, const char *name, tj_pairs *out)
{
    const struct tj_json *list;
    if (!tj_ml_array(call, name, &list) ||
        !tj_ml_check_count(call, name, BATCH_PAIRS_MAX, tj_json_count(list)))
        return false;
    tj_json_each (list, item) {
        tj_str path = tj_str_printf(call->arena, "%s[%zu].", name, out->count);
        struct tj_pair *pair = tj_vec_add(out, call->arena);
        pair->key = tj_ml_text(item, "key");
        pair->value = tj_ml_text(item, "value");
        if (!pair->value.ptr)
            pair->value = TJ_STR("");
        if (!pair->key.len)
            return tj_ml_missing(call, at(call, path, "key"));
    }
    return true;
}

static bool check_params(struct tj_ml *call, tj_pairs *params)
{
    for (size_t i = 0; i < params->count; i++) {
        tj_str path = tj_str_printf(call->arena, "params[%zu].", i);
        if (!check_param(call, at(call, path, "key"), &params->items[i]))
            return false;
        for (size_t k = 0; k < i; k++) {
            if (tj_str_eq(params->items[k].key, params->items[i].key))
                return tj_ml_fail(
                    call, TJ_ML_INVALID_PARAMETER_VALUE,
                    "Duplicate parameter keys have been submitted: ['%.*s']. "
                    "Please ensure the request contains only one param value "
                    "per param key.",
                    TJ_STR_ARG(params->items[i].key));
        }
    }
    return true;
}

void tj_ml_run_log_batch(struct tj_server *s, const struct tj_request *rq,
                         struct tj_answer *out)
{
    struct tj_ml call;
    struct batch batch = {0};
    tj_str id;
    if (tj_ml_begin(&call, s, rq, out) && tj_ml_need_run_id(&call, &id) &&
        read_metrics(&call, &batch) &&
        read_pairs(&call, "params", &batch.params) &&
        read_pairs(&call, "tags", &batch.tags) &&
        check_params(&call, &batch.params) &&
        tj_ml_check_run_tags(&call, &batch.tags, "tags") &&
        tj_ml_check_count(&call, "metrics, params, and tags", BATCH_ITEMS_MAX,
                          batch.metrics.count + batch.params.count +
                              batch.tags.count))
        log_it(&call, id, &batch);
}
