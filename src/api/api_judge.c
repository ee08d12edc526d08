/* api_judge.c - definitions of judges, and judging.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A run opens a loop and a model, queues one judgment per trace on a drive
 * (judge/drive.h), runs the loop until all are done, and closes all of it.
 */
#include "api/api_int.h"

#include <string.h>

#include "base/file.h"
#include "base/heap.h"
#include "base/limits.h"
#include "judge/drive.h"
#include "judge/registered.h"
#include "llm/model.h"
#include "text/json_write.h"

/* -- definitions ---------------------------------------------------------- */

static bool parse_def(tj_str source, const char *file,
                      struct tj_judge_def **out, struct tj_err *err)
{
    struct tj_api_judge *judge = tj_heap_new(sizeof *judge);
    judge->source = tj_str_dup(&judge->arena, source);
    if (!tj_judge_def_parse(judge->source, file, &judge->arena, &judge->def,
                            err)) {
        tj_arena_release(&judge->arena);
        tj_heap_free(judge);
        return false;
    }
    judge->name = tj_cstr(&judge->arena, judge->def.name);
    judge->model = tj_cstr(&judge->arena, judge->def.model);
    *out = &judge->def;
    return true;
}

static struct tj_api_judge *api_judge(const struct tj_judge_def *def)
{
    /* The definition is the first member of what parse_def made. */
    union {
        const struct tj_judge_def *def;
        struct tj_api_judge *judge;
    } both = {.def = def};
    return both.judge;
}

bool tj_judge_parse(const char *source, size_t size, const char *file,
                    struct tj_judge_def **out, struct tj_error *err)
{
    struct tj_err why = {0};
    return parse_def(tj_str_make(source, size), file, out, &why) ||
           tj_api_fail(&why, err);
}

bool tj_judge_load(const char *path, struct tj_judge_def **out,
                   struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    tj_str source = {0};
    bool ok = tj_file_read(path, TJ_JUDGE_FILE_BYTES_MAX, &a, &source, &why) &&
              parse_def(source, path, out, &why);
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

static void put_text(struct tj_json_writer *w, const char *key,
                     const char *text)
{
    if (text)
        tj_jw_key_str(w, key, tj_str_c(text));
}

/* json is checked here so that a typo is reported with its name. */
static bool put_json(struct tj_json_writer *w, const char *key,
                     const char *json, struct tj_arena *a, struct tj_err *err)
{
    struct tj_json_doc doc = {0};
    if (!json)
        return true;
    if (!tj_json_parse(tj_str_c(json), a, &doc, err))
        return tj_err_wrap(err, "%s", key);
    tj_jw_key(w, tj_str_c(key));
    tj_jw_value(w, doc.root);
    return true;
}

/* JSON is YAML, so a specification becomes a judge file like any other: it can
 * be registered, versioned and printed. */
static bool write_spec(const struct tj_judge_spec *spec, struct tj_arena *a,
                       struct tj_buf *out, struct tj_err *err)
{
    struct tj_json_writer w;
    tj_buf_add(out, TJ_STR("---\n"));
    tj_json_writer_init(&w, out, TJ_JSON_SPACED);
    tj_jw_object(&w);
    put_text(&w, "name", spec->name);
    put_text(&w, "description", spec->description);
    put_text(&w, "model", spec->model);
    if (!put_json(&w, "value", spec->value, a, err) ||
        !put_json(&w, "pass", spec->pass, a, err))
        return false;
    put_text(&w, "evidence", spec->evidence);
    if (!put_json(&w, "rules", spec->rules, a, err) ||
        !put_json(&w, "limits", spec->limits, a, err))
        return false;
    tj_jw_end(&w);
    tj_buf_add(out, TJ_STR("\n---\n"));
    tj_buf_add(out, tj_str_c(spec->instructions));
    tj_buf_byte(out, '\n');
    return tj_buf_ok(out, "judge", err);
}

bool tj_make_judge(const struct tj_judge_spec *spec, struct tj_judge_def **out,
                   struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_buf source;
    tj_buf_init(&source, &a, TJ_JUDGE_FILE_BYTES_MAX);
    const char *file = spec->name ? spec->name : "judge";
    bool ok = write_spec(spec, &a, &source, &why) &&
              parse_def(tj_buf_str(&source), file, out, &why);
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

void tj_judge_free(struct tj_judge_def *def)
{
    if (!def)
        return;
    struct tj_api_judge *judge = api_judge(def);
    tj_arena_release(&judge->arena);
    tj_heap_free(judge);
}

const char *tj_judge_name(const struct tj_judge_def *judge)
{
    return api_judge(judge)->name;
}

const char *tj_judge_model(const struct tj_judge_def *judge)
{
    return api_judge(judge)->model;
}

const char *tj_judge_source(const struct tj_judge_def *judge, size_t *size)
{
    if (size)
        *size = api_judge(judge)->source.len;
    return api_judge(judge)->source.ptr;
}

bool tj_register_judge(struct tracejudge *tj, const struct tj_judge_def *judge,
                       uint32_t *version, struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_judge_row row = {0};
    tj_str source = api_judge(judge)->source;
    bool ok = !tj_store_wants_mlflow_judges(tj->store) ||
              tj_judge_def_write_mlflow(judge, source, &a, &source, &why);
    ok = ok &&
         tj_store_add_judge(tj->store, judge->name, source, &a, &row, &why);
    if (ok && version)
        *version = row.version;
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

bool tj_fetch_judge(struct tracejudge *tj, const char *name, uint32_t version,
                    struct tj_judge_def **out, struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_judge_row row = {0};
    bool ok =
        tj_registered_find(tj->store, tj_str_c(name), version, &a, &row, &why);
    if (ok && row.version == 0)
        ok = tj_fail(&why, TJ_E_INPUT, "no judge is called '%.200s'%s", name,
                     version ? " in that version" : "");
    ok = ok && parse_def(row.source, name, out, &why);
    if (ok)
        (*out)->version = row.version;
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

/* -- results -------------------------------------------------------------- */

struct api_result {
    struct tj_result result;
    struct tj_arena arena;
};

static void fill_evidence(const struct tj_verdict *v, struct tj_arena *a,
                          struct tj_result *out)
{
    struct tj_result_evidence *items =
        tj_arena_array(a, struct tj_result_evidence, v->evidence_count);
    for (size_t i = 0; i < v->evidence_count; i++) {
        const struct tj_evidence *e = &v->evidence[i];
        items[i] = (struct tj_result_evidence){
            .span_id = tj_cstr(a, e->span_id),
            .field = tj_cstr(a, e->field),
            .quote = tj_cstr(a, e->quote),
            .offset = e->offset,
            .length = e->len,
            .verified = e->verified,
            .why_not = tj_cstr(a, e->why_not),
        };
    }
    out->evidence = items;
    out->evidence_count = v->evidence_count;
}

static const char *value_text(tj_str json, struct tj_arena *a)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (tj_json_parse(json, a, &doc, &ignored) && tj_json_is_string(doc.root))
        return tj_cstr(a, tj_json_str(doc.root));
    return tj_cstr(a, json);
}

static const char *verdict_json(const struct tj_verdict *v, struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, TJ_MODEL_REPLY_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_verdict_write(&w, v);
    return tj_cstr(a, tj_buf_str(&b));
}

static void fill_result(const struct tj_verdict *v, struct tj_arena *a,
                        struct tj_result *out)
{
    tj_str judge_trace = tj_trace_id_is_none(v->judge_trace_id)
                             ? TJ_STR("")
                             : tj_trace_id_text(a, v->judge_trace_id);
    *out = (struct tj_result){
        .trace_id = tj_cstr(a, tj_trace_id_text(a, v->trace_id)),
        .judge = tj_cstr(a, v->judge),
        .model = tj_cstr(a, v->model),
        .state = (enum tj_state)v->state,
        .passed =
            v->passed == TJ_PASSED_NULL ? -1 : v->passed == TJ_PASSED_TRUE,
        .value = value_text(v->value_json, a),
        .value_json = tj_cstr(a, v->value_json),
        .rationale = tj_cstr(a, v->rationale),
        .error_code = tj_cstr(a, v->error_code),
        .error_message = tj_cstr(a, v->error_message),
        .spans_read = v->coverage.spans_read,
        .spans_total = v->coverage.spans_total,
        .bytes_read = v->coverage.bytes_read,
        .bytes_total = v->coverage.bytes_total,
        .requests = v->requests,
        .input_tokens = v->input_tokens,
        .output_tokens = v->output_tokens,
        .cost_usd = v->cost_usd,
        .tool_calls = v->tool_calls,
        .duration_ns = v->duration_ns,
        .stopped_by = tj_stopped_by_name(v->stopped_by),
        .assessment_id = tj_cstr(a, v->assessment_id),
        .judge_trace_id = tj_cstr(a, judge_trace),
        .json = verdict_json(v, a),
    };
    fill_evidence(v, a, out);
}

static_assert((int)TJ_INSUFFICIENT_EVIDENCE == (int)TJ_VERDICT_INSUFFICIENT,
              "public states drifted");
static_assert((int)TJ_COULD_NOT_EVALUATE == (int)TJ_VERDICT_ERROR,
              "public states drifted");

void tj_result_free(struct tj_result *result)
{
    if (!result)
        return;
    /* The result is the first member of what on_verdict made. */
    struct api_result *whole = (struct api_result *)(void *)result;
    tj_arena_release(&whole->arena);
    tj_heap_free(whole);
}

/* -- a run ---------------------------------------------------------------- */

struct run {
    struct tracejudge *tj;
    const struct tj_judge_settings *settings;
    struct tj_loop *loop;
    struct tj_model *model;
    struct tj_drive *drive;
    struct api_result **keep; /* for a single trace, instead of done() */
    size_t open_count;
    struct tj_err failure; /* of the store; code NONE: none */
};

static void on_verdict(void *ctx, const struct tj_verdict *verdict,
                       const struct tj_err *err)
{
    struct run *run = ctx;
    run->open_count--;
    /* A subject that cannot be judged is a result; a store that fails ends
     * the run. */
    bool broken = err && err->code != TJ_E_INPUT && err->code != TJ_E_LIMIT;
    if (broken && run->failure.code == TJ_E_NONE) {
        run->failure = *err;
        tj_drive_cancel(run->drive);
    }
    if (!verdict)
        return;
    struct api_result *whole = tj_heap_new(sizeof *whole);
    fill_result(verdict, &whole->arena, &whole->result);
    if (run->keep) {
        *run->keep = whole;
        return;
    }
    run->settings->done(run->settings->ctx, &whole->result);
    tj_result_free(&whole->result);
}

static void send_event(struct run *run, struct tj_event_info event, tj_str name,
                       tj_str text)
{
    struct tj_arena a = {0};
    event.name = tj_cstr(&a, name);
    event.text = tj_cstr(&a, text);
    event.size = text.len;
    run->settings->event(run->settings->ctx, &event);
    tj_arena_release(&a);
}

static void on_asked(void *ctx, const struct tj_ask *ask, uint32_t round)
{
    struct run *run = ctx;
    struct tj_event_info event = {.kind = TJ_EVENT_ASK, .round = round};
    if (round <= 1)
        send_event(run, event, TJ_STR("system"), ask->system);
    /* Tool results had events of their own. */
    if (ask->message_count &&
        ask->messages[ask->message_count - 1].role == TJ_ROLE_USER)
        send_event(run, event, TJ_STR("user"),
                   ask->messages[ask->message_count - 1].text);
}

static void on_replied(void *ctx, const struct tj_reply *reply, uint32_t round)
{
    struct tj_event_info event = {.kind = TJ_EVENT_REPLY,
                                  .round = round,
                                  .duration_ns = reply->duration_ns};
    bool failed = reply->stop == TJ_STOP_ERROR;
    send_event(ctx, event,
               tj_str_c(failed ? tj_llm_error_name(reply->error) : ""),
               failed ? reply->error_message : reply->message.text);
}

static void on_tool(void *ctx, const struct tj_call *call,
                    const struct tj_tool_reply *reply, bool repeated,
                    uint64_t duration_ns)
{
    struct run *run = ctx;
    (void)repeated;
    send_event(run, (struct tj_event_info){.kind = TJ_EVENT_TOOL_CALL},
               call->name, call->args);
    send_event(run,
               (struct tj_event_info){.kind = TJ_EVENT_TOOL_RESULT,
                                      .duration_ns = duration_ns},
               call->name, reply->text);
}

static bool open_model(struct run *run, const struct tj_judge_def *def,
                       struct tj_arena *a, struct tj_err *err)
{
    const struct tj_judge_settings *s = run->settings;
    struct tj_model_options options = {
        .base_url = tj_str_c(s->base_url),
        .api_key = tj_str_c(s->api_key),
        .rules = def->rules,
        .in_flight_max = s->in_flight,
        .retries_max = s->retries,
        .env = tj_api_env,
    };
    tj_str uri = s->model ? tj_str_c(s->model) : def->model;
    /* A judge file may come from anybody: the user says where a key goes. */
    if (!s->model && tj_str_find(uri, TJ_STR("base_url=")) != (size_t)-1)
        return tj_fail(err, TJ_E_INPUT,
                       "judge '%.*s' names a base_url, which would get your "
                       "API key: if you trust it, pass --model or --base-url",
                       TJ_STR_ARG(def->name));
    if (s->replay)
        uri = tj_str_printf(a, "replay:/%s", s->replay);
    if (!uri.len) {
        const char *fallback = tj_api_env("TRACEJUDGE_MODEL");
        if (!fallback)
            return tj_fail(err, TJ_E_INPUT,
                           "judge '%.*s' names no model: set model: in its "
                           "file, pass --model, or set TRACEJUDGE_MODEL",
                           TJ_STR_ARG(def->name));
        uri = tj_str_c(fallback);
    }
    if (!tj_model_open(uri, &options, run->loop, &run->model, err))
        return false;
    if (!s->record)
        return true;
    struct tj_model *recorded = NULL;
    if (!tj_model_record_open(run->model, tj_str_c(s->record), &recorded, err))
        return false;
    run->model = recorded;
    return true;
}

static struct tj_judge_options judge_options(struct run *run)
{
    struct tj_judge_options options = {
        .model_uri = run->model->uri,
        .context_tokens = run->model->context_tokens,
        .input_usd_per_mtok = run->model->input_usd_per_mtok,
        .cached_usd_per_mtok = run->model->cached_usd_per_mtok,
        .output_usd_per_mtok = run->model->output_usd_per_mtok,
        .allow_judge_traces = run->settings->judge_judges,
        .nonce = run->model->seed,
    };
    if (run->settings->event)
        options.watch = (struct tj_judge_watch){.asked = on_asked,
                                                .replied = on_replied,
                                                .tool_ran = on_tool,
                                                .ctx = run};
    return options;
}

static bool open_run(struct run *run, const struct tj_judge_def *def,
                     struct tj_arena *a, struct tj_err *err)
{
    if (!tj_loop_open(&run->loop, err) || !open_model(run, def, a, err))
        return false;
    struct tj_drive_options options = {
        .store = run->tj->store,
        .in_flight_max = run->settings->in_flight,
        .keep_transcript = !run->settings->do_not_store,
        .keep_verdict = !run->settings->do_not_store,
        .judge = judge_options(run),
    };
    return tj_drive_open(run->loop, &options, on_verdict, run, &run->drive,
                         err);
}

static void close_run(struct run *run)
{
    (void)pthread_mutex_lock(&run->tj->lock);
    run->tj->loop = NULL;
    (void)pthread_mutex_unlock(&run->tj->lock);
    tj_drive_close(run->drive);
    tj_model_close(run->model);
    tj_loop_close(run->loop);
}

/* tj_cancel stops the loop; what is open is then ended in an orderly way. */
static void run_to_end(struct run *run)
{
    (void)pthread_mutex_lock(&run->tj->lock);
    run->tj->loop = run->loop;
    (void)pthread_mutex_unlock(&run->tj->lock);
    bool told = false;
    while (run->open_count) {
        size_t before = run->open_count;
        if (atomic_load(&run->tj->cancelled) && !told) {
            told = true;
            tj_drive_cancel(run->drive);
            tj_model_cancel(run->model);
        }
        tj_loop_run(run->loop);
        if (run->open_count == before && told)
            break;
    }
}

static bool resolve_all(struct tracejudge *tj, const char *const *texts,
                        size_t count, tj_trace_id *ids, struct tj_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!tj_api_trace_id(tj, texts[i], &ids[i], err))
            return false;
    return true;
}

/* Judges them all; where the results go is the caller's choice. */
static bool judge_all(struct run *run, const struct tj_judge_def *judge,
                      const char *const *trace_ids, size_t count,
                      struct tj_error *err)
{
    struct tj_arena a = {0};
    struct tj_err why = {0};
    atomic_store(&run->tj->cancelled, false);
    tj_trace_id *ids = tj_arena_array(&a, tj_trace_id, count);
    bool ok = resolve_all(run->tj, trace_ids, count, ids, &why) &&
              open_run(run, judge, &a, &why);
    if (ok) {
        run->open_count = count;
        for (size_t i = 0; i < count; i++)
            tj_drive_add(run->drive, judge, run->model, ids[i]);
        run_to_end(run);
    }
    close_run(run);
    if (ok && run->failure.code != TJ_E_NONE) {
        why = run->failure;
        ok = false;
    }
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

static const struct tj_judge_settings plain_settings;

bool tj_judge_traces(struct tracejudge *tj, const struct tj_judge_def *judge,
                     const char *const *trace_ids, size_t count,
                     const struct tj_judge_settings *settings,
                     struct tj_error *err)
{
    assert(settings);
    assert(settings->done);
    struct run run = {.tj = tj, .settings = settings};
    return judge_all(&run, judge, trace_ids, count, err);
}

bool tj_judge_trace(struct tracejudge *tj, const struct tj_judge_def *judge,
                    const char *trace_id,
                    const struct tj_judge_settings *settings,
                    struct tj_result **out, struct tj_error *err)
{
    struct api_result *kept = NULL;
    struct run run = {.tj = tj,
                      .settings = settings ? settings : &plain_settings,
                      .keep = &kept};
    bool ok = judge_all(&run, judge, &trace_id, 1, err);
    if (ok && !kept) {
        struct tj_err why = {0};
        (void)tj_fail(&why, TJ_E_CANCELLED, "cancelled");
        ok = tj_api_fail(&why, err);
    }
    if (!ok && kept)
        tj_result_free(&kept->result);
    if (ok)
        *out = &kept->result;
    return ok;
}

void tj_cancel(struct tracejudge *tj)
{
    /* From a signal handler: an atomic store and a loop wake-up; the lock is
     * not taken, because the interrupted thread may hold it. */
    atomic_store(&tj->cancelled, true);
    struct tj_loop *loop = tj->loop;
    if (loop)
        tj_loop_stop(loop);
}
