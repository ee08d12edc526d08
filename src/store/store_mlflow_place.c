/* store_mlflow_place.c - experiments of an MLflow server.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every search names its experiments, so those that are active are asked for
 * once a minute.  When the URL names one, it is the only one.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "store/store_mlflow_int.h"

enum { FRESH_SECONDS = 60, PAGE_ROWS = 1000 };

/* -- JSON ------------------------------------------------------------------ */

static tj_time ms_time(const struct tj_json *v)
{
    uint64_t ms = 0;
    bool ok = tj_json_u64_loose(v, &ms) && ms <= UINT64_MAX / TJ_NS_PER_MS;
    return ok ? ms * TJ_NS_PER_MS : 0;
}

static struct tj_experiment take_experiment(const struct tj_json *v,
                                            struct tj_arena *a)
{
    struct tj_experiment ex = {
        .name = tj_json_find_str(v, TJ_STR("name")),
        .artifact_location = tj_json_find_str(v, TJ_STR("artifact_location")),
        .deleted = tj_str_eq(tj_json_find_str(v, TJ_STR("lifecycle_stage")),
                             TJ_STR("deleted")),
        .create_time = ms_time(tj_json_find(v, TJ_STR("creation_time"))),
        .update_time = ms_time(tj_json_find(v, TJ_STR("last_update_time"))),
    };
    (void)!tj_json_u64_loose(tj_json_find(v, TJ_STR("experiment_id")), &ex.id);
    tj_json_each (tj_json_find(v, TJ_STR("tags")), tag)
        tj_pairs_set(&ex.tags, a, tj_json_find_str(tag, TJ_STR("key")),
                     tj_json_find_str(tag, TJ_STR("value")));
    return ex;
}

static tj_str id_text(const struct tj_json *v)
{
    const struct tj_json *id = tj_json_find(v, TJ_STR("experiment_id"));
    return tj_json_is_number(id) ? tj_json_number_text(id) : tj_json_str(id);
}

/* One experiment; *out NULL: there is none. */
static bool read_one(struct tj_mlflow *m, tj_str path, struct tj_arena *a,
                     const struct tj_json **out, struct tj_err *err)
{
    struct tj_mlflow_request r = {.method = "GET", .path = path};
    struct tj_mlflow_reply reply = {0};
    *out = NULL;
    if (!tj_mlflow_call(m, &r, a, &reply, err))
        return false;
    if (reply.no_route)
        return tj_mlflow_ask(m, &r, a, out, err); /* for its message */
    *out = tj_json_find(reply.root, TJ_STR("experiment"));
    return true;
}

static bool read_named(struct tj_mlflow *m, tj_str name, struct tj_arena *a,
                       const struct tj_json **out, struct tj_err *err)
{
    tj_str path = tj_str_printf(
        a, "/api/2.0/mlflow/experiments/get-by-name?experiment_name=%.*s",
        TJ_STR_ARG(tj_mlflow_escape(a, name)));
    return read_one(m, path, a, out, err);
}

static bool read_numbered(struct tj_mlflow *m, tj_str id, struct tj_arena *a,
                          const struct tj_json **out, struct tj_err *err)
{
    tj_str path =
        tj_str_printf(a, "/api/2.0/mlflow/experiments/get?experiment_id=%.*s",
                      TJ_STR_ARG(id));
    return read_one(m, path, a, out, err);
}

static tj_str search_body(struct tj_arena *a, const char *view, tj_str token)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_u64(&w, "max_results", PAGE_ROWS);
    tj_jw_key_str(&w, "view_type", tj_str_c(view));
    if (token.len)
        tj_jw_key_str(&w, "page_token", token);
    tj_jw_end(&w);
    return tj_buf_str(&b);
}

/* Calls add for each; the trees live in a. */
static bool each_experiment(struct tj_mlflow *m, const char *view,
                            struct tj_arena *a,
                            void (*add)(void *ctx, const struct tj_json *v),
                            void *ctx, struct tj_err *err)
{
    tj_str token = {0};
    size_t count = 0;
    do {
        struct tj_mlflow_request r = {
            .method = "POST",
            .path = TJ_STR("/api/2.0/mlflow/experiments/search"),
            .body = search_body(a, view, token)};
        const struct tj_json *root = NULL;
        if (!tj_mlflow_ask(m, &r, a, &root, err))
            return false;
        const struct tj_json *list = tj_json_find(root, TJ_STR("experiments"));
        tj_json_each (list, it)
            add(ctx, it);
        count += tj_json_count(list);
        tj_str last = token;
        token = tj_json_find_str(root, TJ_STR("next_page_token"));
        if (token.len && (!tj_json_count(list) || tj_str_eq(token, last)))
            return tj_fail(err, TJ_E_BACKEND,
                           "%.*s: a list of experiments that does not end",
                           TJ_STR_ARG(m->base));
    } while (token.len && count < TJ_MLFLOW_EXPERIMENTS_MAX);
    return !token.len ||
           tj_fail(err, TJ_E_LIMIT,
                   "%.*s has over %zu experiments: name one in the store's "
                   "URL, ?experiment=NAME",
                   TJ_STR_ARG(m->base), TJ_MLFLOW_EXPERIMENTS_MAX);
}

/* -- which are meant ------------------------------------------------------- */

struct gathering {
    tj_mlflow_places *places;
    struct tj_arena *a;
};

static void add_place(void *ctx, const struct tj_json *v)
{
    struct gathering *g = ctx;
    tj_str id = id_text(v);
    if (!id.len)
        return;
    struct tj_mlflow_place *p = tj_vec_add(g->places, g->a);
    p->id = id;
    p->name = tj_json_find_str(v, TJ_STR("name"));
}

static bool read_wanted(struct tj_mlflow *m, struct tj_arena *a,
                        tj_mlflow_places *out, struct tj_err *err)
{
    const struct tj_json *v = NULL;
    struct gathering g = {out, a};
    bool by_name = m->wanted_name.len;
    if (!(by_name ? read_named(m, m->wanted_name, a, &v, err)
                  : read_numbered(m, m->wanted_id, a, &v, err)))
        return false;
    if (v)
        add_place(&g, v);
    return out->count ||
           tj_fail(err, TJ_E_INPUT, "%.*s has no experiment %s'%.*s'",
                   TJ_STR_ARG(m->base), by_name ? "called " : "with the id ",
                   TJ_STR_ARG(by_name ? m->wanted_name : m->wanted_id));
}

static void copy_places(const tj_mlflow_places *from, struct tj_arena *a,
                        tj_mlflow_places *out)
{
    tj_vec_each (from, const struct tj_mlflow_place, p) {
        struct tj_mlflow_place *copy = tj_vec_add(out, a);
        copy->id = tj_str_dup(a, p->id);
        copy->name = tj_str_dup(a, p->name);
    }
}

static bool is_fresh(const struct tj_mlflow *m)
{
    bool one = m->wanted_name.len || m->wanted_id.len;
    return m->places_ns && (one || tj_mono_ns() - m->places_ns <
                                       FRESH_SECONDS * TJ_NS_PER_SECOND);
}

static bool find_known(struct tj_mlflow *m, struct tj_arena *a,
                       tj_mlflow_places *out)
{
    (void)pthread_mutex_lock(&m->lock);
    bool fresh = is_fresh(m);
    if (fresh)
        copy_places(&m->places, a, out);
    (void)pthread_mutex_unlock(&m->lock);
    return fresh;
}

static void keep_places(struct tj_mlflow *m, const tj_mlflow_places *places)
{
    (void)pthread_mutex_lock(&m->lock);
    tj_arena_release(&m->places_arena);
    m->places = (tj_mlflow_places){0};
    copy_places(places, &m->places_arena, &m->places);
    m->places_ns = tj_mono_ns();
    (void)pthread_mutex_unlock(&m->lock);
}

bool tj_mlflow_find_places(struct tj_mlflow *m, struct tj_arena *a,
                           tj_mlflow_places *out, struct tj_err *err)
{
    tj_mlflow_places places = {0};
    if (!find_known(m, a, &places)) {
        struct gathering g = {&places, a};
        bool one = m->wanted_name.len || m->wanted_id.len;
        if (!(one ? read_wanted(m, a, &places, err)
                  : each_experiment(m, "ACTIVE_ONLY", a, add_place, &g, err)))
            return false;
        keep_places(m, &places);
    }
    *out = places;
    return true;
}

tj_str tj_mlflow_place_name(struct tj_mlflow *m, tj_str id, struct tj_arena *a)
{
    tj_str name = {0};
    (void)pthread_mutex_lock(&m->lock);
    tj_vec_each (&m->places, const struct tj_mlflow_place, p) {
        if (tj_str_eq(p->id, id))
            name = tj_str_dup(a, p->name);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return name;
}

bool tj_mlflow_place_named(struct tj_mlflow *m, tj_str name, struct tj_arena *a,
                           struct tj_mlflow_place *out, bool *found,
                           struct tj_err *err)
{
    const struct tj_json *v = NULL;
    if (!read_named(m, name, a, &v, err))
        return false;
    *found = v && id_text(v).len;
    *out = (struct tj_mlflow_place){id_text(v), name};
    return true;
}

/* -- the slots ------------------------------------------------------------- */

bool tj_mlflow_find_experiment(struct tj_store *st, uint64_t id,
                               struct tj_arena *a, struct tj_experiment *out,
                               bool *found, struct tj_err *err)
{
    const struct tj_json *v = NULL;
    tj_str text = tj_str_printf(a, "%llu", (unsigned long long)id);
    if (!read_numbered(tj_mlflow_self(st), text, a, &v, err))
        return false;
    *found = v;
    if (v)
        *out = take_experiment(v, a);
    return true;
}

bool tj_mlflow_find_experiment_named(struct tj_store *st, tj_str name,
                                     struct tj_arena *a,
                                     struct tj_experiment *out, bool *found,
                                     struct tj_err *err)
{
    const struct tj_json *v = NULL;
    if (!read_named(tj_mlflow_self(st), name, a, &v, err))
        return false;
    *found = v;
    if (v)
        *out = take_experiment(v, a);
    return true;
}

static tj_str create_body(const struct tj_experiment *in, struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "name", in->name);
    if (in->artifact_location.len)
        tj_jw_key_str(&w, "artifact_location", in->artifact_location);
    tj_jw_key(&w, TJ_STR("tags"));
    tj_jw_array(&w);
    tj_vec_each (&in->tags, const struct tj_pair, p) {
        tj_jw_object(&w);
        tj_jw_key_str(&w, "key", p->key);
        tj_jw_key_str(&w, "value", p->value);
        tj_jw_end(&w);
    }
    tj_jw_end(&w);
    tj_jw_end(&w);
    return tj_buf_str(&b);
}

/* A name is there once, so making it twice is refused, and looking tells. */
bool tj_mlflow_add_experiment(struct tj_store *st,
                              const struct tj_experiment *in,
                              struct tj_arena *a, struct tj_experiment *out,
                              bool *fresh, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_mlflow_request r = {
        .method = "POST",
        .path = TJ_STR("/api/2.0/mlflow/experiments/create"),
        .body = create_body(in, a)};
    const struct tj_json *root = NULL;
    bool found = false;
    if (!tj_mlflow_may_write(m, err) ||
        !tj_mlflow_find_experiment_named(st, in->name, a, out, &found, err))
        return false;
    *fresh = !found;
    if (found)
        return true;
    struct tj_err refused = {0};
    bool made = tj_mlflow_ask(m, &r, a, &root, &refused);
    if (!made && refused.code != TJ_E_INPUT) {
        *err = refused;
        return false;
    }
    if (!tj_mlflow_find_experiment_named(st, in->name, a, out, &found, err))
        return false;
    if (found)
        return true;
    if (made)
        return tj_fail(err, TJ_E_BACKEND,
                       "%.*s made an experiment and does not have it",
                       TJ_STR_ARG(m->base));
    *err = refused;
    return false;
}

struct listing {
    struct tj_arena *a;
    TJ_VEC(struct tj_experiment) items;
};

static void add_listed(void *ctx, const struct tj_json *v)
{
    struct listing *l = ctx;
    *tj_vec_add(&l->items, l->a) = take_experiment(v, l->a);
}

static int by_id(const void *left, const void *right)
{
    const struct tj_experiment *a = left;
    const struct tj_experiment *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

bool tj_mlflow_experiments(struct tj_store *st, struct tj_arena *a,
                           struct tj_experiments *out, struct tj_err *err)
{
    struct listing l = {.a = a};
    if (!each_experiment(tj_mlflow_self(st), "ALL", a, add_listed, &l, err))
        return false;
    if (l.items.count)
        qsort(l.items.items, l.items.count, sizeof *l.items.items, by_id);
    out->items = l.items.items;
    out->count = l.items.count;
    return true;
}
