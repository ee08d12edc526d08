/* store_sqlite_record.c - experiments and records.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_sqlite_int.h"
#include "store/store_sqlite_ops.h"
#include "text/json.h"
#include "text/json_write.h"

#define EXPERIMENT_COLUMNS                                                     \
    "id, name, artifact_location, deleted, create_time, update_time, tags"
#define RECORD_COLUMNS "row, id, parent, name, create_time, update_time, body"

/* -- experiments: reading ------------------------------------------------- */

static bool take_tags(tj_str text, struct tj_arena *a, struct tj_experiment *ex,
                      struct tj_err *err)
{
    struct tj_json_doc doc;
    if (!tj_json_parse(text, a, &doc, err)) {
        err->code = TJ_E_BACKEND;
        return tj_err_wrap(err, "corrupt tags of experiment %llu",
                           (unsigned long long)ex->id);
    }
    struct tj_json_members m = tj_json_members(doc.root);
    while (tj_json_member(&m)) {
        struct tj_pair *tag = tj_vec_add(&ex->tags, a);
        tag->key = m.key;
        tag->value = tj_json_str(m.value);
    }
    return true;
}

static bool take_experiment(struct tj_query *q, struct tj_arena *a,
                            struct tj_experiment *out, struct tj_err *err)
{
    *out = (struct tj_experiment){0};
    out->id = tj_query_u64(q, 0);
    out->name = tj_query_dup(q, 1, a);
    out->artifact_location = tj_query_dup(q, 2, a);
    out->deleted = tj_query_u64(q, 3) != 0;
    out->create_time = tj_query_u64(q, 4);
    out->update_time = tj_query_u64(q, 5);
    return take_tags(tj_query_dup(q, 6, a), a, out, err);
}

/* The answer of a query for one; closes it. */
static bool take_one(struct tj_query *q, struct tj_arena *a,
                     struct tj_experiment *out, bool *found, struct tj_err *err)
{
    enum tj_step step = tj_query_next(q, err);
    *found = step == TJ_ROW;
    bool ok = step == TJ_DONE || (*found && take_experiment(q, a, out, err));
    tj_query_close(q);
    return ok;
}

static bool find_by_id(struct tj_db *db, uint64_t id, struct tj_arena *a,
                       struct tj_experiment *out, bool *found,
                       struct tj_err *err)
{
    struct tj_query q = tj_query_open(db, "SELECT " EXPERIMENT_COLUMNS
                                          " FROM experiment WHERE id = ?");
    tj_query_put_u64(&q, id);
    return take_one(&q, a, out, found, err);
}

static bool find_by_name(struct tj_db *db, tj_str name, struct tj_arena *a,
                         struct tj_experiment *out, bool *found,
                         struct tj_err *err)
{
    struct tj_query q = tj_query_open(db, "SELECT " EXPERIMENT_COLUMNS
                                          " FROM experiment WHERE name = ?");
    tj_query_put_text(&q, name);
    return take_one(&q, a, out, found, err);
}

bool tj_sqlite_find_experiment(struct tj_store *st, uint64_t id,
                               struct tj_arena *a, struct tj_experiment *out,
                               bool *found, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    bool ok = w && find_by_id(w->db, id, a, out, found, err);
    tj_sqlite_give(s, w);
    return ok;
}

bool tj_sqlite_find_experiment_named(struct tj_store *st, tj_str name,
                                     struct tj_arena *a,
                                     struct tj_experiment *out, bool *found,
                                     struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    bool ok = w && find_by_name(w->db, name, a, out, found, err);
    tj_sqlite_give(s, w);
    return ok;
}

bool tj_sqlite_experiments(struct tj_store *st, struct tj_arena *a,
                           struct tj_experiments *out, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    TJ_VEC(struct tj_experiment) list = {0};
    if (!w)
        return false;
    struct tj_query q = tj_query_open(w->db, "SELECT " EXPERIMENT_COLUMNS
                                             " FROM experiment ORDER BY id");
    enum tj_step step;
    bool ok = true;
    while (ok && (step = tj_query_next(&q, err)) != TJ_DONE)
        ok =
            step == TJ_ROW && take_experiment(&q, a, tj_vec_add(&list, a), err);
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    out->items = list.items;
    out->count = list.count;
    return ok;
}

/* -- experiments: writing ------------------------------------------------- */

/* {"key": "value", ...}: other programs can read it. */
static tj_str tags_text(const tj_pairs *tags, struct tj_arena *a)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_vec_each (tags, const struct tj_pair, tag) {
        tj_jw_key(&w, tag->key);
        tj_jw_str(&w, tag->value);
    }
    tj_jw_end(&w);
    return tj_buf_str(&buf);
}

static void put_experiment(struct tj_query *q, const struct tj_experiment *ex,
                           struct tj_arena *a)
{
    tj_query_put_text(q, ex->name);
    tj_query_put_text(q, ex->artifact_location);
    tj_query_put_u64(q, ex->deleted);
    tj_query_put_u64(q, ex->create_time);
    tj_query_put_u64(q, ex->update_time);
    tj_query_put_text(q, tags_text(&ex->tags, a));
}

/* No row is ever removed, so the next id was never used before. */
static bool insert_experiment(struct tj_db *db, const struct tj_experiment *ex,
                              uint64_t *id, struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_query q = tj_query_open(
        db, "INSERT INTO experiment(name, artifact_location, deleted,"
            " create_time, update_time, tags) VALUES(?, ?, ?, ?, ?, ?)");
    put_experiment(&q, ex, &scratch);
    bool ok = tj_query_run(&q, err);
    if (ok)
        *id = tj_db_last_row(db);
    tj_arena_release(&scratch);
    return ok;
}

static bool find_id(struct tj_db *db, tj_str name, uint64_t *id, bool *found,
                    struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(db, "SELECT id FROM experiment WHERE name = ?");
    tj_query_put_text(&q, name);
    enum tj_step step = tj_query_next(&q, err);
    *found = step == TJ_ROW;
    if (*found)
        *id = tj_query_u64(&q, 0);
    tj_query_close(&q);
    return step != TJ_FAILED;
}

static bool check_there(struct tj_db *db, uint64_t id, struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(db, "SELECT 1 FROM experiment WHERE id = ?");
    tj_query_put_u64(&q, id);
    enum tj_step step = tj_query_next(&q, err);
    tj_query_close(&q);
    if (step == TJ_DONE)
        return tj_fold_no_experiment(id, err);
    return step == TJ_ROW;
}

bool tj_sqlite_resolve_experiment(struct tj_db *db, struct tj_trace_info *in,
                                  struct tj_err *err)
{
    bool found;
    if (!in->experiment.len)
        return in->experiment_id == 0 ||
               check_there(db, in->experiment_id, err);
    if (!find_id(db, in->experiment, &in->experiment_id, &found, err))
        return false;
    if (found)
        return true;
    struct tj_experiment fresh = {.name = in->experiment};
    fresh.create_time = fresh.update_time = tj_now();
    return insert_experiment(db, &fresh, &in->experiment_id, err);
}

struct adding {
    const struct tj_experiment *in;
    struct tj_arena *a;
    struct tj_experiment *out;
    bool *fresh;
};

static bool run_adding(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct adding *w = ctx;
    bool found;
    uint64_t id;
    if (!find_by_name(db, w->in->name, w->a, w->out, &found, err))
        return false;
    *w->fresh = !found;
    return found || (insert_experiment(db, w->in, &id, err) &&
                     find_by_id(db, id, w->a, w->out, &found, err));
}

bool tj_sqlite_add_experiment(struct tj_store *st,
                              const struct tj_experiment *in,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *fresh, struct tj_err *err)
{
    struct adding w = {in, a, out, fresh};
    return tj_sqlite_write(tj_sqlite_self(st), run_adding, &w, err);
}

static bool update_experiment(struct tj_db *db, const struct tj_experiment *ex,
                              struct tj_arena *a, struct tj_err *err)
{
    uint64_t id = 0;
    bool found;
    if (!find_id(db, ex->name, &id, &found, err))
        return false;
    if (found && id != ex->id)
        return tj_fold_name_taken(ex->name, err);
    struct tj_query q = tj_query_open(
        db, "UPDATE experiment SET name = ?, artifact_location = ?,"
            " deleted = ?, create_time = ?, update_time = ?, tags = ?"
            " WHERE id = ?");
    put_experiment(&q, ex, a);
    tj_query_put_u64(&q, ex->id);
    return tj_query_run(&q, err);
}

static bool run_edit_experiment(struct tj_db *db, void *ctx, struct tj_err *err)
{
    struct tj_experiment_change *c = ctx;
    struct tj_experiment ex;
    if (!find_by_id(db, c->id, c->a, &ex, &c->found, err))
        return false;
    if (!c->found)
        return true;
    switch (c->edit(c->ctx, &ex, c->a, err)) {
    case TJ_EDIT_DELETE: /* the front lets none through */
    case TJ_EDIT_FAIL: return false;
    case TJ_EDIT_KEEP: return true;
    case TJ_EDIT_PUT: break;
    }
    return update_experiment(db, &ex, c->a, err);
}

bool tj_sqlite_edit_experiment(struct tj_store *st,
                               struct tj_experiment_change *change,
                               struct tj_err *err)
{
    return tj_sqlite_write(tj_sqlite_self(st), run_edit_experiment, change,
                           err);
}

/* -- records: one --------------------------------------------------------- */

static void take_record(struct tj_query *q, struct tj_arena *a,
                        struct tj_record *out)
{
    out->row = tj_query_u64(q, 0);
    out->id = tj_query_dup(q, 1, a);
    out->parent = tj_query_dup(q, 2, a);
    out->name = tj_query_dup(q, 3, a);
    out->create_time = tj_query_u64(q, 4);
    out->update_time = tj_query_u64(q, 5);
    out->body = tj_query_dup(q, 6, a);
}

static bool find_record(struct tj_db *db, const struct tj_record *key,
                        struct tj_arena *a, struct tj_record *out, bool *found,
                        struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT " RECORD_COLUMNS " FROM record WHERE kind = ? AND id = ?");
    tj_query_put_u64(&q, (uint64_t)key->kind);
    tj_query_put_text(&q, key->id);
    enum tj_step step = tj_query_next(&q, err);
    *found = step == TJ_ROW;
    if (*found) {
        *out = (struct tj_record){.kind = key->kind};
        take_record(&q, a, out);
    }
    tj_query_close(&q);
    return step != TJ_FAILED;
}

bool tj_sqlite_find_record(struct tj_store *st, const struct tj_record *key,
                           struct tj_arena *a, struct tj_record *out,
                           bool *found, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    bool ok = w && find_record(w->db, key, a, out, found, err);
    tj_sqlite_give(s, w);
    return ok;
}

/* A time as it is sorted by. */
static uint64_t sortable(uint64_t number)
{
    return number > INT64_MAX ? INT64_MAX : number;
}

static bool put_record(struct tj_db *db, const struct tj_record *r,
                       struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, r->row ? "UPDATE record SET parent = ?, name = ?, update_time = ?,"
                     " body = ? WHERE row = ?"
                   : "INSERT INTO record(parent, name, update_time, body, kind,"
                     " id, create_time) VALUES(?, ?, ?, ?, ?, ?, ?)");
    tj_query_put_text(&q, r->parent);
    tj_query_put_text(&q, r->name);
    tj_query_put_u64(&q, r->update_time);
    tj_query_put_blob(&q, r->body.ptr, r->body.len);
    if (r->row) {
        tj_query_put_u64(&q, r->row);
    } else {
        tj_query_put_u64(&q, (uint64_t)r->kind);
        tj_query_put_text(&q, r->id);
        tj_query_put_u64(&q, sortable(r->create_time));
    }
    return tj_query_run(&q, err);
}

static bool edit_record(struct tj_db *db, const struct tj_record_change *c,
                        struct tj_err *err)
{
    struct tj_record r = {.kind = c->kind, .id = c->id};
    bool found;
    if (!find_record(db, &r, c->a, &r, &found, err))
        return false;
    if (!found)
        r.create_time = r.update_time = c->now;
    switch (c->edit(c->ctx, &r, found, c->a, err)) {
    case TJ_EDIT_FAIL: return false;
    case TJ_EDIT_KEEP: return true;
    case TJ_EDIT_PUT: return put_record(db, &r, err);
    case TJ_EDIT_DELETE: break;
    }
    return !found || tj_sqlite_run_for(db, "DELETE FROM record WHERE row = ?",
                                       r.row, err);
}

static bool run_edit_records(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct tj_record_changes *changes = ctx;
    for (size_t i = 0; i < changes->count; i++) {
        if (!edit_record(db, &changes->items[i], err))
            return false;
    }
    return true;
}

bool tj_sqlite_edit_records(struct tj_store *st,
                            const struct tj_record_changes *changes,
                            struct tj_err *err)
{
    struct tj_record_changes copy = *changes;
    return tj_sqlite_write(tj_sqlite_self(st), run_edit_records, &copy, err);
}

/* -- records: many -------------------------------------------------------- */

#define LIST_HEAD                                                              \
    "SELECT " RECORD_COLUMNS " FROM record WHERE kind = ?1"                    \
    " AND ?2 IS NOT NULL AND ?3 IS NOT NULL"
#define LIST_OLDEST                                                            \
    " AND (create_time, row) > (?4, ?5) ORDER BY create_time, row LIMIT ?6"
#define LIST_NEWEST                                                            \
    " AND (create_time, row) < (?4, ?5)"                                       \
    " ORDER BY create_time DESC, row DESC LIMIT ?6"

/* By newest first, by parent, by name: each has an index that gives the
 * order, and none is wanted where a condition is missing. */
static const char *const list_sql[2][2][2] = {
    {{LIST_HEAD LIST_OLDEST, LIST_HEAD " AND name = ?3" LIST_OLDEST},
     {LIST_HEAD " AND parent = ?2" LIST_OLDEST,
      LIST_HEAD " AND parent = ?2 AND name = ?3" LIST_OLDEST}},
    {{LIST_HEAD LIST_NEWEST, LIST_HEAD " AND name = ?3" LIST_NEWEST},
     {LIST_HEAD " AND parent = ?2" LIST_NEWEST,
      LIST_HEAD " AND parent = ?2 AND name = ?3" LIST_NEWEST}},
};

bool tj_sqlite_records(struct tj_store *st, const struct tj_record_scan *scan,
                       struct tj_arena *a, struct tj_records *out,
                       struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    const struct tj_record_query *query = scan->query;
    TJ_VEC(struct tj_record) list = {0};
    if (!w)
        return false;
    bool parent = query->parent.ptr;
    bool name = query->name.ptr;
    struct tj_query q =
        tj_query_open(w->db, list_sql[query->newest_first][parent][name]);
    tj_query_put_u64(&q, (uint64_t)query->kind);
    tj_query_put_text(&q, query->parent);
    tj_query_put_text(&q, query->name);
    tj_query_put_u64(&q, sortable(scan->time));
    tj_query_put_u64(&q, sortable(scan->row));
    tj_query_put_u64(&q, query->row_max);
    enum tj_step step;
    while ((step = tj_query_next(&q, err)) == TJ_ROW) {
        struct tj_record *r = tj_vec_add(&list, a);
        r->kind = query->kind;
        take_record(&q, a, r);
    }
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    out->items = list.items;
    out->count = list.count;
    return step == TJ_DONE;
}

struct deleting {
    enum tj_record_kind kind;
    tj_str parent;
    uint64_t *deleted;
};

static bool run_delete_records(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct deleting *w = ctx;
    struct tj_query q =
        tj_query_open(db, "DELETE FROM record WHERE kind = ? AND parent = ?");
    tj_query_put_u64(&q, (uint64_t)w->kind);
    tj_query_put_text(&q, w->parent);
    if (!tj_query_run(&q, err))
        return false;
    *w->deleted = tj_db_changes(db);
    return true;
}

bool tj_sqlite_delete_records(struct tj_store *st, enum tj_record_kind kind,
                              tj_str parent, uint64_t *deleted,
                              struct tj_err *err)
{
    struct deleting w = {kind, parent, deleted};
    return tj_sqlite_write(tj_sqlite_self(st), run_delete_records, &w, err);
}
