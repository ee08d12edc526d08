/* mlflow_spans.c - MLflow's routes that give traces with their spans.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A trace is opened in an arena of its own and let go when it is written, so
 * that an answer of many traces takes the memory of the answer and one trace.
 */
#include "serve/mlflow_spans.h"

#include <stdlib.h>
#include <time.h>

#include "serve/mlflow_check.h"
#include "serve/mlflow_info.h"
#include "serve/route.h"

enum {
    IDS_MAX = 1000, /* of a batch; clients ask for 10 at a time */
    /* A client that asks at once for what it has just sent waits this long
     * for the rest of it; MLflow's server takes three seconds of a worker. */
    WAIT_MS = 300,
    WAIT_STEP_MS = 20,
};

/* -- spans ---------------------------------------------------------------- */

struct place {
    bool root;
    tj_time start;
    size_t index;
};

static int by_place(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;
    if (a->root != b->root)
        return a->root ? -1 : 1;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static struct place *sorted(const struct tj_trace *trace, struct tj_arena *a)
{
    struct place *places = tj_arena_array(a, struct place, trace->span_count);
    for (size_t i = 0; i < trace->span_count; i++) {
        const struct tj_span *s = &trace->spans[i];
        places[i] =
            (struct place){tj_span_id_is_none(s->parent_id), s->start, i};
    }
    if (trace->span_count)
        qsort(places, trace->span_count, sizeof *places, by_place);
    return places;
}

static bool load_span(struct tj_ml *call, struct tj_trace *trace, size_t span)
{
    if (!tj_store_load_fields(trace, span, &call->err))
        return tj_ml_fail_err(call);
    struct tj_span *s = &trace->spans[span];
    for (size_t i = 0; i < s->field_count; i++) {
        struct tj_field *f = &s->fields[i];
        if (f->same_as == TJ_FIELD_NOT_SHARED && f->text.len &&
            !tj_store_read_field(trace, span, i, 0, UINT64_MAX, &f->text,
                                 &call->err))
            return tj_ml_fail_err(call);
    }
    return true;
}

bool tj_ml_write_spans(struct tj_ml *call, struct tj_json_writer *w,
                       struct tj_trace *trace, enum tj_mlflow_form form)
{
    struct tj_arena scratch = {0};
    struct place *places = sorted(trace, trace->arena);
    bool ok = true;
    tj_jw_array(w);
    for (size_t i = 0; ok && i < trace->span_count; i++) {
        size_t at = places[i].index;
        ok = load_span(call, trace, at);
        if (ok)
            tj_mlflow_span_write(w, &trace->spans[at], form, &scratch);
        tj_arena_reset(&scratch);
    }
    tj_jw_end(w);
    tj_arena_release(&scratch);
    return ok;
}

/* -- one trace ------------------------------------------------------------ */

static bool write_trace(struct tj_ml *call, struct tj_json_writer *w,
                        struct tj_trace *trace)
{
    tj_jw_object(w);
    tj_jw_key(w, TJ_STR("trace_info"));
    if (!tj_ml_write_info(call, w, &trace->info))
        return false;
    if (trace->span_count) {
        tj_jw_key(w, TJ_STR("spans"));
        if (!tj_ml_write_spans(call, w, trace, TJ_MLFLOW_REST))
            return false;
    }
    tj_jw_end(w);
    return true;
}

static bool is_complete(const struct tj_trace_info *info)
{
    return info->span_count && !tj_ml_is_partial(info);
}

static bool fail_not_found(struct tj_ml *call, tj_str id)
{
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "Trace with ID %.*s is not found.", TJ_STR_ARG(id));
}

static bool find_info(struct tj_ml *call, tj_str id, struct tj_trace_info *out)
{
    bool found;
    return tj_ml_find_trace(call, id, out, &found) &&
           (found || fail_not_found(call, id));
}

/* Spans that are on their way come within milliseconds. */
static bool wait_for_spans(struct tj_ml *call, tj_str id,
                           struct tj_trace_info *info)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
    uint64_t end = tj_mono_ns() + WAIT_MS * TJ_NS_PER_MS;
    while (!is_complete(info)) {
        if (tj_mono_ns() >= end)
            return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                              "Trace with ID %.*s is not fully exported yet, "
                              "please try again later.",
                              TJ_STR_ARG(id));
        (void)nanosleep(&step, NULL);
        if (!find_info(call, id, info))
            return false;
    }
    return true;
}

static void answer_trace(struct tj_ml *call, tj_str id, tj_trace_id trace_id)
{
    struct tj_arena arena = {0};
    struct tj_trace trace = {0};
    if (!tj_store_open_trace(call->store, trace_id, &arena, &trace,
                             &call->err)) {
        (void)tj_ml_fail_err(call);
    } else if (!tj_trace_is_open(&trace)) {
        (void)fail_not_found(call, id);
    } else {
        struct tj_json_writer *w = tj_ml_answer(call);
        tj_jw_key(w, TJ_STR("trace"));
        if (write_trace(call, w, &trace))
            tj_ml_end(call);
    }
    tj_arena_release(&arena);
}

static void get(struct tj_server *s, const struct tj_request *rq,
                struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info info = {0};
    tj_str id;
    bool partial = false;
    if (tj_ml_begin(&call, s, rq, out) &&
        tj_ml_need_str(&call, "trace_id", &id) &&
        tj_ml_bool(&call, "allow_partial", false, &partial) &&
        find_info(&call, id, &info) &&
        (partial || wait_for_spans(&call, id, &info)))
        answer_trace(&call, id, info.trace_id);
}

/* -- many ----------------------------------------------------------------- */

struct batch {
    struct tj_ml_list ids;
    struct tj_ml_list experiments;
    bool in_some; /* only those of these experiments */
};

static bool read_batch(struct tj_ml *call, struct batch *out)
{
    if (!tj_ml_strs(call, "trace_ids", &out->ids) ||
        !tj_ml_strs(call, "experiment_ids", &out->experiments))
        return false;
    out->in_some = tj_ml_arg(call, "experiment_ids") != NULL;
    if (!out->ids.count)
        return tj_ml_missing(call, "trace_ids");
    if (out->experiments.count > IDS_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "At most %d experiment_ids can be given at once.",
                          IDS_MAX);
    return out->ids.count <= IDS_MAX ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "At most %d trace_ids can be asked for at once, found "
                      "%zu.",
                      IDS_MAX, out->ids.count);
}

static bool is_wanted(const struct tj_ml *call, const struct batch *batch,
                      const struct tj_trace_info *info)
{
    if (!tj_grant_covers(call->rq->grant, info->experiment_id))
        return false;
    for (size_t i = 0; i < batch->experiments.count; i++) {
        uint64_t id = 0;
        if (tj_str_to_u64(batch->experiments.items[i], &id) &&
            id == info->experiment_id)
            return true;
    }
    return !batch->in_some;
}

/* The same id twice is one trace. */
static bool is_repeat(const struct batch *batch, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (tj_str_eq(batch->ids.items[k], batch->ids.items[i]))
            return true;
    }
    return false;
}

/* *found: it is there and may be shown. */
static bool find_wanted(struct tj_ml *call, const struct batch *batch, size_t i,
                        struct tj_trace_info *info, bool *found)
{
    tj_trace_id id;
    *found = false;
    if (!tj_trace_id_parse(batch->ids.items[i], &id) || is_repeat(batch, i))
        return true;
    if (!tj_store_find_info(call->store, id, call->arena, info, found,
                            &call->err))
        return tj_ml_fail_err(call);
    *found = *found && is_wanted(call, batch, info);
    return true;
}

/* The list begins with the first of it, and is absent when it is empty. */
static void begin_list(struct tj_json_writer *w, const char *key, bool *begun)
{
    if (*begun)
        return;
    tj_jw_key(w, tj_str_c(key));
    tj_jw_array(w);
    *begun = true;
}

static bool add_trace(struct tj_ml *call, struct tj_json_writer *w,
                      tj_trace_id id, bool *begun)
{
    struct tj_arena arena = {0};
    struct tj_trace trace = {0};
    bool ok = tj_store_open_trace(call->store, id, &arena, &trace, &call->err);
    if (!ok) {
        (void)tj_ml_fail_err(call);
    } else if (tj_trace_is_open(&trace) && trace.span_count) {
        begin_list(w, "traces", begun);
        ok = write_trace(call, w, &trace);
    }
    tj_arena_release(&arena);
    return ok;
}

static void batch_get(struct tj_server *s, const struct tj_request *rq,
                      struct tj_answer *out)
{
    struct tj_ml call;
    struct batch batch = {0};
    if (!tj_ml_begin(&call, s, rq, out) || !read_batch(&call, &batch))
        return;
    struct tj_json_writer *w = tj_ml_answer(&call);
    bool begun = false;
    for (size_t i = 0; i < batch.ids.count; i++) {
        struct tj_trace_info info = {0};
        bool found;
        if (!find_wanted(&call, &batch, i, &info, &found) ||
            (found && is_complete(&info) &&
             !add_trace(&call, w, info.trace_id, &begun)))
            return;
    }
    if (begun)
        tj_jw_end(w);
    tj_ml_end(&call);
}

static void batch_infos(struct tj_server *s, const struct tj_request *rq,
                        struct tj_answer *out)
{
    struct tj_ml call;
    struct batch batch = {0};
    if (!tj_ml_begin(&call, s, rq, out) || !read_batch(&call, &batch))
        return;
    struct tj_json_writer *w = tj_ml_answer(&call);
    bool begun = false;
    for (size_t i = 0; i < batch.ids.count; i++) {
        struct tj_trace_info info = {0};
        bool found;
        if (!find_wanted(&call, &batch, i, &info, &found))
            return;
        if (!found)
            continue;
        begin_list(w, "trace_infos", &begun);
        if (!tj_ml_write_info(&call, w, &info))
            return;
    }
    if (begun)
        tj_jw_end(w);
    tj_ml_end(&call);
}

#define TRACES "/mlflow/traces"

const struct tj_route tj_routes_spans[] = {
    {TJ_METHOD_GET, TJ_V3, TRACES "/get", TJ_ACCESS_READ, get},
    {TJ_METHOD_GET, TJ_V3, TRACES "/batchGet", TJ_ACCESS_READ, batch_get},
    {TJ_METHOD_POST, TJ_V3, TRACES "/batchGetInfos", TJ_ACCESS_READ,
     batch_infos},
    {.run = NULL},
};
