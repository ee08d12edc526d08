/* bench_otlp.c - how fast OTLP becomes spans, normal form and all.
 * SPDX-License-Identifier: Apache-2.0
 *
 * 50 MB of OTLP/JSON as an agent's exporter writes it (chat and tool spans of
 * about 1.5 KB, messages as JSON inside strings) through tj_format_parse.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "text/json_write.h"
#include "trace/format.h"

enum { BYTES = 50 << 20, ROUNDS = 5, SPANS_PER_REQUEST = 1000 };

static void put_text(struct tj_json_writer *w, const char *key, tj_str value)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "key", tj_str_c(key));
    tj_jw_key(w, TJ_STR("value"));
    tj_jw_object(w);
    tj_jw_key_str(w, "stringValue", value);
    tj_jw_end(w);
    tj_jw_end(w);
}

static void put_int(struct tj_json_writer *w, const char *key, uint64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    tj_jw_object(w);
    tj_jw_key_str(w, "key", tj_str_c(key));
    tj_jw_key(w, TJ_STR("value"));
    tj_jw_object(w);
    tj_jw_key_str(w, "intValue", tj_str_make(digits, (size_t)n));
    tj_jw_end(w);
    tj_jw_end(w);
}

static void put_attributes(struct tj_json_writer *w, uint64_t i)
{
    tj_jw_key(w, TJ_STR("attributes"));
    tj_jw_array(w);
    put_text(w, "gen_ai.operation.name", TJ_STR("chat"));
    put_text(w, "gen_ai.provider.name", TJ_STR("openai"));
    put_text(w, "gen_ai.request.model", TJ_STR("gpt-5"));
    put_text(w, "gen_ai.response.id", TJ_STR("chatcmpl-9J3uyL8m2Pq0s"));
    put_int(w, "gen_ai.usage.input_tokens", 1000 + i % 977);
    put_int(w, "gen_ai.usage.output_tokens", 10 + i % 97);
    put_text(w, "gen_ai.input.messages",
             TJ_STR("[{\"role\":\"system\",\"content\":\"You are a careful "
                    "assistant.\\nAnswer from the documents only.\"},{\"role\":"
                    "\"user\",\"content\":\"Which of the orders of last week "
                    "were delivered late, and what did the customers say "
                    "about \\\"late\\\"?\"}]"));
    put_text(w, "gen_ai.output.messages",
             TJ_STR("[{\"role\":\"assistant\",\"content\":\"Three orders were "
                    "late: 1723, 1730 and 1741. Two customers asked for their "
                    "money back; one said that it did not matter.\"}]"));
    put_text(w, "session.id", TJ_STR("c0ffee-4711"));
    tj_jw_end(w);
}

static void put_span(struct tj_json_writer *w, uint64_t i, struct tj_arena *a)
{
    uint64_t trace = i / 20 + 1;
    tj_jw_object(w);
    tj_jw_key_str(w, "traceId",
                  tj_str_printf(a, "%032llx", (unsigned long long)trace));
    tj_jw_key_str(w, "spanId",
                  tj_str_printf(a, "%016llx", (unsigned long long)(i + 1)));
    if (i % 20)
        tj_jw_key_str(
            w, "parentSpanId",
            tj_str_printf(a, "%016llx", (unsigned long long)(i - i % 20 + 1)));
    tj_jw_key_str(w, "name", TJ_STR("chat gpt-5"));
    tj_jw_key_u64(w, "kind", 3);
    tj_jw_key_str(w, "startTimeUnixNano",
                  tj_str_printf(a, "%llu",
                                (unsigned long long)(1770131994000000000 + i)));
    tj_jw_key_str(w, "endTimeUnixNano",
                  tj_str_printf(a, "%llu",
                                (unsigned long long)(1770131995000000000 + i)));
    put_attributes(w, i);
    tj_jw_key(w, TJ_STR("status"));
    tj_jw_object(w);
    tj_jw_end(w);
    tj_jw_end(w);
}

/* JSON Lines, one export request a line. */
static tj_str make_input(struct tj_arena *a)
{
    struct tj_buf out;
    tj_buf_init(&out, a, SIZE_MAX);
    uint64_t i = 0;
    while (out.len < BYTES) {
        struct tj_arena step = {0};
        struct tj_json_writer w;
        tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
        tj_jw_object(&w);
        tj_jw_key(&w, TJ_STR("resourceSpans"));
        tj_jw_array(&w);
        tj_jw_object(&w);
        tj_jw_key(&w, TJ_STR("scopeSpans"));
        tj_jw_array(&w);
        tj_jw_object(&w);
        tj_jw_key(&w, TJ_STR("spans"));
        tj_jw_array(&w);
        for (size_t n = 0; n < SPANS_PER_REQUEST; n++)
            put_span(&w, i++, &step);
        for (int depth = 0; depth < 6; depth++)
            tj_jw_end(&w);
        tj_buf_byte(&out, '\n');
        tj_arena_release(&step);
    }
    return tj_buf_str(&out);
}

/* CPU time, so that a busy machine does not count against us. */
static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
    struct tj_arena a = {0};
    tj_str input = make_input(&a);
    double best = 0;
    size_t spans = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct tj_arena parsed = {0};
        struct tj_batch batch;
        struct tj_err err = {0};
        const struct tj_format *used = NULL;
        double start = cpu_seconds();
        bool ok = tj_format_parse(NULL, input, &parsed, &batch, &used, &err);
        double seconds = cpu_seconds() - start;
        if (!ok) {
            (void)fprintf(stderr, "%s\n", err.message);
            return EXIT_FAILURE;
        }
        double rate = (double)input.len / 1e6 / seconds;
        best = rate > best ? rate : best;
        spans = batch.spans.count;
        tj_arena_release(&parsed);
    }
    (void)printf("%-28s %10s %10s %12s\n", "OTLP/JSON to spans", "MB", "spans",
                 "MB/s a core");
    (void)printf("%-28s %10.1f %10zu %12.0f\n", "parse and normalise",
                 (double)input.len / 1e6, spans, best);
    tj_arena_release(&a);
    return EXIT_SUCCESS;
}
