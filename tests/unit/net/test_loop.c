/* test_loop.c - the event loop: order, timers, stopping, residents.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "net/loop.h"

#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "test.h"

struct note {
    struct tj_loop *loop;
    int calls;
    bool done;
    char order[8];
};

static int open_loop(void **state)
{
    struct note *n = test_calloc(1, sizeof *n);
    struct tj_err err;
    if (!tj_loop_open(&n->loop, &err))
        return -1;
    *state = n;
    return 0;
}

static int close_loop(void **state)
{
    struct note *n = *state;
    tj_loop_close(n->loop);
    test_free(n);
    return 0;
}

static void count(void *ctx)
{
    struct note *n = ctx;
    n->calls++;
}

static void mark_a(void *ctx)
{
    struct note *n = ctx;
    n->order[n->calls++] = 'a';
}

static void mark_b(void *ctx)
{
    struct note *n = ctx;
    n->order[n->calls++] = 'b';
}

static void mark_done(void *ctx)
{
    struct note *n = ctx;
    n->done = true;
}

static void soon_is_not_now(void **state)
{
    struct note *n = *state;
    tj_loop_soon(n->loop, count, n);
    assert_int_equal(n->calls, 0);
    tj_loop_run(n->loop);
    assert_int_equal(n->calls, 1);
}

static void timers_fire_by_time(void **state)
{
    struct note *n = *state;
    uint64_t start = tj_mono_ns();
    (void)tj_loop_after(n->loop, 20, mark_b, n);
    (void)tj_loop_after(n->loop, 5, mark_a, n);
    tj_loop_run(n->loop);
    assert_string_equal(n->order, "ab");
    assert_true(tj_mono_ns() - start >= 19 * TJ_NS_PER_MS);
}

static void cancelled_timer_is_silent(void **state)
{
    struct note *n = *state;
    struct tj_timer *first = tj_loop_after(n->loop, 0, count, n);
    struct tj_timer *second = tj_loop_after(n->loop, 0, count, n);
    (void)tj_loop_after(n->loop, 0, count, n);
    tj_timer_cancel(second);
    tj_timer_cancel(first);
    tj_loop_run(n->loop);
    assert_int_equal(n->calls, 1);
}

static void stop_before_run_is_remembered_once(void **state)
{
    struct note *n = *state;
    (void)tj_loop_after(n->loop, 0, count, n);
    assert_false(tj_loop_stopped(n->loop));
    tj_loop_stop(n->loop);
    tj_loop_run(n->loop);
    assert_int_equal(n->calls, 0);
    assert_true(tj_loop_stopped(n->loop));
    tj_loop_run(n->loop);
    assert_int_equal(n->calls, 1);
}

static void *stop_from_outside(void *ctx)
{
    struct note *n = ctx;
    tj_loop_stop(n->loop);
    return NULL;
}

static void start_thread(void *ctx)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_from_outside, ctx), 0);
    assert_int_equal(pthread_detach(thread), 0);
}

static void stop_from_another_thread(void **state)
{
    struct note *n = *state;
    (void)tj_loop_after(n->loop, 60000, count, n);
    tj_loop_soon(n->loop, start_thread, n);
    tj_loop_run(n->loop);
    assert_int_equal(n->calls, 0);
}

static struct tj_loop *signalled;

static void on_signal(int number)
{
    (void)number;
    tj_loop_stop(signalled);
}

static void raise_signal(void *ctx)
{
    (void)ctx;
    (void)raise(SIGUSR1);
}

static void stop_from_signal_handler(void **state)
{
    struct note *n = *state;
    signalled = n->loop;
    struct sigaction action = {.sa_handler = on_signal};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    (void)tj_loop_after(n->loop, 60000, count, n);
    tj_loop_soon(n->loop, raise_signal, n);
    tj_loop_run(n->loop);
    assert_int_equal(n->calls, 0);
}

static void run_until_leaves_the_rest(void **state)
{
    struct note *n = *state;
    tj_loop_soon(n->loop, mark_done, n);
    (void)tj_loop_after(n->loop, 60000, count, n);
    tj_loop_run_until(n->loop, &n->done);
    assert_true(n->done);
    assert_int_equal(n->calls, 0);
}

static char closed[4];

static void close_a(void *thing)
{
    (void)thing;
    closed[strlen(closed)] = 'a';
}

static void close_b(void *thing)
{
    (void)thing;
    closed[strlen(closed)] = 'b';
}

static void residents_close_newest_first(void **state)
{
    (void)state;
    struct tj_loop *loop;
    struct tj_err err;
    assert_ok(tj_loop_open(&loop, &err), err);
    int thing;
    tj_loop_resident_add(loop, TJ_STR("a"), &thing, close_a);
    tj_loop_resident_add(loop, TJ_STR("b"), NULL, close_b);
    assert_ptr_equal(tj_loop_resident_find(loop, TJ_STR("a")), &thing);
    assert_null(tj_loop_resident_find(loop, TJ_STR("c")));
    tj_loop_close(loop);
    assert_string_equal(closed, "ba");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(soon_is_not_now, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(timers_fire_by_time, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(cancelled_timer_is_silent, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(stop_before_run_is_remembered_once,
                                        open_loop, close_loop),
        cmocka_unit_test_setup_teardown(stop_from_another_thread, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(stop_from_signal_handler, open_loop,
                                        close_loop),
        cmocka_unit_test_setup_teardown(run_until_leaves_the_rest, open_loop,
                                        close_loop),
        cmocka_unit_test(residents_close_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
