/* random.c - getrandom, which does not fail after boot.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _DEFAULT_SOURCE /* getentropy */
#include "base/random.h"

#include <assert.h>
#include <unistd.h>

#include "base/base.h"

void tj_random_bytes(void *out, size_t size)
{
    for (char *p = out; size;) {
        size_t part = tj_size_min(size, 256); /* getentropy's own maximum */
        int rc = getentropy(p, part);
        assert(rc == 0);
        p += part;
        size -= part;
    }
}

uint64_t tj_random_u64(void)
{
    uint64_t value;
    tj_random_bytes(&value, sizeof value);
    return value;
}
