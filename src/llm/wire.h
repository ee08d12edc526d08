/* wire.h - what the dialects share: params, schemas, ids, slices of bytes.
 * SPDX-License-Identifier: Apache-2.0
 * Threads: pure functions.
 */
#ifndef TJ_LLM_WIRE_H
#define TJ_LLM_WIRE_H

#include "llm/dialect.h"

/* The tool that stands in for structured output. */
#define TJ_SUBMIT_TOOL TJ_STR("submit_verdict")
#define TJ_SUBMIT_HELP                                                         \
    TJ_STR("Submits the final answer. Call it once, when the investigation "   \
           "is done, instead of writing the answer as text.")

bool tj_wire_has(const struct tj_wire *wire, enum tj_feature feature);
/* Is structured output wanted, and to be had from this model as such? */
bool tj_wire_schema(const struct tj_wire *wire, const struct tj_ask *ask);
/* Is it wanted, and to be had by way of the tool? */
bool tj_wire_submit(const struct tj_wire *wire, const struct tj_ask *ask);
/* ask.schema_name, fit for a name of at most 64 word characters. */
tj_str tj_wire_schema_name(const struct tj_ask *ask, struct tj_arena *a);

/* o1, o3, gpt-5, ...: models with another set of parameters. */
bool tj_wire_is_reasoning(tj_str model);
bool tj_wire_is_own(const struct tj_message *m, const struct tj_dialect *d);

/* -- params ---------------------------------------------------------------- */

/* A parameter under the name that the dialect has for it. */
struct tj_rename {
    const char *from;
    const char *to; /* "a.b": member b of the object a */
};
/* ask.params, parsed; NULL when there are none.  TJ_E_INPUT when it is not an
 * object, or names what only we may set. */
bool tj_params_read(const struct tj_ask *ask, struct tj_arena *a,
                    const struct tj_json **out, struct tj_err *err) TJ_MUST_USE;
/* Is there a parameter that will be sent as `to`? */
bool tj_params_has(const struct tj_wire *wire, const struct tj_json *params,
                   const struct tj_rename *renames, const char *to);
/* Writes all but those that go into objects of their own (`nested`). */
void tj_params_write(struct tj_json_writer *w, const struct tj_wire *wire,
                     const struct tj_json *params,
                     const struct tj_rename *renames);
/* Writes the members of the object `to`: those of a parameter of that name and
 * those renamed into it.  The object is open. */
void tj_params_write_into(struct tj_json_writer *w, const struct tj_wire *wire,
                          const struct tj_json *params,
                          const struct tj_rename *renames, const char *to);

/* -- bytes ----------------------------------------------------------------- */

/* text is valid JSON.  The bytes of member key of an object, of item i of an
 * array; empty when there is none. */
tj_str tj_slice_member(tj_str text, tj_str key);
tj_str tj_slice_item(tj_str text, size_t i);

/* A JSON text that others wrote: as it is when valid, else {}. */
void tj_wire_json(struct tj_json_writer *w, tj_str text, struct tj_arena *a);
/* Without the keywords that Anthropic's structured output refuses. */
void tj_wire_plain_schema(struct tj_json_writer *w, tj_str schema,
                          struct tj_arena *a);
/* Nine alphanumerics, the same for the same id. */
tj_str tj_wire_short_id(tj_str id, struct tj_arena *a);
/* The value as compact JSON. */
tj_str tj_wire_text(const struct tj_json *v, struct tj_arena *a);
/* The text of a content that is a string or a list of parts. */
tj_str tj_wire_content(const struct tj_json *content, struct tj_arena *a);

/* -- replies --------------------------------------------------------------- */

void tj_reply_fail(struct tj_reply *out, struct tj_arena *a,
                   enum tj_llm_error error, const char *format, ...)
    TJ_PRINTF(4, 5);
struct tj_tool_use *tj_reply_add_use(struct tj_reply *out, struct tj_arena *a,
                                     tj_str id, tj_str name, tj_str args);
/* A call of submit_verdict becomes the text of the reply. */
void tj_reply_fold_submit(struct tj_reply *out);
/* -1 when missing or not a count. */
int64_t tj_wire_count(const struct tj_json *v);

#endif
