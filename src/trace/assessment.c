/* assessment.c - MLflow's JSON of assessments, in and out.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"assessment_id", "assessment_name", "trace_id", "span_id",
 *      "source": {"source_type", "source_id"}, "create_time" (RFC 3339),
 *      "last_update_time", "feedback": {"value", "error": {"error_code",
 *      "error_message", "stack_trace"}} | "expectation": {"value" |
 *      "serialized_value": {"serialization_format", "value" (JSON text)}},
 *      "rationale", "metadata": {string: string}, "overrides", "valid"}
 *
 * Python's to_dictionary writes the same with create_time_ms and
 * last_update_time_ms; protobuf's JSON may come in camelCase.
 */
#include "trace/assessment.h"

#include "base/limits.h"
#include "text/utf8.h"

const char *tj_source_type_name(enum tj_source_type type)
{
    switch (type) {
    case TJ_SOURCE_UNSPECIFIED: return "SOURCE_TYPE_UNSPECIFIED";
    case TJ_SOURCE_HUMAN: return "HUMAN";
    case TJ_SOURCE_LLM_JUDGE: return "LLM_JUDGE";
    case TJ_SOURCE_CODE: return "CODE";
    }
    return "SOURCE_TYPE_UNSPECIFIED";
}

bool tj_source_type_parse(tj_str text, enum tj_source_type *out)
{
    static const struct {
        const char *word;
        enum tj_source_type type;
    } words[] = {
        {"SOURCE_TYPE_UNSPECIFIED", TJ_SOURCE_UNSPECIFIED},
        {"HUMAN", TJ_SOURCE_HUMAN},
        {"LLM_JUDGE", TJ_SOURCE_LLM_JUDGE},
        {"AI_JUDGE", TJ_SOURCE_LLM_JUDGE},
        {"CODE", TJ_SOURCE_CODE},
    };
    for (size_t i = 0; i < TJ_COUNT(words); i++) {
        if (tj_str_eq_fold(text, tj_str_c(words[i].word))) {
            *out = words[i].type;
            return true;
        }
    }
    return false;
}

static struct tj_assessment_pair *find_meta(const struct tj_assessment *as,
                                            tj_str key)
{
    for (size_t i = as->metadata.count; i-- > 0;) {
        if (tj_str_eq(as->metadata.items[i].key, key))
            return &as->metadata.items[i];
    }
    return NULL;
}

tj_str tj_assessment_meta(const struct tj_assessment *as, tj_str key)
{
    const struct tj_assessment_pair *pair = find_meta(as, key);
    return pair ? pair->value : (tj_str){0};
}

void tj_assessment_set_meta(struct tj_assessment *as, struct tj_arena *a,
                            tj_str key, tj_str value)
{
    struct tj_assessment_pair *pair = find_meta(as, key);
    if (!pair) {
        pair = tj_vec_add(&as->metadata, a);
        pair->key = key;
    }
    pair->value = value;
}

struct tj_assessment tj_assessment_copy(const struct tj_assessment *as,
                                        struct tj_arena *a)
{
    struct tj_assessment c = *as;
    tj_str *texts[] = {
        &c.id,        &c.name,       &c.source_id,     &c.value_json,
        &c.rationale, &c.error_code, &c.error_message, &c.error_stack,
        &c.overrides, &c.key};
    for (size_t i = 0; i < TJ_COUNT(texts); i++)
        *texts[i] = tj_str_dup(a, *texts[i]);
    c.metadata.items = NULL;
    c.metadata.count = c.metadata.cap = 0;
    tj_vec_each (&as->metadata, const struct tj_assessment_pair, p) {
        struct tj_assessment_pair *pair = tj_vec_add(&c.metadata, a);
        pair->key = tj_str_dup(a, p->key);
        pair->value = tj_str_dup(a, p->value);
    }
    return c;
}

/* -- in ------------------------------------------------------------------- */

static const struct tj_json *either(const struct tj_json *v, tj_str snake,
                                    tj_str camel)
{
    const struct tj_json *found = tj_json_find(v, snake);
    if (tj_json_is_null(found))
        found = tj_json_find(v, camel);
    return tj_json_is_null(found) ? NULL : found;
}

static tj_str compact(const struct tj_json *v, struct tj_arena *a)
{
    struct tj_buf b;
    tj_buf_init(&b, a, TJ_IMPORT_BYTES_MAX);
    tj_json_write(&b, v, TJ_JSON_COMPACT);
    return tj_buf_str(&b);
}

/* A google.protobuf.Value knows doubles only, so 5 is 5.0 for everybody who
 * reads it; depth is bounded by the reader of v. */
static void put_doubles(struct tj_json_writer *w, const struct tj_json *v,
                        size_t depth)
{
    double number = 0;
    assert(depth <= TJ_JSON_DEPTH_MAX);
    if (tj_json_is_array(v)) {
        tj_jw_array(w);
        tj_json_each (v, item)
            put_doubles(w, item, depth + 1);
        tj_jw_end(w);
    } else if (tj_json_is_object(v)) {
        struct tj_json_members m = tj_json_members(v);
        tj_jw_object(w);
        while (tj_json_member(&m)) {
            tj_jw_key(w, m.key);
            put_doubles(w, m.value, depth + 1);
        }
        tj_jw_end(w);
    } else if (tj_json_double(v, &number)) {
        tj_jw_double(w, number);
    } else {
        tj_jw_value(w, v);
    }
}

static tj_str with_doubles(const struct tj_json *v, struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, TJ_IMPORT_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    put_doubles(&w, v, 0);
    return tj_buf_str(&b);
}

/* RFC 3339 text, or milliseconds under the key with _ms. */
static tj_time read_time(const struct tj_json *text, const struct tj_json *ms)
{
    uint64_t value = 0;
    if (tj_time_parse(tj_json_str(text), &value))
        return value;
    if (tj_json_u64_loose(ms, &value) || tj_json_u64_loose(text, &value))
        return value <= UINT64_MAX / TJ_NS_PER_MS ? value * TJ_NS_PER_MS : 0;
    return 0;
}

static bool read_value(const struct tj_json *v, struct tj_arena *a,
                       struct tj_assessment *out, struct tj_err *err)
{
    const struct tj_json *value = tj_json_find(v, TJ_STR("value"));
    const struct tj_json *serialized =
        either(v, TJ_STR("serialized_value"), TJ_STR("serializedValue"));
    if (serialized) {
        struct tj_json_doc doc;
        tj_str text = tj_json_find_str(serialized, TJ_STR("value"));
        if (!tj_json_parse(text, a, &doc, err))
            return tj_err_wrap(err, "serialized_value of assessment %.*s",
                               TJ_STR_ARG(out->name));
        value = doc.root;
        out->value_json = tj_json_is_number(value) ? with_doubles(value, a)
                                                   : compact(value, a);
        return true;
    }
    if (value)
        out->value_json = with_doubles(value, a);
    return true;
}

static void read_error(const struct tj_json *v, struct tj_assessment *out)
{
    const struct tj_json *error = tj_json_find(v, TJ_STR("error"));
    out->error_code =
        tj_json_str(either(error, TJ_STR("error_code"), TJ_STR("errorCode")));
    out->error_message = tj_json_str(
        either(error, TJ_STR("error_message"), TJ_STR("errorMessage")));
    out->error_stack =
        tj_json_str(either(error, TJ_STR("stack_trace"), TJ_STR("stackTrace")));
}

static bool read_kind(const struct tj_json *v, struct tj_arena *a,
                      struct tj_assessment *out, struct tj_err *err)
{
    const struct tj_json *feedback = tj_json_find(v, TJ_STR("feedback"));
    const struct tj_json *expectation = tj_json_find(v, TJ_STR("expectation"));
    if (tj_json_is_object(feedback)) {
        out->kind = TJ_FEEDBACK;
        read_error(feedback, out);
        return read_value(feedback, a, out, err);
    }
    if (tj_json_is_object(expectation)) {
        out->kind = TJ_EXPECTATION;
        return read_value(expectation, a, out, err);
    }
    return tj_fail(err, TJ_E_INPUT,
                   "assessment %.*s: expected feedback or expectation",
                   TJ_STR_ARG(out->name));
}

static void read_source(const struct tj_json *v, struct tj_assessment *out)
{
    const struct tj_json *source = tj_json_find(v, TJ_STR("source"));
    static const enum tj_source_type numbers[] = {
        TJ_SOURCE_UNSPECIFIED, TJ_SOURCE_HUMAN, TJ_SOURCE_LLM_JUDGE,
        TJ_SOURCE_CODE};
    const struct tj_json *type =
        either(source, TJ_STR("source_type"), TJ_STR("sourceType"));
    uint64_t number = 0;
    if (tj_json_u64(type, &number)) /* protobuf's own, of an enum */
        out->source_type = number < TJ_COUNT(numbers) ? numbers[number]
                                                      : TJ_SOURCE_UNSPECIFIED;
    else if (!tj_source_type_parse(tj_json_str(type), &out->source_type))
        out->source_type = TJ_SOURCE_UNSPECIFIED;
    out->source_id =
        tj_json_str(either(source, TJ_STR("source_id"), TJ_STR("sourceId")));
}

static bool read_metadata(const struct tj_json *v, struct tj_arena *a,
                          struct tj_assessment *out, struct tj_err *err)
{
    const struct tj_json *metadata = tj_json_find(v, TJ_STR("metadata"));
    struct tj_json_members m = tj_json_members(metadata);
    if (tj_json_count(metadata) > TJ_REQUEST_PAIRS_MAX)
        return tj_fail(err, TJ_E_LIMIT,
                       "assessment: over %zu members of metadata",
                       TJ_REQUEST_PAIRS_MAX);
    while (tj_json_member(&m)) {
        tj_str value = tj_json_is_string(m.value) ? tj_json_str(m.value)
                                                  : compact(m.value, a);
        tj_assessment_set_meta(out, a, m.key, value);
    }
    return true;
}

/* All but the value. */
static bool read_rest(const struct tj_json *v, struct tj_arena *a,
                      struct tj_assessment *as, struct tj_err *err)
{
    if (!tj_json_is_object(v))
        return tj_fail(err, TJ_E_INPUT, "assessment: expected an object");
    as->id =
        tj_json_str(either(v, TJ_STR("assessment_id"), TJ_STR("assessmentId")));
    as->name = tj_utf8_clip(tj_json_str(either(v, TJ_STR("assessment_name"),
                                               TJ_STR("assessmentName"))),
                            TJ_NAME_BYTES_MAX);
    if (!as->name.len)
        as->name = tj_utf8_clip(tj_json_find_str(v, TJ_STR("name")),
                                TJ_NAME_BYTES_MAX);
    /* An id of another kind is the caller's to resolve: left at none. */
    (void)!tj_trace_id_parse(
        tj_json_str(either(v, TJ_STR("trace_id"), TJ_STR("traceId"))),
        &as->trace_id);
    (void)!tj_span_id_parse(
        tj_json_str(either(v, TJ_STR("span_id"), TJ_STR("spanId"))),
        &as->span_id);
    read_source(v, as);
    if (!read_metadata(v, a, as, err))
        return false;
    as->rationale = tj_json_find_str(v, TJ_STR("rationale"));
    as->create_time =
        read_time(either(v, TJ_STR("create_time"), TJ_STR("createTime")),
                  tj_json_find(v, TJ_STR("create_time_ms")));
    as->update_time = read_time(
        either(v, TJ_STR("last_update_time"), TJ_STR("lastUpdateTime")),
        tj_json_find(v, TJ_STR("last_update_time_ms")));
    as->overrides = tj_json_find_str(v, TJ_STR("overrides"));
    as->valid = tj_json_bool(tj_json_find(v, TJ_STR("valid")), true);
    return true;
}

bool tj_assessment_parse(const struct tj_json *v, struct tj_arena *a,
                         struct tj_assessment *out, struct tj_err *err)
{
    struct tj_assessment as = {0};
    if (!read_rest(v, a, &as, err) || !read_kind(v, a, &as, err))
        return false;
    if (!as.name.len)
        as.name =
            as.kind == TJ_FEEDBACK ? TJ_STR("feedback") : TJ_STR("expectation");
    *out = as;
    return true;
}

bool tj_assessment_parse_change(const struct tj_json *v, struct tj_arena *a,
                                struct tj_assessment *out, bool *has_value,
                                struct tj_err *err)
{
    struct tj_assessment as = {0};
    bool valued = tj_json_is_object(tj_json_find(v, TJ_STR("feedback"))) ||
                  tj_json_is_object(tj_json_find(v, TJ_STR("expectation")));
    if (!read_rest(v, a, &as, err) || (valued && !read_kind(v, a, &as, err)))
        return false;
    *has_value = valued;
    *out = as;
    return true;
}

/* -- out ------------------------------------------------------------------ */

static void write_some(struct tj_json_writer *w, const char *key, tj_str value)
{
    if (value.len)
        tj_jw_key_str(w, key, value);
}

static void write_error(struct tj_json_writer *w,
                        const struct tj_assessment *as)
{
    if (!as->error_code.len && !as->error_message.len)
        return;
    tj_jw_key(w, TJ_STR("error"));
    tj_jw_object(w);
    write_some(w, "error_code", as->error_code);
    write_some(w, "error_message", as->error_message);
    write_some(w, "stack_trace", as->error_stack);
    tj_jw_end(w);
}

/* As Python's json.dumps spaces it, which clients may compare. */
static tj_str spaced(tj_str json, struct tj_arena *a)
{
    struct tj_json_doc doc;
    struct tj_err ignored = {0};
    struct tj_buf b;
    if (!json.len || !tj_json_parse(json, a, &doc, &ignored))
        return json.len ? json : TJ_STR("null");
    tj_buf_init(&b, a, SIZE_MAX);
    tj_json_write(&b, doc.root, TJ_JSON_SPACED);
    return tj_buf_str(&b);
}

/* MLflow's proto has scalars as they are and all else as serialised text. */
static void write_expectation(struct tj_json_writer *w,
                              const struct tj_assessment *as,
                              struct tj_arena *a)
{
    char first = as->value_json.len ? as->value_json.ptr[0] : 'n';
    if (first != '{' && first != '[' && first != 'n') {
        tj_jw_key(w, TJ_STR("value"));
        tj_jw_raw(w, as->value_json);
        return;
    }
    tj_jw_key(w, TJ_STR("serialized_value"));
    tj_jw_object(w);
    tj_jw_key_str(w, "serialization_format", TJ_STR("JSON_FORMAT"));
    tj_jw_key_str(w, "value", spaced(as->value_json, a));
    tj_jw_end(w);
}

static void write_value(struct tj_json_writer *w,
                        const struct tj_assessment *as, struct tj_arena *a)
{
    bool feedback = as->kind == TJ_FEEDBACK;
    tj_jw_key(w, feedback ? TJ_STR("feedback") : TJ_STR("expectation"));
    tj_jw_object(w);
    if (!feedback) {
        write_expectation(w, as, a);
    } else {
        /* With an error, too: MLflow's clients look for it. */
        tj_jw_key(w, TJ_STR("value"));
        tj_jw_raw(w, as->value_json.len ? as->value_json : TJ_STR("null"));
        write_error(w, as);
    }
    tj_jw_end(w);
}

static void write_metadata(struct tj_json_writer *w,
                           const struct tj_assessment *as)
{
    if (!as->metadata.count)
        return;
    tj_jw_key(w, TJ_STR("metadata"));
    tj_jw_object(w);
    for (size_t i = 0; i < as->metadata.count; i++) {
        tj_jw_key(w, as->metadata.items[i].key);
        tj_jw_str(w, as->metadata.items[i].value);
    }
    tj_jw_end(w);
}

/* Without a fraction that is zero, as protobuf has it. */
static tj_str time_text(struct tj_arena *a, tj_time time)
{
    tj_str text = tj_time_text(a, time);
    tj_str zero = TJ_STR(".000Z");
    if (!tj_str_ends(text, zero))
        return text;
    return tj_str_printf(a, "%.*sZ", (int)(text.len - zero.len), text.ptr);
}

void tj_assessment_write(struct tj_json_writer *w,
                         const struct tj_assessment *as, struct tj_arena *a)
{
    tj_jw_object(w);
    write_some(w, "assessment_id", as->id);
    tj_jw_key_str(w, "assessment_name", as->name);
    if (!tj_trace_id_is_none(as->trace_id))
        tj_jw_key_str(w, "trace_id", tj_trace_id_mlflow(a, as->trace_id));
    if (!tj_span_id_is_none(as->span_id))
        tj_jw_key_str(w, "span_id", tj_span_id_text(a, as->span_id));
    tj_jw_key(w, TJ_STR("source"));
    tj_jw_object(w);
    tj_jw_key_str(w, "source_type",
                  tj_str_c(tj_source_type_name(as->source_type)));
    write_some(w, "source_id", as->source_id);
    tj_jw_end(w);
    if (as->create_time)
        tj_jw_key_str(w, "create_time", time_text(a, as->create_time));
    if (as->update_time)
        tj_jw_key_str(w, "last_update_time", time_text(a, as->update_time));
    write_value(w, as, a);
    write_some(w, "rationale", as->rationale);
    write_metadata(w, as);
    write_some(w, "overrides", as->overrides);
    tj_jw_key_bool(w, "valid", as->valid);
    tj_jw_end(w);
}
