/* tools_test.h - a trace in a memory store, and a tool asked about it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TESTS_TOOLS_TEST_H
#define TJ_TESTS_TOOLS_TEST_H

#include "test.h"

#include "tools/tool.h"
#include "trace/build.h"

#define BASE_TIME (UINT64_C(1777708800) * TJ_NS_PER_SECOND)

struct fixture {
    struct tj_arena arena;
    struct tj_arena step;
    struct tj_batch batch;
    struct tj_build *build;
    struct tj_store *store;
    struct tj_trace trace;
    struct tj_tool_env env;
    struct tj_coverage *coverage;
    bool building;
};

static inline tj_trace_id test_trace_id(unsigned char n)
{
    return (tj_trace_id){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n}};
}

static inline tj_span_id test_span_id(uint32_t n)
{
    tj_span_id id = {{0}};
    for (int i = 0; i < 4; i++)
        id.bytes[7 - i] = (unsigned char)(n >> (8 * i));
    return id;
}

static inline void fixture_init(struct fixture *f)
{
    struct tj_err err = {0};
    struct tj_store_options options = {.create = true};
    memset(f, 0, sizeof *f);
    tj_batch_init(&f->batch, &f->arena);
    f->build = tj_build_new(&f->arena, &f->batch);
    assert_ok(tj_store_open(TJ_STR("memory:"), &options, &f->store, &err), err);
}

/* start and end in ms after BASE_TIME; end < 0: unfinished. */
static inline struct tj_span *fixture_span(struct fixture *f, uint32_t id,
                                           uint32_t parent, const char *name,
                                           long start, long end)
{
    if (f->building)
        tj_build_end(f->build);
    f->building = true;
    struct tj_span *s =
        tj_build_span(f->build, test_trace_id(1), test_span_id(id));
    if (parent)
        s->parent_id = test_span_id(parent);
    s->name = tj_str_dup(&f->arena, tj_str_c(name));
    s->start = BASE_TIME + (uint64_t)start * TJ_NS_PER_MS;
    s->end = end < 0 ? 0 : BASE_TIME + (uint64_t)end * TJ_NS_PER_MS;
    s->status = TJ_STATUS_OK;
    return s;
}

static inline void fixture_attr(struct fixture *f, const char *key,
                                const char *text)
{
    tj_build_attr_text(f->build, tj_str_dup(&f->arena, tj_str_c(key)),
                       tj_str_dup(&f->arena, tj_str_c(text)));
}

/* Stores what was built and opens the trace. */
static inline void fixture_open(struct fixture *f)
{
    struct tj_err err = {0};
    if (f->building)
        tj_build_end(f->build);
    f->building = false;
    assert_ok(tj_store_add_batch(f->store, &f->batch, &err), err);
    assert_ok(tj_store_open_trace(f->store, test_trace_id(1), &f->arena,
                                  &f->trace, &err),
              err);
    f->coverage = tj_coverage_new(&f->arena, f->trace.span_count);
    f->env = (struct tj_tool_env){
        .store = f->store,
        .trace = &f->trace,
        .coverage = f->coverage,
        .step = &f->step,
    };
}

static inline void fixture_release(struct fixture *f)
{
    tj_store_close(f->store);
    tj_arena_release(&f->step);
    tj_arena_release(&f->arena);
}

/* The reply lives until fixture_release. */
static inline struct tj_tool_reply ask(struct fixture *f, const char *tool,
                                       const char *args)
{
    struct tj_err err = {0};
    struct tj_tool_reply reply = {{0}, false};
    struct tj_call call = {.name = tj_str_c(tool), .args = tj_str_c(args)};
    assert_ok(tj_tool_run(&f->env, &call, &reply, &err), err);
    return reply;
}

static inline tj_str ask_text(struct fixture *f, const char *tool,
                              const char *args)
{
    struct tj_tool_reply reply = ask(f, tool, args);
    if (reply.refused)
        fail_msg("%s refused: %.*s", tool, TJ_STR_ARG(reply.text));
    return reply.text;
}

#define assert_contains(text, part)                                            \
    do {                                                                       \
        tj_str contains_text = (text);                                         \
        if (tj_str_find(contains_text, tj_str_c(part)) == (size_t)-1)          \
            fail_msg("\"%s\" is not in:\n%.*s", (part),                        \
                     TJ_STR_ARG(contains_text));                               \
    } while (0)

#define assert_lacks(text, part)                                               \
    do {                                                                       \
        tj_str lacks_text = (text);                                            \
        if (tj_str_find(lacks_text, tj_str_c(part)) != (size_t)-1)             \
            fail_msg("\"%s\" is in:\n%.*s", (part), TJ_STR_ARG(lacks_text));   \
    } while (0)

/* The number behind "next_page_token: ", or -1. */
static inline long next_token(tj_str text)
{
    tj_str mark = TJ_STR("next_page_token: ");
    size_t at = tj_str_find(text, mark);
    if (at == (size_t)-1)
        return -1;
    at += mark.len;
    size_t end = at;
    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
        end++;
    uint64_t token;
    assert_true(tj_str_to_u64(tj_str_slice(text, at, end - at), &token));
    return (long)token;
}

#endif
