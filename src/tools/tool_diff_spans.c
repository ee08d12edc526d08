/* tool_diff_spans.c - diff_spans: two spans side by side, field by field.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts of several lines are compared by lines (Myers' O(ND), bounded); texts
 * of one line, as plain JSON is, by what is between their common beginning
 * and end.
 */
#include <inttypes.h>

#include "text/utf8.h"
#include "tools/line_diff.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

enum {
    WINDOW_BYTES = 400,
    AROUND_BYTES = 40,
    /* A text is compared up to this size. */
    TEXT_BYTES_MAX = 4 << 20,
    FIELD_BYTES_MAX = 6000,
};

struct pair {
    size_t a;
    size_t b;
};

static void put_head(struct tj_tool_env *env, char which, size_t i,
                     struct tj_buf *out)
{
    const struct tj_span *s = &env->trace->spans[i];
    tj_buf_fmt(out, "%c: ", which);
    tj_put_id(out, s->span_id);
    tj_buf_byte(out, ' ');
    tj_put_line(out, s->name, TJ_TOOL_NAME_BYTES);
    tj_buf_add(out, TJ_STR(" ["));
    tj_put_line(out, tj_span_kind_text(s), TJ_TOOL_NAME_BYTES);
    tj_buf_add(out, TJ_STR("] "));
    if (s->start && !(s->marks & TJ_MARK_TIME_GUESSED)) {
        tj_buf_byte(out, '+');
        tj_put_duration(out, s->start - env->trace->start);
        tj_buf_byte(out, ' ');
    }
    tj_put_span_duration(out, s);
    tj_buf_fmt(out, " %s", tj_status_name(s->status));
    if (s->usage.input_tokens >= 0 || s->usage.output_tokens >= 0) {
        tj_buf_add(out, TJ_STR(" tokens "));
        tj_put_usage(out, &s->usage);
    }
    tj_buf_byte(out, '\n');
    tj_tool_listed(env, i);
}

static size_t common_prefix(tj_str a, tj_str b)
{
    size_t n = tj_size_min(a.len, b.len);
    size_t i = 0;
    while (i < n && a.ptr[i] == b.ptr[i])
        i++;
    while (i > 0 && !(tj_utf8_is_boundary(a, i) && tj_utf8_is_boundary(b, i)))
        i--;
    return i;
}

static size_t common_suffix(tj_str a, tj_str b, size_t prefix)
{
    size_t n = tj_size_min(a.len, b.len) - prefix;
    size_t i = 0;
    while (i < n && a.ptr[a.len - 1 - i] == b.ptr[b.len - 1 - i])
        i++;
    while (i > 0 && !(tj_utf8_is_boundary(a, a.len - i) &&
                      tj_utf8_is_boundary(b, b.len - i)))
        i--;
    return i;
}

static void put_window(char which, tj_str text, size_t begin, size_t end,
                       struct tj_buf *out)
{
    size_t from = begin > AROUND_BYTES ? begin - AROUND_BYTES : 0;
    while (from < begin && !tj_utf8_is_boundary(text, from))
        from++;
    size_t to = tj_size_min(end + AROUND_BYTES, from + WINDOW_BYTES);
    tj_str shown = tj_str_slice(text, from, text.len);
    shown = tj_utf8_clip(shown, to - from);
    tj_buf_fmt(out, "%c @%zu: ", which, from);
    tj_buf_add(out, from ? TJ_STR("...") : TJ_STR(""));
    tj_put_quoted(out, shown);
    tj_buf_add(out,
               from + shown.len < text.len ? TJ_STR("...\n") : TJ_STR("\n"));
}

static void put_difference(tj_str a, tj_str b, struct tj_buf *out)
{
    if (tj_str_find_byte(a, '\n') != (size_t)-1 &&
        tj_str_find_byte(b, '\n') != (size_t)-1 &&
        tj_line_diff_write(a, b, out))
        return;
    size_t prefix = common_prefix(a, b);
    size_t suffix = common_suffix(a, b, prefix);
    put_window('a', a, prefix, a.len - suffix, out);
    put_window('b', b, prefix, b.len - suffix, out);
}

static bool read_text(struct tj_tool_env *env, size_t span, size_t field,
                      tj_str *out, struct tj_err *err)
{
    if (!tj_field_text(env->trace, span, field, out, err))
        return false;
    *out = tj_utf8_clip(*out, TEXT_BYTES_MAX);
    return true;
}

static bool put_both(struct tj_tool_env *env, const struct pair *spans,
                     const struct pair *fields, struct tj_buf *out,
                     struct tj_err *err)
{
    tj_str a;
    tj_str b;
    const struct tj_field *f = &env->trace->spans[spans->a].fields[fields->a];
    if (!read_text(env, spans->a, fields->a, &a, err) ||
        !read_text(env, spans->b, fields->b, &b, err))
        return false;
    tj_buf_add(out, TJ_STR("--- "));
    tj_put_line(out, f->name, TJ_NAME_BYTES_MAX);
    if (tj_str_eq(a, b)) {
        tj_buf_fmt(out, ": same (%zu bytes)\n", a.len);
        return true;
    }
    tj_buf_fmt(out, ": different (%zu and %zu bytes)\n", a.len, b.len);
    /* Parts of both were shown; which bytes is not booked. */
    tj_tool_saw(env, spans->a, fields->a, 0, 0);
    tj_tool_saw(env, spans->b, fields->b, 0, 0);
    struct tj_buf body;
    tj_buf_init(&body, env->step, FIELD_BYTES_MAX);
    put_difference(a, b, &body);
    tj_str text = tj_utf8_clip(tj_buf_str(&body), body.len);
    tj_buf_add(out, text);
    if (body.full)
        tj_buf_add(out, TJ_STR("(cut)\n"));
    return true;
}

static void put_single(struct tj_tool_env *env, char which, size_t span,
                       size_t field, struct tj_buf *out)
{
    const struct tj_field *f = &env->trace->spans[span].fields[field];
    tj_buf_add(out, TJ_STR("--- "));
    tj_put_line(out, f->name, TJ_NAME_BYTES_MAX);
    tj_buf_fmt(out, ": only in %c (%zu bytes)\n", which,
               tj_span_text_field(&env->trace->spans[span], field)->text.len);
}

/* input, output and error are compared under these names, not again as the
 * attribute that they are; name and status are in the heads. */
static bool is_row(const struct tj_span *s, size_t field)
{
    tj_str name = s->fields[field].name;
    if (tj_str_eq(name, TJ_STR("name")) || tj_str_eq(name, TJ_STR("status")))
        return false;
    for (size_t i = 0; i < s->field_count; i++)
        if (s->fields[i].same_as == (int32_t)field)
            return false;
    return true;
}

/* Rows are numbered: first the fields of a, then those only b has. */
static bool put_field_row(struct tj_tool_env *env, const struct pair *spans,
                          size_t row, struct tj_buf *out, struct tj_err *err)
{
    const struct tj_span *a = &env->trace->spans[spans->a];
    const struct tj_span *b = &env->trace->spans[spans->b];
    if (row >= a->field_count) {
        size_t field = row - a->field_count;
        if (is_row(b, field) &&
            tj_span_find_field(a, b->fields[field].name) < 0)
            put_single(env, 'b', spans->b, field, out);
        return true;
    }
    if (!is_row(a, row))
        return true;
    int32_t other = tj_span_find_field(b, a->fields[row].name);
    if (other < 0) {
        put_single(env, 'a', spans->a, row, out);
        return true;
    }
    struct pair fields = {row, (size_t)other};
    return put_both(env, spans, &fields, out, err);
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    uint64_t offset;
    if (!tj_arg_page(args, out, refused, &offset))
        return true;
    int32_t a = tj_tool_span(env, tj_arg_str(args, "span_id"), out, refused);
    if (a < 0)
        return true;
    int32_t b =
        tj_tool_span(env, tj_arg_str(args, "other_span_id"), out, refused);
    if (b < 0)
        return true;
    struct pair spans = {(size_t)a, (size_t)b};
    if (!tj_store_load_fields(env->trace, spans.a, err) ||
        !tj_store_load_fields(env->trace, spans.b, err))
        return false;
    size_t total =
        env->trace->spans[a].field_count + env->trace->spans[b].field_count;
    put_head(env, 'a', spans.a, out);
    put_head(env, 'b', spans.b, out);
    struct tj_buf body;
    tj_buf_init(&body, env->step, tj_buf_room(out) - TJ_TOOL_HEAD_BYTES);
    size_t at = offset;
    for (; at < total; at++) {
        size_t mark = body.len;
        if (!put_field_row(env, &spans, at, &body, err))
            return false;
        if (!tj_tool_row_fits(&body, mark))
            break;
    }
    if (at < total)
        tj_buf_fmt(out, "fields to %zu of %zu, next_page_token: %zu\n", at,
                   total, at);
    tj_buf_add(out, tj_buf_str(&body));
    return true;
}

static const struct tj_param params[] = {
    {"span_id", TJ_PARAM_STRING, true, "The first span (a).", 0, 0, NULL},
    {"other_span_id", TJ_PARAM_STRING, true, "The second span (b).", 0, 0,
     NULL},
    {"page_token", TJ_PARAM_STRING, false,
     "next_page_token of the page before.", 0, 0, NULL},
    {0},
};

const struct tj_tool tj_tool_diff_spans = {
    .name = "diff_spans",
    .help = "Compares two spans: times, status, tokens, and for every field "
            "whether it is the same, or what differs. For calls that look "
            "alike, and for what changed between two model calls.",
    .params = params,
    .run = run,
};
