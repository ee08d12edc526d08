/* err.c - fills in and wraps error messages.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *tj_code_name(enum tj_code code)
{
    static const char *const names[] = {
#define X(name, text) [TJ_E_##name] = text,
        TJ_CODES(X)
#undef X
    };
    return names[code];
}

/* A message must stay one printable line whatever bytes went into it.
 * U+0080 to U+009F are controls as well: U+009B begins what ESC [ does. */
static void make_printable(char *text)
{
    for (char *p = text; *p; p++) {
        unsigned char c = (unsigned char)p[0];
        unsigned char next = (unsigned char)p[1];
        if (c < 0x20 || c == 0x7f)
            p[0] = '?';
        else if (c == 0xc2 && next >= 0x80 && next <= 0x9f)
            p[0] = p[1] = '?';
    }
}

/* vsnprintf may cut a UTF-8 character in half: drop the broken tail. */
static void trim_partial_utf8(char *text)
{
    size_t len = strlen(text);
    size_t back = 0;
    while (back < 3 && back < len &&
           ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back == len)
        return;
    unsigned char lead = (unsigned char)text[len - 1 - back];
    size_t want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (want > back)
        text[len - 1 - back] = '\0';
}

bool tj_fail(struct tj_err *err, enum tj_code code, const char *format, ...)
{
    assert(err);
    assert(code != TJ_E_NONE);
    va_list args;
    va_start(args, format);
    err->code = code;
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= (int)sizeof err->message)
        trim_partial_utf8(err->message);
    make_printable(err->message);
    return false;
}

bool tj_err_wrap(struct tj_err *err, const char *format, ...)
{
    assert(err);
    assert(err->code != TJ_E_NONE);
    char fact[TJ_ERR_MESSAGE_MAX];
    memcpy(fact, err->message, sizeof fact);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : tj_size_min((size_t)n, sizeof err->message - 1);
    int m =
        snprintf(err->message + used, sizeof err->message - used, ": %s", fact);
    if (m >= (int)(sizeof err->message - used))
        trim_partial_utf8(err->message);
    make_printable(err->message);
    return false;
}
