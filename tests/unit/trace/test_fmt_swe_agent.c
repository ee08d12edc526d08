/* test_fmt_swe_agent.c - SWE-agent trajectories.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "parsed_test.h"

static const char run_text[] =
    "{\"environment\":\"main\",\"trajectory\":["
    "{\"action\":\"ls -la\\n\",\"observation\":\"a.py\",\"response\":\"look\","
    "\"thought\":\"t\",\"state\":\"{\\\"open_file\\\": \\\"n/a\\\"}\","
    "\"execution_time\":1.5},"
    "{\"action\":\"submit\",\"observation\":\"diff\",\"response\":\"done\"},"
    "{\"action\":\"\",\"observation\":\"\",\"response\":\"over\"}],"
    "\"history\":[{\"role\":\"system\",\"content\":\"setting\"},"
    "{\"role\":\"user\",\"content\":\"demo\",\"is_demo\":true},"
    "{\"role\":\"user\",\"content\":\"fix it\"},"
    "{\"role\":\"assistant\",\"content\":\"look\"},"
    "{\"role\":\"user\",\"content\":\"a.py\"}],"
    "\"info\":{\"exit_status\":\"submitted\",\"submission\":\"diff\","
    "\"model_stats\":{\"instance_cost\":1.25,\"tokens_sent\":100,"
    "\"tokens_received\":7,\"api_calls\":2}},"
    "\"replay_config\":\"{\\\"agent\\\":{\\\"model\\\":{\\\"name\\\":"
    "\\\"gpt-4o\\\"}},\\\"problem_statement\\\":{\\\"id\\\":\\\"task-1\\\"}}\"}";

static void a_run(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "swe-agent", run_text);
    assert_int_equal(p.batch.spans.count, 6);
    assert_ids_differ(&p);
    struct tj_span *root = span_named(&p, "task-1", 0);
    assert_field(root, "input", "fix it");
    assert_field(root, "output", "diff");
    assert_field(root, "attributes.swe_agent.exit_status", "submitted");
    assert_int_equal(root->usage.input_tokens, 100);
    assert_true(root->usage.cost_usd == 1.25);
    struct tj_span *first = span_named(&p, "chat gpt-4o", 0);
    assert_child(first, root);
    assert_field(first, "input",
                 "[{\"role\": \"system\", \"content\": \"setting\"}, "
                 "{\"role\": \"user\", \"content\": \"demo\"}, "
                 "{\"role\": \"user\", \"content\": \"fix it\"}]");
    assert_field(first, "output", "look");
    struct tj_span *ls = span_named(&p, "ls", 0);
    assert_int_equal(ls->kind, TJ_KIND_TOOL);
    assert_field(ls, "input", "ls -la\n");
    assert_field(ls, "output", "a.py");
    assert_field(ls, "attributes.swe_agent.state", "{\"open_file\": \"n/a\"}");
    /* How long it ran is known, so it is not marked as a guess. */
    assert_int_equal(tj_span_duration_ns(ls), 1500 * TJ_NS_PER_MS);
    assert_false(ls->marks & TJ_MARK_TIME_GUESSED);
    assert_true(span_named(&p, "submit", 0)->marks & TJ_MARK_TIME_GUESSED);
    assert_field(span_named(&p, "chat gpt-4o", 1), "input",
                 "[{\"role\": \"tool\", \"content\": \"a.py\"}]");
    parsed_free(&p);
}

static void hostile(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"trajectory\":[],\"info\":{}}",
        "{\"trajectory\":[{\"action\":{},\"observation\":[1]},null,7],"
        "\"info\":3,\"history\":{},\"replay_config\":\"{\"}",
        "{\"trajectory\":[{\"action\":\"\",\"observation\":\"x\","
        "\"execution_time\":-1}]}",
        "{\"trajectory\":[{\"action\":\"a\",\"observation\":\"x\","
        "\"execution_time\":1e300}]}",
        "{\"trajectory\":[{\"action\":\"a\",\"observation\":\"x\","
        "\"execution_time\":NaN}]}",
    };
    for (size_t i = 0; i < TJ_COUNT(texts); i++) {
        struct parsed p;
        parse_ok(&p, "swe-agent", texts[i]);
        assert_int_equal(p.batch.traces.count, 1);
        tj_vec_each (&p.batch.spans, struct tj_span, s)
            assert_true(tj_span_duration_ns(s) < TJ_NS_PER_SECOND);
        parsed_free(&p);
    }
}

/* A name is cut between characters, not inside one. */
static void long_command(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "swe-agent",
             "{\"trajectory\":[{\"action\":\"x"
             "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
             "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
             "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
             "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
             "\xc3\xa4\",\"observation\":\"o\"}]}");
    assert_int_equal(p.batch.spans.items[1].name.len, 63);
    parsed_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run),
        cmocka_unit_test(hostile),
        cmocka_unit_test(long_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
