/* store_fold.h - folding what arrives into what is there, for all backends.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Spans arrive in any order, in pieces, and more than once.  A backend keeps
 * the pieces; this file makes one trace of them, in the same way everywhere:
 *  1. Of spans with one id the last to arrive counts; it stands where the
 *     first stood.  When their content differs and the older was finished,
 *     the span is marked DUPLICATE.
 *  2. Then the tree; then spans in tree order.
 *  3. What a source says of a trace wins over what its spans say; said later
 *     wins over said earlier; saying nothing takes nothing away.
 *     That it is in progress counts only until anything else is known.
 *  4. An assessment that another one overrides is not valid.
 * Threads: any; plain data.
 */
#ifndef TJ_STORE_STORE_FOLD_H
#define TJ_STORE_STORE_FOLD_H

#include "trace/trace.h"

/* Spans of one trace in order of arrival, and beside each what the backend
 * needs to find it again and a digest of its content. */
struct tj_fold {
    struct tj_arena *arena;
    struct tj_span *spans;
    uint64_t *origins;
    uint64_t *digests;
    size_t count;
    bool distinct; /* the ids are known to be distinct */
};
void tj_fold_init(struct tj_fold *f, size_t cap, struct tj_arena *a);
/* Room for a span; the caller made sure of cap. */
struct tj_span *tj_fold_add(struct tj_fold *f, uint64_t origin,
                            uint64_t digest);

/* Equal digests: the same span, fields and texts and all. */
uint64_t tj_fold_digest(const struct tj_span *span);

/* Invariants 1 and 2.  Moves spans, origins and digests of f into place;
 * out->spans is f's array. */
void tj_fold_trace(struct tj_fold *f, struct tj_trace *out);

/* Invariant 3, in place; strings are borrowed.  said->experiment_id is that of
 * said->experiment already. */
void tj_fold_said(struct tj_trace_info *there, const struct tj_trace_info *said,
                  struct tj_arena *a);
/* What is said without the experiment, when that is for new traces only and
 * this one is known. */
struct tj_trace_info tj_fold_stay(const struct tj_trace_info *said, bool known);
/* With strings and pairs of its own. */
struct tj_trace_info tj_fold_info_copy(const struct tj_trace_info *info,
                                       struct tj_arena *a);
bool tj_fold_is_judge_trace(const struct tj_trace_info *info);

/* Oldest first, and invariant 4. */
void tj_fold_assessments(struct tj_assessment *list, size_t count,
                         struct tj_arena *a);

/* With id and times.  One that came in a batch without an id gets it from its
 * content, so that importing a file twice adds nothing. */
struct tj_assessment tj_fold_full(const struct tj_assessment *as,
                                  struct tj_arena *a);

/* TJ_E_INPUT "no experiment 7", "experiment "x" exists already". */
bool tj_fold_no_experiment(uint64_t id, struct tj_err *err);
bool tj_fold_name_taken(tj_str name, struct tj_err *err);

/* TJ_E_INPUT: two assessments of a trace with one key. */
bool tj_fold_key_taken(tj_str key, struct tj_err *err);

/* TJ_E_INPUT "no trace tr-...". */
bool tj_fold_no_trace(tj_trace_id id, struct tj_err *err);

#endif
