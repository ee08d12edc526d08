/* id.c - see id.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/id.h"

#include <string.h>

#include "base/hex.h"
#include "base/random.h"
#include "base/sha256.h"

bool tj_trace_id_is_none(tj_trace_id id)
{
    return tj_trace_id_eq(id, (tj_trace_id){0});
}

bool tj_span_id_is_none(tj_span_id id)
{
    return tj_span_id_eq(id, (tj_span_id){0});
}

bool tj_trace_id_eq(tj_trace_id a, tj_trace_id b)
{
    return !memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

bool tj_span_id_eq(tj_span_id a, tj_span_id b)
{
    return !memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

bool tj_trace_id_parse(tj_str text, tj_trace_id *out)
{
    tj_trace_id id = {0};
    if (tj_str_starts(text, TJ_STR("tr-")))
        text = tj_str_slice(text, 3, text.len);
    bool ok = text.len == 16 ? tj_hex_parse(text, id.bytes + 8, 8)
                             : tj_hex_parse(text, id.bytes, sizeof id.bytes);
    if (!ok || tj_trace_id_is_none(id))
        return false;
    *out = id;
    return true;
}

bool tj_span_id_parse(tj_str text, tj_span_id *out)
{
    tj_span_id id = {0};
    if (!tj_hex_parse(text, id.bytes, sizeof id.bytes) ||
        tj_span_id_is_none(id))
        return false;
    *out = id;
    return true;
}

tj_trace_id tj_trace_id_derive(tj_str from)
{
    unsigned char digest[TJ_SHA256_BYTES];
    tj_sha256(from, digest);
    tj_trace_id id;
    memcpy(id.bytes, digest, sizeof id.bytes);
    return id;
}

tj_span_id tj_span_id_derive(tj_str from)
{
    unsigned char digest[TJ_SHA256_BYTES];
    tj_sha256(from, digest);
    tj_span_id id;
    memcpy(id.bytes, digest, sizeof id.bytes);
    return id;
}

tj_trace_id tj_trace_id_random(void)
{
    tj_trace_id id;
    tj_random_bytes(id.bytes, sizeof id.bytes);
    return id;
}

tj_span_id tj_span_id_random(void)
{
    tj_span_id id;
    tj_random_bytes(id.bytes, sizeof id.bytes);
    return id;
}

tj_str tj_trace_id_text(struct tj_arena *a, tj_trace_id id)
{
    char *text = tj_arena_alloc(a, TJ_TRACE_ID_DIGITS);
    tj_hex_write(id.bytes, sizeof id.bytes, text);
    return tj_str_make(text, TJ_TRACE_ID_DIGITS);
}

tj_str tj_trace_id_mlflow(struct tj_arena *a, tj_trace_id id)
{
    char *text = tj_arena_alloc(a, 3 + TJ_TRACE_ID_DIGITS);
    memcpy(text, "tr-", 3);
    tj_hex_write(id.bytes, sizeof id.bytes, text + 3);
    return tj_str_make(text, 3 + TJ_TRACE_ID_DIGITS);
}

tj_str tj_span_id_text(struct tj_arena *a, tj_span_id id)
{
    char *text = tj_arena_alloc(a, TJ_SPAN_ID_DIGITS);
    tj_hex_write(id.bytes, sizeof id.bytes, text);
    return tj_str_make(text, TJ_SPAN_ID_DIGITS);
}
