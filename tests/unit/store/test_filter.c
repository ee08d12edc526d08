/* test_filter.c - the filter language: trees, refusals, limits.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cases.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "store/filter.h"

static const char *const entities[] = {
    [TJ_ENTITY_ATTRIBUTE] = "attribute",
    [TJ_ENTITY_TAG] = "tag",
    [TJ_ENTITY_METADATA] = "metadata",
    [TJ_ENTITY_SPAN] = "span",
    [TJ_ENTITY_FEEDBACK] = "feedback",
    [TJ_ENTITY_EXPECTATION] = "expectation",
    [TJ_ENTITY_ISSUE] = "issue",
};

static const char *const attributes[] = {
    [TJ_ATTR_REQUEST_ID] = "request_id",
    [TJ_ATTR_TIMESTAMP_MS] = "timestamp_ms",
    [TJ_ATTR_EXECUTION_TIME_MS] = "execution_time_ms",
    [TJ_ATTR_END_TIME_MS] = "end_time_ms",
    [TJ_ATTR_STATUS] = "status",
    [TJ_ATTR_CLIENT_REQUEST_ID] = "client_request_id",
    [TJ_ATTR_NAME] = "name",
    [TJ_ATTR_RUN_ID] = "run_id",
    [TJ_ATTR_TEXT] = "text",
    [TJ_ATTR_EXPERIMENT_ID] = "experiment_id",
    [TJ_ATTR_PROMPT] = "prompt",
};

static const char *const ops[] = {
    [TJ_OP_EQ] = "=",
    [TJ_OP_NE] = "!=",
    [TJ_OP_LT] = "<",
    [TJ_OP_LE] = "<=",
    [TJ_OP_GT] = ">",
    [TJ_OP_GE] = ">=",
    [TJ_OP_LIKE] = "like",
    [TJ_OP_ILIKE] = "ilike",
    [TJ_OP_RLIKE] = "rlike",
    [TJ_OP_IN] = "in",
    [TJ_OP_NOT_IN] = "not in",
    [TJ_OP_IS_NULL] = "is null",
    [TJ_OP_IS_NOT_NULL] = "is not null",
};

static void dump_clause(struct tj_buf *b, const struct tj_filter *f)
{
    tj_str key = f->entity == TJ_ENTITY_ATTRIBUTE
                     ? tj_str_c(attributes[f->attribute])
                     : f->key;
    tj_buf_fmt(b, "(%s %.*s %s", entities[f->entity], TJ_STR_ARG(key),
               ops[f->op]);
    for (size_t i = 0; i < f->value_count; i++) {
        double d = 0;
        if (f->is_number) {
            assert_true(tj_str_to_double(f->values[i], &d));
            assert_true(d == f->number);
        }
        tj_buf_fmt(b, f->is_number ? " #%.*s" : " '%.*s'",
                   TJ_STR_ARG(f->values[i]));
    }
    tj_buf_byte(b, ')');
}

static void dump(struct tj_buf *b, const struct tj_filter *f)
{
    if (!f) {
        tj_buf_add(b, TJ_STR("everything"));
        return;
    }
    if (f->kind == TJ_FILTER_CLAUSE) {
        dump_clause(b, f);
        return;
    }
    tj_buf_add(b, f->kind == TJ_FILTER_AND  ? TJ_STR("(and ")
                  : f->kind == TJ_FILTER_OR ? TJ_STR("(or ")
                                            : TJ_STR("(not "));
    dump(b, f->left);
    if (f->right) {
        tj_buf_byte(b, ' ');
        dump(b, f->right);
    }
    tj_buf_byte(b, ')');
}

static void check(const struct test_case *c, tj_str got, const struct tj_err *e)
{
    tj_str want = c->expect;
    tj_str message = tj_str_c(e->message);
    if (tj_str_starts(want, TJ_STR("! "))) {
        want = tj_str_slice(want, 2, want.len);
        if (e->code == TJ_E_INPUT && tj_str_find(message, want) != (size_t)-1)
            return;
    } else if (e->code == TJ_E_NONE && tj_str_eq(got, want)) {
        return;
    }
    fail_msg("line %zu: %.*s\n  got  %.*s%s\n  want %.*s", c->line,
             TJ_STR_ARG(c->input), TJ_STR_ARG(got), e->message,
             TJ_STR_ARG(want));
}

static void parse_cases(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    test_cases all = cases_read("filter_parse", &a);
    for (size_t i = 0; i < all.count; i++) {
        const struct tj_filter *f = NULL;
        struct tj_err err = {0};
        struct tj_buf b;
        tj_buf_init(&b, &a, 1 << 16);
        if (tj_filter_parse(all.items[i].input, &a, &f, &err))
            dump(&b, f);
        check(&all.items[i], tj_buf_str(&b), &err);
    }
    tj_arena_release(&a);
}

static void order_cases(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    test_cases all = cases_read("filter_order", &a);
    for (size_t i = 0; i < all.count; i++) {
        struct tj_order o = {0};
        struct tj_err err = {0};
        struct tj_buf b;
        tj_buf_init(&b, &a, 1 << 16);
        if (tj_order_parse(all.items[i].input, &a, &o, &err)) {
            tj_str key = o.entity == TJ_ENTITY_ATTRIBUTE
                             ? tj_str_c(attributes[o.attribute])
                             : o.key;
            tj_buf_fmt(&b, "%s %.*s %s", entities[o.entity], TJ_STR_ARG(key),
                       o.descending ? "desc" : "asc");
        }
        check(&all.items[i], tj_buf_str(&b), &err);
    }
    tj_arena_release(&a);
}

static tj_str repeated(struct tj_arena *a, const char *part, size_t count,
                       const char *tail)
{
    struct tj_buf b;
    tj_buf_init(&b, a, 1 << 20);
    for (size_t i = 0; i < count; i++)
        tj_buf_add(&b, tj_str_c(part));
    tj_buf_add(&b, tj_str_c(tail));
    return tj_buf_str(&b);
}

static void limits(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    const struct tj_filter *f = NULL;
    size_t depth = TJ_FILTER_DEPTH_MAX;
    size_t clauses = TJ_FILTER_CLAUSES_MAX;
    const char *one = "tag.a = 'b'";
    const char *more = "tag.a = 'b' AND ";
    assert_ok(tj_filter_parse(repeated(&a, "NOT ", depth, one), &a, &f, &err),
              err);
    assert_fails(
        tj_filter_parse(repeated(&a, "NOT ", depth + 1, one), &a, &f, &err),
        err, TJ_E_LIMIT, "the filter is nested over 32 levels");
    assert_fails(tj_filter_parse(repeated(&a, "(", 60000, ""), &a, &f, &err),
                 err, TJ_E_LIMIT, "the filter is nested over 32 levels");
    assert_ok(
        tj_filter_parse(repeated(&a, more, clauses - 1, one), &a, &f, &err),
        err);
    assert_fails(
        tj_filter_parse(repeated(&a, more, clauses, one), &a, &f, &err), err,
        TJ_E_LIMIT, "the filter has over 256 clauses");
    assert_fails(tj_filter_parse(repeated(&a, " ", TJ_FILTER_BYTES_MAX + 1, ""),
                                 &a, &f, &err),
                 err, TJ_E_LIMIT, "the filter is over 65536 bytes");
    struct tj_order o;
    assert_fails(tj_order_parse(repeated(&a, " ", TJ_FILTER_BYTES_MAX + 1, ""),
                                &a, &o, &err),
                 err, TJ_E_LIMIT, "the order is over 65536 bytes");
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_cases),
        cmocka_unit_test(order_cases),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
