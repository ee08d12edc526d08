/* clock.c - clocks, and the texts of times and durations.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Civil dates are counted with the era arithmetic of the proleptic Gregorian
 * calendar (400-year eras of 146,097 days starting on 1 March), which needs no
 * tables, no locale and no time zone database.
 */
#include "base/clock.h"

#include <inttypes.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec ts = {0};
    (void)clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * TJ_NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

tj_time tj_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t tj_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t shifted = month > 2 ? month - 3 : month + 9;
    int64_t of_year = (153 * shifted + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

/* Exactly count digits off the front of *s. */
static bool take_digits(tj_str *s, size_t count, int64_t *out)
{
    uint64_t value = 0;
    if (s->len < count || !tj_str_to_u64(tj_str_slice(*s, 0, count), &value))
        return false;
    *s = tj_str_slice(*s, count, s->len);
    *out = (int64_t)value;
    return true;
}

static bool take_char(tj_str *s, char c)
{
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = tj_str_slice(*s, 1, s->len);
    return true;
}

/* ".123..." -> nanoseconds; digits past the ninth are dropped. */
static bool take_fraction(tj_str *s, int64_t *ns)
{
    *ns = 0;
    if (!take_char(s, '.') && !take_char(s, ','))
        return true;
    int64_t scale = 100000000;
    size_t n = 0;
    for (; n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9'; n++) {
        *ns += (s->ptr[n] - '0') * scale;
        scale /= 10;
    }
    *s = tj_str_slice(*s, n, s->len);
    return n > 0;
}

/* "Z", "+02:00", "+0200", "+02" or nothing -> seconds east of UTC. */
static bool take_zone(tj_str *s, int64_t *seconds)
{
    *seconds = 0;
    if (take_char(s, 'Z') || take_char(s, 'z') || s->len == 0)
        return true;
    bool west = s->ptr[0] == '-';
    if (!take_char(s, '+') && !take_char(s, '-'))
        return false;
    int64_t hours = 0;
    int64_t minutes = 0;
    if (!take_digits(s, 2, &hours))
        return false;
    (void)take_char(s, ':');
    if (s->len && !take_digits(s, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *seconds = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
    return true;
}

static bool take_date(tj_str *s, int64_t *days)
{
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    if (!take_digits(s, 4, &year) || !take_char(s, '-') ||
        !take_digits(s, 2, &month) || !take_char(s, '-') ||
        !take_digits(s, 2, &day))
        return false;
    if (year < 1970 || year > 2554 || month < 1 || month > 12 || day < 1 ||
        day > 31)
        return false;
    *days = days_of_date(year, month, day);
    return true;
}

static bool take_clock(tj_str *s, int64_t *seconds, int64_t *ns)
{
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    *ns = 0;
    if (!take_digits(s, 2, &hour) || !take_char(s, ':') ||
        !take_digits(s, 2, &minute))
        return false;
    if (take_char(s, ':') &&
        (!take_digits(s, 2, &second) || !take_fraction(s, ns)))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *seconds = (hour * 60 + minute) * 60 + second;
    return true;
}

bool tj_time_parse(tj_str text, tj_time *out)
{
    tj_str s = tj_str_trim(text);
    int64_t days = 0;
    int64_t seconds = 0;
    int64_t ns = 0;
    int64_t zone = 0;
    if (!take_date(&s, &days))
        return false;
    if (s.len) {
        if (!take_char(&s, 'T') && !take_char(&s, 't') && !take_char(&s, ' '))
            return false;
        if (!take_clock(&s, &seconds, &ns) || !take_zone(&s, &zone) || s.len)
            return false;
    }
    int64_t total = days * 86400 + seconds - zone;
    uint64_t whole = 0;
    if (total < 0 ||
        __builtin_mul_overflow((uint64_t)total, TJ_NS_PER_SECOND, &whole) ||
        __builtin_add_overflow(whole, (uint64_t)ns, &whole))
        return false;
    *out = whole;
    return true;
}

tj_str tj_time_text(struct tj_arena *a, tj_time t)
{
    uint64_t seconds = t / TJ_NS_PER_SECOND;
    uint64_t ns = t % TJ_NS_PER_SECOND;
    int year = 0;
    int month = 0;
    int day = 0;
    date_of_days((int64_t)(seconds / 86400), &year, &month, &day);
    int digits = 9;
    while (digits > 3 && ns % 10 == 0) {
        ns /= 10;
        digits--;
    }
    int of_day = (int)(seconds % 86400);
    return tj_str_printf(a, "%04d-%02d-%02dT%02d:%02d:%02d.%0*" PRIu64 "Z",
                         year, month, day, of_day / 3600, of_day / 60 % 60,
                         of_day % 60, digits, ns);
}

/* One "12.5H": the number goes to *ns through the unit's size. */
static bool take_part(tj_str *s, bool in_time, uint64_t *ns)
{
    size_t n = 0;
    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        n++;
    uint64_t whole = 0;
    int64_t fraction = 0;
    if (!tj_str_to_u64(tj_str_slice(*s, 0, n), &whole))
        return false;
    *s = tj_str_slice(*s, n, s->len);
    if (!take_fraction(s, &fraction) || s->len == 0)
        return false;
    uint64_t unit = 0;
    switch (s->ptr[0]) {
    case 'W': unit = in_time ? 0 : UINT64_C(604800); break;
    case 'D': unit = in_time ? 0 : UINT64_C(86400); break;
    case 'H': unit = in_time ? 3600 : 0; break;
    case 'M': unit = in_time ? 60 : 0; break;
    case 'S': unit = in_time ? 1 : 0; break;
    default: break;
    }
    *s = tj_str_slice(*s, 1, s->len);
    uint64_t part = 0;
    uint64_t tail = 0;
    return unit && !__builtin_mul_overflow(whole, TJ_NS_PER_SECOND, &part) &&
           !__builtin_add_overflow(part, (uint64_t)fraction, &part) &&
           !__builtin_mul_overflow(part, unit, &tail) &&
           !__builtin_add_overflow(*ns, tail, ns);
}

static bool parse_iso_duration(tj_str s, uint64_t *out_ns)
{
    uint64_t ns = 0;
    bool in_time = false;
    if (!take_char(&s, 'P') || s.len == 0)
        return false;
    while (s.len) {
        if (!in_time && take_char(&s, 'T'))
            in_time = true;
        if (!take_part(&s, in_time, &ns))
            return false;
    }
    *out_ns = ns;
    return true;
}

bool tj_duration_parse(tj_str text, uint64_t *out_ns)
{
    tj_str s = tj_str_trim(text);
    if (s.len && s.ptr[0] == 'P')
        return parse_iso_duration(s, out_ns);
    uint64_t whole = 0;
    int64_t fraction = 0;
    size_t n = 0;
    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
        n++;
    if (!tj_str_to_u64(tj_str_slice(s, 0, n), &whole))
        return false;
    s = tj_str_slice(s, n, s.len);
    if (!take_fraction(&s, &fraction) || !take_char(&s, 's') || s.len)
        return false;
    return !__builtin_mul_overflow(whole, TJ_NS_PER_SECOND, &whole) &&
           !__builtin_add_overflow(whole, (uint64_t)fraction, out_ns);
}

tj_str tj_duration_text(struct tj_arena *a, uint64_t ns)
{
    if (ns < TJ_NS_PER_MS)
        return tj_str_printf(a, "%" PRIu64 "us", ns / 1000);
    if (ns < TJ_NS_PER_SECOND)
        return tj_str_printf(a, "%" PRIu64 "ms", ns / TJ_NS_PER_MS);
    uint64_t seconds = ns / TJ_NS_PER_SECOND;
    if (seconds < 60)
        return tj_str_printf(a, "%" PRIu64 ".%02" PRIu64 "s", seconds,
                             ns % TJ_NS_PER_SECOND / (10 * TJ_NS_PER_MS));
    if (seconds < 3600)
        return tj_str_printf(a, "%" PRIu64 "m%02" PRIu64 "s", seconds / 60,
                             seconds % 60);
    return tj_str_printf(a, "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600,
                         seconds / 60 % 60);
}
