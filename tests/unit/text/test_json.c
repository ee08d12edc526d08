/* test_json.c - the JSON reader: what it takes, what it refuses and where.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "text/json.h"
#include "text/json_write.h"

/* text -> what the compact writer makes of it; NULL: refused. */
struct good {
    tj_str text;
    const char *written;
};

#define GOOD(text, written)                                                    \
    {                                                                          \
        TJ_STR_INIT(text), written                                             \
    }

static const struct good good[] = {
    GOOD("null", "null"),
    GOOD(" \t\r\n true \n", "true"),
    GOOD("false", "false"),
    GOOD("0", "0"),
    GOOD("-0", "-0"),
    GOOD("-0.0", "-0.0"),
    GOOD("123", "123"),
    GOOD("1.50", "1.50"),
    GOOD("1e5", "1e5"),
    GOOD("1E+05", "1E+05"),
    GOOD("-1.25e-3", "-1.25e-3"),
    GOOD("1180591620717411303424", "1180591620717411303424"),
    GOOD("NaN", "null"),
    GOOD("[Infinity, -Infinity,1e999]", "[null,null,1e999]"),
    GOOD("\"\"", "\"\""),
    GOOD("\"abc\"", "\"abc\""),
    GOOD("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""),
    GOOD("\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", "\"A\xC3\xA9\xE2\x82\xAC"
                                                    "\xF0\x9F\x98\x80\""),
    GOOD("\"a\\u0000b\"", "\"a\\u0000b\""),
    GOOD("\"\x7F\"", "\"\\u007f\""),
    GOOD("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
         "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""),
    GOOD("\"\\uFFFF\\uFDD0\"", "\"\xEF\xBF\xBF\xEF\xB7\x90\""),
    GOOD("[]", "[]"),
    GOOD("{}", "{}"),
    GOOD("[[],{},[[]]]", "[[],{},[[]]]"),
    GOOD("{\"a\":{},\"b\":[1,2,{\"c\":null}],\"d\":\"e\"}",
         "{\"a\":{},\"b\":[1,2,{\"c\":null}],\"d\":\"e\"}"),
    GOOD(" [ 1 , 2 , { \"a\" : 3 } ] ", "[1,2,{\"a\":3}]"),
    GOOD("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}"),
    GOOD("{\"\":0}", "{\"\":0}"),
    GOOD("{\"a\\u0062\":1}", "{\"ab\":1}"),
    GOOD("\xEF\xBB\xBF[1]", "[1]"),
    GOOD("\"0123456789abcdef0123456789abcdef0123456789abcdef\\n\"",
         "\"0123456789abcdef0123456789abcdef0123456789abcdef\\n\""),
};

static const struct good repaired[] = {
    GOOD("\"\\ud800\"", "\"\xEF\xBF\xBD\""),
    GOOD("\"\\udc00x\"", "\"\xEF\xBF\xBDx\""),
    GOOD("\"\\ud800\\ud800\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""),
    GOOD("\"\\ud800\\u0041\"", "\"\xEF\xBF\xBD"
                               "A\""),
    GOOD("\"\\ud800\\n\"", "\"\xEF\xBF\xBD\\n\""),
    GOOD("\"\\uDC00\\uD800\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""),
    GOOD("\"\xFF\"", "\"\xEF\xBF\xBD\""),
    GOOD("\"a\x80z\"", "\"a\xEF\xBF\xBDz\""),
    GOOD("\"\xC0\xAF\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""),
    GOOD("\"\xE2\x82\"", "\"\xEF\xBF\xBD\""),
    GOOD("\"\xE2\x82\xE2\x82\xAC\"", "\"\xEF\xBF\xBD\xE2\x82\xAC\""),
    GOOD("\"\xED\xA0\x80\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""),
    GOOD("\"\xF4\x90\x80\x80\"",
         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""),
    GOOD("{\"k\xFF\":1}", "{\"k\xEF\xBF\xBD\":1}"),
};

static void check_good(const struct good *cases, size_t count, bool bad_text)
{
    for (size_t i = 0; i < count; i++) {
        struct tj_arena a = {0};
        struct tj_err err = {0};
        struct tj_json_doc doc = {0};
        assert_ok(tj_json_parse(cases[i].text, &a, &doc, &err), err);
        assert_int_equal(doc.repaired, bad_text);
        struct tj_buf out;
        tj_buf_init(&out, &a, 1 << 20);
        tj_json_write(&out, doc.root, TJ_JSON_COMPACT);
        assert_str_eq(tj_buf_str(&out), cases[i].written);
        tj_arena_release(&a);
    }
}

static void takes_good_documents(void **state)
{
    (void)state;
    check_good(good, TJ_COUNT(good), false);
}

static void repairs_bad_text(void **state)
{
    (void)state;
    check_good(repaired, TJ_COUNT(repaired), true);
}

static const struct bad {
    tj_str text;
    const char *message;
} bad[] = {
#define BAD(text, message)                                                     \
    {                                                                          \
        TJ_STR_INIT(text), message                                             \
    }
    BAD("", "offset 0: expected a value, found the end"),
    BAD("  \n", "offset 3: expected a value, found the end"),
    BAD("\xEF\xBB\xBF", "offset 3: expected a value, found the end"),
    BAD("nul", "offset 0: expected a value, found 'n'"),
    BAD("nan", "offset 0: expected a value, found 'n'"),
    BAD("True", "offset 0: expected a value, found 'T'"),
    BAD("'a'", "offset 0: expected a value, found '''"),
    BAD("#\"a\"#", "offset 0: expected a value, found '#'"),
    BAD("\x01", "offset 0: expected a value, found byte 0x01"),
    BAD("\xFF", "offset 0: expected a value, found byte 0xff"),
    BAD("\0", "offset 0: expected a value, found byte 0x00"),
    BAD("1\0", "offset 1: expected nothing after the value, found byte 0x00"),
    BAD("1 2", "offset 2: expected nothing after the value, found '2'"),
    BAD("[]]", "offset 2: expected nothing after the value, found ']'"),
    BAD("01", "offset 1: expected no digit after a leading 0, found '1'"),
    BAD("-01", "offset 2: expected no digit after a leading 0, found '1'"),
    BAD("-", "offset 1: expected a digit, found the end"),
    BAD("-a", "offset 1: expected a digit, found 'a'"),
    BAD("-NaN", "offset 1: expected a digit, found 'N'"),
    BAD("+1", "offset 0: expected a value, found '+'"),
    BAD(".5", "offset 0: expected a value, found '.'"),
    BAD("1.", "offset 2: expected a digit, found the end"),
    BAD("1.e3", "offset 2: expected a digit, found 'e'"),
    BAD("1e", "offset 2: expected a digit, found the end"),
    BAD("1e+", "offset 3: expected a digit, found the end"),
    BAD("0x10", "offset 1: expected nothing after the value, found 'x'"),
    BAD("1_000", "offset 1: expected nothing after the value, found '_'"),
    BAD("[", "offset 1: expected a value, found the end"),
    BAD("[1", "offset 2: expected ',' or ']', found the end"),
    BAD("[1 2]", "offset 3: expected ',' or ']', found '2'"),
    BAD("[1,]", "offset 3: expected a value, found ']'"),
    BAD("[,1]", "offset 1: expected a value, found ','"),
    BAD("[1}", "offset 2: expected ',' or ']', found '}'"),
    BAD("[1,/*x*/2]", "offset 3: expected a value, found '/'"),
    BAD("{", "offset 1: expected a key or '}', found the end"),
    BAD("{1:2}", "offset 1: expected a key or '}', found '1'"),
    BAD("{a:2}", "offset 1: expected a key or '}', found 'a'"),
    BAD("{\"a\"", "offset 4: expected ':', found the end"),
    BAD("{\"a\" 1}", "offset 5: expected ':', found '1'"),
    BAD("{\"a\":}", "offset 5: expected a value, found '}'"),
    BAD("{\"a\":1", "offset 6: expected ',' or '}', found the end"),
    BAD("{\"a\":1,}", "offset 7: expected a key, found '}'"),
    BAD("{\"a\":1 \"b\":2}", "offset 7: expected ',' or '}', found '\"'"),
    BAD("{\"a\":1]", "offset 6: expected ',' or '}', found ']'"),
    BAD("\"abc", "offset 4: expected '\"', found the end"),
    BAD("\"\\\"", "offset 3: expected '\"', found the end"),
    BAD("\"\\", "offset 2: expected one of \"\\/bfnrtu after '\\', found the"),
    BAD("\"\\x41\"", "offset 2: expected one of \"\\/bfnrtu after '\\', found"),
    BAD("\"\\u12\"", "offset 3: expected four hex digits"),
    BAD("\"\\u12G4\"", "offset 3: expected four hex digits"),
    BAD("\"\\u", "offset 3: expected four hex digits, found the end"),
    BAD("\"a\nb\"", "offset 2: expected no raw control character in a string, "
                    "found byte 0x0a"),
    BAD("\"\\n\0\"", "offset 3: expected no raw control character"),
    BAD("\"0123456789abcdef0\x1F\"", "offset 18: expected no raw control"),
    BAD("[\"a\", \"b\xC3\xA9\", tru]",
        "offset 13: expected a value, found 't'"),
};

static void refuses_bad_documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(bad); i++) {
        struct tj_arena a = {0};
        struct tj_err err;
        struct tj_json_doc doc = {.node_count = 77};
        /* A copy of just these bytes, so that a sanitizer sees one too far. */
        char *copy = malloc(bad[i].text.len + !bad[i].text.len);
        memcpy(copy, bad[i].text.ptr, bad[i].text.len);
        tj_str text = tj_str_make(copy, bad[i].text.len);
        assert_fails(tj_json_parse(text, &a, &doc, &err), err, TJ_E_INPUT,
                     bad[i].message);
        assert_int_equal(doc.node_count, 77);
        free(copy);
        tj_arena_release(&a);
    }
}

/* Every prefix of a document with everything in it is refused, at its end. */
static void refuses_every_prefix(void **state)
{
    (void)state;
    tj_str whole = TJ_STR("{\"k\\u00e9y\":[1,-2.5e3,true,null,\"a\\n\xE2\x82"
                          "\xAC\\ud83d\\ude00 and a longer tail of text\"],"
                          "\"o\":{\"p\":{}}}");
    for (size_t n = 0; n < whole.len; n++) {
        struct tj_arena a = {0};
        struct tj_err err;
        struct tj_json_doc doc = {0};
        char *copy = malloc(n + 1);
        memcpy(copy, whole.ptr, n);
        assert_fails(tj_json_parse(tj_str_make(copy, n), &a, &doc, &err), err,
                     TJ_E_INPUT, "offset");
        free(copy);
        tj_arena_release(&a);
    }
}

static char *nested(size_t depth, const char *opens, const char *closes)
{
    size_t n = strlen(opens);
    size_t m = strlen(closes);
    char *text = malloc(depth * (n + m) + 1);
    for (size_t i = 0; i < depth; i++)
        memcpy(text + i * n, opens, n);
    for (size_t i = 0; i < depth; i++)
        memcpy(text + depth * n + i * m, closes, m);
    text[depth * (n + m)] = '\0';
    return text;
}

static void limits_depth(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    char *text = nested(TJ_JSON_DEPTH_MAX, "[", "]");
    assert_ok(tj_json_parse(tj_str_c(text), &a, &doc, &err), err);
    assert_int_equal(doc.node_count, TJ_JSON_DEPTH_MAX);
    assert_true(tj_json_eq(doc.root, doc.root));
    free(text);
    text = nested(TJ_JSON_DEPTH_MAX + 1, "[", "]");
    assert_fails(tj_json_parse(tj_str_c(text), &a, &doc, &err), err, TJ_E_LIMIT,
                 "offset 512: nesting is over TJ_JSON_DEPTH_MAX");
    free(text);
    text = nested(1000000, "{\"a\":", "");
    assert_fails(tj_json_parse(tj_str_c(text), &a, &doc, &err), err, TJ_E_LIMIT,
                 "TJ_JSON_DEPTH_MAX (512)");
    free(text);
    text = nested(1000000, "[", "");
    assert_fails(tj_json_parse(tj_str_c(text), &a, &doc, &err), err, TJ_E_LIMIT,
                 "offset 512");
    free(text);
    assert_true(a.used_bytes < 64 * 1024);
    tj_arena_release(&a);
}

static const struct tj_json *parse(struct tj_arena *a, const char *text)
{
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    assert_ok(tj_json_parse(tj_str_c(text), a, &doc, &err), err);
    return doc.root;
}

static void keeps_numbers_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum tj_json_type type;
        bool is_i64, is_u64;
        int64_t i64;
        uint64_t u64;
    } cases[] = {
        {"0", TJ_JSON_INT, true, true, 0, 0},
        {"-0", TJ_JSON_INT, true, true, 0, 0},
        {"9007199254740993", TJ_JSON_INT, true, true, 9007199254740993,
         9007199254740993},
        {"9223372036854775807", TJ_JSON_INT, true, true, INT64_MAX, INT64_MAX},
        {"9223372036854775808", TJ_JSON_UINT, false, true, 0,
         UINT64_C(9223372036854775808)},
        {"18446744073709551615", TJ_JSON_UINT, false, true, 0, UINT64_MAX},
        {"18446744073709551616", TJ_JSON_DOUBLE, false, false, 0, 0},
        {"-9223372036854775808", TJ_JSON_INT, true, false, INT64_MIN, 0},
        {"-9223372036854775809", TJ_JSON_DOUBLE, false, false, 0, 0},
        {"-1", TJ_JSON_INT, true, false, -1, 0},
        {"1.0", TJ_JSON_DOUBLE, true, true, 1, 1},
        {"1.5", TJ_JSON_DOUBLE, false, false, 0, 0},
        {"1e3", TJ_JSON_DOUBLE, true, true, 1000, 1000},
        {"12300e-2", TJ_JSON_DOUBLE, true, true, 123, 123},
        {"0.5e1", TJ_JSON_DOUBLE, true, true, 5, 5},
        {"-0.0", TJ_JSON_DOUBLE, true, true, 0, 0},
        {"1844674407370955161.5e1", TJ_JSON_DOUBLE, false, true, 0, UINT64_MAX},
        {"9223372036854775807.0", TJ_JSON_DOUBLE, true, true, INT64_MAX,
         INT64_MAX},
        {"1e19", TJ_JSON_DOUBLE, false, true, 0,
         UINT64_C(10000000000000000000)},
        {"1e20", TJ_JSON_DOUBLE, false, false, 0, 0},
        {"1e99999999999999999999", TJ_JSON_DOUBLE, false, false, 0, 0},
        {"1e-99999999999999999999", TJ_JSON_DOUBLE, false, false, 0, 0},
        {"0e99999999999999999999", TJ_JSON_DOUBLE, true, true, 0, 0},
        {"NaN", TJ_JSON_DOUBLE, false, false, 0, 0},
        {"-Infinity", TJ_JSON_DOUBLE, false, false, 0, 0},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        const struct tj_json *v = parse(&a, cases[i].text);
        int64_t i64 = 0;
        uint64_t u64 = 0;
        assert_int_equal(tj_json_type(v), cases[i].type);
        if (tj_json_i64(v, &i64) != cases[i].is_i64 || i64 != cases[i].i64)
            fail_msg("%s: i64 %" PRId64, cases[i].text, i64);
        if (tj_json_u64(v, &u64) != cases[i].is_u64 || u64 != cases[i].u64)
            fail_msg("%s: u64 %" PRIu64, cases[i].text, u64);
        assert_str_eq(tj_json_number_text(v), cases[i].text);
        tj_arena_release(&a);
    }
}

static void rounds_doubles_right(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "0.1",
        "-1.5e3",
        "3.141592653589793",
        "123456789012345678",
        "1e22",
        "1e23",
        "8.41e21",
        "9007199254740993",
        "0.000001",
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1e-400",
        "1e400",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "179769313486231580793728971405303415079934132710037826936173778980444"
        "968292764750946649017977587207096330286416692887910946555547851940402"
        "630657488671505820681908902000708383676273854845817711531764475730270"
        "069855571366959622842914819860834936475292719074168444365510704342711"
        "559699508093042880",
        "0.50000000000000005551115123125782702118158340454101562500",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "100000000000000000000e-20",
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        double d = 7;
        assert_true(tj_json_double(parse(&a, cases[i]), &d));
        double want = strtod(cases[i], NULL);
        if (memcmp(&d, &want, sizeof d))
            fail_msg("%s: %.17g, not %.17g", cases[i], d, want);
        tj_arena_release(&a);
    }
    struct tj_arena a = {0};
    double d = 0;
    assert_true(tj_json_double(parse(&a, "NaN"), &d) && isnan(d));
    assert_true(tj_json_double(parse(&a, "-Infinity"), &d) && d < -DBL_MAX);
    assert_true(tj_json_double(parse(&a, "-1e999"), &d) && d < -DBL_MAX);
    assert_true(tj_json_double(parse(&a, "18446744073709551615"), &d));
    assert_true(d == 18446744073709551616.0);
    tj_arena_release(&a);
}

/* A digit far behind the point decides which way a halfway case rounds. */
static void rounds_by_the_last_of_many_digits(void **state)
{
    (void)state;
    enum { ZEROS = 5000 };
    struct tj_arena a = {0};
    struct tj_buf text;
    double d = 0;
    tj_buf_init(&text, &a, 1 << 20);
    tj_buf_add(&text, TJ_STR("1.00000000000000011102230246251565404236316680908"
                             "203125"));
    tj_buf_repeat(&text, '0', ZEROS);
    assert_true(tj_json_double(parse(&a, tj_cstr(&a, tj_buf_str(&text))), &d));
    assert_true(d == 1.0);
    tj_buf_byte(&text, '1');
    assert_true(tj_json_double(parse(&a, tj_cstr(&a, tj_buf_str(&text))), &d));
    assert_true(d == 1.0000000000000002);
    tj_arena_release(&a);
}

static void finds(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    const struct tj_json *v =
        parse(&a, "{\"a\":1,\"b\":{\"c\":[10,[20],{\"d\":\"x\"}]},\"a\":2,"
                  "\"t\":true,\"n\":null,\"s\":\"77\",\"\":\"empty\"}");
    int64_t i = 0;
    uint64_t u = 0;
    assert_true(tj_json_i64(tj_json_find(v, TJ_STR("a")), &i) && i == 2);
    assert_str_eq(tj_json_str(tj_json_at(v, "b.c.2.d")), "x");
    assert_true(tj_json_i64(tj_json_at(v, "b.c.1.0"), &i) && i == 20);
    assert_null(tj_json_at(v, "b.c.3"));
    assert_null(tj_json_at(v, "b.c.x"));
    assert_null(tj_json_at(v, "b.x.y"));
    assert_null(tj_json_at(v, "a.x"));
    assert_null(tj_json_find(v, TJ_STR("zz")));
    assert_str_eq(tj_json_find_str(v, TJ_STR("")), "empty");
    assert_str_eq(tj_json_find_str(v, (tj_str){0}), "empty");
    assert_str_eq(tj_json_find_str(v, TJ_STR("a")), "");
    assert_null(tj_json_find(tj_json_find(v, TJ_STR("a")), TJ_STR("b")));
    assert_true(tj_json_bool(tj_json_find(v, TJ_STR("t")), false));
    assert_true(tj_json_bool(tj_json_find(v, TJ_STR("s")), true));
    assert_true(tj_json_is_null(tj_json_find(v, TJ_STR("n"))));
    assert_true(tj_json_u64_loose(tj_json_find(v, TJ_STR("s")), &u));
    assert_int_equal(u, 77);
    assert_false(tj_json_u64(tj_json_find(v, TJ_STR("s")), &u));
    assert_int_equal(tj_json_count(v), 7);
    assert_int_equal(tj_json_count(tj_json_at(v, "b.c")), 3);
    assert_null(tj_json_item(tj_json_at(v, "b.c"), 3));
    assert_null(tj_json_item(v, 0));
    tj_arena_release(&a);
}

static void takes_null_for_a_missing_value(void **state)
{
    (void)state;
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    assert_int_equal(tj_json_type(NULL), TJ_JSON_NULL);
    assert_true(tj_json_is_null(NULL));
    assert_false(tj_json_is_object(NULL) || tj_json_is_array(NULL) ||
                 tj_json_is_string(NULL) || tj_json_is_number(NULL));
    assert_int_equal(tj_json_count(NULL), 0);
    assert_null(tj_json_find(NULL, TJ_STR("a")));
    assert_null(tj_json_at(NULL, "a.b"));
    assert_null(tj_json_item(NULL, 0));
    assert_null(tj_json_first(NULL));
    assert_int_equal(tj_json_str(NULL).len, 0);
    assert_true(tj_json_bool(NULL, true));
    assert_false(tj_json_i64(NULL, &i) || tj_json_u64(NULL, &u) ||
                 tj_json_double(NULL, &d) || tj_json_u64_loose(NULL, &u));
    assert_int_equal(tj_json_number_text(NULL).len, 0);
    struct tj_json_members m = tj_json_members(NULL);
    assert_false(tj_json_member(&m));
    tj_json_each (NULL, it)
        fail();
    assert_true(tj_json_eq(NULL, NULL));
}

static void walks(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    const struct tj_json *v =
        parse(&a, "{\"a\":[1,[2,3],{\"x\":4}],\"b\":{},\"c\":\"d\"}");
    struct tj_json_members m = tj_json_members(v);
    assert_true(tj_json_member(&m));
    assert_str_eq(m.key, "a");
    size_t sum = 0;
    tj_json_each (m.value, it)
        sum = sum * 10 + tj_json_type(it);
    assert_int_equal(sum,
                     TJ_JSON_INT * 100 + TJ_JSON_ARRAY * 10 + TJ_JSON_OBJECT);
    assert_true(tj_json_member(&m));
    assert_str_eq(m.key, "b");
    assert_int_equal(tj_json_count(m.value), 0);
    assert_true(tj_json_member(&m));
    assert_str_eq(m.key, "c");
    assert_str_eq(tj_json_str(m.value), "d");
    assert_false(tj_json_member(&m));
    tj_json_each (v, it)
        fail(); /* an object has no items */
    tj_arena_release(&a);
}

static void compares(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"1", "1.0", true},
        {"100", "1e2", true},
        {"0.1", "1e-1", true},
        {"0", "-0.0", true},
        {"1", "-1", false},
        {"9007199254740993", "9007199254740992.0", false},
        {"1e999", "2e999", false},
        {"1e999", "10e998", true},
        {"12.5", "1250e-2", true},
        {"101", "1001", false},
        {"NaN", "NaN", true},
        {"NaN", "1", false},
        {"1", "\"1\"", false},
        {"null", "false", false},
        {"[1,2]", "[1,2]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"a\":1.0}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
        {"{\"a\":1,\"a\":2}", "{\"a\":2}", true},
        {"\"a\"", "\"\\u0061\"", true},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        const struct tj_json *x = parse(&a, cases[i].a);
        const struct tj_json *y = parse(&a, cases[i].b);
        if (tj_json_eq(x, y) != cases[i].same ||
            tj_json_eq(y, x) != cases[i].same)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        tj_arena_release(&a);
    }
}

static void reads_a_stream(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str rest = TJ_STR(" {\"a\":1}\n[2] \"x\"3 4");
    size_t values = 0;
    for (; tj_str_trim(rest).len; values++) {
        struct tj_json_doc doc = {0};
        size_t used = 0;
        assert_ok(tj_json_parse_prefix(rest, &a, &doc, &used, &err), err);
        rest = tj_str_slice(rest, used, rest.len);
    }
    assert_int_equal(values, 5);
    struct tj_json_doc doc = {0};
    size_t used = 9;
    assert_fails(tj_json_parse_prefix(rest, &a, &doc, &used, &err), err,
                 TJ_E_INPUT, "offset 0");
    assert_int_equal(used, 9);
    tj_arena_release(&a);
}

/* Strings that outgrow their chunk, many of them, and nodes that leave the
 * stack; all of it right and within the memory that was promised. */
static void keeps_big_documents_small(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_buf text;
    tj_buf_init(&text, &a, 64 << 20);
    tj_buf_byte(&text, '[');
    for (size_t i = 0; i < 20000; i++) {
        tj_buf_fmt(&text, "%s{\"name\":\"line\\n%zu\",\"body\":\"",
                   i ? "," : "", i);
        for (size_t j = 0; j < i % 97; j++)
            tj_buf_add(&text, TJ_STR("tab\\tand \\u00e9 "));
        tj_buf_add(&text, TJ_STR("\"}"));
    }
    tj_buf_byte(&text, ']');
    struct tj_arena tree = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    assert_ok(tj_json_parse(tj_buf_str(&text), &tree, &doc, &err), err);
    assert_true(tree.used_bytes < text.len + text.len / 2);
    size_t i = 0;
    tj_json_each (doc.root, it) {
        tj_str name = tj_str_printf(&a, "line\n%zu", i);
        assert_true(tj_str_eq(tj_json_find_str(it, TJ_STR("name")), name));
        tj_str body = tj_json_find_str(it, TJ_STR("body"));
        assert_int_equal(body.len, i % 97 * 11);
        assert_true(tj_str_starts(body, TJ_STR("tab\tand \xC3\xA9 ")) ||
                    !body.len);
        i++;
    }
    assert_int_equal(i, 20000);
    tj_arena_release(&tree);
    tj_arena_release(&a);
}

/* Nodes leave the stack at a string that was decoded (its bytes are not in
 * the input), wherever in the document that is. */
static void grows_at_any_node(void **state)
{
    (void)state;
    for (size_t before = 0; before < 600; before++) {
        struct tj_arena a = {0};
        struct tj_buf text;
        tj_buf_init(&text, &a, 1 << 20);
        tj_buf_byte(&text, '[');
        for (size_t i = 0; i < before; i++)
            tj_buf_add(&text, TJ_STR("1,"));
        tj_buf_add(&text, TJ_STR("\"\\n\",\"\\n\",2]"));
        struct tj_arena tree = {0};
        const struct tj_json *v = parse(&tree, tj_cstr(&a, tj_buf_str(&text)));
        assert_int_equal(tj_json_count(v), before + 3);
        assert_str_eq(tj_json_str(tj_json_item(v, before)), "\n");
        assert_true(tree.used_bytes < 64 * 1024);
        tj_arena_release(&tree);
        tj_arena_release(&a);
    }
}

/* A small value must not take a block of its own: stores decode millions. */
static void keeps_small_documents_tiny(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    (void)parse(&a, "{\"a\":\"x\\ny\"}");
    assert_true(a.used_bytes <= 3 * 16 + 16);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_good_documents),
        cmocka_unit_test(repairs_bad_text),
        cmocka_unit_test(refuses_bad_documents),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(keeps_numbers_exact),
        cmocka_unit_test(rounds_doubles_right),
        cmocka_unit_test(rounds_by_the_last_of_many_digits),
        cmocka_unit_test(finds),
        cmocka_unit_test(takes_null_for_a_missing_value),
        cmocka_unit_test(walks),
        cmocka_unit_test(compares),
        cmocka_unit_test(reads_a_stream),
        cmocka_unit_test(keeps_big_documents_small),
        cmocka_unit_test(grows_at_any_node),
        cmocka_unit_test(keeps_small_documents_tiny),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
