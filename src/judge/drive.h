/* drive.h - runs judges against models on a loop, and stores what they say.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The I/O around the state machine of judge.h: asks go to a model, replies
 * come back, the finished verdict and its transcript go to the store.
 *  1. One judge, version and model has one assessment on a trace: judging
 *     again replaces it (same key), and a failure never takes the place of a
 *     rating.  A cancelled judgment is not stored.
 *  2. A subject that cannot be judged (no such trace, a missing value, a trace
 *     that a judge made) comes back with err TJ_E_INPUT and is not stored.
 *  3. tj_drive_close is for when the loop has run empty.
 * Threads: the loop's.
 */
#ifndef TJ_JUDGE_DRIVE_H
#define TJ_JUDGE_DRIVE_H

#include "judge/judge.h"
#include "llm/model.h"

struct tj_drive;

/* Called once for each judgment that began, in order of completion.  verdict is
 * never NULL and lives until the call returns.  err is not NULL when there is
 * no judgment (2) or it could not be stored. */
typedef void (*tj_verdict_fn)(void *ctx, const struct tj_verdict *verdict,
                              const struct tj_err *err);

struct tj_drive_options {
    struct tj_store *store; /* of the traces, and for what is kept */
    uint32_t in_flight_max; /* judgments at once; 0: 8 */
    bool keep_transcript;   /* store the run as a trace */
    bool keep_verdict;      /* store the assessment */
    struct tj_judge_options judge;
};

bool tj_drive_open(struct tj_loop *loop, const struct tj_drive_options *options,
                   tj_verdict_fn done, void *ctx, struct tj_drive **out,
                   struct tj_err *err) TJ_MUST_USE;
/* Queues one judgment; def and model are borrowed until it is done.  The trace
 * is opened when its turn comes. */
void tj_drive_add(struct tj_drive *d, const struct tj_judge_def *def,
                  struct tj_model *model, tj_trace_id trace);
/* What is under way ends as cancelled; the rest is not started. */
void tj_drive_cancel(struct tj_drive *d);
void tj_drive_close(struct tj_drive *d);

#endif
