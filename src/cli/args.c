/* args.c - options and arguments, checked against a command's table.
 * SPDX-License-Identifier: Apache-2.0
 *
 * --name value, --name=value, -x value, -xvalue, and -- to end options.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

static const struct option_spec *find_long(const struct option_spec *specs,
                                           const char *name, size_t len)
{
    for (; specs && specs->name; specs++)
        if (strlen(specs->name) == len && !memcmp(specs->name, name, len))
            return specs;
    return NULL;
}

static const struct option_spec *find_letter(const struct option_spec *specs,
                                             char letter)
{
    for (; specs && specs->name; specs++)
        if (specs->letter == letter)
            return specs;
    return NULL;
}

static size_t distance(const char *a, const char *b)
{
    enum { WORD_MAX = 32 };
    size_t row[WORD_MAX + 1];
    size_t n = strlen(b);
    if (n > WORD_MAX || strlen(a) > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t up = row[j + 1];
            size_t best = diagonal + (a[i] != b[j]);
            if (up + 1 < best)
                best = up + 1;
            if (row[j] + 1 < best)
                best = row[j] + 1;
            diagonal = up;
            row[j + 1] = best;
        }
    }
    return row[n];
}

const char *closest_name(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = 3; /* two slips of the finger */
    for (; *names; names++) {
        size_t d = distance(word, *names);
        if (d < best_distance) {
            best = *names;
            best_distance = d;
        }
    }
    return best;
}

static bool unknown_option(const struct command *command, const char *word)
{
    const char *names[2 * OPTIONS_MAX + 1];
    size_t count = 0;
    for (const struct option_spec *s = command->options; s && s->name; s++)
        names[count++] = s->name;
    for (const struct option_spec *s = common_options; s->name; s++)
        names[count++] = s->name;
    names[count] = NULL;
    const char *close =
        closest_name(word + strspn(word, "-"), (const char *const *)names);
    if (close)
        complain(EXIT_INPUT, "%s: unknown option %s; did you mean --%s?",
                 command->name, word, close);
    else
        complain(EXIT_INPUT, "%s: unknown option %s; see tracejudge %s --help",
                 command->name, word, command->name);
    return false;
}

struct cursor {
    int argc;
    char **argv;
    int at;
};

static bool take_value(const struct command *command,
                       const struct option_spec *spec, const char *attached,
                       struct cursor *c, struct args *out)
{
    if (out->given_count == GIVEN_MAX) {
        complain(EXIT_INPUT, "%s: more than %d options", command->name,
                 GIVEN_MAX);
        return false;
    }
    struct given *given = &out->given[out->given_count++];
    *given = (struct given){.spec = spec};
    if (!spec->value) {
        if (attached) {
            complain(EXIT_INPUT, "%s: --%s takes no value", command->name,
                     spec->name);
            return false;
        }
        return true;
    }
    given->value = attached;
    if (!attached && c->at + 1 < c->argc)
        given->value = c->argv[++c->at];
    if (given->value)
        return true;
    complain(EXIT_INPUT, "%s: --%s needs a value: %s", command->name,
             spec->name, spec->value);
    return false;
}

static bool take_long(const struct command *command, struct cursor *c,
                      struct args *out)
{
    const char *word = c->argv[c->at];
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
    const struct option_spec *spec = find_long(command->options, word + 2, len);
    if (!spec)
        spec = find_long(common_options, word + 2, len);
    if (!spec)
        return unknown_option(command, word);
    return take_value(command, spec, equals ? equals + 1 : NULL, c, out);
}

static bool take_short(const struct command *command, struct cursor *c,
                       struct args *out)
{
    const char *word = c->argv[c->at];
    const struct option_spec *spec = find_letter(command->options, word[1]);
    if (!spec)
        spec = find_letter(common_options, word[1]);
    if (!spec)
        return unknown_option(command, word);
    return take_value(command, spec, word[2] ? word + 2 : NULL, c, out);
}

static bool check_positionals(const struct args *args)
{
    const struct command *command = args->command;
    if (args_has(args, "help"))
        return true;
    bool few = args->positional_count < command->positionals_min;
    bool many = command->positionals_max >= 0 &&
                args->positional_count > command->positionals_max;
    if (few || many)
        complain(EXIT_INPUT, "%s: %s; usage: tracejudge %s %s", command->name,
                 few ? "something is missing" : "too many arguments",
                 command->name, command->usage);
    return !few && !many;
}

bool args_parse(const struct command *command, int argc, char **argv,
                struct given *room, struct args *out)
{
    struct cursor c = {.argc = argc, .argv = argv};
    *out =
        (struct args){.command = command, .given = room, .positionals = argv};
    bool options_ended = false;
    for (; c.at < argc; c.at++) {
        char *word = argv[c.at];
        if (options_ended || word[0] != '-' || !word[1]) {
            out->positionals[out->positional_count++] = word;
            continue;
        }
        if (!strcmp(word, "--")) {
            options_ended = true;
            continue;
        }
        bool ok = word[1] == '-' ? take_long(command, &c, out)
                                 : take_short(command, &c, out);
        if (!ok)
            return false;
    }
    return check_positionals(out);
}

const char *args_value(const struct args *args, const char *name)
{
    const char *value = NULL;
    for (int i = 0; i < args->given_count; i++)
        if (!strcmp(args->given[i].spec->name, name))
            value = args->given[i].value;
    return value;
}

bool args_has(const struct args *args, const char *name)
{
    for (int i = 0; i < args->given_count; i++)
        if (!strcmp(args->given[i].spec->name, name))
            return true;
    return false;
}

bool args_count(const struct args *args, const char *name, unsigned otherwise,
                unsigned maximum, unsigned *out)
{
    const char *text = args_value(args, name);
    unsigned long value = 0;
    *out = otherwise;
    if (!text)
        return true;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || value > maximum) {
            value = 0;
            break;
        }
        value = value * 10 + (unsigned long)(*p - '0');
    }
    if (value >= 1 && value <= maximum) {
        *out = (unsigned)value;
        return true;
    }
    complain(EXIT_INPUT, "%s: --%s must be a number from 1 to %u, not '%s'",
             args->command->name, name, maximum, text);
    return false;
}
