/* test_fmt_otlp_pb.c - OTLP/protobuf, and that it says what OTLP/JSON says.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fmt_test.h"

#include "text/pb.h"

static struct tj_buf new_buf(struct fmt_test *t)
{
    struct tj_buf b;
    tj_buf_init(&b, &t->arena, SIZE_MAX);
    return b;
}

static void put(struct tj_buf *out, uint32_t number, const struct tj_buf *inner)
{
    tj_pb_put_bytes(out, number, tj_buf_str(inner));
}

static void put_double(struct tj_buf *out, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    tj_pb_put_fixed64(out, number, bits);
}

/* A KeyValue as field `number` of out. */
static void put_pair(struct fmt_test *t, struct tj_buf *out, uint32_t number,
                     const char *key, const struct tj_buf *any)
{
    struct tj_buf pair = new_buf(t);
    tj_pb_put_bytes(&pair, 1, tj_str_c(key));
    put(&pair, 2, any);
    put(out, number, &pair);
}

static struct tj_buf any_text(struct fmt_test *t, tj_str text)
{
    struct tj_buf b = new_buf(t);
    tj_pb_put_bytes(&b, 1, text);
    return b;
}

static struct tj_buf any_int(struct fmt_test *t, int64_t value)
{
    struct tj_buf b = new_buf(t);
    tj_pb_put_varint(&b, 3, (uint64_t)value);
    return b;
}

/* Every kind of AnyValue once. */
static void put_attributes(struct fmt_test *t, struct tj_buf *span)
{
    struct tj_buf any = any_text(t, TJ_STR("gpt-5"));
    put_pair(t, span, 9, "gen_ai.request.model", &any);
    any = any_int(t, -17);
    put_pair(t, span, 9, "n", &any);
    any = new_buf(t);
    tj_pb_put_varint(&any, 2, 1);
    put_pair(t, span, 9, "b", &any);
    any = new_buf(t);
    put_double(&any, 4, 0.1);
    put_pair(t, span, 9, "d", &any);
    any = new_buf(t);
    tj_pb_put_bytes(&any, 7, tj_str_make("\0\1\2", 3));
    put_pair(t, span, 9, "raw", &any);
    any = new_buf(t);
    put_pair(t, span, 9, "none", &any);
    struct tj_buf list = new_buf(t);
    struct tj_buf item = any_text(t, TJ_STR("x\"y"));
    put(&list, 1, &item);
    struct tj_buf inner = new_buf(t);
    item = any_int(t, 2);
    put_pair(t, &inner, 1, "k", &item);
    struct tj_buf kvlist = new_buf(t);
    put(&kvlist, 6, &inner);
    put(&list, 1, &kvlist);
    any = new_buf(t);
    put(&any, 5, &list);
    put_pair(t, span, 9, "list", &any);
    any = any_text(t, TJ_STR("{\"a\": [1]}"));
    put_pair(t, span, 9, "input.value", &any);
}

static void put_span(struct fmt_test *t, struct tj_buf *scope_spans)
{
    struct tj_buf span = new_buf(t);
    tj_pb_put_bytes(&span, 1, TJ_STR("abcdefghijklmnop"));
    tj_pb_put_bytes(&span, 2, TJ_STR("ABCDEFGH"));
    tj_pb_put_bytes(&span, 3, TJ_STR("a=b"));
    tj_pb_put_bytes(&span, 4, TJ_STR("12345678"));
    tj_pb_put_bytes(&span, 5, TJ_STR("chat"));
    tj_pb_put_varint(&span, 6, 3);
    tj_pb_put_fixed64(&span, 7, 1000);
    tj_pb_put_fixed64(&span, 8, 2000);
    put_attributes(t, &span);
    tj_pb_put_varint(&span, 10, 4);
    struct tj_buf event = new_buf(t);
    tj_pb_put_fixed64(&event, 1, 1500);
    tj_pb_put_bytes(&event, 2, TJ_STR("exception"));
    struct tj_buf any = any_text(t, TJ_STR("boom"));
    put_pair(t, &event, 3, "exception.message", &any);
    put(&span, 11, &event);
    struct tj_buf link = new_buf(t);
    tj_pb_put_bytes(&link, 1, TJ_STR("abcdefghijklmnoq"));
    tj_pb_put_bytes(&link, 2, TJ_STR("ABCDEFGI"));
    tj_pb_put_bytes(&link, 3, TJ_STR("s=t"));
    put(&span, 13, &link);
    struct tj_buf status = new_buf(t);
    tj_pb_put_bytes(&status, 2, TJ_STR("bad"));
    tj_pb_put_varint(&status, 3, 2);
    put(&span, 15, &status);
    put(scope_spans, 2, &span);
}

static tj_str request(struct fmt_test *t)
{
    struct tj_buf resource = new_buf(t);
    struct tj_buf any = any_text(t, TJ_STR("shop"));
    put_pair(t, &resource, 1, "service.name", &any);
    struct tj_buf scope = new_buf(t);
    tj_pb_put_bytes(&scope, 1, TJ_STR("lib"));
    struct tj_buf scope_spans = new_buf(t);
    put_span(t, &scope_spans);
    put(&scope_spans, 1, &scope); /* behind the spans it is about */
    struct tj_buf resource_spans = new_buf(t);
    put(&resource_spans, 2, &scope_spans);
    put(&resource_spans, 1, &resource);
    struct tj_buf whole = new_buf(t);
    put(&whole, 1, &resource_spans);
    return tj_buf_str(&whole);
}

static const char SAME_AS_JSON[] =
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":"
    "\"service.name\",\"value\":{\"stringValue\":\"shop\"}}]},\"scopeSpans\":"
    "[{\"scope\":{\"name\":\"lib\"},\"spans\":[{\"traceId\":"
    "\"6162636465666768696a6b6c6d6e6f70\",\"spanId\":\"4142434445464748\","
    "\"traceState\":\"a=b\",\"parentSpanId\":\"3132333435363738\",\"name\":"
    "\"chat\",\"kind\":3,\"startTimeUnixNano\":\"1000\",\"endTimeUnixNano\":"
    "\"2000\",\"attributes\":["
    "{\"key\":\"gen_ai.request.model\",\"value\":{\"stringValue\":\"gpt-5\"}},"
    "{\"key\":\"n\",\"value\":{\"intValue\":\"-17\"}},"
    "{\"key\":\"b\",\"value\":{\"boolValue\":true}},"
    "{\"key\":\"d\",\"value\":{\"doubleValue\":0.1}},"
    "{\"key\":\"raw\",\"value\":{\"bytesValue\":\"AAEC\"}},"
    "{\"key\":\"none\",\"value\":{}},"
    "{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":"
    "\"x\\\"y\"},{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":"
    "{\"intValue\":2}}]}}]}}},"
    "{\"key\":\"input.value\",\"value\":{\"stringValue\":"
    "\"{\\\"a\\\": [1]}\"}}],"
    "\"droppedAttributesCount\":4,"
    "\"events\":[{\"timeUnixNano\":\"1500\",\"name\":\"exception\","
    "\"attributes\":[{\"key\":\"exception.message\",\"value\":"
    "{\"stringValue\":\"boom\"}}]}],"
    "\"links\":[{\"traceId\":\"6162636465666768696a6b6c6d6e6f71\",\"spanId\":"
    "\"4142434445464749\",\"traceState\":\"s=t\"}],"
    "\"status\":{\"message\":\"bad\",\"code\":2}}]}]}]}";

static void assert_same_span(const struct tj_span *a, const struct tj_span *b)
{
    assert_true(tj_trace_id_eq(a->trace_id, b->trace_id));
    assert_true(tj_span_id_eq(a->span_id, b->span_id));
    assert_true(tj_span_id_eq(a->parent_id, b->parent_id));
    assert_true(tj_str_eq(a->name, b->name));
    assert_true(tj_str_eq(a->trace_state, b->trace_state));
    assert_true(tj_str_eq(a->status_message, b->status_message));
    assert_true(tj_str_eq(a->model, b->model));
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->otel_kind, b->otel_kind);
    assert_int_equal(a->marks, b->marks);
    assert_true(a->start == b->start);
    assert_true(a->end == b->end);
    assert_int_equal(a->event_count, b->event_count);
    assert_int_equal(a->link_count, b->link_count);
    assert_memory_equal(a->links, b->links, a->link_count * sizeof *a->links);
    assert_int_equal(a->field_count, b->field_count);
    for (size_t i = 0; i < a->field_count; i++) {
        const struct tj_field *f = &a->fields[i];
        const struct tj_field *g = &b->fields[i];
        assert_true(tj_str_eq(f->name, g->name));
        assert_true(tj_str_eq(f->text, g->text));
        assert_int_equal(f->type, g->type);
        assert_int_equal(f->flags, g->flags);
        assert_int_equal(f->same_as, g->same_as);
    }
    assert_memory_equal(a->source, b->source, sizeof a->source);
    assert_true(a->text_bytes == b->text_bytes);
}

static void test_same_as_json(void **state)
{
    struct fmt_test t = {0};
    struct fmt_test u = {0};
    const struct tj_batch *pb = parse_ok(&t, request(&t), "otlp-pb");
    const struct tj_batch *json =
        parse_ok(&u, tj_str_c(SAME_AS_JSON), "otlp-json");
    assert_int_equal(pb->spans.count, 1);
    assert_same_span(&pb->spans.items[0], &json->spans.items[0]);
    assert_true(
        tj_str_eq(pb->resources.items[0].text, json->resources.items[0].text));
    assert_field(&pb->spans.items[0], "error", TJ_FIELD_STRING, "boom");
    fmt_test_release(&t);
    fmt_test_release(&u);
}

static void test_cut_anywhere(void **state)
{
    struct fmt_test t = {0};
    struct tj_err err = {0};
    tj_str whole = request(&t);
    const struct tj_format *pb = tj_format_find(TJ_STR("otlp-pb"));
    for (size_t len = 1; len < whole.len; len++) {
        const struct tj_format *used = NULL;
        assert_fails(tj_format_parse(pb, tj_str_slice(whole, 0, len), &t.arena,
                                     &t.batch, &used, &err),
                     err, TJ_E_INPUT, "offset ");
        /* Nor is it taken for another format. */
        assert_false(tj_format_parse(NULL, tj_str_slice(whole, 0, len),
                                     &t.arena, &t.batch, &used, &err));
    }
    fmt_test_release(&t);
}

static void test_bad_text_and_ids(void **state)
{
    struct fmt_test t = {0};
    struct tj_buf span = new_buf(&t);
    tj_pb_put_bytes(&span, 1, TJ_STR("abcdefghijklmnop"));
    tj_pb_put_bytes(&span, 2, TJ_STR("ABCDEFGH"));
    tj_pb_put_bytes(&span, 5, TJ_STR("n\xff"));
    struct tj_buf any = any_text(&t, TJ_STR("a\xff"
                                            "b"));
    put_pair(&t, &span, 9, "k\xfe", &any);
    struct tj_buf zero = new_buf(&t);
    tj_pb_put_bytes(&zero, 1,
                    tj_str_make("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16));
    tj_pb_put_bytes(&zero, 2, TJ_STR("ABCDEFGH"));
    struct tj_buf scope_spans = new_buf(&t);
    put(&scope_spans, 2, &span);
    put(&scope_spans, 2, &zero);
    struct tj_buf resource_spans = new_buf(&t);
    put(&resource_spans, 2, &scope_spans);
    struct tj_buf whole = new_buf(&t);
    put(&whole, 1, &resource_spans);
    const struct tj_batch *batch = parse_ok(&t, tj_buf_str(&whole), "otlp-pb");
    assert_int_equal(batch->spans.count, 1);
    assert_int_equal(batch->rejected_count, 1);
    const struct tj_span *s = &batch->spans.items[0];
    assert_int_equal(s->marks,
                     TJ_MARK_BAD_TEXT | TJ_MARK_NO_START | TJ_MARK_UNFINISHED);
    assert_field(s, "attributes.k\xEF\xBF\xBD", TJ_FIELD_STRING,
                 "a\xEF\xBF\xBD"
                 "b");
    assert_int_equal(s->fields[0].flags, TJ_FIELD_REPAIRED);
    assert_str_eq(s->name, "n\xEF\xBF\xBD");
    fmt_test_release(&t);
}

static void test_depth(void **state)
{
    struct fmt_test t = {0};
    struct tj_err err = {0};
    struct tj_buf any = any_int(&t, 1);
    for (int i = 0; i < 2 * TJ_PB_DEPTH_MAX; i++) {
        struct tj_buf list = new_buf(&t);
        put(&list, 1, &any);
        any = new_buf(&t);
        put(&any, 5, &list);
    }
    struct tj_buf span = new_buf(&t);
    tj_pb_put_bytes(&span, 1, TJ_STR("abcdefghijklmnop"));
    tj_pb_put_bytes(&span, 2, TJ_STR("ABCDEFGH"));
    put_pair(&t, &span, 9, "deep", &any);
    struct tj_buf scope_spans = new_buf(&t);
    put(&scope_spans, 2, &span);
    struct tj_buf resource_spans = new_buf(&t);
    put(&resource_spans, 2, &scope_spans);
    struct tj_buf whole = new_buf(&t);
    put(&whole, 1, &resource_spans);
    const struct tj_format *used = NULL;
    assert_fails(tj_format_parse(NULL, tj_buf_str(&whole), &t.arena, &t.batch,
                                 &used, &err),
                 err, TJ_E_LIMIT, "nested over 100 deep");
    fmt_test_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_json),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_bad_text_and_ids),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
