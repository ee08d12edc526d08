/* test_build.c - the builder, batches and what is derived for a trace.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fmt_test.h"

static struct tj_span *open_span(struct fmt_test *t, struct tj_build *b,
                                 const char *id, const char *parent)
{
    struct tj_span *s = tj_build_span(b, tj_trace_id_derive(TJ_STR("t")),
                                      tj_span_id_derive(tj_str_c(id)));
    if (parent)
        s->parent_id = tj_span_id_derive(tj_str_c(parent));
    s->name = tj_str_c(id);
    return s;
}

static struct tj_build *begin(struct fmt_test *t)
{
    *t = (struct fmt_test){0};
    tj_batch_init(&t->batch, &t->arena);
    return tj_build_new(&t->arena, &t->batch);
}

static void test_values(void **state)
{
    struct fmt_test t;
    struct tj_build *b = begin(&t);
    struct tj_span *s = open_span(&t, b, "a", NULL);
    tj_build_attr_i64(b, TJ_STR("i"), INT64_MIN);
    tj_build_attr_double(b, TJ_STR("d"), 0.1);
    tj_build_attr_double(b, TJ_STR("inf"), 1e308 * 10);
    tj_build_attr_bool(b, TJ_STR("b"), false);
    tj_build_attr_bytes(b, TJ_STR("bytes"), tj_str_make("\0\377", 2));
    tj_build_attr_text(b, TJ_STR("json"),
                       TJ_STR(" {\"a\":\"{\\\"b\\\":1}\"} "));
    tj_build_attr_text(b, TJ_STR("number"), TJ_STR("12"));
    tj_build_attr_text(b, TJ_STR("looks"), TJ_STR("[INFO] done]"));
    tj_build_attr_text(b, TJ_STR("twice"), TJ_STR("old"));
    tj_build_attr_text(b, TJ_STR("twice"), TJ_STR("new"));
    tj_build_attr_text(b, TJ_STR("bad"), TJ_STR("\xff"));
    tj_build_attr_text(b, TJ_STR("json_bad"), TJ_STR("[\"\xff\"]"));
    tj_build_end(b);
    assert_field(s, "attributes.i", TJ_FIELD_NUMBER, "-9223372036854775808");
    assert_field(s, "attributes.d", TJ_FIELD_NUMBER, "0.1");
    assert_field(s, "attributes.inf", TJ_FIELD_NUMBER, "Infinity");
    assert_field(s, "attributes.b", TJ_FIELD_BOOL, "false");
    assert_field(s, "attributes.bytes", TJ_FIELD_BYTES, "AP8=");
    /* Once: what is inside stays a string. */
    assert_field(s, "attributes.json", TJ_FIELD_JSON,
                 "{\"a\": #\"{\"b\":1}\"#}");
    assert_field(s, "attributes.number", TJ_FIELD_STRING, "12");
    assert_field(s, "attributes.looks", TJ_FIELD_STRING, "[INFO] done]");
    assert_field(s, "attributes.twice", TJ_FIELD_STRING, "new");
    assert_field(s, "attributes.bad", TJ_FIELD_STRING, "\xEF\xBF\xBD");
    assert_field(s, "attributes.json_bad", TJ_FIELD_JSON, "[\"\xEF\xBF\xBD\"]");
    assert_int_equal(s->marks,
                     TJ_MARK_BAD_TEXT | TJ_MARK_NO_START | TJ_MARK_UNFINISHED);
    assert_field(s, "status", TJ_FIELD_STRING, "UNSET");
    /* The next span starts afresh. */
    struct tj_span *next = open_span(&t, b, "b", "a");
    tj_build_attr_text(b, TJ_STR("number"), TJ_STR("13"));
    tj_build_end(b);
    assert_int_equal(next->field_count, 3);
    assert_field(next, "attributes.number", TJ_FIELD_STRING, "13");
    fmt_test_release(&t);
}

static void test_long_names(void **state)
{
    struct fmt_test t;
    struct tj_build *b = begin(&t);
    struct tj_buf key;
    tj_buf_init(&key, &t.arena, 5000);
    tj_buf_repeat(&key, 'k', 4000);
    struct tj_span *s = open_span(&t, b, "a", NULL);
    tj_build_attr_text(b, tj_buf_str(&key), TJ_STR("v"));
    tj_build_event(b, tj_buf_str(&key), 1);
    tj_build_event_attr_text(b, tj_buf_str(&key), TJ_STR("v"));
    tj_build_attr_text(b, TJ_STR(""), TJ_STR("no key"));
    tj_build_end(b);
    assert_true(s->marks & TJ_MARK_CLIPPED);
    assert_int_equal(s->fields[0].name.len,
                     TJ_NAME_BYTES_MAX + strlen("attributes."));
    assert_int_equal(s->events[0].name.len, TJ_NAME_BYTES_MAX);
    assert_field(s, "attributes.", TJ_FIELD_STRING, "no key");
    fmt_test_release(&t);
}

static void test_resources(void **state)
{
    struct fmt_test t;
    struct tj_build *b = begin(&t);
    tj_str one = TJ_STR("{\"resource\": {\"service.version\": \"1\"}}");
    assert_int_equal(tj_build_resource(b, one), 0);
    assert_int_equal(tj_build_resource(b, TJ_STR("{}")), 1);
    assert_int_equal(tj_build_resource(b, one), 0);
    struct tj_span *s = open_span(&t, b, "a", NULL);
    tj_build_end(b);
    assert_int_equal(s->resource, 0);
    assert_str_eq(s->release, "1");
    assert_int_equal(t.batch.resources.count, 2);
    fmt_test_release(&t);
}

static void test_batch_infos(void **state)
{
    struct fmt_test t;
    (void)begin(&t);
    tj_trace_id one = tj_trace_id_derive(TJ_STR("1"));
    tj_trace_id two = tj_trace_id_derive(TJ_STR("2"));
    tj_vec_add(&t.batch.traces, &t.arena)->trace_id = one; /* by hand */
    tj_batch_info(&t.batch, two)->name = TJ_STR("two");
    tj_batch_info(&t.batch, one)->name = TJ_STR("one");
    assert_int_equal(t.batch.traces.count, 2);
    assert_str_eq(tj_batch_info(&t.batch, two)->name, "two");
    assert_str_eq(t.batch.traces.items[0].name, "one");
    fmt_test_release(&t);
}

static void test_derived_info(void **state)
{
    struct fmt_test t;
    struct tj_build *b = begin(&t);
    struct tj_span *s = open_span(&t, b, "orphan", "nobody");
    s->start = 5;
    s->end = 50;
    tj_build_end(b);
    s = open_span(&t, b, "root", NULL);
    s->start = 10;
    s->end = 40;
    s->status = TJ_STATUS_ERROR;
    tj_build_attr_text(b, TJ_STR("mlflow.spanInputs"),
                       TJ_STR("{\"messages\":[{\"role\":\"user\",\"content\":"
                              "\"one\"},{\"role\":\"assistant\",\"content\":"
                              "\"two\"},{\"role\":\"user\",\"content\":"
                              "\"three\"}]}"));
    struct tj_buf big;
    tj_buf_init(&big, &t.arena, 5000);
    tj_buf_repeat(&big, 'x', 998);
    for (int i = 0; i < 100; i++)
        tj_buf_add(&big, TJ_STR("\xC3\xA9"));
    tj_build_attr_text(b, TJ_STR("mlflow.spanOutputs"), tj_buf_str(&big));
    tj_build_attr_text(b, TJ_STR("session.id"), TJ_STR("s"));
    tj_build_end(b);
    struct tj_tree tree;
    tj_tree_build(t.batch.spans.items, t.batch.spans.count, &t.arena, &tree);
    struct tj_trace_info info = {.user = TJ_STR("given")};
    tj_trace_info_derive(&info, t.batch.spans.items, &tree, &t.arena);
    assert_str_eq(info.name, "root");
    assert_str_eq(info.session, "s");
    assert_str_eq(info.user, "given");
    assert_int_equal(info.state, TJ_STATE_ERROR);
    assert_true(info.request_time == 5);
    assert_true(info.duration_ns == 45);
    assert_int_equal(info.span_count, 2);
    assert_int_equal(info.error_count, 1);
    assert_str_eq(info.request_preview, "three");
    assert_true(info.response_preview.len <= TJ_PREVIEW_BYTES_MAX);
    assert_true(tj_str_ends(info.response_preview, TJ_STR("x...")));
    fmt_test_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),       cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_resources),    cmocka_unit_test(test_batch_infos),
        cmocka_unit_test(test_derived_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
