/* tool_args.c - arguments of a tool call: the schema, the check, the readers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Models are loose with types: 50 comes as "50", one name where a list was
 * asked for, null for "not given".  What can only mean one thing is taken;
 * everything else is refused with what was expected.
 */
#include "tools/tool_int.h"

#include <inttypes.h>
#include <stdarg.h>

#include "text/json_write.h"

static const char *type_text(enum tj_param_type type)
{
    switch (type) {
    case TJ_PARAM_STRING: return "a string";
    case TJ_PARAM_INT: return "an integer";
    case TJ_PARAM_NUMBER: return "a number";
    case TJ_PARAM_BOOL: return "true or false";
    case TJ_PARAM_STRINGS: return "an array of strings";
    }
    return "";
}

static bool read_i64(const struct tj_json *v, int64_t *out)
{
    if (tj_json_is_string(v))
        return tj_str_to_i64(tj_str_trim(tj_json_str(v)), out);
    return tj_json_i64(v, out);
}

static bool read_double(const struct tj_json *v, double *out)
{
    if (tj_json_is_string(v))
        return tj_str_to_double(tj_str_trim(tj_json_str(v)), out);
    /* NaN compares false with everything, itself too. */
    return tj_json_double(v, out) && *out - *out == 0;
}

static bool read_bool(const struct tj_json *v, bool *out)
{
    enum tj_json_type type = tj_json_type(v);
    if (type == TJ_JSON_TRUE || type == TJ_JSON_FALSE)
        *out = type == TJ_JSON_TRUE;
    else if (tj_str_eq_fold(tj_json_str(v), TJ_STR("true")))
        *out = true;
    else if (tj_str_eq_fold(tj_json_str(v), TJ_STR("false")))
        *out = false;
    else
        return false;
    return true;
}

static bool is_strings(const struct tj_json *v)
{
    if (tj_json_is_string(v))
        return true;
    if (!tj_json_is_array(v))
        return false;
    tj_json_each (v, it) {
        if (!tj_json_is_string(it))
            return false;
    }
    return true;
}

static bool type_fits(const struct tj_param *p, const struct tj_json *v)
{
    int64_t i;
    double d;
    bool b;
    switch (p->type) {
    case TJ_PARAM_STRING: return tj_json_is_string(v) || tj_json_is_number(v);
    case TJ_PARAM_INT: return read_i64(v, &i);
    case TJ_PARAM_NUMBER: return read_double(v, &d);
    case TJ_PARAM_BOOL: return read_bool(v, &b);
    case TJ_PARAM_STRINGS: return is_strings(v);
    }
    return false;
}

static bool is_word(const char *const *values, tj_str s)
{
    for (; *values; values++)
        if (tj_str_eq_fold(tj_str_c(*values), s))
            return true;
    return false;
}

static tj_str join_words(const char *const *values, struct tj_arena *a)
{
    struct tj_buf b;
    tj_buf_init(&b, a, 1024);
    for (size_t i = 0; values[i]; i++) {
        tj_buf_add(&b, i ? TJ_STR(", ") : TJ_STR(""));
        tj_buf_add(&b, tj_str_c(values[i]));
    }
    return tj_buf_str(&b);
}

static tj_str check_value(const struct tj_param *p, const struct tj_json *v,
                          struct tj_arena *a)
{
    if (!type_fits(p, v))
        return tj_str_printf(a, "argument '%s' must be %s, got %s", p->name,
                             type_text(p->type),
                             tj_json_type_name(tj_json_type(v)));
    int64_t i;
    bool bounded = p->minimum || p->maximum;
    if (p->type == TJ_PARAM_INT && bounded && read_i64(v, &i) &&
        (i < p->minimum || i > p->maximum))
        return tj_str_printf(a,
                             "argument '%s' must be from %" PRId64
                             " to %" PRId64 ", got %" PRId64,
                             p->name, p->minimum, p->maximum, i);
    if (p->values && tj_json_is_string(v) && tj_json_str(v).len &&
        !is_word(p->values, tj_json_str(v)))
        return tj_str_printf(a, "argument '%s' must be one of %.*s", p->name,
                             TJ_STR_ARG(join_words(p->values, a)));
    return (tj_str){0};
}

static const struct tj_param *find_param(const struct tj_tool *tool, tj_str key)
{
    for (const struct tj_param *p = tool->params; p->name; p++)
        if (tj_str_eq(tj_str_c(p->name), key))
            return p;
    return NULL;
}

static tj_str unknown_text(const struct tj_tool *tool, tj_str key,
                           struct tj_arena *a)
{
    struct tj_buf b;
    tj_buf_init(&b, a, 2048);
    tj_buf_add(&b, TJ_STR("unknown argument '"));
    tj_put_line(&b, key, TJ_TOOL_NAME_BYTES);
    tj_buf_add(&b, tool->params->name ? TJ_STR("'; it takes ")
                                      : TJ_STR("'; it takes none"));
    for (const struct tj_param *p = tool->params; p->name; p++) {
        tj_buf_add(&b, p == tool->params ? TJ_STR("") : TJ_STR(", "));
        tj_buf_add(&b, tj_str_c(p->name));
    }
    return tj_buf_str(&b);
}

tj_str tj_args_check(const struct tj_tool *tool, const struct tj_json *args,
                     struct tj_arena *a)
{
    struct tj_json_members m = tj_json_members(args);
    while (tj_json_member(&m)) {
        const struct tj_param *p = find_param(tool, m.key);
        if (!p)
            return unknown_text(tool, m.key, a);
        if (tj_json_is_null(m.value))
            continue;
        tj_str wrong = check_value(p, m.value, a);
        if (wrong.len)
            return wrong;
    }
    for (const struct tj_param *p = tool->params; p->name; p++)
        if (p->required &&
            tj_json_is_null(tj_json_find(args, tj_str_c(p->name))))
            return tj_str_printf(a, "argument '%s' (%s) is missing", p->name,
                                 type_text(p->type));
    return (tj_str){0};
}

tj_str tj_arg_str(const struct tj_json *args, const char *name)
{
    const struct tj_json *v = tj_json_find(args, tj_str_c(name));
    return tj_json_is_number(v) ? tj_json_number_text(v) : tj_json_str(v);
}

int64_t tj_arg_i64(const struct tj_json *args, const char *name,
                   int64_t otherwise)
{
    int64_t v;
    return read_i64(tj_json_find(args, tj_str_c(name)), &v) ? v : otherwise;
}

double tj_arg_double(const struct tj_json *args, const char *name,
                     double otherwise)
{
    double v;
    return read_double(tj_json_find(args, tj_str_c(name)), &v) ? v : otherwise;
}

bool tj_arg_bool(const struct tj_json *args, const char *name, bool otherwise)
{
    bool v;
    return read_bool(tj_json_find(args, tj_str_c(name)), &v) ? v : otherwise;
}

size_t tj_arg_strs(const struct tj_json *args, const char *name,
                   struct tj_arena *a, tj_str **out)
{
    const struct tj_json *v = tj_json_find(args, tj_str_c(name));
    *out = NULL;
    if (tj_json_is_string(v)) {
        *out = tj_arena_new(a, tj_str);
        **out = tj_json_str(v);
        return 1;
    }
    size_t count = 0;
    if (!tj_json_is_array(v))
        return 0;
    *out = tj_arena_array(a, tj_str, tj_json_count(v));
    tj_json_each (v, it) {
        (*out)[count++] = tj_json_str(it);
    }
    return count;
}

bool tj_arg_page(const struct tj_json *args, struct tj_buf *out, bool *refused,
                 uint64_t *offset)
{
    tj_str token = tj_str_trim(tj_arg_str(args, "page_token"));
    *offset = 0;
    if (!token.len || tj_str_to_u64(token, offset))
        return true;
    tj_buf_add(out, TJ_STR("Invalid page_token '"));
    tj_put_line(out, token, TJ_TOOL_NAME_BYTES);
    tj_buf_add(out, TJ_STR("': must be a valid integer"));
    *refused = true;
    return false;
}

bool tj_tool_refuse(struct tj_buf *out, bool *refused, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tj_buf_add(out, tj_str_vprintf(out->arena, format, args));
    va_end(args);
    *refused = true;
    return true;
}

static const char *schema_type(enum tj_param_type type)
{
    switch (type) {
    case TJ_PARAM_STRING: return "string";
    case TJ_PARAM_INT: return "integer";
    case TJ_PARAM_NUMBER: return "number";
    case TJ_PARAM_BOOL: return "boolean";
    case TJ_PARAM_STRINGS: return "array";
    }
    return "";
}

static void write_param(struct tj_json_writer *w, const struct tj_param *p)
{
    tj_jw_key(w, tj_str_c(p->name));
    tj_jw_object(w);
    tj_jw_key_str(w, "type", tj_str_c(schema_type(p->type)));
    if (p->type == TJ_PARAM_STRINGS) {
        tj_jw_key(w, TJ_STR("items"));
        tj_jw_object(w);
        tj_jw_key_str(w, "type", TJ_STR("string"));
        tj_jw_end(w);
    }
    if (p->minimum || p->maximum) {
        tj_jw_key_i64(w, "minimum", p->minimum);
        tj_jw_key_i64(w, "maximum", p->maximum);
    }
    if (p->values) {
        tj_jw_key(w, TJ_STR("enum"));
        tj_jw_array(w);
        for (size_t i = 0; p->values[i]; i++)
            tj_jw_str(w, tj_str_c(p->values[i]));
        tj_jw_end(w);
    }
    tj_jw_key_str(w, "description", tj_str_c(p->help));
    tj_jw_end(w);
}

void tj_tool_schema_write(const struct tj_tool *tool, struct tj_buf *out)
{
    struct tj_json_writer w;
    tj_json_writer_init(&w, out, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "type", TJ_STR("object"));
    tj_jw_key(&w, TJ_STR("properties"));
    tj_jw_object(&w);
    for (const struct tj_param *p = tool->params; p->name; p++)
        write_param(&w, p);
    tj_jw_end(&w);
    tj_jw_key(&w, TJ_STR("required"));
    tj_jw_array(&w);
    for (const struct tj_param *p = tool->params; p->name; p++)
        if (p->required)
            tj_jw_str(&w, tj_str_c(p->name));
    tj_jw_end(&w);
    tj_jw_end(&w);
}
