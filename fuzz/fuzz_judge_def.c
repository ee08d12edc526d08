/* fuzz_judge_def.c - any bytes as a judge file: a definition or an error.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "judge/def.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_judge_def def = {0};
    tj_str text = tj_str_make((const char *)data, size);
    if (tj_judge_def_parse(text, "fuzz.md", &a, &def, &err)) {
        if (def.vars == 0 || def.name.len == 0 || def.value_schema.len == 0)
            abort();
        if (def.has_pass != (def.pass_count > 0))
            abort();
    } else if (err.code != TJ_E_INPUT && err.code != TJ_E_LIMIT) {
        abort();
    }
    tj_arena_release(&a);
    return 0;
}
