/* retry.c - whether and when a failed request is sent again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/retry.h"

#include "base/limits.h"
#include "net/retry_after.h"

enum { BACKOFF_MS = 500, BACKOFF_MS_MAX = 8000, BACKOFF_STEPS = 4 };

bool tj_retry_wanted(const struct tj_http_response *response,
                     enum tj_llm_error error)
{
    if (!response->ok)
        return response->err.code == TJ_E_IO || response->err.code == TJ_E_BUSY;
    if (error == TJ_LLM_QUOTA)
        return false;
    tj_str told = tj_http_header(response, TJ_STR("x-should-retry"));
    if (tj_str_eq_fold(told, TJ_STR("true")))
        return true;
    if (tj_str_eq_fold(told, TJ_STR("false")))
        return false;
    int status = response->status;
    /* An error inside a 200, or nonsense: the class decides. */
    if (status < 300 || error == TJ_LLM_BAD_OUTPUT)
        return error == TJ_LLM_PROVIDER || error == TJ_LLM_BAD_OUTPUT ||
               error == TJ_LLM_RATE_LIMITED;
    return status == 408 || status == 409 || status == 429 || status == 498 ||
           status >= 500;
}

uint64_t tj_retry_backoff_ms(uint32_t n, uint64_t chance)
{
    uint64_t ms = n >= BACKOFF_STEPS ? (uint64_t)BACKOFF_MS_MAX
                                     : (uint64_t)BACKOFF_MS << n;
    return ms - chance % (ms / 4 + 1);
}

/* -- what headers say ------------------------------------------------------ */

static bool seconds_to_ms(tj_str text, double scale, uint64_t *out)
{
    double value;
    if (!tj_str_to_double(tj_str_trim(text), &value) || value < 0)
        return false;
    value *= scale;
    *out = value > 1e12 ? UINT64_C(1000000000000) : (uint64_t)value;
    return true;
}

/* The unit at the head of text in ms, and how long its name is. */
static double unit_ms(tj_str text, size_t *len)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1},  {"us", 1e-3}, {"s", 1e3},
                 {"m", 6e4}, {"h", 36e5},  {"d", 864e5}};
    for (size_t i = 0; i < TJ_COUNT(units); i++) {
        *len = strlen(units[i].name);
        if (tj_str_starts(text, tj_str_c(units[i].name)))
            return units[i].ms;
    }
    return 0;
}

bool tj_retry_parse_span(tj_str text, uint64_t *out_ms)
{
    uint64_t sum = 0, part;
    text = tj_str_trim(text);
    if (seconds_to_ms(text, 1e3, out_ms))
        return true;
    while (text.len) {
        size_t digits = 0, unit_len;
        while (digits < text.len &&
               ((text.ptr[digits] >= '0' && text.ptr[digits] <= '9') ||
                text.ptr[digits] == '.'))
            digits++;
        double unit = unit_ms(tj_str_slice(text, digits, text.len), &unit_len);
        if (unit <= 0 ||
            !seconds_to_ms(tj_str_slice(text, 0, digits), unit, &part))
            return false;
        sum = sum > UINT64_MAX - part ? UINT64_MAX : sum + part;
        text = tj_str_slice(text, digits + unit_len, text.len);
        *out_ms = sum;
        if (!text.len)
            return true;
    }
    return false;
}

static uint64_t until_ms(tj_time then, tj_time now)
{
    return then > now ? (then - now) / TJ_NS_PER_MS + 1 : 0;
}

/* The longest of the windows that are used up. */
static uint64_t reset_ms(const struct tj_http_response *r, tj_time now)
{
    static const char *const kinds[][2] = {
        {"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
        {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"},
        {"anthropic-ratelimit-requests-remaining",
         "anthropic-ratelimit-requests-reset"},
        {"anthropic-ratelimit-tokens-remaining",
         "anthropic-ratelimit-tokens-reset"},
        {"anthropic-ratelimit-input-tokens-remaining",
         "anthropic-ratelimit-input-tokens-reset"},
        {"anthropic-ratelimit-output-tokens-remaining",
         "anthropic-ratelimit-output-tokens-reset"},
    };
    uint64_t longest = 0;
    for (size_t i = 0; i < TJ_COUNT(kinds); i++) {
        tj_str left = tj_http_header(r, tj_str_c(kinds[i][0]));
        tj_str reset = tj_http_header(r, tj_str_c(kinds[i][1]));
        uint64_t ms = 0;
        tj_time then;
        if (!reset.len || (left.len && !tj_str_eq(left, TJ_STR("0"))))
            continue;
        if (!tj_retry_parse_span(reset, &ms) && tj_time_parse(reset, &then))
            ms = until_ms(then, now);
        longest = ms > longest ? ms : longest;
    }
    return longest;
}

uint64_t tj_retry_told_ms(const struct tj_http_response *response, tj_time now)
{
    tj_str exact = tj_http_header(response, TJ_STR("retry-after-ms"));
    uint64_t ms = 0;
    bool told = (exact.len && seconds_to_ms(exact, 1, &ms)) ||
                tj_retry_after_ms(response, now, &ms);
    if (!told && response->status == 429)
        ms = reset_ms(response, now);
    return ms < TJ_MODEL_RETRY_AFTER_MS_MAX ? ms : TJ_MODEL_RETRY_AFTER_MS_MAX;
}
