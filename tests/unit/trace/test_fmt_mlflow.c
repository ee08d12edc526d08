/* test_fmt_mlflow.c - MLflow's traces in every form it writes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fmt_test.h"

#define SPANS                                                                  \
    "[{\"trace_id\":\"W47/95gDgQPSabYzgT/GDA==\",\"span_id\":\"7uGbfsPBsXQ=\"" \
    ",\"parent_span_id\":null,\"name\":\"agent\",\"start_time_unix_nano\":"    \
    "1746172800123000000,\"end_time_unix_nano\":1746172801357000000,"          \
    "\"status\":{\"code\":\"STATUS_CODE_OK\",\"message\":\"\"},"               \
    "\"attributes\":{\"mlflow.traceRequestId\":\"\\\"tr-1\\\"\","              \
    "\"mlflow.spanType\":\"\\\"AGENT\\\"\",\"mlflow.spanInputs\":"             \
    "\"{\\\"question\\\": \\\"why?\\\"}\",\"mlflow.spanOutputs\":"             \
    "\"\\\"because\\\"\",\"twice\":\"\\\"{\\\\\\\"a\\\\\\\": 1}\\\"\","        \
    "\"layers\":\"\\\"\\\\\\\"text\\\\\\\"\\\"\","                             \
    "\"digits\":\"\\\"5\\\"\",\"number\":\"5\",\"plain\":\"not json\","        \
    "\"mlflow.chat.tokenUsage\":\"{\\\"input_tokens\\\": 3, "                  \
    "\\\"output_tokens\\\": 4, \\\"cache_read_input_tokens\\\": 2}\","         \
    "\"mlflow.llm.cost\":\"{\\\"input_cost\\\": 0.1, \\\"output_cost\\\": "    \
    "0.2, \\\"total_cost\\\": 0.3}\"},\"events\":[{\"name\":\"exception\","    \
    "\"time_unix_nano\":1746172801000000000,\"attributes\":{"                  \
    "\"exception.message\":\"m\"}}]}]"

static void check_span(const struct tj_batch *batch)
{
    assert_int_equal(batch->spans.count, 1);
    const struct tj_span *s = &batch->spans.items[0];
    struct tj_arena a = {0};
    assert_str_eq(tj_trace_id_text(&a, s->trace_id),
                  "5b8efff798038103d269b633813fc60c");
    assert_str_eq(tj_span_id_text(&a, s->span_id), "eee19b7ec3c1b174");
    tj_arena_release(&a);
    assert_int_equal(s->kind, TJ_KIND_AGENT);
    assert_int_equal(s->status, TJ_STATUS_OK);
    assert_field(s, "input", TJ_FIELD_JSON, "{\"question\": \"why?\"}");
    assert_field(s, "output", TJ_FIELD_STRING, "because");
    assert_field(s, "attributes.twice", TJ_FIELD_JSON, "{\"a\": 1}");
    assert_field(s, "attributes.layers", TJ_FIELD_STRING, "text");
    assert_field(s, "attributes.digits", TJ_FIELD_STRING, "5");
    assert_field(s, "attributes.number", TJ_FIELD_NUMBER, "5");
    assert_field(s, "attributes.plain", TJ_FIELD_STRING, "not json");
    assert_int_equal(s->usage.input_tokens, 3);
    assert_int_equal(s->usage.cache_read_tokens, 2);
    assert_true(s->usage.cost_usd > 0.29 && s->usage.cost_usd < 0.31);
    /* Under status OK an exception was dealt with. */
    assert_int_equal(tj_span_find_field(s, TJ_STR("error")), TJ_NO_FIELD);
    assert_true(tj_span_duration_ns(s) == UINT64_C(1234000000));
}

static void test_traces_json(void **state)
{
    struct fmt_test t = {0};
    check_span(parse_ok(&t, TJ_STR("{\"spans\":" SPANS "}"), "mlflow"));
    assert_int_equal(t.batch.traces.count, 0);
    fmt_test_release(&t);
}

static const char INFO[] =
    "{\"trace_id\":\"tr-5b8efff798038103d269b633813fc60c\","
    "\"client_request_id\":\"c\",\"trace_location\":{\"type\":"
    "\"MLFLOW_EXPERIMENT\",\"mlflow_experiment\":{\"experiment_id\":\"7\"}},"
    "\"request_preview\":\"why?\",\"response_preview\":\"because\","
    "\"request_time\":\"2025-05-02T08:00:00.123Z\",\"execution_duration\":"
    "\"1.234s\",\"state\":\"ERROR\",\"trace_metadata\":{"
    "\"mlflow.trace.session\":\"s1\",\"mlflow.trace.user\":\"u1\"},\"tags\":{"
    "\"mlflow.traceName\":\"my agent\",\"team\":\"x\"},\"assessments\":[{"
    "\"assessment_id\":\"a-1\",\"assessment_name\":\"good\",\"source\":{"
    "\"source_type\":\"AI_JUDGE\",\"source_id\":\"openai:/gpt-5\"},"
    "\"feedback\":{\"value\":true},\"rationale\":\"r\",\"span_id\":"
    "\"eee19b7ec3c1b174\"},{\"assessment_name\":\"x\",\"issue\":{}}]}";

static void check_info(const struct tj_batch *batch)
{
    assert_int_equal(batch->traces.count, 1);
    const struct tj_trace_info *info = &batch->traces.items[0];
    assert_true(tj_trace_id_eq(info->trace_id, batch->spans.items[0].trace_id));
    assert_str_eq(info->name, "my agent");
    assert_str_eq(info->session, "s1");
    assert_str_eq(info->user, "u1");
    assert_str_eq(info->experiment, "7");
    assert_str_eq(info->request_preview, "why?");
    assert_true(info->request_time == UINT64_C(1746172800123000000));
    assert_true(info->duration_ns == UINT64_C(1234000000));
    assert_int_equal(info->state, TJ_STATE_ERROR);
    assert_str_eq(tj_pairs_find(&info->tags, TJ_STR("team")), "x");
    assert_int_equal(batch->assessments.count, 1);
    const struct tj_assessment *as = &batch->assessments.items[0];
    assert_str_eq(as->id, "a-1");
    assert_int_equal(as->source_type, TJ_SOURCE_LLM_JUDGE);
    assert_str_eq(as->value_json, "true");
    assert_true(tj_trace_id_eq(as->trace_id, info->trace_id));
    assert_true(tj_span_id_eq(as->span_id, batch->spans.items[0].span_id));
}

static void test_to_json(void **state)
{
    struct fmt_test t = {0};
    tj_str one = tj_str_printf(
        &t.arena, "{\"info\":%s,\"data\":{\"spans\":%s}}", INFO, SPANS);
    check_span(parse_ok(&t, one, "mlflow"));
    check_info(&t.batch);
    tj_str list = tj_str_printf(&t.arena, "[%.*s]", TJ_STR_ARG(one));
    check_span(parse_ok(&t, list, "mlflow"));
    check_info(&t.batch);
    fmt_test_release(&t);
}

static void test_rest(void **state)
{
    static const char spans[] =
        "[{\"trace_id\":\"W47/95gDgQPSabYzgT/GDA==\",\"span_id\":"
        "\"7uGbfsPBsXQ=\",\"name\":\"agent\",\"start_time_unix_nano\":"
        "1746172800123000000,\"end_time_unix_nano\":1746172801357000000,"
        "\"attributes\":[{\"key\":\"mlflow.spanType\",\"value\":{"
        "\"string_value\":\"\\\"AGENT\\\"\"}},{\"key\":\"mlflow.spanInputs\","
        "\"value\":{\"string_value\":\"{\\\"question\\\": \\\"why?\\\"}\"}},"
        "{\"key\":\"mlflow.spanOutputs\",\"value\":{\"string_value\":"
        "\"\\\"because\\\"\"}}],\"status\":{\"code\":\"STATUS_CODE_OK\"}}]";
    static const char *const shapes[] = {
        "{\"trace\":{\"trace_info\":%s,\"spans\":%s}}",
        "{\"traces\":[{\"trace_info\":%s,\"spans\":%s}]}",
        "{\"trace_info\":%s,\"spans\":%s}",
    };
    for (size_t i = 0; i < TJ_COUNT(shapes); i++) {
        struct fmt_test t = {0};
        struct tj_buf b;
        tj_buf_init(&b, &t.arena, SIZE_MAX);
        tj_str rest = tj_str_c(shapes[i]);
        tj_buf_add(&b, tj_str_cut(&rest, '%'));
        tj_buf_add(&b, tj_str_c(INFO));
        rest = tj_str_slice(rest, 1, rest.len);
        tj_buf_add(&b, tj_str_cut(&rest, '%'));
        tj_buf_add(&b, tj_str_c(spans));
        tj_buf_add(&b, tj_str_slice(rest, 1, rest.len));
        const struct tj_batch *batch = parse_ok(&t, tj_buf_str(&b), "mlflow");
        check_info(batch);
        const struct tj_span *s = &batch->spans.items[0];
        assert_int_equal(s->kind, TJ_KIND_AGENT);
        assert_field(s, "input", TJ_FIELD_JSON, "{\"question\": \"why?\"}");
        assert_field(s, "output", TJ_FIELD_STRING, "because");
        fmt_test_release(&t);
    }
}

static void test_version_2(void **state)
{
    struct fmt_test t = {0};
    const struct tj_batch *batch = parse_ok(
        &t,
        TJ_STR("{\"info\":{\"request_id\":\"0123456789abcdef0123456789abcdef\","
               "\"experiment_id\":\"0\",\"timestamp_ms\":1700000000123,"
               "\"execution_time_ms\":50,\"status\":\"OK\",\"request_metadata\""
               ":{\"mlflow.traceInputs\":\"{}\"},\"tags\":[{\"key\":"
               "\"mlflow.traceName\",\"value\":\"old\"}]},\"data\":{\"spans\":["
               "{\"name\":\"f\",\"context\":{\"span_id\":\"0x1\",\"trace_id\":"
               "\"0xffff\"},\"parent_id\":null,\"start_time\":"
               "1700000000123000000,\"end_time\":1700000000173000000,"
               "\"status_code\":\"ERROR\",\"status_message\":\"bad\","
               "\"attributes\":{\"mlflow.spanType\":\"\\\"TOOL\\\"\"},"
               "\"events\":[{\"name\":\"e\",\"timestamp\":1700000000150000000,"
               "\"attributes\":{}}]}]}}"),
        "mlflow");
    const struct tj_span *s = &batch->spans.items[0];
    const struct tj_trace_info *info = &batch->traces.items[0];
    assert_true(tj_trace_id_eq(s->trace_id, info->trace_id));
    assert_str_eq(info->name, "old");
    assert_str_eq(info->experiment, "");
    assert_true(info->duration_ns == UINT64_C(50000000));
    assert_int_equal(info->state, TJ_STATE_OK);
    assert_int_equal(s->kind, TJ_KIND_TOOL);
    assert_str_eq(s->tool_name, "f");
    assert_field(s, "error", TJ_FIELD_STRING, "bad");
    assert_true(s->events[0].time == UINT64_C(1700000000150000000));
    fmt_test_release(&t);
}

static void test_wrong(void **state)
{
    struct fmt_test t = {0};
    parse_fails(&t, TJ_STR("{\"trace_info\":{},\"spans\":7}"),
                "spans: expected array, found number");
    parse_fails(&t, TJ_STR("{\"traces\":[{\"trace_info\":{},\"spans\":[1]}]}"),
                "traces 0: spans 0: expected object, found number");
    parse_fails(&t,
                TJ_STR("{\"trace_info\":{\"trace_id\":\"tr-1\",\"assessments\":"
                       "[{\"assessment_name\":\"q\"}]}}"),
                "assessments 0: assessment q: expected feedback");
    fmt_test_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces_json), cmocka_unit_test(test_to_json),
        cmocka_unit_test(test_rest),        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
