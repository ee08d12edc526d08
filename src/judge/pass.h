/* pass.h - does a value pass?
 * SPDX-License-Identifier: Apache-2.0
 *
 * A judge names the values that pass: any of them equal to the value makes it
 * pass; for numbers a string such as ">= 3" is a comparison.
 * Threads: pure functions.
 */
#ifndef TJ_JUDGE_PASS_H
#define TJ_JUDGE_PASS_H

#include "judge/def.h"
#include "judge/verdict.h"

/* ">= 3", "> 0.5", "<= 2", "< 1". */
bool tj_pass_is_comparison(tj_str text);

/* NULL when the judge does not say what passes. */
enum tj_passed tj_pass_decide(const struct tj_judge_def *def,
                              const struct tj_json *value, struct tj_arena *a);

#endif
