/* trace_json.c - see trace_json.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace/trace_json.h"

#include <inttypes.h>

#include "text/plain.h"

static void write_text(struct tj_json_writer *w, const char *key, tj_str text)
{
    if (text.len)
        tj_jw_key_str(w, key, text);
}

static void write_pairs(struct tj_json_writer *w, const char *key,
                        const tj_pairs *pairs)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_object(w);
    tj_vec_each (pairs, struct tj_pair, pair) {
        tj_jw_key(w, pair->key);
        tj_jw_str(w, pair->value);
    }
    tj_jw_end(w);
}

static void write_tokens(struct tj_json_writer *w, const char *key,
                         int64_t tokens)
{
    if (tokens >= 0)
        tj_jw_key_i64(w, key, tokens);
}

static void write_usage(struct tj_json_writer *w, const struct tj_usage *usage)
{
    if (usage->input_tokens < 0 && usage->output_tokens < 0 &&
        usage->cost_usd < 0)
        return;
    tj_jw_key(w, TJ_STR("usage"));
    tj_jw_object(w);
    write_tokens(w, "input_tokens", usage->input_tokens);
    write_tokens(w, "output_tokens", usage->output_tokens);
    write_tokens(w, "cache_read_tokens", usage->cache_read_tokens);
    write_tokens(w, "cache_write_tokens", usage->cache_write_tokens);
    write_tokens(w, "reasoning_tokens", usage->reasoning_tokens);
    if (usage->cost_usd >= 0)
        tj_jw_key_double(w, "cost_usd", usage->cost_usd);
    tj_jw_end(w);
}

void tj_trace_info_write(struct tj_json_writer *w,
                         const struct tj_trace_info *info, struct tj_arena *a)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "trace_id", tj_trace_id_mlflow(a, info->trace_id));
    write_text(w, "client_request_id", info->client_request_id);
    write_text(w, "source_id", info->source_id);
    write_text(w, "name", info->name);
    write_text(w, "experiment", info->experiment);
    write_text(w, "session", info->session);
    write_text(w, "user", info->user);
    if (info->request_time)
        tj_jw_key_str(w, "request_time", tj_time_text(a, info->request_time));
    tj_jw_key_str(
        w, "execution_duration",
        tj_str_printf(a, "%" PRIu64 ".%03" PRIu64 "s",
                      info->duration_ns / TJ_NS_PER_SECOND,
                      info->duration_ns % TJ_NS_PER_SECOND / TJ_NS_PER_MS));
    tj_jw_key_str(w, "state", tj_str_c(tj_trace_state_name(info->state)));
    write_text(w, "request_preview", info->request_preview);
    write_text(w, "response_preview", info->response_preview);
    write_pairs(w, "trace_metadata", &info->metadata);
    write_pairs(w, "tags", &info->tags);
    tj_jw_key_u64(w, "span_count", info->span_count);
    tj_jw_key_u64(w, "error_count", info->error_count);
    tj_jw_key_u64(w, "text_bytes", info->text_bytes);
    write_usage(w, &info->usage);
    tj_jw_end(w);
}

static void write_marks(struct tj_json_writer *w, uint32_t marks)
{
    if (!marks)
        return;
    tj_jw_key(w, TJ_STR("marks"));
    tj_jw_array(w);
    for (int bit = 0; bit < TJ_MARK_COUNT; bit++)
        if (marks & (UINT32_C(1) << bit))
            tj_jw_str(w, tj_str_c(tj_mark_name((enum tj_mark)bit)));
    tj_jw_end(w);
}

/* A container goes out as JSON; should its text not read back, as text. */
static void write_field(struct tj_json_writer *w, const struct tj_field *field,
                        tj_str text, struct tj_arena *a)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    tj_jw_key(w, field->name);
    bool is_value =
        field->type != TJ_FIELD_STRING && field->type != TJ_FIELD_BYTES;
    if (is_value && tj_plain_parse(text, a, &doc, &ignored))
        tj_jw_value(w, doc.root);
    else
        tj_jw_str(w, text);
}

static void write_fields(struct tj_json_writer *w, const struct tj_span *span,
                         struct tj_arena *a)
{
    tj_jw_key(w, TJ_STR("fields"));
    tj_jw_object(w);
    for (size_t i = 0; i < span->field_count; i++) {
        const struct tj_field *owner = tj_span_text_field(span, i);
        write_field(w, &span->fields[i], owner->text, a);
    }
    tj_jw_end(w);
}

/* Where links lead; what they say is among the fields. */
static void write_links(struct tj_json_writer *w, const struct tj_span *span,
                        struct tj_arena *a)
{
    if (!span->link_count)
        return;
    tj_jw_key(w, TJ_STR("links"));
    tj_jw_array(w);
    for (size_t i = 0; i < span->link_count; i++) {
        const struct tj_link *link = &span->links[i];
        tj_jw_object(w);
        tj_jw_key_str(w, "trace_id", tj_trace_id_text(a, link->trace_id));
        tj_jw_key_str(w, "span_id", tj_span_id_text(a, link->span_id));
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

void tj_span_write(struct tj_json_writer *w, const struct tj_span *span,
                   struct tj_arena *a)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "trace_id", tj_trace_id_text(a, span->trace_id));
    tj_jw_key_str(w, "span_id", tj_span_id_text(a, span->span_id));
    if (!tj_span_id_is_none(span->parent_id))
        tj_jw_key_str(w, "parent_id", tj_span_id_text(a, span->parent_id));
    tj_jw_key_str(w, "name", span->name);
    tj_jw_key_str(w, "kind",
                  span->kind_text.len ? span->kind_text
                                      : tj_str_c(tj_kind_name(span->kind)));
    tj_jw_key_str(w, "status", tj_str_c(tj_status_name(span->status)));
    write_text(w, "status_message", span->status_message);
    if (span->start)
        tj_jw_key_u64(w, "start_time_unix_nano", span->start);
    if (span->end)
        tj_jw_key_u64(w, "end_time_unix_nano", span->end);
    write_text(w, "model", span->model);
    write_text(w, "provider", span->provider);
    write_text(w, "tool_name", span->tool_name);
    write_text(w, "agent", span->agent);
    write_usage(w, &span->usage);
    if (span->resource >= 0)
        tj_jw_key_u64(w, "resource", (uint64_t)span->resource);
    write_links(w, span, a);
    write_marks(w, span->marks);
    write_fields(w, span, a);
    tj_jw_end(w);
}
