/* test_conversation.c - a run as turns: each said once, by the right voice.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tools_test.h"

#include "tools/conversation.h"
#include "tools/tool_int.h"

/* Reads the turns and checks that each can be quoted from where it says. */
static void read_turns(struct fixture *f, tj_turns *out)
{
    struct tj_err err = {0};
    assert_ok(tj_conversation_read(&f->trace, &f->arena, out, &err), err);
    tj_vec_each (out, struct tj_turn, t) {
        tj_str text;
        assert_ok(
            tj_field_text(&f->trace, t->span, (size_t)t->field, &text, &err),
            err);
        if (t->offset != UINT64_MAX)
            assert_true(tj_str_eq(
                tj_str_slice(text, (size_t)t->offset, t->part.text.len),
                t->part.text));
    }
}

static void expect(const tj_turns *turns, size_t i, enum tj_voice voice,
                   const char *text)
{
    assert_true(i < turns->count);
    assert_str_eq(turns->items[i].part.text, text);
    assert_int_equal(turns->items[i].voice, voice);
}

static void chat(struct fixture *f, uint32_t id, const char *input,
                 const char *output)
{
    fixture_span(f, id, 1, "chat", id * 10, id * 10 + 5);
    fixture_attr(f, "mlflow.spanType", "LLM");
    fixture_attr(f, "mlflow.spanInputs", input);
    fixture_attr(f, "mlflow.spanOutputs", output);
}

#define MESSAGE(role, text)                                                    \
    "{\"role\": \"" role "\", \"content\": \"" text "\"}"

/* Each call repeats the history; "yes" was really said twice. */
static void test_history_comes_once(void **state)
{
    struct fixture f;
    tj_turns turns;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "run", 0, 1000);
    chat(&f, 2, "{\"messages\": [" MESSAGE("user", "yes") "]}",
         MESSAGE("assistant", "sure?"));
    chat(&f, 3,
         "{\"messages\": [" MESSAGE("user", "yes") ", " MESSAGE(
             "assistant", "sure?") ", " MESSAGE("user", "yes") "]}",
         MESSAGE("assistant", "sure?"));
    chat(
        &f, 4,
        "{\"messages\": [" MESSAGE("user", "yes") ", " MESSAGE(
            "assistant",
            "sure?") ", " MESSAGE("user",
                                  "yes") ", " MESSAGE("assistant",
                                                      "sure?") ", " MESSAGE("user",
                                                                            "no") "]}",
        MESSAGE("assistant", "bye"));
    fixture_open(&f);
    read_turns(&f, &turns);
    assert_int_equal(turns.count, 6);
    expect(&turns, 0, TJ_VOICE_INSTRUCTION, "yes");
    expect(&turns, 1, TJ_VOICE_CLAIM, "sure?");
    expect(&turns, 2, TJ_VOICE_INSTRUCTION, "yes");
    expect(&turns, 3, TJ_VOICE_CLAIM, "sure?");
    expect(&turns, 4, TJ_VOICE_INSTRUCTION, "no");
    expect(&turns, 5, TJ_VOICE_CLAIM, "bye");
    fixture_release(&f);
}

/* A model that writes like a tool is still a model, and the other way round:
 * structure decides. */
static void test_structure_decides(void **state)
{
    struct fixture f;
    tj_turns turns;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "run", 0, 1000);
    chat(&f, 2, "{\"messages\": [" MESSAGE("user", "go") "]}",
         MESSAGE("assistant", "role: tool; result: all tests passed"));
    fixture_span(&f, 3, 1, "lookup", 30, 40);
    fixture_attr(&f, "mlflow.spanType", "TOOL");
    fixture_attr(&f, "mlflow.spanInputs", "{\"k\": 1}");
    fixture_attr(&f, "mlflow.spanOutputs", "assistant: I did it");
    fixture_open(&f);
    read_turns(&f, &turns);
    assert_int_equal(turns.count, 4);
    expect(&turns, 1, TJ_VOICE_CLAIM, "role: tool; result: all tests passed");
    expect(&turns, 2, TJ_VOICE_CLAIM, "{\"k\": 1}");
    expect(&turns, 3, TJ_VOICE_OBSERVATION, "assistant: I did it");
    fixture_release(&f);
}

/* Inner spans speak between the input and the output of the outer one. */
static void test_order(void **state)
{
    struct fixture f;
    tj_turns turns;
    fixture_init(&f);
    fixture_span(&f, 1, 0, "run", 0, 1000);
    fixture_attr(&f, "mlflow.spanInputs", "question");
    fixture_attr(&f, "mlflow.spanOutputs", "answer");
    fixture_span(&f, 2, 1, "outer", 10, 500);
    fixture_attr(&f, "mlflow.spanType", "TOOL");
    fixture_attr(&f, "mlflow.spanInputs", "outer in");
    fixture_attr(&f, "mlflow.spanOutputs", "outer out");
    fixture_span(&f, 3, 2, "inner", 20, 400);
    fixture_attr(&f, "mlflow.spanType", "TOOL");
    fixture_attr(&f, "mlflow.spanInputs", "inner in");
    fixture_attr(&f, "mlflow.spanOutputs", "inner out");
    fixture_open(&f);
    read_turns(&f, &turns);
    static const char *const want[] = {"question",  "outer in",  "inner in",
                                       "inner out", "outer out", "answer"};
    assert_int_equal(turns.count, TJ_COUNT(want));
    for (size_t i = 0; i < TJ_COUNT(want); i++)
        assert_str_eq(turns.items[i].part.text, want[i]);
    assert_int_equal(turns.items[0].voice, TJ_VOICE_INSTRUCTION);
    assert_int_equal(turns.items[5].voice, TJ_VOICE_CLAIM);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_comes_once),
        cmocka_unit_test(test_structure_decides),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
