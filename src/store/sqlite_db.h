/* sqlite_db.h - the door to SQLite: connections and queries.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     struct tj_query q = tj_query_open(db, "SELECT a, b FROM t WHERE c = ?");
 *     tj_query_put_u64(&q, c);
 *     while ((step = tj_query_next(&q, err)) == TJ_ROW) ... tj_query_u64(&q, 0)
 *     tj_query_close(&q);
 *
 *  1. A text of SQL is a string constant: prepared statements are kept by its
 *     address.  One that was put together is opened with tj_query_open_once.
 *     Values are always bound, in order.
 *  2. What goes wrong in open or put is reported by the first next or run.
 *  3. Column texts and blobs live until the next next or close.
 *  4. SQL may ask us: tj_ask(?, value) is 1 or 0, as a struct tj_db_ask that
 *     was put there answers.
 *  5. BUSY: TJ_E_BUSY; the disk: TJ_E_IO; all else: TJ_E_BACKEND.
 * Threads: one connection, one thread at a time.
 */
#ifndef TJ_STORE_SQLITE_DB_H
#define TJ_STORE_SQLITE_DB_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct tj_db;

enum tj_db_mode {
    TJ_DB_READ,
    TJ_DB_WRITE,
    TJ_DB_CREATE, /* and make the file when it is not there */
};

/* TJ_E_IO when the file cannot be opened.  SQLite looks at its content with
 * the first query only. */
bool tj_db_open(const char *path, enum tj_db_mode mode, struct tj_db **out,
                struct tj_err *err) TJ_MUST_USE;
/* Takes NULL. */
void tj_db_close(struct tj_db *db);

/* Statements without values and results; sql may be several. */
bool tj_db_run(struct tj_db *db, const char *sql, struct tj_err *err)
    TJ_MUST_USE;

/* begin takes the write lock.  A commit that the disk spoiled is
 * TJ_E_UNCERTAIN.  rollback takes no open transaction as well. */
bool tj_db_begin(struct tj_db *db, struct tj_err *err) TJ_MUST_USE;
bool tj_db_commit(struct tj_db *db, struct tj_err *err) TJ_MUST_USE;
void tj_db_rollback(struct tj_db *db);
/* False also when SQLite has rolled back by itself. */
bool tj_db_in_transaction(struct tj_db *db);

/* Pages in the write-ahead log as of the last commit here.  From the first
 * call on this connection takes none of them over by itself. */
uint64_t tj_db_log_pages(struct tj_db *db);
/* Takes the pages of the log over into the file, as far as no reader needs
 * them there, without making anybody wait.  *left: those that remain. */
bool tj_db_checkpoint(struct tj_db *db, uint64_t *left, struct tj_err *err);

/* Of the last INSERT; rows of the last UPDATE or DELETE. */
uint64_t tj_db_last_row(struct tj_db *db);
uint64_t tj_db_changes(struct tj_db *db);

struct tj_query {
    struct tj_db *db;
    void *statement;
    int put_count;
    int code; /* latched */
    bool once;
};

/* value: the bytes of a text or blob; ptr NULL for NULL. */
struct tj_db_ask {
    bool (*answer)(const struct tj_db_ask *ask, tj_str value);
};

struct tj_query tj_query_open(struct tj_db *db, const char *sql);
struct tj_query tj_query_open_once(struct tj_db *db, tj_str sql);
void tj_query_put_u64(struct tj_query *q, uint64_t value);
void tj_query_put_double(struct tj_query *q, double value);
void tj_query_put_text(struct tj_query *q, tj_str text);
void tj_query_put_blob(struct tj_query *q, const void *bytes, size_t size);
/* Is borrowed until close. */
void tj_query_put_ask(struct tj_query *q, const struct tj_db_ask *ask);
enum tj_step tj_query_next(struct tj_query *q, struct tj_err *err);
void tj_query_close(struct tj_query *q);
/* next to the end, and close. */
bool tj_query_run(struct tj_query *q, struct tj_err *err) TJ_MUST_USE;

bool tj_query_is_null(struct tj_query *q, int column);
uint64_t tj_query_u64(struct tj_query *q, int column);
double tj_query_double(struct tj_query *q, int column);
/* A text or a blob; NULL is the empty slice. */
tj_str tj_query_str(struct tj_query *q, int column);
tj_str tj_query_dup(struct tj_query *q, int column, struct tj_arena *a);

#endif
