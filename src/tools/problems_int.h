/* problems_int.h - what the searches for problems share.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to src/tools.
 */
#ifndef TJ_TOOLS_PROBLEMS_INT_H
#define TJ_TOOLS_PROBLEMS_INT_H

#include "base/map.h"
#include "tools/problems.h"
#include "tools/timing.h"

struct finder {
    struct tj_trace *trace;
    struct tj_problem_options options;
    struct tj_arena *arena;
    struct tj_timing timing;
    uint64_t wall_ns;
    size_t *subtree_end; /* the spans of i's subtree are [i, subtree_end[i]) */
    tj_problems *out;
};

/* Spans that have something in common, in tree order. */
struct group {
    TJ_VEC(size_t) spans;
    uint64_t ns; /* what the grouping summed up */
};
struct groups {
    struct tj_arena *arena;
    struct tj_map by_key;
    TJ_VEC(struct group) list;
};
void tj_groups_init(struct groups *g, struct tj_arena *a);
/* key must live as long as g.  The group is good until the next add. */
struct group *tj_groups_add(struct groups *g, tj_str key, size_t span);

/* "LLM 'chat'": what a title calls a group of spans. */
tj_str tj_problem_subject(const struct finder *f, const struct group *g);
/* Same kind and same name but for an index. */
tj_str tj_problem_stem_key(const struct finder *f, size_t span);

struct tj_problem *tj_problem_add(struct finder *f, enum tj_problem_code code,
                                  enum tj_severity severity, uint64_t weight);
void tj_problem_add_span(struct finder *f, struct tj_problem *p, size_t span);
void tj_problem_add_spans(struct finder *f, struct tj_problem *p,
                          const struct group *g);
/* quote must be a part of the field's text; it is clipped. */
void tj_problem_prove(struct finder *f, struct tj_problem *p, size_t span,
                      tj_str field, tj_str quote);
void tj_problem_prove_names(struct finder *f, struct tj_problem *p,
                            const struct group *g);
tj_str tj_problem_duration(const struct finder *f, uint64_t ns);
unsigned tj_percent(uint64_t part, uint64_t whole);

/* One search each. */
bool tj_find_errors(struct finder *f, struct tj_err *err) TJ_MUST_USE;
bool tj_find_error_results(struct finder *f, struct tj_err *err) TJ_MUST_USE;
void tj_find_slow(struct finder *f);
bool tj_find_sequential(struct finder *f, struct tj_err *err) TJ_MUST_USE;
bool tj_find_repeated(struct finder *f, struct tj_err *err) TJ_MUST_USE;
bool tj_find_empty(struct finder *f, struct tj_err *err) TJ_MUST_USE;
bool tj_find_hot_spots(struct finder *f, struct tj_err *err) TJ_MUST_USE;
void tj_find_broken(struct finder *f);

#endif
