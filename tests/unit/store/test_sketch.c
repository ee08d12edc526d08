/* test_sketch.c - what a sketch admits, and that its folding is RE2's.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "base/base.h"
#include "base/buf.h"
#include "store/sketch.h"
#include "text/regex.h"
#include "text/utf8.h"

static tj_str sketch_of(struct tj_arena *a, const char *text)
{
    struct tj_sketch s;
    tj_sketch_init(&s);
    tj_sketch_add_text(&s, tj_str_c(text));
    return tj_sketch_finish(&s, a);
}

static bool admits(struct tj_arena *a, tj_str sketch, const char *text)
{
    struct tj_sketch_ask ask = {0};
    tj_sketch_ask_text(&ask, a, tj_str_c(text));
    return tj_sketch_admits(sketch, &ask);
}

static void admits_what_is_in_it(void **state)
{
    (void)state;
    static const char *const in[] = {"",
                                     "q",
                                     "qu",
                                     "quick",
                                     "QUICK",
                                     "brown fox",
                                     "The",
                                     "fox",
                                     "\xc3\x9c"
                                     "ber",
                                     "\xc3\xbc"
                                     "BER",
                                     "\xe2\x84\xaa"
                                     "elvin",
                                     "\xe6\x97\xa5\xe6\x9c\xac",
                                     "\xc5\x81\xc3\xb3"
                                     "d\xc5\xba"};
    static const char *const out[] = {"quiet", "foxes", "brownfox", "zebra",
                                      "\xe6\x9c\xac\xe6\x97\xa5"};
    struct tj_arena a = {0};
    tj_str sketch = sketch_of(&a, "The Quick brown fox \xc3\xbc"
                                  "ber kelvin "
                                  "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e "
                                  "\xc5\x81\xc3\xb3"
                                  "d\xc5\xba");
    assert_int_equal(sketch.len, TJ_SKETCH_BYTES_MIN);
    for (size_t i = 0; i < TJ_COUNT(in); i++) {
        if (!admits(&a, sketch, in[i]))
            fail_msg("lacks %s", in[i]);
    }
    for (size_t i = 0; i < TJ_COUNT(out); i++) {
        if (admits(&a, sketch, out[i]))
            fail_msg("has %s", out[i]);
    }
    /* No sketch of ours: anything may be in the trace. */
    assert_true(admits(&a, TJ_STR(""), "zebra"));
    assert_true(admits(&a, TJ_STR("123"), "zebra"));
    tj_arena_release(&a);
}

static void terms_are_equal_as_in_filters(void **state)
{
    (void)state;
    static char zeros[301] = "5."; /* longer than other values may be */
    static const char *const equal[] = {"5", "5.0", "5e0", "0.5e1", zeros};
    struct tj_arena a = {0};
    memset(zeros + 2, '0', sizeof zeros - 3);
    for (size_t i = 0; i < TJ_COUNT(equal); i++) {
        struct tj_sketch s;
        tj_sketch_init(&s);
        tj_sketch_add_term(&s, TJ_STR("attributes.n"), tj_str_c(equal[i]));
        tj_sketch_add_term(&s, TJ_STR("attributes.flag"), TJ_STR("true"));
        tj_str sketch = tj_sketch_finish(&s, &a);
        for (size_t k = 0; k < TJ_COUNT(equal); k++) {
            struct tj_sketch_ask ask = {0};
            tj_sketch_ask_term(&ask, &a, TJ_STR("attributes.n"),
                               tj_str_c(equal[k]));
            tj_sketch_ask_term(&ask, &a, TJ_STR("attributes.flag"),
                               TJ_STR("True"));
            assert_true(tj_sketch_admits(sketch, &ask));
        }
        struct tj_sketch_ask other = {0};
        tj_sketch_ask_term(&other, &a, TJ_STR("attributes.m"), TJ_STR("5"));
        assert_false(tj_sketch_admits(sketch, &other));
    }
    tj_arena_release(&a);
}

/* Three of 90 characters, as the number says. */
static tj_str three(struct tj_arena *a, uint64_t n)
{
    n = n * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    return tj_str_printf(a, "%c%c%c", (char)('!' + n % 90),
                         (char)('!' + n / 90 % 90),
                         (char)('!' + n / 8100 % 90));
}

/* Larger texts get larger sketches, up to a size, and all of it stays in. */
static void grows_with_what_is_in_it(void **state)
{
    (void)state;
    static const size_t counts[] = {10, 100, 1000, 10000, 200000};
    size_t last = 0;
    for (size_t n = 0; n < TJ_COUNT(counts); n++) {
        struct tj_arena a = {0};
        struct tj_buf text;
        tj_buf_init(&text, &a, SIZE_MAX);
        for (size_t i = 0; i < counts[n]; i++)
            tj_buf_add(&text, three(&a, i));
        tj_buf_byte(&text, 0);
        tj_str sketch = sketch_of(&a, text.ptr);
        assert_true(sketch.len > last);
        last = sketch.len;
        for (size_t i = 0; i < counts[n]; i += 7)
            assert_true(admits(&a, sketch, three(&a, i).ptr));
        tj_arena_release(&a);
    }
    assert_int_equal(last, TJ_SKETCH_BYTES_MAX);
}

/* Every character that RE2 takes for the same as a known one folds to the
 * same; and a known one without case is the same as itself alone. */
static void check_one(uint32_t code, tj_str all)
{
    bool known;
    uint32_t folded = tj_sketch_fold(code, &known);
    char bytes[4];
    struct tj_err err = {0};
    struct tj_match m;
    if (!known)
        return;
    tj_str one = {bytes, tj_utf8_encode(code, bytes)};
    struct tj_regex *re =
        tj_regex_new(one, TJ_REGEX_LITERAL | TJ_REGEX_FOLD_CASE, &err);
    assert_non_null(re);
    for (size_t from = 0; tj_regex_find(re, all, from, &m);
         from = m.offset + m.len) {
        uint32_t other;
        bool ignored;
        (void)tj_utf8_next(tj_str_slice(all, m.offset, m.len), &other);
        if (tj_sketch_fold(other, &ignored) != folded)
            fail_msg("U+%04X is U+%04X to RE2", (unsigned)other,
                     (unsigned)code);
    }
    tj_regex_free(re);
}

static void folds_as_re2_does(void **state)
{
    (void)state;
    /* Everything that has a case lies below. */
    enum { END = 0x1ea00, CASED_END = 0x0590 };
    struct tj_arena a = {0};
    struct tj_buf all;
    tj_buf_init(&all, &a, SIZE_MAX);
    for (uint32_t c = 1; c < END; c++) {
        if (c < 0xd800 || c > 0xdfff)
            tj_utf8_put(&all, c);
    }
    for (uint32_t c = 1; c < CASED_END; c++)
        check_one(c, tj_buf_str(&all));
    tj_arena_release(&a);
}

/* One class for all of them: nothing outside of it matches. */
static void the_rest_has_no_case(void **state)
{
    (void)state;
    static const char pattern[] =
        "[\\x{590}-\\x{109f}\\x{2000}-\\x{20ff}\\x{2e80}-\\x{a63f}"
        "\\x{ac00}-\\x{d7a3}]";
    struct tj_err err = {0};
    struct tj_regex *re =
        tj_regex_new(tj_str_c(pattern), TJ_REGEX_FOLD_CASE, &err);
    assert_non_null(re);
    for (uint32_t c = 1; c < 0x110000; c++) {
        bool known;
        char bytes[4];
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        uint32_t folded = tj_sketch_fold(c, &known);
        tj_str one = {bytes, tj_utf8_encode(c, bytes)};
        if (tj_regex_test(re, one) && !(known && folded == c))
            fail_msg("U+%04X", (unsigned)c);
        if (known && c >= 0x0590 && folded == c && !tj_regex_test(re, one))
            fail_msg("U+%04X is in no class", (unsigned)c);
    }
    tj_regex_free(re);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admits_what_is_in_it),
        cmocka_unit_test(terms_are_equal_as_in_filters),
        cmocka_unit_test(grows_with_what_is_in_it),
        cmocka_unit_test(folds_as_re2_does),
        cmocka_unit_test(the_rest_has_no_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
