/* model.h - something that answers asks: the family of models.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     tj_model_open("openai:/gpt-5", &options, loop, &model, err)
 *     tj_model_ask(model, &ask, arena, done, ctx)   ... done(ctx, &reply)
 *     tj_loop_run(loop)
 *
 * Members: HTTP models (one file per wire dialect), builtin:/rules (rules.c),
 * replay:/file.jsonl; wrappers: record, fault, script (tests).
 *  1. done is called exactly once for each ask, on the loop's thread, never
 *     from inside tj_model_ask.
 *  2. The ask is borrowed until done; the reply lives in the arena given.
 *  3. Retries, rate limits and the parameter memory ("this model rejects
 *     temperature") are inside: a reply with an error is final.
 *  4. After tj_model_cancel every open ask is done with TJ_LLM_CANCELLED.
 * Threads: the loop's.
 */
#ifndef TJ_LLM_MODEL_H
#define TJ_LLM_MODEL_H

#include "base/arena.h"
#include "llm/ask.h"

struct tj_loop;
struct tj_model;

typedef void (*tj_reply_fn)(void *ctx, const struct tj_reply *reply);

struct tj_model_ops {
    const char *name;
    /* MUST.  Starts; calls done later from the loop. */
    void (*ask)(struct tj_model *model, const struct tj_ask *ask,
                struct tj_arena *a, tj_reply_fn done, void *ctx);
    /* MAY. */
    void (*cancel)(struct tj_model *model);
    /* MUST. */
    void (*close)(struct tj_model *model);
};

struct tj_model {
    const struct tj_model_ops *ops;
    struct tj_loop *loop;
    tj_str uri;                /* canonical "provider:/model" */
    uint64_t context_tokens;   /* input window; 0: not known */
    double input_usd_per_mtok; /* < 0: not known (prices.c) */
    double cached_usd_per_mtok;
    double output_usd_per_mtok;
    /* For the caller's own use of chance (fence numbers): a recording keeps
     * it, and its replay has the same.  0: none. */
    uint64_t seed;
};

struct tj_model_options {
    tj_str base_url;      /* overrides the provider's */
    tj_str api_key;       /* overrides the environment's */
    tj_str headers;       /* JSON object of extra headers */
    tj_str prices;        /* JSON, see prices.h; else TRACEJUDGE_PRICES */
    tj_str rules;         /* builtin:/rules: the judge file's block, as JSON */
    uint32_t retries_max; /* per ask; default TJ_MODEL_RETRIES */
    uint32_t in_flight_max;               /* per model; 0: default */
    const char *(*env)(const char *name); /* NULL: no environment (tests) */
};

/* Parses and checks the URI ("provider:/model" or "provider/model"), finds the
 * key.  TJ_E_INPUT for a malformed URI or unknown provider, TJ_E_AUTH naming
 * the environment variable when there is no key. */
bool tj_model_open(tj_str uri, const struct tj_model_options *options,
                   struct tj_loop *loop, struct tj_model **out,
                   struct tj_err *err) TJ_MUST_USE;
/* Only the parse: for refusing a judge file early. */
bool tj_model_uri_check(tj_str uri, struct tj_err *err) TJ_MUST_USE;

void tj_model_ask(struct tj_model *model, const struct tj_ask *ask,
                  struct tj_arena *a, tj_reply_fn done, void *ctx);
void tj_model_cancel(struct tj_model *model);
void tj_model_close(struct tj_model *model); /* takes NULL */

/* Runs the loop until this one ask is done; for simple callers and tests. */
void tj_model_ask_wait(struct tj_model *model, const struct tj_ask *ask,
                       struct tj_arena *a, struct tj_reply *out);

/* Wraps inner (takes ownership): each ask and reply is appended to the file at
 * path as one JSON line, with what a judge knows of the model (URI, window,
 * prices, seed), so that a replay asks the same and says the same.
 * replay:/path answers from it and fails (TJ_LLM_REPLAY) at the first ask that
 * differs from all that are left.  On failure inner stays the caller's. */
bool tj_model_record_open(struct tj_model *inner, tj_str path,
                          struct tj_model **out, struct tj_err *err)
    TJ_MUST_USE;

/* Canned replies for tests: each is a JSON line as record writes them. */
bool tj_model_script_open(struct tj_loop *loop, tj_str lines,
                          struct tj_model **out, struct tj_err *err)
    TJ_MUST_USE;

/* Fails ask number `nth` (from 1) with error; takes ownership of inner. */
struct tj_model *tj_model_fault_open(struct tj_model *inner, uint32_t nth,
                                     enum tj_llm_error error);

#endif
