/* metric_question.h - a question for metrics, as MLflow's clients ask it.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"experiment_ids": ["1"], "view_type": "SPANS", "metric_name": "latency",
 *      "aggregations": [{"aggregation_type": "PERCENTILE",
 *                        "percentile_value": 95}],
 *      "dimensions": ["span_name"], "filters": ["trace.status = 'OK'"],
 *      "time_interval_seconds": 3600, "start_time_ms": 1, "end_time_ms": 2,
 *      "max_results": 1000}
 *
 * A filter is one clause with "=".  Those about traces become a filter of the
 * store; those about spans and assessments are tested one by one.
 * Threads: a call belongs to its worker.
 */
#ifndef TJ_SERVE_METRIC_QUESTION_H
#define TJ_SERVE_METRIC_QUESTION_H

#include "serve/metric_groups.h"
#include "serve/mlflow.h"

enum tj_metric_view { TJ_VIEW_TRACES, TJ_VIEW_SPANS, TJ_VIEW_ASSESSMENTS };

enum tj_metric_kind {
    TJ_METRIC_TRACE_COUNT,
    TJ_METRIC_SESSION_COUNT,
    TJ_METRIC_TRACE_LATENCY,
    TJ_METRIC_TRACE_INPUT_TOKENS,
    TJ_METRIC_TRACE_OUTPUT_TOKENS,
    TJ_METRIC_TRACE_TOTAL_TOKENS,
    TJ_METRIC_TRACE_CACHE_READ_TOKENS,
    TJ_METRIC_TRACE_CACHE_WRITE_TOKENS,
    TJ_METRIC_SPAN_COUNT,
    TJ_METRIC_SPAN_LATENCY,
    TJ_METRIC_SPAN_INPUT_COST,
    TJ_METRIC_SPAN_OUTPUT_COST,
    TJ_METRIC_SPAN_TOTAL_COST,
    TJ_METRIC_ASSESSMENT_COUNT,
    TJ_METRIC_ASSESSMENT_VALUE,
};

enum tj_dimension {
    TJ_DIM_TRACE_NAME,
    TJ_DIM_TRACE_STATUS,
    TJ_DIM_SPAN_NAME,
    TJ_DIM_SPAN_TYPE,
    TJ_DIM_SPAN_STATUS,
    TJ_DIM_SPAN_MODEL,
    TJ_DIM_SPAN_PROVIDER,
    TJ_DIM_ASSESSMENT_NAME,
    TJ_DIM_ASSESSMENT_VALUE,
    TJ_DIM_COUNT,
};
const char *tj_dimension_name(enum tj_dimension dimension);

enum tj_condition_kind {
    TJ_ON_SPAN_NAME,
    TJ_ON_SPAN_STATUS,
    TJ_ON_SPAN_TYPE,
    TJ_ON_ASSESSMENT_NAME,
    TJ_ON_ASSESSMENT_TYPE,
};

enum { TJ_METRIC_AGGREGATES_MAX = 16, TJ_METRIC_CONDITIONS_MAX = 16 };

struct tj_metric_question {
    enum tj_metric_view view;
    enum tj_metric_kind kind;
    const char *metric_name;
    struct {
        enum tj_aggregate kind;
        double percent;
        tj_str name; /* "COUNT", "P95.0" */
    } aggregates[TJ_METRIC_AGGREGATES_MAX];
    size_t aggregate_count;
    enum tj_dimension dimensions[TJ_METRIC_DIMENSIONS_MAX];
    size_t dimension_count;
    struct {
        enum tj_condition_kind kind;
        tj_str value;
    } conditions[TJ_METRIC_CONDITIONS_MAX];
    size_t condition_count;
    const struct tj_filter *filter; /* of traces; NULL: all */
    TJ_VEC(uint64_t) experiments;   /* those that are covered */
    int64_t interval_s;             /* 0: no buckets */
    int64_t start_ms;
    int64_t end_ms;
    size_t row_max;
};

/* False and refused with MLflow's text. */
bool tj_metric_question_read(struct tj_ml *call,
                             struct tj_metric_question *out);

#endif
