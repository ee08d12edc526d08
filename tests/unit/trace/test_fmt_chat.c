/* test_fmt_chat.c - chat histories: who speaks, what hears, where labels go.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "parsed_test.h"

static void openai_messages(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(
        &p, "chat",
        "{\"model\":\"m1\",\"messages\":["
        "{\"role\":\"system\",\"content\":\"be kind\"},"
        "{\"role\":\"user\",\"content\":\"weather?\"},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
        "{\"id\":\"c1\",\"type\":\"function\",\"function\":"
        "{\"name\":\"get\",\"arguments\":\"{\\\"city\\\":\\\"Bern\\\"}\"}},"
        "{\"id\":\"c2\",\"type\":\"function\",\"function\":"
        "{\"name\":\"get\",\"arguments\":\"{}\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"two\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"},"
        "{\"role\":\"assistant\",\"content\":\"sunny\"},"
        "{\"role\":\"user\",\"content\":\"thanks\"}]}");
    assert_int_equal(p.batch.traces.count, 1);
    assert_int_equal(p.batch.spans.count, 6);
    assert_ids_differ(&p);
    struct tj_span *root = span_named(&p, "conversation", 0);
    assert_int_equal(root->kind, TJ_KIND_AGENT);
    assert_field(root, "input", "weather?");
    assert_field(root, "output", "sunny");
    struct tj_span *first = span_named(&p, "chat m1", 0);
    assert_child(first, root);
    assert_int_equal(first->kind, TJ_KIND_LLM);
    assert_str_eq(first->model, "m1");
    assert_field(first, "input",
                 "[{\"role\": \"system\", \"content\": \"be kind\"}, "
                 "{\"role\": \"user\", \"content\": \"weather?\"}]");
    /* Answers are found by id although they came in another order. */
    struct tj_span *tool = span_named(&p, "get", 0);
    assert_child(tool, root);
    assert_int_equal(tool->kind, TJ_KIND_TOOL);
    assert_field(tool, "input", "{\"city\": \"Bern\"}");
    assert_field(tool, "output", "one");
    assert_field(span_named(&p, "get", 1), "output", "two");
    struct tj_span *last = span_named(&p, "chat m1", 1);
    assert_field(last, "output", "sunny");
    assert_field(last, "input",
                 "[{\"role\": \"tool\", \"tool_call_id\": \"c2\", "
                 "\"content\": \"two\"}, {\"role\": \"tool\", "
                 "\"tool_call_id\": \"c1\", \"content\": \"one\"}]");
    assert_field(span_named(&p, "user", 0), "output", "thanks");
    assert_true(root->marks & TJ_MARK_TIME_GUESSED);
    assert_true(first->start < tool->start && tool->start < last->start);
    assert_int_equal(tj_span_duration_ns(tool), 0);
    parsed_free(&p);
}

static void anthropic_blocks(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "chat",
             "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
             "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
             "\"text\":\"let me\"},{\"type\":\"tool_use\",\"id\":\"t1\","
             "\"name\":\"ls\",\"input\":{\"path\":\".\"}}]},"
             "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
             "\"tool_use_id\":\"t1\",\"content\":\"no such file\","
             "\"is_error\":true}]},"
             "{\"role\":\"assistant\",\"content\":\"sorry\"}]}");
    assert_int_equal(p.batch.spans.count, 4);
    struct tj_span *tool = span_named(&p, "ls", 0);
    assert_field(tool, "output", "no such file");
    assert_int_equal(tool->status, TJ_STATUS_ERROR);
    assert_has(field_text(span_named(&p, "assistant", 1), "input"),
               "tool_result");
    parsed_free(&p);
}

static void labelled_history(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "chat",
             "{\"question\":\"how many?\",\"question_ID\":\"q-7\","
             "\"ground_truth\":\"GOLD8\",\"mistake_agent\":\"GOLDexpert\","
             "\"mistake_step\":\"2\",\"mistake_reason\":\"GOLDwhy\","
             "\"is_correct\":false,\"level\":1,\"another\":\"GOLDnew\","
             "\"history\":["
             "{\"content\":\"how many?\",\"role\":\"human\"},"
             "{\"content\":\"plan\",\"role\":\"Orchestrator (thought)\"},"
             "{\"content\":\"exitcode: 0\",\"role\":\"user\","
             "\"name\":\"Computer_terminal\"},"
             "{\"content\":\"seven\",\"role\":\"user\",\"name\":\"Expert\"}]}");
    assert_int_equal(p.batch.spans.count, 4);
    struct tj_span *plan = span_named(&p, "Orchestrator (thought)", 0);
    assert_int_equal(plan->kind, TJ_KIND_AGENT);
    assert_str_eq(plan->agent, "Orchestrator");
    assert_field(plan, "attributes.step.index", "1");
    struct tj_span *tool = span_named(&p, "Computer_terminal", 0);
    assert_int_equal(tool->kind, TJ_KIND_TOOL);
    assert_field(tool, "output", "exitcode: 0");
    assert_field(span_named(&p, "Expert", 0), "output", "seven");
    assert_int_equal(p.batch.assessments.count, 6);
    const struct tj_assessment *step = label_named(&p, "mistake_step");
    assert_int_equal(step->kind, TJ_EXPECTATION);
    assert_int_equal(step->source_type, TJ_SOURCE_HUMAN);
    assert_str_eq(step->value_json, "2");
    assert_str_eq(label_named(&p, "ground_truth")->value_json, "\"GOLD8\"");
    assert_str_eq(label_named(&p, "is_correct")->value_json, "false");
    assert_str_eq(p.batch.traces.items[0].source_id, "q-7");
    tj_vec_each (&p.batch.spans, struct tj_span, s) {
        for (size_t i = 0; i < s->field_count; i++) {
            assert_lacks(s->fields[i].text, "GOLD");
            assert_lacks(s->fields[i].name, "mistake");
        }
    }
    tj_vec_each (&p.batch.traces.items[0].metadata, struct tj_pair, pair)
        assert_lacks(pair->value, "GOLD");
    parsed_free(&p);
}

static void tau_runs(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "chat",
             "[{\"task_id\":0,\"trial\":1,\"reward\":0.5,\"info\":{\"task\":"
             "{\"instruction\":\"GOLD\"},\"user_cost\":0.25,\"reward_info\":"
             "{\"r_actions\":0.0}},\"traj\":["
             "{\"role\":\"user\",\"content\":\"hi\"},"
             "{\"role\":\"assistant\",\"content\":\"yes?\"}]},"
             "{\"task_id\":0,\"trial\":2,\"reward\":1,\"info\":{},\"traj\":["
             "{\"role\":\"user\",\"content\":\"hi\"},"
             "{\"role\":\"assistant\",\"content\":\"yes?\"}]}]");
    assert_int_equal(p.batch.traces.count, 2);
    assert_int_equal(p.batch.spans.count, 4);
    assert_ids_differ(&p);
    const struct tj_assessment *reward = label_named(&p, "reward");
    assert_int_equal(reward->kind, TJ_FEEDBACK);
    assert_int_equal(reward->source_type, TJ_SOURCE_CODE);
    assert_str_eq(reward->value_json, "0.5");
    assert_str_eq(tj_assessment_meta(reward, TJ_STR("reward_info")),
                  "{\"r_actions\":0.0}");
    assert_int_equal(label_named(&p, "task")->kind, TJ_EXPECTATION);
    struct tj_span *root = span_named(&p, "task 0", 0);
    assert_field(root, "attributes.user_cost", "0.25");
    for (size_t i = 0; i < root->field_count; i++)
        assert_lacks(root->fields[i].text, "GOLD");
    parsed_free(&p);
}

static void same_text_same_id(void **state)
{
    (void)state;
    static const char text[] = "[{\"role\":\"human\",\"content\":\"a\"},"
                               "{\"role\":\"WebSurfer\",\"content\":\"b\"}]";
    struct parsed p;
    struct parsed q;
    parse_ok(&p, "chat", text);
    parse_ok(&q, "chat", text);
    assert_true(tj_trace_id_eq(p.batch.traces.items[0].trace_id,
                               q.batch.traces.items[0].trace_id));
    assert_int_equal(p.batch.spans.count, 2);
    parsed_free(&p);
    parsed_free(&q);
}

static void odd_messages(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "chat",
             "{\"messages\":[{\"role\":\"user\",\"content\":1},7,null,\"x\",{},"
             "{\"role\":\"assistant\",\"tool_calls\":[1,null,{\"id\":5},"
             "{\"id\":\"a\",\"function\":\"f\"},{\"id\":\"a\"}]},"
             "{\"role\":\"tool\",\"tool_call_id\":\"zz\",\"content\":{}},"
             "{\"role\":\"tool\",\"content\":\"o\"},"
             "{\"role\":\"assistant\",\"content\":\"end\"}]}");
    assert_ids_differ(&p);
    assert_field(span_named(&p, "conversation", 0), "output", "end");
    parsed_free(&p);
}

/* 40,000 calls and as many answers in one step: must not take quadratic time
 * (the test's own limit is what would notice). */
static void many_calls(void **state)
{
    (void)state;
    enum { CALLS = 40000 };
    struct tj_arena a = {0};
    struct tj_buf b;
    tj_buf_init(&b, &a, (size_t)64 << 20);
    tj_buf_add(&b, TJ_STR("[{\"role\":\"assistant\",\"tool_calls\":["));
    for (int i = 0; i < CALLS; i++)
        tj_buf_fmt(&b, "%s{\"id\":\"c%d\",\"function\":{\"name\":\"f\"}}",
                   i ? "," : "", i);
    tj_buf_add(&b, TJ_STR("]}"));
    for (int i = CALLS; i-- > 0;)
        tj_buf_fmt(&b,
                   ",{\"role\":\"tool\",\"tool_call_id\":\"c%d\","
                   "\"content\":\"r%d\"}",
                   i, i);
    tj_buf_add(&b, TJ_STR("]"));
    tj_buf_byte(&b, 0);
    struct parsed p;
    parse_ok(&p, "chat", b.ptr);
    assert_int_equal(p.batch.spans.count, CALLS + 2);
    assert_field(span_named(&p, "f", 0), "output", "r0");
    parsed_free(&p);
    tj_arena_release(&a);
}

static void refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"messages\":[]}",
        "{\"messages\":{\"role\":\"user\"}}",
        "{\"history\":[1,2]}",
        "[{\"role\":\"user\"}]",
        "[]",
        "0",
        "{\"traj\":[{\"content\":\"no role\"}]}",
    };
    for (size_t i = 0; i < TJ_COUNT(texts); i++) {
        struct parsed p = {0};
        assert_fails(tj_format_parse(NULL, tj_str_c(texts[i]), &p.a, &p.batch,
                                     &p.used, &p.err),
                     p.err, TJ_E_INPUT, "expected");
        parsed_free(&p);
    }
    struct parsed p = {0};
    assert_fails(
        tj_format_parse(tj_format_find(TJ_STR("chat")),
                        TJ_STR("[{\"messages\":[{\"role\":\"user\","
                               "\"content\":\"x\"}]},{\"messages\":3}]"),
                        &p.a, &p.batch, &p.used, &p.err),
        p.err, TJ_E_INPUT, "record 1");
    parsed_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openai_messages),   cmocka_unit_test(anthropic_blocks),
        cmocka_unit_test(labelled_history),  cmocka_unit_test(tau_runs),
        cmocka_unit_test(same_text_same_id), cmocka_unit_test(odd_messages),
        cmocka_unit_test(many_calls),        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
