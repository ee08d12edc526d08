/* test_trace_faults.c - the routes of traces over a store that fails.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each request is made again and again while the first, second, third ... call
 * to the store fails: the answer is then an error that tells the client to try
 * again, and trying again gives what it would have given.
 */
#include "trace_fixture.h"

#include "store/store_fault.h"

#define V3 "/api/3.0/mlflow/traces"
#define FILE                                                                   \
    "/api/2.0/mlflow-artifacts/artifacts/0/traces/" TRACE_1 "/artifacts"
#define HERE "'trace_location':{'mlflow_experiment':{'experiment_id':'0'}}"

static const struct ask {
    const char *method;
    const char *target;
    const char *body;
} asks[] = {
    {"POST", "/v1/traces",
     "{'resourceSpans':[{'resource':{'attributes':[{'key':'service.name',"
     "'value':{'stringValue':'shop'}}]},'scopeSpans':[{'spans':[{'traceId':"
     "'00000000000000000000000000000009','spanId':'0000000000000001','name':"
     "'a'}]}]}]}"},
    {"POST", V3,
     "{'trace':{'trace_info':{'trace_id':'" TRACE_2 "'," HERE
     ",'state':'OK'}}}"},
    {"GET", V3 "/" TRACE_1, NULL},
    {"GET", V3 "/get?trace_id=" TRACE_1, NULL},
    {"GET", V3 "/batchGet?trace_ids=" TRACE_1, NULL},
    {"POST", V3 "/batchGetInfos", "{'trace_ids':['" TRACE_1 "']}"},
    {"POST", V3 "/search",
     "{'locations':[{'mlflow_experiment':{'experiment_id':'0'}}]}"},
    {"PATCH", V3 "/" TRACE_1 "/tags", "{'key':'k','value':'v'}"},
    {"PATCH", V3 "/" TRACE_1 "/tags", "{'key':'mlflow.traceName','value':'v'}"},
    {"POST", V3 "/link-to-run", "{'trace_ids':['" TRACE_1 "'],'run_id':'r'}"},
    {"POST", V3 "/link-prompts",
     "{'trace_id':'" TRACE_1 "','prompt_versions':[{'name':'p','version':'1'}]"
     "}"},
    {"POST", V3 "/" TRACE_1 "/assessments",
     "{'assessment':{'assessment_id':'a-1','assessment_name':'n','feedback':{"
     "'value':1}}}"},
    {"GET", V3 "/" TRACE_1 "/assessments/a-1", NULL},
    {"PATCH", V3 "/" TRACE_1 "/assessments/a-1",
     "{'assessment':{'rationale':'x'},'update_mask':'rationale'}"},
    {"DELETE", V3 "/" TRACE_1 "/assessments/a-1", NULL},
    {"PUT", FILE "/attachments/one", "x"},
    {"GET", FILE "/attachments/one", NULL},
    {"GET", FILE "/traces.json", NULL},
    {"GET",
     "/api/2.0/mlflow-artifacts/artifacts?path=0/traces/" TRACE_1 "/artifacts",
     NULL},
    {"POST", V3 "/metrics",
     "{'experiment_ids':['0'],'view_type':'SPANS','metric_name':'span_count',"
     "'aggregations':[{'aggregation_type':'COUNT'}]}"},
    {"POST", V3 "/delete-traces",
     "{'experiment_id':'0','request_ids':['" TRACE_1 "']}"},
};

static int setup_faults(void **state)
{
    int bad = setup(state);
    struct fixture *f = *state;
    f->server.store = tj_store_fault_new(f->server.store);
    send_span(f, TRACE_1, "0000000000000001", "");
    return bad;
}

static void check_failed(struct fixture *f, const struct ask *a)
{
    bool otlp = !strcmp(a->target, "/v1/traces");
    if (f->answer.status == 200) {
        /* A link to a run or a wait that was given up is no failure. */
        return;
    }
    if (otlp) {
        assert_int_equal(f->answer.status, 503);
        assert_string_equal(answer_header(f, "Retry-After"), "1");
        assert_string_equal(text_at(f, "code"), "14");
        return;
    }
    assert_int_equal(f->answer.status, 500);
    assert_string_equal(text_at(f, "error_code"), "INTERNAL_ERROR");
}

/* How many answers were errors; the store's calls are failed one by one. */
static size_t fail_each_call(struct fixture *f, const struct ask *a,
                             enum tj_fault_when when)
{
    size_t failed = 0;
    for (uint64_t call = 1;; call++) {
        assert_true(call < 50);
        tj_store_fault_arm(f->server.store, call, when);
        (void)ask(f, a->method, a->target, a->body);
        bool fired = tj_store_fault_calls(f->server.store) >= call;
        check_failed(f, a);
        failed += f->answer.status != 200;
        if (!fired)
            break;
    }
    /* And then it is as if nothing had been. */
    assert_int_equal(f->answer.status, 200);
    return failed;
}

static void every_failing_call_is_an_error(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < TJ_COUNT(asks); i++) {
        print_message("# %s %s\n", asks[i].method, asks[i].target);
        assert_true(fail_each_call(f, &asks[i], TJ_FAULT_BEFORE) > 0);
    }
}

/* A write that happened, though the store could not say so, may come again. */
static void uncertain_writes_may_come_again(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < TJ_COUNT(asks); i++)
        (void)fail_each_call(f, &asks[i], TJ_FAULT_AFTER);
    tj_store_fault_arm(f->server.store, UINT64_MAX, TJ_FAULT_BEFORE);
    ask(f, "GET", V3 "/tr-00000000000000000000000000000009", NULL);
    assert_int_equal(f->answer.status, 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_faults, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_failing_call_is_an_error),
        TEST(uncertain_writes_may_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
