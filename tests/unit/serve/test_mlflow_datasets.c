/* test_mlflow_datasets.c - evaluation datasets, as a real server has them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts and codes were taken from an MLflow 3.17.2 server.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "base/sha256.h"
#include "mlflow_fixture.h"
#include "text/json_write.h"

#define AT(name) "/api/3.0/mlflow/datasets" name
#define INVALID  "INVALID_PARAMETER_VALUE"
#define MISSING  "RESOURCE_DOES_NOT_EXIST"

/* The text of JSON in JSON: {"key": "<escaped text>"}.  ' stands for ". */
static int send_text(struct mlflow_fixture *f, const char *method,
                     const char *target, const char *key, const char *text)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    char *inner = tj_cstr(&f->arena, tj_str_c(text));
    for (char *c = inner; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    tj_buf_init(&buf, &f->arena, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, key, tj_str_c(inner));
    tj_jw_end(&w);
    return call_raw(f, method, target, tj_buf_str(&buf));
}

static char *path(struct mlflow_fixture *f, const char *id, const char *more)
{
    return FORMAT(f, AT("/%s%s"), id, more);
}

static const char *make(struct mlflow_fixture *f, const char *more)
{
    assert_call(f, "POST", AT("/create"), FORMAT(f, "{'name': 'ds'%s}", more));
    return at(f, "dataset.dataset_id");
}

static void upsert(struct mlflow_fixture *f, const char *id, const char *text,
                   const char *inserted, const char *updated)
{
    if (send_text(f, "POST", path(f, id, "/records"), "records", text) != 200)
        fail_msg("%.*s", TJ_STR_ARG(f->answer.body));
    assert_string_equal(at(f, "inserted_count"), inserted);
    assert_string_equal(at(f, "updated_count"), updated);
}

/* The records of a dataset, in f->json. */
static void load(struct mlflow_fixture *f, const char *id, const char *more)
{
    struct tj_json_doc doc;
    struct tj_err err = {0};
    assert_call(f, "GET", path(f, id, FORMAT(f, "/records%s", more)), NULL);
    assert_ok(tj_json_parse(tj_json_str(tj_json_at(f->json, "records")),
                            &f->arena, &doc, &err),
              err);
    f->json = doc.root;
}

static void test_create(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_int_equal(send_text(f, "POST", AT("/create"), "name", "plain"), 200);
    assert_string_equal(at(f, "dataset.tags"), "{}");
    assert_string_equal(at(f, "dataset.created_by"), "(none)");
    assert_string_equal(at(f, "dataset.schema"), "(none)");
    assert_string_equal(at(f, "dataset.profile"), "(none)");
    assert_string_equal(at(f, "dataset.experiment_ids"), "(none)");
    assert_int_equal(strlen(at(f, "dataset.dataset_id")), 34);
    assert_string_equal(
        at(f, "dataset.digest"),
        FORMAT(f, "%.8s",
               tj_sha256_hex(&f->arena,
                             tj_str_c(FORMAT(f, "plain:%s",
                                             at(f, "dataset.created_time"))))
                   .ptr));
    const char *id = make(f, ", 'experiment_ids': ['0'], 'tags': "
                             "'{\\u0022mlflow.user\\u0022: \\u0022me\\u0022}'");
    assert_string_equal(at(f, "dataset.tags"), "{\"mlflow.user\": \"me\"}");
    assert_string_equal(at(f, "dataset.created_by"), "me");
    assert_string_equal(at(f, "dataset.experiment_ids.0"), "0");
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_string_equal(at(f, "dataset.experiment_ids"), "(none)");
    assert_refused(f, "GET", path(f, "d-nope", ""), NULL, MISSING,
                   "Evaluation dataset with id 'd-nope' not found");
    assert_int_equal(call(f, "POST", AT("/create"), "{}"), 400);
    assert_int_equal(
        call(f, "POST", AT("/create"), "{'name': 'x', 'tags': 'nojson'}"), 400);
}

static void test_upsert(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *id = make(f, "");
    upsert(f, id,
           "[{'inputs': {'q': '\xc3\xa9', 'n': 1.5}, 'expectations': {'a': 1},"
           "  'tags': {'mlflow.user': 'bob', 'b': 2}, 'source': "
           "{'source_type': 'trace', 'source_data': {'trace_id': 'tr-1'}}, "
           "'outputs': {'y': null}},"
           " {'inputs': {'q': 'b'}, 'outputs': {'x': [1]}},"
           " {'inputs': {'q': 'b'}, 'expectations': {'z': true}},"
           " {'inputs': {}},"
           " {'inputs': {'k': {'deep': [1, 2.0]}}, 'outputs': null},"
           " {'inputs': {'m': 1}, 'tags': {}, 'expectations': {}}]",
           "5", "1");
    load(f, id, "");
    assert_int_equal(tj_json_count(f->json), 5);
    assert_string_equal(at(f, "0.inputs.q"), "\xc3\xa9");
    assert_string_equal(at(f, "0.expectations.a"), "1");
    assert_string_equal(at(f, "0.source.source_type"), "TRACE");
    assert_string_equal(at(f, "0.source_id"), "tr-1");
    assert_string_equal(at(f, "0.source_type"), "TRACE");
    assert_string_equal(at(f, "0.created_by"), "bob");
    assert_string_equal(at(f, "0.dataset_id"), id);
    assert_int_equal(strlen(at(f, "0.dataset_record_id")), 35);
    assert_true(tj_json_is_null(tj_json_at(f->json, "0.outputs.y")));
    assert_string_equal(at(f, "1.outputs.x.0"), "1");
    assert_string_equal(at(f, "1.expectations.z"), "true");
    assert_null(tj_json_at(f->json, "2.expectations"));
    assert_true(tj_json_is_object(tj_json_at(f->json, "2.outputs")));
    assert_true(tj_json_is_object(tj_json_at(f->json, "2.tags")));
    assert_null(tj_json_at(f->json, "3.outputs"));
    assert_string_equal(at(f, "3.inputs.k.deep.1"), "2.0");
    assert_true(tj_json_is_object(tj_json_at(f->json, "4.expectations")));
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_string_equal(
        at(f, "dataset.schema"),
        "{\"inputs\": {\"q\": \"string\", \"n\": \"float\", \"k\": \"object\", "
        "\"m\": \"integer\"}, \"outputs\": {\"y\": \"null\", \"x\": "
        "\"array\"}, \"expectations\": {\"a\": \"integer\", \"z\": "
        "\"boolean\"}, \"version\": \"1.0\"}");
    assert_string_equal(at(f, "dataset.profile"), "{\"num_records\": 5}");
    assert_string_equal(at(f, "dataset.last_updated_by"), "bob");
}

/* The same inputs in another order and spelling are the same record. */
static void test_same_inputs(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *id = make(f, "");
    upsert(f, id, "[{'inputs': {'a': 1.50, 'b': '\\u00e9'}, 'outputs': 'one'}]",
           "1", "0");
    upsert(f, id,
           "[{'inputs': {'b': '\xc3\xa9', 'a': 1.5}, 'outputs': 'two', "
           "'expectations': {'e': 1}, 'tags': {'mlflow.user': 'eve'}}]",
           "0", "1");
    upsert(f, id, "[{'inputs': {'b': '\xc3\xa9', 'a': 1.5}}]", "0", "1");
    upsert(f, id, "[{'inputs': {'b': '\xc3\xa9', 'a': 15}}]", "1", "0");
    load(f, id, "");
    assert_int_equal(tj_json_count(f->json), 2);
    assert_string_equal(at(f, "0.outputs"), "two");
    assert_string_equal(at(f, "0.expectations.e"), "1");
    assert_string_equal(at(f, "0.last_updated_by"), "eve");
    assert_null(tj_json_at(f->json, "0.created_by"));
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_string_equal(at(f, "dataset.profile"), "{\"num_records\": 2}");
    assert_string_equal(at(f, "dataset.last_updated_by"), "(none)");
}

/* However often it is merged, a record does not grow by what it has. */
static void test_merged(void **state)
{
    struct mlflow_fixture *f = *state;
    struct tj_record_page page;
    struct tj_err err = {0};
    const struct tj_record_query query = {.kind = TJ_RECORD_DATASET_ROW,
                                          .row_max = 5};
    const char *id = make(f, "");
    upsert(f, id, "[{'inputs': {}, 'expectations': {'a': 1, 'b': 2}}]", "1",
           "0");
    for (int i = 0; i < 3; i++)
        upsert(f, id,
               "[{'inputs': {}, 'expectations': {'c': 3, 'a': 4, 'a': 5}, "
               "'tags': {'t': 'u'}}]",
               "0", "1");
    assert_ok(tj_store_records(f->server.store, &query, &f->arena, &page, &err),
              err);
    assert_str_eq(page.items[0].body,
                  "{\"inputs\":{},\"outputs\":{},\"expectations\":{\"a\":5,"
                  "\"b\":2,\"c\":3},\"tags\":{\"t\":\"u\"}}");
}

/* Many fields: all are kept, and the schema lists so many. */
static void test_many_fields(void **state)
{
    struct mlflow_fixture *f = *state;
    struct tj_buf text;
    const char *id = make(f, "");
    tj_buf_init(&text, &f->arena, SIZE_MAX);
    tj_buf_add(&text, TJ_STR("[{'inputs': {"));
    for (int i = 0; i < 1500; i++)
        tj_buf_fmt(&text, "%s'k%d': 1", i ? "," : "", i);
    tj_buf_add(&text, TJ_STR("}}]"));
    upsert(f, id, tj_cstr(&f->arena, tj_buf_str(&text)), "1", "0");
    load(f, id, "");
    assert_int_equal(count_at(f, "0.inputs"), 1500);
    assert_call(f, "GET", path(f, id, ""), NULL);
    tj_str schema = tj_json_str(tj_json_at(f->json, "dataset.schema"));
    assert_true(tj_str_find(schema, TJ_STR("\"k999\"")) != (size_t)-1);
    assert_true(tj_str_find(schema, TJ_STR("\"k1000\"")) == (size_t)-1);
}

static void test_upsert_refused(void **state)
{
    static const char *const texts[] = {
        "{'a': 1}",
        "[5]",
        "[{'inputs': 5}]",
        "[{'inputs': null}]",
        "[{'inputs': {}, 'expectations': []}]",
        "[{'inputs': {}, 'tags': 'x'}]",
        "[{'inputs': {}, 'source': 'x'}]",
        "nojson",
    };
    struct mlflow_fixture *f = *state;
    const char *id = make(f, "");
    for (size_t i = 0; i < TJ_COUNT(texts); i++) {
        assert_int_equal(
            send_text(f, "POST", path(f, id, "/records"), "records", texts[i]),
            400);
        assert_string_equal(at(f, "error_code"), INVALID);
    }
    assert_int_equal(
        send_text(f, "POST", path(f, id, "/records"), "records",
                  "[{'inputs': {'a': 1}}, {'inputs': {'b': 1}, 'source': "
                  "{'source_type': 'FOO'}}]"),
        400);
    assert_string_equal(at(f, "message"),
                        "Invalid dataset record source type: FOO. Valid source "
                        "types: ['UNSPECIFIED', 'TRACE', 'HUMAN', 'DOCUMENT', "
                        "'CODE']");
    load(f, id, "");
    assert_int_equal(tj_json_count(f->json), 0);
    struct tj_buf text;
    tj_buf_init(&text, &f->arena, SIZE_MAX);
    tj_buf_add(&text, TJ_STR("[{}"));
    for (size_t i = 0; i < TJ_DATASET_UPSERT_MAX; i++)
        tj_buf_add(&text, TJ_STR(",{}"));
    tj_buf_byte(&text, ']');
    assert_int_equal(send_text(f, "POST", path(f, id, "/records"), "records",
                               tj_cstr(&f->arena, tj_buf_str(&text))),
                     400);
    assert_string_equal(at(f, "message"),
                        "one request has at most 100000 records of a dataset");
    /* Nothing is kept of records of a dataset that is not there. */
    assert_int_equal(send_text(f, "POST", path(f, "d-nope", "/records"),
                               "records", "[{'inputs': {'a': 1}}]"),
                     404);
    assert_string_equal(at(f, "message"), "Dataset 'd-nope' not found");
    load(f, "d-nope", "");
    assert_int_equal(tj_json_count(f->json), 0);
}

static void test_pages(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *id = make(f, "");
    upsert(f, id,
           "[{'inputs': {'a': 1}}, {'inputs': {'a': 2}}, {'inputs': "
           "{'a': 3}}]",
           "3", "0");
    assert_call(f, "GET", path(f, id, "/records?max_results=2"), NULL);
    const char *token = at(f, "next_page_token");
    assert_string_not_equal(token, "(none)");
    load(f, id, "?max_results=2");
    assert_string_equal(at(f, "1.inputs.a"), "2");
    load(f, id, FORMAT(f, "?max_results=2&page_token=%s", token));
    assert_int_equal(tj_json_count(f->json), 1);
    assert_string_equal(at(f, "0.inputs.a"), "3");
    assert_int_equal(
        call(f, "GET", path(f, id, "/records?page_token=zzz"), NULL), 400);
}

/* A page ends with its bytes, too; the pages are all of it, in order. */
static void test_large_pages(void **state)
{
    struct mlflow_fixture *f = *state;
    enum { ROWS = 40, ROW_BYTES = 1 << 19 };
    const char *id = make(f, "");
    char *text = calloc(1, ROW_BYTES + 1);
    memset(text, 'x', ROW_BYTES);
    for (int i = 0; i < ROWS; i++)
        upsert(f, id, FORMAT(f, "[{'inputs': {'a': %d, 'b': '%s'}}]", i, text),
               "1", "0");
    free(text);
    const char *token = "";
    int seen = 0;
    int pages = 0;
    do {
        const char *more = FORMAT(f, "?max_results=1000&page_token=%s", token);
        assert_call(f, "GET", path(f, id, FORMAT(f, "/records%s", more)), NULL);
        assert_in_range(f->answer.body.len, 1, 16 << 20);
        token = at(f, "next_page_token");
        load(f, id, more);
        for (size_t i = 0; i < tj_json_count(f->json); i++)
            assert_int_equal(
                strtol(at(f, FORMAT(f, "%zu.inputs.a", i)), NULL, 10), seen++);
        pages++;
    } while (strcmp(token, "(none)") != 0 && pages < ROWS);
    assert_int_equal(seen, ROWS);
    assert_in_range(pages, 2, 4);
}

/* Puts a record into a dataset until there is none. */
struct putter {
    struct mlflow_fixture own;
    const char *target;
    atomic_int puts;
};

static void *put_until_deleted(void *arg)
{
    struct putter *p = arg;
    while (
        call(&p->own, "POST", p->target,
             FORMAT(&p->own, "{'records': '[{\\'inputs\\': {\\'a\\': %d}}]'}",
                    atomic_load(&p->puts))) == 200)
        atomic_fetch_add(&p->puts, 1);
    return NULL;
}

/* Who deletes a dataset while somebody adds to it leaves no records behind. */
static void test_delete_while_put(void **state)
{
    struct mlflow_fixture *f = *state;
    for (int round = 0; round < 100; round++) {
        struct putter p = {.own = {.grant = f->grant}};
        struct tj_record_page page = {0};
        struct tj_err err = {0};
        pthread_t thread;
        const char *id = make(f, "");
        p.own.server.store = f->server.store;
        p.target = path(f, id, "/records");
        assert_int_equal(pthread_create(&thread, NULL, put_until_deleted, &p),
                         0);
        while (atomic_load(&p.puts) < 3)
            (void)sched_yield();
        assert_call(f, "DELETE", path(f, id, ""), NULL);
        assert_int_equal(pthread_join(thread, NULL), 0);
        struct tj_record_query query = {.kind = TJ_RECORD_DATASET_ROW,
                                        .parent = tj_str_c(id),
                                        .row_max = 10};
        assert_ok(
            tj_store_records(f->server.store, &query, &f->arena, &page, &err),
            err);
        assert_int_equal(page.count, 0);
        tj_arena_release(&p.own.arena);
    }
}

static void test_delete_records(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *id = make(f, "");
    upsert(f, id, "[{'inputs': {'a': 1}}, {'inputs': {'a': 2}}]", "2", "0");
    load(f, id, "");
    const char *record = at(f, "0.dataset_record_id");
    const char *other = make(f, "");
    char *ids = FORMAT(f, "{'dataset_record_ids': ['%s', 'dr-nope']}", record);
    assert_call(f, "DELETE", path(f, other, "/records"), ids);
    assert_string_equal(at(f, "deleted_count"), "0");
    assert_call(f, "DELETE", path(f, id, "/records"), ids);
    assert_string_equal(at(f, "deleted_count"), "1");
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_string_equal(at(f, "dataset.profile"), "{\"num_records\": 1}");
    load(f, id, "");
    assert_int_equal(tj_json_count(f->json), 1);
    assert_string_equal(at(f, "0.inputs.a"), "2");
    /* Deleted, and there again. */
    upsert(f, id, "[{'inputs': {'a': 1}}]", "1", "0");
    assert_call(f, "DELETE", path(f, id, ""), "");
    assert_call(f, "DELETE", path(f, id, ""), "");
    assert_int_equal(call(f, "GET", path(f, id, ""), NULL), 404);
    load(f, id, "");
    assert_int_equal(tj_json_count(f->json), 0);
}

static void test_tags(void **state)
{
    struct mlflow_fixture *f = *state;
    const char *id = make(f, "");
    assert_int_equal(send_text(f, "PATCH", path(f, id, "/tags"), "tags",
                               "{'k': 'w', 'z': 5, 'y': null, 't': true}"),
                     200);
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_string_equal(at(f, "dataset.tags"),
                        "{\"k\": \"w\", \"z\": \"5\", \"t\": \"True\"}");
    assert_call(f, "DELETE", path(f, id, "/tags/z"), "");
    assert_call(f, "DELETE", path(f, id, "/tags/z"), "");
    assert_call(f, "DELETE", path(f, "d-nope", "/tags/z"), "");
    assert_call(f, "GET", path(f, id, ""), NULL);
    assert_string_equal(at(f, "dataset.tags"),
                        "{\"k\": \"w\", \"t\": \"True\"}");
    /* The text of an object, not an object: it would be lost. */
    assert_int_equal(call(f, "POST", "/api/3.0/mlflow/datasets/create",
                          "{'name': 'n', 'tags': {'k': 'w'}}"),
                     400);
    assert_int_equal(
        send_text(f, "PATCH", path(f, "d-nope", "/tags"), "tags", "{'k': 'w'}"),
        404);
    assert_string_equal(at(f, "message"),
                        "Could not find evaluation dataset with ID d-nope");
}

static void test_experiments(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", "/api/2.0/mlflow/experiments/create",
                "{'name': 'a'}");
    const char *id = make(f, ", 'experiment_ids': ['0']");
    assert_call(f, "POST", path(f, id, "/add-experiments"),
                "{'experiment_ids': ['1', '0']}");
    assert_string_equal(at(f, "dataset.dataset_id"), id);
    assert_call(f, "GET", path(f, id, "/experiment-ids"), NULL);
    assert_int_equal(count_at(f, "experiment_ids"), 2);
    assert_string_equal(at(f, "experiment_ids.1"), "1");
    assert_call(f, "POST", path(f, id, "/remove-experiments"),
                "{'experiment_ids': ['0', '9']}");
    assert_call(f, "GET", path(f, id, "/experiment-ids"), NULL);
    assert_int_equal(count_at(f, "experiment_ids"), 1);
    assert_int_equal(call(f, "POST", path(f, id, "/add-experiments"),
                          "{'experiment_ids': ['77']}"),
                     404);
    assert_refused(f, "POST", path(f, "d-nope", "/add-experiments"),
                   "{'experiment_ids': ['1']}", MISSING,
                   "Dataset 'd-nope' not found");
    assert_call(f, "GET", path(f, "d-nope", "/experiment-ids"), NULL);
    assert_string_equal(at(f, "experiment_ids"), "(none)");
}

static void test_search(void **state)
{
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", AT("/create"),
                "{'name': 'one', 'experiment_ids': ['0']}");
    assert_call(f, "POST", AT("/create"), "{'name': 'two'}");
    assert_call(f, "POST", AT("/search"),
                "{'experiment_ids': ['0'], 'max_results': 5}");
    assert_int_equal(count_at(f, "datasets"), 1);
    assert_string_equal(at(f, "datasets.0.name"), "one");
    assert_call(f, "GET", AT("/search?order_by=name&max_results=1"), NULL);
    assert_string_equal(at(f, "datasets.0.name"), "one");
    assert_call(f, "POST", AT("/search"),
                "{'order_by': ['name DESC'], 'max_results': 1}");
    assert_string_equal(at(f, "datasets.0.name"), "two");
    assert_string_equal(at(f, "next_page_token"), "eyJvZmZzZXQiOiAxfQ==");
    static const char body[] =
        "{\"filter_string\": \"name IN ('two', 'three')\"}";
    assert_int_equal(call_raw(f, "POST", AT("/search"), tj_str_c(body)), 200);
    assert_int_equal(count_at(f, "datasets"), 1);
    assert_int_equal(call(f, "POST", AT("/search"), "{'max_results': 0}"), 400);
    assert_int_equal(
        call(f, "POST", AT("/search"), "{'filter_string': 'foo = 1'}"), 400);
}

static void test_grants(void **state)
{
    static const uint64_t one[] = {1};
    struct mlflow_fixture *f = *state;
    assert_call(f, "POST", "/api/2.0/mlflow/experiments/create",
                "{'name': 'a'}");
    const char *hidden = make(f, ", 'experiment_ids': ['0']");
    const char *seen = make(f, ", 'experiment_ids': ['0', '1']");
    upsert(f, hidden, "[{'inputs': {'a': 1}}]", "1", "0");
    f->grant.experiments = one;
    f->grant.experiment_count = 1;
    assert_call(f, "GET", path(f, seen, ""), NULL);
    assert_int_equal(call(f, "GET", path(f, hidden, ""), NULL), 403);
    assert_int_equal(call(f, "GET", path(f, hidden, "/records"), NULL), 403);
    assert_int_equal(send_text(f, "POST", path(f, hidden, "/records"),
                               "records", "[{'inputs': {'b': 1}}]"),
                     403);
    assert_int_equal(call(f, "DELETE", path(f, hidden, ""), NULL), 403);
    assert_int_equal(call(f, "POST", path(f, seen, "/remove-experiments"),
                          "{'experiment_ids': ['0']}"),
                     403);
    assert_int_equal(call(f, "POST", AT("/create"), "{'name': 'x'}"), 403);
    assert_call(f, "POST", AT("/search"), "{}");
    assert_int_equal(count_at(f, "datasets"), 1);
    assert_string_equal(at(f, "datasets.0.dataset_id"), seen);
    f->grant = tj_grant_all;
    load(f, hidden, "");
    assert_int_equal(tj_json_count(f->json), 1);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, mlflow_setup, mlflow_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_upsert),
        TEST(test_same_inputs),
        TEST(test_merged),
        TEST(test_many_fields),
        TEST(test_upsert_refused),
        TEST(test_pages),
        TEST(test_large_pages),
        TEST(test_delete_while_put),
        TEST(test_delete_records),
        TEST(test_tags),
        TEST(test_experiments),
        TEST(test_search),
        TEST(test_grants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
