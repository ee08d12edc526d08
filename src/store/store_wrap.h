/* store_wrap.h - a store around a store: every call passes two hooks.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the test members of the family (store_fault.h, store_watch.h) have in
 * common.  Closing the wrapper closes what is inside.
 * Threads: as the hooks; the wrapper adds no state.
 */
#ifndef TJ_STORE_STORE_WRAP_H
#define TJ_STORE_STORE_WRAP_H

#include "store/store_ops.h"

enum tj_store_call_kind { TJ_STORE_READS, TJ_STORE_WRITES };

struct tj_store_call {
    const char *name; /* of the slot: "add_batch" */
    enum tj_store_call_kind kind;
};

struct tj_store_hooks {
    const char *name; /* of the wrapper as a backend */
    /* False fails the call; before: instead of making it, after: although it
     * was made and went well. */
    bool (*before)(void *context, const struct tj_store_call *call,
                   struct tj_err *err);
    bool (*after)(void *context, const struct tj_store_call *call,
                  struct tj_err *err);
    void (*release)(void *context);
};

/* Takes ownership of inner, and of context, which hooks->release ends. */
struct tj_store *tj_store_wrap_new(struct tj_store *inner,
                                   const struct tj_store_hooks *hooks,
                                   void *context);
/* NULL when st is not a wrapper with these hooks. */
void *tj_store_wrap_context(struct tj_store *st,
                            const struct tj_store_hooks *hooks);

#endif
