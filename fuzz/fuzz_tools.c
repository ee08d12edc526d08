/* fuzz_tools.c - any call of any tool on a trace of any texts.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The first line is "TOOL ARGS"; what follows becomes, in pieces, the name,
 * inputs and outputs of three spans.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "text/utf8.h"
#include "tools/tool.h"
#include "trace/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SPANS = 3 };

static const tj_trace_id trace_id = {{1}};

static void add_span(struct tj_build *b, unsigned char n, tj_str text)
{
    static const char *const kinds[SPANS] = {"AGENT", "LLM", "TOOL"};
    struct tj_span *s = tj_build_span(b, trace_id, (tj_span_id){{n}});
    s->name = tj_str_slice(text, 0, 12);
    s->start = n * TJ_NS_PER_SECOND;
    s->end = n % 2 ? s->start + 3 * TJ_NS_PER_SECOND : 0;
    s->status = n == SPANS ? TJ_STATUS_ERROR : TJ_STATUS_OK;
    if (n > 1)
        s->parent_id = (tj_span_id){{1}};
    tj_build_attr_text(b, TJ_STR("mlflow.spanType"), tj_str_c(kinds[n - 1]));
    tj_build_attr_text(b, TJ_STR("mlflow.spanInputs"),
                       tj_str_slice(text, 0, text.len / 2));
    tj_build_attr_text(b, TJ_STR("mlflow.spanOutputs"),
                       tj_str_slice(text, text.len / 2, text.len));
    tj_build_end(b);
}

static void call(struct tj_store *store, tj_str line)
{
    struct tj_arena a = {0};
    struct tj_arena step = {0};
    struct tj_trace trace = {0};
    struct tj_tool_reply reply = {{0}, false};
    struct tj_err err = {0};
    if (!tj_store_open_trace(store, trace_id, &a, &trace, &err))
        abort();
    struct tj_tool_env env = {
        .store = store,
        .trace = &trace,
        .step = &step,
        .coverage = tj_coverage_new(&a, trace.span_count),
    };
    struct tj_call c = {.name = tj_str_cut(&line, ' ')};
    c.args = line;
    if (!tj_tool_run(&env, &c, &reply, &err))
        abort();
    if (reply.text.len > TJ_TOOL_RESULT_BYTES_MAX ||
        tj_utf8_valid(reply.text) != reply.text.len)
        abort();
    struct tj_coverage_sum sum = tj_coverage_sum(env.coverage, &trace);
    if (sum.bytes_read > sum.bytes_total || sum.spans_read > sum.spans_total)
        abort();
    tj_arena_release(&step);
    tj_arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_store *store = NULL;
    struct tj_store_options options = {.create = true};
    struct tj_batch batch;
    struct tj_err err = {0};
    tj_str text = tj_str_make((const char *)data, size);
    tj_str line = tj_str_cut(&text, '\n');
    if (!tj_store_open(TJ_STR("memory:"), &options, &store, &err))
        abort();
    tj_batch_init(&batch, &a);
    struct tj_build *b = tj_build_new(&a, &batch);
    for (unsigned char n = 1; n <= SPANS; n++)
        add_span(b, n, tj_str_slice(text, n * text.len / 8, text.len));
    if (!tj_store_add_batch(store, &batch, &err))
        abort();
    call(store, line);
    tj_store_close(store);
    tj_arena_release(&a);
    return 0;
}
