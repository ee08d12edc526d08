/* test_store_search.c - every store's search, assessments and judges.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "members.h"

#include "base/buf.h"

/* -- search --------------------------------------------------------------- */

static struct tj_trace_page must_search(struct state *s,
                                        const struct tj_trace_query *q)
{
    struct tj_trace_page page = {0};
    assert_ok(tj_store_search(s->st, q, &s->arena, &page, &s->err), s->err);
    return page;
}

static uint32_t number_of(const struct tj_trace_info *info)
{
    return (uint32_t)info->trace_id.bytes[14] << 8 | info->trace_id.bytes[15];
}

/* Traces 1..count, trace n at n ms; every third at the time of the second. */
static void add_traces(struct state *s, uint32_t count)
{
    for (uint32_t n = 1; n <= count; n++) {
        struct tj_span *span = add_span(&s->batch, n, 1, 0);
        span->start = AT_MS(n % 3 ? n : n - 1);
        span->end = span->start + (count - n + 1) * TJ_NS_PER_MS;
        span->name = tj_str_printf(&s->arena, "name %u", n % 4);
    }
    must_add(s->st, &s->batch);
    next_batch(s);
}

/* Of 600 added traces, newest first: of two at one time the smaller id. */
static uint32_t at_place(uint32_t place)
{
    uint32_t n = 600 - place;
    return n % 3 == 0 ? n - 1 : n % 3 == 2 ? n + 1 : n;
}

static void pages_newest_first(void **initial)
{
    struct state *s = begin(initial);
    add_traces(s, 600);
    struct tj_trace_query q = {.row_max = 7};
    uint32_t seen = 0;
    for (;;) {
        struct tj_trace_page page = must_search(s, &q);
        assert_int_equal(page.total, seen ? page.total : 600);
        for (size_t i = 0; i < page.count; i++, seen++)
            assert_int_equal(number_of(&page.infos[i]), at_place(seen));
        q.page_token = page.next_page_token;
        if (!q.page_token.len)
            break;
        /* One that comes meanwhile is newer: pages behind do not move. */
        add_span(&s->batch, 1000 + seen, 1, 0)->start = AT_MS(5000);
        must_add(s->st, &s->batch);
        next_batch(s);
    }
    assert_int_equal(seen, 600);
    end(s);
}

static void page_sizes_and_tokens_are_checked(void **initial)
{
    struct state *s = begin(initial);
    struct tj_trace_page page;
    struct tj_trace_query q = {.row_max = 0};
    assert_fails(tj_store_search(s->st, &q, &s->arena, &page, &s->err), s->err,
                 TJ_E_INPUT, "page size");
    q.row_max = TJ_SEARCH_ROWS_MAX + 1;
    assert_fails(tj_store_search(s->st, &q, &s->arena, &page, &s->err), s->err,
                 TJ_E_INPUT, "page size");
    q.row_max = 5;
    const char *tokens[] = {"x", "zz", "00", "0123456789abcdef0123456789abcde",
                            "g123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < TJ_COUNT(tokens); i++) {
        q.page_token = tj_str_c(tokens[i]);
        assert_fails(tj_store_search(s->st, &q, &s->arena, &page, &s->err),
                     s->err, TJ_E_INPUT, "page token");
    }
    q.page_token = (tj_str){0};
    page = must_search(s, &q);
    assert_int_equal(page.count, 0);
    assert_int_equal(page.total, 0);
    assert_int_equal(page.next_page_token.len, 0);
    end(s);
}

static void pages_in_other_orders(void **initial)
{
    struct state *s = begin(initial);
    add_traces(s, 50);
    const struct tj_order orders[] = {
        {.attribute = TJ_ATTR_NAME},
        {.attribute = TJ_ATTR_EXECUTION_TIME_MS, .descending = true},
    };
    struct tj_trace_query q = {.row_max = 8, .order = orders, .order_count = 2};
    uint32_t seen = 0;
    uint32_t last_name = 0;
    uint32_t last = 0;
    do {
        struct tj_trace_page page = must_search(s, &q);
        assert_int_equal(page.total, 50);
        for (size_t i = 0; i < page.count; i++, seen++) {
            uint32_t n = number_of(&page.infos[i]);
            assert_true(n % 4 > last_name || (n % 4 == last_name && n > last));
            last_name = n % 4;
            last = n;
        }
        q.page_token = page.next_page_token;
    } while (q.page_token.len);
    assert_int_equal(seen, 50);
    const struct tj_order oldest = {.attribute = TJ_ATTR_TIMESTAMP_MS};
    q = (struct tj_trace_query){
        .row_max = 3, .order = &oldest, .order_count = 1};
    struct tj_trace_page page = must_search(s, &q);
    assert_int_equal(number_of(&page.infos[0]), 1);
    assert_int_equal(page.infos[1].request_time, AT_MS(2));
    end(s);
}

static void hides_traces_of_judges(void **initial)
{
    struct state *s = begin(initial);
    add_traces(s, 3);
    tj_str key = TJ_STR(TJ_TAG_SOURCE_SCORER);
    assert_ok(tj_store_set_tag(s->st, trace_id(2), key, TJ_STR("j"), &s->err),
              s->err);
    struct tj_trace_query q = {.row_max = 10};
    struct tj_trace_page page = must_search(s, &q);
    assert_int_equal(page.count, 2);
    assert_int_equal(page.total, 2);
    q.with_judge_traces = true;
    page = must_search(s, &q);
    assert_int_equal(page.count, 3);
    assert_int_equal(page.total, 3);
    assert_ok(tj_store_delete_tag(s->st, trace_id(2), key, &s->err), s->err);
    q.with_judge_traces = false;
    assert_int_equal(must_search(s, &q).count, 3);
    end(s);
}

static void filters(void **initial)
{
    struct state *s = begin(initial);
    add_traces(s, 40);
    const struct tj_filter *filter;
    assert_ok(
        tj_filter_parse(TJ_STR("name = 'name 1'"), &s->arena, &filter, &s->err),
        s->err);
    struct tj_trace_query q = {.filter = filter, .row_max = 4};
    uint32_t want = 37;
    size_t pages = 0;
    do {
        struct tj_trace_page page = must_search(s, &q);
        assert_true(page.total == UINT64_MAX);
        for (size_t i = 0; i < page.count; i++, want -= 4)
            assert_int_equal(number_of(&page.infos[i]), want);
        q.page_token = page.next_page_token;
        pages++;
    } while (q.page_token.len);
    assert_int_equal(pages, 3);
    q = (struct tj_trace_query){.filter = filter, .row_max = 100};
    assert_int_equal(must_search(s, &q).total, 10);
    end(s);
}

/* How many match; of any length. */
static size_t count_matches(struct state *s, tj_str filter)
{
    struct tj_trace_query q = {.row_max = 1};
    size_t count = 0;
    if (!tj_filter_parse(filter, &s->arena, &q.filter, &s->err))
        fail_msg("%.*s: %s", TJ_STR_ARG(filter), s->err.message);
    do {
        struct tj_trace_page page = {0};
        if (!tj_store_search(s->st, &q, &s->arena, &page, &s->err))
            fail_msg("%.100s: %s", filter.ptr, s->err.message);
        count += page.count;
        q.page_token = page.next_page_token;
    } while (q.page_token.len);
    return count;
}

/* Of every clause that may stand there. */
static void the_longest_and_deepest_filters(void **initial)
{
    struct state *s = begin(initial);
    static const char *const clauses[] = {
        "feedback.x IS NULL",
        "feedback.x = 5",
        "run_id != 'x'",
        "metadata.`mlflow.trace.session` = 'x'",
        "experiment_id = 'Default'",
        "span.attributes.x LIKE '%long%'",
        "NOT expectation.x = 'never'"};
    /* Each of them counts as one or two levels. */
    static const struct {
        const char *open;
        const char *close;
        size_t levels;
        bool negates;
    } nests[] = {{"NOT ", "", 1, true},
                 {"tag.a = 'x' OR (", ")", 1, false},
                 {"name != 'x' AND (", ")", 1, false},
                 {"name != 'x' AND NOT (", ")", 2, true}};
    struct tj_buf text;
    add_traces(s, 3);
    tj_buf_init(&text, &s->arena, TJ_FILTER_BYTES_MAX);
    for (size_t i = 0; i < TJ_COUNT(clauses); i++) {
        tj_buf_clear(&text);
        for (size_t n = 0; n < TJ_FILTER_CLAUSES_MAX; n++)
            tj_buf_fmt(&text, "%s%s", n ? " AND " : "", clauses[i]);
        size_t once = count_matches(s, tj_str_c(clauses[i]));
        assert_int_equal(count_matches(s, tj_buf_str(&text)), once);
        for (size_t k = 0; k < TJ_COUNT(nests); k++) {
            size_t depth = (TJ_FILTER_DEPTH_MAX - 1) / nests[k].levels;
            tj_buf_clear(&text);
            for (size_t n = 0; n < depth; n++)
                tj_buf_add(&text, tj_str_c(nests[k].open));
            tj_buf_add(&text, tj_str_c(clauses[i]));
            for (size_t n = 0; n < depth; n++)
                tj_buf_add(&text, tj_str_c(nests[k].close));
            bool negated = nests[k].negates && depth % 2;
            assert_int_equal(count_matches(s, tj_buf_str(&text)),
                             negated ? 3 - once : once);
        }
    }
    end(s);
}

/* Times that nobody means are times: all 64 bits of OTLP. */
static void the_latest_times(void **initial)
{
    struct state *s = begin(initial);
    static const uint64_t starts[] = {
        AT_MS(1),  (UINT64_C(1) << 62) - 1, UINT64_C(1) << 62, INT64_MAX - 1,
        INT64_MAX, UINT64_C(1) << 63,       UINT64_MAX - 1};
    for (uint32_t n = 0; n < TJ_COUNT(starts); n++) {
        struct tj_span *span = add_span(&s->batch, n + 1, 1, 0);
        span->start = starts[n];
        span->end = starts[n] + (n + 1 < TJ_COUNT(starts) ? TJ_NS_PER_MS : 0);
    }
    must_add(s->st, &s->batch);
    assert_int_equal(count_matches(s, TJ_STR("")), 7);
    assert_int_equal(count_matches(s, TJ_STR("timestamp_ms > 0")), 7);
    assert_int_equal(count_matches(s, TJ_STR("timestamp_ms < 1e14")), 7);
    assert_int_equal(count_matches(s, TJ_STR("timestamp_ms > 9.2e12")), 4);
    assert_int_equal(count_matches(s, TJ_STR("NOT timestamp_ms > 9.2e12")), 3);
    assert_int_equal(count_matches(s, TJ_STR("timestamp_ms = 9223372036854")),
                     3);
    assert_int_equal(count_matches(s, TJ_STR("end_time_ms = 9223372036855")),
                     3);
    assert_int_equal(count_matches(s, TJ_STR("execution_time_ms = 1")), 6);
    end(s);
}

/* -- assessments and judges ----------------------------------------------- */

static tj_str must_assess(struct state *s, struct tj_assessment as)
{
    as.trace_id = trace_id(1);
    as.valid = true;
    if (!as.name.len)
        as.name = TJ_STR("quality");
    assert_ok(tj_store_add_assessment(s->st, &as, &s->arena, &s->err), s->err);
    return as.id;
}

static struct tj_assessments must_list(struct state *s)
{
    struct tj_assessments list = {0};
    assert_ok(tj_store_assessments(s->st, trace_id(1), &s->arena, &list.items,
                                   &list.count, &s->err),
              s->err);
    return list;
}

static void keeps_all_of_an_assessment(void **initial)
{
    struct state *s = begin(initial);
    add_span(&s->batch, 1, 1, 0);
    must_add(s->st, &s->batch);
    struct tj_assessment as = {
        .span_id = span_id(1),
        .kind = TJ_EXPECTATION,
        .source_type = TJ_SOURCE_LLM_JUDGE,
        .source_id = TJ_STR("openai:/gpt-5"),
        .value_json = TJ_STR("{\"a\": [1, \"\\u00e9\"]}"),
        .rationale = TJ_STR("because\n\"quoted\""),
        .error_code = TJ_STR("timeout"),
        .error_message = TJ_STR("too slow"),
        .error_stack = TJ_STR("at line 1"),
        .create_time = AT_MS(1),
        .update_time = AT_MS(2),
        .key = TJ_STR("key 1"),
    };
    tj_assessment_set_meta(&as, &s->arena, TJ_STR("k\"1"), TJ_STR("v\n1"));
    tj_assessment_set_meta(&as, &s->arena, TJ_STR("k2"), TJ_STR(""));
    tj_str id = must_assess(s, as);
    assert_int_equal(id.len, 34);
    struct tj_assessments list = must_list(s);
    assert_int_equal(list.count, 1);
    const struct tj_assessment *out = &list.items[0];
    assert_true(tj_str_eq(out->id, id));
    assert_true(tj_trace_id_eq(out->trace_id, trace_id(1)));
    assert_true(tj_span_id_eq(out->span_id, span_id(1)));
    assert_int_equal(out->kind, TJ_EXPECTATION);
    assert_str_eq(out->name, "quality");
    assert_int_equal(out->source_type, TJ_SOURCE_LLM_JUDGE);
    assert_str_eq(out->source_id, "openai:/gpt-5");
    assert_str_eq(out->value_json, "{\"a\": [1, \"\\u00e9\"]}");
    assert_str_eq(out->rationale, "because\n\"quoted\"");
    assert_str_eq(out->error_code, "timeout");
    assert_str_eq(out->error_message, "too slow");
    assert_str_eq(out->error_stack, "at line 1");
    assert_int_equal(out->create_time, AT_MS(1));
    assert_int_equal(out->update_time, AT_MS(2));
    assert_str_eq(out->key, "key 1");
    assert_int_equal(out->metadata.count, 2);
    assert_str_eq(tj_assessment_meta(out, TJ_STR("k\"1")), "v\n1");
    assert_true(out->valid);
    end(s);
}

static void assessments_are_upserts(void **initial)
{
    struct state *s = begin(initial);
    add_span(&s->batch, 1, 1, 0);
    must_add(s->st, &s->batch);
    tj_str first =
        must_assess(s, (struct tj_assessment){.key = TJ_STR("k"),
                                              .value_json = TJ_STR("1"),
                                              .create_time = AT_MS(1)});
    tj_str again =
        must_assess(s, (struct tj_assessment){.key = TJ_STR("k"),
                                              .value_json = TJ_STR("2"),
                                              .create_time = AT_MS(9)});
    assert_true(tj_str_eq(first, again));
    (void)must_assess(s, (struct tj_assessment){.id = first,
                                                .key = TJ_STR("k"),
                                                .value_json = TJ_STR("3")});
    (void)must_assess(s, (struct tj_assessment){.value_json = TJ_STR("9"),
                                                .create_time = AT_MS(0)});
    struct tj_assessments list = must_list(s);
    assert_int_equal(list.count, 2);
    assert_str_eq(list.items[0].value_json, "9"); /* oldest first */
    assert_str_eq(list.items[1].value_json, "3");
    assert_int_equal(list.items[1].create_time, AT_MS(1));
    struct tj_assessment nowhere = {.trace_id = trace_id(8),
                                    .name = TJ_STR("n")};
    assert_fails(tj_store_add_assessment(s->st, &nowhere, &s->arena, &s->err),
                 s->err, TJ_E_INPUT, "no trace tr-");
    next_batch(s);
    add_span(&s->batch, 5, 1, 0);
    *tj_vec_add(&s->batch.assessments, &s->arena) = nowhere;
    assert_fails(tj_store_add_batch(s->st, &s->batch, &s->err), s->err,
                 TJ_E_INPUT, "no trace tr-");
    struct tj_trace t = must_open(s->st, 5, &s->arena);
    assert_false(tj_trace_is_open(&t)); /* all of the batch or nothing */
    end(s);
}

static void overriding_and_back(void **initial)
{
    struct state *s = begin(initial);
    add_span(&s->batch, 1, 1, 0);
    must_add(s->st, &s->batch);
    tj_str old =
        must_assess(s, (struct tj_assessment){.create_time = AT_MS(1)});
    tj_str newer = must_assess(
        s, (struct tj_assessment){.create_time = AT_MS(2), .overrides = old});
    struct tj_assessments list = must_list(s);
    assert_false(list.items[0].valid);
    assert_true(list.items[1].valid);
    assert_true(tj_str_eq(list.items[1].overrides, old));
    bool existed = false;
    assert_ok(tj_store_delete_assessment(s->st, trace_id(1), newer, &existed,
                                         &s->err),
              s->err);
    assert_true(existed);
    list = must_list(s);
    assert_int_equal(list.count, 1);
    assert_true(list.items[0].valid);
    assert_ok(tj_store_delete_assessment(s->st, trace_id(1), newer, &existed,
                                         &s->err),
              s->err);
    assert_false(existed);
    end(s);
}

static void keeps_versions_of_judges(void **initial)
{
    struct state *s = begin(initial);
    struct tj_judge_row row;
    const struct {
        const char *name;
        const char *source;
        uint32_t version;
    } cases[] = {{"b", "one", 1}, {"b", "two", 2},   {"a", "one", 1},
                 {"b", "one", 1}, {"b", "three", 3}, {"b", "two", 2}};
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        assert_ok(tj_store_add_judge(s->st, tj_str_c(cases[i].name),
                                     tj_str_c(cases[i].source), &s->arena, &row,
                                     &s->err),
                  s->err);
        assert_int_equal(row.version, cases[i].version);
        assert_str_eq(row.source, cases[i].source);
        assert_int_equal(row.digest.len, 64);
    }
    assert_ok(
        tj_store_find_judge(s->st, TJ_STR("b"), 0, &s->arena, &row, &s->err),
        s->err);
    assert_str_eq(row.source, "three");
    assert_ok(
        tj_store_find_judge(s->st, TJ_STR("b"), 2, &s->arena, &row, &s->err),
        s->err);
    assert_str_eq(row.source, "two");
    assert_ok(
        tj_store_find_judge(s->st, TJ_STR("c"), 0, &s->arena, &row, &s->err),
        s->err);
    assert_int_equal(row.version, 0);
    struct tj_judge_row *rows;
    size_t count;
    assert_ok(tj_store_judges(s->st, &s->arena, &rows, &count, &s->err),
              s->err);
    assert_int_equal(count, 2);
    assert_str_eq(rows[0].name, "a");
    assert_str_eq(rows[1].source, "three");
    end(s);
}

/* -- running -------------------------------------------------------------- */

static const struct named_case cases[] = {
    CASE(pages_newest_first),
    CASE(page_sizes_and_tokens_are_checked),
    CASE(pages_in_other_orders),
    CASE(hides_traces_of_judges),
    CASE(filters),
    CASE(the_longest_and_deepest_filters),
    CASE(the_latest_times),
    CASE(keeps_all_of_an_assessment),
    CASE(assessments_are_upserts),
    CASE(overriding_and_back),
    CASE(keeps_versions_of_judges),
};

int main(void)
{
    return run_on_all(cases, TJ_COUNT(cases), NULL, 0);
}
