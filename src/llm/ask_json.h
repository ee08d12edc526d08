/* ask_json.h - asks and replies as JSON: what recordings are made of.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"system":"...","messages":[{"role":"user","text":"..."},
 *       {"role":"assistant","text":"","uses":[{"id","name","args"}]},
 *       {"role":"tool","text":"...","use_id","use_name","is_error":false}],
 *      "tools":[{"name","description","schema":{...}}],"choice":"auto",
 *      "schema_name","schema":{...},"output_tokens_max":0,"params":{...},
 *      "cache_key"}
 *     {"stop":"tools","text":"...","uses":[...],"raw":"...","raw_dialect",
 *      "usage":{...},"model","response_id","error","error_message",
 *      "http_status":200,"attempts":1,"duration_ns":0}
 *
 *  1. The form of an ask is canonical: the same ask gives the same bytes.  Its
 *     deadline (a matter of the clock) and the `raw` of its messages (which
 *     came from earlier replies) are no part of it.
 *  2. Members that are empty are left out, but for messages.
 * Threads: pure functions.
 */
#ifndef TJ_LLM_ASK_JSON_H
#define TJ_LLM_ASK_JSON_H

#include "llm/ask.h"
#include "llm/model.h"
#include "text/json_write.h"

void tj_ask_write(struct tj_json_writer *w, const struct tj_ask *ask);
void tj_reply_write(struct tj_json_writer *w, const struct tj_reply *reply);

/* The reply lives in a and points into the text of v.  TJ_E_INPUT names the
 * member that is wrong or not known.  "stop" may be missing (it follows from
 * uses and error), and "args" may be an object instead of its text. */
bool tj_reply_read(const struct tj_json *v, struct tj_arena *a,
                   struct tj_reply *out, struct tj_err *err) TJ_MUST_USE;

/* What a caller knows of a model beside its answers: {"uri", "context_tokens",
 * "input_usd_per_mtok", ..., "seed"}.  Reading leaves alone what is missing. */
void tj_model_facts_write(struct tj_json_writer *w,
                          const struct tj_model *model);
void tj_model_facts_read(const struct tj_json *v, struct tj_arena *a,
                         struct tj_model *model);

/* The first place where two asks differ, in one line ("messages.3.text, byte
 * 120: recorded "foo", now "bar""); empty when they are equal. */
tj_str tj_ask_diff(const struct tj_json *recorded, const struct tj_json *now,
                   struct tj_arena *a);

#endif
