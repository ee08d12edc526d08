/* mlflow_read.h - the parts of MLflow's REST answers, into a batch.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For those who ask an MLflow server piece by piece; a whole file is
 * format.h's business ("mlflow").
 * Threads: any.
 */
#ifndef TJ_TRACE_MLFLOW_READ_H
#define TJ_TRACE_MLFLOW_READ_H

#include "trace/build.h"
#include "trace/trace.h"

/* A TraceInfoV3 (or what came before it) into batch, without its assessments;
 * *out is its id, and *id_text the source's own spelling.  False: it has
 * none. */
bool tj_mlflow_info_parse(const struct tj_json *v, struct tj_batch *batch,
                          tj_trace_id *out, tj_str *id_text);

/* A list of spans, in either of their forms.  id_text: the trace that they
 * belong to, as its info has it, for span dicts; empty: each says its own. */
bool tj_mlflow_spans_parse(const struct tj_json *list, tj_str id_text,
                           struct tj_build *b, struct tj_batch *batch,
                           struct tj_err *err) TJ_MUST_USE;

#endif
