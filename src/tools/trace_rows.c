/* trace_rows.c - a page of traces as text, for the tools that list traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     traces 2 of 40, next_page_token: 00f3...
 *     tr-... 2026-05-02T08:00:00.000Z OK 4.00s 12 spans name
 *       request: ...
 *       response: ...
 */
#include "tools/trace_rows.h"

#include <inttypes.h>

#include "tools/tool_int.h"

enum {
    PREVIEW_BYTES = 300,
    ASSESSMENTS_MAX = 10,
    ORDERS_MAX = 8,
};

static bool refuse_token(struct tj_buf *out, bool *refused, tj_str token,
                         const struct tj_err *why)
{
    tj_buf_add(out, TJ_STR("Invalid page_token '"));
    tj_put_line(out, token, TJ_TOOL_NAME_BYTES);
    tj_buf_fmt(out, "': %s", why->message);
    *refused = true;
    return true;
}

bool tj_trace_rows_query(struct tj_tool_env *env, const struct tj_json *args,
                         struct tj_trace_query *query, struct tj_buf *out,
                         bool *refused)
{
    tj_str *words;
    size_t count = tj_arg_strs(args, "order_by", env->step, &words);
    if (count > ORDERS_MAX)
        return !tj_tool_refuse(out, refused, "order_by has over %d parts",
                               ORDERS_MAX);
    struct tj_order *order = tj_arena_array(env->step, struct tj_order, count);
    for (size_t i = 0; i < count; i++) {
        struct tj_err why;
        if (!tj_order_parse(words[i], env->step, &order[i], &why))
            return !tj_tool_refuse(out, refused, "Invalid order_by: %s",
                                   why.message);
        if (!env->show_labels && tj_key_is_label(order[i].key))
            return !tj_tool_refuse(
                out, refused, "Invalid order_by: labels are hidden from you");
    }
    query->row_max = (size_t)tj_arg_i64(args, "max_results", 20);
    query->page_token = tj_arg_str(args, "page_token");
    if (count) {
        query->order = order;
        query->order_count = count;
    }
    return true;
}

static bool put_assessments(struct tj_tool_env *env, tj_trace_id id,
                            struct tj_buf *out, struct tj_err *err)
{
    struct tj_assessment *list;
    size_t count;
    if (!tj_store_assessments(env->store, id, env->step, &list, &count, err))
        return false;
    for (size_t i = 0; i < count && i < ASSESSMENTS_MAX; i++) {
        tj_buf_add(out, TJ_STR("  assessment "));
        tj_put_line(out, list[i].name, TJ_TOOL_NAME_BYTES);
        tj_buf_add(out, TJ_STR(": "));
        tj_put_line(out, list[i].value_json, TJ_TOOL_NAME_BYTES);
        tj_buf_byte(out, '\n');
    }
    return true;
}

static void put_preview(struct tj_buf *out, const char *label, tj_str text)
{
    if (!text.len)
        return;
    tj_buf_fmt(out, "  %s: ", label);
    tj_put_line(out, text, PREVIEW_BYTES);
    tj_buf_byte(out, '\n');
}

static bool put_row(struct tj_tool_env *env, const struct tj_trace_info *info,
                    struct tj_buf *out, struct tj_err *err)
{
    tj_buf_add(out, tj_trace_id_mlflow(out->arena, info->trace_id));
    if (info->request_time) {
        tj_buf_byte(out, ' ');
        tj_buf_add(out, tj_time_text(out->arena, info->request_time));
    }
    tj_buf_fmt(out, " %s ", tj_trace_state_name(info->state));
    if (info->duration_ns)
        tj_put_duration(out, info->duration_ns);
    else
        tj_buf_add(out, TJ_STR("untimed"));
    tj_buf_fmt(out, " %" PRIu64 " spans ", info->span_count);
    tj_put_line(out, info->name, TJ_TOOL_NAME_BYTES);
    tj_buf_byte(out, '\n');
    put_preview(out, "request", info->request_preview);
    put_preview(out, "response", info->response_preview);
    return !env->show_labels || put_assessments(env, info->trace_id, out, err);
}

static bool belongs(const struct tj_trace_rows *rows,
                    const struct tj_trace_info *info)
{
    if (rows->skip && tj_trace_id_eq(*rows->skip, info->trace_id))
        return false;
    return !rows->session.len || tj_str_eq(rows->session, info->session);
}

/* How far a page of infos got before one did not fit. */
struct fit {
    size_t taken; /* infos that were dealt with */
    size_t shown; /* of them, those that have a row */
};

static bool put_page(struct tj_tool_env *env, const struct tj_trace_rows *rows,
                     const struct tj_trace_page *page, struct tj_buf *body,
                     struct fit *fit, struct tj_err *err)
{
    *fit = (struct fit){0};
    for (; fit->taken < page->count; fit->taken++) {
        const struct tj_trace_info *info = &page->infos[fit->taken];
        size_t mark = body->len;
        if (!belongs(rows, info))
            continue;
        if (!put_row(env, info, body, err))
            return false;
        if (!tj_tool_row_fits(body, mark))
            return true;
        fit->shown++;
    }
    return true;
}

bool tj_trace_rows_put(struct tj_tool_env *env, struct tj_trace_rows *rows,
                       struct tj_buf *out, bool *refused, struct tj_err *err)
{
    struct tj_trace_page page = {0};
    struct tj_err why = {0};
    struct tj_buf body;
    struct fit fit = {0};
    do {
        if (!tj_store_search(env->store, &rows->query, env->step, &page,
                             &why)) {
            if (why.code == TJ_E_INPUT && rows->query.page_token.len)
                return refuse_token(out, refused, rows->query.page_token, &why);
            *err = why;
            return false;
        }
        tj_tool_body(env, &body);
        if (!put_page(env, rows, &page, &body, &fit, err))
            return false;
        /* The token belongs to the whole page: ask again for what fitted. */
        rows->query.row_max = tj_size_max(fit.taken, 1);
    } while (fit.taken < page.count && fit.taken > 0);
    tj_buf_fmt(out, "%s %zu", rows->what, fit.shown);
    if (page.total != UINT64_MAX)
        tj_buf_fmt(out, " of %" PRIu64, page.total);
    if (page.next_page_token.len) {
        tj_buf_add(out, TJ_STR(", next_page_token: "));
        tj_buf_add(out, page.next_page_token);
    }
    tj_buf_byte(out, '\n');
    tj_buf_add(out, tj_buf_str(&body));
    return true;
}
