/* inflate.c - zlib behind one call that knows when to stop.
 * SPDX-License-Identifier: Apache-2.0
 */
#define ZLIB_CONST /* next_in is const */
#include "text/inflate.h"

#include <limits.h>
#include <zlib.h>

#include "base/buf.h"

enum {
    CHUNK_BYTES_MIN = 64 << 10,
    CHUNK_BYTES_MAX = 16 << 20,
    INPUT_CHUNK_BYTES = 1 << 30, /* zlib counts input in an unsigned int */
    WINDOW_BITS = 15,
    GZIP_WRAPPER = 16, /* added to the window bits, says zlib.h */
};

/* One stream at work.  in_left is what zlib has not been given yet. */
struct job {
    z_stream z;
    tj_str bytes;
    size_t in_left;
    struct tj_buf out;
};

bool tj_is_gzip(tj_str bytes)
{
    return bytes.len >= 2 && (unsigned char)bytes.ptr[0] == 0x1f &&
           (unsigned char)bytes.ptr[1] == 0x8b;
}

/* RFC 1950: method 8, window at most 32 KB, the two bytes divide by 31. */
static bool is_zlib(tj_str bytes)
{
    if (bytes.len < 2)
        return false;
    unsigned cmf = (unsigned char)bytes.ptr[0];
    unsigned flags = (unsigned char)bytes.ptr[1];
    return (cmf & 0x0f) == 8 && cmf >> 4 <= 7 && (cmf << 8 | flags) % 31 == 0;
}

static size_t offset_of(const struct job *j)
{
    return j->bytes.len - j->in_left - j->z.avail_in;
}

static void feed(struct job *j)
{
    if (j->z.avail_in || !j->in_left)
        return;
    size_t n = tj_size_min(j->in_left, INPUT_CHUNK_BYTES);
    j->z.avail_in = (uInt)n;
    j->in_left -= n;
}

/* Lets zlib write once.  At the ceiling it gets one byte beside the buffer:
 * data that ends exactly there is fine, one byte more is not. */
static int step(struct job *j)
{
    unsigned char beyond = 0;
    size_t before = j->out.len;
    size_t room = tj_size_min(
        tj_buf_room(&j->out),
        tj_size_min(tj_size_max(before, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX));
    char *to = room ? tj_buf_take(&j->out, room) : NULL;
    j->z.next_out = to ? (unsigned char *)to : &beyond;
    j->z.avail_out = to ? (uInt)room : 1;
    feed(j);
    int rc = inflate(&j->z, Z_NO_FLUSH);
    if (to)
        tj_buf_cut(&j->out, before + room - j->z.avail_out);
    else if (j->z.avail_out == 0)
        j->out.full = true;
    return rc;
}

static bool broken(const struct job *j, int rc, struct tj_err *err)
{
    if (rc == Z_BUF_ERROR)
        return tj_fail(err, TJ_E_INPUT,
                       "offset %zu: the compressed data is cut off",
                       j->bytes.len);
    if (rc == Z_MEM_ERROR)
        return tj_fail(err, TJ_E_LIMIT, "no memory for decompression");
    return tj_fail(err, TJ_E_INPUT, "offset %zu: broken compressed data: %s",
                   offset_of(j), j->z.msg ? j->z.msg : "preset dictionary");
}

/* gzip files may be several members in a row. */
static bool next_member(struct job *j, bool *more, struct tj_err *err)
{
    size_t offset = offset_of(j);
    tj_str rest = tj_str_slice(j->bytes, offset, j->bytes.len);
    *more = rest.len > 0;
    if (!*more)
        return true;
    if (!tj_is_gzip(j->bytes) || !tj_is_gzip(rest))
        return tj_fail(err, TJ_E_INPUT,
                       "offset %zu: bytes behind the compressed data", offset);
    int rc = inflateReset(&j->z);
    assert(rc == Z_OK);
    return true;
}

static bool run(struct job *j, struct tj_err *err)
{
    for (bool more = true; more;) {
        int rc = step(j);
        if (j->out.full)
            return tj_buf_ok(&j->out, "decompressed data", err);
        if (rc == Z_STREAM_END) {
            if (!next_member(j, &more, err))
                return false;
        } else if (rc != Z_OK) {
            return broken(j, rc, err);
        }
    }
    return true;
}

/* The caller has filled bytes and initialised out. */
static bool inflate_all(struct job *j, int window_bits, tj_str *out,
                        struct tj_err *err)
{
    j->in_left = j->bytes.len;
    j->z.next_in = (const Bytef *)j->bytes.ptr;
    if (inflateInit2(&j->z, window_bits))
        return tj_fail(err, TJ_E_LIMIT, "no memory for decompression");
    bool ok = run(j, err);
    (void)inflateEnd(&j->z);
    if (ok)
        *out = tj_buf_str(&j->out);
    return ok;
}

bool tj_inflate(tj_str bytes, size_t bytes_max, struct tj_arena *a, tj_str *out,
                struct tj_err *err)
{
    bool gzip = tj_is_gzip(bytes);
    if (!gzip && !is_zlib(bytes))
        return tj_fail(err, TJ_E_INPUT, "offset 0: neither gzip nor zlib data");
    struct job j = {.bytes = bytes};
    tj_buf_init(&j.out, a, bytes_max);
    return inflate_all(&j, gzip ? WINDOW_BITS + GZIP_WRAPPER : WINDOW_BITS, out,
                       err);
}

bool tj_inflate_http(tj_str bytes, size_t bytes_max, struct tj_arena *a,
                     tj_str *out, struct tj_err *err)
{
    struct job j = {.bytes = bytes};
    tj_buf_init(&j.out, a, bytes_max);
    return inflate_all(&j, is_zlib(bytes) ? WINDOW_BITS : -WINDOW_BITS, out,
                       err);
}

static bool deflate_gzip(tj_str bytes, int level, struct tj_arena *a,
                         tj_str *out, struct tj_err *err)
{
    if (bytes.len > UINT_MAX)
        return tj_fail(err, TJ_E_LIMIT, "gzip input is over %u bytes",
                       UINT_MAX);
    z_stream z = {0};
    if (deflateInit2(&z, level, Z_DEFLATED, WINDOW_BITS + GZIP_WRAPPER,
                     MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY))
        return tj_fail(err, TJ_E_LIMIT, "no memory for compression");
    size_t bound = deflateBound(&z, bytes.len);
    char *to = tj_arena_alloc(a, bound);
    z.next_in = (const Bytef *)bytes.ptr;
    z.avail_in = (uInt)bytes.len;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)tj_size_min(bound, UINT_MAX);
    int rc = deflate(&z, Z_FINISH);
    size_t size = z.total_out;
    (void)deflateEnd(&z);
    if (rc != Z_STREAM_END)
        return tj_fail(err, TJ_E_LIMIT, "gzip output is over %u bytes",
                       UINT_MAX);
    *out = tj_str_make(to, size);
    return true;
}

bool tj_deflate_gzip(tj_str bytes, struct tj_arena *a, tj_str *out,
                     struct tj_err *err)
{
    return deflate_gzip(bytes, Z_DEFAULT_COMPRESSION, a, out, err);
}

bool tj_deflate_gzip_fast(tj_str bytes, struct tj_arena *a, tj_str *out,
                          struct tj_err *err)
{
    return deflate_gzip(bytes, Z_BEST_SPEED, a, out, err);
}
