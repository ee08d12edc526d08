/* grpc.h - OTLP over gRPC: HTTP/2 without TLS on a port of its own.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to libnghttp2.  One thread moves bytes; calls are made into the
 * requests that HTTP clients would send (grpc_call.h) and go through the same
 * ops, pool and room as theirs, so credentials, limits and handlers are the
 * same.
 *  1. A call that was handed to the pool is answered, also while the server
 *     stops, unless its connection is gone.
 *  2. Connections, calls on one, and what they hold are bounded; who is slow
 *     is let go.
 * Threads: one opens, drains and closes; counts from any.
 */
#ifndef TJ_SERVE_GRPC_H
#define TJ_SERVE_GRPC_H

#include "serve/http.h"

struct tj_grpc;

/* options->listen_fd is taken over, also on failure; the rest is as for
 * HTTP. */
bool tj_grpc_open(const struct tj_http_options *options, struct tj_grpc **out,
                  struct tj_err *err) TJ_MUST_USE;
/* Connections that are open. */
unsigned tj_grpc_connections(struct tj_grpc *g);
/* Listens no more, and ends each connection when its calls are answered. */
void tj_grpc_drain(struct tj_grpc *g);
/* No job of the pool may be left.  Takes NULL. */
void tj_grpc_close(struct tj_grpc *g);

#endif
