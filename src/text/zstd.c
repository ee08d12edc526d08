/* zstd.c - frames of one known size each.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every frame we write says its content size and carries a checksum, so that
 * a flipped bit on disk is an error and not a changed prompt.  Reading goes
 * straight into the output: no window buffer is kept beside it, and what a
 * frame claims is checked against its length before memory is asked for.
 */
#include "text/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/limits.h"

enum {
    LONG_WINDOW_LOG = 27,
    /* A block yields at most 128 KB and takes at least 4 bytes (RFC 8878,
     * 3.1.1.2): nothing honest grows more than that. */
    BLOCK_BYTES_MAX = 128 << 10,
    BLOCK_FRAME_BYTES_MIN = 4,
    HTTP_WINDOW_LOG_MAX = 23, /* RFC 9659 */
    HTTP_CHUNK_BYTES_MAX = 16 << 20,
};

struct tj_zstd {
    ZSTD_CCtx *writer;
    ZSTD_DCtx *reader;
};

struct tj_zstd *tj_zstd_new(void)
{
    struct tj_zstd *z = tj_heap_new(sizeof *z);
    return z;
}

void tj_zstd_free(struct tj_zstd *z)
{
    if (!z)
        return;
    (void)ZSTD_freeCCtx(z->writer);
    (void)ZSTD_freeDCtx(z->reader);
    tj_heap_free(z);
}

static bool set(ZSTD_CCtx *c, ZSTD_cParameter which, int value)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(c, which, value));
}

/* Parameters stick to a context, so each write sets all that it needs. */
static bool prepare(struct tj_zstd *z, int level, enum tj_zstd_window window,
                    struct tj_err *err)
{
    assert(level >= 1);
    assert(level <= 19);
    if (!z->writer)
        z->writer = ZSTD_createCCtx();
    bool far = window == TJ_ZSTD_WINDOW_LONG;
    bool ok = z->writer && set(z->writer, ZSTD_c_compressionLevel, level) &&
              set(z->writer, ZSTD_c_checksumFlag, 1) &&
              set(z->writer, ZSTD_c_enableLongDistanceMatching, far) &&
              set(z->writer, ZSTD_c_windowLog, far ? LONG_WINDOW_LOG : 0);
    return ok || tj_fail(err, TJ_E_LIMIT, "no memory for compression");
}

/* Seven parameters: two of them are the codec's settings for this block. */
/* NOLINTNEXTLINE(readability-function-size) */
bool tj_zstd_write(struct tj_zstd *z, tj_str bytes, int level,
                   enum tj_zstd_window window, struct tj_arena *a, tj_str *out,
                   struct tj_err *err)
{
    if (bytes.len > TJ_ZSTD_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "zstd input is over %zu bytes",
                       TJ_ZSTD_BYTES_MAX);
    if (!prepare(z, level, window, err))
        return false;
    size_t bound = ZSTD_compressBound(bytes.len);
    char *to = tj_arena_alloc(a, bound);
    size_t size = ZSTD_compress2(z->writer, to, bound, bytes.ptr, bytes.len);
    if (ZSTD_isError(size))
        return tj_fail(err, TJ_E_LIMIT, "zstd: %s", ZSTD_getErrorName(size));
    *out = tj_str_make(to, size);
    return true;
}

/* Does the frame hold exactly one frame of exactly size bytes, by its own
 * account?  Everything is checked before memory is asked for. */
static bool check_frame(tj_str frame, size_t size, struct tj_err *err)
{
    unsigned long long says = ZSTD_getFrameContentSize(frame.ptr, frame.len);
    if (says == ZSTD_CONTENTSIZE_ERROR)
        return tj_fail(err, TJ_E_INPUT, "offset 0: no zstd frame");
    if (says != size)
        return tj_fail(err, TJ_E_INPUT,
                       "offset 0: the zstd frame is not of %zu bytes", size);
    size_t used = ZSTD_findFrameCompressedSize(frame.ptr, frame.len);
    if (ZSTD_isError(used))
        return tj_fail(
            err, TJ_E_INPUT, "offset %zu: the zstd frame %s", frame.len,
            ZSTD_getErrorCode(used) == ZSTD_error_srcSize_wrong ? "is cut off"
                                                                : "is broken");
    if (used != frame.len)
        return tj_fail(err, TJ_E_INPUT,
                       "offset %zu: bytes behind the zstd frame", used);
    if (size / BLOCK_BYTES_MAX > frame.len / BLOCK_FRAME_BYTES_MIN)
        return tj_fail(err, TJ_E_INPUT,
                       "offset 0: %zu bytes cannot be in a zstd frame of %zu",
                       size, frame.len);
    return true;
}

bool tj_zstd_read(struct tj_zstd *z, tj_str frame, size_t size,
                  struct tj_arena *a, tj_str *out, struct tj_err *err)
{
    if (size > TJ_ZSTD_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "zstd output is over %zu bytes",
                       TJ_ZSTD_BYTES_MAX);
    if (!check_frame(frame, size, err))
        return false;
    if (!z->reader)
        z->reader = ZSTD_createDCtx();
    if (!z->reader)
        return tj_fail(err, TJ_E_LIMIT, "no memory for decompression");
    char *to = tj_arena_alloc(a, size);
    size_t got = ZSTD_decompressDCtx(z->reader, to, size, frame.ptr, frame.len);
    if (ZSTD_isError(got))
        return tj_fail(err, TJ_E_INPUT, "broken zstd frame of %zu bytes: %s",
                       frame.len, ZSTD_getErrorName(got));
    assert(got == size);
    *out = tj_str_make(to, size);
    return true;
}

/* -- as clients send it --------------------------------------------------- */

/* Lets zstd write once.  At the ceiling it gets one byte beside the buffer:
 * data that ends exactly there is fine, one byte more is not. */
static size_t step(ZSTD_DCtx *reader, ZSTD_inBuffer *in, struct tj_buf *out)
{
    char beyond = 0;
    size_t before = out->len;
    size_t room = tj_size_min(tj_buf_room(out),
                              tj_size_min(tj_size_max(before, BLOCK_BYTES_MAX),
                                          HTTP_CHUNK_BYTES_MAX));
    char *to = room ? tj_buf_take(out, room) : NULL;
    ZSTD_outBuffer to_buf = {to ? to : &beyond, to ? room : 1, 0};
    size_t rc = ZSTD_decompressStream(reader, &to_buf, in);
    if (to)
        tj_buf_cut(out, before + to_buf.pos);
    else if (to_buf.pos)
        out->full = true;
    return rc;
}

static bool read_frames(ZSTD_DCtx *reader, tj_str bytes, struct tj_buf *out,
                        struct tj_err *err)
{
    ZSTD_inBuffer in = {bytes.ptr, bytes.len, 0};
    for (;;) {
        size_t in_before = in.pos;
        size_t out_before = out->len;
        size_t rc = step(reader, &in, out);
        if (ZSTD_isError(rc))
            return tj_fail(err, TJ_E_INPUT, "offset %zu: broken zstd data: %s",
                           in.pos, ZSTD_getErrorName(rc));
        if (out->full)
            return tj_buf_ok(out, "decompressed data", err);
        if (rc == 0 && in.pos == in.size)
            return true;
        if (in.pos == in_before && out->len == out_before)
            return tj_fail(err, TJ_E_INPUT,
                           "offset %zu: the zstd data is cut off", bytes.len);
    }
}

bool tj_zstd_read_http(tj_str bytes, size_t bytes_max, struct tj_arena *a,
                       tj_str *out, struct tj_err *err)
{
    if (!bytes.len)
        return tj_fail(err, TJ_E_INPUT, "offset 0: no zstd frame");
    ZSTD_DCtx *reader = ZSTD_createDCtx();
    if (!reader)
        return tj_fail(err, TJ_E_LIMIT, "no memory for decompression");
    struct tj_buf buf;
    tj_buf_init(&buf, a, bytes_max);
    (void)ZSTD_DCtx_setParameter(reader, ZSTD_d_windowLogMax,
                                 HTTP_WINDOW_LOG_MAX);
    bool ok = read_frames(reader, bytes, &buf, err);
    (void)ZSTD_freeDCtx(reader);
    if (ok)
        *out = tj_buf_str(&buf);
    return ok;
}
