/* test_tree.c - trees from parent ids of any quality.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "trace/trace.h"

static tj_span_id id_of(uint64_t n)
{
    tj_span_id id = {0};
    for (int i = 7; i >= 0 && n; i--, n >>= 8)
        id.bytes[i] = (unsigned char)n;
    return id;
}

static struct tj_span span(uint64_t id, uint64_t parent, tj_time start)
{
    return (struct tj_span){.span_id = id_of(id),
                            .parent_id = id_of(parent),
                            .start = start,
                            .usage = TJ_USAGE_UNKNOWN,
                            .sequence = id};
}

/* Invariants 1 and 3 of tj_tree, for any input. */
static void check_whole(const struct tj_tree *t)
{
    for (size_t k = 0; k < t->count; k++) {
        int32_t i = t->order[k];
        assert_int_equal(t->rank[i], k);
        if (t->parent[i] < 0)
            assert_int_equal(t->depth[i], 0);
        else
            assert_int_equal(t->depth[i], t->depth[t->parent[i]] + 1);
    }
    size_t children = 0;
    for (size_t i = 0; i < t->count; i++)
        children += (size_t)t->child_count[i];
    assert_int_equal(children + t->root_count, t->count);
}

static void test_order(void **state)
{
    struct tj_arena a = {0};
    struct tj_tree t;
    struct tj_span spans[] = {span(1, 0, 10), span(2, 1, 30), span(3, 1, 20),
                              span(4, 3, 25), span(5, 1, 20), span(6, 0, 5)};
    tj_tree_build(spans, 6, &a, &t);
    const int32_t order[] = {5, 0, 2, 3, 4, 1};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(t.order[i], order[i]);
    assert_int_equal(t.root_count, 2);
    assert_int_equal(t.first_root, 5);
    assert_int_equal(t.child_count[0], 3);
    assert_int_equal(t.depth[3], 2);
    check_whole(&t);
    tj_arena_release(&a);
}

static void test_empty(void **state)
{
    struct tj_arena a = {0};
    struct tj_tree t;
    tj_tree_build(NULL, 0, &a, &t);
    assert_int_equal(t.count, 0);
    assert_int_equal(t.first_root, -1);
    tj_arena_release(&a);
}

static void test_orphans_and_cycles(void **state)
{
    struct tj_arena a = {0};
    struct tj_tree t;
    struct tj_span spans[] = {span(1, 99, 10), /* orphan */
                              span(2, 3, 30),  /* 2 -> 3 -> 4 -> 2 */
                              span(3, 4, 20),  span(4, 2, 25),
                              span(5, 3, 40), /* hangs off it */
                              span(6, 6, 50), /* its own parent */
                              span(7, 0, 1)};
    spans[6].marks = TJ_MARK_ORPHAN | TJ_MARK_CYCLE; /* stale */
    tj_tree_build(spans, 7, &a, &t);
    assert_int_equal(spans[0].marks, TJ_MARK_ORPHAN);
    assert_int_equal(spans[1].marks, 0);
    assert_int_equal(spans[2].marks, TJ_MARK_CYCLE);
    assert_int_equal(spans[3].marks, 0);
    assert_int_equal(spans[5].marks, TJ_MARK_CYCLE);
    assert_int_equal(spans[6].marks, 0);
    assert_int_equal(t.parent[2], -1);
    assert_int_equal(t.parent[1], 2);
    assert_int_equal(t.parent[3], 1);
    assert_int_equal(t.depth[3], 2);
    assert_int_equal(t.root_count, 4);
    check_whole(&t);
    tj_arena_release(&a);
}

/* 1e6 spans in one chain, the deepest first: no recursion, no quadratic. */
static void test_long_chain(void **state)
{
    enum { N = 1000000 };
    struct tj_arena a = {0};
    struct tj_tree t;
    struct tj_span *spans = tj_arena_array(&a, struct tj_span, N);
    for (size_t i = 0; i < N; i++)
        spans[i] = span(N - i, N - i - 1, N - i);
    tj_tree_build(spans, N, &a, &t);
    assert_int_equal(t.root_count, 1);
    assert_int_equal(t.order[0], N - 1);
    assert_int_equal(t.depth[0], N - 1);
    check_whole(&t);
    tj_arena_release(&a);
}

static void test_usage_of_ancestors(void **state)
{
    struct tj_arena a = {0};
    struct tj_tree t;
    struct tj_span spans[] = {span(1, 0, 1), span(2, 1, 2), span(3, 2, 3),
                              span(4, 1, 4), span(5, 4, 5)};
    spans[1].usage.input_tokens = 100; /* an agent repeats its calls' sum */
    spans[1].usage.output_tokens = 10;
    spans[2].usage.input_tokens = 100;
    spans[2].usage.output_tokens = 10;
    spans[2].usage.cost_usd = 0.5; /* but not what they cost */
    spans[4].usage.input_tokens = 7;
    spans[4].usage.cache_read_tokens = 3;
    tj_tree_build(spans, 5, &a, &t);
    struct tj_usage u = tj_trace_usage(spans, &t);
    assert_int_equal(u.input_tokens, 107);
    assert_int_equal(u.output_tokens, 10);
    assert_int_equal(u.cache_read_tokens, 3);
    assert_int_equal(u.reasoning_tokens, TJ_TOKENS_UNKNOWN);
    assert_true(u.cost_usd > 0.49 && u.cost_usd < 0.51);
    spans[4].usage.input_tokens = INT64_MAX;
    assert_true(tj_trace_usage(spans, &t).input_tokens == INT64_MAX);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_orphans_and_cycles),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_usage_of_ancestors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
