/* loop.c - the event loop on libuv.
 * SPDX-License-Identifier: Apache-2.0
 *
 * libuv wants a handle to stay in place until its close callback ran, so a
 * timer is a heap object that frees itself there.  All timers are in a list,
 * so that closing the loop can forget those that did not fire.
 */
#include "net/loop.h"

#include <stdatomic.h>
#include <uv.h>

#include "base/arena.h"
#include "base/heap.h"

struct tj_timer {
    uv_timer_t uv; /* first: libuv hands it back */
    struct tj_loop *loop;
    struct tj_timer *next;
    struct tj_timer *previous;
    tj_loop_fn fn;
    void *ctx;
};

struct resident {
    struct resident *next;
    void *thing;
    tj_resident_fn close;
    struct tj_arena arena; /* the name */
    tj_str name;
};

struct tj_loop {
    uv_loop_t uv;
    uv_async_t wake;
    struct tj_timer *timers;
    struct resident *residents;
    atomic_bool stop_wanted; /* not yet used up by a run */
    atomic_bool stopped;     /* ever */
};

/* Ends uv_run's wait, so that tj_loop_run_until looks at stop_wanted. */
static void on_wake(uv_async_t *wake)
{
    (void)wake;
}

bool tj_loop_open(struct tj_loop **out, struct tj_err *err)
{
    struct tj_loop *loop = tj_heap_new(sizeof *loop);
    int rc = uv_loop_init(&loop->uv);
    if (rc != 0) {
        tj_heap_free(loop);
        return tj_fail(err, TJ_E_IO, "event loop: %s", uv_strerror(rc));
    }
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc != 0) {
        (void)uv_loop_close(&loop->uv);
        tj_heap_free(loop);
        return tj_fail(err, TJ_E_IO, "event loop: %s", uv_strerror(rc));
    }
    /* Waiting to be stopped is no reason to keep running. */
    uv_unref((uv_handle_t *)&loop->wake);
    *out = loop;
    return true;
}

static void timer_unlink(struct tj_timer *timer)
{
    struct tj_loop *loop = timer->loop;
    if (timer->previous)
        timer->previous->next = timer->next;
    else
        loop->timers = timer->next;
    if (timer->next)
        timer->next->previous = timer->previous;
}

static void on_timer_closed(uv_handle_t *handle)
{
    tj_heap_free(handle);
}

void tj_timer_cancel(struct tj_timer *timer)
{
    timer_unlink(timer);
    uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}

static void on_timer(uv_timer_t *uv)
{
    struct tj_timer *timer = (struct tj_timer *)uv;
    tj_loop_fn fn = timer->fn;
    void *ctx = timer->ctx;
    /* Gone before fn runs, so fn may do as it likes, close included. */
    tj_timer_cancel(timer);
    fn(ctx);
}

struct tj_timer *tj_loop_after(struct tj_loop *loop, uint64_t delay_ms,
                               tj_loop_fn fn, void *ctx)
{
    struct tj_timer *timer = tj_heap_new(sizeof *timer);
    timer->loop = loop;
    timer->fn = fn;
    timer->ctx = ctx;
    int rc = uv_timer_init(&loop->uv, &timer->uv);
    assert(rc == 0);
    /* libuv counts from the time it last looked, which may be long ago. */
    uv_update_time(&loop->uv);
    rc = uv_timer_start(&timer->uv, on_timer, delay_ms, 0);
    assert(rc == 0);
    (void)rc;
    timer->next = loop->timers;
    if (timer->next)
        timer->next->previous = timer;
    loop->timers = timer;
    return timer;
}

void tj_loop_soon(struct tj_loop *loop, tj_loop_fn fn, void *ctx)
{
    (void)tj_loop_after(loop, 0, fn, ctx);
}

void tj_loop_run_until(struct tj_loop *loop, const bool *done)
{
    bool pending = true;
    while (!*done && !atomic_exchange(&loop->stop_wanted, false) && pending)
        pending = uv_run(&loop->uv, UV_RUN_ONCE) != 0;
}

void tj_loop_run(struct tj_loop *loop)
{
    static const bool never = false;
    tj_loop_run_until(loop, &never);
}

void tj_loop_stop(struct tj_loop *loop)
{
    atomic_store(&loop->stopped, true);
    atomic_store(&loop->stop_wanted, true);
    (void)uv_async_send(&loop->wake);
}

bool tj_loop_stopped(const struct tj_loop *loop)
{
    return atomic_load(&loop->stopped);
}

void *tj_loop_resident_find(const struct tj_loop *loop, tj_str name)
{
    for (struct resident *r = loop->residents; r; r = r->next)
        if (tj_str_eq(r->name, name))
            return r->thing;
    return NULL;
}

void tj_loop_resident_add(struct tj_loop *loop, tj_str name, void *resident,
                          tj_resident_fn close)
{
    struct resident *r = tj_heap_new(sizeof *r);
    tj_arena_init(&r->arena);
    r->name = tj_str_dup(&r->arena, name);
    r->thing = resident;
    r->close = close;
    r->next = loop->residents;
    loop->residents = r;
}

static void close_residents(struct tj_loop *loop)
{
    while (loop->residents) {
        struct resident *r = loop->residents;
        loop->residents = r->next;
        r->close(r->thing);
        tj_arena_release(&r->arena);
        tj_heap_free(r);
    }
}

void tj_loop_close(struct tj_loop *loop)
{
    if (!loop)
        return;
    close_residents(loop);
    while (loop->timers)
        tj_timer_cancel(loop->timers);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0); /* else somebody's handle outlived the loop */
    (void)rc;
    tj_heap_free(loop);
}

void *tj_loop_uv(struct tj_loop *loop)
{
    return &loop->uv;
}
