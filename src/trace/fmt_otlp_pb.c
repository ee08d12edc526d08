/* fmt_otlp_pb.c - OTLP/protobuf: what OpenTelemetry exporters post.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   request       1 ResourceSpans*     (also TracesData, as archives have it)
 *   ResourceSpans 1 Resource  2 ScopeSpans*  1000 (the same before 0.15)
 *   Resource      1 KeyValue*
 *   ScopeSpans    1 Scope  2 Span*
 *   Scope         1 name  2 version  3 KeyValue*
 *   Span          1 trace id  2 span id  3 trace state  4 parent id  5 name
 *                 6 kind  7 start  8 end  9 KeyValue*  10 dropped attributes
 *                 11 Event*  12 dropped events  13 Link*  14 dropped links
 *                 15 Status  16 flags
 *   Event         1 time  2 name  3 KeyValue*  4 dropped attributes
 *   Link          1 trace id  2 span id  3 trace state  4 KeyValue*
 *                 5 dropped attributes
 *   Status        2 message  3 code
 *   KeyValue      1 key  2 AnyValue
 *   AnyValue      1 string 2 bool 3 int 4 double 5 array 6 list 7 bytes
 *
 * Fields may come in any order, so a message is walked once for what it says
 * of itself and once more for what is in it.
 */
#include "base/limits.h"
#include "text/base64.h"
#include "text/pb.h"
#include "text/plain.h"
#include "trace/fmt.h"

struct reader {
    struct tj_build *build;
    struct tj_batch *batch;
    tj_str whole; /* for offsets in errors */
    struct tj_err *err;
};

static bool is_bytes(const struct tj_pb *pb, uint32_t number)
{
    return pb->number == number && pb->wire == TJ_PB_BYTES;
}

/* The end of a message: true unless it was broken. */
static bool finish(const struct reader *r, const struct tj_pb *pb)
{
    return !pb->failed || tj_pb_fail(pb, r->whole, r->err);
}

/* -- AnyValue ------------------------------------------------------------- */

struct any {
    uint32_t number; /* which of the seven; 0: none, which is null */
    uint64_t value;
    double number_value;
    tj_str bytes;
};

enum {
    ANY_STRING = 1,
    ANY_BOOL = 2,
    ANY_INT = 3,
    ANY_DOUBLE = 4,
    ANY_ARRAY = 5,
    ANY_KVLIST = 6,
    ANY_BYTES = 7,
};

static enum tj_pb_wire any_wire(uint32_t number)
{
    return number == ANY_BOOL || number == ANY_INT ? TJ_PB_VARINT
           : number == ANY_DOUBLE                  ? TJ_PB_FIXED64
                                                   : TJ_PB_BYTES;
}

static bool read_any(const struct reader *r, tj_str message, struct any *out)
{
    struct tj_pb pb = tj_pb_open(message);
    *out = (struct any){0};
    while (tj_pb_field(&pb)) {
        if (pb.number > ANY_BYTES || pb.wire != any_wire(pb.number))
            continue;
        *out = (struct any){.number = pb.number, .bytes = pb.bytes};
        out->value = pb.value;
        if (pb.number == ANY_DOUBLE)
            out->number_value = tj_pb_double(&pb);
    }
    return finish(r, &pb);
}

static bool read_pair(const struct reader *r, tj_str message, tj_str *key,
                      tj_str *value)
{
    struct tj_pb pb = tj_pb_open(message);
    *key = *value = (tj_str){0};
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, 1))
            *key = pb.bytes;
        else if (is_bytes(&pb, 2))
            *value = pb.bytes;
    }
    return finish(r, &pb);
}

static bool put_any(const struct reader *r, struct tj_buf *out, tj_str message,
                    size_t depth);

static bool fail_depth(const struct reader *r, tj_str message)
{
    return tj_fail(r->err, TJ_E_LIMIT,
                   "offset %zu: a value is nested over %d deep",
                   (size_t)(message.ptr - r->whole.ptr), TJ_PB_DEPTH_MAX);
}

static bool put_array(const struct reader *r, struct tj_buf *out,
                      tj_str message, size_t depth)
{
    struct tj_pb pb = tj_pb_open(message);
    bool first = true;
    tj_buf_byte(out, '[');
    while (tj_pb_field(&pb)) {
        if (!is_bytes(&pb, 1))
            continue;
        tj_buf_add(out, first ? TJ_STR("") : TJ_STR(", "));
        first = false;
        if (!put_any(r, out, pb.bytes, depth))
            return false;
    }
    tj_buf_byte(out, ']');
    return finish(r, &pb);
}

/* Field `number` of message holds KeyValues: a kvlist, or attributes. */
static bool put_object(const struct reader *r, struct tj_buf *out,
                       tj_str message, uint32_t number, size_t depth)
{
    struct tj_pb pb = tj_pb_open(message);
    bool first = true;
    tj_buf_byte(out, '{');
    while (tj_pb_field(&pb)) {
        tj_str key = {0};
        tj_str value = {0};
        if (!is_bytes(&pb, number))
            continue;
        if (!read_pair(r, pb.bytes, &key, &value))
            return false;
        tj_buf_add(out, first ? TJ_STR("") : TJ_STR(", "));
        first = false;
        tj_plain_string(out, key);
        tj_buf_add(out, TJ_STR(": "));
        if (!put_any(r, out, value, depth))
            return false;
    }
    tj_buf_byte(out, '}');
    return finish(r, &pb);
}

/* As it stands inside a container. */
static bool put_any(const struct reader *r, struct tj_buf *out, tj_str message,
                    size_t depth)
{
    struct any any;
    if (depth >= TJ_PB_DEPTH_MAX)
        return fail_depth(r, message);
    if (!read_any(r, message, &any))
        return false;
    switch (any.number) {
    case ANY_STRING: tj_plain_string(out, any.bytes); return true;
    case ANY_BOOL:
        tj_buf_add(out, any.value ? TJ_STR("true") : TJ_STR("false"));
        return true;
    case ANY_INT: tj_buf_i64(out, (int64_t)any.value); return true;
    case ANY_DOUBLE:
        tj_buf_add(out, tj_build_double_text(out->arena, any.number_value));
        return true;
    case ANY_ARRAY: return put_array(r, out, any.bytes, depth + 1);
    case ANY_KVLIST: return put_object(r, out, any.bytes, 1, depth + 1);
    case ANY_BYTES:
        tj_plain_string(out, tj_base64_write(out->arena, any.bytes));
        return true;
    default: tj_buf_add(out, TJ_STR("null")); return true;
    }
}

static bool put_container(const struct reader *r, enum tj_build_of of,
                          tj_str key, tj_str message)
{
    struct tj_arena scratch = {0};
    struct tj_buf buf;
    tj_buf_init(&buf, &scratch, TJ_IMPORT_BYTES_MAX);
    bool ok = put_any(r, &buf, message, 0);
    if (ok)
        tj_build_plain(r->build, of, key, TJ_FIELD_JSON,
                       tj_build_keep(r->build, tj_buf_str(&buf)));
    tj_arena_release(&scratch);
    return ok;
}

static bool put_attribute(const struct reader *r, enum tj_build_of of,
                          tj_str message)
{
    struct tj_arena *a = r->batch->arena;
    struct tj_build *b = r->build;
    tj_str key = {0};
    tj_str value = {0};
    struct any any;
    if (!read_pair(r, message, &key, &value) || !read_any(r, value, &any))
        return false;
    switch (any.number) {
    case ANY_STRING: tj_build_text(b, of, key, any.bytes); return true;
    case ANY_BOOL:
        tj_build_plain(b, of, key, TJ_FIELD_BOOL,
                       any.value ? TJ_STR("true") : TJ_STR("false"));
        return true;
    case ANY_INT:
        tj_build_plain(b, of, key, TJ_FIELD_NUMBER,
                       tj_build_i64_text(a, (int64_t)any.value));
        return true;
    case ANY_DOUBLE:
        tj_build_plain(b, of, key, TJ_FIELD_NUMBER,
                       tj_build_double_text(a, any.number_value));
        return true;
    case ANY_ARRAY:
    case ANY_KVLIST: return put_container(r, of, key, value);
    case ANY_BYTES:
        tj_build_plain(b, of, key, TJ_FIELD_BYTES,
                       tj_base64_write(a, any.bytes));
        return true;
    default:
        tj_build_plain(b, of, key, TJ_FIELD_NULL, TJ_STR("null"));
        return true;
    }
}

/* -- spans ---------------------------------------------------------------- */

/* The scalars of a span, event, link or status. */
struct head {
    tj_str trace_id;
    tj_str span_id;
    tj_str parent_id;
    tj_str trace_state;
    tj_str name;
    tj_str status;
    uint64_t kind;
    tj_time start;
    tj_time end;
    struct tj_fmt_otlp_rest rest;
};

static void read_head_number(const struct tj_pb *pb, struct head *h)
{
    switch (pb->number) {
    case 6: h->kind = pb->value; return;
    case 7: h->start = pb->value; return;
    case 8: h->end = pb->value; return;
    case 10: h->rest.dropped_attributes = pb->value; return;
    case 12: h->rest.dropped_events = pb->value; return;
    case 14: h->rest.dropped_links = pb->value; return;
    case 16: h->rest.flags = pb->value; return;
    default: return;
    }
}

static bool read_head(const struct reader *r, tj_str message, struct head *h)
{
    struct tj_pb pb = tj_pb_open(message);
    *h = (struct head){0};
    while (tj_pb_field(&pb)) {
        if (pb.wire != TJ_PB_BYTES) {
            read_head_number(&pb, h);
            continue;
        }
        switch (pb.number) {
        case 1: h->trace_id = pb.bytes; break;
        case 2: h->span_id = pb.bytes; break;
        case 3: h->trace_state = pb.bytes; break;
        case 4: h->parent_id = pb.bytes; break;
        case 5: h->name = pb.bytes; break;
        case 15: h->status = pb.bytes; break;
        default: break;
        }
    }
    return finish(r, &pb);
}

static bool read_status(const struct reader *r, tj_str message,
                        struct tj_span *s)
{
    struct tj_pb pb = tj_pb_open(message);
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, 2))
            s->status_message = pb.bytes;
        else if (pb.number == 3 && pb.wire == TJ_PB_VARINT)
            s->status = pb.value == 1   ? TJ_STATUS_OK
                        : pb.value == 2 ? TJ_STATUS_ERROR
                                        : TJ_STATUS_UNSET;
    }
    return finish(r, &pb);
}

/* Field `number` of message holds the attributes of the newest `of`. */
static bool put_attributes(const struct reader *r, enum tj_build_of of,
                           tj_str message, uint32_t number)
{
    struct tj_pb pb = tj_pb_open(message);
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, number) && !put_attribute(r, of, pb.bytes))
            return false;
    }
    return finish(r, &pb);
}

static void put_dropped(const struct reader *r, enum tj_build_of of,
                        uint64_t count)
{
    if (count)
        tj_build_plain(r->build, of, TJ_STR("otel.dropped_attributes_count"),
                       TJ_FIELD_NUMBER,
                       tj_build_u64_text(r->batch->arena, count));
}

static bool put_event(const struct reader *r, tj_str message)
{
    struct tj_pb pb = tj_pb_open(message);
    tj_str name = {0};
    tj_time time = 0;
    uint64_t dropped = 0;
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, 2))
            name = pb.bytes;
        else if (pb.number == 1 && pb.wire == TJ_PB_FIXED64)
            time = pb.value;
        else if (pb.number == 4 && pb.wire == TJ_PB_VARINT)
            dropped = pb.value;
    }
    tj_build_event(r->build, name, time);
    if (!finish(r, &pb) || !put_attributes(r, TJ_OF_EVENT, message, 3))
        return false;
    put_dropped(r, TJ_OF_EVENT, dropped);
    return true;
}

static bool put_link(const struct reader *r, tj_str message)
{
    struct tj_pb pb = tj_pb_open(message);
    tj_trace_id trace = {0};
    tj_span_id span = {0};
    tj_str state = {0};
    uint64_t dropped = 0;
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, 1))
            (void)tj_fmt_trace_id_bytes(pb.bytes, &trace);
        else if (is_bytes(&pb, 2))
            (void)tj_fmt_span_id_bytes(pb.bytes, &span);
        else if (is_bytes(&pb, 3))
            state = pb.bytes;
        else if (pb.number == 5 && pb.wire == TJ_PB_VARINT)
            dropped = pb.value;
    }
    tj_build_link(r->build, trace, span);
    if (!finish(r, &pb) || !put_attributes(r, TJ_OF_LINK, message, 4))
        return false;
    if (state.len)
        tj_build_link_attr_text(r->build, TJ_STR("otel.trace_state"), state);
    put_dropped(r, TJ_OF_LINK, dropped);
    return true;
}

/* Events, then links, wherever they stand. */
static bool put_events_and_links(const struct reader *r, tj_str message)
{
    struct tj_pb pb = tj_pb_open(message);
    bool links = false;
    while (tj_pb_field(&pb)) {
        links |= is_bytes(&pb, 13);
        if (is_bytes(&pb, 11) && !put_event(r, pb.bytes))
            return false;
    }
    if (!links)
        return finish(r, &pb);
    pb = tj_pb_open(message);
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, 13) && !put_link(r, pb.bytes))
            return false;
    }
    return finish(r, &pb);
}

static bool put_span(const struct reader *r, tj_str message)
{
    struct head h;
    if (!read_head(r, message, &h))
        return false;
    struct tj_fmt_ids ids = {0};
    ids.of_trace = tj_fmt_trace_id_bytes(h.trace_id, &ids.trace);
    ids.of_span = tj_fmt_span_id_bytes(h.span_id, &ids.span);
    ids.of_parent = tj_fmt_span_id_bytes(h.parent_id, &ids.parent);
    struct tj_span *s = tj_fmt_open_ids(r->build, r->batch, &ids);
    if (!s)
        return true;
    s->name = h.name;
    s->otel_kind = h.kind <= 5 ? (uint8_t)h.kind : 0;
    s->start = h.start;
    s->end = h.end;
    s->trace_state = h.trace_state;
    if (!read_status(r, h.status, s) ||
        !put_attributes(r, TJ_OF_SPAN, message, 9))
        return false;
    tj_fmt_otlp_put_rest(r->build, r->batch->arena, &h.rest);
    if (!put_events_and_links(r, message))
        return false;
    tj_build_end(r->build);
    return true;
}

/* -- resources and scopes ------------------------------------------------- */

/* The last field `number` of message; empty when there is none. */
static bool find_bytes(const struct reader *r, tj_str message, uint32_t number,
                       tj_str *out)
{
    struct tj_pb pb = tj_pb_open(message);
    *out = (tj_str){0};
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, number))
            *out = pb.bytes;
    }
    return finish(r, &pb);
}

static bool set_resource(const struct reader *r, tj_str resource, tj_str scope)
{
    struct tj_arena scratch = {0};
    struct tj_fmt_scope s = {0};
    struct tj_buf attributes;
    struct tj_buf scope_attributes;
    tj_buf_init(&attributes, &scratch, TJ_IMPORT_BYTES_MAX);
    tj_buf_init(&scope_attributes, &scratch, TJ_IMPORT_BYTES_MAX);
    bool ok = find_bytes(r, scope, 1, &s.name) &&
              find_bytes(r, scope, 2, &s.version) &&
              put_object(r, &attributes, resource, 1, 0) &&
              put_object(r, &scope_attributes, scope, 3, 0);
    s.resource = tj_buf_str(&attributes);
    s.attributes = tj_buf_str(&scope_attributes);
    if (ok)
        tj_fmt_set_resource(r->build, &s);
    tj_arena_release(&scratch);
    return ok;
}

static bool put_scope_spans(const struct reader *r, tj_str resource,
                            tj_str message)
{
    tj_str scope = {0};
    if (!find_bytes(r, message, 1, &scope) || !set_resource(r, resource, scope))
        return false;
    struct tj_pb pb = tj_pb_open(message);
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, 2) && !put_span(r, pb.bytes))
            return false;
    }
    return finish(r, &pb);
}

enum { SCOPE_SPANS = 2, LIBRARY_SPANS = 1000 };

static bool put_resource_spans(const struct reader *r, tj_str message)
{
    tj_str resource = {0};
    if (!find_bytes(r, message, 1, &resource))
        return false;
    struct tj_pb pb = tj_pb_open(message);
    while (tj_pb_field(&pb)) {
        bool holds_spans =
            is_bytes(&pb, SCOPE_SPANS) || is_bytes(&pb, LIBRARY_SPANS);
        if (holds_spans && !put_scope_spans(r, resource, pb.bytes))
            return false;
    }
    return finish(r, &pb);
}

static bool parse(tj_str bytes, struct tj_build *b, struct tj_batch *batch,
                  struct tj_err *err)
{
    struct reader r = {.build = b, .batch = batch, .whole = bytes, .err = err};
    struct tj_pb pb = tj_pb_open(bytes);
    while (tj_pb_field(&pb)) {
        if (is_bytes(&pb, 1) && !put_resource_spans(&r, pb.bytes))
            return false;
    }
    return finish(&r, &pb);
}

/* -- is it? --------------------------------------------------------------- */

/* Every field of message is BYTES with a number in [1, most] or `old`. */
static bool has_only(tj_str message, uint32_t most, uint32_t old)
{
    struct tj_pb pb = tj_pb_open(message);
    while (tj_pb_field(&pb)) {
        if (pb.wire != TJ_PB_BYTES || (pb.number > most && pb.number != old))
            return false;
    }
    return !pb.failed;
}

/* Protobuf has no magic, so the first levels must be exactly those of a
 * request.  Text never gets this far: its "lengths" do not add up. */
static bool matches(tj_str bytes)
{
    if (!bytes.len || bytes.ptr[0] != (1 << 3 | TJ_PB_BYTES) ||
        !has_only(bytes, 1, 1))
        return false;
    struct tj_pb pb = tj_pb_open(bytes);
    while (tj_pb_field(&pb)) {
        if (!has_only(pb.bytes, 3, LIBRARY_SPANS))
            return false;
    }
    return true;
}

const struct tj_format tj_fmt_otlp_pb = {
    .name = "otlp-pb",
    .help = "OpenTelemetry OTLP protobuf: exporters, MLflow archives",
    .matches_bytes = matches,
    .parse_bytes = parse,
};
