/* mlflow.c - arguments, errors and answers of MLflow's REST surface.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"

#include <inttypes.h>

#include "base/limits.h"
#include "serve/python_json.h"

enum { NAME_BYTES_MAX = 64 }; /* of an argument; they are ours */

/* -- errors --------------------------------------------------------------- */

static const struct {
    const char *name;
    int status;
} codes[] = {
#define X(name, status) {#name, status},
    TJ_ML_CODES(X)
#undef X
};

static bool refuse(struct tj_answer *out, struct tj_arena *a,
                   enum tj_ml_code code, tj_str message)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, a, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "error_code", tj_str_c(codes[code].name));
    tj_jw_key_str(&w, "message", message);
    tj_jw_end(&w);
    tj_answer_json(out, codes[code].status, tj_buf_str(&buf));
    return false;
}

bool tj_ml_refuse(struct tj_answer *out, struct tj_arena *a,
                  enum tj_ml_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tj_str message = tj_str_vprintf(a, format, args);
    va_end(args);
    return refuse(out, a, code, message);
}

bool tj_ml_fail(struct tj_ml *call, enum tj_ml_code code, const char *format,
                ...)
{
    va_list args;
    va_start(args, format);
    tj_str message = tj_str_vprintf(call->arena, format, args);
    va_end(args);
    return refuse(call->out, call->arena, code, message);
}

static enum tj_ml_code code_of(enum tj_code code)
{
    switch (code) {
    case TJ_E_INPUT:
    case TJ_E_LIMIT: return TJ_ML_INVALID_PARAMETER_VALUE;
    case TJ_E_BUSY:
    case TJ_E_CANCELLED: return TJ_ML_TEMPORARILY_UNAVAILABLE;
    case TJ_E_NONE:
    case TJ_E_IO:
    case TJ_E_AUTH:
    case TJ_E_BACKEND:
    case TJ_E_UNCERTAIN:
    case TJ_E_NETWORK: break;
    }
    return TJ_ML_INTERNAL_ERROR;
}

bool tj_ml_fail_err(struct tj_ml *call)
{
    enum tj_ml_code code = code_of(call->err.code);
    if (code == TJ_ML_TEMPORARILY_UNAVAILABLE)
        tj_answer_header(call->out, TJ_STR("Retry-After"), TJ_STR("1"));
    return refuse(call->out, call->arena, code, tj_str_c(call->err.message));
}

/* -- beginning ------------------------------------------------------------ */

/* The query as a JSON object of strings, so that both kinds of arguments are
 * asked for in one way. */
static tj_str query_json(const struct tj_request *rq)
{
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, rq->arena, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    for (size_t i = 0; i < rq->param_count; i++) {
        tj_jw_key(&w, rq->params[i].name);
        tj_jw_str(&w, rq->params[i].value);
    }
    tj_jw_end(&w);
    return tj_buf_str(&buf);
}

/* A page of another origin can post a form without asking first, but not
 * this type: so it must be there wherever something is changed. */
static bool check_content_type(struct tj_ml *call)
{
    enum tj_method method = call->rq->method;
    if (method != TJ_METHOD_POST && method != TJ_METHOD_PUT)
        return true;
    tj_str type = tj_request_content_type(call->rq);
    if (!type.len)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Bad Request. Content-Type header is missing.");
    return tj_str_eq_fold(type, TJ_STR("application/json")) ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Bad Request. Content-Type must be one of "
                      "['application/json'].");
}

static bool parse_args(struct tj_ml *call, tj_str text)
{
    struct tj_json_doc doc = {0};
    if (!tj_json_parse(text, call->arena, &doc, &call->err))
        return tj_ml_fail(call, TJ_ML_BAD_REQUEST,
                          "Bad Request. The request body is not JSON: %s",
                          call->err.message);
    /* Old clients encode twice. */
    if (tj_json_is_string(doc.root) &&
        !tj_json_parse(tj_json_str(doc.root), call->arena, &doc, &call->err))
        return tj_ml_fail(call, TJ_ML_BAD_REQUEST,
                          "Bad Request. The request body is not JSON: %s",
                          call->err.message);
    if (tj_json_is_null(doc.root))
        return true;
    if (!tj_json_is_object(doc.root))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Bad Request. The request body must be a JSON "
                          "object, not %s.",
                          tj_json_type_name(tj_json_type(doc.root)));
    call->args = doc.root;
    return true;
}

bool tj_ml_begin(struct tj_ml *call, struct tj_server *s,
                 const struct tj_request *rq, struct tj_answer *out)
{
    *call = (struct tj_ml){
        .server = s,
        .store = s->store,
        .rq = rq,
        .out = out,
        .arena = rq->arena,
    };
    if (rq->method == TJ_METHOD_GET || rq->method == TJ_METHOD_HEAD)
        return parse_args(call, query_json(rq));
    if (!check_content_type(call))
        return false;
    tj_str body = tj_str_trim(rq->body);
    return !body.len || parse_args(call, body);
}

/* -- arguments ------------------------------------------------------------ */

static tj_str camel_case(const char *name, char room[NAME_BYTES_MAX])
{
    size_t len = 0;
    for (const char *c = name; *c && len < NAME_BYTES_MAX; c++) {
        bool raise = c[0] == '_' && c[1] >= 'a' && c[1] <= 'z';
        if (raise)
            c++;
        room[len++] = raise ? (char)(*c - 'a' + 'A') : *c;
    }
    return (tj_str){room, len};
}

const struct tj_json *tj_ml_member(const struct tj_json *object,
                                   const char *name)
{
    char room[NAME_BYTES_MAX];
    const struct tj_json *v = tj_json_find(object, tj_str_c(name));
    if (!v)
        v = tj_json_find(object, camel_case(name, room));
    return tj_json_is_null(v) ? NULL : v;
}

const struct tj_json *tj_ml_arg(const struct tj_ml *call, const char *name)
{
    return tj_ml_member(call->args, name);
}

tj_str tj_ml_scalar(const struct tj_json *v)
{
    switch (tj_json_type(v)) {
    case TJ_JSON_STRING: return tj_json_str(v);
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE: return tj_json_number_text(v);
    case TJ_JSON_FALSE: return TJ_STR("false");
    case TJ_JSON_TRUE: return TJ_STR("true");
    case TJ_JSON_NULL:
    case TJ_JSON_ARRAY:
    case TJ_JSON_OBJECT: break;
    }
    return (tj_str){0};
}

tj_str tj_ml_str(const struct tj_ml *call, const char *name)
{
    return tj_ml_scalar(tj_ml_arg(call, name));
}

static const char *python_type(const struct tj_json *v)
{
    switch (tj_json_type(v)) {
    case TJ_JSON_NULL: return "NoneType";
    case TJ_JSON_FALSE:
    case TJ_JSON_TRUE: return "bool";
    case TJ_JSON_INT:
    case TJ_JSON_UINT: return "int";
    case TJ_JSON_DOUBLE: return "float";
    case TJ_JSON_STRING: return "str";
    case TJ_JSON_ARRAY: return "list";
    case TJ_JSON_OBJECT: break;
    }
    return "dict";
}

bool tj_ml_bad_type(struct tj_ml *call, const char *path,
                    const struct tj_json *v)
{
    struct tj_buf buf;
    tj_buf_init(&buf, call->arena, TJ_NAME_BYTES_MAX);
    tj_python_json(&buf, v, TJ_PYTHON_SORTED | TJ_PYTHON_COMPACT);
    return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid value %.*s for parameter '%s' supplied:  Hint: "
                      "Value was of type '%s'. See the API docs for more "
                      "information about request parameters.",
                      TJ_STR_ARG(tj_buf_str(&buf)), path, python_type(v));
}

static bool is_container(const struct tj_json *v)
{
    return tj_json_is_array(v) || tj_json_is_object(v);
}

bool tj_ml_opt_str(struct tj_ml *call, const char *name, tj_str *out)
{
    const struct tj_json *v = tj_ml_arg(call, name);
    *out = tj_ml_scalar(v);
    return !is_container(v) || tj_ml_bad_type(call, name, v);
}

bool tj_ml_need_str(struct tj_ml *call, const char *name, tj_str *out)
{
    return tj_ml_opt_str(call, name, out) &&
           (out->len ||
            tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                       "Missing value for required parameter '%s'. See the API "
                       "docs for more information about request parameters.",
                       name));
}

bool tj_ml_i64(struct tj_ml *call, const char *name, int64_t otherwise,
               int64_t *out)
{
    const struct tj_json *v = tj_ml_arg(call, name);
    *out = otherwise;
    if (!v)
        return true;
    if (tj_json_i64(v, out))
        return true;
    if (tj_json_is_string(v) && tj_str_to_i64(tj_json_str(v), out))
        return true;
    return tj_ml_bad_type(call, name, v);
}

bool tj_ml_bool(struct tj_ml *call, const char *name, bool otherwise, bool *out)
{
    tj_str text = tj_ml_str(call, name);
    *out = otherwise;
    if (!tj_ml_arg(call, name))
        return true;
    if (tj_str_eq_fold(text, TJ_STR("true")))
        *out = true;
    else if (tj_str_eq_fold(text, TJ_STR("false")))
        *out = false;
    else
        return tj_ml_bad_type(call, name, tj_ml_arg(call, name));
    return true;
}

bool tj_ml_strs(struct tj_ml *call, const char *name, struct tj_ml_list *out)
{
    TJ_VEC(tj_str) list = {0};
    char room[NAME_BYTES_MAX];
    tj_str camel = camel_case(name, room);
    struct tj_json_members m = tj_json_members(call->args);
    while (tj_json_member(&m)) {
        if (!tj_str_eq(m.key, tj_str_c(name)) && !tj_str_eq(m.key, camel))
            continue;
        if (tj_json_is_string(m.value))
            *tj_vec_add(&list, call->arena) = tj_json_str(m.value);
        else if (!tj_json_is_array(m.value) && !tj_json_is_null(m.value))
            return tj_ml_bad_type(call, name, m.value);
        tj_json_each (m.value, item)
            *tj_vec_add(&list, call->arena) = tj_ml_scalar(item);
    }
    *out = (struct tj_ml_list){list.items, list.count};
    return true;
}

bool tj_ml_pairs(struct tj_ml *call, const char *name, tj_pairs *out)
{
    const struct tj_json *list = tj_ml_arg(call, name);
    *out = (tj_pairs){0};
    if (list && !tj_json_is_array(list))
        return tj_ml_bad_type(call, name, list);
    if (tj_json_count(list) > TJ_REQUEST_PAIRS_MAX)
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "one request has at most %zu %s",
                          TJ_REQUEST_PAIRS_MAX, name);
    tj_json_each (list, item) {
        tj_str key = tj_ml_scalar(tj_ml_member(item, "key"));
        const struct tj_json *value = tj_ml_member(item, "value");
        if (!key.len || is_container(value))
            return tj_ml_bad_type(call, name, item);
        tj_pairs_set(out, call->arena, key, tj_ml_scalar(value));
    }
    return true;
}

/* -- things that arguments name ------------------------------------------- */

bool tj_ml_covers(struct tj_ml *call, uint64_t experiment_id)
{
    return tj_grant_covers(call->rq->grant, experiment_id) ||
           tj_ml_fail(call, TJ_ML_PERMISSION_DENIED, "Permission denied");
}

bool tj_ml_experiment(struct tj_ml *call, tj_str id, struct tj_experiment *out)
{
    uint64_t number = 0;
    bool found = false;
    if (!tj_str_to_u64(id, &number))
        return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                          "Invalid experiment ID '%.*s'. Experiment ID must "
                          "be a valid integer.",
                          TJ_STR_ARG(id));
    if (!tj_store_find_experiment(call->store, number, call->arena, out, &found,
                                  &call->err))
        return tj_ml_fail_err(call);
    if (!found)
        return tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                          "No Experiment with id=%.*s exists", TJ_STR_ARG(id));
    return tj_ml_covers(call, number);
}

bool tj_ml_find_trace(struct tj_ml *call, tj_str id, struct tj_trace_info *out,
                      bool *found)
{
    tj_trace_id trace_id;
    *found = false;
    if (tj_trace_id_parse(id, &trace_id) &&
        !tj_store_find_info(call->store, trace_id, call->arena, out, found,
                            &call->err))
        return tj_ml_fail_err(call);
    return !*found || tj_ml_covers(call, out->experiment_id);
}

bool tj_ml_trace(struct tj_ml *call, tj_str id, struct tj_trace_info *out)
{
    bool found;
    return tj_ml_find_trace(call, id, out, &found) &&
           (found ||
            tj_ml_fail(call, TJ_ML_RESOURCE_DOES_NOT_EXIST,
                       "Trace with ID '%.*s' not found.", TJ_STR_ARG(id)));
}

/* -- answers -------------------------------------------------------------- */

struct tj_json_writer *tj_ml_answer(struct tj_ml *call)
{
    tj_buf_init(&call->buf, call->arena, TJ_IMPORT_BYTES_MAX);
    tj_json_writer_init(&call->writer, &call->buf, TJ_JSON_COMPACT);
    tj_jw_object(&call->writer);
    return &call->writer;
}

void tj_ml_end(struct tj_ml *call)
{
    tj_jw_end(&call->writer);
    if (tj_buf_ok(&call->buf, "answer", &call->err))
        tj_answer_json(call->out, 200, tj_buf_str(&call->buf));
    else
        (void)tj_ml_fail_err(call);
}

void tj_ml_done(struct tj_ml *call)
{
    tj_answer_json(call->out, 200, TJ_STR("{}"));
}

/* -- pieces of JSON ------------------------------------------------------- */

tj_str tj_ml_time(struct tj_arena *a, tj_time time)
{
    tj_time ms = time / TJ_NS_PER_MS;
    tj_str text = tj_time_text(a, ms * TJ_NS_PER_MS);
    tj_str zero = TJ_STR(".000Z");
    if (tj_str_ends(text, zero))
        return tj_str_printf(a, "%.*sZ", (int)(text.len - zero.len), text.ptr);
    return text;
}

tj_str tj_ml_duration(struct tj_arena *a, uint64_t ns)
{
    uint64_t ms = ns / TJ_NS_PER_MS;
    if (ms % 1000 == 0)
        return tj_str_printf(a, "%" PRIu64 "s", ms / 1000);
    return tj_str_printf(a, "%" PRIu64 ".%03" PRIu64 "s", ms / 1000, ms % 1000);
}

void tj_ml_write_pairs(struct tj_json_writer *w, const char *key,
                       const tj_pairs *pairs)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_array(w);
    tj_vec_each (pairs, const struct tj_pair, pair) {
        tj_jw_object(w);
        tj_jw_key_str(w, "key", pair->key);
        tj_jw_key_str(w, "value", pair->value);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

void tj_ml_write_map(struct tj_json_writer *w, const char *key,
                     const tj_pairs *pairs)
{
    tj_jw_key(w, tj_str_c(key));
    tj_jw_object(w);
    tj_vec_each (pairs, const struct tj_pair, pair) {
        tj_jw_key(w, pair->key);
        tj_jw_str(w, pair->value);
    }
    tj_jw_end(w);
}
