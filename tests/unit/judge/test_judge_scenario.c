/* test_judge_scenario.c - the reference scenario, and a replay of a recording.
 * SPDX-License-Identifier: Apache-2.0
 *
 * slow_data_processor: one fetch of 2.5 s, three equal calls of 0.5 s.  Judged
 * by examples/judges/performance_analyzer.md with builtin:/rules, so with no
 * key and no network, through the same loop as any model.
 */
#include "base/file.h"
#include "fixture.h"
#include "judge/drive.h"
#include "net/loop.h"
#include "text/json_write.h"

struct scenario {
    struct fixture f;
    struct tj_loop *loop;
    struct tj_store *store;
    size_t count;
    struct tj_err err;
    bool failed;
    tj_str json; /* of the last verdict */
    enum tj_verdict_state state;
    size_t verified;
    char value[64];
};

static void on_verdict(void *ctx, const struct tj_verdict *v,
                       const struct tj_err *err)
{
    struct scenario *s = ctx;
    struct tj_verdict bare = *v;
    struct tj_buf out;
    struct tj_json_writer w;
    s->count++;
    s->failed = err != NULL;
    if (err)
        s->err = *err;
    s->state = v->state;
    s->verified = 0;
    for (size_t i = 0; i < v->evidence_count; i++)
        s->verified += v->evidence[i].verified;
    assert_true(v->value_json.len < sizeof s->value);
    memcpy(s->value, v->value_json.ptr, v->value_json.len);
    s->value[v->value_json.len] = '\0';
    bare.duration_ns = 0; /* the one thing that a replay does not repeat */
    tj_buf_init(&out, &s->f.arena, 1 << 20);
    tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
    tj_verdict_write(&w, &bare);
    s->json = tj_buf_str(&out);
}

static void add_step(struct tj_build *b, const char *id, const char *name,
                     const char *input, uint64_t start_ms, uint64_t ms)
{
    struct tj_span *s = fixture_span(b, id, name, TJ_KIND_TOOL, start_ms);
    s->end = s->start + ms * TJ_NS_PER_MS;
    if (!tj_str_eq(tj_str_c(name), TJ_STR("slow_data_processor"))) {
        tj_build_attr_text(b, TJ_STR("mlflow.spanInputs"), tj_str_c(input));
        tj_build_attr_text(b, TJ_STR("mlflow.spanOutputs"), TJ_STR("rows"));
    }
    tj_build_end(b);
}

static void scenario_open(struct scenario *s)
{
    static const struct tj_store_options options = {.create = true};
    struct tj_batch batch;
    memset(s, 0, sizeof *s);
    assert_ok(tj_store_open(TJ_STR("memory:"), &options, &s->store, &s->err),
              s->err);
    tj_batch_init(&batch, &s->f.arena);
    struct tj_build *b = tj_build_new(&s->f.arena, &batch);
    add_step(b, "00000000000000a1", "slow_data_processor", "", 0, 4000);
    add_step(b, "00000000000000b2", "fetch_data", "{\"source\": \"db\"}", 0,
             2500);
    add_step(b, "00000000000000c3", "redundant_api_call_0",
             "{\"url\": \"/status\"}", 2500, 500);
    add_step(b, "00000000000000c4", "redundant_api_call_1",
             "{\"url\": \"/status\"}", 3000, 500);
    add_step(b, "00000000000000c5", "redundant_api_call_2",
             "{\"url\": \"/status\"}", 3500, 500);
    assert_ok(tj_store_add_batch(s->store, &batch, &s->err), s->err);
    assert_ok(tj_loop_open(&s->loop, &s->err), s->err);
    const char *source = getenv("TRACEJUDGE_SOURCE");
    assert_non_null(source);
    tj_str text,
        path = tj_str_printf(
            &s->f.arena, "%s/examples/judges/performance_analyzer.md", source);
    assert_ok(tj_file_read(path.ptr, 1 << 20, &s->f.arena, &text, &s->err),
              s->err);
    assert_ok(
        tj_judge_def_parse(text, path.ptr, &s->f.arena, &s->f.def, &s->err),
        s->err);
}

static void scenario_close(struct scenario *s)
{
    tj_loop_close(s->loop);
    tj_store_close(s->store);
    tj_arena_release(&s->f.arena);
}

static struct tj_model *open_model(struct scenario *s, const char *uri)
{
    struct tj_model *model = NULL;
    struct tj_model_options options = {.rules = s->f.def.rules};
    assert_ok(tj_model_open(tj_str_c(uri), &options, s->loop, &model, &s->err),
              s->err);
    return model;
}

/* Takes ownership of the model. */
static void judge_with(struct scenario *s, struct tj_model *model)
{
    struct tj_drive *drive = NULL;
    struct tj_drive_options options = {.store = s->store};
    assert_ok(tj_drive_open(s->loop, &options, on_verdict, s, &drive, &s->err),
              s->err);
    s->count = 0;
    tj_drive_add(drive, &s->f.def, model, fixture_trace_id());
    tj_loop_run(s->loop);
    assert_int_equal(s->count, 1);
    if (s->failed)
        fail_msg("%s", s->err.message);
    tj_drive_close(drive);
    tj_model_close(model);
}

static void test_rules(void **state)
{
    struct scenario s;
    scenario_open(&s);
    judge_with(&s, open_model(&s, "builtin:/rules"));
    assert_int_equal(s.state, TJ_VERDICT_RATED);
    assert_string_equal(s.value, "\"needs_improvement\"");
    assert_true(s.verified >= 2);
    assert_true(tj_str_find(s.json, TJ_STR("fetch_data")) != (size_t)-1);
    assert_true(tj_str_find(s.json, TJ_STR("\"verified\":false")) ==
                (size_t)-1);
    scenario_close(&s);
}

static void test_without_rules(void **state)
{
    struct scenario s;
    scenario_open(&s);
    s.f.def.rules = TJ_STR("");
    judge_with(&s, open_model(&s, "builtin:/rules"));
    assert_int_equal(s.state, TJ_VERDICT_INSUFFICIENT);
    assert_string_equal(s.value, "null");
    scenario_close(&s);
}

static void test_replay(void **state)
{
    struct scenario s;
    struct tj_model *recorder = NULL;
    char folder[] = "/tmp/tj-judge-XXXXXX";
    scenario_open(&s);
    assert_non_null(mkdtemp(folder));
    tj_str path = tj_str_printf(&s.f.arena, "%s/run.jsonl", folder);
    assert_ok(tj_model_record_open(open_model(&s, "builtin:/rules"), path,
                                   &recorder, &s.err),
              s.err);
    judge_with(&s, recorder);
    tj_str first = s.json;
    assert_int_equal(s.state, TJ_VERDICT_RATED);
    tj_str uri = tj_str_printf(&s.f.arena, "replay:/%.*s", TJ_STR_ARG(path));
    judge_with(&s, open_model(&s, uri.ptr));
    assert_int_equal(s.state, TJ_VERDICT_RATED);
    assert_string_equal(tj_cstr(&s.f.arena, first),
                        tj_cstr(&s.f.arena, s.json));
    /* Another judge asks something else: the first difference ends it. */
    s.f.def.instructions = TJ_STR("Something else about the {{ trace }}.");
    judge_with(&s, open_model(&s, uri.ptr));
    assert_int_equal(s.state, TJ_VERDICT_ERROR);
    assert_true(tj_str_find(s.json, TJ_STR("\"code\":\"replay\"")) !=
                (size_t)-1);
    assert_int_equal(unlink(path.ptr), 0);
    assert_int_equal(rmdir(folder), 0);
    scenario_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_without_rules),
        cmocka_unit_test(test_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
