/* test_judge_subject.c - what is resolved, refused, and found elsewhere.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "replies.h"

static void refuses(struct fixture *f, const char *source,
                    const struct tj_subject *subject, const char *why)
{
    f->err = (struct tj_err){0};
    assert_false(try_begin(f, source, subject));
    assert_int_equal(f->err.code, TJ_E_INPUT);
    if (!strstr(f->err.message, why))
        fail_msg("\"%s\" lacks \"%s\"", f->err.message, why);
}

static void expect(struct fixture *f, enum tj_source_type source,
                   const char *name, const char *value)
{
    struct tj_assessment as = {
        .trace_id = fixture_trace_id(),
        .kind = TJ_EXPECTATION,
        .name = tj_str_c(name),
        .source_type = source,
        .source_id = TJ_STR("ann"),
        .value_json = tj_str_c(value),
        .create_time = ++f->clock_ns,
        .valid = true,
    };
    assert_ok(tj_store_add_assessment(f->store, &as, &f->arena, &f->err),
              f->err);
}

static void test_root_values(void **state)
{
    struct fixture f;
    fixture_open(&f);
    begin(&f, "---\nevidence: required\n---\n{{ outputs }} for {{ inputs }}");
    asks(&f);
    assert_int_equal(f.ask.tool_count, 0);
    assert_int_equal(f.ask.message_count, 1);
    assert_contains(message(&f, 0),
                    "<<values " NONCE_TEXT ">>\n"
                    "outputs: \"The data was fetched.\"\n"
                    "inputs: {\n  \"question\": \"how \\\"fast\\\"?\"\n}\n"
                    "<<end " NONCE_TEXT ">>");
    assert_contains(message(&f, 0), "of span 00000000000000a1");
    says(&f, "{\"result\":\"fine\",\"rationale\":\"r\",\"evidence\":["
             "{\"span_id\":\"00000000000000a1\",\"field\":\"output\","
             "\"quote\":\"The data was fetched.\"}]}");
    const struct tj_verdict *v = done(&f);
    assert_int_equal(v->state, TJ_VERDICT_RATED);
    assert_true(v->evidence[0].verified);
    assert_int_equal(v->coverage.spans_read, 1);
    fixture_close(&f);
}

static void test_single_calls_no_tools(void **state)
{
    struct fixture f;
    fixture_open(&f);
    begin(&f, "Is {{ outputs }} polite?");
    asks(&f);
    calls(&f, "list_spans", "{}");
    assert_str_eq(done(&f)->error_code, "bad_output");
    fixture_close(&f);
}

static void test_given_values(void **state)
{
    struct fixture f;
    fixture_open(&f);
    struct tj_subject subject = {
        .inputs = TJ_STR("{\"q\":[1,2]}"),
        .outputs = TJ_STR("\"a\""),
        .expectations = TJ_STR("{\"e\":null}"),
    };
    assert_ok(try_begin(&f, "{{ inputs }} {{ expectations }} {{ outputs }}",
                        &subject),
              f.err);
    asks(&f);
    assert_contains(message(&f, 0), "inputs: {\n  \"q\": [\n    1,\n    2\n"
                                    "  ]\n}\nexpectations: {\n  \"e\": null\n"
                                    "}\noutputs: \"a\"\n");
    says(&f, ANSWER("\"fine\"", BAD_QUOTE));
    const struct tj_verdict *v = done(&f);
    assert_int_equal(v->state, TJ_VERDICT_RATED);
    assert_false(v->evidence[0].verified);
    assert_true(tj_trace_id_is_none(v->trace_id));

    subject.inputs = TJ_STR("{bad");
    refuses(&f, "{{ inputs }}", &subject, "inputs: offset");
    fixture_close(&f);
}

static void test_given_wins(void **state)
{
    struct fixture f;
    fixture_open(&f);
    struct tj_subject subject = {
        .trace = &f.trace,
        .outputs = TJ_STR("\"another answer\""),
    };
    assert_ok(try_begin(&f, "{{ outputs }}", &subject), f.err);
    asks(&f);
    assert_contains(message(&f, 0), "outputs: \"another answer\"");
    fixture_close(&f);
}

static void test_missing(void **state)
{
    struct fixture f;
    fixture_open(&f);
    struct tj_subject nothing = {0};
    struct tj_subject trace = {.trace = &f.trace};
    refuses(&f, "{{ outputs }} {{ inputs }}", &nothing,
            "Must specify 'inputs', 'outputs' - required by template "
            "variables in instructions.");
    refuses(&f, "{{ trace }}", &nothing, "Must specify 'trace' - ");
    refuses(&f, "{{ conversation }}", &nothing, "Must specify 'session' - ");
    refuses(&f, "{{ trace }} {{ expectations }}", &trace,
            "Must specify 'expectations' - ");
    struct tj_subject inputs = {.inputs = TJ_STR("1")};
    refuses(&f, "---\nevidence: required\n---\n{{ inputs }}", &inputs,
            "requires evidence");
    fixture_close(&f);
}

static void test_expectations(void **state)
{
    struct fixture f;
    fixture_open(&f);
    expect(&f, TJ_SOURCE_CODE, "by_code", "1");
    struct tj_subject subject = {.trace = &f.trace};
    refuses(&f, "{{ expectations }}", &subject, "'expectations'");
    expect(&f, TJ_SOURCE_HUMAN, "answer", "\"42\"");
    expect(&f, TJ_SOURCE_HUMAN, "facts", "[\"x\"]");
    begin(&f, "{{ trace }} {{ expectations }}");
    asks(&f);
    assert_true(f.ask.tool_count > 0);
    assert_contains(message(&f, 0), "expectations: {\n  \"answer\": \"42\",\n"
                                    "  \"facts\": [\n    \"x\"\n  ]\n}\n");
    assert_false(contains(message(&f, 0), "by_code"));
    fixture_close(&f);
}

/* MLflow's fallback: a root span without inputs makes the judge an agent. */
static void test_fallback(void **state)
{
    struct fixture f;
    struct tj_batch batch;
    struct tj_trace bare;
    tj_trace_id id;
    fixture_open(&f);
    assert_true(
        tj_trace_id_parse(TJ_STR("0000000000000000000000000000bb01"), &id));
    tj_batch_init(&batch, &f.arena);
    struct tj_build *b = tj_build_new(&f.arena, &batch);
    struct tj_span *s =
        tj_build_span(b, id, fixture_span_id("00000000000000d4"));
    s->name = TJ_STR("bare");
    s->start = 1;
    tj_build_end(b);
    assert_ok(tj_store_add_batch(f.store, &batch, &f.err), f.err);
    assert_ok(tj_store_open_trace(f.store, id, &f.arena, &bare, &f.err), f.err);
    struct tj_subject subject = {.trace = &bare};
    assert_ok(
        try_begin(&f, "Is {{ outputs }} right for {{ inputs }}?", &subject),
        f.err);
    asks(&f);
    assert_true(f.ask.tool_count > 0);
    assert_contains(f.ask.system, "trace");
    fixture_close(&f);
}

static void test_conversation(void **state)
{
    struct fixture f;
    fixture_open(&f);
    begin(&f, "Was the user content in {{ conversation }}?");
    asks(&f);
    assert_true(f.ask.tool_count > 0);
    assert_contains(f.ask.system, "get_conversation");
    fixture_close(&f);
}

static void test_loop_guard(void **state)
{
    struct fixture f;
    fixture_open(&f);
    assert_ok(tj_store_set_tag(f.store, fixture_trace_id(),
                               TJ_STR(TJ_TAG_SOURCE_SCORER), TJ_STR("other"),
                               &f.err),
              f.err);
    assert_ok(tj_store_open_trace(f.store, fixture_trace_id(), &f.arena,
                                  &f.trace, &f.err),
              f.err);
    struct tj_subject subject = {.trace = &f.trace};
    refuses(&f, "{{ trace }}", &subject, "run of the judge 'other'");
    f.options.allow_judge_traces = true;
    assert_ok(try_begin(&f, "{{ trace }}", &subject), f.err);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_root_values),
        cmocka_unit_test(test_single_calls_no_tools),
        cmocka_unit_test(test_given_values),
        cmocka_unit_test(test_given_wins),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_loop_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
