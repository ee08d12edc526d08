/* file.h - whole files in and out.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Paths come from the command line and from settings, never from a trace.
 * Threads: any.
 */
#ifndef TJ_BASE_FILE_H
#define TJ_BASE_FILE_H

#include <stddef.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

/* The whole file in a; path "-" is standard input.  TJ_E_IO when it cannot be
 * read, TJ_E_LIMIT when it is larger than bytes_max (checked while reading, so
 * a pipe or a device cannot overrun it). */
bool tj_file_read(const char *path, size_t bytes_max, struct tj_arena *a,
                  tj_str *out, struct tj_err *err) TJ_MUST_USE;

/* Writes beside the target and renames, so a reader sees all or nothing. */
bool tj_file_write(const char *path, tj_str bytes, struct tj_err *err)
    TJ_MUST_USE;

/* Adds bytes at the end, in one write where the system allows; a new file is
 * readable by its owner alone. */
bool tj_file_append(const char *path, tj_str bytes, struct tj_err *err)
    TJ_MUST_USE;

/* Makes the folders above path (mode 0700), like mkdir -p of its dirname. */
bool tj_file_make_parents(const char *path, struct tj_err *err) TJ_MUST_USE;

#endif
