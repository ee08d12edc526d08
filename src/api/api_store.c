/* api_store.c - opening a store, importing into it, counting what is there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/map.h"
#include "trace/format.h"

static_assert((int)TJ_ERROR_INPUT == (int)TJ_E_INPUT, "public codes drifted");
static_assert((int)TJ_ERROR_AUTH == (int)TJ_E_AUTH, "public codes drifted");
static_assert((int)TJ_ERROR_CANCELLED == (int)TJ_E_CANCELLED,
              "public codes drifted");
static_assert((int)TJ_ERROR_NETWORK == (int)TJ_E_NETWORK,
              "public codes drifted");
static_assert(sizeof((struct tj_error){0}.message) == TJ_ERR_MESSAGE_MAX,
              "messages are copied whole");

const char *tj_version(void)
{
    return TJ_VERSION;
}

bool tj_api_fail(const struct tj_err *err, struct tj_error *out)
{
    out->code = (int)err->code;
    memcpy(out->message, err->message, sizeof out->message);
    return false;
}

struct tj_text tj_api_text(tj_str s)
{
    char *data = tj_heap_new(s.len + 1);
    if (s.len)
        memcpy(data, s.ptr, s.len);
    return (struct tj_text){data, s.len};
}

void tj_text_free(struct tj_text *text)
{
    tj_heap_free(text->data);
    *text = (struct tj_text){0};
}

const char *tj_api_env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

tj_str tj_api_store_url(const char *url, struct tj_arena *a, struct tj_err *err)
{
    if (url && *url)
        return tj_str_c(url);
    url = tj_api_env("TRACEJUDGE_STORE");
    if (url)
        return tj_str_c(url);
    const char *data = tj_api_env("XDG_DATA_HOME");
    const char *home = tj_api_env("HOME");
    if (data)
        return tj_str_printf(a, "%s/tracejudge/traces.db", data);
    if (home)
        return tj_str_printf(a, "%s/.local/share/tracejudge/traces.db", home);
    (void)tj_fail(err, TJ_E_INPUT,
                  "no store: set TRACEJUDGE_STORE, or HOME for the default");
    return (tj_str){0};
}

/* As MLflow's own client calls them. */
static struct tj_store_remote remote_of_environment(void)
{
    struct tj_store_remote remote = {
        .user = tj_str_c(tj_api_env("MLFLOW_TRACKING_USERNAME")),
        .password = tj_str_c(tj_api_env("MLFLOW_TRACKING_PASSWORD")),
        .token = tj_str_c(tj_api_env("MLFLOW_TRACKING_TOKEN")),
        .experiment = tj_str_c(tj_api_env("MLFLOW_EXPERIMENT_NAME")),
        .experiment_id = tj_str_c(tj_api_env("MLFLOW_EXPERIMENT_ID")),
        .ca_file = tj_str_c(tj_api_env("MLFLOW_TRACKING_SERVER_CERT_PATH")),
    };
    uint64_t seconds = 0;
    tj_str timeout = tj_str_c(tj_api_env("MLFLOW_HTTP_REQUEST_TIMEOUT"));
    if (tj_str_to_u64(timeout, &seconds) && seconds <= UINT32_MAX)
        remote.timeout_ms = seconds * 1000;
    return remote;
}

bool tj_open(const char *url, unsigned flags, struct tracejudge **out,
             struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    tj_str where = tj_api_store_url(url, &a, &why);
    struct tj_store_options options = {
        .durability = flags & TJ_OPEN_RELAXED ? TJ_DURABLE_RELAXED : TJ_DURABLE,
        .read_only = (flags & TJ_OPEN_READ_ONLY) != 0,
        .create = (flags & TJ_OPEN_CREATE) != 0,
        .remote = remote_of_environment(),
    };
    struct tj_store *store = NULL;
    bool ok = where.ptr && tj_store_open(where, &options, &store, &why);
    if (ok) {
        struct tracejudge *tj = tj_heap_new(sizeof *tj);
        tj->store = store;
        tj->url = tj_api_text(where).data;
        (void)pthread_mutex_init(&tj->lock, NULL);
        *out = tj;
    }
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

void tj_close(struct tracejudge *tj)
{
    if (!tj)
        return;
    tj_api_drop_recordings(tj);
    tj_store_close(tj->store);
    (void)pthread_mutex_destroy(&tj->lock);
    tj_heap_free(tj->url);
    tj_heap_free(tj);
}

const char *tj_store_url(const struct tracejudge *tj)
{
    return tj->url;
}

bool tj_count(struct tracejudge *tj, struct tj_counts *out,
              struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_store_stats stats = {0};
    if (!tj_store_stats(tj->store, &stats, &why))
        return tj_api_fail(&why, err);
    *out = (struct tj_counts){
        .traces = stats.trace_count,
        .spans = stats.span_count,
        .assessments = stats.assessment_count,
        .text_bytes = stats.text_bytes,
        .disk_bytes = stats.disk_bytes,
        .schema_version = stats.schema_version,
    };
    return true;
}

const char *tj_import_format(size_t i, const char **help)
{
    size_t count = 0;
    while (tj_formats[count])
        count++;
    if (i >= count)
        return NULL;
    if (help)
        *help = tj_formats[i]->help;
    return tj_formats[i]->name;
}

static void see_trace(struct tj_map *seen, const tj_trace_id *id,
                      struct tj_import *out)
{
    bool fresh = false;
    (void)tj_map_add(
        seen, tj_str_make((const char *)id->bytes, sizeof id->bytes), &fresh);
    if (!fresh)
        return;
    if (out->traces++ == 0) {
        tj_str digits = tj_trace_id_text(seen->arena, *id);
        memcpy(out->first_trace_id, digits.ptr, digits.len);
    }
}

static void fill_import(const struct tj_batch *batch,
                        const struct tj_format *format, size_t bytes,
                        struct tj_import *out)
{
    /* Of whole formats, not of single spans: nothing to be warned of. */
    const uint32_t ordinary = TJ_MARK_TIME_GUESSED | TJ_MARK_ID_DERIVED;
    struct tj_arena a = {0};
    struct tj_map seen;
    tj_map_init(&seen, &a);
    *out = (struct tj_import){
        .format = format->name,
        .spans = batch->spans.count,
        .assessments = batch->assessments.count,
        .bytes = bytes,
        .rejected = batch->rejected_count,
    };
    /* A source that says nothing of a trace as a whole still has its spans. */
    tj_vec_each (&batch->traces, const struct tj_trace_info, info)
        see_trace(&seen, &info->trace_id, out);
    tj_vec_each (&batch->spans, const struct tj_span, span) {
        see_trace(&seen, &span->trace_id, out);
        out->marked += (span->marks & ~ordinary) != 0;
    }
    tj_arena_release(&a);
}

static bool import(struct tracejudge *tj, tj_str bytes, const char *name,
                   struct tj_arena *a, struct tj_import *out,
                   struct tj_err *err)
{
    const struct tj_format *format = NULL;
    if (name && !(format = tj_format_find(tj_str_c(name))))
        return tj_fail(err, TJ_E_INPUT, "no format is called '%.100s'", name);
    struct tj_batch batch = {0};
    const struct tj_format *used = NULL;
    if (!tj_format_parse(format, bytes, a, &batch, &used, err))
        return false;
    if (batch.rejected_count && !batch.spans.count && !batch.traces.count)
        return tj_fail(err, TJ_E_INPUT, "no span of %zu could be kept: %.*s",
                       batch.rejected_count, TJ_STR_ARG(batch.rejected));
    if (!tj_store_add_batch(tj->store, &batch, err))
        return false;
    fill_import(&batch, used, bytes.len, out);
    return true;
}

bool tj_import_bytes(struct tracejudge *tj, const void *bytes, size_t size,
                     const char *format, struct tj_import *out,
                     struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    bool ok = import(tj, tj_str_make(bytes, size), format, &a, out, &why);
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

bool tj_import_file(struct tracejudge *tj, const char *path, const char *format,
                    struct tj_import *out, struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    tj_str bytes = {0};
    bool ok = tj_file_read(path, TJ_IMPORT_BYTES_MAX, &a, &bytes, &why);
    if (ok && !import(tj, bytes, format, &a, out, &why))
        ok = tj_err_wrap(&why, "%s", path);
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}
