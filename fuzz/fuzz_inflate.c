/* fuzz_inflate.c - any bytes as gzip or zlib data, under a ceiling.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "text/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CEILING = 100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    tj_str out = {0};
    tj_str in = tj_str_make((const char *)data, size);
    if (tj_inflate(in, CEILING, &a, &out, &err)) {
        tj_str again = {0};
        if (out.len > CEILING)
            abort();
        if (!tj_inflate(in, out.len, &a, &again, &err) ||
            !tj_str_eq(out, again))
            abort();
    } else if (err.code != TJ_E_INPUT && err.code != TJ_E_LIMIT) {
        abort();
    }
    tj_arena_release(&a);
    return 0;
}
