/* utf8.h - checking, repairing and clipping UTF-8.
 * SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 as RFC 3629: no surrogates, nothing above U+10FFFF, shortest forms.
 * Threads: any; pure functions.
 */
#ifndef TJ_TEXT_UTF8_H
#define TJ_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* What tj_utf8_next gives for bytes that are no character. */
#define TJ_UTF8_BAD UINT32_MAX

/* Length of the character that s (not empty) begins with and its code; or of
 * the maximal bad part, with *code TJ_UTF8_BAD. */
size_t tj_utf8_next(tj_str s, uint32_t *code);
/* Length of the longest prefix of valid characters above U+007F. */
size_t tj_utf8_high_run(tj_str s) TJ_PURE;
/* Length of the longest valid prefix; s.len when all is valid. */
size_t tj_utf8_valid(tj_str s) TJ_PURE;
/* s itself when valid; else a copy in which every maximal bad part is one
 * U+FFFD (the Unicode standard's recommended practice). */
tj_str tj_utf8_repair(struct tj_arena *a, tj_str s);
/* At most bytes_max bytes of s, cut back to a character boundary. */
tj_str tj_utf8_clip(tj_str s, size_t bytes_max) TJ_PURE;
/* At most chars_max characters of valid text. */
tj_str tj_utf8_clip_chars(tj_str s, size_t chars_max) TJ_PURE;
/* True when offset (<= s.len) does not fall inside a character. */
bool tj_utf8_is_boundary(tj_str s, size_t offset) TJ_PURE;
/* Number of characters of valid text. */
size_t tj_utf8_count(tj_str s) TJ_PURE;
/* Writes U+code as one to four bytes and returns their number; a code above
 * U+10FFFF or a surrogate is written as U+FFFD. */
size_t tj_utf8_encode(uint32_t code, char out[4]);
/* Appends what tj_utf8_encode writes. */
void tj_utf8_put(struct tj_buf *out, uint32_t code);
/* For a terminal: C0 and C1 controls, ESC, DEL and bidirectional overrides of
 * untrusted text become visible (U+FFFD or "\x1b"); \n and \t are kept when
 * keep_breaks says so, else shown as blanks. */
enum tj_breaks { TJ_BREAKS_FOLD, TJ_BREAKS_KEEP };
void tj_utf8_put_safe(struct tj_buf *out, tj_str s, enum tj_breaks breaks);
/* Columns that valid text takes on a terminal (East Asian wide counts two,
 * combining marks none). */
size_t tj_utf8_columns(tj_str s) TJ_PURE;

#endif
