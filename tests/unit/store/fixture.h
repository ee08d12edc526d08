/* fixture.h - batches made by hand, for tests of the store.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Ids are made of small numbers: trace 7 is 00..07.  Times are in
 * milliseconds after a fixed day.
 */
#ifndef TJ_TESTS_STORE_FIXTURE_H
#define TJ_TESTS_STORE_FIXTURE_H

#include "test.h"

#include "store/store.h"

#define DAY_NS    (UINT64_C(1777708800) * TJ_NS_PER_SECOND)
#define AT_MS(ms) (DAY_NS + (uint64_t)(ms)*TJ_NS_PER_MS)

static inline tj_trace_id trace_id(uint32_t n)
{
    tj_trace_id id = {{0}};
    for (int i = 0; i < 4; i++)
        id.bytes[15 - i] = (unsigned char)(n >> (8 * i));
    return id;
}

static inline tj_span_id span_id(uint32_t n)
{
    tj_span_id id = {{0}};
    for (int i = 0; i < 4; i++)
        id.bytes[7 - i] = (unsigned char)(n >> (8 * i));
    return id;
}

static inline void batch_init(struct tj_batch *b, struct tj_arena *a)
{
    *b = (struct tj_batch){.arena = a};
}

/* Parent 0: a root.  The pointer is good until the next one is added. */
static inline struct tj_span *add_span(struct tj_batch *b, uint32_t trace,
                                       uint32_t span, uint32_t parent)
{
    struct tj_span *s = tj_vec_add(&b->spans, b->arena);
    s->trace_id = trace_id(trace);
    s->span_id = span_id(span);
    s->parent_id = span_id(parent);
    s->name = tj_str_printf(b->arena, "span %u", span);
    s->status = TJ_STATUS_OK;
    s->start = AT_MS(span);
    s->end = AT_MS(span + 5);
    s->resource = -1;
    s->usage = TJ_USAGE_UNKNOWN;
    s->fields = tj_arena_array(b->arena, struct tj_field, 16);
    for (size_t i = 0; i < TJ_NORMAL_COUNT; i++)
        s->source[i] = TJ_NO_FIELD;
    return s;
}

static inline void add_field(struct tj_span *s, const char *name, tj_str text)
{
    assert(s->field_count < 16);
    s->fields[s->field_count++] = (struct tj_field){
        .name = tj_str_c(name),
        .text = text,
        .type = TJ_FIELD_STRING,
        .same_as = TJ_FIELD_NOT_SHARED,
    };
    s->text_bytes += text.len;
}

static inline void add_shared(struct tj_span *s, const char *name, int same_as)
{
    assert(s->field_count < 16);
    s->fields[s->field_count++] = (struct tj_field){
        .name = tj_str_c(name),
        .text = s->fields[same_as].text,
        .type = TJ_FIELD_STRING,
        .same_as = same_as,
    };
}

static inline struct tj_trace_info *add_info(struct tj_batch *b, uint32_t trace)
{
    struct tj_trace_info *info = tj_vec_add(&b->traces, b->arena);
    info->trace_id = trace_id(trace);
    info->usage = TJ_USAGE_UNKNOWN;
    return info;
}

/* len bytes that compress badly and differ by seed. */
static inline tj_str noise(struct tj_arena *a, size_t len, uint64_t seed)
{
    char *text = tj_arena_alloc(a, len + 1);
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        text[i] = (char)('!' + (x >> 32) % 90);
    }
    text[len] = 0;
    return (tj_str){text, len};
}

static inline struct tj_trace must_open(struct tj_store *st, uint32_t trace,
                                        struct tj_arena *a)
{
    struct tj_err err = {0};
    struct tj_trace t = {0};
    assert_ok(tj_store_open_trace(st, trace_id(trace), a, &t, &err), err);
    return t;
}

static inline tj_str must_read(struct tj_trace *t, size_t span,
                               const char *field)
{
    struct tj_err err = {0};
    tj_str text = {0};
    assert_ok(tj_store_load_fields(t, span, &err), err);
    int32_t at = tj_span_find_field(&t->spans[span], tj_str_c(field));
    assert_true(at >= 0);
    assert_ok(
        tj_store_read_field(t, span, (size_t)at, 0, UINT64_MAX, &text, &err),
        err);
    return text;
}

static inline void must_add(struct tj_store *st, const struct tj_batch *b)
{
    struct tj_err err = {0};
    assert_ok(tj_store_add_batch(st, b, &err), err);
}

static inline struct tj_trace_info must_info(struct tj_store *st,
                                             uint32_t trace, struct tj_arena *a)
{
    struct tj_err err = {0};
    struct tj_trace_info info = {0};
    bool found = false;
    assert_ok(tj_store_find_info(st, trace_id(trace), a, &info, &found, &err),
              err);
    assert_true(found);
    return info;
}

#endif
