/* mlflow_info.h - a trace's info between MLflow's JSON and ours.
 * SPDX-License-Identifier: Apache-2.0
 *
 *  1. Clients must read from an info what MLflow's own server would say: tags
 *     and metadata that server adds are added here, on the way out, so that a
 *     trace that came in another way (import, OTLP) has them as well.
 *  2. mlflow.trace.spansLocation is what clients choose their way to the spans
 *     by.  It says TRACKING_STORE as soon as there are spans, and from the
 *     start for those clients that send their spans here without being asked.
 * Threads: a call belongs to its worker.
 */
#ifndef TJ_SERVE_MLFLOW_INFO_H
#define TJ_SERVE_MLFLOW_INFO_H

#include "serve/mlflow.h"

#define TJ_ML_TAG_NAME           "mlflow.traceName"
#define TJ_ML_TAG_SPANS_LOCATION "mlflow.trace.spansLocation"
#define TJ_ML_TAG_LOCATION       "mlflow.artifactLocation"
#define TJ_ML_TAG_PROMPTS        "mlflow.linkedPrompts"

/* {"trace_id", "trace_location", ..., "assessments"}.  False and refused when
 * the assessments cannot be read. */
bool tj_ml_write_info(struct tj_ml *call, struct tj_json_writer *w,
                      const struct tj_trace_info *info);
/* info is MLflow's TraceInfoV3; what it says goes into out (the experiment by
 * its name), its assessments into the batch that out is part of.  Refused:
 * a bad id, an experiment that is not there or not active. */
bool tj_ml_read_info(struct tj_ml *call, const struct tj_json *info,
                     struct tj_batch *batch);

/* Spans that its client counted, of which some are not here yet? */
bool tj_ml_is_partial(const struct tj_trace_info *info);

#endif
