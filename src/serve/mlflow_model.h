/* mlflow_model.h - a logged model of MLflow: its record, and how it answers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The versions of an application.  Each is a TJ_RECORD_LOGGED_MODEL: parent is
 * the experiment, name the model's, and the body JSON:
 *
 *     {"model_type", "source_run_id", "status", "artifact_uri", "deleted",
 *      "params": {}, "tags": {},
 *      "metrics": [[key, value, timestamp, step, run_id], ...]}
 *
 * Threads: plain data.
 */
#ifndef TJ_SERVE_MLFLOW_MODEL_H
#define TJ_SERVE_MLFLOW_MODEL_H

#include "serve/mlflow_check.h"
#include "serve/mlflow_record.h"

struct tj_ml_model {
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

extern const struct tj_ml_kind tj_ml_model_kind;

bool tj_ml_model_parse(const struct tj_record *record, struct tj_arena *a,
                       struct tj_ml_model *out, struct tj_err *err) TJ_MUST_USE;
void tj_ml_model_body(const struct tj_ml_model *model, struct tj_arena *a,
                      struct tj_record *out);
void tj_ml_write_model(struct tj_ml *call, const struct tj_ml_model *model);

/* There is none of this id. */
bool tj_ml_refuse_model(struct tj_ml *call, tj_str id);
/* Reads, lets change alter it, and writes, as one; change has refused when it
 * returns false.  *out, where it is not NULL, is the model as it was
 * written. */
typedef bool (*tj_ml_model_change)(void *ctx, struct tj_ml *call,
                                   struct tj_ml_model *model);
bool tj_ml_edit_model(struct tj_ml *call, tj_str id, tj_ml_model_change change,
                      void *ctx, struct tj_ml_model *out);
/* Refused when it has more than TJ_RUN_KEYS_MAX of something. */
bool tj_ml_model_has_room(struct tj_ml *call, const struct tj_ml_model *model);
/* Metrics of a run that name a model are the model's, too: an edit for each
 * of these models. */
void tj_ml_add_model_works(struct tj_ml *call, tj_str run_id,
                           const tj_ml_metrics *metrics, tj_ml_works *works);

/* The handler that mlflow_models.c has in its table. */
void tj_ml_model_search(struct tj_server *server, const struct tj_request *rq,
                        struct tj_answer *out);

#endif
