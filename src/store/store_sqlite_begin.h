/* store_sqlite_begin.h - the few traces that a search has to look at.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A walk by time ends soon when many traces match, and when few do it looks
 * at every trace there is.  So before it the few are looked for: by an index
 * (ids, tags, runs, sessions), or by one reading of all sketches.
 * Threads: one at a time.
 */
#ifndef TJ_STORE_STORE_SQLITE_BEGIN_H
#define TJ_STORE_STORE_SQLITE_BEGIN_H

#include "store/store_sqlite_filter.h"
#include "store/store_sqlite_sketch.h"

enum { TJ_SQLITE_FEW = 2000 };

/* Found: *few is true and out holds the rows of every match, and of others
 * that do not match, TJ_SQLITE_FEW at most. */
bool tj_sqlite_begin_with(struct tj_sqlite_filter *f, struct tj_db *db,
                          struct tj_arena *a, tj_sqlite_rows *out, bool *few,
                          struct tj_err *err) TJ_MUST_USE;

#endif
