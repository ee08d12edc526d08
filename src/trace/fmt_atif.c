/* fmt_atif.c - ATIF trajectories, the Agent Trajectory Interchange Format.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"schema_version": "ATIF-v1.x", "session_id", "agent": {"name",
 *      "model_name"}, "steps": [{"step_id", "timestamp", "source", "message",
 *      "reasoning_content", "tool_calls": [{"tool_call_id", "function_name",
 *      "arguments"}], "observation": {"results": [{"source_call_id",
 *      "content"}]}, "metrics"}], "final_metrics"}
 *
 * The tree is the one of fmt_steps.h.
 *  1. source agent is an LLM span, user and system steps are heard by the next
 *     one; a system step that observed something (a compaction) is a span.
 *  2. A step's time is when it happened; it ends where the next one begins.
 *     A tool call has no time but its step's: marked TIME_GUESSED.
 *  3. Steps with is_copied_context were made in an earlier trajectory: the
 *     model hears them, they are no calls of this run and cost nothing.
 *  4. prompt_tokens includes cached_tokens, as OpenTelemetry counts.
 *  5. A session may go on in further files and hold several agents, so a
 *     trace is a trajectory: its id comes from session, agent, continuation
 *     and first step, which stay the same while the run grows.
 *  6. Embedded subagent_trajectories are traces of the same session.
 */
#include "trace/fmt.h"
#include "trace/fmt_steps.h"

/* Agents that start agents that start agents; nobody goes deeper. */
enum { SUBAGENT_DEPTH_MAX = 8 };

struct run {
    struct tj_steps st;
    const struct tj_json *doc;
    const struct tj_json *agent;
    TJ_VEC(tj_time) times; /* of steps; one more for the end */
    tj_str model;
    const struct tj_json *task;
    const struct tj_json *last_said;
};

static bool is_trajectory(const struct tj_json *doc)
{
    return tj_str_starts(tj_json_find_str(doc, TJ_STR("schema_version")),
                         TJ_STR("ATIF-"));
}

static bool matches(const struct tj_json *doc)
{
    return is_trajectory(tj_json_is_array(doc) ? tj_json_first(doc) : doc);
}

/* -- times ----------------------------------------------------------------- */

/* times[i] is when step i was and times[i + 1] when it was over.  A step that
 * has no time takes that of the one before; all zero: none has. */
static void read_times(struct run *r, const struct tj_json *steps)
{
    struct tj_arena *a = r->st.batch->arena;
    tj_time last = 0;
    tj_json_each (steps, step) {
        tj_time t = tj_steps_time(tj_steps_get(step, "timestamp"));
        last = t > last ? t : last;
        *tj_vec_add(&r->times, a) = last;
    }
    *tj_vec_add(&r->times, a) = last;
    for (size_t i = r->times.count; i-- > 1;) {
        if (!r->times.items[i - 1])
            r->times.items[i - 1] = r->times.items[i];
    }
}

static struct tj_steps_span span_at(struct run *r, size_t n)
{
    struct tj_arena *a = r->st.batch->arena;
    return (struct tj_steps_span){.path = tj_str_printf(a, "step/%zu", n),
                                  .parent = r->st.root_id,
                                  .start = r->times.items[n],
                                  .end = r->times.items[n + 1]};
}

/* -- one step -------------------------------------------------------------- */

static struct tj_usage usage_of(const struct tj_json *m,
                                const char *const *keys)
{
    struct tj_usage u = TJ_USAGE_UNKNOWN;
    (void)tj_json_i64(tj_steps_get(m, keys[0]), &u.input_tokens);
    (void)tj_json_i64(tj_steps_get(m, keys[1]), &u.output_tokens);
    (void)tj_json_i64(tj_steps_get(m, keys[2]), &u.cache_read_tokens);
    (void)tj_json_double(tj_steps_get(m, keys[3]), &u.cost_usd);
    return u;
}

/* What the agent said, thought and asked for, as a chat message; words alone
 * stand as they are. */
static void write_output(struct run *r, const struct tj_json *step)
{
    struct tj_steps *st = &r->st;
    const struct tj_json *message = tj_steps_get(step, "message");
    const struct tj_json *thought = tj_steps_get(step, "reasoning_content");
    const struct tj_json *calls = tj_steps_get(step, "tool_calls");
    if (!tj_steps_has(thought) && !tj_steps_has(calls)) {
        tj_steps_value(st, "output.value", message);
        return;
    }
    struct tj_buf b;
    tj_steps_buf(st, &b);
    tj_steps_raw(&b, "{\"role\": \"assistant\"");
    if (tj_steps_has(thought))
        tj_steps_member(&b, "reasoning_content", thought);
    tj_steps_member(&b, "content", message);
    if (tj_steps_has(calls)) {
        tj_steps_raw(&b, ", \"tool_calls\": [");
        tj_json_each (calls, call)
            tj_steps_call(&b, tj_steps_get(call, "tool_call_id"),
                          tj_steps_get(call, "function_name"),
                          tj_steps_get(call, "arguments"));
        tj_steps_raw(&b, "]");
    }
    tj_steps_raw(&b, "}");
    tj_steps_plain(st, "output.value", &b);
}

static void write_answer(struct run *r, const struct tj_json *step, size_t n)
{
    static const char *const keys[] = {"prompt_tokens", "completion_tokens",
                                       "cached_tokens", "cost_usd"};
    struct tj_steps *st = &r->st;
    const struct tj_json *metrics = tj_steps_get(step, "metrics");
    tj_str model = tj_json_find_str(step, TJ_STR("model_name"));
    model = model.len ? model : r->model;
    struct tj_steps_span what = span_at(r, n);
    what.name = tj_steps_llm_name(st, model);
    what.kind = TJ_KIND_LLM;
    tj_steps_open(st, &what);
    tj_steps_text(st, "gen_ai.request.model", model);
    tj_steps_value(st, "step.index", tj_steps_get(step, "step_id"));
    tj_steps_input(st);
    write_output(r, step);
    struct tj_usage usage = usage_of(metrics, keys);
    tj_steps_usage(st, &usage);
    tj_steps_value(st, "atif.metrics.extra", tj_steps_get(metrics, "extra"));
    tj_steps_value(st, "atif.extra", tj_steps_get(step, "extra"));
    tj_build_end(st->build);
    if (tj_steps_has(tj_steps_get(step, "message")))
        r->last_said = tj_steps_get(step, "message");
}

static void write_calls(struct run *r, const struct tj_json *step, size_t n)
{
    struct tj_steps *st = &r->st;
    const struct tj_json *failed =
        tj_json_at(step, "extra.tool_result_is_error");
    tj_steps_reset_calls(st);
    tj_json_each (tj_steps_get(step, "tool_calls"), call)
        tj_steps_add_call(st,
                          (struct tj_call){tj_steps_get(call, "tool_call_id"),
                                           tj_steps_get(call, "function_name"),
                                           tj_steps_get(call, "arguments")});
    tj_json_each (tj_json_at(step, "observation.results"), result)
        tj_steps_add_answer(
            st, (struct tj_answer){
                    .id = tj_steps_get(result, "source_call_id"),
                    .content = tj_steps_get(result, "content"),
                    .detail = tj_steps_get(result, "subagent_trajectory_ref"),
                    .is_error = tj_json_bool(failed, false)});
    struct tj_steps_span at = span_at(r, n);
    at.name = TJ_STR("observation");
    at.marks = TJ_MARK_TIME_GUESSED;
    tj_steps_write_calls(st, &at);
}

/* What happened around the agent: a compaction, a note of the harness. */
static void write_system(struct run *r, const struct tj_json *step, size_t n)
{
    struct tj_steps *st = &r->st;
    struct tj_steps_span what = span_at(r, n);
    what.name = TJ_STR("system");
    tj_steps_open(st, &what);
    tj_steps_value(st, "step.index", tj_steps_get(step, "step_id"));
    tj_steps_value(st, "output.value", tj_steps_get(step, "message"));
    tj_steps_value(st, "atif.observation", tj_steps_get(step, "observation"));
    tj_steps_value(st, "atif.extra", tj_steps_get(step, "extra"));
    tj_build_end(st->build);
}

static void write_step(struct run *r, const struct tj_json *step, size_t n)
{
    tj_str source = tj_json_find_str(step, TJ_STR("source"));
    bool copied = tj_json_bool(tj_steps_get(step, "is_copied_context"), false);
    bool agent = tj_str_eq(source, TJ_STR("agent"));
    bool system = tj_str_eq(source, TJ_STR("system"));
    if (agent && !copied) {
        write_answer(r, step, n);
        write_calls(r, step, n);
        return;
    }
    const struct tj_json *message = tj_steps_get(step, "message");
    bool shown = copied;
    if (system && tj_steps_has(tj_steps_get(step, "observation"))) {
        write_system(r, step, n);
        shown = true;
    }
    if (!agent && !system && !r->task)
        r->task = message;
    tj_steps_hear(&r->st, (struct tj_heard){.role = agent    ? "assistant"
                                                    : system ? "system"
                                                             : "user",
                                            .content = message,
                                            .shown = shown});
}

/* -- the run --------------------------------------------------------------- */

static void write_info(struct run *r)
{
    struct tj_trace_info *info = tj_batch_info(r->st.batch, r->st.trace_id);
    info->session = tj_json_find_str(r->doc, TJ_STR("session_id"));
    info->source_id = tj_json_find_str(r->doc, TJ_STR("trajectory_id"));
    if (info->source_id.len == 0)
        info->source_id = info->session;
    info->name = tj_json_find_str(r->agent, TJ_STR("name"));
}

static void write_root(struct run *r)
{
    static const char *const keys[] = {"total_prompt_tokens",
                                       "total_completion_tokens",
                                       "total_cached_tokens", "total_cost_usd"};
    static const char *const kept[] = {"schema_version", "notes",
                                       "continued_trajectory_ref",
                                       "final_metrics", "extra"};
    struct tj_steps *st = &r->st;
    tj_str name = tj_json_find_str(r->agent, TJ_STR("name"));
    tj_steps_open_root(st, name.len ? name : TJ_STR("agent"), r->times.items[0],
                       r->times.items[r->times.count - 1]);
    tj_steps_text(st, "gen_ai.agent.name", name);
    tj_steps_value(st, "gen_ai.agent.version",
                   tj_steps_get(r->agent, "version"));
    tj_steps_value(st, "gen_ai.tool.definitions",
                   tj_steps_get(r->agent, "tool_definitions"));
    tj_steps_value(st, "atif.agent.extra", tj_steps_get(r->agent, "extra"));
    tj_steps_value(st, "session.id", tj_steps_get(r->doc, "session_id"));
    tj_steps_value(st, "input.value", r->task);
    tj_steps_value(st, "output.value", r->last_said);
    struct tj_usage usage =
        usage_of(tj_steps_get(r->doc, "final_metrics"), keys);
    tj_steps_usage(st, &usage);
    for (size_t i = 0; i < TJ_COUNT(kept); i++) {
        tj_str key = tj_str_printf(st->batch->arena, "atif.%s", kept[i]);
        const struct tj_json *v = tj_steps_get(r->doc, kept[i]);
        if (tj_steps_has(v))
            tj_build_attr(st->build, key, v);
    }
    tj_build_end(st->build);
}

static tj_trace_id id_of(const struct tj_json *doc, struct tj_arena *a)
{
    const struct tj_json *agent = tj_steps_get(doc, "agent");
    const struct tj_json *turn = tj_json_at(agent, "extra.continuation_index");
    tj_str session = tj_json_find_str(doc, TJ_STR("session_id"));
    tj_str part = tj_json_find_str(doc, TJ_STR("trajectory_id"));
    tj_str name = tj_json_find_str(agent, TJ_STR("name"));
    tj_str hint = tj_str_printf(
        a, "%.*s\n%.*s\n%.*s\n%.*s", TJ_STR_ARG(session), TJ_STR_ARG(part),
        TJ_STR_ARG(name), TJ_STR_ARG(tj_steps_show(a, turn)));
    return tj_steps_trace_id(TJ_STR("atif"), hint,
                             tj_json_first(tj_steps_get(doc, "steps")));
}

static bool parse_one(const struct tj_json *doc, struct tj_build *b,
                      struct tj_batch *batch, struct tj_err *err)
{
    const struct tj_json *steps = tj_steps_get(doc, "steps");
    if (!tj_json_is_array(steps))
        return tj_fail(err, TJ_E_INPUT,
                       "offset 0: expected \"steps\", a list of ATIF steps");
    struct run r = {.doc = doc, .agent = tj_steps_get(doc, "agent")};
    tj_steps_init(&r.st, b, batch, id_of(doc, batch->arena));
    r.model = tj_json_find_str(r.agent, TJ_STR("model_name"));
    read_times(&r, steps);
    size_t n = 0;
    tj_json_each (steps, step)
        write_step(&r, step, n++);
    tj_steps_leave(&r.st, r.st.root_id);
    write_root(&r);
    write_info(&r);
    return tj_steps_finish(&r.st, err);
}

static bool parse_deep(const struct tj_json *doc, struct tj_build *b,
                       struct tj_batch *batch, int depth, struct tj_err *err)
{
    if (depth > SUBAGENT_DEPTH_MAX)
        return tj_fail(err, TJ_E_LIMIT, "subagents nest over %d deep",
                       SUBAGENT_DEPTH_MAX);
    if (!parse_one(doc, b, batch, err))
        return false;
    tj_json_each (tj_steps_get(doc, "subagent_trajectories"), sub) {
        if (!parse_deep(sub, b, batch, depth + 1, err))
            return false;
    }
    return true;
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    if (!tj_json_is_array(doc))
        return parse_deep(doc, b, batch, 0, err);
    tj_json_each (doc, one) {
        if (!parse_deep(one, b, batch, 0, err))
            return false;
    }
    return true;
}

const struct tj_format tj_fmt_atif = {
    .name = "atif",
    .help = "ATIF trajectories (Harbor, Terminus, OpenHands, ...)",
    .matches = matches,
    .parse_json = parse,
};
