/* test_judge_def.c - judge files, good and bad.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/def.h"

#include "base/buf.h"
#include "base/limits.h"
#include "cases.h"

static const char FILE_NAME[] = "judges/tool_use.md";

static void put_list(struct tj_buf *out, const tj_str *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tj_buf_fmt(out, "%s%.*s", i ? "," : "", TJ_STR_ARG(items[i]));
    if (count == 0)
        tj_buf_byte(out, '-');
}

static tj_str summary(const struct tj_judge_def *def, struct tj_arena *a)
{
    struct tj_buf out;
    tj_buf_init(&out, a, 4096);
    tj_buf_fmt(&out, "%.*s %.*s ", TJ_STR_ARG(def->name),
               TJ_STR_ARG(def->value_type));
    put_list(&out, def->pass, def->has_pass ? def->pass_count : 0);
    tj_buf_byte(&out, ' ');
    put_list(&out, def->var_order, def->var_count);
    return tj_buf_str(&out);
}

static void test_cases(void **state)
{
    struct cases c;
    size_t count = 0;
    cases_open(&c, "judge_def.txt");
    while (cases_next(&c)) {
        struct tj_arena a = {0};
        struct tj_judge_def def;
        struct tj_err err = {0};
        tj_str got;
        bool ok = tj_judge_def_parse(c.text, FILE_NAME, &a, &def, &err);
        got = ok ? summary(&def, &a)
                 : tj_str_printf(&a, "error: %s", err.message);
        bool same = ok ? tj_str_eq(got, c.want)
                       : tj_str_find(got, c.want) != (size_t)-1;
        if (!ok && !same) {
            /* MLflow's own messages are looked for behind file and line. */
            tj_str part = tj_str_slice(c.want, 7, c.want.len);
            same = tj_str_starts(c.want, TJ_STR("error: ")) &&
                   tj_str_find(got, part) != (size_t)-1;
        }
        if (!same)
            fail_msg("%.*s\n  got:  %.*s\n  want: %.*s", TJ_STR_ARG(c.title),
                     TJ_STR_ARG(got), TJ_STR_ARG(c.want));
        tj_arena_release(&a);
        count++;
    }
    assert_true(count > 30);
    tj_arena_release(&c.arena);
}

static void test_everything(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_judge_def def;
    tj_str source =
        TJ_STR("---\nname: full\ndescription: \"all keys\"\n"
               "model: openai:/gpt-5\nvalue: [good, bad]\npass: good\n"
               "evidence: required\n"
               "limits: {rounds: 3, input_tokens: 5, tool_bytes: 7, "
               "seconds: 9, cost_usd: 0.25}\n"
               "params: {temperature: 0.5}\nrules: {slow: {seconds: 2}}\n"
               "labels: true\n---\n\n  Rate {{ trace }}.\n\n");
    assert_ok(tj_judge_def_parse(source, "x.md", &a, &def, &err), err);
    assert_str_eq(def.description, "all keys");
    assert_str_eq(def.model, "openai:/gpt-5");
    assert_str_eq(def.instructions, "Rate {{ trace }}.");
    assert_str_eq(def.value_schema,
                  "{\"type\":\"string\",\"enum\":[\"good\",\"bad\"]}");
    assert_int_equal(def.evidence, TJ_EVIDENCE_REQUIRED);
    assert_int_equal(def.limits.rounds, 3);
    assert_int_equal(def.limits.input_tokens, 5);
    assert_int_equal(def.limits.tool_bytes, 7);
    assert_int_equal(def.limits.seconds, 9);
    assert_true(def.limits.cost_usd > 0.2 && def.limits.cost_usd < 0.3);
    assert_str_eq(def.params, "{\"temperature\":0.5}");
    assert_str_eq(def.rules, "{\"slow\":{\"seconds\":2}}");
    assert_true(def.show_labels);
    assert_int_equal(def.vars, TJ_VAR_TRACE);
    assert_int_equal(def.digest.len, 64);
    tj_arena_release(&a);
}

static void test_defaults(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_judge_def def;
    assert_ok(tj_judge_def_parse(TJ_STR("{{ trace }}"), "a/b.c/calm.md", &a,
                                 &def, &err),
              err);
    assert_str_eq(def.name, "calm");
    assert_str_eq(def.model, "");
    assert_int_equal(def.evidence, TJ_EVIDENCE_OPTIONAL);
    assert_int_equal(def.limits.rounds, TJ_JUDGE_ROUNDS);
    assert_true(def.limits.cost_usd < 0);
    assert_false(def.show_labels);
    assert_false(def.has_pass);
    tj_arena_release(&a);
}

static void test_hostile(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_judge_def def;
    assert_fails(tj_judge_def_parse(TJ_STR("ok\n{{ trace }}\xff"), "x.md", &a,
                                    &def, &err),
                 err, TJ_E_INPUT, "x.md: line 2: not valid UTF-8");
    size_t size = TJ_JUDGE_FILE_BYTES_MAX + 1;
    char *big = tj_arena_alloc(&a, size);
    memset(big, 'x', size);
    assert_fails(
        tj_judge_def_parse(tj_str_make(big, size), "x.md", &a, &def, &err), err,
        TJ_E_LIMIT, "over");
    assert_fails(tj_judge_def_parse(TJ_STR(""), "x.md", &a, &def, &err), err,
                 TJ_E_INPUT, "instructions must be a non-empty string");
    assert_fails(tj_judge_def_parse(TJ_STR("{{ trace }}"), "-", &a, &def, &err),
                 err, TJ_E_INPUT, "name must be a non-empty string");
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
