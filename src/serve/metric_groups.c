/* metric_groups.c - see metric_groups.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/metric_groups.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"

void tj_metric_groups_init(struct tj_metric_groups *g, struct tj_arena *a,
                           size_t dimension_count)
{
    assert(dimension_count <= TJ_METRIC_DIMENSIONS_MAX);
    *g = (struct tj_metric_groups){.arena = a,
                                   .dimension_count = dimension_count};
    tj_map_init(&g->index, a);
}

/* Lengths stand before the texts, so that no two lists give the same key. */
static tj_str key_of(const struct tj_metric_groups *g, int64_t bucket_ms,
                     const tj_str *dimensions, struct tj_arena *a)
{
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_buf_i64(&b, bucket_ms);
    for (size_t i = 0; i < g->dimension_count; i++) {
        tj_buf_fmt(&b, " %zu:", dimensions[i].len);
        tj_buf_add(&b, dimensions[i]);
    }
    return tj_buf_str(&b);
}

static struct tj_metric_group *find_or_add(struct tj_metric_groups *g,
                                           int64_t bucket_ms,
                                           const tj_str *dimensions)
{
    struct tj_arena scratch = {0};
    bool fresh;
    tj_str key = key_of(g, bucket_ms, dimensions, &scratch);
    struct tj_map_entry *e = tj_map_find(&g->index, key);
    struct tj_metric_group *group = e ? e->ptr : NULL;
    if (!group && g->list.count < TJ_METRIC_GROUPS_MAX) {
        group = tj_arena_new(g->arena, struct tj_metric_group);
        group->bucket_ms = bucket_ms;
        for (size_t i = 0; i < g->dimension_count; i++)
            group->dimensions[i] = tj_str_dup(g->arena, dimensions[i]);
        tj_map_add(&g->index, tj_str_dup(g->arena, key), &fresh)->ptr = group;
        *tj_vec_add(&g->list, g->arena) = group;
    }
    tj_arena_release(&scratch);
    return group;
}

bool tj_metric_groups_add(struct tj_metric_groups *g, int64_t bucket_ms,
                          const tj_str *dimensions, double number,
                          struct tj_err *err)
{
    struct tj_metric_group *group = find_or_add(g, bucket_ms, dimensions);
    if (!group)
        return tj_fail(err, TJ_E_LIMIT,
                       "the dimensions make over %zu groups; ask for a "
                       "shorter time",
                       TJ_METRIC_GROUPS_MAX);
    if (!group->count || number < group->min)
        group->min = number;
    if (!group->count || number > group->max)
        group->max = number;
    group->count++;
    group->sum += number;
    if (g->keep_numbers)
        *tj_vec_add(&group->numbers, g->arena) = number;
    return true;
}

static int by_group(const void *left, const void *right)
{
    const struct tj_metric_group *a = *(struct tj_metric_group *const *)left;
    const struct tj_metric_group *b = *(struct tj_metric_group *const *)right;
    if (a->bucket_ms != b->bucket_ms)
        return a->bucket_ms < b->bucket_ms ? -1 : 1;
    for (size_t i = 0; i < TJ_METRIC_DIMENSIONS_MAX; i++) {
        int order = tj_str_cmp(a->dimensions[i], b->dimensions[i]);
        if (order)
            return order;
    }
    return 0;
}

void tj_metric_groups_sort(struct tj_metric_groups *g)
{
    if (g->list.count)
        qsort(g->list.items, g->list.count, sizeof *g->list.items, by_group);
}

static int by_number(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double percentile(struct tj_metric_group *group, double percent)
{
    const double *n = group->numbers.items;
    size_t last = group->numbers.count - 1;
    if (!group->sorted)
        qsort(group->numbers.items, group->numbers.count, sizeof *n, by_number);
    group->sorted = true;
    double at = percent / 100 * (double)last;
    size_t low = tj_size_min((size_t)at, last);
    size_t high = tj_size_min(low + 1, last);
    return n[low] + (at - (double)low) * (n[high] - n[low]);
}

double tj_metric_value(struct tj_metric_group *group, enum tj_aggregate kind,
                       double percent)
{
    assert(group->count > 0);
    switch (kind) {
    case TJ_AGGREGATE_COUNT: return (double)group->count;
    case TJ_AGGREGATE_SUM: return group->sum;
    case TJ_AGGREGATE_AVG: return group->sum / (double)group->count;
    case TJ_AGGREGATE_PERCENTILE: return percentile(group, percent);
    case TJ_AGGREGATE_MIN: return group->min;
    case TJ_AGGREGATE_MAX: return group->max;
    case TJ_AGGREGATE_KINDS: break;
    }
    return 0;
}
