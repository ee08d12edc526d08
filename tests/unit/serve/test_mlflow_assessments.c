/* test_mlflow_assessments.c - feedback and expectations over REST.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trace_fixture.h"

#define URL  "/api/3.0/mlflow/traces/" TRACE_1 "/assessments"
#define FROM "'source':{'source_type':'HUMAN','source_id':'me'}"

static int setup_trace(void **state)
{
    int bad = setup(state);
    start_trace(*state, TRACE_1, "0", "");
    return bad;
}

/* Creates one with these members; its id. */
static const char *create(struct fixture *f, const char *members)
{
    tj_str body = tj_str_printf(
        &f->arena, "{'assessment':{'assessment_name':'n'," FROM ",%s}}",
        members);
    assert_int_equal(ask(f, "POST", URL, body.ptr), 200);
    return text_at(f, "assessment.assessment_id");
}

static int on(struct fixture *f, const char *method, const char *id,
              const char *body)
{
    tj_str target = tj_str_printf(&f->arena, URL "/%s", id);
    return ask(f, method, target.ptr, body);
}

/* protobuf's Value has doubles only. */
static void whole_numbers_become_doubles(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *sent;
        const char *want;
    } values[] = {
        {"5", "5.0"},
        {"5.0", "5.0"},
        {"-0.5", "-0.5"},
        {"true", "true"},
        {"'yes'", "yes"},
        {"null", "null"},
        {"[1,'a',{'b':2}]", "[1.0,\"a\",{\"b\":2.0}]"},
    };
    for (size_t i = 0; i < TJ_COUNT(values); i++) {
        const char *id =
            create(f, tj_str_printf(&f->arena, "'feedback':{'value':%s}",
                                    values[i].sent)
                          .ptr);
        assert_string_equal(text_at(f, "assessment.feedback.value"),
                            values[i].want);
        assert_int_equal(on(f, "GET", id, NULL), 200);
        assert_string_equal(text_at(f, "assessment.feedback.value"),
                            values[i].want);
    }
}

static void expectations_are_values_or_text(void **state)
{
    struct fixture *f = *state;
    (void)create(f, "'expectation':{'value':5}");
    assert_string_equal(text_at(f, "assessment.expectation.value"), "5.0");
    (void)create(f, "'expectation':{'serialized_value':{"
                    "'serialization_format':'JSON_FORMAT','value':"
                    "'{\\'a\\': [1, 2]}'}}");
    assert_string_equal(
        text_at(f, "assessment.expectation.serialized_value.value"),
        "{\"a\": [1, 2]}");
}

static void all_is_kept(void **state)
{
    struct fixture *f = *state;
    const char *id =
        create(f, "'span_id':'0000000000000001','rationale':'why','metadata':{"
                  "'mlflow.trace.session':'s1'},'create_time':"
                  "'2026-05-02T08:00:00.123Z','last_update_time':"
                  "'2026-05-02T08:00:01Z','feedback':{'value':null,'error':{"
                  "'error_code':'E','error_message':'m','stack_trace':'t'}}");
    assert_int_equal(on(f, "GET", id, NULL), 200);
    assert_int_equal(strncmp(id, "a-", 2), 0);
    assert_int_equal(strlen(id), 34);
    assert_string_equal(text_at(f, "assessment.span_id"), "0000000000000001");
    assert_string_equal(text_at(f, "assessment.trace_id"), TRACE_1);
    assert_string_equal(text_at(f, "assessment.rationale"), "why");
    assert_string_equal(
        member_at(f, "assessment.metadata", "mlflow.trace.session"), "s1");
    assert_string_equal(text_at(f, "assessment.create_time"),
                        "2026-05-02T08:00:00.123Z");
    assert_string_equal(text_at(f, "assessment.feedback.error.stack_trace"),
                        "t");
    assert_string_equal(text_at(f, "assessment.source.source_type"), "HUMAN");
    assert_string_equal(text_at(f, "assessment.valid"), "true");
    get_info(f, TRACE_1);
    assert_int_equal(count_at(f, "trace.trace_info.assessments"), 1);
}

/* Each POST makes one; an id that the client has is kept. */
static void every_post_makes_one(void **state)
{
    struct fixture *f = *state;
    const char *first = create(f, "'feedback':{'value':1}");
    assert_string_not_equal(first, create(f, "'feedback':{'value':1}"));
    assert_string_equal(
        create(f, "'assessment_id':'a-mine','feedback':{'value':1}"), "a-mine");
    get_info(f, TRACE_1);
    assert_int_equal(count_at(f, "trace.trace_info.assessments"), 3);
}

static void masks_come_in_both_spellings(void **state)
{
    struct fixture *f = *state;
    static const char *const masks[] = {
        "'assessmentName,feedback,rationale,metadata'",
        "'assessment_name,feedback,rationale,metadata'",
        "{'paths':['assessment_name','feedback','rationale','metadata']}",
    };
    for (size_t i = 0; i < TJ_COUNT(masks); i++) {
        const char *id = create(f, "'feedback':{'value':1},'rationale':'old',"
                                   "'metadata':{'a':'1','b':'2'}");
        tj_str body = tj_str_printf(
            &f->arena,
            "{'assessment':{'assessment_name':'m','feedback':{'value':2},"
            "'rationale':'new','metadata':{'b':'3'}},'update_mask':%s}",
            masks[i]);
        assert_int_equal(on(f, "PATCH", id, body.ptr), 200);
        assert_string_equal(text_at(f, "assessment.assessment_name"), "m");
        assert_string_equal(text_at(f, "assessment.feedback.value"), "2.0");
        assert_string_equal(text_at(f, "assessment.rationale"), "new");
        assert_string_equal(text_at(f, "assessment.metadata"),
                            "{\"a\":\"1\",\"b\":\"3\"}");
        assert_string_equal(text_at(f, "assessment.source.source_id"), "me");
    }
}

/* What the mask does not name stays, whatever the body says. */
static void a_mask_is_a_mask(void **state)
{
    struct fixture *f = *state;
    const char *id = create(f, "'feedback':{'value':1},'rationale':'old'");
    assert_int_equal(on(f, "PATCH", id,
                        "{'assessment':{'assessment_name':'m','feedback':{"
                        "'value':2},'rationale':'new'},'update_mask':"
                        "'rationale'}"),
                     200);
    assert_string_equal(text_at(f, "assessment.assessment_name"), "n");
    assert_string_equal(text_at(f, "assessment.feedback.value"), "1.0");
    assert_string_equal(text_at(f, "assessment.rationale"), "new");
    on(f, "PATCH", id, "{'assessment':{'rationale':'x'}}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "'update_mask'");
    on(f, "PATCH", id, "{'update_mask':'rationale'}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE", "'assessment'");
}

static void the_kind_may_not_change(void **state)
{
    struct fixture *f = *state;
    const char *feedback = create(f, "'feedback':{'value':1}");
    const char *expectation = create(f, "'expectation':{'value':1}");
    on(f, "PATCH", feedback,
       "{'assessment':{'expectation':{'value':2}},'update_mask':"
       "'expectation'}");
    assert_refused(f, 400, "INVALID_PARAMETER_VALUE",
                   "Cannot update expectation value on a Feedback assessment.");
    on(f, "PATCH", expectation,
       "{'assessment':{'feedback':{'value':2}},'update_mask':'feedback'}");
    assert_refused(
        f, 400, "INVALID_PARAMETER_VALUE",
        "Cannot update feedback value on an Expectation assessment.");
}

static void overrides(void **state)
{
    struct fixture *f = *state;
    const char *old = create(f, "'feedback':{'value':1}");
    const char *young =
        create(f, tj_str_printf(&f->arena,
                                "'feedback':{'value':2},'overrides':'%s'", old)
                      .ptr);
    assert_string_equal(text_at(f, "assessment.valid"), "true");
    on(f, "GET", old, NULL);
    assert_string_equal(text_at(f, "assessment.valid"), "false");
    /* Deleting the new one brings the old one back. */
    assert_int_equal(on(f, "DELETE", young, NULL), 200);
    on(f, "GET", old, NULL);
    assert_string_equal(text_at(f, "assessment.valid"), "true");
    ask(f, "POST", URL,
        "{'assessment':{'assessment_name':'n','feedback':{'value':1},"
        "'overrides':'a-none'}}");
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "Assessment with ID 'a-none' not found for trace '" TRACE_1
                   "'");
}

static void what_is_not_there(void **state)
{
    struct fixture *f = *state;
    const char *id = create(f, "'feedback':{'value':1}");
    on(f, "GET", "a-none", NULL);
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "Assessment with ID 'a-none' not found for trace '" TRACE_1
                   "'");
    on(f, "PATCH", "a-none",
       "{'assessment':{'rationale':'x'},'update_mask':'rationale'}");
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST", "'a-none' not found");
    ask(f, "GET", "/api/3.0/mlflow/traces/" TRACE_2 "/assessments/a-1", NULL);
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "Trace with request_id '" TRACE_2 "' not found");
    ask(f, "POST", "/api/3.0/mlflow/traces/" TRACE_2 "/assessments",
        "{'assessment':{'assessment_name':'n','feedback':{'value':1}}}");
    assert_refused(f, 404, "RESOURCE_DOES_NOT_EXIST",
                   "Trace with ID '" TRACE_2 "' not found.");
    /* Deleting twice, or of a trace that is not there, is no error. */
    assert_int_equal(on(f, "DELETE", id, "{}"), 200);
    assert_int_equal(on(f, "DELETE", id, "{}"), 200);
    assert_str_eq(f->answer.body, "{}");
    assert_int_equal(ask(f, "DELETE",
                         "/api/3.0/mlflow/traces/" TRACE_2 "/assessments/a-1",
                         NULL),
                     200);
}

static void broken_ones_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "{}",
        "{'assessment':7}",
        "{'assessment':{'assessment_name':'n'}}",
        "{'assessment':{'expectation':{'serialized_value':{'value':'{'}}}}",
    };
    for (size_t i = 0; i < TJ_COUNT(bodies); i++) {
        ask(f, "POST", URL, bodies[i]);
        assert_int_equal(f->answer.status, 400);
    }
    ask(f, "POST", URL,
        "{'assessment':{'assessment_name':'n','issue':{'issue_name':'i'}}}");
    assert_int_equal(f->answer.status, 501);
}

/* They may travel with the info, and come again with it. */
static void inline_ones(void **state)
{
    struct fixture *f = *state;
    static const char more[] =
        ",'assessments':[{'assessment_id':'a-1','assessment_name':'n'," FROM
        ",'feedback':{'value':1}}]";
    start_trace(f, TRACE_1, "0", more);
    start_trace(f, TRACE_1, "0", more);
    assert_int_equal(count_at(f, "trace.trace_info.assessments"), 1);
    assert_string_equal(
        text_at(f, "trace.trace_info.assessments.0.assessment_id"), "a-1");
    assert_string_equal(text_at(f, "trace.trace_info.assessments.0.trace_id"),
                        TRACE_1);
}

static void grants(void **state)
{
    struct fixture *f = *state;
    uint64_t other = must_experiment(f, "other");
    const char *id = create(f, "'feedback':{'value':1}");
    f->grant = (struct tj_grant){.access = TJ_ACCESS_WRITE,
                                 .experiments = &other,
                                 .experiment_count = 1};
    assert_int_equal(on(f, "GET", id, NULL), 403);
    assert_int_equal(on(f, "DELETE", id, NULL), 403);
    assert_int_equal(on(f, "PATCH", id,
                        "{'assessment':{'rationale':'x'},'update_mask':"
                        "'rationale'}"),
                     403);
    assert_int_equal(ask(f, "POST", URL,
                         "{'assessment':{'assessment_name':'n','feedback':{"
                         "'value':1}}}"),
                     403);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_trace, teardown)

/* What protobuf's JSON has: a value beside an error, an enum by its number, no
 * id where there is none. */
static void members_are_protobufs(void **state)
{
    struct fixture *f = *state;
    const char *id = create(f, "'feedback':{'error':{'error_code':'E'}}");
    assert_string_equal(text_at(f, "assessment.feedback.value"), "null");
    assert_string_equal(text_at(f, "assessment.feedback.error.error_code"),
                        "E");
    assert_int_equal(
        ask(f, "POST", URL,
            "{'assessment':{'source':{'source_type':2},'feedback':{},"
            "'create_time':'2026-05-02T08:00:00Z'}}"),
        200);
    assert_string_equal(text_at(f, "assessment.source.source_type"),
                        "LLM_JUDGE");
    assert_string_equal(text_at(f, "assessment.source.source_id"), "(none)");
    assert_string_equal(text_at(f, "assessment.feedback.value"), "null");
    assert_string_equal(text_at(f, "assessment.create_time"),
                        "2026-05-02T08:00:00Z");
    assert_int_equal(
        on(f, "PATCH", id, "{'assessment':{'rationale':'r'},'update_mask':''}"),
        400);
}

/* A member that the mask names and that is not there goes back to none. */
static void a_mask_clears(void **state)
{
    struct fixture *f = *state;
    const char *id = create(f, "'feedback':{'value':5},'rationale':'why'");
    assert_int_equal(
        on(f, "PATCH", id, "{'assessment':{},'update_mask':'feedback'}"), 200);
    assert_string_equal(text_at(f, "assessment.feedback.value"), "null");
    assert_string_equal(text_at(f, "assessment.rationale"), "why");
    assert_int_equal(
        on(f, "PATCH", id, "{'assessment':{},'update_mask':'rationale'}"), 200);
    assert_string_equal(text_at(f, "assessment.rationale"), "(none)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_numbers_become_doubles),
        TEST(expectations_are_values_or_text),
        TEST(all_is_kept),
        TEST(every_post_makes_one),
        TEST(masks_come_in_both_spellings),
        TEST(a_mask_is_a_mask),
        TEST(the_kind_may_not_change),
        TEST(overrides),
        TEST(what_is_not_there),
        TEST(broken_ones_are_refused),
        TEST(inline_ones),
        TEST(members_are_protobufs),
        TEST(a_mask_clears),
        TEST(grants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
