/* limiter.h - how many requests may be in flight at one endpoint and key.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Additive increase, multiplicative decrease: the window starts at 20, grows
 * by one for each window of good answers, and shrinks to 0.8 of itself when
 * the provider says "too many" (once per cooldown, however many say so).  5xx
 * do not shrink it.  After a 429 that names a time nothing starts until then.
 *  1. Tickets start in the order in which they came; one that comes back for a
 *     retry goes to the front.
 *  2. The limiter is a resident of the loop: all models with the same endpoint
 *     and key share it.
 * Threads: the loop's.
 */
#ifndef TJ_LLM_LIMITER_H
#define TJ_LLM_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/loop.h"

struct tj_limiter;

enum tj_ticket_state { TJ_TICKET_OUT, TJ_TICKET_QUEUED, TJ_TICKET_RUNNING };

/* Part of the thing that wants to send; zeroed is out. */
struct tj_ticket {
    enum tj_ticket_state state;
    struct tj_ticket *next; /* in the queue */
    struct tj_ticket *previous;
    tj_loop_fn start;
    void *ctx;
};

enum tj_outcome {
    TJ_OUTCOME_GOOD,
    TJ_OUTCOME_THROTTLED, /* 429 and its like */
    TJ_OUTCOME_OTHER,     /* says nothing about the load */
};

enum tj_place { TJ_PLACE_BACK, TJ_PLACE_FRONT };

/* The limiter of this name on the loop, made when there is none.  most: 0 for
 * the default maximum. */
struct tj_limiter *tj_limiter_find(struct tj_loop *loop, tj_str name,
                                   uint32_t most);
/* start(ctx) is called when it may run: now, or later from the loop. */
void tj_limiter_enter(struct tj_limiter *limiter, struct tj_ticket *ticket,
                      enum tj_place place, tj_loop_fn start, void *ctx);
/* The ticket ran (or waited) and is out.  pause_ms: how long the provider
 * asked everybody to wait. */
void tj_limiter_leave(struct tj_limiter *limiter, struct tj_ticket *ticket,
                      enum tj_outcome outcome, uint64_t pause_ms);

/* For metrics and tests. */
size_t tj_limiter_window(const struct tj_limiter *limiter);
size_t tj_limiter_running(const struct tj_limiter *limiter);

#endif
