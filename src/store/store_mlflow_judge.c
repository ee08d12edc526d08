/* store_mlflow_judge.c - registered scorers of an MLflow server, as judges.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A scorer belongs to an experiment and has versions; its text is MLflow's
 * JSON.  One that was written from a judge file has that file in it, where
 * MLflow's own reader does not look, and comes back as the file:
 *
 *     {"name", ..., "instructions_judge_pydantic_data":
 *         {"instructions", "model", "feedback_value_type",
 *          "tracejudge_source": "---\nname: ..."}}
 *
 * Registering makes a version each time, so the versions that are there are
 * looked at first, and again when the answer got lost.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "base/sha256.h"
#include "store/store_mlflow_int.h"

enum { PLACES_ASKED_MAX = 200 };

typedef TJ_VEC(struct tj_judge_row) judge_rows;

/* -- JSON ------------------------------------------------------------------ */

/* The judge file in it, or the JSON as it is. */
static tj_str source_of(tj_str json, struct tj_arena *a)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (!tj_json_parse(json, a, &doc, &ignored))
        return json;
    tj_str file = tj_json_find_str(
        tj_json_find(doc.root, TJ_STR("instructions_judge_pydantic_data")),
        TJ_STR("tracejudge_source"));
    return file.len && file.len <= TJ_JUDGE_FILE_BYTES_MAX ? file : json;
}

static struct tj_judge_row take_row(const struct tj_json *v, struct tj_arena *a)
{
    uint64_t version = 0;
    uint64_t ms = 0;
    tj_str json = tj_json_find_str(v, TJ_STR("serialized_scorer"));
    (void)!tj_json_u64_loose(tj_json_find(v, TJ_STR("scorer_version")),
                             &version);
    (void)!tj_json_u64_loose(tj_json_find(v, TJ_STR("creation_time")), &ms);
    struct tj_judge_row row = {
        .name = tj_json_find_str(v, TJ_STR("scorer_name")),
        .version = version <= UINT32_MAX ? (uint32_t)version : 0,
        .source = source_of(json, a),
        .create_time = ms <= UINT64_MAX / TJ_NS_PER_MS ? ms * TJ_NS_PER_MS : 0,
    };
    row.digest = tj_sha256_hex(a, row.source);
    return row;
}

static bool ask(struct tj_mlflow *m, const struct tj_mlflow_request *r,
                struct tj_arena *a, struct tj_mlflow_reply *out,
                struct tj_err *err)
{
    if (!tj_mlflow_call(m, r, a, out, err))
        return false;
    return !out->no_route ||
           tj_fail(err, TJ_E_BACKEND,
                   "%.*s has no registered judges: MLflow before 3.4",
                   TJ_STR_ARG(m->base));
}

/* Adds the scorers of a list in an answer. */
static bool ask_list(struct tj_mlflow *m, tj_str path, struct tj_arena *a,
                     judge_rows *out, struct tj_err *err)
{
    struct tj_mlflow_reply reply = {0};
    struct tj_mlflow_request r = {.method = "GET", .path = path};
    if (!ask(m, &r, a, &reply, err))
        return false;
    tj_json_each (tj_json_find(reply.root, TJ_STR("scorers")), it)
        *tj_vec_add(out, a) = take_row(it, a);
    return true;
}

static tj_str path_with(struct tj_arena *a, const char *verb,
                        const struct tj_mlflow_place *place, tj_str name)
{
    return tj_str_printf(
        a, "/api/3.0/mlflow/scorers/%s?experiment_id=%.*s%s%.*s", verb,
        TJ_STR_ARG(tj_mlflow_escape(a, place->id)), name.len ? "&name=" : "",
        TJ_STR_ARG(tj_mlflow_escape(a, name)));
}

/* -- where ----------------------------------------------------------------- */

static bool few_places(struct tj_mlflow *m, struct tj_arena *a,
                       tj_mlflow_places *out, struct tj_err *err)
{
    if (!tj_mlflow_find_places(m, a, out, err))
        return false;
    return out->count <= PLACES_ASKED_MAX ||
           tj_fail(err, TJ_E_LIMIT,
                   "%.*s has over %d experiments, and a judge belongs to one: "
                   "name it in the store's URL, ?experiment=NAME",
                   TJ_STR_ARG(m->base), PLACES_ASKED_MAX);
}

static bool one_place(struct tj_mlflow *m, struct tj_arena *a,
                      struct tj_mlflow_place *out, struct tj_err *err)
{
    tj_mlflow_places places = {0};
    if (!tj_mlflow_find_places(m, a, &places, err))
        return false;
    if (places.count != 1)
        return tj_fail(err, TJ_E_INPUT,
                       "a judge belongs to an experiment: name it in the "
                       "store's URL, ?experiment=NAME");
    *out = places.items[0];
    return true;
}

/* Looks in every experiment; a name that two have is nobody's. */
static bool place_of(struct tj_mlflow *m, tj_str name, struct tj_arena *a,
                     struct tj_mlflow_place *out, bool *found,
                     struct tj_err *err)
{
    tj_mlflow_places places = {0};
    *found = false;
    if (!few_places(m, a, &places, err))
        return false;
    tj_vec_each (&places, const struct tj_mlflow_place, p) {
        judge_rows rows = {0};
        bool here = places.count == 1;
        if (!here &&
            !ask_list(m, path_with(a, "list", p, (tj_str){0}), a, &rows, err))
            return false;
        tj_vec_each (&rows, const struct tj_judge_row, row)
            here = here || tj_str_eq(row->name, name);
        if (here && *found)
            return tj_fail(err, TJ_E_INPUT,
                           "judge '%.*s' is registered in '%.*s' and in "
                           "'%.*s': name one in the store's URL, "
                           "?experiment=NAME",
                           TJ_STR_ARG(tj_str_slice(name, 0, 100)),
                           TJ_STR_ARG(tj_str_slice(out->name, 0, 100)),
                           TJ_STR_ARG(tj_str_slice(p->name, 0, 100)));
        if (here) {
            *out = *p;
            *found = true;
        }
    }
    return true;
}

/* -- the slots ------------------------------------------------------------- */

static int by_name(const void *left, const void *right)
{
    const struct tj_judge_row *a = left;
    const struct tj_judge_row *b = right;
    return tj_str_cmp(a->name, b->name);
}

bool tj_mlflow_judges(struct tj_store *st, struct tj_arena *a,
                      struct tj_judge_rows *out, struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    tj_mlflow_places places = {0};
    judge_rows rows = {0};
    if (!few_places(m, a, &places, err))
        return false;
    tj_vec_each (&places, const struct tj_mlflow_place, p) {
        if (!ask_list(m, path_with(a, "list", p, (tj_str){0}), a, &rows, err))
            return false;
    }
    if (rows.count)
        qsort(rows.items, rows.count, sizeof *rows.items, by_name);
    out->items = rows.items;
    out->count = rows.count;
    return true;
}

bool tj_mlflow_find_judge(struct tj_store *st, tj_str name, uint32_t version,
                          struct tj_arena *a, struct tj_judge_row *out,
                          struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_mlflow_place place = {0};
    struct tj_mlflow_reply reply = {0};
    struct tj_mlflow_request r = {.method = "GET"};
    bool found = false;
    if (!place_of(m, name, a, &place, &found, err))
        return false;
    if (!found)
        return true;
    r.path = path_with(a, "get", &place, name);
    if (version)
        r.path = tj_str_printf(a, "%.*s&version=%u", TJ_STR_ARG(r.path),
                               (unsigned)version);
    if (!ask(m, &r, a, &reply, err))
        return false;
    const struct tj_json *scorer = tj_json_find(reply.root, TJ_STR("scorer"));
    if (scorer)
        *out = take_row(scorer, a);
    return true;
}

/* The version that has this source; version 0: none has. */
static bool find_version(struct tj_mlflow *m,
                         const struct tj_mlflow_place *place,
                         const struct tj_judge_row *in, struct tj_arena *a,
                         struct tj_judge_row *out, struct tj_err *err)
{
    judge_rows rows = {0};
    tj_str wanted = tj_sha256_hex(a, source_of(in->source, a));
    if (!ask_list(m, path_with(a, "versions", place, in->name), a, &rows, err))
        return false;
    tj_vec_each (&rows, const struct tj_judge_row, row) {
        if (tj_str_eq(row->digest, wanted) && row->version > out->version)
            *out = *row;
    }
    return true;
}

/* Fills row->version. */
static bool send_scorer(struct tj_mlflow *m,
                        const struct tj_mlflow_place *place,
                        struct tj_judge_row *row, uint32_t attempt,
                        struct tj_arena *a, struct tj_err *err)
{
    struct tj_buf b;
    struct tj_json_writer w;
    struct tj_mlflow_reply reply = {0};
    uint64_t version = 0;
    struct tj_mlflow_request r = {
        .method = "POST",
        .path = TJ_STR("/api/3.0/mlflow/scorers/register"),
        .once = true,
        .attempt = attempt};
    tj_buf_init(&b, a, TJ_MLFLOW_SEND_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "experiment_id", place->id);
    tj_jw_key_str(&w, "name", row->name);
    tj_jw_key_str(&w, "serialized_scorer", row->source);
    tj_jw_end(&w);
    r.body = tj_buf_str(&b);
    if (!tj_buf_ok(&b, "judge", err) || !ask(m, &r, a, &reply, err))
        return false;
    bool told = tj_json_u64_loose(tj_json_find(reply.root, TJ_STR("version")),
                                  &version) &&
                version && version <= UINT32_MAX;
    row->version = (uint32_t)version;
    return told || tj_fail(err, TJ_E_BACKEND,
                           "%.*s registers a judge and tells no version",
                           TJ_STR_ARG(m->base));
}

bool tj_mlflow_add_judge(struct tj_store *st, const struct tj_judge_row *in,
                         struct tj_arena *a, struct tj_judge_row *out,
                         struct tj_err *err)
{
    struct tj_mlflow *m = tj_mlflow_self(st);
    struct tj_mlflow_place place = {0};
    if (!tj_mlflow_may_write(m, err) || !one_place(m, a, &place, err) ||
        !find_version(m, &place, in, a, out, err))
        return false;
    for (uint32_t attempt = 0; !out->version; attempt++) {
        struct tj_judge_row row = *in;
        if (send_scorer(m, &place, &row, attempt, a, err)) {
            row.source = source_of(in->source, a);
            row.digest = tj_sha256_hex(a, row.source);
            *out = row;
            return true;
        }
        if (err->code != TJ_E_UNCERTAIN || attempt >= TJ_MLFLOW_RETRIES)
            return false;
        if (!find_version(m, &place, in, a, out, err)) {
            err->code = TJ_E_UNCERTAIN;
            return false;
        }
    }
    return true;
}
