/* test_mlflow_runs.c - runs, as a real server answers them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts and codes were taken from an MLflow 3.17.2 server.
 */
#include "base/limits.h"
#include "mlflow_fixture.h"

#define AT(name) "/api/2.0/mlflow/runs/" name
#define HISTORY  "/api/2.0/mlflow/metrics/get-history"
#define INVALID  "INVALID_PARAMETER_VALUE"
#define MISSING  "RESOURCE_DOES_NOT_EXIST"
#define REQUIRED(it)                                                           \
    "Missing value for required parameter '" it                                \
    "'. See the API docs for more information about request parameters."

static const char *make_run(struct mlflow_fixture *f, const char *more)
{
    assert_call(f, "POST", AT("create"),
                FORMAT(f, "{'experiment_id': '0'%s}", more));
    return at(f, "run.info.run_id");
}

/* A request about a run. */
static char *about(struct mlflow_fixture *f, const char *run, const char *more)
{
    return FORMAT(f, "{'run_id': '%s'%s}", run, more);
}

static void find_run(struct mlflow_fixture *f, const char *run)
{
    assert_call(f, "GET", FORMAT(f, AT("get?run_id=%s"), run), NULL);
}

static void test_create(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(
        f, ", 'user_id': 'me', 'run_name': 'r1', 'start_time': 1700000000000,"
           " 'tags': [{'key': 'mlflow.user', 'value': 'u'}]");
    assert_int_equal(strlen(run), 32);
    assert_string_equal(at(f, "run.info.run_uuid"), run);
    assert_string_equal(at(f, "run.info.status"), "RUNNING");
    assert_string_equal(at(f, "run.info.start_time"), "1700000000000");
    assert_string_equal(at(f, "run.info.end_time"), "(none)");
    assert_string_equal(at(f, "run.info.lifecycle_stage"), "active");
    assert_string_equal(at(f, "run.info.artifact_uri"),
                        FORMAT(f, "mlflow-artifacts:/0/%s/artifacts", run));
    assert_string_equal(at(f, "run.data.tags.0.key"), "mlflow.user");
    assert_string_equal(at(f, "run.data.tags.1.key"), "mlflow.runName");
    assert_string_equal(at(f, "run.data.tags.1.value"), "r1");
    assert_string_equal(at(f, "run.data.metrics"), "(none)");
    assert_int_equal(tj_json_type(tj_json_at(f->json, "run.inputs")),
                     TJ_JSON_OBJECT);
    find_run(f, run);
    assert_string_equal(at(f, "run.info.user_id"), "me");
    assert_string_equal(at(f, "run.info.run_name"), "r1");
}

static void test_create_named_by_tag(void **state)
{
    struct mlflow_fixture *f = *state;
    (void)make_run(f, ", 'tags': [{'key': 'mlflow.runName', 'value': 'y'}]");
    assert_string_equal(at(f, "run.info.run_name"), "y");
    (void)make_run(f, "");
    assert_true(strlen(at(f, "run.info.run_name")) > 5);
    assert_refused(f, "POST", AT("create"),
                   "{'experiment_id': '0', 'run_name': 'x', 'tags': [{'key': "
                   "'mlflow.runName', 'value': 'y'}]}",
                   INVALID,
                   "Both 'run_name' argument and 'mlflow.runName' tag are "
                   "specified, but with different values (run_name='x', "
                   "mlflow.runName='y').");
    assert_refused(f, "POST", AT("create"), "{'experiment_id': '77'}", MISSING,
                   "No Experiment with id=77 exists");
}

static void test_find_refused(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_refused(f, "GET", AT("get?run_id=abc"), NULL, MISSING,
                   "Run with id=abc not found");
    assert_refused(f, "GET", AT("get"), NULL, INVALID, REQUIRED("run_id"));
}

static void test_update(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, ", 'run_name': 'old'");
    assert_call(f, "POST", AT("update"),
                about(f, run, ", 'status': 'FINISHED', 'end_time': '17000'"));
    assert_string_equal(at(f, "run_info.status"), "FINISHED");
    assert_string_equal(at(f, "run_info.end_time"), "17000");
    assert_string_equal(at(f, "run_info.run_name"), "old");
    assert_call(f, "POST", AT("update"), about(f, run, ", 'run_name': 'new'"));
    assert_string_equal(at(f, "run_info.run_name"), "new");
    find_run(f, run);
    assert_string_equal(at(f, "run.data.tags.0.value"), "new");
    assert_call(f, "POST", AT("update"), about(f, run, ", 'run_name': ''"));
    assert_string_equal(at(f, "run_info.run_name"), "new");
    assert_int_equal(
        call(f, "POST", AT("update"), about(f, run, ", 'status': 'BAD'")), 400);
}

static void log_f(struct mlflow_fixture *f, const char *run, const char *what)
{
    assert_call(f, "POST", AT("log-metric"),
                about(f, run, FORMAT(f, ", 'key': 'f', %s", what)));
}

static void test_metrics(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    log_f(f, run, "'value': 0.1, 'timestamp': 5, 'step': 3");
    log_f(f, run, "'value': 0.5, 'timestamp': 4, 'step': 3");
    log_f(f, run, "'value': 2, 'timestamp': 9, 'step': 1");
    log_f(f, run, "'value': 2, 'timestamp': 9, 'step': 1");
    assert_call(f, "POST", AT("log-metric"),
                about(f, run, ", 'key': 'm', 'value': 'NaN', 'timestamp': 5"));
    assert_call(
        f, "POST", AT("log-metric"),
        about(f, run, ", 'key': 'i', 'value': '-Infinity', 'timestamp': 5"));
    find_run(f, run);
    assert_int_equal(count_at(f, "run.data.metrics"), 3);
    assert_string_equal(at(f, "run.data.metrics.0.value"), "0.1");
    assert_string_equal(at(f, "run.data.metrics.0.step"), "3");
    assert_string_equal(at(f, "run.data.metrics.1.value"), "NaN");
    assert_string_equal(at(f, "run.data.metrics.2.value"),
                        "-1.7976931348623157e+308");
}

static void test_history(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    log_f(f, run, "'value': 0.1, 'timestamp': 5, 'step': 3");
    log_f(f, run, "'value': 0.5, 'timestamp': 4, 'step': 3");
    assert_call(f, "POST", AT("log-batch"),
                about(f, run,
                      ", 'metrics': [{'key': 'f', 'value': 2, 'timestamp': 9},"
                      " {'key': 'g', 'value': 3, 'timestamp': 9},"
                      " {'key': 'f', 'value': 0.1, 'timestamp': 5, 'step': "
                      "3}]"));
    const char *target = FORMAT(f, HISTORY "?run_id=%s&metric_key=f", run);
    assert_call(f, "GET", target, NULL);
    assert_int_equal(count_at(f, "metrics"), 3);
    assert_string_equal(at(f, "metrics.0.value"), "0.5");
    assert_string_equal(at(f, "metrics.1.value"), "0.1");
    assert_string_equal(at(f, "metrics.2.value"), "2.0");
    assert_call(f, "GET", FORMAT(f, "%s&max_results=2", target), NULL);
    assert_int_equal(count_at(f, "metrics"), 2);
    assert_string_equal(at(f, "next_page_token"), "eyJvZmZzZXQiOiAyfQ==");
    assert_call(
        f, "GET",
        FORMAT(f, "%s&max_results=2&page_token=eyJvZmZzZXQiOiAyfQ==", target),
        NULL);
    assert_int_equal(count_at(f, "metrics"), 1);
    assert_call(f, "GET", HISTORY "?run_id=nope&metric_key=f", NULL);
    assert_string_equal(at(f, "metrics"), "(none)");
    assert_refused(f, "GET", FORMAT(f, HISTORY "?run_id=%s", run), NULL,
                   INVALID, REQUIRED("metric_key"));
}

static void test_metrics_refused(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    static const struct {
        const char *more;
        const char *message;
    } cases[] = {
        {"'key': 'f', 'timestamp': 9", REQUIRED("value")},
        {"'key': 'f', 'value': 1", REQUIRED("timestamp")},
        {"'value': 1, 'timestamp': 9", REQUIRED("key")},
        {"'key': 'f', 'value': 'q', 'timestamp': 9",
         "Invalid value \"q\" for parameter 'value' supplied:  Hint: Value was "
         "of type 'str'. See the API docs for more information about request "
         "parameters."},
        {"'key': 'f', 'value': 1, 'timestamp': -1",
         "Invalid value -1 for parameter 'timestamp' supplied: metric 'f' "
         "(value=1.0). Timestamp must be a nonnegative long (64-bit integer) "},
        {"'key': 'f,', 'value': 1, 'timestamp': 1",
         "Invalid value \"f,\" for parameter 'name' supplied: Names may only "
         "contain alphanumerics, underscores (_), dashes (-), periods (.), "
         "spaces ( ), colon(:) and slashes (/)."},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++)
        assert_refused(f, "POST", AT("log-metric"),
                       about(f, run, FORMAT(f, ", %s", cases[i].more)), INVALID,
                       cases[i].message);
    assert_refused(f, "POST", AT("log-metric"),
                   about(f, "nope", ", 'key': 'f', 'value': 1, 'timestamp': 1"),
                   MISSING, "Run with id=nope not found");
}

static void test_params(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    const char *one = about(f, run, ", 'key': 'p', 'value': '1'");
    assert_call(f, "POST", AT("log-parameter"), one);
    assert_call(f, "POST", AT("log-parameter"), one);
    assert_call(f, "POST", AT("log-parameter"), about(f, run, ", 'key': 'q'"));
    assert_refused(
        f, "POST", AT("log-parameter"),
        about(f, run, ", 'key': 'p', 'value': '2'"), INVALID,
        FORMAT(f,
               "Changing param values is not allowed. Param with key='p' was "
               "already logged with value='1' for run ID='%s'. Attempted "
               "logging new value '2'.",
               run));
    assert_refused(
        f, "POST", AT("log-batch"),
        about(f, run,
              ", 'params': [{'key': 'new', 'value': '3'}, {'key': 'p', "
              "'value': '3'}], 'metrics': [{'key': 'm', 'value': 1, "
              "'timestamp': 1}]"),
        INVALID,
        FORMAT(f,
               "Changing param values is not allowed. Params were already "
               "logged='[{'key': 'p', 'old_value': '1', 'new_value': '3'}]' "
               "for run ID='%s'.",
               run));
    find_run(f, run);
    assert_int_equal(count_at(f, "run.data.params"), 2);
    assert_string_equal(at(f, "run.data.params.1.value"), "");
    assert_string_equal(at(f, "run.data.metrics"), "(none)");
}

static void test_batch(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    assert_call(f, "POST", AT("log-batch"),
                about(f, run,
                      ", 'metrics': [{'key': 'b', 'value': 1, 'timestamp': 1}],"
                      " 'params': [{'key': 'q', 'value': '3'}], 'tags': "
                      "[{'key': 'mlflow.runName', 'value': 'renamed'}, {'key': "
                      "'t', 'value': 'v'}]"));
    find_run(f, run);
    assert_string_equal(at(f, "run.info.run_name"), "renamed");
    assert_string_equal(at(f, "run.data.metrics.0.value"), "1.0");
    assert_string_equal(at(f, "run.data.params.0.key"), "q");
    assert_int_equal(count_at(f, "run.data.tags"), 2);
}

static char *many(struct mlflow_fixture *f, const char *list, size_t count,
                  const char *more)
{
    tj_str text = TJ_STR("");
    for (size_t i = 0; i < count; i++)
        text = tj_str_printf(&f->arena, "%.*s%s{'key': 'k%zu'%s}",
                             TJ_STR_ARG(text), i ? "," : "", i, more);
    return FORMAT(f, ", '%s': [%.*s]", list, TJ_STR_ARG(text));
}

static void test_batch_refused(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    const char *metric = ", 'value': 1, 'timestamp': 1";
    assert_refused(f, "POST", AT("log-batch"),
                   about(f, run, ", 'metrics': [{'key': 'b', 'timestamp': 1}]"),
                   INVALID, REQUIRED("metrics[0].value"));
    assert_refused(f, "POST", AT("log-batch"),
                   about(f, run, ", 'params': [{'value': '1'}]"), INVALID,
                   REQUIRED("params[0].key"));
    assert_refused(f, "POST", AT("log-batch"), about(f, run, ", 'metrics': 5"),
                   INVALID,
                   "Invalid value 5 for parameter 'metrics' supplied:  Hint: "
                   "Value was of type 'int'. See the API docs for more "
                   "information about request parameters.");
    assert_refused(f, "POST", AT("log-batch"),
                   about(f, run,
                         ", 'params': [{'key': 'z', 'value': '1'}, {'key': "
                         "'z', 'value': '1'}]"),
                   INVALID,
                   "Duplicate parameter keys have been submitted: ['z']. "
                   "Please ensure the request contains only one param value "
                   "per param key.");
    assert_refused(f, "POST", AT("log-batch"),
                   about(f, run, many(f, "metrics", 1001, metric)), INVALID,
                   "A batch logging request can contain at most 1000 metrics. "
                   "Got 1001 metrics. Please split up metrics across multiple "
                   "requests and try again.");
    assert_refused(f, "POST", AT("log-batch"),
                   about(f, run, many(f, "params", 101, ", 'value': 'v'")),
                   INVALID,
                   "A batch logging request can contain at most 100 params. "
                   "Got 101 params. Please split up params across multiple "
                   "requests and try again.");
    assert_refused(
        f, "POST", AT("log-batch"),
        about(f, run,
              FORMAT(f, "%s%s", many(f, "metrics", 999, metric),
                     many(f, "tags", 2, ", 'value': 'v'"))),
        INVALID,
        "A batch logging request can contain at most 1000 metrics, params, and "
        "tags. Got 1001 metrics, params, and tags. Please split up metrics, "
        "params, and tags across multiple requests and try again.");
    assert_call(f, "POST", AT("log-batch"),
                about(f, run, many(f, "metrics", 1000, metric)));
}

/* MLflow has no limit; here a run is written whole at every log. */
static void test_too_many_keys(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    for (size_t sent = 0; sent <= TJ_RUN_KEYS_MAX; sent += 1000) {
        struct tj_arena a = {0};
        struct tj_buf text;
        tj_buf_init(&text, &a, SIZE_MAX);
        tj_buf_fmt(&text, "{\"run_id\": \"%s\", \"metrics\": [", run);
        for (size_t i = sent; i < sent + 1000; i++)
            tj_buf_fmt(&text,
                       "%s{\"key\": \"k%zu\", \"value\": 1, "
                       "\"timestamp\": 1}",
                       i > sent ? "," : "", i);
        tj_buf_add(&text, TJ_STR("]}"));
        int status = call_raw(f, "POST", AT("log-batch"), tj_buf_str(&text));
        tj_arena_release(&a);
        assert_int_equal(status, sent < TJ_RUN_KEYS_MAX ? 200 : 400);
        if (status == 400)
            assert_string_equal(at(f, "message"),
                                "a run has at most 20000 metrics");
    }
    find_run(f, run);
    assert_int_equal(count_at(f, "run.data.metrics"), TJ_RUN_KEYS_MAX);
}

static void test_too_many_pairs(void **state)
{
    struct mlflow_fixture *f = *state;
    struct tj_buf text;
    tj_buf_init(&text, &f->arena, SIZE_MAX);
    tj_buf_add(&text, TJ_STR("{'experiment_id': '0', 'tags': [{'key': 'a'}"));
    for (size_t i = 0; i < TJ_REQUEST_PAIRS_MAX; i++)
        tj_buf_add(&text, TJ_STR(",{'key': 'a'}"));
    tj_buf_add(&text, TJ_STR("]}"));
    assert_refused(f, "POST", AT("create"),
                   tj_cstr(&f->arena, tj_buf_str(&text)), INVALID,
                   "one request has at most 10000 tags");
}

static void test_tags(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, ", 'run_name': 'n'");
    assert_call(f, "POST", AT("set-tag"),
                about(f, run, ", 'key': 't', 'value': 'v'"));
    assert_call(f, "POST", AT("set-tag"),
                about(f, run, ", 'key': 't', 'value': 'w'"));
    find_run(f, run);
    assert_int_equal(count_at(f, "run.data.tags"), 2);
    assert_string_equal(at(f, "run.data.tags.1.value"), "w");
    assert_call(f, "POST", AT("set-tag"),
                about(f, run, ", 'key': 'mlflow.runName', 'value': 'm'"));
    find_run(f, run);
    assert_string_equal(at(f, "run.info.run_name"), "m");
    assert_call(f, "POST", AT("delete-tag"), about(f, run, ", 'key': 't'"));
    assert_refused(f, "POST", AT("delete-tag"), about(f, run, ", 'key': 't'"),
                   MISSING,
                   FORMAT(f, "No tag with name: t in run with id %s", run));
}

/* Other than set-tag, create takes tags of any name and length. */
static void test_create_takes_any_tag(void **state)
{
    struct mlflow_fixture *f = *state;
    char *value = calloc(1, 9001);
    memset(value, 'v', 9000);
    const char *run = make_run(
        f, FORMAT(f, ", 'tags': [{'key': 'a#b', 'value': '%s'}]", value));
    free(value);
    find_run(f, run);
    assert_string_equal(at(f, "run.data.tags.0.key"), "a#b");
    assert_int_equal(strlen(at(f, "run.data.tags.0.value")), 9000);
    assert_int_equal(call(f, "POST", AT("set-tag"),
                          about(f, run, ", 'key': 'a#b', 'value': 'x'")),
                     400);
}

/* A list or an object is no text: it is not kept as an empty one. */
static void test_values_are_texts(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    const char *refused =
        "Invalid value {\"a\":1} for parameter 'value' supplied:  Hint: Value "
        "was of type 'dict'. See the API docs for more information about "
        "request parameters.";
    assert_refused(f, "POST", AT("set-tag"),
                   about(f, run, ", 'key': 'k', 'value': {'a': 1}"), INVALID,
                   refused);
    assert_refused(f, "POST", AT("log-parameter"),
                   about(f, run, ", 'key': 'k', 'value': {'a': 1}"), INVALID,
                   refused);
    assert_refused(f, "POST", AT("create"),
                   "{'experiment_id': '0', 'tags': {'a': 'b'}}", INVALID,
                   "Invalid value {\"a\":\"b\"} for parameter 'tags' supplied: "
                   " Hint: Value was of type 'dict'. See the API docs for more "
                   "information about request parameters.");
    find_run(f, run);
    assert_int_equal(count_at(f, "run.data.params"), 0);
    assert_int_equal(count_at(f, "run.data.tags"), 1);
}

static void test_long_values_are_cut(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    char *value = calloc(1, 9001);
    memset(value, 'v', 9000);
    assert_call(f, "POST", AT("set-tag"),
                about(f, run, FORMAT(f, ", 'key': 't', 'value': '%s'", value)));
    assert_call(f, "POST", AT("log-parameter"),
                about(f, run, FORMAT(f, ", 'key': 'p', 'value': '%s'", value)));
    free(value);
    find_run(f, run);
    assert_int_equal(strlen(at(f, "run.data.tags.1.value")), 8000);
    assert_int_equal(strlen(at(f, "run.data.params.0.value")), 6000);
}

static void test_inputs(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    const char *inputs =
        about(f, run,
              ", 'datasets': [{'tags': [{'key': 'mlflow.data.context', "
              "'value': 'eval'}], 'dataset': {'name': 'ds', 'digest': 'd1', "
              "'source_type': 't', 'source': 's', 'schema': '{}'}}], "
              "'models': [{'model_id': 'm-1'}]");
    assert_call(f, "POST", AT("log-inputs"), inputs);
    assert_call(f, "POST", AT("log-inputs"), inputs);
    const char *outputs =
        about(f, run, ", 'models': [{'model_id': 'm-2', 'step': 4}]");
    assert_call(f, "POST", AT("outputs"), outputs);
    assert_call(f, "POST", AT("outputs"), outputs);
    find_run(f, run);
    assert_int_equal(count_at(f, "run.inputs.dataset_inputs"), 1);
    assert_string_equal(at(f, "run.inputs.dataset_inputs.0.dataset.digest"),
                        "d1");
    assert_string_equal(at(f, "run.inputs.dataset_inputs.0.dataset.schema"),
                        "{}");
    assert_string_equal(at(f, "run.inputs.dataset_inputs.0.dataset.profile"),
                        "(none)");
    assert_string_equal(at(f, "run.inputs.dataset_inputs.0.tags.0.value"),
                        "eval");
    assert_int_equal(count_at(f, "run.inputs.model_inputs"), 1);
    assert_string_equal(at(f, "run.inputs.model_inputs.0.model_id"), "m-1");
    assert_int_equal(count_at(f, "run.outputs.model_outputs"), 1);
    assert_string_equal(at(f, "run.outputs.model_outputs.0.model_id"), "m-2");
    assert_string_equal(at(f, "run.outputs.model_outputs.0.step"), "4");
    assert_refused(f, "POST", AT("log-inputs"),
                   about(f, run, ", 'datasets': [{}]"), INVALID,
                   "Dataset cannot be None");
    assert_refused(f, "POST", AT("outputs"), about(f, run, ""), INVALID,
                   REQUIRED("models"));
}

static void test_stages(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    assert_call(f, "POST", AT("delete"), about(f, run, ""));
    assert_call(f, "POST", AT("delete"), about(f, run, ""));
    assert_refused(f, "POST", AT("set-tag"),
                   about(f, run, ", 'key': 't', 'value': 'v'"), INVALID,
                   FORMAT(f,
                          "The run %s must be in the 'active' state. Current "
                          "state is deleted.",
                          run));
    find_run(f, run);
    assert_string_equal(at(f, "run.info.lifecycle_stage"), "deleted");
    assert_call(f, "POST", AT("restore"), about(f, run, ""));
    assert_call(f, "POST", AT("set-tag"),
                about(f, run, ", 'key': 't', 'value': 'v'"));
    /* The runs go with their experiment. */
    assert_call(f, "POST", "/api/2.0/mlflow/experiments/delete",
                "{'experiment_id': '0'}");
    find_run(f, run);
    assert_string_equal(at(f, "run.info.lifecycle_stage"), "deleted");
    assert_int_equal(call(f, "POST", AT("create"), "{'experiment_id': '0'}"),
                     400);
    assert_call(f, "POST", "/api/2.0/mlflow/experiments/restore",
                "{'experiment_id': '0'}");
    find_run(f, run);
    assert_string_equal(at(f, "run.info.lifecycle_stage"), "active");
}

/* -- search --------------------------------------------------------------- */

static void make_runs(struct mlflow_fixture *f)
{
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < TJ_COUNT(names); i++) {
        const char *run =
            make_run(f, FORMAT(f, ", 'run_name': '%s', 'start_time': %zu",
                               names[i], 100 * (i + 1)));
        assert_call(f, "POST", AT("log-batch"),
                    about(f, run,
                          FORMAT(f,
                                 ", 'metrics': [{'key': 'x y', 'value': %zu, "
                                 "'timestamp': 1}], 'params': [{'key': 'p', "
                                 "'value': 'v%zu'}]",
                                 i, i)));
        if (i == 1)
            assert_call(f, "POST", AT("log-inputs"),
                        about(f, run,
                              ", 'datasets': [{'tags': [{'key': "
                              "'mlflow.data.context', 'value': 'train'}], "
                              "'dataset': {'name': 'ds', 'digest': 'd1', "
                              "'source_type': 't', 'source': 's'}}]"));
        if (i == 2) {
            assert_call(f, "POST", AT("update"),
                        about(f, run, ", 'status': 'FAILED', 'end_time': 9"));
            assert_call(
                f, "POST", AT("log-metric"),
                about(f, run, ", 'key': 'n', 'value': 'NaN', 'timestamp': 1"));
        } else {
            assert_call(
                f, "POST", AT("log-metric"),
                about(f, run, ", 'key': 'n', 'value': 5, 'timestamp': 1"));
        }
    }
}

/* The names of runs that a search finds, in order.  In more and filter stands
 * | for ". */
static const char *found(struct mlflow_fixture *f, const char *filter,
                         const char *more)
{
    char *body =
        FORMAT(f, "{|experiment_ids|: [|0|], |filter|: |%s|%s}", filter, more);
    for (char *c = body; *c; c++)
        *c = *c == '|' ? '"' : *c;
    tj_str names = TJ_STR("");
    if (call_raw(f, "POST", AT("search"), tj_str_c(body)) != 200)
        return at(f, "message");
    for (size_t i = 0; i < count_at(f, "runs"); i++)
        names = tj_str_printf(&f->arena, "%.*s%s", TJ_STR_ARG(names),
                              at(f, FORMAT(f, "runs.%zu.info.run_name", i)));
    return tj_cstr(&f->arena, names);
}

static void test_search_filters(void **state)
{
    static const char *const cases[][2] = {
        {"", "cba"},
        {"metrics.`x y` > 0.5", "cb"},
        {"metrics.`x y` <= 1 and params.p != 'v0'", "b"},
        {"metrics.`x y` = 2.0", "c"},
        {"metrics.n = 0", ""},
        {"metrics.n != 7", "cba"},
        {"params.p LIKE 'v%'", "cba"},
        {"parameters.p ILIKE 'V1'", "b"},
        {"params.q IS NULL", "cba"},
        {"params.p IS NOT NULL AND status = 'FAILED'", "c"},
        {"attributes.status != 'FAILED'", "ba"},
        {"run_name = 'a'", "a"},
        {"attributes.`Run name` = 'a'", "a"},
        {"tags.mlflow.runName LIKE '%b%'", "b"},
        {"tags.`mlflow.runName` = 'c'", "c"},
        {"start_time >= 200", "cb"},
        {"created < 200", "a"},
        {"end_time > 0", "c"},
        {"datasets.name = 'ds'", "b"},
        {"dataset.digest IN ('d1', 'd2')", "b"},
        {"datasets.context = 'train'", "b"},
        {"datasets.context = 'eval'", ""},
        {"artifact_uri LIKE 'mlflow-artifacts:/0/%'", "cba"},
        {"run_id IN ('x', 'y')", ""},
        {"run_id NOT IN ('x')", "cba"},
    };
    struct mlflow_fixture *f = *state;
    make_runs(f);
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        const char *names = found(f, cases[i][0], "");
        if (strcmp(names, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], names);
    }
}

static void test_search_filters_refused(void **state)
{
    static const char *const cases[][2] = {
        {"metrics.f > 'a'", "Expected numeric value type for metric. Found "
                            "'a'"},
        {"start_time > 'a'", "Expected numeric value type for numeric "
                             "attribute: start_time. Found 'a'"},
        {"foo.bar = 'a'", "Invalid entity type 'foo'. Valid values are "
                          "['metric', 'parameter', 'tag', 'attribute', "
                          "'dataset']"},
        {"params.p = 1", "Expected a quoted string value for parameter (e.g. "
                         "'my-value'). Got value 1"},
        {"params.p = abc", "Parameter value is either not quoted or "
                           "unidentified quote types used for string value "
                           "abc. Use either single or double quotes."},
        {"a", "Invalid clause(s) in filter string: 'a'"},
        {"params.p", "Invalid clause(s) in filter string: 'params.p'"},
        {"params.p =", "Invalid clause(s) in filter string: 'params.p', '='"},
        {"params.p = 'a' OR params.p = 'b'",
         "Invalid clause(s) in filter string: 'OR'"},
        {"run_id IN ()", "While parsing a list in the query, expected a "
                         "non-empty list of string values, but got empty "
                         "list"},
        {"run_name IN ('a')", "Only ['run_id'] attributes support comparison "
                              "with a list of quoted string values."},
        {"params.p IN ('a')", "Expected a quoted string value for parameter "
                              "(e.g. 'my-value'). Got value ('a')"},
        {"start_time IN (1)", "Expected numeric value type for numeric "
                              "attribute: start_time. Found (1)"},
        {"metrics.f IS NULL", "IS NULL / IS NOT NULL is only supported for "
                              "tags and params, not for 'metric' 'f'"},
        {"tags.a > 'b'", "Invalid comparator '>' not one of '{'!=', '=', "
                         "'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'}'"},
        {"dataset.foo = 'a'", "Invalid dataset key 'foo' specified. Valid keys "
                              "are '{'context', 'digest', 'name'}'"},
    };
    struct mlflow_fixture *f = *state;
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        assert_string_equal(found(f, cases[i][0], ""), cases[i][1]);
        assert_int_equal(f->answer.status, 400);
    }
}

static void test_search_orders(void **state)
{
    struct mlflow_fixture *f = *state;
    make_runs(f);
    assert_string_equal(found(f, "", ", |order_by|: [|start_time|]"), "abc");
    assert_string_equal(
        found(f, "", ", |order_by|: [|attributes.start_time DESC|]"), "cba");
    assert_string_equal(found(f, "", ", |order_by|: [|metrics.`x y` ASC|]"),
                        "abc");
    /* NaN behind numbers, then what has no value; of equals the newest. */
    assert_string_equal(found(f, "", ", |order_by|: [|metrics.n DESC|]"),
                        "bac");
    assert_string_equal(found(f, "", ", |order_by|: [|end_time ASC|]"), "cba");
    assert_string_equal(found(f, "", ", |order_by|: [|params.p|]"), "abc");
    assert_string_equal(
        found(f, "", ", |order_by|: [|status|, |start_time asc|]"), "cab");
}

static void test_search_views_and_pages(void **state)
{
    struct mlflow_fixture *f = *state;
    make_runs(f);
    assert_string_equal(found(f, "", ", |max_results|: 2"), "cb");
    assert_string_equal(at(f, "next_page_token"), "eyJvZmZzZXQiOiAyfQ==");
    assert_string_equal(
        found(f, "",
              ", |max_results|: 2, |page_token|: |eyJvZmZzZXQiOiAyfQ==|"),
        "a");
    assert_string_equal(found(f, "run_name = 'a'", ""), "a");
    assert_call(f, "POST", AT("delete"),
                about(f, at(f, "runs.0.info.run_id"), ""));
    assert_string_equal(found(f, "", ""), "cb");
    assert_string_equal(found(f, "", ", |run_view_type|: |ALL|"), "cba");
    assert_string_equal(found(f, "", ", |run_view_type|: |DELETED_ONLY|"), "a");
    assert_string_equal(found(f, "", ", |order_by|: [|status SIDEWAYS|]"),
                        "Invalid ordering key in order_by clause 'status "
                        "SIDEWAYS'.");
    assert_string_equal(found(f, "", ", |order_by|: [|status a b|]"),
                        "Invalid order_by clause 'status a b'. Could not be "
                        "parsed.");
    assert_string_equal(found(f, "", ", |max_results|: 50001"),
                        "Invalid value 50001 for parameter 'max_results' "
                        "supplied:  Hint: Value was of type 'int'. See the API "
                        "docs for more information about request parameters.");
    assert_string_equal(found(f, "", ", |max_results|: 0"),
                        "Invalid value 0 for parameter 'max_results' supplied. "
                        "It must be a positive integer");
    assert_call(f, "POST", AT("search"), "{'experiment_ids': ['77']}");
    assert_string_equal(at(f, "runs"), "(none)");
}

static void test_grants(void **state)
{
    static const uint64_t other[] = {5};
    struct mlflow_fixture *f = *state;
    const char *run = make_run(f, "");
    f->grant.experiments = other;
    f->grant.experiment_count = 1;
    assert_int_equal(call(f, "GET", FORMAT(f, AT("get?run_id=%s"), run), NULL),
                     403);
    assert_int_equal(call(f, "POST", AT("set-tag"),
                          about(f, run, ", 'key': 't', 'value': 'v'")),
                     403);
    assert_int_equal(
        call(f, "POST", AT("log-metric"),
             about(f, run, ", 'key': 'f', 'value': 1, 'timestamp': 1")),
        403);
    assert_int_equal(
        call(f, "GET", FORMAT(f, HISTORY "?run_id=%s&metric_key=f", run), NULL),
        403);
    assert_string_equal(found(f, "", ""), "");
    f->grant = tj_grant_all;
    assert_call(f, "GET", FORMAT(f, HISTORY "?run_id=%s&metric_key=f", run),
                NULL);
    assert_string_equal(at(f, "metrics"), "(none)");
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, mlflow_setup, mlflow_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_create_named_by_tag),
        TEST(test_find_refused),
        TEST(test_update),
        TEST(test_metrics),
        TEST(test_history),
        TEST(test_metrics_refused),
        TEST(test_params),
        TEST(test_batch),
        TEST(test_batch_refused),
        TEST(test_too_many_keys),
        TEST(test_too_many_pairs),
        TEST(test_tags),
        TEST(test_long_values_are_cut),
        TEST(test_inputs),
        TEST(test_stages),
        TEST(test_search_filters),
        TEST(test_search_filters_refused),
        TEST(test_search_orders),
        TEST(test_search_views_and_pages),
        TEST(test_grants),
        TEST(test_create_takes_any_tag),
        TEST(test_values_are_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
