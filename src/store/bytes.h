/* bytes.h - numbers and strings in a row of bytes: what blobs are made of.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Numbers are LEB128 varints; signed ones are zigzag; a string is its length
 * and its bytes.
 *  1. Reading past the end, or a number over 64 bits, latches `bad` and gives
 *     zeros from there on: read all, then ask once.
 *  2. An empty reader that was opened empty gives zeros and is not bad: a
 *     column of nothing but zeros takes no room.
 * Threads: one at a time.
 */
#ifndef TJ_STORE_BYTES_H
#define TJ_STORE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

void tj_bytes_put(struct tj_buf *out, uint64_t value);
void tj_bytes_put_str(struct tj_buf *out, tj_str s);

static inline uint64_t tj_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t tj_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

struct tj_bytes {
    const unsigned char *at;
    const unsigned char *end;
    bool empty; /* invariant 2 */
    bool bad;
};

struct tj_bytes tj_bytes_open(tj_str bytes);
uint64_t tj_bytes_long(struct tj_bytes *b);
/* size bytes, or NULL. */
const char *tj_bytes_skip(struct tj_bytes *b, uint64_t size);
tj_str tj_bytes_str(struct tj_bytes *b);

static inline uint64_t tj_bytes_take(struct tj_bytes *b)
{
    if (TJ_LIKELY(b->at < b->end && *b->at < 0x80))
        return *b->at++;
    return tj_bytes_long(b);
}

static inline size_t tj_bytes_left(const struct tj_bytes *b)
{
    return (size_t)(b->end - b->at);
}

#endif
