/* clock.h - what time it is, and how times are written.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A tj_time is unsigned nanoseconds since 1970-01-01 UTC; 0 is "not known".
 * Leap seconds do not exist, as in POSIX.  Threads: any.
 */
#ifndef TJ_BASE_CLOCK_H
#define TJ_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

typedef uint64_t tj_time;

#define TJ_NS_PER_MS     UINT64_C(1000000)
#define TJ_NS_PER_SECOND UINT64_C(1000000000)

tj_time tj_now(void);
/* Monotonic, for durations and deadlines; not related to tj_now. */
uint64_t tj_mono_ns(void);
/* How long after `then` it is `now`; 0 when it is before.  Two threads look
 * at the clock in an order of their own, so where another one wrote `then`
 * the bare difference can be one below zero, that is for ever. */
static inline uint64_t tj_ns_since(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

/* RFC 3339 / ISO 8601: "2026-05-02T08:00:00.123456789Z", offsets "+02:00" and
 * "+0200", a blank for the T, a missing zone (read as UTC), a date alone.
 * Years 1970 to 2554 (what 64 bits hold).  False for anything else. */
bool tj_time_parse(tj_str text, tj_time *out) TJ_MUST_USE;
/* "2026-05-02T08:00:00.123Z"; up to nine digits, no trailing zeros beyond
 * milliseconds. */
tj_str tj_time_text(struct tj_arena *a, tj_time t);

/* ISO 8601 durations ("PT1M2.5S", "P1DT2H") and protobuf JSON's "1.5s", in
 * nanoseconds.  False for anything else, years and months included. */
bool tj_duration_parse(tj_str text, uint64_t *out_ns) TJ_MUST_USE;
/* For people: "850us", "12ms", "2.50s", "3m05s", "2h07m". */
tj_str tj_duration_text(struct tj_arena *a, uint64_t ns);

#endif
