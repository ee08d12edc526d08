/* cmd_doctor.c - tracejudge doctor: what works here and what is missing.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"

static int run_doctor(const struct args *args)
{
    struct tj_error err = {0};
    struct tj_text text = {0};
    bool healthy = false;
    enum tj_form form = args_has(args, "json") ? TJ_FORM_JSON : TJ_FORM_TABLE;
    if (!tj_doctor(args_value(args, "store"), form, &text, &healthy, &err))
        return complain_error(&err);
    print_text(&text);
    tj_text_free(&text);
    return healthy ? EXIT_DONE : EXIT_FAILED;
}

static const struct option_spec options[] = {{NULL, 0, NULL, NULL, false}};

const struct command command_doctor = {
    .name = "doctor",
    .summary = "check this installation, the store and the keys",
    .usage = "",
    .options = options,
    .positionals_max = 0,
    .run = run_doctor,
};
