/* judge_calls.c - the tools that a model called, run and remembered.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/judge_int.h"

#include "base/limits.h"
#include "judge/prompt.h"
#include "text/json_write.h"

enum { FRAME_BYTES = 1024, HEAD_BYTES_MAX = 128 };

/* Name and arguments, however the arguments are spaced. */
static tj_str call_key(const struct tj_tool_use *use, struct tj_arena *a)
{
    struct tj_buf key;
    struct tj_json_doc doc;
    struct tj_err ignored = {0};
    tj_buf_init(&key, a, use->name.len + 8 * use->args.len + FRAME_BYTES);
    tj_buf_add(&key, use->name);
    tj_buf_byte(&key, ' ');
    tj_str args = tj_str_trim(use->args);
    if (args.len == 0)
        args = TJ_STR("{}");
    if (args.len <= TJ_TOOL_ARGS_BYTES_MAX &&
        tj_json_parse(args, a, &doc, &ignored))
        tj_json_write(&key, doc.root, TJ_JSON_COMPACT);
    else
        tj_buf_add(&key, args);
    return tj_buf_str(&key);
}

/* A name that is no tool's is the model's own text: it stays out of frames. */
static tj_str frame(struct tj_judge *j, const struct tj_tool_use *use,
                    uint32_t call, tj_str text, struct tj_arena *step)
{
    const struct tj_tool *tool = tj_tool_find(use->name);
    struct tj_buf out, more;
    tj_buf_init(&more, step, HEAD_BYTES_MAX);
    tj_buf_fmt(&more, " name=%s call=%u", tool ? tool->name : "unknown", call);
    tj_buf_init(&out, step, 2 * text.len + FRAME_BYTES);
    tj_prompt_frame(&out, "tool-result", tj_cstr(step, tj_buf_str(&more)),
                    j->nonce, text);
    return tj_str_dup(j->a, tj_buf_str(&out));
}

/* The text between a frame's first line and its last. */
static tj_str inside(tj_str framed)
{
    size_t begin = tj_str_find_byte(framed, '\n') + 1;
    size_t end = framed.len;
    while (end > begin && framed.ptr[end - 1] != '\n')
        end--;
    return tj_str_slice(framed, begin, end - begin);
}

static struct tj_judge_event *
log_call(struct tj_judge *j, const struct tj_tool_use *use, tj_str result)
{
    struct tj_judge_event *event = tj_vec_add(&j->events, j->a);
    event->is_tool = true;
    event->start_ns = event->end_ns = tj_judge_now(j);
    event->round = j->round;
    event->name = use->name;
    event->id = use->id;
    event->args = use->args;
    event->result = result;
    return event;
}

static void watch_call(struct tj_judge *j, const struct tj_tool_use *use,
                       const struct tj_judge_event *event)
{
    if (!j->options.watch.tool_ran)
        return;
    struct tj_call call = {use->id, use->name, use->args};
    struct tj_tool_reply reply = {event->result, event->refused};
    j->options.watch.tool_ran(j->options.watch.ctx, &call, &reply,
                              event->repeated, event->end_ns - event->start_ns);
}

/* Answers a call with our own words. */
static void answer_without(struct tj_judge *j, const struct tj_tool_use *use,
                           tj_str text)
{
    struct tj_judge_event *event = log_call(j, use, text);
    event->refused = true;
    (void)tj_context_add_result(&j->context, use, text, ++j->call_count);
    watch_call(j, use, event);
}

/* The same call again: a pointer to what it said, or, when that was dropped
 * from the window, what it said. */
static void answer_again(struct tj_judge *j, const struct tj_tool_use *use,
                         struct tj_known_call *known)
{
    j->verdict.repeated_calls++;
    bool dropped = j->context.marks.items[known->message].is_dropped;
    tj_str text = known->framed;
    if (!dropped)
        text = tj_str_printf(
            j->a,
            "The same call as call %u in round %u; its result above has not "
            "changed. Use it, or ask something else.",
            known->call, known->round);
    struct tj_judge_event *event = log_call(j, use, text);
    event->repeated = true;
    j->budget.tool_bytes += text.len;
    size_t at = tj_context_add_result(&j->context, use, text, ++j->call_count);
    if (dropped)
        known->message = at;
    watch_call(j, use, event);
}

/* What a tool said goes into the context and into the ledger of known calls. */
static tj_str keep_result(struct tj_judge *j, const struct tj_tool_use *use,
                          tj_str key, tj_str text, struct tj_arena *step)
{
    struct tj_known_call *known = tj_arena_new(j->a, struct tj_known_call);
    bool fresh = false;
    known->call = ++j->call_count;
    known->round = j->round;
    known->framed = frame(j, use, known->call, text, step);
    known->message =
        tj_context_add_result(&j->context, use, known->framed, known->call);
    tj_map_add(&j->known, key, &fresh)->ptr = known;
    j->budget.tool_bytes += text.len;
    return inside(known->framed);
}

static bool run_new(struct tj_judge *j, const struct tj_tool_use *use,
                    tj_str key, struct tj_err *err)
{
    struct tj_arena step = {0};
    struct tj_call call = {use->id, use->name, use->args};
    struct tj_tool_reply reply = {0};
    uint64_t start = tj_judge_now(j);
    j->env.step = &step;
    bool ok = tj_tool_run(&j->env, &call, &reply, err);
    j->env.step = NULL;
    tj_str kept = ok ? keep_result(j, use, key, reply.text, &step) : TJ_STR("");
    tj_arena_release(&step);
    if (!ok)
        return tj_err_wrap(err, "tool %.*s",
                           (int)tj_size_min(use->name.len, 64),
                           use->name.ptr ? use->name.ptr : "");
    struct tj_judge_event *event = log_call(j, use, kept);
    event->start_ns = start;
    event->refused = reply.refused;
    watch_call(j, use, event);
    return true;
}

/* A tool that exists may still not be this judge's to call. */
static bool is_withheld(const struct tj_judge *j, tj_str name)
{
    const struct tj_tool *tool = tj_tool_find(name);
    for (size_t i = 0; tool && i < j->tool_count; i++) {
        if (tj_str_eq(j->tools[i].name, tj_str_c(tool->name)))
            return false;
    }
    return tool != NULL;
}

static bool run_one(struct tj_judge *j, const struct tj_tool_use *use,
                    size_t index, struct tj_err *err)
{
    j->verdict.tool_calls++;
    if (index >= TJ_TOOL_CALLS_PER_TURN_MAX) {
        answer_without(j, use,
                       tj_str_printf(j->a,
                                     "Not run: at most %zu calls in one turn.",
                                     TJ_TOOL_CALLS_PER_TURN_MAX));
        return true;
    }
    if (is_withheld(j, use->name)) {
        answer_without(j, use, TJ_STR("Not run: this judge has no such tool."));
        return true;
    }
    tj_str key = call_key(use, j->a);
    struct tj_map_entry *known = tj_map_find(&j->known, key);
    enum tj_stopped_by over =
        tj_budget_before_tool(&j->budget, tj_judge_now(j));
    if (over != TJ_BY_VERDICT) {
        answer_without(j, use,
                       tj_str_printf(j->a,
                                     "Not run: the budget (%s) is used "
                                     "up.",
                                     tj_stopped_by_name(over)));
        return true;
    }
    if (known) {
        answer_again(j, use, known->ptr);
        return true;
    }
    return run_new(j, use, key, err);
}

bool tj_judge_run_calls(struct tj_judge *j, struct tj_err *err)
{
    if (j->pending == SIZE_MAX)
        return true;
    /* Messages move as results are appended, the calls themselves do not. */
    const struct tj_message *m = &j->context.messages.items[j->pending];
    const struct tj_tool_use *uses = m->uses.items;
    size_t count = m->uses.count;
    j->pending = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (!run_one(j, &uses[i], i, err))
            return false;
    }
    return true;
}
