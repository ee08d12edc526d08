/* cmd_completion.c - tracejudge completion: for bash, zsh and fish.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The scripts are printed from the commands' tables.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static void print_words(const struct command *command)
{
    const struct option_spec *lists[] = {command->options, common_options};
    for (size_t i = 0; i < 2; i++)
        for (const struct option_spec *s = lists[i]; s && s->name; s++)
            (void)printf(" --%s", s->name);
}

static void bash_script(void)
{
    (void)printf("_tracejudge() {\n"
                 "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
                 "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words='");
    for (const struct command *const *c = commands; *c; c++)
        (void)printf("%s ", (*c)->name);
    (void)printf("--help --version'\n  else\n    case ${COMP_WORDS[1]} in\n");
    for (const struct command *const *c = commands; *c; c++) {
        (void)printf("    %s) words='", (*c)->name);
        print_words(*c);
        (void)printf("' ;;\n");
    }
    (void)printf("    esac\n  fi\n"
                 "  if [ \"$COMP_CWORD\" -eq 1 ] || [ \"${word#-}\" != "
                 "\"$word\" ]; then\n"
                 "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                 "  fi\n}\n"
                 "complete -o default -F _tracejudge tracejudge\n");
}

static void zsh_script(void)
{
    (void)printf("#compdef tracejudge\n_tracejudge() {\n"
                 "  local -a commands\n  commands=(\n");
    for (const struct command *const *c = commands; *c; c++)
        (void)printf("    '%s:%s'\n", (*c)->name, (*c)->summary);
    (void)printf("  )\n  if (( CURRENT == 2 )); then\n"
                 "    _describe command commands\n    return\n  fi\n"
                 "  local -a options\n  case $words[2] in\n");
    for (const struct command *const *c = commands; *c; c++) {
        (void)printf("  %s) options=(", (*c)->name);
        print_words(*c);
        (void)printf(" ) ;;\n");
    }
    (void)printf("  esac\n  if [[ $PREFIX == -* ]]; then\n"
                 "    compadd -- $options\n  else\n    _files\n  fi\n}\n"
                 "compdef _tracejudge tracejudge\n");
}

static void print_fish_text(const char *text)
{
    for (; *text; text++)
        (void)printf(*text == '\'' ? "\\%c" : "%c", *text);
}

static void fish_option(const char *command, const struct option_spec *s)
{
    (void)printf("complete -c tracejudge -n '__fish_seen_subcommand_from %s' "
                 "-l %s",
                 command, s->name);
    if (s->letter)
        (void)printf(" -s %c", s->letter);
    (void)printf("%s -d '", s->value ? " -r" : "");
    print_fish_text(s->help);
    (void)printf("'\n");
}

static void fish_script(void)
{
    for (const struct command *const *c = commands; *c; c++) {
        (void)printf("complete -c tracejudge -n __fish_use_subcommand -a %s "
                     "-d '",
                     (*c)->name);
        print_fish_text((*c)->summary);
        (void)printf("'\n");
        for (const struct option_spec *s = (*c)->options; s->name; s++)
            fish_option((*c)->name, s);
        for (const struct option_spec *s = common_options; s->name; s++)
            fish_option((*c)->name, s);
    }
}

static int run_completion(const struct args *args)
{
    const char *shell = args->positionals[0];
    if (!strcmp(shell, "bash"))
        bash_script();
    else if (!strcmp(shell, "zsh"))
        zsh_script();
    else if (!strcmp(shell, "fish"))
        fish_script();
    else
        return complain(EXIT_INPUT, "completion: bash, zsh or fish, not '%s'",
                        shell);
    return EXIT_DONE;
}

static const struct option_spec options[] = {{NULL, 0, NULL, NULL, false}};

const struct command command_completion = {
    .name = "completion",
    .summary = "print a completion script for a shell",
    .usage = "bash | zsh | fish",
    .examples = "  source <(tracejudge completion bash)\n"
                "  tracejudge completion fish > "
                "~/.config/fish/completions/tracejudge.fish\n",
    .options = options,
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run_completion,
};
