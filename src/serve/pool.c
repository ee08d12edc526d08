/* pool.c - one queue, one lock, workers that come and go.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/pool.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/heap.h"

enum {
    /* Deep JSON (512 levels) needs a part of it, and the sanitizers more;
     * what is not touched is not there. */
    STACK_BYTES = 2 << 20,
};

struct tj_pool {
    struct tj_pool_options options;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;  /* a job came, or the end */
    pthread_cond_t rest;  /* a worker finished a job or ended */
    struct tj_job *first;
    struct tj_job *last;
    unsigned queued;
    unsigned workers;
    unsigned busy;
    bool closing;
};

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / TJ_NS_PER_SECOND),
        .tv_nsec = (long)(ns % TJ_NS_PER_SECOND),
    };
}

static struct tj_job *take(struct tj_pool *p)
{
    struct tj_job *job = p->first;
    p->first = job->next;
    if (!p->first)
        p->last = NULL;
    p->queued--;
    return job;
}

/* Waits for work; false: end.  The lock is held. */
static bool await_work(struct tj_pool *p)
{
    struct timespec until =
        timespec_of(tj_mono_ns() + p->options.idle_ms * TJ_NS_PER_MS);
    int rc = 0;
    while (!p->first && !p->closing && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&p->work, &p->lock, &until);
    return p->first != NULL;
}

static void *work(void *arg)
{
    struct tj_pool *p = arg;
    (void)pthread_mutex_lock(&p->lock);
    while (await_work(p)) {
        struct tj_job *job = take(p);
        p->busy++;
        (void)pthread_mutex_unlock(&p->lock);
        job->run(job); /* it may be gone when this returns */
        (void)pthread_mutex_lock(&p->lock);
        p->busy--;
        if (!p->busy && !p->first)
            (void)pthread_cond_broadcast(&p->rest);
    }
    p->workers--;
    (void)pthread_cond_broadcast(&p->rest);
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* The lock is held. */
static bool start_worker(struct tj_pool *p)
{
    pthread_attr_t attr;
    pthread_t thread;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    bool ok = pthread_create(&thread, &attr, work, p) == 0;
    (void)pthread_attr_destroy(&attr);
    p->workers += ok;
    return ok;
}

bool tj_pool_open(const struct tj_pool_options *options, struct tj_pool **out,
                  struct tj_err *err)
{
    assert(options->workers_max > 0);
    struct tj_pool *p = tj_heap_new(sizeof *p);
    pthread_condattr_t attr;
    p->options = *options;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->work, &attr);
    (void)pthread_cond_init(&p->rest, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_lock(&p->lock);
    bool ok = start_worker(p);
    (void)pthread_mutex_unlock(&p->lock);
    if (!ok) {
        tj_pool_close(p);
        return tj_fail(err, TJ_E_IO, "no thread for requests");
    }
    *out = p;
    return true;
}

bool tj_pool_add(struct tj_pool *p, struct tj_job *job)
{
    (void)pthread_mutex_lock(&p->lock);
    bool ok = !p->closing && p->queued < p->options.queue_max;
    unsigned idle = p->workers - p->busy;
    if (ok && p->queued >= idle && p->workers < p->options.workers_max)
        ok = start_worker(p) || p->workers > 0;
    if (ok) {
        job->next = NULL;
        if (p->last)
            p->last->next = job;
        else
            p->first = job;
        p->last = job;
        p->queued++;
        (void)pthread_cond_signal(&p->work);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return ok;
}

struct tj_pool_counts tj_pool_counts(struct tj_pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
    struct tj_pool_counts counts = {p->workers, p->busy, p->queued};
    (void)pthread_mutex_unlock(&p->lock);
    return counts;
}

bool tj_pool_drain(struct tj_pool *p, uint64_t deadline_ns)
{
    struct timespec until = timespec_of(deadline_ns);
    int rc = 0;
    (void)pthread_mutex_lock(&p->lock);
    while ((p->busy || p->first) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&p->rest, &p->lock, &until);
    bool ok = !p->busy && !p->first;
    (void)pthread_mutex_unlock(&p->lock);
    return ok;
}

void tj_pool_stop(struct tj_pool *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->closing = true;
    (void)pthread_cond_broadcast(&p->work);
    while (p->workers)
        (void)pthread_cond_wait(&p->rest, &p->lock);
    (void)pthread_mutex_unlock(&p->lock);
}

void tj_pool_close(struct tj_pool *p)
{
    if (!p)
        return;
    tj_pool_stop(p);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_cond_destroy(&p->rest);
    (void)pthread_mutex_destroy(&p->lock);
    tj_heap_free(p);
}
