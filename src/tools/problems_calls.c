/* problems_calls.c - calls made twice, tried again, or answered with nothing.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two calls are the same when kind, name (without an index: call_0, call_1)
 * and input are.  Inputs are large and mostly differ in length, so spans are
 * first grouped by what the skeleton knows, and only inputs of spans that are
 * still alike are read.
 */
#include <inttypes.h>

#include "base/random.h"
#include "tools/problems_int.h"
#include "tools/tool_int.h"

struct sizes {
    uint64_t input;
    uint64_t output;
};

static bool read_sizes(struct finder *f, size_t i, struct sizes *out,
                       struct tj_err *err)
{
    const struct tj_span *s = &f->trace->spans[i];
    if (!tj_store_load_fields(f->trace, i, err))
        return false;
    int32_t input = tj_span_find_field(s, TJ_STR("input"));
    int32_t output = tj_span_find_field(s, TJ_STR("output"));
    *out = (struct sizes){0};
    if (input >= 0)
        out->input = tj_span_text_field(s, (size_t)input)->text.len;
    if (output >= 0)
        out->output = tj_span_text_field(s, (size_t)output)->text.len;
    return true;
}

/* Without an input only leaves that do work can be the same call; models and
 * agents always have one, recorded or not. */
static bool counts_without_input(const struct finder *f, size_t i)
{
    enum tj_kind kind = f->trace->spans[i].kind;
    return !f->trace->tree.child_count[i] && !tj_kind_is_model(kind) &&
           kind != TJ_KIND_AGENT && kind != TJ_KIND_CHAIN &&
           kind != TJ_KIND_WORKFLOW;
}

/* A tool name that is only the span's own name says nothing more than it. */
static tj_str call_name(const struct tj_span *s)
{
    bool own = s->tool_name.len && !tj_str_eq(s->tool_name, s->name);
    return own ? s->tool_name : tj_name_stem(s->name);
}

/* Stage 1: what the skeleton knows.  Empty: this span is no candidate. */
static bool rough_key(struct finder *f, size_t i, tj_str *key,
                      struct tj_err *err)
{
    const struct tj_span *s = &f->trace->spans[i];
    struct sizes sizes;
    *key = (tj_str){0};
    if (!read_sizes(f, i, &sizes, err))
        return false;
    if (!sizes.input && !counts_without_input(f, i))
        return true;
    int32_t parent = sizes.input ? -1 : f->trace->tree.parent[i];
    uint64_t output = sizes.input ? 0 : sizes.output;
    *key = tj_str_printf(
        f->arena, "%d %" PRIu64 " %" PRIu64 " %" PRId32 " %.*s", (int)s->kind,
        sizes.input, output, parent, TJ_STR_ARG(call_name(s)));
    return true;
}

static bool hash_field(struct finder *f, size_t i, const char *name,
                       uint64_t seed, uint64_t *out, struct tj_err *err)
{
    tj_str text;
    if (!tj_span_text(f->trace, i, tj_str_c(name), &text, err))
        return false;
    *out = tj_hash(text, seed);
    return true;
}

/* Stage 2: by the input itself, or without one by the output. */
static bool split_group(struct finder *f, const struct group *rough,
                        struct groups *out, struct tj_err *err)
{
    uint64_t seed = tj_random_u64();
    size_t prefix = (size_t)(rough->spans.items[0]);
    for (size_t k = 0; k < rough->spans.count; k++) {
        size_t i = rough->spans.items[k];
        struct sizes sizes;
        uint64_t hash;
        if (!read_sizes(f, i, &sizes, err) ||
            !hash_field(f, i, sizes.input ? "input" : "output", seed, &hash,
                        err))
            return false;
        tj_str key = tj_str_printf(f->arena, "%zu %" PRIx64, prefix, hash);
        tj_groups_add(out, key, i)->ns += f->timing.total_ns[i];
    }
    return true;
}

/* A wrapper and what it wraps are one call: the inner one goes. */
static void drop_wrapped(const struct finder *f, struct group *g)
{
    size_t kept = 0;
    for (size_t k = 0; k < g->spans.count; k++) {
        size_t i = g->spans.items[k];
        bool inside = kept && i < f->subtree_end[g->spans.items[kept - 1]];
        if (!inside)
            g->spans.items[kept++] = i;
        else
            g->ns -= f->timing.total_ns[i];
    }
    g->spans.count = kept;
}

static bool same_outputs(struct finder *f, const struct group *g, bool *same,
                         struct tj_err *err)
{
    uint64_t first = 0;
    *same = true;
    for (size_t k = 0; k < g->spans.count && *same; k++) {
        uint64_t hash;
        if (!hash_field(f, g->spans.items[k], "output", 1, &hash, err))
            return false;
        *same = k == 0 || hash == first;
        first = hash;
    }
    return true;
}

/* The input proves the call; where there is none the names have to. */
static bool prove_calls(struct finder *f, struct tj_problem *p,
                        const struct group *g, struct tj_err *err)
{
    for (size_t k = 0; k < g->spans.count && k < TJ_PROBLEM_PROOFS_MAX; k++) {
        size_t i = g->spans.items[k];
        tj_str input;
        if (!tj_span_text(f->trace, i, TJ_STR("input"), &input, err))
            return false;
        if (input.len)
            tj_problem_prove(f, p, i, TJ_STR("input"), input);
        else
            tj_problem_prove(f, p, i, TJ_STR("name"), f->trace->spans[i].name);
    }
    return true;
}

static enum tj_severity repeat_severity(const struct finder *f,
                                        const struct group *g,
                                        uint64_t wasted_ns)
{
    bool large = tj_percent(wasted_ns, f->wall_ns) >= 25 ||
                 wasted_ns >= f->options.slow_ns;
    return large || g->spans.count >= 10 ? TJ_SEVERITY_HIGH
                                         : TJ_SEVERITY_MEDIUM;
}

/* Without an input, spans of one and the same name that say something else in
 * attributes (instrumented HTTP, queues) need not be the same call. */
static bool is_vague(const struct finder *f, const struct group *g,
                     const struct sizes *sizes)
{
    enum { BARE_FIELDS = 4 }; /* name, status, a kind, an output */
    const struct tj_span *a = &f->trace->spans[g->spans.items[0]];
    const struct tj_span *b = &f->trace->spans[g->spans.items[1]];
    return !sizes->input && a->field_count > BARE_FIELDS &&
           tj_str_eq(a->name, b->name);
}

static bool add_repeated(struct finder *f, const struct group *g,
                         struct tj_err *err)
{
    bool same;
    struct sizes sizes;
    if (!same_outputs(f, g, &same, err) ||
        !read_sizes(f, g->spans.items[0], &sizes, err))
        return false;
    uint64_t wasted_ns = g->ns - f->timing.total_ns[g->spans.items[0]];
    struct tj_problem *p = tj_problem_add(f, TJ_PROBLEM_REPEATED_CALL,
                                          same && !is_vague(f, g, &sizes)
                                              ? repeat_severity(f, g, wasted_ns)
                                              : TJ_SEVERITY_LOW,
                                          wasted_ns);
    tj_problem_add_spans(f, p, g);
    struct tj_buf b;
    tj_buf_init(&b, f->arena, 2048);
    tj_buf_add(&b, tj_problem_subject(f, g));
    tj_buf_fmt(&b, " was called %zu times with %s", g->spans.count,
               sizes.input ? "the same input" : "no recorded input");
    tj_buf_add(&b, same ? TJ_STR("") : TJ_STR(" but different outputs"));
    if (g->ns) {
        tj_buf_add(&b, TJ_STR(": "));
        tj_put_duration(&b, g->ns);
        tj_buf_add(&b, TJ_STR(" in all, "));
        tj_put_duration(&b, wasted_ns);
        tj_buf_add(&b, TJ_STR(" of it after the first"));
    }
    p->title = tj_buf_str(&b);
    return prove_calls(f, p, g, err);
}

static bool add_retried(struct finder *f, const struct group *g,
                        size_t failures, struct tj_err *err)
{
    size_t last = g->spans.items[g->spans.count - 1];
    bool gave_up = f->trace->spans[last].status == TJ_STATUS_ERROR;
    enum tj_severity severity = gave_up               ? TJ_SEVERITY_HIGH
                                : g->spans.count >= 3 ? TJ_SEVERITY_MEDIUM
                                                      : TJ_SEVERITY_LOW;
    struct tj_problem *p =
        tj_problem_add(f, TJ_PROBLEM_RETRY_LOOP, severity, g->spans.count);
    tj_problem_add_spans(f, p, g);
    p->title = tj_str_printf(
        f->arena,
        "%.*s was tried %zu times in the same way: %zu failed, the last one %s",
        TJ_STR_ARG(tj_problem_subject(f, g)), g->spans.count, failures,
        gave_up ? "too" : "did not");
    return prove_calls(f, p, g, err);
}

static bool add_group(struct finder *f, struct group *g, struct tj_err *err)
{
    drop_wrapped(f, g);
    size_t failures = 0;
    size_t early = 0; /* failures that were followed by another try */
    for (size_t k = 0; k < g->spans.count; k++) {
        const struct tj_span *s = &f->trace->spans[g->spans.items[k]];
        bool failed = s->status == TJ_STATUS_ERROR;
        failures += failed;
        early += failed && k + 1 < g->spans.count;
    }
    if (early)
        return add_retried(f, g, failures, err);
    return g->spans.count < f->options.repeated_calls || g->spans.count < 2 ||
           add_repeated(f, g, err);
}

bool tj_find_repeated(struct finder *f, struct tj_err *err)
{
    struct groups rough;
    struct groups exact;
    tj_groups_init(&rough, f->arena);
    tj_groups_init(&exact, f->arena);
    for (size_t i = 0; i < f->trace->span_count; i++) {
        tj_str key;
        if (!rough_key(f, i, &key, err))
            return false;
        if (key.len)
            (void)tj_groups_add(&rough, key, i);
    }
    tj_vec_each (&rough.list, struct group, g) {
        if (g->spans.count > 1 && !split_group(f, g, &exact, err))
            return false;
    }
    tj_vec_each (&exact.list, struct group, g) {
        if (g->spans.count > 1 && !add_group(f, g, err))
            return false;
    }
    return true;
}

/* -- empty outputs --------------------------------------------------------- */

static bool should_answer(const struct tj_span *s)
{
    bool kind = tj_kind_is_model(s->kind) || s->kind == TJ_KIND_TOOL ||
                s->kind == TJ_KIND_RETRIEVER;
    return kind && s->status != TJ_STATUS_ERROR &&
           !(s->marks & TJ_MARK_UNFINISHED);
}

static bool is_nothing(tj_str text)
{
    static const tj_str nothing[] = {TJ_STR_INIT(""), TJ_STR_INIT("null"),
                                     TJ_STR_INIT("[]"), TJ_STR_INIT("{}"),
                                     TJ_STR_INIT("None")};
    text = tj_str_trim(text);
    for (size_t i = 0; i < TJ_COUNT(nothing); i++)
        if (tj_str_eq(text, nothing[i]))
            return true;
    return false;
}

enum answer { ANSWER_TEXT, ANSWER_NOTHING, ANSWER_ABSENT };

static bool read_answer(struct finder *f, size_t i, enum answer *out,
                        struct tj_err *err)
{
    tj_str text;
    const struct tj_span *s = &f->trace->spans[i];
    if (!tj_store_load_fields(f->trace, i, err))
        return false;
    int32_t field = tj_span_find_field(s, TJ_STR("output"));
    *out = ANSWER_ABSENT;
    if (field < 0)
        return true;
    *out = ANSWER_TEXT;
    if (tj_span_text_field(s, (size_t)field)->text.len > 16)
        return true;
    if (!tj_field_text(f->trace, i, (size_t)field, &text, err))
        return false;
    *out = is_nothing(text) ? ANSWER_NOTHING : ANSWER_TEXT;
    return true;
}

static bool add_empty(struct finder *f, const struct group *g,
                      enum answer answer, struct tj_err *err)
{
    struct tj_problem *p = tj_problem_add(
        f, TJ_PROBLEM_EMPTY_OUTPUT,
        answer == ANSWER_NOTHING ? TJ_SEVERITY_MEDIUM : TJ_SEVERITY_LOW,
        g->spans.count);
    tj_problem_add_spans(f, p, g);
    for (size_t k = 0; k < g->spans.count && k < TJ_PROBLEM_PROOFS_MAX; k++) {
        size_t i = g->spans.items[k];
        tj_str text;
        if (!tj_span_text(f->trace, i, TJ_STR("output"), &text, err))
            return false;
        if (text.len)
            tj_problem_prove(f, p, i, TJ_STR("output"), text);
        else
            tj_problem_prove(f, p, i, TJ_STR("name"), f->trace->spans[i].name);
    }
    p->title = tj_str_printf(
        f->arena, "%.*s %s in %zu span%s", TJ_STR_ARG(tj_problem_subject(f, g)),
        answer == ANSWER_NOTHING ? "returned nothing" : "has no output",
        g->spans.count, g->spans.count == 1 ? "" : "s");
    return true;
}

bool tj_find_empty(struct finder *f, struct tj_err *err)
{
    struct groups empty[2]; /* ANSWER_NOTHING, ANSWER_ABSENT */
    bool recorded[TJ_KIND_COUNT] = {0};
    tj_groups_init(&empty[0], f->arena);
    tj_groups_init(&empty[1], f->arena);
    for (size_t i = 0; i < f->trace->span_count; i++) {
        enum answer answer;
        const struct tj_span *s = &f->trace->spans[i];
        if (!should_answer(s))
            continue;
        if (!read_answer(f, i, &answer, err))
            return false;
        if (answer == ANSWER_TEXT)
            recorded[s->kind] = true;
        else
            (void)tj_groups_add(&empty[answer - ANSWER_NOTHING],
                                tj_problem_stem_key(f, i), i);
    }
    for (size_t k = 0; k < TJ_COUNT(empty); k++)
        tj_vec_each (&empty[k].list, struct group, g) {
            enum answer answer = (enum answer)(ANSWER_NOTHING + k);
            enum tj_kind kind = f->trace->spans[g->spans.items[0]].kind;
            /* Where no span of a kind has an output, nobody recorded them. */
            bool tells = answer == ANSWER_NOTHING || recorded[kind];
            if (tells && !add_empty(f, g, answer, err))
                return false;
        }
    return true;
}
