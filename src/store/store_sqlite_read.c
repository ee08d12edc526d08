/* store_sqlite_read.c - open traces: heads at once, the rest when asked for.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What was read once is kept in the trace's arena: field tables by segment,
 * ropes and blocks by pool.  A text that lies in one block is a view of it;
 * one that was put together is kept by the field when all of it was asked for.
 */
#include "base/limits.h"
#include "store/store_sqlite_int.h"
#include "store/store_sqlite_ops.h"

struct segment {
    uint64_t id;
    size_t pool; /* index of pools */
    size_t span_count;
    bool has_fields;
    struct tj_segment_fields fields;
};

struct pool {
    uint64_t id;
    bool has_ropes;
    bool is_open;
    struct tj_payload payload;
    tj_str *blocks; /* ptr NULL until read */
    size_t block_count;
};

struct tj_sqlite_trace {
    struct tj_arena *arena;
    TJ_VEC(struct segment) segments;
    TJ_VEC(struct pool) pools;
    TJ_VEC(uint64_t) resources; /* keys */
    size_t span_count;          /* of all segments, repeats too */
    const uint64_t *origins;    /* of an open trace's spans */
};

/* An origin is a segment's index and an index in it. */
enum { ORIGIN_SHIFT = 32 };

static struct segment *segment_of(struct tj_sqlite_trace *t, uint64_t origin)
{
    return &t->segments.items[origin >> ORIGIN_SHIFT];
}

/* -- heads ---------------------------------------------------------------- */

/* The segments of one pool come one after the other. */
static size_t pool_index(struct tj_sqlite_trace *t, struct tj_query *q)
{
    uint64_t id = tj_query_u64(q, tj_query_u64(q, 1) ? 1 : 0);
    uint64_t stream_bytes = tj_query_u64(q, 3);
    size_t count = t->pools.count;
    if (count && t->pools.items[count - 1].id == id)
        return count - 1;
    struct pool *p = tj_vec_add(&t->pools, t->arena);
    p->id = id;
    p->has_ropes = tj_query_u64(q, 4) != 0;
    p->payload.bytes = stream_bytes;
    p->block_count = (size_t)(stream_bytes / TJ_PAYLOAD_BLOCK_BYTES +
                              (stream_bytes % TJ_PAYLOAD_BLOCK_BYTES != 0));
    return count;
}

/* The index of the trace for each key of a segment. */
static void rename_resources(struct tj_sqlite_trace *t,
                             const struct tj_segment_keys *keys,
                             struct tj_span *spans, size_t count)
{
    int32_t *index = tj_arena_array(t->arena, int32_t, keys->count);
    for (size_t k = 0; k < keys->count; k++) {
        size_t at = 0;
        while (at < t->resources.count &&
               t->resources.items[at] != keys->items[k])
            at++;
        if (at == t->resources.count)
            *tj_vec_add(&t->resources, t->arena) = keys->items[k];
        index[k] = (int32_t)at;
    }
    for (size_t i = 0; i < count; i++) {
        if (spans[i].resource >= 0)
            spans[i].resource = index[spans[i].resource];
    }
}

static bool check_counts(struct tj_query *q, struct tj_err *err)
{
    uint64_t blocks = tj_query_u64(q, 3) / TJ_PAYLOAD_BLOCK_BYTES;
    if (tj_query_u64(q, 2) > TJ_SEGMENT_SPANS_MAX ||
        blocks >= TJ_PAYLOAD_BLOCKS_MAX)
        return tj_fail(err, TJ_E_BACKEND, "corrupt segment %llu: its sizes",
                       (unsigned long long)tj_query_u64(q, 0));
    return true;
}

static bool load_segment(struct tj_sqlite_trace *t, struct tj_query *q,
                         struct tj_err *err)
{
    if (!check_counts(q, err))
        return false;
    struct segment *s = tj_vec_add(&t->segments, t->arena);
    s->id = tj_query_u64(q, 0);
    s->span_count = (size_t)tj_query_u64(q, 2);
    s->pool = pool_index(t, q);
    t->span_count += s->span_count;
    return true;
}

static bool load_segments(struct tj_sqlite_trace *t, struct tj_db *db,
                          const struct tj_sqlite_which *which,
                          struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT id, pool, span_count, stream_bytes, has_ropes FROM segment"
            " WHERE trace = ? AND replaced_time = 0 AND id >= ? AND id < ?"
            " ORDER BY id");
    tj_query_put_u64(&q, which->trace_row);
    tj_query_put_u64(&q, which->first_segment);
    tj_query_put_u64(&q, which->end_segment ? which->end_segment : INT64_MAX);
    enum tj_step step;
    bool ok = true;
    while (ok && (step = tj_query_next(&q, err)) != TJ_DONE)
        ok = step == TJ_ROW && load_segment(t, &q, err);
    tj_query_close(&q);
    if (ok && t->span_count > TJ_SPANS_PER_TRACE_MAX)
        return tj_fail(err, TJ_E_LIMIT, "the trace has over %zu spans",
                       TJ_SPANS_PER_TRACE_MAX);
    return ok;
}

static bool load_heads(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                       size_t index, struct tj_fold *f, struct tj_err *err)
{
    const struct segment *s = &t->segments.items[index];
    struct tj_segment_keys keys;
    struct tj_span *spans = &f->spans[f->count];
    tj_str heads;
    if (!tj_sqlite_read_blob(w, s->id, TJ_SQLITE_BLOB_HEADS, t->arena, &heads,
                             err) ||
        !tj_segment_heads_parse(heads, s->span_count,
                                (uint64_t)index << ORIGIN_SHIFT, f, &keys, err))
        return false;
    rename_resources(t, &keys, spans, s->span_count);
    return true;
}

bool tj_sqlite_load(struct tj_sqlite_worker *w,
                    const struct tj_sqlite_which *which, struct tj_arena *a,
                    struct tj_sqlite_trace **out, struct tj_fold *f,
                    struct tj_err *err)
{
    struct tj_sqlite_trace *t = tj_arena_new(a, struct tj_sqlite_trace);
    t->arena = a;
    if (!load_segments(t, w->db, which, err))
        return false;
    tj_fold_init(f, t->span_count, a);
    for (size_t i = 0; i < t->segments.count; i++) {
        if (!load_heads(t, w, i, f, err))
            return false;
    }
    /* What was written together has distinct ids already. */
    f->distinct = t->pools.count <= 1;
    *out = t;
    return true;
}

size_t tj_sqlite_segment_count(const struct tj_sqlite_trace *t)
{
    return t->segments.count;
}

size_t tj_sqlite_resources(const struct tj_sqlite_trace *t,
                           const uint64_t **out)
{
    *out = t->resources.items;
    return t->resources.count;
}

/* -- fields --------------------------------------------------------------- */

static bool load_tables(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                        struct segment *s, struct tj_err *err)
{
    tj_str fields;
    s->has_fields = tj_sqlite_read_blob(w, s->id, TJ_SQLITE_BLOB_FIELDS,
                                        t->arena, &fields, err) &&
                    tj_segment_fields_parse(fields, s->span_count, t->arena,
                                            &s->fields, err);
    return s->has_fields;
}

bool tj_sqlite_load_span(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                         uint64_t origin, struct tj_span *span,
                         struct tj_err *err)
{
    struct segment *s = segment_of(t, origin);
    return (s->has_fields || load_tables(t, w, s, err)) &&
           tj_segment_fields_read(&s->fields, (uint32_t)origin, t->arena, span,
                                  err);
}

/* -- texts ---------------------------------------------------------------- */

static bool open_pool(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                      struct pool *p, struct tj_err *err)
{
    tj_str table;
    if (p->has_ropes &&
        (!tj_sqlite_read_blob(w, p->id, TJ_SQLITE_BLOB_ROPES, t->arena, &table,
                              err) ||
         !tj_payload_ropes_parse(&p->payload, table, t->arena, err)))
        return false;
    p->blocks = tj_arena_array(t->arena, tj_str, p->block_count);
    p->is_open = true;
    return true;
}

/* What tj_payload_read is handed to get at blocks. */
struct block_source {
    struct tj_sqlite_trace *trace;
    struct tj_sqlite_worker *worker;
    struct pool *pool;
};

static bool block(void *context, size_t index, tj_str *out, struct tj_err *err)
{
    struct block_source *b = context;
    assert(index < b->pool->block_count);
    tj_str *kept = &b->pool->blocks[index];
    if (!kept->ptr &&
        !tj_sqlite_read_blob(b->worker, b->pool->id, (unsigned)index,
                             b->trace->arena, kept, err))
        return false;
    *out = *kept;
    return true;
}

bool tj_sqlite_read_text(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                         uint64_t origin, struct tj_payload_range *range,
                         tj_str *out, struct tj_err *err)
{
    struct pool *p = &t->pools.items[segment_of(t, origin)->pool];
    if (!p->is_open && !open_pool(t, w, p, err))
        return false;
    struct block_source source = {t, w, p};
    struct tj_payload payload = p->payload;
    payload.block = block;
    payload.context = &source;
    return tj_payload_read(&payload, range, t->arena, out, err);
}

/* -- infos that spans have overtaken -------------------------------------- */

/* Previews come from the texts of the root. */
static bool load_previews(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                          const uint64_t *origins, struct tj_trace *trace,
                          struct tj_err *err)
{
    struct tj_span *root =
        &trace->spans[tj_trace_root(trace->spans, &trace->tree)];
    uint64_t origin = origins[root - trace->spans];
    if (!tj_sqlite_load_span(t, w, origin, root, err))
        return false;
    const tj_str names[] = {TJ_STR_INIT("input"), TJ_STR_INIT("output")};
    for (size_t i = 0; i < TJ_COUNT(names); i++) {
        int32_t at = tj_span_find_field(root, names[i]);
        if (at < 0)
            continue;
        struct tj_field *f = &root->fields[at];
        if (f->same_as != TJ_FIELD_NOT_SHARED)
            f = &root->fields[f->same_as];
        struct tj_payload_range range = {f->locator, 0, f->text.len};
        tj_str text;
        if (!tj_sqlite_read_text(t, w, origin, &range, &text, err))
            return false;
        f->text = root->fields[at].text = text;
    }
    return true;
}

bool tj_sqlite_derive(struct tj_sqlite_worker *w, uint64_t trace_row,
                      struct tj_arena *a, struct tj_trace_info *out,
                      uint64_t *last_segment, struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_sqlite_trace *t;
    struct tj_fold f;
    struct tj_trace trace = {0};
    struct tj_trace_info info = {0};
    struct tj_sqlite_which all = {.trace_row = trace_row};
    bool ok = tj_sqlite_load(w, &all, &scratch, &t, &f, err);
    if (ok) {
        tj_fold_trace(&f, &trace);
        ok = f.count == 0 || load_previews(t, w, f.origins, &trace, err);
    }
    if (ok) {
        size_t count = t->segments.count;
        *last_segment = count ? t->segments.items[count - 1].id : 0;
        tj_trace_info_derive(&info, trace.spans, &trace.tree, &scratch);
        *out = tj_fold_info_copy(&info, a);
    }
    tj_arena_release(&scratch);
    return ok;
}

bool tj_sqlite_refresh(struct tj_sqlite_worker *w, struct tj_arena *a,
                       struct tj_sqlite_info *info, struct tj_err *err)
{
    struct tj_trace_info derived;
    uint64_t last_segment;
    if (!info->stale)
        return true;
    if (!tj_sqlite_derive(w, info->info.row, a, &derived, &last_segment, err))
        return false;
    derived.trace_id = info->info.trace_id;
    tj_sqlite_put_derived(info, &derived, a);
    return true;
}

bool tj_sqlite_refresh_or_keep(struct tj_sqlite_worker *w, struct tj_arena *a,
                               struct tj_sqlite_info *info, struct tj_err *err)
{
    struct tj_err why = {0};
    if (tj_sqlite_refresh(w, a, info, &why) || why.code == TJ_E_BACKEND ||
        why.code == TJ_E_LIMIT)
        return true;
    *err = why;
    return false;
}

/* -- ops ------------------------------------------------------------------ */

static bool find_resource(struct tj_db *db, uint64_t key, struct tj_arena *a,
                          struct tj_resource *out, struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(db, "SELECT text FROM resource WHERE key = ?");
    tj_query_put_u64(&q, key);
    enum tj_step step = tj_query_next(&q, err);
    if (step == TJ_ROW)
        out->text = tj_query_dup(&q, 0, a);
    tj_query_close(&q);
    return step != TJ_FAILED;
}

static bool open_row(struct tj_sqlite_worker *w, uint64_t row,
                     struct tj_trace *out, struct tj_err *err)
{
    struct tj_arena *a = out->arena;
    struct tj_sqlite_which all = {.trace_row = row};
    struct tj_sqlite_info info;
    struct tj_sqlite_trace *t;
    struct tj_fold f;
    if (!tj_sqlite_info_find(w->db, row, a, &info, err) ||
        !tj_sqlite_refresh(w, a, &info, err) ||
        !tj_sqlite_load(w, &all, a, &t, &f, err))
        return false;
    tj_fold_trace(&f, out);
    t->origins = f.origins;
    out->info = info.info;
    out->impl = t;
    out->resource_count = t->resources.count;
    out->resources = tj_arena_array(a, struct tj_resource, t->resources.count);
    for (size_t i = 0; i < t->resources.count; i++) {
        if (!find_resource(w->db, t->resources.items[i], a, &out->resources[i],
                           err))
            return false;
    }
    return true;
}

bool tj_sqlite_open_trace(struct tj_store *st, tj_trace_id id,
                          struct tj_trace *out, bool *found, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    uint64_t row = 0;
    if (!w)
        return false;
    /* One state of the database for info and segments. */
    bool ok = tj_db_run(w->db, "BEGIN", err) &&
              tj_sqlite_find_row(w->db, id, &row, err) &&
              (row == 0 || open_row(w, row, out, err));
    tj_db_rollback(w->db);
    tj_sqlite_give(s, w);
    *found = row != 0;
    return ok;
}

bool tj_sqlite_load_fields(struct tj_store *st, struct tj_trace *trace,
                           size_t span, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_trace *t = trace->impl;
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    bool ok = w && tj_sqlite_load_span(t, w, t->origins[span],
                                       &trace->spans[span], err);
    tj_sqlite_give(s, w);
    return ok;
}

bool tj_sqlite_read_field(struct tj_store *st, struct tj_trace *trace,
                          const struct tj_field_range *range, tj_str *out,
                          struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_trace *t = trace->impl;
    struct tj_field *f = &trace->spans[range->span].fields[range->field];
    if (f->text.ptr) {
        *out = tj_str_slice(f->text, (size_t)range->offset, (size_t)range->len);
        return true;
    }
    struct tj_payload_range part = {f->locator, range->offset, range->len};
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    bool ok = w && tj_sqlite_read_text(t, w, t->origins[range->span], &part,
                                       out, err);
    tj_sqlite_give(s, w);
    if (ok && out->len == f->text.len)
        f->text.ptr = out->ptr;
    return ok;
}
