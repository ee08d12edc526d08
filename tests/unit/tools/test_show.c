/* test_show.c - the terminal views and the overview for a judge's prompt.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools_test.h"

#include "text/utf8.h"
#include "tools/overview.h"
#include "tools/show.h"

static tj_str show(struct fixture *f, bool waterfall,
                   const struct tj_show_style *style)
{
    struct tj_buf b;
    struct tj_err err = {0};
    tj_buf_init(&b, &f->step, 1 << 20);
    assert_ok(waterfall ? tj_show_waterfall(&f->trace, style, &b, &err)
                        : tj_show_tree(&f->trace, style, &b, &err),
              err);
    assert_int_equal(tj_utf8_valid(tj_buf_str(&b)), b.len);
    return tj_buf_str(&b);
}

static void small_trace(struct fixture *f)
{
    fixture_init(f);
    fixture_span(f, 1, 0, "agent", 0, 4000);
    fixture_attr(f, "mlflow.spanType", "AGENT");
    fixture_attr(f, "mlflow.spanInputs", "{\"q\": \"two\\nlines\"}");
    struct tj_span *s = fixture_span(f, 2, 1, "fetch\x1b[2J漢字", 0, 2000);
    s->status = TJ_STATUS_ERROR;
    s->status_message = TJ_STR("reset\x1b[31m by peer");
    fixture_span(f, 3, 2, "inner", 0, 1000);
    fixture_span(f, 4, 1, "open", 3000, -1);
    fixture_open(f);
}

static void test_tree(void **state)
{
    struct fixture f;
    struct tj_show_style style = {.columns = 100, .span_max = 100};
    small_trace(&f);
    tj_str text = show(&f, false, &style);
    assert_contains(text, "\nagent [AGENT] 4.00s ✓ OK  0000000000000001\n");
    assert_contains(text, "\n├─ fetch");
    assert_contains(text, "\n│  └─ inner 1.00s ✓ OK");
    assert_contains(text, "\n└─ open unfinished ✓ OK");
    assert_contains(text, "│    error: ");
    assert_contains(text, "by peer");
    assert_contains(text, "  ! unfinished\n");
    assert_lacks(text, "\x1b");
    assert_lacks(text, "input:");
    style.previews = true;
    assert_contains(show(&f, false, &style), "input: {\"q\": \"two");
    style.span_max = 2;
    assert_contains(show(&f, false, &style), "2 of 4 spans shown\n");
    fixture_release(&f);
}

/* A source without times: nothing is made up, and nothing repeated. */
static void test_untimed(void **state)
{
    struct fixture f;
    struct tj_show_style style = {.columns = 100, .span_max = 100};
    (void)state;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "chat", 0, 1)->marks = TJ_MARK_TIME_GUESSED;
    fixture_span(&f, 2, 1, "turn", 0, 1)->marks = TJ_MARK_TIME_GUESSED;
    fixture_open(&f);
    tj_str text = show(&f, false, &style);
    assert_contains(text, "\nOK, 2 spans, no times recorded\n");
    assert_contains(text, "\nchat ✓ OK  0000000000000001\n");
    text = show(&f, true, &style);
    assert_contains(text, "no bars without times");
    assert_lacks(text, "█");
    fixture_release(&f);
}

/* With colour the only escapes are ours. */
static void test_colour(void **state)
{
    struct fixture f;
    struct tj_show_style style = {
        .columns = 100, .span_max = 100, .color = true, .previews = true};
    small_trace(&f);
    tj_str text = show(&f, false, &style);
    assert_contains(text, "\x1b[31m✗ ERROR\x1b[0m");
    assert_lacks(text, "\x1b[2J");
    assert_lacks(text, "reset\x1b");
    fixture_release(&f);
}

static void test_waterfall(void **state)
{
    static const size_t widths[] = {1, 40, 80, 200};
    struct fixture f;
    small_trace(&f);
    for (size_t i = 0; i < TJ_COUNT(widths); i++) {
        struct tj_show_style style = {.columns = widths[i], .span_max = 100};
        tj_str text = show(&f, true, &style);
        assert_lacks(text, "\x1b");
        size_t limit = tj_size_max(widths[i], 40);
        tj_str bars = text;
        for (int line = 0; line < 3; line++)
            (void)tj_str_cut(&bars, '\n');
        size_t name_end = 0;
        while (bars.len) {
            tj_str line = tj_str_cut(&bars, '\n');
            size_t rule = tj_str_find(line, TJ_STR("│"));
            assert_true(rule != (size_t)-1);
            size_t at = tj_utf8_columns(tj_str_slice(line, 0, rule));
            assert_true(!name_end || name_end == at);
            name_end = at;
            assert_true(tj_utf8_columns(line) <= limit);
        }
    }
    struct tj_show_style style = {.columns = 80, .span_max = 100};
    tj_str text = show(&f, true, &style);
    assert_contains(text, "█");
    assert_contains(text, "░");
    assert_contains(text, "2.00s ✗");
    fixture_release(&f);
}

static void test_deep(void **state)
{
    struct fixture f;
    struct tj_show_style style = {.columns = 80, .span_max = 5000};
    fixture_init(&f);
    for (uint32_t i = 1; i <= 3000; i++)
        fixture_span(&f, i, i - 1, "s", 0, 3000 - i);
    fixture_open(&f);
    tj_str text = show(&f, false, &style);
    assert_contains(text, "(depth 2999) s");
    assert_true(text.len < 3000 * 250);
    fixture_release(&f);
}

static tj_str overview(struct fixture *f, size_t bytes_max)
{
    struct tj_buf b;
    tj_buf_init(&b, &f->step, 1 << 20);
    tj_overview_write(&f->trace, bytes_max, &b);
    assert_true(b.len <= bytes_max);
    assert_int_equal(tj_utf8_valid(tj_buf_str(&b)), b.len);
    return tj_buf_str(&b);
}

static void test_overview(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 4000);
    fixture_attr(&f, "mlflow.spanType", "AGENT");
    for (uint32_t i = 0; i < 500; i++) {
        tj_str name = tj_str_printf(&f.arena, "step_%u", i);
        fixture_span(&f, 2 + 2 * i, 1, name.ptr, i, i + 2)->status =
            i == 7 ? TJ_STATUS_ERROR : TJ_STATUS_OK;
        fixture_span(&f, 3 + 2 * i, 2 + 2 * i, "chat", i, i + 1);
        fixture_attr(&f, "mlflow.spanType", "LLM");
        fixture_attr(&f, "gen_ai.request.model", "gpt-5");
    }
    fixture_open(&f);
    tj_str text = overview(&f, 6144);
    assert_contains(text, "1001 spans, 1 with status ERROR");
    assert_contains(text, "models: gpt-5 (500 spans)");
    assert_contains(text, "\nagent [AGENT] 4.00s 0000000000000001\n");
    assert_contains(text, "\n  step [UNKNOWN] x500 1.00s in all, 1 with status "
                          "ERROR, first 0000000000000002\n");
    assert_contains(text, "\n    chat [LLM] x500 500ms in all, first");
    for (size_t max = 0; max < 700; max += 7)
        (void)overview(&f, max);
    fixture_release(&f);
}

/* Too many names for the budget: cut by depth, and told. */
static void test_overview_budget(void **state)
{
    struct fixture f;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "agent", 0, 4000);
    for (uint32_t i = 0; i < 300; i++) {
        tj_str name = tj_str_printf(&f.arena, "thing%ux", i);
        fixture_span(&f, 2 + i, 1, name.ptr, i, i + 2);
    }
    fixture_open(&f);
    tj_str text = overview(&f, 2000);
    assert_contains(text, "agent [UNKNOWN] 4.00s 0000000000000001, 300 spans "
                          "below\n");
    assert_contains(text, "1 of 301 kinds of spans shown\n");
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_colour),
        cmocka_unit_test(test_waterfall),
        cmocka_unit_test(test_untimed),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_overview),
        cmocka_unit_test(test_overview_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
