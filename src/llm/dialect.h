/* dialect.h - wire dialects: an ask to bytes, bytes to a reply.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One file per dialect, pure functions: retries, limits and the memory of what
 * a model refuses are model_http.c's business; what differs between services
 * that speak the same dialect is a flag (TJ_QUIRK_*) of providers.c.
 *  1. Nothing is sent that was not asked for: no sampling parameters, no
 *     parallel_tool_calls, no streaming.
 *  2. A feature that the model refused (wire->dropped) is left out, or said in
 *     another way; see TJ_FEATURES.
 *  3. raw of a reply is the provider's own bytes (ask.h, invariant 1).
 * Threads: any.
 */
#ifndef TJ_LLM_DIALECT_H
#define TJ_LLM_DIALECT_H

#include "llm/ask.h"
#include "text/json.h"
#include "text/json_write.h"

/* What a request may carry that some models refuse, the words by which a 400
 * names it, and what is sent instead. */
#define TJ_FEATURES(X)                                                         \
    X(SCHEMA)       /* structured output: the tool submit_verdict */           \
    X(TOKENS_NAME)  /* max_completion_tokens: max_tokens, or the reverse */    \
    X(CACHE_KEY)    /* prompt_cache_key: nothing */                            \
    X(CACHE_MARK)   /* cache_control: nothing */                               \
    X(STORE)        /* store: nothing */                                       \
    X(ENCRYPTED)    /* include encrypted reasoning: nothing */                 \
    X(TOOL_CHOICE)  /* tool_choice: nothing */                                 \
    X(DEVELOPER)    /* role developer: role system */                          \
    X(TOKENS_COUNT) /* our default of output tokens: a lower one */

enum tj_feature {
#define X(name) TJ_FEATURE_##name,
    TJ_FEATURES(X)
#undef X
        TJ_FEATURE_COUNT,
};

enum tj_quirk {
    TJ_QUIRK_SHORT_IDS = 1 << 0,         /* call ids are 9 alphanumerics */
    TJ_QUIRK_TOOL_NAME = 1 << 1,         /* tool messages carry a name */
    TJ_QUIRK_NO_TOOL_CHOICE = 1 << 2,    /* tool_choice is not known */
    TJ_QUIRK_NO_SCHEMA = 1 << 3,         /* no json_schema */
    TJ_QUIRK_COMPLETION_TOKENS = 1 << 4, /* max_completion_tokens */
    TJ_QUIRK_CACHE_KEY = 1 << 5,         /* prompt_cache_key is known */
    TJ_QUIRK_DEVELOPER = 1 << 6,         /* reasoning models: developer */
    TJ_QUIRK_REASONING_TURNS = 1 << 7,   /* reasoning_content on each turn */
};

enum { TJ_DROPPED_PARAMS_MAX = 16 };

/* Everything a request depends on beside the ask. */
struct tj_wire {
    tj_str model;
    unsigned quirks;
    unsigned dropped;        /* bits 1 << TJ_FEATURE_* */
    const tj_str *no_params; /* members of ask.params that were refused */
    size_t no_param_count;
};

struct tj_dialect {
    const char *name; /* raw_dialect of its replies */
    const char *path; /* behind the provider's base URL */
    /* TJ_E_INPUT when ask.params cannot be merged; TJ_E_LIMIT when the body is
     * too large. */
    bool (*request)(const struct tj_wire *wire, const struct tj_ask *ask,
                    struct tj_buf *out, struct tj_err *err);
    /* body came with a status of 2xx and is an object without "error".  Sets
     * error when it makes no sense (TJ_LLM_BAD_OUTPUT). */
    void (*reply)(const struct tj_wire *wire, tj_str body,
                  const struct tj_json_doc *doc, struct tj_arena *a,
                  struct tj_reply *out);
};

extern const struct tj_dialect tj_dialect_openai_chat;
extern const struct tj_dialect tj_dialect_openai_responses;
extern const struct tj_dialect tj_dialect_anthropic;

/* Any HTTP response to a reply: 2xx by the dialect, all else by what the body
 * says.  Always gives a reply; lives in a (body must, too). */
void tj_wire_reply(const struct tj_dialect *dialect, const struct tj_wire *wire,
                   int status, tj_str body, struct tj_arena *a,
                   struct tj_reply *out);

/* The fault that a reply with an error describes, for retries and memory. */
struct tj_fault {
    tj_str message; /* as the provider wrote it */
    tj_str code;    /* error.code or error.type */
    tj_str type;
    tj_str param;
    int status; /* also one that came inside a 200 */
};
/* False when body holds no error object of any known shape. */
bool tj_fault_find(tj_str body, struct tj_arena *a, struct tj_fault *out);
enum tj_llm_error tj_fault_class(const struct tj_fault *fault);

/* Which feature, or which of ask.params, a refusal names.  False: neither. */
bool tj_fault_feature(const struct tj_fault *fault, enum tj_feature *out);
bool tj_fault_names(const struct tj_fault *fault, tj_str param);

#endif
