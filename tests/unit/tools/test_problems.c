/* test_problems.c - what find_problems finds, and that it can prove it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools_test.h"

#include "tools/problems.h"
#include "tools/tool_int.h"

static void find(struct fixture *f, tj_problems *out)
{
    struct tj_problem_options options = {0};
    struct tj_err err = {0};
    assert_ok(tj_problems_find(&f->trace, &options, &f->arena, out, &err), err);
    /* Every proof is in its field, every problem names a span. */
    tj_vec_each (out, struct tj_problem, p) {
        assert_true(p->spans.count > 0);
        assert_true(p->span_total >= p->spans.count);
        assert_true(p->title.len > 0);
        assert_true(p->proofs.count > 0);
        tj_vec_each (&p->proofs, struct tj_proof, proof) {
            tj_str text;
            assert_ok(
                tj_span_text(&f->trace, proof->span, proof->field, &text, &err),
                err);
            assert_true(tj_str_find(text, proof->quote) != (size_t)-1);
            assert_true(proof->quote.len > 0);
        }
    }
}

/* The first with this code; there has to be one. */
static struct tj_problem problem(const tj_problems *list,
                                 enum tj_problem_code code)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].code == code)
            return list->items[i];
    fail_msg("no %s", tj_problem_name(code));
    return (struct tj_problem){0};
}

static size_t count_of(const tj_problems *list, enum tj_problem_code code)
{
    size_t count = 0;
    tj_vec_each (list, const struct tj_problem, p)
        count += p->code == code;
    return count;
}

static void kind(struct fixture *f, const char *word)
{
    fixture_attr(f, "mlflow.spanType", word);
}

static void input(struct fixture *f, const char *text)
{
    fixture_attr(f, "mlflow.spanInputs", text);
}

static void output(struct fixture *f, const char *text)
{
    fixture_attr(f, "mlflow.spanOutputs", text);
}

/* The scenario of the quickstart. */
static void test_reference(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "slow_data_processor", 0, 4000);
    fixture_span(&f, 2, 1, "fetch_data", 0, 2500);
    fixture_span(&f, 3, 1, "redundant_api_call_0", 2500, 3000);
    fixture_span(&f, 4, 1, "redundant_api_call_1", 3000, 3500);
    fixture_span(&f, 5, 1, "redundant_api_call_2", 3500, 4000);
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(list.count, 3);
    struct tj_problem slow = problem(&list, TJ_PROBLEM_SLOW_SPAN);
    assert_str_eq(slow.title, "'fetch_data' took 2.50s, by itself 63% of the "
                              "trace's 4.00s");
    assert_int_equal(slow.severity, TJ_SEVERITY_HIGH);
    struct tj_problem repeated = problem(&list, TJ_PROBLEM_REPEATED_CALL);
    assert_int_equal(repeated.span_total, 3);
    assert_str_eq(repeated.title,
                  "'redundant_api_call' was called 3 times with no recorded "
                  "input: 1.50s in all, 1.00s of it after the first");
    struct tj_problem sequence = problem(&list, TJ_PROBLEM_SEQUENTIAL_SIBLINGS);
    assert_int_equal(sequence.span_total, 4);
    assert_contains(sequence.title, "would take 2.50s");
    fixture_release(&f);
}

static void test_error_chain(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 100)->status = TJ_STATUS_ERROR;
    fixture_span(&f, 2, 1, "step", 0, 90)->status = TJ_STATUS_ERROR;
    struct tj_span *s = fixture_span(&f, 3, 2, "fetch", 0, 10);
    s->status = TJ_STATUS_ERROR;
    s->status_message = TJ_STR("connection reset");
    kind(&f, "TOOL");
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(count_of(&list, TJ_PROBLEM_ERROR), 1);
    struct tj_problem p = problem(&list, TJ_PROBLEM_ERROR);
    assert_int_equal(p.severity, TJ_SEVERITY_HIGH);
    assert_int_equal(p.span_total, 3);
    assert_int_equal(p.spans.items[0], 2);
    assert_str_eq(p.title, "TOOL 'fetch' failed: connection reset; it failed "
                           "2 spans above it, up to 'agent' (the root)");
    fixture_release(&f);
}

static void test_handled_error(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 100);
    for (uint32_t i = 2; i < 6; i++) {
        struct tj_span *s = fixture_span(&f, i, 1, "fetch", i, i + 1);
        s->status = TJ_STATUS_ERROR;
        s->status_message =
            TJ_STR("Traceback (most recent call last):\n  x\nValueError: no");
        input(&f, i % 2 ? "\"a\"" : "\"b\"");
    }
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(count_of(&list, TJ_PROBLEM_ERROR), 1);
    struct tj_problem p = problem(&list, TJ_PROBLEM_ERROR);
    assert_int_equal(p.severity, TJ_SEVERITY_MEDIUM);
    assert_contains(p.title, "failed 4 times");
    assert_contains(p.title, "'agent' above did not fail");
    fixture_release(&f);
}

static void test_retry_is_no_repeat(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 100);
    for (uint32_t i = 2; i < 5; i++) {
        fixture_span(&f, i, 1, "fetch", i, i + 1)->status =
            i < 4 ? TJ_STATUS_ERROR : TJ_STATUS_OK;
        kind(&f, "TOOL");
        input(&f, "{\"url\": \"http://x\"}");
        output(&f, "\"page\"");
    }
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(count_of(&list, TJ_PROBLEM_REPEATED_CALL), 0);
    struct tj_problem p = problem(&list, TJ_PROBLEM_RETRY_LOOP);
    assert_str_eq(p.title, "TOOL 'fetch' was tried 3 times in the same way: 2 "
                           "failed, the last one did not");
    assert_str_eq(p.proofs.items[0].field, "input");
    fixture_release(&f);
}

static void test_repeats(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 1000);
    /* The same length, another input. */
    fixture_span(&f, 2, 1, "get", 1, 2);
    input(&f, "{\"id\": 1}");
    fixture_span(&f, 3, 1, "get", 2, 3);
    input(&f, "{\"id\": 2}");
    /* A wrapper around the same call is one call. */
    fixture_span(&f, 4, 1, "wrapped", 3, 4);
    input(&f, "{\"id\": 3}");
    fixture_span(&f, 5, 4, "wrapped", 3, 4);
    input(&f, "{\"id\": 3}");
    /* Really the same, far apart, but what came back differs. */
    fixture_span(&f, 6, 1, "poll", 5, 6);
    input(&f, "{\"id\": 4}");
    output(&f, "\"waiting\"");
    fixture_span(&f, 7, 1, "poll", 800, 801);
    input(&f, "{\"id\": 4}");
    output(&f, "\"done\"");
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(count_of(&list, TJ_PROBLEM_REPEATED_CALL), 1);
    struct tj_problem p = problem(&list, TJ_PROBLEM_REPEATED_CALL);
    assert_contains(p.title, "'poll' was called 2 times with the same input "
                             "but different outputs");
    assert_int_equal(p.severity, TJ_SEVERITY_LOW);
    fixture_release(&f);
}

/* Instrumented HTTP: same name, no input, but attributes that may differ. */
static void test_vague_repeats(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "server", 0, 1000);
    for (uint32_t i = 2; i < 30; i++) {
        fixture_span(&f, i, 1, "POST", i * 30, i * 30 + 20);
        fixture_attr(&f, "http.method", "POST");
        fixture_attr(&f, "http.flavor", "1.1");
        fixture_attr(&f, "http.target", i % 2 ? "/a" : "/b");
    }
    fixture_open(&f);
    find(&f, &list);
    struct tj_problem p = problem(&list, TJ_PROBLEM_REPEATED_CALL);
    assert_int_equal(p.severity, TJ_SEVERITY_LOW);
    fixture_release(&f);
}

static void test_sequence_with_data_flow(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 1000);
    fixture_span(&f, 2, 1, "lookup", 0, 300);
    kind(&f, "TOOL");
    input(&f, "{\"name\": \"Ada\"}");
    output(&f, "{\"customer\": \"cust-8841\"}");
    fixture_span(&f, 3, 1, "orders", 300, 600);
    kind(&f, "TOOL");
    input(&f, "{\"of\": \"cust-8841\"}");
    output(&f, "[]");
    /* Depends on neither. */
    fixture_span(&f, 4, 1, "weather", 600, 900);
    kind(&f, "TOOL");
    input(&f, "{\"city\": \"Paris\"}");
    output(&f, "\"sunny\"");
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(count_of(&list, TJ_PROBLEM_SEQUENTIAL_SIBLINGS), 1);
    struct tj_problem p = problem(&list, TJ_PROBLEM_SEQUENTIAL_SIBLINGS);
    assert_int_equal(p.span_total, 2);
    assert_int_equal(p.spans.items[0], 2);
    assert_int_equal(p.spans.items[1], 3);
    fixture_release(&f);
}

static void test_parallel_is_fine(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 500);
    fixture_span(&f, 2, 1, "one", 0, 300);
    fixture_span(&f, 3, 1, "two", 10, 310);
    fixture_span(&f, 4, 1, "three", 20, 320);
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(list.count, 0);
    fixture_release(&f);
}

static void test_error_in_result(void **state)
{
    static const struct {
        const char *output;
        const char *quote; /* NULL: it is no error */
    } cases[] = {
        {"{\"error\": \"no such city\"}", "\"error\": \"no such city\""},
        {"{\"error\": null, \"data\": 1}", NULL},
        {"{\"error\": \"\"}", NULL},
        {"{\"isError\": true, \"content\": []}", "\"isError\": true"},
        {"{\"is_error\": false}", NULL},
        {"[{\"status\": \"failed\"}]", "\"status\": \"failed\""},
        {"{\"success\": false}", "\"success\": false"},
        {"{\"text\": \"the word error: is_error: true\"}", NULL},
        {"Error: no such file", "Error: no such file"},
        {"How to fix Error: 12", NULL},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct fixture f;
        tj_problems list;
        fixture_init(&f);
        fixture_span(&f, 1, 0, "tool", 0, 1);
        kind(&f, "TOOL");
        output(&f, cases[i].output);
        fixture_open(&f);
        find(&f, &list);
        size_t count = count_of(&list, TJ_PROBLEM_ERROR_IN_RESULT);
        if (count != (cases[i].quote != NULL))
            fail_msg("%s: found %zu", cases[i].output, count);
        if (count)
            assert_true(tj_str_starts(problem(&list, TJ_PROBLEM_ERROR_IN_RESULT)
                                          .proofs.items[0]
                                          .quote,
                                      tj_str_c(cases[i].quote)));
        fixture_release(&f);
    }
}

static void test_empty_output(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "search", 0, 1);
    kind(&f, "RETRIEVER");
    input(&f, "\"q\"");
    output(&f, "[]");
    /* No model's output was recorded at all: nothing to say. */
    fixture_span(&f, 2, 1, "chat", 0, 1);
    kind(&f, "LLM");
    input(&f, "\"q\"");
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(count_of(&list, TJ_PROBLEM_EMPTY_OUTPUT), 1);
    struct tj_problem p = problem(&list, TJ_PROBLEM_EMPTY_OUTPUT);
    assert_contains(p.title, "RETRIEVER 'search' returned nothing in 1 span");
    assert_str_eq(p.proofs.items[0].quote, "[]");
    fixture_release(&f);
}

static void test_hot_spots(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 100);
    for (uint32_t i = 2; i < 6; i++) {
        fixture_span(&f, i, 1, "chat", i, i + 1);
        kind(&f, "LLM");
        tj_build_attr_i64(f.build, TJ_STR("gen_ai.usage.input_tokens"),
                          i == 3 ? 40000 : 1000);
        tj_build_attr_i64(f.build, TJ_STR("gen_ai.usage.output_tokens"), 10);
    }
    fixture_open(&f);
    find(&f, &list);
    assert_int_equal(count_of(&list, TJ_PROBLEM_TOKEN_HOT_SPOT), 1);
    struct tj_problem p = problem(&list, TJ_PROBLEM_TOKEN_HOT_SPOT);
    assert_str_eq(p.title, "LLM 'chat' used 40010 of 43040 tokens (93%)");
    assert_str_eq(p.proofs.items[0].quote, "40000");
    fixture_release(&f);
}

static void test_odd_spans(void **state)
{
    struct fixture f;
    tj_problems list;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, -1);
    fixture_span(&f, 2, 99, "lost", 0, 5);
    fixture_open(&f);
    find(&f, &list);
    (void)problem(&list, TJ_PROBLEM_UNFINISHED_SPAN);
    (void)problem(&list, TJ_PROBLEM_BROKEN_TREE);
    fixture_release(&f);
}

/* Worst first; the JSON form says the same, in pages. */
static void test_tool(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 60000);
    for (uint32_t i = 0; i < 30; i++) {
        tj_str name = tj_str_printf(&f.arena, "slow%uthing", i);
        fixture_span(&f, 2 + i, 1, name.ptr, i * 100, i * 100 + 3000 + i);
        fixture_span(&f, 50 + i, 1, name.ptr, i * 100, i * 100 + 3000 + i);
        kind(&f, "TOOL");
        output(&f, "null");
    }
    fixture_open(&f);
    size_t seen = 0;
    tj_str token = TJ_STR("0");
    while (token.len) {
        struct tj_json_doc doc;
        struct tj_err err;
        tj_str args = tj_str_printf(&f.step,
                                    "{\"format\":\"json\",\"max_results\":7,"
                                    "\"page_token\":\"%.*s\"}",
                                    TJ_STR_ARG(token));
        tj_str text = ask_text(&f, "find_problems", args.ptr);
        assert_ok(tj_json_parse(text, &f.step, &doc, &err), err);
        const struct tj_json *problems = tj_json_at(doc.root, "problems");
        uint64_t shown;
        assert_true(tj_json_u64(tj_json_at(doc.root, "shown"), &shown));
        assert_int_equal(shown, tj_json_count(problems));
        seen += shown;
        token = tj_json_str(tj_json_at(doc.root, "next_page_token"));
    }
    tj_str text = ask_text(&f, "find_problems", "");
    tj_str all = tj_str_printf(&f.step, "of %zu", seen);
    assert_contains(text, all.ptr);
    assert_contains(text, "evidence 00000000000000");
    text = ask_text(&f, "find_problems", "{\"code\":\"slow_span\"}");
    assert_lacks(text, "empty_output");
    assert_contains(text, "slow_span");
    text = ask_text(&f, "find_problems", "{\"slow_span_ms\": 100000}");
    assert_lacks(text, "slow_span");
    text = ask_text(&f, "find_problems", "{\"severity\":\"high\"}");
    assert_lacks(text, "[medium]");
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_error_chain),
        cmocka_unit_test(test_handled_error),
        cmocka_unit_test(test_retry_is_no_repeat),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_vague_repeats),
        cmocka_unit_test(test_sequence_with_data_flow),
        cmocka_unit_test(test_parallel_is_fine),
        cmocka_unit_test(test_error_in_result),
        cmocka_unit_test(test_empty_output),
        cmocka_unit_test(test_hot_spots),
        cmocka_unit_test(test_odd_spans),
        cmocka_unit_test(test_tool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
