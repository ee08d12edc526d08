/* tool_timing.c - get_span_performance_and_timing_report.
 * SPDX-License-Identifier: Apache-2.0
 *
 * MLflow's report (span table, sums by type, top ten by self time, concurrent
 * operations) with real span ids and in bounded pages.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "tools/timing.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

enum {
    NAME_BYTES = 30,
    TOP_COUNT = 10,
    PAIRS_MAX = 20,
    /* Pairs that are looked at; thousands of long siblings have millions. */
    PAIRS_TRIED_MAX = 200000,
    /* The sections below the table never take more than this. */
    SUMMARY_BYTES = 5120,
};
#define OVERLAP_NS_MIN (10 * TJ_NS_PER_MS)

struct report {
    struct tj_tool_env *env;
    struct tj_timing timing;
    uint64_t offset;
    uint64_t rows_max;
};

static double seconds(uint64_t ns)
{
    return (double)ns / (double)TJ_NS_PER_SECOND;
}

static void put_row(struct tj_buf *out, const struct report *r, size_t i)
{
    const struct tj_trace *trace = r->env->trace;
    const struct tj_span *span = &trace->spans[i];
    tj_buf_fmt(out, "s%zu ", i + 1);
    tj_put_id(out, span->span_id);
    tj_buf_byte(out, ' ');
    tj_put_line(out, span->name, NAME_BYTES);
    tj_buf_add(out, TJ_STR(" | "));
    tj_put_line(out, tj_span_kind_text(span), NAME_BYTES);
    if (tj_span_timed(span)) {
        tj_buf_fmt(out, " | %.3f %.3f %.3f", seconds(r->timing.self_ns[i]),
                   seconds(r->timing.total_ns[i]),
                   seconds(r->timing.child_ns[i]));
    } else {
        tj_buf_add(out, TJ_STR(" | "));
        tj_put_span_duration(out, span);
    }
    if (trace->tree.parent[i] >= 0)
        tj_buf_fmt(out, " | s%" PRId32, trace->tree.parent[i] + 1);
    tj_buf_add(out, TJ_STR("\n"));
}

static void put_kinds(struct tj_buf *out, const struct report *r)
{
    const struct tj_trace *trace = r->env->trace;
    struct {
        uint64_t count;
        uint64_t self_ns;
        uint64_t total_ns;
    } sums[TJ_KIND_COUNT] = {0};
    for (size_t i = 0; i < trace->span_count; i++) {
        enum tj_kind kind = trace->spans[i].kind;
        sums[kind].count++;
        sums[kind].self_ns += r->timing.self_ns[i];
        sums[kind].total_ns += r->timing.total_ns[i];
    }
    tj_buf_add(out, TJ_STR("SUMMARY BY TYPE (count, total s, average s, "
                           "self s)\n"));
    for (size_t k = 0; k < TJ_KIND_COUNT; k++)
        if (sums[k].count)
            tj_buf_fmt(out, "%s %" PRIu64 " %.3f %.3f %.3f\n",
                       tj_kind_name((enum tj_kind)k), sums[k].count,
                       seconds(sums[k].total_ns),
                       seconds(sums[k].total_ns) / (double)sums[k].count,
                       seconds(sums[k].self_ns));
}

/* Inserts i into the list of the longest by self time. */
static size_t keep_top(size_t *top, size_t count, const uint64_t *self_ns,
                       size_t i)
{
    size_t at = count;
    while (at > 0 && self_ns[top[at - 1]] < self_ns[i])
        at--;
    if (at == TOP_COUNT)
        return count;
    size_t moved = tj_size_min(count, TOP_COUNT - 1) - at;
    memmove(top + at + 1, top + at, moved * sizeof *top);
    top[at] = i;
    return tj_size_min(count + 1, TOP_COUNT);
}

static void put_top(struct tj_buf *out, const struct report *r)
{
    const struct tj_trace *trace = r->env->trace;
    size_t top[TOP_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < trace->span_count; i++)
        if (r->timing.self_ns[i])
            count = keep_top(top, count, r->timing.self_ns, i);
    tj_buf_fmt(out, "TOP %zu BY SELF DURATION (self s, share of wall time)\n",
               count);
    uint64_t wall_ns = tj_trace_wall_ns(trace);
    for (size_t i = 0; i < count; i++) {
        uint64_t self_ns = r->timing.self_ns[top[i]];
        tj_put_id(out, trace->spans[top[i]].span_id);
        tj_buf_byte(out, ' ');
        tj_put_line(out, trace->spans[top[i]].name, NAME_BYTES);
        tj_buf_fmt(out, " %.3f %.1f%%\n", seconds(self_ns),
                   wall_ns ? 100.0 * (double)self_ns / (double)wall_ns : 0);
        tj_tool_listed(r->env, top[i]);
    }
}

struct pairs {
    struct tj_buf *out;
    size_t shown;
    size_t tried;
};

static void put_pair(struct pairs *p, const struct tj_trace *trace, size_t a,
                     size_t b)
{
    const struct tj_span *x = &trace->spans[a];
    const struct tj_span *y = &trace->spans[b];
    tj_time end = x->end < y->end ? x->end : y->end;
    if (end < y->start || end - y->start < OVERLAP_NS_MIN)
        return;
    tj_put_id(p->out, x->span_id);
    tj_buf_add(p->out, TJ_STR(" and "));
    tj_put_id(p->out, y->span_id);
    tj_buf_fmt(p->out, " overlap %.3f\n", seconds(end - y->start));
    p->shown++;
}

/* Siblings are sorted by start: all that overlap `a` follow it directly. */
static void put_overlaps(struct pairs *p, const struct tj_trace *trace,
                         size_t a)
{
    const struct tj_span *x = &trace->spans[a];
    if (!tj_span_timed(x))
        return;
    for (int32_t b = trace->tree.next_sibling[a];
         b >= 0 && p->shown < PAIRS_MAX && p->tried < PAIRS_TRIED_MAX;
         b = trace->tree.next_sibling[b]) {
        const struct tj_span *y = &trace->spans[b];
        p->tried++;
        if (y->start >= x->end)
            return;
        if (tj_span_timed(y))
            put_pair(p, trace, a, (size_t)b);
    }
}

static void put_concurrency(struct tj_buf *out, const struct report *r)
{
    const struct tj_trace *trace = r->env->trace;
    struct tj_peak peak = tj_timing_peak(trace, r->env->step);
    tj_buf_add(out, TJ_STR("CONCURRENT OPERATIONS (siblings, s)\n"));
    struct pairs p = {.out = out};
    for (size_t i = 0; i < trace->span_count && p.shown < PAIRS_MAX; i++)
        put_overlaps(&p, trace, i);
    if (!p.shown)
        tj_buf_add(out, TJ_STR("none overlap by 0.010 or more\n"));
    if (p.shown == PAIRS_MAX)
        tj_buf_fmt(out, "only the first %d pairs are shown\n", PAIRS_MAX);
    if (peak.count > 1) {
        tj_buf_fmt(out, "at most %zu leaf spans at once, at +", peak.count);
        tj_put_duration(out, peak.at - trace->start);
        tj_buf_byte(out, '\n');
    }
}

static void put_head(struct tj_buf *out, const struct tj_trace *trace)
{
    tj_buf_add(out, TJ_STR("SPAN TIMING REPORT FOR TRACE: "));
    tj_buf_add(out, tj_trace_id_mlflow(out->arena, trace->info.trace_id));
    if (trace->start)
        tj_buf_fmt(out, "\ntotal duration %.2f s, %zu spans\n",
                   seconds(tj_trace_wall_ns(trace)), trace->span_count);
    else
        tj_buf_fmt(out, "\nno times recorded, %zu spans\n", trace->span_count);
}

static const char columns[] =
    "number span_id name | type | self total child (s) | parent number\n"
    "self: not in children; child: union of the children's times, clipped to "
    "the span\n";

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    struct report r = {
        .env = env,
        .rows_max = (uint64_t)tj_arg_i64(args, "max_results", 200),
    };
    (void)err;
    if (!tj_arg_page(args, out, refused, &r.offset))
        return true;
    if (!env->trace->span_count)
        return tj_tool_refuse(out, refused, "No spans found in trace");
    tj_timing_build(env->trace, env->step, &r.timing);
    struct tj_buf summary;
    tj_buf_init(&summary, env->step, SUMMARY_BYTES);
    if (!r.offset) {
        put_kinds(&summary, &r);
        put_top(&summary, &r);
        put_concurrency(&summary, &r);
    }
    put_head(out, env->trace);

    struct tj_buf body;
    size_t taken = out->len + summary.len + TJ_TOOL_HEAD_BYTES;
    tj_buf_init(&body, env->step, env->result_bytes_max - taken);
    size_t shown = 0;
    for (size_t i = r.offset; i < env->trace->span_count && shown < r.rows_max;
         i++, shown++) {
        size_t mark = body.len;
        put_row(&body, &r, i);
        if (!tj_tool_row_fits(&body, mark))
            break;
        tj_tool_listed(env, i);
    }
    tj_buf_add(out, tj_buf_str(&summary));
    tj_buf_add(out, TJ_STR("SPAN TABLE "));
    tj_put_page(out, r.offset, shown, env->trace->span_count);
    tj_buf_byte(out, '\n');
    tj_buf_add(out, tj_str_c(columns));
    tj_buf_add(out, tj_buf_str(&body));
    return true;
}

static const struct tj_param params[] = {
    {"max_results", TJ_PARAM_INT, false, "Rows of the table. Default 200.", 1,
     100000, NULL},
    {"page_token", TJ_PARAM_STRING, false,
     "next_page_token of the page before.", 0, 0, NULL},
    {0},
};

const struct tj_tool tj_tool_get_timing_report = {
    .name = "get_span_performance_and_timing_report",
    .help = "Where the time went: sums by type, the ten spans with the most "
            "self time, concurrent siblings, and a table with self, total and "
            "child time of every span.",
    .params = params,
    .run = run,
};
