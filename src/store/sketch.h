/* sketch.h - a few hundred bytes that say what a trace cannot contain.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A Bloom filter over a trace's texts and attributes.  A search that would
 * have to read every trace asks the sketch first: "no" is certain, "maybe"
 * means reading.  What is in it:
 *  1. every three bytes that follow each other in a text, case folded;
 *  2. every (key, value) of a short attribute, four bits each.
 * The size is a power of two, chosen when all is in: the smallest that leaves
 * over half of the bits unset.  Halves laid over each other are the same as
 * a filter of half the size, so nothing need be known beforehand.
 *  3. Whatever a LIKE, ILIKE or = in a filter matches, its sketch admits:
 *     case folding is at least as coarse as that of text/regex.h.
 * Threads: plain data.
 */
#ifndef TJ_STORE_SKETCH_H
#define TJ_STORE_SKETCH_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"

enum {
    TJ_SKETCH_BYTES_MIN = 32,
    TJ_SKETCH_BYTES_MAX = 16 << 10,
    /* Longer values are known by their text alone. */
    TJ_SKETCH_VALUE_BYTES_MAX = 256,
};

/* -- making --------------------------------------------------------------- */

struct tj_sketch {
    unsigned char bits[TJ_SKETCH_BYTES_MAX];
};

void tj_sketch_init(struct tj_sketch *s);
void tj_sketch_add_text(struct tj_sketch *s, tj_str text);
/* Values that a filter takes for equal ("5" and "5.0") are one. */
void tj_sketch_add_term(struct tj_sketch *s, tj_str key, tj_str value);
/* The sketch, in a; to be asked once, when all is in. */
tj_str tj_sketch_finish(struct tj_sketch *s, struct tj_arena *a);

/* -- asking --------------------------------------------------------------- */

/* Everything that a trace must contain. */
struct tj_sketch_ask {
    TJ_VEC(uint32_t) hashes;
};

void tj_sketch_ask_term(struct tj_sketch_ask *ask, struct tj_arena *a,
                        tj_str key, tj_str value);
/* A text that contains this one, in whatever case. */
void tj_sketch_ask_text(struct tj_sketch_ask *ask, struct tj_arena *a,
                        tj_str text);
bool tj_sketch_admits(tj_str sketch, const struct tj_sketch_ask *ask);

/* The code that stands for this one and for all that are the same but for
 * their case.  *known is false where that was not looked into: what is asked
 * must leave such a character out. */
uint32_t tj_sketch_fold(uint32_t code, bool *known);

#endif
