/* cmd_judges.c - tracejudge judges: registered judges and their versions.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static int list_judges(struct tracejudge *tj, const struct args *args)
{
    struct tj_error err = {0};
    struct tj_text text = {0};
    enum tj_form form = args_has(args, "json") ? TJ_FORM_JSON : TJ_FORM_TABLE;
    if (!tj_list_judges(tj, form, &text, &err))
        return complain_error(&err);
    print_text(&text);
    tj_text_free(&text);
    return EXIT_DONE;
}

static int show_judge(struct tracejudge *tj, const char *name, unsigned version)
{
    struct tj_error err = {0};
    struct tj_judge_def *judge = NULL;
    if (!tj_fetch_judge(tj, name, version, &judge, &err))
        return complain_error(&err);
    size_t size = 0;
    const char *source = tj_judge_source(judge, &size);
    (void)fwrite(source, 1, size, stdout);
    tj_judge_free(judge);
    return EXIT_DONE;
}

static int add_judge(struct tracejudge *tj, const char *path)
{
    struct tj_error err = {0};
    struct tj_judge_def *judge = NULL;
    uint32_t version = 0;
    if (!tj_judge_load(path, &judge, &err)) {
        int code = complain_error(&err);
        return err.code == TJ_ERROR_IO ? EXIT_INPUT : code;
    }
    int code = EXIT_DONE;
    if (tj_register_judge(tj, judge, &version, &err))
        (void)printf("%s version %" PRIu32 "\n", tj_judge_name(judge), version);
    else
        code = complain_error(&err);
    tj_judge_free(judge);
    return code;
}

static int run_judges(const struct args *args)
{
    struct tracejudge *tj = NULL;
    int code = EXIT_DONE;
    unsigned version = 0;
    const char *verb = args->positional_count ? args->positionals[0] : "list";
    bool is_add = !strcmp(verb, "add");
    bool is_show = !strcmp(verb, "show");
    bool is_list = !strcmp(verb, "list");
    if (!is_add && !is_show && !is_list)
        return complain(EXIT_INPUT, "judges: list, show or add, not '%s'",
                        verb);
    if (!is_list && args->positional_count < 2)
        return complain(EXIT_INPUT, "judges: %s needs a %s", verb,
                        is_add ? "file" : "name");
    if (!args_count(args, "version", 0, 1000000, &version))
        return EXIT_INPUT;
    if (!open_store(args, is_add ? TJ_OPEN_CREATE : TJ_OPEN_READ_ONLY, &tj,
                    &code))
        return code;
    if (is_list)
        code = list_judges(tj, args);
    for (int i = 1; i < args->positional_count && code == EXIT_DONE; i++)
        code = is_add ? add_judge(tj, args->positionals[i])
                      : show_judge(tj, args->positionals[i], version);
    tj_close(tj);
    return code;
}

static const struct option_spec options[] = {
    {"version", 0, "N", "show: this version instead of the latest", false},
    {NULL, 0, NULL, NULL, false},
};

const struct command command_judges = {
    .name = "judges",
    .summary = "list, show and add registered judges",
    .usage = "[list | show NAME | add FILE...]",
    .text = "A registered judge has versions: adding the same file again "
            "changes nothing,\nadding a changed one makes the next version.",
    .examples = "  tracejudge judges add performance.md\n"
                "  tracejudge judges show performance_analyzer --version 1\n",
    .options = options,
    .positionals_min = 0,
    .positionals_max = -1,
    .run = run_judges,
};
