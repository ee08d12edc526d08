/* zstd.h - compression for what we store.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to libzstd.  A codec holds the contexts, which cost 100s of KB and
 * are worth keeping.
 * Threads: one codec, one thread.
 */
#ifndef TJ_TEXT_ZSTD_H
#define TJ_TEXT_ZSTD_H

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

struct tj_zstd;

struct tj_zstd *tj_zstd_new(void);
void tj_zstd_free(struct tj_zstd *z);

/* level 1..19; long_window finds repeats up to 128 MB apart (merging). */
enum tj_zstd_window { TJ_ZSTD_WINDOW_DEFAULT, TJ_ZSTD_WINDOW_LONG };
bool tj_zstd_write(struct tj_zstd *z, tj_str bytes, int level,
                   enum tj_zstd_window window, struct tj_arena *a, tj_str *out,
                   struct tj_err *err) TJ_MUST_USE;
/* size is what the caller stored beside the block; a frame that says or
 * yields anything else is TJ_E_INPUT. */
bool tj_zstd_read(struct tj_zstd *z, tj_str frame, size_t size,
                  struct tj_arena *a, tj_str *out, struct tj_err *err)
    TJ_MUST_USE;

/* Frames in a row, of sizes that they need not say, as clients send them: out
 * stops at bytes_max (TJ_E_LIMIT), and a window over the 8 MB that RFC 9659
 * allows is refused.  Needs no codec; any thread. */
bool tj_zstd_read_http(tj_str bytes, size_t bytes_max, struct tj_arena *a,
                       tj_str *out, struct tj_err *err) TJ_MUST_USE;

#endif
