/* metric_question.c - see metric_question.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/metric_question.h"

#include <inttypes.h>

#include "base/limits.h"
#include "serve/mlflow_check.h"
#include "serve/python_json.h"
#include "store/filter.h"

/* -- what there is -------------------------------------------------------- */

static const char *const aggregate_names[] = {
    [TJ_AGGREGATE_COUNT] = "COUNT",
    [TJ_AGGREGATE_SUM] = "SUM",
    [TJ_AGGREGATE_AVG] = "AVG",
    [TJ_AGGREGATE_MIN] = "MIN",
    [TJ_AGGREGATE_PERCENTILE] = "PERCENTILE",
    [TJ_AGGREGATE_MAX] = "MAX",
};

static const char *const dimension_names[] = {
    [TJ_DIM_TRACE_NAME] = "trace_name",
    [TJ_DIM_TRACE_STATUS] = "trace_status",
    [TJ_DIM_SPAN_NAME] = "span_name",
    [TJ_DIM_SPAN_TYPE] = "span_type",
    [TJ_DIM_SPAN_STATUS] = "span_status",
    [TJ_DIM_SPAN_MODEL] = "span_model_name",
    [TJ_DIM_SPAN_PROVIDER] = "span_model_provider",
    [TJ_DIM_ASSESSMENT_NAME] = "assessment_name",
    [TJ_DIM_ASSESSMENT_VALUE] = "assessment_value",
};

const char *tj_dimension_name(enum tj_dimension dimension)
{
    return dimension_names[dimension];
}

static const char *const view_names[] = {
    [TJ_VIEW_TRACES] = "TRACES",
    [TJ_VIEW_SPANS] = "SPANS",
    [TJ_VIEW_ASSESSMENTS] = "ASSESSMENTS",
};

#define BIT(n) (1u << (n))
enum {
    COUNT = BIT(TJ_AGGREGATE_COUNT),
    SPREAD = BIT(TJ_AGGREGATE_AVG) | BIT(TJ_AGGREGATE_MIN) |
             BIT(TJ_AGGREGATE_MAX) | BIT(TJ_AGGREGATE_PERCENTILE),
    SUMS = SPREAD | BIT(TJ_AGGREGATE_SUM),
    OF_NAME = BIT(TJ_DIM_TRACE_NAME),
    OF_MODEL = BIT(TJ_DIM_SPAN_MODEL) | BIT(TJ_DIM_SPAN_PROVIDER),
    OF_SPAN = BIT(TJ_DIM_SPAN_NAME) | BIT(TJ_DIM_SPAN_STATUS),
};

static const struct metric {
    enum tj_metric_view view;
    const char *name;
    unsigned aggregates;
    unsigned dimensions;
} metrics[] = {
    [TJ_METRIC_TRACE_COUNT] = {TJ_VIEW_TRACES, "trace_count", COUNT,
                               OF_NAME | BIT(TJ_DIM_TRACE_STATUS)},
    [TJ_METRIC_SESSION_COUNT] = {TJ_VIEW_TRACES, "session_count", COUNT, 0},
    [TJ_METRIC_TRACE_LATENCY] = {TJ_VIEW_TRACES, "latency", SPREAD, OF_NAME},
    [TJ_METRIC_TRACE_INPUT_TOKENS] = {TJ_VIEW_TRACES, "input_tokens", SUMS,
                                      OF_NAME},
    [TJ_METRIC_TRACE_OUTPUT_TOKENS] = {TJ_VIEW_TRACES, "output_tokens", SUMS,
                                       OF_NAME},
    [TJ_METRIC_TRACE_TOTAL_TOKENS] = {TJ_VIEW_TRACES, "total_tokens", SUMS,
                                      OF_NAME},
    [TJ_METRIC_TRACE_CACHE_READ_TOKENS] = {TJ_VIEW_TRACES,
                                           "cache_read_input_tokens", SUMS,
                                           OF_NAME},
    [TJ_METRIC_TRACE_CACHE_WRITE_TOKENS] = {TJ_VIEW_TRACES,
                                            "cache_creation_input_tokens", SUMS,
                                            OF_NAME},
    [TJ_METRIC_SPAN_COUNT] = {TJ_VIEW_SPANS, "span_count", COUNT,
                              OF_SPAN | OF_MODEL | BIT(TJ_DIM_SPAN_TYPE)},
    [TJ_METRIC_SPAN_LATENCY] = {TJ_VIEW_SPANS, "latency", SPREAD, OF_SPAN},
    [TJ_METRIC_SPAN_INPUT_COST] = {TJ_VIEW_SPANS, "input_cost", SUMS, OF_MODEL},
    [TJ_METRIC_SPAN_OUTPUT_COST] = {TJ_VIEW_SPANS, "output_cost", SUMS,
                                    OF_MODEL},
    [TJ_METRIC_SPAN_TOTAL_COST] = {TJ_VIEW_SPANS, "total_cost", SUMS, OF_MODEL},
    [TJ_METRIC_ASSESSMENT_COUNT] = {TJ_VIEW_ASSESSMENTS, "assessment_count",
                                    COUNT,
                                    BIT(TJ_DIM_ASSESSMENT_NAME) |
                                        BIT(TJ_DIM_ASSESSMENT_VALUE)},
    [TJ_METRIC_ASSESSMENT_VALUE] = {TJ_VIEW_ASSESSMENTS, "assessment_value",
                                    SPREAD, BIT(TJ_DIM_ASSESSMENT_NAME)},
};

static int find_name(const char *const *names, size_t count, tj_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (tj_str_eq(name, tj_str_c(names[i])))
            return (int)i;
    }
    return -1;
}

/* -- messages ------------------------------------------------------------- */

static void put_name(struct tj_buf *b, const char *name)
{
    tj_buf_add(b, b->len > 1 ? TJ_STR(", '") : TJ_STR("'"));
    tj_buf_add(b, tj_str_c(name));
    tj_buf_byte(b, '\'');
}

/* Names of the bits that are set, in order, as Python writes a list. */
static tj_str names_of(struct tj_ml *call, const char *const *names,
                       size_t count, unsigned bits)
{
    struct tj_buf b;
    const char *last = "";
    tj_buf_init(&b, call->arena, SIZE_MAX);
    tj_buf_byte(&b, '[');
    for (size_t n = 0; n < count; n++) {
        const char *next = NULL;
        for (size_t i = 0; i < count; i++) {
            bool after = strcmp(names[i], last) > 0;
            if (bits & BIT(i) && after && (!next || strcmp(names[i], next) < 0))
                next = names[i];
        }
        if (!next)
            break;
        put_name(&b, next);
        last = next;
    }
    tj_buf_byte(&b, ']');
    return tj_buf_str(&b);
}

static bool fail_metric(struct tj_ml *call, enum tj_metric_view view,
                        tj_str name)
{
    struct tj_buf b;
    tj_buf_init(&b, call->arena, SIZE_MAX);
    tj_buf_byte(&b, '[');
    for (size_t i = 0; i < TJ_COUNT(metrics); i++) {
        if (metrics[i].view == view)
            put_name(&b, metrics[i].name);
    }
    tj_buf_byte(&b, ']');
    return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "metric_name must be one of %.*s, got '%.*s'",
                      TJ_STR_ARG(tj_buf_str(&b)), TJ_STR_ARG(name));
}

/* -- metric, aggregations, dimensions ------------------------------------- */

static bool read_metric(struct tj_ml *call, struct tj_metric_question *out)
{
    tj_str view, name;
    if (!tj_ml_need_str(call, "view_type", &view) ||
        !tj_ml_need_str(call, "metric_name", &name))
        return false;
    int v = find_name(view_names, TJ_COUNT(view_names), view);
    if (v < 0)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "view_type must be one of ['TRACES', 'SPANS', "
                          "'ASSESSMENTS'], got '%.*s'",
                          TJ_STR_ARG(view));
    out->view = (enum tj_metric_view)v;
    for (size_t i = 0; i < TJ_COUNT(metrics); i++) {
        if (metrics[i].view != out->view ||
            !tj_str_eq(name, tj_str_c(metrics[i].name)))
            continue;
        out->kind = (enum tj_metric_kind)i;
        out->metric_name = metrics[i].name;
        return true;
    }
    return fail_metric(call, out->view, name);
}

static bool read_percent(struct tj_ml *call, const struct tj_json *item,
                         struct tj_metric_question *out, size_t at)
{
    struct tj_buf b;
    double percent = -1;
    bool wants = out->aggregates[at].kind == TJ_AGGREGATE_PERCENTILE;
    const struct tj_json *v = tj_ml_member(item, "percentile_value");
    if (!wants)
        return !v || tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                                "Percentile value is only allowed for "
                                "PERCENTILE aggregation type");
    if (!tj_json_double(v, &percent) || !(percent >= 0) || percent > 100)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Percentile value must be between 0 and 100");
    tj_buf_init(&b, call->arena, SIZE_MAX);
    tj_buf_byte(&b, 'P');
    tj_python_float(&b, percent);
    out->aggregates[at].percent = percent;
    out->aggregates[at].name = tj_buf_str(&b);
    return true;
}

static bool read_aggregate(struct tj_ml *call, const struct tj_json *item,
                           struct tj_metric_question *out)
{
    tj_str name = tj_json_str(tj_ml_member(item, "aggregation_type"));
    int kind = find_name(aggregate_names, TJ_COUNT(aggregate_names), name);
    size_t at = out->aggregate_count++;
    if (kind < 0 || !(metrics[out->kind].aggregates & BIT(kind)))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Found invalid aggregation_type(s): ['%.*s']. "
                          "Supported aggregation types: %.*s",
                          TJ_STR_ARG(name),
                          TJ_STR_ARG(names_of(call, aggregate_names,
                                              TJ_COUNT(aggregate_names),
                                              metrics[out->kind].aggregates)));
    out->aggregates[at].kind = (enum tj_aggregate)kind;
    out->aggregates[at].name = tj_str_c(aggregate_names[kind]);
    return read_percent(call, item, out, at);
}

static bool read_aggregates(struct tj_ml *call, struct tj_metric_question *out)
{
    const struct tj_json *list = tj_ml_arg(call, "aggregations");
    if (!tj_json_count(list))
        return tj_ml_missing(call, "aggregations");
    if (tj_json_count(list) > TJ_METRIC_AGGREGATES_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "over %d aggregations", TJ_METRIC_AGGREGATES_MAX);
    tj_json_each (list, item) {
        if (!read_aggregate(call, item, out))
            return false;
    }
    return true;
}

static bool read_dimensions(struct tj_ml *call, struct tj_metric_question *out)
{
    struct tj_ml_list list;
    unsigned seen = 0;
    if (!tj_ml_strs(call, "dimensions", &list))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        int d = find_name(dimension_names, TJ_DIM_COUNT, list.items[i]);
        if (d < 0 || !(metrics[out->kind].dimensions & BIT(d)))
            return tj_ml_fail(
                call, TJ_ML_INVALID_PARAMETER_VALUE,
                "Found invalid dimension(s): ['%.*s']. Supported dimensions: "
                "%.*s",
                TJ_STR_ARG(list.items[i]),
                TJ_STR_ARG(names_of(call, dimension_names, TJ_DIM_COUNT,
                                    metrics[out->kind].dimensions)));
        if (!(seen & BIT(d)))
            out->dimensions[out->dimension_count++] = (enum tj_dimension)d;
        seen |= BIT(d);
    }
    return true;
}

/* -- filters -------------------------------------------------------------- */

static const struct {
    const char *prefix;
    enum tj_metric_view view; /* TRACES: what the store calls it */
    const char *store;
    enum tj_condition_kind kind;
} filters[] = {
    {"trace.status", TJ_VIEW_TRACES, "status", 0},
    {"trace.tag.", TJ_VIEW_TRACES, "tag.", 0},
    {"trace.metadata.", TJ_VIEW_TRACES, "metadata.", 0},
    {"span.name", TJ_VIEW_SPANS, NULL, TJ_ON_SPAN_NAME},
    {"span.status", TJ_VIEW_SPANS, NULL, TJ_ON_SPAN_STATUS},
    {"span.type", TJ_VIEW_SPANS, NULL, TJ_ON_SPAN_TYPE},
    {"assessment.name", TJ_VIEW_ASSESSMENTS, NULL, TJ_ON_ASSESSMENT_NAME},
    {"assessment.type", TJ_VIEW_ASSESSMENTS, NULL, TJ_ON_ASSESSMENT_TYPE},
};

static bool fail_clause(struct tj_ml *call, tj_str text)
{
    return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid clause(s) in filter string: %.*s",
                      TJ_STR_ARG(text));
}

/* A quote that is not doubled: what stands behind it is another clause. */
static bool ends_early(tj_str value, char quote)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != quote)
            continue;
        if (++i == value.len || value.ptr[i] != quote)
            return true;
    }
    return false;
}

/* "left = 'value'" to its two sides. */
static bool split(struct tj_ml *call, tj_str text, tj_str *left, tj_str *value)
{
    size_t at = tj_str_find(text, TJ_STR(" = "));
    if (at == (size_t)-1)
        at = tj_str_find_byte(text, '=');
    else
        at++;
    if (at == (size_t)-1 || at == 0)
        return fail_clause(call, text);
    char before = text.ptr[at - 1];
    if (before == '!' || before == '<' || before == '>')
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid comparator: '%c=', only '=' operator is "
                          "supported",
                          before);
    tj_str rest = tj_str_trim(tj_str_slice(text, at + 1, text.len));
    char quote = rest.len > 1 ? rest.ptr[0] : 0;
    if ((quote != '\'' && quote != '"') || rest.ptr[rest.len - 1] != quote)
        return fail_clause(call, text);
    *left = tj_str_trim(tj_str_slice(text, 0, at));
    *value = tj_str_slice(rest, 1, rest.len - 2);
    return !ends_early(*value, quote) || fail_clause(call, text);
}

static bool fail_left(struct tj_ml *call, tj_str left)
{
    static const struct {
        const char *view;
        const char *entities;
    } views[] = {
        {"trace", "['status', 'tag', 'metadata']"},
        {"span", "['name', 'status', 'type']"},
        {"assessment", "['name', 'type']"},
    };
    tj_str rest = left;
    tj_str view = tj_str_cut(&rest, '.');
    tj_str entity = tj_str_cut(&rest, '.');
    for (size_t i = 0; i < TJ_COUNT(views); i++) {
        if (tj_str_eq(view, tj_str_c(views[i].view)) && entity.len)
            return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                              "Invalid entity '%.*s' specified for view type "
                              "'%s'. Valid entities are %s",
                              TJ_STR_ARG(entity), views[i].view,
                              views[i].entities);
    }
    return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid identifier '%.*s'. Columns should be specified "
                      "as 'trace.<key>', 'span.<key>', 'assessment.<key>'.",
                      TJ_STR_ARG(left));
}

/* A run that traces were linked to counts as the one that made them. */
static bool is_run(tj_str left)
{
    return tj_str_find(left, TJ_STR("mlflow.sourceRun")) != (size_t)-1;
}

/* The clause for the store's own filter; a quote in a value is doubled. */
static void put_clause(struct tj_buf *b, const char *store, tj_str key,
                       tj_str value, bool run)
{
    tj_buf_add(b, b->len ? TJ_STR(" AND ") : TJ_STR(""));
    tj_buf_add(b, run ? TJ_STR("run_id") : tj_str_c(store));
    tj_buf_add(b, run ? TJ_STR("") : key);
    tj_buf_add(b, TJ_STR(" = '"));
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\'')
            tj_buf_byte(b, '\'');
        tj_buf_byte(b, value.ptr[i]);
    }
    tj_buf_byte(b, '\'');
}

static bool read_filter(struct tj_ml *call, tj_str text, struct tj_buf *clauses,
                        struct tj_metric_question *out)
{
    tj_str left = {0};
    tj_str value = {0};
    if (!split(call, text, &left, &value))
        return false;
    for (size_t i = 0; i < TJ_COUNT(filters); i++) {
        tj_str prefix = tj_str_c(filters[i].prefix);
        assert(prefix.ptr);
        bool keyed = prefix.ptr[prefix.len - 1] == '.';
        if (keyed ? !tj_str_starts(left, prefix) : !tj_str_eq(left, prefix))
            continue;
        if (filters[i].view == TJ_VIEW_TRACES) {
            put_clause(clauses, filters[i].store,
                       tj_str_slice(left, prefix.len, left.len), value,
                       keyed && is_run(left));
            return true;
        }
        if (filters[i].view != out->view)
            return tj_ml_fail(
                call, TJ_ML_INVALID_PARAMETER_VALUE,
                "Filtering by %s is only supported for %s view "
                "type, got %s",
                filters[i].view == TJ_VIEW_SPANS ? "span" : "assessment",
                view_names[filters[i].view], view_names[out->view]);
        size_t at = out->condition_count++;
        out->conditions[at].kind = filters[i].kind;
        out->conditions[at].value = value;
        return true;
    }
    return fail_left(call, left);
}

/* Times of traces go into the filter as well; costs are asked by the times of
 * their spans. */
static void put_times(const struct tj_metric_question *q, struct tj_buf *b)
{
    bool by_span = q->kind >= TJ_METRIC_SPAN_INPUT_COST &&
                   q->kind <= TJ_METRIC_SPAN_TOTAL_COST;
    if (by_span)
        return;
    if (q->start_ms != INT64_MIN)
        tj_buf_fmt(b, "%stimestamp_ms >= %" PRId64, b->len ? " AND " : "",
                   q->start_ms);
    if (q->end_ms != INT64_MAX)
        tj_buf_fmt(b, "%stimestamp_ms <= %" PRId64, b->len ? " AND " : "",
                   q->end_ms);
}

static bool read_filters(struct tj_ml *call, struct tj_metric_question *out)
{
    struct tj_ml_list list;
    struct tj_buf clauses;
    if (!tj_ml_strs(call, "filters", &list))
        return false;
    if (list.count > TJ_METRIC_CONDITIONS_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "over %d filters", TJ_METRIC_CONDITIONS_MAX);
    tj_buf_init(&clauses, call->arena, TJ_FILTER_BYTES_MAX);
    for (size_t i = 0; i < list.count; i++) {
        if (!read_filter(call, list.items[i], &clauses, out))
            return false;
    }
    put_times(out, &clauses);
    return (tj_buf_ok(&clauses, "filters", &call->err) &&
            tj_filter_parse(tj_buf_str(&clauses), call->arena, &out->filter,
                            &call->err)) ||
           tj_ml_fail_err(call);
}

/* -- the rest ------------------------------------------------------------- */

static bool read_times(struct tj_ml *call, struct tj_metric_question *out)
{
    int64_t rows = 1000;
    if (!tj_ml_i64(call, "start_time_ms", INT64_MIN, &out->start_ms) ||
        !tj_ml_i64(call, "end_time_ms", INT64_MAX, &out->end_ms) ||
        !tj_ml_i64(call, "time_interval_seconds", 0, &out->interval_s) ||
        !tj_ml_i64(call, "max_results", 1000, &rows))
        return false;
    if (out->interval_s < 0 || out->interval_s > INT64_MAX / 1000)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "time_interval_seconds must be positive");
    if (out->interval_s &&
        (!tj_ml_arg(call, "start_time_ms") || !tj_ml_arg(call, "end_time_ms")))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "start_time_ms and end_time_ms are required if "
                          "time_interval_seconds is set");
    out->row_max = rows < 0 ? 0 : (size_t)rows;
    return true;
}

static bool read_experiments(struct tj_ml *call, struct tj_metric_question *out)
{
    struct tj_ml_list list;
    if (!tj_ml_strs(call, "experiment_ids", &list))
        return false;
    if (!list.count)
        return tj_ml_missing(call, "experiment_ids");
    for (size_t i = 0; i < list.count; i++) {
        uint64_t id = 0;
        if (!tj_str_to_u64(list.items[i], &id))
            return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                              "Invalid experiment ID: '%.*s'. Must be a valid "
                              "integer.",
                              TJ_STR_ARG(list.items[i]));
        if (tj_grant_covers(call->rq->grant, id))
            *tj_vec_add(&out->experiments, call->arena) = id;
    }
    return true;
}

bool tj_metric_question_read(struct tj_ml *call, struct tj_metric_question *out)
{
    *out = (struct tj_metric_question){0};
    return read_experiments(call, out) && read_metric(call, out) &&
           read_aggregates(call, out) && read_dimensions(call, out) &&
           read_times(call, out) && read_filters(call, out);
}
