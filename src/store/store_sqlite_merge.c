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
 * the logarithm of the trace.  What was replaced is kept for an hour for traces
 * that are open.
 *
 * Packing takes long, so it happens in the caller's thread while others write:
 *
 *     reserve ids of segments | read and pack all pieces before them | replace
 *
 * Of two segments with the same span the one with the larger id counts, so the
 * ids of the new ones must lie between the pieces that they replace and those
 * that come meanwhile.  Pieces that somebody else replaced or deleted
 * meanwhile are noticed in the last step, and then nothing is done.
 */
#include "base/limits.h"
#include "store/store_sqlite_ops.h"
#include "store/store_sqlite_sketch.h"

enum { SETTLED_TOGETHER = 64, TRIES = 8 };
#define REPLACED_KEEP_NS (3600 * TJ_NS_PER_SECOND)
/* All texts of what is merged are in memory at once; a trace with more stays
 * in its pieces.  The first counts what is stored, the second what it says. */
#define MERGE_BYTES_MAX      ((uint64_t)256 << 20)
#define MERGE_TEXT_BYTES_MAX ((uint64_t)1 << 30)

/* -- which ---------------------------------------------------------------- */

struct piece {
    uint64_t first_segment;
    uint64_t segment_count;
    uint64_t span_count;
    uint64_t bytes;
};

struct plan {
    struct tj_arena arena;
    TJ_VEC(struct piece) pieces;
    size_t from;            /* pieces from here on are merged */
    uint64_t segment_count; /* of these */
};

static bool find_pieces(struct tj_db *db, uint64_t row, struct plan *plan,
                        struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT iif(pool, pool, id) AS p, count(*), sum(span_count),"
            " max(stream_bytes) FROM segment"
            " WHERE trace = ? AND replaced_time = 0 GROUP BY p ORDER BY p");
    tj_query_put_u64(&q, row);
    enum tj_step step;
    while ((step = tj_query_next(&q, err)) == TJ_ROW) {
        struct piece *p = tj_vec_add(&plan->pieces, &plan->arena);
        p->first_segment = tj_query_u64(&q, 0);
        p->segment_count = tj_query_u64(&q, 1);
        p->span_count = tj_query_u64(&q, 2);
        p->bytes = tj_query_u64(&q, 3);
    }
    tj_query_close(&q);
    return step == TJ_DONE;
}

/* Repeats count as spans until they are merged, and a trace can be opened up
 * to a number of them: so a few large pieces are many. */
static bool are_many(const struct plan *plan)
{
    uint64_t spans = 0;
    for (size_t i = 0; i < plan->pieces.count; i++)
        spans += plan->pieces.items[i].span_count;
    return plan->pieces.count >= TJ_SQLITE_PIECES_MAX ||
           spans > TJ_SPANS_PER_TRACE_MAX / 4;
}

/* False: nothing is to be done. */
static bool choose(struct plan *plan, enum tj_sqlite_merge_when when)
{
    size_t count = plan->pieces.count;
    if (count < 2 || (when == TJ_MERGE_MANY && !are_many(plan)))
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
    for (size_t i = from; i < count; i++)
        plan->segment_count += plan->pieces.items[i].segment_count;
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

struct merging {
    struct tj_sqlite_which which; /* what is replaced */
    uint64_t reserved;            /* ids from which.end_segment on */
    uint64_t segment_count;       /* as they were read */
    struct tj_sqlite_pack pack;
    bool has_pack;  /* else nothing is to be done */
    bool overtaken; /* by somebody else who merged or deleted */
};

static bool run_reserving(struct tj_db *db, void *ctx, struct tj_err *err)
{
    struct merging *m = ctx;
    struct tj_query q = tj_query_open(
        db, "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'segment'"
            " RETURNING seq");
    tj_query_put_u64(&q, m->reserved);
    enum tj_step step = tj_query_next(&q, err);
    if (step == TJ_ROW)
        m->which.end_segment = tj_query_u64(&q, 0) - m->reserved + 1;
    tj_query_close(&q);
    if (step == TJ_DONE)
        return tj_fail(err, TJ_E_BACKEND, "no segments to merge");
    return step == TJ_ROW;
}

/* Reads and packs; in a read transaction. */
static bool repack(struct tj_sqlite_worker *w, struct merging *m,
                   struct tj_arena *a, struct tj_err *err)
{
    struct tj_sqlite_trace *t;
    struct tj_fold f;
    struct tj_trace trace = {0};
    if (!tj_sqlite_load(w, &m->which, a, &t, &f, err))
        return false;
    m->segment_count = tj_sqlite_segment_count(t);
    if (is_too_long(&f))
        return true;
    tj_fold_trace(&f, &trace);
    for (size_t i = 0; i < f.count; i++) {
        if (!load_texts(t, w, &f, i, err))
            return false;
    }
    struct tj_sqlite_spans in = {.fold = &f, .level = TJ_SQLITE_LEVEL_MERGE};
    in.resource_count = tj_sqlite_resources(t, &in.resources);
    if (!tj_sqlite_pack_spans(&in, w->zstd, a, &m->pack, err))
        return false;
    m->has_pack = m->pack.segments.count <= m->reserved;
    return true;
}

static bool replace(struct tj_db *db, const struct tj_sqlite_which *which,
                    struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(db, "UPDATE segment SET replaced_time = ?"
                          " WHERE trace = ? AND replaced_time = 0 AND id >= ?"
                          " AND id < ?");
    tj_query_put_u64(&q, tj_now());
    tj_query_put_u64(&q, which->trace_row);
    tj_query_put_u64(&q, which->first_segment);
    tj_query_put_u64(&q, which->end_segment);
    return tj_query_run(&q, err);
}

static bool run_replacing(struct tj_db *db, void *ctx, struct tj_err *err)
{
    struct merging *m = ctx;
    const struct tj_sqlite_which *which = &m->which;
    struct tj_query q =
        tj_query_open(db, "SELECT count(*) FROM segment WHERE trace = ?"
                          " AND replaced_time = 0 AND id >= ? AND id < ?");
    tj_query_put_u64(&q, which->trace_row);
    tj_query_put_u64(&q, which->first_segment);
    tj_query_put_u64(&q, which->end_segment);
    enum tj_step step = tj_query_next(&q, err);
    uint64_t there = step == TJ_ROW ? tj_query_u64(&q, 0) : 0;
    tj_query_close(&q);
    m->overtaken = there != m->segment_count;
    if (step != TJ_ROW || m->overtaken)
        return step == TJ_ROW;
    return replace(db, which, err) &&
           tj_sqlite_insert_pack(db, which->trace_row, &m->pack,
                                 which->end_segment, err);
}

static uint64_t packed_bytes(const struct tj_sqlite_pack *p)
{
    uint64_t bytes = p->ropes.packed.len;
    for (size_t i = 0; i < p->segments.count; i++)
        bytes += p->segments.items[i].heads.packed.len +
                 p->segments.items[i].fields.packed.len;
    for (size_t i = 0; i < p->blocks.count; i++)
        bytes += p->blocks.items[i].packed.len;
    return bytes;
}

static bool rewrite(struct tj_sqlite *s, struct tj_sqlite_worker *w,
                    struct merging *m, struct tj_arena *a, struct tj_err *err)
{
    if (!tj_sqlite_write(s, run_reserving, m, err))
        return false;
    bool ok = tj_db_run(w->db, "BEGIN", err) && repack(w, m, a, err);
    tj_db_rollback(w->db);
    struct tj_sqlite_job job = {
        .run = run_replacing,
        .ctx = m,
        .bytes = packed_bytes(&m->pack),
    };
    return ok && (!m->has_pack || tj_sqlite_write_job(s, &job, err));
}

/* *again: somebody was quicker, and there may be more to do. */
static bool merge_once(struct tj_sqlite *s, uint64_t trace_row,
                       enum tj_sqlite_merge_when when, bool *again,
                       struct tj_err *err)
{
    struct plan plan = {0};
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    bool ok = w && find_pieces(w->db, trace_row, &plan, err);
    *again = false;
    if (ok && choose(&plan, when)) {
        struct merging m = {.reserved = 2 * plan.segment_count + 1};
        m.which.trace_row = trace_row;
        m.which.first_segment = plan.pieces.items[plan.from].first_segment;
        ok = rewrite(s, w, &m, &plan.arena, err);
        *again = m.overtaken;
    }
    tj_sqlite_give(s, w);
    tj_arena_release(&plan.arena);
    return ok;
}

bool tj_sqlite_merge(struct tj_sqlite *s, uint64_t trace_row,
                     enum tj_sqlite_merge_when when, struct tj_err *err)
{
    bool again = true;
    bool ok = true;
    for (int i = 0; ok && again && i < TRIES; i++)
        ok = merge_once(s, trace_row, when, &again, err);
    return ok;
}

/* -- infos ---------------------------------------------------------------- */

struct settled {
    uint64_t row;
    uint64_t last_segment; /* when it was derived */
    struct tj_trace_info derived;
};
struct settling {
    struct settled *items;
    size_t count;
    struct tj_arena *a;
};

static bool settle_one(struct tj_db *db, struct tj_arena *a,
                       const struct settled *it, struct tj_err *err)
{
    struct tj_sqlite_info info;
    struct tj_query q =
        tj_query_open(db, "SELECT max(id) FROM segment"
                          " WHERE trace = ? AND replaced_time = 0");
    tj_query_put_u64(&q, it->row);
    enum tj_step step = tj_query_next(&q, err);
    uint64_t last = step == TJ_ROW ? tj_query_u64(&q, 0) : 0;
    tj_query_close(&q);
    /* Another piece came: so will another note. */
    if (step != TJ_ROW || last != it->last_segment)
        return step == TJ_ROW;
    if (!tj_sqlite_info_find(db, it->row, a, &info, err))
        return false;
    if (!info.stale)
        return true;
    struct tj_trace_info derived = it->derived;
    derived.trace_id = info.info.trace_id;
    tj_sqlite_put_derived(&info, &derived, a);
    info.time = info.info.request_time;
    return tj_sqlite_info_write(db, &info, NULL, err) &&
           tj_sqlite_run_for(db, "DELETE FROM sketch WHERE trace = ?", it->row,
                             err);
}

static bool run_settling(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct settling *w = ctx;
    for (size_t i = 0; i < w->count; i++) {
        if (!settle_one(db, w->a, &w->items[i], err))
            return false;
    }
    return true;
}

/* One state of the database for all of the trace. */
static bool derive(struct tj_sqlite_worker *w, uint64_t row, struct tj_arena *a,
                   struct settled *out, struct tj_err *err)
{
    out->row = row;
    bool ok =
        tj_db_run(w->db, "BEGIN", err) &&
        tj_sqlite_derive(w, row, a, &out->derived, &out->last_segment, err);
    tj_db_rollback(w->db);
    return ok;
}

bool tj_sqlite_settle(struct tj_sqlite *s, const uint64_t *rows, size_t count,
                      struct tj_err *err)
{
    struct tj_arena a = {0};
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    struct settling all = {.a = &a};
    all.items = tj_arena_array(&a, struct settled, count);
    /* One that cannot be read does not keep the others from it. */
    for (size_t i = 0; w && i < count; i++)
        all.count += derive(w, rows[i], &a, &all.items[all.count], err) &&
                     all.items[all.count].last_segment;
    tj_sqlite_give(s, w);
    bool ok = w && (!all.count || tj_sqlite_write(s, run_settling, &all, err));
    tj_arena_release(&a);
    return ok;
}

/* -- what was replaced ---------------------------------------------------- */

/* The oldest of them, so many that other writers need not wait long. */
#define PURGED_SEGMENTS                                                        \
    "(SELECT id FROM segment WHERE replaced_time > 0 AND replaced_time < ?"    \
    " ORDER BY replaced_time LIMIT 64)"

static bool run_purge(struct tj_db *db, void *ctx, struct tj_err *err)
{
    bool *more = ctx;
    uint64_t before = tj_now() - REPLACED_KEEP_NS;
    /* The index of replaced_time is read by both, in the same order. */
    if (!tj_sqlite_run_for(
            db,
            "DELETE FROM blob WHERE id IN (SELECT blob.id FROM " PURGED_SEGMENTS
            " AS old JOIN blob ON blob.id >= old.id << 20"
            " AND blob.id < (old.id + 1) << 20)",
            before, err) ||
        !tj_sqlite_run_for(db,
                           "DELETE FROM segment WHERE id IN " PURGED_SEGMENTS,
                           before, err))
        return false;
    *more = tj_db_changes(db) > 0;
    return true;
}

bool tj_sqlite_purge(struct tj_sqlite *s, struct tj_err *err)
{
    bool more = true;
    while (more) {
        if (!tj_sqlite_write(s, run_purge, &more, err))
            return false;
    }
    return true;
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
    bool ok = w && tj_sqlite_unsketched(w->db, 0, a, &rows, err);
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
    for (size_t i = 0; ok && i < count; i += SETTLED_TOGETHER)
        ok = tj_sqlite_settle(s, rows + i,
                              tj_size_min(count - i, SETTLED_TOGETHER), err);
    ok = ok && sketch_all(s, &a, err);
    tj_arena_release(&a);
    return ok && tj_sqlite_purge(s, err);
}
