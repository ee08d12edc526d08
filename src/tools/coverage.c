/* coverage.c - the ledger of what a judge has read.
 * SPDX-License-Identifier: Apache-2.0
 *
 * span -> the fields that were touched -> sorted disjoint ranges.  A judge
 * reads a field in a few pages, so the lists are short and linear search is
 * what is wanted.
 */
#include "tools/coverage.h"

struct range {
    uint64_t begin;
    uint64_t end;
};

struct field_ranges {
    size_t field;
    TJ_VEC(struct range) ranges;
};

struct span_ranges {
    bool listed;
    bool read;
    TJ_VEC(struct field_ranges) fields;
};

struct tj_coverage {
    struct tj_arena *arena;
    struct span_ranges *spans;
    size_t span_count;
};

struct tj_coverage *tj_coverage_new(struct tj_arena *a, size_t span_count)
{
    struct tj_coverage *c = tj_arena_new(a, struct tj_coverage);
    c->arena = a;
    c->span_count = span_count;
    c->spans = tj_arena_array(a, struct span_ranges, span_count);
    return c;
}

void tj_coverage_add_span(struct tj_coverage *c, size_t span)
{
    assert(span < c->span_count);
    c->spans[span].listed = true;
}

static struct field_ranges *field_of(struct tj_coverage *c,
                                     struct span_ranges *s, size_t field)
{
    tj_vec_each (&s->fields, struct field_ranges, it) {
        if (it->field == field)
            return it;
    }
    struct field_ranges *f = tj_vec_add(&s->fields, c->arena);
    f->field = field;
    return f;
}

/* Puts r in its place and swallows every range that it touches. */
static void merge(struct field_ranges *f, struct tj_arena *a, struct range r)
{
    size_t first = 0;
    while (first < f->ranges.count && f->ranges.items[first].end < r.begin)
        first++;
    size_t last = first;
    for (; last < f->ranges.count && f->ranges.items[last].begin <= r.end;
         last++) {
        struct range old = f->ranges.items[last];
        r.begin = old.begin < r.begin ? old.begin : r.begin;
        r.end = old.end > r.end ? old.end : r.end;
    }
    if (last == first)
        (void)tj_vec_add(&f->ranges, a);
    struct range *items = f->ranges.items;
    size_t tail = f->ranges.count - (last == first ? last + 1 : last);
    memmove(items + first + 1, items + last, tail * sizeof *items);
    items[first] = r;
    f->ranges.count = first + 1 + tail;
}

void tj_coverage_add(struct tj_coverage *c, const struct tj_span *head,
                     size_t span, size_t field, uint64_t offset, uint64_t len)
{
    assert(span < c->span_count);
    assert(field < head->field_count);
    const struct tj_field *owner = tj_span_text_field(head, field);
    uint64_t size = owner->text.len;
    struct span_ranges *s = &c->spans[span];
    s->read = true;
    if (offset >= size || !len)
        return;
    uint64_t end = len < size - offset ? offset + len : size;
    struct field_ranges *f = field_of(c, s, (size_t)(owner - head->fields));
    merge(f, c->arena, (struct range){.begin = offset, .end = end});
}

struct tj_coverage_sum tj_coverage_sum(const struct tj_coverage *c,
                                       const struct tj_trace *trace)
{
    struct tj_coverage_sum sum = {.spans_total = trace->span_count};
    for (size_t i = 0; i < trace->span_count; i++)
        sum.bytes_total += trace->spans[i].text_bytes;
    for (size_t i = 0; i < c->span_count; i++) {
        const struct span_ranges *s = &c->spans[i];
        sum.spans_listed += s->listed || s->read;
        sum.spans_read += s->read;
        tj_vec_each (&s->fields, struct field_ranges, f) {
            tj_vec_each (&f->ranges, struct range, r)
                sum.bytes_read += r->end - r->begin;
        }
    }
    return sum;
}
