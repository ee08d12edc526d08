/* ask.h - the normal form of one request to a model and of its reply.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Providers differ in spelling; this is what they have in common, plus the
 * opaque state that must go back to them byte for byte.
 *  1. An assistant message that came from a provider carries `raw`: the JSON
 *     array (Anthropic content, Responses output items) or object (Chat
 *     message) exactly as it arrived.  The dialect that made it sends it back
 *     unchanged (reasoning items, thinking signatures, reasoning_content).
 *  2. Every tool call of an assistant message is answered by exactly one tool
 *     message before the next user or assistant message.
 *  3. Usage follows OpenTelemetry: input includes cached tokens, output
 *     includes reasoning; -1 is "the provider did not say".
 * Threads: plain data.
 */
#ifndef TJ_LLM_ASK_H
#define TJ_LLM_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

enum tj_role { TJ_ROLE_USER, TJ_ROLE_ASSISTANT, TJ_ROLE_TOOL };

struct tj_tool_use {
    tj_str id; /* the provider's call id */
    tj_str name;
    tj_str args; /* JSON text as the model wrote it; may be malformed */
};

struct tj_message {
    enum tj_role role;
    tj_str text;                     /* may be empty for an assistant */
    TJ_VEC(struct tj_tool_use) uses; /* ASSISTANT */
    tj_str raw;                      /* ASSISTANT: invariant 1; may be empty */
    const char *raw_dialect;         /* which dialect wrote raw */
    tj_str use_id;                   /* TOOL: which call this answers */
    tj_str use_name;                 /* TOOL */
    bool is_error;                   /* TOOL */
};

struct tj_tool_spec {
    tj_str name;
    tj_str description;
    tj_str schema; /* JSON Schema of the arguments, one object */
};

enum tj_tool_choice {
    TJ_CHOICE_AUTO,
    TJ_CHOICE_NONE,     /* tools are described but must not be called */
    TJ_CHOICE_REQUIRED, /* some tool must be called */
};

struct tj_ask {
    tj_str system;
    struct tj_message *messages;
    size_t message_count;
    const struct tj_tool_spec *tools;
    size_t tool_count;
    enum tj_tool_choice choice;
    tj_str schema_name;        /* structured answer wanted; empty: free text */
    tj_str schema;             /* JSON Schema, closed objects */
    int64_t output_tokens_max; /* 0: the dialect's default */
    tj_str params;    /* JSON object merged into the body: temperature, ...;
                         * empty: nothing is sent that was not asked for */
    tj_str cache_key; /* same for all asks that share a prefix */
    uint64_t deadline_mono_ns; /* 0: none; see tj_mono_ns */
};

enum tj_stop {
    TJ_STOP_END,     /* the model was done */
    TJ_STOP_TOOLS,   /* it wants tools */
    TJ_STOP_LENGTH,  /* cut at the output maximum */
    TJ_STOP_REFUSAL, /* refused, or a content filter did */
    TJ_STOP_ERROR,   /* no answer: see error */
};

/* Why there is no answer, as verdicts report it. */
#define TJ_LLM_ERRORS(X)                                                       \
    X(NONE, "none")                                                            \
    X(AUTH, "auth")                                                            \
    X(RATE_LIMITED, "rate_limited")                                            \
    X(QUOTA, "quota")                                                          \
    X(CONTEXT_OVERFLOW, "context_overflow")                                    \
    X(BAD_REQUEST, "bad_request")                                              \
    X(BAD_OUTPUT, "bad_output")                                                \
    X(REFUSAL, "refusal")                                                      \
    X(PROVIDER, "provider")                                                    \
    X(NETWORK, "network")                                                      \
    X(TIMEOUT, "timeout")                                                      \
    X(CANCELLED, "cancelled")                                                  \
    X(REPLAY, "replay")

enum tj_llm_error {
#define X(name, text) TJ_LLM_##name,
    TJ_LLM_ERRORS(X)
#undef X
};
const char *tj_llm_error_name(enum tj_llm_error error);

struct tj_llm_usage {
    int64_t input_tokens;
    int64_t cached_input_tokens;
    int64_t cache_write_tokens;
    int64_t output_tokens;
    int64_t reasoning_tokens;
    double cost_usd; /* < 0: not known */
};
#define TJ_LLM_USAGE_UNKNOWN ((struct tj_llm_usage){-1, -1, -1, -1, -1, -1.0})

struct tj_reply {
    enum tj_stop stop;
    struct tj_message message; /* ASSISTANT */
    struct tj_llm_usage usage;
    tj_str model; /* as the provider names it */
    tj_str response_id;
    enum tj_llm_error error;
    tj_str error_message; /* one printable line */
    int http_status;      /* 0: none */
    uint32_t attempts;    /* HTTP requests made */
    uint64_t duration_ns;
};
/* All that reply points to, copied into a. */
struct tj_reply tj_reply_copy(struct tj_arena *a, const struct tj_reply *from);

#endif
