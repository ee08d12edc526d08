/* fmt_chat.c - plain chat histories: lists of messages and nothing else.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"messages": [{"role", "content", "tool_calls", ...}], "model", ...}
 *     {"question", "history": [{"role", "name", "content"}], "mistake_agent"..}
 *     {"task_id", "reward", "info", "traj": [messages]}          tau-bench
 *     [{"role", "content"}, ...]
 *     an array of any of the three objects
 *
 * The tree is the one of fmt_steps.h.  Who speaks is decided by role and name:
 *  1. system, developer, user, human are heard by the next model.
 *  2. assistant, ai, model is an LLM span.
 *  3. tool, function is the result of a call: matched by id, else by order.
 *     The executors of AutoGen and Magentic-One count as tools, too: what they
 *     say is what a program printed.
 *  4. Any other role ("WebSurfer", "Orchestrator (thought)") is an agent: an
 *     AGENT span of that name.  In a `history` the name beside the role counts,
 *     because there "user" only says whose point of view was recorded.
 *  5. step.index is the message's place in the list, counted from 0.
 * Labels of datasets (ground_truth, mistake_*, reward, the task a simulated
 * user was given) become assessments.  In a labelled dataset every member that
 * is not known to be harmless is taken for a label: a judge that reads the
 * answer judges nothing.
 */
#include "trace/fmt.h"
#include "trace/fmt_steps.h"

enum shape { SHAPE_NONE, SHAPE_MESSAGES, SHAPE_HISTORY, SHAPE_TAU, SHAPE_BARE };
enum speaker { SYSTEM, USER, MODEL, AGENT, TOOL };

struct chat {
    struct tj_steps st;
    const struct tj_json *doc;
    enum shape shape;
    tj_str model;
    const struct tj_json *first_user; /* content */
    const struct tj_json *last_said;  /* content of the last model or agent */
};

/* -- shapes ---------------------------------------------------------------- */

static bool is_message(const struct tj_json *v)
{
    if (!tj_json_is_object(v))
        return false;
    bool speaks = tj_json_is_string(tj_steps_get(v, "role")) ||
                  tj_json_is_string(tj_steps_get(v, "name"));
    return speaks &&
           (tj_steps_get(v, "content") || tj_steps_get(v, "tool_calls"));
}

static bool is_list(const struct tj_json *v)
{
    return tj_json_is_array(v) && is_message(tj_json_first(v));
}

static const struct tj_json *messages_of(const struct tj_json *doc,
                                         enum shape *shape)
{
    static const struct {
        const char *key;
        enum shape shape;
    } keys[] = {{"traj", SHAPE_TAU},
                {"history", SHAPE_HISTORY},
                {"messages", SHAPE_MESSAGES}};
    *shape = SHAPE_BARE;
    if (is_list(doc))
        return doc;
    for (size_t i = 0; i < TJ_COUNT(keys); i++) {
        *shape = keys[i].shape;
        const struct tj_json *list = tj_steps_get(doc, keys[i].key);
        if (is_list(list))
            return list;
    }
    *shape = SHAPE_NONE;
    return NULL;
}

static bool matches(const struct tj_json *doc)
{
    enum shape shape;
    if (messages_of(doc, &shape))
        return true;
    const struct tj_json *first =
        tj_json_is_array(doc) ? tj_json_first(doc) : NULL;
    return tj_json_is_object(first) && messages_of(first, &shape);
}

/* -- who speaks ------------------------------------------------------------ */

static bool is_any(tj_str s, const char *const *words)
{
    for (; *words; words++) {
        if (tj_str_eq(s, tj_str_c(*words)))
            return true;
    }
    return false;
}

static bool is_executor(tj_str name)
{
    static const char *const names[] = {"Computer_terminal", "ComputerTerminal",
                                        "code_executor", "CodeExecutor", NULL};
    return is_any(name, names);
}

/* What a message is signed with. */
static tj_str label_of(const struct chat *c, const struct tj_json *m)
{
    tj_str name = tj_json_find_str(m, TJ_STR("name"));
    tj_str role = tj_json_find_str(m, TJ_STR("role"));
    if (name.len > 0 && (c->shape == SHAPE_HISTORY || role.len == 0))
        return name;
    return role.len > 0 ? role : TJ_STR("message");
}

static enum speaker speaker_of(const struct chat *c, const struct tj_json *m)
{
    static const char *const systems[] = {"system", "developer", NULL};
    static const char *const users[] = {"user", "human", NULL};
    static const char *const models[] = {"assistant", "ai", "model", NULL};
    static const char *const tools[] = {"tool", "function", NULL};
    tj_str label = label_of(c, m);
    if (is_any(label, tools) || is_executor(label))
        return TOOL;
    if (is_any(label, systems))
        return SYSTEM;
    if (is_any(label, users))
        return USER;
    return is_any(label, models) ? MODEL : AGENT;
}

/* -- calls and their answers ----------------------------------------------- */

static bool is_block(const struct tj_json *v, tj_str type)
{
    return tj_str_eq(tj_json_find_str(v, TJ_STR("type")), type);
}

static void find_calls(struct tj_steps *st, const struct tj_json *m)
{
    tj_json_each (tj_steps_get(m, "tool_calls"), call) {
        const struct tj_json *function = tj_steps_get(call, "function");
        const struct tj_json *what = function ? function : call;
        tj_steps_add_call(st,
                          (struct tj_call){tj_steps_get(call, "id"),
                                           tj_steps_get(what, "name"),
                                           tj_steps_get(what, "arguments")});
    }
    const struct tj_json *old = tj_steps_get(m, "function_call");
    if (tj_json_is_object(old))
        tj_steps_add_call(st, (struct tj_call){NULL, tj_steps_get(old, "name"),
                                               tj_steps_get(old, "arguments")});
    tj_json_each (tj_steps_get(m, "content"), block) {
        if (is_block(block, TJ_STR("tool_use")))
            tj_steps_add_call(st,
                              (struct tj_call){tj_steps_get(block, "id"),
                                               tj_steps_get(block, "name"),
                                               tj_steps_get(block, "input")});
    }
}

static void add_answer(struct tj_steps *st, const struct tj_json *m)
{
    /* An executor's role is its name when it has no other. */
    const struct tj_json *role = tj_steps_get(m, "role");
    const struct tj_json *name = tj_steps_get(m, "name");
    bool unnamed = !name && is_executor(tj_json_str(role));
    tj_steps_add_answer(
        st, (struct tj_answer){.id = tj_steps_get(m, "tool_call_id"),
                               .name = unnamed ? role : name,
                               .content = tj_steps_get(m, "content")});
}

static void add_block(struct tj_steps *st, const struct tj_json *block)
{
    tj_steps_add_answer(
        st, (struct tj_answer){.id = tj_steps_get(block, "tool_use_id"),
                               .content = tj_steps_get(block, "content"),
                               .is_error = tj_json_bool(
                                   tj_steps_get(block, "is_error"), false),
                               .heard = true});
}

/* The tool messages right behind m, or the tool_result blocks of the user
 * message there.  Returns the last message that is nothing but an answer. */
static const struct tj_json *find_answers(struct chat *c,
                                          const struct tj_json *list,
                                          const struct tj_json *m)
{
    const struct tj_json *next = tj_json_next(list, m);
    while (next && speaker_of(c, next) == TOOL) {
        add_answer(&c->st, next);
        m = next;
        next = tj_json_next(list, next);
    }
    if (!next || c->st.answers.count > 0)
        return m;
    tj_json_each (tj_steps_get(next, "content"), block) {
        if (is_block(block, TJ_STR("tool_result")))
            add_block(&c->st, block);
    }
    return m;
}

static void write_calls(struct chat *c, size_t n)
{
    struct tj_steps *st = &c->st;
    tj_steps_write_calls(
        st, &(struct tj_steps_span){
                .path = tj_str_printf(st->batch->arena, "step/%zu", n),
                .name = TJ_STR("tool"),
                .parent = st->root_id});
}

/* A result that nobody asked for: what a program told an agent. */
static void write_lone_tool(struct chat *c, const struct tj_json *m, size_t n)
{
    tj_steps_reset_calls(&c->st);
    add_answer(&c->st, m);
    write_calls(c, n);
}

/* -- models and agents ----------------------------------------------------- */

/* An answer that is only text is shown as its text. */
static const struct tj_json *output_of(const struct tj_json *m)
{
    static const char *const more[] = {"tool_calls",        "function_call",
                                       "reasoning_content", "reasoning",
                                       "refusal",           NULL};
    const struct tj_json *content = tj_steps_get(m, "content");
    if (!tj_json_is_string(content))
        return m;
    for (const char *const *key = more; *key; key++) {
        if (tj_steps_has(tj_steps_get(m, *key)))
            return m;
    }
    return content;
}

/* "Orchestrator (thought)" is spoken by Orchestrator. */
static tj_str agent_name(tj_str label)
{
    size_t at = tj_str_find(label, TJ_STR(" ("));
    return at == (size_t)-1 ? label : tj_str_slice(label, 0, at);
}

static void write_speech(struct chat *c, const struct tj_json *m, size_t n,
                         enum speaker who)
{
    struct tj_steps *st = &c->st;
    tj_str label = label_of(c, m);
    struct tj_steps_span what = {
        .path = tj_str_printf(st->batch->arena, "step/%zu", n),
        .name = who == MODEL ? tj_steps_llm_name(st, c->model) : label,
        .kind = who == MODEL ? TJ_KIND_LLM : TJ_KIND_AGENT,
        .parent = st->root_id};
    tj_steps_open(st, &what);
    if (who == AGENT)
        tj_steps_text(st, "gen_ai.agent.name", agent_name(label));
    if (who == MODEL)
        tj_steps_text(st, "gen_ai.request.model", c->model);
    tj_build_attr_i64(st->build, TJ_STR("step.index"), (int64_t)n);
    tj_steps_input(st);
    tj_steps_value(st, "output.value", output_of(m));
    tj_build_end(st->build);
    if (tj_steps_has(tj_steps_get(m, "content")))
        c->last_said = tj_steps_get(m, "content");
}

/* Message m and what answers it; returns the last message that it took. */
static const struct tj_json *speak(struct chat *c, const struct tj_json *list,
                                   const struct tj_json *m, size_t n)
{
    enum speaker who = speaker_of(c, m);
    write_speech(c, m, n, who);
    tj_steps_reset_calls(&c->st);
    find_calls(&c->st, m);
    if (c->st.calls.count == 0)
        return m;
    const struct tj_json *last = find_answers(c, list, m);
    write_calls(c, n);
    return last;
}

static bool only_results(const struct tj_json *content)
{
    tj_json_each (content, block) {
        if (!is_block(block, TJ_STR("tool_result")))
            return false;
    }
    return tj_json_is_array(content);
}

static void hear(struct chat *c, const struct tj_json *m, enum speaker who)
{
    const struct tj_json *content = tj_steps_get(m, "content");
    if (who == USER && !c->first_user && tj_steps_has(content))
        c->first_user = content;
    tj_steps_hear(&c->st,
                  (struct tj_heard){.role = who == USER ? "user" : "system",
                                    .content = content,
                                    .shown = only_results(content)});
}

static void write_messages(struct chat *c, const struct tj_json *list)
{
    size_t n = 0;
    for (const struct tj_json *m = tj_json_first(list); m;
         m = tj_json_next(list, m), n++) {
        enum speaker who = speaker_of(c, m);
        if (who == SYSTEM || who == USER) {
            hear(c, m, who);
        } else if (who == TOOL) {
            write_lone_tool(c, m, n);
        } else {
            const struct tj_json *last = speak(c, list, m, n);
            for (; m != last; n++)
                m = tj_json_next(list, m);
        }
    }
    tj_steps_leave(&c->st, c->st.root_id);
}

/* -- what stands beside the messages --------------------------------------- */

enum part {
    PART_MESSAGES, /* told already */
    PART_DETAIL,   /* an attribute of the root */
    PART_IDENTITY, /* the same, and the trace's metadata */
    PART_LABEL,
    PART_SCORE, /* a label that a program gave */
    PART_INFO,  /* tau-bench's: a bit of each */
};

static enum part part_of(const struct chat *c, tj_str key)
{
    static const char *const told[] = {"history", "messages", "traj",
                                       "question", NULL};
    static const char *const ids[] = {"question_ID", "level", "task_id",
                                      "trial",       "id",    NULL};
    static const char *const details[] = {"system_prompt", "tools",    "model",
                                          "functions",     "metadata", NULL};
    static const char *const scores[] = {"reward", "score", NULL};
    static const char *const labels[] = {
        "ground_truth", "expected", "expected_answer", "answer",       "gold",
        "label",        "labels",   "is_correct",      "is_corrected", NULL};
    if (is_any(key, told))
        return PART_MESSAGES;
    if (is_any(key, ids))
        return PART_IDENTITY;
    if (is_any(key, scores))
        return PART_SCORE;
    if (c->shape == SHAPE_TAU && tj_str_eq(key, TJ_STR("info")))
        return PART_INFO;
    if (is_any(key, labels) || tj_str_starts(key, TJ_STR("mistake_")))
        return PART_LABEL;
    bool labelled = c->shape == SHAPE_HISTORY || c->shape == SHAPE_TAU;
    return labelled && !is_any(key, details) ? PART_LABEL : PART_DETAIL;
}

static void write_attr(struct chat *c, const struct tj_json_members *m)
{
    if (tj_steps_has(m->value))
        tj_build_attr(c->st.build, m->key, m->value);
}

static void write_label(struct chat *c, const struct tj_json_members *m)
{
    if (!tj_steps_has(m->value))
        return;
    struct tj_assessment *as =
        tj_steps_label(&c->st, TJ_EXPECTATION, m->key, m->value);
    uint64_t step;
    if (tj_str_eq(m->key, TJ_STR("mistake_step")) &&
        tj_str_to_u64(tj_json_str(m->value), &step))
        as->value_json = tj_json_str(m->value);
}

static void write_score(struct chat *c, const struct tj_json_members *m)
{
    struct tj_arena *a = c->st.batch->arena;
    if (!tj_steps_has(m->value))
        return;
    struct tj_assessment *as =
        tj_steps_label(&c->st, TJ_FEEDBACK, m->key, m->value);
    const struct tj_json *why = tj_json_at(c->doc, "info.reward_info");
    if (tj_json_is_object(why))
        tj_assessment_set_meta(as, a, TJ_STR("reward_info"),
                               tj_steps_show(a, why));
}

/* tau-bench: the task (with the right actions) is a label, how the reward was
 * found goes with the reward, the rest is detail. */
static void write_info(struct chat *c, const struct tj_json *info)
{
    struct tj_json_members m = tj_json_members(info);
    while (tj_json_member(&m)) {
        if (tj_str_eq(m.key, TJ_STR("reward_info")))
            continue;
        if (tj_str_eq(m.key, TJ_STR("task")))
            write_label(c, &m);
        else
            write_attr(c, &m);
    }
}

static void write_identity(struct chat *c, const struct tj_json_members *m)
{
    struct tj_arena *a = c->st.batch->arena;
    struct tj_trace_info *info = tj_batch_info(c->st.batch, c->st.trace_id);
    tj_str value = tj_str_dup(a, tj_steps_show(a, m->value));
    tj_pairs_set(&info->metadata, a, m->key, value);
    if (tj_str_eq(m->key, TJ_STR("question_ID")) ||
        tj_str_eq(m->key, TJ_STR("id")))
        info->source_id = value;
    write_attr(c, m);
}

static void write_members(struct chat *c)
{
    struct tj_json_members m = tj_json_members(c->doc);
    while (tj_json_member(&m)) {
        switch (part_of(c, m.key)) {
        case PART_MESSAGES: break;
        case PART_DETAIL: write_attr(c, &m); break;
        case PART_IDENTITY: write_identity(c, &m); break;
        case PART_LABEL: write_label(c, &m); break;
        case PART_SCORE: write_score(c, &m); break;
        case PART_INFO: write_info(c, m.value); break;
        }
    }
}

static void write_root(struct chat *c)
{
    struct tj_steps *st = &c->st;
    struct tj_arena *a = st->batch->arena;
    tj_str name = TJ_STR("conversation");
    const struct tj_json *task = tj_steps_get(c->doc, "task_id");
    if (tj_steps_has(task))
        name =
            tj_str_printf(a, "task %.*s", TJ_STR_ARG(tj_steps_show(a, task)));
    tj_batch_info(st->batch, st->trace_id)->name = name;
    tj_steps_open_root(st, name, 0, 0);
    const struct tj_json *question = tj_steps_get(c->doc, "question");
    tj_steps_value(st, "input.value",
                   tj_steps_has(question) ? question : c->first_user);
    tj_steps_value(st, "output.value", c->last_said);
    write_members(c);
    tj_build_end(st->build);
}

/* -- documents ------------------------------------------------------------- */

/* One conversation.  Its id comes from its messages and the task they are
 * about: no two sources agree on what else would name it. */
static bool parse_one(const struct tj_json *doc, struct tj_build *b,
                      struct tj_batch *batch, struct tj_err *err)
{
    struct chat c = {.doc = doc};
    const struct tj_json *list = messages_of(doc, &c.shape);
    if (!list)
        return tj_fail(err, TJ_E_INPUT,
                       "expected \"messages\", \"history\" or \"traj\": a "
                       "list of objects with role and content");
    tj_str hint = tj_str_printf(
        batch->arena, "%.*s/%.*s",
        TJ_STR_ARG(tj_steps_show(batch->arena, tj_steps_get(doc, "task_id"))),
        TJ_STR_ARG(tj_steps_show(batch->arena, tj_steps_get(doc, "trial"))));
    tj_steps_init(&c.st, b, batch,
                  tj_steps_trace_id(TJ_STR("chat"), hint, list));
    c.model = tj_json_find_str(doc, TJ_STR("model"));
    write_messages(&c, list);
    write_root(&c);
    return tj_steps_finish(&c.st, err);
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    enum shape shape;
    if (!tj_json_is_array(doc) || messages_of(doc, &shape))
        return parse_one(doc, b, batch, err);
    size_t n = 0;
    tj_json_each (doc, record) {
        if (!parse_one(record, b, batch, err))
            return tj_err_wrap(err, "record %zu", n);
        n++;
    }
    return true;
}

const struct tj_format tj_fmt_chat = {
    .name = "chat",
    .help = "chat histories: messages, history, tau-bench runs",
    .matches = matches,
    .parse_json = parse,
};
