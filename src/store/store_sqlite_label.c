/* store_sqlite_label.c - assessments and judges.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_sqlite_int.h"
#include "store/store_sqlite_ops.h"
#include "text/json.h"
#include "text/json_write.h"

#define ASSESSMENT_COLUMNS                                                     \
    "id, key, span_id, kind, name, source_type, source_id, value, rationale,"  \
    " error_code, error_message, error_stack, metadata, create_time,"          \
    " update_time, overrides, valid"
enum { ASSESSMENT_COLUMN_COUNT = 17 };

/* -- assessments: writing ------------------------------------------------- */

/* {"key": "value", ...}: other programs can read it. */
static tj_str metadata_text(const struct tj_assessment *as, struct tj_arena *a)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_vec_each (&as->metadata, const struct tj_assessment_pair, p) {
        tj_jw_key(&w, p->key);
        tj_jw_str(&w, p->value);
    }
    tj_jw_end(&w);
    return tj_buf_str(&buf);
}

/* Row, id and age of the one that this is a repeat of; row 0: none is. */
static bool find_same(struct tj_db *db, uint64_t trace_row,
                      struct tj_assessment *as, struct tj_arena *a,
                      uint64_t *row, struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT row, id, create_time FROM assessment WHERE trace = ?1 AND"
            " (id = ?2 OR (?3 <> '' AND key = ?3))");
    tj_query_put_u64(&q, trace_row);
    tj_query_put_text(&q, as->id);
    tj_query_put_text(&q, as->key);
    enum tj_step step = tj_query_next(&q, err);
    *row = 0;
    if (step == TJ_ROW) {
        *row = tj_query_u64(&q, 0);
        as->id = tj_query_dup(&q, 1, a);
        as->create_time = tj_query_u64(&q, 2);
    }
    tj_query_close(&q);
    return step != TJ_FAILED;
}

static void put_assessment(struct tj_query *q, const struct tj_assessment *as,
                           tj_str metadata)
{
    tj_query_put_text(q, as->id);
    tj_query_put_text(q, as->key);
    tj_query_put_blob(q, as->span_id.bytes, sizeof as->span_id.bytes);
    tj_query_put_u64(q, (uint64_t)as->kind);
    tj_query_put_text(q, as->name);
    tj_query_put_u64(q, (uint64_t)as->source_type);
    tj_query_put_text(q, as->source_id);
    tj_query_put_text(q, as->value_json);
    tj_query_put_text(q, as->rationale);
    tj_query_put_text(q, as->error_code);
    tj_query_put_text(q, as->error_message);
    tj_query_put_text(q, as->error_stack);
    tj_query_put_text(q, metadata);
    tj_query_put_u64(q, as->create_time);
    tj_query_put_u64(q, as->update_time);
    tj_query_put_text(q, as->overrides);
    tj_query_put_u64(q, as->valid);
}

/* row 0: a new one, of this trace. */
static bool write_assessment(struct tj_db *db, uint64_t row, uint64_t trace_row,
                             const struct tj_assessment *as, struct tj_arena *a,
                             struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, row ? "UPDATE assessment SET (" ASSESSMENT_COLUMNS ") ="
                  " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                  " WHERE row = ?"
                : "INSERT INTO assessment(" ASSESSMENT_COLUMNS ", trace)"
                  " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                  " ?)");
    put_assessment(&q, as, metadata_text(as, a));
    tj_query_put_u64(&q, row ? row : trace_row);
    return tj_query_run(&q, err);
}

bool tj_sqlite_put_assessment(struct tj_db *db, uint64_t trace_row,
                              struct tj_assessment *as, struct tj_arena *a,
                              struct tj_err *err)
{
    uint64_t row;
    return find_same(db, trace_row, as, a, &row, err) &&
           write_assessment(db, row, trace_row, as, a, err);
}

struct adding {
    struct tj_assessment *as;
    struct tj_arena *a;
};

static bool run_adding(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct adding *w = ctx;
    uint64_t row = 0;
    if (!tj_sqlite_find_row(db, w->as->trace_id, &row, err))
        return false;
    if (!row)
        return tj_fold_no_trace(w->as->trace_id, err);
    return tj_sqlite_put_assessment(db, row, w->as, w->a, err);
}

bool tj_sqlite_add_assessment(struct tj_store *st, struct tj_assessment *as,
                              struct tj_arena *a, struct tj_err *err)
{
    struct adding w = {as, a};
    return tj_sqlite_write(tj_sqlite_self(st), run_adding, &w, err);
}

/* The one that the deleted one had overridden is valid again. */
static bool restore(struct tj_db *db, uint64_t trace_row, tj_str id,
                    struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "UPDATE assessment SET valid = 1 WHERE trace = ?1 AND id ="
            " (SELECT overrides FROM assessment WHERE trace = ?1 AND id = ?2)");
    tj_query_put_u64(&q, trace_row);
    tj_query_put_text(&q, id);
    return tj_query_run(&q, err);
}

static bool delete_assessment(struct tj_db *db, uint64_t trace_row, tj_str id,
                              bool *existed, struct tj_err *err)
{
    if (!restore(db, trace_row, id, err))
        return false;
    struct tj_query q =
        tj_query_open(db, "DELETE FROM assessment WHERE trace = ? AND id = ?");
    tj_query_put_u64(&q, trace_row);
    tj_query_put_text(&q, id);
    if (!tj_query_run(&q, err))
        return false;
    *existed = tj_db_changes(db) > 0;
    return true;
}

struct deleting {
    tj_trace_id trace_id;
    tj_str id;
    bool *existed;
};

static bool run_deleting(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct deleting *w = ctx;
    uint64_t row = 0;
    return tj_sqlite_find_row(db, w->trace_id, &row, err) &&
           (row == 0 || delete_assessment(db, row, w->id, w->existed, err));
}

bool tj_sqlite_delete_assessment(struct tj_store *st, tj_trace_id id,
                                 tj_str assessment_id, bool *existed,
                                 struct tj_err *err)
{
    struct deleting w = {id, assessment_id, existed};
    return tj_sqlite_write(tj_sqlite_self(st), run_deleting, &w, err);
}

/* -- assessments: reading ------------------------------------------------- */

static bool take_metadata(tj_str text, struct tj_arena *a,
                          struct tj_assessment *as, struct tj_err *err)
{
    struct tj_json_doc doc;
    if (!tj_json_parse(text, a, &doc, err)) {
        err->code = TJ_E_BACKEND;
        return tj_err_wrap(err, "corrupt metadata of assessment %.*s",
                           TJ_STR_ARG(as->id));
    }
    struct tj_json_members m = tj_json_members(doc.root);
    while (tj_json_member(&m)) {
        struct tj_assessment_pair *pair = tj_vec_add(&as->metadata, a);
        pair->key = m.key;
        pair->value = tj_json_str(m.value);
    }
    return true;
}

static bool take_assessment(struct tj_query *q, struct tj_arena *a,
                            struct tj_assessment *as, struct tj_err *err)
{
    int c = 0;
    as->id = tj_query_dup(q, c++, a);
    as->key = tj_query_dup(q, c++, a);
    tj_str span = tj_query_str(q, c++);
    memcpy(as->span_id.bytes, span.ptr,
           tj_size_min(span.len, sizeof as->span_id.bytes));
    as->kind = tj_query_u64(q, c++) ? TJ_EXPECTATION : TJ_FEEDBACK;
    as->name = tj_query_dup(q, c++, a);
    uint64_t source = tj_query_u64(q, c++);
    as->source_type = source <= TJ_SOURCE_CODE ? (enum tj_source_type)source
                                               : TJ_SOURCE_UNSPECIFIED;
    as->source_id = tj_query_dup(q, c++, a);
    as->value_json = tj_query_dup(q, c++, a);
    as->rationale = tj_query_dup(q, c++, a);
    as->error_code = tj_query_dup(q, c++, a);
    as->error_message = tj_query_dup(q, c++, a);
    as->error_stack = tj_query_dup(q, c++, a);
    tj_str metadata = tj_query_dup(q, c++, a);
    as->create_time = tj_query_u64(q, c++);
    as->update_time = tj_query_u64(q, c++);
    as->overrides = tj_query_dup(q, c++, a);
    as->valid = tj_query_u64(q, c++) != 0;
    return take_metadata(metadata, a, as, err);
}

bool tj_sqlite_assessments(struct tj_store *st, tj_trace_id id,
                           struct tj_arena *a, struct tj_assessments *out,
                           struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    TJ_VEC(struct tj_assessment) list = {0};
    if (!w)
        return false;
    struct tj_query q = tj_query_open(
        w->db, "SELECT " ASSESSMENT_COLUMNS " FROM assessment"
               " WHERE trace = (SELECT row FROM trace WHERE id = ?)");
    tj_query_put_blob(&q, id.bytes, sizeof id.bytes);
    enum tj_step step;
    bool ok = true;
    while (ok && (step = tj_query_next(&q, err)) != TJ_DONE) {
        struct tj_assessment *as = tj_vec_add(&list, a);
        as->trace_id = id;
        ok = step == TJ_ROW && take_assessment(&q, a, as, err);
    }
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    out->items = list.items;
    out->count = list.count;
    if (ok)
        tj_fold_assessments(out->items, out->count, a);
    return ok;
}

/* -- assessments: editing ------------------------------------------------- */

/* With the row; 0: there is none. */
static bool find_one(struct tj_db *db, uint64_t trace_row,
                     const struct tj_assessment_change *c,
                     struct tj_assessment *out, uint64_t *row,
                     struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "SELECT " ASSESSMENT_COLUMNS ", row, NOT EXISTS(SELECT 1"
            " FROM assessment AS later WHERE later.trace = assessment.trace"
            " AND later.overrides = assessment.id)"
            " FROM assessment WHERE trace = ? AND id = ?");
    tj_query_put_u64(&q, trace_row);
    tj_query_put_text(&q, c->id);
    enum tj_step step = tj_query_next(&q, err);
    bool ok = step != TJ_FAILED;
    *row = 0;
    if (step == TJ_ROW) {
        *out = (struct tj_assessment){.trace_id = c->trace_id};
        ok = take_assessment(&q, c->a, out, err);
        *row = tj_query_u64(&q, ASSESSMENT_COLUMN_COUNT);
        out->valid &= tj_query_u64(&q, ASSESSMENT_COLUMN_COUNT + 1) != 0;
    }
    tj_query_close(&q);
    return ok;
}

/* Another one must not have the key that the edit chose. */
static bool check_key(struct tj_db *db, uint64_t trace_row,
                      const struct tj_assessment *as, struct tj_err *err)
{
    if (!as->key.len)
        return true;
    struct tj_query q =
        tj_query_open(db, "SELECT 1 FROM assessment WHERE trace = ?"
                          " AND key = ? AND key <> '' AND id <> ?");
    tj_query_put_u64(&q, trace_row);
    tj_query_put_text(&q, as->key);
    tj_query_put_text(&q, as->id);
    enum tj_step step = tj_query_next(&q, err);
    tj_query_close(&q);
    if (step == TJ_ROW)
        return tj_fold_key_taken(as->key, err);
    return step == TJ_DONE;
}

static bool run_editing(struct tj_db *db, void *ctx, struct tj_err *err)
{
    struct tj_assessment_change *c = ctx;
    struct tj_assessment as;
    uint64_t trace_row;
    uint64_t row = 0;
    bool existed;
    if (!tj_sqlite_find_row(db, c->trace_id, &trace_row, err) ||
        (trace_row && !find_one(db, trace_row, c, &as, &row, err)))
        return false;
    c->found = row != 0;
    if (!row)
        return true;
    switch (c->edit(c->ctx, &as, c->a, err)) {
    case TJ_EDIT_FAIL: return false;
    case TJ_EDIT_KEEP: return true;
    case TJ_EDIT_DELETE:
        return delete_assessment(db, trace_row, as.id, &existed, err);
    case TJ_EDIT_PUT: break;
    }
    return check_key(db, trace_row, &as, err) &&
           write_assessment(db, row, 0, &as, c->a, err);
}

bool tj_sqlite_edit_assessment(struct tj_store *st,
                               struct tj_assessment_change *change,
                               struct tj_err *err)
{
    return tj_sqlite_write(tj_sqlite_self(st), run_editing, change, err);
}

/* Validity as tj_fold_assessments has it. */
bool tj_sqlite_session_assessments(struct tj_store *st,
                                   const struct tj_trace_info *info,
                                   struct tj_arena *a,
                                   struct tj_assessments *out,
                                   struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    TJ_VEC(struct tj_assessment) list = {0};
    if (!w)
        return false;
    struct tj_query q = tj_query_open(
        w->db,
        "SELECT " ASSESSMENT_COLUMNS " FROM assessment AS x"
        " WHERE instr(metadata, '\"mlflow.trace.session\":') > 0 AND valid"
        " AND trace IN (SELECT row FROM trace WHERE session = ?"
        " AND session <> '' AND experiment = ?)"
        " AND NOT EXISTS(SELECT 1 FROM assessment AS o"
        " WHERE o.trace = x.trace AND o.overrides = x.id)");
    tj_query_put_text(&q, info->session);
    tj_query_put_u64(&q, info->experiment_id);
    enum tj_step step;
    bool ok = true;
    while (ok && (step = tj_query_next(&q, err)) != TJ_DONE)
        ok =
            step == TJ_ROW && take_assessment(&q, a, tj_vec_add(&list, a), err);
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    out->items = list.items;
    out->count = list.count;
    return ok;
}

/* -- judges --------------------------------------------------------------- */

static void take_judge(struct tj_query *q, struct tj_arena *a,
                       struct tj_judge_row *out)
{
    out->name = tj_query_dup(q, 0, a);
    out->version = (uint32_t)tj_query_u64(q, 1);
    out->digest = tj_query_dup(q, 2, a);
    out->source = tj_query_dup(q, 3, a);
    out->create_time = tj_query_u64(q, 4);
}

static bool insert_judge(struct tj_db *db, const struct tj_judge_row *in,
                         struct tj_err *err)
{
    struct tj_query q = tj_query_open(
        db, "INSERT INTO judge(name, version, digest, source, create_time)"
            " SELECT ?1, 1 + coalesce(max(version), 0), ?2, ?3, ?4"
            " FROM judge WHERE name = ?1 ON CONFLICT DO NOTHING");
    tj_query_put_text(&q, in->name);
    tj_query_put_text(&q, in->digest);
    tj_query_put_text(&q, in->source);
    tj_query_put_u64(&q, in->create_time);
    return tj_query_run(&q, err);
}

static bool take_one_judge(struct tj_query *q, struct tj_arena *a,
                           struct tj_judge_row *out, struct tj_err *err)
{
    enum tj_step step = tj_query_next(q, err);
    if (step == TJ_ROW)
        take_judge(q, a, out);
    tj_query_close(q);
    return step != TJ_FAILED;
}

struct judging {
    const struct tj_judge_row *in;
    struct tj_arena *a;
    struct tj_judge_row *out;
};

static bool run_judging(struct tj_db *db, void *ctx, struct tj_err *err)
{
    const struct judging *w = ctx;
    if (!insert_judge(db, w->in, err))
        return false;
    struct tj_query q = tj_query_open(
        db, "SELECT name, version, digest, source, create_time FROM judge"
            " WHERE name = ? AND digest = ?");
    tj_query_put_text(&q, w->in->name);
    tj_query_put_text(&q, w->in->digest);
    return take_one_judge(&q, w->a, w->out, err);
}

bool tj_sqlite_add_judge(struct tj_store *st, const struct tj_judge_row *in,
                         struct tj_arena *a, struct tj_judge_row *out,
                         struct tj_err *err)
{
    struct judging w = {in, a, out};
    return tj_sqlite_write(tj_sqlite_self(st), run_judging, &w, err);
}

bool tj_sqlite_find_judge(struct tj_store *st, tj_str name, uint32_t version,
                          struct tj_arena *a, struct tj_judge_row *out,
                          struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    if (!w)
        return false;
    struct tj_query q = tj_query_open(
        w->db, "SELECT name, version, digest, source, create_time FROM judge"
               " WHERE name = ?1 AND (?2 = 0 OR version = ?2)"
               " ORDER BY version DESC LIMIT 1");
    tj_query_put_text(&q, name);
    tj_query_put_u64(&q, version);
    bool ok = take_one_judge(&q, a, out, err);
    tj_sqlite_give(s, w);
    return ok;
}

bool tj_sqlite_judges(struct tj_store *st, struct tj_arena *a,
                      struct tj_judge_rows *out, struct tj_err *err)
{
    struct tj_sqlite *s = tj_sqlite_self(st);
    struct tj_sqlite_worker *w = tj_sqlite_take_reader(s, err);
    TJ_VEC(struct tj_judge_row) rows = {0};
    if (!w)
        return false;
    struct tj_query q = tj_query_open(
        w->db, "SELECT name, version, digest, source, create_time FROM judge"
               " AS j WHERE version = (SELECT max(version) FROM judge"
               " WHERE name = j.name) ORDER BY name");
    enum tj_step step;
    while ((step = tj_query_next(&q, err)) == TJ_ROW)
        take_judge(&q, a, tj_vec_add(&rows, a));
    tj_query_close(&q);
    tj_sqlite_give(s, w);
    out->items = rows.items;
    out->count = rows.count;
    return step == TJ_DONE;
}
