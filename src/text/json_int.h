/* json_int.h - what the JSON files share: node layout and the reader.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A node's head is its type in the low four bits and above them the length of
 * its text (strings, numbers) or the number of its items (containers; an
 * object counts members).  A container's span is the number of nodes in its
 * subtree, itself included, so its next sibling is `span` nodes further on;
 * every other node's next sibling is the next node.
 * Threads: pure functions.
 */
#ifndef TJ_TEXT_JSON_INT_H
#define TJ_TEXT_JSON_INT_H

#include "text/json.h"

enum { TJ_JSON_TYPE_BITS = 4, TJ_JSON_TYPE_MASK = 15 };

static inline enum tj_json_type tj_json_head_type(const struct tj_json *v)
{
    return (enum tj_json_type)(v->head & TJ_JSON_TYPE_MASK);
}

static inline size_t tj_json_head_len(const struct tj_json *v)
{
    return (size_t)(v->head >> TJ_JSON_TYPE_BITS);
}

static inline bool tj_json_is_container(const struct tj_json *v)
{
    return tj_json_head_type(v) >= TJ_JSON_ARRAY;
}

/* Nodes of the subtree. */
static inline size_t tj_json_head_span(const struct tj_json *v)
{
    return tj_json_is_container(v) ? v->as.span : 1;
}

/* JSON and plain text differ in nothing but how a string is written. */
enum tj_json_syntax { TJ_SYNTAX_JSON, TJ_SYNTAX_PLAIN };

/* The first value of text; *used is the offset behind it.  Outputs are not
 * touched on failure. */
bool tj_json_read(tj_str text, enum tj_json_syntax syntax, struct tj_arena *a,
                  struct tj_json_doc *out, size_t *used, struct tj_err *err)
    TJ_MUST_USE;
/* The same, and nothing but blanks may follow. */
bool tj_json_read_all(tj_str text, enum tj_json_syntax syntax,
                      struct tj_arena *a, struct tj_json_doc *out,
                      struct tj_err *err) TJ_MUST_USE;

/* -- json_number.c: texts of numbers, as the reader let them through ------ */

/* INT, UINT or DOUBLE for a number of this text ("-Infinity" too). */
enum tj_json_type tj_json_number_type(tj_str text) TJ_PURE;
/* Exactly that value, else false. */
bool tj_number_to_i64(tj_str text, int64_t *out);
bool tj_number_to_u64(tj_str text, uint64_t *out);
/* The nearest double; out of range is an infinity, as in Python. */
double tj_number_to_double(tj_str text);
/* Whether both are the same number, compared as decimals of any length. */
bool tj_number_eq(tj_str a, tj_str b) TJ_PURE;
/* Whether it is one of NaN, Infinity, -Infinity. */
bool tj_number_is_special(tj_str text) TJ_PURE;

#endif
