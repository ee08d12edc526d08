/* test_utf8.c - checking, repairing, clipping and showing UTF-8.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "text/utf8.h"

#define FFFD "\xEF\xBF\xBD"

static void repairs_maximal_parts(void **state)
{
    (void)state;
    static const struct {
        tj_str text;
        size_t valid;
        const char *repaired;
    } cases[] = {
        {TJ_STR_INIT(""), 0, ""},
        {TJ_STR_INIT("plain ascii of more than sixteen bytes"), 38,
         "plain ascii of more than sixteen bytes"},
        {TJ_STR_INIT("\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF"), 10,
         "\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF"},
        {TJ_STR_INIT("\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), 11,
         "\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
        {TJ_STR_INIT("\x80"), 0, FFFD},
        {TJ_STR_INIT("a\xC0\xAF"), 1, "a" FFFD FFFD},
        {TJ_STR_INIT("\xC1\xBF"), 0, FFFD FFFD},
        {TJ_STR_INIT("\xE0\x80\x80"), 0, FFFD FFFD FFFD},
        {TJ_STR_INIT("\xE0\x9F\xBF"), 0, FFFD FFFD FFFD},
        {TJ_STR_INIT("\xED\xA0\x80"), 0, FFFD FFFD FFFD},
        {TJ_STR_INIT("\xF0\x8F\xBF\xBF"), 0, FFFD FFFD FFFD FFFD},
        {TJ_STR_INIT("\xF4\x90\x80\x80"), 0, FFFD FFFD FFFD FFFD},
        {TJ_STR_INIT("\xF5\x80\x80\x80"), 0, FFFD FFFD FFFD FFFD},
        {TJ_STR_INIT("\xFE\xFF"), 0, FFFD FFFD},
        /* the standard's own example, table 3-8 */
        {TJ_STR_INIT("a\xF1\x80\x80\xE1\x80\xC2"
                     "b\x80"
                     "c\x80\xBF"
                     "d"),
         1, "a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d"},
        {TJ_STR_INIT("ok\xE2\x82"), 2, "ok" FFFD},
        {TJ_STR_INIT("\xF0\x9F\x98"), 0, FFFD},
        {TJ_STR_INIT("0123456789abcdef0123\xFF"), 20,
         "0123456789abcdef0123" FFFD},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        /* A copy of just these bytes, so that a sanitizer sees one too far. */
        size_t len = cases[i].text.len;
        char *copy = malloc(len + !len);
        memcpy(copy, cases[i].text.ptr, len);
        tj_str text = tj_str_make(copy, len);
        assert_int_equal(tj_utf8_valid(text), cases[i].valid);
        tj_str repaired = tj_utf8_repair(&a, text);
        assert_str_eq(repaired, cases[i].repaired);
        if (cases[i].valid == len)
            assert_ptr_equal(repaired.ptr, copy);
        assert_int_equal(tj_utf8_valid(repaired), repaired.len);
        free(copy);
        tj_arena_release(&a);
    }
}

/* Every code point: encode, decode, be valid; every surrogate is not. */
static void knows_every_character(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x110000; code++) {
        char bytes[4];
        size_t n = tj_utf8_encode(code, bytes);
        uint32_t back = 0;
        assert_int_equal(tj_utf8_next(tj_str_make(bytes, n), &back), n);
        bool none = (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF;
        assert_int_equal(back, none ? 0xFFFD : code);
        assert_int_equal(tj_utf8_valid(tj_str_make(bytes, n)), n);
        assert_int_equal(tj_utf8_count(tj_str_make(bytes, n)), 1);
        for (size_t i = 1; i < n; i++) {
            assert_int_equal(tj_utf8_valid(tj_str_make(bytes, i)), 0);
            assert_false(tj_utf8_is_boundary(tj_str_make(bytes, n), i));
        }
    }
}

static void clips_on_characters(void **state)
{
    (void)state;
    tj_str s = TJ_STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < TJ_COUNT(want); max++)
        assert_int_equal(tj_utf8_clip(s, max).len, want[max]);
    /* Not UTF-8 at all: cut where asked rather than eaten up. */
    assert_int_equal(tj_utf8_clip(TJ_STR("\x80\x80\x80\x80\x80\x80"), 5).len,
                     5);
    assert_int_equal(tj_utf8_clip(TJ_STR("\x80\x80"), 0).len, 0);
}

static void shows_nothing_unsafe(void **state)
{
    (void)state;
    static const struct {
        tj_str text;
        const char *fold, *keep;
    } cases[] = {
        {{NULL, 0}, "", ""},
        {TJ_STR_INIT("plain"), "plain", "plain"},
        {TJ_STR_INIT("a\nb\tc"), "a b c", "a\nb\tc"},
        {TJ_STR_INIT("a\r\nb"), "a b", "a\nb"},
        {TJ_STR_INIT("over\rwrite"), "over write", "over\\x0dwrite"},
        {TJ_STR_INIT("\x1B[31mred"), "\\x1b[31mred", "\\x1b[31mred"},
        {TJ_STR_INIT("\x1B]0;title\x07"), "\\x1b]0;title\\x07",
         "\\x1b]0;title\\x07"},
        {TJ_STR_INIT("\xC2\x9B"
                     "31m"),
         FFFD "31m", FFFD "31m"},
        {TJ_STR_INIT("\x9B"
                     "31m"),
         FFFD "31m", FFFD "31m"},
        {TJ_STR_INIT("a\0b\x7F"), "a\\x00b\\x7f", "a\\x00b\\x7f"},
        {TJ_STR_INIT("\xE2\x80\xAE"
                     "evil\xE2\x81\xA6"),
         FFFD "evil" FFFD, FFFD "evil" FFFD},
        {TJ_STR_INIT("\xF3\xA0\x81\x81"), FFFD, FFFD},
        {TJ_STR_INIT("caf\xC3\xA9 \xF0\x9F\x98\x80"),
         "caf\xC3\xA9 \xF0\x9F\x98\x80", "caf\xC3\xA9 \xF0\x9F\x98\x80"},
        {TJ_STR_INIT("\xE2\x82"), FFFD, FFFD},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        struct tj_buf out;
        tj_buf_init(&out, &a, 4096);
        tj_utf8_put_safe(&out, cases[i].text, TJ_BREAKS_FOLD);
        assert_str_eq(tj_buf_str(&out), cases[i].fold);
        tj_buf_clear(&out);
        tj_utf8_put_safe(&out, cases[i].text, TJ_BREAKS_KEEP);
        assert_str_eq(tj_buf_str(&out), cases[i].keep);
        tj_arena_release(&a);
    }
}

/* Whatever bytes there are, no control but \n and \t gets through. */
static void never_shows_a_control(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 2000; i++) {
        char bytes[64];
        for (size_t j = 0; j < sizeof bytes; j++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[j] = (char)(seed >> 24);
        }
        struct tj_buf out;
        tj_buf_init(&out, &a, 4096);
        tj_utf8_put_safe(&out, tj_str_make(bytes, sizeof bytes),
                         TJ_BREAKS_KEEP);
        tj_str s = tj_buf_str(&out);
        assert_int_equal(tj_utf8_valid(s), s.len);
        while (s.len) {
            uint32_t code = 0;
            size_t n = tj_utf8_next(s, &code);
            assert_true(code >= 0x20 || code == '\n' || code == '\t');
            assert_false(code >= 0x7F && code < 0xA0);
            s = tj_str_slice(s, n, s.len);
        }
        tj_arena_reset(&a);
    }
    tj_arena_release(&a);
}

static void counts_columns(void **state)
{
    (void)state;
    static const struct {
        tj_str text;
        size_t columns;
    } cases[] = {
        {TJ_STR_INIT(""), 0},
        {TJ_STR_INIT("abc"), 3},
        {TJ_STR_INIT("caf\xC3\xA9"), 4},
        {TJ_STR_INIT("cafe\xCC\x81"), 4},             /* combining */
        {TJ_STR_INIT("\xE6\x97\xA5\xE6\x9C\xAC"), 4}, /* CJK */
        {TJ_STR_INIT("\xEF\xBC\xA1"), 2},             /* fullwidth */
        {TJ_STR_INIT("\xED\x95\x9C"), 2},             /* Hangul */
        {TJ_STR_INIT("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), 2}, /* jamo */
        {TJ_STR_INIT("\xF0\x9F\x98\x80"), 2},                     /* emoji */
        {TJ_STR_INIT("\xE2\x9D\xA4\xEF\xB8\x8F"), 2}, /* heart, as picture */
        {TJ_STR_INIT("\xE2\x9D\xA4"), 1},
        {TJ_STR_INIT("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB"), 2},
        {TJ_STR_INIT("a\xE2\x80\x8D"
                     "b"),
         2},
        {TJ_STR_INIT("\xE2\x94\x80\xE2\x94\x82"), 2}, /* box drawing */
        {TJ_STR_INIT("\xF0\xA0\x80\x80"), 2},         /* plane 2 */
        {TJ_STR_INIT("\xE2\x80\x8B"), 0},             /* zero width space */
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++)
        if (tj_utf8_columns(cases[i].text) != cases[i].columns)
            fail_msg("\"%.*s\" is %zu columns", TJ_STR_ARG(cases[i].text),
                     tj_utf8_columns(cases[i].text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repairs_maximal_parts),
        cmocka_unit_test(knows_every_character),
        cmocka_unit_test(clips_on_characters),
        cmocka_unit_test(shows_nothing_unsafe),
        cmocka_unit_test(never_shows_a_control),
        cmocka_unit_test(counts_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
