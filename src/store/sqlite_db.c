/* sqlite_db.c - the door to SQLite: connections and queries.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/sqlite_db.h"

#include <limits.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/heap.h"

enum { STATEMENTS_MAX = 128, BUSY_TIMEOUT_MS = 10000 };

struct statement {
    const char *sql; /* the address is the key */
    sqlite3_stmt *prepared;
};

struct tj_db {
    sqlite3 *handle;
    struct statement statements[STATEMENTS_MAX];
    size_t statement_count;
    bool watches_log;
    uint64_t log_pages;
};

static enum tj_code code_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return TJ_E_BUSY;
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY: return TJ_E_IO;
    default: return TJ_E_BACKEND;
    }
}

static bool fail(struct tj_db *db, int code, struct tj_err *err)
{
    if ((code & 0xff) == SQLITE_NOTADB)
        return tj_fail(err, TJ_E_BACKEND, "not a database");
    return tj_fail(err, code_of(code), "sqlite: %s",
                   db->handle ? sqlite3_errmsg(db->handle)
                              : sqlite3_errstr(code));
}

/* -- questions to us ------------------------------------------------------ */

static const char ask_type[] = "tj_ask";

static void answer(sqlite3_context *context, int count, sqlite3_value **values)
{
    assert(count == 2);
    const struct tj_db_ask *ask = sqlite3_value_pointer(values[0], ask_type);
    tj_str value = {0};
    if (sqlite3_value_type(values[1]) != SQLITE_NULL) {
        const void *bytes = sqlite3_value_blob(values[1]);
        int size = sqlite3_value_bytes(values[1]);
        value = tj_str_make(bytes ? bytes : "", (size_t)size);
    }
    sqlite3_result_int(context, ask && ask->answer(ask, value));
}

static int add_functions(struct tj_db *db)
{
    return sqlite3_create_function_v2(db->handle, ask_type, 2,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC |
                                          SQLITE_DIRECTONLY,
                                      NULL, answer, NULL, NULL, NULL);
}

bool tj_db_open(const char *path, enum tj_db_mode mode, struct tj_db **out,
                struct tj_err *err)
{
    struct tj_db *db = tj_heap_new(sizeof *db);
    int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
        (mode == TJ_DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
        (mode == TJ_DB_CREATE ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (code == SQLITE_OK)
        code = add_functions(db);
    if (code != SQLITE_OK) {
        /* SQLite says the same of a file that is not there and of one that
         * may not be read; the first is how everybody begins. */
        bool absent = mode != TJ_DB_CREATE && access(path, F_OK) != 0;
        (void)tj_fail(err, TJ_E_IO, "%s: %s", path,
                      absent ? "no such file; importing a trace creates it"
                             : sqlite3_errstr(code));
        tj_db_close(db);
        return false;
    }
    (void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    *out = db;
    return true;
}

void tj_db_close(struct tj_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < db->statement_count; i++)
        (void)sqlite3_finalize(db->statements[i].prepared);
    (void)sqlite3_close(db->handle);
    tj_heap_free(db);
}

bool tj_db_run(struct tj_db *db, const char *sql, struct tj_err *err)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || fail(db, code, err);
}

bool tj_db_begin(struct tj_db *db, struct tj_err *err)
{
    struct tj_query q = tj_query_open(db, "BEGIN IMMEDIATE");
    return tj_query_run(&q, err);
}

bool tj_db_commit(struct tj_db *db, struct tj_err *err)
{
    struct tj_query q = tj_query_open(db, "COMMIT");
    if (tj_query_run(&q, err))
        return true;
    if (err->code == TJ_E_IO)
        err->code = TJ_E_UNCERTAIN;
    return false;
}

void tj_db_rollback(struct tj_db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

bool tj_db_in_transaction(struct tj_db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

/* -- the write-ahead log -------------------------------------------------- */

static int count_log(void *context, sqlite3 *handle, const char *name,
                     int pages)
{
    (void)handle;
    (void)name;
    struct tj_db *db = context;
    db->log_pages = (uint64_t)pages;
    return SQLITE_OK;
}

uint64_t tj_db_log_pages(struct tj_db *db)
{
    if (!db->watches_log)
        (void)sqlite3_wal_hook(db->handle, count_log, db);
    db->watches_log = true;
    return db->log_pages;
}

bool tj_db_checkpoint(struct tj_db *db, uint64_t *left, struct tj_err *err)
{
    int all = 0;
    int taken = 0;
    int code = sqlite3_wal_checkpoint_v2(
        db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &all, &taken);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
        return fail(db, code, err);
    *left = all > taken ? (uint64_t)(all - taken) : 0;
    return true;
}

/* -- results -------------------------------------------------------------- */

uint64_t tj_db_last_row(struct tj_db *db)
{
    return (uint64_t)sqlite3_last_insert_rowid(db->handle);
}

uint64_t tj_db_changes(struct tj_db *db)
{
    return (uint64_t)sqlite3_changes(db->handle);
}

/* -- queries -------------------------------------------------------------- */

static struct statement *statement_of(struct tj_db *db, const char *sql)
{
    for (size_t i = 0; i < db->statement_count; i++) {
        if (db->statements[i].sql == sql)
            return &db->statements[i];
    }
    assert(db->statement_count < STATEMENTS_MAX);
    struct statement *s = &db->statements[db->statement_count++];
    *s = (struct statement){.sql = sql};
    return s;
}

struct tj_query tj_query_open(struct tj_db *db, const char *sql)
{
    struct tj_query q = {.db = db};
    struct statement *s = statement_of(db, sql);
    if (!s->prepared)
        q.code = sqlite3_prepare_v3(
            db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->prepared, NULL);
    q.statement = s->prepared;
    return q;
}

struct tj_query tj_query_open_once(struct tj_db *db, tj_str sql)
{
    struct tj_query q = {.db = db, .once = true};
    sqlite3_stmt *prepared = NULL;
    if (sql.len > INT_MAX)
        q.code = SQLITE_TOOBIG;
    else
        q.code = sqlite3_prepare_v3(db->handle, sql.ptr, (int)sql.len, 0,
                                    &prepared, NULL);
    q.statement = prepared;
    return q;
}

static void latch(struct tj_query *q, int code)
{
    if (q->code == SQLITE_OK)
        q->code = code;
}

void tj_query_put_u64(struct tj_query *q, uint64_t value)
{
    if (q->statement)
        latch(q, sqlite3_bind_int64(q->statement, ++q->put_count,
                                    (sqlite3_int64)value));
}

void tj_query_put_double(struct tj_query *q, double value)
{
    if (q->statement)
        latch(q, sqlite3_bind_double(q->statement, ++q->put_count, value));
}

/* The values outlive the query in all uses, so they are not copied. */
void tj_query_put_text(struct tj_query *q, tj_str text)
{
    if (q->statement)
        latch(q, sqlite3_bind_text64(q->statement, ++q->put_count,
                                     text.ptr ? text.ptr : "", text.len,
                                     SQLITE_STATIC, SQLITE_UTF8));
}

void tj_query_put_blob(struct tj_query *q, const void *bytes, size_t size)
{
    if (q->statement)
        latch(q, sqlite3_bind_blob64(q->statement, ++q->put_count,
                                     bytes ? bytes : "", size, SQLITE_STATIC));
}

void tj_query_put_ask(struct tj_query *q, const struct tj_db_ask *ask)
{
    /* SQLite hands it back as it is, and only to answer(). */
    union {
        const struct tj_db_ask *in;
        void *out;
    } hand = {.in = ask};
    if (q->statement)
        latch(q, sqlite3_bind_pointer(q->statement, ++q->put_count, hand.out,
                                      ask_type, NULL));
}

enum tj_step tj_query_next(struct tj_query *q, struct tj_err *err)
{
    if (q->code == SQLITE_OK) {
        int code = sqlite3_step(q->statement);
        if (code == SQLITE_ROW)
            return TJ_ROW;
        if (code == SQLITE_DONE)
            return TJ_DONE;
        q->code = code;
    }
    (void)fail(q->db, q->code, err);
    return TJ_FAILED;
}

void tj_query_close(struct tj_query *q)
{
    if (q->once)
        (void)sqlite3_finalize(q->statement);
    else if (q->statement)
        (void)sqlite3_reset(q->statement);
    q->statement = NULL;
}

bool tj_query_run(struct tj_query *q, struct tj_err *err)
{
    enum tj_step step;
    do {
        step = tj_query_next(q, err);
    } while (step == TJ_ROW);
    tj_query_close(q);
    return step == TJ_DONE;
}

bool tj_query_is_null(struct tj_query *q, int column)
{
    return sqlite3_column_type(q->statement, column) == SQLITE_NULL;
}

uint64_t tj_query_u64(struct tj_query *q, int column)
{
    return (uint64_t)sqlite3_column_int64(q->statement, column);
}

double tj_query_double(struct tj_query *q, int column)
{
    return sqlite3_column_double(q->statement, column);
}

tj_str tj_query_str(struct tj_query *q, int column)
{
    const void *bytes = sqlite3_column_blob(q->statement, column);
    int size = sqlite3_column_bytes(q->statement, column);
    return bytes ? tj_str_make(bytes, (size_t)size) : tj_str_make("", 0);
}

tj_str tj_query_dup(struct tj_query *q, int column, struct tj_arena *a)
{
    return tj_str_dup(a, tj_query_str(q, column));
}
