/* messages.c - a span's input or output as chat messages.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     value   := message | part | wrapper | [value, ...] | "text"
 *     wrapper := {"messages": value}, {"choices": [{"message": ...}]}, ...
 *     message := {role, content | parts | text, tool_calls, reasoning}
 *
 * A string is text and is never looked into: a prompt that looks like a list
 * of messages stays what one speaker said.
 */
#include "trace/messages.h"

#include "trace/messages_int.h"

/* -- roles ---------------------------------------------------------------- */

/* Words for a speaker, LangChain's class names among them. */
static const struct {
    const char *word;
    const char *role;
} roles[] = {
    {"human", "user"},
    {"HumanMessage", "user"},
    {"HumanMessageChunk", "user"},
    {"ai", "assistant"},
    {"model", "assistant"},
    {"AIMessage", "assistant"},
    {"AIMessageChunk", "assistant"},
    {"SystemMessage", "system"},
    {"SystemMessageChunk", "system"},
    {"developer", "system"},
    {"function", "tool"},
    {"ToolMessage", "tool"},
    {"ToolMessageChunk", "tool"},
    {"FunctionMessage", "tool"},
};

static tj_str role_of(tj_str word)
{
    for (size_t i = 0; i < TJ_COUNT(roles); i++)
        if (tj_str_eq(word, tj_str_c(roles[i].word)))
            return tj_str_c(roles[i].role);
    return word;
}

/* LangChain says the role in `type`, where others say what a part is. */
static tj_str role_in_type(const struct tj_json *v)
{
    static const char *const plain[] = {"system", "user", "assistant", "tool",
                                        NULL};
    tj_str type = tj_json_find_str(v, TJ_STR("type"));
    tj_str role = role_of(type);
    return tj_speech_is_one_of(role, plain) ? role : (tj_str){0};
}

/* -- one message ---------------------------------------------------------- */

static const char *const body_names[] = {"content", "parts", "contents", "text",
                                         NULL};
static const char *const call_list_names[] = {"tool_calls", "toolCalls", NULL};
static const char *const reasoning_names[] = {"reasoning_content", "reasoning",
                                              NULL};
static const char *const result_id_names[] = {"tool_call_id", "toolCallId",
                                              NULL};

/* LangChain's own serialised forms hold the message one level down:
 * {"lc": 1, "id": [..., "AIMessage"], "kwargs": {...}} and
 * {"type": "ai", "data": {...}}.  Gives the message; *role if it is known. */
static const struct tj_json *unwrap(const struct tj_json *v, tj_str *role)
{
    const struct tj_json *kwargs = tj_json_find(v, TJ_STR("kwargs"));
    const struct tj_json *id = tj_json_find(v, TJ_STR("id"));
    *role = (tj_str){0};
    if (tj_json_is_object(kwargs) && tj_json_is_array(id)) {
        size_t last = tj_json_count(id);
        tj_str word = tj_json_str(last ? tj_json_item(id, last - 1) : NULL);
        *role = role_of(word);
        if (tj_str_eq(*role, word)) /* ChatMessage has its own */
            *role = tj_json_find_str(kwargs, TJ_STR("role"));
        return kwargs;
    }
    const struct tj_json *data = tj_json_find(v, TJ_STR("data"));
    *role = role_in_type(v);
    return role->len && tj_json_is_object(data) ? data : v;
}

/* A message has a speaker and something to say, if only null. */
static bool is_message(const struct tj_json *v)
{
    static const char *const says[] = {
        "content",    "parts",     "contents",      "text",
        "tool_calls", "toolCalls", "function_call", NULL};
    tj_str role = {0};
    const struct tj_json *message = unwrap(v, &role);
    if (!tj_json_is_object(message))
        return false;
    if (tj_json_is_array(tj_json_find(message, TJ_STR("parts"))))
        return true; /* Gemini's instructions have no role */
    if (!role.len && !tj_json_find_str(message, TJ_STR("role")).len)
        return false;
    for (size_t i = 0; says[i]; i++)
        if (tj_json_find(message, tj_str_c(says[i])))
            return true;
    return false;
}

/* A line of a history that names its speakers and has no roles:
 * {"name": "WebSurfer", "content": "..."}. */
static bool is_named_line(const struct tj_json *v)
{
    return tj_json_count(v) == 2 &&
           tj_json_is_string(tj_json_find(v, TJ_STR("name"))) &&
           tj_json_is_string(tj_json_find(v, TJ_STR("content")));
}

static void add_calls(struct tj_speech *s, const struct tj_json *message)
{
    const struct tj_json *more =
        tj_json_find(message, TJ_STR("additional_kwargs"));
    const struct tj_json *calls = tj_speech_find(message, call_list_names);
    if (!tj_json_count(calls))
        calls = tj_speech_find(more, call_list_names);
    tj_json_each (calls, call)
        tj_speech_add_call(s, call);
    const struct tj_json *legacy =
        tj_json_find(message, TJ_STR("function_call"));
    if (tj_json_is_object(legacy))
        tj_speech_add_call(s, legacy);
}

/* Whether the contents are results with ids of their own. */
static bool holds_results(const struct tj_json *body)
{
    tj_json_each (body, it) {
        tj_str type = tj_json_find_str(it, TJ_STR("type"));
        bool text = tj_str_eq(type, TJ_STR("text"));
        if (tj_speech_is_part(it) && !text && !tj_json_find(it, TJ_STR("text")))
            return true;
    }
    return false;
}

static void add_body(struct tj_speech *s, const struct tj_json *message)
{
    const struct tj_json *body = tj_speech_find(message, body_names);
    const struct tj_json *result_id = tj_speech_find(message, result_id_names);
    bool tool = tj_str_eq(s->role, TJ_STR("tool")) || result_id;
    if (!body)
        return;
    if (!tool || holds_results(body)) {
        tj_speech_add_content(s, body);
        return;
    }
    tj_speech_add_result(s, message, body);
    /* The message has an id of its own, which is not the call's. */
    struct tj_part *part = &s->out->items[s->out->count - 1];
    tj_str id = tj_json_str(result_id);
    if (id.len)
        part->call_id = id;
}

/* Some exporters put the tool's name where the role belongs.  It is one when
 * a call of that name was just before. */
static bool is_called(const struct tj_speech *s, tj_str name)
{
    enum { LOOK_BACK = 32 };
    size_t count = s->out->count;
    size_t first = count > LOOK_BACK ? count - LOOK_BACK : 0;
    for (size_t i = first; i < count; i++)
        if (s->out->items[i].kind == TJ_PART_TOOL_CALL &&
            tj_str_eq(s->out->items[i].name, name))
            return true;
    return false;
}

static void add_message(struct tj_speech *outer, const struct tj_json *v)
{
    struct tj_speech s = *outer;
    tj_str role = {0};
    const struct tj_json *message = unwrap(v, &role);
    tj_str word = tj_json_find_str(message, TJ_STR("role"));
    if (word.len)
        s.role = role_of(word);
    else if (role.len)
        s.role = role;
    s.name = tj_json_find_str(message, TJ_STR("name"));
    if (!word.len && !role.len && s.name.len)
        s.role = s.name; /* a history that names its speakers only */
    if (is_called(&s, s.role))
        s.role = TJ_STR("tool");
    tj_speech_add(&s, TJ_PART_REASONING,
                  tj_speech_find_str(message, reasoning_names));
    add_body(&s, message);
    tj_speech_add(&s, TJ_PART_TEXT,
                  tj_json_find_str(message, TJ_STR("refusal")));
    add_calls(&s, message);
}

/* -- values --------------------------------------------------------------- */

static bool read_value(struct tj_speech *s, const struct tj_json *v,
                       unsigned depth);

/* Instructions stand beside the messages in requests. */
static void add_system(struct tj_speech *outer, const struct tj_json *v)
{
    static const char *const names[] = {"system", "instructions",
                                        "system_instruction",
                                        "systemInstruction", NULL};
    struct tj_speech s = *outer;
    s.role = TJ_STR("system");
    const struct tj_json *found = tj_speech_find(v, names);
    if (!found)
        found = tj_speech_find(tj_json_find(v, TJ_STR("config")), names);
    const struct tj_json *parts = tj_json_find(found, TJ_STR("parts"));
    if (found)
        tj_speech_add_content(&s, parts ? parts : found);
}

/* Where wrappers keep the conversation; the first that holds one is it. */
static const char *const wrapped_names[] = {
    "messages",    "history", "chat_history",    "input_messages",
    "contents",    "choices", "candidates",      "generations",
    "new_message", "message", "output_messages", "prompt",
    "input",       "output",  "content",         "delta",
    "response",    NULL};

static const char *const reply_names[] = {"choices", "candidates", "output",
                                          NULL};

/* A bare string in a wrapper is the conversation only when nothing but
 * instructions and old messages stands beside it: {"output": "...",
 * "exit_code": 1} is a result and would lose the rest. */
static bool stands_alone(const struct tj_json *v, tj_str key)
{
    static const char *const beside[] = {
        "system", "instructions", "config", "chat_history", "model", NULL};
    static const char *const spoken[] = {"prompt", "contents", "input",
                                         "output", "content",  NULL};
    if (!tj_speech_is_one_of(key, spoken))
        return false;
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m))
        if (!tj_str_eq(m.key, key) && !tj_speech_is_one_of(m.key, beside))
            return false;
    return true;
}

static bool read_wrapper(struct tj_speech *s, const struct tj_json *v,
                         unsigned depth)
{
    size_t before = s->out->count;
    bool found = false;
    if (!tj_speech_find(v, reply_names)) /* replies repeat them */
        add_system(s, v);
    for (const char *const *name = wrapped_names; *name; name++) {
        tj_str key = tj_str_c(*name);
        const struct tj_json *inner = tj_json_find(v, key);
        if (!inner || (tj_json_is_string(inner) && !stands_alone(v, key)))
            continue;
        found = read_value(s, inner, depth + 1) || found;
        /* What is said now follows what was said before. */
        if (found && !tj_str_eq(key, TJ_STR("chat_history")))
            break;
    }
    if (!found)
        s->out->count = before;
    return found;
}

/* All items count when one of them is a message or a part; what is unknown
 * among them is shown as text. */
static bool read_array(struct tj_speech *s, const struct tj_json *v,
                       unsigned depth)
{
    size_t before = s->out->count;
    bool known = is_named_line(tj_json_first(v));
    tj_json_each (v, it) {
        if (tj_json_is_string(it))
            tj_speech_add(s, TJ_PART_TEXT, tj_json_str(it));
        else if (is_named_line(it))
            add_message(s, it);
        else if (read_value(s, it, depth + 1))
            known = true;
        else
            tj_speech_add(s, TJ_PART_TEXT, tj_speech_text(s, it));
    }
    if (!known)
        s->out->count = before;
    return known;
}

static bool read_value(struct tj_speech *s, const struct tj_json *v,
                       unsigned depth)
{
    if (depth > TJ_MESSAGES_DEPTH_MAX)
        return false;
    if (tj_json_is_string(v)) {
        tj_speech_add(s, TJ_PART_TEXT, tj_json_str(v));
        return true;
    }
    if (tj_json_is_array(v))
        return read_array(s, v, depth);
    if (!tj_json_is_object(v))
        return false;
    if (is_message(v))
        add_message(s, v);
    else if (tj_speech_is_part(v))
        tj_speech_add_part(s, v);
    else
        return read_wrapper(s, v, depth);
    return true;
}

bool tj_messages_read(const struct tj_json *v, tj_str role, struct tj_arena *a,
                      tj_parts *out)
{
    struct tj_speech s = {.arena = a, .out = out, .role = role};
    return read_value(&s, v, 0);
}
