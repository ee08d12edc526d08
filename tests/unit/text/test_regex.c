/* test_regex.c - finding, spellings, refusals, and patterns that blow up
 * elsewhere.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <stdio.h>

#include "base/limits.h"
#include "text/regex.h"

static struct tj_regex *compile(const char *pattern, unsigned flags)
{
    struct tj_err err = {0};
    struct tj_regex *re = tj_regex_new(tj_str_c(pattern), flags, &err);
    if (!re)
        fail_msg("%s: %s", pattern, err.message);
    return re;
}

/* "offset+len offset+len ..." of the matches, as a search tool walks them. */
static tj_str matches(struct tj_arena *a, const char *pattern, unsigned flags,
                      const char *text)
{
    struct tj_regex *re = compile(pattern, flags);
    tj_str all = tj_str_printf(a, "%s", "");
    tj_str s = tj_str_c(text);
    struct tj_match m = {0};
    for (size_t from = 0; from <= s.len && tj_regex_find(re, s, from, &m);
         from = m.offset + (m.len ? m.len : 1))
        all =
            tj_str_printf(a, "%.*s%zu+%zu ", TJ_STR_ARG(all), m.offset, m.len);
    assert_int_equal(tj_regex_test(re, s), all.len > 0);
    tj_regex_free(re);
    return all;
}

struct found {
    const char *pattern;
    unsigned flags;
    const char *text;
    const char *want;
};

static void finding(void **state)
{
    (void)state;
    static const struct found cases[] = {
        {"b+", 0, "abbab", "1+2 4+1 "},
        {"x", 0, "abc", ""},
        {"", 0, "ab", "0+0 1+0 2+0 "},
        {"a*", 0, "", "0+0 "},
        {"ERROR", 0, "error Error", ""},
        {"ERROR", TJ_REGEX_FOLD_CASE, "error Error", "0+5 6+5 "},
        {"\xc3\x89t\xc3\xa9", TJ_REGEX_FOLD_CASE, "\xc3\xa9t\xc3\x89", "0+5 "},
        {"a.c", 0, "a\nc abc", "4+3 "},
        {"a.c", TJ_REGEX_DOT_ALL, "a\nc abc", "0+3 4+3 "},
        {"^b$", 0, "a\nb\nc", ""},
        {"^b$", TJ_REGEX_MULTILINE, "a\nb\nc", "2+1 "},
        {"b$", 0, "ab\n", ""}, /* regex.h, 1 */
        {"b\\n?$", 0, "ab\n", "1+2 "},
        {"b\\Z", 0, "b b", "2+1 "},
        {"a.*b", TJ_REGEX_LITERAL, "a.*b aXb", "0+4 "},
        {"(?=", TJ_REGEX_LITERAL | TJ_REGEX_MULTILINE, "x(?=", "1+3 "},
        {"A+B", TJ_REGEX_LITERAL | TJ_REGEX_FOLD_CASE, "a+b", "0+3 "},
        {".", 0, "\xe2\x82\xac", "0+3 "},
        {"[^a]", 0, "a\xf0\x9f\x98\x80", "1+4 "},
        {"\"k\": \\d+", 0, "{\"k\": 12}", "1+7 "},
    };
    struct tj_arena a = {0};
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        const struct found *c = &cases[i];
        tj_str got = matches(&a, c->pattern, c->flags, c->text);
        if (!tj_str_eq(got, tj_str_c(c->want)))
            fail_msg("/%s/: \"%.*s\", not \"%s\"", c->pattern, TJ_STR_ARG(got),
                     c->want);
    }
    tj_arena_release(&a);
}

/* What is before `from` is context, not a new beginning. */
static void text_before_from_is_seen(void **state)
{
    (void)state;
    struct tj_match m = {0};
    struct tj_regex *word = compile("\\bcat", 0);
    assert_true(tj_regex_find(word, TJ_STR("concat cat"), 3, &m));
    assert_int_equal(m.offset, 7);
    tj_regex_free(word);
    struct tj_regex *start = compile("^a", 0);
    assert_true(tj_regex_find(start, TJ_STR("aa"), 0, &m));
    assert_false(tj_regex_find(start, TJ_STR("aa"), 1, &m));
    tj_regex_free(start);
    struct tj_regex *nul = compile("b", 0);
    assert_true(tj_regex_find(nul, TJ_STR("a\0b"), 0, &m));
    assert_int_equal(m.offset, 2);
    assert_false(tj_regex_find(nul, (tj_str){0}, 0, &m));
    tj_regex_free(nul);
    tj_regex_free(NULL);
}

/* Spellings of Python and PCRE that RE2 writes another way. */
static void spellings(void **state)
{
    (void)state;
    static const struct found cases[] = {
        {"(?P<n>a)b", 0, "ab", "0+2 "},
        {"(?<n>a)b", 0, "ab", "0+2 "},
        {"a(?#why)b", 0, "ab", "0+2 "},
        {"(?i)AB", 0, "ab", "0+2 "},
        {"(?:a|b)+", 0, "abba", "0+4 "},
        {"\\u00e9\\U0001F600", 0, "\xc3\xa9\xf0\x9f\x98\x80", "0+6 "},
        {"[\\u00e0-\\u00ff]", 0, "\xc3\xa9", "0+2 "},
        {"[\\b]", 0, "a\bc", "1+1 "},
        {"a{,2}b", 0, "aaab", "1+3 "},
        {"a{2,}?", 0, "aaaa", "0+2 2+2 "},
        {"a+?b", 0, "aab", "0+3 "},
        {"a{b", 0, "a{b", "0+3 "},
        {"a{,}", 0, "a{,}", "0+4 "},
        {"x{1,2,3}", 0, "x{1,2,3}", "0+8 "},
        {"\\101", 0, "A", "0+1 "},
        {"[]a]+", 0, "]a]", "0+3 "},
        {"[^]]+", 0, "ab]", "0+2 "},
        {"[[:alpha:](?=]+", 0, "a(?=", "0+4 "},
        {"[a\\]*+]+", 0, "]*+a", "0+4 "},
        {"\\Q(?=\\1\\E+", 0, "(?=\\11", "0+6 "},
        {"\\\\1", 0, "\\1", "0+2 "},
        {"\\(?=", 0, "(=", "0+2 "},
        {"a?+b", TJ_REGEX_LITERAL, "a?+b", "0+4 "},
        {"\\++", 0, "++", "0+2 "},
        {"a++?", TJ_REGEX_LITERAL, "a++?", "0+4 "},
        {"a{1000}", 0, "", ""},
    };
    struct tj_arena a = {0};
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        const struct found *c = &cases[i];
        tj_str got = matches(&a, c->pattern, c->flags, c->text);
        if (!tj_str_eq(got, tj_str_c(c->want)))
            fail_msg("/%s/: \"%.*s\", not \"%s\"", c->pattern, TJ_STR_ARG(got),
                     c->want);
    }
    tj_arena_release(&a);
}

struct refused {
    const char *pattern;
    const char *part;
};

static void refusals_name_the_construct(void **state)
{
    (void)state;
    static const struct refused cases[] = {
        {"a(?=b)", "look-ahead is not supported at offset 1: (?="},
        {"a(?!b)", "look-ahead is not supported at offset 1: (?!"},
        {"(?<=a)b", "look-behind is not supported at offset 0: (?<="},
        {"x(?<!a)b", "look-behind is not supported at offset 1: (?<!"},
        {"(a)\\1", "a back-reference is not supported at offset 3: \\1"},
        {"(a)\\12", "a back-reference is not supported at offset 3: \\12"},
        {"(?P<n>a)(?P=n)", "a back-reference is not supported at offset 8"},
        {"(?<n>a)\\k<n>", "a back-reference is not supported at offset 7: \\k"},
        {"(a)\\g{1}", "a back-reference is not supported at offset 3: \\g"},
        {"(?>a)", "an atomic group is not supported at offset 0: (?>"},
        {"(?|a|b)", "a branch reset is not supported at offset 0"},
        {"(a)?(?(1)b)", "a condition is not supported at offset 4"},
        {"(?R)", "recursion is not supported at offset 0"},
        {"a++", "a possessive repeat is not supported at offset 2: +"},
        {"a*+", "a possessive repeat is not supported at offset 2: +"},
        {"a?+", "a possessive repeat is not supported at offset 2: +"},
        {"a{2}+", "a possessive repeat is not supported at offset 4: +"},
        {"xa{1001}", "a repeat is over 1000 at offset 2: {1001}"},
        {"a{1,99999999999999999999}", "a repeat is over 1000 at offset 1"},
        {"a\\Cb", "a single byte is not supported at offset 1: \\C"},
        {"((a{100}){100})", "repeats multiply to over 1000"},
        {"ab[", "a [ has no ] at offset 2: ["},
        {"ab[z-a]", "a bad character range at offset 3: z-a"},
        {"a(b", "a ( has no ) at offset 0: a(b"},
        {"ab)", "a ) has no ("},
        {"a\\", "a \\ has nothing behind it"},
        {"*a", "a repeat has nothing before it at offset 0: *"},
        {"a**", "a repeat of a repeat at offset 1: **"},
        {"a\\y", "unknown escape at offset 1: \\y"},
        {"\\u00", "unknown escape at offset 0: \\u"},
        {"[[:foo:]]", "a bad character range at offset 1: [:foo:]"},
        {"(?#a", "a comment has no end at offset 0"},
        {"(?", "unknown group at offset 0: (?"},
        {"(?z)", "unknown group at offset 0: (?z"},
        {"(?P<1 >a)", "a bad group name at offset 0"},
        {"a\xff", "the pattern is not UTF-8"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_err err = {0};
        tj_str pattern = tj_str_c(cases[i].pattern);
        struct tj_regex *re = tj_regex_new(pattern, 0, &err);
        if (re || !strstr(err.message, cases[i].part))
            fail_msg("/%s/: \"%s\" lacks \"%s\"", cases[i].pattern, err.message,
                     cases[i].part);
        assert_int_equal(err.code, TJ_E_INPUT);
    }
}

static void limits(void **state)
{
    (void)state;
    struct tj_err err = {0};
    struct tj_arena a = {0};
    char *text = tj_arena_zero(&a, TJ_REGEX_PATTERN_BYTES_MAX + 1);
    memset(text, 'a', TJ_REGEX_PATTERN_BYTES_MAX + 1);
    tj_str most = tj_str_make(text, TJ_REGEX_PATTERN_BYTES_MAX);
    struct tj_regex *re = tj_regex_new(most, 0, &err);
    assert_non_null(re);
    tj_regex_free(re);
    most.len++;
    assert_fails(tj_regex_new(most, 0, &err), err, TJ_E_LIMIT,
                 "the pattern is over 4096 bytes");
    /* 2,000 times a class of many ranges does not fit into 8 MB. */
    assert_fails(tj_regex_new(TJ_STR("((\\pL\\pN|\\pS){50}){20}((\\pL\\pN|\\pS)"
                                     "{50}){20}((\\pL\\pN|\\pS){50}){20}"),
                              0, &err),
                 err, TJ_E_LIMIT, "needs more than 8388608 bytes");
    tj_arena_release(&a);
}

/* The patterns that hang a backtracking engine for seconds on 200 KB end on
 * 1 MB; that this test ends is what it asserts. */
static void linear_time(void **state)
{
    (void)state;
    static const char base64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct tj_arena a = {0};
    size_t size = (size_t)1 << 20;
    char *text = tj_arena_alloc(&a, size);
    uint32_t x = 7;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        text[i] = base64[x >> 26];
    }
    tj_str s = tj_str_make(text, size);
    static const char *const patterns[] = {
        "(\\w+\\s)+error", "(a+)+$",
        "(a|aa)+$",        "(.*)*x=",
        "(\\w*)*-",        "^(([a-z])+.)+[A-Z]([a-z])+$-",
        "(x+x+)+y-",       "[A-z]*[A-z]*[A-z]*=",
    };
    for (size_t i = 0; i < TJ_COUNT(patterns); i++) {
        struct tj_regex *re = compile(patterns[i], 0);
        struct tj_match m = {0};
        bool found = tj_regex_find(re, s, 0, &m);
        assert_int_equal(found, tj_regex_test(re, s));
        assert_true(!found || m.offset + m.len == size);
        tj_regex_free(re);
    }
    tj_arena_release(&a);
}

/* Plain text takes another way through; it must not be another answer. */
static void plain_text_is_found_as_by_the_automaton(void **state)
{
    static const char *const texts[] = {"",       "abc", "xabcabc",     "ab",
                                        "a\nabc", "ABC", "abcx\xc3\xa9"};
    struct tj_err err = {0};
    struct tj_regex *plain = tj_regex_new(TJ_STR("abc"), 0, &err);
    struct tj_regex *group = tj_regex_new(TJ_STR("(?:a)bc"), 0, &err);
    struct tj_regex *dots = tj_regex_new(TJ_STR("a.c"), TJ_REGEX_LITERAL, &err);
    assert_non_null(plain);
    assert_non_null(group);
    assert_non_null(dots);
    for (size_t i = 0; i < TJ_COUNT(texts); i++) {
        tj_str text = tj_str_c(texts[i]);
        for (size_t from = 0; from <= text.len; from++) {
            struct tj_match a = {9, 9};
            struct tj_match b = {9, 9};
            assert_int_equal(tj_regex_find(plain, text, from, &a),
                             tj_regex_find(group, text, from, &b));
            assert_int_equal(a.offset, b.offset);
            assert_int_equal(a.len, b.len);
        }
        assert_int_equal(tj_regex_test(plain, text),
                         tj_regex_test(group, text));
    }
    assert_false(tj_regex_test(dots, TJ_STR("abc")));
    assert_true(tj_regex_test(dots, TJ_STR("xa.cx")));
    tj_regex_free(plain);
    tj_regex_free(group);
    tj_regex_free(dots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_found_as_by_the_automaton),
        cmocka_unit_test(finding),
        cmocka_unit_test(text_before_from_is_seen),
        cmocka_unit_test(spellings),
        cmocka_unit_test(refusals_name_the_construct),
        cmocka_unit_test(limits),
        cmocka_unit_test(linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
