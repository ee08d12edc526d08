/* json.h - JSON in: hostile bytes to a tree of values.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What it is: one pass over the bytes, building a flat array of 16-byte nodes
 * in an arena, in document order; a container is followed by its items, and
 * every node knows how to reach its next sibling.  What it is not: a model to
 * edit; to make JSON, write it (json_write.h).
 *
 * It reads what Python and JavaScript clients really send, so it is RFC 8259
 * plus, on purpose:
 *  1. NaN, Infinity and -Infinity (Python's json.dumps writes them) are
 *     numbers of type DOUBLE.
 *  2. A lone surrogate (\ud800) becomes U+FFFD, and so does every byte that
 *     is not UTF-8; `repaired` in the document says that this happened.
 *  3. Integers are exact from INT64_MIN to UINT64_MAX; a larger one, or one
 *     with a fraction, is a DOUBLE.  Every number keeps its source text
 *     (tj_json_number_text), so nothing is lost on the way through.
 *  4. \u0000 in a string is kept.  Duplicate keys are all kept;
 *     tj_json_find gives the last, as Python and JavaScript do.
 *  5. Refused, with the byte offset and what was expected: raw control
 *     characters in strings, comments, trailing commas, trailing bytes,
 *     nesting over TJ_JSON_DEPTH_MAX (no recursion: depth costs no stack).
 *  6. A leading UTF-8 byte order mark is skipped.
 * Strings without escapes point into the input; others into the arena.  So
 * the input must live as long as the tree.  The tree takes 16 bytes a value
 * and the decoded strings: 1.4 times the text of OTLP/JSON, at worst ("[1,1,")
 * eight times.
 * Threads: a tree is immutable; any thread may read it.
 */
#ifndef TJ_TEXT_JSON_H
#define TJ_TEXT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

enum tj_json_type {
    TJ_JSON_NULL,
    TJ_JSON_FALSE,
    TJ_JSON_TRUE,
    TJ_JSON_INT,    /* fits int64_t */
    TJ_JSON_UINT,   /* above INT64_MAX, fits uint64_t */
    TJ_JSON_DOUBLE, /* everything else that is a number */
    TJ_JSON_STRING,
    TJ_JSON_ARRAY,
    TJ_JSON_OBJECT, /* items alternate: key (a STRING), value, key, value */
};

/* One node.  Use the functions below; the layout is json_int.h's business. */
struct tj_json {
    uint64_t head; /* type in the low bits, length or count above */
    union {
        const char *text; /* STRING: bytes; numbers: source text */
        size_t span;      /* ARRAY, OBJECT: nodes in the subtree, self too */
    } as;
};

struct tj_json_doc {
    const struct tj_json *root;
    bool repaired;     /* some text was not valid and was replaced */
    size_t node_count; /* for statistics and memory bounds */
};

/* The whole of text is one JSON value.  On failure TJ_E_INPUT "offset N: ..."
 * (TJ_E_LIMIT for depth) and *out is untouched. */
bool tj_json_parse(tj_str text, struct tj_arena *a, struct tj_json_doc *out,
                   struct tj_err *err) TJ_MUST_USE;

/* The first JSON value of text, for streams and JSON Lines: *used is the
 * offset just behind it. */
bool tj_json_parse_prefix(tj_str text, struct tj_arena *a,
                          struct tj_json_doc *out, size_t *used,
                          struct tj_err *err) TJ_MUST_USE;

/* -- looking.  All take NULL and then answer as for a missing value. ------ */

enum tj_json_type tj_json_type(const struct tj_json *v); /* NULL: NULL */
const char *tj_json_type_name(enum tj_json_type type);   /* "object", ... */
bool tj_json_is_object(const struct tj_json *v);
bool tj_json_is_array(const struct tj_json *v);
bool tj_json_is_string(const struct tj_json *v);
bool tj_json_is_number(const struct tj_json *v);
bool tj_json_is_null(const struct tj_json *v); /* JSON null, or no value */

/* Items of an array, members of an object, else 0. */
size_t tj_json_count(const struct tj_json *v);

/* The value of key (the last one), or NULL; also NULL when v is no object. */
const struct tj_json *tj_json_find(const struct tj_json *v, tj_str key);
/* tj_json_at(v, "choices.0.message"): keys and indices split at dots; NULL
 * when any step is missing.  For keys without dots, known at compile time. */
const struct tj_json *tj_json_at(const struct tj_json *v, const char *path);
/* Item i of an array or NULL.  O(i). */
const struct tj_json *tj_json_item(const struct tj_json *v, size_t i);

/* STRING: its text, else the empty slice. */
tj_str tj_json_str(const struct tj_json *v);
/* find + str in one. */
tj_str tj_json_find_str(const struct tj_json *v, tj_str key);
bool tj_json_bool(const struct tj_json *v, bool otherwise);
/* False when v is no number or does not fit exactly (1.0 fits, 1.5 not). */
bool tj_json_i64(const struct tj_json *v, int64_t *out);
bool tj_json_u64(const struct tj_json *v, uint64_t *out);
/* The nearest double of any number; out of range is an infinity, as in Python.
 * False only when v is no number. */
bool tj_json_double(const struct tj_json *v, double *out);
/* As tj_json_u64, but a STRING that holds digits counts too (protobuf JSON). */
bool tj_json_u64_loose(const struct tj_json *v, uint64_t *out);
/* The number as it was written ("1e5", "0.10", "NaN"). */
tj_str tj_json_number_text(const struct tj_json *v);

/* -- walking -------------------------------------------------------------- */

/* First child (an object's first is a key) or NULL; next sibling given the
 * parent, or NULL at the end. */
const struct tj_json *tj_json_first(const struct tj_json *parent);
const struct tj_json *tj_json_next(const struct tj_json *parent,
                                   const struct tj_json *child);

/* tj_json_each(arr, it) { ... }: the items of an array (none if v is not). */
#define tj_json_each(v, it)                                                    \
    for (const struct tj_json *it = tj_json_is_array(v) ? tj_json_first(v)     \
                                                        : NULL;                \
         it; it = tj_json_next((v), it))

/* An iterator over members, in document order:
 *     struct tj_json_members m = tj_json_members(obj);
 *     while (tj_json_member(&m)) { m.key ... m.value ... } */
struct tj_json_members {
    const struct tj_json *object;
    const struct tj_json *at;
    tj_str key;
    const struct tj_json *value;
};
struct tj_json_members tj_json_members(const struct tj_json *v);
bool tj_json_member(struct tj_json_members *m);

/* Deep comparison; objects compare as sets of members, numbers by value. */
bool tj_json_eq(const struct tj_json *a, const struct tj_json *b);

#endif
