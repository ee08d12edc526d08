/* store_memory_int.h - what the files of the memory store share.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     store_memory.c         traces, assessments, judges, the table of ops
 *     store_memory_record.c  experiments, records, edits
 *
 * Threads: see store_memory.c.
 */
#ifndef TJ_STORE_STORE_MEMORY_INT_H
#define TJ_STORE_STORE_MEMORY_INT_H

#include <pthread.h>

#include "base/map.h"
#include "store/store_fold.h"
#include "store/store_ops.h"

struct memory_trace {
    tj_trace_id id;
    bool deleted;
    uint64_t row;
    struct tj_trace_info said; /* by sources */
    struct tj_trace_info info; /* and derived; good unless stale */
    bool stale;
    TJ_VEC(struct tj_span *) spans; /* in order of arrival */
    TJ_VEC(uint64_t) digests;
    TJ_VEC(struct tj_resource) resources;
    TJ_VEC(struct tj_assessment) assessments;
};

struct memory_record {
    struct tj_record record;
    bool deleted;
};

struct memory_store {
    struct tj_store front;
    pthread_mutex_t lock;
    struct tj_arena arena;
    struct tj_map by_id; /* trace id bytes -> index + 1 of the last */
    TJ_VEC(struct memory_trace *) traces;
    TJ_VEC(struct tj_judge_row) judges;
    TJ_VEC(struct tj_experiment) experiments; /* of id i at i */
    struct tj_map record_by_id;               /* kind and id */
    TJ_VEC(struct memory_record *) records;   /* of row i + 1 at i */
};

static inline struct memory_store *tj_memory_self(struct tj_store *st)
{
    return (struct memory_store *)(void *)st;
}

static inline struct memory_store *tj_memory_locked(struct tj_store *st)
{
    struct memory_store *m = tj_memory_self(st);
    (void)pthread_mutex_lock(&m->lock);
    return m;
}

/* Unlocks, and passes the result on. */
static inline bool tj_memory_leave(struct memory_store *m, bool result)
{
    (void)pthread_mutex_unlock(&m->lock);
    return result;
}

/* A copy that lives as long as the store. */
static inline tj_str tj_memory_keep(struct memory_store *m, tj_str s)
{
    return tj_str_dup(&m->arena, s);
}

/* "Default", and room for records. */
void tj_memory_records_init(struct memory_store *m);
/* Fills in->experiment_id, which the batch may name; makes what is not
 * there.  False: there is none of the id that it says. */
bool tj_memory_resolve_experiment(struct memory_store *m,
                                  struct tj_trace_info *in, struct tj_err *err)
    TJ_MUST_USE;
/* The name that its id has now; empty for 0. */
tj_str tj_memory_experiment_name(const struct memory_store *m, uint64_t id);

/* -- ops ------------------------------------------------------------------ */

bool tj_memory_add_experiment(struct tj_store *st,
                              const struct tj_experiment *in,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *fresh, struct tj_err *err);
bool tj_memory_find_experiment(struct tj_store *st, uint64_t id,
                               struct tj_arena *a, struct tj_experiment *out,
                               bool *found, struct tj_err *err);
bool tj_memory_find_experiment_named(struct tj_store *st, tj_str name,
                                     struct tj_arena *a,
                                     struct tj_experiment *out, bool *found,
                                     struct tj_err *err);
bool tj_memory_experiments(struct tj_store *st, struct tj_arena *a,
                           struct tj_experiments *out, struct tj_err *err);
bool tj_memory_edit_experiment(struct tj_store *st,
                               struct tj_experiment_change *change,
                               struct tj_err *err);
bool tj_memory_find_record(struct tj_store *st, const struct tj_record *key,
                           struct tj_arena *a, struct tj_record *out,
                           bool *found, struct tj_err *err);
bool tj_memory_edit_records(struct tj_store *st,
                            const struct tj_record_changes *changes,
                            struct tj_err *err);
bool tj_memory_records(struct tj_store *st, const struct tj_record_scan *scan,
                       struct tj_arena *a, struct tj_records *out,
                       struct tj_err *err);
uint64_t tj_memory_drop_records(struct memory_store *m,
                                enum tj_record_kind kind, tj_str parent);
bool tj_memory_delete_records(struct tj_store *st, enum tj_record_kind kind,
                              tj_str parent, uint64_t *deleted,
                              struct tj_err *err);

#endif
