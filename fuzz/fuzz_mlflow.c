/* fuzz_mlflow.c - any bytes as an MLflow trace.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "format_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    format_run(tj_format_find(TJ_STR("mlflow")),
               tj_str_make((const char *)data, size));
    return 0;
}
