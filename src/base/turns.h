/* turns.h - no more threads at a computation than there are processors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Threads that wait for disks may be many; those that parse and compress only
 * push each other's data out of the caches, and switching between them makes
 * all of them late.  So what is all computing is done in turns.
 *  1. Whoever has a turn must not wait for anything but memory, locks of a
 *     moment and turns of a kind that is taken later everywhere.
 * Threads: any.
 */
#ifndef TJ_BASE_TURNS_H
#define TJ_BASE_TURNS_H

#include <pthread.h>

struct tj_turns {
    pthread_mutex_t lock; /* guards free */
    pthread_cond_t freed;
    unsigned free;
};

/* As many as there are processors. */
void tj_turns_init(struct tj_turns *t);
void tj_turns_release(struct tj_turns *t);

/* Waits for a turn; each is given back once.  Both take NULL: no limit. */
void tj_turns_take(struct tj_turns *t);
void tj_turns_give(struct tj_turns *t);

#endif
