/* store_sqlite_scan.c - traces by time: which, and what a search asks of them.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     SELECT row, id, time, stale, <filter, MUST> [, what the order looks at]
 *     FROM trace AS t INDEXED BY trace_time
 *     WHERE time < ? AND <filter, MAY> ORDER BY time DESC, id LIMIT ?
 *
 * A page is two such walks: traces at the time of the place it goes on from,
 * behind its id; then those of earlier times.  Infos are read one by one
 * behind them.  The index is named because SQLite, which knows nothing of how
 * many traces have a tag, would rather sort.  When the few traces that can
 * match are known (store_sqlite_begin.h), they are looked up and sorted.
 */
#include "store/store_sqlite_begin.h"
#include "store/store_sqlite_ops.h"

/* What a walk gives of a row, and where it is in the SELECT. */
enum { COL_ROW, COL_ID, COL_TIME, COL_STALE, COL_SURE, COL_ORDER };

struct found {
    uint64_t row;
    tj_trace_id id;
    tj_time time;
    bool sure;
    struct tj_order_value *values; /* NULL: not known by SQL */
};

/* The traces that can match, if these are few; known from the first page on,
 * and as they were then. */
struct begun {
    bool few;
    tj_sqlite_rows rows;
};

struct walk {
    const struct tj_scan *scan;
    struct tj_sqlite_filter *filter; /* NULL: all match */
    struct tj_arena *arena;
    tj_time from; /* of what can match */
    tj_time end;
    const struct begun *begun; /* NULL: all are to be looked at */
    struct found *found;
    size_t count;
};

/* -- the SELECT ----------------------------------------------------------- */

static void put_pair_value(struct tj_sql *sql, const char *kind, tj_str key,
                           const char *column)
{
    tj_sql_add(sql, "coalesce((SELECT value FROM trace_pair WHERE trace ="
                    " t.row AND kind = ");
    tj_sql_add(sql, kind);
    tj_sql_add(sql, " AND key = ");
    tj_sql_text(sql, key);
    tj_sql_add(sql, "), ");
    tj_sql_add(sql, column);
    tj_sql_add(sql, ")");
}

static void put_metadata_value(struct tj_sql *sql, tj_str key)
{
    bool session = tj_str_eq(key, TJ_STR(TJ_SESSION_KEY));
    bool user = tj_str_eq(key, TJ_STR("mlflow.trace.user"));
    put_pair_value(sql, "0", key,
                   session ? "nullif(t.session, '')"
                   : user  ? "nullif(t.user, '')"
                           : "NULL");
}

static void put_attribute_value(struct tj_sql *sql,
                                enum tj_filter_attribute attribute)
{
    switch (attribute) {
    case TJ_ATTR_REQUEST_ID: tj_sql_add(sql, "t.id"); break;
    case TJ_ATTR_TIMESTAMP_MS: tj_sql_add(sql, "nullif(t.time, 0)"); break;
    case TJ_ATTR_EXECUTION_TIME_MS:
        tj_sql_add(sql, "iif(t.duration OR t.state <> 3, t.duration, NULL)");
        break;
    case TJ_ATTR_END_TIME_MS:
        tj_sql_add(sql, "iif(t.time, t.time + t.duration, NULL)");
        break;
    case TJ_ATTR_STATUS: tj_sql_add(sql, "t.state"); break;
    case TJ_ATTR_CLIENT_REQUEST_ID:
        tj_sql_add(sql, "t.client_request_id");
        break;
    case TJ_ATTR_NAME: tj_sql_add(sql, "t.name"); break;
    case TJ_ATTR_RUN_ID:
        put_metadata_value(sql, TJ_STR("mlflow.sourceRun"));
        break;
    case TJ_ATTR_EXPERIMENT_ID: tj_sql_add(sql, "t.experiment"); break;
    case TJ_ATTR_TEXT:
    case TJ_ATTR_PROMPT: tj_sql_add(sql, "NULL"); break;
    }
}

static void put_order_value(struct tj_sql *sql, const struct tj_order *order)
{
    tj_sql_add(sql, ", ");
    if (order->entity == TJ_ENTITY_TAG)
        put_pair_value(sql, "1", order->key, "NULL");
    else if (order->entity == TJ_ENTITY_METADATA)
        put_metadata_value(sql, order->key);
    else
        put_attribute_value(sql, order->attribute);
}

static void put_columns(const struct walk *w, struct tj_sql *sql)
{
    tj_sql_add(sql, "SELECT t.row, t.id, t.time, t.stale, ");
    if (w->filter)
        tj_sqlite_filter_write(w->filter, TJ_SQLITE_MUST, sql);
    else
        tj_sql_add(sql, "1");
    for (size_t i = 0; i < w->scan->order_count; i++)
        put_order_value(sql, &w->scan->order[i]);
}

/* -- FROM and WHERE ------------------------------------------------------- */

/* There may be more than SQLite takes values. */
static tj_str number_list(const struct tj_scan *scan, struct tj_arena *a)
{
    struct tj_buf buf;
    tj_buf_init(&buf, a, SIZE_MAX);
    for (size_t i = 0; i < scan->experiment_count; i++)
        tj_buf_fmt(&buf, "%c%llu", i ? ',' : '[',
                   (unsigned long long)scan->experiments[i]);
    tj_buf_byte(&buf, ']');
    return tj_buf_str(&buf);
}

static void put_experiments(struct tj_sql *sql, const struct tj_scan *scan)
{
    if (scan->experiment_count == 0)
        return;
    tj_sql_add(sql, " AND t.experiment ");
    if (scan->experiment_count == 1) {
        tj_sql_add(sql, "= ");
        tj_sql_u64(sql, scan->experiments[0]);
        return;
    }
    tj_sql_add(sql, "IN (SELECT value FROM json_each(");
    tj_sql_text(sql, number_list(scan, sql->text.arena));
    tj_sql_add(sql, "))");
}

static void put_rows(struct tj_sql *sql, const tj_sqlite_rows *rows)
{
    tj_sql_add(sql, " AND t.row IN (");
    for (size_t i = 0; i < rows->count; i++) {
        tj_sql_add(sql, i ? ", " : "");
        tj_sql_u64(sql, rows->items[i]);
    }
    tj_sql_add(sql, ")");
}

enum part { AT_THE_PLACE, BEHIND_IT };

static void put_where(const struct walk *w, enum part part, struct tj_sql *sql)
{
    const struct tj_scan *scan = w->scan;
    bool few = w->begun && w->begun->few;
    tj_sql_add(sql, few ? " FROM trace AS t NOT INDEXED WHERE "
                    : scan->experiment_count == 1
                        ? " FROM trace AS t INDEXED BY trace_experiment WHERE "
                        : " FROM trace AS t INDEXED BY trace_time WHERE ");
    if (part == AT_THE_PLACE) {
        tj_str id = {(const char *)scan->id.bytes, sizeof scan->id.bytes};
        tj_sql_add(sql, "t.time = ");
        tj_sql_u64(sql, scan->time);
        tj_sql_add(sql, " AND t.id > ");
        tj_sql_blob(sql, id);
    } else {
        /* Later times than SQLite knows stand there as the latest one. */
        tj_time end = w->end < scan->time ? w->end : scan->time;
        tj_sql_add(sql, end > INT64_MAX ? "t.time <= " : "t.time < ");
        tj_sql_u64(sql, end > INT64_MAX ? INT64_MAX : end);
    }
    tj_sql_add(sql, " AND t.time >= ");
    tj_sql_u64(sql, w->from);
    if (!scan->with_judge_traces)
        tj_sql_add(sql, " AND NOT t.by_judge");
    put_experiments(sql, scan);
    if (few)
        put_rows(sql, &w->begun->rows);
    if (w->filter) {
        tj_sql_add(sql, " AND ");
        tj_sqlite_filter_write(w->filter, TJ_SQLITE_MAY, sql);
    }
    tj_sql_add(sql, " ORDER BY t.time DESC, t.id LIMIT ");
    tj_sql_u64(sql, scan->row_max - w->count);
}

/* -- rows ----------------------------------------------------------------- */

static struct tj_order_value take_value(const struct walk *w,
                                        struct tj_query *q, int column,
                                        const struct tj_order *order)
{
    struct tj_order_value v = {0};
    bool attribute = order->entity == TJ_ENTITY_ATTRIBUTE;
    if (tj_query_is_null(q, column))
        return v;
    v.is_text = !attribute || (!tj_filter_is_numeric(order->attribute) &&
                               order->attribute != TJ_ATTR_EXPERIMENT_ID);
    if (attribute && order->attribute == TJ_ATTR_STATUS)
        v.text = tj_str_c(
            tj_trace_state_name(tj_sqlite_state_of(tj_query_u64(q, column))));
    else if (v.is_text)
        v.text = tj_query_dup(q, column, w->arena);
    else
        v.number = tj_query_u64(q, column);
    v.present = !attribute || !v.is_text || v.text.len;
    return v;
}

static void take_row(struct walk *w, struct tj_query *q)
{
    const struct tj_scan *scan = w->scan;
    struct found *f = &w->found[w->count++];
    tj_str id = tj_query_str(q, COL_ID);
    bool stale = tj_query_u64(q, COL_STALE) != 0;
    *f = (struct found){.row = tj_query_u64(q, COL_ROW),
                        .time = tj_query_u64(q, COL_TIME),
                        .sure = tj_query_u64(q, COL_SURE) != 0};
    memcpy(f->id.bytes, id.ptr, tj_size_min(id.len, sizeof f->id.bytes));
    if (scan->order_count == 0 || stale || !f->sure ||
        f->time >= TJ_SQLITE_TIME_SAFE)
        return;
    f->values =
        tj_arena_array(w->arena, struct tj_order_value, scan->order_count);
    for (size_t i = 0; i < scan->order_count; i++)
        f->values[i] = take_value(w, q, COL_ORDER + (int)i, &scan->order[i]);
}

static bool walk_part(struct walk *w, enum part part, struct tj_db *db,
                      struct tj_err *err)
{
    struct tj_sql sql;
    tj_sql_init(&sql, w->arena);
    put_columns(w, &sql);
    put_where(w, part, &sql);
    struct tj_query q = tj_sql_open(&sql, db);
    enum tj_step step;
    while ((step = tj_query_next(&q, err)) == TJ_ROW)
        take_row(w, &q);
    tj_query_close(&q);
    return step == TJ_DONE;
}

static bool begin(struct walk *w, struct tj_db *db, struct tj_err *err)
{
    struct tj_scan_memo *memo = w->scan->memo;
    if (!memo->known) {
        struct begun *b = tj_arena_new(&memo->arena, struct begun);
        if (!tj_sqlite_begin_with(w->filter, db, &memo->arena, &b->rows,
                                  &b->few, err))
            return false;
        memo->known = b;
    }
    w->begun = memo->known;
    return true;
}

static bool walk(struct walk *w, struct tj_db *db, struct tj_err *err)
{
    if (w->filter && !begin(w, db, err))
        return false;
    bool may_be_here = w->scan->time < w->end && w->scan->time <= INT64_MAX;
    if (may_be_here && !walk_part(w, AT_THE_PLACE, db, err))
        return false;
    return w->count == w->scan->row_max || walk_part(w, BEHIND_IT, db, err);
}

static bool take_infos(const struct walk *w, struct tj_sqlite_worker *worker,
                       struct tj_scan_page *out, struct tj_err *err)
{
    out->rows = tj_arena_array(w->arena, struct tj_scan_row, w->count);
    for (size_t i = 0; i < w->count; i++) {
        const struct found *f = &w->found[i];
        struct tj_scan_row *row = &out->rows[i];
        struct tj_sqlite_info info = {.info = {.trace_id = f->id}};
        if (!f->values &&
            (!tj_sqlite_info_find(worker->db, f->row, w->arena, &info, err) ||
             !tj_sqlite_refresh_or_keep(worker, w->arena, &info, err)))
            return false;
        *row = (struct tj_scan_row){.time = f->time,
                                    .sure = f->sure,
                                    .values = f->values,
                                    .info = info.info};
    }
    out->count = w->count;
    return true;
}

bool tj_sqlite_scan(struct tj_store *st, const struct tj_scan *scan,
                    struct tj_arena *a, struct tj_scan_page *out,
                    struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct walk w = {
        .scan = scan,
        .arena = a,
        .end = UINT64_MAX,
        .found = tj_arena_array(a, struct found, scan->row_max),
    };
    if (scan->filter) {
        w.filter = tj_sqlite_filter_new(scan->filter, a, err);
        if (!w.filter)
            return false;
        tj_sqlite_filter_times(w.filter, &w.from, &w.end);
    }
    struct tj_sqlite_worker *worker = tj_sqlite_take_reader(s, err);
    /* One state of the database for all of the page. */
    bool ok = worker && tj_db_run(worker->db, "BEGIN", err);
    ok = ok && walk(&w, worker->db, err) && take_infos(&w, worker, out, err);
    if (worker)
        tj_db_rollback(worker->db);
    tj_sqlite_give(s, worker);
    tj_sqlite_filter_free(w.filter);
    return ok;
}

static bool count_traces(struct tj_db *db, const struct tj_scan *scan,
                         uint64_t *out, struct tj_err *err)
{
    struct tj_arena a = {0};
    struct tj_sql sql;
    tj_sql_init(&sql, &a);
    tj_sql_add(&sql, "SELECT count(*) FROM trace AS t WHERE 1");
    put_experiments(&sql, scan);
    uint64_t counts[2] = {0};
    enum tj_step step = TJ_ROW;
    for (int by_judge = 0; by_judge < 2 && step == TJ_ROW; by_judge++) {
        if (by_judge)
            tj_sql_add(&sql, " AND t.by_judge = 1");
        struct tj_query q = tj_sql_open(&sql, db);
        step = tj_query_next(&q, err);
        if (step == TJ_ROW)
            counts[by_judge] = tj_query_u64(&q, 0);
        tj_query_close(&q);
    }
    *out = counts[0] - (scan->with_judge_traces ? 0 : counts[1]);
    tj_arena_release(&a);
    return step == TJ_ROW;
}

bool tj_sqlite_count(struct tj_store *st, const struct tj_scan *scan,
                     uint64_t *out, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    if (!w)
        return false;
    /* One state of the database for both numbers. */
    bool ok =
        tj_db_run(w->db, "BEGIN", err) && count_traces(w->db, scan, out, err);
    tj_db_rollback(w->db);
    tj_sqlite_give(s, w);
    return ok;
}
