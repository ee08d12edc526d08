/* answer.c - what a model answered: found, parsed, checked.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/answer.h"

#include "base/buf.h"
#include "base/limits.h"
#include "judge/schema.h"

/* Objects looked at in one answer; prose seldom holds more than two. */
enum { CANDIDATES_MAX = 64, SCHEMA_BYTES_MAX = 131072 };

/* -- finding the object --------------------------------------------------- */

/* text with raw control characters inside strings escaped. */
static tj_str escape_controls(tj_str text, struct tj_arena *a)
{
    struct tj_buf out;
    tj_buf_init(&out, a, text.len * 6 + 1);
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (in_string && c < 0x20) {
            tj_buf_fmt(&out, "\\u%04x", (unsigned)c);
            continue;
        }
        if (c == '"')
            in_string = !in_string;
        tj_buf_byte(&out, (char)c);
        if (in_string && c == '\\' && i + 1 < text.len &&
            (unsigned char)text.ptr[i + 1] >= 0x20)
            tj_buf_byte(&out, text.ptr[++i]);
    }
    return tj_buf_str(&out);
}

static bool has_result(const struct tj_json *v)
{
    return tj_json_is_object(v) && tj_json_find(v, TJ_STR("result"));
}

/* The last object with a result that starts at a '{' of text. */
static const struct tj_json *find_in_prose(tj_str text, struct tj_arena *a)
{
    const struct tj_json *found = NULL;
    size_t at = 0;
    for (int tries = 0; tries < CANDIDATES_MAX; tries++) {
        tj_str rest = tj_str_slice(text, at, text.len);
        size_t open = tj_str_find_byte(rest, '{');
        if (open == (size_t)-1)
            break;
        rest = tj_str_slice(rest, open, rest.len);
        at += open + 1;
        struct tj_json_doc doc;
        struct tj_err ignored = {0};
        size_t used = 0;
        if (!tj_json_parse_prefix(rest, a, &doc, &used, &ignored))
            continue;
        at += used - 1;
        if (has_result(doc.root))
            found = doc.root;
    }
    return found;
}

static const struct tj_json *find_object(tj_str text, struct tj_arena *a,
                                         tj_str *why)
{
    struct tj_json_doc doc;
    struct tj_err err = {0};
    if (tj_json_parse(text, a, &doc, &err)) {
        if (has_result(doc.root))
            return doc.root;
        *why = tj_json_is_object(doc.root)
                   ? TJ_STR("the object has no \"result\"")
                   : TJ_STR("the answer is not a JSON object");
        return NULL;
    }
    const struct tj_json *found = find_in_prose(text, a);
    size_t open = tj_str_find_byte(text, '{');
    if (!found && open != (size_t)-1) {
        tj_str from = tj_str_slice(text, open, text.len);
        found = find_in_prose(escape_controls(from, a), a);
    }
    if (!found && open == (size_t)-1)
        *why = TJ_STR("there is no JSON object in the answer");
    else if (!found)
        *why =
            tj_str_printf(a, "the JSON object cannot be read: %s", err.message);
    return found;
}

/* -- the result ----------------------------------------------------------- */

static const struct tj_json *parse_literal(const char *text, struct tj_arena *a)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    bool ok = tj_json_parse(tj_str_c(text), a, &doc, &ignored);
    assert(ok);
    (void)ok;
    return doc.root;
}

/* header, invariant 3; v itself when nothing is to be coerced. */
static const struct tj_json *coerce(const struct tj_json *schema,
                                    const struct tj_json *v, struct tj_arena *a)
{
    if (!tj_json_is_string(v))
        return v;
    tj_str text = tj_str_trim(tj_json_str(v));
    tj_json_each (tj_json_find(schema, TJ_STR("enum")), it) {
        if (tj_json_is_string(it) && tj_str_eq_fold(tj_json_str(it), text))
            return it;
    }
    if (tj_str_eq(tj_json_find_str(schema, TJ_STR("type")),
                  TJ_STR("boolean"))) {
        if (tj_str_eq_fold(text, TJ_STR("true")))
            return parse_literal("true", a);
        if (tj_str_eq_fold(text, TJ_STR("false")))
            return parse_literal("false", a);
    }
    return v;
}

static bool read_result(const struct tj_json *object,
                        const struct tj_judge_def *def, struct tj_arena *a,
                        struct tj_answer *out, tj_str *why)
{
    const struct tj_json *v = tj_json_find(object, TJ_STR("result"));
    out->result = NULL;
    out->result_json = TJ_STR("null");
    if (tj_json_is_null(v))
        return true;
    struct tj_json_doc schema = {0};
    struct tj_err err = {0};
    if (!tj_json_parse(def->value_schema, a, &schema, &err)) {
        *why = tj_str_printf(a, "%s", err.message);
        return false;
    }
    v = coerce(schema.root, v, a);
    tj_str fault = {0};
    if (!tj_schema_check(schema.root, v, a, &fault)) {
        *why = tj_str_printf(a, "\"result\": %.*s", TJ_STR_ARG(fault));
        return false;
    }
    struct tj_buf text;
    tj_buf_init(&text, a, 2 * TJ_ANSWER_BYTES_MAX);
    tj_json_write(&text, v, TJ_JSON_COMPACT);
    out->result = v;
    out->result_json = tj_buf_str(&text);
    return true;
}

/* -- the evidence --------------------------------------------------------- */

static bool read_item(const struct tj_json *v, struct tj_evidence *out)
{
    const struct tj_json *span = tj_json_find(v, TJ_STR("span_id"));
    const struct tj_json *field = tj_json_find(v, TJ_STR("field"));
    const struct tj_json *quote = tj_json_find(v, TJ_STR("quote"));
    if (!tj_json_is_string(span) || !tj_json_is_string(field) ||
        !tj_json_is_string(quote))
        return false;
    out->span_id = tj_json_str(span);
    out->field = tj_json_str(field);
    out->quote = tj_json_str(quote);
    return true;
}

static bool read_evidence(const struct tj_json *object, struct tj_arena *a,
                          struct tj_answer *out, tj_str *why)
{
    const struct tj_json *list = tj_json_find(object, TJ_STR("evidence"));
    out->evidence = NULL;
    out->evidence_count = 0;
    if (tj_json_is_null(list))
        return true;
    if (!tj_json_is_array(list)) {
        *why = TJ_STR("\"evidence\" is not a list");
        return false;
    }
    size_t count = tj_size_min(tj_json_count(list), TJ_EVIDENCE_MAX);
    out->evidence = tj_arena_array(a, struct tj_evidence, count);
    tj_json_each (list, it) {
        if (out->evidence_count == count)
            break;
        if (!read_item(it, &out->evidence[out->evidence_count])) {
            *why = tj_str_printf(a,
                                 "\"evidence\"[%zu] is not an object with the "
                                 "strings span_id, field and quote",
                                 out->evidence_count);
            return false;
        }
        out->evidence_count++;
    }
    return true;
}

bool tj_answer_parse(tj_str text, const struct tj_judge_def *def,
                     struct tj_arena *a, struct tj_answer *out, tj_str *why)
{
    struct tj_answer answer = {0};
    text = tj_str_trim(text);
    if (text.len == 0) {
        *why = TJ_STR("the answer is empty");
        return false;
    }
    if (text.len > TJ_ANSWER_BYTES_MAX) {
        *why = tj_str_printf(a, "the answer is over %zu bytes",
                             TJ_ANSWER_BYTES_MAX);
        return false;
    }
    const struct tj_json *object = find_object(text, a, why);
    if (!object || !read_result(object, def, a, &answer, why))
        return false;
    const struct tj_json *rationale = tj_json_find(object, TJ_STR("rationale"));
    if (!tj_json_is_null(rationale) && !tj_json_is_string(rationale)) {
        *why = TJ_STR("\"rationale\" is not a string");
        return false;
    }
    answer.rationale = tj_json_str(rationale);
    if (def->evidence != TJ_EVIDENCE_NONE &&
        !read_evidence(object, a, &answer, why))
        return false;
    *out = answer;
    return true;
}

/* -- the schema of the answer --------------------------------------------- */

static void write_string_property(struct tj_json_writer *w, const char *key,
                                  tj_str about)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_object(w);
    tj_jw_key_str(w, "type", TJ_STR("string"));
    if (about.len > 0)
        tj_jw_key_str(w, "description", about);
    tj_jw_end(w);
}

static void write_evidence(struct tj_json_writer *w)
{
    static const char item[] =
        "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
        "\"span_id\":{\"type\":\"string\"},\"field\":{\"type\":\"string\"},"
        "\"quote\":{\"type\":\"string\"}},"
        "\"required\":[\"span_id\",\"field\",\"quote\"],"
        "\"additionalProperties\":false}}";
    tj_jw_key(w, TJ_STR("evidence"));
    tj_jw_raw(w, tj_str_c(item));
}

tj_str tj_answer_schema(const struct tj_judge_def *def, struct tj_arena *a)
{
    struct tj_json_doc value = {0};
    struct tj_err ignored = {0};
    if (!tj_json_parse(def->value_schema, a, &value, &ignored) ||
        !tj_schema_is_closable(value.root))
        return TJ_STR("");
    struct tj_buf out;
    struct tj_json_writer w;
    tj_buf_init(&out, a, SCHEMA_BYTES_MAX);
    tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
    bool evidence = def->evidence != TJ_EVIDENCE_NONE;
    tj_jw_object(&w);
    tj_jw_key_str(&w, "type", TJ_STR("object"));
    tj_jw_key(&w, TJ_STR("properties"));
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("result"));
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("anyOf"));
    tj_jw_array(&w);
    tj_schema_write_closed(&w, value.root);
    tj_jw_raw(&w, TJ_STR("{\"type\":\"null\"}"));
    tj_jw_end(&w);
    tj_jw_end(&w);
    write_string_property(&w, "rationale", TJ_STR(""));
    if (evidence)
        write_evidence(&w);
    tj_jw_end(&w);
    tj_jw_key(&w, TJ_STR("required"));
    tj_jw_raw(&w, evidence ? TJ_STR("[\"result\",\"rationale\",\"evidence\"]")
                           : TJ_STR("[\"result\",\"rationale\"]"));
    tj_jw_key_bool(&w, "additionalProperties", false);
    tj_jw_end(&w);
    return tj_buf_ok(&out, "the answer's schema", &ignored) ? tj_buf_str(&out)
                                                            : TJ_STR("");
}
