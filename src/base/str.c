/* str.c - slices: comparing, cutting, numbers.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* memmem */
#include "base/str.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

int tj_str_cmp(tj_str a, tj_str b)
{
    size_t n = tj_size_min(a.len, b.len);
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (c)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool tj_str_eq_fold(tj_str a, tj_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return false;
    return true;
}

bool tj_str_starts(tj_str s, tj_str prefix)
{
    return s.len >= prefix.len &&
           tj_str_eq(tj_str_make(s.ptr, prefix.len), prefix);
}

bool tj_str_ends(tj_str s, tj_str suffix)
{
    return s.len >= suffix.len &&
           tj_str_eq(tj_str_slice(s, s.len - suffix.len, suffix.len), suffix);
}

tj_str tj_str_slice(tj_str s, size_t offset, size_t len)
{
    if (offset >= s.len)
        return (tj_str){0};
    return tj_str_make(s.ptr + offset, tj_size_min(len, s.len - offset));
}

size_t tj_str_find(tj_str s, tj_str needle)
{
    if (needle.len == 0)
        return 0;
    if (s.len < needle.len)
        return (size_t)-1;
    const char *p = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return p ? (size_t)(p - s.ptr) : (size_t)-1;
}

size_t tj_str_find_byte(tj_str s, char byte)
{
    const char *p = s.len ? memchr(s.ptr, byte, s.len) : NULL;
    return p ? (size_t)(p - s.ptr) : (size_t)-1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

tj_str tj_str_trim(tj_str s)
{
    while (s.len && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

tj_str tj_str_cut(tj_str *rest, char byte)
{
    tj_str all = *rest;
    size_t at = tj_str_find_byte(all, byte);
    if (at == (size_t)-1) {
        *rest = (tj_str){0};
        return all;
    }
    *rest = tj_str_make(all.ptr + at + 1, all.len - at - 1);
    return tj_str_make(all.ptr, at);
}

bool tj_str_to_u64(tj_str s, uint64_t *out)
{
    if (s.len == 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

bool tj_str_to_i64(tj_str s, int64_t *out)
{
    bool negative = s.len && s.ptr[0] == '-';
    uint64_t magnitude = 0;
    if (!tj_str_to_u64(negative ? tj_str_slice(s, 1, s.len) : s, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool tj_str_to_double(tj_str s, double *out)
{
    /* The program never calls setlocale, so strtod reads '.' here; a host
     * program of the library may have, which is why the point is checked. */
    char text[400];
    if (s.len == 0 || s.len >= sizeof text)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!(c >= '0' && c <= '9') && !strchr("+-.eE", c))
            return false;
        text[i] = c;
        if (c == '.')
            text[i] = localeconv()->decimal_point[0];
    }
    text[s.len] = '\0';
    char *end = NULL;
    double value = strtod(text, &end);
    if (end != text + s.len || !isfinite(value))
        return false;
    *out = value;
    return true;
}
