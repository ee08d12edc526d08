/* test_rules.c - builtin:/rules: what it asks for, decides and refuses.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/model.h"
#include "net/loop.h"
#include "test.h"
#include "text/json.h"

#define BLOCK                                                                  \
    "{\"thresholds\":{\"slow_span_ms\":2000},\"ignore\":[\"empty_output\"],"   \
    "\"value_of\":{\"high\":\"bad\",\"medium\":\"fair\",\"none\":\"good\"}}"

struct world {
    struct tj_loop *loop;
    struct tj_arena a;
    struct tj_model *model;
    struct tj_message messages[8];
    struct tj_ask ask;
};

static const struct tj_tool_spec tools[] = {
    {TJ_STR_INIT("list_spans"), TJ_STR_INIT(""), TJ_STR_INIT("{}")},
    {TJ_STR_INIT("find_problems"), TJ_STR_INIT(""),
     TJ_STR_INIT("{\"type\":\"object\",\"properties\":{\"format\":{},"
                 "\"page_token\":{},\"slow_span_ms\":{}}}")},
};

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    struct tj_err err;
    if (!tj_loop_open(&w->loop, &err))
        return -1;
    w->messages[0] = (struct tj_message){.role = TJ_ROLE_USER,
                                         .text = TJ_STR("judge {this}")};
    w->ask = (struct tj_ask){.messages = w->messages,
                             .message_count = 1,
                             .tools = tools,
                             .tool_count = TJ_COUNT(tools)};
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

static void open_rules(struct world *w, const char *block)
{
    struct tj_model_options options = {.rules = tj_str_c(block)};
    struct tj_err err;
    assert_ok(tj_model_open(TJ_STR("builtin:/rules"), &options, w->loop,
                            &w->model, &err),
              err);
}

static struct tj_reply say(struct world *w)
{
    struct tj_reply reply;
    tj_model_ask_wait(w->model, &w->ask, &w->a, &reply);
    return reply;
}

static void add_result(struct world *w, const char *text)
{
    w->messages[w->ask.message_count++] =
        (struct tj_message){.role = TJ_ROLE_TOOL,
                            .use_name = TJ_STR("find_problems"),
                            .text = tj_str_c(text)};
}

/* The answer's JSON; the reply must be final. */
static const struct tj_json *answer(struct world *w)
{
    struct tj_reply r = say(w);
    struct tj_json_doc doc;
    struct tj_err err;
    assert_int_equal(r.stop, TJ_STOP_END);
    assert_int_equal(r.usage.input_tokens, 0);
    assert_ok(tj_json_parse(r.message.text, &w->a, &doc, &err), err);
    return doc.root;
}

static void assert_undecided(struct world *w, const char *why)
{
    const struct tj_json *v = answer(w);
    assert_non_null(tj_json_at(v, "result"));
    assert_true(tj_json_is_null(tj_json_at(v, "result")));
    tj_str rationale = tj_json_find_str(v, TJ_STR("rationale"));
    if (tj_str_find(rationale, tj_str_c(why)) == (size_t)-1)
        fail_msg("\"%.*s\" lacks \"%s\"", TJ_STR_ARG(rationale), why);
    assert_true(tj_str_starts(rationale, TJ_STR("builtin:/rules is a fixed "
                                                "set of checks")));
}

#define SLOW                                                                   \
    "{\"code\":\"slow_span\",\"severity\":\"high\",\"title\":\"fetch_data "    \
    "took 2.50s\",\"span_ids\":[\"aa\"],\"evidence\":[{\"span_id\":\"aa\","    \
    "\"field\":\"name\",\"quote\":\"fetch_data\"}]}"
#define REPEATED                                                               \
    "{\"code\":\"repeated_calls\",\"severity\":\"medium\",\"title\":\"r "      \
    "called 3 times\",\"evidence\":[]}"
#define EMPTY                                                                  \
    "{\"code\":\"empty_output\",\"severity\":\"high\",\"title\":\"e\"}"

static void calls_the_tool_first(void **state)
{
    struct world *w = *state;
    open_rules(w, BLOCK);
    struct tj_reply r = say(w);
    assert_int_equal(r.stop, TJ_STOP_TOOLS);
    assert_int_equal(r.message.uses.count, 1);
    assert_str_eq(r.message.uses.items[0].name, "find_problems");
    assert_str_eq(r.message.uses.items[0].args,
                  "{\"format\":\"json\",\"slow_span_ms\":2000}");
}

static void rates_the_worst(void **state)
{
    struct world *w = *state;
    open_rules(w, BLOCK);
    add_result(w,
               "<<tool-result 77 name=find_problems>>\n{\"problems\":[" REPEATED
               "," SLOW "," EMPTY "],\"shown\":3,\"total\":3}\n"
               "<<end 77>>");
    const struct tj_json *v = answer(w);
    assert_str_eq(tj_json_find_str(v, TJ_STR("result")), "bad");
    assert_str_eq(tj_json_find_str(v, TJ_STR("rationale")),
                  "The deterministic checks of builtin:/rules found 2 "
                  "problems, the worst of severity high:\n- [high] fetch_data "
                  "took 2.50s (slow_span)\n- [medium] r called 3 times "
                  "(repeated_calls)");
    assert_int_equal(tj_json_count(tj_json_at(v, "evidence")), 1);
    assert_str_eq(tj_json_str(tj_json_at(v, "evidence.0.quote")), "fetch_data");
}

static void pages_through(void **state)
{
    struct world *w = *state;
    open_rules(w, BLOCK);
    add_result(w, "{\"problems\":[" REPEATED "],\"next_page_token\":\"50\"}");
    struct tj_reply r = say(w);
    assert_int_equal(r.stop, TJ_STOP_TOOLS);
    assert_str_eq(
        r.message.uses.items[0].args,
        "{\"format\":\"json\",\"slow_span_ms\":2000,\"page_token\":\"50\"}");
    assert_str_eq(r.message.uses.items[0].id, "rules_2");
    add_result(w, "{\"problems\":[]}");
    assert_str_eq(tj_json_find_str(answer(w), TJ_STR("result")), "fair");
}

static void forced_end_needs_all_pages_or_the_worst(void **state)
{
    struct world *w = *state;
    open_rules(w, BLOCK);
    w->ask.choice = TJ_CHOICE_NONE;
    add_result(w, "{\"problems\":[" REPEATED "],\"next_page_token\":\"50\"}");
    assert_undecided(w, "1 pages of problems were read and there are more");
    add_result(w, "{\"problems\":[" SLOW "],\"next_page_token\":\"99\"}");
    assert_str_eq(tj_json_find_str(answer(w), TJ_STR("result")), "bad");
}

static void falls_to_the_next_lower_value(void **state)
{
    struct world *w = *state;
    open_rules(w, "{\"value_of\":{\"low\":2,\"none\":1}}");
    add_result(w, "{\"problems\":[" SLOW "]}");
    int64_t n = 0;
    assert_true(tj_json_i64(tj_json_at(answer(w), "result"), &n));
    assert_int_equal(n, 2);
}

static void only_narrows(void **state)
{
    struct world *w = *state;
    open_rules(w, "{\"only\":[\"error\"],\"value_of\":{\"high\":false,"
                  "\"none\":true}}");
    add_result(w, "{\"problems\":[" SLOW "]}");
    const struct tj_json *v = answer(w);
    assert_true(tj_json_bool(tj_json_at(v, "result"), false));
    assert_int_equal(tj_json_count(tj_json_at(v, "evidence")), 0);
}

static void undecided_without_a_value(void **state)
{
    struct world *w = *state;
    open_rules(w, "{\"value_of\":{\"high\":1}}");
    add_result(w, "{\"problems\":[" REPEATED "]}");
    assert_undecided(w, "no value for severity medium");
}

static void undecided_without_a_block(void **state)
{
    struct world *w = *state;
    open_rules(w, "");
    assert_undecided(w, "no `rules:` block");
}

static void undecided_without_the_tool(void **state)
{
    struct world *w = *state;
    open_rules(w, BLOCK);
    w->ask.tool_count = 1;
    assert_undecided(w, "find_problems was not offered");
    w->ask.tool_count = 2;
    w->ask.choice = TJ_CHOICE_NONE;
    assert_undecided(w, "find_problems was not offered");
}

static void undecided_when_the_tool_lacks_a_threshold(void **state)
{
    struct world *w = *state;
    open_rules(w, "{\"thresholds\":{\"depth\":3},\"value_of\":{\"none\":1}}");
    assert_undecided(w, "find_problems has no threshold 'depth'");
}

static void undecided_when_results_are_strange(void **state)
{
    static const char *const strange[][2] = {
        {"Unknown tool", "find_problems answered \"Unknown tool\""},
        {"{\"problems\":3}", "find_problems answered"},
        {"{\"problems\":[{\"severity\":\"dire\"}]}", "severity that it does"},
        {"{\"problems\":[", "find_problems answered"},
    };
    struct world *w = *state;
    open_rules(w, BLOCK);
    for (size_t i = 0; i < TJ_COUNT(strange); i++) {
        w->ask.message_count = 1;
        add_result(w, strange[i][0]);
        assert_undecided(w, strange[i][1]);
    }
    w->ask.message_count = 1;
    add_result(w, "{\"problems\":[]}");
    w->messages[1].is_error = true;
    assert_undecided(w, "find_problems answered");
}

static void blocks_that_are_refused(void **state)
{
    static const char *const bad[][2] = {
        {"[]", "rules: expected a map"},
        {"{", "rules: offset"},
        {"{}", "rules: value_of: expected a map"},
        {"{\"value_of\":{\"dire\":1}}", "rules: value_of.dire: expected high"},
        {"{\"value_of\":{\"high\":1},\"only\":[1]}", "rules: only: expected"},
        {"{\"value_of\":{\"high\":1},\"ignore\":\"x\"}", "rules: ignore: exp"},
        {"{\"value_of\":{\"high\":1},\"thresholds\":{\"a\":\"b\"}}",
         "rules: thresholds.a: expected a number"},
        {"{\"value_of\":{\"high\":1},\"extra\":1}", "unknown key 'extra'"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < TJ_COUNT(bad); i++) {
        struct tj_model_options options = {.rules = tj_str_c(bad[i][0])};
        struct tj_err err;
        assert_fails(tj_model_open(TJ_STR("builtin:/rules"), &options, w->loop,
                                   &w->model, &err),
                     err, TJ_E_INPUT, bad[i][1]);
        assert_null(w->model);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(calls_the_tool_first),
        CASE(rates_the_worst),
        CASE(pages_through),
        CASE(forced_end_needs_all_pages_or_the_worst),
        CASE(falls_to_the_next_lower_value),
        CASE(only_narrows),
        CASE(undecided_without_a_value),
        CASE(undecided_without_a_block),
        CASE(undecided_without_the_tool),
        CASE(undecided_when_the_tool_lacks_a_threshold),
        CASE(undecided_when_results_are_strange),
        CASE(blocks_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
