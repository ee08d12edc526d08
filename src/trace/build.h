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

/* Lives in a; there is nothing to free. */
struct tj_build *tj_build_new(struct tj_arena *a, struct tj_batch *batch);

/* What is known of the texts that follow. */
enum tj_build_text {
    TJ_TEXT_UNCHECKED, /* bytes from outside: validated and repaired here */
    TJ_TEXT_VALID,     /* a JSON reader has seen them */
    TJ_TEXT_REPAIRED,  /* the same, and U+FFFD stands for what was bad */
};
void tj_build_source(struct tj_build *b, enum tj_build_text text);

/* The open span; the pointer is good until the next tj_build_span. */
struct tj_span *tj_build_span(struct tj_build *b, tj_trace_id trace_id,
                              tj_span_id span_id);
void tj_build_attr(struct tj_build *b, tj_str key, const struct tj_json *v);
void tj_build_attr_text(struct tj_build *b, tj_str key, tj_str text);
void tj_build_attr_i64(struct tj_build *b, tj_str key, int64_t value);
void tj_build_attr_double(struct tj_build *b, tj_str key, double value);
void tj_build_attr_bool(struct tj_build *b, tj_str key, bool value);
/* Shown as base64. */
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
void tj_build_link_attr_text(struct tj_build *b, tj_str key, tj_str text);

/* As tj_build_attr_plain, for the newest event (`of` TJ_OF_EVENT), link or
 * the span itself: what formats with values of their own kind build on. */
enum tj_build_of { TJ_OF_SPAN, TJ_OF_EVENT, TJ_OF_LINK };
void tj_build_plain(struct tj_build *b, enum tj_build_of of, tj_str key,
                    enum tj_field_type type, tj_str text);
/* As tj_build_attr_text, likewise. */
void tj_build_text(struct tj_build *b, enum tj_build_of of, tj_str key,
                   tj_str text);

/* Closes the open span: name and status fields, normal form, marks. */
void tj_build_end(struct tj_build *b);

/* Resource and scope for the spans that follow; the same text twice gives the
 * same index.  The text is copied. */
int32_t tj_build_resource(struct tj_build *b, tj_str plain_json);

/* A double as every format shows it: the shortest text that reads back the
 * same ("0.1", "1.0"); "NaN", "Infinity". */
tj_str tj_build_double_text(struct tj_arena *a, double value);
tj_str tj_build_i64_text(struct tj_arena *a, int64_t value);
tj_str tj_build_u64_text(struct tj_arena *a, uint64_t value);
/* A copy that lives as long as the batch. */
tj_str tj_build_keep(struct tj_build *b, tj_str text);

/* Derives ids where a format has none (id.h, 2). */
tj_span_id tj_build_child_id(tj_trace_id trace_id, tj_str path);

#endif
