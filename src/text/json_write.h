/* json_write.h - JSON out: a streaming writer that places its own commas.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     struct tj_json_writer w;
 *     tj_json_writer_init(&w, &buf, TJ_JSON_COMPACT);
 *     tj_jw_object(&w);
 *       tj_jw_key(&w, TJ_STR("trace_id")); tj_jw_str(&w, id);
 *       tj_jw_key(&w, TJ_STR("spans"));    tj_jw_array(&w); ... tj_jw_end(&w);
 *     tj_jw_end(&w);
 *     if (!tj_buf_ok(&buf, "reply", err)) ...
 *
 *  1. Always valid JSON and valid UTF-8 (bad bytes become U+FFFD), whatever
 *     goes in; NaN and infinities are written as null in strict forms.
 *  2. A key without a value, or an end too many, is a bug (assert).
 *  3. Overflow latches in the buffer: ask tj_buf_ok once.
 *  4. Doubles use the shortest text that reads back the same ("0.1", "1.0").
 *  5. Non-ASCII text is written as UTF-8, not as \u escapes; U+007F and
 *     C0 controls are escaped.
 * Threads: one at a time.
 */
#ifndef TJ_TEXT_JSON_WRITE_H
#define TJ_TEXT_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "text/json.h"

enum tj_json_form {
    TJ_JSON_COMPACT, /* {"a":1,"b":[2,3]} */
    TJ_JSON_PRETTY,  /* two-space indent */
    TJ_JSON_SPACED,  /* {"a": 1, "b": [2, 3]}, as Python's json.dumps */
    TJ_JSON_PYTHON,  /* the same, and NaN and infinities of a tree as NaN,
                        Infinity, which Python's json.loads reads back */
};

/* Deeper than anything that was read (TJ_JSON_DEPTH_MAX) plus what we wrap. */
enum { TJ_JSON_WRITE_DEPTH_MAX = 1024 };

struct tj_json_writer {
    struct tj_buf *out;
    enum tj_json_form form;
    size_t depth;
    uint8_t stack[TJ_JSON_WRITE_DEPTH_MAX / 8]; /* bit: object */
    bool has_item;                              /* a comma is due */
    bool has_key;                               /* a value is due */
};

void tj_json_writer_init(struct tj_json_writer *w, struct tj_buf *out,
                         enum tj_json_form form);
void tj_jw_object(struct tj_json_writer *w);
void tj_jw_array(struct tj_json_writer *w);
void tj_jw_end(struct tj_json_writer *w);
void tj_jw_key(struct tj_json_writer *w, tj_str key);
void tj_jw_str(struct tj_json_writer *w, tj_str value);
void tj_jw_bool(struct tj_json_writer *w, bool value);
void tj_jw_null(struct tj_json_writer *w);
void tj_jw_i64(struct tj_json_writer *w, int64_t value);
void tj_jw_u64(struct tj_json_writer *w, uint64_t value);
void tj_jw_double(struct tj_json_writer *w, double value);
/* A value of a parsed tree; numbers keep their source text where it is valid
 * JSON. */
void tj_jw_value(struct tj_json_writer *w, const struct tj_json *v);
/* text is already one valid JSON value: it is put in as it is. */
void tj_jw_raw(struct tj_json_writer *w, tj_str text);

/* key and value in one, for the many flat members there are. */
void tj_jw_key_str(struct tj_json_writer *w, const char *key, tj_str value);
void tj_jw_key_u64(struct tj_json_writer *w, const char *key, uint64_t value);
void tj_jw_key_i64(struct tj_json_writer *w, const char *key, int64_t value);
void tj_jw_key_bool(struct tj_json_writer *w, const char *key, bool value);
void tj_jw_key_double(struct tj_json_writer *w, const char *key, double value);

/* Only the escaped inside of a JSON string, without the quotes. */
void tj_json_escape(struct tj_buf *out, tj_str text);
/* One value to text. */
void tj_json_write(struct tj_buf *out, const struct tj_json *v,
                   enum tj_json_form form);

#endif
