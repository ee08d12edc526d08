/* test_fmt_atif.c - ATIF trajectories.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "parsed_test.h"

static const char run_text[] =
    "{\"schema_version\":\"ATIF-v1.2\",\"session_id\":\"s-1\","
    "\"agent\":{\"name\":\"coder\",\"version\":\"2\",\"model_name\":\"m\"},"
    "\"steps\":["
    "{\"step_id\":1,\"timestamp\":\"2026-04-01T16:00:00Z\",\"source\":\"user\","
    "\"message\":\"count\"},"
    "{\"step_id\":2,\"timestamp\":\"2026-04-01T16:00:05Z\",\"source\":\"agent\","
    "\"message\":\"\",\"reasoning_content\":\"hm\",\"model_name\":\"m2\","
    "\"tool_calls\":[{\"tool_call_id\":\"c1\",\"function_name\":\"Bash\","
    "\"arguments\":{\"command\":\"ls\"}}],"
    "\"observation\":{\"results\":[{\"source_call_id\":\"c1\","
    "\"content\":\"a b\"},{\"content\":\"more\"}]},"
    "\"metrics\":{\"prompt_tokens\":10,\"completion_tokens\":3,"
    "\"cached_tokens\":4,\"cost_usd\":0.5}},"
    "{\"step_id\":3,\"timestamp\":\"2026-04-01T16:00:09Z\",\"source\":\"agent\","
    "\"message\":\"two\"}],"
    "\"final_metrics\":{\"total_prompt_tokens\":20,"
    "\"total_completion_tokens\":5,\"total_cost_usd\":0.75}}";

static void a_run(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "atif", run_text);
    assert_int_equal(p.batch.spans.count, 5);
    assert_ids_differ(&p);
    struct tj_span *root = span_named(&p, "coder", 0);
    assert_int_equal(root->kind, TJ_KIND_AGENT);
    assert_field(root, "input", "count");
    assert_field(root, "output", "two");
    assert_str_eq(root->session, "s-1");
    assert_int_equal(root->usage.input_tokens, 20);
    assert_int_equal(tj_span_duration_ns(root), 9 * TJ_NS_PER_SECOND);
    struct tj_span *first = span_named(&p, "chat m2", 0);
    assert_child(first, root);
    assert_str_eq(first->model, "m2");
    assert_field(first, "input",
                 "[{\"role\": \"user\", \"content\": \"count\"}]");
    assert_field(first, "output",
                 "{\"role\": \"assistant\", \"reasoning_content\": \"hm\", "
                 "\"content\": \"\", \"tool_calls\": [{\"id\": \"c1\", "
                 "\"type\": \"function\", \"function\": {\"name\": \"Bash\", "
                 "\"arguments\": {\"command\": \"ls\"}}}]}");
    assert_int_equal(first->usage.input_tokens, 10);
    assert_int_equal(first->usage.cache_read_tokens, 4);
    assert_true(first->usage.cost_usd == 0.5);
    assert_int_equal(tj_span_duration_ns(first), 4 * TJ_NS_PER_SECOND);
    assert_false(first->marks & TJ_MARK_TIME_GUESSED);
    struct tj_span *tool = span_named(&p, "Bash", 0);
    assert_child(tool, root);
    assert_field(tool, "input", "{\"command\": \"ls\"}");
    assert_field(tool, "output", "a b");
    assert_str_eq(tool->tool_call_id, "c1");
    assert_true(tool->marks & TJ_MARK_TIME_GUESSED);
    assert_field(span_named(&p, "observation", 0), "output", "more");
    assert_field(span_named(&p, "chat m", 0), "output", "two");
    parsed_free(&p);
}

static void copied_context_costs_nothing(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "atif",
             "{\"schema_version\":\"ATIF-v1.7\",\"session_id\":\"s\","
             "\"agent\":{\"name\":\"t\",\"extra\":{\"continuation_index\":1}},"
             "\"steps\":[{\"source\":\"user\",\"message\":\"go\","
             "\"is_copied_context\":true},{\"source\":\"agent\","
             "\"message\":\"asked\",\"is_copied_context\":true},"
             "{\"source\":\"agent\",\"message\":\"done\"},"
             "{\"source\":\"system\",\"message\":\"compacted\","
             "\"observation\":{\"results\":[{\"subagent_trajectory_ref\":"
             "[{\"session_id\":\"s2\"}]}]}},"
             "{\"source\":\"user\",\"message\":\"bye\"}]}");
    assert_int_equal(p.batch.spans.count, 4);
    assert_field(span_named(&p, "assistant", 0), "input",
                 "[{\"role\": \"user\", \"content\": \"go\"}, "
                 "{\"role\": \"assistant\", \"content\": \"asked\"}]");
    assert_has(
        field_text(span_named(&p, "system", 0), "attributes.atif.observation"),
        "s2");
    assert_field(span_named(&p, "user", 0), "output", "bye");
    assert_true(span_named(&p, "t", 0)->marks & TJ_MARK_TIME_GUESSED);
    parsed_free(&p);
}

static void subagents_are_traces(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "atif",
             "{\"schema_version\":\"ATIF-v1.7\",\"session_id\":\"s\","
             "\"agent\":{\"name\":\"main\"},\"steps\":[],"
             "\"subagent_trajectories\":[{\"schema_version\":\"ATIF-v1.7\","
             "\"session_id\":\"s\",\"agent\":{\"name\":\"sub\"},"
             "\"steps\":[]}]}");
    assert_int_equal(p.batch.traces.count, 2);
    assert_int_equal(p.batch.spans.count, 2);
    parsed_free(&p);
}

static void hostile(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "atif",
             "{\"schema_version\":\"ATIF-v9\",\"session_id\":7,\"agent\":[],"
             "\"steps\":[null,1,\"x\",{},{\"source\":\"agent\","
             "\"timestamp\":\"never\",\"tool_calls\":{\"a\":1},"
             "\"observation\":[],\"metrics\":\"lots\"},{\"source\":\"agent\","
             "\"timestamp\":\"2026-04-01T16:00:00Z\",\"metrics\":"
             "{\"prompt_tokens\":1e99,\"completion_tokens\":-5}},"
             "{\"source\":\"agent\",\"timestamp\":\"2020-01-01T00:00:00Z\"}]}");
    assert_ids_differ(&p);
    tj_vec_each (&p.batch.spans, struct tj_span, s)
        assert_true(s->end >= s->start);
    parsed_free(&p);
    struct parsed q = {0};
    assert_fails(tj_format_parse(NULL,
                                 TJ_STR("{\"schema_version\":\"ATIF-v1\","
                                        "\"steps\":3}"),
                                 &q.a, &q.batch, &q.used, &q.err),
                 q.err, TJ_E_INPUT, "expected \"steps\"");
    parsed_free(&q);
}

static void nested_too_deep(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_buf b;
    tj_buf_init(&b, &a, 1 << 16);
    for (int i = 0; i < 20; i++)
        tj_buf_add(&b, TJ_STR("{\"schema_version\":\"ATIF-v1\",\"steps\":[],"
                              "\"subagent_trajectories\":["));
    for (int i = 0; i < 20; i++)
        tj_buf_add(&b, TJ_STR("]}"));
    struct parsed p = {0};
    assert_fails(
        tj_format_parse(NULL, tj_buf_str(&b), &p.a, &p.batch, &p.used, &p.err),
        p.err, TJ_E_LIMIT, "nest");
    parsed_free(&p);
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run),
        cmocka_unit_test(copied_context_costs_nothing),
        cmocka_unit_test(subagents_are_traces),
        cmocka_unit_test(hostile),
        cmocka_unit_test(nested_too_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
