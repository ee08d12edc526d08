/* tool.c - the registry of tools and the one way to call them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools/tool.h"

#include "text/utf8.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

const struct tj_tool *const tj_tools[] = {
    &tj_tool_get_trace_info,
    &tj_tool_get_root_span,
    &tj_tool_list_spans,
    &tj_tool_get_span,
    &tj_tool_search_trace_regex,
    &tj_tool_get_timing_report,
    &tj_tool_find_problems,
    &tj_tool_get_critical_path,
    &tj_tool_get_conversation,
    &tj_tool_diff_spans,
    &tj_tool_get_traces_in_session,
    &tj_tool_search_traces,
    NULL,
};

const struct tj_tool *tj_tool_find(tj_str name)
{
    /* MLflow spells two of its names with a leading underscore. */
    if (tj_str_starts(name, TJ_STR("_")))
        name = tj_str_slice(name, 1, name.len - 1);
    for (size_t i = 0; tj_tools[i]; i++)
        if (tj_str_eq(tj_str_c(tj_tools[i]->name), name))
            return tj_tools[i];
    return NULL;
}

enum { NAME_MAX = 64 };

/* Levenshtein distance; a is at most NAME_MAX bytes. */
static size_t distance(tj_str a, tj_str b)
{
    size_t row[NAME_MAX + 1];
    for (size_t i = 0; i <= a.len; i++)
        row[i] = i;
    for (size_t j = 1; j <= b.len; j++) {
        size_t diagonal = row[0];
        row[0] = j;
        for (size_t i = 1; i <= a.len; i++) {
            size_t change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[i];
            size_t shift = tj_size_min(row[i], row[i - 1]) + 1;
            row[i] = tj_size_min(change, shift);
        }
    }
    return row[a.len];
}

static const char *closest(tj_str name)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; name.len <= NAME_MAX && tj_tools[i]; i++) {
        size_t d = distance(name, tj_str_c(tj_tools[i]->name));
        if (d >= best_distance)
            continue;
        best_distance = d;
        best = tj_tools[i]->name;
    }
    return best_distance <= name.len / 2 ? best : NULL;
}

static void refuse_name(tj_str name, struct tj_buf *out)
{
    const char *near = closest(name);
    tj_buf_add(out, TJ_STR("Tool '"));
    tj_put_line(out, name, TJ_TOOL_NAME_BYTES);
    tj_buf_add(out, TJ_STR("' not found in registry."));
    if (near)
        tj_buf_fmt(out, " Did you mean %s?", near);
    tj_buf_add(out, TJ_STR(" The tools are: "));
    for (size_t i = 0; tj_tools[i]; i++) {
        tj_buf_add(out, i ? TJ_STR(", ") : TJ_STR(""));
        tj_buf_add(out, tj_str_c(tj_tools[i]->name));
    }
}

/* NULL: refused, and out says why. */
static const struct tj_json *read_args(const struct tj_tool *tool, tj_str text,
                                       struct tj_buf *out)
{
    struct tj_json_doc doc;
    struct tj_err err;
    tj_str body = tj_str_trim(text);
    if (!body.len)
        body = TJ_STR("{}");
    if (body.len > TJ_TOOL_ARGS_BYTES_MAX) {
        tj_buf_fmt(out, "Invalid arguments for tool '%s': over %zu bytes",
                   tool->name, TJ_TOOL_ARGS_BYTES_MAX);
        return NULL;
    }
    if (!tj_json_parse(body, out->arena, &doc, &err)) {
        tj_buf_fmt(out, "Invalid JSON arguments for tool '%s': %s", tool->name,
                   err.message);
        return NULL;
    }
    /* Some servers encode the arguments of a call without any as null. */
    if (!tj_json_is_object(doc.root) && !tj_json_is_null(doc.root)) {
        tj_buf_fmt(out,
                   "Invalid JSON arguments for tool '%s': expected an object",
                   tool->name);
        return NULL;
    }
    tj_str wrong = tj_args_check(tool, doc.root, out->arena);
    if (!wrong.len)
        return doc.root;
    tj_buf_fmt(out, "Invalid arguments for tool '%s': %.*s", tool->name,
               TJ_STR_ARG(wrong));
    return NULL;
}

static bool run(struct tj_tool_env *env, const struct tj_call *call,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    *refused = true;
    tj_str name = tj_utf8_repair(env->step, call->name);
    const struct tj_tool *tool = tj_tool_find(name);
    if (!tool) {
        refuse_name(name, out);
        return true;
    }
    const struct tj_json *args = read_args(tool, call->args, out);
    if (!args)
        return true;
    *refused = false;
    return tool->run(env, args, out, refused, err) ||
           tj_err_wrap(err, "tool %s", tool->name);
}

bool tj_tool_run(struct tj_tool_env *env, const struct tj_call *call,
                 struct tj_tool_reply *out, struct tj_err *err)
{
    struct tj_tool_env bounded = *env;
    if (!bounded.result_bytes_max)
        bounded.result_bytes_max = TJ_TOOL_RESULT_BYTES_MAX;
    bounded.result_bytes_max =
        tj_size_max(bounded.result_bytes_max, TJ_TOOL_RESULT_BYTES_MIN);
    struct tj_buf text;
    tj_buf_init(&text, env->step, bounded.result_bytes_max);
    bool refused;
    if (!run(&bounded, call, &text, &refused, err))
        return false;
    out->text = tj_utf8_clip(tj_buf_str(&text), text.len);
    out->refused = refused;
    return true;
}
