/* store_sqlite.c - a store in one SQLite file: schema, opening, connections.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     trace       one row a trace: what sources said and what was derived
 *     trace_pair  its metadata (kind 0), tags (kind 1) and runs (kind 2)
 *     segment     a run of its spans: heads and field tables (segment.h)
 *     block       its texts (payload.h), by pool and index; a pool is what
 *                 was written together and is named by its first segment
 *     resource    what OTLP says once for many spans, by hash
 *     assessment, judge, experiment (its rows are marked, never removed)
 *     record      what clients keep beside traces, by kind
 *
 *  1. Spans have no rows of their own.  A row and its index entries take 100
 *     bytes, which is twice what a packed span takes with its texts in real
 *     agent traces; and a batch costs a few inserts instead of thousands.
 *  2. Of two segments with the same span the one with the larger id counts.
 *  3. A segment that was merged into another gets replaced_time and stays
 *     for an hour, for traces that are open.
 *  4. Times and sizes are stored as signed 64-bit numbers of the same bits,
 *     but for trace.time, which is sorted by.
 *  5. Migrations are only ever appended.
 */
#include <string.h>

#include "base/file.h"
#include "base/heap.h"
#include "store/store_sqlite_int.h"
#include "store/store_sqlite_ops.h"

enum {
    APPLICATION_ID = 0x544a6467, /* TJdg */
    LOG_TRIES = 100,
};

/* From version i to i + 1. */
static const char *const migrations[] = {
    "CREATE TABLE experiment("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " create_time INTEGER NOT NULL);"
    "INSERT INTO experiment VALUES(0, 'Default', 0);"
    "CREATE TABLE trace("
    " row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
    " time INTEGER NOT NULL, by_judge INTEGER NOT NULL,"
    " stale INTEGER NOT NULL, said INTEGER NOT NULL,"
    " experiment INTEGER NOT NULL REFERENCES experiment(id),"
    " state INTEGER NOT NULL, request_time INTEGER NOT NULL,"
    " duration INTEGER NOT NULL, span_count INTEGER NOT NULL,"
    " error_count INTEGER NOT NULL, text_bytes INTEGER NOT NULL,"
    " input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,"
    " cache_read_tokens INTEGER NOT NULL,"
    " cache_write_tokens INTEGER NOT NULL,"
    " reasoning_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL,"
    " name TEXT NOT NULL, session TEXT NOT NULL, user TEXT NOT NULL,"
    " client_request_id TEXT NOT NULL, source_id TEXT NOT NULL,"
    " request_preview TEXT NOT NULL, response_preview TEXT NOT NULL);"
    "CREATE INDEX trace_time ON trace(time);"
    "CREATE INDEX trace_by_judge ON trace(row) WHERE by_judge = 1;"
    "CREATE INDEX trace_stale ON trace(row) WHERE stale = 1;"
    "CREATE TABLE trace_pair("
    " trace INTEGER NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL,"
    " value TEXT NOT NULL, PRIMARY KEY(trace, kind, key)) WITHOUT ROWID;"
    "CREATE TABLE segment("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, trace INTEGER NOT NULL,"
    " pool INTEGER NOT NULL, replaced_time INTEGER NOT NULL,"
    " span_count INTEGER NOT NULL, stream_bytes INTEGER NOT NULL,"
    " has_ropes INTEGER NOT NULL);"
    "CREATE INDEX segment_trace ON segment(trace);"
    "CREATE INDEX segment_replaced ON segment(replaced_time)"
    " WHERE replaced_time > 0;"
    "CREATE TABLE blob("
    " id INTEGER PRIMARY KEY, size INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE resource("
    " key INTEGER PRIMARY KEY, text TEXT NOT NULL);"
    "CREATE TABLE assessment("
    " row INTEGER PRIMARY KEY, trace INTEGER NOT NULL, id TEXT NOT NULL,"
    " key TEXT NOT NULL, span_id BLOB NOT NULL, kind INTEGER NOT NULL,"
    " name TEXT NOT NULL, source_type INTEGER NOT NULL,"
    " source_id TEXT NOT NULL, value TEXT NOT NULL,"
    " rationale TEXT NOT NULL, error_code TEXT NOT NULL,"
    " error_message TEXT NOT NULL, error_stack TEXT NOT NULL,"
    " metadata TEXT NOT NULL, create_time INTEGER NOT NULL,"
    " update_time INTEGER NOT NULL, overrides TEXT NOT NULL,"
    " valid INTEGER NOT NULL, UNIQUE(trace, id));"
    "CREATE UNIQUE INDEX assessment_key ON assessment(trace, key)"
    " WHERE key <> '';"
    "CREATE TABLE judge("
    " name TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL,"
    " source TEXT NOT NULL, create_time INTEGER NOT NULL,"
    " PRIMARY KEY(name, version), UNIQUE(name, digest)) WITHOUT ROWID;",
    /* The order of a search. */
    "DROP INDEX trace_time;"
    "CREATE INDEX trace_time ON trace(time DESC, id);"
    "CREATE INDEX trace_experiment ON trace(experiment, time DESC, id);",

    /* Experiments with all that clients say of them; records. */
    "ALTER TABLE experiment ADD COLUMN"
    " artifact_location TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE experiment ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE experiment ADD COLUMN"
    " update_time INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE experiment ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';"
    "UPDATE experiment SET create_time ="
    " CAST(strftime('%s', 'now') AS INTEGER) * 1000000000"
    " WHERE create_time = 0;" /* Default's */
    "UPDATE experiment SET update_time = create_time;"
    "CREATE TABLE record("
    " row INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL,"
    " id TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL,"
    " create_time INTEGER NOT NULL, update_time INTEGER NOT NULL,"
    " body BLOB NOT NULL, UNIQUE(kind, id));"
    "CREATE INDEX record_time ON record(kind, create_time);"
    "CREATE INDEX record_parent ON record(kind, parent, create_time);"
    "CREATE INDEX record_name ON record(kind, name, create_time);",
    /* What a search would else have to read. */
    "CREATE TABLE sketch("
    " trace INTEGER PRIMARY KEY REFERENCES trace(row) ON DELETE CASCADE,"
    " bits BLOB NOT NULL);"
    "CREATE INDEX trace_session ON trace(session) WHERE session <> '';"
    "CREATE INDEX assessment_session ON assessment(name)"
    " WHERE instr(metadata, '\"mlflow.trace.session\":') > 0;",

    /* What most searches look at, beside what orders them; and the pairs that
     * they ask for (store_sqlite_filter.c knows these words). */
    "DROP INDEX trace_time;"
    "CREATE INDEX trace_time ON"
    " trace(time DESC, id, by_judge, stale, experiment, state, duration);"
    "DROP INDEX trace_experiment;"
    "CREATE INDEX trace_experiment ON"
    " trace(experiment, time DESC, id, by_judge, stale, state, duration);"
    "CREATE INDEX trace_source ON trace(source_id) WHERE source_id <> '';"
    "CREATE INDEX assessment_name ON assessment(name, kind);"
    "CREATE INDEX trace_pair_value ON trace_pair(key, value, kind)"
    " WHERE (key NOT GLOB 'mlflow.*' OR key IN ('mlflow.sourceRun',"
    " 'mlflow.trace.session', 'mlflow.modelId')) AND length(value) <= 64;",

    /* Traces come in the order of time: at the end of an index, not at its
     * beginning, its pages are full. */
    "DROP INDEX trace_time;"
    "CREATE INDEX trace_time ON"
    " trace(time, id DESC, by_judge, stale, experiment, state, duration);"
    "DROP INDEX trace_experiment;"
    "CREATE INDEX trace_experiment ON"
    " trace(experiment, time, id DESC, by_judge, stale, state, duration);",
};

/* -- the file ------------------------------------------------------------- */

static bool find_number(struct tj_db *db, const char *sql, uint64_t *out,
                        struct tj_err *err)
{
    struct tj_query q = tj_query_open(db, sql);
    enum tj_step step = tj_query_next(&q, err);
    if (step == TJ_ROW)
        *out = tj_query_u64(&q, 0);
    tj_query_close(&q);
    return step != TJ_FAILED;
}

struct file_kind {
    uint64_t application;
    uint64_t version;
    uint64_t tables;
};

/* As of one moment: another program may be making the file just now. */
static bool find_kind(struct tj_db *db, struct file_kind *out,
                      struct tj_err *err)
{
    bool within = tj_db_in_transaction(db);
    bool ok =
        (within || tj_db_run(db, "BEGIN", err)) &&
        find_number(db, "PRAGMA application_id", &out->application, err) &&
        find_number(db, "PRAGMA user_version", &out->version, err) &&
        find_number(db, "SELECT count(*) FROM sqlite_schema", &out->tables,
                    err);
    if (!within)
        tj_db_rollback(db);
    return ok;
}

/* Ours, or empty; and not newer than this program. */
static bool check_file(struct tj_db *db, uint64_t *version, struct tj_err *err)
{
    struct file_kind kind = {0};
    *version = 0;
    if (!find_kind(db, &kind, err))
        return false;
    if (kind.application != APPLICATION_ID && (kind.application || kind.tables))
        return tj_fail(err, TJ_E_BACKEND,
                       "a database of another program, not of tracejudge");
    if (kind.version > TJ_COUNT(migrations))
        return tj_fail(err, TJ_E_BACKEND,
                       "written by a newer tracejudge (schema %llu, this one "
                       "knows %zu)",
                       (unsigned long long)kind.version, TJ_COUNT(migrations));
    *version = kind.version;
    return true;
}

static bool migrate(struct tj_db *db, uint64_t from, struct tj_err *err)
{
    struct tj_arena a = {0};
    bool ok = true;
    for (uint64_t i = from; ok && i < TJ_COUNT(migrations); i++)
        ok = tj_db_run(db, migrations[i], err);
    tj_str stamp = tj_str_printf(
        &a, "PRAGMA application_id = %d; PRAGMA user_version = %zu",
        APPLICATION_ID, TJ_COUNT(migrations));
    ok = ok && tj_db_run(db, stamp.ptr, err);
    tj_arena_release(&a);
    return ok;
}

/* Under the write lock, so that of two programs that start at once one
 * migrates and the other finds it done. */
static bool prepare_schema(struct tj_db *db, struct tj_err *err)
{
    uint64_t version = 0;
    if (!check_file(db, &version, err))
        return false;
    if (version == TJ_COUNT(migrations))
        return true;
    bool ok = tj_db_begin(db, err) && check_file(db, &version, err) &&
              migrate(db, version, err) && tj_db_commit(db, err);
    if (!ok)
        tj_db_rollback(db);
    return ok;
}

/* SQLite changes a file to this mode, once, without waiting for others that
 * look at it: then we wait until we have it alone, and try again. */
static bool begin_log(struct tj_db *db, struct tj_err *err)
{
    struct tj_err why = {0};
    for (int i = 0; i < LOG_TRIES; i++) {
        if (tj_db_run(db, "PRAGMA journal_mode = WAL", &why))
            return true;
        if (why.code != TJ_E_BUSY || !tj_db_run(db, "BEGIN EXCLUSIVE", &why))
            break;
        tj_db_rollback(db);
    }
    *err = why;
    return false;
}

static bool prepare_writer(struct tj_db *db, enum tj_durability durability,
                           struct tj_err *err)
{
    const char *sync = durability == TJ_DURABLE ? "PRAGMA synchronous = FULL"
                                                : "PRAGMA synchronous = NORMAL";
    uint64_t version;
    /* What the file is comes before the first word that changes it. */
    return check_file(db, &version, err) &&
           tj_db_run(db,
                     "PRAGMA page_size = 8192;"
                     /* Savepoints too: else each opens a file. */
                     "PRAGMA temp_store = MEMORY;"
                     "PRAGMA cache_size = -16384;"
                     "PRAGMA foreign_keys = ON",
                     err) &&
           begin_log(db, err) && tj_db_run(db, sync, err) &&
           prepare_schema(db, err);
}

static bool prepare_reader(struct tj_db *db, struct tj_err *err)
{
    uint64_t version = 0;
    if (!check_file(db, &version, err))
        return false;
    if (version < TJ_COUNT(migrations))
        return tj_fail(err, TJ_E_BACKEND,
                       "written by an older tracejudge (schema %llu): open it "
                       "once for writing",
                       (unsigned long long)version);
    return true;
}

static bool open_writer(struct tj_sqlite *s,
                        const struct tj_store_options *options,
                        struct tj_err *err)
{
    enum tj_db_mode mode = options->create ? TJ_DB_CREATE : TJ_DB_WRITE;
    if (options->create && !tj_file_make_parents(s->path, err))
        return false;
    if (!tj_db_open(s->path, mode, &s->writer, err) ||
        !prepare_writer(s->writer, options->durability, err))
        return false;
    (void)tj_db_log_pages(s->writer); /* the keeper watches from here on */
    return true;
}

/* -- connections ---------------------------------------------------------- */

struct tj_sqlite_worker *tj_sqlite_take(struct tj_sqlite *s)
{
    (void)pthread_mutex_lock(&s->idle_lock);
    struct tj_sqlite_worker *w = s->idle;
    if (w)
        s->idle = w->next;
    (void)pthread_mutex_unlock(&s->idle_lock);
    if (w)
        return w;
    w = tj_heap_new(sizeof *w);
    w->zstd = tj_zstd_new();
    return w;
}

struct tj_sqlite_worker *tj_sqlite_take_reader(struct tj_sqlite *s,
                                               struct tj_err *err)
{
    struct tj_sqlite_worker *w = tj_sqlite_take(s);
    if (w->db)
        return w;
    if (tj_db_open(s->path, TJ_DB_READ, &w->db, err))
        return w;
    tj_sqlite_give(s, w);
    return NULL;
}

void tj_sqlite_give(struct tj_sqlite *s, struct tj_sqlite_worker *w)
{
    if (!w)
        return;
    (void)pthread_mutex_lock(&s->idle_lock);
    w->next = s->idle;
    s->idle = w;
    (void)pthread_mutex_unlock(&s->idle_lock);
}

/* -- small things of all files -------------------------------------------- */

bool tj_sqlite_find_row(struct tj_db *db, tj_trace_id id, uint64_t *out,
                        struct tj_err *err)
{
    struct tj_query q = tj_query_open(db, "SELECT row FROM trace WHERE id = ?");
    tj_query_put_blob(&q, id.bytes, sizeof id.bytes);
    enum tj_step step = tj_query_next(&q, err);
    *out = step == TJ_ROW ? tj_query_u64(&q, 0) : 0;
    tj_query_close(&q);
    return step != TJ_FAILED;
}

bool tj_sqlite_pack(struct tj_zstd *z, tj_str bytes, int level,
                    struct tj_arena *a, struct tj_sqlite_blob *out,
                    struct tj_err *err)
{
    out->size = bytes.len;
    out->packed = (tj_str){"", 0};
    return bytes.len == 0 ||
           tj_zstd_write(z, bytes, level, TJ_ZSTD_WINDOW_DEFAULT, a,
                         &out->packed, err);
}

bool tj_sqlite_insert_blob(struct tj_db *db, uint64_t segment, unsigned number,
                           const struct tj_sqlite_blob *blob,
                           struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(db, "INSERT INTO blob(id, size, data) VALUES(?, ?, ?)");
    tj_query_put_u64(&q, segment << TJ_SQLITE_BLOB_SHIFT | number);
    tj_query_put_u64(&q, blob->size);
    tj_query_put_blob(&q, blob->packed.ptr, blob->packed.len);
    return tj_query_run(&q, err);
}

static bool unpack(struct tj_sqlite_worker *w, struct tj_query *q,
                   struct tj_arena *a, tj_str *out, struct tj_err *err)
{
    uint64_t size = tj_query_u64(q, 0);
    if (size == 0) {
        *out = (tj_str){"", 0};
        return true;
    }
    if (tj_zstd_read(w->zstd, tj_query_str(q, 1), (size_t)size, a, out, err))
        return true;
    err->code = TJ_E_BACKEND; /* these bytes are ours, not a sender's */
    return tj_err_wrap(err, "corrupt blob");
}

bool tj_sqlite_read_blob(struct tj_sqlite_worker *w, uint64_t segment,
                         unsigned number, struct tj_arena *a, tj_str *out,
                         struct tj_err *err)
{
    struct tj_query q =
        tj_query_open(w->db, "SELECT size, data FROM blob WHERE id = ?");
    tj_query_put_u64(&q, segment << TJ_SQLITE_BLOB_SHIFT | number);
    enum tj_step step = tj_query_next(&q, err);
    bool ok = step == TJ_ROW && unpack(w, &q, a, out, err);
    tj_query_close(&q);
    if (step == TJ_DONE)
        return tj_fail(err, TJ_E_BACKEND,
                       "a part of the trace is gone: it was deleted, or "
                       "rewritten over an hour ago");
    return ok;
}

bool tj_sqlite_run_for(struct tj_db *db, const char *sql, uint64_t value,
                       struct tj_err *err)
{
    struct tj_query q = tj_query_open(db, sql);
    tj_query_put_u64(&q, value);
    return tj_query_run(&q, err);
}

/* -- the whole ------------------------------------------------------------ */

static bool sqlite_stats(struct tj_store *st, struct tj_store_stats *out,
                         struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    if (!w)
        return false;
    struct tj_query q = tj_query_open(
        w->db, "SELECT count(*), total(span_count), total(text_bytes),"
               " (SELECT count(*) FROM assessment) FROM trace");
    enum tj_step step = tj_query_next(&q, err);
    if (step == TJ_ROW) {
        out->trace_count = tj_query_u64(&q, 0);
        out->span_count = tj_query_u64(&q, 1);
        out->text_bytes = tj_query_u64(&q, 2);
        out->assessment_count = tj_query_u64(&q, 3);
    }
    tj_query_close(&q);
    uint64_t version = 0;
    bool ok = step == TJ_ROW &&
              find_number(w->db,
                          "SELECT (page_count - freelist_count) * page_size "
                          "FROM pragma_page_count, pragma_freelist_count, "
                          "pragma_page_size",
                          &out->disk_bytes, err) &&
              find_number(w->db, "PRAGMA user_version", &version, err);
    out->schema_version = (uint32_t)version;
    (void)pthread_mutex_lock(&s->queue.lock);
    out->write_count = s->queue.job_count;
    out->commit_count = s->queue.group_count;
    (void)pthread_mutex_unlock(&s->queue.lock);
    tj_sqlite_give(s, w);
    return ok;
}

static void sqlite_close(struct tj_store *st)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    tj_sqlite_keeper_release(s);
    while (s->idle) {
        struct tj_sqlite_worker *w = s->idle;
        s->idle = w->next;
        tj_db_close(w->db);
        tj_zstd_free(w->zstd);
        tj_heap_free(w);
    }
    /* Last, so that it takes the log into the file and removes it. */
    tj_db_close(s->writer);
    tj_sqlite_queue_release(&s->queue);
    tj_turns_release(&s->packing);
    (void)pthread_mutex_destroy(&s->idle_lock);
    tj_heap_free(s->path);
    tj_heap_free(s);
}

static const struct tj_store_ops sqlite_ops = {
    .name = "sqlite",
    .close = sqlite_close,
    .add_batch = tj_sqlite_add_batch,
    .quiesce = tj_sqlite_quiesce,
    .open_trace = tj_sqlite_open_trace,
    .load_fields = tj_sqlite_load_fields,
    .read_field = tj_sqlite_read_field,
    .find_info = tj_sqlite_find_info,
    .scan = tj_sqlite_scan,
    .count = tj_sqlite_count,
    .resolve = tj_sqlite_resolve,
    .newest = tj_sqlite_newest,
    .set_tag = tj_sqlite_set_tag,
    .delete_trace = tj_sqlite_delete_trace,
    .add_assessment = tj_sqlite_add_assessment,
    .assessments = tj_sqlite_assessments,
    .session_assessments = tj_sqlite_session_assessments,
    .delete_assessment = tj_sqlite_delete_assessment,
    .add_judge = tj_sqlite_add_judge,
    .find_judge = tj_sqlite_find_judge,
    .judges = tj_sqlite_judges,
    .delete_traces = tj_sqlite_delete_traces,
    .link_traces = tj_sqlite_link_traces,
    .edit_assessment = tj_sqlite_edit_assessment,
    .add_experiment = tj_sqlite_add_experiment,
    .find_experiment = tj_sqlite_find_experiment,
    .find_experiment_named = tj_sqlite_find_experiment_named,
    .experiments = tj_sqlite_experiments,
    .edit_experiment = tj_sqlite_edit_experiment,
    .find_record = tj_sqlite_find_record,
    .edit_records = tj_sqlite_edit_records,
    .records = tj_sqlite_records,
    .delete_records = tj_sqlite_delete_records,
    .stats = sqlite_stats,
};

bool tj_store_sqlite_open(tj_str path, const struct tj_store_options *options,
                          struct tj_store **out, struct tj_err *err)
{
    struct tj_sqlite *s = tj_heap_new(sizeof *s);
    s->front.ops = &sqlite_ops;
    s->path = tj_heap_new(path.len + 1);
    memcpy(s->path, path.ptr, path.len);
    s->read_only = options->read_only;
    tj_sqlite_queue_init(&s->queue);
    tj_turns_init(&s->packing);
    tj_sqlite_keeper_init(&s->keeper);
    (void)pthread_mutex_init(&s->idle_lock, NULL);
    struct tj_sqlite_worker *first = NULL;
    bool ok = (s->read_only || open_writer(s, options, err)) &&
              (first = tj_sqlite_take_reader(s, err)) != NULL &&
              prepare_reader(first->db, err);
    tj_sqlite_give(s, first);
    if (!ok) {
        (void)tj_err_wrap(err, "store %s", s->path);
        sqlite_close(&s->front);
        return false;
    }
    *out = &s->front;
    return true;
}
