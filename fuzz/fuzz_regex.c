/* fuzz_regex.c - a pattern, a line break, and the text to search.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "text/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void search(const struct tj_regex *re, tj_str text)
{
    struct tj_match m = {0};
    for (size_t from = 0; from <= text.len && tj_regex_find(re, text, from, &m);
         from = m.offset + (m.len ? m.len : 1))
        if (m.offset < from || m.offset + m.len > text.len)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 2048)
        return 0;
    tj_str text = tj_str_make((const char *)data + 1, size - 1);
    tj_str pattern = tj_str_cut(&text, '\n');
    struct tj_err err = {0};
    struct tj_regex *re = tj_regex_new(pattern, data[0] & 15u, &err);
    if (re)
        search(re, text);
    else if (err.code != TJ_E_INPUT && err.code != TJ_E_LIMIT)
        abort();
    tj_regex_free(re);
    return 0;
}
