/* retry.h - whether a failed request is sent again, and when.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Again: no answer at all, 408, 409, 429, 498, 5xx (529 included), an answer
 * that makes no sense; x-should-retry decides where it is sent.  Not again:
 * what would fail again (400, 401, 402, 403, 404, an empty account).
 * The wait is what the provider says - retry-after-ms, Retry-After (seconds or
 * an HTTP date), on a 429 x-ratelimit-reset-* or anthropic-ratelimit-*-reset -
 * or min(0.5 s * 2^n, 8 s), less up to a quarter by chance.
 * Threads: pure functions.
 */
#ifndef TJ_LLM_RETRY_H
#define TJ_LLM_RETRY_H

#include "base/clock.h"
#include "llm/ask.h"
#include "net/http_client.h"

bool tj_retry_wanted(const struct tj_http_response *response,
                     enum tj_llm_error error);
/* What the provider asked for, in ms, at most TJ_MODEL_RETRY_AFTER_MS_MAX; 0
 * when it said nothing. */
uint64_t tj_retry_told_ms(const struct tj_http_response *response, tj_time now);
/* Without advice: before try n + 2, n from 0.  chance: any number. */
uint64_t tj_retry_backoff_ms(uint32_t n, uint64_t chance);

/* "1m30s", "500ms", "1h2m3.5s", "12" (seconds).  False for other text. */
bool tj_retry_parse_span(tj_str text, uint64_t *out_ms) TJ_MUST_USE;

#endif
