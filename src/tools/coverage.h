/* coverage.h - the ledger of what a judge has read.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For each span and text field, the byte ranges that were shown, as a sorted
 * list of disjoint intervals.  A shared field (span.h, 3) is booked under the
 * field that owns the text.
 * Threads: one at a time.
 */
#ifndef TJ_TOOLS_COVERAGE_H
#define TJ_TOOLS_COVERAGE_H

#include "trace/trace.h"

struct tj_coverage;

struct tj_coverage *tj_coverage_new(struct tj_arena *a, size_t span_count);
/* The span's line in a list was shown (its name, kind, times). */
void tj_coverage_add_span(struct tj_coverage *c, size_t span);
/* Bytes [offset, offset + len) of the field's text were shown. */
void tj_coverage_add(struct tj_coverage *c, const struct tj_span *head,
                     size_t span, size_t field, uint64_t offset, uint64_t len);

struct tj_coverage_sum {
    uint64_t spans_listed; /* seen as a line */
    uint64_t spans_read;   /* some of its contents were shown */
    uint64_t spans_total;
    uint64_t bytes_read;
    uint64_t bytes_total;
};
struct tj_coverage_sum tj_coverage_sum(const struct tj_coverage *c,
                                       const struct tj_trace *trace);

#endif
