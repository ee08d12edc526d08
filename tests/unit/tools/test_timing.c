/* test_timing.c - self time, the critical path, and what they sum to.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools_test.h"

#include "tools/critical_path.h"
#include "tools/timing.h"

#define MS(n) ((uint64_t)(n)*TJ_NS_PER_MS)

static void test_self_time(void **state)
{
    struct fixture f;
    struct tj_timing t;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "root", 0, 100);
    fixture_span(&f, 2, 1, "early", -10, 20); /* begins before its parent */
    fixture_span(&f, 3, 1, "overlap", 10, 40);
    fixture_span(&f, 4, 1, "late", 90, 150); /* ends after it */
    fixture_span(&f, 5, 1, "open", 50, -1);
    fixture_open(&f);
    tj_timing_build(&f.trace, &f.arena, &t);
    assert_int_equal(t.total_ns[0], MS(100));
    assert_int_equal(t.child_ns[0], MS(50)); /* 0-40 and 90-100 */
    assert_int_equal(t.self_ns[0], MS(50));
    int32_t open = tj_trace_find_span(&f.trace, test_span_id(5));
    assert_int_equal(t.total_ns[open], 0);
    assert_int_equal(t.self_ns[open], 0);
    struct tj_peak peak = tj_timing_peak(&f.trace, &f.arena);
    assert_int_equal(peak.count, 2);
    assert_int_equal(peak.at, BASE_TIME + MS(10));
    fixture_release(&f);
}

static uint64_t own_of(const struct fixture *f,
                       const struct tj_critical_path *p, uint32_t id)
{
    int32_t span = tj_trace_find_span(&f->trace, test_span_id(id));
    for (size_t i = 0; i < p->count; i++)
        if (p->steps[i].span == (size_t)span)
            return p->steps[i].own_ns;
    return 0;
}

static void test_critical_path(void **state)
{
    struct fixture f;
    struct tj_critical_path p;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "root", 0, 100);
    fixture_span(&f, 2, 1, "short", 10, 50);
    fixture_span(&f, 3, 1, "long", 10, 60); /* runs beside short */
    fixture_span(&f, 4, 3, "inner", 20, 55);
    fixture_span(&f, 5, 1, "tail", 70, 90);
    fixture_open(&f);
    tj_critical_path_build(&f.trace, &f.arena, &p);
    assert_int_equal(p.wall_ns, MS(100));
    assert_int_equal(own_of(&f, &p, 1), MS(30)); /* 0-10, 60-70, 90-100 */
    assert_int_equal(own_of(&f, &p, 2), 0);
    assert_int_equal(own_of(&f, &p, 3), MS(15));
    assert_int_equal(own_of(&f, &p, 4), MS(35));
    assert_int_equal(own_of(&f, &p, 5), MS(20));
    assert_int_equal(p.idle_ns, 0);
    fixture_release(&f);
}

static void test_idle_between_roots(void **state)
{
    struct fixture f;
    struct tj_critical_path p;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "one", 0, 10);
    fixture_span(&f, 2, 0, "two", 30, 40);
    fixture_span(&f, 3, 2, "outlasts", 35, 60);
    fixture_open(&f);
    tj_critical_path_build(&f.trace, &f.arena, &p);
    assert_int_equal(p.wall_ns, MS(60));
    assert_int_equal(p.idle_ns, MS(20));
    assert_int_equal(own_of(&f, &p, 3), MS(25));
    assert_int_equal(own_of(&f, &p, 2), MS(5));
    fixture_release(&f);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

/* Whatever the tree, nothing is lost and nothing counted twice. */
static void test_sums_hold(void **state)
{
    uint32_t seed = 11;
    for (int round = 0; round < 200; round++) {
        struct fixture f;
        struct tj_critical_path p;
        struct tj_timing t;
        fixture_init(&f);
        uint32_t count = 1 + next_random(&seed) % 25;
        for (uint32_t i = 1; i <= count; i++) {
            long start = (long)(next_random(&seed) % 500);
            long length = (long)(next_random(&seed) % 300);
            bool open = next_random(&seed) % 8 == 0;
            uint32_t parent = i > 1 ? next_random(&seed) % i : 0;
            fixture_span(&f, i, parent, "s", start, open ? -1 : start + length);
        }
        fixture_open(&f);
        tj_critical_path_build(&f.trace, &f.arena, &p);
        uint64_t sum = p.idle_ns;
        for (size_t i = 0; i < p.count; i++)
            sum += p.steps[i].own_ns;
        assert_int_equal(sum, p.wall_ns);
        tj_timing_build(&f.trace, &f.arena, &t);
        for (size_t i = 0; i < f.trace.span_count; i++) {
            assert_true(t.child_ns[i] <= t.total_ns[i]);
            assert_int_equal(t.self_ns[i] + t.child_ns[i], t.total_ns[i]);
        }
        fixture_release(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self_time),
        cmocka_unit_test(test_critical_path),
        cmocka_unit_test(test_idle_between_roots),
        cmocka_unit_test(test_sums_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
