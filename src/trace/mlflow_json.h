/* mlflow_json.h - spans as MLflow's clients read them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two forms of one span:
 *
 *     REST  {"trace_id" (base64), "span_id", "parent_span_id", "name",
 *            "start_time_unix_nano", "end_time_unix_nano",
 *            "attributes": [{"key", "value": AnyValue}], "events", "links",
 *            "status": {"code", "message"}}          OTLP's proto JSON
 *     DICT  the same, but "attributes": {key: JSON text}, events with plain
 *           JSON attributes, and links with hex ids  what traces.json holds
 *
 *  1. Values keep their types: 1.0 stays a double, null is an AnyValue without
 *     a value, a string attribute that holds a JSON container is that
 *     container (MLflow's server decodes these as well), bytes stay bytes.
 *  2. What MLflow derives when it stores a span is added where the span does
 *     not have it: mlflow.spanType, spanInputs, spanOutputs, chat.tokenUsage,
 *     llm.model, llm.provider and llm.cost from the normal form.
 *  3. mlflow.traceRequestId is always the id that this server goes by.
 *  4. Values nested deeper than protobuf's own limit (100 messages) would make
 *     the whole answer unreadable: from there on they are JSON text.
 * Threads: pure.
 */
#ifndef TJ_TRACE_MLFLOW_JSON_H
#define TJ_TRACE_MLFLOW_JSON_H

#include "text/json_write.h"
#include "trace/trace.h"

enum tj_mlflow_form { TJ_MLFLOW_REST, TJ_MLFLOW_DICT };

/* The texts of all fields must be there.  scratch is for values that are
 * being written; nothing in it is needed afterwards. */
void tj_mlflow_span_write(struct tj_json_writer *w, const struct tj_span *span,
                          enum tj_mlflow_form form, struct tj_arena *scratch);

/* {"input_tokens": 1, ...} and {"total_cost": 0.1} as MLflow keeps them in a
 * trace's metadata; empty with ptr NULL when nothing is known. */
tj_str tj_mlflow_usage_text(struct tj_arena *a, const struct tj_usage *usage);
tj_str tj_mlflow_cost_text(struct tj_arena *a, const struct tj_usage *usage);

#endif
