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

enum {
    DEPTH_MAX = TJ_FILTER_CLAUSES_MAX + TJ_FILTER_DEPTH_MAX + 1,
    /* Parentheses inside each other.  SQLite's parser has a stack of 100
     * symbols: three for each of these, and about 40 for a clause. */
    LEVELS_MAX = 12,
};

/* A clause that SQL asks us about. */
struct asking {
    struct tj_db_ask ask; /* first: what SQL hands back */
    const struct tj_filter *clause;
    struct tj_filter_test test;
    /* What the sketch must admit: one of these. */
    TJ_VEC(struct tj_sketch_ask) any;
    bool sketched; /* any is made */
    bool required; /* what matches, matches this: only ANDs are above it */
};

struct tj_sqlite_filter {
    const struct tj_filter *root;
    struct tj_arena *arena;
    TJ_VEC(struct asking) askings; /* in the order of the tree; fixed */
    size_t next;                   /* of the tree that is being written */
    struct tj_sql *out;
};

/* -- making ready --------------------------------------------------------- */

enum need { REQUIRED, OPTIONAL };

static bool add_clauses(struct tj_sqlite_filter *f, const struct tj_filter *n,
                        enum need need, size_t depth, struct tj_err *err)
{
    assert(depth < DEPTH_MAX);
    if (n->kind != TJ_FILTER_CLAUSE) {
        need = n->kind == TJ_FILTER_AND ? need : OPTIONAL;
        return add_clauses(f, n->left, need, depth + 1, err) &&
               (n->kind == TJ_FILTER_NOT ||
                add_clauses(f, n->right, need, depth + 1, err));
    }
    struct asking *asking = tj_vec_add(&f->askings, f->arena);
    asking->clause = n;
    asking->required = need == REQUIRED;
    return tj_filter_test_init(&asking->test, n, f->arena, err);
}

struct tj_sqlite_filter *tj_sqlite_filter_new(const struct tj_filter *filter,
                                              struct tj_arena *a,
                                              struct tj_err *err)
{
    struct tj_sqlite_filter *f = tj_arena_new(a, struct tj_sqlite_filter);
    f->root = filter;
    f->arena = a;
    if (add_clauses(f, filter, REQUIRED, 0, err))
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
static void put_asked(struct tj_sqlite_filter *f, struct asking *asking,
                      const char *expression)
{
    tj_sql_add(f->out, "tj_ask(");
    tj_sql_ask(f->out, &asking->ask);
    tj_sql_add(f->out, ", ");
    tj_sql_add(f->out, expression);
    tj_sql_add(f->out, ")");
}

static void put_ask(struct tj_sqlite_filter *f, struct asking *asking,
                    const char *expression)
{
    asking->ask.answer = answer_text;
    put_asked(f, asking, expression);
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

/* ", ?" for each value that is an id at all. */
static void put_ids(struct tj_sqlite_filter *f, const struct tj_filter *c)
{
    for (size_t i = 0; i < c->value_count; i++) {
        tj_trace_id *id = tj_arena_new(f->arena, tj_trace_id);
        if (!tj_trace_id_parse(c->values[i], id))
            continue;
        tj_sql_add(f->out, ", ");
        tj_sql_blob(f->out,
                    (tj_str){(const char *)id->bytes, sizeof id->bytes});
    }
}

/* The id that we print, and the one that the source used; both must pass when
 * the test is negative. */
static void put_id(struct tj_sqlite_filter *f, struct asking *asking)
{
    bool negative = tj_filter_test_is_negative(&asking->test);
    bool listed =
        asking->clause->op == TJ_OP_EQ || asking->clause->op == TJ_OP_IN;
    tj_sql_add(f->out, "(");
    if (listed) {
        tj_sql_add(f->out, "t.id IN (x''"); /* not NULL: see NOT */
        put_ids(f, asking->clause);
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

/* Whole milliseconds.  Times are kept as 64 bits without a sign, and t.time is
 * cut at 2^63: what is so late or so long that a sum of two is no whole number
 * to SQLite is left to the evaluator. */
static void put_ms(struct tj_sqlite_filter *f, const struct tj_filter *clause,
                   enum tj_sqlite_reading reading, const char *known,
                   const char *ns)
{
    assert(op_sql(clause->op));
    tj_sql_add(f->out, reading == TJ_SQLITE_MAY
                           ? "(t.stale OR t.time >> 62 OR t.duration >> 62"
                             " OR ("
                           : "(NOT (t.stale OR t.time >> 62 OR"
                             " t.duration >> 62) AND (");
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
    asking->ask.answer = answer_sketch;
    put_asked(f, asking, "(SELECT bits FROM sketch WHERE trace = t.row)");
    if (!is_content(c) && tj_str_eq(c->key, TJ_STR("status")) &&
        c->op == TJ_OP_EQ && tj_str_eq(c->values[0], TJ_STR("ERROR")))
        tj_sql_add(f->out, " AND t.error_count > 0");
    tj_sql_add(f->out, ")");
}

static void put_attribute(struct tj_sqlite_filter *f, struct asking *asking,
                          enum tj_sqlite_reading reading)
{
    const struct tj_filter *c = asking->clause;
    switch (c->attribute) {
    case TJ_ATTR_REQUEST_ID: put_id(f, asking); break;
    case TJ_ATTR_TIMESTAMP_MS: put_ms(f, c, reading, "t.time", "t.time"); break;
    case TJ_ATTR_EXECUTION_TIME_MS:
        put_ms(f, c, reading, "(t.duration OR t.state <> 3)", "t.duration");
        break;
    case TJ_ATTR_END_TIME_MS:
        put_ms(f, c, reading, "t.time", "t.time + t.duration");
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

/* A valid one of this name, and of the wanted value.  A plus before the name
 * keeps SQLite from the index on it where the trace is known. */
static void put_valid(struct tj_sqlite_filter *f, struct asking *asking,
                      const char *name)
{
    const struct tj_filter *c = asking->clause;
    tj_sql_add(f->out, name);
    tj_sql_add(f->out, " = ");
    tj_sql_text(f->out, c->key);
    tj_sql_add(f->out, c->entity == TJ_ENTITY_FEEDBACK ? " AND x.kind = 0"
                                                       : " AND x.kind = 1");
    if (c->op != TJ_OP_IS_NULL && c->op != TJ_OP_IS_NOT_NULL) {
        asking->ask.answer = answer_json;
        tj_sql_add(f->out, " AND ");
        put_asked(f, asking, "x.value");
    }
    tj_sql_add(f->out, " AND x.valid"
                       " AND NOT EXISTS(SELECT 1 FROM assessment AS o"
                       " WHERE o.trace = x.trace AND o.overrides = x.id)");
}

#define OF_SESSION                                                             \
    "(SELECT s.session, s.experiment FROM assessment AS x"                     \
    " INDEXED BY assessment_session"                                           \
    " JOIN trace AS s ON s.row = x.trace WHERE instr(x.metadata,"              \
    " '\"mlflow.trace.session\":') > 0 AND "

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
    put_valid(f, asking, "+x.name");
    tj_sql_add(f->out, ") OR ");
    open_derived(f, reading);
    tj_sql_add(f->out, "t.session <> '' AND (t.session, t.experiment) IN"
                       " " OF_SESSION);
    put_valid(f, asking, "x.name");
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

static size_t clause_count(const struct tj_filter *n, size_t depth)
{
    assert(depth < DEPTH_MAX);
    if (n->kind == TJ_FILTER_CLAUSE)
        return 1;
    return clause_count(n->left, depth + 1) +
           (n->kind == TJ_FILTER_NOT ? 0 : clause_count(n->right, depth + 1));
}

static void put_tree(struct tj_sqlite_filter *f, const struct tj_filter *n,
                     enum tj_sqlite_reading reading, size_t depth,
                     size_t level);

/* A chain of one kind, however it leans, is written without parentheses in
 * between. */
static void put_chain(struct tj_sqlite_filter *f, const struct tj_filter *n,
                      enum tj_sqlite_reading reading, size_t depth,
                      size_t level)
{
    const struct tj_filter *sides[] = {n->left, n->right};
    assert(depth < DEPTH_MAX);
    for (size_t i = 0; i < TJ_COUNT(sides); i++) {
        if (i > 0)
            tj_sql_add(f->out, n->kind == TJ_FILTER_AND ? " AND " : " OR ");
        if (sides[i]->kind == n->kind)
            put_chain(f, sides[i], reading, depth + 1, level);
        else
            put_tree(f, sides[i], reading, depth + 1, level);
    }
}

/* What is nested deeper than SQLite can parse is left to the evaluator. */
static void put_tree(struct tj_sqlite_filter *f, const struct tj_filter *n,
                     enum tj_sqlite_reading reading, size_t depth, size_t level)
{
    assert(depth < DEPTH_MAX);
    if (n->kind == TJ_FILTER_CLAUSE) {
        put_clause(f, reading);
        return;
    }
    if (level == LEVELS_MAX) {
        put_open(f, reading);
        f->next += clause_count(n, depth);
        return;
    }
    tj_sql_add(f->out, n->kind == TJ_FILTER_NOT ? "NOT (" : "(");
    if (n->kind == TJ_FILTER_NOT)
        put_tree(f, n->left, opposite(reading), depth + 1, level + 1);
    else
        put_chain(f, n, reading, depth, level + 1);
    tj_sql_add(f->out, ")");
}

void tj_sqlite_filter_write(struct tj_sqlite_filter *f,
                            enum tj_sqlite_reading reading, struct tj_sql *out)
{
    f->out = out;
    f->next = 0;
    put_tree(f, f->root, reading, 0, 0);
}

/* -- where to begin ------------------------------------------------------- */

/* The condition of the index trace_pair_value; its words must be these. */
#define PAIR_IS_LISTED                                                         \
    "(key NOT GLOB 'mlflow.*' OR key IN ('mlflow.sourceRun',"                  \
    " 'mlflow.trace.session', 'mlflow.modelId')) AND length(value) <= 64"

enum { LISTED_VALUE_BYTES_MAX = 64 };

static void list_ids(struct tj_sqlite_filter *f, const struct asking *asking)
{
    const struct tj_filter *c = asking->clause;
    tj_sql_add(f->out, "SELECT row FROM trace WHERE id IN (NULL");
    put_ids(f, c);
    tj_sql_add(f->out, ") UNION ALL SELECT row FROM trace"
                       " WHERE source_id <> '' AND source_id IN (NULL");
    for (size_t i = 0; i < c->value_count; i++) {
        tj_sql_add(f->out, ", ");
        tj_sql_text(f->out, asking->test.values[i]);
    }
    tj_sql_add(f->out, ")");
}

static void list_pairs(struct tj_sqlite_filter *f, const char *kind, tj_str key,
                       tj_str value)
{
    tj_sql_add(f->out,
               "SELECT trace FROM trace_pair INDEXED BY"
               " trace_pair_value WHERE " PAIR_IS_LISTED " AND kind = ");
    tj_sql_add(f->out, kind);
    tj_sql_add(f->out, " AND key = ");
    tj_sql_text(f->out, key);
    tj_sql_add(f->out, " AND value = ");
    tj_sql_text(f->out, value);
}

static bool is_listed(tj_str key, tj_str value)
{
    return value.len <= LISTED_VALUE_BYTES_MAX &&
           (!tj_str_starts(key, TJ_STR("mlflow.")) ||
            tj_str_eq(key, TJ_STR("mlflow.sourceRun")) ||
            tj_str_eq(key, TJ_STR("mlflow.trace.session")) ||
            tj_str_eq(key, TJ_STR("mlflow.modelId")));
}

static bool list_metadata(struct tj_sqlite_filter *f, tj_str key, tj_str value)
{
    if (!is_listed(key, value))
        return false;
    list_pairs(f, "0", key, value);
    if (!tj_str_eq(key, TJ_STR("mlflow.trace.session")))
        return true;
    tj_sql_add(f->out, " UNION ALL SELECT row FROM trace"
                       " INDEXED BY trace_stale WHERE stale = 1"
                       " UNION ALL SELECT row FROM trace WHERE session <> ''"
                       " AND session = ");
    tj_sql_text(f->out, value);
    return true;
}

/* What put_assessment is true of, from the other side. */
static void list_assessed(struct tj_sqlite_filter *f, struct asking *asking)
{
    tj_sql_add(f->out, "SELECT x.trace FROM assessment AS x WHERE ");
    put_valid(f, asking, "x.name");
    tj_sql_add(f->out, " UNION ALL SELECT row FROM trace"
                       " INDEXED BY trace_stale WHERE stale = 1"
                       " UNION ALL SELECT row FROM trace WHERE session <> ''"
                       " AND (session, experiment) IN " OF_SESSION);
    put_valid(f, asking, "x.name");
    tj_sql_add(f->out, ")");
}

bool tj_sqlite_filter_list(struct tj_sqlite_filter *f, size_t index,
                           struct tj_sql *out)
{
    struct asking *asking = &f->askings.items[index];
    const struct tj_filter *c = asking->clause;
    bool attribute = c->entity == TJ_ENTITY_ATTRIBUTE;
    f->out = out;
    if (!asking->required)
        return false;
    if (attribute && c->attribute == TJ_ATTR_REQUEST_ID &&
        (c->op == TJ_OP_EQ || c->op == TJ_OP_IN)) {
        list_ids(f, asking);
        return true;
    }
    if (c->op != TJ_OP_IS_NULL && (c->entity == TJ_ENTITY_FEEDBACK ||
                                   c->entity == TJ_ENTITY_EXPECTATION)) {
        list_assessed(f, asking);
        return true;
    }
    if (c->op != TJ_OP_EQ)
        return false;
    if (attribute && c->attribute == TJ_ATTR_RUN_ID && c->values[0].len &&
        is_listed(TJ_STR("mlflow.sourceRun"), c->values[0]) &&
        is_listed(c->values[0], TJ_STR("run"))) {
        list_pairs(f, "0", TJ_STR("mlflow.sourceRun"), c->values[0]);
        tj_sql_add(f->out, " UNION ALL ");
        list_pairs(f, "2", c->values[0], TJ_STR("run"));
        return true;
    }
    if (c->entity == TJ_ENTITY_METADATA)
        return list_metadata(f, c->key, c->values[0]);
    if (c->entity != TJ_ENTITY_TAG || !is_listed(c->key, c->values[0]))
        return false;
    list_pairs(f, "1", c->key, c->values[0]);
    return true;
}

size_t tj_sqlite_filter_clauses(const struct tj_sqlite_filter *f)
{
    return f->askings.count;
}

bool tj_sqlite_filter_sketch(struct tj_sqlite_filter *f, struct tj_sql *out)
{
    bool any = false;
    f->out = out;
    tj_vec_each (&f->askings, struct asking, asking) {
        const struct tj_filter *c = asking->clause;
        bool of_spans =
            c->entity == TJ_ENTITY_SPAN ||
            (c->entity == TJ_ENTITY_ATTRIBUTE && c->attribute == TJ_ATTR_TEXT);
        if (!of_spans || !asking->required)
            continue;
        find_terms(f, asking);
        if (asking->any.count == 0)
            continue;
        asking->ask.answer = answer_sketch;
        tj_sql_add(out, any ? " AND " : "");
        put_asked(f, asking, "bits");
        any = true;
    }
    return any;
}

/* -- times ---------------------------------------------------------------- */

static tj_time ms_to_ns(double ms)
{
    double ns = ms * (double)TJ_NS_PER_MS;
    if (!(ns > 0))
        return 0;
    return ns >= (double)TJ_SQLITE_TIME_SAFE ? UINT64_MAX
                                             : (tj_time)ms * TJ_NS_PER_MS;
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
        *from = low < TJ_SQLITE_TIME_SAFE ? low : TJ_SQLITE_TIME_SAFE;
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
