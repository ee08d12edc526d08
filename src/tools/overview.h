/* overview.h - a trace at a glance, for the prompt of a judge.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     trace tr-..., state OK, 34 spans, 2 errors, duration 4.00s
 *     models: gpt-5 (12 spans)
 *     tokens: in 12000 out 900, cost $0.1200
 *     request: ...
 *     span tree (names folded; xN is how many):
 *     agent [AGENT] 4.00s 00000000000000a1
 *       chat [LLM] x12 2.10s in all
 *       fetch [TOOL] x3 1.50s in all, 1 error, first 00000000000000a7
 *
 *  1. Reads the skeleton only, so it costs no contents.
 *  2. Appends at most bytes_max bytes; the tree is cut to the depth and the
 *     number of lines that fit, and says what was left out.
 *  3. No assessment, and no tag or metadata, is in it.
 * Threads: pure.
 */
#ifndef TJ_TOOLS_OVERVIEW_H
#define TJ_TOOLS_OVERVIEW_H

#include "base/buf.h"
#include "trace/trace.h"

void tj_overview_write(const struct tj_trace *trace, size_t bytes_max,
                       struct tj_buf *out);

#endif
