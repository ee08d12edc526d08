/* mlflow_spans.h - a stored trace's spans, written for MLflow's clients.
 * SPDX-License-Identifier: Apache-2.0
 * Threads: a call belongs to its worker.
 */
#ifndef TJ_SERVE_MLFLOW_SPANS_H
#define TJ_SERVE_MLFLOW_SPANS_H

#include "serve/mlflow.h"
#include "trace/mlflow_json.h"

/* An array of the trace's spans as MLflow orders them: roots first, then by
 * start.  Texts are read span by span.  False and refused when the store
 * cannot read them. */
bool tj_ml_write_spans(struct tj_ml *call, struct tj_json_writer *w,
                       struct tj_trace *trace, enum tj_mlflow_form form);

#endif
