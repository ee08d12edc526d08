/* bench_judge.c - what a judgment costs beside waiting for its model.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Judgments of five requests each (list, read, search, problems, answer) over
 * one trace of 200 spans, against a model that answers after a delay.  "CPU a
 * turn" is all that the engine does between two replies; the ideal wall time
 * is the delay times five.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "base/heap.h"
#include "judge/drive.h"
#include "net/loop.h"
#include "store/store.h"
#include "trace/build.h"

enum { SPANS = 200, TURNS = 5, TEXT_BYTES = 1500 };

static const struct step {
    const char *name;
    const char *args;
} steps[TURNS - 1] = {
    {"list_spans", "{}"},
    {"get_span", "{\"span_id\": \"0000000000000009\"}"},
    {"search_trace_regex", "{\"pattern\": \"needle [0-9]+\"}"},
    {"find_problems", "{}"},
};

static const char answer[] =
    "{\"result\": true, \"rationale\": \"it is there\", \"evidence\": [{"
    "\"span_id\": \"0000000000000009\", \"field\": \"output\", "
    "\"quote\": \"needle 9\"}]}";

/* -- a model with a delay ------------------------------------------------- */

struct slow {
    struct tj_model model; /* first */
    uint64_t delay_ms;
};

struct pending {
    struct tj_reply reply;
    tj_reply_fn done;
    void *ctx;
};

static void fire(void *ctx)
{
    struct pending p = *(struct pending *)ctx;
    p.done(p.ctx, &p.reply);
}

static void slow_ask(struct tj_model *model, const struct tj_ask *ask,
                     struct tj_arena *a, tj_reply_fn done, void *ctx)
{
    struct slow *s = (struct slow *)model;
    struct pending *p = tj_arena_new(a, struct pending);
    size_t turn = 0;
    for (size_t i = 0; i < ask->message_count; i++)
        turn += ask->messages[i].role == TJ_ROLE_ASSISTANT;
    p->done = done;
    p->ctx = ctx;
    p->reply.usage = TJ_LLM_USAGE_UNKNOWN;
    p->reply.message.role = TJ_ROLE_ASSISTANT;
    if (turn < TURNS - 1) {
        p->reply.stop = TJ_STOP_TOOLS;
        *tj_vec_add(&p->reply.message.uses, a) = (struct tj_tool_use){
            .id = TJ_STR("c"),
            .name = tj_str_c(steps[turn].name),
            .args = tj_str_c(steps[turn].args),
        };
    } else {
        p->reply.stop = TJ_STOP_END;
        p->reply.message.text = tj_str_c(answer);
    }
    (void)tj_loop_after(model->loop, s->delay_ms, fire, p);
}

static void slow_close(struct tj_model *model)
{
    tj_heap_free(model);
}

static const struct tj_model_ops slow_ops = {
    .name = "slow",
    .ask = slow_ask,
    .close = slow_close,
};

static struct tj_model *slow_open(struct tj_loop *loop, uint64_t delay_ms)
{
    struct slow *s = tj_heap_new(sizeof *s);
    s->model.ops = &slow_ops;
    s->model.loop = loop;
    s->model.uri = TJ_STR("bench:/slow");
    s->model.input_usd_per_mtok = -1;
    s->model.cached_usd_per_mtok = -1;
    s->model.output_usd_per_mtok = -1;
    s->delay_ms = delay_ms;
    return &s->model;
}

/* -- one run -------------------------------------------------------------- */

static void add_spans(struct tj_arena *a, struct tj_store *store,
                      tj_trace_id id)
{
    struct tj_err err = {0};
    struct tj_batch batch;
    tj_batch_init(&batch, a);
    struct tj_build *b = tj_build_new(a, &batch);
    for (unsigned i = 1; i <= SPANS; i++) {
        tj_span_id span = {
            {0, 0, 0, 0, 0, 0, (unsigned char)(i >> 8), (unsigned char)i}};
        struct tj_span *s = tj_build_span(b, id, span);
        s->name = tj_str_printf(a, "step_%u", i % 17);
        s->kind = i % 2 ? TJ_KIND_LLM : TJ_KIND_TOOL;
        s->start = UINT64_C(1700000000000000000) + i * TJ_NS_PER_MS;
        s->end = s->start + 2 * TJ_NS_PER_MS;
        if (i > 1)
            s->parent_id.bytes[7] = 1;
        struct tj_buf text;
        tj_buf_init(&text, a, 2 * TEXT_BYTES);
        tj_buf_fmt(&text, "needle %u ", i);
        tj_buf_repeat(&text, 'x', TEXT_BYTES);
        tj_build_attr_text(b, TJ_STR("mlflow.spanOutputs"), tj_buf_str(&text));
        tj_build_end(b);
    }
    if (!tj_store_add_batch(store, &batch, &err))
        fprintf(stderr, "%s\n", err.message);
}

static void on_verdict(void *ctx, const struct tj_verdict *verdict,
                       const struct tj_err *err)
{
    size_t *good = ctx;
    *good += !err && verdict->state == TJ_VERDICT_RATED;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static bool run(size_t count, uint64_t delay_ms, struct tj_err *err)
{
    static const struct tj_store_options create = {.create = true};
    struct tj_arena a = {0};
    struct tj_store *store = NULL;
    struct tj_loop *loop = NULL;
    struct tj_drive *drive = NULL;
    struct tj_judge_def def;
    tj_trace_id id = {{7}};
    size_t good = 0;
    struct tj_drive_options options = {.in_flight_max = (uint32_t)count};
    if (!tj_store_open(TJ_STR("memory:"), &create, &store, err))
        return false;
    options.store = store;
    if (!tj_loop_open(&loop, err) ||
        !tj_judge_def_parse(TJ_STR("---\nvalue: bool\nevidence: required\n"
                                   "---\nIs there a needle in {{ trace }}?"),
                            "needle.md", &a, &def, err) ||
        !tj_drive_open(loop, &options, on_verdict, &good, &drive, err))
        return false;
    add_spans(&a, store, id);
    struct tj_model *model = slow_open(loop, delay_ms);
    uint64_t start = tj_mono_ns();
    double cpu = cpu_seconds();
    for (size_t i = 0; i < count; i++)
        tj_drive_add(drive, &def, model, id);
    tj_loop_run(loop);
    double wall = (double)(tj_mono_ns() - start) / 1e9;
    cpu = cpu_seconds() - cpu;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("%9zu %9zu %9llu %11.3f %11.3f %10.3f %10.1f\n", count, good,
           (unsigned long long)delay_ms, wall, (double)(delay_ms * TURNS) / 1e3,
           cpu * 1e3 / (double)(count * TURNS), (double)u.ru_maxrss / 1024);
    tj_drive_close(drive);
    tj_model_close(model);
    tj_loop_close(loop);
    tj_store_close(store);
    tj_arena_release(&a);
    return true;
}

int main(void)
{
    struct tj_err err = {0};
    printf("%9s %9s %9s %11s %11s %10s %10s\n", "judgments", "rated",
           "delay ms", "wall s", "ideal s", "CPU ms/turn", "peak MB");
    if (run(100, 0, &err) && run(500, 200, &err) && run(2000, 200, &err) &&
        run(2000, 1000, &err))
        return 0;
    fprintf(stderr, "bench_judge: %s\n", err.message);
    return 1;
}
