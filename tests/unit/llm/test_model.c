/* test_model.c - the members that need no network, as one family.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/model.h"

#include <stdio.h>

#include "base/file.h"
#include "llm/ask_json.h"
#include "net/loop.h"
#include "test.h"

struct world {
    struct tj_loop *loop;
    struct tj_arena a;
    char dir[64];
    tj_str path;
};

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    struct tj_err err;
    if (!tj_loop_open(&w->loop, &err))
        return -1;
    memcpy(w->dir, "/tmp/tj-model-XXXXXX", 21);
    if (!mkdtemp(w->dir))
        return -1;
    w->path = tj_str_printf(&w->a, "%s/run.jsonl", w->dir);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tj_loop_close(w->loop);
    (void)unlink(tj_cstr(&w->a, w->path));
    (void)rmdir(w->dir);
    tj_arena_release(&w->a);
    test_free(w);
    return 0;
}

#define TWO_REPLIES                                                            \
    "{\"reply\":{\"uses\":[{\"id\":\"c1\",\"name\":\"list_spans\","            \
    "\"args\":{\"kind\":\"LLM\"}}],\"raw\":\"[{}]\",\"raw_dialect\":\"x\","    \
    "\"usage\":{\"input_tokens\":10,\"cost_usd\":0.5}}}\n\n"                   \
    "{\"reply\":{\"text\":\"done\",\"model\":\"m\",\"http_status\":200}}\n"

static struct tj_model *script(struct world *w, const char *lines)
{
    struct tj_model *m = NULL;
    struct tj_err err;
    assert_ok(tj_model_script_open(w->loop, tj_str_c(lines), &m, &err), err);
    return m;
}

static struct tj_ask ask_of(struct tj_message *m, const char *text)
{
    *m = (struct tj_message){.role = TJ_ROLE_USER, .text = tj_str_c(text)};
    return (struct tj_ask){.system = TJ_STR("be fair"),
                           .messages = m,
                           .message_count = 1,
                           .schema = TJ_STR("{ \"type\": \"object\" }")};
}

static struct tj_reply wait_for(struct world *w, struct tj_model *m,
                                const char *text)
{
    struct tj_message message;
    struct tj_ask ask = ask_of(&message, text);
    struct tj_reply reply;
    tj_model_ask_wait(m, &ask, &w->a, &reply);
    return reply;
}

static void script_answers_in_order(void **state)
{
    struct world *w = *state;
    struct tj_model *m = script(w, TWO_REPLIES);
    struct tj_reply r = wait_for(w, m, "one");
    assert_int_equal(r.stop, TJ_STOP_TOOLS);
    assert_int_equal(r.message.uses.count, 1);
    assert_str_eq(r.message.uses.items[0].args, "{\"kind\":\"LLM\"}");
    assert_str_eq(r.message.raw, "[{}]");
    assert_string_equal(r.message.raw_dialect, "x");
    assert_int_equal(r.usage.input_tokens, 10);
    assert_int_equal(r.usage.output_tokens, -1);
    assert_true(r.usage.cost_usd > 0.4);
    r = wait_for(w, m, "two");
    assert_int_equal(r.stop, TJ_STOP_END);
    assert_str_eq(r.message.text, "done");
    r = wait_for(w, m, "three");
    assert_int_equal(r.stop, TJ_STOP_ERROR);
    assert_int_equal(r.error, TJ_LLM_REPLAY);
    assert_str_eq(r.error_message,
                  "the script has 2 replies and was asked once more");
    tj_model_close(m);
}

static void script_refuses_what_it_does_not_know(void **state)
{
    struct world *w = *state;
    static const char *const bad[][2] = {
        {"{\"reply\":{\"txt\":\"x\"}}", "line 1: reply: unknown member 'txt'"},
        {"\n{\"reply\":3}", "line 2: reply: expected an object"},
        {"{\"reply\":{\"stop\":\"now\"}}", "reply: stop: expected end"},
        {"{\"reply\":{\"error\":\"oops\"}}", "reply: error: expected"},
        {"{\"reply\":{\"uses\":[{\"id\":\"1\"}]}}", "an id and a name"},
        {"{\"reply\":{\"usage\":{\"tokens\":1}}}", "counts of tokens"},
        {"{\"reply\":{\"attempts\":-1}}", "reply: attempts: expected a number"},
        {"{\"reply\":", "script line 1: offset"},
    };
    for (size_t i = 0; i < TJ_COUNT(bad); i++) {
        struct tj_model *m = NULL;
        struct tj_err err;
        assert_fails(
            tj_model_script_open(w->loop, tj_str_c(bad[i][0]), &m, &err), err,
            TJ_E_INPUT, bad[i][1]);
        assert_null(m);
    }
}

static void count_reply(void *ctx, const struct tj_reply *reply)
{
    int *counts = ctx;
    counts[0]++;
    counts[1] += reply->error == TJ_LLM_CANCELLED;
}

static void done_comes_once_and_later(void **state)
{
    struct world *w = *state;
    struct tj_model *m = script(w, TWO_REPLIES);
    struct tj_message message;
    struct tj_ask ask = ask_of(&message, "one");
    int counts[2] = {0};
    tj_model_ask(m, &ask, &w->a, count_reply, counts);
    assert_int_equal(counts[0], 0);
    tj_model_cancel(m);
    assert_int_equal(counts[0], 0);
    tj_loop_run(w->loop);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 1);
    tj_model_ask(m, &ask, &w->a, count_reply, counts);
    tj_model_close(m);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 2);
    tj_loop_run(w->loop);
    assert_int_equal(counts[0], 2);
}

static void stopped_loop_cancels_a_wait(void **state)
{
    struct world *w = *state;
    struct tj_model *m = script(w, TWO_REPLIES);
    tj_loop_stop(w->loop);
    struct tj_reply r = wait_for(w, m, "one");
    assert_int_equal(r.error, TJ_LLM_CANCELLED);
    tj_model_close(m);
}

static void fault_fails_the_nth(void **state)
{
    struct world *w = *state;
    struct tj_model *m =
        tj_model_fault_open(script(w, TWO_REPLIES), 2, TJ_LLM_RATE_LIMITED);
    assert_int_equal(wait_for(w, m, "1").error, TJ_LLM_NONE);
    assert_int_equal(wait_for(w, m, "2").error, TJ_LLM_RATE_LIMITED);
    assert_str_eq(wait_for(w, m, "3").message.text, "done");
    tj_model_close(m);
}

static struct tj_model *replay(struct world *w)
{
    struct tj_model *m = NULL;
    struct tj_err err;
    struct tj_model_options options = {0};
    tj_str uri = tj_str_printf(&w->a, "replay:/%.*s", TJ_STR_ARG(w->path));
    assert_ok(tj_model_open(uri, &options, w->loop, &m, &err), err);
    return m;
}

static void record_two(struct world *w)
{
    struct tj_model *m = NULL;
    struct tj_err err;
    assert_ok(tj_model_record_open(script(w, TWO_REPLIES), w->path, &m, &err),
              err);
    (void)wait_for(w, m, "one");
    (void)wait_for(w, m, "two");
    tj_model_close(m);
}

static void replay_gives_what_was_recorded(void **state)
{
    struct world *w = *state;
    record_two(w);
    struct tj_model *m = replay(w);
    /* In the other order: judgments that run at once interleave freely. */
    struct tj_reply r = wait_for(w, m, "two");
    assert_str_eq(r.message.text, "done");
    assert_int_equal(r.http_status, 200);
    /* Each line answers once. */
    assert_int_equal(wait_for(w, m, "two").error, TJ_LLM_REPLAY);
    r = wait_for(w, m, "one");
    tj_model_close(m);
    assert_str_eq(r.message.uses.items[0].args, "{\"kind\":\"LLM\"}");
    assert_str_eq(r.message.raw, "[{}]");
    assert_int_equal(r.usage.input_tokens, 10);
}

static void a_recording_keeps_what_is_known_of_the_model(void **state)
{
    struct world *w = *state;
    struct tj_model *m = NULL;
    struct tj_err err;
    struct tj_model *inner = script(w, TWO_REPLIES);
    inner->uri = TJ_STR("openai:/some-model");
    inner->context_tokens = 128000;
    inner->output_usd_per_mtok = 10.5;
    assert_ok(tj_model_record_open(inner, w->path, &m, &err), err);
    (void)wait_for(w, m, "one");
    uint64_t seed = m->seed;
    tj_model_close(m);
    assert_true(seed != 0);
    m = replay(w);
    assert_str_eq(m->uri, "openai:/some-model");
    assert_true(m->context_tokens == 128000);
    assert_true(m->output_usd_per_mtok == 10.5);
    assert_true(m->seed == seed);
    tj_model_close(m);
    /* Going on with a recording goes on with its seed. */
    assert_ok(tj_model_record_open(script(w, TWO_REPLIES), w->path, &m, &err),
              err);
    assert_true(m->seed == seed);
    tj_model_close(m);
}

static void replay_names_the_first_difference(void **state)
{
    struct world *w = *state;
    record_two(w);
    struct tj_model *m = replay(w);
    (void)wait_for(w, m, "one");
    struct tj_reply r = wait_for(w, m, "twin");
    assert_int_equal(r.error, TJ_LLM_REPLAY);
    assert_str_eq(r.error_message,
                  "not as recorded: ask 2: messages.0.text, byte 2: recorded "
                  "\"o\", now \"in\"");
    assert_str_eq(wait_for(w, m, "two").message.text, "done");
    r = wait_for(w, m, "two");
    assert_str_eq(r.error_message,
                  "the recording has 2 asks and was asked once more");
    tj_model_close(m);
}

static void replay_of_no_recording(void **state)
{
    struct world *w = *state;
    struct tj_model *m = NULL;
    struct tj_model_options options = {0};
    struct tj_err err;
    assert_fails(tj_model_open(TJ_STR("replay:/no/such.jsonl"), &options,
                               w->loop, &m, &err),
                 err, TJ_E_IO, "replay: no/such.jsonl: no such file");
    assert_ok(tj_file_write(tj_cstr(&w->a, w->path),
                            TJ_STR("{\"ask\":{},\"reply\":{}}\n{\"reply\":1}"),
                            &err),
              err);
    tj_str uri = tj_str_printf(&w->a, "replay:/%.*s", TJ_STR_ARG(w->path));
    assert_fails(tj_model_open(uri, &options, w->loop, &m, &err), err,
                 TJ_E_INPUT, "run.jsonl: line 2: no \"ask\"");
}

static void record_into_a_folder(void **state)
{
    struct world *w = *state;
    struct tj_model *inner = script(w, TWO_REPLIES), *m = NULL;
    struct tj_err err;
    assert_fails(tj_model_record_open(inner, tj_str_c(w->dir), &m, &err), err,
                 TJ_E_IO, "record: ");
    tj_model_close(inner);
}

static tj_str ask_text(struct world *w, const struct tj_ask *ask)
{
    struct tj_buf b;
    struct tj_json_writer jw;
    struct tj_err err;
    tj_buf_init(&b, &w->a, 1 << 20);
    tj_json_writer_init(&jw, &b, TJ_JSON_COMPACT);
    tj_ask_write(&jw, ask);
    assert_ok(tj_buf_ok(&b, "ask", &err), err);
    return tj_buf_str(&b);
}

static void ask_form_is_canonical(void **state)
{
    struct world *w = *state;
    struct tj_message messages[3] = {
        {.role = TJ_ROLE_USER, .text = TJ_STR("hi")},
        {.role = TJ_ROLE_ASSISTANT, .raw = TJ_STR("[secret]")},
        {.role = TJ_ROLE_TOOL,
         .text = TJ_STR("none"),
         .use_id = TJ_STR("c1"),
         .use_name = TJ_STR("t"),
         .is_error = true},
    };
    struct tj_tool_use *use = tj_vec_add(&messages[1].uses, &w->a);
    *use = (struct tj_tool_use){TJ_STR("c1"), TJ_STR("t"), TJ_STR("{bad")};
    struct tj_tool_spec tool = {TJ_STR("t"), TJ_STR("d"), TJ_STR("{ }")};
    struct tj_ask ask = {
        .messages = messages,
        .message_count = 3,
        .tools = &tool,
        .tool_count = 1,
        .choice = TJ_CHOICE_REQUIRED,
        .params = TJ_STR("{\"temperature\": 0.10}"),
        .output_tokens_max = 7,
        .deadline_mono_ns = 99,
    };
    assert_str_eq(
        ask_text(w, &ask),
        "{\"messages\":[{\"role\":\"user\",\"text\":\"hi\"},"
        "{\"role\":\"assistant\",\"text\":\"\",\"uses\":[{\"id\":\"c1\","
        "\"name\":\"t\",\"args\":\"{bad\"}]},{\"role\":\"tool\","
        "\"text\":\"none\",\"use_id\":\"c1\",\"use_name\":\"t\","
        "\"is_error\":true}],\"tools\":[{\"name\":\"t\",\"description\":\"d\","
        "\"schema\":{}}],\"choice\":\"required\",\"output_tokens_max\":7,"
        "\"params\":{\"temperature\":0.10}}");
}

static tj_str diff_of(struct world *w, const char *was, const char *now)
{
    struct tj_json_doc x, y;
    struct tj_err err;
    assert_ok(tj_json_parse(tj_str_c(was), &w->a, &x, &err), err);
    assert_ok(tj_json_parse(tj_str_c(now), &w->a, &y, &err), err);
    return tj_ask_diff(x.root, y.root, &w->a);
}

static void differences_are_named(void **state)
{
    struct world *w = *state;
    assert_str_eq(diff_of(w, "{\"a\":1,\"b\":[1]}", "{\"b\":[1],\"a\":1}"), "");
    assert_str_eq(diff_of(w, "{\"a\":1}", "{\"a\":2}"), "a: recorded 1, now 2");
    assert_str_eq(diff_of(w, "{\"a\":[1,2]}", "{\"a\":[1]}"),
                  "a.1: recorded 2, now nothing");
    assert_str_eq(diff_of(w, "{}", "{\"t\":{}}"),
                  "t: recorded nothing, now {}");
    assert_str_eq(diff_of(w, "{\"a\":\"x\xc3\xa4\"}", "{\"a\":\"x\xc3\xb6\"}"),
                  "a, byte 2: recorded \"\xc3\xa4\", now \"\xc3\xb6\"");
}

static void uris(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       "gpt-5",  "openai:",     "openai:/",           ":/gpt-5",
        "/gpt-5", "a b:/x", "openai:/a b", "openai:/x?base_url="};
    struct tj_err err;
    for (size_t i = 0; i < TJ_COUNT(bad); i++) {
        char want[200];
        (void)snprintf(want, sizeof want,
                       "Malformed model uri '%s'. The URI must be in the "
                       "format of <provider>:/<model-name>, e.g., "
                       "'openai:/gpt-4.1-mini'.",
                       bad[i]);
        assert_fails(tj_model_uri_check(tj_str_c(bad[i]), &err), err,
                     TJ_E_INPUT, want);
    }
    assert_ok(tj_model_uri_check(TJ_STR("builtin:/rules"), &err), err);
    assert_fails(tj_model_uri_check(TJ_STR("builtin:/magic"), &err), err,
                 TJ_E_INPUT, "the only builtin model is builtin:/rules");
    assert_fails(tj_model_uri_check(TJ_STR("nobody:/x"), &err), err, TJ_E_INPUT,
                 "unknown provider");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(script_answers_in_order),
        CASE(script_refuses_what_it_does_not_know),
        CASE(done_comes_once_and_later),
        CASE(stopped_loop_cancels_a_wait),
        CASE(fault_fails_the_nth),
        CASE(replay_gives_what_was_recorded),
        CASE(a_recording_keeps_what_is_known_of_the_model),
        CASE(replay_names_the_first_difference),
        CASE(replay_of_no_recording),
        CASE(record_into_a_folder),
        CASE(ask_form_is_canonical),
        CASE(differences_are_named),
        CASE(uris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
