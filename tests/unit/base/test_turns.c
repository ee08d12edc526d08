/* test_turns.c - no more threads at a computation than there are processors.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/turns.h"

enum { THREADS = 16, ROUNDS = 200 };

struct shared {
    struct tj_turns turns;
    unsigned all; /* turns that there are */
    atomic_uint inside;
    atomic_uint most;
    atomic_uint done;
};

static void *take_and_give(void *context)
{
    struct shared *s = context;
    for (int i = 0; i < ROUNDS; i++) {
        tj_turns_take(&s->turns);
        unsigned now = ++s->inside;
        unsigned most = s->most;
        while (now > most &&
               !atomic_compare_exchange_weak(&s->most, &most, now))
            ;
        (void)sched_yield(); /* so that others come, if they may */
        s->inside--;
        s->done++;
        tj_turns_give(&s->turns);
    }
    return NULL;
}

static void no_more_than_there_are_turns(void **state)
{
    (void)state;
    struct shared s = {.inside = 0};
    pthread_t threads[THREADS];
    tj_turns_init(&s.turns);
    s.all = s.turns.free;
    assert_true(s.all >= 1);
    if (s.all > THREADS / 2) /* of so many there is nothing to see */
        s.turns.free = s.all = THREADS / 2;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &s),
                         0);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(s.done, THREADS * ROUNDS);
    assert_true(s.most <= s.all);
    assert_int_equal(s.turns.free, s.all);
    tj_turns_release(&s.turns);
}

static void none_is_no_limit(void **state)
{
    (void)state;
    tj_turns_take(NULL);
    tj_turns_give(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_there_are_turns),
        cmocka_unit_test(none_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
