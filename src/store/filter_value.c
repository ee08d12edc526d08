/* filter_value.c - comparing, and LIKE as a regular expression.
 * SPDX-License-Identifier: Apache-2.0
 *
 * LIKE is translated: "%" is ".*", "_" is ".", all else itself, from the
 * beginning to the end; an outer "%" takes the anchor away instead, so that
 * '%word%' is a search for a literal.
 */
#include "store/filter_value.h"

#include "base/buf.h"
#include "base/id.h"
#include "text/plain.h"
#include "text/regex.h"

/* The longest that one byte of a LIKE can become: "\x00". */
enum { LIKE_GROWTH_MAX = 4, LIKE_EXTRA = 8 };

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static void put_like_byte(struct tj_buf *out, char c)
{
    if (c == '%')
        tj_buf_add(out, TJ_STR(".*"));
    else if (c == '_')
        tj_buf_byte(out, '.');
    else if ((unsigned char)c < 0x20 || c == 0x7f)
        tj_buf_fmt(out, "\\x%02x", (unsigned)c);
    else if (is_alnum(c))
        tj_buf_byte(out, c);
    else
        tj_buf_fmt(out, "\\%c", c);
}

static tj_str like_pattern(struct tj_arena *a, tj_str like)
{
    struct tj_buf out;
    tj_buf_init(&out, a, like.len * LIKE_GROWTH_MAX + LIKE_EXTRA);
    bool open_start = tj_str_starts(like, TJ_STR("%"));
    bool open_end = tj_str_ends(like, TJ_STR("%"));
    while (tj_str_starts(like, TJ_STR("%")))
        like = tj_str_slice(like, 1, like.len);
    while (tj_str_ends(like, TJ_STR("%")))
        like.len--;
    if (!open_start)
        tj_buf_add(&out, TJ_STR("\\A"));
    for (size_t i = 0; i < like.len; i++)
        put_like_byte(&out, like.ptr[i]);
    if (!open_end)
        tj_buf_add(&out, TJ_STR("\\z"));
    assert(!out.full);
    return tj_buf_str(&out);
}

static bool compile(struct tj_filter_test *t, struct tj_arena *a,
                    struct tj_err *err)
{
    unsigned flags = 0;
    switch (t->clause->op) {
    case TJ_OP_ILIKE: flags = TJ_REGEX_FOLD_CASE | TJ_REGEX_DOT_ALL; break;
    case TJ_OP_LIKE: flags = TJ_REGEX_DOT_ALL; break;
    case TJ_OP_RLIKE: break;
    default: return true;
    }
    tj_str value = t->clause->values[0];
    tj_str pattern = flags ? like_pattern(a, value) : value;
    t->re = tj_regex_new(pattern, flags, err);
    if (t->re)
        return true;
    return tj_err_wrap(err, "%s '%.*s'", flags ? "LIKE" : "RLIKE",
                       TJ_STR_ARG(tj_str_slice(value, 0, 100)));
}

bool tj_filter_test_init(struct tj_filter_test *t,
                         const struct tj_filter *clause, struct tj_arena *a,
                         struct tj_err *err)
{
    bool ids = clause->entity == TJ_ENTITY_ATTRIBUTE &&
               clause->attribute == TJ_ATTR_REQUEST_ID;
    *t = (struct tj_filter_test){.clause = clause};
    t->values = tj_arena_array(a, tj_str, clause->value_count);
    for (size_t i = 0; i < clause->value_count; i++) {
        tj_trace_id id;
        t->values[i] = ids && tj_trace_id_parse(clause->values[i], &id)
                           ? tj_trace_id_mlflow(a, id)
                           : clause->values[i];
    }
    return compile(t, a, err);
}

void tj_filter_test_release(struct tj_filter_test *t)
{
    tj_regex_free(t->re);
    t->re = NULL;
}

bool tj_filter_test_is_negative(const struct tj_filter_test *t)
{
    return t->clause->op == TJ_OP_NE || t->clause->op == TJ_OP_NOT_IN;
}

static bool equal(tj_str wanted, tj_str text, enum tj_filter_value_kind kind)
{
    double a = 0;
    double b = 0;
    switch (kind) {
    case TJ_VALUE_TEXT: break;
    case TJ_VALUE_BOOL: return tj_str_eq_fold(wanted, text);
    case TJ_VALUE_NUMBER:
        if (tj_str_to_double(wanted, &a) && tj_str_to_double(text, &b) &&
            a == b)
            return true;
        break;
    }
    return tj_str_eq(wanted, text);
}

static bool is_one_of(const struct tj_filter_test *t, tj_str text,
                      enum tj_filter_value_kind kind)
{
    for (size_t i = 0; i < t->clause->value_count; i++)
        if (equal(t->values[i], text, kind))
            return true;
    return false;
}

bool tj_filter_test_text(const struct tj_filter_test *t, tj_str text,
                         enum tj_filter_value_kind kind)
{
    double number = 0;
    switch (t->clause->op) {
    case TJ_OP_IS_NULL: return !text.ptr;
    case TJ_OP_IS_NOT_NULL: return text.ptr;
    case TJ_OP_EQ:
    case TJ_OP_IN: return text.ptr && is_one_of(t, text, kind);
    case TJ_OP_NE:
    case TJ_OP_NOT_IN: return text.ptr && !is_one_of(t, text, kind);
    case TJ_OP_LIKE:
    case TJ_OP_ILIKE:
    case TJ_OP_RLIKE: return text.ptr && tj_regex_test(t->re, text);
    case TJ_OP_LT:
    case TJ_OP_LE:
    case TJ_OP_GT:
    case TJ_OP_GE: break;
    }
    return text.ptr && kind == TJ_VALUE_NUMBER &&
           tj_str_to_double(text, &number) && tj_filter_test_number(t, number);
}

bool tj_filter_compare(enum tj_filter_op op, double value, double wanted)
{
    switch (op) {
    case TJ_OP_EQ: return value == wanted;
    case TJ_OP_NE: return value != wanted;
    case TJ_OP_LT: return value < wanted;
    case TJ_OP_LE: return value <= wanted;
    case TJ_OP_GT: return value > wanted;
    case TJ_OP_GE: return value >= wanted;
    case TJ_OP_LIKE:
    case TJ_OP_ILIKE:
    case TJ_OP_RLIKE:
    case TJ_OP_IN:
    case TJ_OP_NOT_IN:
    case TJ_OP_IS_NULL:
    case TJ_OP_IS_NOT_NULL: break;
    }
    return false;
}

bool tj_filter_test_number(const struct tj_filter_test *t, double value)
{
    return tj_filter_compare(t->clause->op, value, t->clause->number);
}

bool tj_filter_test_json(const struct tj_filter_test *t, tj_str json,
                         struct tj_arena *scratch)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    double number = 0;
    if (!json.len || !tj_json_parse(json, scratch, &doc, &ignored))
        return false;
    if (t->clause->is_number)
        return tj_json_is_number(doc.root) &&
               tj_json_double(doc.root, &number) &&
               tj_filter_test_number(t, number);
    enum tj_json_type type = tj_json_type(doc.root);
    enum tj_filter_value_kind kind = TJ_VALUE_TEXT;
    if (tj_json_is_number(doc.root))
        kind = TJ_VALUE_NUMBER;
    else if (type == TJ_JSON_TRUE || type == TJ_JSON_FALSE)
        kind = TJ_VALUE_BOOL;
    struct tj_buf text;
    tj_buf_init(&text, scratch, SIZE_MAX);
    tj_plain_write(&text, doc.root);
    tj_str plain = text.len ? tj_buf_str(&text) : TJ_STR("");
    return tj_filter_test_text(t, plain, kind);
}
