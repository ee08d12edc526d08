/* arena.c - bump allocation over a chain of heap blocks.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   a->blocks -> [header | bytes ... next ... end ] -> older -> older -> NULL
 *
 * The newest block is the one that grows.  A big allocation makes a block of
 * its own and becomes the newest, so that tj_arena_grow can realloc it.
 */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

#include "base/heap.h"

enum {
    ALIGN = 16,
    BLOCK_BYTES_MIN = 4096,
    BLOCK_BYTES_MAX = 1 << 20,
};

struct tj_arena_block {
    struct tj_arena_block *older;
    size_t size; /* bytes behind the header */
};

#if defined(__SANITIZE_ADDRESS__)
#    define TJ_HAS_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define TJ_HAS_ASAN 1
#    endif
#endif

#ifdef TJ_HAS_ASAN
#    include <sanitizer/asan_interface.h>
#    define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#    define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#    define POISON(p, n)   ((void)(p), (void)(n))
#    define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

static size_t round_up(size_t n)
{
    size_t sum = 0;
    bool fits = tj_size_add(n, ALIGN - 1, &sum);
    assert(fits);
    return sum & ~(size_t)(ALIGN - 1);
}

static char *bytes_of(struct tj_arena_block *block)
{
    return (char *)block + round_up(sizeof *block);
}

void tj_arena_init(struct tj_arena *a)
{
    *a = (struct tj_arena){0};
}

static void free_blocks(struct tj_arena_block *block)
{
    while (block) {
        struct tj_arena_block *older = block->older;
        UNPOISON(bytes_of(block), block->size);
        tj_heap_free(block);
        block = older;
    }
}

void tj_arena_release(struct tj_arena *a)
{
    free_blocks(a->blocks);
    *a = (struct tj_arena){0};
}

void tj_arena_reset(struct tj_arena *a)
{
    struct tj_arena_block *keep = a->blocks;
    if (!keep || keep->size > BLOCK_BYTES_MAX) {
        tj_arena_release(a);
        return;
    }
    free_blocks(keep->older);
    keep->older = NULL;
    a->next = bytes_of(keep);
    a->end = a->next + keep->size;
    a->used_bytes = 0;
    POISON(a->next, keep->size);
}

static void add_block(struct tj_arena *a, size_t size)
{
    size_t total = 0;
    bool fits =
        tj_size_add(round_up(sizeof(struct tj_arena_block)), size, &total);
    assert(fits);
    struct tj_arena_block *block = tj_heap_grow(NULL, total);
    block->size = size;
    block->older = a->blocks;
    a->blocks = block;
    a->next = bytes_of(block);
    a->end = a->next + size;
    POISON(a->next, size);
}

static void make_room(struct tj_arena *a, size_t size)
{
    size_t block_bytes = tj_size_max(a->block_bytes, BLOCK_BYTES_MIN);
    if (size > block_bytes / 2) {
        add_block(a, size);
        return;
    }
    add_block(a, block_bytes);
    a->block_bytes = tj_size_min(block_bytes * 2, BLOCK_BYTES_MAX);
}

void *tj_arena_alloc(struct tj_arena *a, size_t size)
{
    size_t want = round_up(size ? size : 1);
    if (!a->next || (size_t)(a->end - a->next) < want)
        make_room(a, want);
    char *memory = a->next;
    a->next += want;
    a->used_bytes += want;
    UNPOISON(memory, size);
    return memory;
}

void *tj_arena_zero(struct tj_arena *a, size_t size)
{
    return memset(tj_arena_alloc(a, size), 0, size);
}

void *tj_arena_zero_array(struct tj_arena *a, size_t count, size_t size)
{
    size_t total = 0;
    bool fits = tj_size_mul(count, size, &total);
    assert(fits);
    return tj_arena_zero(a, total);
}

static bool is_newest(const struct tj_arena *a, const char *old, size_t size)
{
    return old && old + round_up(size ? size : 1) == a->next;
}

/* A block that holds only this allocation can be moved as a whole. */
static bool is_alone(const struct tj_arena *a, const char *old)
{
    return a->blocks && old == bytes_of(a->blocks);
}

static void *grow_alone(struct tj_arena *a, size_t old_want, size_t want)
{
    size_t total = 0;
    bool fits =
        tj_size_add(round_up(sizeof(struct tj_arena_block)), want, &total);
    assert(fits);
    UNPOISON(bytes_of(a->blocks), a->blocks->size);
    struct tj_arena_block *block = tj_heap_grow(a->blocks, total);
    block->size = want;
    a->blocks = block;
    a->next = a->end = bytes_of(block) + want;
    a->used_bytes += want - old_want;
    return bytes_of(block);
}

void *tj_arena_grow(struct tj_arena *a, void *old, size_t old_size,
                    size_t new_size)
{
    assert(new_size >= old_size);
    size_t old_want = round_up(old_size ? old_size : 1);
    size_t want = round_up(new_size ? new_size : 1);
    if (is_newest(a, old, old_size)) {
        if ((size_t)(a->end - a->next) >= want - old_want) {
            a->next += want - old_want;
            a->used_bytes += want - old_want;
            UNPOISON(old, new_size);
            return old;
        }
        if (is_alone(a, old) && want > BLOCK_BYTES_MIN)
            return grow_alone(a, old_want, want);
    }
    void *memory = tj_arena_alloc(a, new_size);
    if (old_size)
        memcpy(memory, old, old_size);
    return memory;
}

void tj_arena_cut(struct tj_arena *a, void *old, size_t old_size,
                  size_t new_size)
{
    assert(new_size <= old_size);
    if (!is_newest(a, old, old_size))
        return;
    char *next = (char *)old + round_up(new_size ? new_size : 1);
    a->used_bytes -= (size_t)(a->next - next);
    a->next = next;
    POISON((char *)old + new_size, (size_t)(a->end - (char *)old) - new_size);
}

void tj_arena_adopt(struct tj_arena *a, struct tj_arena *other)
{
    struct tj_arena_block *last = other->blocks;
    if (!last)
        return;
    while (last->older)
        last = last->older;
    if (a->blocks) {
        /* Behind the newest, so that a goes on filling its own block. */
        last->older = a->blocks->older;
        a->blocks->older = other->blocks;
        a->used_bytes += other->used_bytes;
    } else {
        a->blocks = other->blocks;
        a->next = other->next;
        a->end = other->end;
        a->used_bytes += other->used_bytes;
    }
    *other = (struct tj_arena){0};
}

tj_str tj_str_dup(struct tj_arena *a, tj_str s)
{
    return (tj_str){tj_cstr(a, s), s.len};
}

char *tj_cstr(struct tj_arena *a, tj_str s)
{
    size_t size = 0;
    bool fits = tj_size_add(s.len, 1, &size);
    assert(fits);
    char *copy = tj_arena_alloc(a, size);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

tj_str tj_str_vprintf(struct tj_arena *a, const char *format, va_list args)
{
    assert(format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    assert(n >= 0);
    char *text = tj_arena_alloc(a, (size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return tj_str_make(text, (size_t)n);
}

tj_str tj_str_printf(struct tj_arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tj_str text = tj_str_vprintf(a, format, args);
    va_end(args);
    return text;
}
