/* tools.h - the members of the registry, one file each.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to src/tools; everybody else finds a tool by name (tool.h).
 */
#ifndef TJ_TOOLS_TOOLS_H
#define TJ_TOOLS_TOOLS_H

#include "tools/tool.h"

extern const struct tj_tool tj_tool_get_trace_info;
extern const struct tj_tool tj_tool_get_root_span;
extern const struct tj_tool tj_tool_list_spans;
extern const struct tj_tool tj_tool_get_span;
extern const struct tj_tool tj_tool_search_trace_regex;
extern const struct tj_tool tj_tool_get_timing_report;
extern const struct tj_tool tj_tool_find_problems;
extern const struct tj_tool tj_tool_get_critical_path;
extern const struct tj_tool tj_tool_get_conversation;
extern const struct tj_tool tj_tool_diff_spans;
extern const struct tj_tool tj_tool_get_traces_in_session;
extern const struct tj_tool tj_tool_search_traces;

#endif
