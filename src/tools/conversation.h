/* conversation.h - a run as the turns of a conversation.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Model calls repeat all that was said before in their input.  Here each
 * message comes once, in the order of the run, with the span and field that
 * it can be quoted from.
 *  1. A claim is what a model wrote; an observation is what a tool, retriever
 *     or the like returned; an instruction is what the system or the user
 *     said.  Structure decides which, never the text.
 *  2. A message that occurs twice in one input was said twice.
 * Threads: one at a time per trace.
 */
#ifndef TJ_TOOLS_CONVERSATION_H
#define TJ_TOOLS_CONVERSATION_H

#include "store/store.h"
#include "trace/messages.h"

enum tj_voice { TJ_VOICE_INSTRUCTION, TJ_VOICE_CLAIM, TJ_VOICE_OBSERVATION };
const char *tj_voice_name(enum tj_voice voice);

struct tj_turn {
    size_t span;
    int32_t field;
    enum tj_voice voice;
    struct tj_part part; /* text lives in the arena or the store's */
    uint64_t offset;     /* of the text in the field; UINT64_MAX: it is not in
                          * there as it stands */
};
typedef TJ_VEC(struct tj_turn) tj_turns;

bool tj_conversation_read(struct tj_trace *trace, struct tj_arena *a,
                          tj_turns *out, struct tj_err *err) TJ_MUST_USE;

#endif
