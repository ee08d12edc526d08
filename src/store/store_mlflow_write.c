/* store_mlflow_write.c - whole traces to an MLflow server.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For each trace of a batch: its spans over OTLP, which makes the trace, then
 * what is said of it as a whole, which MLflow merges into it; then assessments.
 * All of these are upserts, so a batch can be sent again.  It is not a
 * transaction: a failure in the middle leaves what went before.
 *
 * Servers before 3.5, and some that stand behind a proxy, know no /v1/traces.
 * That is found out with the first trace (store.h: tj_store_keeps_traces).
 * 3.5 takes spans, and no request of it gives them back; so its version is
 * asked for before.
 *
 * The experiment: the one that the URL names; else for the run of a judge that
 * of the trace it judged; else the one that the batch names, made when it is
 * not there; else "Default".
 */
#include "base/limits.h"
#include "store/store_fold.h"
#include "store/store_mlflow_int.h"
#include "trace/mlflow_json.h"
#include "trace/otlp_write.h"

/* One trace of a batch. */
struct outgoing {
    tj_trace_id id;
    const struct tj_trace_info *said; /* NULL: nothing */
    int32_t first;                    /* of its spans */
    int32_t last;
    size_t span_count;
};

struct sending {
    struct tj_mlflow *m;
    const struct tj_batch *batch;
    struct tj_arena arena;   /* of the call */
    struct tj_arena scratch; /* of one trace */
    TJ_VEC(struct outgoing) traces;
    struct tj_map index; /* id bytes -> number in traces */
    int32_t *next;       /* of the same trace, by index in batch->spans */
    struct tj_mlflow_place named; /* the last experiment found by name */
};

bool tj_mlflow_keeps_traces(struct tj_store *st)
{
    return !atomic_load(&tj_mlflow_self(st)->no_spans);
}

/* -- which traces ---------------------------------------------------------- */

static struct outgoing *outgoing(struct sending *s, const tj_trace_id *id)
{
    bool fresh = false;
    struct tj_map_entry *e = tj_map_add(
        &s->index, tj_str_make((const char *)id->bytes, sizeof id->bytes),
        &fresh);
    if (fresh) {
        e->number = s->traces.count;
        struct outgoing *t = tj_vec_add(&s->traces, &s->arena);
        t->id = *id;
        t->first = t->last = TJ_OTLP_END;
    }
    return &s->traces.items[e->number];
}

static void sort_out(struct sending *s)
{
    const struct tj_batch *batch = s->batch;
    s->next = tj_arena_array(&s->arena, int32_t, batch->spans.count);
    tj_vec_each (&batch->traces, const struct tj_trace_info, info)
        outgoing(s, &info->trace_id)->said = info;
    for (size_t i = 0; i < batch->spans.count; i++) {
        struct outgoing *t = outgoing(s, &batch->spans.items[i].trace_id);
        s->next[i] = TJ_OTLP_END;
        if (t->last == TJ_OTLP_END)
            t->first = (int32_t)i;
        else
            s->next[t->last] = (int32_t)i;
        t->last = (int32_t)i;
        t->span_count++;
    }
}

/* -- what is known of one -------------------------------------------------- */

/* As a store would have it: what is said, and what the spans say. */
static struct tj_trace_info full_info(struct sending *s,
                                      const struct outgoing *t)
{
    struct tj_trace trace = {0};
    struct tj_trace_info info = {.trace_id = t->id};
    struct tj_fold f;
    tj_fold_init(&f, t->span_count, &s->scratch);
    for (int32_t i = t->first; i != TJ_OTLP_END; i = s->next[i])
        *tj_fold_add(&f, (uint64_t)i, (uint64_t)i) = s->batch->spans.items[i];
    tj_fold_trace(&f, &trace);
    if (t->said)
        info = tj_fold_info_copy(t->said, &s->scratch);
    tj_trace_info_derive(&info, trace.spans, &trace.tree, &s->scratch);
    return info;
}

static bool of_subject(struct sending *s, const struct tj_trace_info *info,
                       tj_str *out, struct tj_err *err)
{
    tj_str subject = tj_pairs_find(&info->tags, TJ_STR("tracejudge.subject"));
    const struct tj_json *v = NULL;
    tj_trace_id id;
    uint64_t age_ns = 0;
    if (!tj_trace_id_parse(subject, &id) ||
        tj_mlflow_saw(s->m, id, &s->scratch, out, &age_ns))
        return true;
    if (!tj_mlflow_read_info(s->m, id, &s->scratch, &v, err))
        return false;
    *out = tj_json_str(
        tj_json_at(v, "trace_location.mlflow_experiment.experiment_id"));
    return true;
}

static bool of_name(struct sending *s, tj_str name, tj_str *out,
                    struct tj_err *err)
{
    bool found = false;
    bool fresh = false;
    struct tj_experiment in = {.name = name};
    struct tj_experiment made = {0};
    if (!tj_str_eq(s->named.name, name)) {
        if (!tj_mlflow_place_named(s->m, name, &s->arena, &s->named, &found,
                                   err))
            return false;
        if (!found && !tj_mlflow_add_experiment(&s->m->front, &in, &s->arena,
                                                &made, &fresh, err))
            return false;
        if (!found)
            s->named = (struct tj_mlflow_place){
                .id = tj_str_printf(&s->arena, "%llu",
                                    (unsigned long long)made.id),
                .name = name};
    }
    *out = s->named.id;
    return true;
}

static bool choose_experiment(struct sending *s,
                              const struct tj_trace_info *info, tj_str *out,
                              struct tj_err *err)
{
    tj_mlflow_places places = {0};
    *out = (tj_str){0};
    if (s->m->wanted_id.len || s->m->wanted_name.len) {
        if (!tj_mlflow_find_places(s->m, &s->scratch, &places, err))
            return false;
        *out = places.items[0].id;
        return true;
    }
    if (!of_subject(s, info, out, err))
        return false;
    if (!out->len && info->experiment.len &&
        !of_name(s, info->experiment, out, err))
        return false;
    if (!out->len)
        *out = TJ_STR("0");
    return true;
}

/* -- does it keep spans? --------------------------------------------------- */

static bool fail_no_spans(struct tj_mlflow *m, struct tj_err *err)
{
    atomic_store(&m->no_spans, true);
    return tj_fail(err, TJ_E_BACKEND,
                   "%.*s keeps no spans that come over OTLP: it needs MLflow "
                   "3.6",
                   TJ_STR_ARG(m->base));
}

/* "3.5.1" is; what is no such number is not known to be. */
static bool is_too_old(tj_str version)
{
    uint64_t major = 0;
    uint64_t minor = 0;
    tj_str rest = version;
    tj_str first = tj_str_cut(&rest, '.');
    tj_str second = tj_str_cut(&rest, '.');
    return tj_str_to_u64(first, &major) && tj_str_to_u64(second, &minor) &&
           (major < 3 || (major == 3 && minor < 6));
}

static bool check_version(struct sending *s, struct tj_err *err)
{
    tj_str version = {0};
    struct tj_err ignored = {0};
    if (atomic_load(&s->m->no_spans))
        return fail_no_spans(s->m, err);
    if (atomic_load(&s->m->version_asked))
        return true;
    if (tj_mlflow_version(s->m, &s->arena, &version, &ignored) &&
        is_too_old(version))
        return fail_no_spans(s->m, err);
    atomic_store(&s->m->version_asked, true);
    return true;
}

/* -- sending --------------------------------------------------------------- */

static bool send_spans(struct sending *s, const struct outgoing *t,
                       tj_str experiment, struct tj_err *err)
{
    struct tj_buf body;
    struct tj_mlflow_reply reply = {0};
    struct tj_mlflow_request r = {.method = "POST",
                                  .path = TJ_STR("/v1/traces"),
                                  .content_type = "application/x-protobuf",
                                  .experiment_id = experiment,
                                  .form = TJ_MLFLOW_BYTES};
    if (t->first == TJ_OTLP_END)
        return true;
    if (!check_version(s, err))
        return false;
    tj_buf_init(&body, &s->scratch, TJ_MLFLOW_SEND_BYTES_MAX);
    if (!tj_otlp_pb_write(s->batch->spans.items, s->next, t->first, &body, err))
        return false;
    r.body = tj_buf_str(&body);
    if (!tj_mlflow_call(s->m, &r, &s->scratch, &reply, err))
        return false;
    return (!reply.no_route && !reply.absent) || fail_no_spans(s->m, err);
}

static void put_text(struct tj_json_writer *w, const char *key, tj_str text)
{
    if (text.len)
        tj_jw_key_str(w, key, text);
}

static void put_pairs(struct tj_json_writer *w, const char *key,
                      const tj_pairs *pairs)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_object(w);
    tj_vec_each (pairs, const struct tj_pair, p) {
        tj_jw_key(w, p->key);
        tj_jw_str(w, p->value);
    }
    tj_jw_end(w);
}

static void put_location(struct tj_json_writer *w, tj_str experiment)
{
    tj_jw_key(w, TJ_STR("trace_location"));
    tj_jw_object(w);
    tj_jw_key_str(w, "type", TJ_STR("MLFLOW_EXPERIMENT"));
    tj_jw_key(w, TJ_STR("mlflow_experiment"));
    tj_jw_object(w);
    tj_jw_key_str(w, "experiment_id", experiment);
    tj_jw_end(w);
    tj_jw_end(w);
}

static void set_some(tj_pairs *pairs, struct tj_arena *a, const char *key,
                     tj_str value)
{
    tj_str k = tj_str_c(key);
    if (value.len && !tj_pairs_find(pairs, k).ptr)
        tj_pairs_set(pairs, a, k, value);
}

static tj_str info_body(struct sending *s, struct tj_trace_info *info,
                        tj_str experiment)
{
    struct tj_arena *a = &s->scratch;
    struct tj_buf b;
    struct tj_json_writer w;
    set_some(&info->tags, a, "mlflow.traceName", info->name);
    set_some(&info->metadata, a, "mlflow.trace.session", info->session);
    set_some(&info->metadata, a, "mlflow.trace.user", info->user);
    set_some(&info->metadata, a, "mlflow.trace_schema.version", TJ_STR("3"));
    set_some(&info->metadata, a, "mlflow.trace.tokenUsage",
             tj_mlflow_usage_text(a, &info->usage));
    set_some(&info->metadata, a, "mlflow.trace.cost",
             tj_mlflow_cost_text(a, &info->usage));
    tj_buf_init(&b, a, TJ_MLFLOW_SEND_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("trace"));
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("trace_info"));
    tj_jw_object(&w);
    tj_jw_key_str(&w, "trace_id", tj_mlflow_id_text(s->m, info->trace_id, a));
    put_text(&w, "client_request_id", info->client_request_id);
    put_location(&w, experiment);
    if (info->request_time)
        tj_jw_key_str(&w, "request_time", tj_time_text(a, info->request_time));
    tj_jw_key_str(&w, "execution_duration",
                  tj_str_printf(a, "%.9fs", (double)info->duration_ns / 1e9));
    tj_jw_key_str(&w, "state", tj_str_c(tj_trace_state_name(info->state)));
    put_text(&w, "request_preview", info->request_preview);
    put_text(&w, "response_preview", info->response_preview);
    put_pairs(&w, "trace_metadata", &info->metadata);
    put_pairs(&w, "tags", &info->tags);
    tj_jw_end(&w);
    tj_jw_end(&w);
    tj_jw_end(&w);
    return tj_buf_str(&b);
}

static bool send_trace(struct sending *s, const struct outgoing *t,
                       struct tj_err *err)
{
    struct tj_trace_info info = full_info(s, t);
    const struct tj_json *root = NULL;
    tj_str experiment = {0};
    if (!choose_experiment(s, &info, &experiment, err) ||
        !send_spans(s, t, experiment, err))
        return false;
    struct tj_mlflow_request r = {.method = "POST",
                                  .path = TJ_STR("/api/3.0/mlflow/traces"),
                                  .body = info_body(s, &info, experiment)};
    return tj_mlflow_ask(s->m, &r, &s->scratch, &root, err);
}

static bool send_assessments(struct sending *s, struct tj_store *st,
                             struct tj_err *err)
{
    bool ok = true;
    tj_vec_each (&s->batch->assessments, const struct tj_assessment, as) {
        tj_arena_reset(&s->scratch);
        struct tj_assessment full = tj_fold_full(as, &s->scratch);
        if (!full.key.len)
            full.key = full.id;
        ok = ok && tj_mlflow_add_assessment(st, &full, &s->scratch, err);
    }
    return ok;
}

bool tj_mlflow_add_batch(struct tj_store *st, const struct tj_batch *batch,
                         struct tj_err *err)
{
    struct sending s = {.m = tj_mlflow_self(st), .batch = batch};
    if (!tj_mlflow_may_write(s.m, err))
        return false;
    tj_map_init(&s.index, &s.arena);
    sort_out(&s);
    bool ok = true;
    for (size_t i = 0; ok && i < s.traces.count; i++) {
        tj_arena_reset(&s.scratch);
        ok = send_trace(&s, &s.traces.items[i], err);
    }
    ok = ok && send_assessments(&s, st, err);
    tj_arena_release(&s.scratch);
    tj_arena_release(&s.arena);
    return ok;
}
