/* test_zstd.c - stored frames: sizes, windows, flipped bits, hostile claims.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <stdio.h>

#include "base/limits.h"
#include "text/zstd.h"

/* RFC 8878 by hand: magic, single segment with an 8-byte content size of
 * 1 GB, one last RLE block of 1 byte. */
static const char bomb[] = "\x28\xb5\x2f\xfd\xe0"
                           "\x00\x00\x00\x40\x00\x00\x00\x00"
                           "\x0b\x00\x00"
                           "z";

static tj_str noise(struct tj_arena *a, size_t size)
{
    char *text = tj_arena_alloc(a, size);
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        text[i] = (char)x;
    }
    return tj_str_make(text, size);
}

static void round_trip(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_zstd *z = tj_zstd_new();
    size_t sizes[] = {0, 1, 1000, 200000};
    int levels[] = {1, 3, 19};
    for (size_t i = 0; i < TJ_COUNT(sizes) * TJ_COUNT(levels); i++) {
        tj_str text = noise(&a, sizes[i / TJ_COUNT(levels)]);
        tj_str frame = {0};
        tj_str back = {0};
        assert_ok(tj_zstd_write(z, text, levels[i % TJ_COUNT(levels)],
                                TJ_ZSTD_WINDOW_DEFAULT, &a, &frame, &err),
                  err);
        assert_ok(tj_zstd_read(z, frame, text.len, &a, &back, &err), err);
        assert_true(tj_str_eq(back, text));
    }
    tj_zstd_free(z);
    tj_zstd_free(NULL);
    tj_arena_release(&a);
}

/* Two copies of noise, further apart than level 1 can see: only the long
 * window finds the repeat.  And the parameter does not stick. */
static void long_window_sees_far(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_zstd *z = tj_zstd_new();
    size_t half = (size_t)3 << 20;
    tj_str one = noise(&a, half);
    char *two = tj_arena_alloc(&a, 2 * half);
    memcpy(two, one.ptr, half);
    memcpy(two + half, one.ptr, half);
    tj_str text = tj_str_make(two, 2 * half);
    tj_str far = {0};
    tj_str near = {0};
    tj_str back = {0};
    assert_ok(tj_zstd_write(z, text, 1, TJ_ZSTD_WINDOW_LONG, &a, &far, &err),
              err);
    assert_ok(
        tj_zstd_write(z, text, 1, TJ_ZSTD_WINDOW_DEFAULT, &a, &near, &err),
        err);
    assert_true(far.len < half + half / 10);
    assert_true(near.len > 2 * half - half / 10);
    assert_ok(tj_zstd_read(z, far, text.len, &a, &back, &err), err);
    assert_true(tj_str_eq(back, text));
    tj_zstd_free(z);
    tj_arena_release(&a);
}

static void bad_frames_are_refused(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_zstd *z = tj_zstd_new();
    tj_str text = noise(&a, 500);
    tj_str frame = {0};
    tj_str out = TJ_STR("untouched");
    assert_ok(
        tj_zstd_write(z, text, 3, TJ_ZSTD_WINDOW_DEFAULT, &a, &frame, &err),
        err);
    assert_fails(tj_zstd_read(z, frame, 499, &a, &out, &err), err, TJ_E_INPUT,
                 "not of 499 bytes");
    assert_fails(tj_zstd_read(z, frame, 501, &a, &out, &err), err, TJ_E_INPUT,
                 "not of 501 bytes");
    assert_fails(tj_zstd_read(z, TJ_STR("{}"), 2, &a, &out, &err), err,
                 TJ_E_INPUT, "offset 0: no zstd frame");
    assert_fails(tj_zstd_read(z, TJ_STR(""), 0, &a, &out, &err), err,
                 TJ_E_INPUT, "offset 0: no zstd frame");
    for (size_t n = 0; n < frame.len; n++)
        assert_fails(
            tj_zstd_read(z, tj_str_slice(frame, 0, n), 500, &a, &out, &err),
            err, TJ_E_INPUT, "offset ");
    tj_str longer = tj_str_make(tj_cstr(&a, frame), frame.len + 1);
    assert_fails(tj_zstd_read(z, longer, 500, &a, &out, &err), err, TJ_E_INPUT,
                 "bytes behind the zstd frame");
    assert_str_eq(out, "untouched");
    tj_zstd_free(z);
    tj_arena_release(&a);
}

/* The checksum: no flipped bit of the contents goes unseen. */
static void flipped_bits_are_seen(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_zstd *z = tj_zstd_new();
    tj_str text = noise(&a, 300);
    tj_str frame = {0};
    tj_str out = {0};
    assert_ok(
        tj_zstd_write(z, text, 3, TJ_ZSTD_WINDOW_DEFAULT, &a, &frame, &err),
        err);
    char *copy = tj_cstr(&a, frame);
    for (size_t i = 0; i < frame.len * 8; i++) {
        copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
        if (tj_zstd_read(z, tj_str_make(copy, frame.len), 300, &a, &out, &err))
            assert_true(tj_str_eq(out, text));
        else
            assert_int_equal(err.code, TJ_E_INPUT);
        copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
    }
    /* And a good frame still reads with the same codec. */
    assert_ok(tj_zstd_read(z, frame, 300, &a, &out, &err), err);
    tj_zstd_free(z);
    tj_arena_release(&a);
}

static void claims_cost_no_memory(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_zstd *z = tj_zstd_new();
    tj_str out = {0};
    tj_str in = tj_str_make(bomb, sizeof bomb - 1);
    assert_fails(tj_zstd_read(z, in, (size_t)1 << 30, &a, &out, &err), err,
                 TJ_E_INPUT, "cannot be in a zstd frame of 17");
    assert_fails(tj_zstd_read(z, in, TJ_ZSTD_BYTES_MAX + 1, &a, &out, &err),
                 err, TJ_E_LIMIT, "over 2147483648 bytes");
    assert_int_equal(a.used_bytes, 0);
    tj_zstd_free(z);
    tj_arena_release(&a);
}

/* As clients send it: frames in a row, each cut, each ceiling. */
static void http_bodies(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_zstd *z = tj_zstd_new();
    tj_str text = tj_str_printf(&a, "%0300000d", 7);
    tj_str frame = {0};
    tj_str out = {0};
    assert_ok(
        tj_zstd_write(z, text, 3, TJ_ZSTD_WINDOW_DEFAULT, &a, &frame, &err),
        err);
    assert_ok(tj_zstd_read_http(frame, text.len, &a, &out, &err), err);
    assert_true(tj_str_eq(out, text));
    assert_fails(tj_zstd_read_http(frame, text.len - 1, &a, &out, &err), err,
                 TJ_E_LIMIT, "decompressed data");
    char *two = tj_arena_alloc(&a, 2 * frame.len);
    memcpy(two, frame.ptr, frame.len);
    memcpy(two + frame.len, frame.ptr, frame.len);
    assert_ok(tj_zstd_read_http(tj_str_make(two, 2 * frame.len), 1 << 20, &a,
                                &out, &err),
              err);
    assert_int_equal(out.len, 2 * text.len);
    for (size_t cut = 0; cut < frame.len; cut++)
        assert_fails(tj_zstd_read_http(tj_str_slice(frame, 0, cut), 1 << 20, &a,
                                       &out, &err),
                     err, TJ_E_INPUT, "offset");
    assert_fails(tj_zstd_read_http(TJ_STR("garbage"), 100, &a, &out, &err), err,
                 TJ_E_INPUT, "broken zstd data");
    tj_str bomb_frame = tj_str_make(bomb, sizeof bomb - 1);
    assert_false(tj_zstd_read_http(bomb_frame, 1000, &a, &out, &err));
    tj_zstd_free(z);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(long_window_sees_far),
        cmocka_unit_test(bad_frames_are_refused),
        cmocka_unit_test(flipped_bits_are_seen),
        cmocka_unit_test(claims_cost_no_memory),
        cmocka_unit_test(http_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
