/* verdict.h - what a judgment says, and its JSON.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Four outcomes are kept apart: rated and passed, rated and not passed, not
 * enough evidence, could not evaluate.
 * Threads: plain data.
 */
#ifndef TJ_JUDGE_VERDICT_H
#define TJ_JUDGE_VERDICT_H

#include "text/json_write.h"
#include "tools/coverage.h"
#include "trace/assessment.h"

enum tj_verdict_state {
    TJ_VERDICT_RATED,
    TJ_VERDICT_INSUFFICIENT,
    TJ_VERDICT_ERROR,
};

enum tj_passed { TJ_PASSED_NULL, TJ_PASSED_FALSE, TJ_PASSED_TRUE };

enum tj_stopped_by {
    TJ_BY_VERDICT,
    TJ_BY_ROUNDS,
    TJ_BY_INPUT_TOKENS,
    TJ_BY_TOOL_BYTES,
    TJ_BY_SECONDS,
    TJ_BY_COST,
    TJ_BY_CANCELLED,
    TJ_BY_ERROR,
};

struct tj_evidence {
    tj_str span_id; /* as the model wrote it */
    tj_str field;
    tj_str quote;
    uint64_t offset; /* where the quote was found; bytes in the field's text */
    uint64_t len;
    bool verified;
    tj_str why_not; /* when it was not verified: one line */
};

struct tj_verdict {
    tj_trace_id trace_id;
    tj_str judge;
    tj_str judge_version; /* "3", or "sha256:..." from a file */
    tj_str model;
    enum tj_verdict_state state;
    enum tj_passed passed;
    tj_str value_json; /* "null" unless rated */
    tj_str rationale;
    tj_str error_code; /* empty: none */
    tj_str error_message;
    struct tj_evidence *evidence;
    size_t evidence_count;
    struct tj_coverage_sum coverage;
    uint64_t requests;
    int64_t input_tokens; /* -1: not known */
    int64_t cached_input_tokens;
    int64_t output_tokens;
    double cost_usd; /* < 0: not known */
    uint64_t tool_calls;
    uint64_t repeated_calls;
    uint64_t tool_bytes;
    enum tj_stopped_by stopped_by;
    uint64_t duration_ns;
    tj_trace_id judge_trace_id; /* none until the run was stored */
    tj_str assessment_id;       /* empty until stored */
};

const char *tj_verdict_state_name(enum tj_verdict_state state);
const char *tj_stopped_by_name(enum tj_stopped_by by);

/* One object, as `tracejudge judge --json` prints it (ARCHITECTURE §4). */
void tj_verdict_write(struct tj_json_writer *w, const struct tj_verdict *v);
/* As MLflow's Feedback, evidence and coverage in metadata. */
void tj_verdict_assessment(const struct tj_verdict *v, struct tj_arena *a,
                           struct tj_assessment *out);

#endif
