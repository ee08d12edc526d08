/* test_mlflow_artifacts.c - traces.json, attachments, and no files at all.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/limits.h"

#define ARTIFACTS "/api/2.0/mlflow-artifacts/artifacts"
#define OF_TRACE  ARTIFACTS "/0/traces/" TRACE_1 "/artifacts"
#define SPANS     "mlflow.trace.spansLocation"
#define NAME      "11111111-2222-3333-4444-555555555555"

/* One span of trace 1 as Span.to_dict has it. */
#define FILE_OF(trace)                                                         \
    "{'spans':[{'trace_id':'" trace "','span_id':'AAAAAAAAAAE=',"              \
    "'parent_span_id':null,'name':'agent','start_time_unix_nano':"             \
    "1777708800123000000,'end_time_unix_nano':1777708801623000000,"            \
    "'events':[{'name':'e','time_unix_nano':7,'attributes':{'s':"              \
    "'{\\'a\\':1}','n':1}}],'status':{'code':'STATUS_CODE_OK','message':''},"  \
    "'attributes':{'mlflow.traceRequestId':'\\'" TRACE_1 "\\'',"               \
    "'mlflow.spanType':'\\'AGENT\\'','mlflow.spanInputs':"                     \
    "'{\\'q\\': \\'\\u00e9\\'}','n':'5','f':'5.0','s':'\\'5\\'',"              \
    "'nan':'NaN','big':'123456789012345678901234567890'}}]}"
#define ID_1 "AAAAAAAAAAAAAAAAAAAAAQ=="

static int put(struct fixture *f, const char *target, const char *body)
{
    f->content_type = "application/octet-stream";
    ask(f, "PUT", target, body);
    f->content_type = "application/json";
    return f->answer.status;
}

static const char *attribute(struct fixture *f, const char *key)
{
    return member_at(f, "spans.0.attributes", key);
}

static void a_file_becomes_spans(void **state)
{
    struct fixture *f = *state;
    set_header(f, "User-Agent", "mlflow-python-client/3.5.0");
    start_trace(f, TRACE_1, "0", "");
    assert_string_equal(member_at(f, "trace.trace_info.tags", SPANS), "(none)");
    assert_int_equal(put(f, OF_TRACE "/traces.json", FILE_OF(ID_1)), 200);
    assert_str_eq(f->answer.body, "{}");
    get_info(f, TRACE_1);
    assert_string_equal(member_at(f, "trace.trace_info.tags", SPANS),
                        "TRACKING_STORE");
    ask(f, "GET", "/api/3.0/mlflow/traces/get?trace_id=" TRACE_1, NULL);
    assert_int_equal(count_at(f, "trace.spans"), 1);
    assert_string_equal(text_at(f, "trace.spans.0.name"), "agent");
}

/* What comes back says the same, value by value. */
static void the_file_comes_back(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, OF_TRACE "/traces.json", FILE_OF(ID_1)), 200);
    assert_int_equal(ask(f, "GET", OF_TRACE "/traces.json", NULL), 200);
    assert_str_eq(f->answer.content_type, "application/octet-stream");
    assert_string_equal(answer_header(f, "Content-Disposition"),
                        "attachment; filename=traces.json");
    assert_string_equal(text_at(f, "spans.0.trace_id"), ID_1);
    assert_string_equal(text_at(f, "spans.0.parent_span_id"), "null");
    assert_string_equal(text_at(f, "spans.0.status.code"), "STATUS_CODE_OK");
    assert_string_equal(attribute(f, "mlflow.spanType"), "\"AGENT\"");
    assert_string_equal(attribute(f, "mlflow.spanInputs"),
                        "{\"q\": \"\xc3\xa9\"}");
    assert_string_equal(attribute(f, "mlflow.traceRequestId"),
                        "\"" TRACE_1 "\"");
    assert_string_equal(attribute(f, "n"), "5");
    assert_string_equal(attribute(f, "f"), "5.0");
    assert_string_equal(attribute(f, "s"), "\"5\"");
    assert_string_equal(attribute(f, "nan"), "NaN");
    assert_string_equal(attribute(f, "big"), "123456789012345678901234567890");
    assert_string_equal(text_at(f, "spans.0.events.0.attributes"),
                        "{\"s\":\"{\\\"a\\\":1}\",\"n\":1}");
    /* And the browser's way to the same. */
    ask(f, "GET", "/ajax-api/2.0/mlflow/get-trace-artifact?request_id=" TRACE_1,
        NULL);
    assert_int_equal(count_at(f, "spans"), 1);
    ask(f, "GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id=" TRACE_2,
        NULL);
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST", TRACE_2);
    ask(f, "GET", "/ajax-api/2.0/mlflow/get-trace-artifact", NULL);
    assert_refused(f, 400, "BAD_REQUEST", "\"request_id\"");
}

/* The TypeScript SDK does not encode attributes; a root's parent is "". */
static void a_file_of_the_typescript_sdk(void **state)
{
    struct fixture *f = *state;
    static const char file[] =
        "{'spans':[{'trace_id':'" ID_1 "','span_id':'AAAAAAAAAAE=',"
        "'parent_span_id':'','name':'a','start_time_unix_nano':"
        "1777708800123000000,'end_time_unix_nano':null,'status':{'code':"
        "'STATUS_CODE_OK'},'attributes':{'mlflow.traceRequestId':'" TRACE_1
        "','mlflow.spanType':'AGENT','mlflow.spanInputs':{'q':'5'},"
        "'mlflow.spanOutputs':'5','n':5,'t':'true'},'events':[],'links':[]}]}";
    assert_int_equal(put(f, OF_TRACE "/traces.json", file), 200);
    assert_int_equal(ask(f, "GET", OF_TRACE "/traces.json", NULL), 200);
    assert_string_equal(text_at(f, "spans.0.parent_span_id"), "null");
    assert_string_equal(attribute(f, "mlflow.spanType"), "\"AGENT\"");
    assert_string_equal(attribute(f, "mlflow.spanInputs"), "{\"q\": \"5\"}");
    assert_string_equal(attribute(f, "mlflow.spanOutputs"), "\"5\"");
    assert_string_equal(attribute(f, "t"), "\"true\"");
    assert_string_equal(attribute(f, "n"), "5");
}

static void broken_files_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "",
        "{",
        "[]7",
        "{'spans':7}",
        "{'spans':[7]}",
        FILE_OF("AAAAAAAAAAAAAAAAAAAAAg=="),
        "{'spans':[{'name':'x','attributes':{}}]}",
    };
    for (size_t i = 0; i < TJ_COUNT(bodies); i++) {
        put(f, OF_TRACE "/traces.json", bodies[i]);
        assert_int_equal(f->answer.status, 400);
        assert_string_equal(text_at(f, "error_code"),
                            "INVALID_PARAMETER_VALUE");
    }
    assert_int_equal(get_info(f, TRACE_1), 404);
}

static void attachments_are_downloads(void **state)
{
    struct fixture *f = *state;
    tj_str bytes = tj_str_make("<script>\0\xff", 10);
    put(f, OF_TRACE "/attachments/" NAME, "x");
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST", TRACE_1);
    start_trace(f, TRACE_1, "0", "");
    f->content_type = "text/html";
    assert_int_equal(ask_bytes(f, "PUT", OF_TRACE "/attachments/" NAME, bytes),
                     200);
    assert_int_equal(ask(f, "GET", OF_TRACE "/attachments/" NAME, NULL), 200);
    assert_true(tj_str_eq(f->answer.body, bytes));
    assert_str_eq(f->answer.content_type, "application/octet-stream");
    assert_string_equal(answer_header(f, "Content-Disposition"),
                        "attachment; filename=" NAME);
    ask(f, "GET",
        "/ajax-api/2.0/mlflow/get-trace-artifact?request_id=" TRACE_1
        "&path=" NAME,
        NULL);
    assert_true(tj_str_eq(f->answer.body, bytes));
    ask(f, "GET", OF_TRACE "/attachments/other", NULL);
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST", "no such artifact");
    char *large = calloc(1, TJ_ATTACHMENT_BYTES_MAX + 1);
    assert_non_null(large);
    ask_bytes(f, "PUT", OF_TRACE "/attachments/" NAME,
              tj_str_make(large, TJ_ATTACHMENT_BYTES_MAX + 1));
    free(large);
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "over");
}

static void lists(void **state)
{
    struct fixture *f = *state;
    put(f, OF_TRACE "/traces.json", FILE_OF(ID_1));
    for (int i = 0; i < 9; i++)
        put(f, tj_str_printf(&f->arena, OF_TRACE "/attachments/n%d", i).ptr,
            "x");
    assert_int_equal(
        ask(f, "GET", ARTIFACTS "?path=0/traces/" TRACE_1 "/artifacts", NULL),
        200);
    assert_int_equal(count_at(f, "files"), 2);
    assert_string_equal(text_at(f, "files.0.path"), "traces.json");
    assert_string_equal(text_at(f, "files.1.is_dir"), "true");
    ask(f, "GET", ARTIFACTS "?path=0/traces/" TRACE_1 "/artifacts/attachments",
        NULL);
    assert_int_equal(count_at(f, "files"), 9);
    assert_string_equal(text_at(f, "files.8.path"), "n8");
    assert_string_equal(text_at(f, "files.8.file_size"), "1");
    assert_int_equal(ask(f, "GET", ARTIFACTS "?path=/etc", NULL), 200);
    assert_str_eq(f->answer.body, "{}");
}

/* Nothing but the four words of a trace's path means anything. */
static void other_paths_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {
        "/etc/passwd",
        "/../../etc/passwd",
        "/0/traces/" TRACE_1 "/artifacts/../traces.json",
        "/0/traces/" TRACE_1 "/artifacts/attachments/../x",
        "/0/traces/" TRACE_1 "/artifacts/attachments/a.b",
        "/0/traces/" TRACE_1 "/artifacts/attachments/a%2fb",
        "/0/traces/" TRACE_1 "/artifacts/model.pkl",
        "/0/traces/nonsense/artifacts/traces.json",
        "/0/11111111222233334444555555555555/artifacts/../model.pkl",
    };
    start_trace(f, TRACE_1, "0", "");
    for (size_t i = 0; i < TJ_COUNT(paths); i++) {
        tj_str target = tj_str_printf(&f->arena, ARTIFACTS "%s", paths[i]);
        put(f, target.ptr, "x");
        assert_refused(f, 501, "NOT_IMPLEMENTED", "of none of them");
        ask(f, "GET", target.ptr, NULL);
        assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST", "no such artifact");
    }
}

static void grants(void **state)
{
    struct fixture *f = *state;
    uint64_t other = must_experiment(f, "other");
    put(f, OF_TRACE "/traces.json", FILE_OF(ID_1));
    f->grant = (struct tj_grant){.access = TJ_ACCESS_WRITE,
                                 .experiments = &other,
                                 .experiment_count = 1};
    assert_int_equal(put(f, OF_TRACE "/traces.json", FILE_OF(ID_1)), 403);
    assert_int_equal(put(f, OF_TRACE "/attachments/" NAME, "x"), 403);
    assert_int_equal(ask(f, "GET", OF_TRACE "/traces.json", NULL), 403);
    assert_int_equal(
        ask(f, "GET",
            "/ajax-api/2.0/mlflow/get-trace-artifact?request_id=" TRACE_1,
            NULL),
        403);
}

/* Puts attachments of trace 1 until it is gone. */
struct putter {
    struct fixture own;
    atomic_int puts;
};

static void *put_until_deleted(void *arg)
{
    struct putter *p = arg;
    for (;;) {
        int n = atomic_load(&p->puts);
        tj_str target =
            tj_str_printf(&p->own.arena, OF_TRACE "/attachments/a-%d", n);
        if (put(&p->own, tj_cstr(&p->own.arena, target), "x") != 200)
            return NULL;
        atomic_fetch_add(&p->puts, 1);
    }
}

/* A trace that is deleted while somebody puts attachments leaves none. */
static void deletion_leaves_no_attachments(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 100; round++) {
        struct putter p = {.own = {.grant = f->grant}};
        struct tj_record_page page = {0};
        struct tj_record_query query = {.kind = TJ_RECORD_ATTACHMENT,
                                        .row_max = 10};
        struct tj_err err = {0};
        pthread_t thread;
        start_trace(f, TRACE_1, "0", "");
        p.own.server.store = f->server.store;
        assert_int_equal(pthread_create(&thread, NULL, put_until_deleted, &p),
                         0);
        while (atomic_load(&p.puts) < 3)
            (void)sched_yield();
        ask(f, "POST", "/api/2.0/mlflow/traces/delete-traces",
            "{'experiment_id':'0','request_ids':['" TRACE_1 "']}");
        assert_string_equal(text_at(f, "traces_deleted"), "1");
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_ok(
            tj_store_records(f->server.store, &query, &f->arena, &page, &err),
            err);
        assert_int_equal(page.count, 0);
        tj_arena_release(&p.own.arena);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_of_the_typescript_sdk),
        TEST(a_file_becomes_spans),
        TEST(the_file_comes_back),
        TEST(broken_files_are_refused),
        TEST(attachments_are_downloads),
        TEST(lists),
        TEST(deletion_leaves_no_attachments),
        TEST(other_paths_are_refused),
        TEST(grants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
