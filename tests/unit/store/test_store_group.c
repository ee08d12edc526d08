/* test_store_group.c - many writers of one SQLite store, and its keeper.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fixture.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/store_records.h"
#include "store/store_sqlite_int.h"

static char folder[] = "/tmp/tj-group-XXXXXX";
static int file_number;

static struct tj_store *open_store(enum tj_durability durability,
                                   struct tj_arena *a, tj_str *path)
{
    struct tj_err err = {0};
    struct tj_store *st = NULL;
    struct tj_store_options options = {.durability = durability,
                                       .create = true};
    *path = tj_str_printf(a, "%s/%d.db", folder, file_number++);
    assert_ok(tj_store_open(*path, &options, &st, &err), err);
    return st;
}

static struct tj_store_stats stats_of(struct tj_store *st)
{
    struct tj_err err = {0};
    struct tj_store_stats stats;
    assert_ok(tj_store_stats(st, &stats, &err), err);
    return stats;
}

/* -- a leader that waits -------------------------------------------------- */

/* An edit that keeps the transaction open until it is let go. */
struct gate {
    struct tj_store *st;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered;
    bool open;
    bool ok;
    struct tj_err err;
};

static enum tj_edit wait_at(void *context, struct tj_record *r, bool found,
                            struct tj_arena *a, struct tj_err *err)
{
    struct gate *g = context;
    (void)pthread_mutex_lock(&g->lock);
    g->entered = true;
    (void)pthread_cond_broadcast(&g->changed);
    while (!g->open)
        (void)pthread_cond_wait(&g->changed, &g->lock);
    (void)pthread_mutex_unlock(&g->lock);
    r->body = TJ_STR("from the gate");
    return TJ_EDIT_PUT;
}

static void *go_through(void *context)
{
    struct gate *g = context;
    struct tj_arena a = {0};
    g->ok = tj_store_edit_record(g->st, TJ_RECORD_RUN, TJ_STR("gate"), wait_at,
                                 g, &a, &g->err);
    tj_arena_release(&a);
    return NULL;
}

static void shut(struct gate *g, struct tj_store *st)
{
    *g = (struct gate){.st = st};
    (void)pthread_mutex_init(&g->lock, NULL);
    (void)pthread_cond_init(&g->changed, NULL);
    assert_int_equal(pthread_create(&g->thread, NULL, go_through, g), 0);
    (void)pthread_mutex_lock(&g->lock);
    while (!g->entered)
        (void)pthread_cond_wait(&g->changed, &g->lock);
    (void)pthread_mutex_unlock(&g->lock);
}

/* When so many writers stand behind it. */
static void open_behind(struct gate *g, size_t count)
{
    struct tj_sqlite_queue *q = &tj_sqlite_self(g->st)->queue;
    for (size_t n = 0; n < count;) {
        (void)pthread_mutex_lock(&q->lock);
        n = q->item_count;
        (void)pthread_mutex_unlock(&q->lock);
        (void)sched_yield();
    }
    (void)pthread_mutex_lock(&g->lock);
    g->open = true;
    (void)pthread_cond_broadcast(&g->changed);
    (void)pthread_mutex_unlock(&g->lock);
    (void)pthread_join(g->thread, NULL);
    (void)pthread_mutex_destroy(&g->lock);
    (void)pthread_cond_destroy(&g->changed);
    assert_ok(g->ok, g->err);
}

/* -- writers -------------------------------------------------------------- */

struct writer {
    struct tj_store *st;
    bool (*write)(struct writer *w);
    pthread_t thread;
    uint32_t number;
    bool ok;
    struct tj_err err;
};

static void *run_writer(void *context)
{
    struct writer *w = context;
    w->ok = w->write(w);
    return NULL;
}

static void start(struct writer *w, struct tj_store *st, uint32_t number,
                  bool (*write)(struct writer *w))
{
    *w = (struct writer){.st = st, .write = write, .number = number};
    assert_int_equal(pthread_create(&w->thread, NULL, run_writer, w), 0);
}

/* Starts writer n and waits until it stands in line, so that the order of
 * the line is known. */
static void line_up(struct writer *w, struct tj_store *st, uint32_t number,
                    bool (*write)(struct writer *w))
{
    struct tj_sqlite_queue *q = &tj_sqlite_self(st)->queue;
    (void)pthread_mutex_lock(&q->lock);
    size_t before = q->item_count;
    (void)pthread_mutex_unlock(&q->lock);
    start(w, st, number, write);
    for (size_t n = before; n == before;) {
        (void)pthread_mutex_lock(&q->lock);
        n = q->item_count;
        (void)pthread_mutex_unlock(&q->lock);
        (void)sched_yield();
    }
}

static bool write_spans(struct writer *w)
{
    struct tj_arena a = {0};
    struct tj_batch b;
    batch_init(&b, &a);
    for (uint32_t i = 1; i <= 3; i++)
        add_field(add_span(&b, w->number, i, i - 1), "input",
                  noise(&a, 2000, w->number * 10 + i));
    bool ok = tj_store_add_batch(w->st, &b, &w->err);
    tj_arena_release(&a);
    return ok;
}

static bool write_tag(struct writer *w)
{
    return tj_store_set_tag(w->st, trace_id(w->number), TJ_STR("k"),
                            TJ_STR("v"), &w->err);
}

static bool write_label(struct writer *w)
{
    struct tj_arena a = {0};
    struct tj_assessment as = {.trace_id = trace_id(w->number),
                               .name = TJ_STR("n")};
    bool ok = tj_store_add_assessment(w->st, &as, &a, &w->err);
    tj_arena_release(&a);
    return ok;
}

/* Its spans are written before it fails: they must go again. */
static bool write_half(struct writer *w)
{
    struct tj_arena a = {0};
    struct tj_batch b;
    batch_init(&b, &a);
    add_span(&b, w->number, 1, 0);
    *tj_vec_add(&b.assessments, &a) =
        (struct tj_assessment){.trace_id = trace_id(99), .name = TJ_STR("n")};
    bool ok = tj_store_add_batch(w->st, &b, &w->err);
    tj_arena_release(&a);
    return ok;
}

static bool roll_back(struct tj_db *db, void *ctx, struct tj_err *err)
{
    tj_db_rollback(db);
    return tj_fail(err, TJ_E_IO, "the disk is full, say");
}

static bool lose_transaction(struct writer *w)
{
    return tj_sqlite_write(tj_sqlite_self(w->st), roll_back, NULL, &w->err);
}

/* Cannot be undone alone. */
static bool end_savepoint(struct tj_db *db, void *ctx, struct tj_err *err)
{
    return tj_db_run(db, "RELEASE job", err) &&
           tj_fail(err, TJ_E_INPUT, "refused");
}

static bool spoil_savepoint(struct writer *w)
{
    return tj_sqlite_write(tj_sqlite_self(w->st), end_savepoint, NULL, &w->err);
}

static bool break_rule(struct tj_db *db, void *ctx, struct tj_err *err)
{
    return tj_db_run(db,
                     "PRAGMA defer_foreign_keys = ON;"
                     "UPDATE trace SET experiment = 12345",
                     err);
}

/* Goes well, but what it leaves behind cannot be committed. */
static bool spoil_commit(struct writer *w)
{
    return tj_sqlite_write(tj_sqlite_self(w->st), break_rule, NULL, &w->err);
}

static void join_all(struct writer *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(w[i].thread, NULL);
}

static void assert_failed(const struct writer *w, enum tj_code code,
                          const char *part)
{
    assert_false(w->ok);
    assert_int_equal(w->err.code, code);
    if (!strstr(w->err.message, part))
        fail_msg("not \"%s\": %s", part, w->err.message);
}

/* Does what was acknowledged, and no more, hold for the trace of w? */
static void check_spans(const struct writer *w)
{
    struct tj_arena a = {0};
    struct tj_trace t = must_open(w->st, w->number, &a);
    assert_int_equal(t.span_count, w->ok ? 3 : 0);
    for (size_t i = 0; i < t.span_count; i++)
        assert_true(
            tj_str_eq(must_read(&t, i, "input"),
                      noise(&a, 2000, w->number * 10 + (uint32_t)i + 1)));
    tj_arena_release(&a);
}

/* -- sharing -------------------------------------------------------------- */

static void waiting_writers_share_a_commit(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE, &a, &path);
    enum { WRITERS = 20 };
    struct writer w[WRITERS];
    struct gate gate;
    shut(&gate, st);
    for (uint32_t i = 0; i < WRITERS; i++)
        start(&w[i], st, i + 1, write_spans);
    open_behind(&gate, WRITERS);
    join_all(w, WRITERS);
    struct tj_store_stats stats = stats_of(st);
    assert_int_equal(stats.write_count, WRITERS + 1);
    assert_int_equal(stats.commit_count, 2);
    assert_int_equal(stats.span_count, 3 * WRITERS);
    for (uint32_t i = 0; i < WRITERS; i++) {
        assert_true(w[i].ok);
        check_spans(&w[i]);
    }
    tj_store_close(st);
    tj_arena_release(&a);
}

static void a_failing_write_takes_no_other_with_it(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE, &a, &path);
    struct writer w[7];
    struct gate gate;
    shut(&gate, st);
    line_up(&w[0], st, 1, write_spans);
    line_up(&w[1], st, 99, write_tag); /* no such trace */
    line_up(&w[2], st, 1, write_tag);
    line_up(&w[3], st, 98, write_label); /* no such trace */
    line_up(&w[4], st, 1, write_label);
    line_up(&w[5], st, 97, write_half);
    line_up(&w[6], st, 2, write_spans);
    open_behind(&gate, 7);
    join_all(w, 7);
    assert_int_equal(stats_of(st).commit_count, 2);
    for (size_t i = 0; i < 7; i++) {
        bool bad = w[i].number > 90;
        assert_int_equal(w[i].ok, !bad);
        if (bad)
            assert_failed(&w[i], TJ_E_INPUT, "no trace tr-");
    }
    check_spans(&w[0]);
    check_spans(&w[5]);
    check_spans(&w[6]);
    struct tj_trace_info info = must_info(st, 1, &a);
    assert_str_eq(tj_pairs_find(&info.tags, TJ_STR("k")), "v");
    assert_int_equal(stats_of(st).assessment_count, 1);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* When it is called the batch waits, and is not yet there. */
static void note_waiting(void *context)
{
    atomic_uint *calls = context;
    (*calls)++;
}

static atomic_uint waiting;

static bool write_and_tell(struct writer *w)
{
    struct tj_arena a = {0};
    struct tj_batch b;
    batch_init(&b, &a);
    add_span(&b, w->number, 1, 0);
    b.waits = note_waiting;
    b.waits_ctx = &waiting;
    bool ok = tj_store_add_batch(w->st, &b, &w->err);
    tj_arena_release(&a);
    return ok;
}

static void a_batch_tells_that_it_waits(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    struct writer w;
    struct gate gate;
    shut(&gate, st);
    line_up(&w, st, 5, write_and_tell);
    assert_int_equal(waiting, 1);
    struct tj_trace t = must_open(st, 5, &a);
    assert_false(tj_trace_is_open(&t));
    open_behind(&gate, 1);
    join_all(&w, 1);
    assert_true(w.ok);
    assert_int_equal(waiting, 1);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* SQLite undoes a whole transaction when the disk is full. */
static void a_lost_transaction_is_told_to_its_writers(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE, &a, &path);
    struct writer w[5];
    struct gate gate;
    shut(&gate, st);
    line_up(&w[0], st, 1, write_spans);
    line_up(&w[1], st, 2, write_spans);
    line_up(&w[2], st, 0, lose_transaction);
    line_up(&w[3], st, 3, write_spans);
    line_up(&w[4], st, 4, write_spans);
    open_behind(&gate, 5);
    join_all(w, 5);
    for (size_t i = 0; i < 3; i++)
        assert_failed(&w[i], TJ_E_IO, "the disk is full, say");
    for (size_t i = 0; i < 5; i++) {
        if (i != 2)
            check_spans(&w[i]);
    }
    assert_true(w[3].ok && w[4].ok);
    /* And the store goes on. */
    w[0].ok = write_spans(&w[0]);
    assert_true(w[0].ok);
    check_spans(&w[0]);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* What one of them did wrong is not what the others are told. */
static void a_refused_write_is_not_blamed_on_others(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE, &a, &path);
    struct writer w[3];
    struct gate gate;
    shut(&gate, st);
    line_up(&w[0], st, 1, write_spans);
    line_up(&w[1], st, 0, spoil_savepoint);
    line_up(&w[2], st, 2, write_spans);
    open_behind(&gate, 3);
    join_all(w, 3);
    assert_failed(&w[0], TJ_E_BACKEND, "no such savepoint");
    assert_failed(&w[1], TJ_E_INPUT, "refused");
    assert_true(w[2].ok);
    check_spans(&w[0]);
    check_spans(&w[2]);
    tj_store_close(st);
    tj_arena_release(&a);
}

static void a_commit_that_fails_fails_all(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE, &a, &path);
    struct writer w[4];
    struct gate gate;
    shut(&gate, st);
    line_up(&w[0], st, 1, write_spans);
    line_up(&w[1], st, 99, write_tag);
    line_up(&w[2], st, 0, spoil_commit);
    line_up(&w[3], st, 2, write_spans);
    open_behind(&gate, 4);
    join_all(w, 4);
    assert_failed(&w[0], TJ_E_BACKEND, "FOREIGN KEY");
    assert_failed(&w[1], TJ_E_INPUT, "no trace");
    assert_failed(&w[2], TJ_E_BACKEND, "FOREIGN KEY");
    assert_failed(&w[3], TJ_E_BACKEND, "FOREIGN KEY");
    check_spans(&w[0]);
    check_spans(&w[3]);
    w[0].ok = write_spans(&w[0]);
    assert_true(w[0].ok);
    check_spans(&w[0]);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* A group is bounded: what is above goes into the next one. */
static void groups_are_bounded(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    enum { WRITERS = 300 };
    static struct writer w[WRITERS];
    struct gate gate;
    shut(&gate, st);
    for (uint32_t i = 0; i < WRITERS; i++)
        start(&w[i], st, i + 1, write_spans);
    open_behind(&gate, WRITERS);
    join_all(w, WRITERS);
    struct tj_store_stats stats = stats_of(st);
    assert_int_equal(stats.commit_count, 3);
    assert_int_equal(stats.span_count, 3 * WRITERS);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* -- a crowd -------------------------------------------------------------- */

enum { CROWD = 16, CROWD_BATCHES = 25 };

/* Each batch: a new trace, a piece of one that all share, and a bad write. */
static bool write_many(struct writer *w)
{
    bool ok = true;
    for (uint32_t n = 0; ok && n < CROWD_BATCHES; n++) {
        struct tj_arena a = {0};
        struct tj_batch b;
        struct tj_err refused = {0};
        uint32_t own = 1000 * w->number + n;
        batch_init(&b, &a);
        add_field(add_span(&b, own, 1, 0), "input", noise(&a, 300, own));
        add_field(add_span(&b, 1, own, 0), "input", noise(&a, 300, own));
        ok = tj_store_add_batch(w->st, &b, &w->err) &&
             tj_store_set_tag(w->st, trace_id(own), TJ_STR("k"), TJ_STR("v"),
                              &w->err) &&
             !tj_store_set_tag(w->st, trace_id(999999), TJ_STR("k"),
                               TJ_STR("v"), &refused) &&
             refused.code == TJ_E_INPUT;
        tj_arena_release(&a);
    }
    return ok;
}

static bool read_much(struct writer *w)
{
    bool ok = true;
    for (size_t n = 0; ok && n < CROWD_BATCHES; n++) {
        struct tj_arena a = {0};
        struct tj_trace_query q = {.row_max = 20};
        struct tj_trace_page page;
        struct tj_trace t = {0};
        ok = tj_store_search(w->st, &q, &a, &page, &w->err) &&
             tj_store_open_trace(w->st, trace_id(1), &a, &t, &w->err);
        for (size_t i = 0; ok && i < t.span_count; i += 20)
            ok = tj_store_load_fields(&t, i, &w->err);
        tj_arena_release(&a);
    }
    return ok;
}

static void a_crowd_writes_and_reads(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE, &a, &path);
    struct writer w[CROWD + 2];
    for (uint32_t i = 0; i < CROWD + 2; i++)
        start(&w[i], st, i + 1, i < CROWD ? write_many : read_much);
    join_all(w, CROWD + 2);
    for (size_t i = 0; i < CROWD + 2; i++)
        assert_ok(w[i].ok, w[i].err);
    for (int again = 0; again < 2; again++) {
        struct tj_trace t = must_open(st, 1, &a);
        assert_int_equal(t.span_count, CROWD * CROWD_BATCHES);
        for (size_t i = 0; i < t.span_count; i++) {
            const unsigned char *id = t.spans[i].span_id.bytes;
            uint32_t own = (uint32_t)id[5] << 16 | (uint32_t)id[6] << 8 | id[7];
            assert_true(
                tj_str_eq(must_read(&t, i, "input"), noise(&a, 300, own)));
        }
        struct tj_store_stats stats = stats_of(st);
        assert_int_equal(stats.trace_count, CROWD * CROWD_BATCHES + 1);
        if (again == 0)
            assert_true(stats.commit_count < stats.write_count);
        else
            assert_int_equal(stats.span_count, 2 * CROWD * CROWD_BATCHES);
        tj_store_close(st);
        struct tj_err err = {0};
        struct tj_store_options options = {.create = false};
        assert_ok(tj_store_open(path, &options, &st, &err), err);
    }
    tj_store_close(st);
    tj_arena_release(&a);
}

/* -- the keeper ----------------------------------------------------------- */

static uint64_t count_of(tj_str path, const char *sql)
{
    struct tj_err err = {0};
    struct tj_db *db = NULL;
    assert_ok(tj_db_open(path.ptr, TJ_DB_READ, &db, &err), err);
    struct tj_query q = tj_query_open(db, sql);
    assert_int_equal(tj_query_next(&q, &err), TJ_ROW);
    uint64_t n = tj_query_u64(&q, 0);
    tj_query_close(&q);
    tj_db_close(db);
    return n;
}

/* A trace in two pieces: stale until somebody looks at it. */
static void add_pieces(struct tj_store *st, uint32_t trace, uint32_t count)
{
    for (uint32_t i = 1; i <= count; i++) {
        struct tj_arena a = {0};
        struct tj_batch b;
        batch_init(&b, &a);
        struct tj_span *s = add_span(&b, trace, i, i == 1 ? 0 : 1);
        s->usage.input_tokens = 10;
        add_field(s, "input", noise(&a, 50, i));
        must_add(st, &b);
        tj_arena_release(&a);
    }
}

static const char stale_sql[] = "SELECT count(*) FROM trace WHERE stale = 1";

static void wait_until_none(tj_str path, const char *sql)
{
    uint64_t until = tj_mono_ns() + 60 * TJ_NS_PER_SECOND;
    while (count_of(path, sql)) {
        assert_true(tj_mono_ns() < until);
        (void)poll(NULL, 0, 20);
    }
}

static void quiet_traces_are_settled(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    for (uint32_t n = 1; n <= 100; n++)
        add_pieces(st, n, 3);
    add_pieces(st, 200, 40);
    assert_true(count_of(path, stale_sql) > 0);
    wait_until_none(path, stale_sql);
    assert_true(count_of(path, "SELECT count(*) FROM segment WHERE trace ="
                               " 101 AND replaced_time = 0") < 40);
    for (uint32_t n = 1; n <= 100; n++) {
        struct tj_trace_info info = must_info(st, n, &a);
        assert_int_equal(info.span_count, 3);
        assert_int_equal(info.usage.input_tokens, 10);
        assert_int_equal(info.text_bytes, 150);
    }
    struct tj_trace t = must_open(st, 200, &a);
    assert_int_equal(t.span_count, 40);
    for (uint32_t i = 0; i < 40; i++)
        assert_true(tj_str_eq(must_read(&t, i, "input"), noise(&a, 50, i + 1)));
    tj_store_close(st);
    tj_arena_release(&a);
}

/* Every trace with spans gets a sketch when nothing is stored: new ones, an
 * old one with more spans, and one that was there before its first spans. */
static void traces_at_rest_get_sketches(void **state)
{
    struct tj_arena a = {0};
    struct tj_batch b;
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    batch_init(&b, &a);
    for (uint32_t n = 1; n <= 20; n++)
        add_info(&b, n)->name = TJ_STR("early");
    for (uint32_t n = 11; n <= 40; n++)
        add_span(&b, n, 1, 0);
    must_add(st, &b);
    wait_until_none(path, "SELECT 30 - count(*) FROM sketch");
    batch_init(&b, &a);
    add_span(&b, 3, 1, 0);  /* its first */
    add_span(&b, 12, 2, 1); /* one more */
    must_add(st, &b);
    wait_until_none(path, stale_sql);
    wait_until_none(path, "SELECT 31 - count(*) FROM sketch");
    tj_store_close(st);
    tj_arena_release(&a);
}

/* What an earlier process left, and what was noted when the store closes. */
static void nothing_stays_stale(void **state)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    add_pieces(st, 1, 3);
    tj_store_close(st);
    assert_int_equal(count_of(path, stale_sql), 0);
    struct tj_db *db = NULL;
    assert_ok(tj_db_open(path.ptr, TJ_DB_WRITE, &db, &err), err);
    assert_ok(
        tj_db_run(db, "UPDATE trace SET stale = 1, span_count = 77", &err),
        err);
    tj_db_close(db);
    struct tj_store_options options = {.create = false};
    assert_ok(tj_store_open(path, &options, &st, &err), err);
    assert_int_equal(must_info(st, 1, &a).span_count, 3);
    add_pieces(st, 2, 2);
    wait_until_none(path, stale_sql);
    tj_store_close(st);
    assert_int_equal(count_of(path, "SELECT span_count FROM trace LIMIT 1"), 3);
    tj_arena_release(&a);
}

static bool merge_now(struct writer *w)
{
    return tj_sqlite_merge(tj_sqlite_self(w->st), w->number, TJ_MERGE_ANY,
                           &w->err);
}

static bool settle_now(struct writer *w)
{
    uint64_t row = w->number;
    return tj_sqlite_settle(tj_sqlite_self(w->st), &row, 1, &w->err);
}

static bool write_newer(struct writer *w)
{
    struct tj_arena a = {0};
    struct tj_batch b;
    batch_init(&b, &a);
    add_field(add_span(&b, w->number, 1, 0), "input", TJ_STR("newer"));
    add_span(&b, w->number, 3, 1);
    bool ok = tj_store_add_batch(w->st, &b, &w->err);
    tj_arena_release(&a);
    return ok;
}

/* Comes after the merge has reserved its ids and before it has packed. */
static void a_span_that_comes_while_pieces_are_merged_counts(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    add_pieces(st, 1, 2);
    struct writer w[2];
    struct gate gate;
    shut(&gate, st);
    line_up(&w[0], st, 1, merge_now);
    line_up(&w[1], st, 1, write_newer);
    open_behind(&gate, 2);
    join_all(w, 2);
    assert_true(w[0].ok && w[1].ok);
    assert_int_equal(count_of(path, "SELECT count(*) FROM segment"
                                    " WHERE replaced_time > 0"),
                     2);
    struct tj_trace t = must_open(st, 1, &a);
    assert_int_equal(t.span_count, 3);
    assert_str_eq(must_read(&t, 0, "input"), "newer");
    tj_store_close(st);
    tj_arena_release(&a);
}

/* What was derived before a span came must not pass for what is. */
static void a_span_that_comes_while_infos_are_settled_counts(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    add_pieces(st, 1, 2);
    struct writer w[2];
    struct gate gate;
    shut(&gate, st);
    line_up(&w[0], st, 1, write_newer);
    line_up(&w[1], st, 1, settle_now); /* derived without w[0]'s */
    open_behind(&gate, 2);
    join_all(w, 2);
    assert_true(w[0].ok && w[1].ok);
    assert_int_equal(must_info(st, 1, &a).span_count, 3);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* Two merges of the same pieces: one of them is too late. */
static void pieces_are_merged_once(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    add_pieces(st, 1, 4);
    struct writer w[2];
    struct gate gate;
    shut(&gate, st);
    line_up(&w[0], st, 1, merge_now);
    line_up(&w[1], st, 1, merge_now);
    open_behind(&gate, 2);
    join_all(w, 2);
    assert_true(w[0].ok && w[1].ok);
    assert_int_equal(count_of(path, "SELECT sum(span_count) FROM segment"
                                    " WHERE replaced_time = 0"),
                     4);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* Merging while pieces come: a span that comes again meanwhile is the one
 * that counts. */
static bool write_pieces(struct writer *w)
{
    for (uint32_t n = 1; n <= 400; n++) {
        struct tj_arena a = {0};
        struct tj_batch b;
        batch_init(&b, &a);
        add_field(add_span(&b, 1, 1 + n % 20, 0), "input",
                  tj_str_printf(&a, "%u", n));
        bool ok = tj_store_add_batch(w->st, &b, &w->err);
        tj_arena_release(&a);
        if (!ok)
            return false;
    }
    return true;
}

static bool merge_often(struct writer *w)
{
    bool ok = true;
    for (size_t i = 0; ok && i < 30; i++)
        ok = tj_sqlite_merge(tj_sqlite_self(w->st), 1, TJ_MERGE_ANY, &w->err);
    return ok;
}

static void the_last_span_counts_while_pieces_are_merged(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    add_pieces(st, 1, 2);
    struct writer w[3];
    start(&w[0], st, 0, write_pieces);
    start(&w[1], st, 0, merge_often);
    start(&w[2], st, 0, merge_often);
    join_all(w, 3);
    for (size_t i = 0; i < 3; i++)
        assert_ok(w[i].ok, w[i].err);
    struct tj_trace t = must_open(st, 1, &a);
    assert_int_equal(t.span_count, 20);
    for (uint32_t i = 1; i <= 20; i++) {
        int32_t at = tj_trace_find_span(&t, span_id(i));
        assert_true(at >= 0);
        assert_str_eq(
            must_read(&t, (size_t)at, "input"),
            tj_str_printf(&a, "%u", 380 + i - 1 + (i == 1 ? 20 : 0)).ptr);
    }
    tj_store_close(st);
    tj_arena_release(&a);
}

/* The log is taken over while writers go on. */
static bool write_much(struct writer *w)
{
    for (uint32_t n = 0; n < 60; n++) {
        struct tj_arena a = {0};
        struct tj_batch b;
        batch_init(&b, &a);
        uint32_t own = w->number * 1000 + n;
        add_field(add_span(&b, own, 1, 0), "input", noise(&a, 1 << 20, own));
        bool ok = tj_store_add_batch(w->st, &b, &w->err);
        tj_arena_release(&a);
        if (!ok)
            return false;
    }
    return true;
}

static void the_log_does_not_grow_for_ever(void **state)
{
    struct tj_arena a = {0};
    tj_str path;
    struct tj_store *st = open_store(TJ_DURABLE_RELAXED, &a, &path);
    struct writer w[4];
    for (uint32_t i = 0; i < 4; i++)
        start(&w[i], st, i + 1, write_much);
    join_all(w, 4);
    for (size_t i = 0; i < 4; i++)
        assert_ok(w[i].ok, w[i].err);
    struct stat file;
    assert_int_equal(stat(tj_str_printf(&a, "%s-wal", path.ptr).ptr, &file), 0);
    assert_int_equal(stats_of(st).span_count, 240);
    assert_true(stats_of(st).disk_bytes > (uint64_t)190 << 20);
    assert_true(file.st_size < 150 << 20);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* -- running -------------------------------------------------------------- */

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[512];
    DIR *dir = opendir(folder);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        (void)snprintf(path, sizeof path, "%s/%.200s", folder, e->d_name);
        (void)unlink(path);
    }
    (void)closedir(dir);
    (void)rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_writers_share_a_commit),
        cmocka_unit_test(a_failing_write_takes_no_other_with_it),
        cmocka_unit_test(a_batch_tells_that_it_waits),
        cmocka_unit_test(a_lost_transaction_is_told_to_its_writers),
        cmocka_unit_test(a_refused_write_is_not_blamed_on_others),
        cmocka_unit_test(a_commit_that_fails_fails_all),
        cmocka_unit_test(groups_are_bounded),
        cmocka_unit_test(a_crowd_writes_and_reads),
        cmocka_unit_test(quiet_traces_are_settled),
        cmocka_unit_test(traces_at_rest_get_sketches),
        cmocka_unit_test(nothing_stays_stale),
        cmocka_unit_test(a_span_that_comes_while_pieces_are_merged_counts),
        cmocka_unit_test(a_span_that_comes_while_infos_are_settled_counts),
        cmocka_unit_test(pieces_are_merged_once),
        cmocka_unit_test(the_last_span_counts_while_pieces_are_merged),
        cmocka_unit_test(the_log_does_not_grow_for_ever),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
