/* build.h - how every input format makes spans.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A format reads its own shape and says what it saw; this file turns that
 * into spans that keep the invariants of span.h: decoded JSON strings, one
 * text per field, valid UTF-8, marks, limits, normal form.
 *
 *     struct tj_span *s = tj_build_span(b, trace_id, span_id);
 *     s->name = ...; s->start = ...;
 *     tj_build_attr(b, key, value);           a JSON value
 *     tj_build_attr_text(b, key, text);       a string (decoded if JSON)
 *     tj_build_event(b, name, time);          then tj_build_event_attr(...)
 *     tj_build_end(b);                        fields, normal form
 *
 *  1. One span is open at a time; tj_build_end closes it.
 *  2. Text is copied only when it must be (escapes, repair); otherwise it
 *     points into the input, which outlives the batch.
 * Threads: one at a time.
 */
#ifndef TJ_TRACE_BUILD_H
#define TJ_TRACE_BUILD_H

#include "text/json.h"
#include "trace/trace.h"

struct tj_build;

struct tj_build *tj_build_new(struct tj_arena *a, struct tj_batch *batch);

/* The open span; the pointer is good until the next tj_build_span. */
struct tj_span *tj_build_span(struct tj_build *b, tj_trace_id trace_id,
                              tj_span_id span_id);
void tj_build_attr(struct tj_build *b, tj_str key, const struct tj_json *v);
void tj_build_attr_text(struct tj_build *b, tj_str key, tj_str text);
void tj_build_attr_i64(struct tj_build *b, tj_str key, int64_t value);
void tj_build_attr_double(struct tj_build *b, tj_str key, double value);
void tj_build_attr_bool(struct tj_build *b, tj_str key, bool value);
void tj_build_attr_bytes(struct tj_build *b, tj_str key, tj_str bytes);
/* A value that the format itself assembled as plain text of a type. */
void tj_build_attr_plain(struct tj_build *b, tj_str key,
                         enum tj_field_type type, tj_str text);

/* The following *_attr calls go to this event or link until the next one. */
void tj_build_event(struct tj_build *b, tj_str name, tj_time time);
void tj_build_event_attr(struct tj_build *b, tj_str key,
                         const struct tj_json *v);
void tj_build_event_attr_text(struct tj_build *b, tj_str key, tj_str text);
void tj_build_link(struct tj_build *b, tj_trace_id trace_id,
                   tj_span_id span_id);
void tj_build_link_attr(struct tj_build *b, tj_str key,
                        const struct tj_json *v);

/* Closes the open span: name and status fields, normal form, marks. */
void tj_build_end(struct tj_build *b);

/* Resource and scope for the spans that follow; the same text twice gives the
 * same index. */
int32_t tj_build_resource(struct tj_build *b, tj_str plain_json);

/* Derives ids where a format has none (id.h, 2). */
tj_span_id tj_build_child_id(tj_trace_id trace_id, tj_str path);

#endif
