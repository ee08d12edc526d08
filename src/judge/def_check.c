/* def_check.c - MLflow's checks of a judge, in its order and words.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/def_int.h"

#include "base/buf.h"
#include "base/limits.h"
#include "llm/providers.h"
#include "text/template.h"

static const struct var_name {
    const char *name;
    enum tj_var bit;
} var_names[] = {
    {"inputs", TJ_VAR_INPUTS},
    {"outputs", TJ_VAR_OUTPUTS},
    {"trace", TJ_VAR_TRACE},
    {"expectations", TJ_VAR_EXPECTATIONS},
    {"conversation", TJ_VAR_CONVERSATION},
};

static unsigned var_bit(tj_str name)
{
    for (size_t i = 0; i < TJ_COUNT(var_names); i++) {
        if (tj_str_eq(name, tj_str_c(var_names[i].name)))
            return (unsigned)var_names[i].bit;
    }
    return 0;
}

/* Where the first variable called name stands. */
static size_t var_offset(tj_str text, tj_str name)
{
    struct tj_template_var var;
    size_t from = 0;
    while (tj_template_next(text, &from, &var)) {
        if (tj_str_eq(var.name, name))
            return var.offset;
    }
    return 0;
}

static bool refuse_unknown(const struct tj_judge_def *def, struct tj_arena *a,
                           size_t *offset, struct tj_err *err)
{
    struct tj_buf names;
    tj_buf_init(&names, a, 256);
    *offset = 0;
    for (size_t i = 0; i < def->var_count; i++) {
        if (var_bit(def->var_order[i]) != 0)
            continue;
        if (names.len == 0)
            *offset = var_offset(def->instructions, def->var_order[i]);
        tj_buf_fmt(&names, "%s'%.*s'", names.len == 0 ? "" : ", ",
                   TJ_STR_ARG(def->var_order[i]));
    }
    if (names.len == 0 && !names.full)
        return true;
    return tj_fail(err, TJ_E_INPUT,
                   "Instructions template contains unsupported variables: "
                   "{%.*s}. Only the following variables are allowed: inputs, "
                   "outputs, trace, expectations, conversation",
                   TJ_STR_ARG(tj_buf_str(&names)));
}

bool tj_judge_def_check(struct tj_judge_def *def, struct tj_arena *a,
                        size_t *offset, struct tj_err *err)
{
    *offset = 0;
    if (tj_str_trim(def->name).len == 0)
        return tj_fail(err, TJ_E_INPUT, "name must be a non-empty string");
    if (def->name.len > TJ_NAME_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "name is over %zu bytes",
                       TJ_NAME_BYTES_MAX);
    if (tj_str_trim(def->instructions).len == 0)
        return tj_fail(err, TJ_E_INPUT,
                       "instructions must be a non-empty string");
    def->var_count = tj_template_names(def->instructions, a, &def->var_order);
    if (!refuse_unknown(def, a, offset, err))
        return false;
    /* The form only, as MLflow does: which models there are is known to who
     * opens one, and the caller may well name another. */
    struct tj_model_uri uri;
    if (def->model.len > 0 && !tj_model_uri_parse(def->model, &uri, err)) {
        *offset = SIZE_MAX;
        return false;
    }
    def->vars = 0;
    for (size_t i = 0; i < def->var_count; i++)
        def->vars |= var_bit(def->var_order[i]);
    if (def->vars == 0)
        return tj_fail(err, TJ_E_INPUT,
                       "Instructions template must contain at least one "
                       "variable (e.g., {{ inputs }}, {{ outputs }}, "
                       "{{ trace }}, {{ expectations }}, or "
                       "{{ conversation }}).");
    unsigned beside = def->vars & ~(unsigned)TJ_VAR_EXPECTATIONS;
    if ((def->vars & TJ_VAR_CONVERSATION) && beside != TJ_VAR_CONVERSATION)
        return tj_fail(err, TJ_E_INPUT,
                       "Instructions template must not contain any template "
                       "variables other than {{ expectations }} if "
                       "{{ conversation }} is provided.");
    return true;
}
