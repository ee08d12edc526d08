/* test_judge_drive.c - judges, models, a loop and a store together.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/drive.h"

#include "fixture.h"
#include "net/loop.h"
#include "store/store_fault.h"
#include "text/json_write.h"

#define CALL                                                                   \
    "{\"reply\":{\"stop\":\"tools\",\"uses\":[{\"id\":\"c1\",\"name\":"        \
    "\"get_span\",\"args\":{\"span_id\":\"00000000000000c3\"}}]}}\n"
#define GOOD                                                                   \
    "{\"reply\":{\"stop\":\"end\",\"text\":\"{\\\"result\\\":true,"            \
    "\\\"rationale\\\":\\\"it failed\\\",\\\"evidence\\\":[{\\\"span_id\\\":"  \
    "\\\"00000000000000c3\\\",\\\"field\\\":\\\"output\\\",\\\"quote\\\":"     \
    "\\\"HTTP 503\\\"}]}\",\"usage\":{\"input_tokens\":10,"                    \
    "\"output_tokens\":2}}}\n"
#define BROKEN                                                                 \
    "{\"reply\":{\"stop\":\"error\",\"error\":\"provider\","                   \
    "\"error_message\":\"HTTP 529\"}}\n"

struct bench {
    struct fixture f;
    struct tj_loop *loop;
    struct tj_model *model;
    struct tj_drive *drive;
    struct tj_drive_options options;
    size_t count;
    size_t failed;
    struct tj_verdict last;
    tj_str code;
    char message[TJ_ERR_MESSAGE_MAX];
    bool cancel_on_ask;
};

static void on_verdict(void *ctx, const struct tj_verdict *v,
                       const struct tj_err *err)
{
    struct bench *b = ctx;
    b->count++;
    b->failed += err != NULL;
    b->last = *v;
    b->code = tj_str_dup(&b->f.arena, v->error_code);
    b->last.assessment_id = tj_str_dup(&b->f.arena, v->assessment_id);
    b->message[0] = '\0';
    if (err)
        memcpy(b->message, err->message, sizeof b->message);
}

static void on_asked(void *ctx, const struct tj_ask *ask, uint32_t round)
{
    struct bench *b = ctx;
    if (b->cancel_on_ask && round == 2)
        tj_drive_cancel(b->drive);
}

static void bench_open(struct bench *b, const char *lines)
{
    memset(b, 0, sizeof *b);
    fixture_open(&b->f);
    b->f.store = tj_store_fault_new(b->f.store);
    assert_ok(tj_judge_def_parse(
                  TJ_STR("---\nvalue: bool\n---\nDid {{ trace }} fail?"),
                  "did_fail.md", &b->f.arena, &b->f.def, &b->f.err),
              b->f.err);
    assert_ok(tj_loop_open(&b->loop, &b->f.err), b->f.err);
    assert_ok(
        tj_model_script_open(b->loop, tj_str_c(lines), &b->model, &b->f.err),
        b->f.err);
    b->options = (struct tj_drive_options){
        .store = b->f.store,
        .keep_transcript = true,
        .keep_verdict = true,
        .judge = {.watch = {.asked = on_asked, .ctx = b}},
    };
}

static void bench_start(struct bench *b)
{
    assert_ok(tj_drive_open(b->loop, &b->options, on_verdict, b, &b->drive,
                            &b->f.err),
              b->f.err);
}

static void judge(struct bench *b, tj_trace_id id)
{
    tj_drive_add(b->drive, &b->f.def, b->model, id);
    tj_loop_run(b->loop);
}

static void bench_close(struct bench *b)
{
    tj_drive_close(b->drive);
    tj_model_close(b->model);
    tj_loop_close(b->loop);
    fixture_close(&b->f);
}

static size_t assessments(struct bench *b, struct tj_assessment **all)
{
    size_t count = 0;
    assert_ok(tj_store_assessments(b->f.store, fixture_trace_id(), &b->f.arena,
                                   all, &count, &b->f.err),
              b->f.err);
    return count;
}

static void test_stored(void **state)
{
    struct bench b;
    struct tj_assessment *all = NULL;
    bench_open(&b, CALL GOOD);
    bench_start(&b);
    judge(&b, fixture_trace_id());
    assert_int_equal(b.count, 1);
    assert_int_equal(b.failed, 0);
    assert_int_equal(b.last.state, TJ_VERDICT_RATED);
    assert_int_equal(assessments(&b, &all), 1);
    assert_str_eq(all[0].name, "did_fail");
    assert_str_eq(all[0].value_json, "true");
    assert_int_equal(all[0].source_type, TJ_SOURCE_LLM_JUDGE);
    assert_str_eq(all[0].source_id, "script:/test");
    assert_str_eq(tj_assessment_meta(&all[0], TJ_STR("tracejudge.state")),
                  "rated");
    assert_str_eq(tj_assessment_meta(
                      &all[0], TJ_STR("mlflow.assessment.judgeInputTokens")),
                  "10");
    tj_str run =
        tj_assessment_meta(&all[0], TJ_STR("mlflow.assessment.scorerTraceId"));
    assert_true(
        tj_str_eq(run, tj_trace_id_mlflow(&b.f.arena, b.last.judge_trace_id)));
    tj_str proof = tj_assessment_meta(&all[0], TJ_STR("tracejudge.evidence"));
    assert_true(tj_str_find(proof, TJ_STR("\"verified\":true")) != (size_t)-1);
    assert_true(b.last.assessment_id.len > 0);
    bench_close(&b);
}

static void test_transcript(void **state)
{
    struct bench b;
    struct tj_trace run;
    bench_open(&b, CALL GOOD GOOD);
    bench_start(&b);
    judge(&b, fixture_trace_id());
    tj_trace_id run_id = b.last.judge_trace_id;
    assert_ok(
        tj_store_open_trace(b.f.store, run_id, &b.f.arena, &run, &b.f.err),
        b.f.err);
    assert_int_equal(run.span_count, 4);
    assert_int_equal(run.tree.root_count, 1);
    assert_int_equal(run.spans[0].kind, TJ_KIND_AGENT);
    assert_str_eq(run.spans[0].name, "judge did_fail");
    assert_int_equal(run.spans[1].kind, TJ_KIND_LLM);
    assert_int_equal(run.spans[2].kind, TJ_KIND_TOOL);
    assert_str_eq(run.spans[2].name, "execute_tool get_span");
    assert_str_eq(run.spans[2].tool_name, "get_span");
    assert_int_equal(run.spans[3].kind, TJ_KIND_LLM);
    assert_int_equal(run.spans[3].usage.input_tokens, 10);
    assert_str_eq(tj_pairs_find(&run.info.tags, TJ_STR(TJ_TAG_SOURCE_SCORER)),
                  "did_fail");
    assert_true(
        tj_str_eq(tj_pairs_find(&run.info.tags, TJ_STR("tracejudge.subject")),
                  tj_trace_id_mlflow(&b.f.arena, fixture_trace_id())));
    /* The loop guard: the run is not judged in its turn. */
    judge(&b, run_id);
    assert_int_equal(b.failed, 1);
    assert_non_null(strstr(b.message, "run of the judge 'did_fail'"));
    bench_close(&b);
}

static void test_again(void **state)
{
    struct bench b;
    struct tj_assessment *all = NULL;
    bench_open(&b, GOOD GOOD BROKEN);
    bench_start(&b);
    judge(&b, fixture_trace_id());
    tj_str first = b.last.assessment_id;
    judge(&b, fixture_trace_id());
    assert_true(tj_str_eq(first, b.last.assessment_id));
    assert_int_equal(assessments(&b, &all), 1);
    /* A failure does not take the place of the rating. */
    judge(&b, fixture_trace_id());
    assert_int_equal(b.count, 3);
    assert_int_equal(b.last.state, TJ_VERDICT_ERROR);
    assert_str_eq(b.code, "provider");
    assert_int_equal(assessments(&b, &all), 1);
    assert_str_eq(all[0].value_json, "true");
    bench_close(&b);
}

static void test_error_stored(void **state)
{
    struct bench b;
    struct tj_assessment *all = NULL;
    bench_open(&b, BROKEN GOOD);
    bench_start(&b);
    judge(&b, fixture_trace_id());
    assert_int_equal(assessments(&b, &all), 1);
    assert_str_eq(all[0].error_code, "provider");
    assert_str_eq(all[0].error_message, "HTTP 529");
    assert_str_eq(all[0].value_json, "");
    /* ... and a rating takes the place of a failure. */
    judge(&b, fixture_trace_id());
    assert_int_equal(assessments(&b, &all), 1);
    assert_str_eq(all[0].error_code, "");
    assert_str_eq(all[0].value_json, "true");
    bench_close(&b);
}

static void test_no_trace(void **state)
{
    struct bench b;
    tj_trace_id id = {{1}};
    bench_open(&b, GOOD);
    bench_start(&b);
    judge(&b, id);
    assert_int_equal(b.count, 1);
    assert_int_equal(b.failed, 1);
    assert_non_null(strstr(b.message, "is not in the store"));
    assert_int_equal(b.last.state, TJ_VERDICT_ERROR);
    bench_close(&b);
}

/* Each store call in turn fails: there is never a verdict without err that is
 * not stored, and never a crash. */
static void test_store_faults(void **state)
{
    size_t ok = 0;
    for (uint64_t call = 1; call < 40 && ok == 0; call++) {
        struct bench b;
        struct tj_assessment *all = NULL;
        bench_open(&b, CALL GOOD);
        bench_start(&b);
        tj_store_fault_arm(b.f.store, call, TJ_FAULT_BEFORE);
        judge(&b, fixture_trace_id());
        assert_int_equal(b.count, 1);
        tj_store_fault_arm(b.f.store, 1000, TJ_FAULT_BEFORE);
        size_t stored = assessments(&b, &all);
        assert_int_equal(stored, b.failed ? 0 : 1);
        ok += b.failed == 0;
        bench_close(&b);
    }
    assert_int_equal(ok, 1);
}

static void test_many(void **state)
{
    enum { COUNT = 50 };
    struct bench b;
    struct tj_buf lines;
    bench_open(&b, "");
    tj_model_close(b.model);
    tj_buf_init(&lines, &b.f.arena, 1 << 20);
    for (int i = 0; i < COUNT; i++)
        tj_buf_add(&lines, TJ_STR(GOOD));
    assert_ok(
        tj_model_script_open(b.loop, tj_buf_str(&lines), &b.model, &b.f.err),
        b.f.err);
    b.options.in_flight_max = 7;
    bench_start(&b);
    for (int i = 0; i < COUNT; i++)
        tj_drive_add(b.drive, &b.f.def, b.model, fixture_trace_id());
    tj_loop_run(b.loop);
    assert_int_equal(b.count, COUNT);
    assert_int_equal(b.failed, 0);
    bench_close(&b);
}

static void test_cancel(void **state)
{
    struct bench b;
    struct tj_assessment *all = NULL;
    bench_open(&b, CALL GOOD);
    b.options.in_flight_max = 1;
    b.cancel_on_ask = true;
    bench_start(&b);
    tj_drive_add(b.drive, &b.f.def, b.model, fixture_trace_id());
    tj_drive_add(b.drive, &b.f.def, b.model, fixture_trace_id());
    tj_loop_run(b.loop);
    assert_int_equal(b.count, 1);
    assert_int_equal(b.last.stopped_by, TJ_BY_CANCELLED);
    assert_str_eq(b.code, "cancelled");
    assert_int_equal(assessments(&b, &all), 0);
    bench_close(&b);
}

static void test_close_early(void **state)
{
    struct bench b;
    bench_open(&b, GOOD);
    bench_start(&b);
    tj_drive_add(b.drive, &b.f.def, b.model, fixture_trace_id());
    tj_drive_close(b.drive);
    tj_loop_run(b.loop);
    assert_int_equal(b.count, 0);
    b.drive = NULL;
    bench_close(&b);
}

static void test_json(void **state)
{
    struct tj_arena a = {0};
    struct tj_buf out;
    struct tj_json_writer w;
    struct tj_evidence e[] = {
        {TJ_STR("s"), TJ_STR("input"), TJ_STR("q"), 3, 1, true, {0}},
        {TJ_STR("t"), TJ_STR("f"), TJ_STR("r"), 0, 1, false, TJ_STR("no")},
    };
    struct tj_verdict v = {
        .judge = TJ_STR("j"),
        .judge_version = TJ_STR("2"),
        .model = TJ_STR("m"),
        .state = TJ_VERDICT_ERROR,
        .value_json = TJ_STR("null"),
        .error_code = TJ_STR("timeout"),
        .error_message = TJ_STR("slow"),
        .evidence = e,
        .evidence_count = 2,
        .input_tokens = -1,
        .cached_input_tokens = -1,
        .output_tokens = 5,
        .cost_usd = 0.5,
        .stopped_by = TJ_BY_SECONDS,
        .duration_ns = 1500000,
    };
    tj_buf_init(&out, &a, 4096);
    tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
    tj_verdict_write(&w, &v);
    assert_str_eq(
        tj_buf_str(&out),
        "{\"trace_id\":null,\"judge\":\"j\",\"judge_version\":\"2\","
        "\"model\":\"m\",\"state\":\"error\",\"passed\":null,\"value\":null,"
        "\"rationale\":\"\",\"error\":{\"code\":\"timeout\",\"message\":"
        "\"slow\"},\"evidence\":[{\"span_id\":\"s\",\"field\":\"input\","
        "\"quote\":\"q\",\"offset\":3,\"length\":1,\"verified\":true},"
        "{\"span_id\":\"t\",\"field\":\"f\",\"quote\":\"r\",\"verified\":"
        "false,\"why_not\":\"no\"}],\"coverage\":{\"spans_read\":0,"
        "\"spans_total\":0,\"bytes_read\":0,\"bytes_total\":0},\"usage\":{"
        "\"requests\":0,\"input_tokens\":null,\"cached_input_tokens\":null,"
        "\"output_tokens\":5,\"cost_usd\":0.5,\"tool_calls\":0,"
        "\"repeated_calls\":0,\"tool_bytes\":0},\"stopped_by\":\"seconds\","
        "\"duration_ms\":1,\"judge_trace_id\":null,\"assessment_id\":null}");
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored),      cmocka_unit_test(test_transcript),
        cmocka_unit_test(test_again),       cmocka_unit_test(test_error_stored),
        cmocka_unit_test(test_no_trace),    cmocka_unit_test(test_store_faults),
        cmocka_unit_test(test_many),        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_close_early), cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
