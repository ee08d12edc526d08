/* test_store_records.c - experiments, records, edits, links, on all stores.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "members.h"

#include "store/store_records.h"

/* -- experiments ---------------------------------------------------------- */

static struct tj_experiment must_make(struct state *s, const char *name)
{
    struct tj_experiment in = {.name = tj_str_c(name)};
    struct tj_experiment out = {0};
    bool fresh = false;
    assert_ok(
        tj_store_add_experiment(s->st, &in, &s->arena, &out, &fresh, &s->err),
        s->err);
    assert_true(fresh);
    return out;
}

static struct tj_experiment must_find(struct state *s, uint64_t id)
{
    struct tj_experiment ex = {0};
    bool found = false;
    assert_ok(
        tj_store_find_experiment(s->st, id, &s->arena, &ex, &found, &s->err),
        s->err);
    assert_true(found);
    return ex;
}

static void default_is_there_from_the_start(void **initial)
{
    struct state *s = begin(initial);
    struct tj_experiment ex = must_find(s, 0);
    assert_str_eq(ex.name, "Default");
    bool found = false;
    assert_ok(tj_store_find_experiment_named(s->st, TJ_STR("Default"),
                                             &s->arena, &ex, &found, &s->err),
              s->err);
    assert_true(found);
    assert_int_equal(ex.id, 0);
    assert_ok(
        tj_store_find_experiment(s->st, 1, &s->arena, &ex, &found, &s->err),
        s->err);
    assert_false(found);
    assert_ok(tj_store_find_experiment_named(s->st, TJ_STR("no"), &s->arena,
                                             &ex, &found, &s->err),
              s->err);
    assert_false(found);
    end(s);
}

static void keeps_all_of_an_experiment(void **initial)
{
    struct state *s = begin(initial);
    struct tj_experiment in = {
        .name = TJ_STR("a \"b\" \xc3\xa9"),
        .artifact_location = TJ_STR("mlflow-artifacts:/1"),
        .create_time = AT_MS(1),
        .update_time = AT_MS(2),
    };
    tj_pairs_set(&in.tags, &s->arena, TJ_STR("k\"1\n"), TJ_STR("v\\1"));
    tj_pairs_set(&in.tags, &s->arena, TJ_STR("k2"), TJ_STR(""));
    struct tj_experiment out;
    bool fresh;
    assert_ok(
        tj_store_add_experiment(s->st, &in, &s->arena, &out, &fresh, &s->err),
        s->err);
    assert_true(fresh);
    assert_int_equal(out.id, 1);
    out = must_find(s, 1);
    assert_str_eq(out.name, "a \"b\" \xc3\xa9");
    assert_str_eq(out.artifact_location, "mlflow-artifacts:/1");
    assert_int_equal(out.create_time, AT_MS(1));
    assert_int_equal(out.update_time, AT_MS(2));
    assert_false(out.deleted);
    assert_int_equal(out.tags.count, 2);
    assert_str_eq(tj_pairs_find(&out.tags, TJ_STR("k\"1\n")), "v\\1");

    /* The same name again: that one, unchanged. */
    in.artifact_location = TJ_STR("other");
    assert_ok(
        tj_store_add_experiment(s->st, &in, &s->arena, &out, &fresh, &s->err),
        s->err);
    assert_false(fresh);
    assert_int_equal(out.id, 1);
    assert_str_eq(out.artifact_location, "mlflow-artifacts:/1");

    in.name = TJ_STR("");
    assert_fails(
        tj_store_add_experiment(s->st, &in, &s->arena, &out, &fresh, &s->err),
        s->err, TJ_E_INPUT, "experiment name is empty");
    in.name = TJ_STR("n");
    tj_pairs_set(&in.tags, &s->arena, TJ_STR("big"),
                 noise(&s->arena, TJ_EXPERIMENT_TAGS_BYTES_MAX, 1));
    assert_fails(
        tj_store_add_experiment(s->st, &in, &s->arena, &out, &fresh, &s->err),
        s->err, TJ_E_LIMIT, "tags of an experiment");
    end(s);
}

/* What an edit does, and with what. */
struct plan {
    enum tj_edit result;
    tj_str name;
    unsigned calls;
};

static enum tj_edit edit_experiment(void *ctx, struct tj_experiment *ex,
                                    struct tj_arena *a, struct tj_err *err)
{
    struct plan *p = ctx;
    p->calls++;
    if (p->name.ptr)
        ex->name = p->name;
    ex->id = 77; /* not what an edit may change */
    ex->deleted = true;
    ex->update_time = AT_MS(9);
    tj_pairs_set(&ex->tags, a, TJ_STR("t"), TJ_STR("v"));
    if (p->result == TJ_EDIT_FAIL)
        (void)tj_fail(err, TJ_E_INPUT, "no, said the edit");
    return p->result;
}

static bool edit_it(struct state *s, uint64_t id, struct plan *p, bool *found)
{
    return tj_store_edit_experiment(s->st, id, edit_experiment, p, &s->arena,
                                    found, &s->err);
}

static void edits_experiments(void **initial)
{
    struct state *s = begin(initial);
    struct tj_experiment one = must_make(s, "one");
    (void)must_make(s, "two");
    bool found = false;
    struct plan p = {.result = TJ_EDIT_KEEP};
    assert_ok(edit_it(s, one.id, &p, &found), s->err);
    assert_true(found);
    assert_false(must_find(s, one.id).deleted);
    p.result = TJ_EDIT_FAIL;
    assert_fails(edit_it(s, one.id, &p, &found), s->err, TJ_E_INPUT,
                 "no, said the edit");
    assert_false(must_find(s, one.id).deleted);
    p.result = TJ_EDIT_DELETE;
    assert_fails(edit_it(s, one.id, &p, &found), s->err, TJ_E_INPUT,
                 "not removed");
    p.result = TJ_EDIT_PUT;
    p.name = TJ_STR("two");
    assert_fails(edit_it(s, one.id, &p, &found), s->err, TJ_E_INPUT,
                 "\"two\" exists already");
    p.name = TJ_STR("");
    assert_fails(edit_it(s, one.id, &p, &found), s->err, TJ_E_INPUT,
                 "name is empty");
    p.name = TJ_STR("uno");
    assert_ok(edit_it(s, one.id, &p, &found), s->err);
    struct tj_experiment ex = must_find(s, one.id);
    assert_str_eq(ex.name, "uno");
    assert_true(ex.deleted);
    assert_int_equal(ex.update_time, AT_MS(9));
    assert_int_equal(ex.create_time, one.create_time);
    assert_str_eq(tj_pairs_find(&ex.tags, TJ_STR("t")), "v");
    assert_int_equal(p.calls, 6);
    assert_ok(edit_it(s, 99, &p, &found), s->err);
    assert_false(found);
    assert_int_equal(p.calls, 6);

    /* Listed with the deleted one; the next id is a fresh one. */
    assert_int_equal(must_make(s, "three").id, 3);
    struct tj_experiment *list;
    size_t count;
    assert_ok(tj_store_experiments(s->st, &s->arena, &list, &count, &s->err),
              s->err);
    assert_int_equal(count, 4);
    const char *names[] = {"Default", "uno", "two", "three"};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].id, i);
        assert_str_eq(list[i].name, names[i]);
    }
    end(s);
}

static void traces_belong_to_experiments(void **initial)
{
    struct state *s = begin(initial);
    struct tj_experiment one = must_make(s, "one");
    add_span(&s->batch, 1, 1, 0);
    add_info(&s->batch, 2)->experiment = TJ_STR("one");
    add_info(&s->batch, 3)->experiment = TJ_STR("made now");
    add_info(&s->batch, 4)->experiment_id = one.id;
    must_add(s->st, &s->batch);
    assert_int_equal(must_info(s->st, 1, &s->arena).experiment_id, 0);
    assert_str_eq(must_info(s->st, 1, &s->arena).experiment, "");
    assert_int_equal(must_info(s->st, 2, &s->arena).experiment_id, one.id);
    struct tj_trace_info made = must_info(s->st, 3, &s->arena);
    assert_int_equal(made.experiment_id, one.id + 1);
    assert_str_eq(must_find(s, made.experiment_id).name, "made now");
    assert_str_eq(must_info(s->st, 4, &s->arena).experiment, "one");

    /* A name belongs to the experiment, not to its traces. */
    bool found;
    struct plan p = {.result = TJ_EDIT_PUT, .name = TJ_STR("uno")};
    assert_ok(edit_it(s, one.id, &p, &found), s->err);
    assert_str_eq(must_info(s->st, 2, &s->arena).experiment, "uno");

    /* Saying nothing changes nothing; naming "Default" moves it back. */
    next_batch(s);
    add_info(&s->batch, 2)->name = TJ_STR("n");
    add_span(&s->batch, 2, 1, 0);
    must_add(s->st, &s->batch);
    assert_int_equal(must_info(s->st, 2, &s->arena).experiment_id, one.id);
    struct tj_trace t = must_open(s->st, 2, &s->arena);
    assert_int_equal(t.info.experiment_id, one.id);
    next_batch(s);
    add_info(&s->batch, 2)->experiment = TJ_STR("Default");
    must_add(s->st, &s->batch);
    struct tj_trace_info moved = must_info(s->st, 2, &s->arena);
    assert_int_equal(moved.experiment_id, 0);
    assert_str_eq(moved.experiment, "");

    next_batch(s);
    add_info(&s->batch, 9)->experiment_id = 99;
    assert_fails(tj_store_add_batch(s->st, &s->batch, &s->err), s->err,
                 TJ_E_INPUT, "no experiment 99");
    struct tj_trace_page page;
    struct tj_trace_query query = {.row_max = 10};
    assert_ok(tj_store_search(s->st, &query, &s->arena, &page, &s->err),
              s->err);
    assert_int_equal(page.count, 4);
    for (size_t i = 0; i < page.count; i++) {
        uint64_t n = page.infos[i].trace_id.bytes[15];
        assert_int_equal(page.infos[i].experiment_id, n < 3    ? 0
                                                      : n == 3 ? one.id + 1
                                                               : one.id);
    }
    end(s);
}

/* -- records -------------------------------------------------------------- */

struct put {
    enum tj_edit result;
    tj_str parent;
    tj_str name;
    tj_str body;
    tj_time create_time;
    bool found; /* as the edit saw it */
    tj_str body_before;
};

static enum tj_edit edit_record(void *ctx, struct tj_record *r, bool found,
                                struct tj_arena *a, struct tj_err *err)
{
    (void)a;
    struct put *p = ctx;
    p->found = found;
    p->body_before = r->body;
    r->parent = p->parent;
    r->name = p->name;
    r->body = p->body;
    r->update_time = AT_MS(50);
    r->row = 1234; /* not what an edit may change */
    if (p->create_time)
        r->create_time = p->create_time;
    if (p->result == TJ_EDIT_FAIL)
        (void)tj_fail(err, TJ_E_LIMIT, "too much");
    return p->result;
}

static bool put(struct state *s, enum tj_record_kind kind, const char *id,
                struct put *p)
{
    return tj_store_edit_record(s->st, kind, tj_str_c(id), edit_record, p,
                                &s->arena, &s->err);
}

static struct tj_record find(struct state *s, enum tj_record_kind kind,
                             const char *id, bool *found)
{
    struct tj_record r = {0};
    assert_ok(tj_store_find_record(s->st, kind, tj_str_c(id), &s->arena, &r,
                                   found, &s->err),
              s->err);
    return r;
}

/* All or nothing, and each sees what those before it wrote. */
static void edits_records_as_one(void **initial)
{
    struct state *s = begin(initial);
    bool found = false;
    struct put one = {.result = TJ_EDIT_PUT, .body = TJ_STR("1")};
    struct put two = {.result = TJ_EDIT_PUT, .body = TJ_STR("2")};
    struct put away = {.result = TJ_EDIT_DELETE};
    struct put fail = {.result = TJ_EDIT_FAIL};
    assert_ok(put(s, TJ_RECORD_RUN, "old", &one), s->err);
    const struct tj_record_work failing[] = {
        {TJ_RECORD_RUN, TJ_STR("old"), edit_record, &two},
        {TJ_RECORD_RUN, TJ_STR("new"), edit_record, &one},
        {TJ_RECORD_RUN, TJ_STR("old"), edit_record, &away},
        {TJ_RECORD_RUN, TJ_STR("x"), edit_record, &fail},
    };
    assert_fails(tj_store_edit_records(s->st, failing, TJ_COUNT(failing),
                                       &s->arena, &s->err),
                 s->err, TJ_E_LIMIT, "too much");
    assert_true(away.found);
    assert_str_eq(away.body_before, "2");
    assert_str_eq(find(s, TJ_RECORD_RUN, "old", &found).body, "1");
    assert_true(found);
    (void)find(s, TJ_RECORD_RUN, "new", &found);
    assert_false(found);
    assert_ok(tj_store_edit_records(s->st, failing, 3, &s->arena, &s->err),
              s->err);
    (void)find(s, TJ_RECORD_RUN, "old", &found);
    assert_false(found);
    assert_str_eq(find(s, TJ_RECORD_RUN, "new", &found).body, "1");
    assert_true(found);
    end(s);
}

static void edits_records(void **initial)
{
    struct state *s = begin(initial);
    bool found = true;
    (void)find(s, TJ_RECORD_RUN, "r1", &found);
    assert_false(found);
    struct put p = {
        .result = TJ_EDIT_KEEP,
        .parent = TJ_STR("ex"),
        .name = TJ_STR("n"),
        .body = TJ_STR("{\"a\0b\": 1}"),
    };
    assert_ok(put(s, TJ_RECORD_RUN, "r1", &p), s->err);
    assert_false(p.found);
    (void)find(s, TJ_RECORD_RUN, "r1", &found);
    assert_false(found);
    p.result = TJ_EDIT_FAIL;
    assert_fails(put(s, TJ_RECORD_RUN, "r1", &p), s->err, TJ_E_LIMIT,
                 "too much");
    p.result = TJ_EDIT_PUT;
    assert_ok(put(s, TJ_RECORD_RUN, "r1", &p), s->err);
    struct tj_record r = find(s, TJ_RECORD_RUN, "r1", &found);
    assert_true(found);
    assert_int_equal(r.kind, TJ_RECORD_RUN);
    assert_str_eq(r.id, "r1");
    assert_str_eq(r.parent, "ex");
    assert_str_eq(r.name, "n");
    assert_true(tj_str_eq(r.body, TJ_STR("{\"a\0b\": 1}")));
    assert_int_equal(r.update_time, AT_MS(50));
    assert_true(r.create_time > 0);
    tj_time created = r.create_time;

    p.body = TJ_STR("second");
    p.create_time = AT_MS(1);
    assert_ok(put(s, TJ_RECORD_RUN, "r1", &p), s->err);
    assert_true(p.found);
    assert_true(tj_str_eq(p.body_before, TJ_STR("{\"a\0b\": 1}")));
    r = find(s, TJ_RECORD_RUN, "r1", &found);
    assert_str_eq(r.body, "second");
    assert_int_equal(r.create_time, created);

    /* An id is one's own within its kind. */
    (void)find(s, TJ_RECORD_DATASET, "r1", &found);
    assert_false(found);
    p.body = TJ_STR("set");
    assert_ok(put(s, TJ_RECORD_DATASET, "r1", &p), s->err);
    assert_false(p.found);
    p.result = TJ_EDIT_DELETE;
    assert_ok(put(s, TJ_RECORD_RUN, "r1", &p), s->err);
    (void)find(s, TJ_RECORD_RUN, "r1", &found);
    assert_false(found);
    assert_ok(put(s, TJ_RECORD_RUN, "r1", &p), s->err);
    assert_false(p.found);
    assert_str_eq(find(s, TJ_RECORD_DATASET, "r1", &found).body, "set");

    p.result = TJ_EDIT_PUT;
    assert_ok(put(s, TJ_RECORD_RUN, "r1", &p), s->err);
    assert_false(p.found);
    assert_str_eq(p.body_before, "");
    (void)find(s, TJ_RECORD_RUN, "r1", &found);
    assert_true(found);
    end(s);
}

static void refuses_bad_records(void **initial)
{
    struct state *s = begin(initial);
    struct put p = {.result = TJ_EDIT_PUT};
    assert_fails(put(s, TJ_RECORD_KIND_COUNT, "x", &p), s->err, TJ_E_INPUT,
                 "no kind of record");
    assert_fails(put(s, TJ_RECORD_RUN, "", &p), s->err, TJ_E_INPUT,
                 "record id is empty");
    p.name = noise(&s->arena, TJ_NAME_BYTES_MAX + 1, 1);
    assert_fails(put(s, TJ_RECORD_RUN, "x", &p), s->err, TJ_E_LIMIT,
                 "record name");
    p.name = TJ_STR("");
    p.parent = noise(&s->arena, TJ_NAME_BYTES_MAX + 1, 1);
    assert_fails(put(s, TJ_RECORD_RUN, "x", &p), s->err, TJ_E_LIMIT,
                 "record parent");
    p.parent = TJ_STR("");
    p.body = (tj_str){"", TJ_RECORD_BYTES_MAX + 1};
    assert_fails(put(s, TJ_RECORD_RUN, "x", &p), s->err, TJ_E_LIMIT,
                 "record body");
    struct tj_record_page page;
    struct tj_record_query q = {.kind = TJ_RECORD_RUN, .row_max = 0};
    assert_fails(tj_store_records(s->st, &q, &s->arena, &page, &s->err), s->err,
                 TJ_E_INPUT, "1 to 1000");
    q.row_max = TJ_SEARCH_ROWS_MAX;
    q.page_token = TJ_STR("12");
    assert_fails(tj_store_records(s->st, &q, &s->arena, &page, &s->err), s->err,
                 TJ_E_INPUT, "page token");
    end(s);
}

/* All ids of the pages of a query, with blanks between. */
static tj_str listed(struct state *s, struct tj_record_query q)
{
    struct tj_buf b;
    tj_buf_init(&b, &s->arena, 4096);
    size_t pages = 0;
    do {
        struct tj_record_page page;
        assert_ok(tj_store_records(s->st, &q, &s->arena, &page, &s->err),
                  s->err);
        assert_true(page.count <= q.row_max);
        for (size_t i = 0; i < page.count; i++) {
            assert_int_equal(page.items[i].kind, q.kind);
            if (b.len)
                tj_buf_byte(&b, ' ');
            tj_buf_add(&b, page.items[i].id);
        }
        q.page_token = page.next_page_token;
        assert_true(++pages < 100);
    } while (q.page_token.len);
    return tj_buf_str(&b);
}

static void lists_records(void **initial)
{
    struct state *s = begin(initial);
    /* Times: 5, 4, 4, 4, 2, 1; parents a and b in turn. */
    static const unsigned times[] = {5, 4, 4, 4, 2, 1};
    for (size_t i = 0; i < TJ_COUNT(times); i++) {
        struct put p = {
            .result = TJ_EDIT_PUT,
            .parent = i % 2 ? TJ_STR("b") : TJ_STR("a"),
            .name = i < 3 ? TJ_STR("x") : TJ_STR(""),
            .create_time = AT_MS(times[i]),
        };
        assert_ok(put(s, TJ_RECORD_METRIC,
                      tj_str_printf(&s->arena, "m%zu", i).ptr, &p),
                  s->err);
    }
    struct put other = {.result = TJ_EDIT_PUT, .parent = TJ_STR("a")};
    assert_ok(put(s, TJ_RECORD_RUN, "r", &other), s->err);
    for (size_t rows = 1; rows < 8; rows++) {
        struct tj_record_query q = {.kind = TJ_RECORD_METRIC, .row_max = rows};
        assert_str_eq(listed(s, q), "m5 m4 m1 m2 m3 m0");
        q.newest_first = true;
        assert_str_eq(listed(s, q), "m0 m3 m2 m1 m4 m5");
        q.parent = TJ_STR("b");
        assert_str_eq(listed(s, q), "m3 m1 m5");
        q.name = TJ_STR("x");
        assert_str_eq(listed(s, q), "m1");
        q.parent = (tj_str){0};
        assert_str_eq(listed(s, q), "m0 m2 m1");
        q.newest_first = false;
        assert_str_eq(listed(s, q), "m1 m2 m0");
        q.name = TJ_STR(""); /* the empty name, not any */
        assert_str_eq(listed(s, q), "m5 m4 m3");
        q.kind = TJ_RECORD_SCORER;
        assert_str_eq(listed(s, q), "");
    }
    end(s);
}

static void deletes_records_of_a_parent(void **initial)
{
    struct state *s = begin(initial);
    for (unsigned i = 0; i < 6; i++) {
        struct put p = {
            .result = TJ_EDIT_PUT,
            .parent = i % 2 ? TJ_STR("b") : TJ_STR("a"),
        };
        assert_ok(put(s, i < 4 ? TJ_RECORD_DATASET_ROW : TJ_RECORD_ATTACHMENT,
                      tj_str_printf(&s->arena, "d%u", i).ptr, &p),
                  s->err);
    }
    uint64_t deleted = 9;
    assert_ok(tj_store_delete_records(s->st, TJ_RECORD_DATASET_ROW,
                                      TJ_STR("none"), &deleted, &s->err),
              s->err);
    assert_int_equal(deleted, 0);
    assert_ok(tj_store_delete_records(s->st, TJ_RECORD_DATASET_ROW, TJ_STR("a"),
                                      &deleted, &s->err),
              s->err);
    assert_int_equal(deleted, 2);
    struct tj_record_query q = {.kind = TJ_RECORD_DATASET_ROW, .row_max = 10};
    assert_str_eq(listed(s, q), "d1 d3");
    q.kind = TJ_RECORD_ATTACHMENT;
    assert_str_eq(listed(s, q), "d4 d5");
    end(s);
}

/* -- links ---------------------------------------------------------------- */

static tj_str matching(struct state *s, const char *filter)
{
    const struct tj_filter *f = NULL;
    struct tj_trace_page page;
    struct tj_buf b;
    tj_buf_init(&b, &s->arena, 4096);
    assert_ok(tj_filter_parse(tj_str_c(filter), &s->arena, &f, &s->err),
              s->err);
    struct tj_trace_query q = {.filter = f, .row_max = 100};
    assert_ok(tj_store_search(s->st, &q, &s->arena, &page, &s->err), s->err);
    for (size_t i = page.count; i > 0; i--)
        tj_buf_fmt(&b, "%s%d", i == page.count ? "" : " ",
                   page.infos[i - 1].trace_id.bytes[15]);
    return tj_buf_str(&b);
}

static void links_traces_to_runs(void **initial)
{
    struct state *s = begin(initial);
    for (uint32_t i = 1; i <= 4; i++)
        add_span(&s->batch, i, i, 0);
    tj_pairs_set(&add_info(&s->batch, 1)->metadata, &s->arena,
                 TJ_STR("mlflow.sourceRun"), TJ_STR("r1"));
    must_add(s->st, &s->batch);
    tj_trace_id ids[] = {trace_id(2), trace_id(9), trace_id(3)};
    size_t linked = 0;
    assert_ok(
        tj_store_link_traces(s->st, ids, 3, TJ_STR("r1"), &linked, &s->err),
        s->err);
    assert_int_equal(linked, 2);
    assert_ok(
        tj_store_link_traces(s->st, ids, 1, TJ_STR("r1"), &linked, &s->err),
        s->err);
    assert_ok(
        tj_store_link_traces(s->st, ids, 1, TJ_STR("r2"), &linked, &s->err),
        s->err);
    assert_int_equal(linked, 1);
    assert_fails(
        tj_store_link_traces(s->st, ids, 1, TJ_STR(""), &linked, &s->err),
        s->err, TJ_E_INPUT, "run id is empty");
    assert_fails(tj_store_link_traces(s->st, ids, TJ_TRACE_IDS_MAX + 1,
                                      TJ_STR("r"), &linked, &s->err),
                 s->err, TJ_E_LIMIT, "trace ids");
    struct tj_trace_info info = must_info(s->st, 2, &s->arena);
    assert_int_equal(info.links.count, 2);
    assert_str_eq(tj_pairs_find(&info.links, TJ_STR("r1")), "run");
    assert_str_eq(tj_pairs_find(&info.links, TJ_STR("r2")), "run");
    assert_int_equal(info.metadata.count, 0);
    assert_int_equal(info.tags.count, 0);
    assert_int_equal(must_open(s->st, 3, &s->arena).info.links.count, 1);

    assert_str_eq(matching(s, "run_id = 'r1'"), "1 2 3");
    assert_str_eq(matching(s, "run_id = 'r2'"), "2");
    assert_str_eq(matching(s, "run_id IN ('r2', 'r3')"), "2");
    assert_str_eq(matching(s, "run_id != 'r1'"), "");
    assert_str_eq(matching(s, "run_id != 'r2'"), "1 3");

    /* Spans that come later take no link away. */
    next_batch(s);
    add_span(&s->batch, 3, 33, 3);
    must_add(s->st, &s->batch);
    assert_int_equal(must_info(s->st, 3, &s->arena).links.count, 1);
    end(s);
}

/* -- edits of assessments ------------------------------------------------- */

struct change {
    enum tj_edit result;
    tj_str key;
    unsigned calls;
    bool was_valid;
};

static enum tj_edit edit_assessment(void *ctx, struct tj_assessment *as,
                                    struct tj_arena *a, struct tj_err *err)
{
    struct change *c = ctx;
    c->calls++;
    c->was_valid = as->valid;
    as->value_json = TJ_STR("\"new\"");
    as->error_code = TJ_STR("E1");
    as->update_time = AT_MS(8);
    as->id = TJ_STR("other"); /* not what an edit may change */
    as->trace_id = trace_id(77);
    as->key = c->key;
    tj_assessment_set_meta(as, a, TJ_STR("added"), TJ_STR("x"));
    if (c->result == TJ_EDIT_FAIL)
        (void)tj_fail(err, TJ_E_INPUT, "no, said the edit");
    return c->result;
}

static void add_label(struct state *s, const char *id, const char *key,
                      const char *overrides)
{
    struct tj_assessment as = {
        .id = tj_str_c(id),
        .trace_id = trace_id(1),
        .name = TJ_STR("quality"),
        .source_type = TJ_SOURCE_HUMAN,
        .value_json = TJ_STR("1"),
        .rationale = TJ_STR("because"),
        .create_time = AT_MS(3),
        .valid = true,
        .key = tj_str_c(key),
        .overrides = tj_str_c(overrides),
    };
    tj_assessment_set_meta(&as, &s->arena, TJ_STR("m"), TJ_STR("1"));
    assert_ok(tj_store_add_assessment(s->st, &as, &s->arena, &s->err), s->err);
}

static struct tj_assessment label(struct state *s, const char *id)
{
    struct tj_assessment *list;
    size_t count;
    assert_ok(tj_store_assessments(s->st, trace_id(1), &s->arena, &list, &count,
                                   &s->err),
              s->err);
    for (size_t i = 0; i < count; i++) {
        if (tj_str_eq(list[i].id, tj_str_c(id)))
            return list[i];
    }
    return (struct tj_assessment){0};
}

static bool edit_label(struct state *s, const char *id, struct change *c,
                       bool *found)
{
    return tj_store_edit_assessment(s->st, trace_id(1), tj_str_c(id),
                                    edit_assessment, c, &s->arena, found,
                                    &s->err);
}

static void edits_assessments(void **initial)
{
    struct state *s = begin(initial);
    add_span(&s->batch, 1, 1, 0);
    must_add(s->st, &s->batch);
    add_label(s, "a-1", "k1", "");
    add_label(s, "a-2", "k2", "a-1");
    bool found = false;
    struct change c = {.result = TJ_EDIT_KEEP, .key = TJ_STR("k1")};
    assert_ok(edit_label(s, "a-1", &c, &found), s->err);
    assert_true(found);
    assert_false(c.was_valid); /* a-2 took its place */
    assert_str_eq(label(s, "a-1").value_json, "1");
    c.result = TJ_EDIT_FAIL;
    assert_fails(edit_label(s, "a-1", &c, &found), s->err, TJ_E_INPUT,
                 "no, said the edit");
    c.result = TJ_EDIT_PUT;
    c.key = TJ_STR("k3");
    assert_ok(edit_label(s, "a-2", &c, &found), s->err);
    assert_true(found);
    assert_true(c.was_valid);
    struct tj_assessment as = label(s, "a-2");
    assert_str_eq(as.id, "a-2");
    assert_str_eq(as.value_json, "\"new\"");
    assert_str_eq(as.error_code, "E1");
    assert_str_eq(as.rationale, "because");
    assert_str_eq(as.key, "k3");
    assert_int_equal(as.create_time, AT_MS(3));
    assert_int_equal(as.update_time, AT_MS(8));
    assert_int_equal(as.metadata.count, 2);
    assert_str_eq(tj_assessment_meta(&as, TJ_STR("added")), "x");
    assert_true(tj_trace_id_eq(as.trace_id, trace_id(1)));

    c.key = TJ_STR("k1");
    assert_fails(edit_label(s, "a-2", &c, &found), s->err, TJ_E_INPUT,
                 "has the key \"k1\"");
    assert_str_eq(label(s, "a-2").key, "k3");

    /* Without the one that replaced it, the first is valid again. */
    c.result = TJ_EDIT_DELETE;
    assert_ok(edit_label(s, "a-2", &c, &found), s->err);
    assert_true(found);
    assert_str_eq(label(s, "a-2").id, "");
    assert_true(label(s, "a-1").valid);

    unsigned calls = c.calls;
    assert_ok(edit_label(s, "a-2", &c, &found), s->err);
    assert_false(found);
    assert_ok(tj_store_edit_assessment(s->st, trace_id(5), TJ_STR("a-1"),
                                       edit_assessment, &c, &s->arena, &found,
                                       &s->err),
              s->err);
    assert_false(found);
    assert_int_equal(c.calls, calls);
    end(s);
}

/* -- deleting many traces ------------------------------------------------- */

static tj_str left(struct state *s)
{
    return matching(s, "timestamp_ms >= 0");
}

static uint64_t doom(struct state *s, struct tj_trace_doomed d)
{
    uint64_t deleted = 99;
    assert_ok(tj_store_delete_traces(s->st, &d, &deleted, &s->err), s->err);
    return deleted;
}

static void deletes_many_traces(void **initial)
{
    struct state *s = begin(initial);
    for (uint32_t i = 1; i <= 9; i++) {
        add_span(&s->batch, i, i, 0);
        add_info(&s->batch, i)->experiment =
            i % 2 ? TJ_STR("odd") : TJ_STR("even");
    }
    must_add(s->st, &s->batch);
    int64_t odd = (int64_t)must_info(s->st, 1, &s->arena).experiment_id;
    int64_t even = (int64_t)must_info(s->st, 2, &s->arena).experiment_id;
    uint64_t deleted;
    struct tj_trace_doomed none = {.experiment_id = odd};
    assert_fails(tj_store_delete_traces(s->st, &none, &deleted, &s->err),
                 s->err, TJ_E_INPUT, "neither ids nor a time");
    tj_trace_id ids[] = {trace_id(9), trace_id(2), trace_id(3), trace_id(3),
                         trace_id(77)};
    assert_int_equal(doom(s, (struct tj_trace_doomed){.experiment_id = even,
                                                      .ids = ids,
                                                      .id_count = 5,
                                                      .max_time = AT_MS(1)}),
                     0);
    assert_int_equal(doom(s, (struct tj_trace_doomed){.experiment_id = odd,
                                                      .ids = ids,
                                                      .id_count = 5,
                                                      .count_max = 1}),
                     1);
    assert_str_eq(left(s), "1 2 4 5 6 7 8 9");
    assert_int_equal(
        doom(s, (struct tj_trace_doomed){.experiment_id = TJ_EXPERIMENT_ANY,
                                         .ids = ids,
                                         .id_count = 5}),
        2);
    assert_str_eq(left(s), "1 4 5 6 7 8");
    assert_int_equal(doom(s, (struct tj_trace_doomed){.experiment_id = even,
                                                      .max_time = AT_MS(7)}),
                     2);
    assert_str_eq(left(s), "1 5 7 8");
    assert_int_equal(
        doom(s, (struct tj_trace_doomed){.experiment_id = TJ_EXPERIMENT_ANY,
                                         .max_time = UINT64_MAX,
                                         .count_max = 3}),
        3);
    assert_str_eq(left(s), "8");
    end(s);
}

/* A trace takes its attachments with it, and only its own. */
static void deletes_attachments(void **initial)
{
    struct state *s = begin(initial);
    for (uint32_t i = 1; i <= 3; i++) {
        struct put p = {.result = TJ_EDIT_PUT,
                        .parent = tj_trace_id_text(&s->arena, trace_id(i))};
        add_span(&s->batch, i, i, 0);
        assert_ok(put(s, TJ_RECORD_ATTACHMENT,
                      tj_str_printf(&s->arena, "f%u", i).ptr, &p),
                  s->err);
    }
    must_add(s->st, &s->batch);
    bool existed = false;
    tj_trace_id one = trace_id(1);
    assert_ok(tj_store_delete_trace(s->st, one, &existed, &s->err), s->err);
    struct tj_record_query q = {.kind = TJ_RECORD_ATTACHMENT, .row_max = 10};
    assert_str_eq(listed(s, q), "f2 f3");
    tj_trace_id two = trace_id(2);
    assert_int_equal(
        doom(s, (struct tj_trace_doomed){.experiment_id = TJ_EXPERIMENT_ANY,
                                         .ids = &two,
                                         .id_count = 1}),
        1);
    assert_str_eq(listed(s, q), "f3");
    end(s);
}

/* More than one transaction takes. */
static void deletes_very_many_traces(void **initial)
{
    struct state *s = begin(initial);
    for (uint32_t i = 1; i <= 600; i++)
        add_span(&s->batch, i, i, 0);
    must_add(s->st, &s->batch);
    tj_trace_id *ids = tj_arena_array(&s->arena, tj_trace_id, 600);
    for (uint32_t i = 0; i < 600; i++)
        ids[i] = trace_id(600 - i);
    assert_int_equal(
        doom(s, (struct tj_trace_doomed){.experiment_id = TJ_EXPERIMENT_ANY,
                                         .ids = ids,
                                         .id_count = 600,
                                         .count_max = 300}),
        300);
    struct tj_trace t = must_open(s->st, 300, &s->arena);
    assert_false(tj_trace_is_open(&t));
    t = must_open(s->st, 301, &s->arena);
    assert_true(tj_trace_is_open(&t));
    assert_int_equal(
        doom(s, (struct tj_trace_doomed){.experiment_id = TJ_EXPERIMENT_ANY,
                                         .max_time = UINT64_MAX,
                                         .count_max = 299}),
        299);
    assert_str_eq(left(s), "88"); /* 600 & 255 */
    end(s);
}

/* -- running -------------------------------------------------------------- */

static const struct named_case cases[] = {
    CASE(default_is_there_from_the_start),
    CASE(keeps_all_of_an_experiment),
    CASE(edits_experiments),
    CASE(traces_belong_to_experiments),
    CASE(edits_records),
    CASE(edits_records_as_one),
    CASE(refuses_bad_records),
    CASE(lists_records),
    CASE(deletes_records_of_a_parent),
    CASE(links_traces_to_runs),
    CASE(edits_assessments),
    CASE(deletes_attachments),
    CASE(deletes_many_traces),
    CASE(deletes_very_many_traces),
};

int main(void)
{
    return run_on_all(cases, TJ_COUNT(cases), NULL, 0);
}
