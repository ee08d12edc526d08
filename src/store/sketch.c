/* sketch.c - three bytes at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/sketch.h"

#include <string.h>

#include "base/base.h"
#include "text/utf8.h"

enum {
    TERM_HASHES = 4,
    TERM_KEY_SEED = 0x5bd1e995,
    BITS_MAX = TJ_SKETCH_BYTES_MAX * 8,
};

/* -- case ----------------------------------------------------------------- */

/* Letters whose other case is `step` away, and what has no case at all. */
struct range {
    uint32_t first;
    uint32_t last;
    int32_t step;
};

static const struct range ranges[] = {
    {0x0000, 0x0040, 0},     {0x0041, 0x005a, 0x20},  {0x005b, 0x00b4, 0},
    {0x00b5, 0x00b5, 0x307}, {0x00b6, 0x00bf, 0},     {0x00c0, 0x00d6, 0x20},
    {0x00d7, 0x00d7, 0},     {0x00d8, 0x00de, 0x20},  {0x00df, 0x00ff, 0},
    {0x017f, 0x017f, -268},  {0x0178, 0x0178, -0x79}, {0x0391, 0x03a1, 0x20},
    {0x03a3, 0x03ab, 0x20},  {0x03b1, 0x03c1, 0},     {0x03c2, 0x03c2, 1},
    {0x03c3, 0x03c9, 0},     {0x03d0, 0x03d0, -30},   {0x03d1, 0x03d1, -25},
    {0x03d5, 0x03d5, -15},   {0x03d6, 0x03d6, -22},   {0x03f0, 0x03f0, -54},
    {0x03f1, 0x03f1, -48},   {0x03f4, 0x03f4, -60},   {0x03f5, 0x03f5, -64},
    {0x0400, 0x040f, 0x50},  {0x0410, 0x042f, 0x20},  {0x0430, 0x045f, 0},
    {0x0590, 0x109f, 0},     {0x2000, 0x20ff, 0},     {0x2e80, 0xa63f, 0},
    {0xac00, 0xd7a3, 0},
};

/* Single ones that are another case of a letter above. */
static const uint32_t odd[][2] = {
    {0x0345, 0x03b9}, {0x1c80, 0x0432}, {0x1c81, 0x0434}, {0x1c82, 0x043e},
    {0x1c83, 0x0441}, {0x1c84, 0x0442}, {0x1c85, 0x0442}, {0x1c86, 0x044a},
    {0x1e9e, 0x00df}, {0x1fbe, 0x03b9}, {0x2126, 0x03c9}, {0x212a, 'k'},
    {0x212b, 0x00e5},
};

uint32_t tj_sketch_fold(uint32_t code, bool *known)
{
    *known = true;
    for (size_t i = 0; i < TJ_COUNT(ranges); i++) {
        const struct range *r = &ranges[i];
        if (code >= r->first && code <= r->last)
            return (uint32_t)((int32_t)code + r->step);
    }
    for (size_t i = 0; i < TJ_COUNT(odd); i++) {
        if (code == odd[i][0])
            return odd[i][1];
    }
    *known = false;
    return code;
}

/* -- bytes ---------------------------------------------------------------- */

static uint32_t mix(uint32_t x)
{
    x *= 0x9e3779b1u;
    x ^= x >> 15;
    x *= 0x85ebca77u;
    return x ^ x >> 13;
}

static uint32_t lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c + 0x20u : c;
}

/* Calls use(ctx, hash) for each three bytes of the folded text.  What is no
 * character makes a gap; and so, when only_known, does one whose case was not
 * looked into. */
struct walk {
    void (*use)(void *ctx, uint32_t hash);
    void *ctx;
    bool only_known;
    uint32_t last;  /* three bytes */
    unsigned count; /* since the last gap */
};

static inline void walk_byte(struct walk *w, uint32_t byte)
{
    w->last = (w->last << 8 | byte) & 0xffffff;
    if (++w->count >= 3)
        w->use(w->ctx, mix(w->last));
}

static size_t walk_high(struct walk *w, tj_str rest)
{
    uint32_t code;
    bool known;
    char bytes[4];
    size_t len = tj_utf8_next(rest, &code);
    if (code == TJ_UTF8_BAD) { /* matches nothing in a regex */
        w->count = 0;
        return len;
    }
    code = tj_sketch_fold(code, &known);
    if (!known && w->only_known) {
        w->count = 0;
        return len;
    }
    size_t size = tj_utf8_encode(code, bytes);
    for (size_t i = 0; i < size; i++)
        walk_byte(w, (unsigned char)bytes[i]);
    return len;
}

static void walk_text(struct walk *w, tj_str text)
{
    w->count = 0;
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x80) {
            walk_byte(w, lower(c));
            i++;
        } else {
            i += walk_high(w, tj_str_slice(text, i, text.len));
        }
    }
}

/* -- terms ---------------------------------------------------------------- */

static uint32_t hash_bytes(uint32_t seed, tj_str s)
{
    uint32_t h = seed;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ lower((unsigned char)s.ptr[i])) * 0x01000193u;
    return mix(h);
}

/* Calls use for each bit of a term; for none when the value is too long.  A
 * number is short, however it is written. */
static void walk_term(const struct walk *w, tj_str key, tj_str value)
{
    double number;
    if (tj_str_to_double(value, &number)) {
        number += 0.0; /* -0 is 0 */
        value = tj_str_make((const char *)&number, sizeof number);
    }
    if (value.len > TJ_SKETCH_VALUE_BYTES_MAX)
        return;
    uint32_t h = hash_bytes(hash_bytes(TERM_KEY_SEED, key), value);
    for (uint32_t i = 0; i < TERM_HASHES; i++)
        w->use(w->ctx, mix(h + i * 0x68e31da4u));
}

/* -- making --------------------------------------------------------------- */

static void set_bit(void *ctx, uint32_t hash)
{
    struct tj_sketch *s = ctx;
    uint32_t bit = hash % BITS_MAX;
    s->bits[bit / 8] |= (unsigned char)(1u << bit % 8);
}

void tj_sketch_init(struct tj_sketch *s)
{
    memset(s, 0, sizeof *s);
}

void tj_sketch_add_text(struct tj_sketch *s, tj_str text)
{
    struct walk w = {.use = set_bit, .ctx = s};
    walk_text(&w, text);
}

void tj_sketch_add_term(struct tj_sketch *s, tj_str key, tj_str value)
{
    struct walk w = {.use = set_bit, .ctx = s};
    walk_term(&w, key, value);
}

static size_t count_bits(const unsigned char *bytes, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += (size_t)__builtin_popcount(bytes[i]);
    return count;
}

tj_str tj_sketch_finish(struct tj_sketch *s, struct tj_arena *a)
{
    unsigned char half[TJ_SKETCH_BYTES_MAX / 2];
    size_t size = TJ_SKETCH_BYTES_MAX;
    while (size > TJ_SKETCH_BYTES_MIN) {
        size_t next = size / 2;
        for (size_t i = 0; i < next; i++)
            half[i] = s->bits[i] | s->bits[next + i];
        if (count_bits(half, next) * 2 > next * 8)
            break;
        memcpy(s->bits, half, next);
        size = next;
    }
    return tj_str_dup(a, (tj_str){(const char *)s->bits, size});
}

/* -- asking --------------------------------------------------------------- */

struct asking {
    struct tj_sketch_ask *ask;
    struct tj_arena *arena;
};

static void want_bit(void *ctx, uint32_t hash)
{
    struct asking *asking = ctx;
    *tj_vec_add(&asking->ask->hashes, asking->arena) = hash % BITS_MAX;
}

void tj_sketch_ask_term(struct tj_sketch_ask *ask, struct tj_arena *a,
                        tj_str key, tj_str value)
{
    struct asking asking = {ask, a};
    struct walk w = {.use = want_bit, .ctx = &asking};
    walk_term(&w, key, value);
}

void tj_sketch_ask_text(struct tj_sketch_ask *ask, struct tj_arena *a,
                        tj_str text)
{
    struct asking asking = {ask, a};
    struct walk w = {.use = want_bit, .ctx = &asking, .only_known = true};
    walk_text(&w, text);
}

bool tj_sketch_admits(tj_str sketch, const struct tj_sketch_ask *ask)
{
    size_t bits = sketch.len * 8;
    if (bits == 0 || (bits & (bits - 1))) /* not one of ours: read the trace */
        return true;
    for (size_t i = 0; i < ask->hashes.count; i++) {
        size_t bit = ask->hashes.items[i] & (bits - 1);
        if (!((unsigned char)sketch.ptr[bit / 8] >> bit % 8 & 1))
            return false;
    }
    return true;
}
