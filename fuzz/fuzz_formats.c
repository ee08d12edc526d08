/* fuzz_formats.c - any bytes, read as every input format.
 * SPDX-License-Identifier: Apache-2.0
 *
 * By content, then as each format of the table in turn, as `--format` would:
 * a forced format sees documents that its detection would have refused.
 * What comes out must keep the invariants of span.h.
 */
#include <assert.h>
#include <stdint.h>

#include "text/utf8.h"
#include "trace/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(const struct tj_span *s)
{
    assert(tj_utf8_valid(s->name) == s->name.len);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct tj_field *f = tj_span_text_field(s, i);
        assert(tj_utf8_valid(f->text) == f->text.len);
        assert(s->fields[i].name.len > 0);
    }
}

static void read_as(const struct tj_format *format, tj_str bytes)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tj_str bytes = tj_str_make((const char *)data, size);
    read_as(NULL, bytes);
    for (const struct tj_format *const *f = tj_formats; *f; f++)
        read_as(*f, bytes);
    return 0;
}
