/* fmt_steps.c - what the formats share that tell a run as a list of steps.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace/fmt_steps.h"

#include "base/limits.h"
#include "base/map.h"
#include "text/json_write.h"
#include "text/plain.h"

/* Text of all inputs together is bounded by the file's; one piece by this. */
#define TEXT_MAX TJ_IMPORT_BYTES_MAX

void tj_steps_init(struct tj_steps *st, struct tj_build *b,
                   struct tj_batch *batch, tj_trace_id id)
{
    *st = (struct tj_steps){
        .build = b, .batch = batch, .trace_id = id, .clock = TJ_NS_PER_MS};
    st->root_id = tj_steps_id(st, TJ_STR(""));
}

tj_trace_id tj_steps_trace_id(tj_str kind, tj_str hint,
                              const struct tj_json *content)
{
    struct tj_arena a = {0};
    struct tj_buf b;
    tj_buf_init(&b, &a, TEXT_MAX);
    tj_buf_add(&b, kind);
    tj_buf_byte(&b, '\n');
    tj_buf_add(&b, hint);
    tj_buf_byte(&b, '\n');
    if (content)
        tj_json_write(&b, content, TJ_JSON_COMPACT);
    tj_trace_id id = tj_trace_id_derive(tj_buf_str(&b));
    tj_arena_release(&a);
    return id;
}

tj_span_id tj_steps_id(const struct tj_steps *st, tj_str path)
{
    return tj_build_child_id(st->trace_id, path);
}

struct tj_span *tj_steps_open(struct tj_steps *st,
                              const struct tj_steps_span *what)
{
    struct tj_span *s =
        tj_build_span(st->build, st->trace_id, tj_steps_id(st, what->path));
    s->parent_id = what->parent;
    s->name = what->name;
    s->kind = what->kind;
    s->start = what->start;
    s->end = what->end;
    s->marks |= what->marks | TJ_MARK_ID_DERIVED;
    if (!what->start) {
        s->start = st->clock;
        s->end = st->clock;
        s->marks |= TJ_MARK_TIME_GUESSED;
        st->clock += TJ_NS_PER_MS;
    }
    return s;
}

struct tj_span *tj_steps_open_root(struct tj_steps *st, tj_str name,
                                   tj_time start, tj_time end)
{
    struct tj_steps_span what = {.path = TJ_STR(""),
                                 .name = name,
                                 .kind = TJ_KIND_AGENT,
                                 .start = start,
                                 .end = end};
    struct tj_span *s = tj_steps_open(st, &what);
    if (!start)
        s->start = TJ_NS_PER_MS;
    return s;
}

tj_str tj_steps_llm_name(struct tj_steps *st, tj_str model)
{
    if (model.len == 0)
        return TJ_STR("assistant");
    return tj_str_printf(st->batch->arena, "chat %.*s", TJ_STR_ARG(model));
}

/* -- attributes ------------------------------------------------------------ */

void tj_steps_text(struct tj_steps *st, const char *key, tj_str text)
{
    if (text.len > 0)
        tj_build_attr_text(st->build, tj_str_c(key), text);
}

void tj_steps_value(struct tj_steps *st, const char *key,
                    const struct tj_json *v)
{
    if (!tj_json_is_null(v))
        tj_build_attr(st->build, tj_str_c(key), v);
}

void tj_steps_plain(struct tj_steps *st, const char *key,
                    const struct tj_buf *text)
{
    st->full |= text->full;
    if (!text->full)
        tj_build_attr_plain(st->build, tj_str_c(key), TJ_FIELD_JSON,
                            tj_buf_str(text));
}

static void count(struct tj_steps *st, const char *key, int64_t value)
{
    if (value >= 0)
        tj_build_attr_i64(st->build, tj_str_c(key), value);
}

void tj_steps_usage(struct tj_steps *st, const struct tj_usage *u)
{
    count(st, "gen_ai.usage.input_tokens", u->input_tokens);
    count(st, "gen_ai.usage.output_tokens", u->output_tokens);
    count(st, "gen_ai.usage.cache_read.input_tokens", u->cache_read_tokens);
    count(st, "gen_ai.usage.cache_creation.input_tokens",
          u->cache_write_tokens);
    count(st, "gen_ai.usage.reasoning.output_tokens", u->reasoning_tokens);
    if (u->cost_usd >= 0)
        tj_build_attr_double(st->build, TJ_STR("gen_ai.usage.cost"),
                             u->cost_usd);
}

/* -- what models hear ------------------------------------------------------ */

void tj_steps_hear(struct tj_steps *st, struct tj_heard message)
{
    *tj_vec_add(&st->heard, st->batch->arena) = message;
}

void tj_steps_input(struct tj_steps *st)
{
    if (st->heard.count == 0)
        return;
    struct tj_buf b;
    tj_steps_buf(st, &b);
    tj_steps_raw(&b, "[");
    tj_vec_each (&st->heard, struct tj_heard, h) {
        tj_steps_item(&b);
        tj_buf_fmt(&b, "{\"role\": \"%s\"", h->role);
        if (h->call_id)
            tj_steps_member(&b, "tool_call_id", h->call_id);
        tj_steps_member(&b, "content", h->content);
        tj_steps_raw(&b, "}");
    }
    tj_steps_raw(&b, "]");
    tj_steps_plain(st, "input.value", &b);
    st->heard.count = 0;
}

void tj_steps_leave(struct tj_steps *st, tj_span_id parent)
{
    struct tj_arena *a = st->batch->arena;
    tj_vec_each (&st->heard, struct tj_heard, h) {
        if (h->shown)
            continue;
        size_t n = st->leftovers++;
        tj_steps_open(
            st, &(struct tj_steps_span){.path = tj_str_printf(a, "left/%zu", n),
                                        .name = tj_str_c(h->role),
                                        .parent = parent});
        tj_steps_value(st, "output.value", h->content);
        tj_build_end(st->build);
    }
    st->heard.count = 0;
}

/* -- calls ----------------------------------------------------------------- */

void tj_steps_reset_calls(struct tj_steps *st)
{
    tj_arena_reset(&st->scratch);
    st->calls.items = NULL;
    st->calls.count = st->calls.cap = 0;
    st->answers.items = NULL;
    st->answers.count = st->answers.cap = 0;
}

void tj_steps_add_call(struct tj_steps *st, struct tj_call call)
{
    if (!tj_json_is_string(call.id))
        call.id = NULL;
    *tj_vec_add(&st->calls, &st->scratch) = call;
}

void tj_steps_add_answer(struct tj_steps *st, struct tj_answer answer)
{
    if (!tj_json_is_string(answer.id))
        answer.id = NULL;
    *tj_vec_add(&st->answers, &st->scratch) = answer;
}

/* Answers by call id; the first one of an id counts. */
static void index_answers(struct tj_steps *st, struct tj_map *by_id)
{
    tj_map_init(by_id, &st->scratch);
    for (size_t i = 0; i < st->answers.count; i++) {
        const struct tj_json *id = st->answers.items[i].id;
        bool fresh = false;
        if (!id)
            continue;
        struct tj_map_entry *e = tj_map_add(by_id, tj_json_str(id), &fresh);
        if (fresh)
            e->number = i;
    }
}

/* The answer to a call: by id; where one of the two has none, by order.
 * *cursor only moves forward, so a step costs what it is long. */
static struct tj_answer *take_answer(struct tj_steps *st,
                                     const struct tj_call *call,
                                     const struct tj_map *by_id, size_t *cursor)
{
    const struct tj_map_entry *e =
        call->id ? tj_map_find(by_id, tj_json_str(call->id)) : NULL;
    if (e && !st->answers.items[e->number].used)
        return &st->answers.items[e->number];
    while (*cursor < st->answers.count && st->answers.items[*cursor].used)
        (*cursor)++;
    if (*cursor == st->answers.count)
        return NULL;
    struct tj_answer *next = &st->answers.items[*cursor];
    return !next->id || !call->id ? next : NULL;
}

static void write_call(struct tj_steps *st, const struct tj_steps_span *at,
                       const struct tj_call *call, struct tj_answer *answer)
{
    tj_str name = tj_json_str(call->name);
    if (name.len == 0 && answer)
        name = tj_json_str(answer->name);
    struct tj_steps_span what = *at;
    what.kind = TJ_KIND_TOOL;
    if (name.len > 0)
        what.name = name;
    struct tj_span *s = tj_steps_open(st, &what);
    tj_steps_text(st, "gen_ai.tool.name", name);
    tj_steps_value(st, "gen_ai.tool.call.id",
                   call->id || !answer ? call->id : answer->id);
    tj_steps_value(st, "input.value", call->args);
    if (answer) {
        answer->used = true;
        tj_steps_value(st, "output.value", answer->content);
        tj_steps_value(st, "tool.result.detail", answer->detail);
        if (answer->is_error)
            s->status = TJ_STATUS_ERROR;
    }
    tj_build_end(st->build);
}

void tj_steps_write_calls(struct tj_steps *st, const struct tj_steps_span *at)
{
    struct tj_arena *a = st->batch->arena;
    struct tj_map by_id;
    index_answers(st, &by_id);
    struct tj_steps_span one = *at;
    size_t cursor = 0;
    size_t k = 0;
    tj_vec_each (&st->calls, struct tj_call, call) {
        one.path = tj_str_printf(a, "%.*s/call/%zu", TJ_STR_ARG(at->path), k++);
        write_call(st, &one, call, take_answer(st, call, &by_id, &cursor));
    }
    tj_vec_each (&st->answers, struct tj_answer, answer) {
        if (!answer->used) {
            one.path =
                tj_str_printf(a, "%.*s/call/%zu", TJ_STR_ARG(at->path), k++);
            write_call(st, &one, &(struct tj_call){0}, answer);
        }
        if (!answer->heard)
            tj_steps_hear(st, (struct tj_heard){.role = "tool",
                                                .content = answer->content,
                                                .call_id = answer->id,
                                                .shown = true});
    }
}

/* -- plain containers ------------------------------------------------------ */

void tj_steps_buf(struct tj_steps *st, struct tj_buf *out)
{
    tj_buf_init(out, st->batch->arena, TEXT_MAX);
}

void tj_steps_raw(struct tj_buf *b, const char *text)
{
    tj_buf_add(b, tj_str_c(text));
}

void tj_steps_item(struct tj_buf *b)
{
    /* An opening bracket is last only where a container was just opened:
     * values end in a closing one, a mark, a digit or a letter. */
    char last = b->len ? b->ptr[b->len - 1] : '[';
    if (last != '[' && last != '{')
        tj_steps_raw(b, ", ");
}

void tj_steps_member(struct tj_buf *b, const char *key, const struct tj_json *v)
{
    if (!v)
        return;
    tj_steps_item(b);
    tj_buf_fmt(b, "\"%s\": ", key);
    tj_plain_write_inner(b, v);
}

void tj_steps_call(struct tj_buf *b, const struct tj_json *id,
                   const struct tj_json *name, const struct tj_json *args)
{
    tj_steps_item(b);
    tj_steps_raw(b, "{");
    tj_steps_member(b, "id", id);
    tj_steps_item(b);
    tj_steps_raw(b, "\"type\": \"function\", \"function\": {");
    tj_steps_member(b, "name", name);
    tj_steps_member(b, "arguments", args);
    tj_steps_raw(b, "}}");
}

/* -- the trace ------------------------------------------------------------- */

struct tj_assessment *tj_steps_label(struct tj_steps *st,
                                     enum tj_assessment_kind kind, tj_str name,
                                     const struct tj_json *value)
{
    struct tj_arena *a = st->batch->arena;
    struct tj_buf b;
    tj_steps_buf(st, &b);
    tj_json_write(&b, value, TJ_JSON_COMPACT);
    struct tj_assessment *as = tj_vec_add(&st->batch->assessments, a);
    as->trace_id = st->trace_id;
    as->kind = kind;
    as->name = name;
    as->source_type = kind == TJ_EXPECTATION ? TJ_SOURCE_HUMAN : TJ_SOURCE_CODE;
    as->source_id = TJ_STR("import");
    as->value_json = tj_buf_str(&b);
    as->valid = true;
    as->key = tj_str_printf(a, "import:%.*s:%.*s",
                            TJ_STR_ARG(tj_trace_id_text(a, st->trace_id)),
                            TJ_STR_ARG(name));
    return as;
}

tj_str tj_steps_show(struct tj_arena *a, const struct tj_json *v)
{
    if (tj_json_is_string(v))
        return tj_json_str(v);
    struct tj_buf b;
    tj_buf_init(&b, a, TEXT_MAX);
    if (v)
        tj_json_write(&b, v, TJ_JSON_COMPACT);
    return tj_buf_str(&b);
}

bool tj_steps_finish(struct tj_steps *st, struct tj_err *err)
{
    tj_arena_release(&st->scratch);
    if (!st->full)
        return true;
    return tj_fail(err, TJ_E_LIMIT, "a message is over %zu bytes",
                   (size_t)TEXT_MAX);
}

const struct tj_json *tj_steps_get(const struct tj_json *v, const char *key)
{
    return tj_json_find(v, tj_str_c(key));
}

bool tj_steps_has(const struct tj_json *v)
{
    if (tj_json_is_string(v))
        return tj_json_str(v).len > 0;
    if (tj_json_is_array(v) || tj_json_is_object(v))
        return tj_json_count(v) > 0;
    return !tj_json_is_null(v);
}

tj_time tj_steps_time(const struct tj_json *v)
{
    tj_time t = 0;
    if (tj_json_is_string(v) && tj_time_parse(tj_json_str(v), &t))
        return t;
    return 0;
}
