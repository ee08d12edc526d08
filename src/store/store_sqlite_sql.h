/* store_sqlite_sql.h - a text of SQL that is put together, and its values.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Text and values are added side by side, so that what stands for a value in
 * the text is a question mark always, and the order is right by itself.
 * Threads: one at a time.
 */
#ifndef TJ_STORE_STORE_SQLITE_SQL_H
#define TJ_STORE_STORE_SQLITE_SQL_H

#include "base/buf.h"
#include "base/vec.h"
#include "store/sqlite_db.h"

enum tj_sql_kind {
    TJ_SQL_U64,
    TJ_SQL_DOUBLE,
    TJ_SQL_TEXT,
    TJ_SQL_BLOB,
    TJ_SQL_ASK,
};

struct tj_sql_value {
    enum tj_sql_kind kind;
    uint64_t number;
    double real;
    tj_str bytes;
    const struct tj_db_ask *ask;
};

struct tj_sql {
    struct tj_buf text;
    TJ_VEC(struct tj_sql_value) values;
};

void tj_sql_init(struct tj_sql *s, struct tj_arena *a);
void tj_sql_add(struct tj_sql *s, const char *text);
/* Each adds "?" and the value, which is borrowed. */
void tj_sql_u64(struct tj_sql *s, uint64_t value);
void tj_sql_double(struct tj_sql *s, double value);
void tj_sql_text(struct tj_sql *s, tj_str value);
void tj_sql_blob(struct tj_sql *s, tj_str value);
void tj_sql_ask(struct tj_sql *s, const struct tj_db_ask *ask);
/* With its values bound. */
struct tj_query tj_sql_open(const struct tj_sql *s, struct tj_db *db);

#endif
