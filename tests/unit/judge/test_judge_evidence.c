/* test_judge_evidence.c - only what stands in the named field counts.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/evidence.h"

#include "base/limits.h"
#include "fixture.h"

static struct tj_evidence check(struct fixture *f, const char *span,
                                const char *field, const char *quote)
{
    struct tj_evidence e = {
        .span_id = tj_str_c(span),
        .field = tj_str_c(field),
        .quote = tj_str_c(quote),
    };
    assert_ok(tj_evidence_check(&f->trace, &e, 1, &f->arena, &f->err), f->err);
    return e;
}

static void refused(struct fixture *f, const char *span, const char *field,
                    const char *quote, const char *why)
{
    struct tj_evidence e = check(f, span, field, quote);
    assert_false(e.verified);
    if (!strstr(tj_cstr(&f->arena, e.why_not), why))
        fail_msg("\"%s\" lacks \"%s\"", tj_cstr(&f->arena, e.why_not), why);
}

static void test_found(void **state)
{
    struct fixture f;
    fixture_open(&f);
    struct tj_evidence e =
        check(&f, "00000000000000c3", "output", "503 from upstream");
    assert_true(e.verified);
    assert_int_equal(e.offset, 5);
    assert_int_equal(e.len, 17);
    assert_true(check(&f, "00000000000000c3", "name", "fetch").verified);
    assert_true(
        check(&f, "00000000000000c3", "output", "upstream\nignore").verified);
    fixture_close(&f);
}

static void test_names(void **state)
{
    struct fixture f;
    fixture_open(&f);
    struct tj_evidence e =
        check(&f, " 00000000000000C3 ", "retry.policy", "  exponential\n");
    assert_true(e.verified);
    assert_str_eq(e.field, "attributes.retry.policy");
    assert_str_eq(e.span_id, "00000000000000c3");
    assert_str_eq(e.quote, "exponential");
    e = check(&f, "00000000000000c3", "outputs", "HTTP 503");
    assert_true(e.verified);
    assert_str_eq(e.field, "output");
    e = check(&f, "00000000000000a1", "input.question", "how \"fast\"?");
    assert_true(e.verified);
    assert_str_eq(e.field, "input");
    assert_true(check(&f, "0x00000000000000c3", "output", "HTTP 503").verified);
    fixture_close(&f);
}

static void test_not_found(void **state)
{
    struct fixture f;
    fixture_open(&f);
    refused(&f, "00000000000000c3", "output", "HTTP 504", "not in output");
    refused(&f, "00000000000000c3", "input", "HTTP 503 from",
            "found in output, not in input");
    refused(&f, "00000000000000c3", "output", "http 503", "not in output");
    refused(&f, "00000000000000c3", "output", "ab", "shorter");
    refused(&f, "00000000000000c3", "output", "   ", "shorter");
    refused(&f, "00000000000000c3", "outptu", "HTTP 503", "no such field");
    refused(&f, "00000000000000c3", "", "HTTP 503", "no such field");
    refused(&f, "00000000000000ff", "output", "HTTP 503", "no span");
    refused(&f, "00000000", "name", "fetch", "several spans");
    refused(&f, "c3", "name", "fetch", "16 digits");
    refused(&f, "tr-5f3a0000000000000000000000000001", "name", "fetch",
            "16 digits");
    fixture_close(&f);
}

static void test_long(void **state)
{
    struct fixture f;
    fixture_open(&f);
    char quote[TJ_QUOTE_BYTES_MAX + 2];
    memset(quote, '.', sizeof quote);
    quote[sizeof quote - 1] = '\0';
    refused(&f, "00000000000000c3", "big", quote, "longer");
    quote[TJ_QUOTE_BYTES_MAX] = '\0';
    assert_true(check(&f, "00000000000000c3", "big", quote).verified);
    /* Across the border of two pieces. */
    struct tj_evidence e = check(&f, "00000000000000c3", "big", "needle");
    assert_true(e.verified);
    assert_int_equal(e.offset, NEEDLE_AT);
    fixture_close(&f);
}

static void test_without_trace(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_evidence e = {.quote = TJ_STR("abc"), .verified = true};
    assert_ok(tj_evidence_check(NULL, &e, 1, &a, &err), err);
    assert_false(e.verified);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_not_found),     cmocka_unit_test(test_long),
        cmocka_unit_test(test_without_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
