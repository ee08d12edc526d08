/* sha256.c - SHA-256 by OpenSSL's EVP (1.8 GB/s with SHA-NI).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/sha256.h"

#include <limits.h>
#include <openssl/evp.h>

#include "base/hex.h"

void tj_sha256(tj_str bytes, unsigned char out[TJ_SHA256_BYTES])
{
    unsigned int size = 0;
    int ok = EVP_Digest(bytes.ptr ? bytes.ptr : "", bytes.len, out, &size,
                        EVP_sha256(), NULL);
    assert(ok);
    assert(size == TJ_SHA256_BYTES);
}

tj_str tj_sha256_hex(struct tj_arena *a, tj_str bytes)
{
    unsigned char digest[TJ_SHA256_BYTES];
    tj_sha256(bytes, digest);
    char *text = tj_arena_alloc(a, 2 * sizeof digest);
    tj_hex_write(digest, sizeof digest, text);
    return tj_str_make(text, 2 * sizeof digest);
}

void tj_pbkdf2_sha256(tj_str password, tj_str salt, unsigned rounds,
                      unsigned char out[TJ_SHA256_BYTES])
{
    assert(rounds > 0);
    assert(rounds <= INT_MAX);
    assert(password.len <= INT_MAX);
    int ok =
        PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.len,
                          (const unsigned char *)salt.ptr, (int)salt.len,
                          (int)rounds, EVP_sha256(), TJ_SHA256_BYTES, out);
    assert(ok == 1);
    (void)ok;
}

bool tj_secret_eq(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}
