/* mlflow_search.h - which items a search finds, in which order, page by page.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     request --read--> filter, orders, page
 *     items --match--> found --answer--> sorted, the page of them
 *
 * Whoever searches says what an item has, by a lookup.
 *  1. != and NOT IN do not match where there is no value.
 *  2. LIKE knows % and _; ILIKE folds ASCII, as SQLite does.
 *  3. NaN is equal to nothing, and sorts behind all numbers; what has no
 *     value comes last, either way.
 *  4. A page token is MLflow's: base64 of {"offset": n}.
 * Threads: a call belongs to its worker.
 */
#ifndef TJ_SERVE_MLFLOW_SEARCH_H
#define TJ_SERVE_MLFLOW_SEARCH_H

#include "serve/mlflow_filter.h"

struct tj_ml_value {
    bool is_number;
    double number;
    tj_str text;
};

/* The i-th value that item has for field; false: there are not so many. */
typedef bool (*tj_ml_lookup)(const void *item, const struct tj_ml_field *field,
                             size_t i, struct tj_ml_value *out);

bool tj_ml_filter_match(const struct tj_ml_filter *filter, tj_ml_lookup lookup,
                        const void *item);

struct tj_ml_search {
    struct tj_ml_filter filter;
    struct tj_ml_orders orders;
    size_t max;
    size_t offset;
    TJ_VEC(const void *) found; /* what matches, in any order */
};

/* max_results, page_token, order_by and the filter, which the request calls
 * by this name.  max: when the request does not say. */
bool tj_ml_search_read(struct tj_ml *call, const struct tj_ml_language *lang,
                       int64_t max, const char *filter,
                       struct tj_ml_search *out);
/* 1..50000, MLflow's text for anything else; `otherwise` when absent. */
bool tj_ml_max_results(struct tj_ml *call, int64_t otherwise, size_t *out);
bool tj_ml_page_offset(struct tj_ml *call, size_t *out);

/* One item of an answer. */
typedef void (*tj_ml_write)(struct tj_ml *call, const void *item);
/* {key: [...], "next_page_token"}: what was found, as it stands; and sorted
 * before. */
void tj_ml_answer_page(struct tj_ml *call, const struct tj_ml_search *s,
                       const char *key, tj_ml_write write);
void tj_ml_answer_search(struct tj_ml *call, const struct tj_ml_search *s,
                         const char *key, tj_ml_lookup lookup,
                         tj_ml_write write);

#endif
