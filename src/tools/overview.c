/* overview.c - a trace at a glance, for the prompt of a judge.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Spans with the same path of (kind, name without index) fold into one node,
 * as in a flame graph, so 33,000 spans of an agent's loop are a dozen lines.
 */
#include "tools/overview.h"

#include <inttypes.h>

#include "base/map.h"
#include "tools/timing.h"
#include "tools/tool_int.h"

enum {
    DEPTH_MAX = 12,
    PREVIEW_BYTES = 400,
    NAME_BYTES = 80,
    /* Kept free of the tree for its last line. */
    TAIL_BYTES = 80,
};

struct node {
    size_t span; /* the first */
    int32_t parent;
    int32_t first_child;
    int32_t last_child;
    int32_t next_sibling;
    size_t depth;
    uint64_t count;
    uint64_t below; /* spans under all of its spans */
    uint64_t errors;
    uint64_t total_ns;
    uint64_t untimed;
};

struct fold {
    const struct tj_trace *trace;
    struct tj_arena *arena;
    TJ_VEC(struct node) nodes;
    struct tj_map by_path;
    int32_t first;
    int32_t last;
};

static int32_t add_node(struct fold *f, int32_t parent, size_t span)
{
    int32_t at = (int32_t)f->nodes.count;
    struct node *n = tj_vec_add(&f->nodes, f->arena);
    *n = (struct node){
        .span = span,
        .parent = parent,
        .first_child = -1,
        .last_child = -1,
        .next_sibling = -1,
        .depth = parent < 0 ? 0 : f->nodes.items[parent].depth + 1,
    };
    int32_t *last = parent < 0 ? &f->last : &f->nodes.items[parent].last_child;
    int32_t *first =
        parent < 0 ? &f->first : &f->nodes.items[parent].first_child;
    if (*last >= 0)
        f->nodes.items[*last].next_sibling = at;
    else
        *first = at;
    *last = at;
    return at;
}

static int32_t node_of(struct fold *f, int32_t parent, size_t span)
{
    const struct tj_span *s = &f->trace->spans[span];
    tj_str kind = tj_span_kind_text(s);
    tj_str stem = tj_name_stem(s->name);
    /* Lengths first, so that no name can spell another path. */
    tj_str key = tj_str_printf(f->arena, "%" PRId32 " %zu %.*s %.*s", parent,
                               kind.len, TJ_STR_ARG(kind), TJ_STR_ARG(stem));
    bool fresh;
    struct tj_map_entry *e = tj_map_add(&f->by_path, key, &fresh);
    if (fresh)
        e->number = (uint64_t)add_node(f, parent, span);
    return (int32_t)e->number;
}

static void build_fold(struct fold *f)
{
    const struct tj_trace *trace = f->trace;
    int32_t *nodes = tj_arena_array(f->arena, int32_t, trace->span_count);
    uint64_t *below = tj_arena_array(f->arena, uint64_t, trace->span_count);
    for (size_t i = 0; i < trace->span_count; i++) {
        const struct tj_span *s = &trace->spans[i];
        int32_t parent = trace->tree.parent[i];
        nodes[i] = node_of(f, parent < 0 ? -1 : nodes[parent], i);
        struct node *n = &f->nodes.items[nodes[i]];
        n->count++;
        n->errors += s->status == TJ_STATUS_ERROR;
        n->untimed += !tj_span_timed(s);
        n->total_ns += tj_span_timed(s) ? tj_span_duration_ns(s) : 0;
    }
    for (size_t i = trace->span_count; i-- > 0;) {
        f->nodes.items[nodes[i]].below += below[i];
        if (trace->tree.parent[i] >= 0)
            below[trace->tree.parent[i]] += below[i] + 1;
    }
}

static void put_node_times(struct tj_buf *out, const struct node *n,
                           const struct tj_span *first)
{
    tj_buf_byte(out, ' ');
    if (n->count == 1) {
        tj_put_span_duration(out, first);
    } else if (n->untimed < n->count) {
        tj_put_duration(out, n->total_ns);
        tj_buf_add(out, TJ_STR(" in all"));
    } else {
        tj_buf_add(out, TJ_STR("untimed"));
    }
}

static void put_node(struct tj_buf *out, const struct fold *f,
                     const struct node *n, size_t depth_max)
{
    const struct tj_span *first = &f->trace->spans[n->span];
    tj_buf_repeat(out, ' ', 2 * n->depth);
    tj_str name = n->count == 1 ? first->name : tj_name_stem(first->name);
    tj_put_line(out, name, NAME_BYTES);
    tj_buf_add(out, TJ_STR(" ["));
    tj_put_line(out, tj_span_kind_text(first), NAME_BYTES);
    tj_buf_byte(out, ']');
    if (n->count > 1)
        tj_buf_fmt(out, " x%" PRIu64, n->count);
    put_node_times(out, n, first);
    if (n->errors)
        tj_buf_fmt(out, ", %" PRIu64 " with status ERROR", n->errors);
    tj_buf_add(out, n->count > 1 ? TJ_STR(", first ") : TJ_STR(" "));
    tj_put_id(out, first->span_id);
    if (n->depth == depth_max && n->below)
        tj_buf_fmt(out, ", %" PRIu64 " spans below", n->below);
    tj_buf_byte(out, '\n');
}

/* The next node in pre-order that is at most depth_max deep; -1 at the end. */
static int32_t next_node(const struct fold *f, int32_t at, size_t depth_max)
{
    const struct node *n = &f->nodes.items[at];
    if (n->first_child >= 0 && n->depth < depth_max)
        return n->first_child;
    while (n->next_sibling < 0 && n->parent >= 0)
        n = &f->nodes.items[n->parent];
    return n->next_sibling;
}

/* Returns how many nodes were shown. */
static size_t put_tree(struct tj_buf *out, const struct fold *f,
                       size_t depth_max)
{
    size_t shown = 0;
    for (int32_t at = f->first; at >= 0; at = next_node(f, at, depth_max)) {
        size_t mark = out->len;
        put_node(out, f, &f->nodes.items[at], depth_max);
        if (!tj_tool_row_fits(out, mark))
            break;
        shown++;
    }
    return shown;
}

static void put_fold(const struct tj_trace *trace, struct tj_buf *out)
{
    struct fold f = {
        .trace = trace, .arena = out->arena, .first = -1, .last = -1};
    tj_map_init(&f.by_path, f.arena);
    build_fold(&f);
    if (tj_buf_room(out) < (size_t)2 * TAIL_BYTES)
        return;
    struct tj_buf tree;
    size_t depth = DEPTH_MAX;
    size_t shown;
    do {
        tj_buf_init(&tree, out->arena,
                    tj_buf_room(out) - (size_t)2 * TAIL_BYTES);
        shown = put_tree(&tree, &f, depth);
    } while (tree.full && depth-- > 0);
    tj_buf_add(out, TJ_STR("span tree (equal names folded, xN is how many; "
                           "the id is the first):\n"));
    tj_buf_add(out, tj_buf_str(&tree));
    if (shown < f.nodes.count)
        tj_buf_fmt(out, "%zu of %zu kinds of spans shown\n", shown,
                   f.nodes.count);
}

static void put_head(const struct tj_trace *trace, struct tj_buf *out)
{
    const struct tj_trace_info *info = &trace->info;
    uint64_t errors = 0;
    uint64_t marked = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < trace->span_count; i++) {
        errors += trace->spans[i].status == TJ_STATUS_ERROR;
        marked += trace->spans[i].marks != 0;
        bytes += trace->spans[i].text_bytes;
    }
    tj_buf_add(out, TJ_STR("trace "));
    tj_buf_add(out, tj_trace_id_mlflow(out->arena, info->trace_id));
    tj_buf_fmt(out,
               ", state %s, %zu spans, %" PRIu64 " with status ERROR, %" PRIu64
               " bytes of contents, duration ",
               tj_trace_state_name(info->state), trace->span_count, errors,
               bytes);
    uint64_t wall_ns = tj_trace_wall_ns(trace);
    if (wall_ns || info->duration_ns)
        tj_put_duration(out, wall_ns ? wall_ns : info->duration_ns);
    else
        tj_buf_add(out, TJ_STR("unknown"));
    if (marked)
        tj_buf_fmt(out, ", %" PRIu64 " spans marked as odd", marked);
    tj_buf_byte(out, '\n');
}

static void put_preview(struct tj_buf *out, const char *label, tj_str text)
{
    if (!text.len)
        return;
    tj_buf_fmt(out, "%s: ", label);
    tj_put_line(out, text, PREVIEW_BYTES);
    tj_buf_byte(out, '\n');
}

void tj_overview_write(const struct tj_trace *trace, size_t bytes_max,
                       struct tj_buf *out)
{
    const struct tj_usage *usage = &trace->info.usage;
    struct tj_buf b;
    tj_buf_init(&b, out->arena, bytes_max);
    put_head(trace, &b);
    tj_put_models(&b, trace);
    if (usage->input_tokens >= 0 || usage->output_tokens >= 0) {
        tj_buf_add(&b, TJ_STR("tokens: "));
        tj_put_usage(&b, usage);
        tj_buf_byte(&b, '\n');
    }
    if (usage->cost_usd >= 0) {
        tj_buf_add(&b, TJ_STR("cost: "));
        tj_put_cost(&b, usage->cost_usd);
        tj_buf_byte(&b, '\n');
    }
    put_preview(&b, "request", trace->info.request_preview);
    put_preview(&b, "response", trace->info.response_preview);
    put_fold(trace, &b);
    tj_buf_add(out, tj_buf_str(&b));
}
