/* fuzz_json.c - hostile JSON: read, walk, write, read again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>

#include "text/json_write.h"
#include "text/plain.h"
#include "text/utf8.h"
#include "trace/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_BYTES_MAX = 64 << 20 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* What is written can be read, in every form, and is text. */
static void check_written(const struct tj_json *v, struct tj_arena *a)
{
    static const enum tj_json_form forms[] = {TJ_JSON_COMPACT, TJ_JSON_PRETTY,
                                              TJ_JSON_SPACED};
    for (size_t i = 0; i < TJ_COUNT(forms); i++) {
        struct tj_buf out;
        struct tj_json_doc again = {0};
        struct tj_err err = {0};
        tj_buf_init(&out, a, OUT_BYTES_MAX);
        tj_json_write(&out, v, forms[i]);
        must(tj_utf8_valid(tj_buf_str(&out)) == out.len);
        must(tj_json_parse(tj_buf_str(&out), a, &again, &err));
        must(!again.repaired);
    }
}

/* Plain text loses nothing, NaN included. */
static void check_plain(const struct tj_json *v, struct tj_arena *a)
{
    struct tj_buf out;
    struct tj_json_doc again = {0};
    struct tj_err err = {0};
    tj_buf_init(&out, a, OUT_BYTES_MAX);
    tj_plain_write_inner(&out, v);
    must(tj_utf8_valid(tj_buf_str(&out)) == out.len);
    must(tj_plain_parse(tj_buf_str(&out), a, &again, &err));
    must(tj_json_eq(v, again.root));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    tj_parts parts = {0};
    tj_str text = tj_str_make((const char *)data, size);
    size_t used = 0;
    bool whole = tj_json_parse(text, &a, &doc, &err);
    bool prefix = tj_json_parse_prefix(text, &a, &doc, &used, &err);
    must(prefix || !whole);
    must(used <= size);
    if (prefix) {
        double number = 0;
        int64_t integer = 0;
        (void)tj_json_double(doc.root, &number);
        (void)tj_json_i64(doc.root, &integer);
        check_written(doc.root, &a);
        check_plain(doc.root, &a);
        (void)tj_messages_read(doc.root, TJ_STR("user"), &a, &parts);
    }
    struct tj_buf shown;
    tj_buf_init(&shown, &a, OUT_BYTES_MAX);
    tj_utf8_put_safe(&shown, text, TJ_BREAKS_FOLD);
    must(tj_utf8_valid(tj_buf_str(&shown)) == shown.len);
    must(tj_utf8_columns(tj_buf_str(&shown)) <= 2 * shown.len);
    tj_str fixed = tj_utf8_repair(&a, text);
    must(tj_utf8_valid(fixed) == fixed.len);
    tj_arena_release(&a);
    return 0;
}
