/* tool_critical_path.c - get_critical_path: what the wall time was spent on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "tools/critical_path.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void put_row(struct tj_buf *out, const struct tj_trace *trace,
                    const struct tj_path_step *s, uint64_t wall_ns)
{
    const struct tj_span *span = &trace->spans[s->span];
    size_t depth = (size_t)trace->tree.depth[s->span];
    tj_put_id(out, span->span_id);
    tj_buf_repeat(out, ' ', 1 + 2 * tj_size_min(depth, TJ_TOOL_INDENT_MAX));
    tj_put_line(out, span->name, TJ_TOOL_NAME_BYTES);
    tj_buf_add(out, TJ_STR(" ["));
    tj_put_line(out, tj_span_kind_text(span), TJ_TOOL_NAME_BYTES);
    tj_buf_add(out, TJ_STR("] "));
    tj_put_duration(out, s->own_ns);
    tj_buf_fmt(out, " (%.1f%%) of ", share(s->own_ns, wall_ns));
    tj_put_duration(out, tj_span_duration_ns(span));
    if (span->status == TJ_STATUS_ERROR)
        tj_buf_add(out, TJ_STR(" ERROR"));
    tj_buf_byte(out, '\n');
}

static const struct tj_path_step *longest(const struct tj_critical_path *path)
{
    const struct tj_path_step *best = NULL;
    for (size_t i = 0; i < path->count; i++)
        if (!best || path->steps[i].own_ns > best->own_ns)
            best = &path->steps[i];
    return best;
}

static void put_head(struct tj_buf *out, const struct tj_trace *trace,
                     const struct tj_critical_path *path)
{
    const struct tj_path_step *best = longest(path);
    tj_buf_add(out, TJ_STR("\nwall time "));
    tj_put_duration(out, path->wall_ns);
    tj_buf_add(out, TJ_STR(", idle (no span ran) "));
    tj_put_duration(out, path->idle_ns);
    if (best) {
        tj_buf_fmt(out, "; most: %.1f%% in ",
                   share(best->own_ns, path->wall_ns));
        tj_put_line(out, trace->spans[best->span].name, TJ_TOOL_NAME_BYTES);
    }
    tj_buf_byte(out, '\n');
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    uint64_t offset;
    (void)err;
    if (!tj_arg_page(args, out, refused, &offset))
        return true;
    struct tj_critical_path path;
    tj_critical_path_build(env->trace, env->step, &path);
    if (!path.count) {
        tj_buf_add(out, TJ_STR("no span of this trace has a duration\n"));
        return true;
    }
    size_t rows_max = (size_t)tj_arg_i64(args, "max_results", 100);
    struct tj_buf body;
    tj_tool_body(env, &body);
    size_t shown = 0;
    for (size_t i = offset; i < path.count && shown < rows_max; i++, shown++) {
        size_t mark = body.len;
        put_row(&body, env->trace, &path.steps[i], path.wall_ns);
        if (!tj_tool_row_fits(&body, mark))
            break;
        tj_tool_listed(env, path.steps[i].span);
    }
    tj_buf_add(out, TJ_STR("spans on the critical path "));
    tj_put_page(out, offset, shown, path.count);
    put_head(out, env->trace, &path);
    tj_buf_add(out, tj_buf_str(&body));
    return true;
}

static const struct tj_param params[] = {
    {"max_results", TJ_PARAM_INT, false, "Spans a page. Default 100.", 1,
     100000, NULL},
    {"page_token", TJ_PARAM_STRING, false,
     "next_page_token of the page before.", 0, 0, NULL},
    {0},
};

const struct tj_tool tj_tool_get_critical_path = {
    .name = "get_critical_path",
    .help = "The spans that determine the wall time, as a tree, each with the "
            "time that it alone contributed; these and the idle time sum to "
            "the duration of the trace. Only making one of these faster makes "
            "the whole faster.",
    .params = params,
    .run = run,
};
