/* limiter.c - requests in flight per endpoint and key.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/limiter.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/limits.h"

#define SHRINK      0.8
#define COOLDOWN_NS (15 * TJ_NS_PER_SECOND)

struct tj_limiter {
    struct tj_loop *loop;
    double window; /* >= 1 */
    double most;
    size_t running;
    struct tj_ticket *first;
    struct tj_ticket *last;
    uint64_t shrunk_ns; /* when, in tj_mono_ns; 0: never */
    uint64_t paused_until_ns;
    struct tj_timer *wake; /* set while paused with tickets waiting */
};

static void close_limiter(void *resident)
{
    struct tj_limiter *l = resident;
    assert(!l->first);
    if (l->wake)
        tj_timer_cancel(l->wake);
    tj_heap_free(l);
}

struct tj_limiter *tj_limiter_find(struct tj_loop *loop, tj_str name,
                                   uint32_t most)
{
    struct tj_limiter *l = tj_loop_resident_find(loop, name);
    if (!l) {
        l = tj_heap_new(sizeof *l);
        l->loop = loop;
        l->window = TJ_MODEL_IN_FLIGHT;
        l->most = TJ_MODEL_IN_FLIGHT_MAX;
        tj_loop_resident_add(loop, name, l, close_limiter);
    }
    if (most)
        l->most = most;
    if (l->window > l->most)
        l->window = l->most;
    return l;
}

size_t tj_limiter_window(const struct tj_limiter *limiter)
{
    return (size_t)limiter->window;
}

size_t tj_limiter_running(const struct tj_limiter *limiter)
{
    return limiter->running;
}

static void unlink_ticket(struct tj_limiter *l, struct tj_ticket *t)
{
    if (t->previous)
        t->previous->next = t->next;
    else
        l->first = t->next;
    if (t->next)
        t->next->previous = t->previous;
    else
        l->last = t->previous;
    t->next = NULL;
    t->previous = NULL;
}

static void link_ticket(struct tj_limiter *l, struct tj_ticket *t,
                        enum tj_place place)
{
    if (place == TJ_PLACE_FRONT) {
        t->next = l->first;
        if (l->first)
            l->first->previous = t;
        else
            l->last = t;
        l->first = t;
    } else {
        t->previous = l->last;
        if (l->last)
            l->last->next = t;
        else
            l->first = t;
        l->last = t;
    }
    t->state = TJ_TICKET_QUEUED;
}

static void start_waiting(struct tj_limiter *l);

static void on_wake(void *ctx)
{
    struct tj_limiter *l = ctx;
    l->wake = NULL;
    start_waiting(l);
}

/* True while everybody has to wait; sets the alarm for the end of it. */
static bool is_paused(struct tj_limiter *l)
{
    uint64_t now = tj_mono_ns();
    if (now >= l->paused_until_ns)
        return false;
    uint64_t ms = (l->paused_until_ns - now) / TJ_NS_PER_MS + 1;
    if (!l->wake)
        l->wake = tj_loop_after(l->loop, ms, on_wake, l);
    return true;
}

static void start_waiting(struct tj_limiter *l)
{
    while (l->first && l->running < tj_limiter_window(l) && !is_paused(l)) {
        struct tj_ticket *t = l->first;
        unlink_ticket(l, t);
        t->state = TJ_TICKET_RUNNING;
        l->running++;
        t->start(t->ctx);
    }
    /* An alarm for nobody would keep the loop running. */
    if (!l->first && l->wake) {
        tj_timer_cancel(l->wake);
        l->wake = NULL;
    }
}

void tj_limiter_enter(struct tj_limiter *limiter, struct tj_ticket *ticket,
                      enum tj_place place, tj_loop_fn start, void *ctx)
{
    assert(ticket->state == TJ_TICKET_OUT);
    ticket->start = start;
    ticket->ctx = ctx;
    link_ticket(limiter, ticket, place);
    start_waiting(limiter);
}

static void adapt(struct tj_limiter *l, enum tj_outcome outcome,
                  uint64_t pause_ms)
{
    uint64_t now = tj_mono_ns();
    switch (outcome) {
    case TJ_OUTCOME_GOOD:
        l->window += 1 / l->window;
        if (l->window > l->most)
            l->window = l->most;
        break;
    case TJ_OUTCOME_THROTTLED:
        if (now + pause_ms * TJ_NS_PER_MS > l->paused_until_ns)
            l->paused_until_ns = now + pause_ms * TJ_NS_PER_MS;
        if (l->shrunk_ns && now - l->shrunk_ns < COOLDOWN_NS)
            break;
        l->shrunk_ns = now;
        l->window *= SHRINK;
        if (l->window < 1)
            l->window = 1;
        break;
    case TJ_OUTCOME_OTHER: break;
    }
}

void tj_limiter_leave(struct tj_limiter *limiter, struct tj_ticket *ticket,
                      enum tj_outcome outcome, uint64_t pause_ms)
{
    if (ticket->state == TJ_TICKET_QUEUED)
        unlink_ticket(limiter, ticket);
    if (ticket->state == TJ_TICKET_RUNNING) {
        limiter->running--;
        adapt(limiter, outcome, pause_ms);
    }
    ticket->state = TJ_TICKET_OUT;
    start_waiting(limiter);
}
