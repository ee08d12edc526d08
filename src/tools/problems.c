/* problems.c - deterministic findings about a trace, with their proof.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools/problems.h"

#include <stdlib.h>

#include "base/limits.h"
#include "text/utf8.h"
#include "tools/problems_int.h"
#include "tools/tool_int.h"

#define SLOW_NS_DEFAULT (2 * TJ_NS_PER_SECOND)
enum { REPEATED_CALLS_DEFAULT = 2 };

static const char *const names[] = {
#define X(name, text, help) text,
    TJ_PROBLEMS(X)
#undef X
};

const char *tj_problem_name(enum tj_problem_code code)
{
    return names[code];
}

bool tj_problem_parse(tj_str text, enum tj_problem_code *out)
{
    for (size_t i = 0; i < TJ_COUNT(names); i++) {
        if (!tj_str_eq_fold(text, tj_str_c(names[i])))
            continue;
        *out = (enum tj_problem_code)i;
        return true;
    }
    return false;
}

static const char *const severities[] = {"low", "medium", "high"};

const char *tj_severity_name(enum tj_severity severity)
{
    return severities[severity];
}

bool tj_severity_parse(tj_str text, enum tj_severity *out)
{
    for (size_t i = 0; i < TJ_COUNT(severities); i++) {
        if (!tj_str_eq_fold(text, tj_str_c(severities[i])))
            continue;
        *out = (enum tj_severity)i;
        return true;
    }
    return false;
}

void tj_groups_init(struct groups *g, struct tj_arena *a)
{
    *g = (struct groups){.arena = a};
    tj_map_init(&g->by_key, a);
}

struct group *tj_groups_add(struct groups *g, tj_str key, size_t span)
{
    bool fresh;
    struct tj_map_entry *e = tj_map_add(&g->by_key, key, &fresh);
    if (fresh) {
        e->number = g->list.count;
        (void)tj_vec_add(&g->list, g->arena);
    }
    struct group *found = &g->list.items[e->number];
    *tj_vec_add(&found->spans, g->arena) = span;
    return found;
}

tj_str tj_problem_subject(const struct finder *f, const struct group *g)
{
    const struct tj_span *first = &f->trace->spans[g->spans.items[0]];
    bool same = true;
    for (size_t i = 1; i < g->spans.count && same; i++)
        same = tj_str_eq(first->name, f->trace->spans[g->spans.items[i]].name);
    struct tj_buf b;
    tj_buf_init(&b, f->arena, 1024);
    if (first->kind != TJ_KIND_UNKNOWN)
        tj_buf_fmt(&b, "%s ", tj_kind_name(first->kind));
    tj_buf_byte(&b, '\'');
    tj_put_line(&b, same ? first->name : tj_name_stem(first->name),
                TJ_TOOL_NAME_BYTES);
    tj_buf_byte(&b, '\'');
    return tj_buf_str(&b);
}

tj_str tj_problem_stem_key(const struct finder *f, size_t span)
{
    const struct tj_span *s = &f->trace->spans[span];
    return tj_str_printf(f->arena, "%d %.*s", (int)s->kind,
                         TJ_STR_ARG(tj_name_stem(s->name)));
}

struct tj_problem *tj_problem_add(struct finder *f, enum tj_problem_code code,
                                  enum tj_severity severity, uint64_t weight)
{
    struct tj_problem *p = tj_vec_add(f->out, f->arena);
    p->code = code;
    p->severity = severity;
    p->weight = weight;
    return p;
}

void tj_problem_add_span(struct finder *f, struct tj_problem *p, size_t span)
{
    p->span_total++;
    if (p->spans.count < TJ_PROBLEM_SPANS_MAX)
        *tj_vec_add(&p->spans, f->arena) = span;
}

void tj_problem_add_spans(struct finder *f, struct tj_problem *p,
                          const struct group *g)
{
    for (size_t i = 0; i < g->spans.count; i++)
        tj_problem_add_span(f, p, g->spans.items[i]);
}

void tj_problem_prove(struct finder *f, struct tj_problem *p, size_t span,
                      tj_str field, tj_str quote)
{
    if (p->proofs.count == TJ_PROBLEM_PROOFS_MAX || !quote.len)
        return;
    struct tj_proof *proof = tj_vec_add(&p->proofs, f->arena);
    *proof = (struct tj_proof){
        .span = span,
        .field = field,
        .quote =
            tj_str_dup(f->arena, tj_utf8_clip(quote, TJ_PROOF_QUOTE_BYTES)),
    };
}

void tj_problem_prove_names(struct finder *f, struct tj_problem *p,
                            const struct group *g)
{
    for (size_t i = 0; i < g->spans.count && i < TJ_PROBLEM_PROOFS_MAX; i++) {
        size_t span = g->spans.items[i];
        tj_problem_prove(f, p, span, TJ_STR("name"),
                         f->trace->spans[span].name);
    }
}

tj_str tj_problem_duration(const struct finder *f, uint64_t ns)
{
    return tj_duration_text(f->arena, ns);
}

unsigned tj_percent(uint64_t part, uint64_t whole)
{
    if (!whole)
        return 0;
    return (unsigned)(100.0 * (double)part / (double)whole + 0.5);
}

static size_t *build_subtree_ends(const struct tj_trace *trace,
                                  struct tj_arena *a)
{
    size_t *ends = tj_arena_array(a, size_t, trace->span_count);
    for (size_t i = trace->span_count; i-- > 0;) {
        ends[i] = ends[i] ? ends[i] : i + 1;
        int32_t parent = trace->tree.parent[i];
        if (parent >= 0 && ends[parent] < ends[i])
            ends[parent] = ends[i];
    }
    return ends;
}

static int worst_first(const void *a, const void *b)
{
    const struct tj_problem *x = a;
    const struct tj_problem *y = b;
    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    if (x->code != y->code)
        return x->code < y->code ? -1 : 1;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->spans.items[0] < y->spans.items[0]
               ? -1
               : x->spans.items[0] > y->spans.items[0];
}

bool tj_problems_find(struct tj_trace *trace,
                      const struct tj_problem_options *options,
                      struct tj_arena *a, tj_problems *out, struct tj_err *err)
{
    *out = (tj_problems){0};
    struct finder f = {
        .trace = trace,
        .options = *options,
        .arena = a,
        .wall_ns = tj_trace_wall_ns(trace),
        .subtree_end = build_subtree_ends(trace, a),
        .out = out,
    };
    if (!f.options.slow_ns)
        f.options.slow_ns = SLOW_NS_DEFAULT;
    if (!f.options.repeated_calls)
        f.options.repeated_calls = REPEATED_CALLS_DEFAULT;
    tj_timing_build(trace, a, &f.timing);
    tj_find_slow(&f);
    tj_find_broken(&f);
    if (!(tj_find_errors(&f, err) && tj_find_error_results(&f, err) &&
          tj_find_repeated(&f, err) && tj_find_sequential(&f, err) &&
          tj_find_empty(&f, err) && tj_find_hot_spots(&f, err)))
        return false;
    if (out->count)
        qsort(out->items, out->count, sizeof *out->items, worst_first);
    return true;
}
