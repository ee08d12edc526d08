/* mlflow_cost.h - what a trace cost, in the parts that MLflow tells.
 * SPDX-License-Identifier: Apache-2.0
 * Threads: a call belongs to its worker.
 */
#ifndef TJ_SERVE_MLFLOW_COST_H
#define TJ_SERVE_MLFLOW_COST_H

#include "serve/mlflow.h"

/* {"input_cost", "output_cost", "total_cost"} as mlflow.trace.cost has it; the
 * parts are left out when the spans do not tell them.  The total must be known
 * (info->usage).  Reads the spans that have a cost. */
bool tj_ml_cost(struct tj_ml *call, const struct tj_trace_info *info,
                tj_str *out);

/* The parts of one span of an open trace, whose fields are loaded; false when
 * the span does not tell them. */
bool tj_ml_span_cost(struct tj_ml *call, struct tj_trace *trace, size_t span,
                     double *input, double *output);

#endif
