/* quickstart.c - a traced program, and a judge that looks at its trace.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Usage: quickstart [MODEL]      MODEL: builtin:/rules (the default, no key and
 *                                no network), openai:/gpt-5, anthropic:/...
 *
 * Build against an installed library:
 *     cc quickstart.c $(pkg-config --cflags --libs tracejudge)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <tracejudge.h>

static void die(const struct tj_error *err)
{
    (void)fprintf(stderr, "quickstart: %s\n", err->message);
    exit(1);
}

/* Stands for work that takes time. */
static void work(long milliseconds)
{
    struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* One traced step: a span below parent, with an input and an output. */
static void traced_step(struct tj_active *parent, const char *name,
                        long milliseconds, const char *output)
{
    struct tj_error err;
    struct tj_active *span = tj_start_span(parent, name, "TOOL");
    tj_set_inputs(span, "{\"endpoint\": \"/users\"}");
    work(milliseconds);
    tj_set_outputs(span, output);
    if (!tj_end_span(span, &err))
        die(&err);
}

/* The program under test: slow, and it asks for the same thing three times. */
static void slow_data_processor(struct tracejudge *tj, const char *query)
{
    struct tj_error err;
    struct tj_active *run = tj_start_trace(tj, "slow_data_processor", "CHAIN");
    tj_set_inputs_text(run, query);
    traced_step(run, "fetch_data", 2500, "{\"rows\": 1000}");
    for (int i = 0; i < 3; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "redundant_api_call_%d", i);
        traced_step(run, name, 500, "{\"status\": \"ok\"}");
    }
    tj_set_outputs_text(run, "Processed 1000 rows");
    if (!tj_end_span(run, &err))
        die(&err);
}

static void print_result(const struct tj_result *result)
{
    if (result->state == TJ_COULD_NOT_EVALUATE) {
        (void)printf("Could not evaluate (%s): %s\n", result->error_code,
                     result->error_message);
        return;
    }
    if (result->state == TJ_INSUFFICIENT_EVIDENCE)
        (void)printf("Performance Rating: not enough evidence\n");
    else
        (void)printf("Performance Rating: %s\n", result->value);
    (void)printf("Analysis: %s\n", result->rationale);
    for (size_t i = 0; i < result->evidence_count; i++) {
        const struct tj_result_evidence *e = &result->evidence[i];
        (void)printf("Evidence: span %s, %s: \"%s\" (%s)\n", e->span_id,
                     e->field, e->quote,
                     e->verified ? "found in the trace" : e->why_not);
    }
    (void)printf("Read %" PRIu64 " of %" PRIu64 " spans with %" PRIu64
                 " tool calls\n",
                 result->spans_read, result->spans_total, result->tool_calls);
}

int main(int argc, char **argv)
{
    struct tj_error err;
    struct tracejudge *tj = NULL;
    struct tj_judge_def *judge = NULL;
    struct tj_result *result = NULL;
    if (!tj_open(NULL, TJ_OPEN_CREATE, &tj, &err))
        die(&err);

    slow_data_processor(tj, "Process the users of last week");

    const struct tj_judge_spec spec = {
        .name = "performance_analyzer",
        .instructions =
            "Analyze the {{ trace }} for performance issues.\n\n"
            "Check for:\n"
            "- operations taking longer than 2 seconds\n"
            "- redundant API calls or database queries\n"
            "- inefficient data processing patterns\n"
            "- proper use of caching\n\n"
            "Rate as: 'optimal', 'acceptable' or 'needs_improvement'",
        .model = argc > 1 ? argv[1] : "builtin:/rules",
        .value = "[\"optimal\", \"acceptable\", \"needs_improvement\"]",
        .pass = "[\"optimal\", \"acceptable\"]",
        .evidence = "required",
        .rules = "{\"thresholds\": {\"slow_span_ms\": 2000,"
                 " \"repeated_calls\": 2},"
                 " \"value_of\": {\"high\": \"needs_improvement\","
                 " \"medium\": \"needs_improvement\","
                 " \"low\": \"acceptable\", \"none\": \"optimal\"}}",
    };
    if (!tj_make_judge(&spec, &judge, &err) ||
        !tj_judge_trace(tj, judge, tj_last_active_trace_id(tj), NULL, &result,
                        &err))
        die(&err);
    print_result(result);

    tj_result_free(result);
    tj_judge_free(judge);
    tj_close(tj);
    return 0;
}
