/* loop.h - the event loop: timers and wake-ups on one thread.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to libuv.  Threads: a loop belongs to the thread that runs it;
 * tj_loop_stop alone may be called from any thread or signal handler.
 */
#ifndef TJ_NET_LOOP_H
#define TJ_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct tj_loop;

bool tj_loop_open(struct tj_loop **out, struct tj_err *err) TJ_MUST_USE;
void tj_loop_close(struct tj_loop *loop); /* takes NULL */

/* Runs until nothing is pending or tj_loop_stop. */
void tj_loop_run(struct tj_loop *loop);
/* Makes tj_loop_run return soon; what is pending stays pending. */
void tj_loop_stop(struct tj_loop *loop);
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

/* The libuv loop, for http_client.c alone (void: uv.h stays behind its door). */
void *tj_loop_uv(struct tj_loop *loop);

#endif
