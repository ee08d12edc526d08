/* mlflow_search.c - which items a search finds, in which order, page by page.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_search.h"

#include <math.h>
#include <stdlib.h>

#include "store/filter_value.h"
#include "text/base64.h"
#include "text/utf8.h"

/* -- matching ------------------------------------------------------------- */

enum {
    EQUALS = 1 << TJ_OP_EQ | 1 << TJ_OP_NE,
    LIKES = 1 << TJ_OP_LIKE | 1 << TJ_OP_ILIKE,
    LISTS = 1 << TJ_OP_IN | 1 << TJ_OP_NOT_IN,
    NULLS = 1 << TJ_OP_IS_NULL | 1 << TJ_OP_IS_NOT_NULL,
};

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_byte(char a, char b, bool fold)
{
    return a == b || (fold && folded(a) == folded(b));
}

/* Behind the character at i. */
static size_t step(tj_str text, size_t i)
{
    uint32_t code;
    return i + tj_utf8_next(tj_str_slice(text, i, text.len), &code);
}

/* Only the last % is ever gone back to, so this takes len * len at most. */
static bool like(tj_str text, tj_str pattern, bool fold)
{
    size_t t = 0;
    size_t p = 0;
    size_t star = SIZE_MAX; /* in pattern, behind the last % */
    size_t from = 0;        /* in text, where that % ends for now */
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '%') {
            star = ++p;
            from = t;
        } else if (p < pattern.len && pattern.ptr[p] == '_') {
            t = step(text, t);
            p++;
        } else if (p < pattern.len &&
                   same_byte(text.ptr[t], pattern.ptr[p], fold)) {
            t++;
            p++;
        } else if (star != SIZE_MAX) {
            from = step(text, from);
            t = from;
            p = star;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '%')
        p++;
    return p == pattern.len;
}

static bool in_list(const struct tj_ml_clause *c, const struct tj_ml_value *v)
{
    double number = 0;
    for (size_t i = 0; i < c->value_count; i++) {
        if (v->is_number
                ? tj_str_to_double(c->values[i], &number) && number == v->number
                : tj_str_eq(v->text, c->values[i]))
            return true;
    }
    return false;
}

static bool match_value(const struct tj_ml_clause *c,
                        const struct tj_ml_value *v)
{
    if ((EQUALS | LISTS) & 1u << c->op) {
        bool negative = c->op == TJ_OP_NE || c->op == TJ_OP_NOT_IN;
        return in_list(c, v) != negative;
    }
    if (LIKES & 1u << c->op)
        return like(v->text, c->values[0], c->op == TJ_OP_ILIKE);
    return tj_filter_compare(c->op, v->number, c->number);
}

static bool match_clause(const struct tj_ml_clause *c, tj_ml_lookup lookup,
                         const void *item)
{
    struct tj_ml_value v = {0};
    if (NULLS & 1u << c->op)
        return lookup(item, &c->field, 0, &v) == (c->op == TJ_OP_IS_NOT_NULL);
    for (size_t i = 0; lookup(item, &c->field, i, &v); i++) {
        if (match_value(c, &v))
            return true;
        v = (struct tj_ml_value){0};
    }
    return false;
}

bool tj_ml_filter_match(const struct tj_ml_filter *filter, tj_ml_lookup lookup,
                        const void *item)
{
    for (size_t i = 0; i < filter->count; i++) {
        if (!match_clause(&filter->clauses[i], lookup, item))
            return false;
    }
    return true;
}

/* -- sorting -------------------------------------------------------------- */

enum rank { RANK_VALUE, RANK_NAN, RANK_NONE };

struct sort_key {
    enum rank rank;
    struct tj_ml_value value;
};

struct sort_row {
    const void *item;
    const struct sort_key *keys; /* one for each order */
    const struct tj_ml_orders *orders;
};

static struct sort_key key_of(const void *item, const struct tj_ml_order *order,
                              tj_ml_lookup lookup)
{
    struct sort_key key = {.rank = RANK_VALUE};
    if (!lookup(item, &order->field, 0, &key.value))
        key.rank = RANK_NONE;
    else if (key.value.is_number && isnan(key.value.number))
        key.rank = RANK_NAN;
    return key;
}

static int compare_values(const struct tj_ml_value *a,
                          const struct tj_ml_value *b)
{
    if (a->is_number && b->is_number)
        return (a->number > b->number) - (a->number < b->number);
    return tj_str_cmp(a->text, b->text);
}

static int compare_rows(const void *left, const void *right)
{
    const struct sort_row *a = left;
    const struct sort_row *b = right;
    for (size_t i = 0; i < a->orders->count; i++) {
        const struct sort_key *x = &a->keys[i];
        const struct sort_key *y = &b->keys[i];
        if (x->rank != y->rank)
            return x->rank < y->rank ? -1 : 1;
        int order =
            x->rank == RANK_VALUE ? compare_values(&x->value, &y->value) : 0;
        if (order)
            return a->orders->items[i].descending ? -order : order;
    }
    return 0;
}

static void sort(const void **items, size_t count,
                 const struct tj_ml_orders *orders, tj_ml_lookup lookup,
                 struct tj_arena *a)
{
    struct sort_row *rows = tj_arena_array(a, struct sort_row, count);
    for (size_t i = 0; i < count; i++) {
        struct sort_key *keys =
            tj_arena_array(a, struct sort_key, orders->count);
        for (size_t k = 0; k < orders->count; k++)
            keys[k] = key_of(items[i], &orders->items[k], lookup);
        rows[i] = (struct sort_row){items[i], keys, orders};
    }
    if (count)
        qsort(rows, count, sizeof *rows, compare_rows);
    for (size_t i = 0; i < count; i++)
        items[i] = rows[i].item;
}

/* -- pages ---------------------------------------------------------------- */

enum { RESULTS_MAX = 50000 }; /* MLflow's */

static tj_str page_token(struct tj_arena *a, size_t offset)
{
    return tj_base64_write(a, tj_str_printf(a, "{\"offset\": %zu}", offset));
}

/* Python's b64decode: other characters are skipped, padding is not. */
static bool decode_token(struct tj_arena *a, tj_str token, tj_str *out)
{
    struct tj_buf kept;
    tj_buf_init(&kept, a, token.len);
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
            (c >= 'A' && c <= 'Z') || c == '+' || c == '/' || c == '=')
            tj_buf_byte(&kept, c);
    }
    *out = (tj_str){0};
    return !kept.len ||
           (kept.len % 4 == 0 && tj_base64_parse(a, tj_buf_str(&kept), out));
}

bool tj_ml_page_offset(struct tj_ml *call, size_t *out)
{
    tj_str token = tj_ml_str(call, "page_token");
    tj_str text;
    struct tj_json_doc doc;
    uint64_t offset = 0;
    *out = 0;
    if (!token.len)
        return true;
    if (!decode_token(call->arena, token, &text))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid page token, could not base64-decode");
    if (!tj_json_parse(text, call->arena, &doc, &call->err))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid page token, decoded value=b'%.*s'",
                          TJ_STR_ARG(tj_utf8_repair(call->arena, text)));
    if (!tj_json_u64_loose(tj_json_find(doc.root, TJ_STR("offset")), &offset) ||
        !offset)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid page token, parsed value=%.*s",
                          TJ_STR_ARG(tj_utf8_repair(call->arena, text)));
    *out = (size_t)offset;
    return true;
}

bool tj_ml_max_results(struct tj_ml *call, int64_t otherwise, size_t *out)
{
    int64_t n = 0;
    if (!tj_ml_i64(call, "max_results", otherwise, &n))
        return false;
    *out = (size_t)n;
    if (n < 1)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid value %lld for parameter 'max_results' "
                          "supplied. It must be a positive integer",
                          (long long)n);
    return n <= RESULTS_MAX ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid value %lld for parameter 'max_results' "
                      "supplied. It must be at most %d",
                      (long long)n, RESULTS_MAX);
}

/* -- a search as a whole --------------------------------------------------- */

bool tj_ml_search_read(struct tj_ml *call, const struct tj_ml_language *lang,
                       int64_t max, const char *filter,
                       struct tj_ml_search *out)
{
    struct tj_ml_list order_by;
    tj_str text;
    return tj_ml_max_results(call, max, &out->max) &&
           tj_ml_page_offset(call, &out->offset) &&
           tj_ml_strs(call, "order_by", &order_by) &&
           tj_ml_opt_str(call, filter, &text) &&
           tj_ml_filter_parse(call, lang, text, &out->filter) &&
           tj_ml_orders_parse(call, lang, &order_by, &out->orders);
}

void tj_ml_answer_page(struct tj_ml *call, const struct tj_ml_search *s,
                       const char *key, tj_ml_write write)
{
    size_t from = tj_size_min(s->offset, s->found.count);
    size_t to = from + tj_size_min(s->found.count - from, s->max);
    struct tj_json_writer *w = tj_ml_answer(call);
    if (from < to) {
        tj_jw_key(w, tj_str_c(key));
        tj_jw_array(w);
        for (size_t i = from; i < to; i++)
            write(call, s->found.items[i]);
        tj_jw_end(w);
    }
    if (to < s->found.count)
        tj_jw_key_str(w, "next_page_token", page_token(call->arena, to));
    tj_ml_end(call);
}

void tj_ml_answer_search(struct tj_ml *call, const struct tj_ml_search *s,
                         const char *key, tj_ml_lookup lookup,
                         tj_ml_write write)
{
    sort(s->found.items, s->found.count, &s->orders, lookup, call->arena);
    tj_ml_answer_page(call, s, key, write);
}
