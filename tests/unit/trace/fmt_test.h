/* fmt_test.h - what the tests of input formats share.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TESTS_FMT_TEST_H
#define TJ_TESTS_FMT_TEST_H

#include "test.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "trace/format.h"

struct fmt_test {
    struct tj_arena arena;
    struct tj_batch batch;
};

static inline void fmt_test_release(struct fmt_test *t)
{
    tj_arena_release(&t->arena);
}

/* Parses by content; the format must be the one called name. */
static inline const struct tj_batch *parse_ok(struct fmt_test *t, tj_str bytes,
                                              const char *name)
{
    struct tj_err err = {0};
    const struct tj_format *used = NULL;
    assert_ok(tj_format_parse(NULL, bytes, &t->arena, &t->batch, &used, &err),
              err);
    assert_string_equal(used->name, name);
    return &t->batch;
}

static inline void parse_fails(struct fmt_test *t, tj_str bytes,
                               const char *part)
{
    struct tj_err err = {0};
    const struct tj_format *used = NULL;
    assert_fails(
        tj_format_parse(NULL, bytes, &t->arena, &t->batch, &used, &err), err,
        TJ_E_INPUT, part);
}

#define assert_field(span, field, want_type, want)                             \
    do {                                                                       \
        int32_t field_at = tj_span_find_field((span), tj_str_c(field));        \
        if (field_at < 0)                                                      \
            fail_msg("no field %s", (field));                                  \
        assert_int_equal((span)->fields[field_at].type, (want_type));          \
        assert_str_eq((span)->fields[field_at].text, (want));                  \
    } while (0)

/* text with every `from` replaced. */
static inline tj_str replaced(struct fmt_test *t, tj_str text, const char *from,
                              const char *to)
{
    struct tj_buf b;
    tj_buf_init(&b, &t->arena, SIZE_MAX);
    for (;;) {
        size_t at = tj_str_find(text, tj_str_c(from));
        if (at == (size_t)-1)
            break;
        tj_buf_add(&b, tj_str_slice(text, 0, at));
        tj_buf_add(&b, tj_str_c(to));
        text = tj_str_slice(text, at + strlen(from), text.len);
    }
    tj_buf_add(&b, text);
    return tj_buf_str(&b);
}

/* A file below the folder of real traces; ptr NULL when that is absent. */
static inline tj_str shared_file(struct fmt_test *t, const char *path)
{
    const char *shared = TJ_TEST_SHARED();
    tj_str bytes = {0};
    if (!shared) {
        print_message("# no shared traces: %s not checked\n", path);
        return bytes;
    }
    struct tj_err err = {0};
    tj_str full = tj_str_printf(&t->arena, "%s/traces/%s", shared, path);
    assert_ok(
        tj_file_read(full.ptr, TJ_IMPORT_BYTES_MAX, &t->arena, &bytes, &err),
        err);
    return bytes;
}

#endif
