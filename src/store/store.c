/* store.c - the front of the store: checks, then asks the backend.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store.h"

#include "base/hex.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/sha256.h"
#include "store/store_int.h"
#include "store/store_ops.h"

enum { PREFIX_DIGITS_MIN = 4 };

/* -- opening -------------------------------------------------------------- */

/* The path of a sqlite URL: "sqlite:///abs", "sqlite://rel", or plain. */
static tj_str sqlite_path(tj_str url)
{
    tj_str scheme = TJ_STR("sqlite://");
    if (tj_str_starts(url, scheme))
        return tj_str_slice(url, scheme.len, url.len);
    return url;
}

static bool has_scheme(tj_str url)
{
    return tj_str_find(url, TJ_STR("://")) != (size_t)-1;
}

/* Of a URL that may have a password in it, the scheme. */
static tj_str shown(tj_str url)
{
    if (tj_str_find_byte(url, '@') == (size_t)-1)
        return url;
    return tj_str_slice(url, 0, tj_str_find(url, TJ_STR("://")) + 3);
}

bool tj_store_open(tj_str url, const struct tj_store_options *options,
                   struct tj_store **out, struct tj_err *err)
{
    if (tj_str_eq(url, TJ_STR("memory:"))) {
        *out = tj_store_memory_new();
        return true;
    }
    struct tj_store_options defaults = {.create = true};
    if (!options)
        options = &defaults;
    if (tj_str_starts(url, TJ_STR("mlflow+http://")) ||
        tj_str_starts(url, TJ_STR("mlflow+https://")))
        return tj_store_mlflow_open(url, options, out, err);
    tj_str path = sqlite_path(url);
    if (path.len == 0 || has_scheme(path))
        return tj_fail(err, TJ_E_INPUT,
                       "store \"%.*s\": expected sqlite:///path.db, a path, "
                       "mlflow+http://host:port or memory:",
                       TJ_STR_ARG(shown(url)));
    if (tj_str_find_byte(path, '\0') != (size_t)-1)
        return tj_fail(err, TJ_E_INPUT, "store path has a NUL byte");
    return tj_store_sqlite_open(path, options, out, err);
}

void tj_store_close(struct tj_store *st)
{
    if (st)
        st->ops->close(st);
}

const char *tj_store_backend_name(const struct tj_store *st)
{
    return st->ops->name;
}

bool tj_store_keeps_traces(struct tj_store *st)
{
    return !st->ops->keeps_traces || st->ops->keeps_traces(st);
}

bool tj_store_describe(struct tj_store *st, struct tj_arena *a, tj_str *out,
                       struct tj_err *err)
{
    tj_str text = {0};
    if (st->ops->describe && !st->ops->describe(st, a, &text, err))
        return false;
    *out = text;
    return true;
}

bool tj_store_wants_mlflow_judges(const struct tj_store *st)
{
    return st->ops->mlflow_judges;
}

/* -- checks --------------------------------------------------------------- */

bool tj_store_check_id(tj_trace_id id, struct tj_err *err)
{
    return !tj_trace_id_is_none(id) ||
           tj_fail(err, TJ_E_INPUT, "trace id is all zeros");
}

bool tj_store_check_key(tj_str key, const char *what, struct tj_err *err)
{
    if (key.len == 0)
        return tj_fail(err, TJ_E_INPUT, "%s is empty", what);
    if (key.len > TJ_NAME_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "%s is over %zu bytes", what,
                       TJ_NAME_BYTES_MAX);
    return true;
}

static bool check_span(const struct tj_span *span, size_t i, struct tj_err *err)
{
    if (tj_trace_id_is_none(span->trace_id) ||
        tj_span_id_is_none(span->span_id))
        return tj_fail(err, TJ_E_INPUT, "span %zu: no id", i);
    if (span->field_count > TJ_FIELDS_PER_SPAN_MAX)
        return tj_fail(err, TJ_E_LIMIT, "span %zu: over %zu fields", i,
                       TJ_FIELDS_PER_SPAN_MAX);
    return true;
}

static bool check_assessment(const struct tj_assessment *as, struct tj_err *err)
{
    return tj_store_check_id(as->trace_id, err) &&
           tj_store_check_key(as->name, "assessment name", err);
}

static bool check_batch(const struct tj_batch *batch, struct tj_err *err)
{
    tj_vec_each (&batch->traces, const struct tj_trace_info, info) {
        if (!tj_store_check_id(info->trace_id, err))
            return false;
    }
    for (size_t i = 0; i < batch->spans.count; i++) {
        if (!check_span(&batch->spans.items[i], i, err))
            return false;
    }
    tj_vec_each (&batch->assessments, const struct tj_assessment, as) {
        if (!check_assessment(as, err))
            return false;
    }
    return true;
}

/* -- traces --------------------------------------------------------------- */

bool tj_store_add_batch(struct tj_store *st, const struct tj_batch *batch,
                        struct tj_err *err)
{
    if (!check_batch(batch, err))
        return false;
    if (!batch->traces.count && !batch->spans.count &&
        !batch->assessments.count)
        return true;
    return st->ops->add_batch(st, batch, err);
}

bool tj_store_quiesce(struct tj_store *st, struct tj_err *err)
{
    return st->ops->quiesce(st, err);
}

bool tj_store_open_trace(struct tj_store *st, tj_trace_id id,
                         struct tj_arena *a, struct tj_trace *out,
                         struct tj_err *err)
{
    struct tj_trace trace = {.arena = a};
    bool found = false;
    if (!tj_store_check_id(id, err) ||
        !st->ops->open_trace(st, id, &trace, &found, err))
        return false;
    trace.store = found ? st : NULL;
    for (size_t i = 0; i < trace.span_count; i++)
        trace.spans[i].trace_id = id;
    *out = trace;
    return true;
}

bool tj_store_find_info(struct tj_store *st, tj_trace_id id, struct tj_arena *a,
                        struct tj_trace_info *out, bool *found,
                        struct tj_err *err)
{
    struct tj_trace_info info = {0};
    bool there = false;
    if (!tj_store_check_id(id, err) ||
        !st->ops->find_info(st, id, a, &info, &there, err))
        return false;
    *out = info;
    *found = there;
    return true;
}

bool tj_store_load_fields(struct tj_trace *trace, size_t span,
                          struct tj_err *err)
{
    assert(span < trace->span_count);
    if (trace->spans[span].fields || trace->spans[span].field_count == 0)
        return true;
    return trace->store->ops->load_fields(trace->store, trace, span, err);
}

/* Seven parameters: where, which part, and the result.  A struct for the part
 * would be filled in at each of the calls and read nowhere else. */
/* NOLINTNEXTLINE(readability-function-size) */
bool tj_store_read_field(struct tj_trace *trace, size_t span, size_t field,
                         uint64_t offset, uint64_t len, tj_str *out,
                         struct tj_err *err)
{
    assert(span < trace->span_count);
    assert(field < trace->spans[span].field_count);
    const struct tj_span *s = &trace->spans[span];
    assert(s->fields);
    if (s->fields[field].same_as != TJ_FIELD_NOT_SHARED)
        field = (size_t)s->fields[field].same_as;
    uint64_t size = s->fields[field].text.len;
    if (offset >= size || len == 0) {
        *out = (tj_str){"", 0};
        return true;
    }
    struct tj_field_range range = {
        .span = span,
        .field = field,
        .offset = offset,
        .len = len < size - offset ? len : size - offset,
    };
    tj_str text = {0};
    if (!trace->store->ops->read_field(trace->store, trace, &range, &text, err))
        return false;
    *out = text;
    return true;
}

/* The lowest and the highest id that begin with these digits. */
static bool prefix_range(tj_str prefix, tj_trace_id out[2])
{
    char digits[TJ_TRACE_ID_DIGITS];
    tj_str all = {digits, sizeof digits};
    if (prefix.len < PREFIX_DIGITS_MIN || prefix.len > sizeof digits)
        return false;
    memcpy(digits, prefix.ptr, prefix.len);
    memset(digits + prefix.len, '0', sizeof digits - prefix.len);
    if (!tj_hex_parse(all, out[0].bytes, sizeof out[0].bytes))
        return false;
    memset(digits + prefix.len, 'f', sizeof digits - prefix.len);
    return tj_hex_parse(all, out[1].bytes, sizeof out[1].bytes);
}

bool tj_store_resolve(struct tj_store *st, tj_str prefix, tj_trace_id *out,
                      size_t *count, struct tj_err *err)
{
    tj_str digits = prefix;
    if (tj_str_starts(digits, TJ_STR("tr-")))
        digits = tj_str_slice(digits, 3, digits.len);
    tj_trace_id range[2];
    if (!prefix_range(digits, range))
        return tj_fail(
            err, TJ_E_INPUT, "trace id \"%.*s\": expected %d to %d hex digits",
            TJ_STR_ARG(prefix), PREFIX_DIGITS_MIN, TJ_TRACE_ID_DIGITS);
    tj_trace_id id = {0};
    size_t n = 0;
    if (!st->ops->resolve(st, range, &id, &n, err))
        return false;
    *out = id;
    *count = n;
    return true;
}

bool tj_store_newest(struct tj_store *st, tj_trace_id *out, bool *found,
                     struct tj_err *err)
{
    tj_trace_id id = {0};
    bool any = false;
    if (!st->ops->newest(st, &id, &any, err))
        return false;
    *out = id;
    *found = any;
    return true;
}

bool tj_store_set_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                      tj_str value, struct tj_err *err)
{
    if (!tj_store_check_id(id, err) || !tj_store_check_key(key, "tag key", err))
        return false;
    tj_str some = {value.len ? value.ptr : "", value.len};
    return st->ops->set_tag(st, id, key, some, err);
}

bool tj_store_delete_tag(struct tj_store *st, tj_trace_id id, tj_str key,
                         struct tj_err *err)
{
    return tj_store_check_id(id, err) &&
           tj_store_check_key(key, "tag key", err) &&
           st->ops->set_tag(st, id, key, (tj_str){NULL, 0}, err);
}

bool tj_store_delete_trace(struct tj_store *st, tj_trace_id id, bool *existed,
                           struct tj_err *err)
{
    bool there = false;
    if (!tj_store_check_id(id, err) ||
        !st->ops->delete_trace(st, id, &there, err))
        return false;
    *existed = there;
    return true;
}

static bool check_ids(const tj_trace_id *ids, size_t count, struct tj_err *err)
{
    if (count > TJ_TRACE_IDS_MAX)
        return tj_fail(err, TJ_E_LIMIT, "over %zu trace ids at once",
                       TJ_TRACE_IDS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!tj_store_check_id(ids[i], err))
            return false;
    }
    return true;
}

bool tj_store_link_traces(struct tj_store *st, const tj_trace_id *ids,
                          size_t count, tj_str run_id, size_t *linked,
                          struct tj_err *err)
{
    struct tj_trace_ids list = {ids, count};
    size_t n = 0;
    if (!check_ids(ids, count, err) ||
        !tj_store_check_key(run_id, "run id", err) ||
        (count && !st->ops->link_traces(st, &list, run_id, &n, err)))
        return false;
    *linked = n;
    return true;
}

bool tj_store_delete_traces(struct tj_store *st,
                            const struct tj_trace_doomed *doomed,
                            uint64_t *deleted, struct tj_err *err)
{
    uint64_t n = 0;
    if (!doomed->id_count && !doomed->max_time)
        return tj_fail(err, TJ_E_INPUT,
                       "which traces to delete: neither ids nor a time");
    if (!check_ids(doomed->ids, doomed->id_count, err) ||
        !st->ops->delete_traces(st, doomed, &n, err))
        return false;
    *deleted = n;
    return true;
}

/* -- assessments ---------------------------------------------------------- */

static tj_str random_assessment_id(struct tj_arena *a)
{
    unsigned char bytes[16];
    tj_random_bytes(bytes, sizeof bytes);
    char digits[2 * sizeof bytes];
    tj_hex_write(bytes, sizeof bytes, digits);
    return tj_str_printf(a, "a-%.*s", (int)sizeof digits, digits);
}

bool tj_store_add_assessment(struct tj_store *st, struct tj_assessment *as,
                             struct tj_arena *a, struct tj_err *err)
{
    if (!check_assessment(as, err))
        return false;
    struct tj_assessment full = *as;
    if (full.id.len == 0)
        full.id = random_assessment_id(a);
    if (full.create_time == 0)
        full.create_time = tj_now();
    if (full.update_time == 0)
        full.update_time = full.create_time;
    if (!st->ops->add_assessment(st, &full, a, err))
        return false;
    *as = full;
    return true;
}

bool tj_store_assessments(struct tj_store *st, tj_trace_id id,
                          struct tj_arena *a, struct tj_assessment **out,
                          size_t *count, struct tj_err *err)
{
    struct tj_assessments list = {0};
    if (!tj_store_check_id(id, err) ||
        !st->ops->assessments(st, id, a, &list, err))
        return false;
    *out = list.items;
    *count = list.count;
    return true;
}

bool tj_store_delete_assessment(struct tj_store *st, tj_trace_id id,
                                tj_str assessment_id, bool *existed,
                                struct tj_err *err)
{
    bool there = false;
    if (!tj_store_check_id(id, err) ||
        !st->ops->delete_assessment(st, id, assessment_id, &there, err))
        return false;
    *existed = there;
    return true;
}

/* The caller's edit, and a look at what it left behind. */
struct checked_edit {
    tj_assessment_edit edit;
    void *ctx;
};

static enum tj_edit checked_edit(void *ctx, struct tj_assessment *as,
                                 struct tj_arena *a, struct tj_err *err)
{
    const struct checked_edit *c = ctx;
    tj_trace_id trace_id = as->trace_id;
    tj_str id = as->id;
    enum tj_edit edit = c->edit(c->ctx, as, a, err);
    as->trace_id = trace_id;
    as->id = id;
    if (edit == TJ_EDIT_PUT && !check_assessment(as, err))
        return TJ_EDIT_FAIL;
    return edit;
}

/* Which one, what to do, and the result: each is one of a kind. */
/* NOLINTNEXTLINE(readability-function-size) */
bool tj_store_edit_assessment(struct tj_store *st, tj_trace_id id,
                              tj_str assessment_id, tj_assessment_edit edit,
                              void *ctx, struct tj_arena *a, bool *found,
                              struct tj_err *err)
{
    struct checked_edit checked = {edit, ctx};
    struct tj_assessment_change change = {
        .trace_id = id,
        .id = assessment_id,
        .edit = checked_edit,
        .ctx = &checked,
        .a = a,
    };
    if (!tj_store_check_id(id, err) ||
        !st->ops->edit_assessment(st, &change, err))
        return false;
    *found = change.found;
    return true;
}

/* -- judges --------------------------------------------------------------- */

bool tj_store_add_judge(struct tj_store *st, tj_str name, tj_str source,
                        struct tj_arena *a, struct tj_judge_row *out,
                        struct tj_err *err)
{
    if (!tj_store_check_key(name, "judge name", err))
        return false;
    if (source.len > TJ_JUDGE_FILE_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "judge file is over %zu bytes",
                       TJ_JUDGE_FILE_BYTES_MAX);
    struct tj_judge_row in = {
        .name = name,
        .source = source,
        .digest = tj_sha256_hex(a, source),
        .create_time = tj_now(),
    };
    struct tj_judge_row row = {0};
    if (!st->ops->add_judge(st, &in, a, &row, err))
        return false;
    *out = row;
    return true;
}

bool tj_store_find_judge(struct tj_store *st, tj_str name, uint32_t version,
                         struct tj_arena *a, struct tj_judge_row *out,
                         struct tj_err *err)
{
    struct tj_judge_row row = {0};
    if (!st->ops->find_judge(st, name, version, a, &row, err))
        return false;
    *out = row;
    return true;
}

bool tj_store_judges(struct tj_store *st, struct tj_arena *a,
                     struct tj_judge_row **out, size_t *count,
                     struct tj_err *err)
{
    struct tj_judge_rows rows = {0};
    if (!st->ops->judges(st, a, &rows, err))
        return false;
    *out = rows.items;
    *count = rows.count;
    return true;
}

bool tj_store_stats(struct tj_store *st, struct tj_store_stats *out,
                    struct tj_err *err)
{
    struct tj_store_stats stats = {0};
    if (!st->ops->stats(st, &stats, err))
        return false;
    *out = stats;
    return true;
}
