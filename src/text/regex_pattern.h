/* regex_pattern.h - what people write as a pattern, as RE2 reads it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Models are taught on Python's and PCRE's dialects.  Where those have a
 * spelling that RE2 has under another one, it is rewritten; where they have a
 * construct that cannot be had in linear time, the refusal names it.
 * Everything else goes through byte for byte and RE2 decides.
 *
 *     \Z            \z            the very end
 *     (?<n>...)     (?P<n>...)
 *     (?#...)       nothing       a comment
 *     \u00e9 \U...  \x{00e9}
 *     [\b]          [\x08]        backspace, inside a class
 *     {,5}          {0,5}
 * Threads: any; pure.  Private to this folder.
 */
#ifndef TJ_TEXT_REGEX_PATTERN_H
#define TJ_TEXT_REGEX_PATTERN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

/* pattern in RE2's spelling, in a.  TJ_E_INPUT "<what> at offset N: <part>"
 * for look-around, back-references, atomic groups, possessive repeats,
 * conditions, recursion and repeats over TJ_REGEX_REPEAT_MAX. */
bool tj_regex_rewrite(tj_str pattern, struct tj_arena *a, tj_str *out,
                      struct tj_err *err) TJ_MUST_USE;

#endif
