/* help.c - help texts and man pages, printed from the commands' tables.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static void print_option(const struct option_spec *spec)
{
    char head[64];
    int n = spec->letter ? snprintf(head, sizeof head, "-%c, --%s",
                                    spec->letter, spec->name)
                         : snprintf(head, sizeof head, "    --%s", spec->name);
    if (spec->value && n > 0 && (size_t)n < sizeof head)
        (void)snprintf(head + n, sizeof head - (size_t)n, " %s", spec->value);
    (void)printf("  %-26s  %s\n", head, spec->help);
}

static void print_options(const struct option_spec *specs)
{
    for (; specs && specs->name; specs++)
        print_option(specs);
}

void print_command_help(const struct command *command)
{
    (void)printf("tracejudge %s - %s\n\nUsage: tracejudge %s %s\n\n",
                 command->name, command->summary, command->name,
                 command->usage);
    if (command->examples)
        (void)printf("Examples:\n%s\n", command->examples);
    if (command->text)
        (void)printf("%s\n\n", command->text);
    (void)printf("Options:\n");
    print_options(command->options);
    print_options(common_options);
}

void print_overview(void)
{
    (void)printf("tracejudge - an agent that judges LLM and agent traces\n\n"
                 "Usage: tracejudge COMMAND [OPTIONS] [ARGUMENTS]\n\n"
                 "Examples:\n"
                 "  tracejudge import run.json             store a trace\n"
                 "  tracejudge show last                   look at it\n"
                 "  tracejudge judge performance.md last   judge it\n\n"
                 "Commands:\n");
    for (const struct command *const *c = commands; *c; c++)
        (void)printf("  %-12s %s\n", (*c)->name, (*c)->summary);
    (void)printf("\nOptions of every command:\n");
    print_options(common_options);
    (void)printf("\ntracejudge COMMAND --help says more.  Exit codes: 0 done, "
                 "1 failure, 2 cancelled,\n3 bad arguments or input, 4 "
                 "authentication, 5 network or provider, 100 gate failed.\n");
}

/* roff: a backslash, a dash that must stay one, and a leading dot or quote
 * are escaped. */
static void print_roff(const char *text)
{
    bool at_start = true;
    for (; *text; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            (void)fputs("\\&", stdout);
        if (*text == '\\')
            (void)fputs("\\e", stdout);
        else if (*text == '-')
            (void)fputs("\\-", stdout);
        else
            (void)putchar(*text);
        at_start = *text == '\n';
    }
}

static void man_options(const struct option_spec *specs)
{
    for (; specs && specs->name; specs++) {
        (void)printf(".TP\n.B ");
        if (specs->letter)
            (void)printf("\\-%c, ", specs->letter);
        (void)printf("\\-\\-");
        print_roff(specs->name);
        if (specs->value)
            (void)printf(" \\fI%s\\fR", specs->value);
        (void)printf("\n");
        print_roff(specs->help);
        (void)printf("\n");
    }
}

static void man_command(const struct command *command)
{
    (void)printf(".SS tracejudge %s ", command->name);
    print_roff(command->usage);
    (void)printf("\n");
    print_roff(command->summary);
    (void)printf(".\n.PP\n");
    if (command->text) {
        print_roff(command->text);
        (void)printf("\n");
    }
    man_options(command->options);
    if (command->examples) {
        (void)printf(".PP\n.nf\n");
        print_roff(command->examples);
        (void)printf(".fi\n");
    }
}

void print_man_page(void)
{
    (void)printf(".TH TRACEJUDGE 1 \"\" \"tracejudge %s\" \"User Commands\"\n"
                 ".SH NAME\ntracejudge \\- an agent that judges LLM and agent "
                 "traces\n.SH SYNOPSIS\n.B tracejudge\n.I COMMAND\n"
                 "[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.SH DESCRIPTION\n",
                 tj_version());
    print_roff("Stores traces of LLM applications and agents, and lets an LLM "
               "judge investigate one with tools.  The verdict is a rating "
               "with a rationale and evidence that was checked against the "
               "trace.");
    (void)printf("\n.SH OPTIONS OF EVERY COMMAND\n");
    man_options(common_options);
    (void)printf(".SH COMMANDS\n");
    for (const struct command *const *c = commands; *c; c++)
        man_command(*c);
    (void)printf(
        ".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nFailure.\n.TP\n2\nCancelled."
        "\n.TP\n3\nBad arguments or input.\n.TP\n4\nNo API key, or it was "
        "refused.\n.TP\n5\nNetwork or provider failed.\n.TP\n100\nWith "
        "\\-\\-gate: a verdict did not pass.\n"
        ".SH ENVIRONMENT\n.TP\n.B TRACEJUDGE_STORE\nThe store, unless "
        "\\-\\-store is given.\n.TP\n.B MLFLOW_TRACKING_USERNAME, "
        "MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN\nThe login of a store "
        "mlflow+http://...\n.TP\n.B MLFLOW_EXPERIMENT_NAME, "
        "MLFLOW_EXPERIMENT_ID\nIts experiment, when the URL names "
        "none.\n.TP\n.B TRACEJUDGE_MODEL\nThe model of judges "
        "that name none.\n.TP\n.B OPENAI_API_KEY, ANTHROPIC_API_KEY, ...\nKeys "
        "of providers.\n.TP\n.B TRACEJUDGE_PRICES\nPrices and windows of models, as JSON: "
        "{\\(dqgpt\\-4.1\\(dq: {\\(dqinput\\(dq: 2, "
        "\\(dqcached\\(dq: 0.5, \\(dqoutput\\(dq: 8, "
        "\\(dqcontext\\(dq: 1047576}}, in USD per million tokens.\n.TP\n.B NO_COLOR\nNo colours.\n");
}
