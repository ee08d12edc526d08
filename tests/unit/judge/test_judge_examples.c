/* test_judge_examples.c - every judge that comes with the program is read.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/file.h"
#include "judge/def.h"
#include "test.h"

static const char *const names[] = {
    "answer_quality",       "error_handling",  "groundedness",
    "performance_analyzer", "task_completion", "tool_use",
};

static void test_examples(void **state)
{
    const char *source = getenv("TRACEJUDGE_SOURCE");
    assert_non_null(source);
    for (size_t i = 0; i < TJ_COUNT(names); i++) {
        struct tj_arena a = {0};
        struct tj_err err = {0};
        struct tj_judge_def def;
        tj_str text;
        tj_str path =
            tj_str_printf(&a, "%s/examples/judges/%s.md", source, names[i]);
        assert_ok(tj_file_read(path.ptr, 1 << 20, &a, &text, &err), err);
        assert_ok(tj_judge_def_parse(text, path.ptr, &a, &def, &err), err);
        assert_str_eq(def.name, names[i]);
        assert_true(def.description.len > 0);
        assert_true(def.has_pass);
        tj_arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
