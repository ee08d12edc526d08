/* tool_text.c - the small pieces of text that tool results are made of.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "base/map.h"
#include "text/utf8.h"
#include "tools/tool_int.h"

void tj_put_line(struct tj_buf *out, tj_str text, size_t bytes_max)
{
    tj_str shown = tj_utf8_clip(text, bytes_max);
    size_t from = 0;
    for (size_t i = 0; i < shown.len; i++) {
        unsigned char c = (unsigned char)shown.ptr[i];
        if (c >= 0x20 && c != 0x7f)
            continue;
        tj_buf_add(out, tj_str_slice(shown, from, i - from));
        tj_buf_byte(out, ' ');
        from = i + 1;
    }
    tj_buf_add(out, tj_str_slice(shown, from, shown.len - from));
    if (shown.len < text.len)
        tj_buf_add(out, TJ_STR("…"));
}

/* The longest run of '#' behind a quotation mark decides how many marks the
 * closing delimiter needs. */
static size_t hashes_needed(tj_str text)
{
    size_t most = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '"')
            continue;
        size_t run = 0;
        while (i + 1 + run < text.len && text.ptr[i + 1 + run] == '#')
            run++;
        most = tj_size_max(most, run);
        quoted = true;
    }
    return quoted ? most + 1 : 0;
}

void tj_put_quoted(struct tj_buf *out, tj_str text)
{
    size_t hashes = hashes_needed(text);
    tj_buf_repeat(out, '#', hashes);
    tj_buf_byte(out, '"');
    tj_buf_add(out, text);
    tj_buf_byte(out, '"');
    tj_buf_repeat(out, '#', hashes);
}

void tj_put_duration(struct tj_buf *out, uint64_t ns)
{
    tj_buf_add(out, tj_duration_text(out->arena, ns));
}

void tj_put_id(struct tj_buf *out, tj_span_id id)
{
    tj_buf_add(out, tj_span_id_text(out->arena, id));
}

void tj_put_cost(struct tj_buf *out, double usd)
{
    tj_buf_fmt(out, usd < 0.01 ? "$%.6f" : "$%.4f", usd);
}

void tj_put_usage(struct tj_buf *out, const struct tj_usage *usage)
{
    if (usage->input_tokens >= 0)
        tj_buf_fmt(out, "in %" PRId64, usage->input_tokens);
    if (usage->cache_read_tokens > 0)
        tj_buf_fmt(out, " (cached %" PRId64 ")", usage->cache_read_tokens);
    if (usage->output_tokens >= 0)
        tj_buf_fmt(out, "%sout %" PRId64, usage->input_tokens >= 0 ? " " : "",
                   usage->output_tokens);
    if (usage->reasoning_tokens > 0)
        tj_buf_fmt(out, " (reasoning %" PRId64 ")", usage->reasoning_tokens);
}

void tj_put_marks(struct tj_buf *out, uint32_t marks)
{
    bool first = true;
    for (uint32_t bit = 0; bit < TJ_MARK_COUNT; bit++) {
        if (!(marks & (UINT32_C(1) << bit)))
            continue;
        if (!first)
            tj_buf_byte(out, ',');
        tj_buf_add(out, tj_str_c(tj_mark_name((enum tj_mark)bit)));
        first = false;
    }
}

tj_str tj_span_kind_text(const struct tj_span *span)
{
    if (span->kind == TJ_KIND_UNKNOWN && span->kind_text.len)
        return span->kind_text;
    return tj_str_c(tj_kind_name(span->kind));
}

void tj_put_span_duration(struct tj_buf *out, const struct tj_span *span)
{
    if (tj_span_timed(span))
        tj_put_duration(out, tj_span_duration_ns(span));
    else if (span->marks & TJ_MARK_TIME_GUESSED)
        tj_buf_add(out, TJ_STR("untimed"));
    else if (!span->end)
        tj_buf_add(out, TJ_STR("unfinished"));
    else
        tj_buf_add(out, TJ_STR("unknown"));
}

void tj_put_page(struct tj_buf *out, uint64_t offset, uint64_t shown,
                 uint64_t total)
{
    if (!shown) {
        tj_buf_fmt(out, "0 of %" PRIu64, total);
        if (offset && total)
            tj_buf_fmt(out, " (page_token %" PRIu64 " is behind the last)",
                       offset);
        return;
    }
    tj_buf_fmt(out, "%" PRIu64 "-%" PRIu64 " of %" PRIu64, offset + 1,
               offset + shown, total);
    if (offset + shown < total)
        tj_buf_fmt(out, ", next_page_token: %" PRIu64, offset + shown);
}

void tj_tool_body(struct tj_tool_env *env, struct tj_buf *body)
{
    tj_buf_init(body, env->step, env->result_bytes_max - TJ_TOOL_HEAD_BYTES);
}

bool tj_tool_row_fits(struct tj_buf *body, size_t mark)
{
    if (!body->full)
        return true;
    tj_buf_cut(body, mark);
    return false;
}

void tj_put_models(struct tj_buf *out, const struct tj_trace *trace)
{
    enum { MODELS_MAX = 12 };
    struct tj_map counts;
    tj_map_init(&counts, out->arena);
    for (size_t i = 0; i < trace->span_count; i++) {
        bool fresh;
        if (trace->spans[i].model.len)
            tj_map_add(&counts, trace->spans[i].model, &fresh)->number++;
    }
    if (!counts.count)
        return;
    tj_buf_add(out, TJ_STR("models: "));
    for (size_t i = 0; i < counts.count && i < MODELS_MAX; i++) {
        tj_buf_add(out, i ? TJ_STR(", ") : TJ_STR(""));
        tj_put_line(out, counts.entries[i].key, TJ_TOOL_NAME_BYTES);
        tj_buf_fmt(out, " (%" PRIu64 " spans)", counts.entries[i].number);
    }
    if (counts.count > MODELS_MAX)
        tj_buf_fmt(out, ", %zu of %zu shown", (size_t)MODELS_MAX, counts.count);
    tj_buf_byte(out, '\n');
}
