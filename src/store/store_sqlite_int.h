/* store_sqlite_int.h - what the files of the SQLite backend share.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     store_sqlite.c         schema, opening, connections, the table of ops
 *     store_sqlite_write.c   batches to rows and blobs
 *     store_sqlite_merge.c   many small pieces to a few large ones
 *     store_sqlite_read.c    open traces and their texts
 *     store_sqlite_info.c    infos: one, by id; tags
 *     store_sqlite_scan.c    traces by time (store_sqlite_filter.h)
 *     store_sqlite_sketch.c  what a trace cannot contain (sketch.h)
 *     store_sqlite_label.c   assessments and judges
 *     store_sqlite_record.c  experiments and records
 *
 * One connection writes, under a lock.  Each reader takes a connection of its
 * own from a small pool for the length of a call, and so sees one state of
 * the database and waits for nobody (WAL).
 */
#ifndef TJ_STORE_STORE_SQLITE_INT_H
#define TJ_STORE_STORE_SQLITE_INT_H

#include <pthread.h>

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

struct tj_sqlite {
    struct tj_store front;
    char *path;
    bool read_only;
    pthread_mutex_t write_lock; /* guards writer */
    struct tj_db *writer;       /* NULL when read_only */
    pthread_mutex_t idle_lock;  /* guards idle */
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

/* Runs a job inside a transaction of the writer, and returns when that is
 * committed (or rolled back, when the job failed). */
typedef bool (*tj_sqlite_job)(struct tj_db *db, void *ctx, struct tj_err *err);
bool tj_sqlite_write(struct tj_sqlite *s, tj_sqlite_job job, void *ctx,
                     struct tj_err *err) TJ_MUST_USE;

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
bool tj_sqlite_insert_pack(struct tj_db *db, uint64_t trace_row,
                           const struct tj_sqlite_pack *pack,
                           struct tj_err *err) TJ_MUST_USE;

/* Rewrites the later pieces of a trace as one when there are many (or any,
 * when asked to), in a transaction of its own (store_sqlite_merge.c). */
enum tj_sqlite_merge_when { TJ_MERGE_MANY, TJ_MERGE_ANY };
bool tj_sqlite_merge(struct tj_sqlite *s, uint64_t trace_row,
                     enum tj_sqlite_merge_when when, struct tj_err *err);

/* -- reading spans (store_sqlite_read.c) ---------------------------------- */

/* Where an open trace has its spans: trace->impl. */
struct tj_sqlite_trace;

/* Loads the heads of the segments from this one on (0: all) into f, in order
 * of arrival; all of it is in f's arena, which is a. */
struct tj_sqlite_which {
    uint64_t trace_row;
    uint64_t first_segment;
};
bool tj_sqlite_load(struct tj_sqlite_worker *w,
                    const struct tj_sqlite_which *which, struct tj_arena *a,
                    struct tj_sqlite_trace **out, struct tj_fold *f,
                    struct tj_err *err) TJ_MUST_USE;
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
/* Derives what the sources left open, from the spans as they are now. */
bool tj_sqlite_refresh(struct tj_sqlite_worker *w, struct tj_arena *a,
                       struct tj_sqlite_info *info, struct tj_err *err)
    TJ_MUST_USE;

/* -- ops ------------------------------------------------------------------ */

bool tj_sqlite_add_batch(struct tj_store *st, const struct tj_batch *batch,
                         struct tj_err *err);
bool tj_sqlite_quiesce(struct tj_store *st, struct tj_err *err);
bool tj_sqlite_open_trace(struct tj_store *st, tj_trace_id id,
                          struct tj_trace *out, bool *found,
                          struct tj_err *err);
bool tj_sqlite_load_fields(struct tj_store *st, struct tj_trace *trace,
                           size_t span, struct tj_err *err);
bool tj_sqlite_read_field(struct tj_store *st, struct tj_trace *trace,
                          const struct tj_field_range *range, tj_str *out,
                          struct tj_err *err);
bool tj_sqlite_find_info(struct tj_store *st, tj_trace_id id,
                         struct tj_arena *a, struct tj_trace_info *out,
                         bool *found, struct tj_err *err);
bool tj_sqlite_scan(struct tj_store *st, const struct tj_scan *scan,
                    struct tj_arena *a, struct tj_scan_page *out,
                    struct tj_err *err);
bool tj_sqlite_count(struct tj_store *st, const struct tj_scan *scan,
                     uint64_t *out, struct tj_err *err);
bool tj_sqlite_resolve(struct tj_store *st, const tj_trace_id range[2],
                       tj_trace_id *out, size_t *count, struct tj_err *err);
bool tj_sqlite_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                      struct tj_err *err);
bool tj_sqlite_set_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                       tj_str value, struct tj_err *err);
bool tj_sqlite_delete_trace(struct tj_store *st, tj_trace_id id, bool *existed,
                            struct tj_err *err);
bool tj_sqlite_delete_traces(struct tj_store *st,
                             const struct tj_trace_doomed *doomed,
                             uint64_t *deleted, struct tj_err *err);
bool tj_sqlite_link_traces(struct tj_store *st, const struct tj_trace_ids *ids,
                           tj_str run_id, size_t *linked, struct tj_err *err);
bool tj_sqlite_add_assessment(struct tj_store *st, struct tj_assessment *as,
                              struct tj_arena *a, struct tj_err *err);
bool tj_sqlite_assessments(struct tj_store *st, tj_trace_id id,
                           struct tj_arena *a, struct tj_assessments *out,
                           struct tj_err *err);
bool tj_sqlite_session_assessments(struct tj_store *st,
                                   const struct tj_trace_info *info,
                                   struct tj_arena *a,
                                   struct tj_assessments *out,
                                   struct tj_err *err);
bool tj_sqlite_delete_assessment(struct tj_store *st, tj_trace_id id,
                                 tj_str assessment_id, bool *existed,
                                 struct tj_err *err);
bool tj_sqlite_edit_assessment(struct tj_store *st,
                               struct tj_assessment_change *change,
                               struct tj_err *err);
/* In the transaction that is open, for a trace that is there. */
bool tj_sqlite_put_assessment(struct tj_db *db, uint64_t trace_row,
                              struct tj_assessment *as, struct tj_arena *a,
                              struct tj_err *err) TJ_MUST_USE;
bool tj_sqlite_add_judge(struct tj_store *st, const struct tj_judge_row *in,
                         struct tj_arena *a, struct tj_judge_row *out,
                         struct tj_err *err);
bool tj_sqlite_find_judge(struct tj_store *st, tj_str name, uint32_t version,
                          struct tj_arena *a, struct tj_judge_row *out,
                          struct tj_err *err);
bool tj_sqlite_judges(struct tj_store *st, struct tj_arena *a,
                      struct tj_judge_rows *out, struct tj_err *err);

bool tj_sqlite_add_experiment(struct tj_store *st,
                              const struct tj_experiment *in,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *fresh, struct tj_err *err);
bool tj_sqlite_find_experiment(struct tj_store *st, uint64_t id,
                               struct tj_arena *a, struct tj_experiment *out,
                               bool *found, struct tj_err *err);
bool tj_sqlite_find_experiment_named(struct tj_store *st, tj_str name,
                                     struct tj_arena *a,
                                     struct tj_experiment *out, bool *found,
                                     struct tj_err *err);
bool tj_sqlite_experiments(struct tj_store *st, struct tj_arena *a,
                           struct tj_experiments *out, struct tj_err *err);
bool tj_sqlite_edit_experiment(struct tj_store *st,
                               struct tj_experiment_change *change,
                               struct tj_err *err);
bool tj_sqlite_find_record(struct tj_store *st, const struct tj_record *key,
                           struct tj_arena *a, struct tj_record *out,
                           bool *found, struct tj_err *err);
bool tj_sqlite_edit_records(struct tj_store *st,
                            const struct tj_record_changes *changes,
                            struct tj_err *err);
bool tj_sqlite_records(struct tj_store *st, const struct tj_record_scan *scan,
                       struct tj_arena *a, struct tj_records *out,
                       struct tj_err *err);
bool tj_sqlite_delete_records(struct tj_store *st, enum tj_record_kind kind,
                              tj_str parent, uint64_t *deleted,
                              struct tj_err *err);

#endif
