/* test_store_orders.c - a trace is the same in whatever order it came.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "members.h"

/* -- what arrives ----------------------------------------------------------- */

enum { PIECES = 7, ORDERS = 25 };

/* Of a root and children, in pieces, and what the source says at the start
 * and at the end, one piece twice. */
static void add_piece(struct tj_batch *b, uint32_t trace, unsigned piece)
{
    struct tj_span *s;
    struct tj_trace_info *info;
    switch (piece) {
    case 0: /* at the start */
    case 1:
        info = add_info(b, trace);
        info->state = TJ_STATE_IN_PROGRESS;
        info->request_time = AT_MS(1);
        tj_pairs_set(&info->tags, b->arena, TJ_STR("a"), TJ_STR("1"));
        break;
    case 2: /* at the end */
        info = add_info(b, trace);
        info->state = TJ_STATE_OK;
        info->request_time = AT_MS(1);
        info->duration_ns = 77 * TJ_NS_PER_MS;
        info->client_request_id = TJ_STR("c");
        info->response_preview = TJ_STR("said");
        info->experiment = TJ_STR("ex");
        tj_pairs_set(&info->metadata, b->arena, TJ_STR("m"), TJ_STR("2"));
        break;
    case 3: /* the root comes late, as exporters send it */
        s = add_span(b, trace, 1, 0);
        s->usage = (struct tj_usage){100, 20, -1, -1, -1, 0.5};
        s->session = TJ_STR("se");
        add_field(s, "input", TJ_STR("question"));
        add_field(s, "output", TJ_STR("answer"));
        break;
    case 4:
        s = add_span(b, trace, 2, 1);
        s->usage = (struct tj_usage){60, 5, -1, -1, -1, 0.25};
        add_field(s, "input", TJ_STR("deeper"));
        s->status = TJ_STATUS_ERROR;
        break;
    case 5:
        add_field(add_span(b, trace, 4, 2), "input", TJ_STR("deepest"));
        add_field(add_span(b, trace, 3, 1), "input", TJ_STR("beside"));
        break;
    default: /* with an info of its own */
        add_field(add_span(b, trace, 5, 1), "output", TJ_STR("last"));
        add_info(b, trace)->user = TJ_STR("us");
        break;
    }
}

static void shuffle(unsigned *order, uint64_t *x)
{
    for (unsigned i = PIECES; i > 1; i--) {
        *x ^= *x << 13;
        *x ^= *x >> 7;
        *x ^= *x << 17;
        unsigned at = (unsigned)((*x >> 20) % i);
        unsigned last = order[i - 1];
        order[i - 1] = order[at];
        order[at] = last;
    }
}

static void check(struct state *s, uint32_t trace)
{
    struct tj_trace t = must_open(s->st, trace, &s->arena);
    struct tj_trace_info found = must_info(s->st, trace, &s->arena);
    const struct tj_trace_info *infos[] = {&t.info, &found};
    for (size_t i = 0; i < 2; i++) {
        const struct tj_trace_info *info = infos[i];
        assert_int_equal(info->state, TJ_STATE_OK);
        assert_int_equal(info->request_time, AT_MS(1));
        assert_int_equal(info->duration_ns, 77 * TJ_NS_PER_MS);
        assert_str_eq(info->name, "span 1");
        assert_str_eq(info->client_request_id, "c");
        assert_str_eq(info->request_preview, "question");
        assert_str_eq(info->response_preview, "said");
        assert_str_eq(info->experiment, "ex");
        assert_str_eq(info->session, "se");
        assert_str_eq(info->user, "us");
        assert_int_equal(info->span_count, 5);
        assert_int_equal(info->error_count, 1);
        assert_int_equal(info->text_bytes, 8 + 6 + 6 + 7 + 6 + 4);
        assert_int_equal(info->usage.input_tokens, 100);
        assert_int_equal(info->usage.output_tokens, 20);
        assert_true(info->usage.cost_usd > 0.49 && info->usage.cost_usd < 0.51);
        assert_int_equal(info->tags.count, 1);
        assert_int_equal(info->metadata.count, 1);
    }
    assert_int_equal(t.span_count, 5);
    static const unsigned ids[] = {1, 2, 4, 3, 5}; /* in tree order */
    for (size_t i = 0; i < 5; i++) {
        assert_true(tj_span_id_eq(t.spans[i].span_id, span_id(ids[i])));
        assert_int_equal(t.spans[i].marks, 0);
    }
}

/* Each piece a batch of its own. */
static void every_order_gives_the_same_trace(void **initial)
{
    struct state *s = begin(initial);
    unsigned order[PIECES] = {0, 1, 2, 3, 4, 5, 6};
    uint64_t x = UINT64_C(88172645463325252);
    for (uint32_t n = 1; n <= ORDERS; n++) {
        shuffle(order, &x);
        for (size_t i = 0; i < PIECES; i++) {
            next_batch(s);
            add_piece(&s->batch, n, order[i]);
            must_add(s->st, &s->batch);
            /* Looking at it on the way changes nothing. */
            if (n % 3 == 0)
                (void)must_info(s->st, n, &s->arena);
            if (n % 5 == 0)
                assert_ok(tj_store_quiesce(s->st, &s->err), s->err);
        }
        check(s, n);
        /* Nor does all of it once more. */
        shuffle(order, &x);
        for (size_t i = 0; i < PIECES; i++) {
            next_batch(s);
            add_piece(&s->batch, n, order[i]);
            must_add(s->st, &s->batch);
        }
        check(s, n);
    }
    assert_ok(tj_store_quiesce(s->st, &s->err), s->err);
    for (uint32_t n = 1; n <= ORDERS; n++)
        check(s, n);
    struct tj_store_stats stats;
    assert_ok(tj_store_stats(s->st, &stats, &s->err), s->err);
    assert_int_equal(stats.trace_count, ORDERS);
    assert_int_equal(stats.span_count, 5 * ORDERS);
    end(s);
}

/* What a source says of the state, and what the spans say. */
static void a_trace_ends(void **initial)
{
    struct state *s = begin(initial);
    static const enum tj_trace_state said[][2] = {
        {TJ_STATE_IN_PROGRESS, TJ_STATE_OK},
        {TJ_STATE_OK, TJ_STATE_IN_PROGRESS},
        {TJ_STATE_IN_PROGRESS, TJ_STATE_ERROR},
        {TJ_STATE_ERROR, TJ_STATE_IN_PROGRESS},
    };
    for (uint32_t n = 0; n < TJ_COUNT(said); n++) {
        for (size_t i = 0; i < 2; i++) {
            next_batch(s);
            add_info(&s->batch, n + 1)->state = said[n][i];
            must_add(s->st, &s->batch);
        }
        assert_int_equal(must_info(s->st, n + 1, &s->arena).state,
                         n < 2 ? TJ_STATE_OK : TJ_STATE_ERROR);
    }
    /* Nobody says that it is over, but its root is. */
    next_batch(s);
    add_info(&s->batch, 9)->state = TJ_STATE_IN_PROGRESS;
    must_add(s->st, &s->batch);
    assert_int_equal(must_info(s->st, 9, &s->arena).state,
                     TJ_STATE_IN_PROGRESS);
    next_batch(s);
    add_span(&s->batch, 9, 2, 1);
    must_add(s->st, &s->batch);
    assert_int_equal(must_info(s->st, 9, &s->arena).state,
                     TJ_STATE_IN_PROGRESS);
    next_batch(s);
    add_span(&s->batch, 9, 1, 0);
    must_add(s->st, &s->batch);
    assert_int_equal(must_info(s->st, 9, &s->arena).state, TJ_STATE_OK);
    next_batch(s);
    add_info(&s->batch, 9)->state = TJ_STATE_IN_PROGRESS;
    must_add(s->st, &s->batch);
    assert_int_equal(must_info(s->st, 9, &s->arena).state, TJ_STATE_OK);
    end(s);
}

/* -- running -------------------------------------------------------------- */

static const struct named_case cases[] = {
    CASE(every_order_gives_the_same_trace),
    CASE(a_trace_ends),
};

int main(void)
{
    return run_on_all(cases, TJ_COUNT(cases), NULL, 0);
}
