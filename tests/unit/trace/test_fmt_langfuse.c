/* test_fmt_langfuse.c - Langfuse exports.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "parsed_test.h"

#define TRACE_ID "0102030405060708090a0b0c0d0e0f10"

static const char export_text[] =
    "{\"trace\":{\"id\":\"" TRACE_ID "\",\"name\":\"run\",\"sessionId\":\"se\","
    "\"userId\":\"us\",\"release\":\"r1\",\"tags\":[\"a\",\"b\"],"
    "\"timestamp\":\"2026-01-01T00:00:00Z\",\"input\":\"\\\"hello\\\"\","
    "\"output\":null,\"metadata\":\"{\\\"email\\\":\\\"e@x\\\","
    "\\\"attributes\\\":{}}\","
    "\"scores\":[{\"id\":\"sc1\",\"name\":\"toxicity\",\"value\":0.2,"
    "\"source\":\"EVAL\",\"comment\":\"mild\",\"dataType\":\"NUMERIC\","
    "\"timestamp\":\"2026-01-02T00:00:00Z\"},"
    "{\"name\":\"good\",\"value\":1,\"dataType\":\"BOOLEAN\","
    "\"source\":\"ANNOTATION\",\"authorUserId\":\"ann\","
    "\"observationId\":\"0000000000000002\"},"
    "{\"name\":\"class\",\"value\":0,\"stringValue\":\"ok\","
    "\"dataType\":\"CATEGORICAL\",\"source\":\"API\"},{\"name\":\"\"},5]},"
    "\"observations\":["
    "{\"id\":\"0000000000000001\",\"traceId\":\"" TRACE_ID
    "\",\"type\":\"SPAN\","
    "\"name\":\"root\",\"startTime\":\"2026-01-01T00:00:00.5Z\","
    "\"endTime\":\"2026-01-01T00:00:02Z\",\"level\":\"DEFAULT\","
    "\"parentObservationId\":null,\"environment\":\"prod\",\"input\":null,"
    "\"output\":\"{\\\"a\\\": 1}\",\"usageDetails\":{},"
    "\"metadata\":\"{\\\"attributes\\\":{\\\"openinference.span.kind\\\":"
    "\\\"CHAIN\\\"},\\\"resourceAttributes\\\":{\\\"service.name\\\":\\\"svc\\\"},"
    "\\\"scope\\\":{\\\"name\\\":\\\"sdk\\\"},\\\"step\\\":3}\"},"
    "{\"id\":\"0000000000000002\",\"traceId\":\"" TRACE_ID "\","
    "\"type\":\"GENERATION\",\"name\":\"llm\","
    "\"startTime\":\"2026-01-01T00:00:01Z\",\"endTime\":null,"
    "\"level\":\"ERROR\",\"statusMessage\":\"429\","
    "\"parentObservationId\":\"0000000000000001\",\"model\":\"gpt-x\","
    "\"modelParameters\":{\"temperature\":0},\"input\":[{\"role\":\"user\","
    "\"content\":\"hello\"}],\"output\":\"hi\","
    "\"usageDetails\":{\"input\":100,\"input_cache_read\":20,\"output\":35,"
    "\"output_reasoning\":64,\"total\":219},\"costDetails\":{\"total\":0.5},"
    "\"metadata\":{\"attributes\":{\"gen_ai.request.model\":\"other\","
    "\"input.value\":\"not this\"}}},"
    "{\"id\":\"not-hex\",\"traceId\":\"" TRACE_ID "\",\"type\":\"EVENT\","
    "\"name\":\"note\",\"startTime\":\"2026-01-01T00:00:01.5Z\","
    "\"parentObservationId\":\"not-hex-either\",\"level\":\"DEBUG\"}]}";

static void an_export(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "langfuse", export_text);
    assert_int_equal(p.batch.traces.count, 1);
    assert_int_equal(p.batch.spans.count, 3);
    struct tj_span *root = span_named(&p, "root", 0);
    assert_int_equal(root->kind, TJ_KIND_CHAIN);
    assert_field(root, "input", "hello");
    assert_field(root, "output", "{\"a\": 1}");
    assert_field(root, "attributes.langfuse.metadata.step", "3");
    assert_str_eq(root->session, "se");
    assert_str_eq(root->user, "us");
    assert_str_eq(root->environment, "prod");
    assert_str_eq(root->release, "r1");
    assert_int_equal(tj_span_duration_ns(root), 1500 * TJ_NS_PER_MS);
    assert_has(p.batch.resources.items[root->resource].text, "svc");
    struct tj_span *llm = span_named(&p, "llm", 0);
    assert_child(llm, root);
    assert_int_equal(llm->kind, TJ_KIND_LLM);
    assert_str_eq(llm->model, "gpt-x");
    assert_field(llm, "input",
                 "[{\"role\": \"user\", \"content\": \"hello\"}]");
    assert_field(llm, "output", "hi");
    assert_field(llm, "attributes.input.value", "not this");
    assert_int_equal(llm->status, TJ_STATUS_ERROR);
    assert_str_eq(llm->status_message, "429");
    assert_true(llm->marks & TJ_MARK_UNFINISHED);
    assert_int_equal(llm->usage.input_tokens, 120);
    assert_int_equal(llm->usage.output_tokens, 99);
    assert_int_equal(llm->usage.cache_read_tokens, 20);
    assert_int_equal(llm->usage.reasoning_tokens, 64);
    assert_true(llm->usage.cost_usd == 0.5);
    struct tj_span *note = span_named(&p, "note", 0);
    assert_true(note->marks & TJ_MARK_ID_DERIVED);
    assert_false(note->marks & TJ_MARK_UNFINISHED);
    assert_false(tj_span_id_is_none(note->parent_id));
    parsed_free(&p);
}

static void the_trace(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "langfuse", export_text);
    const struct tj_trace_info *info = &p.batch.traces.items[0];
    assert_str_eq(tj_trace_id_text(&p.a, info->trace_id), TRACE_ID);
    assert_str_eq(info->name, "run");
    assert_str_eq(info->session, "se");
    assert_str_eq(tj_pairs_find(&info->metadata, TJ_STR("email")), "e@x");
    assert_null(tj_pairs_find(&info->metadata, TJ_STR("attributes")).ptr);
    assert_str_eq(tj_pairs_find(&info->tags, TJ_STR("langfuse.tags")),
                  "[\"a\",\"b\"]");
    assert_int_equal(p.batch.assessments.count, 3);
    const struct tj_assessment *as = label_named(&p, "toxicity");
    assert_int_equal(as->source_type, TJ_SOURCE_LLM_JUDGE);
    assert_str_eq(as->value_json, "0.2");
    assert_str_eq(as->rationale, "mild");
    assert_true(as->create_time > 0);
    as = label_named(&p, "good");
    assert_str_eq(as->value_json, "true");
    assert_int_equal(as->source_type, TJ_SOURCE_HUMAN);
    assert_str_eq(as->source_id, "ann");
    assert_true(tj_span_id_eq(as->span_id, span_named(&p, "llm", 0)->span_id));
    assert_str_eq(label_named(&p, "class")->value_json, "\"ok\"");
    parsed_free(&p);
}

static void usage_inside_is_not_counted_twice(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "langfuse",
             "{\"id\":\"some-uuid\",\"observations\":[{\"id\":\"o\","
             "\"type\":\"GENERATION\",\"usageDetails\":{\"input\":100,"
             "\"input_cached_tokens\":20,\"output\":50,"
             "\"output_reasoning_tokens\":9,\"total\":150}}]}");
    const struct tj_span *s = &p.batch.spans.items[0];
    assert_int_equal(s->usage.input_tokens, 100);
    assert_int_equal(s->usage.output_tokens, 50);
    assert_int_equal(s->usage.cache_read_tokens, 20);
    assert_str_eq(p.batch.traces.items[0].source_id, "some-uuid");
    parsed_free(&p);
}

static void observations_alone(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "langfuse",
             "{\"data\":[{\"id\":\"a\",\"traceId\":\"t1\",\"type\":\"SPAN\","
             "\"startTime\":\"2026-01-01\",\"level\":\"DEFAULT\"},"
             "{\"id\":\"a\",\"traceId\":\"t2\"},{\"id\":\"b\"},7,null]}");
    assert_int_equal(p.batch.spans.count, 2);
    assert_int_equal(p.batch.rejected_count, 3);
    assert_ids_differ(&p);
    parsed_free(&p);
}

static void hostile(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "langfuse",
             "{\"trace\":{\"id\":\"t\",\"scores\":{},\"metadata\":\"{\","
             "\"tags\":\"x\"},\"observations\":[1,{},{\"id\":\"a\","
             "\"metadata\":[1],\"usageDetails\":{\"input\":"
             "9223372036854775807,\"input_x\":9223372036854775807},"
             "\"startTime\":5,\"level\":1,\"input\":false,"
             "\"parentObservationId\":\"a\"}]}");
    assert_int_equal(p.batch.spans.count, 1);
    assert_int_equal(p.batch.rejected_count, 2);
    parsed_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export),
        cmocka_unit_test(the_trace),
        cmocka_unit_test(usage_inside_is_not_counted_twice),
        cmocka_unit_test(observations_alone),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
