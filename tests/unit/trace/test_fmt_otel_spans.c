/* test_fmt_otel_spans.c - span dumps of OpenTelemetry's SDKs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fmt_test.h"

static void test_javascript(void **state)
{
    struct fmt_test t = {0};
    const struct tj_batch *batch = parse_ok(
        &t,
        TJ_STR("[{\"name\":\"ai.toolCall\",\"spanContext\":{\"traceId\":"
               "\"b3e700af9eab81e19f72f964d62a35af\",\"spanId\":"
               "\"39d6e9b3ddec9996\"},\"parentSpanContext\":{\"traceId\":"
               "\"b3e700af9eab81e19f72f964d62a35af\",\"spanId\":"
               "\"39d6e9b3ddec9995\"},\"attributes\":{\"ai.operationId\":"
               "\"ai.toolCall\",\"ai.toolCall.name\":\"weather\","
               "\"ai.toolCall.args\":\"{\\\"city\\\":\\\"Oslo\\\"}\","
               "\"ai.toolCall.result\":\"12 C\"},\"status\":{\"code\":2,"
               "\"message\":\"m\"},\"kind\":0,\"startTime\":[1770131994,"
               "23000000],\"endTime\":[1770131997,57733667],\"events\":[{"
               "\"name\":\"e\",\"time\":[1770131995,1],\"attributes\":{"
               "\"k\":1}}],\"links\":[{\"context\":{\"traceId\":\"1\","
               "\"spanId\":\"2\"},\"attributes\":{\"l\":2}}]}]"),
        "otel-spans");
    const struct tj_span *s = &batch->spans.items[0];
    assert_int_equal(s->kind, TJ_KIND_TOOL);
    assert_str_eq(s->tool_name, "weather");
    assert_field(s, "input", TJ_FIELD_JSON, "{\"city\": \"Oslo\"}");
    assert_field(s, "output", TJ_FIELD_STRING, "12 C");
    assert_field(s, "events.0.k", TJ_FIELD_NUMBER, "1");
    assert_field(s, "links.0.l", TJ_FIELD_NUMBER, "2");
    assert_int_equal(s->otel_kind, 1);
    assert_int_equal(s->status, TJ_STATUS_ERROR);
    assert_true(s->start == UINT64_C(1770131994023000000));
    assert_true(s->end == UINT64_C(1770131997057733667));
    assert_false(tj_span_id_is_none(s->parent_id));
    fmt_test_release(&t);
}

static void test_python(void **state)
{
    struct fmt_test t = {0};
    const struct tj_batch *batch = parse_ok(
        &t,
        TJ_STR("{\n \"name\":\"chat\",\"context\":{\"trace_id\":"
               "\"0xb3e700af9eab81e19f72f964d62a35af\",\"span_id\":"
               "\"0x39d6e9b3ddec9996\",\"trace_state\":\"[]\"},\"kind\":"
               "\"SpanKind.CLIENT\",\"parent_id\":null,\"start_time\":"
               "\"2026-05-02T08:00:00.000001Z\",\"end_time\":"
               "\"2026-05-02T08:00:01Z\",\"status\":{\"status_code\":\"ERROR\","
               "\"description\":\"d\"},\"attributes\":{},\"events\":[{\"name\":"
               "\"exception\",\"timestamp\":\"2026-05-02T08:00:01Z\","
               "\"attributes\":{\"exception.type\":\"E\"}}],\"links\":[],"
               "\"resource\":{\"attributes\":{\"service.version\":\"7\"},"
               "\"schema_url\":\"\"}}\n{\"name\":\"b\",\"context\":{"
               "\"trace_id\":\"0x1\",\"span_id\":\"0x2\"},\"attributes\":{},"
               "\"span_kind\":\"RETRIEVER\",\"status_code\":\"OK\","
               "\"start_time\":\"2026-05-02T08:00:00Z\"}"),
        "otel-spans");
    assert_int_equal(batch->spans.count, 2);
    const struct tj_span *s = &batch->spans.items[0];
    assert_true(tj_span_id_is_none(s->parent_id));
    assert_int_equal(s->otel_kind, 3);
    assert_str_eq(s->status_message, "d");
    assert_str_eq(s->release, "7");
    assert_field(s, "error", TJ_FIELD_STRING, "E");
    assert_int_equal(s->marks, 0);
    assert_int_equal(batch->spans.items[1].kind, TJ_KIND_RETRIEVER);
    assert_int_equal(batch->spans.items[1].status, TJ_STATUS_OK);
    assert_int_equal(batch->spans.items[1].marks, TJ_MARK_UNFINISHED);
    fmt_test_release(&t);
}

static void test_javascript_console(void **state)
{
    struct fmt_test t = {0};
    const struct tj_batch *batch = parse_ok(
        &t,
        TJ_STR("{\"spans\":[{\"traceId\":\"1\",\"id\":\"2\",\"parentId\":\"3\","
               "\"name\":\"n\",\"timestamp\":1000,\"duration\":2.5,"
               "\"attributes\":{}},{\"traceId\":\"1\",\"id\":\"4\",\"name\":"
               "\"n\",\"timestamp\":1000,\"duration\":2,\"attributes\":{}}]}"),
        "otel-spans");
    assert_true(batch->spans.items[0].start == 1000000);
    assert_true(batch->spans.items[1].end == 1002000);
    fmt_test_release(&t);
}

static void test_file(void **state)
{
    struct fmt_test t = {0};
    tj_str bytes = shared_file(&t, "openinference_vercel/all-spans.json");
    if (!bytes.ptr)
        skip();
    const struct tj_batch *batch = parse_ok(&t, bytes, "otel-spans");
    assert_int_equal(batch->spans.count, 10);
    const struct tj_span *s = &batch->spans.items[0];
    assert_int_equal(s->kind, TJ_KIND_LLM);
    assert_str_eq(s->model, "gpt-4o-mini-2024-07-18");
    assert_int_equal(s->usage.input_tokens, 14);
    assert_int_equal(s->usage.output_tokens, 20);
    assert_str_eq(s->agent, "test-generate-text");
    tj_vec_each (&batch->spans, struct tj_span, it) {
        assert_int_equal(it->marks, 0);
        assert_true(it->kind != TJ_KIND_UNKNOWN);
        assert_true(tj_span_find_field(it, TJ_STR("input")) >= 0);
    }
    fmt_test_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_javascript),
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_javascript_console),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
