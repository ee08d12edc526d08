/* span.h - what a span is: one node of a trace, with one text per field.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A span keeps everything that arrived, as fields, and beside it a normal form
 * (kind, input, output, model, tokens, ...) that says for each normal value
 * which field it was read from.
 *
 * Field names, as tools, evidence and coverage use them:
 *     name  status  input  output  error
 *     attributes.<key>   events.<n>.name   events.<n>.<key>   links.<n>.<key>
 *
 *  1. A field has exactly one text, valid UTF-8 (text/plain.h says how values
 *     are written).  What is shown, searched, quoted and counted is that text.
 *  2. An attribute that arrived as a string holding a JSON container is
 *     decoded once: its type is JSON and TJ_FIELD_DECODED is set.  One of an
 *     event or link only if its text can be made again from what it holds
 *     (MLflow's clients read these as the strings they were).
 *  3. `input`, `output` and `error` usually *are* an attribute: then same_as
 *     names it and the text is shared, not copied; reading either covers both.
 *  4. Nothing is refused for being odd.  Odd spans are kept and marked.
 * The same struct serves a parsed batch (texts present) and an open trace
 * (store.h: texts are read on demand, fields are loaded per span).
 * Threads: plain data.
 */
#ifndef TJ_TRACE_SPAN_H
#define TJ_TRACE_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/str.h"

/* MLflow's span types; a source's own word is kept in kind_text. */
#define TJ_KINDS(X)                                                            \
    X(UNKNOWN)                                                                 \
    X(LLM)                                                                     \
    X(CHAT_MODEL)                                                              \
    X(AGENT)                                                                   \
    X(CHAIN)                                                                   \
    X(TOOL)                                                                    \
    X(RETRIEVER)                                                               \
    X(PARSER)                                                                  \
    X(EMBEDDING)                                                               \
    X(RERANKER)                                                                \
    X(MEMORY)                                                                  \
    X(WORKFLOW)                                                                \
    X(TASK)                                                                    \
    X(GUARDRAIL)                                                               \
    X(EVALUATOR)

enum tj_kind {
#define X(name) TJ_KIND_##name,
    TJ_KINDS(X)
#undef X
        TJ_KIND_COUNT
};

/* "LLM", ...; parse folds case and gives false for a word that is none. */
const char *tj_kind_name(enum tj_kind kind);
bool tj_kind_parse(tj_str text, enum tj_kind *out);

enum tj_status { TJ_STATUS_UNSET, TJ_STATUS_OK, TJ_STATUS_ERROR };
const char *tj_status_name(enum tj_status status); /* "UNSET" "OK" "ERROR" */

/* What was odd about a span; shown to judges and people. */
#define TJ_MARKS(X)                                                            \
    X(ORPHAN, "its parent is not in the trace")                                \
    X(CYCLE, "its ancestors form a cycle; treated as a root")                  \
    X(DUPLICATE, "its id arrived twice with other content; the last is kept")  \
    X(NO_START, "no start time")                                               \
    X(UNFINISHED, "no end time")                                               \
    X(BACKWARDS, "ends before it starts")                                      \
    X(BAD_TEXT, "some text was not valid UTF-8 and was repaired")              \
    X(ID_DERIVED, "the source had no 8-byte id; one was derived")              \
    X(CLIPPED, "a name was over its limit and was clipped")                    \
    X(TIME_GUESSED, "the source had no times; order is kept, durations not")

enum tj_mark {
#define X(name, text) TJ_MARK_BIT_##name,
    TJ_MARKS(X)
#undef X
        TJ_MARK_COUNT
};
enum {
#define X(name, text) TJ_MARK_##name = 1 << TJ_MARK_BIT_##name,
    TJ_MARKS(X)
#undef X
};
const char *tj_mark_name(enum tj_mark bit); /* "orphan", "time_guessed" */
const char *tj_mark_text(enum tj_mark bit); /* the sentence above */

enum tj_field_type {
    TJ_FIELD_STRING,
    TJ_FIELD_JSON,   /* object or array, in plain form */
    TJ_FIELD_NUMBER, /* source text */
    TJ_FIELD_BOOL,
    TJ_FIELD_NULL,
    TJ_FIELD_BYTES, /* shown as base64 */
};

enum tj_field_flags {
    TJ_FIELD_DECODED = 1 << 0,  /* was a string that held JSON */
    TJ_FIELD_REPAIRED = 1 << 1, /* bad UTF-8 was replaced */
    TJ_FIELD_COMPACT = 1 << 2,  /* of an event or link: its JSON text had no
                                   blanks, where Python's has some */
};

enum { TJ_FIELD_NOT_SHARED = -1, TJ_NO_FIELD = -1 };

struct tj_field {
    tj_str name;
    tj_str text;      /* ptr NULL in an open trace until read; len is right */
    uint8_t type;     /* enum tj_field_type */
    uint8_t flags;    /* enum tj_field_flags */
    int32_t same_as;  /* index of the field whose text this is, or -1 */
    uint64_t locator; /* the store's own; 0 in a batch */
};

struct tj_event {
    tj_str name;
    tj_time time;
};

struct tj_link {
    tj_trace_id trace_id;
    tj_span_id span_id;
};

/* The values of the normal form that are read from one field. */
#define TJ_NORMALS(X)                                                          \
    X(KIND, "kind")                                                            \
    X(INPUT, "input")                                                          \
    X(OUTPUT, "output")                                                        \
    X(ERROR, "error")                                                          \
    X(MODEL, "model")                                                          \
    X(PROVIDER, "provider")                                                    \
    X(INPUT_TOKENS, "input_tokens")                                            \
    X(OUTPUT_TOKENS, "output_tokens")                                          \
    X(CACHE_READ_TOKENS, "cache_read_tokens")                                  \
    X(CACHE_WRITE_TOKENS, "cache_write_tokens")                                \
    X(REASONING_TOKENS, "reasoning_tokens")                                    \
    X(COST, "cost")                                                            \
    X(TOOL_NAME, "tool_name")                                                  \
    X(TOOL_CALL_ID, "tool_call_id")                                            \
    X(AGENT, "agent")                                                          \
    X(SESSION, "session")                                                      \
    X(USER, "user")                                                            \
    X(ENVIRONMENT, "environment")                                              \
    X(RELEASE, "release")

enum tj_normal {
#define X(name, text) TJ_NORMAL_##name,
    TJ_NORMALS(X)
#undef X
        TJ_NORMAL_COUNT
};
const char *tj_normal_name(enum tj_normal which);

enum { TJ_TOKENS_UNKNOWN = -1 };

/* Token counts follow OpenTelemetry: input includes cached tokens, output
 * includes reasoning.  -1 is "not known", and so is a cost below zero. */
struct tj_usage {
    int64_t input_tokens;
    int64_t output_tokens;
    int64_t cache_read_tokens;
    int64_t cache_write_tokens;
    int64_t reasoning_tokens;
    double cost_usd;
};
#define TJ_USAGE_UNKNOWN ((struct tj_usage){-1, -1, -1, -1, -1, -1.0})

struct tj_span {
    tj_trace_id trace_id;
    tj_span_id span_id;
    tj_span_id parent_id; /* none: a root */
    tj_str name;
    enum tj_kind kind;
    tj_str kind_text; /* the source's word when it is not one of TJ_KINDS */
    enum tj_status status;
    tj_str status_message;
    tj_time start;      /* 0: not known */
    tj_time end;        /* 0: unfinished or not known */
    uint8_t otel_kind;  /* OTLP SpanKind, 0..5 */
    uint32_t marks;     /* TJ_MARK_* */
    int32_t resource;   /* index into resources, or -1 */
    tj_str trace_state; /* W3C tracestate, as it came */
    tj_str model;
    tj_str provider;
    tj_str tool_name;
    tj_str tool_call_id;
    tj_str agent;
    tj_str session;
    tj_str user;
    tj_str environment;
    tj_str release;
    struct tj_usage usage;
    struct tj_event *events;
    size_t event_count;
    struct tj_link *links;
    size_t link_count;
    struct tj_field *fields; /* NULL in an open trace until loaded */
    size_t field_count;
    uint64_t text_bytes; /* sum over fields that share with none */
    uint64_t sequence;   /* order of arrival; ties of start are broken by it */
    int16_t source[TJ_NORMAL_COUNT]; /* field index, or -1 */
};

/* 0 for a span that is unfinished, backwards or has no start. */
uint64_t tj_span_duration_ns(const struct tj_span *span);
/* Index of the field called name ("input", "attributes.k"), or -1.  The
 * fields must be there (batch, or loaded). */
int32_t tj_span_find_field(const struct tj_span *span, tj_str name);
/* The field whose own text this field's text is (follows same_as). */
const struct tj_field *tj_span_text_field(const struct tj_span *span,
                                          size_t field);

#endif
