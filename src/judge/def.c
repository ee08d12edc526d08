/* def.c - a judge from a Markdown file with YAML front matter.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     ---
 *     name: tool_use          \
 *     value: [good, bad]       > front matter, YAML
 *     pass: good              /
 *     ---
 *     Rate the {{ trace }}    > instructions, verbatim
 *
 * Without front matter the whole file is the instructions.  A source that
 * begins with '{' is MLflow's JSON (def_mlflow.c).
 */
#include "judge/def.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "judge/def_int.h"
#include "text/json_write.h"
#include "text/utf8.h"
#include "text/yaml.h"

enum { BLOCK_BYTES_MAX = 65536, YAML_FIRST_LINE = 2 };

struct reader {
    const char *path; /* what is being read, for the line of a complaint */
    struct tj_arena *a;
    struct tj_judge_def *def;
    struct tj_err *err;
};

/* -- one function per key ------------------------------------------------- */

static bool read_text(struct reader *r, const struct tj_json *v, tj_str *out)
{
    if (!tj_json_is_string(v))
        return tj_fail(r->err, TJ_E_INPUT, "'%s' must be text", r->path);
    *out = tj_str_dup(r->a, tj_str_trim(tj_json_str(v)));
    return true;
}

static bool read_name(struct reader *r, const struct tj_json *v)
{
    return read_text(r, v, &r->def->name);
}

static bool read_description(struct reader *r, const struct tj_json *v)
{
    return read_text(r, v, &r->def->description);
}

static bool read_model(struct reader *r, const struct tj_json *v)
{
    return read_text(r, v, &r->def->model);
}

static bool read_value(struct reader *r, const struct tj_json *v)
{
    return tj_judge_def_set_value(r->def, v, r->a, r->err);
}

static bool read_pass(struct reader *r, const struct tj_json *v)
{
    return tj_judge_def_set_pass(r->def, v, r->a, r->err);
}

static bool read_evidence(struct reader *r, const struct tj_json *v)
{
    static const struct {
        tj_str word;
        enum tj_evidence_rule rule;
    } rules[] = {
        {TJ_STR_INIT("required"), TJ_EVIDENCE_REQUIRED},
        {TJ_STR_INIT("optional"), TJ_EVIDENCE_OPTIONAL},
        {TJ_STR_INIT("none"), TJ_EVIDENCE_NONE},
    };
    for (size_t i = 0; i < TJ_COUNT(rules); i++) {
        if (tj_json_is_string(v) && tj_str_eq(tj_json_str(v), rules[i].word)) {
            r->def->evidence = rules[i].rule;
            return true;
        }
    }
    return tj_fail(r->err, TJ_E_INPUT,
                   "'evidence' must be required, optional or none");
}

static bool read_block(struct reader *r, const struct tj_json *v, tj_str *out)
{
    struct tj_buf text;
    if (!tj_json_is_object(v))
        return tj_fail(r->err, TJ_E_INPUT, "'%s' must be a mapping", r->path);
    tj_buf_init(&text, r->a, BLOCK_BYTES_MAX);
    tj_json_write(&text, v, TJ_JSON_COMPACT);
    if (!tj_buf_ok(&text, r->path, r->err))
        return false;
    *out = tj_buf_str(&text);
    return true;
}

static bool read_params(struct reader *r, const struct tj_json *v)
{
    return read_block(r, v, &r->def->params);
}

static bool read_rules(struct reader *r, const struct tj_json *v)
{
    return read_block(r, v, &r->def->rules);
}

static bool read_labels(struct reader *r, const struct tj_json *v)
{
    enum tj_json_type type = tj_json_type(v);
    if (type != TJ_JSON_TRUE && type != TJ_JSON_FALSE)
        return tj_fail(r->err, TJ_E_INPUT, "'labels' must be true or false");
    r->def->show_labels = type == TJ_JSON_TRUE;
    return true;
}

/* -- limits --------------------------------------------------------------- */

enum { ROUNDS_MAX = 1000, SECONDS_MAX = 86400 };

static bool read_count(struct reader *r, const struct tj_json *v, uint64_t most,
                       uint64_t *out)
{
    uint64_t n = 0;
    if (!tj_json_u64(v, &n) || n == 0 || n > most)
        return tj_fail(r->err, TJ_E_INPUT,
                       "'%s' must be a whole number from 1 to %llu", r->path,
                       (unsigned long long)most);
    *out = n;
    return true;
}

static bool read_limit(struct reader *r, tj_str key, const struct tj_json *v)
{
    struct tj_judge_limits *limits = &r->def->limits;
    uint64_t n = 0;
    if (tj_str_eq(key, TJ_STR("rounds"))) {
        bool ok = read_count(r, v, ROUNDS_MAX, &n);
        limits->rounds = ok ? (uint32_t)n : limits->rounds;
        return ok;
    }
    if (tj_str_eq(key, TJ_STR("input_tokens")))
        return read_count(r, v, INT64_MAX, &limits->input_tokens);
    if (tj_str_eq(key, TJ_STR("tool_bytes")))
        return read_count(r, v, INT64_MAX, &limits->tool_bytes);
    if (tj_str_eq(key, TJ_STR("seconds")))
        return read_count(r, v, SECONDS_MAX, &limits->seconds);
    if (tj_str_eq(key, TJ_STR("cost_usd"))) {
        double usd = 0;
        if (!tj_json_double(v, &usd) || !(usd > 0) || usd > 1e9)
            return tj_fail(r->err, TJ_E_INPUT,
                           "'limits.cost_usd' must be a number above 0");
        limits->cost_usd = usd;
        return true;
    }
    return tj_fail(r->err, TJ_E_INPUT,
                   "unknown limit '%.*s'; there are rounds, input_tokens, "
                   "tool_bytes, seconds and cost_usd",
                   TJ_STR_ARG(key));
}

static bool read_limits(struct reader *r, const struct tj_json *v)
{
    if (!tj_json_is_object(v))
        return tj_fail(r->err, TJ_E_INPUT, "'limits' must be a mapping");
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        r->path = tj_cstr(
            r->a, tj_str_printf(r->a, "limits.%.*s", TJ_STR_ARG(m.key)));
        if (!read_limit(r, m.key, m.value))
            return false;
    }
    return true;
}

/* -- front matter --------------------------------------------------------- */

/* In the order in which they are read: pass needs the value. */
static const struct key {
    const char *name;
    bool (*read)(struct reader *r, const struct tj_json *v);
} keys[] = {
    {"name", read_name},     {"description", read_description},
    {"model", read_model},   {"value", read_value},
    {"pass", read_pass},     {"evidence", read_evidence},
    {"limits", read_limits}, {"params", read_params},
    {"rules", read_rules},   {"labels", read_labels},
};

static bool refuse_unknown_keys(struct reader *r, const struct tj_json *root)
{
    struct tj_json_members m = tj_json_members(root);
    while (tj_json_member(&m)) {
        size_t i = 0;
        while (i < TJ_COUNT(keys) && !tj_str_eq(m.key, tj_str_c(keys[i].name)))
            i++;
        if (i < TJ_COUNT(keys))
            continue;
        r->path = tj_cstr(r->a, m.key);
        return tj_fail(r->err, TJ_E_INPUT,
                       "unknown key '%.*s'; there are name, description, "
                       "model, value, pass, evidence, limits, params, rules "
                       "and labels",
                       TJ_STR_ARG(m.key));
    }
    return true;
}

static bool read_keys(struct reader *r, const struct tj_json *root)
{
    if (!refuse_unknown_keys(r, root))
        return false;
    for (size_t i = 0; i < TJ_COUNT(keys); i++) {
        const struct tj_json *v = tj_json_find(root, tj_str_c(keys[i].name));
        r->path = keys[i].name;
        if (v && !keys[i].read(r, v))
            return false;
    }
    return true;
}

static bool read_front_matter(tj_str yaml, const char *file, struct tj_arena *a,
                              struct tj_judge_def *def, struct tj_err *err)
{
    struct tj_json_doc doc;
    if (tj_str_trim(yaml).len == 0)
        return true;
    if (!tj_yaml_parse(yaml, YAML_FIRST_LINE, a, &doc, err))
        return tj_err_wrap(err, "%s", file);
    struct reader r = {.path = "", .a = a, .def = def, .err = err};
    if (tj_json_is_null(doc.root))
        return true;
    if (!tj_json_is_object(doc.root))
        (void)tj_fail(err, TJ_E_INPUT, "front matter must be a mapping");
    else if (read_keys(&r, doc.root))
        return true;
    size_t line = tj_yaml_line(yaml, YAML_FIRST_LINE, r.path);
    return tj_err_wrap(err, "%s: line %zu", file, line);
}

/* -- the file ------------------------------------------------------------- */

static bool is_fence(tj_str line)
{
    return tj_str_starts(line, TJ_STR("---")) && tj_str_trim(line).len == 3;
}

static size_t count_lines(tj_str text, size_t offset)
{
    size_t lines = 0;
    for (size_t i = 0; i < offset && i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

/* Splits source; *body_line is the line on which the body begins. */
static bool split(tj_str source, tj_str *yaml, tj_str *body, size_t *body_line,
                  struct tj_err *err)
{
    tj_str rest = source;
    *body_line = 1;
    *yaml = TJ_STR("");
    *body = source;
    if (!is_fence(tj_str_cut(&rest, '\n')))
        return true;
    const char *begin = rest.ptr;
    while (rest.ptr) {
        tj_str line = tj_str_cut(&rest, '\n');
        if (!is_fence(line))
            continue;
        *yaml = tj_str_make(begin, (size_t)(line.ptr - begin));
        *body = rest;
        *body_line = 2 + count_lines(source, (size_t)(line.ptr - source.ptr));
        return true;
    }
    return tj_fail(err, TJ_E_INPUT,
                   "line 1: front matter is not closed by a line '---'");
}

static tj_str file_stem(const char *file)
{
    tj_str name = tj_str_c(file);
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '/') {
            name = tj_str_slice(name, i, name.len);
            break;
        }
    }
    for (size_t i = name.len; i > 1; i--) {
        if (name.ptr[i - 1] == '.')
            return tj_str_slice(name, 0, i - 1);
    }
    return tj_str_eq(name, TJ_STR("-")) ? TJ_STR("") : name;
}

/* A bool without `pass` passes when it is true. */
static void default_pass(struct tj_judge_def *def, struct tj_arena *a)
{
    if (def->has_pass || !tj_str_eq(def->value_type, TJ_STR("bool")))
        return;
    def->pass = tj_arena_new(a, tj_str);
    def->pass[0] = TJ_STR("true");
    def->pass_count = 1;
    def->has_pass = true;
}

static bool parse_markdown(tj_str source, const char *file, struct tj_arena *a,
                           struct tj_judge_def *def, struct tj_err *err)
{
    tj_str yaml, body;
    size_t body_line = 0;
    if (!split(source, &yaml, &body, &body_line, err))
        return tj_err_wrap(err, "%s", file);
    def->name = tj_str_dup(a, file_stem(file));
    if (!read_front_matter(yaml, file, a, def, err))
        return false;
    size_t offset = 0;
    tj_str trimmed = tj_str_trim(body);
    size_t skipped = trimmed.len ? (size_t)(trimmed.ptr - body.ptr) : 0;
    def->instructions = tj_str_dup(a, trimmed);
    if (tj_judge_def_check(def, a, &offset, err))
        return true;
    size_t line = offset == SIZE_MAX
                      ? tj_yaml_line(yaml, YAML_FIRST_LINE, "model")
                      : body_line + count_lines(body, skipped + offset);
    return tj_err_wrap(err, "%s: line %zu", file, line);
}

static bool parse_source(tj_str source, const char *file, struct tj_arena *a,
                         struct tj_judge_def *def, struct tj_err *err)
{
    if (source.len > TJ_JUDGE_FILE_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "%s: a judge file is over %zu bytes",
                       file, TJ_JUDGE_FILE_BYTES_MAX);
    if (tj_utf8_valid(source) != source.len)
        return tj_fail(err, TJ_E_INPUT, "%s: line %zu: not valid UTF-8", file,
                       1 + count_lines(source, tj_utf8_valid(source)));
    if (tj_str_starts(source, TJ_STR("\xef\xbb\xbf")))
        source = tj_str_slice(source, 3, source.len);
    if (!tj_str_starts(tj_str_trim(source), TJ_STR("{\"")) &&
        !tj_str_starts(tj_str_trim(source), TJ_STR("{\n")))
        return parse_markdown(source, file, a, def, err);
    if (tj_judge_def_parse_mlflow(source, a, def, err))
        return true;
    return tj_err_wrap(err, "%s", file);
}

bool tj_judge_def_parse(tj_str source, const char *file, struct tj_arena *a,
                        struct tj_judge_def *out, struct tj_err *err)
{
    struct tj_judge_def def;
    tj_judge_def_init(&def);
    if (!parse_source(source, file ? file : "judge", a, &def, err))
        return false;
    default_pass(&def, a);
    def.digest = tj_sha256_hex(a, source);
    *out = def;
    return true;
}
