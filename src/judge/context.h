/* context.h - the messages of a judgment, kept inside the model's window.
 * SPDX-License-Identifier: Apache-2.0
 *
 * When the window gets narrow, the oldest tool results are replaced by stubs
 * that say what was there and how to get it back.
 *  1. Messages are only ever appended; every tool call keeps its result
 *     message, so pairs stay intact.
 *  2. A result that is dropped stays in the arena: the same call again brings
 *     it back without running the tool.
 *  3. How many tokens a byte is, is learnt from the provider's own count of
 *     the last request; before the first, four bytes are one token.
 * Threads: one at a time.
 */
#ifndef TJ_JUDGE_CONTEXT_H
#define TJ_JUDGE_CONTEXT_H

#include "base/arena.h"
#include "llm/ask.h"

struct tj_context_mark {
    bool is_result; /* may be dropped */
    bool is_dropped;
    uint32_t call; /* number of the call, for the stub */
};

struct tj_context {
    struct tj_arena *arena;
    TJ_VEC(struct tj_message) messages;
    TJ_VEC(struct tj_context_mark) marks; /* one for each message */
    uint64_t bytes;       /* of everything that is sent, system and tools too */
    uint64_t asked_bytes; /* the last request whose tokens are known */
    uint64_t asked_tokens;
};

/* fixed_bytes: system prompt, tool descriptions, schema. */
void tj_context_init(struct tj_context *c, uint64_t fixed_bytes,
                     struct tj_arena *a);
void tj_context_add_user(struct tj_context *c, tj_str text);
/* A deep copy. */
void tj_context_add_assistant(struct tj_context *c, const struct tj_message *m);
/* text lives in the arena. Returns the message's index. */
size_t tj_context_add_result(struct tj_context *c,
                             const struct tj_tool_use *use, tj_str text,
                             uint32_t call);

/* The provider counted input_tokens (< 0: it did not say) for what c holds. */
void tj_context_measured(struct tj_context *c, int64_t input_tokens);
uint64_t tj_context_tokens(const struct tj_context *c);

/* Drops the oldest results until at most tokens_target are left; returns how
 * many it dropped.  The newest turn's results go last. */
size_t tj_context_shrink(struct tj_context *c, uint64_t tokens_target);

#endif
