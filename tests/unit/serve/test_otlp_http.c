/* test_otlp_http.c - POST /v1/traces: kinds, errors, experiments, runs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace_fixture.h"

#include "text/pb.h"

#define SPAN_1 "0000000000000001"
#define INFO   "trace.trace_info"
#define TAGS   INFO ".tags"
#define META   INFO ".trace_metadata"

static const char url[] = "/v1/traces";

/* ExportTraceServiceRequest { ResourceSpans { ScopeSpans { Span } } } of these
 * ids. */
static tj_str pb_request(struct fixture *f, tj_str trace_id, tj_str span_id)
{
    struct tj_buf span;
    struct tj_buf scope;
    struct tj_buf resource;
    struct tj_buf request;
    tj_buf_init(&span, &f->arena, SIZE_MAX);
    tj_buf_init(&scope, &f->arena, SIZE_MAX);
    tj_buf_init(&resource, &f->arena, SIZE_MAX);
    tj_buf_init(&request, &f->arena, SIZE_MAX);
    tj_pb_put_bytes(&span, 1, trace_id);
    tj_pb_put_bytes(&span, 2, span_id);
    tj_pb_put_bytes(&span, 5, TJ_STR("agent"));
    tj_pb_put_fixed64(&span, 7, UINT64_C(1777708800123000000));
    tj_pb_put_fixed64(&span, 8, UINT64_C(1777708801623000000));
    tj_pb_put_bytes(&scope, 2, tj_buf_str(&span));
    tj_pb_put_bytes(&resource, 2, tj_buf_str(&scope));
    tj_pb_put_bytes(&request, 1, tj_buf_str(&resource));
    return tj_buf_str(&request);
}

static tj_str one(const char *bytes, size_t len)
{
    return tj_str_make(bytes, len);
}

static void answers_in_kind(void **state)
{
    struct fixture *f = *state;
    tj_str trace = one("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    tj_str span = one("\0\0\0\0\0\0\0\1", 8);
    f->content_type = "application/x-protobuf";
    assert_int_equal(ask_bytes(f, "POST", url, pb_request(f, trace, span)),
                     200);
    assert_str_eq(f->answer.content_type, "application/x-protobuf");
    assert_int_equal(f->answer.body.len, 0);
    f->content_type = "application/json; charset=utf-8";
    assert_int_equal(get_info(f, TRACE_1), 200);
    assert_string_equal(member_at(f, TAGS, "mlflow.traceName"), "agent");
    assert_int_equal(send_span(f, TRACE_2, SPAN_1, ""), 200);
    assert_str_eq(f->answer.content_type, "application/json");
    assert_str_eq(f->answer.body, "{}");
    assert_int_equal(f->server.counts.spans, 2);
}

static void nothing_is_a_request(void **state)
{
    struct fixture *f = *state;
    f->content_type = "application/x-protobuf";
    assert_int_equal(ask(f, "POST", url, ""), 200);
    assert_int_equal(f->answer.body.len, 0);
    f->content_type = "application/json";
    assert_int_equal(ask(f, "POST", url, "{}"), 200);
    assert_int_equal(ask(f, "POST", url, "{'resourceSpans':[]}"), 200);
    assert_str_eq(f->answer.body, "{}");
}

static void other_types_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const types[] = {"text/plain", "application/grpc",
                                        "multipart/form-data", NULL};
    for (size_t i = 0; i < TJ_COUNT(types); i++) {
        f->content_type = types[i];
        assert_int_equal(ask(f, "POST", url, "{}"), 415);
        assert_string_equal(text_at(f, "code"), "3");
    }
}

static void errors_are_a_status_in_kind(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "POST", url, "{'resourceSpans':7}"), 400);
    assert_string_equal(text_at(f, "code"), "3");
    assert_non_null(strstr(text_at(f, "message"), "resourceSpans"));
    assert_int_equal(ask(f, "POST", url, "{"), 400);
    f->content_type = "application/x-protobuf";
    assert_int_equal(ask_bytes(f, "POST", url, TJ_STR("\x0a\x7f")), 400);
    assert_str_eq(f->answer.content_type, "application/x-protobuf");
    struct tj_pb pb = tj_pb_open(f->answer.body);
    assert_true(tj_pb_field(&pb));
    assert_int_equal(pb.number, 1);
    assert_int_equal(pb.value, 3);
    assert_true(tj_pb_field(&pb));
    assert_int_equal(pb.number, 2);
    assert_true(pb.bytes.len > 0);
    assert_false(tj_pb_field(&pb));
}

/* The good ones are kept, the others counted. */
static void bad_spans_are_a_partial_success(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        ask(f, "POST", url,
            "{'resourceSpans':[{'scopeSpans':[{'spans':["
            "{'traceId':'00000000000000000000000000000001',"
            "'spanId':'0000000000000001','name':'a'},"
            "{'traceId':'','spanId':'0000000000000001','name':'b'},"
            "{'traceId':'00000000000000000000000000000001','name':'c'}]}]}]}"),
        200);
    assert_string_equal(text_at(f, "partialSuccess.rejectedSpans"), "2");
    assert_non_null(strstr(text_at(f, "partialSuccess.errorMessage"), "id"));
    assert_int_equal(get_info(f, TRACE_1), 200);
    assert_int_equal(f->server.counts.spans_rejected, 2);
    f->content_type = "application/x-protobuf";
    assert_int_equal(
        ask_bytes(f, "POST", url, pb_request(f, one("", 0), one("x", 1))), 200);
    struct tj_pb pb = tj_pb_open(f->answer.body);
    assert_true(tj_pb_field(&pb));
    assert_int_equal(pb.number, 1);
    struct tj_pb partial = tj_pb_open(pb.bytes);
    assert_true(tj_pb_field(&partial));
    assert_int_equal(partial.number, 1);
    assert_int_equal(partial.value, 1);
}

#define OF_SERVICE(name)                                                       \
    "{'resourceSpans':[{'resource':{'attributes':[{'key':'service.name',"      \
    "'value':{'stringValue':'" name "'}},{'key':'host.cpus','value':"          \
    "{'intValue':'4'}},{'key':'telemetry.sdk.name','value':{'stringValue':"    \
    "'x'}}]},'scopeSpans':[{'spans':[{'traceId':"                              \
    "'00000000000000000000000000000001','spanId':'0000000000000001',"          \
    "'name':'agent','startTimeUnixNano':'1777708800123000000',"                \
    "'endTimeUnixNano':'1777708801623000000'}]}]}]}"

static const char *experiment_name(struct fixture *f)
{
    struct tj_experiment ex = {0};
    struct tj_err err = {0};
    bool found = false;
    uint64_t id = 0;
    get_info(f, TRACE_1);
    tj_str text = tj_str_c(
        text_at(f, INFO ".trace_location.mlflow_experiment.experiment_id"));
    assert_true(tj_str_to_u64(text, &id));
    assert_ok(tj_store_find_experiment(f->server.store, id, &f->arena, &ex,
                                       &found, &err),
              err);
    assert_true(found);
    return tj_cstr(&f->arena, ex.name);
}

static void a_service_names_the_experiment(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "POST", url, OF_SERVICE("shop")), 200);
    assert_string_equal(experiment_name(f), "shop");
    assert_string_equal(member_at(f, TAGS, "service.name"), "shop");
    assert_string_equal(member_at(f, TAGS, "host.cpus"), "4");
    assert_string_equal(member_at(f, TAGS, "telemetry.sdk.name"), "(none)");
    /* Another service's spans of the trace do not move it. */
    assert_int_equal(ask(f, "POST", url, OF_SERVICE("other")), 200);
    assert_string_equal(experiment_name(f), "shop");
}

static void an_unknown_service_names_none(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "POST", url, OF_SERVICE("unknown_service:python")),
                     200);
    assert_string_equal(experiment_name(f), "Default");
}

static void the_header_names_the_experiment(void **state)
{
    struct fixture *f = *state;
    uint64_t id = must_experiment(f, "given");
    set_header(f, "x-mlflow-experiment-id",
               tj_str_printf(&f->arena, "%d", (int)id).ptr);
    assert_int_equal(ask(f, "POST", url, OF_SERVICE("shop")), 200);
    assert_string_equal(experiment_name(f), "given");
    f->header_count = 0;
    set_header(f, "x-mlflow-experiment-id", "99");
    ask(f, "POST", url, OF_SERVICE("shop"));
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "No Experiment with id=99 exists");
}

static void root_attributes_become_tags(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        send_span(f, TRACE_1, SPAN_1,
                  ",'attributes':[{'key':'mlflow.traceTag.team','value':"
                  "{'stringValue':'red'}},{'key':'session.id','value':"
                  "{'stringValue':'s1'}},{'key':'user.id','value':"
                  "{'stringValue':'u1'}}]"),
        200);
    /* Of a span that is no root they are attributes alone. */
    assert_int_equal(
        send_span(f, TRACE_1, "0000000000000002",
                  ",'parentSpanId':'" SPAN_1 "','attributes':[{'key':"
                  "'mlflow.traceTag.shape','value':{'stringValue':'x'}},"
                  "{'key':'gen_ai.conversation.id','value':{'stringValue':"
                  "'c1'}}]"),
        200);
    assert_int_equal(get_info(f, TRACE_1), 200);
    assert_string_equal(member_at(f, TAGS, "team"), "red");
    assert_string_equal(member_at(f, TAGS, "shape"), "(none)");
    assert_string_equal(member_at(f, META, "mlflow.trace.session"), "s1");
    assert_string_equal(member_at(f, META, "mlflow.trace.user"), "u1");
}

static void completed_traces_are_linked(void **state)
{
    struct fixture *f = *state;
    set_header(f, "x-mlflow-run-id", "run1");
    assert_int_equal(send_span(f, TRACE_1, SPAN_1, ""), 200);
    assert_int_equal(
        send_span(f, TRACE_2, SPAN_1, ",'parentSpanId':'00000000000000ff'"),
        200);
    assert_int_equal(ask(f, "POST", "/api/3.0/mlflow/traces/search",
                         "{'locations':[{'mlflow_experiment':"
                         "{'experiment_id':'0'}}],"
                         "'filter':\"run_id = \\\"run1\\\"\"}"),
                     200);
    assert_int_equal(count_at(f, "traces"), 1);
    assert_string_equal(text_at(f, "traces.0.trace_id"), TRACE_1);
}

static void a_state_comes_from_the_root(void **state)
{
    struct fixture *f = *state;
    send_span(f, TRACE_1, "0000000000000002", ",'parentSpanId':'" SPAN_1 "'");
    get_info(f, TRACE_1);
    assert_string_equal(text_at(f, INFO ".state"), "IN_PROGRESS");
    send_span(f, TRACE_1, SPAN_1, ",'status':{'code':2,'message':'no'}");
    get_info(f, TRACE_1);
    assert_string_equal(text_at(f, INFO ".state"), "ERROR");
    assert_string_equal(text_at(f, INFO ".execution_duration"), "1.500s");
}

static void grants(void **state)
{
    struct fixture *f = *state;
    uint64_t mine = must_experiment(f, "mine");
    (void)must_experiment(f, "theirs");
    f->grant = (struct tj_grant){
        .access = TJ_ACCESS_WRITE, .experiments = &mine, .experiment_count = 1};
    assert_int_equal(ask(f, "POST", url, OF_SERVICE("theirs")), 403);
    assert_string_equal(text_at(f, "code"), "7");
    assert_int_equal(ask(f, "POST", url, OF_SERVICE("new")), 403);
    assert_int_equal(send_span(f, TRACE_1, SPAN_1, ""), 403);
    assert_int_equal(ask(f, "POST", url, OF_SERVICE("mine")), 200);
    f->grant.access = TJ_ACCESS_READ;
    assert_int_equal(ask(f, "POST", url, OF_SERVICE("mine")), 403);
    assert_string_equal(text_at(f, "code"), "7");
    f->content_type = "application/x-protobuf";
    assert_int_equal(ask(f, "POST", url, ""), 403);
    assert_str_eq(f->answer.content_type, "application/x-protobuf");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_in_kind),
        TEST(nothing_is_a_request),
        TEST(other_types_are_refused),
        TEST(errors_are_a_status_in_kind),
        TEST(bad_spans_are_a_partial_success),
        TEST(a_service_names_the_experiment),
        TEST(an_unknown_service_names_none),
        TEST(the_header_names_the_experiment),
        TEST(root_attributes_become_tags),
        TEST(completed_traces_are_linked),
        TEST(a_state_comes_from_the_root),
        TEST(grants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
