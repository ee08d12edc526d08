/* mlflow_check.c - what MLflow accepts as names, tags and parameters.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_check.h"

#include <inttypes.h>

#include "base/hex.h"
#include "base/random.h"
#include "serve/python_json.h"
#include "text/regex.h"
#include "text/utf8.h"

tj_str tj_ml_quoted(struct tj_ml *call, tj_str text)
{
    struct tj_buf buf;
    tj_buf_init(&buf, call->arena, SIZE_MAX);
    tj_python_str(&buf, text);
    return tj_buf_str(&buf);
}

bool tj_ml_missing(struct tj_ml *call, const char *path)
{
    return tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Missing value for required parameter '%s'. See the API "
                      "docs for more information about request parameters.",
                      path);
}

/* -- names ---------------------------------------------------------------- */

static bool is_ascii_name(tj_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (c >= 'A' && c <= 'Z') || (c && strchr("_-. :/", c));
        if (!plain)
            return false;
    }
    return true;
}

/* Letters and digits of any script, as Python's \w has them. */
static bool has_name_chars(tj_str name)
{
    struct tj_err ignored = {0};
    if (is_ascii_name(name))
        return true;
    struct tj_regex *re =
        tj_regex_new(TJ_STR("^[/_\\pL\\pN.\\- :]*$"), 0, &ignored);
    bool ok = re && tj_regex_test(re, name);
    tj_regex_free(re);
    return ok;
}

/* Takes the last segment off; out is "" or ends in one. */
static void drop_segment(struct tj_buf *out, size_t root)
{
    size_t len = out->len;
    while (len > root && out->ptr[len - 1] != '/')
        len--;
    tj_buf_cut(out, len > root ? len - 1 : root);
}

static bool ends_in_dots(const struct tj_buf *out, size_t root)
{
    tj_str have = tj_str_slice(tj_buf_str(out), root, out->len);
    return !have.len || tj_str_eq(have, TJ_STR("..")) ||
           tj_str_ends(have, TJ_STR("/.."));
}

/* Python's posixpath.normpath. */
static tj_str normal_path(struct tj_arena *a, tj_str path)
{
    struct tj_buf out;
    tj_str rest = path;
    tj_buf_init(&out, a, path.len + 2);
    size_t root = tj_str_starts(path, TJ_STR("/"));
    if (tj_str_starts(path, TJ_STR("//")) &&
        !tj_str_starts(path, TJ_STR("///")))
        root = 2;
    tj_buf_repeat(&out, '/', root);
    while (rest.ptr) {
        tj_str part = tj_str_cut(&rest, '/');
        if (!part.len || tj_str_eq(part, TJ_STR(".")))
            continue;
        bool up = tj_str_eq(part, TJ_STR(".."));
        if (up && !ends_in_dots(&out, root)) {
            drop_segment(&out, root);
            continue;
        }
        if (up && root)
            continue;
        if (out.len > root)
            tj_buf_byte(&out, '/');
        tj_buf_add(&out, part);
    }
    return out.len ? tj_buf_str(&out) : TJ_STR(".");
}

bool tj_ml_check_name(struct tj_ml *call, const char *path, tj_str name)
{
    if (!has_name_chars(name))
        return tj_ml_fail(
            call, TJ_ML_INVALID_PARAMETER_VALUE,
            "Invalid value %.*s for parameter '%s' supplied: Names may only "
            "contain alphanumerics, underscores (_), dashes (-), periods (.), "
            "spaces ( ), colon(:) and slashes (/).",
            TJ_STR_ARG(tj_ml_quoted(call, name)), path);
    tj_str normal = normal_path(call->arena, name);
    if (tj_str_eq(normal, name) && !tj_str_eq(normal, TJ_STR(".")) &&
        !tj_str_starts(normal, TJ_STR("..")) &&
        !tj_str_starts(normal, TJ_STR("/")))
        return true;
    return tj_ml_fail(
        call, TJ_ML_INVALID_PARAMETER_VALUE,
        "Invalid value %.*s for parameter '%s' supplied: Names may be treated "
        "as files in certain cases, and must not resolve to other names when "
        "treated as such. This name would resolve to '%.*s'",
        TJ_STR_ARG(tj_ml_quoted(call, name)), path, TJ_STR_ARG(normal));
}

bool tj_ml_check_chars(struct tj_ml *call, const char *what, tj_str text,
                       size_t chars_max)
{
    return text.len <= chars_max || tj_utf8_count(text) <= chars_max ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "'%s' exceeds the maximum length of %zu characters", what,
                      chars_max);
}

tj_str tj_ml_cut(tj_str text, size_t chars_max)
{
    size_t at = 0;
    uint32_t code;
    if (text.len <= chars_max)
        return text;
    for (size_t n = 0; n < chars_max && at < text.len; n++)
        at += tj_utf8_next(tj_str_slice(text, at, text.len), &code);
    return tj_str_slice(text, 0, at);
}

bool tj_ml_check_experiment_tag(struct tj_ml *call, tj_str key, tj_str value)
{
    return tj_ml_check_name(call, "key", key) &&
           tj_ml_check_chars(call, "key", key, TJ_ML_KEY_CHARS_MAX) &&
           tj_ml_check_chars(call, "value", value,
                             TJ_ML_EXPERIMENT_TAG_CHARS_MAX);
}

/* -- pieces of requests ---------------------------------------------------- */

bool tj_ml_read_i64(const struct tj_json *v, int64_t *out)
{
    return tj_json_i64(v, out) ||
           (tj_json_is_string(v) && tj_str_to_i64(tj_json_str(v), out));
}

tj_str tj_ml_text(const struct tj_json *object, const char *name)
{
    return tj_json_str(tj_ml_member(object, name));
}

/* The array of an argument, or NULL. */
bool tj_ml_array(struct tj_ml *call, const char *name,
                 const struct tj_json **out)
{
    *out = tj_ml_arg(call, name);
    return !*out || tj_json_is_array(*out) || tj_ml_bad_type(call, name, *out);
}

bool tj_ml_check_count(struct tj_ml *call, const char *what, size_t max,
                       size_t count)
{
    return count <= max ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "A batch logging request can contain at most %zu %s. "
                      "Got %zu %s. Please split up %s across multiple requests "
                      "and try again.",
                      max, what, count, what, what);
}

bool tj_ml_set(struct tj_ml *call, const char *name, struct tj_map *out)
{
    struct tj_ml_list list;
    bool fresh;
    tj_map_init(out, call->arena);
    if (!tj_ml_strs(call, name, &list))
        return false;
    for (size_t i = 0; i < list.count; i++)
        (void)tj_map_add(out, list.items[i], &fresh);
    return true;
}

/* -- edits ---------------------------------------------------------------- */

enum tj_edit tj_ml_stop(struct tj_err *err)
{
    (void)tj_fail(err, TJ_E_INPUT, "refused");
    return TJ_EDIT_FAIL;
}

bool tj_ml_edited(struct tj_ml *call, bool ok)
{
    return ok || (!call->out->status && tj_ml_fail_err(call));
}

enum tj_edit tj_ml_delete_record(void *ctx, struct tj_record *record,
                                 bool found, struct tj_arena *a,
                                 struct tj_err *err)
{
    (void)ctx;
    (void)record;
    (void)found;
    (void)a;
    (void)err;
    return TJ_EDIT_DELETE;
}

bool tj_ml_pairs_remove(tj_pairs *pairs, tj_str key)
{
    size_t kept = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        if (!tj_str_eq(pairs->items[i].key, key))
            pairs->items[kept++] = pairs->items[i];
    }
    bool removed = kept < pairs->count;
    pairs->count = kept;
    return removed;
}

/* -- views ---------------------------------------------------------------- */

bool tj_ml_view(struct tj_ml *call, const char *name, enum tj_ml_view *out)
{
    static const struct {
        const char *word;
        const char *number;
        enum tj_ml_view view;
    } views[] = {
        {"ACTIVE_ONLY", "1", TJ_ML_ACTIVE},
        {"DELETED_ONLY", "2", TJ_ML_DELETED},
        {"ALL", "3", TJ_ML_ALL},
    };
    tj_str text = tj_ml_str(call, name);
    *out = TJ_ML_ACTIVE;
    for (size_t i = 0; i < TJ_COUNT(views); i++) {
        if (tj_str_eq(text, tj_str_c(views[i].word)) ||
            tj_str_eq(text, tj_str_c(views[i].number))) {
            *out = views[i].view;
            return true;
        }
    }
    return !text.len ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "Invalid value %.*s for parameter '%s' supplied: it is "
                      "none of ACTIVE_ONLY, DELETED_ONLY and ALL",
                      TJ_STR_ARG(tj_ml_quoted(call, text)), name);
}

bool tj_ml_in_view(enum tj_ml_view view, bool deleted)
{
    return (unsigned)view & (deleted ? TJ_ML_DELETED : TJ_ML_ACTIVE);
}

bool tj_ml_experiment_is_active(struct tj_ml *call,
                                const struct tj_experiment *ex)
{
    return !ex->deleted ||
           tj_ml_fail(call, TJ_ML_INVALID_PARAMETER_VALUE,
                      "The experiment %" PRIu64 " must be in the 'active' "
                      "state. Current state is deleted.",
                      ex->id);
}

/* -- ids and times -------------------------------------------------------- */

tj_str tj_ml_random_id(struct tj_arena *a, const char *prefix)
{
    unsigned char bytes[16];
    char digits[2 * sizeof bytes];
    tj_random_bytes(bytes, sizeof bytes);
    tj_hex_write(bytes, sizeof bytes, digits);
    return tj_str_printf(a, "%s%.*s", prefix, (int)sizeof digits, digits);
}

int64_t tj_ml_ms(tj_time time)
{
    return (int64_t)(time / TJ_NS_PER_MS);
}

tj_str tj_ml_experiment_id(struct tj_arena *a, uint64_t id)
{
    return tj_str_printf(a, "%" PRIu64, id);
}
