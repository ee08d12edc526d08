/* filter_rules.h - which identifiers there are, and what each may be compared
 * with.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to filter.c.  Error texts are MLflow's.  Threads: any; pure.
 */
#ifndef TJ_STORE_FILTER_RULES_H
#define TJ_STORE_FILTER_RULES_H

#include "base/base.h"
#include "store/filter.h"
#include "store/filter_lex.h"

/* word is "[type.]key" or a quoted key: fills entity, attribute and key. */
bool tj_filter_identify(const struct tj_filter_token *word, struct tj_arena *a,
                        struct tj_filter *out, struct tj_err *err) TJ_MUST_USE;

/* The same for order_by: attributes that have an order, tags and metadata. */
bool tj_filter_identify_order(const struct tj_filter_token *word,
                              struct tj_arena *a, struct tj_filter *out,
                              struct tj_err *err) TJ_MUST_USE;

/* "=", "like", "not in" and so on; false for a word that is none. */
bool tj_filter_op_parse(tj_str text, enum tj_filter_op *out) TJ_MUST_USE;

/* May the clause's identifier be compared in this way?  rest is what follows
 * the operator, for messages. */
bool tj_filter_check_op(const struct tj_filter *clause, tj_str rest,
                        struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;
/* False: an operator of SQL that this language has not. */
bool tj_filter_refuse_op(const struct tj_filter *clause, tj_str op,
                         struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;

/* run_id = and metadata.`mlflow.sourceRun` = are one question: the run that
 * made the trace, or one it was linked to; patterns are tried on the
 * metadata alone, as in MLflow. */
void tj_filter_settle_run(struct tj_filter *f);

/* Takes the one value of a clause whose operator is known and allowed. */
bool tj_filter_check_value(struct tj_filter *clause,
                           const struct tj_filter_token *value,
                           struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;

#endif
