/* fuzz_otlp_pb.c - any bytes as OTLP/protobuf.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What comes out is valid text with sharing one level deep, and the counts of
 * bytes add up.
 */
#include <assert.h>
#include <stdint.h>

#include "text/utf8.h"
#include "trace/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(const struct tj_span *s)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        const struct tj_field *f = &s->fields[i];
        assert(tj_utf8_valid(f->text) == f->text.len);
        assert(tj_utf8_valid(f->name) == f->name.len);
        if (f->same_as < 0)
            bytes += f->text.len;
        else
            assert(s->fields[f->same_as].same_as < 0);
    }
    assert(bytes == s->text_bytes);
    for (int i = 0; i < TJ_NORMAL_COUNT; i++)
        assert(s->source[i] < (int32_t)s->field_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_batch batch;
    struct tj_err err = {0};
    const struct tj_format *f = tj_format_find(TJ_STR("otlp-pb"));
    tj_str bytes = tj_str_make((const char *)data, size);
    if (tj_format_parse(f, bytes, &a, &batch, NULL, &err)) {
        tj_vec_each (&batch.spans, struct tj_span, s)
            check_span(s);
    } else {
        assert(err.message[0]);
    }
    tj_arena_release(&a);
    return 0;
}
