/* test_tool_cases.c - what tools answer, as cases in tests/cases/tools_*.txt.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     case NAME                          begins a trace
 *     span ID PARENT START END NAME      hex ids, ms; PARENT 0: a root; END -1
 *     error MESSAGE                      status of the span above
 *     attr KEY VALUE                     of the span above; \n is a line break
 *     call TOOL ARGS                     ask; ARGS may be empty
 *     refused                            the answer is a refusal
 *     | LINE                             the answer, line by line
 *     # ...                              a remark
 *
 * The answer is compared whole.  On a difference what came is printed in this
 * form, so a case can be written by running it.
 */
#include "tools_test.h"

#include "base/file.h"
#include "base/limits.h"

struct runner {
    struct fixture f;
    bool open;  /* a case is under way */
    bool asked; /* reply is what the next lines are compared with */
    tj_str name;
    tj_str call;
    struct tj_tool_reply reply;
    struct tj_buf want;
    bool refused;
    size_t checked;
};

static tj_str word(tj_str *rest)
{
    return tj_str_cut(rest, ' ');
}

static tj_str unescape(struct fixture *f, tj_str text)
{
    struct tj_buf b;
    tj_buf_init(&b, &f->arena, 1 << 16);
    for (size_t i = 0; i < text.len; i++) {
        bool escape =
            text.ptr[i] == '\\' && i + 1 < text.len && text.ptr[i + 1] == 'n';
        tj_buf_byte(&b, escape ? '\n' : text.ptr[i]);
        i += escape;
    }
    return tj_buf_str(&b);
}

static uint32_t hex(tj_str s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char *digits = "0123456789abcdef";
        const char *at = strchr(digits, s.ptr[i]);
        assert_non_null(at);
        n = n * 16 + (uint32_t)(at - digits);
    }
    return n;
}

static long number(tj_str s)
{
    int64_t n;
    assert_true(tj_str_to_i64(s, &n));
    return (long)n;
}

static void check(struct runner *r)
{
    if (!r->asked)
        return;
    r->asked = false;
    r->checked++;
    bool same = tj_str_eq(r->reply.text, tj_buf_str(&r->want)) &&
                r->refused == r->reply.refused;
    if (same)
        return;
    print_error("case %.*s, call %.*s:\n%s", TJ_STR_ARG(r->name),
                TJ_STR_ARG(r->call), r->reply.refused ? "refused\n" : "");
    tj_str rest = r->reply.text;
    while (rest.len) {
        tj_str line = tj_str_cut(&rest, '\n');
        print_error("| %.*s\n", TJ_STR_ARG(line));
    }
    fail();
}

static void end_case(struct runner *r)
{
    check(r);
    if (r->open)
        fixture_release(&r->f);
    r->open = false;
}

static void run_call(struct runner *r, tj_str rest)
{
    struct tj_err err = {0};
    check(r);
    if (!r->f.trace.store)
        fixture_open(&r->f);
    r->call = rest;
    struct tj_call call = {.name = word(&rest), .args = rest};
    assert_ok(tj_tool_run(&r->f.env, &call, &r->reply, &err), err);
    r->asked = true;
    r->refused = false;
    tj_buf_init(&r->want, &r->f.arena, TJ_TOOL_RESULT_BYTES_MAX + 1);
}

static void run_span(struct runner *r, tj_str rest)
{
    uint32_t id = hex(word(&rest));
    uint32_t parent = hex(word(&rest));
    long start = number(word(&rest));
    long end = number(word(&rest));
    fixture_span(&r->f, id, parent, tj_cstr(&r->f.arena, rest), start, end);
}

static void run_error(struct runner *r, tj_str rest)
{
    struct tj_span *s = &r->f.batch.spans.items[r->f.batch.spans.count - 1];
    s->status = TJ_STATUS_ERROR;
    s->status_message = unescape(&r->f, rest);
}

static void run_line(struct runner *r, tj_str line)
{
    tj_str rest = line;
    tj_str verb = word(&rest);
    if (!line.len || verb.ptr[0] == '#')
        return;
    if (tj_str_eq(verb, TJ_STR("case"))) {
        end_case(r);
        fixture_init(&r->f);
        r->name = rest;
        r->open = true;
    } else if (tj_str_eq(verb, TJ_STR("span"))) {
        run_span(r, rest);
    } else if (tj_str_eq(verb, TJ_STR("error"))) {
        run_error(r, rest);
    } else if (tj_str_eq(verb, TJ_STR("attr"))) {
        tj_str key = word(&rest);
        tj_build_attr_text(r->f.build, key, unescape(&r->f, rest));
    } else if (tj_str_eq(verb, TJ_STR("call"))) {
        run_call(r, rest);
    } else if (tj_str_eq(verb, TJ_STR("refused"))) {
        r->refused = true;
    } else if (tj_str_eq(verb, TJ_STR("|"))) {
        tj_buf_add(&r->want, rest);
        if (!r->refused)
            tj_buf_byte(&r->want, '\n');
    } else {
        fail_msg("not understood: %.*s", TJ_STR_ARG(line));
    }
}

static void test_cases(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str text;
    const char *source = getenv("TRACEJUDGE_SOURCE");
    if (!source)
        skip();
    tj_str path = tj_str_printf(&a, "%s/tests/cases/tools_text.txt", source);
    assert_ok(tj_file_read(path.ptr, 1 << 20, &a, &text, &err), err);
    struct runner r = {.open = false};
    while (text.ptr)
        run_line(&r, tj_str_cut(&text, '\n'));
    end_case(&r);
    assert_true(r.checked > 10);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
