/* store_sqlite_sketch.h - the sketches of traces, in SQLite.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to the backend.  What a sketch is, is in sketch.h; when one is
 * believed, in store_sqlite_sketch.c.
 * Threads: any, as all of the backend.
 */
#ifndef TJ_STORE_STORE_SQLITE_SKETCH_H
#define TJ_STORE_STORE_SQLITE_SKETCH_H

#include "store/store_sqlite_int.h"

/* Makes the sketches of traces that are at rest; passes over those that are
 * stale, gone or without spans.  Waits for the writer, for a short time. */
bool tj_sqlite_sketch(struct tj_sqlite *s, const uint64_t *rows, size_t count,
                      struct tj_err *err) TJ_MUST_USE;

/* Traces without one, from this row on; 0: a walk over an index of all. */
typedef TJ_VEC(uint64_t) tj_sqlite_rows;
bool tj_sqlite_unsketched(struct tj_db *db, uint64_t from, struct tj_arena *a,
                          tj_sqlite_rows *out, struct tj_err *err) TJ_MUST_USE;

#endif
