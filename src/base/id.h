/* id.h - trace and span ids: W3C Trace Context's 16 and 8 bytes.
 * SPDX-License-Identifier: Apache-2.0
 *
 *  1. All zero is "none" (W3C: an invalid id).
 *  2. A source that has ids of another kind (UUIDs, numbers, file names) gets
 *     a derived one: the head of SHA-256 over what it has, so that importing
 *     the same thing twice gives the same id.
 *  3. MLflow writes a trace id as "tr-" and 32 hex digits: read and printed
 *     where its clients expect it.
 * Threads: any.
 */
#ifndef TJ_BASE_ID_H
#define TJ_BASE_ID_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

enum {
    TJ_TRACE_ID_DIGITS = 32,
    TJ_SPAN_ID_DIGITS = 16,
};

typedef struct tj_trace_id {
    unsigned char bytes[16];
} tj_trace_id;

typedef struct tj_span_id {
    unsigned char bytes[8];
} tj_span_id;

bool tj_trace_id_is_none(tj_trace_id id);
bool tj_span_id_is_none(tj_span_id id);
bool tj_trace_id_eq(tj_trace_id a, tj_trace_id b);
bool tj_span_id_eq(tj_span_id a, tj_span_id b);

/* "tr-<32 hex>", 32 hex, or 16 hex (a 64-bit id: padded left).  False for any
 * other text and for all zeros; *out is then untouched. */
bool tj_trace_id_parse(tj_str text, tj_trace_id *out) TJ_MUST_USE;
/* 16 hex digits, not all zero. */
bool tj_span_id_parse(tj_str text, tj_span_id *out) TJ_MUST_USE;

/* Invariant 2: a stable id from whatever the source has. */
tj_trace_id tj_trace_id_derive(tj_str from);
tj_span_id tj_span_id_derive(tj_str from);
tj_trace_id tj_trace_id_random(void);
tj_span_id tj_span_id_random(void);

/* 32 or 16 lower-case digits, and "tr-..." as MLflow has it. */
tj_str tj_trace_id_text(struct tj_arena *a, tj_trace_id id);
tj_str tj_trace_id_mlflow(struct tj_arena *a, tj_trace_id id);
tj_str tj_span_id_text(struct tj_arena *a, tj_span_id id);

#endif
