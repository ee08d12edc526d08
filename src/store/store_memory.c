/* store_memory.c - a store in memory: for tests, demos and one-off runs.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Everything lives in one arena until the store is closed, replaced spans and
 * deleted traces too.  So what a reader got stays valid whatever is written
 * meanwhile, and field texts are handed out without copying.  One lock guards
 * all of it and is held for the length of a call.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "store/store_held.h"
#include "store/store_memory_int.h"

static struct memory_trace *find(const struct memory_store *m, tj_trace_id id)
{
    const struct tj_map_entry *e = tj_map_find(
        &m->by_id, (tj_str){(const char *)id.bytes, sizeof id.bytes});
    struct memory_trace *t = e ? e->ptr : NULL;
    return t && !t->deleted ? t : NULL;
}

static struct memory_trace *find_or_add(struct memory_store *m, tj_trace_id id)
{
    struct memory_trace *t = find(m, id);
    if (t)
        return t;
    t = tj_arena_new(&m->arena, struct memory_trace);
    t->id = id;
    t->said.trace_id = id;
    t->said.usage = TJ_USAGE_UNKNOWN;
    t->row = m->traces.count + 1;
    t->stale = true;
    *tj_vec_add(&m->traces, &m->arena) = t;
    bool fresh;
    tj_map_add(&m->by_id,
               (tj_str){(const char *)t->id.bytes, sizeof t->id.bytes}, &fresh)
        ->ptr = t;
    return t;
}

/* -- copies --------------------------------------------------------------- */

static struct tj_field *keep_fields(struct memory_store *m,
                                    const struct tj_span *s)
{
    struct tj_field *fields =
        tj_arena_array(&m->arena, struct tj_field, s->field_count);
    for (size_t i = 0; i < s->field_count; i++) {
        fields[i] = s->fields[i];
        fields[i].name = tj_memory_keep(m, fields[i].name);
        if (fields[i].same_as == TJ_FIELD_NOT_SHARED)
            fields[i].text = tj_memory_keep(m, fields[i].text);
    }
    for (size_t i = 0; i < s->field_count; i++) {
        if (fields[i].same_as != TJ_FIELD_NOT_SHARED)
            fields[i].text = fields[fields[i].same_as].text;
    }
    return fields;
}

static struct tj_span *keep_span(struct memory_store *m,
                                 const struct tj_span *s)
{
    struct tj_span *c = tj_arena_new(&m->arena, struct tj_span);
    *c = *s;
    tj_str *texts[] = {&c->name,         &c->kind_text, &c->status_message,
                       &c->trace_state,  &c->model,     &c->provider,
                       &c->tool_name,    &c->agent,     &c->session,
                       &c->tool_call_id, &c->user,      &c->environment,
                       &c->release};
    for (size_t i = 0; i < TJ_COUNT(texts); i++)
        *texts[i] = tj_memory_keep(m, *texts[i]);
    c->events = tj_arena_array(&m->arena, struct tj_event, s->event_count);
    for (size_t i = 0; i < s->event_count; i++) {
        c->events[i] = s->events[i];
        c->events[i].name = tj_memory_keep(m, s->events[i].name);
    }
    c->links = tj_arena_array(&m->arena, struct tj_link, s->link_count);
    for (size_t i = 0; i < s->link_count; i++)
        c->links[i] = s->links[i];
    c->fields = keep_fields(m, s);
    return c;
}

/* -- writing -------------------------------------------------------------- */

/* The index in t of a resource of the batch. */
static int32_t keep_resource(struct memory_store *m, struct memory_trace *t,
                             const struct tj_batch *batch, int32_t index)
{
    if (index < 0 || (size_t)index >= batch->resources.count)
        return -1;
    tj_str text = batch->resources.items[index].text;
    for (size_t i = 0; i < t->resources.count; i++) {
        if (tj_str_eq(t->resources.items[i].text, text))
            return (int32_t)i;
    }
    tj_vec_add(&t->resources, &m->arena)->text = tj_memory_keep(m, text);
    return (int32_t)t->resources.count - 1;
}

static void add_span(struct memory_store *m, const struct tj_batch *batch,
                     const struct tj_span *span)
{
    struct memory_trace *t = find_or_add(m, span->trace_id);
    struct tj_span *kept = keep_span(m, span);
    kept->resource = keep_resource(m, t, batch, span->resource);
    *tj_vec_add(&t->spans, &m->arena) = kept;
    *tj_vec_add(&t->digests, &m->arena) = tj_fold_digest(span);
    t->stale = true;
}

static void add_info(struct memory_store *m, const struct tj_trace_info *info)
{
    struct tj_err never = {0}; /* check_experiments was here before */
    struct tj_trace_info news =
        tj_fold_stay(info, find(m, info->trace_id) != NULL);
    struct memory_trace *t = find_or_add(m, info->trace_id);
    struct tj_trace_info said = tj_fold_info_copy(&news, &m->arena);
    if (tj_memory_resolve_experiment(m, &said, &never))
        tj_fold_said(&t->said, &said, &m->arena);
    t->stale = true;
}

static struct tj_assessment *same_assessment(struct memory_trace *t,
                                             const struct tj_assessment *as)
{
    tj_vec_each (&t->assessments, struct tj_assessment, old) {
        if (tj_str_eq(old->id, as->id) ||
            (as->key.len && tj_str_eq(old->key, as->key)))
            return old;
    }
    return NULL;
}

static void put_assessment(struct memory_store *m, struct memory_trace *t,
                           struct tj_assessment *as)
{
    struct tj_assessment kept = tj_assessment_copy(as, &m->arena);
    struct tj_assessment *old = same_assessment(t, as);
    if (old) {
        kept.id = as->id = old->id;
        kept.create_time = as->create_time = old->create_time;
    } else {
        old = tj_vec_add(&t->assessments, &m->arena);
    }
    *old = kept;
}

/* True when the batch or the store has the trace of every assessment. */
static bool check_subjects(struct memory_store *m, const struct tj_batch *batch,
                           struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_map known;
    bool ok = true;
    bool fresh;
    tj_map_init(&known, &scratch);
    tj_vec_each (&batch->traces, const struct tj_trace_info, info)
        (void)tj_map_add(
            &known, (tj_str){(const char *)info->trace_id.bytes, 16}, &fresh);
    tj_vec_each (&batch->spans, const struct tj_span, s)
        (void)tj_map_add(&known, (tj_str){(const char *)s->trace_id.bytes, 16},
                         &fresh);
    tj_vec_each (&batch->assessments, const struct tj_assessment, as) {
        tj_str id = {(const char *)as->trace_id.bytes, 16};
        if (ok && !tj_map_find(&known, id) && !find(m, as->trace_id))
            ok = tj_fold_no_trace(as->trace_id, err);
    }
    tj_arena_release(&scratch);
    return ok;
}

/* All of the batch or nothing: so this comes before anything is changed. */
static bool check_experiments(const struct memory_store *m,
                              const struct tj_batch *batch, struct tj_err *err)
{
    tj_vec_each (&batch->traces, const struct tj_trace_info, info) {
        if (!info->experiment.len &&
            info->experiment_id >= m->experiments.count)
            return tj_fold_no_experiment(info->experiment_id, err);
    }
    return true;
}

static bool memory_add_batch(struct tj_store *st, const struct tj_batch *batch,
                             struct tj_err *err)
{
    struct memory_store *m = tj_memory_locked(st);
    if (!check_subjects(m, batch, err) || !check_experiments(m, batch, err))
        return tj_memory_leave(m, false);
    tj_vec_each (&batch->traces, const struct tj_trace_info, info)
        add_info(m, info);
    tj_vec_each (&batch->spans, const struct tj_span, span)
        add_span(m, batch, span);
    tj_vec_each (&batch->assessments, const struct tj_assessment, as) {
        struct tj_assessment full = tj_fold_full(as, &m->arena);
        put_assessment(m, find(m, full.trace_id), &full);
    }
    return tj_memory_leave(m, true);
}

static bool memory_quiesce(struct tj_store *st, struct tj_err *err)
{
    (void)st;
    (void)err;
    return true;
}

static bool memory_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                          struct tj_err *err)
{
    (void)err;
    uint64_t row = 0;
    struct memory_store *m = tj_memory_locked(st);
    for (size_t i = 0; i < m->traces.count; i++) {
        const struct memory_trace *t = m->traces.items[i];
        if (t->deleted || t->row < row || tj_fold_is_judge_trace(&t->said))
            continue;
        row = t->row;
        *out = t->id;
        *found = true;
    }
    return tj_memory_leave(m, true);
}

static bool memory_set_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                           tj_str value, struct tj_err *err)
{
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace *t = find(m, id);
    if (!t)
        return tj_memory_leave(m, tj_fold_no_trace(id, err));
    if (value.ptr) {
        tj_pairs_set(&t->said.tags, &m->arena, tj_memory_keep(m, key),
                     tj_memory_keep(m, value));
    } else {
        tj_pairs left = {0};
        tj_vec_each (&t->said.tags, struct tj_pair, p) {
            if (!tj_str_eq(p->key, key))
                *tj_vec_add(&left, &m->arena) = *p;
        }
        t->said.tags = left;
    }
    t->stale = true;
    return tj_memory_leave(m, true);
}

/* With its attachments. */
static void drop_trace(struct memory_store *m, struct memory_trace *t)
{
    struct tj_arena scratch = {0};
    (void)tj_memory_drop_records(m, TJ_RECORD_ATTACHMENT,
                                 tj_trace_id_text(&scratch, t->id));
    tj_arena_release(&scratch);
    t->deleted = true;
}

static bool memory_delete_trace(struct tj_store *st, tj_trace_id id,
                                bool *existed, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace *t = find(m, id);
    if (t)
        drop_trace(m, t);
    *existed = t;
    return tj_memory_leave(m, true);
}

/* -- reading -------------------------------------------------------------- */

static void fold(struct memory_trace *t, struct tj_arena *a,
                 struct tj_fold *out)
{
    tj_fold_init(out, t->spans.count, a);
    for (size_t i = 0; i < t->spans.count; i++) {
        struct tj_span *s = t->spans.items[i];
        *tj_fold_add(out, (uint64_t)(uintptr_t)s, t->digests.items[i]) = *s;
    }
}

static void refresh(struct memory_store *m, struct memory_trace *t)
{
    if (!t->stale)
        return;
    struct tj_arena scratch = {0};
    struct tj_trace trace = {0};
    struct tj_fold f;
    fold(t, &scratch, &f);
    tj_fold_trace(&f, &trace);
    struct tj_trace_info info = tj_fold_info_copy(&t->said, &m->arena);
    tj_trace_info_derive(&info, trace.spans, &trace.tree, &m->arena);
    info.row = t->row;
    t->info = tj_fold_info_copy(&info, &m->arena);
    t->stale = false;
    tj_arena_release(&scratch);
}

static struct tj_trace_info info_of(struct memory_store *m,
                                    struct memory_trace *t, struct tj_arena *a)
{
    refresh(m, t);
    t->info.experiment = tj_memory_experiment_name(m, t->info.experiment_id);
    return tj_fold_info_copy(&t->info, a);
}

static bool memory_find_info(struct tj_store *st, tj_trace_id id,
                             struct tj_arena *a, struct tj_trace_info *out,
                             bool *found, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace *t = find(m, id);
    *found = t;
    if (t)
        *out = info_of(m, t, a);
    return tj_memory_leave(m, true);
}

static bool memory_open_trace(struct tj_store *st, tj_trace_id id,
                              struct tj_trace *out, bool *found,
                              struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace *t = find(m, id);
    *found = t;
    if (!t)
        return tj_memory_leave(m, true);
    struct tj_fold f;
    out->info = info_of(m, t, out->arena);
    fold(t, out->arena, &f);
    tj_fold_trace(&f, out);
    for (size_t i = 0; i < f.count; i++)
        f.spans[i].fields = NULL;
    out->impl = f.origins;
    out->resource_count = t->resources.count;
    out->resources =
        tj_arena_array(out->arena, struct tj_resource, t->resources.count);
    for (size_t i = 0; i < t->resources.count; i++)
        out->resources[i] = t->resources.items[i];
    return tj_memory_leave(m, true);
}

/* Newest first. */
static int by_time(const void *left, const void *right)
{
    const struct memory_trace *a = *(struct memory_trace *const *)left;
    const struct memory_trace *b = *(struct memory_trace *const *)right;
    if (a->info.request_time != b->info.request_time)
        return a->info.request_time > b->info.request_time ? -1 : 1;
    return memcmp(&a->id, &b->id, sizeof a->id);
}

static bool is_behind(const struct memory_trace *t, const struct tj_scan *scan)
{
    return t->info.request_time < scan->time ||
           (t->info.request_time == scan->time &&
            memcmp(&t->id, &scan->id, sizeof t->id) > 0);
}

static bool is_meant(const struct memory_trace *t, const struct tj_scan *scan)
{
    bool meant = scan->experiment_count == 0;
    for (size_t i = 0; i < scan->experiment_count && !meant; i++)
        meant = t->info.experiment_id == scan->experiments[i];
    return meant &&
           (scan->with_judge_traces || !tj_fold_is_judge_trace(&t->info));
}

/* Traces that are there, with fresh infos, in order of arrival. */
static size_t listed(struct memory_store *m, const struct tj_scan *scan,
                     struct tj_arena *a, struct memory_trace ***out)
{
    struct memory_trace **list =
        tj_arena_array(a, struct memory_trace *, m->traces.count);
    size_t count = 0;
    for (size_t i = 0; i < m->traces.count; i++) {
        struct memory_trace *t = m->traces.items[i];
        if (t->deleted)
            continue;
        refresh(m, t);
        if (is_meant(t, scan))
            list[count++] = t;
    }
    *out = list;
    return count;
}

static bool memory_scan(struct tj_store *st, const struct tj_scan *scan,
                        struct tj_arena *a, struct tj_scan_page *out,
                        struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace **list;
    size_t count = listed(m, scan, a, &list);
    qsort(list, count, sizeof(struct memory_trace *), by_time);
    out->rows = tj_arena_array(a, struct tj_scan_row,
                               tj_size_min(count, scan->row_max));
    for (size_t i = 0; i < count && out->count < scan->row_max; i++) {
        if (!is_behind(list[i], scan))
            continue;
        struct tj_scan_row *row = &out->rows[out->count++];
        row->info = info_of(m, list[i], a);
        row->time = row->info.request_time;
    }
    return tj_memory_leave(m, true);
}

static bool memory_count(struct tj_store *st, const struct tj_scan *scan,
                         uint64_t *out, struct tj_err *err)
{
    (void)err;
    struct tj_arena scratch = {0};
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace **list;
    *out = listed(m, scan, &scratch, &list);
    tj_arena_release(&scratch);
    return tj_memory_leave(m, true);
}

static bool memory_resolve(struct tj_store *st, const tj_trace_id range[2],
                           tj_trace_id *out, size_t *count, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    for (size_t i = 0; i < m->traces.count; i++) {
        const struct memory_trace *t = m->traces.items[i];
        if (t->deleted || memcmp(&t->id, &range[0], sizeof t->id) < 0 ||
            memcmp(&t->id, &range[1], sizeof t->id) > 0)
            continue;
        if (*count == 0 || memcmp(&t->id, out, sizeof t->id) < 0)
            *out = t->id;
        (*count)++;
    }
    return tj_memory_leave(m, true);
}

/* -- many at once --------------------------------------------------------- */

static bool memory_link_traces(struct tj_store *st,
                               const struct tj_trace_ids *ids, tj_str run_id,
                               size_t *linked, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    tj_str kept = tj_memory_keep(m, run_id);
    for (size_t i = 0; i < ids->count; i++) {
        struct memory_trace *t = find(m, ids->items[i]);
        if (!t)
            continue;
        tj_pairs_set(&t->said.links, &m->arena, kept, TJ_STR("run"));
        t->stale = true;
        (*linked)++;
    }
    return tj_memory_leave(m, true);
}

static tj_str id_bytes(const tj_trace_id *id)
{
    return (tj_str){(const char *)id->bytes, sizeof id->bytes};
}

/* ids is empty when all are meant. */
static bool is_doomed(const struct tj_trace_doomed *d, const struct tj_map *ids,
                      const struct memory_trace *t)
{
    return (d->experiment_id == TJ_EXPERIMENT_ANY ||
            (uint64_t)d->experiment_id == t->info.experiment_id) &&
           (!d->max_time || t->info.request_time <= d->max_time) &&
           (!ids->count || tj_map_find(ids, id_bytes(&t->id)));
}

static bool memory_delete_traces(struct tj_store *st,
                                 const struct tj_trace_doomed *doomed,
                                 uint64_t *deleted, struct tj_err *err)
{
    (void)err;
    struct tj_arena scratch = {0};
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace **list;
    struct tj_scan all = {.with_judge_traces = true};
    size_t count = listed(m, &all, &scratch, &list);
    qsort(list, count, sizeof(struct memory_trace *), by_time);
    struct tj_map ids;
    bool fresh;
    tj_map_init(&ids, &scratch);
    for (size_t i = 0; i < doomed->id_count; i++)
        (void)tj_map_add(&ids, id_bytes(&doomed->ids[i]), &fresh);
    for (size_t i = count; i > 0; i--) { /* the oldest are at the end */
        if (doomed->count_max && *deleted == doomed->count_max)
            break;
        if (!is_doomed(doomed, &ids, list[i - 1]))
            continue;
        drop_trace(m, list[i - 1]);
        (*deleted)++;
    }
    tj_arena_release(&scratch);
    return tj_memory_leave(m, true);
}

/* -- assessments ---------------------------------------------------------- */

static bool memory_add_assessment(struct tj_store *st, struct tj_assessment *as,
                                  struct tj_arena *a, struct tj_err *err)
{
    (void)a;
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace *t = find(m, as->trace_id);
    if (!t)
        return tj_memory_leave(m, tj_fold_no_trace(as->trace_id, err));
    put_assessment(m, t, as);
    return tj_memory_leave(m, true);
}

static void copy_assessments(const struct memory_trace *t, struct tj_arena *a,
                             struct tj_assessments *out)
{
    size_t count = t ? t->assessments.count : 0;
    out->items = tj_arena_array(a, struct tj_assessment, count);
    for (size_t i = 0; i < count; i++)
        out->items[out->count++] = t->assessments.items[i];
    tj_fold_assessments(out->items, out->count, a);
}

static bool memory_assessments(struct tj_store *st, tj_trace_id id,
                               struct tj_arena *a, struct tj_assessments *out,
                               struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    copy_assessments(find(m, id), a, out);
    return tj_memory_leave(m, true);
}

static bool speaks_for_session(const struct tj_assessment *as)
{
    return as->valid && tj_assessment_meta(as, TJ_STR(TJ_SESSION_KEY)).ptr;
}

static bool memory_session_assessments(struct tj_store *st,
                                       const struct tj_trace_info *info,
                                       struct tj_arena *a,
                                       struct tj_assessments *out,
                                       struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    TJ_VEC(struct tj_assessment) list = {0};
    for (size_t i = 0; i < m->traces.count; i++) {
        struct memory_trace *t = m->traces.items[i];
        if (t->deleted)
            continue;
        refresh(m, t);
        if (!tj_str_eq(t->info.session, info->session) ||
            t->info.experiment_id != info->experiment_id)
            continue;
        struct tj_assessments all = {0};
        copy_assessments(t, a, &all);
        for (size_t k = 0; k < all.count; k++) {
            if (speaks_for_session(&all.items[k]))
                *tj_vec_add(&list, a) = all.items[k];
        }
    }
    out->items = list.items;
    out->count = list.count;
    return tj_memory_leave(m, true);
}

/* The one that it had overridden is valid again. */
static void remove_assessment(struct memory_trace *t, size_t at)
{
    tj_str restored = t->assessments.items[at].overrides;
    t->assessments.count--;
    for (size_t i = at; i < t->assessments.count; i++)
        t->assessments.items[i] = t->assessments.items[i + 1];
    for (size_t i = 0; restored.len && i < t->assessments.count; i++) {
        if (tj_str_eq(t->assessments.items[i].id, restored))
            t->assessments.items[i].valid = true;
    }
}

/* Its index, or the count when there is none. */
static size_t find_assessment(const struct memory_trace *t, tj_str id)
{
    size_t at = 0;
    while (at < t->assessments.count &&
           !tj_str_eq(t->assessments.items[at].id, id))
        at++;
    return at;
}

static bool memory_delete_assessment(struct tj_store *st, tj_trace_id id,
                                     tj_str assessment_id, bool *existed,
                                     struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace *t = find(m, id);
    size_t at = t ? find_assessment(t, assessment_id) : 0;
    *existed = t && at < t->assessments.count;
    if (*existed)
        remove_assessment(t, at);
    return tj_memory_leave(m, true);
}

static bool is_overridden(const struct memory_trace *t, tj_str id)
{
    for (size_t i = 0; i < t->assessments.count; i++) {
        if (tj_str_eq(t->assessments.items[i].overrides, id))
            return true;
    }
    return false;
}

/* Another one must not have the key that the edit chose. */
static bool check_edited(const struct memory_trace *t, size_t at,
                         const struct tj_assessment *as, struct tj_err *err)
{
    for (size_t i = 0; as->key.len && i < t->assessments.count; i++) {
        if (i != at && tj_str_eq(t->assessments.items[i].key, as->key))
            return tj_fold_key_taken(as->key, err);
    }
    return true;
}

static bool edit_at(struct memory_store *m, struct memory_trace *t, size_t at,
                    const struct tj_assessment_change *change,
                    struct tj_err *err)
{
    struct tj_assessment as = t->assessments.items[at];
    as.trace_id = change->trace_id;
    as.valid = as.valid && !is_overridden(t, as.id);
    as.metadata.cap = as.metadata.count; /* what is added goes elsewhere */
    switch (change->edit(change->ctx, &as, change->a, err)) {
    case TJ_EDIT_FAIL: return false;
    case TJ_EDIT_KEEP: return true;
    case TJ_EDIT_DELETE: remove_assessment(t, at); return true;
    case TJ_EDIT_PUT: break;
    }
    if (!check_edited(t, at, &as, err))
        return false;
    t->assessments.items[at] = tj_assessment_copy(&as, &m->arena);
    return true;
}

static bool memory_edit_assessment(struct tj_store *st,
                                   struct tj_assessment_change *change,
                                   struct tj_err *err)
{
    struct memory_store *m = tj_memory_locked(st);
    struct memory_trace *t = find(m, change->trace_id);
    size_t at = t ? find_assessment(t, change->id) : 0;
    change->found = t && at < t->assessments.count;
    return tj_memory_leave(m, !change->found || edit_at(m, t, at, change, err));
}

/* -- judges --------------------------------------------------------------- */

static bool memory_add_judge(struct tj_store *st, const struct tj_judge_row *in,
                             struct tj_arena *a, struct tj_judge_row *out,
                             struct tj_err *err)
{
    (void)a;
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    uint32_t version = 1;
    tj_vec_each (&m->judges, struct tj_judge_row, row) {
        if (!tj_str_eq(row->name, in->name))
            continue;
        if (tj_str_eq(row->digest, in->digest)) {
            *out = *row;
            return tj_memory_leave(m, true);
        }
        version = row->version + 1;
    }
    struct tj_judge_row *row = tj_vec_add(&m->judges, &m->arena);
    *row = (struct tj_judge_row){
        .name = tj_memory_keep(m, in->name),
        .version = version,
        .digest = tj_memory_keep(m, in->digest),
        .source = tj_memory_keep(m, in->source),
        .create_time = in->create_time,
    };
    *out = *row;
    return tj_memory_leave(m, true);
}

static bool memory_find_judge(struct tj_store *st, tj_str name,
                              uint32_t version, struct tj_arena *a,
                              struct tj_judge_row *out, struct tj_err *err)
{
    (void)a;
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    tj_vec_each (&m->judges, struct tj_judge_row, row) {
        if (tj_str_eq(row->name, name) &&
            (version == 0 || row->version == version))
            *out = *row;
    }
    return tj_memory_leave(m, true);
}

static int by_name(const void *left, const void *right)
{
    const struct tj_judge_row *a = left;
    const struct tj_judge_row *b = right;
    return tj_str_cmp(a->name, b->name);
}

static bool memory_judges(struct tj_store *st, struct tj_arena *a,
                          struct tj_judge_rows *out, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    out->items = tj_arena_array(a, struct tj_judge_row, m->judges.count);
    tj_vec_each (&m->judges, struct tj_judge_row, row) {
        size_t at = 0;
        while (at < out->count && !tj_str_eq(out->items[at].name, row->name))
            at++;
        out->items[at] = *row; /* versions ascend: the last one stays */
        out->count = tj_size_max(out->count, at + 1);
    }
    if (out->count)
        qsort(out->items, out->count, sizeof *out->items, by_name);
    return tj_memory_leave(m, true);
}

/* -- the whole ------------------------------------------------------------ */

static bool memory_stats(struct tj_store *st, struct tj_store_stats *out,
                         struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    for (size_t i = 0; i < m->traces.count; i++) {
        struct memory_trace *t = m->traces.items[i];
        if (t->deleted)
            continue;
        refresh(m, t);
        out->trace_count++;
        out->span_count += t->info.span_count;
        out->text_bytes += t->info.text_bytes;
        out->assessment_count += t->assessments.count;
    }
    return tj_memory_leave(m, true);
}

static void memory_close(struct tj_store *st)
{
    struct memory_store *m = tj_memory_self(st);
    (void)pthread_mutex_destroy(&m->lock);
    tj_arena_release(&m->arena);
    tj_heap_free(m);
}

static const struct tj_store_ops memory_ops = {
    .name = "memory",
    .close = memory_close,
    .add_batch = memory_add_batch,
    .quiesce = memory_quiesce,
    .open_trace = memory_open_trace,
    .load_fields = tj_held_load_fields,
    .read_field = tj_held_read_field,
    .find_info = memory_find_info,
    .scan = memory_scan,
    .count = memory_count,
    .resolve = memory_resolve,
    .newest = memory_newest,
    .set_tag = memory_set_tag,
    .delete_trace = memory_delete_trace,
    .add_assessment = memory_add_assessment,
    .assessments = memory_assessments,
    .session_assessments = memory_session_assessments,
    .delete_assessment = memory_delete_assessment,
    .add_judge = memory_add_judge,
    .find_judge = memory_find_judge,
    .judges = memory_judges,
    .delete_traces = memory_delete_traces,
    .link_traces = memory_link_traces,
    .edit_assessment = memory_edit_assessment,
    .add_experiment = tj_memory_add_experiment,
    .find_experiment = tj_memory_find_experiment,
    .find_experiment_named = tj_memory_find_experiment_named,
    .experiments = tj_memory_experiments,
    .edit_experiment = tj_memory_edit_experiment,
    .find_record = tj_memory_find_record,
    .edit_records = tj_memory_edit_records,
    .records = tj_memory_records,
    .delete_records = tj_memory_delete_records,
    .stats = memory_stats,
};

struct tj_store *tj_store_memory_new(void)
{
    struct memory_store *m = tj_heap_new(sizeof *m);
    m->front.ops = &memory_ops;
    (void)pthread_mutex_init(&m->lock, NULL);
    tj_map_init(&m->by_id, &m->arena);
    tj_memory_records_init(m);
    return &m->front;
}
