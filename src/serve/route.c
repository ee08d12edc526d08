/* route.c - method and path to a handler.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/route.h"

#include "base/hex.h"
#include "base/limits.h"
#include "base/turns.h"
#include "serve/body.h"
#include "serve/mlflow.h"
#include "serve/rpc_status.h"

static const struct tj_route *const tables[] = {
    tj_routes_plain,       tj_routes_otlp,        tj_routes_traces,
    tj_routes_runs,        tj_routes_assessments, tj_routes_experiments,
    tj_routes_datasets,    tj_routes_scorers,     tj_routes_models,
    tj_routes_metrics,     tj_routes_artifacts,   tj_routes_spans,
    tj_routes_correlation,
};

/* -- matching ------------------------------------------------------------- */

/* Takes "/api/2.0" and its like off; 0 when it does not begin so. */
static unsigned take_major(tj_str *path)
{
    static const struct {
        const char *prefix;
        unsigned major;
    } prefixes[] = {
        {"/api/2.0/", 2},
        {"/api/3.0/", 3},
        {"/ajax-api/2.0/", 2},
        {"/ajax-api/3.0/", 3},
    };
    for (size_t i = 0; i < TJ_COUNT(prefixes); i++) {
        tj_str prefix = tj_str_c(prefixes[i].prefix);
        if (tj_str_starts(*path, prefix)) {
            *path = tj_str_slice(*path, prefix.len - 1, path->len);
            return prefixes[i].major;
        }
    }
    return 0;
}

/* The segment at *rest without its '/'; *rest goes on behind it. */
static tj_str take_segment(tj_str *rest)
{
    tj_str from = tj_str_slice(*rest, 1, rest->len);
    size_t len = tj_size_min(tj_str_find_byte(from, '/'), from.len);
    *rest = tj_str_slice(from, len, from.len);
    return tj_str_slice(from, 0, len);
}

/* How many captures it took, or -1.  captures are not decoded yet. */
static int match(const char *pattern, tj_str path,
                 tj_str captures[TJ_CAPTURES_MAX])
{
    tj_str rest = tj_str_c(pattern);
    int count = 0;
    while (rest.len) {
        if (!path.len)
            return -1;
        tj_str all = tj_str_slice(path, 1, path.len);
        tj_str want = take_segment(&rest);
        tj_str have = take_segment(&path);
        if (tj_str_eq(want, TJ_STR("{*}"))) {
            captures[count++] = all;
            return all.len ? count : -1;
        }
        if (tj_str_eq(want, TJ_STR("{}")) && have.len)
            captures[count++] = have;
        else if (!tj_str_eq(want, have))
            return -1;
    }
    return path.len ? -1 : count;
}

static bool has_major(const struct tj_route *route, unsigned major)
{
    return major ? (route->majors & 1u << major) != 0
                 : route->majors == TJ_PLAIN;
}

/* HEAD is GET without the body, which the door leaves out. */
static bool has_method(const struct tj_route *route, enum tj_method method)
{
    return route->method == method ||
           (method == TJ_METHOD_HEAD && route->method == TJ_METHOD_GET);
}

struct best {
    const struct tj_route *route;
    int count;
    tj_str captures[TJ_CAPTURES_MAX];
};

static void try_table(const struct tj_route *table, enum tj_method method,
                      tj_str path, unsigned major, struct best *best,
                      bool *path_known)
{
    for (const struct tj_route *r = table; r->run; r++) {
        tj_str captures[TJ_CAPTURES_MAX] = {{0}};
        int count = has_major(r, major) ? match(r->path, path, captures) : -1;
        if (count < 0)
            continue;
        *path_known = true;
        if (!has_method(r, method) || (best->route && count >= best->count))
            continue;
        best->route = r;
        best->count = count;
        memcpy(best->captures, captures, sizeof captures);
    }
}

const struct tj_route *tj_route_find(struct tj_request *rq, bool *path_known)
{
    struct best best = {0};
    tj_str path = rq->path;
    *path_known = false;
    rq->api_major = take_major(&path);
    /* One '/' at the end is as good as none, but not on MLflow's routes: what
     * stands there is an empty name. */
    if (!rq->api_major && path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (!path.len || path.ptr[0] != '/')
        return NULL;
    for (size_t i = 0; i < TJ_COUNT(tables); i++)
        try_table(tables[i], rq->method, path, rq->api_major, &best,
                  path_known);
    for (int i = 0; i < best.count; i++)
        rq->captures[i] = tj_percent_decoded(best.captures[i], rq->arena);
    return best.route;
}

const struct tj_route *tj_route_at(size_t i)
{
    for (size_t t = 0; t < TJ_COUNT(tables); t++)
        for (const struct tj_route *r = tables[t]; r->run; r++)
            if (i-- == 0)
                return r;
    return NULL;
}

const char *tj_method_name(enum tj_method method)
{
    static const char *const names[] = {
        [TJ_METHOD_GET] = "GET",         [TJ_METHOD_HEAD] = "HEAD",
        [TJ_METHOD_POST] = "POST",       [TJ_METHOD_PUT] = "PUT",
        [TJ_METHOD_PATCH] = "PATCH",     [TJ_METHOD_DELETE] = "DELETE",
        [TJ_METHOD_OPTIONS] = "OPTIONS", [TJ_METHOD_OTHER] = "other",
    };
    return names[method];
}

/* -- running -------------------------------------------------------------- */

/* Which paths there are is no secret, so this comes before the grant. */
static void answer_unknown(const struct tj_request *rq, bool path_known,
                           struct tj_answer *out)
{
    if (rq->method == TJ_METHOD_OPTIONS && path_known) {
        tj_answer_text(out, 204, TJ_STR(""));
    } else if (path_known) {
        tj_answer_text(out, 405, TJ_STR("Method Not Allowed\n"));
    } else {
        /* Not JSON: that is how MLflow's clients see that an endpoint does
         * not exist, and fall back or leave it be. */
        tj_answer_text(out, 404, TJ_STR("Not Found\n"));
    }
}

/* In the form that clients of the path know. */
static void answer_denied(const struct tj_request *rq, struct tj_answer *out)
{
    if (tj_str_starts(rq->path, TJ_STR("/v1/")))
        tj_rpc_refuse(rq, out, 403, TJ_RPC_PERMISSION_DENIED,
                      TJ_STR("Permission denied"));
    else
        (void)tj_ml_refuse(out, rq->arena, TJ_ML_PERMISSION_DENIED,
                           "Permission denied");
}

static void run(const struct tj_route *route, struct tj_server *s,
                struct tj_request *rq, struct tj_answer *out)
{
    bool large = rq->body.len > TJ_BODY_LARGE_BYTES;
    if (large)
        tj_turns_take(s->large);
    route->run(s, rq, out);
    if (large)
        tj_turns_give(s->large);
}

void tj_route_run(struct tj_server *s, struct tj_request *rq,
                  struct tj_answer *out)
{
    bool path_known;
    const struct tj_route *route = tj_route_find(rq, &path_known);
    *out = (struct tj_answer){0};
    rq->route = route;
    if (!route) {
        answer_unknown(rq, path_known, out);
        return;
    }
    if (route->access > rq->grant->access) {
        answer_denied(rq, out);
        return;
    }
    run(route, s, rq, out);
    if (out->status == 0)
        (void)tj_ml_refuse(out, rq->arena, TJ_ML_INTERNAL_ERROR,
                           "the handler of %s gave no answer", route->path);
}
