/* otlp_write.h - spans as OTLP/protobuf: what an OTLP receiver takes.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The way back of fmt_otlp_pb.c for what is a span's own: ids, times, status,
 * attributes, events, links.  A container is sent as the list or map that it
 * is.  What we derived (kind, model, tokens) is not sent, but for
 * "mlflow.spanType" where a span has a kind and no attribute says so.  The
 * resource is left out: what it says stands in no receiver that we write to.
 * Threads: pure.
 */
#ifndef TJ_TRACE_OTLP_WRITE_H
#define TJ_TRACE_OTLP_WRITE_H

#include "base/buf.h"
#include "trace/trace.h"

/* An ExportTraceServiceRequest with the spans that `next` leads through: from
 * first, next[i] is the index behind i, TJ_OTLP_END the last.  The texts must
 * be there. */
enum { TJ_OTLP_END = -1 };
bool tj_otlp_pb_write(const struct tj_span *spans, const int32_t *next,
                      int32_t first, struct tj_buf *out, struct tj_err *err)
    TJ_MUST_USE;

#endif
