/* problems_error.c - what failed: error chains, errors in results, odd spans.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An error travels up: a failing tool fails its agent, which fails the root.
 * The deepest span of such a chain is the cause; the ones above it are told,
 * not counted.  A chain that stops below the root was handled there.
 */
#include "text/json.h"
#include "text/plain.h"
#include "tools/problems_int.h"
#include "tools/tool_int.h"

enum {
    MESSAGE_BYTES = 160,
    /* Results are parsed up to this size to look for an error member. */
    RESULT_BYTES_MAX = 1 << 20,
    RESULT_DEPTH_MAX = 3,
    RESULT_ITEMS_MAX = 200,
};

/* The line of an error that says what it is: of a Python traceback the last,
 * else the first. */
static tj_str telling_line(tj_str text)
{
    text = tj_str_trim(text);
    if (!tj_str_starts(text, TJ_STR("Traceback")))
        return tj_str_trim(tj_str_cut(&text, '\n'));
    tj_str last = {0};
    while (text.ptr) {
        tj_str line = tj_str_trim(tj_str_cut(&text, '\n'));
        last = line.len ? line : last;
    }
    return last;
}

struct message {
    tj_str field;
    tj_str text;
};

static bool read_message(struct finder *f, size_t span, struct message *out,
                         struct tj_err *err)
{
    static const tj_str fields[] = {TJ_STR_INIT("error"),
                                    TJ_STR_INIT("status")};
    *out = (struct message){TJ_STR("name"), f->trace->spans[span].name};
    for (size_t i = 0; i < TJ_COUNT(fields); i++) {
        tj_str text;
        if (!tj_span_text(f->trace, span, fields[i], &text, err))
            return false;
        tj_str line = telling_line(text);
        if (!line.len)
            continue;
        *out = (struct message){fields[i], line};
        return true;
    }
    return true;
}

static size_t errors_below(const size_t *before, const struct finder *f,
                           size_t i)
{
    return before[f->subtree_end[i]] - before[i + 1];
}

/* before[i]: how many of the spans [0, i) are errors. */
static size_t *count_errors(const struct finder *f)
{
    size_t *before = tj_arena_array(f->arena, size_t, f->trace->span_count + 1);
    for (size_t i = 0; i < f->trace->span_count; i++)
        before[i + 1] =
            before[i] + (f->trace->spans[i].status == TJ_STATUS_ERROR);
    return before;
}

/* The topmost span of the chain of errors that ends in `span`. */
static size_t chain_top(const struct finder *f, size_t span, size_t *length)
{
    int32_t parent = f->trace->tree.parent[span];
    *length = 0;
    while (parent >= 0 && f->trace->spans[parent].status == TJ_STATUS_ERROR) {
        span = (size_t)parent;
        parent = f->trace->tree.parent[span];
        ++*length;
    }
    return span;
}

static void put_consequence(struct finder *f, struct tj_buf *b, size_t top,
                            size_t length)
{
    int32_t parent = f->trace->tree.parent[top];
    if (length) {
        tj_buf_fmt(b, "; it failed %zu span%s above it, up to '", length,
                   length == 1 ? "" : "s");
        tj_put_line(b, f->trace->spans[top].name, TJ_TOOL_NAME_BYTES);
        tj_buf_byte(b, '\'');
    }
    if (parent < 0) {
        tj_buf_add(b, length ? TJ_STR(" (the root)") : TJ_STR(" (a root)"));
        return;
    }
    tj_buf_add(b, TJ_STR("; '"));
    tj_put_line(b, f->trace->spans[parent].name, TJ_TOOL_NAME_BYTES);
    tj_buf_add(b, TJ_STR("' above did not fail"));
}

static bool add_error(struct finder *f, const struct group *g,
                      struct tj_err *err)
{
    size_t first = g->spans.items[0];
    size_t length;
    size_t top = chain_top(f, first, &length);
    struct message m;
    if (!read_message(f, first, &m, err))
        return false;
    bool reached_root = f->trace->tree.parent[top] < 0;
    struct tj_problem *p = tj_problem_add(
        f, TJ_PROBLEM_ERROR,
        reached_root ? TJ_SEVERITY_HIGH : TJ_SEVERITY_MEDIUM, g->spans.count);
    tj_problem_add_spans(f, p, g);
    for (size_t at = first; at != top;) {
        at = (size_t)f->trace->tree.parent[at];
        tj_problem_add_span(f, p, at);
    }
    tj_problem_prove(f, p, first, m.field, m.text);
    struct tj_buf b;
    tj_buf_init(&b, f->arena, 2048);
    tj_buf_add(&b, tj_problem_subject(f, g));
    tj_buf_add(&b, TJ_STR(" failed"));
    if (g->spans.count > 1)
        tj_buf_fmt(&b, " %zu times", g->spans.count);
    if (!tj_str_eq(m.field, TJ_STR("name"))) {
        tj_buf_add(&b, TJ_STR(": "));
        tj_put_line(&b, m.text, MESSAGE_BYTES);
    }
    put_consequence(f, &b, top, length);
    p->title = tj_buf_str(&b);
    return true;
}

bool tj_find_errors(struct finder *f, struct tj_err *err)
{
    size_t *before = count_errors(f);
    struct groups groups;
    tj_groups_init(&groups, f->arena);
    for (size_t i = 0; i < f->trace->span_count; i++) {
        if (f->trace->spans[i].status != TJ_STATUS_ERROR ||
            errors_below(before, f, i))
            continue;
        struct message m;
        size_t length;
        if (!read_message(f, i, &m, err))
            return false;
        bool handled = f->trace->tree.parent[chain_top(f, i, &length)] >= 0;
        tj_str line = tj_str_slice(m.text, 0, MESSAGE_BYTES);
        tj_str key = tj_str_printf(f->arena, "%d %.*s %.*s", handled,
                                   TJ_STR_ARG(tj_problem_stem_key(f, i)),
                                   TJ_STR_ARG(line));
        (void)tj_groups_add(&groups, key, i);
    }
    tj_vec_each (&groups.list, struct group, g) {
        if (!add_error(f, g, err))
            return false;
    }
    return true;
}

/* -- results that say error ------------------------------------------------ */

/* What a member is called, and what the value must be to mean an error. */
static bool member_says_error(tj_str key, const struct tj_json *v)
{
    enum tj_json_type type = tj_json_type(v);
    if (tj_str_eq(key, TJ_STR("is_error")) || tj_str_eq(key, TJ_STR("isError")))
        return type == TJ_JSON_TRUE;
    if (tj_str_eq(key, TJ_STR("success")) || tj_str_eq(key, TJ_STR("ok")))
        return type == TJ_JSON_FALSE;
    if (tj_str_eq(key, TJ_STR("status")))
        return tj_str_eq_fold(tj_json_str(v), TJ_STR("error")) ||
               tj_str_eq_fold(tj_json_str(v), TJ_STR("failed"));
    if (!tj_str_eq_fold(key, TJ_STR("error")) &&
        !tj_str_eq(key, TJ_STR("errors")))
        return false;
    if (type == TJ_JSON_STRING)
        return tj_str_trim(tj_json_str(v)).len > 0;
    return type == TJ_JSON_TRUE || tj_json_count(v) > 0;
}

/* The key of the first member that says error; empty: there is none.  depth
 * counts down to 0. */
static tj_str error_key(const struct tj_json *v, size_t depth)
{
    if (!depth)
        return (tj_str){0};
    size_t left = RESULT_ITEMS_MAX;
    struct tj_json_members m = tj_json_members(v);
    while (left-- && tj_json_member(&m)) {
        if (member_says_error(m.key, m.value))
            return m.key;
        tj_str inner = error_key(m.value, depth - 1);
        if (inner.len)
            return inner;
    }
    left = RESULT_ITEMS_MAX;
    tj_json_each (v, it) {
        tj_str inner = left-- ? error_key(it, depth - 1) : (tj_str){0};
        if (inner.len || !left)
            return inner;
    }
    return (tj_str){0};
}

/* A string result is an error when it begins as runtimes begin theirs. */
static tj_str error_head(tj_str text)
{
    static const tj_str heads[] = {
        TJ_STR_INIT("Error:"),
        TJ_STR_INIT("ERROR:"),
        TJ_STR_INIT("Error executing"),
        TJ_STR_INIT("Traceback (most recent call last)"),
        TJ_STR_INIT("Exception:"),
    };
    for (size_t i = 0; i < TJ_COUNT(heads); i++) {
        if (!tj_str_starts(text, heads[i]))
            continue;
        return tj_str_cut(&text, '\n');
    }
    return (tj_str){0};
}

/* The part of a result that says error; empty: none. */
static tj_str error_quote(const struct tj_field *field, tj_str text)
{
    if (field->type == TJ_FIELD_STRING)
        return error_head(text);
    if (field->type != TJ_FIELD_JSON || text.len > RESULT_BYTES_MAX)
        return (tj_str){0};
    struct tj_arena scratch = {0};
    struct tj_json_doc doc;
    struct tj_err ignored;
    tj_str quote = {0};
    if (tj_plain_parse(text, &scratch, &doc, &ignored)) {
        tj_str key = error_key(doc.root, RESULT_DEPTH_MAX);
        tj_str needle = tj_str_printf(&scratch, "\"%.*s\": ", TJ_STR_ARG(key));
        size_t at = key.len ? tj_str_find(text, needle) : (size_t)-1;
        if (at != (size_t)-1)
            quote = tj_str_slice(text, at, TJ_PROOF_QUOTE_BYTES);
    }
    tj_arena_release(&scratch);
    return quote;
}

static bool may_say_error(tj_str text)
{
    static const tj_str words[] = {
        TJ_STR_INIT("rror"),      TJ_STR_INIT("RROR"),
        TJ_STR_INIT("Traceback"), TJ_STR_INIT("Exception"),
        TJ_STR_INIT("success"),   TJ_STR_INIT("\"ok\""),
        TJ_STR_INIT("failed")};
    for (size_t i = 0; i < TJ_COUNT(words); i++)
        if (tj_str_find(text, words[i]) != (size_t)-1)
            return true;
    return false;
}

static bool is_result_kind(enum tj_kind kind)
{
    return kind == TJ_KIND_TOOL || kind == TJ_KIND_RETRIEVER ||
           kind == TJ_KIND_RERANKER || kind == TJ_KIND_GUARDRAIL;
}

static bool read_quote(struct finder *f, size_t i, tj_str *quote,
                       struct tj_err *err)
{
    const struct tj_span *span = &f->trace->spans[i];
    *quote = (tj_str){0};
    if (!tj_store_load_fields(f->trace, i, err))
        return false;
    int32_t field = tj_span_find_field(span, TJ_STR("output"));
    tj_str text;
    if (field < 0)
        return true;
    if (!tj_field_text(f->trace, i, (size_t)field, &text, err))
        return false;
    if (may_say_error(text))
        *quote = error_quote(tj_span_text_field(span, (size_t)field), text);
    return true;
}

bool tj_find_error_results(struct finder *f, struct tj_err *err)
{
    struct groups groups;
    TJ_VEC(tj_str) quotes = {0};
    tj_groups_init(&groups, f->arena);
    for (size_t i = 0; i < f->trace->span_count; i++) {
        const struct tj_span *span = &f->trace->spans[i];
        tj_str quote;
        if (span->status == TJ_STATUS_ERROR || !is_result_kind(span->kind))
            continue;
        if (!read_quote(f, i, &quote, err))
            return false;
        if (!quote.len)
            continue;
        tj_str key = tj_problem_stem_key(f, i);
        if (tj_groups_add(&groups, key, i)->spans.count == 1)
            *tj_vec_add(&quotes, f->arena) = quote;
    }
    for (size_t k = 0; k < groups.list.count; k++) {
        const struct group *g = &groups.list.items[k];
        struct tj_problem *p = tj_problem_add(
            f, TJ_PROBLEM_ERROR_IN_RESULT, TJ_SEVERITY_MEDIUM, g->spans.count);
        tj_problem_add_spans(f, p, g);
        assert(quotes.items); /* one for each group */
        tj_problem_prove(f, p, g->spans.items[0], TJ_STR("output"),
                         quotes.items[k]);
        p->title = tj_str_printf(
            f->arena,
            "%zu result%s of %.*s %s an error although the status is not ERROR",
            g->spans.count, g->spans.count == 1 ? "" : "s",
            TJ_STR_ARG(tj_problem_subject(f, g)),
            g->spans.count == 1 ? "holds" : "hold");
    }
    return true;
}

/* -- spans that are odd ---------------------------------------------------- */

static void add_marked(struct finder *f, uint32_t mark,
                       enum tj_problem_code code, const char *what)
{
    struct group g = {0};
    bool root = false;
    for (size_t i = 0; i < f->trace->span_count; i++) {
        const struct tj_span *span = &f->trace->spans[i];
        if (!(span->marks & mark) || (span->marks & TJ_MARK_TIME_GUESSED))
            continue;
        *tj_vec_add(&g.spans, f->arena) = i;
        root = root || f->trace->tree.parent[i] < 0;
    }
    if (!g.spans.count)
        return;
    bool unfinished = mark == TJ_MARK_UNFINISHED;
    struct tj_problem *p = tj_problem_add(
        f, code, unfinished && root ? TJ_SEVERITY_MEDIUM : TJ_SEVERITY_LOW,
        g.spans.count);
    tj_problem_add_spans(f, p, &g);
    tj_problem_prove_names(f, p, &g);
    p->title = tj_str_printf(f->arena, "%zu of %zu spans %s", g.spans.count,
                             f->trace->span_count, what);
}

void tj_find_broken(struct finder *f)
{
    add_marked(f, TJ_MARK_UNFINISHED, TJ_PROBLEM_UNFINISHED_SPAN,
               "have no end time");
    add_marked(f, TJ_MARK_ORPHAN, TJ_PROBLEM_BROKEN_TREE,
               "name a parent that is not in the trace");
    add_marked(f, TJ_MARK_CYCLE, TJ_PROBLEM_BROKEN_TREE,
               "are their own ancestors");
}
