/* json.c - JSON in: looking at a tree that json_read.c made.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/json.h"

#include "base/limits.h"
#include "base/map.h"
#include "text/json_int.h"

bool tj_json_parse(tj_str text, struct tj_arena *a, struct tj_json_doc *out,
                   struct tj_err *err)
{
    return tj_json_read_all(text, TJ_SYNTAX_JSON, a, out, err);
}

bool tj_json_parse_prefix(tj_str text, struct tj_arena *a,
                          struct tj_json_doc *out, size_t *used,
                          struct tj_err *err)
{
    return tj_json_read(text, TJ_SYNTAX_JSON, a, out, used, err);
}

/* -- types ---------------------------------------------------------------- */

enum tj_json_type tj_json_type(const struct tj_json *v)
{
    return v ? tj_json_head_type(v) : TJ_JSON_NULL;
}

const char *tj_json_type_name(enum tj_json_type type)
{
    switch (type) {
    case TJ_JSON_NULL: return "null";
    case TJ_JSON_FALSE:
    case TJ_JSON_TRUE: return "boolean";
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE: return "number";
    case TJ_JSON_STRING: return "string";
    case TJ_JSON_ARRAY: return "array";
    case TJ_JSON_OBJECT: return "object";
    }
    return "";
}

bool tj_json_is_object(const struct tj_json *v)
{
    return v && tj_json_head_type(v) == TJ_JSON_OBJECT;
}

bool tj_json_is_array(const struct tj_json *v)
{
    return v && tj_json_head_type(v) == TJ_JSON_ARRAY;
}

bool tj_json_is_string(const struct tj_json *v)
{
    return v && tj_json_head_type(v) == TJ_JSON_STRING;
}

bool tj_json_is_number(const struct tj_json *v)
{
    return v && tj_json_head_type(v) >= TJ_JSON_INT &&
           tj_json_head_type(v) <= TJ_JSON_DOUBLE;
}

bool tj_json_is_null(const struct tj_json *v)
{
    return !v || tj_json_head_type(v) == TJ_JSON_NULL;
}

size_t tj_json_count(const struct tj_json *v)
{
    return v && tj_json_is_container(v) ? tj_json_head_len(v) : 0;
}

/* -- walking -------------------------------------------------------------- */

const struct tj_json *tj_json_first(const struct tj_json *parent)
{
    return tj_json_count(parent) ? parent + 1 : NULL;
}

const struct tj_json *tj_json_next(const struct tj_json *parent,
                                   const struct tj_json *child)
{
    const struct tj_json *next = child + tj_json_head_span(child);
    return next < parent + parent->as.span ? next : NULL;
}

struct tj_json_members tj_json_members(const struct tj_json *v)
{
    bool object = tj_json_is_object(v);
    return (struct tj_json_members){
        .object = object ? v : NULL,
        .at = object ? tj_json_first(v) : NULL,
    };
}

bool tj_json_member(struct tj_json_members *m)
{
    if (!m->at)
        return false;
    m->key = tj_json_str(m->at);
    m->value = m->at + 1;
    m->at = tj_json_next(m->object, m->value);
    return true;
}

/* -- finding -------------------------------------------------------------- */

const struct tj_json *tj_json_find(const struct tj_json *v, tj_str key)
{
    if (!tj_json_is_object(v))
        return NULL;
    const uint64_t head =
        (uint64_t)key.len << TJ_JSON_TYPE_BITS | TJ_JSON_STRING;
    const struct tj_json *end = v + v->as.span;
    const struct tj_json *found = NULL;
    for (const struct tj_json *at = v + 1; at < end;
         at += 1 + tj_json_head_span(at + 1)) {
        if (at->head == head &&
            (key.len == 0 || !memcmp(at->as.text, key.ptr, key.len)))
            found = at + 1;
    }
    return found;
}

const struct tj_json *tj_json_item(const struct tj_json *v, size_t i)
{
    if (!tj_json_is_array(v) || i >= tj_json_head_len(v))
        return NULL;
    const struct tj_json *item = v + 1;
    while (i--)
        item += tj_json_head_span(item);
    return item;
}

const struct tj_json *tj_json_at(const struct tj_json *v, const char *path)
{
    tj_str rest = tj_str_c(path);
    while (v && rest.ptr) {
        tj_str step = tj_str_cut(&rest, '.');
        uint64_t index = 0;
        if (tj_json_is_array(v))
            v = tj_str_to_u64(step, &index) ? tj_json_item(v, (size_t)index)
                                            : NULL;
        else
            v = tj_json_find(v, step);
    }
    return v;
}

/* -- scalars -------------------------------------------------------------- */

static tj_str text_of(const struct tj_json *v)
{
    return tj_str_make(v->as.text, tj_json_head_len(v));
}

tj_str tj_json_str(const struct tj_json *v)
{
    return tj_json_is_string(v) ? text_of(v) : (tj_str){0};
}

tj_str tj_json_find_str(const struct tj_json *v, tj_str key)
{
    return tj_json_str(tj_json_find(v, key));
}

bool tj_json_bool(const struct tj_json *v, bool otherwise)
{
    switch (tj_json_type(v)) {
    case TJ_JSON_TRUE: return true;
    case TJ_JSON_FALSE: return false;
    case TJ_JSON_NULL:
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE:
    case TJ_JSON_STRING:
    case TJ_JSON_ARRAY:
    case TJ_JSON_OBJECT: break;
    }
    return otherwise;
}

tj_str tj_json_number_text(const struct tj_json *v)
{
    return tj_json_is_number(v) ? text_of(v) : (tj_str){0};
}

bool tj_json_i64(const struct tj_json *v, int64_t *out)
{
    return tj_json_is_number(v) && tj_number_to_i64(text_of(v), out);
}

bool tj_json_u64(const struct tj_json *v, uint64_t *out)
{
    return tj_json_is_number(v) && tj_number_to_u64(text_of(v), out);
}

bool tj_json_double(const struct tj_json *v, double *out)
{
    if (!tj_json_is_number(v))
        return false;
    *out = tj_number_to_double(text_of(v));
    return true;
}

bool tj_json_u64_loose(const struct tj_json *v, uint64_t *out)
{
    if (tj_json_is_string(v))
        return tj_str_to_u64(text_of(v), out);
    return tj_json_u64(v, out);
}

/* -- comparing ------------------------------------------------------------ */

static bool eq_at(const struct tj_json *a, const struct tj_json *b,
                  unsigned depth);

static bool arrays_eq(const struct tj_json *a, const struct tj_json *b,
                      unsigned depth)
{
    if (tj_json_head_len(a) != tj_json_head_len(b))
        return false;
    const struct tj_json *at_b = tj_json_first(b);
    tj_json_each (a, at_a) {
        if (!eq_at(at_a, at_b, depth + 1))
            return false;
        at_b += tj_json_head_span(at_b);
    }
    return true;
}

/* key -> its last value: a member that occurs twice counts once. */
static void index_members(const struct tj_json *v, struct tj_arena *a,
                          struct tj_map *out)
{
    tj_map_init(out, a);
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        bool fresh = false;
        struct tj_map_entry *entry = tj_map_add(out, m.key, &fresh);
        /* The map holds pointers to change; these are only read. */
        entry->ptr =
            (void *)(uintptr_t)m.value; /* NOLINT(performance-no-int-to-ptr) */
    }
}

/* A hash map per object, because a sender can make them as large as he likes
 * and comparing every key with every other takes quadratic time. */
static bool objects_eq(const struct tj_json *a, const struct tj_json *b,
                       unsigned depth)
{
    struct tj_arena arena = {0};
    struct tj_map members_a;
    struct tj_map members_b;
    index_members(a, &arena, &members_a);
    index_members(b, &arena, &members_b);
    bool same = members_a.count == members_b.count;
    for (size_t i = 0; same && i < members_a.count; i++) {
        const struct tj_map_entry *in_a = &members_a.entries[i];
        const struct tj_map_entry *in_b = tj_map_find(&members_b, in_a->key);
        same = in_b && eq_at(in_a->ptr, in_b->ptr, depth + 1);
    }
    tj_arena_release(&arena);
    return same;
}

static bool eq_at(const struct tj_json *a, const struct tj_json *b,
                  unsigned depth)
{
    assert(depth <= TJ_JSON_DEPTH_MAX);
    if (tj_json_is_number(a) && tj_json_is_number(b))
        return tj_number_eq(text_of(a), text_of(b));
    if (tj_json_type(a) != tj_json_type(b))
        return false;
    if (tj_json_is_string(a))
        return tj_str_eq(text_of(a), text_of(b));
    if (tj_json_is_array(a))
        return arrays_eq(a, b, depth);
    return !tj_json_is_object(a) || objects_eq(a, b, depth);
}

bool tj_json_eq(const struct tj_json *a, const struct tj_json *b)
{
    return eq_at(a, b, 0);
}
