/* subject.h - what a judge is shown of its subject before any tool is called.
 * SPDX-License-Identifier: Apache-2.0
 *
 * MLflow's rules: values that the template needs and the caller did not give
 * come from the trace (inputs and outputs from its root span, expectations
 * from people's expectations); what is still missing is refused by name,
 * except that inputs and outputs which a trace does not hold at its root make
 * the judge an agent that looks for them.
 * Threads: pure but for the store.
 */
#ifndef TJ_JUDGE_SUBJECT_H
#define TJ_JUDGE_SUBJECT_H

#include "judge/judge.h"

/* A longer value is not put into the prompt: the judge reads it with tools. */
#define TJ_VALUE_BYTES_MAX ((size_t)262144)

enum tj_judge_mode {
    TJ_MODE_SINGLE, /* one request with the values in it */
    TJ_MODE_AGENT,  /* tools */
};

struct tj_value {
    tj_str name;   /* "inputs", ... */
    tj_str json;   /* indented by two */
    int32_t field; /* of the root span it came from, or TJ_NO_FIELD */
};

struct tj_values {
    enum tj_judge_mode mode;
    struct tj_value items[3]; /* in order of first appearance */
    size_t count;
    int32_t root; /* the root span, or -1 */
};

bool tj_subject_resolve(const struct tj_judge_def *def,
                        const struct tj_subject *subject, struct tj_arena *a,
                        struct tj_values *out, struct tj_err *err) TJ_MUST_USE;

#endif
