/* retry_after.h - how long a server asks its clients to wait.
 * SPDX-License-Identifier: Apache-2.0
 *
 * RFC 9110's Retry-After: seconds (some write "1.5"), or a date.
 * Threads: pure functions.
 */
#ifndef TJ_NET_RETRY_AFTER_H
#define TJ_NET_RETRY_AFTER_H

#include "base/clock.h"
#include "net/http_client.h"

/* False when the response does not say, or says what makes no sense; *out_ms is
 * as told, and may be far too long. */
bool tj_retry_after_ms(const struct tj_http_response *response, tj_time now,
                       uint64_t *out_ms);

#endif
