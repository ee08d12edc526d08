/* base64.h - RFC 4648 base64, both alphabets in, the standard one out.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TEXT_BASE64_H
#define TJ_TEXT_BASE64_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

tj_str tj_base64_write(struct tj_arena *a, tj_str bytes);
/* Padding may be missing; line breaks may not.  False for anything else. */
bool tj_base64_parse(struct tj_arena *a, tj_str text, tj_str *out) TJ_MUST_USE;

#endif
