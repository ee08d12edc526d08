/* trace.h - a trace: its info, its spans' skeleton, its tree; and a batch.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A batch is what a parser makes of some bytes: spans of any number of
 * traces, what the source says of those traces as a whole, and assessments
 * that came along.  A trace is what a store opens.
 * Threads: plain data.
 */
#ifndef TJ_TRACE_TRACE_H
#define TJ_TRACE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"
#include "trace/assessment.h"
#include "trace/span.h"

enum tj_trace_state {
    TJ_STATE_UNSPECIFIED,
    TJ_STATE_OK,
    TJ_STATE_ERROR,
    TJ_STATE_IN_PROGRESS,
};
const char *tj_trace_state_name(enum tj_trace_state state); /* MLflow's words */

struct tj_pair {
    tj_str key;
    tj_str value;
};
typedef TJ_VEC(struct tj_pair) tj_pairs;
/* The value of key (the last one); empty with ptr NULL when there is none. */
tj_str tj_pairs_find(const tj_pairs *pairs, tj_str key);
/* Sets key, replacing an older value. */
void tj_pairs_set(tj_pairs *pairs, struct tj_arena *a, tj_str key,
                  tj_str value);

/* MLflow's TraceInfoV3 with our normal values.  In a batch, what the source
 * says (zero and empty where it says nothing); from a store, also what is
 * derived from the spans. */
struct tj_trace_info {
    tj_trace_id trace_id;
    tj_str client_request_id;
    tj_str source_id;       /* the id the source used when it is not 16 bytes */
    tj_str experiment;      /* name; empty: "Default" */
    uint64_t experiment_id; /* the store's number for it; in a batch: its
                             * experiment where no name is said */
    bool experiment_if_new; /* of a batch: for a trace that is not there yet;
                               one that is stays where it is */
    tj_str name;
    tj_str session;
    tj_str user;
    tj_time request_time; /* start; 0: from the spans */
    uint64_t duration_ns;
    enum tj_trace_state state;
    tj_str request_preview; /* at most TJ_PREVIEW_CHARS_MAX */
    tj_str response_preview;
    tj_pairs metadata;
    tj_pairs tags;
    tj_pairs links; /* runs that it was linked to: id, "run"; not in a batch */
    /* Derived by the store: */
    uint64_t span_count;
    uint64_t error_count;
    uint64_t text_bytes;
    struct tj_usage usage; /* "an ancestor that carries usage wins" */
    uint64_t row;          /* the store's own */
};

/* The value of a metadata key.  MLflow keeps session and user there, so
 * "mlflow.trace.session" and "mlflow.trace.user" are known although they come
 * from the spans.  Empty with ptr NULL when there is none. */
tj_str tj_trace_info_meta(const struct tj_trace_info *info, tj_str key);

/* A trace whose maker is one of our judges: such traces are not judged unless
 * asked (the loop guard).  MLflow's tag for traces made by a scorer. */
#define TJ_TAG_SOURCE_SCORER "mlflow.trace.sourceScorer"

/* What OTLP says once for many spans: resource and scope, as one plain JSON
 * object {"resource": {...}, "scope": {"name", "version", "attributes"}}. */
struct tj_resource {
    tj_str text;
};

struct tj_batch {
    struct tj_arena *arena;
    TJ_VEC(struct tj_trace_info) traces; /* at most one for a trace */
    struct tj_map trace_index;           /* of tj_batch_info */
    TJ_VEC(struct tj_span) spans;
    TJ_VEC(struct tj_resource) resources;
    TJ_VEC(struct tj_assessment) assessments;
    size_t rejected_count; /* spans without a usable id, see rejected */
    tj_str rejected;       /* why the first of them was refused */
    /* A store calls it at most once: all that is left is to wait for the
     * disk, so the caller may let others compute.  May be NULL. */
    void (*waits)(void *ctx);
    void *waits_ctx;
};
void tj_batch_init(struct tj_batch *batch, struct tj_arena *a);

/* The info of a trace in the batch, made on first use. */
struct tj_trace_info *tj_batch_info(struct tj_batch *batch, tj_trace_id id);

/* The shape of a trace: who is whose child.  Arrays are span_count long and
 * indexed as the spans are; -1 is "none".
 *  1. Every span is reached from exactly one root; orphans are roots and
 *     marked, a cycle is cut at its earliest span and marked.
 *  2. Siblings and roots are ordered by (start, sequence).
 *  3. order[] is the pre-order walk; rank[order[i]] == i. */
struct tj_tree {
    size_t count;
    int32_t *parent;
    int32_t *first_child;
    int32_t *next_sibling;
    int32_t *child_count;
    int32_t *depth; /* roots are 0 */
    int32_t *order;
    int32_t *rank;
    int32_t first_root;
    size_t root_count;
};
/* Sets ORPHAN and CYCLE marks on spans.  No recursion; O(n log n). */
void tj_tree_build(struct tj_span *spans, size_t count, struct tj_arena *a,
                   struct tj_tree *out);

/* Tokens and cost of a whole trace.  Agents and chains often repeat the sum of
 * the calls below them, so an ancestor that carries usage wins over what is
 * below it; tokens and cost are told apart in this. */
struct tj_usage tj_trace_usage(const struct tj_span *spans,
                               const struct tj_tree *tree);

/* The span that speaks for the trace: the first root that is none for want of
 * its parent; else the first; -1 when there are no spans. */
int32_t tj_trace_root(const struct tj_span *spans, const struct tj_tree *tree);

/* What the spans say about their trace, into info: span_count, error_count,
 * text_bytes and usage always; name, session, user, request_time, duration,
 * state and previews where info says nothing (of the state: nothing but that
 * it was in progress).  Previews are made from the
 * input and output texts of the first root, when they are there. */
void tj_trace_info_derive(struct tj_trace_info *info,
                          const struct tj_span *spans,
                          const struct tj_tree *tree, struct tj_arena *a);

struct tj_store;

/* An open trace: skeleton at hand, contents by range through its store. */
struct tj_trace {
    struct tj_trace_info info;
    struct tj_span *spans; /* in tree order: spans[i] has rank i */
    size_t span_count;
    struct tj_tree tree; /* order[i] == i */
    struct tj_resource *resources;
    size_t resource_count;
    tj_time start; /* earliest start of a span that has one */
    tj_time end;   /* latest end */
    struct tj_store *store;
    struct tj_arena *arena; /* the case arena all of this lives in */
    void *impl;             /* the backend's own, in arena */
};

/* Index of the span with this id, or -1.  O(1) after the first call is not
 * promised; O(n) is. */
int32_t tj_trace_find_span(const struct tj_trace *trace, tj_span_id id);

#endif
