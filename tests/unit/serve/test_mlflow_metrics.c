/* test_mlflow_metrics.c - counts and aggregates over traces.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace_fixture.h"

#include "base/limits.h"
#include "serve/metric_groups.h"

static const char url[] = "/api/3.0/mlflow/traces/metrics";

/* Four traces: names a, b, a, b; 100, 200, 300, 400 ms; the last is broken;
 * sessions s, s, t and none; an hour between two. */
static int setup_traces(void **state)
{
    int bad = setup(state);
    struct fixture *f = *state;
    static const char *const sessions[] = {"s", "s", "t", NULL};
    for (int i = 0; i < 4; i++) {
        const char *session =
            sessions[i]
                ? tj_str_printf(&f->arena, "'mlflow.trace.session':'%s'",
                                sessions[i])
                      .ptr
                : "";
        tj_str body = tj_str_printf(
            &f->arena,
            "{'trace':{'trace_info':{'trace_id':'tr-%032d','trace_location':{"
            "'mlflow_experiment':{'experiment_id':'0'}},'request_time':"
            "'2026-05-02T0%d:30:00Z','execution_duration':'0.%d00s','state':"
            "'%s','tags':{'mlflow.traceName':'%s','t':'v%d'},'trace_metadata':"
            "{%s}}}}",
            i + 1, 4 + i, i + 1, i < 3 ? "OK" : "ERROR", i % 2 ? "b" : "a",
            i % 2, session);
        assert_int_equal(ask(f, "POST", "/api/3.0/mlflow/traces", body.ptr),
                         200);
    }
    return bad;
}

/* Asks with these members; the status. */
static int question(struct fixture *f, const char *members)
{
    tj_str body =
        tj_str_printf(&f->arena, "{'experiment_ids':['0'],%s}", members);
    return ask(f, "POST", url, body.ptr);
}

static const char *point(struct fixture *f, size_t i, const char *part)
{
    tj_str path = tj_str_printf(&f->arena, "data_points.%zu.%s", i, part);
    return text_at(f, path.ptr);
}

#define COUNT "'aggregations':[{'aggregation_type':'COUNT'}]"

static void counts_traces(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(question(f, "'view_type':'TRACES','metric_name':"
                                 "'trace_count'," COUNT),
                     200);
    assert_int_equal(count_at(f, "data_points"), 1);
    assert_string_equal(point(f, 0, "values.COUNT"), "4.0");
    assert_string_equal(point(f, 0, "metric_name"), "trace_count");
    question(f, "'view_type':'TRACES','metric_name':'trace_count'," COUNT
                ",'dimensions':['trace_name','trace_status']");
    assert_int_equal(count_at(f, "data_points"), 3);
    assert_string_equal(point(f, 0, "dimensions.trace_name"), "a");
    assert_string_equal(point(f, 0, "values.COUNT"), "2.0");
    assert_string_equal(point(f, 1, "dimensions.trace_status"), "ERROR");
    question(f, "'view_type':'TRACES','metric_name':'session_count'," COUNT);
    assert_string_equal(point(f, 0, "values.COUNT"), "2.0");
}

static void aggregates_numbers(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        question(f, "'view_type':'TRACES','metric_name':'latency',"
                    "'aggregations':[{'aggregation_type':'AVG'},{"
                    "'aggregation_type':'MIN'},{'aggregation_type':'MAX'},{"
                    "'aggregation_type':'PERCENTILE','percentile_value':95}]"),
        200);
    assert_string_equal(point(f, 0, "values.AVG"), "250.0");
    assert_string_equal(point(f, 0, "values.MIN"), "100.0");
    assert_string_equal(point(f, 0, "values.MAX"), "400.0");
    assert_string_equal(member_at(f, "data_points.0.values", "P95.0"), "");
    const struct tj_json *p = tj_json_find(
        tj_json_at(f->json, "data_points.0.values"), TJ_STR("P95.0"));
    double value = 0;
    assert_true(tj_json_double(p, &value));
    assert_true(value > 384.999);
    assert_true(value < 385.001);
    /* Nothing to aggregate is no point; nothing to count is 0. */
    question(f, "'view_type':'TRACES','metric_name':'latency','aggregations':"
                "[{'aggregation_type':'AVG'}],'start_time_ms':1,'end_time_ms':"
                "2");
    assert_int_equal(count_at(f, "data_points"), 0);
    question(f, "'view_type':'TRACES','metric_name':'trace_count'," COUNT
                ",'start_time_ms':1,'end_time_ms':2");
    assert_string_equal(point(f, 0, "values.COUNT"), "0.0");
}

static void buckets_of_time(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        question(f, "'view_type':'TRACES','metric_name':'trace_count'," COUNT
                    ",'time_interval_seconds':7200,'start_time_ms':0,"
                    "'end_time_ms':1900000000000,'max_results':1"),
        200);
    assert_int_equal(count_at(f, "data_points"), 1);
    assert_string_equal(point(f, 0, "dimensions.time_bucket"),
                        "2026-05-02T04:00:00+00:00");
    assert_string_equal(point(f, 0, "values.COUNT"), "2.0");
}

static void filters(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *filter;
        const char *want;
    } cases[] = {
        {"trace.status = \\'ERROR\\'", "1.0"},
        {"trace.tag.t = \\'v0\\'", "2.0"},
        {"trace.tag.`mlflow.traceName` = \\'b\\'", "2.0"},
        {"trace.metadata.`mlflow.trace.session` = \\'s\\'", "2.0"},
        {"trace.tag.t = \\'it\\'\\'s\\'", "0.0"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        tj_str body = tj_str_printf(
            &f->arena,
            "'view_type':'TRACES','metric_name':'trace_count'," COUNT
            ",'filters':['%s']",
            cases[i].filter);
        question(f, body.ptr);
        assert_string_equal(point(f, 0, "values.COUNT"), cases[i].want);
    }
}

static void spans_and_assessments(void **state)
{
    struct fixture *f = *state;
    send_span(f, TRACE_1, "0000000000000001",
              ",'attributes':[{'key':'mlflow.spanType','value':{'stringValue':"
              "'LLM'}},{'key':'mlflow.llm.model','value':{'stringValue':'m'}},"
              "{'key':'mlflow.llm.cost','value':{'stringValue':"
              "'{\\'input_cost\\':0.25,\\'output_cost\\':0.5,"
              "\\'total_cost\\':0.75}'}}]");
    send_span(f, TRACE_1, "0000000000000002",
              ",'parentSpanId':'0000000000000001'");
    question(f, "'view_type':'SPANS','metric_name':'span_count'," COUNT
                ",'dimensions':['span_type']");
    assert_int_equal(count_at(f, "data_points"), 2);
    assert_string_equal(point(f, 0, "dimensions.span_type"), "LLM");
    question(f, "'view_type':'SPANS','metric_name':'latency','aggregations':[{"
                "'aggregation_type':'AVG'}],'filters':[\"span.type = "
                "\\\"LLM\\\"\"]");
    assert_string_equal(point(f, 0, "values.AVG"), "1500.0");
    question(f, "'view_type':'SPANS','metric_name':'input_cost','aggregations'"
                ":[{'aggregation_type':'SUM'}],'dimensions':["
                "'span_model_name']");
    assert_string_equal(point(f, 0, "values.SUM"), "0.25");
    for (int i = 0; i < 3; i++) {
        static const char *const values[] = {"'yes'", "'no'", "true"};
        tj_str body = tj_str_printf(
            &f->arena,
            "{'assessment':{'assessment_name':'q','feedback':{'value':%s}}}",
            values[i]);
        ask(f, "POST", "/api/3.0/mlflow/traces/" TRACE_1 "/assessments",
            body.ptr);
    }
    question(f, "'view_type':'ASSESSMENTS','metric_name':'assessment_value',"
                "'aggregations':[{'aggregation_type':'MAX'},{"
                "'aggregation_type':'MIN'}],'dimensions':['assessment_name']");
    assert_string_equal(point(f, 0, "dimensions.assessment_name"), "q");
    assert_string_equal(point(f, 0, "values.MAX"), "1.0");
    assert_string_equal(point(f, 0, "values.MIN"), "0.0");
}

static void refuses(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *members;
        const char *text;
    } cases[] = {
        {"'metric_name':'x'," COUNT, "'view_type'"},
        {"'view_type':'X','metric_name':'x'," COUNT, "view_type must be"},
        {"'view_type':'SPANS','metric_name':'x'," COUNT,
         "metric_name must be one of ['span_count', 'latency', 'input_cost', "
         "'output_cost', 'total_cost'], got 'x'"},
        {"'view_type':'TRACES','metric_name':'trace_count'", "'aggregations'"},
        {"'view_type':'TRACES','metric_name':'latency'," COUNT,
         "Found invalid aggregation_type(s): ['COUNT']. Supported aggregation "
         "types: ['AVG', 'MAX', 'MIN', 'PERCENTILE']"},
        {"'view_type':'TRACES','metric_name':'latency','aggregations':[{"
         "'aggregation_type':'PERCENTILE','percentile_value':101}]",
         "between 0 and 100"},
        {"'view_type':'TRACES','metric_name':'trace_count'," COUNT
         ",'dimensions':['span_name']",
         "Found invalid dimension(s): ['span_name']. Supported dimensions: "
         "['trace_name', 'trace_status']"},
        {"'view_type':'TRACES','metric_name':'trace_count'," COUNT
         ",'time_interval_seconds':60",
         "are required if time_interval_seconds is set"},
        {"'view_type':'TRACES','metric_name':'trace_count'," COUNT
         ",'filters':['nonsense']",
         "Invalid clause(s) in filter string: nonsense"},
        {"'view_type':'TRACES','metric_name':'trace_count'," COUNT
         ",'filters':[\"trace.status = \\\"OK\\\" AND trace.tag.t = \\\"x\\\"\"]",
         "Invalid clause(s) in filter string: trace.status"},
        {"'view_type':'TRACES','metric_name':'trace_count'," COUNT
         ",'filters':[\"trace.status != \\\"OK\\\"\"]",
         "Invalid comparator: '!=', only '=' operator is supported"},
        {"'view_type':'TRACES','metric_name':'trace_count'," COUNT
         ",'filters':[\"span.name = \\\"x\\\"\"]",
         "Filtering by span is only supported for SPANS view type"},
        {"'view_type':'TRACES','metric_name':'trace_count'," COUNT
         ",'filters':[\"trace.foo = \\\"x\\\"\"]",
         "Invalid entity 'foo' specified for view type 'trace'. Valid entities "
         "are ['status', 'tag', 'metadata']"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        question(f, cases[i].members);
        assert_refused(f, 400, "INVALID_PARAMETER_VALUE", cases[i].text);
    }
}

static void correlate(struct fixture *f, const char *one, const char *other)
{
    tj_str body =
        tj_str_printf(&f->arena,
                      "{'experiment_ids':['0'],'filter_string1':\"%s\","
                      "'filter_string2':\"%s\"}",
                      one, other);
    ask(f, "POST", "/api/3.0/mlflow/traces/calculate-filter-correlation",
        body.ptr);
}

/* Of four traces: the tag goes with the name, and half with the state. */
static void filters_correlate(void **state)
{
    struct fixture *f = *state;
    correlate(f, "tag.t = \\\"v1\\\"", "name = \\\"b\\\"");
    assert_int_equal(f->answer.status, 200);
    double npmi = 0; /* of logarithms: 0.9999999999999999 here */
    assert_true(tj_json_double(tj_json_at(f->json, "npmi"), &npmi));
    assert_true(npmi > 0.999999);
    assert_true(npmi <= 1);
    assert_string_equal(text_at(f, "filter1_count"), "2");
    assert_string_equal(text_at(f, "joint_count"), "2");
    assert_string_equal(text_at(f, "total_count"), "4");
    correlate(f, "tag.t = \\\"v1\\\"", "name = \\\"a\\\"");
    assert_string_equal(text_at(f, "npmi"), "-1.0");
    correlate(f, "tag.t = \\\"x\\\"", "name = \\\"a\\\"");
    assert_string_equal(text_at(f, "npmi"), "(none)");
    assert_string_equal(text_at(f, "filter1_count"), "0");
    correlate(f, "nonsense", "name = \\\"a\\\"");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "nonsense");
    correlate(f, "", "name = \\\"a\\\"");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "'filter_string1'");
}

static void grants(void **state)
{
    struct fixture *f = *state;
    uint64_t other = must_experiment(f, "other");
    f->grant = (struct tj_grant){
        .access = TJ_ACCESS_READ, .experiments = &other, .experiment_count = 1};
    question(f, "'view_type':'TRACES','metric_name':'trace_count'," COUNT);
    assert_string_equal(point(f, 0, "values.COUNT"), "0.0");
}

static void groups_have_a_maximum(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_metric_groups g;
    tj_metric_groups_init(&g, &a, 1);
    for (size_t i = 0; i < TJ_METRIC_GROUPS_MAX; i++) {
        tj_str name = tj_str_printf(&a, "%zu", i);
        assert_ok(tj_metric_groups_add(&g, 0, &name, 1, &err), err);
    }
    tj_str one = TJ_STR("7");
    tj_str more = TJ_STR("x");
    assert_ok(tj_metric_groups_add(&g, 0, &one, 1, &err), err);
    assert_fails(tj_metric_groups_add(&g, 0, &more, 1, &err), err, TJ_E_LIMIT,
                 "groups");
    tj_arena_release(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_traces, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_traces),
        TEST(aggregates_numbers),
        TEST(buckets_of_time),
        TEST(filters),
        TEST(spans_and_assessments),
        TEST(refuses),
        TEST(filters_correlate),
        TEST(grants),
        cmocka_unit_test(groups_have_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
