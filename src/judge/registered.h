/* registered.h - judges by name: files that were added, and MLflow's scorers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A judge file is added to the whole store (tj_store_add_judge).  A scorer is
 * registered by a client of MLflow in one experiment; each of its versions is
 * a TJ_RECORD_SCORER:
 *
 *     id      <scorer id>/<version>, and a scorer's id is made of experiment
 *             and name
 *     parent  the experiment's id in digits
 *     name    the scorer's
 *     body    MLflow's serialised scorer, byte for byte as it came
 *
 * Scorers made of instructions can judge; so they are found and listed here
 * beside the files.
 *  1. A file goes before scorers of its name.
 *  2. A name that scorers of several experiments have is written
 *     "<experiment>/<name>".
 *  3. A scorer that was made of a judge file has that file in it
 *     ("tracejudge_source"), and is that file here.
 *  4. A store that is an MLflow server itself has scorers as its judges
 *     already.
 * Threads: any.
 */
#ifndef TJ_JUDGE_REGISTERED_H
#define TJ_JUDGE_REGISTERED_H

#include "store/store_records.h"

struct tj_scorer {
    tj_str id;
    tj_str name;
    uint64_t experiment_id;
    uint32_t version; /* 1, 2, ... */
    tj_str source;
    tj_time create_time;
};
struct tj_scorers {
    struct tj_scorer *items;
    size_t count;
};

/* UUID of a scorer, and of one version's record. */
tj_str tj_scorer_id(struct tj_arena *a, uint64_t experiment_id, tj_str name);
tj_str tj_scorer_record_id(struct tj_arena *a, tj_str scorer_id,
                           uint32_t version);

enum { TJ_SCORERS_EVERYWHERE = -1 };
/* All versions, by (experiment, name, version).  name with ptr NULL: any. */
bool tj_scorers_find(struct tj_store *st, int64_t experiment_id, tj_str name,
                     struct tj_arena *a, struct tj_scorers *out,
                     struct tj_err *err) TJ_MUST_USE;
/* Is items[i] the latest version of its scorer? */
bool tj_scorer_is_latest(const struct tj_scorers *scorers, size_t i);

/* As tj_store_find_judge and tj_store_judges, and the scorers too. */
bool tj_registered_find(struct tj_store *st, tj_str name, uint32_t version,
                        struct tj_arena *a, struct tj_judge_row *out,
                        struct tj_err *err) TJ_MUST_USE;
bool tj_registered_list(struct tj_store *st, struct tj_arena *a,
                        struct tj_judge_row **out, size_t *count,
                        struct tj_err *err) TJ_MUST_USE;

#endif
