/* model_replay.c - a model that answers from a recording.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Judgments that ran at the same time wrote their lines in order of arrival,
 * which need not come again; so an ask takes the first line not yet used that
 * holds the same ask.  When there is none, the first unused line says what the
 * run should have asked, and the reply names the difference.
 *
 * Asks are found by the SHA-256 of their canonical text; the text itself is
 * kept for the message.
 */
#include "base/file.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "llm/ask_json.h"
#include "llm/model_int.h"
#include "llm/model_later.h"

struct entry {
    unsigned char digest[TJ_SHA256_BYTES];
    const struct tj_json *ask;
    struct tj_reply reply;
    bool used;
};

struct replay {
    struct tj_model model; /* first */
    struct tj_arena arena;
    struct tj_later later;
    TJ_VEC(struct entry) entries;
    size_t first_unused;
};

static void digest_of(const struct tj_json *ask,
                      unsigned char out[TJ_SHA256_BYTES])
{
    struct tj_arena scratch = {0};
    struct tj_buf b;
    tj_buf_init(&b, &scratch, TJ_MODEL_REQUEST_BYTES_MAX * 2);
    tj_json_write(&b, ask, TJ_JSON_COMPACT);
    tj_sha256(tj_buf_str(&b), out);
    tj_arena_release(&scratch);
}

static struct entry *find(struct replay *r, const unsigned char *digest)
{
    for (size_t i = r->first_unused; i < r->entries.count; i++) {
        struct entry *e = &r->entries.items[i];
        if (!e->used && !memcmp(e->digest, digest, TJ_SHA256_BYTES))
            return e;
    }
    return NULL;
}

static void use(struct replay *r, struct entry *e)
{
    e->used = true;
    while (r->first_unused < r->entries.count &&
           r->entries.items[r->first_unused].used)
        r->first_unused++;
}

static struct tj_reply mismatch(const struct replay *r,
                                const struct tj_json *now, struct tj_arena *a)
{
    if (r->first_unused == r->entries.count)
        return tj_reply_failed(a, TJ_LLM_REPLAY,
                               "the recording has %zu asks and was asked once "
                               "more",
                               r->entries.count);
    const struct entry *e = &r->entries.items[r->first_unused];
    return tj_reply_failed(a, TJ_LLM_REPLAY, "not as recorded: ask %zu: %.*s",
                           r->first_unused + 1,
                           TJ_STR_ARG(tj_ask_diff(e->ask, now, a)));
}

static struct tj_reply answer(struct replay *r, const struct tj_ask *ask,
                              struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer w;
    struct tj_json_doc doc;
    struct tj_err err;
    tj_buf_init(&b, a, TJ_MODEL_REQUEST_BYTES_MAX * 2);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_ask_write(&w, ask);
    if (!tj_buf_ok(&b, "ask", &err) ||
        !tj_json_parse(tj_buf_str(&b), a, &doc, &err))
        return tj_reply_failed(a, TJ_LLM_REPLAY, "%s", err.message);
    unsigned char digest[TJ_SHA256_BYTES];
    digest_of(doc.root, digest);
    struct entry *e = find(r, digest);
    if (!e)
        return mismatch(r, doc.root, a);
    use(r, e);
    return tj_reply_copy(a, &e->reply);
}

static void replay_ask(struct tj_model *model, const struct tj_ask *ask,
                       struct tj_arena *a, tj_reply_fn done, void *ctx)
{
    struct replay *r = (struct replay *)model;
    struct tj_reply reply = answer(r, ask, a);
    tj_later_put(&r->later, &reply, done, ctx);
}

static void replay_cancel(struct tj_model *model)
{
    tj_later_cancel(&((struct replay *)model)->later);
}

static void replay_close(struct tj_model *model)
{
    struct replay *r = (struct replay *)model;
    tj_later_close(&r->later);
    tj_arena_release(&r->arena);
    tj_heap_free(r);
}

static const struct tj_model_ops replay_ops = {
    .name = "replay",
    .ask = replay_ask,
    .cancel = replay_cancel,
    .close = replay_close,
};

static bool read_line(struct replay *r, tj_str line, struct tj_err *err)
{
    struct tj_json_doc doc;
    struct entry e = {0};
    if (!tj_json_parse(line, &r->arena, &doc, err))
        return false;
    e.ask = tj_json_find(doc.root, TJ_STR("ask"));
    if (!tj_json_is_object(e.ask))
        return tj_fail(err, TJ_E_INPUT, "no \"ask\"");
    if (!tj_reply_read(tj_json_find(doc.root, TJ_STR("reply")), &r->arena,
                       &e.reply, err))
        return false;
    if (r->entries.count == 0)
        tj_model_facts_read(tj_json_find(doc.root, TJ_STR("model")), &r->arena,
                            &r->model);
    digest_of(e.ask, e.digest);
    *tj_vec_add(&r->entries, &r->arena) = e;
    return true;
}

static bool read_lines(struct replay *r, const char *path, tj_str rest,
                       struct tj_err *err)
{
    for (size_t number = 1; rest.ptr; number++) {
        tj_str line = tj_str_trim(tj_str_cut(&rest, '\n'));
        if (line.len && !read_line(r, line, err))
            return tj_err_wrap(err, "%s: line %zu", path, number);
    }
    return true;
}

static bool load(struct replay *r, tj_str path, struct tj_err *err)
{
    tj_str bytes;
    struct tj_err second;
    const char *file = tj_cstr(&r->arena, path);
    if (!tj_file_read(file, TJ_RECORDING_BYTES_MAX, &r->arena, &bytes, err)) {
        file = tj_cstr(&r->arena,
                       tj_str_printf(&r->arena, "/%.*s", TJ_STR_ARG(path)));
        if (!tj_file_read(file, TJ_RECORDING_BYTES_MAX, &r->arena, &bytes,
                          &second))
            return tj_err_wrap(err, "replay");
    }
    return read_lines(r, file, bytes, err);
}

bool tj_model_replay_open(tj_str path, struct tj_loop *loop,
                          struct tj_model **out, struct tj_err *err)
{
    struct replay *r = tj_heap_new(sizeof *r);
    r->model.ops = &replay_ops;
    r->model.loop = loop;
    r->model.uri = tj_str_printf(&r->arena, "replay:/%.*s", TJ_STR_ARG(path));
    r->model.input_usd_per_mtok = -1;
    r->model.cached_usd_per_mtok = -1;
    r->model.output_usd_per_mtok = -1;
    r->later.loop = loop;
    if (!load(r, path, err)) {
        replay_close(&r->model);
        return false;
    }
    *out = &r->model;
    return true;
}
