/* fuzz_yaml.c - any bytes as YAML: a tree or an error with a line.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "text/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    tj_str text = tj_str_make((const char *)data, size);
    bool ok = tj_yaml_parse(text, 1, &a, &doc, &err);
    if (ok != (doc.root != NULL))
        abort();
    if (!ok && err.code != TJ_E_INPUT && err.code != TJ_E_LIMIT)
        abort();
    if (tj_yaml_line(text, 7, "a.0.b") < 7)
        abort();
    tj_arena_release(&a);
    return 0;
}
