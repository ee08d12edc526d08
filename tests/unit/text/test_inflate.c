/* test_inflate.c - gzip and zlib: members, bombs, every cut and broken bytes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <stdio.h>

#include "base/buf.h"
#include "text/inflate.h"

static const size_t plenty = (size_t)1 << 20;

/* "hello hello hello hello\n" as RFC 1950 has it, made with Python's zlib. */
static const char zlib_hello[] = "\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\x40"
                                 "\x27\xb9\x00\x70\xbe\x08\xbb";

static tj_str filled(struct tj_arena *a, size_t size)
{
    char *text = tj_arena_alloc(a, size);
    uint32_t x = 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        text[i] = (char)("etaoin shrdlu\n{}\":,0"[x >> 28]);
    }
    return tj_str_make(text, size);
}

static void round_trip(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < TJ_COUNT(sizes); i++) {
        tj_str text = filled(&a, sizes[i]);
        tj_str packed = {0};
        tj_str back = {0};
        assert_ok(tj_deflate_gzip(text, &a, &packed, &err), err);
        assert_true(tj_is_gzip(packed));
        /* The ceiling is the size itself: exactly enough is enough. */
        assert_ok(tj_inflate(packed, sizes[i], &a, &back, &err), err);
        assert_true(tj_str_eq(back, text));
    }
    tj_arena_release(&a);
}

static void zlib_is_told_apart(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str out = {0};
    tj_str in = tj_str_make(zlib_hello, sizeof zlib_hello - 1);
    assert_false(tj_is_gzip(in));
    assert_ok(tj_inflate(in, plenty, &a, &out, &err), err);
    assert_str_eq(out, "hello hello hello hello\n");
    assert_fails(tj_inflate(TJ_STR("{\"a\":1}"), plenty, &a, &out, &err), err,
                 TJ_E_INPUT, "offset 0: neither gzip nor zlib");
    assert_fails(tj_inflate(TJ_STR(""), plenty, &a, &out, &err), err,
                 TJ_E_INPUT, "offset 0");
    assert_fails(tj_inflate(TJ_STR("\x1f"), plenty, &a, &out, &err), err,
                 TJ_E_INPUT, "offset 0");
    tj_arena_release(&a);
}

static tj_str join(struct tj_arena *a, tj_str x, tj_str y)
{
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_buf_add(&b, x);
    tj_buf_add(&b, y);
    return tj_buf_str(&b);
}

static void members_are_joined(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str one = {0};
    tj_str two = {0};
    tj_str out = {0};
    assert_ok(tj_deflate_gzip(TJ_STR("first "), &a, &one, &err), err);
    assert_ok(tj_deflate_gzip(TJ_STR("second"), &a, &two, &err), err);
    tj_str both = join(&a, one, two);
    assert_ok(tj_inflate(both, 12, &a, &out, &err), err);
    assert_str_eq(out, "first second");
    /* The ceiling is over all members, not each. */
    assert_fails(tj_inflate(both, 11, &a, &out, &err), err, TJ_E_LIMIT,
                 "over 11 bytes");
    char where[64];
    (void)snprintf(where, sizeof where, "offset %zu: bytes behind", one.len);
    assert_fails(
        tj_inflate(join(&a, one, TJ_STR("garbage")), plenty, &a, &out, &err),
        err, TJ_E_INPUT, where);
    tj_str zlib = tj_str_make(zlib_hello, sizeof zlib_hello - 1);
    assert_fails(tj_inflate(join(&a, zlib, one), plenty, &a, &out, &err), err,
                 TJ_E_INPUT, "bytes behind");
    tj_arena_release(&a);
}

static void bombs_end_at_the_ceiling(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str bomb = {0};
    tj_str out = TJ_STR("untouched");
    size_t size = (size_t)64 << 20;
    tj_str zeros = tj_str_make(tj_arena_zero(&a, size), size);
    assert_ok(tj_deflate_gzip(zeros, &a, &bomb, &err), err);
    assert_true(bomb.len < size / 500);
    struct tj_arena small = {0};
    assert_fails(tj_inflate(bomb, plenty, &small, &out, &err), err, TJ_E_LIMIT,
                 "decompressed data is over 1048576 bytes");
    assert_str_eq(out, "untouched");
    assert_true(small.used_bytes <= 2 * plenty);
    assert_fails(tj_inflate(bomb, size - 1, &small, &out, &err), err,
                 TJ_E_LIMIT, "over");
    assert_fails(tj_inflate(bomb, 0, &small, &out, &err), err, TJ_E_LIMIT,
                 "over 0 bytes");
    tj_arena_release(&small);
    tj_arena_release(&a);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str packed = {0};
    tj_str out = {0};
    assert_ok(tj_deflate_gzip(filled(&a, 300), &a, &packed, &err), err);
    for (size_t n = 2; n < packed.len; n++) {
        char where[64];
        (void)snprintf(where, sizeof where, "offset %zu: ", n);
        assert_fails(
            tj_inflate(tj_str_slice(packed, 0, n), plenty, &a, &out, &err), err,
            TJ_E_INPUT, where);
    }
    tj_arena_release(&a);
}

static void broken_bytes_are_refused(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str packed = {0};
    tj_str out = {0};
    tj_str text = filled(&a, 300);
    assert_ok(tj_deflate_gzip(text, &a, &packed, &err), err);
    char *copy = tj_cstr(&a, packed);
    for (size_t i = 0; i < packed.len; i++) {
        copy[i] ^= 0x55;
        /* Time stamp, flags and OS in the header change nothing. */
        if (tj_inflate(tj_str_make(copy, packed.len), plenty, &a, &out, &err))
            assert_true(i < 10 && tj_str_eq(out, text));
        else
            assert_int_equal(err.code, TJ_E_INPUT);
        copy[i] ^= 0x55;
    }
    copy[packed.len - 1] ^= 1;
    assert_fails(
        tj_inflate(tj_str_make(copy, packed.len), plenty, &a, &out, &err), err,
        TJ_E_INPUT, "incorrect length check");
    /* A zlib stream that wants a dictionary we do not have. */
    assert_fails(tj_inflate(TJ_STR("\x78\xbb\x01\x02\x03\x04\x05"), plenty, &a,
                            &out, &err),
                 err, TJ_E_INPUT, "dictionary");
    tj_arena_release(&a);
}

/* "hello" as a bare deflate stream (RFC 1951), made with Python's zlib. */
static const char bare_hello[] = "\xcb\x48\xcd\xc9\xc9\x07\x00";

static void http_deflate_is_either(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str out = {0};
    tj_str bare = tj_str_make(bare_hello, sizeof bare_hello - 1);
    tj_str zlib = tj_str_make(zlib_hello, sizeof zlib_hello - 1);
    assert_ok(tj_inflate_http(bare, 5, &a, &out, &err), err);
    assert_str_eq(out, "hello");
    assert_fails(tj_inflate_http(bare, 4, &a, &out, &err), err, TJ_E_LIMIT,
                 "decompressed data");
    assert_ok(tj_inflate_http(zlib, plenty, &a, &out, &err), err);
    assert_str_eq(out, "hello hello hello hello\n");
    for (size_t cut = 0; cut < bare.len; cut++)
        assert_fails(
            tj_inflate_http(tj_str_slice(bare, 0, cut), plenty, &a, &out, &err),
            err, TJ_E_INPUT, "offset");
    assert_fails(
        tj_inflate_http(join(&a, bare, TJ_STR("x")), plenty, &a, &out, &err),
        err, TJ_E_INPUT, "behind the compressed data");
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(zlib_is_told_apart),
        cmocka_unit_test(members_are_joined),
        cmocka_unit_test(bombs_end_at_the_ceiling),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(broken_bytes_are_refused),
        cmocka_unit_test(http_deflate_is_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
