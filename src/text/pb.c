/* pb.c - the protobuf wire format, read in place and written.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   message = { field }
 *   field   = varint(number << 3 | wire) payload
 *   payload = VARINT: varint   FIXED64: 8 bytes LE   FIXED32: 4 bytes LE
 *             BYTES: varint length, bytes
 *             group (3): fields up to the end mark (4) of the same number
 *
 * A varint holds 7 bits a byte, least significant first; the top bit says
 * that more follow.  Longer spellings than needed are legal ("80 00" is 0),
 * ten bytes are the most that 64 bits can take.
 */
#include "text/pb.h"

#include "base/limits.h"

enum {
    GROUP_START = 3,
    GROUP_END = 4,
    VARINT_BYTES_MAX = 10,
    FIELD_NUMBER_MAX = (1 << 29) - 1,
};

struct tj_pb tj_pb_open(tj_str message)
{
    const unsigned char *at = (const unsigned char *)message.ptr;
    return (struct tj_pb){.at = at, .end = message.len ? at + message.len : at};
}

/* Leaves the cursor on the broken part and at its end, so that a caller who
 * asks again gets false again. */
static const unsigned char *broken(struct tj_pb *pb, const unsigned char *at,
                                   const char *what)
{
    pb->at = pb->end = at;
    pb->failed = what;
    return NULL;
}

static const unsigned char *long_varint(struct tj_pb *pb,
                                        const unsigned char *p, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (p + i == pb->end)
            return broken(pb, p, "the data ends inside a varint");
        uint64_t bits = p[i] & 0x7f;
        if (i == VARINT_BYTES_MAX - 1 && bits > 1)
            return broken(pb, p, "a varint is over 64 bits");
        value |= bits << (7 * i);
        if (p[i] < 0x80) {
            *out = value;
            return p + i + 1;
        }
    }
    return broken(pb, p, "a varint is over 10 bytes");
}

/* The position behind the varint, or NULL when it is broken.  Nearly all are
 * tags and lengths of one byte. */
static inline const unsigned char *varint(struct tj_pb *pb,
                                          const unsigned char *p, uint64_t *out)
{
    if (TJ_LIKELY(p < pb->end && *p < 0x80)) {
        *out = *p;
        return p + 1;
    }
    return long_varint(pb, p, out);
}

static uint64_t little_endian(const unsigned char *p, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)p[i] << (8 * i);
    return value;
}

static const unsigned char *fixed(struct tj_pb *pb, const unsigned char *p,
                                  unsigned size)
{
    if ((size_t)(pb->end - p) < size)
        return broken(pb, p, "the data ends inside a number");
    pb->value = size == 8 ? little_endian(p, 8) : little_endian(p, 4);
    return p + size;
}

static inline const unsigned char *bytes(struct tj_pb *pb,
                                         const unsigned char *p)
{
    uint64_t len = 0;
    const unsigned char *at = varint(pb, p, &len);
    if (!at)
        return NULL;
    if (len > (uint64_t)(pb->end - at))
        return broken(pb, p, "a length is over what is left");
    pb->bytes = tj_str_make((const char *)at, (size_t)len);
    return at + len;
}

/* Reads a tag into pb->number; the wire type, 0..7, comes back. */
static inline const unsigned char *tag(struct tj_pb *pb, const unsigned char *p,
                                       unsigned *wire)
{
    uint64_t value = 0;
    const unsigned char *at = varint(pb, p, &value);
    if (!at)
        return NULL;
    uint64_t number = value >> 3;
    if (TJ_UNLIKELY(number == 0 || number > FIELD_NUMBER_MAX))
        return broken(pb, p, "a field number is out of range");
    pb->number = (uint32_t)number;
    *wire = (unsigned)(value & 7);
    return at;
}

/* The value behind a tag that is no group mark. */
static inline const unsigned char *
payload(struct tj_pb *pb, const unsigned char *p, unsigned wire)
{
    switch (wire) {
    case TJ_PB_BYTES: return bytes(pb, p);
    case TJ_PB_VARINT: return varint(pb, p, &pb->value);
    case TJ_PB_FIXED64: return fixed(pb, p, 8);
    case TJ_PB_FIXED32: return fixed(pb, p, 4);
    default: return broken(pb, p - 1, "a wire type is unknown");
    }
}

/* p is behind a start mark of pb->number; the position behind the matching
 * end.  The open numbers are a stack of our own, not of calls. */
static const unsigned char *skip_group(struct tj_pb *pb, const unsigned char *p)
{
    uint32_t open[TJ_PB_DEPTH_MAX] = {pb->number};
    size_t depth = 1;
    while (depth) {
        const unsigned char *start = p;
        unsigned wire = 0;
        if (p == pb->end)
            return broken(pb, p, "the data ends inside a group");
        p = tag(pb, p, &wire);
        if (!p)
            return NULL;
        if (wire == GROUP_START) {
            if (depth == TJ_PB_DEPTH_MAX)
                return broken(pb, start, "groups are nested too deeply");
            open[depth++] = pb->number;
        } else if (wire == GROUP_END) {
            if (open[--depth] != pb->number)
                return broken(pb, start, "a group end matches no start");
        } else {
            p = payload(pb, p, wire);
            if (!p)
                return NULL;
        }
    }
    return p;
}

/* Any field but the usual one. */
static bool slow_field(struct tj_pb *pb)
{
    const unsigned char *p = pb->at;
    while (p < pb->end) {
        const unsigned char *start = p;
        unsigned wire = 0;
        p = tag(pb, p, &wire);
        if (!p)
            return false;
        if (wire == GROUP_START) {
            p = skip_group(pb, p);
            if (!p)
                return false;
            continue;
        }
        if (wire == GROUP_END) {
            (void)broken(pb, start, "a group end matches no start");
            return false;
        }
        p = payload(pb, p, wire);
        if (!p)
            return false;
        pb->wire = (enum tj_pb_wire)wire;
        pb->at = p;
        return true;
    }
    pb->at = p;
    return false;
}

/* Nine of ten fields are bytes with a number below 16 and a length of one or
 * two bytes; they are read here without a call (4.6 ns against 5.8).  What is
 * left is waiting for memory, and a prefetch of the next field made that
 * slower on every size tried. */
bool tj_pb_field(struct tj_pb *pb)
{
    const unsigned char *p = pb->at;
    size_t left = (size_t)(pb->end - p);
    if (TJ_UNLIKELY(left < 3 || (p[0] & 0x87) != TJ_PB_BYTES || p[0] < 8))
        return slow_field(pb);
    size_t len = p[1];
    size_t head = 2;
    if (len >= 0x80) {
        if (p[2] >= 0x80)
            return slow_field(pb);
        len = (len & 0x7f) | (size_t)p[2] << 7;
        head = 3;
    }
    if (TJ_UNLIKELY(len > left - head))
        return slow_field(pb);
    pb->number = p[0] >> 3;
    pb->wire = TJ_PB_BYTES;
    pb->bytes = tj_str_make((const char *)p + head, len);
    pb->at = p + head + len;
    return true;
}

bool tj_pb_fail(const struct tj_pb *pb, tj_str whole, struct tj_err *err)
{
    assert(pb->failed);
    size_t offset = (size_t)((const char *)pb->at - whole.ptr);
    assert(offset <= whole.len);
    return tj_fail(err, TJ_E_INPUT, "offset %zu: %s", offset, pb->failed);
}

static void put_raw_varint(struct tj_buf *out, uint64_t value)
{
    char text[VARINT_BYTES_MAX];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        text[n++] = (char)(value | 0x80);
    text[n++] = (char)value;
    tj_buf_add(out, tj_str_make(text, n));
}

static void put_tag(struct tj_buf *out, uint32_t number, enum tj_pb_wire wire)
{
    assert(number > 0);
    assert(number <= FIELD_NUMBER_MAX);
    put_raw_varint(out, (uint64_t)number << 3 | wire);
}

void tj_pb_put_varint(struct tj_buf *out, uint32_t number, uint64_t value)
{
    put_tag(out, number, TJ_PB_VARINT);
    put_raw_varint(out, value);
}

void tj_pb_put_fixed64(struct tj_buf *out, uint32_t number, uint64_t value)
{
    put_tag(out, number, TJ_PB_FIXED64);
    char text[8];
    for (unsigned i = 0; i < 8; i++)
        text[i] = (char)(value >> (8 * i));
    tj_buf_add(out, tj_str_make(text, sizeof text));
}

void tj_pb_put_bytes(struct tj_buf *out, uint32_t number, tj_str value)
{
    put_tag(out, number, TJ_PB_BYTES);
    put_raw_varint(out, value.len);
    tj_buf_add(out, value);
}
