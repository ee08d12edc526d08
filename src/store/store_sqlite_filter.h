/* store_sqlite_filter.h - a filter as SQL over the table of traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 * SQL knows less than filter_eval.h: nothing of spans, and of a trace that is
 * stale only what was true before its last spans came.  So a filter is
 * written in two readings, and each is right in its own way:
 *  1. MAY is true of every trace that matches, and perhaps of others: it
 *     finds the candidates.
 *  2. MUST is true of none that does not match: a candidate of which it is
 *     true needs no further look.
 * NOT turns one reading into the other.  Neither is ever NULL.
 *  3. Values are bound, never part of the text.
 * The table of traces is called t.
 * Threads: one at a time.
 */
#ifndef TJ_STORE_STORE_SQLITE_FILTER_H
#define TJ_STORE_STORE_SQLITE_FILTER_H

#include "store/filter.h"
#include "store/store_sqlite_sql.h"
#include "trace/trace.h"

enum tj_sqlite_reading { TJ_SQLITE_MAY, TJ_SQLITE_MUST };

struct tj_sqlite_filter;

/* In a, as is the filter that it is made of.  TJ_E_INPUT for a pattern that
 * cannot be compiled. */
struct tj_sqlite_filter *tj_sqlite_filter_new(const struct tj_filter *filter,
                                              struct tj_arena *a,
                                              struct tj_err *err) TJ_MUST_USE;
/* Takes NULL. */
void tj_sqlite_filter_free(struct tj_sqlite_filter *f);

void tj_sqlite_filter_write(struct tj_sqlite_filter *f,
                            enum tj_sqlite_reading reading, struct tj_sql *out);

/* Clauses are numbered from 0.  Every match is among the rows that this
 * SELECT lists with the help of an index; false, with nothing written, when
 * the clause has none. */
size_t tj_sqlite_filter_clauses(const struct tj_sqlite_filter *f);
bool tj_sqlite_filter_list(struct tj_sqlite_filter *f, size_t index,
                           struct tj_sql *out);

/* A condition on the column `bits` of table sketch that holds for every match
 * that has a sketch and is not stale; false when there is none. */
bool tj_sqlite_filter_sketch(struct tj_sqlite_filter *f, struct tj_sql *out);

/* Up to this one, sums of times and differences of times are numbers to SQLite
 * as they are to us. */
#define TJ_SQLITE_TIME_SAFE (UINT64_C(1) << 62)

/* Times that all matches lie between: *from <= time < *end. */
void tj_sqlite_filter_times(const struct tj_sqlite_filter *f, tj_time *from,
                            tj_time *end);

#endif
