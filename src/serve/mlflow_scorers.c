/* mlflow_scorers.c - MLflow's registered scorers, and our judges beside them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * How a scorer is kept says judge/registered.h.  A judge file that was added
 * with `tracejudge judges add` belongs to no experiment: here it is a scorer
 * of every one, where none has its name, written as MLflow's clients read it.
 * It cannot be deleted here.  Clients that may see some experiments only do
 * not see it.  A file that names no model cannot be a scorer and is left out.
 *
 * The settings of automatic evaluation ("online config") are kept as
 *     id "<scorer id>/online", parent "online", name the scorer's id
 * but nothing here runs by them, so a rate above 0 is refused.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "judge/def.h"
#include "judge/registered.h"
#include "serve/mlflow_check.h"
#include "serve/python_json.h"
#include "serve/route.h"
#include "store/filter.h"

/* -- answers -------------------------------------------------------------- */

static void write_scorer(struct tj_ml *call, const struct tj_scorer *scorer)
{
    struct tj_json_writer *w = &call->writer;
    tj_jw_object(w);
    tj_jw_key_u64(w, "experiment_id", scorer->experiment_id);
    tj_jw_key_str(w, "scorer_name", scorer->name);
    tj_jw_key_u64(w, "scorer_version", scorer->version);
    tj_jw_key_str(w, "serialized_scorer", scorer->source);
    tj_jw_key_i64(w, "creation_time", tj_ml_ms(scorer->create_time));
    tj_jw_key_str(w, "scorer_id", scorer->id);
    tj_jw_end(w);
}

static void answer_scorers(struct tj_ml *call, const struct tj_scorers *scorers)
{
    struct tj_json_writer *w = tj_ml_answer(call);
    if (scorers->count) {
        tj_jw_key(w, TJ_STR("scorers"));
        tj_jw_array(w);
        for (size_t i = 0; i < scorers->count; i++)
            write_scorer(call, &scorers->items[i]);
        tj_jw_end(w);
    }
    tj_ml_end(call);
}

/* -- finding -------------------------------------------------------------- */

/* The experiment and the name that a request is about. */
struct subject {
    struct tj_experiment experiment;
    tj_str experiment_id; /* as the request has it */
    tj_str name;
};

static bool read_experiment(struct tj_ml *call, struct subject *s)
{
    return tj_ml_need_str(call, "experiment_id", &s->experiment_id) &&
           tj_ml_experiment(call, s->experiment_id, &s->experiment) &&
           tj_ml_experiment_is_active(call, &s->experiment);
}

/* Of a request that names none: the latest, or all. */
#define NO_VERSION INT64_MIN

static bool refuse_unknown(struct tj_ml *call, const struct subject *s,
                           int64_t version)
{
    if (version != NO_VERSION)
        return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                          "Scorer with name '%.*s' and version %" PRId64
                          " not found for experiment %.*s.",
                          TJ_STR_ARG(s->name), version,
                          TJ_STR_ARG(s->experiment_id));
    return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                      "Scorer with name '%.*s' not found for experiment %.*s.",
                      TJ_STR_ARG(s->name), TJ_STR_ARG(s->experiment_id));
}

/* A judge file as a scorer; false when it cannot be one. */
static bool scorer_of_file(struct tj_ml *call, const struct tj_judge_row *row,
                           uint64_t experiment_id, struct tj_scorer *out)
{
    struct tj_judge_def def;
    tj_str source;
    if (!tj_judge_def_parse(row->source, tj_cstr(call->arena, row->name),
                            call->arena, &def, &call->err) ||
        !tj_judge_def_write_mlflow(&def, row->source, call->arena, &source,
                                   &call->err))
        return false;
    *out = (struct tj_scorer){
        .id = tj_scorer_id(call->arena, experiment_id, row->name),
        .name = row->name,
        .experiment_id = experiment_id,
        .version = row->version,
        .source = source,
        .create_time = row->create_time,
    };
    return true;
}

/* All versions of the judge file of this name, when there is one to see. */
static bool find_files(struct tj_ml *call, const struct subject *s,
                       struct tj_scorers *out)
{
    struct tj_judge_row row = {0};
    TJ_VEC(struct tj_scorer) list = {0};
    if (!tj_grant_covers_all(call->rq->grant))
        return true;
    if (!tj_store_find_judge(call->store, s->name, 0, call->arena, &row,
                             &call->err))
        return tj_ml_fail_err(call);
    for (uint32_t v = 1; v <= row.version; v++) {
        struct tj_judge_row one = row;
        struct tj_scorer scorer;
        if (v < row.version &&
            !tj_store_find_judge(call->store, s->name, v, call->arena, &one,
                                 &call->err))
            return tj_ml_fail_err(call);
        if (scorer_of_file(call, &one, s->experiment.id, &scorer))
            *tj_vec_add(&list, call->arena) = scorer;
        else if (v == row.version)
            return tj_ml_fail_err(call); /* what keeps it from being one */
    }
    *out = (struct tj_scorers){list.items, list.count};
    return true;
}

/* All versions of a scorer; refused when there are none. */
static bool find_versions(struct tj_ml *call, struct subject *s,
                          struct tj_scorers *out)
{
    *out = (struct tj_scorers){0};
    if (!read_experiment(call, s) || !tj_ml_need_str(call, "name", &s->name))
        return false;
    if (!tj_scorers_find(call->store, (int64_t)s->experiment.id, s->name,
                         call->arena, out, &call->err))
        return tj_ml_fail_err(call);
    if (!out->count && !find_files(call, s, out))
        return false;
    return out->count || refuse_unknown(call, s, NO_VERSION);
}

static void find(struct tj_server *server, const struct tj_request *rq,
                 struct tj_answer *out)
{
    struct tj_ml call;
    struct subject s = {0};
    struct tj_scorers scorers;
    int64_t version = 0;
    if (!tj_ml_begin(&call, server, rq, out) ||
        !tj_ml_i64(&call, "version", NO_VERSION, &version) ||
        !find_versions(&call, &s, &scorers))
        return;
    const struct tj_scorer *found = NULL;
    for (size_t i = 0; i < scorers.count; i++) {
        if (version == NO_VERSION || scorers.items[i].version == version)
            found = &scorers.items[i];
    }
    if (!found) {
        (void)refuse_unknown(&call, &s, version);
        return;
    }
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key(w, TJ_STR("scorer"));
    write_scorer(&call, found);
    tj_ml_end(&call);
}

static void versions(struct tj_server *server, const struct tj_request *rq,
                     struct tj_answer *out)
{
    struct tj_ml call;
    struct subject s = {0};
    struct tj_scorers scorers;
    if (tj_ml_begin(&call, server, rq, out) &&
        find_versions(&call, &s, &scorers))
        answer_scorers(&call, &scorers);
}

/* -- list ----------------------------------------------------------------- */

struct listing {
    TJ_VEC(struct tj_scorer) found;
    struct tj_judge_row *files; /* to see */
    size_t file_count;
};

static bool has_name(const struct tj_scorers *scorers, tj_str name)
{
    for (size_t i = 0; i < scorers->count; i++) {
        if (tj_str_eq(scorers->items[i].name, name))
            return true;
    }
    return false;
}

static int compare_names(const void *left, const void *right)
{
    const struct tj_scorer *a = left;
    const struct tj_scorer *b = right;
    return tj_str_cmp(a->name, b->name);
}

/* The latest version of each scorer of an experiment, and the files. */
static bool list_one(struct tj_ml *call, uint64_t experiment_id,
                     struct listing *l)
{
    struct tj_scorers scorers = {0};
    size_t from = l->found.count;
    if (!tj_scorers_find(call->store, (int64_t)experiment_id, (tj_str){0},
                         call->arena, &scorers, &call->err))
        return tj_ml_fail_err(call);
    for (size_t i = 0; i < scorers.count; i++) {
        if (tj_scorer_is_latest(&scorers, i))
            *tj_vec_add(&l->found, call->arena) = scorers.items[i];
    }
    for (size_t i = 0; i < l->file_count; i++) {
        struct tj_scorer scorer;
        if (!has_name(&scorers, l->files[i].name) &&
            scorer_of_file(call, &l->files[i], experiment_id, &scorer))
            *tj_vec_add(&l->found, call->arena) = scorer;
    }
    if (l->found.count > from)
        qsort(l->found.items + from, l->found.count - from,
              sizeof *l->found.items, compare_names);
    return true;
}

/* Those of several experiments, or of all: what is not there, not active or
 * not covered is left out. */
static bool list_many(struct tj_ml *call, const struct tj_map *ids,
                      struct listing *l)
{
    struct tj_experiment *all;
    size_t count = 0;
    if (!tj_store_experiments(call->store, call->arena, &all, &count,
                              &call->err))
        return tj_ml_fail_err(call);
    for (size_t i = 0; i < count; i++) {
        bool wanted =
            !ids->count ||
            tj_map_find(ids, tj_ml_experiment_id(call->arena, all[i].id));
        if (wanted && !all[i].deleted &&
            tj_grant_covers(call->rq->grant, all[i].id) &&
            !list_one(call, all[i].id, l))
            return false;
    }
    return true;
}

static void list(struct tj_server *server, const struct tj_request *rq,
                 struct tj_answer *out)
{
    struct tj_ml call;
    struct listing l = {0};
    struct subject s = {0};
    struct tj_map ids;
    if (!tj_ml_begin(&call, server, rq, out) ||
        !tj_ml_set(&call, "experiment_ids", &ids))
        return;
    bool one = tj_ml_str(&call, "experiment_id").len > 0;
    if (one && ids.count) {
        (void)tj_ml_fail(&call, TJ_ML_INVALID_PARAMETER_VALUE,
                         "Cannot specify both 'experiment_id' and "
                         "'experiment_ids'.");
        return;
    }
    if (one && !read_experiment(&call, &s))
        return;
    if (tj_grant_covers_all(rq->grant) &&
        !tj_store_judges(call.store, call.arena, &l.files, &l.file_count,
                         &call.err)) {
        (void)tj_ml_fail_err(&call);
        return;
    }
    if (one ? list_one(&call, s.experiment.id, &l) : list_many(&call, &ids, &l))
        answer_scorers(&call,
                       &(struct tj_scorers){l.found.items, l.found.count});
}

/* -- register ------------------------------------------------------------- */

enum { NESTED_MAX = 64 }; /* scorers in scorers */

/* A decorated Python function, in it or in a scorer that it is made of: to
 * use it somebody would have to run what others sent. */
static bool has_code(const struct tj_json *v, int depth)
{
    if (depth > NESTED_MAX)
        return true;
    if (!tj_json_is_null(tj_json_find(v, TJ_STR("call_source"))))
        return true;
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        if (has_code(m.value, depth + 1))
            return true;
    }
    tj_json_each (v, item) {
        if (has_code(item, depth + 1))
            return true;
    }
    return false;
}

static bool check_source(struct tj_ml *call, tj_str source)
{
    struct tj_json_doc doc;
    if (source.len > TJ_JUDGE_FILE_BYTES_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "serialized_scorer is over %zu bytes",
                          TJ_JUDGE_FILE_BYTES_MAX);
    if (!tj_json_parse(source, call->arena, &doc, &call->err))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "serialized_scorer must be valid JSON");
    if (!tj_json_is_object(doc.root))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "serialized_scorer must be a JSON object");
    if (has_code(tj_json_find(doc.root, TJ_STR("ensemble_scorer_data")), 0) ||
        !tj_json_is_null(tj_json_find(doc.root, TJ_STR("call_source"))))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Custom scorer registration (using @scorer "
                          "decorator) is disabled: this server runs no code "
                          "that clients send. Keep such scorers in your own "
                          "code, or register judges made by make_judge().");
    return true;
}

static enum tj_edit put_version(void *ctx, struct tj_record *record, bool found,
                                struct tj_arena *a, struct tj_err *err)
{
    struct tj_scorer *scorer = ctx;
    (void)a;
    (void)err;
    scorer->create_time = found ? 0 : record->create_time;
    if (found)
        return TJ_EDIT_KEEP; /* somebody was faster */
    record->parent = tj_ml_experiment_id(a, scorer->experiment_id);
    record->name = scorer->name;
    record->body = scorer->source;
    return TJ_EDIT_PUT;
}

/* The next free version, also when others register at the same time. */
static bool add_version(struct tj_ml *call, struct tj_scorer *scorer)
{
    struct tj_scorers have = {0};
    if (!tj_scorers_find(call->store, (int64_t)scorer->experiment_id,
                         scorer->name, call->arena, &have, &call->err))
        return tj_ml_fail_err(call);
    scorer->version = have.count ? have.items[have.count - 1].version : 0;
    do {
        if (++scorer->version == 0)
            return tj_ml_fail(call, TJ_ML_INVALID_STATE,
                              "the scorer has no free version");
        tj_str id =
            tj_scorer_record_id(call->arena, scorer->id, scorer->version);
        if (!tj_store_edit_record(call->store, TJ_RECORD_SCORER, id,
                                  put_version, scorer, call->arena, &call->err))
            return tj_ml_fail_err(call);
    } while (!scorer->create_time);
    return true;
}

static bool read_new(struct tj_ml *call, struct subject *s,
                     struct tj_scorer *scorer)
{
    if (!tj_ml_need_str(call, "experiment_id", &s->experiment_id) ||
        !tj_ml_need_str(call, "name", &s->name) ||
        !tj_ml_need_str(call, "serialized_scorer", &scorer->source) ||
        !check_source(call, scorer->source))
        return false;
    if (!tj_str_trim(s->name).len)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Scorer name cannot be empty or contain only "
                          "whitespace.");
    if (!read_experiment(call, s))
        return false;
    scorer->name = s->name;
    scorer->experiment_id = s->experiment.id;
    scorer->id = tj_scorer_id(call->arena, s->experiment.id, s->name);
    return true;
}

static void add(struct tj_server *server, const struct tj_request *rq,
                struct tj_answer *out)
{
    struct tj_ml call;
    struct subject s = {0};
    struct tj_scorer scorer = {0};
    if (!tj_ml_begin(&call, server, rq, out) || !read_new(&call, &s, &scorer) ||
        !add_version(&call, &scorer))
        return;
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key_u64(w, "version", scorer.version);
    tj_jw_key_str(w, "scorer_id", scorer.id);
    tj_jw_key_str(w, "experiment_id",
                  tj_ml_experiment_id(call.arena, scorer.experiment_id));
    tj_jw_key_str(w, "name", scorer.name);
    tj_jw_key_str(w, "serialized_scorer", scorer.source);
    tj_jw_key_i64(w, "creation_time", tj_ml_ms(scorer.create_time));
    tj_ml_end(&call);
}

/* -- delete --------------------------------------------------------------- */

static tj_str online_id(struct tj_ml *call, tj_str scorer_id)
{
    return tj_str_printf(call->arena, "%.*s/online", TJ_STR_ARG(scorer_id));
}

static bool refuse_file(struct tj_ml *call, const struct subject *s)
{
    struct tj_scorers files = {0};
    if (!find_files(call, s, &files))
        return false;
    return files.count
               ? tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                            "'%.*s' is a judge file of this store (tracejudge "
                            "judges add), not a scorer of experiment %.*s; it "
                            "cannot be deleted here",
                            TJ_STR_ARG(s->name), TJ_STR_ARG(s->experiment_id))
               : refuse_unknown(call, s, NO_VERSION);
}

/* The records that go: one version, or all and the settings. */
static bool choose_doomed(struct tj_ml *call, const struct subject *s,
                          int64_t version, struct tj_record_work **works,
                          size_t *count)
{
    struct tj_scorers have = {0};
    if (!tj_scorers_find(call->store, (int64_t)s->experiment.id, s->name,
                         call->arena, &have, &call->err))
        return tj_ml_fail_err(call);
    if (!have.count)
        return refuse_file(call, s);
    *works = tj_arena_array(call->arena, struct tj_record_work, have.count + 1);
    for (size_t i = 0; i < have.count; i++) {
        const struct tj_scorer *scorer = &have.items[i];
        if (version != NO_VERSION && scorer->version != version)
            continue;
        (*works)[(*count)++] = (struct tj_record_work){
            TJ_RECORD_SCORER,
            tj_scorer_record_id(call->arena, scorer->id, scorer->version),
            tj_ml_delete_record, NULL};
    }
    if (version == NO_VERSION)
        (*works)[(*count)++] = (struct tj_record_work){
            TJ_RECORD_SCORER, online_id(call, have.items[0].id),
            tj_ml_delete_record, NULL};
    return *count || refuse_unknown(call, s, version);
}

static void delete (struct tj_server *server, const struct tj_request *rq,
                    struct tj_answer *out)
{
    struct tj_ml call;
    struct subject s = {0};
    int64_t version = 0;
    struct tj_record_work *works = NULL;
    size_t count = 0;
    if (!tj_ml_begin(&call, server, rq, out) || !read_experiment(&call, &s) ||
        !tj_ml_need_str(&call, "name", &s.name) ||
        !tj_ml_i64(&call, "version", NO_VERSION, &version) ||
        !choose_doomed(&call, &s, version, &works, &count))
        return;
    if (tj_store_edit_records(call.store, works, count, call.arena, &call.err))
        tj_ml_done(&call);
    else
        (void)tj_ml_fail_err(&call);
}

/* -- settings of automatic evaluation ------------------------------------- */

static enum tj_edit put_online(void *ctx, struct tj_record *record, bool found,
                               struct tj_arena *a, struct tj_err *err)
{
    const struct tj_record *wanted = ctx;
    (void)found;
    (void)a;
    (void)err;
    record->parent = TJ_STR("online");
    record->name = wanted->name;
    record->body = wanted->body;
    record->update_time = tj_now();
    return TJ_EDIT_PUT;
}

static bool read_rate(struct tj_ml *call, double *rate)
{
    const struct tj_json *v = tj_ml_arg(call, "sample_rate");
    struct tj_buf text;
    if (!v)
        return tj_ml_missing(call, "sample_rate");
    if (!tj_json_double(v, rate) && !tj_str_to_double(tj_json_str(v), rate))
        return tj_ml_bad_type(call, "sample_rate", v);
    tj_buf_init(&text, call->arena, TJ_NAME_BYTES_MAX);
    tj_python_float(&text, *rate);
    if (!(*rate >= 0 && *rate <= 1))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "sample_rate must be between 0.0 and 1.0, got %.*s",
                          TJ_STR_ARG(tj_buf_str(&text)));
    return true;
}

/* MLflow judges by itself only through its gateway, which is not here. */
static bool check_rate(struct tj_ml *call, const struct subject *s, double rate)
{
    return rate <= 0 ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Scorer '%.*s' does not use a gateway model. Automatic "
                      "evaluation is only supported for scorers that use "
                      "gateway models.",
                      TJ_STR_ARG(s->name));
}

static bool check_filter(struct tj_ml *call, tj_str text)
{
    const struct tj_filter *filter;
    return tj_filter_parse(text, call->arena, &filter, &call->err) ||
           tj_ml_fail_err(call);
}

static void put_config(struct tj_ml *call, const struct tj_scorer *scorer,
                       double rate, tj_str filter)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, call->arena, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "online_scoring_config_id",
                  tj_ml_random_id(call->arena, ""));
    tj_jw_key_str(&w, "scorer_id", scorer->id);
    tj_jw_key_double(&w, "sample_rate", rate);
    tj_jw_key_str(&w, "experiment_id",
                  tj_ml_experiment_id(call->arena, scorer->experiment_id));
    if (filter.len)
        tj_jw_key_str(&w, "filter_string", filter);
    tj_jw_end(&w);
    struct tj_record wanted = {.name = scorer->id, .body = tj_buf_str(&buf)};
    if (!tj_store_edit_record(call->store, TJ_RECORD_SCORER,
                              online_id(call, scorer->id), put_online, &wanted,
                              call->arena, &call->err)) {
        (void)tj_ml_fail_err(call);
        return;
    }
    struct tj_json_writer *answer = tj_ml_answer(call);
    tj_jw_key(answer, TJ_STR("config"));
    tj_jw_raw(answer, wanted.body);
    tj_ml_end(call);
}

static void set_online(struct tj_server *server, const struct tj_request *rq,
                       struct tj_answer *out)
{
    struct tj_ml call;
    struct subject s = {0};
    struct tj_scorers scorers = {0};
    double rate = 0;
    if (!tj_ml_begin(&call, server, rq, out) || !read_rate(&call, &rate))
        return;
    tj_str filter = tj_ml_str(&call, "filter_string");
    if (check_filter(&call, filter) && find_versions(&call, &s, &scorers) &&
        check_rate(&call, &s, rate) && scorers.items)
        put_config(&call, &scorers.items[0], rate, filter);
}

/* What a scorer has; *found false when it has none, or is not covered. */
static bool find_online(struct tj_ml *call, tj_str scorer_id,
                        struct tj_record *out, bool *found)
{
    struct tj_json_doc doc;
    uint64_t experiment_id = 0;
    if (!tj_store_find_record(call->store, TJ_RECORD_SCORER,
                              online_id(call, scorer_id), call->arena, out,
                              found, &call->err))
        return tj_ml_fail_err(call);
    if (!*found)
        return true;
    if (!tj_json_parse(out->body, call->arena, &doc, &call->err))
        return tj_ml_fail_err(call);
    *found = tj_str_to_u64(tj_json_find_str(doc.root, TJ_STR("experiment_id")),
                           &experiment_id) &&
             tj_grant_covers(call->rq->grant, experiment_id);
    return true;
}

static void online(struct tj_server *server, const struct tj_request *rq,
                   struct tj_answer *out)
{
    struct tj_ml call;
    struct tj_ml_list ids;
    TJ_VEC(tj_str) bodies = {0};
    if (!tj_ml_begin(&call, server, rq, out) ||
        !tj_ml_strs(&call, "scorer_ids", &ids))
        return;
    if (!ids.count) {
        (void)tj_ml_missing(&call, "scorer_ids");
        return;
    }
    for (size_t i = 0; i < ids.count; i++) {
        struct tj_record record;
        bool found = false;
        if (!find_online(&call, ids.items[i], &record, &found))
            return;
        if (found)
            *tj_vec_add(&bodies, call.arena) = record.body;
    }
    struct tj_json_writer *w = tj_ml_answer(&call);
    tj_jw_key(w, TJ_STR("configs"));
    tj_jw_array(w);
    tj_vec_each (&bodies, const tj_str, body)
        tj_jw_raw(w, *body);
    tj_jw_end(w);
    tj_ml_end(&call);
}

#define AT(name) "/mlflow/scorers/" name

const struct tj_route tj_routes_scorers[] = {
    {TJ_METHOD_POST, TJ_V3, AT("register"), TJ_ACCESS_WRITE, add},
    {TJ_METHOD_GET, TJ_V3, AT("list"), TJ_ACCESS_READ, list},
    {TJ_METHOD_GET, TJ_V3, AT("versions"), TJ_ACCESS_READ, versions},
    {TJ_METHOD_GET, TJ_V3, AT("get"), TJ_ACCESS_READ, find},
    {TJ_METHOD_DELETE, TJ_V3, AT("delete"), TJ_ACCESS_WRITE, delete},
    {TJ_METHOD_PUT, TJ_V3, AT("online-config"), TJ_ACCESS_WRITE, set_online},
    {TJ_METHOD_GET, TJ_V3, AT("online-configs"), TJ_ACCESS_READ, online},
    {.run = NULL},
};
