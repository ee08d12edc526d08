/* store_mlflow_search.c - pages of traces from an MLflow server.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The server's own page tokens are offsets: traces that arrive between two
 * pages shift them.  So a page of ours, newest first, begins anew at the time
 * where the last one ended,
 *
 *     filter AND attributes.timestamp_ms <= T     order: timestamp DESC, id
 *
 * and skips what was given out already: at most the traces of one millisecond.
 * The server's tokens serve only within one call.  Our token is that place:
 * 16 hex digits of time and 32 of the id, as in the other backends.
 *
 * Another order is the server's business; then our token is how many matches
 * of a page of the server's were given out, and the server's token.
 *
 * Traces of judges are left aside here, since servers before 3.9 cannot be
 * asked for what has no tag.
 */
#include "base/hex.h"
#include "base/limits.h"
#include "store/filter_eval.h"
#include "store/store_fold.h"
#include "store/store_mlflow_int.h"

enum {
    TOKEN_DIGITS = 48,
    TOKEN_BYTES_MAX = 4096,
    /* How many traces are looked through for the id that begins so, on a
     * server that cannot be asked. */
    RESOLVE_ROWS_MAX = 5000,
    SESSION_ROWS_MAX = 5000, /* traces of one session */
};

/* -- asking ---------------------------------------------------------------- */

/* A walk through the matches of one question. */
struct walk {
    struct tj_mlflow *m;
    struct tj_store *st; /* for the filter: may be a wrapper */
    tj_mlflow_places places;
    tj_str filter;
    tj_str order; /* empty: newest first */
    size_t row_max;
    struct tj_filter_eval *eval; /* NULL: all match */
    bool with_judge_traces;
    tj_time time; /* behind this place, when the order is by time */
    tj_trace_id id;
    tj_str token;          /* the server's, of the page at hand */
    tj_str next_token;     /* and of the one behind it */
    struct tj_arena arena; /* of one page */
    struct tj_arena scratch;
    const struct tj_json *rows;
    const struct tj_json *at; /* the next of rows */
    struct tj_batch batch;    /* of the row at hand, for its assessments */
    size_t taken;             /* of this page, so far */
    bool ended;
};

static void walk_release(struct walk *w)
{
    tj_filter_eval_free(w->eval);
    tj_arena_release(&w->arena);
    tj_arena_release(&w->scratch);
}

static void write_places(struct tj_json_writer *w,
                         const tj_mlflow_places *places)
{
    tj_jw_key(w, TJ_STR("locations"));
    tj_jw_array(w);
    tj_vec_each (places, const struct tj_mlflow_place, p) {
        tj_jw_object(w);
        tj_jw_key_str(w, "type", TJ_STR("MLFLOW_EXPERIMENT"));
        tj_jw_key(w, TJ_STR("mlflow_experiment"));
        tj_jw_object(w);
        tj_jw_key_str(w, "experiment_id", p->id);
        tj_jw_end(w);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static tj_str question(const struct walk *w, struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer j;
    tj_str filter = w->filter;
    if (w->time != UINT64_MAX)
        filter = tj_str_printf(a, "%.*s%sattributes.timestamp_ms <= %llu",
                               TJ_STR_ARG(filter), filter.len ? " AND " : "",
                               (unsigned long long)(w->time / TJ_NS_PER_MS));
    tj_buf_init(&b, a, SIZE_MAX);
    tj_json_writer_init(&j, &b, TJ_JSON_COMPACT);
    tj_jw_object(&j);
    write_places(&j, &w->places);
    if (filter.len)
        tj_jw_key_str(&j, "filter", filter);
    tj_jw_key_u64(&j, "max_results", w->row_max);
    tj_jw_key(&j, TJ_STR("order_by"));
    tj_jw_array(&j);
    tj_jw_str(&j, w->order.len ? w->order : TJ_STR("timestamp_ms DESC"));
    tj_jw_end(&j);
    if (w->next_token.len)
        tj_jw_key_str(&j, "page_token", w->next_token);
    tj_jw_end(&j);
    return tj_buf_str(&b);
}

/* The page behind the one at hand.  Its arena outlives the token. */
static bool next_page(struct walk *w, struct tj_err *err)
{
    struct tj_arena fresh = {0};
    struct tj_mlflow_request r = {.method = "POST",
                                  .path =
                                      TJ_STR("/api/3.0/mlflow/traces/search"),
                                  .body = question(w, &fresh)};
    const struct tj_json *root = NULL;
    if (w->eval)
        tj_mlflow_forget(w->m);
    if (!tj_mlflow_ask(w->m, &r, &fresh, &root, err)) {
        tj_arena_release(&fresh);
        return false;
    }
    w->token = tj_str_dup(&fresh, w->next_token);
    w->next_token = tj_json_find_str(root, TJ_STR("next_page_token"));
    tj_arena_release(&w->arena);
    w->arena = fresh;
    w->rows = tj_json_find(root, TJ_STR("traces"));
    w->at = tj_json_is_array(w->rows) ? tj_json_first(w->rows) : NULL;
    w->taken = 0;
    /* A page without rows ends it, whatever the token says. */
    w->ended = !w->next_token.len || !w->at;
    return true;
}

static bool is_behind(const struct walk *w, const struct tj_trace_info *info)
{
    if (w->order.len || w->time == UINT64_MAX)
        return true;
    if (info->request_time != w->time)
        return info->request_time < w->time;
    return memcmp(&info->trace_id, &w->id, sizeof w->id) > 0;
}

static bool matches(struct walk *w, const struct tj_trace_info *info, bool *out,
                    struct tj_err *err)
{
    *out = is_behind(w, info) &&
           (w->with_judge_traces || !tj_fold_is_judge_trace(info));
    if (!*out || !w->eval)
        return true;
    tj_arena_reset(&w->scratch);
    return tj_filter_eval_match(w->eval, w->st, info, &w->scratch, out, err);
}

/* *out lives until the next call that asks for a page. */
static enum tj_step walk_next(struct walk *w, struct tj_trace_info *out,
                              struct tj_err *err)
{
    for (;;) {
        if (!w->at) {
            if (w->ended)
                return TJ_DONE;
            if (!next_page(w, err))
                return TJ_FAILED;
            continue;
        }
        const struct tj_json *row = w->at;
        bool met = false;
        tj_batch_init(&w->batch, &w->arena);
        w->at = tj_json_next(w->rows, row);
        w->taken++;
        if (!tj_mlflow_take_info(w->m, row, &w->batch, out, err))
            return TJ_FAILED;
        if (w->eval)
            tj_mlflow_remember(w->m, out->trace_id, &w->batch);
        if (!matches(w, out, &met, err))
            return TJ_FAILED;
        if (met)
            return TJ_ROW;
    }
}

static bool choose_places(struct tj_mlflow *m, const uint64_t *experiments,
                          size_t count, struct tj_arena *a,
                          tj_mlflow_places *out, struct tj_err *err)
{
    if (!tj_mlflow_find_places(m, a, out, err))
        return false;
    if (count == 0)
        return true;
    tj_mlflow_places chosen = {0};
    for (size_t i = 0; i < count; i++)
        tj_vec_add(&chosen, a)->id =
            tj_str_printf(a, "%llu", (unsigned long long)experiments[i]);
    *out = chosen;
    return true;
}

/* -- tokens ---------------------------------------------------------------- */

static bool fail_token(struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT,
                   "page token is not one that this store gave out");
}

static tj_str time_token(struct tj_arena *a, const struct tj_trace_info *last)
{
    return tj_str_printf(a, "%016llx%.*s",
                         (unsigned long long)last->request_time,
                         TJ_STR_ARG(tj_trace_id_text(a, last->trace_id)));
}

static bool take_time_token(struct walk *w, tj_str token, struct tj_err *err)
{
    unsigned char bytes[TOKEN_DIGITS / 2];
    if (token.len != TOKEN_DIGITS || !tj_hex_parse(token, bytes, sizeof bytes))
        return fail_token(err);
    w->time = 0;
    for (size_t i = 0; i < 8; i++)
        w->time = w->time << 8 | bytes[i];
    memcpy(w->id.bytes, bytes + 8, sizeof w->id.bytes);
    return true;
}

/* "taken:token"; the rows that were taken are skipped. */
static bool take_order_token(struct walk *w, tj_str token, size_t *skip,
                             struct tj_arena *a, struct tj_err *err)
{
    tj_str rest = token;
    tj_str number = tj_str_cut(&rest, ':');
    uint64_t n = 0;
    if (!rest.ptr || token.len > TOKEN_BYTES_MAX ||
        !tj_str_to_u64(number, &n) || n > TJ_MLFLOW_PAGE_ROWS_MAX)
        return fail_token(err);
    *skip = (size_t)n;
    w->next_token = tj_str_dup(a, rest);
    return true;
}

/* -- the search ------------------------------------------------------------ */

static bool is_by_time(const struct tj_trace_query *q)
{
    return q->order_count == 0 ||
           (q->order_count == 1 && q->order->entity == TJ_ENTITY_ATTRIBUTE &&
            q->order->attribute == TJ_ATTR_TIMESTAMP_MS &&
            q->order->descending);
}

static bool skip_rows(struct walk *w, size_t count, struct tj_err *err)
{
    if (count && !next_page(w, err))
        return false;
    while (w->taken < count && w->at) {
        w->at = tj_json_next(w->rows, w->at);
        w->taken++;
    }
    return true;
}

/* Without a filter the next match is in the page at hand, and one more row is
 * asked for to know.  With one it may be far away: then there may be more. */
static bool collect(struct walk *w, size_t row_max, struct tj_arena *a,
                    struct tj_trace_page *out, struct tj_err *err)
{
    struct tj_trace_info info;
    enum tj_step step = TJ_ROW;
    out->infos = tj_arena_array(a, struct tj_trace_info, row_max);
    while (out->count < row_max && (step = walk_next(w, &info, err)) == TJ_ROW)
        out->infos[out->count++] = tj_fold_info_copy(&info, a);
    if (step != TJ_ROW || (!w->at && w->ended))
        return step != TJ_FAILED;
    if (w->order.len)
        out->next_page_token =
            tj_str_printf(a, "%zu:%.*s", w->taken, TJ_STR_ARG(w->token));
    else
        out->next_page_token = time_token(a, &out->infos[out->count - 1]);
    return true;
}

static bool start(struct walk *w, const struct tj_trace_query *q,
                  const struct tj_mlflow_asked *asked,
                  const struct tj_filter *rest, struct tj_err *err)
{
    w->filter = asked->text;
    w->with_judge_traces = q->with_judge_traces;
    w->time = UINT64_MAX;
    w->row_max = tj_size_min(q->row_max + 1, TJ_MLFLOW_PAGE_ROWS_MAX);
    if (!rest)
        return true;
    w->row_max = TJ_MLFLOW_PAGE_ROWS_MAX;
    w->eval = tj_filter_eval_new(rest, err);
    return w->eval;
}

static bool run(struct walk *w, const struct tj_trace_query *q,
                struct tj_arena *scratch, struct tj_arena *a,
                struct tj_trace_page *out, struct tj_err *err)
{
    size_t skip = 0;
    bool ok = true;
    if (q->page_token.len && w->order.len)
        ok = take_order_token(w, q->page_token, &skip, scratch, err);
    else if (q->page_token.len)
        ok = take_time_token(w, q->page_token, err);
    /* Only as large a page as the token was made for has its rows. */
    if (w->order.len)
        w->row_max = TJ_MLFLOW_PAGE_ROWS_MAX;
    return ok && skip_rows(w, skip, err) && collect(w, q->row_max, a, out, err);
}

static bool try_search(struct tj_store *st, const struct tj_trace_query *q,
                       const struct tj_mlflow_asked *asked, tj_str order,
                       struct tj_arena *a, struct tj_trace_page *out,
                       struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct walk w = {.m = tj_mlflow_self(st), .st = st, .order = order};
    *out = (struct tj_trace_page){.total = UINT64_MAX};
    bool ok = choose_places(w.m, q->experiments, q->experiment_count, &scratch,
                            &w.places, err) &&
              start(&w, q, asked, asked->rest, err);
    /* No experiment, no trace; and the server wants one to be named. */
    if (ok && w.places.count)
        ok = run(&w, q, &scratch, a, out, err);
    walk_release(&w);
    tj_arena_release(&scratch);
    if (ok && !q->page_token.len && !out->next_page_token.len)
        out->total = out->count;
    return ok;
}

bool tj_mlflow_search(struct tj_store *st, const struct tj_trace_query *query,
                      struct tj_arena *a, struct tj_trace_page *out, bool *able,
                      struct tj_err *err)
{
    struct tj_mlflow_asked asked = tj_mlflow_ask_filter(query->filter, a);
    struct tj_mlflow_asked nothing = {.rest = query->filter};
    tj_str order = {0};
    *able = is_by_time(query);
    if (!*able && query->order_count == 1) {
        order = tj_mlflow_ask_order(query->order, a);
        *able = order.len;
    }
    if (!*able)
        return true;
    if (try_search(st, query, &asked, order, a, out, err))
        return true;
    /* An older server does not know some clause or order. */
    bool refused = err->code == TJ_E_INPUT && (asked.text.len || order.len);
    if (!refused)
        return false;
    if (order.len) {
        *able = false;
        return true;
    }
    return try_search(st, query, &nothing, order, a, out, err);
}

bool tj_mlflow_scan(struct tj_store *st, const struct tj_scan *scan,
                    struct tj_arena *a, struct tj_scan_page *out,
                    struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_trace_info info;
    enum tj_step step = TJ_DONE;
    struct walk w = {.m = tj_mlflow_self(st),
                     .st = st,
                     .time = scan->time,
                     .id = scan->id,
                     .row_max = TJ_MLFLOW_PAGE_ROWS_MAX,
                     .with_judge_traces = scan->with_judge_traces};
    bool ok = choose_places(w.m, scan->experiments, scan->experiment_count,
                            &scratch, &w.places, err);
    out->rows = tj_arena_array(a, struct tj_scan_row, scan->row_max);
    w.ended = !w.places.count;
    while (ok && out->count < scan->row_max &&
           (step = walk_next(&w, &info, err)) == TJ_ROW) {
        struct tj_scan_row *row = &out->rows[out->count++];
        row->info = tj_fold_info_copy(&info, a);
        row->time = info.request_time;
    }
    walk_release(&w);
    tj_arena_release(&scratch);
    return ok && step != TJ_FAILED;
}

/* -- what is said of a whole session --------------------------------------- */

static tj_str session_filter(tj_str session, struct tj_arena *a)
{
    struct tj_filter clause = {.kind = TJ_FILTER_CLAUSE,
                               .entity = TJ_ENTITY_METADATA,
                               .key = TJ_STR(TJ_SESSION_KEY),
                               .op = TJ_OP_EQ,
                               .values = &session,
                               .value_count = 1};
    return tj_mlflow_ask_filter(&clause, a).text;
}

static bool speaks_for_session(const struct tj_assessment *as)
{
    return as->valid && tj_assessment_meta(as, TJ_STR(TJ_SESSION_KEY)).len;
}

static bool walk_session(struct walk *w, struct tj_mlflow_session *s,
                         struct tj_arena *a, struct tj_err *err)
{
    TJ_VEC(struct tj_assessment) list = {0};
    struct tj_trace_info info;
    enum tj_step step = TJ_ROW;
    for (size_t i = 0; i < SESSION_ROWS_MAX && step == TJ_ROW; i++) {
        step = walk_next(w, &info, err);
        if (step != TJ_ROW || !tj_str_eq(info.session, s->name))
            continue;
        tj_vec_each (&w->batch.assessments, const struct tj_assessment, as) {
            if (speaks_for_session(as))
                tj_mlflow_copy_assessment(as, a, tj_vec_add(&list, a));
        }
    }
    s->assessments = (struct tj_assessments){list.items, list.count};
    return step != TJ_FAILED;
}

bool tj_mlflow_session_assessments(struct tj_store *st,
                                   const struct tj_trace_info *info,
                                   struct tj_arena *a,
                                   struct tj_assessments *out,
                                   struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_mlflow_session s = {.name = info->session,
                                  .experiment_id = info->experiment_id};
    if (tj_mlflow_recall_session(m, info, a, out))
        return true;
    struct walk w = {.m = m,
                     .st = st,
                     .filter = session_filter(info->session, a),
                     .time = UINT64_MAX,
                     .row_max = TJ_MLFLOW_PAGE_ROWS_MAX,
                     .with_judge_traces = true};
    bool ok = choose_places(m, &info->experiment_id, 1, a, &w.places, err) &&
              walk_session(&w, &s, a, err);
    walk_release(&w);
    if (ok)
        tj_mlflow_remember_session(m, &s);
    *out = s.assessments;
    return ok;
}

bool tj_mlflow_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                      struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_trace_page page = {0};
    struct tj_trace_query query = {.row_max = 1};
    struct tj_mlflow_asked all = {0};
    bool ok = try_search(st, &query, &all, (tj_str){0}, &scratch, &page, err);
    *found = ok && page.count;
    if (*found)
        *out = page.infos[0].trace_id;
    tj_arena_release(&scratch);
    return ok;
}

/* -- ids that begin so ----------------------------------------------------- */

struct prefix {
    const tj_trace_id *range;
    tj_trace_id first;
    size_t count;
};

static void see(struct prefix *p, tj_trace_id id)
{
    if (memcmp(&id, &p->range[0], sizeof id) < 0 ||
        memcmp(&id, &p->range[1], sizeof id) > 0)
        return;
    if (p->count == 0 || memcmp(&id, &p->first, sizeof id) < 0)
        p->first = id;
    p->count++;
}

static bool see_all(struct tj_store *st, tj_str filter, size_t row_max,
                    struct prefix *p, struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_trace_info info;
    enum tj_step step = TJ_DONE;
    struct walk w = {.m = tj_mlflow_self(st),
                     .st = st,
                     .filter = filter,
                     .time = UINT64_MAX,
                     .row_max = TJ_MLFLOW_PAGE_ROWS_MAX,
                     .with_judge_traces = true};
    bool ok = tj_mlflow_find_places(w.m, &scratch, &w.places, err);
    w.ended = !w.places.count;
    for (size_t i = 0; ok && i < row_max; i++) {
        step = walk_next(&w, &info, err);
        if (step != TJ_ROW)
            break;
        see(p, info.trace_id);
    }
    walk_release(&w);
    tj_arena_release(&scratch);
    return ok && step != TJ_FAILED;
}

/* The digits that both ends have. */
static tj_str common_digits(const tj_trace_id range[2], struct tj_arena *a)
{
    tj_str low = tj_trace_id_text(a, range[0]);
    tj_str high = tj_trace_id_text(a, range[1]);
    size_t len = 0;
    while (len < low.len && low.ptr[len] == high.ptr[len])
        len++;
    return tj_str_slice(low, 0, len);
}

static bool see_prefix(struct tj_store *st, struct prefix *p,
                       struct tj_arena *a, struct tj_err *err)
{
    tj_str digits = common_digits(p->range, a);
    for (int bare = 0; bare < 2; bare++) {
        tj_str filter =
            tj_str_printf(a, "attributes.request_id LIKE '%s%.*s%%'",
                          bare ? "" : "tr-", TJ_STR_ARG(digits));
        if (see_all(st, filter, TJ_MLFLOW_PAGE_ROWS_MAX, p, err))
            continue;
        if (err->code != TJ_E_INPUT)
            return false;
        *p = (struct prefix){.range = p->range};
        return see_all(st, (tj_str){0}, RESOLVE_ROWS_MAX, p, err);
    }
    return true;
}

bool tj_mlflow_resolve(struct tj_store *st, const tj_trace_id range[2],
                       tj_trace_id *out, size_t *count, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena a = {0};
    struct prefix p = {.range = range};
    bool ok;
    if (tj_trace_id_eq(range[0], range[1])) {
        const struct tj_json *v = NULL;
        ok = tj_mlflow_read_info(m, range[0], &a, &v, err);
        if (ok && v)
            see(&p, range[0]);
    } else {
        ok = see_prefix(st, &p, &a, err);
    }
    *out = p.first;
    *count = p.count;
    tj_arena_release(&a);
    return ok;
}
