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
 * Conditions on spans are asked of the server for traces whose spans it has.
 * Of the others (artifacts, archives) it would find none, so they are asked
 * for beside, without those conditions, and the answers are merged:
 *
 *     filter AND spans AND place                  the spans are there
 *     filter AND place AND no spansLocation       artifacts
 *     filter AND place AND spansLocation != ...   archives
 *
 * Another order is the server's business; then our token is how many matches
 * of a page of the server's were given out, and the server's token.
 *
 * Traces of judges are left aside here, since servers before 3.9 cannot be
 * asked for what has no tag.
 */
#include "base/hex.h"
#include "base/limits.h"
#include "store/store_fold.h"
#include "store/store_mlflow_walk.h"

enum {
    TOKEN_DIGITS = 48,
    TOKEN_BYTES_MAX = 4096,
    /* How many traces are looked through for the id that begins so, on a
     * server that cannot be asked. */
    RESOLVE_ROWS_MAX = 5000,
    SESSION_ROWS_MAX = 5000, /* traces of one session */
    RESOLVE_SECONDS = 10,    /* that a trace, once seen, is taken to be there */
};

/* -- several walks as one -------------------------------------------------- */

enum { WALKS_MAX = 3 };

enum head { HEAD_UNKNOWN, HEAD_THERE, HEAD_NONE };

/* One walk, or three in one order; each has its next match at hand. */
struct search {
    struct tj_mlflow_walk walks[WALKS_MAX];
    struct tj_trace_info infos[WALKS_MAX];
    enum head heads[WALKS_MAX];
    size_t count;
    struct tj_filter_eval *eval;
    tj_trace_id last; /* given out */
};

static void search_release(struct search *s)
{
    for (size_t i = 0; i < s->count; i++)
        tj_mlflow_walk_release(&s->walks[i]);
    tj_filter_eval_free(s->eval);
}

static bool is_before(const struct tj_trace_info *a,
                      const struct tj_trace_info *b)
{
    if (a->request_time != b->request_time)
        return a->request_time > b->request_time;
    return memcmp(&a->trace_id, &b->trace_id, sizeof a->trace_id) < 0;
}

static bool look_ahead(struct search *s, struct tj_err *err)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->heads[i] != HEAD_UNKNOWN)
            continue;
        enum tj_step step =
            tj_mlflow_walk_next(&s->walks[i], &s->infos[i], err);
        if (step == TJ_FAILED)
            return false;
        s->heads[i] = step == TJ_ROW ? HEAD_THERE : HEAD_NONE;
    }
    return true;
}

/* *out is good until the next call.  A trace may be in two of the walks. */
static enum tj_step search_next(struct search *s, struct tj_trace_info *out,
                                struct tj_err *err)
{
    for (;;) {
        if (!look_ahead(s, err))
            return TJ_FAILED;
        size_t best = WALKS_MAX;
        for (size_t i = 0; i < s->count; i++) {
            if (s->heads[i] == HEAD_THERE &&
                (best == WALKS_MAX || is_before(&s->infos[i], &s->infos[best])))
                best = i;
        }
        if (best == WALKS_MAX)
            return TJ_DONE;
        s->heads[best] = HEAD_UNKNOWN;
        *out = s->infos[best];
        bool again = tj_trace_id_eq(s->last, out->trace_id);
        s->last = out->trace_id;
        if (!again)
            return TJ_ROW;
    }
}

/* Is it known that nothing is left? */
static bool search_ended(const struct search *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct tj_mlflow_walk *w = &s->walks[i];
        if (s->heads[i] == HEAD_THERE ||
            (s->heads[i] == HEAD_UNKNOWN && (w->at || !w->ended)))
            return false;
    }
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

static bool take_time_token(struct tj_mlflow_walk *w, tj_str token,
                            struct tj_err *err)
{
    unsigned char bytes[TOKEN_DIGITS / 2];
    if (token.len != TOKEN_DIGITS || !tj_hex_parse(token, bytes, sizeof bytes))
        return fail_token(err);
    tj_time time = 0;
    tj_trace_id id;
    for (size_t i = 0; i < 8; i++)
        time = time << 8 | bytes[i];
    memcpy(id.bytes, bytes + 8, sizeof id.bytes);
    tj_mlflow_walk_start(w, time, id);
    return true;
}

/* "taken:token"; the rows that were taken are skipped. */
static bool take_order_token(struct tj_mlflow_walk *w, tj_str token,
                             size_t *skip, struct tj_arena *a,
                             struct tj_err *err)
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

static bool skip_rows(struct tj_mlflow_walk *w, size_t count,
                      struct tj_err *err)
{
    if (count && !tj_mlflow_walk_page(w, err))
        return false;
    while (w->taken < count && w->at) {
        w->at = tj_json_next(w->rows, w->at);
        w->taken++;
    }
    return true;
}

/* Without a filter the next match is in the page at hand, and one more row is
 * asked for to know.  With one it may be far away: then there may be more. */
static bool collect(struct search *s, size_t row_max, struct tj_arena *a,
                    struct tj_trace_page *out, struct tj_err *err)
{
    const struct tj_mlflow_walk *w = &s->walks[0];
    struct tj_trace_info info;
    enum tj_step step = TJ_ROW;
    out->infos = tj_arena_array(a, struct tj_trace_info, row_max);
    while (out->count < row_max &&
           (step = search_next(s, &info, err)) == TJ_ROW)
        out->infos[out->count++] = tj_fold_info_copy(&info, a);
    if (step != TJ_ROW || search_ended(s))
        return step != TJ_FAILED;
    if (w->order.len)
        out->next_page_token =
            tj_str_printf(a, "%zu:%.*s", w->taken, TJ_STR_ARG(w->token));
    else
        out->next_page_token = time_token(a, &out->infos[out->count - 1]);
    return true;
}

static tj_str both(struct tj_arena *a, tj_str one, tj_str other)
{
    return tj_str_printf(a, "%.*s%s%.*s", TJ_STR_ARG(one),
                         one.len && other.len ? " AND " : "",
                         TJ_STR_ARG(other));
}

/* The first walk is set up; the others are as it is, but for their filter. */
static void divide(struct search *s, const struct tj_mlflow_asked *asked,
                   struct tj_arena *scratch)
{
    static const char *const elsewhere[] = {
        "tags.`mlflow.trace.spansLocation` IS NULL",
        "tags.`mlflow.trace.spansLocation` != 'TRACKING_STORE'",
    };
    s->count = 1;
    if (!asked->spans.len)
        return;
    for (size_t i = 0; i < TJ_COUNT(elsewhere); i++) {
        s->walks[s->count] = s->walks[0];
        s->walks[s->count++].filter =
            both(scratch, asked->text, tj_str_c(elsewhere[i]));
    }
    s->walks[0].filter = both(scratch, asked->text, asked->spans);
}

/* What is looked at here: of as large pages as there are. */
static bool take_rest(struct search *s, const struct tj_filter *rest,
                      struct tj_err *err)
{
    if (!rest)
        return true;
    s->walks[0].row_max = TJ_MLFLOW_PAGE_ROWS_MAX;
    s->walks[0].eval = s->eval = tj_filter_eval_new(rest, err);
    return s->eval;
}

static bool start(struct search *s, const struct tj_trace_query *q,
                  const struct tj_mlflow_asked *asked, struct tj_arena *scratch,
                  size_t *skip, struct tj_err *err)
{
    struct tj_mlflow_walk *w = &s->walks[0];
    w->filter = asked->text;
    w->with_judge_traces = q->with_judge_traces;
    tj_mlflow_walk_start(w, UINT64_MAX, (tj_trace_id){0});
    w->row_max = tj_size_min(q->row_max + 1, TJ_MLFLOW_PAGE_ROWS_MAX);
    bool ok = take_rest(s, asked->rest, err);
    /* Only as large a page as the token was made for has its rows. */
    if (w->order.len)
        w->row_max = TJ_MLFLOW_PAGE_ROWS_MAX;
    if (ok && q->page_token.len)
        ok = w->order.len
                 ? take_order_token(w, q->page_token, skip, scratch, err)
                 : take_time_token(w, q->page_token, err);
    divide(s, asked, scratch);
    return ok;
}

static bool try_search(struct tj_store *st, const struct tj_trace_query *q,
                       const struct tj_mlflow_asked *asked, struct tj_arena *a,
                       struct tj_trace_page *out, struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct search s = {.count = 1};
    struct tj_mlflow_walk *w = &s.walks[0];
    size_t skip = 0;
    w->m = tj_mlflow_self(st);
    w->st = st;
    w->order = asked->order;
    *out = (struct tj_trace_page){.total = UINT64_MAX};
    bool ok = tj_mlflow_choose(w->m, q->experiments, q->experiment_count,
                               &scratch, &w->places, err) &&
              start(&s, q, asked, &scratch, &skip, err);
    /* No experiment, no trace; and the server wants one to be named. */
    if (ok && w->places.count)
        ok = skip_rows(w, skip, err) && collect(&s, q->row_max, a, out, err);
    search_release(&s);
    tj_arena_release(&scratch);
    if (ok && !q->page_token.len && !out->next_page_token.len)
        out->total = out->count;
    return ok;
}

/* An older server does not know some clause: then it is asked for less.  False:
 * there is no less. */
static bool ask_less(struct tj_mlflow_asked *asked,
                     const struct tj_filter *filter, struct tj_arena *a)
{
    tj_str before = asked->text;
    if (asked->spans.len) {
        asked->spans = (tj_str){0};
        return true;
    }
    *asked = tj_mlflow_ask_hidden(filter, a);
    return !tj_str_eq(asked->text, before);
}

static bool fail_hidden(struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT,
                   "an MLflow server is asked for run_id and issue.id with = "
                   "and AND alone");
}

bool tj_mlflow_search(struct tj_store *st, const struct tj_trace_query *query,
                      struct tj_arena *a, struct tj_trace_page *out, bool *able,
                      struct tj_err *err)
{
    struct tj_mlflow_asked asked = tj_mlflow_ask_filter(query->filter, a);
    struct tj_err why = {0};
    if (tj_mlflow_is_hidden(asked.rest))
        return fail_hidden(err);
    *able = is_by_time(query);
    if (!*able && query->order_count == 1) {
        asked.order = tj_mlflow_ask_order(query->order, a);
        asked.spans = (tj_str){0}; /* merged by time alone */
        *able = asked.order.len;
    }
    while (*able && !try_search(st, query, &asked, a, out, &why)) {
        if (why.code == TJ_E_INPUT && asked.order.len) {
            *able = false; /* it does not sort so: the front does */
        } else if (why.code != TJ_E_INPUT ||
                   !ask_less(&asked, query->filter, a)) {
            *err = why;
            return false;
        }
    }
    return true;
}

static bool try_scan(struct tj_store *st, const struct tj_scan *scan,
                     const struct tj_mlflow_asked *asked, struct tj_arena *a,
                     struct tj_scan_page *out, struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct search s = {.count = 1};
    struct tj_mlflow_walk *w = &s.walks[0];
    struct tj_trace_info info;
    enum tj_step step = TJ_DONE;
    *w = (struct tj_mlflow_walk){.m = tj_mlflow_self(st),
                                 .st = st,
                                 .filter = asked->text,
                                 .row_max = TJ_MLFLOW_PAGE_ROWS_MAX,
                                 .with_judge_traces = scan->with_judge_traces};
    tj_mlflow_walk_start(w, scan->time, scan->id);
    bool ok = tj_mlflow_choose(w->m, scan->experiments, scan->experiment_count,
                               &scratch, &w->places, err) &&
              take_rest(&s, asked->rest, err);
    divide(&s, asked, &scratch);
    *out = (struct tj_scan_page){
        .rows = tj_arena_array(a, struct tj_scan_row, scan->row_max)};
    while (ok && w->places.count && out->count < scan->row_max &&
           (step = search_next(&s, &info, err)) == TJ_ROW) {
        struct tj_scan_row *row = &out->rows[out->count++];
        row->info = tj_fold_info_copy(&info, a);
        row->time = info.request_time;
        row->sure = true;
    }
    search_release(&s);
    tj_arena_release(&scratch);
    return ok && step != TJ_FAILED;
}

bool tj_mlflow_scan(struct tj_store *st, const struct tj_scan *scan,
                    struct tj_arena *a, struct tj_scan_page *out,
                    struct tj_err *err)
{
    struct tj_mlflow_asked asked = tj_mlflow_ask_filter(scan->filter, a);
    struct tj_err why = {0};
    while (!try_scan(st, scan, &asked, a, out, &why)) {
        if (why.code == TJ_E_INPUT && ask_less(&asked, scan->filter, a))
            continue;
        *err = why;
        return false;
    }
    return true;
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

static bool walk_session(struct tj_mlflow_walk *w, struct tj_mlflow_session *s,
                         struct tj_arena *a, struct tj_err *err)
{
    TJ_VEC(struct tj_assessment) list = {0};
    struct tj_trace_info info;
    enum tj_step step = TJ_ROW;
    for (size_t i = 0; i < SESSION_ROWS_MAX && step == TJ_ROW; i++) {
        step = tj_mlflow_walk_next(w, &info, err);
        if (step != TJ_ROW || !tj_str_eq(info.session, s->name))
            continue;
        tj_vec_each (&w->batch.assessments, const struct tj_assessment, as) {
            if (speaks_for_session(as))
                *tj_vec_add(&list, a) = tj_assessment_copy(as, a);
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
    struct tj_mlflow_walk w = {.m = m,
                               .st = st,
                               .filter = session_filter(info->session, a),
                               .row_max = TJ_MLFLOW_PAGE_ROWS_MAX,
                               .with_judge_traces = true};
    tj_mlflow_walk_start(&w, UINT64_MAX, (tj_trace_id){0});
    uint64_t writes = tj_mlflow_writes(m);
    bool ok = tj_mlflow_choose(m, &info->experiment_id, 1, a, &w.places, err) &&
              walk_session(&w, &s, a, err);
    tj_mlflow_walk_release(&w);
    if (ok)
        tj_mlflow_remember_session(m, writes, &s);
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
    bool ok = try_search(st, &query, &all, &scratch, &page, err);
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
    struct tj_mlflow_walk w = {.m = tj_mlflow_self(st),
                               .st = st,
                               .filter = filter,
                               .row_max = TJ_MLFLOW_PAGE_ROWS_MAX,
                               .with_judge_traces = true};
    tj_mlflow_walk_start(&w, UINT64_MAX, (tj_trace_id){0});
    bool ok = tj_mlflow_find_places(w.m, &scratch, &w.places, err);
    w.ended = !w.places.count;
    for (size_t i = 0; ok && i < row_max; i++) {
        step = tj_mlflow_walk_next(&w, &info, err);
        if (step != TJ_ROW)
            break;
        see(p, info.trace_id);
    }
    tj_mlflow_walk_release(&w);
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
        struct tj_err why = {0};
        if (see_all(st, filter, TJ_MLFLOW_PAGE_ROWS_MAX, p, &why))
            continue;
        if (why.code != TJ_E_INPUT) {
            *err = why;
            return false;
        }
        *p = (struct prefix){.range = p->range};
        return see_all(st, (tj_str){0}, RESOLVE_ROWS_MAX, p, err);
    }
    return true;
}

/* Most ids are those of a list that was just read. */
static bool is_there(struct tj_mlflow *m, tj_trace_id id, struct tj_arena *a,
                     bool *out, struct tj_err *err)
{
    const struct tj_json *v = NULL;
    tj_str experiment;
    uint64_t age_ns = 0;
    *out = tj_mlflow_saw(m, id, a, &experiment, &age_ns) &&
           age_ns < RESOLVE_SECONDS * TJ_NS_PER_SECOND;
    if (*out)
        return true;
    if (!tj_mlflow_read_info(m, id, a, &v, err))
        return false;
    *out = v;
    return true;
}

bool tj_mlflow_resolve(struct tj_store *st, const tj_trace_id range[2],
                       tj_trace_id *out, size_t *count, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena a = {0};
    struct prefix p = {.range = range};
    bool there = false;
    bool ok;
    if (tj_trace_id_eq(range[0], range[1])) {
        ok = is_there(m, range[0], &a, &there, err);
        if (ok && there)
            see(&p, range[0]);
    } else {
        ok = see_prefix(st, &p, &a, err);
    }
    *out = p.first;
    *count = p.count;
    tj_arena_release(&a);
    return ok;
}
