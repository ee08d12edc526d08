/* arena.h - memory by lifetime: allocate many times, free once.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A function that returns memory takes `struct tj_arena *a`; what it returns
 * lives as long as a.  The program knows four lifetimes: process, request,
 * case (one trace under judgement) and step (one tool call or model turn).
 * Whoever makes an arena frees it.
 *
 * Blocks double from 4 KiB to 1 MiB; an allocation above half a block gets a
 * block of its own, so growing one big thing copies no neighbours.
 *  1. Nothing returns NULL (see heap.h), so sizes from outside are checked
 *     before they come here.
 *  2. Memory is zeroed by tj_arena_new, not by tj_arena_alloc.
 *  3. Alignment is 16.
 * Threads: one at a time.
 */
#ifndef TJ_BASE_ARENA_H
#define TJ_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/base.h"
#include "base/str.h"

struct tj_arena_block;

struct tj_arena {
    struct tj_arena_block *blocks; /* newest first */
    char *next;                    /* free room in the newest block */
    char *end;
    size_t block_bytes; /* size of the next block */
    size_t used_bytes;  /* handed out since init or reset */
};

/* `struct tj_arena a = {0};` is an arena as well. */
void tj_arena_init(struct tj_arena *a);
/* Frees all blocks; the arena can be used again. */
void tj_arena_release(struct tj_arena *a);
/* Forgets all allocations but keeps one ordinary block for the next round. */
void tj_arena_reset(struct tj_arena *a);

/* size bytes, not zeroed.  Size 0 gives a valid pointer to nothing. */
void *tj_arena_alloc(struct tj_arena *a, size_t size);
void *tj_arena_zero(struct tj_arena *a, size_t size);
/* Extends an allocation in place when it is the newest, else copies it. */
void *tj_arena_grow(struct tj_arena *a, void *old, size_t old_size,
                    size_t new_size);
/* Gives back the tail of an allocation when it is the newest; else nothing
 * happens.  old and its first new_size bytes stay where they are. */
void tj_arena_cut(struct tj_arena *a, void *old, size_t old_size,
                  size_t new_size);
/* Moves all memory of other into a (no byte is copied); other is then empty. */
void tj_arena_adopt(struct tj_arena *a, struct tj_arena *other);

/* One zeroed object, or count of them (count is checked for overflow). */
#define tj_arena_new(a, type) ((type *)tj_arena_zero((a), sizeof(type)))
#define tj_arena_array(a, type, count)                                         \
    ((type *)tj_arena_zero_array((a), (count), sizeof(type)))
void *tj_arena_zero_array(struct tj_arena *a, size_t count, size_t size);

/* Copies of s in a; tj_cstr ends in NUL (bytes after a NUL inside are lost to
 * C functions). */
tj_str tj_str_dup(struct tj_arena *a, tj_str s);
char *tj_cstr(struct tj_arena *a, tj_str s);
/* Formatted text; it is also NUL-terminated just behind its end. */
tj_str tj_str_printf(struct tj_arena *a, const char *format, ...)
    TJ_PRINTF(2, 3);
tj_str tj_str_vprintf(struct tj_arena *a, const char *format, va_list args)
    TJ_PRINTF(2, 0);

#endif
