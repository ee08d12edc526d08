/* test_fmt_span_tree.c - spans nested in spans.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "parsed_test.h"

static void child_spans(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(
        &p, "span-tree",
        "{\"trace_id\":\"0102030405060708090a0b0c0d0e0f10\",\"spans\":[{"
        "\"timestamp\":\"2025-03-19T16:00:00.25Z\",\"span_id\":"
        "\"00000000000000aa\",\"parent_span_id\":null,\"span_name\":\"main\","
        "\"span_kind\":\"Internal\",\"duration\":\"PT1M2.5S\","
        "\"status_code\":\"Error\",\"status_message\":\"bad\","
        "\"resource_attributes\":{\"service.name\":\"svc\"},"
        "\"span_attributes\":{\"openinference.span.kind\":\"AGENT\","
        "\"input.value\":\"{\\\"q\\\": 1}\"},"
        "\"events\":[{\"Timestamp\":\"2025-03-19T16:00:01Z\",\"Name\":"
        "\"exception\",\"Attributes\":{\"exception.type\":\"E\"}}],"
        "\"links\":[],\"logs\":[{\"body\":\"said\"}],\"child_spans\":[{"
        "\"span_id\":\"00000000000000bb\",\"span_name\":\"step\","
        "\"timestamp\":\"2025-03-19T16:00:01Z\",\"duration\":\"PT0S\","
        "\"status_code\":\"Unset\",\"child_spans\":[]}]}]}");
    assert_int_equal(p.batch.traces.count <= 1, 1);
    assert_int_equal(p.batch.spans.count, 2);
    struct tj_span *main_span = span_named(&p, "main", 0);
    struct tj_span *step = span_named(&p, "step", 0);
    assert_true(tj_span_id_is_none(main_span->parent_id));
    assert_child(step, main_span);
    assert_int_equal(main_span->kind, TJ_KIND_AGENT);
    assert_int_equal(main_span->otel_kind, 1);
    assert_int_equal(main_span->status, TJ_STATUS_ERROR);
    assert_str_eq(main_span->status_message, "bad");
    assert_field(main_span, "input", "{\"q\": 1}");
    assert_int_equal(tj_span_duration_ns(main_span), 62500 * TJ_NS_PER_MS);
    assert_int_equal(main_span->event_count, 1);
    assert_field(main_span, "events.0.exception.type", "E");
    assert_has(field_text(main_span, "attributes.logs"), "said");
    assert_has(p.batch.resources.items[main_span->resource].text, "svc");
    assert_false(step->marks & (TJ_MARK_UNFINISHED | TJ_MARK_ID_DERIVED));
    parsed_free(&p);
}

static void named_children(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "span-tree",
             "{\"name\":\"run\",\"start_time\":1700000000,\"duration_ms\":1500,"
             "\"input\":{\"q\":1},\"type\":\"agent\",\"children\":["
             "{\"name\":\"call\",\"kind\":\"tool\",\"start_time\":1700000000.5,"
             "\"end_time\":1700000001,\"output\":\"x\",\"error\":\"boom\"},"
             "{\"name\":\"call\",\"kind\":\"thing\",\"color\":\"red\","
             "\"start_time\":1700000000000000000}]}");
    assert_int_equal(p.batch.spans.count, 3);
    assert_ids_differ(&p);
    struct tj_span *root = span_named(&p, "run", 0);
    assert_int_equal(root->kind, TJ_KIND_AGENT);
    assert_field(root, "input", "{\"q\": 1}");
    assert_int_equal(tj_span_duration_ns(root), 1500 * TJ_NS_PER_MS);
    struct tj_span *call = span_named(&p, "call", 0);
    assert_child(call, root);
    assert_int_equal(call->kind, TJ_KIND_TOOL);
    assert_int_equal(tj_span_duration_ns(call), 500 * TJ_NS_PER_MS);
    assert_int_equal(call->status, TJ_STATUS_ERROR);
    assert_str_eq(call->status_message, "boom");
    struct tj_span *other = span_named(&p, "call", 1);
    assert_str_eq(other->kind_text, "thing");
    assert_field(other, "attributes.color", "red");
    assert_true(other->start == UINT64_C(1700000000000000000));
    assert_true(other->marks & TJ_MARK_ID_DERIVED);
    parsed_free(&p);
}

/* As deep as JSON may be, and the limit of that behind it. */
static void deep(void **state)
{
    (void)state;
    static const int depths[] = {200, 1000000};
    for (size_t i = 0; i < TJ_COUNT(depths); i++) {
        struct tj_arena a = {0};
        struct tj_buf b;
        tj_buf_init(&b, &a, (size_t)64 << 20);
        for (int n = 0; n < depths[i]; n++)
            tj_buf_add(&b, TJ_STR("{\"span_name\":\"s\",\"child_spans\":["));
        for (int n = 0; n < depths[i]; n++)
            tj_buf_add(&b, TJ_STR("]}"));
        tj_buf_byte(&b, 0);
        struct parsed p = {0};
        if (i == 0) {
            parse_ok(&p, "span-tree", b.ptr);
            assert_int_equal(p.batch.spans.count, 200);
            assert_child(&p.batch.spans.items[199], &p.batch.spans.items[198]);
        } else {
            assert_fails(tj_format_parse(NULL, tj_str_c(b.ptr), &p.a, &p.batch,
                                         &p.used, &p.err),
                         p.err, TJ_E_LIMIT, "");
        }
        parsed_free(&p);
        tj_arena_release(&a);
    }
}

static void hostile(void **state)
{
    (void)state;
    struct parsed p;
    parse_ok(&p, "span-tree",
             "[{\"span_name\":\"a\",\"span_id\":7,\"timestamp\":\"x\","
             "\"duration\":\"P1Y\",\"status_code\":{},\"events\":[1,{}],"
             "\"links\":[{\"trace_id\":\"zz\"}],\"child_spans\":[1,null,"
             "{\"span_id\":7}]},{\"span_name\":3},5]");
    /* Two have the same id: the last is kept. */
    assert_int_equal(p.batch.spans.count, 2);
    assert_true(p.batch.spans.items[0].marks & TJ_MARK_DUPLICATE);
    assert_int_equal(p.batch.rejected_count, 3);
    parsed_free(&p);
}

/* A tree of names says nothing of a run. */
static void refused(void **state)
{
    (void)state;
    struct parsed p = {0};
    assert_fails(
        tj_format_parse(NULL,
                        TJ_STR("{\"name\":\"flare\",\"children\":[{\"name\":"
                               "\"b\",\"size\":3}]}"),
                        &p.a, &p.batch, &p.used, &p.err),
        p.err, TJ_E_INPUT, "expected");
    parsed_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_spans), cmocka_unit_test(named_children),
        cmocka_unit_test(deep),        cmocka_unit_test(hostile),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
