/* plain.h - field text: how a JSON value is shown, searched and quoted.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every field of a span has exactly one text.  Tools show it, regexes search
 * it, evidence quotes it and offsets count its bytes, so what a judge sees is
 * what it can quote.  A string value is its own characters.  A container is
 * "plain" JSON: on one line in Python's spacing, except that strings stand in
 * it as they are, not escaped, so that quotes and line breaks in a prompt or a
 * traceback read, search and quote as what they mean:
 *
 *     {"role": "user", "content": "two
 *     lines", "said": #"he said "yes""#, "n": 1.50}
 *
 *  1. A string without '"' is written between two '"', byte for byte: line
 *     breaks, backslashes and all.
 *  2. A string with '"' is written between #" and "#, with as many # as it
 *     takes for the closing mark not to occur inside.  So no string can
 *     pretend to be structure: a reader (and tj_plain_parse) always knows
 *     where it ends.
 *  3. Numbers keep their source text; key order and duplicate keys are kept.
 *     So plain text is lossless: parse(write(v)) equals v.
 *  4. Text is valid UTF-8 because trees are (json.h, 2).
 * Threads: any; pure functions.
 */
#ifndef TJ_TEXT_PLAIN_H
#define TJ_TEXT_PLAIN_H

#include "base/buf.h"
#include "text/json.h"

/* A STRING appends its characters; anything else its plain text. */
void tj_plain_write(struct tj_buf *out, const struct tj_json *v);
/* As it stands inside a container: a string gets its marks. */
void tj_plain_write_inner(struct tj_buf *out, const struct tj_json *v);

/* A string in its marks, for containers that are put together piece by
 * piece.  text is valid UTF-8. */
void tj_plain_string(struct tj_buf *out, tj_str text);

/* Back to a tree.  text must be a container, number, bool or null in plain
 * form (a top-level string has no marks: its type is kept beside it, see
 * trace/span.h). */
bool tj_plain_parse(tj_str text, struct tj_arena *a, struct tj_json_doc *out,
                    struct tj_err *err) TJ_MUST_USE;

#endif
