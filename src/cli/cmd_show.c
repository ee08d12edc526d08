/* cmd_show.c - tracejudge show: one trace in the terminal.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "cli/command.h"

static int run_show(const struct args *args)
{
    struct tracejudge *tj = NULL;
    struct tj_error err = {0};
    unsigned span_max = 0;
    int code = EXIT_DONE;
    if (!args_count(args, "max", 2000, 1000000, &span_max))
        return EXIT_INPUT;
    if (!open_store(args, TJ_OPEN_READ_ONLY, &tj, &code))
        return code;
    struct tj_show_options options = {
        .view = args_has(args, "json")        ? TJ_VIEW_JSON
                : args_has(args, "waterfall") ? TJ_VIEW_WATERFALL
                                              : TJ_VIEW_TREE,
        .columns = terminal_columns(),
        .color = color_wanted(args),
        .previews = !args_has(args, "brief"),
        .span_max = span_max,
    };
    for (int i = 0; i < args->positional_count && code == EXIT_DONE; i++) {
        struct tj_text text = {0};
        if (!tj_show_trace(tj, args->positionals[i], &options, &text, &err)) {
            code = complain_error(&err);
            break;
        }
        print_text(&text);
        tj_text_free(&text);
    }
    tj_close(tj);
    return code;
}

static const struct option_spec options[] = {
    {"waterfall", 'w', NULL, "bars on a time line instead of the tree", false},
    {"brief", 'b', NULL, "no inputs and outputs", false},
    {"max", 'n', "N", "at most so many spans (2000)", false},
    {NULL, 0, NULL, NULL, false},
};

const struct command command_show = {
    .name = "show",
    .summary = "show traces as a tree or a waterfall",
    .usage = "[OPTIONS] TRACE...",
    .text =
        "TRACE is an id, a unique prefix of one, or 'last': the one that came "
        "into the store\nlast, whatever its own time says.",
    .examples = "  tracejudge show last\n"
                "  tracejudge show --waterfall 3e28901\n",
    .options = options,
    .positionals_min = 1,
    .positionals_max = -1,
    .run = run_show,
};
