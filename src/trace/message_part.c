/* message_part.c - the parts that a message is made of.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A part says what it is in one of two ways: by a type word
 * ({"type": "tool_use", ...}: OpenAI, Anthropic, gen_ai, Vercel, LangChain), or
 * by the one member it has ({"functionCall": {...}}: Gemini, Bedrock).  Both
 * are tables here; a new spelling is a new line.
 */
#include <inttypes.h>

#include "text/plain.h"
#include "trace/messages_int.h"

static const char *const id_names[] = {
    "call_id",   "tool_call_id", "tool_use_id", "toolCallId",
    "toolUseId", "id",           NULL};
static const char *const tool_names[] = {"name", "toolName", "tool_name", NULL};
static const char *const argument_names[] = {"arguments", "input", "args",
                                             "parameters", NULL};
static const char *const result_names[] = {"content",  "output", "result",
                                           "response", "error",  NULL};
static const char *const text_names[] = {
    "text", "content", "refusal", "thinking", "reasoning", "summary", NULL};
static const char *const mime_names[] = {"mime_type", "media_type", "mediaType",
                                         "mimeType", NULL};
static const char *const data_names[] = {"data",  "bytes",     "content",
                                         "image", "file_data", NULL};
static const char *const url_names[] = {
    "url", "uri", "fileUri", "file_uri", "image_url", "file_url", NULL};
static const char *const file_names[] = {"file_id", "fileId", "filename",
                                         "detail", NULL};

/* -- helpers for both files ----------------------------------------------- */

const struct tj_json *tj_speech_find(const struct tj_json *v,
                                     const char *const *names)
{
    for (; *names; names++) {
        const struct tj_json *found = tj_json_find(v, tj_str_c(*names));
        if (!tj_json_is_null(found))
            return found;
    }
    return NULL;
}

tj_str tj_speech_find_str(const struct tj_json *v, const char *const *names)
{
    for (; *names; names++) {
        tj_str found = tj_json_find_str(v, tj_str_c(*names));
        if (found.len)
            return found;
    }
    return (tj_str){0};
}

bool tj_speech_is_one_of(tj_str word, const char *const *words)
{
    for (; *words; words++)
        if (tj_str_eq(word, tj_str_c(*words)))
            return true;
    return false;
}

tj_str tj_speech_text(struct tj_speech *s, const struct tj_json *v)
{
    if (tj_json_is_null(v))
        return (tj_str){0};
    if (tj_json_is_string(v))
        return tj_json_str(v);
    struct tj_buf out;
    tj_buf_init(&out, s->arena, SIZE_MAX / 2);
    tj_plain_write(&out, v);
    return tj_buf_str(&out);
}

static struct tj_part *add(struct tj_speech *s, enum tj_part_kind kind)
{
    struct tj_part *part = tj_vec_add(s->out, s->arena);
    part->kind = kind;
    part->role = s->role;
    /* Only models think and call: the items of a request's input that do
     * have no role of their own. */
    bool model = kind == TJ_PART_TOOL_CALL || kind == TJ_PART_REASONING;
    if (model && tj_str_eq(s->role, TJ_STR("user")))
        part->role = TJ_STR("assistant");
    part->name = s->name;
    return part;
}

void tj_speech_add(struct tj_speech *s, enum tj_part_kind kind, tj_str text)
{
    if (text.len)
        add(s, kind)->text = text;
}

/* -- tools ---------------------------------------------------------------- */

void tj_speech_add_call(struct tj_speech *s, const struct tj_json *v)
{
    const struct tj_json *inner = tj_json_find(v, TJ_STR("tool_call"));
    if (tj_json_is_object(inner)) /* OpenInference */
        v = inner;
    const struct tj_json *function = tj_json_find(v, TJ_STR("function"));
    const struct tj_json *call = tj_json_is_object(function) ? function : v;
    struct tj_part *part = add(s, TJ_PART_TOOL_CALL);
    part->name = tj_speech_find_str(call, tool_names);
    part->call_id = tj_speech_find_str(v, id_names);
    part->text = tj_speech_text(s, tj_speech_find(call, argument_names));
}

/* The text inside of a result that is one text part, as most are; else all of
 * it in plain text, so that it reads as it stands in the field. */
static tj_str result_text(struct tj_speech *s, const struct tj_json *v)
{
    static const char *const names[] = {"text", "result", NULL};
    const struct tj_json *only = v;
    if (tj_json_is_array(v) && tj_json_count(v) == 1)
        only = tj_json_first(v);
    tj_str type = tj_json_find_str(only, TJ_STR("type"));
    const struct tj_json *text = tj_speech_find(only, names);
    bool part = type.len || (tj_json_count(only) == 1 && only != v);
    return part && tj_json_is_string(text) ? tj_json_str(text)
                                           : tj_speech_text(s, v);
}

void tj_speech_add_result(struct tj_speech *s, const struct tj_json *v,
                          const struct tj_json *result)
{
    struct tj_part *part = add(s, TJ_PART_TOOL_RESULT);
    part->role = TJ_STR("tool");
    part->name = tj_speech_find_str(v, tool_names);
    part->call_id = tj_speech_find_str(v, id_names);
    part->text = result_text(s, result);
}

/* Some calls come with their result: {"type": "mcp_call", "output": ...} */
static void add_call_and_result(struct tj_speech *s, const struct tj_json *v)
{
    static const char *const outputs[] = {"output", "result", "error", NULL};
    tj_speech_add_call(s, v);
    const struct tj_json *result = tj_speech_find(v, outputs);
    if (result)
        tj_speech_add_result(s, v, result);
}

static void add_typed_result(struct tj_speech *s, const struct tj_json *v)
{
    tj_speech_add_result(s, v, tj_speech_find(v, result_names));
}

/* -- text and media ------------------------------------------------------- */

/* The text of {"text": "..."}, {"summary": [{"text": "..."}, ...]} and the
 * like; parts of it become parts of their own. */
static void add_texts(struct tj_speech *s, enum tj_part_kind kind,
                      const struct tj_json *v)
{
    const struct tj_json *text = tj_speech_find(v, text_names);
    if (!tj_json_is_array(text)) {
        if (tj_json_is_object(text) && tj_speech_find(text, text_names))
            text = tj_speech_find(text, text_names);
        tj_speech_add(s, kind, tj_speech_text(s, text));
        return;
    }
    tj_json_each (text, it) {
        const struct tj_json *inner = tj_speech_find(it, text_names);
        tj_speech_add(s, kind, tj_speech_text(s, inner ? inner : it));
    }
}

static void add_text_part(struct tj_speech *s, const struct tj_json *v)
{
    bool thought = tj_json_bool(tj_json_find(v, TJ_STR("thought")), false);
    add_texts(s, thought ? TJ_PART_REASONING : TJ_PART_TEXT, v);
}

static void add_reasoning(struct tj_speech *s, const struct tj_json *v)
{
    add_texts(s, TJ_PART_REASONING, v);
}

struct media {
    tj_str kind; /* "image/png", or "image" when that is all there is */
    tj_str data; /* base64 */
    tj_str where;
};

/* "data:image/png;base64,AAAA" */
static void take_url(struct media *m, tj_str url)
{
    if (!tj_str_starts(url, TJ_STR("data:"))) {
        m->where = url;
        return;
    }
    tj_str head = tj_str_slice(url, 5, url.len);
    tj_str rest = head;
    head = tj_str_cut(&rest, ',');
    m->data = rest;
    tj_str mime = tj_str_cut(&head, ';');
    if (mime.len)
        m->kind = mime;
}

static void take_media(struct media *m, const struct tj_json *v)
{
    tj_str mime = tj_speech_find_str(v, mime_names);
    tj_str url = tj_speech_find_str(v, url_names);
    tj_str data = tj_speech_find_str(v, data_names);
    if (mime.len)
        m->kind = mime;
    if (url.len)
        take_url(m, url);
    else if (tj_str_starts(data, TJ_STR("data:")) ||
             tj_str_starts(data, TJ_STR("http")))
        take_url(m, data);
    else if (data.len)
        m->data = data;
    if (!m->where.len)
        m->where = tj_speech_find_str(v, file_names);
}

/* What and where it is may stand one or two levels down:
 * {"source": {...}}, {"image": {"source": {...}}}. */
static void add_media(struct tj_speech *s, const struct tj_json *v)
{
    struct media m = {.kind = tj_json_find_str(v, TJ_STR("type"))};
    if (m.kind.len == 0 && tj_json_is_object(v))
        m.kind = tj_json_str(tj_json_first(v));
    take_media(&m, v);
    struct tj_json_members members = tj_json_members(v);
    while (tj_json_member(&members)) {
        if (!tj_json_is_object(members.value))
            continue;
        take_media(&m, members.value);
        take_media(&m, tj_json_find(members.value, TJ_STR("source")));
        take_media(&m, tj_json_find(members.value, TJ_STR("image")));
    }
    tj_str text = m.kind;
    if (m.data.len)
        text = tj_str_printf(s->arena, "%.*s, %zu bytes", TJ_STR_ARG(m.kind),
                             m.data.len / 4 * 3 + m.data.len % 4 * 3 / 4);
    else if (m.where.len)
        text = tj_str_printf(s->arena, "%.*s, %.*s", TJ_STR_ARG(m.kind),
                             TJ_STR_ARG(m.where));
    tj_speech_add(s, TJ_PART_MEDIA, text);
}

static void add_nothing(struct tj_speech *s, const struct tj_json *v)
{
    (void)s;
    (void)v;
}

/* -- which part it is ------------------------------------------------------ */

typedef void (*add_fn)(struct tj_speech *s, const struct tj_json *v);

static const struct {
    const char *type;
    add_fn add;
} typed_parts[] = {
    {"text", add_text_part},
    {"input_text", add_text_part},
    {"output_text", add_text_part},
    {"summary_text", add_reasoning},
    {"refusal", add_text_part},
    {"reasoning", add_reasoning},
    {"reasoning_text", add_reasoning},
    {"thinking", add_reasoning},
    {"redacted_thinking", add_nothing}, /* encrypted */
    {"reasoning_content", add_reasoning},
    {"tool_call", tj_speech_add_call},
    {"tool-call", tj_speech_add_call},
    {"tool_use", tj_speech_add_call},
    {"server_tool_use", tj_speech_add_call},
    {"server_tool_call", tj_speech_add_call},
    {"mcp_tool_use", tj_speech_add_call},
    {"function", tj_speech_add_call},
    {"function_call", tj_speech_add_call},
    {"custom_tool_call", tj_speech_add_call},
    {"mcp_call", add_call_and_result},
    {"function_result", add_typed_result},
    {"tool_result", add_typed_result},
    {"tool-result", add_typed_result},
    {"tool-error", add_typed_result},
    {"tool_response", add_typed_result},
    {"tool_call_response", add_typed_result},
    {"server_tool_call_response", add_typed_result},
    {"mcp_tool_result", add_typed_result},
    {"web_search_tool_result", add_typed_result},
    {"function_call_output", add_typed_result},
    {"custom_tool_call_output", add_typed_result},
    {"image", add_media},
    {"image_url", add_media},
    {"input_image", add_media},
    {"audio", add_media},
    {"input_audio", add_media},
    {"video", add_media},
    {"media", add_media},
    {"file", add_media},
    {"input_file", add_media},
    {"document", add_media},
    {"blob", add_media},
    {"uri", add_media},
    {"step-start", add_nothing}, /* Vercel: marks where a step begins */
};

/* Tools that a provider runs itself ("web_search_call"): their arguments have
 * no common name, so all of it is shown. */
static void add_builtin_call(struct tj_speech *s, const struct tj_json *v)
{
    struct tj_part *part = add(s, TJ_PART_TOOL_CALL);
    part->name = tj_json_find_str(v, TJ_STR("type"));
    part->call_id = tj_speech_find_str(v, id_names);
    part->text = tj_speech_text(s, v);
}

/* Vercel's UI messages: {"type": "tool-<name>", "toolCallId": ...} */
static void add_ui_tool(struct tj_speech *s, const struct tj_json *v)
{
    size_t before = s->out->count;
    tj_str type = tj_json_find_str(v, TJ_STR("type"));
    add_call_and_result(s, v);
    for (size_t i = before; i < s->out->count; i++)
        s->out->items[i].name = tj_str_slice(type, 5, type.len);
}

static const struct tj_json *inner_part(const struct tj_json *v, size_t *kind);

static void add_inner_call(struct tj_speech *s, const struct tj_json *v)
{
    size_t kind = 0;
    tj_speech_add_call(s, inner_part(v, &kind));
}

static void add_inner_result(struct tj_speech *s, const struct tj_json *v)
{
    size_t kind = 0;
    add_typed_result(s, inner_part(v, &kind));
}

static void add_inner_reasoning(struct tj_speech *s, const struct tj_json *v)
{
    size_t kind = 0;
    const struct tj_json *inner = inner_part(v, &kind);
    const struct tj_json *text = tj_json_find(inner, TJ_STR("reasoningText"));
    add_reasoning(s, text ? text : inner);
}

/* OpenInference: {"message_content": {"type": "text", ...}} */
static void add_inner_part(struct tj_speech *s, const struct tj_json *v)
{
    size_t kind = 0;
    const struct tj_json *inner = inner_part(v, &kind);
    tj_str type = tj_json_find_str(inner, TJ_STR("type"));
    if (tj_str_eq(type, TJ_STR("text")))
        add_text_part(s, inner);
    else if (tj_str_eq(type, TJ_STR("reasoning")))
        add_reasoning(s, inner);
    else
        add_media(s, inner);
}

/* Gemini's and Bedrock's parts: a member says what it is. */
static const struct {
    const char *member;
    add_fn add;
} untyped_parts[] = {
    {"functionCall", add_inner_call},
    {"function_call", add_inner_call},
    {"toolUse", add_inner_call},
    {"tool_call", add_inner_call},
    {"functionResponse", add_inner_result},
    {"function_response", add_inner_result},
    {"toolResult", add_inner_result},
    {"codeExecutionResult", add_inner_result},
    {"code_execution_result", add_inner_result},
    {"reasoningContent", add_inner_reasoning},
    {"message_content", add_inner_part},
    {"inlineData", add_media},
    {"inline_data", add_media},
    {"fileData", add_media},
    {"file_data", add_media},
    {"image", add_media},
    {"document", add_media},
    {"video", add_media},
};

static const struct tj_json *inner_part(const struct tj_json *v, size_t *kind)
{
    for (size_t i = 0; i < TJ_COUNT(untyped_parts); i++) {
        tj_str member = tj_str_c(untyped_parts[i].member);
        const struct tj_json *inner = tj_json_find(v, member);
        *kind = i;
        if (tj_json_is_object(inner))
            return inner;
    }
    return NULL;
}

/* {"type": "function"} is a call, or the declaration of a tool. */
static bool has_arguments(const struct tj_json *v)
{
    const struct tj_json *function = tj_json_find(v, TJ_STR("function"));
    const struct tj_json *call = tj_json_is_object(function) ? function : v;
    return tj_json_find(call, TJ_STR("arguments")) != NULL;
}

/* Vercel's lists of calls and results: {"toolCallId": ..., "input": ...} */
static add_fn untyped_tool(const struct tj_json *v)
{
    if (!tj_json_find_str(v, TJ_STR("toolCallId")).len)
        return NULL;
    static const char *const results[] = {"output", "result", NULL};
    return tj_speech_find(v, results) ? add_typed_result : tj_speech_add_call;
}

/* A part of one member, or of two where the other is Gemini's signature. */
static add_fn untyped_part(const struct tj_json *v)
{
    static const char *const beside[] = {"thought", "thoughtSignature",
                                         "thought_signature", NULL};
    size_t kind = 0;
    size_t own = 0;
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m))
        own += !tj_speech_is_one_of(m.key, beside) && !tj_json_is_null(m.value);
    if (own != 1)
        return untyped_tool(v);
    if (tj_json_is_string(tj_json_find(v, TJ_STR("text"))))
        return add_text_part;
    return inner_part(v, &kind) ? untyped_parts[kind].add : NULL;
}

static add_fn part_of(const struct tj_json *v)
{
    if (!tj_json_is_object(v) || !tj_json_count(v))
        return NULL;
    tj_str type = tj_json_find_str(v, TJ_STR("type"));
    if (type.len == 0)
        return untyped_part(v);
    if (tj_str_eq(type, TJ_STR("function")) && !has_arguments(v))
        return NULL;
    for (size_t i = 0; i < TJ_COUNT(typed_parts); i++)
        if (tj_str_eq(type, tj_str_c(typed_parts[i].type)))
            return typed_parts[i].add;
    if (tj_str_ends(type, TJ_STR("ReasoningContent"))) /* .NET's classes */
        return add_reasoning;
    if (tj_str_ends(type, TJ_STR("_call")))
        return add_builtin_call;
    if (tj_str_starts(type, TJ_STR("tool-")) &&
        tj_json_find(v, TJ_STR("toolCallId")))
        return add_ui_tool;
    return NULL;
}

bool tj_speech_is_part(const struct tj_json *v)
{
    return part_of(v) != NULL;
}

void tj_speech_add_part(struct tj_speech *s, const struct tj_json *v)
{
    add_fn add_it = part_of(v);
    if (add_it)
        add_it(s, v);
    else
        tj_speech_add(s, TJ_PART_TEXT, tj_speech_text(s, v));
}

void tj_speech_add_content(struct tj_speech *s, const struct tj_json *v)
{
    if (!tj_json_is_array(v))
        tj_speech_add_part(s, v);
    tj_json_each (v, it)
        tj_speech_add_part(s, it);
}
