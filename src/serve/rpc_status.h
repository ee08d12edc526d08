/* rpc_status.h - google.rpc.Status, which OTLP has for errors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Threads: any.
 */
#ifndef TJ_SERVE_RPC_STATUS_H
#define TJ_SERVE_RPC_STATUS_H

#include "serve/exchange.h"

/* google.rpc.Code, as far as it is used here */
enum tj_rpc_code {
    TJ_RPC_OK = 0,
    TJ_RPC_UNKNOWN = 2,
    TJ_RPC_INVALID_ARGUMENT = 3,
    TJ_RPC_PERMISSION_DENIED = 7,
    TJ_RPC_RESOURCE_EXHAUSTED = 8,
    TJ_RPC_UNIMPLEMENTED = 12,
    TJ_RPC_INTERNAL = 13,
    TJ_RPC_UNAVAILABLE = 14,
    TJ_RPC_UNAUTHENTICATED = 16,
};

/* The code that says what an HTTP status says. */
enum tj_rpc_code tj_rpc_code_of(int status);
/* An answer with a Status of the request's own kind, protobuf or JSON. */
void tj_rpc_refuse(const struct tj_request *rq, struct tj_answer *out,
                   int status, enum tj_rpc_code code, tj_str message);

#endif
