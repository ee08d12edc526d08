/* mlflow_run_write.c - a run of MLflow as answers have it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_run.h"

void tj_ml_write_run_info(struct tj_ml *call, const struct tj_ml_run *run)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_object(w);
    tj_jw_key_str(w, "run_uuid", run->id);
    tj_jw_key_str(w, "experiment_id",
                  tj_ml_experiment_id(call->arena, run->experiment_id));
    tj_jw_key_str(w, "run_name", run->name);
    tj_jw_key_str(w, "user_id", run->user_id);
    tj_jw_key_str(w, "status", run->status);
    tj_jw_key_i64(w, "start_time", run->start_time);
    if (run->end_time.known && run->end_time.value)
        tj_jw_key_i64(w, "end_time", run->end_time.value);
    tj_jw_key_str(w, "artifact_uri", run->artifact_uri);
    tj_jw_key_str(w, "lifecycle_stage",
                  run->deleted ? TJ_STR("deleted") : TJ_STR("active"));
    tj_jw_key_str(w, "run_id", run->id);
    tj_jw_end(w);
}

void tj_ml_write_metric(struct tj_json_writer *w,
                        const struct tj_ml_metric *metric)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "key", metric->key);
    tj_jw_key(w, TJ_STR("value"));
    tj_ml_write_number(w, metric->value);
    tj_jw_key_i64(w, "timestamp", metric->timestamp);
    tj_jw_key_i64(w, "step", metric->step);
    tj_jw_end(w);
}

static void write_data(struct tj_json_writer *w, const struct tj_ml_run *run)
{
    tj_jw_object(w);
    if (run->metrics.count) {
        tj_jw_key(w, TJ_STR("metrics"));
        tj_jw_array(w);
        tj_vec_each (&run->metrics, const struct tj_ml_metric, m)
            tj_ml_write_metric(w, m);
        tj_jw_end(w);
    }
    if (run->params.count)
        tj_ml_write_pairs(w, "params", &run->params);
    if (run->tags.count)
        tj_ml_write_pairs(w, "tags", &run->tags);
    tj_jw_end(w);
}

static void write_dataset_inputs(struct tj_json_writer *w,
                                 const struct tj_ml_run *run)
{
    tj_jw_key(w, TJ_STR("dataset_inputs"));
    tj_jw_array(w);
    tj_vec_each (&run->datasets, const struct tj_ml_dataset_input, d) {
        tj_jw_object(w);
        if (d->tags.count)
            tj_ml_write_pairs(w, "tags", &d->tags);
        tj_jw_key(w, TJ_STR("dataset"));
        tj_ml_write_run_dataset(w, d);
        tj_jw_end(w);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void write_model_inputs(struct tj_json_writer *w,
                               const struct tj_ml_run *run)
{
    tj_jw_key(w, TJ_STR("model_inputs"));
    tj_jw_array(w);
    tj_vec_each (&run->model_inputs, const tj_str, id) {
        tj_jw_object(w);
        tj_jw_key_str(w, "model_id", *id);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void write_outputs(struct tj_json_writer *w, const struct tj_ml_run *run)
{
    tj_jw_key(w, TJ_STR("outputs"));
    tj_jw_object(w);
    if (run->model_outputs.count) {
        tj_jw_key(w, TJ_STR("model_outputs"));
        tj_jw_array(w);
        tj_vec_each (&run->model_outputs, const struct tj_ml_model_output, o) {
            tj_jw_object(w);
            tj_jw_key_str(w, "model_id", o->model_id);
            tj_jw_key_i64(w, "step", o->step);
            tj_jw_end(w);
        }
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

void tj_ml_write_run(struct tj_ml *call, const struct tj_ml_run *run,
                     unsigned parts)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_object(w);
    tj_jw_key(w, TJ_STR("info"));
    tj_ml_write_run_info(call, run);
    tj_jw_key(w, TJ_STR("data"));
    write_data(w, run);
    tj_jw_key(w, TJ_STR("inputs"));
    tj_jw_object(w);
    if (run->datasets.count)
        write_dataset_inputs(w, run);
    if (run->model_inputs.count && parts & TJ_ML_RUN_MODEL_INPUTS)
        write_model_inputs(w, run);
    tj_jw_end(w);
    if (parts & TJ_ML_RUN_OUTPUTS)
        write_outputs(w, run);
    tj_jw_end(w);
}
