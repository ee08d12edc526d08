/* test_tools.c - calling tools: names, arguments, pages, bounds, the ledger.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools_test.h"

#include "text/utf8.h"
#include "tools/tool_int.h"

static void small_trace(struct fixture *f)
{
    fixture_init(f);
    fixture_span(f, 1, 0, "agent", 0, 4000);
    fixture_attr(f, "mlflow.spanType", "AGENT");
    fixture_attr(f, "mlflow.spanInputs", "{\"q\": \"two\\nlines\"}");
    fixture_attr(f, "mlflow.spanOutputs", "\"done\"");
    struct tj_span *s = fixture_span(f, 2, 1, "fetch", 10, 2510);
    s->status = TJ_STATUS_ERROR;
    s->status_message = TJ_STR("connection reset");
    fixture_attr(f, "mlflow.spanType", "TOOL");
    fixture_attr(f, "mlflow.spanInputs", "{\"url\": \"http://x\"}");
    fixture_span(f, 3, 1, "open", 2600, -1);
    fixture_open(f);
}

static void test_names(void **state)
{
    struct fixture f;
    small_trace(&f);
    struct tj_tool_reply r = ask(&f, "get_spam", "{}");
    assert_true(r.refused);
    assert_contains(r.text, "Tool 'get_spam' not found in registry.");
    assert_contains(r.text, "Did you mean get_span?");
    assert_contains(r.text, "search_trace_regex, ");
    r = ask(&f, "\xff\x1b[31m", "{}");
    assert_true(r.refused);
    assert_int_equal(tj_utf8_valid(r.text), r.text.len);
    assert_lacks(r.text, "\x1b");
    assert_non_null(tj_tool_find(TJ_STR("_search_traces")));
    assert_null(tj_tool_find(TJ_STR("")));
    for (size_t i = 0; tj_tools[i]; i++)
        assert_ptr_equal(tj_tool_find(tj_str_c(tj_tools[i]->name)),
                         tj_tools[i]);
    fixture_release(&f);
}

static void test_arguments(void **state)
{
    static const struct {
        const char *args;
        const char *part;
    } cases[] = {
        {"{", "Invalid JSON arguments for tool 'list_spans': offset 1"},
        {"[1]", "Invalid JSON arguments for tool 'list_spans': expected an "
                "object"},
        {"{\"max_result\": 5}", "unknown argument 'max_result'; it takes "
                                "max_results, page_token"},
        {"{\"max_results\": \"many\"}",
         "argument 'max_results' must be an integer, got string"},
        {"{\"max_results\": 0}",
         "argument 'max_results' must be from 1 to 100000, got 0"},
        {"{\"max_results\": 1e30}", "must be an integer"},
        {"{\"previews\": 1}", "must be true or false"},
        {"{\"sort\": \"name\"}",
         "argument 'sort' must be one of tree, duration, start"},
        {"{\"page_token\": \"x\"}",
         "Invalid page_token 'x': must be a valid integer"},
        {"{\"page_token\": \"-1\"}", "Invalid page_token '-1'"},
        {"{\"parent_id\": \"zz\"}", "Span with ID 'zz' not found in trace"},
    };
    struct fixture f;
    small_trace(&f);
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_tool_reply r = ask(&f, "list_spans", cases[i].args);
        assert_contains(r.text, cases[i].part);
        assert_true(r.refused);
    }
    struct tj_tool_reply r = ask(&f, "get_span", "{}");
    assert_true(r.refused);
    assert_contains(r.text, "argument 'span_id' (a string) is missing");
    fixture_release(&f);
}

/* What can only mean one thing is taken. */
static void test_loose_arguments(void **state)
{
    static const char *const same[] = {
        "{\"max_results\": 2}",
        "{\"max_results\": \"2\"}",
        "{\"max_results\": 2.0, \"page_token\": null}",
        "{\"max_results\": 2, \"page_token\": 0}",
        "{\"max_results\": 2, \"page_token\": \"0\", \"previews\": \"false\"}",
    };
    struct fixture f;
    small_trace(&f);
    tj_str want = ask_text(&f, "list_spans", same[0]);
    assert_contains(want, "spans 1-2 of 3, next_page_token: 2\n");
    for (size_t i = 1; i < TJ_COUNT(same); i++)
        assert_true(tj_str_eq(ask_text(&f, "list_spans", same[i]), want));
    fixture_release(&f);
}

static void test_schemas_are_json(void **state)
{
    for (size_t i = 0; tj_tools[i]; i++) {
        struct tj_arena a = {0};
        struct tj_json_doc doc;
        struct tj_err err;
        struct tj_buf b;
        tj_buf_init(&b, &a, 65536);
        tj_tool_schema_write(tj_tools[i], &b);
        assert_ok(tj_json_parse(tj_buf_str(&b), &a, &doc, &err), err);
        assert_str_eq(tj_json_find_str(doc.root, TJ_STR("type")), "object");
        assert_true(tj_json_is_object(tj_json_at(doc.root, "properties")));
        assert_true(tj_json_is_array(tj_json_at(doc.root, "required")));
        tj_arena_release(&a);
    }
}

/* The pages of list_spans together are the whole list. */
static void test_list_pages(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "root", 0, 100000);
    for (uint32_t i = 2; i <= 1500; i++) {
        char name[200];
        memset(name, 'n', sizeof name);
        name[i % 190] = 0;
        fixture_span(&f, i, i > 2 ? i / 2 : 1, name, (long)i, (long)i + 5);
    }
    fixture_open(&f);
    size_t lines = 0;
    long token = 0;
    while (token >= 0) {
        tj_str args = tj_str_printf(&f.step,
                                    "{\"max_results\":100000,\"previews\":true,"
                                    "\"page_token\":\"%ld\"}",
                                    token);
        tj_str page = ask_text(&f, "list_spans", args.ptr);
        assert_true(page.len <= TJ_TOOL_RESULT_BYTES_MAX);
        long next = next_token(page);
        assert_true(next < 0 || next > token);
        for (size_t i = 0; i < page.len; i++)
            lines += page.ptr[i] == '\n';
        lines--; /* the head */
        token = next;
    }
    assert_int_equal(lines, 1500);
    assert_int_equal(tj_coverage_sum(f.coverage, &f.trace).spans_listed, 1500);
    assert_contains(ask_text(&f, "list_spans", "{\"page_token\": 5000}"),
                    "spans 0 of 1500 (page_token 5000 is behind the last)");
    fixture_release(&f);
}

/* The contents behind the field line, of every page. */
static tj_str content_of(tj_str page)
{
    size_t at = tj_str_find(page, TJ_STR("\n--- "));
    if (at == (size_t)-1)
        return (tj_str){0};
    tj_str rest = tj_str_slice(page, at + 1, page.len);
    (void)tj_str_cut(&rest, '\n');
    /* The line break that ends the field is not part of it. */
    return tj_str_slice(rest, 0, rest.len - 1);
}

static void test_span_pages(void **state)
{
    static const int sizes[] = {200, 201, 333, 5000, 100000};
    struct fixture f;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "root", 0, 10);
    struct tj_buf want;
    tj_buf_init(&want, &f.arena, 1 << 20);
    while (want.len < 70000)
        tj_buf_add(&want, want.len % 3 ? TJ_STR("é漢") : TJ_STR("a😀b\n"));
    tj_build_attr_text(f.build, TJ_STR("k"), tj_buf_str(&want));
    fixture_open(&f);
    for (size_t s = 0; s < TJ_COUNT(sizes); s++) {
        struct tj_buf got;
        tj_buf_init(&got, &f.step, 1 << 20);
        long token = 0;
        while (token >= 0) {
            tj_str args = tj_str_printf(
                &f.step,
                "{\"attributes_to_fetch\":[\"k\"],\"max_content_length\":%d,"
                "\"page_token\":\"%ld\"}",
                sizes[s], token);
            tj_str page = ask_text(&f, "get_root_span", args.ptr);
            assert_true(page.len <= TJ_TOOL_RESULT_BYTES_MAX);
            assert_int_equal(tj_utf8_valid(page), page.len);
            tj_str content = content_of(page);
            assert_true(content.len <= (size_t)sizes[s]);
            tj_buf_add(&got, content);
            token = next_token(page);
        }
        assert_int_equal(got.len, want.len);
        assert_true(tj_str_eq(tj_buf_str(&got), tj_buf_str(&want)));
    }
    /* A token inside a character goes on behind it. */
    tj_str page = ask_text(&f, "get_root_span",
                           "{\"attributes_to_fetch\":[\"k\"],"
                           "\"page_token\":\"2\"}");
    assert_int_equal(tj_utf8_valid(page), page.len);
    struct tj_coverage_sum sum = tj_coverage_sum(f.coverage, &f.trace);
    assert_true(sum.bytes_read >= want.len);
    assert_true(sum.bytes_read <= sum.bytes_total);
    fixture_release(&f);
}

static void test_many_fields(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "root", 0, 10);
    for (int i = 0; i < 3000; i++) {
        tj_str key = tj_str_printf(&f.arena, "key.%d", i);
        fixture_attr(&f, key.ptr, i % 3 ? "v" : "");
    }
    fixture_open(&f);
    size_t fields = 0;
    long token = 0;
    while (token >= 0) {
        tj_str args = tj_str_printf(&f.step, "{\"page_token\":\"%ld\"}", token);
        tj_str page = ask_text(&f, "get_root_span", args.ptr);
        long next = next_token(page);
        assert_true(next < 0 || next > token);
        token = next;
        while (page.ptr)
            fields += tj_str_starts(tj_str_cut(&page, '\n'), TJ_STR("--- "));
    }
    assert_int_equal(fields, 2000);
    fixture_release(&f);
}

static void test_search(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "root", 0, 10);
    fixture_attr(&f, "mlflow.spanInputs",
                 "{\"q\": \"say \\\"needle\\\"\\nnow\"}");
    for (uint32_t i = 2; i <= 40; i++) {
        fixture_span(&f, i, 1, "child", 1, 2);
        fixture_attr(&f, "k", "é a NEEDLE and a needle é");
    }
    fixture_open(&f);
    /* Once in the shared text of input, twice in each of 39 spans. */
    tj_str page = ask_text(&f, "search_trace_regex",
                           "{\"pattern\":\"needle\",\"max_matches\":5}");
    assert_contains(page, "matches 1-5 of 79, next_page_token: 5 for needle");
    assert_contains(page, "0000000000000001 input @");
    assert_contains(page, "say \"needle\"\nnow");
    page = ask_text(&f, "search_trace_regex",
                    "{\"pattern\":\"needle\",\"max_matches\":50,"
                    "\"page_token\":\"60\"}");
    assert_contains(page, "matches 61-79 of 79 for");
    page = ask_text(&f, "search_trace_regex",
                    "{\"pattern\":\"needle\",\"case_sensitive\":true}");
    assert_contains(page, "of 40");
    page = ask_text(&f, "search_trace_regex",
                    "{\"pattern\":\"a.needle\",\"literal\":true}");
    assert_contains(page, "matches 0 of 0");
    page = ask_text(&f, "search_trace_regex",
                    "{\"pattern\":\"needle\",\"field\":\"input\"}");
    assert_contains(page, "of 1 for");
    page = ask_text(&f, "search_trace_regex",
                    "{\"pattern\":\"needle\",\"field\":\"k\","
                    "\"span_id\":\"0000000000000002\"}");
    assert_contains(page, "matches 1-2 of 2 for needle\n");
    /* Context that would begin or end inside a character. */
    page = ask_text(&f, "search_trace_regex",
                    "{\"pattern\":\"a NEEDLE and a needle\","
                    "\"surrounding_content_length\":2}");
    assert_int_equal(tj_utf8_valid(page), page.len);
    assert_contains(page, " @3 +21: ...\" a NEEDLE and a needle \"...\n");
    page = ask_text(&f, "search_trace_regex", "{\"pattern\":\"\"}");
    assert_contains(page, "matches 1-50 of ");
    struct tj_tool_reply r =
        ask(&f, "search_trace_regex", "{\"pattern\":\"(\"}");
    assert_true(r.refused);
    assert_contains(r.text, "Invalid regex pattern: ");
    fixture_release(&f);
}

static void test_hidden_labels(void **state)
{
    struct fixture f;
    struct tj_err err = {0};
    small_trace(&f);
    struct tj_assessment as = {
        .trace_id = test_trace_id(1),
        .kind = TJ_FEEDBACK,
        .name = TJ_STR("correctness"),
        .source_type = TJ_SOURCE_HUMAN,
        .value_json = TJ_STR("\"secret-verdict\""),
        .valid = true,
    };
    assert_ok(tj_store_add_assessment(f.store, &as, &f.arena, &err), err);
    assert_ok(tj_store_set_tag(f.store, test_trace_id(1), TJ_STR("gold_answer"),
                               TJ_STR("secret-tag"), &err),
              err);
    assert_ok(tj_store_open_trace(f.store, test_trace_id(1), &f.arena, &f.trace,
                                  &err),
              err);
    tj_str text = ask_text(&f, "get_trace_info", "{}");
    assert_lacks(text, "secret");
    assert_contains(text, "tag: 1 that may hold labels are hidden");
    f.env.show_labels = true;
    text = ask_text(&f, "get_trace_info", "{}");
    assert_contains(text, "secret-verdict");
    assert_contains(text, "secret-tag");
    fixture_release(&f);
}

/* However small the caller wants it, and however large the trace. */
static void test_every_reply_is_bounded(void **state)
{
    static const struct {
        const char *tool;
        const char *args;
    } calls[] = {
        {"get_trace_info", ""},
        {"get_root_span", ""},
        {"list_spans", "{\"previews\":true}"},
        {"get_span", "{\"span_id\":\"0000000000000005\"}"},
        {"search_trace_regex", "{\"pattern\":\"a\","
                               "\"surrounding_content_length\":2000}"},
        {"get_span_performance_and_timing_report", ""},
        {"find_problems", ""},
        {"find_problems", "{\"format\":\"json\"}"},
        {"get_critical_path", ""},
        {"get_conversation", "{\"max_text_length\":100000}"},
        {"diff_spans", "{\"span_id\":\"0000000000000005\","
                       "\"other_span_id\":\"0000000000000006\"}"},
    };
    struct fixture f;
    fixture_init(&f);
    char *large = tj_arena_alloc(&f.arena, 50001);
    memset(large, 'a', 50000);
    large[50000] = 0;
    char name[1025];
    memset(name, 'x', 1024);
    name[1024] = 0;
    for (uint32_t i = 1; i <= 60; i++) {
        struct tj_span *s = fixture_span(&f, i, i / 2, name, i, 5000 + i);
        s->status = i % 2 ? TJ_STATUS_ERROR : TJ_STATUS_OK;
        s->status_message = tj_str_c(large);
        s->session = TJ_STR("s");
        fixture_attr(&f, "mlflow.spanType", i % 3 ? "LLM" : "TOOL");
        fixture_attr(&f, "mlflow.spanInputs", large);
        fixture_attr(&f, "mlflow.spanOutputs", large);
        fixture_attr(&f, name, large);
    }
    fixture_open(&f);
    f.env.result_bytes_max = 1;
    for (size_t i = 0; i < TJ_COUNT(calls); i++) {
        tj_str text = ask_text(&f, calls[i].tool, calls[i].args);
        if (text.len > TJ_TOOL_RESULT_BYTES_MIN)
            fail_msg("%s: %zu bytes", calls[i].tool, text.len);
        assert_int_equal(tj_utf8_valid(text), text.len);
        assert_true(text.len > 0);
        tj_str again = ask_text(&f, calls[i].tool, calls[i].args);
        assert_true(tj_str_eq(text, again));
    }
    struct tj_coverage_sum sum = tj_coverage_sum(f.coverage, &f.trace);
    assert_true(sum.bytes_read <= sum.bytes_total);
    fixture_release(&f);
}

static void test_empty_trace(void **state)
{
    struct fixture f;
    fixture_init(&f);
    tj_batch_info(&f.batch, test_trace_id(1))->name = TJ_STR("nothing yet");
    fixture_open(&f);
    assert_contains(ask_text(&f, "list_spans", ""), "spans 0 of 0");
    assert_contains(ask_text(&f, "get_trace_info", ""), "spans: 0");
    assert_contains(ask_text(&f, "find_problems", ""), "problems 0 of 0");
    assert_contains(ask_text(&f, "get_conversation", ""), "turns 0 of 0");
    assert_contains(ask_text(&f, "get_critical_path", ""), "no span");
    assert_contains(ask(&f, "get_span_performance_and_timing_report", "").text,
                    "No spans found in trace");
    assert_contains(ask(&f, "get_root_span", "").text, "Trace has no spans");
    assert_contains(
        ask(&f, "get_span", "{\"span_id\":\"0000000000000001\"}").text,
        "Trace has no spans");
    fixture_release(&f);
}

static void test_stems(void **state)
{
    assert_str_eq(tj_name_stem(TJ_STR("call_0")), "call");
    assert_str_eq(tj_name_stem(TJ_STR("call-12")), "call");
    assert_str_eq(tj_name_stem(TJ_STR("call 3")), "call");
    assert_str_eq(tj_name_stem(TJ_STR("step #4")), "step");
    assert_str_eq(tj_name_stem(TJ_STR("sha256")), "sha256");
    assert_str_eq(tj_name_stem(TJ_STR("_1")), "_1");
    assert_str_eq(tj_name_stem(TJ_STR("42")), "42");
    assert_str_eq(tj_name_stem(TJ_STR("")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_loose_arguments),
        cmocka_unit_test(test_schemas_are_json),
        cmocka_unit_test(test_list_pages),
        cmocka_unit_test(test_span_pages),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_hidden_labels),
        cmocka_unit_test(test_every_reply_is_bounded),
        cmocka_unit_test(test_empty_trace),
        cmocka_unit_test(test_stems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
