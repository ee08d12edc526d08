/* template.c - finding {{ name }}.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/template.h"

#include "base/map.h"
#include "base/vec.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_name_start(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static size_t skip_blanks(tj_str text, size_t at)
{
    while (at < text.len && is_blank(text.ptr[at]))
        at++;
    return at;
}

static bool is_pair(tj_str text, size_t at, char brace)
{
    return at + 1 < text.len && text.ptr[at] == brace &&
           text.ptr[at + 1] == brace;
}

/* Is there a variable exactly at `at`? */
static bool variable_at(tj_str text, size_t at, struct tj_template_var *out)
{
    if (!is_pair(text, at, '{'))
        return false;
    size_t start = skip_blanks(text, at + 2);
    if (start == text.len || !is_name_start(text.ptr[start]))
        return false;
    size_t end = start;
    while (end < text.len && is_name(text.ptr[end]))
        end++;
    size_t close = skip_blanks(text, end);
    if (!is_pair(text, close, '}'))
        return false;
    *out = (struct tj_template_var){
        .name = tj_str_make(text.ptr + start, end - start),
        .offset = at,
        .len = close + 2 - at,
    };
    return true;
}

bool tj_template_next(tj_str text, size_t *from, struct tj_template_var *out)
{
    for (size_t at = *from; at < text.len; at++) {
        size_t brace = tj_str_find_byte(tj_str_slice(text, at, text.len), '{');
        if (brace == (size_t)-1)
            break;
        at += brace;
        if (variable_at(text, at, out)) {
            *from = at + out->len;
            return true;
        }
    }
    *from = text.len;
    return false;
}

size_t tj_template_names(tj_str text, struct tj_arena *a, tj_str **out)
{
    struct tj_map seen;
    tj_map_init(&seen, a);
    TJ_VEC(tj_str) names = {0};
    struct tj_template_var v = {0};
    for (size_t from = 0; tj_template_next(text, &from, &v);) {
        bool fresh = false;
        (void)tj_map_add(&seen, v.name, &fresh);
        if (fresh)
            *tj_vec_add(&names, a) = v.name;
    }
    *out = names.items;
    return names.count;
}
