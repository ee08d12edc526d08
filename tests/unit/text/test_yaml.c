/* test_yaml.c - YAML as JSON: types, lines, and all that is refused.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "text/json_write.h"
#include "text/yaml.h"

static tj_str as_json(struct tj_arena *a, const char *yaml)
{
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    struct tj_buf b;
    tj_buf_init(&b, a, 1 << 20);
    if (!tj_yaml_parse(tj_str_c(yaml), 1, a, &doc, &err))
        tj_buf_fmt(&b, "%s", err.message);
    else
        tj_json_write(&b, doc.root, TJ_JSON_COMPACT);
    return tj_buf_str(&b);
}

struct pair {
    const char *yaml;
    const char *json;
};

static void check_all(const struct pair *pairs, size_t count)
{
    struct tj_arena a = {0};
    for (size_t i = 0; i < count; i++) {
        tj_str got = as_json(&a, pairs[i].yaml);
        if (!tj_str_eq(got, tj_str_c(pairs[i].json)))
            fail_msg("\"%s\" gave %.*s, not %s", pairs[i].yaml, TJ_STR_ARG(got),
                     pairs[i].json);
    }
    tj_arena_release(&a);
}

static void structure(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"", "null"},
        {"# only a comment\n", "null"},
        {"---\n", "null"},
        {"a: 1\nb: [x, 'y', \"z\"]\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\"]}"},
        {"a:\n  b:\n    - c: d\n      e:\n    -\n",
         "{\"a\":{\"b\":[{\"c\":\"d\",\"e\":null},null]}}"},
        {"{a,b: }", "{\"a\":null,\"b\":null}"},
        {"limits: {rounds: 30, cost_usd: 0.50}",
         "{\"limits\":{\"rounds\":30,\"cost_usd\":0.50}}"},
        {"a: |\n  two\n  lines\nb: >\n  one\n  line\n",
         "{\"a\":\"two\\nlines\\n\",\"b\":\"one line\\n\"}"},
        {"a: one\n  two", "{\"a\":\"one two\"}"},
        {"%YAML 1.2\n---\na: 1\n...\n", "{\"a\":1}"},
        {"gr\xc3\xbcn: \xf0\x9f\x98\x80",
         "{\"gr\xc3\xbcn\":\"\xf0\x9f\x98\x80\"}"},
        {"\"a\\0\\x41\\u00e9\"", "\"a\\u0000A\xc3\xa9\""},
        {"? a\n: b", "{\"a\":\"b\"}"},
        {"1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}"},
        {"'<<': 1", "{\"<<\":1}"},
        {"\xef\xbb\xbf"
         "a: 1",
         "{\"a\":1}"},
    };
    check_all(pairs, TJ_COUNT(pairs));
}

static void scalars(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"[~, null, Null, NULL, nUll]", "[null,null,null,null,\"nUll\"]"},
        {"[true, True, TRUE, tRue]", "[true,true,true,\"tRue\"]"},
        {"[false, yes, no, on, off, y, N]",
         "[false,\"yes\",\"no\",\"on\",\"off\",\"y\",\"N\"]"},
        {"[0, -1, +7, 007, 18446744073709551615]",
         "[0,-1,7,7,18446744073709551615]"},
        {"[0o17, 0xFf, 0x, 0o8, 0xG]", "[15,255,\"0x\",\"0o8\",\"0xG\"]"},
        {"[0x10000000000000000, -0x1]", "[\"0x10000000000000000\",\"-0x1\"]"},
        {"[1.5, .5, 5., -.5e3, 1e5, +1E-2]", "[1.5,0.5,5.0,-0.5e3,1e5,1E-2]"},
        {"[., -, e5, 1e, 1e+, 1.2.3, 1_000, 12:30, +-1]",
         "[\".\",\"-\",\"e5\",\"1e\",\"1e+\",\"1.2.3\",\"1_000\",\"12:30\","
         "\"+-1\"]"},
        {"['1', \"true\", 'null', '~']", "[\"1\",\"true\",\"null\",\"~\"]"},
        {"- |\n  1\n- 2024-01-01", "[\"1\\n\",\"2024-01-01\"]"},
        {"openai:/gpt-5", "\"openai:/gpt-5\""},
    };
    check_all(pairs, TJ_COUNT(pairs));
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    double d[3] = {0};
    assert_ok(tj_yaml_parse(TJ_STR("[.inf, -.INF, .nan]"), 1, &a, &doc, &err),
              err);
    for (size_t i = 0; i < 3; i++)
        assert_true(tj_json_double(tj_json_item(doc.root, i), &d[i]));
    assert_true(d[0] > 1e308);
    assert_true(d[1] < -1e308);
    assert_true(d[2] != d[2]);
    tj_arena_release(&a);
}

struct refusal {
    const char *yaml;
    const char *part;
};

static void refusals_say_where(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"a: 1\nb: &x 2\nc: *x",
         "line 11, column 4: anchors and aliases are not supported"},
        {"a: 1\nb: *x",
         "line 11, column 4: anchors and aliases are not supported"},
        {"a: !!str 1", "line 10, column 4: tags are not supported"},
        {"!x {a: 1}", "line 10, column 1: tags are not supported"},
        {"a: !!python/object/apply:os.system ['x']", "tags are not supported"},
        {"a: 1\n<<: {b: 2}", "line 11, column 1: merge keys"},
        {"--- 1\n--- 2", "line 11, column 1: a second document"},
        {"a: 1\n\nb: 2\na: 3",
         "line 13, column 1: the key \"a\" is there twice"},
        {"b: {x: 1, x: 2}", "line 10, column 11: the key \"x\""},
        {"a: 1\n\"a\": 2", "line 11, column 1: the key \"a\" is there twice"},
        {"? [a]\n: b", "line 10, column 3: a key must be a scalar"},
        {"a: [1, 2", "line 11, column 1: did not find"},
        {"a: 1\n b: 2", "line 11, column 3: "},
        {"a: 'x", "line 10, column 6: "},
        {"a: \"\\q\"", "line 10, column 5: "},
        {"a:\n\t- b", "line 11, column 1: "},
        {"a: @b", "line 10, column 4: "},
        {"ok: 1\nb\x01: 2", "line 11, column 2: control characters"},
        {"ok: 1\nab\xff: 2", "line 11, column 3: "},
    };
    struct tj_arena a = {0};
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_err err = {0};
        struct tj_json_doc doc = {0};
        bool ok = tj_yaml_parse(tj_str_c(cases[i].yaml), 10, &a, &doc, &err);
        if (ok || !strstr(err.message, cases[i].part))
            fail_msg("\"%s\": \"%s\" lacks \"%s\"", cases[i].yaml, err.message,
                     cases[i].part);
        assert_int_equal(err.code, TJ_E_INPUT);
        assert_null(doc.root);
    }
    tj_arena_release(&a);
}

static void limits(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    struct tj_buf b;
    tj_buf_init(&b, &a, 8 << 20);
    tj_buf_repeat(&b, '[', TJ_YAML_DEPTH_MAX);
    tj_buf_repeat(&b, ']', TJ_YAML_DEPTH_MAX);
    assert_ok(tj_yaml_parse(tj_buf_str(&b), 1, &a, &doc, &err), err);
    tj_buf_clear(&b);
    tj_buf_repeat(&b, '[', 1000000);
    assert_fails(tj_yaml_parse(tj_buf_str(&b), 1, &a, &doc, &err), err,
                 TJ_E_LIMIT, "line 1, column 33: nesting is over 32 levels");
    tj_buf_clear(&b);
    for (size_t i = 0; i < 1000; i++)
        tj_buf_fmt(&b, "%*s-\n", (int)i, "");
    assert_fails(tj_yaml_parse(tj_buf_str(&b), 1, &a, &doc, &err), err,
                 TJ_E_LIMIT, "nesting is over 32 levels");
    tj_buf_clear(&b);
    tj_buf_repeat(&b, 'a', TJ_JUDGE_FILE_BYTES_MAX + 1);
    assert_fails(tj_yaml_parse(tj_buf_str(&b), 1, &a, &doc, &err), err,
                 TJ_E_LIMIT, "YAML is over 1048576 bytes");
    /* The densest sources that there are still fit into their JSON. */
    tj_buf_clear(&b);
    for (size_t i = 0; i < 20000; i++)
        tj_buf_add(&b, TJ_STR("-\n"));
    assert_ok(tj_yaml_parse(tj_buf_str(&b), 1, &a, &doc, &err), err);
    assert_int_equal(tj_json_count(doc.root), 20000);
    tj_buf_clear(&b);
    tj_buf_byte(&b, '"');
    for (size_t i = 0; i < 20000; i++)
        tj_buf_add(&b, TJ_STR("\\0"));
    tj_buf_byte(&b, '"');
    assert_ok(tj_yaml_parse(tj_buf_str(&b), 1, &a, &doc, &err), err);
    assert_int_equal(tj_json_str(doc.root).len, 20000);
    tj_arena_release(&a);
}

static void lines_of_paths(void **state)
{
    (void)state;
    tj_str text = TJ_STR("name: x\n"       /* 5 */
                         "limits:\n"       /* 6 */
                         "  rounds: 3\n"   /* 7 */
                         "  seconds:\n"    /* 8 */
                         "    120\n"       /* 9 */
                         "value: [a,\n"    /* 10 */
                         "  b]\n"          /* 11 */
                         "rules:\n"        /* 12 */
                         "  - when: 1\n"   /* 13 */
                         "  - when: 2\n"   /* 14 */
                         "    then: y\n"); /* 15 */
    assert_int_equal(tj_yaml_line(text, 5, "name"), 5);
    assert_int_equal(tj_yaml_line(text, 5, "limits"), 7);
    assert_int_equal(tj_yaml_line(text, 5, "limits.rounds"), 7);
    assert_int_equal(tj_yaml_line(text, 5, "limits.seconds"), 9);
    assert_int_equal(tj_yaml_line(text, 5, "value.0"), 10);
    assert_int_equal(tj_yaml_line(text, 5, "value.1"), 11);
    assert_int_equal(tj_yaml_line(text, 5, "rules.1"), 14);
    assert_int_equal(tj_yaml_line(text, 5, "rules.1.then"), 15);
    assert_int_equal(tj_yaml_line(text, 5, "rules.0.then"), 5);
    assert_int_equal(tj_yaml_line(text, 5, "nothing"), 5);
    assert_int_equal(tj_yaml_line(TJ_STR("a: [\n"), 5, "b"), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structure),          cmocka_unit_test(scalars),
        cmocka_unit_test(refusals_say_where), cmocka_unit_test(limits),
        cmocka_unit_test(lines_of_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
