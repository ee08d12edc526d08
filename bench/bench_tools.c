/* bench_tools.c - the tools on a large trace: 33,000 spans, 80 MB of texts.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The trace is an agent's loop: a model call and two tool calls a step, names
 * with an index, inputs and outputs of 2.4 KB.  Times are of the processor,
 * so a busy machine measures the same.  Usage: bench_tools [STORE]
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "tools/overview.h"
#include "tools/tool.h"
#include "trace/build.h"

enum {
    SPANS = 33000,
    TEXT_BYTES = 1200,
};

static const tj_trace_id trace_id = {{1, 2, 3}};

static tj_span_id id_of(uint32_t n)
{
    tj_span_id id = {{0x10}};
    for (int i = 0; i < 4; i++)
        id.bytes[7 - i] = (unsigned char)(n >> (8 * i));
    return id;
}

/* Words that look like text and are no two times the same. */
static tj_str make_text(struct tj_arena *a, uint32_t seed)
{
    static const char *const words[] = {"the",    "result", "of",   "request",
                                        "status", "value",  "with", "customer",
                                        "order",  "found",  "page", "answer"};
    struct tj_buf b;
    tj_buf_init(&b, a, TEXT_BYTES + 64);
    while (b.len < TEXT_BYTES) {
        seed = seed * 1664525u + 1013904223u;
        tj_buf_add(&b, tj_str_c(words[(seed >> 20) % 12]));
        tj_buf_fmt(&b, " %u ", (seed >> 12) & 0xfff);
    }
    return tj_buf_str(&b);
}

static void add_span(struct tj_build *b, struct tj_arena *a, uint32_t i)
{
    static const char *const kinds[] = {"LLM", "TOOL", "TOOL"};
    struct tj_span *s = tj_build_span(b, trace_id, id_of(i));
    uint64_t at = UINT64_C(1777708800) * TJ_NS_PER_SECOND;
    s->start = at + i * 3 * TJ_NS_PER_MS;
    s->end = s->start + (i ? 2 : SPANS * 3) * TJ_NS_PER_MS;
    s->status = i % 997 ? TJ_STATUS_OK : TJ_STATUS_ERROR;
    s->name = i ? tj_str_printf(a, "step_%u", i / 50) : TJ_STR("agent");
    if (i)
        s->parent_id = id_of(i % 50 ? i - i % 50 : 0);
    tj_build_attr_text(b, TJ_STR("mlflow.spanType"),
                       tj_str_c(i ? kinds[i % 3] : "AGENT"));
    tj_build_attr_text(b, TJ_STR("mlflow.spanInputs"), make_text(a, i));
    tj_build_attr_text(b, TJ_STR("mlflow.spanOutputs"),
                       make_text(a, i + 1000000));
    tj_build_end(b);
}

static bool fill(struct tj_store *store, struct tj_err *err)
{
    struct tj_arena a = {0};
    struct tj_batch batch;
    tj_batch_init(&batch, &a);
    struct tj_build *b = tj_build_new(&a, &batch);
    for (uint32_t i = 0; i < SPANS; i++)
        add_span(b, &a, i);
    bool done = tj_store_add_batch(store, &batch, err);
    tj_arena_release(&a);
    return done;
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t))
        return 0;
    return (uint64_t)t.tv_sec * TJ_NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

static void print_row(const char *what, uint64_t ns, uint64_t bytes)
{
    printf("%-54.54s %9.2f ms", what, (double)ns / 1e6);
    if (bytes)
        printf(" %7.2f GB/s", (double)bytes / (double)ns);
    printf("\n");
}

/* First in a trace that was just opened, then once more. */
static bool measure(struct tj_store *store, const char *tool, const char *args,
                    bool searches, struct tj_err *err)
{
    struct tj_arena a = {0};
    struct tj_arena step = {0};
    struct tj_trace trace = {0};
    struct tj_tool_reply reply = {{0}, false};
    uint64_t begin = cpu_ns();
    bool done = tj_store_open_trace(store, trace_id, &a, &trace, err);
    struct tj_tool_env env = {.store = store, .trace = &trace, .step = &step};
    struct tj_call call = {.name = tj_str_c(tool), .args = tj_str_c(args)};
    done = done && tj_tool_run(&env, &call, &reply, err);
    uint64_t first = cpu_ns() - begin;
    begin = cpu_ns();
    done = done && tj_tool_run(&env, &call, &reply, err);
    uint64_t again = cpu_ns() - begin;
    if (done) {
        char what[128];
        snprintf(what, sizeof what, "%s %s", tool, args);
        print_row(what, first, 0);
        print_row("  again", again, searches ? trace.info.text_bytes : 0);
    }
    tj_arena_release(&step);
    tj_arena_release(&a);
    return done;
}

static bool measure_overview(struct tj_store *store, struct tj_err *err)
{
    struct tj_arena a = {0};
    struct tj_trace trace = {0};
    struct tj_buf b;
    uint64_t begin = cpu_ns();
    bool done = tj_store_open_trace(store, trace_id, &a, &trace, err);
    uint64_t opened = cpu_ns();
    tj_buf_init(&b, &a, TJ_OVERVIEW_BYTES_MAX);
    if (done) {
        tj_overview_write(&trace, TJ_OVERVIEW_BYTES_MAX, &b);
        print_row("open", opened - begin, 0);
        print_row("overview", cpu_ns() - opened, 0);
    }
    tj_arena_release(&a);
    return done;
}

static bool run(const char *url, struct tj_err *err)
{
    static const struct {
        const char *tool;
        const char *args;
        bool searches;
    } calls[] = {
        {"get_trace_info", "", false},
        {"list_spans", "", false},
        {"list_spans", "{\"sort\":\"duration\",\"previews\":true}", false},
        {"get_span", "{\"span_id\":\"1000000000004000\"}", false},
        {"search_trace_regex", "{\"pattern\":\"needle in hay\"}", true},
        {"search_trace_regex",
         "{\"pattern\":\"needle in hay\",\"case_sensitive\":true}", true},
        {"search_trace_regex",
         "{\"pattern\":\"[xyz]{3}[0-9]q\",\"case_sensitive\":true}", true},
        {"search_trace_regex", "{\"pattern\":\"(\\\\w+\\\\s)+error\"}", true},
        {"find_problems", "", false},
        {"get_span_performance_and_timing_report", "", false},
        {"get_critical_path", "", false},
        {"get_conversation", "", false},
    };
    struct tj_store *store = NULL;
    struct tj_store_options options = {.create = true};
    bool done = tj_store_open(tj_str_c(url), &options, &store, err) &&
                fill(store, err) && measure_overview(store, err);
    for (size_t i = 0; done && i < TJ_COUNT(calls); i++)
        done = measure(store, calls[i].tool, calls[i].args, calls[i].searches,
                       err);
    tj_store_close(store);
    return done;
}

int main(int argc, char **argv)
{
    struct tj_err err = {0};
    if (!run(argc > 1 ? argv[1] : "memory:", &err)) {
        fprintf(stderr, "bench_tools: %s\n", err.message);
        return 1;
    }
    return 0;
}
