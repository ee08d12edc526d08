/* cmd_tool.c - tracejudge tool: what a model would see.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

enum { ARGS_BYTES_MAX = 65536 };

struct builder {
    char text[ARGS_BYTES_MAX];
    size_t len;
    bool full;
};

static void put(struct builder *b, const char *bytes, size_t size)
{
    if (size >= sizeof b->text - b->len) {
        b->full = true;
        return;
    }
    memcpy(b->text + b->len, bytes, size);
    b->len += size;
    b->text[b->len] = '\0';
}

static void put_quoted(struct builder *b, const char *text, size_t size)
{
    put(b, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape[8];
        if (c == '"' || c == '\\')
            put(b, "\\", 1);
        if (c >= 0x20) {
            put(b, text + i, 1);
        } else {
            (void)snprintf(escape, sizeof escape, "\\u%04x", c);
            put(b, escape, 6);
        }
    }
    put(b, "\"", 1);
}

/* What is a JSON value by its looks goes in as it is: 5, true, ["a"]. */
static bool looks_like_json(const char *value)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(value, words[i]))
            return true;
    if (*value == '[' || *value == '{' || *value == '"')
        return true;
    size_t digits = strspn(value + (*value == '-'), "0123456789.");
    return digits > 0 && !value[(*value == '-') + digits];
}

/* The tool wants text for this one: then digits are text, too. */
static bool wants_text(const char *schema, const char *key, size_t len)
{
    char head[128];
    int n = snprintf(head, sizeof head, "\"%.*s\":{\"type\":\"string\"",
                     (int)len, key);
    return schema && n > 0 && (size_t)n < sizeof head && strstr(schema, head);
}

static bool put_args(const struct args *args, const char *schema,
                     struct builder *b)
{
    bool first = true;
    put(b, "{", 1);
    for (int i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].spec->name, "arg") != 0)
            continue;
        const char *pair = args->given[i].value;
        const char *equals = strchr(pair, '=');
        if (!equals || equals == pair) {
            complain(EXIT_INPUT, "tool: --arg wants KEY=VALUE, not '%s'", pair);
            return false;
        }
        size_t key_len = (size_t)(equals - pair);
        put(b, ",", first ? 0 : 1);
        first = false;
        put_quoted(b, pair, key_len);
        put(b, ":", 1);
        if (looks_like_json(equals + 1) && !wants_text(schema, pair, key_len))
            put(b, equals + 1, strlen(equals + 1));
        else
            put_quoted(b, equals + 1, strlen(equals + 1));
    }
    put(b, "}", 1);
    if (b->full)
        complain(EXIT_INPUT, "tool: the arguments are over %d bytes",
                 ARGS_BYTES_MAX);
    return !b->full;
}

static int list_tools(bool json)
{
    for (size_t i = 0;; i++) {
        const char *help = NULL;
        struct tj_text schema = {0};
        const char *name = tj_tool_name(i, &help, &schema);
        if (!name)
            return EXIT_DONE;
        if (json)
            (void)printf("{\"name\":\"%s\",\"parameters\":%s}\n", name,
                         schema.data);
        else
            (void)printf("%s\n", name);
        if (!json)
            print_indented(help, 4, terminal_columns());
        tj_text_free(&schema);
    }
}

static void find_schema(const char *name, struct tj_text *schema)
{
    for (size_t i = 0;; i++) {
        const char *known = tj_tool_name(i, NULL, schema);
        if (!known || !strcmp(known, name))
            return;
        tj_text_free(schema);
    }
}

static int run_tool(const struct args *args)
{
    static struct builder b; /* too large for the stack; one call a process */
    struct tracejudge *tj = NULL;
    struct tj_error err = {0};
    struct tj_text schema = {0};
    int code = EXIT_DONE;
    if (args_has(args, "list") || args->positional_count == 0)
        return list_tools(args_has(args, "json"));
    if (args->positional_count < 2)
        return complain(EXIT_INPUT, "tool: name a trace, or 'last'");
    find_schema(args->positionals[0], &schema);
    bool ok = put_args(args, schema.data, &b);
    if (schema.data)
        tj_text_free(&schema);
    if (!ok)
        return EXIT_INPUT;
    if (!open_store(args, TJ_OPEN_READ_ONLY, &tj, &code))
        return code;
    struct tj_tool_answer answer = {0};
    if (tj_call_tool(tj, args->positionals[1], args->positionals[0], b.text,
                     &answer, &err)) {
        const struct tj_text *text = &answer.text;
        print_text(text);
        if (text->size && text->data[text->size - 1] != '\n')
            (void)putchar('\n');
        tj_text_free(&answer.text);
        code = answer.refused ? EXIT_INPUT : EXIT_DONE;
    } else {
        code = complain_error(&err);
    }
    tj_close(tj);
    return code;
}

static const struct option_spec options[] = {
    {"arg", 'a', "KEY=VALUE", "an argument of the tool", true},
    {"list", 'l', NULL, "list the tools and what they answer", false},
    {NULL, 0, NULL, NULL, false},
};

const struct command command_tool = {
    .name = "tool",
    .summary = "ask a trace what a judge would ask",
    .usage = "NAME TRACE [--arg KEY=VALUE]...",
    .text = "Prints exactly what a model would see.  Exits with 3 when the "
            "tool refused the\nquestion; the text says why.",
    .examples = "  tracejudge tool list_spans last --arg kind=TOOL\n"
                "  tracejudge tool search_trace_regex last --arg "
                "pattern='timeout|refused'\n"
                "  tracejudge tool find_problems 3e28901\n",
    .options = options,
    .positionals_min = 0,
    .positionals_max = 2,
    .run = run_tool,
};
