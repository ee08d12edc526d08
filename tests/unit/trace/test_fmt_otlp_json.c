/* test_fmt_otlp_json.c - OTLP/JSON in all its spellings.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fmt_test.h"

#include "text/inflate.h"

static const char SIMPLE[] =
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":"
    "\"service.name\",\"value\":{\"stringValue\":\"shop\"}},{\"key\":"
    "\"deployment.environment.name\",\"value\":{\"stringValue\":\"prod\"}}]},"
    "\"scopeSpans\":[{\"scope\":{\"name\":\"lib\",\"version\":\"1.2\"},"
    "\"spans\":[{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":"
    "\"eee19b7ec3c1b174\",\"parentSpanId\":\"\",\"name\":\"chat\",\"kind\":3,"
    "\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":"
    "1544712661500000000,\"traceState\":\"a=b\",\"flags\":769,"
    "\"droppedEventsCount\":2,\"attributes\":["
    "{\"key\":\"gen_ai.request.model\",\"value\":{\"stringValue\":\"gpt-5\"}},"
    "{\"key\":\"gen_ai.usage.input_tokens\",\"value\":{\"intValue\":\"17\"}},"
    "{\"key\":\"gen_ai.usage.output_tokens\",\"value\":{\"intValue\":4}},"
    "{\"key\":\"t\",\"value\":{\"doubleValue\":0.10}},"
    "{\"key\":\"one\",\"value\":{\"doubleValue\":1}},"
    "{\"key\":\"b\",\"value\":{\"boolValue\":true}},"
    "{\"key\":\"raw\",\"value\":{\"bytesValue\":\"AAEC\"}},"
    "{\"key\":\"none\",\"value\":{}},"
    "{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":"
    "\"x\\\"y\"},{\"intValue\":\"2\"},{\"kvlistValue\":{\"values\":[{\"key\":"
    "\"k\",\"value\":{\"boolValue\":false}}]}},{}]}}},"
    "{\"key\":\"gen_ai.input.messages\",\"value\":{\"stringValue\":"
    "\"[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hi\\\"}]\"}}],"
    "\"events\":[{\"name\":\"e\",\"timeUnixNano\":\"1544712660000000001\","
    "\"attributes\":[{\"key\":\"n\",\"value\":{\"intValue\":1}}]}],"
    "\"links\":[{\"traceId\":\"5b8efff798038103d269b633813fc60d\",\"spanId\":"
    "\"eee19b7ec3c1b175\",\"attributes\":[{\"key\":\"why\",\"value\":"
    "{\"stringValue\":\"because\"}}]}],"
    "\"status\":{\"code\":2,\"message\":\"boom\"}}]}]}]}";

static void check_simple(const struct tj_batch *batch)
{
    assert_int_equal(batch->spans.count, 1);
    assert_int_equal(batch->rejected_count, 0);
    const struct tj_span *s = &batch->spans.items[0];
    struct tj_arena a = {0};
    assert_str_eq(tj_trace_id_text(&a, s->trace_id),
                  "5b8efff798038103d269b633813fc60c");
    assert_str_eq(tj_span_id_text(&a, s->span_id), "eee19b7ec3c1b174");
    tj_arena_release(&a);
    assert_true(tj_span_id_is_none(s->parent_id));
    assert_str_eq(s->name, "chat");
    assert_int_equal(s->otel_kind, 3);
    assert_true(s->start == UINT64_C(1544712660000000000));
    assert_true(tj_span_duration_ns(s) == UINT64_C(1500000000));
    assert_str_eq(s->trace_state, "a=b");
    assert_int_equal(s->status, TJ_STATUS_ERROR);
    assert_int_equal(s->kind, TJ_KIND_LLM);
    assert_str_eq(s->model, "gpt-5");
    assert_int_equal(s->usage.input_tokens, 17);
    assert_int_equal(s->usage.output_tokens, 4);
    assert_str_eq(s->environment, "prod");
    assert_int_equal(s->marks, 0);
    assert_field(s, "attributes.t", TJ_FIELD_NUMBER, "0.1");
    assert_field(s, "attributes.one", TJ_FIELD_NUMBER, "1.0");
    assert_field(s, "attributes.b", TJ_FIELD_BOOL, "true");
    assert_field(s, "attributes.raw", TJ_FIELD_BYTES, "AAEC");
    assert_field(s, "attributes.none", TJ_FIELD_NULL, "null");
    assert_field(s, "attributes.list", TJ_FIELD_JSON,
                 "[#\"x\"y\"#, 2, {\"k\": false}, null]");
    assert_field(s, "attributes.otel.flags", TJ_FIELD_NUMBER, "769");
    assert_field(s, "attributes.otel.dropped_events_count", TJ_FIELD_NUMBER,
                 "2");
    const char *messages = "[{\"role\": \"user\", \"content\": \"hi\"}]";
    assert_field(s, "input", TJ_FIELD_JSON, messages);
    int32_t input = tj_span_find_field(s, TJ_STR("input"));
    int32_t from =
        tj_span_find_field(s, TJ_STR("attributes.gen_ai.input.messages"));
    assert_int_equal(s->fields[input].same_as, from);
    assert_int_equal(s->source[TJ_NORMAL_INPUT], from);
    assert_int_equal(s->fields[from].flags, TJ_FIELD_DECODED);
    assert_field(s, "error", TJ_FIELD_STRING, "boom");
    assert_field(s, "status", TJ_FIELD_STRING, "ERROR: boom");
    assert_int_equal(s->event_count, 1);
    assert_str_eq(s->events[0].name, "e");
    assert_field(s, "events.0.n", TJ_FIELD_NUMBER, "1");
    assert_int_equal(s->link_count, 1);
    assert_field(s, "links.0.why", TJ_FIELD_STRING, "because");
    assert_int_equal(batch->resources.count, 1);
    assert_str_eq(batch->resources.items[s->resource].text,
                  "{\"resource\": {\"service.name\": \"shop\", "
                  "\"deployment.environment.name\": \"prod\"}, \"scope\": "
                  "{\"name\": \"lib\", \"version\": \"1.2\"}}");
}

static void test_simple(void **state)
{
    struct fmt_test t = {0};
    check_simple(parse_ok(&t, tj_str_c(SIMPLE), "otlp-json"));
    fmt_test_release(&t);
}

/* The same under older and other spellings. */
static void test_spellings(void **state)
{
    static const char *const changes[][2] = {
        {"scopeSpans", "instrumentationLibrarySpans"},
        {"resourceSpans", "batches"},
        {"resourceSpans", "resource_spans"},
        {"startTimeUnixNano", "start_time_unix_nano"},
        {"stringValue", "string_value"},
        {"kvlistValue", "kvlist_value"},
        {"\"code\":2", "\"code\":\"STATUS_CODE_ERROR\""},
        {"\"kind\":3", "\"kind\":\"SPAN_KIND_CLIENT\""},
        {"5b8efff798038103d269b633813fc60c", "W47/95gDgQPSabYzgT/GDA=="},
        {"eee19b7ec3c1b174", "7uGbfsPBsXQ="},
        {"\"doubleValue\":0.10", "\"doubleValue\":\"1e-1\""},
    };
    for (size_t i = 0; i < TJ_COUNT(changes); i++) {
        struct fmt_test t = {0};
        tj_str text =
            replaced(&t, tj_str_c(SIMPLE), changes[i][0], changes[i][1]);
        check_simple(parse_ok(&t, text, "otlp-json"));
        fmt_test_release(&t);
    }
}

static void test_gzip_and_lines(void **state)
{
    struct fmt_test t = {0};
    struct tj_err err = {0};
    tj_str zipped = {0};
    assert_ok(tj_deflate_gzip(tj_str_c(SIMPLE), &t.arena, &zipped, &err), err);
    check_simple(parse_ok(&t, zipped, "otlp-json"));
    /* Twice the same line is the same span twice: folded, not marked. */
    tj_str twice = tj_str_printf(&t.arena, "%s\n\n%s\n", SIMPLE, SIMPLE);
    check_simple(parse_ok(&t, twice, "otlp-json"));
    tj_str other = replaced(&t, tj_str_c(SIMPLE), "boom", "bang");
    tj_str mixed =
        tj_str_printf(&t.arena, "%s\n%.*s\n", SIMPLE, TJ_STR_ARG(other));
    const struct tj_batch *batch = parse_ok(&t, mixed, "otlp-json");
    assert_int_equal(batch->spans.count, 1);
    assert_int_equal(batch->spans.items[0].marks, TJ_MARK_DUPLICATE);
    assert_str_eq(batch->spans.items[0].status_message, "bang");
    fmt_test_release(&t);
}

static void test_odd_spans(void **state)
{
    struct fmt_test t = {0};
    const struct tj_batch *batch = parse_ok(
        &t,
        TJ_STR("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
               "{\"traceId\":\"00000000000000000000000000000000\","
               "\"spanId\":\"eee19b7ec3c1b174\",\"name\":\"zero\"},"
               "{\"name\":\"nothing\"},"
               "{\"traceId\":\"run-1\",\"spanId\":\"a\",\"name\":1},"
               "{\"traceId\":\"1\",\"spanId\":\"2\",\"parentSpanId\":\"3\","
               "\"startTimeUnixNano\":5,\"endTimeUnixNano\":4},"
               "{\"traceId\":\"1\",\"spanId\":\"4\",\"attributes\":["
               "{\"key\":\"s\",\"value\":{\"stringValue\":\"a\\ud800\"}},"
               "{\"key\":\"k\",\"value\":{\"stringValue\":\"1\"}},"
               "{\"key\":\"k\",\"value\":{\"stringValue\":\"{not json}\"}}"
               "]}]}]}]}"),
        "otlp-json");
    assert_int_equal(batch->spans.count, 3);
    assert_int_equal(batch->rejected_count, 2);
    assert_str_eq(batch->rejected, "span 0: no usable trace id");
    const struct tj_span *derived = &batch->spans.items[0];
    assert_int_equal(derived->marks, TJ_MARK_NO_START | TJ_MARK_UNFINISHED |
                                         TJ_MARK_ID_DERIVED);
    assert_str_eq(batch->traces.items[0].source_id, "run-1");
    assert_int_equal(batch->spans.items[1].marks, TJ_MARK_BACKWARDS);
    const struct tj_span *bad = &batch->spans.items[2];
    assert_true(bad->marks & TJ_MARK_BAD_TEXT);
    assert_field(bad, "attributes.k", TJ_FIELD_STRING, "{not json}");
    fmt_test_release(&t);
}

static void test_errors(void **state)
{
    struct fmt_test t = {0};
    struct tj_err err = {0};
    parse_fails(&t, TJ_STR(""), "offset 0: no known trace format: expected");
    parse_fails(&t, TJ_STR("hello"), "offset 0: no known trace format");
    parse_fails(&t, TJ_STR("  {\"a\":1}"),
                "offset 2: no known trace format: expected one of");
    parse_fails(&t, TJ_STR("{\"a\":1}"), "found an object with \"a\"");
    /* Cut anywhere, it is an error with an offset and nothing else. */
    for (size_t len = 1; len + 1 < sizeof SIMPLE; len += 7)
        parse_fails(&t, tj_str_make(SIMPLE, len), "offset ");
    parse_fails(&t, TJ_STR("{\"resourceSpans\":[1]}"),
                "resourceSpans: expected object, found number");
    parse_fails(
        &t, TJ_STR("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":7}]}]}"),
        "resourceSpans 0: scopeSpans 0: spans: expected array");
    tj_str second = tj_str_printf(&t.arena, "%s\n{\"resourceSpans\":", SIMPLE);
    parse_fails(
        &t, second,
        (const char *)tj_str_printf(&t.arena, "offset %zu: ", second.len).ptr);
    const struct tj_format *used = NULL;
    struct tj_batch batch;
    assert_fails(tj_format_parse(tj_format_find(TJ_STR("otlp-json")),
                                 TJ_STR("[1]"), &t.arena, &batch, &used, &err),
                 err, TJ_E_INPUT, "");
    fmt_test_release(&t);
}

static void test_limits(void **state)
{
    struct fmt_test t = {0};
    struct tj_buf b;
    tj_buf_init(&b, &t.arena, SIZE_MAX);
    tj_buf_add(&b, TJ_STR("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{"
                          "\"traceId\":\"1\",\"spanId\":\"2\",\"name\":\""));
    tj_buf_repeat(&b, 'n', 2000);
    tj_buf_add(&b, TJ_STR("\",\"attributes\":[{\"key\":\"deep\",\"value\":"
                          "{\"stringValue\":\""));
    tj_buf_repeat(&b, '[', 1000);
    tj_buf_repeat(&b, ']', 1000);
    tj_buf_add(&b, TJ_STR("\"}}"));
    for (int i = 0; i < 10050; i++)
        tj_buf_fmt(&b, ",{\"key\":\"k%d\",\"value\":{\"intValue\":1}}", i);
    tj_buf_add(&b, TJ_STR("]}]}]}]}"));
    const struct tj_batch *batch = parse_ok(&t, tj_buf_str(&b), "otlp-json");
    const struct tj_span *s = &batch->spans.items[0];
    assert_int_equal(s->name.len, TJ_NAME_BYTES_MAX);
    assert_true(s->marks & TJ_MARK_CLIPPED);
    assert_true(s->field_count <= TJ_FIELDS_PER_SPAN_MAX);
    assert_true(tj_span_find_field(s, TJ_STR("attributes.tracejudge."
                                             "dropped_fields")) >= 0);
    /* Too deep to be JSON for us: it stays the string it was. */
    int32_t deep = tj_span_find_field(s, TJ_STR("attributes.deep"));
    assert_int_equal(s->fields[deep].type, TJ_FIELD_STRING);
    fmt_test_release(&t);
}

static void test_tempo_file(void **state)
{
    struct fmt_test t = {0};
    tj_str bytes = shared_file(&t, "agentevals_samples/"
                                   "tempo_export_with_batches.json");
    if (!bytes.ptr)
        skip();
    const struct tj_batch *batch = parse_ok(&t, bytes, "otlp-json");
    assert_int_equal(batch->spans.count, 86);
    assert_int_equal(batch->rejected_count, 0);
    fmt_test_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple),         cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_gzip_and_lines), cmocka_unit_test(test_odd_spans),
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_tempo_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
