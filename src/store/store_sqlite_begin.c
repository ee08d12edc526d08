/* store_sqlite_begin.c - the few traces that a search has to look at.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_sqlite_begin.h"

/* -- by an index ---------------------------------------------------------- */

/* *few: the SELECT gave no more than that. */
static bool take_rows(struct tj_query *q, struct tj_arena *a,
                      tj_sqlite_rows *out, bool *few, struct tj_err *err)
{
    enum tj_step step;
    out->count = 0;
    while ((step = tj_query_next(q, err)) == TJ_ROW &&
           out->count < TJ_SQLITE_FEW)
        *tj_vec_add(out, a) = tj_query_u64(q, 0);
    tj_query_close(q);
    *few = step == TJ_DONE;
    return step != TJ_FAILED;
}

static bool by_index(struct tj_sqlite_filter *f, struct tj_db *db,
                     struct tj_arena *a, tj_sqlite_rows *out, bool *few,
                     struct tj_err *err)
{
    for (size_t i = 0; i < tj_sqlite_filter_clauses(f) && !*few; i++) {
        struct tj_sql sql;
        tj_sql_init(&sql, a);
        if (!tj_sqlite_filter_list(f, i, &sql))
            continue;
        struct tj_query q = tj_sql_open(&sql, db);
        if (!take_rows(&q, a, out, few, err))
            return false;
    }
    return true;
}

/* -- by sketches ---------------------------------------------------------- */

/* When more than one in MANY of the sketches admit, a walk by time finds a
 * page of them sooner than all sketches are read: 2 us a trace against 0.3. */
enum { LOOKED_AT_MIN = 1000, MANY = 50 };

struct sieve {
    struct tj_db *db;
    struct tj_arena *arena;
    tj_sqlite_rows *out;
    uint64_t next;  /* the row that a sketch is expected of */
    uint64_t count; /* sketches */
};

static void keep(struct sieve *s, uint64_t row)
{
    *tj_vec_add(s->out, s->arena) = row;
}

static bool is_full(const struct sieve *s)
{
    return s->out->count > TJ_SQLITE_FEW ||
           (s->count > LOOKED_AT_MIN && s->out->count > s->count / MANY);
}

/* Traces without a sketch are where the numbers of the sketches have gaps. */
static bool keep_gap(struct sieve *s, uint64_t end, struct tj_err *err)
{
    if (s->next >= end)
        return true;
    struct tj_query q = tj_query_open(
        s->db, "SELECT row FROM trace WHERE row >= ? AND row < ?");
    tj_query_put_u64(&q, s->next);
    tj_query_put_u64(&q, end);
    enum tj_step step = TJ_DONE;
    while (!is_full(s) && (step = tj_query_next(&q, err)) == TJ_ROW)
        keep(s, tj_query_u64(&q, 0));
    tj_query_close(&q);
    return step != TJ_FAILED;
}

static bool keep_stale(struct sieve *s, struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        s->db, "SELECT row FROM trace INDEXED BY trace_stale WHERE stale = 1");
    enum tj_step step = TJ_DONE;
    while (!is_full(s) && (step = tj_query_next(&q, err)) == TJ_ROW)
        keep(s, tj_query_u64(&q, 0));
    tj_query_close(&q);
    return step != TJ_FAILED;
}

static bool keep_admitted(struct sieve *s, struct tj_query *q,
                          struct tj_err *err)
{
    enum tj_step step;
    while ((step = tj_query_next(q, err)) == TJ_ROW) {
        uint64_t row = tj_query_u64(q, 0);
        if (!keep_gap(s, row, err))
            return false;
        s->next = row + 1;
        s->count++;
        if (tj_query_u64(q, 1))
            keep(s, row);
        if (is_full(s))
            return true;
    }
    return step == TJ_DONE && keep_gap(s, INT64_MAX, err);
}

static bool by_sketch(struct tj_sqlite_filter *f, struct tj_db *db,
                      struct tj_arena *a, tj_sqlite_rows *out, bool *few,
                      struct tj_err *err)
{
    struct sieve s = {.db = db, .arena = a, .out = out, .next = 1};
    struct tj_sql sql;
    out->count = 0;
    tj_sql_init(&sql, a);
    tj_sql_add(&sql, "SELECT trace, ");
    if (!tj_sqlite_filter_sketch(f, &sql))
        return true;
    tj_sql_add(&sql, " FROM sketch ORDER BY trace");
    if (!keep_stale(&s, err))
        return false;
    struct tj_query q = tj_sql_open(&sql, db);
    bool ok = keep_admitted(&s, &q, err);
    tj_query_close(&q);
    *few = !is_full(&s);
    return ok;
}

bool tj_sqlite_begin_with(struct tj_sqlite_filter *f, struct tj_db *db,
                          struct tj_arena *a, tj_sqlite_rows *out, bool *few,
                          struct tj_err *err)
{
    *few = false;
    return by_index(f, db, a, out, few, err) &&
           (*few || by_sketch(f, db, a, out, few, err));
}
