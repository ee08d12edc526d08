/* problems_time.c - where time was lost: slow spans, needless waiting.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/utf8.h"
#include "tools/problems_int.h"
#include "tools/tool_int.h"

enum {
    /* Longer runs of siblings are looked at in pieces. */
    RUN_MAX = 64,
    /* A word that flows from one call into the next has at least this. */
    WORD_BYTES_MIN = 5,
    WORDS_MAX = 2000,
    FLOW_BYTES_MAX = 16384,
};
/* Siblings further apart than this waited for something else. */
#define GAP_NS_MAX    (100 * TJ_NS_PER_MS)
#define SAVING_NS_MIN (100 * TJ_NS_PER_MS)

/* Slow by itself: not because of what it called. */
static bool is_slow(const struct finder *f, size_t i)
{
    uint64_t self_ns = f->timing.self_ns[i];
    uint64_t total_ns = f->timing.total_ns[i];
    return total_ns >= f->options.slow_ns &&
           (self_ns >= f->options.slow_ns || self_ns >= total_ns / 2);
}

static void add_slow(struct finder *f, const struct group *g)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (size_t i = 0; i < g->spans.count; i++) {
        uint64_t ns = f->timing.total_ns[g->spans.items[i]];
        least = ns < least ? ns : least;
        most = ns > most ? ns : most;
    }
    unsigned share = tj_percent(g->ns, f->wall_ns);
    enum tj_severity severity = share >= 50 || most >= 5 * f->options.slow_ns
                                    ? TJ_SEVERITY_HIGH
                                : share >= 5 ? TJ_SEVERITY_MEDIUM
                                             : TJ_SEVERITY_LOW;
    struct tj_problem *p =
        tj_problem_add(f, TJ_PROBLEM_SLOW_SPAN, severity, g->ns);
    tj_problem_add_spans(f, p, g);
    tj_problem_prove_names(f, p, g);
    tj_str subject = tj_problem_subject(f, g);
    tj_str wall = tj_problem_duration(f, f->wall_ns);
    if (g->spans.count == 1)
        p->title = tj_str_printf(
            f->arena, "%.*s took %.*s, by itself %u%% of the trace's %.*s",
            TJ_STR_ARG(subject), TJ_STR_ARG(tj_problem_duration(f, most)),
            share, TJ_STR_ARG(wall));
    else
        p->title = tj_str_printf(
            f->arena,
            "%zu spans %.*s took %.*s to %.*s each, by themselves %u%% of the "
            "trace's %.*s",
            g->spans.count, TJ_STR_ARG(subject),
            TJ_STR_ARG(tj_problem_duration(f, least)),
            TJ_STR_ARG(tj_problem_duration(f, most)), share, TJ_STR_ARG(wall));
}

void tj_find_slow(struct finder *f)
{
    struct groups groups;
    tj_groups_init(&groups, f->arena);
    for (size_t i = 0; i < f->trace->span_count; i++)
        if (is_slow(f, i))
            tj_groups_add(&groups, tj_problem_stem_key(f, i), i)->ns +=
                f->timing.self_ns[i];
    tj_vec_each (&groups.list, struct group, g)
        add_slow(f, g);
}

/* -- siblings that waited for each other ---------------------------------- */

/* Work that waits for a machine, not for a thought: a model call reads what
 * came before it, so it never counts as independent. */
static bool is_work(const struct finder *f, size_t i)
{
    const struct tj_span *s = &f->trace->spans[i];
    if (!tj_span_timed(s) || s->start == s->end)
        return false;
    switch (s->kind) {
    case TJ_KIND_UNKNOWN:
    case TJ_KIND_TOOL:
    case TJ_KIND_RETRIEVER:
    case TJ_KIND_EMBEDDING:
    case TJ_KIND_RERANKER:
    case TJ_KIND_MEMORY:
    case TJ_KIND_TASK: return true;
    case TJ_KIND_LLM:
    case TJ_KIND_CHAT_MODEL:
    case TJ_KIND_AGENT:
    case TJ_KIND_CHAIN:
    case TJ_KIND_PARSER:
    case TJ_KIND_WORKFLOW:
    case TJ_KIND_GUARDRAIL:
    case TJ_KIND_EVALUATOR:
    case TJ_KIND_COUNT: return false;
    }
    return false;
}

static bool follows(const struct finder *f, size_t before, size_t after)
{
    const struct tj_span *x = &f->trace->spans[before];
    const struct tj_span *y = &f->trace->spans[after];
    return y->start >= x->end && y->start - x->end <= GAP_NS_MAX;
}

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') || c == '_' || c == '-' || (c & 0x80);
}

static bool next_word(tj_str *rest, tj_str *word)
{
    while (rest->len) {
        size_t begin = 0;
        while (begin < rest->len && !is_word_byte(rest->ptr[begin]))
            begin++;
        size_t end = begin;
        while (end < rest->len && is_word_byte(rest->ptr[end]))
            end++;
        *word = tj_str_slice(*rest, begin, end - begin);
        *rest = tj_str_slice(*rest, end, rest->len);
        if (word->len >= WORD_BYTES_MIN)
            return true;
    }
    return false;
}

/* Which words came out of the run so far; number 1: also went into it, so
 * they say nothing about where a later call has them from. */
struct flow {
    struct tj_map words;
    size_t read; /* spans of the run with an input or output */
};

static bool read_part(struct finder *f, size_t i, const char *name,
                      tj_str *text, struct tj_err *err)
{
    if (!tj_span_text(f->trace, i, tj_str_c(name), text, err))
        return false;
    *text = tj_str_slice(*text, 0, FLOW_BYTES_MAX);
    return true;
}

static bool depends(const struct flow *flow, tj_str input)
{
    tj_str word;
    while (next_word(&input, &word)) {
        const struct tj_map_entry *e = tj_map_find(&flow->words, word);
        if (e && !e->number)
            return true;
    }
    return false;
}

static void add_words(struct flow *flow, tj_str text, uint64_t number)
{
    tj_str word;
    while (flow->words.count < WORDS_MAX && next_word(&text, &word)) {
        bool fresh;
        struct tj_map_entry *e = tj_map_add(&flow->words, word, &fresh);
        if (fresh)
            e->number = number;
    }
}

struct run {
    size_t spans[RUN_MAX];
    size_t count;
    uint64_t sum_ns;
    uint64_t most_ns;
};

static uint64_t saving(const struct run *r)
{
    return r->sum_ns - r->most_ns;
}

static void add_run(struct finder *f, const struct run *r, size_t recorded)
{
    if (r->count < 2 || saving(r) < SAVING_NS_MIN)
        return;
    unsigned share = tj_percent(saving(r), f->wall_ns);
    bool large = share >= 25 || saving(r) >= f->options.slow_ns;
    /* Without inputs and outputs independence is only likely. */
    enum tj_severity severity = large || (share >= 5 && recorded)
                                    ? TJ_SEVERITY_MEDIUM
                                    : TJ_SEVERITY_LOW;
    struct group g = {0};
    for (size_t i = 0; i < r->count; i++)
        *tj_vec_add(&g.spans, f->arena) = r->spans[i];
    struct tj_problem *p =
        tj_problem_add(f, TJ_PROBLEM_SEQUENTIAL_SIBLINGS, severity, saving(r));
    tj_problem_add_spans(f, p, &g);
    tj_problem_prove_names(f, p, &g);
    int32_t parent = f->trace->tree.parent[r->spans[0]];
    tj_str above =
        parent < 0 ? TJ_STR("the trace") : f->trace->spans[parent].name;
    p->title = tj_str_printf(
        f->arena,
        "%zu spans under '%.*s' ran one after another in %.*s; side by side "
        "they would take %.*s; %s",
        r->count, TJ_STR_ARG(tj_utf8_clip(above, TJ_TOOL_NAME_BYTES)),
        TJ_STR_ARG(tj_problem_duration(f, r->sum_ns)),
        TJ_STR_ARG(tj_problem_duration(f, r->most_ns)),
        recorded ? "no input holds what another put out"
                 : "their inputs and outputs are not recorded, so whether they "
                   "depend on each other is not known");
}

static void run_add(const struct finder *f, struct run *r, size_t i)
{
    uint64_t ns = f->timing.total_ns[i];
    r->spans[r->count++] = i;
    r->sum_ns += ns;
    r->most_ns = ns > r->most_ns ? ns : r->most_ns;
}

/* Cuts a run where a call uses what one before it put out. */
static bool split_run(struct finder *f, const struct run *whole,
                      struct tj_err *err)
{
    struct run piece = {0};
    struct flow flow = {0};
    struct tj_arena scratch = {0};
    tj_map_init(&flow.words, &scratch);
    for (size_t k = 0; k < whole->count; k++) {
        tj_str input;
        tj_str output;
        size_t i = whole->spans[k];
        if (!read_part(f, i, "input", &input, err) ||
            !read_part(f, i, "output", &output, err)) {
            tj_arena_release(&scratch);
            return false;
        }
        if (depends(&flow, input)) {
            add_run(f, &piece, flow.read);
            piece = (struct run){0};
            flow.read = 0;
            tj_map_init(&flow.words, &scratch);
        }
        add_words(&flow, input, 1);
        add_words(&flow, output, 0);
        flow.read += input.len || output.len;
        run_add(f, &piece, i);
    }
    add_run(f, &piece, flow.read);
    tj_arena_release(&scratch);
    return true;
}

static bool end_run(struct finder *f, struct run *r, struct tj_err *err)
{
    bool done =
        r->count < 2 || saving(r) < SAVING_NS_MIN || split_run(f, r, err);
    *r = (struct run){0};
    return done;
}

static bool walk_siblings(struct finder *f, int32_t first, struct tj_err *err)
{
    struct run r = {0};
    for (int32_t c = first; c >= 0; c = f->trace->tree.next_sibling[c]) {
        size_t i = (size_t)c;
        bool goes_on = r.count < RUN_MAX && is_work(f, i) &&
                       (!r.count || follows(f, r.spans[r.count - 1], i));
        if (!goes_on && !end_run(f, &r, err))
            return false;
        if (is_work(f, i))
            run_add(f, &r, i);
    }
    return end_run(f, &r, err);
}

bool tj_find_sequential(struct finder *f, struct tj_err *err)
{
    if (f->trace->tree.root_count > 1 &&
        !walk_siblings(f, f->trace->tree.first_root, err))
        return false;
    for (size_t i = 0; i < f->trace->span_count; i++)
        if (f->trace->tree.child_count[i] > 1 &&
            !walk_siblings(f, f->trace->tree.first_child[i], err))
            return false;
    return true;
}
