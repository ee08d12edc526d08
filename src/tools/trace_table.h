/* trace_table.h - traces as a table for people, one line each.
 * SPDX-License-Identifier: Apache-2.0
 *
 * All text from traces is made safe for a terminal.  Threads: pure.
 */
#ifndef TJ_TOOLS_TRACE_TABLE_H
#define TJ_TOOLS_TRACE_TABLE_H

#include "base/buf.h"
#include "trace/trace.h"

struct tj_table_style {
    size_t columns; /* of the terminal */
    bool color;
};
void tj_trace_table_write(const struct tj_trace_info *infos, size_t count,
                          const struct tj_table_style *style,
                          struct tj_arena *a, struct tj_buf *out);

#endif
