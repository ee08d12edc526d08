/* judge.c - the agent that judges one trace: the machine.
 * SPDX-License-Identifier: Apache-2.0
 *
 *              next                       answer
 *     READY ----------> WAITING --+-- tool calls --------> READY (pending)
 *       ^                         +-- answer, good ------> DONE
 *       |                         +-- answer, bad, 1st --> READY (repair)
 *       |                         +-- cut off, 1st ------> READY (shorter)
 *       |                         +-- too long, room ----> READY (shrunk)
 *       |                         +-- anything else -----> DONE (error)
 *       +--- calls run, budgets looked at, window kept ----+
 *
 * A budget that is reached sets `last`: one message says so, tools may no
 * longer be called, and what comes back must be an answer.
 */
#include "judge/judge.h"

#include "base/limits.h"
#include "base/random.h"
#include "judge/judge_int.h"
#include "judge/prompt.h"
#include "tools/overview.h"

enum {
    SPEC_BYTES_MAX = 16384,
    /* Shrink when the window is this full, to this full: seldom and much, so
     * that the prefix stays the same for providers' caches in between. */
    WINDOW_FULL_PERCENT = 85,
    WINDOW_GOAL_PERCENT = 60,
};

/* What the last answer may take once `seconds` is over. */
#define GRACE_NS (60 * TJ_NS_PER_SECOND)

uint64_t tj_judge_now(const struct tj_judge *j)
{
    return j->options.mono_ns ? j->options.mono_ns(j->options.mono_ctx)
                              : tj_mono_ns();
}

/* -- a new judgment ------------------------------------------------------- */

static bool refuse_judge_trace(const struct tj_trace *trace,
                               const struct tj_judge_options *options,
                               struct tj_err *err)
{
    tj_str maker =
        trace ? tj_pairs_find(&trace->info.tags, TJ_STR(TJ_TAG_SOURCE_SCORER))
              : TJ_STR("");
    if (maker.len == 0 || options->allow_judge_traces)
        return true;
    return tj_fail(err, TJ_E_INPUT,
                   "this trace is a run of the judge '%.*s'; judges do not "
                   "judge such traces unless asked",
                   TJ_STR_ARG(maker));
}

/* Tools that look beyond the trace are for criteria that do: about a
 * conversation, or naming the tool. */
static bool is_offered(const struct tj_judge_def *def, tj_str name)
{
    static const tj_str beyond[] = {
        TJ_STR_INIT("get_traces_in_session"),
        TJ_STR_INIT("search_traces"),
    };
    for (size_t i = 0; i < TJ_COUNT(beyond); i++) {
        if (tj_str_eq(name, beyond[i]))
            return (def->vars & TJ_VAR_CONVERSATION) ||
                   tj_str_find(def->instructions, name) != (size_t)-1;
    }
    return true;
}

static void make_tools(struct tj_judge *j, struct tj_arena *step)
{
    size_t count = 0;
    while (tj_tools[count])
        count++;
    j->tools = tj_arena_array(j->a, struct tj_tool_spec, count);
    for (size_t i = 0; i < count; i++) {
        struct tj_buf schema;
        if (!is_offered(j->def, tj_str_c(tj_tools[i]->name)))
            continue;
        tj_buf_init(&schema, step, SPEC_BYTES_MAX);
        tj_tool_schema_write(tj_tools[i], &schema);
        j->tools[j->tool_count++] = (struct tj_tool_spec){
            .name = tj_str_c(tj_tools[i]->name),
            .description = tj_str_c(tj_tools[i]->help),
            .schema = tj_str_dup(j->a, tj_buf_str(&schema)),
        };
    }
}

static uint64_t fixed_bytes(const struct tj_judge *j)
{
    uint64_t bytes = j->system.len + j->schema.len;
    for (size_t i = 0; i < j->tool_count; i++)
        bytes += j->tools[i].name.len + j->tools[i].description.len +
                 j->tools[i].schema.len;
    return bytes;
}

static tj_str make_overview(struct tj_judge *j, struct tj_arena *step)
{
    if (j->values.mode != TJ_MODE_AGENT)
        return TJ_STR("");
    struct tj_buf out;
    tj_buf_init(&out, step, TJ_OVERVIEW_BYTES_MAX);
    tj_overview_write(j->subject.trace, TJ_OVERVIEW_BYTES_MAX, &out);
    return tj_buf_str(&out);
}

/* In single-call mode the model reads the root's fields in the prompt. */
static void cover_values(struct tj_judge *j)
{
    for (size_t i = 0; i < j->values.count; i++) {
        int32_t field = j->values.items[i].field;
        size_t root = (size_t)j->values.root;
        if (field == TJ_NO_FIELD)
            continue;
        const struct tj_span *span = &j->subject.trace->spans[root];
        tj_coverage_add(j->env.coverage, span, root, (size_t)field, 0,
                        span->fields[field].text.len);
    }
}

/* Texts are made in a step's arena and only the result is kept: thousands of
 * judgments are in flight at once. */
/* Texts are made in a step's arena and only the result is kept: thousands of
 * judgments are in flight at once. */
static void make_prompts(struct tj_judge *j)
{
    struct tj_arena step = {0};
    j->nonce_number = j->options.nonce ? j->options.nonce : tj_random_u64();
    j->nonce =
        tj_str_printf(j->a, "%016llx", (unsigned long long)j->nonce_number);
    j->system = tj_str_dup(j->a, tj_prompt_system(j->def, &j->values, &step));
    j->schema = tj_str_dup(j->a, tj_answer_schema(j->def, &step));
    if (j->values.mode == TJ_MODE_AGENT)
        make_tools(j, &step);
    tj_str key = tj_str_slice(j->def->digest, 0, 16);
    j->cache_key = tj_str_printf(j->a, "tj-%.*s", TJ_STR_ARG(key));
    tj_str first = tj_prompt_first(&j->subject, &j->values,
                                   make_overview(j, &step), j->nonce, &step);
    tj_context_init(&j->context, fixed_bytes(j), j->a);
    tj_context_add_user(&j->context, tj_str_dup(j->a, first));
    tj_arena_release(&step);
}

static void init_verdict(struct tj_judge *j)
{
    const struct tj_judge_def *def = j->def;
    j->verdict = (struct tj_verdict){
        .judge = def->name,
        .judge_version = def->version ? tj_str_printf(j->a, "%u", def->version)
                                      : tj_str_printf(j->a, "sha256:%.*s",
                                                      TJ_STR_ARG(def->digest)),
        .model = j->options.model_uri.len ? j->options.model_uri : def->model,
        .value_json = TJ_STR("null"),
        .input_tokens = -1,
        .cached_input_tokens = -1,
        .output_tokens = -1,
        .cost_usd = -1.0,
    };
    if (j->subject.trace)
        j->verdict.trace_id = j->subject.trace->info.trace_id;
}

static void init_trace(struct tj_judge *j)
{
    struct tj_trace *trace = j->subject.trace;
    if (!trace)
        return;
    j->env = (struct tj_tool_env){
        .store = trace->store,
        .trace = trace,
        .coverage = tj_coverage_new(j->a, trace->span_count),
        .show_labels = j->def->show_labels,
    };
    cover_values(j);
}

bool tj_judge_new(const struct tj_judge_def *def,
                  const struct tj_subject *subject,
                  const struct tj_judge_options *options, struct tj_arena *a,
                  struct tj_judge **out, struct tj_err *err)
{
    struct tj_judge *j = tj_arena_new(a, struct tj_judge);
    j->def = def;
    j->subject = *subject;
    j->options = *options;
    j->a = a;
    j->pending = SIZE_MAX;
    if (!refuse_judge_trace(subject->trace, options, err) ||
        !tj_subject_resolve(def, subject, a, &j->values, err))
        return false;
    if (def->evidence == TJ_EVIDENCE_REQUIRED && !subject->trace)
        return tj_fail(err, TJ_E_INPUT,
                       "judge '%.*s' requires evidence, and without a trace "
                       "there is none to look up",
                       TJ_STR_ARG(def->name));
    j->budget.limits = def->limits;
    j->budget.start_ns = tj_judge_now(j);
    j->deadline_ns = tj_budget_deadline_ns(&j->budget);
    j->start_time = tj_now();
    tj_map_init(&j->known, a);
    init_verdict(j);
    init_trace(j);
    make_prompts(j);
    *out = j;
    return true;
}

uint64_t tj_judge_nonce(const struct tj_judge *j)
{
    return j->nonce_number;
}

/* -- the next request ----------------------------------------------------- */

static void reach_budget(struct tj_judge *j, enum tj_stopped_by why)
{
    j->stopped_by = why;
    j->last = true;
    uint64_t grace = tj_judge_now(j) + GRACE_NS;
    if (j->deadline_ns < grace)
        j->deadline_ns = grace;
    tj_context_add_user(&j->context, tj_prompt_last(why, j->a));
}

static void watch_budget(struct tj_judge *j)
{
    if (j->last || j->values.mode == TJ_MODE_SINGLE)
        return;
    enum tj_stopped_by why = tj_budget_before_ask(
        &j->budget, tj_judge_now(j), tj_context_tokens(&j->context));
    if (why != TJ_BY_VERDICT)
        reach_budget(j, why);
}

static void keep_window(struct tj_judge *j)
{
    uint64_t window = j->options.context_tokens;
    if (window == 0 ||
        tj_context_tokens(&j->context) <= window / 100 * WINDOW_FULL_PERCENT)
        return;
    (void)tj_context_shrink(&j->context, window / 100 * WINDOW_GOAL_PERCENT);
}

static void log_ask(struct tj_judge *j)
{
    struct tj_judge_event *event = tj_vec_add(&j->events, j->a);
    size_t count = j->context.messages.count - j->logged;
    event->start_ns = tj_judge_now(j);
    event->round = j->round;
    event->sent = tj_arena_array(j->a, struct tj_message, count);
    event->sent_count = count;
    memcpy(event->sent, j->context.messages.items + j->logged,
           count * sizeof *event->sent);
    j->logged += count;
}

static void fill_ask(const struct tj_judge *j, struct tj_ask *out)
{
    *out = (struct tj_ask){
        .system = j->system,
        .messages = j->context.messages.items,
        .message_count = j->context.messages.count,
        .tools = j->tools,
        .tool_count = j->tool_count,
        .choice = j->last ? TJ_CHOICE_NONE : TJ_CHOICE_AUTO,
        .schema_name = j->schema.len ? TJ_STR("verdict") : TJ_STR(""),
        .schema = j->schema,
        .params = j->def->params,
        .cache_key = j->cache_key,
        .deadline_mono_ns = j->deadline_ns,
    };
}

enum tj_judge_step tj_judge_next(struct tj_judge *j, struct tj_ask *out,
                                 struct tj_err *err)
{
    assert(j->phase != TJ_PHASE_WAITING);
    if (j->phase == TJ_PHASE_DONE)
        return TJ_JUDGE_DONE;
    if (!tj_judge_run_calls(j, err))
        return TJ_JUDGE_FAILED;
    if (j->phase == TJ_PHASE_DONE)
        return TJ_JUDGE_DONE; /* cancelled by who watched a tool run */
    watch_budget(j);
    keep_window(j);
    j->round++;
    if (!j->last)
        j->budget.rounds++;
    log_ask(j);
    fill_ask(j, out);
    j->phase = TJ_PHASE_WAITING;
    if (j->options.watch.asked)
        j->options.watch.asked(j->options.watch.ctx, out, j->round);
    return TJ_JUDGE_ASK;
}

/* -- the reply ------------------------------------------------------------ */

static void log_reply(struct tj_judge *j, const struct tj_reply *reply)
{
    struct tj_judge_event *event = NULL;
    for (size_t i = j->events.count; i > 0 && !event; i--) {
        if (!j->events.items[i - 1].is_tool)
            event = &j->events.items[i - 1];
    }
    assert(event);
    event->end_ns = tj_judge_now(j);
    event->usage = reply->usage;
    event->model = tj_str_dup(j->a, reply->model);
    event->received.role = TJ_ROLE_ASSISTANT;
    event->received.text = tj_str_dup(j->a, reply->message.text);
    for (size_t i = 0; i < reply->message.uses.count; i++) {
        const struct tj_tool_use *use = &reply->message.uses.items[i];
        *tj_vec_add(&event->received.uses, j->a) = (struct tj_tool_use){
            .id = tj_str_dup(j->a, use->id),
            .name = tj_str_dup(j->a, use->name),
            .args = tj_str_dup(j->a, use->args),
        };
    }
    if (reply->stop == TJ_STOP_ERROR)
        event->error = tj_str_c(tj_llm_error_name(reply->error));
    else if (reply->stop == TJ_STOP_REFUSAL)
        event->error = TJ_STR("refusal");
    else if (reply->stop == TJ_STOP_LENGTH)
        event->error = TJ_STR("length");
}

static void on_overflow(struct tj_judge *j, const struct tj_reply *reply)
{
    uint64_t goal = tj_context_tokens(&j->context) / 100 * WINDOW_GOAL_PERCENT;
    if (tj_context_shrink(&j->context, goal) > 0)
        return;
    tj_judge_fail(j, TJ_STR("context_overflow"),
                  reply->error_message.len
                      ? reply->error_message
                      : TJ_STR("the prompt alone is over the model's window"));
}

static void on_error(struct tj_judge *j, const struct tj_reply *reply)
{
    if (reply->error == TJ_LLM_CONTEXT_OVERFLOW) {
        on_overflow(j, reply);
        return;
    }
    /* Our own deadline cut the request off: that is a budget, not a failure
     * of the provider. */
    if (reply->error == TJ_LLM_TIMEOUT && !j->last &&
        j->values.mode == TJ_MODE_AGENT && tj_judge_now(j) >= j->deadline_ns) {
        reach_budget(j, TJ_BY_SECONDS);
        return;
    }
    enum tj_llm_error error =
        reply->error == TJ_LLM_NONE ? TJ_LLM_PROVIDER : reply->error;
    tj_judge_fail(j, tj_str_c(tj_llm_error_name(error)), reply->error_message);
}

static void on_calls(struct tj_judge *j, const struct tj_reply *reply)
{
    if (j->last || j->values.mode == TJ_MODE_SINGLE) {
        tj_judge_fail(j, TJ_STR("bad_output"),
                      TJ_STR("the model called tools where only an answer "
                             "was allowed"));
        return;
    }
    tj_context_add_assistant(&j->context, &reply->message);
    j->pending = j->context.messages.count - 1;
}

static void on_length(struct tj_judge *j)
{
    if (j->repaired_length) {
        tj_judge_fail(j, TJ_STR("bad_output"),
                      TJ_STR("the answer was cut off at the output maximum, "
                             "twice"));
        return;
    }
    /* The cut reply stays out: half a tool call cannot be sent back. */
    j->repaired_length = true;
    tj_context_add_user(&j->context, tj_prompt_shorter());
}

static void on_bad_form(struct tj_judge *j, const struct tj_reply *reply,
                        tj_str why)
{
    bool empty = tj_str_trim(reply->message.text).len == 0;
    if (j->repaired_form || (j->last && empty)) {
        tj_judge_fail(j, TJ_STR("bad_output"), why);
        return;
    }
    j->repaired_form = true;
    if (!empty)
        tj_context_add_assistant(&j->context, &reply->message);
    tj_context_add_user(&j->context, tj_prompt_repair(why, j->def, j->a));
}

static bool on_text(struct tj_judge *j, const struct tj_reply *reply,
                    struct tj_err *err)
{
    struct tj_answer answer;
    tj_str why = {0};
    tj_str text = tj_str_dup(j->a, reply->message.text);
    if (tj_answer_parse(text, j->def, j->a, &answer, &why))
        return tj_judge_conclude(j, reply, &answer, err);
    if (reply->stop == TJ_STOP_LENGTH)
        on_length(j);
    else
        on_bad_form(j, reply, why);
    return true;
}

bool tj_judge_answer(struct tj_judge *j, const struct tj_reply *reply,
                     struct tj_err *err)
{
    if (j->phase == TJ_PHASE_DONE)
        return true; /* it was cancelled while the ask was out */
    assert(j->phase == TJ_PHASE_WAITING);
    j->phase = TJ_PHASE_READY;
    tj_judge_book(j, reply);
    log_reply(j, reply);
    if (j->options.watch.replied)
        j->options.watch.replied(j->options.watch.ctx, reply, j->round);
    if (reply->stop == TJ_STOP_ERROR) {
        on_error(j, reply);
    } else if (reply->stop == TJ_STOP_REFUSAL) {
        tj_judge_fail(j, TJ_STR("refusal"),
                      reply->error_message.len
                          ? reply->error_message
                          : TJ_STR("the model refused to answer"));
    } else if (reply->message.uses.count > 0) {
        if (reply->stop == TJ_STOP_LENGTH)
            on_length(j);
        else
            on_calls(j, reply);
    } else {
        return on_text(j, reply, err);
    }
    return true;
}

void tj_judge_cancel(struct tj_judge *j)
{
    if (j->phase != TJ_PHASE_DONE)
        tj_judge_fail(j, TJ_STR("cancelled"), TJ_STR("cancelled"));
}

const struct tj_verdict *tj_judge_verdict(const struct tj_judge *j)
{
    assert(j->phase == TJ_PHASE_DONE);
    return &j->verdict;
}
