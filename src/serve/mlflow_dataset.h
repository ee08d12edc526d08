/* mlflow_dataset.h - an evaluation dataset of MLflow, and its records.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A TJ_RECORD_DATASET: name is the dataset's, parent empty (it belongs to any
 * number of experiments), and the body JSON:
 *
 *     {"tags": {}, "experiment_ids": [1], "digest", "created_by",
 *      "last_updated_by", "record_count": 5, "profiled": true,
 *      "schema": {"inputs": {field: type}, "outputs": ..., ...}}
 *
 * Its records are TJ_RECORD_DATASET_ROWs: parent is the dataset, name the
 * SHA-256 of the canonical JSON of the inputs, and the id made of both, so
 * that the same inputs are the same record.  The body is JSON:
 *
 *     {"inputs", "outputs", "expectations", "tags", "source", "source_id",
 *      "source_type", "created_by", "last_updated_by"}
 *
 * where what is None in MLflow is absent.  Rows and the dataset's counts are
 * written as one.  A dataset is covered by a grant when one of its
 * experiments is.
 * Threads: plain data.
 */
#ifndef TJ_SERVE_MLFLOW_DATASET_H
#define TJ_SERVE_MLFLOW_DATASET_H

#include "serve/mlflow_check.h"
#include "serve/mlflow_record.h"

struct tj_ml_schema {
    bool known; /* there was something to take it from */
    tj_pairs inputs;
    tj_pairs outputs;
    tj_str outputs_type; /* when outputs were no objects */
    tj_pairs expectations;
};

struct tj_ml_dataset {
    tj_str id;
    tj_str name;
    tj_time create_time;
    tj_time update_time;
    tj_pairs tags;
    TJ_VEC(uint64_t) experiments;
    tj_str digest;
    tj_str created_by;      /* ptr NULL: nobody said */
    tj_str last_updated_by; /* ptr NULL: nobody said */
    uint64_t record_count;
    bool profiled; /* there were records once */
    struct tj_ml_schema schema;
};

extern const struct tj_ml_kind tj_ml_dataset_kind;

bool tj_ml_dataset_parse(const struct tj_record *record, struct tj_arena *a,
                         struct tj_ml_dataset *out, struct tj_err *err)
    TJ_MUST_USE;
void tj_ml_dataset_body(const struct tj_ml_dataset *dataset, struct tj_arena *a,
                        struct tj_record *out);
/* Changed at this time: MLflow's digest is of name and time. */
void tj_ml_dataset_touch(struct tj_ml_dataset *dataset, struct tj_arena *a,
                         tj_time now);
/* Adds the fields of one record as its maker wrote it. */
void tj_ml_schema_add(struct tj_ml_schema *schema, const struct tj_json *record,
                      struct tj_arena *a);

bool tj_ml_dataset_covered(const struct tj_ml *call,
                           const struct tj_ml_dataset *dataset);
/* *found tells whether it is there; refused when it is not covered. */
bool tj_ml_find_dataset(struct tj_ml *call, tj_str id,
                        struct tj_ml_dataset *out, bool *found);

/* For tj_store_edit_records: ctx is one of these. */
typedef bool (*tj_ml_dataset_change)(void *ctx, struct tj_ml *call,
                                     struct tj_ml_dataset *dataset);
struct tj_ml_dataset_edit {
    struct tj_ml *call;
    tj_ml_dataset_change change;
    void *ctx;
    const char *before; /* of the id, in the message that it is not there;
                         * NULL: "Dataset '...' not found" */
    struct tj_ml_dataset dataset;
};
enum tj_edit tj_ml_edit_dataset(void *ctx, struct tj_record *record, bool found,
                                struct tj_arena *a, struct tj_err *err);

void tj_ml_dataset_records(struct tj_server *s, const struct tj_request *rq,
                           struct tj_answer *out);
void tj_ml_dataset_upsert(struct tj_server *s, const struct tj_request *rq,
                          struct tj_answer *out);
void tj_ml_dataset_delete_records(struct tj_server *s,
                                  const struct tj_request *rq,
                                  struct tj_answer *out);

#endif
