/* test_otlp_dialects.c - one OTLP span of each dialect, as MLflow reads it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A span comes in by /v1/traces in the words of its framework and is read back
 * by MLflow's route: kind, input, output, model, tokens and session are there
 * under MLflow's names, and the attributes that came are there as well.
 */
#include "trace_fixture.h"

/* What an attribute is: "key=text", and "key:=JSON" for AnyValues as they
 * stand.  NULL ends. */
struct dialect {
    const char *name;
    const char *attributes[12];
    const char *events; /* members of the span, or NULL */
    const char *type;
    const char *input; /* compact JSON; NULL: none */
    const char *output;
    const char *model;
    const char *usage; /* "in/out"; NULL: none */
    const char *session;
};

#define HI "[{'role':'user','content':'hi'}]"

static const struct dialect dialects[] = {
    {.name = "mlflow",
     .attributes = {"mlflow.spanType=AGENT", "mlflow.spanInputs={'q': 1}",
                    "mlflow.spanOutputs=yes",
                    "mlflow.chat.tokenUsage={'input_tokens': 1, "
                    "'output_tokens': 2}",
                    "mlflow.llm.model=m", "session.id=s"},
     .type = "AGENT",
     .input = "{'q':1}",
     .output = "'yes'",
     .model = "m",
     .usage = "1/2",
     .session = "s"},
    {.name = "openinference",
     .attributes = {"openinference.span.kind=LLM", "input.value={'q': 1}",
                    "output.value=yes", "llm.model_name=m",
                    "llm.token_count.prompt:={'intValue':'10'}",
                    "llm.token_count.completion:={'intValue':'5'}",
                    "session.id=s"},
     .type = "LLM",
     .input = "{'q':1}",
     .output = "'yes'",
     .model = "m",
     .usage = "10/5",
     .session = "s"},
    {.name = "openinference messages",
     .attributes = {"openinference.span.kind=LLM",
                    "llm.input_messages.0.message.role=user",
                    "llm.input_messages.0.message.content=hi",
                    "llm.output_messages.0.message.role=assistant",
                    "llm.output_messages.0.message.content=yo"},
     .type = "LLM",
     .input = "[{'content':'hi','role':'user'}]",
     .output = "[{'content':'yo','role':'assistant'}]"},
    {.name = "gen_ai chat",
     .attributes = {"gen_ai.operation.name=chat", "gen_ai.response.model=m",
                    "gen_ai.input.messages=" HI, "gen_ai.output.messages=[]",
                    "gen_ai.usage.input_tokens:={'intValue':7}",
                    "gen_ai.usage.output_tokens:={'intValue':3}",
                    "gen_ai.conversation.id=c"},
     .type = "CHAT_MODEL",
     .input = HI,
     .output = "[]",
     .model = "m",
     .usage = "7/3",
     .session = "c"},
    {.name = "gen_ai tool",
     .attributes = {"gen_ai.operation.name=execute_tool",
                    "gen_ai.tool.call.arguments={'x': 1}",
                    "gen_ai.tool.call.result=2"},
     .type = "TOOL",
     .input = "{'x':1}",
     .output = "'2'"},
    {.name = "gen_ai events",
     .attributes = {"gen_ai.operation.name=chat"},
     .events = ",'events':[{'name':'gen_ai.user.message','attributes':[{"
               "'key':'content','value':{'stringValue':'hi'}}]},{'name':"
               "'gen_ai.choice','attributes':[{'key':'content','value':{"
               "'stringValue':'yo'}}]}]",
     .type = "CHAT_MODEL",
     .input = "[{'role':'user','content':'hi'}]",
     .output = "[{'role':'assistant','content':'yo'}]"},
    {.name = "traceloop",
     .attributes = {"traceloop.span.kind=workflow",
                    "traceloop.entity.input={'q': 1}",
                    "traceloop.entity.output=yes",
                    "traceloop.association.properties.session_id=s"},
     .type = "WORKFLOW",
     .input = "{'q':1}",
     .output = "'yes'",
     .session = "s"},
    {.name = "traceloop llm",
     .attributes = {"llm.request.type=chat", "gen_ai.prompt.0.role=user",
                    "gen_ai.prompt.0.content=hi",
                    "gen_ai.completion.0.role=assistant",
                    "gen_ai.completion.0.content=yo",
                    "gen_ai.usage.prompt_tokens:={'intValue':4}",
                    "gen_ai.usage.completion_tokens:={'intValue':6}",
                    "gen_ai.request.model=m"},
     .type = "LLM",
     .input = "[{'content':'hi','role':'user'}]",
     .output = "[{'content':'yo','role':'assistant'}]",
     .model = "m",
     .usage = "4/6"},
    {.name = "vercel",
     .attributes = {"ai.operationId=ai.generateText.doGenerate",
                    "ai.prompt.messages=" HI, "ai.response.text=yo",
                    "ai.model.id=m", "ai.usage.promptTokens:={'intValue':1}",
                    "ai.usage.completionTokens:={'intValue':2}",
                    "ai.telemetry.metadata.sessionId=s"},
     .type = "LLM",
     .input = HI,
     .output = "'yo'",
     .model = "m",
     .usage = "1/2",
     .session = "s"},
    {.name = "vercel tool",
     .attributes = {"ai.operationId=ai.toolCall", "ai.toolCall.args={'c': 1}",
                    "ai.toolCall.result={'t': 2}"},
     .type = "TOOL",
     .input = "{'c':1}",
     .output = "{'t':2}"},
    {.name = "google adk",
     .attributes = {"gen_ai.operation.name=execute_tool",
                    "gcp.vertex.agent.tool_call_args={'a': 1}",
                    "gcp.vertex.agent.tool_response={'b': 2}"},
     .type = "TOOL",
     .input = "{'a':1}",
     .output = "{'b':2}"},
    {.name = "spring",
     .attributes = {"gen_ai.operation.name=chat"},
     .events = ",'events':[{'name':'gen_ai.content.prompt','attributes':[{"
               "'key':'gen_ai.prompt','value':{'stringValue':'hi'}}]},{"
               "'name':'gen_ai.content.completion','attributes':[{'key':"
               "'gen_ai.completion','value':{'stringValue':'yo'}}]}]",
     .type = "CHAT_MODEL",
     .input = "'hi'",
     .output = "'yo'"},
    {.name = "langfuse",
     .attributes = {"langfuse.observation.type=generation",
                    "langfuse.observation.input={'q': 1}",
                    "langfuse.observation.output=yes",
                    "langfuse.observation.model.name=m",
                    "langfuse.observation.usage_details={'input': 1, "
                    "'output': 2}",
                    "langfuse.session.id=s"},
     .type = "LLM",
     .input = "{'q':1}",
     .output = "'yes'",
     .model = "m",
     .usage = "1/2",
     .session = "s"},
    {.name = "laminar",
     .attributes = {"lmnr.span.type=LLM", "lmnr.span.input=" HI,
                    "lmnr.span.output='yo'", "gen_ai.request.model=m",
                    "gen_ai.usage.input_tokens:={'intValue':1}",
                    "gen_ai.usage.output_tokens:={'intValue':2}"},
     .type = "LLM",
     .input = HI,
     .output = "'yo'",
     .model = "m",
     .usage = "1/2"},
    {.name = "voltagent",
     .attributes = {"entity.type=agent", "agent.messages=" HI, "output=yo",
                    "usage.prompt_tokens:={'intValue':1}",
                    "usage.completion_tokens:={'intValue':2}",
                    "voltagent.conversation_id=s"},
     .type = "AGENT",
     .input = HI,
     .output = "'yo'",
     .usage = "1/2",
     .session = "s"},
    {.name = "livekit",
     .attributes = {"lk.agent_name=a", "lk.user_input=hi",
                    "lk.response.text=yo"},
     .type = "AGENT",
     .input = "'hi'",
     .output = "'yo'"},
    {.name = "gemini cli",
     .attributes = {"gen_ai.operation.name=llm_call",
                    "gen_ai.agent.name=gemini-cli", "gen_ai.input.messages=" HI,
                    "gen_ai.output.messages=[]"},
     .type = "LLM",
     .input = HI,
     .output = "[]"},
    {.name = "claude code",
     .attributes = {"span.type=llm_request", "new_context=hi",
                    "response.model_output=yo", "input_tokens:={'intValue':3}",
                    "output_tokens:={'intValue':4}",
                    "cache_read_tokens:={'intValue':10}", "model=m",
                    "session.id=s"},
     .type = "LLM",
     .input = "'hi'",
     .output = "'yo'",
     .model = "m",
     .usage = "13/4",
     .session = "s"},
    {.name = "langsmith",
     .attributes = {"langsmith.span.kind=llm", "gen_ai.prompt={'a': 1}",
                    "gen_ai.completion={'b': 1}",
                    "langsmith.metadata.thread_id=s"},
     .type = "LLM",
     .input = "{'a':1}",
     .output = "{'b':1}",
     .session = "s"},
    {.name = "pydantic ai",
     .attributes = {"gen_ai.operation.name=invoke_agent",
                    "pydantic_ai.all_messages=" HI, "final_result=yo"},
     .type = "AGENT",
     .input = HI,
     .output = "'yo'"},
    {.name = "genkit",
     .attributes = {"genkit:type=flow", "genkit:input={'x': 1}",
                    "genkit:output={'y': 2}"},
     .type = "CHAIN",
     .input = "{'x':1}",
     .output = "{'y':2}"},
    {.name = "nobody's", .attributes = {"color=red"}, .type = NULL},
};

static void put_text(struct tj_buf *b, tj_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'')
            tj_buf_byte(b, '\\');
        tj_buf_byte(b, text.ptr[i]);
    }
}

static void put_attribute(struct tj_buf *b, const char *attribute, size_t i)
{
    tj_str rest = tj_str_c(attribute);
    bool raw = strstr(attribute, ":={") != NULL;
    tj_str key = tj_str_cut(&rest, '=');
    if (raw)
        key.len--;
    tj_buf_fmt(b, "%s{'key':'%.*s','value':", i ? "," : "", TJ_STR_ARG(key));
    if (raw) {
        tj_buf_add(b, rest);
    } else {
        tj_buf_add(b, TJ_STR("{'stringValue':'"));
        put_text(b, rest);
        tj_buf_add(b, TJ_STR("'}"));
    }
    tj_buf_byte(b, '}');
}

static void send(struct fixture *f, const struct dialect *d)
{
    struct tj_buf b;
    tj_buf_init(&b, &f->arena, SIZE_MAX);
    tj_buf_add(&b, TJ_STR(",'attributes':["));
    for (size_t i = 0; d->attributes[i]; i++)
        put_attribute(&b, d->attributes[i], i);
    tj_buf_add(&b, TJ_STR("]"));
    tj_buf_add(&b, tj_str_c(d->events));
    assert_int_equal(send_span(f, TRACE_1, "0000000000000001",
                               tj_cstr(&f->arena, tj_buf_str(&b))),
                     200);
}

/* The JSON text of an attribute in traces.json, compact; "(none)". */
static const char *value_of(struct fixture *f, const char *key)
{
    const char *text = member_at(f, "spans.0.attributes", key);
    struct tj_json_doc doc = {0};
    struct tj_err err = {0};
    struct tj_buf b;
    if (!strcmp(text, "(none)"))
        return text;
    assert_ok(tj_json_parse(tj_str_c(text), &f->arena, &doc, &err), err);
    tj_buf_init(&b, &f->arena, SIZE_MAX);
    tj_json_write(&b, doc.root, TJ_JSON_COMPACT);
    return tj_cstr(&f->arena, tj_buf_str(&b));
}

static const char *wanted(struct fixture *f, const char *text)
{
    return text ? json_text(f, text).ptr : "(none)";
}

static const char *quoted(struct fixture *f, const char *text)
{
    return text ? tj_str_printf(&f->arena, "\"%s\"", text).ptr : "(none)";
}

static void check_usage(struct fixture *f, const char *want)
{
    const char *text =
        member_at(f, "spans.0.attributes", "mlflow.chat.tokenUsage");
    struct tj_json_doc doc = {0};
    struct tj_err err = {0};
    int64_t in = -1;
    int64_t out = -1;
    if (!want) {
        assert_string_equal(text, "(none)");
        return;
    }
    assert_ok(tj_json_parse(tj_str_c(text), &f->arena, &doc, &err), err);
    assert_true(tj_json_i64(tj_json_at(doc.root, "input_tokens"), &in));
    assert_true(tj_json_i64(tj_json_at(doc.root, "output_tokens"), &out));
    assert_string_equal(
        tj_str_printf(&f->arena, "%d/%d", (int)in, (int)out).ptr, want);
}

static void every_dialect_lands(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < TJ_COUNT(dialects); i++) {
        const struct dialect *d = &dialects[i];
        print_message("# %s\n", d->name);
        send(f, d);
        ask(f, "GET",
            "/ajax-api/2.0/mlflow/get-trace-artifact?request_id=" TRACE_1,
            NULL);
        assert_int_equal(f->answer.status, 200);
        assert_string_equal(value_of(f, "mlflow.spanType"), quoted(f, d->type));
        assert_string_equal(value_of(f, "mlflow.spanInputs"),
                            wanted(f, d->input));
        assert_string_equal(value_of(f, "mlflow.spanOutputs"),
                            wanted(f, d->output));
        assert_string_equal(value_of(f, "mlflow.llm.model"),
                            quoted(f, d->model));
        check_usage(f, d->usage);
        /* What came is still there under its own name. */
        tj_str rest = tj_str_c(d->attributes[0]);
        tj_str first = tj_str_cut(&rest, '=');
        assert_string_not_equal(value_of(f, tj_cstr(&f->arena, first)),
                                "(none)");
        get_info(f, TRACE_1);
        assert_string_equal(member_at(f, "trace.trace_info.trace_metadata",
                                      "mlflow.trace.session"),
                            d->session ? d->session : "(none)");
        ask(f, "POST", "/api/3.0/mlflow/traces/delete-traces",
            "{'experiment_id':'0','request_ids':['" TRACE_1 "']}");
        assert_string_equal(text_at(f, "traces_deleted"), "1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_dialect_lands, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
