/* test_store_hostile.c - a SQLite store among others, and with damage.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "store/filter.h"
#include "store/sqlite_db.h"

static char folder[] = "/tmp/tj-hostile-XXXXXX";
static int file_number;

static tj_str new_path(struct tj_arena *a)
{
    return tj_str_printf(a, "%s/%d.db", folder, file_number++);
}

static struct tj_store *must_open_store(tj_str path)
{
    struct tj_store *st = NULL;
    struct tj_err err = {0};
    struct tj_store_options options = {.durability = TJ_DURABLE_RELAXED,
                                       .create = true};
    assert_ok(tj_store_open(path, &options, &st, &err), err);
    return st;
}

/* In the file, behind the back of the store. */
static void must_run(tj_str path, const char *sql)
{
    struct tj_err err = {0};
    struct tj_db *db = NULL;
    assert_ok(tj_db_open(path.ptr, TJ_DB_WRITE, &db, &err), err);
    assert_ok(tj_db_run(db, sql, &err), err);
    tj_db_close(db);
}

static uint64_t must_count(tj_str path, const char *sql)
{
    struct tj_err err = {0};
    struct tj_db *db = NULL;
    assert_ok(tj_db_open(path.ptr, TJ_DB_READ, &db, &err), err);
    struct tj_query q = tj_query_open(db, sql);
    assert_int_equal(tj_query_next(&q, &err), TJ_ROW);
    uint64_t count = tj_query_u64(&q, 0);
    tj_query_close(&q);
    tj_db_close(db);
    return count;
}

/* -- starting at once ----------------------------------------------------- */

enum { STARTERS = 4, STARTS = 60 };

struct starter {
    pthread_t thread;
    pthread_barrier_t *together;
    tj_str path;
    bool ok;
    struct tj_err err;
};

static void *open_and_close(void *context)
{
    struct starter *s = context;
    struct tj_store *st = NULL;
    struct tj_store_options options = {.durability = TJ_DURABLE_RELAXED,
                                       .create = true};
    (void)pthread_barrier_wait(s->together);
    s->ok = tj_store_open(s->path, &options, &st, &s->err);
    if (s->ok)
        tj_store_close(st);
    return NULL;
}

/* serve, import and judge of one script, and no file yet. */
static void programs_may_start_at_once(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    pthread_barrier_t together;
    (void)pthread_barrier_init(&together, NULL, STARTERS);
    for (int round = 0; round < STARTS; round++) {
        struct starter all[STARTERS];
        tj_str path = new_path(&a);
        for (size_t i = 0; i < STARTERS; i++) {
            all[i] = (struct starter){.together = &together, .path = path};
            assert_int_equal(
                pthread_create(&all[i].thread, NULL, open_and_close, &all[i]),
                0);
        }
        for (size_t i = 0; i < STARTERS; i++)
            (void)pthread_join(all[i].thread, NULL);
        for (size_t i = 0; i < STARTERS; i++)
            assert_ok(all[i].ok, all[i].err);
    }
    (void)pthread_barrier_destroy(&together);
    tj_arena_release(&a);
}

/* -- while traces go ------------------------------------------------------ */

enum { DELETED = 400 };

struct other {
    pthread_t thread;
    struct tj_store *st;
    atomic_bool done;
    bool ok;
    struct tj_err err;
};

static void *delete_all(void *context)
{
    struct other *d = context;
    d->ok = true;
    for (uint32_t n = DELETED; n > 0; n--) {
        bool existed = false;
        d->ok = d->ok &&
                tj_store_delete_trace(d->st, trace_id(n), &existed, &d->err);
        d->ok = d->ok && existed;
    }
    d->done = true;
    return NULL;
}

/* In two pieces: their infos are derived anew by each reader. */
static void add_pieces(struct tj_store *st, uint32_t count)
{
    struct tj_arena a = {0};
    struct tj_batch b;
    for (uint32_t piece = 1; piece <= 2; piece++) {
        batch_init(&b, &a);
        for (uint32_t n = 1; n <= count; n++)
            add_field(add_span(&b, n, piece, piece - 1), "input",
                      noise(&a, 300, n));
        must_add(st, &b);
    }
    tj_arena_release(&a);
}

/* Whatever is asked, a trace that goes away meanwhile is no error. */
static void traces_go_while_others_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        const char *order;
    } asked[] = {{"", "name"},
                 {"span.content LIKE '%not in it%'", ""},
                 {"NOT span.content LIKE '%not in it%'", "status"}};
    struct tj_arena a = {0};
    for (size_t i = 0; i < TJ_COUNT(asked); i++) {
        struct other d = {.st = must_open_store(new_path(&a))};
        struct tj_order order;
        struct tj_trace_query q = {.row_max = 100, .order = &order};
        struct tj_err err = {0};
        q.order_count = asked[i].order[0] != 0;
        assert_ok(!q.order_count || tj_order_parse(tj_str_c(asked[i].order), &a,
                                                   &order, &err),
                  err);
        assert_ok(
            tj_filter_parse(tj_str_c(asked[i].filter), &a, &q.filter, &err),
            err);
        add_pieces(d.st, DELETED);
        assert_int_equal(pthread_create(&d.thread, NULL, delete_all, &d), 0);
        while (!d.done) {
            struct tj_arena step = {0};
            struct tj_trace_page page;
            struct tj_trace_info info;
            bool found;
            assert_ok(tj_store_search(d.st, &q, &step, &page, &err), err);
            for (uint32_t n = 1; n <= DELETED; n += 7)
                assert_ok(tj_store_find_info(d.st, trace_id(n), &step, &info,
                                             &found, &err),
                          err);
            tj_arena_release(&step);
        }
        (void)pthread_join(d.thread, NULL);
        assert_ok(d.ok, d.err);
        tj_store_close(d.st);
    }
    tj_arena_release(&a);
}

/* -- while traces come ---------------------------------------------------- */

enum { COUNTED = 1500 };

static void *add_judge_traces(void *context)
{
    struct other *d = context;
    d->ok = true;
    for (uint32_t n = 1; d->ok && n <= COUNTED; n++) {
        struct tj_arena a = {0};
        struct tj_batch b;
        batch_init(&b, &a);
        tj_pairs_set(&add_info(&b, n)->tags, &a, TJ_STR(TJ_TAG_SOURCE_SCORER),
                     TJ_STR("judge"));
        d->ok = tj_store_add_batch(d->st, &b, &d->err);
        tj_arena_release(&a);
    }
    d->done = true;
    return NULL;
}

/* Traces that are not counted do not count, however fast they come. */
static void totals_are_of_one_moment(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct other d = {.st = must_open_store(new_path(&a))};
    struct tj_trace_query q = {.row_max = 1};
    assert_int_equal(pthread_create(&d.thread, NULL, add_judge_traces, &d), 0);
    while (!d.done) {
        struct tj_arena step = {0};
        struct tj_trace_page page;
        assert_ok(tj_store_search(d.st, &q, &step, &page, &err), err);
        assert_int_equal(page.total, 0);
        tj_arena_release(&step);
    }
    (void)pthread_join(d.thread, NULL);
    assert_ok(d.ok, d.err);
    tj_store_close(d.st);
    tj_arena_release(&a);
}

/* -- damage --------------------------------------------------------------- */

static size_t must_list(struct tj_store *st, const char *filter,
                        struct tj_arena *a)
{
    static const struct tj_order by_name = {.attribute = TJ_ATTR_NAME};
    struct tj_trace_query q = {.row_max = 10, .order = &by_name};
    struct tj_err err = {0};
    struct tj_trace_page pages[2];
    assert_ok(tj_filter_parse(tj_str_c(filter), a, &q.filter, &err), err);
    for (size_t i = 0; i < 2; i++) {
        q.order_count = i;
        assert_ok(tj_store_search(st, &q, a, &pages[i], &err), err);
    }
    assert_int_equal(pages[0].count, pages[1].count);
    return pages[0].count;
}

/* One that is stale, so that a reader has to look into its spans. */
static void a_damaged_trace_hides_no_other(void **state)
{
    (void)state;
    static const char *const damages[] = {
        "UPDATE blob SET data = x'00' WHERE id >> 20 IN"
        " (SELECT id FROM segment WHERE trace = 2)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 300) INSERT INTO segment(trace, pool, replaced_time,"
        " span_count, stream_bytes, has_ropes)"
        " SELECT 2, 0, 0, 4096, 0, 0 FROM n",
    };
    for (size_t i = 0; i < TJ_COUNT(damages); i++) {
        struct tj_arena a = {0};
        struct tj_err err = {0};
        struct tj_trace t;
        bool existed = false;
        tj_str path = new_path(&a);
        struct tj_store *st = must_open_store(path);
        add_pieces(st, 3);
        must_run(path, damages[i]);
        must_run(path, "UPDATE trace SET stale = 1");
        assert_int_equal(must_list(st, "", &a), 3);
        assert_int_equal(must_list(st, "timestamp_ms > 0", &a), 3);
        assert_false(tj_store_open_trace(st, trace_id(2), &a, &t, &err));
        struct tj_trace_query q = {.row_max = 10};
        struct tj_trace_page page;
        assert_ok(tj_filter_parse(TJ_STR("span.name = 'span 1'"), &a, &q.filter,
                                  &err),
                  err);
        /* What cannot be decided is an error, which says where to look. */
        assert_false(tj_store_search(st, &q, &a, &page, &err));
        assert_non_null(strstr(err.message, "trace tr-00000000000000000000"
                                            "000000000002: "));
        assert_ok(tj_store_delete_trace(st, trace_id(2), &existed, &err), err);
        assert_int_equal(must_list(st, "span.name = 'span 1'", &a), 2);
        tj_store_close(st);
        tj_arena_release(&a);
    }
}

/* -- how many spans ------------------------------------------------------- */

static void a_trace_has_only_so_many_spans(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_batch b;
    tj_str path = new_path(&a);
    struct tj_store *st = must_open_store(path);
    add_pieces(st, 2);
    assert_ok(tj_store_quiesce(st, &err), err); /* the keeper has no say */
    must_run(path, "UPDATE trace SET span_count = 500000 WHERE row = 1");
    must_run(path, "INSERT INTO segment(trace, pool, replaced_time, span_count,"
                   " stream_bytes, has_ropes) VALUES(1, 0, 0, 999997, 0, 0)");
    batch_init(&b, &a);
    add_span(&b, 1, 3, 1);
    must_add(st, &b);
    add_span(&b, 2, 3, 1);
    assert_fails(tj_store_add_batch(st, &b, &err), err, TJ_E_LIMIT,
                 "a trace cannot have over 1000000 spans");
    struct tj_trace t = must_open(st, 2, &a);
    assert_int_equal(t.span_count, 2); /* all of the batch or nothing */
    /* What was replaced by others does not count. */
    must_run(path, "UPDATE segment SET replaced_time = 1"
                   " WHERE span_count = 999997");
    must_add(st, &b);
    t = must_open(st, 2, &a);
    assert_int_equal(t.span_count, 3);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* The same large file imported again and again stays one that can be opened,
 * although there are few pieces. */
static void large_pieces_are_merged_early(void **state)
{
    (void)state;
    enum { SPANS = 90000, TIMES = 3 };
    struct tj_arena a = {0};
    tj_str path = new_path(&a);
    for (int n = 0; n < TIMES; n++) {
        struct tj_arena step = {0};
        struct tj_batch b;
        struct tj_store *st = must_open_store(path);
        batch_init(&b, &step);
        b.spans.items = tj_arena_array(&step, struct tj_span, SPANS);
        b.spans.cap = SPANS;
        for (uint32_t i = 1; i <= SPANS; i++) {
            struct tj_span *s = tj_vec_add(&b.spans, &step);
            *s = (struct tj_span){.trace_id = trace_id(1),
                                  .span_id = span_id(i),
                                  .parent_id = span_id(i > 1),
                                  .name = TJ_STR("x"),
                                  .start = AT_MS(i),
                                  .resource = -1,
                                  .usage = TJ_USAGE_UNKNOWN};
            for (size_t k = 0; k < TJ_NORMAL_COUNT; k++)
                s->source[k] = TJ_NO_FIELD;
        }
        must_add(st, &b);
        tj_store_close(st);
        tj_arena_release(&step);
    }
    assert_int_equal(must_count(path, "SELECT sum(span_count) FROM segment"
                                      " WHERE replaced_time = 0"),
                     SPANS);
    tj_arena_release(&a);
}

/* -- closing -------------------------------------------------------------- */

/* Merging all of this would take a second and more. */
static void closing_waits_for_no_large_work(void **state)
{
    (void)state;
    enum { TRACES = 64, PIECES = 16, BYTES = 200000 };
    struct tj_arena a = {0};
    tj_str path = new_path(&a);
    struct tj_store *st = must_open_store(path);
    for (uint32_t n = 1; n <= PIECES; n++) {
        struct tj_arena step = {0};
        struct tj_batch b;
        batch_init(&b, &step);
        for (uint32_t trace = 1; trace <= TRACES; trace++)
            add_field(add_span(&b, trace, n, 0), "input",
                      noise(&step, BYTES, n * 100 + trace));
        must_add(st, &b);
        tj_arena_release(&step);
    }
    uint64_t begun = tj_mono_ns();
    tj_store_close(st);
    bool quick = tj_mono_ns() - begun < TJ_NS_PER_SECOND * 7 / 10;
    uint64_t left = must_count(path, "SELECT count(*) FROM trace WHERE stale");
    assert_true(quick || left > 0);
    st = must_open_store(path);
    struct tj_trace t = must_open(st, TRACES, &a);
    assert_int_equal(t.span_count, PIECES);
    assert_int_equal(must_info(st, TRACES, &a).span_count, PIECES);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* -- running -------------------------------------------------------------- */

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[128];
    for (int n = 0; n < file_number; n++) {
        for (size_t i = 0; i < TJ_COUNT(ends); i++) {
            (void)snprintf(path, sizeof path, "%s/%d.db%s", folder, n, ends[i]);
            (void)unlink(path);
        }
    }
    (void)rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_may_start_at_once),
        cmocka_unit_test(traces_go_while_others_are_read),
        cmocka_unit_test(totals_are_of_one_moment),
        cmocka_unit_test(a_damaged_trace_hides_no_other),
        cmocka_unit_test(a_trace_has_only_so_many_spans),
        cmocka_unit_test(large_pieces_are_merged_early),
        cmocka_unit_test(closing_waits_for_no_large_work),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
