/* test_store_mlflow_write.c - writing to an MLflow server that loses answers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mlflow_world.h"

/* -- assessments ------------------------------------------------------------------------ */

static void judging_again_overrides(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("again");
    struct tj_assessment first = feedback("5", "key");
    struct tj_assessment *list;
    size_t count;
    tj_assessment_set_meta(&first, &w->a, TJ_STR("tracejudge.state"),
                           TJ_STR("rated"));
    assert_ok(tj_store_add_assessment(w->st, &first, &w->a, &w->err), w->err);
    /* The same again changes nothing, though 5 came back as 5.0. */
    struct tj_assessment same = feedback("5", "key");
    assert_ok(tj_store_add_assessment(w->st, &same, &w->a, &w->err), w->err);
    assert_true(tj_str_eq(same.id, first.id));
    assert_int_equal(count_of(w, "POST /api/3.0/mlflow/traces/tr-"), 1);
    struct tj_assessment second = feedback("3", "key");
    assert_ok(tj_store_add_assessment(w->st, &second, &w->a, &w->err), w->err);
    struct tj_assessment other = feedback("1", "another key");
    assert_ok(tj_store_add_assessment(w->st, &other, &w->a, &w->err), w->err);
    assert_ok(
        tj_store_assessments(w->st, trace_id(1), &w->a, &list, &count, &w->err),
        w->err);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        bool is_first = tj_str_eq(list[i].id, first.id);
        assert_int_equal(list[i].valid, !is_first);
        assert_int_equal(list[i].metadata.count, is_first ? 1 : 0);
        if (tj_str_eq(list[i].id, second.id)) {
            assert_true(tj_str_eq(list[i].overrides, first.id));
            assert_str_eq(list[i].key, "key");
        }
    }
    bool existed = false;
    assert_ok(tj_store_delete_assessment(w->st, trace_id(1), second.id,
                                         &existed, &w->err),
              w->err);
    assert_true(existed);
    assert_ok(tj_store_delete_assessment(w->st, trace_id(1), second.id,
                                         &existed, &w->err),
              w->err);
    assert_false(existed);
    struct tj_assessment lost = feedback("1", "key");
    lost.trace_id = trace_id(9);
    assert_fails(tj_store_add_assessment(w->st, &lost, &w->a, &w->err), w->err,
                 TJ_E_INPUT, "no trace");
    end(w);
}

static enum tj_edit say_better(void *ctx, struct tj_assessment *as,
                               struct tj_arena *a, struct tj_err *err)
{
    (void)ctx;
    (void)a;
    (void)err;
    as->rationale = TJ_STR("better");
    as->value_json = TJ_STR("4");
    return TJ_EDIT_PUT;
}

static void edits_go_there(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("edits");
    struct tj_assessment as = feedback("5", "key");
    struct tj_assessment *list;
    size_t count;
    bool found = false;
    assert_ok(tj_store_add_assessment(w->st, &as, &w->a, &w->err), w->err);
    assert_ok(tj_store_edit_assessment(w->st, trace_id(1), as.id, say_better,
                                       NULL, &w->a, &found, &w->err),
              w->err);
    assert_true(found);
    assert_ok(
        tj_store_assessments(w->st, trace_id(1), &w->a, &list, &count, &w->err),
        w->err);
    assert_int_equal(count, 1);
    assert_str_eq(list[0].rationale, "better");
    assert_str_eq(list[0].key, "key");
    end(w);
}

/* Whatever is lost on the way, in the end it is there, once. */
static void a_lost_answer_stores_nothing_twice(void **state)
{
    (void)state;
    static const char *const faults[] = {
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"cut",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"do-cut",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"do-500",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"status:429:0",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"status:503:0.01",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"status:504",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"half",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"do-half",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"do-html",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"do-huge",
        "POST /api/3.0/mlflow/traces/tr-\",\"kind\":\"do-524",
        "GET /api/3.0/mlflow/traces/tr-\",\"kind\":\"status:500",
        "GET /api/3.0/mlflow/traces/tr-\",\"kind\":\"half",
    };
    for (size_t i = 0; i < 4 * TJ_COUNT(faults); i++) {
        struct world *w = begin("lost", "");
        bool twice = i % 2;
        w->session = tj_cstr(&w->a, tj_str_printf(&w->a, "lost%zu", i));
        struct tj_store_options o = options_of_test();
        reopen(w, "", &o);
        tell(w, ONE_TRACE);
        struct tj_trace_info info;
        bool found;
        assert_ok(tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found,
                                     &w->err),
                  w->err);
        tell(w, tj_cstr(&w->a,
                        tj_str_printf(&w->a,
                                      "{\"own_ids\":%s,\"faults\":[{\"match\":"
                                      "\"%s\",\"times\":%d}]}",
                                      i / 4 % 2 ? "true" : "false",
                                      faults[i / 4], twice ? 2 : 1)));
        /* Without a key there is nothing to override, and still one write. */
        struct tj_assessment as = feedback("5", i % 4 < 2 ? "key" : NULL);
        assert_ok(tj_store_add_assessment(w->st, &as, &w->a, &w->err), w->err);
        const struct tj_json *there = assessments_of(w, TRACE_1);
        if (tj_json_count(there) != 1)
            fail_msg("%s: %zu are there", faults[i / 4], tj_json_count(there));
        assert_true(
            tj_str_eq(as.id, tj_json_find_str(tj_json_item(there, 0),
                                              TJ_STR("assessment_id"))));
        end(w);
    }
}

static void what_cannot_be_known_is_said(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("uncertain");
    struct tj_assessment as = feedback("5", "key");
    tell(w, "{\"faults\":[{\"match\":\"POST /api/3.0/mlflow/traces/tr-\","
            "\"kind\":\"do-cut\"},{\"match\":\"GET /api/3.0/mlflow/traces/"
            "tr-\",\"kind\":\"none\"},{\"match\":\"GET /api/3.0/mlflow/traces/"
            "tr-\",\"kind\":\"cut\",\"times\":99}]}");
    assert_fails(tj_store_add_assessment(w->st, &as, &w->a, &w->err), w->err,
                 TJ_E_UNCERTAIN, "127.0.0.1");
    end(w);
}

/* The next ten, again, would be others. */
static void a_number_of_traces_is_deleted_once(void **state)
{
    (void)state;
    struct world *w = begin("tenth", "");
    struct tj_trace_doomed doomed = {
        .experiment_id = 1, .max_time = INT64_MAX, .count_max = 2};
    uint64_t deleted = 0;
    tell_many(w, 1, 12);
    assert_int_equal(matches(w, ""), 11);
    tell(w, "{\"faults\":[{\"match\":\"delete-traces\",\"kind\":\"do-500\"}]}");
    assert_fails(tj_store_delete_traces(w->st, &doomed, &deleted, &w->err),
                 w->err, TJ_E_UNCERTAIN, "500");
    assert_int_equal(count_of(w, "delete-traces"), 1);
    end(w);
}

/* -- judges --------------------------------------------------------------------------------- */

#define SCORER(model)                                                          \
    "{\"name\": \"tone\", \"instructions_judge_pydantic_data\": "              \
    "{\"instructions\": \"{{ outputs }}?\", \"model\": \"" model "\"}}"

static void judges_are_registered_scorers(void **state)
{
    (void)state;
    struct world *w = begin("judges", "?experiment=shop");
    struct tj_judge_row row = {0};
    struct tj_judge_row *rows;
    size_t count;
    tell(w, "{\"faults\":[{\"match\":\"register\",\"kind\":\"do-cut\"},"
            "{\"match\":\"register\",\"kind\":\"cut\"}]}");
    tj_str first = TJ_STR(SCORER("openai:/a"));
    for (int i = 0; i < 2; i++) {
        assert_ok(tj_store_add_judge(w->st, TJ_STR("tone"), first, &w->a, &row,
                                     &w->err),
                  w->err);
        assert_int_equal(row.version, 1);
    }
    assert_ok(tj_store_add_judge(w->st, TJ_STR("tone"),
                                 TJ_STR(SCORER("openai:/b")), &w->a, &row,
                                 &w->err),
              w->err);
    assert_int_equal(row.version, 2);
    assert_ok(
        tj_store_find_judge(w->st, TJ_STR("tone"), 1, &w->a, &row, &w->err),
        w->err);
    assert_true(tj_str_eq(row.source, first));
    assert_ok(
        tj_store_find_judge(w->st, TJ_STR("tone"), 0, &w->a, &row, &w->err),
        w->err);
    assert_int_equal(row.version, 2);
    assert_ok(
        tj_store_find_judge(w->st, TJ_STR("none"), 0, &w->a, &row, &w->err),
        w->err);
    assert_int_equal(row.version, 0);
    assert_ok(tj_store_judges(w->st, &w->a, &rows, &count, &w->err), w->err);
    assert_int_equal(count, 1);
    struct tj_store_options o = options_of_test();
    reopen(w, "", &o);
    assert_ok(
        tj_store_find_judge(w->st, TJ_STR("tone"), 0, &w->a, &row, &w->err),
        w->err);
    assert_int_equal(row.version, 2);
    assert_fails(
        tj_store_add_judge(w->st, TJ_STR("tone"), first, &w->a, &row, &w->err),
        w->err, TJ_E_INPUT, "experiment=NAME");
    end(w);
}

/* -- writing whole traces ---------------------------------------------------------------------- */

static void fill_batch(struct tj_batch *b, struct tj_arena *a)
{
    tj_batch_init(b, a);
    struct tj_span *s = add_span(b, 7, 1, 0);
    s->kind = TJ_KIND_TOOL;
    s->status = TJ_STATUS_ERROR;
    s->status_message = TJ_STR("broke");
    add_field(s, "attributes.text", TJ_STR("a \"b\" \xC3\xA9"));
    add_field(s, "attributes.json",
              TJ_STR("{\"a\": [1, 2.5, true, null], \"b\": \"line\n\"}"));
    s->fields[1].type = TJ_FIELD_JSON;
    add_field(s, "attributes.n", TJ_STR("-12"));
    s->fields[2].type = TJ_FIELD_NUMBER;
    add_field(s, "events.0.exception.type", TJ_STR("ValueError"));
    s->events = tj_arena_array(a, struct tj_event, 1);
    s->events[0] = (struct tj_event){TJ_STR("exception"), AT_MS(3)};
    s->event_count = 1;
    (void)add_span(b, 7, 2, 1);
    (void)add_span(b, 8, 1, 0);
    struct tj_trace_info *info = tj_batch_info(b, trace_id(7));
    info->name = TJ_STR("seven");
    tj_pairs_set(&info->tags, a, TJ_STR("color"), TJ_STR("red"));
    struct tj_assessment *as = tj_vec_add(&b->assessments, a);
    *as = feedback("true", NULL);
    as->trace_id = trace_id(7);
}

static void check_sent(struct world *w, const struct tj_json *one,
                       size_t span_count)
{
    struct tj_batch back = {0};
    tj_str bytes = {0};
    assert_true(
        tj_base64_parse(&w->a, tj_json_find_str(one, TJ_STR("body")), &bytes));
    assert_ok(tj_format_parse(tj_format_find(TJ_STR("otlp-pb")), bytes, &w->a,
                              &back, NULL, &w->err),
              w->err);
    assert_int_equal(back.spans.count, span_count);
    if (span_count != 2)
        return;
    const struct tj_span *s = &back.spans.items[0];
    assert_int_equal(s->kind, TJ_KIND_TOOL);
    assert_int_equal(s->status, TJ_STATUS_ERROR);
    assert_str_eq(s->status_message, "broke");
    assert_int_equal(s->start, AT_MS(1));
    assert_int_equal(s->event_count, 1);
    assert_str_eq(s->events[0].name, "exception");
    int32_t f = tj_span_find_field(s, TJ_STR("attributes.json"));
    assert_str_eq(s->fields[f].text,
                  "{\"a\": [1, 2.5, true, null], \"b\": \"line\n\"}");
    f = tj_span_find_field(s, TJ_STR("attributes.n"));
    assert_int_equal(s->fields[f].type, TJ_FIELD_NUMBER);
    assert_str_eq(s->fields[f].text, "-12");
    f = tj_span_find_field(s, TJ_STR("events.0.exception.type"));
    assert_str_eq(s->fields[f].text, "ValueError");
    assert_true(tj_span_id_eq(back.spans.items[1].parent_id, span_id(1)));
}

static void writes_traces_over_otlp(void **state)
{
    (void)state;
    struct world *w = begin("write", "?experiment=bank");
    struct tj_batch b;
    fill_batch(&b, &w->a);
    tell(w, "{\"faults\":[{\"match\":\"/v1/traces\",\"kind\":\"do-cut\"},"
            "{\"match\":\"POST /api/3.0/mlflow/traces\",\"kind\":\"do-500\"}]"
            "}");
    assert_int_equal(matches(w, ""), 0);
    assert_ok(tj_store_add_batch(w->st, &b, &w->err), w->err);
    const struct tj_json *root = look(w);
    const struct tj_json *otlp = tj_json_find(root, TJ_STR("otlp"));
    assert_int_equal(tj_json_count(otlp), 3); /* one came twice */
    check_sent(w, tj_json_item(otlp, 0), 2);
    check_sent(w, tj_json_item(otlp, 2), 1);
    assert_str_eq(tj_json_find_str(tj_json_item(otlp, 0), TJ_STR("experiment")),
                  "2");
    struct tj_trace_info info;
    bool found = false;
    assert_ok(
        tj_store_find_info(w->st, trace_id(7), &w->a, &info, &found, &w->err),
        w->err);
    assert_true(found);
    assert_str_eq(info.name, "seven");
    assert_int_equal(info.request_time, AT_MS(1));
    assert_int_equal(info.state, TJ_STATE_ERROR);
    assert_str_eq(tj_pairs_find(&info.tags, TJ_STR("color")), "red");
    assert_ok(tj_store_add_batch(w->st, &b, &w->err), w->err);
    assert_int_equal(
        tj_json_count(assessments_of(w, "tr-00000000000000000000000000000007")),
        1);
    end(w);
}

static void an_old_server_keeps_no_traces(void **state)
{
    (void)state;
    struct world *w = begin("oldwrite", "");
    struct tj_batch b;
    fill_batch(&b, &w->a);
    tell(w, "{\"old\":true}");
    assert_true(tj_store_keeps_traces(w->st));
    assert_fails(tj_store_add_batch(w->st, &b, &w->err), w->err, TJ_E_BACKEND,
                 "keeps no spans");
    assert_false(tj_store_keeps_traces(w->st));
    /* This one takes them, and cannot give them back. */
    struct tj_store_options o = options_of_test();
    reopen(w, "", &o);
    tell(w, "{\"old\":false,\"version\":\"3.5.1\"}");
    assert_fails(tj_store_add_batch(w->st, &b, &w->err), w->err, TJ_E_BACKEND,
                 "needs MLflow 3.6");
    assert_false(tj_store_keeps_traces(w->st));
    assert_int_equal(tj_json_count(tj_json_find(look(w), TJ_STR("otlp"))), 0);
    /* Who does not say a number is tried. */
    reopen(w, "", &o);
    tell(w, "{\"version\":\"dev\"}");
    assert_ok(tj_store_add_batch(w->st, &b, &w->err), w->err);
    end(w);
}

/* The run of a judge goes where the trace is that it judged; a name that is
 * not there is made. */
static void traces_find_their_experiment(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("where");
    struct tj_batch b;
    fill_batch(&b, &w->a);
    tj_pairs_set(&tj_batch_info(&b, trace_id(7))->tags, &w->a,
                 TJ_STR("tracejudge.subject"), TJ_STR(TRACE_1));
    tj_batch_info(&b, trace_id(8))->experiment = TJ_STR("pub");
    assert_ok(tj_store_add_batch(w->st, &b, &w->err), w->err);
    const struct tj_json *otlp = tj_json_find(look(w), TJ_STR("otlp"));
    assert_str_eq(tj_json_find_str(tj_json_item(otlp, 0), TJ_STR("experiment")),
                  "1");
    assert_str_eq(tj_json_find_str(tj_json_item(otlp, 1), TJ_STR("experiment")),
                  "3");
    end(w);
}

static void tags_deletion_and_links(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("tags");
    struct tj_trace_info info;
    bool found = false;
    bool existed = false;
    size_t linked = 0;
    tj_trace_id one = trace_id(1);
    assert_ok(tj_store_set_tag(w->st, one, TJ_STR("k"), TJ_STR(""), &w->err),
              w->err);
    assert_ok(tj_store_find_info(w->st, one, &w->a, &info, &found, &w->err),
              w->err);
    assert_non_null(tj_pairs_find(&info.tags, TJ_STR("k")).ptr);
    for (int i = 0; i < 2; i++)
        assert_ok(tj_store_delete_tag(w->st, one, TJ_STR("k"), &w->err),
                  w->err);
    assert_fails(
        tj_store_set_tag(w->st, trace_id(9), TJ_STR("k"), TJ_STR("v"), &w->err),
        w->err, TJ_E_INPUT, "no trace");
    assert_ok(
        tj_store_link_traces(w->st, &one, 1, TJ_STR("r1"), &linked, &w->err),
        w->err);
    assert_int_equal(matches(w, "run_id = 'r1'"), 1);
    struct tj_store_options o = options_of_test();
    o.read_only = true;
    reopen(w, "", &o);
    assert_fails(tj_store_delete_trace(w->st, one, &existed, &w->err), w->err,
                 TJ_E_INPUT, "read only");
    o.read_only = false;
    reopen(w, "", &o);
    assert_ok(tj_store_delete_trace(w->st, one, &existed, &w->err), w->err);
    assert_true(existed);
    assert_ok(tj_store_delete_trace(w->st, one, &existed, &w->err), w->err);
    assert_false(existed);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judging_again_overrides),
        cmocka_unit_test(edits_go_there),
        cmocka_unit_test(a_lost_answer_stores_nothing_twice),
        cmocka_unit_test(what_cannot_be_known_is_said),
        cmocka_unit_test(a_number_of_traces_is_deleted_once),
        cmocka_unit_test(judges_are_registered_scorers),
        cmocka_unit_test(writes_traces_over_otlp),
        cmocka_unit_test(an_old_server_keeps_no_traces),
        cmocka_unit_test(traces_find_their_experiment),
        cmocka_unit_test(tags_deletion_and_links),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
