/* tool_spans.c - what several tools need to know of a span.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools/tool_int.h"

int32_t tj_tool_span(struct tj_tool_env *env, tj_str id, struct tj_buf *out,
                     bool *refused)
{
    tj_span_id span_id;
    tj_str text = tj_str_trim(id);
    int32_t found = -1;
    if (tj_span_id_parse(text, &span_id))
        found = tj_trace_find_span(env->trace, span_id);
    if (found >= 0)
        return found;
    if (env->trace->span_count) {
        tj_buf_add(out, TJ_STR("Span with ID '"));
        tj_put_line(out, text, TJ_TOOL_NAME_BYTES);
        tj_buf_add(out, TJ_STR("' not found in trace; a span_id is 16 hex "
                               "digits as list_spans shows them"));
    } else {
        tj_buf_add(out, TJ_STR("Trace has no spans"));
    }
    *refused = true;
    return -1;
}

size_t tj_field_owner(const struct tj_span *span, size_t field)
{
    return (size_t)(tj_span_text_field(span, field) - span->fields);
}

bool tj_field_text(struct tj_trace *trace, size_t span, size_t field,
                   tj_str *out, struct tj_err *err)
{
    size_t owner = tj_field_owner(&trace->spans[span], field);
    return tj_store_read_field(trace, span, owner, 0, UINT64_MAX, out, err);
}

bool tj_span_text(struct tj_trace *trace, size_t span, tj_str name, tj_str *out,
                  struct tj_err *err)
{
    *out = (tj_str){0};
    if (!tj_store_load_fields(trace, span, err))
        return false;
    int32_t field = tj_span_find_field(&trace->spans[span], name);
    return field < 0 || tj_field_text(trace, span, (size_t)field, out, err);
}

void tj_tool_saw(struct tj_tool_env *env, size_t span, size_t field,
                 uint64_t offset, uint64_t len)
{
    if (env->coverage)
        tj_coverage_add(env->coverage, &env->trace->spans[span], span, field,
                        offset, len);
}

void tj_tool_listed(struct tj_tool_env *env, size_t span)
{
    if (env->coverage)
        tj_coverage_add_span(env->coverage, span);
}

bool tj_span_timed(const struct tj_span *span)
{
    return span->start && span->end >= span->start &&
           !(span->marks & TJ_MARK_TIME_GUESSED);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_separator(char c)
{
    return c == '_' || c == '-' || c == ' ' || c == '#' || c == '.';
}

tj_str tj_name_stem(tj_str name)
{
    size_t end = name.len;
    while (end && is_digit(name.ptr[end - 1]))
        end--;
    size_t stem = end;
    while (stem && is_separator(name.ptr[stem - 1]))
        stem--;
    bool indexed = end < name.len && stem < end && stem > 0;
    return indexed ? tj_str_slice(name, 0, stem) : name;
}

bool tj_kind_is_model(enum tj_kind kind)
{
    return kind == TJ_KIND_LLM || kind == TJ_KIND_CHAT_MODEL;
}

bool tj_contains_fold(tj_str s, tj_str part)
{
    for (size_t i = 0; i + part.len <= s.len; i++)
        if (tj_str_eq_fold(tj_str_slice(s, i, part.len), part))
            return true;
    return false;
}

bool tj_key_is_label(tj_str key)
{
    static const tj_str words[] = {
        TJ_STR_INIT("assessment"),   TJ_STR_INIT("feedback"),
        TJ_STR_INIT("expect"),       TJ_STR_INIT("label"),
        TJ_STR_INIT("ground_truth"), TJ_STR_INIT("groundtruth"),
        TJ_STR_INIT("score"),        TJ_STR_INIT("rating"),
        TJ_STR_INIT("verdict"),      TJ_STR_INIT("reward"),
        TJ_STR_INIT("annotation"),   TJ_STR_INIT("gold"),
        TJ_STR_INIT("tracejudge."),
    };
    for (size_t i = 0; i < TJ_COUNT(words); i++)
        if (tj_contains_fold(key, words[i]))
            return true;
    return false;
}
