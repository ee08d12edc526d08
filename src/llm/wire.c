/* wire.c - what the dialects share.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/wire.h"

#include <stdarg.h>

#include "base/limits.h"
#include "base/sha256.h"
#include "llm/model_later.h"
#include "text/utf8.h"

enum { SCHEMA_DEPTH_MAX = 64, SHORT_ID = 9, NAME_MAX_BYTES = 64 };

bool tj_wire_has(const struct tj_wire *wire, enum tj_feature feature)
{
    return !(wire->dropped & 1U << feature);
}

bool tj_wire_schema(const struct tj_wire *wire, const struct tj_ask *ask)
{
    return ask->schema.len && tj_wire_has(wire, TJ_FEATURE_SCHEMA) &&
           !(wire->quirks & TJ_QUIRK_NO_SCHEMA);
}

bool tj_wire_submit(const struct tj_wire *wire, const struct tj_ask *ask)
{
    return ask->schema.len && !tj_wire_schema(wire, ask);
}

tj_str tj_wire_schema_name(const struct tj_ask *ask, struct tj_arena *a)
{
    tj_str name = tj_str_slice(ask->schema_name, 0, NAME_MAX_BYTES);
    if (!name.len)
        return TJ_STR("verdict");
    char *copy = tj_cstr(a, name);
    for (size_t i = 0; i < name.len; i++) {
        char c = copy[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!ok)
            copy[i] = '_';
    }
    return tj_str_make(copy, name.len);
}

bool tj_wire_is_reasoning(tj_str model)
{
    if (tj_str_starts(model, TJ_STR("gpt-5")))
        return tj_str_find(model, TJ_STR("-chat")) == (size_t)-1;
    return model.len >= 2 && model.ptr[0] == 'o' && model.ptr[1] >= '1' &&
           model.ptr[1] <= '9';
}

bool tj_wire_is_own(const struct tj_message *m, const struct tj_dialect *d)
{
    return m->raw.len && m->raw_dialect && !strcmp(m->raw_dialect, d->name);
}

/* -- params ---------------------------------------------------------------- */

bool tj_params_read(const struct tj_ask *ask, struct tj_arena *a,
                    const struct tj_json **out, struct tj_err *err)
{
    static const char *const ours[] = {"model",  "messages",     "input",
                                       "system", "instructions", "tools",
                                       "stream", "tool_choice",  "n"};
    struct tj_json_doc doc;
    *out = NULL;
    if (!ask->params.len)
        return true;
    if (!tj_json_parse(ask->params, a, &doc, err))
        return tj_err_wrap(err, "model parameters");
    if (!tj_json_is_object(doc.root))
        return tj_fail(err, TJ_E_INPUT, "model parameters: expected a map");
    for (size_t i = 0; i < TJ_COUNT(ours); i++)
        if (tj_json_find(doc.root, tj_str_c(ours[i])))
            return tj_fail(err, TJ_E_INPUT,
                           "model parameters: '%s' cannot be set here",
                           ours[i]);
    *out = doc.root;
    return true;
}

static tj_str renamed(tj_str key, const struct tj_rename *renames)
{
    for (const struct tj_rename *r = renames; r && r->from; r++)
        if (tj_str_eq(key, tj_str_c(r->from)))
            return tj_str_c(r->to);
    return key;
}

static bool is_refused(const struct tj_wire *wire, tj_str key)
{
    for (size_t i = 0; i < wire->no_param_count; i++)
        if (tj_str_eq(wire->no_params[i], key))
            return true;
    return false;
}

/* "a.b" for to = "a": "b"; for "a" itself: ptr NULL. */
static bool goes_into(tj_str name, const char *to, tj_str *member)
{
    tj_str head = tj_str_cut(&name, '.');
    *member = name;
    return tj_str_eq(head, tj_str_c(to));
}

bool tj_params_has(const struct tj_wire *wire, const struct tj_json *params,
                   const struct tj_rename *renames, const char *to)
{
    struct tj_json_members m = tj_json_members(params);
    tj_str member;
    while (tj_json_member(&m))
        if (!is_refused(wire, m.key) &&
            goes_into(renamed(m.key, renames), to, &member))
            return true;
    return false;
}

/* Objects into which parameters are renamed are written by _write_into. */
static bool is_nested(tj_str name, const struct tj_rename *renames)
{
    if (tj_str_find_byte(name, '.') != (size_t)-1)
        return true;
    for (const struct tj_rename *r = renames; r && r->from; r++) {
        tj_str to = tj_str_c(r->to), head = tj_str_cut(&to, '.');
        if (to.ptr && tj_str_eq(head, name))
            return true;
    }
    return false;
}

void tj_params_write(struct tj_json_writer *w, const struct tj_wire *wire,
                     const struct tj_json *params,
                     const struct tj_rename *renames)
{
    struct tj_json_members m = tj_json_members(params);
    while (tj_json_member(&m)) {
        tj_str name = renamed(m.key, renames);
        if (is_refused(wire, m.key) || is_nested(name, renames))
            continue;
        tj_jw_key(w, name);
        tj_jw_value(w, m.value);
    }
}

void tj_params_write_into(struct tj_json_writer *w, const struct tj_wire *wire,
                          const struct tj_json *params,
                          const struct tj_rename *renames, const char *to)
{
    struct tj_json_members m = tj_json_members(params);
    while (tj_json_member(&m)) {
        tj_str member;
        if (is_refused(wire, m.key) ||
            !goes_into(renamed(m.key, renames), to, &member))
            continue;
        if (member.ptr) {
            tj_jw_key(w, member);
            tj_jw_value(w, m.value);
            continue;
        }
        struct tj_json_members inner = tj_json_members(m.value);
        while (tj_json_member(&inner)) {
            if (tj_str_eq(inner.key, TJ_STR("format")))
                continue; /* the answer's form is ours */
            tj_jw_key(w, inner.key);
            tj_jw_value(w, inner.value);
        }
    }
}

/* -- bytes ----------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(tj_str text, size_t at)
{
    while (at < text.len && is_blank(text.ptr[at]))
        at++;
    return at;
}

static size_t skip_string(tj_str text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++)
        if (text.ptr[at] == '\\')
            at++;
    return at + 1;
}

/* The offset behind the value at `at`. */
static size_t skip_value(tj_str text, size_t at)
{
    size_t depth = 0;
    while (at < text.len) {
        char c = text.ptr[at];
        if (c == '"') {
            at = skip_string(text, at);
            if (depth == 0)
                return at;
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']' || c == '}' || is_blank(c)))
            return at;
        if (c == '{' || c == '[')
            depth++;
        if (c == '}' || c == ']')
            depth--;
        at++;
        if (depth == 0 && (c == '}' || c == ']'))
            return at;
    }
    return text.len;
}

/* Behind the opening bracket; text.len when text has another type. */
static size_t enter(tj_str text, char bracket)
{
    size_t at = skip_blanks(text, 0);
    bool ok = at < text.len && text.ptr[at] == bracket;
    return ok ? skip_blanks(text, at + 1) : text.len;
}

static size_t skip_comma(tj_str text, size_t at)
{
    at = skip_blanks(text, at);
    if (at < text.len && text.ptr[at] == ',')
        return skip_blanks(text, at + 1);
    return text.len;
}

tj_str tj_slice_member(tj_str text, tj_str key)
{
    tj_str found = {0};
    size_t at = enter(text, '{');
    while (at < text.len && text.ptr[at] == '"') {
        size_t end = skip_string(text, at);
        tj_str name = tj_str_slice(text, at + 1, end - at - 2);
        size_t from = skip_blanks(text, end);
        if (from >= text.len || text.ptr[from] != ':')
            break;
        from = skip_blanks(text, from + 1);
        at = skip_value(text, from);
        if (tj_str_eq(name, key))
            found = tj_str_slice(text, from, at - from);
        at = skip_comma(text, at);
    }
    return found;
}

tj_str tj_slice_item(tj_str text, size_t i)
{
    size_t at = enter(text, '[');
    while (at < text.len && text.ptr[at] != ']') {
        size_t end = skip_value(text, at);
        if (i-- == 0)
            return tj_str_slice(text, at, end - at);
        at = skip_comma(text, end);
    }
    return (tj_str){0};
}

void tj_wire_json(struct tj_json_writer *w, tj_str text, struct tj_arena *a)
{
    struct tj_json_doc doc;
    struct tj_err ignored;
    if (tj_json_parse(text, a, &doc, &ignored) && tj_json_is_object(doc.root)) {
        tj_jw_value(w, doc.root);
        return;
    }
    tj_jw_object(w);
    tj_jw_end(w);
}

static bool is_bound(tj_str key)
{
    static const char *const words[] = {
        "minimum",   "maximum",       "exclusiveMinimum", "exclusiveMaximum",
        "minLength", "maxLength",     "pattern",          "multipleOf",
        "minItems",  "maxItems",      "uniqueItems",      "format",
        "default",   "minProperties", "maxProperties",
    };
    for (size_t i = 0; i < TJ_COUNT(words); i++)
        if (tj_str_eq(key, tj_str_c(words[i])))
            return true;
    return false;
}

enum level { A_SCHEMA, A_MAP, A_VALUE }; /* what v is */

static enum level level_below(enum level level, tj_str key)
{
    if (level == A_MAP)
        return A_SCHEMA;
    if (tj_str_eq(key, TJ_STR("properties")) ||
        tj_str_eq(key, TJ_STR("$defs")) ||
        tj_str_eq(key, TJ_STR("definitions")))
        return A_MAP;
    bool is_value = tj_str_eq(key, TJ_STR("enum")) ||
                    tj_str_eq(key, TJ_STR("const")) ||
                    tj_str_eq(key, TJ_STR("required"));
    return is_value ? A_VALUE : A_SCHEMA;
}

static void plain(struct tj_json_writer *w, const struct tj_json *v,
                  enum level level, unsigned depth)
{
    if (level == A_VALUE || depth == SCHEMA_DEPTH_MAX ||
        (!tj_json_is_object(v) && !tj_json_is_array(v))) {
        tj_jw_value(w, v);
        return;
    }
    if (tj_json_is_array(v)) {
        tj_jw_array(w);
        tj_json_each (v, it)
            plain(w, it, A_SCHEMA, depth + 1);
        tj_jw_end(w);
        return;
    }
    tj_jw_object(w);
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        if (level == A_SCHEMA && is_bound(m.key))
            continue;
        tj_jw_key(w, m.key);
        plain(w, m.value, level_below(level, m.key), depth + 1);
    }
    tj_jw_end(w);
}

void tj_wire_plain_schema(struct tj_json_writer *w, tj_str schema,
                          struct tj_arena *a)
{
    struct tj_json_doc doc;
    struct tj_err ignored;
    if (tj_json_parse(schema, a, &doc, &ignored))
        plain(w, doc.root, A_SCHEMA, 0);
    else
        tj_wire_json(w, schema, a);
}

tj_str tj_wire_short_id(tj_str id, struct tj_arena *a)
{
    bool fits = id.len == SHORT_ID;
    for (size_t i = 0; i < id.len && fits; i++) {
        char c = id.ptr[i];
        fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c >= '0' && c <= '9');
    }
    return fits ? id : tj_str_slice(tj_sha256_hex(a, id), 0, SHORT_ID);
}

tj_str tj_wire_text(const struct tj_json *v, struct tj_arena *a)
{
    struct tj_buf b;
    tj_buf_init(&b, a, TJ_MODEL_REPLY_BYTES_MAX * 2);
    tj_json_write(&b, v, TJ_JSON_COMPACT);
    return b.full ? (tj_str){0} : tj_buf_str(&b);
}

tj_str tj_wire_content(const struct tj_json *content, struct tj_arena *a)
{
    if (!tj_json_is_array(content))
        return tj_json_str(content);
    struct tj_buf b;
    tj_buf_init(&b, a, TJ_MODEL_REPLY_BYTES_MAX);
    tj_json_each (content, part)
        tj_buf_add(&b, tj_json_is_string(part)
                           ? tj_json_str(part)
                           : tj_json_find_str(part, TJ_STR("text")));
    return tj_buf_str(&b);
}

/* -- replies --------------------------------------------------------------- */

void tj_reply_fail(struct tj_reply *out, struct tj_arena *a,
                   enum tj_llm_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tj_str text = tj_str_vprintf(a, format, args);
    va_end(args);
    struct tj_reply failed =
        tj_reply_failed(a, error, "%.*s", TJ_STR_ARG(text));
    failed.usage = out->usage; /* it was paid for all the same */
    failed.model = out->model;
    failed.response_id = out->response_id;
    failed.http_status = out->http_status;
    *out = failed;
}

struct tj_tool_use *tj_reply_add_use(struct tj_reply *out, struct tj_arena *a,
                                     tj_str id, tj_str name, tj_str args)
{
    struct tj_tool_use *use = tj_vec_add(&out->message.uses, a);
    use->id = id;
    use->name = name;
    use->args = args.len ? args : TJ_STR("{}");
    return use;
}

void tj_reply_fold_submit(struct tj_reply *out)
{
    tj_vec_each (&out->message.uses, const struct tj_tool_use, use) {
        if (!tj_str_eq(use->name, TJ_SUBMIT_TOOL))
            continue;
        out->message.text = use->args;
        out->message.uses.count = 0;
        /* Its raw form holds a call that nobody will answer. */
        out->message.raw = (tj_str){0};
        if (out->stop == TJ_STOP_TOOLS)
            out->stop = TJ_STOP_END;
        return;
    }
}

int64_t tj_wire_count(const struct tj_json *v)
{
    int64_t n;
    return tj_json_i64(v, &n) && n >= 0 ? n : -1;
}
