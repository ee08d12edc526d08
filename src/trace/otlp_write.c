/* otlp_write.c - see otlp_write.h; the messages are drawn in fmt_otlp_pb.c.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A message is written before the one that holds it, since its length stands
 * in front of it; so each is built in a buffer of its own.
 */
#include "trace/otlp_write.h"

#include "base/limits.h"
#include "text/base64.h"
#include "text/pb.h"
#include "text/plain.h"

enum any_number {
    ANY_STRING = 1,
    ANY_BOOL = 2,
    ANY_INT = 3,
    ANY_DOUBLE = 4,
    ANY_ARRAY = 5,
    ANY_KVLIST = 6,
    ANY_BYTES = 7,
};

static struct tj_buf child(const struct tj_buf *parent)
{
    struct tj_buf b;
    tj_buf_init(&b, parent->arena, parent->bytes_max);
    return b;
}

static void put_message(struct tj_buf *out, uint32_t number,
                        const struct tj_buf *message)
{
    tj_pb_put_bytes(out, number, tj_buf_str(message));
    out->full = out->full || message->full;
}

/* -- values ---------------------------------------------------------------- */

static void put_double(struct tj_buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    tj_pb_put_fixed64(out, ANY_DOUBLE, bits);
}

static void put_number(struct tj_buf *out, const struct tj_json *v)
{
    int64_t integer = 0;
    double value = 0;
    tj_str text = tj_json_number_text(v);
    bool whole = tj_json_type(v) == TJ_JSON_INT && tj_json_i64(v, &integer);
    if (whole)
        tj_pb_put_varint(out, ANY_INT, (uint64_t)integer);
    else if (tj_json_type(v) == TJ_JSON_DOUBLE && tj_json_double(v, &value))
        put_double(out, value);
    else
        tj_pb_put_bytes(out, ANY_STRING, text); /* over 63 bits */
}

static void put_any(struct tj_buf *out, const struct tj_json *v, size_t depth);

static void put_list(struct tj_buf *out, const struct tj_json *v, size_t depth)
{
    struct tj_buf list = child(out);
    tj_json_each (v, it) {
        struct tj_buf value = child(out);
        put_any(&value, it, depth + 1);
        put_message(&list, 1, &value);
    }
    put_message(out, ANY_ARRAY, &list);
}

static void put_map(struct tj_buf *out, const struct tj_json *v, size_t depth)
{
    struct tj_buf map = child(out);
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        struct tj_buf pair = child(out);
        struct tj_buf value = child(out);
        put_any(&value, m.value, depth + 1);
        tj_pb_put_bytes(&pair, 1, m.key);
        put_message(&pair, 2, &value);
        put_message(&map, 1, &pair);
    }
    put_message(out, ANY_KVLIST, &map);
}

/* What is nested too deeply for a receiver goes as text. */
static void put_any(struct tj_buf *out, const struct tj_json *v, size_t depth)
{
    if (depth >= TJ_PB_DEPTH_MAX / 2 &&
        (tj_json_is_array(v) || tj_json_is_object(v))) {
        struct tj_buf text = child(out);
        tj_plain_write(&text, v);
        put_message(out, ANY_STRING, &text);
        return;
    }
    switch (tj_json_type(v)) {
    case TJ_JSON_NULL: return; /* an AnyValue without a value */
    case TJ_JSON_FALSE: tj_pb_put_varint(out, ANY_BOOL, 0); return;
    case TJ_JSON_TRUE: tj_pb_put_varint(out, ANY_BOOL, 1); return;
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE: put_number(out, v); return;
    case TJ_JSON_STRING:
        tj_pb_put_bytes(out, ANY_STRING, tj_json_str(v));
        return;
    case TJ_JSON_ARRAY: put_list(out, v, depth); return;
    case TJ_JSON_OBJECT: put_map(out, v, depth); return;
    }
}

static void put_field_value(struct tj_buf *out, const struct tj_field *f)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    tj_str bytes = {0};
    if (f->type == TJ_FIELD_BYTES &&
        tj_base64_parse(out->arena, f->text, &bytes))
        tj_pb_put_bytes(out, ANY_BYTES, bytes);
    else if (f->type != TJ_FIELD_STRING && f->type != TJ_FIELD_BYTES &&
             tj_plain_parse(f->text, out->arena, &doc, &ignored))
        put_any(out, doc.root, 0);
    else
        tj_pb_put_bytes(out, ANY_STRING, f->text);
}

/* -- spans ----------------------------------------------------------------- */

static void put_pair(struct tj_buf *out, uint32_t number, tj_str key,
                     const struct tj_field *f)
{
    struct tj_buf pair = child(out);
    struct tj_buf value = child(out);
    put_field_value(&value, f);
    tj_pb_put_bytes(&pair, 1, key);
    put_message(&pair, 2, &value);
    put_message(out, number, &pair);
}

/* The fields called "<head>key", but for its name, which has its own place. */
static void put_pairs(struct tj_buf *out, uint32_t number,
                      const struct tj_span *s, tj_str head)
{
    bool of_span = tj_str_eq(head, TJ_STR("attributes."));
    for (size_t i = 0; i < s->field_count; i++) {
        const struct tj_field *f = &s->fields[i];
        if (!tj_str_starts(f->name, head))
            continue;
        tj_str key = tj_str_slice(f->name, head.len, f->name.len);
        if (of_span || !tj_str_eq(key, TJ_STR("name")))
            put_pair(out, number, key, f);
    }
}

static void put_kind(struct tj_buf *out, const struct tj_span *s)
{
    tj_str word =
        s->kind_text.len ? s->kind_text : tj_str_c(tj_kind_name(s->kind));
    struct tj_field field = {.text = word, .type = TJ_FIELD_STRING};
    bool known = s->kind != TJ_KIND_UNKNOWN || s->kind_text.len;
    if (known &&
        tj_span_find_field(s, TJ_STR("attributes.mlflow.spanType")) < 0)
        put_pair(out, 9, TJ_STR("mlflow.spanType"), &field);
}

static void put_events(struct tj_buf *out, const struct tj_span *s)
{
    for (size_t i = 0; i < s->event_count; i++) {
        struct tj_buf event = child(out);
        tj_str head = tj_str_printf(out->arena, "events.%zu.", i);
        tj_pb_put_fixed64(&event, 1, s->events[i].time);
        tj_pb_put_bytes(&event, 2, s->events[i].name);
        put_pairs(&event, 3, s, head);
        put_message(out, 11, &event);
    }
}

static void put_links(struct tj_buf *out, const struct tj_span *s)
{
    for (size_t i = 0; i < s->link_count; i++) {
        struct tj_buf link = child(out);
        const struct tj_link *l = &s->links[i];
        tj_str head = tj_str_printf(out->arena, "links.%zu.", i);
        tj_pb_put_bytes(&link, 1,
                        tj_str_make((const char *)l->trace_id.bytes,
                                    sizeof l->trace_id.bytes));
        tj_pb_put_bytes(&link, 2,
                        tj_str_make((const char *)l->span_id.bytes,
                                    sizeof l->span_id.bytes));
        put_pairs(&link, 4, s, head);
        put_message(out, 13, &link);
    }
}

static void put_status(struct tj_buf *out, const struct tj_span *s)
{
    static const uint64_t codes[] = {
        [TJ_STATUS_UNSET] = 0, [TJ_STATUS_OK] = 1, [TJ_STATUS_ERROR] = 2};
    struct tj_buf status = child(out);
    if (s->status_message.len)
        tj_pb_put_bytes(&status, 2, s->status_message);
    tj_pb_put_varint(&status, 3, codes[s->status]);
    put_message(out, 15, &status);
}

static void put_span(struct tj_buf *out, const struct tj_span *s)
{
    struct tj_buf span = child(out);
    tj_pb_put_bytes(
        &span, 1,
        tj_str_make((const char *)s->trace_id.bytes, sizeof s->trace_id.bytes));
    tj_pb_put_bytes(
        &span, 2,
        tj_str_make((const char *)s->span_id.bytes, sizeof s->span_id.bytes));
    if (s->trace_state.len)
        tj_pb_put_bytes(&span, 3, s->trace_state);
    if (!tj_span_id_is_none(s->parent_id))
        tj_pb_put_bytes(&span, 4,
                        tj_str_make((const char *)s->parent_id.bytes,
                                    sizeof s->parent_id.bytes));
    tj_pb_put_bytes(&span, 5, s->name);
    tj_pb_put_varint(&span, 6, s->otel_kind);
    tj_pb_put_fixed64(&span, 7, s->start);
    tj_pb_put_fixed64(&span, 8, s->end);
    put_pairs(&span, 9, s, TJ_STR("attributes."));
    put_kind(&span, s);
    put_events(&span, s);
    put_links(&span, s);
    put_status(&span, s);
    put_message(out, 2, &span);
}

bool tj_otlp_pb_write(const struct tj_span *spans, const int32_t *next,
                      int32_t first, struct tj_buf *out, struct tj_err *err)
{
    struct tj_buf scope_spans = child(out);
    struct tj_buf resource_spans = child(out);
    for (int32_t i = first; i != TJ_OTLP_END && !scope_spans.full; i = next[i])
        put_span(&scope_spans, &spans[i]);
    put_message(&resource_spans, 2, &scope_spans);
    put_message(out, 1, &resource_spans);
    return tj_buf_ok(out, "OTLP request", err);
}
