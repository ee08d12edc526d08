/* bytes.c - numbers and strings in a row of bytes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/bytes.h"

enum { VARINT_BYTES_MAX = 10 };

void tj_bytes_put(struct tj_buf *out, uint64_t value)
{
    char bytes[VARINT_BYTES_MAX];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (char)value;
    tj_buf_add(out, (tj_str){bytes, len});
}

void tj_bytes_put_str(struct tj_buf *out, tj_str s)
{
    tj_bytes_put(out, s.len);
    tj_buf_add(out, s);
}

struct tj_bytes tj_bytes_open(tj_str bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    return (struct tj_bytes){
        .at = at, .end = at ? at + bytes.len : at, .empty = bytes.len == 0};
}

static uint64_t spoil(struct tj_bytes *b)
{
    b->bad = !b->empty;
    b->at = b->end;
    return 0;
}

uint64_t tj_bytes_long(struct tj_bytes *b)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && b->at < b->end; shift += 7) {
        uint64_t byte = *b->at++;
        if (shift == 63 && byte > 1)
            return spoil(b);
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    return spoil(b);
}

const char *tj_bytes_skip(struct tj_bytes *b, uint64_t size)
{
    if (size > tj_bytes_left(b)) {
        (void)spoil(b);
        return NULL;
    }
    const char *from = (const char *)b->at;
    if (size)
        b->at += size;
    return from;
}

tj_str tj_bytes_str(struct tj_bytes *b)
{
    uint64_t len = tj_bytes_take(b);
    const char *from = tj_bytes_skip(b, len);
    return from ? (tj_str){from, (size_t)len} : (tj_str){0};
}
