/* segment.c - a run of spans of one trace, packed: heads and field tables.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     heads  = version | strings | resource keys | columns
 *     strings = count, then each a string; index 0 is the empty one
 *     resource keys = a string: 8 bytes each
 *     columns = for each of COLUMNS: its size, its bytes (none: all zero)
 *
 *     fields = version | names (as strings) | sizes | begins | rows
 *     sizes  = size, one varint a span: the length of its row
 *     begins = size, one zigzag a span: where in the stream its texts begin,
 *              from where the span before it began
 *     row    = per field: name, type | flags << 3 | place << 6, and
 *              SHARED: index of the field whose text it is
 *              NEXT:   length; it is in the stream behind the one before that
 *                      is no rope, or where the texts of the span begin
 *              AT:     length, offset in the stream
 *              ROPE:   length, index of the rope
 *
 * Numbers are varints (bytes.h).  One column holds one member of all spans,
 * for equal things side by side compress best; a reader keeps a cursor in
 * each, so that it fills a span at a time.
 */
#include "store/segment.h"

#include <limits.h>

#include "base/limits.h"
#include "base/map.h"
#include "store/bytes.h"

enum { VERSION = 1 };

/* Column, and how its numbers are to be read. */
#define COLUMNS(X)                                                             \
    X(ID)       /* 8 bytes */                                                  \
    X(PARENT)   /* 0 none, 1 in EXTERNAL, else 2 + zigzag(own - its index) */  \
    X(EXTERNAL) /* 8 bytes of each parent that is not in the segment */        \
    X(START)    /* zigzag from the span before */                              \
    X(TIME)     /* 0 no end, else 1 + zigzag(end - start) */                   \
    X(KIND)                                                                    \
    X(STATUS) /* status + 4 * otel_kind */                                     \
    X(MARKS)                                                                   \
    X(RESOURCE) /* 1 + index of a resource key */                              \
    X(DIGEST)   /* 8 bytes */                                                  \
    X(FIELDS)                                                                  \
    X(TEXT_BYTES)                                                              \
    X(NAME) /* this and the next: index of a string */                         \
    X(KIND_TEXT)                                                               \
    X(STATUS_MESSAGE)                                                          \
    X(TRACE_STATE)                                                             \
    X(MODEL)                                                                   \
    X(PROVIDER)                                                                \
    X(TOOL_NAME)                                                               \
    X(TOOL_CALL_ID)                                                            \
    X(AGENT)                                                                   \
    X(SESSION)                                                                 \
    X(USER)                                                                    \
    X(ENVIRONMENT)                                                             \
    X(RELEASE)                                                                 \
    X(INPUT_TOKENS) /* this and the next: 1 + tokens, 0 unknown */             \
    X(OUTPUT_TOKENS)                                                           \
    X(CACHE_READ_TOKENS)                                                       \
    X(CACHE_WRITE_TOKENS)                                                      \
    X(REASONING_TOKENS)                                                        \
    X(COST)   /* 0 unknown, else 1 and 8 bytes */                              \
    X(EVENTS) /* count */                                                      \
    X(EVENT)  /* of each: name, zigzag(time - start) */                        \
    X(LINKS)  /* count */                                                      \
    X(LINK)   /* of each: 24 bytes */                                          \
    X(SHAPE)  /* index of a string: source[] as 2-byte numbers, from -1 */

enum column {
#define X(name) C_##name,
    COLUMNS(X)
#undef X
        COLUMN_COUNT
};

/* The members that are kept as strings, by column. */
struct text_member {
    enum column column;
    size_t offset;
};
#define MEMBER(column, name)                                                   \
    {                                                                          \
        C_##column, offsetof(struct tj_span, name)                             \
    }
static const struct text_member text_members[] = {
    MEMBER(NAME, name),
    MEMBER(KIND_TEXT, kind_text),
    MEMBER(STATUS_MESSAGE, status_message),
    MEMBER(TRACE_STATE, trace_state),
    MEMBER(MODEL, model),
    MEMBER(PROVIDER, provider),
    MEMBER(TOOL_NAME, tool_name),
    MEMBER(TOOL_CALL_ID, tool_call_id),
    MEMBER(AGENT, agent),
    MEMBER(SESSION, session),
    MEMBER(USER, user),
    MEMBER(ENVIRONMENT, environment),
    MEMBER(RELEASE, release),
};
static const struct text_member token_members[] = {
    MEMBER(INPUT_TOKENS, usage.input_tokens),
    MEMBER(OUTPUT_TOKENS, usage.output_tokens),
    MEMBER(CACHE_READ_TOKENS, usage.cache_read_tokens),
    MEMBER(CACHE_WRITE_TOKENS, usage.cache_write_tokens),
    MEMBER(REASONING_TOKENS, usage.reasoning_tokens),
};

enum place { PLACE_SHARED, PLACE_NEXT, PLACE_AT, PLACE_ROPE };

static bool corrupt(struct tj_err *err, const char *what)
{
    return tj_fail(err, TJ_E_BACKEND, "corrupt segment: %s", what);
}

/* -- writing heads -------------------------------------------------------- */

/* Most columns say the same few things many times, and hashing them with a
 * key takes longer than looking where such a text was the last time. */
enum { RECENT = 64 };
struct strings {
    struct tj_map map;
    struct {
        tj_str text;
        uint64_t index;
    } recent[RECENT];
};

static void strings_init(struct strings *s, struct tj_arena *a)
{
    *s = (struct strings){0};
    tj_map_init(&s->map, a);
    bool fresh;
    (void)tj_map_add(&s->map, TJ_STR(""), &fresh);
}

static uint64_t string_index(struct strings *s, tj_str text)
{
    if (text.len == 0)
        return 0;
    size_t first = (unsigned char)text.ptr[0];
    size_t last = (unsigned char)text.ptr[text.len - 1];
    size_t place = (text.len * 31 + first * 7 + last) % RECENT;
    if (tj_str_eq(text, s->recent[place].text))
        return s->recent[place].index;
    bool fresh;
    size_t count = s->map.count;
    struct tj_map_entry *e = tj_map_add(&s->map, text, &fresh);
    if (fresh)
        e->number = count;
    s->recent[place].text = text;
    s->recent[place].index = e->number;
    return e->number;
}

static void strings_write(const struct strings *s, struct tj_buf *out)
{
    tj_bytes_put(out, s->map.count);
    for (size_t i = 0; i < s->map.count; i++)
        tj_bytes_put_str(out, s->map.entries[i].key);
}

struct heads {
    struct strings strings;
    struct tj_buf columns[COLUMN_COUNT];
    bool used[COLUMN_COUNT]; /* holds something else than zeros */
    struct tj_map index;     /* span id -> place in the segment */
    struct tj_buf keys;      /* of resources */
    uint64_t *key_index;     /* of each resource outside: 1 + index in keys */
};

static void put(struct heads *h, enum column c, uint64_t value)
{
    tj_bytes_put(&h->columns[c], value);
    h->used[c] |= value != 0;
}

static void put_raw(struct heads *h, enum column c, const void *bytes,
                    size_t size)
{
    tj_buf_add(&h->columns[c], (tj_str){bytes, size});
    h->used[c] = true;
}

static void put_parent(struct heads *h, const struct tj_span *s, size_t i)
{
    tj_str id = {(const char *)s->parent_id.bytes, sizeof s->parent_id};
    if (tj_span_id_is_none(s->parent_id)) {
        put(h, C_PARENT, 0);
        return;
    }
    const struct tj_map_entry *e = tj_map_find(&h->index, id);
    if (e) {
        int64_t distance = (int64_t)i - (int64_t)e->number;
        put(h, C_PARENT, 2 + tj_zigzag(distance));
        return;
    }
    put(h, C_PARENT, 1);
    put_raw(h, C_EXTERNAL, id.ptr, id.len);
}

static void put_times(struct heads *h, const struct tj_span *s, tj_time before)
{
    put(h, C_START, tj_zigzag((int64_t)(s->start - before)));
    uint64_t took = tj_zigzag((int64_t)(s->end - s->start));
    /* An end so far from its start that 1 + wraps is no time: not known. */
    put(h, C_TIME, s->end ? took + 1 : 0);
}

static void put_usage(struct heads *h, const struct tj_span *s)
{
    for (size_t i = 0; i < TJ_COUNT(token_members); i++) {
        int64_t tokens;
        memcpy(&tokens, (const char *)s + token_members[i].offset,
               sizeof tokens);
        put(h, token_members[i].column, tokens < 0 ? 0 : (uint64_t)tokens + 1);
    }
    bool known = s->usage.cost_usd >= 0;
    put(h, C_COST, known);
    if (known)
        put_raw(h, C_COST, &s->usage.cost_usd, sizeof s->usage.cost_usd);
}

static void put_events(struct heads *h, const struct tj_span *s)
{
    put(h, C_EVENTS, s->event_count);
    h->used[C_EVENT] |= s->event_count > 0;
    for (size_t i = 0; i < s->event_count; i++) {
        const struct tj_event *e = &s->events[i];
        put(h, C_EVENT, string_index(&h->strings, e->name));
        put(h, C_EVENT, tj_zigzag((int64_t)(e->time - s->start)));
    }
    put(h, C_LINKS, s->link_count);
    for (size_t i = 0; i < s->link_count; i++)
        put_raw(h, C_LINK, &s->links[i], sizeof s->links[i]);
}

static void put_resource(struct heads *h, const struct tj_segment_in *in,
                         int32_t resource)
{
    if (resource < 0 || (size_t)resource >= in->resource_count) {
        put(h, C_RESOURCE, 0);
        return;
    }
    uint64_t *index = &h->key_index[resource];
    if (*index == 0) {
        tj_buf_add(&h->keys, (tj_str){(const char *)&in->resources[resource],
                                      sizeof in->resources[resource]});
        *index = h->keys.len / sizeof in->resources[resource];
    }
    put(h, C_RESOURCE, *index);
}

static void put_head(struct heads *h, const struct tj_segment_in *in, size_t i)
{
    const struct tj_span *s = &in->spans[i];
    put_raw(h, C_ID, s->span_id.bytes, sizeof s->span_id);
    put_raw(h, C_DIGEST, &in->digests[i], sizeof in->digests[i]);
    put_parent(h, s, i);
    put_times(h, s, i ? in->spans[i - 1].start : 0);
    put(h, C_KIND, (uint64_t)s->kind);
    put(h, C_STATUS, (uint64_t)s->status + (uint64_t)4 * s->otel_kind);
    put(h, C_MARKS, s->marks & ~(uint32_t)(TJ_MARK_ORPHAN | TJ_MARK_CYCLE));
    put_resource(h, in, s->resource);
    put(h, C_FIELDS, s->field_count);
    put(h, C_TEXT_BYTES, s->text_bytes);
    for (size_t t = 0; t < TJ_COUNT(text_members); t++) {
        tj_str text;
        memcpy(&text, (const char *)s + text_members[t].offset, sizeof text);
        put(h, text_members[t].column, string_index(&h->strings, text));
    }
    put_usage(h, s);
    put_events(h, s);
    put(h, C_SHAPE,
        string_index(&h->strings,
                     (tj_str){(const char *)s->source, sizeof s->source}));
}

static void heads_write(const struct tj_segment_in *in, struct tj_buf *out)
{
    struct tj_arena scratch = {0};
    struct heads *h = tj_arena_new(&scratch, struct heads);
    strings_init(&h->strings, &scratch);
    tj_map_init(&h->index, &scratch);
    tj_buf_init(&h->keys, &scratch, SIZE_MAX);
    h->key_index = tj_arena_array(&scratch, uint64_t, in->resource_count);
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        tj_buf_init(&h->columns[c], &scratch, SIZE_MAX);
    for (size_t i = 0; i < in->count; i++) {
        const struct tj_span_id *id = &in->spans[i].span_id;
        bool fresh;
        tj_map_add(&h->index, (tj_str){(const char *)id->bytes, sizeof *id},
                   &fresh)
            ->number = i;
    }
    for (size_t i = 0; i < in->count; i++)
        put_head(h, in, i);
    tj_buf_byte(out, VERSION);
    strings_write(&h->strings, out);
    tj_bytes_put_str(out, tj_buf_str(&h->keys));
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        tj_bytes_put_str(out,
                         h->used[c] ? tj_buf_str(&h->columns[c]) : TJ_STR(""));
    tj_arena_release(&scratch);
}

/* -- writing field tables ------------------------------------------------- */

/* *next is what take_field will have in its own: where the text before ends. */
static void put_field(struct tj_buf *row, const struct tj_field *f,
                      uint64_t name, uint64_t *next,
                      struct tj_payload_writer *payload)
{
    enum { FLAGS_SHIFT = 3, PLACE_SHIFT = 6 };
    uint64_t head = f->type | (uint64_t)(f->flags & 7) << FLAGS_SHIFT;
    tj_bytes_put(row, name);
    if (f->same_as != TJ_FIELD_NOT_SHARED) {
        tj_bytes_put(row, head | PLACE_SHARED << PLACE_SHIFT);
        tj_bytes_put(row, (uint64_t)f->same_as);
        return;
    }
    uint64_t at = tj_payload_add(payload, f->name, f->text);
    enum place place = at & TJ_PAYLOAD_ROPE ? PLACE_ROPE
                       : at == *next        ? PLACE_NEXT
                                            : PLACE_AT;
    if (place != PLACE_ROPE)
        *next = at + f->text.len;
    tj_bytes_put(row, head | (uint64_t)place << PLACE_SHIFT);
    tj_bytes_put(row, f->text.len);
    if (place != PLACE_NEXT)
        tj_bytes_put(row, at & ~TJ_PAYLOAD_ROPE);
}

static void fields_write(const struct tj_segment_in *in,
                         struct tj_payload_writer *payload, struct tj_buf *out)
{
    struct tj_arena scratch = {0};
    struct strings names;
    struct tj_buf sizes;
    struct tj_buf begins;
    struct tj_buf rows;
    strings_init(&names, &scratch);
    tj_buf_init(&sizes, &scratch, SIZE_MAX);
    tj_buf_init(&begins, &scratch, SIZE_MAX);
    tj_buf_init(&rows, &scratch, SIZE_MAX);
    uint64_t before = 0;
    for (size_t i = 0; i < in->count; i++) {
        const struct tj_span *s = &in->spans[i];
        uint64_t begin = tj_payload_bytes(payload);
        uint64_t next = begin;
        size_t row = rows.len;
        for (size_t f = 0; f < s->field_count; f++)
            put_field(&rows, &s->fields[f],
                      string_index(&names, s->fields[f].name), &next, payload);
        tj_bytes_put(&sizes, rows.len - row);
        tj_bytes_put(&begins, tj_zigzag((int64_t)(begin - before)));
        before = begin;
    }
    tj_buf_byte(out, VERSION);
    strings_write(&names, out);
    tj_bytes_put_str(out, tj_buf_str(&sizes));
    tj_bytes_put_str(out, tj_buf_str(&begins));
    tj_buf_add(out, tj_buf_str(&rows));
    tj_arena_release(&scratch);
}

bool tj_segment_write(const struct tj_segment_in *in,
                      struct tj_payload_writer *payload, struct tj_buf *heads,
                      struct tj_buf *fields, struct tj_err *err)
{
    assert(in->count <= TJ_SEGMENT_SPANS_MAX);
    heads_write(in, heads);
    fields_write(in, payload, fields);
    return tj_buf_ok(heads, "heads of a segment", err) &&
           tj_buf_ok(fields, "field tables of a segment", err);
}

/* -- reading heads -------------------------------------------------------- */

static bool take_version(struct tj_bytes *b, struct tj_err *err)
{
    uint64_t version = tj_bytes_take(b);
    return version == VERSION ||
           tj_fail(err, TJ_E_BACKEND, "segment of version %llu, not %d",
                   (unsigned long long)version, VERSION);
}

static bool take_strings(struct tj_bytes *b, struct tj_arena *a, tj_str **out,
                         size_t *out_count)
{
    uint64_t count = tj_bytes_take(b);
    if (count == 0 || count > tj_bytes_left(b))
        return false;
    tj_str *strings = tj_arena_array(a, tj_str, (size_t)count);
    for (size_t i = 0; i < count; i++)
        strings[i] = tj_bytes_str(b);
    *out = strings;
    *out_count = (size_t)count;
    return !b->bad;
}

struct reader {
    struct tj_bytes columns[COLUMN_COUNT];
    tj_str *strings;
    size_t string_count;
    struct tj_segment_keys keys;
    bool bad;
};

static uint64_t take(struct reader *r, enum column c)
{
    return tj_bytes_take(&r->columns[c]);
}

static void take_raw(struct reader *r, enum column c, void *out, size_t size)
{
    const char *bytes = tj_bytes_skip(&r->columns[c], size);
    if (bytes)
        memcpy(out, bytes, size);
    else
        r->bad = true;
}

static tj_str take_string(struct reader *r, enum column c)
{
    uint64_t index = take(r, c);
    if (index < r->string_count)
        return r->strings[index];
    r->bad = true;
    return (tj_str){0};
}

/* A parent in the segment is given by its distance; f->spans[base] is the
 * segment's first, and later ones have no id yet, so ids come before all. */
static void take_parent(struct reader *r, struct tj_span *spans, size_t i,
                        size_t count)
{
    uint64_t code = take(r, C_PARENT);
    if (code == 0)
        return;
    if (code == 1) {
        take_raw(r, C_EXTERNAL, spans[i].parent_id.bytes,
                 sizeof spans[i].parent_id);
        return;
    }
    int64_t at;
    if (__builtin_sub_overflow((int64_t)i, tj_unzigzag(code - 2), &at) ||
        at < 0 || at >= (int64_t)count) {
        r->bad = true;
        return;
    }
    const struct tj_bytes *ids = &r->columns[C_ID];
    memcpy(spans[i].parent_id.bytes, ids->at + (size_t)at * sizeof(tj_span_id),
           sizeof(tj_span_id));
}

static void take_usage(struct reader *r, struct tj_span *s)
{
    for (size_t i = 0; i < TJ_COUNT(token_members); i++) {
        int64_t tokens = (int64_t)take(r, token_members[i].column) - 1;
        memcpy((char *)s + token_members[i].offset, &tokens, sizeof tokens);
    }
    s->usage.cost_usd = -1.0;
    if (take(r, C_COST))
        take_raw(r, C_COST, &s->usage.cost_usd, sizeof s->usage.cost_usd);
}

static void take_events(struct reader *r, struct tj_arena *a, struct tj_span *s)
{
    uint64_t events = take(r, C_EVENTS);
    uint64_t links = take(r, C_LINKS);
    if (events == 0 && links == 0)
        return;
    if (events > tj_bytes_left(&r->columns[C_EVENT]) / 2 ||
        links > tj_bytes_left(&r->columns[C_LINK]) / sizeof *s->links) {
        r->bad = true;
        return;
    }
    s->event_count = (size_t)events;
    s->events = tj_arena_array(a, struct tj_event, s->event_count);
    for (size_t i = 0; i < s->event_count; i++) {
        s->events[i].name = take_string(r, C_EVENT);
        s->events[i].time = s->start + (uint64_t)tj_unzigzag(take(r, C_EVENT));
    }
    s->link_count = (size_t)links;
    s->links = tj_arena_array(a, struct tj_link, s->link_count);
    for (size_t i = 0; i < s->link_count; i++)
        take_raw(r, C_LINK, &s->links[i], sizeof s->links[i]);
}

/* Enums from disk are checked: they index tables elsewhere. */
static void take_enums(struct reader *r, struct tj_span *s)
{
    uint64_t kind = take(r, C_KIND);
    uint64_t status = take(r, C_STATUS);
    uint64_t marks = take(r, C_MARKS);
    uint64_t resource = take(r, C_RESOURCE);
    uint64_t fields = take(r, C_FIELDS);
    if (kind >= TJ_KIND_COUNT || status % 4 > TJ_STATUS_ERROR ||
        status / 4 > UINT8_MAX || marks >> TJ_MARK_COUNT ||
        resource > r->keys.count || fields > TJ_FIELDS_PER_SPAN_MAX)
        r->bad = true;
    s->kind = (enum tj_kind)(kind % TJ_KIND_COUNT);
    s->status = (enum tj_status)(status % 4);
    s->otel_kind = (uint8_t)(status / 4);
    s->marks = (uint32_t)marks;
    s->resource = (int32_t)(resource & INT32_MAX) - 1;
    s->field_count = (size_t)fields;
    s->text_bytes = take(r, C_TEXT_BYTES);
}

static void take_shape(struct reader *r, struct tj_span *s)
{
    tj_str shape = take_string(r, C_SHAPE);
    if (shape.len == sizeof s->source)
        memcpy(s->source, shape.ptr, shape.len);
    else
        r->bad = true;
    for (size_t i = 0; i < TJ_NORMAL_COUNT; i++)
        r->bad |= s->source[i] < -1 || s->source[i] >= (int)s->field_count;
}

static void take_head(struct reader *r, struct tj_arena *a,
                      struct tj_span *spans, size_t i, size_t count)
{
    struct tj_span *s = &spans[i];
    *s = (struct tj_span){0};
    memcpy(s->span_id.bytes, r->columns[C_ID].at + i * sizeof s->span_id,
           sizeof s->span_id);
    take_parent(r, spans, i, count);
    uint64_t before = i ? spans[i - 1].start : 0;
    s->start = before + (uint64_t)tj_unzigzag(take(r, C_START));
    uint64_t took = take(r, C_TIME);
    s->end = took ? s->start + (uint64_t)tj_unzigzag(took - 1) : 0;
    take_enums(r, s);
    for (size_t t = 0; t < TJ_COUNT(text_members); t++) {
        tj_str text = take_string(r, text_members[t].column);
        memcpy((char *)s + text_members[t].offset, &text, sizeof text);
    }
    take_usage(r, s);
    take_events(r, a, s);
    take_shape(r, s);
}

static bool open_reader(struct reader *r, tj_str heads, size_t count,
                        struct tj_arena *a, struct tj_err *err)
{
    struct tj_bytes b = tj_bytes_open(heads);
    if (!take_version(&b, err))
        return false;
    if (!take_strings(&b, a, &r->strings, &r->string_count))
        return corrupt(err, "the strings end early");
    tj_str keys = tj_bytes_str(&b);
    r->keys.count = keys.len / sizeof *r->keys.items;
    r->keys.items = tj_arena_array(a, uint64_t, r->keys.count);
    if (r->keys.count)
        memcpy(r->keys.items, keys.ptr, r->keys.count * sizeof(uint64_t));
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        r->columns[c] = tj_bytes_open(tj_bytes_str(&b));
    if (b.bad || tj_bytes_left(&b))
        return corrupt(err, "the columns have another length");
    size_t ids = tj_bytes_left(&r->columns[C_ID]);
    if (ids != count * sizeof(tj_span_id) ||
        tj_bytes_left(&r->columns[C_DIGEST]) != count * sizeof(uint64_t))
        return corrupt(err, "another number of spans");
    return true;
}

bool tj_segment_heads_parse(tj_str heads, size_t count, uint64_t origin,
                            struct tj_fold *f, struct tj_segment_keys *keys,
                            struct tj_err *err)
{
    struct reader r = {0};
    struct tj_arena *a = f->arena;
    if (!open_reader(&r, heads, count, a, err))
        return false;
    struct tj_span *spans = &f->spans[f->count];
    for (size_t i = 0; i < count; i++) {
        uint64_t digest = 0;
        take_raw(&r, C_DIGEST, &digest, sizeof digest);
        (void)tj_fold_add(f, origin + i, digest);
        take_head(&r, a, spans, i, count);
    }
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        r.bad |= r.columns[c].bad;
    if (r.bad)
        return corrupt(err, "a column ends early or lies");
    *keys = r.keys;
    return true;
}

/* -- reading field tables ------------------------------------------------- */

bool tj_segment_fields_parse(tj_str fields, size_t count, struct tj_arena *a,
                             struct tj_segment_fields *out, struct tj_err *err)
{
    struct tj_bytes b = tj_bytes_open(fields);
    struct tj_segment_fields s = {.count = count};
    if (!take_version(&b, err))
        return false;
    if (!take_strings(&b, a, &s.names, &s.name_count))
        return corrupt(err, "the field names end early");
    struct tj_bytes sizes = tj_bytes_open(tj_bytes_str(&b));
    struct tj_bytes begins = tj_bytes_open(tj_bytes_str(&b));
    s.rows = tj_arena_array(a, tj_str, count);
    s.offsets = tj_arena_array(a, uint64_t, count);
    uint64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t size = tj_bytes_take(&sizes);
        s.rows[i] = (tj_str){tj_bytes_skip(&b, size), (size_t)size};
        offset += (uint64_t)tj_unzigzag(tj_bytes_take(&begins));
        s.offsets[i] = offset;
    }
    if (b.bad || sizes.bad || begins.bad || tj_bytes_left(&b))
        return corrupt(err, "the field tables have another length");
    *out = s;
    return true;
}

/* *next is where in the stream the last text that is not a rope ends; a rope
 * does not say here how much of it is its own. */
static bool take_field(const struct tj_segment_fields *s, struct tj_bytes *b,
                       uint64_t *next, struct tj_field *f, size_t count)
{
    uint64_t name = tj_bytes_take(b);
    uint64_t head = tj_bytes_take(b);
    uint64_t value = tj_bytes_take(b);
    uint64_t type = head & 7;
    uint64_t place = head >> 6;
    if (name >= s->name_count || type > TJ_FIELD_BYTES || place > PLACE_ROPE ||
        value > INT64_MAX)
        return false;
    f->name = s->names[name];
    f->type = (uint8_t)type;
    f->flags = (uint8_t)(head >> 3 & 7);
    f->same_as = TJ_FIELD_NOT_SHARED;
    if (place == PLACE_SHARED) {
        f->same_as = (int32_t)value;
        return value < count;
    }
    f->text.len = (size_t)value;
    uint64_t at = place == PLACE_NEXT ? *next : tj_bytes_take(b);
    if (at > INT64_MAX)
        return false;
    f->locator = at;
    if (place == PLACE_ROPE)
        f->locator |= TJ_PAYLOAD_ROPE;
    else
        *next = at + value;
    return true;
}

/* The lengths of shared texts; a field that shares with one that shares
 * itself is not what a writer makes. */
static bool settle_shared(struct tj_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].same_as == TJ_FIELD_NOT_SHARED)
            continue;
        const struct tj_field *of = &fields[fields[i].same_as];
        if (of->same_as != TJ_FIELD_NOT_SHARED)
            return false;
        fields[i].text.len = of->text.len;
    }
    return true;
}

bool tj_segment_fields_read(const struct tj_segment_fields *s, size_t index,
                            struct tj_arena *a, struct tj_span *span,
                            struct tj_err *err)
{
    if (index >= s->count)
        return corrupt(err, "no such span");
    size_t count = span->field_count;
    struct tj_bytes b = tj_bytes_open(s->rows[index]);
    uint64_t next = s->offsets[index];
    struct tj_field *fields = tj_arena_array(a, struct tj_field, count);
    for (size_t i = 0; i < count; i++) {
        if (!take_field(s, &b, &next, &fields[i], count))
            return corrupt(err, "a field that cannot be");
    }
    if (b.bad || tj_bytes_left(&b) || !settle_shared(fields, count))
        return corrupt(err, "a field table has another length");
    span->fields = fields;
    return true;
}
