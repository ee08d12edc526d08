/* context.c - the messages of a judgment, kept inside the model's window.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/context.h"

enum { BYTES_PER_TOKEN = 4, MESSAGE_OVERHEAD_BYTES = 32 };

static uint64_t message_bytes(const struct tj_message *m)
{
    uint64_t bytes = MESSAGE_OVERHEAD_BYTES;
    if (m->raw.len > 0)
        return bytes + m->raw.len;
    bytes += m->text.len;
    for (size_t i = 0; i < m->uses.count; i++)
        bytes += MESSAGE_OVERHEAD_BYTES + m->uses.items[i].name.len +
                 m->uses.items[i].args.len;
    return bytes;
}

void tj_context_init(struct tj_context *c, uint64_t fixed_bytes,
                     struct tj_arena *a)
{
    *c = (struct tj_context){.arena = a, .bytes = fixed_bytes};
}

static size_t add(struct tj_context *c, const struct tj_message *m,
                  struct tj_context_mark mark)
{
    *tj_vec_add(&c->messages, c->arena) = *m;
    *tj_vec_add(&c->marks, c->arena) = mark;
    c->bytes += message_bytes(m);
    return c->messages.count - 1;
}

void tj_context_add_user(struct tj_context *c, tj_str text)
{
    struct tj_message m = {.role = TJ_ROLE_USER, .text = text};
    (void)add(c, &m, (struct tj_context_mark){0});
}

void tj_context_add_assistant(struct tj_context *c, const struct tj_message *m)
{
    struct tj_arena *a = c->arena;
    struct tj_message copy = {
        .role = TJ_ROLE_ASSISTANT,
        .text = tj_str_dup(a, m->text),
        .raw = tj_str_dup(a, m->raw),
        .raw_dialect = m->raw_dialect,
    };
    for (size_t i = 0; i < m->uses.count; i++) {
        *tj_vec_add(&copy.uses, a) = (struct tj_tool_use){
            .id = tj_str_dup(a, m->uses.items[i].id),
            .name = tj_str_dup(a, m->uses.items[i].name),
            .args = tj_str_dup(a, m->uses.items[i].args),
        };
    }
    (void)add(c, &copy, (struct tj_context_mark){0});
}

size_t tj_context_add_result(struct tj_context *c,
                             const struct tj_tool_use *use, tj_str text,
                             uint32_t call)
{
    struct tj_message m = {
        .role = TJ_ROLE_TOOL,
        .text = text,
        .use_id = use->id,
        .use_name = use->name,
    };
    return add(c, &m,
               (struct tj_context_mark){.is_result = true, .call = call});
}

void tj_context_measured(struct tj_context *c, int64_t input_tokens)
{
    if (input_tokens <= 0)
        return;
    c->asked_bytes = c->bytes;
    c->asked_tokens = (uint64_t)input_tokens;
}

uint64_t tj_context_tokens(const struct tj_context *c)
{
    if (c->asked_tokens == 0)
        return c->bytes / BYTES_PER_TOKEN;
    double per_byte = (double)c->asked_tokens / (double)c->asked_bytes;
    return (uint64_t)((double)c->bytes * per_byte);
}

/* False when the stub would be no shorter. */
static bool drop(struct tj_context *c, size_t index)
{
    struct tj_message *m = &c->messages.items[index];
    tj_str stub = tj_str_printf(
        c->arena,
        "[result of call %u (%zu bytes) dropped to save room; call %.*s again "
        "with the same arguments to see it]",
        c->marks.items[index].call, m->text.len,
        (int)tj_size_min(m->use_name.len, 64),
        m->use_name.ptr ? m->use_name.ptr : "");
    if (stub.len >= m->text.len)
        return false;
    c->bytes -= m->text.len - stub.len;
    m->text = stub;
    c->marks.items[index].is_dropped = true;
    return true;
}

size_t tj_context_shrink(struct tj_context *c, uint64_t tokens_target)
{
    size_t dropped = 0;
    for (size_t i = 0; i < c->messages.count; i++) {
        if (tj_context_tokens(c) <= tokens_target)
            break;
        if (c->marks.items[i].is_result && !c->marks.items[i].is_dropped)
            dropped += drop(c, i);
    }
    return dropped;
}
