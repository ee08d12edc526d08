/* store_wrap.c - a store around a store: every call passes two hooks.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_wrap.h"

#include "base/heap.h"

struct wrap_store {
    struct tj_store front;
    struct tj_store *inner;
    const struct tj_store_hooks *hooks;
    void *context;
    struct tj_store_ops ops; /* wrap_ops under the name of the hooks */
};

static struct wrap_store *self(struct tj_store *st)
{
    return (struct wrap_store *)(void *)st;
}

static bool before(struct wrap_store *w, const struct tj_store_call *call,
                   struct tj_err *err)
{
    return w->hooks->before(w->context, call, err);
}

static bool after(struct wrap_store *w, const struct tj_store_call *call,
                  struct tj_err *err)
{
    return w->hooks->after(w->context, call, err);
}

static bool wrap_add_batch(struct tj_store *st, const struct tj_batch *batch,
                           struct tj_err *err)
{
    static const struct tj_store_call call = {"add_batch", TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->add_batch(w->inner, batch, err) &&
           after(w, &call, err);
}

static bool wrap_quiesce(struct tj_store *st, struct tj_err *err)
{
    static const struct tj_store_call call = {"quiesce", TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) && w->inner->ops->quiesce(w->inner, err) &&
           after(w, &call, err);
}

static bool wrap_open_trace(struct tj_store *st, tj_trace_id id,
                            struct tj_trace *out, bool *found,
                            struct tj_err *err)
{
    static const struct tj_store_call call = {"open_trace", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->open_trace(w->inner, id, out, found, err) &&
           after(w, &call, err);
}

static bool wrap_load_fields(struct tj_store *st, struct tj_trace *trace,
                             size_t span, struct tj_err *err)
{
    static const struct tj_store_call call = {"load_fields", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->load_fields(w->inner, trace, span, err) &&
           after(w, &call, err);
}

static bool wrap_read_field(struct tj_store *st, struct tj_trace *trace,
                            const struct tj_field_range *range, tj_str *out,
                            struct tj_err *err)
{
    static const struct tj_store_call call = {"read_field", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->read_field(w->inner, trace, range, out, err) &&
           after(w, &call, err);
}

static bool wrap_find_info(struct tj_store *st, tj_trace_id id,
                           struct tj_arena *a, struct tj_trace_info *out,
                           bool *found, struct tj_err *err)
{
    static const struct tj_store_call call = {"find_info", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->find_info(w->inner, id, a, out, found, err) &&
           after(w, &call, err);
}

static bool wrap_scan(struct tj_store *st, const struct tj_scan *scan,
                      struct tj_arena *a, struct tj_scan_page *out,
                      struct tj_err *err)
{
    static const struct tj_store_call call = {"scan", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->scan(w->inner, scan, a, out, err) &&
           after(w, &call, err);
}

static bool wrap_count(struct tj_store *st, const struct tj_scan *scan,
                       uint64_t *out, struct tj_err *err)
{
    static const struct tj_store_call call = {"count", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->count(w->inner, scan, out, err) &&
           after(w, &call, err);
}

static bool wrap_resolve(struct tj_store *st, const tj_trace_id range[2],
                         tj_trace_id *out, size_t *count, struct tj_err *err)
{
    static const struct tj_store_call call = {"resolve", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->resolve(w->inner, range, out, count, err) &&
           after(w, &call, err);
}

static bool wrap_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                        struct tj_err *err)
{
    static const struct tj_store_call call = {"newest", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->newest(w->inner, out, found, err) &&
           after(w, &call, err);
}

static bool wrap_set_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                         tj_str value, struct tj_err *err)
{
    static const struct tj_store_call call = {"set_tag", TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->set_tag(w->inner, id, key, value, err) &&
           after(w, &call, err);
}

static bool wrap_delete_trace(struct tj_store *st, tj_trace_id id,
                              bool *existed, struct tj_err *err)
{
    static const struct tj_store_call call = {"delete_trace", TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->delete_trace(w->inner, id, existed, err) &&
           after(w, &call, err);
}

static bool wrap_add_assessment(struct tj_store *st, struct tj_assessment *as,
                                struct tj_arena *a, struct tj_err *err)
{
    static const struct tj_store_call call = {"add_assessment",
                                              TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->add_assessment(w->inner, as, a, err) &&
           after(w, &call, err);
}

static bool wrap_assessments(struct tj_store *st, tj_trace_id id,
                             struct tj_arena *a, struct tj_assessments *out,
                             struct tj_err *err)
{
    static const struct tj_store_call call = {"assessments", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->assessments(w->inner, id, a, out, err) &&
           after(w, &call, err);
}

static bool wrap_session_assessments(struct tj_store *st,
                                     const struct tj_trace_info *info,
                                     struct tj_arena *a,
                                     struct tj_assessments *out,
                                     struct tj_err *err)
{
    static const struct tj_store_call call = {"session_assessments",
                                              TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->session_assessments(w->inner, info, a, out, err) &&
           after(w, &call, err);
}

static bool wrap_delete_assessment(struct tj_store *st, tj_trace_id id,
                                   tj_str assessment_id, bool *existed,
                                   struct tj_err *err)
{
    static const struct tj_store_call call = {"delete_assessment",
                                              TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->delete_assessment(w->inner, id, assessment_id,
                                            existed, err) &&
           after(w, &call, err);
}

static bool wrap_add_judge(struct tj_store *st, const struct tj_judge_row *in,
                           struct tj_arena *a, struct tj_judge_row *out,
                           struct tj_err *err)
{
    static const struct tj_store_call call = {"add_judge", TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->add_judge(w->inner, in, a, out, err) &&
           after(w, &call, err);
}

static bool wrap_find_judge(struct tj_store *st, tj_str name, uint32_t version,
                            struct tj_arena *a, struct tj_judge_row *out,
                            struct tj_err *err)
{
    static const struct tj_store_call call = {"find_judge", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->find_judge(w->inner, name, version, a, out, err) &&
           after(w, &call, err);
}

static bool wrap_judges(struct tj_store *st, struct tj_arena *a,
                        struct tj_judge_rows *out, struct tj_err *err)
{
    static const struct tj_store_call call = {"judges", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->judges(w->inner, a, out, err) && after(w, &call, err);
}

static bool wrap_delete_traces(struct tj_store *st,
                               const struct tj_trace_doomed *doomed,
                               uint64_t *deleted, struct tj_err *err)
{
    static const struct tj_store_call call = {"delete_traces", TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->delete_traces(w->inner, doomed, deleted, err) &&
           after(w, &call, err);
}

static bool wrap_link_traces(struct tj_store *st,
                             const struct tj_trace_ids *ids, tj_str run_id,
                             size_t *linked, struct tj_err *err)
{
    static const struct tj_store_call call = {"link_traces", TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->link_traces(w->inner, ids, run_id, linked, err) &&
           after(w, &call, err);
}

static bool wrap_edit_assessment(struct tj_store *st,
                                 struct tj_assessment_change *change,
                                 struct tj_err *err)
{
    static const struct tj_store_call call = {"edit_assessment",
                                              TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->edit_assessment(w->inner, change, err) &&
           after(w, &call, err);
}

static bool wrap_add_experiment(struct tj_store *st,
                                const struct tj_experiment *in,
                                struct tj_arena *a, struct tj_experiment *out,
                                bool *fresh, struct tj_err *err)
{
    static const struct tj_store_call call = {"add_experiment",
                                              TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->add_experiment(w->inner, in, a, out, fresh, err) &&
           after(w, &call, err);
}

static bool wrap_find_experiment(struct tj_store *st, uint64_t id,
                                 struct tj_arena *a, struct tj_experiment *out,
                                 bool *found, struct tj_err *err)
{
    static const struct tj_store_call call = {"find_experiment",
                                              TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->find_experiment(w->inner, id, a, out, found, err) &&
           after(w, &call, err);
}

static bool wrap_find_experiment_named(struct tj_store *st, tj_str name,
                                       struct tj_arena *a,
                                       struct tj_experiment *out, bool *found,
                                       struct tj_err *err)
{
    static const struct tj_store_call call = {"find_experiment_named",
                                              TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->find_experiment_named(w->inner, name, a, out, found,
                                                err) &&
           after(w, &call, err);
}

static bool wrap_experiments(struct tj_store *st, struct tj_arena *a,
                             struct tj_experiments *out, struct tj_err *err)
{
    static const struct tj_store_call call = {"experiments", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->experiments(w->inner, a, out, err) &&
           after(w, &call, err);
}

static bool wrap_edit_experiment(struct tj_store *st,
                                 struct tj_experiment_change *change,
                                 struct tj_err *err)
{
    static const struct tj_store_call call = {"edit_experiment",
                                              TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->edit_experiment(w->inner, change, err) &&
           after(w, &call, err);
}

static bool wrap_find_record(struct tj_store *st, const struct tj_record *key,
                             struct tj_arena *a, struct tj_record *out,
                             bool *found, struct tj_err *err)
{
    static const struct tj_store_call call = {"find_record", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->find_record(w->inner, key, a, out, found, err) &&
           after(w, &call, err);
}

static bool wrap_edit_records(struct tj_store *st,
                              const struct tj_record_changes *changes,
                              struct tj_err *err)
{
    static const struct tj_store_call call = {"edit_records", TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->edit_records(w->inner, changes, err) &&
           after(w, &call, err);
}

static bool wrap_records(struct tj_store *st, const struct tj_record_scan *scan,
                         struct tj_arena *a, struct tj_records *out,
                         struct tj_err *err)
{
    static const struct tj_store_call call = {"records", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->records(w->inner, scan, a, out, err) &&
           after(w, &call, err);
}

static bool wrap_delete_records(struct tj_store *st, enum tj_record_kind kind,
                                tj_str parent, uint64_t *deleted,
                                struct tj_err *err)
{
    static const struct tj_store_call call = {"delete_records",
                                              TJ_STORE_WRITES};
    struct wrap_store *w = self(st);
    return before(w, &call, err) &&
           w->inner->ops->delete_records(w->inner, kind, parent, deleted,
                                         err) &&
           after(w, &call, err);
}

static bool wrap_stats(struct tj_store *st, struct tj_store_stats *out,
                       struct tj_err *err)
{
    static const struct tj_store_call call = {"stats", TJ_STORE_READS};
    struct wrap_store *w = self(st);
    return before(w, &call, err) && w->inner->ops->stats(w->inner, out, err) &&
           after(w, &call, err);
}

static void wrap_close(struct tj_store *st)
{
    struct wrap_store *w = self(st);
    tj_store_close(w->inner);
    w->hooks->release(w->context);
    tj_heap_free(w);
}

static const struct tj_store_ops wrap_ops = {
    .close = wrap_close,
    .add_batch = wrap_add_batch,
    .quiesce = wrap_quiesce,
    .open_trace = wrap_open_trace,
    .load_fields = wrap_load_fields,
    .read_field = wrap_read_field,
    .find_info = wrap_find_info,
    .scan = wrap_scan,
    .count = wrap_count,
    .resolve = wrap_resolve,
    .newest = wrap_newest,
    .set_tag = wrap_set_tag,
    .delete_trace = wrap_delete_trace,
    .add_assessment = wrap_add_assessment,
    .assessments = wrap_assessments,
    .session_assessments = wrap_session_assessments,
    .delete_assessment = wrap_delete_assessment,
    .add_judge = wrap_add_judge,
    .find_judge = wrap_find_judge,
    .judges = wrap_judges,
    .delete_traces = wrap_delete_traces,
    .link_traces = wrap_link_traces,
    .edit_assessment = wrap_edit_assessment,
    .add_experiment = wrap_add_experiment,
    .find_experiment = wrap_find_experiment,
    .find_experiment_named = wrap_find_experiment_named,
    .experiments = wrap_experiments,
    .edit_experiment = wrap_edit_experiment,
    .find_record = wrap_find_record,
    .edit_records = wrap_edit_records,
    .records = wrap_records,
    .delete_records = wrap_delete_records,
    .stats = wrap_stats,
};

struct tj_store *tj_store_wrap_new(struct tj_store *inner,
                                   const struct tj_store_hooks *hooks,
                                   void *context)
{
    struct wrap_store *w = tj_heap_new(sizeof *w);
    w->ops = wrap_ops;
    w->ops.name = hooks->name;
    w->front.ops = &w->ops;
    w->inner = inner;
    w->hooks = hooks;
    w->context = context;
    return &w->front;
}

void *tj_store_wrap_context(struct tj_store *st,
                            const struct tj_store_hooks *hooks)
{
    if (st->ops->close != wrap_close)
        return NULL;
    struct wrap_store *w = self(st);
    return w->hooks == hooks ? w->context : NULL;
}
