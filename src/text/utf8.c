/* utf8.c - checking, repairing and clipping UTF-8.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Well-formed sequences (RFC 3629, section 4):
 *     C2..DF tail            E0 A0..BF tail        F0 90..BF tail tail
 *                            E1..EC,EE,EF tail*2   F1..F3 tail tail tail
 *                            ED 80..9F tail        F4 80..8F tail tail
 */
#include "text/utf8.h"

#include <string.h>

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

#define REPLACEMENT "\xEF\xBF\xBD"
enum { REPLACEMENT_BYTES = 3 };

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* Bytes that a sequence with this first byte takes; 0 when none begins so. */
static size_t length_of(unsigned char lead)
{
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* The second byte carries what keeps a sequence shortest and in range. */
static bool is_second(unsigned char lead, unsigned char c)
{
    switch (lead) {
    case 0xE0: return c >= 0xA0 && c <= 0xBF;
    case 0xED: return c >= 0x80 && c <= 0x9F;
    case 0xF0: return c >= 0x90 && c <= 0xBF;
    case 0xF4: return c >= 0x80 && c <= 0x8F;
    default: return is_tail(c);
    }
}

/* How many of the bytes at p belong together: a whole sequence of *need bytes,
 * or less when it breaks off (at least 1). */
static size_t part(const unsigned char *p, size_t left, size_t *need)
{
    *need = length_of(p[0]);
    if (*need == 0 || left < 2 || !is_second(p[0], p[1]))
        return 1;
    size_t n = 2;
    while (n < *need && n < left && is_tail(p[n]))
        n++;
    return n;
}

size_t tj_utf8_next(tj_str s, uint32_t *code)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    assert(s.len > 0);
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    size_t need = 0;
    size_t n = part(p, s.len, &need);
    *code = TJ_UTF8_BAD;
    if (n != need)
        return n;
    uint32_t value = p[0] & (0x7Fu >> need);
    for (size_t i = 1; i < n; i++)
        value = value << 6 | (p[i] & 0x3Fu);
    *code = value;
    return n;
}

size_t tj_utf8_high_run(tj_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t at = 0;
    while (at < s.len && p[at] >= 0x80) {
        size_t need = 0;
        size_t n = part(p + at, s.len - at, &need);
        if (n != need)
            break;
        at += n;
    }
    return at;
}

static size_t ascii_run(const char *p, size_t size)
{
    size_t at = 0;
#ifdef __SSE2__
    for (; at + 16 <= size; at += 16) {
        __m128i bytes =
            _mm_loadu_si128((const __m128i *)(const void *)(p + at));
        if (_mm_movemask_epi8(bytes))
            break;
    }
#else
    for (; at + 8 <= size; at += 8) {
        uint64_t bytes = 0;
        memcpy(&bytes, p + at, sizeof bytes);
        if (bytes & UINT64_C(0x8080808080808080))
            break;
    }
#endif
    while (at < size && (unsigned char)p[at] < 0x80)
        at++;
    return at;
}

size_t tj_utf8_valid(tj_str s)
{
    size_t at = 0;
    while (at < s.len) {
        at += ascii_run(s.ptr + at, s.len - at);
        size_t run = tj_utf8_high_run(tj_str_make(s.ptr + at, s.len - at));
        if (run == 0)
            break;
        at += run;
    }
    return at;
}

/* Length of s after repair; writes it as well when out is not NULL. */
static size_t repair(tj_str s, char *out)
{
    size_t size = 0;
    while (s.len) {
        size_t good = tj_utf8_valid(s);
        if (out && good)
            memcpy(out + size, s.ptr, good);
        size += good;
        s = tj_str_make(s.ptr + good, s.len - good);
        if (s.len == 0)
            break;
        uint32_t code = 0;
        size_t bad = tj_utf8_next(s, &code);
        if (out)
            memcpy(out + size, REPLACEMENT, REPLACEMENT_BYTES);
        size += REPLACEMENT_BYTES;
        s = tj_str_make(s.ptr + bad, s.len - bad);
    }
    return size;
}

tj_str tj_utf8_repair(struct tj_arena *a, tj_str s)
{
    if (tj_utf8_valid(s) == s.len)
        return s;
    size_t size = repair(s, NULL);
    char *out = tj_arena_alloc(a, size);
    (void)repair(s, out);
    return tj_str_make(out, size);
}

bool tj_utf8_is_boundary(tj_str s, size_t offset)
{
    assert(offset <= s.len);
    return offset == s.len || !is_tail((unsigned char)s.ptr[offset]);
}

tj_str tj_utf8_clip(tj_str s, size_t bytes_max)
{
    if (s.len <= bytes_max)
        return s;
    size_t end = bytes_max;
    /* Three steps at most: text that is not UTF-8 is not eaten up. */
    while (end > 0 && bytes_max - end < 3 && !tj_utf8_is_boundary(s, end))
        end--;
    if (!tj_utf8_is_boundary(s, end))
        end = bytes_max;
    return tj_str_make(s.ptr, end);
}

size_t tj_utf8_count(tj_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += !is_tail((unsigned char)s.ptr[i]);
    return count;
}

tj_str tj_utf8_clip_chars(tj_str s, size_t chars_max)
{
    size_t count = 0;
    if (s.len <= chars_max)
        return s;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_tail((unsigned char)s.ptr[i]) && count++ == chars_max)
            return tj_str_make(s.ptr, i);
    }
    return s;
}

size_t tj_utf8_encode(uint32_t code, char out[4])
{
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        code = 0xFFFD;
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(leads[n] | code);
    return n;
}

void tj_utf8_put(struct tj_buf *out, uint32_t code)
{
    char bytes[4];
    size_t n = tj_utf8_encode(code, bytes);
    tj_buf_add(out, tj_str_make(bytes, n));
}

/* What moves the cursor, changes the order of what was printed, or hides. */
static bool is_unsafe(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0080, 0x009F},   /* C1: 0x9B is a CSI */
        {0x061C, 0x061C},   /* Arabic letter mark */
        {0x200E, 0x200F},   /* direction marks */
        {0x2028, 0x202E},   /* line separators, embeddings, overrides */
        {0x2066, 0x2069},   /* isolates */
        {0xFFF9, 0xFFFB},   /* interlinear annotation */
        {0xE0000, 0xE007F}, /* tags: invisible text */
        {TJ_UTF8_BAD, TJ_UTF8_BAD},
    };
    for (size_t i = 0; i < TJ_COUNT(ranges); i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

static void put_control(struct tj_buf *out, uint32_t code,
                        enum tj_breaks breaks)
{
    if (code == '\n' || code == '\t')
        tj_buf_byte(out, breaks == TJ_BREAKS_KEEP ? (char)code : ' ');
    else if (code == '\r' && breaks == TJ_BREAKS_FOLD)
        tj_buf_byte(out, ' ');
    else
        tj_buf_fmt(out, "\\x%02x", (unsigned)code);
}

void tj_utf8_put_safe(struct tj_buf *out, tj_str s, enum tj_breaks breaks)
{
    size_t from = 0;
    for (size_t at = 0; at < s.len;) {
        uint32_t code = 0;
        size_t n = tj_utf8_next(tj_str_make(s.ptr + at, s.len - at), &code);
        bool control = code < 0x20 || code == 0x7F;
        if (control || (code >= 0x80 && is_unsafe(code))) {
            tj_buf_add(out, tj_str_make(s.ptr + from, at - from));
            from = at + n;
            if (code == '\r' && from < s.len && s.ptr[from] == '\n')
                n = 1; /* of \r\n only the \n counts */
            else if (control)
                put_control(out, code, breaks);
            else
                tj_buf_add(out, TJ_STR(REPLACEMENT));
        }
        at += n;
    }
    tj_buf_add(out, tj_str_slice(s, from, s.len));
}
