/* timing.h - where the time of a trace went: self and child time of spans.
 * SPDX-License-Identifier: Apache-2.0
 *
 *  1. total is the span's own duration; child is the length of the union of
 *     its children's intervals, clipped to the span; self = total - child.
 *     So self and child are never negative and never more than total.
 *  2. A span without usable times has all three zero (tj_span_timed).
 * Threads: pure.
 */
#ifndef TJ_TOOLS_TIMING_H
#define TJ_TOOLS_TIMING_H

#include "trace/trace.h"

struct tj_timing {
    uint64_t *total_ns;
    uint64_t *self_ns;
    uint64_t *child_ns;
};

/* O(n): siblings come sorted by start. */
void tj_timing_build(const struct tj_trace *trace, struct tj_arena *a,
                     struct tj_timing *out);

/* Most leaf spans that ran at one moment, and since when. */
struct tj_peak {
    size_t count;
    tj_time at;
};
struct tj_peak tj_timing_peak(const struct tj_trace *trace, struct tj_arena *a);

/* Wall time of the trace: from its first start to its last end. */
uint64_t tj_trace_wall_ns(const struct tj_trace *trace);

#endif
