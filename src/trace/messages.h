/* messages.h - a span's input or output as chat messages.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Providers and frameworks write conversations in a dozen shapes (OpenAI chat
 * and Responses, Anthropic, Gemini, gen_ai parts, LangChain, plain strings).
 * This turns a decoded value into a flat list of parts.
 * Structure decides who speaks, never the text (plain.h, 2).
 * Threads: pure.
 */
#ifndef TJ_TRACE_MESSAGES_H
#define TJ_TRACE_MESSAGES_H

#include "base/vec.h"
#include "text/json.h"

enum tj_part_kind {
    TJ_PART_TEXT,
    TJ_PART_REASONING,
    TJ_PART_TOOL_CALL,   /* name, id, text = arguments (plain) */
    TJ_PART_TOOL_RESULT, /* id, name when known, text = result */
    TJ_PART_MEDIA,       /* text = "image/png, 12345 bytes" */
};

struct tj_part {
    enum tj_part_kind kind;
    tj_str role; /* "system" "user" "assistant" "tool", else as it came */
    tj_str name; /* of the tool or the speaking agent; may be empty */
    tj_str call_id;
    tj_str text;
};
typedef TJ_VEC(struct tj_part) tj_parts;

/* role is used for values that carry none ("user" for an input, "assistant"
 * for an output).  Returns false when the value is no conversation at all;
 * then nothing was added. */
bool tj_messages_read(const struct tj_json *v, tj_str role, struct tj_arena *a,
                      tj_parts *out);

#endif
