/* tool_session.c - get_traces_in_session: what came before in this session.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only traces of the subject's own session, and by default only earlier ones:
 * a judge of turn 3 must not see turn 4.
 */
#include "tools/tool_int.h"
#include "tools/tools.h"
#include "tools/trace_rows.h"

static const struct tj_order oldest_first = {
    .entity = TJ_ENTITY_ATTRIBUTE,
    .attribute = TJ_ATTR_TIMESTAMP_MS,
};

static struct tj_filter *session_clause(tj_str session, struct tj_arena *a)
{
    struct tj_filter *f = tj_arena_new(a, struct tj_filter);
    f->kind = TJ_FILTER_CLAUSE;
    f->entity = TJ_ENTITY_METADATA;
    f->key = TJ_STR("mlflow.trace.session");
    f->op = TJ_OP_EQ;
    f->values = tj_arena_new(a, tj_str);
    *f->values = session;
    f->value_count = 1;
    return f;
}

static struct tj_filter *earlier_clause(tj_time time, struct tj_arena *a)
{
    uint64_t ms = time / TJ_NS_PER_MS;
    struct tj_filter *f = tj_arena_new(a, struct tj_filter);
    f->kind = TJ_FILTER_CLAUSE;
    f->entity = TJ_ENTITY_ATTRIBUTE;
    f->attribute = TJ_ATTR_TIMESTAMP_MS;
    f->op = TJ_OP_LT;
    f->values = tj_arena_new(a, tj_str);
    *f->values = tj_str_printf(a, "%llu", (unsigned long long)ms);
    f->value_count = 1;
    f->number = (double)ms;
    f->is_number = true;
    return f;
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    const struct tj_trace_info *info = &env->trace->info;
    bool later = tj_arg_bool(args, "include_later", false);
    struct tj_trace_rows rows = {
        .what = later ? "other traces of this session"
                      : "earlier traces of this session",
        .skip = &info->trace_id,
        .session = info->session,
    };
    if (!info->session.len) {
        tj_buf_add(out, TJ_STR("this trace belongs to no session\n"));
        return true;
    }
    if (!tj_trace_rows_query(env, args, &rows.query, out, refused))
        return true;
    if (!rows.query.order) {
        rows.query.order = &oldest_first;
        rows.query.order_count = 1;
    }
    struct tj_filter *filter = session_clause(info->session, env->step);
    if (!later && info->request_time) {
        struct tj_filter *both = tj_arena_new(env->step, struct tj_filter);
        both->kind = TJ_FILTER_AND;
        both->left = filter;
        both->right = earlier_clause(info->request_time, env->step);
        filter = both;
    }
    rows.query.filter = filter;
    return tj_trace_rows_put(env, &rows, out, refused, err);
}

static const struct tj_param params[] = {
    TJ_TRACE_ROWS_PARAMS,
    {"include_later", TJ_PARAM_BOOL, false,
     "Also traces after this one. Default false.", 0, 0, NULL},
    {0},
};

const struct tj_tool tj_tool_get_traces_in_session = {
    .name = "get_traces_in_session",
    .help = "The earlier traces of the same session (conversation), oldest "
            "first: what the user and the application said before.",
    .params = params,
    .run = run,
};
