/* auth.h - whose request is it: the server's view of the credentials.
 * SPDX-License-Identifier: Apache-2.0
 *
 *  1. Once there were entries, every request needs one for as long as the
 *     server runs: a file that is emptied, deleted or broken later locks out
 *     and never lets in.
 *  2. Secrets are compared in constant time, and a name that is not there
 *     costs what a wrong password costs.
 *  3. PBKDF2 is slow by intent.  It runs on one core at most, few wait for
 *     it, and what was verified is remembered (by a hash under a key of this
 *     process), so that it is paid once and not for each request.
 * Threads: any, but open, refresh and close.
 */
#ifndef TJ_SERVE_AUTH_H
#define TJ_SERVE_AUTH_H

#include "base/arena.h"
#include "base/err.h"
#include "serve/grant.h"

struct tj_auth;

enum tj_auth_effort {
    TJ_AUTH_QUICK, /* what takes no time */
    TJ_AUTH_FULL,
};

enum tj_auth_verdict {
    TJ_AUTH_OPEN,    /* nobody needs credentials here */
    TJ_AUTH_GRANTED, /* *out, in a */
    TJ_AUTH_MISSING,
    TJ_AUTH_WRONG,
    TJ_AUTH_LATER, /* QUICK cannot say */
    TJ_AUTH_BUSY,  /* too many others are being checked */
};

/* path NULL: no file, and none later. */
bool tj_auth_open(const char *path, struct tj_auth **out, struct tj_err *err)
    TJ_MUST_USE;
/* Reads the file again when it has changed; *changed says so.  False: it
 * cannot be read, and what was read before stays. */
bool tj_auth_refresh(struct tj_auth *auth, bool *changed, struct tj_err *err)
    TJ_MUST_USE;
bool tj_auth_is_required(struct tj_auth *auth);
size_t tj_auth_count(struct tj_auth *auth);
/* Can nobody but its owner read the file? */
bool tj_auth_is_private(const struct tj_auth *auth);
/* header: the value of Authorization. */
enum tj_auth_verdict tj_auth_check(struct tj_auth *auth, tj_str header,
                                   enum tj_auth_effort effort,
                                   struct tj_arena *a,
                                   const struct tj_grant **out);
/* Takes NULL. */
void tj_auth_close(struct tj_auth *auth);

#endif
