/* store_memory_record.c - the memory store: experiments and records.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "store/store_memory_int.h"

/* -- experiments ---------------------------------------------------------- */

/* In the store's arena, or in a caller's. */
static struct tj_experiment copy_experiment(const struct tj_experiment *ex,
                                            struct tj_arena *a)
{
    struct tj_experiment c = *ex;
    c.name = tj_str_dup(a, ex->name);
    c.artifact_location = tj_str_dup(a, ex->artifact_location);
    c.tags = (tj_pairs){0};
    tj_vec_each (&ex->tags, const struct tj_pair, p) {
        struct tj_pair *tag = tj_vec_add(&c.tags, a);
        tag->key = tj_str_dup(a, p->key);
        tag->value = tj_str_dup(a, p->value);
    }
    return c;
}

static struct tj_experiment *named(struct memory_store *m, tj_str name)
{
    tj_vec_each (&m->experiments, struct tj_experiment, ex) {
        if (tj_str_eq(ex->name, name))
            return ex;
    }
    return NULL;
}

static struct tj_experiment *add_experiment(struct memory_store *m,
                                            const struct tj_experiment *in)
{
    struct tj_experiment *ex = tj_vec_add(&m->experiments, &m->arena);
    *ex = copy_experiment(in, &m->arena);
    ex->id = m->experiments.count - 1;
    return ex;
}

void tj_memory_records_init(struct memory_store *m)
{
    struct tj_experiment first = {.name = TJ_STR("Default")};
    first.create_time = first.update_time = tj_now();
    (void)add_experiment(m, &first);
    tj_map_init(&m->record_by_id, &m->arena);
}

bool tj_memory_resolve_experiment(struct memory_store *m,
                                  struct tj_trace_info *in, struct tj_err *err)
{
    if (!in->experiment.len)
        return in->experiment_id < m->experiments.count ||
               tj_fold_no_experiment(in->experiment_id, err);
    struct tj_experiment *ex = named(m, in->experiment);
    if (!ex) {
        struct tj_experiment fresh = {.name = in->experiment};
        fresh.create_time = fresh.update_time = tj_now();
        ex = add_experiment(m, &fresh);
    }
    in->experiment_id = ex->id;
    return true;
}

tj_str tj_memory_experiment_name(const struct memory_store *m, uint64_t id)
{
    return id ? m->experiments.items[id].name : TJ_STR("");
}

bool tj_memory_add_experiment(struct tj_store *st,
                              const struct tj_experiment *in,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *fresh, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    const struct tj_experiment *ex = named(m, in->name);
    *fresh = !ex;
    if (!ex)
        ex = add_experiment(m, in);
    *out = copy_experiment(ex, a);
    return tj_memory_leave(m, true);
}

bool tj_memory_find_experiment(struct tj_store *st, uint64_t id,
                               struct tj_arena *a, struct tj_experiment *out,
                               bool *found, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    *found = id < m->experiments.count;
    if (*found)
        *out = copy_experiment(&m->experiments.items[id], a);
    return tj_memory_leave(m, true);
}

bool tj_memory_find_experiment_named(struct tj_store *st, tj_str name,
                                     struct tj_arena *a,
                                     struct tj_experiment *out, bool *found,
                                     struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    const struct tj_experiment *ex = named(m, name);
    *found = ex;
    if (ex)
        *out = copy_experiment(ex, a);
    return tj_memory_leave(m, true);
}

bool tj_memory_experiments(struct tj_store *st, struct tj_arena *a,
                           struct tj_experiments *out, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    out->items = tj_arena_array(a, struct tj_experiment, m->experiments.count);
    out->count = m->experiments.count;
    for (size_t i = 0; i < out->count; i++)
        out->items[i] = copy_experiment(&m->experiments.items[i], a);
    return tj_memory_leave(m, true);
}

static bool edit_experiment(struct memory_store *m,
                            const struct tj_experiment_change *change,
                            struct tj_err *err)
{
    assert(m->experiments.items);
    struct tj_experiment *there = &m->experiments.items[change->id];
    struct tj_experiment ex = copy_experiment(there, change->a);
    switch (change->edit(change->ctx, &ex, change->a, err)) {
    case TJ_EDIT_DELETE: /* the front lets none through */
    case TJ_EDIT_FAIL: return false;
    case TJ_EDIT_KEEP: return true;
    case TJ_EDIT_PUT: break;
    }
    const struct tj_experiment *other = named(m, ex.name);
    if (other && other != there)
        return tj_fold_name_taken(ex.name, err);
    *there = copy_experiment(&ex, &m->arena);
    return true;
}

bool tj_memory_edit_experiment(struct tj_store *st,
                               struct tj_experiment_change *change,
                               struct tj_err *err)
{
    struct memory_store *m = tj_memory_locked(st);
    change->found = change->id < m->experiments.count;
    return tj_memory_leave(m,
                           !change->found || edit_experiment(m, change, err));
}

/* -- records -------------------------------------------------------------- */

static struct tj_record copy_record(const struct tj_record *r,
                                    struct tj_arena *a)
{
    struct tj_record c = *r;
    c.id = tj_str_dup(a, r->id);
    c.parent = tj_str_dup(a, r->parent);
    c.name = tj_str_dup(a, r->name);
    c.body = tj_str_dup(a, r->body);
    return c;
}

/* The kind, then the id. */
static tj_str key_of(enum tj_record_kind kind, tj_str id, struct tj_arena *a)
{
    char *key = tj_arena_alloc(a, id.len + 1);
    key[0] = (char)kind;
    if (id.len)
        memcpy(key + 1, id.ptr, id.len);
    return (tj_str){key, id.len + 1};
}

static struct memory_record *find_record(struct memory_store *m,
                                         enum tj_record_kind kind, tj_str id)
{
    struct tj_arena scratch = {0};
    const struct tj_map_entry *e =
        tj_map_find(&m->record_by_id, key_of(kind, id, &scratch));
    struct memory_record *r = e ? e->ptr : NULL;
    tj_arena_release(&scratch);
    return r && !r->deleted ? r : NULL;
}

bool tj_memory_find_record(struct tj_store *st, const struct tj_record *key,
                           struct tj_arena *a, struct tj_record *out,
                           bool *found, struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    const struct memory_record *r = find_record(m, key->kind, key->id);
    *found = r;
    if (r)
        *out = copy_record(&r->record, a);
    return tj_memory_leave(m, true);
}

static struct memory_record *put_record(struct memory_store *m,
                                        struct memory_record *there,
                                        const struct tj_record *in)
{
    if (there) {
        there->record = copy_record(in, &m->arena);
        return there;
    }
    struct memory_record *r = tj_arena_new(&m->arena, struct memory_record);
    *tj_vec_add(&m->records, &m->arena) = r;
    r->record = copy_record(in, &m->arena);
    r->record.row = m->records.count;
    bool fresh;
    tj_map_add(&m->record_by_id, key_of(in->kind, in->id, &m->arena), &fresh)
        ->ptr = r;
    return r;
}

/* What an edit changed, and what was there before. */
struct undo {
    struct memory_record *record; /* NULL: nothing */
    struct tj_record before;
    bool fresh;
};

static void undo_edits(struct undo *undos, size_t count)
{
    while (count > 0) {
        struct undo *u = &undos[--count];
        if (!u->record)
            continue;
        u->record->deleted = u->fresh;
        if (!u->fresh)
            u->record->record = u->before;
    }
}

static bool edit_record(struct memory_store *m,
                        const struct tj_record_change *change,
                        struct undo *undo, struct tj_err *err)
{
    struct memory_record *there = find_record(m, change->kind, change->id);
    undo->fresh = !there;
    if (there)
        undo->before = there->record;
    struct tj_record r = {
        .kind = change->kind,
        .id = change->id,
        .create_time = change->now,
        .update_time = change->now,
    };
    if (there)
        r = copy_record(&there->record, change->a);
    switch (change->edit(change->ctx, &r, there, change->a, err)) {
    case TJ_EDIT_FAIL: return false;
    case TJ_EDIT_KEEP: break;
    case TJ_EDIT_PUT: undo->record = put_record(m, there, &r); break;
    case TJ_EDIT_DELETE:
        undo->record = there;
        if (there)
            there->deleted = true;
        break;
    }
    return true;
}

static bool edit_records(struct memory_store *m,
                         const struct tj_record_changes *changes,
                         struct undo *undos, struct tj_err *err)
{
    for (size_t i = 0; i < changes->count; i++) {
        if (!edit_record(m, &changes->items[i], &undos[i], err)) {
            undo_edits(undos, i);
            return false;
        }
    }
    return true;
}

bool tj_memory_edit_records(struct tj_store *st,
                            const struct tj_record_changes *changes,
                            struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct undo *undos = tj_arena_array(&scratch, struct undo, changes->count);
    struct memory_store *m = tj_memory_locked(st);
    bool ok = tj_memory_leave(m, edit_records(m, changes, undos, err));
    tj_arena_release(&scratch);
    return ok;
}

static int by_time(const void *left, const void *right)
{
    const struct tj_record *a = &(*(struct memory_record *const *)left)->record;
    const struct tj_record *b =
        &(*(struct memory_record *const *)right)->record;
    if (a->create_time != b->create_time)
        return a->create_time < b->create_time ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static bool is_wanted(const struct memory_record *r,
                      const struct tj_record_query *q)
{
    return !r->deleted && r->record.kind == q->kind &&
           (!q->parent.ptr || tj_str_eq(q->parent, r->record.parent)) &&
           (!q->name.ptr || tj_str_eq(q->name, r->record.name));
}

static bool is_behind(const struct tj_record *r,
                      const struct tj_record_scan *scan)
{
    bool newest_first = scan->query->newest_first;
    if (r->create_time != scan->time)
        return newest_first ? r->create_time < scan->time
                            : r->create_time > scan->time;
    return newest_first ? r->row < scan->row : r->row > scan->row;
}

bool tj_memory_records(struct tj_store *st, const struct tj_record_scan *scan,
                       struct tj_arena *a, struct tj_records *out,
                       struct tj_err *err)
{
    (void)err;
    const struct tj_record_query *q = scan->query;
    struct tj_arena scratch = {0};
    struct memory_store *m = tj_memory_locked(st);
    struct memory_record **list =
        tj_arena_array(&scratch, struct memory_record *, m->records.count);
    size_t count = 0;
    for (size_t i = 0; i < m->records.count; i++) {
        if (is_wanted(m->records.items[i], q))
            list[count++] = m->records.items[i];
    }
    qsort(list, count, sizeof(struct memory_record *), by_time);
    out->items =
        tj_arena_array(a, struct tj_record, tj_size_min(count, q->row_max));
    for (size_t i = 0; i < count && out->count < q->row_max; i++) {
        const struct tj_record *r =
            &list[q->newest_first ? count - 1 - i : i]->record;
        if (is_behind(r, scan))
            out->items[out->count++] = copy_record(r, a);
    }
    tj_arena_release(&scratch);
    return tj_memory_leave(m, true);
}

uint64_t tj_memory_drop_records(struct memory_store *m,
                                enum tj_record_kind kind, tj_str parent)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < m->records.count; i++) {
        struct memory_record *r = m->records.items[i];
        if (r->deleted || r->record.kind != kind ||
            !tj_str_eq(r->record.parent, parent))
            continue;
        r->deleted = true;
        dropped++;
    }
    return dropped;
}

bool tj_memory_delete_records(struct tj_store *st, enum tj_record_kind kind,
                              tj_str parent, uint64_t *deleted,
                              struct tj_err *err)
{
    (void)err;
    struct memory_store *m = tj_memory_locked(st);
    *deleted = tj_memory_drop_records(m, kind, parent);
    return tj_memory_leave(m, true);
}
