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
    tj_map_init(&batch->trace_index, a);
}

/* The entry of id in the index; infos that were added without us go in
 * first. */
static struct tj_map_entry *index_trace(struct tj_batch *batch,
                                        const tj_trace_id *id, bool *fresh)
{
    tj_str bytes = tj_str_make((const char *)id->bytes, sizeof id->bytes);
    struct tj_map_entry *e = tj_map_add(&batch->trace_index, bytes, fresh);
    if (*fresh) {
        e->key = tj_str_dup(batch->arena, bytes);
        e->number = batch->trace_index.count - 1;
    }
    return e;
}

struct tj_trace_info *tj_batch_info(struct tj_batch *batch, tj_trace_id id)
{
    bool fresh = false;
    for (size_t i = batch->trace_index.count; i < batch->traces.count; i++)
        (void)index_trace(batch, &batch->traces.items[i].trace_id, &fresh);
    size_t at = index_trace(batch, &id, &fresh)->number;
    if (!fresh)
        return &batch->traces.items[at];
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
