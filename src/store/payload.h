/* payload.h - the texts of one trace, small on disk and quick to reach.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An agent sends its whole history to the model with every turn, so most of
 * what a trace says it has said before.  A text that begins like an earlier
 * one is therefore kept as "the first N bytes of that one, then this":
 *
 *     turn 1   [system, user]              stream: "[system, user" + "]"
 *     turn 2   [system, user, a1, t1]      rope 0: 13 bytes of turn 1, "..."
 *     turn 3   [system, user, a1, t1, a2]  rope 1: of rope 0, then "..."
 *
 * What is left goes into one stream of bytes, cut into blocks of
 * TJ_PAYLOAD_BLOCK_BYTES that are compressed one by one, so that reading a
 * text costs its own blocks.  On disk: the blocks, and the table of ropes.
 *
 *     rope   = locator of the text it continues, bytes it takes from it,
 *              offset in the stream of its own bytes; see payload.c
 *     locator = offset in the stream, or TJ_PAYLOAD_ROPE | index of a rope
 *
 *  1. A locator with a length is a text.  Whoever keeps locators keeps
 *     lengths; a beginning of a text has the locator of that text.
 *  2. A rope continues only texts that were there before it, and chains are
 *     at most TJ_PAYLOAD_DEPTH_MAX long.
 *  3. Everything read back is checked: a corrupt table or block is
 *     TJ_E_BACKEND.
 * Threads: one at a time.
 */
#ifndef TJ_STORE_PAYLOAD_H
#define TJ_STORE_PAYLOAD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

enum {
    TJ_PAYLOAD_BLOCK_BYTES = 256 << 10,
    TJ_PAYLOAD_DEPTH_MAX = 1024,
    TJ_PAYLOAD_BLOCKS_MAX = 1000000, /* 250 GB of stream */
};
#define TJ_PAYLOAD_ROPE (UINT64_C(1) << 63)

struct tj_rope {
    uint64_t prefix; /* locator */
    uint64_t prefix_len;
    uint64_t offset; /* of its own bytes */
};

/* -- writing -------------------------------------------------------------- */

struct tj_payload_writer;

/* The texts given to it are borrowed until it is done with: they are what
 * later texts are compared with. */
struct tj_payload_writer *tj_payload_writer_new(struct tj_arena *a);
/* Where the text is; name (of its field) is a hint where to find one that
 * begins like it. */
uint64_t tj_payload_add(struct tj_payload_writer *w, tj_str name, tj_str text);
/* Offset of the next byte of the stream. */
uint64_t tj_payload_bytes(const struct tj_payload_writer *w);
/* The blocks in order: TJ_PAYLOAD_BLOCK_BYTES each, the last one what is
 * left.  room is as large as a block, or as all of the stream; false after the
 * last.  To be asked when all texts were added. */
bool tj_payload_next_block(struct tj_payload_writer *w, char *room,
                           tj_str *out);
void tj_payload_ropes_write(const struct tj_payload_writer *w,
                            struct tj_buf *out);

/* -- reading -------------------------------------------------------------- */

struct tj_payload {
    uint64_t bytes; /* of the stream */
    struct tj_rope *ropes;
    size_t rope_count;
    /* Gives block index, decompressed; what it gives lives as long as the
     * texts that are read. */
    bool (*block)(void *context, size_t index, tj_str *out, struct tj_err *err);
    void *context;
};

/* Fills ropes and rope_count from what tj_payload_ropes_write wrote. */
bool tj_payload_ropes_parse(struct tj_payload *p, tj_str table,
                            struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;
/* [offset, offset + len) of the text at locator; a view into a block when it
 * lies in one, else assembled in a. */
struct tj_payload_range {
    uint64_t locator;
    uint64_t offset;
    uint64_t len;
};
bool tj_payload_read(const struct tj_payload *p,
                     const struct tj_payload_range *range, struct tj_arena *a,
                     tj_str *out, struct tj_err *err) TJ_MUST_USE;

#endif
