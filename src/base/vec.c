/* vec.c - doubling.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/vec.h"

#include <string.h>

void tj_vec_grow(struct tj_arena *a, void **items, size_t *count, size_t *cap,
                 size_t item_size)
{
    if (*count == *cap) {
        size_t new_cap = *cap ? *cap * 2 : 8;
        size_t old_bytes = 0;
        size_t new_bytes = 0;
        bool fits = tj_size_mul(*cap, item_size, &old_bytes) &&
                    tj_size_mul(new_cap, item_size, &new_bytes);
        assert(fits);
        *items = tj_arena_grow(a, *items, old_bytes, new_bytes);
        *cap = new_cap;
    }
    memset((char *)*items + *count * item_size, 0, item_size);
    (*count)++;
}
