/* fmt_swe_agent.c - SWE-agent's .traj files.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"environment", "trajectory": [{"action", "observation", "response",
 *      "thought", "state", "execution_time"}], "history": [messages],
 *      "info": {"submission", "exit_status", "model_stats"}, "replay_config"}
 *
 * The tree is the one of fmt_steps.h: each step is an LLM span (its response)
 * and a TOOL span named by the command (its action and observation).
 *  1. The first model call hears what `history` says before the first answer;
 *     each later one hears the observation before it.
 *  2. A step has no time of day, but newer files say how long the command ran:
 *     then the TOOL span's duration is real and only its place is not.
 *  3. Token counts are known for the run alone and stand on the root.
 */
#include <math.h>

#include "text/utf8.h"
#include "trace/fmt.h"
#include "trace/fmt_steps.h"

/* A command's name; what follows may be a whole file to be written. */
enum { COMMAND_BYTES_MAX = 64 };
/* No command runs for eleven days; beyond that the number is no time. */
#define SECONDS_MAX 1e6

struct run {
    struct tj_steps st;
    const struct tj_json *doc;
    const struct tj_json *replay; /* replay_config, decoded */
    tj_str model;
    const struct tj_json *task;
};

static bool matches(const struct tj_json *doc)
{
    const struct tj_json *steps = tj_steps_get(doc, "trajectory");
    if (!tj_json_is_array(steps))
        return false;
    const struct tj_json *first = tj_json_first(steps);
    if (!first)
        return tj_json_is_object(tj_steps_get(doc, "info"));
    return tj_steps_get(first, "action") && tj_steps_get(first, "observation");
}

/* -- what came before ------------------------------------------------------ */

static void find_config(struct run *r)
{
    const struct tj_json *v = tj_steps_get(r->doc, "replay_config");
    struct tj_json_doc inner;
    struct tj_err ignored;
    if (tj_json_is_string(v))
        v = tj_json_parse(tj_json_str(v), r->st.batch->arena, &inner, &ignored)
                ? inner.root
                : NULL;
    r->replay = v;
    r->model = tj_json_str(tj_json_at(v, "agent.model.name"));
    r->task = tj_json_at(v, "problem_statement.text");
}

/* The messages before the first answer.  A demonstration is heard like the
 * rest; the task is the first user message that is none. */
static void hear_opening(struct run *r)
{
    const struct tj_json *list = tj_steps_get(r->doc, "history");
    if (!tj_json_is_array(list))
        list = tj_json_at(r->doc, "trajectory.0.query");
    tj_json_each (list, m) {
        tj_str role = tj_json_find_str(m, TJ_STR("role"));
        if (tj_str_eq(role, TJ_STR("assistant")))
            return;
        bool system = tj_str_eq(role, TJ_STR("system"));
        const struct tj_json *content = tj_steps_get(m, "content");
        tj_steps_hear(&r->st,
                      (struct tj_heard){.role = system ? "system" : "user",
                                        .content = content});
        bool demo = tj_json_bool(tj_steps_get(m, "is_demo"), false);
        if (!system && !demo && !r->task)
            r->task = content;
    }
}

/* -- one step -------------------------------------------------------------- */

static tj_str command_of(const struct tj_json *action)
{
    tj_str text = tj_str_trim(tj_json_str(action));
    size_t len = 0;
    while (len < text.len && (unsigned char)text.ptr[len] > ' ')
        len++;
    return tj_utf8_clip(tj_str_slice(text, 0, len), COMMAND_BYTES_MAX);
}

static void write_answer(struct run *r, const struct tj_json *step, size_t n)
{
    struct tj_steps *st = &r->st;
    const struct tj_json *said = tj_steps_get(step, "response");
    tj_steps_open(st,
                  &(struct tj_steps_span){
                      .path = tj_str_printf(st->batch->arena, "step/%zu", n),
                      .name = tj_steps_llm_name(st, r->model),
                      .kind = TJ_KIND_LLM,
                      .parent = st->root_id});
    tj_steps_text(st, "gen_ai.request.model", r->model);
    tj_build_attr_i64(st->build, TJ_STR("step.index"), (int64_t)n);
    tj_steps_input(st);
    tj_steps_value(st, "output.value",
                   tj_steps_has(said) ? said : tj_steps_get(step, "thought"));
    tj_build_end(st->build);
}

static uint64_t run_time_ns(const struct tj_json *step)
{
    double seconds = 0;
    if (!tj_json_double(tj_steps_get(step, "execution_time"), &seconds) ||
        !(seconds > 0 && seconds < SECONDS_MAX))
        return 0;
    return (uint64_t)llround(seconds * (double)TJ_NS_PER_SECOND);
}

static void write_command(struct run *r, const struct tj_json *step, size_t n)
{
    struct tj_steps *st = &r->st;
    const struct tj_json *action = tj_steps_get(step, "action");
    const struct tj_json *seen = tj_steps_get(step, "observation");
    tj_str command = command_of(action);
    if (command.len == 0 && !tj_steps_has(seen))
        return;
    uint64_t ran = run_time_ns(step);
    tj_time start = ran ? st->clock : 0;
    struct tj_steps_span what = {
        .path = tj_str_printf(st->batch->arena, "step/%zu/call/0", n),
        .name = command.len ? command : TJ_STR("environment"),
        .kind = TJ_KIND_TOOL,
        .parent = st->root_id,
        .start = start,
        .end = start + ran};
    tj_steps_open(st, &what);
    st->clock += ran;
    tj_steps_text(st, "gen_ai.tool.name", command);
    tj_steps_value(st, "input.value", action);
    tj_steps_value(st, "output.value", seen);
    tj_steps_value(st, "swe_agent.state", tj_steps_get(step, "state"));
    tj_build_end(st->build);
    tj_steps_hear(
        st, (struct tj_heard){.role = "tool", .content = seen, .shown = true});
}

/* -- the run --------------------------------------------------------------- */

static int64_t stat_count(const struct tj_json *stats, const char *key)
{
    int64_t n = 0;
    /* Replayed runs count zero tokens: that is "not known". */
    return tj_json_i64(tj_steps_get(stats, key), &n) && n > 0
               ? n
               : TJ_TOKENS_UNKNOWN;
}

static struct tj_usage usage_of(const struct tj_json *stats)
{
    struct tj_usage u = TJ_USAGE_UNKNOWN;
    double cost = 0;
    u.input_tokens = stat_count(stats, "tokens_sent");
    u.output_tokens = stat_count(stats, "tokens_received");
    if (tj_json_double(tj_steps_get(stats, "instance_cost"), &cost) && cost > 0)
        u.cost_usd = cost;
    return u;
}

static void write_info(struct run *r, const struct tj_json *info)
{
    struct tj_arena *a = r->st.batch->arena;
    struct tj_json_members m = tj_json_members(info);
    while (tj_json_member(&m)) {
        if (tj_str_eq(m.key, TJ_STR("submission")) || !tj_steps_has(m.value))
            continue;
        tj_str key = tj_str_printf(a, "swe_agent.%.*s", TJ_STR_ARG(m.key));
        tj_build_attr(r->st.build, key, m.value);
    }
}

static void write_root(struct run *r)
{
    struct tj_steps *st = &r->st;
    const struct tj_json *info = tj_steps_get(r->doc, "info");
    tj_str name = tj_json_str(tj_json_at(r->replay, "problem_statement.id"));
    struct tj_trace_info *trace = tj_batch_info(st->batch, st->trace_id);
    trace->source_id = name;
    trace->name = name.len ? name : TJ_STR("swe-agent");
    tj_steps_open_root(st, trace->name, 0, 0);
    tj_steps_text(st, "gen_ai.agent.name", TJ_STR("swe-agent"));
    tj_steps_value(st, "swe_agent.environment",
                   tj_steps_get(r->doc, "environment"));
    tj_steps_value(st, "input.value", r->task);
    tj_steps_value(st, "output.value", tj_steps_get(info, "submission"));
    struct tj_usage usage = usage_of(tj_steps_get(info, "model_stats"));
    tj_steps_usage(st, &usage);
    write_info(r, info);
    tj_build_end(st->build);
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    const struct tj_json *steps = tj_steps_get(doc, "trajectory");
    if (!tj_json_is_array(steps))
        return tj_fail(err, TJ_E_INPUT,
                       "offset 0: expected \"trajectory\", a list of steps");
    struct run r = {.doc = doc};
    tj_str env = tj_json_find_str(doc, TJ_STR("environment"));
    tj_steps_init(&r.st, b, batch,
                  tj_steps_trace_id(TJ_STR("swe-agent"), env, steps));
    find_config(&r);
    hear_opening(&r);
    size_t n = 0;
    tj_json_each (steps, step) {
        write_answer(&r, step, n);
        write_command(&r, step, n);
        n++;
    }
    r.st.heard.count = 0; /* the last observation has its own span */
    write_root(&r);
    return tj_steps_finish(&r.st, err);
}

const struct tj_format tj_fmt_swe_agent = {
    .name = "swe-agent",
    .help = "SWE-agent trajectories (.traj)",
    .matches = matches,
    .parse_json = parse,
};
