/* bench_pb.c - the protobuf reader on 80 MB of OTLP-shaped data.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each span has ids, a name, times and ten attributes; what varies is how
 * long the text in two of them is.  Every field of every message is read, down
 * to the attribute values.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "text/pb.h"

enum { ATTRIBUTES = 10, TOTAL_BYTES = 80 << 20, ROUNDS = 5 };

struct sum {
    uint64_t fields;
    uint64_t text_bytes;
};

static void put_attribute(struct tj_buf *span, struct tj_buf *scratch,
                          const char *key, tj_str value)
{
    struct tj_buf inner = *scratch;
    tj_buf_clear(&inner);
    tj_pb_put_bytes(&inner, 1, value);
    struct tj_arena a = {0};
    struct tj_buf pair;
    tj_buf_init(&pair, &a, TOTAL_BYTES);
    tj_pb_put_bytes(&pair, 1, tj_str_c(key));
    tj_pb_put_bytes(&pair, 2, tj_buf_str(&inner));
    tj_pb_put_bytes(span, 9, tj_buf_str(&pair));
    tj_arena_release(&a);
    *scratch = inner;
}

static tj_str make_span(struct tj_arena *a, size_t text_bytes)
{
    struct tj_buf span;
    struct tj_buf scratch;
    struct tj_buf text;
    tj_buf_init(&span, a, TOTAL_BYTES);
    tj_buf_init(&scratch, a, TOTAL_BYTES);
    tj_buf_init(&text, a, TOTAL_BYTES);
    tj_buf_repeat(&text, 'x', text_bytes / 2);
    tj_pb_put_bytes(&span, 1, TJ_STR("0123456789abcdef"));
    tj_pb_put_bytes(&span, 2, TJ_STR("01234567"));
    tj_pb_put_bytes(&span, 4, TJ_STR("76543210"));
    tj_pb_put_bytes(&span, 5, TJ_STR("chat gpt-5"));
    tj_pb_put_varint(&span, 6, 3);
    tj_pb_put_fixed64(&span, 7, UINT64_C(1727174400000000000));
    tj_pb_put_fixed64(&span, 8, UINT64_C(1727174401000000000));
    for (int i = 0; i < ATTRIBUTES; i++)
        put_attribute(&span, &scratch, "gen_ai.request.model",
                      i < 2 ? tj_buf_str(&text) : TJ_STR("claude-opus-4-1"));
    return tj_buf_str(&span);
}

static tj_str make_body(struct tj_arena *a, tj_str span)
{
    struct tj_buf scope;
    struct tj_buf resource;
    struct tj_buf body;
    tj_buf_init(&scope, a, (size_t)2 * TOTAL_BYTES);
    tj_buf_init(&resource, a, (size_t)2 * TOTAL_BYTES);
    tj_buf_init(&body, a, (size_t)2 * TOTAL_BYTES);
    while (scope.len < TOTAL_BYTES)
        tj_pb_put_bytes(&scope, 2, span);
    tj_pb_put_bytes(&resource, 2, tj_buf_str(&scope));
    tj_pb_put_bytes(&body, 1, tj_buf_str(&resource));
    return tj_buf_str(&body);
}

/* The messages down to an AnyValue: which field leads further at each depth. */
static void walk(tj_str message, size_t depth, struct sum *sum)
{
    static const uint32_t inner[] = {1, 2, 2, 9, 2};
    struct tj_pb pb = tj_pb_open(message);
    while (tj_pb_field(&pb)) {
        sum->fields++;
        if (pb.wire != TJ_PB_BYTES)
            continue;
        if (depth < TJ_COUNT(inner) && pb.number == inner[depth])
            walk(pb.bytes, depth + 1, sum);
        else
            sum->text_bytes += pb.bytes.len;
    }
    assert(!pb.failed);
}

static void run(size_t text_bytes)
{
    struct tj_arena a = {0};
    tj_str span = make_span(&a, text_bytes);
    tj_str body = make_body(&a, span);
    uint64_t best = UINT64_MAX;
    struct sum sum = {0};
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t start = tj_mono_ns();
        sum = (struct sum){0};
        walk(body, 0, &sum);
        uint64_t took = tj_mono_ns() - start;
        best = took < best ? took : best;
    }
    double gb_per_s = (double)body.len / (double)best;
    double ns_per_field = (double)best / (double)sum.fields;
    (void)printf("%10zu %10.1f %12" PRIu64 " %10.2f %10.2f\n", span.len,
                 (double)body.len / 1e6, sum.fields, ns_per_field, gb_per_s);
    tj_arena_release(&a);
}

int main(void)
{
    (void)printf("%10s %10s %12s %10s %10s\n", "span bytes", "MB", "fields",
                 "ns/field", "GB/s");
    size_t sizes[] = {0, 500, 1000, 4000, 20000};
    for (size_t i = 0; i < TJ_COUNT(sizes); i++)
        run(sizes[i]);
    return 0;
}
