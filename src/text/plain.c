/* plain.c - field text: strings as they are, structure as in Python.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/plain.h"

#include <string.h>

#include "base/limits.h"
#include "text/json_int.h"
#include "text/utf8.h"

/* How many '#' the marks of text need: one more than the longest run of them
 * behind a '"', and none when there is no '"'.  It looks for '#', which is
 * rarer than '"' in what comes here: JSON in strings. */
static size_t marks_for(tj_str text)
{
    const char *p = text.len ? memchr(text.ptr, '"', text.len) : NULL;
    if (!p)
        return 0;
    const char *end = text.ptr + text.len;
    size_t marks = 1;
    while ((p = memchr(p, '#', (size_t)(end - p)))) {
        const char *run = p;
        while (p < end && *p == '#')
            p++;
        if (run[-1] == '"') /* a '"' was before: run is not the first byte */
            marks = tj_size_max(marks, (size_t)(p - run) + 1);
    }
    return marks;
}

/* lead (at most two bytes) and the text between its marks. */
static void put_string(struct tj_buf *out, tj_str lead, tj_str text)
{
    size_t marks = marks_for(text);
    size_t around = lead.len + 2 * (marks + 1);
    size_t size = 0;
    bool fits = tj_size_add(text.len, around, &size);
    assert(fits);
    char *at = tj_buf_take(out, size);
    if (!at)
        return;
    for (size_t i = 0; i < lead.len; i++)
        *at++ = lead.ptr[i];
    for (size_t i = 0; i < marks; i++)
        *at++ = '#';
    *at++ = '"';
    if (text.len)
        memcpy(at, text.ptr, text.len);
    at += text.len;
    *at++ = '"';
    for (size_t i = 0; i < marks; i++)
        *at++ = '#';
}

static tj_str word_of(const struct tj_json *v)
{
    switch (tj_json_type(v)) {
    case TJ_JSON_FALSE: return TJ_STR("false");
    case TJ_JSON_TRUE: return TJ_STR("true");
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE: return tj_json_number_text(v);
    case TJ_JSON_NULL:
    case TJ_JSON_STRING:
    case TJ_JSON_ARRAY:
    case TJ_JSON_OBJECT: break;
    }
    return TJ_STR("null");
}

/* One open container while writing. */
struct level {
    const struct tj_json *end;
    bool object;
    bool value_due; /* a key was written */
    bool fresh;     /* nothing in it yet */
};

/* What stands before the next node. */
static tj_str separator(struct level *in)
{
    tj_str between = TJ_STR(", ");
    if (in->value_due)
        between = TJ_STR(": ");
    else if (in->fresh)
        between = TJ_STR("");
    in->fresh = false;
    in->value_due = in->object && !in->value_due;
    return between;
}

void tj_plain_write_inner(struct tj_buf *out, const struct tj_json *v)
{
    /* Only what is open is written to: most values are small. */
    struct level levels[TJ_JSON_DEPTH_MAX + 1];
    levels[0] = (struct level){.fresh = true}; /* around v */
    size_t depth = 0;
    const struct tj_json *end = v ? v + tj_json_head_span(v) : NULL;
    if (!v)
        tj_buf_add(out, word_of(v));
    for (const struct tj_json *at = v; at < end; at++) {
        for (; depth && at == levels[depth].end; depth--)
            tj_buf_byte(out, levels[depth].object ? '}' : ']');
        tj_str lead = separator(&levels[depth]);
        if (tj_json_is_string(at)) {
            put_string(out, lead, tj_json_str(at));
            continue;
        }
        tj_buf_add(out, lead);
        if (tj_json_is_container(at)) {
            assert(depth < TJ_JSON_DEPTH_MAX);
            bool object = tj_json_is_object(at);
            levels[++depth] = (struct level){
                .end = at + at->as.span, .object = object, .fresh = true};
            tj_buf_byte(out, object ? '{' : '[');
        } else {
            tj_buf_add(out, word_of(at));
        }
    }
    for (; depth; depth--)
        tj_buf_byte(out, levels[depth].object ? '}' : ']');
}

void tj_plain_string(struct tj_buf *out, tj_str text)
{
    put_string(out, TJ_STR(""), text);
}

void tj_plain_write(struct tj_buf *out, const struct tj_json *v)
{
    if (tj_json_is_string(v))
        tj_buf_add(out, tj_json_str(v));
    else
        tj_plain_write_inner(out, v);
}

bool tj_plain_parse(tj_str text, struct tj_arena *a, struct tj_json_doc *out,
                    struct tj_err *err)
{
    size_t valid = tj_utf8_valid(text);
    if (valid < text.len)
        return tj_fail(err, TJ_E_INPUT, "offset %zu: not UTF-8", valid);
    return tj_json_read_all(text, TJ_SYNTAX_PLAIN, a, out, err);
}
