/* rpc_status.c - see rpc_status.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/rpc_status.h"

#include "text/json_write.h"
#include "text/pb.h"

static const char protobuf[] = "application/x-protobuf";

enum tj_rpc_code tj_rpc_code_of(int status)
{
    switch (status) {
    case 200: return TJ_RPC_OK;
    case 401: return TJ_RPC_UNAUTHENTICATED;
    case 403: return TJ_RPC_PERMISSION_DENIED;
    case 404:
    case 405: return TJ_RPC_UNIMPLEMENTED;
    case 413:
    case 429: return TJ_RPC_RESOURCE_EXHAUSTED;
    case 502:
    case 503:
    case 504: return TJ_RPC_UNAVAILABLE;
    default: break;
    }
    if (status >= 400 && status < 500)
        return TJ_RPC_INVALID_ARGUMENT;
    return status >= 500 ? TJ_RPC_INTERNAL : TJ_RPC_UNKNOWN;
}

void tj_rpc_refuse(const struct tj_request *rq, struct tj_answer *out,
                   int status, enum tj_rpc_code code, tj_str message)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, rq->arena, SIZE_MAX);
    out->status = status;
    if (tj_str_eq_fold(tj_request_content_type(rq), tj_str_c(protobuf))) {
        tj_pb_put_varint(&buf, 1, (uint64_t)code);
        tj_pb_put_bytes(&buf, 2, message);
        out->content_type = tj_str_c(protobuf);
    } else {
        tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
        tj_jw_object(&w);
        tj_jw_key_u64(&w, "code", (uint64_t)code);
        tj_jw_key_str(&w, "message", message);
        tj_jw_end(&w);
        out->content_type = TJ_STR("application/json");
    }
    out->body = tj_buf_str(&buf);
}
