/* mlflow_run.h - a run of MLflow: what its record holds, and how it answers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A run is a TJ_RECORD_RUN: id is the run's, parent its experiment's, name its
 * name, create_time its start, and the body JSON:
 *
 *     {"user_id", "status", "start_time", "end_time", "deleted",
 *      "metrics": [[key, value, timestamp, step], ...],   the latest of each
 *      "params": {}, "tags": {},
 *      "datasets": [{"name", "digest", "source_type", "source", "schema",
 *                    "profile", "tags": {}}],
 *      "model_inputs": [id], "model_outputs": [[id, step]]}
 *
 * What was logged of its metrics is in TJ_RECORD_METRICs: parent is the run,
 * name the key when all are of one key, and the body the list of them as
 * above.  Their id is a digest of run and body, so that a repeated request
 * changes nothing.  A request writes the run and its metrics as one.
 *  1. NaN is the string "NaN"; infinities are the largest doubles, as
 *     MLflow's SQL stores have them.
 *  2. Keys of metrics, params and tags: TJ_RUN_KEYS_MAX each.
 * Threads: plain data.
 */
#ifndef TJ_SERVE_MLFLOW_RUN_H
#define TJ_SERVE_MLFLOW_RUN_H

#include "serve/mlflow_check.h"
#include "serve/mlflow_record.h"

struct tj_ml_dataset_input {
    tj_str name;
    tj_str digest;
    tj_str source_type;
    tj_str source;
    tj_str schema;  /* ptr NULL: none */
    tj_str profile; /* ptr NULL: none */
    tj_pairs tags;
};

struct tj_ml_model_output {
    tj_str model_id;
    int64_t step;
};

struct tj_ml_run {
    tj_str id;
    tj_str name;
    uint64_t experiment_id;
    tj_str artifact_uri;
    tj_str user_id;
    tj_str status;
    int64_t start_time;
    struct tj_ml_maybe_i64 end_time;
    bool deleted;
    tj_ml_metrics metrics;
    tj_pairs params;
    tj_pairs tags;
    TJ_VEC(struct tj_ml_dataset_input) datasets;
    TJ_VEC(tj_str) model_inputs;
    TJ_VEC(struct tj_ml_model_output) model_outputs;
};

extern const struct tj_ml_kind tj_ml_run_kind;

#define TJ_TAG_RUN_NAME "mlflow.runName"

/* Between a record and a run; strings are in a or in the record. */
bool tj_ml_run_parse(const struct tj_record *record, struct tj_arena *a,
                     struct tj_ml_run *out, struct tj_err *err) TJ_MUST_USE;
void tj_ml_run_body(const struct tj_ml_run *run, struct tj_arena *a,
                    struct tj_record *out);

/* The run of an id; refused when it is not there or not covered. */
bool tj_ml_find_run(struct tj_ml *call, tj_str id, struct tj_ml_run *out);
/* Reads, lets change alter it, and writes, as one; change has refused when it
 * returns false.  *out, where it is not NULL, is the run as it was written. */
typedef bool (*tj_ml_run_change)(void *ctx, struct tj_ml *call,
                                 struct tj_ml_run *run);
bool tj_ml_edit_run(struct tj_ml *call, tj_str id, tj_ml_run_change change,
                    void *ctx, struct tj_ml_run *out);
/* The same as one edit of several: ctx is one of these. */
struct tj_ml_run_edit {
    struct tj_ml *call;
    tj_ml_run_change change;
    void *ctx;
    struct tj_ml_run run; /* as it was written */
};
enum tj_edit tj_ml_edit_run_record(void *ctx, struct tj_record *record,
                                   bool found, struct tj_arena *a,
                                   struct tj_err *err);
/* An edit that also adds what a request logged to the run's history, and to
 * the models that metrics name. */
bool tj_ml_log_to_run(struct tj_ml *call, tj_str id, tj_ml_run_change change,
                      void *ctx, const tj_ml_metrics *metrics);
/* Refused with MLflow's text when it is deleted. */
bool tj_ml_run_is_active(struct tj_ml *call, const struct tj_ml_run *run);

/* run_id, or run_uuid as the oldest clients call it. */
bool tj_ml_need_run_id(struct tj_ml *call, tj_str *out);
/* Names and lengths; values that are too long are cut.  prefix: what the
 * request calls their list, or NULL for a lone one. */
bool tj_ml_check_run_tags(struct tj_ml *call, tj_pairs *tags,
                          const char *prefix);
/* Refused when it has more than TJ_RUN_KEYS_MAX of something. */
bool tj_ml_run_has_room(struct tj_ml *call, const struct tj_ml_run *run);
/* The latest of each key, of have and more. */
void tj_ml_merge_metrics(struct tj_arena *a, tj_ml_metrics *have,
                         const tj_ml_metrics *more);

/* Run after run of an experiment, in no order that matters.  Both are gone
 * after the visit. */
typedef bool (*tj_ml_run_visit)(void *ctx, struct tj_ml *call,
                                const struct tj_ml_run *run,
                                const struct tj_record *record);
bool tj_ml_each_run(struct tj_ml *call, uint64_t experiment_id,
                    tj_ml_run_visit visit, void *ctx);
/* All runs of an experiment that was deleted or restored. */
bool tj_ml_stage_runs(struct tj_ml *call, uint64_t experiment_id,
                      enum tj_ml_view to);

/* "quiet-heron-417" */
tj_str tj_ml_run_random_name(struct tj_arena *a);
tj_str tj_ml_artifact_location(struct tj_arena *a,
                               const struct tj_experiment *ex);

enum tj_ml_run_part {
    TJ_ML_RUN_MODEL_INPUTS = 1 << 0,
    TJ_ML_RUN_OUTPUTS = 1 << 1,
};
void tj_ml_write_run_info(struct tj_ml *call, const struct tj_ml_run *run);
void tj_ml_write_run(struct tj_ml *call, const struct tj_ml_run *run,
                     unsigned parts);
void tj_ml_write_metric(struct tj_json_writer *w,
                        const struct tj_ml_metric *metric);
/* Without its tags; the caller ends the object. */
void tj_ml_write_run_dataset(struct tj_json_writer *w,
                             const struct tj_ml_dataset_input *dataset);

#endif
