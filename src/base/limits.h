/* limits.h - every maximum of the program, with its reason.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Reaching one is an ordinary TJ_E_LIMIT whose message names the limit; each
 * has a test.  What a user may change is an option elsewhere with its default
 * here.
 */
#ifndef TJ_BASE_LIMITS_H
#define TJ_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* -- reading ------------------------------------------------------------ */
/* An import file or request body after decompression.  A day of a busy agent
 * is 100 MB; files larger than memory are the business of `split`. */
#define TJ_IMPORT_BYTES_MAX ((size_t)2 << 30)
/* A gzip file may grow this much, or to the floor below: traces shrink 5 to 50
 * times, a bomb 1,000 times; so a small file cannot ask for much memory. */
#define TJ_IMPORT_GZIP_RATIO_MAX ((size_t)100)
#define TJ_IMPORT_GZIP_BYTES_MIN ((size_t)64 << 20)
/* JSON nesting.  Real traces reach 40; Python's own reader stops at 1,000. */
#define TJ_JSON_DEPTH_MAX 512
/* AnyValue nesting in OTLP protobuf; upstream decoders stop at 100. */
#define TJ_PB_DEPTH_MAX 100
/* YAML nesting in a judge file: front matter is three levels deep. */
#define TJ_YAML_DEPTH_MAX       32
#define TJ_JUDGE_FILE_BYTES_MAX ((size_t)1 << 20)
/* One compressed block of the store: as much as one import can hold. */
#define TJ_ZSTD_BYTES_MAX TJ_IMPORT_BYTES_MAX

/* -- traces ------------------------------------------------------------- */
#define TJ_SPANS_PER_TRACE_MAX ((size_t)1000000)
#define TJ_FIELDS_PER_SPAN_MAX ((size_t)10000)
/* A span, trace or field name; longer ones are clipped and marked. */
#define TJ_NAME_BYTES_MAX ((size_t)1024)
/* MLflow's own length of request_preview and response_preview. */
#define TJ_PREVIEW_CHARS_MAX ((size_t)1000)
#define TJ_PREVIEW_BYTES_MAX (4 * TJ_PREVIEW_CHARS_MAX)

/* Ids in one call that links or deletes traces; MLflow sends 1,000. */
#define TJ_TRACE_IDS_MAX ((size_t)100000)

/* -- records ------------------------------------------------------------- */
/* A record's body; the largest are attachments: pictures and sound. */
#define TJ_RECORD_BYTES_MAX ((size_t)64 << 20)
/* All tags of an experiment; a tag may hold a note of some pages. */
#define TJ_EXPERIMENT_TAGS_BYTES_MAX ((size_t)1 << 20)

/* One file that a client cut out of a span: an image, a sound, a document. */
#define TJ_ATTACHMENT_BYTES_MAX      ((size_t)32 << 20)
#define TJ_ATTACHMENT_NAME_BYTES_MAX ((size_t)128)

/* Groups of one question for metrics: hours of a month by 100 names. */
#define TJ_METRIC_GROUPS_MAX ((size_t)100000)

/* -- filters of search_traces -------------------------------------------- */
/* A filter with an IN list of some hundred trace ids is 20 KB. */
#define TJ_FILTER_BYTES_MAX ((size_t)65536)
/* Parentheses and NOTs inside each other; people write two. */
#define TJ_FILTER_DEPTH_MAX 32
/* Clauses: each may look at every span of every trace. */
#define TJ_FILTER_CLAUSES_MAX 256

/* -- what MLflow's clients keep beside traces ----------------------------- */
/* Metrics, params, tags, inputs, outputs of one run, each: it is written whole
 * at every log, and this many are 1 MB. */
#define TJ_RUN_KEYS_MAX ((size_t)20000)
/* Key and value pairs (tags, params) in one request: they are looked for one by
 * one.  MLflow's own limit, where it has one, is 100. */
#define TJ_REQUEST_PAIRS_MAX ((size_t)10000)
/* Fields of a dataset that its schema lists; more are kept, not listed. */
#define TJ_DATASET_FIELDS_MAX ((size_t)1000)
/* Records of a dataset in one request: they are one transaction, and the
 * client sends what it has in one. */
#define TJ_DATASET_UPSERT_MAX ((size_t)100000)
/* Text of records in one answer, which may be a thousand of a megabyte each: it
 * is in memory three times.  The rest is another page. */
#define TJ_DATASET_PAGE_BYTES_MAX ((size_t)8 << 20)

/* -- tools -------------------------------------------------------------- */
/* What one tool call may return: about 8,000 tokens. */
#define TJ_TOOL_RESULT_BYTES_MAX   ((size_t)32768)
#define TJ_TOOL_ARGS_BYTES_MAX     ((size_t)65536)
#define TJ_REGEX_PATTERN_BYTES_MAX ((size_t)4096)
/* RE2's own maximum for x{n}. */
#define TJ_REGEX_REPEAT_MAX 1000
/* RE2's compiled program and DFA cache. */
#define TJ_REGEX_MEMORY_BYTES_MAX ((size_t)8 << 20)

/* -- models ------------------------------------------------------------- */
#define TJ_MODEL_REPLY_BYTES_MAX   ((size_t)16 << 20)
#define TJ_MODEL_REQUEST_BYTES_MAX ((size_t)64 << 20)
/* Times that a failed request is sent again; providers' own clients have 2,
 * MLflow's judge 10. */
#define TJ_MODEL_RETRIES 5
/* Requests in flight at one endpoint and key: where the window starts, and
 * where it stops to grow. */
#define TJ_MODEL_IN_FLIGHT     20
#define TJ_MODEL_IN_FLIGHT_MAX 100
/* The longest wait that a provider may ask for, as OpenAI's client has it. */
#define TJ_MODEL_RETRY_AFTER_MS_MAX UINT64_C(120000)
/* One request; a reasoning model may think for minutes. */
#define TJ_MODEL_TIMEOUT_MS UINT64_C(600000)
/* A file of recorded asks and replies: read whole by replay:/. */
#define TJ_RECORDING_BYTES_MAX     ((size_t)512 << 20)
#define TJ_TOOL_CALLS_PER_TURN_MAX ((size_t)64)

/* -- a store on an MLflow server ---------------------------------------- */
/* One answer: 500 infos with assessments, or a list of experiments. */
#define TJ_MLFLOW_REPLY_BYTES_MAX ((size_t)64 << 20)
/* One trace with its spans; 5,000 spans are 25 MB. */
#define TJ_MLFLOW_TRACE_BYTES_MAX ((size_t)1 << 30)
/* What one request may send: the spans of a judge's own run. */
#define TJ_MLFLOW_SEND_BYTES_MAX ((size_t)64 << 20)
/* One request; MLflow's own clients wait 120 s. */
#define TJ_MLFLOW_TIMEOUT_MS UINT64_C(120000)
/* Times that a request is sent again; MLflow's clients have 7, over minutes. */
#define TJ_MLFLOW_RETRIES 4
/* The longest wait that the server may ask for. */
#define TJ_MLFLOW_RETRY_AFTER_MS_MAX UINT64_C(30000)
/* Active experiments looked at when none is named; a search names them all. */
#define TJ_MLFLOW_EXPERIMENTS_MAX ((size_t)10000)
/* The server's own largest page of traces. */
#define TJ_MLFLOW_PAGE_ROWS_MAX ((size_t)500)
/* Pages that one search reads: ten million traces, an hour of a server. */
#define TJ_MLFLOW_PAGES_MAX ((size_t)20000)

/* -- one judgment: the defaults of a judge's `limits:` ------------------- */
#define TJ_JUDGE_ROUNDS       30
#define TJ_JUDGE_INPUT_TOKENS ((uint64_t)400000)
#define TJ_JUDGE_TOOL_BYTES   ((uint64_t)400000)
#define TJ_JUDGE_SECONDS      300
/* Part of the prompt that describes the trace before any tool is called. */
#define TJ_OVERVIEW_BYTES_MAX ((size_t)6144)
#define TJ_EVIDENCE_MAX       ((size_t)64)
#define TJ_QUOTE_BYTES_MAX    ((size_t)4096)

/* -- serving -------------------------------------------------------------- */
/* A request's body as it comes, and again after decompression (--body-max):
 * OTLP's own advice to collectors. */
#define TJ_BODY_BYTES_MAX ((size_t)64 << 20)
/* Of all bodies together: a few large ones, or thousands of usual ones. */
#define TJ_BODIES_BYTES_MAX ((size_t)512 << 20)
/* Parsed JSON may take eight times its text: only as many handlers as there
 * are processors have a body over this at a time. */
#define TJ_BODY_LARGE_BYTES ((size_t)8 << 20)
/* A body is guessed to grow this much; one that grows more is read again
 * with more room.  Traces shrink 5 to 50 times. */
#define TJ_BODY_RATIO_GUESS ((size_t)16)
/* Beyond --body-max, so much is read and thrown away so that the client sees
 * the answer; who sends more is cut off. */
#define TJ_BODY_DISCARD_BYTES_MAX ((size_t)1 << 30)
/* Clients send 10 to 20. */
#define TJ_REQUEST_HEADERS_MAX ((size_t)100)
/* Request line and headers, with what the door needs to keep them. */
#define TJ_REQUEST_HEAD_BYTES_MAX ((size_t)32 << 10)
/* MLflow's clients send up to 100 ids in a query; the door has room for 400. */
#define TJ_QUERY_PARAMS_MAX ((size_t)256)
/* Requests at work: they wait for the disk together, so more than cores. */
#define TJ_WORKERS_MAX 64
#define TJ_QUEUE_MAX   1024
/* 8 to 12 KB each while idle. */
#define TJ_CONNECTIONS_MAX 4096
/* Beside those; one carries many calls. */
#define TJ_GRPC_CONNECTIONS_MAX (TJ_CONNECTIONS_MAX / 4)
/* Of one address that is not loopback, where a reverse proxy would be. */
#define TJ_CONNECTIONS_PER_ADDRESS_MAX 512
/* A connection may wait so long for its next request; exporters send every
 * five seconds, pools keep theirs for a minute. */
#define TJ_IDLE_SECONDS 75
/* From the first line of a request to the last byte of its body; and as long
 * for the answer, with time for its size at 64 KB/s. */
#define TJ_REQUEST_SECONDS 60
/* What is at work when the server is told to stop; service managers wait 30
 * to 90 seconds before they kill. */
#define TJ_DRAIN_SECONDS 25
/* An answer above this is compressed when the client can read it. */
#define TJ_COMPRESS_BYTES_MIN ((size_t)4096)

#endif
