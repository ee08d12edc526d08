/* normal_rules.c - see normal_rules.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace/normal_rules.h"

#define KIND(key)                                                              \
    {                                                                          \
        TJ_NORMAL_KIND, TJ_RULE_KIND, key, NULL, 0                             \
    }
#define KIND_IF(key, kind)                                                     \
    {                                                                          \
        TJ_NORMAL_KIND, TJ_RULE_KIND_IF, key, kind, 0                          \
    }
#define INPUT(how, key)                                                        \
    {                                                                          \
        TJ_NORMAL_INPUT, TJ_RULE_##how, key, NULL, 0                           \
    }
#define OUTPUT(how, key)                                                       \
    {                                                                          \
        TJ_NORMAL_OUTPUT, TJ_RULE_##how, key, NULL, 0                          \
    }
#define TEXT(which, key)                                                       \
    {                                                                          \
        TJ_NORMAL_##which, TJ_RULE_TEXT, key, NULL, 0                          \
    }
#define COUNT(which, key)                                                      \
    {                                                                          \
        TJ_NORMAL_##which##_TOKENS, TJ_RULE_COUNT, key, NULL, 0                \
    }
#define COUNT_APART(which, key)                                                \
    {                                                                          \
        TJ_NORMAL_##which##_TOKENS, TJ_RULE_COUNT, key, NULL, TJ_CACHE_APART   \
    }
#define MEMBER(which, key, member, cache)                                      \
    {                                                                          \
        TJ_NORMAL_##which##_TOKENS, TJ_RULE_COUNT_MEMBER, key, member, cache   \
    }

#define MLFLOW_USAGE    "mlflow.chat.tokenUsage"
#define LANGFUSE_USAGE  "langfuse.observation.usage_details"
#define LANGSMITH_USAGE "langsmith.usage_metadata"

const struct tj_rule tj_rules[] = {
    KIND("mlflow.spanType"),
    KIND("langfuse.observation.type"),
    KIND("openinference.span.kind"),
    KIND("gen_ai.operation.name"),
    KIND("traceloop.span.kind"),
    KIND("langsmith.span.kind"),
    KIND("ai.operationId"),
    KIND("span.type"),
    KIND("entity.type"),
    KIND("lmnr.span.type"),
    KIND("genkit:type"),
    KIND("llm.request.type"),
    KIND_IF("gen_ai.tool.name", "TOOL"),
    KIND_IF("gen_ai.request.model", "LLM"),
    KIND_IF("llm.model_name", "LLM"),
    KIND_IF("embedding.model_name", "EMBEDDING"),
    KIND_IF("lk.function_tool.name", "TOOL"),
    KIND_IF("lk.retry_count", "LLM"),
    KIND_IF("lk.agent_name", "AGENT"),
    KIND_IF("lk.instructions", "AGENT"),

    INPUT(SHARE, "mlflow.spanInputs"),
    INPUT(SHARE, "langfuse.observation.input"),
    INPUT(SHARE, "gen_ai.input.messages"),
    INPUT(SHARE, "gen_ai.tool.call.arguments"),
    INPUT(SHARE_EVENT, "gen_ai.input.messages"),
    INPUT(EVENTS, "gen_ai.input"),
    INPUT(SHARE_EVENT, "gen_ai.prompt"),
    INPUT(FAMILY, "llm.input_messages."),
    INPUT(SHARE, "input.value"),
    INPUT(SHARE, "traceloop.entity.input"),
    INPUT(FAMILY, "gen_ai.prompt."),
    INPUT(SHARE, "gen_ai.prompt"),
    INPUT(SHARE, "ai.prompt.messages"),
    INPUT(SHARE, "ai.prompt"),
    INPUT(SHARE, "ai.toolCall.args"),
    INPUT(SHARE, "ai.value"),
    INPUT(SHARE, "ai.values"),
    INPUT(SHARE, "gcp.vertex.agent.llm_request"),
    INPUT(SHARE, "gcp.vertex.agent.tool_call_args"),
    INPUT(SHARE, "lmnr.span.input"),
    INPUT(SHARE, "agent.messages"),
    INPUT(SHARE, "llm.messages"),
    INPUT(SHARE, "lk.user_input"),
    INPUT(SHARE, "lk.user_transcript"),
    INPUT(SHARE, "lk.input_text"),
    INPUT(SHARE, "lk.chat_ctx"),
    INPUT(SHARE, "lk.function_tool.arguments"),
    INPUT(SHARE, "pydantic_ai.all_messages"),
    INPUT(SHARE, "tool_arguments"),
    INPUT(SHARE, "genkit:input"),
    INPUT(SHARE, "langfuse.trace.input"),
    INPUT(SHARE, "tool_input"),
    INPUT(SHARE, "user_prompt"),
    INPUT(SHARE, "new_context"),
    INPUT(SHARE, "input"),

    OUTPUT(SHARE, "mlflow.spanOutputs"),
    OUTPUT(SHARE, "langfuse.observation.output"),
    OUTPUT(SHARE, "gen_ai.output.messages"),
    OUTPUT(SHARE, "gen_ai.tool.call.result"),
    OUTPUT(SHARE_EVENT, "gen_ai.output.messages"),
    OUTPUT(EVENTS, "gen_ai.output"),
    OUTPUT(SHARE_EVENT, "gen_ai.completion"),
    OUTPUT(FAMILY, "llm.output_messages."),
    OUTPUT(SHARE, "output.value"),
    OUTPUT(SHARE, "traceloop.entity.output"),
    OUTPUT(FAMILY, "gen_ai.completion."),
    OUTPUT(SHARE, "gen_ai.completion"),
    OUTPUT(SHARE, "ai.response.text"),
    OUTPUT(SHARE, "ai.response.toolCalls"),
    OUTPUT(SHARE, "ai.response.object"),
    OUTPUT(SHARE, "ai.result.text"),
    OUTPUT(SHARE, "ai.result.toolCalls"),
    OUTPUT(SHARE, "ai.result.object"),
    OUTPUT(SHARE, "ai.toolCall.result"),
    OUTPUT(SHARE, "ai.embedding"),
    OUTPUT(SHARE, "ai.embeddings"),
    OUTPUT(SHARE, "gcp.vertex.agent.llm_response"),
    OUTPUT(SHARE, "gcp.vertex.agent.tool_response"),
    OUTPUT(SHARE, "lmnr.span.output"),
    OUTPUT(SHARE, "lk.response.text"),
    OUTPUT(SHARE, "lk.response.function_calls"),
    OUTPUT(SHARE, "lk.function_tool.output"),
    OUTPUT(SHARE, "tool_response"),
    OUTPUT(SHARE, "final_result"),
    OUTPUT(SHARE, "genkit:output"),
    OUTPUT(SHARE, "langfuse.trace.output"),
    OUTPUT(SHARE, "response.model_output"),
    OUTPUT(SHARE, "output"),

    TEXT(MODEL, "gen_ai.response.model"),
    TEXT(MODEL, "ai.response.model"),
    TEXT(MODEL, "langfuse.observation.model.name"),
    TEXT(MODEL, "mlflow.llm.model"),
    TEXT(MODEL, "gen_ai.request.model"),
    TEXT(MODEL, "ai.model.id"),
    TEXT(MODEL, "llm.model_name"),
    TEXT(MODEL, "embedding.model_name"),
    TEXT(MODEL, "reranker.model_name"),
    TEXT(MODEL, "model"),

    TEXT(PROVIDER, "gen_ai.provider.name"),
    TEXT(PROVIDER, "gen_ai.system"),
    TEXT(PROVIDER, "mlflow.llm.provider"),
    TEXT(PROVIDER, "llm.provider"),
    TEXT(PROVIDER, "llm.system"),
    TEXT(PROVIDER, "ai.model.provider"),

    COUNT(INPUT, "gen_ai.usage.input_tokens"),
    COUNT(INPUT, "gen_ai.usage.prompt_tokens"),
    COUNT(INPUT, "llm.token_count.prompt"),
    COUNT(INPUT, "ai.usage.promptTokens"),
    COUNT(INPUT, "ai.usage.inputTokens"),
    MEMBER(INPUT, MLFLOW_USAGE, "input_tokens", TJ_CACHE_APART_IF_ANTHROPIC),
    MEMBER(INPUT, LANGFUSE_USAGE, "input", TJ_CACHE_APART),
    MEMBER(INPUT, LANGSMITH_USAGE, "input_tokens", 0),
    COUNT(INPUT, "ai.usage.tokens"),
    COUNT(INPUT, "usage.prompt_tokens"),
    COUNT(INPUT, "llm.usage.prompt_tokens"),
    COUNT_APART(INPUT, "input_tokens"),

    COUNT(OUTPUT, "gen_ai.usage.output_tokens"),
    COUNT(OUTPUT, "gen_ai.usage.completion_tokens"),
    COUNT(OUTPUT, "llm.token_count.completion"),
    COUNT(OUTPUT, "ai.usage.completionTokens"),
    COUNT(OUTPUT, "ai.usage.outputTokens"),
    MEMBER(OUTPUT, MLFLOW_USAGE, "output_tokens", 0),
    MEMBER(OUTPUT, LANGFUSE_USAGE, "output", TJ_CACHE_APART),
    MEMBER(OUTPUT, LANGSMITH_USAGE, "output_tokens", 0),
    COUNT(OUTPUT, "usage.completion_tokens"),
    COUNT(OUTPUT, "llm.usage.completion_tokens"),
    COUNT(OUTPUT, "output_tokens"),

    COUNT(CACHE_READ, "gen_ai.usage.cache_read.input_tokens"),
    COUNT(CACHE_READ, "gen_ai.usage.cache_read_input_tokens"),
    COUNT(CACHE_READ, "gen_ai.usage.details.cache_read_tokens"),
    COUNT(CACHE_READ, "llm.token_count.prompt_details.cache_read"),
    COUNT(CACHE_READ, "ai.usage.cachedInputTokens"),
    MEMBER(CACHE_READ, MLFLOW_USAGE, "cache_read_input_tokens", 0),
    MEMBER(CACHE_READ, LANGFUSE_USAGE, "cache_read_input_tokens", 0),
    MEMBER(CACHE_READ, LANGFUSE_USAGE, "input_cached_tokens", 0),
    MEMBER(CACHE_READ, LANGFUSE_USAGE, "input_cache_read", 0),
    MEMBER(CACHE_READ, LANGSMITH_USAGE, "input_token_details.cache_read", 0),
    COUNT(CACHE_READ, "cache_read_tokens"),

    COUNT(CACHE_WRITE, "gen_ai.usage.cache_write.input_tokens"),
    COUNT(CACHE_WRITE, "gen_ai.usage.cache_creation.input_tokens"),
    COUNT(CACHE_WRITE, "gen_ai.usage.cache_creation_input_tokens"),
    COUNT(CACHE_WRITE, "gen_ai.usage.details.cache_write_tokens"),
    COUNT(CACHE_WRITE, "llm.token_count.prompt_details.cache_write"),
    MEMBER(CACHE_WRITE, MLFLOW_USAGE, "cache_creation_input_tokens", 0),
    MEMBER(CACHE_WRITE, LANGFUSE_USAGE, "cache_creation_input_tokens", 0),
    MEMBER(CACHE_WRITE, LANGFUSE_USAGE, "input_cache_creation", 0),
    MEMBER(CACHE_WRITE, LANGSMITH_USAGE, "input_token_details.cache_creation",
           0),
    COUNT(CACHE_WRITE, "cache_creation_tokens"),

    COUNT(REASONING, "gen_ai.usage.reasoning.output_tokens"),
    COUNT(REASONING, "gen_ai.usage.reasoning_tokens"),
    COUNT(REASONING, "gen_ai.usage.details.reasoning_tokens"),
    COUNT(REASONING, "llm.token_count.completion_details.reasoning"),
    COUNT(REASONING, "ai.usage.reasoningTokens"),
    MEMBER(REASONING, LANGFUSE_USAGE, "output_reasoning_tokens", 0),
    MEMBER(REASONING, LANGFUSE_USAGE, "output_reasoning", 0),
    MEMBER(REASONING, LANGSMITH_USAGE, "output_token_details.reasoning", 0),

    {TJ_NORMAL_COST, TJ_RULE_MONEY_MEMBER, "mlflow.llm.cost", "total_cost", 0},
    {TJ_NORMAL_COST, TJ_RULE_MONEY, "gen_ai.usage.cost", NULL, 0},
    {TJ_NORMAL_COST, TJ_RULE_MONEY, "llm.cost.total", NULL, 0},
    {TJ_NORMAL_COST, TJ_RULE_MONEY_PAIR, "llm.cost.prompt",
     "llm.cost.completion", 0},
    {TJ_NORMAL_COST, TJ_RULE_MONEY_MEMBER, "langfuse.observation.cost_details",
     "total", 0},
    {TJ_NORMAL_COST, TJ_RULE_MONEY, "usage.cost", NULL, 0},
    {TJ_NORMAL_COST, TJ_RULE_MONEY, "operation.cost", NULL, 0},
    {TJ_NORMAL_COST, TJ_RULE_MONEY, "cost_usd", NULL, 0},

    TEXT(TOOL_NAME, "gen_ai.tool.name"),
    TEXT(TOOL_NAME, "tool.name"),
    TEXT(TOOL_NAME, "ai.toolCall.name"),
    TEXT(TOOL_NAME, "lk.function_tool.name"),
    TEXT(TOOL_NAME, "tool_name"),
    {TJ_NORMAL_TOOL_NAME, TJ_RULE_TEXT_IF_TOOL, "traceloop.entity.name", NULL,
     0},

    TEXT(TOOL_CALL_ID, "gen_ai.tool.call.id"),
    TEXT(TOOL_CALL_ID, "tool_call.id"),
    TEXT(TOOL_CALL_ID, "ai.toolCall.id"),
    TEXT(TOOL_CALL_ID, "lk.function_tool.id"),

    TEXT(AGENT, "gen_ai.agent.name"),
    TEXT(AGENT, "agent.name"),
    TEXT(AGENT, "traceloop.workflow.name"),
    TEXT(AGENT, "ai.telemetry.functionId"),
    TEXT(AGENT, "agent_name"),

    TEXT(SESSION, "mlflow.trace.session"),
    TEXT(SESSION, "langfuse.session.id"),
    TEXT(SESSION, "session.id"),
    TEXT(SESSION, "gen_ai.conversation.id"),
    TEXT(SESSION, "ai.telemetry.metadata.sessionId"),
    TEXT(SESSION, "langsmith.metadata.session_id"),
    TEXT(SESSION, "langsmith.metadata.thread_id"),
    TEXT(SESSION, "traceloop.association.properties.session_id"),
    TEXT(SESSION, "gcp.vertex.agent.session_id"),
    TEXT(SESSION, "lmnr.association.properties.session_id"),
    TEXT(SESSION, "voltagent.conversation_id"),

    TEXT(USER, "mlflow.trace.user"),
    TEXT(USER, "langfuse.user.id"),
    TEXT(USER, "user.id"),
    TEXT(USER, "enduser.id"),
    TEXT(USER, "ai.telemetry.metadata.userId"),
    TEXT(USER, "traceloop.association.properties.user_id"),
    TEXT(USER, "lmnr.association.properties.user_id"),

    TEXT(ENVIRONMENT, "langfuse.environment"),
    TEXT(ENVIRONMENT, "deployment.environment.name"),
    TEXT(ENVIRONMENT, "deployment.environment"),

    TEXT(RELEASE, "langfuse.release"),
    TEXT(RELEASE, "service.version"),
};
const size_t tj_rule_count = TJ_COUNT(tj_rules);
_Static_assert(TJ_COUNT(tj_rules) <= TJ_RULES_MAX,
               "a row number + 1 must fit a byte");

/* Words of gen_ai.operation.name, Langfuse, OpenLLMetry, LangSmith, Claude
 * Code and others that are not names of ours. */
static const struct {
    const char *word;
    enum tj_kind kind;
} kind_words[] = {
    {"chat", TJ_KIND_LLM},
    {"generate_content", TJ_KIND_LLM},
    {"text_completion", TJ_KIND_LLM},
    {"completion", TJ_KIND_LLM},
    {"generation", TJ_KIND_LLM},
    {"llm_request", TJ_KIND_LLM},
    {"call_llm", TJ_KIND_LLM},
    {"llm_call", TJ_KIND_LLM},
    {"cached", TJ_KIND_LLM},
    {"model", TJ_KIND_LLM},
    {"embeddings", TJ_KIND_EMBEDDING},
    {"retrieval", TJ_KIND_RETRIEVER},
    {"execute_tool", TJ_KIND_TOOL},
    {"function", TJ_KIND_TOOL},
    {"tool_call", TJ_KIND_TOOL},
    {"invoke_agent", TJ_KIND_AGENT},
    {"create_agent", TJ_KIND_AGENT},
    {"interaction", TJ_KIND_AGENT},
    {"agent_call", TJ_KIND_AGENT},
    {"executor", TJ_KIND_AGENT},
    {"invoke_workflow", TJ_KIND_CHAIN},
    {"plan", TJ_KIND_CHAIN},
    {"pipeline", TJ_KIND_CHAIN},
    {"default", TJ_KIND_CHAIN},
    {"flow", TJ_KIND_CHAIN},
    {"evaluation", TJ_KIND_EVALUATOR},
    {"human_evaluator", TJ_KIND_EVALUATOR},
    {"rerank", TJ_KIND_RERANKER},
    {"prompt", TJ_KIND_TASK},
};

/* Vercel's "ai.generateText.doGenerate": the inner call talks to the model,
 * the outer one is the loop around it. */
static bool vercel_kind(tj_str word, enum tj_kind *out)
{
    if (tj_str_starts(word, TJ_STR("ai.toolCall")))
        *out = TJ_KIND_TOOL;
    else if (tj_str_starts(word, TJ_STR("ai.embed")))
        *out = TJ_KIND_EMBEDDING;
    else if (tj_str_starts(word, TJ_STR("ai.rerank")))
        *out = TJ_KIND_RERANKER;
    else if (tj_str_find(word, TJ_STR(".do")) != (size_t)-1)
        *out = TJ_KIND_LLM;
    else if (tj_str_starts(word, TJ_STR("ai.")))
        *out = TJ_KIND_CHAIN;
    else
        return false;
    return true;
}

bool tj_rule_kind_word(tj_str word, enum tj_kind *out)
{
    if (tj_str_starts(word, TJ_STR("claude_code.")))
        word = tj_str_slice(word, sizeof "claude_code." - 1, word.len);
    if (tj_kind_parse(word, out))
        return true;
    for (size_t i = 0; i < TJ_COUNT(kind_words); i++) {
        if (tj_str_eq_fold(word, tj_str_c(kind_words[i].word))) {
            *out = kind_words[i].kind;
            return true;
        }
    }
    /* create_memory, search_memory, update_memory, ... */
    if (tj_str_ends(word, TJ_STR("_memory"))) {
        *out = TJ_KIND_MEMORY;
        return true;
    }
    return vercel_kind(word, out);
}
