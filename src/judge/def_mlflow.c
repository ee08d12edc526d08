/* def_mlflow.c - judges from MLflow's serialised scorers, and as them.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"name": "...", "description": ...,
 *      "instructions_judge_pydantic_data": {
 *          "instructions": "...", "model": "openai:/gpt-5",
 *          "feedback_value_type": {"enum": [...], "type": "string"},
 *          "inference_params": {"temperature": 0}}}
 *
 * Only judges made of instructions can be read; the other kinds are Python
 * code (decorator, class) or other programs (built-in, third party).
 */
#include "base/buf.h"
#include "judge/def_int.h"
#include "text/json_write.h"

enum {
    PARAMS_BYTES_MAX = 65536,
    SCORER_BYTES_MAX = 4194304, /* a judge file twice, escaped */
};

static const char *const other_kinds[] = {
    "builtin_scorer_class",
    "call_source",
    "memory_augmented_judge_data",
    "third_party_scorer_data",
};

static bool refuse_kind(const struct tj_json *root, struct tj_err *err)
{
    for (size_t i = 0; i < TJ_COUNT(other_kinds); i++) {
        const struct tj_json *v = tj_json_find(root, tj_str_c(other_kinds[i]));
        if (!tj_json_is_null(v))
            return tj_fail(err, TJ_E_INPUT,
                           "a scorer with '%s' is not made of instructions "
                           "and cannot be read",
                           other_kinds[i]);
    }
    return tj_fail(err, TJ_E_INPUT,
                   "'instructions_judge_pydantic_data' is missing: this is no "
                   "judge as MLflow writes it");
}

/* MLflow's Optional[T] is anyOf: [T, null]; null is always allowed here. */
static const struct tj_json *without_null(const struct tj_json *schema)
{
    const struct tj_json *any = tj_json_find(schema, TJ_STR("anyOf"));
    if (tj_json_count(any) != 2)
        return schema;
    for (size_t i = 0; i < 2; i++) {
        tj_str type = tj_json_find_str(tj_json_item(any, i), TJ_STR("type"));
        if (tj_str_eq(type, TJ_STR("null")))
            return tj_json_item(any, 1 - i);
    }
    return schema;
}

static bool read_text(const struct tj_json *v, const char *key, tj_str *out,
                      struct tj_err *err)
{
    const struct tj_json *text = tj_json_find(v, tj_str_c(key));
    if (tj_json_is_null(text))
        return true;
    if (!tj_json_is_string(text))
        return tj_fail(err, TJ_E_INPUT, "'%s' must be a string", key);
    *out = tj_json_str(text);
    return true;
}

static bool read_data(const struct tj_json *data, struct tj_arena *a,
                      struct tj_judge_def *def, struct tj_err *err)
{
    if (!read_text(data, "instructions", &def->instructions, err) ||
        !read_text(data, "model", &def->model, err))
        return false;
    const struct tj_json *type =
        tj_json_find(data, TJ_STR("feedback_value_type"));
    if (!tj_json_is_null(type) &&
        !tj_judge_def_set_value(def, without_null(type), a, err))
        return tj_err_wrap(err, "feedback_value_type");
    const struct tj_json *params =
        tj_json_find(data, TJ_STR("inference_params"));
    if (tj_json_is_null(params))
        return true;
    if (!tj_json_is_object(params))
        return tj_fail(err, TJ_E_INPUT, "'inference_params' must be an object");
    struct tj_buf text;
    tj_buf_init(&text, a, PARAMS_BYTES_MAX);
    tj_json_write(&text, params, TJ_JSON_COMPACT);
    def->params = tj_buf_str(&text);
    return tj_buf_ok(&text, "'inference_params'", err);
}

bool tj_judge_def_parse_mlflow(tj_str source, struct tj_arena *a,
                               struct tj_judge_def *def, struct tj_err *err)
{
    struct tj_json_doc doc;
    /* The tree points into its text, and the definition outlives source. */
    if (!tj_json_parse(tj_str_dup(a, source), a, &doc, err))
        return false;
    const struct tj_json *data =
        tj_json_find(doc.root, TJ_STR("instructions_judge_pydantic_data"));
    if (!tj_json_is_object(data))
        return refuse_kind(doc.root, err);
    size_t ignored = 0;
    return read_text(doc.root, "name", &def->name, err) &&
           read_text(doc.root, "description", &def->description, err) &&
           read_data(data, a, def, err) &&
           tj_judge_def_check(def, a, &ignored, err);
}

/* -- out ------------------------------------------------------------------ */

static bool is_primitive(const struct tj_json *schema)
{
    static const char *const types[] = {"string", "integer", "number",
                                        "boolean"};
    tj_str type = tj_json_find_str(schema, TJ_STR("type"));
    for (size_t i = 0; i < TJ_COUNT(types); i++) {
        if (tj_str_eq(type, tj_str_c(types[i])))
            return true;
    }
    return false;
}

/* What MLflow's clients can make a Python type of. */
static bool is_simple(const struct tj_json *schema)
{
    tj_str type = tj_json_find_str(schema, TJ_STR("type"));
    if (tj_str_eq(type, TJ_STR("array")))
        return is_primitive(tj_json_find(schema, TJ_STR("items")));
    if (tj_str_eq(type, TJ_STR("object")))
        return is_primitive(
            tj_json_find(schema, TJ_STR("additionalProperties")));
    return is_primitive(schema);
}

/* A member of JSON text; left out when there is none. */
static bool put_json(struct tj_json_writer *w, const char *key, tj_str text,
                     struct tj_arena *a, bool (*fits)(const struct tj_json *v))
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (!text.len || !tj_json_parse(text, a, &doc, &ignored) ||
        (fits && !fits(doc.root)))
        return false;
    tj_jw_key(w, tj_str_c(key));
    tj_jw_value(w, doc.root);
    return true;
}

static void put_data(struct tj_json_writer *w, const struct tj_judge_def *def,
                     tj_str source, struct tj_arena *a)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "instructions", def->instructions);
    tj_jw_key_str(w, "model", def->model);
    (void)put_json(w, "feedback_value_type", def->value_schema, a, is_simple);
    (void)put_json(w, "inference_params", def->params, a, NULL);
    tj_jw_key_str(w, "tracejudge_source", source);
    tj_jw_end(w);
}

bool tj_judge_def_write_mlflow(const struct tj_judge_def *def, tj_str source,
                               struct tj_arena *a, tj_str *out,
                               struct tj_err *err)
{
    struct tj_buf b;
    struct tj_json_writer w;
    if (tj_str_starts(tj_str_trim(source), TJ_STR("{"))) {
        *out = source;
        return true;
    }
    if (!def->model.len)
        return tj_fail(err, TJ_E_INPUT,
                       "judge '%.*s' has no model, and MLflow's clients cannot "
                       "read one without: add \"model:\" to it",
                       TJ_STR_ARG(def->name));
    tj_buf_init(&b, a, SCORER_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_SPACED);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "name", def->name);
    tj_jw_key(&w, TJ_STR("aggregations"));
    tj_jw_null(&w);
    /* Clients before 3.6 refuse a scorer that has either of them. */
    if (def->description.len)
        tj_jw_key_str(&w, "description", def->description);
    if (def->vars & TJ_VAR_CONVERSATION)
        tj_jw_key_bool(&w, "is_session_level_scorer", true);
    tj_jw_key_str(&w, "mlflow_version", TJ_STR("3.4.0"));
    tj_jw_key_u64(&w, "serialization_version", 1);
    tj_jw_key(&w, TJ_STR("instructions_judge_pydantic_data"));
    put_data(&w, def, source, a);
    tj_jw_end(&w);
    *out = tj_buf_str(&b);
    return tj_buf_ok(&b, "serialised judge", err);
}
