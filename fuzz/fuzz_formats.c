/* fuzz_formats.c - any bytes, read as every input format.
 * SPDX-License-Identifier: Apache-2.0
 *
 * By content, then as each format of the table in turn, as `--format` would:
 * a forced format sees documents that its detection would have refused.
 */
#include "format_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tj_str bytes = tj_str_make((const char *)data, size);
    format_run(NULL, bytes);
    for (const struct tj_format *const *f = tj_formats; *f; f++)
        format_run(*f, bytes);
    return 0;
}
