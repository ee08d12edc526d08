/* mlflow_experiments.c - MLflow's experiments: make, find, change.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_check.h"
#include "serve/mlflow_run.h"
#include "serve/mlflow_search.h"
#include "serve/route.h"

/* -- answers -------------------------------------------------------------- */

tj_str tj_ml_artifact_location(struct tj_arena *a,
                               const struct tj_experiment *ex)
{
    if (ex->artifact_location.len)
        return ex->artifact_location;
    return tj_str_printf(a, "mlflow-artifacts:/%llu",
                         (unsigned long long)ex->id);
}

static void write_experiment(struct tj_ml *call, const struct tj_experiment *ex)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_object(w);
    tj_jw_key_str(w, "experiment_id", tj_ml_experiment_id(call->arena, ex->id));
    tj_jw_key_str(w, "name", ex->name);
    tj_jw_key_str(w, "artifact_location",
                  tj_ml_artifact_location(call->arena, ex));
    tj_jw_key_str(w, "lifecycle_stage",
                  ex->deleted ? TJ_STR("deleted") : TJ_STR("active"));
    tj_jw_key_i64(w, "last_update_time", tj_ml_ms(ex->update_time));
    tj_jw_key_i64(w, "creation_time", tj_ml_ms(ex->create_time));
    if (ex->tags.count)
        tj_ml_write_pairs(w, "tags", &ex->tags);
    tj_jw_key_str(w, "workspace", TJ_STR("default"));
    tj_jw_end(w);
}

static void answer_experiment(struct tj_ml *call,
                              const struct tj_experiment *ex)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    tj_jw_key(w, TJ_STR("experiment"));
    write_experiment(call, ex);
    tj_ml_end(call);
}

/* -- make and find -------------------------------------------------------- */

static bool check_new_name(struct tj_ml *call, tj_str name)
{
    return tj_ml_check_chars(call, "name", name,
                             TJ_ML_EXPERIMENT_NAME_CHARS_MAX);
}

/* It is text for clients; this server opens nothing there.  What MLflow would
 * not take is not taken here either. */
static bool check_location(struct tj_ml *call, tj_str location)
{
    if (tj_str_find_byte(location, '#') != (size_t)-1 ||
        tj_str_find_byte(location, '?') != (size_t)-1 ||
        tj_str_find_byte(location, ';') != (size_t)-1)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "'artifact_location' URL can't include fragments or "
                          "params.");
    return tj_str_find(location, TJ_STR("..")) == (size_t)-1 ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid artifact_location: '%.*s'",
                      TJ_STR_ARG(location));
}

static bool check_tags(struct tj_ml *call, const tj_pairs *tags)
{
    tj_vec_each (tags, const struct tj_pair, tag) {
        if (!tj_ml_check_experiment_tag(call, tag->key, tag->value))
            return false;
    }
    return true;
}

/* Somebody who may see some experiments only makes none: it would not see the
 * new one. */
static bool may_make(struct tj_ml *call)
{
    return tj_grant_covers_all(call->rq->grant) ||
           tj_ml_fail(call, TJ_ML_PERMISSION_DENIED, "Permission denied");
}

static void create(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_experiment in = {0};
    struct tj_experiment made;
    bool fresh = false;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_need_str(&call, "name", &in.name) ||
        !tj_ml_opt_str(&call, "artifact_location", &in.artifact_location) ||
        !tj_ml_pairs(&call, "tags", &in.tags) || !may_make(&call))
        return;
    if (!check_location(&call, in.artifact_location) ||
        !check_new_name(&call, in.name) || !check_tags(&call, &in.tags))
        return;
    if (!tj_store_add_experiment(call.store, &in, call.arena, &made, &fresh,
                                 &call.err)) {
        (void)tj_ml_fail_err(&call);
    } else if (!fresh) {
        (void)tj_ml_fail(&call, TJ_ML_RESOURCE_ALREADY_EXISTS,
                         "Experiment(name=%.*s) already exists.",
                         TJ_STR_ARG(in.name));
    } else {
        struct tj_json_writer *w = tj_ml_answer(&call);
        tj_jw_key_str(w, "experiment_id",
                      tj_ml_experiment_id(call.arena, made.id));
        tj_ml_end(&call);
    }
}

/* The experiment of the argument "experiment_id". */
static bool begin_experiment(struct tj_ml *call, struct tj_server *s,
                             const struct tj_request *rq, struct tj_answer *out,
                             struct tj_experiment *ex)
{
    tj_str id;
    return tj_ml_begin(call, s, rq, out) &&
           tj_ml_need_str(call, "experiment_id", &id) &&
           tj_ml_experiment(call, id, ex);
}

static void find(struct tj_server *s, const struct tj_request *rq,
                 struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_experiment ex;
    if (begin_experiment(&call, s, rq, out, &ex))
        answer_experiment(&call, &ex);
}

static void find_named(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_experiment ex;
    tj_str name;
    bool found = false;
    if (!tj_ml_begin(&call, s, rq, out) ||
        !tj_ml_need_str(&call, "experiment_name", &name))
        return;
    if (!tj_store_find_experiment_named(call.store, name, call.arena, &ex,
                                        &found, &call.err))
        (void)tj_ml_fail_err(&call);
    else if (!found)
        (void)tj_ml_fail(&call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                         "Could not find experiment with name '%.*s'",
                         TJ_STR_ARG(name));
    else if (tj_ml_covers(&call, ex.id))
        answer_experiment(&call, &ex);
}

/* -- change --------------------------------------------------------------- */

struct change {
    struct tj_ml *call;
    tj_str key; /* or the new name */
    tj_str value;
    bool to_deleted;
};

static bool edit(struct tj_ml *call, const struct tj_experiment *ex,
                 tj_experiment_edit run, struct change *change)
{
    bool found = false;
    change->call = call;
    return tj_ml_edited(call, tj_store_edit_experiment(call->store, ex->id, run,
                                                       change, call->arena,
                                                       &found, &call->err)) &&
           (found || tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                                "No Experiment with id=%llu exists",
                                (unsigned long long)ex->id));
}

static enum tj_edit edit_name(void *ctx, struct tj_experiment *ex,
                              struct tj_arena *a, struct tj_err *err)
{
    struct change *change = ctx;
    (void)a;
    if (ex->deleted) {
        (void)tj_ml_fail(change->call, TJ_ML_INVALID_STATE,
                         "Cannot rename a non-active experiment.");
        return tj_ml_stop(err);
    }
    ex->name = change->key;
    ex->update_time = tj_now();
    return TJ_EDIT_PUT;
}

/* Asked before, so that the answer can say what is wrong; when two rename at
 * once, the store still refuses the second. */
static bool name_is_free(struct tj_ml *call, tj_str name, uint64_t id)
{
    struct tj_experiment other;
    bool found = false;
    if (!tj_store_find_experiment_named(call->store, name, call->arena, &other,
                                        &found, &call->err))
        return tj_ml_fail_err(call);
    return !found || other.id == id ||
           tj_ml_fail(call, TJ_ML_BAD_REQUEST,
                      "Experiment(name=%.*s) already exists.",
                      TJ_STR_ARG(name));
}

static void update(struct tj_server *s, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_experiment ex;
    struct change change = {0};
    if (begin_experiment(&call, s, rq, out, &ex) &&
        tj_ml_need_str(&call, "new_name", &change.key) &&
        check_new_name(&call, change.key) &&
        name_is_free(&call, change.key, ex.id) &&
        edit(&call, &ex, edit_name, &change))
        tj_ml_done(&call);
}

static enum tj_edit edit_stage(void *ctx, struct tj_experiment *ex,
                               struct tj_arena *a, struct tj_err *err)
{
    struct change *change = ctx;
    (void)a;
    if (ex->deleted == change->to_deleted) {
        (void)tj_ml_fail(change->call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                         "No Experiment with id=%llu exists",
                         (unsigned long long)ex->id);
        return tj_ml_stop(err);
    }
    ex->deleted = change->to_deleted;
    ex->update_time = tj_now();
    return TJ_EDIT_PUT;
}

/* The runs go and come back with their experiment, as in MLflow. */
static void set_stage(struct tj_server *s, const struct tj_request *rq,
                      struct tj_answer *out, enum tj_ml_view to)
{
    struct tj_ml call;
    struct tj_experiment ex;
    struct change change = {.to_deleted = to == TJ_ML_DELETED};
    if (begin_experiment(&call, s, rq, out, &ex) &&
        edit(&call, &ex, edit_stage, &change) &&
        tj_ml_stage_runs(&call, ex.id, to))
        tj_ml_done(&call);
}

static void delete (struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    set_stage(s, rq, out, TJ_ML_DELETED);
}

static void restore(struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    set_stage(s, rq, out, TJ_ML_ACTIVE);
}

static enum tj_edit edit_tag(void *ctx, struct tj_experiment *ex,
                             struct tj_arena *a, struct tj_err *err)
{
    struct change *change = ctx;
    if (!tj_ml_experiment_is_active(change->call, ex))
        return tj_ml_stop(err);
    tj_pairs_set(&ex->tags, a, change->key, change->value);
    return TJ_EDIT_PUT;
}

static void set_tag(struct tj_server *s, const struct tj_request *rq,
                    struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_experiment ex;
    struct change change = {0};
    if (!begin_experiment(&call, s, rq, out, &ex) ||
        !tj_ml_need_str(&call, "key", &change.key) ||
        !tj_ml_opt_str(&call, "value", &change.value))
        return;
    if (tj_ml_check_experiment_tag(&call, change.key, change.value) &&
        edit(&call, &ex, edit_tag, &change))
        tj_ml_done(&call);
}

static enum tj_edit edit_tag_away(void *ctx, struct tj_experiment *ex,
                                  struct tj_arena *a, struct tj_err *err)
{
    struct change *change = ctx;
    (void)a;
    if (!tj_ml_experiment_is_active(change->call, ex))
        return tj_ml_stop(err);
    if (tj_ml_pairs_remove(&ex->tags, change->key))
        return TJ_EDIT_PUT;
    (void)tj_ml_fail(change->call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                     "No tag with name: %.*s in experiment with id %llu",
                     TJ_STR_ARG(change->key), (unsigned long long)ex->id);
    return tj_ml_stop(err);
}

static void delete_tag(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_experiment ex;
    struct change change = {0};
    if (begin_experiment(&call, s, rq, out, &ex) &&
        tj_ml_need_str(&call, "key", &change.key) &&
        edit(&call, &ex, edit_tag_away, &change))
        tj_ml_done(&call);
}

/* -- search --------------------------------------------------------------- */

static const struct tj_ml_key experiment_keys[] = {
    {"name", "name", 0},
    {"experiment_id", "experiment_id", TJ_ML_KEY_ID | TJ_ML_KEY_LIST},
    {"creation_time", "creation_time", TJ_ML_KEY_NUMERIC},
    {"last_update_time", "last_update_time", TJ_ML_KEY_NUMERIC},
    {0},
};

static const struct tj_ml_language experiment_language = {
    .keys = experiment_keys,
    .entities = 1 << TJ_ML_ATTRIBUTE | 1 << TJ_ML_TAG,
    .types = "('attribute', 'tag', 'tags')",
    .attributes = " '{'creation_time', 'experiment_id', 'last_update_time', "
                  "'name'}'",
    .lists = "['experiment_id']",
};

static bool lookup(const void *item, const struct tj_ml_field *field, size_t i,
                   struct tj_ml_value *out)
{
    const struct tj_experiment *ex = item;
    if (i)
        return false;
    if (field->entity == TJ_ML_TAG) {
        out->text = tj_pairs_find(&ex->tags, field->key);
        return out->text.ptr != NULL;
    }
    out->is_number = true;
    if (tj_str_eq(field->key, TJ_STR("experiment_id")))
        out->number = (double)ex->id;
    else if (tj_str_eq(field->key, TJ_STR("creation_time")))
        out->number = (double)tj_ml_ms(ex->create_time);
    else if (tj_str_eq(field->key, TJ_STR("last_update_time")))
        out->number = (double)tj_ml_ms(ex->update_time);
    else
        *out = (struct tj_ml_value){.text = ex->name};
    return true;
}

static bool read_search(struct tj_ml *call, enum tj_ml_view *view,
                        struct tj_ml_search *s)
{
    if (!tj_ml_view(call, "view_type", view) ||
        !tj_ml_search_read(call, &experiment_language, 0, "filter", s))
        return false;
    if (!s->orders.count) {
        tj_ml_orders_add(call, &s->orders, "creation_time", true);
        tj_ml_orders_add(call, &s->orders, "experiment_id", false);
    }
    tj_ml_orders_add(call, &s->orders, "experiment_id", true);
    return true;
}

static bool gather(struct tj_ml *call, enum tj_ml_view view,
                   struct tj_ml_search *s)
{
    struct tj_experiment *all;
    size_t count = 0;
    if (!tj_store_experiments(call->store, call->arena, &all, &count,
                              &call->err))
        return tj_ml_fail_err(call);
    for (size_t i = 0; i < count; i++) {
        if (tj_grant_covers(call->rq->grant, all[i].id) &&
            tj_ml_in_view(view, all[i].deleted) &&
            tj_ml_filter_match(&s->filter, lookup, &all[i]))
            *tj_vec_add(&s->found, call->arena) = &all[i];
    }
    return true;
}

static void write_found(struct tj_ml *call, const void *item)
{
    write_experiment(call, item);
}

static void search(struct tj_server *server, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_search s = {0};
    enum tj_ml_view view;
    if (tj_ml_begin(&call, server, rq, out) && read_search(&call, &view, &s) &&
        gather(&call, view, &s))
        tj_ml_answer_search(&call, &s, "experiments", lookup, write_found);
}

#define AT(name) "/mlflow/experiments/" name

const struct tj_route tj_routes_experiments[] = {
    {TJ_METHOD_POST, TJ_V2, AT("create"), TJ_ACCESS_WRITE, create},
    {TJ_METHOD_GET, TJ_V2, AT("get"), TJ_ACCESS_READ, find},
    {TJ_METHOD_GET, TJ_V2, AT("get-by-name"), TJ_ACCESS_READ, find_named},
    {TJ_METHOD_POST, TJ_V2, AT("search"), TJ_ACCESS_READ, search},
    {TJ_METHOD_GET, TJ_V2, AT("search"), TJ_ACCESS_READ, search},
    {TJ_METHOD_POST, TJ_V2, AT("update"), TJ_ACCESS_WRITE, update},
    {TJ_METHOD_POST, TJ_V2, AT("delete"), TJ_ACCESS_WRITE, delete},
    {TJ_METHOD_POST, TJ_V2, AT("restore"), TJ_ACCESS_WRITE, restore},
    {TJ_METHOD_POST, TJ_V2, AT("set-experiment-tag"), TJ_ACCESS_WRITE, set_tag},
    {TJ_METHOD_POST, TJ_V2, AT("delete-experiment-tag"), TJ_ACCESS_WRITE,
     delete_tag},
    {.run = NULL},
};
