/* test_assessment.c - MLflow's assessments, in and out.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "trace/assessment.h"

static bool parse(struct tj_arena *a, const char *text,
                  struct tj_assessment *out, struct tj_err *err)
{
    struct tj_json_doc doc;
    assert_ok(tj_json_parse(tj_str_c(text), a, &doc, err), *err);
    return tj_assessment_parse(doc.root, a, out, err);
}

static tj_str written(struct tj_arena *a, const struct tj_assessment *as)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_assessment_write(&w, as, a);
    return tj_buf_str(&b);
}

static const char FEEDBACK[] =
    "{\"assessment_id\":\"a-1\",\"assessment_name\":\"correct\",\"trace_id\":"
    "\"tr-0123456789abcdef0123456789abcdef\",\"span_id\":\"0123456789abcdef\","
    "\"source\":{\"source_type\":\"LLM_JUDGE\",\"source_id\":\"openai:/m\"},"
    "\"create_time\":\"2026-05-02T08:00:00.123Z\",\"last_update_time\":"
    "\"2026-05-02T08:00:01Z\",\"feedback\":{\"value\":[1.0,\"x\"],"
    "\"error\":{\"error_code\":\"TIMEOUT\",\"error_message\":\"slow\","
    "\"stack_trace\":\"at 1\"}},\"rationale\":\"because\",\"metadata\":{"
    "\"k\":\"v\"},\"overrides\":\"a-0\",\"valid\":false}";

static void test_round_trip(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_assessment as;
    assert_ok(parse(&a, FEEDBACK, &as, &err), err);
    assert_int_equal(as.kind, TJ_FEEDBACK);
    assert_str_eq(as.value_json, "[1.0,\"x\"]");
    assert_str_eq(as.error_code, "TIMEOUT");
    assert_str_eq(tj_assessment_meta(&as, TJ_STR("k")), "v");
    assert_false(as.valid);
    assert_str_eq(written(&a, &as), FEEDBACK);
    tj_arena_release(&a);
}

static void test_expectations(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_assessment as;
    assert_ok(parse(&a,
                    "{\"assessmentName\":\"want\",\"source\":{\"sourceType\":"
                    "\"HUMAN\",\"sourceId\":\"me\"},\"expectation\":{"
                    "\"serializedValue\":{\"serializationFormat\":"
                    "\"JSON_FORMAT\",\"value\":\"{\\\"a\\\": [1]}\"}}}",
                    &as, &err),
              err);
    assert_int_equal(as.kind, TJ_EXPECTATION);
    assert_str_eq(as.value_json, "{\"a\":[1]}");
    assert_int_equal(as.source_type, TJ_SOURCE_HUMAN);
    assert_true(as.valid);
    assert_str_eq(written(&a, &as),
                  "{\"assessment_name\":\"want\",\"source\":{\"source_type\":"
                  "\"HUMAN\",\"source_id\":\"me\"},\"expectation\":{"
                  "\"serialized_value\":{\"serialization_format\":"
                  "\"JSON_FORMAT\",\"value\":\"{\\\"a\\\": [1]}\"}},"
                  "\"valid\":true}");
    assert_ok(parse(&a,
                    "{\"name\":\"n\",\"expectation\":{\"value\":\"s\"},"
                    "\"create_time_ms\":5}",
                    &as, &err),
              err);
    assert_str_eq(as.value_json, "\"s\"");
    assert_true(as.create_time == 5 * TJ_NS_PER_MS);
    tj_arena_release(&a);
}

static void test_wrong(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_assessment as = {.name = TJ_STR("untouched")};
    assert_fails(parse(&a, "[]", &as, &err), err, TJ_E_INPUT,
                 "expected an object");
    assert_fails(parse(&a, "{\"name\":\"n\"}", &as, &err), err, TJ_E_INPUT,
                 "assessment n: expected feedback or expectation");
    assert_fails(parse(&a,
                       "{\"name\":\"n\",\"expectation\":{\"serialized_value\":"
                       "{\"value\":\"{\"}}}",
                       &as, &err),
                 err, TJ_E_INPUT, "serialized_value of assessment n: offset");
    assert_str_eq(as.name, "untouched");
    enum tj_source_type type = TJ_SOURCE_CODE;
    assert_true(tj_source_type_parse(TJ_STR("ai_judge"), &type));
    assert_int_equal(type, TJ_SOURCE_LLM_JUDGE);
    assert_false(tj_source_type_parse(TJ_STR("oracle"), &type));
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
