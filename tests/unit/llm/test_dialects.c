/* test_dialects.c - asks to bytes and bytes to replies, without a network.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/wire.h"

#include "base/limits.h"
#include "test.h"

struct world {
    struct tj_arena a;
    struct tj_message messages[6];
    struct tj_ask ask;
    struct tj_wire wire;
};

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    w->messages[0] =
        (struct tj_message){.role = TJ_ROLE_USER, .text = TJ_STR("judge")};
    w->ask = (struct tj_ask){.messages = w->messages, .message_count = 1};
    w->wire.model = TJ_STR("m");
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tj_arena_release(&w->a);
    test_free(w);
    return 0;
}

static tj_str request(struct world *w, const struct tj_dialect *d)
{
    struct tj_buf out;
    struct tj_err err;
    tj_buf_init(&out, &w->a, 1 << 20);
    assert_ok(d->request(&w->wire, &w->ask, &out, &err), err);
    return tj_buf_str(&out);
}

static struct tj_reply reply(struct world *w, const struct tj_dialect *d,
                             int status, const char *body)
{
    struct tj_reply out;
    tj_wire_reply(d, &w->wire, status, tj_str_c(body), &w->a, &out);
    return out;
}

static void nothing_is_sent_unasked(void **state)
{
    struct world *w = *state;
    assert_str_eq(request(w, &tj_dialect_openai_chat),
                  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                  "\"content\":\"judge\"}]}");
    assert_str_eq(request(w, &tj_dialect_openai_responses),
                  "{\"model\":\"m\",\"input\":[{\"role\":\"user\","
                  "\"content\":\"judge\"}],\"store\":false,\"include\":["
                  "\"reasoning.encrypted_content\"]}");
    assert_str_eq(request(w, &tj_dialect_anthropic),
                  "{\"model\":\"m\",\"max_tokens\":8192,\"messages\":[{"
                  "\"role\":\"user\",\"content\":[{\"type\":\"text\","
                  "\"text\":\"judge\"}]}],\"cache_control\":{\"type\":"
                  "\"ephemeral\"}}");
}

/* An assistant turn with two calls, and their results. */
static void add_turn(struct world *w)
{
    struct tj_message *m = &w->messages[1];
    *m = (struct tj_message){.role = TJ_ROLE_ASSISTANT, .text = TJ_STR("hm")};
    *tj_vec_add(&m->uses, &w->a) = (struct tj_tool_use){
        TJ_STR("call_1"), TJ_STR("t"), TJ_STR("{\"a\":1}")};
    *tj_vec_add(&m->uses, &w->a) =
        (struct tj_tool_use){TJ_STR("call_2"), TJ_STR("t"), TJ_STR("{bad")};
    for (size_t i = 0; i < 2; i++)
        w->messages[2 + i] =
            (struct tj_message){.role = TJ_ROLE_TOOL,
                                .use_id = m->uses.items[i].id,
                                .use_name = TJ_STR("t"),
                                .text = i ? TJ_STR("oops") : TJ_STR("3 spans"),
                                .is_error = i == 1};
    w->messages[4] =
        (struct tj_message){.role = TJ_ROLE_USER, .text = TJ_STR("go on")};
    w->ask.message_count = 5;
}

static void anthropic_wants_results_in_one_message(void **state)
{
    struct world *w = *state;
    add_turn(w);
    tj_str body = request(w, &tj_dialect_anthropic);
    assert_true(
        tj_str_find(
            body,
            TJ_STR("{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
                   "\"text\":\"hm\"},{\"type\":\"tool_use\",\"id\":\"call_1\","
                   "\"name\":\"t\",\"input\":{\"a\":1}},{\"type\":\"tool_use\","
                   "\"id\":\"call_2\",\"name\":\"t\",\"input\":{}}]},"
                   "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
                   "\"tool_use_id\":\"call_1\",\"content\":\"3 spans\"},"
                   "{\"type\":\"tool_result\",\"tool_use_id\":\"call_2\","
                   "\"content\":\"oops\",\"is_error\":true},{\"type\":\"text\","
                   "\"text\":\"go on\"}]}]")) != (size_t)-1);
}

static void mistral_has_short_ids(void **state)
{
    struct world *w = *state;
    add_turn(w);
    w->wire.quirks = TJ_QUIRK_SHORT_IDS | TJ_QUIRK_TOOL_NAME;
    tj_str body = request(w, &tj_dialect_openai_chat);
    struct tj_json_doc doc;
    struct tj_err err;
    assert_ok(tj_json_parse(body, &w->a, &doc, &err), err);
    tj_str id = tj_json_str(tj_json_at(doc.root, "messages.1.tool_calls.0.id"));
    assert_int_equal(id.len, 9);
    assert_true(tj_str_eq(
        id, tj_json_str(tj_json_at(doc.root, "messages.2.tool_call_id"))));
    assert_str_eq(tj_json_str(tj_json_at(doc.root, "messages.2.name")), "t");
    assert_str_eq(tj_wire_short_id(TJ_STR("aB3dE6gH9"), &w->a), "aB3dE6gH9");
}

static void deepseek_wants_reasoning_on_each_turn(void **state)
{
    struct world *w = *state;
    add_turn(w);
    w->wire.quirks = TJ_QUIRK_REASONING_TURNS;
    tj_str body = request(w, &tj_dialect_openai_chat);
    assert_true(tj_str_find(body, TJ_STR("\"reasoning_content\":\"\"")) !=
                (size_t)-1);
    w->wire.model = TJ_STR("deepseek-r1");
    body = request(w, &tj_dialect_openai_chat);
    assert_int_equal(tj_str_find(body, TJ_STR("reasoning_content")),
                     (size_t)-1);
}

#define THINKING                                                               \
    "[ {\"type\":\"thinking\",\"thinking\":\"caf\\u00e9 \\/ x\",  "            \
    "\"signature\":\"s+1==\"}, {\"type\":\"tool_use\",\"id\":\"t1\","          \
    "\"name\":\"t\",\"input\":{\"b\" : 1.0}}]"

static void opaque_state_goes_back_byte_for_byte(void **state)
{
    struct world *w = *state;
    struct tj_reply r =
        reply(w, &tj_dialect_anthropic, 200,
              "{\"stop_reason\":\"tool_use\",\"content\":" THINKING
              ",\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":70,"
              "\"cache_creation_input_tokens\":100,\"output_tokens\":9}}");
    assert_int_equal(r.stop, TJ_STOP_TOOLS);
    assert_str_eq(r.message.uses.items[0].args, "{\"b\":1.0}");
    assert_int_equal(r.usage.input_tokens, 175);
    assert_int_equal(r.usage.cached_input_tokens, 70);
    assert_int_equal(r.usage.cache_write_tokens, 100);
    w->messages[1] = r.message;
    w->ask.message_count = 2;
    tj_str body = request(w, &tj_dialect_anthropic);
    assert_true(tj_str_find(body, TJ_STR(THINKING)) != (size_t)-1);
    /* Another dialect's raw form is of no use here. */
    body = request(w, &tj_dialect_openai_chat);
    assert_int_equal(tj_str_find(body, TJ_STR("thinking")), (size_t)-1);
    r = reply(w, &tj_dialect_openai_responses, 200,
              "{\"status\":\"completed\",\"output\":[ {\"type\":\"reasoning\","
              "\"encrypted_content\":\"\\u0041=\"} , {\"type\":\"message\","
              "\"content\":[{\"text\":\"x\"}]} ]}");
    w->messages[1] = r.message;
    body = request(w, &tj_dialect_openai_responses);
    assert_true(
        tj_str_find(body, TJ_STR("{\"type\":\"reasoning\","
                                 "\"encrypted_content\":\"\\u0041=\"}")) !=
        (size_t)-1);
}

static void stops(void **state)
{
    static const struct {
        const struct tj_dialect *dialect;
        const char *body;
        enum tj_stop stop;
    } table[] = {
        {&tj_dialect_openai_chat,
         "{\"choices\":[{\"finish_reason\":\"length\",\"message\":{}}]}",
         TJ_STOP_LENGTH},
        {&tj_dialect_openai_chat,
         "{\"choices\":[{\"finish_reason\":\"content_filter\",\"message\":{}}]"
         "}",
         TJ_STOP_REFUSAL},
        {&tj_dialect_openai_chat,
         "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"refusal\":"
         "\"no\"}}]}",
         TJ_STOP_REFUSAL},
        {&tj_dialect_openai_chat,
         "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"tool_calls\""
         ":[{\"function\":{\"name\":\"t\",\"arguments\":{\"a\":1}}}]}}]}",
         TJ_STOP_TOOLS},
        {&tj_dialect_openai_responses,
         "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":"
         "\"max_output_tokens\"},\"output\":[]}",
         TJ_STOP_LENGTH},
        {&tj_dialect_openai_responses,
         "{\"output\":[{\"type\":\"message\",\"content\":[{\"type\":"
         "\"refusal\",\"refusal\":\"no\"}]}]}",
         TJ_STOP_REFUSAL},
        {&tj_dialect_openai_responses, "{\"status\":\"failed\",\"output\":[]}",
         TJ_STOP_ERROR},
        {&tj_dialect_anthropic, "{\"stop_reason\":\"refusal\",\"content\":[]}",
         TJ_STOP_REFUSAL},
        {&tj_dialect_anthropic,
         "{\"stop_reason\":\"max_tokens\",\"content\":[]}", TJ_STOP_LENGTH},
        {&tj_dialect_anthropic,
         "{\"stop_reason\":\"model_context_window_exceeded\",\"content\":[]}",
         TJ_STOP_ERROR},
    };
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        struct tj_reply r = reply(w, table[i].dialect, 200, table[i].body);
        if (r.stop != table[i].stop)
            fail_msg("%s: stop %d", table[i].body, r.stop);
    }
}

static void calls_without_ids_get_one(void **state)
{
    struct world *w = *state;
    struct tj_reply r =
        reply(w, &tj_dialect_openai_chat, 200,
              "{\"id\":\"x\",\"choices\":[{\"message\":{\"content\":[{\"type\":"
              "\"thinking\",\"thinking\":[]},{\"text\":\"a\"},{\"text\":\"b\"}]"
              ",\"tool_calls\":[{\"function\":{\"name\":\"t\",\"arguments\":{"
              "\"a\":1}}},{\"id\":\"\",\"function\":{\"name\":\"t\"}}]}}]}");
    assert_str_eq(r.message.text, "ab");
    assert_int_equal(r.message.uses.count, 2);
    assert_str_eq(r.message.uses.items[0].args, "{\"a\":1}");
    assert_str_eq(r.message.uses.items[1].args, "{}");
    assert_int_equal(r.message.uses.items[0].id.len, 9);
    assert_false(
        tj_str_eq(r.message.uses.items[0].id, r.message.uses.items[1].id));
    /* The raw form lacks the ids that the results will name. */
    assert_int_equal(r.message.raw.len, 0);
}

static void errors_of_every_shape(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum tj_llm_error error;
        const char *message;
    } table[] = {
        {400, "{\"error\":{\"message\":\"a\\nb\"}}", TJ_LLM_BAD_REQUEST,
         "HTTP 400: a?b"},
        {529,
         "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
         "\"message\":\"busy\"}}",
         TJ_LLM_PROVIDER, "HTTP 529: busy"},
        {404, "{\"error\":\"model not found\"}", TJ_LLM_BAD_REQUEST,
         "HTTP 404: model not found"},
        {400,
         "{\"object\":\"error\",\"message\":\"This model's maximum "
         "context length is 9\"}",
         TJ_LLM_CONTEXT_OVERFLOW, NULL},
        {422, "{\"detail\":[{\"loc\":[\"n\"]}]}", TJ_LLM_BAD_REQUEST,
         "HTTP 422: [{\"loc\":[\"n\"]}]"},
        {429, "[{\"error\":{\"code\":429,\"message\":\"RESOURCE\"}}]",
         TJ_LLM_RATE_LIMITED, "HTTP 429: RESOURCE"},
        {429, "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"q\"}}",
         TJ_LLM_QUOTA, NULL},
        {429, "{\"error\":{\"message\":\"too many tokens per minute\"}}",
         TJ_LLM_RATE_LIMITED, NULL},
        {413, "", TJ_LLM_CONTEXT_OVERFLOW, NULL},
        {401, "nope", TJ_LLM_AUTH, "HTTP 401: nope"},
        {400, "{\"error\":{\"code\":\"content_filter\",\"message\":\"x\"}}",
         TJ_LLM_REFUSAL, NULL},
        {400, "{\"error\":{\"code\":\"tool_use_failed\",\"message\":\"x\"}}",
         TJ_LLM_BAD_OUTPUT, NULL},
        {302, "", TJ_LLM_PROVIDER, NULL},
        {200, "{\"error\":{\"code\":402,\"message\":\"no credit\"}}",
         TJ_LLM_QUOTA, "HTTP 402: no credit"},
        {200, "[1]", TJ_LLM_PROVIDER, "the response is no JSON object"},
        {200, "", TJ_LLM_PROVIDER, NULL},
        {200, "{\"choices\":[{\"error\":{\"code\":429,\"message\":\"up\"}}]}",
         TJ_LLM_RATE_LIMITED, "up"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        struct tj_reply r =
            reply(w, &tj_dialect_openai_chat, table[i].status, table[i].body);
        if (r.error != table[i].error || r.stop != TJ_STOP_ERROR)
            fail_msg("%s: %s", table[i].body, tj_llm_error_name(r.error));
        if (table[i].message)
            assert_str_eq(r.error_message, table[i].message);
    }
}

static void refusals_name_features(void **state)
{
    static const struct {
        const char *message;
        const char *param;
        int feature; /* -1: none */
    } table[] = {
        {"Unsupported parameter: 'max_tokens' is not supported", "",
         TJ_FEATURE_TOKENS_NAME},
        {"Invalid parameter", "response_format", TJ_FEATURE_SCHEMA},
        {"Structured Outputs are not supported", "", TJ_FEATURE_SCHEMA},
        {"max_tokens: 8192 > 4096, which is the maximum allowed number of "
         "output tokens for claude",
         "", TJ_FEATURE_TOKENS_COUNT},
        {"Unrecognized request argument supplied: store", "", TJ_FEATURE_STORE},
        {"the store is closed", "", -1},
        {"Encrypted content is not supported with this model", "",
         TJ_FEATURE_ENCRYPTED},
        {"messages[0].role: unknown role 'developer'", "",
         TJ_FEATURE_DEVELOPER},
        {"bad things", "", -1},
    };
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        struct tj_fault f = {.message = tj_str_c(table[i].message),
                             .param = tj_str_c(table[i].param)};
        enum tj_feature feature;
        int found = tj_fault_feature(&f, &feature) ? (int)feature : -1;
        if (found != table[i].feature)
            fail_msg("%s: %d", table[i].message, found);
    }
    struct tj_fault f = {
        .message = TJ_STR("`temperature` and top_p cannot both be set")};
    assert_true(tj_fault_names(&f, TJ_STR("temperature")));
    assert_true(tj_fault_names(&f, TJ_STR("top_p")));
    assert_false(tj_fault_names(&f, TJ_STR("top_")));
    assert_false(tj_fault_names(&f, TJ_STR("set")));
}

static void params_go_where_the_dialect_has_them(void **state)
{
    struct world *w = *state;
    w->ask.params = TJ_STR("{\"reasoning_effort\":\"low\",\"max_tokens\":5,"
                           "\"top_p\":0.5}");
    w->ask.schema = TJ_STR("{\"type\":\"object\",\"properties\":{\"minimum\":{"
                           "\"type\":\"integer\",\"minimum\":1}}}");
    assert_str_eq(
        request(w, &tj_dialect_anthropic),
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{"
        "\"type\":\"text\",\"text\":\"judge\"}]}],\"output_config\":{\"effort\""
        ":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
        "\"object\",\"properties\":{\"minimum\":{\"type\":\"integer\"}}}}},"
        "\"cache_control\":{\"type\":\"ephemeral\"},\"max_tokens\":5,\"top_p\":"
        "0.5}");
    w->ask.schema = (tj_str){0};
    assert_str_eq(request(w, &tj_dialect_openai_responses),
                  "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":"
                  "\"judge\"}],\"reasoning\":{\"effort\":\"low\"},\"store\":"
                  "false,\"include\":[\"reasoning.encrypted_content\"],"
                  "\"max_output_tokens\":5,\"top_p\":0.5}");
    w->wire.quirks = TJ_QUIRK_COMPLETION_TOKENS;
    tj_str refused = TJ_STR("top_p");
    w->wire.no_params = &refused;
    w->wire.no_param_count = 1;
    assert_str_eq(request(w, &tj_dialect_openai_chat),
                  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                  "\"content\":\"judge\"}],\"reasoning_effort\":\"low\","
                  "\"max_completion_tokens\":5}");
}

static void slices_are_exact(void **state)
{
    (void)state;
    tj_str text = TJ_STR(" { \"a\\\"\" : [1, {\"x\":\"]}\"}], \"b\":2 ,"
                         "\"c\" : \"\\\\\", \"b\": {\"d\":3} } ");
    assert_str_eq(tj_slice_member(text, TJ_STR("b")), "{\"d\":3}");
    assert_str_eq(tj_slice_member(text, TJ_STR("c")), "\"\\\\\"");
    assert_str_eq(tj_slice_member(text, TJ_STR("a\\\"")),
                  "[1, {\"x\":\"]}\"}]");
    assert_int_equal(tj_slice_member(text, TJ_STR("d")).len, 0);
    assert_str_eq(tj_slice_item(TJ_STR("[1 , {\"a\":[]},\"x\" ]"), 1),
                  "{\"a\":[]}");
    assert_str_eq(tj_slice_item(TJ_STR("[1 , {},\"x\" ]"), 2), "\"x\"");
    assert_int_equal(tj_slice_item(TJ_STR("[ ]"), 0).len, 0);
    assert_int_equal(tj_slice_item(TJ_STR("{}"), 0).len, 0);
    assert_int_equal(tj_slice_member((tj_str){0}, TJ_STR("a")).len, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_sent_unasked),
        CASE(anthropic_wants_results_in_one_message),
        CASE(mistral_has_short_ids),
        CASE(deepseek_wants_reasoning_on_each_turn),
        CASE(opaque_state_goes_back_byte_for_byte),
        CASE(stops),
        CASE(calls_without_ids_get_one),
        CASE(errors_of_every_shape),
        CASE(refusals_name_features),
        CASE(params_go_where_the_dialect_has_them),
        CASE(slices_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
