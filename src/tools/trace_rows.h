/* trace_rows.h - a page of traces as text, for the tools that list traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to src/tools.
 */
#ifndef TJ_TOOLS_TRACE_ROWS_H
#define TJ_TOOLS_TRACE_ROWS_H

#include "tools/tool.h"

/* Reads order_by and page_token from args into the query; false: refused, and
 * out says why. */
bool tj_trace_rows_query(struct tj_tool_env *env, const struct tj_json *args,
                         struct tj_trace_query *query, struct tj_buf *out,
                         bool *refused);

/* Runs the query and writes head and rows.  skip (may be NULL) is left out;
 * session (empty: any) is what each row must belong to. */
struct tj_trace_rows {
    struct tj_trace_query query;
    const char *what; /* "traces", "earlier traces of session X" */
    const tj_trace_id *skip;
    tj_str session;
};
bool tj_trace_rows_put(struct tj_tool_env *env, struct tj_trace_rows *rows,
                       struct tj_buf *out, bool *refused, struct tj_err *err)
    TJ_MUST_USE;

#define TJ_TRACE_ROWS_PARAMS                                                   \
    {"max_results",      TJ_PARAM_INT, false, "Traces a page. Default 20.", 1, \
     TJ_SEARCH_ROWS_MAX, NULL},                                                \
        {"order_by",                                                           \
         TJ_PARAM_STRINGS,                                                     \
         false,                                                                \
         "Such as [\"timestamp DESC\"] or [\"execution_time ASC\"].",          \
         0,                                                                    \
         0,                                                                    \
         NULL},                                                                \
    {                                                                          \
        "page_token", TJ_PARAM_STRING, false,                                  \
            "next_page_token of the page before.", 0, 0, NULL                  \
    }

#endif
