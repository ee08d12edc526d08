/* store_sqlite_write.c - batches to rows and blobs.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     batch --group by trace--> spans in tree order --pack--> blobs    (1)
 *     lock, BEGIN; for each trace: its row, its blobs; COMMIT, unlock  (2)
 *     many small pieces by now?  merge                                 (3)
 *
 * All that costs time, packing above all, happens in (1), in the thread of
 * the caller and before the lock.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/sha256.h"
#include "store/store_sqlite_int.h"
#include "store/store_sqlite_ops.h"

/* A blob larger than this is refused before SQLite refuses it (1 GB). */
#define BLOB_BYTES_MAX ((size_t)512 << 20)
/* Field table rows of one segment, about: reading a span reads them all. */
enum { SEGMENT_FIELDS_MAX = 128 << 10 };
/* Traces of one transaction that deletes. */
enum { DELETE_TOGETHER = 256 };

/* What a batch has of one trace. */
struct part {
    tj_trace_id id;
    const struct tj_trace_info *said; /* NULL: nothing */
    TJ_VEC(uint32_t) spans;           /* indices in the batch */
    struct tj_trace_info derived;     /* from these spans alone */
    tj_time start;
    struct tj_sqlite_pack pack;
    uint64_t row;
    bool stale; /* its info, now that these spans came */
};

struct writing {
    const struct tj_batch *batch;
    struct tj_arena arena;
    struct tj_sqlite_worker *worker;
    struct tj_map by_id;
    TJ_VEC(struct part) parts;
    uint64_t *resources; /* keys, by index of the batch */
};

/* -- packing -------------------------------------------------------------- */

/* How many of the spans from `from` on make a segment. */
static size_t segment_len(const struct tj_fold *f, size_t from)
{
    size_t fields = 0;
    size_t len = 0;
    while (len < TJ_SEGMENT_SPANS_MAX && from + len < f->count) {
        fields += f->spans[from + len].field_count;
        if (len && fields > SEGMENT_FIELDS_MAX)
            break;
        len++;
    }
    return len;
}

struct packing {
    const struct tj_sqlite_spans *in;
    struct tj_zstd *zstd;
    struct tj_arena *arena;
    struct tj_payload_writer *payload;
    struct tj_sqlite_pack *out;
};

static bool pack(struct packing *p, tj_str bytes, struct tj_sqlite_blob *out,
                 struct tj_err *err)
{
    return tj_sqlite_pack(p->zstd, bytes, p->in->level, p->arena, out, err);
}

static bool pack_segment(struct packing *p, size_t from, size_t len,
                         struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_buf heads;
    struct tj_buf fields;
    struct tj_segment_in run = {
        .spans = &p->in->fold->spans[from],
        .digests = &p->in->fold->digests[from],
        .count = len,
        .resources = p->in->resources,
        .resource_count = p->in->resource_count,
    };
    tj_buf_init(&heads, &scratch, BLOB_BYTES_MAX);
    tj_buf_init(&fields, &scratch, BLOB_BYTES_MAX);
    struct tj_sqlite_segment_out *out = tj_vec_add(&p->out->segments, p->arena);
    out->span_count = len;
    bool ok = tj_segment_write(&run, p->payload, &heads, &fields, err) &&
              pack(p, tj_buf_str(&heads), &out->heads, err) &&
              pack(p, tj_buf_str(&fields), &out->fields, err);
    tj_arena_release(&scratch);
    return ok;
}

static bool pack_texts(struct packing *p, struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_buf ropes;
    tj_buf_init(&ropes, &scratch, BLOB_BYTES_MAX);
    tj_payload_ropes_write(p->payload, &ropes);
    p->out->stream_bytes = tj_payload_bytes(p->payload);
    bool ok = tj_buf_ok(&ropes, "ropes of a trace", err) &&
              pack(p, tj_buf_str(&ropes), &p->out->ropes, err);
    /* Most traces of a batch are far smaller than a block. */
    size_t block_bytes = p->out->stream_bytes < TJ_PAYLOAD_BLOCK_BYTES
                             ? (size_t)p->out->stream_bytes
                             : (size_t)TJ_PAYLOAD_BLOCK_BYTES;
    char *room = tj_arena_alloc(&scratch, block_bytes);
    tj_str block;
    while (ok && tj_payload_next_block(p->payload, room, &block))
        ok = pack(p, block, tj_vec_add(&p->out->blocks, p->arena), err);
    tj_arena_release(&scratch);
    return ok;
}

bool tj_sqlite_pack_spans(const struct tj_sqlite_spans *in, struct tj_zstd *z,
                          struct tj_arena *a, struct tj_sqlite_pack *out,
                          struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct packing p = {
        .in = in,
        .zstd = z,
        .arena = a,
        .payload = tj_payload_writer_new(&scratch),
        .out = out,
    };
    bool ok = true;
    for (size_t from = 0, len; ok && from < in->fold->count; from += len) {
        len = segment_len(in->fold, from);
        ok = pack_segment(&p, from, len, err);
    }
    ok = ok && pack_texts(&p, err);
    tj_arena_release(&scratch);
    if (ok && out->blocks.count >= TJ_PAYLOAD_BLOCKS_MAX)
        return tj_fail(err, TJ_E_LIMIT, "texts of one trace are too long");
    return ok;
}

/* -- grouping ------------------------------------------------------------- */

static struct part *part_of(struct writing *w, const tj_trace_id *id)
{
    bool fresh;
    struct tj_map_entry *e = tj_map_add(
        &w->by_id, (tj_str){(const char *)id->bytes, sizeof *id}, &fresh);
    if (fresh) {
        e->number = w->parts.count;
        tj_vec_add(&w->parts, &w->arena)->id = *id;
    }
    return &w->parts.items[e->number];
}

static void group(struct writing *w)
{
    const struct tj_batch *b = w->batch;
    tj_map_init(&w->by_id, &w->arena);
    for (size_t i = 0; i < b->traces.count; i++)
        part_of(w, &b->traces.items[i].trace_id)->said = &b->traces.items[i];
    struct part *part = NULL;
    for (size_t i = 0; i < b->spans.count; i++) {
        const struct tj_span *s = &b->spans.items[i];
        if (!part || !tj_trace_id_eq(part->id, s->trace_id))
            part = part_of(w, &s->trace_id);
        *tj_vec_add(&part->spans, &w->arena) = (uint32_t)i;
    }
}

/* A resource is known by the head of its hash, so that a writer needs not ask
 * which are there already. */
static void name_resources(struct writing *w)
{
    size_t count = w->batch->resources.count;
    w->resources = tj_arena_array(&w->arena, uint64_t, count);
    for (size_t i = 0; i < count; i++) {
        unsigned char digest[TJ_SHA256_BYTES];
        tj_sha256(w->batch->resources.items[i].text, digest);
        memcpy(&w->resources[i], digest, sizeof w->resources[i]);
        w->resources[i] >>= 1;
    }
}

static bool pack_part(struct writing *w, struct part *part, struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_fold f;
    struct tj_trace trace = {0};
    tj_fold_init(&f, part->spans.count, &scratch);
    for (size_t i = 0; i < part->spans.count; i++) {
        const struct tj_span *s = &w->batch->spans.items[part->spans.items[i]];
        *tj_fold_add(&f, 0, tj_fold_digest(s)) = *s;
    }
    tj_fold_trace(&f, &trace);
    part->start = trace.start;
    part->derived.trace_id = part->id;
    tj_trace_info_derive(&part->derived, trace.spans, &trace.tree, &w->arena);
    struct tj_sqlite_spans in = {
        .fold = &f,
        .resources = w->resources,
        .resource_count = w->batch->resources.count,
        .level = TJ_SQLITE_LEVEL_WRITE,
    };
    bool ok =
        tj_sqlite_pack_spans(&in, w->worker->zstd, &w->arena, &part->pack, err);
    tj_arena_release(&scratch);
    return ok;
}

static bool pack_parts(struct writing *w, struct tj_err *err)
{
    tj_vec_each (&w->parts, struct part, part) {
        if (!pack_part(w, part, err))
            return false;
    }
    return true;
}

/* -- rows ----------------------------------------------------------------- */

/* Where segments go. */
struct place {
    uint64_t trace_row;
    uint64_t first_id; /* 0: the next ones */
};

/* *pool is 0 for the first segment, and becomes its id. */
static bool insert_segment(struct tj_db *db, const struct place *place,
                           const struct tj_sqlite_pack *p, size_t i,
                           uint64_t *pool, struct tj_err *err)
{
    const struct tj_sqlite_segment_out *s = &p->segments.items[i];
    struct tj_query q = tj_query_open(
        db, "INSERT INTO segment(id, trace, pool, replaced_time, span_count,"
            " stream_bytes, has_ropes)"
            " VALUES(nullif(?, 0), ?, ?, 0, ?, ?, ?)");
    tj_query_put_u64(&q, place->first_id ? place->first_id + i : 0);
    tj_query_put_u64(&q, place->trace_row);
    tj_query_put_u64(&q, *pool);
    tj_query_put_u64(&q, s->span_count);
    tj_query_put_u64(&q, p->stream_bytes);
    tj_query_put_u64(&q, p->ropes.size > 0);
    if (!tj_query_run(&q, err))
        return false;
    uint64_t id = tj_db_last_row(db);
    if (i == 0)
        *pool = id;
    return tj_sqlite_insert_blob(db, id, TJ_SQLITE_BLOB_HEADS, &s->heads,
                                 err) &&
           tj_sqlite_insert_blob(db, id, TJ_SQLITE_BLOB_FIELDS, &s->fields,
                                 err);
}

bool tj_sqlite_insert_pack(struct tj_db *db, uint64_t trace_row,
                           const struct tj_sqlite_pack *p, uint64_t first_id,
                           struct tj_err *err)
{
    struct place place = {trace_row, first_id};
    uint64_t pool = 0;
    for (size_t i = 0; i < p->segments.count; i++) {
        if (!insert_segment(db, &place, p, i, &pool, err))
            return false;
    }
    for (size_t i = 0; i < p->blocks.count; i++) {
        if (!tj_sqlite_insert_blob(db, pool, (unsigned)i, &p->blocks.items[i],
                                   err))
            return false;
    }
    return p->ropes.size == 0 ||
           tj_sqlite_insert_blob(db, pool, TJ_SQLITE_BLOB_ROPES, &p->ropes,
                                 err);
}

/* Nobody could open a larger trace.  The small ones are not counted: they are
 * settled, and so grow to large ones, every few pieces. */
static bool check_room(struct tj_db *db, const struct part *part,
                       const struct tj_sqlite_info *info, struct tj_err *err)
{
    const uint64_t max = TJ_SPANS_PER_TRACE_MAX;
    uint64_t count = part->spans.count;
    if (!count || (info->info.span_count < max / 32 && count < max / 32))
        return true;
    struct tj_query q =
        tj_query_open(db, "SELECT sum(span_count) FROM segment"
                          " WHERE trace = ? AND replaced_time = 0");
    tj_query_put_u64(&q, part->row);
    enum tj_step step = tj_query_next(&q, err);
    uint64_t there = step == TJ_ROW ? tj_query_u64(&q, 0) : 0;
    tj_query_close(&q);
    if (step == TJ_ROW && (there > max || count > max - there))
        return tj_fail(err, TJ_E_LIMIT, "a trace cannot have over %llu spans",
                       (unsigned long long)max);
    return step == TJ_ROW;
}

/* Later spans.  Deriving waits, but for what other traces are asked by: the
 * session. */
static void late_info(const struct part *part, struct tj_sqlite_info *info)
{
    info->stale |= part->spans.count > 0;
    if (!info->info.session.len)
        info->info.session = part->derived.session;
}

static bool write_info(struct writing *w, struct tj_db *db, struct part *part,
                       struct tj_err *err)
{
    struct tj_sqlite_info info = {0};
    if (part->row && !tj_sqlite_info_find(db, part->row, &w->arena, &info, err))
        return false;
    bool first = part->row == 0 || (info.info.span_count == 0 && !info.stale);
    info.info.trace_id = part->id;
    if (!check_room(db, part, &info, err))
        return false;
    if (first) /* all that can be derived is known */
        tj_sqlite_put_derived(&info, &part->derived, &w->arena);
    else
        late_info(part, &info);
    if (part->said) {
        struct tj_trace_info said = tj_fold_stay(part->said, part->row != 0);
        if (!tj_sqlite_resolve_experiment(db, &said, err))
            return false;
        tj_fold_said(&info.info, &said, &w->arena);
        info.said |= tj_sqlite_said_of(&said);
    }
    if (first || info.said & TJ_SAID_REQUEST_TIME)
        info.time = info.info.request_time;
    else if (part->start && (info.time == 0 || part->start < info.time))
        info.time = part->start;
    if (!tj_sqlite_info_write(db, &info, part->said, err))
        return false;
    part->row = info.info.row;
    part->stale = info.stale && part->spans.count;
    return true;
}

static bool write_part(struct writing *w, struct tj_db *db, struct part *part,
                       struct tj_err *err)
{
    return tj_sqlite_find_row(db, part->id, &part->row, err) &&
           write_info(w, db, part, err) &&
           tj_sqlite_insert_pack(db, part->row, &part->pack, 0, err);
}

static bool write_resources(struct writing *w, struct tj_db *db,
                            struct tj_err *err)
{
    for (size_t i = 0; i < w->batch->resources.count; i++) {
        struct tj_query q = tj_query_open(
            db, "INSERT OR IGNORE INTO resource(key, text) VALUES(?, ?)");
        tj_query_put_u64(&q, w->resources[i]);
        tj_query_put_text(&q, w->batch->resources.items[i].text);
        if (!tj_query_run(&q, err))
            return false;
    }
    return true;
}

static bool write_assessment(struct writing *w, struct tj_db *db,
                             const struct tj_assessment *as, struct tj_err *err)
{
    struct tj_assessment full = tj_fold_full(as, &w->arena);
    uint64_t row;
    if (!tj_sqlite_find_row(db, as->trace_id, &row, err))
        return false;
    if (!row)
        return tj_fold_no_trace(as->trace_id, err);
    return tj_sqlite_put_assessment(db, row, &full, &w->arena, err);
}

static bool write_all(struct tj_db *db, void *ctx, struct tj_err *err)
{
    struct writing *w = ctx;
    if (!write_resources(w, db, err))
        return false;
    tj_vec_each (&w->parts, struct part, part) {
        if (!write_part(w, db, part, err))
            return false;
    }
    tj_vec_each (&w->batch->assessments, const struct tj_assessment, as) {
        if (!write_assessment(w, db, as, err))
            return false;
    }
    return true;
}

/* What the keeper is to look at. */
static void note_parts(struct tj_sqlite *s, struct writing *w)
{
    uint64_t *rows = tj_arena_array(&w->arena, uint64_t, w->parts.count);
    size_t count = 0;
    uint64_t first = UINT64_MAX;
    tj_vec_each (&w->parts, struct part, part) {
        if (part->stale)
            rows[count++] = part->row;
        if (part->row < first)
            first = part->row;
    }
    tj_sqlite_note(s, first, rows, count);
}

bool tj_sqlite_add_batch(struct tj_store *st, const struct tj_batch *batch,
                         struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct writing w = {.batch = batch};
    tj_turns_take(&s->packing);
    w.worker = tj_sqlite_take(s);
    group(&w);
    name_resources(&w);
    bool ok = pack_parts(&w, err);
    tj_sqlite_give(s, w.worker);
    tj_turns_give(&s->packing);
    if (batch->waits)
        batch->waits(batch->waits_ctx);
    struct tj_sqlite_job job = {
        .run = write_all,
        .ctx = &w,
        .bytes = w.arena.used_bytes, /* not less than what it packed */
    };
    ok = ok && tj_sqlite_write_job(s, &job, err);
    if (ok)
        note_parts(s, &w);
    tj_arena_release(&w.arena);
    return ok;
}

/* -- deleting ------------------------------------------------------------- */

/* Attachments are the only records that belong to a trace. */
_Static_assert(TJ_RECORD_ATTACHMENT == 7, "kind = 7 in the query below");

static bool delete_row(struct tj_db *db, uint64_t row, struct tj_err *err)
{
    return tj_sqlite_run_for(
               db,
               "DELETE FROM record WHERE kind = 7 AND parent ="
               " (SELECT lower(hex(id)) FROM trace WHERE row = ?)",
               row, err) &&
           tj_sqlite_run_for(
               db,
               "DELETE FROM blob WHERE id IN (SELECT blob.id FROM segment"
               " JOIN blob ON blob.id >= segment.id << 20"
               " AND blob.id < (segment.id + 1) << 20"
               " WHERE segment.trace = ?)",
               row, err) &&
           tj_sqlite_run_for(db, "DELETE FROM segment WHERE trace = ?", row,
                             err) &&
           tj_sqlite_run_for(db, "DELETE FROM trace_pair WHERE trace = ?", row,
                             err) &&
           tj_sqlite_run_for(db, "DELETE FROM assessment WHERE trace = ?", row,
                             err) &&
           tj_sqlite_run_for(db, "DELETE FROM trace WHERE row = ?", row, err);
}

static bool delete_id(struct tj_db *db, tj_trace_id id, bool *existed,
                      struct tj_err *err)
{
    uint64_t row = 0;
    if (!tj_sqlite_find_row(db, id, &row, err) ||
        (row && !delete_row(db, row, err)))
        return false;
    *existed = row != 0;
    return true;
}

struct deleting {
    const tj_trace_id *ids;
    size_t count;
    uint64_t deleted;
};

static bool run_deleting(struct tj_db *db, void *ctx, struct tj_err *err)
{
    struct deleting *w = ctx;
    for (size_t i = 0; i < w->count; i++) {
        bool existed;
        if (!delete_id(db, w->ids[i], &existed, err))
            return false;
        w->deleted += existed;
    }
    return true;
}

bool tj_sqlite_delete_trace(struct tj_store *st, tj_trace_id id, bool *existed,
                            struct tj_err *err)
{
    struct deleting w = {.ids = &id, .count = 1};
    bool ok = tj_sqlite_write(tj_sqlite_self(st), run_deleting, &w, err);
    *existed = w.deleted > 0;
    return ok;
}

/* A trace that is to go, and what it is sorted by. */
struct doomed {
    tj_time time;
    tj_trace_id id;
};
typedef TJ_VEC(struct doomed) doomed_list;

static int oldest_first(const void *left, const void *right)
{
    const struct doomed *a = left;
    const struct doomed *b = right;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return -memcmp(&a->id, &b->id, sizeof a->id);
}

static bool take_doomed(struct tj_query *q, doomed_list *out,
                        struct tj_arena *a, struct tj_err *err)
{
    enum tj_step step;
    while ((step = tj_query_next(q, err)) == TJ_ROW) {
        struct doomed *d = tj_vec_add(out, a);
        tj_str id = tj_query_str(q, 1);
        d->time = tj_query_u64(q, 0);
        memcpy(d->id.bytes, id.ptr, tj_size_min(id.len, sizeof d->id.bytes));
    }
    tj_query_close(q);
    return step == TJ_DONE;
}

static void put_conditions(struct tj_query *q, const struct tj_trace_doomed *d)
{
    uint64_t latest = d->max_time && d->max_time < INT64_MAX
                          ? d->max_time
                          : (uint64_t)INT64_MAX;
    tj_query_put_u64(q, latest);
    tj_query_put_u64(q, (uint64_t)d->experiment_id);
}

/* The next to go, at most DELETE_TOGETHER. */
static bool find_oldest(struct tj_db *db, const struct tj_trace_doomed *d,
                        struct tj_arena *a, doomed_list *out,
                        struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT time, id FROM trace WHERE time <= ?1"
            " AND (?2 < 0 OR experiment = ?2) ORDER BY time, id DESC LIMIT ?3");
    put_conditions(&q, d);
    tj_query_put_u64(&q, DELETE_TOGETHER);
    return take_doomed(&q, out, a, err);
}

/* All that were named and meet the conditions. */
static bool find_named(struct tj_db *db, const struct tj_trace_doomed *d,
                       struct tj_arena *a, doomed_list *out, struct tj_err *err)
{
    for (size_t i = 0; i < d->id_count; i++) {
        struct tj_query q =
            tj_query_open(db, "SELECT time, id FROM trace WHERE time <= ?1"
                              " AND (?2 < 0 OR experiment = ?2) AND id = ?3");
        put_conditions(&q, d);
        tj_query_put_blob(&q, d->ids[i].bytes, sizeof d->ids[i].bytes);
        if (!take_doomed(&q, out, a, err))
            return false;
    }
    if (out->count)
        qsort(out->items, out->count, sizeof *out->items, oldest_first);
    return true;
}

/* In transactions of some, so that other writers wait for no more. */
static bool delete_listed(struct tj_sqlite *s, const struct tj_trace_doomed *d,
                          const doomed_list *list, uint64_t *deleted,
                          struct tj_err *err)
{
    tj_trace_id ids[DELETE_TOGETHER];
    for (size_t from = 0; from < list->count;) {
        struct deleting w = {.ids = ids};
        while (w.count < DELETE_TOGETHER && from + w.count < list->count &&
               (!d->count_max || *deleted + w.count < d->count_max)) {
            ids[w.count] = list->items[from + w.count].id;
            w.count++;
        }
        if (!w.count)
            break;
        if (!tj_sqlite_write(s, run_deleting, &w, err))
            return false;
        *deleted += w.deleted;
        from += w.count;
    }
    return true;
}

static bool delete_some(struct tj_sqlite *s, const struct tj_trace_doomed *d,
                        uint64_t *deleted, bool *more, struct tj_err *err)
{
    struct tj_arena a = {0};
    doomed_list list = {0};
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    bool ok = w && (d->id_count ? find_named(w->db, d, &a, &list, err)
                                : find_oldest(w->db, d, &a, &list, err));
    tj_sqlite_give(s, w);
    ok = ok && delete_listed(s, d, &list, deleted, err);
    *more = ok && !d->id_count && list.count == DELETE_TOGETHER &&
            (!d->count_max || *deleted < d->count_max);
    tj_arena_release(&a);
    return ok;
}

bool tj_sqlite_delete_traces(struct tj_store *st,
                             const struct tj_trace_doomed *doomed,
                             uint64_t *deleted, struct tj_err *err)
{
    bool more;
    do {
        if (!delete_some(tj_sqlite_self(st), doomed, deleted, &more, err))
            return false;
    } while (more);
    return true;
}
