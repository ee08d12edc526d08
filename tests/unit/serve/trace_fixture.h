/* trace_fixture.h - the routes of traces over a memory store, no sockets.
 * SPDX-License-Identifier: Apache-2.0
 *
 * ask(f, "POST", "/api/3.0/mlflow/traces", "{...}") runs a route; f->answer is
 * what it answered and text_at(f, "trace.trace_info.state") a part of it.  In
 * a body, ' stands for ".  Headers and content type are set in f before.
 */
#ifndef TJ_TESTS_TRACE_FIXTURE_H
#define TJ_TESTS_TRACE_FIXTURE_H

#include "test.h"

#include "serve/mlflow.h"
#include "serve/route.h"
#include "store/store_records.h"
#include "text/json.h"

#define TRACE_1 "tr-00000000000000000000000000000001"
#define TRACE_2 "tr-00000000000000000000000000000002"
#define PYTHON  "mlflow-python-client/3.17.2"

enum { HEADERS_MAX = 6 };

struct fixture {
    struct tj_arena arena;
    struct tj_server server;
    struct tj_grant grant;
    struct tj_header headers[HEADERS_MAX];
    size_t header_count;
    const char *content_type;
    struct tj_answer answer;
    const struct tj_json *json;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct tj_err err = {0};
    assert_non_null(f);
    f->grant = tj_grant_all;
    f->content_type = "application/json";
    assert_ok(tj_store_open(TJ_STR("memory:"), NULL, &f->server.store, &err),
              err);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    tj_store_close(f->server.store);
    tj_arena_release(&f->arena);
    free(f);
    return 0;
}

static inline void set_header(struct fixture *f, const char *name,
                              const char *value)
{
    assert_true(f->header_count < HEADERS_MAX);
    f->headers[f->header_count++] =
        (struct tj_header){tj_str_c(name), tj_str_c(value)};
}

static inline tj_str json_text(struct fixture *f, const char *body)
{
    char *text = tj_cstr(&f->arena, tj_str_c(body ? body : ""));
    for (char *c = text; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    return tj_str_c(text);
}

static inline enum tj_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum tj_method method;
    } methods[] = {
        {"GET", TJ_METHOD_GET},       {"POST", TJ_METHOD_POST},
        {"PUT", TJ_METHOD_PUT},       {"PATCH", TJ_METHOD_PATCH},
        {"DELETE", TJ_METHOD_DELETE},
    };
    for (size_t i = 0; i < TJ_COUNT(methods); i++) {
        if (!strcmp(name, methods[i].name))
            return methods[i].method;
    }
    fail_msg("method %s", name);
    return TJ_METHOD_OTHER;
}

/* Bytes as they are; the status. */
static inline int ask_bytes(struct fixture *f, const char *method,
                            const char *target, tj_str body)
{
    struct tj_param params[16];
    struct tj_request rq = {.method = method_of(method),
                            .params = params,
                            .headers = f->headers,
                            .body = body,
                            .grant = &f->grant,
                            .arena = &f->arena};
    tj_str query = tj_str_c(target);
    struct tj_json_doc doc = {0};
    struct tj_err err = {0};
    rq.path = tj_str_cut(&query, '?');
    while (query.ptr) {
        tj_str value = tj_str_cut(&query, '&');
        tj_str name = tj_str_cut(&value, '=');
        params[rq.param_count++] = (struct tj_param){name, value};
    }
    size_t count = f->header_count;
    if (f->content_type)
        set_header(f, "Content-Type", f->content_type);
    rq.header_count = f->header_count;
    tj_route_run(&f->server, &rq, &f->answer);
    f->header_count = count;
    f->json = NULL;
    if (tj_json_parse(f->answer.body, &f->arena, &doc, &err))
        f->json = doc.root;
    return f->answer.status;
}

static inline int ask(struct fixture *f, const char *method, const char *target,
                      const char *body)
{
    return ask_bytes(f, method, target, json_text(f, body));
}

/* The text of a part of the answer; numbers as they stand. */
static inline const char *text_at(struct fixture *f, const char *path)
{
    const struct tj_json *v = tj_json_at(f->json, path);
    if (!v)
        return "(none)";
    if (tj_json_is_string(v))
        return tj_cstr(&f->arena, tj_json_str(v));
    struct tj_buf b;
    tj_buf_init(&b, &f->arena, SIZE_MAX);
    tj_json_write(&b, v, TJ_JSON_COMPACT);
    return tj_cstr(&f->arena, tj_buf_str(&b));
}

/* The value of a key with dots in it, of the object at path. */
static inline const char *member_at(struct fixture *f, const char *path,
                                    const char *key)
{
    const struct tj_json *v =
        tj_json_find(tj_json_at(f->json, path), tj_str_c(key));
    return v ? tj_cstr(&f->arena, tj_json_str(v)) : "(none)";
}

static inline size_t count_at(struct fixture *f, const char *path)
{
    return tj_json_count(tj_json_at(f->json, path));
}

static inline const char *answer_header(struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->answer.header_count; i++) {
        if (tj_str_eq_fold(f->answer.headers[i].name, tj_str_c(name)))
            return tj_cstr(&f->arena, f->answer.headers[i].value);
    }
    return "(none)";
}

#define assert_refused(f, want_status, code, part)                             \
    do {                                                                       \
        assert_int_equal((f)->answer.status, (want_status));                   \
        assert_string_equal(text_at((f), "error_code"), (code));               \
        if (!strstr(text_at((f), "message"), (part)))                          \
            fail_msg("message \"%s\" lacks \"%s\"", text_at((f), "message"),   \
                     (part));                                                  \
    } while (0)

/* -- things that tests need ------------------------------------------------ */

static inline uint64_t must_experiment(struct fixture *f, const char *name)
{
    struct tj_experiment in = {.name = tj_str_c(name)};
    struct tj_experiment ex = {0};
    struct tj_err err = {0};
    bool fresh = false;
    assert_ok(tj_store_add_experiment(f->server.store, &in, &f->arena, &ex,
                                      &fresh, &err),
              err);
    return ex.id;
}

/* A StartTraceV3 of this trace with more members of its info. */
static inline int start_trace(struct fixture *f, const char *id,
                              const char *experiment, const char *more)
{
    tj_str body = tj_str_printf(
        &f->arena,
        "{'trace':{'trace_info':{'trace_id':'%s','trace_location':{'type':"
        "'MLFLOW_EXPERIMENT','mlflow_experiment':{'experiment_id':'%s'}},"
        "'request_time':'2026-05-02T08:00:00.123Z','execution_duration':"
        "'1.500s','state':'OK'%s}}}",
        id, experiment, more);
    return ask(f, "POST", "/api/3.0/mlflow/traces", body.ptr);
}

/* One OTLP/JSON span of this trace, with more members of the span. */
static inline int send_span(struct fixture *f, const char *trace,
                            const char *span, const char *more)
{
    tj_str body = tj_str_printf(
        &f->arena,
        "{'resourceSpans':[{'scopeSpans':[{'spans':[{'traceId':'%s',"
        "'spanId':'%s','name':'agent','startTimeUnixNano':"
        "'1777708800123000000','endTimeUnixNano':'1777708801623000000'%s}]}]}]"
        "}",
        trace + 3, span, more);
    return ask(f, "POST", "/v1/traces", body.ptr);
}

static inline int get_info(struct fixture *f, const char *id)
{
    tj_str target = tj_str_printf(&f->arena, "/api/3.0/mlflow/traces/%s", id);
    return ask(f, "GET", target.ptr, NULL);
}

#endif
