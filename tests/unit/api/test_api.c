/* test_api.c - the public header: what a C program that links us relies on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <tracejudge.h>

static const char *const criteria =
    "Analyze the {{ trace }} for operations taking longer than 2 seconds.";
static const char *const rules =
    "{\"thresholds\": {\"slow_span_ms\": 2000, \"repeated_calls\": 2},"
    " \"value_of\": {\"high\": \"bad\", \"medium\": \"bad\","
    " \"low\": \"fine\", \"none\": \"good\"}}";

static struct tracejudge *open_memory(void)
{
    struct tracejudge *tj = NULL;
    struct tj_error err = {0};
    assert_ok(tj_open("memory:", TJ_OPEN_CREATE, &tj, &err), err);
    return tj;
}

static struct tj_judge_def *make_rater(const char *value)
{
    const struct tj_judge_spec spec = {
        .name = "rater",
        .instructions = criteria,
        .model = "builtin:/rules",
        .value = value,
        .pass = "[\"good\", \"fine\"]",
        .evidence = "required",
        .rules = rules,
    };
    struct tj_judge_def *judge = NULL;
    struct tj_error err = {0};
    assert_ok(tj_make_judge(&spec, &judge, &err), err);
    return judge;
}

/* A root of four seconds and a child that took most of it. */
static void record_slow_trace(struct tracejudge *tj)
{
    struct tj_error err = {0};
    const uint64_t start = UINT64_C(1777708800000000000);
    struct tj_active *root = tj_start_trace(tj, "root", "CHAIN");
    struct tj_active *slow = tj_start_span(root, "fetch_data", "TOOL");
    tj_set_inputs(slow, "{\"table\": \"users\"}");
    tj_set_outputs_text(slow, "1000 rows");
    tj_set_times(root, start, start + UINT64_C(4000000000));
    tj_set_times(slow, start, start + UINT64_C(2500000000));
    tj_set_outputs_text(root, "done");
    assert_ok(tj_end_span(slow, &err), err);
    assert_string_equal(tj_last_active_trace_id(tj), "");
    assert_ok(tj_end_span(root, &err), err);
    assert_int_equal(strlen(tj_last_active_trace_id(tj)), 32);
}

static char *show(struct tracejudge *tj, const char *id, enum tj_view view,
                  struct tj_text *text)
{
    struct tj_error err = {0};
    const struct tj_show_options options = {.view = view, .previews = true};
    assert_ok(tj_show_trace(tj, id, &options, text, &err), err);
    return text->data;
}

static void a_recorded_trace_is_stored_when_its_root_ends(void **state)
{
    (void)state;
    struct tracejudge *tj = open_memory();
    struct tj_error err = {0};
    struct tj_counts n = {0};
    record_slow_trace(tj);
    assert_ok(tj_count(tj, &n, &err), err);
    assert_int_equal(n.traces, 1);
    assert_int_equal(n.spans, 2);
    struct tj_text text = {0};
    const char *tree = show(tj, "last", TJ_VIEW_TREE, &text);
    assert_non_null(strstr(tree, "fetch_data"));
    assert_non_null(strstr(tree, "2.50s"));
    assert_non_null(strstr(tree, "1000 rows"));
    tj_text_free(&text);
    tj_close(tj);
}

static void attributes_events_errors_tags_and_session_arrive(void **state)
{
    (void)state;
    struct tracejudge *tj = open_memory();
    struct tj_error err = {0};
    struct tj_active *root = tj_start_trace(tj, "root", "AGENT");
    tj_set_attribute(root, "config", "{\"depth\": 3}");
    tj_set_attribute(root, "odd", "{not json");
    tj_set_attribute_int(root, "count", -7);
    tj_set_attribute_double(root, "share", 0.5);
    tj_add_event(root, "retry");
    tj_record_error(root, "TimeoutError", "upstream took too long");
    tj_set_trace_tag(root, "team", "search");
    tj_set_trace_session(root, "session-9", "alice");
    assert_ok(tj_end_span(root, &err), err);
    struct tj_text text = {0};
    const char *json = show(tj, "last", TJ_VIEW_JSON, &text);
    static const char *const parts[] = {
        "\"attributes.config\":{\"depth\":3}",
        "\"attributes.odd\":\"{not json\"",
        "\"attributes.count\":-7",
        "\"attributes.share\":0.5",
        "\"status\":\"ERROR\"",
        "upstream took too long",
        "TimeoutError",
        "\"team\":\"search\"",
        "\"session\":\"session-9\"",
        "\"user\":\"alice\"",
        "\"state\":\"ERROR\"",
    };
    for (size_t i = 0; i < TJ_COUNT(parts); i++)
        if (!strstr(json, parts[i]))
            fail_msg("%s is missing in %s", parts[i], json);
    tj_text_free(&text);
    tj_close(tj);
}

enum { THREADS = 8, SPANS_PER_THREAD = 50 };

static void *record_children(void *ctx)
{
    struct tj_error err = {0};
    for (int i = 0; i < SPANS_PER_THREAD; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "step_%d", i);
        struct tj_active *child = tj_start_span(ctx, name, "TOOL");
        struct tj_active *inner = tj_start_span(child, "inner", NULL);
        tj_set_attribute_int(inner, "i", i);
        if (!tj_end_span(inner, &err) || !tj_end_span(child, &err))
            return ctx; /* not NULL: failed */
    }
    return NULL;
}

static void spans_nest_across_threads(void **state)
{
    (void)state;
    struct tracejudge *tj = open_memory();
    struct tj_error err = {0};
    struct tj_active *root = tj_start_trace(tj, "root", "AGENT");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, record_children, root), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_ok(tj_end_span(root, &err), err);
    struct tj_counts n = {0};
    assert_ok(tj_count(tj, &n, &err), err);
    assert_int_equal(n.spans, 1 + THREADS * SPANS_PER_THREAD * 2);
    tj_close(tj);
}

static void a_child_that_outlives_its_root_is_kept(void **state)
{
    (void)state;
    struct tracejudge *tj = open_memory();
    struct tj_error err = {0};
    struct tj_active *root = tj_start_trace(tj, "root", NULL);
    struct tj_active *late = tj_start_span(root, "late", NULL);
    assert_ok(tj_end_span(root, &err), err);
    struct tj_text text = {0};
    assert_non_null(strstr(show(tj, "last", TJ_VIEW_JSON, &text),
                           "\"marks\":[\"unfinished\"]"));
    tj_text_free(&text);
    tj_set_outputs_text(late, "finally");
    assert_ok(tj_end_span(late, &err), err);
    const char *json = show(tj, "last", TJ_VIEW_JSON, &text);
    assert_non_null(strstr(json, "finally"));
    assert_null(strstr(json, "\"unfinished\""));
    tj_text_free(&text);
    /* Never ended: dropped by tj_close, which the leak checker watches. */
    struct tj_active *open = tj_start_trace(tj, "open", NULL);
    (void)tj_start_span(open, "child", NULL);
    tj_close(tj);
}

static void a_judge_made_in_c_rates_a_trace(void **state)
{
    (void)state;
    struct tracejudge *tj = open_memory();
    struct tj_error err = {0};
    struct tj_result *result = NULL;
    struct tj_judge_def *judge = make_rater("[\"good\", \"fine\", \"bad\"]");
    record_slow_trace(tj);
    char id[33];
    (void)snprintf(id, sizeof id, "%s", tj_last_active_trace_id(tj));
    assert_ok(tj_judge_trace(tj, judge, id, NULL, &result, &err), err);
    assert_int_equal(result->state, TJ_RATED);
    assert_string_equal(result->value, "bad");
    assert_string_equal(result->value_json, "\"bad\"");
    assert_int_equal(result->passed, 0);
    assert_string_equal(result->trace_id, id);
    assert_string_equal(result->judge, "rater");
    assert_true(result->evidence_count > 0);
    for (size_t i = 0; i < result->evidence_count; i++)
        assert_true(result->evidence[i].verified);
    assert_true(result->spans_total == 2);
    assert_true(strlen(result->assessment_id) > 0);
    assert_int_equal(strlen(result->judge_trace_id), 32);
    assert_int_equal(result->json[0], '{');
    tj_result_free(result);

    struct tj_text text = {0};
    assert_ok(tj_list_assessments(tj, id, &text, &err), err);
    assert_non_null(strstr(text.data, "\"rater\""));
    tj_text_free(&text);
    tj_judge_free(judge);
    tj_close(tj);
}

static void count_result(void *ctx, const struct tj_result *result)
{
    size_t *count = ctx;
    *count += result->state == TJ_RATED;
}

static void many_traces_are_judged_in_one_call(void **state)
{
    (void)state;
    enum { TRACES = 20 };
    struct tracejudge *tj = open_memory();
    struct tj_error err = {0};
    struct tj_judge_def *judge = make_rater("[\"good\", \"fine\", \"bad\"]");
    char ids[TRACES][33];
    const char *list[TRACES];
    for (int i = 0; i < TRACES; i++) {
        struct tj_active *root = tj_start_trace(tj, "quick", NULL);
        tj_set_outputs_text(root, "done");
        (void)snprintf(ids[i], sizeof ids[i], "%s", tj_active_trace_id(root));
        assert_ok(tj_end_span(root, &err), err);
        list[i] = ids[i];
    }
    size_t rated = 0;
    const struct tj_judge_settings settings = {.done = count_result,
                                               .ctx = &rated};
    assert_ok(tj_judge_traces(tj, judge, list, TRACES, &settings, &err), err);
    assert_int_equal(rated, TRACES);
    tj_judge_free(judge);
    tj_close(tj);
}

static void wrong_requests_say_what_is_wrong(void **state)
{
    (void)state;
    struct tracejudge *tj = open_memory();
    struct tj_error err = {0};
    struct tj_result *result = NULL;
    struct tj_judge_def *judge = NULL;
    struct tj_import in = {0};
    const struct tj_judge_spec nameless = {.name = "x",
                                           .instructions = "no variable"};
    assert_false(tj_make_judge(&nameless, &judge, &err));
    assert_int_equal(err.code, TJ_ERROR_INPUT);
    const struct tj_judge_spec typo = {
        .name = "x", .instructions = criteria, .value = "[\"a\""};
    assert_false(tj_make_judge(&typo, &judge, &err));
    assert_non_null(strstr(err.message, "value"));
    assert_null(judge);
    judge = make_rater("\"str\"");
    assert_false(tj_judge_trace(tj, judge, "deadbeef", NULL, &result, &err));
    assert_int_equal(err.code, TJ_ERROR_INPUT);
    assert_non_null(strstr(err.message, "no trace has the id 'deadbeef'"));
    assert_false(tj_import_bytes(tj, "{}", 2, NULL, &in, &err));
    assert_int_equal(err.code, TJ_ERROR_INPUT);
    assert_false(tj_import_bytes(tj, "{}", 2, "no-such", &in, &err));
    struct tracejudge *other = NULL;
    assert_false(tj_open("gopher://x", 0, &other, &err));
    assert_int_equal(err.code, TJ_ERROR_INPUT);
    tj_judge_free(judge);
    tj_close(tj);
}

static void feedback_and_tags_are_kept(void **state)
{
    (void)state;
    struct tracejudge *tj = open_memory();
    struct tj_error err = {0};
    struct tj_text text = {0};
    record_slow_trace(tj);
    const struct tj_feedback good = {
        .name = "helpful", .value_json = "true", .rationale = "to the point"};
    const struct tj_feedback truth = {
        .name = "answer", .value_json = "[1, 2]", .expectation = true};
    const struct tj_feedback broken = {.name = "x", .value_json = "yes"};
    assert_ok(tj_log_assessment(tj, "last", &good, &text, &err), err);
    assert_int_equal(strncmp(text.data, "a-", 2), 0);
    tj_text_free(&text);
    assert_ok(tj_log_assessment(tj, "last", &truth, NULL, &err), err);
    assert_false(tj_log_assessment(tj, "last", &broken, NULL, &err));
    assert_ok(tj_set_tag(tj, "last", "reviewed", "yes", &err), err);
    assert_ok(tj_list_assessments(tj, "last", &text, &err), err);
    assert_non_null(strstr(text.data, "to the point"));
    assert_non_null(strstr(text.data, "\"expectation\""));
    tj_text_free(&text);
    const char *json = show(tj, "last", TJ_VIEW_JSON, &text);
    assert_non_null(strstr(json, "\"reviewed\":\"yes\""));
    tj_text_free(&text);
    bool existed = false;
    char id[33];
    (void)snprintf(id, sizeof id, "%s", tj_last_active_trace_id(tj));
    assert_ok(tj_delete_trace(tj, id, &existed, &err), err);
    assert_true(existed);
    size_t count = 9;
    assert_ok(tj_find_trace(tj, id, id, &count, &err), err);
    assert_int_equal(count, 0);
    tj_close(tj);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_trace_is_stored_when_its_root_ends),
        cmocka_unit_test(attributes_events_errors_tags_and_session_arrive),
        cmocka_unit_test(spans_nest_across_threads),
        cmocka_unit_test(a_child_that_outlives_its_root_is_kept),
        cmocka_unit_test(a_judge_made_in_c_rates_a_trace),
        cmocka_unit_test(many_traces_are_judged_in_one_call),
        cmocka_unit_test(wrong_requests_say_what_is_wrong),
        cmocka_unit_test(feedback_and_tags_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
