/* trace_table.c - see trace_table.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   TRACE         START             DURATION  SPANS  ERRORS  TOKENS  NAME ...
 *   3e289017fe03  2026-02-16 10:25     5.31s     42       0   12345  POST ...
 */
#include "tools/trace_table.h"

#include <inttypes.h>

#include "text/utf8.h"

enum {
    ID_DIGITS = 12, /* enough to be unique among billions */
    NAME_COLUMNS_MIN = 12,
    FIXED_COLUMNS = 12 + 2 + 16 + 2 + 8 + 2 + 6 + 2 + 6 + 2 + 9 + 2,
    LINE_BYTES_MAX = 8192,
};

/* At most `columns` wide, with an ellipsis where something was cut. */
static void put_clipped(struct tj_buf *out, tj_str text, size_t columns,
                        struct tj_arena *a)
{
    struct tj_buf safe;
    tj_buf_init(&safe, a, LINE_BYTES_MAX);
    tj_utf8_put_safe(&safe, tj_utf8_clip(text, LINE_BYTES_MAX / 8),
                     TJ_BREAKS_FOLD);
    tj_str whole = tj_buf_str(&safe);
    if (tj_utf8_columns(whole) <= columns) {
        tj_buf_add(out, whole);
        return;
    }
    size_t len = tj_size_min(whole.len, columns * 4);
    tj_str part = tj_utf8_clip(whole, len);
    while (part.len && tj_utf8_columns(part) + 1 > columns)
        part = tj_utf8_clip(whole, part.len - 1);
    tj_buf_add(out, part);
    tj_buf_add(out, TJ_STR("\u2026"));
}

static void put_row(const struct tj_trace_info *info,
                    const struct tj_table_style *style, struct tj_arena *a,
                    struct tj_buf *out)
{
    tj_str id = tj_trace_id_text(a, info->trace_id);
    tj_str time = info->request_time ? tj_time_text(a, info->request_time)
                                     : TJ_STR("-               ");
    bool bad = info->state == TJ_STATE_ERROR || info->error_count;
    tj_buf_add(out, tj_str_slice(id, 0, ID_DIGITS));
    tj_buf_fmt(out, "  %.10s %.5s", time.ptr,
               info->request_time ? time.ptr + 11 : "     ");
    tj_buf_fmt(out, "  %8.*s",
               TJ_STR_ARG(tj_duration_text(a, info->duration_ns)));
    tj_buf_fmt(out, "  %6" PRIu64, info->span_count);
    if (style->color && bad)
        tj_buf_add(out, TJ_STR("\x1b[31m"));
    tj_buf_fmt(out, "  %6" PRIu64, info->error_count);
    if (style->color && bad)
        tj_buf_add(out, TJ_STR("\x1b[0m"));
    int64_t tokens = -1;
    if (info->usage.input_tokens >= 0 || info->usage.output_tokens >= 0)
        tokens =
            (info->usage.input_tokens > 0 ? info->usage.input_tokens : 0) +
            (info->usage.output_tokens > 0 ? info->usage.output_tokens : 0);
    if (tokens >= 0)
        tj_buf_fmt(out, "  %9" PRId64 "  ", tokens);
    else
        tj_buf_fmt(out, "  %9s  ", "-");
    size_t room = style->columns > FIXED_COLUMNS + NAME_COLUMNS_MIN
                      ? style->columns - FIXED_COLUMNS
                      : NAME_COLUMNS_MIN;
    tj_str name = info->name;
    if (info->request_preview.len)
        name =
            tj_str_printf(a, "%.*s: %.*s", TJ_STR_ARG(tj_utf8_clip(name, 200)),
                          TJ_STR_ARG(info->request_preview));
    put_clipped(out, name.len ? name : TJ_STR("-"), room, a);
    tj_buf_byte(out, '\n');
}

void tj_trace_table_write(const struct tj_trace_info *infos, size_t count,
                          const struct tj_table_style *style,
                          struct tj_arena *a, struct tj_buf *out)
{
    if (style->color)
        tj_buf_add(out, TJ_STR("\x1b[1m"));
    tj_buf_fmt(out, "%-12s  %-16s  %8s  %6s  %6s  %9s  %s", "TRACE",
               "START (UTC)", "DURATION", "SPANS", "ERRORS", "TOKENS",
               "NAME: REQUEST");
    if (style->color)
        tj_buf_add(out, TJ_STR("\x1b[0m"));
    tj_buf_byte(out, '\n');
    for (size_t i = 0; i < count; i++)
        put_row(&infos[i], style, a, out);
}
