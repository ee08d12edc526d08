/* json_write.c - JSON out: a streaming writer that places its own commas.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/json_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "text/json_int.h"
#include "text/utf8.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

/* -- strings -------------------------------------------------------------- */

/* Length of the head of s that needs no look: printable ASCII other than '"'
 * and '\\'. */
static size_t clean_run(tj_str s)
{
    size_t at = 0;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i escape = _mm_set1_epi8('\\');
    const __m128i blank = _mm_set1_epi8(0x20);
    const __m128i del = _mm_set1_epi8(0x7F);
    for (; at + 16 <= s.len; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(s.ptr + at));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
                                   _mm_cmpeq_epi8(bytes, escape));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(bytes, del));
        /* Signed, so that bytes from 0x80 on are below 0x20 as well. */
        hit = _mm_or_si128(hit, _mm_cmplt_epi8(bytes, blank));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return at + (unsigned)__builtin_ctz(mask);
    }
#endif
    while (at < s.len) {
        unsigned char c = (unsigned char)s.ptr[at];
        if (c < 0x20 || c >= 0x7F || c == '"' || c == '\\')
            break;
        at++;
    }
    return at;
}

static void put_escape(struct tj_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    size_t n = 2;
    switch (c) {
    case '"': text[1] = '"'; break;
    case '\\': text[1] = '\\'; break;
    case '\b': text[1] = 'b'; break;
    case '\f': text[1] = 'f'; break;
    case '\n': text[1] = 'n'; break;
    case '\r': text[1] = 'r'; break;
    case '\t': text[1] = 't'; break;
    default: n = 6; break;
    }
    tj_buf_add(out, tj_str_make(text, n));
}

void tj_json_escape(struct tj_buf *out, tj_str text)
{
    size_t from = 0; /* what is before it was written */
    size_t at = 0;
    for (;;) {
        at += clean_run(tj_str_make(text.ptr + at, text.len - at));
        if (at == text.len)
            break;
        unsigned char c = (unsigned char)text.ptr[at];
        tj_str rest = tj_str_make(text.ptr + at, text.len - at);
        size_t high = c < 0x80 ? 0 : tj_utf8_high_run(rest);
        if (high) {
            at += high;
            continue;
        }
        tj_buf_add(out, tj_str_make(text.ptr + from, at - from));
        if (c < 0x80) {
            put_escape(out, c);
            at++;
        } else {
            uint32_t code = 0;
            at += tj_utf8_next(rest, &code);
            tj_buf_add(out, TJ_STR("\xEF\xBF\xBD"));
        }
        from = at;
    }
    tj_buf_add(out, tj_str_make(text.ptr + from, at - from));
}

static void put_quoted(struct tj_buf *out, tj_str text)
{
    if (text.len == 0 || clean_run(text) == text.len) {
        size_t size = 0;
        bool fits = tj_size_add(text.len, 2, &size);
        assert(fits);
        char *at = tj_buf_take(out, size);
        if (!at)
            return;
        at[0] = '"';
        if (text.len)
            memcpy(at + 1, text.ptr, text.len);
        at[text.len + 1] = '"';
        return;
    }
    tj_buf_byte(out, '"');
    tj_json_escape(out, text);
    tj_buf_byte(out, '"');
}

/* -- structure ------------------------------------------------------------ */

void tj_json_writer_init(struct tj_json_writer *w, struct tj_buf *out,
                         enum tj_json_form form)
{
    *w = (struct tj_json_writer){.out = out, .form = form};
}

static bool in_object(const struct tj_json_writer *w)
{
    size_t top = w->depth - 1;
    return w->depth && (w->stack[top / 8] >> (top % 8) & 1);
}

static void put_line(struct tj_json_writer *w)
{
    tj_buf_byte(w->out, '\n');
    tj_buf_repeat(w->out, ' ', 2 * w->depth);
}

/* The comma and blanks that belong between two items. */
static void separate(struct tj_json_writer *w)
{
    if (w->has_item)
        tj_buf_add(w->out,
                   w->form == TJ_JSON_SPACED ? TJ_STR(", ") : TJ_STR(","));
    if (w->form == TJ_JSON_PRETTY && w->depth)
        put_line(w);
    w->has_item = true;
}

static void before_value(struct tj_json_writer *w)
{
    if (w->has_key) {
        w->has_key = false;
        return;
    }
    assert(!in_object(w)); /* a member begins with its key */
    assert(w->depth || !w->has_item);
    separate(w);
}

static void open_container(struct tj_json_writer *w, bool object)
{
    before_value(w);
    assert(w->depth < TJ_JSON_WRITE_DEPTH_MAX);
    uint8_t bit = (uint8_t)(1u << (w->depth % 8));
    uint8_t *byte = &w->stack[w->depth / 8];
    *byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
    w->depth++;
    w->has_item = false;
    tj_buf_byte(w->out, object ? '{' : '[');
}

void tj_jw_object(struct tj_json_writer *w)
{
    open_container(w, true);
}

void tj_jw_array(struct tj_json_writer *w)
{
    open_container(w, false);
}

void tj_jw_end(struct tj_json_writer *w)
{
    assert(w->depth > 0);
    assert(!w->has_key);
    bool object = in_object(w);
    w->depth--;
    if (w->form == TJ_JSON_PRETTY && w->has_item)
        put_line(w);
    w->has_item = true;
    tj_buf_byte(w->out, object ? '}' : ']');
}

void tj_jw_key(struct tj_json_writer *w, tj_str key)
{
    assert(in_object(w));
    assert(!w->has_key);
    separate(w);
    put_quoted(w->out, key);
    tj_buf_add(w->out, w->form == TJ_JSON_COMPACT ? TJ_STR(":") : TJ_STR(": "));
    w->has_key = true;
}

/* -- values --------------------------------------------------------------- */

void tj_jw_str(struct tj_json_writer *w, tj_str value)
{
    before_value(w);
    put_quoted(w->out, value);
}

void tj_jw_bool(struct tj_json_writer *w, bool value)
{
    tj_jw_raw(w, value ? TJ_STR("true") : TJ_STR("false"));
}

void tj_jw_null(struct tj_json_writer *w)
{
    tj_jw_raw(w, TJ_STR("null"));
}

void tj_jw_i64(struct tj_json_writer *w, int64_t value)
{
    before_value(w);
    tj_buf_i64(w->out, value);
}

void tj_jw_u64(struct tj_json_writer *w, uint64_t value)
{
    before_value(w);
    tj_buf_u64(w->out, value);
}

/* Takes out what the locale put for the point. */
static size_t unlocalise(char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool foreign =
            !(c >= '0' && c <= '9') && c != '-' && c != '+' && c != 'e';
        if (!foreign)
            text[n++] = c;
        else if (n && text[n - 1] != '.')
            text[n++] = '.';
    }
    return n;
}

void tj_jw_double(struct tj_json_writer *w, double value)
{
    /* From here on up %.17g and Python alike write an exponent. */
    const double whole_max = 1e16;
    const double subnormal_max = 2.3e-308;
    if (!isfinite(value)) {
        tj_jw_null(w);
        return;
    }
    before_value(w);
    if (fabs(value) < whole_max && value == trunc(value)) {
        if (signbit(value) && value == 0)
            tj_buf_byte(w->out, '-');
        tj_buf_i64(w->out, (int64_t)value);
        tj_buf_add(w->out, TJ_STR(".0"));
        return;
    }
    char text[40];
    int precision = fabs(value) < subnormal_max ? 1 : 15;
    int n = 0;
    do
        n = snprintf(text, sizeof text, "%.*g", precision, value);
    while (strtod(text, NULL) != value && ++precision <= 17);
    assert(n > 0);
    assert((size_t)n < sizeof text);
    tj_buf_add(w->out, tj_str_make(text, unlocalise(text, (size_t)n)));
}

void tj_jw_raw(struct tj_json_writer *w, tj_str text)
{
    before_value(w);
    tj_buf_add(w->out, text);
}

static void put_scalar(struct tj_json_writer *w, const struct tj_json *v)
{
    switch (tj_json_type(v)) {
    case TJ_JSON_FALSE: tj_jw_bool(w, false); return;
    case TJ_JSON_TRUE: tj_jw_bool(w, true); return;
    case TJ_JSON_STRING: tj_jw_str(w, tj_json_str(v)); return;
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE:
        if (!tj_number_is_special(tj_json_number_text(v))) {
            tj_jw_raw(w, tj_json_number_text(v));
            return;
        }
        break;
    case TJ_JSON_NULL:
    case TJ_JSON_ARRAY:
    case TJ_JSON_OBJECT: break;
    }
    tj_jw_null(w);
}

/* The nodes lie in document order: one pass, closing what ends. */
void tj_jw_value(struct tj_json_writer *w, const struct tj_json *v)
{
    const struct tj_json *ends[TJ_JSON_DEPTH_MAX];
    size_t depth = 0;
    const struct tj_json *end = v ? v + tj_json_head_span(v) : NULL;
    if (!v)
        tj_jw_null(w);
    for (const struct tj_json *at = v; at < end; at++) {
        while (depth && at == ends[depth - 1]) {
            tj_jw_end(w);
            depth--;
        }
        bool inside = depth && in_object(w);
        if (inside && !w->has_key) {
            tj_jw_key(w, tj_json_str(at));
        } else if (tj_json_is_container(at)) {
            assert(depth < TJ_JSON_DEPTH_MAX);
            open_container(w, tj_json_is_object(at));
            ends[depth++] = at + at->as.span;
        } else {
            put_scalar(w, at);
        }
    }
    while (depth--)
        tj_jw_end(w);
}

/* -- members -------------------------------------------------------------- */

void tj_jw_key_str(struct tj_json_writer *w, const char *key, tj_str value)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_str(w, value);
}

void tj_jw_key_u64(struct tj_json_writer *w, const char *key, uint64_t value)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_u64(w, value);
}

void tj_jw_key_i64(struct tj_json_writer *w, const char *key, int64_t value)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_i64(w, value);
}

void tj_jw_key_bool(struct tj_json_writer *w, const char *key, bool value)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_bool(w, value);
}

void tj_jw_key_double(struct tj_json_writer *w, const char *key, double value)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_double(w, value);
}

void tj_json_write(struct tj_buf *out, const struct tj_json *v,
                   enum tj_json_form form)
{
    struct tj_json_writer w;
    tj_json_writer_init(&w, out, form);
    tj_jw_value(&w, v);
}
