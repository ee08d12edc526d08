/* retry_after.c - see retry_after.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "net/retry_after.h"

/* Some 30 years: what is beyond cannot be meant, and fits no integer. */
#define SECONDS_MAX 1e9

static unsigned month_number(tj_str name)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (unsigned i = 0; i < 12; i++)
        if (tj_str_eq_fold(name, tj_str_make(months + (size_t)3 * i, 3)))
            return i + 1;
    return 0;
}

static bool parse_date(tj_str text, tj_time *out)
{
    /* RFC 9110's preferred form alone; nobody sends the other two. */
    struct tj_arena a = {0};
    tj_str rest = tj_str_trim(text);
    (void)tj_str_cut(&rest, ' '); /* "Wed," */
    tj_str day = tj_str_cut(&rest, ' ');
    tj_str month = tj_str_cut(&rest, ' ');
    tj_str year = tj_str_cut(&rest, ' ');
    tj_str clock = tj_str_cut(&rest, ' ');
    unsigned number = month_number(month);
    tj_str iso = tj_str_printf(&a, "%.*s-%02u-%.*sT%.*sZ", TJ_STR_ARG(year),
                               number, TJ_STR_ARG(day), TJ_STR_ARG(clock));
    bool ok = number && tj_time_parse(iso, out);
    tj_arena_release(&a);
    return ok;
}

bool tj_retry_after_ms(const struct tj_http_response *response, tj_time now,
                       uint64_t *out_ms)
{
    tj_str text = tj_str_trim(tj_http_header(response, TJ_STR("retry-after")));
    double seconds = 0;
    tj_time then = 0;
    if (tj_str_to_double(text, &seconds)) {
        if (seconds < 0)
            return false;
        *out_ms =
            (uint64_t)((seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * 1e3);
        return true;
    }
    if (!parse_date(text, &then))
        return false;
    *out_ms = then > now ? (then - now) / TJ_NS_PER_MS + 1 : 0;
    return true;
}
