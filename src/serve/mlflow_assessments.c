/* mlflow_assessments.c - MLflow's routes for feedback and expectations.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An assessment that overrides another makes that one not valid, and gives its
 * validity back when it is deleted (the store derives both).  A PATCH names
 * what it changes in a FieldMask, "assessmentName,feedback" in protobuf's JSON;
 * the names as the proto has them are read as well.
 */
#include "base/limits.h"
#include "serve/mlflow_check.h"
#include "serve/mlflow_info.h"
#include "serve/route.h"

static bool fail_no_assessment(struct tj_ml *call, tj_str id, tj_str trace_id)
{
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "Assessment with ID '%.*s' not found for trace '%.*s'",
                      TJ_STR_ARG(id), TJ_STR_ARG(trace_id));
}

/* The captured trace; MLflow has a text of its own for it here. */
static bool find_trace(struct tj_ml *call, struct tj_trace_info *out)
{
    tj_str text = call->rq->captures[0];
    tj_trace_id id;
    bool found = false;
    if (tj_trace_id_parse(text, &id) &&
        !tj_store_find_info(call->store, id, call->arena, out, &found,
                            &call->err))
        return tj_ml_fail_err(call);
    if (!found)
        return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                          "Trace with request_id '%.*s' not found",
                          TJ_STR_ARG(text));
    return tj_ml_covers(call, out->experiment_id);
}

/* The assessment of this id of the trace; NULL and refused when it is not
 * there. */
static struct tj_assessment *find_assessment(struct tj_ml *call,
                                             const struct tj_trace_info *trace,
                                             tj_str id)
{
    struct tj_assessment *list = NULL;
    size_t count = 0;
    if (!tj_store_assessments(call->store, trace->trace_id, call->arena, &list,
                              &count, &call->err)) {
        (void)tj_ml_fail_err(call);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (tj_str_eq(list[i].id, id))
            return &list[i];
    }
    (void)fail_no_assessment(call, id, call->rq->captures[0]);
    return NULL;
}

static void answer(struct tj_ml *call, const struct tj_assessment *as)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    tj_jw_key(w, TJ_STR("assessment"));
    tj_assessment_write(w, as, call->arena);
    tj_ml_end(call);
}

/* The argument, or NULL and refused. */
static const struct tj_json *need(struct tj_ml *call, const char *name)
{
    const struct tj_json *v = tj_ml_arg(call, name);
    if (!v)
        (void)tj_ml_missing(call, name);
    return v;
}

/* -- create and get ------------------------------------------------------- */

static bool parse(struct tj_ml *call, const struct tj_json *v,
                  struct tj_assessment *out)
{
    if (tj_ml_member(v, "issue"))
        return tj_ml_fail(call, TJ_ML_NOT_IMPLEMENTED,
                          "Issues are not supported by this server.");
    return tj_assessment_parse(v, call->arena, out, &call->err) ||
           tj_ml_fail_err(call);
}

static void create(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info trace;
    struct tj_assessment as = {0};
    if (!tj_ml_begin(&call, s, rq, out))
        return;
    const struct tj_json *v = need(&call, "assessment");
    if (!v || !parse(&call, v, &as) ||
        !tj_ml_trace(&call, rq->captures[0], &trace) ||
        (as.overrides.len && !find_assessment(&call, &trace, as.overrides)))
        return;
    as.trace_id = trace.trace_id;
    as.valid = true;
    if (tj_store_add_assessment(call.store, &as, call.arena, &call.err))
        answer(&call, &as);
    else
        (void)tj_ml_fail_err(&call);
}

static void get(struct tj_server *s, const struct tj_request *rq,
                struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info trace;
    if (!tj_ml_begin(&call, s, rq, out) || !find_trace(&call, &trace))
        return;
    const struct tj_assessment *as =
        find_assessment(&call, &trace, rq->captures[1]);
    if (as)
        answer(&call, as);
}

/* -- update --------------------------------------------------------------- */

enum {
    MASK_NAME = 1 << 0,
    MASK_FEEDBACK = 1 << 1,
    MASK_EXPECTATION = 1 << 2,
    MASK_RATIONALE = 1 << 3,
    MASK_METADATA = 1 << 4,
};

static const struct {
    const char *path;
    const char *camel;
    unsigned bit;
} mask_paths[] = {
    {"assessment_name", "assessmentName", MASK_NAME},
    {"feedback", "feedback", MASK_FEEDBACK},
    {"expectation", "expectation", MASK_EXPECTATION},
    {"rationale", "rationale", MASK_RATIONALE},
    {"metadata", "metadata", MASK_METADATA},
};

/* A path into one of ours ("feedback.value") means all of it; others, as
 * MLflow has it, mean nothing. */
static unsigned mask_bit(tj_str path)
{
    tj_str rest = path;
    tj_str head = tj_str_cut(&rest, '.');
    for (size_t i = 0; i < TJ_COUNT(mask_paths); i++) {
        if (tj_str_eq(head, tj_str_c(mask_paths[i].path)) ||
            tj_str_eq(head, tj_str_c(mask_paths[i].camel)))
            return mask_paths[i].bit;
    }
    return 0;
}

/* "a,b", or {"paths": ["a", "b"]} as some write it. */
static unsigned read_mask(const struct tj_json *v)
{
    unsigned mask = 0;
    tj_str rest = tj_json_str(v);
    while (rest.ptr)
        mask |= mask_bit(tj_str_cut(&rest, ','));
    tj_json_each (tj_json_find(v, TJ_STR("paths")), item)
        mask |= mask_bit(tj_json_str(item));
    return mask;
}

struct change {
    unsigned mask;
    struct tj_assessment news;
};

static bool check_kind(const struct change *c, const struct tj_assessment *as,
                       struct tj_err *err)
{
    const char *wrong = NULL;
    if (c->mask & MASK_FEEDBACK && c->mask & MASK_EXPECTATION)
        wrong = "Cannot specify both `expectation` and `feedback` parameters.";
    else if (c->mask & MASK_EXPECTATION && as->kind != TJ_EXPECTATION)
        wrong = "Cannot update expectation value on a Feedback assessment.";
    else if (c->mask & MASK_FEEDBACK && as->kind != TJ_FEEDBACK)
        wrong = "Cannot update feedback value on an Expectation assessment.";
    return !wrong || tj_fail(err, TJ_E_INPUT, "%s", wrong);
}

static enum tj_edit change(void *ctx, struct tj_assessment *as,
                           struct tj_arena *a, struct tj_err *err)
{
    const struct change *c = ctx;
    const struct tj_assessment *news = &c->news;
    if (!check_kind(c, as, err))
        return TJ_EDIT_FAIL;
    if (c->mask & MASK_NAME)
        as->name = news->name;
    if (c->mask & (MASK_FEEDBACK | MASK_EXPECTATION)) {
        as->value_json = news->value_json;
        as->error_code = news->error_code;
        as->error_message = news->error_message;
        as->error_stack = news->error_stack;
    }
    if (c->mask & MASK_RATIONALE && as->kind == TJ_FEEDBACK)
        as->rationale = news->rationale;
    if (c->mask & MASK_METADATA) {
        for (size_t i = 0; i < news->metadata.count; i++)
            tj_assessment_set_meta(as, a, news->metadata.items[i].key,
                                   news->metadata.items[i].value);
    }
    as->update_time = tj_now() / TJ_NS_PER_MS * TJ_NS_PER_MS;
    return TJ_EDIT_PUT;
}

/* What is to change stands in an assessment that may lack all the rest. */
static bool read_change(struct tj_ml *call, struct change *out)
{
    const struct tj_json *v = need(call, "assessment");
    const struct tj_json *mask = v ? need(call, "update_mask") : NULL;
    if (!mask)
        return false;
    out->mask = read_mask(mask);
    if (tj_json_is_string(mask) && !tj_json_str(mask).len)
        return tj_ml_missing(call, "update_mask");
    bool valued = false;
    if (!tj_assessment_parse_change(v, call->arena, &out->news, &valued,
                                    &call->err))
        return tj_ml_fail_err(call);
    /* Named and not there: back to none, as protobuf has it. */
    if (!valued && out->mask & MASK_EXPECTATION)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "The `value` field must be specified.");
    if (!valued)
        out->news.value_json = TJ_STR("null");
    if (!out->news.name.len)
        out->mask &= ~(unsigned)MASK_NAME;
    return true;
}

static void update(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info trace;
    struct change c = {0};
    bool found = false;
    if (!tj_ml_begin(&call, s, rq, out) || !read_change(&call, &c) ||
        !find_trace(&call, &trace))
        return;
    if (!tj_store_edit_assessment(call.store, trace.trace_id, rq->captures[1],
                                  change, &c, call.arena, &found, &call.err)) {
        (void)tj_ml_fail_err(&call);
        return;
    }
    const struct tj_assessment *as =
        find_assessment(&call, &trace, rq->captures[1]);
    if (as)
        answer(&call, as);
}

/* -- delete --------------------------------------------------------------- */

/* Again is as good as once. */
static void delete (struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info trace = {0};
    tj_trace_id id;
    bool found = false;
    bool existed = false;
    if (!tj_ml_begin(&call, s, rq, out))
        return;
    bool ok = !tj_trace_id_parse(rq->captures[0], &id) ||
              tj_store_find_info(call.store, id, call.arena, &trace, &found,
                                 &call.err);
    if (ok && found && !tj_ml_covers(&call, trace.experiment_id))
        return;
    ok = ok &&
         (!found || tj_store_delete_assessment(call.store, id, rq->captures[1],
                                               &existed, &call.err));
    if (ok)
        tj_ml_done(&call);
    else
        (void)tj_ml_fail_err(&call);
}

/* There are no issues here; said so that clients do not take the server for an
 * older one. */
static void get_issue(struct tj_server *s, const struct tj_request *rq,
                      struct tj_answer *out)
{
    struct tj_ml call;
    if (tj_ml_begin(&call, s, rq, out))
        (void)tj_ml_fail(&call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                         "Issue with ID '%.*s' not found",
                         TJ_STR_ARG(rq->captures[0]));
}

#define ASSESSMENTS "/mlflow/traces/{}/assessments"

const struct tj_route tj_routes_assessments[] = {
    {TJ_METHOD_POST, TJ_V3, ASSESSMENTS, TJ_ACCESS_WRITE, create},
    {TJ_METHOD_GET, TJ_V3, ASSESSMENTS "/{}", TJ_ACCESS_READ, get},
    {TJ_METHOD_PATCH, TJ_V3, ASSESSMENTS "/{}", TJ_ACCESS_WRITE, update},
    {TJ_METHOD_DELETE, TJ_V3, ASSESSMENTS "/{}", TJ_ACCESS_WRITE, delete},
    {TJ_METHOD_GET, TJ_V3, "/mlflow/issues/{}", TJ_ACCESS_READ, get_issue},
    {.run = NULL},
};
