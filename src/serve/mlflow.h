/* mlflow.h - what the handlers of MLflow's REST surface share.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     static void run(struct tj_server *s, const struct tj_request *rq,
 *                     struct tj_answer *out)
 *     {
 *         struct tj_ml call;
 *         tj_str name;
 *         if (!tj_ml_begin(&call, s, rq, out) ||
 *             !tj_ml_need_str(&call, "name", &name))
 *             return;
 *         ...
 *         struct tj_json_writer *w = tj_ml_answer(&call);
 *         tj_jw_key_str(w, "experiment_id", id);
 *         tj_ml_end(&call);
 *     }
 *
 *  1. Arguments come from the JSON body (POST, PUT, PATCH, DELETE) or from the
 *     query (GET), and are asked for in the same way; both spellings of a name
 *     (snake_case, camelCase) are found, unknown ones ignored.
 *  2. Errors are {"error_code", "message"} with MLflow's codes, texts and
 *     HTTP statuses; a missing object is a JSON 404, since a 404 of another
 *     kind makes clients take the server for an older one.
 *  3. Whoever fails has filled the answer: callers only return.
 *  4. A handler that touches something of an experiment asks tj_ml_covers.
 * Threads: a call belongs to its worker.
 */
#ifndef TJ_SERVE_MLFLOW_H
#define TJ_SERVE_MLFLOW_H

#include "base/buf.h"
#include "serve/exchange.h"
#include "serve/server.h"
#include "store/store_records.h"
#include "text/json.h"
#include "text/json_write.h"

#define TJ_ML_CODES(X)                                                         \
    X(BAD_REQUEST, 400)                                                        \
    X(INVALID_PARAMETER_VALUE, 400)                                            \
    X(RESOURCE_ALREADY_EXISTS, 400)                                            \
    X(UNAUTHENTICATED, 401)                                                    \
    X(PERMISSION_DENIED, 403)                                                  \
    X(RESOURCE_DOES_NOT_EXIST, 404)                                            \
    X(ENDPOINT_NOT_FOUND, 404)                                                 \
    X(RESOURCE_CONFLICT, 409)                                                  \
    X(REQUEST_LIMIT_EXCEEDED, 429)                                             \
    X(INTERNAL_ERROR, 500)                                                     \
    X(INVALID_STATE, 500)                                                      \
    X(NOT_IMPLEMENTED, 501)                                                    \
    X(TEMPORARILY_UNAVAILABLE, 503)

enum tj_ml_code {
#define X(name, status) TJ_ML_##name,
    TJ_ML_CODES(X)
#undef X
};

struct tj_ml {
    struct tj_server *server;
    struct tj_store *store;
    const struct tj_request *rq;
    struct tj_answer *out;
    struct tj_arena *arena;
    const struct tj_json *args; /* an object; NULL: no arguments */
    struct tj_err err;          /* scratch for calls to the store */
    struct tj_buf buf;
    struct tj_json_writer writer;
};

/* Fills an answer without a call, and with one; both return false. */
bool tj_ml_refuse(struct tj_answer *out, struct tj_arena *a,
                  enum tj_ml_code code, const char *format, ...)
    TJ_PRINTF(4, 5);
bool tj_ml_fail(struct tj_ml *call, enum tj_ml_code code, const char *format,
                ...) TJ_PRINTF(3, 4);
/* From call->err: INPUT and LIMIT are INVALID_PARAMETER_VALUE, BUSY is
 * TEMPORARILY_UNAVAILABLE with Retry-After, all else INTERNAL_ERROR. */
bool tj_ml_fail_err(struct tj_ml *call);

/* Reads the arguments.  Content type, bad JSON: refused. */
bool tj_ml_begin(struct tj_ml *call, struct tj_server *s,
                 const struct tj_request *rq, struct tj_answer *out);

/* -- arguments ------------------------------------------------------------ */

/* name in snake_case.  NULL when absent or JSON null. */
const struct tj_json *tj_ml_arg(const struct tj_ml *call, const char *name);
/* The same of any object of a request. */
const struct tj_json *tj_ml_member(const struct tj_json *object,
                                   const char *name);
/* A string, or a number or bool as its text (protobuf reads these for each
 * other); empty when absent. */
tj_str tj_ml_str(const struct tj_ml *call, const char *name);
/* The same of any value. */
tj_str tj_ml_scalar(const struct tj_json *v);
/* The same; false and refused for a list or an object, of which that would be
 * the empty text. */
bool tj_ml_opt_str(struct tj_ml *call, const char *name, tj_str *out);
/* The same; "Missing value for required parameter 'x'. ..." when it is absent
 * or empty. */
bool tj_ml_need_str(struct tj_ml *call, const char *name, tj_str *out);
/* A whole number, or digits; `otherwise` when absent.  False and refused for
 * anything else. */
bool tj_ml_i64(struct tj_ml *call, const char *name, int64_t otherwise,
               int64_t *out);
bool tj_ml_bool(struct tj_ml *call, const char *name, bool otherwise,
                bool *out);
/* A list of strings: an array of the body, or a repeated query parameter. */
struct tj_ml_list {
    tj_str *items;
    size_t count;
};
bool tj_ml_strs(struct tj_ml *call, const char *name, struct tj_ml_list *out);
/* [{"key": ..., "value": ...}] */
bool tj_ml_pairs(struct tj_ml *call, const char *name, tj_pairs *out);

/* "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type
 * 'int'. ..." */
bool tj_ml_bad_type(struct tj_ml *call, const char *path,
                    const struct tj_json *v);

/* An experiment id: decimal digits.  False and refused for anything else, for
 * one that is not there, and for one that the grant does not cover. */
bool tj_ml_experiment(struct tj_ml *call, tj_str id, struct tj_experiment *out);
/* The info of a trace, if it is there; false and refused when it is not
 * covered or the store failed. */
bool tj_ml_find_trace(struct tj_ml *call, tj_str id, struct tj_trace_info *out,
                      bool *found);
/* The info of a trace of the captured or given id; refused with MLflow's text
 * when it is not there or not covered. */
bool tj_ml_trace(struct tj_ml *call, tj_str id, struct tj_trace_info *out);
/* False and refused with PERMISSION_DENIED. */
bool tj_ml_covers(struct tj_ml *call, uint64_t experiment_id);

/* -- answers -------------------------------------------------------------- */

/* Begins an object; end closes it and makes it the answer, 200. */
struct tj_json_writer *tj_ml_answer(struct tj_ml *call);
void tj_ml_end(struct tj_ml *call);
/* {} */
void tj_ml_done(struct tj_ml *call);

/* -- pieces of JSON that several routes write ----------------------------- */

/* "2025-04-15T08:49:18.699Z": none or three digits of a fraction, as protobuf
 * does for whole milliseconds (finer ones are cut). */
tj_str tj_ml_time(struct tj_arena *a, tj_time time);
/* "1.500s", "0s". */
tj_str tj_ml_duration(struct tj_arena *a, uint64_t ns);
void tj_ml_write_pairs(struct tj_json_writer *w, const char *key,
                       const tj_pairs *pairs); /* [{key, value}] */
void tj_ml_write_map(struct tj_json_writer *w, const char *key,
                     const tj_pairs *pairs); /* {key: value} */

#endif
