/* tool_root_span.c - get_root_span: the first root with its contents.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools/span_view.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    const struct tj_tree *tree = &env->trace->tree;
    if (!env->trace->span_count)
        return tj_tool_refuse(out, refused, "Trace has no spans");
    if (tree->root_count > 1)
        tj_buf_fmt(out,
                   "root 1 of %zu; list_spans with max_depth 0 shows all\n",
                   tree->root_count);
    return tj_span_view(env, (size_t)tree->first_root, args, out, refused, err);
}

static const struct tj_param params[] = {TJ_SPAN_VIEW_PARAMS, {0}};

const struct tj_tool tj_tool_get_root_span = {
    .name = "get_root_span",
    .help = "Shows the root span: what the application was asked (input) and "
            "what it answered (output). As get_span, without a span_id.",
    .params = params,
    .run = run,
};
