/* random.h - random bytes from the kernel.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For ids, nonces, hash seeds and retry jitter.  Threads: any.
 */
#ifndef TJ_BASE_RANDOM_H
#define TJ_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void tj_random_bytes(void *out, size_t size);
uint64_t tj_random_u64(void);

#endif
