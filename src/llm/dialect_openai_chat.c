/* dialect_openai_chat.c - POST {base}/chat/completions.
 * SPDX-License-Identifier: Apache-2.0
 *
 * OpenAI's older protocol, and the one that every other server speaks.
 *
 * An assistant message goes back as it came but for members that are null or
 * empty lists: services send those, and some refuse them.  What is opaque
 * (reasoning_content, reasoning_details, extra_content of a tool call) stays.
 */
#include "llm/wire.h"

static const struct tj_rename renames[] = {
    {"max_output_tokens", "max_completion_tokens"},
    {NULL, NULL},
};
static const struct tj_rename renames_old[] = {
    {"max_output_tokens", "max_tokens"},
    {"max_completion_tokens", "max_tokens"},
    {NULL, NULL},
};
static const struct tj_rename renames_new[] = {
    {"max_output_tokens", "max_completion_tokens"},
    {"max_tokens", "max_completion_tokens"},
    {NULL, NULL},
};

struct chat {
    const struct tj_wire *wire;
    const struct tj_ask *ask;
    struct tj_arena *a;
    struct tj_json_writer w;
    const struct tj_json *params;
};

/* -- request --------------------------------------------------------------- */

static tj_str call_id(const struct chat *c, tj_str id)
{
    return c->wire->quirks & TJ_QUIRK_SHORT_IDS ? tj_wire_short_id(id, c->a)
                                                : id;
}

static void put_system(struct chat *c)
{
    bool developer = c->wire->quirks & TJ_QUIRK_DEVELOPER &&
                     tj_wire_has(c->wire, TJ_FEATURE_DEVELOPER) &&
                     tj_wire_is_reasoning(c->wire->model);
    if (!c->ask->system.len)
        return;
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "role",
                  developer ? TJ_STR("developer") : TJ_STR("system"));
    tj_jw_key_str(&c->w, "content", c->ask->system);
    tj_jw_end(&c->w);
}

/* DeepSeek: R1 refuses its reasoning back, V4 refuses turns without. */
static bool is_r1(const struct tj_wire *wire)
{
    return wire->quirks & TJ_QUIRK_REASONING_TURNS &&
           tj_str_find(wire->model, TJ_STR("-r1")) != (size_t)-1;
}

static void put_no_reasoning(struct chat *c)
{
    if (c->wire->quirks & TJ_QUIRK_REASONING_TURNS && !is_r1(c->wire))
        tj_jw_key_str(&c->w, "reasoning_content", TJ_STR(""));
}

static bool put_own(struct chat *c, const struct tj_message *m)
{
    struct tj_json_doc doc;
    struct tj_err ignored;
    if (!tj_wire_is_own(m, &tj_dialect_openai_chat) ||
        !tj_json_parse(m->raw, c->a, &doc, &ignored))
        return false;
    tj_jw_object(&c->w);
    bool has_reasoning = false;
    struct tj_json_members it = tj_json_members(doc.root);
    while (tj_json_member(&it)) {
        bool is_content = tj_str_eq(it.key, TJ_STR("content"));
        bool is_empty =
            tj_json_is_null(it.value) ||
            (tj_json_is_array(it.value) && tj_json_count(it.value) == 0);
        if (is_empty && !(is_content && m->uses.count))
            continue;
        bool is_reasoning = tj_str_eq(it.key, TJ_STR("reasoning_content"));
        if (is_reasoning && is_r1(c->wire))
            continue;
        has_reasoning |= is_reasoning;
        tj_jw_key(&c->w, it.key);
        tj_jw_value(&c->w, it.value);
    }
    if (!has_reasoning)
        put_no_reasoning(c);
    tj_jw_end(&c->w);
    return true;
}

static void put_assistant(struct chat *c, const struct tj_message *m)
{
    if (put_own(c, m))
        return;
    if (!m->text.len && !m->uses.count)
        return;
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "role", TJ_STR("assistant"));
    tj_jw_key(&c->w, TJ_STR("content"));
    if (m->text.len)
        tj_jw_str(&c->w, m->text);
    else
        tj_jw_null(&c->w);
    put_no_reasoning(c);
    if (m->uses.count) {
        tj_jw_key(&c->w, TJ_STR("tool_calls"));
        tj_jw_array(&c->w);
        tj_vec_each (&m->uses, const struct tj_tool_use, use) {
            tj_jw_object(&c->w);
            tj_jw_key_str(&c->w, "id", call_id(c, use->id));
            tj_jw_key_str(&c->w, "type", TJ_STR("function"));
            tj_jw_key(&c->w, TJ_STR("function"));
            tj_jw_object(&c->w);
            tj_jw_key_str(&c->w, "name", use->name);
            tj_jw_key_str(&c->w, "arguments", use->args);
            tj_jw_end(&c->w);
            tj_jw_end(&c->w);
        }
        tj_jw_end(&c->w);
    }
    tj_jw_end(&c->w);
}

static void put_tool_result(struct chat *c, const struct tj_message *m)
{
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "role", TJ_STR("tool"));
    tj_jw_key_str(&c->w, "tool_call_id", call_id(c, m->use_id));
    if (c->wire->quirks & TJ_QUIRK_TOOL_NAME)
        tj_jw_key_str(&c->w, "name", m->use_name);
    tj_jw_key_str(&c->w, "content", m->text);
    tj_jw_end(&c->w);
}

static void put_messages(struct chat *c)
{
    tj_jw_key(&c->w, TJ_STR("messages"));
    tj_jw_array(&c->w);
    put_system(c);
    for (size_t i = 0; i < c->ask->message_count; i++) {
        const struct tj_message *m = &c->ask->messages[i];
        switch (m->role) {
        case TJ_ROLE_USER:
            tj_jw_object(&c->w);
            tj_jw_key_str(&c->w, "role", TJ_STR("user"));
            tj_jw_key_str(&c->w, "content", m->text);
            tj_jw_end(&c->w);
            break;
        case TJ_ROLE_ASSISTANT: put_assistant(c, m); break;
        case TJ_ROLE_TOOL: put_tool_result(c, m); break;
        }
    }
    tj_jw_end(&c->w);
}

static void put_tool(struct chat *c, tj_str name, tj_str help, tj_str schema)
{
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "type", TJ_STR("function"));
    tj_jw_key(&c->w, TJ_STR("function"));
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "name", name);
    if (help.len)
        tj_jw_key_str(&c->w, "description", help);
    tj_jw_key(&c->w, TJ_STR("parameters"));
    tj_wire_json(&c->w, schema, c->a);
    tj_jw_end(&c->w);
    tj_jw_end(&c->w);
}

static void put_choice(struct chat *c, bool submit)
{
    bool only_submit =
        submit && (!c->ask->tool_count || c->ask->choice == TJ_CHOICE_NONE);
    if (!tj_wire_has(c->wire, TJ_FEATURE_TOOL_CHOICE) ||
        c->wire->quirks & TJ_QUIRK_NO_TOOL_CHOICE)
        return;
    if (!only_submit && c->ask->choice == TJ_CHOICE_AUTO)
        return; /* the default */
    tj_jw_key(&c->w, TJ_STR("tool_choice"));
    if (!only_submit) {
        tj_jw_str(&c->w, c->ask->choice == TJ_CHOICE_NONE ? TJ_STR("none")
                                                          : TJ_STR("required"));
        return;
    }
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "type", TJ_STR("function"));
    tj_jw_key(&c->w, TJ_STR("function"));
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "name", TJ_SUBMIT_TOOL);
    tj_jw_end(&c->w);
    tj_jw_end(&c->w);
}

static void put_tools(struct chat *c)
{
    bool submit = tj_wire_submit(c->wire, c->ask);
    size_t count = c->ask->tool_count;
    /* Where tools cannot be forbidden they are not shown. */
    if (c->ask->choice == TJ_CHOICE_NONE &&
        c->wire->quirks & TJ_QUIRK_NO_TOOL_CHOICE)
        count = 0;
    if (!count && !submit)
        return;
    tj_jw_key(&c->w, TJ_STR("tools"));
    tj_jw_array(&c->w);
    for (size_t i = 0; i < count; i++)
        put_tool(c, c->ask->tools[i].name, c->ask->tools[i].description,
                 c->ask->tools[i].schema);
    if (submit)
        put_tool(c, TJ_SUBMIT_TOOL, TJ_SUBMIT_HELP, c->ask->schema);
    tj_jw_end(&c->w);
    put_choice(c, submit);
}

static void put_form(struct chat *c)
{
    if (!tj_wire_schema(c->wire, c->ask))
        return;
    tj_jw_key(&c->w, TJ_STR("response_format"));
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "type", TJ_STR("json_schema"));
    tj_jw_key(&c->w, TJ_STR("json_schema"));
    tj_jw_object(&c->w);
    tj_jw_key_str(&c->w, "name", tj_wire_schema_name(c->ask, c->a));
    tj_jw_key(&c->w, TJ_STR("schema"));
    tj_wire_json(&c->w, c->ask->schema, c->a);
    tj_jw_key_bool(&c->w, "strict", true);
    tj_jw_end(&c->w);
    tj_jw_end(&c->w);
}

/* The first refusal turns the name round. */
static const char *tokens_name(const struct tj_wire *wire)
{
    bool modern = wire->quirks & TJ_QUIRK_COMPLETION_TOKENS;
    if (!tj_wire_has(wire, TJ_FEATURE_TOKENS_NAME))
        modern = !modern;
    return modern ? "max_completion_tokens" : "max_tokens";
}

static const struct tj_rename *names_for(const struct tj_wire *wire)
{
    if (!strcmp(tokens_name(wire), "max_tokens"))
        return renames_old;
    return wire->quirks & TJ_QUIRK_COMPLETION_TOKENS ? renames_new : renames;
}

static bool chat_request(const struct tj_wire *wire, const struct tj_ask *ask,
                         struct tj_buf *out, struct tj_err *err)
{
    struct chat c = {.wire = wire, .ask = ask, .a = out->arena};
    if (!tj_params_read(ask, c.a, &c.params, err))
        return false;
    const struct tj_rename *names = names_for(wire);
    const char *tokens = tokens_name(wire);
    tj_json_writer_init(&c.w, out, TJ_JSON_COMPACT);
    tj_jw_object(&c.w);
    tj_jw_key_str(&c.w, "model", wire->model);
    put_messages(&c);
    put_tools(&c);
    put_form(&c);
    if (ask->output_tokens_max > 0 &&
        !tj_params_has(wire, c.params, names, tokens))
        tj_jw_key_i64(&c.w, tokens, ask->output_tokens_max);
    if (ask->cache_key.len && wire->quirks & TJ_QUIRK_CACHE_KEY &&
        tj_wire_has(wire, TJ_FEATURE_CACHE_KEY))
        tj_jw_key_str(&c.w, "prompt_cache_key", ask->cache_key);
    tj_params_write(&c.w, wire, c.params, names);
    tj_jw_end(&c.w);
    return tj_buf_ok(out, "request body", err);
}

/* -- reply ----------------------------------------------------------------- */

static void read_usage(const struct tj_json *usage, struct tj_llm_usage *out)
{
    out->input_tokens = tj_wire_count(tj_json_at(usage, "prompt_tokens"));
    out->output_tokens = tj_wire_count(tj_json_at(usage, "completion_tokens"));
    out->cached_input_tokens =
        tj_wire_count(tj_json_at(usage, "prompt_tokens_details.cached_tokens"));
    if (out->cached_input_tokens < 0) /* DeepSeek */
        out->cached_input_tokens =
            tj_wire_count(tj_json_at(usage, "prompt_cache_hit_tokens"));
    out->cache_write_tokens = tj_wire_count(
        tj_json_at(usage, "prompt_tokens_details.cache_write_tokens"));
    out->reasoning_tokens = tj_wire_count(
        tj_json_at(usage, "completion_tokens_details.reasoning_tokens"));
    double cost; /* OpenRouter */
    if (tj_json_double(tj_json_at(usage, "cost"), &cost) && cost >= 0)
        out->cost_usd = cost;
}

/* Returns whether all calls had an id of their own. */
static bool read_calls(const struct tj_json *calls, tj_str response_id,
                       struct tj_arena *a, struct tj_reply *out)
{
    bool has_ids = true;
    tj_json_each (calls, it) {
        const struct tj_json *args = tj_json_at(it, "function.arguments");
        tj_str id = tj_json_find_str(it, TJ_STR("id"));
        tj_str name = tj_json_str(tj_json_at(it, "function.name"));
        if (!id.len) {
            id = tj_wire_short_id(tj_str_printf(a, "%.*s/%zu",
                                                TJ_STR_ARG(response_id),
                                                out->message.uses.count),
                                  a);
            has_ids = false;
        }
        /* Ollama's own form has an object where OpenAI has its text. */
        (void)tj_reply_add_use(out, a, id, name,
                               tj_json_is_object(args) ? tj_wire_text(args, a)
                                                       : tj_json_str(args));
    }
    return has_ids;
}

static enum tj_stop read_stop(tj_str reason, bool has_calls)
{
    if (tj_str_eq(reason, TJ_STR("length")))
        return TJ_STOP_LENGTH;
    if (tj_str_eq(reason, TJ_STR("content_filter")))
        return TJ_STOP_REFUSAL;
    /* Many servers say "stop" beside tool calls. */
    return has_calls ? TJ_STOP_TOOLS : TJ_STOP_END;
}

static tj_str raw_message(tj_str body)
{
    tj_str choices = tj_slice_member(body, TJ_STR("choices"));
    return tj_slice_member(tj_slice_item(choices, 0), TJ_STR("message"));
}

static void chat_reply(const struct tj_wire *wire, tj_str body,
                       const struct tj_json_doc *doc, struct tj_arena *a,
                       struct tj_reply *out)
{
    const struct tj_json *choice = tj_json_at(doc->root, "choices.0");
    const struct tj_json *message = tj_json_at(choice, "message");
    struct tj_fault fault;
    (void)wire;
    read_usage(tj_json_at(doc->root, "usage"), &out->usage);
    if (!tj_json_is_null(tj_json_at(choice, "error")) &&
        tj_fault_find(tj_wire_text(choice, a), a, &fault)) {
        fault.status = fault.status ? fault.status : 500;
        tj_reply_fail(out, a, tj_fault_class(&fault), "%.*s",
                      TJ_STR_ARG(tj_str_slice(fault.message, 0, 300)));
        return;
    }
    if (!tj_json_is_object(message)) {
        tj_reply_fail(out, a, TJ_LLM_BAD_OUTPUT,
                      "the response has no choices[0].message");
        return;
    }
    out->message.text = tj_wire_content(tj_json_at(message, "content"), a);
    bool has_ids =
        read_calls(tj_json_at(message, "tool_calls"), out->response_id, a, out);
    out->message.raw_dialect = tj_dialect_openai_chat.name;
    if (has_ids && !doc->repaired)
        out->message.raw = raw_message(body);
    out->stop = read_stop(tj_json_find_str(choice, TJ_STR("finish_reason")),
                          out->message.uses.count > 0);
    tj_str refusal = tj_json_find_str(message, TJ_STR("refusal"));
    if (refusal.len) {
        out->stop = TJ_STOP_REFUSAL;
        out->message.text = refusal;
    }
}

const struct tj_dialect tj_dialect_openai_chat = {
    .name = "openai-chat",
    .path = "/chat/completions",
    .request = chat_request,
    .reply = chat_reply,
};
