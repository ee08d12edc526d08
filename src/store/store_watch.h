/* store_watch.h - a store that counts and remembers the calls it passes on.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the kind "a second look costs no second read".
 * Threads: any.
 */
#ifndef TJ_STORE_STORE_WATCH_H
#define TJ_STORE_STORE_WATCH_H

#include "store/store.h"

enum { TJ_WATCH_CALLS_MAX = 4096 };

/* Takes ownership of inner. */
struct tj_store *tj_store_watch_new(struct tj_store *inner);
/* Calls of this slot ("read_field") that were made; NULL: of all. */
size_t tj_store_watch_count(struct tj_store *st, const char *name);
/* The names of the first TJ_WATCH_CALLS_MAX calls, one blank between. */
tj_str tj_store_watch_log(struct tj_store *st, struct tj_arena *a);
void tj_store_watch_clear(struct tj_store *st);

#endif
