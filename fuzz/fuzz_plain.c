/* fuzz_plain.c - hostile plain text: what reads, writes back the same.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>

#include "text/plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static tj_str plain_of(const struct tj_json *v, struct tj_arena *a)
{
    struct tj_buf out;
    tj_buf_init(&out, a, 64 << 20);
    tj_plain_write_inner(&out, v);
    return tj_buf_str(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    struct tj_json_doc again = {0};
    tj_str text = tj_str_make((const char *)data, size);
    if (tj_plain_parse(text, &a, &doc, &err)) {
        /* Blanks and needless marks may go; what is written then stays. */
        tj_str first = plain_of(doc.root, &a);
        must(tj_plain_parse(first, &a, &again, &err));
        must(tj_json_eq(doc.root, again.root));
        must(tj_str_eq(first, plain_of(again.root, &a)));
    }
    tj_arena_release(&a);
    return 0;
}
