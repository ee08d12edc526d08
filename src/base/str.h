/* str.h - a slice of bytes by value: the string type of this program.
 * SPDX-License-Identifier: Apache-2.0
 *
 *  1. A tj_str may contain NUL and need not end in one.
 *  2. ptr may be NULL only when len is 0.
 *  3. It owns nothing: it lives as long as the memory it points into.
 * C strings exist only next to libc and other C libraries (tj_cstr in arena.h).
 * Threads: any.
 */
#ifndef TJ_BASE_STR_H
#define TJ_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"

typedef struct tj_str {
    const char *ptr;
    size_t len;
} tj_str;

/* A literal as a slice; TJ_STR_INIT is the same for static initialisers. */
#define TJ_STR(literal) ((tj_str){"" literal, sizeof(literal) - 1})
#define TJ_STR_INIT(literal)                                                   \
    {                                                                          \
        "" literal, sizeof(literal) - 1                                        \
    }
/* printf("%.*s", TJ_STR_ARG(s)) */
#define TJ_STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline tj_str tj_str_make(const char *ptr, size_t len)
{
    tj_str s = {ptr, len}; /* no compound literal: C++ reads this header */
    return s;
}

/* text may be NULL: the empty slice. */
static inline tj_str tj_str_c(const char *text)
{
    return tj_str_make(text, text ? strlen(text) : 0);
}

static inline bool tj_str_eq(tj_str a, tj_str b)
{
    return a.len == b.len && (a.len == 0 || !memcmp(a.ptr, b.ptr, a.len));
}

/* Byte order; a prefix sorts before what it begins. <0, 0, >0. */
int tj_str_cmp(tj_str a, tj_str b) TJ_PURE;
/* ASCII case folded, for header names, keywords and the like. */
bool tj_str_eq_fold(tj_str a, tj_str b) TJ_PURE;
bool tj_str_starts(tj_str s, tj_str prefix) TJ_PURE;
bool tj_str_ends(tj_str s, tj_str suffix) TJ_PURE;

/* The slice of s from offset, at most len bytes; clamped to s. */
tj_str tj_str_slice(tj_str s, size_t offset, size_t len) TJ_PURE;
/* Index of the first needle, or (size_t)-1.  An empty needle is at 0. */
size_t tj_str_find(tj_str s, tj_str needle) TJ_PURE;
size_t tj_str_find_byte(tj_str s, char byte) TJ_PURE;
/* Without ASCII blanks (space, \t, \r, \n) at both ends. */
tj_str tj_str_trim(tj_str s) TJ_PURE;

/* Cuts *rest at the first `byte`: returns what was before it and leaves what
 * is after.  With no such byte returns all and leaves *rest empty with
 * ptr NULL, which ends a loop `while (rest.ptr)`. */
tj_str tj_str_cut(tj_str *rest, char byte);

/* Whole decimal numbers: every byte must belong.  False leaves *out alone. */
bool tj_str_to_u64(tj_str s, uint64_t *out) TJ_MUST_USE;
bool tj_str_to_i64(tj_str s, int64_t *out) TJ_MUST_USE;
/* A finite JSON-style number, independent of the locale. */
bool tj_str_to_double(tj_str s, double *out) TJ_MUST_USE;

#endif
