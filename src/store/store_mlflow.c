/* store_mlflow.c - a store that is an MLflow server, over its REST surface.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     tracejudge judge NAME TRACE --store mlflow+http://host:5000
 *
 * Traces stay where they are, are read when they are judged, and what judges
 * say goes back as MLflow's own assessments.  Never the server's database: its
 * schema moves from version to version, the REST surface has only grown since
 * 3.0.
 *
 *  1. Nothing is kept here but what a call of the moment needs: the list of
 *     experiments for a minute, the spelling of odd trace ids, and for seconds
 *     what a search said of assessments.
 *  2. Every write can be repeated (store.h, 1).  Tags and traces are upserts
 *     there too; assessments and judges are looked for before they are sent,
 *     and again after an answer that got lost (_label, _judge).
 *  3. A password is never in a message, and no redirect is followed, so a
 *     server cannot send it on.
 *  4. What a server of this kind does not have: a count of traces, editing of
 *     experiments, records to write.  Then the call says so.
 * Two things are not as in other stores: an edit of an assessment is not
 * atomic (the server has no such thing), and a search by another order than
 * time pages by the server's offsets.
 * Threads: any, at the same time; each call has a connection of its own.
 */
#include "base/heap.h"
#include "base/limits.h"
#include "store/store_fold.h"
#include "store/store_held.h"
#include "store/store_mlflow_int.h"

enum { DELETE_IDS_MAX = 100, LINK_IDS_MAX = 100 };

struct tj_mlflow *tj_mlflow_self(struct tj_store *st)
{
    return (struct tj_mlflow *)(void *)st;
}

static bool refuse(const char *what, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT, "over mlflow+http there is no %s", what);
}

/* -- tags, deletion, links ------------------------------------------------- */

static tj_str trace_path(struct tj_mlflow *m, tj_trace_id id, const char *rest,
                         struct tj_arena *a)
{
    tj_str text = tj_mlflow_escape(a, tj_mlflow_id_text(m, id, a));
    return tj_str_printf(a, "/api/2.0/mlflow/traces/%.*s%s", TJ_STR_ARG(text),
                         rest);
}

static tj_str tag_body(tj_str key, tj_str value, struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "key", key);
    if (value.ptr)
        tj_jw_key_str(&w, "value", value);
    tj_jw_end(&w);
    return tj_buf_str(&b);
}

/* The server says of a tag that is not there what it says of a trace that is
 * not there; so the trace is looked for first. */
static bool mlflow_set_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                           tj_str value, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena a = {0};
    const struct tj_json *v = NULL;
    struct tj_mlflow_reply reply = {0};
    bool ok = tj_mlflow_may_write(m, err) &&
              tj_mlflow_read_info(m, id, &a, &v, err) &&
              (v || tj_fold_no_trace(id, err));
    if (ok) {
        struct tj_mlflow_request r = {.method = value.ptr ? "PATCH" : "DELETE",
                                      .path = trace_path(m, id, "/tags", &a),
                                      .body = tag_body(key, value, &a)};
        ok = tj_mlflow_call(m, &r, &a, &reply, err);
    }
    if (ok && value.ptr && (reply.absent || reply.no_route))
        ok = tj_fold_no_trace(id, err);
    tj_arena_release(&a);
    return ok;
}

static void write_id(struct tj_json_writer *w, struct tj_mlflow *m,
                     tj_trace_id id, struct tj_arena *a)
{
    tj_jw_str(w, tj_mlflow_id_text(m, id, a));
}

/* One request: some ids of one experiment, or all up to a time. */
struct doom {
    tj_str experiment;
    const tj_trace_id *ids;
    size_t id_count;
    const struct tj_trace_doomed *of;
};

static tj_str doom_body(struct tj_mlflow *m, const struct doom *d,
                        struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "experiment_id", d->experiment);
    if (d->of && d->of->max_time)
        tj_jw_key_u64(&w, "max_timestamp_millis",
                      d->of->max_time / TJ_NS_PER_MS);
    if (d->of && d->of->count_max)
        tj_jw_key_u64(&w, "max_traces", d->of->count_max);
    if (d->id_count) {
        tj_jw_key(&w, TJ_STR("request_ids"));
        tj_jw_array(&w);
        for (size_t i = 0; i < d->id_count; i++)
            write_id(&w, m, d->ids[i], a);
        tj_jw_end(&w);
    }
    tj_jw_end(&w);
    return tj_buf_str(&b);
}

static bool send_doom(struct tj_mlflow *m, const struct doom *d,
                      struct tj_arena *a, uint64_t *deleted, struct tj_err *err)
{
    struct tj_mlflow_request r = {
        .method = "POST",
        .path = TJ_STR("/api/2.0/mlflow/traces/delete-traces"),
        .body = doom_body(m, d, a),
        .once = d->of && d->of->count_max}; /* the next so many, again */
    const struct tj_json *root = NULL;
    uint64_t n = 0;
    tj_mlflow_forget(m);
    bool ok = tj_mlflow_ask(m, &r, a, &root, err);
    tj_mlflow_unsee(m);
    if (!ok)
        return false;
    (void)!tj_json_u64_loose(tj_json_find(root, TJ_STR("traces_deleted")), &n);
    *deleted += n;
    return true;
}

static tj_str experiment_of(const struct tj_json *info)
{
    return tj_json_str(
        tj_json_at(info, "trace_location.mlflow_experiment.experiment_id"));
}

static bool mlflow_delete_trace(struct tj_store *st, tj_trace_id id,
                                bool *existed, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena a = {0};
    const struct tj_json *v = NULL;
    uint64_t deleted = 0;
    bool ok =
        tj_mlflow_may_write(m, err) && tj_mlflow_read_info(m, id, &a, &v, err);
    if (ok && v) {
        struct doom d = {
            .experiment = experiment_of(v), .ids = &id, .id_count = 1};
        ok = send_doom(m, &d, &a, &deleted, err);
    }
    *existed = ok && v;
    tj_arena_release(&a);
    return ok;
}

/* The server wants one experiment and at most some ids at a time.  A limit of
 * the count over several requests would not be one. */
static bool mlflow_delete_traces(struct tj_store *st,
                                 const struct tj_trace_doomed *doomed,
                                 uint64_t *deleted, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena a = {0};
    bool split = doomed->id_count > DELETE_IDS_MAX;
    if (doomed->experiment_id < 0)
        return tj_fail(err, TJ_E_INPUT,
                       "an MLflow server deletes traces of one experiment: "
                       "name it");
    if (split && doomed->count_max)
        return tj_fail(err, TJ_E_LIMIT,
                       "an MLflow server deletes at most %d traces by id at a "
                       "time",
                       DELETE_IDS_MAX);
    bool ok = tj_mlflow_may_write(m, err);
    size_t at = 0;
    do {
        struct doom d = {
            .experiment =
                tj_str_printf(&a, "%lld", (long long)doomed->experiment_id),
            .ids = doomed->ids + at,
            .id_count = tj_size_min(doomed->id_count - at, DELETE_IDS_MAX),
            .of = doomed};
        ok = ok && send_doom(m, &d, &a, deleted, err);
        at += d.id_count;
    } while (ok && at < doomed->id_count);
    tj_arena_release(&a);
    return ok;
}

static bool send_links(struct tj_mlflow *m, const tj_trace_id *ids,
                       size_t count, tj_str run_id, struct tj_arena *a,
                       struct tj_err *err)
{
    struct tj_buf b;
    struct tj_json_writer w;
    const struct tj_json *root = NULL;
    struct tj_mlflow_request r = {
        .method = "POST", .path = TJ_STR("/api/2.0/mlflow/traces/link-to-run")};
    tj_buf_init(&b, a, SIZE_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("trace_ids"));
    tj_jw_array(&w);
    for (size_t i = 0; i < count; i++)
        write_id(&w, m, ids[i], a);
    tj_jw_end(&w);
    tj_jw_key_str(&w, "run_id", run_id);
    tj_jw_end(&w);
    r.body = tj_buf_str(&b);
    return tj_mlflow_ask(m, &r, a, &root, err);
}

static bool mlflow_link_traces(struct tj_store *st,
                               const struct tj_trace_ids *ids, tj_str run_id,
                               size_t *linked, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena a = {0};
    bool ok = tj_mlflow_may_write(m, err);
    for (size_t at = 0; ok && at < ids->count; at += LINK_IDS_MAX) {
        size_t count = tj_size_min(ids->count - at, LINK_IDS_MAX);
        ok = send_links(m, ids->items + at, count, run_id, &a, err);
        *linked += count;
    }
    tj_arena_release(&a);
    return ok;
}

/* -- what such a server does not have -------------------------------------- */

static bool mlflow_quiesce(struct tj_store *st, struct tj_err *err)
{
    (void)st;
    (void)err;
    return true;
}

static bool mlflow_count(struct tj_store *st, const struct tj_scan *scan,
                         uint64_t *out, struct tj_err *err)
{
    (void)st;
    (void)scan;
    (void)err;
    *out = UINT64_MAX;
    return true;
}

static bool mlflow_edit_experiment(struct tj_store *st,
                                   struct tj_experiment_change *change,
                                   struct tj_err *err)
{
    (void)st;
    (void)change;
    return refuse("editing of experiments", err);
}

/* Of records there are none: what reads them finds nothing. */
static bool mlflow_find_record(struct tj_store *st, const struct tj_record *key,
                               struct tj_arena *a, struct tj_record *out,
                               bool *found, struct tj_err *err)
{
    (void)st;
    (void)key;
    (void)a;
    (void)out;
    (void)err;
    *found = false;
    return true;
}

static bool mlflow_edit_records(struct tj_store *st,
                                const struct tj_record_changes *changes,
                                struct tj_err *err)
{
    (void)st;
    (void)changes;
    return refuse("writing of records", err);
}

static bool mlflow_records(struct tj_store *st,
                           const struct tj_record_scan *scan,
                           struct tj_arena *a, struct tj_records *out,
                           struct tj_err *err)
{
    (void)st;
    (void)scan;
    (void)a;
    (void)out;
    (void)err;
    return true;
}

static bool mlflow_delete_records(struct tj_store *st, enum tj_record_kind kind,
                                  tj_str parent, uint64_t *deleted,
                                  struct tj_err *err)
{
    (void)st;
    (void)kind;
    (void)parent;
    (void)err;
    *deleted = 0;
    return true;
}

static bool mlflow_stats(struct tj_store *st, struct tj_store_stats *out,
                         struct tj_err *err)
{
    (void)st;
    (void)out;
    return refuse("count of what is stored", err);
}

/* -- the store ------------------------------------------------------------- */

static bool mlflow_describe(struct tj_store *st, struct tj_arena *a,
                            tj_str *out, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    tj_mlflow_places places = {0};
    tj_str version = {0};
    if (!tj_mlflow_version(m, a, &version, err) ||
        !tj_mlflow_find_places(m, a, &places, err))
        return false;
    const char *login = "no login";
    if (m->authorization.len)
        login = tj_str_starts(m->authorization, TJ_STR("Basic"))
                    ? "with user name and password"
                    : "with a token";
    tj_str about = places.count == 1
                       ? tj_str_printf(a, "experiment %.*s (%.*s)",
                                       TJ_STR_ARG(places.items[0].name),
                                       TJ_STR_ARG(places.items[0].id))
                       : tj_str_printf(a, "%zu experiments", places.count);
    *out =
        tj_str_printf(a, "MLflow %.*s at %.*s, %.*s, %s", TJ_STR_ARG(version),
                      TJ_STR_ARG(m->base), TJ_STR_ARG(about), login);
    return true;
}

static void mlflow_close(struct tj_store *st)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    tj_mlflow_close_lanes(m);
    (void)pthread_mutex_destroy(&m->lock);
    tj_arena_release(&m->places_arena);
    tj_arena_release(&m->names_arena);
    tj_arena_release(&m->memo.arena);
    tj_arena_release(&m->seen_arena);
    tj_arena_release(&m->arena);
    tj_heap_free(m);
}

static const struct tj_store_ops mlflow_ops = {
    .name = "mlflow",
    .mlflow_judges = true,
    .close = mlflow_close,
    .add_batch = tj_mlflow_add_batch,
    .quiesce = mlflow_quiesce,
    .open_trace = tj_mlflow_open_trace,
    .load_fields = tj_held_load_fields,
    .read_field = tj_held_read_field,
    .find_info = tj_mlflow_find_info,
    .scan = tj_mlflow_scan,
    .search = tj_mlflow_search,
    .count = mlflow_count,
    .resolve = tj_mlflow_resolve,
    .newest = tj_mlflow_newest,
    .set_tag = mlflow_set_tag,
    .delete_trace = mlflow_delete_trace,
    .delete_traces = mlflow_delete_traces,
    .link_traces = mlflow_link_traces,
    .add_assessment = tj_mlflow_add_assessment,
    .assessments = tj_mlflow_assessments,
    .session_assessments = tj_mlflow_session_assessments,
    .delete_assessment = tj_mlflow_delete_assessment,
    .edit_assessment = tj_mlflow_edit_assessment,
    .add_judge = tj_mlflow_add_judge,
    .find_judge = tj_mlflow_find_judge,
    .judges = tj_mlflow_judges,
    .add_experiment = tj_mlflow_add_experiment,
    .find_experiment = tj_mlflow_find_experiment,
    .find_experiment_named = tj_mlflow_find_experiment_named,
    .experiments = tj_mlflow_experiments,
    .edit_experiment = mlflow_edit_experiment,
    .find_record = mlflow_find_record,
    .edit_records = mlflow_edit_records,
    .records = mlflow_records,
    .delete_records = mlflow_delete_records,
    .stats = mlflow_stats,
    .keeps_traces = tj_mlflow_keeps_traces,
    .describe = mlflow_describe,
};

bool tj_store_mlflow_open(tj_str url, const struct tj_store_options *options,
                          struct tj_store **out, struct tj_err *err)
{
    struct tj_mlflow *m = tj_heap_new(sizeof *m);
    m->front.ops = &mlflow_ops;
    m->read_only = options->read_only;
    if (!tj_mlflow_parse_url(url, &options->remote, m, err)) {
        tj_arena_release(&m->arena);
        tj_heap_free(m);
        return false;
    }
    tj_map_init(&m->odd_ids, &m->names_arena);
    tj_map_init(&m->seen, &m->seen_arena);
    (void)pthread_mutex_init(&m->lock, NULL);
    *out = &m->front;
    return true;
}
