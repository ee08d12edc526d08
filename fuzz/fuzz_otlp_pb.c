/* fuzz_otlp_pb.c - any bytes as OTLP/protobuf.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "format_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    format_run(tj_format_find(TJ_STR("otlp-pb")),
               tj_str_make((const char *)data, size));
    return 0;
}
