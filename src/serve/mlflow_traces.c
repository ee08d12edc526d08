/* mlflow_traces.c - MLflow's routes for traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A trace begins here with its info or on /v1/traces with its spans, in any
 * order and more than once; the store makes one of all that.  An info that
 * comes says what holds from then on, but takes nothing away: tags and
 * metadata that are there stay.
 */
#include "serve/mlflow_check.h"
#include "serve/mlflow_info.h"
#include "serve/route.h"

#include <inttypes.h>

#include "base/limits.h"
#include "text/utf8.h"

enum {
    LINKS_MAX = 100, /* MLflow's own limit of a request */
    PROMPTS_MAX = 1000,
    ORDER_MAX = 16,
};

static bool fail_no_trace(struct tj_ml *call, tj_str id)
{
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "Trace with ID '%.*s' not found.", TJ_STR_ARG(id));
}

/* -- start ---------------------------------------------------------------- */

/* Who may see some experiments only may not take a trace of another one. */
static bool check_taken(struct tj_ml *call, tj_trace_id id)
{
    struct tj_trace_info there = {0};
    bool found = false;
    if (tj_grant_covers_all(call->rq->grant))
        return true;
    if (!tj_store_find_info(call->store, id, call->arena, &there, &found,
                            &call->err))
        return tj_ml_fail_err(call);
    return !found || tj_ml_covers(call, there.experiment_id);
}

static void answer_info(struct tj_ml *call, const struct tj_trace_info *info)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    tj_jw_key(w, TJ_STR("trace"));
    tj_jw_object(w);
    tj_jw_key(w, TJ_STR("trace_info"));
    if (!tj_ml_write_info(call, w, info))
        return;
    tj_jw_end(w);
    tj_ml_end(call);
}

static void start(struct tj_server *s, const struct tj_request *rq,
                  struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_batch batch = {0};
    struct tj_trace_info info = {0};
    bool found = false;
    if (!tj_ml_begin(&call, s, rq, out))
        return;
    const struct tj_json *v =
        tj_ml_member(tj_ml_arg(&call, "trace"), "trace_info");
    if (!v) {
        (void)tj_ml_missing(&call, "trace");
        return;
    }
    tj_batch_init(&batch, call.arena);
    if (!tj_ml_read_info(&call, v, &batch))
        return;
    tj_trace_id id = batch.traces.items[0].trace_id;
    if (!check_taken(&call, id))
        return;
    if (!tj_store_add_batch(call.store, &batch, &call.err) ||
        !tj_store_find_info(call.store, id, call.arena, &info, &found,
                            &call.err)) {
        (void)tj_ml_fail_err(&call);
        return;
    }
    if (found)
        answer_info(&call, &info);
    else /* deleted in between */
        (void)fail_no_trace(&call, tj_trace_id_mlflow(call.arena, id));
}

static void info(struct tj_server *s, const struct tj_request *rq,
                 struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info there;
    if (tj_ml_begin(&call, s, rq, out) &&
        tj_ml_trace(&call, rq->captures[0], &there))
        answer_info(&call, &there);
}

/* -- search --------------------------------------------------------------- */

struct experiments {
    TJ_VEC(uint64_t) ids;
};

/* What is not there has no traces, and what the caller may not see is left
 * out: the rest of an answer is still right. */
static bool add_experiment(struct tj_ml *call, tj_str id,
                           struct experiments *out)
{
    uint64_t number = 0;
    if (!tj_str_to_u64(id, &number))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid experiment ID: '%.*s'. Must be a valid "
                          "integer.",
                          TJ_STR_ARG(id));
    if (tj_grant_covers(call->rq->grant, number))
        *tj_vec_add(&out->ids, call->arena) = number;
    return true;
}

static bool read_locations(struct tj_ml *call, struct experiments *out)
{
    const struct tj_json *list;
    if (!tj_ml_array(call, "locations", &list))
        return false;
    if (!list)
        return tj_ml_missing(call, "locations");
    tj_json_each (list, item) {
        tj_str id = tj_ml_scalar(tj_ml_member(
            tj_ml_member(item, "mlflow_experiment"), "experiment_id"));
        if (id.len && !add_experiment(call, id, out))
            return false;
    }
    return true;
}

static bool read_row_max(struct tj_ml *call, size_t *out)
{
    int64_t rows = 100;
    if (!tj_ml_i64(call, "max_results", 100, &rows))
        return false;
    if (rows < 1)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid value %" PRId64
                          " for parameter 'max_results' supplied. It must be a "
                          "positive integer",
                          rows);
    if (rows > 500)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid value %" PRId64
                          " for parameter 'max_results' supplied:  Hint: Value "
                          "was of type 'int'. See the API docs for more "
                          "information about request parameters.",
                          rows);
    *out = (size_t)rows;
    return true;
}

static bool read_order(struct tj_ml *call, struct tj_trace_query *query)
{
    struct tj_ml_list list;
    if (!tj_ml_strs(call, "order_by", &list))
        return false;
    if (list.count > ORDER_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "`order_by` has over %d fields", ORDER_MAX);
    struct tj_order *order =
        tj_arena_array(call->arena, struct tj_order, list.count);
    for (size_t i = 0; i < list.count; i++) {
        if (!tj_order_parse(list.items[i], call->arena, &order[i], &call->err))
            return tj_ml_fail_err(call);
    }
    query->order = order;
    query->order_count = list.count;
    return true;
}

static bool read_query(struct tj_ml *call, struct tj_trace_query *query)
{
    struct experiments experiments = {0};
    tj_str filter;
    if (!tj_ml_opt_str(call, "filter", &filter) ||
        !read_row_max(call, &query->row_max) ||
        !read_locations(call, &experiments) || !read_order(call, query))
        return false;
    if (!tj_filter_parse(filter, call->arena, &query->filter, &call->err))
        return tj_ml_fail_err(call);
    query->experiments = experiments.ids.items;
    query->experiment_count = experiments.ids.count;
    query->page_token = tj_ml_str(call, "page_token");
    query->with_judge_traces = true;
    return true;
}

static void answer_page(struct tj_ml *call, const struct tj_trace_page *page)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    if (page->count) {
        tj_jw_key(w, TJ_STR("traces"));
        tj_jw_array(w);
        for (size_t i = 0; i < page->count; i++) {
            if (!tj_ml_write_info(call, w, &page->infos[i]))
                return;
        }
        tj_jw_end(w);
    }
    if (page->next_page_token.len)
        tj_jw_key_str(w, "next_page_token", page->next_page_token);
    tj_ml_end(call);
}

static void search(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_query query = {.without_total = true};
    struct tj_trace_page page = {0};
    if (!tj_ml_begin(&call, s, rq, out) || !read_query(&call, &query))
        return;
    /* No experiments in a query are all of them; here they are none. */
    if (query.experiment_count &&
        !tj_store_search(call.store, &query, call.arena, &page, &call.err))
        (void)tj_ml_fail_err(&call);
    else
        answer_page(&call, &page);
}

/* -- tags ----------------------------------------------------------------- */

/* What the server itself says. */
static bool check_tag(struct tj_ml *call, tj_str key, const char *operation)
{
    static const char *const own[] = {TJ_ML_TAG_SPANS_LOCATION,
                                      "mlflow.trace.archiveLocation",
                                      "mlflow.trace.archivalFailure"};
    for (size_t i = 0; i < TJ_COUNT(own); i++) {
        if (tj_str_eq(key, tj_str_c(own[i])))
            return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                              "Tag '%s' is immutable and cannot be %s on a "
                              "trace.",
                              own[i], operation);
    }
    return true;
}

/* The name of a trace is a tag for MLflow and more than that for us. */
static bool set_name(struct tj_ml *call, tj_trace_id id, tj_str name)
{
    struct tj_batch batch;
    tj_batch_init(&batch, call->arena);
    struct tj_trace_info *said = tj_batch_info(&batch, id);
    said->name = tj_utf8_clip(name, TJ_NAME_BYTES_MAX);
    tj_pairs_set(&said->tags, call->arena, TJ_STR(TJ_ML_TAG_NAME), name);
    return tj_store_add_batch(call->store, &batch, &call->err);
}

static void set_tag(struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info there;
    tj_str key, value;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_need_str(&call, "key", &key) ||
        !tj_ml_opt_str(&call, "value", &value) ||
        !check_tag(&call, key, "set") || !tj_ml_check_name(&call, "key", key) ||
        !tj_ml_check_chars(&call, "key", key, TJ_ML_KEY_CHARS_MAX) ||
        !tj_ml_trace(&call, rq->captures[0], &there))
        return;
    value = tj_ml_cut(value, TJ_ML_TAG_CHARS_MAX);
    bool ok = tj_str_eq(key, TJ_STR(TJ_ML_TAG_NAME))
                  ? set_name(&call, there.trace_id, value)
                  : tj_store_set_tag(call.store, there.trace_id, key, value,
                                     &call.err);
    if (ok)
        tj_ml_done(&call);
    else
        (void)tj_ml_fail_err(&call);
}

static void delete_tag(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info there = {0};
    tj_str key;
    bool found;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_need_str(&call, "key", &key) ||
        !check_tag(&call, key, "deleted"))
        return;
    if (!tj_ml_find_trace(&call, rq->captures[0], &there, &found))
        return;
    if (!tj_pairs_find(&there.tags, key).ptr)
        (void)tj_ml_fail(&call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                         "No trace tag with key '%.*s' for trace with ID "
                         "'%.*s'",
                         TJ_STR_ARG(key), TJ_STR_ARG(rq->captures[0]));
    else if (tj_store_delete_tag(call.store, there.trace_id, key, &call.err))
        tj_ml_done(&call);
    else
        (void)tj_ml_fail_err(&call);
}

/* -- ids of traces -------------------------------------------------------- */

struct ids {
    tj_trace_id *items;
    size_t count;
};

/* What cannot be an id of ours is the id of no trace. */
static struct ids parse_ids(struct tj_ml *call, const struct tj_ml_list *list)
{
    struct ids ids = {0};
    ids.items = tj_arena_array(call->arena, tj_trace_id, list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (tj_trace_id_parse(list->items[i], &ids.items[ids.count]))
            ids.count++;
    }
    return ids;
}

/* Leaves out those that the grant does not cover. */
static bool keep_covered(struct tj_ml *call, struct ids *ids)
{
    size_t kept = 0;
    if (tj_grant_covers_all(call->rq->grant))
        return true;
    for (size_t i = 0; i < ids->count; i++) {
        struct tj_trace_info there = {0};
        bool found = false;
        if (!tj_store_find_info(call->store, ids->items[i], call->arena, &there,
                                &found, &call->err))
            return tj_ml_fail_err(call);
        if (found && tj_grant_covers(call->rq->grant, there.experiment_id))
            ids->items[kept++] = ids->items[i];
    }
    ids->count = kept;
    return true;
}

/* -- delete --------------------------------------------------------------- */

static bool check_doomed(struct tj_ml *call, size_t id_count)
{
    bool by_time = tj_ml_arg(call, "max_timestamp_millis") != NULL;
    bool counted = tj_ml_arg(call, "max_traces") != NULL;
    const char *wrong = NULL;
    if (!by_time && !id_count)
        wrong = "Either `max_timestamp_millis` or `trace_ids` must be "
                "specified.";
    else if (by_time && id_count)
        wrong = "Only one of `max_timestamp_millis` and `trace_ids` can be "
                "specified.";
    else if (id_count && counted)
        wrong = "`max_traces` can't be specified if `trace_ids` is specified.";
    return !wrong ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE, "%s", wrong);
}

static bool read_doomed(struct tj_ml *call, struct tj_trace_doomed *out)
{
    struct tj_ml_list list;
    int64_t millis = 0;
    int64_t most = 0;
    if (!tj_ml_strs(call, "request_ids", &list) ||
        (!list.count && !tj_ml_strs(call, "trace_ids", &list)) ||
        !check_doomed(call, list.count) ||
        !tj_ml_i64(call, "max_timestamp_millis", 0, &millis) ||
        !tj_ml_i64(call, "max_traces", 1, &most))
        return false;
    if (most <= 0)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "`max_traces` must be a positive integer, received "
                          "%" PRId64 ".",
                          most);
    struct ids ids = parse_ids(call, &list);
    out->ids = ids.items;
    out->id_count = ids.count;
    if (tj_ml_arg(call, "max_traces"))
        out->count_max = (uint64_t)most;
    /* The whole of that millisecond. */
    if (tj_ml_arg(call, "max_timestamp_millis") && millis >= 0 &&
        (uint64_t)millis < UINT64_MAX / TJ_NS_PER_MS)
        out->max_time = ((uint64_t)millis + 1) * TJ_NS_PER_MS - 1;
    return true;
}

/* An experiment that is not there has no traces to delete. */
static bool read_experiment(struct tj_ml *call, tj_str id,
                            struct tj_trace_doomed *out)
{
    uint64_t number = 0;
    if (!tj_str_to_u64(id, &number) || number > INT64_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid experiment ID: '%.*s'. Must be a valid "
                          "integer.",
                          TJ_STR_ARG(id));
    out->experiment_id = (int64_t)number;
    return tj_ml_covers(call, number);
}

static void delete_traces(struct tj_server *s, const struct tj_request *rq,
                          struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_doomed doomed = {0};
    uint64_t deleted = 0;
    tj_str experiment;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_need_str(&call, "experiment_id", &experiment) ||
        !read_doomed(&call, &doomed) ||
        !read_experiment(&call, experiment, &doomed))
        return;
    /* Without ids and time none is meant; the store would refuse. */
    bool some = doomed.id_count || doomed.max_time;
    if (some &&
        !tj_store_delete_traces(call.store, &doomed, &deleted, &call.err)) {
        (void)tj_ml_fail_err(&call);
        return;
    }
    tj_jw_key_u64(tj_ml_answer(&call), "traces_deleted", deleted);
    tj_ml_end(&call);
}

/* -- links ---------------------------------------------------------------- */

/* A run that is not here may be on its way; one of an experiment that the
 * caller may not see is refused. */
static bool check_run(struct tj_ml *call, tj_str run_id)
{
    struct tj_record run = {0};
    uint64_t experiment = 0;
    bool found = false;
    if (tj_grant_covers_all(call->rq->grant))
        return true;
    if (!tj_store_find_record(call->store, TJ_RECORD_RUN, run_id, call->arena,
                              &run, &found, &call->err))
        return tj_ml_fail_err(call);
    if (found && tj_str_to_u64(run.parent, &experiment))
        return tj_ml_covers(call, experiment);
    return true;
}

static void link_to_run(struct tj_server *s, const struct tj_request *rq,
                        struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_list list;
    tj_str run_id;
    size_t linked = 0;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_need_str(&call, "run_id", &run_id) ||
        !tj_ml_strs(&call, "trace_ids", &list))
        return;
    if (!tj_ml_arg(&call, "trace_ids")) {
        (void)tj_ml_missing(&call, "trace_ids");
        return;
    }
    if (list.count > LINKS_MAX) {
        (void)tj_ml_fail(&call, TJ_ML_INVALID_PARAMETER_VALUE,
                         "Cannot link more than %d traces to a run in a single "
                         "request. Provided %zu traces.",
                         LINKS_MAX, list.count);
        return;
    }
    struct ids ids = parse_ids(&call, &list);
    if (!check_run(&call, run_id) || !keep_covered(&call, &ids))
        return;
    if (!ids.count || tj_store_link_traces(call.store, ids.items, ids.count,
                                           run_id, &linked, &call.err))
        tj_ml_done(&call);
    else
        (void)tj_ml_fail_err(&call);
}

static bool is_same_prompt(const struct tj_json *a, const struct tj_json *b)
{
    return tj_str_eq(tj_json_find_str(a, TJ_STR("name")),
                     tj_json_find_str(b, TJ_STR("name"))) &&
           tj_str_eq(tj_json_find_str(a, TJ_STR("version")),
                     tj_json_find_str(b, TJ_STR("version")));
}

/* Before prompt itself, should it be in the list. */
static bool has_prompt(const struct tj_json *list, const struct tj_json *prompt)
{
    tj_json_each (list, item) {
        if (item == prompt)
            return false;
        if (is_same_prompt(item, prompt))
            return true;
    }
    return false;
}

static void put_prompt(struct tj_json_writer *w, const struct tj_json *prompt)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "name", tj_json_find_str(prompt, TJ_STR("name")));
    tj_jw_key_str(w, "version", tj_json_find_str(prompt, TJ_STR("version")));
    tj_jw_end(w);
}

/* The tag with these prompts added to those that it has; ptr NULL when there
 * are too many. */
static tj_str prompts_tag(struct tj_ml *call, const struct tj_trace_info *there,
                          const struct tj_json *added)
{
    struct tj_json_doc old = {0};
    struct tj_json_writer w;
    struct tj_buf buf;
    tj_str tag = tj_pairs_find(&there->tags, TJ_STR(TJ_ML_TAG_PROMPTS));
    if (tag.len && !tj_json_parse(tag, call->arena, &old, &call->err))
        old.root = NULL; /* a user's own; it is replaced */
    if (tj_json_count(old.root) > TJ_REQUEST_PAIRS_MAX)
        return (tj_str){0};
    tj_buf_init(&buf, call->arena, TJ_IMPORT_BYTES_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_PYTHON);
    tj_jw_array(&w);
    tj_json_each (old.root, item)
        put_prompt(&w, item);
    tj_json_each (added, item) {
        if (!has_prompt(old.root, item) && !has_prompt(added, item))
            put_prompt(&w, item);
    }
    tj_jw_end(&w);
    return tj_buf_str(&buf);
}

static void link_prompts(struct tj_server *s, const struct tj_request *rq,
                         struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_trace_info there;
    tj_str id;
    const struct tj_json *prompts;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_need_str(&call, "trace_id", &id) ||
        !tj_ml_array(&call, "prompt_versions", &prompts))
        return;
    if (!prompts || tj_json_count(prompts) > PROMPTS_MAX) {
        (void)tj_ml_missing(&call, "prompt_versions");
        return;
    }
    if (!tj_json_count(prompts)) {
        tj_ml_done(&call);
        return;
    }
    tj_json_each (prompts, item) {
        if (!tj_ml_text(item, "name").len || !tj_ml_text(item, "version").len) {
            (void)tj_ml_bad_type(&call, "prompt_versions", item);
            return;
        }
    }
    if (!tj_ml_trace(&call, id, &there))
        return;
    tj_str tag = prompts_tag(&call, &there, prompts);
    if (!tag.ptr)
        (void)tj_ml_fail(&call, TJ_ML_INVALID_PARAMETER_VALUE,
                         "the trace has over %zu prompts already",
                         TJ_REQUEST_PAIRS_MAX);
    else if (tj_store_set_tag(call.store, there.trace_id,
                              TJ_STR(TJ_ML_TAG_PROMPTS), tag, &call.err))
        tj_ml_done(&call);
    else
        (void)tj_ml_fail_err(&call);
}

#define TRACES "/mlflow/traces"
#define BOTH   (TJ_V2 | TJ_V3)

const struct tj_route tj_routes_traces[] = {
    {TJ_METHOD_POST, TJ_V3, TRACES, TJ_ACCESS_WRITE, start},
    {TJ_METHOD_POST, TJ_V3, TRACES "/search", TJ_ACCESS_READ, search},
    {TJ_METHOD_GET, TJ_V3, TRACES "/{}", TJ_ACCESS_READ, info},
    {TJ_METHOD_POST, BOTH, TRACES "/delete-traces", TJ_ACCESS_WRITE,
     delete_traces},
    {TJ_METHOD_PATCH, BOTH, TRACES "/{}/tags", TJ_ACCESS_WRITE, set_tag},
    {TJ_METHOD_DELETE, BOTH, TRACES "/{}/tags", TJ_ACCESS_WRITE, delete_tag},
    {TJ_METHOD_POST, BOTH, TRACES "/link-to-run", TJ_ACCESS_WRITE, link_to_run},
    {TJ_METHOD_POST, BOTH, TRACES "/link-prompts", TJ_ACCESS_WRITE,
     link_prompts},
    {.run = NULL},
};
