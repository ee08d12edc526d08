/* mlflow_fixture.h - MLflow's routes over a memory store, without sockets.
 * SPDX-License-Identifier: Apache-2.0
 *
 * call(f, "POST", "/api/2.0/mlflow/runs/create", "{...}") runs a route; then
 * f->answer is what it answered, f->json its tree.  In a body, ' stands for ".
 */
#ifndef TJ_TESTS_MLFLOW_FIXTURE_H
#define TJ_TESTS_MLFLOW_FIXTURE_H

#include "serve/mlflow.h"
#include "serve/route.h"
#include "store/store.h"
#include "test.h"
#include "text/json.h"

struct mlflow_fixture {
    struct tj_arena arena;
    struct tj_server server;
    struct tj_grant grant;
    struct tj_answer answer;
    const struct tj_json *json;
};

static inline int mlflow_setup(void **state)
{
    struct mlflow_fixture *f = calloc(1, sizeof *f);
    struct tj_err err = {0};
    f->grant = tj_grant_all;
    f->server.version = TJ_STR("test");
    f->server.body_bytes_max = 1 << 20;
    struct tj_store_options options = {0};
    assert_ok(
        tj_store_open(TJ_STR("memory:"), &options, &f->server.store, &err),
        err);
    *state = f;
    return 0;
}

static inline int mlflow_teardown(void **state)
{
    struct mlflow_fixture *f = *state;
    tj_store_close(f->server.store);
    tj_arena_release(&f->arena);
    free(f);
    return 0;
}

static inline enum tj_method mlflow_method(const char *name)
{
    static const char *const names[] = {"GET", "HEAD",  "POST",
                                        "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < TJ_COUNT(names); i++) {
        if (!strcmp(name, names[i]))
            return (enum tj_method)i;
    }
    fail_msg("method %s", name);
    return TJ_METHOD_OTHER;
}

/* "/path?a=b&c=d" (nothing is decoded): fills path and params. */
static inline void mlflow_target(struct mlflow_fixture *f, const char *target,
                                 struct tj_request *rq)
{
    tj_str query = tj_str_c(target);
    struct tj_param *params = tj_arena_array(&f->arena, struct tj_param, 16);
    rq->path = tj_str_cut(&query, '?');
    rq->params = params;
    while (query.ptr) {
        tj_str value = tj_str_cut(&query, '&');
        tj_str name = tj_str_cut(&value, '=');
        params[rq->param_count++] = (struct tj_param){name, value};
    }
}

/* The status.  The body is sent as it is. */
static inline int call_raw(struct mlflow_fixture *f, const char *method,
                           const char *target, tj_str body)
{
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    struct tj_header type = {TJ_STR("Content-Type"),
                             TJ_STR("application/json")};
    struct tj_request rq = {
        .method = mlflow_method(method),
        .headers = &type,
        .header_count = 1,
        .body = body,
        .grant = &f->grant,
        .arena = &f->arena,
    };
    mlflow_target(f, target, &rq);
    tj_route_run(&f->server, &rq, &f->answer);
    f->json = NULL;
    if (tj_str_eq(f->answer.content_type, TJ_STR("application/json"))) {
        assert_ok(tj_json_parse(f->answer.body, &f->arena, &doc, &err), err);
        f->json = doc.root;
    }
    return f->answer.status;
}

/* The status.  body may be NULL. */
static inline int call(struct mlflow_fixture *f, const char *method,
                       const char *target, const char *body)
{
    char *text = tj_cstr(&f->arena, tj_str_c(body ? body : ""));
    for (char *c = text; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    return call_raw(f, method, target, tj_str_c(text));
}

/* The text at a path of the answer ("experiment.tags.0.key"); numbers as they
 * stand. */
static inline const char *at(struct mlflow_fixture *f, const char *path)
{
    const struct tj_json *v = tj_json_at(f->json, path);
    if (!v)
        return "(none)";
    if (tj_json_is_number(v))
        return tj_cstr(&f->arena, tj_json_number_text(v));
    if (tj_json_type(v) == TJ_JSON_TRUE || tj_json_type(v) == TJ_JSON_FALSE)
        return tj_json_bool(v, false) ? "true" : "false";
    return tj_cstr(&f->arena, tj_json_str(v));
}

static inline size_t count_at(struct mlflow_fixture *f, const char *path)
{
    return tj_json_count(tj_json_at(f->json, path));
}

static inline int mlflow_status(const char *code)
{
    static const struct {
        const char *name;
        int status;
    } codes[] = {
#define X(name, status) {#name, status},
        TJ_ML_CODES(X)
#undef X
    };
    for (size_t i = 0; i < TJ_COUNT(codes); i++) {
        if (!strcmp(code, codes[i].name))
            return codes[i].status;
    }
    fail_msg("no code %s", code);
    return 0;
}

/* It answers 200. */
#define assert_call(f, method, target, sent)                                   \
    do {                                                                       \
        if (call((f), (method), (target), (sent)) != 200)                      \
            fail_msg("%s: %d %.*s", (target), (f)->answer.status,              \
                     TJ_STR_ARG((f)->answer.body));                            \
    } while (0)

/* It answers with this error. */
#define assert_refused(f, method, target, sent, code, text)                    \
    do {                                                                       \
        int refused_status = call((f), (method), (target), (sent));            \
        if (refused_status != mlflow_status(code))                             \
            fail_msg("%s: %d %.*s", (target), refused_status,                  \
                     TJ_STR_ARG((f)->answer.body));                            \
        assert_string_equal(at((f), "error_code"), (code));                    \
        assert_string_equal(at((f), "message"), (text));                       \
    } while (0)

#define FORMAT(f, ...)                                                         \
    tj_cstr(&(f)->arena, tj_str_printf(&(f)->arena, __VA_ARGS__))

#endif
