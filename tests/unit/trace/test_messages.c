/* test_messages.c - conversations in every shape that was seen in traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The shapes are those of the providers' documentation and of the real traces
 * in TRACEJUDGE_SHARED; the texts are made up.
 */
#include "test.h"

#include "base/buf.h"
#include "text/plain.h"
#include "trace/messages.h"

/* want: a line per part, "<kind> <role> <name>#<call id>: <text>". */
static const struct shape {
    const char *what;
    const char *json;
    const char *role;
    const char *want;
} shapes[] = {
    {"a plain string", "\"hello\"", "user", "T user: hello\n"},
    {"a string that looks like messages stays text",
     "\"[{\\\"role\\\":\\\"system\\\",\\\"content\\\":\\\"obey\\"
     "\"}]\"",
     "user", "T user: [{\"role\":\"system\",\"content\":\"obey\"}]\n"},
    {"OpenAI chat",
     "{\"model\": \"gpt-5\", \"messages\": [{\"role\": \"develop"
     "er\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \""
     "content\": [{\"type\": \"text\", \"text\": \"What is this?"
     "\"}, {\"type\": \"image_url\", \"image_url\": {\"url\": \""
     "data:image/png;base64,AAAABBBB\"}}, {\"type\": \"image_url"
     "\", \"image_url\": {\"url\": \"https://x.test/a.png\"}}]},"
     " {\"role\": \"assistant\", \"content\": null, \"tool_calls"
     "\": [{\"id\": \"call_1\", \"type\": \"function\", \"functi"
     "on\": {\"name\": \"look\", \"arguments\": \"{\\\"a\\\":1}"
     "\"}}, {\"id\": \"call_2\", \"type\": \"function\", \"funct"
     "ion\": {\"name\": \"look\", \"arguments\": \"{}\"}}]}, {\""
     "role\": \"tool\", \"tool_call_id\": \"call_1\", \"content"
     "\": \"a cat\"}, {\"role\": \"tool\", \"tool_call_id\": \"c"
     "all_2\", \"content\": [{\"type\": \"text\", \"text\": \"a "
     "dog\"}]}, {\"role\": \"assistant\", \"content\": \"\", \"r"
     "efusal\": \"No.\"}], \"tools\": [{\"type\": \"function\", "
     "\"function\": {\"name\": \"look\", \"parameters\": {}}}]}",
     "user",
     "T system: Be brief.\n"
     "T user: What is this?\n"
     "M user: image/png, 6 bytes\n"
     "M user: image_url, https://x.test/a.png\n"
     "C assistant look#call_1: {\"a\":1}\n"
     "C assistant look#call_2: {}\n"
     "R tool #call_1: a cat\n"
     "R tool #call_2: a dog\n"
     "T assistant: No.\n"},
    {"OpenAI chat reply",
     "{\"id\": \"chatcmpl-1\", \"choices\": [{\"index\": 0, \"fi"
     "nish_reason\": \"stop\", \"message\": {\"role\": \"assista"
     "nt\", \"reasoning_content\": \"Hm.\", \"content\": \"Fine."
     "\"}}], \"usage\": {\"total_tokens\": 3}}",
     "assistant",
     "H assistant: Hm.\n"
     "T assistant: Fine.\n"},
    {"the older function_call",
     "[{\"role\": \"assistant\", \"content\": null, \"function_c"
     "all\": {\"name\": \"f\", \"arguments\": \"{}\"}}, {\"role"
     "\": \"function\", \"name\": \"f\", \"content\": \"4\"}]",
     "user",
     "C assistant f: {}\n"
     "R tool f: 4\n"},
    {"OpenAI Responses input",
     "{\"instructions\": \"Be kind.\", \"input\": [{\"role\": \""
     "user\", \"content\": \"Weather in Tokyo?\"}, {\"type\": \""
     "reasoning\", \"id\": \"rs_1\", \"summary\": [{\"type\": \""
     "summary_text\", \"text\": \"look it up\"}], \"encrypted_co"
     "ntent\": \"zzz\"}, {\"type\": \"function_call\", \"id\": "
     "\"fc_1\", \"call_id\": \"call_1\", \"name\": \"get_weather"
     "\", \"arguments\": \"{\\\"city\\\":\\\"Tokyo\\\"}\", \"sta"
     "tus\": \"completed\"}, {\"type\": \"function_call_output\""
     ", \"call_id\": \"call_1\", \"output\": \"sunny\"}]}",
     "user",
     "T system: Be kind.\n"
     "T user: Weather in Tokyo?\n"
     "H assistant: look it up\n"
     "C assistant get_weather#call_1: {\"city\":\"Tokyo\"}\n"
     "R tool #call_1: sunny\n"},
    {"OpenAI Responses output",
     "{\"id\": \"resp_1\", \"instructions\": \"Be kind.\", \"out"
     "put\": [{\"type\": \"web_search_call\", \"id\": \"ws_1\", "
     "\"status\": \"completed\"}, {\"type\": \"message\", \"id\""
     ": \"msg_1\", \"role\": \"assistant\", \"content\": [{\"typ"
     "e\": \"output_text\", \"text\": \"Sunny.\", \"annotations"
     "\": []}, {\"type\": \"refusal\", \"refusal\": \"Not that."
     "\"}]}]}",
     "assistant",
     "C assistant web_search_call#ws_1: {\"type\": \"web_search_"
     "call\", \"id\": \"ws_1\", \"status\": \"completed\"}\n"
     "T assistant: Sunny.\n"
     "T assistant: Not that.\n"},
    {"Anthropic",
     "{\"system\": [{\"type\": \"text\", \"text\": \"You judge."
     "\", \"cache_control\": {\"type\": \"ephemeral\"}}], \"mess"
     "ages\": [{\"role\": \"user\", \"content\": \"Go.\"}, {\"ro"
     "le\": \"assistant\", \"content\": [{\"type\": \"thinking\""
     ", \"thinking\": \"I need a file\", \"signature\": \"xx\"},"
     " {\"type\": \"redacted_thinking\", \"data\": \"yy\"}, {\"t"
     "ype\": \"text\", \"text\": \"Reading.\"}, {\"type\": \"too"
     "l_use\", \"id\": \"toolu_1\", \"name\": \"read\", \"input"
     "\": {\"path\": \"a \\\"b\\\"\"}}]}, {\"role\": \"user\", "
     "\"content\": [{\"type\": \"tool_result\", \"tool_use_id\":"
     " \"toolu_1\", \"content\": [{\"type\": \"text\", \"text\":"
     " \"line\"}], \"is_error\": false}, {\"type\": \"image\", "
     "\"source\": {\"type\": \"base64\", \"media_type\": \"image"
     "/jpeg\", \"data\": \"AAAA\"}}, {\"type\": \"text\", \"text"
     "\": \"and now?\"}]}]}",
     "user",
     "T system: You judge.\n"
     "T user: Go.\n"
     "H assistant: I need a file\n"
     "T assistant: Reading.\n"
     "C assistant read#toolu_1: {\"path\": #\"a \"b\"\"#}\n"
     "R tool #toolu_1: line\n"
     "M user: image/jpeg, 3 bytes\n"
     "T user: and now?\n"},
    {"Anthropic reply",
     "{\"id\": \"msg_1\", \"type\": \"message\", \"role\": \"ass"
     "istant\", \"content\": [{\"type\": \"text\", \"text\": \"D"
     "one.\"}], \"stop_reason\": \"end_turn\"}",
     "assistant", "T assistant: Done.\n"},
    {"Gemini",
     "{\"model\": \"gemini-2.0-flash\", \"config\": {\"system_in"
     "struction\": \"Greet.\"}, \"contents\": [{\"parts\": [{\"t"
     "ext\": \"hi\"}], \"role\": \"user\"}, {\"parts\": [{\"thou"
     "ghtSignature\": \"s\", \"functionCall\": {\"args\": {}, \""
     "name\": \"say_hello\"}}, {\"text\": \"hm\", \"thought\": t"
     "rue}], \"role\": \"model\"}, {\"parts\": [{\"functionRespo"
     "nse\": {\"name\": \"say_hello\", \"response\": {\"greeting"
     "\": \"Hello\"}}}, {\"inlineData\": {\"mimeType\": \"audio/"
     "wav\", \"data\": \"AAAAAAAA\"}}], \"role\": \"user\"}]}",
     "user",
     "T system: Greet.\n"
     "T user: hi\n"
     "C assistant say_hello: {}\n"
     "H assistant: hm\n"
     "R tool say_hello: {\"greeting\": \"Hello\"}\n"
     "M user: audio/wav, 6 bytes\n"},
    {"Gemini reply",
     "{\"candidates\": [{\"content\": {\"role\": \"model\", \"pa"
     "rts\": [{\"text\": \"**Langfuse**\"}]}, \"finish_reason\":"
     " \"STOP\", \"index\": 0}], \"usage_metadata\": {}}",
     "assistant", "T assistant: **Langfuse**\n"},
    {"Gemini content alone",
     "{\"content\": {\"parts\": [{\"text\": \"Hello!\\n\"}], \"r"
     "ole\": \"model\"}, \"finish_reason\": \"STOP\"}",
     "assistant",
     "T assistant: Hello!\n"
     "\n"},
    {"Gemini, a bare prompt",
     "{\"model\": \"gemini-2.5-flash\", \"contents\": \"What is "
     "Langfuse?\"}",
     "user", "T user: What is Langfuse?\n"},
    {"gen_ai parts",
     "[{\"role\": \"system\", \"parts\": [{\"type\": \"text\", "
     "\"content\": \"S\"}]}, {\"role\": \"user\", \"parts\": [{"
     "\"type\": \"text\", \"content\": \"Q\"}, {\"type\": \"blob"
     "\", \"mime_type\": \"image/png\", \"modality\": \"image\","
     " \"content\": \"AAAA\"}, {\"type\": \"uri\", \"mime_type\""
     ": \"image/png\", \"uri\": \"gs://b/c\"}, {\"type\": \"file"
     "\", \"file_id\": \"f-1\"}]}, {\"role\": \"assistant\", \"p"
     "arts\": [{\"type\": \"reasoning\", \"content\": \"R\"}, {"
     "\"type\": \"tool_call\", \"id\": \"c1\", \"name\": \"get\""
     ", \"arguments\": {\"city\": \"Paris\"}}], \"finish_reason"
     "\": \"tool_call\"}, {\"role\": \"tool\", \"parts\": [{\"ty"
     "pe\": \"tool_call_response\", \"id\": \"c1\", \"response\""
     ": {\"t\": 20}}]}]",
     "user",
     "T system: S\n"
     "T user: Q\n"
     "M user: image/png, 3 bytes\n"
     "M user: image/png, gs://b/c\n"
     "M user: file, f-1\n"
     "H assistant: R\n"
     "C assistant get#c1: {\"city\": \"Paris\"}\n"
     "R tool #c1: {\"t\": 20}\n"},
    {".NET, a part of its own",
     "[{\"type\": \"tool_call\", \"id\": \"r\", \"name\": \"r\","
     " \"arguments\": {}}, {\"type\": \"Microsoft.Extensions.AI."
     "TextReasoningContent\", \"content\": {\"text\": \"because"
     "\", \"protectedData\": \"x\"}}, {\"type\": \"odd\", \"x\":"
     " 1}]",
     "assistant",
     "C assistant r#r: {}\n"
     "H assistant: because\n"
     "T assistant: {\"type\": \"odd\", \"x\": 1}\n"},
    {"LangChain, as Python dumps it",
     "{\"messages\": [{\"content\": \"Search.\", \"additional_kw"
     "args\": {}, \"response_metadata\": {}, \"type\": \"human\""
     ", \"name\": null, \"id\": \"4f59\", \"example\": false}, {"
     "\"content\": \"\", \"additional_kwargs\": {\"tool_calls\":"
     " [{\"id\": \"call_1\", \"function\": {\"arguments\": \"{\\"
     "\"query\\\":\\\"example\\\"}\", \"name\": \"Web-Search\"},"
     " \"type\": \"function\"}]}, \"type\": \"ai\", \"name\": nu"
     "ll, \"id\": \"run-1\", \"tool_calls\": [{\"name\": \"Web-S"
     "earch\", \"args\": {\"query\": \"example\"}, \"id\": \"cal"
     "l_1\", \"type\": \"tool_call\"}]}, {\"content\": \"[]\", "
     "\"type\": \"tool\", \"name\": \"Web-Search\", \"id\": \"m3"
     "\", \"tool_call_id\": \"call_1\", \"status\": \"success\"}"
     "]}",
     "user",
     "T user: Search.\n"
     "C assistant Web-Search#call_1: {\"query\": \"example\"}\n"
     "R tool Web-Search#call_1: []\n"},
    {"LangChain, calls in additional_kwargs",
     "{\"role\": \"assistant\", \"content\": \"\", \"additional_"
     "kwargs\": {\"tool_calls\": [{\"id\": \"call_1\", \"functio"
     "n\": {\"arguments\": \"{}\", \"name\": \"W\"}, \"type\": "
     "\"function\"}], \"refusal\": null}}",
     "assistant", "C assistant W#call_1: {}\n"},
    {"LangChain, constructors, batched",
     "[[{\"lc\": 1, \"type\": \"constructor\", \"id\": [\"langch"
     "ain_core\", \"messages\", \"SystemMessage\"], \"kwargs\": "
     "{\"content\": \"S\"}}, {\"lc\": 1, \"type\": \"constructor"
     "\", \"id\": [\"langchain_core\", \"messages\", \"HumanMess"
     "age\"], \"kwargs\": {\"content\": \"Q\", \"id\": \"1\"}}, "
     "{\"lc\": 1, \"type\": \"constructor\", \"id\": [\"langchai"
     "n_core\", \"messages\", \"ToolMessage\"], \"kwargs\": {\"s"
     "tatus\": \"success\", \"content\": \"sunny\", \"tool_call_"
     "id\": \"c\", \"name\": \"w\", \"id\": \"2\"}}, {\"type\": "
     "\"ai\", \"data\": {\"content\": \"A\"}}]]",
     "user",
     "T system: S\n"
     "T user: Q\n"
     "R tool w#c: sunny\n"
     "T assistant: A\n"},
    {"LangChain generations",
     "{\"generations\": [[{\"text\": \"A\", \"message\": {\"lc\""
     ": 1, \"type\": \"constructor\", \"id\": [\"langchain\", \""
     "schema\", \"messages\", \"AIMessage\"], \"kwargs\": {\"con"
     "tent\": \"A\"}}}]], \"llm_output\": {}}",
     "assistant", "T assistant: A\n"},
    {"LangChain agent with its past",
     "{\"input\": \"And now?\", \"chat_history\": [{\"type\": \""
     "human\", \"content\": \"Before.\"}]}",
     "user",
     "T user: Before.\n"
     "T user: And now?\n"},
    {"a history that names its speakers",
     "{\"question\": \"q\", \"history\": [{\"content\": \"go\", "
     "\"name\": \"Manager\"}, {\"content\": \"ok\", \"role\": \""
     "WebSurfer\"}], \"mistake_step\": \"1\"}",
     "user",
     "T Manager Manager: go\n"
     "T WebSurfer: ok\n"},
    {"the role is the name of the tool",
     "[{\"role\": \"assistant\", \"content\": \"\", \"tool_calls"
     "\": [{\"id\": \"c\", \"type\": \"function\", \"function\":"
     " {\"name\": \"get_weather\", \"arguments\": \"{}\"}}]}, {"
     "\"role\": \"get_weather\", \"content\": \"sunny\", \"addit"
     "ional_kwargs\": {}}]",
     "user",
     "C assistant get_weather#c: {}\n"
     "R tool : sunny\n"},
    {"OpenInference",
     "[{\"message\": {\"role\": \"user\", \"contents\": [{\"mess"
     "age_content\": {\"type\": \"text\", \"text\": \"Q\"}}, {\""
     "message_content\": {\"type\": \"image\", \"image\": {\"ima"
     "ge\": {\"url\": \"https://x.test/i\"}}}}]}}, {\"message\":"
     " {\"role\": \"assistant\", \"tool_calls\": [{\"tool_call\""
     ": {\"id\": \"c\", \"function\": {\"name\": \"f\", \"argume"
     "nts\": \"{}\"}}}]}}, {\"message\": {\"role\": \"tool\", \""
     "tool_call_id\": \"c\", \"content\": \"4\"}}]",
     "user",
     "T user: Q\n"
     "M user: image, https://x.test/i\n"
     "C assistant f#c: {}\n"
     "R tool #c: 4\n"},
    {"Vercel",
     "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", "
     "\"text\": \"Q\"}]}, {\"role\": \"assistant\", \"content\":"
     " [{\"type\": \"reasoning\", \"text\": \"R\"}, {\"type\": "
     "\"tool-call\", \"toolCallId\": \"c\", \"toolName\": \"getW"
     "eather\", \"input\": {\"l\": \"SF\"}}]}, {\"role\": \"tool"
     "\", \"content\": [{\"type\": \"tool-result\", \"toolCallId"
     "\": \"c\", \"toolName\": \"getWeather\", \"output\": {\"ty"
     "pe\": \"json\", \"value\": {\"t\": 64}}}]}]",
     "user",
     "T user: Q\n"
     "H assistant: R\n"
     "C assistant getWeather#c: {\"l\": \"SF\"}\n"
     "R tool getWeather#c: {\"type\": \"json\", \"value\": {\"t"
     "\": 64}}\n"},
    {"Vercel, bare calls",
     "[{\"toolCallId\": \"c\", \"toolName\": \"getWeather\", \"i"
     "nput\": \"{}\"}]",
     "assistant", "C assistant getWeather#c: {}\n"},
    {"Vercel UI",
     "[{\"id\": \"m\", \"role\": \"assistant\", \"parts\": [{\"t"
     "ype\": \"step-start\"}, {\"type\": \"tool-getWeather\", \""
     "toolCallId\": \"c\", \"state\": \"output-available\", \"in"
     "put\": {\"l\": \"SF\"}, \"output\": {\"t\": 64}}, {\"type"
     "\": \"text\", \"text\": \"64\"}]}]",
     "user",
     "C assistant getWeather#c: {\"l\": \"SF\"}\n"
     "R tool getWeather#c: {\"t\": 64}\n"
     "T assistant: 64\n"},
    {"Vercel prompt", "{\"system\": \"S\", \"prompt\": \"Q\"}", "user",
     "T system: S\n"
     "T user: Q\n"},
    {"Bedrock",
     "{\"output\": {\"message\": {\"role\": \"assistant\", \"con"
     "tent\": [{\"reasoningContent\": {\"reasoningText\": {\"tex"
     "t\": \"R\", \"signature\": \"s\"}}}, {\"text\": \"A\"}, {"
     "\"toolUse\": {\"toolUseId\": \"t\", \"name\": \"f\", \"inp"
     "ut\": {\"x\": 1}}}]}}, \"stopReason\": \"tool_use\"}",
     "assistant",
     "H assistant: R\n"
     "T assistant: A\n"
     "C assistant f#t: {\"x\": 1}\n"},
    {"Bedrock result",
     "[{\"role\": \"user\", \"content\": [{\"toolResult\": {\"to"
     "olUseId\": \"t\", \"content\": [{\"text\": \"r\"}], \"stat"
     "us\": \"success\"}}]}]",
     "user", "R tool #t: r\n"},
    {"BeeAI",
     "[{\"text\": \"S\", \"role\": \"system\"}, {\"text\": \"Q\""
     ", \"role\": \"user\"}]",
     "user",
     "T system: S\n"
     "T user: Q\n"},
    {"MCP result",
     "{\"content\": [{\"type\": \"text\", \"text\": \"64F\"}], "
     "\"isError\": false}",
     "assistant", "T assistant: 64F\n"},
    {"pydantic-ai choice",
     "{\"index\": 0, \"message\": {\"role\": \"assistant\", \"co"
     "ntent\": \"A\"}, \"gen_ai.system\": \"openai\"}",
     "assistant", "T assistant: A\n"},
};

static const char *const no_conversation[] = {
    "{}",
    "[]",
    "null",
    "1",
    "true",
    "{\"city\": \"Tokyo\"}",
    "{\"args\": [\"programming\"], \"kwargs\": {}}",
    "[\"a\", \"b\"]",
    "{\"output\": \"ok\", \"exit_code\": 1}",
    "{\"response_status\": \"Error\", \"message\": \"No data\"}",
    "{\"name\": \"Bob\", \"content\": \"x\"}",
    "[{\"content\": \"doc\", \"metadata\": {\"s\": 1}, \"score"
    "\": 0.5}]",
    "[{\"role\": \"Software developer\", \"goal\": \"g\", \"bac"
    "kstory\": \"b\"}]",
    "{\"input\": {\"city\": \"Tokyo\"}}",
    "{\"messages\": [\"role='system' content='x'\"]}",
    "{\"messages\": []}",
    "{\"tools\": [{\"type\": \"function\", \"function\": {\"nam"
    "e\": \"f\"}}]}",
    "{\"choices\": [{\"index\": 0}]}",
    "{\"system\": \"S\"}",
};

static const struct tj_json *parse(struct tj_arena *a, tj_str json)
{
    struct tj_json_doc doc = {0};
    struct tj_err err = {0};
    assert_ok(tj_json_parse(json, a, &doc, &err), err);
    return doc.root;
}

static tj_str shown(struct tj_arena *a, const tj_parts *parts)
{
    static const char letters[] = {
        [TJ_PART_TEXT] = 'T',      [TJ_PART_REASONING] = 'H',
        [TJ_PART_TOOL_CALL] = 'C', [TJ_PART_TOOL_RESULT] = 'R',
        [TJ_PART_MEDIA] = 'M',
    };
    struct tj_buf out;
    tj_buf_init(&out, a, 1 << 20);
    tj_vec_each (parts, struct tj_part, it) {
        bool tool =
            it->kind == TJ_PART_TOOL_CALL || it->kind == TJ_PART_TOOL_RESULT;
        tj_buf_fmt(&out, "%c %.*s", letters[it->kind], TJ_STR_ARG(it->role));
        if (it->name.len || tool)
            tj_buf_fmt(&out, " %.*s", TJ_STR_ARG(it->name));
        if (it->call_id.len)
            tj_buf_fmt(&out, "#%.*s", TJ_STR_ARG(it->call_id));
        tj_buf_fmt(&out, ": %.*s\n", TJ_STR_ARG(it->text));
    }
    return tj_buf_str(&out);
}

static void reads_every_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(shapes); i++) {
        struct tj_arena a = {0};
        tj_parts parts = {0};
        const struct tj_json *v = parse(&a, tj_str_c(shapes[i].json));
        if (!tj_messages_read(v, tj_str_c(shapes[i].role), &a, &parts))
            fail_msg("%s: no conversation", shapes[i].what);
        tj_str got = shown(&a, &parts);
        if (!tj_str_eq(got, tj_str_c(shapes[i].want)))
            fail_msg("%s:\n%.*s\nnot\n%s", shapes[i].what, TJ_STR_ARG(got),
                     shapes[i].want);
        tj_arena_release(&a);
    }
}

/* What a part says stands in the field's text, byte for byte, so that it can
 * be quoted: media are described and are the exception. */
static void parts_stand_in_the_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(shapes); i++) {
        struct tj_arena a = {0};
        tj_parts parts = {0};
        struct tj_buf field;
        const struct tj_json *v = parse(&a, tj_str_c(shapes[i].json));
        tj_buf_init(&field, &a, 1 << 20);
        tj_plain_write(&field, v);
        assert_true(tj_messages_read(v, TJ_STR("user"), &a, &parts));
        tj_vec_each (&parts, struct tj_part, it) {
            if (it->kind != TJ_PART_MEDIA)
                assert_int_not_equal(tj_str_find(tj_buf_str(&field), it->text),
                                     (size_t)-1);
        }
        tj_arena_release(&a);
    }
}

static void leaves_other_values_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < TJ_COUNT(no_conversation); i++) {
        struct tj_arena a = {0};
        tj_parts parts = {0};
        tj_vec_add(&parts, &a)->text = TJ_STR("kept");
        const struct tj_json *v = parse(&a, tj_str_c(no_conversation[i]));
        if (tj_messages_read(v, TJ_STR("user"), &a, &parts))
            fail_msg("%s: taken for a conversation", no_conversation[i]);
        assert_int_equal(parts.count, 1);
        assert_str_eq(parts.items[0].text, "kept");
        tj_arena_release(&a);
    }
    struct tj_arena a = {0};
    tj_parts parts = {0};
    assert_false(tj_messages_read(NULL, TJ_STR("user"), &a, &parts));
    tj_arena_release(&a);
}

/* Wrappers in wrappers end somewhere. */
static void limits_depth(void **state)
{
    (void)state;
    static const char *const opens[] = {"{\"messages\":", "[", "{\"output\":"};
    static const char *const closes[] = {"}", "]", "}"};
    for (size_t i = 0; i < TJ_COUNT(opens); i++) {
        struct tj_arena a = {0};
        tj_parts parts = {0};
        struct tj_buf json;
        tj_buf_init(&json, &a, 1 << 20);
        for (int depth = 0; depth < 400; depth++)
            tj_buf_add(&json, tj_str_c(opens[i]));
        tj_buf_add(&json, TJ_STR("{\"role\":\"user\",\"content\":\"x\"}"));
        for (int depth = 0; depth < 400; depth++)
            tj_buf_add(&json, tj_str_c(closes[i]));
        const struct tj_json *v = parse(&a, tj_buf_str(&json));
        assert_false(tj_messages_read(v, TJ_STR("user"), &a, &parts));
        assert_int_equal(parts.count, 0);
        tj_arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_shape),
        cmocka_unit_test(parts_stand_in_the_field),
        cmocka_unit_test(leaves_other_values_alone),
        cmocka_unit_test(limits_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
