/* yaml.c - libyaml's events, checked, typed and written as JSON.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Events go straight into a JSON writer and the text is then parsed, so the
 * tree is made by the one builder there is.  Positions are lost on that way;
 * a second walk finds the line of a path when a message needs it.
 *
 *   stream = DOCUMENT? value END        value = SCALAR
 *   value  = MAP { key value } END      value = SEQ { value } END
 *
 * Open containers are a stack of frames, so nesting costs no C stack.
 */
#include "text/yaml.h"

#include <yaml.h>

#include "base/limits.h"
#include "base/map.h"
#include "text/json_write.h"

/* The most that a source can grow: "{a,b}" is {"a":null,"b":null}, and "\0"
 * is "\u0000". */
enum { GROWTH_MAX = 8, JSON_BYTES_EXTRA = 64 };

struct frame {
    bool is_map;
    bool want_key;
    size_t count;       /* items so far */
    size_t path_len;    /* of the container's own path */
    struct tj_map keys; /* seen, to refuse a second one */
};

struct walk {
    yaml_parser_t parser;
    yaml_event_t event;
    struct tj_arena *a;
    struct tj_err *err;
    tj_str text;
    size_t first_line;
    struct tj_buf json;
    struct tj_json_writer w;
    struct frame frames[TJ_YAML_DEPTH_MAX];
    size_t depth;
    struct tj_buf path; /* of the value at hand */
    tj_str wanted;      /* the path whose line is asked for */
    bool found;
    size_t found_line;
    size_t documents;
};

static bool refuse_at(struct walk *k, yaml_mark_t mark, enum tj_code code,
                      const char *what)
{
    return tj_fail(k->err, code, "line %zu, column %zu: %s",
                   mark.line + k->first_line, mark.column + 1, what);
}

static bool refuse(struct walk *k, const char *what)
{
    return refuse_at(k, k->event.start_mark, TJ_E_INPUT, what);
}

/* libyaml's reader knows a byte offset only. */
static yaml_mark_t mark_of_offset(tj_str text, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < tj_size_min(offset, text.len); i++) {
        mark.column++;
        if (text.ptr[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static bool refuse_problem(struct walk *k)
{
    const yaml_parser_t *p = &k->parser;
    const char *what = p->problem ? p->problem : "broken YAML";
    if (p->error == YAML_MEMORY_ERROR)
        return tj_fail(k->err, TJ_E_LIMIT, "no memory for YAML");
    yaml_mark_t mark = p->error == YAML_READER_ERROR
                           ? mark_of_offset(k->text, p->problem_offset)
                           : p->problem_mark;
    return refuse_at(k, mark, TJ_E_INPUT, what);
}

/* -- scalars: YAML 1.2.2, section 10.3.2 ---------------------------------- */

static bool is_one_of(tj_str s, const char *const *words)
{
    for (; *words; words++)
        if (tj_str_eq(s, tj_str_c(*words)))
            return true;
    return false;
}

static size_t digits(tj_str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.len && s.ptr[at + n] >= '0' && s.ptr[at + n] <= '9')
        n++;
    return n;
}

/* 0o17 and 0xff.  Larger than 64 bits is left a string. */
static bool radix_number(tj_str s, uint64_t *out)
{
    bool hex = tj_str_starts(s, TJ_STR("0x"));
    if ((!hex && !tj_str_starts(s, TJ_STR("0o"))) || s.len == 2)
        return false;
    uint64_t base = hex ? 16 : 8;
    uint64_t value = 0;
    for (size_t i = 2; i < s.len; i++) {
        static const char symbols[] = "0123456789abcdef";
        char c = s.ptr[i];
        c = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
        const char *found = c ? strchr(symbols, c) : NULL;
        uint64_t digit = found ? (uint64_t)(found - symbols) : base;
        if (digit >= base || value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    *out = value;
    return true;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
 * out gets JSON's stricter spelling: "+07." is 7.0. */
static bool decimal_number(tj_str s, struct tj_buf *out)
{
    size_t at = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+');
    bool negative = s.len && s.ptr[0] == '-';
    size_t whole = digits(s, at);
    tj_str whole_text = tj_str_slice(s, at, whole);
    at += whole;
    bool point = at < s.len && s.ptr[at] == '.';
    size_t part = point ? digits(s, at + 1) : 0;
    tj_str part_text = tj_str_slice(s, at + 1, part);
    at += point + part;
    if (!whole && !part)
        return false;
    tj_str power = tj_str_slice(s, at, s.len);
    if (power.len) {
        bool sign =
            power.len > 1 && (power.ptr[1] == '-' || power.ptr[1] == '+');
        size_t n = digits(power, 1 + sign);
        if ((power.ptr[0] != 'e' && power.ptr[0] != 'E') || !n ||
            1 + sign + n != power.len)
            return false;
    }
    while (whole_text.len > 1 && whole_text.ptr[0] == '0')
        whole_text = tj_str_slice(whole_text, 1, whole_text.len);
    tj_buf_add(out, negative ? TJ_STR("-") : TJ_STR(""));
    tj_buf_add(out, whole ? whole_text : TJ_STR("0"));
    if (point) {
        tj_buf_byte(out, '.');
        tj_buf_add(out, part ? part_text : TJ_STR("0"));
    }
    tj_buf_add(out, power);
    return true;
}

static void put_plain(struct walk *k, tj_str s)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const infs[] = {".inf",  ".Inf",  ".INF", "+.inf",
                                       "+.Inf", "+.INF", NULL};
    static const char *const minus_infs[] = {"-.inf", "-.Inf", "-.INF", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    uint64_t number = 0;
    struct tj_buf text;
    tj_buf_init(&text, k->a, s.len + JSON_BYTES_EXTRA);
    if (is_one_of(s, nulls))
        tj_jw_null(&k->w);
    else if (is_one_of(s, trues))
        tj_jw_bool(&k->w, true);
    else if (is_one_of(s, falses))
        tj_jw_bool(&k->w, false);
    else if (is_one_of(s, infs))
        tj_jw_raw(&k->w, TJ_STR("Infinity"));
    else if (is_one_of(s, minus_infs))
        tj_jw_raw(&k->w, TJ_STR("-Infinity"));
    else if (is_one_of(s, nans))
        tj_jw_raw(&k->w, TJ_STR("NaN"));
    else if (radix_number(s, &number))
        tj_jw_u64(&k->w, number);
    else if (decimal_number(s, &text))
        tj_jw_raw(&k->w, tj_buf_str(&text));
    else
        tj_jw_str(&k->w, s);
}

/* -- structure ------------------------------------------------------------ */

static struct frame *top(struct walk *k)
{
    return k->depth ? &k->frames[k->depth - 1] : NULL;
}

static void append_to_path(struct walk *k, size_t parent_len, tj_str step)
{
    tj_buf_cut(&k->path, parent_len);
    if (parent_len)
        tj_buf_byte(&k->path, '.');
    tj_buf_add(&k->path, step);
}

/* Called when a value starts: says where it is. */
static void note_value(struct walk *k)
{
    struct frame *f = top(k);
    if (f && !f->is_map) {
        tj_str step = tj_str_printf(k->a, "%zu", f->count);
        append_to_path(k, f->path_len, step);
    }
    if (f) {
        f->count++;
        f->want_key = f->is_map;
    }
    if (!k->found && tj_str_eq(tj_buf_str(&k->path), k->wanted)) {
        k->found = true;
        k->found_line = k->event.start_mark.line + k->first_line;
    }
}

static bool take_key(struct walk *k, struct frame *f)
{
    if (k->event.type != YAML_SCALAR_EVENT)
        return refuse(k, "a key must be a scalar");
    tj_str key =
        tj_str_dup(k->a, tj_str_make((const char *)k->event.data.scalar.value,
                                     k->event.data.scalar.length));
    bool plain = k->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && tj_str_eq(key, TJ_STR("<<")))
        return refuse(k, "merge keys are not supported");
    bool fresh = false;
    (void)tj_map_add(&f->keys, key, &fresh);
    if (!fresh)
        return refuse(k, tj_str_printf(k->a, "the key \"%.*s\" is there twice",
                                       TJ_STR_ARG(key))
                             .ptr);
    tj_jw_key(&k->w, key);
    append_to_path(k, f->path_len, key);
    f->want_key = false;
    return true;
}

static bool open_container(struct walk *k, bool is_map)
{
    if (k->depth == TJ_YAML_DEPTH_MAX)
        return refuse_at(
            k, k->event.start_mark, TJ_E_LIMIT,
            tj_str_printf(k->a, "nesting is over %d levels", TJ_YAML_DEPTH_MAX)
                .ptr);
    note_value(k);
    struct frame *f = &k->frames[k->depth++];
    *f = (struct frame){
        .is_map = is_map, .want_key = is_map, .path_len = k->path.len};
    tj_map_init(&f->keys, k->a);
    if (is_map)
        tj_jw_object(&k->w);
    else
        tj_jw_array(&k->w);
    return true;
}

static bool take_scalar(struct walk *k)
{
    note_value(k);
    tj_str s = tj_str_make((const char *)k->event.data.scalar.value,
                           k->event.data.scalar.length);
    if (k->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        put_plain(k, s);
    else
        tj_jw_str(&k->w, s);
    return true;
}

static void close_container(struct walk *k)
{
    tj_jw_end(&k->w);
    k->depth--;
}

/* Anchors are refused as well: without aliases they are a mistake. */
static bool check_properties(struct walk *k)
{
    const void *tag = NULL;
    const void *anchor = NULL;
    const yaml_event_t *e = &k->event;
    if (e->type == YAML_SCALAR_EVENT) {
        tag = e->data.scalar.tag;
        anchor = e->data.scalar.anchor;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        tag = e->data.sequence_start.tag;
        anchor = e->data.sequence_start.anchor;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        tag = e->data.mapping_start.tag;
        anchor = e->data.mapping_start.anchor;
    }
    if (tag)
        return refuse(k, "tags are not supported");
    if (anchor || e->type == YAML_ALIAS_EVENT)
        return refuse(k, "anchors and aliases are not supported");
    return true;
}

static bool take_event(struct walk *k)
{
    struct frame *f = top(k);
    if (!check_properties(k))
        return false;
    if (f && f->want_key && k->event.type != YAML_MAPPING_END_EVENT)
        return take_key(k, f);
    switch (k->event.type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++k->documents == 1 || refuse(k, "a second document");
    case YAML_SCALAR_EVENT: return take_scalar(k);
    case YAML_SEQUENCE_START_EVENT: return open_container(k, false);
    case YAML_MAPPING_START_EVENT: return open_container(k, true);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: close_container(k); return true;
    default: return true;
    }
}

static bool run(struct walk *k)
{
    yaml_parser_set_encoding(&k->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(
        &k->parser, (const unsigned char *)(k->text.len ? k->text.ptr : ""),
        k->text.len);
    for (bool end = false; !end;) {
        if (!yaml_parser_parse(&k->parser, &k->event))
            return refuse_problem(k);
        bool ok = take_event(k);
        end = k->event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&k->event);
        if (!ok)
            return false;
    }
    if (!k->documents)
        tj_jw_null(&k->w);
    return tj_buf_ok(&k->json, "YAML as JSON", k->err);
}

/* Everything but the tree: k->json is the document, k->found_line the line of
 * `wanted`. */
static bool walk(struct walk *k, tj_str text, size_t first_line,
                 struct tj_arena *a, struct tj_err *err)
{
    k->text = text;
    k->first_line = first_line;
    k->a = a;
    k->err = err;
    if (text.len > TJ_JUDGE_FILE_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "YAML is over %zu bytes",
                       TJ_JUDGE_FILE_BYTES_MAX);
    tj_buf_init(&k->json, a, text.len * GROWTH_MAX + JSON_BYTES_EXTRA);
    tj_buf_init(&k->path, a, SIZE_MAX);
    tj_json_writer_init(&k->w, &k->json, TJ_JSON_COMPACT);
    if (!yaml_parser_initialize(&k->parser))
        return tj_fail(err, TJ_E_LIMIT, "no memory for YAML");
    bool ok = run(k);
    yaml_parser_delete(&k->parser);
    return ok;
}

bool tj_yaml_parse(tj_str text, size_t first_line, struct tj_arena *a,
                   struct tj_json_doc *out, struct tj_err *err)
{
    struct walk *k = tj_arena_new(a, struct walk);
    k->found = true; /* nothing is looked for */
    return walk(k, text, first_line, a, err) &&
           tj_json_parse(tj_buf_str(&k->json), a, out, err);
}

size_t tj_yaml_line(tj_str text, size_t first_line, const char *path)
{
    struct tj_arena a = {0};
    struct tj_err ignored = {0};
    struct walk *k = tj_arena_new(&a, struct walk);
    k->wanted = tj_str_c(path);
    (void)walk(k, text, first_line, &a, &ignored);
    size_t line = k->found ? k->found_line : first_line;
    tj_arena_release(&a);
    return line;
}
