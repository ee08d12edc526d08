/* problems.h - deterministic findings about a trace, with their proof.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What code can know without a model: errors and what they caused, where the
 * time went, calls that were made twice.  It is not a judgement: whether a
 * finding matters is for the criteria to say.
 *  1. Deterministic: most severe first, then by weight, then by span.
 *  2. Every proof verifies: its quote is found byte for byte in that field of
 *     that span.  Where a finding is about times, which are in no field, the
 *     proof is the name of the span.
 *  3. Equal findings are folded into one that counts them, so their number
 *     follows the number of distinct names, not of spans.
 *  4. Close to linear in the size of the trace.
 * Threads: one at a time per trace.
 */
#ifndef TJ_TOOLS_PROBLEMS_H
#define TJ_TOOLS_PROBLEMS_H

#include "store/store.h"

#define TJ_PROBLEMS(X)                                                         \
    X(ERROR, "error", "a span failed, and what that caused")                   \
    X(ERROR_IN_RESULT, "error_in_result",                                      \
      "a result says error although the status does not")                      \
    X(RETRY_LOOP, "retry_loop", "the same call failed and was made again")     \
    X(SLOW_SPAN, "slow_span", "a span took long by itself")                    \
    X(REPEATED_CALL, "repeated_call", "the same call was made again")          \
    X(SEQUENTIAL_SIBLINGS, "sequential_siblings",                              \
      "independent spans ran one after another")                               \
    X(EMPTY_OUTPUT, "empty_output", "a model, tool or retriever gave nothing") \
    X(TOKEN_HOT_SPOT, "token_hot_spot", "one call used most of the tokens")    \
    X(COST_HOT_SPOT, "cost_hot_spot", "one call caused most of the cost")      \
    X(UNFINISHED_SPAN, "unfinished_span", "a span never ended")                \
    X(BROKEN_TREE, "broken_tree", "a parent is missing or parents form a cycle")

enum tj_problem_code {
#define X(name, text, help) TJ_PROBLEM_##name,
    TJ_PROBLEMS(X)
#undef X
        TJ_PROBLEM_COUNT
};
const char *tj_problem_name(enum tj_problem_code code);
bool tj_problem_parse(tj_str text, enum tj_problem_code *out);

enum tj_severity { TJ_SEVERITY_LOW, TJ_SEVERITY_MEDIUM, TJ_SEVERITY_HIGH };
const char *tj_severity_name(enum tj_severity severity);
bool tj_severity_parse(tj_str text, enum tj_severity *out);

struct tj_proof {
    size_t span;
    tj_str field;
    tj_str quote;
};

enum {
    TJ_PROBLEM_SPANS_MAX = 40, /* listed; span_total says how many there are */
    TJ_PROBLEM_PROOFS_MAX = 5,
    TJ_PROOF_QUOTE_BYTES = 200,
};

struct tj_problem {
    enum tj_problem_code code;
    enum tj_severity severity;
    tj_str title; /* one sentence with the numbers */
    TJ_VEC(size_t) spans;
    size_t span_total;
    TJ_VEC(struct tj_proof) proofs;
    uint64_t weight; /* larger is worse, within a severity */
};
typedef TJ_VEC(struct tj_problem) tj_problems;

struct tj_problem_options {
    uint64_t slow_ns;      /* 0: 2 s */
    size_t repeated_calls; /* 0: 2 */
};

/* Everything in *out is in a.  False only when the store failed. */
bool tj_problems_find(struct tj_trace *trace,
                      const struct tj_problem_options *options,
                      struct tj_arena *a, tj_problems *out, struct tj_err *err)
    TJ_MUST_USE;

#endif
