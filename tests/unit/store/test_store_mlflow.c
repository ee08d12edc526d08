/* test_store_mlflow.c - reading from an MLflow server, good and bad.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The server is mlflow_server.py; what a real one does is the business of
 * tests/interop.
 */
#include "mlflow_world.h"

/* -- where, and as whom ------------------------------------------------------------- */

static bool opens(const char *url, const struct tj_store_remote *remote,
                  struct tj_err *err)
{
    struct tj_store *st = NULL;
    struct tj_store_options options = {0};
    if (remote)
        options.remote = *remote;
    bool ok = tj_store_open(tj_str_c(url), &options, &st, err);
    tj_store_close(st);
    return ok;
}

static void urls_and_logins(void **state)
{
    (void)state;
    struct tj_err err = {0};
    assert_ok(opens("mlflow+http://h:5000", NULL, &err), err);
    assert_ok(opens("mlflow+https://h/p/?experiment=a%20b", NULL, &err), err);
    assert_fails(opens("mlflow+http://", NULL, &err), err, TJ_E_INPUT, "host");
    assert_fails(opens("mlflow+http://h h", NULL, &err), err, TJ_E_INPUT, "");
    assert_fails(opens("mlflow+http://h?x=1", NULL, &err), err, TJ_E_INPUT,
                 "experiment_id");
    assert_fails(opens("mlflow+http://h?experiment_id=a", NULL, &err), err,
                 TJ_E_INPUT, "number");
    assert_fails(
        opens("mlflow+http://h?experiment=a&experiment_id=1", NULL, &err), err,
        TJ_E_INPUT, "one experiment");
    assert_fails(opens("mlflow+http://h?experiment=%0", NULL, &err), err,
                 TJ_E_INPUT, "hex");
    assert_fails(opens("mlflow+http://h?experiment=%00", NULL, &err), err,
                 TJ_E_INPUT, "hex");
    struct tj_store_remote half = {.user = TJ_STR("u")};
    assert_fails(opens("mlflow+http://h", &half, &err), err, TJ_E_AUTH,
                 "MLFLOW_TRACKING_PASSWORD");
    struct tj_store_remote bad = {.token = TJ_STR("a\nb")};
    assert_fails(opens("mlflow+http://h", &bad, &err), err, TJ_E_AUTH, "TOKEN");
}

static void a_password_is_never_shown(void **state)
{
    (void)state;
    struct tj_err err = {0};
    static const char *const urls[] = {
        "mlflow+http://me:s3cret@h:5000", "http://me:s3cret@h:5000",
        "mlflow+ftp://me:s3cret@h", "mlflow+https://me:s3cret@h?x=1"};
    for (size_t i = 0; i < TJ_COUNT(urls); i++) {
        assert_fails(opens(urls[i], NULL, &err), err, TJ_E_INPUT, "");
        assert_null(strstr(err.message, "s3cret"));
    }
}

static void logs_in(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("login");
    struct tj_trace_info info;
    bool found = false;
    tell(w, "{\"auth\":\"Basic dTpwOnc=\"}");
    assert_fails(
        tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found, &w->err),
        w->err, TJ_E_AUTH, "MLFLOW_TRACKING_USERNAME");
    struct tj_store_options o = options_of_test();
    o.remote.user = TJ_STR("u");
    o.remote.password = TJ_STR("wr0ng");
    reopen(w, "", &o);
    assert_fails(
        tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found, &w->err),
        w->err, TJ_E_AUTH, "refuses the user name");
    assert_null(strstr(w->err.message, "wr0ng"));
    o.remote.password = TJ_STR("p:w");
    reopen(w, "", &o);
    assert_ok(
        tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found, &w->err),
        w->err);
    assert_true(found);
    tell(w, "{\"auth\":\"Bearer t.k-n\"}");
    o = options_of_test();
    o.remote.token = TJ_STR("t.k-n");
    reopen(w, "", &o);
    assert_ok(
        tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found, &w->err),
        w->err);
    assert_true(found);
    end(w);
}

/* -- reading ------------------------------------------------------------------------ */

static void check_opened(struct world *w)
{
    struct tj_trace t = {0};
    tj_str text = {0};
    assert_ok(tj_store_open_trace(w->st, trace_id(1), &w->a, &t, &w->err),
              w->err);
    assert_true(tj_trace_is_open(&t));
    assert_int_equal(t.span_count, 1);
    assert_int_equal(t.spans[0].kind, TJ_KIND_AGENT);
    assert_str_eq(t.info.name, "agent");
    assert_str_eq(t.info.experiment, "shop");
    assert_int_equal(t.info.experiment_id, 1);
    assert_int_equal(t.info.duration_ns, 1500 * TJ_NS_PER_MS);
    assert_ok(tj_store_load_fields(&t, 0, &w->err), w->err);
    int32_t input = tj_span_find_field(&t.spans[0], TJ_STR("input"));
    assert_true(input >= 0);
    assert_ok(tj_store_read_field(&t, 0, (size_t)input, 1, 4, &text, &w->err),
              w->err);
    assert_str_eq(text, "\"q\":");
}

static void opens_both_forms_of_spans(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("forms");
    check_opened(w);
    assert_int_equal(count_of(w, "get-trace-artifact"), 0);
    /* No tag says that the spans are in the tracking store. */
    tell(
        w,
        "{\"traces\":[" INFO(
            TRACE_1, "1", "00.000",
            "\"tags\":{\"mlflow.traceName\":\"agent\"}") ",\"spans\":null,\"artifact\":[" DICT_SPAN
                                                         "]}]}");
    check_opened(w);
    assert_int_equal(count_of(w, "traces/get"), 1);
    assert_int_equal(count_of(w, "get-trace-artifact"), 1);
    /* It says so, and the server is too old to be asked. */
    tell(w, "{\"old\":true,\"traces\":[" INFO(TRACE_1, "1", "00.000",
                                              TAGS) ",\"artifact\":[" DICT_SPAN
                                                    "]}]}");
    check_opened(w);
    assert_int_equal(count_of(w, "get-trace-artifact"), 2);
    end(w);
}

static void a_trace_may_have_no_spans_or_not_be(void **state)
{
    (void)state;
    struct world *w = begin("nospans", "");
    struct tj_trace t = {0};
    struct tj_trace_info info;
    bool found = true;
    tell(w, "{\"traces\":[" INFO(TRACE_1, "1", "00.000", "\"tags\":{}") "}]}");
    assert_ok(tj_store_open_trace(w->st, trace_id(1), &w->a, &t, &w->err),
              w->err);
    assert_true(tj_trace_is_open(&t));
    assert_int_equal(t.span_count, 0);
    assert_ok(tj_store_open_trace(w->st, trace_id(9), &w->a, &t, &w->err),
              w->err);
    assert_false(tj_trace_is_open(&t));
    assert_ok(
        tj_store_find_info(w->st, trace_id(9), &w->a, &info, &found, &w->err),
        w->err);
    assert_false(found);
    end(w);
}

/* Ids of clients before 3.0, and of another kind, are asked for as they are. */
static void other_ids_keep_their_spelling(void **state)
{
    (void)state;
    struct world *w = begin("ids", "");
    struct tj_trace_query query = {.row_max = 10};
    struct tj_trace_page page = {0};
    bool found = false;
    struct tj_trace_info info;
    tell(w, "{\"traces\":[" INFO(
                "00000000000000000000000000000001", "1", "00.000",
                TAGS) "}," INFO("trace of bank#7", "2", "01.000", TAGS) "}]}");
    assert_ok(
        tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found, &w->err),
        w->err);
    assert_true(found);
    assert_ok(tj_store_search(w->st, &query, &w->a, &page, &w->err), w->err);
    assert_int_equal(page.count, 2);
    assert_str_eq(page.infos[0].source_id, "trace of bank#7");
    assert_str_eq(page.infos[0].experiment, "bank");
    assert_ok(tj_store_find_info(w->st, page.infos[0].trace_id, &w->a, &info,
                                 &found, &w->err),
              w->err);
    assert_true(found);
    assert_ok(tj_store_set_tag(w->st, page.infos[0].trace_id, TJ_STR("k"),
                               TJ_STR("v"), &w->err),
              w->err);
    end(w);
}

static void knows_tokens_without_the_spans(void **state)
{
    (void)state;
    struct world *w = begin("sums", "");
    struct tj_trace_info info;
    bool found;
    tell(
        w,
        "{\"traces\":[" INFO(
            TRACE_1, "1", "00.000",
            "\"trace_metadata\":{\"mlflow.trace.tokenUsage\":\"{\\\"input_"
            "tokens\\\": 7, \\\"output_tokens\\\": 2}\",\"mlflow.trace.cost\":"
            "\"{\\\"total_cost\\\": 0.25}\",\"mlflow.trace.sizeStats\":"
            "\"{\\\"num_spans\\\": 3}\",\"mlflow.trace.session\":\"s\"}") "}]}");
    assert_ok(
        tj_store_find_info(w->st, trace_id(1), &w->a, &info, &found, &w->err),
        w->err);
    assert_int_equal(info.usage.input_tokens, 7);
    assert_int_equal(info.usage.output_tokens, 2);
    assert_true(info.usage.cost_usd == 0.25);
    assert_int_equal(info.span_count, 3);
    assert_str_eq(info.session, "s");
    end(w);
}

/* -- searching ---------------------------------------------------------------------- */

static void pages_neither_repeat_nor_skip(void **state)
{
    (void)state;
    struct world *w = begin("pages", "");
    unsigned seen[64] = {0};
    tj_str token = {0};
    unsigned late = 100;
    tj_time last = UINT64_MAX;
    tell_many(w, 1, 40);
    for (int pages = 0; pages < 40; pages++) {
        struct tj_trace_page page = search(w, "", NULL, 4, token);
        for (size_t i = 0; i < page.count; i++) {
            assert_true(page.infos[i].request_time <= last);
            last = page.infos[i].request_time;
            unsigned n = number_of(&page.infos[i]);
            assert_true(n < TJ_COUNT(seen));
            seen[n]++;
        }
        /* Newer ones arrive meanwhile, and shift the server's offsets. */
        tell_many(w, late++, 1);
        token = page.next_page_token;
        if (!token.len)
            break;
    }
    assert_int_equal(token.len, 0);
    for (unsigned i = 1; i <= 40; i++)
        assert_int_equal(seen[i], i % 10 == 9 ? 0 : 1);
    struct tj_trace_query bad = {.row_max = 1, .page_token = TJ_STR("12:x")};
    struct tj_trace_page page;
    assert_fails(tj_store_search(w->st, &bad, &w->a, &page, &w->err), w->err,
                 TJ_E_INPUT, "token");
    end(w);
}

static void other_orders_page_too(void **state)
{
    (void)state;
    struct world *w = begin("orders", "");
    unsigned seen[64] = {0};
    tj_str token = {0};
    uint64_t last = 0;
    tell_many(w, 1, 30);
    do {
        struct tj_trace_page page =
            search(w, "tag.mod != '3'", "execution_time_ms ASC", 4, token);
        for (size_t i = 0; i < page.count; i++) {
            assert_true(page.infos[i].duration_ns >= last);
            last = page.infos[i].duration_ns;
            seen[number_of(&page.infos[i])]++;
        }
        token = page.next_page_token;
    } while (token.len);
    for (unsigned i = 1; i <= 30; i++)
        assert_int_equal(seen[i], i % 10 == 9 || i % 4 == 3 ? 0 : 1);
    /* The server cannot sort by this, so it is done here. */
    struct tj_trace_page page =
        search(w, "", "end_time_ms DESC", 2, (tj_str){0});
    assert_int_equal(page.count, 2);
    assert_int_equal(page.infos[0].duration_ns, 6 * TJ_NS_PER_SECOND);
    end(w);
}

static void filters_are_exact(void **state)
{
    (void)state;
    struct world *w = begin("filters", "");
    tell_many(w, 1, 40);
    for (int old = 0; old < 2; old++) {
        tell(w, old ? "{\"old\":true}" : "{\"old\":false}");
        assert_int_equal(matches(w, "status = 'ERROR'"), 8);
        assert_int_equal(matches(w, "tag.mod = '2'"), 10);
        assert_int_equal(matches(w, "tag.n LIKE '3_'"), 9);
        assert_int_equal(matches(w, "tag.n LIKE '3_' AND tag.mod = '0'"), 2);
        assert_int_equal(matches(w, "tag.n = '3' OR status = 'ERROR'"), 9);
        assert_int_equal(matches(w, "NOT tag.mod = '2' AND tag.n = '4'"), 1);
        assert_int_equal(matches(w, "request_id = '" TRACE_2 "'"), 1);
        assert_int_equal(matches(w, "request_id IN ('" TRACE_2 "', 'tr-x')"),
                         1);
        assert_int_equal(matches(w, "timestamp_ms > 1777708800011"), 4);
        assert_int_equal(matches(w, "execution_time_ms >= 6000"), 5);
        assert_int_equal(matches(w, "tag.none IS NULL AND tag.n = '1'"), 1);
    }
    tell(w, "{\"old\":false,\"traces\":[" INFO(
                TRACE_1, "1", "00.000",
                "\"tags\":{\"n\":\"1\"}") ",\"runs\":[\"r7\"]}]}");
    assert_int_equal(matches(w, "run_id = 'r7'"), 1);
    assert_int_equal(matches(w, "run_id = 'r8'"), 0);
    /* One that refuses the rest is asked for the run. */
    tell(w, "{\"old\":true}");
    assert_int_equal(matches(w, "run_id = 'r7' AND tag.n LIKE '1%'"), 1);
    assert_int_equal(matches(w, "run_id = 'r7' AND tag.n LIKE '2%'"), 0);
    assert_int_equal(matches(w, "run_id = 'r8' AND tag.n LIKE '1%'"), 0);
    tell(w, "{\"old\":false}");
    /* No reply shows the runs of a trace: what cannot be asked is refused. */
    static const char *const refused[] = {
        "run_id = 'r7' OR tag.n = '2'", "NOT run_id = 'r7'", "run_id != 'r7'"};
    for (size_t i = 0; i < TJ_COUNT(refused); i++) {
        struct tj_trace_query query = {.row_max = 5};
        struct tj_trace_page page;
        assert_ok(tj_filter_parse(tj_str_c(refused[i]), &w->a, &query.filter,
                                  &w->err),
                  w->err);
        assert_fails(tj_store_search(w->st, &query, &w->a, &page, &w->err),
                     w->err, TJ_E_INPUT, "run_id");
    }
    /* Sorted here, and asked there. */
    struct tj_trace_page page = search(w, "run_id = 'r7' AND tag.n = '1'",
                                       "end_time_ms DESC", 5, (tj_str){0});
    assert_int_equal(page.count, 1);
    page = search(w, "run_id = 'r7' AND tag.n = '2'", "end_time_ms DESC", 5,
                  (tj_str){0});
    assert_int_equal(page.count, 0);
    end(w);
}

/* What the page said of assessments is used: no request for each trace. */
static void feedback_is_filtered_without_asking_again(void **state)
{
    (void)state;
    struct world *w = begin("feedback", "");
    tell_many(w, 1, 8);
    struct tj_assessment as = feedback("\"good\"", NULL);
    assert_ok(tj_store_add_assessment(w->st, &as, &w->a, &w->err), w->err);
    size_t before = count_of(w, "GET");
    assert_int_equal(matches(w, "feedback.quality = 'good' OR tag.n = '77'"),
                     1);
    assert_int_equal(matches(w, "feedback.quality IS NULL"), 7);
    assert_int_equal(count_of(w, "GET"), before);
    struct tj_assessment *list;
    size_t count;
    assert_ok(tj_store_delete_assessment(w->st, trace_id(1), as.id,
                                         &(bool){false}, &w->err),
              w->err);
    assert_ok(
        tj_store_assessments(w->st, trace_id(1), &w->a, &list, &count, &w->err),
        w->err);
    assert_int_equal(count, 0);
    end(w);
}

#define IN_SESSION "\"trace_metadata\":{\"mlflow.trace.session\":\"s1\"}"

static void feedback_may_speak_for_a_session(void **state)
{
    (void)state;
    struct world *w = begin("session", "");
    tell_many(w, 3, 8);
    tell(w, "{\"traces\":[" INFO(TRACE_1, "1", "00.000", IN_SESSION) "}," INFO(
                TRACE_2, "1", "01.000", IN_SESSION) "}]}");
    struct tj_assessment as = feedback("\"good\"", NULL);
    assert_ok(tj_store_add_assessment(w->st, &as, &w->a, &w->err), w->err);
    assert_int_equal(matches(w, "feedback.quality = 'good'"), 1);
    struct tj_assessment whole = feedback("\"fine\"", NULL);
    tj_assessment_set_meta(&whole, &w->a, TJ_STR(TJ_SESSION_KEY), TJ_STR("s1"));
    assert_ok(tj_store_add_assessment(w->st, &whole, &w->a, &w->err), w->err);
    /* The server of this test knows no filters of feedback. */
    assert_int_equal(matches(w, "feedback.quality = 'fine'"), 2);
    assert_int_equal(matches(w, "feedback.quality IS NULL"),
                     7); /* of 8, one is a judge's */
    end(w);
}

static void experiments_are_chosen(void **state)
{
    (void)state;
    struct world *w = begin("places", "?experiment=bank");
    struct tj_store_options o = options_of_test();
    struct tj_trace_query query = {.row_max = 5};
    struct tj_trace_page page;
    tell_many(w, 1, 8);
    assert_int_equal(matches(w, ""), 4);
    reopen(w, "?experiment_id=1", &o);
    assert_int_equal(matches(w, ""), 4);
    reopen(w, "", &o);
    assert_int_equal(matches(w, ""), 8);
    uint64_t two = 2;
    query.experiments = &two;
    query.experiment_count = 1;
    assert_ok(tj_store_search(w->st, &query, &w->a, &page, &w->err), w->err);
    assert_int_equal(page.count, 4);
    o.remote.experiment = TJ_STR("bank");
    reopen(w, "", &o);
    assert_int_equal(matches(w, ""), 4);
    reopen(w, "?experiment=pub", &o);
    assert_fails(tj_store_search(w->st, &query, &w->a, &page, &w->err), w->err,
                 TJ_E_INPUT, "no experiment called 'pub'");
    end(w);
}

static void ids_resolve(void **state)
{
    (void)state;
    struct world *w = begin("resolve", "");
    tj_trace_id id;
    size_t count = 0;
    bool found = false;
    tell_many(w, 1, 20);
    for (int old = 0; old < 2; old++) {
        tell(w, old ? "{\"old\":true}" : "{\"old\":false}");
        assert_ok(
            tj_store_resolve(w->st, TJ_STR(TRACE_2), &id, &count, &w->err),
            w->err);
        assert_int_equal(count, 1);
        assert_ok(tj_store_resolve(w->st,
                                   TJ_STR("tr-0000000000000000000000000000001"),
                                   &id, &count, &w->err),
                  w->err);
        assert_int_equal(count, 5); /* 10 to 14 */
        assert_ok(tj_store_resolve(w->st, TJ_STR("ffff"), &id, &count, &w->err),
                  w->err);
        assert_int_equal(count, 0);
    }
    assert_ok(tj_store_newest(w->st, &id, &found, &w->err), w->err);
    assert_true(found);
    assert_true(tj_trace_id_eq(id, trace_id(18))); /* 19 is a judge's */
    end(w);
}

/* -- what the server is asked ---------------------------------------------------------- */

/* Of traces that came as artifacts the server knows no spans. */
static void conditions_on_spans_miss_nothing(void **state)
{
    (void)state;
    struct world *w = begin("spans", "");
    tell_many(w, 3, 8);
    tell(w,
         "{\"traces\":[" INFO(
             TRACE_1, "1", "00.000",
             TAGS) ",\"spans\":[" REST_SPAN
                   "]}," INFO(
                       TRACE_2, "1", "00.500",
                       "\"tags\":{}") ",\"spans\":null,\"artifact\":[" DICT_SPAN
                                      "]}]}");
    for (int old = 0; old < 2; old++) {
        tell(w, old ? "{\"old\":true}" : "{\"old\":false}");
        size_t n = old ? 1 : 2; /* an old one has no spans but artifacts */
        assert_int_equal(matches(w, "span.name = 'agent'"), n);
        assert_int_equal(matches(w, "span.name = 'agent' AND tag.n = '3'"), 0);
        assert_int_equal(matches(w, "span.name = 'none'"), 0);
        assert_int_equal(matches(w, "text LIKE '%why%'"), n);
        /* The page has told all but the spans. */
        size_t infos = count_of(w, "GET /api/3.0/mlflow/traces/tr-");
        assert_int_equal(matches(w, "span.type = 'AGENT'"), n);
        assert_int_equal(count_of(w, "GET /api/3.0/mlflow/traces/tr-"), infos);
    }
    struct tj_trace_page page;
    tell(w, "{\"old\":false}");
    /* The server says that no span of these meets it: none is read. */
    size_t before = count_of(w, "traces/get");
    assert_int_equal(matches(w, "name = 'agent' AND span.status = 'ERROR'"), 0);
    assert_int_equal(count_of(w, "traces/get"), before);
    page = search(w, "span.status = 'OK'", NULL, 1, (tj_str){0});
    assert_int_equal(page.count, 1);
    assert_true(tj_trace_id_eq(page.infos[0].trace_id, trace_id(2)));
    page = search(w, "span.status = 'OK'", NULL, 1, page.next_page_token);
    assert_int_equal(page.count, 1);
    assert_true(tj_trace_id_eq(page.infos[0].trace_id, trace_id(1)));
    page = search(w, "span.name ILIKE 'AGENT'", "timestamp_ms ASC", 5,
                  (tj_str){0});
    assert_int_equal(page.count, 2);
    end(w);
}

static void the_server_is_asked_no_less_than_we_want(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    static const struct {
        const char *filter;
        const char *asked;
        bool rest;
        const char *spans;
    } cases[] = {
        {"", "", false, ""},
        {"status = 'OK'", "attributes.status = 'OK'", true, ""},
        {"status != 'odd'", "", true, ""},
        {"run_id = 'r' AND name = 'n'",
         "attributes.run_id = 'r' AND attributes.name = 'n'", true, ""},
        {"run_id = 'r'", "attributes.run_id = 'r'", false, ""},
        {"prompt = 'p/1'", "prompt = 'p/1'", false, ""},
        {"issue.id = 'i'", "issue.id = 'i'", false, ""},
        {"run_id = 'r' OR name = 'n'", "", true, ""},
        {"NOT name = 'n'", "", true, ""},
        {"name = 'it''s'", "", true, ""},
        {"name = 'a\"b'", "", true, ""},
        {"name = 'a\\'", "", true, ""},
        {"name ILIKE '%tree%'", "attributes.name ILIKE '%tree%'", true, ""},
        {"name ILIKE 'ask'", "attributes.name ILIKE 'a%'", true, ""},
        {"name ILIKE 'sk\xC3\xA9'", "", true, ""},
        {"name RLIKE 'a.*'", "", true, ""},
        {"name != 'a'", "", true, ""},
        {"timestamp_ms > 5", "attributes.timestamp_ms > 5", true, ""},
        {"timestamp_ms > 5.5", "", true, ""},
        {"execution_time_ms < 5", "", true, ""},
        {"execution_time_ms > 5", "attributes.execution_time_ms > 5", true, ""},
        {"end_time_ms > 5", "", true, ""},
        {"text LIKE '%a%'", "", true, "trace.text LIKE '%a%'"},
        {"text LIKE 'It is \"so\"'", "", true, "trace.text LIKE '%It%is%so%'"},
        {"text ILIKE '%ask me%'", "", true, "trace.text ILIKE '%a%me%'"},
        {"text LIKE '%-%'", "", true, ""},
        {"text LIKE 'a' AND text LIKE 'b'", "", true, "trace.text LIKE '%a%'"},
        {"text LIKE 'a' AND span.name = 'b'", "", true,
         "trace.text LIKE '%a%'"},
        {"span.name = 'b' AND text LIKE 'a'", "", true, "span.name = 'b'"},
        {"span.status = 'ERROR' AND tag.k = 'v' AND span.content LIKE 'x'",
         "tags.`k` = 'v'", true,
         "span.status = 'ERROR' AND span.content LIKE '%x%'"},
        {"span.type = 'TOOL'", "", true, ""},
        {"span.attributes.model LIKE 'gpt%'", "", true,
         "span.attributes.`model` LIKE '%gpt%'"},
        {"span.name = 'a' OR span.name = 'b'", "", true, ""},
        {"tag.k = 'v'", "tags.`k` = 'v'", true, ""},
        {"tag.`a b` IS NULL", "tags.`a b` IS NULL", true, ""},
        {"tag.name = 'v'", "", true, ""},
        {"metadata.mlflow.trace.session = 's'",
         "request_metadata.`mlflow.trace.session` = 's'", true, ""},
        {"feedback.q = 'yes'", "feedback.`q` = 'yes'", true, ""},
        {"feedback.q = '5'", "", true, ""},
        {"feedback.q = 'True'", "", true, ""},
        {"feedback.q > 5", "", true, ""},
        {"feedback.q IS NOT NULL", "feedback.`q` IS NOT NULL", true, ""},
        {"feedback.q IS NULL", "", true, ""},
        {"span.name = 'x'", "", true, "span.name = 'x'"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        const struct tj_filter *f = NULL;
        assert_ok(tj_filter_parse(tj_str_c(cases[i].filter), &a, &f, &err),
                  err);
        struct tj_mlflow_asked asked = tj_mlflow_ask_filter(f, &a);
        assert_str_eq(asked.text, cases[i].asked);
        assert_str_eq(asked.spans, cases[i].spans);
        if ((asked.rest != NULL) != cases[i].rest)
            fail_msg("%s: rest", cases[i].filter);
    }
    tj_arena_release(&a);
}

/* -- a bad server ------------------------------------------------------------------------- */

static void bad_answers_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        enum tj_code code;
        const char *part;
    } cases[] = {
        {"garbage", TJ_E_BACKEND, "does not answer as MLflow does"},
        {"html", TJ_E_BACKEND, "does not answer as MLflow does"},
        {"redirect", TJ_E_BACKEND, "redirect (302)"},
        {"huge", TJ_E_LIMIT, "67108864 bytes"},
        {"status:400", TJ_E_INPUT, "400: as"},
        {"status:401", TJ_E_AUTH, "401"},
        {"status:403", TJ_E_AUTH, "403"},
        {"status:404", TJ_E_BACKEND, "version 3.2"},
        {"status:409", TJ_E_BACKEND, "409"},
        {"status:429:0", TJ_E_BUSY, "429"},
        {"status:500", TJ_E_BACKEND, "500"},
        {"status:502", TJ_E_BACKEND, "502"},
        {"cut", TJ_E_NETWORK, "127.0.0.1"},
        {"half", TJ_E_NETWORK, "127.0.0.1"},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct world *w = begin("bad", "");
        struct tj_trace_query query = {.row_max = 5};
        struct tj_trace_page page;
        tell(w, ONE_TRACE);
        assert_int_equal(matches(w, ""), 1);
        tell(w,
             tj_cstr(&w->a, tj_str_printf(&w->a,
                                          "{\"faults\":[{\"match\":\"search\","
                                          "\"kind\":\"%s\",\"times\":99}]}",
                                          cases[i].kind)));
        assert_fails(tj_store_search(w->st, &query, &w->a, &page, &w->err),
                     w->err, cases[i].code, cases[i].part);
        tell(w, "{\"faults\":[]}");
        assert_int_equal(matches(w, ""), 1);
        end(w);
    }
}

static void a_wrong_address_is_told_at_once(void **state)
{
    (void)state;
    struct world w = {0};
    struct tj_trace_info info;
    bool found;
    struct tj_store_options o = {.remote = {.retry_ms = 60000}};
    assert_ok(
        tj_store_open(TJ_STR("mlflow+http://127.0.0.1:1"), &o, &w.st, &w.err),
        w.err);
    assert_fails(
        tj_store_find_info(w.st, trace_id(1), &w.a, &info, &found, &w.err),
        w.err, TJ_E_NETWORK, "127.0.0.1:1");
    tj_store_close(w.st);
    tj_arena_release(&w.a);
}

static void says_what_it_is(void **state)
{
    (void)state;
    struct world *w = begin("about", "?experiment=shop");
    tj_str about = {0};
    assert_ok(tj_store_describe(w->st, &w->a, &about, &w->err), w->err);
    assert_true(tj_str_starts(about, TJ_STR("MLflow 3.17.2 at http://")));
    assert_true(tj_str_find(about, TJ_STR("experiment shop (1)")) !=
                (size_t)-1);
    tell(w, "{\"faults\":[{\"match\":\"version\",\"kind\":\"html\"}]}");
    assert_fails(tj_store_describe(w->st, &w->a, &about, &w->err), w->err,
                 TJ_E_BACKEND, "no MLflow server");
    struct tj_store_stats stats;
    assert_fails(tj_store_stats(w->st, &stats, &w->err), w->err, TJ_E_INPUT,
                 "no count");
    assert_string_equal(tj_store_backend_name(w->st), "mlflow");
    end(w);
}

/* -- threads -------------------------------------------------------------------------------------- */

struct thread {
    pthread_t id;
    struct tj_store *st;
    bool ok;
};

static void *read_often(void *ctx)
{
    struct thread *t = ctx;
    t->ok = true;
    for (int i = 0; i < 20; i++) {
        struct tj_arena a = {0};
        struct tj_trace trace = {0};
        struct tj_err err = {0};
        t->ok = t->ok &&
                tj_store_open_trace(t->st, trace_id(1), &a, &trace, &err) &&
                trace.span_count == 1;
        tj_arena_release(&a);
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    struct world *w = begin_with_trace("threads");
    struct thread threads[4];
    for (size_t i = 0; i < TJ_COUNT(threads); i++) {
        threads[i] = (struct thread){.st = w->st};
        assert_int_equal(
            pthread_create(&threads[i].id, NULL, read_often, &threads[i]), 0);
    }
    for (size_t i = 0; i < TJ_COUNT(threads); i++) {
        (void)pthread_join(threads[i].id, NULL);
        assert_true(threads[i].ok);
    }
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_and_logins),
        cmocka_unit_test(a_password_is_never_shown),
        cmocka_unit_test(logs_in),
        cmocka_unit_test(opens_both_forms_of_spans),
        cmocka_unit_test(a_trace_may_have_no_spans_or_not_be),
        cmocka_unit_test(other_ids_keep_their_spelling),
        cmocka_unit_test(knows_tokens_without_the_spans),
        cmocka_unit_test(pages_neither_repeat_nor_skip),
        cmocka_unit_test(other_orders_page_too),
        cmocka_unit_test(filters_are_exact),
        cmocka_unit_test(feedback_is_filtered_without_asking_again),
        cmocka_unit_test(feedback_may_speak_for_a_session),
        cmocka_unit_test(experiments_are_chosen),
        cmocka_unit_test(ids_resolve),
        cmocka_unit_test(conditions_on_spans_miss_nothing),
        cmocka_unit_test(the_server_is_asked_no_less_than_we_want),
        cmocka_unit_test(bad_answers_are_errors),
        cmocka_unit_test(a_wrong_address_is_told_at_once),
        cmocka_unit_test(says_what_it_is),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
