/* test_http_client.c - requests over loopback: good, bad and many.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "net/http_client.h"

#include "server.h"

static struct test_server server;

struct world {
    struct tj_loop *loop;
    struct tj_http_client *client;
    struct tj_arena a;
    struct tj_http_response last;
    struct tj_http_call *victim;
    int done;
    int cancelled;
};

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    struct tj_err err;
    if (!tj_loop_open(&w->loop, &err) ||
        !tj_http_client_open(w->loop, &w->client, &err))
        return -1;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tj_http_client_close(w->client);
    tj_loop_close(w->loop);
    tj_arena_release(&w->a);
    test_free(w);
    return 0;
}

static void keep(void *ctx, const struct tj_http_response *response)
{
    struct world *w = ctx;
    w->last = *response;
    w->done++;
    w->cancelled += response->err.code == TJ_E_CANCELLED;
}

static tj_str url(struct world *w, const char *path)
{
    return tj_str_printf(&w->a, "http://127.0.0.1:%u%s", server.port, path);
}

static const struct tj_http_response *
exchange(struct world *w, const struct tj_http_request *request)
{
    int before = w->done;
    (void)tj_http_send(w->client, request, &w->a, keep, w);
    assert_int_equal(w->done, before);
    tj_loop_run(w->loop);
    assert_int_equal(w->done, before + 1);
    return &w->last;
}

static const struct tj_http_response *get(struct world *w, const char *path)
{
    struct tj_http_request request = {.url = url(w, path),
                                      .body_bytes_max = 1 << 16};
    return exchange(w, &request);
}

static bool body_has(const struct tj_http_response *r, const char *part)
{
    return tj_str_find(r->body, tj_str_c(part)) != (size_t)-1;
}

static void says_what_it_was_told(void **state)
{
    struct world *w = *state;
    const struct tj_header headers[] = {
        {TJ_STR("X-Key"), TJ_STR("s e c")},
        {TJ_STR("X-Empty"), TJ_STR("")},
        {TJ_STR("Content-Type"), TJ_STR("application/json")},
    };
    struct tj_http_request request = {
        .url = url(w, "/echo"),
        .headers = headers,
        .header_count = 3,
        .body = TJ_STR("{\"a\":\"\0\"}"),
    };
    const struct tj_http_response *r = exchange(w, &request);
    assert_true(r->ok);
    assert_int_equal(r->status, 200);
    assert_true(body_has(r, "POST /echo\n"));
    assert_true(body_has(r, "X-Key: s e c\n"));
    assert_true(body_has(r, "X-Empty: \n"));
    assert_true(body_has(r, "Content-Type: application/json\n"));
    assert_false(body_has(r, "Expect"));
    assert_true(tj_str_ends(r->body, request.body));
    assert_str_eq(tj_http_header(r, TJ_STR("x-one")), "1");
    assert_str_eq(tj_http_header(r, TJ_STR("X-TWO")), "two");
    assert_int_equal(tj_http_header(r, TJ_STR("x-three")).len, 0);
    request.method = TJ_STR("PUT");
    assert_true(body_has(exchange(w, &request), "PUT /echo\n"));
}

static void status_is_the_callers_business(void **state)
{
    struct world *w = *state;
    const struct tj_http_response *r = get(w, "/teapot");
    assert_true(r->ok);
    assert_int_equal(r->status, 418);
    assert_str_eq(r->body, "short and stout");
    r = get(w, "/empty");
    assert_true(r->ok);
    assert_int_equal(r->body.len, 0);
}

static void redirects_are_not_followed(void **state)
{
    struct world *w = *state;
    const struct tj_http_response *r = get(w, "/redirect");
    assert_int_equal(r->status, 302);
    assert_str_eq(r->body, "elsewhere");
}

static void early_hints_are_forgotten(void **state)
{
    struct world *w = *state;
    const struct tj_http_response *r = get(w, "/continue");
    assert_int_equal(r->status, 200);
    assert_int_equal(tj_http_header(r, TJ_STR("x-early")).len, 0);
}

static void connections_are_reused(void **state)
{
    struct world *w = *state;
    uint64_t before = 0, after = 0;
    assert_true(tj_str_to_u64(get(w, "/connections")->body, &before));
    for (int i = 0; i < 3; i++)
        (void)get(w, "/echo");
    assert_true(tj_str_to_u64(get(w, "/connections")->body, &after));
    assert_int_equal(before, after);
}

static void big_bodies_are_refused(void **state)
{
    struct world *w = *state;
    const struct tj_http_response *r = get(w, "/big");
    assert_false(r->ok);
    assert_int_equal(r->err.code, TJ_E_LIMIT);
    assert_string_equal(r->err.message,
                        "the response body is over 65536 bytes");
    assert_int_equal(get(w, "/bomb")->err.code, TJ_E_LIMIT);
    assert_str_eq(get(w, "/gzip")->body, "unpacked");
    assert_int_equal(get(w, "/headers")->err.code, TJ_E_LIMIT);
    assert_non_null(strstr(r->err.message, "headers are over 262144 bytes"));
}

static void broken_answers_are_errors(void **state)
{
    static const char *const paths[] = {"/cut", "/close", "/garbage"};
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(paths); i++) {
        const struct tj_http_response *r = get(w, paths[i]);
        assert_false(r->ok);
        assert_int_equal(r->err.code, TJ_E_IO);
        assert_true(r->request_sent);
        assert_true(r->err.message[0] != 0);
    }
}

static void nobody_listens(void **state)
{
    struct world *w = *state;
    struct tj_http_request request = {.url = TJ_STR("http://127.0.0.1:1/")};
    const struct tj_http_response *r = exchange(w, &request);
    assert_false(r->ok);
    assert_int_equal(r->err.code, TJ_E_IO);
    assert_false(r->request_sent);
}

static void a_silent_server_times_out(void **state)
{
    struct world *w = *state;
    struct tj_http_request request = {.url = url(w, "/hang"), .timeout_ms = 50};
    const struct tj_http_response *r = exchange(w, &request);
    assert_false(r->ok);
    assert_int_equal(r->err.code, TJ_E_BUSY);
    assert_true(r->request_sent);
    assert_true(r->duration_ns >= 45000000);
}

static void requests_that_are_refused(void **state)
{
    struct world *w = *state;
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/",
                                       "http://127.0.0.1/\r\nX: y", "::", ""};
    for (size_t i = 0; i < TJ_COUNT(urls); i++) {
        struct tj_http_request request = {.url = tj_str_c(urls[i])};
        const struct tj_http_response *r = exchange(w, &request);
        assert_false(r->ok);
        if (i < 4 && i != 3)
            assert_int_equal(r->err.code, TJ_E_INPUT);
    }
    const struct tj_header split = {TJ_STR("X"), TJ_STR("a\r\nEvil: 1")};
    struct tj_http_request request = {
        .url = url(w, "/echo"), .headers = &split, .header_count = 1};
    assert_int_equal(exchange(w, &request)->err.code, TJ_E_INPUT);
}

static void cancel_victim(void *ctx)
{
    struct world *w = ctx;
    tj_http_cancel(w->victim);
    tj_http_cancel(w->victim);
    assert_int_equal(w->done, 0);
}

static void cancelled_calls_end(void **state)
{
    struct world *w = *state;
    struct tj_http_request request = {.url = url(w, "/hang")};
    w->victim = tj_http_send(w->client, &request, &w->a, keep, w);
    (void)tj_loop_after(w->loop, 5, cancel_victim, w);
    tj_loop_run(w->loop);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->cancelled, 1);
}

static void stop_loop(void *ctx)
{
    tj_loop_stop(((struct world *)ctx)->loop);
}

static void closing_ends_open_calls(void **state)
{
    struct world *w = *state;
    struct tj_http_request request = {.url = url(w, "/hang")};
    for (int i = 0; i < 3; i++)
        (void)tj_http_send(w->client, &request, &w->a, keep, w);
    (void)tj_loop_after(w->loop, 5, stop_loop, w);
    tj_loop_run(w->loop);
    tj_http_cancel(tj_http_send(w->client, &request, &w->a, keep, w));
    tj_http_client_close(w->client);
    w->client = NULL;
    assert_int_equal(w->done, 4);
    assert_int_equal(w->cancelled, 4);
}

static void many_at_once(void **state)
{
    struct world *w = *state;
    enum { MANY = 300 };
    struct tj_http_request request = {.url = url(w, "/echo"),
                                      .body = TJ_STR("x")};
    for (int i = 0; i < MANY; i++)
        (void)tj_http_send(w->client, &request, &w->a, keep, w);
    tj_loop_run(w->loop);
    assert_int_equal(w->done, MANY);
    assert_true(w->last.ok);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(says_what_it_was_told),
        CASE(status_is_the_callers_business),
        CASE(redirects_are_not_followed),
        CASE(early_hints_are_forgotten),
        CASE(connections_are_reused),
        CASE(big_bodies_are_refused),
        CASE(broken_answers_are_errors),
        CASE(nobody_listens),
        CASE(a_silent_server_times_out),
        CASE(requests_that_are_refused),
        CASE(cancelled_calls_end),
        CASE(closing_ends_open_calls),
        CASE(many_at_once),
    };
    int failed = 0;
    if (test_server_start(&server, "tests/unit/net/http_server.py", NULL, NULL))
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_server_stop(&server);
    return failed;
}
