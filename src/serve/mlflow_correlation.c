/* mlflow_correlation.c - do traces of one filter tend to match another one?
 * SPDX-License-Identifier: Apache-2.0
 *
 * MLflow's normalised pointwise mutual information of two filters: 1 when the
 * same traces match both, 0 when it is chance, -1 when none matches both.
 *
 *     pmi  = log(n11 N / (n1 n2))       n1, n2: traces of each, n11 of both
 *     npmi = pmi / -log(n11 / N)
 *
 * The smoothed one adds 1/2 to each cell of the table (Jeffreys' prior), for
 * small numbers of traces.
 */
#include <math.h>

#include "base/limits.h"
#include "serve/mlflow_check.h"
#include "serve/route.h"

struct counts {
    uint64_t total;
    uint64_t one;
    uint64_t other;
    uint64_t both;
};

/* The traces that a filter matches are told by their ids. */
static tj_str id_of(const struct tj_trace_info *info)
{
    return tj_str_make((const char *)info->trace_id.bytes,
                       sizeof info->trace_id.bytes);
}

/* Goes through all that match; those of `first` are noted in seen, of the
 * others those that were noted are counted in *both. */
struct walk {
    struct tj_ml *call;
    const uint64_t *experiments;
    size_t experiment_count;
    struct tj_map *seen; /* NULL: only the number is wanted */
    bool first;
    uint64_t matched;
    uint64_t both;
};

static void note(struct walk *w, const struct tj_trace_info *info)
{
    bool fresh;
    w->matched++;
    if (w->seen && w->first)
        (void)tj_map_add(w->seen, tj_str_dup(w->call->arena, id_of(info)),
                         &fresh);
    else if (w->seen)
        w->both += tj_map_find(w->seen, id_of(info)) != NULL;
}

static bool walk(struct walk *w, tj_str filter)
{
    struct tj_ml *call = w->call;
    struct tj_arena page_arena = {0};
    struct tj_trace_query query = {.experiments = w->experiments,
                                   .experiment_count = w->experiment_count,
                                   .row_max = TJ_SEARCH_ROWS_MAX,
                                   .with_judge_traces = true};
    bool ok = tj_filter_parse(filter, call->arena, &query.filter, &call->err);
    while (ok && w->experiment_count) {
        struct tj_trace_page page = {0};
        ok = tj_store_search(call->store, &query, &page_arena, &page,
                             &call->err);
        for (size_t i = 0; i < page.count; i++)
            note(w, &page.infos[i]);
        query.page_token = tj_str_dup(call->arena, page.next_page_token);
        tj_arena_reset(&page_arena);
        if (!query.page_token.len)
            break;
    }
    tj_arena_release(&page_arena);
    return ok || tj_ml_fail_err(call);
}

/* The filter on top of the base, joined as MLflow joins them. */
static tj_str on_base(struct tj_ml *call, tj_str base, tj_str filter)
{
    if (!base.len)
        return filter;
    return tj_str_printf(call->arena, "%.*s AND %.*s", TJ_STR_ARG(base),
                         TJ_STR_ARG(filter));
}

static bool count(struct tj_ml *call, const uint64_t *experiments,
                  size_t experiment_count, struct counts *out)
{
    tj_str base = tj_ml_str(call, "base_filter");
    tj_str one;
    tj_str other;
    struct tj_map seen;
    if (!tj_ml_need_str(call, "filter_string1", &one) ||
        !tj_ml_need_str(call, "filter_string2", &other))
        return false;
    tj_map_init(&seen, call->arena);
    struct walk all = {.call = call,
                       .experiments = experiments,
                       .experiment_count = experiment_count};
    struct walk first = all;
    struct walk second = all;
    first.seen = second.seen = &seen;
    first.first = true;
    if (!walk(&first, on_base(call, base, one)) ||
        !walk(&second, on_base(call, base, other)) || !walk(&all, base))
        return false;
    *out = (struct counts){all.matched, first.matched, second.matched,
                           second.both};
    return true;
}

/* NaN: there is no answer. */
static double npmi(const struct counts *c, double prior)
{
    double both = (double)c->both + prior;
    double one = (double)(c->one - c->both) + prior;
    double other = (double)(c->other - c->both) + prior;
    double none = (double)(c->total - c->one - c->other + c->both) + prior;
    double all = both + one + other + none;
    if (both <= 0)
        return (double)NAN;
    if (c->one == c->both && c->other == c->both && c->total == c->both)
        return 1;
    double pmi = (log(both) + log(all)) - (log(both + one) + log(both + other));
    double value = pmi / -(log(both) - log(all));
    return value < -1 ? -1 : value > 1 ? 1 : value;
}

static void put(struct tj_json_writer *w, const char *key, double value)
{
    if (!isnan(value))
        tj_jw_key_double(w, key, value);
}

static void answer(struct tj_ml *call, const struct counts *c)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    /* A trace may come or go between the counts. */
    bool defined = c->one && c->other && c->both <= c->one &&
                   c->both <= c->other &&
                   c->one + c->other <= c->total + c->both;
    if (defined) {
        put(w, "npmi", c->both ? npmi(c, 0) : -1);
        put(w, "npmi_smoothed", npmi(c, 0.5));
    }
    tj_jw_key_u64(w, "filter1_count", c->one);
    tj_jw_key_u64(w, "filter2_count", c->other);
    tj_jw_key_u64(w, "joint_count", c->both);
    tj_jw_key_u64(w, "total_count", c->total);
    tj_ml_end(call);
}

static void correlate(struct tj_server *s, const struct tj_request *rq,
                      struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_list list;
    struct counts counts;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_strs(&call, "experiment_ids", &list))
        return;
    if (!list.count) {
        (void)tj_ml_missing(&call, "experiment_ids");
        return;
    }
    uint64_t *ids = tj_arena_array(call.arena, uint64_t, list.count);
    size_t covered = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (tj_str_to_u64(list.items[i], &ids[covered]) &&
            tj_grant_covers(rq->grant, ids[covered]))
            covered++;
    }
    if (count(&call, ids, covered, &counts))
        answer(&call, &counts);
}

const struct tj_route tj_routes_correlation[] = {
    {TJ_METHOD_POST, TJ_V3, "/mlflow/traces/calculate-filter-correlation",
     TJ_ACCESS_READ, correlate},
    {.run = NULL},
};
