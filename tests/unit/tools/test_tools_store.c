/* test_tools_store.c - the tools that look at other traces of the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools_test.h"

static void add_trace(struct fixture *f, unsigned char n, const char *session,
                      long start)
{
    tj_trace_id id = test_trace_id(n);
    struct tj_span *s = tj_build_span(f->build, id, test_span_id(n));
    s->name = tj_str_printf(&f->arena, "turn-%d-of-%s", n, session);
    s->start = BASE_TIME + (uint64_t)start * TJ_NS_PER_MS;
    s->end = s->start + 5 * TJ_NS_PER_MS;
    s->status = n % 2 ? TJ_STATUS_OK : TJ_STATUS_ERROR;
    tj_build_attr_text(f->build, TJ_STR("session.id"), tj_str_c(session));
    tj_build_attr_text(f->build, TJ_STR("mlflow.spanInputs"),
                       tj_str_printf(&f->arena, "question %d", n));
    tj_build_end(f->build);
}

/* The subject is trace 1, third of its session of five. */
static void open_sessions(struct fixture *f)
{
    fixture_init(f);
    add_trace(f, 2, "ours", 100);
    add_trace(f, 3, "ours", 200);
    add_trace(f, 1, "ours", 300);
    add_trace(f, 4, "ours", 400);
    add_trace(f, 5, "ours", 500);
    add_trace(f, 6, "theirs", 150);
    add_trace(f, 7, "theirs' OR '1'='1", 160);
    fixture_open(f);
}

static void test_session(void **state)
{
    struct fixture f;
    open_sessions(&f);
    tj_str text = ask_text(&f, "get_traces_in_session", "");
    assert_contains(text, "earlier traces of this session 2 of 2\n");
    size_t first = tj_str_find(text, TJ_STR("turn-2-of-ours"));
    size_t second = tj_str_find(text, TJ_STR("turn-3-of-ours"));
    assert_true(first < second);
    assert_true(second < text.len);
    assert_lacks(text, "turn-1-");
    assert_lacks(text, "turn-4-");
    assert_lacks(text, "theirs");
    assert_contains(text, "request: question 2");
    text =
        ask_text(&f, "_get_traces_in_session",
                 "{\"include_later\":true,\"order_by\":[\"timestamp DESC\"]}");
    assert_contains(text, "turn-5-of-ours");
    assert_lacks(text, "turn-1-");
    assert_lacks(text, "theirs");
    fixture_release(&f);
}

static void test_session_name_is_no_filter(void **state)
{
    struct fixture f;
    struct tj_err err = {0};
    open_sessions(&f);
    assert_ok(tj_store_open_trace(f.store, test_trace_id(7), &f.arena, &f.trace,
                                  &err),
              err);
    tj_str text =
        ask_text(&f, "get_traces_in_session", "{\"include_later\":true}");
    assert_contains(text, "other traces of this session 0");
    fixture_release(&f);
}

static void test_search_traces(void **state)
{
    struct fixture f;
    open_sessions(&f);
    tj_str text = ask_text(&f, "search_traces",
                           "{\"filter_string\":\"status = 'ERROR'\"}");
    assert_contains(text, "traces 3 of 3\n");
    assert_contains(text, "turn-6-of-theirs");
    assert_lacks(text, "turn-1-");
    text = ask_text(&f, "search_traces", "{\"max_results\":5}");
    assert_contains(text, "traces 5");
    tj_str mark = TJ_STR("next_page_token: ");
    size_t at = tj_str_find(text, mark);
    assert_true(at != (size_t)-1);
    tj_str token = tj_str_slice(text, at + mark.len, text.len);
    token = tj_str_cut(&token, '\n');
    tj_str args =
        tj_str_printf(&f.step, "{\"max_results\":5,\"page_token\":\"%.*s\"}",
                      TJ_STR_ARG(token));
    text = ask_text(&f, "search_traces", args.ptr);
    assert_contains(text, "traces 2");
    assert_lacks(text, "next_page_token");
    fixture_release(&f);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *args;
        const char *part;
    } cases[] = {
        {"{\"filter_string\":\"status ==\"}", "Invalid filter_string: "},
        {"{\"order_by\":[\"nonsense sideways\"]}", "Invalid order_by: "},
        {"{\"page_token\":\"zzz\"}", "Invalid page_token 'zzz': "},
        {"{\"filter_string\":\"feedback.x = 'yes'\"}",
         "labels (feedback, expectations, and tags that hold them) are hidden"},
        {"{\"filter_string\":\"status = 'OK' AND tags.gold_label = '1'\"}",
         "are hidden from you"},
    };
    struct fixture f;
    open_sessions(&f);
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_tool_reply r = ask(&f, "search_traces", cases[i].args);
        assert_contains(r.text, cases[i].part);
        assert_true(r.refused);
    }
    f.env.show_labels = true;
    assert_contains(ask_text(&f, "search_traces", cases[3].args),
                    "traces 0 of 0");
    fixture_release(&f);
}

/* Rows that do not fit are on the next page, none is lost. */
static void test_long_rows(void **state)
{
    struct fixture f;
    fixture_init(&f);
    char *large = tj_arena_alloc(&f.arena, 2001);
    memset(large, 'x', 2000);
    large[2000] = 0;
    for (int i = 0; i < 60; i++) {
        tj_trace_id id = test_trace_id((unsigned char)(i + 1));
        struct tj_span *s = tj_build_span(f.build, id, test_span_id(1));
        s->name = TJ_STR("t");
        s->start = BASE_TIME + (uint64_t)i * TJ_NS_PER_MS;
        s->end = s->start + 1;
        tj_build_attr_text(f.build, TJ_STR("mlflow.spanInputs"),
                           tj_str_c(large));
        tj_build_attr_text(f.build, TJ_STR("mlflow.spanOutputs"),
                           tj_str_c(large));
        tj_build_end(f.build);
    }
    fixture_open(&f);
    f.env.result_bytes_max = TJ_TOOL_RESULT_BYTES_MIN;
    size_t rows = 0;
    tj_str token = {0};
    do {
        tj_str args = tj_str_printf(
            &f.step, "{\"max_results\":100,\"page_token\":\"%.*s\"}",
            TJ_STR_ARG(token));
        tj_str text = ask_text(&f, "search_traces", args.ptr);
        assert_true(text.len <= TJ_TOOL_RESULT_BYTES_MIN);
        tj_str head = tj_str_cut(&text, '\n');
        tj_str mark = TJ_STR("next_page_token: ");
        size_t at = tj_str_find(head, mark);
        token = at == (size_t)-1 ? (tj_str){0}
                                 : tj_str_slice(head, at + mark.len, head.len);
        while (text.len)
            rows += tj_str_starts(tj_str_cut(&text, '\n'), TJ_STR("tr-"));
    } while (token.len);
    assert_int_equal(rows, 60);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_session_name_is_no_filter),
        cmocka_unit_test(test_search_traces),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
