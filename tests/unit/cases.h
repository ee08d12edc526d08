/* cases.h - input and expect pairs from tests/cases/NAME.txt.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     # a comment
 *     the input, one line
 *     what is expected, any number of lines
 *     (a blank line)
 *
 * "<empty>" as the input is the empty text.
 */
#ifndef TJ_TESTS_CASES_H
#define TJ_TESTS_CASES_H

#include "base/file.h"
#include "base/vec.h"
#include "test.h"

struct test_case {
    size_t line; /* of the input, in the file */
    tj_str input;
    tj_str expect; /* lines joined by one blank */
};

typedef TJ_VEC(struct test_case) test_cases;

static inline void cases_line(test_cases *all, struct tj_arena *a, tj_str line,
                              size_t number, bool *inside)
{
    if (line.len && line.ptr[0] == '#')
        return;
    if (!line.len) {
        *inside = false;
        return;
    }
    if (!*inside) {
        struct test_case *c = tj_vec_add(all, a);
        bool empty = tj_str_eq(line, TJ_STR("<empty>"));
        *c = (struct test_case){.line = number,
                                .input = empty ? TJ_STR("") : line};
        *inside = true;
        return;
    }
    struct test_case *c = &all->items[all->count - 1];
    c->expect =
        tj_str_printf(a, "%.*s%s%.*s", TJ_STR_ARG(c->expect),
                      c->expect.len ? " " : "", TJ_STR_ARG(tj_str_trim(line)));
}

/* Fails when the file has no case: a test that reads nothing is no test. */
static inline test_cases cases_read(const char *name, struct tj_arena *a)
{
    test_cases all = {0};
    struct tj_err err = {0};
    tj_str text = {0};
    const char *root = getenv("TRACEJUDGE_SOURCE");
    tj_str path =
        tj_str_printf(a, "%s/tests/cases/%s.txt", root ? root : ".", name);
    assert_ok(tj_file_read(path.ptr, 1 << 20, a, &text, &err), err);
    bool inside = false;
    for (size_t number = 1; text.ptr; number++)
        cases_line(&all, a, tj_str_cut(&text, '\n'), number, &inside);
    assert_true(all.count > 0);
    return all;
}

#endif
