/* schema.h - the part of JSON Schema that a judge's value may be made of.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Keywords: type, enum, const, anyOf, properties, required,
 * additionalProperties, items, minimum, maximum, minItems, maxItems,
 * minLength, maxLength, and the annotations title, description and default.
 * Anything else is refused when a judge is read, so that no rule of its author
 * is ever ignored in silence.
 *  1. Nesting is capped by TJ_SCHEMA_DEPTH_MAX.
 *  2. The closed form is what providers' strict modes accept: every object
 *     closed, every member required (an optional one may be null), bounds
 *     left out.  A value is always checked against the full schema here.
 * Threads: pure functions.
 */
#ifndef TJ_JUDGE_SCHEMA_H
#define TJ_JUDGE_SCHEMA_H

#include "text/json.h"
#include "text/json_write.h"

enum { TJ_SCHEMA_DEPTH_MAX = 8 };

/* TJ_E_INPUT naming the place and the keyword that is not understood. */
bool tj_schema_accept(const struct tj_json *schema, struct tj_err *err)
    TJ_MUST_USE;

/* Does value obey schema?  When not, *why is one line that names the place and
 * what was expected there ("score: 7 is over the maximum 5"), in a. */
bool tj_schema_check(const struct tj_json *schema, const struct tj_json *value,
                     struct tj_arena *a, tj_str *why) TJ_MUST_USE;

/* Does the schema have a closed form? (A dict with any keys has none.) */
bool tj_schema_is_closable(const struct tj_json *schema);
void tj_schema_write_closed(struct tj_json_writer *w,
                            const struct tj_json *schema);

/* For people and prompts: "bool", "'good' | 'bad'", "list[str]". */
void tj_schema_describe(struct tj_buf *out, const struct tj_json *schema);

#endif
