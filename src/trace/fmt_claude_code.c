/* fmt_claude_code.c - session files of Claude Code (JSON Lines).
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"type": "user"|"assistant"|"system"|"summary"|..., "uuid",
 *      "parentUuid", "sessionId", "isSidechain", "agentId", "timestamp",
 *      "message": {"id", "model", "content": text or blocks, "usage"}}
 *
 * One session is one trace:
 *
 *     AGENT "claude-code"
 *       CHAIN "turn 1"                a prompt, until the next one
 *         LLM  "chat <model>"         all lines of one message.id
 *         TOOL "Task"                 tool_use with its tool_result
 *           AGENT "Explore"           a sidechain: LLM and TOOL spans again
 *         CHAIN "compaction summary"
 *
 *  1. A call to the model starts when the line before it was written (the
 *     prompt or the tool's result that it answers) and ends with its last line.
 *  2. Anthropic's input_tokens leaves cached tokens out; OpenTelemetry's has
 *     them in.  The span has the latter, claude_code.usage what was written.
 *  3. A sidechain may be in a file of its own, which says only the session and
 *     the prompt.  So the span id of a call that has a prompt is made from the
 *     prompt, and both files find each other in any order of import.
 *  4. Lines repeat when a session is resumed: a uuid counts once.  What a
 *     line's parent is matters for sidechains alone, and only lines above are
 *     looked at, so parents that form a circle do no harm.
 *  5. Signatures of thinking blocks are left out; a tool's structured result
 *     (toolUseResult) gives its short members, its text is in tool_result.
 *  6. system lines are events of the root; lines that only keep the program's
 *     books (file-history-snapshot, progress, queue-operation) are passed over.
 */
#include "base/map.h"
#include "text/plain.h"
#include "trace/fmt.h"
#include "trace/fmt_steps.h"

/* A session file may open with lines about other things. */
enum { LINES_LOOKED_AT = 64 };
/* Strings of a toolUseResult that are kept. */
enum { DETAIL_BYTES_MAX = 128 };

enum line_kind { LINE_OTHER, LINE_PROMPT, LINE_USER, LINE_COMPACT, LINE_MODEL };

struct line {
    const struct tj_json *v;
    const struct tj_json *content; /* of its message */
    tj_str message_id;
    tj_time time;
    enum line_kind kind;
    bool done;
};

/* The main chain or one sidechain. */
struct group {
    tj_str agent_id; /* or the uuid of its first line */
    TJ_VEC(struct line) lines;
};

struct result {
    const struct tj_json *block;
    const struct tj_json *line;
};

struct session {
    struct tj_steps st;
    tj_str id;
    tj_str title;
    TJ_VEC(const struct tj_json *) raw; /* its lines in order */
    TJ_VEC(struct group) groups;        /* 0: the main chain */
    TJ_VEC(struct result) results;
    TJ_VEC(const struct tj_json *) calls; /* tool_use blocks */
    struct tj_map result_of;              /* tool_use id -> results */
    struct tj_map call_of;                /* tool_use id -> calls */
    struct tj_map task_of;  /* prompt -> calls, the first that has it */
    struct tj_map agent_of; /* agentId -> results */
    struct tj_map used;     /* paths of tool calls written */
    size_t repeats;
};

typedef TJ_VEC(struct session) sessions;

/* A stretch of a group: lines[from] up to, not with, lines[to]. */
struct stretch {
    struct group *group;
    size_t from;
    size_t to;
    tj_span_id parent;
    tj_time heard_at;                /* when the last line was written */
    const struct tj_json *last_said; /* the last text of the model */
};

/* -- lines ----------------------------------------------------------------- */

static tj_str text_of(const struct tj_json *v, const char *key)
{
    return tj_json_str(tj_steps_get(v, key));
}

static bool flag(const struct tj_json *v, const char *key)
{
    return tj_json_bool(tj_steps_get(v, key), false);
}

static bool is_session_line(const struct tj_json *v)
{
    tj_str type = text_of(v, "type");
    if (tj_str_eq(type, TJ_STR("summary")))
        return text_of(v, "leafUuid").len > 0;
    if (tj_str_eq(type, TJ_STR("file-history-snapshot")))
        return text_of(v, "messageId").len > 0;
    return type.len > 0 && text_of(v, "sessionId").len > 0 &&
           (text_of(v, "uuid").len > 0 || text_of(v, "timestamp").len > 0);
}

static bool matches(const struct tj_json *doc)
{
    if (tj_json_is_object(doc))
        return is_session_line(doc);
    size_t n = 0;
    tj_json_each (doc, v) {
        if (is_session_line(v))
            return true;
        if (++n == LINES_LOOKED_AT)
            return false;
    }
    return false;
}

static bool is_block(const struct tj_json *v, const char *type)
{
    return tj_str_eq(text_of(v, "type"), tj_str_c(type));
}

static bool has_block(const struct tj_json *content, const char *type)
{
    tj_json_each (content, block) {
        if (is_block(block, type))
            return true;
    }
    return false;
}

static enum line_kind kind_of(const struct tj_json *v,
                              const struct tj_json *content)
{
    tj_str type = text_of(v, "type");
    if (tj_str_eq(type, TJ_STR("assistant")))
        return LINE_MODEL;
    if (!tj_str_eq(type, TJ_STR("user")))
        return LINE_OTHER;
    if (flag(v, "isCompactSummary"))
        return LINE_COMPACT;
    if (flag(v, "isMeta") || has_block(content, "tool_result"))
        return LINE_USER;
    return LINE_PROMPT;
}

/* The words of a prompt; those of its first text block when it has blocks. */
static const struct tj_json *words_of(const struct tj_json *content)
{
    tj_json_each (content, block) {
        if (is_block(block, "text"))
            return tj_steps_get(block, "text");
    }
    return content;
}

/* -- sorting lines into sessions and chains -------------------------------- */

/* Lines of each session in order.  A summary names a line; where that is not
 * in the file, it belongs to the first session. */
static void split(const struct tj_json *doc, struct tj_arena *a, sessions *out)
{
    struct tj_map by_id;
    struct tj_map seen;
    tj_map_init(&by_id, a);
    tj_map_init(&seen, a);
    const struct tj_json *only = tj_json_is_object(doc) ? doc : NULL;
    for (const struct tj_json *v = only ? only : tj_json_first(doc); v;
         v = only ? NULL : tj_json_next(doc, v)) {
        tj_str id = text_of(v, "sessionId");
        tj_str uuid = text_of(v, "uuid");
        bool fresh = false;
        if (id.len == 0)
            continue;
        struct tj_map_entry *e = tj_map_add(&by_id, id, &fresh);
        if (fresh) {
            e->number = out->count;
            tj_vec_add(out, a)->id = id;
        }
        assert(out->items);
        struct session *s = &out->items[e->number];
        if (uuid.len > 0) {
            /* The same line in two sessions is one of each. */
            tj_str key = tj_str_printf(a, "%zu %.*s", (size_t)e->number,
                                       TJ_STR_ARG(uuid));
            (void)tj_map_add(&seen, key, &fresh);
            if (!fresh)
                continue;
        }
        *tj_vec_add(&s->raw, a) = v;
    }
}

static void read_titles(const struct tj_json *doc, sessions *all)
{
    tj_json_each (doc, v) {
        tj_str title = text_of(v, "summary");
        if (all->count > 0 && title.len > 0 &&
            tj_str_eq(text_of(v, "type"), TJ_STR("summary")))
            all->items[0].title = title;
    }
}

static size_t group_of(struct session *s, const struct tj_json *v,
                       struct tj_map *agents, const struct tj_map *uuids)
{
    struct tj_arena *a = s->st.batch->arena;
    tj_str agent = text_of(v, "agentId");
    tj_str key = agent.len ? agent : text_of(v, "uuid");
    bool fresh = false;
    if (!flag(v, "isSidechain"))
        return 0;
    if (agent.len == 0) {
        const struct tj_map_entry *up =
            tj_map_find(uuids, text_of(v, "parentUuid"));
        if (up && up->number != 0)
            return up->number;
    }
    struct tj_map_entry *e = tj_map_add(agents, key, &fresh);
    if (fresh) {
        e->number = s->groups.count;
        tj_vec_add(&s->groups, a)->agent_id = key;
    }
    return e->number;
}

/* Numbers key in map unless it is known already. */
static bool note(struct tj_map *map, tj_str key, size_t number)
{
    bool fresh = false;
    struct tj_map_entry *e = tj_map_add(map, key, &fresh);
    if (fresh)
        e->number = number;
    return fresh;
}

static void note_result(struct session *s, const struct tj_json *line,
                        const struct tj_json *block)
{
    tj_str id = text_of(block, "tool_use_id");
    tj_str agent = tj_json_str(tj_json_at(line, "toolUseResult.agentId"));
    size_t n = s->results.count;
    if (id.len == 0 || !note(&s->result_of, id, n))
        return;
    *tj_vec_add(&s->results, s->st.batch->arena) = (struct result){block, line};
    if (agent.len > 0)
        (void)note(&s->agent_of, agent, n);
}

static void note_call(struct session *s, const struct tj_json *block)
{
    tj_str id = text_of(block, "id");
    tj_str prompt = tj_json_str(tj_json_at(block, "input.prompt"));
    size_t n = s->calls.count;
    *tj_vec_add(&s->calls, s->st.batch->arena) = block;
    if (id.len > 0)
        (void)note(&s->call_of, id, n);
    if (prompt.len > 0)
        (void)note(&s->task_of, prompt, n);
}

static void note_blocks(struct session *s, const struct tj_json *line,
                        const struct tj_json *content)
{
    tj_json_each (content, block) {
        if (is_block(block, "tool_result"))
            note_result(s, line, block);
        else if (is_block(block, "tool_use"))
            note_call(s, block);
    }
}

static void sort_lines(struct session *s)
{
    struct tj_arena *a = s->st.batch->arena;
    struct tj_map agents;
    struct tj_map uuids;
    tj_map_init(&agents, a);
    tj_map_init(&uuids, a);
    tj_map_init(&s->result_of, a);
    tj_map_init(&s->call_of, a);
    tj_map_init(&s->task_of, a);
    tj_map_init(&s->agent_of, a);
    tj_map_init(&s->used, a);
    (void)tj_vec_add(&s->groups, a);
    tj_vec_each (&s->raw, const struct tj_json *, v) {
        const struct tj_json *content = tj_json_at(*v, "message.content");
        size_t n = group_of(s, *v, &agents, &uuids);
        tj_str uuid = text_of(*v, "uuid");
        bool fresh = false;
        if (uuid.len > 0)
            tj_map_add(&uuids, uuid, &fresh)->number = n;
        *tj_vec_add(&s->groups.items[n].lines, a) = (struct line){
            .v = *v,
            .content = content,
            .message_id = tj_json_str(tj_json_at(*v, "message.id")),
            .time = tj_steps_time(tj_steps_get(*v, "timestamp")),
            .kind = kind_of(*v, content)};
        note_blocks(s, *v, content);
    }
}

/* -- tool calls ------------------------------------------------------------ */

/* The path of a call: its prompt, for the first that has this one (3). */
static tj_str call_path(const struct session *s, const struct tj_json *block)
{
    struct tj_arena *a = s->st.batch->arena;
    tj_str prompt = tj_json_str(tj_json_at(block, "input.prompt"));
    const struct tj_map_entry *e =
        prompt.len ? tj_map_find(&s->task_of, prompt) : NULL;
    if (e && s->calls.items[e->number] == block)
        return tj_str_printf(a, "task/%.*s", TJ_STR_ARG(prompt));
    return tj_str_printf(a, "tool/%.*s", TJ_STR_ARG(text_of(block, "id")));
}

/* The same for the span that is written: an id that came twice is made two. */
static tj_str fresh_path(struct session *s, const struct tj_json *block)
{
    tj_str path = call_path(s, block);
    if (note(&s->used, path, 0))
        return path;
    return tj_str_printf(s->st.batch->arena, "%.*s/%zu", TJ_STR_ARG(path),
                         ++s->repeats);
}

static void write_details(struct session *s, const struct tj_json *detail)
{
    struct tj_arena *a = s->st.batch->arena;
    struct tj_json_members m = tj_json_members(detail);
    while (tj_json_member(&m)) {
        bool small = !tj_json_is_array(m.value) && !tj_json_is_object(m.value);
        if (!small || !tj_steps_has(m.value) ||
            tj_json_str(m.value).len > DETAIL_BYTES_MAX)
            continue;
        tj_str key =
            tj_str_printf(a, "claude_code.result.%.*s", TJ_STR_ARG(m.key));
        tj_build_attr(s->st.build, key, m.value);
    }
}

static void write_result(struct session *s, struct tj_span *span,
                         const struct result *r)
{
    tj_steps_value(&s->st, "output.value", tj_steps_get(r->block, "content"));
    if (flag(r->block, "is_error"))
        span->status = TJ_STATUS_ERROR;
    write_details(s, tj_steps_get(r->line, "toolUseResult"));
}

static void write_tool(struct session *s, const struct stretch *at,
                       const struct line *line, const struct tj_json *block)
{
    struct tj_steps *st = &s->st;
    tj_str name = text_of(block, "name");
    const struct tj_map_entry *e =
        tj_map_find(&s->result_of, text_of(block, "id"));
    const struct result *r = e ? &s->results.items[e->number] : NULL;
    tj_time end = r ? tj_steps_time(tj_steps_get(r->line, "timestamp")) : 0;
    struct tj_steps_span what = {.path = fresh_path(s, block),
                                 .name = name.len ? name : TJ_STR("tool"),
                                 .kind = TJ_KIND_TOOL,
                                 .parent = at->parent,
                                 .start = line->time,
                                 .end = end};
    struct tj_span *span = tj_steps_open(st, &what);
    tj_steps_text(st, "gen_ai.tool.name", name);
    tj_steps_value(st, "gen_ai.tool.call.id", tj_steps_get(block, "id"));
    tj_steps_value(st, "input.value", tj_steps_get(block, "input"));
    if (r)
        write_result(s, span, r);
    tj_build_end(st->build);
}

/* -- calls to the model ---------------------------------------------------- */

static bool same_message(const struct line *a, const struct line *b)
{
    return a == b ||
           (a->message_id.len > 0 && tj_str_eq(a->message_id, b->message_id));
}

/* The line behind the last that may still belong to the message at `first`:
 * another message or a prompt ends it. */
static size_t message_end(const struct stretch *at, size_t first)
{
    const struct line *lines = at->group->lines.items;
    size_t i = first + 1;
    for (; i < at->to; i++) {
        if (lines[i].kind == LINE_PROMPT || lines[i].kind == LINE_COMPACT)
            break;
        if (lines[i].kind == LINE_MODEL &&
            !same_message(&lines[first], &lines[i]))
            break;
    }
    return i;
}

static void add_block(struct tj_buf *b, const struct tj_json *block)
{
    const struct tj_json *thought = tj_steps_get(block, "thinking");
    tj_steps_item(b);
    if (is_block(block, "thinking") && thought) {
        tj_steps_raw(b, "{\"type\": \"thinking\"");
        tj_steps_member(b, "thinking", thought);
        tj_steps_raw(b, "}");
    } else {
        tj_plain_write_inner(b, block);
    }
}

/* All blocks of a message; a message that is one text is that text. */
static void write_blocks(struct session *s, struct stretch *at, size_t first,
                         size_t end)
{
    const struct line *lines = at->group->lines.items;
    const struct tj_json *said = NULL;
    size_t count = 0;
    struct tj_buf b;
    tj_steps_buf(&s->st, &b);
    tj_steps_raw(&b, "{\"role\": \"assistant\", \"content\": [");
    for (size_t i = first; i < end; i++) {
        if (lines[i].kind != LINE_MODEL)
            continue;
        if (tj_json_is_string(lines[i].content)) {
            said = lines[i].content;
            count++;
        }
        tj_json_each (lines[i].content, block) {
            count++;
            add_block(&b, block);
            if (is_block(block, "text"))
                said = tj_steps_get(block, "text");
        }
    }
    tj_steps_raw(&b, "]}");
    if (said && count == 1)
        tj_steps_value(&s->st, "output.value", said);
    else
        tj_steps_plain(&s->st, "output.value", &b);
    at->last_said = said ? said : at->last_said;
}

static int64_t tokens(const struct tj_json *usage, const char *key)
{
    int64_t n = 0;
    return tj_json_i64(tj_steps_get(usage, key), &n) && n >= 0
               ? n
               : TJ_TOKENS_UNKNOWN;
}

static void write_usage(struct session *s, const struct tj_json *usage)
{
    struct tj_usage u = TJ_USAGE_UNKNOWN;
    u.input_tokens = tokens(usage, "input_tokens");
    u.output_tokens = tokens(usage, "output_tokens");
    u.cache_read_tokens = tokens(usage, "cache_read_input_tokens");
    u.cache_write_tokens = tokens(usage, "cache_creation_input_tokens");
    int64_t parts[] = {u.cache_read_tokens, u.cache_write_tokens};
    for (size_t i = 0; i < TJ_COUNT(parts) && u.input_tokens >= 0; i++) {
        if (parts[i] > 0 &&
            __builtin_add_overflow(u.input_tokens, parts[i], &u.input_tokens))
            u.input_tokens = TJ_TOKENS_UNKNOWN;
    }
    tj_steps_usage(&s->st, &u);
    tj_steps_value(&s->st, "claude_code.usage", usage);
}

static void write_message(struct session *s, struct stretch *at, size_t first,
                          size_t end)
{
    struct tj_steps *st = &s->st;
    struct line *lines = at->group->lines.items;
    size_t last = first;
    for (size_t i = first; i < end; i++) {
        last = lines[i].kind == LINE_MODEL ? i : last;
        lines[i].done |= lines[i].kind == LINE_MODEL;
    }
    const struct tj_json *message = tj_steps_get(lines[last].v, "message");
    tj_str model = text_of(message, "model");
    bool known = at->heard_at && at->heard_at <= lines[first].time;
    struct tj_steps_span what = {
        .path = tj_str_printf(st->batch->arena, "llm/%.*s",
                              TJ_STR_ARG(text_of(lines[first].v, "uuid"))),
        .name = tj_steps_llm_name(st, model),
        .kind = TJ_KIND_LLM,
        .parent = at->parent,
        .start = known ? at->heard_at : lines[first].time,
        .end = lines[last].time};
    struct tj_span *span = tj_steps_open(st, &what);
    tj_steps_text(st, "gen_ai.request.model", model);
    tj_steps_text(st, "gen_ai.response.id", lines[first].message_id);
    tj_steps_value(st, "stop_reason", tj_steps_get(message, "stop_reason"));
    tj_steps_input(st);
    write_blocks(s, at, first, end);
    write_usage(s, tj_steps_get(message, "usage"));
    if (flag(lines[last].v, "isApiErrorMessage"))
        span->status = TJ_STATUS_ERROR;
    tj_build_end(st->build);
    for (size_t i = first; i < end; i++) {
        if (lines[i].kind != LINE_MODEL)
            continue;
        tj_json_each (lines[i].content, block) {
            if (is_block(block, "tool_use"))
                write_tool(s, at, &lines[i], block);
        }
    }
}

/* -- stretches ------------------------------------------------------------- */

static void hear_line(struct session *s, const struct line *line)
{
    bool results = false;
    tj_json_each (line->content, block) {
        if (!is_block(block, "tool_result"))
            continue;
        results = true;
        tj_steps_hear(&s->st, (struct tj_heard){
                                  .role = "tool",
                                  .content = tj_steps_get(block, "content"),
                                  .call_id = tj_steps_get(block, "tool_use_id"),
                                  .shown = true});
    }
    if (!results)
        tj_steps_hear(&s->st, (struct tj_heard){.role = "user",
                                                .content = line->content,
                                                .shown = true});
}

static void write_summary(struct session *s, const struct stretch *at,
                          const struct line *line)
{
    struct tj_steps *st = &s->st;
    struct tj_steps_span what = {
        .path = tj_str_printf(st->batch->arena, "compact/%.*s",
                              TJ_STR_ARG(text_of(line->v, "uuid"))),
        .name = TJ_STR("compaction summary"),
        .kind = TJ_KIND_CHAIN,
        .parent = at->parent,
        .start = line->time,
        .end = line->time};
    tj_steps_open(st, &what);
    tj_steps_value(st, "output.value", line->content);
    tj_build_end(st->build);
}

static void write_stretch(struct session *s, struct stretch *at)
{
    struct line *lines = at->group->lines.items;
    for (size_t i = at->from; i < at->to; i++) {
        if (lines[i].kind == LINE_OTHER)
            continue;
        if (lines[i].kind == LINE_COMPACT)
            write_summary(s, at, &lines[i]);
        if (lines[i].kind != LINE_MODEL)
            hear_line(s, &lines[i]);
        else if (!lines[i].done)
            write_message(s, at, i, message_end(at, i));
        at->heard_at = lines[i].time ? lines[i].time : at->heard_at;
    }
    s->st.heard.count = 0;
}

static tj_time first_time(const struct group *g, size_t from, size_t to)
{
    tj_time first = 0;
    for (size_t i = from; i < to; i++) {
        tj_time t = g->lines.items[i].time;
        first = t && (!first || t < first) ? t : first;
    }
    return first;
}

static tj_time last_time(const struct group *g, size_t from, size_t to)
{
    tj_time last = 0;
    for (size_t i = from; i < to; i++)
        last = g->lines.items[i].time > last ? g->lines.items[i].time : last;
    return last;
}

/* -- the main chain -------------------------------------------------------- */

/* Lines [from, to) of the main chain are turn n.  Returns its last words. */
static const struct tj_json *write_turn(struct session *s, size_t from,
                                        size_t to, size_t n)
{
    struct tj_steps *st = &s->st;
    struct tj_arena *a = st->batch->arena;
    struct group *main = &s->groups.items[0];
    const struct line *first = &main->lines.items[from];
    tj_str path =
        tj_str_printf(a, "turn/%.*s", TJ_STR_ARG(text_of(first->v, "uuid")));
    struct stretch at = {
        .group = main, .from = from, .to = to, .parent = tj_steps_id(st, path)};
    write_stretch(s, &at);
    tj_steps_open(
        st, &(struct tj_steps_span){.path = path,
                                    .name = tj_str_printf(a, "turn %zu", n),
                                    .kind = TJ_KIND_CHAIN,
                                    .parent = st->root_id,
                                    .start = first_time(main, from, to),
                                    .end = last_time(main, from, to)});
    if (first->kind == LINE_PROMPT)
        tj_steps_value(st, "input.value", first->content);
    tj_steps_value(st, "output.value", at.last_said);
    tj_build_end(st->build);
    return at.last_said;
}

static bool is_conversation(const struct group *g, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (g->lines.items[i].kind != LINE_OTHER)
            return true;
    }
    return false;
}

static void write_events(struct session *s)
{
    tj_vec_each (&s->groups.items[0].lines, struct line, line) {
        if (!tj_str_eq(text_of(line->v, "type"), TJ_STR("system")))
            continue;
        tj_str name = text_of(line->v, "subtype");
        tj_build_event(s->st.build, name.len ? name : TJ_STR("system"),
                       line->time);
        static const char *const kept[] = {"content", "level", "error",
                                           "compactMetadata"};
        for (size_t i = 0; i < TJ_COUNT(kept); i++) {
            const struct tj_json *v = tj_steps_get(line->v, kept[i]);
            if (tj_steps_has(v))
                tj_build_event_attr(s->st.build, tj_str_c(kept[i]), v);
        }
    }
}

static void write_info(struct session *s, const struct tj_json *line)
{
    static const char *const kept[] = {"cwd", "gitBranch", "version", "slug"};
    struct tj_arena *a = s->st.batch->arena;
    struct tj_trace_info *info = tj_batch_info(s->st.batch, s->st.trace_id);
    info->session = s->id;
    info->source_id = s->id;
    info->name = s->title.len ? s->title : TJ_STR("claude-code");
    for (size_t i = 0; i < TJ_COUNT(kept); i++) {
        tj_str value = text_of(line, kept[i]);
        if (value.len > 0)
            tj_pairs_set(&info->metadata, a, tj_str_c(kept[i]), value);
    }
}

static void write_root(struct session *s, const struct tj_json *task,
                       const struct tj_json *last_said)
{
    struct tj_steps *st = &s->st;
    const struct group *main = &s->groups.items[0];
    size_t count = main->lines.count;
    tj_steps_open_root(st, TJ_STR("claude-code"), first_time(main, 0, count),
                       last_time(main, 0, count));
    tj_steps_text(st, "gen_ai.agent.name", TJ_STR("claude-code"));
    tj_steps_text(st, "session.id", s->id);
    tj_steps_value(st, "input.value", task);
    tj_steps_value(st, "output.value", last_said);
    write_events(s);
    tj_build_end(st->build);
}

static void write_main(struct session *s)
{
    const struct group *main = &s->groups.items[0];
    const struct tj_json *task = NULL;
    const struct tj_json *said = NULL;
    size_t turns = 0;
    size_t from = 0;
    for (size_t i = 0; i < main->lines.count; i++) {
        const struct line *line = &main->lines.items[i];
        bool last = i + 1 == main->lines.count;
        if (line->kind == LINE_PROMPT && !task)
            task = line->content;
        if (!last && line[1].kind != LINE_PROMPT)
            continue;
        if (is_conversation(main, from, i + 1)) {
            const struct tj_json *words = write_turn(s, from, i + 1, ++turns);
            said = words ? words : said;
            from = i + 1;
        }
    }
    if (main->lines.count > 0)
        write_root(s, task, said);
}

/* -- sidechains ------------------------------------------------------------ */

/* The call that started a sidechain: by the agent's id, else by its prompt;
 * NULL when it is not in this file. */
static const struct tj_json *starter_of(const struct session *s,
                                        const struct group *g, tj_str prompt)
{
    const struct tj_map_entry *e = tj_map_find(&s->agent_of, g->agent_id);
    if (e) {
        const struct tj_json *block = s->results.items[e->number].block;
        e = tj_map_find(&s->call_of, text_of(block, "tool_use_id"));
    }
    if (!e && prompt.len > 0)
        e = tj_map_find(&s->task_of, prompt);
    return e ? s->calls.items[e->number] : NULL;
}

static tj_span_id starter_id(const struct session *s,
                             const struct tj_json *starter, tj_str prompt)
{
    struct tj_arena *a = s->st.batch->arena;
    bool alone = s->groups.items[0].lines.count == 0;
    if (starter)
        return tj_steps_id(&s->st, call_path(s, starter));
    if (alone && prompt.len > 0)
        return tj_steps_id(&s->st,
                           tj_str_printf(a, "task/%.*s", TJ_STR_ARG(prompt)));
    return s->st.root_id;
}

static void write_sidechain(struct session *s, struct group *g)
{
    struct tj_steps *st = &s->st;
    struct tj_arena *a = st->batch->arena;
    size_t count = g->lines.count;
    const struct tj_json *content = g->lines.items[0].content;
    tj_str prompt = tj_json_str(words_of(content));
    const struct tj_json *starter = starter_of(s, g, prompt);
    tj_str path = tj_str_printf(a, "agent/%.*s", TJ_STR_ARG(g->agent_id));
    struct stretch at = {
        .group = g, .to = count, .parent = tj_steps_id(st, path)};
    write_stretch(s, &at);
    tj_str type = tj_json_str(tj_json_at(starter, "input.subagent_type"));
    tj_steps_open(st, &(struct tj_steps_span){
                          .path = path,
                          .name = type.len ? type : TJ_STR("subagent"),
                          .kind = TJ_KIND_AGENT,
                          .parent = starter_id(s, starter, prompt),
                          .start = first_time(g, 0, count),
                          .end = last_time(g, 0, count)});
    tj_steps_text(st, "gen_ai.agent.name", type);
    tj_steps_text(st, "gen_ai.agent.id", g->agent_id);
    tj_steps_value(st, "input.value", content);
    tj_steps_value(st, "output.value", at.last_said);
    tj_build_end(st->build);
}

/* -- documents ------------------------------------------------------------- */

static bool write_session(struct session *s, struct tj_build *b,
                          struct tj_batch *batch, struct tj_err *err)
{
    tj_steps_init(&s->st, b, batch,
                  tj_steps_trace_id(TJ_STR("claude-code"), s->id, NULL));
    sort_lines(s);
    write_main(s);
    for (size_t i = 1; i < s->groups.count; i++)
        write_sidechain(s, &s->groups.items[i]);
    write_info(s, s->raw.items[0]);
    return tj_steps_finish(&s->st, err);
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    sessions all = {0};
    split(doc, batch->arena, &all);
    read_titles(doc, &all);
    if (all.count == 0)
        return tj_fail(err, TJ_E_INPUT,
                       "offset 0: expected lines with a sessionId");
    for (size_t i = 0; i < all.count; i++) {
        if (!write_session(&all.items[i], b, batch, err))
            return false;
    }
    return true;
}

const struct tj_format tj_fmt_claude_code = {
    .name = "claude-code",
    .help = "Claude Code session files (JSON Lines)",
    .matches = matches,
    .parse_json = parse,
    .lines = true,
};
