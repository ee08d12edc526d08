/* test_plain.c - plain text: its form, and that it loses nothing.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "base/limits.h"
#include "text/json_write.h"
#include "text/plain.h"

static const struct tj_json *parse(struct tj_arena *a, tj_str json)
{
    struct tj_json_doc doc = {0};
    struct tj_err err = {0};
    assert_ok(tj_json_parse(json, a, &doc, &err), err);
    return doc.root;
}

static tj_str plain_of(struct tj_arena *a, const struct tj_json *v)
{
    struct tj_buf out;
    tj_buf_init(&out, a, 64 << 20);
    tj_plain_write(&out, v);
    return tj_buf_str(&out);
}

static void writes(void **state)
{
    (void)state;
    static const struct {
        tj_str json;
        const char *plain;
    } cases[] = {
        {TJ_STR_INIT("\"he said \\\"yes\\\"\\n\""), "he said \"yes\"\n"},
        {TJ_STR_INIT("null"), "null"},
        {TJ_STR_INIT("1.50"), "1.50"},
        {TJ_STR_INIT("[]"), "[]"},
        {TJ_STR_INIT("{}"), "{}"},
        {TJ_STR_INIT("[[],{},[1,true,false,null]]"),
         "[[], {}, [1, true, false, null]]"},
        {TJ_STR_INIT("{\"a\":{\"b\":[1]},\"c\":2}"),
         "{\"a\": {\"b\": [1]}, \"c\": 2}"},
        {TJ_STR_INIT("{\"role\":\"user\",\"content\":\"two\\nlines\","
                     "\"said\":\"he said \\\"yes\\\"\",\"n\":1.50}"),
         "{\"role\": \"user\", \"content\": \"two\nlines\", "
         "\"said\": #\"he said \"yes\"\"#, \"n\": 1.50}"},
        {TJ_STR_INIT("[\"\\\"#\"]"), "[##\"\"#\"##]"},
        {TJ_STR_INIT("[\"\\\"\"]"), "[#\"\"\"#]"},
        {TJ_STR_INIT("[\"#\"]"), "[\"#\"]"},
        {TJ_STR_INIT("[\"a\\\\b\"]"), "[\"a\\b\"]"},
        {TJ_STR_INIT("[\"x\\\"##y\\\"#\"]"), "[###\"x\"##y\"#\"###]"},
        {TJ_STR_INIT("{\"k\\\"\":NaN,\"a\":1,\"a\":2}"),
         "{#\"k\"\"#: NaN, \"a\": 1, \"a\": 2}"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        assert_str_eq(plain_of(&a, parse(&a, cases[i].json)), cases[i].plain);
        tj_arena_release(&a);
    }
    struct tj_arena a = {0};
    assert_str_eq(plain_of(&a, NULL), "null");
    struct tj_buf out;
    tj_buf_init(&out, &a, 100);
    tj_plain_write_inner(&out, parse(&a, TJ_STR("\"a\"")));
    assert_str_eq(tj_buf_str(&out), "\"a\"");
    tj_arena_release(&a);
}

/* Equal node by node: the JSON of both, in which duplicates, order and the
 * text of numbers show. */
static void assert_same(struct tj_arena *a, const struct tj_json *x,
                        const struct tj_json *y)
{
    struct tj_buf first;
    struct tj_buf second;
    tj_buf_init(&first, a, 64 << 20);
    tj_buf_init(&second, a, 64 << 20);
    tj_json_write(&first, x, TJ_JSON_COMPACT);
    tj_json_write(&second, y, TJ_JSON_COMPACT);
    assert_true(tj_str_eq(tj_buf_str(&first), tj_buf_str(&second)));
    assert_true(tj_json_eq(x, y));
}

static uint32_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint32_t)(*seed >> 16);
}

static tj_str random_text(struct tj_arena *a, uint64_t *seed)
{
    static const tj_str pieces[] = {
        TJ_STR_INIT("\""),       TJ_STR_INIT("#"),
        TJ_STR_INIT("\"#"),      TJ_STR_INIT("\"##"),
        TJ_STR_INIT("\n"),       TJ_STR_INIT("\0"),
        TJ_STR_INIT("\\"),       TJ_STR_INIT("}]"),
        TJ_STR_INIT("\", \""),   TJ_STR_INIT("a"),
        TJ_STR_INIT(" "),        TJ_STR_INIT("\xEF\xBF\xBD"),
        TJ_STR_INIT("\xC3\xA9"), TJ_STR_INIT("longer words of text"),
        TJ_STR_INIT("\x1B[0m"),  TJ_STR_INIT("\x7F"),
    };
    struct tj_buf out;
    tj_buf_init(&out, a, 4096);
    for (uint32_t n = next_random(seed) % 6; n > 0; n--)
        tj_buf_add(&out, pieces[next_random(seed) % TJ_COUNT(pieces)]);
    return tj_buf_str(&out);
}

static void random_scalar(struct tj_json_writer *w, struct tj_arena *a,
                          uint64_t *seed)
{
    static const tj_str words[] = {TJ_STR_INIT("null"),
                                   TJ_STR_INIT("true"),
                                   TJ_STR_INIT("-0"),
                                   TJ_STR_INIT("1.50"),
                                   TJ_STR_INIT("1e+999"),
                                   TJ_STR_INIT("false"),
                                   TJ_STR_INIT("18446744073709551616")};
    uint32_t choice = next_random(seed) % 16;
    if (choice < TJ_COUNT(words))
        tj_jw_raw(w, words[choice]);
    else
        tj_jw_str(w, random_text(a, seed));
}

static void random_tree(struct tj_json_writer *w, struct tj_arena *a,
                        uint64_t *seed, unsigned depth)
{
    uint32_t choice = next_random(seed) % 4;
    if (depth > 6 || choice < 2) {
        random_scalar(w, a, seed);
        return;
    }
    bool object = choice == 2;
    if (object)
        tj_jw_object(w);
    else
        tj_jw_array(w);
    for (uint32_t n = next_random(seed) % 5; n > 0; n--) {
        if (object)
            tj_jw_key(w, random_text(a, seed));
        random_tree(w, a, seed, depth + 1);
    }
    tj_jw_end(w);
}

static void loses_nothing(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    struct tj_arena a = {0};
    for (int i = 0; i < 3000; i++) {
        struct tj_buf json;
        struct tj_json_writer w;
        tj_buf_init(&json, &a, 1 << 20);
        tj_json_writer_init(&w, &json, TJ_JSON_COMPACT);
        tj_jw_array(&w); /* a top-level string has no marks */
        random_tree(&w, &a, &seed, 0);
        tj_jw_end(&w);
        const struct tj_json *v = parse(&a, tj_buf_str(&json));
        struct tj_json_doc back = {0};
        struct tj_err err = {0};
        assert_ok(tj_plain_parse(plain_of(&a, v), &a, &back, &err), err);
        assert_same(&a, v, back.root);
        tj_arena_reset(&a);
    }
    tj_arena_release(&a);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        tj_str text;
        enum tj_code code;
        const char *message;
    } cases[] = {
        {TJ_STR_INIT(""), TJ_E_INPUT, "offset 0: expected a value"},
        {TJ_STR_INIT("hello"), TJ_E_INPUT, "offset 0: expected a value"},
        {TJ_STR_INIT("[\"abc"), TJ_E_INPUT, "offset 5: expected '\"'"},
        {TJ_STR_INIT("[#\"abc\"]"), TJ_E_INPUT,
         "offset 8: expected '\"' and its '#'"},
        {TJ_STR_INIT("[##\"abc\"#]"), TJ_E_INPUT, "offset 10: expected '\"'"},
        {TJ_STR_INIT("[#"), TJ_E_INPUT, "offset 2: expected '\"'"},
        {TJ_STR_INIT("[#a\"\"#]"), TJ_E_INPUT, "offset 2: expected '\"'"},
        {TJ_STR_INIT("[\"a\"#]"), TJ_E_INPUT, "offset 4: expected ',' or ']'"},
        {TJ_STR_INIT("{\"a\" 1}"), TJ_E_INPUT, "offset 5: expected ':'"},
        {TJ_STR_INIT("[1] 2"), TJ_E_INPUT, "offset 4: expected nothing"},
        {TJ_STR_INIT("[\"\xFF\"]"), TJ_E_INPUT, "offset 2: not UTF-8"},
        {TJ_STR_INIT("[\"\xE2\x82\"]"), TJ_E_INPUT, "offset 2: not UTF-8"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        struct tj_err err;
        struct tj_json_doc doc = {0};
        char *copy = malloc(cases[i].text.len + 1);
        memcpy(copy, cases[i].text.ptr, cases[i].text.len);
        tj_str text = tj_str_make(copy, cases[i].text.len);
        assert_fails(tj_plain_parse(text, &a, &doc, &err), err, cases[i].code,
                     cases[i].message);
        assert_null(doc.root);
        free(copy);
        tj_arena_release(&a);
    }
}

/* What could take quadratic time: marks that almost close, and depth. */
static void stays_linear(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    struct tj_arena a = {0};
    struct tj_err err;
    struct tj_json_doc doc = {0};
    struct tj_buf text;
    tj_buf_init(&text, &a, SIZE + 64);
    tj_buf_repeat(&text, '[', SIZE);
    assert_fails(tj_plain_parse(tj_buf_str(&text), &a, &doc, &err), err,
                 TJ_E_LIMIT, "offset 512: nesting is over");
    tj_buf_clear(&text);
    tj_buf_repeat(&text, '#', SIZE / 2);
    tj_buf_byte(&text, '"');
    while (text.len < SIZE)
        tj_buf_add(&text, TJ_STR("\"#######"));
    assert_fails(tj_plain_parse(tj_buf_str(&text), &a, &doc, &err), err,
                 TJ_E_INPUT, "expected '\"' and its '#'");
    tj_arena_release(&a);
}

static void latches(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err;
    const struct tj_json *v =
        parse(&a, TJ_STR("{\"key\":[\"a \\\" b\",null,-1.5,{}]}"));
    size_t whole = plain_of(&a, v).len;
    for (size_t bytes_max = 0; bytes_max < whole; bytes_max++) {
        struct tj_buf out;
        tj_buf_init(&out, &a, bytes_max);
        tj_plain_write(&out, v);
        assert_true(out.len <= bytes_max);
        assert_fails(tj_buf_ok(&out, "text", &err), err, TJ_E_LIMIT, "text");
    }
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),  cmocka_unit_test(loses_nothing),
        cmocka_unit_test(refuses), cmocka_unit_test(stays_linear),
        cmocka_unit_test(latches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
