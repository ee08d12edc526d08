/* store_records.h - what clients keep beside traces: experiments and records.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Part of the front (store.h), and with the same promises: writes are durable
 * when they return, edits are atomic.
 * Threads: any.
 */
#ifndef TJ_STORE_STORE_RECORDS_H
#define TJ_STORE_STORE_RECORDS_H

#include "store/store.h"

/* -- experiments ---------------------------------------------------------- */

/* MLflow's experiments: a trace belongs to one.  Id 0 is "Default" and is
 * there from the start; ids count up and are never used again.  A batch names
 * the experiment of a trace (tj_trace_info.experiment); it is made when it is
 * not there. */
struct tj_experiment {
    uint64_t id;
    tj_str name; /* unique, those of deleted ones too */
    tj_str artifact_location;
    bool deleted; /* hidden, with all of its traces still there */
    tj_time create_time;
    tj_time update_time;
    tj_pairs tags;
};
/* in: name, artifact_location, tags.  One with this name: *fresh is false and
 * *out is that one, unchanged. */
bool tj_store_add_experiment(struct tj_store *st,
                             const struct tj_experiment *in, struct tj_arena *a,
                             struct tj_experiment *out, bool *fresh,
                             struct tj_err *err) TJ_MUST_USE;
bool tj_store_find_experiment(struct tj_store *st, uint64_t id,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *found, struct tj_err *err) TJ_MUST_USE;
bool tj_store_find_experiment_named(struct tj_store *st, tj_str name,
                                    struct tj_arena *a,
                                    struct tj_experiment *out, bool *found,
                                    struct tj_err *err) TJ_MUST_USE;
/* All of them, deleted ones too, by id. */
bool tj_store_experiments(struct tj_store *st, struct tj_arena *a,
                          struct tj_experiment **out, size_t *count,
                          struct tj_err *err) TJ_MUST_USE;
/* As tj_store_edit_assessment.  TJ_EDIT_DELETE is not allowed (set deleted);
 * a name that another one has is TJ_E_INPUT. */
typedef enum tj_edit (*tj_experiment_edit)(void *ctx, struct tj_experiment *ex,
                                           struct tj_arena *a,
                                           struct tj_err *err);
bool tj_store_edit_experiment(struct tj_store *st, uint64_t id,
                              tj_experiment_edit edit, void *ctx,
                              struct tj_arena *a, bool *found,
                              struct tj_err *err) TJ_MUST_USE;

/* -- records -------------------------------------------------------------- */

/* What clients keep beside traces: runs, datasets, registered scorers.  A
 * store knows of a record what it takes to find it; the body is its writer's
 * own (JSON, or bytes). */
enum tj_record_kind {
    TJ_RECORD_RUN = 1,
    TJ_RECORD_METRIC, /* parent: a run */
    TJ_RECORD_DATASET,
    TJ_RECORD_DATASET_ROW, /* parent: a dataset */
    TJ_RECORD_SCORER,      /* one version; parent: an experiment */
    TJ_RECORD_LOGGED_MODEL,
    TJ_RECORD_ATTACHMENT, /* parent: a trace (32 digits), and goes with it */
    TJ_RECORD_KIND_COUNT,
};
struct tj_record {
    enum tj_record_kind kind;
    tj_str id;     /* unique within its kind */
    tj_str parent; /* what it belongs to; may be empty */
    tj_str name;   /* may be empty; not unique */
    tj_time create_time;
    tj_time update_time;
    tj_str body;
    uint64_t row; /* the store's own */
};
bool tj_store_find_record(struct tj_store *st, enum tj_record_kind kind,
                          tj_str id, struct tj_arena *a, struct tj_record *out,
                          bool *found, struct tj_err *err) TJ_MUST_USE;

/* As tj_store_edit_assessment, but edit is called for one that is not there,
 * too: with found false, kind, id and times filled, the rest empty.  It may
 * change parent, name, update_time and body. */
typedef enum tj_edit (*tj_record_edit)(void *ctx, struct tj_record *record,
                                       bool found, struct tj_arena *a,
                                       struct tj_err *err);
bool tj_store_edit_record(struct tj_store *st, enum tj_record_kind kind,
                          tj_str id, tj_record_edit edit, void *ctx,
                          struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;

/* Several edits as one, in their order: all are written, or none.  Each sees
 * what those before it wrote. */
struct tj_record_work {
    enum tj_record_kind kind;
    tj_str id;
    tj_record_edit edit;
    void *ctx;
};
bool tj_store_edit_records(struct tj_store *st,
                           const struct tj_record_work *works, size_t count,
                           struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;

/* By (create_time, row); ptr NULL of parent or name: any. */
struct tj_record_query {
    enum tj_record_kind kind;
    tj_str parent;
    tj_str name;
    bool newest_first;
    size_t row_max;    /* 1..TJ_SEARCH_ROWS_MAX */
    tj_str page_token; /* opaque; empty: the first page */
};
struct tj_record_page {
    struct tj_record *items;
    size_t count;
    tj_str next_page_token; /* empty: this was the last */
};
bool tj_store_records(struct tj_store *st, const struct tj_record_query *query,
                      struct tj_arena *a, struct tj_record_page *out,
                      struct tj_err *err) TJ_MUST_USE;
/* All of a kind that belong to parent. */
bool tj_store_delete_records(struct tj_store *st, enum tj_record_kind kind,
                             tj_str parent, uint64_t *deleted,
                             struct tj_err *err) TJ_MUST_USE;

#endif
