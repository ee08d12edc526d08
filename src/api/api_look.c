/* api_look.c - finding, listing and showing traces; tools; assessments.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"

#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "judge/registered.h"
#include "text/json_write.h"
#include "text/plain.h"
#include "text/utf8.h"
#include "tools/show.h"
#include "tools/tool.h"
#include "tools/trace_table.h"
#include "trace/trace_json.h"

enum {
    LIST_DEFAULT = 50,
    COLUMNS_DEFAULT = 100,
    SHOW_SPANS_DEFAULT = 2000,
};

/* What one call may print: a listing of every span of a large trace. */
#define TEXT_BYTES_MAX ((size_t)1 << 30)

static bool newest_trace(struct tracejudge *tj, tj_trace_id *out,
                         struct tj_err *err)
{
    bool found = false;
    if (!tj_store_newest(tj->store, out, &found, err))
        return false;
    return found ||
           tj_fail(err, TJ_E_INPUT, "there is no trace in the store yet");
}

bool tj_api_trace_id(struct tracejudge *tj, const char *text, tj_trace_id *out,
                     struct tj_err *err)
{
    if (!strcmp(text, "last"))
        return newest_trace(tj, out, err);
    size_t count = 0;
    if (!tj_store_resolve(tj->store, tj_str_c(text), out, &count, err))
        return false;
    if (count == 0)
        return tj_fail(err, TJ_E_INPUT, "no trace has the id '%.100s'", text);
    if (count > 1)
        return tj_fail(err, TJ_E_INPUT,
                       "%zu traces have ids that begin with '%.100s'", count,
                       text);
    return true;
}

bool tj_find_trace(struct tracejudge *tj, const char *prefix, char out[33],
                   size_t *count, struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    tj_trace_id id = {0};
    bool ok = tj_store_resolve(tj->store, tj_str_c(prefix), &id, count, &why);
    if (ok && *count) {
        tj_str digits = tj_trace_id_text(&a, id);
        memcpy(out, digits.ptr, digits.len);
        out[digits.len] = '\0';
    }
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

/* -- listing -------------------------------------------------------------- */

static void write_infos_json(const struct tj_trace_page *page,
                             struct tj_arena *a, struct tj_buf *out)
{
    for (size_t i = 0; i < page->count; i++) {
        struct tj_json_writer w;
        tj_json_writer_init(&w, out, TJ_JSON_COMPACT);
        tj_trace_info_write(&w, &page->infos[i], a);
        tj_buf_byte(out, '\n');
    }
}

static void write_ids(const struct tj_trace_page *page, struct tj_arena *a,
                      struct tj_buf *out)
{
    for (size_t i = 0; i < page->count; i++) {
        tj_buf_add(out, tj_trace_id_text(a, page->infos[i].trace_id));
        tj_buf_byte(out, '\n');
    }
}

static bool list(struct tracejudge *tj, const struct tj_list_options *options,
                 struct tj_arena *a, struct tj_trace_page *page,
                 struct tj_err *err)
{
    struct tj_order order = {0};
    struct tj_trace_query query = {
        .row_max = options->max ? options->max : LIST_DEFAULT,
        .page_token = tj_str_c(options->page_token),
        .with_judge_traces = options->with_judge_traces,
    };
    if (!tj_filter_parse(tj_str_c(options->filter), a, &query.filter, err))
        return false;
    if (options->order_by) {
        if (!tj_order_parse(tj_str_c(options->order_by), a, &order, err))
            return false;
        query.order = &order;
        query.order_count = 1;
    }
    return tj_store_search(tj->store, &query, a, page, err);
}

bool tj_list_traces(struct tracejudge *tj,
                    const struct tj_list_options *options, struct tj_text *out,
                    struct tj_text *next, size_t *count, struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_trace_page page = {0};
    struct tj_buf b;
    tj_buf_init(&b, &a, TEXT_BYTES_MAX);
    bool ok = list(tj, options, &a, &page, &why);
    if (ok && options->form == TJ_FORM_JSON)
        write_infos_json(&page, &a, &b);
    if (ok && options->form == TJ_FORM_IDS)
        write_ids(&page, &a, &b);
    if (ok && options->form == TJ_FORM_TABLE) {
        struct tj_table_style style = {
            .columns = options->columns ? options->columns : COLUMNS_DEFAULT,
            .color = options->color};
        tj_trace_table_write(page.infos, page.count, &style, &a, &b);
    }
    ok = ok && tj_buf_ok(&b, "listing", &why);
    if (ok) {
        *out = tj_api_text(tj_buf_str(&b));
        *next = tj_api_text(page.next_page_token);
        *count = page.count;
    }
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

/* -- showing -------------------------------------------------------------- */

static bool open_trace(struct tracejudge *tj, const char *trace_id,
                       struct tj_arena *a, struct tj_trace *trace,
                       struct tj_err *err)
{
    tj_trace_id id = {0};
    if (!tj_api_trace_id(tj, trace_id, &id, err) ||
        !tj_store_open_trace(tj->store, id, a, trace, err))
        return false;
    if (!tj_trace_is_open(trace)) /* deleted since it was resolved */
        return tj_fail(err, TJ_E_INPUT, "no trace has the id '%.100s'",
                       trace_id);
    return true;
}

static bool load_texts(struct tj_trace *trace, size_t span, struct tj_err *err)
{
    if (!tj_store_load_fields(trace, span, err))
        return false;
    struct tj_span *s = &trace->spans[span];
    for (size_t i = 0; i < s->field_count; i++)
        if (!tj_store_read_field(trace, span, i, 0, UINT64_MAX,
                                 &s->fields[i].text, err))
            return false;
    return true;
}

static bool write_assessments(struct tj_json_writer *w, struct tracejudge *tj,
                              tj_trace_id id, struct tj_arena *a,
                              struct tj_err *err)
{
    struct tj_assessment *items = NULL;
    size_t count = 0;
    if (!tj_store_assessments(tj->store, id, a, &items, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        tj_assessment_write(w, &items[i], a);
    return true;
}

/* One object {"resource", "scope"} each, as it was read. */
static void write_resources(struct tj_json_writer *w,
                            const struct tj_trace *trace, struct tj_arena *a)
{
    struct tj_err ignored = {0};
    if (!trace->resource_count)
        return;
    tj_jw_key(w, TJ_STR("resources"));
    tj_jw_array(w);
    for (size_t i = 0; i < trace->resource_count; i++) {
        struct tj_json_doc doc = {0};
        if (tj_plain_parse(trace->resources[i].text, a, &doc, &ignored))
            tj_jw_value(w, doc.root);
        else
            tj_jw_str(w, trace->resources[i].text);
    }
    tj_jw_end(w);
}

static bool show_json(struct tracejudge *tj, struct tj_trace *trace,
                      struct tj_arena *a, struct tj_buf *out,
                      struct tj_err *err)
{
    struct tj_json_writer w;
    tj_json_writer_init(&w, out, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("info"));
    tj_trace_info_write(&w, &trace->info, a);
    write_resources(&w, trace, a);
    tj_jw_key(&w, TJ_STR("spans"));
    tj_jw_array(&w);
    for (size_t i = 0; i < trace->span_count; i++) {
        if (!load_texts(trace, i, err))
            return false;
        tj_span_write(&w, &trace->spans[i], a);
    }
    tj_jw_end(&w);
    tj_jw_key(&w, TJ_STR("assessments"));
    tj_jw_array(&w);
    if (!write_assessments(&w, tj, trace->info.trace_id, a, err))
        return false;
    tj_jw_end(&w);
    tj_jw_end(&w);
    tj_buf_byte(out, '\n');
    return true;
}

static bool show(struct tracejudge *tj, const char *trace_id,
                 const struct tj_show_options *options, struct tj_arena *a,
                 struct tj_buf *out, struct tj_err *err)
{
    struct tj_trace trace = {0};
    if (!open_trace(tj, trace_id, a, &trace, err))
        return false;
    if (options->view == TJ_VIEW_JSON)
        return show_json(tj, &trace, a, out, err) &&
               tj_buf_ok(out, "trace", err);
    struct tj_show_style style = {
        .columns = options->columns ? options->columns : COLUMNS_DEFAULT,
        .color = options->color,
        .previews = options->previews,
        .span_max = options->span_max ? options->span_max : SHOW_SPANS_DEFAULT,
    };
    bool ok = options->view == TJ_VIEW_TREE
                  ? tj_show_tree(&trace, &style, out, err)
                  : tj_show_waterfall(&trace, &style, out, err);
    return ok && tj_buf_ok(out, "trace", err);
}

bool tj_show_trace(struct tracejudge *tj, const char *trace_id,
                   const struct tj_show_options *options, struct tj_text *out,
                   struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_buf b;
    tj_buf_init(&b, &a, TEXT_BYTES_MAX);
    bool ok = show(tj, trace_id, options, &a, &b, &why);
    if (ok)
        *out = tj_api_text(tj_buf_str(&b));
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

/* -- tools ---------------------------------------------------------------- */

const char *tj_tool_name(size_t i, const char **help, struct tj_text *schema)
{
    size_t count = 0;
    while (tj_tools[count])
        count++;
    if (i >= count)
        return NULL;
    if (help)
        *help = tj_tools[i]->help;
    if (schema) {
        struct tj_arena a = {0};
        struct tj_buf b;
        tj_buf_init(&b, &a, TJ_TOOL_ARGS_BYTES_MAX);
        tj_tool_schema_write(tj_tools[i], &b);
        *schema = tj_api_text(tj_buf_str(&b));
        tj_arena_release(&a);
    }
    return tj_tools[i]->name;
}

bool tj_call_tool(struct tracejudge *tj, const char *trace_id, const char *tool,
                  const char *args, struct tj_tool_answer *out,
                  struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_trace trace = {0};
    struct tj_tool_reply reply = {0};
    struct tj_call call = {.name = tj_str_c(tool), .args = tj_str_c(args)};
    struct tj_tool_env env = {.store = tj->store, .trace = &trace, .step = &a};
    bool ok = open_trace(tj, trace_id, &a, &trace, &why) &&
              tj_tool_run(&env, &call, &reply, &why);
    if (ok)
        *out = (struct tj_tool_answer){tj_api_text(reply.text), reply.refused};
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

/* -- assessments, tags, deletion ------------------------------------------ */

static bool make_assessment(const struct tj_feedback *from, struct tj_arena *a,
                            struct tj_assessment *as, struct tj_err *err)
{
    struct tj_json_doc doc = {0};
    *as = (struct tj_assessment){
        .kind = from->expectation ? TJ_EXPECTATION : TJ_FEEDBACK,
        .name = tj_str_c(from->name),
        .source_id = tj_str_c(from->source_id ? from->source_id : "default"),
        .rationale = tj_str_c(from->rationale),
        .value_json = tj_str_c(from->value_json),
        .create_time = tj_now(),
        .update_time = tj_now(),
        .valid = true,
    };
    const char *type = from->source_type ? from->source_type : "HUMAN";
    if (!as->name.len)
        return tj_fail(err, TJ_E_INPUT, "an assessment needs a name");
    if (!tj_json_parse(as->value_json, a, &doc, err))
        return tj_err_wrap(err, "value of '%s'", from->name);
    if (!tj_source_type_parse(tj_str_c(type), &as->source_type))
        return tj_fail(err, TJ_E_INPUT, "unknown source type '%.100s'", type);
    if (from->span_id &&
        !tj_span_id_parse(tj_str_c(from->span_id), &as->span_id))
        return tj_fail(err, TJ_E_INPUT, "not a span id: '%.100s'",
                       from->span_id);
    return true;
}

bool tj_log_assessment(struct tracejudge *tj, const char *trace_id,
                       const struct tj_feedback *feedback,
                       struct tj_text *assessment_id, struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_assessment as;
    bool ok = make_assessment(feedback, &a, &as, &why) &&
              tj_api_trace_id(tj, trace_id, &as.trace_id, &why) &&
              tj_store_add_assessment(tj->store, &as, &a, &why);
    if (ok && assessment_id)
        *assessment_id = tj_api_text(as.id);
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

bool tj_list_assessments(struct tracejudge *tj, const char *trace_id,
                         struct tj_text *out, struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_assessment *items = NULL;
    size_t count = 0;
    tj_trace_id id = {0};
    struct tj_buf b;
    tj_buf_init(&b, &a, TEXT_BYTES_MAX);
    bool ok = tj_api_trace_id(tj, trace_id, &id, &why) &&
              tj_store_assessments(tj->store, id, &a, &items, &count, &why);
    for (size_t i = 0; ok && i < count; i++) {
        struct tj_json_writer w;
        tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
        tj_assessment_write(&w, &items[i], &a);
        tj_buf_byte(&b, '\n');
    }
    ok = ok && tj_buf_ok(&b, "assessments", &why);
    if (ok)
        *out = tj_api_text(tj_buf_str(&b));
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

bool tj_set_tag(struct tracejudge *tj, const char *trace_id, const char *key,
                const char *value, struct tj_error *err)
{
    struct tj_err why = {0};
    tj_trace_id id = {0};
    return (tj_api_trace_id(tj, trace_id, &id, &why) &&
            tj_store_set_tag(tj->store, id, tj_str_c(key), tj_str_c(value),
                             &why)) ||
           tj_api_fail(&why, err);
}

bool tj_delete_trace(struct tracejudge *tj, const char *trace_id, bool *existed,
                     struct tj_error *err)
{
    struct tj_err why = {0};
    tj_trace_id id = {0};
    return (tj_api_trace_id(tj, trace_id, &id, &why) &&
            tj_store_delete_trace(tj->store, id, existed, &why)) ||
           tj_api_fail(&why, err);
}

bool tj_list_judges(struct tracejudge *tj, enum tj_form form,
                    struct tj_text *out, struct tj_error *err)
{
    struct tj_err why = {0};
    struct tj_arena a = {0};
    struct tj_judge_row *rows = NULL;
    size_t count = 0;
    struct tj_buf b;
    tj_buf_init(&b, &a, TEXT_BYTES_MAX);
    bool ok = tj_registered_list(tj->store, &a, &rows, &count, &why);
    if (ok && form == TJ_FORM_TABLE)
        tj_buf_fmt(&b, "%-32s  %7s  %s\n", "JUDGE", "VERSION", "CREATED (UTC)");
    for (size_t i = 0; ok && i < count; i++) {
        tj_str time = tj_time_text(&a, rows[i].create_time);
        if (form == TJ_FORM_TABLE) {
            tj_buf_fmt(&b, "%-32.*s  %7" PRIu32 "  %.10s %.8s\n",
                       TJ_STR_ARG(rows[i].name), rows[i].version, time.ptr,
                       time.ptr + 11);
            continue;
        }
        struct tj_json_writer w;
        tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
        tj_jw_object(&w);
        tj_jw_key_str(&w, "name", rows[i].name);
        tj_jw_key_u64(&w, "version", rows[i].version);
        tj_jw_key_str(&w, "digest", rows[i].digest);
        tj_jw_key_str(&w, "create_time", time);
        tj_jw_end(&w);
        tj_buf_byte(&b, '\n');
    }
    ok = ok && tj_buf_ok(&b, "judges", &why);
    if (ok)
        *out = tj_api_text(tj_buf_str(&b));
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}

void tj_printable(const char *text, size_t size, struct tj_text *out)
{
    struct tj_arena a = {0};
    struct tj_buf b;
    size_t room = 0;
    bool fits = tj_size_mul(size, 4, &room) && tj_size_add(room, 64, &room);
    assert(fits);
    tj_buf_init(&b, &a, room);
    tj_utf8_put_safe(&b, tj_utf8_repair(&a, tj_str_make(text, size)),
                     TJ_BREAKS_KEEP);
    *out = tj_api_text(tj_buf_str(&b));
    tj_arena_release(&a);
}
