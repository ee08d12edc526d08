/* model_record.c - a wrapper that writes down what was asked and answered.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One line per ask, {"model": {...}, "ask": {...}, "reply": {...}}, appended when the reply is
 * there and before it is delivered, so that a run that dies has on file all
 * that it had acted on.  Cancelled asks are not written: they have no answer.
 */
#include "base/file.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/random.h"
#include "llm/ask_json.h"
#include "llm/model_later.h"

struct record {
    struct tj_model model; /* first */
    struct tj_model *inner;
    struct tj_arena arena;
    const char *path;
};

/* One open ask; lives in the ask's arena. */
struct recording {
    struct record *record;
    const struct tj_ask *ask;
    struct tj_arena *arena;
    tj_reply_fn done;
    void *ctx;
};

static bool append(const struct recording *r, const struct tj_reply *reply,
                   struct tj_err *err)
{
    struct tj_arena scratch = {0};
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, &scratch, TJ_MODEL_REQUEST_BYTES_MAX * 2);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("model"));
    tj_model_facts_write(&w, &r->record->model);
    tj_jw_key(&w, TJ_STR("ask"));
    tj_ask_write(&w, r->ask);
    tj_jw_key(&w, TJ_STR("reply"));
    tj_reply_write(&w, reply);
    tj_jw_end(&w);
    tj_buf_byte(&b, '\n');
    bool ok = tj_buf_ok(&b, "recording", err) &&
              tj_file_append(r->record->path, tj_buf_str(&b), err);
    tj_arena_release(&scratch);
    return ok;
}

static void on_reply(void *ctx, const struct tj_reply *reply)
{
    struct recording *r = ctx;
    struct tj_err err;
    if (reply->error == TJ_LLM_CANCELLED || append(r, reply, &err)) {
        r->done(r->ctx, reply);
        return;
    }
    /* A gap would make the recording a lie, so the run ends here. */
    struct tj_reply failed =
        tj_reply_failed(r->arena, TJ_LLM_REPLAY, "record: %s", err.message);
    failed.usage = reply->usage;
    r->done(r->ctx, &failed);
}

static void record_ask(struct tj_model *model, const struct tj_ask *ask,
                       struct tj_arena *a, tj_reply_fn done, void *ctx)
{
    struct record *record = (struct record *)model;
    struct recording *r = tj_arena_new(a, struct recording);
    *r = (struct recording){record, ask, a, done, ctx};
    tj_model_ask(record->inner, ask, a, on_reply, r);
}

static void record_cancel(struct tj_model *model)
{
    tj_model_cancel(((struct record *)model)->inner);
}

static void record_close(struct tj_model *model)
{
    struct record *record = (struct record *)model;
    tj_model_close(record->inner);
    tj_arena_release(&record->arena);
    tj_heap_free(record);
}

static const struct tj_model_ops record_ops = {
    .name = "record",
    .ask = record_ask,
    .cancel = record_cancel,
    .close = record_close,
};

/* A recording that is continued keeps its seed; a new one gets one. */
static uint64_t choose_seed(struct record *record)
{
    struct tj_arena scratch = {0};
    struct tj_err ignored;
    struct tj_model before = {0};
    struct tj_json_doc doc;
    tj_str bytes;
    size_t used = 0;
    if (tj_file_read(record->path, TJ_RECORDING_BYTES_MAX, &scratch, &bytes,
                     &ignored) &&
        tj_json_parse_prefix(bytes, &scratch, &doc, &used, &ignored))
        tj_model_facts_read(tj_json_find(doc.root, TJ_STR("model")), &scratch,
                            &before);
    tj_arena_release(&scratch);
    return before.seed ? before.seed : tj_random_u64();
}

bool tj_model_record_open(struct tj_model *inner, tj_str path,
                          struct tj_model **out, struct tj_err *err)
{
    struct record *record = tj_heap_new(sizeof *record);
    record->path = tj_cstr(&record->arena, path);
    /* Says now, and not after the first paid reply, that it cannot write. */
    if (!tj_file_append(record->path, (tj_str){0}, err)) {
        tj_arena_release(&record->arena);
        tj_heap_free(record);
        return tj_err_wrap(err, "record");
    }
    record->model = *inner; /* uri and prices; they belong to inner */
    record->model.ops = &record_ops;
    record->model.seed = choose_seed(record);
    record->inner = inner;
    *out = &record->model;
    return true;
}
