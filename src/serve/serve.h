/* serve.h - `tracejudge serve`: everything put together.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     struct tj_serve *s;
 *     tj_serve_open(&options, &s, &err)   opens the store, binds, listens
 *     tj_serve_url(s)                     where
 *     tj_serve_run(s, &err)               until SIGTERM, SIGINT or SIGHUP
 *     tj_serve_close(s)
 *
 *  1. From the return of open on, requests are answered.
 *  2. A signal stops the listening; what was accepted is finished, at most
 *     TJ_DRAIN_SECONDS long.  A second signal ends the process at once, as
 *     signals do; the store survives it.
 *  3. Without credentials in the auth file, it listens on loopback only,
 *     unless told that this is meant.
 * Threads: one opens, runs and closes; tj_serve_stop may come from any.
 */
#ifndef TJ_SERVE_SERVE_H
#define TJ_SERVE_SERVE_H

#include "base/err.h"
#include "base/str.h"
#include "serve/log.h"

struct tj_serve;

struct tj_serve_options {
    const char *store_url; /* NULL: the default, as everywhere */
    bool relaxed;          /* durability */
    tj_str host;           /* empty: 127.0.0.1 */
    unsigned port;         /* 0: any free one */
    bool grpc;             /* also OTLP over gRPC, on grpc_port */
    unsigned grpc_port;    /* 0: any free one */
    const char *auth_file; /* NULL: beside the store */
    bool unsafe_no_auth;
    tj_str allowed_hosts; /* lists with commas; they must outlive it */
    tj_str allowed_origins;
    size_t body_bytes_max; /* 0: the default of limits.h, as below */
    unsigned workers_max;
    unsigned idle_seconds;
    unsigned request_seconds;
    struct tj_log log;
};

bool tj_serve_open(const struct tj_serve_options *options,
                   struct tj_serve **out, struct tj_err *err) TJ_MUST_USE;
/* "http://127.0.0.1:5000"; lives as long as s. */
tj_str tj_serve_url(const struct tj_serve *s);
/* "http://127.0.0.1:4317", or empty. */
tj_str tj_serve_grpc_url(const struct tj_serve *s);
/* False: it had to leave something unfinished. */
bool tj_serve_run(struct tj_serve *s, struct tj_err *err) TJ_MUST_USE;
/* As a signal does. */
void tj_serve_stop(struct tj_serve *s);
/* Takes NULL. */
void tj_serve_close(struct tj_serve *s);

#endif
