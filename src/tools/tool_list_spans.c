/* tool_list_spans.c - list_spans: one line a span, filtered, sorted, paged.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     spans 1-2 of 2
 *     00000000000000a1 agent [AGENT] +0us 4.00s OK in=20 out=9
 *     00000000000000a2   fetch [TOOL] +1ms 2.50s ERROR in=7 out=0 orphan
 *
 * The page token is the number of matching spans before the page, as in
 * MLflow (where all spans match).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "text/utf8.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

enum { PREVIEW_BYTES = 160 };

enum sort { SORT_TREE, SORT_DURATION, SORT_START };
static const char *const sort_words[] = {"tree", "duration", "start", NULL};
static const char *const status_words[] = {"OK", "ERROR", "UNSET", "UNFINISHED",
                                           NULL};

struct filter {
    tj_str kind;
    tj_str name;
    tj_str status;
    double min_duration_ns;
    int32_t parent; /* -1: any */
    int64_t max_depth;
};

struct row {
    uint64_t key;
    size_t span;
};
typedef TJ_VEC(struct row) rows;

static bool status_fits(const struct tj_span *span, tj_str status)
{
    if (tj_str_eq_fold(status, TJ_STR("UNFINISHED")))
        return (span->marks & TJ_MARK_UNFINISHED) || !span->end;
    return tj_str_eq_fold(tj_str_c(tj_status_name(span->status)), status);
}

static bool fits(const struct tj_trace *trace, size_t i, const struct filter *f)
{
    const struct tj_span *span = &trace->spans[i];
    if (f->parent >= 0 && trace->tree.parent[i] != f->parent)
        return false;
    if (trace->tree.depth[i] > f->max_depth)
        return false;
    if (f->status.len && !status_fits(span, f->status))
        return false;
    if (f->min_duration_ns > 0 &&
        (!tj_span_timed(span) ||
         (double)tj_span_duration_ns(span) < f->min_duration_ns))
        return false;
    if (f->kind.len && !tj_str_eq_fold(tj_span_kind_text(span), f->kind))
        return false;
    return !f->name.len || tj_contains_fold(span->name, f->name);
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->span < y->span ? -1 : x->span > y->span;
}

static uint64_t key_of(const struct tj_span *span, enum sort sort)
{
    switch (sort) {
    case SORT_TREE: return 0;
    /* Longest first. */
    case SORT_DURATION:
        return tj_span_timed(span) ? UINT64_MAX - tj_span_duration_ns(span)
                                   : UINT64_MAX;
    case SORT_START: return span->start;
    }
    return 0;
}

static enum sort read_sort(tj_str word)
{
    for (size_t i = 0; sort_words[i]; i++)
        if (tj_str_eq_fold(tj_str_c(sort_words[i]), word))
            return (enum sort)i;
    return SORT_TREE;
}

static void select_rows(struct tj_tool_env *env, const struct filter *f,
                        enum sort sort, rows *out)
{
    for (size_t i = 0; i < env->trace->span_count; i++) {
        if (!fits(env->trace, i, f))
            continue;
        struct row *r = tj_vec_add(out, env->step);
        *r = (struct row){key_of(&env->trace->spans[i], sort), i};
    }
    if (sort != SORT_TREE && out->count)
        qsort(out->items, out->count, sizeof *out->items, by_key);
}

static void put_head(struct tj_buf *out, const struct tj_trace *trace, size_t i,
                     bool with_parent)
{
    const struct tj_span *span = &trace->spans[i];
    int32_t depth = trace->tree.depth[i];
    tj_put_id(out, span->span_id);
    tj_buf_repeat(out, ' ',
                  with_parent
                      ? 1
                      : 1 + 2 * tj_size_min((size_t)depth, TJ_TOOL_INDENT_MAX));
    tj_put_line(out, span->name, TJ_TOOL_NAME_BYTES);
    tj_buf_add(out, TJ_STR(" ["));
    tj_put_line(out, tj_span_kind_text(span), TJ_TOOL_NAME_BYTES);
    tj_buf_byte(out, ']');
    if (span->start && !(span->marks & TJ_MARK_TIME_GUESSED)) {
        tj_buf_add(out, TJ_STR(" +"));
        tj_put_duration(out, span->start - trace->start);
    }
    tj_buf_byte(out, ' ');
    tj_put_span_duration(out, span);
    tj_buf_byte(out, ' ');
    tj_buf_add(out, tj_str_c(tj_status_name(span->status)));
    int32_t parent = trace->tree.parent[i];
    if (with_parent && parent >= 0) {
        tj_buf_add(out, TJ_STR(" parent="));
        tj_put_id(out, trace->spans[parent].span_id);
        tj_buf_fmt(out, " depth=%" PRId32, depth);
    }
}

static uint64_t field_size(const struct tj_span *span, tj_str name)
{
    int32_t field = tj_span_find_field(span, name);
    return field < 0 ? 0 : tj_span_text_field(span, (size_t)field)->text.len;
}

static bool put_preview(struct tj_tool_env *env, size_t i, tj_str name,
                        struct tj_buf *out, struct tj_err *err)
{
    const struct tj_span *span = &env->trace->spans[i];
    int32_t field = tj_span_find_field(span, name);
    uint64_t size = field_size(span, name);
    if (!size)
        return true;
    size_t owner = tj_field_owner(span, (size_t)field);
    tj_str text;
    if (!tj_store_read_field(env->trace, i, owner, 0, PREVIEW_BYTES, &text,
                             err))
        return false;
    text = tj_utf8_clip(text, PREVIEW_BYTES);
    /* A range may end inside a character. */
    text.len = tj_utf8_valid(text);
    tj_buf_add(out, TJ_STR("    "));
    tj_buf_add(out, name);
    tj_buf_add(out, TJ_STR(": "));
    tj_put_line(out, text, PREVIEW_BYTES);
    tj_buf_add(out, text.len < size ? TJ_STR("…\n") : TJ_STR("\n"));
    if (!out->full)
        tj_tool_saw(env, i, owner, 0, text.len);
    return true;
}

static bool put_row(struct tj_tool_env *env, size_t i, bool with_parent,
                    bool previews, struct tj_buf *out, struct tj_err *err)
{
    const struct tj_span *span = &env->trace->spans[i];
    if (!tj_store_load_fields(env->trace, i, err))
        return false;
    put_head(out, env->trace, i, with_parent);
    tj_buf_fmt(out, " in=%" PRIu64 " out=%" PRIu64,
               field_size(span, TJ_STR("input")),
               field_size(span, TJ_STR("output")));
    if (span->usage.input_tokens >= 0 || span->usage.output_tokens >= 0)
        tj_buf_fmt(out, " tokens=%" PRId64 "/%" PRId64,
                   span->usage.input_tokens, span->usage.output_tokens);
    if (span->marks) {
        tj_buf_byte(out, ' ');
        tj_put_marks(out, span->marks);
    }
    tj_buf_byte(out, '\n');
    return !previews || (put_preview(env, i, TJ_STR("input"), out, err) &&
                         put_preview(env, i, TJ_STR("output"), out, err) &&
                         put_preview(env, i, TJ_STR("error"), out, err));
}

static bool read_filter(struct tj_tool_env *env, const struct tj_json *args,
                        struct filter *f, struct tj_buf *out, bool *refused)
{
    *f = (struct filter){
        .kind = tj_arg_str(args, "kind"),
        .name = tj_arg_str(args, "name"),
        .status = tj_arg_str(args, "status"),
        .min_duration_ns = tj_arg_double(args, "min_duration_ms", 0) * 1e6,
        .parent = -1,
        .max_depth = tj_arg_i64(args, "max_depth", INT64_MAX),
    };
    tj_str parent = tj_arg_str(args, "parent_id");
    if (!parent.len)
        return true;
    f->parent = tj_tool_span(env, parent, out, refused);
    return f->parent >= 0;
}

static bool is_filtered(const struct filter *f)
{
    return f->kind.len || f->name.len || f->status.len ||
           f->min_duration_ns > 0 || f->parent >= 0;
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    uint64_t offset;
    struct filter f;
    if (!tj_arg_page(args, out, refused, &offset) ||
        !read_filter(env, args, &f, out, refused))
        return true;
    enum sort sort = read_sort(tj_arg_str(args, "sort"));
    rows found = {0};
    select_rows(env, &f, sort, &found);

    bool with_parent = is_filtered(&f) || sort != SORT_TREE;
    bool previews = tj_arg_bool(args, "previews", false);
    size_t rows_max = (size_t)tj_arg_i64(args, "max_results", 100);
    struct tj_buf body;
    tj_tool_body(env, &body);
    size_t shown = 0;
    for (size_t i = offset; i < found.count && shown < rows_max; i++, shown++) {
        size_t mark = body.len;
        size_t span = found.items[i].span;
        if (!put_row(env, span, with_parent, previews, &body, err))
            return false;
        if (!tj_tool_row_fits(&body, mark))
            break;
        tj_tool_listed(env, span);
    }
    tj_buf_add(out, TJ_STR("spans "));
    tj_put_page(out, offset, shown, found.count);
    if (found.count < env->trace->span_count)
        tj_buf_fmt(out, "; the trace has %zu", env->trace->span_count);
    tj_buf_byte(out, '\n');
    tj_buf_add(out, tj_buf_str(&body));
    return true;
}

static const struct tj_param params[] = {
    {"max_results", TJ_PARAM_INT, false, "Spans a page. Default 100.", 1,
     100000, NULL},
    {"page_token", TJ_PARAM_STRING, false,
     "next_page_token of the page before.", 0, 0, NULL},
    {"kind", TJ_PARAM_STRING, false,
     "Only spans of this kind, e.g. LLM, TOOL, AGENT, RETRIEVER.", 0, 0, NULL},
    {"name", TJ_PARAM_STRING, false,
     "Only spans whose name contains this (case is ignored).", 0, 0, NULL},
    {"status", TJ_PARAM_STRING, false, "Only spans with this status.", 0, 0,
     status_words},
    {"min_duration_ms", TJ_PARAM_NUMBER, false,
     "Only spans that took at least this long.", 0, 0, NULL},
    {"parent_id", TJ_PARAM_STRING, false,
     "Only the direct children of this span.", 0, 0, NULL},
    {"max_depth", TJ_PARAM_INT, false,
     "Only spans at most this deep; roots are 0.", 0, 1000000, NULL},
    {"sort", TJ_PARAM_STRING, false,
     "tree (default), duration (longest first) or start.", 0, 0, sort_words},
    {"previews", TJ_PARAM_BOOL, false,
     "Also the beginning of input, output and error. Default false.", 0, 0,
     NULL},
    {0},
};

const struct tj_tool tj_tool_list_spans = {
    .name = "list_spans",
    .help = "Lists the spans of the trace as an indented tree, one line each: "
            "span_id, name [kind], start (after the trace's start), duration, "
            "status, bytes of input and output, tokens in/out, and marks for "
            "what is odd. Filters and sorting narrow a large trace.",
    .params = params,
    .run = run,
};
