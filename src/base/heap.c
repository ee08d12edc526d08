/* heap.c - malloc that does not fail.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/heap.h"

#include <assert.h>
#ifdef __GLIBC__
#    include <malloc.h>
#endif
#include <stdlib.h>
#include <unistd.h>

enum {
    ARENAS_MAX = 4,
    MMAP_BYTES_MIN = 4 << 20,
    TRIM_BYTES_MIN = 8 << 20,
};

static void die_of_exhaustion(void)
{
    static const char text[] = "tracejudge: out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    abort();
}

void *tj_heap_new(size_t size)
{
    assert(size > 0);
    void *memory = calloc(1, size);
    if (!memory)
        die_of_exhaustion();
    return memory;
}

void *tj_heap_grow(void *old, size_t size)
{
    assert(size > 0);
    void *memory = realloc(old, size);
    if (!memory)
        die_of_exhaustion();
    return memory;
}

void tj_heap_free(void *memory)
{
    free(memory);
}

/* -- for servers ---------------------------------------------------------- */

/* Many threads would each get an allocator arena of their own, each of which
 * keeps what it once needed.  A few are enough, and big blocks go back to the
 * system as soon as they are freed. */
void tj_heap_tune(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_ARENA_MAX, ARENAS_MAX);
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES_MIN);
#endif
}

void tj_heap_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}
