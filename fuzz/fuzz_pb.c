/* fuzz_pb.c - any bytes as a protobuf message, and as messages inside it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/limits.h"
#include "text/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(tj_str whole, tj_str message, size_t depth)
{
    struct tj_pb pb = tj_pb_open(message);
    size_t count = 0;
    while (tj_pb_field(&pb)) {
        count++;
        if (pb.number == 0)
            abort();
        if (pb.wire != TJ_PB_BYTES)
            continue;
        if (pb.bytes.ptr < message.ptr ||
            pb.bytes.ptr + pb.bytes.len > message.ptr + message.len)
            abort();
        if (depth < TJ_PB_DEPTH_MAX)
            count += walk(whole, pb.bytes, depth + 1);
    }
    struct tj_err err = {0};
    if (pb.failed && (tj_pb_fail(&pb, whole, &err) || tj_pb_field(&pb)))
        abort();
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Nesting multiplies the work by its depth, not the size of an input. */
    if (size > 4096)
        return 0;
    tj_str whole = tj_str_make((const char *)data, size);
    (void)walk(whole, whole, 0);
    return 0;
}
