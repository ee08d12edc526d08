/* otlp_http.c - OTLP over HTTP: POST /v1/traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     body --parse--> batch --whose?--> experiment, tags --add--> store
 *
 *  - The answer is of the body's kind: protobuf (an ExportTraceServiceResponse
 *    without news is no bytes at all) or JSON; errors are google.rpc.Status.
 *  - It is sent when the spans are on disk.  What could not be written now is
 *    503 with Retry-After: senders try again, and writing twice is once.
 *  - A trace goes to the experiment of the header x-mlflow-experiment-id, else
 *    to the one that is called like its service, else to "Default"; one that
 *    is there already stays where it is.
 *  - Attributes of the resource, and mlflow.traceTag.<k> of the root span,
 *    become tags of the trace, as on MLflow's own server.
 */
#include "base/limits.h"
#include "base/turns.h"
#include "serve/mlflow.h"
#include "serve/mlflow_info.h"
#include "serve/route.h"
#include "serve/rpc_status.h"
#include "text/pb.h"
#include "text/plain.h"
#include "text/utf8.h"
#include "trace/format.h"

/* More than so many attributes of a resource or root are not made tags; they
 * are kept with their spans as they are. */
enum { TAG_KEY_CHARS_MAX = 250, TAG_VALUE_CHARS_MAX = 8000, TAGS_MAX = 256 };

/* What the spans of one resource say of their traces. */
struct source {
    bool read;
    tj_str experiment; /* of its service; empty: none is said */
    tj_pairs tags;
};

struct export
{
    struct tj_ml call;
    bool json;
    struct tj_batch batch;
    struct tj_experiment given; /* by the header */
    bool is_given;
    struct source *sources;     /* one for each resource of the batch */
    struct tj_trace_info *last; /* of the span before; mostly the same */
    tj_trace_id *completed;     /* traces whose root is in the batch */
    size_t completed_count;
    struct tj_turns *turn; /* to be given back; NULL: none is held */
};

/* -- answers -------------------------------------------------------------- */

static tj_str media_type(bool json)
{
    return json ? TJ_STR("application/json") : TJ_STR("application/x-protobuf");
}

static void answer(struct export *e, int status, tj_str body)
{
    e->call.out->status = status;
    e->call.out->content_type = media_type(e->json);
    e->call.out->body = body;
}

/* A google.rpc.Status in kind; false. */
static bool refuse(struct export *e, int status, enum tj_rpc_code code,
                   tj_str message)
{
    tj_rpc_refuse(e->call.rq, e->call.out, status, code, message);
    return false;
}

/* From call.err. */
static bool refuse_err(struct export *e)
{
    tj_str message = tj_str_c(e->call.err.message);
    enum tj_code code = e->call.err.code;
    if (code == TJ_E_INPUT || code == TJ_E_LIMIT)
        return refuse(e, 400, TJ_RPC_INVALID_ARGUMENT, message);
    tj_answer_header(e->call.out, TJ_STR("Retry-After"), TJ_STR("1"));
    return refuse(e, 503, TJ_RPC_UNAVAILABLE, message);
}

/* PartialSuccess {1 rejected_spans, 2 error_message}, inside a response. */
static void answer_partial(struct export *e)
{
    struct tj_arena *a = e->call.arena;
    struct tj_buf inner;
    struct tj_buf buf;
    struct tj_json_writer w;
    size_t count = e->batch.rejected_count;
    tj_buf_init(&buf, a, SIZE_MAX);
    if (e->json) {
        tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
        tj_jw_object(&w);
        tj_jw_key(&w, TJ_STR("partialSuccess"));
        tj_jw_object(&w);
        tj_jw_key_str(&w, "rejectedSpans", tj_str_printf(a, "%zu", count));
        tj_jw_key_str(&w, "errorMessage", e->batch.rejected);
        tj_jw_end(&w);
        tj_jw_end(&w);
    } else {
        tj_buf_init(&inner, a, SIZE_MAX);
        tj_pb_put_varint(&inner, 1, count);
        tj_pb_put_bytes(&inner, 2, e->batch.rejected);
        tj_pb_put_bytes(&buf, 1, tj_buf_str(&inner));
    }
    answer(e, 200, tj_buf_str(&buf));
}

static void answer_done(struct export *e)
{
    if (e->batch.rejected_count)
        answer_partial(e);
    else
        answer(e, 200, e->json ? TJ_STR("{}") : TJ_STR(""));
}

/* -- reading -------------------------------------------------------------- */

static bool read_kind(struct export *e)
{
    tj_str type = tj_request_content_type(e->call.rq);
    if (tj_str_eq_fold(type, media_type(false)))
        return true;
    e->json = true;
    if (tj_str_eq_fold(type, media_type(true)))
        return true;
    return refuse(e, 415, TJ_RPC_INVALID_ARGUMENT,
                  tj_str_printf(e->call.arena,
                                "Invalid Content-Type: %.*s. Expected: "
                                "application/x-protobuf or application/json",
                                TJ_STR_ARG(tj_utf8_clip(type, 100))));
}

/* Refused in MLflow's manner, since only its clients send the header. */
static bool read_experiment(struct export *e)
{
    tj_str id = tj_request_header(e->call.rq, TJ_STR("x-mlflow-experiment-id"));
    e->is_given = id.len > 0;
    return !e->is_given || tj_ml_experiment(&e->call, id, &e->given);
}

/* From parsing until the store waits for the disk, in one go: a batch that is
 * parsed and lies about while others are parsed is out of the caches when it is
 * its turn to be packed. */
static void take_turn(struct export *e)
{
    e->turn = e->call.server->computing;
    tj_turns_take(e->turn);
}

static void give_turn(void *ctx)
{
    struct export *e = ctx;
    tj_turns_give(e->turn);
    e->turn = NULL;
}

static bool parse(struct export *e)
{
    const struct tj_format *format =
        tj_format_find(e->json ? TJ_STR("otlp-json") : TJ_STR("otlp-pb"));
    tj_str body = e->call.rq->body;
    assert(format);
    tj_batch_init(&e->batch, e->call.arena);
    if (!body.len && !e->json)
        return true;
    return tj_format_parse(format, body, e->call.arena, &e->batch, NULL,
                           &e->call.err) ||
           refuse_err(e);
}

/* -- whose ---------------------------------------------------------------- */

/* The SDK's name for a service that has none. */
static bool is_nameless(tj_str service)
{
    return !service.len || tj_str_starts(service, TJ_STR("unknown_service"));
}

/* A value as it is shown: strings as they are. */
static tj_str tag_text(struct tj_arena *a, const struct tj_json *v)
{
    struct tj_buf buf;
    if (tj_json_is_string(v))
        return tj_json_str(v);
    tj_buf_init(&buf, a, TJ_IMPORT_BYTES_MAX);
    tj_json_write(&buf, v, TJ_JSON_PYTHON);
    return tj_buf_str(&buf);
}

static void add_tag(tj_pairs *tags, struct tj_arena *a, tj_str key,
                    tj_str value)
{
    if (key.len && tags->count < TAGS_MAX &&
        tj_utf8_clip_chars(key, TAG_KEY_CHARS_MAX).len == key.len)
        tj_pairs_set(tags, a, key,
                     tj_utf8_clip_chars(value, TAG_VALUE_CHARS_MAX));
}

/* What the SDK says of itself, and MLflow's own names, are no tags. */
static void read_tags(struct export *e, const struct tj_json *resource,
                      struct source *out)
{
    struct tj_json_members m = tj_json_members(resource);
    while (tj_json_member(&m)) {
        if (!tj_str_starts(m.key, TJ_STR("telemetry.sdk.")) &&
            !tj_str_starts(m.key, TJ_STR("mlflow.")))
            add_tag(&out->tags, e->call.arena, m.key,
                    tag_text(e->call.arena, m.value));
    }
}

/* Who may see some experiments only can make no new ones. */
static bool check_service(struct export *e, struct source *out)
{
    struct tj_experiment ex = {0};
    const struct tj_grant *grant = e->call.rq->grant;
    bool found = false;
    if (!tj_store_find_experiment_named(e->call.store, out->experiment,
                                        e->call.arena, &ex, &found,
                                        &e->call.err))
        return refuse_err(e);
    if (found && ex.deleted) {
        out->experiment = (tj_str){0};
        found = false;
    }
    if (tj_grant_covers_all(grant) ||
        (found && tj_grant_covers(grant, ex.id)) ||
        (!out->experiment.len && tj_grant_covers(grant, 0)))
        return true;
    return refuse(e, 403, TJ_RPC_PERMISSION_DENIED,
                  TJ_STR("Permission denied"));
}

static bool read_source(struct export *e, int32_t resource, struct source **out)
{
    struct source *s = &e->sources[resource + 1];
    *out = s;
    if (s->read)
        return true;
    s->read = true;
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (resource >= 0 && tj_plain_parse(e->batch.resources.items[resource].text,
                                        e->call.arena, &doc, &ignored)) {
        const struct tj_json *v = tj_json_find(doc.root, TJ_STR("resource"));
        tj_str service = tj_json_find_str(v, TJ_STR("service.name"));
        read_tags(e, v, s);
        if (!is_nameless(service))
            s->experiment = tj_utf8_clip(service, TJ_NAME_BYTES_MAX);
    }
    return e->is_given || check_service(e, s);
}

/* The tags that a root span carries for its trace. */
static void read_root(struct export *e, const struct tj_span *span,
                      struct tj_trace_info *info)
{
    static const char prefix[] = "attributes.mlflow.traceTag.";
    const size_t len = sizeof prefix - 1;
    for (size_t i = 0; i < span->field_count; i++) {
        const struct tj_field *f = &span->fields[i];
        if (!tj_str_starts(f->name, TJ_STR("attributes.mlflow.traceTag.")))
            continue;
        tj_str key = tj_str_slice(f->name, len, f->name.len);
        tj_str text = tj_span_text_field(span, i)->text;
        add_tag(&info->tags, e->call.arena, key, text);
        if (tj_str_eq(key, TJ_STR(TJ_ML_TAG_NAME)))
            info->name = tj_utf8_clip(text, TJ_NAME_BYTES_MAX);
    }
    e->completed[e->completed_count++] = span->trace_id;
}

static bool read_span(struct export *e, const struct tj_span *span)
{
    struct source *source = NULL;
    if (!read_source(e, span->resource, &source))
        return false;
    if (!e->last || !tj_trace_id_eq(e->last->trace_id, span->trace_id))
        e->last = tj_batch_info(&e->batch, span->trace_id);
    struct tj_trace_info *info = e->last;
    if (!info->experiment.len) {
        info->experiment = e->is_given ? e->given.name : source->experiment;
        info->experiment_if_new = true;
    }
    if (!info->tags.count) {
        tj_vec_each (&source->tags, const struct tj_pair, p)
            tj_pairs_set(&info->tags, e->call.arena, p->key, p->value);
    }
    if (tj_span_id_is_none(span->parent_id))
        read_root(e, span, info);
    return true;
}

/* A trace that is there and not covered is not added to. */
static bool check_traces(struct export *e)
{
    const struct tj_grant *grant = e->call.rq->grant;
    if (tj_grant_covers_all(grant))
        return true;
    tj_vec_each (&e->batch.traces, const struct tj_trace_info, info) {
        struct tj_trace_info there = {0};
        bool found = false;
        if (!tj_store_find_info(e->call.store, info->trace_id, e->call.arena,
                                &there, &found, &e->call.err))
            return refuse_err(e);
        if (found && !tj_grant_covers(grant, there.experiment_id))
            return refuse(e, 403, TJ_RPC_PERMISSION_DENIED,
                          TJ_STR("Permission denied"));
    }
    return true;
}

static bool read_traces(struct export *e)
{
    struct tj_arena *a = e->call.arena;
    e->sources = tj_arena_array(a, struct source, e->batch.resources.count + 1);
    e->completed = tj_arena_array(a, tj_trace_id, e->batch.spans.count);
    for (size_t i = 0; i < e->batch.spans.count; i++) {
        if (!read_span(e, &e->batch.spans.items[i]))
            return false;
    }
    return check_traces(e);
}

/* -- storing -------------------------------------------------------------- */

static bool store(struct export *e)
{
    struct tj_server_counts *counts = &e->call.server->counts;
    e->batch.waits = give_turn;
    e->batch.waits_ctx = e;
    if (!tj_store_add_batch(e->call.store, &e->batch, &e->call.err))
        return refuse_err(e);
    atomic_fetch_add(&counts->spans, e->batch.spans.count);
    atomic_fetch_add(&counts->spans_rejected, e->batch.rejected_count);
    atomic_fetch_add(&counts->span_bytes, e->call.rq->body.len);
    return true;
}

/* May the traces be linked to this run?  A run that is not here may be on its
 * way. */
static bool may_link(struct export *e, tj_str run_id)
{
    const struct tj_grant *grant = e->call.rq->grant;
    struct tj_record run = {0};
    uint64_t experiment = 0;
    bool found = false;
    if (tj_grant_covers_all(grant))
        return true;
    return tj_store_find_record(e->call.store, TJ_RECORD_RUN, run_id,
                                e->call.arena, &run, &found, &e->call.err) &&
           found && tj_str_to_u64(run.parent, &experiment) &&
           tj_grant_covers(grant, experiment);
}

/* The spans are stored and will be acknowledged, whatever becomes of this: a
 * sender that tried again would not link better. */
static void link_run(struct export *e)
{
    size_t linked = 0;
    tj_str run_id = tj_request_header(e->call.rq, TJ_STR("x-mlflow-run-id"));
    bool ok =
        run_id.len && run_id.len <= TJ_NAME_BYTES_MAX && e->completed_count &&
        may_link(e, run_id) &&
        tj_store_link_traces(e->call.store, e->completed, e->completed_count,
                             run_id, &linked, &e->call.err);
    (void)ok;
}

static void export(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct export e = {.call = {.server = s,
                                .store = s->store,
                                .rq = rq,
                                .out = out,
                                .arena = rq->arena}};
    if (!read_kind(&e) || !read_experiment(&e))
        return;
    take_turn(&e);
    bool ok = parse(&e) && read_traces(&e) && store(&e);
    give_turn(&e); /* if it is still held */
    if (!ok)
        return;
    link_run(&e);
    answer_done(&e);
}

const struct tj_route tj_routes_otlp[] = {
    {TJ_METHOD_POST, TJ_PLAIN, "/v1/traces", TJ_ACCESS_WRITE, export},
    {.run = NULL},
};
