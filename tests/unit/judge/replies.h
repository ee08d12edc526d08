/* replies.h - drives one judge by hand, with canned replies.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TESTS_JUDGE_REPLIES_H
#define TJ_TESTS_JUDGE_REPLIES_H

#include "fixture.h"

#define GOOD_QUOTE                                                             \
    "[{\"span_id\":\"00000000000000c3\",\"field\":\"output\","                 \
    "\"quote\":\"HTTP 503 from upstream\"}]"
#define BAD_QUOTE                                                              \
    "[{\"span_id\":\"00000000000000c3\",\"field\":\"output\","                 \
    "\"quote\":\"HTTP 200 all fine\"}]"
#define ANSWER(result, evidence)                                               \
    "{\"result\":" result ",\"rationale\":\"because\",\"evidence\":" evidence  \
    "}"

static inline uint64_t read_clock(void *ctx)
{
    return ((struct fixture *)ctx)->clock_ns;
}

static inline void count_tool(void *ctx, const struct tj_call *call,
                              const struct tj_tool_reply *reply, bool repeated,
                              uint64_t duration_ns)
{
    ((struct fixture *)ctx)->calls_ran += !repeated && !reply->refused;
}

static inline bool try_begin(struct fixture *f, const char *source,
                             const struct tj_subject *subject)
{
    assert_ok(tj_judge_def_parse(tj_str_c(source), "rate.md", &f->arena,
                                 &f->def, &f->err),
              f->err);
    f->options.nonce = UINT64_C(0xdeadbeef);
    f->options.mono_ns = read_clock;
    f->options.mono_ctx = f;
    f->options.input_usd_per_mtok = 1.0;
    f->options.cached_usd_per_mtok = -1.0;
    f->options.output_usd_per_mtok = 10.0;
    f->options.watch.tool_ran = count_tool;
    f->options.watch.ctx = f;
    f->calls_ran = 0;
    return tj_judge_new(&f->def, subject, &f->options, &f->arena, &f->judge,
                        &f->err);
}

static inline void begin(struct fixture *f, const char *source)
{
    struct tj_subject subject = {.trace = &f->trace};
    assert_ok(try_begin(f, source, &subject), f->err);
}

/* The next step must be a request; f->ask is it. */
static inline void asks(struct fixture *f)
{
    enum tj_judge_step step = tj_judge_next(f->judge, &f->ask, &f->err);
    if (step == TJ_JUDGE_FAILED)
        fail_msg("%s", f->err.message);
    if (step == TJ_JUDGE_DONE)
        fail_msg("done: %s",
                 tj_cstr(&f->arena, tj_judge_verdict(f->judge)->error_message));
}

static inline const struct tj_verdict *done(struct fixture *f)
{
    enum tj_judge_step step = tj_judge_next(f->judge, &f->ask, &f->err);
    assert_int_equal(step, TJ_JUDGE_DONE);
    return tj_judge_verdict(f->judge);
}

static inline void reply(struct fixture *f, const struct tj_reply *r)
{
    assert_ok(tj_judge_answer(f->judge, r, &f->err), f->err);
}

static inline struct tj_reply usual(enum tj_stop stop)
{
    return (struct tj_reply){
        .stop = stop,
        .message = {.role = TJ_ROLE_ASSISTANT},
        .usage = {1000, 0, -1, 100, -1, -1.0},
        .attempts = 1,
    };
}

static inline void says(struct fixture *f, const char *text)
{
    struct tj_reply r = usual(TJ_STOP_END);
    r.message.text = tj_str_c(text);
    reply(f, &r);
}

static inline void stops(struct fixture *f, enum tj_stop stop, const char *text)
{
    struct tj_reply r = usual(stop);
    r.message.text = tj_str_c(text);
    reply(f, &r);
}

static inline void errs(struct fixture *f, enum tj_llm_error error)
{
    struct tj_reply r = usual(TJ_STOP_ERROR);
    r.usage = TJ_LLM_USAGE_UNKNOWN;
    r.error = error;
    r.error_message = TJ_STR("it said no");
    reply(f, &r);
}

struct one_call {
    const char *name;
    const char *args;
};

static inline void calls_all(struct fixture *f, const struct one_call *calls,
                             size_t count, int64_t input_tokens)
{
    struct tj_reply r = usual(TJ_STOP_TOOLS);
    r.usage.input_tokens = input_tokens;
    for (size_t i = 0; i < count; i++) {
        *tj_vec_add(&r.message.uses, &f->arena) = (struct tj_tool_use){
            .id = tj_str_printf(&f->arena, "call_%zu", i),
            .name = tj_str_c(calls[i].name),
            .args = tj_str_c(calls[i].args),
        };
    }
    reply(f, &r);
}

static inline void calls(struct fixture *f, const char *name, const char *args)
{
    struct one_call one = {name, args};
    calls_all(f, &one, 1, 1000);
}

static inline tj_str message(const struct fixture *f, size_t from_end)
{
    assert_true(from_end < f->ask.message_count);
    return f->ask.messages[f->ask.message_count - 1 - from_end].text;
}

static inline bool contains(tj_str text, const char *part)
{
    return tj_str_find(text, tj_str_c(part)) != (size_t)-1;
}

#define assert_contains(text, part)                                            \
    do {                                                                       \
        if (!contains((text), (part)))                                         \
            fail_msg("\"%.*s\" lacks \"%s\"", TJ_STR_ARG(text), (part));       \
    } while (0)

/* Every call of an assistant message is answered, in order, right behind it. */
static inline void assert_pairs(const struct tj_ask *ask)
{
    for (size_t i = 0; i < ask->message_count; i++) {
        const struct tj_message *m = &ask->messages[i];
        for (size_t k = 0; k < m->uses.count; k++) {
            assert_true(i + 1 + k < ask->message_count);
            const struct tj_message *r = &ask->messages[i + 1 + k];
            assert_int_equal(r->role, TJ_ROLE_TOOL);
            assert_true(tj_str_eq(r->use_id, m->uses.items[k].id));
        }
    }
}

#endif
