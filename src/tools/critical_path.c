/* critical_path.c - the chain of spans that determines the wall time.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every span has an extent: its own interval and those of all below it.  A
 * frame is a span whose window [begin, at) is still to be explained, from the
 * right; `children` are those with an extent, latest end first.
 */
#include "tools/critical_path.h"

#include <stdlib.h>

#include "tools/timing.h"
#include "tools/tool_int.h"

struct extent {
    tj_time begin; /* 0: there is none */
    tj_time end;
};

struct child {
    int32_t span;
    struct extent extent;
};

enum { TOP = -1 }; /* above all roots */

struct frame {
    int32_t span; /* or TOP */
    tj_time begin;
    tj_time at;
    struct child *children;
    size_t count;
    size_t next;
};
typedef TJ_VEC(struct frame) frames;

struct walk {
    const struct tj_trace *trace;
    struct tj_arena *arena;
    struct extent *extents;
    uint64_t *own_ns;
    uint64_t idle_ns;
    frames stack;
};

static void widen(struct extent *e, struct extent by)
{
    if (!by.begin)
        return;
    if (!e->begin || by.begin < e->begin)
        e->begin = by.begin;
    if (by.end > e->end)
        e->end = by.end;
}

/* Children come after their parents, so one pass from the end does. */
static struct extent *build_extents(const struct tj_trace *trace,
                                    struct tj_arena *a)
{
    struct extent *e = tj_arena_array(a, struct extent, trace->span_count);
    for (size_t i = trace->span_count; i-- > 0;) {
        const struct tj_span *s = &trace->spans[i];
        if (tj_span_timed(s))
            widen(&e[i], (struct extent){s->start, s->end});
        int32_t parent = trace->tree.parent[i];
        if (parent >= 0)
            widen(&e[parent], e[i]);
    }
    return e;
}

static int latest_first(const void *a, const void *b)
{
    const struct child *x = a;
    const struct child *y = b;
    if (x->extent.end != y->extent.end)
        return x->extent.end > y->extent.end ? -1 : 1;
    return x->span > y->span ? -1 : x->span < y->span;
}

static void push(struct walk *w, int32_t span, tj_time begin, tj_time end)
{
    const struct tj_tree *tree = &w->trace->tree;
    struct frame *f = tj_vec_add(&w->stack, w->arena);
    *f = (struct frame){.span = span, .begin = begin, .at = end};
    size_t room =
        span == TOP ? tree->root_count : (size_t)tree->child_count[span];
    f->children = tj_arena_array(w->arena, struct child, room);
    int32_t c = span == TOP ? tree->first_root : tree->first_child[span];
    for (; c >= 0; c = tree->next_sibling[c])
        if (w->extents[c].begin)
            f->children[f->count++] = (struct child){c, w->extents[c]};
    if (f->count)
        qsort(f->children, f->count, sizeof *f->children, latest_first);
}

/* [begin, end) belongs to the span as far as it ran, else to nobody. */
static void book(struct walk *w, int32_t span, tj_time begin, tj_time end)
{
    if (end <= begin)
        return;
    uint64_t own = 0;
    if (span != TOP && tj_span_timed(&w->trace->spans[span])) {
        const struct tj_span *s = &w->trace->spans[span];
        tj_time from = s->start > begin ? s->start : begin;
        tj_time to = s->end < end ? s->end : end;
        own = to > from ? to - from : 0;
        w->own_ns[span] += own;
    }
    w->idle_ns += end - begin - own;
}

/* The child that explains what comes before f->at, or NULL. */
static const struct child *next_child(struct frame *f)
{
    while (f->next < f->count) {
        const struct child *c = &f->children[f->next++];
        if (c->extent.begin < f->at && c->extent.end > f->begin)
            return c;
    }
    return NULL;
}

static void step(struct walk *w)
{
    struct frame *f = &w->stack.items[w->stack.count - 1];
    const struct child *c = f->at > f->begin ? next_child(f) : NULL;
    if (!c) {
        book(w, f->span, f->begin, f->at);
        w->stack.count--;
        return;
    }
    tj_time end = c->extent.end < f->at ? c->extent.end : f->at;
    tj_time begin = c->extent.begin > f->begin ? c->extent.begin : f->begin;
    book(w, f->span, end, f->at);
    f->at = begin;
    push(w, c->span, begin, end);
}

void tj_critical_path_build(const struct tj_trace *trace, struct tj_arena *a,
                            struct tj_critical_path *out)
{
    struct walk w = {
        .trace = trace,
        .arena = a,
        .extents = build_extents(trace, a),
        .own_ns = tj_arena_array(a, uint64_t, trace->span_count),
    };
    struct extent whole = {0};
    for (size_t i = 0; i < trace->span_count; i++)
        widen(&whole, w.extents[i]);
    *out = (struct tj_critical_path){.wall_ns = whole.end - whole.begin};
    push(&w, TOP, whole.begin, whole.end);
    while (w.stack.count)
        step(&w);
    out->idle_ns = w.idle_ns;
    out->steps = tj_arena_array(a, struct tj_path_step, trace->span_count);
    for (size_t i = 0; i < trace->span_count; i++)
        if (w.own_ns[i])
            out->steps[out->count++] = (struct tj_path_step){i, w.own_ns[i]};
}
