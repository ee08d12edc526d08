/* guard.c - see guard.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/guard.h"

#include "base/vec.h"

static const tj_str local_names[] = {
    TJ_STR_INIT("localhost"),
    TJ_STR_INIT("127.0.0.1"),
    TJ_STR_INIT("[::1]"),
};

typedef TJ_VEC(tj_str) names;

static void add_list(names *to, tj_str list, struct tj_arena *a)
{
    while (list.len) {
        tj_str one = tj_str_trim(tj_str_cut(&list, ','));
        if (one.len)
            *tj_vec_add(to, a) = one;
    }
}

void tj_guard_init(struct tj_guard *g, tj_str bound, tj_str hosts,
                   tj_str origins, struct tj_arena *a)
{
    names list = {0};
    names from = {0};
    bool local = false;
    for (size_t i = 0; i < TJ_COUNT(local_names); i++) {
        *tj_vec_add(&list, a) = local_names[i];
        local = local || tj_str_eq_fold(bound, local_names[i]);
    }
    local = local || tj_str_eq(bound, TJ_STR("::1"));
    if (bound.len)
        *tj_vec_add(&list, a) = bound;
    add_list(&list, hosts, a);
    add_list(&from, origins, a);
    *g = (struct tj_guard){
        .hosts = list.items,
        .host_count = list.count,
        .origins = from.items,
        .origin_count = from.count,
        .addresses_allowed = !local,
    };
}

/* -- names ---------------------------------------------------------------- */

/* "name:port" or "[v6]:port" without the port. */
static tj_str without_port(tj_str host)
{
    size_t end = host.len;
    while (end && host.ptr[end - 1] >= '0' && host.ptr[end - 1] <= '9')
        end--;
    bool has_port =
        end && host.ptr[end - 1] == ':' &&
        (host.ptr[0] != '[' || (end > 1 && host.ptr[end - 2] == ']'));
    return has_port ? tj_str_slice(host, 0, end - 1) : host;
}

static bool is_local(tj_str name)
{
    for (size_t i = 0; i < TJ_COUNT(local_names); i++)
        if (tj_str_eq_fold(name, local_names[i]))
            return true;
    return false;
}

/* Four numbers, or something in brackets: no name that a resolver is asked
 * for ends in a number (RFC 3696, 2). */
static bool is_address(tj_str name)
{
    if (name.len && name.ptr[0] == '[')
        return name.ptr[name.len - 1] == ']';
    size_t dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        bool dot = name.ptr[i] == '.';
        dots += dot;
        if (!dot && (name.ptr[i] < '0' || name.ptr[i] > '9'))
            return false;
    }
    return dots == 3;
}

static bool matches(tj_str pattern, tj_str host)
{
    if (tj_str_eq(pattern, TJ_STR("*")))
        return true;
    tj_str name = without_port(host);
    if (tj_str_starts(pattern, TJ_STR("*."))) {
        tj_str tail = tj_str_slice(pattern, 1, pattern.len);
        return name.len > tail.len &&
               tj_str_eq_fold(tj_str_slice(name, name.len - tail.len, tail.len),
                              tail);
    }
    return tj_str_eq_fold(pattern, name) || tj_str_eq_fold(pattern, host);
}

static bool host_allowed(const struct tj_guard *g, tj_str host)
{
    if (!host.len)
        return false;
    if (g->addresses_allowed && is_address(without_port(host)))
        return true;
    for (size_t i = 0; i < g->host_count; i++)
        if (matches(g->hosts[i], host))
            return true;
    return false;
}

/* -- origins -------------------------------------------------------------- */

/* Named by --allowed-origins: it may also read what we answer. */
static bool origin_listed(const struct tj_guard *g, tj_str origin)
{
    for (size_t i = 0; i < g->origin_count; i++)
        if (tj_str_eq(g->origins[i], TJ_STR("*")) ||
            tj_str_eq_fold(g->origins[i], origin))
            return true;
    return false;
}

static bool origin_allowed(const struct tj_guard *g,
                           const struct tj_request *rq)
{
    tj_str origin = tj_request_header(rq, TJ_STR("Origin"));
    if (!origin.ptr)
        return !tj_str_eq_fold(tj_request_header(rq, TJ_STR("Sec-Fetch-Site")),
                               TJ_STR("cross-site"));
    size_t colon = tj_str_find(origin, TJ_STR("://"));
    if (origin_listed(g, origin))
        return true;
    if (colon == (size_t)-1)
        return false; /* "null": a sandbox, a file, a redirect */
    tj_str host = tj_str_slice(origin, colon + 3, origin.len);
    return is_local(without_port(host)) ||
           tj_str_eq_fold(host, tj_request_header(rq, TJ_STR("Host")));
}

static bool changes_something(enum tj_method method)
{
    switch (method) {
    case TJ_METHOD_GET:
    case TJ_METHOD_HEAD:
    case TJ_METHOD_OPTIONS: return false;
    case TJ_METHOD_POST:
    case TJ_METHOD_PUT:
    case TJ_METHOD_PATCH:
    case TJ_METHOD_DELETE:
    case TJ_METHOD_OTHER: break;
    }
    return true;
}

/* A browser asks before it sends what a form could not (Fetch, 4.8). */
static bool is_preflight(const struct tj_request *rq)
{
    return rq->method == TJ_METHOD_OPTIONS &&
           tj_request_header(rq, TJ_STR("Access-Control-Request-Method")).len;
}

static void answer_preflight(const struct tj_request *rq, struct tj_answer *out)
{
    tj_str wants =
        tj_request_header(rq, TJ_STR("Access-Control-Request-Headers"));
    tj_answer_text(out, 204, TJ_STR(""));
    tj_answer_header(out, TJ_STR("Access-Control-Allow-Methods"),
                     TJ_STR("GET, POST, PUT, PATCH, DELETE"));
    tj_answer_header(out, TJ_STR("Access-Control-Max-Age"), TJ_STR("600"));
    if (wants.len)
        tj_answer_header(out, TJ_STR("Access-Control-Allow-Headers"), wants);
}

bool tj_guard_check(const struct tj_guard *g, const struct tj_request *rq,
                    struct tj_answer *out)
{
    bool probe = tj_str_eq(rq->path, TJ_STR("/health")) ||
                 tj_str_eq(rq->path, TJ_STR("/version"));
    if (!probe && !host_allowed(g, tj_request_header(rq, TJ_STR("Host")))) {
        tj_answer_text(out, 403,
                       TJ_STR("Invalid Host header - possible DNS rebinding "
                              "attack detected"));
        return false;
    }
    if (changes_something(rq->method) && !origin_allowed(g, rq)) {
        tj_answer_text(out, 403, TJ_STR("Cross-origin request blocked"));
        return false;
    }
    if (is_preflight(rq) &&
        origin_listed(g, tj_request_header(rq, TJ_STR("Origin")))) {
        answer_preflight(rq, out);
        return false;
    }
    return true;
}

void tj_guard_mark(const struct tj_guard *g, const struct tj_request *rq,
                   struct tj_answer *out)
{
    tj_str origin = tj_request_header(rq, TJ_STR("Origin"));
    if (!origin.len || !origin_listed(g, origin))
        return;
    tj_answer_header(out, TJ_STR("Access-Control-Allow-Origin"), origin);
    tj_answer_header(out, TJ_STR("Vary"), TJ_STR("Origin"));
}
