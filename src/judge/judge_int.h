/* judge_int.h - the state of one judgment.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to judge/: judge.c is the machine, judge_calls.c runs tools,
 * judge_end.c makes the verdict, transcript.c the trace of the run.
 */
#ifndef TJ_JUDGE_JUDGE_INT_H
#define TJ_JUDGE_JUDGE_INT_H

#include "base/map.h"
#include "judge/answer.h"
#include "judge/budget.h"
#include "judge/context.h"
#include "judge/judge.h"
#include "judge/subject.h"

enum tj_judge_phase {
    TJ_PHASE_READY,   /* the next step is ours */
    TJ_PHASE_WAITING, /* an ask is out */
    TJ_PHASE_DONE,
};

/* One thing that happened, for the transcript; times are mono_ns. */
struct tj_judge_event {
    bool is_tool;
    uint64_t start_ns;
    uint64_t end_ns;
    uint32_t round;
    /* A request: the messages that were new in it, and what came back. */
    struct tj_message *sent;
    size_t sent_count;
    struct tj_message received;
    struct tj_llm_usage usage;
    tj_str model;
    tj_str error; /* name of the error or stop, empty when all went well */
    /* A tool call: */
    tj_str name;
    tj_str id;
    tj_str args;
    tj_str result;
    bool refused;
    bool repeated;
};

/* A call that was made before; found by name and arguments. */
struct tj_known_call {
    tj_str framed;  /* the whole message */
    size_t message; /* where it stands in the context */
    uint32_t round;
    uint32_t call;
};

struct tj_judge {
    const struct tj_judge_def *def;
    struct tj_subject subject;
    struct tj_judge_options options;
    struct tj_arena *a;
    struct tj_values values;
    uint64_t nonce_number;
    tj_str nonce; /* 16 hex digits */
    tj_time start_time;

    enum tj_judge_phase phase;
    struct tj_context context;
    struct tj_budget budget;
    enum tj_stopped_by stopped_by;
    bool last;          /* the last answer was asked for: no more tools */
    bool repaired_form; /* each kind of repair is tried once */
    bool repaired_length;
    bool repaired_quotes;
    uint32_t round;       /* of the ask that is out, or was last */
    uint64_t deadline_ns; /* of the next ask */

    tj_str system;
    tj_str schema;
    tj_str cache_key;
    struct tj_tool_spec *tools;
    size_t tool_count;
    struct tj_tool_env env;
    struct tj_map known; /* struct tj_known_call by name and arguments */
    size_t pending;      /* index of the assistant message whose calls are to
                          * be run, or SIZE_MAX */
    uint32_t call_count; /* numbers of calls, in frames and stubs */

    TJ_VEC(struct tj_judge_event) events;
    size_t logged; /* messages that are in an event */
    struct tj_verdict verdict;
};

uint64_t tj_judge_now(const struct tj_judge *j);

/* judge_calls.c: answers every call of the pending message. */
bool tj_judge_run_calls(struct tj_judge *j, struct tj_err *err) TJ_MUST_USE;

/* judge_end.c: an answer that parsed.  It may ask for a repair instead of
 * ending the run; false when the store failed. */
bool tj_judge_conclude(struct tj_judge *j, const struct tj_reply *reply,
                       struct tj_answer *answer, struct tj_err *err)
    TJ_MUST_USE;
/* Ends the run without a rating. */
void tj_judge_fail(struct tj_judge *j, tj_str code, tj_str message);
/* Counts what a reply cost. */
void tj_judge_book(struct tj_judge *j, const struct tj_reply *reply);

#endif
