/* vec.h - a growing array in an arena.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     TJ_VEC(struct tj_span) spans = {0};
 *     struct tj_span *s = tj_vec_add(&spans, a);     a zeroed new item
 *     tj_vec_each(&spans, struct tj_span, it) { ... it->name ... }
 *
 *  1. Items move when the array grows: keep indices, not pointers.
 *  2. The bound on how many there may be is the caller's (limits.h).
 * Threads: one at a time.
 */
#ifndef TJ_BASE_VEC_H
#define TJ_BASE_VEC_H

#include <stddef.h>

#include "base/arena.h"

#define TJ_VEC(type)                                                           \
    struct {                                                                   \
        type *items;                                                           \
        size_t count;                                                          \
        size_t cap;                                                            \
    }

/* A zeroed item at the end. */
#define tj_vec_add(vec, a)                                                     \
    (tj_vec_grow((a), (void **)&(vec)->items, &(vec)->count, &(vec)->cap,      \
                 sizeof *(vec)->items),                                        \
     &(vec)->items[(vec)->count - 1])

#define tj_vec_each(vec, type, it)                                             \
    for (type *it = (vec)->items; it && it < (vec)->items + (vec)->count; it++)

/* Makes room for one more, zeroes it and counts it.  Used by tj_vec_add. */
void tj_vec_grow(struct tj_arena *a, void **items, size_t *count, size_t *cap,
                 size_t item_size);

#endif
