/* yaml.h - YAML in: judge files and settings, as a JSON tree.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The door to libyaml.  The result is a struct tj_json tree, so the rest of
 * the program knows one kind of value.
 *  1. Plain scalars get YAML 1.2 core types: null/~, true/false, integers,
 *     floats; everything else, and everything quoted, is a string.  ("no" and
 *     "on" are strings: the Norway problem is not ours.)
 *  2. Aliases, merge keys, tags and several documents are refused; nesting is
 *     capped by TJ_YAML_DEPTH_MAX; duplicate keys are refused.
 *  3. Errors say "line N, column M: ...", counted from first_line, so that
 *     front matter can report lines of its file.
 */
#ifndef TJ_TEXT_YAML_H
#define TJ_TEXT_YAML_H

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json.h"

bool tj_yaml_parse(tj_str text, size_t first_line, struct tj_arena *a,
                   struct tj_json_doc *out, struct tj_err *err) TJ_MUST_USE;
/* The line in the source on which the value at path (tj_json_at) starts, or
 * first_line when there is none: for messages about well-formed but wrong
 * files. */
size_t tj_yaml_line(tj_str text, size_t first_line, const char *path);

#endif
