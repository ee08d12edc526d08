/* map.h - a hash map from byte strings to numbers or pointers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Keys come from outside, so the hash is keyed with a random seed per map: a
 * sender cannot choose keys that collide.
 *  1. Keys are borrowed: they must live as long as the map.
 *  2. Iteration order is insertion order (entries are an array).
 *  3. There is no removal; a map lives in an arena and dies with it.
 * Threads: one at a time.
 */
#ifndef TJ_BASE_MAP_H
#define TJ_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct tj_map_entry {
    tj_str key;
    uint64_t hash;
    union {
        uint64_t number;
        void *ptr;
    };
};

struct tj_map {
    struct tj_arena *arena;
    struct tj_map_entry *entries; /* count of them, in order of insertion */
    uint32_t *slots;              /* entry index + 1; 0 is free */
    size_t count;
    size_t cap;        /* of entries */
    size_t slot_count; /* a power of two */
    uint64_t seed;
};

void tj_map_init(struct tj_map *m, struct tj_arena *a);
/* NULL when there is none. */
struct tj_map_entry *tj_map_find(const struct tj_map *m, tj_str key);
/* The entry for key; *fresh says whether it was made now (value zero).
 * The pointer is good until the next tj_map_add. */
struct tj_map_entry *tj_map_add(struct tj_map *m, tj_str key, bool *fresh);

/* A seeded 64-bit hash of bytes; good against chosen keys when the seed is
 * secret, not a cryptographic digest. */
uint64_t tj_hash(tj_str bytes, uint64_t seed);

#endif
