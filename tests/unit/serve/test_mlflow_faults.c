/* test_mlflow_faults.c - runs, datasets and scorers over a store that fails.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each request is made again and again while the first, second, third ... call
 * to the store fails: the answer is then an error, and trying again gives what
 * it would have given.
 */
#include "mlflow_fixture.h"
#include "store/store_fault.h"

#define V2 "/api/2.0/mlflow"
#define V3 "/api/3.0/mlflow"

/* RUN and SET stand for the id of a run and of a dataset. */
static const struct ask {
    const char *method;
    const char *target;
    const char *body;
} asks[] = {
    {"GET", V2 "/experiments/get?experiment_id=0", NULL},
    {"GET", V2 "/experiments/get-by-name?experiment_name=Default", NULL},
    {"POST", V2 "/experiments/search", "{'max_results': 5}"},
    {"POST", V2 "/experiments/set-experiment-tag",
     "{'experiment_id': '0', 'key': 'k', 'value': 'v'}"},
    {"POST", V2 "/experiments/update",
     "{'experiment_id': '0', 'new_name': 'other'}"},
    {"POST", V2 "/runs/create", "{'experiment_id': '0'}"},
    {"GET", V2 "/runs/get?run_id=RUN", NULL},
    {"POST", V2 "/runs/update", "{'run_id': 'RUN', 'status': 'FINISHED'}"},
    {"POST", V2 "/runs/log-batch",
     "{'run_id': 'RUN', 'metrics': [{'key': 'm', 'value': 1, 'timestamp': 1}], "
     "'params': [{'key': 'p', 'value': 'v'}]}"},
    {"POST", V2 "/runs/log-inputs",
     "{'run_id': 'RUN', 'models': [{'model_id': 'm'}]}"},
    {"POST", V2 "/runs/set-tag", "{'run_id': 'RUN', 'key': 't', 'value': 'v'}"},
    {"POST", V2 "/runs/search", "{'experiment_ids': ['0']}"},
    {"GET", V2 "/metrics/get-history?run_id=RUN&metric_key=m", NULL},
    {"POST", V2 "/logged-models", "{'experiment_id': '0', 'name': 'm'}"},
    {"POST", V2 "/logged-models/search", "{'experiment_ids': ['0']}"},
    {"POST", V3 "/datasets/create", "{'name': 'd', 'experiment_ids': ['0']}"},
    {"GET", V3 "/datasets/SET", NULL},
    {"POST", V3 "/datasets/SET/records",
     "{'records': '[{\\u0022inputs\\u0022: {\\u0022q\\u0022: 1}}]'}"},
    {"GET", V3 "/datasets/SET/records", NULL},
    {"GET", V3 "/datasets/SET/experiment-ids", NULL},
    {"POST", V3 "/datasets/SET/add-experiments", "{'experiment_ids': ['0']}"},
    {"PATCH", V3 "/datasets/SET/tags",
     "{'tags': '{\\u0022a\\u0022: \\u0022b\\u0022}'}"},
    {"POST", V3 "/datasets/search", "{}"},
    {"POST", V3 "/scorers/register",
     "{'experiment_id': '0', 'name': 's', 'serialized_scorer': '{}'}"},
    {"GET", V3 "/scorers/list?experiment_id=0", NULL},
    {"GET", V3 "/scorers/get?experiment_id=0&name=s", NULL},
    {"GET", V3 "/scorers/get?experiment_id=0&name=file", NULL},
    {"GET", V3 "/scorers/versions?experiment_id=0&name=s", NULL},
    {"PUT", V3 "/scorers/online-config",
     "{'experiment_id': '0', 'name': 's', 'sample_rate': 0}"},
    {"GET", V3 "/scorers/online-configs?scorer_ids=x", NULL},
    {"PUT", "/api/2.0/mlflow-artifacts/artifacts/0/RUN/artifacts/a", "x"},
    {"GET", "/api/2.0/mlflow-artifacts/artifacts/0/RUN/artifacts/a", NULL},
    {"GET", "/api/2.0/mlflow-artifacts/artifacts?path=0/RUN/artifacts", NULL},
    {"DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/RUN/artifacts/a", NULL},
    {"DELETE", V3 "/datasets/SET/records", "{'dataset_record_ids': ['x']}"},
    {"POST", V2 "/runs/delete", "{'run_id': 'RUN'}"},
    {"POST", V2 "/runs/restore", "{'run_id': 'RUN'}"},
};

struct faults {
    struct mlflow_fixture *f;
    const char *run;
    const char *set;
};

static struct faults begin(void **state)
{
    struct mlflow_fixture *f = *state;
    struct tj_judge_row row;
    struct tj_err err = {0};
    struct faults x = {.f = f};
    f->server.store = tj_store_fault_new(f->server.store);
    assert_ok(tj_store_add_judge(
                  f->server.store, TJ_STR("file"),
                  TJ_STR("---\nmodel: openai:/gpt-5\n---\nRate {{ trace }}."),
                  &f->arena, &row, &err),
              err);
    assert_call(f, "POST", V2 "/runs/create", "{'experiment_id': '0'}");
    x.run = at(f, "run.info.run_id");
    assert_call(f, "POST", V3 "/datasets/create", "{'name': 'd'}");
    x.set = at(f, "dataset.dataset_id");
    return x;
}

/* text with the ids put in. */
static const char *filled(const struct faults *x, const char *text)
{
    struct tj_buf out;
    tj_buf_init(&out, &x->f->arena, SIZE_MAX);
    for (tj_str rest = tj_str_c(text ? text : ""); rest.len;) {
        bool run = tj_str_starts(rest, TJ_STR("RUN"));
        bool set = tj_str_starts(rest, TJ_STR("SET"));
        if (run || set)
            tj_buf_add(&out, tj_str_c(run ? x->run : x->set));
        else
            tj_buf_byte(&out, rest.ptr[0]);
        rest = tj_str_slice(rest, run || set ? 3 : 1, rest.len);
    }
    return tj_cstr(&x->f->arena, tj_buf_str(&out));
}

/* How many answers were errors; the store's calls are failed one by one. */
static size_t fail_each_call(const struct faults *x, const struct ask *a,
                             enum tj_fault_when when)
{
    struct mlflow_fixture *f = x->f;
    const char *target = filled(x, a->target);
    const char *body = filled(x, a->body);
    size_t failed = 0;
    for (uint64_t n = 1;; n++) {
        assert_true(n < 50);
        tj_store_fault_arm(f->server.store, n, when);
        int status = call(f, a->method, target, body);
        if (status != 200) {
            assert_int_equal(status, 500);
            assert_string_equal(at(f, "error_code"), "INTERNAL_ERROR");
            failed++;
        }
        if (tj_store_fault_calls(f->server.store) < n)
            break;
    }
    if (f->answer.status != 200)
        fail_msg("%s: %.*s", target, TJ_STR_ARG(f->answer.body));
    return failed;
}

static void test_every_failing_call_is_an_error(void **state)
{
    struct faults x = begin(state);
    for (size_t i = 0; i < TJ_COUNT(asks); i++) {
        if (!fail_each_call(&x, &asks[i], TJ_FAULT_BEFORE))
            fail_msg("%s does without its store", asks[i].target);
    }
}

/* A write that happened, though the store could not say so, may come again. */
static void test_uncertain_writes_may_come_again(void **state)
{
    struct faults x = begin(state);
    for (size_t i = 0; i < TJ_COUNT(asks); i++)
        (void)fail_each_call(&x, &asks[i], TJ_FAULT_AFTER);
    tj_store_fault_arm(x.f->server.store, UINT64_MAX, TJ_FAULT_BEFORE);
    assert_call(x.f, "GET",
                filled(&x, V2 "/metrics/get-history?run_id=RUN&metric_key=m"),
                NULL);
    assert_int_equal(count_at(x.f, "metrics"), 1);
    assert_call(x.f, "GET", filled(&x, V3 "/datasets/SET"), NULL);
    assert_string_equal(at(x.f, "dataset.profile"), "{\"num_records\": 1}");
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, mlflow_setup, mlflow_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_failing_call_is_an_error),
        TEST(test_uncertain_writes_may_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
