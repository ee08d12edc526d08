/* test_base64.c - base64 both ways.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include "text/base64.h"

static void writes_and_reads(void **state)
{
    (void)state;
    static const struct {
        tj_str bytes;
        const char *text;
    } cases[] = {
        {TJ_STR_INIT(""), ""},
        {TJ_STR_INIT("f"), "Zg=="},
        {TJ_STR_INIT("fo"), "Zm8="},
        {TJ_STR_INIT("foo"), "Zm9v"},
        {TJ_STR_INIT("foob"), "Zm9vYg=="},
        {TJ_STR_INIT("fooba"), "Zm9vYmE="},
        {TJ_STR_INIT("foobar"), "Zm9vYmFy"},
        {TJ_STR_INIT("\0\xFF\xFE\xFB"), "AP/++w=="},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        tj_str text = tj_base64_write(&a, cases[i].bytes);
        assert_str_eq(text, cases[i].text);
        tj_str back = {0};
        assert_true(tj_base64_parse(&a, text, &back));
        assert_true(tj_str_eq(back, cases[i].bytes));
        while (text.len && text.ptr[text.len - 1] == '=')
            text.len--;
        assert_true(tj_base64_parse(&a, text, &back));
        assert_true(tj_str_eq(back, cases[i].bytes));
        tj_arena_release(&a);
    }
    struct tj_arena a = {0};
    tj_str back = {0};
    assert_true(tj_base64_parse(&a, TJ_STR("AP_--w"), &back));
    assert_true(tj_str_eq(back, TJ_STR("\0\xFF\xFE\xFB")));
    tj_arena_release(&a);
}

static void refuses(void **state)
{
    (void)state;
    static const tj_str cases[] = {
        TJ_STR_INIT("A"),     TJ_STR_INIT("AAAAA"),
        TJ_STR_INIT("AA="),   TJ_STR_INIT("AAAA="),
        TJ_STR_INIT("A==="),  TJ_STR_INIT("===="),
        TJ_STR_INIT("=AAA"),  TJ_STR_INIT("AA==AAAA"),
        TJ_STR_INIT("AA A"),  TJ_STR_INIT("AAAA\n"),
        TJ_STR_INIT("AA\0A"), TJ_STR_INIT("AA\xC3\xA9"),
        TJ_STR_INIT("AA*A"),
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_arena a = {0};
        tj_str out = TJ_STR("untouched");
        assert_false(tj_base64_parse(&a, cases[i], &out));
        assert_str_eq(out, "untouched");
        tj_arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
