/* span_view.c - one span with its contents, a page of them at a time.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     span 00000000000000a2 "fetch" [TOOL] ERROR: connection reset
 *     parent 00000000000000a1, depth 1, 0 children
 *     start 2026-05-02T08:00:00.001Z (+1ms), duration 2.50s
 *     contents: bytes 0-4096 of 90000 (3 fields), next_page_token: 4096
 *     --- input (json, 88 bytes, is attributes.mlflow.spanInputs)
 *     {"url": "..."}
 *     --- output (string, 89900 bytes, shown to 4008)
 *     ...
 */
#include "tools/span_view.h"

#include <inttypes.h>

#include "text/utf8.h"
#include "tools/tool_int.h"

enum {
    CONTENT_BYTES_MIN = 200,
    CONTENTS_LIST_BYTES = 800,
    MISSING_LIST_BYTES = 300,
    STATUS_BYTES = 300,
};

struct part {
    size_t field;
    uint64_t size;
};
typedef TJ_VEC(struct part) parts;

/* What is asked for, in the order in which it is shown. */
struct selection {
    parts parts;
    uint64_t total;
    struct tj_buf empty;   /* names of fields without text */
    struct tj_buf missing; /* names that are no field */
};

/* The head shows the name whole, and a status unless it is long. */
static bool is_head_field(const struct tj_field *f)
{
    return tj_str_eq(f->name, TJ_STR("name")) ||
           (tj_str_eq(f->name, TJ_STR("status")) &&
            f->text.len <= STATUS_BYTES);
}

static void add_name(struct tj_buf *list, tj_str name)
{
    size_t mark = list->len;
    if (list->len)
        tj_buf_add(list, TJ_STR(", "));
    tj_put_line(list, name, TJ_TOOL_NAME_BYTES);
    (void)tj_tool_row_fits(list, mark);
}

static void add_part(struct tj_tool_env *env, const struct tj_span *span,
                     size_t field, struct selection *sel)
{
    size_t owner = tj_field_owner(span, field);
    uint64_t size = span->fields[owner].text.len;
    tj_vec_each (&sel->parts, struct part, it) {
        if (tj_field_owner(span, it->field) == owner)
            return;
    }
    if (!size) {
        add_name(&sel->empty, span->fields[field].name);
        return;
    }
    struct part *p = tj_vec_add(&sel->parts, env->step);
    *p = (struct part){field, size};
    sel->total += size;
}

static void select_all(struct tj_tool_env *env, const struct tj_span *span,
                       struct selection *sel)
{
    static const tj_str first[] = {TJ_STR_INIT("input"), TJ_STR_INIT("output"),
                                   TJ_STR_INIT("error")};
    for (size_t i = 0; i < TJ_COUNT(first); i++) {
        int32_t field = tj_span_find_field(span, first[i]);
        if (field >= 0)
            add_part(env, span, (size_t)field, sel);
    }
    bool *taken = tj_arena_array(env->step, bool, span->field_count);
    tj_vec_each (&sel->parts, struct part, it)
        taken[tj_field_owner(span, it->field)] = true;
    for (size_t i = 0; i < span->field_count; i++) {
        const struct tj_field *f = &span->fields[i];
        if (f->same_as >= 0 || taken[i] || is_head_field(f))
            continue;
        if (!f->text.len) {
            add_name(&sel->empty, f->name);
            continue;
        }
        struct part *p = tj_vec_add(&sel->parts, env->step);
        *p = (struct part){i, f->text.len};
        sel->total += f->text.len;
    }
}

/* "input", "attributes.k", or as MLflow has it the bare key. */
static int32_t find_loose(const struct tj_span *span, tj_str name,
                          struct tj_arena *a)
{
    if (tj_str_eq(name, TJ_STR("inputs")))
        name = TJ_STR("input");
    if (tj_str_eq(name, TJ_STR("outputs")))
        name = TJ_STR("output");
    tj_str key = tj_str_printf(a, "attributes.%.*s", TJ_STR_ARG(name));
    int32_t field = tj_span_find_field(span, key);
    return field >= 0 ? field : tj_span_find_field(span, name);
}

static void select_some(struct tj_tool_env *env, const struct tj_span *span,
                        const tj_str *names, size_t count,
                        struct selection *sel)
{
    for (size_t i = 0; i < count; i++) {
        int32_t field = find_loose(span, names[i], env->step);
        if (field < 0)
            add_name(&sel->missing, names[i]);
        else
            add_part(env, span, (size_t)field, sel);
    }
}

static void put_who(struct tj_buf *out, const struct tj_span *span)
{
    const struct {
        const char *label;
        tj_str value;
    } rows[] = {
        {"model", span->model},     {"provider", span->provider},
        {"tool", span->tool_name},  {"call", span->tool_call_id},
        {"agent", span->agent},     {"session", span->session},
        {"user", span->user},       {"environment", span->environment},
        {"release", span->release},
    };
    bool any = false;
    for (size_t i = 0; i < TJ_COUNT(rows); i++) {
        if (!rows[i].value.len)
            continue;
        tj_buf_fmt(out, "%s%s ", any ? ", " : "", rows[i].label);
        tj_put_line(out, rows[i].value, TJ_TOOL_NAME_BYTES);
        any = true;
    }
    if (any)
        tj_buf_byte(out, '\n');
}

static void put_usage(struct tj_buf *out, const struct tj_span *span)
{
    bool tokens =
        span->usage.input_tokens >= 0 || span->usage.output_tokens >= 0;
    if (tokens) {
        tj_buf_add(out, TJ_STR("tokens "));
        tj_put_usage(out, &span->usage);
    }
    if (span->usage.cost_usd >= 0) {
        tj_buf_add(out, tokens ? TJ_STR(", cost ") : TJ_STR("cost "));
        tj_put_cost(out, span->usage.cost_usd);
    }
    if (tokens || span->usage.cost_usd >= 0)
        tj_buf_byte(out, '\n');
}

static void put_place(struct tj_buf *out, const struct tj_trace *trace,
                      size_t i)
{
    int32_t parent = trace->tree.parent[i];
    if (parent < 0) {
        tj_buf_add(out, TJ_STR("root"));
    } else {
        tj_buf_add(out, TJ_STR("parent "));
        tj_put_id(out, trace->spans[parent].span_id);
    }
    tj_buf_fmt(out, ", depth %" PRId32 ", %" PRId32 " %s\n",
               trace->tree.depth[i], trace->tree.child_count[i],
               trace->tree.child_count[i] == 1 ? "child" : "children");
}

static void put_times(struct tj_buf *out, const struct tj_trace *trace,
                      const struct tj_span *span)
{
    if (span->start && !(span->marks & TJ_MARK_TIME_GUESSED)) {
        tj_buf_add(out, TJ_STR("start "));
        tj_buf_add(out, tj_time_text(out->arena, span->start));
        tj_buf_add(out, TJ_STR(" (+"));
        tj_put_duration(out, span->start - trace->start);
        tj_buf_add(out, TJ_STR("), "));
    }
    tj_buf_add(out, TJ_STR("duration "));
    tj_put_span_duration(out, span);
    tj_buf_byte(out, '\n');
}

static void put_head(struct tj_buf *out, const struct tj_trace *trace, size_t i)
{
    const struct tj_span *span = &trace->spans[i];
    tj_buf_add(out, TJ_STR("span "));
    tj_put_id(out, span->span_id);
    tj_buf_byte(out, ' ');
    tj_put_quoted(out, span->name);
    tj_buf_add(out, TJ_STR(" ["));
    tj_put_line(out, tj_span_kind_text(span), TJ_TOOL_NAME_BYTES);
    tj_buf_fmt(out, "] %s", tj_status_name(span->status));
    if (span->status_message.len) {
        tj_buf_add(out, TJ_STR(": "));
        tj_put_line(out, span->status_message, STATUS_BYTES);
    }
    tj_buf_byte(out, '\n');
    put_place(out, trace, i);
    put_times(out, trace, span);
    put_who(out, span);
    put_usage(out, span);
    for (uint32_t bit = 0; bit < TJ_MARK_COUNT; bit++)
        if (span->marks & (UINT32_C(1) << bit))
            tj_buf_fmt(out, "mark %s: %s\n", tj_mark_name((enum tj_mark)bit),
                       tj_mark_text((enum tj_mark)bit));
}

static const char *type_name(uint8_t type)
{
    switch ((enum tj_field_type)type) {
    case TJ_FIELD_STRING: return "string";
    case TJ_FIELD_JSON: return "json";
    case TJ_FIELD_NUMBER: return "number";
    case TJ_FIELD_BOOL: return "bool";
    case TJ_FIELD_NULL: return "null";
    case TJ_FIELD_BYTES: return "base64";
    }
    return "";
}

static void put_field_head(struct tj_buf *out, const struct tj_span *span,
                           const struct part *p, uint64_t from)
{
    const struct tj_field *f = &span->fields[p->field];
    tj_buf_add(out, TJ_STR("--- "));
    tj_put_line(out, f->name, TJ_NAME_BYTES_MAX);
    tj_buf_fmt(out, " (%s, %" PRIu64 " bytes",
               type_name(span->fields[tj_field_owner(span, p->field)].type),
               p->size);
    if (f->same_as >= 0) {
        tj_buf_add(out, TJ_STR(", is "));
        tj_put_line(out, tj_span_text_field(span, p->field)->name,
                    TJ_NAME_BYTES_MAX);
    }
    if (from)
        tj_buf_fmt(out, ", from byte %" PRIu64, from);
    tj_buf_add(out, TJ_STR(")\n"));
}

/* text of a range may begin and end inside a character; [*from, ...) is moved
 * to whole characters. */
static tj_str whole_characters(tj_str text, uint64_t *from)
{
    size_t skip = 0;
    while (skip < 3 && skip < text.len &&
           ((unsigned char)text.ptr[skip] & 0xc0) == 0x80)
        skip++;
    text = tj_str_slice(text, skip, text.len);
    *from += skip;
    text.len = tj_utf8_valid(text);
    return text;
}

struct page {
    struct tj_buf *body;
    uint64_t begin;  /* the token, moved to a character boundary */
    uint64_t end;    /* where the next page begins */
    uint64_t budget; /* bytes of contents */
    bool done;
};

/* Shows as much of one field as fits; from is the offset in its text. */
static bool put_field(struct tj_tool_env *env, size_t i, const struct part *p,
                      uint64_t from, struct page *page, struct tj_err *err)
{
    struct tj_buf *body = page->body;
    const struct tj_span *span = &env->trace->spans[i];
    size_t owner = tj_field_owner(span, p->field);
    size_t mark = body->len;
    put_field_head(body, span, p, from);
    size_t room = tj_buf_room(body);
    if (body->full || room < 16) {
        tj_buf_cut(body, mark);
        page->done = true;
        return true;
    }
    uint64_t want = p->size - from;
    want = want < page->budget ? want : page->budget;
    want = want < room - 1 ? want : room - 1;
    tj_str text;
    if (!tj_store_read_field(env->trace, i, owner, from, want, &text, err))
        return false;
    uint64_t begin = from;
    text = whole_characters(text, &begin);
    tj_buf_add(body, text);
    tj_buf_byte(body, '\n');
    tj_tool_saw(env, i, owner, begin, text.len);
    page->end += begin - from + text.len;
    page->budget -= text.len;
    page->done = begin + text.len < p->size;
    return true;
}

static bool put_fields(struct tj_tool_env *env, size_t i,
                       const struct selection *sel, struct page *page,
                       struct tj_err *err)
{
    uint64_t at = 0;
    tj_vec_each (&sel->parts, struct part, p) {
        uint64_t next = at + p->size;
        /* Fewer bytes left than a character may have: the next page. */
        if (page->done || page->budget < 4)
            return true;
        if (next > page->begin &&
            !put_field(env, i, p, page->end - at, page, err))
            return false;
        at = next;
    }
    return true;
}

static void put_contents_line(struct tj_buf *out, const struct selection *sel,
                              const struct page *page)
{
    tj_buf_add(out, TJ_STR("contents: "));
    if (page->begin || page->end < sel->total)
        tj_buf_fmt(out, "bytes %" PRIu64 "-%" PRIu64 " of ", page->begin,
                   page->end);
    tj_buf_fmt(out, "%" PRIu64 " bytes in %zu field%s", sel->total,
               sel->parts.count, sel->parts.count == 1 ? "" : "s");
    if (page->end < sel->total)
        tj_buf_fmt(out, ", next_page_token: %" PRIu64, page->end);
    else if (page->begin > sel->total)
        tj_buf_add(out, TJ_STR(" (the page_token is behind the end)"));
    tj_buf_byte(out, '\n');
}

/* What there is besides what this page shows, so that a reader need not page
 * through a prompt to find out that there is a small output. */
static void put_table(struct tj_buf *out, const struct tj_span *span,
                      const struct selection *sel)
{
    struct tj_buf list;
    tj_buf_init(&list, out->arena, CONTENTS_LIST_BYTES);
    tj_vec_each (&sel->parts, struct part, p) {
        size_t mark = list.len;
        tj_buf_add(&list, mark ? TJ_STR(", ") : TJ_STR(""));
        tj_put_line(&list, span->fields[p->field].name, TJ_TOOL_NAME_BYTES);
        tj_buf_fmt(&list, " %" PRIu64, p->size);
        if (!tj_tool_row_fits(&list, mark))
            break;
    }
    tj_buf_add(out, TJ_STR("fields: "));
    tj_buf_add(out, tj_buf_str(&list));
    tj_buf_add(out, list.full ? TJ_STR(", ...\n") : TJ_STR("\n"));
}

static void put_names(struct tj_buf *out, const char *label,
                      const struct tj_buf *names)
{
    if (!names->len)
        return;
    tj_buf_fmt(out, "%s: ", label);
    tj_buf_add(out, tj_buf_str(names));
    tj_buf_add(out, names->full ? TJ_STR(", ...\n") : TJ_STR("\n"));
}

static void select_fields(struct tj_tool_env *env, const struct tj_span *span,
                          const struct tj_json *args, struct selection *sel)
{
    *sel = (struct selection){0};
    tj_buf_init(&sel->empty, env->step, MISSING_LIST_BYTES);
    tj_buf_init(&sel->missing, env->step, MISSING_LIST_BYTES);
    tj_str *names;
    size_t count = tj_arg_strs(args, "attributes_to_fetch", env->step, &names);
    if (count)
        select_some(env, span, names, count, sel);
    else
        select_all(env, span, sel);
}

static void saw_head(struct tj_tool_env *env, size_t i)
{
    const struct tj_span *span = &env->trace->spans[i];
    tj_tool_listed(env, i);
    int32_t name = tj_span_find_field(span, TJ_STR("name"));
    if (name >= 0)
        tj_tool_saw(env, i, (size_t)name, 0, UINT64_MAX);
    int32_t status = tj_span_find_field(span, TJ_STR("status"));
    if (status >= 0)
        tj_tool_saw(env, i, (size_t)status, 0, STATUS_BYTES);
}

bool tj_span_view(struct tj_tool_env *env, size_t span,
                  const struct tj_json *args, struct tj_buf *out, bool *refused,
                  struct tj_err *err)
{
    struct page page = {0};
    if (!tj_arg_page(args, out, refused, &page.begin))
        return true;
    if (!tj_store_load_fields(env->trace, span, err))
        return false;
    const struct tj_span *s = &env->trace->spans[span];
    struct selection sel;
    select_fields(env, s, args, &sel);
    put_head(out, env->trace, span);
    put_names(out, "not in this span", &sel.missing);
    if (!page.begin)
        put_names(out, "empty", &sel.empty);
    if (sel.total > env->result_bytes_max / 2 || sel.missing.len)
        put_table(out, s, &sel);
    saw_head(env, span);

    struct tj_buf body;
    tj_buf_init(&body, env->step, tj_buf_room(out) - TJ_TOOL_HEAD_BYTES / 2);
    int64_t length = tj_arg_i64(args, "max_content_length", INT64_MAX);
    page.budget =
        length < CONTENT_BYTES_MIN ? CONTENT_BYTES_MIN : (uint64_t)length;
    page.body = &body;
    page.end = page.begin;
    if (!put_fields(env, span, &sel, &page, err))
        return false;
    put_contents_line(out, &sel, &page);
    tj_buf_add(out, tj_buf_str(&body));
    return true;
}
