/* build.c - spans that keep the invariants of span.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Field names repeat from span to span, so each is made once ("attributes." +
 * key) and remembered with the rules of the normal form that read it and the
 * field of the open span that has it:
 *
 *     key --map--> struct name { full name, rules, serial, field }
 *
 * A key that comes twice in one span overwrites: the last one wins, as in
 * JSON.  The fields of the open span are collected in one array that is used
 * again for the next span; tj_build_end copies what there is.
 */
#include "trace/build.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/map.h"
#include "text/base64.h"
#include "text/json_write.h"
#include "text/plain.h"
#include "text/utf8.h"
#include "trace/normal.h"

struct name {
    tj_str text; /* "attributes.k" */
    struct tj_normal_key rules;
    uint64_t serial; /* the span that had it last */
    size_t field;    /* where */
};

/* What a resource says of all its spans. */
struct defaults {
    tj_str environment;
    tj_str release;
};

struct tj_build {
    struct tj_arena *arena;
    struct tj_batch *batch;
    enum tj_build_text known;
    struct tj_map attributes;         /* by key */
    struct tj_map others;             /* by full name */
    struct tj_map resources;          /* by text */
    int32_t resource;                 /* of the spans that follow */
    TJ_VEC(struct defaults) defaults; /* of each resource */
    /* The open span: */
    bool open;
    uint64_t serial;
    TJ_VEC(struct tj_field) fields;
    TJ_VEC(struct tj_normal_key) rules;
    TJ_VEC(struct tj_event) events;
    TJ_VEC(struct tj_link) links;
    size_t dropped; /* fields over the limit */
};

/* input, output and error, status and dropped_fields come on top. */
enum { OWN_FIELDS = 5 };

struct tj_build *tj_build_new(struct tj_arena *a, struct tj_batch *batch)
{
    struct tj_build *b = tj_arena_new(a, struct tj_build);
    b->arena = a;
    b->batch = batch;
    b->resource = -1;
    tj_map_init(&b->attributes, a);
    tj_map_init(&b->others, a);
    tj_map_init(&b->resources, a);
    return b;
}

void tj_build_source(struct tj_build *b, enum tj_build_text text)
{
    b->known = text;
}

static struct tj_span *open_span(struct tj_build *b)
{
    assert(b->open);
    return &b->batch->spans.items[b->batch->spans.count - 1];
}

struct tj_span *tj_build_span(struct tj_build *b, tj_trace_id trace_id,
                              tj_span_id span_id)
{
    assert(!b->open);
    struct tj_span *s = tj_vec_add(&b->batch->spans, b->arena);
    s->trace_id = trace_id;
    s->span_id = span_id;
    s->usage = TJ_USAGE_UNKNOWN;
    s->resource = b->resource;
    s->sequence = b->batch->spans.count - 1;
    b->open = true;
    b->serial++;
    b->fields.count = 0;
    b->rules.count = 0;
    b->events.count = 0;
    b->links.count = 0;
    b->dropped = 0;
    return s;
}

/* -- text ----------------------------------------------------------------- */

/* Valid text; sets REPAIRED in *flags when some of it was not. */
static tj_str valid_text(struct tj_build *b, tj_str text, uint8_t *flags)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    if (b->known == TJ_TEXT_VALID)
        return text;
    if (b->known == TJ_TEXT_REPAIRED) {
        if (tj_str_find(text, tj_str_make(replacement, 3)) != (size_t)-1)
            *flags |= TJ_FIELD_REPAIRED;
        return text;
    }
    if (tj_utf8_valid(text) == text.len)
        return text;
    *flags |= TJ_FIELD_REPAIRED;
    return tj_utf8_repair(b->arena, text);
}

/* The same for names, which also have a maximum. */
static tj_str valid_name(struct tj_build *b, tj_str text)
{
    uint8_t flags = 0;
    struct tj_span *s = open_span(b);
    text = valid_text(b, text, &flags);
    if (flags)
        s->marks |= TJ_MARK_BAD_TEXT;
    if (text.len > TJ_NAME_BYTES_MAX) {
        s->marks |= TJ_MARK_CLIPPED;
        text = tj_utf8_clip(text, TJ_NAME_BYTES_MAX);
    }
    return text;
}

/* -- fields --------------------------------------------------------------- */

static struct name *intern(struct tj_build *b, struct tj_map *map, tj_str key,
                           tj_str full)
{
    bool fresh = false;
    struct tj_map_entry *e = tj_map_add(map, key, &fresh);
    if (!fresh)
        return e->ptr;
    struct name *name = tj_arena_new(b->arena, struct name);
    if (full.ptr) {
        name->text = tj_str_dup(b->arena, full);
    } else {
        char *text = tj_arena_alloc(b->arena, sizeof "attributes." + key.len);
        memcpy(text, "attributes.", sizeof "attributes." - 1);
        if (key.len)
            memcpy(text + sizeof "attributes." - 1, key.ptr, key.len);
        name->text = tj_str_make(text, sizeof "attributes." - 1 + key.len);
    }
    name->rules = tj_normal_key(name->text);
    /* A key is borrowed by the map: let it be our own copy. */
    e->key = tj_str_slice(name->text, name->text.len - key.len, key.len);
    e->ptr = name;
    return name;
}

static struct name *name_of(struct tj_build *b, enum tj_build_of of, tj_str key)
{
    char text[TJ_NAME_BYTES_MAX + 32];
    key = valid_name(b, key);
    if (of == TJ_OF_SPAN)
        return intern(b, &b->attributes, key, (tj_str){0});
    bool event = of == TJ_OF_EVENT;
    size_t count = event ? b->events.count : b->links.count;
    assert(count > 0);
    int n = snprintf(text, sizeof text, "%s.%zu.", event ? "events" : "links",
                     count - 1);
    assert(n > 0);
    size_t len = (size_t)n;
    if (key.len)
        memcpy(text + len, key.ptr, key.len);
    tj_str full = tj_str_make(text, len + key.len);
    return intern(b, &b->others, full, full);
}

static void put_field(struct tj_build *b, struct name *name,
                      const struct tj_field *value)
{
    if (value->flags & TJ_FIELD_REPAIRED)
        open_span(b)->marks |= TJ_MARK_BAD_TEXT;
    struct tj_field *f = NULL;
    if (name->serial == b->serial) {
        f = &b->fields.items[name->field];
    } else if (b->fields.count + OWN_FIELDS >= TJ_FIELDS_PER_SPAN_MAX) {
        b->dropped++;
        return;
    } else {
        name->serial = b->serial;
        name->field = b->fields.count;
        f = tj_vec_add(&b->fields, b->arena);
        *tj_vec_add(&b->rules, b->arena) = name->rules;
    }
    *f = *value;
    f->name = name->text;
    f->same_as = TJ_FIELD_NOT_SHARED;
}

/* Could text be a JSON container?  The parser has the last word. */
static bool looks_like_container(tj_str text)
{
    text = tj_str_trim(text);
    if (text.len < 2)
        return false;
    char first = text.ptr[0];
    char last = text.ptr[text.len - 1];
    return (first == '{' && last == '}') || (first == '[' && last == ']');
}

/* The plain text of v in the batch's arena; false when it is too long. */
static bool plain_text(struct tj_build *b, struct tj_arena *scratch,
                       const struct tj_json *v, tj_str *out)
{
    struct tj_buf buf;
    tj_buf_init(&buf, scratch, TJ_IMPORT_BYTES_MAX);
    tj_plain_write(&buf, v);
    if (buf.full)
        return false;
    *out = tj_str_dup(b->arena, tj_buf_str(&buf));
    return true;
}

/* Is text what writing v gives?  Python's spelling or the one without blanks:
 * sets COMPACT for this one. */
static bool is_written_as(tj_str text, const struct tj_json *v,
                          struct tj_arena *scratch, struct tj_field *out)
{
    static const enum tj_json_form forms[] = {TJ_JSON_PYTHON, TJ_JSON_COMPACT};
    for (size_t i = 0; i < TJ_COUNT(forms); i++) {
        struct tj_buf buf;
        tj_buf_init(&buf, scratch, text.len);
        tj_json_write(&buf, v, forms[i]);
        if (buf.full || !tj_str_eq(tj_buf_str(&buf), text))
            continue;
        if (forms[i] == TJ_JSON_COMPACT)
            out->flags |= TJ_FIELD_COMPACT;
        return true;
    }
    return false;
}

/* A string that holds a JSON container means the container (span.h, 2). */
static bool decode(struct tj_build *b, enum tj_build_of of, tj_str text,
                   struct tj_field *out)
{
    if (!looks_like_container(text))
        return false;
    struct tj_arena scratch = {0};
    struct tj_json_doc doc;
    struct tj_err err;
    bool ok =
        tj_json_parse(text, &scratch, &doc, &err) &&
        (of == TJ_OF_SPAN || is_written_as(text, doc.root, &scratch, out)) &&
        plain_text(b, &scratch, doc.root, &out->text);
    if (ok) {
        out->type = TJ_FIELD_JSON;
        out->flags |= TJ_FIELD_DECODED;
        if (doc.repaired)
            out->flags |= TJ_FIELD_REPAIRED;
    }
    tj_arena_release(&scratch);
    return ok;
}

void tj_build_text(struct tj_build *b, enum tj_build_of of, tj_str key,
                   tj_str text)
{
    struct tj_field f = {.type = TJ_FIELD_STRING};
    text = valid_text(b, text, &f.flags);
    if (!decode(b, of, text, &f))
        f.text = text;
    put_field(b, name_of(b, of, key), &f);
}

void tj_build_plain(struct tj_build *b, enum tj_build_of of, tj_str key,
                    enum tj_field_type type, tj_str text)
{
    struct tj_field f = {.type = (uint8_t)type};
    f.text = valid_text(b, text, &f.flags);
    put_field(b, name_of(b, of, key), &f);
}

static void put_json(struct tj_build *b, enum tj_build_of of, tj_str key,
                     const struct tj_json *v)
{
    switch (tj_json_type(v)) {
    case TJ_JSON_STRING: tj_build_text(b, of, key, tj_json_str(v)); return;
    case TJ_JSON_NULL:
        tj_build_plain(b, of, key, TJ_FIELD_NULL, TJ_STR("null"));
        return;
    case TJ_JSON_FALSE:
        tj_build_plain(b, of, key, TJ_FIELD_BOOL, TJ_STR("false"));
        return;
    case TJ_JSON_TRUE:
        tj_build_plain(b, of, key, TJ_FIELD_BOOL, TJ_STR("true"));
        return;
    case TJ_JSON_INT:
    case TJ_JSON_UINT:
    case TJ_JSON_DOUBLE:
        tj_build_plain(b, of, key, TJ_FIELD_NUMBER, tj_json_number_text(v));
        return;
    case TJ_JSON_ARRAY:
    case TJ_JSON_OBJECT: {
        struct tj_arena scratch = {0};
        tj_str text = {0};
        if (plain_text(b, &scratch, v, &text))
            tj_build_plain(b, of, key, TJ_FIELD_JSON, text);
        else
            b->dropped++;
        tj_arena_release(&scratch);
        return;
    }
    }
}

void tj_build_attr(struct tj_build *b, tj_str key, const struct tj_json *v)
{
    put_json(b, TJ_OF_SPAN, key, v);
}

void tj_build_attr_text(struct tj_build *b, tj_str key, tj_str text)
{
    tj_build_text(b, TJ_OF_SPAN, key, text);
}

void tj_build_attr_i64(struct tj_build *b, tj_str key, int64_t value)
{
    tj_build_plain(b, TJ_OF_SPAN, key, TJ_FIELD_NUMBER,
                   tj_build_i64_text(b->arena, value));
}

void tj_build_attr_double(struct tj_build *b, tj_str key, double value)
{
    tj_build_plain(b, TJ_OF_SPAN, key, TJ_FIELD_NUMBER,
                   tj_build_double_text(b->arena, value));
}

void tj_build_attr_bool(struct tj_build *b, tj_str key, bool value)
{
    tj_build_plain(b, TJ_OF_SPAN, key, TJ_FIELD_BOOL,
                   value ? TJ_STR("true") : TJ_STR("false"));
}

void tj_build_attr_bytes(struct tj_build *b, tj_str key, tj_str bytes)
{
    tj_build_plain(b, TJ_OF_SPAN, key, TJ_FIELD_BYTES,
                   tj_base64_write(b->arena, bytes));
}

void tj_build_attr_plain(struct tj_build *b, tj_str key,
                         enum tj_field_type type, tj_str text)
{
    tj_build_plain(b, TJ_OF_SPAN, key, type, text);
}

tj_str tj_build_double_text(struct tj_arena *a, double value)
{
    if (value != value)
        return TJ_STR("NaN");
    if (value - value != 0)
        return value > 0 ? TJ_STR("Infinity") : TJ_STR("-Infinity");
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, a, 64);
    tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
    tj_jw_double(&w, value);
    return tj_buf_str(&buf);
}

tj_str tj_build_i64_text(struct tj_arena *a, int64_t value)
{
    struct tj_buf buf;
    tj_buf_init(&buf, a, 32);
    tj_buf_i64(&buf, value);
    return tj_buf_str(&buf);
}

tj_str tj_build_u64_text(struct tj_arena *a, uint64_t value)
{
    struct tj_buf buf;
    tj_buf_init(&buf, a, 32);
    tj_buf_u64(&buf, value);
    return tj_buf_str(&buf);
}

tj_str tj_build_keep(struct tj_build *b, tj_str text)
{
    return tj_str_dup(b->arena, text);
}

/* -- events and links ----------------------------------------------------- */

void tj_build_event(struct tj_build *b, tj_str name, tj_time time)
{
    struct tj_event *e = tj_vec_add(&b->events, b->arena);
    e->name = valid_name(b, name);
    e->time = time;
    struct tj_field f = {.text = e->name, .type = TJ_FIELD_STRING};
    put_field(b, name_of(b, TJ_OF_EVENT, TJ_STR("name")), &f);
}

void tj_build_event_attr(struct tj_build *b, tj_str key,
                         const struct tj_json *v)
{
    put_json(b, TJ_OF_EVENT, key, v);
}

void tj_build_event_attr_text(struct tj_build *b, tj_str key, tj_str text)
{
    tj_build_text(b, TJ_OF_EVENT, key, text);
}

void tj_build_link(struct tj_build *b, tj_trace_id trace_id, tj_span_id span_id)
{
    *tj_vec_add(&b->links, b->arena) = (struct tj_link){trace_id, span_id};
}

void tj_build_link_attr(struct tj_build *b, tj_str key, const struct tj_json *v)
{
    put_json(b, TJ_OF_LINK, key, v);
}

void tj_build_link_attr_text(struct tj_build *b, tj_str key, tj_str text)
{
    tj_build_text(b, TJ_OF_LINK, key, text);
}

/* -- closing -------------------------------------------------------------- */

static void put_own(struct tj_build *b, tj_str name, tj_str text,
                    enum tj_field_type type)
{
    struct tj_field *f = tj_vec_add(&b->fields, b->arena);
    *f = (struct tj_field){.name = name,
                           .text = text,
                           .type = (uint8_t)type,
                           .same_as = TJ_FIELD_NOT_SHARED};
    (void)tj_vec_add(&b->rules, b->arena);
}

static void put_dropped(struct tj_build *b, struct tj_span *s)
{
    if (!b->dropped)
        return;
    s->marks |= TJ_MARK_CLIPPED;
    put_own(b, TJ_STR("attributes.tracejudge.dropped_fields"),
            tj_str_printf(b->arena, "%zu", b->dropped), TJ_FIELD_NUMBER);
}

/* Texts that formats write into the span themselves. */
static void check_texts(struct tj_build *b, struct tj_span *s)
{
    tj_str *names[] = {&s->name,        &s->kind_text, &s->model,
                       &s->provider,    &s->tool_name, &s->tool_call_id,
                       &s->agent,       &s->session,   &s->user,
                       &s->environment, &s->release};
    for (size_t i = 0; i < TJ_COUNT(names); i++) {
        if (names[i]->len)
            *names[i] = valid_name(b, *names[i]);
    }
    uint8_t flags = 0;
    s->status_message = valid_text(b, s->status_message, &flags);
    s->trace_state = valid_text(b, s->trace_state, &flags);
    if (flags)
        s->marks |= TJ_MARK_BAD_TEXT;
}

static void check_times(struct tj_span *s)
{
    if (!s->start)
        s->marks |= TJ_MARK_NO_START;
    if (!s->end)
        s->marks |= TJ_MARK_UNFINISHED;
    else if (s->start && s->end < s->start)
        s->marks |= TJ_MARK_BACKWARDS;
}

/* "ERROR: message", "OK", "UNSET". */
static tj_str status_text(struct tj_build *b, const struct tj_span *s)
{
    tj_str word = tj_str_c(tj_status_name(s->status));
    if (!s->status_message.len)
        return word;
    struct tj_buf buf;
    tj_buf_init(&buf, b->arena, TJ_IMPORT_BYTES_MAX);
    tj_buf_add(&buf, word);
    tj_buf_add(&buf, TJ_STR(": "));
    tj_buf_add(&buf, s->status_message);
    return tj_buf_str(&buf);
}

static void *copy_items(struct tj_build *b, const void *items, size_t count,
                        size_t size)
{
    if (!count)
        return NULL;
    void *copy = tj_arena_alloc(b->arena, count * size);
    return memcpy(copy, items, count * size);
}

static void count_text(struct tj_span *s)
{
    s->text_bytes = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->fields[i].same_as < 0)
            s->text_bytes += s->fields[i].text.len;
    }
}

static void apply_defaults(const struct tj_build *b, struct tj_span *s)
{
    if (s->resource < 0)
        return;
    const struct defaults *d = &b->defaults.items[s->resource];
    if (!s->environment.len)
        s->environment = d->environment;
    if (!s->release.len)
        s->release = d->release;
}

void tj_build_end(struct tj_build *b)
{
    struct tj_span *s = open_span(b);
    check_texts(b, s);
    check_times(s);
    put_own(b, TJ_STR("name"), s->name, TJ_FIELD_STRING);
    put_own(b, TJ_STR("status"), status_text(b, s), TJ_FIELD_STRING);
    size_t status = b->fields.count - 1;
    put_dropped(b, s);
    s->event_count = b->events.count;
    s->events = copy_items(b, b->events.items, b->events.count,
                           sizeof *b->events.items);
    s->link_count = b->links.count;
    s->links =
        copy_items(b, b->links.items, b->links.count, sizeof *b->links.items);
    s->field_count = b->fields.count;
    s->fields = copy_items(b, b->fields.items, b->fields.count,
                           sizeof *b->fields.items);
    enum tj_status said = s->status;
    tj_normalise(s, b->rules.items, b->arena);
    if (s->status != said)
        s->fields[status].text = status_text(b, s);
    apply_defaults(b, s);
    count_text(s);
    b->open = false;
}

/* -- resources and ids ---------------------------------------------------- */

static tj_str resource_attribute(const struct tj_json *resource,
                                 const char *const *keys)
{
    for (; *keys; keys++) {
        tj_str text = tj_json_find_str(resource, tj_str_c(*keys));
        if (text.len)
            return tj_utf8_clip(text, TJ_NAME_BYTES_MAX);
    }
    return (tj_str){0};
}

/* Environment and release are told once for a whole process. */
static void read_defaults(struct tj_build *b, tj_str text, struct defaults *out)
{
    static const char *const environment[] = {"deployment.environment.name",
                                              "deployment.environment", NULL};
    static const char *const release[] = {"service.version", NULL};
    struct tj_json_doc doc;
    struct tj_err err;
    if (!tj_plain_parse(text, b->arena, &doc, &err))
        return;
    const struct tj_json *r = tj_json_find(doc.root, TJ_STR("resource"));
    out->environment = resource_attribute(r, environment);
    out->release = resource_attribute(r, release);
}

int32_t tj_build_resource(struct tj_build *b, tj_str plain_json)
{
    uint8_t flags = 0;
    plain_json = valid_text(b, plain_json, &flags);
    bool fresh = false;
    struct tj_map_entry *e = tj_map_add(&b->resources, plain_json, &fresh);
    if (fresh) {
        plain_json = tj_str_dup(b->arena, plain_json);
        e->key = plain_json;
        size_t at = b->batch->resources.count;
        assert(at < INT32_MAX);
        tj_vec_add(&b->batch->resources, b->arena)->text = plain_json;
        e->number = at;
        read_defaults(b, plain_json, tj_vec_add(&b->defaults, b->arena));
    }
    b->resource = (int32_t)e->number;
    return b->resource;
}

tj_span_id tj_build_child_id(tj_trace_id trace_id, tj_str path)
{
    struct tj_arena scratch = {0};
    struct tj_buf buf;
    tj_buf_init(&buf, &scratch, SIZE_MAX);
    tj_buf_add(
        &buf, tj_str_make((const char *)trace_id.bytes, sizeof trace_id.bytes));
    tj_buf_byte(&buf, '/');
    tj_buf_add(&buf, path);
    tj_span_id id = tj_span_id_derive(tj_buf_str(&buf));
    tj_arena_release(&scratch);
    return id;
}
