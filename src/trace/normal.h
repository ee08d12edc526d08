/* normal.h - the normal form: many conventions, one vocabulary.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Reads a span's fields and fills kind, input, output, error, model, tokens,
 * cost, tool, agent, session, user, environment and release, first present
 * wins, in the order of the tables in normal.c (MLflow, Langfuse, OpenTelemetry
 * gen_ai, OpenInference, OpenLLMetry, LangSmith, Vercel AI SDK, Google, ...).
 * span->source[] says which field each came from.
 * What a format set before (kind, model, ...) wins over attributes.
 * Threads: pure.
 */
#ifndef TJ_TRACE_NORMAL_H
#define TJ_TRACE_NORMAL_H

#include "trace/span.h"

/* May append the fields input, output and error. */
void tj_normalise(struct tj_span *span, struct tj_arena *a);

#endif
