/* http.h - sockets: requests in, answers out.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to libmicrohttpd.  One thread moves bytes for all connections; a
 * request that is whole goes to the pool, and its answer goes back.
 *  1. A request that was handed to the pool is answered, also while the
 *     server stops.
 *  2. What a client can make us keep is bounded: head, body, all bodies, and
 *     connections, in all and of one address.
 *  3. Nobody can hold a connection by being slow: each state of one has a
 *     deadline, which tj_http_sweep enforces.
 *  4. A request that could mean two things (two lengths, a length and a
 *     transfer coding) is refused and its connection closed.
 *
 *      WAITING --request line--> READING --body whole--> WORKING
 *         ^                         |  (or refused)         |
 *         +------ answer sent ---- SENDING <----------------+
 *
 * Threads: any, but open and close.
 */
#ifndef TJ_SERVE_HTTP_H
#define TJ_SERVE_HTTP_H

#include "base/err.h"
#include "serve/exchange.h"
#include "serve/pool.h"
#include "serve/room.h"

struct tj_http;

/* What became of a request. */
struct tj_http_end {
    const struct tj_request *rq;
    int status;        /* 0: the client went away before there was an answer */
    size_t body_bytes; /* received */
    size_t answer_bytes; /* of the answer's body */
    uint64_t duration_ns;
    bool sent; /* the answer went out whole */
};

struct tj_http_ops {
    /* On the I/O thread, when the head is there: false refuses the request
     * with *out, which then need not read a body.  Must not block. */
    bool (*admit)(void *ctx, struct tj_request *rq, struct tj_answer *out);
    /* On a worker. */
    void (*run)(void *ctx, struct tj_request *rq, struct tj_answer *out);
    /* There is no worker, or no memory for its body. */
    void (*busy)(void *ctx, struct tj_request *rq, struct tj_answer *out);
    /* Its body is over body_bytes_max. */
    void (*too_large)(void *ctx, struct tj_request *rq, struct tj_answer *out);
    /* On the I/O thread, once for every request that has begun. */
    void (*end)(void *ctx, const struct tj_http_end *end);
};

struct tj_http_options {
    int listen_fd; /* taken over, also on failure */
    size_t body_bytes_max;
    unsigned connections_max;
    unsigned connections_per_address_max; /* loopback is free of it */
    unsigned idle_ms;
    unsigned request_ms;
    struct tj_room *room;
    struct tj_pool *pool;
    const struct tj_http_ops *ops;
    void *ctx;
};

bool tj_http_open(const struct tj_http_options *options, struct tj_http **out,
                  struct tj_err *err) TJ_MUST_USE;
/* Cuts off what is over its deadline.  To be called every second or so. */
void tj_http_sweep(struct tj_http *h);
unsigned tj_http_connections(struct tj_http *h);
/* Requests that have begun and are not yet answered. */
unsigned tj_http_requests(struct tj_http *h);
/* Listens no more and lets go of connections that wait; each answer from now
 * on is the last of its connection. */
void tj_http_drain(struct tj_http *h);
/* No job of the pool may be left.  Takes NULL. */
void tj_http_close(struct tj_http *h);

#endif
