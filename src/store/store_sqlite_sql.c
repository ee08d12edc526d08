/* store_sqlite_sql.c - a text of SQL that is put together, and its values.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_sqlite_sql.h"

void tj_sql_init(struct tj_sql *s, struct tj_arena *a)
{
    *s = (struct tj_sql){0};
    tj_buf_init(&s->text, a, SIZE_MAX);
}

void tj_sql_add(struct tj_sql *s, const char *text)
{
    tj_buf_add(&s->text, tj_str_c(text));
}

static struct tj_sql_value *add_value(struct tj_sql *s, enum tj_sql_kind kind)
{
    struct tj_sql_value *v = tj_vec_add(&s->values, s->text.arena);
    tj_buf_byte(&s->text, '?');
    v->kind = kind;
    return v;
}

void tj_sql_u64(struct tj_sql *s, uint64_t value)
{
    add_value(s, TJ_SQL_U64)->number = value;
}

void tj_sql_double(struct tj_sql *s, double value)
{
    add_value(s, TJ_SQL_DOUBLE)->real = value;
}

void tj_sql_text(struct tj_sql *s, tj_str value)
{
    add_value(s, TJ_SQL_TEXT)->bytes = value;
}

void tj_sql_blob(struct tj_sql *s, tj_str value)
{
    add_value(s, TJ_SQL_BLOB)->bytes = value;
}

void tj_sql_ask(struct tj_sql *s, const struct tj_db_ask *ask)
{
    add_value(s, TJ_SQL_ASK)->ask = ask;
}

struct tj_query tj_sql_open(const struct tj_sql *s, struct tj_db *db)
{
    struct tj_query q = tj_query_open_once(db, tj_buf_str(&s->text));
    tj_vec_each (&s->values, const struct tj_sql_value, v) {
        switch (v->kind) {
        case TJ_SQL_U64: tj_query_put_u64(&q, v->number); break;
        case TJ_SQL_DOUBLE: tj_query_put_double(&q, v->real); break;
        case TJ_SQL_TEXT: tj_query_put_text(&q, v->bytes); break;
        case TJ_SQL_BLOB:
            tj_query_put_blob(&q, v->bytes.ptr, v->bytes.len);
            break;
        case TJ_SQL_ASK: tj_query_put_ask(&q, v->ask); break;
        }
    }
    return q;
}
