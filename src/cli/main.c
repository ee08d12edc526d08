/* main.c - finds the command and runs it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

const struct command *const commands[] = {
    &command_import, &command_traces,     &command_show,  &command_tool,
    &command_judge,  &command_judges,     &command_serve, &command_auth,
    &command_doctor, &command_completion, NULL,
};

const struct option_spec common_options[] = {
    {"store", 0, "URL",
     "a path, mlflow+http://host:port or memory: (TRACEJUDGE_STORE)", false},
    {"json", 0, NULL, "print JSON, one object a line", false},
    {"no-color", 0, NULL, "no colours, also on a terminal (NO_COLOR)", false},
    {"help", 'h', NULL, "this help", false},
    {NULL, 0, NULL, NULL, false},
};

static const struct command *find_command(const char *name)
{
    for (const struct command *const *c = commands; *c; c++)
        if (!strcmp((*c)->name, name))
            return *c;
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMANDS_MAX];
    size_t count = 0;
    for (const struct command *const *c = commands; *c; c++)
        names[count++] = (*c)->name;
    names[count] = NULL;
    const char *close = closest_name(name, (const char *const *)names);
    if (close)
        return complain(EXIT_INPUT, "unknown command '%s'; did you mean %s?",
                        name, close);
    return complain(EXIT_INPUT, "unknown command '%s'; see tracejudge --help",
                    name);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct given room[GIVEN_MAX];
    struct args args;
    if (!args_parse(command, argc, argv, room, &args))
        return EXIT_INPUT;
    if (args_has(&args, "help")) {
        print_command_help(command);
        return EXIT_DONE;
    }
    int code = command->run(&args);
    /* A full disk or a closed pipe must not look like success. */
    if (fflush(stdout) != 0 && code == EXIT_DONE)
        code = complain(EXIT_FAILED, "cannot write to standard output");
    return code;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    if (!strcmp(name, "--version") || !strcmp(name, "version")) {
        (void)printf("tracejudge %s\n", tj_version());
        return EXIT_DONE;
    }
    if (!strcmp(name, "--man")) {
        print_man_page();
        return EXIT_DONE;
    }
    bool asks_help =
        !strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help");
    if (asks_help && argc > 2) {
        const struct command *command = find_command(argv[2]);
        if (!command)
            return unknown_command(argv[2]);
        print_command_help(command);
        return EXIT_DONE;
    }
    if (asks_help) {
        print_overview();
        return argc > 1 ? EXIT_DONE : EXIT_INPUT;
    }
    const struct command *command = find_command(name);
    if (!command)
        return unknown_command(name);
    return run_command(command, argc - 2, argv + 2);
}
