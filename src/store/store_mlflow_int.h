/* store_mlflow_int.h - what the files of the MLflow backend share.
 * SPDX-License-Identifier: Apache-2.0
 *
 * store_mlflow.c tells the story.  The files by idea: _url (where, and as
 * whom), _call (one request and its retries), _place (experiments), _filter
 * (what the server can be asked), _search, _read, _label (assessments), _judge
 * (registered scorers), _write.
 * Threads: any; `lock` guards what is marked.
 */
#ifndef TJ_STORE_STORE_MLFLOW_INT_H
#define TJ_STORE_STORE_MLFLOW_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "base/vec.h"
#include "store/store_ops.h"
#include "text/json.h"
#include "text/json_write.h"

struct tj_mlflow_lane; /* a loop and an HTTP client: one request at a time */

struct tj_mlflow_place {
    tj_str id; /* decimal digits */
    tj_str name;
};
typedef TJ_VEC(struct tj_mlflow_place) tj_mlflow_places;

/* What the newest page of a search said of the assessments of its traces, for
 * the filter that looks at them right after; and those of whole sessions. */
struct tj_mlflow_session {
    tj_str name;
    uint64_t experiment_id;
    struct tj_assessments assessments;
};
struct tj_mlflow_memo {
    struct tj_arena arena;
    uint64_t until_ns; /* monotonic; 0: nothing is kept */
    TJ_VEC(struct tj_assessment) assessments;
    TJ_VEC(tj_trace_id) ids;
    TJ_VEC(struct tj_mlflow_session) sessions;
    uint64_t writes; /* that began or ended since the store was opened */
};

/* Of a trace that some answer showed. */
struct tj_mlflow_seen {
    tj_str experiment; /* its id */
    uint64_t ns;       /* monotonic: when, the last time */
};

/* What a search has just read of the trace that its filter looks at. */
struct tj_mlflow_hand {
    struct tj_mlflow_hand *next;
    pthread_t thread; /* that searches */
    const struct tj_trace_info *info;
};

struct tj_mlflow {
    struct tj_store front; /* first */
    struct tj_arena arena; /* of the members up to lock */
    tj_str base;           /* "http://host:5000/prefix" */
    tj_str authorization;  /* a header's value; empty: none */
    tj_str ca_file;
    tj_str wanted_name; /* the experiment asked for: by name, */
    tj_str wanted_id;   /* or by id, or neither: all of them */
    bool read_only;
    uint64_t timeout_ms;
    uint64_t retry_ms;
    atomic_bool reached;       /* some answer came from there */
    atomic_bool no_spans;      /* it keeps none that come over OTLP */
    atomic_bool version_asked; /* whether it does */
    pthread_mutex_t lock;      /* guards what follows */
    struct tj_mlflow_lane *idle;
    struct tj_arena places_arena;
    tj_mlflow_places places; /* active experiments, as of places_ns */
    uint64_t places_ns;      /* 0: not asked for yet */
    struct tj_arena names_arena;
    struct tj_map odd_ids; /* trace id bytes -> tj_str, as the server has it */
    struct tj_mlflow_memo memo;
    struct tj_mlflow_hand *hands;
    struct tj_arena seen_arena;
    struct tj_map seen; /* trace id bytes -> struct tj_mlflow_seen */
};
struct tj_mlflow *tj_mlflow_self(struct tj_store *st);

/* -- store_mlflow_url.c ---------------------------------------------------- */

/* Fills base, authorization, ca_file and what was asked for.  TJ_E_INPUT never
 * shows the URL. */
bool tj_mlflow_parse_url(tj_str url, const struct tj_store_remote *remote,
                         struct tj_mlflow *out, struct tj_err *err) TJ_MUST_USE;
/* text with everything but letters, digits, "-", "_", "." and "~" escaped. */
tj_str tj_mlflow_escape(struct tj_arena *a, tj_str text);

/* -- store_mlflow_call.c --------------------------------------------------- */

enum tj_mlflow_body { TJ_MLFLOW_JSON, TJ_MLFLOW_BYTES };

struct tj_mlflow_request {
    const char *method;
    tj_str path; /* behind the base, with its query */
    tj_str body;
    const char *content_type; /* NULL: application/json */
    tj_str experiment_id;     /* a header of OTLP; empty: none */
    size_t bytes_max;         /* of the answer; 0: TJ_MLFLOW_REPLY_BYTES_MAX */
    enum tj_mlflow_body form; /* of the answer */
    bool once;                /* repeating it would do it twice */
    uint32_t attempt;         /* the caller's own count, for the wait */
};

struct tj_mlflow_reply {
    tj_str body;                /* in a */
    const struct tj_json *root; /* of a JSON answer */
    bool repaired;              /* some of its text was not valid */
    bool absent;   /* what was asked for is not there: MLflow says so */
    bool no_route; /* the server does not know such a request */
};

/* True when the server did as it was asked, and when it said that the thing or
 * the request is not there.  TJ_E_UNCERTAIN: sent `once`, and what became of
 * it is not known; the wait before another try is over then.  TJ_E_INPUT: the
 * server refuses this request (400), TJ_E_AUTH, TJ_E_NETWORK, TJ_E_BUSY,
 * TJ_E_BACKEND (its own failure, or no sense). */
bool tj_mlflow_call(struct tj_mlflow *m, const struct tj_mlflow_request *r,
                    struct tj_arena *a, struct tj_mlflow_reply *out,
                    struct tj_err *err) TJ_MUST_USE;
/* The same, and what is not there is TJ_E_BACKEND. */
bool tj_mlflow_ask(struct tj_mlflow *m, const struct tj_mlflow_request *r,
                   struct tj_arena *a, const struct tj_json **root,
                   struct tj_err *err) TJ_MUST_USE;
bool tj_mlflow_may_write(const struct tj_mlflow *m, struct tj_err *err)
    TJ_MUST_USE;
/* "3.17.2", from the server. */
bool tj_mlflow_version(struct tj_mlflow *m, struct tj_arena *a, tj_str *out,
                       struct tj_err *err) TJ_MUST_USE;
void tj_mlflow_close_lanes(struct tj_mlflow *m);

/* -- store_mlflow_place.c -------------------------------------------------- */

/* The experiments that this store is about. */
bool tj_mlflow_find_places(struct tj_mlflow *m, struct tj_arena *a,
                           tj_mlflow_places *out, struct tj_err *err)
    TJ_MUST_USE;
/* By id; asks the server for one that is not known yet. */
tj_str tj_mlflow_place_name(struct tj_mlflow *m, tj_str id, struct tj_arena *a);
bool tj_mlflow_place_named(struct tj_mlflow *m, tj_str name, struct tj_arena *a,
                           struct tj_mlflow_place *out, bool *found,
                           struct tj_err *err) TJ_MUST_USE;

bool tj_mlflow_add_experiment(struct tj_store *st,
                              const struct tj_experiment *in,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *fresh, struct tj_err *err);
bool tj_mlflow_find_experiment(struct tj_store *st, uint64_t id,
                               struct tj_arena *a, struct tj_experiment *out,
                               bool *found, struct tj_err *err);
bool tj_mlflow_find_experiment_named(struct tj_store *st, tj_str name,
                                     struct tj_arena *a,
                                     struct tj_experiment *out, bool *found,
                                     struct tj_err *err);
bool tj_mlflow_experiments(struct tj_store *st, struct tj_arena *a,
                           struct tj_experiments *out, struct tj_err *err);

/* -- store_mlflow_filter.c ------------------------------------------------- */

/* What of a filter the server is asked, in its language. */
struct tj_mlflow_asked {
    tj_str text;  /* clauses joined by AND; empty: nothing */
    tj_str spans; /* those about spans, likewise */
    tj_str order; /* as it is asked for; empty: newest first */
    /* What has to be looked at here; NULL: nothing.  Clauses that only the
     * server can answer (runs, prompts, issues) are left out. */
    const struct tj_filter *rest;
};
struct tj_mlflow_asked tj_mlflow_ask_filter(const struct tj_filter *filter,
                                            struct tj_arena *a);
/* No more than what cannot be looked at here. */
struct tj_mlflow_asked tj_mlflow_ask_hidden(const struct tj_filter *filter,
                                            struct tj_arena *a);
/* Does it look at what only the server sees and no reply shows: the runs that
 * a trace was linked to, issues? */
bool tj_mlflow_is_hidden(const struct tj_filter *filter);
/* "execution_time_ms DESC"; empty: the server does not sort by this. */
tj_str tj_mlflow_ask_order(const struct tj_order *order, struct tj_arena *a);

/* -- store_mlflow_read.c --------------------------------------------------- */

/* How the server writes this id. */
tj_str tj_mlflow_id_text(struct tj_mlflow *m, tj_trace_id id,
                         struct tj_arena *a);
/* Notes a trace id that is not written as "tr-" and 32 digits. */
void tj_mlflow_note_id(struct tj_mlflow *m, tj_trace_id id, tj_str text);
/* Is it known without asking that this trace is there?  Its experiment's id. */
bool tj_mlflow_saw(struct tj_mlflow *m, tj_trace_id id, struct tj_arena *a,
                   tj_str *experiment, uint64_t *age_ns);
/* When traces are deleted. */
void tj_mlflow_unsee(struct tj_mlflow *m);
/* Between them this thread opens the trace without asking for its info. */
void tj_mlflow_hold(struct tj_mlflow *m, struct tj_mlflow_hand *hand);
void tj_mlflow_drop(struct tj_mlflow *m, struct tj_mlflow_hand *hand);
/* One TraceInfoV3 into batch, and what is known without spans. */
bool tj_mlflow_take_info(struct tj_mlflow *m, const struct tj_json *v,
                         struct tj_batch *batch, struct tj_trace_info *out,
                         struct tj_err *err) TJ_MUST_USE;
/* The same of a trace that was asked for: of no other. */
bool tj_mlflow_take_asked(struct tj_mlflow *m, tj_trace_id id,
                          const struct tj_json *v, struct tj_batch *batch,
                          struct tj_trace_info *out, struct tj_err *err)
    TJ_MUST_USE;
/* The JSON of a trace's info; NULL: there is no such trace. */
bool tj_mlflow_read_info(struct tj_mlflow *m, tj_trace_id id,
                         struct tj_arena *a, const struct tj_json **out,
                         struct tj_err *err) TJ_MUST_USE;

bool tj_mlflow_find_info(struct tj_store *st, tj_trace_id id,
                         struct tj_arena *a, struct tj_trace_info *out,
                         bool *found, struct tj_err *err);
bool tj_mlflow_open_trace(struct tj_store *st, tj_trace_id id,
                          struct tj_trace *out, bool *found,
                          struct tj_err *err);

/* -- store_mlflow_search.c ------------------------------------------------- */

bool tj_mlflow_search(struct tj_store *st, const struct tj_trace_query *query,
                      struct tj_arena *a, struct tj_trace_page *out, bool *able,
                      struct tj_err *err);
bool tj_mlflow_scan(struct tj_store *st, const struct tj_scan *scan,
                    struct tj_arena *a, struct tj_scan_page *out,
                    struct tj_err *err);
bool tj_mlflow_resolve(struct tj_store *st, const tj_trace_id range[2],
                       tj_trace_id *out, size_t *count, struct tj_err *err);
bool tj_mlflow_session_assessments(struct tj_store *st,
                                   const struct tj_trace_info *info,
                                   struct tj_arena *a,
                                   struct tj_assessments *out,
                                   struct tj_err *err);
bool tj_mlflow_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                      struct tj_err *err);

/* -- store_mlflow_label.c -------------------------------------------------- */

/* Forgets what the newest page said. */
void tj_mlflow_forget(struct tj_mlflow *m);
/* The same, when assessments change: before, and when it is done. */
void tj_mlflow_note_write(struct tj_mlflow *m);
/* How often.  What was asked for before the last time is not kept. */
uint64_t tj_mlflow_writes(struct tj_mlflow *m);
/* Keeps what a page says of one trace. */
void tj_mlflow_remember(struct tj_mlflow *m, uint64_t writes, tj_trace_id id,
                        const struct tj_batch *batch);

/* The same of a session; false: nothing is kept of it. */
void tj_mlflow_remember_session(struct tj_mlflow *m, uint64_t writes,
                                const struct tj_mlflow_session *session);
bool tj_mlflow_recall_session(struct tj_mlflow *m,
                              const struct tj_trace_info *info,
                              struct tj_arena *a, struct tj_assessments *out);

bool tj_mlflow_add_assessment(struct tj_store *st, struct tj_assessment *as,
                              struct tj_arena *a, struct tj_err *err);
bool tj_mlflow_assessments(struct tj_store *st, tj_trace_id id,
                           struct tj_arena *a, struct tj_assessments *out,
                           struct tj_err *err);
bool tj_mlflow_delete_assessment(struct tj_store *st, tj_trace_id id,
                                 tj_str assessment_id, bool *existed,
                                 struct tj_err *err);
bool tj_mlflow_edit_assessment(struct tj_store *st,
                               struct tj_assessment_change *change,
                               struct tj_err *err);

/* -- store_mlflow_judge.c -------------------------------------------------- */

bool tj_mlflow_add_judge(struct tj_store *st, const struct tj_judge_row *in,
                         struct tj_arena *a, struct tj_judge_row *out,
                         struct tj_err *err);
bool tj_mlflow_find_judge(struct tj_store *st, tj_str name, uint32_t version,
                          struct tj_arena *a, struct tj_judge_row *out,
                          struct tj_err *err);
bool tj_mlflow_judges(struct tj_store *st, struct tj_arena *a,
                      struct tj_judge_rows *out, struct tj_err *err);

/* -- store_mlflow_write.c -------------------------------------------------- */

bool tj_mlflow_add_batch(struct tj_store *st, const struct tj_batch *batch,
                         struct tj_err *err);
bool tj_mlflow_keeps_traces(struct tj_store *st);

#endif
