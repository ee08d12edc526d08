/* ask_json.c - asks and replies as JSON.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/ask_json.h"

#include "base/limits.h"
#include "text/utf8.h"

static const char *const role_names[] = {
    [TJ_ROLE_USER] = "user",
    [TJ_ROLE_ASSISTANT] = "assistant",
    [TJ_ROLE_TOOL] = "tool",
};

static const char *const choice_names[] = {
    [TJ_CHOICE_AUTO] = "auto",
    [TJ_CHOICE_NONE] = "none",
    [TJ_CHOICE_REQUIRED] = "required",
};

static const char *const stop_names[] = {
    [TJ_STOP_END] = "end",       [TJ_STOP_TOOLS] = "tools",
    [TJ_STOP_LENGTH] = "length", [TJ_STOP_REFUSAL] = "refusal",
    [TJ_STOP_ERROR] = "error",
};

/* -- writing -------------------------------------------------------------- */

static void put_text(struct tj_json_writer *w, const char *key, tj_str text)
{
    if (text.len)
        tj_jw_key_str(w, key, text);
}

/* text is JSON that somebody wrote: parsed, so that blanks do not count; as a
 * string when it is none. */
static void put_json(struct tj_json_writer *w, const char *key, tj_str text)
{
    if (!text.len)
        return;
    struct tj_arena scratch = {0};
    struct tj_json_doc doc;
    struct tj_err ignored;
    tj_jw_key(w, tj_str_c(key));
    if (tj_json_parse(text, &scratch, &doc, &ignored))
        tj_jw_value(w, doc.root);
    else
        tj_jw_str(w, text);
    tj_arena_release(&scratch);
}

static void put_uses(struct tj_json_writer *w, const struct tj_message *m)
{
    if (!m->uses.count)
        return;
    tj_jw_key(w, TJ_STR("uses"));
    tj_jw_array(w);
    tj_vec_each (&m->uses, const struct tj_tool_use, use) {
        tj_jw_object(w);
        tj_jw_key_str(w, "id", use->id);
        tj_jw_key_str(w, "name", use->name);
        tj_jw_key_str(w, "args", use->args);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void put_message(struct tj_json_writer *w, const struct tj_message *m)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "role", tj_str_c(role_names[m->role]));
    tj_jw_key_str(w, "text", m->text);
    put_uses(w, m);
    if (m->role == TJ_ROLE_TOOL) {
        tj_jw_key_str(w, "use_id", m->use_id);
        tj_jw_key_str(w, "use_name", m->use_name);
        tj_jw_key_bool(w, "is_error", m->is_error);
    }
    tj_jw_end(w);
}

static void put_tools(struct tj_json_writer *w, const struct tj_ask *ask)
{
    if (!ask->tool_count)
        return;
    tj_jw_key(w, TJ_STR("tools"));
    tj_jw_array(w);
    for (size_t i = 0; i < ask->tool_count; i++) {
        tj_jw_object(w);
        tj_jw_key_str(w, "name", ask->tools[i].name);
        put_text(w, "description", ask->tools[i].description);
        put_json(w, "schema", ask->tools[i].schema);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

void tj_ask_write(struct tj_json_writer *w, const struct tj_ask *ask)
{
    tj_jw_object(w);
    put_text(w, "system", ask->system);
    tj_jw_key(w, TJ_STR("messages"));
    tj_jw_array(w);
    for (size_t i = 0; i < ask->message_count; i++)
        put_message(w, &ask->messages[i]);
    tj_jw_end(w);
    put_tools(w, ask);
    tj_jw_key_str(w, "choice", tj_str_c(choice_names[ask->choice]));
    put_text(w, "schema_name", ask->schema_name);
    put_json(w, "schema", ask->schema);
    if (ask->output_tokens_max)
        tj_jw_key_i64(w, "output_tokens_max", ask->output_tokens_max);
    put_json(w, "params", ask->params);
    put_text(w, "cache_key", ask->cache_key);
    tj_jw_end(w);
}

/* One number of usage by its name in recordings. */
struct usage_field {
    const char *name;
    size_t offset;
};

static const struct usage_field usage_fields[] = {
    {"input_tokens", offsetof(struct tj_llm_usage, input_tokens)},
    {"cached_input_tokens", offsetof(struct tj_llm_usage, cached_input_tokens)},
    {"cache_write_tokens", offsetof(struct tj_llm_usage, cache_write_tokens)},
    {"output_tokens", offsetof(struct tj_llm_usage, output_tokens)},
    {"reasoning_tokens", offsetof(struct tj_llm_usage, reasoning_tokens)},
};

static void put_usage(struct tj_json_writer *w, const struct tj_llm_usage *u)
{
    tj_jw_key(w, TJ_STR("usage"));
    tj_jw_object(w);
    for (size_t i = 0; i < TJ_COUNT(usage_fields); i++) {
        int64_t n;
        memcpy(&n, (const char *)u + usage_fields[i].offset, sizeof n);
        if (n >= 0)
            tj_jw_key_i64(w, usage_fields[i].name, n);
    }
    if (u->cost_usd >= 0)
        tj_jw_key_double(w, "cost_usd", u->cost_usd);
    tj_jw_end(w);
}

void tj_reply_write(struct tj_json_writer *w, const struct tj_reply *reply)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "stop", tj_str_c(stop_names[reply->stop]));
    put_text(w, "text", reply->message.text);
    put_uses(w, &reply->message);
    put_text(w, "raw", reply->message.raw);
    if (reply->message.raw.len)
        tj_jw_key_str(w, "raw_dialect", tj_str_c(reply->message.raw_dialect));
    put_usage(w, &reply->usage);
    put_text(w, "model", reply->model);
    put_text(w, "response_id", reply->response_id);
    if (reply->error != TJ_LLM_NONE)
        tj_jw_key_str(w, "error", tj_str_c(tj_llm_error_name(reply->error)));
    put_text(w, "error_message", reply->error_message);
    if (reply->http_status)
        tj_jw_key_i64(w, "http_status", reply->http_status);
    tj_jw_key_u64(w, "attempts", reply->attempts);
    tj_jw_key_u64(w, "duration_ns", reply->duration_ns);
    tj_jw_end(w);
}

/* -- reading -------------------------------------------------------------- */

static bool wrong(struct tj_err *err, const char *member, const char *wanted)
{
    return tj_fail(err, TJ_E_INPUT, "reply: %s: expected %s", member, wanted);
}

static bool read_text(const struct tj_json *v, const char *member, tj_str *out,
                      struct tj_err *err)
{
    if (!tj_json_is_string(v))
        return wrong(err, member, "a string");
    *out = tj_json_str(v);
    return true;
}

static bool read_args(const struct tj_json *v, struct tj_arena *a, tj_str *out,
                      struct tj_err *err)
{
    if (tj_json_is_string(v)) {
        *out = tj_json_str(v);
        return true;
    }
    if (!tj_json_is_object(v))
        return wrong(err, "uses.args", "a string or an object");
    struct tj_buf b;
    tj_buf_init(&b, a, TJ_MODEL_REPLY_BYTES_MAX);
    tj_json_write(&b, v, TJ_JSON_COMPACT);
    *out = tj_buf_str(&b);
    return tj_buf_ok(&b, "reply: uses.args", err);
}

static bool read_uses(const struct tj_json *v, struct tj_arena *a,
                      struct tj_message *out, struct tj_err *err)
{
    if (!tj_json_is_array(v))
        return wrong(err, "uses", "an array");
    tj_json_each (v, it) {
        struct tj_tool_use *use = tj_vec_add(&out->uses, a);
        use->id = tj_json_find_str(it, TJ_STR("id"));
        use->name = tj_json_find_str(it, TJ_STR("name"));
        if (!use->id.len || !use->name.len)
            return wrong(err, "uses", "an id and a name");
        if (!read_args(tj_json_find(it, TJ_STR("args")), a, &use->args, err))
            return false;
    }
    return true;
}

static bool read_usage(const struct tj_json *v, struct tj_llm_usage *out,
                       struct tj_err *err)
{
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        if (tj_str_eq(m.key, TJ_STR("cost_usd"))) {
            if (!tj_json_double(m.value, &out->cost_usd))
                return wrong(err, "usage.cost_usd", "a number");
            continue;
        }
        size_t i = 0;
        while (i < TJ_COUNT(usage_fields) &&
               !tj_str_eq(m.key, tj_str_c(usage_fields[i].name)))
            i++;
        int64_t n;
        if (i == TJ_COUNT(usage_fields) || !tj_json_i64(m.value, &n))
            return wrong(err, "usage", "counts of tokens");
        memcpy((char *)out + usage_fields[i].offset, &n, sizeof n);
    }
    return true;
}

static bool read_stop(const struct tj_json *v, enum tj_stop *out,
                      struct tj_err *err)
{
    for (size_t i = 0; i < TJ_COUNT(stop_names); i++) {
        if (tj_str_eq(tj_json_str(v), tj_str_c(stop_names[i]))) {
            *out = (enum tj_stop)i;
            return true;
        }
    }
    return wrong(err, "stop", "end, tools, length, refusal or error");
}

static bool read_error(const struct tj_json *v, enum tj_llm_error *out,
                       struct tj_err *err)
{
    for (int i = TJ_LLM_NONE; i <= TJ_LLM_REPLAY; i++) {
        enum tj_llm_error error = (enum tj_llm_error)i;
        if (tj_str_eq(tj_json_str(v), tj_str_c(tj_llm_error_name(error)))) {
            *out = error;
            return true;
        }
    }
    return wrong(err, "error", "the name of an error");
}

static bool read_u64(const struct tj_json *v, const char *member,
                     uint64_t maximum, uint64_t *out, struct tj_err *err)
{
    return (tj_json_u64(v, out) && *out <= maximum) ||
           wrong(err, member, "a number");
}

static bool read_numbers(tj_str key, const struct tj_json *v,
                         struct tj_reply *r, bool *known, struct tj_err *err)
{
    uint64_t n = 0;
    *known = true;
    if (tj_str_eq(key, TJ_STR("http_status"))) {
        bool ok = read_u64(v, "http_status", 999, &n, err);
        r->http_status = (int)n;
        return ok;
    }
    if (tj_str_eq(key, TJ_STR("attempts"))) {
        bool ok = read_u64(v, "attempts", UINT32_MAX, &n, err);
        r->attempts = (uint32_t)n;
        return ok;
    }
    if (tj_str_eq(key, TJ_STR("duration_ns")))
        return read_u64(v, "duration_ns", UINT64_MAX, &r->duration_ns, err);
    *known = false;
    return true;
}

static bool read_texts(tj_str key, const struct tj_json *v, struct tj_arena *a,
                       struct tj_reply *r, struct tj_err *err)
{
    if (tj_str_eq(key, TJ_STR("text")))
        return read_text(v, "text", &r->message.text, err);
    if (tj_str_eq(key, TJ_STR("raw")))
        return read_text(v, "raw", &r->message.raw, err);
    if (tj_str_eq(key, TJ_STR("model")))
        return read_text(v, "model", &r->model, err);
    if (tj_str_eq(key, TJ_STR("response_id")))
        return read_text(v, "response_id", &r->response_id, err);
    if (tj_str_eq(key, TJ_STR("error_message")))
        return read_text(v, "error_message", &r->error_message, err);
    if (tj_str_eq(key, TJ_STR("raw_dialect"))) {
        tj_str name = {0};
        bool ok = read_text(v, "raw_dialect", &name, err);
        r->message.raw_dialect = tj_cstr(a, name);
        return ok;
    }
    return tj_fail(err, TJ_E_INPUT, "reply: unknown member '%.*s'",
                   TJ_STR_ARG(tj_utf8_clip(key, 80)));
}

static bool read_member(tj_str key, const struct tj_json *v, struct tj_arena *a,
                        struct tj_reply *r, struct tj_err *err)
{
    bool known = false;
    if (tj_str_eq(key, TJ_STR("stop")))
        return read_stop(v, &r->stop, err);
    if (tj_str_eq(key, TJ_STR("error")))
        return read_error(v, &r->error, err);
    if (tj_str_eq(key, TJ_STR("uses")))
        return read_uses(v, a, &r->message, err);
    if (tj_str_eq(key, TJ_STR("usage")))
        return read_usage(v, &r->usage, err);
    if (!read_numbers(key, v, r, &known, err))
        return false;
    return known || read_texts(key, v, a, r, err);
}

bool tj_reply_read(const struct tj_json *v, struct tj_arena *a,
                   struct tj_reply *out, struct tj_err *err)
{
    if (!tj_json_is_object(v))
        return tj_fail(err, TJ_E_INPUT, "reply: expected an object");
    struct tj_reply r = {
        .message.role = TJ_ROLE_ASSISTANT,
        .usage = TJ_LLM_USAGE_UNKNOWN,
    };
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m))
        if (!read_member(m.key, m.value, a, &r, err))
            return false;
    if (!tj_json_find(v, TJ_STR("stop"))) {
        r.stop = r.message.uses.count ? TJ_STOP_TOOLS : TJ_STOP_END;
        if (r.error != TJ_LLM_NONE)
            r.stop = TJ_STOP_ERROR;
    }
    *out = r;
    return true;
}

/* -- comparing ------------------------------------------------------------ */

enum { DIFF_DEPTH_MAX = 16, DIFF_SHOWN = 60 };

static tj_str shown(const struct tj_json *v, size_t offset, struct tj_arena *a)
{
    if (!v)
        return TJ_STR("nothing");
    struct tj_buf b;
    tj_buf_init(&b, a, TJ_MODEL_REQUEST_BYTES_MAX);
    if (tj_json_is_string(v)) {
        tj_str text = tj_json_str(v);
        while (offset && !tj_utf8_is_boundary(text, offset))
            offset--;
        text = tj_utf8_clip(tj_str_slice(text, offset, text.len), DIFF_SHOWN);
        tj_buf_byte(&b, '"');
        tj_json_escape(&b, text);
        tj_buf_byte(&b, '"');
        return tj_buf_str(&b);
    }
    tj_json_write(&b, v, TJ_JSON_COMPACT);
    return tj_utf8_clip(tj_buf_str(&b), DIFF_SHOWN);
}

static tj_str diff_leaf(const struct tj_json *was, const struct tj_json *now,
                        tj_str path, struct tj_arena *a)
{
    size_t at = 0;
    tj_str where = path;
    if (tj_json_is_string(was) && tj_json_is_string(now)) {
        tj_str x = tj_json_str(was), y = tj_json_str(now);
        while (at < x.len && at < y.len && x.ptr[at] == y.ptr[at])
            at++;
        where = tj_str_printf(a, "%.*s, byte %zu", TJ_STR_ARG(path), at);
    }
    return tj_str_printf(a, "%.*s: recorded %.*s, now %.*s", TJ_STR_ARG(where),
                         TJ_STR_ARG(shown(was, at, a)),
                         TJ_STR_ARG(shown(now, at, a)));
}

static tj_str below(tj_str path, tj_str step, struct tj_arena *a)
{
    return path.len ? tj_str_printf(a, "%.*s.%.*s", TJ_STR_ARG(path),
                                    TJ_STR_ARG(step))
                    : step;
}

static tj_str diff(const struct tj_json *was, const struct tj_json *now,
                   tj_str path, struct tj_arena *a, unsigned depth);

static tj_str diff_objects(const struct tj_json *was, const struct tj_json *now,
                           tj_str path, struct tj_arena *a, unsigned depth)
{
    tj_str found = {0};
    struct tj_json_members m = tj_json_members(was);
    while (!found.len && tj_json_member(&m))
        found = diff(m.value, tj_json_find(now, m.key), below(path, m.key, a),
                     a, depth);
    m = tj_json_members(now);
    while (!found.len && tj_json_member(&m))
        if (!tj_json_find(was, m.key))
            found = diff_leaf(NULL, m.value, below(path, m.key, a), a);
    return found;
}

static tj_str diff_arrays(const struct tj_json *was, const struct tj_json *now,
                          tj_str path, struct tj_arena *a, unsigned depth)
{
    const struct tj_json *x = tj_json_first(was), *y = tj_json_first(now);
    for (size_t i = 0; x || y; i++) {
        tj_str step = below(path, tj_str_printf(a, "%zu", i), a);
        tj_str found = diff(x, y, step, a, depth);
        if (found.len)
            return found;
        x = x ? tj_json_next(was, x) : NULL;
        y = y ? tj_json_next(now, y) : NULL;
    }
    return (tj_str){0};
}

static tj_str diff(const struct tj_json *was, const struct tj_json *now,
                   tj_str path, struct tj_arena *a, unsigned depth)
{
    if (was && now && tj_json_eq(was, now))
        return (tj_str){0};
    if (depth < DIFF_DEPTH_MAX && tj_json_is_object(was) &&
        tj_json_is_object(now))
        return diff_objects(was, now, path, a, depth + 1);
    if (depth < DIFF_DEPTH_MAX && tj_json_is_array(was) &&
        tj_json_is_array(now))
        return diff_arrays(was, now, path, a, depth + 1);
    return diff_leaf(was, now, path, a);
}

tj_str tj_ask_diff(const struct tj_json *recorded, const struct tj_json *now,
                   struct tj_arena *a)
{
    return diff(recorded, now, (tj_str){0}, a, 0);
}

/* -- what is known of a model --------------------------------------------- */

void tj_model_facts_write(struct tj_json_writer *w,
                          const struct tj_model *model)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "uri", model->uri);
    tj_jw_key_u64(w, "context_tokens", model->context_tokens);
    tj_jw_key_double(w, "input_usd_per_mtok", model->input_usd_per_mtok);
    tj_jw_key_double(w, "cached_usd_per_mtok", model->cached_usd_per_mtok);
    tj_jw_key_double(w, "output_usd_per_mtok", model->output_usd_per_mtok);
    tj_jw_key_u64(w, "seed", model->seed);
    tj_jw_end(w);
}

void tj_model_facts_read(const struct tj_json *v, struct tj_arena *a,
                         struct tj_model *model)
{
    tj_str uri = tj_json_find_str(v, TJ_STR("uri"));
    if (uri.len)
        model->uri = tj_str_dup(a, uri);
    (void)tj_json_u64(tj_json_find(v, TJ_STR("context_tokens")),
                      &model->context_tokens);
    (void)tj_json_double(tj_json_find(v, TJ_STR("input_usd_per_mtok")),
                         &model->input_usd_per_mtok);
    (void)tj_json_double(tj_json_find(v, TJ_STR("cached_usd_per_mtok")),
                         &model->cached_usd_per_mtok);
    (void)tj_json_double(tj_json_find(v, TJ_STR("output_usd_per_mtok")),
                         &model->output_usd_per_mtok);
    (void)tj_json_u64(tj_json_find(v, TJ_STR("seed")), &model->seed);
}
