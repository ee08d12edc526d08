/* room.h - how much memory request bodies may take, all together.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each body has a limit of its own; this one keeps many that are within it
 * from filling the machine.  Whoever keeps bytes of a body takes them here
 * first and gives them back.
 * Threads: any.
 */
#ifndef TJ_SERVE_ROOM_H
#define TJ_SERVE_ROOM_H

#include <stdatomic.h>

#include "base/base.h"

struct tj_room {
    atomic_size_t used_bytes;
    size_t bytes_max;
};

static inline bool tj_room_take(struct tj_room *room, size_t bytes)
{
    size_t used = atomic_load(&room->used_bytes);
    do {
        if (bytes > room->bytes_max || used > room->bytes_max - bytes)
            return false;
    } while (
        !atomic_compare_exchange_weak(&room->used_bytes, &used, used + bytes));
    return true;
}

static inline void tj_room_give(struct tj_room *room, size_t bytes)
{
    size_t before = atomic_fetch_sub(&room->used_bytes, bytes);
    assert(before >= bytes);
    (void)before;
}

#endif
