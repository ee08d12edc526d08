/* show.c - a trace for a person at a terminal: as a tree, as a waterfall.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools/show.h"

#include <inttypes.h>

#include "text/utf8.h"
#include "tools/tool_int.h"

enum {
    COLUMNS_MIN = 40,
    /* Deeper spans are drawn at this depth with their real depth in front:
     * a chain of 100,000 must not draw 100,000 bars a line. */
    DEPTH_MAX = 32,
    PREVIEW_LINES = 3,
    PREVIEW_BYTES = 2000,
    BAR_NAME_COLUMNS_MIN = 16,
};

/* Every colour of this program, and none of the trace's. */
#define RED   "\x1b[31m"
#define GREEN "\x1b[32m"
#define DIM   "\x1b[2m"
#define BOLD  "\x1b[1m"
#define PLAIN "\x1b[0m"

struct show {
    struct tj_trace *trace;
    const struct tj_show_style *style;
    size_t columns;
    struct tj_buf *out;
};

static void put_color(struct show *s, const char *code)
{
    if (s->style->color)
        tj_buf_add(s->out, tj_str_c(code));
}

/* The longest beginning of safe text that fits the columns. */
static tj_str fit(tj_str text, size_t columns)
{
    if (tj_utf8_columns(text) <= columns)
        return text;
    size_t low = 0;
    size_t high = text.len;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (tj_utf8_columns(tj_utf8_clip(text, middle)) <= columns)
            low = middle;
        else
            high = middle - 1;
    }
    return tj_utf8_clip(text, low);
}

/* One line of untrusted text in at most `columns`; returns what it took. */
static size_t put_text(struct show *s, tj_str text, size_t columns)
{
    if (columns == 0)
        return 0;
    struct tj_buf safe;
    tj_buf_init(&safe, s->out->arena, (size_t)8 * PREVIEW_BYTES);
    tj_utf8_put_safe(&safe, tj_utf8_clip(text, PREVIEW_BYTES), TJ_BREAKS_FOLD);
    tj_str line = tj_buf_str(&safe);
    tj_str shown = fit(line, columns);
    bool cut = shown.len < line.len || text.len > PREVIEW_BYTES;
    if (cut)
        shown = fit(line, columns - 1);
    tj_buf_add(s->out, shown);
    if (cut)
        tj_buf_add(s->out, TJ_STR("…"));
    return tj_utf8_columns(shown) + cut;
}

static void put_status(struct show *s, const struct tj_span *span)
{
    switch (span->status) {
    case TJ_STATUS_OK:
        tj_buf_byte(s->out, ' ');
        put_color(s, GREEN);
        tj_buf_add(s->out, TJ_STR("✓ OK"));
        break;
    case TJ_STATUS_ERROR:
        tj_buf_byte(s->out, ' ');
        put_color(s, RED);
        tj_buf_add(s->out, TJ_STR("✗ ERROR"));
        break;
    case TJ_STATUS_UNSET: return;
    }
    put_color(s, PLAIN);
}

/* -- the tree ------------------------------------------------------------- */

/* "│  ├─ " for span i; lead is what the lines below it get in front. */
static void put_branches(struct show *s, size_t i, bool below)
{
    const struct tj_tree *tree = &s->trace->tree;
    int32_t path[DEPTH_MAX];
    size_t count = 0;
    for (int32_t at = (int32_t)i; at >= 0 && tree->parent[at] >= 0;
         at = tree->parent[at])
        if (tree->depth[at] <= DEPTH_MAX && count < DEPTH_MAX)
            path[count++] = at;
    put_color(s, DIM);
    for (size_t k = count; k-- > 0;) {
        bool last = tree->next_sibling[path[k]] < 0;
        if (k > 0 || below)
            tj_buf_add(s->out, last ? TJ_STR("   ") : TJ_STR("│  "));
        else
            tj_buf_add(s->out, last ? TJ_STR("└─ ") : TJ_STR("├─ "));
    }
    put_color(s, PLAIN);
}

static size_t indent_of(const struct show *s, size_t i)
{
    return 3 * tj_size_min((size_t)s->trace->tree.depth[i], DEPTH_MAX);
}

static void put_span_line(struct show *s, size_t i)
{
    const struct tj_span *span = &s->trace->spans[i];
    struct tj_buf *out = s->out;
    put_branches(s, i, false);
    if (s->trace->tree.depth[i] > DEPTH_MAX)
        tj_buf_fmt(out, "(depth %" PRId32 ") ", s->trace->tree.depth[i]);
    put_color(s, BOLD);
    size_t room = s->columns > indent_of(s, i) + 40
                      ? s->columns - indent_of(s, i) - 40
                      : BAR_NAME_COLUMNS_MIN;
    put_text(s, span->name, room);
    put_color(s, PLAIN);
    if (span->kind != TJ_KIND_UNKNOWN || span->kind_text.len) {
        tj_buf_add(out, TJ_STR(" ["));
        put_text(s, tj_span_kind_text(span), 24);
        tj_buf_byte(out, ']');
    }
    if (!(span->marks & TJ_MARK_TIME_GUESSED)) {
        tj_buf_byte(out, ' ');
        tj_put_span_duration(out, span);
    }
    put_status(s, span);
    if (span->usage.input_tokens >= 0 || span->usage.output_tokens >= 0) {
        tj_buf_add(out, TJ_STR("  tokens "));
        tj_put_usage(out, &span->usage);
    }
    put_color(s, DIM);
    tj_buf_add(out, TJ_STR("  "));
    tj_put_id(out, span->span_id);
    put_color(s, PLAIN);
    /* Whole formats have neither times nor ids of spans: nothing to warn of. */
    uint32_t odd =
        span->marks & ~(uint32_t)(TJ_MARK_TIME_GUESSED | TJ_MARK_ID_DERIVED);
    if (odd) {
        tj_buf_add(out, TJ_STR("  ! "));
        tj_put_marks(out, odd);
    }
    tj_buf_byte(out, '\n');
}

/* Up to PREVIEW_LINES lines "  label: text" under the span. */
static void put_block(struct show *s, size_t i, const char *label, tj_str text,
                      uint64_t size)
{
    size_t used = indent_of(s, i) + strlen(label) + 6;
    size_t room = s->columns > used + 20 ? s->columns - used : 20;
    tj_str rest = tj_str_trim(text);
    for (size_t line = 0; line < PREVIEW_LINES && rest.len; line++) {
        tj_str shown = tj_str_cut(&rest, '\n');
        put_branches(s, i, true);
        bool first = line == 0;
        tj_buf_add(s->out, TJ_STR("  "));
        put_color(s, DIM);
        if (first)
            tj_buf_fmt(s->out, "%s: ", label);
        else
            tj_buf_repeat(s->out, ' ', strlen(label) + 2);
        put_color(s, PLAIN);
        put_text(s, shown, room);
        if (line + 1 == PREVIEW_LINES && (rest.len || size > text.len))
            tj_buf_fmt(s->out, " (%" PRIu64 " bytes)", size);
        tj_buf_byte(s->out, '\n');
    }
}

static bool put_field(struct show *s, size_t i, const char *name,
                      struct tj_err *err)
{
    const struct tj_span *span = &s->trace->spans[i];
    int32_t field = tj_span_find_field(span, tj_str_c(name));
    if (field < 0)
        return true;
    size_t owner = tj_field_owner(span, (size_t)field);
    tj_str text;
    if (!tj_store_read_field(s->trace, i, owner, 0, PREVIEW_BYTES, &text, err))
        return false;
    text.len = tj_utf8_valid(text);
    put_block(s, i, name, text, span->fields[owner].text.len);
    return true;
}

static bool put_previews(struct show *s, size_t i, struct tj_err *err)
{
    const struct tj_span *span = &s->trace->spans[i];
    bool failed = span->status == TJ_STATUS_ERROR;
    if (!failed && !s->style->previews)
        return true;
    if (!tj_store_load_fields(s->trace, i, err))
        return false;
    if (s->style->previews &&
        !(put_field(s, i, "input", err) && put_field(s, i, "output", err)))
        return false;
    if (!failed)
        return true;
    if (tj_span_find_field(span, TJ_STR("error")) >= 0)
        return put_field(s, i, "error", err);
    put_block(s, i, "error", span->status_message, span->status_message.len);
    return true;
}

static void put_head(struct show *s)
{
    const struct tj_trace_info *info = &s->trace->info;
    struct tj_buf *out = s->out;
    put_color(s, BOLD);
    tj_buf_add(out, tj_trace_id_mlflow(out->arena, info->trace_id));
    put_color(s, PLAIN);
    if (info->name.len) {
        tj_buf_add(out, TJ_STR("  "));
        put_text(s, info->name, s->columns / 2);
    }
    tj_buf_fmt(out, "\n%s, %zu span%s", tj_trace_state_name(info->state),
               s->trace->span_count, s->trace->span_count == 1 ? "" : "s");
    if (info->duration_ns) {
        tj_buf_add(out, TJ_STR(", "));
        tj_put_duration(out, info->duration_ns);
    }
    tj_buf_add(out, TJ_STR(", "));
    tj_buf_add(out, s->trace->start ? tj_time_text(out->arena, s->trace->start)
                                    : TJ_STR("no times recorded"));
    if (info->usage.input_tokens >= 0 || info->usage.output_tokens >= 0) {
        tj_buf_add(out, TJ_STR(", tokens "));
        tj_put_usage(out, &info->usage);
    }
    if (info->usage.cost_usd >= 0) {
        tj_buf_add(out, TJ_STR(", "));
        tj_put_cost(out, info->usage.cost_usd);
    }
    tj_buf_add(out, TJ_STR("\n\n"));
}

static struct show begin(struct tj_trace *trace,
                         const struct tj_show_style *style, struct tj_buf *out)
{
    return (struct show){
        .trace = trace,
        .style = style,
        .columns = tj_size_max(style->columns, COLUMNS_MIN),
        .out = out,
    };
}

static void put_rest(struct show *s, size_t shown)
{
    if (shown < s->trace->span_count)
        tj_buf_fmt(s->out, "%zu of %zu spans shown\n", shown,
                   s->trace->span_count);
}

bool tj_show_tree(struct tj_trace *trace, const struct tj_show_style *style,
                  struct tj_buf *out, struct tj_err *err)
{
    struct show s = begin(trace, style, out);
    put_head(&s);
    size_t count = tj_size_min(trace->span_count, style->span_max);
    for (size_t i = 0; i < count; i++) {
        put_span_line(&s, i);
        if (!put_previews(&s, i, err))
            return false;
    }
    put_rest(&s, count);
    return true;
}

/* -- the waterfall -------------------------------------------------------- */

struct scale {
    tj_time start;
    uint64_t ns;
    size_t cells;
};

static size_t cell_of(const struct scale *scale, tj_time t)
{
    double part = (double)(t - scale->start) / (double)scale->ns;
    size_t cell = (size_t)(part * (double)scale->cells);
    return tj_size_min(cell, scale->cells);
}

static void put_bar(struct show *s, const struct tj_span *span,
                    const struct scale *scale)
{
    struct tj_buf *out = s->out;
    if (!span->start || !scale->ns || span->marks & TJ_MARK_TIME_GUESSED) {
        tj_buf_repeat(out, ' ', scale->cells);
        return;
    }
    bool open = !tj_span_timed(span);
    size_t from = tj_size_min(cell_of(scale, span->start), scale->cells - 1);
    size_t to = open ? scale->cells : cell_of(scale, span->end);
    to = tj_size_max(to, from + 1);
    tj_buf_repeat(out, ' ', from);
    put_color(s, span->status == TJ_STATUS_ERROR ? RED : GREEN);
    for (size_t i = from; i < to; i++)
        tj_buf_add(out, open ? TJ_STR("░") : TJ_STR("█"));
    put_color(s, PLAIN);
    tj_buf_repeat(out, ' ', scale->cells - to);
}

static void put_bar_line(struct show *s, size_t i, size_t name_columns,
                         const struct scale *scale)
{
    const struct tj_span *span = &s->trace->spans[i];
    struct tj_buf *out = s->out;
    size_t depth = (size_t)s->trace->tree.depth[i];
    size_t indent = tj_size_min(depth, name_columns / 3);
    tj_buf_repeat(out, ' ', indent);
    size_t used = indent + put_text(s, span->name, name_columns - indent);
    tj_buf_repeat(out, ' ', name_columns - used);
    tj_buf_add(out, TJ_STR(" │"));
    put_bar(s, span, scale);
    tj_buf_add(out, TJ_STR("│ "));
    tj_put_span_duration(out, span);
    if (span->status == TJ_STATUS_ERROR)
        tj_buf_add(out, TJ_STR(" ✗"));
    tj_buf_byte(out, '\n');
}

bool tj_show_waterfall(struct tj_trace *trace,
                       const struct tj_show_style *style, struct tj_buf *out,
                       struct tj_err *err)
{
    enum { AROUND = 3 + 14 }; /* the rules, and the duration behind */
    struct show s = begin(trace, style, out);
    (void)err;
    put_head(&s);
    if (!trace->start) {
        tj_buf_add(out,
                   TJ_STR("no bars without times; the tree shows the order\n"));
        return true;
    }
    size_t name_columns = tj_size_max(s.columns / 3, BAR_NAME_COLUMNS_MIN);
    struct scale scale = {
        .start = trace->start,
        .ns = trace->end > trace->start ? trace->end - trace->start : 0,
        .cells = s.columns > name_columns + AROUND + 4
                     ? s.columns - name_columns - AROUND
                     : 4,
    };
    size_t count = tj_size_min(trace->span_count, style->span_max);
    for (size_t i = 0; i < count; i++)
        put_bar_line(&s, i, name_columns, &scale);
    put_rest(&s, count);
    return true;
}
