/* store_sqlite_keep.c - the thread that merges, settles and checkpoints.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What need not be done before a write is acknowledged is done here:
 *  1. A trace that got spans after its first ones has a stale info, which each
 *     reader derives anew.  When it was quiet for a second, it is written
 *     down; when it is in many pieces, these are merged.
 *  2. The write-ahead log is taken over into the file: while others write, and
 *     what they added meanwhile between two of their transactions, so that the
 *     log begins anew.  One that grows all the same (a reader that stays, a
 *     disk that is too slow) is taken over by the writers themselves.
 *  3. Once a minute, pieces that were replaced long ago are removed.
 *  4. When nothing was stored for two seconds, traces get their sketches; and
 *     while others write without an end, for three seconds of thirty.  These
 *     are the traces that something came for; what other programs left is
 *     looked for among all of them now and then.
 * Traces are noted in a table of fixed size.  One that finds no place is found
 * again by its stale mark, as those are that an earlier process left.  Nothing
 * here must succeed: it is tried again with the next write.
 *
 * The thread begins with the first note, so that programs that only read, or
 * write once, have none.
 */
#include <stdlib.h>
#include <time.h>

#include "base/heap.h"
#include "store/store_sqlite_sketch.h"

enum {
    TOGETHER = 64,        /* traces looked at in one go */
    SKETCH_TOGETHER = 16, /* these are read whole */
    PROBES = 8,           /* places of the table where a row may be */
    LOG_PAGES = 4096,
    LOG_PAGES_MAX = 16 * LOG_PAGES,
    LOG_REST_PAGES = 512, /* few enough to take while writers wait */
    LOG_ROUNDS = 4,
};
#define QUIET_NS       TJ_NS_PER_SECOND
#define IDLE_NS        (2 * TJ_NS_PER_SECOND)
#define PURGE_NS       (60 * TJ_NS_PER_SECOND)
#define BUSY_EVERY_NS  (30 * TJ_NS_PER_SECOND)
#define BUSY_FOR_NS    (3 * TJ_NS_PER_SECOND)
#define AT_CLOSE_NS    (TJ_NS_PER_SECOND / 4)
#define LOOK_AGAIN_NS  (TJ_NS_PER_SECOND / 4)
#define LOOK_AT_ALL_NS (600 * TJ_NS_PER_SECOND)

/* -- notes ---------------------------------------------------------------- */

void tj_sqlite_keeper_init(struct tj_sqlite_keeper *k)
{
    pthread_condattr_t monotonic;
    (void)pthread_mutex_init(&k->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&k->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    k->overflowed = true; /* what an earlier process left */
    k->sketch_time = tj_mono_ns();
}

static void *keep(void *context);

/* With the lock.  Without a thread things stay as they are: correct, slow. */
static void start(struct tj_sqlite *s)
{
    struct tj_sqlite_keeper *k = &s->keeper;
    if (k->started)
        return;
    k->noted = tj_heap_new(TJ_SQLITE_NOTED_MAX * sizeof *k->noted);
    k->started = pthread_create(&k->thread, NULL, keep, s) == 0;
    if (k->started)
        return;
    tj_heap_free(k->noted);
    k->noted = NULL;
}

/* The place of a row, or a free one for it; NULL: all are taken. */
static struct tj_sqlite_noted *place_of(struct tj_sqlite_keeper *k,
                                        uint64_t row)
{
    uint64_t hash = row * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    struct tj_sqlite_noted *empty = NULL;
    for (size_t i = 0; i < PROBES; i++) {
        struct tj_sqlite_noted *n = &k->noted[(hash + i) % TJ_SQLITE_NOTED_MAX];
        if (n->row == row)
            return n;
        if (n->row == 0 && !empty)
            empty = n;
    }
    return empty;
}

/* True when the thread should look. */
static bool note(struct tj_sqlite_keeper *k, uint64_t row, uint64_t now)
{
    struct tj_sqlite_noted *n = place_of(k, row);
    if (!n) {
        k->overflowed = true;
        return false;
    }
    k->noted_count += n->row == 0;
    n->row = row;
    n->pieces++;
    bool many = n->pieces >= TJ_SQLITE_PIECES_MAX;
    n->due = many ? now : now + QUIET_NS;
    return many || k->noted_count == 1;
}

/* With the lock. */
static void sketch_from(struct tj_sqlite_keeper *k, uint64_t row)
{
    if (row < k->sketch_from)
        k->sketch_from = row;
}

void tj_sqlite_note(struct tj_sqlite *s, uint64_t first, const uint64_t *rows,
                    size_t count)
{
    struct tj_sqlite_keeper *k = &s->keeper;
    uint64_t now = tj_mono_ns();
    bool look = false;
    (void)pthread_mutex_lock(&k->lock);
    start(s);
    look = !k->unsketched; /* from now on it looks at the clock */
    k->unsketched = true;
    sketch_from(k, first);
    k->last_write = now;
    for (size_t i = 0; k->started && i < count; i++)
        look |= note(k, rows[i], now);
    if (look)
        (void)pthread_cond_signal(&k->changed);
    (void)pthread_mutex_unlock(&k->lock);
}

/* Takes what is due out of the table. */
static size_t take_due(struct tj_sqlite_keeper *k, uint64_t now,
                       struct tj_sqlite_noted *out)
{
    size_t count = 0;
    for (size_t i = 0;
         k->noted_count && i < TJ_SQLITE_NOTED_MAX && count < TOGETHER; i++) {
        struct tj_sqlite_noted *n = &k->noted[i];
        if (n->row == 0 || n->due > now)
            continue;
        out[count++] = *n;
        *n = (struct tj_sqlite_noted){0};
        k->noted_count--;
    }
    return count;
}

/* -- traces --------------------------------------------------------------- */

/* The store is being closed, and the time for what is left is over. */
static bool is_late(struct tj_sqlite_keeper *k, uint64_t until)
{
    (void)pthread_mutex_lock(&k->lock);
    bool late = k->stop && tj_mono_ns() >= until;
    (void)pthread_mutex_unlock(&k->lock);
    return late;
}

/* Those that it comes to, until then; the others stay stale, and are found. */
static void look_at(struct tj_sqlite *s, const struct tj_sqlite_noted *noted,
                    size_t count, uint64_t until)
{
    struct tj_err ignored = {0};
    uint64_t rows[TOGETHER];
    size_t done = 0;
    for (; done < count && !is_late(&s->keeper, until); done++) {
        rows[done] = noted[done].row;
        (void)tj_sqlite_merge(s, rows[done], TJ_MERGE_MANY, &ignored);
    }
    if (!done || !tj_sqlite_settle(s, rows, done, &ignored))
        return;
    (void)pthread_mutex_lock(&s->keeper.lock);
    for (size_t i = 0; i < done; i++)
        sketch_from(&s->keeper, rows[i]);
    (void)pthread_mutex_unlock(&s->keeper.lock);
}

/* The next stale traces behind *last that are not noted. */
static size_t find_stale(struct tj_sqlite *s, uint64_t *last,
                         struct tj_sqlite_noted *out)
{
    struct tj_err ignored = {0};
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, &ignored);
    size_t count = 0;
    if (!w)
        return 0;
    struct tj_query q =
        tj_query_open(w->db, "SELECT row FROM trace WHERE stale = 1"
                             " AND row > ? ORDER BY row LIMIT ?");
    tj_query_put_u64(&q, *last);
    tj_query_put_u64(&q, TOGETHER);
    while (tj_query_next(&q, &ignored) == TJ_ROW)
        out[count++] = (struct tj_sqlite_noted){.row = tj_query_u64(&q, 0)};
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    if (count)
        *last = out[count - 1].row;
    return count;
}

/* Those that came meanwhile are done as well, which is early but right. */
static void sweep(struct tj_sqlite *s)
{
    struct tj_sqlite_keeper *k = &s->keeper;
    struct tj_sqlite_noted found[TOGETHER];
    uint64_t last = 0;
    bool stop = false;
    for (size_t n; !stop && (n = find_stale(s, &last, found)) > 0;) {
        look_at(s, found, n, 0);
        (void)pthread_mutex_lock(&k->lock);
        stop = k->stop || k->log_is_long;
        k->overflowed |= stop; /* the rest another time */
        (void)pthread_mutex_unlock(&k->lock);
    }
}

/* -- sketches ------------------------------------------------------------- */

/* Something else is to be done first. */
static bool is_interrupted(struct tj_sqlite_keeper *k)
{
    (void)pthread_mutex_lock(&k->lock);
    uint64_t now = tj_mono_ns();
    bool busy = now - k->last_write < IDLE_NS;
    bool yes = k->stop || k->log_is_long ||
               (busy && now - k->sketch_time > BUSY_FOR_NS);
    k->unsketched |= yes; /* the rest another time */
    (void)pthread_mutex_unlock(&k->lock);
    return yes;
}

/* Those together; false: it is not the traces that are broken.  One alone that
 * cannot be read is passed over, or it would be read after every pause. */
static bool sketch_some(struct tj_sqlite *s, const uint64_t *rows, size_t count)
{
    struct tj_err ignored = {0};
    if (tj_sqlite_sketch(s, rows, count, &ignored))
        return true;
    /* One of them cannot be read: the others, one by one. */
    size_t failed = 0;
    for (size_t i = 0; i < count; i++)
        failed += !tj_sqlite_sketch(s, &rows[i], 1, &ignored);
    return failed < count || count == 1;
}

/* The first row that is to be looked at now. */
static uint64_t take_sketch_from(struct tj_sqlite_keeper *k)
{
    (void)pthread_mutex_lock(&k->lock);
    uint64_t now = tj_mono_ns();
    bool all = now - k->sketch_all >= LOOK_AT_ALL_NS;
    uint64_t from = all ? 0 : k->sketch_from;
    if (from == 0)
        k->sketch_all = now;
    k->sketch_from = UINT64_MAX;
    (void)pthread_mutex_unlock(&k->lock);
    return from;
}

static void sketch(struct tj_sqlite *s)
{
    struct tj_sqlite_keeper *k = &s->keeper;
    struct tj_err ignored = {0};
    struct tj_arena a = {0};
    tj_sqlite_rows rows = {0};
    uint64_t from = take_sketch_from(k);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, &ignored);
    bool ok = w && tj_sqlite_unsketched(w->db, from, &a, &rows, &ignored);
    size_t done = 0;
    tj_sqlite_give(s, w);
    while (ok && done < rows.count && !is_interrupted(k)) {
        size_t n = tj_size_min(rows.count - done, SKETCH_TOGETHER);
        ok = sketch_some(s, rows.items + done, n);
        done += n;
    }
    (void)pthread_mutex_lock(&k->lock);
    if (done < rows.count) /* the rest another time */
        sketch_from(k, rows.items[done]);
    else if (!ok)
        sketch_from(k, from);
    (void)pthread_mutex_unlock(&k->lock);
    tj_arena_release(&a);
}

/* -- the log -------------------------------------------------------------- */

void tj_sqlite_keep_log(struct tj_sqlite *s)
{
    struct tj_sqlite_keeper *k = &s->keeper;
    struct tj_err ignored = {0};
    uint64_t left;
    uint64_t pages = tj_db_log_pages(s->writer);
    if (pages < LOG_PAGES)
        s->log_due = LOG_PAGES;
    if (pages < s->log_due)
        return;
    s->log_due = pages + LOG_PAGES;
    (void)pthread_mutex_lock(&k->lock);
    start(s);
    k->log_is_long = true;
    bool kept = k->started;
    (void)pthread_cond_signal(&k->changed);
    (void)pthread_mutex_unlock(&k->lock);
    if (!kept || pages >= LOG_PAGES_MAX)
        (void)tj_db_checkpoint(s->writer, &left, &ignored);
}

static bool run_checkpoint(struct tj_db *db, void *ctx, struct tj_err *err)
{
    (void)ctx;
    uint64_t left;
    return tj_db_checkpoint(db, &left, err);
}

/* *db is opened on first use. */
static void checkpoint(struct tj_sqlite *s, struct tj_db **db)
{
    static const struct tj_sqlite_job rest = {.run = run_checkpoint,
                                              .alone = true};
    struct tj_err ignored = {0};
    uint64_t left = UINT64_MAX;
    if (!*db && !tj_db_open(s->path, TJ_DB_WRITE, db, &ignored))
        return;
    for (int i = 0; i < LOG_ROUNDS && left > LOG_REST_PAGES; i++) {
        if (!tj_db_checkpoint(*db, &left, &ignored))
            return;
    }
    bool done = tj_sqlite_write_job(s, &rest, &ignored);
    (void)done; /* what is left is taken the next time */
}

/* -- the thread ----------------------------------------------------------- */

static void wait_for_more(struct tj_sqlite_keeper *k)
{
    if (!k->noted_count && !k->unsketched) {
        (void)pthread_cond_wait(&k->changed, &k->lock);
        return;
    }
    uint64_t until = tj_mono_ns() + LOOK_AGAIN_NS;
    struct timespec t = {(time_t)(until / TJ_NS_PER_SECOND),
                         (long)(until % TJ_NS_PER_SECOND)};
    (void)pthread_cond_timedwait(&k->changed, &k->lock, &t);
}

enum task { TASK_NONE, TASK_LOG, TASK_NOTED, TASK_SWEEP, TASK_SKETCH };

/* The most urgent thing that is to be done; with the lock. */
static enum task choose(struct tj_sqlite_keeper *k, struct tj_sqlite_noted *due,
                        size_t *count)
{
    uint64_t now = tj_mono_ns();
    if (k->log_is_long) {
        k->log_is_long = false;
        return TASK_LOG;
    }
    if (k->unsketched && now - k->sketch_time >= BUSY_EVERY_NS) {
        k->sketch_time = now; /* and again when nothing is stored */
        return TASK_SKETCH;
    }
    *count = take_due(k, now, due);
    if (*count)
        return TASK_NOTED;
    if (k->noted_count)
        return TASK_NONE;
    if (k->overflowed) {
        k->overflowed = false;
        return TASK_SWEEP;
    }
    if (k->unsketched && now - k->last_write >= IDLE_NS) {
        k->unsketched = false;
        k->sketch_time = now;
        return TASK_SKETCH;
    }
    return TASK_NONE;
}

/* With the lock, which is free while something is done.  False: there is
 * nothing. */
static bool step(struct tj_sqlite *s, struct tj_db **db)
{
    struct tj_sqlite_keeper *k = &s->keeper;
    struct tj_sqlite_noted due[TOGETHER];
    size_t count = 0;
    enum task task = choose(k, due, &count);
    if (task == TASK_NONE)
        return false;
    (void)pthread_mutex_unlock(&k->lock);
    switch (task) {
    case TASK_NONE: break;
    case TASK_LOG: checkpoint(s, db); break;
    case TASK_NOTED: look_at(s, due, count, 0); break;
    case TASK_SWEEP: sweep(s); break;
    case TASK_SKETCH: sketch(s); break;
    }
    (void)pthread_mutex_lock(&k->lock);
    return true;
}

static void *keep(void *context)
{
    struct tj_sqlite *s = context;
    struct tj_sqlite_keeper *k = &s->keeper;
    struct tj_db *db = NULL;
    struct tj_err ignored = {0};
    uint64_t purged = tj_mono_ns();
    (void)pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        if (step(s, &db))
            continue;
        if (tj_mono_ns() - purged > PURGE_NS) {
            (void)pthread_mutex_unlock(&k->lock);
            (void)tj_sqlite_purge(s, &ignored);
            (void)pthread_mutex_lock(&k->lock);
            purged = tj_mono_ns();
            continue;
        }
        wait_for_more(k);
    }
    (void)pthread_mutex_unlock(&k->lock);
    tj_db_close(db);
    return NULL;
}

void tj_sqlite_keeper_release(struct tj_sqlite *s)
{
    struct tj_sqlite_keeper *k = &s->keeper;
    (void)pthread_mutex_lock(&k->lock);
    k->stop = true;
    (void)pthread_cond_signal(&k->changed);
    (void)pthread_mutex_unlock(&k->lock);
    if (k->started) {
        (void)pthread_join(k->thread, NULL);
        struct tj_sqlite_noted due[TOGETHER];
        uint64_t until = tj_mono_ns() + AT_CLOSE_NS;
        size_t count;
        while (tj_mono_ns() < until &&
               (count = take_due(k, UINT64_MAX, due)) > 0)
            look_at(s, due, count, until);
    }
    tj_heap_free(k->noted);
    (void)pthread_cond_destroy(&k->changed);
    (void)pthread_mutex_destroy(&k->lock);
}
