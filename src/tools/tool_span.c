/* tool_span.c - get_span: one span with its contents.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools/span_view.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    int32_t span = tj_tool_span(env, tj_arg_str(args, "span_id"), out, refused);
    return span < 0 || tj_span_view(env, (size_t)span, args, out, refused, err);
}

static const struct tj_param params[] = {
    {"span_id", TJ_PARAM_STRING, true, "16 hex digits, from list_spans.", 0, 0,
     NULL},
    TJ_SPAN_VIEW_PARAMS,
    {0},
};

const struct tj_tool tj_tool_get_span = {
    .name = "get_span",
    .help = "Shows one span: its place, times, tokens, marks, and the text of "
            "its fields (input and output first). Large contents come in "
            "pages; quote evidence from what this shows, with the field name "
            "behind the dashes.",
    .params = params,
    .run = run,
};
