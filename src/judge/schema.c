/* schema.c - reading, checking, closing and describing value schemas.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/schema.h"

#include <math.h>

static const char *const keywords[] = {
    "type",       "enum",      "const",    "anyOf",
    "properties", "required",  "items",    "additionalProperties",
    "minimum",    "maximum",   "minItems", "maxItems",
    "minLength",  "maxLength", "title",    "description",
    "default",
};

static const char *const types[] = {
    "string", "integer", "number", "boolean", "array", "object", "null",
};

static bool is_one_of(tj_str word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tj_str_eq(word, tj_str_c(words[i])))
            return true;
    }
    return false;
}

static const struct tj_json *key_of(const struct tj_json *schema,
                                    const char *key)
{
    return tj_json_find(schema, tj_str_c(key));
}

/* -- is it in the subset? ------------------------------------------------- */

static bool accept_type(const struct tj_json *v, struct tj_err *err)
{
    if (!v)
        return true;
    if (tj_json_is_string(v)) {
        if (is_one_of(tj_json_str(v), types, TJ_COUNT(types)))
            return true;
        return tj_fail(err, TJ_E_INPUT, "schema: unknown type '%.*s'",
                       TJ_STR_ARG(tj_json_str(v)));
    }
    if (!tj_json_is_array(v) || tj_json_count(v) == 0)
        return tj_fail(err, TJ_E_INPUT,
                       "schema: 'type' must be a name or a list of names");
    tj_json_each (v, it) {
        if (!is_one_of(tj_json_str(it), types, TJ_COUNT(types)))
            return tj_fail(err, TJ_E_INPUT, "schema: unknown type in a list");
    }
    return true;
}

static bool accept_numbers(const struct tj_json *schema, struct tj_err *err)
{
    static const char *const bounds[] = {"minimum",  "maximum",   "minItems",
                                         "maxItems", "minLength", "maxLength"};
    for (size_t i = 0; i < TJ_COUNT(bounds); i++) {
        const struct tj_json *v = key_of(schema, bounds[i]);
        if (v && !tj_json_is_number(v))
            return tj_fail(err, TJ_E_INPUT, "schema: '%s' must be a number",
                           bounds[i]);
    }
    return true;
}

static bool accept_keywords(const struct tj_json *schema, struct tj_err *err)
{
    struct tj_json_members m = tj_json_members(schema);
    while (tj_json_member(&m)) {
        if (!is_one_of(m.key, keywords, TJ_COUNT(keywords)))
            return tj_fail(err, TJ_E_INPUT,
                           "schema: keyword '%.*s' is not supported",
                           TJ_STR_ARG(m.key));
    }
    return true;
}

static bool accept(const struct tj_json *schema, size_t depth,
                   struct tj_err *err);

static bool accept_parts(const struct tj_json *schema, size_t depth,
                         struct tj_err *err)
{
    const struct tj_json *properties = key_of(schema, "properties");
    if (properties && !tj_json_is_object(properties))
        return tj_fail(err, TJ_E_INPUT,
                       "schema: 'properties' must be a mapping");
    struct tj_json_members m = tj_json_members(properties);
    while (tj_json_member(&m)) {
        if (!accept(m.value, depth + 1, err))
            return tj_err_wrap(err, "%.*s", TJ_STR_ARG(m.key));
    }
    const struct tj_json *more = key_of(schema, "additionalProperties");
    enum tj_json_type type = tj_json_type(more);
    if (more && type != TJ_JSON_TRUE && type != TJ_JSON_FALSE &&
        !accept(more, depth + 1, err))
        return false;
    const struct tj_json *items = key_of(schema, "items");
    if (items && !accept(items, depth + 1, err))
        return tj_err_wrap(err, "items");
    const struct tj_json *any = key_of(schema, "anyOf");
    if (any && (!tj_json_is_array(any) || tj_json_count(any) == 0))
        return tj_fail(err, TJ_E_INPUT, "schema: 'anyOf' must be a list");
    tj_json_each (any, it) {
        if (!accept(it, depth + 1, err))
            return tj_err_wrap(err, "anyOf");
    }
    return true;
}

static bool accept(const struct tj_json *schema, size_t depth,
                   struct tj_err *err)
{
    if (depth > TJ_SCHEMA_DEPTH_MAX)
        return tj_fail(err, TJ_E_LIMIT, "schema: nested deeper than %d",
                       TJ_SCHEMA_DEPTH_MAX);
    if (!tj_json_is_object(schema))
        return tj_fail(err, TJ_E_INPUT, "schema: expected a mapping");
    const struct tj_json *words = key_of(schema, "enum");
    if (words && (!tj_json_is_array(words) || tj_json_count(words) == 0))
        return tj_fail(err, TJ_E_INPUT, "schema: 'enum' must be a list");
    const struct tj_json *required = key_of(schema, "required");
    if (required && !tj_json_is_array(required))
        return tj_fail(err, TJ_E_INPUT, "schema: 'required' must be a list");
    return accept_keywords(schema, err) &&
           accept_type(key_of(schema, "type"), err) &&
           accept_numbers(schema, err) && accept_parts(schema, depth, err);
}

bool tj_schema_accept(const struct tj_json *schema, struct tj_err *err)
{
    return accept(schema, 0, err);
}

/* -- does a value obey? --------------------------------------------------- */

struct walk {
    struct tj_buf path;
    struct tj_buf why;
};

static void put_short(struct tj_buf *out, const struct tj_json *v)
{
    size_t before = out->len;
    tj_json_write(out, v, TJ_JSON_SPACED);
    if (out->len - before > 80) {
        tj_buf_cut(out, before);
        tj_buf_fmt(out, "the %s", tj_json_type_name(tj_json_type(v)));
    }
}

/* "path: " in front of what is wrong; the caller adds the rest. */
static bool begin_fault(struct walk *w)
{
    tj_buf_clear(&w->why);
    if (w->path.len > 0) {
        tj_buf_add(&w->why, tj_buf_str(&w->path));
        tj_buf_add(&w->why, TJ_STR(": "));
    }
    return false;
}

static bool type_matches(tj_str type, const struct tj_json *v)
{
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    enum tj_json_type is = tj_json_type(v);
    if (tj_str_eq(type, TJ_STR("string")))
        return is == TJ_JSON_STRING;
    if (tj_str_eq(type, TJ_STR("integer")))
        return tj_json_i64(v, &i) || tj_json_u64(v, &u);
    if (tj_str_eq(type, TJ_STR("number")))
        return tj_json_double(v, &d) && isfinite(d);
    if (tj_str_eq(type, TJ_STR("boolean")))
        return is == TJ_JSON_TRUE || is == TJ_JSON_FALSE;
    if (tj_str_eq(type, TJ_STR("array")))
        return is == TJ_JSON_ARRAY;
    if (tj_str_eq(type, TJ_STR("object")))
        return is == TJ_JSON_OBJECT;
    return is == TJ_JSON_NULL;
}

static bool check_type(struct walk *w, const struct tj_json *type,
                       const struct tj_json *v)
{
    if (!type)
        return true;
    if (tj_json_is_string(type)) {
        if (type_matches(tj_json_str(type), v))
            return true;
    } else {
        tj_json_each (type, it) {
            if (type_matches(tj_json_str(it), v))
                return true;
        }
    }
    (void)begin_fault(w);
    put_short(&w->why, v);
    tj_buf_add(&w->why, TJ_STR(" is not of type "));
    if (tj_json_is_string(type))
        tj_buf_add(&w->why, tj_json_str(type));
    else
        put_short(&w->why, type);
    return false;
}

static bool check_words(struct walk *w, const struct tj_json *schema,
                        const struct tj_json *v)
{
    const struct tj_json *one = key_of(schema, "const");
    const struct tj_json *words = key_of(schema, "enum");
    if ((!one || tj_json_eq(one, v)) && !words)
        return true;
    bool found = one && tj_json_eq(one, v);
    tj_json_each (words, it)
        found = found || tj_json_eq(it, v);
    if (found)
        return true;
    (void)begin_fault(w);
    put_short(&w->why, v);
    tj_buf_add(&w->why, TJ_STR(" is not one of "));
    tj_schema_describe(&w->why, schema);
    return false;
}

/* what is "" for numbers, " items" and " bytes" for sizes. */
static bool check_bound(struct walk *w, const struct tj_json *schema,
                        const char *const names[2], double size,
                        const char *what)
{
    double bound = 0;
    for (size_t i = 0; i < 2; i++) {
        if (!tj_json_double(key_of(schema, names[i]), &bound))
            continue;
        if (i == 0 ? size >= bound : size <= bound)
            continue;
        (void)begin_fault(w);
        tj_buf_fmt(&w->why, "%.15g%s is %s the %s %.15g", size, what,
                   i == 0 ? "under" : "over", i == 0 ? "minimum" : "maximum",
                   bound);
        return false;
    }
    return true;
}

static bool check_bounds(struct walk *w, const struct tj_json *schema,
                         const struct tj_json *v)
{
    static const char *const of_number[2] = {"minimum", "maximum"};
    static const char *const of_items[2] = {"minItems", "maxItems"};
    static const char *const of_text[2] = {"minLength", "maxLength"};
    double number = 0;
    if (tj_json_is_number(v) && tj_json_double(v, &number))
        return check_bound(w, schema, of_number, number, "");
    if (tj_json_is_array(v))
        return check_bound(w, schema, of_items, (double)tj_json_count(v),
                           " items");
    if (tj_json_is_string(v))
        return check_bound(w, schema, of_text, (double)tj_json_str(v).len,
                           " bytes");
    return true;
}

static bool check(struct walk *w, const struct tj_json *schema,
                  const struct tj_json *v, size_t depth);

static bool is_required(const struct tj_json *schema, tj_str key)
{
    tj_json_each (key_of(schema, "required"), it) {
        if (tj_str_eq(tj_json_str(it), key))
            return true;
    }
    return false;
}

static bool check_member(struct walk *w, const struct tj_json *schema,
                         const struct tj_json_members *m, size_t depth)
{
    const struct tj_json *part =
        tj_json_find(key_of(schema, "properties"), m->key);
    const struct tj_json *more = key_of(schema, "additionalProperties");
    size_t before = w->path.len;
    if (before > 0)
        tj_buf_byte(&w->path, '.');
    tj_buf_add(&w->path, m->key);
    bool fits = true;
    if (part) {
        /* The closed form makes optional members required and nullable. */
        bool absent = tj_json_is_null(m->value) && !is_required(schema, m->key);
        fits = absent || check(w, part, m->value, depth + 1);
    } else if (tj_json_is_object(more)) {
        fits = check(w, more, m->value, depth + 1);
    } else if (tj_json_type(more) == TJ_JSON_FALSE && more) {
        fits = begin_fault(w);
        tj_buf_add(&w->why, TJ_STR("no such member is allowed"));
    }
    tj_buf_cut(&w->path, before);
    return fits;
}

static bool check_object(struct walk *w, const struct tj_json *schema,
                         const struct tj_json *v, size_t depth)
{
    tj_json_each (key_of(schema, "required"), it) {
        if (tj_json_find(v, tj_json_str(it)))
            continue;
        (void)begin_fault(w);
        tj_buf_fmt(&w->why, "member '%.*s' is missing",
                   TJ_STR_ARG(tj_json_str(it)));
        return false;
    }
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        if (!check_member(w, schema, &m, depth))
            return false;
    }
    return true;
}

static bool check_array(struct walk *w, const struct tj_json *schema,
                        const struct tj_json *v, size_t depth)
{
    const struct tj_json *items = key_of(schema, "items");
    size_t index = 0;
    tj_json_each (v, it) {
        size_t before = w->path.len;
        tj_buf_fmt(&w->path, "[%zu]", index++);
        bool fits = !items || check(w, items, it, depth + 1);
        tj_buf_cut(&w->path, before);
        if (!fits)
            return false;
    }
    return true;
}

static bool check_any(struct walk *w, const struct tj_json *any,
                      const struct tj_json *v, size_t depth)
{
    if (!any)
        return true;
    tj_json_each (any, it) {
        if (check(w, it, v, depth + 1))
            return true;
    }
    return false; /* the last branch said why */
}

static bool check(struct walk *w, const struct tj_json *schema,
                  const struct tj_json *v, size_t depth)
{
    assert(depth <= TJ_SCHEMA_DEPTH_MAX + 1); /* accept() saw the schema */
    if (!check_type(w, key_of(schema, "type"), v) ||
        !check_words(w, schema, v) || !check_bounds(w, schema, v) ||
        !check_any(w, key_of(schema, "anyOf"), v, depth))
        return false;
    if (tj_json_is_object(v))
        return check_object(w, schema, v, depth);
    if (tj_json_is_array(v))
        return check_array(w, schema, v, depth);
    return true;
}

bool tj_schema_check(const struct tj_json *schema, const struct tj_json *value,
                     struct tj_arena *a, tj_str *why)
{
    struct walk w;
    tj_buf_init(&w.path, a, 4096);
    tj_buf_init(&w.why, a, 4096);
    if (check(&w, schema, value, 0))
        return true;
    *why = tj_buf_str(&w.why);
    return false;
}

/* -- the closed form ------------------------------------------------------ */

static bool has_type(const struct tj_json *schema, tj_str type)
{
    const struct tj_json *v = key_of(schema, "type");
    if (tj_json_is_string(v))
        return tj_str_eq(tj_json_str(v), type);
    tj_json_each (v, it) {
        if (tj_str_eq(tj_json_str(it), type))
            return true;
    }
    return false;
}

static bool closable(const struct tj_json *schema, size_t depth)
{
    if (depth > TJ_SCHEMA_DEPTH_MAX)
        return false;
    const struct tj_json *properties = key_of(schema, "properties");
    const struct tj_json *more = key_of(schema, "additionalProperties");
    const struct tj_json *items = key_of(schema, "items");
    const struct tj_json *any = key_of(schema, "anyOf");
    if (!key_of(schema, "type") && !key_of(schema, "enum") &&
        !key_of(schema, "const") && !any)
        return false;
    if (more && tj_json_type(more) != TJ_JSON_FALSE)
        return false;
    if (has_type(schema, TJ_STR("object")) && tj_json_count(properties) == 0)
        return false;
    if (has_type(schema, TJ_STR("array")) && !items)
        return false;
    struct tj_json_members m = tj_json_members(properties);
    while (tj_json_member(&m)) {
        if (!closable(m.value, depth + 1))
            return false;
    }
    tj_json_each (any, it) {
        if (!closable(it, depth + 1))
            return false;
    }
    return !items || closable(items, depth + 1);
}

bool tj_schema_is_closable(const struct tj_json *schema)
{
    return closable(schema, 0);
}

/* A word list needs its type beside it in strict modes. */
static void write_type(struct tj_json_writer *w, const struct tj_json *schema)
{
    const struct tj_json *type = key_of(schema, "type");
    const struct tj_json *words = key_of(schema, "enum");
    const struct tj_json *first =
        words ? tj_json_item(words, 0) : key_of(schema, "const");
    if (type) {
        tj_jw_key(w, TJ_STR("type"));
        tj_jw_value(w, type);
    } else if (tj_json_is_string(first)) {
        tj_jw_key_str(w, "type", TJ_STR("string"));
    } else if (tj_json_is_number(first)) {
        tj_jw_key_str(w, "type", TJ_STR("number"));
    }
}

static void write_closed(struct tj_json_writer *w, const struct tj_json *schema,
                         size_t depth);

static void write_properties(struct tj_json_writer *w,
                             const struct tj_json *schema, size_t depth)
{
    const struct tj_json *properties = key_of(schema, "properties");
    if (!properties)
        return;
    tj_jw_key(w, TJ_STR("properties"));
    tj_jw_object(w);
    struct tj_json_members m = tj_json_members(properties);
    while (tj_json_member(&m)) {
        tj_jw_key(w, m.key);
        if (is_required(schema, m.key)) {
            write_closed(w, m.value, depth + 1);
            continue;
        }
        tj_jw_object(w);
        tj_jw_key(w, TJ_STR("anyOf"));
        tj_jw_array(w);
        write_closed(w, m.value, depth + 1);
        tj_jw_raw(w, TJ_STR("{\"type\":\"null\"}"));
        tj_jw_end(w);
        tj_jw_end(w);
    }
    tj_jw_end(w);
    tj_jw_key(w, TJ_STR("required"));
    tj_jw_array(w);
    m = tj_json_members(properties);
    while (tj_json_member(&m))
        tj_jw_str(w, m.key);
    tj_jw_end(w);
    tj_jw_key_bool(w, "additionalProperties", false);
}

static void write_closed(struct tj_json_writer *w, const struct tj_json *schema,
                         size_t depth)
{
    assert(depth <= TJ_SCHEMA_DEPTH_MAX); /* closable() said so */
    const struct tj_json *words = key_of(schema, "enum");
    const struct tj_json *one = key_of(schema, "const");
    const struct tj_json *any = key_of(schema, "anyOf");
    const struct tj_json *items = key_of(schema, "items");
    const struct tj_json *about = key_of(schema, "description");
    tj_jw_object(w);
    write_type(w, schema);
    if (tj_json_is_string(about))
        tj_jw_key_str(w, "description", tj_json_str(about));
    if (words || one) {
        tj_jw_key(w, TJ_STR("enum"));
        if (words) {
            tj_jw_value(w, words);
        } else {
            tj_jw_array(w);
            tj_jw_value(w, one);
            tj_jw_end(w);
        }
    }
    if (any) {
        tj_jw_key(w, TJ_STR("anyOf"));
        tj_jw_array(w);
        tj_json_each (any, it)
            write_closed(w, it, depth + 1);
        tj_jw_end(w);
    }
    if (items) {
        tj_jw_key(w, TJ_STR("items"));
        write_closed(w, items, depth + 1);
    }
    write_properties(w, schema, depth);
    tj_jw_end(w);
}

void tj_schema_write_closed(struct tj_json_writer *w,
                            const struct tj_json *schema)
{
    write_closed(w, schema, 0);
}

/* -- for people ----------------------------------------------------------- */

static void put_word(struct tj_buf *out, const struct tj_json *v)
{
    if (tj_json_is_string(v))
        tj_buf_fmt(out, "'%.*s'", TJ_STR_ARG(tj_json_str(v)));
    else
        tj_json_write(out, v, TJ_JSON_SPACED);
}

static void describe(struct tj_buf *out, const struct tj_json *schema,
                     size_t depth);

static void put_object(struct tj_buf *out, const struct tj_json *schema,
                       size_t depth)
{
    const struct tj_json *properties = key_of(schema, "properties");
    const struct tj_json *more = key_of(schema, "additionalProperties");
    if (tj_json_count(properties) == 0) {
        tj_buf_add(out, TJ_STR("dict[str, "));
        if (tj_json_is_object(more))
            describe(out, more, depth + 1);
        else
            tj_buf_add(out, TJ_STR("any"));
        tj_buf_byte(out, ']');
        return;
    }
    struct tj_json_members m = tj_json_members(properties);
    const char *before = "{";
    while (tj_json_member(&m)) {
        tj_buf_fmt(out, "%s%.*s%s: ", before, TJ_STR_ARG(m.key),
                   is_required(schema, m.key) ? "" : "?");
        describe(out, m.value, depth + 1);
        before = ", ";
    }
    tj_buf_byte(out, '}');
}

static void put_type(struct tj_buf *out, const struct tj_json *schema,
                     tj_str type, size_t depth)
{
    static const char *const pythonic[] = {"str",  "int",  "float", "bool",
                                           "list", "dict", "null"};
    size_t i = 0;
    while (i < TJ_COUNT(types) && !tj_str_eq(type, tj_str_c(types[i])))
        i++;
    if (tj_str_eq(type, TJ_STR("object"))) {
        put_object(out, schema, depth);
    } else if (tj_str_eq(type, TJ_STR("array"))) {
        tj_buf_add(out, TJ_STR("list["));
        const struct tj_json *items = key_of(schema, "items");
        if (items)
            describe(out, items, depth + 1);
        else
            tj_buf_add(out, TJ_STR("any"));
        tj_buf_byte(out, ']');
    } else if (i < TJ_COUNT(types)) {
        tj_buf_add(out, tj_str_c(pythonic[i]));
    }
}

static void put_range(struct tj_buf *out, const struct tj_json *schema)
{
    const struct tj_json *low = key_of(schema, "minimum");
    const struct tj_json *high = key_of(schema, "maximum");
    if (low)
        tj_buf_fmt(out, " >= %.*s", TJ_STR_ARG(tj_json_number_text(low)));
    if (high)
        tj_buf_fmt(out, " <= %.*s", TJ_STR_ARG(tj_json_number_text(high)));
}

static void
put_list(struct tj_buf *out, const struct tj_json *list, size_t depth,
         void (*put)(struct tj_buf *, const struct tj_json *, size_t))
{
    bool first = true;
    tj_json_each (list, it) {
        if (!first)
            tj_buf_add(out, TJ_STR(" | "));
        first = false;
        put(out, it, depth);
    }
}

static void put_word_at(struct tj_buf *out, const struct tj_json *v,
                        size_t depth)
{
    (void)depth;
    put_word(out, v);
}

static void describe(struct tj_buf *out, const struct tj_json *schema,
                     size_t depth)
{
    const struct tj_json *type = key_of(schema, "type");
    const struct tj_json *words = key_of(schema, "enum");
    const struct tj_json *one = key_of(schema, "const");
    const struct tj_json *any = key_of(schema, "anyOf");
    if (depth > TJ_SCHEMA_DEPTH_MAX)
        return;
    if (words) {
        put_list(out, words, depth, put_word_at);
    } else if (one) {
        put_word(out, one);
    } else if (any) {
        put_list(out, any, depth + 1, describe);
    } else if (tj_json_is_string(type)) {
        put_type(out, schema, tj_json_str(type), depth);
        put_range(out, schema);
    } else if (type) {
        bool first = true;
        tj_json_each (type, it) {
            if (!first)
                tj_buf_add(out, TJ_STR(" | "));
            first = false;
            put_type(out, schema, tj_json_str(it), depth);
        }
    } else {
        tj_buf_add(out, TJ_STR("any JSON"));
    }
}

void tj_schema_describe(struct tj_buf *out, const struct tj_json *schema)
{
    describe(out, schema, 0);
}
