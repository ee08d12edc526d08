/* python_json.h - JSON exactly as Python's json.dumps writes it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * MLflow takes digests of such text, so it has to be the same byte for byte:
 * ASCII only, "\u00e9" and surrogate pairs for the rest, ", " and ": "
 * between, floats by repr (1e-05, 1e+16, 0.1), whole numbers of any size as
 * they are, NaN and Infinity as words; of equal keys the last one counts, and
 * stands where the first one stood.
 * Threads: any; pure.
 */
#ifndef TJ_SERVE_PYTHON_JSON_H
#define TJ_SERVE_PYTHON_JSON_H

#include "base/buf.h"
#include "text/json.h"

enum tj_python_flags {
    TJ_PYTHON_SORTED = 1 << 0,  /* sort_keys=True */
    TJ_PYTHON_COMPACT = 1 << 1, /* separators=(",", ":") */
};

/* v NULL: null. */
void tj_python_json(struct tj_buf *out, const struct tj_json *v,
                    unsigned flags);
/* The same of one string, with its quotes. */
void tj_python_str(struct tj_buf *out, tj_str text);
/* float.__repr__, and the words that json.dumps has for what is no number. */
void tj_python_float(struct tj_buf *out, double value);

#endif
