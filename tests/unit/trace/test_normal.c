/* test_normal.c - conventions to one vocabulary, with provenance.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fmt_test.h"

/* A span from "key=value" attributes. */
struct made {
    struct fmt_test t;
    struct tj_build *build;
    struct tj_span *span;
};

static void begin(struct made *m)
{
    *m = (struct made){0};
    tj_batch_init(&m->t.batch, &m->t.arena);
    m->build = tj_build_new(&m->t.arena, &m->t.batch);
    m->span = tj_build_span(m->build, tj_trace_id_derive(TJ_STR("t")),
                            tj_span_id_derive(TJ_STR("s")));
    m->span->name = TJ_STR("span");
    m->span->start = 1;
    m->span->end = 2;
}

static void attr(struct made *m, const char *key, const char *text)
{
    tj_build_attr_text(m->build, tj_str_c(key), tj_str_c(text));
}

static const struct tj_span *end(struct made *m)
{
    tj_build_end(m->build);
    return m->span;
}

static void assert_source(const struct tj_span *s, enum tj_normal which,
                          const char *field)
{
    int32_t at = tj_span_find_field(s, tj_str_c(field));
    assert_true(at >= 0);
    assert_int_equal(s->source[which], at);
}

static void test_kinds(void **state)
{
    static const struct {
        const char *key;
        const char *word;
        enum tj_kind kind;
    } rows[] = {
        {"mlflow.spanType", "CHAT_MODEL", TJ_KIND_CHAT_MODEL},
        {"mlflow.spanType", "retriever", TJ_KIND_RETRIEVER},
        {"langfuse.observation.type", "generation", TJ_KIND_LLM},
        {"openinference.span.kind", "TOOL", TJ_KIND_TOOL},
        {"gen_ai.operation.name", "chat", TJ_KIND_LLM},
        {"gen_ai.operation.name", "text_completion", TJ_KIND_LLM},
        {"gen_ai.operation.name", "execute_tool", TJ_KIND_TOOL},
        {"gen_ai.operation.name", "invoke_agent", TJ_KIND_AGENT},
        {"gen_ai.operation.name", "embeddings", TJ_KIND_EMBEDDING},
        {"gen_ai.operation.name", "search_memory", TJ_KIND_MEMORY},
        {"gen_ai.operation.name", "invoke_workflow", TJ_KIND_CHAIN},
        {"traceloop.span.kind", "workflow", TJ_KIND_WORKFLOW},
        {"langsmith.span.kind", "chain", TJ_KIND_CHAIN},
        {"ai.operationId", "ai.generateText.doGenerate", TJ_KIND_LLM},
        {"ai.operationId", "ai.generateText", TJ_KIND_CHAIN},
        {"ai.operationId", "ai.toolCall", TJ_KIND_TOOL},
        {"ai.operationId", "ai.embed.doEmbed", TJ_KIND_EMBEDDING},
        {"span.type", "claude_code.interaction", TJ_KIND_AGENT},
        {"span.type", "claude_code.llm_request", TJ_KIND_LLM},
        {"gen_ai.tool.name", "search", TJ_KIND_TOOL},
        {"gen_ai.request.model", "gpt-5", TJ_KIND_LLM},
        {"embedding.model_name", "e", TJ_KIND_EMBEDDING},
        {"other", "LLM", TJ_KIND_UNKNOWN},
    };
    for (size_t i = 0; i < TJ_COUNT(rows); i++) {
        struct made m;
        begin(&m);
        attr(&m, rows[i].key, rows[i].word);
        if (end(&m)->kind != rows[i].kind)
            fail_msg("%s=%s is %s", rows[i].key, rows[i].word,
                     tj_kind_name(m.span->kind));
        fmt_test_release(&m.t);
    }
}

/* MLflow's own default says nothing; an unknown word is kept as it is. */
static void test_kind_words(void **state)
{
    struct made m;
    begin(&m);
    attr(&m, "gen_ai.operation.name", "chat");
    attr(&m, "mlflow.spanType", "UNKNOWN");
    const struct tj_span *s = end(&m);
    assert_int_equal(s->kind, TJ_KIND_LLM);
    assert_source(s, TJ_NORMAL_KIND, "attributes.gen_ai.operation.name");
    fmt_test_release(&m.t);
    begin(&m);
    attr(&m, "mlflow.spanType", "CRYSTAL_BALL");
    s = end(&m);
    assert_int_equal(s->kind, TJ_KIND_UNKNOWN);
    assert_str_eq(s->kind_text, "CRYSTAL_BALL");
    assert_source(s, TJ_NORMAL_KIND, "attributes.mlflow.spanType");
    fmt_test_release(&m.t);
    begin(&m);
    m.span->kind = TJ_KIND_GUARDRAIL; /* the format knew */
    attr(&m, "mlflow.spanType", "LLM");
    s = end(&m);
    assert_int_equal(s->kind, TJ_KIND_GUARDRAIL);
    assert_int_equal(s->source[TJ_NORMAL_KIND], TJ_NO_FIELD);
    fmt_test_release(&m.t);
}

static void test_precedence(void **state)
{
    struct made m;
    begin(&m);
    attr(&m, "input.value", "third");
    attr(&m, "gen_ai.input.messages", "  ");
    attr(&m, "langfuse.observation.input", "first");
    attr(&m, "output.value", "out");
    attr(&m, "gen_ai.request.model", "asked");
    attr(&m, "gen_ai.response.model", "answered");
    attr(&m, "user.id", "u");
    attr(&m, "session.id", "s2");
    attr(&m, "langfuse.session.id", "s1");
    const struct tj_span *s = end(&m);
    assert_field(s, "input", TJ_FIELD_STRING, "first");
    assert_source(s, TJ_NORMAL_INPUT, "attributes.langfuse.observation.input");
    assert_field(s, "output", TJ_FIELD_STRING, "out");
    assert_str_eq(s->model, "answered");
    assert_source(s, TJ_NORMAL_MODEL, "attributes.gen_ai.response.model");
    assert_str_eq(s->session, "s1");
    assert_str_eq(s->user, "u");
    assert_int_equal(s->source[TJ_NORMAL_AGENT], TJ_NO_FIELD);
    /* Shared text is counted once: 4 + name, status and the attributes. */
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->field_count; i++)
        bytes += s->fields[i].same_as < 0 ? s->fields[i].text.len : 0;
    assert_int_equal(s->text_bytes, bytes);
    fmt_test_release(&m.t);
}

static void test_dotted_messages(void **state)
{
    struct made m;
    begin(&m);
    attr(&m, "llm.input_messages.10.message.role", "user");
    attr(&m, "llm.input_messages.10.message.content", "say \"hi\"");
    attr(&m, "llm.input_messages.2.message.role", "assistant");
    attr(&m, "llm.input_messages.2.message.tool_calls.0.tool_call.id", "c1");
    attr(&m,
         "llm.input_messages.2.message.tool_calls.0.tool_call.function.name",
         "f");
    attr(&m,
         "llm.input_messages.2.message.tool_calls.0.tool_call.function."
         "arguments",
         "{\"x\": 1}");
    attr(&m, "gen_ai.completion.0.role", "assistant");
    attr(&m, "gen_ai.completion.0.content", "done");
    const struct tj_span *s = end(&m);
    assert_field(s, "input", TJ_FIELD_JSON,
                 "[{\"role\": \"assistant\", \"tool_calls\": [{\"function\": "
                 "{\"arguments\": {\"x\": 1}, \"name\": \"f\"}, \"id\": "
                 "\"c1\"}]}, {\"content\": #\"say \"hi\"\"#, \"role\": "
                 "\"user\"}]");
    assert_field(s, "output", TJ_FIELD_JSON,
                 "[{\"content\": \"done\", \"role\": \"assistant\"}]");
    assert_source(s, TJ_NORMAL_INPUT,
                  "attributes.llm.input_messages.10.message.role");
    fmt_test_release(&m.t);
    /* Keys that contradict each other, or are mere prefixes, do no harm. */
    begin(&m);
    attr(&m, "gen_ai.prompt.0", "leaf");
    attr(&m, "gen_ai.prompt.0.role", "user");
    attr(&m, "gen_ai.prompt..", "dots");
    attr(&m, "gen_ai.prompt.0.message", "wrapped");
    assert_true(tj_span_find_field(end(&m), TJ_STR("input")) >= 0);
    fmt_test_release(&m.t);
}

static void test_event_messages(void **state)
{
    struct made m;
    begin(&m);
    tj_build_event(m.build, TJ_STR("gen_ai.user.message"), 1);
    tj_build_event_attr_text(m.build, TJ_STR("gen_ai.system"),
                             TJ_STR("openai"));
    tj_build_event_attr_text(m.build, TJ_STR("content"), TJ_STR("hi"));
    tj_build_event(m.build, TJ_STR("other"), 1);
    tj_build_event(m.build, TJ_STR("gen_ai.tool.message"), 1);
    tj_build_event_attr_text(m.build, TJ_STR("id"), TJ_STR("c1"));
    tj_build_event(m.build, TJ_STR("gen_ai.choice"), 2);
    tj_build_event_attr_text(m.build, TJ_STR("message"),
                             TJ_STR("{\"content\": \"yo\"}"));
    const struct tj_span *s = end(&m);
    assert_field(s, "input", TJ_FIELD_JSON,
                 "[{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": "
                 "\"tool\", \"id\": \"c1\"}]");
    assert_field(s, "output", TJ_FIELD_JSON,
                 "[{\"role\": \"assistant\", \"message\": {\"content\": "
                 "\"yo\"}}]");
    assert_source(s, TJ_NORMAL_INPUT, "events.0.name");
    fmt_test_release(&m.t);
}

static void test_tokens(void **state)
{
    static const struct {
        const char *key;
        const char *value;
        const char *cached;
        const char *cached_value;
        int64_t input;
    } rows[] = {
        /* OpenTelemetry: input includes what was cached. */
        {"gen_ai.usage.input_tokens", "100",
         "gen_ai.usage.cache_read.input_tokens", "40", 100},
        /* That cannot be so here. */
        {"gen_ai.usage.input_tokens", "10",
         "gen_ai.usage.cache_read.input_tokens", "40", 50},
        {"input_tokens", "10", "cache_read_tokens", "4", 14},
        {"langfuse.observation.usage_details",
         "{\"input\": 10, \"output\": 2, \"input_cached_tokens\": 4}", "x", "",
         14},
        {"llm.token_count.prompt", "14.0", "x", "", 14},
        {"gen_ai.usage.prompt_tokens", "\"7", "llm.token_count.prompt", "8", 8},
        {"ai.usage.promptTokens", "-3", "x", "", TJ_TOKENS_UNKNOWN},
        {"ai.usage.promptTokens", "1e300", "x", "", TJ_TOKENS_UNKNOWN},
        {"ai.usage.promptTokens", "9223372036854775807",
         "ai.usage.cachedInputTokens", "5", INT64_MAX},
    };
    for (size_t i = 0; i < TJ_COUNT(rows); i++) {
        struct made m;
        begin(&m);
        attr(&m, rows[i].key, rows[i].value);
        attr(&m, rows[i].cached, rows[i].cached_value);
        assert_true(end(&m)->usage.input_tokens == rows[i].input);
        fmt_test_release(&m.t);
    }
}

static void test_anthropic_through_mlflow(void **state)
{
    static const char usage[] =
        "{\"input_tokens\": 10, \"output_tokens\": 5, "
        "\"cache_read_input_tokens\": 4, \"cache_creation_input_tokens\": 1}";
    struct made m;
    begin(&m);
    attr(&m, "mlflow.chat.tokenUsage", usage);
    attr(&m, "mlflow.llm.provider", "anthropic");
    assert_int_equal(end(&m)->usage.input_tokens, 15);
    assert_int_equal(m.span->usage.cache_write_tokens, 1);
    fmt_test_release(&m.t);
    begin(&m);
    attr(&m, "mlflow.chat.tokenUsage", usage);
    attr(&m, "mlflow.llm.provider", "openai");
    assert_int_equal(end(&m)->usage.input_tokens, 10);
    fmt_test_release(&m.t);
}

static void test_cost(void **state)
{
    static const struct {
        const char *key;
        const char *value;
        double cost;
    } rows[] = {
        {"gen_ai.usage.cost", "0.25", 0.25},
        {"mlflow.llm.cost", "{\"input_cost\": 1, \"total_cost\": 3}", 3},
        {"langfuse.observation.cost_details", "{\"input\": 1, \"output\": 2}",
         3},
        {"llm.cost.prompt", "0.5", 0.5},
        {"gen_ai.usage.cost", "free", -1},
        {"gen_ai.usage.cost", "-1", -1},
    };
    for (size_t i = 0; i < TJ_COUNT(rows); i++) {
        struct made m;
        begin(&m);
        attr(&m, rows[i].key, rows[i].value);
        double cost = end(&m)->usage.cost_usd;
        assert_true(cost > rows[i].cost - 1e-9 && cost < rows[i].cost + 1e-9);
        fmt_test_release(&m.t);
    }
    struct made m;
    begin(&m);
    attr(&m, "llm.cost.prompt", "0.5");
    attr(&m, "llm.cost.completion", "0.25");
    double cost = end(&m)->usage.cost_usd;
    assert_true(cost > 0.74 && cost < 0.76);
    fmt_test_release(&m.t);
}

static void exception(struct made *m, const char *type, const char *message,
                      const char *stack)
{
    tj_build_event(m->build, TJ_STR("exception"), 1);
    if (type)
        tj_build_event_attr_text(m->build, TJ_STR("exception.type"),
                                 tj_str_c(type));
    if (message)
        tj_build_event_attr_text(m->build, TJ_STR("exception.message"),
                                 tj_str_c(message));
    if (stack)
        tj_build_event_attr_text(m->build, TJ_STR("exception.stacktrace"),
                                 tj_str_c(stack));
}

static void test_errors(void **state)
{
    struct made m;
    begin(&m);
    m.span->status = TJ_STATUS_ERROR;
    m.span->status_message = TJ_STR("told twice");
    exception(&m, "First", "one", NULL);
    exception(&m, "Last", "two", "at line 1\nat line 2");
    const struct tj_span *s = end(&m);
    assert_field(s, "error", TJ_FIELD_STRING,
                 "Last: two\nat line 1\nat line 2");
    assert_source(s, TJ_NORMAL_ERROR, "events.1.exception.message");
    fmt_test_release(&m.t);
    begin(&m);
    m.span->status = TJ_STATUS_ERROR;
    exception(&m, "E", "boom", "Traceback\nE: boom");
    s = end(&m);
    assert_field(s, "error", TJ_FIELD_STRING, "Traceback\nE: boom");
    assert_source(s, TJ_NORMAL_ERROR, "events.0.exception.stacktrace");
    assert_int_equal(s->fields[tj_span_find_field(s, TJ_STR("error"))].same_as,
                     s->source[TJ_NORMAL_ERROR]);
    fmt_test_release(&m.t);
    begin(&m);
    m.span->status = TJ_STATUS_OK;
    exception(&m, "E", "handled", NULL);
    assert_int_equal(tj_span_find_field(end(&m), TJ_STR("error")), -1);
    fmt_test_release(&m.t);
    begin(&m);
    attr(&m, "error.type", "TimeoutError");
    s = end(&m);
    assert_int_equal(s->status, TJ_STATUS_ERROR);
    assert_field(s, "error", TJ_FIELD_STRING, "TimeoutError");
    assert_field(s, "status", TJ_FIELD_STRING, "ERROR");
    fmt_test_release(&m.t);
    begin(&m);
    attr(&m, "langfuse.observation.level", "ERROR");
    attr(&m, "langfuse.observation.status_message", "why");
    s = end(&m);
    assert_field(s, "error", TJ_FIELD_STRING, "why");
    fmt_test_release(&m.t);
}

static void test_tool_names(void **state)
{
    struct made m;
    begin(&m);
    m.span->name = TJ_STR("execute_tool search");
    attr(&m, "gen_ai.operation.name", "execute_tool");
    assert_str_eq(end(&m)->tool_name, "search");
    assert_source(m.span, TJ_NORMAL_TOOL_NAME, "name");
    fmt_test_release(&m.t);
    begin(&m);
    attr(&m, "traceloop.entity.name", "planner");
    attr(&m, "traceloop.span.kind", "agent");
    assert_str_eq(end(&m)->tool_name, "");
    fmt_test_release(&m.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_kind_words),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_dotted_messages),
        cmocka_unit_test(test_event_messages),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_anthropic_through_mlflow),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_tool_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
