/* replay.c - runs a fuzz target over the files of its corpus.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Besides each file as it is, its every short prefix and some bit flips are
 * run, so that a corpus of a few seeds still walks the error paths.  Fails
 * when there is no corpus: a test that reads nothing is no test.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PREFIX_RUNS = 64, FLIP_RUNS = 256, FILE_BYTES_MAX = 16 << 20 };

static void run(const char *bytes, size_t len)
{
    (void)LLVMFuzzerTestOneInput((const uint8_t *)bytes, len);
}

static void run_variants(struct tj_arena *a, tj_str bytes)
{
    run(bytes.ptr, bytes.len);
    for (size_t i = 0; i < PREFIX_RUNS; i++)
        run(bytes.ptr, bytes.len * i / PREFIX_RUNS);
    if (bytes.len == 0)
        return;
    char *copy = tj_cstr(a, bytes);
    uint64_t seed = 88172645463325252u;
    for (size_t i = 0; i < FLIP_RUNS; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        size_t at = (size_t)(seed >> 8) % bytes.len;
        char old = copy[at];
        copy[at] = (char)(old ^ (1 << (seed & 7)));
        run(copy, bytes.len);
        copy[at] = old;
    }
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir) {
        (void)fprintf(stderr, "usage: replay CORPUS (a folder)\n");
        return 1;
    }
    size_t count = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        struct tj_arena a = {0};
        struct tj_err err = {0};
        tj_str bytes = {0};
        tj_str path = tj_str_printf(&a, "%s/%s", argv[1], e->d_name);
        if (!tj_file_read(path.ptr, FILE_BYTES_MAX, &a, &bytes, &err)) {
            (void)fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        run_variants(&a, bytes);
        tj_arena_release(&a);
        count++;
    }
    (void)closedir(dir);
    (void)printf("%zu inputs\n", count);
    return count == 0;
}
