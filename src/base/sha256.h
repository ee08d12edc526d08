/* sha256.h - the one hash for names and keys that are stored.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to OpenSSL's EVP.  Threads: any.
 */
#ifndef TJ_BASE_SHA256_H
#define TJ_BASE_SHA256_H

#include "base/arena.h"
#include "base/str.h"

enum { TJ_SHA256_BYTES = 32 };

void tj_sha256(tj_str bytes, unsigned char out[TJ_SHA256_BYTES]);
/* 64 lower-case hex digits in a. */
tj_str tj_sha256_hex(struct tj_arena *a, tj_str bytes);

/* PBKDF2-HMAC-SHA256 (RFC 8018) of a password: slow by the number of rounds,
 * which is its point. */
void tj_pbkdf2_sha256(tj_str password, tj_str salt, unsigned rounds,
                      unsigned char out[TJ_SHA256_BYTES]);
/* Are they the same?  Takes the same time whatever differs. */
bool tj_secret_eq(const void *a, const void *b, size_t size);

#endif
