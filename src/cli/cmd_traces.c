/* cmd_traces.c - tracejudge traces: what is in the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "cli/command.h"

static int run_traces(const struct args *args)
{
    struct tracejudge *tj = NULL;
    struct tj_error err = {0};
    unsigned max = 0;
    int code = EXIT_DONE;
    if (!args_count(args, "max", 50, 1000, &max))
        return EXIT_INPUT;
    if (!open_store(args, TJ_OPEN_READ_ONLY, &tj, &code))
        return code;
    struct tj_list_options options = {
        .filter = args_value(args, "filter"),
        .order_by = args_value(args, "order-by"),
        .page_token = args_value(args, "page"),
        .max = max,
        .form = args_has(args, "json")  ? TJ_FORM_JSON
                : args_has(args, "ids") ? TJ_FORM_IDS
                                        : TJ_FORM_TABLE,
        .columns = terminal_columns(),
        .color = color_wanted(args),
        .with_judge_traces = args_has(args, "judges-too"),
    };
    struct tj_text text = {0};
    struct tj_text next = {0};
    size_t count = 0;
    if (tj_list_traces(tj, &options, &text, &next, &count, &err)) {
        print_text(&text);
        if (count == 0 && stderr_is_terminal())
            (void)fprintf(stderr, "no traces%s\n",
                          options.filter ? " match" : " yet");
        if (next.size)
            (void)fprintf(stderr, "more: --page %s\n", next.data);
        tj_text_free(&text);
        tj_text_free(&next);
    } else {
        code = complain_error(&err);
    }
    tj_close(tj);
    return code;
}

static const struct option_spec options[] = {
    {"filter", 'f', "EXPR", "MLflow's search_traces language, with OR and NOT",
     false},
    {"order-by", 0, "KEY", "such as \"execution_time_ms DESC\"", false},
    {"max", 'n', "N", "at most so many (50)", false},
    {"page", 0, "TOKEN", "go on where the last page ended", false},
    {"ids", 0, NULL, "only the ids, one a line", false},
    {"judges-too", 0, NULL, "also the judges' own runs", false},
    {NULL, 0, NULL, NULL, false},
};

const struct command command_traces = {
    .name = "traces",
    .summary = "list traces, newest first",
    .usage = "[OPTIONS]",
    .examples = "  tracejudge traces --filter \"status = 'ERROR'\"\n"
                "  tracejudge traces --filter \"span.type = 'TOOL' AND "
                "execution_time_ms > 2000\" --json\n",
    .options = options,
    .positionals_max = 0,
    .run = run_traces,
};
