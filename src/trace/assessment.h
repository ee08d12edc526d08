/* assessment.h - what somebody says about a trace or a span.
 * SPDX-License-Identifier: Apache-2.0
 *
 * MLflow's Feedback and Expectation with all their fields.  An assessment is
 * data: a store keeps it without knowing what a judge is.  What a judge adds
 * (evidence, coverage, state) travels in metadata under "tracejudge.*".
 * Threads: plain data.
 */
#ifndef TJ_TRACE_ASSESSMENT_H
#define TJ_TRACE_ASSESSMENT_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "base/vec.h"
#include "text/json.h"
#include "text/json_write.h"

enum tj_assessment_kind { TJ_FEEDBACK, TJ_EXPECTATION };

enum tj_source_type {
    TJ_SOURCE_UNSPECIFIED,
    TJ_SOURCE_HUMAN,
    TJ_SOURCE_LLM_JUDGE, /* "AI_JUDGE" is read as this */
    TJ_SOURCE_CODE,
};
const char *tj_source_type_name(enum tj_source_type type);
bool tj_source_type_parse(tj_str text, enum tj_source_type *out);

struct tj_assessment_pair {
    tj_str key;
    tj_str value;
};

struct tj_assessment {
    tj_str id; /* "a-" and 32 hex digits; empty: the store makes one */
    tj_trace_id trace_id;
    tj_span_id span_id; /* none: about the whole trace */
    enum tj_assessment_kind kind;
    tj_str name;
    enum tj_source_type source_type;
    tj_str source_id;
    tj_str value_json; /* one JSON value; empty when there is only an error */
    tj_str rationale;
    tj_str error_code; /* empty: no error */
    tj_str error_message;
    tj_str error_stack;
    TJ_VEC(struct tj_assessment_pair) metadata;
    tj_time create_time;
    tj_time update_time;
    tj_str overrides; /* id of the assessment this one replaces */
    bool valid;       /* false once overridden */
    tj_str key;       /* idempotence: the same key again is an update */
};

tj_str tj_assessment_meta(const struct tj_assessment *as, tj_str key);
void tj_assessment_set_meta(struct tj_assessment *as, struct tj_arena *a,
                            tj_str key, tj_str value);

/* With strings and metadata of its own. */
struct tj_assessment tj_assessment_copy(const struct tj_assessment *as,
                                        struct tj_arena *a);

/* MLflow's JSON, both spellings in (snake_case as REST has it, and what
 * Assessment.to_dictionary writes), REST's out.  Numbers in a value are
 * doubles, as protobuf has them: 5 is read as 5.0. */
bool tj_assessment_parse(const struct tj_json *v, struct tj_arena *a,
                         struct tj_assessment *out, struct tj_err *err)
    TJ_MUST_USE;
/* The same of a change, which may lack all that it does not change; the name
 * is then empty, and kind and value mean nothing unless *has_value. */
bool tj_assessment_parse_change(const struct tj_json *v, struct tj_arena *a,
                                struct tj_assessment *out, bool *has_value,
                                struct tj_err *err) TJ_MUST_USE;
void tj_assessment_write(struct tj_json_writer *w,
                         const struct tj_assessment *as, struct tj_arena *a);

#endif
