/* filter.h - the filter language of search_traces, as a syntax tree.
 * SPDX-License-Identifier: Apache-2.0
 *
 * MLflow's language (clauses joined by AND) with OR, NOT, parentheses and
 * `text` search.  One parser makes one tree; a backend compiles it to its own
 * query or evaluates it (filter_eval.h).
 *
 *     expr   = term { OR term }
 *     term   = factor { AND factor }
 *     factor = NOT factor | "(" expr ")" | clause
 *     clause = identifier op value | identifier IS [NOT] NULL
 *
 * Identifier: [type.]key; types attribute(s)/trace (default), tag(s),
 * metadata/request_metadata, span, feedback, expectation.  The key is the rest
 * after the first dot, or in backticks or double quotes.  Strings in '..' or
 * "..".  Keywords fold case.  Error texts are MLflow's.
 * Threads: a parsed filter is immutable.
 */
#ifndef TJ_STORE_FILTER_H
#define TJ_STORE_FILTER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum tj_filter_node_kind {
    TJ_FILTER_AND,
    TJ_FILTER_OR,
    TJ_FILTER_NOT,
    TJ_FILTER_CLAUSE,
};

enum tj_filter_entity {
    TJ_ENTITY_ATTRIBUTE,
    TJ_ENTITY_TAG,
    TJ_ENTITY_METADATA,
    TJ_ENTITY_SPAN,
    TJ_ENTITY_FEEDBACK,
    TJ_ENTITY_EXPECTATION,
};

enum tj_filter_op {
    TJ_OP_EQ,
    TJ_OP_NE,
    TJ_OP_LT,
    TJ_OP_LE,
    TJ_OP_GT,
    TJ_OP_GE,
    TJ_OP_LIKE,
    TJ_OP_ILIKE,
    TJ_OP_RLIKE,
    TJ_OP_IN,
    TJ_OP_NOT_IN,
    TJ_OP_IS_NULL,
    TJ_OP_IS_NOT_NULL,
};

/* Attribute keys in canonical spelling. */
enum tj_filter_attribute {
    TJ_ATTR_REQUEST_ID,
    TJ_ATTR_TIMESTAMP_MS,
    TJ_ATTR_EXECUTION_TIME_MS,
    TJ_ATTR_END_TIME_MS,
    TJ_ATTR_STATUS,
    TJ_ATTR_CLIENT_REQUEST_ID,
    TJ_ATTR_NAME,
    TJ_ATTR_RUN_ID,
    TJ_ATTR_TEXT,
    TJ_ATTR_EXPERIMENT_ID,
};

struct tj_filter {
    enum tj_filter_node_kind kind;
    struct tj_filter *left; /* AND, OR, NOT */
    struct tj_filter *right;
    /* CLAUSE: */
    enum tj_filter_entity entity;
    enum tj_filter_attribute attribute; /* entity ATTRIBUTE */
    tj_str key; /* tag, metadata, feedback, expectation; span: "name", "type",
                 * "status", "content" or "attributes.<k>" */
    enum tj_filter_op op;
    tj_str *values; /* one, or several for IN */
    size_t value_count;
    double number; /* for numeric comparisons */
    bool is_number;
};

struct tj_order {
    enum tj_filter_entity entity; /* ATTRIBUTE, TAG or METADATA */
    enum tj_filter_attribute attribute;
    tj_str key;
    bool descending;
};

/* Empty text: *out is NULL (everything).  TJ_E_INPUT with MLflow's text. */
bool tj_filter_parse(tj_str text, struct tj_arena *a,
                     const struct tj_filter **out,
                     struct tj_err *err) TJ_MUST_USE;
/* "key [ASC|DESC]". */
bool tj_order_parse(tj_str text, struct tj_arena *a, struct tj_order *out,
                    struct tj_err *err) TJ_MUST_USE;

#endif
