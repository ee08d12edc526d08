/* tree.c - who is whose child, from parent ids of any quality.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     ids -> parent[]      a map; unknown parents are orphans
 *     parent[] -> forest   each cycle is cut at its earliest span
 *     sorted by time       children lists are filled from the back
 *     walk                 order[], rank[], depth[], without recursion
 */
#include <stdlib.h>

#include "base/map.h"
#include "trace/trace.h"

struct stamp {
    tj_time start;
    uint64_t sequence;
    int32_t index;
};

static int compare_stamps(const void *left, const void *right)
{
    const struct stamp *a = left;
    const struct stamp *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static struct stamp stamp_of(const struct tj_span *spans, size_t i)
{
    return (struct stamp){spans[i].start, spans[i].sequence, (int32_t)i};
}

static tj_str id_key(const tj_span_id *id)
{
    return tj_str_make((const char *)id->bytes, sizeof id->bytes);
}

static void find_parents(struct tj_span *spans, size_t count,
                         struct tj_arena *scratch, int32_t *parent)
{
    struct tj_map ids;
    tj_map_init(&ids, scratch);
    for (size_t i = 0; i < count; i++) {
        bool fresh = false;
        struct tj_map_entry *e =
            tj_map_add(&ids, id_key(&spans[i].span_id), &fresh);
        if (fresh)
            e->number = i;
    }
    for (size_t i = 0; i < count; i++) {
        struct tj_span *s = &spans[i];
        s->marks &= ~(uint32_t)(TJ_MARK_ORPHAN | TJ_MARK_CYCLE);
        parent[i] = -1;
        if (tj_span_id_is_none(s->parent_id))
            continue;
        const struct tj_map_entry *e = tj_map_find(&ids, id_key(&s->parent_id));
        if (e)
            parent[i] = (int32_t)e->number;
        else
            s->marks |= TJ_MARK_ORPHAN;
    }
}

/* `at` is on a cycle: its earliest span becomes a root. */
static void cut_cycle(struct tj_span *spans, int32_t *parent, int32_t at)
{
    struct stamp best = stamp_of(spans, (size_t)at);
    for (int32_t i = parent[at]; i != at; i = parent[i]) {
        struct stamp here = stamp_of(spans, (size_t)i);
        if (compare_stamps(&here, &best) < 0)
            best = here;
    }
    parent[best.index] = -1;
    spans[best.index].marks |= TJ_MARK_CYCLE;
}

/* Each span is climbed from once: walk[i] is 1 + the span whose climb passed
 * i, and meeting one's own climb again is a cycle. */
static void cut_cycles(struct tj_span *spans, size_t count,
                       struct tj_arena *scratch, int32_t *parent)
{
    uint32_t *walk = tj_arena_array(scratch, uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t mine = (uint32_t)i + 1;
        int32_t at = (int32_t)i;
        while (at >= 0 && !walk[at]) {
            walk[at] = mine;
            at = parent[at];
        }
        if (at >= 0 && walk[at] == mine)
            cut_cycle(spans, parent, at);
    }
}

static struct stamp *sort_by_time(const struct tj_span *spans, size_t count,
                                  struct tj_arena *scratch)
{
    struct stamp *stamps = tj_arena_array(scratch, struct stamp, count);
    bool sorted = true;
    for (size_t i = 0; i < count; i++) {
        stamps[i] = stamp_of(spans, i);
        if (i && compare_stamps(&stamps[i - 1], &stamps[i]) > 0)
            sorted = false;
    }
    if (!sorted)
        qsort(stamps, count, sizeof *stamps, compare_stamps);
    return stamps;
}

static void link_children(const struct stamp *stamps, struct tj_tree *t)
{
    for (size_t k = t->count; k-- > 0;) {
        int32_t i = stamps[k].index;
        int32_t p = t->parent[i];
        int32_t *head = p < 0 ? &t->first_root : &t->first_child[p];
        t->next_sibling[i] = *head;
        *head = i;
        if (p < 0)
            t->root_count++;
        else
            t->child_count[p]++;
    }
}

/* The span behind i in pre-order, or -1. */
static int32_t next_in_order(const struct tj_tree *t, int32_t i)
{
    if (t->first_child[i] >= 0)
        return t->first_child[i];
    while (i >= 0 && t->next_sibling[i] < 0)
        i = t->parent[i];
    return i < 0 ? -1 : t->next_sibling[i];
}

static void walk_tree(struct tj_tree *t)
{
    int32_t rank = 0;
    for (int32_t i = t->first_root; i >= 0; i = next_in_order(t, i)) {
        int32_t p = t->parent[i];
        t->depth[i] = p < 0 ? 0 : t->depth[p] + 1;
        t->order[rank] = i;
        t->rank[i] = rank++;
    }
    assert((size_t)rank == t->count);
}

void tj_tree_build(struct tj_span *spans, size_t count, struct tj_arena *a,
                   struct tj_tree *out)
{
    assert(count < INT32_MAX);
    struct tj_tree t = {.count = count, .first_root = -1};
    t.parent = tj_arena_array(a, int32_t, count);
    t.first_child = tj_arena_array(a, int32_t, count);
    t.next_sibling = tj_arena_array(a, int32_t, count);
    t.child_count = tj_arena_array(a, int32_t, count);
    t.depth = tj_arena_array(a, int32_t, count);
    t.order = tj_arena_array(a, int32_t, count);
    t.rank = tj_arena_array(a, int32_t, count);
    for (size_t i = 0; i < count; i++)
        t.first_child[i] = -1;
    struct tj_arena scratch = {0};
    find_parents(spans, count, &scratch, t.parent);
    cut_cycles(spans, count, &scratch, t.parent);
    link_children(sort_by_time(spans, count, &scratch), &t);
    walk_tree(&t);
    tj_arena_release(&scratch);
    *out = t;
}

static bool has_tokens(const struct tj_usage *u)
{
    return u->input_tokens >= 0 || u->output_tokens >= 0;
}

static void add_count(int64_t *sum, int64_t value)
{
    if (value < 0)
        return;
    int64_t base = *sum < 0 ? 0 : *sum;
    *sum = value > INT64_MAX - base ? INT64_MAX : base + value;
}

static void add_tokens(struct tj_usage *sum, const struct tj_usage *u)
{
    add_count(&sum->input_tokens, u->input_tokens);
    add_count(&sum->output_tokens, u->output_tokens);
    add_count(&sum->cache_read_tokens, u->cache_read_tokens);
    add_count(&sum->cache_write_tokens, u->cache_write_tokens);
    add_count(&sum->reasoning_tokens, u->reasoning_tokens);
}

struct tj_usage tj_trace_usage(const struct tj_span *spans,
                               const struct tj_tree *tree)
{
    enum { TOKENS_TOLD = 1, COST_TOLD = 2 };
    struct tj_usage sum = TJ_USAGE_UNKNOWN;
    struct tj_arena scratch = {0};
    uint8_t *told = tj_arena_array(&scratch, uint8_t, tree->count);
    for (size_t k = 0; k < tree->count; k++) {
        int32_t i = tree->order[k];
        const struct tj_usage *u = &spans[i].usage;
        uint8_t above = tree->parent[i] < 0 ? 0 : told[tree->parent[i]];
        told[i] = above;
        if (has_tokens(u)) {
            if (!(above & TOKENS_TOLD))
                add_tokens(&sum, u);
            told[i] |= TOKENS_TOLD;
        }
        if (u->cost_usd >= 0) {
            if (!(above & COST_TOLD))
                sum.cost_usd =
                    (sum.cost_usd < 0 ? 0 : sum.cost_usd) + u->cost_usd;
            told[i] |= COST_TOLD;
        }
    }
    tj_arena_release(&scratch);
    return sum;
}
