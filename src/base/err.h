/* err.h - how a function says that it failed, and why.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A function that can fail returns bool (TJ_MUST_USE) and takes
 * `struct tj_err *err` last.
 *  1. err is never NULL, is untouched on success and filled on failure.
 *  2. The message is one line: no newline, no full stop, lower case, with the
 *     offset or name of the thing that is wrong.  Bytes from outside are made
 *     printable on the way in, so a message is always safe to show.
 *  3. The lowest level states the fact; one boundary adds context with
 *     tj_err_wrap ("import run.json: offset 17: expected ':'").
 *  4. "Not found" is an answer, not an error.
 * Threads: a struct tj_err belongs to one thread.
 */
#ifndef TJ_BASE_ERR_H
#define TJ_BASE_ERR_H

#include <stdbool.h>

#include "base/base.h"

/* Chosen by what the caller does next. */
#define TJ_CODES(X)                                                            \
    X(NONE, "none")           /* no error */                                   \
    X(INPUT, "input")         /* tell the sender: the bytes are wrong */       \
    X(LIMIT, "limit")         /* ask for less */                               \
    X(BUSY, "busy")           /* try again later */                            \
    X(IO, "io")               /* the machine said no: file, disk, socket */    \
    X(AUTH, "auth")           /* no key, or the key was refused */             \
    X(BACKEND, "backend")     /* the store, or the model's provider, failed */ \
    X(UNCERTAIN, "uncertain") /* a write that may have happened */             \
    X(CANCELLED, "cancelled") /* somebody asked us to stop */                  \
    X(NETWORK, "network") /* a server that a store lives on is out of reach */

enum tj_code {
#define X(name, text) TJ_E_##name,
    TJ_CODES(X)
#undef X
};

enum { TJ_ERR_MESSAGE_MAX = 512 };

struct tj_err {
    enum tj_code code;
    char message[TJ_ERR_MESSAGE_MAX]; /* NUL-terminated, printable UTF-8 */
};

/* What a step of an iteration returns. */
enum tj_step { TJ_FAILED = -1, TJ_DONE = 0, TJ_ROW = 1 };

/* "input", "limit", ... */
const char *tj_code_name(enum tj_code code);

/* Fills *err and returns false, so that `return tj_fail(err, ...)` reads as
 * what it is.  Control characters in the formatted text become '?'. */
bool tj_fail(struct tj_err *err, enum tj_code code, const char *format, ...)
    TJ_PRINTF(3, 4);

/* Puts "context: " in front of the message; keeps the code; returns false. */
bool tj_err_wrap(struct tj_err *err, const char *format, ...) TJ_PRINTF(2, 3);

#endif
