/* normal.h - the normal form: many conventions, one vocabulary.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Reads a span's fields and fills kind, input, output, error, model, tokens,
 * cost, tool, agent, session, user, environment and release, first present
 * wins, in the order of the tables in normal_rules.c (MLflow, Langfuse,
 * OpenTelemetry gen_ai, OpenInference, OpenLLMetry, LangSmith, Vercel AI SDK,
 * Google, ...).  span->source[] says which field each came from.
 *  1. What a format set before (kind, model, ...) wins over attributes.
 *  2. A value that cannot be used (an empty text, a count that is no number)
 *     counts as absent, so the next source in line is asked.
 *  3. Attributes are never changed; an input that has to be put together from
 *     several of them (llm.input_messages.0.message.role, ...) is a field
 *     with a text of its own.
 * Threads: pure.
 */
#ifndef TJ_TRACE_NORMAL_H
#define TJ_TRACE_NORMAL_H

#include "trace/span.h"

enum { TJ_NORMAL_ROWS_PER_KEY_MAX = 10 };

/* The rules that a field takes part in, by its name alone: row numbers + 1,
 * 0 ends them.  A builder that sees the same names again and again looks
 * them up once. */
struct tj_normal_key {
    uint8_t rows[TJ_NORMAL_ROWS_PER_KEY_MAX];
};
struct tj_normal_key tj_normal_key(tj_str field_name);

/* keys[i] is tj_normal_key(span->fields[i].name); NULL: looked up here.  May
 * append the fields input, output and error. */
void tj_normalise(struct tj_span *span, const struct tj_normal_key *keys,
                  struct tj_arena *a);

#endif
