/* template.h - {{ name }} in a judge's instructions.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Double braces, blanks allowed inside, names [A-Za-z_][A-Za-z0-9_]*, as
 * MLflow's prompts have it.  A text without a closing pair is plain text.
 */
#ifndef TJ_TEXT_TEMPLATE_H
#define TJ_TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* The next variable at or after *from: its name, and [offset, offset + len)
 * of the whole {{ ... }}.  Moves *from behind it. */
struct tj_template_var {
    tj_str name;
    size_t offset;
    size_t len;
};
bool tj_template_next(tj_str text, size_t *from, struct tj_template_var *out);

/* Distinct names in order of first appearance. */
size_t tj_template_names(tj_str text, struct tj_arena *a, tj_str **out);

#endif
