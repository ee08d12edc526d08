/* buf.h - text and bytes being built, with a maximum, latching.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Append, append, append, and ask once at the end:
 *
 *     struct tj_buf b;
 *     tj_buf_init(&b, a, TJ_TOOL_RESULT_BYTES_MAX);
 *     tj_buf_add(&b, TJ_STR("spans: "));
 *     tj_buf_u64(&b, n);
 *     if (!tj_buf_ok(&b, "tool result", err)) return false;
 *
 *  1. It is born with its maximum.  An append that would pass it adds nothing
 *     and latches `full`; every later append is a no-op.
 *  2. The bytes live in the arena it was born with and may move on append.
 *  3. Everything here is binary safe; only tj_buf_clip knows about UTF-8.
 * Threads: one at a time.
 */
#ifndef TJ_BASE_BUF_H
#define TJ_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

struct tj_buf {
    struct tj_arena *arena;
    char *ptr;
    size_t len;
    size_t cap;
    size_t bytes_max;
    bool full; /* something did not fit */
};

void tj_buf_init(struct tj_buf *b, struct tj_arena *a, size_t bytes_max);
/* Empties it and takes back the latch; keeps the memory. */
void tj_buf_clear(struct tj_buf *b);

void tj_buf_add(struct tj_buf *b, tj_str s);
void tj_buf_byte(struct tj_buf *b, char c);
void tj_buf_repeat(struct tj_buf *b, char c, size_t count);
void tj_buf_u64(struct tj_buf *b, uint64_t value);
void tj_buf_i64(struct tj_buf *b, int64_t value);
void tj_buf_fmt(struct tj_buf *b, const char *format, ...) TJ_PRINTF(2, 3);

/* Room for exactly size bytes to write into, already counted in len; NULL
 * (and latched) when that would pass the maximum. */
char *tj_buf_take(struct tj_buf *b, size_t size);
/* Cuts back to len bytes (len <= b->len); does not take back the latch. */
void tj_buf_cut(struct tj_buf *b, size_t len);

static inline tj_str tj_buf_str(const struct tj_buf *b)
{
    return tj_str_make(b->ptr, b->len);
}

static inline size_t tj_buf_room(const struct tj_buf *b)
{
    return b->bytes_max - b->len;
}

/* TJ_E_LIMIT "<what> is over <bytes_max> bytes" when something did not fit. */
bool tj_buf_ok(const struct tj_buf *b, const char *what, struct tj_err *err)
    TJ_MUST_USE;

#endif
