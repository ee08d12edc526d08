/* fuzz_judge_answer.c - any bytes as a model's answer.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The first line is the value of the judge, in a judge file's words; the rest
 * is what the model said.
 */
#include <stdlib.h>

#include "judge/answer.h"
#include "judge/def_int.h"
#include "judge/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted obeys the schema, or is null. */
static void check(const struct tj_judge_def *def,
                  const struct tj_answer *answer, struct tj_arena *a)
{
    struct tj_json_doc schema, result;
    struct tj_err err = {0};
    tj_str why = {0};
    if (!tj_json_parse(def->value_schema, a, &schema, &err) ||
        !tj_json_parse(answer->result_json, a, &result, &err))
        abort();
    if (answer->result && !tj_schema_check(schema.root, result.root, a, &why))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc value = {0};
    struct tj_judge_def def;
    struct tj_answer answer = {0};
    tj_str why = {0};
    tj_str text = tj_str_make((const char *)data, size);
    tj_str line = tj_str_cut(&text, '\n');
    tj_judge_def_init(&def);
    if (tj_json_parse(line, &a, &value, &err) &&
        tj_judge_def_set_value(&def, value.root, &a, &err)) {
        (void)tj_answer_schema(&def, &a);
        if (tj_answer_parse(text, &def, &a, &answer, &why))
            check(&def, &answer, &a);
        else if (why.len == 0)
            abort();
    }
    tj_arena_release(&a);
    return 0;
}
