/* heap.h - memory for things: the only door to malloc.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Things with identity (a store, a server, a pool) live here and have a close
 * or free of their own; everything else belongs in an arena.
 *  1. Nothing here returns NULL: real exhaustion ends the process with one
 *     line on stderr (stores are transactional).  So every size that an
 *     outsider can choose is checked against a limit *before* it gets here.
 * Threads: any.
 */
#ifndef TJ_BASE_HEAP_H
#define TJ_BASE_HEAP_H

#include <stddef.h>

/* Zeroed memory of size bytes (size > 0). */
void *tj_heap_new(size_t size);
/* As realloc; the new part is not zeroed.  old may be NULL. */
void *tj_heap_grow(void *old, size_t size);
/* Takes NULL. */
void tj_heap_free(void *memory);

/* For a process that stays and has many threads: bounds what the allocator
 * keeps for itself.  Once, at the start. */
void tj_heap_tune(void);
/* Gives back what is free; for quiet times. */
void tj_heap_trim(void);

#endif
