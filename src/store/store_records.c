/* store_records.c - the front of the store: experiments and records.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_records.h"

#include "base/buf.h"
#include "base/limits.h"
#include "store/store_int.h"
#include "store/store_ops.h"

/* -- experiments ---------------------------------------------------------- */

static bool check_experiment(const struct tj_experiment *ex, struct tj_err *err)
{
    size_t bytes = 0;
    if (!tj_store_check_key(ex->name, "experiment name", err))
        return false;
    if (ex->artifact_location.len > TJ_NAME_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "artifact location is over %zu bytes",
                       TJ_NAME_BYTES_MAX);
    tj_vec_each (&ex->tags, const struct tj_pair, tag) {
        if (!tj_store_check_key(tag->key, "tag key", err))
            return false;
        bytes += tag->key.len + tag->value.len;
        if (bytes > TJ_EXPERIMENT_TAGS_BYTES_MAX)
            return tj_fail(err, TJ_E_LIMIT,
                           "tags of an experiment are over %zu bytes",
                           TJ_EXPERIMENT_TAGS_BYTES_MAX);
    }
    return true;
}

bool tj_store_add_experiment(struct tj_store *st,
                             const struct tj_experiment *in, struct tj_arena *a,
                             struct tj_experiment *out, bool *fresh,
                             struct tj_err *err)
{
    if (!check_experiment(in, err))
        return false;
    struct tj_experiment full = *in;
    struct tj_experiment made = {0};
    bool is_fresh = false;
    if (full.create_time == 0)
        full.create_time = tj_now();
    if (full.update_time == 0)
        full.update_time = full.create_time;
    full.deleted = false;
    if (!st->ops->add_experiment(st, &full, a, &made, &is_fresh, err))
        return false;
    *out = made;
    *fresh = is_fresh;
    return true;
}

bool tj_store_find_experiment(struct tj_store *st, uint64_t id,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *found, struct tj_err *err)
{
    struct tj_experiment ex = {0};
    bool there = false;
    if (!st->ops->find_experiment(st, id, a, &ex, &there, err))
        return false;
    *out = ex;
    *found = there;
    return true;
}

bool tj_store_find_experiment_named(struct tj_store *st, tj_str name,
                                    struct tj_arena *a,
                                    struct tj_experiment *out, bool *found,
                                    struct tj_err *err)
{
    struct tj_experiment ex = {0};
    bool there = false;
    if (!st->ops->find_experiment_named(st, name, a, &ex, &there, err))
        return false;
    *out = ex;
    *found = there;
    return true;
}

bool tj_store_experiments(struct tj_store *st, struct tj_arena *a,
                          struct tj_experiment **out, size_t *count,
                          struct tj_err *err)
{
    struct tj_experiments list = {0};
    if (!st->ops->experiments(st, a, &list, err))
        return false;
    *out = list.items;
    *count = list.count;
    return true;
}

/* The caller's edit, and a look at what it left behind. */
struct checked_experiment {
    tj_experiment_edit edit;
    void *ctx;
};

static enum tj_edit checked_experiment(void *ctx, struct tj_experiment *ex,
                                       struct tj_arena *a, struct tj_err *err)
{
    const struct checked_experiment *c = ctx;
    uint64_t id = ex->id;
    enum tj_edit edit = c->edit(c->ctx, ex, a, err);
    ex->id = id;
    if (edit == TJ_EDIT_DELETE) {
        (void)tj_fail(err, TJ_E_INPUT,
                      "an experiment is marked as deleted, not removed");
        return TJ_EDIT_FAIL;
    }
    if (edit == TJ_EDIT_PUT && !check_experiment(ex, err))
        return TJ_EDIT_FAIL;
    return edit;
}

/* Which one, what to do, and the result: each is one of a kind. */
/* NOLINTNEXTLINE(readability-function-size) */
bool tj_store_edit_experiment(struct tj_store *st, uint64_t id,
                              tj_experiment_edit edit, void *ctx,
                              struct tj_arena *a, bool *found,
                              struct tj_err *err)
{
    struct checked_experiment checked = {edit, ctx};
    struct tj_experiment_change change = {
        .id = id,
        .edit = checked_experiment,
        .ctx = &checked,
        .a = a,
    };
    if (!st->ops->edit_experiment(st, &change, err))
        return false;
    *found = change.found;
    return true;
}

/* -- records -------------------------------------------------------------- */

static bool check_kind(enum tj_record_kind kind, struct tj_err *err)
{
    return (kind >= TJ_RECORD_RUN && kind < TJ_RECORD_KIND_COUNT) ||
           tj_fail(err, TJ_E_INPUT, "no kind of record: %d", (int)kind);
}

static bool check_record(const struct tj_record *r, struct tj_err *err)
{
    if (r->parent.len > TJ_NAME_BYTES_MAX || r->name.len > TJ_NAME_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "record %s is over %zu bytes",
                       r->name.len > TJ_NAME_BYTES_MAX ? "name" : "parent",
                       TJ_NAME_BYTES_MAX);
    if (r->body.len > TJ_RECORD_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "record body is over %zu bytes",
                       TJ_RECORD_BYTES_MAX);
    return true;
}

/* Which one, and the result: each is one of a kind. */
/* NOLINTNEXTLINE(readability-function-size) */
bool tj_store_find_record(struct tj_store *st, enum tj_record_kind kind,
                          tj_str id, struct tj_arena *a, struct tj_record *out,
                          bool *found, struct tj_err *err)
{
    struct tj_record key = {.kind = kind, .id = id};
    struct tj_record r = {0};
    bool there = false;
    if (!check_kind(kind, err) ||
        !st->ops->find_record(st, &key, a, &r, &there, err))
        return false;
    *out = r;
    *found = there;
    return true;
}

struct checked_record {
    tj_record_edit edit;
    void *ctx;
};

static enum tj_edit checked_record(void *ctx, struct tj_record *r, bool found,
                                   struct tj_arena *a, struct tj_err *err)
{
    const struct checked_record *c = ctx;
    struct tj_record before = *r;
    enum tj_edit edit = c->edit(c->ctx, r, found, a, err);
    r->kind = before.kind;
    r->id = before.id;
    r->row = before.row;
    if (found)
        r->create_time = before.create_time;
    if (edit == TJ_EDIT_PUT && !check_record(r, err))
        return TJ_EDIT_FAIL;
    return edit;
}

bool tj_store_edit_records(struct tj_store *st,
                           const struct tj_record_work *works, size_t count,
                           struct tj_arena *a, struct tj_err *err)
{
    tj_time now = tj_now();
    struct tj_record_change *list =
        tj_arena_array(a, struct tj_record_change, count);
    struct checked_record *checked =
        tj_arena_array(a, struct checked_record, count);
    for (size_t i = 0; i < count; i++) {
        const struct tj_record_work *work = &works[i];
        if (!check_kind(work->kind, err) ||
            !tj_store_check_key(work->id, "record id", err))
            return false;
        checked[i] = (struct checked_record){work->edit, work->ctx};
        list[i] = (struct tj_record_change){
            .kind = work->kind,
            .id = work->id,
            .now = now,
            .edit = checked_record,
            .ctx = &checked[i],
            .a = a,
        };
    }
    struct tj_record_changes changes = {list, count};
    return st->ops->edit_records(st, &changes, err);
}

/* Which one, what to do, and the result: each is one of a kind. */
/* NOLINTNEXTLINE(readability-function-size) */
bool tj_store_edit_record(struct tj_store *st, enum tj_record_kind kind,
                          tj_str id, tj_record_edit edit, void *ctx,
                          struct tj_arena *a, struct tj_err *err)
{
    struct tj_record_work work = {kind, id, edit, ctx};
    return tj_store_edit_records(st, &work, 1, a, err);
}

/* Where a listing begins: before all, or after all. */
static bool read_token(const struct tj_record_query *query,
                       struct tj_record_scan *out, struct tj_err *err)
{
    out->time = out->row = query->newest_first ? UINT64_MAX : 0;
    if (query->page_token.len == 0)
        return true;
    tj_str rest = query->page_token;
    tj_str time = tj_str_cut(&rest, '.');
    if (tj_str_to_u64(time, &out->time) && tj_str_to_u64(rest, &out->row))
        return true;
    return tj_fail(err, TJ_E_INPUT,
                   "page token is not one that this store gave out");
}

bool tj_store_records(struct tj_store *st, const struct tj_record_query *query,
                      struct tj_arena *a, struct tj_record_page *out,
                      struct tj_err *err)
{
    struct tj_record_query more = *query;
    struct tj_record_scan scan = {.query = &more};
    struct tj_records list = {0};
    if (query->row_max < 1 || query->row_max > TJ_SEARCH_ROWS_MAX)
        return tj_fail(err, TJ_E_INPUT, "rows of a page: 1 to %d, not %zu",
                       TJ_SEARCH_ROWS_MAX, query->row_max);
    more.row_max = query->row_max + 1; /* one more tells whether more follow */
    if (!check_kind(query->kind, err) || !read_token(query, &scan, err) ||
        !st->ops->records(st, &scan, a, &list, err))
        return false;
    *out = (struct tj_record_page){.items = list.items, .count = list.count};
    if (list.count > query->row_max) {
        out->count = query->row_max;
        const struct tj_record *last = &out->items[out->count - 1];
        out->next_page_token =
            tj_str_printf(a, "%llu.%llu", (unsigned long long)last->create_time,
                          (unsigned long long)last->row);
    }
    return true;
}

bool tj_store_delete_records(struct tj_store *st, enum tj_record_kind kind,
                             tj_str parent, uint64_t *deleted,
                             struct tj_err *err)
{
    uint64_t n = 0;
    if (!check_kind(kind, err) ||
        !st->ops->delete_records(st, kind, parent, &n, err))
        return false;
    *deleted = n;
    return true;
}
