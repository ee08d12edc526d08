/* mlflow_record.h - runs, logged models and datasets as records of the store.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each is a record with a JSON body.  A table says where what stands, in the
 * body and in our struct, once for reading, writing and searching:
 *
 *     record --read--> struct --write--> members of a body
 *                        |
 *                        +--lookup--> values for a filter or an order
 *
 * Threads: plain data; a call belongs to its worker.
 */
#ifndef TJ_SERVE_MLFLOW_RECORD_H
#define TJ_SERVE_MLFLOW_RECORD_H

#include <stddef.h>

#include "serve/mlflow_search.h"

struct tj_ml_metric {
    tj_str key;
    double value;
    int64_t timestamp;
    int64_t step;
    tj_str model_id; /* of a request: the logged model that it is of, too */
    tj_str run_id;   /* of a logged model: the run that logged it */
};
typedef TJ_VEC(struct tj_ml_metric) tj_ml_metrics;

struct tj_ml_maybe_i64 {
    bool known;
    int64_t value;
};

enum tj_ml_member_kind {
    /* Of the record itself: */
    TJ_ML_OWN_ID,          /* tj_str */
    TJ_ML_OWN_NAME,        /* tj_str */
    TJ_ML_OWN_EXPERIMENT,  /* uint64_t: its parent */
    TJ_ML_OWN_CREATE_TIME, /* tj_time */
    TJ_ML_OWN_UPDATE_TIME, /* tj_time */
    /* Of its body: */
    TJ_ML_TEXT,       /* tj_str */
    TJ_ML_MAYBE_TEXT, /* tj_str; ptr NULL: absent */
    TJ_ML_I64,        /* int64_t */
    TJ_ML_MAYBE_I64,  /* struct tj_ml_maybe_i64 */
    TJ_ML_FLAG,       /* bool */
    TJ_ML_MAP,        /* tj_pairs: {"key": "value"} */
    TJ_ML_METRICS,    /* tj_ml_metrics: [[key, value, timestamp, step]] */
    TJ_ML_RUN_METRICS /* the same, with the run: [[..., step, run_id]] */
};

/* An attribute of a search has its name here; tags, params and metrics are the
 * members that are called so. */
struct tj_ml_member {
    const char *name;
    enum tj_ml_member_kind kind;
    size_t at; /* offsetof */
};

struct tj_ml_kind {
    const char *what; /* for messages: "run" */
    enum tj_record_kind kind;
    const struct tj_ml_member *members; /* ends with name NULL */
};

/* Fills what the table names; strings are in a or in the record.  *body is for
 * what the table does not name. */
bool tj_ml_record_read(const struct tj_ml_kind *kind,
                       const struct tj_record *record, struct tj_arena *a,
                       void *out, const struct tj_json **body,
                       struct tj_err *err) TJ_MUST_USE;
/* The members of a body, in an object that the caller begins and ends. */
void tj_ml_record_write(const struct tj_ml_kind *kind, const void *item,
                        struct tj_json_writer *w);
/* The i-th value of an attribute, tag, param or metric.  Of several values of
 * a metric the latest is the first. */
bool tj_ml_record_lookup(const struct tj_ml_kind *kind, const void *item,
                         const struct tj_ml_field *field, size_t i,
                         struct tj_ml_value *out);

/* Record after record; record and a are gone after the visit. */
typedef bool (*tj_ml_record_visit)(void *ctx, struct tj_ml *call,
                                   const struct tj_record *record,
                                   struct tj_arena *a);
bool tj_ml_each_record(struct tj_ml *call, const struct tj_record_query *query,
                       tj_ml_record_visit visit, void *ctx);
/* A copy that lives as long as the call. */
struct tj_record tj_ml_keep_record(struct tj_ml *call,
                                   const struct tj_record *record);

/* Edits of several records as one. */
typedef TJ_VEC(struct tj_record_work) tj_ml_works;

/* -- pieces of bodies ------------------------------------------------------ */

void tj_ml_read_map(const struct tj_json *v, struct tj_arena *a, tj_pairs *out);
void tj_ml_read_metrics(const struct tj_json *v, struct tj_arena *a,
                        tj_ml_metrics *out);
/* TJ_ML_METRICS or TJ_ML_RUN_METRICS. */
void tj_ml_write_metrics(struct tj_json_writer *w, const tj_ml_metrics *metrics,
                         enum tj_ml_member_kind kind);
/* NaN is the string "NaN". */
void tj_ml_write_number(struct tj_json_writer *w, double value);

#endif
