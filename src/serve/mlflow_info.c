/* mlflow_info.c - see mlflow_info.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_info.h"

#include <inttypes.h>

#include "base/limits.h"
#include "serve/mlflow_cost.h"
#include "text/utf8.h"
#include "trace/mlflow_json.h"

static const char tracking_store[] = "TRACKING_STORE";

/* -- out ------------------------------------------------------------------ */

static void put_location(struct tj_ml *call, struct tj_json_writer *w,
                         const struct tj_trace_info *info)
{
    tj_jw_key(w, TJ_STR("trace_location"));
    tj_jw_object(w);
    tj_jw_key_str(w, "type", TJ_STR("MLFLOW_EXPERIMENT"));
    tj_jw_key(w, TJ_STR("mlflow_experiment"));
    tj_jw_object(w);
    tj_jw_key_str(w, "experiment_id",
                  tj_str_printf(call->arena, "%" PRIu64, info->experiment_id));
    tj_jw_end(w);
    tj_jw_end(w);
}

static void put_text(struct tj_json_writer *w, const char *key, tj_str text)
{
    if (text.len)
        tj_jw_key_str(w, key, text);
}

static void put_pair(struct tj_json_writer *w, const char *key, tj_str value)
{
    tj_jw_key_str(w, key, value);
}

/* Both ends are cut to milliseconds before they are subtracted, as MLflow
 * does.  A trace that goes on has no duration. */
static void put_times(struct tj_ml *call, struct tj_json_writer *w,
                      const struct tj_trace_info *info)
{
    tj_time start = info->request_time;
    uint64_t ms = (start % TJ_NS_PER_MS + info->duration_ns) / TJ_NS_PER_MS;
    tj_jw_key_str(w, "request_time", tj_ml_time(call->arena, start));
    if (info->duration_ns || info->state != TJ_STATE_IN_PROGRESS)
        tj_jw_key_str(w, "execution_duration",
                      tj_ml_duration(call->arena, ms * TJ_NS_PER_MS));
}

/* A member that the trace itself does not have. */
static void put_missing(struct tj_json_writer *w, const tj_pairs *pairs,
                        const char *key, tj_str value)
{
    if (value.len && !tj_pairs_find(pairs, tj_str_c(key)).ptr)
        put_pair(w, key, value);
}

static bool put_metadata(struct tj_ml *call, struct tj_json_writer *w,
                         const struct tj_trace_info *info)
{
    static const char cost_key[] = "mlflow.trace.cost";
    const tj_pairs *pairs = &info->metadata;
    tj_str cost = {0};
    if (info->usage.cost_usd >= 0 &&
        !tj_pairs_find(pairs, tj_str_c(cost_key)).ptr &&
        !tj_ml_cost(call, info, &cost))
        return false;
    tj_jw_key(w, TJ_STR("trace_metadata"));
    tj_jw_object(w);
    tj_vec_each (pairs, const struct tj_pair, p) {
        tj_jw_key(w, p->key);
        tj_jw_str(w, p->value);
    }
    put_missing(w, pairs, "mlflow.trace.session", info->session);
    put_missing(w, pairs, "mlflow.trace.user", info->user);
    put_missing(w, pairs, "mlflow.trace.tokenUsage",
                tj_mlflow_usage_text(call->arena, &info->usage));
    put_missing(w, pairs, cost_key, cost);
    tj_jw_end(w);
    return true;
}

static void put_tags(struct tj_ml *call, struct tj_json_writer *w,
                     const struct tj_trace_info *info)
{
    const tj_pairs *pairs = &info->tags;
    tj_str spans = info->span_count ? tj_str_c(tracking_store) : (tj_str){0};
    tj_jw_key(w, TJ_STR("tags"));
    tj_jw_object(w);
    tj_vec_each (pairs, const struct tj_pair, p) {
        if (tj_str_eq(p->key, TJ_STR(TJ_ML_TAG_LOCATION)) ||
            (spans.len && tj_str_eq(p->key, TJ_STR(TJ_ML_TAG_SPANS_LOCATION))))
            continue;
        tj_jw_key(w, p->key);
        tj_jw_str(w, p->value);
    }
    put_missing(w, pairs, TJ_ML_TAG_NAME, info->name);
    if (spans.len)
        put_pair(w, TJ_ML_TAG_SPANS_LOCATION, spans);
    put_pair(w, TJ_ML_TAG_LOCATION,
             tj_str_printf(
                 call->arena,
                 "mlflow-artifacts:/%" PRIu64 "/traces/%.*s/artifacts",
                 info->experiment_id,
                 TJ_STR_ARG(tj_trace_id_mlflow(call->arena, info->trace_id))));
    tj_jw_end(w);
}

static bool put_assessments(struct tj_ml *call, struct tj_json_writer *w,
                            const struct tj_trace_info *info)
{
    struct tj_assessment *list = NULL;
    size_t count = 0;
    if (!tj_store_assessments(call->store, info->trace_id, call->arena, &list,
                              &count, &call->err))
        return tj_ml_fail_err(call);
    if (!count)
        return true;
    tj_jw_key(w, TJ_STR("assessments"));
    tj_jw_array(w);
    for (size_t i = 0; i < count; i++)
        tj_assessment_write(w, &list[i], call->arena);
    tj_jw_end(w);
    return true;
}

bool tj_ml_write_info(struct tj_ml *call, struct tj_json_writer *w,
                      const struct tj_trace_info *info)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "trace_id",
                  tj_trace_id_mlflow(call->arena, info->trace_id));
    put_text(w, "client_request_id", info->client_request_id);
    put_location(call, w, info);
    put_text(w, "request_preview", info->request_preview);
    put_text(w, "response_preview", info->response_preview);
    put_times(call, w, info);
    tj_jw_key_str(w, "state", tj_str_c(tj_trace_state_name(info->state)));
    if (!put_metadata(call, w, info))
        return false;
    put_tags(call, w, info);
    if (!put_assessments(call, w, info))
        return false;
    tj_jw_end(w);
    return true;
}

bool tj_ml_is_partial(const struct tj_trace_info *info)
{
    struct tj_arena scratch = {0};
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    uint64_t want = 0;
    tj_str stats =
        tj_pairs_find(&info->metadata, TJ_STR("mlflow.trace.sizeStats"));
    if (stats.len && tj_json_parse(stats, &scratch, &doc, &ignored))
        (void)tj_json_u64(tj_json_find(doc.root, TJ_STR("num_spans")), &want);
    tj_arena_release(&scratch);
    return want > info->span_count;
}

/* -- in ------------------------------------------------------------------- */

static tj_str member_str(const struct tj_json *v, const char *name)
{
    return tj_json_str(tj_ml_member(v, name));
}

/* Its name, or protobuf's number of it. */
static enum tj_trace_state read_state(const struct tj_json *v)
{
    static const enum tj_trace_state states[] = {TJ_STATE_OK, TJ_STATE_ERROR,
                                                 TJ_STATE_IN_PROGRESS};
    uint64_t number = 0;
    (void)tj_json_u64(v, &number);
    for (size_t i = 0; i < TJ_COUNT(states); i++) {
        tj_str name = tj_str_c(tj_trace_state_name(states[i]));
        if (number == i + 1 || tj_str_eq(tj_json_str(v), name))
            return states[i];
    }
    return TJ_STATE_UNSPECIFIED;
}

static bool read_map(struct tj_ml *call, const struct tj_json *v,
                     struct tj_arena *a, tj_pairs *out)
{
    struct tj_json_members m = tj_json_members(v);
    if (tj_json_count(v) > TJ_REQUEST_PAIRS_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "one trace has at most %zu tags or metadata",
                          TJ_REQUEST_PAIRS_MAX);
    while (tj_json_member(&m)) {
        if (m.key.len && m.key.len <= TJ_NAME_BYTES_MAX &&
            tj_json_is_string(m.value))
            tj_pairs_set(out, a, m.key, tj_json_str(m.value));
    }
    return true;
}

static bool read_experiment(struct tj_ml *call, const struct tj_json *v,
                            struct tj_trace_info *info)
{
    struct tj_experiment ex = {0};
    const struct tj_json *location = tj_ml_member(v, "trace_location");
    tj_str id = tj_ml_scalar(tj_ml_member(
        tj_ml_member(location, "mlflow_experiment"), "experiment_id"));
    if (location && !id.len)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "trace_location: this server keeps traces in "
                          "experiments, and there is no "
                          "mlflow_experiment.experiment_id");
    if (!tj_ml_experiment(call, id.len ? id : TJ_STR("0"), &ex))
        return false;
    if (ex.deleted)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "The experiment %" PRIu64
                          " must be in the 'active' state. Current state is "
                          "deleted.",
                          ex.id);
    info->experiment = ex.name;
    info->experiment_id = ex.id;
    return true;
}

/* Python's clients from 3.6 on send their spans by OTLP, and upload a file
 * beside that unless the answer says that spans are kept here. */
static bool sends_spans(const struct tj_request *rq)
{
    tj_str agent = tj_request_header(rq, TJ_STR("User-Agent"));
    tj_str prefix = TJ_STR("mlflow-python-client/");
    uint64_t major = 0;
    uint64_t minor = 0;
    if (!tj_str_starts(agent, prefix))
        return false;
    tj_str rest = tj_str_slice(agent, prefix.len, agent.len);
    if (!tj_str_to_u64(tj_str_cut(&rest, '.'), &major) ||
        !tj_str_to_u64(tj_str_cut(&rest, '.'), &minor))
        return false;
    return major > 3 || (major == 3 && minor >= 6);
}

/* Python's protobuf nests 100 messages, and an object takes three of them. */
enum { OTLP_DEPTH_MAX = 24, OTLP_DIGITS_MAX = 18 };

/* Could a client send this value by OTLP?  An int beyond 64 bits and deep
 * nesting it cannot, and drops all spans of the batch without a word.  text is
 * JSON, cut off somewhere. */
static bool fits_otlp(tj_str text)
{
    bool quoted = false;
    size_t depth = 0;
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        digits = !quoted && c >= '0' && c <= '9' ? digits + 1 : 0;
        if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth)
            depth--;
        if (depth > OTLP_DEPTH_MAX || digits > OTLP_DIGITS_MAX)
            return false;
    }
    return true;
}

/* Then the spans will come, and no file is needed. */
static bool will_send_spans(const struct tj_ml *call, const struct tj_json *v,
                            const struct tj_trace_info *info)
{
    return sends_spans(call->rq) &&
           fits_otlp(member_str(v, "request_preview")) &&
           fits_otlp(member_str(v, "response_preview")) &&
           fits_otlp(
               tj_pairs_find(&info->metadata, TJ_STR("mlflow.traceInputs"))) &&
           fits_otlp(
               tj_pairs_find(&info->metadata, TJ_STR("mlflow.traceOutputs")));
}

static void read_texts(const struct tj_json *v, struct tj_trace_info *info)
{
    static const size_t max = TJ_NAME_BYTES_MAX;
    info->client_request_id =
        tj_utf8_clip(member_str(v, "client_request_id"), max);
    info->request_preview = tj_utf8_clip_chars(member_str(v, "request_preview"),
                                               TJ_PREVIEW_CHARS_MAX);
    info->response_preview = tj_utf8_clip_chars(
        member_str(v, "response_preview"), TJ_PREVIEW_CHARS_MAX);
    info->name =
        tj_utf8_clip(tj_pairs_find(&info->tags, TJ_STR(TJ_ML_TAG_NAME)), max);
    info->session = tj_utf8_clip(
        tj_pairs_find(&info->metadata, TJ_STR("mlflow.trace.session")), max);
    info->user = tj_utf8_clip(
        tj_pairs_find(&info->metadata, TJ_STR("mlflow.trace.user")), max);
}

static bool read_times(struct tj_ml *call, const struct tj_json *v,
                       struct tj_trace_info *info)
{
    tj_str time = tj_ml_scalar(tj_ml_member(v, "request_time"));
    tj_str duration = tj_ml_scalar(tj_ml_member(v, "execution_duration"));
    if (time.len && !tj_time_parse(time, &info->request_time))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "request_time '%.*s' is not a time (RFC 3339)",
                          TJ_STR_ARG(time));
    if (duration.len && !tj_duration_parse(duration, &info->duration_ns))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "execution_duration '%.*s' is not a duration "
                          "(\"1.500s\")",
                          TJ_STR_ARG(duration));
    return true;
}

/* Ids that clients send are kept; an info that comes again brings the same
 * assessments, which then update those that are there. */
static bool read_assessments(struct tj_ml *call, const struct tj_json *v,
                             tj_trace_id id, struct tj_batch *batch)
{
    tj_json_each (tj_ml_member(v, "assessments"), item) {
        struct tj_assessment as = {0};
        if (tj_ml_member(item, "issue"))
            continue;
        if (!tj_assessment_parse(item, call->arena, &as, &call->err))
            return tj_ml_fail_err(call);
        as.trace_id = id;
        as.key = as.id;
        *tj_vec_add(&batch->assessments, batch->arena) = as;
    }
    return true;
}

bool tj_ml_read_info(struct tj_ml *call, const struct tj_json *v,
                     struct tj_batch *batch)
{
    struct tj_arena *a = batch->arena;
    tj_str id_text = member_str(v, "trace_id");
    tj_trace_id id;
    if (!tj_trace_id_parse(id_text, &id))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid trace ID '%.*s': expected 'tr-' and 32 hex "
                          "digits.",
                          TJ_STR_ARG(id_text));
    struct tj_trace_info *info = tj_batch_info(batch, id);
    if (!read_map(call, tj_ml_member(v, "trace_metadata"), a,
                  &info->metadata) ||
        !read_map(call, tj_ml_member(v, "tags"), a, &info->tags))
        return false;
    tj_pairs_set(&info->metadata, a, TJ_STR("mlflow.trace.infoFinalized"),
                 TJ_STR("true"));
    if (will_send_spans(call, v, info))
        tj_pairs_set(&info->tags, a, TJ_STR(TJ_ML_TAG_SPANS_LOCATION),
                     tj_str_c(tracking_store));
    info->state = read_state(tj_ml_member(v, "state"));
    read_texts(v, info);
    return read_experiment(call, v, info) && read_times(call, v, info) &&
           read_assessments(call, v, id, batch);
}
