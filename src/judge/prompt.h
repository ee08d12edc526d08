/* prompt.h - every text that a judge sends to its model.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     system   role, rules (the same for all judges), criteria, answer format
 *     user     the run's number; overview and values, framed
 *     tool     results, framed
 *     user     only when needed: a budget is reached, an answer is to be
 *              repaired
 *
 *  1. What changes least comes first, for providers' prompt caches.
 *  2. Nothing depends on the time, so the same replies make the same prompts.
 *  3. Text that comes from a trace is framed as data:
 *
 *         <<tool-result 6f1c... name=list_spans call=3>>
 *         ...
 *         <<end 6f1c...>>
 *
 *     The number is random for each run, so a trace cannot write a frame's
 *     end; should it occur in the text after all, it is taken out.
 * Threads: pure functions.
 */
#ifndef TJ_JUDGE_PROMPT_H
#define TJ_JUDGE_PROMPT_H

#include "base/buf.h"
#include "judge/answer.h"
#include "judge/evidence.h"
#include "judge/subject.h"

tj_str tj_prompt_system(const struct tj_judge_def *def,
                        const struct tj_values *values, struct tj_arena *a);

/* overview: the trace in brief; empty in single-call mode. */
tj_str tj_prompt_first(const struct tj_subject *subject,
                       const struct tj_values *values, tj_str overview,
                       tj_str nonce, struct tj_arena *a);

/* head: "tool-result", "overview", ...; more: " name=.. call=.." or empty. */
void tj_prompt_frame(struct tj_buf *out, const char *head, const char *more,
                     tj_str nonce, tj_str text);

tj_str tj_prompt_last(enum tj_stopped_by why, struct tj_arena *a);
tj_str tj_prompt_repair(tj_str why, const struct tj_judge_def *def,
                        struct tj_arena *a);
tj_str tj_prompt_shorter(void);
/* Which quotes failed, and why. */
tj_str tj_prompt_quotes(const struct tj_answer *answer, tj_str nonce,
                        struct tj_arena *a);

#endif
