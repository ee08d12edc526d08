/* answer.h - what a model answered: found, parsed, checked.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The answer is one JSON object {"result", "rationale", "evidence"}.  Models
 * wrap it in prose and code fences, break lines inside strings, and write
 * "TRUE" for true; so:
 *  1. The whole text is tried first, then each object in it; the last one
 *     with a "result" counts.
 *  2. Raw control characters inside strings are read as what they are.
 *  3. Two coercions and no more: a word that equals one of the allowed words
 *     but for case and blanks, and "true"/"false" where a bool is asked for.
 *     "4" is not 4, "yes" is not true: that takes a repair turn.
 *  4. "result": null means "the trace does not hold enough to decide".
 * Threads: pure functions.
 */
#ifndef TJ_JUDGE_ANSWER_H
#define TJ_JUDGE_ANSWER_H

#include "judge/def.h"
#include "judge/verdict.h"

/* A longer answer is no answer. */
#define TJ_ANSWER_BYTES_MAX ((size_t)262144)

struct tj_answer {
    const struct tj_json *result; /* NULL when it was null */
    tj_str result_json;           /* "null" then */
    tj_str rationale;
    struct tj_evidence *evidence; /* span_id, field and quote only */
    size_t evidence_count;        /* at most TJ_EVIDENCE_MAX */
};

/* False: *why says in one line what is wrong, for the repair turn.  The result
 * lives in a and points into text. */
bool tj_answer_parse(tj_str text, const struct tj_judge_def *def,
                     struct tj_arena *a, struct tj_answer *out, tj_str *why)
    TJ_MUST_USE;

/* The JSON Schema of the answer, closed as strict modes want it; empty when
 * the value has no closed form. */
tj_str tj_answer_schema(const struct tj_judge_def *def, struct tj_arena *a);

#endif
