/* store_mlflow_read.c - traces of an MLflow server, as we have them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An open trace is read whole: its info, then its spans, parsed into the
 * arena of the trace, where all texts stay.
 *
 *     info --spansLocation TRACKING_STORE--> traces/get  (OTLP's JSON)
 *      |                                         | not known: 3.0 to 3.5
 *      `--artifact, archive, no tag--> get-trace-artifact  (span dicts)
 *
 * A trace id is 16 bytes here.  MLflow writes "tr-" and their digits; clients
 * before 3.0 wrote the digits alone, and ids of other kinds exist: those are
 * noted when they are seen (tj_mlflow_note_id), and asked for as they were.
 */
#include "base/limits.h"
#include "store/store_fold.h"
#include "store/store_mlflow_int.h"
#include "trace/build.h"
#include "trace/mlflow_read.h"

enum { SEEN_MAX = 4096 }; /* traces; then all are forgotten */

/* -- ids ------------------------------------------------------------------- */

static tj_str bytes_of(const tj_trace_id *id)
{
    return tj_str_make((const char *)id->bytes, sizeof id->bytes);
}

static bool is_usual(tj_trace_id id, tj_str text)
{
    struct tj_arena scratch = {0};
    bool usual = tj_str_eq(tj_trace_id_mlflow(&scratch, id), text);
    tj_arena_release(&scratch);
    return usual;
}

void tj_mlflow_note_id(struct tj_mlflow *m, tj_trace_id id, tj_str text)
{
    bool fresh = false;
    if (is_usual(id, text))
        return;
    (void)pthread_mutex_lock(&m->lock);
    if (!tj_map_find(&m->odd_ids, bytes_of(&id))) {
        struct tj_arena *a = &m->names_arena;
        tj_str *kept = tj_arena_new(a, tj_str);
        *kept = tj_str_dup(a, text);
        tj_map_add(&m->odd_ids, tj_str_dup(a, bytes_of(&id)), &fresh)->ptr =
            kept;
    }
    (void)pthread_mutex_unlock(&m->lock);
}

tj_str tj_mlflow_id_text(struct tj_mlflow *m, tj_trace_id id,
                         struct tj_arena *a)
{
    tj_str text = tj_trace_id_mlflow(a, id);
    (void)pthread_mutex_lock(&m->lock);
    const struct tj_map_entry *e = tj_map_find(&m->odd_ids, bytes_of(&id));
    if (e)
        text = tj_str_dup(a, *(const tj_str *)e->ptr);
    (void)pthread_mutex_unlock(&m->lock);
    return text;
}

/* -- traces that are there ------------------------------------------------- */

void tj_mlflow_unsee(struct tj_mlflow *m)
{
    (void)pthread_mutex_lock(&m->lock);
    tj_arena_release(&m->seen_arena);
    tj_map_init(&m->seen, &m->seen_arena);
    (void)pthread_mutex_unlock(&m->lock);
}

static void see(struct tj_mlflow *m, tj_trace_id id, tj_str experiment)
{
    struct tj_arena *a = &m->seen_arena;
    bool fresh = false;
    (void)pthread_mutex_lock(&m->lock);
    struct tj_map_entry *e = tj_map_find(&m->seen, bytes_of(&id));
    if (!e) {
        if (m->seen.count == SEEN_MAX) {
            tj_arena_release(a);
            tj_map_init(&m->seen, a);
        }
        e = tj_map_add(&m->seen, tj_str_dup(a, bytes_of(&id)), &fresh);
        struct tj_mlflow_seen *seen = tj_arena_new(a, struct tj_mlflow_seen);
        seen->experiment = tj_str_dup(a, experiment);
        e->ptr = seen;
    }
    ((struct tj_mlflow_seen *)e->ptr)->ns = tj_mono_ns();
    (void)pthread_mutex_unlock(&m->lock);
}

bool tj_mlflow_saw(struct tj_mlflow *m, tj_trace_id id, struct tj_arena *a,
                   tj_str *experiment, uint64_t *age_ns)
{
    (void)pthread_mutex_lock(&m->lock);
    const struct tj_map_entry *e = tj_map_find(&m->seen, bytes_of(&id));
    if (e) {
        const struct tj_mlflow_seen *seen = e->ptr;
        *experiment = tj_str_dup(a, seen->experiment);
        *age_ns = tj_mono_ns() - seen->ns;
    }
    (void)pthread_mutex_unlock(&m->lock);
    return e;
}

/* -- infos ----------------------------------------------------------------- */

/* Numbers that MLflow keeps as JSON inside of metadata. */
static int64_t number_in(const struct tj_json *v, const char *key)
{
    int64_t n = -1;
    const struct tj_json *number = tj_json_find(v, tj_str_c(key));
    return tj_json_i64(number, &n) && n >= 0 ? n : -1;
}

static const struct tj_json *json_meta(const struct tj_trace_info *info,
                                       const char *key, struct tj_arena *a)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    tj_str text = tj_pairs_find(&info->metadata, tj_str_c(key));
    return text.len && tj_json_parse(text, a, &doc, &ignored) ? doc.root : NULL;
}

/* What the server derived from the spans, which are not at hand. */
static void take_sums(struct tj_trace_info *info, struct tj_arena *a)
{
    const struct tj_json *tokens =
        json_meta(info, "mlflow.trace.tokenUsage", a);
    const struct tj_json *cost = json_meta(info, "mlflow.trace.cost", a);
    const struct tj_json *sizes = json_meta(info, "mlflow.trace.sizeStats", a);
    struct tj_usage *u = &info->usage;
    *u = TJ_USAGE_UNKNOWN;
    u->input_tokens = number_in(tokens, "input_tokens");
    u->output_tokens = number_in(tokens, "output_tokens");
    u->cache_read_tokens = number_in(tokens, "cache_read_input_tokens");
    u->cache_write_tokens = number_in(tokens, "cache_creation_input_tokens");
    if (!tj_json_double(tj_json_find(cost, TJ_STR("total_cost")),
                        &u->cost_usd) ||
        !(u->cost_usd >= 0))
        u->cost_usd = -1;
    int64_t spans = number_in(sizes, "num_spans");
    int64_t bytes = number_in(sizes, "total_size_bytes");
    info->error_count = info->state == TJ_STATE_ERROR; /* at least */
    info->span_count = spans > 0 ? (uint64_t)spans : 0;
    info->text_bytes = bytes > 0 ? (uint64_t)bytes : 0;
}

static void take_experiment(struct tj_mlflow *m, struct tj_trace_info *info,
                            struct tj_arena *a)
{
    tj_str id = info->experiment.len ? info->experiment : TJ_STR("0");
    see(m, info->trace_id, id);
    tj_str name = tj_mlflow_place_name(m, id, a);
    if (!tj_str_to_u64(id, &info->experiment_id))
        info->experiment_id = 0;
    if (name.len)
        info->experiment =
            tj_str_eq(name, TJ_STR("Default")) ? TJ_STR("") : name;
}

/* One assessment that cannot be read (a kind of a later version) hides no
 * trace. */
static void take_assessments(const struct tj_json *list, struct tj_batch *batch,
                             tj_trace_id id)
{
    struct tj_err ignored = {0};
    tj_json_each (list, it) {
        struct tj_assessment as;
        if (!tj_assessment_parse(it, batch->arena, &as, &ignored))
            continue;
        as.trace_id = id;
        *tj_vec_add(&batch->assessments, batch->arena) = as;
    }
}

/* Pairs are looked for one by one. */
static bool check_pairs(const struct tj_mlflow *m, const struct tj_json *info,
                        struct tj_err *err)
{
    static const char *const maps[] = {"trace_metadata", "request_metadata",
                                       "tags"};
    for (size_t i = 0; i < TJ_COUNT(maps); i++) {
        if (tj_json_count(tj_json_find(info, tj_str_c(maps[i]))) >
            TJ_REQUEST_PAIRS_MAX)
            return tj_fail(err, TJ_E_LIMIT, "%.*s: %s of a trace: over %zu",
                           TJ_STR_ARG(m->base), maps[i], TJ_REQUEST_PAIRS_MAX);
    }
    return true;
}

bool tj_mlflow_take_info(struct tj_mlflow *m, const struct tj_json *v,
                         struct tj_batch *batch, struct tj_trace_info *out,
                         struct tj_err *err)
{
    tj_trace_id id = {0};
    tj_str text = {0};
    if (!check_pairs(m, v, err))
        return false;
    if (!tj_mlflow_info_parse(v, batch, &id, &text))
        return tj_fail(err, TJ_E_BACKEND, "%.*s: a trace without an id",
                       TJ_STR_ARG(m->base));
    tj_mlflow_note_id(m, id, text);
    take_assessments(tj_json_find(v, TJ_STR("assessments")), batch, id);
    struct tj_trace_info *info = tj_batch_info(batch, id);
    take_sums(info, batch->arena);
    take_experiment(m, info, batch->arena);
    *out = *info;
    return true;
}

bool tj_mlflow_take_asked(struct tj_mlflow *m, tj_trace_id id,
                          const struct tj_json *v, struct tj_batch *batch,
                          struct tj_trace_info *out, struct tj_err *err)
{
    struct tj_trace_info info;
    if (!tj_mlflow_take_info(m, v, batch, &info, err))
        return false;
    if (!tj_trace_id_eq(info.trace_id, id))
        return tj_fail(
            err, TJ_E_BACKEND, "%.*s answers with another trace, %.*s",
            TJ_STR_ARG(m->base),
            TJ_STR_ARG(tj_trace_id_mlflow(batch->arena, info.trace_id)));
    *out = info;
    return true;
}

static bool ask_info(struct tj_mlflow *m, tj_str text, struct tj_arena *a,
                     const struct tj_json **out, struct tj_err *err)
{
    struct tj_mlflow_reply reply = {0};
    struct tj_mlflow_request r = {
        .method = "GET",
        .path = tj_str_printf(a, "/api/3.0/mlflow/traces/%.*s",
                              TJ_STR_ARG(tj_mlflow_escape(a, text)))};
    *out = NULL;
    if (!tj_mlflow_call(m, &r, a, &reply, err))
        return false;
    if (reply.no_route) {
        const struct tj_json *never = NULL;
        return tj_mlflow_ask(m, &r, a, &never, err); /* for its message */
    }
    if (reply.absent)
        return true;
    *out = tj_json_at(reply.root, "trace.trace_info");
    return *out ||
           tj_fail(err, TJ_E_BACKEND, "%.*s answers without a trace's info",
                   TJ_STR_ARG(m->base));
}

bool tj_mlflow_read_info(struct tj_mlflow *m, tj_trace_id id,
                         struct tj_arena *a, const struct tj_json **out,
                         struct tj_err *err)
{
    tj_str text = tj_mlflow_id_text(m, id, a);
    if (!ask_info(m, text, a, out, err))
        return false;
    tj_str digits = tj_trace_id_text(a, id);
    if (*out || !tj_str_eq(text, tj_trace_id_mlflow(a, id)))
        return true;
    /* A client before 3.0 may have written it. */
    if (!ask_info(m, digits, a, out, err))
        return false;
    if (*out)
        tj_mlflow_note_id(m, id, digits);
    return true;
}

void tj_mlflow_hold(struct tj_mlflow *m, struct tj_mlflow_hand *hand)
{
    (void)pthread_mutex_lock(&m->lock);
    hand->next = m->hands;
    m->hands = hand;
    (void)pthread_mutex_unlock(&m->lock);
}

void tj_mlflow_drop(struct tj_mlflow *m, struct tj_mlflow_hand *hand)
{
    (void)pthread_mutex_lock(&m->lock);
    struct tj_mlflow_hand **at = &m->hands;
    while (*at != hand)
        at = &(*at)->next;
    *at = hand->next;
    (void)pthread_mutex_unlock(&m->lock);
}

/* NULL: not at hand.  It stays as long as this thread is in the search. */
static const struct tj_trace_info *find_held(struct tj_mlflow *m,
                                             tj_trace_id id)
{
    const struct tj_trace_info *found = NULL;
    (void)pthread_mutex_lock(&m->lock);
    for (const struct tj_mlflow_hand *h = m->hands; h && !found; h = h->next) {
        if (pthread_equal(h->thread, pthread_self()) &&
            tj_trace_id_eq(h->info->trace_id, id))
            found = h->info;
    }
    (void)pthread_mutex_unlock(&m->lock);
    return found;
}

/* With what is known of it. */
static bool read_info(struct tj_mlflow *m, tj_trace_id id,
                      struct tj_batch *batch, struct tj_trace_info *out,
                      bool *found, struct tj_err *err)
{
    const struct tj_json *v = NULL;
    tj_mlflow_places ignored = {0};
    const struct tj_trace_info *held = find_held(m, id);
    *found = held;
    if (held) {
        *out = tj_fold_info_copy(held, batch->arena);
        return true;
    }
    /* For the name of its experiment. */
    if (!tj_mlflow_find_places(m, batch->arena, &ignored, err) ||
        !tj_mlflow_read_info(m, id, batch->arena, &v, err))
        return false;
    *found = v;
    return !v || tj_mlflow_take_asked(m, id, v, batch, out, err);
}

bool tj_mlflow_find_info(struct tj_store *st, tj_trace_id id,
                         struct tj_arena *a, struct tj_trace_info *out,
                         bool *found, struct tj_err *err)
{
    struct tj_batch batch;
    tj_batch_init(&batch, a);
    return read_info(tj_mlflow_self(st), id, &batch, out, found, err);
}

/* -- spans ----------------------------------------------------------------- */

struct found_spans {
    const struct tj_json *list; /* NULL: none */
    bool repaired;              /* some text was not valid */
    bool known;                 /* the server has this way of asking */
};

static bool ask_spans(struct tj_mlflow *m, tj_str path, const char *where,
                      struct tj_arena *a, struct found_spans *out,
                      struct tj_err *err)
{
    struct tj_mlflow_reply reply = {0};
    struct tj_mlflow_request r = {
        .method = "GET", .path = path, .bytes_max = TJ_MLFLOW_TRACE_BYTES_MAX};
    if (!tj_mlflow_call(m, &r, a, &reply, err))
        return false;
    out->known = !reply.no_route;
    out->repaired = reply.repaired;
    out->list = tj_json_at(reply.root, where);
    return true;
}

static bool ask_artifact(struct tj_mlflow *m, tj_str escaped,
                         struct tj_arena *a, struct found_spans *out,
                         struct tj_err *err)
{
    for (int major = 2; major <= 3 && !out->known; major++) {
        tj_str path = tj_str_printf(
            a, "/ajax-api/%d.0/mlflow/get-trace-artifact?request_id=%.*s",
            major, TJ_STR_ARG(escaped));
        if (!ask_spans(m, path, "spans", a, out, err))
            return false;
    }
    return true;
}

static bool read_spans(struct tj_mlflow *m, const struct tj_trace_info *info,
                       tj_str id_text, struct tj_arena *a,
                       struct found_spans *out, struct tj_err *err)
{
    tj_str escaped = tj_mlflow_escape(a, id_text);
    tj_str where =
        tj_pairs_find(&info->tags, TJ_STR("mlflow.trace.spansLocation"));
    if (tj_str_eq(where, TJ_STR("TRACKING_STORE"))) {
        tj_str path = tj_str_printf(a,
                                    "/api/3.0/mlflow/traces/get?trace_id=%.*s"
                                    "&allow_partial=true",
                                    TJ_STR_ARG(escaped));
        if (!ask_spans(m, path, "trace.spans", a, out, err))
            return false;
    }
    if (out->list)
        return true;
    out->known = false;
    return ask_artifact(m, escaped, a, out, err);
}

/* -- an open trace --------------------------------------------------------- */

static void fill_trace(const struct tj_batch *batch,
                       const struct tj_trace_info *info, struct tj_trace *out)
{
    struct tj_fold f;
    tj_fold_init(&f, batch->spans.count, out->arena);
    for (size_t i = 0; i < batch->spans.count; i++) {
        struct tj_span *s = &batch->spans.items[i];
        s->trace_id = info->trace_id; /* whatever OpenTelemetry's was */
        *tj_fold_add(&f, (uint64_t)(uintptr_t)s, tj_fold_digest(s)) = *s;
    }
    tj_fold_trace(&f, out);
    out->info = *info;
    tj_trace_info_derive(&out->info, out->spans, &out->tree, out->arena);
    if (out->info.usage.input_tokens < 0 && out->info.usage.output_tokens < 0)
        out->info.usage = info->usage;
    for (size_t i = 0; i < f.count; i++)
        f.spans[i].fields = NULL;
    out->impl = f.origins;
    out->resources = batch->resources.items;
    out->resource_count = batch->resources.count;
}

bool tj_mlflow_open_trace(struct tj_store *st, tj_trace_id id,
                          struct tj_trace *out, bool *found, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena *a = out->arena;
    struct tj_trace_info info = {0};
    struct found_spans spans = {0};
    struct tj_batch batch;
    tj_batch_init(&batch, a);
    if (!read_info(m, id, &batch, &info, found, err))
        return false;
    if (!*found)
        return true;
    tj_str text = tj_mlflow_id_text(m, id, a);
    if (!read_spans(m, &info, text, a, &spans, err))
        return false;
    struct tj_build *build = tj_build_new(a, &batch);
    tj_build_source(build, spans.repaired ? TJ_TEXT_REPAIRED : TJ_TEXT_VALID);
    if (!tj_mlflow_spans_parse(spans.list, text, build, &batch, err)) {
        err->code = TJ_E_BACKEND;
        return tj_err_wrap(err, "%.*s: trace %.*s", TJ_STR_ARG(m->base),
                           TJ_STR_ARG(text));
    }
    if (batch.spans.count > TJ_SPANS_PER_TRACE_MAX)
        return tj_fail(err, TJ_E_LIMIT, "trace %.*s has over %zu spans",
                       TJ_STR_ARG(text), TJ_SPANS_PER_TRACE_MAX);
    fill_trace(&batch, &info, out);
    return true;
}
