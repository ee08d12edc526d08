/* base64.c - RFC 4648 base64, both alphabets in, the standard one out.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

tj_str tj_base64_write(struct tj_arena *a, tj_str bytes)
{
    size_t groups = bytes.len / 3 + (bytes.len % 3 != 0);
    size_t size = 0;
    bool fits = tj_size_mul(groups, 4, &size);
    assert(fits);
    char *out = tj_arena_alloc(a, size);
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    for (size_t i = 0, o = 0; i < bytes.len; i += 3, o += 4) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)in[i] << 16;
        if (left > 1)
            group |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            group |= in[i + 2];
        out[o] = alphabet[group >> 18];
        out[o + 1] = alphabet[group >> 12 & 63];
        out[o + 2] = left > 1 ? alphabet[group >> 6 & 63] : '=';
        out[o + 3] = left > 2 ? alphabet[group & 63] : '=';
    }
    return tj_str_make(out, size);
}

/* The six bits a digit stands for, or -1. */
static int bits_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Takes off "=" and "==" where they complete a group of four. */
static tj_str without_padding(tj_str text)
{
    if (text.len % 4 != 0)
        return text;
    for (int i = 0; i < 2 && text.len && text.ptr[text.len - 1] == '='; i++)
        text.len--;
    return text;
}

bool tj_base64_parse(struct tj_arena *a, tj_str text, tj_str *out)
{
    tj_str digits = without_padding(text);
    if (digits.len % 4 == 1)
        return false;
    for (size_t i = 0; i < digits.len; i++)
        if (bits_of(digits.ptr[i]) < 0)
            return false;
    size_t size = digits.len / 4 * 3 + digits.len % 4 * 3 / 4;
    unsigned char *bytes = tj_arena_alloc(a, size);
    uint32_t held = 0;
    unsigned held_bits = 0;
    size_t o = 0;
    for (size_t i = 0; i < digits.len; i++) {
        held = held << 6 | (uint32_t)bits_of(digits.ptr[i]);
        held_bits += 6;
        if (held_bits >= 8) {
            held_bits -= 8;
            bytes[o++] = (unsigned char)(held >> held_bits);
        }
    }
    assert(o == size);
    *out = tj_str_make((const char *)bytes, size);
    return true;
}
