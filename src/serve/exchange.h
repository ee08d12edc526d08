/* exchange.h - one HTTP request and its answer, as handlers see them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to the HTTP library (http.c) makes the one and sends the other;
 * tests make requests by hand.
 *  1. The body is whole and decompressed, within the server's limit.
 *  2. Query and captures are percent-decoded; the path is as it was sent.
 *  3. All of it lives in the arena of the request, and so may the answer.
 *  4. A handler that leaves status 0 is a bug; the server answers 500.
 * Threads: a request belongs to the worker that runs it.
 */
#ifndef TJ_SERVE_EXCHANGE_H
#define TJ_SERVE_EXCHANGE_H

#include "base/arena.h"
#include "base/str.h"
#include "net/http_client.h"
#include "serve/grant.h"

enum tj_method {
    TJ_METHOD_GET,
    TJ_METHOD_HEAD,
    TJ_METHOD_POST,
    TJ_METHOD_PUT,
    TJ_METHOD_PATCH,
    TJ_METHOD_DELETE,
    TJ_METHOD_OPTIONS,
    TJ_METHOD_OTHER,
};

struct tj_route;

struct tj_param {
    tj_str name;
    tj_str value;
};

enum { TJ_CAPTURES_MAX = 4, TJ_ANSWER_HEADERS_MAX = 16 };

struct tj_request {
    enum tj_method method;
    tj_str path;                   /* without the query */
    const struct tj_param *params; /* the query, in order */
    size_t param_count;
    const struct tj_header *headers;
    size_t header_count;
    tj_str body;
    tj_str captures[TJ_CAPTURES_MAX]; /* what stood for {} in the route */
    unsigned api_major;               /* 2 or 3 on MLflow's routes, else 0 */
    const struct tj_grant *grant;     /* who asks, and what they may */
    const struct tj_route *route;     /* set by tj_route_run; NULL: none */
    struct tj_arena *arena;
};

struct tj_answer {
    int status;
    tj_str content_type;
    tj_str body;
    struct tj_header headers[TJ_ANSWER_HEADERS_MAX];
    size_t header_count;
};

/* The first header or parameter of this name (headers fold case); ptr NULL
 * when there is none. */
tj_str tj_request_header(const struct tj_request *rq, tj_str name);
tj_str tj_request_param(const struct tj_request *rq, tj_str name);

/* Content type without parameters, as it was sent ("application/json"). */
tj_str tj_request_content_type(const struct tj_request *rq);

void tj_answer_text(struct tj_answer *out, int status, tj_str text);
void tj_answer_json(struct tj_answer *out, int status, tj_str json);
/* Beyond TJ_ANSWER_HEADERS_MAX: a bug (assert). */
void tj_answer_header(struct tj_answer *out, tj_str name, tj_str value);

#endif
