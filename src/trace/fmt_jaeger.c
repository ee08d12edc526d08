/* fmt_jaeger.c - Jaeger's JSON: its UI's download and its query service.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"data": [{"traceID", "processes": {"p1": {"serviceName", "tags"}},
 *                "spans": [{"traceID", "spanID", "operationName",
 *                  "references": [{"refType", "traceID", "spanID"}],
 *                  "startTime", "duration" (microseconds),
 *                  "tags": [{"key", "type", "value"}],
 *                  "logs": [{"timestamp", "fields": [tag]}],
 *                  "processID"}]}]}
 *
 * Jaeger got most of its spans from OpenTelemetry and keeps what it has no
 * place for in tags (otel.status_code, otel.scope.name, span.kind, error), as
 * OpenTelemetry's mapping for other formats says; they are read back from
 * there and kept as attributes as well.
 */
#include "base/limits.h"
#include "text/plain.h"
#include "trace/fmt.h"

static tj_time us_to_ns(const struct tj_json *v)
{
    uint64_t us = 0;
    bool ok = tj_json_u64_loose(v, &us) && us <= UINT64_MAX / 1000;
    return ok ? us * 1000 : 0;
}

/* -- tags ----------------------------------------------------------------- */

static const struct tj_json *find_tag(const struct tj_json *tags, tj_str key)
{
    tj_json_each (tags, tag) {
        if (tj_str_eq(tj_json_find_str(tag, TJ_STR("key")), key))
            return tj_json_find(tag, TJ_STR("value"));
    }
    return NULL;
}

/* "int64" and "float64" values come as text when they are large. */
static void put_tag(struct tj_build *b, enum tj_build_of of,
                    const struct tj_json *tag)
{
    tj_str key = tj_json_find_str(tag, TJ_STR("key"));
    tj_str type = tj_json_find_str(tag, TJ_STR("type"));
    const struct tj_json *v = tj_json_find(tag, TJ_STR("value"));
    double number = 0;
    bool is_text = tj_json_is_string(v);
    if (is_text && tj_str_eq(type, TJ_STR("binary")))
        tj_build_plain(b, of, key, TJ_FIELD_BYTES, tj_json_str(v));
    else if (is_text && tj_str_ends(type, TJ_STR("64")) &&
             tj_str_to_double(tj_json_str(v), &number))
        tj_build_plain(b, of, key, TJ_FIELD_NUMBER, tj_json_str(v));
    else if (of == TJ_OF_SPAN)
        tj_build_attr(b, key, v);
    else
        tj_build_event_attr(b, key, v);
}

/* -- processes ------------------------------------------------------------ */

static void put_member(struct tj_buf *out, tj_str key, const struct tj_json *v)
{
    tj_buf_add(out, out->len > 1 ? TJ_STR(", ") : TJ_STR(""));
    tj_plain_string(out, key);
    tj_buf_add(out, TJ_STR(": "));
    tj_plain_write_inner(out, v);
}

static void set_process(struct tj_build *b, const struct tj_json *process,
                        const struct tj_json *span_tags)
{
    struct tj_arena scratch = {0};
    struct tj_buf attributes;
    tj_buf_init(&attributes, &scratch, TJ_IMPORT_BYTES_MAX);
    tj_buf_byte(&attributes, '{');
    const struct tj_json *service =
        tj_json_find(process, TJ_STR("serviceName"));
    if (service)
        put_member(&attributes, TJ_STR("service.name"), service);
    tj_json_each (tj_json_find(process, TJ_STR("tags")), tag)
        put_member(&attributes, tj_json_find_str(tag, TJ_STR("key")),
                   tj_json_find(tag, TJ_STR("value")));
    tj_buf_byte(&attributes, '}');
    struct tj_fmt_scope scope = {
        .resource = tj_buf_str(&attributes),
        .name = tj_json_str(find_tag(span_tags, TJ_STR("otel.scope.name"))),
        .version =
            tj_json_str(find_tag(span_tags, TJ_STR("otel.scope.version")))};
    tj_fmt_set_resource(b, &scope);
    tj_arena_release(&scratch);
}

/* -- spans ---------------------------------------------------------------- */

static bool is_child_of(const struct tj_json *reference, tj_str trace_id)
{
    tj_str type = tj_json_find_str(reference, TJ_STR("refType"));
    tj_str trace = tj_json_find_str(reference, TJ_STR("traceID"));
    return tj_str_eq_fold(type, TJ_STR("CHILD_OF")) &&
           (!trace.len || tj_str_eq(trace, trace_id));
}

static const struct tj_json *find_parent(const struct tj_json *references,
                                         tj_str trace_id)
{
    tj_json_each (references, reference) {
        if (is_child_of(reference, trace_id))
            return reference;
    }
    return NULL;
}

/* All references but the parent. */
static void put_links(struct tj_build *b, const struct tj_json *references,
                      const struct tj_json *parent)
{
    tj_json_each (references, reference) {
        tj_trace_id trace = {0};
        tj_span_id span = {0};
        if (reference == parent)
            continue;
        (void)tj_fmt_trace_id(tj_json_find_str(reference, TJ_STR("traceID")),
                              &trace);
        (void)tj_fmt_span_id(tj_json_find_str(reference, TJ_STR("spanID")),
                             &span);
        tj_build_link(b, trace, span);
        tj_build_link_attr(b, TJ_STR("refType"),
                           tj_json_find(reference, TJ_STR("refType")));
    }
}

static void put_logs(struct tj_build *b, const struct tj_json *logs)
{
    tj_json_each (logs, log) {
        const struct tj_json *fields = tj_json_find(log, TJ_STR("fields"));
        tj_str name = tj_json_str(find_tag(fields, TJ_STR("event")));
        tj_build_event(b, name.len ? name : TJ_STR("log"),
                       us_to_ns(tj_json_find(log, TJ_STR("timestamp"))));
        tj_json_each (fields, field) {
            if (!tj_str_eq(tj_json_find_str(field, TJ_STR("key")),
                           TJ_STR("event")))
                put_tag(b, TJ_OF_EVENT, field);
        }
    }
}

static void read_times(const struct tj_json *v, struct tj_span *s)
{
    const struct tj_json *duration = tj_json_find(v, TJ_STR("duration"));
    uint64_t ns = us_to_ns(duration);
    s->start = us_to_ns(tj_json_find(v, TJ_STR("startTime")));
    if (s->start && duration && ns <= UINT64_MAX - s->start)
        s->end = s->start + ns;
}

static void read_status(const struct tj_json *tags, struct tj_span *s)
{
    s->status = tj_fmt_status(find_tag(tags, TJ_STR("otel.status_code")));
    s->status_message =
        tj_json_str(find_tag(tags, TJ_STR("otel.status_description")));
    const struct tj_json *error = find_tag(tags, TJ_STR("error"));
    if (s->status == TJ_STATUS_UNSET &&
        (tj_json_bool(error, false) ||
         tj_str_eq(tj_json_str(error), TJ_STR("true"))))
        s->status = TJ_STATUS_ERROR;
}

static void put_span(struct tj_build *b, struct tj_batch *batch,
                     const struct tj_json *v, const struct tj_json *processes)
{
    const struct tj_json *tags = tj_json_find(v, TJ_STR("tags"));
    const struct tj_json *references = tj_json_find(v, TJ_STR("references"));
    tj_str trace_id = tj_json_find_str(v, TJ_STR("traceID"));
    const struct tj_json *parent = find_parent(references, trace_id);
    const struct tj_json *process = tj_json_find(v, TJ_STR("process"));
    if (!process)
        process =
            tj_json_find(processes, tj_json_find_str(v, TJ_STR("processID")));
    set_process(b, process, tags);
    tj_str parent_id = parent ? tj_json_find_str(parent, TJ_STR("spanID"))
                              : tj_json_find_str(v, TJ_STR("parentSpanID"));
    struct tj_span *s = tj_fmt_open(
        b, batch, trace_id, tj_json_find_str(v, TJ_STR("spanID")), parent_id);
    if (!s)
        return;
    s->name = tj_json_find_str(v, TJ_STR("operationName"));
    s->otel_kind = tj_fmt_otel_kind(find_tag(tags, TJ_STR("span.kind")));
    read_times(v, s);
    read_status(tags, s);
    tj_json_each (tags, tag)
        put_tag(b, TJ_OF_SPAN, tag);
    const struct tj_json *warnings = tj_json_find(v, TJ_STR("warnings"));
    if (!tj_json_is_null(warnings))
        tj_build_attr(b, TJ_STR("jaeger.warnings"), warnings);
    put_logs(b, tj_json_find(v, TJ_STR("logs")));
    put_links(b, references, parent);
    tj_build_end(b);
}

/* -- traces --------------------------------------------------------------- */

static bool put_trace(struct tj_build *b, struct tj_batch *batch,
                      const struct tj_json *v, struct tj_err *err)
{
    const struct tj_json *spans = tj_json_find(v, TJ_STR("spans"));
    if (!tj_json_is_array(spans))
        return tj_fail(err, TJ_E_INPUT, "spans: expected array, found %s",
                       tj_json_type_name(tj_json_type(spans)));
    size_t i = 0;
    tj_json_each (spans, span) {
        if (!tj_json_is_object(span))
            return tj_fail(err, TJ_E_INPUT,
                           "spans %zu: expected object, found %s", i,
                           tj_json_type_name(tj_json_type(span)));
        put_span(b, batch, span, tj_json_find(v, TJ_STR("processes")));
        i++;
    }
    return true;
}

static const struct tj_json *traces_of(const struct tj_json *doc)
{
    const struct tj_json *data = tj_json_find(doc, TJ_STR("data"));
    return data ? data : doc;
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    const struct tj_json *traces = traces_of(doc);
    if (!tj_json_is_array(traces))
        return put_trace(b, batch, traces, err);
    size_t i = 0;
    tj_json_each (traces, trace) {
        if (!put_trace(b, batch, trace, err))
            return tj_err_wrap(err, "data %zu", i);
        i++;
    }
    return true;
}

static bool matches(const struct tj_json *doc)
{
    const struct tj_json *v = traces_of(doc);
    if (tj_json_is_array(v))
        v = tj_json_item(v, 0);
    const struct tj_json *span = tj_json_at(v, "spans.0");
    return tj_json_is_string(tj_json_find(v, TJ_STR("traceID"))) &&
           tj_json_is_array(tj_json_find(v, TJ_STR("spans"))) &&
           (!span || tj_json_find(span, TJ_STR("spanID")));
}

const struct tj_format tj_fmt_jaeger = {
    .name = "jaeger",
    .help = "Jaeger JSON: downloads of its UI, its query service",
    .matches = matches,
    .parse_json = parse,
};
