/* pool.h - threads that run requests, no more than so many.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A request may wait for the disk together with others, so there are more
 * threads than cores.  They are made when jobs wait and none is idle, and end
 * after a while without work, so that an idle server holds two stacks and not
 * sixty-four.
 *  1. A job that tj_pool_add took is run exactly once.
 *  2. No more than queue_max jobs wait; beyond that tj_pool_add says no.
 * Threads: any, but open and close.
 */
#ifndef TJ_SERVE_POOL_H
#define TJ_SERVE_POOL_H

#include "base/base.h"
#include "base/err.h"

struct tj_pool;

/* The first member of whatever is a job; its owner keeps it until it ran. */
struct tj_job {
    struct tj_job *next;
    void (*run)(struct tj_job *job);
};

struct tj_pool_options {
    unsigned workers_max;
    unsigned queue_max;
    unsigned idle_ms; /* a worker without work ends after so long */
};

struct tj_pool_counts {
    unsigned workers;
    unsigned busy;
    unsigned queued;
};

bool tj_pool_open(const struct tj_pool_options *options, struct tj_pool **out,
                  struct tj_err *err) TJ_MUST_USE;
/* False: the queue is full, or there is no thread to be had; job is not
 * taken. */
bool tj_pool_add(struct tj_pool *pool, struct tj_job *job) TJ_MUST_USE;
struct tj_pool_counts tj_pool_counts(struct tj_pool *pool);
/* Waits until nothing runs and nothing is queued; false at the deadline
 * (monotonic ns). */
bool tj_pool_drain(struct tj_pool *pool, uint64_t deadline_ns) TJ_MUST_USE;
/* Takes no more jobs, and waits for those that were taken.  Whoever may still
 * add some can be told no until close.  Takes NULL. */
void tj_pool_stop(struct tj_pool *pool);
/* Stops, and nobody knows the pool any more.  Takes NULL. */
void tj_pool_close(struct tj_pool *pool);

#endif
