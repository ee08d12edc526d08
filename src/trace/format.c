/* format.c - which format is it, and the path from bytes to a batch.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     bytes --gzip?--> bytes --binary?--> parse_bytes
 *                            --JSON-----> documents --matches?--> parse_json
 *     batch --> duplicates folded, limits checked
 *
 * Several JSON values one after the other are JSON Lines: each is a document
 * of the same format, except for formats with `lines`, which get one array.
 */
#include "trace/format.h"

#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "text/inflate.h"
#include "trace/fmt.h"

const struct tj_format *const tj_formats[] = {
    &tj_fmt_otlp_pb,   &tj_fmt_otlp_json,  &tj_fmt_mlflow, &tj_fmt_jaeger,
    &tj_fmt_langfuse,  &tj_fmt_otel_spans, &tj_fmt_atif,   &tj_fmt_claude_code,
    &tj_fmt_swe_agent, &tj_fmt_span_tree,  &tj_fmt_chat,   NULL,
};

/* How many of a file's first lines are shown to a format with `lines`: a
 * session may begin with a summary or a queue entry. */
enum { LINES_LOOKED_AT_MAX = 16 };

const struct tj_format *tj_format_find(tj_str name)
{
    for (const struct tj_format *const *f = tj_formats; *f; f++) {
        if (tj_str_eq(name, tj_str_c((*f)->name)))
            return *f;
    }
    return NULL;
}

struct input {
    tj_str bytes;
    struct tj_arena *arena;
    struct tj_build *build;
    struct tj_batch *batch;
    const struct tj_format *format; /* NULL: not known yet */
    TJ_VEC(struct tj_json_doc) docs;
    TJ_VEC(tj_str) lines; /* the text of each document */
};

/* -- binary --------------------------------------------------------------- */

static const struct tj_format *find_binary(tj_str bytes)
{
    for (const struct tj_format *const *f = tj_formats; *f; f++) {
        if ((*f)->matches_bytes && (*f)->matches_bytes(bytes))
            return *f;
    }
    return NULL;
}

/* -- JSON documents ------------------------------------------------------- */

static size_t skip_blanks(tj_str s, size_t at)
{
    while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\n' ||
                          s.ptr[at] == '\r' || s.ptr[at] == '\t'))
        at++;
    return at;
}

/* "offset N: ..." of a part, as an offset of the whole. */
static bool fail_at(struct tj_err *err, size_t base, const struct tj_err *part)
{
    uint64_t offset = 0;
    tj_str rest = tj_str_c(part->message);
    if (base == 0 || !tj_str_starts(rest, TJ_STR("offset ")))
        return tj_fail(err, part->code, "%s", part->message);
    (void)tj_str_cut(&rest, ' ');
    if (!tj_str_to_u64(tj_str_cut(&rest, ':'), &offset))
        return tj_fail(err, part->code, "%s", part->message);
    return tj_fail(err, part->code, "offset %zu:%.*s", base + (size_t)offset,
                   TJ_STR_ARG(rest));
}

static bool read_documents(struct input *in, struct tj_err *err)
{
    size_t at = skip_blanks(in->bytes, 0);
    while (at < in->bytes.len) {
        struct tj_json_doc doc = {0};
        struct tj_err part = {0};
        size_t used = 0;
        tj_str rest = tj_str_slice(in->bytes, at, in->bytes.len);
        if (!tj_json_parse_prefix(rest, in->arena, &doc, &used, &part))
            return fail_at(err, at, &part);
        *tj_vec_add(&in->docs, in->arena) = doc;
        *tj_vec_add(&in->lines, in->arena) = tj_str_slice(rest, 0, used);
        at = skip_blanks(in->bytes, at + used);
    }
    return true;
}

static bool matches_documents(const struct tj_format *f, const struct input *in)
{
    if (!f->matches)
        return false;
    size_t count = f->lines ? tj_size_min(in->docs.count, LINES_LOOKED_AT_MAX)
                            : tj_size_min(in->docs.count, 1);
    for (size_t i = 0; i < count; i++) {
        if (f->matches(in->docs.items[i].root))
            return true;
    }
    return false;
}

/* What the file has instead, in a few words. */
static tj_str describe(const struct tj_json *v, struct tj_arena *a)
{
    if (!tj_json_is_object(v))
        return tj_str_printf(a, "%s %s", tj_json_is_array(v) || !v ? "an" : "a",
                             tj_json_type_name(tj_json_type(v)));
    struct tj_buf b;
    tj_buf_init(&b, a, 200);
    tj_buf_add(&b, TJ_STR("an object with"));
    struct tj_json_members m = tj_json_members(v);
    for (size_t n = 0; n < 6 && tj_json_member(&m); n++)
        tj_buf_fmt(&b, "%s \"%.*s\"", n ? "," : "",
                   TJ_STR_ARG(tj_str_slice(m.key, 0, 40)));
    if (tj_json_count(v) == 0)
        tj_buf_add(&b, TJ_STR(" no members"));
    return tj_buf_str(&b);
}

static bool fail_unknown(const struct input *in, size_t offset,
                         const struct tj_json *v, struct tj_err *err)
{
    struct tj_buf names;
    tj_buf_init(&names, in->arena, 256);
    for (const struct tj_format *const *f = tj_formats; *f; f++)
        tj_buf_fmt(&names, "%s%s", names.len ? ", " : "", (*f)->name);
    tj_str found = v ? describe(v, in->arena) : TJ_STR("no JSON");
    return tj_fail(err, TJ_E_INPUT,
                   "offset %zu: no known trace format: expected one of %.*s; "
                   "found %.*s",
                   offset, TJ_STR_ARG(tj_buf_str(&names)), TJ_STR_ARG(found));
}

static bool find_json_format(struct input *in, size_t offset,
                             struct tj_err *err)
{
    for (const struct tj_format *const *f = tj_formats; !in->format && *f;
         f++) {
        if (matches_documents(*f, in))
            in->format = *f;
    }
    assert(in->docs.count); /* a file with nothing in it was refused before */
    return in->format || fail_unknown(in, offset, in->docs.items[0].root, err);
}

/* -- parsing -------------------------------------------------------------- */

static void tell_source(struct input *in, const struct tj_json_doc *doc)
{
    tj_build_source(in->build,
                    doc->repaired ? TJ_TEXT_REPAIRED : TJ_TEXT_VALID);
}

/* The lines as items of one array. */
static bool parse_lines(struct input *in, struct tj_err *err)
{
    struct tj_buf b;
    tj_buf_init(&b, in->arena, SIZE_MAX);
    for (size_t i = 0; i < in->lines.count; i++) {
        tj_buf_byte(&b, i ? ',' : '[');
        tj_buf_add(&b, in->lines.items[i]);
    }
    tj_buf_byte(&b, ']');
    struct tj_json_doc doc;
    if (!tj_json_parse(tj_buf_str(&b), in->arena, &doc, err))
        return false;
    tell_source(in, &doc);
    return in->format->parse_json(doc.root, in->build, in->batch, err);
}

static bool parse_documents(struct input *in, struct tj_err *err)
{
    assert(in->format);
    bool is_array =
        in->docs.count == 1 && tj_json_is_array(in->docs.items[0].root);
    if (in->format->lines && !is_array)
        return parse_lines(in, err);
    for (size_t i = 0; i < in->docs.count; i++) {
        const struct tj_json_doc *doc = &in->docs.items[i];
        tell_source(in, doc);
        if (in->format->parse_json(doc->root, in->build, in->batch, err))
            continue;
        if (in->docs.count > 1)
            tj_err_wrap(err, "document %zu", i + 1);
        return false;
    }
    return true;
}

static bool parse_json_input(struct input *in, struct tj_err *err)
{
    size_t at = skip_blanks(in->bytes, 0);
    bool is_json = at < in->bytes.len &&
                   (in->bytes.ptr[at] == '{' || in->bytes.ptr[at] == '[' ||
                    tj_str_starts(in->bytes, TJ_STR("\xEF\xBB\xBF")));
    if (!is_json && !in->format)
        return fail_unknown(in, at, NULL, err);
    if (at == in->bytes.len)
        return tj_fail(err, TJ_E_INPUT, "offset %zu: expected a JSON value",
                       at);
    return read_documents(in, err) &&
           (in->format || find_json_format(in, at, err)) &&
           parse_documents(in, err);
}

/* -- the batch as a whole ------------------------------------------------- */

static bool same_fields(const struct tj_span *a, const struct tj_span *b)
{
    if (a->field_count != b->field_count)
        return false;
    for (size_t i = 0; i < a->field_count; i++) {
        const struct tj_field *f = &a->fields[i];
        const struct tj_field *g = &b->fields[i];
        if (f->type != g->type || !tj_str_eq(f->name, g->name) ||
            !tj_str_eq(f->text, g->text))
            return false;
    }
    return true;
}

/* Events' and links' texts are fields. */
static bool same_content(const struct tj_span *a, const struct tj_span *b)
{
    return tj_span_id_eq(a->parent_id, b->parent_id) && a->start == b->start &&
           a->end == b->end && a->kind == b->kind && a->status == b->status &&
           a->resource == b->resource && a->event_count == b->event_count &&
           a->link_count == b->link_count && same_fields(a, b);
}

struct span_key {
    tj_trace_id trace_id;
    tj_span_id span_id;
};

/* Of spans with the same id the last is kept, at its place. */
static void fold_duplicates(struct tj_batch *batch)
{
    struct tj_arena scratch = {0};
    size_t count = batch->spans.count;
    struct tj_span *spans = batch->spans.items;
    struct span_key *keys = tj_arena_array(&scratch, struct span_key, count);
    bool *gone = tj_arena_array(&scratch, bool, count);
    bool any = false;
    struct tj_map seen;
    tj_map_init(&seen, &scratch);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct span_key){spans[i].trace_id, spans[i].span_id};
        bool fresh = false;
        struct tj_map_entry *e = tj_map_add(
            &seen, tj_str_make((const char *)&keys[i], sizeof keys[i]), &fresh);
        if (!fresh) {
            const struct tj_span *old = &spans[e->number];
            if ((old->marks & TJ_MARK_DUPLICATE) ||
                !same_content(old, &spans[i]))
                spans[i].marks |= TJ_MARK_DUPLICATE;
            gone[e->number] = true;
            any = true;
        }
        e->number = i;
    }
    size_t kept = 0;
    for (size_t i = 0; any && i < count; i++) {
        if (!gone[i])
            spans[kept++] = spans[i];
    }
    if (any)
        batch->spans.count = kept;
    tj_arena_release(&scratch);
}

static bool check_trace_sizes(const struct tj_batch *batch, struct tj_err *err)
{
    if (batch->spans.count <= TJ_SPANS_PER_TRACE_MAX)
        return true;
    struct tj_arena scratch = {0};
    struct tj_map counts;
    tj_map_init(&counts, &scratch);
    bool ok = true;
    for (size_t i = 0; ok && i < batch->spans.count; i++) {
        const struct tj_span *s = &batch->spans.items[i];
        bool fresh = false;
        struct tj_map_entry *e = tj_map_add(
            &counts,
            tj_str_make((const char *)&s->trace_id, sizeof s->trace_id),
            &fresh);
        ok = ++e->number <= TJ_SPANS_PER_TRACE_MAX;
    }
    tj_arena_release(&scratch);
    return ok || tj_fail(err, TJ_E_LIMIT, "a trace has over %zu spans",
                         TJ_SPANS_PER_TRACE_MAX);
}

static size_t inflated_max(size_t gzip_bytes)
{
    size_t grown = 0;
    if (!tj_size_mul(gzip_bytes, TJ_IMPORT_GZIP_RATIO_MAX, &grown))
        return TJ_IMPORT_BYTES_MAX;
    grown = tj_size_max(grown, TJ_IMPORT_GZIP_BYTES_MIN);
    return tj_size_min(grown, TJ_IMPORT_BYTES_MAX);
}

bool tj_format_parse(const struct tj_format *format, tj_str bytes,
                     struct tj_arena *a, struct tj_batch *out,
                     const struct tj_format **used, struct tj_err *err)
{
    if (bytes.len > TJ_IMPORT_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "input is over %zu bytes",
                       TJ_IMPORT_BYTES_MAX);
    if (tj_is_gzip(bytes) &&
        !tj_inflate(bytes, inflated_max(bytes.len), a, &bytes, err))
        return false;
    struct tj_batch batch;
    tj_batch_init(&batch, a);
    struct input in = {.bytes = bytes,
                       .arena = a,
                       .build = tj_build_new(a, &batch),
                       .batch = &batch,
                       .format = format ? format : find_binary(bytes)};
    bool ok = in.format && in.format->parse_bytes
                  ? in.format->parse_bytes(bytes, in.build, &batch, err)
                  : parse_json_input(&in, err);
    if (!ok)
        return false;
    fold_duplicates(&batch);
    if (!check_trace_sizes(&batch, err))
        return false;
    *out = batch;
    if (used)
        *used = in.format;
    return true;
}
