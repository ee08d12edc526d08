/* providers.c - the table of providers, model URIs, and endpoints.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/providers.h"

#include "text/json.h"

enum auth {
    AUTH_BEARER,
    AUTH_X_API_KEY, /* Anthropic */
    AUTH_API_KEY,   /* Azure */
};

enum { NAMES_MAX = 4 };

struct provider {
    const char *name;
    const char *alias;                /* LiteLLM's name, or NULL */
    const struct tj_dialect *dialect; /* at its own address */
    const char *base_url;             /* NULL: must be given */
    const char *base_vars[NAMES_MAX]; /* environment, first wins */
    const char *key_vars[NAMES_MAX];  /* none: no key is needed */
    const char *base_suffix; /* behind a base_var's value without a path */
    enum auth auth;
    unsigned quirks;
};

#define OPENAI_QUIRKS                                                          \
    (TJ_QUIRK_COMPLETION_TOKENS | TJ_QUIRK_CACHE_KEY | TJ_QUIRK_DEVELOPER)

static const struct provider providers[] = {
    {.name = "openai",
     .dialect = &tj_dialect_openai_responses,
     .base_url = "https://api.openai.com/v1",
     .base_vars = {"OPENAI_API_BASE", "OPENAI_BASE_URL"},
     .key_vars = {"OPENAI_API_KEY"},
     .quirks = OPENAI_QUIRKS},
    {.name = "anthropic",
     .dialect = &tj_dialect_anthropic,
     .base_url = "https://api.anthropic.com",
     .base_vars = {"ANTHROPIC_BASE_URL"},
     .key_vars = {"ANTHROPIC_API_KEY"},
     .auth = AUTH_X_API_KEY},
    {.name = "azure",
     .dialect = &tj_dialect_openai_responses,
     .base_vars = {"AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"},
     .base_suffix = "/openai/v1",
     .key_vars = {"AZURE_OPENAI_API_KEY", "AZURE_API_KEY"},
     .auth = AUTH_API_KEY,
     .quirks = OPENAI_QUIRKS},
    {.name = "gemini",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://generativelanguage.googleapis.com/v1beta/openai",
     .key_vars = {"GOOGLE_API_KEY", "GEMINI_API_KEY"}},
    {.name = "mistral",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://api.mistral.ai/v1",
     .key_vars = {"MISTRAL_API_KEY"},
     .quirks = TJ_QUIRK_SHORT_IDS | TJ_QUIRK_TOOL_NAME},
    {.name = "groq",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://api.groq.com/openai/v1",
     .key_vars = {"GROQ_API_KEY"},
     .quirks = TJ_QUIRK_COMPLETION_TOKENS},
    {.name = "deepseek",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://api.deepseek.com",
     .key_vars = {"DEEPSEEK_API_KEY"},
     .quirks = TJ_QUIRK_NO_SCHEMA | TJ_QUIRK_REASONING_TURNS},
    {.name = "xai",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://api.x.ai/v1",
     .key_vars = {"XAI_API_KEY"}},
    {.name = "openrouter",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://openrouter.ai/api/v1",
     .key_vars = {"OPENROUTER_API_KEY"}},
    {.name = "together",
     .alias = "together_ai",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://api.together.xyz/v1",
     .key_vars = {"TOGETHER_API_KEY", "TOGETHERAI_API_KEY"}},
    {.name = "togetherai",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://api.together.xyz/v1",
     .key_vars = {"TOGETHERAI_API_KEY", "TOGETHER_API_KEY"}},
    {.name = "fireworks",
     .alias = "fireworks_ai",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "https://api.fireworks.ai/inference/v1",
     .key_vars = {"FIREWORKS_API_KEY"}},
    {.name = "ollama",
     .alias = "ollama_chat",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "http://localhost:11434/v1",
     .base_vars = {"OLLAMA_API_BASE", "OLLAMA_HOST"},
     .base_suffix = "/v1",
     .quirks = TJ_QUIRK_NO_TOOL_CHOICE},
    {.name = "llamacpp",
     .alias = "llama.cpp",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "http://localhost:8080/v1"},
    {.name = "vllm",
     .alias = "hosted_vllm",
     .dialect = &tj_dialect_openai_chat,
     .base_url = "http://localhost:8000/v1"},
    {.name = "custom",
     .alias = "openai-compatible",
     .dialect = &tj_dialect_openai_chat},
};

/* Known by MLflow or LiteLLM, and spoken by nobody here. */
static const char *const missing[] = {
    "bedrock",   "vertex_ai", "vertex", "databricks", "sagemaker", "gateway",
    "endpoints", "typesafe",  "cohere", "google",     "palm",
};

/* -- URIs ------------------------------------------------------------------ */

static bool malformed(tj_str uri, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT,
                   "Malformed model uri '%.*s'. The URI must be in the format "
                   "of <provider>:/<model-name>, e.g., 'openai:/gpt-4.1-mini'.",
                   TJ_STR_ARG(tj_str_slice(uri, 0, 200)));
}

static bool is_word(tj_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!ok)
            return false;
    }
    return s.len > 0;
}

static bool is_printable(tj_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
            return false;
    return true;
}

bool tj_model_uri_parse(tj_str uri, struct tj_model_uri *out,
                        struct tj_err *err)
{
    struct tj_model_uri u = {0};
    tj_str rest = uri;
    size_t query = tj_str_find(uri, TJ_STR("?base_url="));
    if (query != (size_t)-1) {
        u.base_url = tj_str_slice(uri, query + 10, uri.len);
        rest = tj_str_slice(uri, 0, query);
        if (!u.base_url.len)
            return malformed(uri, err);
    }
    size_t colon = tj_str_find(rest, TJ_STR(":/"));
    size_t split = colon == (size_t)-1 ? tj_str_find_byte(rest, '/') : colon;
    if (split == (size_t)-1)
        return malformed(uri, err);
    u.provider = tj_str_slice(rest, 0, split);
    u.path = tj_str_slice(rest, split + (split == colon ? 2 : 1), rest.len);
    u.name = u.path;
    while (u.name.len && u.name.ptr[0] == '/')
        u.name = tj_str_slice(u.name, 1, u.name.len);
    if (!is_word(u.provider) || !u.name.len || !is_printable(uri))
        return malformed(uri, err);
    *out = u;
    return true;
}

static bool is_named(const struct provider *p, tj_str name)
{
    return tj_str_eq(name, tj_str_c(p->name)) ||
           (p->alias && tj_str_eq(name, tj_str_c(p->alias)));
}

static const struct provider *find_provider(tj_str name)
{
    for (size_t i = 0; i < TJ_COUNT(providers); i++)
        if (is_named(&providers[i], name))
            return &providers[i];
    return NULL;
}

/* "openai-chat": the provider, and the dialect that the suffix forces. */
static const struct provider *find_forced(tj_str name,
                                          const struct tj_dialect **forced)
{
    static const struct {
        const char *suffix;
        const struct tj_dialect *dialect;
    } table[] = {
        {"-chat", &tj_dialect_openai_chat},
        {"-responses", &tj_dialect_openai_responses},
    };
    *forced = NULL;
    const struct provider *p = find_provider(name);
    for (size_t i = 0; i < TJ_COUNT(table) && !p; i++) {
        tj_str suffix = tj_str_c(table[i].suffix);
        if (!tj_str_ends(name, suffix))
            continue;
        p = find_provider(tj_str_slice(name, 0, name.len - suffix.len));
        *forced = table[i].dialect;
    }
    bool wrong = *forced && p && p->dialect == &tj_dialect_anthropic;
    return wrong ? NULL : p;
}

bool tj_provider_check(const struct tj_model_uri *uri, struct tj_err *err)
{
    const struct tj_dialect *forced;
    if (find_forced(uri->provider, &forced))
        return true;
    for (size_t i = 0; i < TJ_COUNT(missing); i++)
        if (tj_str_eq(uri->provider, tj_str_c(missing[i])))
            return tj_fail(err, TJ_E_INPUT,
                           "provider '%s' is not supported: use an "
                           "OpenAI-compatible gateway in front of it, as "
                           "custom:/MODEL with a base URL",
                           missing[i]);
    return tj_fail(err, TJ_E_INPUT,
                   "unknown provider '%.*s': for an OpenAI-compatible server "
                   "use custom:/MODEL with a base URL",
                   TJ_STR_ARG(tj_str_slice(uri->provider, 0, 80)));
}

/* -- endpoints ------------------------------------------------------------- */

static tj_str env_text(const struct tj_model_options *options, const char *name)
{
    const char *value = options->env && name ? options->env(name) : NULL;
    return tj_str_trim(tj_str_c(value));
}

static tj_str first_env(const struct tj_model_options *options,
                        const char *const *names)
{
    for (size_t i = 0; i < NAMES_MAX && names[i]; i++) {
        tj_str value = env_text(options, names[i]);
        if (value.len)
            return value;
    }
    return (tj_str){0};
}

static tj_str without_slashes(tj_str url)
{
    while (url.len && url.ptr[url.len - 1] == '/')
        url.len--;
    return url;
}

/* OLLAMA_HOST may be "127.0.0.1:11434", AZURE_OPENAI_ENDPOINT has no path. */
static tj_str complete(const struct provider *p, tj_str url, struct tj_arena *a)
{
    url = without_slashes(url);
    size_t scheme = tj_str_find(url, TJ_STR("://"));
    if (scheme == (size_t)-1) {
        url = tj_str_printf(a, "http://%.*s", TJ_STR_ARG(url));
        scheme = 4;
    }
    tj_str host = tj_str_slice(url, scheme + 3, url.len);
    if (!p->base_suffix || tj_str_find_byte(host, '/') != (size_t)-1)
        return url;
    return tj_str_printf(a, "%.*s%s", TJ_STR_ARG(url), p->base_suffix);
}

static bool find_base(const struct provider *p, const struct tj_model_uri *uri,
                      const struct tj_model_options *options,
                      struct tj_arena *a, tj_str *out)
{
    tj_str given = uri->base_url.len ? uri->base_url : options->base_url;
    tj_str found = given.len ? given : first_env(options, p->base_vars);
    if (!found.len && !p->base_url)
        return false;
    if (given.len) /* as it was given: its path is its owner's business */
        *out = complete(&(struct provider){0}, given, a);
    else
        *out = found.len ? complete(p, found, a) : tj_str_c(p->base_url);
    return true;
}

/* MLflow's base_url is the whole address: accepted, and then it says which
 * dialect is meant. */
static const struct tj_dialect *dialect_of(const struct provider *p,
                                           const struct tj_dialect *forced,
                                           tj_str base)
{
    static const struct tj_dialect *const all[] = {&tj_dialect_openai_chat,
                                                   &tj_dialect_openai_responses,
                                                   &tj_dialect_anthropic};
    for (size_t i = 0; i < TJ_COUNT(all); i++)
        if (tj_str_ends(base, tj_str_c(all[i]->path)))
            return all[i];
    if (forced)
        return forced;
    /* Few servers but OpenAI's own speak Responses. */
    bool elsewhere = p->base_url &&
                     p->dialect == &tj_dialect_openai_responses &&
                     !tj_str_eq(base, tj_str_c(p->base_url));
    return elsewhere ? &tj_dialect_openai_chat : p->dialect;
}

static tj_str join_url(const struct tj_dialect *dialect, tj_str base,
                       struct tj_arena *a)
{
    if (tj_str_ends(base, tj_str_c(dialect->path)))
        return base;
    if (dialect == &tj_dialect_anthropic && tj_str_ends(base, TJ_STR("/v1")))
        base.len -= 3;
    return tj_str_printf(a, "%.*s%s", TJ_STR_ARG(base), dialect->path);
}

static bool add_header(struct tj_endpoint *e, tj_str name, tj_str value,
                       struct tj_err *err)
{
    if (!value.len)
        return true;
    for (size_t i = 0; i < e->header_count; i++) {
        if (tj_str_eq_fold(e->headers[i].name, name)) {
            e->headers[i].value = value;
            return true;
        }
    }
    if (e->header_count == TJ_COUNT(e->headers))
        return tj_fail(err, TJ_E_LIMIT, "more than %zu model headers",
                       TJ_COUNT(e->headers));
    e->headers[e->header_count++] = (struct tj_header){name, value};
    return true;
}

static bool add_option_headers(struct tj_endpoint *e, tj_str headers,
                               struct tj_arena *a, struct tj_err *err)
{
    struct tj_json_doc doc;
    if (!headers.len)
        return true;
    if (!tj_json_parse(headers, a, &doc, err))
        return tj_err_wrap(err, "model headers");
    if (!tj_json_is_object(doc.root))
        return tj_fail(err, TJ_E_INPUT, "model headers: expected an object");
    struct tj_json_members m = tj_json_members(doc.root);
    while (tj_json_member(&m)) {
        if (!tj_json_is_string(m.value))
            return tj_fail(err, TJ_E_INPUT,
                           "model headers: '%.*s' is not a string",
                           TJ_STR_ARG(m.key));
        if (!add_header(e, m.key, tj_json_str(m.value), err))
            return false;
    }
    return true;
}

static bool add_key_header(const struct provider *p, struct tj_endpoint *e,
                           struct tj_arena *a, struct tj_err *err)
{
    if (!e->key.len)
        return true;
    switch (p->auth) {
    case AUTH_X_API_KEY: return add_header(e, TJ_STR("x-api-key"), e->key, err);
    case AUTH_API_KEY: return add_header(e, TJ_STR("api-key"), e->key, err);
    case AUTH_BEARER: break;
    }
    tj_str bearer = tj_str_printf(a, "Bearer %.*s", TJ_STR_ARG(e->key));
    return add_header(e, TJ_STR("Authorization"), bearer, err);
}

static bool add_headers(const struct provider *p,
                        const struct tj_model_options *options,
                        struct tj_arena *a, struct tj_endpoint *e,
                        struct tj_err *err)
{
    bool ok = add_header(e, TJ_STR("Content-Type"), TJ_STR("application/json"),
                         err) &&
              add_key_header(p, e, a, err);
    if (e->dialect == &tj_dialect_anthropic) {
        ok = ok && add_header(e, TJ_STR("anthropic-version"),
                              TJ_STR("2023-06-01"), err);
        if (!e->key.len) {
            tj_str token = env_text(options, "ANTHROPIC_AUTH_TOKEN");
            if (token.len)
                token = tj_str_printf(a, "Bearer %.*s", TJ_STR_ARG(token));
            ok = ok && add_header(e, TJ_STR("Authorization"), token, err);
        }
    }
    if (!strcmp(p->name, "openai"))
        ok = ok &&
             add_header(e, TJ_STR("OpenAI-Organization"),
                        env_text(options, "OPENAI_ORG_ID"), err) &&
             add_header(e, TJ_STR("OpenAI-Project"),
                        env_text(options, "OPENAI_PROJECT_ID"), err);
    return ok && add_option_headers(e, options->headers, a, err);
}

static bool is_local(tj_str url)
{
    return tj_str_starts(url, TJ_STR("http://localhost")) ||
           tj_str_starts(url, TJ_STR("http://127.")) ||
           tj_str_starts(url, TJ_STR("http://[::1]"));
}

/* A key is needed where the provider wants one, but for a server of one's own:
 * there it is sent when there is one. */
static bool find_key(const struct provider *p,
                     const struct tj_model_options *options,
                     struct tj_endpoint *e, struct tj_err *err)
{
    static const char *const compatible[NAMES_MAX] = {"OPENAI_API_KEY"};
    bool is_custom = !strcmp(p->name, "custom");
    const char *const *vars = is_custom ? compatible : p->key_vars;
    bool has_token = p->auth == AUTH_X_API_KEY &&
                     env_text(options, "ANTHROPIC_AUTH_TOKEN").len;
    e->key = options->api_key.len ? options->api_key : first_env(options, vars);
    if (e->key.len || !p->key_vars[0] || has_token || is_local(e->url))
        return true;
    return tj_fail(err, TJ_E_AUTH, "no API key for provider '%s': set %s%s%s",
                   p->name, p->key_vars[0], p->key_vars[1] ? " or " : "",
                   p->key_vars[1] ? p->key_vars[1] : "");
}

bool tj_endpoint_find(const struct tj_model_uri *uri,
                      const struct tj_model_options *options,
                      struct tj_arena *a, struct tj_endpoint *out,
                      struct tj_err *err)
{
    const struct tj_dialect *forced;
    struct tj_endpoint e = {.model = uri->name};
    tj_str base;
    if (!tj_provider_check(uri, err))
        return false;
    const struct provider *p = find_forced(uri->provider, &forced);
    if (!find_base(p, uri, options, a, &base))
        return tj_fail(err, TJ_E_INPUT, "provider '%s' needs a base URL%s%s",
                       p->name, p->base_vars[0] ? ": set " : "",
                       p->base_vars[0] ? p->base_vars[0] : "");
    if (!tj_str_starts(base, TJ_STR("http://")) &&
        !tj_str_starts(base, TJ_STR("https://")))
        return tj_fail(err, TJ_E_INPUT,
                       "base URL '%.*s': expected http:// or https://",
                       TJ_STR_ARG(base));
    e.dialect = dialect_of(p, forced, base);
    e.url = join_url(e.dialect, base, a);
    e.quirks = p->quirks;
    if (!find_key(p, options, &e, err) || !add_headers(p, options, a, &e, err))
        return false;
    *out = e;
    return true;
}
