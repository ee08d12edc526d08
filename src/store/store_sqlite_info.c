/* store_sqlite_info.c - infos of traces: one, by id; their tags.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A row holds what sources said and what was derived from the spans, merged;
 * `said` tells them apart.  When spans come for a trace that is there, its row
 * is only marked stale: deriving takes all heads, and a trace that arrives in
 * a thousand pieces would be read a thousand times.  Readers derive for
 * themselves; merging writes it down.
 */
#include "store/store_sqlite_int.h"
#include "store/store_sqlite_ops.h"

enum pair_kind { PAIR_METADATA, PAIR_TAG, PAIR_LINK };

#define INFO_COLUMNS                                                           \
    "row, id, time, stale, said, experiment,"                                  \
    " (SELECT name FROM experiment WHERE id = trace.experiment AND id > 0),"   \
    " state, request_time, duration, span_count, error_count, text_bytes,"     \
    " input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,"     \
    " reasoning_tokens, cost_usd, name, session, user, client_request_id,"     \
    " source_id, request_preview, response_preview"

/* -- what was said -------------------------------------------------------- */

unsigned tj_sqlite_said_of(const struct tj_trace_info *info)
{
    return (info->name.len ? TJ_SAID_NAME : 0u) |
           (info->session.len ? TJ_SAID_SESSION : 0u) |
           (info->user.len ? TJ_SAID_USER : 0u) |
           (info->request_time ? TJ_SAID_REQUEST_TIME : 0u) |
           (info->duration_ns ? TJ_SAID_DURATION : 0u) |
           (info->state == TJ_STATE_OK || info->state == TJ_STATE_ERROR
                ? TJ_SAID_STATE
                : 0u) |
           (info->request_preview.len ? TJ_SAID_REQUEST_PREVIEW : 0u) |
           (info->response_preview.len ? TJ_SAID_RESPONSE_PREVIEW : 0u);
}

static void forget_unsaid(tj_str *text, unsigned said)
{
    if (!said)
        *text = (tj_str){0};
}

void tj_sqlite_keep_said(struct tj_trace_info *info, unsigned said)
{
    forget_unsaid(&info->name, said & TJ_SAID_NAME);
    forget_unsaid(&info->session, said & TJ_SAID_SESSION);
    forget_unsaid(&info->user, said & TJ_SAID_USER);
    forget_unsaid(&info->request_preview, said & TJ_SAID_REQUEST_PREVIEW);
    forget_unsaid(&info->response_preview, said & TJ_SAID_RESPONSE_PREVIEW);
    if (!(said & TJ_SAID_REQUEST_TIME))
        info->request_time = 0;
    if (!(said & TJ_SAID_DURATION))
        info->duration_ns = 0;
    if (!(said & TJ_SAID_STATE))
        info->state = TJ_STATE_UNSPECIFIED;
}

void tj_sqlite_put_derived(struct tj_sqlite_info *info,
                           const struct tj_trace_info *derived,
                           struct tj_arena *a)
{
    struct tj_trace_info said = info->info;
    bool open = said.state == TJ_STATE_IN_PROGRESS;
    if (open) /* as older versions noted it */
        info->said &= ~(unsigned)TJ_SAID_STATE;
    tj_sqlite_keep_said(&said, info->said);
    info->info = *derived;
    info->info.metadata = info->info.tags = (tj_pairs){0};
    tj_fold_said(&info->info, &said, a);
    if (open && derived->span_count == 0) /* none that knows better */
        info->info.state = TJ_STATE_IN_PROGRESS;
    info->info.links = said.links;
    info->info.row = said.row;
    info->stale = false;
}

/* -- reading -------------------------------------------------------------- */

enum tj_trace_state tj_sqlite_state_of(uint64_t number)
{
    return number <= TJ_STATE_IN_PROGRESS ? (enum tj_trace_state)number
                                          : TJ_STATE_UNSPECIFIED;
}

static void take_info(struct tj_query *q, struct tj_arena *a,
                      struct tj_sqlite_info *out)
{
    struct tj_trace_info *i = &out->info;
    int c = 0;
    *out = (struct tj_sqlite_info){0};
    i->row = tj_query_u64(q, c++);
    tj_str id = tj_query_str(q, c++);
    memcpy(i->trace_id.bytes, id.ptr,
           tj_size_min(id.len, sizeof i->trace_id.bytes));
    out->time = tj_query_u64(q, c++);
    out->stale = tj_query_u64(q, c++) != 0;
    out->said = (unsigned)tj_query_u64(q, c++);
    i->experiment_id = tj_query_u64(q, c++);
    i->experiment = tj_query_dup(q, c++, a);
    i->state = tj_sqlite_state_of(tj_query_u64(q, c++));
    i->request_time = tj_query_u64(q, c++);
    i->duration_ns = tj_query_u64(q, c++);
    i->span_count = tj_query_u64(q, c++);
    i->error_count = tj_query_u64(q, c++);
    i->text_bytes = tj_query_u64(q, c++);
    i->usage.input_tokens = (int64_t)tj_query_u64(q, c++);
    i->usage.output_tokens = (int64_t)tj_query_u64(q, c++);
    i->usage.cache_read_tokens = (int64_t)tj_query_u64(q, c++);
    i->usage.cache_write_tokens = (int64_t)tj_query_u64(q, c++);
    i->usage.reasoning_tokens = (int64_t)tj_query_u64(q, c++);
    i->usage.cost_usd = tj_query_double(q, c++);
    i->name = tj_query_dup(q, c++, a);
    i->session = tj_query_dup(q, c++, a);
    i->user = tj_query_dup(q, c++, a);
    i->client_request_id = tj_query_dup(q, c++, a);
    i->source_id = tj_query_dup(q, c++, a);
    i->request_preview = tj_query_dup(q, c++, a);
    i->response_preview = tj_query_dup(q, c++, a);
}

static bool find_pairs(struct tj_db *db, struct tj_arena *a,
                       struct tj_trace_info *info, struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT kind, key, value FROM trace_pair WHERE trace = ?");
    tj_query_put_u64(&q, info->row);
    enum tj_step step;
    while ((step = tj_query_next(&q, err)) == TJ_ROW) {
        uint64_t kind = tj_query_u64(&q, 0);
        tj_pairs *to = kind == PAIR_TAG    ? &info->tags
                       : kind == PAIR_LINK ? &info->links
                                           : &info->metadata;
        struct tj_pair *pair = tj_vec_add(to, a);
        pair->key = tj_query_dup(&q, 1, a);
        pair->value = tj_query_dup(&q, 2, a);
    }
    tj_query_close(&q);
    return step == TJ_DONE;
}

bool tj_sqlite_info_find(struct tj_db *db, uint64_t row, struct tj_arena *a,
                         struct tj_sqlite_info *out, struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(db, "SELECT " INFO_COLUMNS " FROM trace WHERE row = ?");
    tj_query_put_u64(&q, row);
    enum tj_step step = tj_query_next(&q, err);
    if (step == TJ_ROW)
        take_info(&q, a, out);
    tj_query_close(&q);
    if (step == TJ_DONE)
        return tj_fail(err, TJ_E_BACKEND, "the trace was deleted meanwhile");
    return step == TJ_ROW && find_pairs(db, a, &out->info, err);
}

bool tj_sqlite_find_info(struct tj_store *st, tj_trace_id id,
                         struct tj_arena *a, struct tj_trace_info *out,
                         bool *found, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    struct tj_sqlite_info info = {0};
    uint64_t row = 0;
    if (!w)
        return false;
    /* One state of the database, with the trace or without it. */
    bool ok = tj_db_run(w->db, "BEGIN", err) &&
              tj_sqlite_find_row(w->db, id, &row, err) &&
              (row == 0 || (tj_sqlite_info_find(w->db, row, a, &info, err) &&
                            tj_sqlite_refresh_or_keep(w, a, &info, err)));
    tj_db_rollback(w->db);
    tj_sqlite_give(s, w);
    *found = row != 0;
    *out = info.info;
    return ok;
}

/* -- by id ---------------------------------------------------------------- */

bool tj_sqlite_resolve(struct tj_store *st, const tj_trace_id range[2],
                       tj_trace_id *out, size_t *count, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    if (!w)
        return false;
    struct tj_query q = tj_query_open(
        w->db, "SELECT count(*), min(id) FROM trace WHERE id BETWEEN ? AND ?");
    tj_query_put_blob(&q, range[0].bytes, sizeof range[0].bytes);
    tj_query_put_blob(&q, range[1].bytes, sizeof range[1].bytes);
    enum tj_step step = tj_query_next(&q, err);
    if (step == TJ_ROW) {
        tj_str id = tj_query_str(&q, 1);
        *count = (size_t)tj_query_u64(&q, 0);
        memcpy(out->bytes, id.ptr, tj_size_min(id.len, sizeof out->bytes));
    }
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    return step == TJ_ROW;
}

bool tj_sqlite_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                      struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    if (!w)
        return false;
    struct tj_query q =
        tj_query_open(w->db, "SELECT id FROM trace WHERE by_judge = 0"
                             " ORDER BY row DESC LIMIT 1");
    enum tj_step step = tj_query_next(&q, err);
    if (step == TJ_ROW) {
        tj_str id = tj_query_str(&q, 0);
        memcpy(out->bytes, id.ptr, tj_size_min(id.len, sizeof out->bytes));
        *found = true;
    }
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    return step != TJ_FAILED;
}

/* -- writing -------------------------------------------------------------- */

static bool put_pair(struct tj_db *db, uint64_t row, enum pair_kind kind,
                     const struct tj_pair *pair, struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(db, "INSERT INTO trace_pair(trace, kind, key, value)"
                          " VALUES(?, ?, ?, ?)"
                          " ON CONFLICT DO UPDATE SET value = excluded.value");
    tj_query_put_u64(&q, row);
    tj_query_put_u64(&q, kind);
    tj_query_put_text(&q, pair->key);
    tj_query_put_text(&q, pair->value);
    return tj_query_run(&q, err);
}

/* The loop guard's column follows the tags. */
static bool settle_by_judge(struct tj_db *db, uint64_t row, struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "UPDATE trace SET by_judge = EXISTS(SELECT 1 FROM trace_pair"
            " WHERE trace = trace.row AND kind = 1 AND"
            " key = '" TJ_TAG_SOURCE_SCORER "') WHERE row = ?");
    tj_query_put_u64(&q, row);
    return tj_query_run(&q, err);
}

static bool put_pairs(struct tj_db *db, uint64_t row,
                      const struct tj_trace_info *pairs, struct tj_err *err)
{
    tj_vec_each (&pairs->metadata, const struct tj_pair, p) {
        if (!put_pair(db, row, PAIR_METADATA, p, err))
            return false;
    }
    tj_vec_each (&pairs->tags, const struct tj_pair, p) {
        if (!put_pair(db, row, PAIR_TAG, p, err))
            return false;
    }
    return pairs->tags.count == 0 || settle_by_judge(db, row, err);
}

static void put_info(struct tj_query *q, const struct tj_sqlite_info *in)
{
    const struct tj_trace_info *i = &in->info;
    tj_query_put_u64(q, in->time > INT64_MAX ? INT64_MAX : in->time);
    tj_query_put_u64(q, in->stale);
    tj_query_put_u64(q, in->said);
    tj_query_put_u64(q, i->experiment_id);
    tj_query_put_u64(q, (uint64_t)i->state);
    tj_query_put_u64(q, i->request_time);
    tj_query_put_u64(q, i->duration_ns);
    tj_query_put_u64(q, i->span_count);
    tj_query_put_u64(q, i->error_count);
    tj_query_put_u64(q, i->text_bytes);
    tj_query_put_u64(q, (uint64_t)i->usage.input_tokens);
    tj_query_put_u64(q, (uint64_t)i->usage.output_tokens);
    tj_query_put_u64(q, (uint64_t)i->usage.cache_read_tokens);
    tj_query_put_u64(q, (uint64_t)i->usage.cache_write_tokens);
    tj_query_put_u64(q, (uint64_t)i->usage.reasoning_tokens);
    tj_query_put_double(q, i->usage.cost_usd);
    tj_query_put_text(q, i->name);
    tj_query_put_text(q, i->session);
    tj_query_put_text(q, i->user);
    tj_query_put_text(q, i->client_request_id);
    tj_query_put_text(q, i->source_id);
    tj_query_put_text(q, i->request_preview);
    tj_query_put_text(q, i->response_preview);
}

static const char insert_sql[] =
    "INSERT INTO trace(time, stale, said, experiment, state, request_time,"
    " duration, span_count, error_count, text_bytes, input_tokens,"
    " output_tokens, cache_read_tokens, cache_write_tokens,"
    " reasoning_tokens, cost_usd, name, session, user, client_request_id,"
    " source_id, request_preview, response_preview, id, by_judge)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
    " ?, ?, ?, 0)";

static const char update_sql[] =
    "UPDATE trace SET time = ?, stale = ?, said = ?, experiment = ?,"
    " state = ?, request_time = ?, duration = ?, span_count = ?,"
    " error_count = ?, text_bytes = ?, input_tokens = ?, output_tokens = ?,"
    " cache_read_tokens = ?, cache_write_tokens = ?, reasoning_tokens = ?,"
    " cost_usd = ?, name = ?, session = ?, user = ?, client_request_id = ?,"
    " source_id = ?, request_preview = ?, response_preview = ?"
    " WHERE row = ?";

bool tj_sqlite_info_write(struct tj_db *db, struct tj_sqlite_info *in,
                          const struct tj_trace_info *pairs, struct tj_err *err)
{
    uint64_t row = in->info.row;
    struct tj_query q = tj_query_open(db, row ? update_sql : insert_sql);
    put_info(&q, in);
    if (row)
        tj_query_put_u64(&q, row);
    else
        tj_query_put_blob(&q, in->info.trace_id.bytes,
                          sizeof in->info.trace_id.bytes);
    if (!tj_query_run(&q, err))
        return false;
    if (!row)
        row = tj_db_last_row(db);
    in->info.row = row;
    return !pairs || put_pairs(db, row, pairs, err);
}

static bool delete_tag(struct tj_db *db, uint64_t row, tj_str key,
                       struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "DELETE FROM trace_pair WHERE trace = ? AND kind = 1 AND key = ?");
    tj_query_put_u64(&q, row);
    tj_query_put_text(&q, key);
    return tj_query_run(&q, err);
}

struct tagging {
    tj_trace_id id;
    struct tj_pair pair;
};

static bool run_tagging(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct tagging *t = ctx;
    uint64_t row = 0;
    if (!tj_sqlite_find_row(db, t->id, &row, err))
        return false;
    if (!row)
        return tj_fold_no_trace(t->id, err);
    return (t->pair.value.ptr ? put_pair(db, row, PAIR_TAG, &t->pair, err)
                              : delete_tag(db, row, t->pair.key, err)) &&
           settle_by_judge(db, row, err);
}

bool tj_sqlite_set_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                       tj_str value, struct tj_err *err)
{
    struct tagging t = {id, {key, value}};
    return tj_sqlite_write(tj_sqlite_self(st), run_tagging, &t, err);
}

struct linking {
    const struct tj_trace_ids *ids;
    struct tj_pair pair;
    size_t *linked;
};

static bool run_linking(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct linking *l = ctx;
    for (size_t i = 0; i < l->ids->count; i++) {
        uint64_t row;
        if (!tj_sqlite_find_row(db, l->ids->items[i], &row, err))
            return false;
        if (row && !put_pair(db, row, PAIR_LINK, &l->pair, err))
            return false;
        *l->linked += row != 0;
    }
    return true;
}

bool tj_sqlite_link_traces(struct tj_store *st, const struct tj_trace_ids *ids,
                           tj_str run_id, size_t *linked, struct tj_err *err)
{
    struct linking l = {ids, {run_id, TJ_STR("run")}, linked};
    return tj_sqlite_write(tj_sqlite_self(st), run_linking, &l, err);
}
