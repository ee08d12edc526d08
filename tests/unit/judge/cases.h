/* cases.h - reads a file of cases: "== title", text, "=> expectation".
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TESTS_JUDGE_CASES_H
#define TJ_TESTS_JUDGE_CASES_H

#include "base/file.h"
#include "test.h"

struct cases {
    struct tj_arena arena;
    tj_str rest;
    tj_str title;
    tj_str text; /* without the last line break */
    tj_str want;
};

static inline void cases_open(struct cases *c, const char *name)
{
    struct tj_err err = {0};
    const char *source = getenv("TRACEJUDGE_SOURCE");
    assert_non_null(source);
    *c = (struct cases){0};
    tj_str path = tj_str_printf(&c->arena, "%s/tests/cases/%s", source, name);
    assert_ok(tj_file_read(path.ptr, 1 << 20, &c->arena, &c->rest, &err), err);
}

static inline bool cases_next(struct cases *c)
{
    tj_str line = {0};
    while (c->rest.ptr && !tj_str_starts(line, TJ_STR("== ")))
        line = tj_str_cut(&c->rest, '\n');
    if (!c->rest.ptr)
        return false;
    c->title = tj_str_slice(line, 3, line.len);
    const char *begin = c->rest.ptr;
    do {
        assert_non_null(c->rest.ptr);
        line = tj_str_cut(&c->rest, '\n');
    } while (!tj_str_starts(line, TJ_STR("=> ")));
    c->text = tj_str_make(begin, (size_t)(line.ptr - begin));
    if (c->text.len > 0)
        c->text.len--;
    c->want = tj_str_slice(line, 3, line.len);
    return true;
}

#endif
