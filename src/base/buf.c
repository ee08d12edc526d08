/* buf.c - appending with a ceiling.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tj_buf_init(struct tj_buf *b, struct tj_arena *a, size_t bytes_max)
{
    *b = (struct tj_buf){.arena = a, .bytes_max = bytes_max};
}

void tj_buf_clear(struct tj_buf *b)
{
    b->len = 0;
    b->full = false;
}

static bool make_room(struct tj_buf *b, size_t size)
{
    if (b->full || size > b->bytes_max - b->len) {
        b->full = true;
        return false;
    }
    size_t want = b->len + size;
    if (want <= b->cap)
        return true;
    size_t cap = tj_size_max(tj_size_max(want, 64), b->cap + b->cap / 2);
    cap = tj_size_max(want, tj_size_min(cap, b->bytes_max));
    b->ptr = tj_arena_grow(b->arena, b->ptr, b->cap, cap);
    b->cap = cap;
    return true;
}

char *tj_buf_take(struct tj_buf *b, size_t size)
{
    if (!make_room(b, size))
        return NULL;
    char *at = b->ptr + b->len;
    b->len += size;
    return at;
}

void tj_buf_cut(struct tj_buf *b, size_t len)
{
    assert(len <= b->len);
    b->len = len;
}

void tj_buf_add(struct tj_buf *b, tj_str s)
{
    if (s.len == 0)
        return;
    char *at = tj_buf_take(b, s.len);
    if (at)
        memcpy(at, s.ptr, s.len);
}

void tj_buf_byte(struct tj_buf *b, char c)
{
    char *at = tj_buf_take(b, 1);
    if (at)
        *at = c;
}

void tj_buf_repeat(struct tj_buf *b, char c, size_t count)
{
    char *at = count ? tj_buf_take(b, count) : NULL;
    if (at)
        memset(at, c, count);
}

void tj_buf_u64(struct tj_buf *b, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    tj_buf_add(b, tj_str_make(digits + n, sizeof digits - n));
}

void tj_buf_i64(struct tj_buf *b, int64_t value)
{
    if (value >= 0) {
        tj_buf_u64(b, (uint64_t)value);
        return;
    }
    tj_buf_byte(b, '-');
    tj_buf_u64(b, 0 - (uint64_t)value);
}

void tj_buf_fmt(struct tj_buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    assert(n >= 0);
    /* vsnprintf writes a NUL behind the text: ask for it and give it back. */
    char *at = tj_buf_take(b, (size_t)n + 1);
    if (at) {
        (void)vsnprintf(at, (size_t)n + 1, format, again);
        b->len--;
    }
    va_end(again);
    va_end(args);
}

bool tj_buf_ok(const struct tj_buf *b, const char *what, struct tj_err *err)
{
    if (!b->full)
        return true;
    return tj_fail(err, TJ_E_LIMIT, "%s is over %zu bytes", what, b->bytes_max);
}
