/* store_held.c - see store_held.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_held.h"

static const struct tj_span *span_at(const struct tj_trace *trace, size_t span)
{
    const uint64_t *origins = trace->impl;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return (const struct tj_span *)(uintptr_t)origins[span];
}

bool tj_held_load_fields(struct tj_store *st, struct tj_trace *trace,
                         size_t span, struct tj_err *err)
{
    (void)st;
    (void)err;
    const struct tj_span *s = span_at(trace, span);
    struct tj_field *fields =
        tj_arena_array(trace->arena, struct tj_field, s->field_count);
    for (size_t i = 0; i < s->field_count; i++) {
        fields[i] = s->fields[i];
        fields[i].text.ptr = NULL;
    }
    trace->spans[span].fields = fields;
    return true;
}

bool tj_held_read_field(struct tj_store *st, struct tj_trace *trace,
                        const struct tj_field_range *range, tj_str *out,
                        struct tj_err *err)
{
    (void)st;
    (void)err;
    const struct tj_span *s = span_at(trace, range->span);
    *out = tj_str_slice(s->fields[range->field].text, (size_t)range->offset,
                        (size_t)range->len);
    return true;
}
