/* format_run.h - what the fuzz targets of input formats have in common.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Whatever the bytes were, what comes out keeps the invariants of span.h:
 * valid text, sharing one level deep, byte counts that add up, sources that
 * are fields, and a tree.
 */
#ifndef TJ_FUZZ_FORMAT_RUN_H
#define TJ_FUZZ_FORMAT_RUN_H

#include <assert.h>
#include <stdint.h>

#include "text/utf8.h"
#include "trace/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check_span(const struct tj_span *s)
{
    uint64_t bytes = 0;
    assert(tj_utf8_valid(s->name) == s->name.len);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct tj_field *f = &s->fields[i];
        assert(f->name.len > 0);
        assert(tj_utf8_valid(f->name) == f->name.len);
        assert(tj_utf8_valid(f->text) == f->text.len);
        if (f->same_as < 0)
            bytes += f->text.len;
        else
            assert(s->fields[f->same_as].same_as < 0);
    }
    assert(bytes == s->text_bytes);
    for (int i = 0; i < TJ_NORMAL_COUNT; i++)
        assert(s->source[i] < (int32_t)s->field_count);
}

/* format NULL: by content. */
static inline void format_run(const struct tj_format *format, tj_str bytes)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_batch batch = {0};
    if (tj_format_parse(format, bytes, &a, &batch, NULL, &err)) {
        tj_vec_each (&batch.spans, struct tj_span, s)
            check_span(s);
        struct tj_tree tree;
        tj_tree_build(batch.spans.items, batch.spans.count, &a, &tree);
    } else {
        assert(err.code != TJ_E_NONE);
        assert(err.message[0]);
    }
    tj_arena_release(&a);
}

#endif
