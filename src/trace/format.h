/* format.h - the input formats: one table, found by content or by name.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     bytes --(gzip?)--> detect --> parse --> batch
 *
 *  1. A parser is pure: bytes to a batch in an arena; nothing is stored unless
 *     the whole file parsed.
 *  2. Detection looks at content, never at a file name, and never guesses
 *     between two: the table's order is part of the contract and tested.
 *  3. JSON Lines (one document a line) is accepted for every JSON format; its
 *     first document decides which.  A format with `lines` gets them as one
 *     array and is asked about each of the first few, since a session may
 *     begin with something else.
 *  4. TJ_E_INPUT "offset N: ..." says where and what was expected.
 *  5. Of spans that arrive twice the last is kept; a difference is marked.
 * Threads: any.
 */
#ifndef TJ_TRACE_FORMAT_H
#define TJ_TRACE_FORMAT_H

#include "trace/build.h"
#include "trace/trace.h"

/* One member of the family.  A JSON format is handed its document. */
struct tj_format {
    const char *name; /* for --format, kebab-case */
    const char *help; /* one line: what writes it */
    /* Is this it?  NULL for formats that only `--format` selects. */
    bool (*matches)(const struct tj_json *doc);
    /* A JSON format parses one document (all lines of a JSON Lines file come
     * as one array when `lines` is set). */
    bool (*parse_json)(const struct tj_json *doc, struct tj_build *b,
                       struct tj_batch *batch, struct tj_err *err);
    /* A binary format parses bytes. */
    bool (*matches_bytes)(tj_str bytes);
    bool (*parse_bytes)(tj_str bytes, struct tj_build *b,
                        struct tj_batch *batch, struct tj_err *err);
    bool lines; /* wants a whole JSON Lines file at once (sessions) */
};

/* NULL-terminated, in order of detection. */
extern const struct tj_format *const tj_formats[];
const struct tj_format *tj_format_find(tj_str name);

/* bytes may be gzip.  format NULL: by content.  *used says which it was.
 * bytes must outlive the batch. */
bool tj_format_parse(const struct tj_format *format, tj_str bytes,
                     struct tj_arena *a, struct tj_batch *out,
                     const struct tj_format **used, struct tj_err *err)
    TJ_MUST_USE;

#endif
