/* file.c - see file.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/random.h"

static const char *reason(void)
{
    switch (errno) {
    case ENOENT: return "no such file";
    case EACCES: return "permission denied";
    case EISDIR: return "is a directory";
    case ENOTDIR: return "a part of the path is not a directory";
    case ENOSPC: return "no space left on the device";
    case EROFS: return "read-only file system";
    default: return "input/output error";
    }
}

static bool read_all(int fd, const char *path, struct tj_buf *b,
                     struct tj_err *err)
{
    for (;;) {
        /* One byte past the maximum tells "too large" from "just fits". */
        size_t want = tj_size_min(tj_buf_room(b), 1 << 18);
        if (want == 0)
            return tj_fail(err, TJ_E_LIMIT, "%s: over %zu bytes", path,
                           b->bytes_max - 1);
        char *at = tj_buf_take(b, want);
        ssize_t n = read(fd, at, want);
        tj_buf_cut(b, b->len - (n > 0 ? want - (size_t)n : want));
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR)
            return tj_fail(err, TJ_E_IO, "%s: %s", path, reason());
    }
}

bool tj_file_read(const char *path, size_t bytes_max, struct tj_arena *a,
                  tj_str *out, struct tj_err *err)
{
    bool is_stdin = !strcmp(path, "-");
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tj_fail(err, TJ_E_IO, "%s: %s", path, reason());
    struct tj_buf b;
    tj_buf_init(&b, a, bytes_max + 1);
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uint64_t)st.st_size <= bytes_max) {
        (void)tj_buf_take(&b, (size_t)st.st_size + 1); /* one allocation */
        tj_buf_cut(&b, 0);
    }
    bool ok = read_all(fd, path, &b, err);
    if (!is_stdin)
        (void)close(fd);
    if (ok)
        *out = tj_buf_str(&b);
    return ok;
}

static bool write_all(int fd, tj_str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes = tj_str_slice(bytes, (size_t)n, bytes.len);
    }
    return true;
}

bool tj_file_write(const char *path, tj_str bytes, struct tj_err *err)
{
    char temp[4096];
    int n = snprintf(temp, sizeof temp, "%s.%08x.tmp", path,
                     (unsigned)tj_random_u64());
    if (n < 0 || (size_t)n >= sizeof temp)
        return tj_fail(err, TJ_E_IO, "path too long");
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return tj_fail(err, TJ_E_IO, "%s: %s", path, reason());
    bool ok = write_all(fd, bytes) && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    ok = ok && rename(temp, path) == 0;
    if (ok)
        return true;
    (void)tj_fail(err, TJ_E_IO, "%s: %s", path, reason());
    (void)unlink(temp);
    return false;
}

bool tj_file_append(const char *path, tj_str bytes, struct tj_err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return tj_fail(err, TJ_E_IO, "%s: %s", path, reason());
    bool ok = write_all(fd, bytes);
    ok = close(fd) == 0 && ok;
    return ok || tj_fail(err, TJ_E_IO, "%s: %s", path, reason());
}

bool tj_file_make_parents(const char *path, struct tj_err *err)
{
    char part[4096];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return tj_fail(err, TJ_E_IO, "path too long");
    memcpy(part, path, len + 1);
    for (size_t i = 1; i < len; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return tj_fail(err, TJ_E_IO, "%s: %s", part, reason());
        part[i] = '/';
    }
    return true;
}
