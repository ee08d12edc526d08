/* trace_json.h - a trace as JSON: MLflow's TraceInfoV3, and our spans.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Infos carry MLflow's own names (trace_id with "tr-", request_time as RFC
 * 3339, execution_duration as "1.234s", state, trace_metadata, tags).  A span
 * is written with its normal form and all of its fields; container fields are
 * written as the JSON they are, not as plain text.
 * Threads: pure.
 */
#ifndef TJ_TRACE_TRACE_JSON_H
#define TJ_TRACE_TRACE_JSON_H

#include "text/json_write.h"
#include "trace/trace.h"

void tj_trace_info_write(struct tj_json_writer *w,
                         const struct tj_trace_info *info, struct tj_arena *a);
/* The fields' texts must be there (batch, or read by the caller).  "resource"
 * is the index among the trace's or batch's resources. */
void tj_span_write(struct tj_json_writer *w, const struct tj_span *span,
                   struct tj_arena *a);

#endif
