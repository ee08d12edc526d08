/* command.h - the family of commands: one const table entry each.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Help texts, completions and man pages are printed from these tables, so
 * what is documented is what is parsed.
 *  1. stdout carries data, stderr messages; errors are one line that names
 *     what to do.
 *  2. Exit codes: enum exit_code.
 *  3. A command sees the program through <tracejudge.h> alone; serve and auth,
 *     which are the server's, see its floor as well.
 */
#ifndef TJ_CLI_COMMAND_H
#define TJ_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <tracejudge.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_CANCELLED = 2,
    EXIT_INPUT = 3,   /* bad arguments or input */
    EXIT_AUTH = 4,    /* no key, or it was refused */
    EXIT_NETWORK = 5, /* network or provider */
    EXIT_GATE = 100,  /* --gate: something did not pass */
};

enum {
    OPTIONS_MAX = 24,  /* of one command */
    COMMANDS_MAX = 32, /* in the table */
};

struct option_spec {
    const char *name;  /* long, without the dashes */
    char letter;       /* 0: none */
    const char *value; /* name of its value for help; NULL: a switch */
    const char *help;
    bool repeats; /* may be given several times */
};

struct args;

struct command {
    const char *name;
    const char *summary;  /* one line */
    const char *usage;    /* what follows the name */
    const char *text;     /* paragraphs for --help and the man page */
    const char *examples; /* lines */
    const struct option_spec *options; /* ends with name NULL */
    int positionals_min;
    int positionals_max; /* -1: any number */
    int (*run)(const struct args *args);
};

/* NULL-terminated. */
extern const struct command *const commands[];
/* Those that every command has: --store, --json, ... */
extern const struct option_spec common_options[];

extern const struct command command_import;
extern const struct command command_traces;
extern const struct command command_show;
extern const struct command command_tool;
extern const struct command command_judge;
extern const struct command command_judges;
extern const struct command command_serve;
extern const struct command command_auth;
extern const struct command command_doctor;
extern const struct command command_completion;

/* -- args.c: what was given ----------------------------------------------- */

struct given {
    const struct option_spec *spec;
    const char *value; /* NULL for a switch */
};
struct args {
    const struct command *command;
    struct given *given; /* one for each option on the line, in order */
    int given_count;
    char **positionals;
    int positional_count;
};

enum { GIVEN_MAX = 64 }; /* options on one command line */

/* Reorders argv; room holds GIVEN_MAX.  False: a message went to stderr. */
bool args_parse(const struct command *command, int argc, char **argv,
                struct given *room, struct args *out);
/* The last value of an option, or NULL. */
const char *args_value(const struct args *args, const char *name);
bool args_has(const struct args *args, const char *name);
/* A whole number in [1, maximum], or `otherwise` when not given.  False: a
 * message went to stderr. */
bool args_count(const struct args *args, const char *name, unsigned otherwise,
                unsigned maximum, unsigned *out);
/* The closest name of a list, or NULL when none is close. */
const char *closest_name(const char *word, const char *const *names);

/* -- face.c: talking to the person ---------------------------------------- */

/* "tracejudge: ..." on stderr; returns code. */
int complain(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same from an error, with the exit code that fits it. */
int complain_error(const struct tj_error *err);
int exit_code_of(int error_code);
/* May stdout have colours: a terminal, and neither NO_COLOR nor --no-color? */
bool color_wanted(const struct args *args);
unsigned terminal_columns(void);
bool stderr_is_terminal(void);
void print_text(const struct tj_text *text);
/* Untrusted text, safe for a terminal. */
void print_safe(const char *text);
void print_indented(const char *text, int indent, unsigned columns);

/* Opens --store (or the default).  False: the message is out and *code set. */
bool open_store(const struct args *args, unsigned flags,
                struct tracejudge **out, int *code);

/* -- help.c ---------------------------------------------------------------- */

void print_overview(void);
void print_command_help(const struct command *command);
void print_man_page(void);

#endif
