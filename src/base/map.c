/* map.c - open addressing over an array of entries.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The hash is SipHash-1-3 (Aumasson and Bernstein; the reduced-round variant
 * that Rust and Python use for tables): strong enough against chosen keys,
 * and about a cycle a byte on the short keys seen here.
 */
#include "base/map.h"

#include <string.h>

#include "base/random.h"

enum { SLOTS_MIN = 16 };

static uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t tj_hash(tj_str bytes, uint64_t seed)
{
    uint64_t k1 = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    uint64_t v[4] = {
        seed ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
        seed ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t i = 0;
    for (; i + 8 <= bytes.len; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.ptr + i, sizeof word);
        sip_word(v, word);
    }
    uint64_t last = (uint64_t)bytes.len << 56;
    for (int shift = 0; i < bytes.len; i++, shift += 8)
        last |= (uint64_t)(unsigned char)bytes.ptr[i] << shift;
    sip_word(v, last);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void tj_map_init(struct tj_map *m, struct tj_arena *a)
{
    *m = (struct tj_map){.arena = a, .seed = tj_random_u64()};
}

static void rebuild(struct tj_map *m)
{
    size_t slot_count = m->slot_count ? m->slot_count * 2 : SLOTS_MIN;
    m->slots = tj_arena_array(m->arena, uint32_t, slot_count);
    m->slot_count = slot_count;
    for (size_t i = 0; i < m->count; i++) {
        size_t at = (size_t)m->entries[i].hash & (slot_count - 1);
        while (m->slots[at])
            at = (at + 1) & (slot_count - 1);
        m->slots[at] = (uint32_t)(i + 1);
    }
}

/* The slot that holds key, or the free one where it would go. */
static size_t seek(const struct tj_map *m, tj_str key, uint64_t hash)
{
    size_t at = (size_t)hash & (m->slot_count - 1);
    for (; m->slots[at]; at = (at + 1) & (m->slot_count - 1)) {
        const struct tj_map_entry *e = &m->entries[m->slots[at] - 1];
        if (e->hash == hash && tj_str_eq(e->key, key))
            break;
    }
    return at;
}

struct tj_map_entry *tj_map_find(const struct tj_map *m, tj_str key)
{
    if (m->count == 0)
        return NULL;
    uint32_t slot = m->slots[seek(m, key, tj_hash(key, m->seed))];
    return slot ? &m->entries[slot - 1] : NULL;
}

static void grow_entries(struct tj_map *m)
{
    assert(m->count < UINT32_MAX - 1);
    size_t cap = m->cap ? m->cap * 2 : 8;
    m->entries =
        tj_arena_grow(m->arena, m->entries, m->cap * sizeof *m->entries,
                      cap * sizeof *m->entries);
    m->cap = cap;
}

struct tj_map_entry *tj_map_add(struct tj_map *m, tj_str key, bool *fresh)
{
    if (m->count * 4 >= m->slot_count * 3)
        rebuild(m);
    uint64_t hash = tj_hash(key, m->seed);
    size_t at = seek(m, key, hash);
    *fresh = m->slots[at] == 0;
    if (!*fresh)
        return &m->entries[m->slots[at] - 1];
    if (m->count == m->cap)
        grow_entries(m);
    m->entries[m->count] = (struct tj_map_entry){.key = key, .hash = hash};
    m->slots[at] = (uint32_t)++m->count;
    return &m->entries[m->count - 1];
}
