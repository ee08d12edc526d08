/* test_pool.c - every job once, bounds, and workers that come and go.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "serve/pool.h"
#include "serve/room.h"

enum { JOBS = 2000, ADDERS = 4 };

struct counted {
    struct tj_job job;
    atomic_int runs;
};

static void count(struct tj_job *job)
{
    atomic_fetch_add(&((struct counted *)job)->runs, 1);
}

static struct tj_pool *opened(unsigned workers, unsigned queue,
                              unsigned idle_ms)
{
    struct tj_pool_options options = {workers, queue, idle_ms};
    struct tj_pool *pool = NULL;
    struct tj_err err;
    assert_ok(tj_pool_open(&options, &pool, &err), err);
    return pool;
}

static uint64_t soon(void)
{
    return tj_mono_ns() + 60 * TJ_NS_PER_SECOND;
}

struct adder {
    pthread_t thread;
    struct tj_pool *pool;
    struct counted *jobs;
    unsigned refused;
};

static void *add_all(void *arg)
{
    struct adder *a = arg;
    for (size_t i = 0; i < JOBS; i++) {
        a->jobs[i].job.run = count;
        if (!tj_pool_add(a->pool, &a->jobs[i].job))
            a->refused++;
    }
    return NULL;
}

static void each_job_once(void **state)
{
    (void)state;
    struct adder adders[ADDERS] = {{0}};
    struct tj_pool *pool = opened(8, JOBS * ADDERS, 1);
    for (size_t i = 0; i < ADDERS; i++) {
        adders[i].pool = pool;
        adders[i].jobs = calloc(JOBS, sizeof *adders[i].jobs);
        assert_int_equal(
            pthread_create(&adders[i].thread, NULL, add_all, &adders[i]), 0);
    }
    for (size_t i = 0; i < ADDERS; i++)
        assert_int_equal(pthread_join(adders[i].thread, NULL), 0);
    assert_true(tj_pool_drain(pool, soon()));
    assert_true(tj_pool_counts(pool).workers <= 8);
    tj_pool_close(pool);
    for (size_t i = 0; i < ADDERS; i++) {
        assert_int_equal(adders[i].refused, 0);
        for (size_t j = 0; j < JOBS; j++)
            assert_int_equal(atomic_load(&adders[i].jobs[j].runs), 1);
        free(adders[i].jobs);
    }
}

/* A job that waits until it may go on. */
struct held {
    struct tj_job job;
    pthread_mutex_t *lock;
    atomic_int *begun;
};

static void hold(struct tj_job *job)
{
    struct held *h = (struct held *)job;
    atomic_fetch_add(h->begun, 1);
    (void)pthread_mutex_lock(h->lock);
    (void)pthread_mutex_unlock(h->lock);
}

static void await(const atomic_int *value, int wanted)
{
    uint64_t end_ns = soon();
    while (atomic_load(value) < wanted)
        assert_true(tj_mono_ns() < end_ns);
}

static void full_is_refused(void **state)
{
    (void)state;
    enum { WORKERS = 3, QUEUE = 5, ALL = WORKERS + QUEUE };
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    atomic_int begun = 0;
    struct held jobs[ALL + 1];
    struct tj_pool *pool = opened(WORKERS, QUEUE, 60000);
    (void)pthread_mutex_lock(&lock);
    for (int i = 0; i <= ALL; i++) {
        jobs[i] = (struct held){{NULL, hold}, &lock, &begun};
        bool taken = tj_pool_add(pool, &jobs[i].job);
        assert_int_equal(taken, i < ALL);
        if (i < WORKERS)
            await(&begun, i + 1); /* each has a worker of its own */
    }
    struct tj_pool_counts counts = tj_pool_counts(pool);
    assert_int_equal(counts.workers, WORKERS);
    assert_int_equal(counts.busy, WORKERS);
    assert_int_equal(counts.queued, QUEUE);
    assert_false(tj_pool_drain(pool, tj_mono_ns() + TJ_NS_PER_MS));
    (void)pthread_mutex_unlock(&lock);
    assert_true(tj_pool_drain(pool, soon()));
    assert_int_equal(atomic_load(&begun), ALL);
    tj_pool_close(pool);
}

static void idle_workers_end(void **state)
{
    (void)state;
    struct counted job = {.job.run = count};
    struct tj_pool *pool = opened(4, 4, 1);
    uint64_t end_ns = soon();
    while (tj_pool_counts(pool).workers)
        assert_true(tj_mono_ns() < end_ns);
    assert_true(tj_pool_add(pool, &job.job)); /* makes a new one */
    assert_true(tj_pool_drain(pool, soon()));
    assert_int_equal(atomic_load(&job.runs), 1);
    tj_pool_close(pool);
    tj_pool_close(NULL);
}

/* What was taken is run even when the pool closes right behind it. */
static void close_runs_what_was_taken(void **state)
{
    (void)state;
    static struct counted jobs[JOBS];
    struct tj_pool *pool = opened(2, JOBS, 1000);
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i].job.run = count;
        assert_true(tj_pool_add(pool, &jobs[i].job));
    }
    tj_pool_close(pool);
    for (size_t i = 0; i < JOBS; i++)
        assert_int_equal(atomic_load(&jobs[i].runs), 1);
}

static void rooms(void **state)
{
    (void)state;
    struct tj_room room = {.bytes_max = 100};
    assert_true(tj_room_take(&room, 60));
    assert_false(tj_room_take(&room, 41));
    assert_true(tj_room_take(&room, 40));
    assert_false(tj_room_take(&room, SIZE_MAX));
    tj_room_give(&room, 60);
    assert_true(tj_room_take(&room, 60));
    tj_room_give(&room, 100);
    assert_int_equal(atomic_load(&room.used_bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_job_once),
        cmocka_unit_test(full_is_refused),
        cmocka_unit_test(idle_workers_end),
        cmocka_unit_test(close_runs_what_was_taken),
        cmocka_unit_test(rooms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
