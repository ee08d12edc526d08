/* span.c - names of what a span has, and finding a field in it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace/span.h"

static const char *const kind_names[] = {
#define X(name) #name,
    TJ_KINDS(X)
#undef X
};

const char *tj_kind_name(enum tj_kind kind)
{
    assert((size_t)kind < TJ_COUNT(kind_names));
    return kind_names[kind];
}

bool tj_kind_parse(tj_str text, enum tj_kind *out)
{
    for (size_t i = 0; i < TJ_COUNT(kind_names); i++) {
        if (tj_str_eq_fold(text, tj_str_c(kind_names[i]))) {
            *out = (enum tj_kind)i;
            return true;
        }
    }
    return false;
}

const char *tj_status_name(enum tj_status status)
{
    switch (status) {
    case TJ_STATUS_UNSET: return "UNSET";
    case TJ_STATUS_OK: return "OK";
    case TJ_STATUS_ERROR: return "ERROR";
    }
    return "UNSET";
}

const char *tj_mark_name(enum tj_mark bit)
{
    switch (bit) {
    case TJ_MARK_BIT_ORPHAN: return "orphan";
    case TJ_MARK_BIT_CYCLE: return "cycle";
    case TJ_MARK_BIT_DUPLICATE: return "duplicate";
    case TJ_MARK_BIT_NO_START: return "no_start";
    case TJ_MARK_BIT_UNFINISHED: return "unfinished";
    case TJ_MARK_BIT_BACKWARDS: return "backwards";
    case TJ_MARK_BIT_BAD_TEXT: return "bad_text";
    case TJ_MARK_BIT_ID_DERIVED: return "id_derived";
    case TJ_MARK_BIT_CLIPPED: return "clipped";
    case TJ_MARK_BIT_TIME_GUESSED: return "time_guessed";
    case TJ_MARK_COUNT: break;
    }
    return "";
}

const char *tj_mark_text(enum tj_mark bit)
{
    static const char *const texts[] = {
#define X(name, text) text,
        TJ_MARKS(X)
#undef X
    };
    assert((size_t)bit < TJ_COUNT(texts));
    return texts[bit];
}

const char *tj_normal_name(enum tj_normal which)
{
    static const char *const names[] = {
#define X(name, text) text,
        TJ_NORMALS(X)
#undef X
    };
    assert((size_t)which < TJ_COUNT(names));
    return names[which];
}

uint64_t tj_span_duration_ns(const struct tj_span *span)
{
    bool known = span->start && span->end > span->start;
    return known ? span->end - span->start : 0;
}

int32_t tj_span_find_field(const struct tj_span *span, tj_str name)
{
    for (size_t i = 0; i < span->field_count; i++) {
        if (tj_str_eq(span->fields[i].name, name))
            return (int32_t)i;
    }
    return TJ_NO_FIELD;
}

const struct tj_field *tj_span_text_field(const struct tj_span *span,
                                          size_t field)
{
    assert(field < span->field_count);
    const struct tj_field *f = &span->fields[field];
    /* Sharing is one level deep (span.h, 3). */
    if (f->same_as >= 0 && (size_t)f->same_as < span->field_count)
        f = &span->fields[f->same_as];
    return f;
}
