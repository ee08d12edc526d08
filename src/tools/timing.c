/* timing.c - where the time of a trace went: self and child time of spans.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools/timing.h"

#include <stdlib.h>

#include "tools/tool_int.h"

static uint64_t child_time(const struct tj_trace *trace, size_t i)
{
    const struct tj_span *span = &trace->spans[i];
    uint64_t sum = 0;
    tj_time covered = span->start; /* all before it is counted */
    for (int32_t c = trace->tree.first_child[i]; c >= 0;
         c = trace->tree.next_sibling[c]) {
        const struct tj_span *child = &trace->spans[c];
        if (!tj_span_timed(child))
            continue;
        tj_time begin = child->start > covered ? child->start : covered;
        tj_time end = child->end < span->end ? child->end : span->end;
        if (end <= begin)
            continue;
        sum += end - begin;
        covered = end;
    }
    return sum;
}

void tj_timing_build(const struct tj_trace *trace, struct tj_arena *a,
                     struct tj_timing *out)
{
    size_t count = trace->span_count;
    out->total_ns = tj_arena_array(a, uint64_t, count);
    out->self_ns = tj_arena_array(a, uint64_t, count);
    out->child_ns = tj_arena_array(a, uint64_t, count);
    for (size_t i = 0; i < count; i++) {
        if (!tj_span_timed(&trace->spans[i]))
            continue;
        out->total_ns[i] = tj_span_duration_ns(&trace->spans[i]);
        out->child_ns[i] = child_time(trace, i);
        out->self_ns[i] = out->total_ns[i] - out->child_ns[i];
    }
}

struct edge {
    tj_time at;
    int step;
};

/* Ends before starts, so that what follows on its heels does not overlap. */
static int by_time(const void *a, const void *b)
{
    const struct edge *x = a;
    const struct edge *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->step - y->step;
}

struct tj_peak tj_timing_peak(const struct tj_trace *trace, struct tj_arena *a)
{
    struct edge *edges = tj_arena_array(a, struct edge, 2 * trace->span_count);
    size_t count = 0;
    for (size_t i = 0; i < trace->span_count; i++) {
        const struct tj_span *span = &trace->spans[i];
        if (trace->tree.child_count[i] || !tj_span_timed(span) ||
            span->start == span->end)
            continue;
        edges[count++] = (struct edge){span->start, 1};
        edges[count++] = (struct edge){span->end, -1};
    }
    struct tj_peak peak = {0};
    if (count)
        qsort(edges, count, sizeof *edges, by_time);
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        open = edges[i].step > 0 ? open + 1 : open - 1;
        if (open > peak.count)
            peak = (struct tj_peak){open, edges[i].at};
    }
    return peak;
}

uint64_t tj_trace_wall_ns(const struct tj_trace *trace)
{
    return trace->end > trace->start ? trace->end - trace->start : 0;
}
