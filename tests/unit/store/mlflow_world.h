/* mlflow_world.h - a store on mlflow_server.py, and a look behind it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each test has a session of its own at the server: its state is told and
 * looked at beside the store.
 */
#ifndef TJ_TESTS_STORE_MLFLOW_WORLD_H
#define TJ_TESTS_STORE_MLFLOW_WORLD_H

#include "fixture.h"
#include "server.h"

#include <pthread.h>

#include "base/limits.h"
#include "net/http_client.h"
#include "store/store_mlflow_int.h"
#include "text/base64.h"
#include "trace/format.h"

static struct test_server server;

struct world {
    struct tj_store *st;
    struct tj_arena a;
    struct tj_err err;
    const char *session;
    struct tj_loop *loop;
    struct tj_http_client *client;
    struct tj_http_response answer;
};

/* -- talking to the server beside the store ------------------------------------ */

static inline void keep(void *ctx, const struct tj_http_response *response)
{
    ((struct world *)ctx)->answer = *response;
}

static inline tj_str ask(struct world *w, const char *verb, const char *body)
{
    struct tj_http_request r = {
        .url = tj_str_printf(&w->a, "http://127.0.0.1:%u/_%s/%s", server.port,
                             verb, w->session),
        .body = tj_str_c(body)};
    (void)tj_http_send(w->client, &r, &w->a, keep, w);
    tj_loop_run(w->loop);
    assert_true(w->answer.ok);
    assert_int_equal(w->answer.status, 200);
    return w->answer.body;
}

static inline void tell(struct world *w, const char *body)
{
    (void)ask(w, "control", body);
}

static inline const struct tj_json *look(struct world *w)
{
    struct tj_json_doc doc = {0};
    assert_ok(tj_json_parse(ask(w, "log", NULL), &w->a, &doc, &w->err), w->err);
    return doc.root;
}

/* How many requests contain this. */
static inline size_t count_of(struct world *w, const char *part)
{
    size_t n = 0;
    const struct tj_json *log = tj_json_find(look(w), TJ_STR("log"));
    tj_json_each (log, it)
        n += tj_str_find(tj_json_str(it), tj_str_c(part)) != (size_t)-1;
    return n;
}

static inline const struct tj_json *assessments_of(struct world *w,
                                                   const char *id)
{
    const struct tj_json *traces = tj_json_find(look(w), TJ_STR("traces"));
    return tj_json_at(tj_json_find(traces, tj_str_c(id)), "info.assessments");
}

/* -- a world for each test -------------------------------------------------------- */

static inline struct tj_store_options options_of_test(void)
{
    return (struct tj_store_options){
        .remote = {.timeout_ms = 5000, .retry_ms = 2}};
}

static inline bool open_with(struct world *w, const char *session,
                             const char *rest,
                             const struct tj_store_options *options)
{
    w->session = session;
    tj_str url = tj_str_printf(&w->a, "mlflow+http://127.0.0.1:%u/%s%s",
                               server.port, session, rest);
    return tj_store_open(url, options, &w->st, &w->err);
}

static inline struct world *begin(const char *session, const char *rest)
{
    struct world *w = test_calloc(1, sizeof *w);
    struct tj_store_options options = options_of_test();
    assert_ok(open_with(w, session, rest, &options), w->err);
    assert_ok(tj_loop_open(&w->loop, &w->err), w->err);
    assert_ok(tj_http_client_shared(w->loop, &w->client, &w->err), w->err);
    return w;
}

static inline void end(struct world *w)
{
    tj_store_close(w->st);
    tj_loop_close(w->loop);
    tj_arena_release(&w->a);
    test_free(w);
}

static inline void reopen(struct world *w, const char *rest,
                          const struct tj_store_options *options)
{
    tj_store_close(w->st);
    w->st = NULL;
    assert_ok(open_with(w, w->session, rest, options), w->err);
}

#define INFO(id, experiment, time, more)                                       \
    "{\"info\":{\"trace_id\":\"" id "\",\"trace_location\":{\"type\":"         \
    "\"MLFLOW_EXPERIMENT\",\"mlflow_experiment\":{\"experiment_id\":"          \
    "\"" experiment "\"}},\"request_time\":\"2026-05-02T08:00:" time "Z\""     \
    ",\"execution_duration\":\"1.5s\",\"state\":\"OK\"," more "}"
#define TRACE_1 "tr-00000000000000000000000000000001"
#define TRACE_2 "tr-00000000000000000000000000000002"
#define TAGS                                                                   \
    "\"tags\":{\"mlflow.traceName\":\"agent\","                                \
    "\"mlflow.trace.spansLocation\":\"TRACKING_STORE\"}"
/* Ids of protobuf's JSON: 16 and 8 bytes in base64. */
#define REST_SPAN                                                              \
    "{\"trace_id\":\"AAAAAAAAAAAAAAAAAAAAAQ==\",\"span_id\":"                  \
    "\"AAAAAAAAAAE=\",\"name\":\"agent\",\"start_time_unix_nano\":"            \
    "1777708800000000000,\"end_time_unix_nano\":1777708801000000000,"          \
    "\"attributes\":[{\"key\":\"mlflow.spanType\",\"value\":"                  \
    "{\"string_value\":\"AGENT\"}},{\"key\":\"mlflow.spanInputs\","            \
    "\"value\":{\"kvlist_value\":{\"values\":[{\"key\":\"q\",\"value\":"       \
    "{\"string_value\":\"why\"}}]}}}],\"status\":{\"code\":"                   \
    "\"STATUS_CODE_OK\"}}"
#define DICT_SPAN                                                               \
    "{\"trace_id\":\"AAAAAAAAAAAAAAAAAAAAAQ==\",\"span_id\":"                   \
    "\"AAAAAAAAAAE=\",\"parent_span_id\":null,\"name\":\"agent\","              \
    "\"start_time_unix_nano\":1777708800000000000,\"end_time_unix_nano\":"      \
    "1777708801000000000,\"attributes\":{\"mlflow.spanType\":\"\\\"AGENT\\\"\"" \
    ",\"mlflow.spanInputs\":\"{\\\"q\\\": \\\"why\\\"}\"},\"events\":[],"       \
    "\"status\":{\"code\":\"STATUS_CODE_OK\",\"message\":\"\"}}"
#define ONE_TRACE                                                              \
    "{\"traces\":[" INFO(TRACE_1, "1", "00.000",                               \
                         TAGS) ",\"spans\":[" REST_SPAN "]}]}"

static inline struct world *begin_with_trace(const char *session)
{
    struct world *w = begin(session, "");
    tell(w, ONE_TRACE);
    return w;
}

static inline struct tj_assessment feedback(const char *value, const char *key)
{
    return (struct tj_assessment){
        .trace_id = trace_id(1),
        .kind = TJ_FEEDBACK,
        .name = TJ_STR("quality"),
        .source_type = TJ_SOURCE_LLM_JUDGE,
        .source_id = TJ_STR("openai:/gpt-5"),
        .value_json = tj_str_c(value),
        .rationale = TJ_STR("because"),
        .key = tj_str_c(key),
        .valid = true,
    };
}

/* Traces 1..count; time grows by a millisecond with every third. */
static inline void tell_many(struct world *w, unsigned from, unsigned count)
{
    struct tj_buf b;
    tj_buf_init(&b, &w->a, 1 << 20);
    tj_buf_add(&b, TJ_STR("{\"traces\":["));
    for (unsigned i = from; i < from + count; i++)
        tj_buf_fmt(&b,
                   "%s{\"info\":{\"trace_id\":\"tr-%032x\","
                   "\"trace_location\":{\"type\":\"MLFLOW_EXPERIMENT\","
                   "\"mlflow_experiment\":{\"experiment_id\":\"%u\"}},"
                   "\"request_time\":\"2026-05-02T08:00:00.%03uZ\","
                   "\"execution_duration\":\"%u.000s\",\"state\":\"%s\","
                   "\"tags\":{\"n\":\"%u\",\"mod\":\"%u\"%s}}}",
                   i == from ? "" : ",", i, 1 + i % 2, i / 3, i % 7,
                   i % 5 ? "OK" : "ERROR", i, i % 4,
                   i % 10 == 9 ? ",\"mlflow.trace.sourceScorer\":\"j\"" : "");
    tj_buf_add(&b, TJ_STR("]}"));
    tell(w, tj_cstr(&w->a, tj_buf_str(&b)));
}

static inline struct tj_trace_page search(struct world *w, const char *filter,
                                          const char *order, size_t row_max,
                                          tj_str token)
{
    struct tj_order by = {0};
    struct tj_trace_page page = {0};
    struct tj_trace_query query = {.row_max = row_max, .page_token = token};
    assert_ok(tj_filter_parse(tj_str_c(filter), &w->a, &query.filter, &w->err),
              w->err);
    if (order) {
        assert_ok(tj_order_parse(tj_str_c(order), &w->a, &by, &w->err), w->err);
        query.order = &by;
        query.order_count = 1;
    }
    assert_ok(tj_store_search(w->st, &query, &w->a, &page, &w->err), w->err);
    return page;
}

static inline unsigned number_of(const struct tj_trace_info *info)
{
    uint64_t n = 0;
    assert_true(tj_str_to_u64(tj_pairs_find(&info->tags, TJ_STR("n")), &n));
    return (unsigned)n;
}

static inline size_t matches(struct world *w, const char *filter)
{
    return search(w, filter, NULL, 100, (tj_str){0}).count;
}

static inline int start_server(void **state)
{
    (void)state;
    return test_server_start(&server, "tests/unit/store/mlflow_server.py", NULL,
                             NULL)
               ? 0
               : -1;
}

static inline int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

#endif
