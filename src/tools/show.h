/* show.h - a trace for a person at a terminal: as a tree, as a waterfall.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     agent [AGENT] 4.00s ✓ OK
 *     ├─ fetch [TOOL] 2.50s ✗ ERROR
 *     │    error: connection reset
 *     └─ chat [LLM] 500ms ✓ OK  tokens in 120 out 9
 *
 *  1. Text from the trace goes through tj_utf8_put_safe: nothing in it can
 *     move the cursor or change colours.
 *  2. Lines are cut to `columns`, wide characters counted as two.
 *  3. Status is never told by colour alone.
 * Threads: one at a time.
 */
#ifndef TJ_TOOLS_SHOW_H
#define TJ_TOOLS_SHOW_H

#include "base/buf.h"
#include "store/store.h"

struct tj_show_style {
    size_t columns;  /* of the terminal; at least 40 are used */
    size_t span_max; /* lines of spans; the rest is counted */
    bool color;
    bool previews; /* inputs and outputs, too (errors are always shown) */
};

bool tj_show_tree(struct tj_trace *trace, const struct tj_show_style *style,
                  struct tj_buf *out, struct tj_err *err) TJ_MUST_USE;
bool tj_show_waterfall(struct tj_trace *trace,
                       const struct tj_show_style *style, struct tj_buf *out,
                       struct tj_err *err) TJ_MUST_USE;

#endif
