/* store_watch.c - a store that counts and remembers the calls it passes on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_watch.h"

#include <assert.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/heap.h"
#include "store/store_wrap.h"

struct watch {
    pthread_mutex_t lock;
    size_t count; /* may pass TJ_WATCH_CALLS_MAX */
    const struct tj_store_call *calls[TJ_WATCH_CALLS_MAX];
};

static bool watch_before(void *context, const struct tj_store_call *call,
                         struct tj_err *err)
{
    (void)err;
    struct watch *w = context;
    (void)pthread_mutex_lock(&w->lock);
    if (w->count < TJ_WATCH_CALLS_MAX)
        w->calls[w->count] = call;
    w->count++;
    (void)pthread_mutex_unlock(&w->lock);
    return true;
}

static bool watch_after(void *context, const struct tj_store_call *call,
                        struct tj_err *err)
{
    (void)context;
    (void)call;
    (void)err;
    return true;
}

static void watch_release(void *context)
{
    struct watch *w = context;
    (void)pthread_mutex_destroy(&w->lock);
    tj_heap_free(w);
}

static const struct tj_store_hooks watch_hooks = {
    .name = "watch",
    .before = watch_before,
    .after = watch_after,
    .release = watch_release,
};

struct tj_store *tj_store_watch_new(struct tj_store *inner)
{
    struct watch *w = tj_heap_new(sizeof *w);
    (void)pthread_mutex_init(&w->lock, NULL);
    return tj_store_wrap_new(inner, &watch_hooks, w);
}

static struct watch *locked(struct tj_store *st)
{
    struct watch *w = tj_store_wrap_context(st, &watch_hooks);
    assert(w);
    (void)pthread_mutex_lock(&w->lock);
    return w;
}

size_t tj_store_watch_count(struct tj_store *st, const char *name)
{
    struct watch *w = locked(st);
    size_t kept = tj_size_min(w->count, TJ_WATCH_CALLS_MAX);
    size_t count = name ? 0 : w->count;
    for (size_t i = 0; name && i < kept; i++)
        count += strcmp(w->calls[i]->name, name) == 0;
    (void)pthread_mutex_unlock(&w->lock);
    return count;
}

tj_str tj_store_watch_log(struct tj_store *st, struct tj_arena *a)
{
    struct tj_buf log;
    tj_buf_init(&log, a, SIZE_MAX);
    struct watch *w = locked(st);
    size_t kept = tj_size_min(w->count, TJ_WATCH_CALLS_MAX);
    for (size_t i = 0; i < kept; i++) {
        if (i)
            tj_buf_byte(&log, ' ');
        tj_buf_add(&log, tj_str_c(w->calls[i]->name));
    }
    (void)pthread_mutex_unlock(&w->lock);
    return tj_buf_str(&log);
}

void tj_store_watch_clear(struct tj_store *st)
{
    struct watch *w = locked(st);
    w->count = 0;
    (void)pthread_mutex_unlock(&w->lock);
}
