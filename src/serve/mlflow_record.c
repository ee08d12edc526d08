/* mlflow_record.c - runs, logged models and datasets as records of the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_record.h"

#include <math.h>

#include "serve/mlflow_check.h"

/* -- pieces of bodies ------------------------------------------------------ */

void tj_ml_read_map(const struct tj_json *v, struct tj_arena *a, tj_pairs *out)
{
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m))
        *tj_vec_add(out, a) = (struct tj_pair){m.key, tj_json_str(m.value)};
}

void tj_ml_read_metrics(const struct tj_json *v, struct tj_arena *a,
                        tj_ml_metrics *out)
{
    tj_json_each (v, item) {
        struct tj_ml_metric *m = tj_vec_add(out, a);
        m->key = tj_json_str(tj_json_item(item, 0));
        if (!tj_json_double(tj_json_item(item, 1), &m->value))
            m->value = (double)NAN;
        (void)tj_json_i64(tj_json_item(item, 2), &m->timestamp);
        (void)tj_json_i64(tj_json_item(item, 3), &m->step);
        m->run_id = tj_json_str(tj_json_item(item, 4));
    }
}

void tj_ml_write_number(struct tj_json_writer *w, double value)
{
    if (isnan(value))
        tj_jw_str(w, TJ_STR("NaN"));
    else
        tj_jw_double(w, value);
}

void tj_ml_write_metrics(struct tj_json_writer *w, const tj_ml_metrics *metrics,
                         enum tj_ml_member_kind kind)
{
    tj_jw_array(w);
    tj_vec_each (metrics, const struct tj_ml_metric, m) {
        tj_jw_array(w);
        tj_jw_str(w, m->key);
        tj_ml_write_number(w, m->value);
        tj_jw_i64(w, m->timestamp);
        tj_jw_i64(w, m->step);
        if (kind == TJ_ML_RUN_METRICS)
            tj_jw_str(w, m->run_id);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

/* -- reading --------------------------------------------------------------- */

/* An empty text that is there is not one that is absent. */
static tj_str present(const struct tj_json *v)
{
    tj_str text = tj_json_str(v);
    return v && !text.ptr ? TJ_STR("") : text;
}

static bool read_own(const struct tj_record *record,
                     const struct tj_ml_member *m, void *at)
{
    if (m->kind == TJ_ML_OWN_EXPERIMENT)
        return tj_str_to_u64(record->parent, at);
    if (m->kind == TJ_ML_OWN_ID)
        *(tj_str *)at = record->id;
    else if (m->kind == TJ_ML_OWN_NAME)
        *(tj_str *)at = record->name;
    else if (m->kind == TJ_ML_OWN_CREATE_TIME)
        *(tj_time *)at = record->create_time;
    else
        *(tj_time *)at = record->update_time;
    return true;
}

static bool read_member(const struct tj_record *record,
                        const struct tj_json *body,
                        const struct tj_ml_member *m, struct tj_arena *a,
                        void *at)
{
    const struct tj_json *v = tj_json_find(body, tj_str_c(m->name));
    struct tj_ml_maybe_i64 *maybe = at;
    switch (m->kind) {
    case TJ_ML_OWN_ID:
    case TJ_ML_OWN_NAME:
    case TJ_ML_OWN_EXPERIMENT:
    case TJ_ML_OWN_CREATE_TIME:
    case TJ_ML_OWN_UPDATE_TIME: return read_own(record, m, at);
    case TJ_ML_TEXT: *(tj_str *)at = tj_json_str(v); break;
    case TJ_ML_MAYBE_TEXT: *(tj_str *)at = present(v); break;
    case TJ_ML_I64: (void)tj_json_i64(v, at); break;
    case TJ_ML_MAYBE_I64: maybe->known = tj_json_i64(v, &maybe->value); break;
    case TJ_ML_FLAG: *(bool *)at = tj_json_bool(v, false); break;
    case TJ_ML_MAP: tj_ml_read_map(v, a, at); break;
    case TJ_ML_METRICS:
    case TJ_ML_RUN_METRICS: tj_ml_read_metrics(v, a, at); break;
    }
    return true;
}

bool tj_ml_record_read(const struct tj_ml_kind *kind,
                       const struct tj_record *record, struct tj_arena *a,
                       void *out, const struct tj_json **body,
                       struct tj_err *err)
{
    struct tj_json_doc doc;
    bool ok = tj_json_parse(record->body, a, &doc, err);
    for (const struct tj_ml_member *m = kind->members; ok && m->name; m++)
        ok = read_member(record, doc.root, m, a, (char *)out + m->at);
    if (!ok)
        return tj_fail(err, TJ_E_BACKEND, "%s %.*s in the store is broken",
                       kind->what, TJ_STR_ARG(record->id));
    *body = doc.root;
    return true;
}

/* -- writing --------------------------------------------------------------- */

static void write_member(struct tj_json_writer *w, const struct tj_ml_member *m,
                         const void *at)
{
    const tj_str *text = at;
    const struct tj_ml_maybe_i64 *maybe = at;
    switch (m->kind) {
    case TJ_ML_OWN_ID:
    case TJ_ML_OWN_NAME:
    case TJ_ML_OWN_EXPERIMENT:
    case TJ_ML_OWN_CREATE_TIME:
    case TJ_ML_OWN_UPDATE_TIME: break;
    case TJ_ML_TEXT: tj_jw_key_str(w, m->name, *text); break;
    case TJ_ML_MAYBE_TEXT:
        if (text->ptr)
            tj_jw_key_str(w, m->name, *text);
        break;
    case TJ_ML_I64: tj_jw_key_i64(w, m->name, *(const int64_t *)at); break;
    case TJ_ML_MAYBE_I64:
        if (maybe->known)
            tj_jw_key_i64(w, m->name, maybe->value);
        break;
    case TJ_ML_FLAG:
        if (*(const bool *)at)
            tj_jw_key_bool(w, m->name, true);
        break;
    case TJ_ML_MAP: tj_ml_write_map(w, m->name, at); break;
    case TJ_ML_METRICS:
    case TJ_ML_RUN_METRICS:
        tj_jw_key(w, tj_str_c(m->name));
        tj_ml_write_metrics(w, at, m->kind);
        break;
    }
}

void tj_ml_record_write(const struct tj_ml_kind *kind, const void *item,
                        struct tj_json_writer *w)
{
    for (const struct tj_ml_member *m = kind->members; m->name; m++)
        write_member(w, m, (const char *)item + m->at);
}

/* -- lookup ---------------------------------------------------------------- */

static const struct tj_ml_member *find_member(const struct tj_ml_kind *kind,
                                              tj_str name)
{
    for (const struct tj_ml_member *m = kind->members; m->name; m++) {
        if (tj_str_eq(name, tj_str_c(m->name)))
            return m;
    }
    return NULL;
}

static bool lookup_metric(const tj_ml_metrics *metrics, tj_str key, size_t i,
                          struct tj_ml_value *out)
{
    for (size_t k = metrics->count; k > 0; k--) {
        const struct tj_ml_metric *m = &metrics->items[k - 1];
        if (!tj_str_eq(m->key, key) || i-- > 0)
            continue;
        *out = (struct tj_ml_value){.is_number = true, .number = m->value};
        return true;
    }
    return false;
}

static bool found_text(tj_str text, struct tj_ml_value *out)
{
    *out = (struct tj_ml_value){.text = text};
    return true;
}

static bool found_number(int64_t number, struct tj_ml_value *out)
{
    *out = (struct tj_ml_value){.is_number = true, .number = (double)number};
    return true;
}

static bool lookup_value(const struct tj_ml_member *m, const void *at,
                         tj_str key, struct tj_ml_value *out)
{
    const tj_str *text = at;
    const struct tj_ml_maybe_i64 *maybe = at;
    switch (m->kind) {
    case TJ_ML_OWN_ID:
    case TJ_ML_OWN_NAME:
    case TJ_ML_TEXT: return found_text(*text, out);
    case TJ_ML_MAYBE_TEXT: return text->ptr && found_text(*text, out);
    case TJ_ML_OWN_CREATE_TIME:
    case TJ_ML_OWN_UPDATE_TIME:
        return found_number(tj_ml_ms(*(const tj_time *)at), out);
    case TJ_ML_I64: return found_number(*(const int64_t *)at, out);
    case TJ_ML_MAYBE_I64:
        return maybe->known && found_number(maybe->value, out);
    case TJ_ML_MAP:
        (void)found_text(tj_pairs_find(at, key), out);
        return out->text.ptr != NULL;
    case TJ_ML_OWN_EXPERIMENT:
    case TJ_ML_FLAG:
    case TJ_ML_METRICS:
    case TJ_ML_RUN_METRICS: break;
    }
    return false;
}

bool tj_ml_record_lookup(const struct tj_ml_kind *kind, const void *item,
                         const struct tj_ml_field *field, size_t i,
                         struct tj_ml_value *out)
{
    tj_str name = field->key;
    switch (field->entity) {
    case TJ_ML_ATTRIBUTE: break;
    case TJ_ML_TAG: name = TJ_STR("tags"); break;
    case TJ_ML_PARAM: name = TJ_STR("params"); break;
    case TJ_ML_METRIC: name = TJ_STR("metrics"); break;
    case TJ_ML_DATASET: return false;
    }
    const struct tj_ml_member *m = find_member(kind, name);
    if (!m)
        return false;
    const void *at = (const char *)item + m->at;
    if (field->entity == TJ_ML_METRIC)
        return lookup_metric(at, field->key, i, out);
    return i == 0 && lookup_value(m, at, field->key, out);
}

/* -- in the store ---------------------------------------------------------- */

bool tj_ml_each_record(struct tj_ml *call, const struct tj_record_query *query,
                       tj_ml_record_visit visit, void *ctx)
{
    struct tj_arena arena = {0};
    struct tj_record_query next = *query;
    bool ok = true;
    do {
        struct tj_record_page page = {0};
        ok = tj_store_records(call->store, &next, &arena, &page, &call->err) ||
             tj_ml_fail_err(call);
        for (size_t i = 0; ok && i < page.count; i++)
            ok = visit(ctx, call, &page.items[i], &arena);
        next.page_token = tj_str_dup(call->arena, page.next_page_token);
        tj_arena_reset(&arena);
    } while (ok && next.page_token.len);
    tj_arena_release(&arena);
    return ok;
}

struct tj_record tj_ml_keep_record(struct tj_ml *call,
                                   const struct tj_record *record)
{
    struct tj_record kept = *record;
    kept.id = tj_str_dup(call->arena, record->id);
    kept.parent = tj_str_dup(call->arena, record->parent);
    kept.name = tj_str_dup(call->arena, record->name);
    kept.body = tj_str_dup(call->arena, record->body);
    return kept;
}
