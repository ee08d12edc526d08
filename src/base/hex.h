/* hex.h - bytes to hex digits and back.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_BASE_HEX_H
#define TJ_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"
#include "base/str.h"

/* 2 * size lower-case digits into out; no NUL. */
void tj_hex_write(const void *bytes, size_t size, char *out);
/* Exactly 2 * size digits of either case; false leaves out unspecified. */
bool tj_hex_parse(tj_str digits, void *out, size_t size) TJ_MUST_USE;

#endif
