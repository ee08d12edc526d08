/* metric_groups.h - numbers by group, and what is asked of each group.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     group (time bucket, values of dimensions) --add--> count, sum, min, max,
 *     and all numbers where a percentile is asked for
 *
 *  1. Groups come out by time bucket, then by their dimensions in byte order.
 *  2. A percentile is interpolated between the two numbers next to it, as
 *     NumPy's and PostgreSQL's percentile_cont are.
 * Threads: one at a time.
 */
#ifndef TJ_SERVE_METRIC_GROUPS_H
#define TJ_SERVE_METRIC_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

enum tj_aggregate {
    TJ_AGGREGATE_COUNT,
    TJ_AGGREGATE_SUM,
    TJ_AGGREGATE_AVG,
    TJ_AGGREGATE_PERCENTILE,
    TJ_AGGREGATE_MIN,
    TJ_AGGREGATE_MAX,
    TJ_AGGREGATE_KINDS,
};

enum { TJ_METRIC_DIMENSIONS_MAX = 5 };

struct tj_metric_group {
    int64_t bucket_ms;
    tj_str dimensions[TJ_METRIC_DIMENSIONS_MAX];
    uint64_t count;
    double sum;
    double min;
    double max;
    TJ_VEC(double) numbers; /* when they are kept */
    bool sorted;
};

struct tj_metric_groups {
    struct tj_arena *arena;
    size_t dimension_count;
    bool keep_numbers;
    struct tj_map index;
    TJ_VEC(struct tj_metric_group *) list;
};
void tj_metric_groups_init(struct tj_metric_groups *g, struct tj_arena *a,
                           size_t dimension_count);

/* dimensions has dimension_count texts; they are copied.  TJ_E_LIMIT beyond
 * TJ_METRIC_GROUPS_MAX groups. */
bool tj_metric_groups_add(struct tj_metric_groups *g, int64_t bucket_ms,
                          const tj_str *dimensions, double number,
                          struct tj_err *err) TJ_MUST_USE;
/* Brings the list into order. */
void tj_metric_groups_sort(struct tj_metric_groups *g);

/* percent of 0..100 counts for percentiles only.  The group is not empty. */
double tj_metric_value(struct tj_metric_group *group, enum tj_aggregate kind,
                       double percent);

#endif
