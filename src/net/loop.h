/* loop.h - the event loop: timers and wake-ups on one thread.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to libuv.
 *  1. A callback runs on the loop's thread, never from inside the call that
 *     asked for it.
 *  2. tj_loop_stop is remembered: stopping a loop that is not running makes
 *     the next run return at once.  A run that returns because of it has used
 *     it up, so the loop can be run again to finish what was cancelled.
 *  3. Residents are things that all users of a loop share (the HTTP client,
 *     rate limiters); they are closed with it, newest first.
 * Threads: a loop belongs to the thread that runs it; tj_loop_stop alone may
 * be called from any thread or signal handler.
 */
#ifndef TJ_NET_LOOP_H
#define TJ_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct tj_loop;

bool tj_loop_open(struct tj_loop **out, struct tj_err *err) TJ_MUST_USE;
/* Timers that did not fire are forgotten.  Takes NULL. */
void tj_loop_close(struct tj_loop *loop);

/* Runs until nothing is pending or tj_loop_stop. */
void tj_loop_run(struct tj_loop *loop);
/* As tj_loop_run, and returns also when a callback has set *done. */
void tj_loop_run_until(struct tj_loop *loop, const bool *done);
/* Makes tj_loop_run return soon; what is pending stays pending. */
void tj_loop_stop(struct tj_loop *loop);
/* Was tj_loop_stop ever called? */
bool tj_loop_stopped(const struct tj_loop *loop);

/* Calls fn once from the loop: soon, or after delay_ms.  Pending calls keep
 * the loop running. */
typedef void (*tj_loop_fn)(void *ctx);
struct tj_timer;
void tj_loop_soon(struct tj_loop *loop, tj_loop_fn fn, void *ctx);
struct tj_timer *tj_loop_after(struct tj_loop *loop, uint64_t delay_ms,
                               tj_loop_fn fn, void *ctx);
/* fn will not be called; timer is gone.  Not after it fired. */
void tj_timer_cancel(struct tj_timer *timer);

/* Invariant 3.  find is NULL when there is none; add copies the name. */
typedef void (*tj_resident_fn)(void *resident);
void *tj_loop_resident_find(const struct tj_loop *loop, tj_str name);
void tj_loop_resident_add(struct tj_loop *loop, tj_str name, void *resident,
                          tj_resident_fn close);

/* The libuv loop, for http_client.c alone (uv.h stays behind its door). */
void *tj_loop_uv(struct tj_loop *loop);

#endif
