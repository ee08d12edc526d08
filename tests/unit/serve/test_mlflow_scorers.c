/* test_mlflow_scorers.c - registered scorers, and judge files beside them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts and codes were taken from an MLflow 3.17.2 server.
 */
#include "judge/registered.h"
#include "mlflow_fixture.h"
#include "text/json_write.h"

#define AT(name) "/api/3.0/mlflow/scorers/" name
#define INVALID  "INVALID_PARAMETER_VALUE"
#define MISSING  "RESOURCE_DOES_NOT_EXIST"

#define JUDGE(text)                                                            \
    "{\"name\": \"polite\", \"call_source\": null, "                           \
    "\"instructions_judge_pydantic_data\": {\"instructions\": \"" text         \
    "\", \"model\": \"openai:/gpt-4o\"}}"

static int add(struct mlflow_fixture *f, const char *experiment,
               const char *name, const char *source)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, &f->arena, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "experiment_id", tj_str_c(experiment));
    tj_jw_key_str(&w, "name", tj_str_c(name));
    tj_jw_key_str(&w, "serialized_scorer", tj_str_c(source));
    tj_jw_end(&w);
    return call_raw(f, "POST", AT("register"), tj_buf_str(&buf));
}

static void add_file(struct mlflow_fixture *f, const char *name,
                     const char *source)
{
    struct tj_judge_row row;
    struct tj_err err = {0};
    assert_ok(tj_store_add_judge(f->server.store, tj_str_c(name),
                                 tj_str_c(source), &f->arena, &row, &err),
              err);
}

/* The names that a listing answered: "a,b". */
static const char *names(struct mlflow_fixture *f)
{
    tj_str all = TJ_STR("");
    for (size_t i = 0; i < count_at(f, "scorers"); i++)
        all =
            tj_str_printf(&f->arena, "%.*s%s%s", TJ_STR_ARG(all), i ? "," : "",
                          at(f, FORMAT(f, "scorers.%zu.scorer_name", i)));
    return tj_cstr(&f->arena, all);
}

static void test_register(void **state)
{
    struct mlflow_fixture *f = *state;
    static const char source[] = "{ \"name\":\"x\",  \"odd\" : 1.50 }";
    assert_int_equal(add(f, "0", "x", source), 200);
    assert_string_equal(at(f, "version"), "1");
    assert_string_equal(at(f, "experiment_id"), "0");
    assert_string_equal(at(f, "serialized_scorer"), source);
    const char *id = at(f, "scorer_id");
    assert_int_equal(strlen(id), 36);
    assert_int_equal(add(f, "0", "x", JUDGE("Two")), 200);
    assert_string_equal(at(f, "version"), "2");
    assert_string_equal(at(f, "scorer_id"), id);
    assert_int_equal(add(f, "0", "a b/%", "{}"), 200);
    assert_string_equal(at(f, "version"), "1");
    assert_call(f, "GET", AT("get?experiment_id=0&name=x"), NULL);
    assert_string_equal(at(f, "scorer.scorer_version"), "2");
    assert_string_equal(at(f, "scorer.experiment_id"), "0");
    assert_string_equal(at(f, "scorer.serialized_scorer"), JUDGE("Two"));
    assert_call(f, "GET", AT("get?experiment_id=0&name=x&version=1"), NULL);
    assert_string_equal(at(f, "scorer.serialized_scorer"), source);
    assert_call(f, "GET", AT("list?experiment_id=0"), NULL);
    assert_string_equal(names(f), "a b/%,x");
    assert_string_equal(at(f, "scorers.1.scorer_version"), "2");
    assert_call(f, "GET", AT("versions?experiment_id=0&name=x"), NULL);
    assert_int_equal(count_at(f, "scorers"), 2);
    assert_string_equal(at(f, "scorers.0.scorer_version"), "1");
}

static void test_register_refused(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_int_equal(add(f, "0", "x", "nojson"), 400);
    assert_string_equal(at(f, "message"),
                        "serialized_scorer must be valid JSON");
    assert_int_equal(add(f, "0", "x", "[]"), 400);
    assert_int_equal(add(f, "0", "x", "{\"call_source\": \"print(1)\"}"), 400);
    assert_int_equal(
        add(f, "0", "x",
            "{\"ensemble_scorer_data\": {\"scorers\": [{\"call_source\": "
            "\"print(1)\"}]}}"),
        400);
    assert_int_equal(add(f, "0", "  ", "{}"), 400);
    assert_int_equal(add(f, "99", "x", "{}"), 404);
    assert_refused(f, "POST", AT("register"),
                   "{'experiment_id': '0', 'name': 'x'}", INVALID,
                   "Missing value for required parameter 'serialized_scorer'. "
                   "See the API docs for more information about request "
                   "parameters.");
    assert_call(f, "GET", AT("list?experiment_id=0"), NULL);
    assert_string_equal(names(f), "");
}

static void test_not_found(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_int_equal(add(f, "0", "x", "{}"), 200);
    assert_refused(f, "GET", AT("get?experiment_id=0&name=nope"), NULL, MISSING,
                   "Scorer with name 'nope' not found for experiment 0.");
    assert_refused(f, "GET", AT("get?experiment_id=0&name=x&version=9"), NULL,
                   MISSING,
                   "Scorer with name 'x' and version 9 not found for "
                   "experiment 0.");
    assert_refused(f, "GET", AT("versions?experiment_id=0&name=nope"), NULL,
                   MISSING,
                   "Scorer with name 'nope' not found for experiment 0.");
    assert_refused(f, "DELETE", AT("delete"),
                   "{'experiment_id': '0', 'name': 'x', 'version': 9}", MISSING,
                   "Scorer with name 'x' and version 9 not found for "
                   "experiment 0.");
    /* 0 is a version that there is not, neither the latest nor all. */
    assert_refused(f, "GET", AT("get?experiment_id=0&name=x&version=0"), NULL,
                   MISSING,
                   "Scorer with name 'x' and version 0 not found for "
                   "experiment 0.");
    assert_refused(f, "DELETE", AT("delete"),
                   "{'experiment_id': '0', 'name': 'x', 'version': 0}", MISSING,
                   "Scorer with name 'x' and version 0 not found for "
                   "experiment 0.");
    assert_call(f, "GET", AT("get?experiment_id=0&name=x"), NULL);
    assert_refused(f, "DELETE", AT("delete"),
                   "{'experiment_id': '0', 'name': 'nope'}", MISSING,
                   "Scorer with name 'nope' not found for experiment 0.");
    assert_refused(f, "GET", AT("list?experiment_id=99"), NULL, MISSING,
                   "No Experiment with id=99 exists");
}

static void test_delete(void **state)
{
    struct mlflow_fixture *f = *state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(add(f, "0", "x", "{}"), 200);
    assert_call(f, "DELETE", AT("delete"),
                "{'experiment_id': '0', 'name': 'x', 'version': 2}");
    assert_call(f, "GET", AT("versions?experiment_id=0&name=x"), NULL);
    assert_int_equal(count_at(f, "scorers"), 2);
    assert_int_equal(add(f, "0", "x", "{}"), 200);
    assert_string_equal(at(f, "version"), "4");
    assert_call(f, "DELETE", AT("delete"),
                "{'experiment_id': '0', 'name': 'x'}");
    assert_call(f, "GET", AT("list?experiment_id=0"), NULL);
    assert_string_equal(names(f), "");
}

static void test_experiments(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", "/api/2.0/mlflow/experiments/create",
                "{'name': 'e'}");
    assert_int_equal(add(f, "0", "x", JUDGE("Zero")), 200);
    assert_int_equal(add(f, "1", "y", JUDGE("One")), 200);
    assert_call(f, "GET", AT("list?experiment_id=1"), NULL);
    assert_string_equal(names(f), "y");
    assert_call(f, "GET", AT("list"), NULL);
    assert_string_equal(names(f), "x,y");
    assert_call(f, "GET", AT("list?experiment_ids=0&experiment_ids=77"), NULL);
    assert_string_equal(names(f), "x");
    assert_int_equal(
        call(f, "GET", AT("list?experiment_id=0&experiment_ids=1"), NULL), 400);
    f->grant.experiments = &(const uint64_t){1};
    f->grant.experiment_count = 1;
    assert_call(f, "GET", AT("list"), NULL);
    assert_string_equal(names(f), "y");
    assert_int_equal(call(f, "GET", AT("get?experiment_id=0&name=x"), NULL),
                     403);
    assert_int_equal(add(f, "0", "z", "{}"), 403);
    assert_int_equal(
        call(f, "DELETE", AT("delete"), "{'experiment_id': '0', 'name': 'x'}"),
        403);
}

static void test_online(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_int_equal(add(f, "0", "x", "{}"), 200);
    const char *id = at(f, "scorer_id");
    assert_refused(f, "PUT", AT("online-config"),
                   "{'experiment_id': '0', 'name': 'x', 'sample_rate': 0.5}",
                   INVALID,
                   "Scorer 'x' does not use a gateway model. Automatic "
                   "evaluation is only supported for scorers that use gateway "
                   "models.");
    assert_refused(f, "PUT", AT("online-config"),
                   "{'experiment_id': '0', 'name': 'x', 'sample_rate': 2}",
                   INVALID, "sample_rate must be between 0.0 and 1.0, got 2.0");
    assert_call(f, "PUT", AT("online-config"),
                "{'experiment_id': '0', 'name': 'x', 'sample_rate': 0}");
    assert_string_equal(at(f, "config.scorer_id"), id);
    assert_string_equal(at(f, "config.sample_rate"), "0.0");
    assert_call(
        f, "GET",
        FORMAT(f, AT("online-configs?scorer_ids=%s&scorer_ids=nope"), id),
        NULL);
    assert_int_equal(count_at(f, "configs"), 1);
    assert_call(f, "DELETE", AT("delete"),
                "{'experiment_id': '0', 'name': 'x'}");
    assert_call(f, "GET", FORMAT(f, AT("online-configs?scorer_ids=%s"), id),
                NULL);
    assert_int_equal(count_at(f, "configs"), 0);
    assert_int_equal(call(f, "GET", AT("online-configs"), NULL), 400);
}

/* A judge file is a scorer of every experiment that has none of its name. */
static void test_files_as_scorers(void **state)
{
    struct mlflow_fixture *f = *state;
    add_file(f, "tool_use",
             "---\nmodel: openai:/gpt-5\nvalue: [good, bad]\n---\n"
             "Rate the {{ trace }}.");
    add_file(f, "no_model", "Rate the {{ trace }}.");
    assert_call(f, "GET", AT("list?experiment_id=0"), NULL);
    assert_string_equal(names(f), "tool_use");
    const struct tj_json *v = tj_json_at(f->json, "scorers.0");
    struct tj_json_doc doc;
    struct tj_err err = {0};
    assert_ok(tj_json_parse(tj_json_find_str(v, TJ_STR("serialized_scorer")),
                            &f->arena, &doc, &err),
              err);
    assert_str_eq(
        tj_json_str(tj_json_at(
            doc.root, "instructions_judge_pydantic_data.instructions")),
        "Rate the {{ trace }}.");
    assert_call(f, "GET", AT("get?experiment_id=0&name=tool_use"), NULL);
    assert_call(f, "GET", AT("versions?experiment_id=0&name=tool_use"), NULL);
    assert_int_equal(count_at(f, "scorers"), 1);
    assert_int_equal(
        call(f, "GET", AT("get?experiment_id=0&name=no_model"), NULL), 400);
    assert_int_equal(call(f, "DELETE", AT("delete"),
                          "{'experiment_id': '0', 'name': 'tool_use'}"),
                     400);
    /* A scorer of the experiment hides it; without one it is there again. */
    assert_int_equal(add(f, "0", "tool_use", JUDGE("Mine")), 200);
    assert_call(f, "GET", AT("get?experiment_id=0&name=tool_use"), NULL);
    assert_string_equal(at(f, "scorer.serialized_scorer"), JUDGE("Mine"));
    assert_call(f, "DELETE", AT("delete"),
                "{'experiment_id': '0', 'name': 'tool_use'}");
    assert_call(f, "GET", AT("list?experiment_id=0"), NULL);
    assert_string_equal(names(f), "tool_use");
    /* Files belong to no experiment. */
    f->grant.experiments = &(const uint64_t){0};
    f->grant.experiment_count = 1;
    assert_call(f, "GET", AT("list?experiment_id=0"), NULL);
    assert_string_equal(names(f), "");
    assert_int_equal(
        call(f, "GET", AT("get?experiment_id=0&name=tool_use"), NULL), 404);
}

static struct tj_judge_row judge(struct mlflow_fixture *f, const char *name,
                                 uint32_t version)
{
    struct tj_judge_row row;
    struct tj_err err = {0};
    assert_ok(tj_registered_find(f->server.store, tj_str_c(name), version,
                                 &f->arena, &row, &err),
              err);
    return row;
}

static const char *judges(struct mlflow_fixture *f)
{
    struct tj_judge_row *rows;
    size_t count = 0;
    struct tj_err err = {0};
    tj_str all = TJ_STR("");
    assert_ok(
        tj_registered_list(f->server.store, &f->arena, &rows, &count, &err),
        err);
    for (size_t i = 0; i < count; i++)
        all = tj_str_printf(&f->arena, "%.*s%s%.*s:%u", TJ_STR_ARG(all),
                            i ? "," : "", TJ_STR_ARG(rows[i].name),
                            rows[i].version);
    return tj_cstr(&f->arena, all);
}

static void test_scorers_as_judges(void **state)
{
    struct mlflow_fixture *f = *state;
    struct tj_err err = {0};
    struct tj_judge_row row;
    assert_call(f, "POST", "/api/2.0/mlflow/experiments/create",
                "{'name': 'e'}");
    assert_int_equal(add(f, "0", "polite", JUDGE("One")), 200);
    assert_int_equal(add(f, "0", "polite", JUDGE("Two")), 200);
    assert_int_equal(
        add(f, "0", "safe", "{\"builtin_scorer_class\": \"Safety\"}"), 200);
    assert_call(f, "PUT", AT("online-config"),
                "{'experiment_id': '0', 'name': 'polite', 'sample_rate': 0}");
    assert_string_equal(judges(f), "polite:2");
    assert_int_equal(judge(f, "polite", 0).version, 2);
    assert_str_eq(judge(f, "polite", 0).source, JUDGE("Two"));
    assert_str_eq(judge(f, "polite", 1).source, JUDGE("One"));
    assert_int_equal(judge(f, "polite", 3).version, 0);
    assert_int_equal(judge(f, "nope", 0).version, 0);
    /* In two experiments the name alone does not do. */
    assert_int_equal(add(f, "1", "polite", JUDGE("Other")), 200);
    assert_string_equal(judges(f), "0/polite:2,1/polite:1");
    assert_str_eq(judge(f, "1/polite", 0).source, JUDGE("Other"));
    assert_fails(tj_registered_find(f->server.store, TJ_STR("polite"), 0,
                                    &f->arena, &row, &err),
                 err, TJ_E_INPUT, "say which, as 0/polite");
    /* A file of the name goes first. */
    add_file(f, "polite", "Rate the {{ trace }}.");
    assert_string_equal(judges(f), "polite:1");
    assert_str_eq(judge(f, "polite", 0).source, "Rate the {{ trace }}.");
}

/* What was made of a file comes back as the file. */
static void test_file_within(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_int_equal(
        add(f, "0", "x",
            "{\"instructions_judge_pydantic_data\": {\"instructions\": \"a\", "
            "\"tracejudge_source\": \"---\\nname: x\\n---\\nRate.\"}}"),
        200);
    assert_str_eq(judge(f, "x", 0).source, "---\nname: x\n---\nRate.");
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, mlflow_setup, mlflow_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_register),         TEST(test_register_refused),
        TEST(test_not_found),        TEST(test_delete),
        TEST(test_experiments),      TEST(test_online),
        TEST(test_files_as_scorers), TEST(test_scorers_as_judges),
        TEST(test_file_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
