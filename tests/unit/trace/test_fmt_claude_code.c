/* test_fmt_claude_code.c - Claude Code sessions: turns, tools, sidechains.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "parsed_test.h"

#define LINE(uuid, parent, time, rest)                                         \
    "{\"sessionId\":\"s1\",\"uuid\":\"" uuid "\",\"parentUuid\":" parent       \
    ",\"timestamp\":\"2026-01-31T11:00:" time "Z\"," rest "}\n"
#define USER(content)                                                          \
    "\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":" content "}"
#define MODEL(id, blocks, usage)                                               \
    "\"type\":\"assistant\",\"message\":{\"id\":\"" id                         \
    "\",\"model\":\"opus\",\"role\":\"assistant\",\"content\":[" blocks        \
    "],\"usage\":{" usage "}}"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"

static void turns_and_tools(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(
        &p, "claude-code",
        "{\"type\":\"summary\",\"summary\":\"Reading\",\"leafUuid\":\"u4\"}\n" LINE(
            "u1", "null", "00",
            USER(
                "\"read it\"")) LINE("u2", "\"u1\"", "01",
                                     MODEL(
                                         "m1",
                                         "{\"type\":\"thinking\",\"thinking\":\"hm\","
                                         "\"signature\":\"SIG\"}",
                                         "\"input_tokens\":200,\"output_tokens\":5"))
            LINE("u3", "\"u2\"", "02",
                 MODEL("m1",
                       "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"Read\","
                       "\"input\":{\"file\":\"a\"}}",
                       "\"input_tokens\":200,\"output_tokens\":50,"
                       "\"cache_creation_input_tokens\":100,"
                       "\"cache_read_input_tokens\":50"))
                LINE(
                    "u4", "\"u3\"", "04",
                    USER(
                        "[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
                        "\"content\":\"gone\",\"is_error\":true}]") ",\"toolUseResult\":{\"durationMs\":7,\"big\":[1]}")
                    LINE(
                        "u5", "\"u4\"", "05",
                        MODEL(
                            "m2", TEXT("sorry"),
                            "\"input_tokens\":1")) LINE("u5", "\"u4\"", "05",
                                                        MODEL(
                                                            "m2", TEXT("sorry"),
                                                            "\"input_tokens\":1"))
                        LINE(
                            "u6", "\"u5\"", "06",
                            "\"type\":\"system\",\"subtype\":\"compact_boundary\","
                            "\"content\":\"compacted\"")
                            LINE(
                                "u7", "\"u6\"", "07",
                                USER(
                                    "\"a summary\"") ",\"isCompactSummary\":true")
                                LINE("u8", "\"u7\"", "08",
                                     USER("\"and now?\"")));
    /* root, 2 turns, 2 LLM, 1 TOOL, 1 summary */
    assert_int_equal(p.batch.traces.count, 1);
    assert_int_equal(p.batch.spans.count, 7);
    assert_ids_differ(&p);
    struct tj_span *root = span_named(&p, "claude-code", 0);
    struct tj_span *turn = span_named(&p, "turn 1", 0);
    assert_field(root, "input", "read it");
    assert_field(root, "output", "sorry");
    assert_str_eq(root->session, "s1");
    assert_int_equal(root->event_count, 1);
    assert_str_eq(root->events[0].name, "compact_boundary");
    assert_child(turn, root);
    assert_field(turn, "input", "read it");
    assert_field(turn, "output", "sorry");
    struct tj_span *llm = span_named(&p, "chat opus", 0);
    assert_child(llm, turn);
    assert_field(
        llm, "output",
        "{\"role\": \"assistant\", \"content\": [{\"type\": "
        "\"thinking\", \"thinking\": \"hm\"}, {\"type\": \"tool_use\", "
        "\"id\": \"t1\", \"name\": \"Read\", \"input\": "
        "{\"file\": \"a\"}}]}");
    assert_int_equal(llm->usage.input_tokens, 350);
    assert_int_equal(llm->usage.cache_read_tokens, 50);
    assert_int_equal(llm->usage.cache_write_tokens, 100);
    assert_int_equal(llm->usage.output_tokens, 50);
    assert_int_equal(tj_span_duration_ns(llm), 2 * TJ_NS_PER_SECOND);
    struct tj_span *tool = span_named(&p, "Read", 0);
    assert_child(tool, turn);
    assert_int_equal(tool->status, TJ_STATUS_ERROR);
    assert_field(tool, "output", "gone");
    assert_field(tool, "attributes.claude_code.result.durationMs", "7");
    assert_int_equal(tj_span_duration_ns(tool), 2 * TJ_NS_PER_SECOND);
    struct tj_span *second = span_named(&p, "chat opus", 1);
    assert_field(second, "output", "sorry");
    assert_has(field_text(second, "input"), "gone");
    assert_field(span_named(&p, "compaction summary", 0), "output",
                 "a summary");
    assert_field(span_named(&p, "turn 2", 0), "input", "and now?");
    assert_str_eq(p.batch.traces.items[0].name, "Reading");
    parsed_free(&p);
}

#define SIDE                                                                   \
    LINE("x1", "null", "11", USER("\"explore\"") ",\"isSidechain\":true")      \
    LINE("x2", "\"x1\"", "12",                                                 \
         MODEL("m9", TEXT("found"), "") ",\"isSidechain\":true")
#define MAIN                                                                   \
    LINE("u1", "null", "00", USER("\"go\""))                                   \
    LINE("u2", "\"u1\"", "10",                                                 \
         MODEL("m1",                                                           \
               "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"Task\","       \
               "\"input\":{\"prompt\":\"explore\","                            \
               "\"subagent_type\":\"Explore\"}}",                              \
               ""))                                                            \
    LINE("u3", "\"u2\"", "20",                                                 \
         USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","             \
              "\"content\":\"found\"}]"))

static void sidechain_in_one_file(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "claude-code", MAIN SIDE);
    assert_int_equal(p.batch.spans.count, 6);
    struct tj_span *task = span_named(&p, "Task", 0);
    struct tj_span *sub = span_named(&p, "Explore", 0);
    assert_int_equal(sub->kind, TJ_KIND_AGENT);
    assert_child(sub, task);
    assert_field(sub, "output", "found");
    assert_child(span_named(&p, "chat opus", 1), sub);
    parsed_free(&p);
}

static void sidechain_in_its_own_file(void **state)
{
    (void)state;
    struct parsed p;
    struct parsed q;
    parse_ok(&p, "claude-code", MAIN);
    parse_ok(&q, "claude-code", SIDE);
    assert_int_equal(q.batch.spans.count, 2);
    assert_true(tj_trace_id_eq(p.batch.spans.items[0].trace_id,
                               q.batch.spans.items[0].trace_id));
    assert_child(span_named(&q, "subagent", 0), span_named(&p, "Task", 0));
    parsed_free(&p);
    parsed_free(&q);
}

static void sessions_are_traces(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(
        &p, "claude-code",
        LINE(
            "u1", "null", "00",
            USER(
                "\"one\"")) "{\"sessionId\":\"s2\",\"uuid\":\"u1\",\"type\":\"user\","
                            "\"message\":{\"content\":\"two\"}}\n");
    assert_int_equal(p.batch.traces.count, 2);
    assert_int_equal(p.batch.spans.count, 4);
    assert_true(span_named(&p, "turn 1", 1)->marks & TJ_MARK_TIME_GUESSED);
    parsed_free(&p);
}

static void one_line(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "claude-code", LINE("u1", "null", "00", USER("\"one\"")));
    assert_int_equal(p.batch.spans.count, 2);
    parsed_free(&p);
}

static void hostile(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(
        &p, "claude-code",
        /* parents in a circle, tool ids that repeat, results of nothing */
        LINE("a", "\"b\"", "01", USER("\"x\"") ",\"isSidechain\":true") LINE(
            "b", "\"a\"", "00", USER("\"y\"") ",\"isSidechain\":true")
            LINE("c", "\"c\"", "99", USER("[1,null,{\"type\":\"tool_result\"}]")) LINE(
                "d", "7", "05",
                MODEL("m",
                      "{\"type\":\"tool_use\",\"id\":\"t\"},"
                      "{\"type\":\"tool_use\",\"id\":\"t\"},3",
                      "\"input_tokens\":9223372036854775807,"
                      "\"cache_read_input_tokens\":5"))
                LINE("e", "null", "04",
                     "\"type\":\"assistant\",\"message\":\"text\"")
                    LINE(
                        "f", "null", "04",
                        "\"type\":\"user\",\"message\":{\"content\":[]}") "{\"sessionId\":\"s1\",\"type\":\"user\",\"timestamp\":4}\n"
                                                                          "3\n[]\nnull\n");
    assert_ids_differ(&p);
    assert_int_equal(p.batch.traces.count, 1);
    assert_int_equal(span_named(&p, "chat opus", 0)->usage.input_tokens,
                     TJ_TOKENS_UNKNOWN);
    tj_vec_each (&p.batch.spans, struct tj_span, s)
        assert_true(!s->end || s->end >= s->start);
    parsed_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_and_tools),
        cmocka_unit_test(sidechain_in_one_file),
        cmocka_unit_test(sidechain_in_its_own_file),
        cmocka_unit_test(sessions_are_traces),
        cmocka_unit_test(one_line),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
