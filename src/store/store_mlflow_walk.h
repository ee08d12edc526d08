/* store_mlflow_walk.h - one question to an MLflow server, page after page.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to store_mlflow_walk.c and store_mlflow_search.c.
 * Threads: one at a time.
 */
#ifndef TJ_STORE_STORE_MLFLOW_WALK_H
#define TJ_STORE_STORE_MLFLOW_WALK_H

#include "store/filter_eval.h"
#include "store/store_mlflow_int.h"

/* A walk through the matches of one question. */
struct tj_mlflow_walk {
    struct tj_mlflow *m;
    struct tj_store *st; /* for the filter: may be a wrapper */
    tj_mlflow_places places;
    tj_str filter;
    tj_str order;                      /* empty: newest first */
    size_t row_max;                    /* of the next page */
    const struct tj_filter_eval *eval; /* borrowed; NULL: all match */
    bool with_judge_traces;
    tj_time time; /* behind this place, when the order is by time */
    tj_trace_id id;
    uint64_t bound_ms;   /* asked for up to here; UINT64_MAX: no bound */
    uint64_t at_ms;      /* of the last row; UINT64_MAX: before the first */
    struct tj_map seen;  /* ids of the rows of at_ms */
    struct tj_arena ids; /* of seen */
    size_t page_count;
    size_t new_count;   /* rows of the page at hand that were not seen before */
    size_t stuck_count; /* pages up to this one that had none */
    uint64_t writes;    /* there had been when the page was asked for */
    tj_str token;       /* the server's, of the page at hand */
    tj_str next_token;  /* and of the one behind it */
    struct tj_arena arena; /* of one page */
    struct tj_arena scratch;
    const struct tj_json *rows;
    const struct tj_json *at; /* the next of rows */
    struct tj_batch batch;    /* of the row at hand, for its assessments */
    size_t taken;             /* of this page, so far */
    bool ended;
};

/* Behind *place; w is zero but for what a caller chose (m to
 * with_judge_traces). */
void tj_mlflow_walk_start(struct tj_mlflow_walk *w, tj_time time,
                          tj_trace_id id);
void tj_mlflow_walk_release(struct tj_mlflow_walk *w);
/* The next match.  *out lives until a call that asks for a page. */
enum tj_step tj_mlflow_walk_next(struct tj_mlflow_walk *w,
                                 struct tj_trace_info *out, struct tj_err *err);
/* Asks for the page behind the one at hand, now. */
bool tj_mlflow_walk_page(struct tj_mlflow_walk *w, struct tj_err *err)
    TJ_MUST_USE;

/* The experiments with these ids; count 0: those that the store is about. */
bool tj_mlflow_choose(struct tj_mlflow *m, const uint64_t *experiments,
                      size_t count, struct tj_arena *a, tj_mlflow_places *out,
                      struct tj_err *err) TJ_MUST_USE;

#endif
