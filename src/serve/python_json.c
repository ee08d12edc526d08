/* python_json.c - JSON exactly as Python's json.dumps writes it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/python_json.h"

#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/map.h"
#include "text/json_write.h"
#include "text/utf8.h"

static void put_unit(struct tj_buf *out, uint32_t unit)
{
    tj_buf_fmt(out, "\\u%04x", (unsigned)unit);
}

static void put_char(struct tj_buf *out, uint32_t code)
{
    static const char escaped[] = "\"\\\n\r\t\b\f";
    static const char letters[] = "\"\\nrtbf";
    const char *at = code && code < 0x80 ? strchr(escaped, (int)code) : NULL;
    if (at) {
        tj_buf_byte(out, '\\');
        tj_buf_byte(out, letters[at - escaped]);
    } else if (code >= ' ' && code < 0x7f) {
        tj_buf_byte(out, (char)code);
    } else if (code < 0x10000) {
        put_unit(out, code);
    } else {
        put_unit(out, 0xd800 + ((code - 0x10000) >> 10));
        put_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
}

void tj_python_str(struct tj_buf *out, tj_str text)
{
    const uint32_t replacement = 0xfffd;
    tj_buf_byte(out, '"');
    while (text.len) {
        uint32_t code;
        size_t len = tj_utf8_next(text, &code);
        put_char(out, code == TJ_UTF8_BAD ? replacement : code);
        text = tj_str_slice(text, len, text.len);
    }
    tj_buf_byte(out, '"');
}

void tj_python_float(struct tj_buf *out, double value)
{
    if (isnan(value)) {
        tj_buf_add(out, TJ_STR("NaN"));
    } else if (isinf(value)) {
        tj_buf_add(out, value > 0 ? TJ_STR("Infinity") : TJ_STR("-Infinity"));
    } else {
        struct tj_json_writer w;
        tj_json_writer_init(&w, out, TJ_JSON_COMPACT);
        tj_jw_double(&w, value);
    }
}

/* Python reads "1" as an int of any size and "1.0" or "1e5" as a float. */
static void put_number(struct tj_buf *out, const struct tj_json *v)
{
    tj_str text = tj_json_number_text(v);
    double value = 0;
    bool is_float = tj_json_type(v) == TJ_JSON_DOUBLE;
    for (size_t i = 0; is_float && i < text.len; i++) {
        bool digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        if (!digit && !(i == 0 && text.ptr[i] == '-'))
            break;
        if (i + 1 == text.len)
            is_float = false; /* only too large for 64 bits */
    }
    if (is_float && tj_json_double(v, &value))
        tj_python_float(out, value);
    else if (tj_str_eq(text, TJ_STR("-0")))
        tj_buf_byte(out, '0');
    else
        tj_buf_add(out, text);
}

struct member {
    tj_str key;
    const struct tj_json *value;
};

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;
    return tj_str_cmp(a->key, b->key);
}

static struct member *members_of(struct tj_arena *a, const struct tj_json *v,
                                 size_t *count)
{
    struct tj_map map;
    struct member *list = tj_arena_array(a, struct member, tj_json_count(v));
    struct tj_json_members m = tj_json_members(v);
    tj_map_init(&map, a);
    while (tj_json_member(&m)) {
        bool fresh;
        struct tj_map_entry *entry = tj_map_add(&map, m.key, &fresh);
        if (fresh)
            entry->number = map.count - 1;
        list[entry->number] = (struct member){m.key, m.value};
    }
    *count = map.count;
    return list;
}

static void put(struct tj_buf *out, const struct tj_json *v, unsigned flags,
                int depth);

static void put_object(struct tj_buf *out, const struct tj_json *v,
                       unsigned flags, int depth)
{
    tj_str comma = flags & TJ_PYTHON_COMPACT ? TJ_STR(",") : TJ_STR(", ");
    tj_str colon = flags & TJ_PYTHON_COMPACT ? TJ_STR(":") : TJ_STR(": ");
    struct tj_arena scratch = {0};
    size_t count = 0;
    struct member *list = members_of(&scratch, v, &count);
    if (flags & TJ_PYTHON_SORTED && count)
        qsort(list, count, sizeof *list, compare_members);
    tj_buf_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i)
            tj_buf_add(out, comma);
        tj_python_str(out, list[i].key);
        tj_buf_add(out, colon);
        put(out, list[i].value, flags, depth + 1);
    }
    tj_buf_byte(out, '}');
    tj_arena_release(&scratch);
}

static void put_array(struct tj_buf *out, const struct tj_json *v,
                      unsigned flags, int depth)
{
    bool first = true;
    tj_buf_byte(out, '[');
    tj_json_each (v, item) {
        if (!first)
            tj_buf_add(out,
                       flags & TJ_PYTHON_COMPACT ? TJ_STR(",") : TJ_STR(", "));
        first = false;
        put(out, item, flags, depth + 1);
    }
    tj_buf_byte(out, ']');
}

static void put(struct tj_buf *out, const struct tj_json *v, unsigned flags,
                int depth)
{
    assert(depth <= TJ_JSON_DEPTH_MAX);
    switch (tj_json_type(v)) {
    case TJ_JSON_NULL: tj_buf_add(out, TJ_STR("null")); return;
    case TJ_JSON_FALSE: tj_buf_add(out, TJ_STR("false")); return;
    case TJ_JSON_TRUE: tj_buf_add(out, TJ_STR("true")); return;
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE: put_number(out, v); return;
    case TJ_JSON_STRING: tj_python_str(out, tj_json_str(v)); return;
    case TJ_JSON_ARRAY: put_array(out, v, flags, depth); return;
    case TJ_JSON_OBJECT: put_object(out, v, flags, depth); return;
    }
}

void tj_python_json(struct tj_buf *out, const struct tj_json *v, unsigned flags)
{
    put(out, v, flags, 0);
}
