/* auth_file.h - who may use the server: the file of credentials.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"version": 1, "entries": [
 *       {"name": "ci", "kind": "token", "role": "write",
 *        "experiments": ["3"], "hash": "<64 hex>", "created": "2026-..."},
 *       {"name": "ana", "kind": "user", "role": "admin", "rounds": 600000,
 *        "salt": "<32 hex>", "hash": "<64 hex>", "created": "2026-..."}]}
 *
 *  1. No secret is in it: of a token its SHA-256 (a token is 256 random bits,
 *     so that is enough), of a password PBKDF2-HMAC-SHA256.
 *  2. It is written whole or not at all, with mode 0600.
 *  3. Names are unique.
 * Threads: one at a time.
 */
#ifndef TJ_SERVE_AUTH_FILE_H
#define TJ_SERVE_AUTH_FILE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/sha256.h"
#include "base/vec.h"
#include "serve/grant.h"

enum {
    TJ_AUTH_SALT_BYTES = 16,
    TJ_AUTH_ROUNDS = 600000,
    TJ_AUTH_ROUNDS_MAX = 10000000,
    TJ_AUTH_ENTRIES_MAX = 10000,
    TJ_AUTH_EXPERIMENTS_MAX = 1000,
    TJ_AUTH_NAME_BYTES_MAX = 64,
    TJ_AUTH_PASSWORD_BYTES_MIN = 8,
    TJ_AUTH_PASSWORD_BYTES_MAX = 1024,
};

/* What every token begins with, so that scanners for leaked secrets know it. */
#define TJ_AUTH_TOKEN_PREFIX "tj_"

enum tj_auth_kind { TJ_AUTH_TOKEN, TJ_AUTH_USER };

struct tj_auth_entry {
    enum tj_auth_kind kind;
    struct tj_grant grant;
    unsigned rounds; /* of a user */
    unsigned char salt[TJ_AUTH_SALT_BYTES];
    unsigned char hash[TJ_SHA256_BYTES];
    tj_time created;
};

typedef TJ_VEC(struct tj_auth_entry) tj_auth_entries;

/* Where it is when nobody says: "<database>.auth".  Empty for a store that is
 * no file. */
tj_str tj_auth_default_path(tj_str store_url, struct tj_arena *a);

/* "read", "write", "admin". */
bool tj_auth_role_parse(tj_str name, enum tj_access *out) TJ_MUST_USE;
const char *tj_auth_role_name(enum tj_access access);

/* A file that is not there has no entries. */
bool tj_auth_file_read(const char *path, struct tj_arena *a,
                       tj_auth_entries *out, struct tj_err *err) TJ_MUST_USE;
bool tj_auth_file_write(const char *path, const tj_auth_entries *entries,
                        struct tj_err *err) TJ_MUST_USE;

/* Waits until nobody else is changing the file; it is ours until *lock is
 * closed.  Whoever reads it to write it again takes this first; for reading
 * alone nobody needs it. */
bool tj_auth_file_lock(const char *path, int *lock, struct tj_err *err)
    TJ_MUST_USE;

/* Adds grant under its name (TJ_E_INPUT: not a name, or there already).  The
 * token is told here and never again. */
bool tj_auth_add_token(tj_auth_entries *to, const struct tj_grant *grant,
                       struct tj_arena *a, tj_str *token, struct tj_err *err)
    TJ_MUST_USE;
bool tj_auth_add_user(tj_auth_entries *to, const struct tj_grant *grant,
                      tj_str password, struct tj_arena *a, struct tj_err *err)
    TJ_MUST_USE;
/* False: there is none of this name. */
bool tj_auth_remove(tj_auth_entries *from, tj_str name) TJ_MUST_USE;

#endif
