/* grpc_call.c - see grpc_call.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/grpc_call.h"

#include "base/buf.h"
#include "text/pb.h"

enum { MESSAGE_BYTES_MAX = 1024 };

bool tj_grpc_is_type(tj_str content_type)
{
    tj_str grpc = TJ_STR("application/grpc");
    if (!tj_str_eq_fold(tj_str_slice(content_type, 0, grpc.len), grpc))
        return false;
    tj_str rest = tj_str_slice(content_type, grpc.len, content_type.len);
    return !rest.len || rest.ptr[0] == '+' || rest.ptr[0] == ';';
}

bool tj_grpc_route(struct tj_request *rq, struct tj_header *headers)
{
    for (size_t i = 0; i < rq->header_count; i++)
        if (tj_str_eq_fold(headers[i].name, TJ_STR("content-type")))
            headers[i].value = TJ_STR("application/x-protobuf");
    if (!tj_str_eq(rq->path, TJ_STR("/opentelemetry.proto.collector.trace.v1."
                                    "TraceService/Export")))
        return false;
    rq->path = TJ_STR("/v1/traces");
    return rq->method == TJ_METHOD_POST;
}

static uint32_t length_of(const char *bytes)
{
    uint32_t n = 0;
    for (size_t i = 0; i < 4; i++)
        n = n << 8 | (unsigned char)bytes[i];
    return n;
}

bool tj_grpc_unframe(struct tj_request *rq, struct tj_header *headers,
                     struct tj_err *err)
{
    tj_str body = rq->body;
    if (body.len < TJ_GRPC_FRAME_BYTES ||
        length_of(body.ptr + 1) != body.len - TJ_GRPC_FRAME_BYTES)
        return tj_fail(err, TJ_E_INPUT,
                       "the call is not one whole message of gRPC");
    unsigned char flag = (unsigned char)body.ptr[0];
    tj_str coding = tj_request_header(rq, TJ_STR("grpc-encoding"));
    if (flag > 1 || (flag && !coding.len))
        return tj_fail(err, TJ_E_INPUT,
                       "the message is compressed in no named way");
    rq->body = tj_str_slice(body, TJ_GRPC_FRAME_BYTES, body.len);
    if (flag)
        headers[rq->header_count++] =
            (struct tj_header){TJ_STR("content-encoding"), coding};
    return true;
}

/* -- answers -------------------------------------------------------------- */

/* The characters that the protocol lets stand; others are %XX. */
static tj_str message_encoded(tj_str text, struct tj_arena *a)
{
    static const char digits[] = "0123456789ABCDEF";
    struct tj_buf out;
    tj_buf_init(&out, a, SIZE_MAX);
    text = tj_str_slice(text, 0, MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= ' ' && c < 0x7f && c != '%') {
            tj_buf_byte(&out, (char)c);
            continue;
        }
        tj_buf_byte(&out, '%');
        tj_buf_byte(&out, digits[c >> 4]);
        tj_buf_byte(&out, digits[c & 15]);
    }
    return tj_buf_str(&out);
}

static tj_str framed(tj_str message, struct tj_arena *a)
{
    struct tj_buf out;
    tj_buf_init(&out, a, SIZE_MAX);
    tj_buf_byte(&out, 0);
    for (int shift = 24; shift >= 0; shift -= 8)
        tj_buf_byte(&out, (char)(message.len >> shift));
    tj_buf_add(&out, message);
    return tj_buf_str(&out);
}

/* Field 2 of a google.rpc.Status. */
static tj_str status_message(tj_str body)
{
    tj_str message = {0};
    struct tj_pb pb = tj_pb_open(body);
    while (tj_pb_field(&pb))
        if (pb.number == 2 && pb.wire == TJ_PB_BYTES)
            message = pb.bytes;
    return message;
}

void tj_grpc_refuse(struct tj_grpc_reply *out, enum tj_rpc_code code,
                    tj_str message, struct tj_arena *a)
{
    *out = (struct tj_grpc_reply){
        .code = code,
        .message = message_encoded(message, a),
    };
}

void tj_grpc_reply_of(const struct tj_answer *answer, struct tj_arena *a,
                      struct tj_grpc_reply *out)
{
    bool status =
        tj_str_eq(answer->content_type, TJ_STR("application/x-protobuf"));
    /* A server that is busy: HTTP has two words for it, senders of gRPC try
     * again at one of them only. */
    enum tj_rpc_code code = answer->status == 429
                                ? TJ_RPC_UNAVAILABLE
                                : tj_rpc_code_of(answer->status);
    if (code == TJ_RPC_OK)
        *out = (struct tj_grpc_reply){.frame = framed(answer->body, a)};
    else
        tj_grpc_refuse(out, code,
                       status ? status_message(answer->body) : answer->body, a);
}
