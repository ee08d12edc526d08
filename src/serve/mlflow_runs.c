/* mlflow_runs.c - MLflow's runs: make, change, and log to them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_runs.h"
#include "serve/mlflow_check.h"
#include "serve/mlflow_run.h"
#include "serve/route.h"

/* MLflow's limits on one request. */
enum {
    BATCH_DATASETS_MAX = 1000,
    BATCH_INPUT_TAGS_MAX = 100, /* ours */
    DATASET_NAME_CHARS_MAX = 500,
    DATASET_DIGEST_CHARS_MAX = 36,
    DATASET_SCHEMA_CHARS_MAX = 1048575,
    DATASET_SOURCE_CHARS_MAX = 65535,
    DATASET_PROFILE_CHARS_MAX = 16777215,
    INPUT_TAG_KEY_CHARS_MAX = 255,
    INPUT_TAG_VALUE_CHARS_MAX = 500,
};

/* -- make ----------------------------------------------------------------- */

/* The name of a new run: given, or in its tags, or made up. */
static bool choose_name(struct tj_ml *call, struct tj_ml_run *run)
{
    tj_str tag = tj_pairs_find(&run->tags, TJ_STR(TJ_TAG_RUN_NAME));
    if (run->name.len && tag.len && !tj_str_eq(run->name, tag))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Both 'run_name' argument and 'mlflow.runName' tag "
                          "are specified, but with different values "
                          "(run_name='%.*s', mlflow.runName='%.*s').",
                          TJ_STR_ARG(run->name), TJ_STR_ARG(tag));
    if (!run->name.len)
        run->name = tag.len ? tag : tj_ml_run_random_name(call->arena);
    tj_pairs_set(&run->tags, call->arena, TJ_STR(TJ_TAG_RUN_NAME), run->name);
    return true;
}

static bool read_new_run(struct tj_ml *call, struct tj_ml_run *run)
{
    struct tj_experiment ex;
    tj_str experiment;
    run->status = TJ_STR("RUNNING");
    /* MLflow takes tags of any name here, unlike in set-tag. */
    if (!tj_ml_opt_str(call, "experiment_id", &experiment) ||
        !tj_ml_opt_str(call, "user_id", &run->user_id) ||
        !tj_ml_opt_str(call, "run_name", &run->name) ||
        !tj_ml_i64(call, "start_time", 0, &run->start_time) ||
        !tj_ml_pairs(call, "tags", &run->tags) ||
        !tj_ml_experiment(call, experiment.len ? experiment : TJ_STR("0"), &ex))
        return false;
    if (!tj_ml_experiment_is_active(call, &ex))
        return false;
    run->experiment_id = ex.id;
    run->id = tj_ml_random_id(call->arena, "");
    run->artifact_uri =
        tj_str_printf(call->arena, "%.*s/%.*s/artifacts",
                      TJ_STR_ARG(tj_ml_artifact_location(call->arena, &ex)),
                      TJ_STR_ARG(run->id));
    return choose_name(call, run);
}

static enum tj_edit put_new(void *ctx, struct tj_record *record, bool found,
                            struct tj_arena *a, struct tj_err *err)
{
    if (found) {
        (void)tj_fail(err, TJ_E_BUSY, "the run's id is taken");
        return TJ_EDIT_FAIL;
    }
    tj_ml_run_body(ctx, a, record);
    return TJ_EDIT_PUT;
}

static void create(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_run run = {0};
    if (!tj_ml_begin(&call, s, rq, out) || !read_new_run(&call, &run))
        return;
    if (!tj_store_edit_record(call.store, TJ_RECORD_RUN, run.id, put_new, &run,
                              call.arena, &call.err)) {
        (void)tj_ml_fail_err(&call);
        return;
    }
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key(w, TJ_STR("run"));
    tj_ml_write_run(&call, &run, 0);
    tj_ml_end(&call);
}

static void find(struct tj_server *s, const struct tj_request *rq,
                 struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_run run;
    tj_str id;
    if (!tj_ml_begin(&call, s, rq, out) || !tj_ml_need_run_id(&call, &id) ||
        !tj_ml_find_run(&call, id, &run))
        return;
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key(w, TJ_STR("run"));
    tj_ml_write_run(&call, &run, TJ_ML_RUN_MODEL_INPUTS | TJ_ML_RUN_OUTPUTS);
    tj_ml_end(&call);
}

/* -- update, delete, restore ---------------------------------------------- */

struct update {
    tj_str status; /* empty: as it is */
    tj_str name;
    struct tj_ml_maybe_i64 end_time;
};

static bool read_status(struct tj_ml *call, tj_str *out)
{
    static const struct {
        const char *name;
        const char *number;
    } statuses[] = {
        {"RUNNING", "1"}, {"SCHEDULED", "2"}, {"FINISHED", "3"},
        {"FAILED", "4"},  {"KILLED", "5"},
    };
    tj_str text = tj_ml_str(call, "status");
    for (size_t i = 0; i < TJ_COUNT(statuses); i++) {
        if (tj_str_eq(text, tj_str_c(statuses[i].name)) ||
            tj_str_eq(text, tj_str_c(statuses[i].number))) {
            *out = tj_str_c(statuses[i].name);
            return true;
        }
    }
    return !text.len ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid value %.*s for parameter 'status' supplied: it "
                      "is none of RUNNING, SCHEDULED, FINISHED, FAILED and "
                      "KILLED",
                      TJ_STR_ARG(tj_ml_quoted(call, text)));
}

static bool change_info(void *ctx, struct tj_ml *call, struct tj_ml_run *run)
{
    const struct update *update = ctx;
    if (!tj_ml_run_is_active(call, run))
        return false;
    if (update->status.len)
        run->status = update->status;
    if (update->end_time.known)
        run->end_time = update->end_time;
    if (update->name.len) {
        run->name = update->name;
        tj_pairs_set(&run->tags, call->arena, TJ_STR(TJ_TAG_RUN_NAME),
                     update->name);
    }
    return true;
}

static void update(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct update update = {0};
    struct tj_ml_run run;
    tj_str id;
    if (!tj_ml_begin(&call, s, rq, out) || !tj_ml_need_run_id(&call, &id) ||
        !read_status(&call, &update.status) ||
        !tj_ml_i64(&call, "end_time", 0, &update.end_time.value) ||
        !tj_ml_opt_str(&call, "run_name", &update.name))
        return;
    update.end_time.known = tj_ml_arg(&call, "end_time") != NULL;
    update.name = tj_ml_cut(update.name, TJ_ML_TAG_CHARS_MAX);
    if (!tj_ml_edit_run(&call, id, change_info, &update, &run))
        return;
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key(w, TJ_STR("run_info"));
    tj_ml_write_run_info(&call, &run);
    tj_ml_end(&call);
}

static bool change_stage(void *ctx, struct tj_ml *call, struct tj_ml_run *run)
{
    const enum tj_ml_view *to = ctx;
    (void)call;
    run->deleted = *to == TJ_ML_DELETED;
    return true;
}

static void set_stage(struct tj_server *s, const struct tj_request *rq,
                      struct tj_answer *out, enum tj_ml_view to)
{
    struct tj_ml call;
    tj_str id;
    if (tj_ml_begin(&call, s, rq, out) && tj_ml_need_run_id(&call, &id) &&
        tj_ml_edit_run(&call, id, change_stage, &to, NULL))
        tj_ml_done(&call);
}

static void delete (struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    set_stage(s, rq, out, TJ_ML_DELETED);
}

static void restore(struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    set_stage(s, rq, out, TJ_ML_ACTIVE);
}

/* -- inputs and outputs --------------------------------------------------- */

static bool read_dataset(struct tj_ml *call, const struct tj_json *v,
                         struct tj_ml_dataset_input *out)
{
    const struct tj_json *d = tj_ml_member(v, "dataset");
    if (!d)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Dataset cannot be None");
    out->name = tj_ml_text(d, "name");
    out->digest = tj_ml_text(d, "digest");
    out->source_type = tj_ml_text(d, "source_type");
    out->source = tj_ml_text(d, "source");
    if (tj_ml_member(d, "schema"))
        out->schema = tj_ml_text(d, "schema");
    if (tj_ml_member(d, "profile"))
        out->profile = tj_ml_text(d, "profile");
    if (!tj_ml_check_count(call, "tags", BATCH_INPUT_TAGS_MAX,
                           tj_json_count(tj_ml_member(v, "tags"))))
        return false;
    tj_json_each (tj_ml_member(v, "tags"), tag) {
        struct tj_pair pair = {tj_ml_text(tag, "key"),
                               tj_ml_text(tag, "value")};
        if (!tj_ml_check_chars(call, "key", pair.key,
                               INPUT_TAG_KEY_CHARS_MAX) ||
            !tj_ml_check_chars(call, "value", pair.value,
                               INPUT_TAG_VALUE_CHARS_MAX))
            return false;
        tj_pairs_set(&out->tags, call->arena, pair.key, pair.value);
    }
    return tj_ml_check_chars(call, "name", out->name, DATASET_NAME_CHARS_MAX) &&
           tj_ml_check_chars(call, "digest", out->digest,
                             DATASET_DIGEST_CHARS_MAX) &&
           tj_ml_check_chars(call, "source", out->source,
                             DATASET_SOURCE_CHARS_MAX) &&
           tj_ml_check_chars(call, "schema", out->schema,
                             DATASET_SCHEMA_CHARS_MAX) &&
           tj_ml_check_chars(call, "profile", out->profile,
                             DATASET_PROFILE_CHARS_MAX);
}

/* A dataset is known by its name and digest; the first one stays. */
static void put_dataset(struct tj_ml *call, struct tj_ml_run *run,
                        const struct tj_ml_dataset_input *dataset)
{
    tj_vec_each (&run->datasets, const struct tj_ml_dataset_input, d) {
        if (tj_str_eq(d->name, dataset->name) &&
            tj_str_eq(d->digest, dataset->digest))
            return;
    }
    *tj_vec_add(&run->datasets, call->arena) = *dataset;
}

static void put_model_input(struct tj_ml *call, struct tj_ml_run *run,
                            tj_str id)
{
    tj_vec_each (&run->model_inputs, const tj_str, have) {
        if (tj_str_eq(*have, id))
            return;
    }
    *tj_vec_add(&run->model_inputs, call->arena) = id;
}

static void put_model_output(struct tj_ml *call, struct tj_ml_run *run,
                             const struct tj_ml_model_output *output)
{
    tj_vec_each (&run->model_outputs, const struct tj_ml_model_output, have) {
        if (tj_str_eq(have->model_id, output->model_id) &&
            have->step == output->step)
            return;
    }
    *tj_vec_add(&run->model_outputs, call->arena) = *output;
}

/* more holds what a request brought, in the parts of a run. */
static bool change_inputs(void *ctx, struct tj_ml *call, struct tj_ml_run *run)
{
    const struct tj_ml_run *more = ctx;
    if (!tj_ml_run_is_active(call, run))
        return false;
    tj_vec_each (&more->datasets, const struct tj_ml_dataset_input, d)
        put_dataset(call, run, d);
    tj_vec_each (&more->model_inputs, const tj_str, id)
        put_model_input(call, run, *id);
    tj_vec_each (&more->model_outputs, const struct tj_ml_model_output, o)
        put_model_output(call, run, o);
    return tj_ml_run_has_room(call, run);
}

static void log_inputs(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_run more = {0};
    const struct tj_json *datasets, *models;
    tj_str id;
    if (!tj_ml_begin(&call, s, rq, out) || !tj_ml_need_run_id(&call, &id) ||
        !tj_ml_array(&call, "datasets", &datasets) ||
        !tj_ml_array(&call, "models", &models) ||
        !tj_ml_check_count(&call, "datasets", BATCH_DATASETS_MAX,
                           tj_json_count(datasets)) ||
        !tj_ml_check_count(&call, "models", BATCH_DATASETS_MAX,
                           tj_json_count(models)))
        return;
    tj_json_each (datasets, item) {
        if (!read_dataset(&call, item, tj_vec_add(&more.datasets, call.arena)))
            return;
    }
    tj_json_each (models, item)
        *tj_vec_add(&more.model_inputs, call.arena) =
            tj_ml_text(item, "model_id");
    if (tj_ml_edit_run(&call, id, change_inputs, &more, NULL))
        tj_ml_done(&call);
}

static void log_outputs(struct tj_server *s, const struct tj_request *rq,
                        struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_run more = {0};
    const struct tj_json *models;
    tj_str id;
    if (!tj_ml_begin(&call, s, rq, out) || !tj_ml_need_run_id(&call, &id) ||
        !tj_ml_array(&call, "models", &models) ||
        !tj_ml_check_count(&call, "models", BATCH_DATASETS_MAX,
                           tj_json_count(models)))
        return;
    if (!models) {
        (void)tj_ml_missing(&call, "models");
        return;
    }
    tj_json_each (models, item) {
        struct tj_ml_model_output *o =
            tj_vec_add(&more.model_outputs, call.arena);
        o->model_id = tj_ml_text(item, "model_id");
        (void)tj_ml_read_i64(tj_ml_member(item, "step"), &o->step);
    }
    if (tj_ml_edit_run(&call, id, change_inputs, &more, NULL))
        tj_ml_done(&call);
}

#define AT(name) "/mlflow/runs/" name

const struct tj_route tj_routes_runs[] = {
    {TJ_METHOD_POST, TJ_V2, AT("create"), TJ_ACCESS_WRITE, create},
    {TJ_METHOD_GET, TJ_V2, AT("get"), TJ_ACCESS_READ, find},
    {TJ_METHOD_POST, TJ_V2, AT("update"), TJ_ACCESS_WRITE, update},
    {TJ_METHOD_POST, TJ_V2, AT("delete"), TJ_ACCESS_WRITE, delete},
    {TJ_METHOD_POST, TJ_V2, AT("restore"), TJ_ACCESS_WRITE, restore},
    {TJ_METHOD_POST, TJ_V2, AT("log-metric"), TJ_ACCESS_WRITE,
     tj_ml_run_log_metric},
    {TJ_METHOD_POST, TJ_V2, AT("log-parameter"), TJ_ACCESS_WRITE,
     tj_ml_run_log_parameter},
    {TJ_METHOD_POST, TJ_V2, AT("set-tag"), TJ_ACCESS_WRITE, tj_ml_run_set_tag},
    {TJ_METHOD_POST, TJ_V2, AT("delete-tag"), TJ_ACCESS_WRITE,
     tj_ml_run_delete_tag},
    {TJ_METHOD_POST, TJ_V2, AT("log-batch"), TJ_ACCESS_WRITE,
     tj_ml_run_log_batch},
    {TJ_METHOD_POST, TJ_V2, AT("log-inputs"), TJ_ACCESS_WRITE, log_inputs},
    {TJ_METHOD_POST, TJ_V2, AT("outputs"), TJ_ACCESS_WRITE, log_outputs},
    {TJ_METHOD_POST, TJ_V2, AT("search"), TJ_ACCESS_READ, tj_ml_run_search},
    {TJ_METHOD_GET, TJ_V2, "/mlflow/metrics/get-history", TJ_ACCESS_READ,
     tj_ml_run_history},
    {.run = NULL},
};
