/* model_script.c - a model that answers from a list, for tests.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Lines {"reply": {...}} as recordings have them; what was asked does not
 * matter.  After the last line every ask gets TJ_LLM_REPLAY.
 */
#include "base/heap.h"
#include "base/limits.h"
#include "llm/ask_json.h"
#include "llm/model_later.h"

struct script {
    struct tj_model model; /* first */
    struct tj_arena arena;
    struct tj_later later;
    TJ_VEC(struct tj_reply) replies;
    size_t next;
};

static void script_ask(struct tj_model *model, const struct tj_ask *ask,
                       struct tj_arena *a, tj_reply_fn done, void *ctx)
{
    struct script *s = (struct script *)model;
    (void)ask;
    struct tj_reply reply;
    if (s->next < s->replies.count)
        reply = tj_reply_copy(a, &s->replies.items[s->next++]);
    else
        reply = tj_reply_failed(a, TJ_LLM_REPLAY,
                                "the script has %zu replies and was asked "
                                "once more",
                                s->replies.count);
    tj_later_put(&s->later, &reply, done, ctx);
}

static void script_cancel(struct tj_model *model)
{
    tj_later_cancel(&((struct script *)model)->later);
}

static void script_close(struct tj_model *model)
{
    struct script *s = (struct script *)model;
    tj_later_close(&s->later);
    tj_arena_release(&s->arena);
    tj_heap_free(s);
}

static const struct tj_model_ops script_ops = {
    .name = "script",
    .ask = script_ask,
    .cancel = script_cancel,
    .close = script_close,
};

static bool read_line(struct script *s, tj_str line, size_t number,
                      struct tj_err *err)
{
    struct tj_json_doc doc;
    struct tj_reply reply;
    if (!tj_json_parse(line, &s->arena, &doc, err) ||
        !tj_reply_read(tj_json_find(doc.root, TJ_STR("reply")), &s->arena,
                       &reply, err))
        return tj_err_wrap(err, "script line %zu", number);
    *tj_vec_add(&s->replies, &s->arena) = reply;
    return true;
}

static bool read_lines(struct script *s, tj_str lines, struct tj_err *err)
{
    tj_str rest = tj_str_dup(&s->arena, lines);
    for (size_t number = 1; rest.ptr; number++) {
        tj_str line = tj_str_trim(tj_str_cut(&rest, '\n'));
        if (line.len && !read_line(s, line, number, err))
            return false;
    }
    return true;
}

bool tj_model_script_open(struct tj_loop *loop, tj_str lines,
                          struct tj_model **out, struct tj_err *err)
{
    struct script *s = tj_heap_new(sizeof *s);
    s->model.ops = &script_ops;
    s->model.loop = loop;
    s->model.uri = TJ_STR("script:/test");
    s->model.input_usd_per_mtok = -1;
    s->model.cached_usd_per_mtok = -1;
    s->model.output_usd_per_mtok = -1;
    s->later.loop = loop;
    if (!read_lines(s, lines, err)) {
        script_close(&s->model);
        return false;
    }
    *out = &s->model;
    return true;
}
