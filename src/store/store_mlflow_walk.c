/* store_mlflow_walk.c - see store_mlflow_walk.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The server's tokens are offsets, so what comes or goes between two pages
 * shifts them.  Newest first, the next page begins at the time of the last row
 * instead; rows of that millisecond come again, and are known:
 *
 *     asked: <= T, token    rows: T ... T'      next: <= T', no token
 *                           rows: all of T      next: <= T, the server's token
 *
 * In any other order, and among traces without a time, only the tokens lead on.
 */
#include "store/store_mlflow_walk.h"

#include "base/limits.h"
#include "store/store_fold.h"

/* Pages one after the other that show nothing new: a moved bound makes one. */
enum { STUCK_PAGES_MAX = 3 };

/* -- asking ---------------------------------------------------------------- */

void tj_mlflow_walk_start(struct tj_mlflow_walk *w, tj_time time,
                          tj_trace_id id)
{
    w->time = time;
    w->id = id;
    w->bound_ms = time == UINT64_MAX ? time : time / TJ_NS_PER_MS;
    w->at_ms = UINT64_MAX;
}

void tj_mlflow_walk_release(struct tj_mlflow_walk *w)
{
    tj_arena_release(&w->arena);
    tj_arena_release(&w->scratch);
    tj_arena_release(&w->ids);
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

static tj_str question(const struct tj_mlflow_walk *w, struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer j;
    tj_str filter = w->filter;
    if (w->bound_ms != UINT64_MAX)
        filter = tj_str_printf(a, "%.*s%sattributes.timestamp_ms <= %llu",
                               TJ_STR_ARG(filter), filter.len ? " AND " : "",
                               (unsigned long long)w->bound_ms);
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

/* From the time of the last row on, when that is another than before. */
static void move_bound(struct tj_mlflow_walk *w)
{
    if (w->order.len || !w->at_ms || w->at_ms >= w->bound_ms)
        return;
    w->bound_ms = w->at_ms;
    w->next_token = (tj_str){0};
    w->row_max = tj_size_min(2 * w->row_max, TJ_MLFLOW_PAGE_ROWS_MAX);
}

/* A list of a server that counts wrongly, or lies, has no end. */
static bool check_end(struct tj_mlflow_walk *w, struct tj_err *err)
{
    bool nowhere = w->page_count && !w->order.len && !w->new_count;
    w->stuck_count = nowhere ? w->stuck_count + 1 : 0;
    if (w->page_count < TJ_MLFLOW_PAGES_MAX &&
        w->stuck_count < STUCK_PAGES_MAX &&
        (!w->token.len || !tj_str_eq(w->token, w->next_token)))
        return true;
    return tj_fail(err, TJ_E_BACKEND,
                   "%.*s: a list of traces that does not end, after %zu pages",
                   TJ_STR_ARG(w->m->base), w->page_count);
}

/* The page behind the one at hand.  Its arena outlives the token. */
bool tj_mlflow_walk_page(struct tj_mlflow_walk *w, struct tj_err *err)
{
    struct tj_arena fresh = {0};
    if (!check_end(w, err))
        return false;
    if (w->page_count++)
        move_bound(w);
    struct tj_mlflow_request r = {.method = "POST",
                                  .path =
                                      TJ_STR("/api/3.0/mlflow/traces/search"),
                                  .body = question(w, &fresh)};
    const struct tj_json *root = NULL;
    if (w->eval)
        tj_mlflow_forget(w->m);
    w->writes = tj_mlflow_writes(w->m);
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
    w->new_count = 0;
    /* A page without rows ends it, whatever the token says. */
    w->ended = !w->next_token.len || !w->at;
    return true;
}

/* Not one that came before, nor one that came to be meanwhile. */
static bool is_new(struct tj_mlflow_walk *w, const struct tj_trace_info *info)
{
    uint64_t ms = info->request_time / TJ_NS_PER_MS;
    bool fresh = false;
    if (w->order.len)
        return true;
    if (ms > w->at_ms && w->at_ms)
        return false;
    if (ms < w->at_ms) {
        tj_arena_reset(&w->ids);
        tj_map_init(&w->seen, &w->ids);
        w->at_ms = ms;
    }
    tj_str id = {(const char *)info->trace_id.bytes,
                 sizeof info->trace_id.bytes};
    if (!tj_map_find(&w->seen, id))
        (void)tj_map_add(&w->seen, tj_str_dup(&w->ids, id), &fresh);
    w->new_count += fresh;
    return fresh;
}

static bool is_behind(const struct tj_mlflow_walk *w,
                      const struct tj_trace_info *info)
{
    if (w->order.len || w->time == UINT64_MAX)
        return true;
    if (info->request_time != w->time)
        return info->request_time < w->time;
    return memcmp(&info->trace_id, &w->id, sizeof w->id) > 0;
}

static bool matches(struct tj_mlflow_walk *w, const struct tj_trace_info *info,
                    bool *out, struct tj_err *err)
{
    *out = is_new(w, info) && is_behind(w, info) &&
           (w->with_judge_traces || !tj_fold_is_judge_trace(info));
    if (!*out || !w->eval)
        return true;
    struct tj_mlflow_hand hand = {.thread = pthread_self(), .info = info};
    tj_arena_reset(&w->scratch);
    tj_mlflow_hold(w->m, &hand);
    bool ok = tj_filter_eval_match(w->eval, w->st, info, &w->scratch, out, err);
    tj_mlflow_drop(w->m, &hand);
    return ok;
}

enum tj_step tj_mlflow_walk_next(struct tj_mlflow_walk *w,
                                 struct tj_trace_info *out, struct tj_err *err)
{
    for (;;) {
        if (!w->at) {
            if (w->ended)
                return TJ_DONE;
            if (!tj_mlflow_walk_page(w, err))
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
            tj_mlflow_remember(w->m, w->writes, out->trace_id, &w->batch);
        if (!matches(w, out, &met, err))
            return TJ_FAILED;
        if (met)
            return TJ_ROW;
    }
}

bool tj_mlflow_choose(struct tj_mlflow *m, const uint64_t *experiments,
                      size_t count, struct tj_arena *a, tj_mlflow_places *out,
                      struct tj_err *err)
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
