/* store_search.c - pages of traces: filtered, ordered, with a place to go on.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Backends hand out infos newest first (ops->scan), without most of those that
 * the filter leaves out if they can; this file asks the filter about the rest.
 * In that order a page token is the (time, id) of the last trace given out,
 * so traces that arrive meanwhile neither repeat nor hide any.
 *
 * Any other order needs every match before the first can be given out.  Each
 * has a sort key, bytes that compare as the order says; of those behind the
 * token, which is the last key given out with its time and id, the first of a
 * page are kept.
 *
 *     key = for each order clause:  0 bytes   or   1 when there is no value
 *           bytes = 8 of a number, or text and a NUL; all turned round when
 *           descending.  Traces without the value come last either way.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/hex.h"
#include "store/filter_eval.h"
#include "store/store_fold.h"
#include "store/store_ops.h"

enum {
    SCAN_ROWS_MAX = 2048,     /* infos with their texts: 5 MB */
    KEY_TEXT_BYTES_MAX = 128, /* longer texts are equal to the order */
    KEY_BYTES_MAX = 4096,
    PLACE_BYTES = 8 + sizeof(tj_trace_id), /* of a token: time and id */
};

/* -- walking over matches ------------------------------------------------- */

struct walk {
    struct tj_store *st;
    const struct tj_trace_query *query;
    struct tj_filter_eval *filter; /* NULL: all match */
    struct tj_scan scan;
    struct tj_scan_memo memo;
    struct tj_arena arena;   /* of one scan page */
    struct tj_arena scratch; /* of one trace that is looked into */
    struct tj_scan_page page;
    size_t at; /* next of page */
    bool more; /* pages, behind this one */
};

static bool walk_init(struct walk *w, struct tj_store *st,
                      const struct tj_trace_query *query, struct tj_err *err)
{
    *w = (struct walk){
        .st = st,
        .query = query,
        .scan = {.time = UINT64_MAX,
                 .row_max = query->row_max + 1,
                 .with_judge_traces = query->with_judge_traces,
                 .experiments = query->experiments,
                 .experiment_count = query->experiment_count,
                 .filter = query->filter,
                 .memo = &w->memo},
        .more = true,
    };
    if (query->filter)
        w->filter = tj_filter_eval_new(query->filter, err);
    return w->filter || !query->filter;
}

static void walk_release(struct walk *w)
{
    tj_filter_eval_free(w->filter);
    tj_arena_release(&w->memo.arena);
    tj_arena_release(&w->arena);
    tj_arena_release(&w->scratch);
}

static bool next_page(struct walk *w, struct tj_err *err)
{
    struct tj_scan_page page = {0};
    tj_arena_reset(&w->arena);
    if (!w->st->ops->scan(w->st, &w->scan, &w->arena, &page, err))
        return false;
    if (page.count) {
        w->scan.time = page.rows[page.count - 1].time;
        w->scan.id = page.rows[page.count - 1].info.trace_id;
    }
    w->page = page;
    w->at = 0;
    w->more = page.count == w->scan.row_max;
    w->scan.row_max = tj_size_min(2 * w->scan.row_max, SCAN_ROWS_MAX);
    return true;
}

static bool is_gone(struct walk *w, tj_trace_id id)
{
    struct tj_err ignored = {0};
    struct tj_trace_info info;
    bool found = true;
    return w->st->ops->find_info(w->st, id, &w->scratch, &info, &found,
                                 &ignored) &&
           !found;
}

/* One that was deleted while it was looked into does not match. */
static bool try_filter(struct walk *w, const struct tj_scan_row *row, bool *out,
                       struct tj_err *err)
{
    struct tj_err why = {0};
    *out = true;
    if (!w->filter || row->sure)
        return true;
    tj_arena_reset(&w->scratch);
    if (tj_filter_eval_match(w->filter, w->st, &row->info, &w->scratch, out,
                             &why))
        return true;
    *out = false;
    if (is_gone(w, row->info.trace_id))
        return true;
    *err = why;
    char digits[TJ_TRACE_ID_DIGITS];
    tj_hex_write(row->info.trace_id.bytes, sizeof row->info.trace_id, digits);
    return tj_err_wrap(err, "trace tr-%.*s", (int)sizeof digits, digits);
}

/* *out is good until the next call. */
static enum tj_step walk_next(struct walk *w, const struct tj_scan_row **out,
                              struct tj_err *err)
{
    for (;;) {
        if (w->at == w->page.count) {
            if (!w->more)
                return TJ_DONE;
            if (!next_page(w, err))
                return TJ_FAILED;
            continue;
        }
        const struct tj_scan_row *row = &w->page.rows[w->at++];
        bool matches;
        if (!try_filter(w, row, &matches, err))
            return TJ_FAILED;
        if (matches) {
            *out = row;
            return TJ_ROW;
        }
    }
}

/* -- tokens --------------------------------------------------------------- */

static void put_u64(unsigned char *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(value >> (56 - 8 * i));
}

static uint64_t take_u64(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* Time and id, and for an order of its own the sort key; in hex. */
static tj_str token_text(struct tj_arena *a, tj_time time, tj_trace_id id,
                         tj_str key)
{
    size_t size = PLACE_BYTES + key.len;
    unsigned char *bytes = tj_arena_alloc(a, size);
    put_u64(bytes, time);
    memcpy(bytes + 8, id.bytes, sizeof id.bytes);
    if (key.len)
        memcpy(bytes + PLACE_BYTES, key.ptr, key.len);
    char *digits = tj_arena_alloc(a, 2 * size);
    tj_hex_write(bytes, size, digits);
    return (tj_str){digits, 2 * size};
}

struct token {
    tj_time time;
    tj_trace_id id;
    tj_str key;
};

static bool token_parse(tj_str text, struct tj_arena *a, struct token *out,
                        struct tj_err *err)
{
    size_t size = text.len / 2;
    bool sized = text.len % 2 == 0 && size >= PLACE_BYTES &&
                 size <= PLACE_BYTES + KEY_BYTES_MAX;
    unsigned char *bytes = tj_arena_alloc(a, sized ? size : 1);
    if (!sized || !tj_hex_parse(text, bytes, size))
        return tj_fail(err, TJ_E_INPUT,
                       "Invalid page token, could not base64-decode");
    out->time = take_u64(bytes);
    memcpy(out->id.bytes, bytes + 8, sizeof out->id.bytes);
    out->key = (tj_str){(char *)bytes + PLACE_BYTES, size - PLACE_BYTES};
    return true;
}

/* -- newest first --------------------------------------------------------- */

static bool by_time(const struct tj_order *order, size_t count)
{
    return count == 0 ||
           (count == 1 && order->entity == TJ_ENTITY_ATTRIBUTE &&
            order->attribute == TJ_ATTR_TIMESTAMP_MS && order->descending);
}

/* Fills out with up to row_max matches; the token when one more is there. */
static bool collect(struct walk *w, struct tj_arena *a,
                    struct tj_trace_page *out, struct tj_err *err)
{
    size_t row_max = w->query->row_max;
    const struct tj_scan_row *row = NULL;
    enum tj_step step;
    tj_time last = 0;
    out->infos = tj_arena_array(a, struct tj_trace_info, row_max);
    while ((step = walk_next(w, &row, err)) == TJ_ROW) {
        if (out->count == row_max) {
            tj_trace_id last_id = out->infos[row_max - 1].trace_id;
            out->next_page_token = token_text(a, last, last_id, TJ_STR(""));
            return true;
        }
        last = row->time;
        out->infos[out->count++] = tj_fold_info_copy(&row->info, a);
    }
    return step == TJ_DONE;
}

static bool search_by_time(struct walk *w, struct tj_arena *a,
                           struct tj_trace_page *out, struct tj_err *err)
{
    const struct tj_trace_query *query = w->query;
    if (query->page_token.len) {
        struct token token = {0};
        if (!token_parse(query->page_token, a, &token, err))
            return false;
        w->scan.time = token.time;
        w->scan.id = token.id;
    }
    if (!collect(w, a, out, err))
        return false;
    if (!query->filter && !query->without_total)
        return w->st->ops->count(w->st, &w->scan, &out->total, err);
    if (!query->page_token.len && !out->next_page_token.len)
        out->total = out->count;
    return true;
}

/* -- any other order ------------------------------------------------------ */

static struct tj_order_value number_value(uint64_t number, bool present)
{
    return (struct tj_order_value){.present = present, .number = number};
}

static struct tj_order_value text_value(tj_str text)
{
    return (struct tj_order_value){
        .present = text.len, .is_text = true, .text = text};
}

/* Of a tag or metadata: an empty one is one. */
static struct tj_order_value pair_value(tj_str text)
{
    return (struct tj_order_value){
        .present = text.ptr, .is_text = true, .text = text};
}

static struct tj_order_value attribute_value(const struct tj_scan_row *row,
                                             enum tj_filter_attribute attribute)
{
    const struct tj_trace_info *info = &row->info;
    tj_str id = {(const char *)info->trace_id.bytes,
                 sizeof info->trace_id.bytes};
    switch (attribute) {
    case TJ_ATTR_REQUEST_ID: return text_value(id);
    case TJ_ATTR_TIMESTAMP_MS: return number_value(row->time, row->time);
    case TJ_ATTR_EXECUTION_TIME_MS:
        return number_value(info->duration_ns,
                            info->duration_ns ||
                                info->state != TJ_STATE_IN_PROGRESS);
    case TJ_ATTR_END_TIME_MS:
        return number_value(info->request_time + info->duration_ns,
                            info->request_time);
    case TJ_ATTR_STATUS:
        return text_value(tj_str_c(tj_trace_state_name(info->state)));
    case TJ_ATTR_CLIENT_REQUEST_ID: return text_value(info->client_request_id);
    case TJ_ATTR_NAME: return text_value(info->name);
    case TJ_ATTR_RUN_ID:
        return text_value(
            tj_pairs_find(&info->metadata, TJ_STR("mlflow.sourceRun")));
    case TJ_ATTR_EXPERIMENT_ID: return number_value(info->experiment_id, true);
    case TJ_ATTR_TEXT:
    case TJ_ATTR_PROMPT: break; /* not a value that has an order */
    }
    return (struct tj_order_value){0};
}

static struct tj_order_value order_value(const struct tj_scan_row *row,
                                         const struct tj_order *order)
{
    if (order->entity == TJ_ENTITY_TAG)
        return pair_value(tj_pairs_find(&row->info.tags, order->key));
    if (order->entity == TJ_ENTITY_METADATA)
        return pair_value(tj_trace_info_meta(&row->info, order->key));
    return attribute_value(row, order->attribute);
}

/* Whole milliseconds are what people order by and what MLflow keeps, so that
 * a second key has its say; but the time of the trace in full when it comes
 * last. */
static uint64_t number_of(const struct tj_order_value *v,
                          const struct tj_order *order, bool last)
{
    bool in_full = order->attribute == TJ_ATTR_EXPERIMENT_ID ||
                   (order->attribute == TJ_ATTR_TIMESTAMP_MS && last);
    return in_full ? v->number : v->number / TJ_NS_PER_MS;
}

static void put_value(struct tj_buf *key, const struct tj_order_value *v,
                      const struct tj_order *order, bool last)
{
    tj_buf_byte(key, v->present ? 0 : 1);
    if (!v->present)
        return;
    size_t from = key->len;
    if (v->is_text) {
        tj_buf_add(key, tj_str_slice(v->text, 0, KEY_TEXT_BYTES_MAX));
        tj_buf_byte(key, 0);
    } else {
        unsigned char bytes[8];
        put_u64(bytes, number_of(v, order, last));
        tj_buf_add(key, (tj_str){(const char *)bytes, sizeof bytes});
    }
    for (size_t i = from; order->descending && i < key->len; i++)
        key->ptr[i] = (char)~key->ptr[i];
}

struct match {
    tj_str key;
    tj_time time;
    tj_trace_id id;
};

/* By key; equal keys newest first, then by id. */
static int match_cmp(const void *left, const void *right)
{
    const struct match *a = left;
    const struct match *b = right;
    int by_key = tj_str_cmp(a->key, b->key);
    if (by_key)
        return by_key;
    if (a->time != b->time)
        return a->time > b->time ? -1 : 1;
    return memcmp(&a->id, &b->id, sizeof a->id);
}

/* What the page is chosen from. */
struct sorting {
    struct walk *walk;
    struct tj_arena *arena; /* of the keys that are kept */
    struct match place;     /* the page begins behind it */
    bool has_place;
    struct match *best; /* room for twice `wanted` */
    size_t count;
    size_t wanted; /* one more than the page, to know of the next */
    uint64_t total;
    bool has_worst; /* there are `wanted` at least as good as this one */
    struct match worst;
};

static bool make_key(const struct tj_trace_query *query,
                     const struct tj_scan_row *row, struct tj_buf *key,
                     struct tj_err *err)
{
    tj_buf_clear(key);
    for (size_t i = 0; i < query->order_count; i++) {
        struct tj_order_value v =
            row->values ? row->values[i] : order_value(row, &query->order[i]);
        put_value(key, &v, &query->order[i], i + 1 == query->order_count);
    }
    return tj_buf_ok(key, "order of the search", err);
}

static void keep_best(struct sorting *s)
{
    if (s->count)
        qsort(s->best, s->count, sizeof *s->best, match_cmp);
    s->count = tj_size_min(s->count, s->wanted);
    s->has_worst = s->count == s->wanted;
    if (s->has_worst)
        s->worst = s->best[s->count - 1];
}

static void add_match(struct sorting *s, struct match m)
{
    s->total++;
    if (s->has_place && match_cmp(&m, &s->place) <= 0)
        return;
    if (s->count == 2 * s->wanted)
        keep_best(s);
    if (s->has_worst && match_cmp(&m, &s->worst) >= 0)
        return;
    m.key = tj_str_dup(s->arena, m.key);
    s->best[s->count++] = m;
}

static bool find_matches(struct sorting *s, struct tj_err *err)
{
    const struct tj_scan_row *row = NULL;
    struct tj_arena scratch = {0};
    struct tj_buf key;
    enum tj_step step = TJ_ROW;
    bool ok = true;
    tj_buf_init(&key, &scratch, KEY_BYTES_MAX);
    while (ok && (step = walk_next(s->walk, &row, err)) == TJ_ROW) {
        ok = make_key(s->walk->query, row, &key, err);
        if (ok)
            add_match(s, (struct match){.key = tj_buf_str(&key),
                                        .time = row->time,
                                        .id = row->info.trace_id});
    }
    tj_arena_release(&scratch);
    keep_best(s);
    return ok && step == TJ_DONE;
}

/* A trace that was deleted since it matched is left out. */
static bool fill_page(struct tj_store *st, const struct match *from,
                      size_t count, struct tj_arena *a,
                      struct tj_trace_page *out, struct tj_err *err)
{
    out->infos = tj_arena_array(a, struct tj_trace_info, count);
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        if (!st->ops->find_info(st, from[i].id, a, &out->infos[out->count],
                                &found, err))
            return false;
        out->count += found;
    }
    return true;
}

static bool search_sorted(struct walk *w, struct tj_arena *scratch,
                          struct tj_arena *a, struct tj_trace_page *out,
                          struct tj_err *err)
{
    const struct tj_trace_query *query = w->query;
    struct token token = {0};
    if (query->page_token.len &&
        !token_parse(query->page_token, scratch, &token, err))
        return false;
    struct sorting s = {
        .walk = w,
        .arena = scratch,
        .place = {.key = token.key, .time = token.time, .id = token.id},
        .has_place = query->page_token.len,
        .wanted = query->row_max + 1,
    };
    s.best = tj_arena_array(scratch, struct match, 2 * s.wanted);
    w->scan.order = query->order;
    w->scan.order_count = query->order_count;
    w->scan.row_max = SCAN_ROWS_MAX;
    if (!find_matches(&s, err))
        return false;
    size_t count = tj_size_min(s.count, query->row_max);
    if (count && !fill_page(w->st, s.best, count, a, out, err))
        return false;
    if (s.count > count) {
        const struct match *last = &s.best[count - 1];
        out->next_page_token = token_text(a, last->time, last->id, last->key);
    }
    out->total = s.total;
    return true;
}

/* -- the search ----------------------------------------------------------- */

bool tj_store_search(struct tj_store *st, const struct tj_trace_query *query,
                     struct tj_arena *a, struct tj_trace_page *out,
                     struct tj_err *err)
{
    struct tj_trace_page page = {.total = UINT64_MAX};
    if (query->row_max < 1 || query->row_max > TJ_SEARCH_ROWS_MAX)
        return tj_fail(err, TJ_E_INPUT, "page size must be 1 to %d, not %zu",
                       TJ_SEARCH_ROWS_MAX, query->row_max);
    bool able = false;
    if (st->ops->search && !st->ops->search(st, query, a, &page, &able, err))
        return false;
    if (able) {
        *out = page;
        return true;
    }
    struct walk w;
    struct tj_arena scratch = {0};
    bool ok = walk_init(&w, st, query, err) &&
              (by_time(query->order, query->order_count)
                   ? search_by_time(&w, a, &page, err)
                   : search_sorted(&w, &scratch, a, &page, err));
    walk_release(&w);
    tj_arena_release(&scratch);
    if (!ok)
        return false;
    *out = page;
    return true;
}
