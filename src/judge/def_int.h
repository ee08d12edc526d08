/* def_int.h - what the two readers of definitions share.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to judge/.  Messages here carry no file name: def.c adds it.
 */
#ifndef TJ_JUDGE_DEF_INT_H
#define TJ_JUDGE_DEF_INT_H

#include "judge/def.h"

/* Everything that a source need not say. */
void tj_judge_def_init(struct tj_judge_def *def);

/* v in any of its forms: a type's name, a list of words, or a schema. */
bool tj_judge_def_set_value(struct tj_judge_def *def, const struct tj_json *v,
                            struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;

/* v: one value, a comparison (">= 3") or a list of them. */
bool tj_judge_def_set_pass(struct tj_judge_def *def, const struct tj_json *v,
                           struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;

/* MLflow's checks in MLflow's order and words; fills vars and var_order.
 * *offset is where in the instructions the fault is, SIZE_MAX for the model. */
bool tj_judge_def_check(struct tj_judge_def *def, struct tj_arena *a,
                        size_t *offset, struct tj_err *err) TJ_MUST_USE;

/* MLflow's SerializedScorer. */
bool tj_judge_def_parse_mlflow(tj_str source, struct tj_arena *a,
                               struct tj_judge_def *def, struct tj_err *err)
    TJ_MUST_USE;

#endif
