/* messages_int.h - what messages.c and message_part.c share.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TRACE_MESSAGES_INT_H
#define TJ_TRACE_MESSAGES_INT_H

#include "trace/messages.h"

/* Values nest: wrapper, choices, message, content, result, its content.
 * Deeper ones are no conversation. */
enum { TJ_MESSAGES_DEPTH_MAX = 16 };

struct tj_speech {
    struct tj_arena *arena;
    tj_parts *out;
    tj_str role; /* who speaks */
    tj_str name;
};

/* The first member of v that is there under one of the names (ended by NULL)
 * and not null. */
const struct tj_json *tj_speech_find(const struct tj_json *v,
                                     const char *const *names);
tj_str tj_speech_find_str(const struct tj_json *v, const char *const *names);
bool tj_speech_is_one_of(tj_str word, const char *const *words);

/* A string's own bytes; a container's plain text; empty for null. */
tj_str tj_speech_text(struct tj_speech *s, const struct tj_json *v);
void tj_speech_add(struct tj_speech *s, enum tj_part_kind kind, tj_str text);

/* Whether v is a content part that is known; what else is one to add_part is
 * shown as text, so that nothing is lost. */
bool tj_speech_is_part(const struct tj_json *v);
void tj_speech_add_part(struct tj_speech *s, const struct tj_json *v);
/* Contents: a string, a part, or an array of parts and strings. */
void tj_speech_add_content(struct tj_speech *s, const struct tj_json *v);
/* A call, however it is spelled. */
void tj_speech_add_call(struct tj_speech *s, const struct tj_json *v);
/* What a tool gave back; v holds its id and name. */
void tj_speech_add_result(struct tj_speech *s, const struct tj_json *v,
                          const struct tj_json *result);

#endif
