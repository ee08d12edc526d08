/* regex.h - searching with patterns that a model or a user wrote.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to RE2 (regex_re2.cc): linear time for every pattern.  The syntax
 * is RE2's, and Python's and PCRE's spellings where they mean the same
 * (regex_pattern.h has the list).  Look-around, back-references, atomic groups
 * and possessive repeats do not exist; the refusal names the construct.
 *  1. $ is the very end of the text (of a line with MULTILINE), as \z and \Z
 *     are.  Python's $ also matches before a last line break; that needs
 *     look-ahead, so here such a text wants \n?$.
 *  2. \d \w \s \b are about ASCII, as in every linear engine; \pL, \pN and
 *     the other Unicode classes are there.  Case folding is Unicode's.
 *  3. Text and patterns are UTF-8 and a match begins and ends between
 *     characters.  Texts here are valid because fields are (span.h, 1); bytes
 *     of an invalid text match nothing, not even a dot.
 * Threads: a compiled pattern is immutable; any thread may search with it.
 */
#ifndef TJ_TEXT_REGEX_H
#define TJ_TEXT_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tj_regex;

enum tj_regex_flags {
    TJ_REGEX_FOLD_CASE = 1 << 0,
    TJ_REGEX_LITERAL = 1 << 1,   /* the pattern is plain text */
    TJ_REGEX_DOT_ALL = 1 << 2,   /* . matches \n */
    TJ_REGEX_MULTILINE = 1 << 3, /* ^ and $ at lines */
};

struct tj_match {
    size_t offset;
    size_t len;
};

/* NULL and TJ_E_INPUT "<what> at offset N: <part>" for a pattern that cannot
 * be compiled; TJ_E_LIMIT when it is too long or its program too large. */
struct tj_regex *tj_regex_new(tj_str pattern, unsigned flags,
                              struct tj_err *err) TJ_MUST_USE;
void tj_regex_free(struct tj_regex *re);

/* The first (leftmost) match at or after `from`; an empty match counts.  The
 * text before `from` is seen by \b and ^. */
bool tj_regex_find(const struct tj_regex *re, tj_str text, size_t from,
                   struct tj_match *out);
bool tj_regex_test(const struct tj_regex *re, tj_str text);

#ifdef __cplusplus
}
#endif

#endif
