/* face.c - messages, colours, widths: how the program talks to a person.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/command.h"

int complain(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("tracejudge: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return code;
}

int exit_code_of(int error_code)
{
    switch ((enum tj_error_code)error_code) {
    case TJ_ERROR_INPUT:
    case TJ_ERROR_LIMIT: return EXIT_INPUT;
    case TJ_ERROR_AUTH: return EXIT_AUTH;
    case TJ_ERROR_CANCELLED: return EXIT_CANCELLED;
    case TJ_ERROR_NETWORK: return EXIT_NETWORK;
    case TJ_ERROR_NONE:
    case TJ_ERROR_BUSY:
    case TJ_ERROR_IO:
    case TJ_ERROR_BACKEND:
    case TJ_ERROR_UNCERTAIN: return EXIT_FAILED;
    }
    return EXIT_FAILED;
}

int complain_error(const struct tj_error *err)
{
    return complain(exit_code_of(err->code), "%s", err->message);
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

bool color_wanted(const struct args *args)
{
    if (args_has(args, "no-color") || is_set("NO_COLOR"))
        return false;
    return isatty(STDOUT_FILENO) || is_set("CLICOLOR_FORCE");
}

unsigned terminal_columns(void)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    unsigned n = 0;
    for (; columns && *columns >= '0' && *columns <= '9' && n < 1000; columns++)
        n = n * 10 + (unsigned)(*columns - '0');
    return n >= 40 && n <= 1000 ? n : 100;
}

bool stderr_is_terminal(void)
{
    return isatty(STDERR_FILENO);
}

void print_text(const struct tj_text *text)
{
    (void)fwrite(text->data, 1, text->size, stdout);
}

void print_safe(const char *text)
{
    struct tj_text safe = {0};
    tj_printable(text, strlen(text), &safe);
    print_text(&safe);
    tj_text_free(&safe);
}

/* Where the line that starts at text should end: at a break, at the last
 * blank that fits, or, for one long word, at `room` bytes. */
static size_t line_length(const char *text, size_t room)
{
    size_t blank = 0;
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '\n')
            return i;
        if (text[i] == ' ')
            blank = i;
        if (i >= room && blank)
            return blank;
    }
    return strlen(text);
}

void print_indented(const char *text, int indent, unsigned columns)
{
    struct tj_text safe = {0};
    tj_printable(text, strlen(text), &safe);
    size_t room =
        columns > (unsigned)indent + 20 ? columns - (unsigned)indent : 20;
    for (const char *at = safe.data; *at;) {
        size_t n = line_length(at, room);
        (void)printf("%*s%.*s\n", n ? indent : 0, "", (int)n, at);
        at += n;
        at += *at == '\n' || *at == ' ';
    }
    tj_text_free(&safe);
}

bool open_store(const struct args *args, unsigned flags,
                struct tracejudge **out, int *code)
{
    struct tj_error err = {0};
    if (tj_open(args_value(args, "store"), flags, out, &err))
        return true;
    *code = complain_error(&err);
    return false;
}
