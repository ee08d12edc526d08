/* parsed_test.h - what the tests of agent formats share: parse text, look at it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TESTS_PARSED_TEST_H
#define TJ_TESTS_PARSED_TEST_H

#include "test.h"

#include "trace/format.h"

struct parsed {
    struct tj_arena a;
    struct tj_batch batch;
    struct tj_err err;
    const struct tj_format *used;
};

static inline void parsed_free(struct parsed *p)
{
    tj_arena_release(&p->a);
}

/* By content; what must be read as `format`. */
static inline void parse_ok(struct parsed *p, const char *format,
                            const char *text)
{
    *p = (struct parsed){0};
    assert_ok(tj_format_parse(NULL, tj_str_c(text), &p->a, &p->batch, &p->used,
                              &p->err),
              p->err);
    assert_string_equal(p->used->name, format);
}

/* Span number i of those called name. */
static inline struct tj_span *span_named(struct parsed *p, const char *name,
                                         size_t i)
{
    for (size_t n = 0; n < p->batch.spans.count; n++) {
        struct tj_span *s = &p->batch.spans.items[n];
        if (tj_str_eq(s->name, tj_str_c(name)) && i-- == 0)
            return s;
    }
    fail_msg("no span named %s", name);
    abort();
}

static inline tj_str field_text(const struct tj_span *s, const char *name)
{
    int32_t at = tj_span_find_field(s, tj_str_c(name));
    return at < 0 ? tj_str_c(NULL) : tj_span_text_field(s, (size_t)at)->text;
}

#define assert_field(span, name, literal)                                      \
    assert_str_eq(field_text((span), (name)), (literal))

static inline void assert_child(const struct tj_span *child,
                                const struct tj_span *parent)
{
    assert_true(tj_span_id_eq(child->parent_id, parent->span_id));
}

static inline void assert_has(tj_str text, const char *part)
{
    if (tj_str_find(text, tj_str_c(part)) == (size_t)-1)
        fail_msg("\"%.*s\" lacks \"%s\"", TJ_STR_ARG(text), part);
}

static inline void assert_lacks(tj_str text, const char *part)
{
    if (tj_str_find(text, tj_str_c(part)) != (size_t)-1)
        fail_msg("\"%.*s\" has \"%s\"", TJ_STR_ARG(text), part);
}

static inline const struct tj_assessment *label_named(const struct parsed *p,
                                                      const char *name)
{
    tj_vec_each (&p->batch.assessments, struct tj_assessment, as) {
        if (tj_str_eq(as->name, tj_str_c(name)))
            return as;
    }
    fail_msg("no assessment named %s", name);
    abort();
}

/* No two spans of the batch have the same id. */
static inline void assert_ids_differ(const struct parsed *p)
{
    for (size_t i = 0; i < p->batch.spans.count; i++) {
        for (size_t k = 0; k < i; k++)
            assert_false(tj_trace_id_eq(p->batch.spans.items[i].trace_id,
                                        p->batch.spans.items[k].trace_id) &&
                         tj_span_id_eq(p->batch.spans.items[i].span_id,
                                       p->batch.spans.items[k].span_id));
    }
}

#endif
