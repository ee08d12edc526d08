/* grpc_call.h - a gRPC call as a request to a route, and its answer back.
 * SPDX-License-Identifier: Apache-2.0
 *
 * OTLP over gRPC is OTLP over HTTP in other clothes: the message has five
 * bytes in front (is it compressed, how long is it), its encoding is named by
 * grpc-encoding, and what came of it is said in trailers.  So a call becomes
 * the request that an HTTP client would have sent, with the same credentials,
 * limits and handler.
 *  1. Only TraceService/Export is known; others are UNIMPLEMENTED.
 *  2. What a sender should send again is UNAVAILABLE, nothing else is.
 * Threads: any.
 */
#ifndef TJ_SERVE_GRPC_CALL_H
#define TJ_SERVE_GRPC_CALL_H

#include "base/err.h"
#include "serve/exchange.h"
#include "serve/rpc_status.h"

enum { TJ_GRPC_FRAME_BYTES = 5 };

struct tj_grpc_reply {
    enum tj_rpc_code code;
    tj_str message; /* percent-encoded, for grpc-message; may be empty */
    tj_str frame;   /* of code OK: the message with its five bytes */
};

/* Is it a gRPC content type ("application/grpc", "application/grpc+proto")? */
bool tj_grpc_is_type(tj_str content_type);
/* headers are those of rq, and have a free place behind the last. */

/* Makes rq, whose path is the call's, a POST of protobuf to /v1/traces.
 * False: there is no such method. */
bool tj_grpc_route(struct tj_request *rq, struct tj_header *headers);
/* Takes the five bytes off rq->body, and names its encoding where HTTP has
 * it. */
bool tj_grpc_unframe(struct tj_request *rq, struct tj_header *headers,
                     struct tj_err *err) TJ_MUST_USE;
/* What an answer says in gRPC's words. */
void tj_grpc_reply_of(const struct tj_answer *answer, struct tj_arena *a,
                      struct tj_grpc_reply *out);
void tj_grpc_refuse(struct tj_grpc_reply *out, enum tj_rpc_code code,
                    tj_str message, struct tj_arena *a);

#endif
