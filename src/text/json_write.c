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

enum {
    /* Strings are escaped in steps of this many bytes ... */
    STEP_BYTES = 256,
    /* ... which become at most so many: six each, for up to a vector more
     * than was asked, and room for the last vector's store. */
    STEP_OUT_BYTES = 6 * (STEP_BYTES + 16) + 16,
};

static char *put_escape(char *to, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    *to++ = '\\';
    switch (c) {
    case '"': *to++ = '"'; return to;
    case '\\': *to++ = '\\'; return to;
    case '\b': *to++ = 'b'; return to;
    case '\f': *to++ = 'f'; return to;
    case '\n': *to++ = 'n'; return to;
    case '\r': *to++ = 'r'; return to;
    case '\t': *to++ = 't'; return to;
    default: break;
    }
    *to++ = 'u';
    *to++ = '0';
    *to++ = '0';
    *to++ = hex[c >> 4];
    *to++ = hex[c & 15];
    return to;
}

static inline bool is_clean(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* Copies bytes of text from *at on while they need no escape, no further than
 * `end`, but for the last vector of 16. */
static inline char *copy_clean(tj_str text, size_t *at, size_t end, char *to)
{
    size_t i = *at;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i escape = _mm_set1_epi8('\\');
    const __m128i blank = _mm_set1_epi8(0x20);
    const __m128i del = _mm_set1_epi8(0x7F);
    for (; i < end && i + 16 <= text.len; i += 16, to += 16) {
        __m128i bytes =
            _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + i));
        _mm_storeu_si128((__m128i *)(void *)to, bytes);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
                                   _mm_cmpeq_epi8(bytes, escape));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(bytes, del));
        /* Signed, so that bytes from 0x80 on are below 0x20 as well. */
        hit = _mm_or_si128(hit, _mm_cmplt_epi8(bytes, blank));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask) {
            unsigned clean = (unsigned)__builtin_ctz(mask);
            *at = i + clean;
            return to + clean;
        }
    }
#endif
    while (i < end && is_clean((unsigned char)text.ptr[i]))
        *to++ = text.ptr[i++];
    *at = i;
    return to;
}

/* Escapes text from *at on, about STEP_BYTES of it, into STEP_OUT_BYTES at
 * to; returns the end of what was written. */
static char *escape_step(tj_str text, size_t *at, char *to)
{
    size_t i = *at;
    size_t end = tj_size_min(text.len, i + STEP_BYTES);
    while (i < end) {
        to = copy_clean(text, &i, end, to);
        if (i >= end)
            break;
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x80) {
            to = put_escape(to, c);
            i++;
            continue;
        }
        uint32_t code = 0;
        size_t n = tj_utf8_next(tj_str_make(text.ptr + i, text.len - i), &code);
        if (code == TJ_UTF8_BAD)
            to += tj_utf8_encode(code, to);
        for (size_t k = 0; code != TJ_UTF8_BAD && k < n; k++)
            *to++ = text.ptr[i + k];
        i += n;
    }
    *at = i;
    return to;
}

void tj_json_escape(struct tj_buf *out, tj_str text)
{
    for (size_t at = 0; at < text.len && !out->full;) {
        char near_end[STEP_OUT_BYTES];
        bool roomy = tj_buf_room(out) >= STEP_OUT_BYTES;
        size_t len = out->len;
        char *to = roomy ? tj_buf_take(out, STEP_OUT_BYTES) : near_end;
        size_t size = (size_t)(escape_step(text, &at, to) - to);
        if (roomy)
            tj_buf_cut(out, len + size);
        else
            tj_buf_add(out, tj_str_make(near_end, size));
    }
}

static inline char *put_short(char *to, tj_str s)
{
    for (size_t i = 0; i < s.len; i++)
        *to++ = s.ptr[i];
    return to;
}

/* lead, the quoted text, tail; lead and tail have at most two bytes. */
static void put_quoted(struct tj_buf *out, tj_str lead, tj_str text,
                       tj_str tail)
{
    enum { AROUND = 8 };
    size_t most = STEP_OUT_BYTES + AROUND;
    if (text.len <= STEP_BYTES / 8)
        most = 6 * (text.len + 16) + 16 + AROUND;
    if (text.len > STEP_BYTES || tj_buf_room(out) < most || out->full) {
        tj_buf_add(out, lead);
        tj_buf_byte(out, '"');
        tj_json_escape(out, text);
        tj_buf_byte(out, '"');
        tj_buf_add(out, tail);
        return;
    }
    size_t len = out->len;
    char *start = tj_buf_take(out, most);
    char *to = put_short(start, lead);
    size_t at = 0;
    *to++ = '"';
    to = escape_step(text, &at, to);
    *to++ = '"';
    to = put_short(to, tail);
    tj_buf_cut(out, len + (size_t)(to - start));
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

/* The comma and blank that belong before the next item; line breaks are
 * written here. */
static tj_str separator(struct tj_json_writer *w)
{
    bool first = !w->has_item;
    w->has_item = true;
    if (w->form == TJ_JSON_PRETTY && w->depth) {
        if (!first)
            tj_buf_byte(w->out, ',');
        put_line(w);
        return TJ_STR("");
    }
    if (first)
        return TJ_STR("");
    bool spaced = w->form == TJ_JSON_SPACED || w->form == TJ_JSON_PYTHON;
    return spaced ? TJ_STR(", ") : TJ_STR(",");
}

/* What stands before a value; nothing when it has a key. */
static tj_str lead_of_value(struct tj_json_writer *w)
{
    if (w->has_key) {
        w->has_key = false;
        return TJ_STR("");
    }
    assert(!in_object(w)); /* a member begins with its key */
    assert(w->depth || !w->has_item);
    return separator(w);
}

static void before_value(struct tj_json_writer *w)
{
    tj_buf_add(w->out, lead_of_value(w));
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
    put_quoted(w->out, separator(w), key,
               w->form == TJ_JSON_COMPACT ? TJ_STR(":") : TJ_STR(": "));
    w->has_key = true;
}

/* -- values --------------------------------------------------------------- */

void tj_jw_str(struct tj_json_writer *w, tj_str value)
{
    put_quoted(w->out, lead_of_value(w), value, TJ_STR(""));
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
        if (w->form == TJ_JSON_PYTHON ||
            !tj_number_is_special(tj_json_number_text(v))) {
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
