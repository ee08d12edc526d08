/* test_template.c - what is a variable and what is only braces.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "text/template.h"

static void variables_and_their_places(void **state)
{
    (void)state;
    tj_str text = TJ_STR("a {{ trace }} b {{inputs}}{{\n_x9\t}}");
    struct tj_template_var v = {0};
    size_t from = 0;
    assert_true(tj_template_next(text, &from, &v));
    assert_str_eq(v.name, "trace");
    assert_int_equal(v.offset, 2);
    assert_int_equal(v.len, 11);
    assert_int_equal(from, 13);
    assert_true(tj_template_next(text, &from, &v));
    assert_str_eq(v.name, "inputs");
    assert_int_equal(v.offset, 16);
    assert_true(tj_template_next(text, &from, &v));
    assert_str_eq(v.name, "_x9");
    assert_int_equal(v.offset + v.len, text.len);
    assert_false(tj_template_next(text, &from, &v));
    assert_int_equal(from, text.len);
    assert_false(tj_template_next(text, &from, &v));
}

static void only_braces(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          "{",           "{{",        "{{ x",     "{{ x }",
        "{ x }",     "{{}}",        "{{ }}",     "{{ 9x }}", "{{ a b }}",
        "{{ a.b }}", "{{ \"a\" }}", "{ { x } }", "{{ x } }", "{{ \xc3\xa9 }}",
    };
    for (size_t i = 0; i < TJ_COUNT(texts); i++) {
        struct tj_template_var v = {0};
        size_t from = 0;
        if (tj_template_next(tj_str_c(texts[i]), &from, &v))
            fail_msg("a variable in \"%s\"", texts[i]);
        assert_int_equal(from, strlen(texts[i]));
    }
}

/* JSON in instructions is full of braces; the variable among them counts. */
static void braces_around_variables(void **state)
{
    (void)state;
    tj_str text = TJ_STR("{{{ x }}} {{ {{ y }} {\"a\": {\"b\": {{z}}}}");
    tj_str *names = NULL;
    struct tj_arena a = {0};
    assert_int_equal(tj_template_names(text, &a, &names), 3);
    assert_str_eq(names[0], "x");
    assert_str_eq(names[1], "y");
    assert_str_eq(names[2], "z");
    tj_arena_release(&a);
}

static void names_are_distinct_and_ordered(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    tj_str *names = NULL;
    tj_str text = TJ_STR("{{b}} {{ a }} {{ b }} {{B}}");
    assert_int_equal(tj_template_names(text, &a, &names), 3);
    assert_str_eq(names[0], "b");
    assert_str_eq(names[1], "a");
    assert_str_eq(names[2], "B");
    assert_int_equal(tj_template_names(TJ_STR("plain"), &a, &names), 0);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_and_their_places),
        cmocka_unit_test(only_braces),
        cmocka_unit_test(braces_around_variables),
        cmocka_unit_test(names_are_distinct_and_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
