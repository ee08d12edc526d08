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
 *            | identifier [NOT] IN "(" string { "," string } ")"
 *
 * Identifier: [type.]key; types attribute(s)/trace (default), tag(s),
 * metadata/request_metadata, span, feedback, expectation, issue.  The key is
 * the rest after the first dot, or in backticks or double quotes.  Strings in
 * '..' or "..", the quote itself written twice.  Keywords fold case.  Error
 * texts are MLflow's.
 *
 * What it means, where MLflow's own answer is a fault or there was none:
 *  1. NOT is about the trace: NOT span.status = 'ERROR' is "no span failed".
 *     != is about the value: it does not match where there is none.
 *  2. Span conditions joined by AND, and ORs of span conditions among them,
 *     hold on one span.  trace.text is one of them, as in MLflow: a text of
 *     that span.
 *  3. A key is looked up in the table of its type only: feedback.name is the
 *     feedback called "name".
 *  4. span.attributes.k, feedback.n and expectation.n compare with the value's
 *     text, a string without its quotes; '5' is equal to a number 5.0.
 *  5. LIKE knows % and _ and has no escape; ILIKE folds Unicode case; RLIKE is
 *     text/regex.h, found anywhere.
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
    TJ_ENTITY_ISSUE, /* key "id"; there are none, so it matches nothing */
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
    TJ_ATTR_PROMPT, /* the value is "name/version" */
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
    double number;  /* of values[0] when is_number */
    bool is_number; /* the value is a number without quotes */
};

struct tj_order {
    enum tj_filter_entity entity; /* ATTRIBUTE, TAG or METADATA */
    enum tj_filter_attribute attribute;
    tj_str key;
    bool descending;
};

/* Empty text: *out is NULL (everything).  TJ_E_INPUT with MLflow's text;
 * TJ_E_LIMIT for a filter that is too long, deep or wide. */
bool tj_filter_parse(tj_str text, struct tj_arena *a,
                     const struct tj_filter **out, struct tj_err *err)
    TJ_MUST_USE;
/* "key [ASC|DESC]". */
bool tj_order_parse(tj_str text, struct tj_arena *a, struct tj_order *out,
                    struct tj_err *err) TJ_MUST_USE;

/* TIMESTAMP_MS and the like: compared as numbers. */
bool tj_filter_is_numeric(enum tj_filter_attribute attribute);

#endif
