/* dialect_openai_responses.c - POST {base}/responses.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What OpenAI's current models want for tool calls beside reasoning.  Used
 * statelessly: store is false, the encrypted reasoning is asked for, and the
 * output items of each turn go back byte for byte.
 */
#include "base/limits.h"
#include "llm/wire.h"

static const struct tj_rename renames[] = {
    {"max_tokens", "max_output_tokens"},
    {"max_completion_tokens", "max_output_tokens"},
    {"reasoning_effort", "reasoning.effort"},
    {"verbosity", "text.verbosity"},
    {NULL, NULL},
};

struct responses {
    const struct tj_wire *wire;
    const struct tj_ask *ask;
    struct tj_arena *a;
    struct tj_json_writer w;
    const struct tj_json *params;
};

/* -- request --------------------------------------------------------------- */

static void put_text(struct responses *r, const char *role, tj_str text)
{
    if (!text.len)
        return;
    tj_jw_object(&r->w);
    tj_jw_key_str(&r->w, "role", tj_str_c(role));
    tj_jw_key_str(&r->w, "content", text);
    tj_jw_end(&r->w);
}

static void put_assistant(struct responses *r, const struct tj_message *m)
{
    if (tj_wire_is_own(m, &tj_dialect_openai_responses)) {
        tj_str item;
        for (size_t i = 0; (item = tj_slice_item(m->raw, i)).len; i++)
            tj_jw_raw(&r->w, item);
        return;
    }
    put_text(r, "assistant", m->text);
    tj_vec_each (&m->uses, const struct tj_tool_use, use) {
        tj_jw_object(&r->w);
        tj_jw_key_str(&r->w, "type", TJ_STR("function_call"));
        tj_jw_key_str(&r->w, "call_id", use->id);
        tj_jw_key_str(&r->w, "name", use->name);
        tj_jw_key_str(&r->w, "arguments", use->args);
        tj_jw_end(&r->w);
    }
}

static void put_input(struct responses *r)
{
    tj_jw_key(&r->w, TJ_STR("input"));
    tj_jw_array(&r->w);
    for (size_t i = 0; i < r->ask->message_count; i++) {
        const struct tj_message *m = &r->ask->messages[i];
        switch (m->role) {
        case TJ_ROLE_USER: put_text(r, "user", m->text); break;
        case TJ_ROLE_ASSISTANT: put_assistant(r, m); break;
        case TJ_ROLE_TOOL:
            tj_jw_object(&r->w);
            tj_jw_key_str(&r->w, "type", TJ_STR("function_call_output"));
            tj_jw_key_str(&r->w, "call_id", m->use_id);
            tj_jw_key_str(&r->w, "output", m->text);
            tj_jw_end(&r->w);
            break;
        }
    }
    tj_jw_end(&r->w);
}

static void put_tool(struct responses *r, tj_str name, tj_str help,
                     tj_str schema)
{
    tj_jw_object(&r->w);
    tj_jw_key_str(&r->w, "type", TJ_STR("function"));
    tj_jw_key_str(&r->w, "name", name);
    if (help.len)
        tj_jw_key_str(&r->w, "description", help);
    tj_jw_key(&r->w, TJ_STR("parameters"));
    tj_wire_json(&r->w, schema, r->a);
    /* True is the default here, and asks for schemas with every property
     * required, which optional arguments are not. */
    tj_jw_key_bool(&r->w, "strict", false);
    tj_jw_end(&r->w);
}

static void put_choice(struct responses *r, bool submit)
{
    bool only_submit =
        submit && (!r->ask->tool_count || r->ask->choice == TJ_CHOICE_NONE);
    if (!tj_wire_has(r->wire, TJ_FEATURE_TOOL_CHOICE) ||
        (!only_submit && r->ask->choice == TJ_CHOICE_AUTO))
        return;
    tj_jw_key(&r->w, TJ_STR("tool_choice"));
    if (!only_submit) {
        tj_jw_str(&r->w, r->ask->choice == TJ_CHOICE_NONE ? TJ_STR("none")
                                                          : TJ_STR("required"));
        return;
    }
    tj_jw_object(&r->w);
    tj_jw_key_str(&r->w, "type", TJ_STR("function"));
    tj_jw_key_str(&r->w, "name", TJ_SUBMIT_TOOL);
    tj_jw_end(&r->w);
}

static void put_tools(struct responses *r)
{
    bool submit = tj_wire_submit(r->wire, r->ask);
    if (!r->ask->tool_count && !submit)
        return;
    tj_jw_key(&r->w, TJ_STR("tools"));
    tj_jw_array(&r->w);
    for (size_t i = 0; i < r->ask->tool_count; i++)
        put_tool(r, r->ask->tools[i].name, r->ask->tools[i].description,
                 r->ask->tools[i].schema);
    if (submit)
        put_tool(r, TJ_SUBMIT_TOOL, TJ_SUBMIT_HELP, r->ask->schema);
    tj_jw_end(&r->w);
    put_choice(r, submit);
}

static void put_form(struct responses *r)
{
    bool has_schema = tj_wire_schema(r->wire, r->ask);
    if (!has_schema && !tj_params_has(r->wire, r->params, renames, "text"))
        return;
    tj_jw_key(&r->w, TJ_STR("text"));
    tj_jw_object(&r->w);
    tj_params_write_into(&r->w, r->wire, r->params, renames, "text");
    if (has_schema) {
        tj_jw_key(&r->w, TJ_STR("format"));
        tj_jw_object(&r->w);
        tj_jw_key_str(&r->w, "type", TJ_STR("json_schema"));
        tj_jw_key_str(&r->w, "name", tj_wire_schema_name(r->ask, r->a));
        tj_jw_key(&r->w, TJ_STR("schema"));
        tj_wire_json(&r->w, r->ask->schema, r->a);
        tj_jw_key_bool(&r->w, "strict", true);
        tj_jw_end(&r->w);
    }
    tj_jw_end(&r->w);
}

/* Older models have no reasoning, and refuse to be asked for it. */
static bool may_reason(tj_str model)
{
    return !tj_str_starts(model, TJ_STR("gpt-4")) &&
           !tj_str_starts(model, TJ_STR("gpt-3")) &&
           !tj_str_starts(model, TJ_STR("chatgpt"));
}

static void put_state(struct responses *r)
{
    if (tj_wire_has(r->wire, TJ_FEATURE_STORE) &&
        !tj_params_has(r->wire, r->params, renames, "store"))
        tj_jw_key_bool(&r->w, "store", false);
    if (tj_wire_has(r->wire, TJ_FEATURE_ENCRYPTED) &&
        !tj_params_has(r->wire, r->params, renames, "include") &&
        may_reason(r->wire->model)) {
        tj_jw_key(&r->w, TJ_STR("include"));
        tj_jw_array(&r->w);
        tj_jw_str(&r->w, TJ_STR("reasoning.encrypted_content"));
        tj_jw_end(&r->w);
    }
    if (r->ask->cache_key.len && r->wire->quirks & TJ_QUIRK_CACHE_KEY &&
        tj_wire_has(r->wire, TJ_FEATURE_CACHE_KEY))
        tj_jw_key_str(&r->w, "prompt_cache_key", r->ask->cache_key);
}

static bool responses_request(const struct tj_wire *wire,
                              const struct tj_ask *ask, struct tj_buf *out,
                              struct tj_err *err)
{
    struct responses r = {.wire = wire, .ask = ask, .a = out->arena};
    if (!tj_params_read(ask, r.a, &r.params, err))
        return false;
    tj_json_writer_init(&r.w, out, TJ_JSON_COMPACT);
    tj_jw_object(&r.w);
    tj_jw_key_str(&r.w, "model", wire->model);
    if (ask->system.len)
        tj_jw_key_str(&r.w, "instructions", ask->system);
    put_input(&r);
    put_tools(&r);
    put_form(&r);
    if (tj_params_has(wire, r.params, renames, "reasoning")) {
        tj_jw_key(&r.w, TJ_STR("reasoning"));
        tj_jw_object(&r.w);
        tj_params_write_into(&r.w, wire, r.params, renames, "reasoning");
        tj_jw_end(&r.w);
    }
    if (ask->output_tokens_max > 0 &&
        !tj_params_has(wire, r.params, renames, "max_output_tokens"))
        tj_jw_key_i64(&r.w, "max_output_tokens", ask->output_tokens_max);
    put_state(&r);
    tj_params_write(&r.w, wire, r.params, renames);
    tj_jw_end(&r.w);
    return tj_buf_ok(out, "request body", err);
}

/* -- reply ----------------------------------------------------------------- */

static void read_usage(const struct tj_json *u, struct tj_llm_usage *out)
{
    out->input_tokens = tj_wire_count(tj_json_at(u, "input_tokens"));
    out->output_tokens = tj_wire_count(tj_json_at(u, "output_tokens"));
    out->cached_input_tokens =
        tj_wire_count(tj_json_at(u, "input_tokens_details.cached_tokens"));
    out->cache_write_tokens =
        tj_wire_count(tj_json_at(u, "input_tokens_details.cache_write_tokens"));
    out->reasoning_tokens =
        tj_wire_count(tj_json_at(u, "output_tokens_details.reasoning_tokens"));
    double cost; /* OpenRouter */
    if (tj_json_double(tj_json_at(u, "cost"), &cost) && cost >= 0)
        out->cost_usd = cost;
}

/* The text of one message item; *refused when a part of it is a refusal. */
static void read_parts(const struct tj_json *content, struct tj_buf *text,
                       bool *refused)
{
    tj_json_each (content, part) {
        tj_str refusal = tj_json_find_str(part, TJ_STR("refusal"));
        *refused |= refusal.len > 0;
        tj_buf_add(text, refusal.len ? refusal
                                     : tj_json_find_str(part, TJ_STR("text")));
    }
}

static bool read_output(const struct tj_json *output, struct tj_arena *a,
                        struct tj_reply *out)
{
    struct tj_buf text;
    bool refused = false;
    tj_buf_init(&text, a, TJ_MODEL_REPLY_BYTES_MAX);
    tj_json_each (output, item) {
        tj_str type = tj_json_find_str(item, TJ_STR("type"));
        if (tj_str_eq(type, TJ_STR("message")))
            read_parts(tj_json_at(item, "content"), &text, &refused);
        if (tj_str_eq(type, TJ_STR("function_call")))
            (void)tj_reply_add_use(out, a,
                                   tj_json_find_str(item, TJ_STR("call_id")),
                                   tj_json_find_str(item, TJ_STR("name")),
                                   tj_json_find_str(item, TJ_STR("arguments")));
    }
    out->message.text = tj_buf_str(&text);
    return refused;
}

static enum tj_stop read_stop(const struct tj_json *root, bool has_calls)
{
    tj_str reason = tj_json_str(tj_json_at(root, "incomplete_details.reason"));
    if (tj_str_eq(reason, TJ_STR("content_filter")))
        return TJ_STOP_REFUSAL;
    if (reason.len || tj_str_eq(tj_json_find_str(root, TJ_STR("status")),
                                TJ_STR("incomplete")))
        return TJ_STOP_LENGTH;
    return has_calls ? TJ_STOP_TOOLS : TJ_STOP_END;
}

static void responses_reply(const struct tj_wire *wire, tj_str body,
                            const struct tj_json_doc *doc, struct tj_arena *a,
                            struct tj_reply *out)
{
    const struct tj_json *output = tj_json_at(doc->root, "output");
    tj_str status = tj_json_find_str(doc->root, TJ_STR("status"));
    (void)wire;
    read_usage(tj_json_at(doc->root, "usage"), &out->usage);
    bool failed = tj_str_eq(status, TJ_STR("failed")) ||
                  tj_str_eq(status, TJ_STR("cancelled"));
    if (!tj_json_is_array(output) || failed) {
        tj_reply_fail(out, a, failed ? TJ_LLM_PROVIDER : TJ_LLM_BAD_OUTPUT,
                      failed ? "the response's status is failed"
                             : "the response has no output");
        return;
    }
    bool refused = read_output(output, a, out);
    out->message.raw_dialect = tj_dialect_openai_responses.name;
    out->message.raw = doc->repaired ? tj_wire_text(output, a)
                                     : tj_slice_member(body, TJ_STR("output"));
    out->stop = refused ? TJ_STOP_REFUSAL
                        : read_stop(doc->root, out->message.uses.count > 0);
}

const struct tj_dialect tj_dialect_openai_responses = {
    .name = "openai-responses",
    .path = "/responses",
    .request = responses_request,
    .reply = responses_reply,
};
