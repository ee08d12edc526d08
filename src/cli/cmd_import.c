/* cmd_import.c - tracejudge import: files into the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static void report(const char *path, const struct tj_import *in)
{
    (void)printf("%s: %s, %" PRIu64 " %s, %" PRIu64 " %s", path, in->format,
                 in->traces, in->traces == 1 ? "trace" : "traces", in->spans,
                 in->spans == 1 ? "span" : "spans");
    if (in->assessments)
        (void)printf(", %" PRIu64 " assessments", in->assessments);
    if (in->marked)
        (void)printf(" (%" PRIu64 " kept although odd)", in->marked);
    if (in->rejected)
        (void)printf(" (%" PRIu64 " had no usable id and were left out)",
                     in->rejected);
    if (in->traces == 1)
        (void)printf("  %s", in->first_trace_id);
    (void)printf("\n");
}

static void put_json_text(const char *text)
{
    (void)putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            (void)printf("\\%c", c);
        else if (c < 0x20)
            (void)printf("\\u%04x", c);
        else
            (void)putchar(c);
    }
    (void)putchar('"');
}

static void report_json(const char *path, const struct tj_import *in)
{
    (void)printf("{\"file\":");
    put_json_text(path);
    (void)printf(",\"format\":\"%s\",\"traces\":%" PRIu64 ",\"spans\":%" PRIu64
                 ",\"assessments\":%" PRIu64 ",\"marked\":%" PRIu64
                 ",\"rejected\":%" PRIu64 ",\"bytes\":%" PRIu64
                 ",\"first_trace_id\":\"%s\"}\n",
                 in->format, in->traces, in->spans, in->assessments, in->marked,
                 in->rejected, in->bytes, in->first_trace_id);
}

static int list_formats(void)
{
    const char *help = NULL;
    for (size_t i = 0;; i++) {
        const char *name = tj_import_format(i, &help);
        if (!name)
            return EXIT_DONE;
        (void)printf("%-16s %s\n", name, help);
    }
}

static int run_import(const struct args *args)
{
    if (args_has(args, "formats"))
        return list_formats();
    if (args->positional_count == 0)
        return complain(EXIT_INPUT, "import: name a file, or - for standard "
                                    "input");
    struct tracejudge *tj = NULL;
    int code = EXIT_DONE;
    unsigned flags = TJ_OPEN_CREATE;
    if (args_has(args, "relaxed"))
        flags |= TJ_OPEN_RELAXED;
    if (!open_store(args, flags, &tj, &code))
        return code;
    for (int i = 0; i < args->positional_count; i++) {
        struct tj_error err = {0};
        struct tj_import in = {0};
        const char *path = args->positionals[i];
        if (!tj_import_file(tj, path, args_value(args, "format"), &in, &err)) {
            code = complain_error(&err);
            if (err.code == TJ_ERROR_IO)
                code = EXIT_INPUT;
        } else if (args_has(args, "json")) {
            report_json(path, &in);
        } else {
            report(path, &in);
        }
    }
    tj_close(tj);
    return code;
}

static const struct option_spec options[] = {
    {"format", 'f', "NAME", "read as this format instead of looking", false},
    {"formats", 0, NULL, "list the formats", false},
    {"relaxed", 0, NULL, "faster: a power cut may lose the newest", false},
    {NULL, 0, NULL, NULL, false},
};

const struct command command_import = {
    .name = "import",
    .summary = "store traces from files",
    .usage = "[OPTIONS] FILE...",
    .text = "The format is found by content; gzip is seen through; - reads "
            "standard input.\nA file is stored as a whole or not at all, and "
            "importing it again changes nothing.",
    .examples = "  tracejudge import run.json traces/*.json\n"
                "  curl -s $URL | tracejudge import -\n",
    .options = options,
    .positionals_min = 0,
    .positionals_max = -1,
    .run = run_import,
};
