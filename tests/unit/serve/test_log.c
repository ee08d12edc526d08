/* test_log.c - one line an event, whatever is in it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <fcntl.h>

#include "serve/log.h"
#include "text/json.h"
#include "text/utf8.h"

struct pipe_log {
    int fds[2];
    struct tj_log log;
    char text[8192];
};

static void open_pipe(struct pipe_log *p, enum tj_log_format format)
{
    assert_int_equal(pipe(p->fds), 0);
    assert_int_equal(fcntl(p->fds[0], F_SETFL, O_NONBLOCK), 0);
    p->log = (struct tj_log){p->fds[1], TJ_LOG_INFO, format};
}

static tj_str written(struct pipe_log *p)
{
    ssize_t n = read(p->fds[0], p->text, sizeof p->text);
    return tj_str_make(p->text, n > 0 ? (size_t)n : 0);
}

static void close_pipe(struct pipe_log *p)
{
    (void)close(p->fds[0]);
    (void)close(p->fds[1]);
}

static tj_str line_with(struct pipe_log *p, tj_str value)
{
    struct tj_log_line line;
    tj_log_begin(&line, &p->log, TJ_LOG_INFO, "test");
    tj_log_str(&line, "a", value);
    tj_log_u64(&line, "n", 7);
    tj_log_ms(&line, "ms", 1234567);
    tj_log_end(&line);
    return written(p);
}

static void logfmt(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *shown;
    } cases[] = {
        {"plain", " a=plain n=7 ms=1.234\n"},
        {"", " a=\"\" n=7 ms=1.234\n"},
        {"two words", " a=\"two words\" n=7 ms=1.234\n"},
        {"a=b", " a=\"a=b\" n=7 ms=1.234\n"},
        {"q\"\\", " a=\"q\\\"\\\\\" n=7 ms=1.234\n"},
        {"\n\x1b[31m", " a=\"\\u000a\\u001b[31m\" n=7 ms=1.234\n"},
        {"\xc2\x9b!", " a=\"\\u009b!\" n=7 ms=1.234\n"},
        {"\xc3\xa9", " a=\"\xc3\xa9\" n=7 ms=1.234\n"},
        {"\xff", " a=\"\xef\xbf\xbd\" n=7 ms=1.234\n"},
    };
    struct pipe_log p;
    open_pipe(&p, TJ_LOG_LOGFMT);
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        tj_str got = line_with(&p, tj_str_c(cases[i].value));
        assert_true(tj_str_starts(got, TJ_STR("time=20")));
        if (!tj_str_ends(got, tj_str_c(cases[i].shown)))
            fail_msg("%.*s", TJ_STR_ARG(got));
        assert_int_equal(tj_str_find_byte(got, '\n'), got.len - 1);
    }
    close_pipe(&p);
}

/* Every line is JSON, however long and hostile the value. */
static void json(void **state)
{
    (void)state;
    static char hostile[6000];
    struct pipe_log p;
    struct tj_arena a = {0};
    struct tj_err err;
    open_pipe(&p, TJ_LOG_JSON);
    for (size_t i = 0; i < sizeof hostile; i++)
        hostile[i] = (char)(i * 7 + i / 255);
    for (size_t len = 0; len < sizeof hostile; len += 37) {
        struct tj_json_doc doc = {0};
        tj_str got = line_with(&p, tj_str_make(hostile, len));
        assert_ok(tj_json_parse(got, &a, &doc, &err), err);
        assert_false(doc.repaired);
        assert_int_equal(tj_utf8_valid(got), got.len);
        assert_int_equal(tj_str_find_byte(got, '\n'), got.len - 1);
        assert_str_eq(tj_json_find_str(doc.root, TJ_STR("event")), "test");
    }
    close_pipe(&p);
    tj_arena_release(&a);
}

/* A line that would be too long is cut, and still one line of JSON. */
static void long_lines(void **state)
{
    (void)state;
    struct pipe_log p;
    struct tj_arena a = {0};
    struct tj_err err;
    struct tj_json_doc doc = {0};
    struct tj_log_line line;
    open_pipe(&p, TJ_LOG_JSON);
    tj_log_begin(&line, &p.log, TJ_LOG_INFO, "test");
    for (int i = 0; i < 40; i++)
        tj_log_str(&line, "key", tj_str_printf(&a, "%0500d\n", i));
    tj_log_end(&line);
    tj_str got = written(&p);
    assert_true(got.len <= TJ_LOG_LINE_BYTES_MAX);
    assert_int_equal(tj_str_find_byte(got, '\n'), got.len - 1);
    assert_ok(tj_json_parse(got, &a, &doc, &err), err);
    close_pipe(&p);
    tj_arena_release(&a);
}

static void levels(void **state)
{
    (void)state;
    struct pipe_log p;
    struct tj_err err;
    enum tj_log_level level;
    enum tj_log_format format;
    open_pipe(&p, TJ_LOG_LOGFMT);
    tj_log_text(&p.log, TJ_LOG_DEBUG, "test", TJ_STR("x"));
    assert_int_equal(written(&p).len, 0);
    tj_log_text(NULL, TJ_LOG_ERROR, "test", TJ_STR("x"));
    (void)tj_fail(&err, TJ_E_IO, "gone");
    tj_log_err(&p.log, "test", &err);
    assert_true(tj_str_ends(written(&p), TJ_STR("event=test error=gone\n")));
    assert_true(tj_log_level_parse(TJ_STR("debug"), &level));
    assert_int_equal(level, TJ_LOG_DEBUG);
    assert_false(tj_log_level_parse(TJ_STR("Debug"), &level));
    assert_true(tj_log_format_parse(TJ_STR("json"), &format));
    assert_false(tj_log_format_parse(TJ_STR(""), &format));
    close_pipe(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt),
        cmocka_unit_test(json),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
