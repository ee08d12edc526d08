/* http_client.h - HTTP requests, thousands in flight on one thread.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to libcurl (multi interface on the loop).  It moves bytes: status
 * codes, retries and JSON are its callers' business.
 *  1. Only http and https; redirects are not followed; the TLS certificate is
 *     checked; proxies come from curl's usual environment variables.
 *  2. A reply body over body_bytes_max ends the request with TJ_E_LIMIT.
 *  3. done is called exactly once, from the loop, never from tj_http_send.
 * Threads: the loop's.
 */
#ifndef TJ_NET_HTTP_CLIENT_H
#define TJ_NET_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"
#include "net/loop.h"

struct tj_http_client;
struct tj_http_call;

struct tj_header {
    tj_str name;
    tj_str value;
};

struct tj_http_request {
    tj_str method; /* empty: POST with a body, GET without */
    tj_str url;
    const struct tj_header *headers;
    size_t header_count;
    tj_str body;
    uint64_t timeout_ms;         /* whole exchange; 0: 600,000 */
    uint64_t connect_timeout_ms; /* 0: 10,000 */
    size_t body_bytes_max;
    /* For what must not be done twice: on a new connection.  On a kept one
     * that dies without an answer curl sends a request again by itself. */
    bool fresh;
};

struct tj_http_response {
    bool ok; /* an HTTP response arrived whole */
    int status;
    TJ_VEC(struct tj_header) headers;
    tj_str body;
    struct tj_err err; /* when !ok: IO (network), LIMIT, CANCELLED, BUSY
                           * (timed out) */
    bool request_sent; /* !ok: the server may have seen the request */
    uint64_t duration_ns;
};
/* The first header called name, case folded; empty when absent. */
tj_str tj_http_header(const struct tj_http_response *response, tj_str name);

typedef void (*tj_http_fn)(void *ctx, const struct tj_http_response *response);

bool tj_http_client_open(struct tj_loop *loop, struct tj_http_client **out,
                         struct tj_err *err) TJ_MUST_USE;
/* A PEM file to trust instead of the system's, for calls from now on. */
void tj_http_client_trust(struct tj_http_client *client, tj_str ca_file);
/* Open calls are done with TJ_E_CANCELLED first.  Takes NULL. */
void tj_http_client_close(struct tj_http_client *client);

/* The request is copied; the response lives in a.  A header with a control
 * character, or another scheme than http and https, is TJ_E_INPUT. */
struct tj_http_call *tj_http_send(struct tj_http_client *client,
                                  const struct tj_http_request *request,
                                  struct tj_arena *a, tj_http_fn done,
                                  void *ctx);
/* done is called with TJ_E_CANCELLED, from the loop.  Not after done. */
void tj_http_cancel(struct tj_http_call *call);
/* As cancel, but done is not called.  Takes NULL. */
void tj_http_abandon(struct tj_http_call *call);
/* The client that all users of a loop share; closed with the loop. */
bool tj_http_client_shared(struct tj_loop *loop, struct tj_http_client **out,
                           struct tj_err *err) TJ_MUST_USE;

#endif
