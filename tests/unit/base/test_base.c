/* test_base.c - the base floor: slices, arenas, buffers, maps, ids, times.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/id.h"
#include "base/map.h"
#include "base/sha256.h"
#include "base/vec.h"

static void str_numbers(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    double d = 7;
    assert_true(tj_str_to_u64(TJ_STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(tj_str_to_u64(TJ_STR("18446744073709551616"), &u));
    assert_false(tj_str_to_u64(TJ_STR(""), &u));
    assert_false(tj_str_to_u64(TJ_STR("1 "), &u));
    assert_true(u == UINT64_MAX);
    assert_true(tj_str_to_i64(TJ_STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_false(tj_str_to_i64(TJ_STR("9223372036854775808"), &i));
    assert_false(tj_str_to_i64(TJ_STR("-"), &i));
    assert_true(tj_str_to_double(TJ_STR("-1.5e3"), &d));
    assert_true(d == -1500.0);
    assert_false(tj_str_to_double(TJ_STR("nan"), &d));
    assert_false(tj_str_to_double(TJ_STR("1e999"), &d));
    assert_false(tj_str_to_double(TJ_STR("0x10"), &d));
}

static void str_cut_and_find(void **state)
{
    (void)state;
    tj_str rest = TJ_STR("a,,b");
    assert_str_eq(tj_str_cut(&rest, ','), "a");
    assert_str_eq(tj_str_cut(&rest, ','), "");
    assert_non_null(rest.ptr);
    assert_str_eq(tj_str_cut(&rest, ','), "b");
    assert_null(rest.ptr);
    assert_int_equal(tj_str_find(TJ_STR("a\0bc"), TJ_STR("\0b")), 1);
    assert_int_equal(tj_str_find(TJ_STR("abc"), TJ_STR("x")), (size_t)-1);
    assert_str_eq(tj_str_trim(TJ_STR(" \t x y\n")), "x y");
    assert_true(tj_str_cmp(TJ_STR("ab"), TJ_STR("abc")) < 0);
    assert_true(tj_str_cmp(TJ_STR("b"), TJ_STR("abc")) > 0);
    assert_true(tj_str_eq_fold(TJ_STR("Retry-After"), TJ_STR("retry-after")));
    assert_str_eq(tj_str_slice(TJ_STR("abc"), 1, 99), "bc");
    assert_str_eq(tj_str_slice(TJ_STR("abc"), 9, 1), "");
}

static void arena_cuts_and_adopts(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    char *first = tj_arena_alloc(&a, 100);
    tj_arena_cut(&a, first, 100, 10);
    char *second = tj_arena_alloc(&a, 8);
    assert_ptr_equal(second, first + 16);
    tj_arena_cut(&a, first, 16, 1); /* no longer the newest */
    assert_ptr_equal(tj_arena_alloc(&a, 8), second + 16);
    struct tj_arena b = {0};
    tj_str kept = tj_str_dup(&b, TJ_STR("kept"));
    char *big = tj_arena_zero(&b, 1 << 20);
    tj_arena_adopt(&a, &b);
    assert_null(b.blocks);
    tj_arena_release(&b);
    assert_str_eq(kept, "kept");
    assert_int_equal(big[(1 << 20) - 1], 0);
    assert_ptr_equal(tj_arena_alloc(&a, 8), second + 32);
    tj_arena_adopt(&b, &a);
    assert_str_eq(kept, "kept");
    tj_arena_adopt(&b, &a);
    tj_arena_release(&b);
}

static void arena_keeps_contents(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    char *first = tj_arena_alloc(&a, 10);
    memset(first, 'x', 10);
    char *big = tj_arena_alloc(&a, 100000);
    memset(big, 'y', 100000);
    big = tj_arena_grow(&a, big, 100000, 5000000);
    assert_int_equal(big[99999], 'y');
    big[4999999] = 'z';
    char *moved = tj_arena_grow(&a, first, 10, 20);
    assert_memory_equal(moved, "xxxxxxxxxx", 10);
    for (int i = 0; i < 10000; i++)
        assert_int_equal((uintptr_t)tj_arena_alloc(&a, (size_t)i % 70) % 16, 0);
    assert_int_equal(big[0], 'y');
    tj_arena_reset(&a);
    assert_int_equal(a.used_bytes, 0);
    tj_arena_release(&a);
}

static void vec_and_map(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    TJ_VEC(uint64_t) numbers = {0};
    struct tj_map map;
    tj_map_init(&map, &a);
    assert_null(tj_map_find(&map, TJ_STR("k0")));
    for (uint64_t i = 0; i < 5000; i++) {
        *tj_vec_add(&numbers, &a) = i;
        bool fresh = false;
        tj_str key = tj_str_printf(&a, "k%" PRIu64, i);
        tj_map_add(&map, key, &fresh)->number = i;
        assert_true(fresh);
    }
    bool fresh = true;
    assert_true(tj_map_add(&map, TJ_STR("k77"), &fresh)->number == 77);
    assert_false(fresh);
    assert_true(tj_map_find(&map, TJ_STR("k4999"))->number == 4999);
    assert_null(tj_map_find(&map, TJ_STR("k5000")));
    assert_int_equal(map.count, 5000);
    uint64_t sum = 0;
    tj_vec_each (&numbers, uint64_t, n)
        sum += *n;
    assert_true(sum == 12497500);
    tj_arena_release(&a);
}

static void buf_latches_at_its_maximum(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_buf b;
    tj_buf_init(&b, &a, 10);
    tj_buf_add(&b, TJ_STR("12345"));
    tj_buf_u64(&b, UINT64_C(678));
    assert_ok(tj_buf_ok(&b, "text", &err), err);
    tj_buf_add(&b, TJ_STR("too much"));
    tj_buf_byte(&b, 'x');
    assert_str_eq(tj_buf_str(&b), "12345678");
    assert_fails(tj_buf_ok(&b, "text", &err), err, TJ_E_LIMIT,
                 "text is over 10 bytes");
    tj_buf_clear(&b);
    tj_buf_i64(&b, INT64_C(-123));
    tj_buf_fmt(&b, "%s", "abc");
    assert_str_eq(tj_buf_str(&b), "-123abc");
    tj_arena_release(&a);
}

static void err_is_one_printable_line(void **state)
{
    (void)state;
    struct tj_err err = {0};
    assert_false(tj_fail(&err, TJ_E_INPUT, "bad\n\x1b[31mkey"));
    assert_string_equal(err.message, "bad??[31mkey");
    assert_false(tj_err_wrap(&err, "import %s", "x.json"));
    assert_string_equal(err.message, "import x.json: bad??[31mkey");
    assert_false(tj_fail(&err, TJ_E_INPUT,
                         "a\xc2\x9b"
                         "31m\xc2\xa0\xc3\x9f"));
    assert_string_equal(err.message, "a??31m\xc2\xa0\xc3\x9f");
    char longer[2000];
    for (size_t i = 0; i < sizeof longer - 2; i += 2)
        memcpy(longer + i, "\xc3\xa9", 2);
    longer[sizeof longer - 2] = '\0';
    assert_false(tj_fail(&err, TJ_E_LIMIT, "x%s", longer));
    size_t len = strlen(err.message);
    assert_true(len >= TJ_ERR_MESSAGE_MAX - 3);
    assert_int_equal((unsigned char)err.message[len - 1], 0xa9);
}

static void ids(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    tj_trace_id id = {0};
    assert_true(
        tj_trace_id_parse(TJ_STR("tr-0123456789ABCDEF0123456789abcdef"), &id));
    assert_str_eq(tj_trace_id_mlflow(&a, id),
                  "tr-0123456789abcdef0123456789abcdef");
    assert_true(tj_trace_id_parse(TJ_STR("00000000000000ff"), &id));
    assert_str_eq(tj_trace_id_text(&a, id), "000000000000000000000000000000ff");
    assert_false(
        tj_trace_id_parse(TJ_STR("00000000000000000000000000000000"), &id));
    assert_false(tj_trace_id_parse(TJ_STR("tr-xyz"), &id));
    tj_span_id span = {0};
    assert_true(tj_span_id_parse(TJ_STR("00f067aa0ba902b7"), &span));
    assert_str_eq(tj_span_id_text(&a, span), "00f067aa0ba902b7");
    assert_false(tj_span_id_parse(TJ_STR("00f067aa0ba902b"), &span));
    assert_true(tj_trace_id_eq(tj_trace_id_derive(TJ_STR("a")),
                               tj_trace_id_derive(TJ_STR("a"))));
    assert_false(tj_span_id_eq(tj_span_id_random(), tj_span_id_random()));
    assert_str_eq(
        tj_sha256_hex(&a, TJ_STR("abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tj_arena_release(&a);
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-05-02T08:00:00.123456789Z", UINT64_C(1777708800123456789)},
        {"2026-05-02 10:00:00.123+02:00", UINT64_C(1777708800123000000)},
        {"2026-05-02T08:00:00", UINT64_C(1777708800000000000)},
        {"2024-02-29", UINT64_C(1709164800000000000)},
        {"2026-05-02T03:30:00-0430", UINT64_C(1777708800000000000)},
    };
    struct tj_arena a = {0};
    for (size_t i = 0; i < TJ_COUNT(good); i++) {
        tj_time t = 1;
        assert_true(tj_time_parse(tj_str_c(good[i].text), &t));
        assert_true(t == good[i].ns);
    }
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01",
                                      "2026-05-02T25:00:00Z",
                                      "1969-12-31",
                                      "2026-05-02T08:00:00Zx",
                                      "2026-05-02T",
                                      "2600-01-01"};
    tj_time t = 0;
    for (size_t i = 0; i < TJ_COUNT(bad); i++)
        assert_false(tj_time_parse(tj_str_c(bad[i]), &t));
    assert_str_eq(tj_time_text(&a, UINT64_C(1777708800123456789)),
                  "2026-05-02T08:00:00.123456789Z");
    assert_str_eq(tj_time_text(&a, UINT64_C(1777708800120000000)),
                  "2026-05-02T08:00:00.120Z");
    uint64_t ns = 0;
    assert_true(tj_duration_parse(TJ_STR("PT1M2.5S"), &ns));
    assert_true(ns == UINT64_C(62500000000));
    assert_true(tj_duration_parse(TJ_STR("P1DT2H"), &ns));
    assert_true(ns == UINT64_C(93600000000000));
    assert_true(tj_duration_parse(TJ_STR("1.234s"), &ns));
    assert_true(ns == UINT64_C(1234000000));
    assert_false(tj_duration_parse(TJ_STR("P1Y"), &ns));
    assert_false(tj_duration_parse(TJ_STR("P"), &ns));
    assert_str_eq(tj_duration_text(&a, UINT64_C(2500000000)), "2.50s");
    assert_str_eq(tj_duration_text(&a, UINT64_C(185000000000)), "3m05s");
    tj_arena_release(&a);
}

static void files(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    char dir[] = "/tmp/tj-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    tj_str path = tj_str_printf(&a, "%s/a/b/c.txt", dir);
    assert_ok(tj_file_make_parents(path.ptr, &err), err);
    assert_ok(tj_file_write(path.ptr, TJ_STR("hello"), &err), err);
    tj_str back = {0};
    assert_ok(tj_file_read(path.ptr, 5, &a, &back, &err), err);
    assert_str_eq(back, "hello");
    assert_ok(tj_file_append(path.ptr, TJ_STR(", you"), &err), err);
    assert_ok(tj_file_read(path.ptr, 10, &a, &back, &err), err);
    assert_str_eq(back, "hello, you");
    assert_fails(tj_file_append(dir, TJ_STR("x"), &err), err, TJ_E_IO,
                 "is a directory");
    assert_fails(tj_file_read(path.ptr, 4, &a, &back, &err), err, TJ_E_LIMIT,
                 "over 4 bytes");
    assert_fails(tj_file_read("/nonexistent", 4, &a, &back, &err), err, TJ_E_IO,
                 "no such file");
    assert_fails(tj_file_read(dir, 4, &a, &back, &err), err, TJ_E_IO,
                 "is a directory");
    assert_int_equal(unlink(path.ptr), 0);
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path.ptr, '/');
        *slash = '\0';
        assert_int_equal(rmdir(path.ptr), 0);
    }
    assert_int_equal(rmdir(dir), 0);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_numbers),
        cmocka_unit_test(str_cut_and_find),
        cmocka_unit_test(arena_cuts_and_adopts),
        cmocka_unit_test(arena_keeps_contents),
        cmocka_unit_test(vec_and_map),
        cmocka_unit_test(buf_latches_at_its_maximum),
        cmocka_unit_test(err_is_one_printable_line),
        cmocka_unit_test(ids),
        cmocka_unit_test(times),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
