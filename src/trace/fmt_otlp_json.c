/* fmt_otlp_json.c - OTLP/JSON: what OpenTelemetry exporters post and write.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"resourceSpans": [            resource_spans; Tempo says "batches"
 *       {"resource": {"attributes": [{"key", "value": AnyValue}]},
 *        "scopeSpans": [             instrumentationLibrarySpans before 0.15
 *          {"scope": {"name", "version", "attributes"},
 *           "spans": [{"traceId", "spanId", "parentSpanId", "name", "kind",
 *                      "startTimeUnixNano", "endTimeUnixNano", "attributes",
 *                      "events", "links", "status", "traceState", "flags",
 *                      "droppedAttributesCount", ...}]}]}]}
 *
 *     AnyValue: {"stringValue"} {"boolValue"} {"intValue"} {"doubleValue"}
 *               {"bytesValue"} {"arrayValue": {"values": [AnyValue]}}
 *               {"kvlistValue": {"values": [{"key", "value": AnyValue}]}}
 *
 * Every name may come in snake_case as well, 64-bit integers as text or
 * numbers, enums as numbers or names, ids as hex or (protobuf's own JSON)
 * base64.  Unknown members are ignored, as the specification wants.
 */
#include "base/limits.h"
#include "text/plain.h"
#include "trace/fmt.h"

/* -- AnyValue ------------------------------------------------------------- */

enum any_type {
    ANY_NONE,
    ANY_STRING,
    ANY_BOOL,
    ANY_INT,
    ANY_DOUBLE,
    ANY_BYTES,
    ANY_ARRAY,
    ANY_KVLIST,
};

static enum any_type any_type_of(tj_str key)
{
    static const struct {
        const char *camel;
        const char *snake;
        enum any_type type;
    } names[] = {
        {"stringValue", "string_value", ANY_STRING},
        {"intValue", "int_value", ANY_INT},
        {"boolValue", "bool_value", ANY_BOOL},
        {"doubleValue", "double_value", ANY_DOUBLE},
        {"arrayValue", "array_value", ANY_ARRAY},
        {"kvlistValue", "kvlist_value", ANY_KVLIST},
        {"bytesValue", "bytes_value", ANY_BYTES},
    };
    for (size_t i = 0; i < TJ_COUNT(names); i++) {
        if (tj_str_eq(key, tj_str_c(names[i].camel)) ||
            tj_str_eq(key, tj_str_c(names[i].snake)))
            return names[i].type;
    }
    return ANY_NONE;
}

/* The one member that counts. */
static enum any_type any_value(const struct tj_json *any,
                               const struct tj_json **value)
{
    struct tj_json_members m = tj_json_members(any);
    while (tj_json_member(&m)) {
        enum any_type type = any_type_of(m.key);
        if (type != ANY_NONE) {
            *value = m.value;
            return type;
        }
    }
    return ANY_NONE;
}

/* Text of an int or double, which may have come as a string. */
static tj_str number_text(const struct tj_json *v)
{
    return tj_json_is_string(v) ? tj_json_str(v) : tj_json_number_text(v);
}

static tj_str double_text(const struct tj_json *v, struct tj_arena *a)
{
    double d = 0;
    if (tj_json_double(v, &d) || tj_str_to_double(tj_json_str(v), &d))
        return tj_build_double_text(a, d);
    return number_text(v);
}

/* Is it what a number in plain text may look like? */
static bool is_number_text(tj_str text)
{
    double d = 0;
    return tj_str_to_double(text, &d) || tj_str_eq(text, TJ_STR("NaN")) ||
           tj_str_eq(text, TJ_STR("Infinity")) ||
           tj_str_eq(text, TJ_STR("-Infinity"));
}

static void put_number(struct tj_buf *out, tj_str text)
{
    if (is_number_text(text))
        tj_buf_add(out, text);
    else
        tj_plain_string(out, text);
}

static void put_any(struct tj_buf *out, const struct tj_json *any,
                    size_t depth);

static const struct tj_json *values_of(const struct tj_json *v)
{
    return tj_json_is_array(v) ? v : tj_json_find(v, TJ_STR("values"));
}

static void put_array(struct tj_buf *out, const struct tj_json *v, size_t depth)
{
    const struct tj_json *values = values_of(v);
    tj_buf_byte(out, '[');
    bool first = true;
    tj_json_each (values, item) {
        tj_buf_add(out, first ? TJ_STR("") : TJ_STR(", "));
        put_any(out, item, depth + 1);
        first = false;
    }
    tj_buf_byte(out, ']');
}

static void put_kvlist(struct tj_buf *out, const struct tj_json *v,
                       size_t depth)
{
    const struct tj_json *values = values_of(v);
    tj_buf_byte(out, '{');
    bool first = true;
    tj_json_each (values, item) {
        tj_buf_add(out, first ? TJ_STR("") : TJ_STR(", "));
        tj_plain_string(out, tj_json_find_str(item, TJ_STR("key")));
        tj_buf_add(out, TJ_STR(": "));
        put_any(out, tj_json_find(item, TJ_STR("value")), depth + 1);
        first = false;
    }
    tj_buf_byte(out, '}');
}

/* As it stands inside a container.  The JSON reader's depth bounds ours. */
static void put_any(struct tj_buf *out, const struct tj_json *any, size_t depth)
{
    assert(depth <= TJ_JSON_DEPTH_MAX);
    const struct tj_json *v = NULL;
    switch (any_value(any, &v)) {
    case ANY_STRING:
    case ANY_BYTES: tj_plain_string(out, tj_json_str(v)); return;
    case ANY_INT: put_number(out, number_text(v)); return;
    case ANY_DOUBLE: put_number(out, double_text(v, out->arena)); return;
    case ANY_BOOL:
        tj_buf_add(out,
                   tj_json_bool(v, false) ? TJ_STR("true") : TJ_STR("false"));
        return;
    case ANY_ARRAY: put_array(out, v, depth); return;
    case ANY_KVLIST: put_kvlist(out, v, depth); return;
    case ANY_NONE: break;
    }
    /* An empty AnyValue is null; anything else is somebody's plain JSON. */
    if (tj_json_is_object(any) && tj_json_count(any) == 0)
        tj_buf_add(out, TJ_STR("null"));
    else
        tj_plain_write_inner(out, any);
}

static void put_container(struct tj_build *b, enum tj_build_of of, tj_str key,
                          const struct tj_json *any)
{
    struct tj_arena scratch = {0};
    struct tj_buf buf;
    tj_buf_init(&buf, &scratch, TJ_IMPORT_BYTES_MAX);
    put_any(&buf, any, 0);
    tj_build_plain(b, of, key, TJ_FIELD_JSON,
                   tj_build_keep(b, tj_buf_str(&buf)));
    tj_arena_release(&scratch);
}

static void put_plain_json(struct tj_build *b, enum tj_build_of of, tj_str key,
                           const struct tj_json *v)
{
    if (tj_json_is_object(v) && tj_json_count(v) == 0)
        v = NULL;
    switch (of) {
    case TJ_OF_SPAN: tj_build_attr(b, key, v); return;
    case TJ_OF_EVENT: tj_build_event_attr(b, key, v); return;
    case TJ_OF_LINK: tj_build_link_attr(b, key, v); return;
    }
}

static void put_attribute(const struct tj_fmt_otlp *otlp, enum tj_build_of of,
                          tj_str key, const struct tj_json *any)
{
    struct tj_build *b = otlp->build;
    const struct tj_json *v = NULL;
    switch (any_value(any, &v)) {
    case ANY_STRING:
        if (of == TJ_OF_SPAN && otlp->attr_text)
            otlp->attr_text(otlp, key, tj_json_str(v));
        else
            tj_build_text(b, of, key, tj_json_str(v));
        return;
    case ANY_INT:
        tj_build_plain(b, of, key, TJ_FIELD_NUMBER, number_text(v));
        return;
    case ANY_DOUBLE:
        tj_build_plain(b, of, key, TJ_FIELD_NUMBER,
                       double_text(v, otlp->batch->arena));
        return;
    case ANY_BOOL:
        tj_build_plain(b, of, key, TJ_FIELD_BOOL,
                       tj_json_bool(v, false) ? TJ_STR("true")
                                              : TJ_STR("false"));
        return;
    case ANY_BYTES:
        tj_build_plain(b, of, key, TJ_FIELD_BYTES, tj_json_str(v));
        return;
    case ANY_ARRAY:
    case ANY_KVLIST: put_container(b, of, key, any); return;
    case ANY_NONE: put_plain_json(b, of, key, any); return;
    }
}

static void put_attributes(const struct tj_fmt_otlp *otlp, enum tj_build_of of,
                           const struct tj_json *list)
{
    tj_json_each (list, item) {
        const struct tj_json *value = NULL;
        tj_str key = {0};
        struct tj_json_members m = tj_json_members(item);
        while (tj_json_member(&m)) {
            if (tj_str_eq(m.key, TJ_STR("key")))
                key = tj_json_str(m.value);
            else if (tj_str_eq(m.key, TJ_STR("value")))
                value = m.value;
        }
        put_attribute(otlp, of, key, value);
    }
}

/* -- spans ---------------------------------------------------------------- */

#define PARTS(X)                                                               \
    X(trace_id, "traceId", "trace_id")                                         \
    X(span_id, "spanId", "span_id")                                            \
    X(parent_id, "parentSpanId", "parent_span_id")                             \
    X(name, "name", "name")                                                    \
    X(kind, "kind", "kind")                                                    \
    X(start, "startTimeUnixNano", "start_time_unix_nano")                      \
    X(end, "endTimeUnixNano", "end_time_unix_nano")                            \
    X(attributes, "attributes", "attributes")                                  \
    X(events, "events", "events")                                              \
    X(links, "links", "links")                                                 \
    X(status, "status", "status")                                              \
    X(trace_state, "traceState", "trace_state")                                \
    X(flags, "flags", "flags")                                                 \
    X(dropped_attributes, "droppedAttributesCount",                            \
      "dropped_attributes_count")                                              \
    X(dropped_events, "droppedEventsCount", "dropped_events_count")            \
    X(dropped_links, "droppedLinksCount", "dropped_links_count")               \
    X(time, "timeUnixNano", "time_unix_nano")

/* The members of a span, event or link that we know. */
struct parts {
#define X(name, camel, snake) const struct tj_json *name;
    PARTS(X)
#undef X
};

/* One pass over the members instead of a search for each. */
static struct parts read_parts(const struct tj_json *v)
{
    struct parts p = {0};
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
#define X(name, camel, snake)                                                  \
    if (tj_str_eq(m.key, TJ_STR(camel)) || tj_str_eq(m.key, TJ_STR(snake))) {  \
        p.name = m.value;                                                      \
        continue;                                                              \
    }
        PARTS(X)
#undef X
    }
    return p;
}

static uint64_t count_of(const struct tj_json *v)
{
    uint64_t n = 0;
    return tj_json_u64_loose(v, &n) ? n : 0;
}

static void put_count(struct tj_build *b, enum tj_build_of of, const char *key,
                      uint64_t count, struct tj_arena *a)
{
    if (count)
        tj_build_plain(b, of, tj_str_c(key), TJ_FIELD_NUMBER,
                       tj_build_u64_text(a, count));
}

/* Flags say in bit 0 that a span was sampled, as every exported one was, and
 * in bit 8 that bit 9 (the parent is remote) means something. */
enum { FLAGS_WITHOUT_NEWS = 0x101 };

void tj_fmt_otlp_put_rest(struct tj_build *b, struct tj_arena *a,
                          const struct tj_fmt_otlp_rest *rest)
{
    if (rest->flags & ~(uint64_t)FLAGS_WITHOUT_NEWS)
        put_count(b, TJ_OF_SPAN, "otel.flags", rest->flags, a);
    put_count(b, TJ_OF_SPAN, "otel.dropped_attributes_count",
              rest->dropped_attributes, a);
    put_count(b, TJ_OF_SPAN, "otel.dropped_events_count", rest->dropped_events,
              a);
    put_count(b, TJ_OF_SPAN, "otel.dropped_links_count", rest->dropped_links,
              a);
}

static void put_events(const struct tj_fmt_otlp *otlp,
                       const struct tj_json *list)
{
    tj_json_each (list, item) {
        struct parts p = read_parts(item);
        tj_build_event(otlp->build, tj_json_str(p.name), tj_fmt_time(p.time));
        put_attributes(otlp, TJ_OF_EVENT, p.attributes);
        put_count(otlp->build, TJ_OF_EVENT, "otel.dropped_attributes_count",
                  count_of(p.dropped_attributes), otlp->batch->arena);
    }
}

static void put_links(const struct tj_fmt_otlp *otlp,
                      const struct tj_json *list)
{
    tj_json_each (list, item) {
        struct parts p = read_parts(item);
        tj_trace_id trace = {0};
        tj_span_id span = {0};
        (void)tj_fmt_trace_id(tj_json_str(p.trace_id), &trace);
        (void)tj_fmt_span_id(tj_json_str(p.span_id), &span);
        tj_build_link(otlp->build, trace, span);
        put_attributes(otlp, TJ_OF_LINK, p.attributes);
        if (tj_json_str(p.trace_state).len)
            tj_build_link_attr_text(otlp->build, TJ_STR("otel.trace_state"),
                                    tj_json_str(p.trace_state));
        put_count(otlp->build, TJ_OF_LINK, "otel.dropped_attributes_count",
                  count_of(p.dropped_attributes), otlp->batch->arena);
    }
}

void tj_fmt_otlp_span(const struct tj_fmt_otlp *otlp, const struct tj_json *v)
{
    struct parts p = read_parts(v);
    struct tj_span *s =
        tj_fmt_open(otlp->build, otlp->batch, tj_json_str(p.trace_id),
                    tj_json_str(p.span_id), tj_json_str(p.parent_id));
    if (!s)
        return;
    s->name = tj_json_str(p.name);
    s->otel_kind = tj_fmt_otel_kind(p.kind);
    s->start = tj_fmt_time(p.start);
    s->end = tj_fmt_time(p.end);
    s->trace_state = tj_json_str(p.trace_state);
    s->status = tj_fmt_status(p.status);
    s->status_message = tj_json_find_str(p.status, TJ_STR("message"));
    put_attributes(otlp, TJ_OF_SPAN, p.attributes);
    struct tj_fmt_otlp_rest rest = {
        .flags = count_of(p.flags),
        .dropped_attributes = count_of(p.dropped_attributes),
        .dropped_events = count_of(p.dropped_events),
        .dropped_links = count_of(p.dropped_links)};
    tj_fmt_otlp_put_rest(otlp->build, otlp->batch->arena, &rest);
    put_events(otlp, p.events);
    put_links(otlp, p.links);
    tj_build_end(otlp->build);
}

/* -- resources and scopes ------------------------------------------------- */

static const struct tj_json *resource_spans_of(const struct tj_json *doc)
{
    const struct tj_json *v =
        tj_fmt_either(doc, TJ_STR("resourceSpans"), TJ_STR("resource_spans"));
    return v ? v : tj_json_find(doc, TJ_STR("batches"));
}

static const struct tj_json *scope_spans_of(const struct tj_json *v)
{
    const struct tj_json *s =
        tj_fmt_either(v, TJ_STR("scopeSpans"), TJ_STR("scope_spans"));
    return s ? s
             : tj_fmt_either(v, TJ_STR("instrumentationLibrarySpans"),
                             TJ_STR("instrumentation_library_spans"));
}

static const struct tj_json *scope_of(const struct tj_json *v)
{
    const struct tj_json *s = tj_json_find(v, TJ_STR("scope"));
    return s ? s
             : tj_fmt_either(v, TJ_STR("instrumentationLibrary"),
                             TJ_STR("instrumentation_library"));
}

static void put_attribute_object(struct tj_buf *out, const struct tj_json *list)
{
    bool first = true;
    tj_buf_byte(out, '{');
    tj_json_each (list, item) {
        tj_buf_add(out, first ? TJ_STR("") : TJ_STR(", "));
        tj_plain_string(out, tj_json_find_str(item, TJ_STR("key")));
        tj_buf_add(out, TJ_STR(": "));
        put_any(out, tj_json_find(item, TJ_STR("value")), 0);
        first = false;
    }
    tj_buf_byte(out, '}');
}

static void set_resource(const struct tj_fmt_otlp *otlp,
                         const struct tj_json *resource,
                         const struct tj_json *scope)
{
    struct tj_arena scratch = {0};
    struct tj_buf attributes;
    struct tj_buf scope_attributes;
    tj_buf_init(&attributes, &scratch, TJ_IMPORT_BYTES_MAX);
    tj_buf_init(&scope_attributes, &scratch, TJ_IMPORT_BYTES_MAX);
    put_attribute_object(&attributes,
                         tj_json_find(resource, TJ_STR("attributes")));
    put_attribute_object(&scope_attributes,
                         tj_json_find(scope, TJ_STR("attributes")));
    struct tj_fmt_scope s = {.resource = tj_buf_str(&attributes),
                             .name = tj_json_find_str(scope, TJ_STR("name")),
                             .version =
                                 tj_json_find_str(scope, TJ_STR("version")),
                             .attributes = tj_buf_str(&scope_attributes)};
    tj_fmt_set_resource(otlp->build, &s);
    tj_arena_release(&scratch);
}

static bool fail_type(const char *what, const char *want,
                      const struct tj_json *v, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT, "%s: expected %s, found %s", what, want,
                   tj_json_type_name(tj_json_type(v)));
}

static bool parse_scope_spans(const struct tj_fmt_otlp *otlp,
                              const struct tj_json *v, struct tj_err *err)
{
    const struct tj_json *spans = tj_json_find(v, TJ_STR("spans"));
    if (!tj_json_is_null(spans) && !tj_json_is_array(spans))
        return fail_type("spans", "array", spans, err);
    size_t i = 0;
    tj_json_each (spans, span) {
        if (!tj_json_is_object(span))
            return fail_type("span", "object", span, err) ||
                   tj_err_wrap(err, "item %zu", i);
        tj_fmt_otlp_span(otlp, span);
        i++;
    }
    return true;
}

static bool parse_resource_spans(const struct tj_fmt_otlp *otlp,
                                 const struct tj_json *v, struct tj_err *err)
{
    const struct tj_json *list = scope_spans_of(v);
    if (!tj_json_is_null(list) && !tj_json_is_array(list))
        return fail_type("scopeSpans", "array", list, err);
    size_t i = 0;
    tj_json_each (list, item) {
        set_resource(otlp, tj_json_find(v, TJ_STR("resource")), scope_of(item));
        if (!parse_scope_spans(otlp, item, err))
            return tj_err_wrap(err, "scopeSpans %zu", i);
        i++;
    }
    return true;
}

static bool parse_request(const struct tj_fmt_otlp *otlp,
                          const struct tj_json *doc, struct tj_err *err)
{
    if (!tj_json_is_object(doc))
        return fail_type("OTLP request", "object", doc, err);
    /* Tempo's trace-by-id answer wraps the whole in "trace". */
    const struct tj_json *inner = tj_json_find(doc, TJ_STR("trace"));
    const struct tj_json *list =
        resource_spans_of(tj_json_is_object(inner) ? inner : doc);
    if (!tj_json_is_null(list) && !tj_json_is_array(list))
        return fail_type("resourceSpans", "array", list, err);
    size_t i = 0;
    tj_json_each (list, item) {
        if (!tj_json_is_object(item))
            return fail_type("resourceSpans", "object", item, err);
        if (!parse_resource_spans(otlp, item, err))
            return tj_err_wrap(err, "resourceSpans %zu", i);
        i++;
    }
    return true;
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    struct tj_fmt_otlp otlp = {.build = b, .batch = batch};
    if (!tj_json_is_array(doc))
        return parse_request(&otlp, doc, err);
    size_t i = 0;
    tj_json_each (doc, item) {
        if (!parse_request(&otlp, item, err))
            return tj_err_wrap(err, "request %zu", i);
        i++;
    }
    return true;
}

static bool matches(const struct tj_json *doc)
{
    if (tj_json_is_array(doc))
        doc = tj_json_first(doc);
    const struct tj_json *inner = tj_json_find(doc, TJ_STR("trace"));
    return tj_json_is_array(resource_spans_of(doc)) ||
           tj_json_is_array(resource_spans_of(inner));
}

const struct tj_format tj_fmt_otlp_json = {
    .name = "otlp-json",
    .help = "OpenTelemetry OTLP/JSON: exporters, collector files, Tempo",
    .matches = matches,
    .parse_json = parse,
};
