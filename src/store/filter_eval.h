/* filter_eval.h - does this trace match that filter?
 * SPDX-License-Identifier: Apache-2.0
 *
 * For backends that cannot, or can only in part, ask their engine.  A filter
 * is made ready once (patterns compiled, clauses ordered by what they cost)
 * and then tried on one trace after another.
 *  1. What a filter does not ask for is not read: clauses about infos are
 *     tried first, then assessments, then the spans' skeleton, then texts.
 *  2. What filters mean is in filter.h.
 * Threads: one at a time.
 */
#ifndef TJ_STORE_FILTER_EVAL_H
#define TJ_STORE_FILTER_EVAL_H

#include "base/base.h"
#include "store/filter.h"
#include "store/store.h"

struct tj_filter_eval;

/* NULL and TJ_E_INPUT for a pattern that cannot be compiled.  filter must
 * outlive the result; NULL is a filter that everything matches. */
struct tj_filter_eval *tj_filter_eval_new(const struct tj_filter *filter,
                                          struct tj_err *err) TJ_MUST_USE;
/* Takes NULL. */
void tj_filter_eval_free(struct tj_filter_eval *e);

/* info is of a trace in st, as st has it.  What is read of the trace goes to
 * scratch: reset it between traces. */
bool tj_filter_eval_match(const struct tj_filter_eval *e, struct tj_store *st,
                          const struct tj_trace_info *info,
                          struct tj_arena *scratch, bool *out,
                          struct tj_err *err) TJ_MUST_USE;

#endif
