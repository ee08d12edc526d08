/* store_sqlite_merge.c - many small pieces to a few large ones.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An exporter sends a trace in pieces, seconds apart, and each becomes a pool
 * of its own: small blobs, and no text shared with the pieces before.  When a
 * trace has PIECES_MAX of them, the latest are rewritten as one:
 *
 *     8000 900 300 40 40 40 ...  ->  8000 900 300 600  ->  8000 1800
 *
 * A piece is taken along when it is less than twice as large as what comes
 * after it, so that each span is rewritten a number of times that grows with
 * the logarithm of the trace.  All in one transaction: a crash leaves the
 * pieces.  What was replaced is kept for an hour for traces that are open.
 */
#include "store/store_sqlite_sketch.h"

enum { PIECES_MAX = 16 };
#define REPLACED_KEEP_NS (3600 * TJ_NS_PER_SECOND)
/* All texts of what is merged are in memory at once; a trace with more stays
 * in its pieces.  The first counts what is stored, the second what it says. */
#define MERGE_BYTES_MAX      ((uint64_t)256 << 20)
#define MERGE_TEXT_BYTES_MAX ((uint64_t)1 << 30)

/* -- which ---------------------------------------------------------------- */

struct piece {
    uint64_t first_segment;
    uint64_t span_count;
    uint64_t bytes;
};

struct plan {
    struct tj_arena arena;
    TJ_VEC(struct piece) pieces;
    size_t from; /* pieces from here on are merged */
};

static bool find_pieces(struct tj_db *db, uint64_t row, struct plan *plan,
                        struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT iif(pool, pool, id) AS p, sum(span_count),"
            " max(stream_bytes) FROM segment"
            " WHERE trace = ? AND replaced_time = 0 GROUP BY p ORDER BY p");
    tj_query_put_u64(&q, row);
    enum tj_step step;
    while ((step = tj_query_next(&q, err)) == TJ_ROW) {
        struct piece *p = tj_vec_add(&plan->pieces, &plan->arena);
        p->first_segment = tj_query_u64(&q, 0);
        p->span_count = tj_query_u64(&q, 1);
        p->bytes = tj_query_u64(&q, 2);
    }
    tj_query_close(&q);
    return step == TJ_DONE;
}

/* False: nothing is to be done. */
static bool choose(struct plan *plan, enum tj_sqlite_merge_when when)
{
    size_t count = plan->pieces.count;
    if (count < (when == TJ_MERGE_ANY ? 2 : PIECES_MAX))
        return false;
    size_t from = count - 1;
    uint64_t spans = plan->pieces.items[from].span_count;
    uint64_t bytes = plan->pieces.items[from].bytes;
    while (from > 0) {
        const struct piece *p = &plan->pieces.items[from - 1];
        bytes += p->bytes;
        if ((when == TJ_MERGE_MANY && p->span_count >= 2 * spans) ||
            bytes > MERGE_BYTES_MAX)
            break;
        spans += p->span_count;
        from--;
    }
    plan->from = from;
    return from < count - 1;
}

/* -- rewriting ------------------------------------------------------------ */

static bool load_texts(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                       struct tj_fold *f, size_t i, struct tj_err *err)
{
    struct tj_span *s = &f->spans[i];
    if (s->field_count == 0)
        return true;
    if (!tj_sqlite_load_span(t, w, f->origins[i], s, err))
        return false;
    for (size_t k = 0; k < s->field_count; k++) {
        struct tj_field *field = &s->fields[k];
        struct tj_payload_range all = {field->locator, 0, field->text.len};
        if (field->same_as == TJ_FIELD_NOT_SHARED &&
            !tj_sqlite_read_text(t, w, f->origins[i], &all, &field->text, err))
            return false;
    }
    return true;
}

static bool is_too_long(const struct tj_fold *f)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < f->count; i++)
        bytes += f->spans[i].text_bytes;
    return bytes > MERGE_TEXT_BYTES_MAX;
}

static bool replace(struct tj_db *db, uint64_t row, uint64_t first_segment,
                    struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(db, "UPDATE segment SET replaced_time = ?"
                          " WHERE trace = ? AND replaced_time = 0 AND id >= ?");
    tj_query_put_u64(&q, tj_now());
    tj_query_put_u64(&q, row);
    tj_query_put_u64(&q, first_segment);
    return tj_query_run(&q, err);
}

static bool rewrite(struct tj_sqlite_worker *w,
                    const struct tj_sqlite_which *which, struct tj_arena *a,
                    struct tj_err *err)
{
    struct tj_sqlite_trace *t;
    struct tj_fold f;
    struct tj_trace trace = {0};
    struct tj_sqlite_pack pack = {0};
    if (!tj_sqlite_load(w, which, a, &t, &f, err))
        return false;
    if (is_too_long(&f))
        return true;
    tj_fold_trace(&f, &trace);
    for (size_t i = 0; i < f.count; i++) {
        if (!load_texts(t, w, &f, i, err))
            return false;
    }
    struct tj_sqlite_spans in = {.fold = &f, .level = TJ_SQLITE_LEVEL_MERGE};
    in.resource_count = tj_sqlite_resources(t, &in.resources);
    return tj_sqlite_pack_spans(&in, w->zstd, a, &pack, err) &&
           replace(w->db, which->trace_row, which->first_segment, err) &&
           tj_sqlite_insert_pack(w->db, which->trace_row, &pack, err);
}

static bool settle_info(struct tj_sqlite_worker *w, uint64_t row,
                        struct tj_arena *a, struct tj_err *err)
{
    struct tj_sqlite_info info;
    if (!tj_sqlite_info_find(w->db, row, a, &info, err))
        return false;
    if (!info.stale)
        return true;
    if (!tj_sqlite_refresh(w, a, &info, err))
        return false;
    info.time = info.info.request_time;
    return tj_sqlite_info_write(w->db, &info, NULL, err) &&
           tj_sqlite_run_for(w->db, "DELETE FROM sketch WHERE trace = ?", row,
                             err);
}

static bool purge(struct tj_db *db, struct tj_err *err)
{
    uint64_t before = tj_now() - REPLACED_KEEP_NS;
    return tj_sqlite_run_for(
               db,
               "DELETE FROM blob WHERE id IN (SELECT blob.id FROM segment"
               " JOIN blob ON blob.id >= segment.id << 20"
               " AND blob.id < (segment.id + 1) << 20"
               " WHERE replaced_time > 0 AND replaced_time < ?)",
               before, err) &&
           tj_sqlite_run_for(db,
                             "DELETE FROM segment WHERE replaced_time > 0"
                             " AND replaced_time < ?",
                             before, err);
}

static bool merge_here(struct tj_sqlite_worker *w, uint64_t row,
                       enum tj_sqlite_merge_when when, struct tj_err *err)
{
    struct plan plan = {0};
    bool ok = find_pieces(w->db, row, &plan, err);
    if (ok && choose(&plan, when)) {
        struct tj_sqlite_which which = {
            .trace_row = row,
            .first_segment = plan.pieces.items[plan.from].first_segment,
        };
        ok = rewrite(w, &which, &plan.arena, err) && purge(w->db, err);
    }
    ok = ok && (plan.pieces.count < PIECES_MAX && when == TJ_MERGE_MANY
                    ? true
                    : settle_info(w, row, &plan.arena, err));
    tj_arena_release(&plan.arena);
    return ok;
}

/* The count is read without the lock: most traces have few pieces. */
static bool has_many(struct tj_sqlite *s, uint64_t row, bool *out,
                     struct tj_err *err)
{
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    if (!w)
        return false;
    struct tj_query q = tj_query_open(
        w->db, "SELECT count(*) FROM segment"
               " WHERE trace = ? AND replaced_time = 0 AND pool = 0");
    tj_query_put_u64(&q, row);
    enum tj_step step = tj_query_next(&q, err);
    *out = step == TJ_ROW && tj_query_u64(&q, 0) >= PIECES_MAX;
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    return step == TJ_ROW;
}

struct merging {
    struct tj_zstd *zstd;
    uint64_t row;
    enum tj_sqlite_merge_when when;
};

static bool run_merging(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct merging *m = ctx;
    struct tj_sqlite_worker w = {.db = db, .zstd = m->zstd};
    return merge_here(&w, m->row, m->when, err);
}

bool tj_sqlite_merge(struct tj_sqlite *s, uint64_t trace_row,
                     enum tj_sqlite_merge_when when, struct tj_err *err)
{
    bool many = true;
    if (when == TJ_MERGE_MANY && !has_many(s, trace_row, &many, err))
        return false;
    if (!many)
        return true;
    struct tj_sqlite_worker *codec = tj_sqlite_take(s);
    struct merging m = {codec->zstd, trace_row, when};
    bool ok = tj_sqlite_write(s, run_merging, &m, err);
    tj_sqlite_give(s, codec);
    return ok;
}

static bool run_purge(struct tj_db *db, void *ctx, struct tj_err *err)
{
    (void)ctx;
    return purge(db, err);
}

/* -- all traces ----------------------------------------------------------- */

static bool find_unsettled(struct tj_sqlite_worker *w, struct tj_arena *a,
                           uint64_t **out, size_t *count, struct tj_err *err)
{
    TJ_VEC(uint64_t) rows = {0};
    struct tj_query q =
        tj_query_open(w->db, "SELECT row FROM trace WHERE stale = 1 UNION"
                             " SELECT trace FROM segment"
                             " WHERE replaced_time = 0 AND pool = 0"
                             " GROUP BY trace HAVING count(*) > 1");
    enum tj_step step;
    while ((step = tj_query_next(&q, err)) == TJ_ROW)
        *tj_vec_add(&rows, a) = tj_query_u64(&q, 0);
    tj_query_close(&q);
    *out = rows.items;
    *count = rows.count;
    return step == TJ_DONE;
}

static bool sketch_all(struct tj_sqlite *s, struct tj_arena *a,
                       struct tj_err *err)
{
    tj_sqlite_rows rows = {0};
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    bool ok = w && tj_sqlite_unsketched(w->db, a, &rows, err);
    tj_sqlite_give(s, w);
    return ok && tj_sqlite_sketch(s, rows.items, rows.count, err);
}

bool tj_sqlite_quiesce(struct tj_store *st, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    struct tj_arena a = {0};
    uint64_t *rows = NULL;
    size_t count = 0;
    bool ok = w && find_unsettled(w, &a, &rows, &count, err);
    tj_sqlite_give(s, w);
    for (size_t i = 0; ok && i < count; i++)
        ok = tj_sqlite_merge(s, rows[i], TJ_MERGE_ANY, err);
    ok = ok && sketch_all(s, &a, err);
    tj_arena_release(&a);
    return ok && tj_sqlite_write(s, run_purge, NULL, err);
}
