/* fmt_langfuse.c - Langfuse exports: a trace with its observations.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"trace": {"id", "sessionId", "userId", "tags", "scores", "metadata"},
 *      "observations": [{"id", "parentObservationId", "type", "name",
 *      "startTime", "endTime", "level", "statusMessage", "input", "output",
 *      "model", "usageDetails", "costDetails", "metadata"}]}
 *     {"id", ..., "observations": [...]}     as the API gives one trace
 *     [observation, ...] or {"data": [...]}  observations alone
 *
 *  1. An observation is a span; what Langfuse worked out (model, usage, cost)
 *     wins over the attributes it arrived with, which are kept in metadata:
 *     metadata.attributes are attributes.* again, metadata.resourceAttributes
 *     and .scope the resource, and other metadata langfuse.metadata.*.
 *     input, output and metadata may be JSON or a string that holds JSON.
 *  2. SPAN and EVENT say nothing of a span's kind; there the attributes speak.
 *  3. Ids of 16 or 8 bytes in hex are kept, others derived.
 *  4. Usage buckets named input_* and output_* do not overlap input and output
 *     unless total says so; OpenTelemetry's counts include them.
 *  5. A trace's own input and output go to a root that has none.
 *  6. Scores are feedback: EVAL by a model, ANNOTATION by a person, API by
 *     code.
 */
#include "base/limits.h"
#include "text/json_write.h"
#include "trace/fmt.h"
#include "trace/fmt_steps.h"

struct reader {
    struct tj_build *build;
    struct tj_batch *batch;
    struct tj_arena *arena;
    const struct tj_json *trace; /* NULL for observations alone */
};

/* -- shapes ---------------------------------------------------------------- */

static bool is_observation(const struct tj_json *v)
{
    return tj_json_is_string(tj_steps_get(v, "id")) &&
           tj_json_is_string(tj_steps_get(v, "type")) &&
           (tj_steps_get(v, "traceId") || tj_steps_get(v, "trace_id")) &&
           (tj_steps_get(v, "startTime") || tj_steps_get(v, "start_time")) &&
           (tj_steps_get(v, "parentObservationId") ||
            tj_steps_get(v, "usageDetails") || tj_steps_get(v, "level"));
}

static bool is_list(const struct tj_json *v)
{
    return tj_json_is_array(v) && is_observation(tj_json_first(v));
}

static bool is_export(const struct tj_json *doc)
{
    const struct tj_json *trace = tj_steps_get(doc, "trace");
    if (!tj_json_is_object(trace))
        trace = doc;
    return tj_json_is_string(tj_steps_get(trace, "id")) &&
           (tj_json_is_array(tj_steps_get(doc, "observations")) ||
            tj_json_is_array(tj_steps_get(trace, "observations")));
}

static bool matches(const struct tj_json *doc)
{
    if (tj_json_is_array(doc))
        return is_list(doc) || is_export(tj_json_first(doc));
    return is_export(doc) || is_list(tj_steps_get(doc, "data"));
}

/* -- values ---------------------------------------------------------------- */

/* A value that may be wrapped in a string; one that is no JSON is itself. */
static const struct tj_json *unwrap(const struct reader *r,
                                    const struct tj_json *v)
{
    struct tj_json_doc inner;
    struct tj_err ignored;
    if (tj_json_is_string(v) && tj_json_str(v).len > 0 &&
        tj_json_parse(tj_json_str(v), r->arena, &inner, &ignored))
        return inner.root;
    return v;
}

static const struct tj_json *either(const struct tj_json *v, const char *camel,
                                    const char *snake)
{
    return tj_fmt_either(v, tj_str_c(camel), tj_str_c(snake));
}

static tj_trace_id trace_id_of(tj_str text)
{
    tj_trace_id id;
    return tj_trace_id_parse(text, &id) ? id : tj_trace_id_derive(text);
}

/* True when the id had to be derived. */
static bool span_id_of(tj_trace_id trace, tj_str text, tj_span_id *out)
{
    if (tj_span_id_parse(text, out))
        return false;
    *out = tj_build_child_id(trace, text);
    return true;
}

static void put(const struct reader *r, const char *key,
                const struct tj_json *v)
{
    if (tj_steps_has(v))
        tj_build_attr(r->build, tj_str_c(key), v);
}

/* -- usage ----------------------------------------------------------------- */

struct buckets {
    int64_t input;
    int64_t output;
    int64_t total;
    int64_t input_parts;
    int64_t output_parts;
    struct tj_usage usage;
};

static bool has_any(tj_str key, const char *const *words)
{
    for (; *words; words++) {
        if (tj_str_find(key, tj_str_c(*words)) != (size_t)-1)
            return true;
    }
    return false;
}

static void add_bucket(struct buckets *b, tj_str key, int64_t n)
{
    static const char *const reads[] = {"cache_read", "cached", NULL};
    static const char *const writes[] = {"cache_creation", "cache_write", NULL};
    static const char *const thoughts[] = {"reasoning", NULL};
    if (tj_str_eq(key, TJ_STR("input")))
        b->input = n;
    else if (tj_str_eq(key, TJ_STR("output")))
        b->output = n;
    else if (tj_str_eq(key, TJ_STR("total")))
        b->total = n;
    bool in = tj_str_starts(key, TJ_STR("input_")) ||
              tj_str_starts(key, TJ_STR("cache_"));
    if (in && __builtin_add_overflow(b->input_parts, n, &b->input_parts))
        b->input_parts = 0;
    bool out = tj_str_starts(key, TJ_STR("output_"));
    if (out && __builtin_add_overflow(b->output_parts, n, &b->output_parts))
        b->output_parts = 0;
    if (has_any(key, reads))
        b->usage.cache_read_tokens = n;
    else if (has_any(key, writes))
        b->usage.cache_write_tokens = n;
    else if (has_any(key, thoughts))
        b->usage.reasoning_tokens = n;
}

/* whole + parts, or whole where it has them already or there is none. */
static int64_t join(int64_t whole, int64_t parts, bool inside)
{
    int64_t sum = whole;
    if (whole < 0 || inside || __builtin_add_overflow(whole, parts, &sum))
        return whole;
    return sum;
}

static struct tj_usage usage_of(const struct tj_json *o)
{
    struct buckets b = {-1, -1, -1, 0, 0, TJ_USAGE_UNKNOWN};
    struct tj_json_members m =
        tj_json_members(either(o, "usageDetails", "usage_details"));
    while (tj_json_member(&m)) {
        int64_t n = 0;
        if (tj_json_i64(m.value, &n) && n >= 0)
            add_bucket(&b, m.key, n);
    }
    bool inside = b.input >= 0 && b.output >= 0 && b.total >= 0 &&
                  b.input <= b.total && b.output == b.total - b.input;
    b.usage.input_tokens = join(b.input, b.input_parts, inside);
    b.usage.output_tokens = join(b.output, b.output_parts, inside);
    double cost = 0;
    const struct tj_json *costs = either(o, "costDetails", "cost_details");
    if (tj_json_double(tj_steps_get(costs, "total"), &cost) && cost >= 0)
        b.usage.cost_usd = cost;
    return b.usage;
}

/* -- observations ---------------------------------------------------------- */

/* Does the type say what kind of span this is (2)? */
static bool is_telling(tj_str type)
{
    return type.len > 0 && !tj_str_eq_fold(type, TJ_STR("span")) &&
           !tj_str_eq_fold(type, TJ_STR("event"));
}

/* {"resource": {...}, "scope": {...}} as build.h wants it. */
static int32_t resource_of(const struct reader *r, const struct tj_json *meta)
{
    const struct tj_json *resource =
        unwrap(r, tj_steps_get(meta, "resourceAttributes"));
    const struct tj_json *scope = unwrap(r, tj_steps_get(meta, "scope"));
    if (!tj_steps_has(resource) && !tj_steps_has(scope))
        return -1;
    struct tj_buf b;
    tj_buf_init(&b, r->arena, TJ_IMPORT_BYTES_MAX);
    tj_steps_raw(&b, "{");
    tj_steps_member(&b, "resource", resource);
    tj_steps_member(&b, "scope", scope);
    tj_steps_raw(&b, "}");
    return b.full ? -1 : tj_build_resource(r->build, tj_buf_str(&b));
}

static void write_metadata(const struct reader *r, const struct tj_json *meta)
{
    struct tj_json_members m =
        tj_json_members(unwrap(r, tj_steps_get(meta, "attributes")));
    while (tj_json_member(&m)) {
        tj_build_attr(r->build, m.key, m.value);
    }
    m = tj_json_members(meta);
    while (tj_json_member(&m)) {
        if (tj_str_eq(m.key, TJ_STR("attributes")) ||
            tj_str_eq(m.key, TJ_STR("resourceAttributes")) ||
            tj_str_eq(m.key, TJ_STR("scope")))
            continue;
        tj_str key = tj_str_printf(r->arena, "langfuse.metadata.%.*s",
                                   TJ_STR_ARG(m.key));
        tj_build_attr(r->build, key, m.value);
    }
}

static void write_fields(const struct reader *r, const struct tj_json *o)
{
    static const struct {
        const char *camel;
        const char *snake;
        const char *key;
    } kept[] = {
        {"model", "model", "langfuse.observation.model.name"},
        {"modelParameters", "model_parameters",
         "langfuse.observation.model.parameters"},
        {"usageDetails", "usage_details", "langfuse.observation.usage_details"},
        {"costDetails", "cost_details", "langfuse.observation.cost_details"},
        {"promptName", "prompt_name", "langfuse.observation.prompt.name"},
        {"promptVersion", "prompt_version",
         "langfuse.observation.prompt.version"},
        {"completionStartTime", "completion_start_time",
         "langfuse.observation.completion_start_time"},
        {"toolDefinitions", "tool_definitions", "langfuse.tool_definitions"},
        {"toolCalls", "tool_calls", "langfuse.tool_calls"},
        {"version", "version", "langfuse.version"},
    };
    for (size_t i = 0; i < TJ_COUNT(kept); i++)
        put(r, kept[i].key, either(o, kept[i].camel, kept[i].snake));
    tj_str level = tj_json_find_str(o, TJ_STR("level"));
    if (level.len > 0 && !tj_str_eq(level, TJ_STR("DEFAULT")))
        tj_build_attr_text(r->build, TJ_STR("langfuse.observation.level"),
                           level);
    tj_str type = tj_json_find_str(o, TJ_STR("type"));
    if (is_telling(type))
        tj_build_attr_text(r->build, TJ_STR("langfuse.observation.type"), type);
}

/* Input and output; a root without any has those of its trace. */
static void write_content(const struct reader *r, const struct tj_json *o,
                          bool root)
{
    const struct tj_json *in = tj_steps_get(o, "input");
    const struct tj_json *out = tj_steps_get(o, "output");
    put(r, "langfuse.observation.input", in);
    put(r, "langfuse.observation.output", out);
    if (root && !tj_steps_has(in))
        put(r, "langfuse.trace.input",
            unwrap(r, tj_steps_get(r->trace, "input")));
    if (root && !tj_steps_has(out))
        put(r, "langfuse.trace.output",
            unwrap(r, tj_steps_get(r->trace, "output")));
}

static void write_status(struct tj_span *s, const struct tj_json *o)
{
    s->status_message =
        tj_json_str(either(o, "statusMessage", "status_message"));
    if (tj_str_eq_fold(tj_json_find_str(o, TJ_STR("level")), TJ_STR("error")))
        s->status = TJ_STATUS_ERROR;
}

static tj_str trace_text(const struct reader *r, const char *camel,
                         const char *snake)
{
    return tj_json_str(either(r->trace, camel, snake));
}

static void write_normal(const struct reader *r, struct tj_span *s,
                         const struct tj_json *o)
{
    s->model = tj_json_find_str(o, TJ_STR("model"));
    s->session = trace_text(r, "sessionId", "session_id");
    s->user = trace_text(r, "userId", "user_id");
    s->environment = tj_json_find_str(o, TJ_STR("environment"));
    s->release = trace_text(r, "release", "release");
    s->usage = usage_of(o);
}

static void write_observation(const struct reader *r, const struct tj_json *o)
{
    tj_str id = tj_json_find_str(o, TJ_STR("id"));
    tj_str trace = tj_json_str(either(o, "traceId", "trace_id"));
    tj_str parent =
        tj_json_str(either(o, "parentObservationId", "parent_observation_id"));
    if (r->trace && trace.len == 0)
        trace = tj_json_find_str(r->trace, TJ_STR("id"));
    if (id.len == 0 || trace.len == 0) {
        tj_fmt_reject(r->batch, "an observation has no id or no traceId");
        return;
    }
    tj_trace_id trace_id = trace_id_of(trace);
    tj_span_id span_id;
    bool derived = span_id_of(trace_id, id, &span_id);
    const struct tj_json *meta = unwrap(r, tj_steps_get(o, "metadata"));
    int32_t resource = resource_of(r, meta);
    struct tj_span *s = tj_build_span(r->build, trace_id, span_id);
    if (parent.len > 0)
        (void)span_id_of(trace_id, parent, &s->parent_id);
    s->name = tj_json_find_str(o, TJ_STR("name"));
    s->start = tj_steps_time(either(o, "startTime", "start_time"));
    s->end = tj_steps_time(either(o, "endTime", "end_time"));
    if (tj_str_eq_fold(tj_json_find_str(o, TJ_STR("type")), TJ_STR("event")) &&
        !s->end)
        s->end = s->start; /* an event is a moment, not an open span */
    s->resource = resource;
    write_status(s, o);
    write_normal(r, s, o);
    write_metadata(r, meta); /* first: of two values of a key the last counts */
    write_fields(r, o);
    write_content(r, o, parent.len == 0);
    if (derived) {
        s->marks |= TJ_MARK_ID_DERIVED;
        tj_build_attr_text(r->build, TJ_STR("langfuse.observation.id"), id);
    }
    tj_build_end(r->build);
}

/* -- the trace ------------------------------------------------------------- */

static enum tj_source_type source_of(const struct tj_json *score)
{
    tj_str source = tj_json_find_str(score, TJ_STR("source"));
    if (tj_str_eq_fold(source, TJ_STR("eval")))
        return TJ_SOURCE_LLM_JUDGE;
    if (tj_str_eq_fold(source, TJ_STR("annotation")))
        return TJ_SOURCE_HUMAN;
    return TJ_SOURCE_CODE;
}

/* A boolean score is 0 or 1, a categorical one its word. */
static tj_str score_value(const struct reader *r, const struct tj_json *score)
{
    tj_str type = tj_json_str(either(score, "dataType", "data_type"));
    const struct tj_json *value = tj_steps_get(score, "value");
    const struct tj_json *word = either(score, "stringValue", "string_value");
    double n = 0;
    if (tj_str_eq(type, TJ_STR("BOOLEAN")) && tj_json_double(value, &n))
        return n != 0 ? TJ_STR("true") : TJ_STR("false");
    if (tj_steps_has(word) &&
        (tj_str_eq(type, TJ_STR("CATEGORICAL")) || !tj_steps_has(value)))
        value = word;
    struct tj_buf b;
    tj_buf_init(&b, r->arena, TJ_IMPORT_BYTES_MAX);
    if (value)
        tj_json_write(&b, value, TJ_JSON_COMPACT);
    return tj_buf_str(&b);
}

static void write_score(const struct reader *r, tj_trace_id trace_id,
                        const struct tj_json *score)
{
    tj_str name = tj_json_find_str(score, TJ_STR("name"));
    tj_str id = tj_json_find_str(score, TJ_STR("id"));
    tj_str span = tj_json_str(either(score, "observationId", "observation_id"));
    tj_str author =
        tj_json_str(either(score, "authorUserId", "author_user_id"));
    tj_str value = score_value(r, score);
    if (name.len == 0 || value.len == 0)
        return;
    struct tj_assessment *as = tj_vec_add(&r->batch->assessments, r->arena);
    as->trace_id = trace_id;
    if (span.len > 0)
        (void)span_id_of(trace_id, span, &as->span_id);
    as->kind = TJ_FEEDBACK;
    as->name = name;
    as->source_type = source_of(score);
    as->source_id = author.len ? author : TJ_STR("langfuse");
    as->value_json = value;
    as->rationale = tj_json_find_str(score, TJ_STR("comment"));
    as->create_time = tj_steps_time(tj_steps_get(score, "timestamp"));
    as->update_time = tj_steps_time(either(score, "updatedAt", "updated_at"));
    as->valid = true;
    as->key = tj_str_printf(r->arena, "langfuse:%.*s",
                            TJ_STR_ARG(id.len ? id : name));
}

static void write_trace_metadata(const struct reader *r,
                                 struct tj_trace_info *info)
{
    static const char *const kept[] = {"environment", "release", "version"};
    struct tj_json_members m =
        tj_json_members(unwrap(r, tj_steps_get(r->trace, "metadata")));
    while (tj_json_member(&m)) {
        if (tj_str_eq(m.key, TJ_STR("attributes")) ||
            tj_str_eq(m.key, TJ_STR("resourceAttributes")) ||
            tj_str_eq(m.key, TJ_STR("scope")))
            continue;
        tj_pairs_set(&info->metadata, r->arena, m.key,
                     tj_steps_show(r->arena, m.value));
    }
    for (size_t i = 0; i < TJ_COUNT(kept); i++) {
        tj_str value = tj_json_find_str(r->trace, tj_str_c(kept[i]));
        if (value.len > 0)
            tj_pairs_set(&info->metadata, r->arena, tj_str_c(kept[i]), value);
    }
    const struct tj_json *tags = tj_steps_get(r->trace, "tags");
    if (tj_steps_has(tags))
        tj_pairs_set(&info->tags, r->arena, TJ_STR("langfuse.tags"),
                     tj_steps_show(r->arena, tags));
}

static void write_trace(const struct reader *r)
{
    tj_str id = tj_json_find_str(r->trace, TJ_STR("id"));
    tj_trace_id trace_id = trace_id_of(id);
    tj_trace_id same;
    struct tj_trace_info *info = tj_batch_info(r->batch, trace_id);
    if (!tj_trace_id_parse(id, &same))
        info->source_id = id;
    info->name = tj_json_find_str(r->trace, TJ_STR("name"));
    info->session = trace_text(r, "sessionId", "session_id");
    info->user = trace_text(r, "userId", "user_id");
    info->request_time = tj_steps_time(tj_steps_get(r->trace, "timestamp"));
    write_trace_metadata(r, info);
    tj_json_each (tj_steps_get(r->trace, "scores"), score)
        write_score(r, trace_id, score);
}

/* -- documents ------------------------------------------------------------- */

/* A trace with its observations, in either place; those of the export, which
 * have inputs and outputs, before those inside the trace, which have none. */
static void write_export(struct reader *r, const struct tj_json *doc)
{
    const struct tj_json *trace = tj_steps_get(doc, "trace");
    r->trace = tj_json_is_object(trace) ? trace : doc;
    const struct tj_json *list = tj_steps_get(doc, "observations");
    if (!tj_json_is_array(list))
        list = tj_steps_get(r->trace, "observations");
    write_trace(r);
    tj_json_each (list, o)
        write_observation(r, o);
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    struct reader r = {.build = b, .batch = batch, .arena = batch->arena};
    const struct tj_json *list =
        tj_json_is_array(doc) ? doc : tj_steps_get(doc, "data");
    if (is_export(doc)) {
        write_export(&r, doc);
        return true;
    }
    if (!tj_json_is_array(list))
        return tj_fail(err, TJ_E_INPUT,
                       "offset 0: expected a trace with \"observations\"");
    tj_json_each (list, item) {
        r.trace = NULL;
        if (is_export(item))
            write_export(&r, item);
        else
            write_observation(&r, item);
    }
    return true;
}

const struct tj_format tj_fmt_langfuse = {
    .name = "langfuse",
    .help = "Langfuse exports: a trace with its observations",
    .matches = matches,
    .parse_json = parse,
};
