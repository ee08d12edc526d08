/* test_fmt_jaeger.c - Jaeger's JSON.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fmt_test.h"

static const char TRACE[] =
    "{\"data\":[{\"traceID\":\"abc\",\"processes\":{\"p1\":{\"serviceName\":"
    "\"shop\",\"tags\":[{\"key\":\"deployment.environment\",\"type\":"
    "\"string\",\"value\":\"test\"}]}},\"spans\":[{\"traceID\":\"abc\","
    "\"spanID\":\"1\",\"operationName\":\"root\",\"references\":[],"
    "\"startTime\":1000000,\"duration\":250,\"processID\":\"p1\",\"tags\":["
    "{\"key\":\"otel.status_code\",\"type\":\"string\",\"value\":\"ERROR\"},"
    "{\"key\":\"otel.status_description\",\"type\":\"string\",\"value\":"
    "\"no stock\"},"
    "{\"key\":\"span.kind\",\"type\":\"string\",\"value\":\"server\"},"
    "{\"key\":\"big\",\"type\":\"int64\",\"value\":\"9007199254740993\"},"
    "{\"key\":\"otel.scope.name\",\"type\":\"string\",\"value\":\"lib\"}],"
    "\"logs\":[{\"timestamp\":1000100,\"fields\":[{\"key\":\"event\","
    "\"type\":\"string\",\"value\":\"exception\"},{\"key\":"
    "\"exception.type\",\"type\":\"string\",\"value\":\"Sold\"},{\"key\":"
    "\"exception.message\",\"type\":\"string\",\"value\":\"out\"}]}]},"
    "{\"traceID\":\"abc\",\"spanID\":\"2\",\"operationName\":\"child\","
    "\"references\":[{\"refType\":\"FOLLOWS_FROM\",\"traceID\":\"abd\","
    "\"spanID\":\"9\"},{\"refType\":\"CHILD_OF\",\"traceID\":\"abc\","
    "\"spanID\":\"1\"}],\"startTime\":1000010,\"duration\":5,\"tags\":["
    "{\"key\":\"error\",\"type\":\"bool\",\"value\":true}],\"logs\":[],"
    "\"warnings\":[\"clock skew\"]}]}]}";

static void test_trace(void **state)
{
    struct fmt_test t = {0};
    const struct tj_batch *batch = parse_ok(&t, tj_str_c(TRACE), "jaeger");
    assert_int_equal(batch->spans.count, 2);
    const struct tj_span *root = &batch->spans.items[0];
    const struct tj_span *child = &batch->spans.items[1];
    assert_true(tj_span_id_eq(child->parent_id, root->span_id));
    assert_true(root->start == UINT64_C(1000000000));
    assert_true(tj_span_duration_ns(root) == 250000);
    assert_int_equal(root->status, TJ_STATUS_ERROR);
    assert_str_eq(root->status_message, "no stock");
    assert_int_equal(root->otel_kind, 2);
    assert_int_equal(root->event_count, 1);
    assert_str_eq(root->events[0].name, "exception");
    assert_true(root->events[0].time == UINT64_C(1000100000));
    assert_field(root, "error", TJ_FIELD_STRING, "Sold: out");
    assert_field(root, "attributes.big", TJ_FIELD_NUMBER, "9007199254740993");
    assert_str_eq(root->environment, "test");
    assert_str_eq(batch->resources.items[root->resource].text,
                  "{\"resource\": {\"service.name\": \"shop\", "
                  "\"deployment.environment\": \"test\"}, \"scope\": "
                  "{\"name\": \"lib\"}}");
    assert_int_equal(child->status, TJ_STATUS_ERROR);
    assert_int_equal(child->link_count, 1);
    assert_field(child, "links.0.refType", TJ_FIELD_STRING, "FOLLOWS_FROM");
    assert_field(child, "attributes.jaeger.warnings", TJ_FIELD_JSON,
                 "[\"clock skew\"]");
    assert_int_equal(root->marks | child->marks, 0);
    fmt_test_release(&t);
}

static void test_single_and_wrong(void **state)
{
    struct fmt_test t = {0};
    tj_str whole = tj_str_c(TRACE);
    tj_str one = tj_str_slice(whole, 9, whole.len - 11);
    assert_int_equal(parse_ok(&t, one, "jaeger")->spans.count, 2);
    parse_fails(&t,
                TJ_STR("{\"data\":[{\"traceID\":\"a\",\"spans\":[{"
                       "\"spanID\":\"1\"},7]}]}"),
                "data 0: spans 1: expected object, found number");
    fmt_test_release(&t);
}

static void test_files(void **state)
{
    struct fmt_test t = {0};
    tj_str helm = shared_file(&t, "agentevals_samples/helm.json");
    tj_str k8s = shared_file(&t, "agentevals_samples/k8s.json");
    if (!helm.ptr || !k8s.ptr)
        skip();
    const struct tj_batch *batch = parse_ok(&t, k8s, "jaeger");
    assert_int_equal(batch->spans.count, 73);
    batch = parse_ok(&t, helm, "jaeger");
    assert_int_equal(batch->spans.count, 96);
    /* OpenLLMetry's dotted prompts become one conversation. */
    bool found = false;
    tj_vec_each (&batch->spans, struct tj_span, s) {
        int32_t first =
            tj_span_find_field(s, TJ_STR("attributes.gen_ai.prompt.0.role"));
        int32_t input = tj_span_find_field(s, TJ_STR("input"));
        if (first < 0)
            continue;
        found = true;
        assert_true(input >= 0);
        assert_int_equal(s->kind, TJ_KIND_LLM);
        assert_int_equal(s->fields[input].same_as, TJ_FIELD_NOT_SHARED);
        assert_true(tj_str_starts(s->fields[input].text, TJ_STR("[{\"")));
        assert_true(s->usage.input_tokens > 0);
    }
    assert_true(found);
    fmt_test_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_single_and_wrong),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
