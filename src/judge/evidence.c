/* evidence.c - is the quote in the field?
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/evidence.h"

#include "base/limits.h"
#include "store/store.h"

/* Enough that a usual field is one piece; a quote may lie across two. */
#define PIECE_BYTES ((uint64_t)262144)
/* How far a failed quote is sought elsewhere in its span, for the message. */
#define HINT_BYTES_MAX ((uint64_t)4194304)

enum { PREFIX_DIGITS_MIN = 8, CUTS_MAX = 16 };

/* -- which span ----------------------------------------------------------- */

static tj_str bare_id(tj_str id)
{
    id = tj_str_trim(id);
    if (tj_str_starts(id, TJ_STR("tr-")) || tj_str_starts(id, TJ_STR("sp-")))
        return tj_str_slice(id, 3, id.len);
    if (tj_str_starts(id, TJ_STR("0x")))
        return tj_str_slice(id, 2, id.len);
    return id;
}

/* -1 and *why when there is no such span, or more than one. */
static int32_t find_span(const struct tj_trace *trace, tj_str id,
                         struct tj_arena *a, tj_str *why)
{
    tj_str digits = bare_id(id);
    tj_span_id whole;
    if (tj_span_id_parse(digits, &whole)) {
        int32_t span = tj_trace_find_span(trace, whole);
        if (span < 0)
            *why = TJ_STR("no span has this id");
        return span;
    }
    *why = tj_str_printf(a, "a span id has %d digits", TJ_SPAN_ID_DIGITS);
    if (digits.len < PREFIX_DIGITS_MIN || digits.len > TJ_SPAN_ID_DIGITS)
        return -1;
    *why = TJ_STR("no span has this id");
    int32_t found = -1;
    for (size_t i = 0; i < trace->span_count; i++) {
        tj_str text = tj_span_id_text(a, trace->spans[i].span_id);
        if (!tj_str_eq_fold(tj_str_slice(text, 0, digits.len), digits))
            continue;
        if (found >= 0) {
            *why = TJ_STR("several spans have ids that begin so");
            return -1;
        }
        found = (int32_t)i;
    }
    return found;
}

/* -- which field ---------------------------------------------------------- */

static const struct alias {
    tj_str said;
    tj_str name;
} aliases[] = {
    {TJ_STR_INIT("inputs"), TJ_STR_INIT("input")},
    {TJ_STR_INIT("outputs"), TJ_STR_INIT("output")},
    {TJ_STR_INIT("exception"), TJ_STR_INIT("error")},
    {TJ_STR_INIT("span_name"), TJ_STR_INIT("name")},
};

static int32_t find_named(const struct tj_span *span, tj_str name,
                          struct tj_arena *a)
{
    int32_t field = tj_span_find_field(span, name);
    if (field >= 0 || name.len > TJ_NAME_BYTES_MAX)
        return field;
    for (size_t i = 0; i < TJ_COUNT(aliases); i++) {
        if (tj_str_eq(name, aliases[i].said))
            return tj_span_find_field(span, aliases[i].name);
    }
    return tj_span_find_field(
        span, tj_str_printf(a, "attributes.%.*s", TJ_STR_ARG(name)));
}

/* The field called name, or else the one that name is a place inside. */
static int32_t find_field(const struct tj_span *span, tj_str name,
                          struct tj_arena *a)
{
    name = tj_str_trim(name);
    if (name.len == 0 || name.len > 2 * TJ_NAME_BYTES_MAX)
        return -1;
    int32_t field = find_named(span, name, a);
    int cuts = 0;
    for (size_t len = name.len - 1; len > 0; len--) {
        if (field >= 0 || cuts == CUTS_MAX)
            break;
        if (name.ptr[len] != '.' && name.ptr[len] != '[')
            continue;
        cuts++;
        field = find_named(span, tj_str_slice(name, 0, len), a);
    }
    return field;
}

/* -- looking -------------------------------------------------------------- */

static bool seek(struct tj_trace *trace, size_t span, size_t field,
                 tj_str quote, uint64_t *offset, struct tj_err *err)
{
    uint64_t size = trace->spans[span].fields[field].text.len;
    uint64_t step = PIECE_BYTES - TJ_QUOTE_BYTES_MAX;
    *offset = UINT64_MAX;
    for (uint64_t at = 0; at < size; at += step) {
        tj_str piece = {0};
        if (!tj_store_read_field(trace, span, field, at, PIECE_BYTES, &piece,
                                 err))
            return false;
        size_t hit = tj_str_find(piece, quote);
        if (hit != (size_t)-1) {
            *offset = at + hit;
            return true;
        }
        if (at + PIECE_BYTES >= size)
            break;
    }
    return true;
}

/* Do the two names stand for one text? */
static bool is_shared(const struct tj_span *span, size_t a, size_t b)
{
    return tj_span_text_field(span, a) == tj_span_text_field(span, b);
}

/* "output" rather than the attribute that it is. */
static tj_str short_name(const struct tj_span *span, size_t field)
{
    tj_str name = span->fields[field].name;
    for (size_t i = 0; i < span->field_count; i++) {
        if (is_shared(span, i, field) && span->fields[i].name.len < name.len)
            name = span->fields[i].name;
    }
    return name;
}

/* Says in which other field of the span the quote stands, if in one. */
static bool hint(struct tj_trace *trace, size_t span, size_t field,
                 struct tj_evidence *e, struct tj_arena *a, struct tj_err *err)
{
    const struct tj_span *s = &trace->spans[span];
    tj_str said = s->fields[field].name;
    uint64_t room = HINT_BYTES_MAX;
    e->why_not =
        tj_str_printf(a, "these bytes are not in %.*s", TJ_STR_ARG(said));
    for (size_t i = 0; i < s->field_count; i++) {
        uint64_t size = s->fields[i].text.len;
        uint64_t offset = UINT64_MAX;
        if (size > room || is_shared(s, i, field))
            continue;
        room -= size;
        if (!seek(trace, span, i, e->quote, &offset, err))
            return false;
        if (offset == UINT64_MAX)
            continue;
        e->why_not =
            tj_str_printf(a, "found in %.*s, not in %.*s",
                          TJ_STR_ARG(short_name(s, i)), TJ_STR_ARG(said));
        break;
    }
    return true;
}

static bool check_one(struct tj_trace *trace, struct tj_evidence *e,
                      struct tj_arena *a, struct tj_err *err)
{
    e->verified = false;
    e->quote = tj_str_trim(e->quote);
    e->len = e->quote.len;
    if (e->quote.len < TJ_QUOTE_BYTES_MIN) {
        e->why_not =
            tj_str_printf(a, "shorter than %d bytes", TJ_QUOTE_BYTES_MIN);
        return true;
    }
    if (e->quote.len > TJ_QUOTE_BYTES_MAX) {
        e->why_not =
            tj_str_printf(a, "longer than %zu bytes", TJ_QUOTE_BYTES_MAX);
        return true;
    }
    int32_t span = find_span(trace, e->span_id, a, &e->why_not);
    if (span < 0)
        return true;
    if (!tj_store_load_fields(trace, (size_t)span, err))
        return false;
    const struct tj_span *s = &trace->spans[span];
    int32_t field = find_field(s, e->field, a);
    if (field < 0) {
        e->why_not = TJ_STR("the span has no such field");
        return true;
    }
    uint64_t offset = UINT64_MAX;
    if (!seek(trace, (size_t)span, (size_t)field, e->quote, &offset, err))
        return false;
    if (offset == UINT64_MAX)
        return hint(trace, (size_t)span, (size_t)field, e, a, err);
    e->span_id = tj_span_id_text(a, s->span_id);
    e->field = s->fields[field].name;
    e->offset = offset;
    e->verified = true;
    e->why_not = TJ_STR("");
    return true;
}

bool tj_evidence_check(struct tj_trace *trace, struct tj_evidence *items,
                       size_t count, struct tj_arena *a, struct tj_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!trace) {
            items[i].verified = false;
            items[i].why_not = TJ_STR("there is no trace to look it up in");
        } else if (!check_one(trace, &items[i], a, err)) {
            return tj_err_wrap(err, "evidence %zu", i);
        }
    }
    return true;
}

size_t tj_evidence_verified(const struct tj_evidence *items, size_t count)
{
    size_t verified = 0;
    for (size_t i = 0; i < count; i++)
        verified += items[i].verified;
    return verified;
}
