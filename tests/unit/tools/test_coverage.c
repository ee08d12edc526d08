/* test_coverage.c - the ledger never counts a byte twice.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "tools/coverage.h"

enum { TEXT_BYTES = 64 };

static char text[TEXT_BYTES];

/* One span: a field of 64 bytes, and an alias of it. */
static void make_trace(struct tj_trace *trace, struct tj_span *span,
                       struct tj_field fields[2])
{
    fields[0] = (struct tj_field){.name = TJ_STR("attributes.a"),
                                  .text = {text, TEXT_BYTES},
                                  .same_as = TJ_FIELD_NOT_SHARED};
    fields[1] = (struct tj_field){
        .name = TJ_STR("input"), .text = {text, TEXT_BYTES}, .same_as = 0};
    *span = (struct tj_span){
        .fields = fields, .field_count = 2, .text_bytes = TEXT_BYTES};
    *trace = (struct tj_trace){.spans = span, .span_count = 1};
}

static void test_sums(void **state)
{
    struct tj_arena a = {0};
    struct tj_trace trace;
    struct tj_span span;
    struct tj_field fields[2];
    make_trace(&trace, &span, fields);
    struct tj_coverage *c = tj_coverage_new(&a, 1);
    assert_int_equal(tj_coverage_sum(c, &trace).spans_listed, 0);
    tj_coverage_add_span(c, 0);
    assert_int_equal(tj_coverage_sum(c, &trace).spans_listed, 1);
    assert_int_equal(tj_coverage_sum(c, &trace).spans_read, 0);
    tj_coverage_add(c, &span, 0, 0, 10, 10);
    tj_coverage_add(c, &span, 0, 0, 30, 10);
    assert_int_equal(tj_coverage_sum(c, &trace).bytes_read, 20);
    /* Bridges the two, through the alias. */
    tj_coverage_add(c, &span, 0, 1, 15, 20);
    assert_int_equal(tj_coverage_sum(c, &trace).bytes_read, 30);
    /* Over the end, and far behind it. */
    tj_coverage_add(c, &span, 0, 1, 60, UINT64_MAX);
    tj_coverage_add(c, &span, 0, 1, UINT64_MAX, UINT64_MAX);
    struct tj_coverage_sum sum = tj_coverage_sum(c, &trace);
    assert_int_equal(sum.bytes_read, 34);
    assert_int_equal(sum.bytes_total, TEXT_BYTES);
    assert_int_equal(sum.spans_read, 1);
    assert_int_equal(sum.spans_total, 1);
    tj_arena_release(&a);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

/* Against a bitmap, in two orders. */
static void test_any_order(void **state)
{
    uint32_t seed = 7;
    struct tj_trace trace;
    struct tj_span span;
    struct tj_field fields[2];
    make_trace(&trace, &span, fields);
    for (int round = 0; round < 300; round++) {
        struct tj_arena a = {0};
        struct tj_coverage *forward = tj_coverage_new(&a, 1);
        struct tj_coverage *backward = tj_coverage_new(&a, 1);
        bool seen[TEXT_BYTES] = {0};
        uint64_t offset[12];
        uint64_t len[12];
        for (int i = 0; i < 12; i++) {
            offset[i] = next_random(&seed) % (TEXT_BYTES + 8);
            len[i] = next_random(&seed) % 12;
            for (uint64_t k = 0; k < len[i]; k++)
                if (offset[i] + k < TEXT_BYTES)
                    seen[offset[i] + k] = true;
        }
        for (int i = 0; i < 12; i++) {
            tj_coverage_add(forward, &span, 0, 0, offset[i], len[i]);
            tj_coverage_add(backward, &span, 0, 1, offset[11 - i], len[11 - i]);
        }
        uint64_t want = 0;
        for (int i = 0; i < TEXT_BYTES; i++)
            want += seen[i];
        assert_int_equal(tj_coverage_sum(forward, &trace).bytes_read, want);
        assert_int_equal(tj_coverage_sum(backward, &trace).bytes_read, want);
        tj_arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
