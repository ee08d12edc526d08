/* dialect_anthropic.c - POST {base}/v1/messages.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Roles alternate here: neighbouring user and tool messages become one user
 * message whose tool_result blocks come first.  The content of an assistant
 * message goes back byte for byte, because thinking blocks are signed.
 * input_tokens leaves out what was read from or written to the cache; ours
 * includes it.
 */
#include "base/limits.h"
#include "llm/wire.h"

enum { OUTPUT_TOKENS = 8192, OUTPUT_TOKENS_LOW = 4096 };

static const struct tj_rename renames[] = {
    {"max_output_tokens", "max_tokens"},
    {"max_completion_tokens", "max_tokens"},
    {"reasoning_effort", "output_config.effort"},
    {"effort", "output_config.effort"},
    {"stop", "stop_sequences"},
    {NULL, NULL},
};

struct messages {
    const struct tj_wire *wire;
    const struct tj_ask *ask;
    struct tj_arena *a;
    struct tj_json_writer w;
    const struct tj_json *params;
};

/* -- request --------------------------------------------------------------- */

static void put_block(struct messages *m, const char *type, tj_str text)
{
    if (!text.len)
        return; /* empty text blocks are refused */
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "type", tj_str_c(type));
    tj_jw_key_str(&m->w, "text", text);
    tj_jw_end(&m->w);
}

static void put_result(struct messages *m, const struct tj_message *it)
{
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "type", TJ_STR("tool_result"));
    tj_jw_key_str(&m->w, "tool_use_id", it->use_id);
    if (it->text.len)
        tj_jw_key_str(&m->w, "content", it->text);
    if (it->is_error)
        tj_jw_key_bool(&m->w, "is_error", true);
    tj_jw_end(&m->w);
}

static bool is_user_side(const struct messages *m, size_t i)
{
    return i < m->ask->message_count &&
           m->ask->messages[i].role != TJ_ROLE_ASSISTANT;
}

static bool has_content(const struct tj_message *m)
{
    if (tj_wire_is_own(m, &tj_dialect_anthropic))
        return tj_slice_item(m->raw, 0).len > 0;
    return m->text.len || m->uses.count;
}

/* Messages [first, *next): everything up to the next assistant message that
 * has something to say. */
static size_t user_side_end(const struct messages *m, size_t first)
{
    size_t i = first;
    while (i < m->ask->message_count &&
           (is_user_side(m, i) || !has_content(&m->ask->messages[i])))
        i++;
    return i;
}

static void put_user_side(struct messages *m, size_t first, size_t end)
{
    const struct tj_message *all = m->ask->messages;
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "role", TJ_STR("user"));
    tj_jw_key(&m->w, TJ_STR("content"));
    tj_jw_array(&m->w);
    for (size_t i = first; i < end; i++)
        if (all[i].role == TJ_ROLE_TOOL)
            put_result(m, &all[i]);
    for (size_t i = first; i < end; i++)
        if (all[i].role == TJ_ROLE_USER)
            put_block(m, "text", all[i].text);
    tj_jw_end(&m->w);
    tj_jw_end(&m->w);
}

static void put_use(struct messages *m, const struct tj_tool_use *use)
{
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "type", TJ_STR("tool_use"));
    tj_jw_key_str(&m->w, "id", use->id);
    tj_jw_key_str(&m->w, "name", use->name);
    tj_jw_key(&m->w, TJ_STR("input"));
    tj_wire_json(&m->w, use->args, m->a);
    tj_jw_end(&m->w);
}

static void put_assistant(struct messages *m, const struct tj_message *it)
{
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "role", TJ_STR("assistant"));
    tj_jw_key(&m->w, TJ_STR("content"));
    if (tj_wire_is_own(it, &tj_dialect_anthropic)) {
        tj_jw_raw(&m->w, it->raw);
    } else {
        tj_jw_array(&m->w);
        put_block(m, "text", it->text);
        tj_vec_each (&it->uses, const struct tj_tool_use, use)
            put_use(m, use);
        tj_jw_end(&m->w);
    }
    tj_jw_end(&m->w);
}

static void put_messages(struct messages *m)
{
    tj_jw_key(&m->w, TJ_STR("messages"));
    tj_jw_array(&m->w);
    size_t i = 0;
    while (i < m->ask->message_count) {
        size_t end = user_side_end(m, i);
        if (end > i)
            put_user_side(m, i, end);
        if (end < m->ask->message_count)
            put_assistant(m, &m->ask->messages[end++]);
        i = end;
    }
    tj_jw_end(&m->w);
}

static void put_tool(struct messages *m, tj_str name, tj_str help,
                     tj_str schema)
{
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "name", name);
    if (help.len)
        tj_jw_key_str(&m->w, "description", help);
    tj_jw_key(&m->w, TJ_STR("input_schema"));
    tj_wire_json(&m->w, schema, m->a);
    tj_jw_end(&m->w);
}

static void put_choice(struct messages *m, bool submit)
{
    bool only_submit =
        submit && (!m->ask->tool_count || m->ask->choice == TJ_CHOICE_NONE);
    if (!tj_wire_has(m->wire, TJ_FEATURE_TOOL_CHOICE) ||
        (!only_submit && m->ask->choice == TJ_CHOICE_AUTO))
        return;
    tj_jw_key(&m->w, TJ_STR("tool_choice"));
    tj_jw_object(&m->w);
    if (only_submit) {
        tj_jw_key_str(&m->w, "type", TJ_STR("tool"));
        tj_jw_key_str(&m->w, "name", TJ_SUBMIT_TOOL);
    } else {
        tj_jw_key_str(&m->w, "type",
                      m->ask->choice == TJ_CHOICE_NONE ? TJ_STR("none")
                                                       : TJ_STR("any"));
    }
    tj_jw_end(&m->w);
}

static void put_tools(struct messages *m)
{
    bool submit = tj_wire_submit(m->wire, m->ask);
    if (!m->ask->tool_count && !submit)
        return;
    tj_jw_key(&m->w, TJ_STR("tools"));
    tj_jw_array(&m->w);
    for (size_t i = 0; i < m->ask->tool_count; i++)
        put_tool(m, m->ask->tools[i].name, m->ask->tools[i].description,
                 m->ask->tools[i].schema);
    if (submit)
        put_tool(m, TJ_SUBMIT_TOOL, TJ_SUBMIT_HELP, m->ask->schema);
    tj_jw_end(&m->w);
    put_choice(m, submit);
}

static void put_config(struct messages *m)
{
    bool has_schema = tj_wire_schema(m->wire, m->ask);
    if (!has_schema &&
        !tj_params_has(m->wire, m->params, renames, "output_config"))
        return;
    tj_jw_key(&m->w, TJ_STR("output_config"));
    tj_jw_object(&m->w);
    tj_params_write_into(&m->w, m->wire, m->params, renames, "output_config");
    if (has_schema) {
        tj_jw_key(&m->w, TJ_STR("format"));
        tj_jw_object(&m->w);
        tj_jw_key_str(&m->w, "type", TJ_STR("json_schema"));
        tj_jw_key(&m->w, TJ_STR("schema"));
        tj_wire_plain_schema(&m->w, m->ask->schema, m->a);
        tj_jw_end(&m->w);
    }
    tj_jw_end(&m->w);
}

/* Required, so there is a default; some older models allow half of it. */
static int64_t output_tokens(const struct messages *m)
{
    bool low = !tj_wire_has(m->wire, TJ_FEATURE_TOKENS_COUNT);
    int64_t most = m->ask->output_tokens_max;
    if (most <= 0)
        most = OUTPUT_TOKENS;
    return low && most > OUTPUT_TOKENS_LOW ? OUTPUT_TOKENS_LOW : most;
}

static bool anthropic_request(const struct tj_wire *wire,
                              const struct tj_ask *ask, struct tj_buf *out,
                              struct tj_err *err)
{
    struct messages m = {.wire = wire, .ask = ask, .a = out->arena};
    if (!tj_params_read(ask, m.a, &m.params, err))
        return false;
    tj_json_writer_init(&m.w, out, TJ_JSON_COMPACT);
    tj_jw_object(&m.w);
    tj_jw_key_str(&m.w, "model", wire->model);
    if (!tj_params_has(wire, m.params, renames, "max_tokens"))
        tj_jw_key_i64(&m.w, "max_tokens", output_tokens(&m));
    if (ask->system.len)
        tj_jw_key_str(&m.w, "system", ask->system);
    put_tools(&m);
    put_messages(&m);
    put_config(&m);
    if (tj_wire_has(wire, TJ_FEATURE_CACHE_MARK) &&
        !tj_params_has(wire, m.params, renames, "cache_control")) {
        tj_jw_key(&m.w, TJ_STR("cache_control"));
        tj_jw_object(&m.w);
        tj_jw_key_str(&m.w, "type", TJ_STR("ephemeral"));
        tj_jw_end(&m.w);
    }
    tj_params_write(&m.w, wire, m.params, renames);
    tj_jw_end(&m.w);
    return tj_buf_ok(out, "request body", err);
}

/* -- reply ----------------------------------------------------------------- */

/* A part that is not known counts nothing; a sum that does not fit, or whose
 * first part is not known, is not known. */
static int64_t plus(int64_t sum, int64_t part)
{
    if (sum < 0 || part < 0)
        return sum;
    return sum > INT64_MAX - part ? -1 : sum + part;
}

static void read_usage(const struct tj_json *u, struct tj_llm_usage *out)
{
    int64_t fresh = tj_wire_count(tj_json_at(u, "input_tokens"));
    int64_t read = tj_wire_count(tj_json_at(u, "cache_read_input_tokens"));
    int64_t wrote = tj_wire_count(tj_json_at(u, "cache_creation_input_tokens"));
    out->cached_input_tokens = read;
    out->cache_write_tokens = wrote;
    out->output_tokens = tj_wire_count(tj_json_at(u, "output_tokens"));
    fresh = plus(plus(fresh, read), wrote);
    out->input_tokens = fresh;
}

static void read_content(const struct tj_json *content, struct tj_arena *a,
                         struct tj_reply *out)
{
    struct tj_buf text;
    tj_buf_init(&text, a, TJ_MODEL_REPLY_BYTES_MAX);
    tj_json_each (content, block) {
        tj_str type = tj_json_find_str(block, TJ_STR("type"));
        if (tj_str_eq(type, TJ_STR("text")))
            tj_buf_add(&text, tj_json_find_str(block, TJ_STR("text")));
        if (tj_str_eq(type, TJ_STR("tool_use")))
            (void)tj_reply_add_use(out, a,
                                   tj_json_find_str(block, TJ_STR("id")),
                                   tj_json_find_str(block, TJ_STR("name")),
                                   tj_wire_text(tj_json_at(block, "input"), a));
    }
    out->message.text = tj_buf_str(&text);
}

static enum tj_stop read_stop(tj_str reason, bool has_calls)
{
    if (tj_str_eq(reason, TJ_STR("max_tokens")))
        return TJ_STOP_LENGTH;
    if (tj_str_eq(reason, TJ_STR("refusal")))
        return TJ_STOP_REFUSAL;
    return has_calls ? TJ_STOP_TOOLS : TJ_STOP_END;
}

static void anthropic_reply(const struct tj_wire *wire, tj_str body,
                            const struct tj_json_doc *doc, struct tj_arena *a,
                            struct tj_reply *out)
{
    const struct tj_json *content = tj_json_at(doc->root, "content");
    tj_str reason = tj_json_find_str(doc->root, TJ_STR("stop_reason"));
    (void)wire;
    read_usage(tj_json_at(doc->root, "usage"), &out->usage);
    if (!tj_json_is_array(content)) {
        tj_reply_fail(out, a, TJ_LLM_BAD_OUTPUT, "the response has no content");
        return;
    }
    if (tj_str_eq(reason, TJ_STR("model_context_window_exceeded"))) {
        tj_reply_fail(out, a, TJ_LLM_CONTEXT_OVERFLOW,
                      "the model's context window is full");
        return;
    }
    read_content(content, a, out);
    out->message.raw_dialect = tj_dialect_anthropic.name;
    out->message.raw = doc->repaired ? tj_wire_text(content, a)
                                     : tj_slice_member(body, TJ_STR("content"));
    out->stop = read_stop(reason, out->message.uses.count > 0);
}

const struct tj_dialect tj_dialect_anthropic = {
    .name = "anthropic",
    .path = "/v1/messages",
    .request = anthropic_request,
    .reply = anthropic_reply,
};
