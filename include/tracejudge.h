/* tracejudge.h - the C library: store traces, ask about them, judge them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * In one screen:
 *
 *     struct tj_error err;
 *     struct tracejudge *tj;
 *     if (!tj_open(NULL, TJ_OPEN_CREATE, &tj, &err)) die(err.message);
 *
 *     struct tj_active *run = tj_start_trace(tj, "answer", "AGENT");
 *     struct tj_active *call = tj_start_span(run, "search", "TOOL");
 *     tj_set_inputs_text(call, "weather in Oslo");
 *     tj_set_outputs_text(call, "4 degrees, rain");
 *     tj_end_span(call, &err);
 *     tj_end_span(run, &err);                the trace is stored now
 *
 *     struct tj_judge_def *judge;
 *     struct tj_result *result;
 *     tj_judge_load("performance.md", &judge, &err);
 *     tj_judge_trace(tj, judge, tj_last_active_trace_id(tj), NULL,
 *                    &result, &err);
 *     puts(result->value);
 *     tj_result_free(result);
 *
 * Conventions
 *  1. A function that can fail returns bool and fills *err on false; outputs
 *     are then untouched.  err may not be NULL.
 *  2. Text in is NUL-terminated UTF-8, or a pointer and a size.  Text out is a
 *     struct tj_text, which the caller gives back with tj_text_free.
 *  3. A trace id is 32 lower-case hex digits; MLflow's "tr-" form, any unique
 *     prefix of at least 4 digits, and "last" for the trace that came into
 *     the store last, are accepted on the way in.
 *  4. Times are nanoseconds since 1970-01-01 UTC.
 *  5. A handle may be used from any thread; functions that take a
 *     struct tracejudge may run at the same time in several threads.
 *  6. The library prints nothing, installs no signal handler and reads the
 *     environment only where a function says so.
 */
#ifndef TRACEJUDGE_H
#define TRACEJUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#    define TJ_API __attribute__((visibility("default")))
#else
#    define TJ_API
#endif

/* "0.1.0" */
TJ_API const char *tj_version(void);

/* -- errors and text ------------------------------------------------------ */

/* Chosen by what the caller does next. */
enum tj_error_code {
    TJ_ERROR_NONE = 0,
    TJ_ERROR_INPUT,     /* the input is wrong: tell its sender */
    TJ_ERROR_LIMIT,     /* over a limit that the message names */
    TJ_ERROR_BUSY,      /* try again later */
    TJ_ERROR_IO,        /* file, disk or socket */
    TJ_ERROR_AUTH,      /* no API key, or it was refused */
    TJ_ERROR_BACKEND,   /* the store, or the model's provider, failed */
    TJ_ERROR_UNCERTAIN, /* a write that may have happened: repeat it */
    TJ_ERROR_CANCELLED,
    TJ_ERROR_NETWORK, /* the server that the store lives on is out of reach */
};

struct tj_error {
    int code;          /* enum tj_error_code */
    char message[512]; /* one printable line */
};

/* Bytes that the library made: size of them, and a NUL behind. */
struct tj_text {
    char *data;
    size_t size;
};
TJ_API void tj_text_free(struct tj_text *text);

/* -- a store -------------------------------------------------------------- */

struct tracejudge;

enum tj_open_flags {
    TJ_OPEN_CREATE = 1 << 0, /* make the database when it is not there */
    TJ_OPEN_READ_ONLY = 1 << 1,
    TJ_OPEN_RELAXED = 1 << 2, /* bulk import: a power cut may lose the end */
};

/* url: "sqlite:///abs/path.db", a path, or "memory:".  NULL: the environment's
 * TRACEJUDGE_STORE, else $XDG_DATA_HOME/tracejudge/traces.db (in
 * ~/.local/share when that is not set). */
TJ_API bool tj_open(const char *url, unsigned flags, struct tracejudge **out,
                    struct tj_error *err);
/* Open traces that were not ended are dropped.  Takes NULL. */
TJ_API void tj_close(struct tracejudge *tj);
/* The URL that is open, for messages; lives as long as tj. */
TJ_API const char *tj_store_url(const struct tracejudge *tj);

struct tj_counts {
    uint64_t traces;
    uint64_t spans;
    uint64_t assessments;
    uint64_t text_bytes; /* of all fields, uncompressed */
    uint64_t disk_bytes;
    uint32_t schema_version;
};
TJ_API bool tj_count(struct tracejudge *tj, struct tj_counts *out,
                     struct tj_error *err);

/* -- traces in ------------------------------------------------------------ */

struct tj_import {
    const char *format; /* the one that was used; a static string */
    uint64_t traces;
    uint64_t spans;
    uint64_t assessments;
    uint64_t bytes;    /* read, before decompression */
    uint64_t rejected; /* spans that could not be kept: no usable id */
    uint64_t marked;   /* spans kept although odd (orphans, no times, ...) */
    char first_trace_id[33];
};

/* One file, or "-" for standard input; gzip is seen through.  format NULL: by
 * content.  All of the file is stored, or nothing. */
TJ_API bool tj_import_file(struct tracejudge *tj, const char *path,
                           const char *format, struct tj_import *out,
                           struct tj_error *err);
TJ_API bool tj_import_bytes(struct tracejudge *tj, const void *bytes,
                            size_t size, const char *format,
                            struct tj_import *out, struct tj_error *err);
/* The formats, from i = 0 until NULL; *help is a line for people. */
TJ_API const char *tj_import_format(size_t i, const char **help);

/* -- the tracing SDK ------------------------------------------------------ */

/* A span that is being recorded.  Its children may be started, filled and
 * ended in other threads; one span belongs to one thread at a time. */
struct tj_active;

/* kind: MLflow's span types ("AGENT", "LLM", "TOOL", "CHAIN", "RETRIEVER",
 * ...), NULL for UNKNOWN.  These two do not fail. */
TJ_API struct tj_active *tj_start_trace(struct tracejudge *tj, const char *name,
                                        const char *kind);
TJ_API struct tj_active *tj_start_span(struct tj_active *parent,
                                       const char *name, const char *kind);

/* json is one JSON value; text that is none is kept as a string. */
TJ_API void tj_set_inputs(struct tj_active *span, const char *json);
TJ_API void tj_set_inputs_text(struct tj_active *span, const char *text);
TJ_API void tj_set_outputs(struct tj_active *span, const char *json);
TJ_API void tj_set_outputs_text(struct tj_active *span, const char *text);
TJ_API void tj_set_attribute(struct tj_active *span, const char *key,
                             const char *json);
TJ_API void tj_set_attribute_text(struct tj_active *span, const char *key,
                                  const char *text);
TJ_API void tj_set_attribute_int(struct tj_active *span, const char *key,
                                 int64_t value);
TJ_API void tj_set_attribute_double(struct tj_active *span, const char *key,
                                    double value);
TJ_API void tj_add_event(struct tj_active *span, const char *name);
/* Status ERROR and an `exception` event, as OpenTelemetry records them. */
TJ_API void tj_record_error(struct tj_active *span, const char *type,
                            const char *message);
/* A tag of the whole trace, and its session and user (NULL: leave). */
TJ_API void tj_set_trace_tag(struct tj_active *span, const char *key,
                             const char *value);
TJ_API void tj_set_trace_session(struct tj_active *span, const char *session,
                                 const char *user);
/* Recorded times instead of the clock's; 0 leaves one as it is.  end is used
 * by tj_end_span. */
TJ_API void tj_set_times(struct tj_active *span, uint64_t start_ns,
                         uint64_t end_ns);

/* The 32 digits of its trace; lives as long as the span. */
TJ_API const char *tj_active_trace_id(const struct tj_active *span);
/* Ends the span.  Ending the root stores the trace: children that are still
 * open are stored as unfinished, and their handles stay valid until they are
 * ended, too.  False only when storing failed; the handle is gone anyway. */
TJ_API bool tj_end_span(struct tj_active *span, struct tj_error *err);
/* Of the trace that was last stored through this handle; "" before that.  The
 * text changes when the next trace is stored. */
TJ_API const char *tj_last_active_trace_id(struct tracejudge *tj);

/* -- looking -------------------------------------------------------------- */

/* A trace id by prefix: *count is how many traces match (0: none), out the
 * first of them. */
TJ_API bool tj_find_trace(struct tracejudge *tj, const char *prefix,
                          char out[33], size_t *count, struct tj_error *err);

enum tj_form {
    TJ_FORM_TABLE, /* for people */
    TJ_FORM_JSON,  /* one object a line */
    TJ_FORM_IDS,   /* only the 32 digits, one a line (tj_list_traces) */
};
struct tj_list_options {
    const char *filter;     /* MLflow's filter language; NULL: all */
    const char *order_by;   /* "timestamp_ms DESC"; NULL: newest first */
    const char *page_token; /* NULL: from the start */
    uint32_t max;           /* 0: 50; at most 1000 */
    enum tj_form form;
    uint32_t columns; /* of the terminal; 0: 100 */
    bool color;
    bool with_judge_traces; /* the judges' own runs, too */
};
/* *next is empty after the last page.  *count is how many were listed. */
TJ_API bool tj_list_traces(struct tracejudge *tj,
                           const struct tj_list_options *options,
                           struct tj_text *out, struct tj_text *next,
                           size_t *count, struct tj_error *err);

enum tj_view {
    TJ_VIEW_TREE,
    TJ_VIEW_WATERFALL,
    TJ_VIEW_JSON, /* info, spans and assessments */
};
struct tj_show_options {
    enum tj_view view;
    uint32_t columns; /* 0: 100 */
    bool color;
    bool previews;     /* inputs and outputs in the tree */
    uint32_t span_max; /* 0: 2000; the rest is counted */
};
TJ_API bool tj_show_trace(struct tracejudge *tj, const char *trace_id,
                          const struct tj_show_options *options,
                          struct tj_text *out, struct tj_error *err);

/* The tools, from i = 0 until NULL.  schema (JSON Schema of the arguments)
 * may be NULL when it is not wanted. */
TJ_API const char *tj_tool_name(size_t i, const char **help,
                                struct tj_text *schema);
/* What a model would see.  args is a JSON object (NULL: {}). */
struct tj_tool_answer {
    struct tj_text text;
    bool refused; /* the question was wrong: the text says how */
};
TJ_API bool tj_call_tool(struct tracejudge *tj, const char *trace_id,
                         const char *tool, const char *args,
                         struct tj_tool_answer *out, struct tj_error *err);

/* -- assessments ---------------------------------------------------------- */

/* A human's or a program's feedback (value_json is one JSON value) or
 * expectation.  source_type: "HUMAN", "CODE" or "LLM_JUDGE". */
struct tj_feedback {
    const char *name;
    const char *value_json;
    const char *rationale;   /* may be NULL */
    const char *source_type; /* NULL: "HUMAN" */
    const char *source_id;   /* NULL: "default" */
    const char *span_id;     /* 16 digits; NULL: the trace */
    bool expectation;        /* ground truth instead of feedback */
};
TJ_API bool tj_log_assessment(struct tracejudge *tj, const char *trace_id,
                              const struct tj_feedback *feedback,
                              struct tj_text *assessment_id,
                              struct tj_error *err);
/* MLflow's JSON, one assessment a line. */
TJ_API bool tj_list_assessments(struct tracejudge *tj, const char *trace_id,
                                struct tj_text *out, struct tj_error *err);
TJ_API bool tj_set_tag(struct tracejudge *tj, const char *trace_id,
                       const char *key, const char *value,
                       struct tj_error *err);
TJ_API bool tj_delete_trace(struct tracejudge *tj, const char *trace_id,
                            bool *existed, struct tj_error *err);

/* -- judges --------------------------------------------------------------- */

struct tj_judge_def;

/* A judge in C, as MLflow's make_judge.  Everything but name and
 * instructions may be NULL or zero. */
struct tj_judge_spec {
    const char *name;
    const char *instructions; /* with {{ trace }} or other variables */
    const char *model;        /* "openai:/gpt-5", "builtin:/rules", ... */
    const char *description;
    const char *value;    /* JSON: "bool", ["good", "bad"], or JSON Schema */
    const char *pass;     /* JSON list of the values that pass */
    const char *evidence; /* "required", "optional", "none" */
    const char *rules;    /* JSON: builtin:/rules' block */
    const char *limits;   /* JSON: {"rounds": 30, "cost_usd": 0.5, ...} */
};
TJ_API bool tj_make_judge(const struct tj_judge_spec *spec,
                          struct tj_judge_def **out, struct tj_error *err);
/* A Markdown judge file, or MLflow's serialised scorer (JSON). */
TJ_API bool tj_judge_load(const char *path, struct tj_judge_def **out,
                          struct tj_error *err);
/* source is such a file's text; file is its name in messages. */
TJ_API bool tj_judge_parse(const char *source, size_t size, const char *file,
                           struct tj_judge_def **out, struct tj_error *err);
TJ_API void tj_judge_free(struct tj_judge_def *judge); /* takes NULL */
TJ_API const char *tj_judge_name(const struct tj_judge_def *judge);
TJ_API const char *tj_judge_model(const struct tj_judge_def *judge);

/* Stored judges have versions: the same source again keeps its number. */
TJ_API bool tj_register_judge(struct tracejudge *tj,
                              const struct tj_judge_def *judge,
                              uint32_t *version, struct tj_error *err);
/* version 0: the latest.  No such judge: TJ_ERROR_INPUT. */
TJ_API bool tj_fetch_judge(struct tracejudge *tj, const char *name,
                           uint32_t version, struct tj_judge_def **out,
                           struct tj_error *err);
TJ_API bool tj_list_judges(struct tracejudge *tj, enum tj_form form,
                           struct tj_text *out, struct tj_error *err);
/* The source text of a definition, as it was loaded or made. */
TJ_API const char *tj_judge_source(const struct tj_judge_def *judge,
                                   size_t *size);

/* -- judging -------------------------------------------------------------- */

struct tj_result_evidence {
    const char *span_id;
    const char *field;
    const char *quote;
    uint64_t offset; /* where the quote is in the field's text, in bytes */
    uint64_t length;
    bool verified;       /* found byte for byte in that field */
    const char *why_not; /* "" when verified */
};

enum tj_state { TJ_RATED, TJ_INSUFFICIENT_EVIDENCE, TJ_COULD_NOT_EVALUATE };

/* A finished judgment.  Texts live until tj_result_free. */
struct tj_result {
    const char *trace_id;
    const char *judge;
    const char *model;
    enum tj_state state;
    int passed;             /* 1, 0, or -1: nobody said what passes */
    const char *value;      /* for people: a string without its quotes */
    const char *value_json; /* "null" unless rated */
    const char *rationale;
    const char *error_code; /* "" or "auth", "rate_limited", ... */
    const char *error_message;
    const struct tj_result_evidence *evidence;
    size_t evidence_count;
    uint64_t spans_read;
    uint64_t spans_total;
    uint64_t bytes_read;
    uint64_t bytes_total;
    uint64_t requests;
    int64_t input_tokens; /* -1: not known */
    int64_t output_tokens;
    double cost_usd; /* below 0: not known */
    uint64_t tool_calls;
    uint64_t duration_ns;
    const char *stopped_by;
    const char *assessment_id;  /* "" when it was not stored */
    const char *judge_trace_id; /* the run itself, as a trace */
    const char *json;           /* the whole verdict, one line */
};
TJ_API void tj_result_free(struct tj_result *result); /* takes NULL */

/* What a judge does while it works, for progress and --debug. */
enum tj_event_kind {
    TJ_EVENT_ASK,       /* text: what was sent since the last ask */
    TJ_EVENT_REPLY,     /* text: what the model said */
    TJ_EVENT_TOOL_CALL, /* name, text: arguments */
    TJ_EVENT_TOOL_RESULT,
};
struct tj_event_info {
    enum tj_event_kind kind;
    uint32_t round;
    const char *name;
    const char *text; /* untrusted: not yet safe for a terminal */
    size_t size;
    uint64_t duration_ns;
};

struct tj_judge_settings {
    const char *model;    /* instead of the judge's own */
    const char *base_url; /* an OpenAI- or Anthropic-compatible server */
    const char *api_key;  /* NULL: the provider's environment variable */
    const char *record;   /* file to append every ask and reply to */
    const char *replay;   /* file to answer from: offline, same verdict */
    uint32_t in_flight;   /* judgments at once; 0: 8 */
    uint32_t retries;     /* of a request that failed in passing; 0: 5 */
    bool do_not_store;    /* neither the verdict nor the run */
    bool judge_judges;    /* also traces that judges made */
    void (*event)(void *ctx, const struct tj_event_info *event);
    /* For tj_judge_traces: called once for each trace, as they finish (not in
     * order), in the calling thread.  The result is the callee's only until
     * it returns. */
    void (*done)(void *ctx, const struct tj_result *result);
    void *ctx; /* for both */
};

/* One trace, waiting for the verdict.  A model or trace that cannot be judged
 * is a result with state TJ_COULD_NOT_EVALUATE; false is for what the caller
 * got wrong (no such trace, no key) and for a store that failed.  Reads API
 * keys and base URLs from the environment, as providers name them. */
TJ_API bool tj_judge_trace(struct tracejudge *tj,
                           const struct tj_judge_def *judge,
                           const char *trace_id,
                           const struct tj_judge_settings *settings,
                           struct tj_result **out, struct tj_error *err);

/* Many at once; settings->done must be there.  A trace whose judgment could
 * not be stored ends the run with false. */
TJ_API bool tj_judge_traces(struct tracejudge *tj,
                            const struct tj_judge_def *judge,
                            const char *const *trace_ids, size_t count,
                            const struct tj_judge_settings *settings,
                            struct tj_error *err);

/* Ends judging that is under way on this handle: what is finished is stored,
 * what is under way gives results with error "cancelled", the rest is not
 * started.  Async-signal-safe. */
TJ_API void tj_cancel(struct tracejudge *tj);

/* -- the rest ------------------------------------------------------------- */

/* What this installation can do and what it lacks: version, libraries, the
 * store, which API keys are there (never their values). */
TJ_API bool tj_doctor(const char *url, enum tj_form form, struct tj_text *out,
                      bool *healthy, struct tj_error *err);
/* Untrusted text made safe for a terminal: control characters shown, escape
 * sequences disarmed, line breaks kept. */
TJ_API void tj_printable(const char *text, size_t size, struct tj_text *out);

#ifdef __cplusplus
}
#endif

#endif
