/* trace.c - batches, key-value pairs and looking up spans.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace/trace.h"

const char *tj_trace_state_name(enum tj_trace_state state)
{
    switch (state) {
    case TJ_STATE_UNSPECIFIED: return "STATE_UNSPECIFIED";
    case TJ_STATE_OK: return "OK";
    case TJ_STATE_ERROR: return "ERROR";
    case TJ_STATE_IN_PROGRESS: return "IN_PROGRESS";
    }
    return "STATE_UNSPECIFIED";
}

static struct tj_pair *last_pair(const tj_pairs *pairs, tj_str key)
{
    for (size_t i = pairs->count; i-- > 0;) {
        if (tj_str_eq(pairs->items[i].key, key))
            return &pairs->items[i];
    }
    return NULL;
}

tj_str tj_pairs_find(const tj_pairs *pairs, tj_str key)
{
    const struct tj_pair *pair = last_pair(pairs, key);
    return pair ? pair->value : (tj_str){0};
}

tj_str tj_trace_info_meta(const struct tj_trace_info *info, tj_str key)
{
    tj_str value = tj_pairs_find(&info->metadata, key);
    if (value.ptr)
        return value;
    if (info->session.len && tj_str_eq(key, TJ_STR("mlflow.trace.session")))
        return info->session;
    if (info->user.len && tj_str_eq(key, TJ_STR("mlflow.trace.user")))
        return info->user;
    return (tj_str){0};
}

void tj_pairs_set(tj_pairs *pairs, struct tj_arena *a, tj_str key, tj_str value)
{
    struct tj_pair *pair = last_pair(pairs, key);
    if (!pair) {
        pair = tj_vec_add(pairs, a);
        pair->key = key;
    }
    pair->value = value;
}

void tj_batch_init(struct tj_batch *batch, struct tj_arena *a)
{
    *batch = (struct tj_batch){.arena = a};
}

struct tj_trace_info *tj_batch_info(struct tj_batch *batch, tj_trace_id id)
{
    /* Newest first: a file tells one trace after the other. */
    for (size_t i = batch->traces.count; i-- > 0;) {
        if (tj_trace_id_eq(batch->traces.items[i].trace_id, id))
            return &batch->traces.items[i];
    }
    struct tj_trace_info *info = tj_vec_add(&batch->traces, batch->arena);
    info->trace_id = id;
    info->usage = TJ_USAGE_UNKNOWN;
    return info;
}

int32_t tj_trace_find_span(const struct tj_trace *trace, tj_span_id id)
{
    for (size_t i = 0; i < trace->span_count; i++) {
        if (tj_span_id_eq(trace->spans[i].span_id, id))
            return (int32_t)i;
    }
    return -1;
}
