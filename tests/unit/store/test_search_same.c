/* test_search_same.c - random filters over random traces: memory and SQLite
 * give the same pages in the same order.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The memory store knows of no SQL and of no sketches: the evaluator decides
 * alone.  Traces come in pieces; some are stale, some settled, some have a
 * sketch.  TRACEJUDGE_TEST_SEED repeats a run that failed.
 */
#include "fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/random.h"
#include "store/filter.h"

enum { ROUNDS = 6, TRACES = 60, PIECES = 4, FILTERS = 200, PAGES_MAX = 100 };

static char folder[] = "/tmp/tj-search-XXXXXX";

struct place {
    struct tj_arena a;
    struct tj_store *st[2]; /* memory, SQLite */
    uint64_t seed;
    uint64_t dice;
    uint32_t next_span;
    uint32_t next_assessment;
};

/* -- chance --------------------------------------------------------------- */

static uint32_t roll(struct place *p, uint32_t sides)
{
    p->dice ^= p->dice << 13;
    p->dice ^= p->dice >> 7;
    p->dice ^= p->dice << 17;
    return (uint32_t)(p->dice >> 33) % sides;
}

static bool chance(struct place *p, uint32_t percent)
{
    return roll(p, 100) < percent;
}

static const char *const words[] = {
    "alpha",
    "Alpha",
    "beta",
    "needle in it",
    "gr\xc3\xbcn",
    "GR\xc3\x9cN",
    "\342\204\252elvin",
    "kelvin",
    "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
    "\xd0\x9f\xd0\xa0\xd0\x98\xd0\x92\xd0\x95\xd0\xa2",
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
    "5",
    "5.0",
    "-0",
    "0",
    "true",
    "True",
    "100%",
    "a_b",
    "{\"k\": \"v\"}",
    "",
    "x",
    "yes",
    "no",
    "\xc5\xbfhort",
    "Short",
    "\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
    "line\nbreak",
};

/* What may be taken for something else: by SQL, by LIKE, as a number, by its
 * case, by its length. */
static const char *const odd_words[] = {
    "it's",
    "say \"hi\"",
    "a`b",
    "a\\b",
    "\\",
    "%",
    "_",
    "a.b",
    " lead",
    "trail ",
    "NULL",
    "nan",
    "1e400",
    "+5",
    ".5",
    "0.5",
    "1e2",
    "100",
    "9007199254740993",
    "9007199254740992",
    "9223372036854775808",
    "stra\xc3\x9f"
    "e",
    "STRA\xe1\xba\x9e"
    "E",
    "\xc4\xb0stanbul",
    "\xc4\xb1stanbul",
    "\xc7\x84",
    "\xc7\x86",
    "\xef\xac\x81n",
    "\xe1\x8e\xa0\xe1\x8e\xa1\xe1\x8e\xa2",
    "\xea\xad\xb0\xea\xad\xb1\xea\xad\xb2",
    "\xf0\x9f\x98\x80 smile",
    "e\xcc\x81",
    "\xc3\x89",
    "\xf0\x90\x90\x80\xf0\x90\x90\x81",
    "\xf0\x90\x90\xa8\xf0\x90\x90\xa9",
    "64 bytes, as long as a value may be to stand in an index of them",
    "65 bytes, one longer than a value may be to stand in an index, as",
};

static const char *word(struct place *p)
{
    static char long_word[1001]; /* longer than what a sketch takes whole */
    uint32_t n = roll(p, 2 * TJ_COUNT(words));
    if (n < TJ_COUNT(words))
        return words[n];
    if (n > TJ_COUNT(words))
        return odd_words[roll(p, TJ_COUNT(odd_words))];
    for (size_t i = 0; i + 1 < sizeof long_word; i++)
        long_word[i] = "a long value, Ends. "[i * i % 20];
    return long_word;
}

#define ONE_OF(p, list) (list)[roll((p), TJ_COUNT(list))]

static const char *const keys[] = {"env", "k",    "K",    "a b",
                                   "a.b", "it's", "x\"y", "mlflow.note"};
static const char *const meta_keys[] = {"run",
                                        "mlflow.trace.session",
                                        "mlflow.trace.user",
                                        "mlflow.sourceRun",
                                        "k",
                                        "a.b",
                                        "it's",
                                        "mlflow.modelId"};
static const char *const sessions[] = {"s1", "s2", "S3", ""};
static const char *const names[] = {"quality", "score", "name"};
static const char *const attributes[] = {"model", "count", "flag",
                                         "note",  "Model", "a b.c"};
static const char *const kinds[] = {"LLM", "TOOL", "AGENT", "custom"};

/* -- traces --------------------------------------------------------------- */

static void make_fields(struct place *p, struct tj_span *s)
{
    static const enum tj_field_type types[] = {TJ_FIELD_STRING, TJ_FIELD_JSON};
    static const char *const numbers[] = {
        "5", "5.0", "12", "1e2", "-0", "0.5", "1e19", "9007199254740993"};
    for (size_t i = 0; i < TJ_COUNT(attributes); i++) {
        if (chance(p, 40))
            continue;
        tj_str name = tj_str_printf(&p->a, "attributes.%s", attributes[i]);
        bool number = i == 1 && chance(p, 70);
        bool flag = i == 2 && chance(p, 70);
        const char *text = number ? ONE_OF(p, numbers)
                           : flag ? (chance(p, 50) ? "true" : "false")
                                  : word(p);
        add_field(s, name.ptr, tj_str_c(text));
        s->fields[s->field_count - 1].type =
            (uint8_t)(number ? TJ_FIELD_NUMBER
                      : flag ? TJ_FIELD_BOOL
                             : types[roll(p, 2)]);
    }
    if (s->field_count && chance(p, 30))
        add_shared(s, "attributes.same", 0);
}

static void make_span(struct place *p, struct tj_batch *b, uint32_t trace)
{
    bool again = p->next_span > 1 && chance(p, 5);
    uint32_t number = again ? 1 + roll(p, p->next_span) : p->next_span++;
    struct tj_span *s = add_span(b, trace, number, 0);
    /* Ties are wanted, and one start for an id that comes again. */
    s->start = AT_MS(number % 5) + trace % 3;
    s->end = chance(p, 10) ? 0 : s->start + roll(p, 4) * TJ_NS_PER_MS;
    s->name = tj_str_c(word(p));
    s->status = (enum tj_status)roll(p, 3);
    const char *kind = ONE_OF(p, kinds);
    if (!tj_kind_parse(tj_str_c(kind), &s->kind))
        s->kind_text = tj_str_c(kind);
    if (chance(p, 20)) /* one trace, one session */
        s->session = tj_str_c(sessions[trace % 4]);
    make_fields(p, s);
}

static void make_info(struct place *p, struct tj_batch *b, uint32_t trace)
{
    static const char *const experiments[] = {"", "a", "b"};
    struct tj_trace_info *info = add_info(b, trace);
    info->experiment = tj_str_c(experiments[trace % 3]);
    if (chance(p, 30))
        info->name = tj_str_c(word(p));
    if (chance(p, 30))
        info->client_request_id = tj_str_c(word(p));
    if (chance(p, 10))
        info->source_id = tj_str_printf(&p->a, "src-%u", trace);
    if (chance(p, 20))
        info->request_time = AT_MS(roll(p, 5));
    if (chance(p, 2))
        info->request_time = UINT64_C(1) << 62;
    if (chance(p, 20))
        info->duration_ns = roll(p, 5) * TJ_NS_PER_MS / 2;
    if (chance(p, 2))
        info->duration_ns = UINT64_C(1) << 62;
    if (chance(p, 30))
        info->state = (enum tj_trace_state)(1 + roll(p, 3));
    if (chance(p, 25))
        info->session = tj_str_c(sessions[trace % 4]);
    if (chance(p, 10))
        info->user = tj_str_c(word(p));
    for (uint32_t i = roll(p, 4); i > 0; i--)
        tj_pairs_set(&info->tags, &p->a, tj_str_c(ONE_OF(p, keys)),
                     tj_str_c(word(p)));
    for (uint32_t i = roll(p, 4); i > 0; i--)
        tj_pairs_set(&info->metadata, &p->a, tj_str_c(ONE_OF(p, meta_keys)),
                     tj_str_c(word(p)));
    if (chance(p, 20))
        tj_pairs_set(&info->tags, &p->a, TJ_STR("mlflow.linkedPrompts"),
                     TJ_STR("[{\"name\":\"greet\",\"version\":\"3\"}]"));
    if (chance(p, 8))
        tj_pairs_set(&info->tags, &p->a, TJ_STR(TJ_TAG_SOURCE_SCORER),
                     TJ_STR("judge"));
}

static void make_assessment(struct place *p, struct tj_batch *b, uint32_t trace)
{
    static const char *const values[] = {"\"yes\"",
                                         "\"no\"",
                                         "5",
                                         "5.0",
                                         "0.25",
                                         "true",
                                         "false",
                                         "null",
                                         "[1,2]",
                                         "",
                                         "{}",
                                         "\"5\"",
                                         "\"gr\xc3\xbcn\"",
                                         "1e19",
                                         "-0",
                                         "\"\"",
                                         "\"gr\\u00fcn\"",
                                         "\"it's\"",
                                         "9007199254740993"};
    struct tj_assessment *as = tj_vec_add(&b->assessments, b->arena);
    uint32_t number = p->next_assessment++;
    as->id = tj_str_printf(&p->a, "a-%u", number);
    as->trace_id = trace_id(trace);
    as->kind = chance(p, 70) ? TJ_FEEDBACK : TJ_EXPECTATION;
    as->name = tj_str_c(ONE_OF(p, names));
    as->value_json = tj_str_c(ONE_OF(p, values));
    as->create_time = as->update_time = AT_MS(number);
    as->valid = chance(p, 85);
    if (!as->value_json.len)
        as->error_code = TJ_STR("broken");
    if (number && chance(p, 20))
        as->overrides = tj_str_printf(&p->a, "a-%u", roll(p, number));
    if (chance(p, 30))
        tj_assessment_set_meta(as, &p->a, TJ_STR("mlflow.trace.session"),
                               tj_str_c(sessions[trace % 4]));
    if (chance(p, 20)) /* looks like it and is not */
        tj_assessment_set_meta(as, &p->a, TJ_STR("note"),
                               TJ_STR("\"mlflow.trace.session\":"));
}

static void both_add(struct place *p, const struct tj_batch *b)
{
    for (size_t i = 0; i < 2; i++)
        must_add(p->st[i], b);
}

/* A piece of some of the traces.  SQLite is at rest after some of them. */
static void add_piece(struct place *p)
{
    struct tj_batch b;
    batch_init(&b, &p->a);
    for (uint32_t trace = 1; trace <= TRACES; trace++) {
        if (chance(p, 50))
            continue;
        if (chance(p, 60))
            make_info(p, &b, trace);
        uint32_t spans = roll(p, 4);
        for (uint32_t i = 0; i < spans; i++)
            make_span(p, &b, trace);
    }
    both_add(p, &b);
    batch_init(&b, &p->a);
    for (uint32_t trace = 1; trace <= TRACES; trace++) {
        struct tj_err err = {0};
        struct tj_trace_info info;
        bool found = false;
        assert_ok(tj_store_find_info(p->st[0], trace_id(trace), &p->a, &info,
                                     &found, &err),
                  err);
        if (found && chance(p, 40))
            make_assessment(p, &b, trace);
    }
    both_add(p, &b);
}

static void change_some(struct place *p)
{
    struct tj_err err = {0};
    for (size_t k = 0; k < 6; k++) {
        tj_trace_id id = trace_id(1 + roll(p, TRACES));
        tj_str key = tj_str_c(ONE_OF(p, keys));
        tj_str value = tj_str_c(word(p));
        uint32_t what = roll(p, 4);
        const char *run = ONE_OF(p, sessions);
        bool done[2] = {false, false}; /* a trace may be absent, in both */
        for (size_t i = 0; i < 2; i++) {
            bool existed;
            size_t linked;
            if (what == 0)
                done[i] = tj_store_set_tag(p->st[i], id, key, value, &err);
            else if (what == 1)
                done[i] = tj_store_delete_tag(p->st[i], id, key, &err);
            else if (what == 2)
                assert_ok(tj_store_link_traces(p->st[i], &id, 1,
                                               tj_str_c(*run ? run : "r"),
                                               &linked, &err),
                          err);
            else if (k == 0)
                assert_ok(tj_store_delete_trace(p->st[i], id, &existed, &err),
                          err);
        }
        assert_int_equal(done[0], done[1]);
    }
}

static void add_all(struct place *p)
{
    struct tj_err err = {0};
    uint32_t rest_after = roll(p, PIECES + 1); /* PIECES: never */
    for (uint32_t i = 0; i < PIECES; i++) {
        add_piece(p);
        change_some(p);
        if (i == rest_after)
            assert_ok(tj_store_quiesce(p->st[1], &err), err);
    }
}

/* -- filters -------------------------------------------------------------- */

static void put_quoted(struct tj_buf *out, const char *text)
{
    tj_buf_byte(out, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            tj_buf_byte(out, '\'');
        tj_buf_byte(out, *c);
    }
    tj_buf_byte(out, '\'');
}

/* '%part of a word%', and now and then a '_'. */
static void put_like(struct place *p, struct tj_buf *out)
{
    const char *text = word(p);
    size_t len = strlen(text);
    size_t from = len ? roll(p, (uint32_t)len) : 0;
    char pattern[1100];
    while ((unsigned char)text[from] >> 6 == 2)
        from++;
    (void)snprintf(pattern, sizeof pattern, "%s%s%s", chance(p, 80) ? "%" : "",
                   text + (chance(p, 50) ? from : 0), chance(p, 70) ? "%" : "");
    for (char *c = pattern; *c; c++) {
        if (*c > 0x20 && *c < 0x7f && *c != '%' && chance(p, 5))
            *c = '_';
    }
    put_quoted(out, pattern);
}

static void put_text_test(struct place *p, struct tj_buf *out, bool nulls,
                          bool lists)
{
    static const char *const ops[] = {" = ", " != ", " LIKE ", " ILIKE "};
    static const char *const patterns[] = {"^al", "[0-9]+", "(?i)GR.N", "e$"};
    uint32_t what = roll(p, 9);
    if (what == 0 && nulls) {
        tj_buf_fmt(out, " IS%s NULL", chance(p, 50) ? " NOT" : "");
    } else if (what == 1 && lists) {
        tj_buf_fmt(out, "%s IN (", chance(p, 40) ? " NOT" : "");
        put_quoted(out, word(p));
        tj_buf_add(out, TJ_STR(", "));
        put_quoted(out, word(p));
        tj_buf_byte(out, ')');
    } else if (what == 2) {
        tj_buf_add(out, TJ_STR(" RLIKE "));
        put_quoted(out, ONE_OF(p, patterns));
    } else {
        uint32_t op = roll(p, TJ_COUNT(ops));
        tj_buf_add(out, tj_str_c(ops[op]));
        if (op < 2)
            put_quoted(out, word(p));
        else
            put_like(p, out);
    }
}

static void put_number_test(struct place *p, struct tj_buf *out, double base)
{
    static const char *const ops[] = {" = ",  " != ", " < ",
                                      " <= ", " > ",  " >= "};
    static const char *const borders[] = {"-1",
                                          "0",
                                          ".5",
                                          "9007199254740992",
                                          "1e19",
                                          "1e308",
                                          "4611686018427",
                                          "9223372036854775807"};
    tj_buf_add(out, tj_str_c(ONE_OF(p, ops)));
    if (chance(p, 10))
        tj_buf_add(out, tj_str_c(ONE_OF(p, borders)));
    else
        tj_buf_fmt(out, "%.1f", base + roll(p, 12) / 2.0 - 0.5);
}

static void put_status_test(struct place *p, struct tj_buf *out)
{
    static const char *const tests[] = {
        " = 'OK'",    " = 'ERROR'",      " != 'ERROR'",
        " = 'ok'",    " IN ('OK', 'x')", " NOT IN ('OK', 'UNSET')",
        " LIKE 'E%'", " ILIKE '%o%'",    " RLIKE '^[EU]'",
        " = 'UNSET'", " IN ('ERROR')",   " = 'IN_PROGRESS'"};
    tj_buf_add(out, tj_str_c(ONE_OF(p, tests)));
}

static void put_id_test(struct place *p, struct tj_buf *out)
{
    uint32_t n = 1 + roll(p, TRACES);
    switch (roll(p, 5)) {
    case 0: tj_buf_fmt(out, "request_id = 'tr-%032x'", n); break;
    case 1: tj_buf_fmt(out, "request_id != '%032X'", n); break;
    case 2:
        tj_buf_fmt(out, "request_id IN ('tr-%032x', 'src-%u', 'x')", n, n + 1);
        break;
    case 3: tj_buf_fmt(out, "request_id NOT IN ('src-%u', 'x')", n); break;
    default: tj_buf_fmt(out, "request_id LIKE '%%%u'", n % 10); break;
    }
}

static void put_attribute_clause(struct place *p, struct tj_buf *out)
{
    double day = (double)(DAY_NS / TJ_NS_PER_MS);
    switch (roll(p, 11)) {
    case 0: put_id_test(p, out); break;
    case 1:
        tj_buf_add(out, TJ_STR("status"));
        put_status_test(p, out);
        break;
    case 2:
        tj_buf_add(out, TJ_STR("timestamp_ms"));
        put_number_test(p, out, day);
        break;
    case 3:
        tj_buf_add(out, TJ_STR("execution_time"));
        put_number_test(p, out, 0);
        break;
    case 4:
        tj_buf_add(out, TJ_STR("end_time_ms"));
        put_number_test(p, out, day + 2);
        break;
    case 5:
        tj_buf_add(out, TJ_STR("name"));
        put_text_test(p, out, true, true);
        break;
    case 6:
        tj_buf_add(out, TJ_STR("client_request_id"));
        put_text_test(p, out, true, true);
        break;
    case 7:
        tj_buf_add(out, TJ_STR("run_id"));
        if (chance(p, 50))
            tj_buf_fmt(out, " = '%s'", ONE_OF(p, sessions));
        else
            put_text_test(p, out, true, true);
        break;
    case 8: tj_buf_add(out, TJ_STR("prompt = 'greet/3'")); break;
    case 9:
        tj_buf_add(out, TJ_STR("experiment_id"));
        tj_buf_add(out, chance(p, 50) ? TJ_STR(" IN ('a', 'Default')")
                                      : TJ_STR(" != 'a'"));
        break;
    default:
        tj_buf_fmt(out, "trace.text %s ", chance(p, 50) ? "LIKE" : "ILIKE");
        put_like(p, out);
    }
}

static void put_span_clause(struct place *p, struct tj_buf *out)
{
    uint32_t what = roll(p, 6);
    if (what == 0) {
        tj_buf_add(out, TJ_STR("span.status"));
        put_status_test(p, out);
    } else if (what == 1) {
        static const char *const ops[] = {"=", "!=", "ILIKE", "LIKE"};
        tj_buf_fmt(out, "span.type %s '%s'", ONE_OF(p, ops), ONE_OF(p, kinds));
    } else if (what == 2) {
        tj_buf_add(out, TJ_STR("span.name"));
        put_text_test(p, out, false, true);
    } else if (what == 3) {
        tj_buf_fmt(out, "span.content %s ", chance(p, 50) ? "LIKE" : "ILIKE");
        put_like(p, out);
    } else {
        tj_buf_fmt(out, "span.`attributes.%s`",
                   chance(p, 85) ? ONE_OF(p, attributes) : "same");
        put_text_test(p, out, true, true);
    }
}

static void put_clause(struct place *p, struct tj_buf *out)
{
    switch (roll(p, 6)) {
    case 0:
    case 1: put_attribute_clause(p, out); break;
    case 2:
        tj_buf_fmt(out, "tag.`%s`", ONE_OF(p, keys));
        put_text_test(p, out, true, false);
        break;
    case 3:
        tj_buf_fmt(out, "metadata.`%s`", ONE_OF(p, meta_keys));
        if (chance(p, 30))
            tj_buf_fmt(out, " = '%s'", ONE_OF(p, sessions));
        else
            put_text_test(p, out, true, false);
        break;
    case 4:
        tj_buf_fmt(out, "%s.%s", chance(p, 70) ? "feedback" : "expectation",
                   ONE_OF(p, names));
        if (chance(p, 40))
            put_number_test(p, out, 2.5);
        else
            put_text_test(p, out, true, false);
        break;
    default: put_span_clause(p, out); break;
    }
}

static void put_expression(struct place *p, struct tj_buf *out, int depth)
{
    uint32_t what = depth >= 3 ? 0 : roll(p, 6);
    if (what < 2) {
        put_clause(p, out);
        return;
    }
    if (what == 2)
        tj_buf_add(out, TJ_STR("NOT "));
    tj_buf_byte(out, '(');
    put_expression(p, out, depth + 1);
    if (what > 2) {
        tj_buf_add(out, what == 3 ? TJ_STR(" OR ") : TJ_STR(" AND "));
        put_expression(p, out, depth + 1);
    }
    tj_buf_byte(out, ')');
}

/* -- searching ------------------------------------------------------------ */

static void make_order(struct place *p, struct tj_trace_query *q)
{
    static const char *const orders[] = {"timestamp_ms DESC",
                                         "timestamp",
                                         "execution_time DESC",
                                         "execution_time_ms",
                                         "status",
                                         "name DESC",
                                         "name",
                                         "request_id",
                                         "run_id",
                                         "tag.env",
                                         "tag.k DESC",
                                         "metadata.k",
                                         "experiment_id",
                                         "client_request_id",
                                         "end_time DESC",
                                         "tag.`a.b`",
                                         "tag.`it's` DESC",
                                         "metadata.`mlflow.trace.session`",
                                         "metadata.`mlflow.trace.user` DESC",
                                         "status DESC"};
    struct tj_order *list = tj_arena_array(&p->a, struct tj_order, 3);
    struct tj_err err = {0};
    q->order = list;
    q->order_count = chance(p, 50) ? 0 : 1 + roll(p, 3);
    for (size_t i = 0; i < q->order_count; i++) {
        tj_str text = tj_str_c(ONE_OF(p, orders));
        if (!tj_order_parse(text, &p->a, &list[i], &err))
            list[i] = (struct tj_order){.attribute = TJ_ATTR_NAME};
    }
}

static void same_page(struct place *p, const struct tj_trace_page pages[2],
                      tj_str filter)
{
    bool same = pages[0].count == pages[1].count &&
                pages[0].total == pages[1].total &&
                !pages[0].next_page_token.len == !pages[1].next_page_token.len;
    for (size_t i = 0; same && i < pages[0].count; i++)
        same = tj_trace_id_eq(pages[0].infos[i].trace_id,
                              pages[1].infos[i].trace_id);
    if (same)
        return;
    for (size_t k = 0; k < 2; k++) {
        print_message("# %s:", tj_store_backend_name(p->st[k]));
        for (size_t i = 0; i < pages[k].count; i++)
            print_message(" %u", pages[k].infos[i].trace_id.bytes[15]);
        print_message(" of %lld\n", (long long)pages[k].total);
    }
    fail_msg("TRACEJUDGE_TEST_SEED=%llu: %.*s", (unsigned long long)p->seed,
             TJ_STR_ARG(filter));
}

/* All pages of one filter; returns how many matched. */
static size_t search_both(struct place *p, struct tj_trace_query *q,
                          tj_str filter)
{
    struct tj_trace_page pages[2];
    tj_str tokens[2] = {{0}};
    struct tj_err err = {0};
    size_t count = 0;
    for (int n = 0; n < PAGES_MAX; n++) {
        for (size_t i = 0; i < 2; i++) {
            q->page_token = tokens[i];
            if (!tj_store_search(p->st[i], q, &p->a, &pages[i], &err))
                fail_msg("TRACEJUDGE_TEST_SEED=%llu: %.*s: %s",
                         (unsigned long long)p->seed, TJ_STR_ARG(filter),
                         err.message);
            tokens[i] = pages[i].next_page_token;
        }
        same_page(p, pages, filter);
        count += pages[0].count;
        if (!tokens[0].len)
            return count;
    }
    fail_msg("the pages do not end");
    return 0;
}

static size_t one_filter(struct place *p)
{
    static const uint64_t experiments[] = {1, 2};
    const struct tj_filter *filter = NULL;
    struct tj_err err = {0};
    struct tj_buf text;
    tj_buf_init(&text, &p->a, 1 << 16);
    put_expression(p, &text, chance(p, 40) ? 2 : 0);
    assert_ok(tj_filter_parse(tj_buf_str(&text), &p->a, &filter, &err), err);
    struct tj_trace_query q = {
        .filter = chance(p, 97) ? filter : NULL,
        .row_max = 1 + roll(p, chance(p, 30) ? 4 : 80),
        .with_judge_traces = chance(p, 50),
        .experiments = experiments,
        .experiment_count = chance(p, 60) ? 0 : 1 + roll(p, 2),
    };
    make_order(p, &q);
    return search_both(p, &q, tj_buf_str(&text));
}

static void the_same_pages(void **state)
{
    (void)state;
    const char *given = getenv("TRACEJUDGE_TEST_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : tj_random_u64() >> 20;
    size_t matched = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct place p = {.seed = first + round, .next_span = 1};
        struct tj_err err = {0};
        struct tj_store_options options = {.durability = TJ_DURABLE_RELAXED,
                                           .create = true};
        p.dice = p.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
        tj_str url =
            tj_str_printf(&p.a, "sqlite://%s/%u.db", folder, (unsigned)round);
        assert_ok(tj_store_open(TJ_STR("memory:"), &options, &p.st[0], &err),
                  err);
        assert_ok(tj_store_open(url, &options, &p.st[1], &err), err);
        add_all(&p);
        for (int i = 0; i < FILTERS; i++)
            matched += one_filter(&p);
        tj_store_close(p.st[0]);
        tj_store_close(p.st[1]);
        tj_arena_release(&p.a);
        if (given)
            break;
    }
    print_message("# seed %llu: %zu traces matched\n",
                  (unsigned long long)first, matched);
    assert_true(matched > FILTERS);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[128];
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < TJ_COUNT(ends); i++) {
            (void)snprintf(path, sizeof path, "%s/%u.db%s", folder, round,
                           ends[i]);
            (void)unlink(path);
        }
    }
    (void)rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_pages),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
