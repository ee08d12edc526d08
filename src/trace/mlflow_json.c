/* mlflow_json.c - see mlflow_json.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     field text --plain parse--> tree --> AnyValue, or Python's JSON text
 */
#include "trace/mlflow_json.h"

#include "base/limits.h"
#include "text/base64.h"
#include "text/plain.h"

/* Messages around an attribute's AnyValue in an answer: the answer, the trace,
 * the span, the key and value, the AnyValue; a JSON object adds three for each
 * level, an array two.  Protobuf's readers stop at 100. */
enum { MESSAGES_AROUND = 5, MESSAGES_MAX = 100, MESSAGES_PER_LEVEL = 3 };

struct writer {
    struct tj_json_writer *w;
    const struct tj_span *span;
    enum tj_mlflow_form form;
    struct tj_arena *scratch;
};

/* -- ids ------------------------------------------------------------------ */

static tj_str base64_id(const struct writer *out, const unsigned char *bytes,
                        size_t size)
{
    return tj_base64_write(out->scratch,
                           tj_str_make((const char *)bytes, size));
}

static tj_str base64_trace_id(const struct writer *out, tj_trace_id id)
{
    return base64_id(out, id.bytes, sizeof id.bytes);
}

static tj_str base64_span_id(const struct writer *out, tj_span_id id)
{
    return base64_id(out, id.bytes, sizeof id.bytes);
}

/* -- values --------------------------------------------------------------- */

static tj_str json_text(const struct writer *out, const struct tj_json *v)
{
    struct tj_buf buf;
    tj_buf_init(&buf, out->scratch, TJ_IMPORT_BYTES_MAX);
    tj_json_write(&buf, v, TJ_JSON_PYTHON);
    return tj_buf_str(&buf);
}

static bool is_whole(tj_str number)
{
    for (size_t i = 0; i < number.len; i++) {
        char c = number.ptr[i];
        if (c != '-' && (c < '0' || c > '9'))
            return false;
    }
    return number.len > 0;
}

static void put_double(struct tj_json_writer *w, double value)
{
    tj_jw_key(w, TJ_STR("double_value"));
    if (value != value)
        tj_jw_str(w, TJ_STR("NaN"));
    else if (value - value != 0)
        tj_jw_str(w, value > 0 ? TJ_STR("Infinity") : TJ_STR("-Infinity"));
    else
        tj_jw_double(w, value);
}

/* An integer that fits none of AnyValue's types keeps its digits. */
static void put_number(struct tj_json_writer *w, const struct tj_json *v)
{
    int64_t whole = 0;
    double value = 0;
    tj_str text = tj_json_number_text(v);
    if (!is_whole(text)) {
        (void)tj_json_double(v, &value);
        put_double(w, value);
    } else if (tj_str_to_i64(text, &whole)) {
        tj_jw_key_i64(w, "int_value", whole);
    } else {
        tj_jw_key_str(w, "string_value", text);
    }
}

static void put_any(const struct writer *out, const struct tj_json *v,
                    size_t messages);

/* {"values": [...]}; empty ones have no values. */
static void put_list(const struct writer *out, const struct tj_json *v,
                     size_t messages)
{
    struct tj_json_writer *w = out->w;
    tj_jw_key(w, TJ_STR("array_value"));
    tj_jw_object(w);
    if (tj_json_count(v)) {
        tj_jw_key(w, TJ_STR("values"));
        tj_jw_array(w);
        tj_json_each (v, item)
            put_any(out, item, messages);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void put_members(const struct writer *out, const struct tj_json *v,
                        size_t messages)
{
    struct tj_json_writer *w = out->w;
    tj_jw_key(w, TJ_STR("kvlist_value"));
    tj_jw_object(w);
    if (tj_json_count(v)) {
        struct tj_json_members m = tj_json_members(v);
        tj_jw_key(w, TJ_STR("values"));
        tj_jw_array(w);
        while (tj_json_member(&m)) {
            tj_jw_object(w);
            tj_jw_key_str(w, "key", m.key);
            tj_jw_key(w, TJ_STR("value"));
            put_any(out, m.value, messages);
            tj_jw_end(w);
        }
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

/* One AnyValue.  `messages` are around it: the depth of the recursion. */
static void put_any(const struct writer *out, const struct tj_json *v,
                    size_t messages)
{
    struct tj_json_writer *w = out->w;
    bool deep = messages + MESSAGES_PER_LEVEL > MESSAGES_MAX;
    size_t below = messages + MESSAGES_PER_LEVEL;
    tj_jw_object(w);
    switch (tj_json_type(v)) {
    case TJ_JSON_NULL: break;
    case TJ_JSON_FALSE: tj_jw_key_bool(w, "bool_value", false); break;
    case TJ_JSON_TRUE: tj_jw_key_bool(w, "bool_value", true); break;
    case TJ_JSON_STRING:
        tj_jw_key_str(w, "string_value", tj_json_str(v));
        break;
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE: put_number(w, v); break;
    case TJ_JSON_ARRAY:
    case TJ_JSON_OBJECT:
        if (deep)
            tj_jw_key_str(w, "string_value", json_text(out, v));
        else if (tj_json_is_array(v))
            put_list(out, v, below);
        else
            put_members(out, v, below);
        break;
    }
    tj_jw_end(w);
}

/* -- fields --------------------------------------------------------------- */

/* The tree of a field's text; NULL for strings and bytes. */
static const struct tj_json *field_value(const struct writer *out,
                                         const struct tj_field *f, tj_str text)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (f->type == TJ_FIELD_STRING || f->type == TJ_FIELD_BYTES ||
        !tj_plain_parse(text, out->scratch, &doc, &ignored))
        return NULL;
    return doc.root;
}

/* MLflow's server takes one layer of JSON off a string that holds a string;
 * containers were decoded on the way in. */
static tj_str unquoted(const struct writer *out, tj_str text)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    tj_str inner = tj_str_trim(text);
    if (inner.len < 2 || inner.ptr[0] != '"' ||
        !tj_json_parse(inner, out->scratch, &doc, &ignored))
        return text;
    return tj_json_str(doc.root);
}

static void put_string(const struct writer *out, const char *key, tj_str text)
{
    tj_jw_object(out->w);
    tj_jw_key_str(out->w, key, text);
    tj_jw_end(out->w);
}

/* A string that was decoded, as the text it was.  Events and links alone need
 * it: MLflow leaves their strings as they are. */
static tj_str source_text(const struct writer *out, const struct tj_field *f,
                          const struct tj_json *v)
{
    bool compact = f->flags & TJ_FIELD_COMPACT;
    struct tj_buf buf;
    tj_buf_init(&buf, out->scratch, TJ_IMPORT_BYTES_MAX);
    tj_json_write(&buf, v, compact ? TJ_JSON_COMPACT : TJ_JSON_PYTHON);
    return tj_buf_str(&buf);
}

/* Whose field it is. */
enum owner { OF_SPAN, OF_PART };

static void put_field_any(const struct writer *out, const struct tj_field *f,
                          tj_str text, enum owner of)
{
    const struct tj_json *v = field_value(out, f, text);
    if (v && of == OF_PART && (f->flags & TJ_FIELD_DECODED))
        put_string(out, "string_value", source_text(out, f, v));
    else if (v)
        put_any(out, v, MESSAGES_AROUND + (of == OF_PART));
    else if (f->type == TJ_FIELD_BYTES)
        put_string(out, "bytes_value", text);
    else
        put_string(out, "string_value",
                   of == OF_SPAN ? unquoted(out, text) : text);
}

/* What a span dict holds under a key: JSON text. */
static tj_str field_json_text(const struct writer *out,
                              const struct tj_field *f, tj_str text)
{
    const struct tj_json *v = field_value(out, f, text);
    struct tj_buf buf;
    if (v)
        return json_text(out, v);
    if (f->type == TJ_FIELD_STRING)
        text = unquoted(out, text);
    tj_buf_init(&buf, out->scratch, TJ_IMPORT_BYTES_MAX);
    tj_buf_byte(&buf, '"');
    tj_json_escape(&buf, text);
    tj_buf_byte(&buf, '"');
    return tj_buf_str(&buf);
}

static void put_part_value(const struct writer *out, const struct tj_field *f,
                           tj_str text)
{
    const struct tj_json *v = field_value(out, f, text);
    if (!v)
        tj_jw_str(out->w, text);
    else if (f->flags & TJ_FIELD_DECODED)
        tj_jw_str(out->w, source_text(out, f, v));
    else
        tj_jw_value(out->w, v);
}

static void put_pair(const struct writer *out, tj_str key,
                     const struct tj_field *f, tj_str text)
{
    struct tj_json_writer *w = out->w;
    if (out->form == TJ_MLFLOW_DICT) {
        tj_jw_key(w, key);
        tj_jw_str(w, field_json_text(out, f, text));
        return;
    }
    tj_jw_object(w);
    tj_jw_key_str(w, "key", key);
    if (f->type != TJ_FIELD_NULL) {
        tj_jw_key(w, TJ_STR("value"));
        put_field_any(out, f, text, OF_SPAN);
    }
    tj_jw_end(w);
}

/* Text of a field that there is not. */
static void put_made(const struct writer *out, const char *key,
                     enum tj_field_type type, tj_str text)
{
    struct tj_field f = {.type = (uint8_t)type};
    if (text.len)
        put_pair(out, tj_str_c(key), &f, text);
}

/* -- attributes ----------------------------------------------------------- */

static const char request_id_key[] = "mlflow.traceRequestId";

/* The key of an attribute; empty for any other field. */
static tj_str attribute_key(const struct tj_field *f)
{
    static const char prefix[] = "attributes.";
    if (!tj_str_starts(f->name, TJ_STR("attributes.")))
        return (tj_str){0};
    return tj_str_slice(f->name, sizeof prefix - 1, f->name.len);
}

/* What OTLP has fields for; it came in as attributes (trace/fmt.h). */
static const struct {
    const char *field;
    const char *key;
} head_fields[] = {
    {"attributes.otel.flags", "flags"},
    {"attributes.otel.dropped_attributes_count", "dropped_attributes_count"},
    {"attributes.otel.dropped_events_count", "dropped_events_count"},
    {"attributes.otel.dropped_links_count", "dropped_links_count"},
};

static bool is_head_field(tj_str name)
{
    for (size_t i = 0; i < TJ_COUNT(head_fields); i++) {
        if (tj_str_eq(name, tj_str_c(head_fields[i].field)))
            return true;
    }
    return false;
}

static bool has_attribute(const struct tj_span *span, const char *name)
{
    return tj_span_find_field(span, tj_str_c(name)) >= 0;
}

static void put_shared(const struct writer *out, const char *attribute,
                       const char *key, const char *field)
{
    int32_t at = tj_span_find_field(out->span, tj_str_c(field));
    if (at < 0 || has_attribute(out->span, attribute))
        return;
    const struct tj_field *own = tj_span_text_field(out->span, (size_t)at);
    put_made(out, key, (enum tj_field_type)own->type, own->text);
}

/* MLflow calls a chat completion CHAT_MODEL; ours is LLM for all of them. */
static tj_str span_type(const struct tj_span *span)
{
    int16_t at = span->source[TJ_NORMAL_KIND];
    if (span->kind_text.len)
        return span->kind_text;
    if (span->kind == TJ_KIND_UNKNOWN)
        return (tj_str){0};
    if (at >= 0 && (size_t)at < span->field_count &&
        tj_str_eq(span->fields[at].name,
                  TJ_STR("attributes.gen_ai.operation.name")) &&
        tj_str_eq(tj_span_text_field(span, (size_t)at)->text, TJ_STR("chat")))
        return TJ_STR("CHAT_MODEL");
    return tj_str_c(tj_kind_name(span->kind));
}

/* In a span of MLflow's client a plain "model" is the user's own word, and
 * readers see it as it is; other instrumentations mean their model by it. */
static bool is_convention(const struct tj_span *span, enum tj_normal normal)
{
    int16_t at = span->source[normal];
    tj_str prefix = TJ_STR("attributes.");
    if (at < 0 || (size_t)at >= span->field_count ||
        !has_attribute(span, "attributes.mlflow.spanType"))
        return true;
    tj_str name = span->fields[at].name;
    return !tj_str_starts(name, prefix) ||
           tj_str_find_byte(tj_str_slice(name, prefix.len, name.len), '.') !=
               (size_t)-1;
}

static void put_derived(const struct writer *out)
{
    const struct tj_span *s = out->span;
    tj_str usage = tj_mlflow_usage_text(out->scratch, &s->usage);
    tj_str cost = tj_mlflow_cost_text(out->scratch, &s->usage);
    if (!has_attribute(s, "attributes.mlflow.spanType"))
        put_made(out, "mlflow.spanType", TJ_FIELD_STRING, span_type(s));
    put_shared(out, "attributes.mlflow.spanInputs", "mlflow.spanInputs",
               "input");
    put_shared(out, "attributes.mlflow.spanOutputs", "mlflow.spanOutputs",
               "output");
    if (!has_attribute(s, "attributes.mlflow.chat.tokenUsage"))
        put_made(out, "mlflow.chat.tokenUsage", TJ_FIELD_JSON, usage);
    if (!has_attribute(s, "attributes.mlflow.llm.model") &&
        is_convention(s, TJ_NORMAL_MODEL))
        put_made(out, "mlflow.llm.model", TJ_FIELD_STRING, s->model);
    if (!has_attribute(s, "attributes.mlflow.llm.provider") &&
        is_convention(s, TJ_NORMAL_PROVIDER))
        put_made(out, "mlflow.llm.provider", TJ_FIELD_STRING, s->provider);
    if (!has_attribute(s, "attributes.mlflow.llm.cost"))
        put_made(out, "mlflow.llm.cost", TJ_FIELD_JSON, cost);
}

/* An UNKNOWN that a client set by default says nothing. */
static bool is_unknown_type(const struct tj_span *span, tj_str key, tj_str text)
{
    return tj_str_eq(key, TJ_STR("mlflow.spanType")) &&
           tj_str_eq(text, TJ_STR("UNKNOWN")) && span_type(span).len;
}

static void put_attributes(const struct writer *out)
{
    const struct tj_span *s = out->span;
    bool has_request_id = false;
    tj_str id = tj_trace_id_mlflow(out->scratch, s->trace_id);
    const struct tj_field string = {.type = TJ_FIELD_STRING};
    for (size_t i = 0; i < s->field_count; i++) {
        const struct tj_field *f = tj_span_text_field(s, i);
        tj_str key = attribute_key(&s->fields[i]);
        if (!key.ptr || is_head_field(s->fields[i].name))
            continue;
        bool is_id = tj_str_eq(key, tj_str_c(request_id_key));
        has_request_id |= is_id;
        if (is_id)
            put_pair(out, key, &string, id);
        else if (is_unknown_type(s, key, f->text))
            put_pair(out, key, &string, span_type(s));
        else
            put_pair(out, key, f, f->text);
    }
    put_derived(out);
    if (!has_request_id)
        put_pair(out, tj_str_c(request_id_key), &string, id);
}

/* -- events and links ----------------------------------------------------- */

/* A field of an event or link: events.<index>.<key>. */
struct part {
    size_t index;
    tj_str key;
    const struct tj_field *field;
};
/* In order of the index, since a builder adds fields to the newest one. */
struct parts {
    TJ_VEC(struct part) list;
    size_t at; /* the first that was not written yet */
};

static bool part_of(tj_str name, tj_str prefix, struct part *out)
{
    uint64_t index = 0;
    tj_str rest = name;
    if (!tj_str_starts(name, prefix))
        return false;
    (void)tj_str_cut(&rest, '.');
    if (!tj_str_to_u64(tj_str_cut(&rest, '.'), &index) || !rest.ptr)
        return false;
    out->index = (size_t)index;
    out->key = rest;
    return true;
}

/* Told by the event or link itself. */
static bool is_own_key(tj_str key)
{
    return tj_str_eq(key, TJ_STR("otel.dropped_attributes_count")) ||
           tj_str_eq(key, TJ_STR("otel.trace_state"));
}

static struct parts find_parts(const struct writer *out, tj_str prefix)
{
    struct parts parts = {0};
    bool events = tj_str_eq(prefix, TJ_STR("events."));
    for (size_t i = 0; i < out->span->field_count; i++) {
        struct part part = {.field = tj_span_text_field(out->span, i)};
        if (!part_of(out->span->fields[i].name, prefix, &part) ||
            is_own_key(part.key) ||
            (events && tj_str_eq(part.key, TJ_STR("name"))))
            continue;
        *tj_vec_add(&parts.list, out->scratch) = part;
    }
    return parts;
}

static void put_part(const struct writer *out, const struct part *part)
{
    struct tj_json_writer *w = out->w;
    if (out->form == TJ_MLFLOW_DICT) {
        tj_jw_key(w, part->key);
        put_part_value(out, part->field, part->field->text);
        return;
    }
    tj_jw_object(w);
    tj_jw_key_str(w, "key", part->key);
    if (part->field->type != TJ_FIELD_NULL) {
        tj_jw_key(w, TJ_STR("value"));
        put_field_any(out, part->field, part->field->text, OF_PART);
    }
    tj_jw_end(w);
}

/* The attributes of event or link `index`; REST leaves an empty list out. */
static void put_part_attributes(const struct writer *out, struct parts *parts,
                                size_t index)
{
    struct tj_json_writer *w = out->w;
    size_t end = parts->at;
    bool dict = out->form == TJ_MLFLOW_DICT;
    while (end < parts->list.count && parts->list.items[end].index == index)
        end++;
    if (!dict && end == parts->at)
        return;
    tj_jw_key(w, TJ_STR("attributes"));
    if (dict)
        tj_jw_object(w);
    else
        tj_jw_array(w);
    while (parts->at < end)
        put_part(out, &parts->list.items[parts->at++]);
    tj_jw_end(w);
}

static void put_events(const struct writer *out)
{
    struct tj_json_writer *w = out->w;
    const struct tj_span *s = out->span;
    if (!s->event_count && out->form == TJ_MLFLOW_REST)
        return;
    struct parts parts = find_parts(out, TJ_STR("events."));
    tj_jw_key(w, TJ_STR("events"));
    tj_jw_array(w);
    for (size_t i = 0; i < s->event_count; i++) {
        tj_jw_object(w);
        tj_jw_key_u64(w, "time_unix_nano", s->events[i].time);
        tj_jw_key_str(w, "name", s->events[i].name);
        put_part_attributes(out, &parts, i);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void put_link_ids(const struct writer *out, const struct tj_link *link)
{
    struct tj_arena *a = out->scratch;
    bool dict = out->form == TJ_MLFLOW_DICT;
    tj_jw_key_str(out->w, "trace_id",
                  dict ? tj_trace_id_mlflow(a, link->trace_id)
                       : base64_trace_id(out, link->trace_id));
    tj_jw_key_str(out->w, "span_id",
                  dict ? tj_span_id_text(a, link->span_id)
                       : base64_span_id(out, link->span_id));
}

static void put_links(const struct writer *out)
{
    struct tj_json_writer *w = out->w;
    const struct tj_span *s = out->span;
    if (!s->link_count && out->form == TJ_MLFLOW_REST)
        return;
    struct parts parts = find_parts(out, TJ_STR("links."));
    tj_jw_key(w, TJ_STR("links"));
    tj_jw_array(w);
    for (size_t i = 0; i < s->link_count; i++) {
        tj_jw_object(w);
        put_link_ids(out, &s->links[i]);
        put_part_attributes(out, &parts, i);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

/* -- the span ------------------------------------------------------------- */

static const char *status_code(enum tj_status status)
{
    switch (status) {
    case TJ_STATUS_UNSET: return "STATUS_CODE_UNSET";
    case TJ_STATUS_OK: return "STATUS_CODE_OK";
    case TJ_STATUS_ERROR: return "STATUS_CODE_ERROR";
    }
    return "STATUS_CODE_UNSET";
}

static void put_status(const struct writer *out)
{
    struct tj_json_writer *w = out->w;
    const struct tj_span *s = out->span;
    bool dict = out->form == TJ_MLFLOW_DICT;
    tj_jw_key(w, TJ_STR("status"));
    tj_jw_object(w);
    if (dict || s->status_message.len)
        tj_jw_key_str(w, "message", s->status_message);
    if (dict || s->status != TJ_STATUS_UNSET)
        tj_jw_key_str(w, "code", tj_str_c(status_code(s->status)));
    tj_jw_end(w);
}

static void put_parent(const struct writer *out)
{
    struct tj_json_writer *w = out->w;
    if (!tj_span_id_is_none(out->span->parent_id)) {
        tj_jw_key_str(w, "parent_span_id",
                      base64_span_id(out, out->span->parent_id));
    } else if (out->form == TJ_MLFLOW_DICT) {
        tj_jw_key(w, TJ_STR("parent_span_id"));
        tj_jw_null(w);
    }
}

static void put_times(const struct writer *out)
{
    struct tj_json_writer *w = out->w;
    const struct tj_span *s = out->span;
    tj_jw_key_u64(w, "start_time_unix_nano", s->start);
    if (s->end) {
        tj_jw_key_u64(w, "end_time_unix_nano", s->end);
    } else if (out->form == TJ_MLFLOW_DICT) {
        tj_jw_key(w, TJ_STR("end_time_unix_nano"));
        tj_jw_null(w);
    }
}

/* What MLflow drops and OTLP has: for readers that want it. */
static void put_head_rest(const struct writer *out)
{
    struct tj_json_writer *w = out->w;
    const struct tj_span *s = out->span;
    uint64_t value = 0;
    if (out->form == TJ_MLFLOW_DICT)
        return;
    if (s->trace_state.len)
        tj_jw_key_str(w, "trace_state", s->trace_state);
    if (s->otel_kind)
        tj_jw_key_u64(w, "kind", s->otel_kind);
    for (size_t i = 0; i < TJ_COUNT(head_fields); i++) {
        int32_t at = tj_span_find_field(s, tj_str_c(head_fields[i].field));
        if (at >= 0 && tj_str_to_u64(s->fields[at].text, &value) &&
            value <= UINT32_MAX)
            tj_jw_key_u64(w, head_fields[i].key, value);
    }
}

void tj_mlflow_span_write(struct tj_json_writer *w, const struct tj_span *span,
                          enum tj_mlflow_form form, struct tj_arena *scratch)
{
    const struct writer out = {w, span, form, scratch};
    tj_jw_object(w);
    tj_jw_key_str(w, "trace_id", base64_trace_id(&out, span->trace_id));
    tj_jw_key_str(w, "span_id", base64_span_id(&out, span->span_id));
    put_parent(&out);
    tj_jw_key_str(w, "name", span->name);
    put_head_rest(&out);
    put_times(&out);
    tj_jw_key(w, TJ_STR("attributes"));
    if (form == TJ_MLFLOW_DICT)
        tj_jw_object(w);
    else
        tj_jw_array(w);
    put_attributes(&out);
    tj_jw_end(w);
    put_events(&out);
    put_links(&out);
    put_status(&out);
    tj_jw_end(w);
}

/* -- usage ---------------------------------------------------------------- */

static void put_tokens(struct tj_json_writer *w, const char *key, int64_t count)
{
    if (count >= 0)
        tj_jw_key_i64(w, key, count);
}

tj_str tj_mlflow_usage_text(struct tj_arena *a, const struct tj_usage *usage)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    int64_t in = usage->input_tokens;
    int64_t out = usage->output_tokens;
    int64_t total = 0;
    if (in < 0 && out < 0)
        return (tj_str){0};
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_PYTHON);
    tj_jw_object(&w);
    put_tokens(&w, "input_tokens", in);
    put_tokens(&w, "output_tokens", out);
    if (!__builtin_add_overflow(in < 0 ? 0 : in, out < 0 ? 0 : out, &total))
        put_tokens(&w, "total_tokens", total);
    put_tokens(&w, "cache_read_input_tokens", usage->cache_read_tokens);
    put_tokens(&w, "cache_creation_input_tokens", usage->cache_write_tokens);
    tj_jw_end(&w);
    return tj_buf_str(&buf);
}

tj_str tj_mlflow_cost_text(struct tj_arena *a, const struct tj_usage *usage)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    if (usage->cost_usd < 0)
        return (tj_str){0};
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_PYTHON);
    tj_jw_object(&w);
    tj_jw_key_double(&w, "total_cost", usage->cost_usd);
    tj_jw_end(&w);
    return tj_buf_str(&buf);
}
