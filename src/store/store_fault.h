/* store_fault.h - a store whose call number N fails.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For tests of everything above: does it keep its promises when the disk does
 * not?  Every call of a backend function counts, reads and writes alike.
 * Threads: any.
 */
#ifndef TJ_STORE_STORE_FAULT_H
#define TJ_STORE_STORE_FAULT_H

#include <stdint.h>

#include "store/store.h"

enum tj_fault_when {
    TJ_FAULT_BEFORE, /* nothing happened: TJ_E_BACKEND */
    TJ_FAULT_AFTER,  /* a write happened: TJ_E_UNCERTAIN (a read: BACKEND) */
};

/* Takes ownership of inner.  Fails nothing until it is armed. */
struct tj_store *tj_store_fault_new(struct tj_store *inner);
/* The call number `call` from now on (1 is the next) fails, once. */
void tj_store_fault_arm(struct tj_store *st, uint64_t call,
                        enum tj_fault_when when);
/* Calls since the last arming (or the beginning). */
uint64_t tj_store_fault_calls(struct tj_store *st);

#endif
