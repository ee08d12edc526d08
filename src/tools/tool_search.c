/* tool_search.c - search_trace_regex: where a pattern occurs in the contents.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     matches 1-2 of 2 for "timeout" in 34 spans
 *     00000000000000a2 output @120 +7: ..."connection timeout after"...
 *
 * Each text is searched once, under the name a reader knows it by: input
 * rather than the attribute that input is.  All matches are counted, so a page
 * costs a whole search; that is linear in the size of the trace.
 */
#include <inttypes.h>

#include "text/regex.h"
#include "text/utf8.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

enum {
    CONTEXT_BYTES_MAX = 2000,
    MATCH_BYTES_MAX = 1000,
    MATCHES_MAX = 1000,
    /* Counting stops here: an empty pattern matches at every byte. */
    COUNT_MAX = 1000000,
    HEAD_PATTERN_BYTES = 200,
};

struct search {
    struct tj_tool_env *env;
    const struct tj_regex *regex;
    tj_str field; /* only this one; empty: all */
    size_t context_bytes;
    uint64_t offset; /* matches to skip */
    uint64_t rows_max;
    uint64_t shown;
    uint64_t total;
    struct tj_buf body;
};

/* At most bytes before `at`, from a character boundary. */
static size_t context_begin(tj_str text, size_t at, size_t bytes)
{
    size_t begin = at > bytes ? at - bytes : 0;
    while (begin < at && !tj_utf8_is_boundary(text, begin))
        begin++;
    return begin;
}

static size_t context_end(tj_str text, size_t at, size_t bytes)
{
    size_t end = text.len - at > bytes ? at + bytes : text.len;
    while (end > at && !tj_utf8_is_boundary(text, end))
        end--;
    return end;
}

static void put_match(struct search *s, size_t span, size_t field, tj_str text,
                      struct tj_match m)
{
    const struct tj_span *head = &s->env->trace->spans[span];
    struct tj_buf *out = &s->body;
    size_t mark = out->len;
    size_t begin = context_begin(text, m.offset, s->context_bytes);
    size_t len = tj_size_min(m.len, MATCH_BYTES_MAX);
    size_t end = context_end(text, m.offset + len, s->context_bytes);
    tj_put_id(out, head->span_id);
    tj_buf_byte(out, ' ');
    tj_put_line(out, head->fields[field].name, TJ_NAME_BYTES_MAX);
    tj_buf_fmt(out, " @%zu +%zu: ", m.offset, m.len);
    tj_buf_add(out, begin ? TJ_STR("...") : TJ_STR(""));
    tj_put_quoted(out, tj_str_slice(text, begin, end - begin));
    tj_buf_add(out, end < text.len ? TJ_STR("...\n") : TJ_STR("\n"));
    if (!tj_tool_row_fits(out, mark)) {
        s->rows_max = s->shown;
        return;
    }
    s->shown++;
    tj_tool_saw(s->env, span, field, begin, end - begin);
}

static void search_text(struct search *s, size_t span, size_t field,
                        tj_str text)
{
    struct tj_match m;
    size_t from = 0;
    while (s->total < COUNT_MAX && from <= text.len &&
           tj_regex_find(s->regex, text, from, &m)) {
        if (s->total >= s->offset && s->shown < s->rows_max)
            put_match(s, span, field, text, m);
        s->total++;
        from = m.offset + m.len;
        /* Behind an empty match go on with the next character. */
        if (!m.len)
            from++;
        while (!m.len && from < text.len && !tj_utf8_is_boundary(text, from))
            from++;
    }
}

static bool field_fits(const struct search *s, const struct tj_span *head,
                       size_t field)
{
    if (!s->field.len)
        return true;
    tj_str name = head->fields[field].name;
    if (tj_str_eq(name, s->field))
        return true;
    tj_str key = TJ_STR("attributes.");
    return tj_str_starts(name, key) &&
           tj_str_eq(tj_str_slice(name, key.len, name.len), s->field);
}

/* input, output and error; more than one may be the same attribute. */
enum { ALIASES_MAX = 8 };

struct aliases {
    size_t fields[ALIASES_MAX];
    size_t count;
};

static struct aliases find_aliases(const struct tj_span *head)
{
    struct aliases found = {.count = 0};
    for (size_t f = 0; f < head->field_count && found.count < ALIASES_MAX; f++)
        if (head->fields[f].same_as >= 0)
            found.fields[found.count++] = f;
    return found;
}

/* The name under which the text of `owner` is searched, or TJ_NO_FIELD when
 * it is not asked for. */
static int32_t searched_as(const struct search *s, const struct tj_span *head,
                           const struct aliases *aliases, size_t owner)
{
    for (size_t i = 0; i < aliases->count; i++) {
        size_t f = aliases->fields[i];
        if (tj_field_owner(head, f) == owner && field_fits(s, head, f))
            return (int32_t)f;
    }
    return field_fits(s, head, owner) ? (int32_t)owner : TJ_NO_FIELD;
}

static bool search_span(struct search *s, size_t span, struct tj_err *err)
{
    struct tj_trace *trace = s->env->trace;
    if (!tj_store_load_fields(trace, span, err))
        return false;
    const struct tj_span *head = &trace->spans[span];
    struct aliases aliases = find_aliases(head);
    for (size_t f = 0; f < head->field_count; f++) {
        if (head->fields[f].same_as >= 0)
            continue;
        int32_t name = searched_as(s, head, &aliases, f);
        if (name < 0)
            continue;
        tj_str text;
        if (!tj_store_read_field(trace, span, f, 0, UINT64_MAX, &text, err))
            return false;
        search_text(s, span, (size_t)name, text);
    }
    return true;
}

static bool search_all(struct search *s, int32_t only, struct tj_err *err)
{
    if (only >= 0)
        return search_span(s, (size_t)only, err);
    for (size_t i = 0; i < s->env->trace->span_count; i++)
        if (!search_span(s, i, err))
            return false;
    return true;
}

static void put_result(struct search *s, tj_str pattern, int32_t only,
                       struct tj_buf *out)
{
    tj_buf_add(out, TJ_STR("matches "));
    tj_put_page(out, s->offset, s->shown, s->total);
    if (s->total == COUNT_MAX)
        tj_buf_add(out, TJ_STR(" or more (counting stopped)"));
    tj_buf_add(out, TJ_STR(" for "));
    tj_put_line(out, pattern, HEAD_PATTERN_BYTES);
    if (only < 0)
        tj_buf_fmt(out, " in %zu spans", s->env->trace->span_count);
    tj_buf_byte(out, '\n');
    tj_buf_add(out, tj_buf_str(&s->body));
}

static struct tj_regex *compile(const struct tj_json *args, struct tj_buf *out,
                                bool *refused)
{
    struct tj_err wrong;
    unsigned flags = 0;
    if (!tj_arg_bool(args, "case_sensitive", false))
        flags |= TJ_REGEX_FOLD_CASE;
    if (tj_arg_bool(args, "literal", false))
        flags |= TJ_REGEX_LITERAL;
    struct tj_regex *re =
        tj_regex_new(tj_arg_str(args, "pattern"), flags, &wrong);
    if (!re)
        tj_tool_refuse(out, refused, "Invalid regex pattern: %s",
                       wrong.message);
    return re;
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    struct search s = {
        .env = env,
        .field = tj_arg_str(args, "field"),
        .context_bytes =
            (size_t)tj_arg_i64(args, "surrounding_content_length", 100),
        .rows_max = (uint64_t)tj_arg_i64(args, "max_matches", 50),
    };
    int32_t only = -1;
    tj_str span_id = tj_arg_str(args, "span_id");
    if (!tj_arg_page(args, out, refused, &s.offset))
        return true;
    if (span_id.len) {
        only = tj_tool_span(env, span_id, out, refused);
        if (only < 0)
            return true;
    }
    struct tj_regex *re = compile(args, out, refused);
    if (!re)
        return true;
    s.regex = re;
    tj_tool_body(env, &s.body);
    bool done = search_all(&s, only, err);
    tj_regex_free(re);
    if (done)
        put_result(&s, tj_arg_str(args, "pattern"), only, out);
    return done;
}

static const struct tj_param params[] = {
    {"pattern", TJ_PARAM_STRING, true,
     "RE2 syntax (as Python's re, without look-around and back-references).", 0,
     0, NULL},
    {"max_matches", TJ_PARAM_INT, false, "Matches a page. Default 50.", 1,
     MATCHES_MAX, NULL},
    {"surrounding_content_length", TJ_PARAM_INT, false,
     "Bytes shown before and after a match. Default 100.", 0, CONTEXT_BYTES_MAX,
     NULL},
    {"page_token", TJ_PARAM_STRING, false,
     "next_page_token of the page before.", 0, 0, NULL},
    {"span_id", TJ_PARAM_STRING, false, "Only in this span.", 0, 0, NULL},
    {"field", TJ_PARAM_STRING, false,
     "Only in this field: input, output, error, name, attributes.k ...", 0, 0,
     NULL},
    {"case_sensitive", TJ_PARAM_BOOL, false, "Default false.", 0, 0, NULL},
    {"literal", TJ_PARAM_BOOL, false,
     "The pattern is plain text, not a regex. Default false.", 0, 0, NULL},
    {0},
};

const struct tj_tool tj_tool_search_trace_regex = {
    .name = "search_trace_regex",
    .help = "Searches every field of every span (names, status, inputs, "
            "outputs, attributes, events) for a pattern. Each match comes with "
            "its span_id, field, @byte offset +length and the text around it.",
    .params = params,
    .run = run,
};
