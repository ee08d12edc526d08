/* registered.c - judges by name: files that were added, and MLflow's scorers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/registered.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "text/json.h"

/* -- records of scorers --------------------------------------------------- */

tj_str tj_scorer_id(struct tj_arena *a, uint64_t experiment_id, tj_str name)
{
    unsigned char digest[TJ_SHA256_BYTES];
    char hex[32];
    tj_sha256(tj_str_printf(a, "scorer %" PRIu64 " %.*s", experiment_id,
                            TJ_STR_ARG(name)),
              digest);
    tj_hex_write(digest, sizeof hex / 2, hex);
    return tj_str_printf(a, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                         hex + 16, hex + 20);
}

tj_str tj_scorer_record_id(struct tj_arena *a, tj_str scorer_id,
                           uint32_t version)
{
    return tj_str_printf(a, "%.*s/%" PRIu32, TJ_STR_ARG(scorer_id), version);
}

/* False for what else a server keeps of scorers. */
static bool read_scorer(const struct tj_record *record, struct tj_scorer *out)
{
    tj_str version = record->id;
    uint64_t number = 0;
    out->id = tj_str_cut(&version, '/');
    if (!tj_str_to_u64(record->parent, &out->experiment_id) ||
        !tj_str_to_u64(version, &number) || number == 0 || number > UINT32_MAX)
        return false;
    out->version = (uint32_t)number;
    out->name = record->name;
    out->source = record->body;
    out->create_time = record->create_time;
    return true;
}

static bool same_scorer(const struct tj_scorer *a, const struct tj_scorer *b)
{
    return a->experiment_id == b->experiment_id && tj_str_eq(a->name, b->name);
}

static int compare_scorers(const void *left, const void *right)
{
    const struct tj_scorer *a = left;
    const struct tj_scorer *b = right;
    if (a->experiment_id != b->experiment_id)
        return a->experiment_id < b->experiment_id ? -1 : 1;
    int order = tj_str_cmp(a->name, b->name);
    return order ? order
                 : (a->version > b->version) - (a->version < b->version);
}

bool tj_scorers_find(struct tj_store *st, int64_t experiment_id, tj_str name,
                     struct tj_arena *a, struct tj_scorers *out,
                     struct tj_err *err)
{
    TJ_VEC(struct tj_scorer) list = {0};
    struct tj_record_query query = {
        .kind = TJ_RECORD_SCORER,
        .name = name,
        .row_max = TJ_SEARCH_ROWS_MAX,
    };
    if (experiment_id != TJ_SCORERS_EVERYWHERE)
        query.parent = tj_str_printf(a, "%" PRId64, experiment_id);
    do {
        struct tj_record_page page;
        if (!tj_store_records(st, &query, a, &page, err))
            return false;
        for (size_t i = 0; i < page.count; i++) {
            struct tj_scorer scorer;
            if (read_scorer(&page.items[i], &scorer))
                *tj_vec_add(&list, a) = scorer;
        }
        query.page_token = page.next_page_token;
    } while (query.page_token.len);
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, compare_scorers);
    *out = (struct tj_scorers){list.items, list.count};
    return true;
}

bool tj_scorer_is_latest(const struct tj_scorers *scorers, size_t i)
{
    return i + 1 == scorers->count ||
           !same_scorer(&scorers->items[i], &scorers->items[i + 1]);
}

/* -- scorers as judges ---------------------------------------------------- */

#define DATA "instructions_judge_pydantic_data"

/* What judges are made of; NULL for a scorer of another kind. */
static const struct tj_json *data_of(tj_str source, struct tj_arena *a)
{
    struct tj_json_doc doc;
    struct tj_err ignored = {0};
    if (!tj_json_parse(source, a, &doc, &ignored))
        return NULL;
    const struct tj_json *data = tj_json_find(doc.root, TJ_STR(DATA));
    return tj_json_is_object(data) ? data : NULL;
}

static struct tj_judge_row row_of(const struct tj_scorer *scorer,
                                  struct tj_arena *a)
{
    tj_str file = tj_json_find_str(data_of(scorer->source, a),
                                   TJ_STR("tracejudge_source"));
    struct tj_judge_row row = {
        .name = scorer->name,
        .version = scorer->version,
        .source = scorer->source,
        .create_time = scorer->create_time,
    };
    if (file.len && file.len <= TJ_JUDGE_FILE_BYTES_MAX)
        row.source = file;
    row.digest = tj_sha256_hex(a, row.source);
    return row;
}

/* "4/polite" is polite in experiment 4. */
static bool split_name(tj_str name, int64_t *experiment_id, tj_str *rest)
{
    uint64_t id = 0;
    *rest = name;
    tj_str digits = tj_str_cut(rest, '/');
    if (!rest->len || !tj_str_to_u64(digits, &id) || id > INT64_MAX)
        return false;
    *experiment_id = (int64_t)id;
    return true;
}

/* The version, or the latest; absent: out->version stays 0. */
static bool pick(const struct tj_scorers *scorers, tj_str name,
                 uint32_t version, struct tj_arena *a, struct tj_judge_row *out,
                 struct tj_err *err)
{
    if (!scorers->count)
        return true;
    const struct tj_scorer *first = &scorers->items[0];
    const struct tj_scorer *last = &scorers->items[scorers->count - 1];
    if (!same_scorer(first, last))
        return tj_fail(err, TJ_E_INPUT,
                       "judge '%.*s' is a scorer of experiments %" PRIu64
                       " and %" PRIu64 ": say which, as %" PRIu64 "/%.*s",
                       TJ_STR_ARG(name), first->experiment_id,
                       last->experiment_id, first->experiment_id,
                       TJ_STR_ARG(name));
    for (size_t i = 0; i < scorers->count; i++) {
        if (version ? scorers->items[i].version == version
                    : i + 1 == scorers->count)
            *out = row_of(&scorers->items[i], a);
    }
    return true;
}

bool tj_registered_find(struct tj_store *st, tj_str name, uint32_t version,
                        struct tj_arena *a, struct tj_judge_row *out,
                        struct tj_err *err)
{
    struct tj_judge_row row = {0};
    struct tj_scorers scorers = {0};
    int64_t experiment_id = 0;
    tj_str rest;
    if (tj_store_wants_mlflow_judges(st))
        return tj_store_find_judge(st, name, version, a, out, err);
    /* Any version of a file hides all scorers of its name. */
    if (!tj_store_find_judge(st, name, 0, a, &row, err))
        return false;
    if (row.version)
        return tj_store_find_judge(st, name, version, a, out, err);
    if (!tj_scorers_find(st, TJ_SCORERS_EVERYWHERE, name, a, &scorers, err))
        return false;
    if (!scorers.count && split_name(name, &experiment_id, &rest) &&
        !tj_scorers_find(st, experiment_id, rest, a, &scorers, err))
        return false;
    if (!pick(&scorers, name, version, a, &row, err))
        return false;
    *out = row;
    return true;
}

/* -- list ----------------------------------------------------------------- */

static bool is_file(const struct tj_judge_row *files, size_t count, tj_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (tj_str_eq(files[i].name, name))
            return true;
    }
    return false;
}

static bool in_two_experiments(const struct tj_scorers *scorers, size_t i)
{
    for (size_t k = 0; k < scorers->count; k++) {
        if (scorers->items[k].experiment_id !=
                scorers->items[i].experiment_id &&
            tj_str_eq(scorers->items[k].name, scorers->items[i].name))
            return true;
    }
    return false;
}

static int compare_rows(const void *left, const void *right)
{
    const struct tj_judge_row *a = left;
    const struct tj_judge_row *b = right;
    return tj_str_cmp(a->name, b->name);
}

bool tj_registered_list(struct tj_store *st, struct tj_arena *a,
                        struct tj_judge_row **out, size_t *count,
                        struct tj_err *err)
{
    struct tj_judge_row *files;
    size_t file_count = 0;
    struct tj_scorers scorers = {0};
    if (!tj_store_judges(st, a, &files, &file_count, err))
        return false;
    if (!tj_store_wants_mlflow_judges(st) &&
        !tj_scorers_find(st, TJ_SCORERS_EVERYWHERE, (tj_str){0}, a, &scorers,
                         err))
        return false;
    struct tj_judge_row *rows =
        tj_arena_array(a, struct tj_judge_row, file_count + scorers.count);
    size_t n = file_count;
    if (n)
        memcpy(rows, files, n * sizeof *rows);
    for (size_t i = 0; i < scorers.count; i++) {
        const struct tj_scorer *scorer = &scorers.items[i];
        if (!tj_scorer_is_latest(&scorers, i) ||
            is_file(files, file_count, scorer->name) ||
            !data_of(scorer->source, a))
            continue;
        rows[n] = row_of(scorer, a);
        if (in_two_experiments(&scorers, i))
            rows[n].name =
                tj_str_printf(a, "%" PRIu64 "/%.*s", scorer->experiment_id,
                              TJ_STR_ARG(scorer->name));
        n++;
    }
    if (n)
        qsort(rows, n, sizeof *rows, compare_rows);
    *out = rows;
    *count = n;
    return true;
}
