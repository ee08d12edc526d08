/* tool.h - the questions one can ask a trace: one registry for all faces.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A tool turns a store into bounded text and knows nothing of models, so the
 * judge, the command line, the UI and MCP share this table.
 *  1. Read-only.  Nothing in a trace can name a tool, a URL or a file.
 *  2. The result is at most env->result_bytes_max bytes (and never less room
 *     than TJ_TOOL_RESULT_BYTES_MIN) of valid UTF-8; it says "N of M" and
 *     carries a next_page_token when there is more.
 *  3. If the asker asked wrongly (unknown tool or span, bad argument, bad
 *     pattern), the answer is text that says so and how to ask, and
 *     tj_tool_run is true with reply->refused set; if *we* failed (the store
 *     broke), it is false.
 *  4. What was shown is written to the coverage ledger: (span, field, range).
 *  5. Deterministic: the same question of the same trace gives the same bytes.
 * Threads: one env, one thread.
 */
#ifndef TJ_TOOLS_TOOL_H
#define TJ_TOOLS_TOOL_H

#include "base/buf.h"
#include "store/store.h"
#include "text/json.h"
#include "tools/coverage.h"

/* Below this no tool could say anything useful. */
#define TJ_TOOL_RESULT_BYTES_MIN ((size_t)8192)

struct tj_tool_env {
    struct tj_store *store;
    struct tj_trace *trace;       /* the subject */
    struct tj_coverage *coverage; /* NULL: not kept */
    struct tj_arena *step;        /* for the call; the result lives here */
    size_t result_bytes_max;      /* 0: TJ_TOOL_RESULT_BYTES_MAX */
    bool show_labels;             /* assessments are hidden unless set */
};

struct tj_call {
    tj_str id; /* the model's call id; empty elsewhere */
    tj_str name;
    tj_str args; /* a JSON object; empty is {} */
};

struct tj_tool_reply {
    tj_str text;
    bool refused; /* invariant 3 */
};

enum tj_param_type {
    TJ_PARAM_STRING,
    TJ_PARAM_INT,
    TJ_PARAM_NUMBER,
    TJ_PARAM_BOOL,
    TJ_PARAM_STRINGS, /* array of strings */
};

struct tj_param {
    const char *name;
    enum tj_param_type type;
    bool required;
    const char *help;
    int64_t minimum; /* INT: bounds, both 0: none */
    int64_t maximum;
    const char *const *values; /* STRING: allowed words, or NULL */
};

struct tj_tool {
    const char *name;
    const char *help;              /* for the model: what it answers */
    const struct tj_param *params; /* ends with name NULL */
    /* args is an object whose members were checked against params. */
    bool (*run)(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err);
};

/* NULL-terminated, in the order in which they are listed. */
extern const struct tj_tool *const tj_tools[];
const struct tj_tool *tj_tool_find(tj_str name);
/* JSON Schema of the parameters: {"type":"object","properties":...}. */
void tj_tool_schema_write(const struct tj_tool *tool, struct tj_buf *out);

bool tj_tool_run(struct tj_tool_env *env, const struct tj_call *call,
                 struct tj_tool_reply *out, struct tj_err *err) TJ_MUST_USE;

#endif
