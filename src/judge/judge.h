/* judge.h - the agent that judges one trace: a state machine without I/O.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     tj_judge_new(def, subject, ...)        refuses early, as MLflow does
 *     while ((step = tj_judge_next(j, &ask, err)) == TJ_STEP_ASK) {
 *         ... ask a model, by any means ...
 *         tj_judge_answer(j, &reply, err);
 *     }
 *     tj_judge_verdict(j)                    the finished judgment
 *
 * next() runs the tools the model asked for, keeps the transcript, watches the
 * budgets; answer() takes one reply.  So one thread drives thousands of
 * judges, a test drives one with canned replies and a replay from a file.
 *  1. Every run ends with a verdict; a failure of any kind is a verdict with
 *     state ERROR and a code, never a score.
 *  2. At a budget the model is asked once more, without tools, to answer with
 *     what it has.
 *  3. Every quote is looked up in the field it names; what is not found byte
 *     for byte does not count.
 * Threads: one at a time.
 */
#ifndef TJ_JUDGE_JUDGE_H
#define TJ_JUDGE_JUDGE_H

#include "judge/def.h"
#include "judge/verdict.h"
#include "llm/ask.h"
#include "tools/tool.h"

struct tj_judge;

enum tj_judge_step {
    TJ_JUDGE_FAILED = -1, /* we failed (the store broke): see err */
    TJ_JUDGE_DONE = 0,
    TJ_JUDGE_ASK = 1,
};

/* What is judged: a trace, or values without one.  Empty values are resolved
 * from the trace where the template needs them (MLflow's rules). */
struct tj_subject {
    struct tj_trace *trace; /* NULL: single-call mode only */
    tj_str inputs;          /* JSON text; empty: not given */
    tj_str outputs;
    tj_str expectations;
};

/* Watches a run, for --debug and the transcript.  All may be NULL. */
struct tj_judge_watch {
    void (*asked)(void *ctx, const struct tj_ask *ask, uint32_t round);
    void (*replied)(void *ctx, const struct tj_reply *reply, uint32_t round);
    void (*tool_ran)(void *ctx, const struct tj_call *call,
                     const struct tj_tool_reply *reply, bool repeated,
                     uint64_t duration_ns);
    void *ctx;
};

struct tj_judge_options {
    tj_str model_uri;        /* what the verdict names; the def's unless set */
    uint64_t context_tokens; /* the model's window; 0: not known */
    double input_usd_per_mtok; /* < 0: not known */
    double cached_usd_per_mtok;
    double output_usd_per_mtok;
    struct tj_judge_watch watch;
    bool allow_judge_traces; /* loop guard off */
    uint64_t nonce;          /* 0: random; set for reproducible prompts */
    uint64_t (*mono_ns)(void *ctx); /* NULL: tj_mono_ns; for tests */
    void *mono_ctx;
};

/* The case arena a holds the run.  TJ_E_INPUT with MLflow's message for a
 * definition or subject that cannot be judged. */
bool tj_judge_new(const struct tj_judge_def *def,
                  const struct tj_subject *subject,
                  const struct tj_judge_options *options, struct tj_arena *a,
                  struct tj_judge **out, struct tj_err *err) TJ_MUST_USE;

/* The number in this run's frames: with it as options.nonce, and the same
 * replies, a later run sends the same bytes (replay). */
uint64_t tj_judge_nonce(const struct tj_judge *j);

enum tj_judge_step tj_judge_next(struct tj_judge *j, struct tj_ask *out,
                                 struct tj_err *err) TJ_MUST_USE;
bool tj_judge_answer(struct tj_judge *j, const struct tj_reply *reply,
                     struct tj_err *err) TJ_MUST_USE;
/* Ends the run now: the next tj_judge_next is DONE, state error/cancelled. */
void tj_judge_cancel(struct tj_judge *j);

/* Only when done; lives in the case arena. */
const struct tj_verdict *tj_judge_verdict(const struct tj_judge *j);

/* The run as a trace (AGENT, LLM and TOOL spans, gen_ai attributes, tagged
 * TJ_TAG_SOURCE_SCORER), ready for tj_store_add_batch. */
void tj_judge_transcript(const struct tj_judge *j, struct tj_arena *a,
                         struct tj_batch *out);

#endif
