/* problems_usage.c - where tokens and money went.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only spans that carry usage and have none below them that does are compared:
 * an agent's sum is not a call.
 */
#include <inttypes.h>

#include "tools/problems_int.h"
#include "tools/tool_int.h"

enum {
    SHARE_MIN = 40, /* percent in one of several calls */
    CALLS_MIN = 3,  /* with fewer, somebody has to have most */
    TOKENS_MIN = 5000,
    LARGE_INPUT_TOKENS = 100000,
};
#define COST_MIN 0.01

struct spent {
    size_t span;
    uint64_t tokens;
    double cost_usd;
};
typedef TJ_VEC(struct spent) spending;

static uint64_t known(int64_t tokens)
{
    return tokens > 0 ? (uint64_t)tokens : 0;
}

static bool carries_usage(const struct tj_span *s)
{
    return s->usage.input_tokens >= 0 || s->usage.output_tokens >= 0 ||
           s->usage.cost_usd >= 0;
}

static spending collect(struct finder *f)
{
    const struct tj_trace *trace = f->trace;
    spending out = {0};
    bool *below = tj_arena_array(f->arena, bool, trace->span_count);
    for (size_t i = trace->span_count; i-- > 0;) {
        bool carries = carries_usage(&trace->spans[i]);
        int32_t parent = trace->tree.parent[i];
        if (parent >= 0 && (carries || below[i]))
            below[parent] = true;
    }
    for (size_t i = 0; i < trace->span_count; i++) {
        const struct tj_span *s = &trace->spans[i];
        if (below[i] || !carries_usage(s))
            continue;
        struct spent *e = tj_vec_add(&out, f->arena);
        e->span = i;
        e->tokens =
            known(s->usage.input_tokens) + known(s->usage.output_tokens);
        e->cost_usd = s->usage.cost_usd > 0 ? s->usage.cost_usd : 0;
    }
    return out;
}

static bool prove_number(struct finder *f, struct tj_problem *p, size_t span,
                         enum tj_normal which, struct tj_err *err)
{
    const struct tj_span *s = &f->trace->spans[span];
    int32_t field = s->source[which];
    tj_str text;
    if (!tj_store_load_fields(f->trace, span, err))
        return false;
    if (field < 0 || (size_t)field >= s->field_count) {
        tj_problem_prove(f, p, span, TJ_STR("name"), s->name);
        return true;
    }
    if (!tj_field_text(f->trace, span, (size_t)field, &text, err))
        return false;
    tj_problem_prove(f, p, span, s->fields[field].name, text);
    return true;
}

static bool add_tokens(struct finder *f, const struct spent *e, uint64_t total,
                       struct tj_err *err)
{
    unsigned share = tj_percent(e->tokens, total);
    struct group g = {0};
    *tj_vec_add(&g.spans, f->arena) = e->span;
    struct tj_problem *p = tj_problem_add(
        f, TJ_PROBLEM_TOKEN_HOT_SPOT,
        share >= 60 ? TJ_SEVERITY_MEDIUM : TJ_SEVERITY_LOW, e->tokens);
    tj_problem_add_spans(f, p, &g);
    p->title = tj_str_printf(
        f->arena, "%.*s used %" PRIu64 " of %" PRIu64 " tokens (%u%%)",
        TJ_STR_ARG(tj_problem_subject(f, &g)), e->tokens, total, share);
    return prove_number(f, p, e->span, TJ_NORMAL_INPUT_TOKENS, err);
}

static bool add_cost(struct finder *f, const struct spent *e, double total,
                     struct tj_err *err)
{
    struct group g = {0};
    *tj_vec_add(&g.spans, f->arena) = e->span;
    struct tj_problem *p =
        tj_problem_add(f, TJ_PROBLEM_COST_HOT_SPOT, TJ_SEVERITY_LOW,
                       (uint64_t)(e->cost_usd * 1e6));
    tj_problem_add_spans(f, p, &g);
    p->title = tj_str_printf(f->arena, "%.*s cost $%.4f of $%.4f (%.0f%%)",
                             TJ_STR_ARG(tj_problem_subject(f, &g)), e->cost_usd,
                             total, 100 * e->cost_usd / total);
    return prove_number(f, p, e->span, TJ_NORMAL_COST, err);
}

/* Calls near the end of common context windows, however few there are. */
static bool add_large_inputs(struct finder *f, const spending *all,
                             struct tj_err *err)
{
    struct group g = {0};
    uint64_t most = 0;
    tj_vec_each (all, struct spent, e) {
        uint64_t in = known(f->trace->spans[e->span].usage.input_tokens);
        if (in < LARGE_INPUT_TOKENS)
            continue;
        *tj_vec_add(&g.spans, f->arena) = e->span;
        most = in > most ? in : most;
    }
    if (!g.spans.count)
        return true;
    struct tj_problem *p =
        tj_problem_add(f, TJ_PROBLEM_TOKEN_HOT_SPOT, TJ_SEVERITY_MEDIUM, most);
    tj_problem_add_spans(f, p, &g);
    p->title = tj_str_printf(
        f->arena,
        "%zu of %zu model calls had an input of %d tokens or more, at most "
        "%" PRIu64,
        g.spans.count, all->count, LARGE_INPUT_TOKENS, most);
    return prove_number(f, p, g.spans.items[0], TJ_NORMAL_INPUT_TOKENS, err);
}

bool tj_find_hot_spots(struct finder *f, struct tj_err *err)
{
    spending all = collect(f);
    uint64_t tokens = 0;
    double cost = 0;
    tj_vec_each (&all, struct spent, e) {
        tokens += e->tokens;
        cost += e->cost_usd;
    }
    if (!add_large_inputs(f, &all, err))
        return false;
    if (all.count < CALLS_MIN)
        return true;
    tj_vec_each (&all, struct spent, e) {
        if (tokens >= TOKENS_MIN &&
            tj_percent(e->tokens, tokens) >= SHARE_MIN &&
            !add_tokens(f, e, tokens, err))
            return false;
        if (cost >= COST_MIN && e->cost_usd * 100 >= cost * SHARE_MIN &&
            !add_cost(f, e, cost, err))
            return false;
    }
    return true;
}
