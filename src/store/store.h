/* store.h - where traces, assessments and judges live: the front.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Callers see these functions only.  Behind them is a backend (store_ops.h):
 * SQLite, memory, and wrappers for tests.  The front checks arguments, bounds
 * and ids, so that backends need not.
 *  1. Every write is an upsert and idempotent: spans by (trace, span),
 *     assessments by id or key, judges by (name, content).  Repeating a write
 *     changes nothing.  Nothing stored is lost by a later write: tags and
 *     metadata merge, a span that comes again replaces itself.
 *  2. A write that returned true survives `kill -9` (and power loss with the
 *     default durability).  One that failed with TJ_E_UNCERTAIN may have
 *     happened; repeating it is safe.
 *  3. A trace exists from its first span or its first info.
 *  4. Reads never wait for a writer.
 *  5. Writes of many threads share transactions and so share one fsync; none
 *     is acknowledged before it.  One that fails takes no other with it.
 * Threads: a struct tj_store may be used from any thread, one call at a time
 * per open trace.
 */
#ifndef TJ_STORE_STORE_H
#define TJ_STORE_STORE_H

#include "store/filter.h"
#include "trace/trace.h"

struct tj_store;

enum tj_durability {
    TJ_DURABLE,         /* each acknowledged write is on disk */
    TJ_DURABLE_RELAXED, /* outlives the program, not a loss of power */
};

/* How to reach a store that lives on a server.  All may be empty. */
struct tj_store_remote {
    tj_str user; /* with password: HTTP Basic; else token: Bearer */
    tj_str password;
    tj_str token;
    tj_str experiment; /* when the URL names none: by name, or by id */
    tj_str experiment_id;
    tj_str ca_file;      /* PEM to trust instead of the system's */
    uint64_t timeout_ms; /* of one request; 0: TJ_MLFLOW_TIMEOUT_MS */
    uint64_t retry_ms;   /* before the first retry; 0: 500 */
};

struct tj_store_options {
    enum tj_durability durability;
    bool read_only;
    bool create; /* make the file when it is not there */
    struct tj_store_remote remote;
};

/* url: "sqlite:///abs/path.db", "sqlite://rel/path.db", a plain path,
 * "memory:", or "mlflow+http://host:port[/prefix][?experiment=NAME]" (see
 * store_mlflow.c; nothing is sent before the first call).  TJ_E_INPUT for an
 * unknown scheme, TJ_E_BACKEND for a database of a newer program or one that
 * is none. */
bool tj_store_open(tj_str url, const struct tj_store_options *options,
                   struct tj_store **out, struct tj_err *err) TJ_MUST_USE;
/* Finishes what is buffered.  Takes NULL. */
void tj_store_close(struct tj_store *st);
const char *tj_store_backend_name(const struct tj_store *st);
/* Does it keep traces that are written to it?  An old MLflow server does not:
 * then a judge's own run is not stored, and that is no failure. */
bool tj_store_keeps_traces(struct tj_store *st);
/* For people: what it is and in what state, when there is more to say than its
 * counts; else empty.  Asks the server of a store that lives on one. */
bool tj_store_describe(struct tj_store *st, struct tj_arena *a, tj_str *out,
                       struct tj_err *err) TJ_MUST_USE;

/* -- traces --------------------------------------------------------------- */

/* All of the batch or nothing. */
bool tj_store_add_batch(struct tj_store *st, const struct tj_batch *batch,
                        struct tj_err *err) TJ_MUST_USE;

/* The skeleton: info, spans without fields, tree.  Absent: true, with
 * out->span_count == 0 and out->store == NULL (ask tj_trace_is_open). */
bool tj_store_open_trace(struct tj_store *st, tj_trace_id id,
                         struct tj_arena *a, struct tj_trace *out,
                         struct tj_err *err) TJ_MUST_USE;
static inline bool tj_trace_is_open(const struct tj_trace *trace)
{
    return trace->store != NULL;
}

/* What tj_store_open_trace says in out->info, without opening. */
bool tj_store_find_info(struct tj_store *st, tj_trace_id id, struct tj_arena *a,
                        struct tj_trace_info *out, bool *found,
                        struct tj_err *err) TJ_MUST_USE;

/* Makes sure that trace->spans[span].fields is there (names, types, sizes). */
bool tj_store_load_fields(struct tj_trace *trace, size_t span,
                          struct tj_err *err) TJ_MUST_USE;

/* Text of one field, [offset, offset + len) clamped to the field, in a or in
 * the case arena; zero-copy where the backend can. Fields must be loaded. */
bool tj_store_read_field(struct tj_trace *trace, size_t span, size_t field,
                         uint64_t offset, uint64_t len, tj_str *out,
                         struct tj_err *err) TJ_MUST_USE;

enum { TJ_SEARCH_ROWS_MAX = 1000 };

/* A page of infos, newest first unless the query orders otherwise; of equal
 * ones the smaller trace id first. */
struct tj_trace_query {
    const uint64_t *experiments;    /* ids: only traces of these */
    size_t experiment_count;        /* 0: of all */
    const struct tj_filter *filter; /* NULL: all */
    const struct tj_order *order;   /* NULL: timestamp descending */
    size_t order_count;
    size_t row_max;         /* 1..TJ_SEARCH_ROWS_MAX */
    tj_str page_token;      /* opaque; empty: the first page */
    bool with_judge_traces; /* also traces made by judges (loop guard) */
    bool without_total;     /* nobody asks how many there are */
};
struct tj_trace_page {
    struct tj_trace_info *infos;
    size_t count;
    tj_str next_page_token; /* empty: this was the last */
    uint64_t total;         /* matches in all, when known; else UINT64_MAX */
};
bool tj_store_search(struct tj_store *st, const struct tj_trace_query *query,
                     struct tj_arena *a, struct tj_trace_page *out,
                     struct tj_err *err) TJ_MUST_USE;

/* A trace id by unique prefix (at least 4 hex digits), for people. *count is
 * how many match; out is the first. */
bool tj_store_resolve(struct tj_store *st, tj_str prefix, tj_trace_id *out,
                      size_t *count, struct tj_err *err) TJ_MUST_USE;

/* The trace that came into the store last, whatever its own time says; traces
 * of judges are left aside. */
bool tj_store_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                     struct tj_err *err) TJ_MUST_USE;

bool tj_store_set_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                      tj_str value, struct tj_err *err) TJ_MUST_USE;
bool tj_store_delete_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                         struct tj_err *err) TJ_MUST_USE;
bool tj_store_delete_trace(struct tj_store *st, tj_trace_id id, bool *existed,
                           struct tj_err *err) TJ_MUST_USE;

/* Notes in info.links that these traces belong to a run; again is once.
 * Traces that are not there are passed over: *linked counts the others. */
bool tj_store_link_traces(struct tj_store *st, const tj_trace_id *ids,
                          size_t count, tj_str run_id, size_t *linked,
                          struct tj_err *err) TJ_MUST_USE;

enum { TJ_EXPERIMENT_ANY = -1 };

/* Which traces to delete: all conditions hold; without ids and max_time none
 * is meant (TJ_E_INPUT).  The oldest go first. */
struct tj_trace_doomed {
    int64_t experiment_id; /* or TJ_EXPERIMENT_ANY */
    const tj_trace_id *ids;
    size_t id_count;
    tj_time max_time;   /* request time at or before; 0: any */
    uint64_t count_max; /* 0: no limit */
};
bool tj_store_delete_traces(struct tj_store *st,
                            const struct tj_trace_doomed *doomed,
                            uint64_t *deleted, struct tj_err *err) TJ_MUST_USE;

/* -- assessments ---------------------------------------------------------- */

/* Fills as->id (in a) when it was empty. `overrides` marks the old one not
 * valid.  TJ_E_INPUT when the trace does not exist. */
bool tj_store_add_assessment(struct tj_store *st, struct tj_assessment *as,
                             struct tj_arena *a, struct tj_err *err)
    TJ_MUST_USE;
/* Of one trace, oldest first; *out is in a. */
bool tj_store_assessments(struct tj_store *st, tj_trace_id id,
                          struct tj_arena *a, struct tj_assessment **out,
                          size_t *count, struct tj_err *err) TJ_MUST_USE;
bool tj_store_delete_assessment(struct tj_store *st, tj_trace_id id,
                                tj_str assessment_id, bool *existed,
                                struct tj_err *err) TJ_MUST_USE;

/* What an edit decides about the thing that it was shown. */
enum tj_edit {
    TJ_EDIT_FAIL, /* *err is filled; nothing is written */
    TJ_EDIT_KEEP, /* it stays as it is */
    TJ_EDIT_PUT,  /* as the edit has changed it */
    TJ_EDIT_DELETE,
};

/* Reads one assessment, lets edit change it, and writes it, in one
 * transaction.  edit runs once, on any thread; *as and what it adds live in
 * a.  It may change all but id and trace_id.  *found is false, and edit is not
 * called, when there is none. */
typedef enum tj_edit (*tj_assessment_edit)(void *ctx, struct tj_assessment *as,
                                           struct tj_arena *a,
                                           struct tj_err *err);
bool tj_store_edit_assessment(struct tj_store *st, tj_trace_id id,
                              tj_str assessment_id, tj_assessment_edit edit,
                              void *ctx, struct tj_arena *a, bool *found,
                              struct tj_err *err) TJ_MUST_USE;

/* -- judges --------------------------------------------------------------- */

struct tj_judge_row {
    tj_str name;
    uint32_t version; /* 1, 2, ... of this name */
    tj_str digest;    /* SHA-256 hex of source */
    tj_str source;    /* the Markdown file, or MLflow's serialised JSON */
    tj_time create_time;
};
/* The same source again gives the version it has. */
bool tj_store_add_judge(struct tj_store *st, tj_str name, tj_str source,
                        struct tj_arena *a, struct tj_judge_row *out,
                        struct tj_err *err) TJ_MUST_USE;
/* True: source is to be MLflow's serialised scorer (judge/def.h writes it). */
bool tj_store_wants_mlflow_judges(const struct tj_store *st);
/* version 0: the latest.  Absent: true with out->version == 0. */
bool tj_store_find_judge(struct tj_store *st, tj_str name, uint32_t version,
                         struct tj_arena *a, struct tj_judge_row *out,
                         struct tj_err *err) TJ_MUST_USE;
/* The latest of each name, by name. */
bool tj_store_judges(struct tj_store *st, struct tj_arena *a,
                     struct tj_judge_row **out, size_t *count,
                     struct tj_err *err) TJ_MUST_USE;

/* -- the store as a whole -------------------------------------------------- */

/* Rewrites what arrived in pieces as a whole, now instead of in time.  What
 * was replaced stays for an hour, for traces that are open; older replaced
 * pieces are removed.  For quiet hours and tests. */
bool tj_store_quiesce(struct tj_store *st, struct tj_err *err) TJ_MUST_USE;

struct tj_store_stats {
    uint64_t trace_count;
    uint64_t span_count;
    uint64_t assessment_count;
    uint64_t text_bytes;
    uint64_t disk_bytes;
    uint32_t schema_version;
    /* Since it was opened; many writes may share a commit (invariant 5). */
    uint64_t write_count;
    uint64_t commit_count;
};
bool tj_store_stats(struct tj_store *st, struct tj_store_stats *out,
                    struct tj_err *err) TJ_MUST_USE;

#endif
