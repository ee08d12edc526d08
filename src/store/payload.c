/* payload.c - the texts of one trace, small on disk and quick to reach.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Table of ropes:  count { prefix, prefix_len, own offset }  as varints.  A
 * prefix is 2 * offset in the stream, or 2 * steps back to another rope + 1
 * (so at least 3); the own offset is the distance from the one before.
 */
#include "store/payload.h"

#include "base/map.h"
#include "store/bytes.h"

enum {
    SHARED_BYTES_MIN = 64, /* less is cheaper to write again */
    HEAD_BYTES = 64,       /* texts that begin with the same ones meet */
    PLACES = 1024,         /* remembered texts; a power of two */
};

/* -- writing -------------------------------------------------------------- */

/* A text that later ones are compared with. */
struct place {
    tj_str text;
    uint64_t locator;
    uint32_t depth; /* of its chain */
};

struct tj_payload_writer {
    struct tj_arena *arena;
    TJ_VEC(tj_str) pieces; /* the stream */
    uint64_t bytes;        /* of it */
    TJ_VEC(struct tj_rope) ropes;
    struct place *places; /* made when the first long text comes */
    size_t piece;         /* where the next block goes on */
    size_t piece_at;
};

struct tj_payload_writer *tj_payload_writer_new(struct tj_arena *a)
{
    struct tj_payload_writer *w = tj_arena_new(a, struct tj_payload_writer);
    w->arena = a;
    return w;
}

uint64_t tj_payload_bytes(const struct tj_payload_writer *w)
{
    return w->bytes;
}

static uint64_t append(struct tj_payload_writer *w, tj_str bytes)
{
    uint64_t at = w->bytes;
    if (bytes.len)
        *tj_vec_add(&w->pieces, w->arena) = bytes;
    w->bytes += bytes.len;
    return at;
}

static size_t common_prefix(tj_str a, tj_str b)
{
    size_t len = tj_size_min(a.len, b.len);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t x;
        uint64_t y;
        memcpy(&x, a.ptr + i, 8);
        memcpy(&y, b.ptr + i, 8);
        if (x != y)
            break;
    }
    while (i < len && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

static struct place *place_of(struct tj_payload_writer *w, tj_str key,
                              uint64_t seed)
{
    return &w->places[tj_hash(key, seed) & (PLACES - 1)];
}

/* A beginning of a rope that lies wholly in what the rope took over is a
 * beginning of that: chains stay as short as they can be. */
static struct tj_rope continued(const struct tj_payload_writer *w,
                                uint64_t locator, uint64_t len)
{
    while (locator & TJ_PAYLOAD_ROPE) {
        const struct tj_rope *r = &w->ropes.items[locator & ~TJ_PAYLOAD_ROPE];
        if (len > r->prefix_len)
            break;
        locator = r->prefix;
    }
    return (struct tj_rope){.prefix = locator, .prefix_len = len};
}

/* Where text is, if it may lean on the text at from for its first len. */
static uint64_t add_rope(struct tj_payload_writer *w, const struct place *from,
                         tj_str text, size_t len)
{
    struct tj_rope rope = continued(w, from->locator, len);
    if (len == text.len)
        return rope.prefix;
    rope.offset = append(w, tj_str_slice(text, len, text.len - len));
    *tj_vec_add(&w->ropes, w->arena) = rope;
    return TJ_PAYLOAD_ROPE | (w->ropes.count - 1);
}

uint64_t tj_payload_add(struct tj_payload_writer *w, tj_str name, tj_str text)
{
    if (text.len < SHARED_BYTES_MIN)
        return append(w, text);
    if (!w->places)
        w->places = tj_arena_array(w->arena, struct place, PLACES);
    struct place *same_head = place_of(w, tj_str_slice(text, 0, HEAD_BYTES), 1);
    struct place *same_name = place_of(w, name, 2);
    size_t by_head = common_prefix(same_head->text, text);
    size_t by_name = common_prefix(same_name->text, text);
    const struct place *best = by_head >= by_name ? same_head : same_name;
    size_t shared = tj_size_max(by_head, by_name);
    struct place now = {.text = text};
    if (shared == text.len) /* nothing new to remember */
        return add_rope(w, best, text, shared);
    if (shared >= SHARED_BYTES_MIN && best->depth < TJ_PAYLOAD_DEPTH_MAX) {
        now.locator = add_rope(w, best, text, shared);
        now.depth = best->depth + 1;
    } else {
        now.locator = append(w, text);
    }
    *same_head = *same_name = now;
    return now.locator;
}

bool tj_payload_next_block(struct tj_payload_writer *w, char *room, tj_str *out)
{
    size_t len = 0;
    while (w->piece < w->pieces.count && len < TJ_PAYLOAD_BLOCK_BYTES) {
        tj_str rest = tj_str_slice(w->pieces.items[w->piece], w->piece_at,
                                   TJ_PAYLOAD_BLOCK_BYTES - len);
        memcpy(room + len, rest.ptr, rest.len);
        len += rest.len;
        w->piece_at += rest.len;
        if (w->piece_at == w->pieces.items[w->piece].len) {
            w->piece++;
            w->piece_at = 0;
        }
    }
    *out = (tj_str){room, len};
    return len > 0;
}

void tj_payload_ropes_write(const struct tj_payload_writer *w,
                            struct tj_buf *out)
{
    uint64_t offset = 0;
    if (w->ropes.count)
        tj_bytes_put(out, w->ropes.count);
    for (size_t i = 0; i < w->ropes.count; i++) {
        const struct tj_rope *r = &w->ropes.items[i];
        uint64_t of = r->prefix & ~TJ_PAYLOAD_ROPE;
        tj_bytes_put(out,
                     r->prefix & TJ_PAYLOAD_ROPE ? 2 * (i - of) + 1 : 2 * of);
        tj_bytes_put(out, r->prefix_len);
        tj_bytes_put(out, r->offset - offset);
        offset = r->offset;
    }
}

/* -- reading -------------------------------------------------------------- */

static bool corrupt(struct tj_err *err, const char *what)
{
    return tj_fail(err, TJ_E_BACKEND, "corrupt payload: %s", what);
}

static bool take_rope(struct tj_bytes *b, size_t index, struct tj_rope *out)
{
    uint64_t prefix = tj_bytes_take(b);
    uint64_t of = prefix / 2;
    out->prefix = of;
    if (prefix & 1) {
        if (of == 0 || of > index)
            return false;
        out->prefix = TJ_PAYLOAD_ROPE | (index - of);
    }
    out->prefix_len = tj_bytes_take(b);
    out->offset = tj_bytes_take(b);
    return true;
}

bool tj_payload_ropes_parse(struct tj_payload *p, tj_str table,
                            struct tj_arena *a, struct tj_err *err)
{
    struct tj_bytes b = tj_bytes_open(table);
    uint64_t count = tj_bytes_take(&b);
    /* A rope takes at least three bytes. */
    if (count > tj_bytes_left(&b) / 3)
        return corrupt(err, "more ropes than bytes");
    struct tj_rope *ropes = tj_arena_array(a, struct tj_rope, (size_t)count);
    uint64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        if (!take_rope(&b, i, &ropes[i]))
            return corrupt(err, "a rope that continues a later one");
        ropes[i].offset += offset;
        offset = ropes[i].offset;
    }
    if (b.bad || tj_bytes_left(&b))
        return corrupt(err, "the table of ropes has another length");
    p->ropes = ropes;
    p->rope_count = (size_t)count;
    return true;
}

/* One stretch of the stream, and where in the text it belongs. */
struct stretch {
    uint64_t offset;
    uint64_t len;
};

/* The last stretch of range; cuts it off range.  Going from the end to the
 * beginning follows a chain only once. */
static bool cut_stretch(const struct tj_payload *p,
                        struct tj_payload_range *range, struct stretch *out,
                        struct tj_err *err)
{
    uint64_t from = range->offset;
    uint64_t to = range->offset + range->len;
    while (range->locator & TJ_PAYLOAD_ROPE) {
        uint64_t index = range->locator & ~TJ_PAYLOAD_ROPE;
        if (index >= p->rope_count)
            return corrupt(err, "no such rope");
        const struct tj_rope *r = &p->ropes[index];
        if (to > r->prefix_len) {
            uint64_t start = from > r->prefix_len ? from : r->prefix_len;
            out->offset = r->offset + (start - r->prefix_len);
            out->len = to - start;
            range->len = start - from;
            return true;
        }
        range->locator = r->prefix;
    }
    out->offset = range->locator + from;
    out->len = range->len;
    range->len = 0;
    return true;
}

/* The part of block that begins at offset in the stream. */
static bool block_from(const struct tj_payload *p, uint64_t offset, tj_str *out,
                       struct tj_err *err)
{
    uint64_t index = offset / TJ_PAYLOAD_BLOCK_BYTES;
    uint64_t begin = index * TJ_PAYLOAD_BLOCK_BYTES;
    uint64_t left = p->bytes - begin;
    tj_str block;
    if (!p->block(p->context, (size_t)index, &block, err))
        return false;
    if (block.len !=
        (left < TJ_PAYLOAD_BLOCK_BYTES ? left : TJ_PAYLOAD_BLOCK_BYTES))
        return corrupt(err, "a block has another length");
    *out = tj_str_slice(block, (size_t)(offset - begin), block.len);
    return true;
}

static bool check_stretch(const struct tj_payload *p, struct stretch s,
                          struct tj_err *err)
{
    if (s.offset > p->bytes || s.len > p->bytes - s.offset)
        return corrupt(err, "a text behind the end");
    return true;
}

static bool copy_stretch(const struct tj_payload *p, struct stretch s,
                         char *out, struct tj_err *err)
{
    if (!check_stretch(p, s, err))
        return false;
    while (s.len) {
        tj_str part = {0};
        if (!block_from(p, s.offset, &part, err))
            return false;
        assert(part.ptr); /* s.offset is before the end */
        size_t len = s.len < part.len ? (size_t)s.len : part.len;
        memcpy(out, part.ptr, len);
        out += len;
        s.offset += len;
        s.len -= len;
    }
    return true;
}

/* A length that no text here can have is refused before memory is asked for:
 * each step of a chain adds at most what the stream holds. */
static bool check_len(const struct tj_payload *p,
                      const struct tj_payload_range *range, struct tj_err *err)
{
    uint64_t end;
    if (__builtin_add_overflow(range->offset, range->len, &end) ||
        end / (TJ_PAYLOAD_DEPTH_MAX + 1) > p->bytes)
        return corrupt(err, "a text of an impossible length");
    return true;
}

bool tj_payload_read(const struct tj_payload *p,
                     const struct tj_payload_range *range, struct tj_arena *a,
                     tj_str *out, struct tj_err *err)
{
    struct tj_payload_range left = *range;
    struct stretch s = {0};
    if (range->len == 0) {
        *out = (tj_str){"", 0};
        return true;
    }
    if (!check_len(p, range, err) || !cut_stretch(p, &left, &s, err) ||
        !check_stretch(p, s, err))
        return false;
    uint64_t block_left =
        TJ_PAYLOAD_BLOCK_BYTES - s.offset % TJ_PAYLOAD_BLOCK_BYTES;
    if (left.len == 0 && s.len <= block_left) {
        tj_str part = {0};
        if (!block_from(p, s.offset, &part, err))
            return false;
        *out = tj_str_slice(part, 0, (size_t)s.len);
        return true;
    }
    char *text = tj_arena_alloc(a, (size_t)range->len);
    for (;;) {
        if (!copy_stretch(p, s, text + left.len, err))
            return false;
        if (left.len == 0)
            break;
        if (!cut_stretch(p, &left, &s, err))
            return false;
    }
    *out = (tj_str){text, (size_t)range->len};
    return true;
}
