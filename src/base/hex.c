/* hex.c - see hex.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hex.h"

void tj_hex_write(const void *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool tj_hex_parse(tj_str digits, void *out, size_t size)
{
    if (digits.len != 2 * size)
        return false;
    unsigned char *p = out;
    for (size_t i = 0; i < size; i++) {
        int high = digit_value(digits.ptr[2 * i]);
        int low = digit_value(digits.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        p[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
