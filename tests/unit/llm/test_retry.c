/* test_retry.c - when to try again, how many at once, and what it costs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/retry.h"

#include "llm/limiter.h"
#include "llm/prices.h"
#include "test.h"

#define NOW (UINT64_C(1777708800) * TJ_NS_PER_SECOND) /* 2026-05-02 08:00 */

static uint64_t told(int status, const char *name, const char *value)
{
    struct tj_header header = {tj_str_c(name), tj_str_c(value)};
    struct tj_http_response r = {.ok = true, .status = status};
    r.headers.items = &header;
    r.headers.count = 1;
    return tj_retry_told_ms(&r, NOW);
}

static void what_providers_say(void **state)
{
    (void)state;
    assert_int_equal(told(429, "Retry-After-Ms", "250.5"), 250);
    assert_int_equal(told(503, "retry-after", "1.5"), 1500);
    assert_int_equal(told(503, "retry-after", "Sat, 02 May 2026 08:00:02 GMT"),
                     2001);
    assert_int_equal(told(503, "retry-after", "Sat, 02 May 2020 08:00:02 GMT"),
                     0);
    assert_int_equal(told(429, "retry-after", "86400"), 120000);
    assert_int_equal(told(429, "retry-after", "1e300"), 120000);
    assert_int_equal(told(429, "retry-after", "soon"), 0);
    assert_int_equal(told(429, "retry-after", "-3"), 0);
    assert_int_equal(told(429, "x-ratelimit-reset-tokens", "1m2s"), 62000);
    assert_int_equal(told(500, "x-ratelimit-reset-tokens", "1m2s"), 0);
    assert_int_equal(
        told(429, "anthropic-ratelimit-requests-reset", "2026-05-02T08:00:03Z"),
        3001);
}

static void a_window_with_room_does_not_count(void **state)
{
    (void)state;
    struct tj_header headers[] = {
        {TJ_STR("x-ratelimit-remaining-tokens"), TJ_STR("12")},
        {TJ_STR("x-ratelimit-reset-tokens"), TJ_STR("90s")},
        {TJ_STR("x-ratelimit-remaining-requests"), TJ_STR("0")},
        {TJ_STR("x-ratelimit-reset-requests"), TJ_STR("500ms")},
    };
    struct tj_http_response r = {.ok = true, .status = 429};
    r.headers.items = headers;
    r.headers.count = TJ_COUNT(headers);
    assert_int_equal(tj_retry_told_ms(&r, NOW), 500);
}

static void spans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms; /* 1: refused */
    } table[] = {
        {"1m30s", 90000}, {"500ms", 500}, {"1h2m3.5s", 3723500},
        {"12", 12000},    {"", 1},        {"s", 1},
        {"1x", 1},        {"1m-2s", 1},   {"1..2s", 1},
    };
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        uint64_t ms = 0;
        bool ok = tj_retry_parse_span(tj_str_c(table[i].text), &ms);
        if (ok != (table[i].ms != 1) || (ok && ms != table[i].ms))
            fail_msg("%s", table[i].text);
    }
}

static void who_is_asked_again(void **state)
{
    static const struct {
        int status;
        enum tj_llm_error error;
        bool again;
    } table[] = {
        {408, TJ_LLM_PROVIDER, true},
        {409, TJ_LLM_BAD_REQUEST, true},
        {429, TJ_LLM_RATE_LIMITED, true},
        {429, TJ_LLM_QUOTA, false},
        {498, TJ_LLM_RATE_LIMITED, true},
        {500, TJ_LLM_PROVIDER, true},
        {529, TJ_LLM_PROVIDER, true},
        {400, TJ_LLM_BAD_REQUEST, false},
        {401, TJ_LLM_AUTH, false},
        {402, TJ_LLM_QUOTA, false},
        {403, TJ_LLM_AUTH, false},
        {404, TJ_LLM_BAD_REQUEST, false},
        {413, TJ_LLM_CONTEXT_OVERFLOW, false},
        {200, TJ_LLM_PROVIDER, true},
        {200, TJ_LLM_BAD_OUTPUT, true},
        {200, TJ_LLM_CONTEXT_OVERFLOW, false},
        {400, TJ_LLM_BAD_OUTPUT, true},
        {302, TJ_LLM_PROVIDER, false},
    };
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        struct tj_http_response r = {.ok = true, .status = table[i].status};
        if (tj_retry_wanted(&r, table[i].error) != table[i].again)
            fail_msg("status %d", table[i].status);
    }
    struct tj_header header = {TJ_STR("X-Should-Retry"), TJ_STR("true")};
    struct tj_http_response r = {.ok = true, .status = 400};
    r.headers.items = &header;
    r.headers.count = 1;
    assert_true(tj_retry_wanted(&r, TJ_LLM_BAD_REQUEST));
    header.value = TJ_STR("false");
    r.status = 500;
    assert_false(tj_retry_wanted(&r, TJ_LLM_PROVIDER));
    r = (struct tj_http_response){.err.code = TJ_E_IO};
    assert_true(tj_retry_wanted(&r, TJ_LLM_NETWORK));
    r.err.code = TJ_E_LIMIT;
    assert_false(tj_retry_wanted(&r, TJ_LLM_BAD_OUTPUT));
}

static void waits_grow_and_vary(void **state)
{
    (void)state;
    static const uint64_t full[] = {500, 1000, 2000, 4000, 8000, 8000};
    for (uint32_t n = 0; n < TJ_COUNT(full); n++) {
        assert_int_equal(tj_retry_backoff_ms(n, 0), full[n]);
        uint64_t least = full[n] - full[n] / 4;
        assert_int_equal(tj_retry_backoff_ms(n, full[n] / 4), least);
        for (uint64_t chance = 1; chance < 99999; chance += 977)
            assert_true(tj_retry_backoff_ms(n, chance) >= least);
    }
    assert_int_equal(tj_retry_backoff_ms(UINT32_MAX, 0), 8000);
}

/* -- the limiter ------------------------------------------------------------ */

enum { TICKETS = 40 };

static int open_loop(void **state)
{
    struct tj_err err;
    return tj_loop_open((struct tj_loop **)state, &err) ? 0 : -1;
}

static int close_loop(void **state)
{
    tj_loop_close(*state);
    return 0;
}

static void count(void *ctx)
{
    ++*(int *)ctx;
}

static void leave_all(struct tj_limiter *l, struct tj_ticket *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tj_limiter_leave(l, &t[i], TJ_OUTCOME_OTHER, 0);
}

static void the_window_holds_and_adapts(void **state)
{
    struct tj_limiter *l = tj_limiter_find(*state, TJ_STR("x"), 0);
    struct tj_ticket t[TICKETS] = {0};
    int started = 0;
    assert_ptr_equal(l, tj_limiter_find(*state, TJ_STR("x"), 0));
    assert_ptr_not_equal(l, tj_limiter_find(*state, TJ_STR("y"), 0));
    for (size_t i = 0; i < TICKETS; i++)
        tj_limiter_enter(l, &t[i], TJ_PLACE_BACK, count, &started);
    assert_int_equal(started, 20);
    tj_limiter_leave(l, &t[0], TJ_OUTCOME_THROTTLED, 0);
    assert_int_equal(tj_limiter_window(l), 16);
    tj_limiter_leave(l, &t[1], TJ_OUTCOME_THROTTLED, 0);
    assert_int_equal(tj_limiter_window(l), 16); /* once per cooldown */
    assert_int_equal(started, 20);              /* 18 run, 16 may */
    tj_limiter_leave(l, &t[2], TJ_OUTCOME_OTHER, 0);
    tj_limiter_leave(l, &t[3], TJ_OUTCOME_OTHER, 0);
    assert_int_equal(started, 20);
    tj_limiter_leave(l, &t[4], TJ_OUTCOME_OTHER, 0);
    assert_int_equal(started, 21);
    leave_all(l, t, TICKETS);
    for (int i = 0; i < 17; i++) {
        struct tj_ticket one = {0};
        tj_limiter_enter(l, &one, TJ_PLACE_BACK, count, &started);
        tj_limiter_leave(l, &one, TJ_OUTCOME_GOOD, 0);
    }
    assert_int_equal(tj_limiter_window(l), 17);
    assert_int_equal(tj_limiter_running(l), 0);
}

static void a_pause_holds_everybody(void **state)
{
    struct tj_limiter *l = tj_limiter_find(*state, TJ_STR("x"), 2);
    struct tj_ticket t[3] = {0};
    int started = 0;
    assert_int_equal(tj_limiter_window(l), 2);
    tj_limiter_enter(l, &t[0], TJ_PLACE_BACK, count, &started);
    tj_limiter_leave(l, &t[0], TJ_OUTCOME_THROTTLED, 20);
    uint64_t before = tj_mono_ns();
    tj_limiter_enter(l, &t[1], TJ_PLACE_BACK, count, &started);
    assert_int_equal(started, 1);
    tj_loop_run(*state);
    assert_int_equal(started, 2);
    assert_true(tj_mono_ns() - before >= 15 * TJ_NS_PER_MS);
    leave_all(l, t, 3);
    /* An alarm for nobody does not keep the loop running. */
    tj_limiter_enter(l, &t[0], TJ_PLACE_BACK, count, &started);
    tj_limiter_leave(l, &t[0], TJ_OUTCOME_THROTTLED, 100000);
    tj_limiter_enter(l, &t[1], TJ_PLACE_BACK, count, &started);
    tj_limiter_leave(l, &t[1], TJ_OUTCOME_OTHER, 0);
    tj_loop_run(*state);
}

/* -- prices ------------------------------------------------------------------ */

static void prices(void **state)
{
    struct tj_model m = {.uri = TJ_STR("openai:/gpt-4.1-mini")};
    struct tj_llm_usage usage = {1000000, 500000, -1, 100000, -1, -1};
    struct tj_err err;
    (void)state;
    assert_ok(tj_prices_find(TJ_STR("openai"),
                             TJ_STR("gpt-4.1-mini-2025-04-14"), (tj_str){0}, &m,
                             &err),
              err);
    assert_int_equal(m.context_tokens, 1047576);
    assert_int_equal((int)(tj_prices_cost(&m, &usage) * 1000 + 0.5), 410);
    assert_ok(tj_prices_find(TJ_STR("openai"), TJ_STR("gpt-4.1-maxi"),
                             (tj_str){0}, &m, &err),
              err);
    assert_int_equal(m.context_tokens, 0);
    assert_true(tj_prices_cost(&m, &usage) < 0);
    assert_ok(tj_prices_find(TJ_STR("ollama"), TJ_STR("q"),
                             TJ_STR("{\"q\":{\"input\":0,\"output\":0,"
                                    "\"context\":4096}}"),
                             &m, &err),
              err);
    assert_int_equal(m.context_tokens, 4096);
    assert_true(tj_prices_cost(&m, &usage) == 0);
    usage.output_tokens = -1;
    assert_true(tj_prices_cost(&m, &usage) < 0);
    assert_fails(tj_prices_find(TJ_STR("x"), TJ_STR("q"),
                                TJ_STR("{\"q\":{\"input\":-1}}"), &m, &err),
                 err, TJ_E_INPUT, "model prices: input: expected a number");
}

#define LOOP(f) cmocka_unit_test_setup_teardown(f, open_loop, close_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_providers_say),
        cmocka_unit_test(a_window_with_room_does_not_count),
        cmocka_unit_test(spans),
        cmocka_unit_test(who_is_asked_again),
        cmocka_unit_test(waits_grow_and_vary),
        LOOP(the_window_holds_and_adapts),
        LOOP(a_pause_holds_everybody),
        cmocka_unit_test(prices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
