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

#endif
