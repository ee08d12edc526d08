/* fmt.c - ids, times and codes in the spellings that formats share.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace/fmt.h"

#include <string.h>

#include "base/hex.h"
#include "base/limits.h"
#include "text/base64.h"
#include "text/plain.h"
#include "text/utf8.h"

void tj_fmt_reject(struct tj_batch *batch, const char *format, ...)
{
    if (batch->rejected_count++)
        return;
    va_list args;
    va_start(args, format);
    batch->rejected = tj_str_vprintf(batch->arena, format, args);
    va_end(args);
}

const struct tj_json *tj_fmt_either(const struct tj_json *v, tj_str one,
                                    tj_str other)
{
    const struct tj_json *found = tj_json_find(v, one);
    return found ? found : tj_json_find(v, other);
}

/* -- resources ------------------------------------------------------------ */

static void put_member(struct tj_buf *out, const char *key, tj_str text)
{
    char last = out->len ? out->ptr[out->len - 1] : '{';
    tj_buf_add(out, last == '{' ? TJ_STR("") : TJ_STR(", "));
    tj_plain_string(out, tj_str_c(key));
    tj_buf_add(out, TJ_STR(": "));
    tj_buf_add(out, text);
}

static void put_text_member(struct tj_buf *out, const char *key, tj_str text)
{
    if (!text.len)
        return;
    put_member(out, key, (tj_str){0});
    tj_plain_string(out, text);
}

void tj_fmt_set_resource(struct tj_build *b, const struct tj_fmt_scope *scope)
{
    struct tj_arena scratch = {0};
    struct tj_buf buf;
    tj_buf_init(&buf, &scratch, TJ_IMPORT_BYTES_MAX);
    tj_buf_byte(&buf, '{');
    put_member(&buf, "resource",
               scope->resource.len ? scope->resource : TJ_STR("{}"));
    put_member(&buf, "scope", TJ_STR("{"));
    put_text_member(&buf, "name", scope->name);
    put_text_member(&buf, "version", scope->version);
    if (scope->attributes.len > sizeof "{}" - 1)
        put_member(&buf, "attributes", scope->attributes);
    tj_buf_add(&buf, TJ_STR("}}"));
    (void)tj_build_resource(b, tj_buf_str(&buf));
    tj_arena_release(&scratch);
}

/* -- ids ------------------------------------------------------------------ */

/* Up to 2 * size hex digits; leading zeros may be missing. */
static bool hex_id(tj_str text, unsigned char *out, size_t size)
{
    char digits[TJ_TRACE_ID_DIGITS];
    if (!text.len || text.len > 2 * size)
        return false;
    memset(digits, '0', sizeof digits);
    memcpy(digits + 2 * size - text.len, text.ptr, text.len);
    return tj_hex_parse(tj_str_make(digits, 2 * size), out, size);
}

/* base64 of exactly size bytes. */
static bool base64_id(tj_str text, unsigned char *out, size_t size)
{
    if (text.len > 4 * ((size + 2) / 3) || text.len < size)
        return false;
    struct tj_arena scratch = {0};
    tj_str bytes = {0};
    bool ok = tj_base64_parse(&scratch, text, &bytes) && bytes.len == size;
    if (ok)
        memcpy(out, bytes.ptr, size);
    tj_arena_release(&scratch);
    return ok;
}

static tj_str without_0x(tj_str text)
{
    bool prefixed = tj_str_starts(text, TJ_STR("0x"));
    return prefixed ? tj_str_slice(text, 2, text.len) : text;
}

enum tj_fmt_id tj_fmt_trace_id(tj_str text, tj_trace_id *out)
{
    text = without_0x(text);
    if (tj_trace_id_parse(text, out))
        return TJ_ID_GIVEN;
    tj_trace_id id = {0};
    if (!text.len)
        return TJ_ID_NONE;
    if (!hex_id(text, id.bytes, sizeof id.bytes) &&
        !base64_id(text, id.bytes, sizeof id.bytes)) {
        *out = tj_trace_id_derive(text);
        return TJ_ID_DERIVED;
    }
    if (tj_trace_id_is_none(id))
        return TJ_ID_NONE;
    *out = id;
    return TJ_ID_GIVEN;
}

enum tj_fmt_id tj_fmt_span_id(tj_str text, tj_span_id *out)
{
    text = without_0x(text);
    if (tj_span_id_parse(text, out))
        return TJ_ID_GIVEN;
    tj_span_id id = {0};
    if (!text.len)
        return TJ_ID_NONE;
    if (!hex_id(text, id.bytes, sizeof id.bytes) &&
        !base64_id(text, id.bytes, sizeof id.bytes)) {
        *out = tj_span_id_derive(text);
        return TJ_ID_DERIVED;
    }
    if (tj_span_id_is_none(id))
        return TJ_ID_NONE;
    *out = id;
    return TJ_ID_GIVEN;
}

enum tj_fmt_id tj_fmt_trace_id_bytes(tj_str bytes, tj_trace_id *out)
{
    tj_trace_id id = {0};
    if (!bytes.len)
        return TJ_ID_NONE;
    if (bytes.len != sizeof id.bytes) {
        *out = tj_trace_id_derive(bytes);
        return TJ_ID_DERIVED;
    }
    memcpy(id.bytes, bytes.ptr, sizeof id.bytes);
    if (tj_trace_id_is_none(id))
        return TJ_ID_NONE;
    *out = id;
    return TJ_ID_GIVEN;
}

enum tj_fmt_id tj_fmt_span_id_bytes(tj_str bytes, tj_span_id *out)
{
    tj_span_id id = {0};
    if (!bytes.len)
        return TJ_ID_NONE;
    if (bytes.len != sizeof id.bytes) {
        *out = tj_span_id_derive(bytes);
        return TJ_ID_DERIVED;
    }
    memcpy(id.bytes, bytes.ptr, sizeof id.bytes);
    if (tj_span_id_is_none(id))
        return TJ_ID_NONE;
    *out = id;
    return TJ_ID_GIVEN;
}

struct tj_span *tj_fmt_open_ids(struct tj_build *b, struct tj_batch *batch,
                                const struct tj_fmt_ids *ids)
{
    if (!ids->of_trace || !ids->of_span) {
        tj_fmt_reject(batch, "span %zu: no usable %s id",
                      batch->spans.count + batch->rejected_count,
                      ids->of_trace ? "span" : "trace");
        return NULL;
    }
    struct tj_span *s = tj_build_span(b, ids->trace, ids->span);
    s->parent_id = ids->parent;
    if (ids->of_trace == TJ_ID_DERIVED || ids->of_span == TJ_ID_DERIVED ||
        ids->of_parent == TJ_ID_DERIVED)
        s->marks |= TJ_MARK_ID_DERIVED;
    return s;
}

struct tj_span *tj_fmt_open(struct tj_build *b, struct tj_batch *batch,
                            tj_str trace_id, tj_str span_id, tj_str parent_id)
{
    struct tj_fmt_ids ids = {0};
    ids.of_trace = tj_fmt_trace_id(trace_id, &ids.trace);
    ids.of_span = tj_fmt_span_id(span_id, &ids.span);
    ids.of_parent = tj_fmt_span_id(parent_id, &ids.parent);
    struct tj_span *s = tj_fmt_open_ids(b, batch, &ids);
    if (s && ids.of_trace == TJ_ID_DERIVED)
        tj_batch_info(batch, ids.trace)->source_id =
            tj_utf8_clip(trace_id, TJ_NAME_BYTES_MAX);
    return s;
}

/* -- times ---------------------------------------------------------------- */

static tj_time pair_time(const struct tj_json *v)
{
    uint64_t seconds = 0;
    uint64_t ns = 0;
    if (tj_json_count(v) != 2 ||
        !tj_json_u64_loose(tj_json_item(v, 0), &seconds) ||
        !tj_json_u64_loose(tj_json_item(v, 1), &ns) ||
        seconds > (UINT64_MAX - ns) / TJ_NS_PER_SECOND)
        return 0;
    return seconds * TJ_NS_PER_SECOND + ns;
}

static tj_time double_time(const struct tj_json *v)
{
    double d = 0;
    if (!tj_json_double(v, &d) || !(d > 0) || d >= 1.8e19)
        return 0;
    /* Seconds with a fraction, or nanoseconds that passed through a double. */
    if (d < 1e11)
        return (tj_time)(d * 1e9);
    return (tj_time)d;
}

tj_time tj_fmt_time(const struct tj_json *v)
{
    uint64_t ns = 0;
    if (tj_json_u64_loose(v, &ns))
        return ns;
    if (tj_json_is_array(v))
        return pair_time(v);
    if (tj_json_is_number(v))
        return double_time(v);
    return tj_time_parse(tj_json_str(v), &ns) ? ns : 0;
}

/* -- codes ---------------------------------------------------------------- */

enum tj_status tj_fmt_status(const struct tj_json *v)
{
    int64_t code = 0;
    if (tj_json_is_object(v))
        v = tj_fmt_either(v, TJ_STR("code"), TJ_STR("status_code"));
    if (tj_json_i64(v, &code))
        return code == 1   ? TJ_STATUS_OK
               : code == 2 ? TJ_STATUS_ERROR
                           : TJ_STATUS_UNSET;
    tj_str text = tj_json_str(v);
    if (tj_str_starts(text, TJ_STR("StatusCode.")))
        text = tj_str_slice(text, sizeof "StatusCode." - 1, text.len);
    if (tj_str_starts(text, TJ_STR("STATUS_CODE_")))
        text = tj_str_slice(text, sizeof "STATUS_CODE_" - 1, text.len);
    if (tj_str_eq_fold(text, TJ_STR("ERROR")) || tj_str_eq(text, TJ_STR("2")))
        return TJ_STATUS_ERROR;
    if (tj_str_eq_fold(text, TJ_STR("OK")) || tj_str_eq(text, TJ_STR("1")))
        return TJ_STATUS_OK;
    return TJ_STATUS_UNSET;
}

uint8_t tj_fmt_otel_kind(const struct tj_json *v)
{
    static const char *const names[] = {"UNSPECIFIED", "INTERNAL", "SERVER",
                                        "CLIENT",      "PRODUCER", "CONSUMER"};
    int64_t code = 0;
    if (tj_json_i64(v, &code))
        return code >= 0 && code < (int64_t)TJ_COUNT(names) ? (uint8_t)code : 0;
    tj_str text = tj_json_str(v);
    if (tj_str_starts(text, TJ_STR("SpanKind.")))
        text = tj_str_slice(text, sizeof "SpanKind." - 1, text.len);
    if (tj_str_starts(text, TJ_STR("SPAN_KIND_")))
        text = tj_str_slice(text, sizeof "SPAN_KIND_" - 1, text.len);
    for (size_t i = 0; i < TJ_COUNT(names); i++) {
        if (tj_str_eq_fold(text, tj_str_c(names[i])))
            return (uint8_t)i;
    }
    return 0;
}
