/* tool_search_traces.c - search_traces: other traces, by a filter.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A filter can ask for labels even where they are not shown ("feedback.x =
 * 'yes'"), so such filters are refused while labels are hidden.
 */
#include "tools/tool_int.h"
#include "tools/tools.h"
#include "tools/trace_rows.h"

enum { FILTER_DEPTH_MAX = 200 };

/* depth counts down; what is nested deeper than anybody writes is refused. */
static bool asks_labels(const struct tj_filter *f, size_t depth)
{
    if (!f)
        return false;
    if (!depth)
        return true;
    switch (f->kind) {
    case TJ_FILTER_AND:
    case TJ_FILTER_OR:
    case TJ_FILTER_NOT:
        return asks_labels(f->left, depth - 1) ||
               asks_labels(f->right, depth - 1);
    case TJ_FILTER_CLAUSE: break;
    }
    return f->entity == TJ_ENTITY_FEEDBACK ||
           f->entity == TJ_ENTITY_EXPECTATION ||
           ((f->entity == TJ_ENTITY_TAG || f->entity == TJ_ENTITY_METADATA) &&
            tj_key_is_label(f->key));
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    struct tj_trace_rows rows = {.what = "traces"};
    struct tj_err why;
    if (!tj_trace_rows_query(env, args, &rows.query, out, refused))
        return true;
    if (!tj_filter_parse(tj_arg_str(args, "filter_string"), env->step,
                         &rows.query.filter, &why))
        return tj_tool_refuse(out, refused, "Invalid filter_string: %s",
                              why.message);
    if (!env->show_labels && asks_labels(rows.query.filter, FILTER_DEPTH_MAX))
        return tj_tool_refuse(
            out, refused,
            "Invalid filter_string: labels (feedback, expectations, and tags "
            "that hold them) are hidden from you");
    return tj_trace_rows_put(env, &rows, out, refused, err);
}

static const struct tj_param params[] = {
    {"filter_string", TJ_PARAM_STRING, false,
     "Such as \"status = 'ERROR' AND execution_time_ms > 2000\" or \"tags.env "
     "= 'prod'\". Default: all.",
     0, 0, NULL},
    TJ_TRACE_ROWS_PARAMS,
    {0},
};

const struct tj_tool tj_tool_search_traces = {
    .name = "search_traces",
    .help = "Finds other traces of the store, newest first: id, time, state, "
            "duration, spans, request and response previews.",
    .params = params,
    .run = run,
};
