/* segment.h - a run of spans of one trace, packed: heads and field tables.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two blobs, because they are wanted at different times: heads (all of a span
 * but its fields) make the skeleton and are read whole; field tables (names,
 * types, lengths, where the texts are) are read for one span at a time.
 *  1. At most TJ_SEGMENT_SPANS_MAX spans.
 *  2. The marks ORPHAN and CYCLE are not kept: they belong to the tree.
 *  3. What is read is checked; corrupt bytes are TJ_E_BACKEND.
 * The layout is drawn in segment.c.  Threads: any; pure functions.
 */
#ifndef TJ_STORE_SEGMENT_H
#define TJ_STORE_SEGMENT_H

#include "store/payload.h"
#include "store/store_fold.h"

enum { TJ_SEGMENT_SPANS_MAX = 4096 };

/* resources: for each that a span->resource may mean, its key in the store. */
struct tj_segment_in {
    const struct tj_span *spans;
    const uint64_t *digests;
    size_t count;
    const uint64_t *resources;
    size_t resource_count;
};

/* Adds all texts to the payload. */
bool tj_segment_write(const struct tj_segment_in *in,
                      struct tj_payload_writer *payload, struct tj_buf *heads,
                      struct tj_buf *fields, struct tj_err *err) TJ_MUST_USE;

/* Appends the spans to f, with origin + i beside span i; strings point into
 * heads.  span->resource is an index into *keys, the segment's own list.  f
 * has room for count more. */
struct tj_segment_keys {
    uint64_t *items;
    size_t count;
};
bool tj_segment_heads_parse(tj_str heads, size_t count, uint64_t origin,
                            struct tj_fold *f, struct tj_segment_keys *keys,
                            struct tj_err *err) TJ_MUST_USE;

/* Field tables, opened once, then read span by span. */
struct tj_segment_fields {
    tj_str *names;
    size_t name_count;
    tj_str *rows;      /* of each span */
    uint64_t *offsets; /* in the stream, where the span's texts begin */
    size_t count;
};
bool tj_segment_fields_parse(tj_str fields, size_t count, struct tj_arena *a,
                             struct tj_segment_fields *out, struct tj_err *err)
    TJ_MUST_USE;
/* Makes span->fields for the span at index of the segment. */
bool tj_segment_fields_read(const struct tj_segment_fields *s, size_t index,
                            struct tj_arena *a, struct tj_span *span,
                            struct tj_err *err) TJ_MUST_USE;

#endif
