/* store_sqlite_sketch.c - makes the sketches of traces (sketch.h).
 * SPDX-License-Identifier: Apache-2.0
 *
 * A sketch is made of a trace at rest, never while somebody waits for a write
 * to be acknowledged: all texts are read once, without the lock, and then the
 * sketches of many traces are written together.
 *  1. A sketch speaks for its trace as long as that is not stale: of a stale
 *     one a search believes no sketch.  Settling the trace takes the sketch
 *     away, in the transaction in which it is not stale any more.
 *  2. So a trace that changed between reading and writing gets none: its last
 *     segment is another.
 *  3. A trace without spans gets none: its first ones do not make it stale.
 */
#include "store/store_sqlite_sketch.h"

#include "store/sketch.h"

enum {
    TOGETHER_MAX = 256,
    /* One longer than this would take as much memory to read; it is searched
     * without a sketch. */
    TEXT_BYTES_MAX = 1 << 30,
};

struct made {
    uint64_t row;
    uint64_t last_segment;
    tj_str bits; /* empty: none is to be written */
};

struct making {
    struct tj_arena arena;
    struct made made[TOGETHER_MAX];
    size_t count;
};

/* -- reading -------------------------------------------------------------- */

static bool find_last_segment(struct tj_db *db, uint64_t row, uint64_t *out,
                              struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT max(id) FROM segment WHERE trace = ? AND"
            " replaced_time = 0 AND (SELECT NOT stale AND span_count > 0"
            " AND text_bytes BETWEEN 0 AND ? FROM trace WHERE row = ?1)");
    tj_query_put_u64(&q, row);
    tj_query_put_u64(&q, TEXT_BYTES_MAX);
    enum tj_step step = tj_query_next(&q, err);
    *out = step == TJ_ROW ? tj_query_u64(&q, 0) : 0;
    tj_query_close(&q);
    return step != TJ_FAILED;
}

static void add_span(struct tj_sketch *sketch, const struct tj_span *s)
{
    tj_str kind =
        s->kind_text.len ? s->kind_text : tj_str_c(tj_kind_name(s->kind));
    tj_sketch_add_term(sketch, TJ_STR("name"), s->name);
    tj_sketch_add_term(sketch, TJ_STR("type"), kind);
    tj_sketch_add_term(sketch, TJ_STR("status"),
                       tj_str_c(tj_status_name(s->status)));
    tj_sketch_add_text(sketch, s->name);
    tj_sketch_add_text(sketch, kind);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct tj_field *f = &s->fields[i];
        if (f->same_as == TJ_FIELD_NOT_SHARED)
            tj_sketch_add_text(sketch, f->text);
        if (tj_str_starts(f->name, TJ_STR("attributes.")))
            tj_sketch_add_term(sketch, f->name, tj_span_text_field(s, i)->text);
    }
}

/* One reading of all texts. */
struct reading {
    struct tj_sqlite_worker *worker;
    struct tj_arena arena;
    struct tj_sqlite_trace *trace;
    struct tj_fold fold;
};

static bool load_span(struct reading *r, size_t i, struct tj_err *err)
{
    struct tj_span *s = &r->fold.spans[i];
    uint64_t origin = r->fold.origins[i];
    if (s->field_count == 0)
        return true;
    if (!tj_sqlite_load_span(r->trace, r->worker, origin, s, err))
        return false;
    for (size_t k = 0; k < s->field_count; k++) {
        struct tj_field *f = &s->fields[k];
        struct tj_payload_range all = {f->locator, 0, f->text.len};
        if (f->same_as == TJ_FIELD_NOT_SHARED &&
            !tj_sqlite_read_text(r->trace, r->worker, origin, &all, &f->text,
                                 err))
            return false;
    }
    return true;
}

static bool read_trace(struct reading *r, uint64_t row,
                       struct tj_sketch *sketch, struct tj_err *err)
{
    struct tj_sqlite_which all = {.trace_row = row};
    tj_sketch_init(sketch);
    if (!tj_sqlite_load(r->worker, &all, &r->arena, &r->trace, &r->fold, err))
        return false;
    for (size_t i = 0; i < r->fold.count; i++) {
        if (!load_span(r, i, err))
            return false;
        add_span(sketch, &r->fold.spans[i]);
    }
    return true;
}

static bool make_one(struct making *m, struct tj_sqlite_worker *w, uint64_t row,
                     struct tj_err *err)
{
    struct made *made = &m->made[m->count++];
    struct reading r = {.worker = w};
    struct tj_sketch sketch;
    *made = (struct made){.row = row};
    if (!find_last_segment(w->db, row, &made->last_segment, err))
        return false;
    if (made->last_segment == 0)
        return true;
    bool ok = read_trace(&r, row, &sketch, err);
    if (ok)
        made->bits = tj_sketch_finish(&sketch, &m->arena);
    tj_arena_release(&r.arena);
    return ok;
}

/* -- writing -------------------------------------------------------------- */

static bool run_putting(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct making *m = ctx;
    for (size_t i = 0; i < m->count; i++) {
        const struct made *made = &m->made[i];
        if (!made->bits.len)
            continue;
        struct tj_query q = tj_query_open(
            db, "INSERT OR REPLACE INTO sketch(trace, bits)"
                " SELECT row, ?3 FROM trace WHERE row = ?1 AND NOT stale"
                " AND ?2 = (SELECT max(id) FROM segment WHERE trace = ?1"
                " AND replaced_time = 0)");
        tj_query_put_u64(&q, made->row);
        tj_query_put_u64(&q, made->last_segment);
        tj_query_put_blob(&q, made->bits.ptr, made->bits.len);
        if (!tj_query_run(&q, err))
            return false;
    }
    return true;
}

/* Some of them: *done is how many. */
static bool sketch_some(struct tj_sqlite *s, const uint64_t *rows, size_t count,
                        size_t *done, struct tj_err *err)
{
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    struct making m = {0};
    if (!w)
        return false;
    bool ok = tj_db_run(w->db, "BEGIN", err);
    while (ok && m.count < count && m.count < TOGETHER_MAX)
        ok = make_one(&m, w, rows[m.count], err);
    tj_db_rollback(w->db);
    tj_sqlite_give(s, w);
    ok = ok && tj_sqlite_write(s, run_putting, &m, err);
    tj_arena_release(&m.arena);
    *done = m.count;
    return ok;
}

bool tj_sqlite_sketch(struct tj_sqlite *s, const uint64_t *rows, size_t count,
                      struct tj_err *err)
{
    for (size_t at = 0, done; at < count; at += done) {
        if (!sketch_some(s, rows + at, count - at, &done, err))
            return false;
    }
    return true;
}

/* -- all traces ----------------------------------------------------------- */

/* In order of rows: sketches that are written so fill their pages. */
#define NO_SKETCH                                                              \
    " WHERE row >= ? AND NOT EXISTS"                                           \
    " (SELECT 1 FROM sketch WHERE sketch.trace = trace.row) ORDER BY row"

bool tj_sqlite_unsketched(struct tj_db *db, uint64_t from, struct tj_arena *a,
                          tj_sqlite_rows *out, struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, from ? "SELECT row FROM trace" NO_SKETCH
                 : "SELECT row FROM trace INDEXED BY trace_time" NO_SKETCH);
    tj_query_put_u64(&q, from < INT64_MAX ? from : INT64_MAX);
    enum tj_step step;
    while ((step = tj_query_next(&q, err)) == TJ_ROW)
        *tj_vec_add(out, a) = tj_query_u64(&q, 0);
    tj_query_close(&q);
    return step == TJ_DONE;
}
