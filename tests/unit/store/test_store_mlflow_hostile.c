/* test_store_mlflow_hostile.c - MLflow servers that lie, and that change while
 * they are read.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mlflow_world.h"

/* -- between two pages ---------------------------------------------------------- */

/* Of those up to `last`, those that tag.mod = '1' or '2' lets through. */
static void check_once(const struct tj_trace_page *page, unsigned last)
{
    static unsigned seen[1300];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < page->count; i++) {
        unsigned n = number_of(&page->infos[i]);
        assert_true(n < TJ_COUNT(seen));
        seen[n]++;
    }
    for (unsigned n = 1; n <= last; n++) {
        bool wanted = n % 10 != 9 && (n % 4 == 1 || n % 4 == 2);
        if (seen[n] != wanted)
            fail_msg("trace %u: %u times", n, seen[n]);
    }
}

#define EITHER "tag.mod = '1' OR tag.mod = '2'" /* asked of nobody */

static void what_comes_between_pages_repeats_nothing(void **state)
{
    (void)state;
    struct world *w = begin("arrivals", "");
    struct tj_buf b;
    tell_many(w, 1, 1200);
    tj_buf_init(&b, &w->a, 1 << 20);
    tj_buf_add(&b, TJ_STR("{\"arrivals\":[["));
    for (unsigned i = 0; i < 40; i++)
        tj_buf_fmt(&b,
                   "%s" INFO("new-%u", "1", "30.%03u",
                             "\"tags\":{\"n\":\"%u\",\"mod\":\"1\"}") "}",
                   i == 20 ? "],["
                   : i     ? ","
                           : "",
                   i, i, 1250 + i);
    tj_buf_add(&b, TJ_STR("]]}"));
    tell(w, tj_cstr(&w->a, tj_buf_str(&b)));
    struct tj_trace_page page = search(w, EITHER, NULL, 1000, (tj_str){0});
    check_once(&page, 1200);
    end(w);
}

static void what_goes_between_pages_hides_nothing(void **state)
{
    (void)state;
    struct world *w = begin("departures", "");
    struct tj_buf b;
    tell_many(w, 1, 1200);
    tj_buf_init(&b, &w->a, 1 << 20);
    tj_buf_add(&b, TJ_STR("{\"departures\":[["));
    for (unsigned i = 0; i < 16; i++)
        tj_buf_fmt(&b, "%s\"tr-%032x\"",
                   i == 8 ? "],["
                   : i    ? ","
                          : "",
                   1200 - i);
    tj_buf_add(&b, TJ_STR("]]}"));
    tell(w, tj_cstr(&w->a, tj_buf_str(&b)));
    struct tj_trace_page page = search(w, EITHER, NULL, 1000, (tj_str){0});
    check_once(&page, 1180);
    end(w);
}

/* All in one millisecond: there the server's tokens lead on. */
static void many_traces_of_one_moment(void **state)
{
    (void)state;
    struct world *w = begin("moment", "");
    struct tj_buf b;
    tj_buf_init(&b, &w->a, 1 << 20);
    tj_buf_add(&b, TJ_STR("{\"traces\":["));
    for (unsigned i = 1; i <= 1200; i++)
        tj_buf_fmt(&b,
                   "%s" INFO("tr-%032x", "1", "00.000",
                             "\"tags\":{\"n\":\"%u\",\"mod\":\"%u\"%s}") "}",
                   i == 1 ? "" : ",", i, i, i % 4,
                   i % 10 == 9 ? ",\"mlflow.trace.sourceScorer\":\"j\"" : "");
    tj_buf_add(&b, TJ_STR("]}"));
    tell(w, tj_cstr(&w->a, tj_buf_str(&b)));
    struct tj_trace_page all = {0};
    struct tj_trace_info infos[1300];
    tj_str token = {0};
    do {
        struct tj_trace_page page = search(w, EITHER, NULL, 250, token);
        for (size_t i = 0; i < page.count; i++)
            infos[all.count++] = page.infos[i];
        token = page.next_page_token;
    } while (token.len);
    all.infos = infos;
    check_once(&all, 1200);
    end(w);
}

/* What cannot be told by time is told by the server's tokens. */
static void traces_without_a_time(void **state)
{
    (void)state;
    struct world *w = begin("timeless", "");
    tell_many(w, 1, 1200);
    tell(w, "{\"lies\":[\"timeless\"]}");
    struct tj_trace_page page = search(w, EITHER, NULL, 1000, (tj_str){0});
    check_once(&page, 1200);
    end(w);
}

/* -- lists without an end ------------------------------------------------------- */

static void a_list_that_does_not_end_is_an_error(void **state)
{
    (void)state;
    static const char *const lies[] = {"stuck", "endless"};
    static const char *const orders[] = {NULL, "execution_time_ms ASC"};
    for (size_t i = 0; i < 3; i++) {
        struct world *w = begin("endless", "");
        struct tj_order by = {0};
        struct tj_trace_query query = {.row_max = 5};
        struct tj_trace_page page;
        tell_many(w, 1, 4);
        tell(w, tj_cstr(&w->a, tj_str_printf(&w->a, "{\"lies\":[\"%s\"]}",
                                             lies[i % 2])));
        assert_ok(tj_filter_parse(TJ_STR("tag.n = '8' OR tag.n = '9'"), &w->a,
                                  &query.filter, &w->err),
                  w->err);
        if (orders[i / 2]) {
            assert_ok(
                tj_order_parse(tj_str_c(orders[i / 2]), &w->a, &by, &w->err),
                w->err);
            query.order = &by;
            query.order_count = 1;
        }
        assert_fails(tj_store_search(w->st, &query, &w->a, &page, &w->err),
                     w->err, TJ_E_BACKEND, "does not end");
        tell(w, "{\"lies\":[]}");
        end(w);
    }
    struct world *w = begin("endless", "");
    struct tj_experiment *all;
    size_t count;
    tell(w, "{\"lies\":[\"places\"]}");
    assert_fails(tj_store_experiments(w->st, &w->a, &all, &count, &w->err),
                 w->err, TJ_E_BACKEND, "does not end");
    end(w);
}

/* Behind many runs of judges, which are not shown. */
static void pages_grow(void **state)
{
    (void)state;
    struct world *w = begin("grow", "");
    struct tj_buf b;
    tj_trace_id id;
    bool found = false;
    tell_many(w, 1, 1);
    tj_buf_init(&b, &w->a, 1 << 20);
    tj_buf_add(&b, TJ_STR("{\"traces\":["));
    for (unsigned i = 0; i < 900; i++)
        tj_buf_fmt(
            &b,
            "%s" INFO("tr-%032x", "1", "01.%03u",
                      "\"tags\":{\"mlflow.trace.sourceScorer\":\"j\"}") "}",
            i ? "," : "", i + 10, i);
    tj_buf_add(&b, TJ_STR("]}"));
    tell(w, tj_cstr(&w->a, tj_buf_str(&b)));
    assert_ok(tj_store_newest(w->st, &id, &found, &w->err), w->err);
    assert_true(found && tj_trace_id_eq(id, trace_id(1)));
    assert_true(count_of(w, "traces/search") <= 12);
    end(w);
}

/* -- another answer than was asked for ------------------------------------------ */

static void another_trace_is_an_error(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("another");
    struct tj_trace_info info;
    struct tj_trace t = {0};
    struct tj_assessment as = feedback("5", "key");
    struct tj_assessment *list;
    size_t count = 0;
    bool found = false;
    tell(w, "{\"lies\":[\"another\"],\"traces\":[" INFO(TRACE_2, "1", "00.000",
                                                        TAGS) "}]}");
    assert_fails(
        tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found, &w->err),
        w->err, TJ_E_BACKEND, "another trace");
    assert_fails(tj_store_open_trace(w->st, trace_id(1), &w->a, &t, &w->err),
                 w->err, TJ_E_BACKEND, "another trace");
    assert_fails(
        tj_store_assessments(w->st, trace_id(1), &w->a, &list, &count, &w->err),
        w->err, TJ_E_BACKEND, "another trace");
    assert_fails(tj_store_add_assessment(w->st, &as, &w->a, &w->err), w->err,
                 TJ_E_BACKEND, "another trace");
    end(w);
}

/* Its spans are its own, whatever they say. */
static void spans_are_of_the_trace(void **state)
{
    (void)state;
    struct world *w = begin("strangers", "");
    struct tj_trace t = {0};
    tell(w, "{\"traces\":[" INFO(TRACE_2, "1", "00.000",
                                 TAGS) ",\"spans\":[" REST_SPAN "]}]}");
    assert_ok(tj_store_open_trace(w->st, trace_id(2), &w->a, &t, &w->err),
              w->err);
    assert_int_equal(t.span_count, 1);
    assert_true(tj_trace_id_eq(t.spans[0].trace_id, trace_id(2)));
    end(w);
}

/* An id that is a step in a path would ask for something else. */
static void ids_do_not_climb(void **state)
{
    (void)state;
    struct world *w = begin("climb", "");
    struct tj_trace_query query = {.row_max = 10};
    struct tj_trace_page page = {0};
    bool existed = false;
    tell(
        w,
        "{\"traces\":[" INFO("..", "1", "00.000", TAGS) "}," INFO(
            "../2?x=1#y", "1", "01.000",
            TAGS) "}," INFO(TRACE_1, "1", "02.000",
                            TAGS
                            ",\"assessments\":[{\"assessment_id\":\"..\","
                            "\"assessment_name\":\"q\",\"source\":{\"source_type\":"
                            "\"HUMAN\",\"source_id\":\"a\"},\"feedback\":{\"value\":1}}]") "}]}");
    assert_ok(tj_store_search(w->st, &query, &w->a, &page, &w->err), w->err);
    assert_int_equal(page.count, 3);
    assert_fails(tj_store_set_tag(w->st, page.infos[2].trace_id, TJ_STR("k"),
                                  TJ_STR("v"), &w->err),
                 w->err, TJ_E_INPUT, "'..'");
    /* "/" comes back as part of the path, which no route of MLflow has. */
    assert_fails(tj_store_set_tag(w->st, page.infos[1].trace_id, TJ_STR("k"),
                                  TJ_STR("v"), &w->err),
                 w->err, TJ_E_BACKEND, "");
    assert_fails(tj_store_delete_assessment(w->st, page.infos[0].trace_id,
                                            TJ_STR(".."), &existed, &w->err),
                 w->err, TJ_E_INPUT, "'..'");
    assert_int_equal(count_of(w, "PATCH"), 0);
    assert_int_equal(count_of(w, "DELETE"), 0);
    end(w);
}

/* -- words of a server ------------------------------------------------------------ */

static void a_login_is_not_shown_when_it_is_echoed(void **state)
{
    (void)state;
    struct world *w = begin("echo", "");
    struct tj_trace_info info;
    bool found = false;
    struct tj_store_options o = options_of_test();
    o.remote.token = TJ_STR("t0psecret");
    reopen(w, "", &o);
    tell(w, "{\"faults\":[{\"match\":\"experiments\",\"kind\":\"echo\"}]}");
    assert_fails(
        tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found, &w->err),
        w->err, TJ_E_INPUT, "400");
    assert_null(strstr(w->err.message, "t0psecret"));
    end(w);
}

/* -- at the same time --------------------------------------------------------------- */

struct searcher {
    pthread_t id;
    struct world *w;
    bool ok;
    size_t count;
};

static void *search_once(void *ctx)
{
    struct searcher *s = ctx;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_trace_page page = {0};
    struct tj_trace_query query = {.row_max = 10};
    s->ok = tj_filter_parse(TJ_STR("feedback.quality IS NULL"), &a,
                            &query.filter, &err) &&
            tj_store_search(s->w->st, &query, &a, &page, &err);
    s->count = page.count;
    tj_arena_release(&a);
    return NULL;
}

/* What a page said before a write is not what is there after it. */
static void a_search_does_not_hide_a_write(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("memo");
    struct searcher s = {.w = w};
    struct tj_assessment as = feedback("5", "key");
    struct tj_assessment *list;
    size_t count = 0;
    assert_int_equal(matches(w, ""), 1);
    tell(w,
         "{\"log\":[],\"faults\":[{\"match\":\"search\",\"kind\":\"hold\"}]}");
    assert_int_equal(pthread_create(&s.id, NULL, search_once, &s), 0);
    while (!count_of(w, "search"))
        continue;
    assert_ok(tj_store_add_assessment(w->st, &as, &w->a, &w->err), w->err);
    tell(w, "{\"release\":true}");
    (void)pthread_join(s.id, NULL);
    assert_true(s.ok);
    assert_ok(
        tj_store_assessments(w->st, trace_id(1), &w->a, &list, &count, &w->err),
        w->err);
    assert_int_equal(count, 1);
    end(w);
}

struct worker {
    pthread_t id;
    struct world *w;
    unsigned number;
    bool ok;
    struct tj_err err;
};

/* Judges its own traces, searches, and sees what it wrote. */
static void *judge_some(void *ctx)
{
    struct worker *k = ctx;
    struct tj_store *st = k->w->st;
    k->ok = true;
    for (unsigned i = 0; i < 6 && k->ok; i++) {
        struct tj_arena a = {0};
        struct tj_trace trace = {0};
        struct tj_trace_page page = {0};
        struct tj_trace_query query = {.row_max = 40};
        struct tj_assessment *list;
        size_t count = 0;
        struct tj_assessment as = feedback("5", "key");
        as.trace_id = trace_id(1 + k->number + 4 * (i / 2));
        k->ok =
            tj_store_open_trace(st, as.trace_id, &a, &trace, &k->err) &&
            tj_store_add_assessment(st, &as, &a, &k->err) &&
            tj_filter_parse(TJ_STR("feedback.quality IS NOT NULL"), &a,
                            &query.filter, &k->err) &&
            tj_store_search(st, &query, &a, &page, &k->err) &&
            tj_store_assessments(st, as.trace_id, &a, &list, &count, &k->err) &&
            count == 1 && page.count >= 1;
        tj_arena_release(&a);
    }
    return NULL;
}

static void many_judge_at_once(void **state)
{
    (void)state;
    struct world *w = begin("workers", "");
    struct worker workers[4];
    tell_many(w, 1, 24);
    for (unsigned i = 0; i < TJ_COUNT(workers); i++) {
        workers[i] = (struct worker){.w = w, .number = i};
        assert_int_equal(
            pthread_create(&workers[i].id, NULL, judge_some, &workers[i]), 0);
    }
    for (size_t i = 0; i < TJ_COUNT(workers); i++) {
        (void)pthread_join(workers[i].id, NULL);
        if (!workers[i].ok)
            fail_msg("worker %zu: %s", i, workers[i].err.message);
    }
    for (unsigned i = 1; i <= 12; i++) {
        char id[48];
        (void)snprintf(id, sizeof id, "tr-%032x", i);
        assert_int_equal(tj_json_count(assessments_of(w, id)), 1);
    }
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_between_pages_repeats_nothing),
        cmocka_unit_test(what_goes_between_pages_hides_nothing),
        cmocka_unit_test(many_traces_of_one_moment),
        cmocka_unit_test(traces_without_a_time),
        cmocka_unit_test(a_list_that_does_not_end_is_an_error),
        cmocka_unit_test(pages_grow),
        cmocka_unit_test(another_trace_is_an_error),
        cmocka_unit_test(spans_are_of_the_trace),
        cmocka_unit_test(ids_do_not_climb),
        cmocka_unit_test(a_login_is_not_shown_when_it_is_echoed),
        cmocka_unit_test(a_search_does_not_hide_a_write),
        cmocka_unit_test(many_judge_at_once),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
