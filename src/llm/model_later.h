/* model_later.h - replies that are known now and delivered by the loop.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For the models that need no network (script, replay, rules, fault): a reply
 * is never delivered from inside tj_model_ask, and cancelling turns what is
 * not yet delivered into TJ_LLM_CANCELLED.
 * Threads: the loop's.
 */
#ifndef TJ_LLM_MODEL_LATER_H
#define TJ_LLM_MODEL_LATER_H

#include "llm/model.h"

struct tj_later_item;

struct tj_later {
    struct tj_loop *loop;
    struct tj_later_item *items;
};

/* reply is copied (not what it points to, which lives as long as the ask's
 * arena). */
void tj_later_put(struct tj_later *later, const struct tj_reply *reply,
                  tj_reply_fn done, void *ctx);
void tj_later_cancel(struct tj_later *later);
/* What is open is done now, as cancelled. */
void tj_later_close(struct tj_later *later);

/* A reply that is an error.  message is printed into a and clipped. */
struct tj_reply tj_reply_failed(struct tj_arena *a, enum tj_llm_error error,
                                const char *format, ...) TJ_PRINTF(3, 4);

#endif
