/* store_fault.c - a store whose call number N fails.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_fault.h"

#include <assert.h>
#include <pthread.h>

#include "base/heap.h"
#include "store/store_wrap.h"

struct fault {
    pthread_mutex_t lock;
    uint64_t calls;
    uint64_t fails_at; /* 0: never */
    enum tj_fault_when when;
};

static bool fault_before(void *context, const struct tj_store_call *call,
                         struct tj_err *err)
{
    struct fault *f = context;
    (void)pthread_mutex_lock(&f->lock);
    uint64_t number = ++f->calls;
    bool fails = number == f->fails_at && f->when == TJ_FAULT_BEFORE;
    (void)pthread_mutex_unlock(&f->lock);
    return !fails || tj_fail(err, TJ_E_BACKEND, "fault before call %llu, %s",
                             (unsigned long long)number, call->name);
}

static bool fault_after(void *context, const struct tj_store_call *call,
                        struct tj_err *err)
{
    struct fault *f = context;
    (void)pthread_mutex_lock(&f->lock);
    uint64_t number = f->calls;
    bool fails = number == f->fails_at && f->when == TJ_FAULT_AFTER;
    (void)pthread_mutex_unlock(&f->lock);
    if (!fails)
        return true;
    enum tj_code code =
        call->kind == TJ_STORE_WRITES ? TJ_E_UNCERTAIN : TJ_E_BACKEND;
    return tj_fail(err, code, "fault after call %llu, %s",
                   (unsigned long long)number, call->name);
}

static void fault_release(void *context)
{
    struct fault *f = context;
    (void)pthread_mutex_destroy(&f->lock);
    tj_heap_free(f);
}

static const struct tj_store_hooks fault_hooks = {
    .name = "fault",
    .before = fault_before,
    .after = fault_after,
    .release = fault_release,
};

struct tj_store *tj_store_fault_new(struct tj_store *inner)
{
    struct fault *f = tj_heap_new(sizeof *f);
    (void)pthread_mutex_init(&f->lock, NULL);
    return tj_store_wrap_new(inner, &fault_hooks, f);
}

void tj_store_fault_arm(struct tj_store *st, uint64_t call,
                        enum tj_fault_when when)
{
    struct fault *f = tj_store_wrap_context(st, &fault_hooks);
    assert(f);
    (void)pthread_mutex_lock(&f->lock);
    f->calls = 0;
    f->fails_at = call;
    f->when = when;
    (void)pthread_mutex_unlock(&f->lock);
}

uint64_t tj_store_fault_calls(struct tj_store *st)
{
    struct fault *f = tj_store_wrap_context(st, &fault_hooks);
    assert(f);
    (void)pthread_mutex_lock(&f->lock);
    uint64_t calls = f->calls;
    (void)pthread_mutex_unlock(&f->lock);
    return calls;
}
