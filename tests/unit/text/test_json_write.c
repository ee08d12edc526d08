/* test_json_write.c - the JSON writer: forms, escapes, numbers, overflow.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <float.h>
#include <math.h>

#include "base/limits.h"
#include "text/json_write.h"

static void write_sample(struct tj_json_writer *w)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "s", TJ_STR("a\"b"));
    tj_jw_key(w, TJ_STR("list"));
    tj_jw_array(w);
    tj_jw_i64(w, INT64_MIN);
    tj_jw_u64(w, UINT64_MAX);
    tj_jw_null(w);
    tj_jw_object(w);
    tj_jw_end(w);
    tj_jw_array(w);
    tj_jw_end(w);
    tj_jw_array(w);
    tj_jw_bool(w, true);
    tj_jw_end(w);
    tj_jw_end(w);
    tj_jw_key_bool(w, "no", false);
    tj_jw_key_u64(w, "u", 7);
    tj_jw_key_i64(w, "i", -7);
    tj_jw_key_double(w, "d", 0.5);
    tj_jw_key(w, TJ_STR("raw"));
    tj_jw_raw(w, TJ_STR("{\"x\":1}"));
    tj_jw_end(w);
}

static const char compact[] =
    "{\"s\":\"a\\\"b\",\"list\":[-9223372036854775808,18446744073709551615,"
    "null,{},[],[true]],\"no\":false,\"u\":7,\"i\":-7,\"d\":0.5,"
    "\"raw\":{\"x\":1}}";
static const char spaced[] =
    "{\"s\": \"a\\\"b\", \"list\": [-9223372036854775808, "
    "18446744073709551615, null, {}, [], [true]], \"no\": false, \"u\": 7, "
    "\"i\": -7, \"d\": 0.5, \"raw\": {\"x\":1}}";
static const char pretty[] = "{\n"
                             "  \"s\": \"a\\\"b\",\n"
                             "  \"list\": [\n"
                             "    -9223372036854775808,\n"
                             "    18446744073709551615,\n"
                             "    null,\n"
                             "    {},\n"
                             "    [],\n"
                             "    [\n"
                             "      true\n"
                             "    ]\n"
                             "  ],\n"
                             "  \"no\": false,\n"
                             "  \"u\": 7,\n"
                             "  \"i\": -7,\n"
                             "  \"d\": 0.5,\n"
                             "  \"raw\": {\"x\":1}\n"
                             "}";

static void writes_each_form(void **state)
{
    (void)state;
    const char *const want[] = {
        [TJ_JSON_COMPACT] = compact,
        [TJ_JSON_PRETTY] = pretty,
        [TJ_JSON_SPACED] = spaced,
    };
    for (size_t form = 0; form < TJ_COUNT(want); form++) {
        struct tj_arena a = {0};
        struct tj_buf out;
        struct tj_json_writer w;
        tj_buf_init(&out, &a, 4096);
        tj_json_writer_init(&w, &out, (enum tj_json_form)form);
        write_sample(&w);
        assert_str_eq(tj_buf_str(&out), want[form]);
        /* A tree of it is written the same way (but for raw text). */
        struct tj_json_doc doc = {0};
        struct tj_err err = {0};
        assert_ok(tj_json_parse(tj_str_c(compact), &a, &doc, &err), err);
        tj_buf_clear(&out);
        tj_json_write(&out, doc.root, (enum tj_json_form)form);
        struct tj_json_doc again = {0};
        assert_ok(tj_json_parse(tj_buf_str(&out), &a, &again, &err), err);
        assert_true(tj_json_eq(doc.root, again.root));
        if (form == TJ_JSON_COMPACT)
            assert_str_eq(tj_buf_str(&out), compact);
        tj_arena_release(&a);
    }
}

static void escapes(void **state)
{
    (void)state;
    static const struct {
        tj_str text;
        const char *want;
    } cases[] = {
        {{NULL, 0}, ""},
        {TJ_STR_INIT(""), ""},
        {TJ_STR_INIT("plain"), "plain"},
        {TJ_STR_INIT("\"\\/"), "\\\"\\\\/"},
        {TJ_STR_INIT("\b\f\n\r\t\x01\x1F\x7F"),
         "\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f"},
        {TJ_STR_INIT("a\0b"), "a\\u0000b"},
        {TJ_STR_INIT("\xC3\xA9\xF0\x9F\x98\x80"), "\xC3\xA9\xF0\x9F\x98\x80"},
        {TJ_STR_INIT("\xFFx\xE2\x82"), "\xEF\xBF\xBDx\xEF\xBF\xBD"},
        {TJ_STR_INIT("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {TJ_STR_INIT("0123456789abcde\"0123456789abcdef\n"),
         "0123456789abcde\\\"0123456789abcdef\\n"},
        {TJ_STR_INIT("0123456789abcdef\x7F"), "0123456789abcdef\\u007f"},
        {TJ_STR_INIT("0123456\x7F"
                     "89abcdefghijk"),
         "0123456\\u007f89abcdefghijk"},
        {TJ_STR_INIT("0123456\n89abcdefghijk"), "0123456\\n89abcdefghijk"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        struct tj_buf out;
        tj_buf_init(&out, &a, 4096);
        tj_json_escape(&out, cases[i].text);
        assert_str_eq(tj_buf_str(&out), cases[i].want);
        tj_arena_release(&a);
    }
}

static tj_str double_text(struct tj_arena *a, double value)
{
    struct tj_buf out;
    struct tj_json_writer w;
    tj_buf_init(&out, a, 4096);
    tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
    tj_jw_double(&w, value);
    return tj_buf_str(&out);
}

static void writes_doubles_short(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *want;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-3, "-3.0"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {123456789.125, "123456789.125"},
        {1e15, "1000000000000000.0"},
        {9007199254740993.0, "9007199254740992.0"},
        {1e16, "1e+16"},
        {1.5e300, "1.5e+300"},
        {1e-5, "1e-05"},
        {0.0001, "0.0001"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {(double)NAN, "null"},
        {(double)INFINITY, "null"},
        {(double)-INFINITY, "null"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        assert_str_eq(double_text(&a, cases[i].value), cases[i].want);
        tj_arena_release(&a);
    }
}

/* Any double comes back the same through the reader. */
static void doubles_come_back(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    struct tj_arena a = {0};
    for (int i = 0; i < 20000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        double value = 0;
        memcpy(&value, &seed, sizeof value);
        if (!isfinite(value))
            continue;
        struct tj_json_doc doc = {0};
        struct tj_err err = {0};
        double back = 0;
        tj_str text = double_text(&a, value);
        assert_ok(tj_json_parse(text, &a, &doc, &err), err);
        assert_true(tj_json_double(doc.root, &back));
        if (memcmp(&back, &value, sizeof value))
            fail_msg("%a is written %.*s", value, TJ_STR_ARG(text));
        tj_arena_reset(&a);
    }
    tj_arena_release(&a);
}

static void latches(void **state)
{
    (void)state;
    for (size_t bytes_max = 0; bytes_max < sizeof compact - 1; bytes_max++) {
        struct tj_arena a = {0};
        struct tj_err err;
        struct tj_buf out;
        struct tj_json_writer w;
        tj_buf_init(&out, &a, bytes_max);
        tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
        write_sample(&w);
        assert_true(out.len <= bytes_max);
        assert_fails(tj_buf_ok(&out, "reply", &err), err, TJ_E_LIMIT, "reply");
        tj_arena_release(&a);
    }
}

/* The deepest tree that can be read can be written, inside two more levels. */
static void writes_the_deepest_tree(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_buf text;
    tj_buf_init(&text, &a, 4096);
    tj_buf_repeat(&text, '[', TJ_JSON_DEPTH_MAX);
    tj_buf_repeat(&text, ']', TJ_JSON_DEPTH_MAX);
    struct tj_json_doc doc = {0};
    assert_ok(tj_json_parse(tj_buf_str(&text), &a, &doc, &err), err);
    struct tj_buf out;
    struct tj_json_writer w;
    tj_buf_init(&out, &a, 4096);
    tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
    tj_jw_array(&w);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("k"));
    tj_jw_value(&w, doc.root);
    tj_jw_end(&w);
    tj_jw_end(&w);
    assert_int_equal(w.depth, 0);
    assert_int_equal(out.len, 2 * TJ_JSON_DEPTH_MAX + strlen("[{\"k\":}]"));
    tj_arena_release(&a);
}

static void writes_a_subtree(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    assert_ok(tj_json_parse(TJ_STR("{\"a\":[1,{\"b\":[]}],\"c\":NaN}"), &a,
                            &doc, &err),
              err);
    struct tj_buf out;
    struct tj_json_writer w;
    tj_buf_init(&out, &a, 4096);
    tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("x"));
    tj_jw_value(&w, tj_json_find(doc.root, TJ_STR("a")));
    tj_jw_key(&w, TJ_STR("y"));
    tj_jw_value(&w, tj_json_find(doc.root, TJ_STR("c")));
    tj_jw_key(&w, TJ_STR("z"));
    tj_jw_value(&w, NULL);
    tj_jw_end(&w);
    assert_str_eq(tj_buf_str(&out),
                  "{\"x\":[1,{\"b\":[]}],\"y\":null,\"z\":null}");
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_each_form),
        cmocka_unit_test(escapes),
        cmocka_unit_test(writes_doubles_short),
        cmocka_unit_test(doubles_come_back),
        cmocka_unit_test(latches),
        cmocka_unit_test(writes_the_deepest_tree),
        cmocka_unit_test(writes_a_subtree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
