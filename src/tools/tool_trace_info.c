/* tool_trace_info.c - get_trace_info: the trace as a whole.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Labels (assessments, and tags or metadata that hold scores or expectations)
 * are shown only when the environment says so: a judge must not find the
 * answer in the question.
 */
#include <inttypes.h>

#include "base/map.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

enum {
    PREVIEW_BYTES = 600,
    VALUE_BYTES = 200,
    PAIRS_MAX = 40,
    RESOURCES_MAX = 4,
    RESOURCE_BYTES = 500,
};

static void put_text(struct tj_buf *out, const char *label, tj_str value,
                     size_t bytes_max)
{
    if (!value.len)
        return;
    tj_buf_fmt(out, "%s: ", label);
    tj_put_line(out, value, bytes_max);
    tj_buf_byte(out, '\n');
}

static void put_identity(struct tj_buf *out, const struct tj_trace *trace)
{
    const struct tj_trace_info *info = &trace->info;
    tj_buf_add(out, TJ_STR("trace "));
    tj_buf_add(out, tj_trace_id_mlflow(out->arena, info->trace_id));
    tj_buf_fmt(out, "\nstate: %s\n", tj_trace_state_name(info->state));
    put_text(out, "name", info->name, VALUE_BYTES);
    put_text(out, "experiment", info->experiment, VALUE_BYTES);
    put_text(out, "session", info->session, VALUE_BYTES);
    put_text(out, "user", info->user, VALUE_BYTES);
    put_text(out, "client_request_id", info->client_request_id, VALUE_BYTES);
    put_text(out, "source_id", info->source_id, VALUE_BYTES);
}

static void put_times(struct tj_buf *out, const struct tj_trace *trace)
{
    const struct tj_trace_info *info = &trace->info;
    if (info->request_time)
        put_text(out, "request_time",
                 tj_time_text(out->arena, info->request_time), VALUE_BYTES);
    tj_buf_add(out, TJ_STR("duration: "));
    if (info->duration_ns)
        tj_put_duration(out, info->duration_ns);
    else
        tj_buf_add(out, TJ_STR("unknown"));
    tj_buf_byte(out, '\n');
}

static void put_counts(struct tj_buf *out, const struct tj_trace *trace)
{
    uint64_t kinds[TJ_KIND_COUNT] = {0};
    uint64_t errors = 0;
    uint64_t bytes = 0;
    int32_t depth = 0;
    for (size_t i = 0; i < trace->span_count; i++) {
        kinds[trace->spans[i].kind]++;
        errors += trace->spans[i].status == TJ_STATUS_ERROR;
        bytes += trace->spans[i].text_bytes;
        depth = trace->tree.depth[i] > depth ? trace->tree.depth[i] : depth;
    }
    tj_buf_fmt(out,
               "spans: %zu (%zu root%s, depth %" PRId32 ", %" PRIu64
               " with status ERROR)\nkinds:",
               trace->span_count, trace->tree.root_count,
               trace->tree.root_count == 1 ? "" : "s", depth, errors);
    for (size_t k = 0; k < TJ_KIND_COUNT; k++)
        if (kinds[k])
            tj_buf_fmt(out, " %s %" PRIu64, tj_kind_name((enum tj_kind)k),
                       kinds[k]);
    tj_buf_fmt(out, "\ncontents: %" PRIu64 " bytes\n", bytes);
}

static void put_usage(struct tj_buf *out, const struct tj_usage *usage)
{
    if (usage->input_tokens >= 0 || usage->output_tokens >= 0) {
        tj_buf_add(out, TJ_STR("tokens: "));
        tj_put_usage(out, usage);
        tj_buf_byte(out, '\n');
    }
    if (usage->cost_usd >= 0) {
        tj_buf_add(out, TJ_STR("cost: "));
        tj_put_cost(out, usage->cost_usd);
        tj_buf_byte(out, '\n');
    }
}

static void put_marks(struct tj_buf *out, const struct tj_trace *trace)
{
    uint64_t counts[TJ_MARK_COUNT] = {0};
    for (size_t i = 0; i < trace->span_count; i++)
        for (uint32_t bit = 0; bit < TJ_MARK_COUNT; bit++)
            counts[bit] += (trace->spans[i].marks >> bit) & 1;
    for (uint32_t bit = 0; bit < TJ_MARK_COUNT; bit++)
        if (counts[bit])
            tj_buf_fmt(out, "mark %s: %" PRIu64 " spans (%s)\n",
                       tj_mark_name((enum tj_mark)bit), counts[bit],
                       tj_mark_text((enum tj_mark)bit));
}

static void put_pairs(struct tj_buf *out, const char *label,
                      const tj_pairs *pairs, bool show_labels)
{
    size_t shown = 0;
    size_t hidden = 0;
    size_t left = 0;
    tj_vec_each (pairs, struct tj_pair, p) {
        if (!show_labels && tj_key_is_label(p->key)) {
            hidden++;
            continue;
        }
        if (shown == PAIRS_MAX) {
            left++;
            continue;
        }
        tj_buf_fmt(out, "%s ", label);
        tj_put_line(out, p->key, TJ_TOOL_NAME_BYTES);
        tj_buf_add(out, TJ_STR(": "));
        tj_put_line(out, p->value, VALUE_BYTES);
        tj_buf_byte(out, '\n');
        shown++;
    }
    if (left)
        tj_buf_fmt(out, "%s: %zu more not shown\n", label, left);
    if (hidden)
        tj_buf_fmt(out, "%s: %zu that may hold labels are hidden\n", label,
                   hidden);
}

static void put_resources(struct tj_buf *out, const struct tj_trace *trace)
{
    size_t count = tj_size_min(trace->resource_count, RESOURCES_MAX);
    for (size_t i = 0; i < count; i++)
        put_text(out, "resource", trace->resources[i].text, RESOURCE_BYTES);
    if (count < trace->resource_count)
        tj_buf_fmt(out, "resources: %zu of %zu shown\n", count,
                   trace->resource_count);
}

static bool put_assessments(struct tj_tool_env *env, struct tj_buf *out,
                            struct tj_err *err)
{
    struct tj_assessment *list;
    size_t count;
    if (!tj_store_assessments(env->store, env->trace->info.trace_id, env->step,
                              &list, &count, err))
        return false;
    for (size_t i = 0; i < count && i < PAIRS_MAX; i++) {
        tj_buf_add(out, TJ_STR("assessment "));
        tj_put_line(out, list[i].name, TJ_TOOL_NAME_BYTES);
        tj_buf_fmt(out, " by %s: ", tj_source_type_name(list[i].source_type));
        tj_put_line(out, list[i].value_json, VALUE_BYTES);
        tj_buf_byte(out, '\n');
    }
    if (count > PAIRS_MAX)
        tj_buf_fmt(out, "assessments: %zu of %zu shown\n", (size_t)PAIRS_MAX,
                   count);
    return true;
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    const struct tj_trace *trace = env->trace;
    (void)args;
    (void)refused;
    put_identity(out, trace);
    put_times(out, trace);
    put_counts(out, trace);
    tj_put_models(out, trace);
    put_usage(out, &trace->info.usage);
    put_marks(out, trace);
    put_text(out, "request", trace->info.request_preview, PREVIEW_BYTES);
    put_text(out, "response", trace->info.response_preview, PREVIEW_BYTES);
    struct tj_buf tail;
    tj_buf_init(&tail, env->step, tj_buf_room(out));
    put_resources(&tail, trace);
    put_pairs(&tail, "tag", &trace->info.tags, env->show_labels);
    put_pairs(&tail, "metadata", &trace->info.metadata, env->show_labels);
    if (env->show_labels && !put_assessments(env, &tail, err))
        return false;
    tj_buf_add(out, tj_buf_str(&tail));
    return true;
}

static const struct tj_param params[] = {{0}};

const struct tj_tool tj_tool_get_trace_info = {
    .name = "get_trace_info",
    .help = "The trace as a whole: state, duration, number and kinds of spans, "
            "errors, models, tokens, cost, session, request and response "
            "previews, tags and metadata.",
    .params = params,
    .run = run,
};
