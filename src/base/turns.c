/* turns.c - no more threads at a computation than there are processors.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/turns.h"

#include <unistd.h>

void tj_turns_init(struct tj_turns *t)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *t = (struct tj_turns){.free = processors > 1 ? (unsigned)processors : 1};
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_cond_init(&t->freed, NULL);
}

void tj_turns_release(struct tj_turns *t)
{
    (void)pthread_cond_destroy(&t->freed);
    (void)pthread_mutex_destroy(&t->lock);
}

void tj_turns_take(struct tj_turns *t)
{
    if (!t)
        return;
    (void)pthread_mutex_lock(&t->lock);
    while (!t->free)
        (void)pthread_cond_wait(&t->freed, &t->lock);
    t->free--;
    (void)pthread_mutex_unlock(&t->lock);
}

void tj_turns_give(struct tj_turns *t)
{
    if (!t)
        return;
    (void)pthread_mutex_lock(&t->lock);
    t->free++;
    (void)pthread_cond_signal(&t->freed);
    (void)pthread_mutex_unlock(&t->lock);
}
