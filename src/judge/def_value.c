/* def_value.c - the parts of a definition that both sources share.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The defaults, the value, and what passes.
 */
#include "judge/def_int.h"

#include "base/buf.h"
#include "base/limits.h"
#include "judge/pass.h"
#include "judge/schema.h"
#include "text/json_write.h"

enum { SCHEMA_BYTES_MAX = 65536, DESCRIBE_BYTES_MAX = 2048, WORDS_MAX = 255 };

void tj_judge_def_init(struct tj_judge_def *def)
{
    *def = (struct tj_judge_def){
        .value_schema = TJ_STR("{\"type\":\"string\"}"),
        .value_type = TJ_STR("str"),
        .limits = {.rounds = TJ_JUDGE_ROUNDS,
                   .input_tokens = TJ_JUDGE_INPUT_TOKENS,
                   .tool_bytes = TJ_JUDGE_TOOL_BYTES,
                   .seconds = TJ_JUDGE_SECONDS,
                   .cost_usd = -1.0},
    };
}

/* -- the value ------------------------------------------------------------ */

static const struct type_word {
    const char *word;
    const char *type;
} type_words[] = {
    {"bool", "boolean"},    {"boolean", "boolean"}, {"int", "integer"},
    {"integer", "integer"}, {"float", "number"},    {"number", "number"},
    {"str", "string"},      {"string", "string"},
};

/* The JSON Schema type that a word means, or NULL. */
static const char *primitive(tj_str word)
{
    for (size_t i = 0; i < TJ_COUNT(type_words); i++) {
        if (tj_str_eq(word, tj_str_c(type_words[i].word)))
            return type_words[i].type;
    }
    return NULL;
}

/* "list[int]" with prefix "list[" -> "int"; empty when it is no such form. */
static tj_str inside(tj_str word, tj_str prefix)
{
    if (!tj_str_starts(word, prefix) || !tj_str_ends(word, TJ_STR("]")))
        return TJ_STR("");
    size_t len = word.len - prefix.len - 1;
    return tj_str_trim(tj_str_slice(word, prefix.len, len));
}

static bool schema_of_word(tj_str word, struct tj_buf *out)
{
    const char *type = primitive(word);
    if (type) {
        tj_buf_fmt(out, "{\"type\":\"%s\"}", type);
        return true;
    }
    if (tj_str_eq(word, TJ_STR("list")))
        word = TJ_STR("list[str]");
    const char *item = primitive(inside(word, TJ_STR("list[")));
    if (item) {
        tj_buf_fmt(out, "{\"type\":\"array\",\"items\":{\"type\":\"%s\"}}",
                   item);
        return true;
    }
    if (tj_str_eq(word, TJ_STR("dict"))) {
        tj_buf_add(out, TJ_STR("{\"type\":\"object\"}"));
        return true;
    }
    tj_str pair = inside(word, TJ_STR("dict["));
    tj_str key = tj_str_trim(tj_str_cut(&pair, ','));
    item = primitive(tj_str_trim(pair));
    if (!item || !tj_str_eq(key, TJ_STR("str")))
        return false;
    tj_buf_fmt(out,
               "{\"type\":\"object\",\"additionalProperties\":"
               "{\"type\":\"%s\"}}",
               item);
    return true;
}

/* Two words that differ only in case could not be told apart in an answer. */
static bool words_differ(const struct tj_json *list, const struct tj_json *word,
                         struct tj_err *err)
{
    tj_json_each (list, it) {
        if (it == word)
            return true;
        if (tj_json_eq(it, word) ||
            (tj_json_is_string(it) && tj_json_is_string(word) &&
             tj_str_eq_fold(tj_json_str(it), tj_json_str(word))))
            return tj_fail(err, TJ_E_INPUT, "'value' lists a word twice");
    }
    return true;
}

static bool schema_of_words(const struct tj_json *list, struct tj_buf *out,
                            struct tj_err *err)
{
    const struct tj_json *first = tj_json_item(list, 0);
    size_t count = tj_json_count(list);
    if (count == 0 || count > WORDS_MAX)
        return tj_fail(err, TJ_E_INPUT, "'value' must list 1 to %d words",
                       WORDS_MAX);
    bool text = tj_json_is_string(first);
    tj_json_each (list, it) {
        if (text ? !tj_json_is_string(it) : !tj_json_is_number(it))
            return tj_fail(err, TJ_E_INPUT,
                           "'value' must list words or numbers, all of one "
                           "kind");
        if (text && tj_str_trim(tj_json_str(it)).len == 0)
            return tj_fail(err, TJ_E_INPUT, "'value' lists an empty word");
        if (!words_differ(list, it, err))
            return false;
    }
    tj_buf_fmt(out, "{\"type\":\"%s\",\"enum\":", text ? "string" : "number");
    tj_json_write(out, list, TJ_JSON_COMPACT);
    tj_buf_byte(out, '}');
    return true;
}

static bool make_schema(const struct tj_json *v, struct tj_buf *out,
                        struct tj_err *err)
{
    if (tj_json_is_array(v))
        return schema_of_words(v, out, err);
    if (tj_json_is_object(v)) {
        if (!tj_schema_accept(v, err))
            return tj_err_wrap(err, "value");
        tj_json_write(out, v, TJ_JSON_COMPACT);
        return true;
    }
    if (tj_json_is_string(v) &&
        schema_of_word(tj_str_trim(tj_json_str(v)), out))
        return true;
    return tj_fail(err, TJ_E_INPUT,
                   "'value' must be bool, int, float, str, list[T], "
                   "dict[str, T], a list of words or a JSON Schema");
}

bool tj_judge_def_set_value(struct tj_judge_def *def, const struct tj_json *v,
                            struct tj_arena *a, struct tj_err *err)
{
    struct tj_buf schema, about;
    struct tj_json_doc doc;
    tj_buf_init(&schema, a, SCHEMA_BYTES_MAX);
    tj_buf_init(&about, a, DESCRIBE_BYTES_MAX);
    if (!make_schema(v, &schema, err) ||
        !tj_buf_ok(&schema, "the schema of 'value'", err) ||
        !tj_json_parse(tj_buf_str(&schema), a, &doc, err))
        return false;
    tj_schema_describe(&about, doc.root);
    if (!tj_buf_ok(&about, "the description of 'value'", err))
        return false;
    def->value_schema = tj_buf_str(&schema);
    def->value_type = tj_buf_str(&about);
    return true;
}

/* -- what passes ---------------------------------------------------------- */

static tj_str json_text(const struct tj_json *v, struct tj_arena *a)
{
    struct tj_buf out;
    tj_buf_init(&out, a, SCHEMA_BYTES_MAX);
    tj_json_write(&out, v, TJ_JSON_COMPACT);
    return tj_buf_str(&out);
}

static bool is_number_schema(const struct tj_json *schema)
{
    tj_str type = tj_json_find_str(schema, TJ_STR("type"));
    return tj_str_eq(type, TJ_STR("integer")) ||
           tj_str_eq(type, TJ_STR("number"));
}

static bool check_pass(const struct tj_json *schema, const struct tj_json *v,
                       struct tj_arena *a, struct tj_err *err)
{
    tj_str why = {0};
    if (tj_json_is_string(v) && is_number_schema(schema)) {
        if (tj_pass_is_comparison(tj_json_str(v)))
            return true;
        return tj_fail(err, TJ_E_INPUT,
                       "'pass': '%.*s' is no comparison such as '>= 3'",
                       TJ_STR_ARG(tj_json_str(v)));
    }
    if (tj_schema_check(schema, v, a, &why))
        return true;
    return tj_fail(err, TJ_E_INPUT, "'pass' names no value of this judge: %.*s",
                   TJ_STR_ARG(why));
}

bool tj_judge_def_set_pass(struct tj_judge_def *def, const struct tj_json *v,
                           struct tj_arena *a, struct tj_err *err)
{
    struct tj_json_doc schema;
    if (!tj_json_parse(def->value_schema, a, &schema, err))
        return false;
    tj_str type = tj_json_find_str(schema.root, TJ_STR("type"));
    bool many = tj_json_is_array(v) && !tj_str_eq(type, TJ_STR("array"));
    size_t count = many ? tj_json_count(v) : 1;
    if (count == 0)
        return tj_fail(err, TJ_E_INPUT, "'pass' is empty");
    def->pass = tj_arena_array(a, tj_str, count);
    def->pass_count = 0;
    const struct tj_json *it = many ? tj_json_first(v) : v;
    for (size_t i = 0; i < count; i++) {
        if (!check_pass(schema.root, it, a, err))
            return false;
        def->pass[def->pass_count++] = json_text(it, a);
        it = many ? tj_json_next(v, it) : NULL;
    }
    def->has_pass = true;
    return true;
}
