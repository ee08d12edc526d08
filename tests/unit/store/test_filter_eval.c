/* test_filter_eval.c - which traces a filter matches, and what it reads.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cases.h"

#include <stdio.h>

#include "base/buf.h"
#include "store/filter_eval.h"
#include "trace/build.h"

enum { TRACES = 4 };

static const char *const names[TRACES] = {"alpha", "beta", "gamma", "delta"};

struct place {
    struct tj_arena a;
    struct tj_store *st;
    struct tj_trace_info infos[TRACES];
};

static tj_trace_id trace_id(unsigned n)
{
    return (tj_trace_id){.bytes = {[15] = (unsigned char)(0xa1 + n)}};
}

static struct tj_trace_info *add_info(struct tj_batch *b, unsigned n,
                                      enum tj_trace_state state,
                                      uint64_t duration_ms)
{
    struct tj_trace_info *info = tj_batch_info(b, trace_id(n));
    info->request_time = (uint64_t)(n + 1) * 1000000 * TJ_NS_PER_MS;
    info->state = state;
    info->duration_ns = duration_ms * TJ_NS_PER_MS;
    return info;
}

static void tag(struct tj_batch *b, struct tj_trace_info *info, const char *key,
                const char *value)
{
    tj_pairs_set(&info->tags, b->arena, tj_str_c(key), tj_str_c(value));
}

static struct tj_span *start_span(struct tj_build *b, unsigned trace,
                                  unsigned span, const char *name)
{
    tj_span_id id = {
        .bytes = {
            [6] = (unsigned char)(trace + 1), [7] = (unsigned char)(span + 1)}};
    struct tj_span *s = tj_build_span(b, trace_id(trace), id);
    s->name = tj_str_c(name);
    s->start = (uint64_t)(trace + 1) * 1000000 * TJ_NS_PER_MS + span;
    s->end = s->start + 1;
    return s;
}

static void kind(struct tj_build *b, const char *type)
{
    tj_build_attr_text(b, TJ_STR("mlflow.spanType"), tj_str_c(type));
}

static void add_alpha(struct tj_batch *batch, struct tj_build *b)
{
    struct tj_trace_info *info = add_info(batch, 0, TJ_STATE_OK, 1000);
    info->name = TJ_STR("Alpha");
    info->client_request_id = TJ_STR("c-1");
    tj_pairs_set(&info->metadata, batch->arena, TJ_STR("mlflow.sourceRun"),
                 TJ_STR("r1"));
    tag(batch, info, "env", "prod");
    tag(batch, info, "a b", "it's");
    tag(batch, info, "empty", "");
    tag(batch, info, "mlflow.linkedPrompts",
        "[{\"name\":\"greet\",\"version\":3},"
        "{\"name\":\"other\",\"version\":\"v1\"}]");
    start_span(b, 0, 0, "agent run")->status = TJ_STATUS_OK;
    kind(b, "AGENT");
    tj_build_attr_i64(b, TJ_STR("count"), 3);
    tj_build_attr_bool(b, TJ_STR("flag"), true);
    tj_build_attr_text(b, TJ_STR("empty"), TJ_STR(""));
    tj_build_attr_text(b, TJ_STR("note"), TJ_STR("a\nneedle here"));
    tj_build_end(b);
    start_span(b, 0, 1, "fetch")->status = TJ_STATUS_ERROR;
    kind(b, "TOOL");
    tj_build_end(b);
}

static void add_others(struct tj_batch *batch, struct tj_build *b)
{
    struct tj_trace_info *beta = add_info(batch, 1, TJ_STATE_ERROR, 250);
    beta->name = TJ_STR("gr\xc3\xbcn \xc3\x84pfel");
    beta->experiment = TJ_STR("other");
    beta->source_id = TJ_STR("run-42");
    tj_pairs_set(&beta->metadata, batch->arena, TJ_STR("mlflow.trace.user"),
                 TJ_STR("u1"));
    tag(batch, beta, "env", "dev");
    tag(batch, beta, "odd", "100% (a_b) \\d+ [x] {2} ^$.*?|");
    start_span(b, 1, 0, "chat gpt")->status = TJ_STATUS_OK;
    kind(b, "LLM");
    tj_build_attr_text(b, TJ_STR("gen_ai.request.model"), TJ_STR("gpt-5"));
    tj_build_end(b);
    (void)add_info(batch, 2, TJ_STATE_IN_PROGRESS, 0);
    struct tj_trace_info *delta = add_info(batch, 3, TJ_STATE_OK, 0);
    delta->name = TJ_STR("delta");
    start_span(b, 3, 0, "fetch")->status = TJ_STATUS_OK;
    kind(b, "LLM");
    tj_build_end(b);
    start_span(b, 3, 1, "agent run")->status = TJ_STATUS_ERROR;
    kind(b, "AGENT");
    tj_build_end(b);
}

static void assess(struct place *p, unsigned trace, const char *name,
                   const char *json)
{
    struct tj_err err = {0};
    struct tj_assessment as = {.trace_id = trace_id(trace),
                               .kind = TJ_FEEDBACK,
                               .name = tj_str_c(name),
                               .value_json = tj_str_c(json),
                               .valid = true};
    if (!strcmp(name, "answer"))
        as.kind = TJ_EXPECTATION;
    if (!strcmp(name, "old"))
        as.valid = false;
    if (!*json)
        as.error_code = TJ_STR("timeout");
    assert_ok(tj_store_add_assessment(p->st, &as, &p->a, &err), err);
}

static void add_assessments(struct place *p)
{
    assess(p, 0, "quality", "\"yes\"");
    assess(p, 0, "score", "5.0");
    assess(p, 0, "ok", "true");
    assess(p, 0, "tags", "[\"a\", 1]");
    assess(p, 0, "answer", "\"forty two\"");
    assess(p, 0, "old", "\"x\"");
    assess(p, 1, "quality", "\"no\"");
    assess(p, 1, "score", "2");
    assess(p, 1, "broken", "");
    assess(p, 1, "name", "\"named\"");
}

static int setup(void **state)
{
    struct place *p = test_malloc(sizeof *p);
    *p = (struct place){0};
    struct tj_err err = {0};
    struct tj_batch batch;
    struct tj_store_options options = {.create = true};
    tj_batch_init(&batch, &p->a);
    struct tj_build *b = tj_build_new(&p->a, &batch);
    add_alpha(&batch, b);
    add_others(&batch, b);
    assert_ok(tj_store_open(TJ_STR("memory:"), &options, &p->st, &err), err);
    assert_ok(tj_store_add_batch(p->st, &batch, &err), err);
    add_assessments(p);
    struct tj_trace_query query = {.row_max = TRACES};
    struct tj_trace_page page = {0};
    assert_ok(tj_store_search(p->st, &query, &p->a, &page, &err), err);
    assert_int_equal(page.count, TRACES);
    for (size_t i = 0; i < TRACES; i++)
        p->infos[TRACES - 1 - i] = page.infos[i];
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    tj_store_close(p->st);
    tj_arena_release(&p->a);
    test_free(p);
    return 0;
}

/* The names of the traces that match, or the message. */
static tj_str run(struct place *p, tj_str text)
{
    struct tj_err err = {0};
    const struct tj_filter *f = NULL;
    struct tj_buf got;
    tj_buf_init(&got, &p->a, 1 << 12);
    struct tj_filter_eval *e = NULL;
    if (tj_filter_parse(text, &p->a, &f, &err))
        e = tj_filter_eval_new(f, &err);
    for (size_t i = 0; e && i < TRACES; i++) {
        bool met = false;
        struct tj_arena scratch = {0};
        assert_ok(
            tj_filter_eval_match(e, p->st, &p->infos[i], &scratch, &met, &err),
            err);
        tj_arena_release(&scratch);
        if (met)
            tj_buf_fmt(&got, "%s%s", got.len ? " " : "", names[i]);
    }
    if (!e)
        tj_buf_fmt(&got, "! %s", err.message);
    tj_filter_eval_free(e);
    return got.len ? tj_buf_str(&got) : TJ_STR("none");
}

static void cases(void **state)
{
    struct place *p = *state;
    test_cases all = cases_read("filter_eval", &p->a);
    for (size_t i = 0; i < all.count; i++) {
        const struct test_case *c = &all.items[i];
        tj_str got = run(p, c->input);
        bool refusal = tj_str_starts(c->expect, TJ_STR("! "));
        bool good = refusal
                        ? tj_str_starts(got, TJ_STR("! ")) &&
                              tj_str_find(got, tj_str_slice(c->expect, 2,
                                                            c->expect.len)) !=
                                  (size_t)-1
                        : tj_str_eq(got, c->expect);
        if (!good)
            fail_msg("line %zu: %.*s\n  got  %.*s\n  want %.*s", c->line,
                     TJ_STR_ARG(c->input), TJ_STR_ARG(got),
                     TJ_STR_ARG(c->expect));
    }
}

/* The deepest tree that parses is walked without trouble. */
static void the_largest_filter(void **state)
{
    struct place *p = *state;
    struct tj_buf b;
    tj_buf_init(&b, &p->a, 1 << 16);
    tj_buf_add(&b, TJ_STR("NOT ("));
    for (int i = 1; i < 128; i++)
        tj_buf_add(&b, TJ_STR("span.name = 'x' AND "));
    tj_buf_add(&b, TJ_STR("span.name = 'y') AND NOT ("));
    for (int i = 1; i < 128; i++)
        tj_buf_add(&b, TJ_STR("tag.env = 'x' OR "));
    tj_buf_add(&b, TJ_STR("status = 'ERROR')"));
    assert_str_eq(run(p, tj_buf_str(&b)), "alpha gamma delta");
}

static const char *name_of(struct place *p, const struct tj_trace_info *info)
{
    for (size_t i = 0; i < TRACES; i++)
        if (tj_trace_id_eq(info->trace_id, p->infos[i].trace_id))
            return names[i];
    return "?";
}

/* All pages of one trace each, through the store's front. */
static tj_str pages(struct place *p, const char *text, const char *order)
{
    struct tj_err err = {0};
    struct tj_order by = {0};
    struct tj_trace_query query = {.row_max = 1};
    struct tj_buf got;
    tj_buf_init(&got, &p->a, 1 << 12);
    assert_ok(tj_filter_parse(tj_str_c(text), &p->a, &query.filter, &err), err);
    if (order) {
        assert_ok(tj_order_parse(tj_str_c(order), &p->a, &by, &err), err);
        query.order = &by;
        query.order_count = 1;
    }
    for (size_t i = 0; i <= TRACES; i++) {
        struct tj_trace_page page = {0};
        assert_ok(tj_store_search(p->st, &query, &p->a, &page, &err), err);
        for (size_t k = 0; k < page.count; k++)
            tj_buf_fmt(&got, "%s ", name_of(p, &page.infos[k]));
        query.page_token = page.next_page_token;
        if (!query.page_token.len)
            return tj_buf_str(&got);
    }
    fail_msg("more pages than traces");
    return (tj_str){0};
}

static void searches_page_over_matches(void **state)
{
    struct place *p = *state;
    const char *fetch = "span.name = 'fetch' OR status = 'IN_PROGRESS'";
    assert_str_eq(pages(p, fetch, NULL), "delta gamma alpha ");
    assert_str_eq(pages(p, fetch, "timestamp ASC"), "alpha gamma delta ");
    assert_str_eq(pages(p, fetch, "name"), "alpha delta gamma ");
    assert_str_eq(pages(p, "tag.env IS NOT NULL", "tag.env"), "beta alpha ");
    assert_str_eq(pages(p, "name = 'none'", NULL), "");
    assert_str_eq(pages(p, "name = 'none'", "status"), "");
    struct tj_err err = {0};
    struct tj_trace_page page = {0};
    struct tj_trace_query query = {.row_max = 10};
    assert_ok(
        tj_filter_parse(TJ_STR("status = 'OK'"), &p->a, &query.filter, &err),
        err);
    assert_ok(tj_store_search(p->st, &query, &p->a, &page, &err), err);
    assert_int_equal(page.total, 2);
    assert_ok(
        tj_filter_parse(TJ_STR("name RLIKE '('"), &p->a, &query.filter, &err),
        err);
    assert_fails(tj_store_search(p->st, &query, &p->a, &page, &err), err,
                 TJ_E_INPUT, "RLIKE '('");
}

/* What is about infos alone opens no trace, and the cheap side decides. */
static void only_what_is_asked_is_read(void **state)
{
    struct place *p = *state;
    static const char *const cheap[] = {
        "status = 'OK'",
        "span.name = 'x' AND status = 'nope'",
        "text LIKE '%x%' OR NOT status = 'nope'",
        "feedback.n = 'x' AND tag.env = 'nope'",
    };
    for (size_t i = 0; i < TJ_COUNT(cheap); i++) {
        struct tj_err err = {0};
        struct tj_arena scratch = {0};
        const struct tj_filter *f = NULL;
        bool met = false;
        assert_ok(tj_filter_parse(tj_str_c(cheap[i]), &p->a, &f, &err), err);
        struct tj_filter_eval *e = tj_filter_eval_new(f, &err);
        assert_non_null(e);
        assert_ok(
            tj_filter_eval_match(e, p->st, &p->infos[0], &scratch, &met, &err),
            err);
        assert_int_equal(scratch.used_bytes, 0);
        tj_filter_eval_free(e);
        tj_arena_release(&scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),
        cmocka_unit_test(the_largest_filter),
        cmocka_unit_test(searches_page_over_matches),
        cmocka_unit_test(only_what_is_asked_is_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
