/* span_view.h - one span with its contents, a page of them at a time.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The concatenated texts of the chosen fields are one stretch of bytes; the
 * page token is the offset in it.  A page ends on a character boundary.  The
 * head (name, times, tokens) comes with every page and is not counted.
 * Private to src/tools.
 */
#ifndef TJ_TOOLS_SPAN_VIEW_H
#define TJ_TOOLS_SPAN_VIEW_H

#include "tools/tool.h"

/* Arguments attributes_to_fetch, max_content_length and page_token. */
bool tj_span_view(struct tj_tool_env *env, size_t span,
                  const struct tj_json *args, struct tj_buf *out, bool *refused,
                  struct tj_err *err) TJ_MUST_USE;

/* The three parameters, for the tables of get_span and get_root_span. */
#define TJ_SPAN_VIEW_PARAMS                                                    \
    {"attributes_to_fetch",                                                    \
     TJ_PARAM_STRINGS,                                                         \
     false,                                                                    \
     "Only these fields: input, output, error, an attribute's key, or a "      \
     "field name such as attributes.k or events.0.k. Default: all.",           \
     0,                                                                        \
     0,                                                                        \
     NULL},                                                                    \
        {"max_content_length",                                                 \
         TJ_PARAM_INT,                                                         \
         false,                                                                \
         "Bytes of contents a page. Default and most: what one result holds.", \
         0,                                                                    \
         0,                                                                    \
         NULL},                                                                \
    {                                                                          \
        "page_token", TJ_PARAM_STRING, false,                                  \
            "next_page_token of the page before.", 0, 0, NULL                  \
    }

#endif
