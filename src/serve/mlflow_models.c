/* mlflow_models.c - MLflow's logged models: make, find, change.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "serve/mlflow_model.h"
#include "serve/mlflow_run.h"
#include "serve/route.h"

static void answer_model(struct tj_ml *call, const struct tj_ml_model *model)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    tj_jw_key(w, TJ_STR("model"));
    tj_ml_write_model(call, model);
    tj_ml_end(call);
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

static bool read_new(struct tj_ml *call, struct tj_ml_model *m)
{
    struct tj_experiment ex;
    tj_str experiment_id;
    m->status = TJ_STR("LOGGED_MODEL_PENDING");
    if (!tj_ml_opt_str(call, "name", &m->name) ||
        !tj_ml_opt_str(call, "model_type", &m->type) ||
        !tj_ml_opt_str(call, "source_run_id", &m->source_run_id) ||
        !tj_ml_need_str(call, "experiment_id", &experiment_id) ||
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
    struct tj_ml_model *model = ctx;
    if (found) {
        (void)tj_fail(err, TJ_E_BUSY, "the model's id is taken");
        return TJ_EDIT_FAIL;
    }
    tj_ml_model_body(model, a, record);
    model->create_time = record->create_time;
    record->update_time = record->create_time;
    model->update_time = record->create_time;
    return TJ_EDIT_PUT;
}

static void create(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_model model = {0};
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
    struct tj_ml_model model;
    bool found = false;
    bool deleted_too = false;
    tj_str id = rq->captures[0];
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_bool(&call, "allow_deleted", false, &deleted_too))
        return;
    if (!tj_store_find_record(call.store, TJ_RECORD_LOGGED_MODEL, id,
                              call.arena, &record, &found, &call.err) ||
        (found && !tj_ml_model_parse(&record, call.arena, &model, &call.err)))
        (void)tj_ml_fail_err(&call);
    else if (!found || (model.deleted && !deleted_too))
        (void)tj_ml_refuse_model(&call, id);
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

static bool change_status(void *ctx, struct tj_ml *call,
                          struct tj_ml_model *model)
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
    struct tj_ml_model model;
    tj_str status;
    if (tj_ml_begin(&call, s, rq, out) && read_status(&call, &status) &&
        tj_ml_edit_model(&call, rq->captures[0], change_status, &status,
                         &model))
        answer_model(&call, &model);
}

static bool change_deleted(void *ctx, struct tj_ml *call,
                           struct tj_ml_model *model)
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
        tj_ml_edit_model(&call, rq->captures[0], change_deleted, NULL, NULL))
        tj_ml_done(&call);
}

static bool change_tags(void *ctx, struct tj_ml *call,
                        struct tj_ml_model *model)
{
    const tj_pairs *tags = ctx;
    tj_vec_each (tags, const struct tj_pair, tag)
        tj_pairs_set(&model->tags, call->arena, tag->key, tag->value);
    return tj_ml_model_has_room(call, model);
}

static void set_tags(struct tj_server *s, const struct tj_request *rq,
                     struct tj_answer *out)
{
    struct tj_ml call;
    tj_pairs tags;
    if (tj_ml_begin(&call, s, rq, out) && tj_ml_pairs(&call, "tags", &tags) &&
        tj_ml_edit_model(&call, rq->captures[0], change_tags, &tags, NULL))
        tj_ml_done(&call);
}

static bool change_tag_away(void *ctx, struct tj_ml *call,
                            struct tj_ml_model *model)
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
        tj_ml_edit_model(&call, rq->captures[0], change_tag_away, &key, NULL))
        tj_ml_done(&call);
}

static bool change_params(void *ctx, struct tj_ml *call,
                          struct tj_ml_model *model)
{
    const tj_pairs *params = ctx;
    tj_vec_each (params, const struct tj_pair, param) {
        tj_str old = tj_pairs_find(&model->params, param->key);
        if (old.ptr && !tj_str_eq(old, param->value))
            return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                              "Changing param values is not allowed. Param "
                              "'%.*s' of model '%.*s' is '%.*s'.",
                              TJ_STR_ARG(param->key), TJ_STR_ARG(model->id),
                              TJ_STR_ARG(old));
        tj_pairs_set(&model->params, call->arena, param->key, param->value);
    }
    return tj_ml_model_has_room(call, model);
}

static void log_params(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    tj_pairs params;
    if (tj_ml_begin(&call, s, rq, out) &&
        tj_ml_pairs(&call, "params", &params) &&
        tj_ml_edit_model(&call, rq->captures[0], change_params, &params, NULL))
        tj_ml_done(&call);
}

#define AT(name) "/mlflow/logged-models" name

const struct tj_route tj_routes_models[] = {
    {TJ_METHOD_POST, TJ_V2, AT(""), TJ_ACCESS_WRITE, create},
    {TJ_METHOD_POST, TJ_V2, AT("/search"), TJ_ACCESS_READ, tj_ml_model_search},
    {TJ_METHOD_GET, TJ_V2, AT("/{}"), TJ_ACCESS_READ, find},
    {TJ_METHOD_PATCH, TJ_V2, AT("/{}"), TJ_ACCESS_WRITE, finalize},
    {TJ_METHOD_DELETE, TJ_V2, AT("/{}"), TJ_ACCESS_WRITE, delete},
    {TJ_METHOD_PATCH, TJ_V2, AT("/{}/tags"), TJ_ACCESS_WRITE, set_tags},
    {TJ_METHOD_DELETE, TJ_V2, AT("/{}/tags/{}"), TJ_ACCESS_WRITE, delete_tag},
    {TJ_METHOD_POST, TJ_V2, AT("/{}/params"), TJ_ACCESS_WRITE, log_params},
    {.run = NULL},
};
