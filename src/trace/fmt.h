/* fmt.h - the family of input formats, and what its members share.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to fmt_*.c and format.c.  A new format is one file, one line here
 * and one in format.c's table.
 */
#ifndef TJ_TRACE_FMT_H
#define TJ_TRACE_FMT_H

#include "trace/format.h"

extern const struct tj_format tj_fmt_atif;
extern const struct tj_format tj_fmt_chat;
extern const struct tj_format tj_fmt_claude_code;
extern const struct tj_format tj_fmt_jaeger;
extern const struct tj_format tj_fmt_langfuse;
extern const struct tj_format tj_fmt_mlflow;
extern const struct tj_format tj_fmt_otel_spans;
extern const struct tj_format tj_fmt_otlp_json;
extern const struct tj_format tj_fmt_otlp_pb;
extern const struct tj_format tj_fmt_span_tree;
extern const struct tj_format tj_fmt_swe_agent;

/* An OTLP/JSON span, for formats that embed them.  attr_text: what to do with
 * a string attribute; NULL: tj_build_attr_text. */
struct tj_fmt_otlp {
    struct tj_build *build;
    struct tj_batch *batch;
    void (*attr_text)(const struct tj_fmt_otlp *otlp, tj_str key, tj_str text);
};
void tj_fmt_otlp_span(const struct tj_fmt_otlp *otlp, const struct tj_json *v);
/* What a span says beside its attributes, under OpenTelemetry's names for
 * formats that have no place for it. */
struct tj_fmt_otlp_rest {
    uint64_t flags;
    uint64_t dropped_attributes;
    uint64_t dropped_events;
    uint64_t dropped_links;
};
void tj_fmt_otlp_put_rest(struct tj_build *b, struct tj_arena *a,
                          const struct tj_fmt_otlp_rest *rest);

/* Resource and scope of the spans that follow; the attributes are plain JSON
 * objects ("" and "{}" are the same: nothing). */
struct tj_fmt_scope {
    tj_str resource;
    tj_str name;
    tj_str version;
    tj_str attributes;
};
void tj_fmt_set_resource(struct tj_build *b, const struct tj_fmt_scope *scope);

/* Counts a span that cannot be kept; the first reason is remembered. */
void tj_fmt_reject(struct tj_batch *batch, const char *format, ...)
    TJ_PRINTF(2, 3);

/* The value of the first of two spellings that is there, else NULL. */
const struct tj_json *tj_fmt_either(const struct tj_json *v, tj_str one,
                                    tj_str other);

enum tj_fmt_id {
    TJ_ID_NONE,    /* missing, empty or all zeros */
    TJ_ID_GIVEN,   /* it was one */
    TJ_ID_DERIVED, /* some other text: an id was made from it (id.h, 2) */
};
/* Hex (shorter ones lost their leading zeros on the way; "tr-" may stand
 * before it) or base64, as protobuf's own JSON has it. */
enum tj_fmt_id tj_fmt_trace_id(tj_str text, tj_trace_id *out);
enum tj_fmt_id tj_fmt_span_id(tj_str text, tj_span_id *out);

/* The same from bytes, as protobuf has them. */
enum tj_fmt_id tj_fmt_trace_id_bytes(tj_str bytes, tj_trace_id *out);
enum tj_fmt_id tj_fmt_span_id_bytes(tj_str bytes, tj_span_id *out);

struct tj_fmt_ids {
    tj_trace_id trace;
    tj_span_id span;
    tj_span_id parent;
    enum tj_fmt_id of_trace;
    enum tj_fmt_id of_span;
    enum tj_fmt_id of_parent;
};

/* Opens a span with these ids; NULL, and a rejected span, when one of the
 * first two is missing.  Sets ID_DERIVED, and the source's own trace id in the
 * trace's info, where the ids are not OpenTelemetry's. */
struct tj_span *tj_fmt_open(struct tj_build *b, struct tj_batch *batch,
                            tj_str trace_id, tj_str span_id, tj_str parent_id);
struct tj_span *tj_fmt_open_ids(struct tj_build *b, struct tj_batch *batch,
                                const struct tj_fmt_ids *ids);

/* A time in any of the spellings there are: nanoseconds as a number or as
 * digits, [seconds, nanoseconds], ISO 8601.  0 when it is none of these.
 * A fraction ("1770131994.5") is seconds. */
tj_time tj_fmt_time(const struct tj_json *v);

/* "STATUS_CODE_ERROR", "ERROR", "error", 2, {"code": ...}. */
enum tj_status tj_fmt_status(const struct tj_json *v);
/* "SPAN_KIND_CLIENT", "client", 3; 0 for anything else. */
uint8_t tj_fmt_otel_kind(const struct tj_json *v);

#endif
