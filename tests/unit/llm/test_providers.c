/* test_providers.c - which address, dialect, key and headers a URI means.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/providers.h"

#include "test.h"

static const char *env(const char *name)
{
    static const char *const vars[][2] = {
        {"OPENAI_API_KEY", "ok"},
        {"OPENAI_ORG_ID", "org"},
        {"GEMINI_API_KEY", "gk"},
        {"ANTHROPIC_AUTH_TOKEN", "at"},
        {"OLLAMA_HOST", "box:11434"},
        {"AZURE_API_KEY", "ak"},
        {"AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com/"},
    };
    for (size_t i = 0; i < TJ_COUNT(vars); i++)
        if (!strcmp(name, vars[i][0]))
            return vars[i][1];
    return NULL;
}

static tj_str header(const struct tj_endpoint *e, const char *name)
{
    for (size_t i = 0; i < e->header_count; i++)
        if (tj_str_eq_fold(e->headers[i].name, tj_str_c(name)))
            return e->headers[i].value;
    return (tj_str){0};
}

static void addresses(void **state)
{
    static const struct {
        const char *uri;
        const char *base;
        const char *url;
    } table[] = {
        {"openai:/gpt-5", "", "https://api.openai.com/v1/responses"},
        {"openai-chat:/gpt-5", "",
         "https://api.openai.com/v1/chat/completions"},
        {"openai:/x", "http://h/v1/", "http://h/v1/chat/completions"},
        {"openai-responses:/x", "http://h/v1", "http://h/v1/responses"},
        {"openai/x?base_url=http://q/v1", "http://h/v1",
         "http://q/v1/chat/completions"},
        {"openai:/x", "http://h/v1/responses", "http://h/v1/responses"},
        {"openai:/x", "http://h/api/chat/completions",
         "http://h/api/chat/completions"},
        {"anthropic:/c", "", "https://api.anthropic.com/v1/messages"},
        {"anthropic:/c", "http://h/v1", "http://h/v1/messages"},
        {"gemini/g", "",
         "https://generativelanguage.googleapis.com/v1beta/openai/chat/"
         "completions"},
        {"azure:/d", "", "https://r.openai.azure.com/openai/v1/responses"},
        {"ollama:/q", "", "http://box:11434/v1/chat/completions"},
        {"llamacpp:/q", "", "http://localhost:8080/v1/chat/completions"},
        {"custom:/q", "localhost:1/v1",
         "http://localhost:1/v1/chat/completions"},
    };
    struct tj_arena a = {0};
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        struct tj_model_options options = {.base_url = tj_str_c(table[i].base),
                                           .env = env};
        struct tj_model_uri uri;
        struct tj_endpoint e;
        struct tj_err err;
        assert_ok(tj_model_uri_parse(tj_str_c(table[i].uri), &uri, &err), err);
        assert_ok(tj_endpoint_find(&uri, &options, &a, &e, &err), err);
        assert_str_eq(e.url, table[i].url);
    }
    tj_arena_release(&a);
}

static bool find(const char *text, const struct tj_model_options *options,
                 struct tj_arena *a, struct tj_endpoint *e, struct tj_err *err)
{
    struct tj_model_uri uri;
    return tj_model_uri_parse(tj_str_c(text), &uri, err) &&
           tj_endpoint_find(&uri, options, a, e, err);
}

static void keys_and_headers(void **state)
{
    struct tj_arena a = {0};
    struct tj_endpoint e;
    struct tj_err err;
    struct tj_model_options options = {
        .env = env,
        .headers = TJ_STR("{\"X-Team\":\"t\",\"openai-organization\":\"o2\"}")};
    (void)state;
    assert_ok(find("openai:/x", &options, &a, &e, &err), err);
    assert_str_eq(header(&e, "authorization"), "Bearer ok");
    assert_str_eq(header(&e, "content-type"), "application/json");
    assert_str_eq(header(&e, "openai-organization"), "o2");
    assert_str_eq(header(&e, "x-team"), "t");
    options.headers = (tj_str){0};
    assert_ok(find("anthropic:/x", &options, &a, &e, &err), err);
    assert_str_eq(header(&e, "authorization"), "Bearer at");
    assert_str_eq(header(&e, "anthropic-version"), "2023-06-01");
    options.api_key = TJ_STR("mine");
    assert_ok(find("anthropic:/x", &options, &a, &e, &err), err);
    assert_str_eq(header(&e, "x-api-key"), "mine");
    assert_int_equal(header(&e, "authorization").len, 0);
    assert_ok(find("azure:/x", &options, &a, &e, &err), err);
    assert_str_eq(header(&e, "api-key"), "mine");
    tj_arena_release(&a);
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *uri;
        const char *base;
        enum tj_code code;
        const char *message;
    } table[] = {
        {"openai:/x", "", TJ_E_AUTH,
         "no API key for provider 'openai': set OPENAI_API_KEY"},
        {"gemini:/x", "", TJ_E_AUTH, "set GOOGLE_API_KEY or GEMINI_API_KEY"},
        {"anthropic:/x", "https://far", TJ_E_AUTH, "set ANTHROPIC_API_KEY"},
        {"azure:/x", "", TJ_E_INPUT, "needs a base URL: set AZURE_OPENAI_ENDP"},
        {"custom:/x", "", TJ_E_INPUT, "provider 'custom' needs a base URL"},
        {"bedrock:/x", "", TJ_E_INPUT, "provider 'bedrock' is not supported"},
        {"vertex_ai:/x", "", TJ_E_INPUT, "is not supported: use an OpenAI-"},
        {"anthropic-chat:/x", "", TJ_E_INPUT, "unknown provider"},
        {"nobody:/x", "", TJ_E_INPUT, "unknown provider 'nobody'"},
        {"custom:/x", "ftp://h", TJ_E_INPUT, "expected http:// or https://"},
    };
    struct tj_arena a = {0};
    struct tj_endpoint e;
    struct tj_err err;
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        struct tj_model_options options = {.base_url = tj_str_c(table[i].base)};
        assert_fails(find(table[i].uri, &options, &a, &e, &err), err,
                     table[i].code, table[i].message);
    }
    struct tj_model_options local = {.base_url = TJ_STR("http://127.0.0.1:1")};
    assert_ok(find("openai:/x", &local, &a, &e, &err), err);
    assert_int_equal(e.key.len, 0);
    static const char *const headers[][2] = {
        {"[]", "expected an object"},
        {"{\"a\":1}", "'a' is not a string"},
        {"{", "model headers: offset"},
    };
    for (size_t i = 0; i < TJ_COUNT(headers); i++) {
        local.headers = tj_str_c(headers[i][0]);
        assert_fails(find("openai:/x", &local, &a, &e, &err), err, TJ_E_INPUT,
                     headers[i][1]);
    }
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(keys_and_headers),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
