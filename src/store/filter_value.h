/* filter_value.h - one value against one clause.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For filter_eval.c and for backends that ask us from inside their engine.
 * Threads: a compiled test is immutable.
 */
#ifndef TJ_STORE_FILTER_VALUE_H
#define TJ_STORE_FILTER_VALUE_H

#include "base/base.h"
#include "store/filter.h"

struct tj_regex;

enum tj_filter_value_kind { TJ_VALUE_TEXT, TJ_VALUE_NUMBER, TJ_VALUE_BOOL };

/* A clause made ready: its pattern compiled, its trace ids in one spelling. */
struct tj_filter_test {
    const struct tj_filter *clause;
    tj_str *values;
    struct tj_regex *re; /* LIKE, ILIKE, RLIKE; owned */
};

bool tj_filter_test_init(struct tj_filter_test *t,
                         const struct tj_filter *clause, struct tj_arena *a,
                         struct tj_err *err) TJ_MUST_USE;
void tj_filter_test_release(struct tj_filter_test *t);

/* text.ptr NULL: there is no value, which only IS NULL matches.  Numbers and
 * bools are given as text with their kind: '5' equals 5.0, 'True' true. */
bool tj_filter_test_text(const struct tj_filter_test *t, tj_str text,
                         enum tj_filter_value_kind kind);
/* The value of an assessment; no JSON, or none at all: false. */
bool tj_filter_test_json(const struct tj_filter_test *t, tj_str json,
                         struct tj_arena *scratch);
bool tj_filter_test_number(const struct tj_filter_test *t, double value);
/* False for operators that are not of numbers. */
bool tj_filter_compare(enum tj_filter_op op, double value, double wanted);
/* !=, NOT IN: of several spellings of one value all must pass, not any. */
bool tj_filter_test_is_negative(const struct tj_filter_test *t);

#endif
