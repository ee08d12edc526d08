/* base.h - what every file may assume: attributes, checked sizes, small macros.
 * SPDX-License-Identifier: Apache-2.0
 *
 * This is the only place where a compiler extension is spelled out.  It holds
 * no state and no policy; anything with an idea of its own has its own header.
 */
#ifndef TJ_BASE_BASE_H
#define TJ_BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TJ_MUST_USE          __attribute__((warn_unused_result))
#define TJ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TJ_PURE              __attribute__((pure))
#define TJ_LIKELY(x)         __builtin_expect(!!(x), 1)
#define TJ_UNLIKELY(x)       __builtin_expect(!!(x), 0)

#define TJ_COUNT(array)      (sizeof(array) / sizeof((array)[0]))

/* False when the result does not fit; *out is then unspecified. */
static inline bool tj_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool tj_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline size_t tj_size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t tj_size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
