/* test_mlflow_models.c - logged models, as a real server answers them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts and codes were taken from an MLflow 3.17.2 server.
 */
#include "mlflow_fixture.h"

#define AT(name) "/api/2.0/mlflow/logged-models" name
#define INVALID  "INVALID_PARAMETER_VALUE"
#define MISSING  "RESOURCE_DOES_NOT_EXIST"

static const char *make_model(struct mlflow_fixture *f, const char *name)
{
    assert_call(f, "POST", AT(""),
                FORMAT(f,
                       "{'experiment_id': '0', 'name': '%s', 'model_type': "
                       "'agent', 'params': [{'key': 'a', 'value': 'b'}], "
                       "'tags': [{'key': 't', 'value': 'v'}]}",
                       name));
    return at(f, "model.info.model_id");
}

static char *path(struct mlflow_fixture *f, const char *id, const char *more)
{
    return FORMAT(f, AT("/%s%s"), id, more);
}

static void test_life(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *id = make_model(f, "mod");
    assert_true(tj_str_starts(tj_str_c(id), TJ_STR("m-")));
    assert_int_equal(strlen(id), 34);
    assert_string_equal(at(f, "model.info.status"), "LOGGED_MODEL_PENDING");
    assert_string_equal(
        at(f, "model.info.artifact_uri"),
        FORMAT(f, "mlflow-artifacts:/0/models/%s/artifacts", id));
    assert_string_equal(at(f, "model.info.tags.0.value"), "v");
    assert_string_equal(at(f, "model.data.params.0.value"), "b");
    assert_call(f, "PATCH", path(f, id, ""),
                FORMAT(f, "{'model_id': '%s', 'status': 2}", id));
    assert_string_equal(at(f, "model.info.status"), "LOGGED_MODEL_READY");
    assert_call(f, "PATCH", path(f, id, "/tags"),
                "{'tags': [{'key': 'x', 'value': 'y'}]}");
    assert_call(f, "POST", path(f, id, "/params"),
                "{'params': [{'key': 'p2', 'value': 'q'}]}");
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_int_equal(count_at(f, "model.info.tags"), 2);
    assert_int_equal(count_at(f, "model.data.params"), 2);
    assert_call(f, "DELETE", path(f, id, "/tags/x"), "{}");
    assert_refused(
        f, "DELETE", path(f, id, "/tags/x"), "{}", MISSING,
        FORMAT(f, "No tag with key 'x' found for model with ID '%s'.", id));
    assert_call(f, "DELETE", path(f, id, ""), "{}");
    assert_refused(f, "GET", path(f, id, ""), NULL, MISSING,
                   FORMAT(f, "Logged model with ID '%s' not found.", id));
    assert_call(f, "GET", path(f, id, "?allow_deleted=true"), NULL);
}

static void test_refused(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_refused(f, "POST", AT(""), "{'experiment_id': '0', 'name': 'a/b'}",
                   INVALID,
                   "Invalid model name ('a/b') provided. Model name must be a "
                   "non-empty string and cannot contain the following "
                   "characters: ('/', ':', '.', '%', '\"', \"'\")");
    assert_int_equal(call(f, "POST", AT(""), "{'name': 'a'}"), 400);
    assert_refused(f, "GET", AT("/m-nope"), NULL, MISSING,
                   "Logged model with ID 'm-nope' not found.");
    assert_int_equal(call(f, "PATCH", AT("/m-nope"), "{'status': 9}"), 400);
}

static void test_metrics(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *id = make_model(f, "mod");
    assert_call(f, "POST", "/api/2.0/mlflow/runs/create",
                "{'experiment_id': '0'}");
    const char *run = at(f, "run.info.run_id");
    const char *metric =
        FORMAT(f,
               "{'run_id': '%s', 'key': 'm', 'value': 0.5, 'timestamp': 5, "
               "'model_id': '%s'}",
               run, id);
    assert_call(f, "POST", "/api/2.0/mlflow/runs/log-metric", metric);
    assert_call(f, "POST", "/api/2.0/mlflow/runs/log-metric", metric);
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_int_equal(count_at(f, "model.data.metrics"), 1);
    assert_string_equal(at(f, "model.data.metrics.0.value"), "0.5");
    assert_string_equal(at(f, "model.data.metrics.0.run_id"), run);
    assert_string_equal(at(f, "model.data.metrics.0.model_id"), id);
}

/* What is refused because of the model is not logged to the run either. */
static void test_metrics_of_nobody(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", "/api/2.0/mlflow/runs/create",
                "{'experiment_id': '0'}");
    const char *run = at(f, "run.info.run_id");
    assert_refused(f, "POST", "/api/2.0/mlflow/runs/log-metric",
                   FORMAT(f,
                          "{'run_id': '%s', 'key': 'm', 'value': 0.5, "
                          "'timestamp': 5, 'model_id': 'm-nope'}",
                          run),
                   MISSING, "Logged model with ID 'm-nope' not found.");
    assert_call(f, "GET", FORMAT(f, "/api/2.0/mlflow/runs/get?run_id=%s", run),
                NULL);
    assert_int_equal(count_at(f, "run.data.metrics"), 0);
    assert_call(f, "GET",
                FORMAT(f,
                       "/api/2.0/mlflow/metrics/get-history?run_id=%s"
                       "&metric_key=m",
                       run),
                NULL);
    assert_int_equal(count_at(f, "metrics"), 0);
}

/* As a run's: the same again is nothing, another value is refused. */
static void test_params_stay(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *id = make_model(f, "mod");
    assert_call(f, "POST", path(f, id, "/params"),
                "{'params': [{'key': 'a', 'value': 'b'}]}");
    assert_refused(
        f, "POST", path(f, id, "/params"),
        "{'params': [{'key': 'n', 'value': '1'}, {'key': 'a', 'value': 'c'}]}",
        INVALID,
        FORMAT(f,
               "Changing param values is not allowed. Param 'a' of model '%s' "
               "is 'b'.",
               id));
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_int_equal(count_at(f, "model.data.params"), 1);
    assert_string_equal(at(f, "model.data.params.0.value"), "b");
}

static void test_search(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *gone = make_model(f, "gone");
    (void)make_model(f, "one");
    (void)make_model(f, "two");
    assert_call(f, "DELETE", path(f, gone, ""), "{}");
    assert_call(f, "POST", AT("/search"),
                "{'experiment_ids': ['0'], 'order_by': [{'field_name': "
                "'name', 'ascending': false}]}");
    assert_int_equal(count_at(f, "models"), 2);
    assert_string_equal(at(f, "models.0.info.name"), "two");
    assert_call(f, "POST", AT("/search"),
                "{'experiment_ids': ['0'], 'max_results': 1, 'filter': "
                "'tags.t IS NOT NULL', 'order_by': [{'field_name': 'name'}]}");
    assert_string_equal(at(f, "models.0.info.name"), "one");
    assert_string_equal(at(f, "next_page_token"), "eyJvZmZzZXQiOiAxfQ==");
    assert_int_equal(call(f, "POST", AT("/search"), "{}"), 400);
    assert_call(f, "POST", AT("/search"), "{'experiment_ids': []}");
    assert_int_equal(count_at(f, "models"), 0);
    f->grant.experiments = &(const uint64_t){7};
    f->grant.experiment_count = 1;
    assert_call(f, "POST", AT("/search"), "{'experiment_ids': ['0']}");
    assert_int_equal(count_at(f, "models"), 0);
}

/* More than the store gives at once; what was found first must still be there
 * when the last page was read. */
static void test_many(void **state)
{
    struct mlflow_fixture *f = *state;
    const size_t count = TJ_SEARCH_ROWS_MAX + 3;
    for (size_t i = 0; i < count; i++)
        (void)make_model(f, FORMAT(f, "m%04zu", i));
    assert_call(f, "POST", AT("/search"),
                "{'experiment_ids': ['0'], 'max_results': 50000, 'order_by': "
                "[{'field_name': 'name'}], 'filter': 'tags.t IS NOT NULL'}");
    assert_int_equal(count_at(f, "models"), count);
    for (size_t i = 0; i < count; i += 101)
        assert_string_equal(at(f, FORMAT(f, "models.%zu.info.name", i)),
                            FORMAT(f, "m%04zu", i));
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, mlflow_setup, mlflow_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_life),        TEST(test_refused),
        TEST(test_metrics),     TEST(test_metrics_of_nobody),
        TEST(test_params_stay), TEST(test_search),
        TEST(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
