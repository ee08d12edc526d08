/* json_number.c - what the text of a number is worth.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A number is looked at as a sign, digits without leading and trailing zeros,
 * and a power of ten: -0.0120e4 is -(12) * 10^1.  Compared so, two numbers of
 * any length need no arithmetic; and an integer is exact however it was
 * written.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "text/json_int.h"

struct decimal {
    bool negative;
    const char *first; /* most significant digit that is not 0, or NULL */
    const char *last;  /* least significant digit that is not 0 */
    size_t digits;     /* between them, both included, without the point */
    int64_t exponent;  /* of the digit at last */
};

bool tj_number_is_special(tj_str text)
{
    return text.len &&
           (text.ptr[text.len - 1] == 'N' || text.ptr[text.len - 1] == 'y');
}

/* The digits behind 'e', clamped to what no double reaches. */
static int64_t exponent_of(tj_str text)
{
    enum { FAR = 1000000000 };
    bool negative = text.len && text.ptr[0] == '-';
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= '0' && text.ptr[i] <= '9' && value < FAR)
            value = value * 10 + (text.ptr[i] - '0');
    return negative ? -value : value;
}

static struct decimal split(tj_str text)
{
    struct decimal d = {0};
    int64_t behind_point = 0; /* digits between the point and the last one */
    int64_t power = 0;
    size_t seen = 0; /* digits from first on */
    bool point = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '-') {
            d.negative = true;
        } else if (c == '.') {
            point = true;
        } else if (c == 'e' || c == 'E') {
            power = exponent_of(tj_str_slice(text, i + 1, text.len));
            break;
        } else {
            behind_point += point;
            seen += d.first || c != '0';
        }
        if (c < '1' || c > '9')
            continue;
        d.first = d.first ? d.first : text.ptr + i;
        d.last = text.ptr + i;
        d.digits = seen;
        d.exponent = -behind_point;
    }
    /* Digits between last and the point were zeros: they raise the power. */
    if (d.last)
        for (const char *p = d.last + 1;
             p < text.ptr + text.len && *p == '0' && d.exponent >= 0; p++)
            d.exponent++;
    d.exponent += power;
    return d;
}

/* The digits as an integer times 10^exponent. */
static bool magnitude(const struct decimal *d, uint64_t *out)
{
    uint64_t value = 0;
    if (d->first && d->exponent < 0)
        return false;
    for (const char *p = d->first; p && p <= d->last; p++) {
        if (*p == '.')
            continue;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return false;
    }
    for (int64_t i = 0; d->first && i < d->exponent; i++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value))
            return false;
    *out = value;
    return true;
}

bool tj_number_to_u64(tj_str text, uint64_t *out)
{
    if (tj_str_to_u64(text, out))
        return true;
    struct decimal d = split(text);
    if (tj_number_is_special(text) || (d.negative && d.first))
        return false;
    return magnitude(&d, out);
}

bool tj_number_to_i64(tj_str text, int64_t *out)
{
    if (tj_str_to_i64(text, out))
        return true;
    struct decimal d = split(text);
    uint64_t value = 0;
    if (tj_number_is_special(text) || !magnitude(&d, &value))
        return false;
    if (value > (uint64_t)INT64_MAX + (d.negative ? 1 : 0))
        return false;
    *out = d.negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

enum tj_json_type tj_json_number_type(tj_str text)
{
    int64_t i = 0;
    uint64_t u = 0;
    if (tj_str_to_i64(text, &i))
        return TJ_JSON_INT;
    return tj_str_to_u64(text, &u) ? TJ_JSON_UINT : TJ_JSON_DOUBLE;
}

/* Up to 15 digits and a power of ten within 22 are exact as doubles, so one
 * correctly rounded operation gives the correctly rounded result. */
static bool quick_double(const struct decimal *d, double *out)
{
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
    static const double powers[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->digits > 15 || d->exponent < -22 || d->exponent > 22)
        return false;
    uint64_t value = 0;
    for (const char *p = d->first; p <= d->last; p++)
        if (*p != '.')
            value = value * 10 + (uint64_t)(*p - '0');
    double m = (double)value;
    *out = d->exponent < 0 ? m / powers[-d->exponent] : m * powers[d->exponent];
    return true;
#else
    (void)d;
    (void)out;
    return false;
#endif
}

/* Through strtod, as "<digits>e<power>": no decimal point, hence no locale.
 * Halfway cases between doubles end within 767 digits; what is cut off behind
 * the kept ones can only matter as "and a bit more", which one 1 says. */
static double slow_double(const struct decimal *d)
{
    enum { DIGITS_MAX = 780 };
    char text[DIGITS_MAX + 32];
    size_t n = 0;
    size_t kept = 0;
    for (const char *p = d->first; kept < DIGITS_MAX && p <= d->last; p++) {
        if (*p == '.')
            continue;
        text[n++] = *p;
        kept++;
    }
    int64_t power = d->exponent + (int64_t)(d->digits - kept);
    if (kept < d->digits) {
        text[n++] = '1';
        power--;
    }
    text[n++] = 'e';
    if (power < 0) {
        text[n++] = '-';
        power = -power;
    }
    char digits[20];
    size_t m = sizeof digits;
    do {
        digits[--m] = (char)('0' + power % 10);
        power /= 10;
    } while (power);
    memcpy(text + n, digits + m, sizeof digits - m);
    text[n + sizeof digits - m] = '\0';
    return strtod(text, NULL);
}

double tj_number_to_double(tj_str text)
{
    bool negative = text.len && text.ptr[0] == '-';
    double value = 0;
    if (tj_number_is_special(text)) {
        value = text.ptr[text.len - 1] == 'N' ? (double)NAN : (double)INFINITY;
    } else {
        struct decimal d = split(text);
        if (d.first && !quick_double(&d, &value))
            value = slow_double(&d);
    }
    return negative ? -value : value;
}

bool tj_number_eq(tj_str a, tj_str b)
{
    if (tj_str_eq(a, b))
        return true;
    if (tj_number_is_special(a) || tj_number_is_special(b))
        return false;
    struct decimal x = split(a);
    struct decimal y = split(b);
    if (!x.first || !y.first)
        return x.first == y.first;
    if (x.negative != y.negative || x.exponent != y.exponent ||
        x.digits != y.digits)
        return false;
    const char *p = x.first;
    const char *q = y.first;
    for (; p <= x.last && q <= y.last; p++, q++) {
        p += *p == '.';
        q += *q == '.';
        if (*p != *q)
            return false;
    }
    return true;
}
