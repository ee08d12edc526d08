/* test_guard.c - hosts and origins that may, and those that may not.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "request_fixture.h"
#include "serve/guard.h"

static int status_of(const struct tj_guard *g, struct request_fixture *f,
                     enum tj_method method, const char *path,
                     const char *const *headers)
{
    struct tj_request *rq = make_request(f, method, path, headers);
    bool ok = tj_guard_check(g, rq, &f->answer);
    assert_int_equal(ok, f->answer.status == 0);
    return f->answer.status;
}

static void hosts(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool here;       /* on loopback */
        bool everywhere; /* on 0.0.0.0 */
    } cases[] = {
        {"localhost", true, true},
        {"LocalHost:5000", true, true},
        {"127.0.0.1", true, true},
        {"127.0.0.1:5000", true, true},
        {"[::1]", true, true},
        {"[::1]:5000", true, true},
        {"one.example", true, true},
        {"ONE.example:80", true, true},
        {"a.two.example", true, true},
        {"two.example", false, false},
        {".two.example", false, false},
        {"evil.example", false, false},
        {"localhost.evil.example", false, false},
        {"evil.example:127.0.0.1", false, false},
        {"10.1.2.3", false, true},
        {"10.1.2.3:80", false, true},
        {"[fe80::1]:80", false, true},
        {"1.2.3", false, false},
        {"1.2.3.4.5", false, false},
        {"1.2.3.evil", false, false},
        {"", false, false},
        {":", false, false},
        {":80", false, false},
        {"[", false, false},
    };
    struct request_fixture f = {0};
    struct tj_guard here;
    struct tj_guard everywhere;
    tj_guard_init(&here, TJ_STR("127.0.0.1"),
                  TJ_STR("one.example, ,*.two.example"), TJ_STR(""), &f.arena);
    tj_guard_init(&everywhere, TJ_STR("0.0.0.0"),
                  TJ_STR("one.example,*.two.example"), TJ_STR(""), &f.arena);
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        const char *headers[] = {"host", cases[i].host, NULL};
        int want = cases[i].here ? 0 : 403;
        if (status_of(&here, &f, TJ_METHOD_GET, "/x", headers) != want)
            fail_msg("on loopback: %s", cases[i].host);
        want = cases[i].everywhere ? 0 : 403;
        if (status_of(&everywhere, &f, TJ_METHOD_GET, "/x", headers) != want)
            fail_msg("on all addresses: %s", cases[i].host);
        assert_int_equal(
            status_of(&here, &f, TJ_METHOD_GET, "/health", headers), 0);
        assert_int_equal(
            status_of(&here, &f, TJ_METHOD_GET, "/version", headers), 0);
    }
    assert_int_equal(status_of(&here, &f, TJ_METHOD_GET, "/x", NULL), 403);
    assert_str_eq(f.answer.body, "Invalid Host header - possible DNS rebinding "
                                 "attack detected");
    tj_arena_release(&f.arena);
}

static void origins(void **state)
{
    (void)state;
    static const struct {
        const char *origin;
        bool allowed;
    } cases[] = {
        {"http://localhost", true},
        {"http://localhost:3000", true},
        {"https://127.0.0.1:8443", true},
        {"http://[::1]:1", true},
        {"http://own.example:5000", true},
        {"https://app.example", true},
        {"HTTPS://APP.example", true},
        {"http://app.example", false},
        {"http://own.example", false},
        {"http://own.example:5001", false},
        {"https://evil.example", false},
        {"https://app.example.evil", false},
        {"http://localhost.evil", false},
        {"null", false},
        {"", false},
        {"localhost", false},
        {"://", false},
    };
    static const enum tj_method changing[] = {TJ_METHOD_POST, TJ_METHOD_PUT,
                                              TJ_METHOD_PATCH, TJ_METHOD_DELETE,
                                              TJ_METHOD_OTHER};
    struct request_fixture f = {0};
    struct tj_guard g;
    tj_guard_init(&g, TJ_STR("127.0.0.1"), TJ_STR("own.example"),
                  TJ_STR("https://app.example"), &f.arena);
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        const char *headers[] = {"Host", "own.example:5000", "Origin",
                                 cases[i].origin, NULL};
        for (size_t m = 0; m < TJ_COUNT(changing); m++) {
            int status = status_of(&g, &f, changing[m], "/v1/traces", headers);
            if (status != (cases[i].allowed ? 0 : 403))
                fail_msg("%s: %d", cases[i].origin, status);
        }
        assert_int_equal(status_of(&g, &f, TJ_METHOD_GET, "/x", headers), 0);
    }
    const char *fetch[] = {"Host", "own.example", "Sec-Fetch-Site",
                           "cross-site", NULL};
    assert_int_equal(status_of(&g, &f, TJ_METHOD_POST, "/x", fetch), 403);
    fetch[3] = "same-origin";
    assert_int_equal(status_of(&g, &f, TJ_METHOD_POST, "/x", fetch), 0);
    tj_arena_release(&f.arena);
}

/* Only origins that were named are told that they may. */
static void cors(void **state)
{
    (void)state;
    struct request_fixture f = {0};
    struct tj_guard g;
    const char *headers[] = {"Host",
                             "localhost",
                             "Origin",
                             "https://a.example",
                             "Access-Control-Request-Method",
                             "POST",
                             NULL};
    tj_guard_init(&g, TJ_STR("127.0.0.1"), TJ_STR(""),
                  TJ_STR("https://a.example"), &f.arena);
    assert_int_equal(status_of(&g, &f, TJ_METHOD_OPTIONS, "/x", headers), 204);
    tj_guard_mark(&g, &f.rq, &f.answer);
    assert_str_eq(f.answer.headers[2].name, "Access-Control-Allow-Origin");
    assert_str_eq(f.answer.headers[2].value, "https://a.example");
    headers[3] = "http://localhost:3000";
    assert_int_equal(status_of(&g, &f, TJ_METHOD_OPTIONS, "/x", headers), 0);
    tj_guard_mark(&g, &f.rq, &f.answer);
    assert_int_equal(f.answer.header_count, 0);
    tj_arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts),
        cmocka_unit_test(origins),
        cmocka_unit_test(cors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
