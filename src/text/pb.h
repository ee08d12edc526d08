/* pb.h - the protobuf wire format, read in place.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A cursor over one message; the caller loops over fields and opens nested
 * messages as cursors of their own (depth is the caller's parameter):
 *
 *     struct tj_pb pb = tj_pb_open(body);
 *     while (tj_pb_field(&pb)) {
 *         if (pb.number == 1 && pb.wire == TJ_PB_BYTES) ... pb.bytes ...
 *     }
 *     if (pb.failed) return tj_pb_fail(&pb, body, err);
 *
 *  1. Nothing is copied: bytes point into the message.
 *  2. Every length is checked against what is left before it is used; varints
 *     are at most 10 bytes; groups (deprecated) are skipped with a depth cap;
 *     field number 0 and wire types 6 and 7 fail.
 *  3. Unknown fields are seen and skipped by the caller ignoring them.
 * Source: protobuf.dev/programming-guides/encoding.  Threads: any.
 */
#ifndef TJ_TEXT_PB_H
#define TJ_TEXT_PB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum tj_pb_wire {
    TJ_PB_VARINT = 0,
    TJ_PB_FIXED64 = 1,
    TJ_PB_BYTES = 2,
    TJ_PB_FIXED32 = 5,
};

struct tj_pb {
    const unsigned char *at;
    const unsigned char *end;
    uint32_t number;
    enum tj_pb_wire wire;
    uint64_t value;     /* VARINT, FIXED64, FIXED32 */
    tj_str bytes;       /* BYTES */
    const char *failed; /* what was wrong; NULL while all is well */
};

struct tj_pb tj_pb_open(tj_str message);
/* False at the end and on failure (then pb->failed is set). */
bool tj_pb_field(struct tj_pb *pb);
/* TJ_E_INPUT "offset N: <what>"; whole is the outermost message. */
bool tj_pb_fail(const struct tj_pb *pb, tj_str whole, struct tj_err *err);

static inline double tj_pb_double(const struct tj_pb *pb)
{
    double d;
    __builtin_memcpy(&d, &pb->value, sizeof d);
    return d;
}

/* Writing, for exporters and tests. */
void tj_pb_put_varint(struct tj_buf *out, uint32_t number, uint64_t value);
void tj_pb_put_fixed64(struct tj_buf *out, uint32_t number, uint64_t value);
void tj_pb_put_bytes(struct tj_buf *out, uint32_t number, tj_str value);

#endif
