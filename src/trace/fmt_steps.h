/* fmt_steps.h - what the formats share that tell a run as a list of steps.
 * SPDX-License-Identifier: Apache-2.0
 *
 * ATIF, SWE-agent, Claude Code and plain chat histories have no spans: they
 * have messages in order.  All are told as the same tree:
 *
 *     AGENT (the run)                 input: the task, output: the last answer
 *       LLM  "chat <model>"           one per answer of a model
 *       TOOL "<tool>"                 one per call, behind the LLM that asked
 *       LLM  ...
 *
 *  1. A tool call is a sibling of the model call that asked for it, as tracing
 *     SDKs write it: a flat list reads as the run went, and neither's time is
 *     counted inside the other.  gen_ai.tool.call.id joins them.
 *  2. An LLM span's input is what the model had not seen before: the messages
 *     since the last LLM span, without that span's own output.  The whole
 *     history at every call would make a run's text grow with its square.
 *  3. Inputs and outputs are chat messages (messages.h reads them):
 *     [{"role": ..., "content": ...}]; a plain answer is its text alone.
 *  4. What a model never got to read (a last user message) is a span of its
 *     own, named by its role, so nothing said is lost.
 *  5. Where a source has no times, spans start and end at 1 ms, 2 ms, ... of
 *     1970, marked TIME_GUESSED: order holds, durations are not claimed.
 *  6. Ids are derived from the trace's id and a path ("step/3/call/0").
 *  7. Labels (gold answers, rewards) become assessments and never span text.
 * Threads: one at a time.
 */
#ifndef TJ_TRACE_FMT_STEPS_H
#define TJ_TRACE_FMT_STEPS_H

#include "trace/build.h"
#include "trace/trace.h"

/* A message that no model has read yet. */
struct tj_heard {
    const char *role;
    const struct tj_json *content;
    const struct tj_json *call_id; /* of a tool result, or NULL */
    bool shown;                    /* it is on a span of its own already */
};

/* What a model asked a tool for, and what came back. */
struct tj_call {
    const struct tj_json *id;
    const struct tj_json *name;
    const struct tj_json *args;
};

struct tj_answer {
    const struct tj_json *id;
    const struct tj_json *name;
    const struct tj_json *content;
    const struct tj_json *detail; /* kept as tool.result.detail, or NULL */
    bool is_error;
    bool heard; /* the format hears it elsewhere */
    bool used;
};

struct tj_steps {
    struct tj_build *build;
    struct tj_batch *batch;
    tj_trace_id trace_id;
    tj_span_id root_id;
    tj_time clock; /* the next guessed time */
    TJ_VEC(struct tj_heard) heard;
    TJ_VEC(struct tj_call) calls;
    TJ_VEC(struct tj_answer) answers;
    struct tj_arena scratch; /* holds calls and answers of one step */
    size_t leftovers;        /* spans made by tj_steps_leave so far */
    bool full;               /* some assembled text passed the import limit */
};

/* The span to open.  start 0: the times are guessed. */
struct tj_steps_span {
    tj_str path; /* "" is the root's */
    tj_str name;
    enum tj_kind kind;
    tj_span_id parent;
    tj_time start;
    tj_time end;
    uint32_t marks; /* beside those that follow from the above */
};

void tj_steps_init(struct tj_steps *st, struct tj_build *b,
                   struct tj_batch *batch, tj_trace_id id);
/* A trace id from what a file says: its words and the text of a value. */
tj_trace_id tj_steps_trace_id(tj_str kind, tj_str hint,
                              const struct tj_json *content);
tj_span_id tj_steps_id(const struct tj_steps *st, tj_str path);

/* Opens a span; close it with tj_build_end. */
struct tj_span *tj_steps_open(struct tj_steps *st,
                              const struct tj_steps_span *what);
/* The root, when all else is closed; start 0: around the guessed times. */
struct tj_span *tj_steps_open_root(struct tj_steps *st, tj_str name,
                                   tj_time start, tj_time end);
/* "chat <model>" as OpenTelemetry names it; "assistant" without a model. */
tj_str tj_steps_llm_name(struct tj_steps *st, tj_str model);

/* -- attributes of the open span ------------------------------------------ */
void tj_steps_text(struct tj_steps *st, const char *key, tj_str text);
/* Nothing when v is missing or null. */
void tj_steps_value(struct tj_steps *st, const char *key,
                    const struct tj_json *v);
void tj_steps_plain(struct tj_steps *st, const char *key,
                    const struct tj_buf *text);
void tj_steps_usage(struct tj_steps *st, const struct tj_usage *usage);

/* -- what models hear ------------------------------------------------------ */
void tj_steps_hear(struct tj_steps *st, struct tj_heard message);
/* Makes all that was heard the input of the open span. */
void tj_steps_input(struct tj_steps *st);
/* Spans for what nobody heard (4); no span may be open. */
void tj_steps_leave(struct tj_steps *st, tj_span_id parent);

/* -- calls: reset, add what one step asked and got, write ------------------ */
void tj_steps_reset_calls(struct tj_steps *st);
/* Ids that are no strings are dropped. */
void tj_steps_add_call(struct tj_steps *st, struct tj_call call);
void tj_steps_add_answer(struct tj_steps *st, struct tj_answer answer);
/* A TOOL span for every call with its answer (by id; one without an id, by
 * order) and for every answer that nobody asked for, named `at->name`; paths
 * begin with at->path.  The next model hears the answers. */
void tj_steps_write_calls(struct tj_steps *st, const struct tj_steps_span *at);

/* -- plain containers put together from a source's values ------------------ */
void tj_steps_buf(struct tj_steps *st, struct tj_buf *out);
void tj_steps_raw(struct tj_buf *b, const char *text);
/* The comma before the next item, where one is due. */
void tj_steps_item(struct tj_buf *b);
void tj_steps_member(struct tj_buf *b, const char *key,
                     const struct tj_json *v);
/* {"id": ..., "type": "function", "function": {"name", "arguments"}} */
void tj_steps_call(struct tj_buf *b, const struct tj_json *id,
                   const struct tj_json *name, const struct tj_json *args);

/* -- the trace ------------------------------------------------------------- */
/* An assessment of the trace, written by whoever made the file. */
struct tj_assessment *tj_steps_label(struct tj_steps *st,
                                     enum tj_assessment_kind kind, tj_str name,
                                     const struct tj_json *value);
/* A number as a label or metadata writes it, a string as it is, else JSON. */
tj_str tj_steps_show(struct tj_arena *a, const struct tj_json *v);
/* Frees what the steps held; TJ_E_LIMIT when some text did not fit. */
bool tj_steps_finish(struct tj_steps *st, struct tj_err *err) TJ_MUST_USE;

/* The member of an object, for keys known at compile time. */
const struct tj_json *tj_steps_get(const struct tj_json *v, const char *key);

/* True when v is a string, number or container worth keeping. */
bool tj_steps_has(const struct tj_json *v);
/* An ISO 8601 string; 0 for anything else. */
tj_time tj_steps_time(const struct tj_json *v);

#endif
