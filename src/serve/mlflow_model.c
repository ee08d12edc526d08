/* mlflow_model.c - a logged model of MLflow: its record, and how it answers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_model.h"

#include <math.h>

#include "base/limits.h"

/* -- the record ------------------------------------------------------------ */

#define FIELD(field) offsetof(struct tj_ml_model, field)

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

const struct tj_ml_kind tj_ml_model_kind = {"logged model",
                                            TJ_RECORD_LOGGED_MODEL, members};

bool tj_ml_model_parse(const struct tj_record *record, struct tj_arena *a,
                       struct tj_ml_model *out, struct tj_err *err)
{
    struct tj_ml_model model = {0};
    const struct tj_json *body;
    if (!tj_ml_record_read(&tj_ml_model_kind, record, a, &model, &body, err))
        return false;
    *out = model;
    return true;
}

void tj_ml_model_body(const struct tj_ml_model *model, struct tj_arena *a,
                      struct tj_record *out)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_ml_record_write(&tj_ml_model_kind, model, &w);
    tj_jw_end(&w);
    out->parent = tj_ml_experiment_id(a, model->experiment_id);
    out->name = model->name;
    out->body = tj_buf_str(&buf);
    out->update_time = model->update_time;
}

/* -- answers -------------------------------------------------------------- */

static void write_info(struct tj_ml *call, const struct tj_ml_model *model)
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

static void write_metric(struct tj_json_writer *w,
                         const struct tj_ml_model *model,
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

void tj_ml_write_model(struct tj_ml *call, const struct tj_ml_model *model)
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

/* -- edits ---------------------------------------------------------------- */

bool tj_ml_refuse_model(struct tj_ml *call, tj_str id)
{
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "Logged model with ID '%.*s' not found.", TJ_STR_ARG(id));
}

struct edit {
    struct tj_ml *call;
    tj_ml_model_change change;
    void *ctx;
    struct tj_ml_model model;
};

static enum tj_edit edit_record(void *ctx, struct tj_record *record, bool found,
                                struct tj_arena *a, struct tj_err *err)
{
    struct edit *edit = ctx;
    if (!found) {
        (void)tj_ml_refuse_model(edit->call, record->id);
        return tj_ml_stop(err);
    }
    if (!tj_ml_model_parse(record, a, &edit->model, err))
        return TJ_EDIT_FAIL;
    if (!tj_ml_covers(edit->call, edit->model.experiment_id) ||
        !edit->change(edit->ctx, edit->call, &edit->model))
        return tj_ml_stop(err);
    tj_ml_model_body(&edit->model, a, record);
    return TJ_EDIT_PUT;
}

bool tj_ml_edit_model(struct tj_ml *call, tj_str id, tj_ml_model_change change,
                      void *ctx, struct tj_ml_model *out)
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

bool tj_ml_model_has_room(struct tj_ml *call, const struct tj_ml_model *model)
{
    return (model->tags.count <= TJ_RUN_KEYS_MAX &&
            model->params.count <= TJ_RUN_KEYS_MAX &&
            model->metrics.count <= TJ_RUN_KEYS_MAX) ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "a logged model has at most %zu tags, params and metrics "
                      "each",
                      TJ_RUN_KEYS_MAX);
}

/* -- metrics of runs that name a model ------------------------------------ */

struct run_metrics {
    tj_str run_id;
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

static bool change_metrics(void *ctx, struct tj_ml *call,
                           struct tj_ml_model *model)
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
    return tj_ml_model_has_room(call, model);
}

void tj_ml_add_model_works(struct tj_ml *call, tj_str run_id,
                           const tj_ml_metrics *metrics, tj_ml_works *works)
{
    struct tj_map ids;
    tj_map_init(&ids, call->arena);
    tj_vec_each (metrics, const struct tj_ml_metric, m) {
        bool fresh = false;
        if (m->model_id.len)
            (void)tj_map_add(&ids, m->model_id, &fresh);
        if (!fresh)
            continue;
        struct run_metrics *run = tj_arena_new(call->arena, struct run_metrics);
        struct edit *edit = tj_arena_new(call->arena, struct edit);
        *run = (struct run_metrics){run_id, metrics};
        *edit =
            (struct edit){.call = call, .change = change_metrics, .ctx = run};
        *tj_vec_add(works, call->arena) = (struct tj_record_work){
            TJ_RECORD_LOGGED_MODEL, m->model_id, edit_record, edit};
    }
}
