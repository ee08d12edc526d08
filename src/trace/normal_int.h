/* normal_int.h - one span being normalised; private to normal*.c.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TRACE_NORMAL_INT_H
#define TJ_TRACE_NORMAL_INT_H

#include "base/arena.h"
#include "trace/normal_rules.h"

struct tj_normal_run {
    struct tj_span *span;
    struct tj_arena *arena;  /* the batch's */
    struct tj_arena scratch; /* for this span */
    int16_t at[TJ_RULES_MAX];
    const struct tj_rule *used[TJ_NORMAL_COUNT];
};

/* Points the rules for gen_ai message events at the first such event. */
void tj_normal_find_events(struct tj_normal_run *run);
/* Adds the field input or output from `field` by the rule; false when that
 * gives nothing. */
bool tj_normal_value(struct tj_normal_run *run, const struct tj_rule *rule,
                     size_t field);
/* Adds the field error and sets the status that attributes tell. */
void tj_normal_error(struct tj_normal_run *run);

#endif
