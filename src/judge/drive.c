/* drive.c - runs judges against models on a loop, and stores what they say.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     add --> queued --> begun (trace opened, judge made) --> asking ... -->
 *     verdict --> transcript stored --> assessment stored --> done()
 */
#include "judge/drive.h"

#include "base/heap.h"
#include "base/sha256.h"
#include "net/loop.h"
#include "store/store.h"

enum { IN_FLIGHT_DEFAULT = 8 };

struct job {
    struct tj_drive *drive;
    const struct tj_judge_def *def;
    struct tj_model *model;
    tj_trace_id trace_id;
    struct tj_arena arena; /* the case */
    struct tj_trace trace;
    struct tj_judge *judge;
    struct tj_ask ask;
    struct job *next;
    struct job *previous; /* among those under way */
};

struct tj_drive {
    struct tj_loop *loop;
    struct tj_drive_options options;
    tj_verdict_fn done;
    void *ctx;
    struct job *queue;
    struct job **queue_end;
    struct job *under_way;
    uint32_t in_flight;
    struct tj_timer *pump_due; /* NULL: none */
    bool cancelled;
};

/* -- jobs ----------------------------------------------------------------- */

static void link_job(struct tj_drive *d, struct job *job)
{
    job->previous = NULL;
    job->next = d->under_way;
    if (job->next)
        job->next->previous = job;
    d->under_way = job;
    d->in_flight++;
}

static void unlink_job(struct tj_drive *d, struct job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        d->under_way = job->next;
    if (job->next)
        job->next->previous = job->previous;
    d->in_flight--;
}

static void free_job(struct job *job)
{
    tj_arena_release(&job->arena);
    tj_heap_free(job);
}

static void pump_soon(struct tj_drive *d);

/* err is NULL when nothing of ours failed. */
static void end_job(struct job *job, const struct tj_verdict *verdict,
                    const struct tj_err *err)
{
    struct tj_drive *d = job->drive;
    unlink_job(d, job);
    d->done(d->ctx, verdict, err);
    free_job(job);
    if (d->queue)
        pump_soon(d);
}

/* The judgment did not come to a verdict: the store failed, or the subject
 * cannot be judged. */
static void end_failed(struct job *job, const struct tj_err *err)
{
    tj_str uri = job->drive->options.judge.model_uri;
    struct tj_verdict v = {
        .trace_id = job->trace_id,
        .judge = job->def->name,
        .model = uri.len ? uri : job->model->uri,
        .state = TJ_VERDICT_ERROR,
        .value_json = TJ_STR("null"),
        .error_code = tj_str_c(tj_code_name(err->code)),
        .error_message = tj_str_c(err->message),
        .input_tokens = -1,
        .cached_input_tokens = -1,
        .output_tokens = -1,
        .cost_usd = -1.0,
        .stopped_by = TJ_BY_ERROR,
    };
    end_job(job, &v, err);
}

/* -- storing -------------------------------------------------------------- */

/* A store that keeps no traces (store.h) may say so only when it is given one,
 * and one on a server may find a run too large: then the run is not stored, and
 * the verdict stands without it. */
static bool keep_transcript(struct job *job, struct tj_verdict *v,
                            struct tj_err *err)
{
    struct tj_store *store = job->drive->options.store;
    struct tj_batch batch;
    if (!tj_store_keeps_traces(store))
        return true;
    tj_judge_transcript(job->judge, &job->arena, &batch);
    if (!tj_store_add_batch(store, &batch, err))
        return !tj_store_keeps_traces(store) || err->code == TJ_E_INPUT ||
               err->code == TJ_E_LIMIT || tj_err_wrap(err, "store the run");
    if (batch.spans.count > 0)
        v->judge_trace_id = batch.spans.items[0].trace_id;
    return true;
}

/* Is there a rating under this key?  A failure does not take its place. */
static bool find_rating(struct job *job, tj_str key, bool *found,
                        struct tj_err *err)
{
    struct tj_assessment *all = NULL;
    size_t count = 0;
    *found = false;
    if (!tj_store_assessments(job->drive->options.store, job->trace_id,
                              &job->arena, &all, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (tj_str_eq(all[i].key, key) && all[i].error_code.len == 0)
            *found = true;
    }
    return true;
}

static bool keep_verdict(struct job *job, struct tj_verdict *v,
                         struct tj_err *err)
{
    struct tj_assessment as;
    bool rated = false;
    tj_verdict_assessment(v, &job->arena, &as);
    if (v->state == TJ_VERDICT_ERROR && !find_rating(job, as.key, &rated, err))
        return tj_err_wrap(err, "store the verdict");
    if (rated)
        return true;
    if (!tj_store_add_assessment(job->drive->options.store, &as, &job->arena,
                                 err))
        return tj_err_wrap(err, "store the verdict");
    v->assessment_id = as.id;
    return true;
}

static void end_judged(struct job *job)
{
    const struct tj_drive_options *o = &job->drive->options;
    struct tj_verdict v = *tj_judge_verdict(job->judge);
    struct tj_err err = {0};
    bool keep = v.stopped_by != TJ_BY_CANCELLED;
    bool ok = true;
    if (keep && o->keep_transcript)
        ok = keep_transcript(job, &v, &err);
    if (ok && keep && o->keep_verdict)
        ok = keep_verdict(job, &v, &err);
    end_job(job, &v, ok ? NULL : &err);
}

/* -- running -------------------------------------------------------------- */

static void step_job(struct job *job);

static void on_reply(void *ctx, const struct tj_reply *reply)
{
    struct job *job = ctx;
    struct tj_err err = {0};
    if (tj_judge_answer(job->judge, reply, &err))
        step_job(job);
    else
        end_failed(job, &err);
}

static void step_job(struct job *job)
{
    struct tj_err err = {0};
    switch (tj_judge_next(job->judge, &job->ask, &err)) {
    case TJ_JUDGE_ASK:
        tj_model_ask(job->model, &job->ask, &job->arena, on_reply, job);
        return;
    case TJ_JUDGE_DONE: end_judged(job); return;
    case TJ_JUDGE_FAILED: end_failed(job, &err); return;
    }
}

/* A recording keeps its model's seed: the same judgment gets the same number
 * in its replay, in whatever order judgments run. */
static uint64_t nonce_from(uint64_t seed, const struct job *job,
                           struct tj_arena *a)
{
    unsigned char digest[TJ_SHA256_BYTES];
    uint64_t nonce = 0;
    tj_str from =
        tj_str_printf(a, "%016llx %.*s %.*s", (unsigned long long)seed,
                      TJ_STR_ARG(tj_trace_id_text(a, job->trace_id)),
                      TJ_STR_ARG(job->def->digest));
    tj_sha256(from, digest);
    memcpy(&nonce, digest, sizeof nonce);
    return nonce;
}

/* What the model knows of itself, where the options say nothing. */
static struct tj_judge_options options_for(struct job *job)
{
    struct tj_judge_options o = job->drive->options.judge;
    const struct tj_model *m = job->model;
    if (o.model_uri.len == 0)
        o.model_uri = m->uri;
    if (o.context_tokens == 0)
        o.context_tokens = m->context_tokens;
    o.input_usd_per_mtok = m->input_usd_per_mtok;
    o.cached_usd_per_mtok = m->cached_usd_per_mtok;
    o.output_usd_per_mtok = m->output_usd_per_mtok;
    if (o.nonce == 0 && m->seed != 0)
        o.nonce = nonce_from(m->seed, job, &job->arena);
    return o;
}

static bool open_job(struct job *job, struct tj_err *err)
{
    struct tj_drive *d = job->drive;
    if (!tj_store_open_trace(d->options.store, job->trace_id, &job->arena,
                             &job->trace, err))
        return false;
    if (!tj_trace_is_open(&job->trace)) {
        tj_str id = tj_trace_id_mlflow(&job->arena, job->trace_id);
        return tj_fail(err, TJ_E_INPUT, "trace %.*s is not in the store",
                       TJ_STR_ARG(id));
    }
    struct tj_subject subject = {.trace = &job->trace};
    struct tj_judge_options options = options_for(job);
    return tj_judge_new(job->def, &subject, &options, &job->arena, &job->judge,
                        err);
}

static void pump(void *ctx)
{
    struct tj_drive *d = ctx;
    d->pump_due = NULL;
    while (d->queue && !d->cancelled &&
           d->in_flight < d->options.in_flight_max) {
        struct job *job = d->queue;
        struct tj_err err = {0};
        d->queue = job->next;
        if (!d->queue)
            d->queue_end = &d->queue;
        link_job(d, job);
        if (open_job(job, &err))
            step_job(job);
        else
            end_failed(job, &err);
    }
}

static void pump_soon(struct tj_drive *d)
{
    if (d->pump_due || d->cancelled)
        return;
    d->pump_due = tj_loop_after(d->loop, 0, pump, d);
}

/* -- the front ------------------------------------------------------------ */

bool tj_drive_open(struct tj_loop *loop, const struct tj_drive_options *options,
                   tj_verdict_fn done, void *ctx, struct tj_drive **out,
                   struct tj_err *err)
{
    if (!options->store)
        return tj_fail(err, TJ_E_INPUT, "no store to judge traces of");
    struct tj_drive *d = tj_heap_new(sizeof *d);
    d->loop = loop;
    d->options = *options;
    if (d->options.in_flight_max == 0)
        d->options.in_flight_max = IN_FLIGHT_DEFAULT;
    d->done = done;
    d->ctx = ctx;
    d->queue_end = &d->queue;
    *out = d;
    return true;
}

void tj_drive_add(struct tj_drive *d, const struct tj_judge_def *def,
                  struct tj_model *model, tj_trace_id trace)
{
    struct job *job = tj_heap_new(sizeof *job);
    job->drive = d;
    job->def = def;
    job->model = model;
    job->trace_id = trace;
    *d->queue_end = job;
    d->queue_end = &job->next;
    pump_soon(d);
}

/* The judge is told first, so what the model still says is not looked at;
 * then the models let go, and each open ask comes back. */
void tj_drive_cancel(struct tj_drive *d)
{
    d->cancelled = true;
    for (struct job *job = d->under_way; job; job = job->next) {
        if (job->judge)
            tj_judge_cancel(job->judge);
    }
    for (struct job *job = d->under_way; job; job = job->next)
        tj_model_cancel(job->model);
}

void tj_drive_close(struct tj_drive *d)
{
    if (!d)
        return;
    assert(!d->under_way); /* run the loop until all are done */
    if (d->pump_due)
        tj_timer_cancel(d->pump_due);
    while (d->queue) {
        struct job *job = d->queue;
        d->queue = job->next;
        free_job(job);
    }
    tj_heap_free(d);
}
