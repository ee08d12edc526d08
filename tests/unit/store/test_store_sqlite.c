/* test_store_sqlite.c - what the SQLite store promises beyond the family.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "store/sqlite_db.h"
#include "store/store_records.h"

#define SOURCE "TRACEJUDGE_SOURCE"

static char folder[] = "/tmp/tj-sqlite-XXXXXX";
static const struct tj_store_options relaxed = {.durability =
                                                    TJ_DURABLE_RELAXED,
                                                .create = true};
static const struct tj_store_options read_only = {.read_only = true};

static tj_str path_of(struct tj_arena *a, const char *name)
{
    return tj_str_printf(a, "%s/%s", folder, name);
}

static struct tj_store *must_open_store(tj_str path,
                                        const struct tj_store_options *options)
{
    struct tj_store *st = NULL;
    struct tj_err err = {0};
    assert_ok(tj_store_open(path, options, &st, &err), err);
    return st;
}

static struct tj_db *must_open_db(tj_str path)
{
    struct tj_db *db = NULL;
    struct tj_err err = {0};
    assert_ok(tj_db_open(path.ptr, TJ_DB_CREATE, &db, &err), err);
    return db;
}

static void must_run(tj_str path, const char *sql)
{
    struct tj_err err = {0};
    struct tj_db *db = must_open_db(path);
    assert_ok(tj_db_run(db, sql, &err), err);
    tj_db_close(db);
}

/* -- opening -------------------------------------------------------------- */

static void keeps_what_it_was_given(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_batch b;
    tj_str path = path_of(&a, "deep/er/keep.db");
    struct tj_store *st = must_open_store(path, &relaxed);
    batch_init(&b, &a);
    add_field(add_span(&b, 1, 1, 0), "input", TJ_STR("hello"));
    must_add(st, &b);
    tj_store_close(st);
    const struct tj_store_options *ways[] = {&relaxed, &read_only};
    for (size_t i = 0; i < TJ_COUNT(ways); i++) {
        st = must_open_store(path, ways[i]);
        struct tj_trace t = must_open(st, 1, &a);
        assert_str_eq(must_read(&t, 0, "input"), "hello");
        tj_store_close(st);
    }
    st = must_open_store(path, &read_only);
    struct tj_err err;
    assert_fails(tj_store_add_batch(st, &b, &err), err, TJ_E_BACKEND,
                 "for reading only");
    struct tj_store_stats stats;
    assert_true(tj_store_stats(st, &stats, &err));
    assert_int_equal(stats.schema_version, 6);
    assert_true(stats.disk_bytes > 0);
    tj_store_close(st);
    tj_arena_release(&a);
}

static void refuses_what_is_not_its_own(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_store *st = NULL;
    tj_str path = path_of(&a, "text.db");
    tj_str text = noise(&a, 5000, 1);
    assert_ok(tj_file_write(path.ptr, text, &err), err);
    assert_fails(tj_store_open(path, &relaxed, &st, &err), err, TJ_E_BACKEND,
                 "not a database");
    tj_str after;
    assert_ok(tj_file_read(path.ptr, 10000, &a, &after, &err), err);
    assert_true(tj_str_eq(after, text));

    path = path_of(&a, "other.db");
    must_run(path, "CREATE TABLE t(x)");
    assert_fails(tj_store_open(path, &relaxed, &st, &err), err, TJ_E_BACKEND,
                 "another program");

    path = path_of(&a, "newer.db");
    tj_store_close(must_open_store(path, &relaxed));
    must_run(path, "PRAGMA user_version = 999");
    assert_fails(tj_store_open(path, &relaxed, &st, &err), err, TJ_E_BACKEND,
                 "newer tracejudge (schema 999");
    assert_fails(tj_store_open(path, &read_only, &st, &err), err, TJ_E_BACKEND,
                 "newer");

    const struct tj_store_options there = {.create = false};
    assert_fails(tj_store_open(path_of(&a, "none.db"), &there, &st, &err), err,
                 TJ_E_IO, "none.db");
    assert_fails(tj_store_open(path_of(&a, "none.db"), &read_only, &st, &err),
                 err, TJ_E_IO, "none.db");
    assert_fails(tj_store_open(TJ_STR("redis://x"), &relaxed, &st, &err), err,
                 TJ_E_INPUT, "redis://x");
    assert_fails(tj_store_open(TJ_STR(""), &relaxed, &st, &err), err,
                 TJ_E_INPUT, "expected");
    assert_null(st);
    tj_arena_release(&a);
}

/* A file as the first version wrote it: all is there, and the rest works. */
static void old_files_are_brought_up(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str sql;
    tj_str path = path_of(&a, "v1.db");
    tj_str source =
        tj_str_printf(&a, "%s/tests/cases/store_v1.sql", getenv(SOURCE));
    assert_ok(tj_file_read(source.ptr, 1 << 20, &a, &sql, &err), err);
    must_run(path, tj_cstr(&a, sql));
    struct tj_store *st = NULL;
    assert_fails(tj_store_open(path, &read_only, &st, &err), err, TJ_E_BACKEND,
                 "older tracejudge (schema 1)");
    st = must_open_store(path, &relaxed);
    struct tj_trace t = must_open(st, 7, &a);
    assert_int_equal(t.span_count, 2);
    assert_str_eq(must_read(&t, 0, "input"), "what is late?");
    struct tj_trace_info info = must_info(st, 8, &a);
    assert_str_eq(info.experiment, "shop");
    assert_int_equal(info.experiment_id, 1);
    assert_str_eq(tj_pairs_find(&info.tags, TJ_STR("c")), "d");
    struct tj_experiment *list;
    size_t count;
    assert_ok(tj_store_experiments(st, &a, &list, &count, &err), err);
    assert_int_equal(count, 2);
    assert_str_eq(list[1].name, "shop");
    assert_int_equal(list[1].update_time, list[1].create_time);
    assert_int_equal(list[1].tags.count, 0);
    struct tj_experiment in = {.name = TJ_STR("next")};
    struct tj_experiment out;
    bool fresh;
    assert_ok(tj_store_add_experiment(st, &in, &a, &out, &fresh, &err), err);
    assert_int_equal(out.id, 2);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* -- kill -9 -------------------------------------------------------------- */

enum { ROUNDS = 30, BATCH_SPANS = 5 };

/* Writes batch after batch of one growing trace, and tells each number when
 * the store has said yes. */
static void write_until_killed(tj_str path, int ack, uint32_t from)
{
    struct tj_store *st = NULL;
    struct tj_err err = {0};
    if (!tj_store_open(path, &relaxed, &st, &err))
        _exit(3);
    for (uint32_t n = from;; n++) {
        struct tj_arena a = {0};
        struct tj_batch b;
        batch_init(&b, &a);
        for (uint32_t i = 1; i <= BATCH_SPANS; i++)
            add_field(add_span(&b, 1, n * BATCH_SPANS + i, 0), "input",
                      noise(&a, 2000, n));
        if (!tj_store_add_batch(st, &b, &err))
            _exit(4);
        if (write(ack, &n, sizeof n) != sizeof n)
            _exit(5);
        tj_arena_release(&a);
    }
}

static uint32_t run_and_kill(tj_str path, uint32_t from, long wait_us)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        write_until_killed(path, ends[1], from);
    }
    (void)close(ends[1]);
    /* From its first yes on, so that each round kills a writer at work. */
    uint32_t next = from;
    uint32_t n;
    if (read(ends[0], &n, sizeof n) == sizeof n)
        next = n + 1;
    /* Not waiting for anything: the moment of the kill is the test. */
    struct timespec wait = {0, wait_us * 1000};
    (void)nanosleep(&wait, NULL);
    (void)kill(child, SIGKILL);
    while (read(ends[0], &n, sizeof n) == sizeof n)
        next = n + 1;
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(next > from);
    return next;
}

static void an_acknowledged_write_survives_a_kill(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    tj_str path = path_of(&a, "kill.db");
    uint32_t acked = 0;
    for (int round = 0; round < ROUNDS; round++) {
        acked = run_and_kill(path, acked, round * 397 % 6000);
        struct tj_arena step = {0};
        struct tj_store *st = must_open_store(path, &relaxed);
        struct tj_trace t = must_open(st, 1, &step);
        /* What was on its way may be there as well, but whole. */
        assert_true(t.span_count >= (size_t)acked * BATCH_SPANS);
        assert_int_equal(t.span_count % BATCH_SPANS, 0);
        assert_int_equal(t.info.span_count, t.span_count);
        for (size_t i = 0; i < t.span_count; i++) {
            assert_true(
                tj_span_id_eq(t.spans[i].span_id, span_id((uint32_t)i + 1)));
            assert_int_equal(t.spans[i].marks & TJ_MARK_DUPLICATE, 0);
        }
        size_t last = (size_t)acked * BATCH_SPANS - 1;
        assert_true(tj_str_eq(must_read(&t, last, "input"),
                              noise(&step, 2000, acked - 1)));
        tj_store_close(st);
        tj_arena_release(&step);
    }
    tj_arena_release(&a);
}

/* -- threads -------------------------------------------------------------- */

enum { THREAD_BATCHES = 60 };

struct worker {
    pthread_t thread;
    struct tj_store *st;
    uint32_t trace;
    bool ok;
};

/* Ids of experiments count up from 1 as they come; 0 is Default. */
static void searches_experiments(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_batch b;
    struct tj_err err = {0};
    struct tj_store *st = must_open_store(path_of(&a, "experiments"), &relaxed);
    static const char *const names[] = {"", "a", "b"};
    batch_init(&b, &a);
    for (uint32_t n = 1; n <= 30; n++) {
        add_span(&b, n, 1, 0);
        add_info(&b, n)->experiment = tj_str_c(names[n % 3]);
    }
    must_add(st, &b);
    static const uint64_t ids[] = {1, 2};
    for (size_t count = 1; count <= 2; count++) {
        struct tj_trace_query q = {
            .experiments = ids, .experiment_count = count, .row_max = 4};
        uint32_t seen = 0;
        do {
            struct tj_trace_page page = {0};
            assert_ok(tj_store_search(st, &q, &a, &page, &err), err);
            assert_int_equal(page.total, 10 * count);
            for (size_t i = 0; i < page.count; i++, seen++)
                assert_true(tj_str_eq(page.infos[i].experiment, TJ_STR("a")) ||
                            (count == 2 && page.infos[i].experiment.len));
            q.page_token = page.next_page_token;
        } while (q.page_token.len);
        assert_int_equal(seen, 10 * count);
    }
    /* More than SQLite takes values, in both ways. */
    enum { MANY = 60000 };
    uint64_t *many = tj_arena_array(&a, uint64_t, MANY);
    struct tj_buf text;
    tj_buf_init(&text, &a, 65536);
    tj_buf_add(&text, TJ_STR("NOT request_id IN ('a'"));
    while (text.len < 65000)
        tj_buf_add(&text, TJ_STR(",'b'"));
    tj_buf_byte(&text, ')');
    for (uint64_t i = 0; i < MANY; i++)
        many[i] = i;
    struct tj_trace_query q = {
        .experiments = many, .experiment_count = MANY, .row_max = 100};
    struct tj_trace_page page = {0};
    assert_ok(tj_filter_parse(tj_buf_str(&text), &a, &q.filter, &err), err);
    assert_ok(tj_store_search(st, &q, &a, &page, &err), err);
    assert_int_equal(page.count, 30);
    tj_store_close(st);
    tj_arena_release(&a);
}

static void *writer(void *context)
{
    struct worker *w = context;
    struct tj_err err;
    w->ok = true;
    for (uint32_t n = 0; n < THREAD_BATCHES; n++) {
        struct tj_arena a = {0};
        struct tj_batch b;
        batch_init(&b, &a);
        for (uint32_t i = 1; i <= 4; i++)
            add_field(add_span(&b, w->trace, n * 4 + i, 0), "input",
                      noise(&a, 500, w->trace));
        w->ok = w->ok && tj_store_add_batch(w->st, &b, &err);
        tj_arena_release(&a);
    }
    return NULL;
}

static void *reader(void *context)
{
    struct worker *w = context;
    struct tj_err err;
    size_t seen = 0;
    w->ok = true;
    while (w->ok && seen < THREAD_BATCHES * 4) {
        struct tj_arena a = {0};
        struct tj_trace t = {0};
        tj_str text = {0};
        w->ok = tj_store_open_trace(w->st, trace_id(w->trace), &a, &t, &err) &&
                t.span_count >= seen && t.span_count % 4 == 0;
        seen = t.span_count;
        for (size_t i = 0; w->ok && i < seen; i += 7)
            w->ok = tj_store_load_fields(&t, i, &err) &&
                    tj_store_read_field(&t, i, 0, 0, 1000, &text, &err) &&
                    text.len == 500;
        struct tj_trace_query q = {.row_max = 10};
        struct tj_trace_page page;
        w->ok = w->ok && tj_store_search(w->st, &q, &a, &page, &err);
        tj_arena_release(&a);
    }
    return NULL;
}

static void two_write_and_two_read(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_store *st = must_open_store(path_of(&a, "threads.db"), &relaxed);
    struct worker workers[4] = {
        {.st = st, .trace = 1},
        {.st = st, .trace = 2},
        {.st = st, .trace = 1},
        {.st = st, .trace = 2},
    };
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL,
                                        i < 2 ? writer : reader, &workers[i]),
                         0);
    for (size_t i = 0; i < 4; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].ok);
    }
    tj_store_close(st);
    tj_arena_release(&a);
}

/* -- corrupt content ------------------------------------------------------ */

/* Everything that reads; true when nothing failed. */
static bool read_all(struct tj_store *st, struct tj_err *err)
{
    struct tj_arena a = {0};
    struct tj_trace t = {0};
    struct tj_trace_query q = {.row_max = 10};
    struct tj_trace_page page;
    struct tj_assessment *list;
    size_t count;
    bool ok = tj_store_search(st, &q, &a, &page, err) &&
              tj_store_assessments(st, trace_id(1), &a, &list, &count, err) &&
              tj_store_open_trace(st, trace_id(1), &a, &t, err);
    for (size_t i = 0; ok && i < t.span_count; i++) {
        ok = tj_store_load_fields(&t, i, err);
        for (size_t f = 0; ok && f < t.spans[i].field_count; f++) {
            tj_str text;
            ok = tj_store_read_field(&t, i, f, 0, UINT64_MAX, &text, err);
        }
    }
    tj_arena_release(&a);
    return ok;
}

static void corrupt_content_is_an_error(void **state)
{
    (void)state;
    const char *const damages[] = {
        "UPDATE blob SET data = substr(data, 1, length(data) - 3)",
        "UPDATE blob SET data = x'00'",
        "UPDATE blob SET data = randomblob(length(data))",
        "UPDATE blob SET data = zeroblob(length(data))",
        "UPDATE blob SET size = size + 1",
        "UPDATE blob SET size = -1",
        "UPDATE blob SET size = 1 << 62",
        "UPDATE blob SET size = 0 WHERE id & 1048575 > 1000000",
        "UPDATE blob SET size = 0 WHERE id & 1048575 < 1000000",
        "UPDATE blob SET data = (SELECT data FROM blob AS b WHERE b.id ="
        " blob.id + 1), size = (SELECT size FROM blob AS b WHERE b.id ="
        " blob.id + 1) WHERE id & 1048575 = 1048574",
        "DELETE FROM blob WHERE id & 1048575 < 1000000",
        "DELETE FROM blob WHERE id & 1048575 > 1000000",
        "UPDATE segment SET span_count = span_count + 1",
        "UPDATE segment SET span_count = 1 << 40",
        "UPDATE segment SET span_count = -1",
        "UPDATE segment SET stream_bytes = stream_bytes - 1",
        "UPDATE segment SET stream_bytes = 1 << 62",
        "UPDATE segment SET stream_bytes = -1",
        "UPDATE segment SET pool = 99999",
        "UPDATE segment SET has_ropes = 0",
        "UPDATE assessment SET metadata = '{'",
    };
    for (size_t i = 0; i < TJ_COUNT(damages); i++) {
        struct tj_arena a = {0};
        struct tj_batch b;
        struct tj_err err = {0};
        tj_str path = tj_str_printf(&a, "%s/corrupt%zu.db", folder, i);
        struct tj_store *st = must_open_store(path, &relaxed);
        batch_init(&b, &a);
        tj_str text = noise(&a, 20000, 1);
        for (uint32_t n = 1; n <= 20; n++)
            add_field(add_span(&b, 1, n, n / 2), "input",
                      tj_str_printf(&a, "%.*s]", (int)n * 900, text.ptr));
        *tj_vec_add(&b.assessments, &a) = (struct tj_assessment){
            .trace_id = trace_id(1), .name = TJ_STR("n")};
        must_add(st, &b);
        assert_ok(read_all(st, &err), err);
        tj_store_close(st);
        must_run(path, damages[i]);
        st = must_open_store(path, &relaxed);
        if (read_all(st, &err))
            fail_msg("not noticed: %s", damages[i]);
        if (err.code != TJ_E_BACKEND && err.code != TJ_E_LIMIT)
            fail_msg("%s: %s", damages[i], err.message);
        tj_store_close(st);
        tj_arena_release(&a);
    }
}

/* -- room ----------------------------------------------------------------- */

/* An agent's run in 200 pieces takes little more room than in one. */
static void pieces_are_merged(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str text = noise(&a, 200 * 500, 4);
    struct tj_store_stats stats[2];
    for (int way = 0; way < 2; way++) {
        struct tj_batch b;
        tj_str path = path_of(&a, way ? "pieces.db" : "whole.db");
        struct tj_store *st = must_open_store(path, &relaxed);
        batch_init(&b, &a);
        for (uint32_t n = 1; n <= 200; n++) {
            add_field(add_span(&b, 1, n, 0), "input",
                      tj_str_slice(text, 0, n * 500));
            if (way == 0)
                continue;
            must_add(st, &b);
            batch_init(&b, &a);
        }
        if (way == 0)
            must_add(st, &b);
        assert_ok(tj_store_quiesce(st, &err), err);
        tj_store_close(st);
        /* As if an hour had passed. */
        must_run(path, "UPDATE segment SET replaced_time = 1"
                       " WHERE replaced_time > 0");
        st = must_open_store(path, &relaxed);
        assert_ok(tj_store_quiesce(st, &err), err);
        assert_ok(tj_store_stats(st, &stats[way], &err), err);
        assert_ok(read_all(st, &err), err);
        tj_store_close(st);
    }
    assert_int_equal(stats[0].text_bytes, stats[1].text_bytes);
    assert_true(stats[1].disk_bytes < 4 * stats[0].disk_bytes);
    assert_true(stats[0].disk_bytes < 400000);
    tj_arena_release(&a);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static void remove_tree(const char *path, int depth)
{
    char name[512];
    DIR *dir = depth < 5 ? opendir(path) : NULL;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%.200s/%.200s", path, e->d_name);
        remove_tree(name, depth + 1);
        (void)unlink(name);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path);
}

static int remove_folder(void **state)
{
    (void)state;
    remove_tree(folder, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_was_given),
        cmocka_unit_test(refuses_what_is_not_its_own),
        cmocka_unit_test(old_files_are_brought_up),
        cmocka_unit_test(an_acknowledged_write_survives_a_kill),
        cmocka_unit_test(searches_experiments),
        cmocka_unit_test(two_write_and_two_read),
        cmocka_unit_test(corrupt_content_is_an_error),
        cmocka_unit_test(pieces_are_merged),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
