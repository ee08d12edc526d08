/* tool_int.h - what the tools share: arguments, one-line text, spans.
 * SPDX-License-Identifier: Apache-2.0
 *
 * How a tool writes a page: the rows go into a body buffer that leaves room
 * for the head (tj_tool_body), a row that does not fit is cut off again
 * (tj_tool_row_fits), then the head is written with the counts that are now
 * known, and the body behind it.
 * Private to src/tools.  Threads: one env, one thread.
 */
#ifndef TJ_TOOLS_TOOL_INT_H
#define TJ_TOOLS_TOOL_INT_H

#include "base/limits.h"
#include "tools/tool.h"

enum {
    /* Room that a page keeps free for its head and its last line. */
    TJ_TOOL_HEAD_BYTES = 512,
    /* A name in a one-line row. */
    TJ_TOOL_NAME_BYTES = 120,
    /* Rows indent no further than this, however deep the span. */
    TJ_TOOL_INDENT_MAX = 24,
};

/* -- arguments (tool_args.c) ---------------------------------------------- */

/* NULL when all members of args fit params; else a sentence in a. */
tj_str tj_args_check(const struct tj_tool *tool, const struct tj_json *args,
                     struct tj_arena *a);

/* Readers of checked arguments; null counts as absent. */
tj_str tj_arg_str(const struct tj_json *args, const char *name);
int64_t tj_arg_i64(const struct tj_json *args, const char *name,
                   int64_t otherwise);
double tj_arg_double(const struct tj_json *args, const char *name,
                     double otherwise);
bool tj_arg_bool(const struct tj_json *args, const char *name, bool otherwise);
/* The strings of a STRINGS argument; 0 when it is absent. */
size_t tj_arg_strs(const struct tj_json *args, const char *name,
                   struct tj_arena *a, tj_str **out);

/* page_token as a number.  False: it is none, and the refusal is written. */
bool tj_arg_page(const struct tj_json *args, struct tj_buf *out, bool *refused,
                 uint64_t *offset);

/* Writes the sentence, sets *refused and returns true: the tool did answer. */
bool tj_tool_refuse(struct tj_buf *out, bool *refused, const char *format, ...)
    TJ_PRINTF(3, 4);

/* -- text (tool_text.c) --------------------------------------------------- */

/* One line of at most bytes_max bytes: control characters become blanks, a
 * clipped end is marked. */
void tj_put_line(struct tj_buf *out, tj_str text, size_t bytes_max);
/* text between marks, as plain.h writes a string inside a container, so that
 * it can be copied byte for byte and cannot pretend to end early. */
void tj_put_quoted(struct tj_buf *out, tj_str text);
void tj_put_duration(struct tj_buf *out, uint64_t ns);
void tj_put_id(struct tj_buf *out, tj_span_id id);
/* "$0.0123" */
void tj_put_cost(struct tj_buf *out, double usd);
/* "in 1200 (cached 800) out 90"; nothing when neither is known. */
void tj_put_usage(struct tj_buf *out, const struct tj_usage *usage);
/* "models: gpt-5 (3 spans), ..." and a line end; nothing when none is known. */
void tj_put_models(struct tj_buf *out, const struct tj_trace *trace);
/* "orphan,unfinished" */
void tj_put_marks(struct tj_buf *out, uint32_t marks);
/* "LLM", or the source's own word. */
tj_str tj_span_kind_text(const struct tj_span *span);
/* "2.50s", or "unfinished", "unknown". */
void tj_put_span_duration(struct tj_buf *out, const struct tj_span *span);
/* "1-100 of 250" and, when there is more, ", next_page_token: 100". */
void tj_put_page(struct tj_buf *out, uint64_t offset, uint64_t shown,
                 uint64_t total);

void tj_tool_body(struct tj_tool_env *env, struct tj_buf *body);
/* False when the row that began at `mark` did not fit; it is gone then. */
bool tj_tool_row_fits(struct tj_buf *body, size_t mark);

/* -- spans (tool_spans.c) -------------------------------------------------- */

/* The span named by the argument, or -1 with the refusal written. */
int32_t tj_tool_span(struct tj_tool_env *env, tj_str id, struct tj_buf *out,
                     bool *refused);
/* The index of the field that owns this field's text. */
size_t tj_field_owner(const struct tj_span *span, size_t field);
/* The whole text of a field of a span whose fields are loaded. */
bool tj_field_text(struct tj_trace *trace, size_t span, size_t field,
                   tj_str *out, struct tj_err *err) TJ_MUST_USE;
/* Loads the fields and reads the one called name; absent: empty, ptr NULL. */
bool tj_span_text(struct tj_trace *trace, size_t span, tj_str name, tj_str *out,
                  struct tj_err *err) TJ_MUST_USE;
/* Books [offset, offset + len) in the ledger, if one is kept. */
void tj_tool_saw(struct tj_tool_env *env, size_t span, size_t field,
                 uint64_t offset, uint64_t len);
void tj_tool_listed(struct tj_tool_env *env, size_t span);

/* True when start, end and duration mean something. */
bool tj_span_timed(const struct tj_span *span);
/* name without a trailing index: "call_2", "call-2", "call 2" -> "call". */
tj_str tj_name_stem(tj_str name);
/* ASCII case folded. */
bool tj_contains_fold(tj_str s, tj_str part);
/* LLM and CHAT_MODEL. */
bool tj_kind_is_model(enum tj_kind kind);
/* Tags and metadata that hold what somebody thinks of the trace. */
bool tj_key_is_label(tj_str key);

#endif
