/* critical_path.h - the chain of spans that determines the wall time.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Walked backwards from the end of the trace: at each moment the span that
 * was last to finish is what the rest waited for; where it has children, the
 * one that finished last, and so on.  What no child explains is the span's
 * own; what no span explains is idle.
 *  1. The contributions and idle_ns sum to the wall time of the trace.
 *  2. A child that outlasts its parent counts until it ends.
 *  3. Each span is expanded at most once: O(n log n), no recursion.
 * Threads: pure.
 */
#ifndef TJ_TOOLS_CRITICAL_PATH_H
#define TJ_TOOLS_CRITICAL_PATH_H

#include "trace/trace.h"

struct tj_path_step {
    size_t span;
    uint64_t own_ns; /* of the wall time; > 0 */
};

struct tj_critical_path {
    struct tj_path_step *steps; /* in tree order */
    size_t count;
    uint64_t wall_ns;
    uint64_t idle_ns;
};

void tj_critical_path_build(const struct tj_trace *trace, struct tj_arena *a,
                            struct tj_critical_path *out);

#endif
