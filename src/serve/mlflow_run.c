/* mlflow_run.c - a run of MLflow: its record, and how it is changed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_run.h"

#include "base/limits.h"
#include "base/random.h"

enum { RUNS_READ = 100 }; /* at a time, with all that was logged to them */

/* -- the record ------------------------------------------------------------ */

#define AT(field) offsetof(struct tj_ml_run, field)

static const struct tj_ml_member members[] = {
    {"run_id", TJ_ML_OWN_ID, AT(id)},
    {"run_name", TJ_ML_OWN_NAME, AT(name)},
    {"experiment_id", TJ_ML_OWN_EXPERIMENT, AT(experiment_id)},
    {"user_id", TJ_ML_TEXT, AT(user_id)},
    {"status", TJ_ML_TEXT, AT(status)},
    {"start_time", TJ_ML_I64, AT(start_time)},
    {"end_time", TJ_ML_MAYBE_I64, AT(end_time)},
    {"deleted", TJ_ML_FLAG, AT(deleted)},
    {"artifact_uri", TJ_ML_TEXT, AT(artifact_uri)},
    {"metrics", TJ_ML_METRICS, AT(metrics)},
    {"params", TJ_ML_MAP, AT(params)},
    {"tags", TJ_ML_MAP, AT(tags)},
    {NULL, TJ_ML_OWN_ID, 0},
};

const struct tj_ml_kind tj_ml_run_kind = {"run", TJ_RECORD_RUN, members};

void tj_ml_write_run_dataset(struct tj_json_writer *w,
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
    tj_ml_read_map(tj_json_find(v, TJ_STR("tags")), a, &out->tags);
}

static void write_inputs(struct tj_json_writer *w, const struct tj_ml_run *run)
{
    tj_jw_key(w, TJ_STR("datasets"));
    tj_jw_array(w);
    tj_vec_each (&run->datasets, const struct tj_ml_dataset_input, d) {
        tj_ml_write_run_dataset(w, d);
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
    tj_ml_record_write(&tj_ml_run_kind, run, &w);
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
    struct tj_ml_run run = {0};
    const struct tj_json *body;
    if (!tj_ml_record_read(&tj_ml_run_kind, record, a, &run, &body, err))
        return false;
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

enum tj_edit tj_ml_edit_run_record(void *ctx, struct tj_record *record,
                                   bool found, struct tj_arena *a,
                                   struct tj_err *err)
{
    struct tj_ml_run_edit *edit = ctx;
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
    struct tj_ml_run_edit edit = {.call = call, .change = change, .ctx = ctx};
    bool ok =
        tj_ml_edited(call, tj_store_edit_record(call->store, TJ_RECORD_RUN, id,
                                                tj_ml_edit_run_record, &edit,
                                                call->arena, &call->err));
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

struct walk {
    tj_ml_run_visit visit;
    void *ctx;
};

static bool visit_record(void *ctx, struct tj_ml *call,
                         const struct tj_record *record, struct tj_arena *a)
{
    const struct walk *walk = ctx;
    struct tj_ml_run run;
    return (tj_ml_run_parse(record, a, &run, &call->err) ||
            tj_ml_fail_err(call)) &&
           walk->visit(walk->ctx, call, &run, record);
}

bool tj_ml_each_run(struct tj_ml *call, uint64_t experiment_id,
                    tj_ml_run_visit visit, void *ctx)
{
    struct walk walk = {visit, ctx};
    struct tj_record_query query = {
        .kind = TJ_RECORD_RUN,
        .parent = tj_ml_experiment_id(call->arena, experiment_id),
        .row_max = RUNS_READ,
    };
    return tj_ml_each_record(call, &query, visit_record, &walk);
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
    struct tj_ml_run_edit edit = {
        .call = call, .change = set_stage, .ctx = &to};
    struct tj_record_work works[RUNS_READ];
    if (!tj_ml_each_run(call, experiment_id, take_id, &list))
        return false;
    for (size_t from = 0; from < list.count; from += RUNS_READ) {
        size_t count = tj_size_min(list.count - from, RUNS_READ);
        for (size_t i = 0; i < count; i++)
            works[i] =
                (struct tj_record_work){TJ_RECORD_RUN, list.items[from + i],
                                        tj_ml_edit_run_record, &edit};
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
