/* fmt_mlflow.c - traces as MLflow writes them.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"spans": [SPAN]}                             traces.json, artifacts
 *     {"info": INFO, "data": {"spans": [SPAN]}}     Trace.to_json()
 *     {"trace": {"trace_info": INFO, "spans": [OTLP span]}}   REST
 *     {"traces": [{"trace_info": ..., "spans": ...}]}
 *
 *     SPAN: {"trace_id", "span_id", "parent_span_id" (base64), "name",
 *            "start_time_unix_nano", "status": {"code", "message"},
 *            "attributes": {key: JSON text}, "events": [{"time_unix_nano"}]}
 *     before 3.0: {"context": {"trace_id", "span_id"} ("0x..."), "parent_id",
 *            "start_time" (ns), "status_code", "events": [{"timestamp"}]}
 *
 * Every attribute is JSON inside a string, and some exporters sent JSON text
 * already, so a second layer is taken off where it holds a string, object or
 * array, as MLflow itself does.  A number inside a string stays a string.  The
 * TypeScript SDK alone writes attributes as they are.
 */
#include "base/limits.h"
#include "text/plain.h"
#include "text/utf8.h"
#include "trace/fmt.h"
#include "trace/mlflow_read.h"

/* -- attributes ----------------------------------------------------------- */

static bool is_container_text(tj_str text)
{
    return text.len && (text.ptr[0] == '{' || text.ptr[0] == '[');
}

/* `"\"text\""` holds `"text"`, which may hold text again. */
static bool unwrap_string(struct tj_batch *batch, tj_str text, tj_str *out)
{
    struct tj_json_doc doc;
    struct tj_err err;
    if (!text.len || text.ptr[0] != '"' ||
        !tj_json_parse(text, batch->arena, &doc, &err))
        return false;
    *out = tj_json_str(doc.root);
    return true;
}

static void put_encoded(const struct tj_fmt_otlp *otlp, tj_str key, tj_str text)
{
    tj_str trimmed = tj_str_trim(text);
    tj_str inner = {0};
    struct tj_json_doc doc;
    struct tj_err err;
    if (unwrap_string(otlp->batch, trimmed, &inner)) {
        (void)unwrap_string(otlp->batch, inner, &inner);
        tj_build_attr_text(otlp->build, key, inner);
        return;
    }
    if (!is_container_text(trimmed) &&
        tj_json_parse(trimmed, otlp->batch->arena, &doc, &err)) {
        tj_build_attr(otlp->build, key, doc.root);
        return;
    }
    tj_build_attr_text(otlp->build, key, text);
}

/* The TypeScript SDK writes values as they are: its "5" is a string, where
 * Python's is a number.  The id that every span has tells which it was. */
static bool is_encoded(const struct tj_json *attributes)
{
    tj_str id = tj_json_find_str(attributes, TJ_STR("mlflow.traceRequestId"));
    return !id.len || id.ptr[0] == '"';
}

static void put_attributes(const struct tj_fmt_otlp *otlp,
                           const struct tj_json *object)
{
    struct tj_json_members m = tj_json_members(object);
    bool encoded = is_encoded(object);
    while (tj_json_member(&m)) {
        if (tj_json_is_string(m.value) && encoded)
            put_encoded(otlp, m.key, tj_json_str(m.value));
        else
            tj_build_attr(otlp->build, m.key, m.value);
    }
}

/* -- spans ---------------------------------------------------------------- */

static void put_events(const struct tj_fmt_otlp *otlp,
                       const struct tj_json *list)
{
    tj_json_each (list, item) {
        const struct tj_json *time =
            tj_fmt_either(item, TJ_STR("time_unix_nano"), TJ_STR("timestamp"));
        tj_build_event(otlp->build, tj_json_find_str(item, TJ_STR("name")),
                       tj_fmt_time(time));
        struct tj_json_members m =
            tj_json_members(tj_json_find(item, TJ_STR("attributes")));
        while (tj_json_member(&m))
            tj_build_event_attr(otlp->build, m.key, m.value);
    }
}

static void put_links(const struct tj_fmt_otlp *otlp,
                      const struct tj_json *list)
{
    tj_json_each (list, item) {
        tj_trace_id trace = {0};
        tj_span_id span = {0};
        (void)tj_fmt_trace_id(tj_json_find_str(item, TJ_STR("trace_id")),
                              &trace);
        (void)tj_fmt_span_id(tj_json_find_str(item, TJ_STR("span_id")), &span);
        tj_build_link(otlp->build, trace, span);
        struct tj_json_members m =
            tj_json_members(tj_json_find(item, TJ_STR("attributes")));
        while (tj_json_member(&m))
            tj_build_link_attr(otlp->build, m.key, m.value);
    }
}

/* The trace a span belongs to: the info's id where there is one.  Before 3.0
 * that was not the id that OpenTelemetry had given. */
static tj_str trace_id_text(const struct tj_json *span, tj_str of_info)
{
    if (of_info.len)
        return of_info;
    tj_str text = tj_json_find_str(span, TJ_STR("trace_id"));
    return text.len ? text : tj_json_str(tj_json_at(span, "context.trace_id"));
}

static void put_span(const struct tj_fmt_otlp *otlp, const struct tj_json *v,
                     tj_str trace_id)
{
    const struct tj_json *attributes = tj_json_find(v, TJ_STR("attributes"));
    if (tj_json_is_array(attributes)) {
        tj_fmt_otlp_span(otlp, v);
        return;
    }
    tj_str id = tj_json_find_str(v, TJ_STR("span_id"));
    if (!id.len)
        id = tj_json_str(tj_json_at(v, "context.span_id"));
    tj_str parent = tj_json_str(
        tj_fmt_either(v, TJ_STR("parent_span_id"), TJ_STR("parent_id")));
    struct tj_span *s = tj_fmt_open(otlp->build, otlp->batch,
                                    trace_id_text(v, trace_id), id, parent);
    if (!s)
        return;
    const struct tj_json *status = tj_json_find(v, TJ_STR("status"));
    s->name = tj_json_find_str(v, TJ_STR("name"));
    s->start = tj_fmt_time(
        tj_fmt_either(v, TJ_STR("start_time_unix_nano"), TJ_STR("start_time")));
    s->end = tj_fmt_time(
        tj_fmt_either(v, TJ_STR("end_time_unix_nano"), TJ_STR("end_time")));
    if (status) {
        s->status = tj_fmt_status(status);
        s->status_message = tj_json_find_str(status, TJ_STR("message"));
    } else {
        s->status = tj_fmt_status(tj_json_find(v, TJ_STR("status_code")));
        s->status_message = tj_json_find_str(v, TJ_STR("status_message"));
    }
    put_attributes(otlp, attributes);
    put_events(otlp, tj_json_find(v, TJ_STR("events")));
    put_links(otlp, tj_json_find(v, TJ_STR("links")));
    tj_build_end(otlp->build);
}

/* -- info ----------------------------------------------------------------- */

static tj_str text_of(const struct tj_json *v, struct tj_arena *a)
{
    if (tj_json_is_string(v))
        return tj_json_str(v);
    struct tj_buf b;
    tj_buf_init(&b, a, TJ_IMPORT_BYTES_MAX);
    tj_json_write(&b, v, TJ_JSON_COMPACT);
    return tj_buf_str(&b);
}

/* {"k": "v"}, or as REST 2.0 has it [{"key": "k", "value": "v"}]. */
static void read_pairs(const struct tj_json *v, struct tj_arena *a,
                       tj_pairs *out)
{
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m))
        tj_pairs_set(out, a, m.key, text_of(m.value, a));
    tj_json_each (v, item) {
        tj_str key = tj_json_find_str(item, TJ_STR("key"));
        if (key.len)
            tj_pairs_set(out, a, key,
                         text_of(tj_json_find(item, TJ_STR("value")), a));
    }
}

static uint64_t ms_to_ns(const struct tj_json *v)
{
    uint64_t ms = 0;
    bool ok = tj_json_u64_loose(v, &ms) && ms <= UINT64_MAX / TJ_NS_PER_MS;
    return ok ? ms * TJ_NS_PER_MS : 0;
}

/* RFC 3339 in version 3 of the info, milliseconds elsewhere. */
static tj_time read_request_time(const struct tj_json *info)
{
    tj_time time = 0;
    const struct tj_json *v = tj_json_find(info, TJ_STR("request_time"));
    if (tj_time_parse(tj_json_str(v), &time))
        return time;
    time = ms_to_ns(v);
    return time ? time : ms_to_ns(tj_json_find(info, TJ_STR("timestamp_ms")));
}

static uint64_t read_duration(const struct tj_json *info)
{
    uint64_t ns = 0;
    const struct tj_json *v = tj_json_find(info, TJ_STR("execution_duration"));
    if (tj_duration_parse(tj_json_str(v), &ns))
        return ns;
    if (!v)
        v = tj_fmt_either(info, TJ_STR("execution_duration_ms"),
                          TJ_STR("execution_time_ms"));
    return ms_to_ns(v);
}

static enum tj_trace_state read_state(tj_str text)
{
    static const enum tj_trace_state states[] = {TJ_STATE_OK, TJ_STATE_ERROR,
                                                 TJ_STATE_IN_PROGRESS};
    for (size_t i = 0; i < TJ_COUNT(states); i++) {
        if (tj_str_eq_fold(text, tj_str_c(tj_trace_state_name(states[i]))))
            return states[i];
    }
    return TJ_STATE_UNSPECIFIED;
}

/* An experiment is told by its number; "0" is MLflow's "Default". */
static tj_str read_experiment(const struct tj_json *info, struct tj_arena *a)
{
    const struct tj_json *id =
        tj_json_at(info, "trace_location.mlflow_experiment.experiment_id");
    if (!id)
        id = tj_json_find(info, TJ_STR("experiment_id"));
    if (tj_json_is_null(id))
        return (tj_str){0};
    tj_str text = text_of(id, a);
    return tj_str_eq(text, TJ_STR("0")) ? (tj_str){0} : text;
}

static bool read_assessments(const struct tj_json *list, struct tj_batch *batch,
                             tj_trace_id id, struct tj_err *err)
{
    size_t i = 0;
    tj_json_each (list, item) {
        struct tj_assessment as;
        i++;
        /* An issue reference has no value of its own. */
        if (tj_json_find(item, TJ_STR("issue")))
            continue;
        if (!tj_assessment_parse(item, batch->arena, &as, err))
            return tj_err_wrap(err, "assessments %zu", i - 1);
        as.trace_id = id;
        if (as.id.len)
            as.key = as.id;
        *tj_vec_add(&batch->assessments, batch->arena) = as;
    }
    return true;
}

static tj_str clip(tj_str text, size_t most)
{
    return tj_utf8_clip(text, most);
}

static void read_texts(const struct tj_json *v, struct tj_batch *batch,
                       struct tj_trace_info *info)
{
    tj_str request = tj_json_find_str(v, TJ_STR("request_preview"));
    tj_str response = tj_json_find_str(v, TJ_STR("response_preview"));
    info->client_request_id = clip(
        tj_json_find_str(v, TJ_STR("client_request_id")), TJ_NAME_BYTES_MAX);
    info->request_preview = tj_utf8_clip_chars(request, TJ_PREVIEW_CHARS_MAX);
    info->response_preview = tj_utf8_clip_chars(response, TJ_PREVIEW_CHARS_MAX);
    info->experiment = read_experiment(v, batch->arena);
    info->name = clip(tj_pairs_find(&info->tags, TJ_STR("mlflow.traceName")),
                      TJ_NAME_BYTES_MAX);
    info->session =
        clip(tj_pairs_find(&info->metadata, TJ_STR("mlflow.trace.session")),
             TJ_NAME_BYTES_MAX);
    info->user =
        clip(tj_pairs_find(&info->metadata, TJ_STR("mlflow.trace.user")),
             TJ_NAME_BYTES_MAX);
}

bool tj_mlflow_info_parse(const struct tj_json *v, struct tj_batch *batch,
                          tj_trace_id *out, tj_str *id_text)
{
    tj_trace_id id = {0};
    tj_str text =
        tj_json_str(tj_fmt_either(v, TJ_STR("trace_id"), TJ_STR("request_id")));
    enum tj_fmt_id kind = tj_fmt_trace_id(text, &id);
    if (kind == TJ_ID_NONE)
        return false;
    *out = id;
    *id_text = text;
    struct tj_trace_info *info = tj_batch_info(batch, id);
    if (kind == TJ_ID_DERIVED)
        info->source_id = clip(text, TJ_NAME_BYTES_MAX);
    read_pairs(
        tj_fmt_either(v, TJ_STR("trace_metadata"), TJ_STR("request_metadata")),
        batch->arena, &info->metadata);
    read_pairs(tj_json_find(v, TJ_STR("tags")), batch->arena, &info->tags);
    read_texts(v, batch, info);
    info->request_time = read_request_time(v);
    info->duration_ns = read_duration(v);
    info->state = read_state(
        tj_json_str(tj_fmt_either(v, TJ_STR("state"), TJ_STR("status"))));
    return true;
}

/* Pairs are looked for one by one. */
static bool check_pairs(const struct tj_json *info, struct tj_err *err)
{
    static const char *const maps[] = {"trace_metadata", "request_metadata",
                                       "tags"};
    for (size_t i = 0; i < TJ_COUNT(maps); i++) {
        if (tj_json_count(tj_json_find(info, tj_str_c(maps[i]))) >
            TJ_REQUEST_PAIRS_MAX)
            return tj_fail(err, TJ_E_LIMIT, "%s: over %zu pairs", maps[i],
                           TJ_REQUEST_PAIRS_MAX);
    }
    return true;
}

/* False when the info is broken; *id_text stays empty when it has no id. */
static bool read_info(const struct tj_json *v, struct tj_batch *batch,
                      tj_str *id_text, struct tj_err *err)
{
    tj_trace_id id = {0};
    if (!check_pairs(v, err))
        return false;
    if (!tj_mlflow_info_parse(v, batch, &id, id_text))
        return true;
    return read_assessments(tj_json_find(v, TJ_STR("assessments")), batch, id,
                            err);
}

/* -- traces --------------------------------------------------------------- */

static bool put_spans(const struct tj_fmt_otlp *otlp,
                      const struct tj_json *spans, tj_str trace_id,
                      struct tj_err *err)
{
    if (tj_json_is_null(spans))
        return true;
    if (!tj_json_is_array(spans))
        return tj_fail(err, TJ_E_INPUT, "spans: expected array, found %s",
                       tj_json_type_name(tj_json_type(spans)));
    size_t i = 0;
    tj_json_each (spans, span) {
        if (!tj_json_is_object(span))
            return tj_fail(err, TJ_E_INPUT,
                           "spans %zu: expected object, found %s", i,
                           tj_json_type_name(tj_json_type(span)));
        put_span(otlp, span, trace_id);
        i++;
    }
    return true;
}

bool tj_mlflow_spans_parse(const struct tj_json *list, tj_str id_text,
                           struct tj_build *b, struct tj_batch *batch,
                           struct tj_err *err)
{
    struct tj_fmt_otlp otlp = {
        .build = b, .batch = batch, .attr_text = put_encoded};
    return put_spans(&otlp, list, id_text, err);
}

/* trace_info and spans, info and data, or spans alone. */
static bool put_trace(const struct tj_fmt_otlp *otlp, const struct tj_json *v,
                      struct tj_err *err)
{
    const struct tj_json *info =
        tj_fmt_either(v, TJ_STR("trace_info"), TJ_STR("info"));
    const struct tj_json *data = tj_json_find(v, TJ_STR("data"));
    tj_str id = {0};
    if (!tj_json_is_object(v))
        return tj_fail(err, TJ_E_INPUT, "trace: expected object, found %s",
                       tj_json_type_name(tj_json_type(v)));
    if (info && !read_info(info, otlp->batch, &id, err))
        return false;
    return put_spans(otlp, tj_json_find(data ? data : v, TJ_STR("spans")), id,
                     err);
}

static bool put_traces(const struct tj_fmt_otlp *otlp,
                       const struct tj_json *list, struct tj_err *err)
{
    size_t i = 0;
    tj_json_each (list, item) {
        if (!put_trace(otlp, item, err))
            return tj_err_wrap(err, "traces %zu", i);
        i++;
    }
    return true;
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    struct tj_fmt_otlp otlp = {
        .build = b, .batch = batch, .attr_text = put_encoded};
    const struct tj_json *traces = tj_json_find(doc, TJ_STR("traces"));
    const struct tj_json *trace = tj_json_find(doc, TJ_STR("trace"));
    if (tj_json_is_array(doc))
        return put_traces(&otlp, doc, err);
    if (tj_json_is_array(traces))
        return put_traces(&otlp, traces, err);
    return put_trace(&otlp, tj_json_is_object(trace) ? trace : doc, err);
}

/* A span dict of ours, and not another tool's {"spans": [...]}. */
static bool is_mlflow_span(const struct tj_json *v)
{
    const struct tj_json *attributes = tj_json_find(v, TJ_STR("attributes"));
    if (!tj_json_is_object(attributes) || !tj_json_find(v, TJ_STR("name")))
        return false;
    if (tj_json_find(v, TJ_STR("start_time_unix_nano")))
        return true;
    struct tj_json_members m = tj_json_members(attributes);
    while (tj_json_member(&m)) {
        if (tj_str_starts(m.key, TJ_STR("mlflow.")))
            return true;
    }
    return false;
}

static bool matches_trace(const struct tj_json *v)
{
    const struct tj_json *spans = tj_json_find(v, TJ_STR("spans"));
    if (tj_json_is_object(tj_json_find(v, TJ_STR("trace_info"))))
        return true;
    if (tj_json_is_object(tj_json_find(v, TJ_STR("info"))) &&
        tj_json_is_array(tj_json_at(v, "data.spans")))
        return true;
    return is_mlflow_span(tj_json_item(spans, 0));
}

static bool matches(const struct tj_json *doc)
{
    const struct tj_json *traces = tj_json_find(doc, TJ_STR("traces"));
    if (tj_json_is_array(doc))
        doc = tj_json_item(doc, 0);
    return matches_trace(doc) ||
           matches_trace(tj_json_find(doc, TJ_STR("trace"))) ||
           matches_trace(tj_json_item(traces, 0));
}

const struct tj_format tj_fmt_mlflow = {
    .name = "mlflow",
    .help = "MLflow: traces.json, Trace.to_json(), REST answers",
    .matches = matches,
    .parse_json = parse,
};
