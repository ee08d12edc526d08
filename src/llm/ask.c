/* ask.c - names of the words that asks and replies are made of.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/ask.h"

const char *tj_llm_error_name(enum tj_llm_error error)
{
    static const char *const names[] = {
#define X(name, text) text,
        TJ_LLM_ERRORS(X)
#undef X
    };
    assert((size_t)error < TJ_COUNT(names));
    return names[error];
}

static void copy_message(struct tj_arena *a, struct tj_message *m)
{
    struct tj_message from = *m;
    m->text = tj_str_dup(a, from.text);
    m->raw = tj_str_dup(a, from.raw);
    if (from.raw_dialect)
        m->raw_dialect = tj_cstr(a, tj_str_c(from.raw_dialect));
    m->use_id = tj_str_dup(a, from.use_id);
    m->use_name = tj_str_dup(a, from.use_name);
    m->uses.items = NULL;
    m->uses.count = 0;
    m->uses.cap = 0;
    tj_vec_each (&from.uses, const struct tj_tool_use, use) {
        struct tj_tool_use *copy = tj_vec_add(&m->uses, a);
        copy->id = tj_str_dup(a, use->id);
        copy->name = tj_str_dup(a, use->name);
        copy->args = tj_str_dup(a, use->args);
    }
}

struct tj_reply tj_reply_copy(struct tj_arena *a, const struct tj_reply *from)
{
    struct tj_reply reply = *from;
    copy_message(a, &reply.message);
    reply.model = tj_str_dup(a, from->model);
    reply.response_id = tj_str_dup(a, from->response_id);
    reply.error_message = tj_str_dup(a, from->error_message);
    return reply;
}
