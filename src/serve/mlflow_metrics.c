/* mlflow_metrics.c - MLflow's counts and aggregates over traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     question --search, page by page--> traces --> spans or assessments
 *              --number and dimensions--> groups --> data points
 *
 * Traces are gone through with the store's own search, so that a filter means
 * the same here and there; a page of them is let go before the next is read.
 */
#include <inttypes.h>
#include <time.h>

#include "serve/metric_question.h"
#include "serve/mlflow_cost.h"
#include "serve/mlflow_info.h"
#include "serve/python_json.h"
#include "serve/route.h"

/* What is being counted now, and where it goes. */
struct count {
    struct tj_ml *call;
    const struct tj_metric_question *q;
    struct tj_metric_groups groups;
    struct tj_map sessions; /* that were counted: bucket and session */
    struct tj_arena *page;  /* of the traces that are read */
    const struct tj_trace_info *info;
};

/* -- dimensions ----------------------------------------------------------- */

static tj_str span_type(const struct tj_span *span)
{
    return span->kind_text.len ? span->kind_text
                               : tj_str_c(tj_kind_name(span->kind));
}

/* As MLflow keeps it: Python's json.dumps. */
static tj_str value_text(const struct count *c, const struct tj_assessment *as)
{
    struct tj_json_doc doc;
    struct tj_err ignored = {0};
    struct tj_buf b;
    if (!as || !as->value_json.len ||
        !tj_json_parse(as->value_json, c->page, &doc, &ignored))
        return TJ_STR("null");
    tj_buf_init(&b, c->page, SIZE_MAX);
    tj_python_json(&b, doc.root, 0);
    return tj_buf_str(&b);
}

/* Empty: there is none, and then this is not counted. */
static tj_str dimension(const struct count *c, enum tj_dimension d,
                        const struct tj_span *span,
                        const struct tj_assessment *as)
{
    switch (d) {
    case TJ_DIM_TRACE_NAME: return c->info->name;
    case TJ_DIM_TRACE_STATUS:
        return tj_str_c(tj_trace_state_name(c->info->state));
    case TJ_DIM_SPAN_NAME: return span->name;
    case TJ_DIM_SPAN_TYPE: return span_type(span);
    case TJ_DIM_SPAN_STATUS: return tj_str_c(tj_status_name(span->status));
    case TJ_DIM_SPAN_MODEL: return span->model;
    case TJ_DIM_SPAN_PROVIDER: return span->provider;
    case TJ_DIM_ASSESSMENT_NAME: return as ? as->name : (tj_str){0};
    case TJ_DIM_ASSESSMENT_VALUE: return value_text(c, as);
    case TJ_DIM_COUNT: break;
    }
    return (tj_str){0};
}

static int64_t bucket(const struct count *c, tj_time time)
{
    int64_t ms = (int64_t)(time / TJ_NS_PER_MS);
    int64_t width = c->q->interval_s * 1000;
    return width ? ms / width * width : 0;
}

static bool add(struct count *c, tj_time time, double number,
                const struct tj_span *span, const struct tj_assessment *as)
{
    tj_str texts[TJ_METRIC_DIMENSIONS_MAX];
    for (size_t i = 0; i < c->q->dimension_count; i++) {
        texts[i] = dimension(c, c->q->dimensions[i], span, as);
        if (!texts[i].len)
            return true;
    }
    return tj_metric_groups_add(&c->groups, bucket(c, time), texts, number,
                                &c->call->err) ||
           tj_ml_fail_err(c->call);
}

/* -- traces --------------------------------------------------------------- */

/* A count that a client said for its trace, else the one of its spans. */
static int64_t tokens(struct count *c, const char *key, int64_t derived)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    int64_t said = -1;
    tj_str text =
        tj_pairs_find(&c->info->metadata, TJ_STR("mlflow.trace.tokenUsage"));
    if (text.len && tj_json_parse(text, c->page, &doc, &ignored))
        return tj_json_i64(tj_json_find(doc.root, tj_str_c(key)), &said) ? said
                                                                         : -1;
    return derived;
}

static int64_t total_tokens(const struct tj_usage *u)
{
    int64_t in = u->input_tokens < 0 ? 0 : u->input_tokens;
    int64_t out = u->output_tokens < 0 ? 0 : u->output_tokens;
    bool known = u->input_tokens >= 0 || u->output_tokens >= 0;
    return known && in <= INT64_MAX - out ? in + out : -1;
}

/* Whole milliseconds; -1: it goes on. */
static int64_t trace_ms(const struct tj_trace_info *info)
{
    if (!info->duration_ns && info->state == TJ_STATE_IN_PROGRESS)
        return -1;
    return (int64_t)((info->request_time % TJ_NS_PER_MS + info->duration_ns) /
                     TJ_NS_PER_MS);
}

/* -1: there is none. */
static int64_t trace_number(struct count *c)
{
    const struct tj_usage *u = &c->info->usage;
    switch ((int)c->q->kind) {
    case TJ_METRIC_TRACE_COUNT: return 1;
    case TJ_METRIC_TRACE_LATENCY: return trace_ms(c->info);
    case TJ_METRIC_TRACE_INPUT_TOKENS:
        return tokens(c, "input_tokens", u->input_tokens);
    case TJ_METRIC_TRACE_OUTPUT_TOKENS:
        return tokens(c, "output_tokens", u->output_tokens);
    case TJ_METRIC_TRACE_TOTAL_TOKENS:
        return tokens(c, "total_tokens", total_tokens(u));
    case TJ_METRIC_TRACE_CACHE_READ_TOKENS:
        return tokens(c, "cache_read_input_tokens", u->cache_read_tokens);
    case TJ_METRIC_TRACE_CACHE_WRITE_TOKENS:
        return tokens(c, "cache_creation_input_tokens", u->cache_write_tokens);
    default: return -1;
    }
}

/* Each session once for each bucket. */
static bool count_session(struct count *c)
{
    bool fresh = false;
    tj_str session =
        tj_trace_info_meta(c->info, TJ_STR("mlflow.trace.session"));
    if (!session.len)
        return true;
    tj_str key =
        tj_str_printf(c->call->arena, "%" PRId64 " %.*s",
                      bucket(c, c->info->request_time), TJ_STR_ARG(session));
    (void)tj_map_add(&c->sessions, key, &fresh);
    return !fresh || add(c, c->info->request_time, 1, NULL, NULL);
}

static bool count_trace(struct count *c)
{
    if (c->q->kind == TJ_METRIC_SESSION_COUNT)
        return count_session(c);
    int64_t number = trace_number(c);
    return number < 0 ||
           add(c, c->info->request_time, (double)number, NULL, NULL);
}

/* -- spans ---------------------------------------------------------------- */

static bool is_wanted_span(const struct count *c, const struct tj_span *span)
{
    for (size_t i = 0; i < c->q->condition_count; i++) {
        tj_str value = c->q->conditions[i].value;
        tj_str have = {0};
        switch (c->q->conditions[i].kind) {
        case TJ_ON_SPAN_NAME: have = span->name; break;
        case TJ_ON_SPAN_STATUS:
            have = tj_str_c(tj_status_name(span->status));
            break;
        case TJ_ON_SPAN_TYPE: have = span_type(span); break;
        case TJ_ON_ASSESSMENT_NAME:
        case TJ_ON_ASSESSMENT_TYPE: break;
        }
        if (!tj_str_eq(have, value))
            return false;
    }
    return true;
}

/* Costs are asked for by the times of their spans. */
static bool is_in_time(const struct count *c, const struct tj_span *span)
{
    int64_t ms = (int64_t)(span->start / TJ_NS_PER_MS);
    return ms >= c->q->start_ms && ms <= c->q->end_ms;
}

/* False: refused.  *known: the span has such a cost. */
static bool span_cost(struct count *c, struct tj_trace *trace, size_t i,
                      double *number, bool *known)
{
    double input = 0;
    double output = 0;
    *number = trace->spans[i].usage.cost_usd;
    *known = *number >= 0 && is_in_time(c, &trace->spans[i]);
    if (!*known || c->q->kind == TJ_METRIC_SPAN_TOTAL_COST)
        return true;
    if (!tj_store_load_fields(trace, i, &c->call->err))
        return tj_ml_fail_err(c->call);
    *known = tj_ml_span_cost(c->call, trace, i, &input, &output);
    *number = c->q->kind == TJ_METRIC_SPAN_INPUT_COST ? input : output;
    return true;
}

static bool count_span(struct count *c, struct tj_trace *trace, size_t i)
{
    const struct tj_span *span = &trace->spans[i];
    double number = 1;
    bool known = true;
    if (!is_wanted_span(c, span))
        return true;
    if (c->q->kind == TJ_METRIC_SPAN_LATENCY) {
        known = span->end >= span->start && span->end;
        uint64_t ms = known ? (span->end - span->start) / TJ_NS_PER_MS : 0;
        number = (double)ms;
    } else if (c->q->kind != TJ_METRIC_SPAN_COUNT &&
               !span_cost(c, trace, i, &number, &known)) {
        return false;
    }
    return !known || add(c, span->start, number, span, NULL);
}

static bool count_spans(struct count *c)
{
    struct tj_arena arena = {0};
    struct tj_trace trace = {0};
    bool ok = tj_store_open_trace(c->call->store, c->info->trace_id, &arena,
                                  &trace, &c->call->err) ||
              tj_ml_fail_err(c->call);
    for (size_t i = 0; ok && i < trace.span_count; i++)
        ok = count_span(c, &trace, i);
    tj_arena_release(&arena);
    return ok;
}

/* -- assessments ---------------------------------------------------------- */

static bool is_wanted_assessment(const struct count *c,
                                 const struct tj_assessment *as)
{
    tj_str type =
        as->kind == TJ_FEEDBACK ? TJ_STR("feedback") : TJ_STR("expectation");
    for (size_t i = 0; i < c->q->condition_count; i++) {
        bool by_name = c->q->conditions[i].kind == TJ_ON_ASSESSMENT_NAME;
        if (!tj_str_eq(by_name ? as->name : type, c->q->conditions[i].value))
            return false;
    }
    return as->valid;
}

/* Numbers, and yes and no in their several words. */
static bool assessment_number(struct count *c, const struct tj_assessment *as,
                              double *out)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (!as->value_json.len ||
        !tj_json_parse(as->value_json, c->page, &doc, &ignored))
        return false;
    tj_str word = tj_str_trim(tj_json_str(doc.root));
    enum tj_json_type type = tj_json_type(doc.root);
    bool yes = type == TJ_JSON_TRUE || tj_str_eq_fold(word, TJ_STR("yes"));
    bool no = type == TJ_JSON_FALSE || tj_str_eq_fold(word, TJ_STR("no"));
    *out = yes ? 1 : 0;
    return yes || no || tj_json_double(doc.root, out);
}

static bool count_assessments(struct count *c)
{
    struct tj_assessment *list = NULL;
    size_t count = 0;
    if (!tj_store_assessments(c->call->store, c->info->trace_id, c->page, &list,
                              &count, &c->call->err))
        return tj_ml_fail_err(c->call);
    for (size_t i = 0; i < count; i++) {
        double number = 1;
        bool known = is_wanted_assessment(c, &list[i]) &&
                     (c->q->kind == TJ_METRIC_ASSESSMENT_COUNT ||
                      assessment_number(c, &list[i], &number));
        if (known && !add(c, c->info->request_time, number, NULL, &list[i]))
            return false;
    }
    return true;
}

/* -- all of it ------------------------------------------------------------ */

static bool count_one(struct count *c)
{
    switch (c->q->view) {
    case TJ_VIEW_TRACES: return count_trace(c);
    case TJ_VIEW_SPANS: return count_spans(c);
    case TJ_VIEW_ASSESSMENTS: return count_assessments(c);
    }
    return true;
}

static bool count_page(struct count *c, struct tj_trace_query *query)
{
    struct tj_trace_page page = {0};
    if (!tj_store_search(c->call->store, query, c->page, &page, &c->call->err))
        return tj_ml_fail_err(c->call);
    for (size_t i = 0; i < page.count; i++) {
        c->info = &page.infos[i];
        if (!count_one(c))
            return false;
    }
    query->page_token = tj_str_dup(c->call->arena, page.next_page_token);
    return true;
}

static bool count_all(struct count *c)
{
    struct tj_arena page = {0};
    struct tj_trace_query query = {
        .experiments = c->q->experiments.items,
        .experiment_count = c->q->experiments.count,
        .filter = c->q->filter,
        .row_max = TJ_SEARCH_ROWS_MAX,
        .with_judge_traces = true,
    };
    bool ok = true;
    c->page = &page;
    while (ok && query.experiment_count) {
        ok = count_page(c, &query);
        tj_arena_reset(&page);
        if (!query.page_token.len)
            break;
    }
    tj_arena_release(&page);
    c->page = NULL;
    return ok;
}

/* -- answer --------------------------------------------------------------- */

/* datetime.isoformat in UTC. */
static tj_str bucket_text(struct tj_arena *a, int64_t ms)
{
    struct tm tm;
    char text[40];
    time_t seconds = (time_t)(ms / 1000);
    if (!gmtime_r(&seconds, &tm))
        return TJ_STR("");
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", &tm);
    return tj_str_dup(a, tj_str_make(text, n));
}

static void put_value(struct tj_json_writer *w, tj_str name, double value)
{
    tj_jw_key(w, name);
    tj_jw_double(w, value);
}

static void put_dimensions(struct count *c, struct tj_json_writer *w,
                           const struct tj_metric_group *group)
{
    const struct tj_metric_question *q = c->q;
    tj_jw_key(w, TJ_STR("dimensions"));
    tj_jw_object(w);
    if (q->interval_s)
        tj_jw_key_str(w, "time_bucket",
                      bucket_text(c->call->arena, group->bucket_ms));
    for (size_t i = 0; i < q->dimension_count; i++)
        tj_jw_key_str(w, tj_dimension_name(q->dimensions[i]),
                      group->dimensions[i]);
    tj_jw_end(w);
}

static void put_point(struct count *c, struct tj_json_writer *w,
                      struct tj_metric_group *group)
{
    const struct tj_metric_question *q = c->q;
    tj_jw_object(w);
    tj_jw_key_str(w, "metric_name", tj_str_c(q->metric_name));
    if (q->interval_s || q->dimension_count)
        put_dimensions(c, w, group);
    tj_jw_key(w, TJ_STR("values"));
    tj_jw_object(w);
    for (size_t i = 0; i < q->aggregate_count; i++)
        put_value(w, q->aggregates[i].name,
                  tj_metric_value(group, q->aggregates[i].kind,
                                  q->aggregates[i].percent));
    tj_jw_end(w);
    tj_jw_end(w);
}

/* Of nothing at all, SQL counts 0 in one row. */
static void put_zero(struct count *c, struct tj_json_writer *w)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "metric_name", tj_str_c(c->q->metric_name));
    tj_jw_key(w, TJ_STR("values"));
    tj_jw_object(w);
    put_value(w, TJ_STR("COUNT"), 0);
    tj_jw_end(w);
    tj_jw_end(w);
}

static void answer(struct count *c)
{
    const struct tj_metric_question *q = c->q;
    struct tj_json_writer *w = tj_ml_answer(c->call);
    bool counts = q->aggregates[0].kind == TJ_AGGREGATE_COUNT;
    bool whole = !q->interval_s && !q->dimension_count;
    size_t count = tj_size_min(c->groups.list.count, q->row_max);
    bool zero = !c->groups.list.count && whole && counts && q->row_max;
    tj_metric_groups_sort(&c->groups);
    if (count || zero) {
        tj_jw_key(w, TJ_STR("data_points"));
        tj_jw_array(w);
        for (size_t i = 0; i < count; i++)
            put_point(c, w, c->groups.list.items[i]);
        if (zero)
            put_zero(c, w);
        tj_jw_end(w);
    }
    tj_ml_end(c->call);
}

static bool wants_percentile(const struct tj_metric_question *q)
{
    for (size_t i = 0; i < q->aggregate_count; i++) {
        if (q->aggregates[i].kind == TJ_AGGREGATE_PERCENTILE)
            return true;
    }
    return false;
}

static void query(struct tj_server *s, const struct tj_request *rq,
                  struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_metric_question q;
    struct count c = {.call = &call, .q = &q};
    if (!tj_ml_begin(&call, s, rq, out) || !tj_metric_question_read(&call, &q))
        return;
    tj_metric_groups_init(&c.groups, call.arena, q.dimension_count);
    c.groups.keep_numbers = wants_percentile(&q);
    tj_map_init(&c.sessions, call.arena);
    if (count_all(&c))
        answer(&c);
}

const struct tj_route tj_routes_metrics[] = {
    {TJ_METHOD_POST, TJ_V3, "/mlflow/traces/metrics", TJ_ACCESS_READ, query},
    {.run = NULL},
};
