/* mlflow_run.c - a run of MLflow: its record, and how it answers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_run.h"

#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/random.h"
#include "base/sha256.h"

enum { RUNS_READ = 100 }; /* at a time, with all that was logged to them */

/* -- pairs ---------------------------------------------------------------- */

static void read_map(const struct tj_json *v, struct tj_arena *a, tj_pairs *out)
{
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m))
        *tj_vec_add(out, a) = (struct tj_pair){m.key, tj_json_str(m.value)};
}

/* -- the body ------------------------------------------------------------- */

static void write_number(struct tj_json_writer *w, double value)
{
    if (isnan(value))
        tj_jw_str(w, TJ_STR("NaN"));
    else
        tj_jw_double(w, value);
}

static void write_metrics(struct tj_json_writer *w,
                          const tj_ml_metrics *metrics)
{
    tj_jw_array(w);
    tj_vec_each (metrics, const struct tj_ml_metric, m) {
        tj_jw_array(w);
        tj_jw_str(w, m->key);
        write_number(w, m->value);
        tj_jw_i64(w, m->timestamp);
        tj_jw_i64(w, m->step);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void read_metrics(const struct tj_json *v, struct tj_arena *a,
                         tj_ml_metrics *out)
{
    tj_json_each (v, item) {
        struct tj_ml_metric *m = tj_vec_add(out, a);
        m->key = tj_json_str(tj_json_item(item, 0));
        if (!tj_json_double(tj_json_item(item, 1), &m->value))
            m->value = (double)NAN;
        (void)tj_json_i64(tj_json_item(item, 2), &m->timestamp);
        (void)tj_json_i64(tj_json_item(item, 3), &m->step);
    }
}

static void write_dataset(struct tj_json_writer *w,
                          const struct tj_ml_dataset_input *d)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "name", d->name);
    tj_jw_key_str(w, "digest", d->digest);
    tj_jw_key_str(w, "source_type", d->source_type);
    tj_jw_key_str(w, "source", d->source);
    if (d->schema.ptr)
        tj_jw_key_str(w, "schema", d->schema);
    if (d->profile.ptr)
        tj_jw_key_str(w, "profile", d->profile);
}

/* An empty text that is there. */
static tj_str kept(tj_str text)
{
    return text.ptr ? text : TJ_STR("");
}

static void read_dataset(const struct tj_json *v, struct tj_arena *a,
                         struct tj_ml_dataset_input *out)
{
    out->name = tj_json_find_str(v, TJ_STR("name"));
    out->digest = tj_json_find_str(v, TJ_STR("digest"));
    out->source_type = tj_json_find_str(v, TJ_STR("source_type"));
    out->source = tj_json_find_str(v, TJ_STR("source"));
    if (tj_json_find(v, TJ_STR("schema")))
        out->schema = kept(tj_json_find_str(v, TJ_STR("schema")));
    if (tj_json_find(v, TJ_STR("profile")))
        out->profile = kept(tj_json_find_str(v, TJ_STR("profile")));
    read_map(tj_json_find(v, TJ_STR("tags")), a, &out->tags);
}

static void write_inputs(struct tj_json_writer *w, const struct tj_ml_run *run)
{
    tj_jw_key(w, TJ_STR("datasets"));
    tj_jw_array(w);
    tj_vec_each (&run->datasets, const struct tj_ml_dataset_input, d) {
        write_dataset(w, d);
        tj_ml_write_map(w, "tags", &d->tags);
        tj_jw_end(w);
    }
    tj_jw_end(w);
    tj_jw_key(w, TJ_STR("model_inputs"));
    tj_jw_array(w);
    tj_vec_each (&run->model_inputs, const tj_str, id)
        tj_jw_str(w, *id);
    tj_jw_end(w);
    tj_jw_key(w, TJ_STR("model_outputs"));
    tj_jw_array(w);
    tj_vec_each (&run->model_outputs, const struct tj_ml_model_output, output) {
        tj_jw_array(w);
        tj_jw_str(w, output->model_id);
        tj_jw_i64(w, output->step);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

void tj_ml_run_body(const struct tj_ml_run *run, struct tj_arena *a,
                    struct tj_record *out)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "user_id", run->user_id);
    tj_jw_key_str(&w, "status", run->status);
    tj_jw_key_i64(&w, "start_time", run->start_time);
    if (run->ended)
        tj_jw_key_i64(&w, "end_time", run->end_time);
    if (run->deleted)
        tj_jw_key_bool(&w, "deleted", true);
    tj_jw_key_str(&w, "artifact_uri", run->artifact_uri);
    tj_jw_key(&w, TJ_STR("metrics"));
    write_metrics(&w, &run->metrics);
    tj_ml_write_map(&w, "params", &run->params);
    tj_ml_write_map(&w, "tags", &run->tags);
    write_inputs(&w, run);
    tj_jw_end(&w);
    out->body = tj_buf_str(&buf);
    out->name = run->name;
    out->parent = tj_ml_experiment_id(a, run->experiment_id);
    out->update_time = tj_now();
}

static void read_models(const struct tj_json *body, struct tj_arena *a,
                        struct tj_ml_run *out)
{
    tj_json_each (tj_json_find(body, TJ_STR("model_inputs")), id)
        *tj_vec_add(&out->model_inputs, a) = tj_json_str(id);
    tj_json_each (tj_json_find(body, TJ_STR("model_outputs")), v) {
        struct tj_ml_model_output *o = tj_vec_add(&out->model_outputs, a);
        o->model_id = tj_json_str(tj_json_item(v, 0));
        (void)tj_json_i64(tj_json_item(v, 1), &o->step);
    }
}

bool tj_ml_run_parse(const struct tj_record *record, struct tj_arena *a,
                     struct tj_ml_run *out, struct tj_err *err)
{
    struct tj_json_doc doc;
    struct tj_ml_run run = {.id = record->id, .name = record->name};
    if (!tj_json_parse(record->body, a, &doc, err) ||
        !tj_str_to_u64(record->parent, &run.experiment_id))
        return tj_fail(err, TJ_E_BACKEND, "run %.*s in the store is broken",
                       TJ_STR_ARG(record->id));
    const struct tj_json *body = doc.root;
    run.user_id = tj_json_find_str(body, TJ_STR("user_id"));
    run.status = tj_json_find_str(body, TJ_STR("status"));
    run.artifact_uri = tj_json_find_str(body, TJ_STR("artifact_uri"));
    (void)tj_json_i64(tj_json_find(body, TJ_STR("start_time")),
                      &run.start_time);
    run.ended =
        tj_json_i64(tj_json_find(body, TJ_STR("end_time")), &run.end_time);
    run.deleted = tj_json_bool(tj_json_find(body, TJ_STR("deleted")), false);
    read_metrics(tj_json_find(body, TJ_STR("metrics")), a, &run.metrics);
    read_map(tj_json_find(body, TJ_STR("params")), a, &run.params);
    read_map(tj_json_find(body, TJ_STR("tags")), a, &run.tags);
    tj_json_each (tj_json_find(body, TJ_STR("datasets")), d)
        read_dataset(d, a, tj_vec_add(&run.datasets, a));
    read_models(body, a, &run);
    *out = run;
    return true;
}

/* -- in the store --------------------------------------------------------- */

static bool refuse_unknown(struct tj_ml *call, tj_str id)
{
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "Run with id=%.*s not found", TJ_STR_ARG(id));
}

bool tj_ml_find_run(struct tj_ml *call, tj_str id, struct tj_ml_run *out)
{
    struct tj_record record;
    bool found = false;
    if (!tj_store_find_record(call->store, TJ_RECORD_RUN, id, call->arena,
                              &record, &found, &call->err))
        return tj_ml_fail_err(call);
    if (!found)
        return refuse_unknown(call, id);
    return (tj_ml_run_parse(&record, call->arena, out, &call->err) ||
            tj_ml_fail_err(call)) &&
           tj_ml_covers(call, out->experiment_id);
}

struct edit {
    struct tj_ml *call;
    tj_ml_run_change change;
    void *ctx;
    struct tj_ml_run run;
};

static enum tj_edit edit_record(void *ctx, struct tj_record *record, bool found,
                                struct tj_arena *a, struct tj_err *err)
{
    struct edit *edit = ctx;
    if (!found) {
        (void)refuse_unknown(edit->call, record->id);
        return tj_ml_stop(err);
    }
    if (!tj_ml_run_parse(record, a, &edit->run, err))
        return TJ_EDIT_FAIL;
    if (!tj_ml_covers(edit->call, edit->run.experiment_id) ||
        !edit->change(edit->ctx, edit->call, &edit->run))
        return tj_ml_stop(err);
    tj_ml_run_body(&edit->run, a, record);
    return TJ_EDIT_PUT;
}

bool tj_ml_edit_run(struct tj_ml *call, tj_str id, tj_ml_run_change change,
                    void *ctx, struct tj_ml_run *out)
{
    struct edit edit = {.call = call, .change = change, .ctx = ctx};
    bool ok = tj_ml_edited(
        call, tj_store_edit_record(call->store, TJ_RECORD_RUN, id, edit_record,
                                   &edit, call->arena, &call->err));
    if (ok && out)
        *out = edit.run;
    return ok;
}

bool tj_ml_run_is_active(struct tj_ml *call, const struct tj_ml_run *run)
{
    return !run->deleted ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "The run %.*s must be in the 'active' state. Current "
                      "state is deleted.",
                      TJ_STR_ARG(run->id));
}

static bool visit_page(struct tj_ml *call, const struct tj_record_page *page,
                       tj_ml_run_visit visit, void *ctx, struct tj_arena *a)
{
    for (size_t i = 0; i < page->count; i++) {
        struct tj_ml_run run = {0};
        if (!tj_ml_run_parse(&page->items[i], a, &run, &call->err))
            return tj_ml_fail_err(call);
        if (!visit(ctx, call, &run, &page->items[i]))
            return false;
    }
    return true;
}

bool tj_ml_each_run(struct tj_ml *call, uint64_t experiment_id,
                    tj_ml_run_visit visit, void *ctx)
{
    struct tj_arena arena = {0};
    struct tj_record_query query = {
        .kind = TJ_RECORD_RUN,
        .parent = tj_ml_experiment_id(call->arena, experiment_id),
        .row_max = RUNS_READ,
    };
    bool ok = true;
    do {
        struct tj_record_page page = {0};
        ok =
            (tj_store_records(call->store, &query, &arena, &page, &call->err) ||
             tj_ml_fail_err(call)) &&
            visit_page(call, &page, visit, ctx, &arena);
        query.page_token = tj_str_dup(call->arena, page.next_page_token);
        tj_arena_reset(&arena);
    } while (ok && query.page_token.len);
    tj_arena_release(&arena);
    return ok;
}

static bool set_stage(void *ctx, struct tj_ml *call, struct tj_ml_run *run)
{
    const enum tj_ml_view *to = ctx;
    (void)call;
    run->deleted = *to == TJ_ML_DELETED;
    return true;
}

typedef TJ_VEC(tj_str) ids;

static bool take_id(void *ctx, struct tj_ml *call, const struct tj_ml_run *run,
                    const struct tj_record *record)
{
    ids *list = ctx;
    (void)record;
    *tj_vec_add(list, call->arena) = tj_str_dup(call->arena, run->id);
    return true;
}

/* Many at a time, since each transaction is waited for. */
bool tj_ml_stage_runs(struct tj_ml *call, uint64_t experiment_id,
                      enum tj_ml_view to)
{
    ids list = {0};
    struct edit edit = {.call = call, .change = set_stage, .ctx = &to};
    struct tj_record_work works[RUNS_READ];
    if (!tj_ml_each_run(call, experiment_id, take_id, &list))
        return false;
    for (size_t from = 0; from < list.count; from += RUNS_READ) {
        size_t count = tj_size_min(list.count - from, RUNS_READ);
        for (size_t i = 0; i < count; i++)
            works[i] = (struct tj_record_work){
                TJ_RECORD_RUN, list.items[from + i], edit_record, &edit};
        if (!tj_ml_edited(call, tj_store_edit_records(call->store, works, count,
                                                      call->arena, &call->err)))
            return false;
    }
    return true;
}

/* -- what requests name ---------------------------------------------------- */

/* run_id, or run_uuid as the oldest clients call it. */
bool tj_ml_need_run_id(struct tj_ml *call, tj_str *id)
{
    *id = tj_ml_str(call, "run_id");
    if (!id->len)
        *id = tj_ml_str(call, "run_uuid");
    return id->len || tj_ml_missing(call, "run_id");
}

bool tj_ml_check_run_tags(struct tj_ml *call, tj_pairs *tags,
                          const char *prefix)
{
    for (size_t i = 0; i < tags->count; i++) {
        struct tj_pair *tag = &tags->items[i];
        char path[48] = "key";
        if (prefix) {
            tj_str text = tj_str_printf(call->arena, "%s[%zu].key", prefix, i);
            memcpy(path, text.ptr, tj_size_min(text.len, sizeof path - 1) + 1);
            path[sizeof path - 1] = '\0';
        }
        if (!tj_ml_check_name(call, path, tag->key) ||
            !tj_ml_check_chars(call, path, tag->key, TJ_ML_KEY_CHARS_MAX))
            return false;
        tag->value = tj_ml_cut(tag->value, TJ_ML_TAG_CHARS_MAX);
    }
    return true;
}

bool tj_ml_run_has_room(struct tj_ml *call, const struct tj_ml_run *run)
{
    const struct {
        const char *what;
        size_t count;
    } counts[] = {
        {"metrics", run->metrics.count},
        {"params", run->params.count},
        {"tags", run->tags.count},
        {"inputs", run->datasets.count + run->model_inputs.count},
        {"outputs", run->model_outputs.count},
    };
    for (size_t i = 0; i < TJ_COUNT(counts); i++) {
        if (counts[i].count > TJ_RUN_KEYS_MAX)
            return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                              "a run has at most %zu %s", TJ_RUN_KEYS_MAX,
                              counts[i].what);
    }
    return true;
}

/* -- answers -------------------------------------------------------------- */

void tj_ml_write_run_info(struct tj_ml *call, const struct tj_ml_run *run)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_object(w);
    tj_jw_key_str(w, "run_uuid", run->id);
    tj_jw_key_str(w, "experiment_id",
                  tj_ml_experiment_id(call->arena, run->experiment_id));
    tj_jw_key_str(w, "run_name", run->name);
    tj_jw_key_str(w, "user_id", run->user_id);
    tj_jw_key_str(w, "status", run->status);
    tj_jw_key_i64(w, "start_time", run->start_time);
    if (run->ended)
        tj_jw_key_i64(w, "end_time", run->end_time);
    tj_jw_key_str(w, "artifact_uri", run->artifact_uri);
    tj_jw_key_str(w, "lifecycle_stage",
                  run->deleted ? TJ_STR("deleted") : TJ_STR("active"));
    tj_jw_key_str(w, "run_id", run->id);
    tj_jw_end(w);
}

void tj_ml_write_metric(struct tj_json_writer *w,
                        const struct tj_ml_metric *metric)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "key", metric->key);
    tj_jw_key(w, TJ_STR("value"));
    write_number(w, metric->value);
    tj_jw_key_i64(w, "timestamp", metric->timestamp);
    tj_jw_key_i64(w, "step", metric->step);
    tj_jw_end(w);
}

static void write_data(struct tj_json_writer *w, const struct tj_ml_run *run)
{
    tj_jw_object(w);
    if (run->metrics.count) {
        tj_jw_key(w, TJ_STR("metrics"));
        tj_jw_array(w);
        tj_vec_each (&run->metrics, const struct tj_ml_metric, m)
            tj_ml_write_metric(w, m);
        tj_jw_end(w);
    }
    if (run->params.count)
        tj_ml_write_pairs(w, "params", &run->params);
    if (run->tags.count)
        tj_ml_write_pairs(w, "tags", &run->tags);
    tj_jw_end(w);
}

static void write_dataset_inputs(struct tj_json_writer *w,
                                 const struct tj_ml_run *run)
{
    tj_jw_key(w, TJ_STR("dataset_inputs"));
    tj_jw_array(w);
    tj_vec_each (&run->datasets, const struct tj_ml_dataset_input, d) {
        tj_jw_object(w);
        if (d->tags.count)
            tj_ml_write_pairs(w, "tags", &d->tags);
        tj_jw_key(w, TJ_STR("dataset"));
        write_dataset(w, d);
        tj_jw_end(w);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void write_model_inputs(struct tj_json_writer *w,
                               const struct tj_ml_run *run)
{
    tj_jw_key(w, TJ_STR("model_inputs"));
    tj_jw_array(w);
    tj_vec_each (&run->model_inputs, const tj_str, id) {
        tj_jw_object(w);
        tj_jw_key_str(w, "model_id", *id);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void write_outputs(struct tj_json_writer *w, const struct tj_ml_run *run)
{
    tj_jw_key(w, TJ_STR("outputs"));
    tj_jw_object(w);
    if (run->model_outputs.count) {
        tj_jw_key(w, TJ_STR("model_outputs"));
        tj_jw_array(w);
        tj_vec_each (&run->model_outputs, const struct tj_ml_model_output, o) {
            tj_jw_object(w);
            tj_jw_key_str(w, "model_id", o->model_id);
            tj_jw_key_i64(w, "step", o->step);
            tj_jw_end(w);
        }
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

void tj_ml_write_run(struct tj_ml *call, const struct tj_ml_run *run,
                     unsigned parts)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_object(w);
    tj_jw_key(w, TJ_STR("info"));
    tj_ml_write_run_info(call, run);
    tj_jw_key(w, TJ_STR("data"));
    write_data(w, run);
    tj_jw_key(w, TJ_STR("inputs"));
    tj_jw_object(w);
    if (run->datasets.count)
        write_dataset_inputs(w, run);
    if (run->model_inputs.count && parts & TJ_ML_RUN_MODEL_INPUTS)
        write_model_inputs(w, run);
    tj_jw_end(w);
    if (parts & TJ_ML_RUN_OUTPUTS)
        write_outputs(w, run);
    tj_jw_end(w);
}

/* -- what was logged of metrics -------------------------------------------- */

static tj_str name_of(const tj_ml_metrics *metrics)
{
    tj_str name = metrics->items[0].key;
    tj_vec_each (metrics, const struct tj_ml_metric, m) {
        if (!tj_str_eq(m->key, name))
            return TJ_STR("");
    }
    return name;
}

struct new_metrics {
    tj_str run_id;
    tj_str name;
    tj_str body;
};

static enum tj_edit put_metrics(void *ctx, struct tj_record *record, bool found,
                                struct tj_arena *a, struct tj_err *err)
{
    const struct new_metrics *new = ctx;
    (void)a;
    (void)err;
    if (found)
        return TJ_EDIT_KEEP;
    record->parent = new->run_id;
    record->name = new->name;
    record->body = new->body;
    return TJ_EDIT_PUT;
}

bool tj_ml_log_to_run(struct tj_ml *call, tj_str id, tj_ml_run_change change,
                      void *ctx, const tj_ml_metrics *metrics)
{
    struct edit edit = {.call = call, .change = change, .ctx = ctx};
    struct new_metrics new = {.run_id = id};
    struct tj_record_work works[2] = {
        {TJ_RECORD_RUN, id, edit_record, &edit},
        {TJ_RECORD_METRIC, {0}, put_metrics, &new},
    };
    if (metrics->count) {
        struct tj_buf buf;
        struct tj_json_writer w;
        tj_buf_init(&buf, call->arena, SIZE_MAX);
        tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
        write_metrics(&w, metrics);
        new.name = name_of(metrics);
        new.body = tj_buf_str(&buf);
        works[1].id = tj_sha256_hex(
            call->arena, tj_str_printf(call->arena, "%.*s %.*s", TJ_STR_ARG(id),
                                       TJ_STR_ARG(new.body)));
    }
    return tj_ml_edited(call, tj_store_edit_records(call->store, works,
                                                    metrics->count ? 2 : 1,
                                                    call->arena, &call->err));
}

static bool read_history(struct tj_ml *call, tj_str body, tj_str key,
                         struct tj_arena *a, tj_ml_metrics *out)
{
    struct tj_json_doc doc;
    tj_ml_metrics all = {0};
    if (!tj_json_parse(body, a, &doc, &call->err))
        return tj_ml_fail_err(call);
    read_metrics(doc.root, a, &all);
    tj_vec_each (&all, const struct tj_ml_metric, m) {
        if (!tj_str_eq(m->key, key))
            continue;
        struct tj_ml_metric *kept = tj_vec_add(out, call->arena);
        *kept = *m;
        kept->key = key; /* m's own goes with a */
    }
    return true;
}

/* The records of a run with this name: key, or "" for those of many keys. */
static bool gather(struct tj_ml *call, tj_str run_id, tj_str name, tj_str key,
                   tj_ml_metrics *out)
{
    struct tj_arena arena = {0};
    struct tj_record_query query = {
        .kind = TJ_RECORD_METRIC,
        .parent = run_id,
        .name = name,
        .row_max = TJ_SEARCH_ROWS_MAX,
    };
    bool ok = true;
    do {
        struct tj_record_page page = {0};
        ok = tj_store_records(call->store, &query, &arena, &page, &call->err) ||
             tj_ml_fail_err(call);
        for (size_t i = 0; ok && i < page.count; i++)
            ok = read_history(call, page.items[i].body, key, &arena, out);
        query.page_token = tj_str_dup(call->arena, page.next_page_token);
        tj_arena_reset(&arena);
    } while (ok && query.page_token.len);
    tj_arena_release(&arena);
    return ok;
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* NaN stands where MLflow's SQL has it: at 0, before a true 0. */
static int compare_metrics(const void *left, const void *right)
{
    const struct tj_ml_metric *a = left;
    const struct tj_ml_metric *b = right;
    int order = compare_i64(a->timestamp, b->timestamp);
    double x = isnan(a->value) ? 0 : a->value;
    double y = isnan(b->value) ? 0 : b->value;
    order = order ? order : compare_i64(a->step, b->step);
    order = order ? order : (x > y) - (x < y);
    return order ? order : !isnan(a->value) - !isnan(b->value);
}

bool tj_ml_metric_history(struct tj_ml *call, tj_str run_id, tj_str key,
                          tj_ml_metrics *out)
{
    tj_ml_metrics all = {0};
    if (!gather(call, run_id, key, key, &all) ||
        !gather(call, run_id, TJ_STR(""), key, &all))
        return false;
    if (all.count)
        qsort(all.items, all.count, sizeof *all.items, compare_metrics);
    size_t kept = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (!kept || compare_metrics(&all.items[kept - 1], &all.items[i]))
            all.items[kept++] = all.items[i];
    }
    all.count = kept;
    *out = all;
    return true;
}

/* -- names ---------------------------------------------------------------- */

tj_str tj_ml_run_random_name(struct tj_arena *a)
{
    static const char *const firsts[] = {
        "amber", "bold",  "brisk", "calm",  "clear", "crisp", "deft",  "eager",
        "fair",  "fleet", "fresh", "glad",  "grand", "hardy", "keen",  "light",
        "lucid", "mild",  "neat",  "noble", "proud", "quick", "quiet", "ready",
        "sharp", "solid", "spry",  "sunny", "swift", "tidy",  "vivid", "warm",
    };
    static const char *const seconds[] = {
        "badger", "bear",   "bison", "crane", "curlew", "deer",  "dove",
        "eagle",  "falcon", "finch", "fox",   "gull",   "hare",  "heron",
        "ibis",   "jay",    "kite",  "lark",  "lynx",   "mole",  "otter",
        "owl",    "plover", "raven", "robin", "seal",   "stoat", "stork",
        "swan",   "tern",   "trout", "wren",
    };
    uint64_t bits = tj_random_u64();
    return tj_str_printf(a, "%s-%s-%u", firsts[bits % TJ_COUNT(firsts)],
                         seconds[(bits >> 8) % TJ_COUNT(seconds)],
                         (unsigned)((bits >> 16) % 1000));
}
