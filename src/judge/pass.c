/* pass.c - does a value pass?
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/pass.h"

enum op { OP_NONE, OP_LT, OP_LE, OP_GT, OP_GE };

static enum op read_comparison(tj_str text, double *bound)
{
    text = tj_str_trim(text);
    bool or_equal = text.len > 1 && text.ptr[1] == '=';
    tj_str number = tj_str_trim(tj_str_slice(text, or_equal ? 2 : 1, text.len));
    if (text.len < 2 || !tj_str_to_double(number, bound))
        return OP_NONE;
    if (text.ptr[0] == '<')
        return or_equal ? OP_LE : OP_LT;
    if (text.ptr[0] == '>')
        return or_equal ? OP_GE : OP_GT;
    return OP_NONE;
}

bool tj_pass_is_comparison(tj_str text)
{
    double bound = 0;
    return read_comparison(text, &bound) != OP_NONE;
}

static bool compares(tj_str text, double number)
{
    double bound = 0;
    switch (read_comparison(text, &bound)) {
    case OP_LT: return number < bound;
    case OP_LE: return number <= bound;
    case OP_GT: return number > bound;
    case OP_GE: return number >= bound;
    case OP_NONE: return false;
    }
    return false;
}

enum tj_passed tj_pass_decide(const struct tj_judge_def *def,
                              const struct tj_json *value, struct tj_arena *a)
{
    if (!def->has_pass)
        return TJ_PASSED_NULL;
    double number = 0;
    bool is_number = tj_json_is_number(value) && tj_json_double(value, &number);
    for (size_t i = 0; i < def->pass_count; i++) {
        struct tj_json_doc want;
        struct tj_err ignored = {0};
        if (!tj_json_parse(def->pass[i], a, &want, &ignored))
            continue;
        if (tj_json_eq(want.root, value))
            return TJ_PASSED_TRUE;
        if (is_number && tj_json_is_string(want.root) &&
            compares(tj_json_str(want.root), number))
            return TJ_PASSED_TRUE;
    }
    return TJ_PASSED_FALSE;
}
