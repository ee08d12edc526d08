/* test_judge_answer.c - what models answer, and the schema they are given.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/answer.h"

#include "base/buf.h"
#include "base/limits.h"
#include "cases.h"
#include "judge/def_int.h"
#include "judge/schema.h"

static void set_value(struct tj_judge_def *def, tj_str json, struct tj_arena *a)
{
    struct tj_json_doc doc;
    struct tj_err err = {0};
    tj_judge_def_init(def);
    assert_ok(tj_json_parse(json, a, &doc, &err), err);
    assert_ok(tj_judge_def_set_value(def, doc.root, a, &err), err);
}

static tj_str understood(tj_str text, const struct tj_judge_def *def,
                         struct tj_arena *a)
{
    struct tj_answer answer = {0};
    struct tj_buf out;
    tj_str why = {0};
    tj_buf_init(&out, a, 1 << 20);
    if (!tj_answer_parse(text, def, a, &answer, &why)) {
        tj_buf_fmt(&out, "bad: %.*s", TJ_STR_ARG(why));
        return tj_buf_str(&out);
    }
    assert_int_equal(answer.result == NULL,
                     tj_str_eq(answer.result_json, TJ_STR("null")));
    tj_buf_fmt(&out, "ok: %.*s | ", TJ_STR_ARG(answer.result_json));
    for (size_t i = 0; i < answer.rationale.len; i++)
        tj_buf_add(&out, answer.rationale.ptr[i] == '\n'
                             ? TJ_STR("\\n")
                             : tj_str_slice(answer.rationale, i, 1));
    tj_buf_fmt(&out, " | %zu", answer.evidence_count);
    return tj_buf_str(&out);
}

static void test_cases(void **state)
{
    struct cases c;
    size_t count = 0;
    cases_open(&c, "judge_answer.txt");
    while (cases_next(&c)) {
        struct tj_arena a = {0};
        struct tj_judge_def def;
        tj_str text = c.text;
        tj_str value = tj_str_cut(&text, '\n');
        set_value(&def, tj_str_slice(value, 7, value.len), &a);
        tj_str got = understood(text, &def, &a);
        bool same = tj_str_starts(c.want, TJ_STR("bad: "))
                        ? tj_str_starts(got, TJ_STR("bad: ")) &&
                              tj_str_find(got, tj_str_slice(c.want, 5, 4096)) !=
                                  (size_t)-1
                        : tj_str_eq(got, c.want);
        if (!same)
            fail_msg("%.*s\n  got:  %.*s\n  want: %.*s", TJ_STR_ARG(c.title),
                     TJ_STR_ARG(got), TJ_STR_ARG(c.want));
        tj_arena_release(&a);
        count++;
    }
    assert_true(count > 25);
    tj_arena_release(&c.arena);
}

static void test_limits(void **state)
{
    struct tj_arena a = {0};
    struct tj_judge_def def;
    struct tj_answer answer;
    struct tj_buf text;
    tj_str why = {0};
    set_value(&def, TJ_STR("\"str\""), &a);
    tj_buf_init(&text, &a, 1 << 20);
    tj_buf_repeat(&text, '{', TJ_ANSWER_BYTES_MAX + 1);
    assert_false(tj_answer_parse(tj_buf_str(&text), &def, &a, &answer, &why));
    assert_non_null(strstr(tj_cstr(&a, why), "over"));
    tj_buf_cut(&text, 200000);
    assert_false(tj_answer_parse(tj_buf_str(&text), &def, &a, &answer, &why));

    tj_buf_clear(&text);
    tj_buf_add(&text, TJ_STR("{\"result\":\"a\",\"evidence\":["));
    for (size_t i = 0; i <= TJ_EVIDENCE_MAX; i++)
        tj_buf_fmt(&text, "%s{\"span_id\":\"\",\"field\":\"\",\"quote\":\"\"}",
                   i ? "," : "");
    tj_buf_add(&text, TJ_STR("]}"));
    assert_true(tj_answer_parse(tj_buf_str(&text), &def, &a, &answer, &why));
    assert_int_equal(answer.evidence_count, TJ_EVIDENCE_MAX);
    tj_arena_release(&a);
}

static void test_answer_schema(void **state)
{
    struct tj_arena a = {0};
    struct tj_judge_def def;
    set_value(&def, TJ_STR("[\"good\",\"bad\"]"), &a);
    def.evidence = TJ_EVIDENCE_NONE;
    assert_str_eq(tj_answer_schema(&def, &a),
                  "{\"type\":\"object\",\"properties\":{\"result\":{\"anyOf\":["
                  "{\"type\":\"string\",\"enum\":[\"good\",\"bad\"]},"
                  "{\"type\":\"null\"}]},\"rationale\":{\"type\":\"string\"}},"
                  "\"required\":[\"result\",\"rationale\"],"
                  "\"additionalProperties\":false}");
    def.evidence = TJ_EVIDENCE_OPTIONAL;
    assert_non_null(strstr(tj_cstr(&a, tj_answer_schema(&def, &a)),
                           "\"required\":[\"span_id\",\"field\",\"quote\"],"
                           "\"additionalProperties\":false"));
    /* A dict with any keys has no closed form: no schema is sent. */
    set_value(&def, TJ_STR("\"dict[str, int]\""), &a);
    assert_str_eq(tj_answer_schema(&def, &a), "");
    tj_arena_release(&a);
}

static void test_closed_form(void **state)
{
    struct tj_arena a = {0};
    struct tj_json_doc doc;
    struct tj_err err = {0};
    struct tj_buf out;
    struct tj_json_writer w;
    tj_str schema =
        TJ_STR("{\"type\":\"object\",\"title\":\"T\",\"properties\":{"
               "\"n\":{\"type\":\"integer\",\"minimum\":1},"
               "\"s\":{\"const\":\"x\"}},\"required\":[\"n\"]}");
    assert_ok(tj_json_parse(schema, &a, &doc, &err), err);
    assert_ok(tj_schema_accept(doc.root, &err), err);
    assert_true(tj_schema_is_closable(doc.root));
    tj_buf_init(&out, &a, 4096);
    tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
    tj_schema_write_closed(&w, doc.root);
    assert_str_eq(tj_buf_str(&out),
                  "{\"type\":\"object\",\"properties\":{"
                  "\"n\":{\"type\":\"integer\"},"
                  "\"s\":{\"anyOf\":[{\"type\":\"string\",\"enum\":[\"x\"]},"
                  "{\"type\":\"null\"}]}},\"required\":[\"n\",\"s\"],"
                  "\"additionalProperties\":false}");
    tj_arena_release(&a);
}

static void test_schema_depth(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc;
    struct tj_buf text;
    tj_buf_init(&text, &a, 65536);
    for (int i = 0; i < 40; i++)
        tj_buf_add(&text, TJ_STR("{\"type\":\"array\",\"items\":"));
    tj_buf_add(&text, TJ_STR("{\"type\":\"string\"}"));
    tj_buf_repeat(&text, '}', 40);
    assert_ok(tj_json_parse(tj_buf_str(&text), &a, &doc, &err), err);
    assert_fails(tj_schema_accept(doc.root, &err), err, TJ_E_LIMIT,
                 "nested deeper");
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_answer_schema),
        cmocka_unit_test(test_closed_form),
        cmocka_unit_test(test_schema_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
