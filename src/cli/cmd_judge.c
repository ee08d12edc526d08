/* cmd_judge.c - tracejudge judge: verdicts on one trace or many.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

/* A signal handler reaches nothing but a global: what Ctrl-C cancels. */
static struct tracejudge *volatile interrupted;

static void on_interrupt(int number)
{
    (void)number;
    if (interrupted)
        tj_cancel(interrupted);
}

static void watch_interrupts(struct tracejudge *tj)
{
    struct sigaction action = {.sa_handler = on_interrupt,
                               .sa_flags = (int)SA_RESETHAND};
    interrupted = tj;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* -- printing ------------------------------------------------------------- */

enum { EVIDENCE_SHOWN = 12 }; /* a screen's worth */

struct printer {
    bool json;
    bool color;
    unsigned columns;
    size_t total;
    size_t count;
    size_t failed_gate;
    int code;
};

static const char *paint(const struct printer *p, const char *code)
{
    return p->color ? code : "";
}

static void print_quote(const struct printer *p,
                        const struct tj_result_evidence *e)
{
    (void)printf("    %s%s%s ", paint(p, e->verified ? "\x1b[32m" : "\x1b[31m"),
                 e->verified ? "\u2713" : "\u2717 not found",
                 paint(p, "\x1b[0m"));
    print_safe(e->span_id);
    (void)putchar(' ');
    print_safe(e->field);
    (void)putchar('\n');
    print_indented(e->quote, 8, p->columns);
    if (!e->verified && *e->why_not)
        print_indented(e->why_not, 8, p->columns);
}

/* A screen of what was found, and all that was not. */
static void print_evidence(const struct printer *p, const struct tj_result *r)
{
    size_t verified = 0;
    for (size_t i = 0; i < r->evidence_count; i++)
        verified += r->evidence[i].verified;
    if (r->evidence_count)
        (void)printf("  Evidence: %zu of %zu quotes found in the trace\n",
                     verified, r->evidence_count);
    size_t hidden = 0;
    for (size_t i = 0; i < r->evidence_count; i++) {
        if (i >= EVIDENCE_SHOWN && r->evidence[i].verified)
            hidden++;
        else
            print_quote(p, &r->evidence[i]);
    }
    if (hidden)
        (void)printf("    and %zu more (--json has all)\n", hidden);
}

static void print_count(const char *before, uint64_t count, const char *what)
{
    (void)printf("%s%" PRIu64 " %s%s", before, count, what,
                 count == 1 ? "" : "s");
}

static void print_cost(const struct tj_result *r)
{
    (void)printf("  Read %" PRIu64 " of %" PRIu64 " spans, %" PRIu64
                 " of %" PRIu64 " bytes",
                 r->spans_read, r->spans_total, r->bytes_read, r->bytes_total);
    print_count("; ", r->tool_calls, "tool call");
    print_count(", ", r->requests, "request");
    if (r->input_tokens > 0)
        (void)printf(", %" PRId64 " tokens in, %" PRId64 " out",
                     r->input_tokens, r->output_tokens);
    if (r->cost_usd > 0)
        (void)printf(", $%.4f", r->cost_usd);
    (void)printf(", %.2f s", (double)r->duration_ns / 1e9);
    if (strcmp(r->stopped_by, "verdict") != 0)
        (void)printf("; stopped by %s", r->stopped_by);
    (void)printf("\n");
}

static void print_outcome(const struct printer *p, const struct tj_result *r)
{
    switch (r->state) {
    case TJ_RATED:
        (void)printf("  Rating: %s", paint(p, "\x1b[1m"));
        print_safe(r->value);
        (void)printf("%s", paint(p, "\x1b[0m"));
        if (r->passed >= 0)
            (void)printf("  %s%s%s",
                         paint(p, r->passed ? "\x1b[32m" : "\x1b[31m"),
                         r->passed ? "\u2713 passed" : "\u2717 not passed",
                         paint(p, "\x1b[0m"));
        (void)printf("\n");
        break;
    case TJ_INSUFFICIENT_EVIDENCE:
        (void)printf("  %sNot enough evidence for a rating%s\n",
                     paint(p, "\x1b[33m"), paint(p, "\x1b[0m"));
        break;
    case TJ_COULD_NOT_EVALUATE:
        (void)printf("  %sCould not evaluate%s (%s): ", paint(p, "\x1b[31m"),
                     paint(p, "\x1b[0m"), r->error_code);
        print_safe(r->error_message);
        (void)printf("\n");
        break;
    }
}

static void print_result(const struct printer *p, const struct tj_result *r)
{
    print_safe(r->judge);
    (void)printf(" on %s (", r->trace_id);
    print_safe(r->model);
    (void)printf(")\n");
    print_outcome(p, r);
    print_indented(r->rationale, 2, p->columns);
    print_evidence(p, r);
    print_cost(r);
    if (p->total > 1)
        (void)printf("\n");
}

static int code_of_result(const struct tj_result *r)
{
    static const char *const network[] = {"network", "provider", "timeout",
                                          "rate_limited", "quota"};
    if (r->state != TJ_COULD_NOT_EVALUATE)
        return EXIT_DONE;
    if (!strcmp(r->error_code, "auth"))
        return EXIT_AUTH;
    if (!strcmp(r->error_code, "cancelled"))
        return EXIT_CANCELLED;
    if (!strcmp(r->error_code, "input") || !strcmp(r->error_code, "limit"))
        return EXIT_INPUT;
    for (size_t i = 0; i < sizeof network / sizeof *network; i++)
        if (!strcmp(r->error_code, network[i]))
            return EXIT_NETWORK;
    return EXIT_FAILED;
}

static void on_result(void *ctx, const struct tj_result *r)
{
    struct printer *p = ctx;
    p->count++;
    p->failed_gate += r->state != TJ_RATED || r->passed == 0;
    int code = code_of_result(r);
    if (code != EXIT_DONE && p->code != EXIT_CANCELLED)
        p->code = code;
    if (p->json)
        (void)printf("%s\n", r->json);
    else
        print_result(p, r);
    (void)fflush(stdout);
    if (p->total > 1 && stderr_is_terminal())
        (void)fprintf(stderr, "%zu of %zu judged\r", p->count, p->total);
}

static void on_event(void *ctx, const struct tj_event_info *event)
{
    (void)ctx;
    static const char *const heads[] = {
        [TJ_EVENT_ASK] = ">>>",
        [TJ_EVENT_REPLY] = "<<<",
        [TJ_EVENT_TOOL_CALL] = "Calling tool:",
        [TJ_EVENT_TOOL_RESULT] = "Tool response:",
    };
    struct tj_text safe = {0};
    tj_printable(event->text, event->size, &safe);
    (void)fprintf(stderr, "%s %s %s\n", heads[event->kind], event->name,
                  safe.data);
    tj_text_free(&safe);
}

/* -- which judge, which traces -------------------------------------------- */

/* A path, or NAME[@VERSION] of a registered judge. */
static bool open_judge(struct tracejudge *tj, const char *name,
                       struct tj_judge_def **out, struct tj_error *err)
{
    size_t len = strlen(name);
    bool is_path = strchr(name, '/') || access(name, R_OK) == 0 ||
                   (len > 3 && !strcmp(name + len - 3, ".md")) ||
                   (len > 5 && !strcmp(name + len - 5, ".json"));
    if (is_path)
        return tj_judge_load(name, out, err);
    char plain[256];
    const char *at = strrchr(name, '@');
    unsigned version = 0;
    for (const char *p = at ? at + 1 : ""; *p >= '0' && *p <= '9'; p++)
        version = version * 10 + (unsigned)(*p - '0');
    size_t plain_len = version ? (size_t)(at - name) : len;
    if (plain_len >= sizeof plain)
        plain_len = sizeof plain - 1;
    memcpy(plain, name, plain_len);
    plain[plain_len] = '\0';
    return tj_fetch_judge(tj, plain, version, out, err);
}

enum { SELECT_MAX = 1000 };

struct selection {
    const char *ids[SELECT_MAX];
    size_t count;
    struct tj_text text; /* the lines that ids point into */
};

static void split_lines(struct selection *s)
{
    char *at = s->text.data;
    while (at && *at && s->count < SELECT_MAX) {
        char *end = strchr(at, '\n');
        if (end)
            *end = '\0';
        if (*at)
            s->ids[s->count++] = at;
        at = end ? end + 1 : NULL;
    }
}

static bool select_traces(struct tracejudge *tj, const struct args *args,
                          struct selection *s, struct tj_error *err)
{
    for (int i = 1; i < args->positional_count && s->count < SELECT_MAX; i++)
        s->ids[s->count++] = args->positionals[i];
    if (!args_has(args, "filter"))
        return true;
    unsigned max = SELECT_MAX;
    struct tj_text next = {0};
    size_t count = 0;
    struct tj_list_options options = {
        .filter = args_value(args, "filter"), .max = max, .form = TJ_FORM_IDS};
    if (!tj_list_traces(tj, &options, &s->text, &next, &count, err))
        return false;
    if (next.size)
        (void)fprintf(stderr,
                      "tracejudge: judging the newest %u that match; there "
                      "are more\n",
                      max);
    tj_text_free(&next);
    split_lines(s);
    return true;
}

/* -- the command ---------------------------------------------------------- */

static int judge_selection(struct tracejudge *tj, const struct args *args,
                           const struct tj_judge_def *judge,
                           const struct selection *s)
{
    struct tj_error err = {0};
    unsigned jobs = 0;
    unsigned retries = 0;
    if (!args_count(args, "jobs", 8, 1000, &jobs) ||
        !args_count(args, "retries", 0, 100, &retries))
        return EXIT_INPUT;
    struct tj_judge_settings settings = {
        .model = args_value(args, "model"),
        .base_url = args_value(args, "base-url"),
        .record = args_value(args, "record"),
        .replay = args_value(args, "replay"),
        .in_flight = jobs,
        .retries = retries,
        .do_not_store = args_has(args, "dry-run"),
        .judge_judges = args_has(args, "judge-judges"),
        .event = args_has(args, "debug") ? on_event : NULL,
        .done = on_result,
    };
    struct printer p = {
        .json = args_has(args, "json"),
        .color = color_wanted(args),
        .columns = terminal_columns(),
        .total = s->count,
    };
    settings.ctx = &p;
    watch_interrupts(tj);
    bool ok = tj_judge_traces(tj, judge, s->ids, s->count, &settings, &err);
    interrupted = NULL;
    if (!ok)
        return complain_error(&err);
    if (p.code == EXIT_DONE && args_has(args, "gate") && p.failed_gate)
        return complain(EXIT_GATE, "%zu of %zu did not pass", p.failed_gate,
                        p.count);
    return p.code;
}

static int run_judge(const struct args *args)
{
    static struct selection s; /* too large for the stack */
    struct tracejudge *tj = NULL;
    struct tj_judge_def *judge = NULL;
    struct tj_error err = {0};
    int code = EXIT_DONE;
    if (args->positional_count < 2 && !args_has(args, "filter"))
        return complain(EXIT_INPUT,
                        "judge: name a trace ('last': stored last), or use "
                        "--filter");
    if (!open_store(args, 0, &tj, &code))
        return code;
    if (!open_judge(tj, args->positionals[0], &judge, &err) ||
        !select_traces(tj, args, &s, &err)) {
        code = complain_error(&err);
        if (err.code == TJ_ERROR_IO)
            code = EXIT_INPUT;
    } else if (s.count == 0) {
        code = complain(EXIT_INPUT, "judge: no trace matches the filter");
    } else {
        code = judge_selection(tj, args, judge, &s);
    }
    tj_judge_free(judge);
    if (s.text.data)
        tj_text_free(&s.text);
    tj_close(tj);
    return code;
}

static const struct option_spec options[] = {
    {"model", 'm', "URI",
     "instead of the judge's own: openai:/gpt-5, "
     "anthropic:/..., builtin:/rules",
     false},
    {"base-url", 0, "URL",
     "a compatible server (llama.cpp, vLLM, Ollama, a "
     "gateway)",
     false},
    {"filter", 'f', "EXPR",
     "judge the newest traces that match (at most "
     "1000)",
     false},
    {"jobs", 'j', "N", "judgments at once (8)", false},
    {"retries", 0, "N", "of a request that failed in passing (5)", false},
    {"gate", 0, NULL, "exit with 100 unless every trace passed", false},
    {"debug", 'd', NULL, "print every tool call and reply to stderr", false},
    {"record", 0, "FILE", "append every request and reply to FILE", false},
    {"replay", 0, "FILE", "answer from such a file: offline, same verdict",
     false},
    {"dry-run", 0, NULL, "store neither the verdict nor the run", false},
    {"judge-judges", 0, NULL, "allow traces that judges made", false},
    {NULL, 0, NULL, NULL, false},
};

const struct command command_judge = {
    .name = "judge",
    .summary = "let a judge investigate traces and rate them",
    .usage = "[OPTIONS] JUDGE TRACE...",
    .text = "JUDGE is a judge file (Markdown, or MLflow's JSON), or the name "
            "of a registered\njudge (NAME or NAME@VERSION).  TRACE is an id, "
            "a unique prefix of one, or 'last'.\nThe verdict is stored with "
            "the trace; the judge's own run is stored as a trace.",
    .examples = "  tracejudge judge performance.md last\n"
                "  tracejudge judge performance.md 3e28901 --model "
                "anthropic:/claude-opus-4-1-20250805\n"
                "  tracejudge judge tool_use --filter \"status = 'ERROR'\" "
                "--json --gate\n",
    .options = options,
    .positionals_min = 1,
    .positionals_max = -1,
    .run = run_judge,
};
