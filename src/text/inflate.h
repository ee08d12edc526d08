/* inflate.h - gzip and zlib data out, with a ceiling.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to zlib.  Output stops at bytes_max: a bomb costs at most that.
 * Concatenated gzip members are read as one, trailing garbage is refused.
 */
#ifndef TJ_TEXT_INFLATE_H
#define TJ_TEXT_INFLATE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

/* Begins with the gzip magic 1f 8b? */
bool tj_is_gzip(tj_str bytes) TJ_PURE;
/* gzip or zlib, told apart by the header.  TJ_E_INPUT with the offset for
 * broken or truncated data, TJ_E_LIMIT when it grows past bytes_max. */
bool tj_inflate(tj_str bytes, size_t bytes_max, struct tj_arena *a, tj_str *out,
                struct tj_err *err) TJ_MUST_USE;
/* What HTTP calls deflate: zlib, or the bare stream that some send for it. */
bool tj_inflate_http(tj_str bytes, size_t bytes_max, struct tj_arena *a,
                     tj_str *out, struct tj_err *err) TJ_MUST_USE;
/* gzip, for tests and exports. */
bool tj_deflate_gzip(tj_str bytes, struct tj_arena *a, tj_str *out,
                     struct tj_err *err) TJ_MUST_USE;
/* The same at the lowest level, for answers that are sent once. */
bool tj_deflate_gzip_fast(tj_str bytes, struct tj_arena *a, tj_str *out,
                          struct tj_err *err) TJ_MUST_USE;

#endif
