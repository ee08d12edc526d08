/* store_mlflow_label.c - assessments on an MLflow server.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Creating an assessment there is not idempotent, so each one that is written
 * carries, in its metadata,
 *
 *     tracejudge.key    what it replaces when it is said again: the same judge,
 *                       version and model on the same trace
 *     tracejudge.write  a number of this one write
 *
 * and the trace is looked at before anything is sent:
 *
 *     read -> there with our write: done (an answer got lost)
 *          -> a valid one with our key and the same content: done
 *          -> send, with `overrides` when there is a valid one with our key
 *               |-> stored: done        |-> refused: failed
 *               `-> not known (no answer, 5xx) -> wait -> read again
 *
 * The id is ours too: servers that take it from us refuse it the second time,
 * even if the first try arrives last.
 */
#include "base/limits.h"
#include "base/random.h"
#include "store/store_fold.h"
#include "store/store_mlflow_int.h"

#define META_KEY   "tracejudge.key"
#define META_WRITE "tracejudge.write"

/* How long a page of a search speaks for the assessments of its traces. */
enum { MEMO_SECONDS = 10 };

/* -- what a search said ---------------------------------------------------- */

static void clear_memo(struct tj_mlflow *m)
{
    tj_arena_release(&m->memo.arena);
    m->memo = (struct tj_mlflow_memo){.writes = m->memo.writes};
}

void tj_mlflow_forget(struct tj_mlflow *m)
{
    (void)pthread_mutex_lock(&m->lock);
    clear_memo(m);
    (void)pthread_mutex_unlock(&m->lock);
}

void tj_mlflow_note_write(struct tj_mlflow *m)
{
    (void)pthread_mutex_lock(&m->lock);
    clear_memo(m);
    m->memo.writes++;
    (void)pthread_mutex_unlock(&m->lock);
}

uint64_t tj_mlflow_writes(struct tj_mlflow *m)
{
    (void)pthread_mutex_lock(&m->lock);
    uint64_t writes = m->memo.writes;
    (void)pthread_mutex_unlock(&m->lock);
    return writes;
}

static bool knows(const struct tj_mlflow_memo *memo, tj_trace_id id)
{
    tj_vec_each (&memo->ids, const tj_trace_id, it) {
        if (tj_trace_id_eq(*it, id))
            return true;
    }
    return false;
}

/* Another search may have kept it already. */
static void keep(struct tj_mlflow_memo *memo, tj_trace_id id,
                 const struct tj_batch *batch)
{
    if (knows(memo, id))
        return;
    memo->until_ns = tj_mono_ns() + MEMO_SECONDS * TJ_NS_PER_SECOND;
    *tj_vec_add(&memo->ids, &memo->arena) = id;
    tj_vec_each (&batch->assessments, const struct tj_assessment, as)
        *tj_vec_add(&memo->assessments, &memo->arena) =
            tj_assessment_copy(as, &memo->arena);
}

void tj_mlflow_remember(struct tj_mlflow *m, uint64_t writes, tj_trace_id id,
                        const struct tj_batch *batch)
{
    (void)pthread_mutex_lock(&m->lock);
    if (writes == m->memo.writes)
        keep(&m->memo, id, batch);
    (void)pthread_mutex_unlock(&m->lock);
}

typedef TJ_VEC(struct tj_assessment) assessments;

/* False: it says nothing of this trace. */
static bool recall(struct tj_mlflow *m, tj_trace_id id, struct tj_arena *a,
                   assessments *out)
{
    (void)pthread_mutex_lock(&m->lock);
    bool known = tj_mono_ns() < m->memo.until_ns && knows(&m->memo, id);
    if (known) {
        tj_vec_each (&m->memo.assessments, const struct tj_assessment, as) {
            if (tj_trace_id_eq(as->trace_id, id))
                *tj_vec_add(out, a) = tj_assessment_copy(as, a);
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
    return known;
}

static void copy_all(const struct tj_assessments *from, struct tj_arena *a,
                     struct tj_assessments *out)
{
    out->items = tj_arena_array(a, struct tj_assessment, from->count);
    out->count = from->count;
    for (size_t i = 0; i < from->count; i++)
        out->items[i] = tj_assessment_copy(&from->items[i], a);
}

void tj_mlflow_remember_session(struct tj_mlflow *m, uint64_t writes,
                                const struct tj_mlflow_session *session)
{
    (void)pthread_mutex_lock(&m->lock);
    struct tj_arena *a = &m->memo.arena;
    /* Else nobody filters. */
    if (m->memo.until_ns && writes == m->memo.writes) {
        struct tj_mlflow_session *kept = tj_vec_add(&m->memo.sessions, a);
        kept->name = tj_str_dup(a, session->name);
        kept->experiment_id = session->experiment_id;
        copy_all(&session->assessments, a, &kept->assessments);
    }
    (void)pthread_mutex_unlock(&m->lock);
}

bool tj_mlflow_recall_session(struct tj_mlflow *m,
                              const struct tj_trace_info *info,
                              struct tj_arena *a, struct tj_assessments *out)
{
    bool known = false;
    (void)pthread_mutex_lock(&m->lock);
    if (tj_mono_ns() < m->memo.until_ns) {
        tj_vec_each (&m->memo.sessions, const struct tj_mlflow_session, s) {
            if (known || s->experiment_id != info->experiment_id ||
                !tj_str_eq(s->name, info->session))
                continue;
            copy_all(&s->assessments, a, out);
            known = true;
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
    return known;
}

/* -- reading --------------------------------------------------------------- */

static bool read_all(struct tj_mlflow *m, tj_trace_id id, struct tj_arena *a,
                     assessments *out, bool *found, struct tj_err *err)
{
    const struct tj_json *v = NULL;
    struct tj_trace_info info;
    struct tj_batch batch;
    tj_batch_init(&batch, a);
    if (!tj_mlflow_read_info(m, id, a, &v, err))
        return false;
    *found = v;
    if (v && !tj_mlflow_take_asked(m, id, v, &batch, &info, err))
        return false;
    out->items = batch.assessments.items;
    out->count = batch.assessments.count;
    return true;
}

/* Ours alone are not shown: the key has its own place. */
static void lift_key(struct tj_assessment *as)
{
    size_t kept = 0;
    as->key = tj_assessment_meta(as, TJ_STR(META_KEY));
    if (!as->key.len)
        as->key = as->id;
    for (size_t i = 0; i < as->metadata.count; i++) {
        tj_str key = as->metadata.items[i].key;
        if (!tj_str_eq(key, TJ_STR(META_KEY)) &&
            !tj_str_eq(key, TJ_STR(META_WRITE)))
            as->metadata.items[kept++] = as->metadata.items[i];
    }
    as->metadata.count = kept;
}

bool tj_mlflow_assessments(struct tj_store *st, tj_trace_id id,
                           struct tj_arena *a, struct tj_assessments *out,
                           struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    assessments list = {0};
    bool found = false;
    if (!recall(m, id, a, &list) && !read_all(m, id, a, &list, &found, err))
        return false;
    for (size_t i = 0; i < list.count; i++)
        lift_key(&list.items[i]);
    tj_fold_assessments(list.items, list.count, a);
    out->items = list.items;
    out->count = list.count;
    return true;
}

/* -- is it there already? -------------------------------------------------- */

static bool same_json(tj_str left, tj_str right, struct tj_arena *a)
{
    struct tj_json_doc l = {0};
    struct tj_json_doc r = {0};
    struct tj_err ignored = {0};
    if (tj_str_eq(left, right))
        return true;
    return tj_json_parse(left, a, &l, &ignored) &&
           tj_json_parse(right, a, &r, &ignored) && tj_json_eq(l.root, r.root);
}

/* Integers come back as doubles, so values compare as JSON. */
static bool same_content(const struct tj_assessment *there,
                         const struct tj_assessment *as, struct tj_arena *a)
{
    tj_vec_each (&as->metadata, const struct tj_assessment_pair, p) {
        if (!tj_str_eq(tj_assessment_meta(there, p->key), p->value))
            return false;
    }
    return there->kind == as->kind && tj_str_eq(there->name, as->name) &&
           there->source_type == as->source_type &&
           tj_str_eq(there->source_id, as->source_id) &&
           tj_str_eq(there->rationale, as->rationale) &&
           tj_str_eq(there->error_code, as->error_code) &&
           tj_str_eq(there->error_message, as->error_message) &&
           same_json(there->value_json, as->value_json, a);
}

static bool is_this_write(const struct tj_assessment *there,
                          const struct tj_assessment *as, tj_str write)
{
    return tj_str_eq(there->id, as->id) ||
           (tj_str_eq(there->name, as->name) &&
            there->source_type == as->source_type &&
            tj_str_eq(tj_assessment_meta(there, TJ_STR(META_WRITE)), write));
}

static const struct tj_assessment *find_write(const assessments *list,
                                              const struct tj_assessment *as,
                                              tj_str write)
{
    tj_vec_each (list, const struct tj_assessment, it) {
        if (is_this_write(it, as, write))
            return it;
    }
    return NULL;
}

/* The newest valid one with the key. */
static const struct tj_assessment *find_older(const assessments *list,
                                              tj_str key)
{
    const struct tj_assessment *older = NULL;
    tj_vec_each (list, const struct tj_assessment, it) {
        bool ours = it->valid && key.len &&
                    tj_str_eq(tj_assessment_meta(it, TJ_STR(META_KEY)), key);
        if (ours && (!older || it->create_time >= older->create_time))
            older = it;
    }
    return older;
}

/* -- writing --------------------------------------------------------------- */

static tj_str path_of(struct tj_mlflow *m, tj_trace_id id, tj_str assessment_id,
                      struct tj_arena *a)
{
    tj_str trace = tj_mlflow_escape(a, tj_mlflow_id_text(m, id, a));
    return tj_str_printf(a, "/api/3.0/mlflow/traces/%.*s/assessments%s%.*s",
                         TJ_STR_ARG(trace), assessment_id.len ? "/" : "",
                         TJ_STR_ARG(tj_mlflow_escape(a, assessment_id)));
}

/* fields: what an update changes; NULL: it is a new one. */
static bool write_body(const struct tj_assessment *as, const char *fields,
                       struct tj_arena *a, tj_str *out, struct tj_err *err)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, TJ_MLFLOW_SEND_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("assessment"));
    tj_assessment_write(&w, as, a);
    if (fields)
        tj_jw_key_str(&w, "update_mask", tj_str_c(fields));
    tj_jw_end(&w);
    *out = tj_buf_str(&b);
    return tj_buf_ok(&b, "assessment", err);
}

struct writing {
    struct tj_assessment as;
    tj_str write;
    uint32_t attempt;
    assessments there;
};

/* Sends it once. */
static bool send_new(struct tj_mlflow *m, struct writing *w, struct tj_arena *a,
                     bool *stored, struct tj_err *err)
{
    struct tj_mlflow_reply reply = {0};
    struct tj_mlflow_request r = {
        .method = "POST",
        .path = path_of(m, w->as.trace_id, (tj_str){0}, a),
        .once = true,
        .attempt = w->attempt};
    if (!write_body(&w->as, NULL, a, &r.body, err))
        return false;
    if (!tj_mlflow_call(m, &r, a, &reply, err))
        return false;
    if (reply.no_route)
        return tj_fail(err, TJ_E_BACKEND,
                       "%.*s keeps no assessments: it needs MLflow 3",
                       TJ_STR_ARG(m->base));
    /* Gone meanwhile: the trace, or what was to be overridden. */
    *stored = !reply.absent;
    tj_str id = tj_json_str(tj_json_at(reply.root, "assessment.assessment_id"));
    if (*stored && id.len)
        w->as.id = id;
    return true;
}

static void prepare(struct writing *w, const struct tj_assessment *as,
                    struct tj_arena *a)
{
    w->as = *as;
    w->as.metadata.items = NULL;
    w->as.metadata.count = w->as.metadata.cap = 0;
    tj_vec_each (&as->metadata, const struct tj_assessment_pair, p)
        *tj_vec_add(&w->as.metadata, a) = *p;
    w->write = tj_str_printf(a, "%016llx", (unsigned long long)tj_random_u64());
    tj_assessment_set_meta(&w->as, a, TJ_STR(META_WRITE), w->write);
    if (as->key.len)
        tj_assessment_set_meta(&w->as, a, TJ_STR(META_KEY), as->key);
}

/* One round: looks, and sends when it is not there. */
static bool try_add(struct tj_mlflow *m, const struct tj_assessment *as,
                    struct writing *w, struct tj_arena *a, bool *done,
                    struct tj_err *err)
{
    bool found = false;
    if (!read_all(m, as->trace_id, a, &w->there, &found, err))
        return false;
    if (!found)
        return tj_fold_no_trace(as->trace_id, err);
    const struct tj_assessment *older = find_older(&w->there, as->key);
    const struct tj_assessment *same = find_write(&w->there, &w->as, w->write);
    if (!same && older && same_content(older, as, a))
        same = older;
    *done = same;
    if (same) {
        w->as.id = same->id;
        w->as.create_time = same->create_time;
        return true;
    }
    w->as.overrides = as->overrides;
    if (older && !as->overrides.len)
        w->as.overrides = older->id;
    return send_new(m, w, a, done, err);
}

static bool add(struct tj_mlflow *m, struct tj_assessment *as,
                struct tj_arena *a, struct tj_err *err)
{
    struct writing w = {0};
    prepare(&w, as, a);
    bool uncertain = false;
    for (uint32_t attempt = 0; attempt <= TJ_MLFLOW_RETRIES; attempt++) {
        bool done = false;
        w.attempt = attempt;
        if (!try_add(m, as, &w, a, &done, err)) {
            bool sent = err->code == TJ_E_UNCERTAIN;
            uncertain = uncertain || sent;
            if (sent && attempt < TJ_MLFLOW_RETRIES)
                continue;
            if (uncertain)
                err->code = TJ_E_UNCERTAIN;
            return false;
        }
        if (done) {
            as->id = w.as.id;
            as->create_time = w.as.create_time;
            return true;
        }
    }
    return tj_fail(err, TJ_E_BACKEND,
                   "%.*s keeps saying that what the assessment is about is "
                   "gone",
                   TJ_STR_ARG(m->base));
}

bool tj_mlflow_add_assessment(struct tj_store *st, struct tj_assessment *as,
                              struct tj_arena *a, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    if (!tj_mlflow_may_write(m, err))
        return false;
    tj_mlflow_note_write(m);
    bool ok = add(m, as, a, err);
    tj_mlflow_note_write(m);
    return ok;
}

static bool send_delete(struct tj_mlflow *m, tj_trace_id id,
                        tj_str assessment_id, struct tj_arena *a,
                        struct tj_err *err)
{
    struct tj_mlflow_reply reply = {0};
    struct tj_mlflow_request r = {.method = "DELETE",
                                  .path = path_of(m, id, assessment_id, a)};
    tj_mlflow_note_write(m);
    bool ok = tj_mlflow_call(m, &r, a, &reply, err);
    tj_mlflow_note_write(m);
    return ok;
}

static struct tj_assessment *find_id(const assessments *list, tj_str id)
{
    tj_vec_each (list, struct tj_assessment, it) {
        if (tj_str_eq(it->id, id))
            return it;
    }
    return NULL;
}

bool tj_mlflow_delete_assessment(struct tj_store *st, tj_trace_id id,
                                 tj_str assessment_id, bool *existed,
                                 struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena a = {0};
    assessments list = {0};
    bool found = false;
    bool ok =
        tj_mlflow_may_write(m, err) && read_all(m, id, &a, &list, &found, err);
    *existed = ok && find_id(&list, assessment_id);
    if (*existed)
        ok = send_delete(m, id, assessment_id, &a, err);
    tj_arena_release(&a);
    return ok;
}

static bool send_update(struct tj_mlflow *m, const struct tj_assessment *as,
                        struct tj_arena *a, struct tj_err *err)
{
    const struct tj_json *root = NULL;
    struct tj_mlflow_request r = {.method = "PATCH",
                                  .path = path_of(m, as->trace_id, as->id, a)};
    const char *fields = as->kind == TJ_FEEDBACK
                             ? "assessmentName,feedback,rationale,metadata"
                             : "assessmentName,expectation,rationale,metadata";
    tj_mlflow_note_write(m);
    bool ok = write_body(as, fields, a, &r.body, err) &&
              tj_mlflow_ask(m, &r, a, &root, err);
    tj_mlflow_note_write(m);
    return ok;
}

/* Not atomic: between reading and writing somebody else may write. */
bool tj_mlflow_edit_assessment(struct tj_store *st,
                               struct tj_assessment_change *change,
                               struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_arena *a = change->a;
    assessments list = {0};
    bool found = false;
    if (!tj_mlflow_may_write(m, err) ||
        !read_all(m, change->trace_id, a, &list, &found, err))
        return false;
    struct tj_assessment *as = find_id(&list, change->id);
    change->found = as;
    if (!as)
        return true;
    switch (change->edit(change->ctx, as, a, err)) {
    case TJ_EDIT_FAIL: return false;
    case TJ_EDIT_KEEP: return true;
    case TJ_EDIT_PUT: return send_update(m, as, a, err);
    case TJ_EDIT_DELETE:
        return send_delete(m, change->trace_id, change->id, a, err);
    }
    return true;
}
