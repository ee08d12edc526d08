/* test_route.c - which handler a path leads to, and who may go there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "request_fixture.h"
#include "serve/meter.h"
#include "serve/route.h"
#include "text/json.h"

static const struct tj_route *find(struct request_fixture *f,
                                   enum tj_method method, const char *path)
{
    bool known;
    return tj_route_find(make_request(f, method, path, NULL), &known);
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *route;
        const char *capture;
    } cases[] = {
        {"/health", "/health", ""},
        {"/health/", "/health", ""},
        {"/", "/", ""},
        {"/api/3.0/mlflow/traces/search", "/mlflow/traces/{}", "search"},
        {"/api/3.0/mlflow/traces/get", "/mlflow/traces/get", ""},
        {"/api/3.0/mlflow/traces/tr-1", "/mlflow/traces/{}", "tr-1"},
        {"/ajax-api/3.0/mlflow/traces/a%2Fb", "/mlflow/traces/{}", "a/b"},
        {"/api/2.0/mlflow-artifacts/artifacts/1/a%20b/c",
         "/mlflow-artifacts/artifacts/{*}", "1/a b/c"},
        {"/api/3.0/mlflow/traces//", NULL, ""},
        {"/api/4.0/mlflow/traces/1", NULL, ""},
        {"/mlflow/traces/1", NULL, ""},
        {"/api/3.0/health", NULL, ""},
        {"//health", NULL, ""},
        {"health", NULL, ""},
        {"", NULL, ""},
        {"/api/3.0", NULL, ""},
        {"/api/3.0/", NULL, ""},
    };
    struct request_fixture f = {0};
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        const struct tj_route *r = find(&f, TJ_METHOD_GET, cases[i].path);
        if (!cases[i].route != !r || (r && strcmp(r->path, cases[i].route)))
            fail_msg("%s: %s", cases[i].path, r ? r->path : "none");
        if (r)
            assert_str_eq(f.rq.captures[0], cases[i].capture);
    }
    const struct tj_route *post =
        find(&f, TJ_METHOD_POST, "/api/3.0/mlflow/traces/search");
    assert_string_equal(post ? post->path : "", "/mlflow/traces/search");
    assert_non_null(find(&f, TJ_METHOD_HEAD, "/health"));
    assert_null(find(&f, TJ_METHOD_POST, "/health"));
    tj_arena_release(&f.arena);
}

/* A path written as the table has it leads to that route and no other. */
static void each_route_is_found(void **state)
{
    (void)state;
    struct request_fixture f = {0};
    const struct tj_route *r;
    size_t count = 0;
    for (; (r = tj_route_at(count)); count++) {
        const char *prefix = r->majors & TJ_V3   ? "/ajax-api/3.0"
                             : r->majors & TJ_V2 ? "/api/2.0"
                                                 : "";
        tj_str path = tj_str_printf(&f.arena, "%s%s", prefix, r->path);
        const struct tj_route *found = find(&f, r->method, path.ptr);
        if (found != r)
            fail_msg("%s %s leads to %s", tj_method_name(r->method), path.ptr,
                     found ? found->path : "nothing");
        /* Only what tells nothing is open to all. */
        if (r->access == TJ_ACCESS_NONE)
            assert_int_equal(r->majors, TJ_PLAIN);
        /* What may change something asks for the right to write. */
        if (r->method == TJ_METHOD_PUT || r->method == TJ_METHOD_PATCH ||
            r->method == TJ_METHOD_DELETE)
            assert_true(r->access >= TJ_ACCESS_WRITE);
    }
    assert_true(count > 30);
    assert_null(tj_route_at(count));
    assert_null(tj_route_at(SIZE_MAX));
    tj_arena_release(&f.arena);
}

static void too_little_access(void **state)
{
    (void)state;
    struct request_fixture f = {0};
    struct tj_server server = {0};
    const struct tj_route *r;
    for (size_t i = 0; (r = tj_route_at(i)); i++) {
        struct tj_grant grant = {.access = TJ_ACCESS_NONE};
        const char *prefix = r->majors & TJ_V3   ? "/api/3.0"
                             : r->majors & TJ_V2 ? "/api/2.0"
                                                 : "";
        if (r->access == TJ_ACCESS_NONE)
            continue;
        grant.access = r->access - 1;
        tj_str path = tj_str_printf(&f.arena, "%s%s", prefix, r->path);
        struct tj_request *rq = make_request(&f, r->method, path.ptr, NULL);
        rq->grant = &grant;
        tj_route_run(&server, rq, &f.answer); /* there is no store: no call */
        assert_int_equal(f.answer.status, 403);
        assert_ptr_equal(rq->route, r);
    }
    tj_arena_release(&f.arena);
}

static void no_route(void **state)
{
    (void)state;
    struct request_fixture f = {0};
    struct tj_server server = {0};
    static const struct {
        enum tj_method method;
        const char *path;
        int status;
    } cases[] = {
        {TJ_METHOD_GET, "/nothing", 404},
        {TJ_METHOD_OTHER, "/health", 405},
        {TJ_METHOD_DELETE, "/health", 405},
        {TJ_METHOD_OPTIONS, "/health", 204},
        {TJ_METHOD_OPTIONS, "/nothing", 404},
        {TJ_METHOD_OPTIONS, "*", 404},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_request *rq =
            make_request(&f, cases[i].method, cases[i].path, NULL);
        tj_route_run(&server, rq, &f.answer);
        assert_int_equal(f.answer.status, cases[i].status);
        assert_null(rq->route);
    }
    tj_arena_release(&f.arena);
}

/* What all requests_total say together. */
static uint64_t requests_total(tj_str text)
{
    uint64_t sum = 0;
    while (text.len) {
        tj_str line = tj_str_cut(&text, '\n');
        uint64_t n = 0;
        if (!tj_str_starts(line, TJ_STR("tracejudge_http_requests_total{")))
            continue;
        (void)tj_str_cut(&line, ' ');
        assert_true(tj_str_to_u64(line, &n));
        sum += n;
    }
    return sum;
}

/* The table of counters is bounded: what is beyond is counted as well, and
 * told, so that the sum is that of the histogram. */
static void meters(void **state)
{
    (void)state;
    static struct tj_meter m;
    struct tj_arena a = {0};
    struct tj_buf out;
    tj_meter_init(&m);
    tj_meter_add(&m, tj_route_at(0), 200, 400000, 10, 20);
    tj_meter_add(&m, tj_route_at(0), 200, 400000000, 10, 20);
    tj_meter_add(&m, NULL, 404, 20 * UINT64_C(1000000000), 0, 0);
    tj_buf_init(&out, &a, 1 << 20);
    tj_meter_write(&m, &out);
    static const char *const lines[] = {
        "{method=\"GET\",route=\"/health\",code=\"200\"} 2\n",
        "{method=\"other\",route=\"none\",code=\"404\"} 1\n",
        "_bucket{le=\"0.0005\"} 1\n",
        "_bucket{le=\"0.25\"} 1\n",
        "_bucket{le=\"0.5\"} 2\n",
        "_bucket{le=\"10\"} 2\n",
        "_bucket{le=\"+Inf\"} 3\n",
        "_sum 20.400400000\n",
        "_count 3\n",
        "received_bytes_total 20\n",
        "sent_bytes_total 40\n",
    };
    for (size_t i = 0; i < TJ_COUNT(lines); i++)
        if (tj_str_find(tj_buf_str(&out), tj_str_c(lines[i])) == (size_t)-1)
            fail_msg("no line with %s", lines[i]);
    for (int i = 0; i < 2 * TJ_METER_ROWS_MAX; i++)
        tj_meter_add(&m, NULL, 1000 + i, 0, 0, 0);
    assert_true(m.other > TJ_METER_ROWS_MAX);
    tj_buf_init(&out, &a, 1 << 20);
    tj_meter_write(&m, &out);
    assert_int_equal(requests_total(tj_buf_str(&out)),
                     3 + 2 * TJ_METER_ROWS_MAX);
    tj_meter_release(&m);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(each_route_is_found),
        cmocka_unit_test(too_little_access),
        cmocka_unit_test(no_route),
        cmocka_unit_test(meters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
