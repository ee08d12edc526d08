/* store_sqlite_group.c - writes of many threads in one transaction.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A write is a job: a function that runs statements.  It goes to the end of a
 * queue.  Whoever finds that nobody leads becomes the leader:
 *
 *     take all that is queued, its own job first (bounded)
 *     BEGIN;  SAVEPOINT, job, RELEASE (or ROLLBACK TO);  ...  COMMIT
 *     wake those whose jobs these were; hand over to the head of the queue
 *
 * While the leader waits for the disk the next group gathers, so the slower
 * the disk the more share one wait.  A thread that is alone leads itself and
 * pays for nothing but a lock.
 *  1. No job is done before the commit; if that fails, all of them fail.
 *  2. A job that fails is undone alone.  Should SQLite undo the transaction
 *     (disk full), those that ran in it fail, and those behind them start
 *     another one.
 *  3. A job runs once, in the leader's thread.  It must not write to the
 *     store in another way: the leader would wait for itself.
 * Waiting has no deadline: a job in the queue cannot be taken back, and each
 * leader's time is bounded by its group and by SQLite's busy timeout.
 */
#include "store/store_sqlite_int.h"

/* Of one transaction.  The bytes bound how long others wait behind it, and the
 * write-ahead log; a single larger job is a group of its own.  Larger groups
 * make all clients wait for the same commit and then parse at the same time:
 * with 16 MB two cores stood idle for half of the time, and 64 exporters got
 * 63,000 spans a second through where 3 MB let 95,000. */
enum { GROUP_JOBS_MAX = 256 };
#define GROUP_BYTES_MAX ((uint64_t)3 << 20)

enum job_state { JOB_QUEUED, JOB_LEADS, JOB_DONE };

struct tj_sqlite_queued {
    struct tj_sqlite_queued *next;
    const struct tj_sqlite_job *job;
    struct tj_err *err;
    bool ok;
    enum job_state state; /* guarded by the queue's lock */
    pthread_cond_t changed;
};

/* -- the queue ------------------------------------------------------------ */

void tj_sqlite_queue_init(struct tj_sqlite_queue *q)
{
    *q = (struct tj_sqlite_queue){0};
    (void)pthread_mutex_init(&q->lock, NULL);
}

void tj_sqlite_queue_release(struct tj_sqlite_queue *q)
{
    assert(!q->head && !q->led);
    (void)pthread_mutex_destroy(&q->lock);
}

static void append(struct tj_sqlite_queue *q, struct tj_sqlite_queued *item)
{
    if (q->tail)
        q->tail->next = item;
    else
        q->head = item;
    q->tail = item;
    q->item_count++;
}

/* Cuts a group off the head: at least one. */
static struct tj_sqlite_queued *take_group(struct tj_sqlite_queue *q)
{
    struct tj_sqlite_queued *first = q->head;
    struct tj_sqlite_queued *last = first;
    uint64_t bytes = first->job->bytes;
    size_t n = 1;
    for (; n < GROUP_JOBS_MAX && last->next; n++) {
        const struct tj_sqlite_job *next = last->next->job;
        if (first->job->alone || next->alone ||
            bytes + next->bytes > GROUP_BYTES_MAX)
            break;
        bytes += next->bytes;
        last = last->next;
    }
    q->item_count -= n;
    q->head = last->next;
    if (!q->head)
        q->tail = NULL;
    last->next = NULL;
    return first;
}

/* Marks a group done and makes the next in line the leader. */
static void hand_over(struct tj_sqlite_queue *q, struct tj_sqlite_queued *group,
                      const struct tj_sqlite_queued *own)
{
    while (group) {
        struct tj_sqlite_queued *next = group->next;
        group->state = JOB_DONE;
        /* Once done it may vanish with its thread's stack, but not before
         * the lock is free. */
        if (group != own)
            (void)pthread_cond_signal(&group->changed);
        group = next;
    }
    q->led = q->head != NULL;
    if (q->head) {
        q->head->state = JOB_LEADS;
        (void)pthread_cond_signal(&q->head->changed);
    }
}

/* -- a group -------------------------------------------------------------- */

/* *lost says why, should undoing it alone end the transaction of all. */
static bool run_guarded(struct tj_db *db, struct tj_sqlite_queued *item,
                        struct tj_err *lost)
{
    static const char *const savepoint[] = {"SAVEPOINT job", "RELEASE job",
                                            "ROLLBACK TO job"};
    struct tj_query q = tj_query_open(db, savepoint[0]);
    if (!tj_query_run(&q, item->err))
        return false;
    bool ok = item->job->run(db, item->job->ctx, item->err);
    struct tj_err ignored = {0};
    if (!ok && tj_db_in_transaction(db)) {
        q = tj_query_open(db, savepoint[2]);
        if (!tj_query_run(&q, lost))
            tj_db_rollback(db);
    }
    if (tj_db_in_transaction(db)) {
        q = tj_query_open(db, savepoint[1]);
        ok = tj_query_run(&q, ok ? item->err : &ignored) && ok;
    }
    return ok;
}

/* All from first to before end fail, but for those that did already. */
static void fail_all(struct tj_sqlite_queued *first,
                     const struct tj_sqlite_queued *end,
                     const struct tj_err *err)
{
    for (; first != end; first = first->next) {
        if (first->ok)
            *first->err = *err;
        first->ok = false;
    }
}

/* One transaction of the jobs from first on; returns the first job that is
 * not part of it, NULL when all were. */
static struct tj_sqlite_queued *run_some(struct tj_db *db,
                                         struct tj_sqlite_queued *first)
{
    struct tj_err err = {0};
    bool many = first->next;
    struct tj_sqlite_queued *end = first;
    bool alive = tj_db_begin(db, &err);
    for (; end && alive; end = end->next) {
        end->ok = many ? run_guarded(db, end, &err)
                       : end->job->run(db, end->job->ctx, end->err);
        alive = tj_db_in_transaction(db);
        if (!alive && !end->ok && !err.message[0])
            err = *end->err;
    }
    if (!alive && end == first) { /* not begun: nobody will do better now */
        for (; end; end = end->next)
            end->ok = true;
    }
    if (!alive || (!many && !first->ok) || !tj_db_commit(db, &err)) {
        tj_db_rollback(db);
        fail_all(first, end, &err);
    }
    return end;
}

static void run_group(struct tj_sqlite *s, struct tj_sqlite_queued *group)
{
    if (group->job->alone) {
        group->ok = group->job->run(s->writer, group->job->ctx, group->err);
        return;
    }
    while (group)
        group = run_some(s->writer, group);
}

static void lead(struct tj_sqlite *s, const struct tj_sqlite_queued *own)
{
    struct tj_sqlite_queue *q = &s->queue;
    struct tj_sqlite_queued *group = take_group(q);
    (void)pthread_mutex_unlock(&q->lock);
    run_group(s, group);
    tj_sqlite_keep_log(s);
    (void)pthread_mutex_lock(&q->lock);
    q->group_count += !group->job->alone;
    for (struct tj_sqlite_queued *it = group; it; it = it->next)
        q->job_count += !it->job->alone;
    hand_over(q, group, own);
}

bool tj_sqlite_write_job(struct tj_sqlite *s, const struct tj_sqlite_job *job,
                         struct tj_err *err)
{
    struct tj_sqlite_queue *q = &s->queue;
    struct tj_sqlite_queued item = {.job = job, .err = err};
    if (s->read_only)
        return tj_fail(err, TJ_E_BACKEND, "the store is open for reading only");
    (void)pthread_cond_init(&item.changed, NULL);
    (void)pthread_mutex_lock(&q->lock);
    append(q, &item);
    if (!q->led) {
        q->led = true;
        item.state = JOB_LEADS;
    }
    while (item.state == JOB_QUEUED)
        (void)pthread_cond_wait(&item.changed, &q->lock);
    if (item.state == JOB_LEADS)
        lead(s, &item);
    (void)pthread_mutex_unlock(&q->lock);
    (void)pthread_cond_destroy(&item.changed);
    return item.ok;
}

bool tj_sqlite_write(struct tj_sqlite *s, tj_sqlite_run run, void *ctx,
                     struct tj_err *err)
{
    struct tj_sqlite_job job = {.run = run, .ctx = ctx};
    return tj_sqlite_write_job(s, &job, err);
}
