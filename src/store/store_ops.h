/* store_ops.h - what a backend does, and what it may rely on.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A backend is a const table of functions and a struct that begins with
 * struct tj_store.  Callers never come here: they use store.h, whose functions
 * check, then call these.  A backend may rely on that:
 *  1. ids are not all zero, names and sizes are within limits.h, ranges are
 *     clamped to the field, row_max is in 1..TJ_SEARCH_ROWS_MAX;
 *  2. outputs are zeroed before the call, and dropped when it fails.
 * And it promises:
 *  3. every slot is filled (all are MUST but those that say MAY) and may be
 *     called from any thread;
 *  4. `st` is how it finds itself: trace->store may be a wrapper around it;
 *  5. what it opened stays readable while others write, but for a trace that
 *     was deleted: then TJ_E_BACKEND says so.
 */
#ifndef TJ_STORE_STORE_OPS_H
#define TJ_STORE_STORE_OPS_H

#include "store/store.h"
#include "store/store_records.h"

/* Which traces a scan is about, and where it goes on: behind this place.  The
 * order is newest first, and of equal times the smaller id first. */
struct tj_scan_memo;
struct tj_scan {
    tj_time time; /* UINT64_MAX: from the newest */
    tj_trace_id id;
    size_t row_max;
    bool with_judge_traces;
    const uint64_t *experiments;
    size_t experiment_count; /* 0: of all */
    /* A backend may leave out what does not match, and says of which rows it
     * is sure that they do; or leave all of that to the caller. */
    const struct tj_filter *filter; /* NULL: all */
    /* It may also give what these look at in place of whole infos. */
    const struct tj_order *order;
    size_t order_count;
    struct tj_scan_memo *memo;
};

/* What a backend found out once and needs when the scan goes on: empty at
 * first, and the same for all of its pages. */
struct tj_scan_memo {
    struct tj_arena arena;
    void *known;
};

/* What an order looks at: a number, a text, or none.  Times are in ns. */
struct tj_order_value {
    bool present;
    bool is_text;
    uint64_t number;
    tj_str text;
};

/* time is what the backend sorts by: the request time, as far as it was known
 * when the trace was last written. */
struct tj_scan_row {
    tj_time time;
    bool sure;                     /* it matches the scan's filter */
    struct tj_order_value *values; /* of the scan's order; then info has only
                                    * its trace_id.  NULL: info has all */
    struct tj_trace_info info;
};

struct tj_scan_page {
    struct tj_scan_row *rows;
    size_t count; /* < row_max: there are no more */
};

#define TJ_SESSION_KEY "mlflow.trace.session"

struct tj_field_range {
    size_t span;
    size_t field;
    uint64_t offset;
    uint64_t len;
};

struct tj_assessments {
    struct tj_assessment *items;
    size_t count;
};

struct tj_trace_ids {
    const tj_trace_id *items;
    size_t count;
};

struct tj_judge_rows {
    struct tj_judge_row *items;
    size_t count;
};

/* An edit and all that it needs.  found is set by the backend. */
struct tj_assessment_change {
    tj_trace_id trace_id;
    tj_str id;
    tj_assessment_edit edit;
    void *ctx;
    struct tj_arena *a;
    bool found;
};
struct tj_experiment_change {
    uint64_t id;
    tj_experiment_edit edit;
    void *ctx;
    struct tj_arena *a;
    bool found;
};
struct tj_record_change {
    enum tj_record_kind kind;
    tj_str id;
    tj_time now; /* of one that is made */
    tj_record_edit edit;
    void *ctx;
    struct tj_arena *a;
};
/* In their order, all or none. */
struct tj_record_changes {
    const struct tj_record_change *items;
    size_t count;
};

struct tj_experiments {
    struct tj_experiment *items;
    size_t count;
};

/* A page of records: those behind (time, row). */
struct tj_record_scan {
    const struct tj_record_query *query;
    tj_time time;
    uint64_t row;
};
struct tj_records {
    struct tj_record *items;
    size_t count; /* < row_max: there are no more */
};

struct tj_store_ops {
    const char *name;
    bool mlflow_judges; /* judges are kept as MLflow's serialised scorers */
    void (*close)(struct tj_store *st);

    bool (*add_batch)(struct tj_store *st, const struct tj_batch *batch,
                      struct tj_err *err);
    bool (*quiesce)(struct tj_store *st, struct tj_err *err);

    /* Fills all but out->store and out->arena; absent: span_count 0 and
     * *found false.  A trace may be there without spans. */
    bool (*open_trace)(struct tj_store *st, tj_trace_id id,
                       struct tj_trace *out, bool *found, struct tj_err *err);
    bool (*load_fields)(struct tj_store *st, struct tj_trace *trace,
                        size_t span, struct tj_err *err);
    bool (*read_field)(struct tj_store *st, struct tj_trace *trace,
                       const struct tj_field_range *range, tj_str *out,
                       struct tj_err *err);

    bool (*find_info)(struct tj_store *st, tj_trace_id id, struct tj_arena *a,
                      struct tj_trace_info *out, bool *found,
                      struct tj_err *err);
    bool (*scan)(struct tj_store *st, const struct tj_scan *scan,
                 struct tj_arena *a, struct tj_scan_page *out,
                 struct tj_err *err);
    /* MAY: a whole search, by a backend that has an engine of its own to ask.
     * *able false: not this one, and the front does it with scan. */
    bool (*search)(struct tj_store *st, const struct tj_trace_query *query,
                   struct tj_arena *a, struct tj_trace_page *out, bool *able,
                   struct tj_err *err);
    /* How many there are, from wherever the scan would go on; UINT64_MAX: that
     * is not known. */
    bool (*count)(struct tj_store *st, const struct tj_scan *scan,
                  uint64_t *out, struct tj_err *err);
    /* The first id in [low, high] and how many there are. */
    bool (*resolve)(struct tj_store *st, const tj_trace_id range[2],
                    tj_trace_id *out, size_t *count, struct tj_err *err);

    /* The trace that came into the store last, those of judges left aside. */
    bool (*newest)(struct tj_store *st, tj_trace_id *out, bool *found,
                   struct tj_err *err);

    /* An empty value with ptr NULL takes the tag away. */
    bool (*set_tag)(struct tj_store *st, tj_trace_id id, tj_str key,
                    tj_str value, struct tj_err *err);
    bool (*delete_trace)(struct tj_store *st, tj_trace_id id, bool *existed,
                         struct tj_err *err);
    bool (*delete_traces)(struct tj_store *st,
                          const struct tj_trace_doomed *doomed,
                          uint64_t *deleted, struct tj_err *err);
    bool (*link_traces)(struct tj_store *st, const struct tj_trace_ids *ids,
                        tj_str run_id, size_t *linked, struct tj_err *err);

    /* as has id, times and a trace id; on a known key as->id becomes the id
     * that is there. */
    bool (*add_assessment)(struct tj_store *st, struct tj_assessment *as,
                           struct tj_arena *a, struct tj_err *err);
    bool (*assessments)(struct tj_store *st, tj_trace_id id, struct tj_arena *a,
                        struct tj_assessments *out, struct tj_err *err);
    /* Those of other traces that speak for the whole session that this trace
     * is in: valid, of its experiment, TJ_SESSION_KEY in their metadata. */
    bool (*session_assessments)(struct tj_store *st,
                                const struct tj_trace_info *info,
                                struct tj_arena *a, struct tj_assessments *out,
                                struct tj_err *err);
    bool (*delete_assessment)(struct tj_store *st, tj_trace_id id,
                              tj_str assessment_id, bool *existed,
                              struct tj_err *err);
    /* Edits run inside of the backend's transaction; none calls it back. */
    bool (*edit_assessment)(struct tj_store *st,
                            struct tj_assessment_change *change,
                            struct tj_err *err);

    /* in has name, digest, source and time; out also the version. */
    bool (*add_judge)(struct tj_store *st, const struct tj_judge_row *in,
                      struct tj_arena *a, struct tj_judge_row *out,
                      struct tj_err *err);
    bool (*find_judge)(struct tj_store *st, tj_str name, uint32_t version,
                       struct tj_arena *a, struct tj_judge_row *out,
                       struct tj_err *err);
    bool (*judges)(struct tj_store *st, struct tj_arena *a,
                   struct tj_judge_rows *out, struct tj_err *err);

    /* in has all but id; one with its name: fresh false, and that one. */
    bool (*add_experiment)(struct tj_store *st, const struct tj_experiment *in,
                           struct tj_arena *a, struct tj_experiment *out,
                           bool *fresh, struct tj_err *err);
    bool (*find_experiment)(struct tj_store *st, uint64_t id,
                            struct tj_arena *a, struct tj_experiment *out,
                            bool *found, struct tj_err *err);
    bool (*find_experiment_named)(struct tj_store *st, tj_str name,
                                  struct tj_arena *a, struct tj_experiment *out,
                                  bool *found, struct tj_err *err);
    bool (*experiments)(struct tj_store *st, struct tj_arena *a,
                        struct tj_experiments *out, struct tj_err *err);
    bool (*edit_experiment)(struct tj_store *st,
                            struct tj_experiment_change *change,
                            struct tj_err *err);

    bool (*find_record)(struct tj_store *st, const struct tj_record *key,
                        struct tj_arena *a, struct tj_record *out, bool *found,
                        struct tj_err *err);
    bool (*edit_records)(struct tj_store *st,
                         const struct tj_record_changes *changes,
                         struct tj_err *err);
    bool (*records)(struct tj_store *st, const struct tj_record_scan *scan,
                    struct tj_arena *a, struct tj_records *out,
                    struct tj_err *err);
    bool (*delete_records)(struct tj_store *st, enum tj_record_kind kind,
                           tj_str parent, uint64_t *deleted,
                           struct tj_err *err);

    bool (*stats)(struct tj_store *st, struct tj_store_stats *out,
                  struct tj_err *err);
    bool (*keeps_traces)(struct tj_store *st); /* MAY: it does */
    /* MAY: there is nothing to say. */
    bool (*describe)(struct tj_store *st, struct tj_arena *a, tj_str *out,
                     struct tj_err *err);
};

struct tj_store {
    const struct tj_store_ops *ops;
};

/* The members of the family.  path and options as for tj_store_open. */
struct tj_store *tj_store_memory_new(void);
bool tj_store_sqlite_open(tj_str path, const struct tj_store_options *options,
                          struct tj_store **out, struct tj_err *err)
    TJ_MUST_USE;

/* url: "mlflow+http://..." or "mlflow+https://...". */
bool tj_store_mlflow_open(tj_str url, const struct tj_store_options *options,
                          struct tj_store **out, struct tj_err *err)
    TJ_MUST_USE;

#endif
