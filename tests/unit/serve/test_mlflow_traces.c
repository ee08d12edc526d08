/* test_mlflow_traces.c - MLflow's routes for traces: races, quirks, texts.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace_fixture.h"

#define TRACE_3 "tr-00000000000000000000000000000003"

#include "base/limits.h"

#define INFO  "trace.trace_info"
#define TAGS  INFO ".tags"
#define META  INFO ".trace_metadata"
#define SPANS "mlflow.trace.spansLocation"

static void promises_spans_to_those_who_send_them(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *agent;
        const char *want;
    } agents[] = {
        {PYTHON, "TRACKING_STORE"},
        {"mlflow-python-client/3.6.0", "TRACKING_STORE"},
        {"mlflow-python-client/4.0", "TRACKING_STORE"},
        {"mlflow-python-client/3.5.1", "(none)"},
        {"mlflow-python-client/2.14.0", "(none)"},
        {"mlflow-python-client/", "(none)"},
        {"mlflow-typescript/1.0", "(none)"},
    };
    for (size_t i = 0; i < TJ_COUNT(agents); i++) {
        tj_str id = tj_str_printf(&f->arena, "tr-%032zx", i + 1);
        f->header_count = 0;
        set_header(f, "User-Agent", agents[i].agent);
        assert_int_equal(start_trace(f, id.ptr, "0", ""), 200);
        assert_string_equal(member_at(f, TAGS, SPANS), agents[i].want);
    }
    /* Once spans are in, it is said to everybody. */
    assert_int_equal(start_trace(f, TRACE_1, "0", ""), 200);
    f->header_count = 0;
    assert_int_equal(send_span(f, "tr-00000000000000000000000000000004",
                               "0000000000000001", ""),
                     200);
    assert_int_equal(get_info(f, "tr-00000000000000000000000000000004"), 200);
    assert_string_equal(member_at(f, TAGS, SPANS), "TRACKING_STORE");
}

/* OTLP carries neither ints beyond 64 bits nor deep nesting: such a client
 * must not be kept from its upload. */
static void promises_nothing_of_what_otlp_cannot_carry(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *preview;
        const char *want;
    } previews[] = {
        {"{\\\"v\\\": 123456789012345678}", "TRACKING_STORE"},
        {"{\\\"v\\\": 1208925819614629174706176}", "(none)"},
        {"{\\\"v\\\": \\\"1208925819614629174706176\\\"}", "TRACKING_STORE"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[1", "TRACKING_STORE"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[1", "(none)"},
        {"[[[[[[[[[[[[[]]]]]]]]]]]]],[[[[[[[[[[[[[1", "TRACKING_STORE"},
    };
    for (size_t i = 0; i < TJ_COUNT(previews); i++) {
        tj_str id = tj_str_printf(&f->arena, "tr-%032zx", i + 1);
        tj_str more = tj_str_printf(&f->arena, ",'request_preview':'%s'",
                                    previews[i].preview);
        f->header_count = 0;
        set_header(f, "User-Agent", PYTHON);
        assert_int_equal(start_trace(f, id.ptr, "0", more.ptr), 200);
        assert_string_equal(member_at(f, TAGS, SPANS), previews[i].want);
    }
}

static void check_raced(struct fixture *f, const char *id)
{
    assert_int_equal(get_info(f, id), 200);
    assert_string_equal(text_at(f, INFO ".state"), "OK");
    assert_string_equal(text_at(f, INFO ".request_time"),
                        "2026-05-02T08:00:00.123Z");
    assert_string_equal(text_at(f, INFO ".execution_duration"), "1.500s");
    assert_string_equal(text_at(f, INFO ".request_preview"), "said");
    assert_string_equal(member_at(f, TAGS, "t"), "v");
    assert_string_equal(member_at(f, TAGS, "mlflow.traceName"), "mine");
    assert_string_equal(member_at(f, META, "mlflow.trace.infoFinalized"),
                        "true");
    assert_string_equal(
        member_at(f, META, "mlflow.trace.tokenUsage"),
        "{\"input_tokens\": 10, \"output_tokens\": 5, \"total_tokens\": 15}");
}

/* Info and spans in every order, and again: always the same. */
static void info_and_spans_race(void **state)
{
    struct fixture *f = *state;
    static const char *const orders[] = {"is",  "si",  "iss",
                                         "sis", "isi", "ssii"};
    static const char more[] =
        ",'request_preview':'said','tags':{'t':'v','mlflow.traceName':'mine'}";
    static const char root[] =
        ",'attributes':[{'key':'mlflow.spanInputs','value':{'stringValue':"
        "'derived'}},{'key':'mlflow.chat.tokenUsage','value':{'stringValue':"
        "'{\\'input_tokens\\':10,\\'output_tokens\\':5}'}}]";
    for (size_t i = 0; i < TJ_COUNT(orders); i++) {
        tj_str id = tj_str_printf(&f->arena, "tr-%032zx", i + 1);
        for (const char *step = orders[i]; *step; step++) {
            if (*step == 'i')
                assert_int_equal(start_trace(f, id.ptr, "0", more), 200);
            else
                assert_int_equal(send_span(f, id.ptr, "0000000000000001", root),
                                 200);
        }
        check_raced(f, id.ptr);
    }
}

/* Spans do not take a trace out of the experiment that it was started in,
 * and an info moves one that its spans began. */
static void experiment_of_a_trace(void **state)
{
    struct fixture *f = *state;
    static const char where[] =
        INFO ".trace_location.mlflow_experiment.experiment_id";
    uint64_t one = must_experiment(f, "one");
    uint64_t two = must_experiment(f, "two");
    const char *one_id = tj_str_printf(&f->arena, "%d", (int)one).ptr;
    const char *two_id = tj_str_printf(&f->arena, "%d", (int)two).ptr;
    assert_int_equal(start_trace(f, TRACE_1, one_id, ""), 200);
    set_header(f, "x-mlflow-experiment-id", two_id);
    assert_int_equal(send_span(f, TRACE_1, "0000000000000001", ""), 200);
    assert_int_equal(get_info(f, TRACE_1), 200);
    assert_string_equal(text_at(f, where), one_id);

    assert_int_equal(send_span(f, TRACE_2, "0000000000000001", ""), 200);
    assert_int_equal(get_info(f, TRACE_2), 200);
    assert_string_equal(text_at(f, where), two_id);
    assert_int_equal(start_trace(f, TRACE_2, "0", ""), 200);
    assert_string_equal(text_at(f, where), "0");
    assert_string_equal(member_at(f, TAGS, "mlflow.artifactLocation"),
                        "mlflow-artifacts:/0/traces/" TRACE_2 "/artifacts");
}

static void start_refuses(void **state)
{
    struct fixture *f = *state;
    ask(f, "POST", "/api/3.0/mlflow/traces", "{}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "Missing value for required parameter 'trace'");
    start_trace(f, "tr-1", "0", "");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "Invalid trace ID");
    start_trace(f, TRACE_1, "77", "");
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "No Experiment with id=77 exists");
    start_trace(f, TRACE_1, "x", "");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "x");
    f->content_type = "text/plain";
    start_trace(f, TRACE_1, "0", "");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "Content-Type");
}

#define WITH(members)                                                          \
    "{'trace':{'trace_info':{'trace_id':'" TRACE_1 "'," members "}}}"
#define IN(experiment)                                                         \
    "'trace_location':{'mlflow_experiment':{'experiment_id':" experiment "}}"

/* Nothing of a request lands elsewhere, or is dropped, without a word. */
static void start_takes_nothing_for_none(void **state)
{
    struct fixture *f = *state;
    static const char target[] = "/api/3.0/mlflow/traces";
    uint64_t there = must_experiment(f, "there");
    assert_int_equal(there, 1);
    assert_int_equal(ask(f, "POST", target, WITH(IN("1") ",'state':2")), 200);
    assert_string_equal(text_at(f, "trace.trace_info.trace_location."
                                   "mlflow_experiment.experiment_id"),
                        "1");
    assert_string_equal(text_at(f, "trace.trace_info.state"), "ERROR");
    assert_int_equal(
        ask(f, "POST", "/api/3.0/mlflow/traces/search",
            "{'locations':[{'mlflow_experiment':{'experiment_id':1}}]}"),
        200);
    assert_int_equal(count_at(f, "traces"), 1);
    ask(f, "POST", target,
        WITH("'trace_location':{'type':'INFERENCE_TABLE','inference_table':"
             "{'full_table_name':'a.b'}}"));
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "trace_location");
    ask(f, "POST", target, WITH(IN("'0'") ",'request_time':1777708800123"));
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "request_time");
    ask(f, "POST", target, WITH(IN("'0'") ",'execution_duration':5"));
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "execution_duration");
    assert_int_equal(ask(f, "PATCH", "/api/2.0/mlflow/traces/" TRACE_1 "/tags",
                         "{'key':'k','value':{'a':1}}"),
                     400);
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "Invalid value {\"a\":1} for parameter 'value'");
}

/* Pairs are looked for one by one, so a request has a maximum of them. */
static void pairs_have_a_maximum(void **state)
{
    struct fixture *f = *state;
    struct tj_buf b;
    tj_buf_init(&b, &f->arena, SIZE_MAX);
    tj_buf_add(&b, TJ_STR(",'tags':{'k':''"));
    for (size_t i = 0; i < TJ_REQUEST_PAIRS_MAX; i++)
        tj_buf_fmt(&b, ",'k%zu':''", i);
    tj_buf_add(&b, TJ_STR("}"));
    start_trace(f, TRACE_1, "0", tj_cstr(&f->arena, tj_buf_str(&b)));
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "at most 10000");
}

static void a_missing_trace_is_json(void **state)
{
    struct fixture *f = *state;
    get_info(f, TRACE_1);
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "Trace with ID '" TRACE_1 "' not found.");
    get_info(f, "nonsense");
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST", "'nonsense' not found.");
    ask(f, "GET", "/api/3.0/mlflow/traces/get?trace_id=" TRACE_1, NULL);
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "Trace with ID " TRACE_1 " is not found.");
    /* What does not exist at all is not JSON. */
    assert_int_equal(ask(f, "GET", "/api/3.0/mlflow/nothing", NULL), 404);
    assert_null(f->json);
}

static void partial_traces_wait(void **state)
{
    struct fixture *f = *state;
    static const char get[] = "/api/3.0/mlflow/traces/get?trace_id=" TRACE_1;
    static const char stats[] =
        ",'trace_metadata':{'mlflow.trace.sizeStats':'{\\'num_spans\\':2}'}";
    assert_int_equal(start_trace(f, TRACE_1, "0", stats), 200);
    assert_int_equal(send_span(f, TRACE_1, "0000000000000001", ""), 200);
    ask(f, "GET", get, NULL);
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "Trace with ID " TRACE_1
                   " is not fully exported yet, please try again later.");
    ask(f, "GET", "/api/3.0/mlflow/traces/batchGet?trace_ids=" TRACE_1, NULL);
    assert_int_equal(count_at(f, "traces"), 0);
    ask(f, "GET",
        "/api/3.0/mlflow/traces/get?trace_id=" TRACE_1 "&allow_partial=true",
        NULL);
    assert_int_equal(f->answer.status, 200);
    assert_int_equal(count_at(f, "trace.spans"), 1);
    assert_int_equal(send_span(f, TRACE_1, "0000000000000002",
                               ",'parentSpanId':'0000000000000001'"),
                     200);
    assert_int_equal(ask(f, "GET", get, NULL), 200);
    assert_int_equal(count_at(f, "trace.spans"), 2);
    assert_string_equal(text_at(f, "trace.spans.1.parent_span_id"),
                        "AAAAAAAAAAE=");
    ask(f, "GET",
        "/api/3.0/mlflow/traces/get?trace_id=" TRACE_1 "&allow_partial=maybe",
        NULL);
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "maybe");
}

static void batches_keep_the_order_asked_for(void **state)
{
    struct fixture *f = *state;
    send_span(f, TRACE_1, "0000000000000001", "");
    send_span(f, TRACE_2, "0000000000000001", "");
    assert_int_equal(ask(f, "GET",
                         "/api/3.0/mlflow/traces/batchGet?trace_ids=" TRACE_2
                         "&trace_ids=tr-0000000000000000000000000000000f"
                         "&trace_ids=" TRACE_1 "&trace_ids=" TRACE_2,
                         NULL),
                     200);
    assert_int_equal(count_at(f, "traces"), 2);
    assert_string_equal(text_at(f, "traces.0.trace_info.trace_id"), TRACE_2);
    assert_string_equal(text_at(f, "traces.1.trace_info.trace_id"), TRACE_1);
    ask(f, "POST", "/api/3.0/mlflow/traces/batchGetInfos",
        "{'trace_ids':['nonsense','" TRACE_2 "','" TRACE_1 "']}");
    assert_int_equal(count_at(f, "trace_infos"), 2);
    assert_string_equal(text_at(f, "trace_infos.0.trace_id"), TRACE_2);
    ask(f, "POST", "/api/3.0/mlflow/traces/batchGetInfos", "{'trace_ids':[]}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "'trace_ids'");
}

static const char *attribute(struct fixture *f, size_t i, const char *part)
{
    tj_str path =
        tj_str_printf(&f->arena, "trace.spans.0.attributes.%zu.%s", i, part);
    return text_at(f, path.ptr);
}

/* What the real server answers for the same attributes. */
static void attributes_keep_their_types(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *sent;
        const char *want;
    } values[] = {
        {"{'intValue':'5'}", "{\"int_value\":5}"},
        {"{'doubleValue':1.0}", "{\"double_value\":1.0}"},
        {"{'doubleValue':1e16}", "{\"double_value\":1e+16}"},
        {"{'doubleValue':'NaN'}", "{\"double_value\":\"NaN\"}"},
        {"{'boolValue':true}", "{\"bool_value\":true}"},
        {"{'stringValue':'5'}", "{\"string_value\":\"5\"}"},
        {"{'stringValue':'true'}", "{\"string_value\":\"true\"}"},
        {"{'stringValue':''}", "{\"string_value\":\"\"}"},
        {"{'stringValue':'\\'x\\''}", "{\"string_value\":\"x\"}"},
        {"{'stringValue':'{\\'a\\':1}'}",
         "{\"kvlist_value\":{\"values\":[{\"key\":\"a\",\"value\":"
         "{\"int_value\":1}}]}}"},
        {"{'arrayValue':{'values':[{'intValue':'1'},{}]}}",
         "{\"array_value\":{\"values\":[{\"int_value\":1},{}]}}"},
        {"{'kvlistValue':{'values':[{'key':'x','value':{'stringValue':"
         "'{\\'y\\': 1}'}}]}}",
         "{\"kvlist_value\":{\"values\":[{\"key\":\"x\",\"value\":"
         "{\"string_value\":\"{\\\"y\\\": 1}\"}}]}}"},
        {"{'kvlistValue':{}}", "{\"kvlist_value\":{}}"},
        {"{'bytesValue':'AP8='}", "{\"bytes_value\":\"AP8=\"}"},
    };
    struct tj_buf b;
    tj_buf_init(&b, &f->arena, SIZE_MAX);
    tj_buf_add(&b, TJ_STR(",'attributes':["));
    for (size_t i = 0; i < TJ_COUNT(values); i++)
        tj_buf_fmt(&b, "%s{'key':'k%zu','value':%s}", i ? "," : "", i,
                   values[i].sent);
    tj_buf_add(&b, TJ_STR("]"));
    assert_int_equal(send_span(f, TRACE_1, "0000000000000001",
                               tj_cstr(&f->arena, tj_buf_str(&b))),
                     200);
    assert_int_equal(
        ask(f, "GET", "/api/3.0/mlflow/traces/get?trace_id=" TRACE_1, NULL),
        200);
    for (size_t i = 0; i < TJ_COUNT(values); i++)
        assert_string_equal(attribute(f, i, "value"), values[i].want);
    assert_string_equal(attribute(f, TJ_COUNT(values), "key"),
                        "mlflow.traceRequestId");
    assert_string_equal(attribute(f, TJ_COUNT(values), "value.string_value"),
                        TRACE_1);
}

/* Strings of events stay strings, byte for byte. */
static void events_keep_their_strings(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"{\\'a\\':1}", "{\\'a\\': [1, NaN]}",
                                        "{ \\'a\\' : 1 }",
                                        "{\\'a\\': \\'\\\\u00e9\\'}", "[]"};
    struct tj_buf b;
    tj_buf_init(&b, &f->arena, SIZE_MAX);
    tj_buf_add(&b, TJ_STR(",'events':[{'name':'e','timeUnixNano':'7',"
                          "'attributes':["));
    for (size_t i = 0; i < TJ_COUNT(texts); i++)
        tj_buf_fmt(&b, "%s{'key':'k','value':{'stringValue':'%s'}}",
                   i ? "]},{'name':'e','attributes':[" : "", texts[i]);
    tj_buf_add(&b, TJ_STR("]}]"));
    send_span(f, TRACE_1, "0000000000000001",
              tj_cstr(&f->arena, tj_buf_str(&b)));
    ask(f, "GET", "/api/3.0/mlflow/traces/get?trace_id=" TRACE_1, NULL);
    assert_int_equal(count_at(f, "trace.spans.0.events"), TJ_COUNT(texts));
    assert_string_equal(text_at(f, "trace.spans.0.events.0.time_unix_nano"),
                        "7");
    for (size_t i = 0; i < TJ_COUNT(texts); i++) {
        struct tj_json_doc doc = {0};
        struct tj_err err = {0};
        tj_str quoted =
            json_text(f, tj_str_printf(&f->arena, "'%s'", texts[i]).ptr);
        assert_ok(tj_json_parse(quoted, &f->arena, &doc, &err), err);
        tj_str path =
            tj_str_printf(&f->arena,
                          "trace.spans.0.events.%zu.attributes.0.value."
                          "string_value",
                          i);
        assert_string_equal(text_at(f, path.ptr),
                            tj_cstr(&f->arena, tj_json_str(doc.root)));
    }
}

/* Deeper than protobuf's readers go, a value is its JSON text. */
static void deep_values_do_not_break_an_answer(void **state)
{
    struct fixture *f = *state;
    enum { DEEP = 200 };
    struct tj_buf b;
    tj_buf_init(&b, &f->arena, SIZE_MAX);
    tj_buf_add(&b,
               TJ_STR(",'attributes':[{'key':'k','value':{'stringValue':'"));
    for (int i = 0; i < DEEP; i++)
        tj_buf_add(&b, TJ_STR("[{\\'a\\':"));
    tj_buf_add(&b, TJ_STR("1"));
    for (int i = 0; i < DEEP; i++)
        tj_buf_add(&b, TJ_STR("}]"));
    tj_buf_add(&b, TJ_STR("'}}]"));
    assert_int_equal(send_span(f, TRACE_1, "0000000000000001",
                               tj_cstr(&f->arena, tj_buf_str(&b))),
                     200);
    assert_int_equal(
        ask(f, "GET", "/api/3.0/mlflow/traces/get?trace_id=" TRACE_1, NULL),
        200);
    size_t depth = 0;
    size_t most = 0;
    bool quoted = false;
    for (size_t i = 0; i < f->answer.body.len; i++) {
        char c = f->answer.body.ptr[i];
        if (quoted && c == '\\')
            i++;
        quoted ^= c == '"';
        depth += !quoted && (c == '{' || c == '[');
        most = depth > most ? depth : most;
        depth -= !quoted && (c == '}' || c == ']');
    }
    assert_true(most < 160);
    bool text =
        tj_str_find(f->answer.body, TJ_STR("{\"string_value\":\"{\\\"a\\\"")) +
            1 ||
        tj_str_find(f->answer.body, TJ_STR("{\"string_value\":\"[{\\\"a\\\"")) +
            1;
    assert_true(text);
}

static void search_has_mlflows_limits(void **state)
{
    struct fixture *f = *state;
    static const char search[] = "/api/3.0/mlflow/traces/search";
    ask(f, "POST", search, "{}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "'locations'");
#define IN_0                                                                   \
    "'locations':[{'type':'MLFLOW_EXPERIMENT','mlflow_experiment':"            \
    "{'experiment_id':'0'}}]"
    ask(f, "POST", search, "{" IN_0 ",'max_results':501}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "Invalid value 501 for parameter 'max_results' supplied:");
    ask(f, "POST", search, "{" IN_0 ",'max_results':0}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "It must be a positive integer");
    ask(f, "POST", search, "{" IN_0 ",'filter':'nonsense'}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "nvalid");
    ask(f, "POST", search, "{" IN_0 ",'order_by':['nonsense']}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "nonsense");
    ask(f, "POST", search, "{" IN_0 ",'page_token':'nonsense'}");
    assert_int_equal(f->answer.status, 400);
}

static void search_pages(void **state)
{
    struct fixture *f = *state;
    static const char search[] = "/api/3.0/mlflow/traces/search";
    start_trace(f, TRACE_1, "0", "");
    start_trace(f, TRACE_2, "0", ",'tags':{'t':'v'}");
    assert_int_equal(ask(f, "POST", search, "{" IN_0 ",'max_results':1}"), 200);
    assert_int_equal(count_at(f, "traces"), 1);
    assert_string_equal(text_at(f, "traces.0.trace_id"), TRACE_1);
    tj_str next = tj_str_printf(&f->arena, "{" IN_0 ",'page_token':'%s'}",
                                text_at(f, "next_page_token"));
    assert_int_equal(ask(f, "POST", search, next.ptr), 200);
    assert_int_equal(count_at(f, "traces"), 1);
    assert_string_equal(text_at(f, "traces.0.trace_id"), TRACE_2);
    assert_string_equal(text_at(f, "next_page_token"), "(none)");
    ask(f, "POST", search, "{" IN_0 ",'filter':\"tag.t = \\\"v\\\"\"}");
    assert_int_equal(count_at(f, "traces"), 1);
    /* An experiment that is not there has no traces. */
    ask(f, "POST", search,
        "{'locations':[{'mlflow_experiment':{'experiment_id':'9'}}]}");
    assert_int_equal(f->answer.status, 200);
    assert_int_equal(count_at(f, "traces"), 0);
}

static void tags(void **state)
{
    struct fixture *f = *state;
    static const char v2[] = "/api/2.0/mlflow/traces/" TRACE_1 "/tags";
    static const char v3[] = "/api/3.0/mlflow/traces/" TRACE_1 "/tags";
    ask(f, "PATCH", v2, "{'key':'k','value':'v'}");
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST", TRACE_1);
    start_trace(f, TRACE_1, "0", "");
    assert_int_equal(ask(f, "PATCH", v2, "{'key':'k','value':'v'}"), 200);
    assert_int_equal(ask(f, "PATCH", v3, "{'key':'k','value':'w'}"), 200);
    assert_string_equal(text_at(f, ""), "(none)");
    assert_int_equal(
        ask(f, "PATCH", v3, "{'key':'mlflow.traceName','value':'new'}"), 200);
    get_info(f, TRACE_1);
    assert_string_equal(member_at(f, TAGS, "k"), "w");
    assert_string_equal(member_at(f, TAGS, "mlflow.traceName"), "new");
    /* DELETE has a body. */
    assert_int_equal(ask(f, "DELETE", v2, "{'key':'k'}"), 200);
    ask(f, "DELETE", v3, "{'key':'k'}");
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "No trace tag with key 'k' for trace with ID '" TRACE_1 "'");
    ask(f, "PATCH", v2, "{'key':'" SPANS "','value':'x'}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "Tag '" SPANS
                   "' is immutable and cannot be set on a trace.");
    ask(f, "PATCH", v2, "{'value':'x'}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "'key'");
}

static void deletes(void **state)
{
    struct fixture *f = *state;
    static const char target[] = "/api/2.0/mlflow/traces/delete-traces";
    start_trace(f, TRACE_1, "0", "");
    start_trace(f, TRACE_2, "0", "");
    ask(f, "POST", target, "{'experiment_id':'0'}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "Either `max_timestamp_millis` or `trace_ids`");
    ask(f, "POST", target,
        "{'experiment_id':'0','max_timestamp_millis':1,'max_traces':0}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "`max_traces` must be a positive integer, received 0.");
    ask(f, "POST", target, "{'experiment_id':'0','request_ids':['nonsense']}");
    assert_string_equal(text_at(f, "traces_deleted"), "0");
    ask(f, "POST", "/api/3.0/mlflow/traces",
        "{'trace':{'trace_info':{'trace_id':'" TRACE_3 "'}}}");
    ask(f, "POST", target, "{'experiment_id':'0','max_timestamp_millis':0}");
    assert_string_equal(text_at(f, "traces_deleted"), "1"); /* of 1970 */
    ask(f, "POST", target,
        "{'experiment_id':'0','max_timestamp_millis':1777708800122}");
    assert_string_equal(text_at(f, "traces_deleted"), "0");
    ask(f, "POST", target,
        "{'experiment_id':'0','max_timestamp_millis':'1777708800123',"
        "'max_traces':1}");
    assert_string_equal(text_at(f, "traces_deleted"), "1");
    ask(f, "POST", "/api/3.0/mlflow/traces/delete-traces",
        "{'experiment_id':'0','request_ids':['" TRACE_1 "','" TRACE_2 "']}");
    assert_string_equal(text_at(f, "traces_deleted"), "1");
}

static void links_are_idempotent(void **state)
{
    struct fixture *f = *state;
    static const char target[] = "/api/2.0/mlflow/traces/link-to-run";
    struct tj_buf b;
    start_trace(f, TRACE_1, "0", "");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(f, "POST", target,
                             "{'trace_ids':['" TRACE_1 "','" TRACE_1
                             "','" TRACE_2 "'],'run_id':'r1'}"),
                         200);
        assert_str_eq(f->answer.body, "{}");
    }
    assert_int_equal(ask(f, "POST", "/api/3.0/mlflow/traces/search",
                         "{" IN_0 ",'filter':\"run_id = \\\"r1\\\"\"}"),
                     200);
    assert_int_equal(count_at(f, "traces"), 1);
    tj_buf_init(&b, &f->arena, SIZE_MAX);
    tj_buf_add(&b, TJ_STR("{'run_id':'r','trace_ids':['a'"));
    for (int i = 0; i < 100; i++)
        tj_buf_add(&b, TJ_STR(",'a'"));
    tj_buf_add(&b, TJ_STR("]}"));
    ask(f, "POST", target, tj_cstr(&f->arena, tj_buf_str(&b)));
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "Cannot link more than 100 traces to a run in a single "
                   "request. Provided 101 traces.");
}

static void prompts_become_a_tag(void **state)
{
    struct fixture *f = *state;
    static const char target[] = "/api/2.0/mlflow/traces/link-prompts";
    start_trace(f, TRACE_1, "0", "");
    for (int i = 0; i < 2; i++)
        assert_int_equal(ask(f, "POST", target,
                             "{'trace_id':'" TRACE_1
                             "','prompt_versions':[{'name':'p','version':'1'},"
                             "{'name':'p','version':'1'}]}"),
                         200);
    assert_int_equal(ask(f, "POST", target,
                         "{'trace_id':'" TRACE_1
                         "','prompt_versions':[{'name':'q','version':'2'}]}"),
                     200);
    get_info(f, TRACE_1);
    assert_string_equal(member_at(f, TAGS, "mlflow.linkedPrompts"),
                        "[{\"name\": \"p\", \"version\": \"1\"}, {\"name\": "
                        "\"q\", \"version\": \"2\"}]");
    assert_int_equal(ask(f, "POST", target,
                         "{'trace_id':'" TRACE_1 "','prompt_versions':[]}"),
                     200);
    assert_int_equal(ask(f, "POST", target,
                         "{'trace_id':'" TRACE_1
                         "','prompt_versions':[{'name':'p'}]}"),
                     400);
    ask(f, "POST", target, "{'trace_id':'" TRACE_1 "'}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "'prompt_versions'");
}

/* Who may see one experiment sees nothing of the others: direct calls are
 * refused, lists leave out. */
static void grants(void **state)
{
    struct fixture *f = *state;
    uint64_t mine = must_experiment(f, "mine");
    tj_str id = tj_str_printf(&f->arena, "%d", (int)mine);
    start_trace(f, TRACE_1, "0", "");
    start_trace(f, TRACE_2, id.ptr, "");
    send_span(f, TRACE_1, "0000000000000001", "");
    send_span(f, TRACE_2, "0000000000000001", "");
    f->grant = (struct tj_grant){
        .access = TJ_ACCESS_WRITE, .experiments = &mine, .experiment_count = 1};
    get_info(f, TRACE_1);
    assert_refused(f, 403, "PERMISSION_DENIED", "Permission denied");
    assert_int_equal(get_info(f, TRACE_2), 200);
    ask(f, "GET",
        "/api/3.0/mlflow/traces/batchGet?trace_ids=" TRACE_1
        "&trace_ids=" TRACE_2,
        NULL);
    assert_int_equal(count_at(f, "traces"), 1);
    tj_str both = tj_str_printf(
        &f->arena,
        "{'locations':[{'mlflow_experiment':{'experiment_id':'0'}},"
        "{'mlflow_experiment':{'experiment_id':'%s'}}]}",
        id.ptr);
    ask(f, "POST", "/api/3.0/mlflow/traces/search", both.ptr);
    assert_int_equal(count_at(f, "traces"), 1);
    ask(f, "POST", "/api/3.0/mlflow/traces/search", "{" IN_0 "}");
    assert_int_equal(count_at(f, "traces"), 0);
    /* Nor does it take a trace of another one into its own. */
    start_trace(f, TRACE_1, id.ptr, "");
    assert_refused(f, 403, "PERMISSION_DENIED", "Permission denied");
    assert_int_equal(send_span(f, TRACE_1, "0000000000000002", ""), 403);
    ask(f, "POST", "/api/2.0/mlflow/traces/delete-traces",
        "{'experiment_id':'0','max_timestamp_millis':1877708800123}");
    assert_refused(f, 403, "PERMISSION_DENIED", "Permission denied");
    f->grant.access = TJ_ACCESS_READ;
    start_trace(f, TRACE_2, id.ptr, "");
    assert_refused(f, 403, "PERMISSION_DENIED", "Permission denied");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(promises_spans_to_those_who_send_them),
        TEST(promises_nothing_of_what_otlp_cannot_carry),
        TEST(info_and_spans_race),
        TEST(experiment_of_a_trace),
        TEST(start_refuses),
        TEST(start_takes_nothing_for_none),
        TEST(pairs_have_a_maximum),
        TEST(a_missing_trace_is_json),
        TEST(partial_traces_wait),
        TEST(batches_keep_the_order_asked_for),
        TEST(attributes_keep_their_types),
        TEST(events_keep_their_strings),
        TEST(deep_values_do_not_break_an_answer),
        TEST(search_has_mlflows_limits),
        TEST(search_pages),
        TEST(tags),
        TEST(deletes),
        TEST(links_are_idempotent),
        TEST(prompts_become_a_tag),
        TEST(grants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
