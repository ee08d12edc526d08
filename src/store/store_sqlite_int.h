/* store_sqlite_int.h - what the files of the SQLite backend share.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     store_sqlite.c         schema, opening, connections, the table of ops
 *     store_sqlite_write.c   batches to rows and blobs
 *     store_sqlite_group.c   writes of many threads in one transaction
 *     store_sqlite_merge.c   many small pieces to a few large ones
 *     store_sqlite_keep.c    the thread that merges, settles and checkpoints
 *     store_sqlite_read.c    open traces and their texts
 *     store_sqlite_info.c    infos: one, by id; tags
 *     store_sqlite_scan.c    traces by time (store_sqlite_filter.h)
 *     store_sqlite_sketch.c  what a trace cannot contain (sketch.h)
 *     store_sqlite_label.c   assessments and judges
 *     store_sqlite_record.c  experiments and records
 *
 * One connection writes, for whoever leads the queue.  Each reader takes a
 * connection of its own from a small pool for the length of a call, and so
 * sees one state of the database and waits for nobody (WAL).
 * Threads: any; locks guard what their comment says.
 */
#ifndef TJ_STORE_STORE_SQLITE_INT_H
#define TJ_STORE_STORE_SQLITE_INT_H

#include <pthread.h>

#include "base/turns.h"
#include "store/segment.h"
#include "store/sqlite_db.h"
#include "store/store_fold.h"
#include "store/store_ops.h"
#include "text/zstd.h"

/* Level 3 takes a fifth more CPU in the store than 1 and saves 3 % of the
 * room of real traces; merging has the time for better. */
enum { TJ_SQLITE_LEVEL_WRITE = 1, TJ_SQLITE_LEVEL_MERGE = 5 };

/* The blobs of a segment are numbered segment << SHIFT | number: first the
 * blocks of its texts, and from the end the others. */
enum {
    TJ_SQLITE_BLOB_SHIFT = 20,
    TJ_SQLITE_BLOB_ROPES = (1 << 20) - 3,
    TJ_SQLITE_BLOB_FIELDS,
    TJ_SQLITE_BLOB_HEADS,
};

/* What a call borrows. */
struct tj_sqlite_worker {
    struct tj_sqlite_worker *next;
    struct tj_db *db; /* reads; NULL until wanted */
    struct tj_zstd *zstd;
};

/* What a thread wants written (store_sqlite_group.c). */
typedef bool (*tj_sqlite_run)(struct tj_db *db, void *ctx, struct tj_err *err);
struct tj_sqlite_job {
    tj_sqlite_run run;
    void *ctx;
    uint64_t bytes; /* about how much it writes, when it is much */
    bool alone;     /* not in a transaction, and with no other job in one */
};
struct tj_sqlite_queued;
struct tj_sqlite_queue {
    pthread_mutex_t lock; /* guards all of it, and the state of items */
    struct tj_sqlite_queued *head;
    struct tj_sqlite_queued *tail;
    size_t item_count; /* that wait */
    bool led;
    uint64_t job_count; /* since the store was opened */
    uint64_t group_count;
};

/* A trace that the keeper is to look at (store_sqlite_keep.c). */
struct tj_sqlite_noted {
    uint64_t row; /* 0: a free place */
    uint64_t pieces;
    uint64_t due; /* monotonic ns */
};
enum { TJ_SQLITE_NOTED_MAX = 1 << 14 };
struct tj_sqlite_keeper {
    pthread_mutex_t lock; /* guards all of it */
    pthread_cond_t changed;
    pthread_t thread;
    bool started;
    bool stop;
    bool log_is_long;
    bool overflowed;      /* there are stale traces that were not noted */
    bool unsketched;      /* something came since traces were sketched */
    uint64_t sketch_from; /* rows from this one on may have no sketch */
    uint64_t sketch_all;  /* when all rows were looked at last */
    uint64_t last_write;  /* monotonic ns */
    uint64_t sketch_time; /* when that began last */
    size_t noted_count;
    struct tj_sqlite_noted *noted; /* a table hashed by row */
};

struct tj_sqlite {
    struct tj_store front;
    char *path;
    bool read_only;
    struct tj_sqlite_queue queue;
    struct tj_db *writer; /* the leader's; NULL when read_only */
    uint64_t log_due;     /* the leader's: pages at which to checkpoint */
    struct tj_turns packing;
    struct tj_sqlite_keeper keeper;
    pthread_mutex_t idle_lock; /* guards idle */
    struct tj_sqlite_worker *idle;
};

static inline struct tj_sqlite *tj_sqlite_self(struct tj_store *st)
{
    return (struct tj_sqlite *)(void *)st;
}

/* A worker without and with a connection.  give takes NULL. */
struct tj_sqlite_worker *tj_sqlite_take(struct tj_sqlite *s);
struct tj_sqlite_worker *tj_sqlite_take_reader(struct tj_sqlite *s,
                                               struct tj_err *err);
void tj_sqlite_give(struct tj_sqlite *s, struct tj_sqlite_worker *w);

/* Runs a job in a transaction that it may share with jobs of other threads;
 * returns when that is committed, or the job undone. */
bool tj_sqlite_write_job(struct tj_sqlite *s, const struct tj_sqlite_job *job,
                         struct tj_err *err) TJ_MUST_USE;
bool tj_sqlite_write(struct tj_sqlite *s, tj_sqlite_run run, void *ctx,
                     struct tj_err *err) TJ_MUST_USE;
void tj_sqlite_queue_init(struct tj_sqlite_queue *q);
void tj_sqlite_queue_release(struct tj_sqlite_queue *q);

/* -- the keeper (store_sqlite_keep.c) ------------------------------------- */

void tj_sqlite_keeper_init(struct tj_sqlite_keeper *k);
/* Looks at what was noted, for a short time, and ends the thread. */
void tj_sqlite_keeper_release(struct tj_sqlite *s);
/* A batch was stored, of traces of which the first has this row.  rows: spans
 * came for traces that were there, and their infos are stale. */
void tj_sqlite_note(struct tj_sqlite *s, uint64_t first, const uint64_t *rows,
                    size_t count);
/* By the leader after a commit: is a checkpoint due? */
void tj_sqlite_keep_log(struct tj_sqlite *s);

/* Row of a trace; 0: there is none. */
bool tj_sqlite_find_row(struct tj_db *db, tj_trace_id id, uint64_t *out,
                        struct tj_err *err) TJ_MUST_USE;

/* A statement with one value and no result. */
bool tj_sqlite_run_for(struct tj_db *db, const char *sql, uint64_t value,
                       struct tj_err *err) TJ_MUST_USE;

/* -- infos (store_sqlite_info.c) ------------------------------------------ */

/* Which members of an info came from a source; the rest was derived. */
enum {
    TJ_SAID_NAME = 1 << 0,
    TJ_SAID_SESSION = 1 << 1,
    TJ_SAID_USER = 1 << 2,
    TJ_SAID_REQUEST_TIME = 1 << 3,
    TJ_SAID_DURATION = 1 << 4,
    TJ_SAID_STATE = 1 << 5,
    TJ_SAID_REQUEST_PREVIEW = 1 << 6,
    TJ_SAID_RESPONSE_PREVIEW = 1 << 7,
};
enum tj_trace_state tj_sqlite_state_of(uint64_t number);
unsigned tj_sqlite_said_of(const struct tj_trace_info *info);
/* Forgets what was derived. */
void tj_sqlite_keep_said(struct tj_trace_info *info, unsigned said);
/* Puts what was derived in its place; strings of both are borrowed, pairs are
 * those of info. */
struct tj_sqlite_info;
void tj_sqlite_put_derived(struct tj_sqlite_info *info,
                           const struct tj_trace_info *derived,
                           struct tj_arena *a);

struct tj_sqlite_info {
    struct tj_trace_info info; /* pairs too */
    unsigned said;
    bool stale; /* spans came since info was derived */
    tj_time time;
};
bool tj_sqlite_info_find(struct tj_db *db, uint64_t row, struct tj_arena *a,
                         struct tj_sqlite_info *out, struct tj_err *err)
    TJ_MUST_USE;
/* INSERT when info.row is 0 (and sets it), else UPDATE; pairs are added to
 * what is there. */
bool tj_sqlite_info_write(struct tj_db *db, struct tj_sqlite_info *in,
                          const struct tj_trace_info *pairs, struct tj_err *err)
    TJ_MUST_USE;

/* Fills in->experiment_id, which a batch may name; makes what is not there.
 * TJ_E_INPUT when there is none of the id that it says. */
bool tj_sqlite_resolve_experiment(struct tj_db *db, struct tj_trace_info *in,
                                  struct tj_err *err) TJ_MUST_USE;

/* -- packed spans --------------------------------------------------------- */

/* A blob and its size when unpacked. */
struct tj_sqlite_blob {
    tj_str packed;
    size_t size;
};
bool tj_sqlite_pack(struct tj_zstd *z, tj_str bytes, int level,
                    struct tj_arena *a, struct tj_sqlite_blob *out,
                    struct tj_err *err) TJ_MUST_USE;
bool tj_sqlite_insert_blob(struct tj_db *db, uint64_t segment, unsigned number,
                           const struct tj_sqlite_blob *blob,
                           struct tj_err *err) TJ_MUST_USE;
/* Unpacked, in a. */
bool tj_sqlite_read_blob(struct tj_sqlite_worker *w, uint64_t segment,
                         unsigned number, struct tj_arena *a, tj_str *out,
                         struct tj_err *err) TJ_MUST_USE;

/* Spans of one trace, ready to be inserted (store_sqlite_write.c). */
struct tj_sqlite_pack {
    TJ_VEC(struct tj_sqlite_segment_out {
        struct tj_sqlite_blob heads;
        struct tj_sqlite_blob fields;
        size_t span_count;
    })
    segments;
    TJ_VEC(struct tj_sqlite_blob) blocks;
    struct tj_sqlite_blob ropes;
    uint64_t stream_bytes;
};
struct tj_sqlite_spans {
    const struct tj_fold *fold; /* distinct, in tree order, with texts */
    const uint64_t *resources;  /* keys */
    size_t resource_count;
    int level;
};
bool tj_sqlite_pack_spans(const struct tj_sqlite_spans *in, struct tj_zstd *z,
                          struct tj_arena *a, struct tj_sqlite_pack *out,
                          struct tj_err *err) TJ_MUST_USE;
/* first_id: of its segments, when they were reserved; 0: the next ones. */
bool tj_sqlite_insert_pack(struct tj_db *db, uint64_t trace_row,
                           const struct tj_sqlite_pack *pack, uint64_t first_id,
                           struct tj_err *err) TJ_MUST_USE;

/* Rewrites the later pieces of a trace as one when there are many (or any,
 * when asked to): packs them in this thread, then writes
 * (store_sqlite_merge.c). */
enum tj_sqlite_merge_when { TJ_MERGE_MANY, TJ_MERGE_ANY };
bool tj_sqlite_merge(struct tj_sqlite *s, uint64_t trace_row,
                     enum tj_sqlite_merge_when when, struct tj_err *err);
/* Writes down what readers derive from the spans of stale traces, for those
 * that did not change meanwhile. */
bool tj_sqlite_settle(struct tj_sqlite *s, const uint64_t *rows, size_t count,
                      struct tj_err *err);
/* Removes pieces that were replaced over an hour ago. */
bool tj_sqlite_purge(struct tj_sqlite *s, struct tj_err *err);
enum { TJ_SQLITE_PIECES_MAX = 16 };

/* -- reading spans (store_sqlite_read.c) ---------------------------------- */

/* Where an open trace has its spans: trace->impl. */
struct tj_sqlite_trace;

/* Loads the heads of the segments from this one on (0: all) into f, in order
 * of arrival; all of it is in f's arena, which is a. */
struct tj_sqlite_which {
    uint64_t trace_row;
    uint64_t first_segment;
    uint64_t end_segment; /* not this one any more; 0: to the last */
};
bool tj_sqlite_load(struct tj_sqlite_worker *w,
                    const struct tj_sqlite_which *which, struct tj_arena *a,
                    struct tj_sqlite_trace **out, struct tj_fold *f,
                    struct tj_err *err) TJ_MUST_USE;
size_t tj_sqlite_segment_count(const struct tj_sqlite_trace *t);
/* The key of a resource that a loaded span's index means. */
size_t tj_sqlite_resources(const struct tj_sqlite_trace *t,
                           const uint64_t **out);
/* The field table of the span of this origin. */
bool tj_sqlite_load_span(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                         uint64_t origin, struct tj_span *span,
                         struct tj_err *err) TJ_MUST_USE;
bool tj_sqlite_read_text(struct tj_sqlite_trace *t, struct tj_sqlite_worker *w,
                         uint64_t origin, struct tj_payload_range *range,
                         tj_str *out, struct tj_err *err) TJ_MUST_USE;
/* What the spans say of their trace, in a; and the last segment of them. */
bool tj_sqlite_derive(struct tj_sqlite_worker *w, uint64_t trace_row,
                      struct tj_arena *a, struct tj_trace_info *out,
                      uint64_t *last_segment, struct tj_err *err) TJ_MUST_USE;
/* Derives what the sources left open, from the spans as they are now. */
bool tj_sqlite_refresh(struct tj_sqlite_worker *w, struct tj_arena *a,
                       struct tj_sqlite_info *info, struct tj_err *err)
    TJ_MUST_USE;

/* The same; but spans that cannot be read leave the info as it was noted down,
 * so that one damaged trace does not hide all others from a listing. */
bool tj_sqlite_refresh_or_keep(struct tj_sqlite_worker *w, struct tj_arena *a,
                               struct tj_sqlite_info *info, struct tj_err *err)
    TJ_MUST_USE;

/* -- assessments (store_sqlite_label.c) ------------------------------------ */

/* In the transaction that is open, for a trace that is there. */
bool tj_sqlite_put_assessment(struct tj_db *db, uint64_t trace_row,
                              struct tj_assessment *as, struct tj_arena *a,
                              struct tj_err *err) TJ_MUST_USE;

#endif
