/* line_diff.h - the difference of two texts, line by line.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to src/tools.  Threads: pure.
 */
#ifndef TJ_TOOLS_LINE_DIFF_H
#define TJ_TOOLS_LINE_DIFF_H

#include "base/buf.h"

/* Writes the lines that differ, "-" of a and "+" of b, under "@ line N".
 * False, with nothing written, when there are too many lines or differences:
 * then something simpler has to do. */
bool tj_line_diff_write(tj_str a, tj_str b, struct tj_buf *out);

#endif
