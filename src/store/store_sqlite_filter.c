/* store_sqlite_filter.c - a filter as SQL over the table of traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     tag.k = 'v'       EXISTS(SELECT 1 FROM trace_pair WHERE ... value = ?)
 *     name LIKE 'a%'    MAY  (t.stale OR tj_ask(?, nullif(t.name, '')))
 *                       MUST (NOT t.stale AND tj_ask(...))
 *     span.name = 'x'   MAY  (t.stale OR tj_ask(?, (... sketch ...)))
 *                       MUST 0
 *
 * tj_ask hands the value to filter_value.h, which also decides for
 * filter_eval.c: what LIKE means is written once.
 */
#include "store/store_sqlite_filter.h"

#include <math.h>

#include "base/limits.h"
#include "store/filter_value.h"
#include "store/sketch.h"

enum { DEPTH_MAX = TJ_FILTER_CLAUSES_MAX + TJ_FILTER_DEPTH_MAX + 1 };

/* A clause that SQL asks us about. */
struct asking {
    struct tj_db_ask ask; /* first: what SQL hands back */
    const struct tj_filter *clause;
    struct tj_filter_test test;
    /* What the sketch must admit: one of these. */
    TJ_VEC(struct tj_sketch_ask) any;
    bool sketched; /* any is made */
};

struct tj_sqlite_filter {
    const struct tj_filter *root;
    struct tj_arena *arena;
    TJ_VEC(struct asking) askings; /* in the order of the tree; fixed */
    size_t next;                   /* of the tree that is being written */
    struct tj_sql *out;
};

/* -- making ready --------------------------------------------------------- */

static bool add_clauses(struct tj_sqlite_filter *f, const struct tj_filter *n,
                        size_t depth, struct tj_err *err)
{
    assert(depth < DEPTH_MAX);
    if (n->kind != TJ_FILTER_CLAUSE)
        return add_clauses(f, n->left, depth + 1, err) &&
               (n->kind == TJ_FILTER_NOT ||
                add_clauses(f, n->right, depth + 1, err));
    struct asking *asking = tj_vec_add(&f->askings, f->arena);
    asking->clause = n;
    return tj_filter_test_init(&asking->test, n, f->arena, err);
}

struct tj_sqlite_filter *tj_sqlite_filter_new(const struct tj_filter *filter,
                                              struct tj_arena *a,
                                              struct tj_err *err)
{
    struct tj_sqlite_filter *f = tj_arena_new(a, struct tj_sqlite_filter);
    f->root = filter;
    f->arena = a;
    if (add_clauses(f, filter, 0, err))
        return f;
    tj_sqlite_filter_free(f);
    return NULL;
}

void tj_sqlite_filter_free(struct tj_sqlite_filter *f)
{
    if (!f)
        return;
    tj_vec_each (&f->askings, struct asking, asking)
        tj_filter_test_release(&asking->test);
}

/* -- answers -------------------------------------------------------------- */

static const struct asking *asking_of(const struct tj_db_ask *ask)
{
    return (const struct asking *)(const void *)ask;
}

static bool answer_text(const struct tj_db_ask *ask, tj_str value)
{
    return tj_filter_test_text(&asking_of(ask)->test, value, TJ_VALUE_TEXT);
}

static bool answer_json(const struct tj_db_ask *ask, tj_str value)
{
    struct tj_arena scratch = {0};
    bool met = tj_filter_test_json(&asking_of(ask)->test, value, &scratch);
    tj_arena_release(&scratch);
    return met;
}

/* A trace without a sketch may contain anything. */
static bool answer_sketch(const struct tj_db_ask *ask, tj_str value)
{
    const struct asking *asking = asking_of(ask);
    bool admits = !value.ptr;
    for (size_t i = 0; i < asking->any.count && !admits; i++)
        admits = tj_sketch_admits(value, &asking->any.items[i]);
    return admits;
}

/* -- pieces of SQL -------------------------------------------------------- */

/* "tj_ask(?, expression)" */
static void put_ask(struct tj_sqlite_filter *f, struct asking *asking,
                    const char *expression)
{
    asking->ask.answer = answer_text;
    tj_sql_add(f->out, "tj_ask(");
    tj_sql_ask(f->out, &asking->ask);
    tj_sql_add(f->out, ", ");
    tj_sql_add(f->out, expression);
    tj_sql_add(f->out, ")");
}

/* Around what is only known of traces that are not stale. */
static void open_derived(struct tj_sqlite_filter *f,
                         enum tj_sqlite_reading reading)
{
    tj_sql_add(f->out,
               reading == TJ_SQLITE_MAY ? "(t.stale OR " : "(NOT t.stale AND ");
}

static enum tj_sqlite_reading opposite(enum tj_sqlite_reading reading)
{
    return reading == TJ_SQLITE_MAY ? TJ_SQLITE_MUST : TJ_SQLITE_MAY;
}

/* For what SQL cannot decide. */
static void put_open(struct tj_sqlite_filter *f, enum tj_sqlite_reading reading)
{
    tj_sql_add(f->out, reading == TJ_SQLITE_MAY ? "1" : "0");
}

static void put_derived_ask(struct tj_sqlite_filter *f, struct asking *asking,
                            enum tj_sqlite_reading reading,
                            const char *expression)
{
    open_derived(f, reading);
    put_ask(f, asking, expression);
    tj_sql_add(f->out, ")");
}

/* -- attributes ----------------------------------------------------------- */

/* The id that we print, and the one that the source used; both must pass when
 * the test is negative. */
static void put_id(struct tj_sqlite_filter *f, struct asking *asking)
{
    bool negative = tj_filter_test_is_negative(&asking->test);
    bool listed =
        asking->clause->op == TJ_OP_EQ || asking->clause->op == TJ_OP_IN;
    tj_sql_add(f->out, "(");
    if (listed) {
        tj_sql_add(f->out, "t.id IN (");
        for (size_t i = 0; i < asking->clause->value_count; i++) {
            tj_trace_id *id = tj_arena_new(f->arena, tj_trace_id);
            bool good = tj_trace_id_parse(asking->clause->values[i], id);
            tj_sql_add(f->out, i ? ", " : "");
            tj_sql_blob(f->out, (tj_str){(const char *)id->bytes,
                                         good ? sizeof id->bytes : 0});
        }
        tj_sql_add(f->out, ")");
    } else {
        put_ask(f, asking, "'tr-' || lower(hex(t.id))");
    }
    tj_sql_add(f->out, negative ? " AND (t.source_id = '' OR "
                                : " OR (t.source_id <> '' AND ");
    put_ask(f, asking, "t.source_id");
    tj_sql_add(f->out, "))");
}

/* There are few: each is tried now. */
static void put_state(struct tj_sqlite_filter *f, struct asking *asking,
                      enum tj_sqlite_reading reading)
{
    open_derived(f, reading);
    tj_sql_add(f->out, "t.state IN (-1");
    for (int state = TJ_STATE_UNSPECIFIED; state <= TJ_STATE_IN_PROGRESS;
         state++) {
        tj_str name = tj_str_c(tj_trace_state_name((enum tj_trace_state)state));
        if (tj_filter_test_text(&asking->test, name, TJ_VALUE_TEXT))
            tj_buf_fmt(&f->out->text, ", %d", state);
    }
    tj_sql_add(f->out, "))");
}

static const char *op_sql(enum tj_filter_op op)
{
    switch (op) {
    case TJ_OP_EQ: return " = ";
    case TJ_OP_NE: return " <> ";
    case TJ_OP_LT: return " < ";
    case TJ_OP_LE: return " <= ";
    case TJ_OP_GT: return " > ";
    case TJ_OP_GE: return " >= ";
    default: return NULL;
    }
}

/* Whole milliseconds.  Times are kept as 64 bits without a sign: one over
 * 2^63 looks negative to SQL, which is left to the evaluator. */
static void put_ms(struct tj_sqlite_filter *f, const struct tj_filter *clause,
                   enum tj_sqlite_reading reading, const char *known,
                   const char *ns)
{
    assert(op_sql(clause->op));
    tj_sql_add(f->out, reading == TJ_SQLITE_MAY
                           ? "(t.stale OR t.request_time < 0"
                             " OR t.duration < 0 OR ("
                           : "(NOT t.stale AND t.request_time >= 0"
                             " AND t.duration >= 0 AND (");
    tj_sql_add(f->out, known);
    tj_sql_add(f->out, " AND (");
    tj_sql_add(f->out, ns);
    tj_sql_add(f->out, ") / 1000000");
    tj_sql_add(f->out, op_sql(clause->op));
    tj_sql_double(f->out, clause->number);
    tj_sql_add(f->out, "))");
}

/* The run that made a trace, and those it was linked to. */
#define RUNS                                                                   \
    "(SELECT iif(kind = 2, key, value) AS run FROM trace_pair"                 \
    " WHERE trace = t.row AND (kind = 2 OR"                                    \
    " (kind = 0 AND key = 'mlflow.sourceRun' AND value <> '')))"

static void put_run(struct tj_sqlite_filter *f, struct asking *asking)
{
    if (asking->clause->op == TJ_OP_IS_NULL) {
        tj_sql_add(f->out, "NOT EXISTS " RUNS);
        return;
    }
    bool negative = tj_filter_test_is_negative(&asking->test);
    tj_sql_add(f->out, negative ? "(EXISTS " RUNS " AND NOT EXISTS(SELECT 1"
                                  " FROM " RUNS " WHERE NOT "
                                : "(EXISTS(SELECT 1 FROM " RUNS " WHERE ");
    put_ask(f, asking, "run");
    tj_sql_add(f->out, "))");
}

/* -- spans ---------------------------------------------------------------- */

static bool is_content(const struct tj_filter *clause)
{
    return clause->entity == TJ_ENTITY_ATTRIBUTE ||
           tj_str_eq(clause->key, TJ_STR("content"));
}

/* A LIKE matches only texts with all that stands between its wildcards. */
static void ask_like(struct tj_sketch_ask *ask, struct tj_arena *a, tj_str like)
{
    size_t from = 0;
    for (size_t i = 0; i <= like.len; i++) {
        if (i < like.len && like.ptr[i] != '%' && like.ptr[i] != '_')
            continue;
        tj_sketch_ask_text(ask, a, tj_str_slice(like, from, i - from));
        from = i + 1;
    }
}

/* A number may be written otherwise ("5", "5.0"): known by its term alone. */
static void ask_equal(struct tj_sketch_ask *ask, struct tj_arena *a, tj_str key,
                      tj_str value)
{
    double number;
    tj_sketch_ask_term(ask, a, key, value);
    if (!tj_str_to_double(value, &number) && !tj_str_eq(key, TJ_STR("status")))
        tj_sketch_ask_text(ask, a, value);
}

/* What a trace that matches has in its sketch: any of these; none when the
 * sketch cannot tell. */
static void find_terms(struct tj_sqlite_filter *f, struct asking *asking)
{
    const struct tj_filter *c = asking->clause;
    bool equal = c->op == TJ_OP_EQ || c->op == TJ_OP_IN;
    bool like = (c->op == TJ_OP_LIKE || c->op == TJ_OP_ILIKE) &&
                !tj_str_eq(c->key, TJ_STR("status"));
    if (asking->sketched || (!equal && !like))
        return;
    asking->sketched = true;
    for (size_t i = 0; i < c->value_count; i++) {
        struct tj_sketch_ask ask = {0};
        if (like)
            ask_like(&ask, f->arena, c->values[i]);
        else
            ask_equal(&ask, f->arena, c->key, c->values[i]);
        if (ask.hashes.count == 0) {
            asking->any.count = 0;
            return;
        }
        *tj_vec_add(&asking->any, f->arena) = ask;
    }
}

static void put_span(struct tj_sqlite_filter *f, struct asking *asking,
                     enum tj_sqlite_reading reading)
{
    const struct tj_filter *c = asking->clause;
    if (reading == TJ_SQLITE_MAY)
        find_terms(f, asking);
    if (reading == TJ_SQLITE_MUST || asking->any.count == 0) {
        put_open(f, reading);
        return;
    }
    open_derived(f, reading);
    if (!is_content(c) && tj_str_eq(c->key, TJ_STR("status")) &&
        c->op == TJ_OP_EQ && tj_str_eq(c->values[0], TJ_STR("ERROR")))
        tj_sql_add(f->out, "t.error_count > 0 AND ");
    asking->ask.answer = answer_sketch;
    tj_sql_add(f->out, "tj_ask(");
    tj_sql_ask(f->out, &asking->ask);
    tj_sql_add(f->out, ", (SELECT bits FROM sketch WHERE trace = t.row)))");
}

static void put_attribute(struct tj_sqlite_filter *f, struct asking *asking,
                          enum tj_sqlite_reading reading)
{
    const struct tj_filter *c = asking->clause;
    switch (c->attribute) {
    case TJ_ATTR_REQUEST_ID: put_id(f, asking); break;
    case TJ_ATTR_TIMESTAMP_MS:
        put_ms(f, c, reading, "t.request_time", "t.request_time");
        break;
    case TJ_ATTR_EXECUTION_TIME_MS:
        put_ms(f, c, reading, "(t.duration OR t.state <> 3)", "t.duration");
        break;
    case TJ_ATTR_END_TIME_MS:
        put_ms(f, c, reading, "t.request_time", "t.request_time + t.duration");
        break;
    case TJ_ATTR_STATUS: put_state(f, asking, reading); break;
    case TJ_ATTR_CLIENT_REQUEST_ID:
        put_ask(f, asking, "nullif(t.client_request_id, '')");
        break;
    case TJ_ATTR_NAME:
        put_derived_ask(f, asking, reading, "nullif(t.name, '')");
        break;
    case TJ_ATTR_RUN_ID: put_run(f, asking); break;
    case TJ_ATTR_EXPERIMENT_ID:
        put_ask(f, asking,
                "coalesce((SELECT name FROM experiment"
                " WHERE id = t.experiment AND id > 0), 'Default')");
        break;
    case TJ_ATTR_PROMPT:
        tj_sql_add(f->out, reading == TJ_SQLITE_MAY
                               ? "EXISTS(SELECT 1 FROM trace_pair"
                                 " WHERE trace = t.row AND kind = 1"
                                 " AND key = 'mlflow.linkedPrompts')"
                               : "0");
        break;
    case TJ_ATTR_TEXT: put_span(f, asking, reading); break;
    }
}

/* -- tags and metadata ---------------------------------------------------- */

static void put_pair(struct tj_sqlite_filter *f, struct asking *asking,
                     const char *kind)
{
    const struct tj_filter *c = asking->clause;
    tj_sql_add(f->out, c->op == TJ_OP_IS_NULL ? "NOT EXISTS(" : "EXISTS(");
    tj_sql_add(f->out, "SELECT 1 FROM trace_pair WHERE trace = t.row"
                       " AND kind = ");
    tj_sql_add(f->out, kind);
    tj_sql_add(f->out, " AND key = ");
    tj_sql_text(f->out, c->key);
    if (c->op == TJ_OP_EQ) {
        tj_sql_add(f->out, " AND value = ");
        tj_sql_text(f->out, c->values[0]);
    } else if (c->op != TJ_OP_IS_NULL && c->op != TJ_OP_IS_NOT_NULL) {
        tj_sql_add(f->out, " AND ");
        put_ask(f, asking, "value");
    }
    tj_sql_add(f->out, ")");
}

/* Session and user are metadata although they may come from the spans. */
static void put_metadata(struct tj_sqlite_filter *f, struct asking *asking,
                         enum tj_sqlite_reading reading)
{
#define META_OR(key, column)                                                   \
    "coalesce((SELECT value FROM trace_pair WHERE trace = t.row"               \
    " AND kind = 0 AND key = '" key "'), nullif(t." column ", ''))"
    tj_str key = asking->clause->key;
    if (tj_str_eq(key, TJ_STR("mlflow.trace.session")))
        put_derived_ask(f, asking, reading,
                        META_OR("mlflow.trace.session", "session"));
    else if (tj_str_eq(key, TJ_STR("mlflow.trace.user")))
        put_derived_ask(f, asking, reading,
                        META_OR("mlflow.trace.user", "user"));
    else
        put_pair(f, asking, "0");
#undef META_OR
}

/* -- assessments ---------------------------------------------------------- */

/* "x.kind = ... AND ...": a valid one of this name, and of the wanted value. */
static void put_valid(struct tj_sqlite_filter *f, struct asking *asking)
{
    const struct tj_filter *c = asking->clause;
    tj_sql_add(f->out,
               c->entity == TJ_ENTITY_FEEDBACK ? "x.kind = 0" : "x.kind = 1");
    tj_sql_add(f->out, " AND x.valid AND x.name = ");
    tj_sql_text(f->out, c->key);
    tj_sql_add(f->out, " AND NOT EXISTS(SELECT 1 FROM assessment AS o"
                       " WHERE o.trace = x.trace AND o.overrides = x.id)");
    if (c->op == TJ_OP_IS_NULL || c->op == TJ_OP_IS_NOT_NULL)
        return;
    asking->ask.answer = answer_json;
    tj_sql_add(f->out, " AND tj_ask(");
    tj_sql_ask(f->out, &asking->ask);
    tj_sql_add(f->out, ", x.value)");
}

/* Of the trace itself, or of its session: one that says so in its metadata,
 * of any trace of the session. */
static void put_assessment(struct tj_sqlite_filter *f, struct asking *asking,
                           enum tj_sqlite_reading reading)
{
    bool absent = asking->clause->op == TJ_OP_IS_NULL;
    if (absent)
        reading = opposite(reading);
    tj_sql_add(f->out, absent ? "(NOT (" : "((");
    tj_sql_add(f->out, "EXISTS(SELECT 1 FROM assessment AS x"
                       " WHERE x.trace = t.row AND ");
    put_valid(f, asking);
    tj_sql_add(f->out, ") OR ");
    open_derived(f, reading);
    tj_sql_add(f->out, "t.session <> '' AND (t.session, t.experiment) IN"
                       " (SELECT s.session, s.experiment FROM assessment AS x"
                       " JOIN trace AS s ON s.row = x.trace"
                       " WHERE instr(x.metadata,"
                       " '\"mlflow.trace.session\":') > 0 AND ");
    put_valid(f, asking);
    tj_sql_add(f->out, "))))");
}

/* -- the tree ------------------------------------------------------------- */

static void put_clause(struct tj_sqlite_filter *f,
                       enum tj_sqlite_reading reading)
{
    struct asking *asking = &f->askings.items[f->next++];
    switch (asking->clause->entity) {
    case TJ_ENTITY_ATTRIBUTE: put_attribute(f, asking, reading); break;
    case TJ_ENTITY_TAG: put_pair(f, asking, "1"); break;
    case TJ_ENTITY_METADATA: put_metadata(f, asking, reading); break;
    case TJ_ENTITY_SPAN: put_span(f, asking, reading); break;
    case TJ_ENTITY_FEEDBACK:
    case TJ_ENTITY_EXPECTATION: put_assessment(f, asking, reading); break;
    case TJ_ENTITY_ISSUE: tj_sql_add(f->out, "0"); break;
    }
}

static void put_tree(struct tj_sqlite_filter *f, const struct tj_filter *n,
                     enum tj_sqlite_reading reading, size_t depth)
{
    assert(depth < DEPTH_MAX);
    switch (n->kind) {
    case TJ_FILTER_CLAUSE: put_clause(f, reading); return;
    case TJ_FILTER_NOT:
        tj_sql_add(f->out, "NOT (");
        put_tree(f, n->left, opposite(reading), depth + 1);
        break;
    case TJ_FILTER_AND:
    case TJ_FILTER_OR:
        tj_sql_add(f->out, "(");
        put_tree(f, n->left, reading, depth + 1);
        tj_sql_add(f->out, n->kind == TJ_FILTER_AND ? " AND " : " OR ");
        put_tree(f, n->right, reading, depth + 1);
        break;
    }
    tj_sql_add(f->out, ")");
}

void tj_sqlite_filter_write(struct tj_sqlite_filter *f,
                            enum tj_sqlite_reading reading, struct tj_sql *out)
{
    f->out = out;
    f->next = 0;
    put_tree(f, f->root, reading, 0);
}

/* -- times ---------------------------------------------------------------- */

static tj_time ms_to_ns(double ms)
{
    double ns = ms * (double)TJ_NS_PER_MS;
    if (!(ns > 0))
        return 0;
    return ns >= (double)INT64_MAX ? INT64_MAX : (tj_time)ms * TJ_NS_PER_MS;
}

static void narrow(const struct tj_filter *n, size_t depth, tj_time *from,
                   tj_time *end)
{
    assert(depth < DEPTH_MAX);
    if (n->kind == TJ_FILTER_AND) {
        narrow(n->left, depth + 1, from, end);
        narrow(n->right, depth + 1, from, end);
    }
    if (n->kind != TJ_FILTER_CLAUSE || n->entity != TJ_ENTITY_ATTRIBUTE ||
        n->attribute != TJ_ATTR_TIMESTAMP_MS)
        return;
    bool above = n->op == TJ_OP_GT || n->op == TJ_OP_GE || n->op == TJ_OP_EQ;
    bool below = n->op == TJ_OP_LT || n->op == TJ_OP_LE || n->op == TJ_OP_EQ;
    tj_time low = ms_to_ns(floor(n->number));
    tj_time high = ms_to_ns(floor(n->number) + 1);
    if (above && low > *from)
        *from = low;
    if (below && high < *end)
        *end = high;
}

void tj_sqlite_filter_times(const struct tj_sqlite_filter *f, tj_time *from,
                            tj_time *end)
{
    *from = 0;
    *end = UINT64_MAX;
    narrow(f->root, 0, from, end);
}
