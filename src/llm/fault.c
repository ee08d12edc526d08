/* fault.c - what a provider's error means.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Shapes that are read:
 *     {"error":{"message","type","param","code"}}         OpenAI and most
 *     {"type":"error","error":{"type","message"}}         Anthropic
 *     {"error":"text"}                                    Ollama
 *     {"object":"error","message","code"}                 vLLM, Mistral
 *     {"detail": "text" or [...]}                         FastAPI servers
 *     [{"error":{"code","message","status"}}]             Gemini
 * OpenRouter sends the first shape inside a 200, with a numeric code that is
 * the status.
 */
#include "llm/dialect.h"
#include "llm/wire.h"

enum { MESSAGE_SHOWN = 300 };

static const struct tj_json *error_of(const struct tj_json *root,
                                      tj_str *message)
{
    if (tj_json_is_array(root))
        root = tj_json_item(root, 0);
    const struct tj_json *error = tj_json_at(root, "error");
    if (tj_json_is_null(error) &&
        tj_str_eq(tj_json_find_str(root, TJ_STR("object")), TJ_STR("error")))
        error = root;
    if (tj_json_is_null(error))
        error = tj_json_at(root, "detail");
    if (tj_json_is_null(error) &&
        tj_json_is_string(tj_json_at(root, "message")))
        error = root;
    *message = tj_json_is_string(error)
                   ? tj_json_str(error)
                   : tj_json_find_str(error, TJ_STR("message"));
    return tj_json_is_null(error) ? NULL : error;
}

bool tj_fault_find(tj_str body, struct tj_arena *a, struct tj_fault *out)
{
    struct tj_json_doc doc;
    struct tj_err ignored;
    if (!tj_json_parse(body, a, &doc, &ignored))
        return false;
    struct tj_fault f = {0};
    const struct tj_json *error = error_of(doc.root, &f.message);
    if (!error)
        return false;
    f.code = tj_json_find_str(error, TJ_STR("code"));
    f.type = tj_json_find_str(error, TJ_STR("type"));
    f.param = tj_json_find_str(error, TJ_STR("param"));
    int64_t status;
    if (tj_json_i64(tj_json_find(error, TJ_STR("code")), &status) &&
        status >= 400 && status < 600)
        f.status = (int)status;
    if (!f.message.len)
        f.message = tj_wire_text(error, a);
    *out = f;
    return true;
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Is word (lower case) in text, case folded? */
static bool has_text(tj_str text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++) {
        size_t k = 0;
        while (k < len && fold(text.ptr[i + k]) == word[k])
            k++;
        if (k == len)
            return true;
    }
    return false;
}

static bool has_any(const struct tj_fault *f, const char *const *words)
{
    for (; *words; words++)
        if (has_text(f->message, *words) || has_text(f->code, *words) ||
            has_text(f->type, *words))
            return true;
    return false;
}

static bool is_overflow(const struct tj_fault *f)
{
    static const char *const words[] = {
        "context_length_exceeded", "prompt is too long",
        "maximum context",         "context length",
        "context window",          "too many tokens",
        "exceed_context_size",     "available context size",
        "exceed context limit",    "input is too long",
        "request_too_large",       NULL};
    return f->status == 413 ||
           (f->status < 500 && f->status != 429 && has_any(f, words));
}

enum tj_llm_error tj_fault_class(const struct tj_fault *f)
{
    static const char *const quota[] = {"insufficient_quota",
                                        "credit balance is too low",
                                        "billing_not_active", NULL};
    static const char *const filter[] = {"content_filter",
                                         "content_policy_violation", NULL};
    /* Groq: the model wrote a tool call that is none. */
    static const char *const bad_call[] = {"tool_use_failed", NULL};
    if (has_any(f, quota) || f->status == 402)
        return TJ_LLM_QUOTA;
    if (f->status == 401 || f->status == 403)
        return TJ_LLM_AUTH;
    if (is_overflow(f))
        return TJ_LLM_CONTEXT_OVERFLOW;
    if (f->status == 429 || f->status == 498)
        return TJ_LLM_RATE_LIMITED;
    if (f->status >= 400 && f->status < 500 && has_any(f, filter))
        return TJ_LLM_REFUSAL;
    if (has_any(f, bad_call))
        return TJ_LLM_BAD_OUTPUT;
    if (f->status >= 400 && f->status < 500 && f->status != 408)
        return TJ_LLM_BAD_REQUEST;
    return TJ_LLM_PROVIDER;
}

/* -- which parameter? ------------------------------------------------------ */

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

/* A name that is also an English word counts only where it is quoted, or at
 * the end after a colon ("Unrecognized request argument supplied: store"). */
static bool is_quoted(tj_str text, size_t at, size_t len)
{
    char before = at ? text.ptr[at - 1] : ' ';
    if (before == '\'' || before == '"' || before == '`')
        return true;
    return at >= 2 && before == ' ' && text.ptr[at - 2] == ':' &&
           at + len == text.len;
}

static bool names(tj_str text, tj_str name)
{
    bool plain_word = name.len < 8 && tj_str_find_byte(name, '_') == (size_t)-1;
    for (size_t at = 0; at + name.len <= text.len; at++) {
        size_t next = tj_str_find(tj_str_slice(text, at, text.len), name);
        if (next == (size_t)-1)
            return false;
        at += next;
        bool whole = (at == 0 || !is_word_byte(text.ptr[at - 1])) &&
                     (at + name.len == text.len ||
                      !is_word_byte(text.ptr[at + name.len]));
        if (whole && (!plain_word || is_quoted(text, at, name.len)))
            return true;
    }
    return false;
}

bool tj_fault_names(const struct tj_fault *fault, tj_str param)
{
    tj_str rest = fault->param;
    tj_str head = tj_str_cut(&rest, '.');
    return tj_str_eq(head, param) || tj_str_eq(fault->param, param) ||
           (param.len && names(fault->message, param));
}

bool tj_fault_feature(const struct tj_fault *fault, enum tj_feature *out)
{
    static const struct {
        enum tj_feature feature;
        const char *words[9];
    } table[] = {
        {TJ_FEATURE_TOKENS_COUNT, {"maximum allowed number of output tokens"}},
        {TJ_FEATURE_SCHEMA,
         {"response_format", "json_schema", "structured output",
          "structured_output", "output_config", "output_format", "text.format",
          "guided"}},
        {TJ_FEATURE_TOKENS_NAME, {"max_completion_tokens", "max_tokens"}},
        {TJ_FEATURE_CACHE_KEY, {"prompt_cache_key"}},
        {TJ_FEATURE_CACHE_MARK, {"cache_control"}},
        {TJ_FEATURE_ENCRYPTED, {"encrypted content", "encrypted_content"}},
        {TJ_FEATURE_TOOL_CHOICE, {"tool_choice", "tool choice"}},
        {TJ_FEATURE_DEVELOPER, {"developer"}},
    };
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        for (const char *const *word = table[i].words; *word; word++) {
            if (!has_text(fault->message, *word) &&
                !has_text(fault->param, *word))
                continue;
            *out = table[i].feature;
            return true;
        }
    }
    bool is_store = tj_fault_names(fault, TJ_STR("store"));
    bool is_include = tj_fault_names(fault, TJ_STR("include"));
    *out = is_store ? TJ_FEATURE_STORE : TJ_FEATURE_ENCRYPTED;
    return is_store || is_include;
}

/* -- a response becomes a reply -------------------------------------------- */

static void fail_with(const struct tj_fault *f, struct tj_arena *a,
                      struct tj_reply *out)
{
    tj_str message = tj_str_slice(f->message, 0, MESSAGE_SHOWN);
    tj_reply_fail(out, a, tj_fault_class(f), "HTTP %d: %.*s", f->status,
                  TJ_STR_ARG(message));
}

static bool is_object_start(tj_str body)
{
    return tj_str_starts(tj_str_trim(body), TJ_STR("{"));
}

void tj_wire_reply(const struct tj_dialect *dialect, const struct tj_wire *wire,
                   int status, tj_str body, struct tj_arena *a,
                   struct tj_reply *out)
{
    struct tj_fault f = {0};
    struct tj_json_doc doc;
    struct tj_err err;
    *out = (struct tj_reply){.message.role = TJ_ROLE_ASSISTANT,
                             .usage = TJ_LLM_USAGE_UNKNOWN,
                             .http_status = status};
    if (status < 200 || status > 299) {
        if (!tj_fault_find(body, a, &f))
            f.message = tj_str_trim(tj_str_slice(body, 0, MESSAGE_SHOWN));
        f.status = status;
        fail_with(&f, a, out);
        return;
    }
    if (!tj_json_parse(body, a, &doc, &err)) {
        tj_reply_fail(out, a, TJ_LLM_PROVIDER,
                      is_object_start(body)
                          ? "the response is not valid JSON: %s"
                          : "the response is no JSON object: %s",
                      err.message);
        return;
    }
    if (!tj_json_is_object(doc.root)) {
        tj_reply_fail(out, a, TJ_LLM_PROVIDER,
                      "the response is no JSON object");
        return;
    }
    if (!tj_json_is_null(tj_json_at(doc.root, "error")) &&
        tj_fault_find(body, a, &f)) {
        f.status = f.status ? f.status : 500;
        fail_with(&f, a, out);
        return;
    }
    out->model = tj_json_find_str(doc.root, TJ_STR("model"));
    out->response_id = tj_json_find_str(doc.root, TJ_STR("id"));
    dialect->reply(wire, body, &doc, a, out);
    if (out->error == TJ_LLM_NONE)
        tj_reply_fold_submit(out);
}
