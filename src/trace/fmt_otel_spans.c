/* fmt_otel_spans.c - spans as OpenTelemetry's SDKs print them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What console exporters, in-memory exporters of tests and Phoenix write: one
 * object per span, in an array, in {"spans": [...]}, or one after the other.
 *
 *     JavaScript  {"name", "spanContext": {"traceId", "spanId"},
 *                  "parentSpanContext" | "parentSpanId", "attributes": {},
 *                  "startTime": [s, ns], "endTime" | "duration", "events",
 *                  "links", "status": {"code"}, "kind": 0...4}
 *     its console {"traceId", "id", "parentId", "timestamp", "duration" (us)}
 *     Python      {"name", "context": {"trace_id": "0x...", "span_id"},
 *                  "parent_id", "start_time" (ISO), "status":
 *                  {"status_code"}, "kind": "SpanKind.CLIENT", "resource"}
 *     Phoenix     the same with "status_code", "status_message", "span_kind"
 */
#include "base/limits.h"
#include "text/plain.h"
#include "trace/fmt.h"

/* The first of several spellings that is there and not null. */
static const struct tj_json *first_of(const struct tj_json *v,
                                      const char *const *keys)
{
    for (; *keys; keys++) {
        const struct tj_json *found = tj_json_find(v, tj_str_c(*keys));
        if (!tj_json_is_null(found))
            return found;
    }
    return NULL;
}
#define FIRST(v, ...) first_of((v), (const char *const[]){__VA_ARGS__, NULL})

static const struct tj_json *context_of(const struct tj_json *v)
{
    const struct tj_json *context =
        FIRST(v, "spanContext", "context", "span_context");
    return tj_json_is_object(context) ? context : v;
}

static tj_str trace_id_of(const struct tj_json *context)
{
    return tj_json_str(FIRST(context, "traceId", "trace_id"));
}

static tj_str span_id_of(const struct tj_json *context)
{
    return tj_json_str(FIRST(context, "spanId", "span_id", "id"));
}

static tj_str parent_id_of(const struct tj_json *v)
{
    const struct tj_json *context = FIRST(v, "parentSpanContext", "parent");
    if (tj_json_is_object(context))
        return span_id_of(context_of(context));
    return tj_json_str(
        FIRST(v, "parentSpanId", "parent_span_id", "parentId", "parent_id"));
}

static tj_time us_to_ns(const struct tj_json *v)
{
    uint64_t us = 0;
    bool ok = tj_json_u64_loose(v, &us) && us <= UINT64_MAX / 1000;
    return ok ? us * 1000 : 0;
}

/* JavaScript's console has microseconds under names of its own. */
static void read_times(const struct tj_json *v, struct tj_span *s)
{
    const struct tj_json *start =
        FIRST(v, "startTime", "start_time", "startTimeUnixNano",
              "start_time_unix_nano");
    const struct tj_json *duration = FIRST(v, "duration");
    bool console = !start && tj_json_is_number(FIRST(v, "timestamp"));
    s->start = console ? us_to_ns(FIRST(v, "timestamp")) : tj_fmt_time(start);
    s->end = tj_fmt_time(FIRST(v, "endTime", "end_time", "endTimeUnixNano",
                               "end_time_unix_nano"));
    if (s->end || !s->start || !duration)
        return;
    uint64_t ns = console ? us_to_ns(duration) : tj_fmt_time(duration);
    if (ns <= UINT64_MAX - s->start)
        s->end = s->start + ns;
}

static void read_status(const struct tj_json *v, struct tj_span *s)
{
    const struct tj_json *status = FIRST(v, "status");
    if (!tj_json_is_object(status)) {
        s->status = tj_fmt_status(status ? status : FIRST(v, "status_code"));
        s->status_message =
            tj_json_str(FIRST(v, "status_message", "statusMessage"));
        return;
    }
    s->status = tj_fmt_status(status);
    s->status_message = tj_json_str(FIRST(status, "message", "description"));
}

/* JavaScript counts kinds from 0 (INTERNAL), OTLP from 1. */
static void read_kind(const struct tj_json *v, struct tj_span *s)
{
    const struct tj_json *kind = FIRST(v, "kind");
    int64_t code = 0;
    if (tj_json_i64(kind, &code))
        s->otel_kind = code >= 0 && code <= 4 ? (uint8_t)(code + 1) : 0;
    else
        s->otel_kind = tj_fmt_otel_kind(kind);
    tj_str word = tj_json_str(FIRST(v, "span_kind"));
    enum tj_kind known = TJ_KIND_UNKNOWN;
    if (tj_kind_parse(word, &known))
        s->kind = known;
}

static void put_events(struct tj_build *b, const struct tj_json *list)
{
    tj_json_each (list, item) {
        tj_build_event(
            b, tj_json_find_str(item, TJ_STR("name")),
            tj_fmt_time(FIRST(item, "time", "timestamp", "timeUnixNano")));
        struct tj_json_members m = tj_json_members(FIRST(item, "attributes"));
        while (tj_json_member(&m))
            tj_build_event_attr(b, m.key, m.value);
    }
}

static void put_links(struct tj_build *b, const struct tj_json *list)
{
    tj_json_each (list, item) {
        const struct tj_json *context = context_of(item);
        tj_trace_id trace = {0};
        tj_span_id span = {0};
        (void)tj_fmt_trace_id(trace_id_of(context), &trace);
        (void)tj_fmt_span_id(span_id_of(context), &span);
        tj_build_link(b, trace, span);
        struct tj_json_members m = tj_json_members(FIRST(item, "attributes"));
        while (tj_json_member(&m))
            tj_build_link_attr(b, m.key, m.value);
    }
}

static tj_str plain(struct tj_arena *a, const struct tj_json *v)
{
    struct tj_buf b;
    tj_buf_init(&b, a, TJ_IMPORT_BYTES_MAX);
    if (tj_json_is_object(v))
        tj_plain_write(&b, v);
    return tj_buf_str(&b);
}

static void set_resource(struct tj_build *b, const struct tj_json *v)
{
    const struct tj_json *resource = FIRST(v, "resource");
    const struct tj_json *scope =
        FIRST(v, "instrumentationScope", "instrumentation_scope",
              "instrumentationLibrary", "instrumentation_info");
    if (!resource && !scope)
        return;
    const struct tj_json *attributes =
        FIRST(resource, "attributes", "_attributes");
    struct tj_arena scratch = {0};
    struct tj_fmt_scope s = {
        .resource = plain(&scratch, attributes ? attributes : resource),
        .name = tj_json_find_str(scope, TJ_STR("name")),
        .version = tj_json_find_str(scope, TJ_STR("version")),
        .attributes = plain(&scratch, FIRST(scope, "attributes"))};
    tj_fmt_set_resource(b, &s);
    tj_arena_release(&scratch);
}

static void put_span(struct tj_build *b, struct tj_batch *batch,
                     const struct tj_json *v)
{
    const struct tj_json *context = context_of(v);
    set_resource(b, v);
    struct tj_span *s = tj_fmt_open(b, batch, trace_id_of(context),
                                    span_id_of(context), parent_id_of(v));
    if (!s)
        return;
    s->name = tj_json_find_str(v, TJ_STR("name"));
    s->trace_state = tj_json_str(FIRST(v, "traceState"));
    read_times(v, s);
    read_status(v, s);
    read_kind(v, s);
    struct tj_json_members m = tj_json_members(FIRST(v, "attributes"));
    while (tj_json_member(&m))
        tj_build_attr(b, m.key, m.value);
    put_events(b, FIRST(v, "events"));
    put_links(b, FIRST(v, "links"));
    tj_build_end(b);
}

static const struct tj_json *spans_of(const struct tj_json *doc)
{
    const struct tj_json *spans = FIRST(doc, "spans", "data");
    return tj_json_is_array(spans) ? spans : doc;
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    const struct tj_json *spans = spans_of(doc);
    if (tj_json_is_object(spans)) {
        put_span(b, batch, spans);
        return true;
    }
    size_t i = 0;
    tj_json_each (spans, span) {
        if (!tj_json_is_object(span))
            return tj_fail(err, TJ_E_INPUT,
                           "span %zu: expected object, found %s", i,
                           tj_json_type_name(tj_json_type(span)));
        put_span(b, batch, span);
        i++;
    }
    return true;
}

/* Ids, a name and an object of attributes; `id` alone is too common. */
static bool matches(const struct tj_json *doc)
{
    const struct tj_json *v = spans_of(doc);
    if (tj_json_is_array(v))
        v = tj_json_item(v, 0);
    const struct tj_json *context = context_of(v);
    bool has_ids = trace_id_of(context).len && span_id_of(context).len;
    return has_ids && tj_json_is_string(tj_json_find(v, TJ_STR("name"))) &&
           tj_json_is_object(tj_json_find(v, TJ_STR("attributes")));
}

const struct tj_format tj_fmt_otel_spans = {
    .name = "otel-spans",
    .help = "OpenTelemetry SDK span dumps: console exporters, Phoenix",
    .matches = matches,
    .parse_json = parse,
};
