/* test_store_conformance.c - what every store promises about traces.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "members.h"

/* -- cases ---------------------------------------------------------------- */

static void names_itself(void **initial)
{
    struct state *s = begin(initial);
    const struct member *m = *initial;
    assert_string_equal(tj_store_backend_name(s->st), m->name);
    end(s);
}

static void absent_trace_is_an_answer(void **initial)
{
    struct state *s = begin(initial);
    struct tj_trace t = must_open(s->st, 1, &s->arena);
    assert_false(tj_trace_is_open(&t));
    assert_int_equal(t.span_count, 0);
    struct tj_trace_info info;
    bool found = true;
    assert_ok(tj_store_find_info(s->st, trace_id(1), &s->arena, &info, &found,
                                 &s->err),
              s->err);
    assert_false(found);
    end(s);
}

static void refuses_bad_arguments(void **initial)
{
    struct state *s = begin(initial);
    struct tj_trace t;
    assert_fails(
        tj_store_open_trace(s->st, (tj_trace_id){{0}}, &s->arena, &t, &s->err),
        s->err, TJ_E_INPUT, "zeros");
    add_span(&s->batch, 1, 0, 0);
    assert_fails(tj_store_add_batch(s->st, &s->batch, &s->err), s->err,
                 TJ_E_INPUT, "span 0: no id");
    next_batch(s);
    add_span(&s->batch, 1, 1, 0)->field_count = TJ_FIELDS_PER_SPAN_MAX + 1;
    assert_fails(tj_store_add_batch(s->st, &s->batch, &s->err), s->err,
                 TJ_E_LIMIT, "fields");
    assert_fails(
        tj_store_set_tag(s->st, trace_id(9), TJ_STR(""), TJ_STR("x"), &s->err),
        s->err, TJ_E_INPUT, "tag key");
    assert_fails(
        tj_store_set_tag(s->st, trace_id(9), TJ_STR("k"), TJ_STR("x"), &s->err),
        s->err, TJ_E_INPUT, "no trace tr-");
    size_t count;
    tj_trace_id id;
    assert_fails(tj_store_resolve(s->st, TJ_STR("abc"), &id, &count, &s->err),
                 s->err, TJ_E_INPUT, "hex digits");
    assert_fails(tj_store_resolve(s->st, TJ_STR("wxyz"), &id, &count, &s->err),
                 s->err, TJ_E_INPUT, "hex digits");
    end(s);
}

/* Everything of one span comes back as it went in. */
static void keeps_all_of_a_span(void **initial)
{
    struct state *s = begin(initial);
    add_span(&s->batch, 1, 2, 9);
    struct tj_span *in = add_span(&s->batch, 1, 1, 0);
    in->kind = TJ_KIND_CHAT_MODEL;
    in->kind_text = TJ_STR("odd kind");
    in->status = TJ_STATUS_ERROR;
    in->status_message = TJ_STR("went wrong");
    in->otel_kind = 3;
    in->marks = TJ_MARK_BAD_TEXT | TJ_MARK_CLIPPED;
    in->trace_state = TJ_STR("a=b");
    in->model = TJ_STR("m");
    in->provider = TJ_STR("p");
    in->tool_name = TJ_STR("t");
    in->tool_call_id = TJ_STR("call");
    in->agent = TJ_STR("ag");
    in->session = TJ_STR("se");
    in->user = TJ_STR("us");
    in->environment = TJ_STR("en");
    in->release = TJ_STR("re");
    in->usage = (struct tj_usage){10, 20, 3, 0, -1, 0.25};
    in->events = tj_arena_array(&s->arena, struct tj_event, 2);
    in->events[0] = (struct tj_event){TJ_STR("exception"), AT_MS(3)};
    in->events[1] = (struct tj_event){TJ_STR(""), 0};
    in->event_count = 2;
    in->links = tj_arena_array(&s->arena, struct tj_link, 1);
    in->links[0] = (struct tj_link){trace_id(5), span_id(6)};
    in->link_count = 1;
    add_field(in, "name", TJ_STR("span 1"));
    add_field(in, "attributes.q", TJ_STR("question\0with NUL"));
    add_shared(in, "input", 1);
    add_field(in, "attributes.empty", TJ_STR(""));
    in->fields[1].type = TJ_FIELD_JSON;
    in->fields[1].flags = TJ_FIELD_DECODED;
    in->source[TJ_NORMAL_INPUT] = 1;
    tj_vec_add(&s->batch.resources, &s->arena)->text = TJ_STR("{\"r\": 1}");
    in->resource = 0;
    must_add(s->st, &s->batch);

    struct tj_trace t = must_open(s->st, 1, &s->arena);
    assert_true(tj_trace_is_open(&t));
    assert_ptr_equal(t.store, s->st);
    assert_int_equal(t.span_count, 2);
    int32_t at = tj_trace_find_span(&t, span_id(1));
    assert_true(at >= 0);
    struct tj_span *out = &t.spans[at];
    assert_true(tj_span_id_is_none(out->parent_id));
    assert_str_eq(out->name, "span 1");
    assert_int_equal(out->kind, TJ_KIND_CHAT_MODEL);
    assert_str_eq(out->kind_text, "odd kind");
    assert_int_equal(out->status, TJ_STATUS_ERROR);
    assert_str_eq(out->status_message, "went wrong");
    assert_int_equal(out->otel_kind, 3);
    assert_int_equal(out->marks, TJ_MARK_BAD_TEXT | TJ_MARK_CLIPPED);
    assert_int_equal(out->start, AT_MS(1));
    assert_int_equal(out->end, AT_MS(6));
    assert_str_eq(out->trace_state, "a=b");
    assert_str_eq(out->model, "m");
    assert_str_eq(out->provider, "p");
    assert_str_eq(out->tool_name, "t");
    assert_str_eq(out->tool_call_id, "call");
    assert_str_eq(out->agent, "ag");
    assert_str_eq(out->session, "se");
    assert_str_eq(out->user, "us");
    assert_str_eq(out->environment, "en");
    assert_str_eq(out->release, "re");
    assert_int_equal(out->usage.input_tokens, 10);
    assert_int_equal(out->usage.output_tokens, 20);
    assert_int_equal(out->usage.cache_read_tokens, 3);
    assert_int_equal(out->usage.cache_write_tokens, 0);
    assert_int_equal(out->usage.reasoning_tokens, -1);
    assert_true(out->usage.cost_usd > 0.24 && out->usage.cost_usd < 0.26);
    assert_int_equal(out->event_count, 2);
    assert_str_eq(out->events[0].name, "exception");
    assert_int_equal(out->events[0].time, AT_MS(3));
    assert_int_equal(out->events[1].time, 0);
    assert_int_equal(out->link_count, 1);
    assert_memory_equal(&out->links[0], &in->links[0], sizeof in->links[0]);
    assert_int_equal(out->text_bytes, in->text_bytes);
    assert_int_equal(out->source[TJ_NORMAL_INPUT], 1);
    assert_int_equal(out->source[TJ_NORMAL_OUTPUT], TJ_NO_FIELD);
    assert_int_equal(t.resource_count, 1);
    assert_int_equal(out->resource, 0);
    assert_str_eq(t.resources[0].text, "{\"r\": 1}");

    assert_int_equal(out->field_count, 4);
    assert_ok(tj_store_load_fields(&t, (size_t)at, &s->err), s->err);
    assert_str_eq(out->fields[1].name, "attributes.q");
    assert_int_equal(out->fields[1].type, TJ_FIELD_JSON);
    assert_int_equal(out->fields[1].flags, TJ_FIELD_DECODED);
    assert_int_equal(out->fields[1].text.len, 17);
    assert_int_equal(out->fields[2].same_as, 1);
    assert_int_equal(out->fields[2].text.len, 17);
    assert_true(tj_str_eq(must_read(&t, (size_t)at, "input"),
                          TJ_STR("question\0with NUL")));
    assert_str_eq(must_read(&t, (size_t)at, "attributes.empty"), "");
    at = tj_trace_find_span(&t, span_id(2));
    assert_int_equal(t.spans[at].marks, TJ_MARK_ORPHAN);
    assert_int_equal(t.spans[at].resource, -1);
    end(s);
}

static void reads_ranges(void **initial)
{
    struct state *s = begin(initial);
    struct tj_span *in = add_span(&s->batch, 1, 1, 0);
    tj_str text = noise(&s->arena, 700000, 1);
    add_field(in, "input", text);
    must_add(s->st, &s->batch);
    struct tj_trace t = must_open(s->st, 1, &s->arena);
    assert_ok(tj_store_load_fields(&t, 0, &s->err), s->err);
    const uint64_t ranges[][2] = {
        {0, 1},           {0, 100},        {262143, 2},     {262144, 10},
        {100, 600000},    {699999, 1},     {699990, 100},   {700000, 1},
        {800000, 1},      {0, UINT64_MAX}, {5, UINT64_MAX}, {0, 0},
        {262140, 300000},
    };
    for (size_t i = 0; i < TJ_COUNT(ranges); i++) {
        tj_str out;
        assert_ok(tj_store_read_field(&t, 0, 0, ranges[i][0], ranges[i][1],
                                      &out, &s->err),
                  s->err);
        size_t len = ranges[i][1] > text.len ? text.len : (size_t)ranges[i][1];
        assert_true(
            tj_str_eq(out, tj_str_slice(text, (size_t)ranges[i][0], len)));
    }
    end(s);
}

static void orders_spans_as_a_tree(void **initial)
{
    struct state *s = begin(initial);
    add_span(&s->batch, 1, 5, 3);
    add_span(&s->batch, 1, 4, 1);
    add_span(&s->batch, 1, 3, 1);
    must_add(s->st, &s->batch);
    next_batch(s);
    add_span(&s->batch, 1, 1, 0);
    must_add(s->st, &s->batch);
    struct tj_trace t = must_open(s->st, 1, &s->arena);
    const uint32_t want[] = {1, 3, 5, 4};
    const int32_t parents[] = {-1, 0, 1, 0};
    assert_int_equal(t.span_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(tj_span_id_eq(t.spans[i].span_id, span_id(want[i])));
        assert_int_equal(t.tree.parent[i], parents[i]);
        assert_int_equal(t.tree.order[i], i);
        assert_int_equal(t.spans[i].marks, 0);
    }
    assert_int_equal(t.tree.first_child[0], 1);
    assert_int_equal(t.tree.next_sibling[1], 3);
    assert_int_equal(t.tree.depth[2], 2);
    assert_int_equal(t.start, AT_MS(1));
    assert_int_equal(t.end, AT_MS(10));
    end(s);
}

/* Spans that come back in tree order have the tree that is built from any
 * order: roots, orphans, equal times, no times. */
static void trees_are_the_same_however_built(void **initial)
{
    struct state *s = begin(initial);
    uint32_t r = 1;
    for (uint32_t trace = 1; trace <= 30; trace++) {
        for (uint32_t i = 1; i <= 40; i++) {
            r = r * 1664525u + 1013904223u;
            uint32_t parent = trace % 3 ? (r >> 8) % i : (r >> 8) % 60;
            struct tj_span *span = add_span(&s->batch, trace, i, parent);
            span->start = trace % 2 ? AT_MS((r >> 16) % 20) : 0;
        }
    }
    must_add(s->st, &s->batch);
    for (uint32_t trace = 1; trace <= 30; trace++) {
        struct tj_trace t = must_open(s->st, trace, &s->arena);
        struct tj_tree want;
        tj_tree_build(t.spans, t.span_count, &s->arena, &want);
        size_t bytes = t.span_count * sizeof(int32_t);
        assert_int_equal(t.span_count, 40);
        assert_int_equal(t.tree.count, want.count);
        assert_int_equal(t.tree.root_count, want.root_count);
        assert_int_equal(t.tree.first_root, want.first_root);
        assert_memory_equal(t.tree.parent, want.parent, bytes);
        assert_memory_equal(t.tree.first_child, want.first_child, bytes);
        assert_memory_equal(t.tree.next_sibling, want.next_sibling, bytes);
        assert_memory_equal(t.tree.child_count, want.child_count, bytes);
        assert_memory_equal(t.tree.depth, want.depth, bytes);
        assert_memory_equal(t.tree.order, want.order, bytes);
        assert_memory_equal(t.tree.rank, want.rank, bytes);
    }
    end(s);
}

static void a_repeat_changes_nothing(void **initial)
{
    struct state *s = begin(initial);
    for (uint32_t i = 1; i <= 5; i++)
        add_field(add_span(&s->batch, 1, i, i > 1), "input", TJ_STR("same"));
    add_info(&s->batch, 1)->name = TJ_STR("said");
    struct tj_assessment *as = tj_vec_add(&s->batch.assessments, &s->arena);
    *as = (struct tj_assessment){.trace_id = trace_id(1),
                                 .name = TJ_STR("n"),
                                 .value_json = TJ_STR("true"),
                                 .valid = true};
    for (int i = 0; i < 3; i++)
        must_add(s->st, &s->batch);
    struct tj_trace t = must_open(s->st, 1, &s->arena);
    assert_int_equal(t.span_count, 5);
    assert_int_equal(t.info.span_count, 5);
    assert_int_equal(t.info.text_bytes, 20);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(t.spans[i].marks, 0);
    struct tj_assessment *list;
    size_t count;
    assert_ok(tj_store_assessments(s->st, trace_id(1), &s->arena, &list, &count,
                                   &s->err),
              s->err);
    assert_int_equal(count, 1);
    end(s);
}

static void the_last_of_two_spans_counts(void **initial)
{
    struct state *s = begin(initial);
    add_field(add_span(&s->batch, 1, 1, 0), "input", TJ_STR("old"));
    struct tj_span *open = add_span(&s->batch, 1, 2, 1);
    open->end = 0;
    open->marks = TJ_MARK_UNFINISHED;
    must_add(s->st, &s->batch);
    next_batch(s);
    add_field(add_span(&s->batch, 1, 1, 0), "input", TJ_STR("newer"));
    add_span(&s->batch, 1, 2, 1);
    add_span(&s->batch, 1, 3, 1)->name = TJ_STR("first");
    add_span(&s->batch, 1, 3, 1)->name = TJ_STR("second");
    must_add(s->st, &s->batch);
    struct tj_trace t = must_open(s->st, 1, &s->arena);
    assert_int_equal(t.span_count, 3);
    assert_str_eq(must_read(&t, 0, "input"), "newer");
    assert_int_equal(t.spans[0].marks, TJ_MARK_DUPLICATE);
    /* An unfinished span that was finished later is no duplicate. */
    assert_int_equal(t.spans[1].marks, 0);
    assert_str_eq(t.spans[2].name, "second");
    assert_int_equal(t.spans[2].marks, TJ_MARK_DUPLICATE);
    assert_int_equal(t.info.span_count, 3);
    assert_int_equal(t.info.text_bytes, 5);
    end(s);
}

static void an_open_trace_stays_readable(void **initial)
{
    struct state *s = begin(initial);
    add_field(add_span(&s->batch, 1, 1, 0), "input", TJ_STR("old"));
    must_add(s->st, &s->batch);
    struct tj_trace t = must_open(s->st, 1, &s->arena);
    for (uint32_t i = 1; i < 40; i++) {
        next_batch(s);
        add_field(add_span(&s->batch, 1, i, 0), "input", TJ_STR("new"));
        must_add(s->st, &s->batch);
    }
    assert_ok(tj_store_quiesce(s->st, &s->err), s->err);
    assert_str_eq(must_read(&t, 0, "input"), "old");
    struct tj_trace now = must_open(s->st, 1, &s->arena);
    assert_int_equal(now.span_count, 39);
    tj_trace_id id = trace_id(1);
    for (size_t i = 0; i < 39; i++) {
        assert_memory_equal(&now.spans[i].trace_id, &id, sizeof id);
        assert_str_eq(must_read(&now, i, "input"), "new");
    }
    end(s);
}

/* The texts that follow a growing one in its span. */
static void assert_behind_rope(struct tj_trace *t, size_t i, tj_str history)
{
    tj_str out = must_read(t, i, "output");
    assert_int_equal(out.len, tj_size_min(3000, history.len - (i + 1) * 3000));
    assert_memory_equal(out.ptr, history.ptr + (i + 1) * 3000, out.len);
    tj_str number = must_read(t, i, "attributes.number");
    assert_true(tj_str_eq(number, tj_str_printf(t->arena, "%zu", i + 1)));
    tj_str again = must_read(t, i, "attributes.again");
    assert_int_equal(again.len, (i + 1) * 3000);
    assert_memory_equal(again.ptr, history.ptr, again.len);
    assert_str_eq(must_read(t, i, "attributes.short"), "last");
}

/* The growing history of an agent, in pieces and at once. */
static void reads_back_growing_texts(void **initial)
{
    struct state *s = begin(initial);
    tj_str history = noise(&s->arena, 200000, 3);
    for (uint32_t i = 1; i <= 60; i++) {
        struct tj_span *in = add_span(&s->batch, 1, i, 0);
        tj_str body = tj_str_slice(history, 0, i * 3000);
        add_field(in, "input",
                  tj_str_printf(&s->arena, "%.*s]", TJ_STR_ARG(body)));
        add_field(in, "output", tj_str_slice(history, i * 3000, 3000));
        add_field(in, "attributes.number", tj_str_printf(&s->arena, "%u", i));
        add_field(in, "attributes.again", body);
        add_field(in, "attributes.short", TJ_STR("last"));
        if (i % 7 == 0) {
            must_add(s->st, &s->batch);
            next_batch(s);
        }
    }
    must_add(s->st, &s->batch);
    for (int round = 0; round < 2; round++) {
        struct tj_trace t = must_open(s->st, 1, &s->arena);
        assert_int_equal(t.span_count, 60);
        for (size_t i = 60; i-- > 0;) {
            tj_str in = must_read(&t, i, "input");
            assert_int_equal(in.len, (i + 1) * 3000 + 1);
            assert_memory_equal(in.ptr, history.ptr, in.len - 1);
            assert_int_equal(in.ptr[in.len - 1], ']');
            tj_str out;
            assert_ok(
                tj_store_read_field(&t, i, 0, i * 1500, 2000, &out, &s->err),
                s->err);
            assert_memory_equal(out.ptr, in.ptr + i * 1500, out.len);
            assert_behind_rope(&t, i, history);
        }
        assert_ok(tj_store_quiesce(s->st, &s->err), s->err);
    }
    end(s);
}

static void folds_infos(void **initial)
{
    struct state *s = begin(initial);
    struct tj_trace_info *in = add_info(&s->batch, 1);
    in->client_request_id = TJ_STR("client");
    in->source_id = TJ_STR("uuid");
    in->experiment = TJ_STR("exp");
    in->session = TJ_STR("sess");
    in->state = TJ_STATE_IN_PROGRESS;
    in->request_preview = TJ_STR("asked");
    tj_pairs_set(&in->metadata, &s->arena, TJ_STR("m1"), TJ_STR("a"));
    tj_pairs_set(&in->tags, &s->arena, TJ_STR("t1"), TJ_STR("b"));
    must_add(s->st, &s->batch);
    struct tj_trace_info info = must_info(s->st, 1, &s->arena);
    assert_int_equal(info.span_count, 0);
    assert_str_eq(info.session, "sess");

    next_batch(s);
    add_span(&s->batch, 1, 7, 0)->name = TJ_STR("root");
    in = add_info(&s->batch, 1);
    in->state = TJ_STATE_OK;
    in->user = TJ_STR("me");
    tj_pairs_set(&in->metadata, &s->arena, TJ_STR("m1"), TJ_STR("a2"));
    tj_pairs_set(&in->tags, &s->arena, TJ_STR("t2"), TJ_STR(""));
    must_add(s->st, &s->batch);
    next_batch(s);
    add_span(&s->batch, 1, 9, 7)->status = TJ_STATUS_ERROR;
    must_add(s->st, &s->batch);

    for (int round = 0; round < 2; round++) {
        info = must_info(s->st, 1, &s->arena);
        assert_str_eq(info.client_request_id, "client");
        assert_str_eq(info.source_id, "uuid");
        assert_str_eq(info.experiment, "exp");
        assert_str_eq(info.session, "sess");
        assert_str_eq(info.user, "me");
        assert_str_eq(info.name, "root");
        assert_str_eq(info.request_preview, "asked");
        assert_int_equal(info.state, TJ_STATE_OK);
        assert_int_equal(info.request_time, AT_MS(7));
        assert_int_equal(info.duration_ns, 7 * TJ_NS_PER_MS);
        assert_int_equal(info.span_count, 2);
        assert_int_equal(info.error_count, 1);
        assert_int_equal(info.metadata.count, 1);
        assert_int_equal(info.tags.count, 2);
        assert_str_eq(tj_pairs_find(&info.metadata, TJ_STR("m1")), "a2");
        assert_str_eq(tj_pairs_find(&info.tags, TJ_STR("t1")), "b");
        assert_ok(tj_store_quiesce(s->st, &s->err), s->err);
    }
    end(s);
}

static void sets_and_deletes_tags(void **initial)
{
    struct state *s = begin(initial);
    add_span(&s->batch, 1, 1, 0);
    must_add(s->st, &s->batch);
    tj_trace_id id = trace_id(1);
    assert_ok(tj_store_set_tag(s->st, id, TJ_STR("k"), TJ_STR("1"), &s->err),
              s->err);
    assert_ok(tj_store_set_tag(s->st, id, TJ_STR("k"), TJ_STR("2"), &s->err),
              s->err);
    assert_ok(tj_store_set_tag(s->st, id, TJ_STR("e"), (tj_str){0}, &s->err),
              s->err);
    struct tj_trace_info info = must_info(s->st, 1, &s->arena);
    assert_str_eq(tj_pairs_find(&info.tags, TJ_STR("k")), "2");
    assert_non_null(tj_pairs_find(&info.tags, TJ_STR("e")).ptr);
    assert_ok(tj_store_delete_tag(s->st, id, TJ_STR("k"), &s->err), s->err);
    assert_ok(tj_store_delete_tag(s->st, id, TJ_STR("k"), &s->err), s->err);
    info = must_info(s->st, 1, &s->arena);
    assert_null(tj_pairs_find(&info.tags, TJ_STR("k")).ptr);
    assert_int_equal(info.tags.count, 1);
    end(s);
}

static void resolves_prefixes(void **initial)
{
    struct state *s = begin(initial);
    const char *ids[] = {"abcd0000000000000000000000000001",
                         "abcd0000000000000000000000000002",
                         "abff0000000000000000000000000003"};
    for (size_t i = 0; i < 3; i++) {
        tj_trace_id id;
        assert_true(tj_trace_id_parse(tj_str_c(ids[i]), &id));
        add_span(&s->batch, 1, 1, 0)->trace_id = id;
    }
    must_add(s->st, &s->batch);
    const struct {
        const char *prefix;
        size_t count;
        size_t first;
    } cases[] = {
        {"abcd", 2, 0},
        {"ABCD", 2, 0},
        {"tr-abff", 1, 2},
        {"abff0", 1, 2},
        {"abcd0000000000000000000000000002", 1, 1},
        {"0000", 0, 0},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        size_t count = 9;
        tj_trace_id out;
        assert_ok(tj_store_resolve(s->st, tj_str_c(cases[i].prefix), &out,
                                   &count, &s->err),
                  s->err);
        assert_int_equal(count, cases[i].count);
        if (count)
            assert_str_eq(tj_trace_id_text(&s->arena, out),
                          ids[cases[i].first]);
    }
    end(s);
}

static void newest_is_what_came_last(void **initial)
{
    struct state *s = begin(initial);
    tj_trace_id id = {0};
    bool found = true;
    assert_ok(tj_store_newest(s->st, &id, &found, &s->err), s->err);
    assert_false(found);
    /* Each earlier than the one before; the last is a judge's. */
    for (uint32_t i = 3; i > 0; i--) {
        tj_batch_init(&s->batch, &s->arena);
        add_span(&s->batch, i, i, 0);
        if (i == 1)
            tj_pairs_set(&tj_batch_info(&s->batch, trace_id(i))->tags,
                         &s->arena, TJ_STR(TJ_TAG_SOURCE_SCORER),
                         TJ_STR("judge"));
        must_add(s->st, &s->batch);
    }
    assert_ok(tj_store_newest(s->st, &id, &found, &s->err), s->err);
    assert_true(found);
    assert_true(tj_trace_id_eq(id, trace_id(2)));
    end(s);
}

static void deletes_traces(void **initial)
{
    struct state *s = begin(initial);
    add_field(add_span(&s->batch, 1, 1, 0), "input", TJ_STR("x"));
    add_span(&s->batch, 2, 1, 0);
    must_add(s->st, &s->batch);
    bool existed = false;
    assert_ok(tj_store_delete_trace(s->st, trace_id(1), &existed, &s->err),
              s->err);
    assert_true(existed);
    assert_ok(tj_store_delete_trace(s->st, trace_id(1), &existed, &s->err),
              s->err);
    assert_false(existed);
    struct tj_trace t = must_open(s->st, 1, &s->arena);
    assert_false(tj_trace_is_open(&t));
    must_add(s->st, &s->batch);
    t = must_open(s->st, 1, &s->arena);
    assert_int_equal(t.span_count, 1);
    assert_str_eq(must_read(&t, 0, "input"), "x");
    struct tj_store_stats stats;
    assert_ok(tj_store_stats(s->st, &stats, &s->err), s->err);
    assert_int_equal(stats.trace_count, 2);
    assert_int_equal(stats.span_count, 2);
    assert_int_equal(stats.text_bytes, 1);
    end(s);
}

/* -- wrappers of their own ------------------------------------------------ */

static void faults_come_when_armed(void **initial)
{
    (void)initial;
    struct tj_store *st = tj_store_fault_new(open_memory());
    struct tj_arena a = {0};
    struct tj_batch b;
    struct tj_err err = {0};
    bool existed;
    batch_init(&b, &a);
    add_span(&b, 1, 1, 0);
    tj_store_fault_arm(st, 2, TJ_FAULT_BEFORE);
    must_add(st, &b);
    assert_fails(tj_store_delete_trace(st, trace_id(1), &existed, &err), err,
                 TJ_E_BACKEND, "fault before call 2, delete_trace");
    assert_int_equal(must_open(st, 1, &a).span_count, 1);
    assert_int_equal(tj_store_fault_calls(st), 3);
    tj_store_fault_arm(st, 1, TJ_FAULT_AFTER);
    assert_fails(tj_store_delete_trace(st, trace_id(1), &existed, &err), err,
                 TJ_E_UNCERTAIN, "fault after call 1");
    assert_int_equal(must_open(st, 1, &a).span_count, 0);
    tj_store_close(st);
    tj_arena_release(&a);
}

static void watch_counts(void **initial)
{
    (void)initial;
    struct tj_store *st = tj_store_watch_new(open_memory());
    struct tj_arena a = {0};
    struct tj_batch b;
    batch_init(&b, &a);
    add_field(add_span(&b, 1, 1, 0), "input", TJ_STR("x"));
    must_add(st, &b);
    struct tj_trace t = must_open(st, 1, &a);
    (void)must_read(&t, 0, "input");
    (void)must_read(&t, 0, "input");
    assert_int_equal(tj_store_watch_count(st, "load_fields"), 1);
    assert_int_equal(tj_store_watch_count(st, "read_field"), 2);
    assert_int_equal(tj_store_watch_count(st, NULL), 5);
    assert_str_eq(tj_store_watch_log(st, &a),
                  "add_batch open_trace load_fields read_field read_field");
    tj_store_watch_clear(st);
    assert_int_equal(tj_store_watch_count(st, NULL), 0);
    tj_store_close(st);
    tj_arena_release(&a);
}

/* -- running -------------------------------------------------------------- */

static const struct named_case cases[] = {
    CASE(names_itself),
    CASE(absent_trace_is_an_answer),
    CASE(refuses_bad_arguments),
    CASE(keeps_all_of_a_span),
    CASE(reads_ranges),
    CASE(orders_spans_as_a_tree),
    CASE(trees_are_the_same_however_built),
    CASE(a_repeat_changes_nothing),
    CASE(the_last_of_two_spans_counts),
    CASE(an_open_trace_stays_readable),
    CASE(reads_back_growing_texts),
    CASE(folds_infos),
    CASE(sets_and_deletes_tags),
    CASE(resolves_prefixes),
    CASE(newest_is_what_came_last),
    CASE(deletes_traces),
};

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(faults_come_when_armed),
        cmocka_unit_test(watch_counts),
    };
    return run_on_all(cases, TJ_COUNT(cases), others, TJ_COUNT(others));
}
