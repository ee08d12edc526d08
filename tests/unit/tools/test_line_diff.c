/* test_line_diff.c - a diff that leads from a to b, and gives up in time.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "base/buf.h"
#include "tools/line_diff.h"

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static tj_str random_lines(struct tj_arena *a, uint32_t *seed)
{
    struct tj_buf b;
    tj_buf_init(&b, a, 4096);
    uint32_t count = next_random(seed) % 14;
    for (uint32_t i = 0; i < count; i++) {
        tj_buf_add(&b, i ? TJ_STR("\n") : TJ_STR(""));
        tj_buf_byte(&b, (char)('a' + next_random(seed) % 4));
    }
    return tj_buf_str(&b);
}

/* Applies the diff to a, line by line. */
static tj_str apply(struct tj_arena *arena, tj_str a, tj_str diff)
{
    struct tj_buf out;
    tj_buf_init(&out, arena, 8192);
    uint64_t at = 1; /* the next line of a */
    bool first = true;
    tj_str rest = a;
    if (!rest.ptr)
        rest = TJ_STR("");
    while (diff.len || rest.ptr) {
        tj_str line = diff.len ? tj_str_cut(&diff, '\n') : (tj_str){0};
        uint64_t upto = UINT64_MAX;
        if (line.len && line.ptr[0] == '@')
            assert_true(tj_str_to_u64(tj_str_slice(line, 7, line.len), &upto));
        bool copies = !line.ptr || upto != UINT64_MAX;
        while (copies && rest.ptr && at < upto) {
            tj_str kept = tj_str_cut(&rest, '\n');
            tj_buf_add(&out, first ? TJ_STR("") : TJ_STR("\n"));
            tj_buf_add(&out, kept);
            first = false;
            at++;
        }
        if (!line.len || line.ptr[0] == '@')
            continue;
        tj_str text = tj_str_slice(line, 1, line.len);
        if (line.ptr[0] == '-') {
            tj_str gone = tj_str_cut(&rest, '\n');
            assert_true(tj_str_eq(gone, text));
            at++;
        } else {
            tj_buf_add(&out, first ? TJ_STR("") : TJ_STR("\n"));
            tj_buf_add(&out, text);
            first = false;
        }
    }
    return tj_buf_str(&out);
}

static void test_leads_from_a_to_b(void **state)
{
    uint32_t seed = 3;
    for (int round = 0; round < 3000; round++) {
        struct tj_arena arena = {0};
        struct tj_buf diff;
        tj_str a = random_lines(&arena, &seed);
        tj_str b = random_lines(&arena, &seed);
        tj_buf_init(&diff, &arena, 8192);
        assert_true(tj_line_diff_write(a, b, &diff));
        tj_str got = apply(&arena, a, tj_buf_str(&diff));
        if (!tj_str_eq(got, b))
            fail_msg("from\n%.*s\nto\n%.*s\nby\n%.*sgave\n%.*s", TJ_STR_ARG(a),
                     TJ_STR_ARG(b), TJ_STR_ARG(tj_buf_str(&diff)),
                     TJ_STR_ARG(got));
        tj_arena_release(&arena);
    }
}

static void test_gives_up(void **state)
{
    struct tj_arena arena = {0};
    struct tj_buf a;
    struct tj_buf b;
    struct tj_buf diff;
    tj_buf_init(&a, &arena, 1 << 20);
    tj_buf_init(&b, &arena, 1 << 20);
    tj_buf_init(&diff, &arena, 1 << 20);
    for (int i = 0; i < 5000; i++) {
        tj_buf_fmt(&a, "a%d\n", i);
        tj_buf_fmt(&b, "b%d\n", i);
    }
    assert_false(tj_line_diff_write(tj_buf_str(&a), tj_buf_str(&b), &diff));
    assert_int_equal(diff.len, 0);
    assert_true(tj_line_diff_write(tj_buf_str(&a), tj_buf_str(&a), &diff));
    assert_int_equal(diff.len, 0);
    tj_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leads_from_a_to_b),
        cmocka_unit_test(test_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
