/* test_model_http.c - models over loopback, against a server with rules.
 * SPDX-License-Identifier: Apache-2.0
 *
 * tests/e2e/model_server.py sends a 400 where the providers do, wants opaque
 * state back byte for byte, and fails as the scenario says.
 */
#include "llm/model.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/loop.h"
#include "server.h"
#include "text/json.h"

static struct test_server server;
static struct tj_arena forever;
static char dir[] = "/tmp/tj-http-XXXXXX";

struct world {
    struct tj_loop *loop;
    struct tj_arena a;
    struct tj_model *model;
    struct tj_message messages[8];
    struct tj_ask ask;
    size_t log_start; /* lines of the log that are older */
};

static const struct tj_tool_spec tools[] = {
    {TJ_STR_INIT("list_spans"), TJ_STR_INIT("Lists spans."),
     TJ_STR_INIT("{\"type\":\"object\",\"properties\":{\"kind\":{}}}")},
};

#define SCHEMA                                                                 \
    "{\"type\":\"object\",\"properties\":{\"result\":{\"type\":\"integer\","   \
    "\"minimum\":1}},\"required\":[\"result\"],"                               \
    "\"additionalProperties\":false}"

static tj_str log_text(struct world *w)
{
    tj_str path = tj_str_printf(&w->a, "%s/log", dir), text;
    struct tj_err err;
    assert_ok(tj_file_read(path.ptr, 1 << 28, &w->a, &text, &err), err);
    return text;
}

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    struct tj_err err;
    if (!tj_loop_open(&w->loop, &err))
        return -1;
    w->messages[0] =
        (struct tj_message){.role = TJ_ROLE_USER, .text = TJ_STR("judge")};
    w->ask = (struct tj_ask){.system = TJ_STR("You are a judge."),
                             .messages = w->messages,
                             .message_count = 1,
                             .tools = tools,
                             .tool_count = 1,
                             .schema_name = TJ_STR("verdict"),
                             .schema = TJ_STR(SCHEMA),
                             .cache_key = TJ_STR("k")};
    w->log_start = log_text(w).len;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tj_model_close(w->model);
    tj_loop_close(w->loop);
    tj_arena_release(&w->a);
    test_free(w);
    return 0;
}

static const char *test_env(const char *name)
{
    return !strcmp(name, "OPENAI_API_KEY") || !strcmp(name, "ANTHROPIC_API_KEY")
               ? "test-key"
               : NULL;
}

static void open_with(struct world *w, const char *uri, const char *key)
{
    tj_str base = tj_str_printf(&w->a, "http://127.0.0.1:%u/v1", server.port);
    struct tj_model_options options = {
        .base_url = base, .api_key = tj_str_c(key), .env = test_env};
    struct tj_err err;
    tj_model_close(w->model);
    w->model = NULL;
    assert_ok(tj_model_open(tj_str_c(uri), &options, w->loop, &w->model, &err),
              err);
}

static struct tj_reply say(struct world *w)
{
    struct tj_reply reply;
    tj_model_ask_wait(w->model, &w->ask, &w->a, &reply);
    return reply;
}

/* The body of the last request that the server saw. */
static const struct tj_json *last_request(struct world *w)
{
    tj_str text = tj_str_trim(log_text(w));
    size_t at = text.len;
    while (at && text.ptr[at - 1] != '\n')
        at--;
    struct tj_json_doc doc;
    struct tj_err err;
    assert_ok(
        tj_json_parse(tj_str_slice(text, at, text.len), &w->a, &doc, &err),
        err);
    return doc.root;
}

static size_t requests_seen(struct world *w)
{
    tj_str text = log_text(w);
    size_t count = 0;
    for (size_t i = w->log_start; i < text.len; i++)
        count += text.ptr[i] == '\n';
    return count;
}

static void answer_calls(struct world *w, const struct tj_reply *r)
{
    w->messages[w->ask.message_count++] = r->message;
    tj_vec_each (&r->message.uses, const struct tj_tool_use, use)
        w->messages[w->ask.message_count++] =
            (struct tj_message){.role = TJ_ROLE_TOOL,
                                .use_id = use->id,
                                .use_name = use->name,
                                .text = TJ_STR("3 spans")};
}

static const char *const dialects[] = {"openai-chat:/", "openai-responses:/",
                                       "anthropic:/"};

static void open_dialect(struct world *w, size_t i, const char *model)
{
    tj_str uri = tj_str_printf(&w->a, "%s%s", dialects[i], model);
    open_with(w, uri.ptr, "");
}

static void a_run_over_each_dialect(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(dialects); i++) {
        w->ask.message_count = 1;
        open_dialect(w, i, "run");
        struct tj_reply r = say(w);
        assert_str_eq(r.error_message, "");
        assert_int_equal(r.stop, TJ_STOP_TOOLS);
        assert_int_equal(r.message.uses.count, 2);
        assert_str_eq(r.message.uses.items[0].name, "list_spans");
        assert_true(tj_str_find(r.message.uses.items[1].args, TJ_STR("LLM")) !=
                    (size_t)-1);
        assert_int_equal(r.usage.input_tokens, 1000);
        assert_int_equal(r.usage.cached_input_tokens, 600);
        assert_int_equal(r.usage.output_tokens, 50);
        answer_calls(w, &r);
        r = say(w);
        assert_str_eq(r.error_message, "");
        answer_calls(w, &r);
        r = say(w);
        assert_str_eq(r.error_message, "");
        assert_int_equal(r.stop, TJ_STOP_END);
        assert_str_eq(r.message.text, "{\"result\": 3}");
        assert_int_equal(r.attempts, 1);
        assert_int_equal(r.http_status, 200);
        assert_str_eq(r.model, "run");
        /* A repair turn: the answer goes back, and a user message. */
        w->messages[w->ask.message_count++] = r.message;
        w->messages[w->ask.message_count++] = (struct tj_message){
            .role = TJ_ROLE_USER, .text = TJ_STR("again, please")};
        assert_str_eq(say(w).error_message, "");
    }
}

static void a_forced_end(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(dialects); i++) {
        w->ask.message_count = 1;
        w->ask.choice = TJ_CHOICE_AUTO;
        open_dialect(w, i, "run");
        struct tj_reply r = say(w);
        answer_calls(w, &r);
        w->messages[w->ask.message_count++] = (struct tj_message){
            .role = TJ_ROLE_USER, .text = TJ_STR("Answer now.")};
        w->ask.choice = TJ_CHOICE_NONE;
        assert_str_eq(say(w).error_message, "");
    }
}

static void retries_then_answers(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(dialects); i++) {
        tj_str model = tj_str_printf(&w->a, "flaky%zu", i);
        open_dialect(w, i, model.ptr);
        struct tj_reply r = say(w);
        assert_str_eq(r.error_message, "");
        assert_str_eq(r.message.text, "{\"result\": 1}");
        assert_int_equal(r.attempts, 5);
    }
}

static void gives_up_in_the_end(void **state)
{
    struct world *w = *state;
    struct tj_model_options options = {.retries_max = 2, .env = test_env};
    options.base_url =
        tj_str_printf(&w->a, "http://127.0.0.1:%u/v1", server.port);
    struct tj_err err;
    assert_ok(tj_model_open(TJ_STR("openai:/down"), &options, w->loop,
                            &w->model, &err),
              err);
    struct tj_reply r = say(w);
    assert_int_equal(r.error, TJ_LLM_PROVIDER);
    assert_str_eq(r.error_message, "HTTP 503: scripted fault");
    assert_int_equal(r.attempts, 3);
    assert_int_equal(r.http_status, 503);
}

static void what_is_not_tried_again(void **state)
{
    static const struct {
        const char *model;
        enum tj_llm_error error;
    } table[] = {
        {"quota", TJ_LLM_QUOTA},
        {"payment", TJ_LLM_QUOTA},
        {"forbidden", TJ_LLM_AUTH},
        {"nobody", TJ_LLM_BAD_REQUEST},
        {"overflow", TJ_LLM_CONTEXT_OVERFLOW},
        {"filter", TJ_LLM_REFUSAL},
        {"noretry", TJ_LLM_PROVIDER},
    };
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        tj_str uri = tj_str_printf(&w->a, "openai:/%s", table[i].model);
        open_with(w, uri.ptr, "");
        struct tj_reply r = say(w);
        if (r.error != table[i].error)
            fail_msg("%s: %s", table[i].model, r.error_message.ptr);
        assert_int_equal(r.attempts, 1);
        assert_int_equal(r.stop, TJ_STOP_ERROR);
    }
    open_with(w, "openai:/run", "wrong");
    struct tj_reply r = say(w);
    assert_int_equal(r.error, TJ_LLM_AUTH);
    assert_str_eq(r.error_message, "HTTP 401: Incorrect API key provided");
}

static void nonsense_is_an_error(void **state)
{
    static const struct {
        const char *model;
        enum tj_llm_error error;
    } table[] = {
        {"garbage", TJ_LLM_PROVIDER},  {"truncated", TJ_LLM_PROVIDER},
        {"hollow", TJ_LLM_BAD_OUTPUT}, {"inside", TJ_LLM_PROVIDER},
        {"cut", TJ_LLM_NETWORK},
    };
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        tj_str uri = tj_str_printf(&w->a, "openai:/%s", table[i].model);
        struct tj_model_options options = {.retries_max = 1, .env = test_env};
        struct tj_err err;
        options.base_url =
            tj_str_printf(&w->a, "http://127.0.0.1:%u/v1", server.port);
        tj_model_close(w->model);
        assert_ok(tj_model_open(uri, &options, w->loop, &w->model, &err), err);
        struct tj_reply r = say(w);
        if (r.error != table[i].error)
            fail_msg("%s: %s", table[i].model, r.error_message.ptr);
        assert_int_equal(r.attempts, 2);
        assert_true(r.error_message.len > 0);
        assert_int_equal(tj_str_find_byte(r.error_message, '\n'), (size_t)-1);
    }
}

static void refused_parameters_are_remembered(void **state)
{
    struct world *w = *state;
    w->ask.params = TJ_STR("{\"temperature\":0,\"seed\":1}");
    open_with(w, "openai:/o3-picky", "");
    struct tj_reply r = say(w);
    assert_str_eq(r.error_message, "");
    assert_int_equal(r.attempts, 3); /* temperature, then seed */
    const struct tj_json *body = tj_json_at(last_request(w), "body");
    assert_null(tj_json_at(body, "temperature"));
    assert_null(tj_json_at(body, "seed"));
    assert_int_equal(say(w).attempts, 1);
}

static void the_other_name_of_max_tokens(void **state)
{
    struct world *w = *state;
    w->ask.output_tokens_max = 77;
    open_with(w, "custom:/gpt-5-tokens", "test-key");
    struct tj_reply r = say(w);
    assert_str_eq(r.error_message, "");
    assert_int_equal(r.attempts, 2);
    int64_t n = 0;
    assert_true(tj_json_i64(
        tj_json_at(last_request(w), "body.max_completion_tokens"), &n));
    assert_int_equal(n, 77);
}

static void schema_falls_back_to_a_tool(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(dialects); i++) {
        w->ask.message_count = 1;
        w->ask.choice = TJ_CHOICE_AUTO;
        open_dialect(w, i, "unstructured");
        struct tj_reply r = say(w);
        assert_str_eq(r.error_message, "");
        assert_int_equal(r.attempts, 2);
        assert_int_equal(r.stop, TJ_STOP_END);
        assert_int_equal(r.message.uses.count, 0);
        assert_true(tj_str_find(r.message.text, TJ_STR("4")) != (size_t)-1);
        assert_int_equal(
            tj_json_count(tj_json_at(last_request(w), "body.tools")), 2);
        /* The call that nobody answers must not go back. */
        w->messages[w->ask.message_count++] = r.message;
        w->messages[w->ask.message_count++] =
            (struct tj_message){.role = TJ_ROLE_USER, .text = TJ_STR("again")};
        w->ask.choice = TJ_CHOICE_NONE;
        r = say(w);
        assert_str_eq(r.error_message, "");
        assert_int_equal(r.attempts, 1);
    }
}

static void the_deadline_holds(void **state)
{
    struct world *w = *state;
    open_with(w, "openai:/hang", "");
    w->ask.deadline_mono_ns = tj_mono_ns() + 30 * TJ_NS_PER_MS;
    struct tj_reply r = say(w);
    assert_int_equal(r.error, TJ_LLM_TIMEOUT);
    assert_str_eq(r.error_message, "no answer before the deadline");
    /* A retry that would come too late is not waited for. */
    open_with(w, "openai:/later", "");
    w->ask.deadline_mono_ns = tj_mono_ns() + 30 * TJ_NS_PER_SECOND;
    r = say(w);
    assert_int_equal(r.error, TJ_LLM_TIMEOUT);
    assert_int_equal(r.attempts, 1);
    assert_true(r.duration_ns < 20 * TJ_NS_PER_SECOND);
    assert_str_eq(r.error_message, "HTTP 429: scripted fault, and no time is "
                                   "left to try again");
    w->ask.deadline_mono_ns = 1;
    size_t before = requests_seen(w);
    assert_int_equal(say(w).error, TJ_LLM_TIMEOUT);
    assert_int_equal(requests_seen(w), before);
}

static void cancel_now(void *ctx)
{
    tj_model_cancel(((struct world *)ctx)->model);
}

static void count_cancelled(void *ctx, const struct tj_reply *reply)
{
    *(int *)ctx += reply->error == TJ_LLM_CANCELLED;
}

static void cancel_ends_all(void **state)
{
    struct world *w = *state;
    int cancelled = 0;
    open_with(w, "openai:/hang", "");
    /* More than the window: some are in flight, some wait their turn. */
    for (int i = 0; i < 30; i++)
        tj_model_ask(w->model, &w->ask, &w->a, count_cancelled, &cancelled);
    (void)tj_loop_after(w->loop, 5, cancel_now, w);
    tj_loop_run(w->loop);
    assert_int_equal(cancelled, 30);
    for (int i = 0; i < 30; i++)
        tj_model_ask(w->model, &w->ask, &w->a, count_cancelled, &cancelled);
    tj_model_close(w->model);
    w->model = NULL;
    assert_int_equal(cancelled, 60);
}

static void count_good(void *ctx, const struct tj_reply *reply)
{
    *(int *)ctx += reply->error == TJ_LLM_NONE;
}

static void many_asks_at_once(void **state)
{
    struct world *w = *state;
    int good = 0;
    open_with(w, "openai:/run", "");
    for (int i = 0; i < 60; i++)
        tj_model_ask(w->model, &w->ask, &w->a, count_good, &good);
    tj_loop_run(w->loop);
    assert_int_equal(good, 60);
}

static void nobody_is_there(void **state)
{
    struct world *w = *state;
    struct tj_model_options options = {
        .base_url = TJ_STR("http://127.0.0.1:1/v1"), .retries_max = 1};
    struct tj_err err;
    assert_ok(
        tj_model_open(TJ_STR("custom:/m"), &options, w->loop, &w->model, &err),
        err);
    struct tj_reply r = say(w);
    assert_int_equal(r.error, TJ_LLM_NETWORK);
    assert_int_equal(r.attempts, 2);
}

static void parameters_that_are_ours(void **state)
{
    struct world *w = *state;
    open_with(w, "openai:/run", "");
    w->ask.params = TJ_STR("{\"stream\":true}");
    struct tj_reply r = say(w);
    assert_int_equal(r.error, TJ_LLM_BAD_REQUEST);
    assert_str_eq(r.error_message,
                  "model parameters: 'stream' cannot be set here");
    assert_int_equal(r.attempts, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static int run(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_run_over_each_dialect),
        CASE(a_forced_end),
        CASE(retries_then_answers),
        CASE(gives_up_in_the_end),
        CASE(what_is_not_tried_again),
        CASE(nonsense_is_an_error),
        CASE(refused_parameters_are_remembered),
        CASE(the_other_name_of_max_tokens),
        CASE(schema_falls_back_to_a_tool),
        CASE(the_deadline_holds),
        CASE(cancel_ends_all),
        CASE(many_asks_at_once),
        CASE(nobody_is_there),
        CASE(parameters_that_are_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    struct tj_err err;
    int failed = 0;
    if (!mkdtemp(dir))
        return 1;
    const char *source = getenv("TRACEJUDGE_SOURCE");
    tj_str file = tj_str_printf(&forever, "%s/tests/unit/llm/model_http.json",
                                source ? source : ".");
    tj_str log = tj_str_printf(&forever, "%s/log", dir);
    if (!tj_file_write(log.ptr, (tj_str){0}, &err))
        return 1;
    if (test_server_start(&server, "tests/e2e/model_server.py", file.ptr,
                          log.ptr))
        failed = run();
    test_server_stop(&server);
    (void)unlink(log.ptr);
    (void)rmdir(dir);
    tj_arena_release(&forever);
    return failed;
}
