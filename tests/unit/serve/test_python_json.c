/* test_python_json.c - the same bytes as Python's json.dumps.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/python_json.h"

#include "base/sha256.h"
#include "test.h"

static tj_str dumped(struct tj_arena *a, const char *text, unsigned flags)
{
    struct tj_json_doc doc;
    struct tj_err err = {0};
    struct tj_buf out;
    tj_buf_init(&out, a, SIZE_MAX);
    assert_ok(tj_json_parse(tj_str_c(text), a, &doc, &err), err);
    tj_python_json(&out, doc.root, flags);
    return tj_buf_str(&out);
}

/* Each pair is from Python: json.dumps(json.loads(left), sort_keys=True). */
static void test_sorted(void **state)
{
    static const char *const pairs[][2] = {
        {"{\"b\":1,\"a\":[1,2,{}]}", "{\"a\": [1, 2, {}], \"b\": 1}"},
        {"{\"q\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"}",
         "{\"q\": \"caf\\u00e9 \\ud83d\\ude00\"}"},
        {"\"a\\u007f\\u0000\\n\\\"\\\\/\"", "\"a\\u007f\\u0000\\n\\\"\\\\/\""},
        {"[1.0, 1e5, 1e16, 1e-5, 0.1, 1E400, NaN, -Infinity]",
         "[1.0, 100000.0, 1e+16, 1e-05, 0.1, Infinity, NaN, -Infinity]"},
        {"[-0, -0.0, 123456789012345678901234567890, 1.5e300]",
         "[0, -0.0, 123456789012345678901234567890, 1.5e+300]"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\": 3, \"b\": 2}"},
        {"[true, false, null, [], {}, \"\"]",
         "[true, false, null, [], {}, \"\"]"},
        {"{\"\xc3\xa9\":1,\"z\":2,\"Z\":3}",
         "{\"Z\": 3, \"z\": 2, \"\\u00e9\": 1}"},
    };
    struct tj_arena a = {0};
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(pairs); i++)
        assert_str_eq(dumped(&a, pairs[i][0], TJ_PYTHON_SORTED), pairs[i][1]);
    tj_arena_release(&a);
}

static void test_order_kept(void **state)
{
    struct tj_arena a = {0};
    (void)state;
    assert_str_eq(dumped(&a, "{\"b\":1,\"a\":2,\"b\":3}", 0),
                  "{\"b\": 3, \"a\": 2}");
    assert_str_eq(dumped(&a, "{\"b\":[1,2]}", TJ_PYTHON_COMPACT),
                  "{\"b\":[1,2]}");
    tj_arena_release(&a);
}

/* What MLflow takes as the hash of a dataset's record. */
static void test_digest(void **state)
{
    struct tj_arena a = {0};
    (void)state;
    assert_str_eq(
        tj_sha256_hex(&a, dumped(&a, "{\"question\":\"What is 1+1?\",\"n\":1}",
                                 TJ_PYTHON_SORTED)),
        "eb6083773c98d4e94e4e3a973a24f458e3dc3807dcb8d800a2c7033f6da4cf77");
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted),
        cmocka_unit_test(test_order_kept),
        cmocka_unit_test(test_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
