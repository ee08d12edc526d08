/* store_sqlite_ops.h - the functions in the SQLite backend's table of ops.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each promises what its slot in store_ops.h says.
 * Threads: any.
 */
#ifndef TJ_STORE_STORE_SQLITE_OPS_H
#define TJ_STORE_STORE_SQLITE_OPS_H

#include "store/store_ops.h"

bool tj_sqlite_add_batch(struct tj_store *st, const struct tj_batch *batch,
                         struct tj_err *err);
bool tj_sqlite_quiesce(struct tj_store *st, struct tj_err *err);
bool tj_sqlite_open_trace(struct tj_store *st, tj_trace_id id,
                          struct tj_trace *out, bool *found,
                          struct tj_err *err);
bool tj_sqlite_load_fields(struct tj_store *st, struct tj_trace *trace,
                           size_t span, struct tj_err *err);
bool tj_sqlite_read_field(struct tj_store *st, struct tj_trace *trace,
                          const struct tj_field_range *range, tj_str *out,
                          struct tj_err *err);
bool tj_sqlite_find_info(struct tj_store *st, tj_trace_id id,
                         struct tj_arena *a, struct tj_trace_info *out,
                         bool *found, struct tj_err *err);
bool tj_sqlite_scan(struct tj_store *st, const struct tj_scan *scan,
                    struct tj_arena *a, struct tj_scan_page *out,
                    struct tj_err *err);
bool tj_sqlite_count(struct tj_store *st, const struct tj_scan *scan,
                     uint64_t *out, struct tj_err *err);
bool tj_sqlite_resolve(struct tj_store *st, const tj_trace_id range[2],
                       tj_trace_id *out, size_t *count, struct tj_err *err);
bool tj_sqlite_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                      struct tj_err *err);
bool tj_sqlite_set_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                       tj_str value, struct tj_err *err);
bool tj_sqlite_delete_trace(struct tj_store *st, tj_trace_id id, bool *existed,
                            struct tj_err *err);
bool tj_sqlite_delete_traces(struct tj_store *st,
                             const struct tj_trace_doomed *doomed,
                             uint64_t *deleted, struct tj_err *err);
bool tj_sqlite_link_traces(struct tj_store *st, const struct tj_trace_ids *ids,
                           tj_str run_id, size_t *linked, struct tj_err *err);
bool tj_sqlite_add_assessment(struct tj_store *st, struct tj_assessment *as,
                              struct tj_arena *a, struct tj_err *err);
bool tj_sqlite_assessments(struct tj_store *st, tj_trace_id id,
                           struct tj_arena *a, struct tj_assessments *out,
                           struct tj_err *err);
bool tj_sqlite_session_assessments(struct tj_store *st,
                                   const struct tj_trace_info *info,
                                   struct tj_arena *a,
                                   struct tj_assessments *out,
                                   struct tj_err *err);
bool tj_sqlite_delete_assessment(struct tj_store *st, tj_trace_id id,
                                 tj_str assessment_id, bool *existed,
                                 struct tj_err *err);
bool tj_sqlite_edit_assessment(struct tj_store *st,
                               struct tj_assessment_change *change,
                               struct tj_err *err);
bool tj_sqlite_add_judge(struct tj_store *st, const struct tj_judge_row *in,
                         struct tj_arena *a, struct tj_judge_row *out,
                         struct tj_err *err);
bool tj_sqlite_find_judge(struct tj_store *st, tj_str name, uint32_t version,
                          struct tj_arena *a, struct tj_judge_row *out,
                          struct tj_err *err);
bool tj_sqlite_judges(struct tj_store *st, struct tj_arena *a,
                      struct tj_judge_rows *out, struct tj_err *err);

bool tj_sqlite_add_experiment(struct tj_store *st,
                              const struct tj_experiment *in,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *fresh, struct tj_err *err);
bool tj_sqlite_find_experiment(struct tj_store *st, uint64_t id,
                               struct tj_arena *a, struct tj_experiment *out,
                               bool *found, struct tj_err *err);
bool tj_sqlite_find_experiment_named(struct tj_store *st, tj_str name,
                                     struct tj_arena *a,
                                     struct tj_experiment *out, bool *found,
                                     struct tj_err *err);
bool tj_sqlite_experiments(struct tj_store *st, struct tj_arena *a,
                           struct tj_experiments *out, struct tj_err *err);
bool tj_sqlite_edit_experiment(struct tj_store *st,
                               struct tj_experiment_change *change,
                               struct tj_err *err);
bool tj_sqlite_find_record(struct tj_store *st, const struct tj_record *key,
                           struct tj_arena *a, struct tj_record *out,
                           bool *found, struct tj_err *err);
bool tj_sqlite_edit_records(struct tj_store *st,
                            const struct tj_record_changes *changes,
                            struct tj_err *err);
bool tj_sqlite_records(struct tj_store *st, const struct tj_record_scan *scan,
                       struct tj_arena *a, struct tj_records *out,
                       struct tj_err *err);
bool tj_sqlite_delete_records(struct tj_store *st, enum tj_record_kind kind,
                              tj_str parent, uint64_t *deleted,
                              struct tj_err *err);

#endif
