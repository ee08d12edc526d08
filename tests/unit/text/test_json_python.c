/* test_json_python.c - the reader against Python's json module.
 * SPDX-License-Identifier: Apache-2.0
 *
 * json_python.py makes random documents, half of them spoiled, and says what
 * Python reads in them; here the same bytes must be refused, or read as the
 * same tree.  Skipped, saying so, where there is no python3.
 */
#include "test.h"

#include <inttypes.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/limits.h"
#include "text/json.h"

extern char **environ;

static void put_double(struct tj_buf *out, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        tj_buf_add(out, TJ_STR("dnan "));
    else
        tj_buf_fmt(out, "d%016" PRIx64 " ", bits);
}

static void put_scalar(struct tj_buf *out, const struct tj_json *v)
{
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    tj_str text = tj_json_str(v);
    char *hex = NULL;
    switch (tj_json_type(v)) {
    case TJ_JSON_NULL: tj_buf_add(out, TJ_STR("n ")); break;
    case TJ_JSON_TRUE: tj_buf_add(out, TJ_STR("t ")); break;
    case TJ_JSON_FALSE: tj_buf_add(out, TJ_STR("f ")); break;
    case TJ_JSON_INT:
        assert_true(tj_json_i64(v, &i));
        tj_buf_fmt(out, "i%" PRId64 " ", i);
        break;
    case TJ_JSON_UINT:
        assert_true(tj_json_u64(v, &u));
        tj_buf_fmt(out, "i%" PRIu64 " ", u);
        break;
    case TJ_JSON_DOUBLE:
        assert_true(tj_json_double(v, &d));
        put_double(out, d);
        break;
    case TJ_JSON_STRING:
        tj_buf_byte(out, 's');
        hex = tj_buf_take(out, 2 * text.len);
        tj_hex_write(text.ptr, text.len, hex);
        tj_buf_byte(out, ' ');
        break;
    case TJ_JSON_ARRAY:
    case TJ_JSON_OBJECT: fail();
    }
}

static void put_reading(struct tj_buf *out, const struct tj_json *v,
                        unsigned depth)
{
    assert_true(depth <= TJ_JSON_DEPTH_MAX);
    if (tj_json_is_array(v)) {
        tj_buf_add(out, TJ_STR("[ "));
        tj_json_each (v, it)
            put_reading(out, it, depth + 1);
        tj_buf_add(out, TJ_STR("] "));
    } else if (tj_json_is_object(v)) {
        tj_buf_add(out, TJ_STR("{ "));
        struct tj_json_members m = tj_json_members(v);
        while (tj_json_member(&m)) {
            put_scalar(out, m.value - 1); /* the key stands before it */
            put_reading(out, m.value, depth + 1);
        }
        tj_buf_add(out, TJ_STR("} "));
    } else {
        put_scalar(out, v);
    }
}

static void check(tj_str text, bool accepted, tj_str reading)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    char *copy = malloc(text.len + 1);
    memcpy(copy, text.ptr, text.len);
    bool read = tj_json_parse(tj_str_make(copy, text.len), &a, &doc, &err);
    struct tj_buf out;
    tj_buf_init(&out, &a, 16 << 20);
    if (read)
        put_reading(&out, doc.root, 0);
    if (read != accepted || !tj_str_eq(tj_buf_str(&out), reading))
        fail_msg("%.*s\npython: %d %.*s\nhere:   %d %.*s%s", TJ_STR_ARG(text),
                 accepted, TJ_STR_ARG(reading), read,
                 TJ_STR_ARG(tj_buf_str(&out)), err.message);
    free(copy);
    tj_arena_release(&a);
}

/* Cuts size bytes off *rest. */
static tj_str take(tj_str *rest, uint64_t size)
{
    assert_true(size <= rest->len);
    tj_str head = tj_str_slice(*rest, 0, (size_t)size);
    *rest = tj_str_make(rest->ptr + size, rest->len - (size_t)size);
    return head;
}

/* What the script printed, or the empty slice when it cannot be run. */
static tj_str run_script(struct tj_arena *a, const char *seed)
{
    const char *source = getenv("TRACEJUDGE_SOURCE");
    if (!source)
        return (tj_str){0};
    char path[] = "/tmp/test_json_python_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    tj_str script =
        tj_str_printf(a, "%s/tests/unit/text/json_python.py", source);
    char *args[] = {tj_cstr(a, TJ_STR("python3")), tj_cstr(a, script),
                    tj_cstr(a, tj_str_c(seed)), tj_cstr(a, TJ_STR("4000")),
                    NULL};
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(
        posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO), 0);
    pid_t child = 0;
    int status = 0;
    bool ran = !posix_spawnp(&child, args[0], &actions, NULL, args, environ) &&
               waitpid(child, &status, 0) == child && WIFEXITED(status);
    (void)posix_spawn_file_actions_destroy(&actions);
    struct tj_err err = {0};
    tj_str out = {0};
    if (ran && WEXITSTATUS(status) != 127) {
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_ok(tj_file_read(path, 256 << 20, a, &out, &err), err);
    }
    (void)close(fd);
    (void)unlink(path);
    return out;
}

static void agrees_with_python(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    tj_str rest = run_script(&a, "20260502");
    if (!rest.len) {
        (void)fprintf(stderr, "# no python3: nothing was compared\n");
        skip();
    }
    size_t accepted_count = 0;
    size_t count = 0;
    for (; rest.len; count++) {
        tj_str head = tj_str_cut(&rest, '\n');
        uint64_t size = 0;
        uint64_t accepted = 0;
        uint64_t reading = 0;
        assert_true(tj_str_to_u64(tj_str_cut(&head, ' '), &size));
        assert_true(tj_str_to_u64(tj_str_cut(&head, ' '), &accepted));
        assert_true(tj_str_to_u64(head, &reading));
        tj_str text = take(&rest, size);
        check(text, accepted == 1, take(&rest, reading));
        accepted_count += accepted == 1;
    }
    assert_int_equal(count, 4000);
    assert_true(accepted_count > 1000 && accepted_count < 3900);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_python),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
