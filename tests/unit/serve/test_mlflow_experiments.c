/* test_mlflow_experiments.c - experiments, as a real server answers them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts and codes were taken from an MLflow 3.17.2 server.
 */
#include "mlflow_fixture.h"

#define AT(name) "/api/2.0/mlflow/experiments/" name
#define INVALID  "INVALID_PARAMETER_VALUE"
#define MISSING  "RESOURCE_DOES_NOT_EXIST"
#define REQUIRED(it)                                                           \
    "Missing value for required parameter '" it                                \
    "'. See the API docs for more information about request parameters."

static void test_default(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "GET", AT("get?experiment_id=0"), NULL);
    assert_string_equal(at(f, "experiment.name"), "Default");
    assert_string_equal(at(f, "experiment.experiment_id"), "0");
    assert_string_equal(at(f, "experiment.artifact_location"),
                        "mlflow-artifacts:/0");
    assert_string_equal(at(f, "experiment.lifecycle_stage"), "active");
    assert_string_equal(at(f, "experiment.tags"), "(none)");
    assert_call(f, "GET",
                "/ajax-api/2.0/mlflow/experiments/get-by-name"
                "?experiment_name=Default",
                NULL);
    assert_string_equal(at(f, "experiment.experiment_id"), "0");
}

static void test_create(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", AT("create"),
                "{'name': 'a', 'tags': [{'key': 'k', 'value': 'v'}]}");
    assert_string_equal(at(f, "experiment_id"), "1");
    assert_call(f, "POST", AT("create"),
                "{'name': 'b', 'artifactLocation': 's3://bucket/x'}");
    assert_string_equal(at(f, "experiment_id"), "2");
    assert_call(f, "GET", AT("get?experiment_id=1"), NULL);
    assert_string_equal(at(f, "experiment.artifact_location"),
                        "mlflow-artifacts:/1");
    assert_string_equal(at(f, "experiment.tags.0.key"), "k");
    assert_string_equal(at(f, "experiment.tags.0.value"), "v");
    assert_call(f, "GET", AT("get?experiment_id=2"), NULL);
    assert_string_equal(at(f, "experiment.artifact_location"), "s3://bucket/x");
}

static void test_create_refused(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_refused(f, "POST", AT("create"), "{}", INVALID, REQUIRED("name"));
    assert_refused(f, "POST", AT("create"), "{'name': ''}", INVALID,
                   REQUIRED("name"));
    assert_refused(f, "POST", AT("create"), "{'name': 'Default'}",
                   "RESOURCE_ALREADY_EXISTS",
                   "Experiment(name=Default) already exists.");
    assert_refused(f, "POST", AT("create"),
                   "{'name': 'x', 'artifact_location': 's3://x/#y'}", INVALID,
                   "'artifact_location' URL can't include fragments or "
                   "params.");
    assert_int_equal(call(f, "POST", AT("create"),
                          "{'name': 'x', 'artifact_location': 'file:/a/../b'}"),
                     400);
    assert_refused(f, "POST", AT("create"),
                   "{'name': 'x', 'tags': [{'key': 'a,b', 'value': ''}]}",
                   INVALID,
                   "Invalid value \"a,b\" for parameter 'key' supplied: Names "
                   "may only contain alphanumerics, underscores (_), dashes "
                   "(-), periods (.), spaces ( ), colon(:) and slashes (/).");
    char *name = calloc(1, 600);
    memset(name, 'n', 501);
    assert_refused(f, "POST", AT("create"), FORMAT(f, "{'name': '%s'}", name),
                   INVALID,
                   "'name' exceeds the maximum length of 500 characters");
    free(name);
    assert_int_equal(call(f, "GET", AT("create"), NULL), 405);
}

/* A name is taken by a deleted one, too. */
static void test_taken_by_deleted(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", AT("create"), "{'name': 'gone'}");
    assert_call(f, "POST", AT("delete"), "{'experiment_id': '1'}");
    assert_refused(f, "POST", AT("create"), "{'name': 'gone'}",
                   "RESOURCE_ALREADY_EXISTS",
                   "Experiment(name=gone) already exists.");
    assert_call(f, "GET", AT("get-by-name?experiment_name=gone"), NULL);
    assert_string_equal(at(f, "experiment.lifecycle_stage"), "deleted");
}

static void test_find_refused(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_refused(f, "GET", AT("get?experiment_id=99"), NULL, MISSING,
                   "No Experiment with id=99 exists");
    assert_refused(f, "GET", AT("get?experiment_id=abc"), NULL, INVALID,
                   "Invalid experiment ID 'abc'. Experiment ID must be a valid "
                   "integer.");
    assert_refused(f, "GET", AT("get"), NULL, INVALID,
                   REQUIRED("experiment_id"));
    assert_refused(f, "GET", AT("get-by-name?experiment_name=zz"), NULL,
                   MISSING, "Could not find experiment with name 'zz'");
}

static void test_rename(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", AT("create"), "{'name': 'a'}");
    assert_call(f, "POST", AT("update"),
                "{'experiment_id': '1', 'new_name': 'b'}");
    assert_call(f, "GET", AT("get-by-name?experiment_name=b"), NULL);
    assert_refused(f, "POST", AT("update"),
                   "{'experiment_id': '1', 'new_name': 'Default'}",
                   "BAD_REQUEST", "Experiment(name=Default) already exists.");
    assert_refused(f, "POST", AT("update"), "{'experiment_id': '1'}", INVALID,
                   REQUIRED("new_name"));
    assert_call(f, "POST", AT("delete"), "{'experiment_id': '1'}");
    assert_refused(f, "POST", AT("update"),
                   "{'experiment_id': '1', 'new_name': 'c'}", "INVALID_STATE",
                   "Cannot rename a non-active experiment.");
}

static void test_delete_restore(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", AT("delete"), "{'experiment_id': '0'}");
    assert_refused(f, "POST", AT("delete"), "{'experiment_id': '0'}", MISSING,
                   "No Experiment with id=0 exists");
    assert_call(f, "GET", AT("get?experiment_id=0"), NULL);
    assert_string_equal(at(f, "experiment.lifecycle_stage"), "deleted");
    assert_refused(f, "POST", AT("set-experiment-tag"),
                   "{'experiment_id': '0', 'key': 'k', 'value': 'v'}", INVALID,
                   "The experiment 0 must be in the 'active' state. Current "
                   "state is deleted.");
    assert_call(f, "POST", AT("restore"), "{'experiment_id': '0'}");
    assert_refused(f, "POST", AT("restore"), "{'experiment_id': '0'}", MISSING,
                   "No Experiment with id=0 exists");
}

/* Letters of any script, but no pictures. */
static void test_unicode_tags(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", AT("set-experiment-tag"),
                "{'experiment_id': '0', 'key': 'цвет 漢字', 'value': '1'}");
    assert_refused(f, "POST", AT("set-experiment-tag"),
                   "{'experiment_id': '0', 'key': 'ж 🎈', 'value': '1'}",
                   INVALID,
                   "Invalid value \"\\u0436 \\ud83c\\udf88\" for parameter "
                   "'key' supplied: Names may only contain alphanumerics, "
                   "underscores (_), dashes (-), periods (.), spaces ( ), "
                   "colon(:) and slashes (/).");
}

static void test_tags(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", AT("set-experiment-tag"),
                "{'experiment_id': '0', 'key': 'k', 'value': '1'}");
    assert_call(f, "POST", AT("set-experiment-tag"),
                "{'experiment_id': '0', 'key': 'k', 'value': '2'}");
    assert_call(f, "GET", AT("get?experiment_id=0"), NULL);
    assert_int_equal(count_at(f, "experiment.tags"), 1);
    assert_string_equal(at(f, "experiment.tags.0.value"), "2");
    assert_refused(f, "POST", AT("delete-experiment-tag"),
                   "{'experiment_id': '0', 'key': 'nope'}", MISSING,
                   "No tag with name: nope in experiment with id 0");
    assert_call(f, "POST", AT("delete-experiment-tag"),
                "{'experiment_id': '0', 'key': 'k'}");
    assert_call(f, "GET", AT("get?experiment_id=0"), NULL);
    assert_string_equal(at(f, "experiment.tags"), "(none)");
    assert_refused(f, "POST", AT("set-experiment-tag"),
                   "{'experiment_id': '0', 'key': '../x', 'value': '1'}",
                   INVALID,
                   "Invalid value \"../x\" for parameter 'key' supplied: Names "
                   "may be treated as files in certain cases, and must not "
                   "resolve to other names when treated as such. This name "
                   "would resolve to '../x'");
}

static void make_three(struct mlflow_fixture *f)
{
    assert_call(f, "POST", AT("create"),
                "{'name': 'red', 'tags': [{'key': 'c', 'value': 'warm'}]}");
    assert_call(f, "POST", AT("create"),
                "{'name': 'Blue', 'tags': [{'key': 'c', 'value': 'cold'}]}");
    assert_call(f, "POST", AT("create"), "{'name': 'blue_2'}");
    assert_call(f, "POST", AT("create"), "{'name': 'gone'}");
    assert_call(f, "POST", AT("delete"), "{'experiment_id': '4'}");
}

/* The ids that a search finds, in order: "3,1". */
static const char *found(struct mlflow_fixture *f, const char *more)
{
    tj_str ids = TJ_STR("");
    assert_call(f, "POST", AT("search"),
                FORMAT(f, "{'max_results': 10%s}", more));
    for (size_t i = 0; i < count_at(f, "experiments"); i++)
        ids =
            tj_str_printf(&f->arena, "%.*s%s%s", TJ_STR_ARG(ids), i ? "," : "",
                          at(f, FORMAT(f, "experiments.%zu.experiment_id", i)));
    return tj_cstr(&f->arena, ids);
}

static void test_search_filters(void **state)
{
    static const struct {
        const char *filter;
        const char *ids;
    } cases[] = {
        {"name = 'red'", "1"},
        {"name != 'red'", "0,2,3"},
        {"name LIKE 'blue%'", "3"},
        {"name ILIKE 'BLUE%'", "2,3"},
        {"attribute.name like '%_2'", "3"},
        {"name LIKE 'b_ue__'", "3"},
        {"tags.c = 'warm'", "1"},
        {"tags.c != 'warm'", "2"},
        {"tag.`c` = 'warm' AND name = 'red'", "1"},
        {"tags.c IS NULL", "0,3"},
        {"tags.c is not null AND name ILIKE 'blue'", "2"},
        {"experiment_id IN ('1', '3')", "1,3"},
        {"experiment_id NOT IN ('1', '3')", "0,2"},
        {"experiment_id = '2'", "2"},
        {"creation_time > 0", "0,1,2,3"},
        {"creation_time < 5", ""},
    };
    struct mlflow_fixture *f = *state;
    make_three(f);
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        tj_str quoted = tj_str_c(cases[i].filter);
        char *filter = tj_cstr(&f->arena, quoted);
        for (char *c = filter; *c; c++)
            *c = *c == '\'' ? '\x01' : *c;
        char *body = FORMAT(f,
                            "{\"max_results\": 10, \"filter\": \"%s\", "
                            "\"order_by\": [\"experiment_id\"]}",
                            filter);
        for (char *c = body; *c; c++)
            *c = *c == '\x01' ? '\'' : *c;
        assert_int_equal(call_raw(f, "POST", AT("search"), tj_str_c(body)),
                         200);
        tj_str ids = TJ_STR("");
        for (size_t k = 0; k < count_at(f, "experiments"); k++)
            ids = tj_str_printf(
                &f->arena, "%.*s%s%s", TJ_STR_ARG(ids), k ? "," : "",
                at(f, FORMAT(f, "experiments.%zu.experiment_id", k)));
        if (!tj_str_eq(ids, tj_str_c(cases[i].ids)))
            fail_msg("%s: %.*s", cases[i].filter, TJ_STR_ARG(ids));
    }
}

static void test_search_orders_and_views(void **state)
{
    struct mlflow_fixture *f = *state;
    make_three(f);
    assert_string_equal(found(f, ", 'order_by': ['name']"), "2,0,3,1");
    assert_string_equal(found(f, ", 'order_by': ['name DESC']"), "1,3,0,2");
    assert_string_equal(found(f, ", 'order_by': ['experiment_id ASC']"),
                        "0,1,2,3");
    assert_string_equal(found(f, ", 'view_type': 'DELETED_ONLY'"), "4");
    assert_string_equal(
        found(f, ", 'view_type': 3, 'order_by': ['experiment_id DESC']"),
        "4,3,2,1,0");
}

static void test_search_pages(void **state)
{
    struct mlflow_fixture *f = *state;
    make_three(f);
    assert_call(f, "POST", AT("search"),
                "{'max_results': 3, 'order_by': ['experiment_id']}");
    assert_int_equal(count_at(f, "experiments"), 3);
    const char *token = at(f, "next_page_token");
    assert_string_equal(token, "eyJvZmZzZXQiOiAzfQ==");
    assert_call(f, "GET",
                FORMAT(f,
                       AT("search?max_results=3&order_by=experiment_id"
                          "&page_token=%s"),
                       "eyJvZmZzZXQiOiAzfQ=="),
                NULL);
    assert_int_equal(count_at(f, "experiments"), 1);
    assert_string_equal(at(f, "experiments.0.experiment_id"), "3");
    assert_string_equal(at(f, "next_page_token"), "(none)");
}

static void test_search_refused(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_refused(f, "POST", AT("search"), "{}", INVALID,
                   "Invalid value 0 for parameter 'max_results' supplied. It "
                   "must be a positive integer");
    assert_refused(f, "POST", AT("search"), "{'max_results': 60000}", INVALID,
                   "Invalid value 60000 for parameter 'max_results' supplied. "
                   "It must be at most 50000");
    assert_refused(f, "POST", AT("search"), "{'max_results': 'x'}", INVALID,
                   "Invalid value \"x\" for parameter 'max_results' supplied:  "
                   "Hint: Value was of type 'str'. See the API docs for more "
                   "information about request parameters.");
    assert_refused(f, "POST", AT("search"),
                   "{'max_results': 1, 'filter': 'name > 3'}", INVALID,
                   "Expected a quoted string value for attributes. Got value "
                   "3");
    assert_refused(f, "POST", AT("search"),
                   "{'max_results': 1, 'filter': 'foo.x = 3'}", INVALID,
                   "Invalid entity type 'foo'. Valid values are ('attribute', "
                   "'tag', 'tags')");
    assert_refused(f, "POST", AT("search"),
                   "{'max_results': 1, 'page_token': 'abc'}", INVALID,
                   "Invalid page token, could not base64-decode");
    assert_refused(f, "POST", AT("search"),
                   "{'max_results': 1, 'page_token': '*'}", INVALID,
                   "Invalid page token, decoded value=b''");
    assert_refused(f, "POST", AT("search"),
                   "{'max_results': 1, 'filter': 'name ='}", INVALID,
                   "Invalid clause(s) in filter string: name, =");
    assert_refused(f, "POST", AT("search"),
                   "{'max_results': 1, 'order_by': ['name foo']}", INVALID,
                   "Invalid ordering key in order_by clause 'name foo'.");
}

/* Somebody bound to experiment 1 sees nothing of the others. */
static void test_grants(void **state)
{
    static const uint64_t one[] = {1};
    struct mlflow_fixture *f = *state;
    make_three(f);
    f->grant.experiments = one;
    f->grant.experiment_count = 1;
    assert_string_equal(found(f, ""), "1");
    assert_call(f, "GET", AT("get?experiment_id=1"), NULL);
    assert_int_equal(call(f, "GET", AT("get?experiment_id=2"), NULL), 403);
    assert_int_equal(
        call(f, "GET", AT("get-by-name?experiment_name=Blue"), NULL), 403);
    assert_int_equal(call(f, "POST", AT("delete"), "{'experiment_id': '2'}"),
                     403);
    assert_int_equal(call(f, "POST", AT("create"), "{'name': 'new'}"), 403);
    f->grant.access = TJ_ACCESS_READ;
    assert_int_equal(call(f, "POST", AT("delete"), "{'experiment_id': '1'}"),
                     403);
    assert_string_equal(found(f, ""), "1");
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, mlflow_setup, mlflow_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_default),
        TEST(test_create),
        TEST(test_create_refused),
        TEST(test_taken_by_deleted),
        TEST(test_find_refused),
        TEST(test_rename),
        TEST(test_delete_restore),
        TEST(test_tags),
        TEST(test_unicode_tags),
        TEST(test_search_filters),
        TEST(test_search_orders_and_views),
        TEST(test_search_pages),
        TEST(test_search_refused),
        TEST(test_grants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
