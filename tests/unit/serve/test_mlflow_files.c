/* test_mlflow_files.c - files of runs and of logged models.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mlflow_fixture.h"
#include "serve/mlflow_files.h"

#define ARTIFACTS "/api/2.0/mlflow-artifacts/artifacts"

static const char *make_run(struct mlflow_fixture *f)
{
    assert_call(f, "POST", "/api/2.0/mlflow/runs/create",
                "{'experiment_id': '0'}");
    return at(f, "run.info.run_id");
}

static int put(struct mlflow_fixture *f, const char *owner, const char *path,
               const char *bytes)
{
    return call_raw(f, "PUT",
                    FORMAT(f, ARTIFACTS "/0/%s/artifacts/%s", owner, path),
                    tj_str_c(bytes));
}

static int get(struct mlflow_fixture *f, const char *owner, const char *path)
{
    return call(f, "GET",
                FORMAT(f, ARTIFACTS "/0/%s/artifacts/%s", owner, path), NULL);
}

/* "a,b/": the entries of a folder, those that are folders with a slash. */
static const char *list(struct mlflow_fixture *f, const char *owner,
                        const char *path)
{
    tj_str all = TJ_STR("");
    assert_call(f, "GET",
                FORMAT(f, ARTIFACTS "?path=0/%s/artifacts%s", owner, path),
                NULL);
    for (size_t i = 0; i < count_at(f, "files"); i++) {
        bool folder = !strcmp(at(f, FORMAT(f, "files.%zu.is_dir", i)), "true");
        all = tj_str_printf(&f->arena, "%.*s%s%s%s", TJ_STR_ARG(all),
                            i ? "," : "", at(f, FORMAT(f, "files.%zu.path", i)),
                            folder ? "/" : "");
    }
    return tj_cstr(&f->arena, all);
}

static void test_paths(void **state)
{
    static const struct {
        const char *path;
        const char *owner; /* NULL: refused */
        const char *rest;
    } cases[] = {
        {"0/abc/artifacts/a.txt", "abc", "a.txt"},
        {"/0/abc/artifacts/a/b c.txt", "abc", "a/b c.txt"},
        {"0/abc/artifacts/", "abc", ""},
        {"0/abc/artifacts", "abc", ""},
        {"0/models/m-1/artifacts/MLmodel", "m-1", "MLmodel"},
        {"0/abc/artifacts/../x", NULL, NULL},
        {"0/abc/artifacts/a/./x", NULL, NULL},
        {"0/abc/artifacts/a//x", NULL, NULL},
        {"0/abc/artifacts/a\\x", NULL, NULL},
        {"0/abc/artifacts/a\nx", NULL, NULL},
        {"0/abc/artifacts/\xff", NULL, NULL},
        {"0/../artifacts/x", NULL, NULL},
        {"x/abc/artifacts/x", NULL, NULL},
        {"0/abc/files/x", NULL, NULL},
        {"0/traces/tr-1/artifacts/x", NULL, NULL},
        {"0/abc", NULL, NULL},
        {"", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_ml_file file;
        bool ok = tj_ml_file_parse(tj_str_c(cases[i].path), &file);
        if (ok != (cases[i].owner != NULL))
            fail_msg("%s", cases[i].path);
        if (!ok)
            continue;
        assert_str_eq(file.owner, cases[i].owner);
        assert_str_eq(file.path, cases[i].rest);
    }
}

static void test_put_get_list(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f);
    assert_int_equal(put(f, run, "b.txt", "bytes"), 200);
    assert_int_equal(put(f, run, "b.txt", "other"), 200);
    for (int i = 0; i < 9; i++)
        assert_int_equal(put(f, run, FORMAT(f, "dir/f%d", i), "x"), 200);
    assert_int_equal(put(f, run, "dir/sub/a", "y"), 200);
    assert_int_equal(get(f, run, "b.txt"), 200);
    assert_str_eq(f->answer.body, "other");
    assert_str_eq(f->answer.content_type, "application/octet-stream");
    assert_str_eq(f->answer.headers[0].value, "attachment");
    assert_string_equal(list(f, run, ""), "b.txt,dir/");
    assert_string_equal(at(f, "files.0.file_size"), "5");
    assert_string_equal(list(f, run, "/dir"),
                        "f0,f1,f2,f3,f4,f5,f6,f7,f8,sub/");
    assert_string_equal(list(f, run, "/dir/sub"), "a");
    assert_string_equal(list(f, run, "/di"), "");
    assert_int_equal(get(f, run, "dir"), 404);
    /* Another run has none of it. */
    assert_string_equal(list(f, make_run(f), ""), "");
}

static void test_delete(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f);
    assert_int_equal(put(f, run, "a", "1"), 200);
    assert_int_equal(put(f, run, "dir/b", "2"), 200);
    assert_int_equal(put(f, run, "dir/c", "3"), 200);
    const char *base = FORMAT(f, ARTIFACTS "/0/%s/artifacts", run);
    assert_call(f, "DELETE", FORMAT(f, "%s/dir/b", base), NULL);
    assert_string_equal(list(f, run, "/dir"), "c");
    assert_call(f, "DELETE", FORMAT(f, "%s/dir", base), NULL);
    assert_string_equal(list(f, run, ""), "a");
    assert_call(f, "DELETE", base, NULL);
    assert_string_equal(list(f, run, ""), "");
}

static void test_model(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", "/api/2.0/mlflow/logged-models",
                "{'experiment_id': '0', 'name': 'm'}");
    const char *model = FORMAT(f, "models/%s", at(f, "model.info.model_id"));
    assert_int_equal(put(f, model, "MLmodel", "flavors: {}"), 200);
    assert_int_equal(get(f, model, "MLmodel"), 200);
    assert_str_eq(f->answer.body, "flavors: {}");
    assert_string_equal(list(f, model, ""), "MLmodel");
}

static void test_refused(void **state)
{
    static const uint64_t other[] = {7};
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f);
    assert_int_equal(put(f, "0123", "a", "x"), 404);
    assert_int_equal(get(f, "0123", "a"), 404);
    assert_int_equal(get(f, run, "a"), 404);
    assert_int_equal(put(f, run, "", "x"), 400);
    assert_int_equal(put(f, run, "a", "x"), 200);
    f->grant.experiments = other;
    f->grant.experiment_count = 1;
    assert_int_equal(get(f, run, "a"), 403);
    assert_int_equal(put(f, run, "a", "x"), 403);
    assert_int_equal(
        call(f, "GET", FORMAT(f, ARTIFACTS "?path=0/%s/artifacts", run), NULL),
        403);
    assert_int_equal(
        call(f, "DELETE", FORMAT(f, ARTIFACTS "/0/%s/artifacts/a", run), NULL),
        403);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, mlflow_setup, mlflow_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_paths), TEST(test_put_get_list), TEST(test_delete),
        TEST(test_model), TEST(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
