/* filter_eval.c - a filter tree, made ready, tried on traces.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The parsed tree becomes a second one in which conditions on spans are
 * gathered: EXISTS holds a tree of span conditions and is true when one span
 * meets it.
 *
 *     a AND span.x AND (span.y OR span.z) AND NOT span.w
 *  =  a AND EXISTS(x AND (y OR z)) AND NOT EXISTS(w)
 *
 * Above EXISTS nodes are asked about the trace, below it about one span.  Of
 * the two sides of AND and OR the cheaper is tried first.
 */
#include "store/filter_eval.h"

#include "base/heap.h"
#include "base/limits.h"
#include "store/filter_value.h"
#include "store/store_ops.h"
#include "text/plain.h"

/* Every tree here is at most this deep: a chain of clauses under each level
 * of nesting, and an EXISTS. */
enum { NODE_DEPTH_MAX = TJ_FILTER_CLAUSES_MAX + TJ_FILTER_DEPTH_MAX + 2 };

enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_EXISTS, NODE_TEST };

/* What has to be read to answer, cheapest first. */
enum cost { COST_INFO, COST_ASSESSMENTS, COST_SPANS, COST_TEXTS };

struct node {
    enum node_kind kind;
    enum cost cost;
    struct node *left;
    struct node *right;
    struct tj_filter_test test;
};

struct tj_filter_eval {
    struct tj_arena arena;
    const struct node *root; /* NULL: everything */
    TJ_VEC(struct node *) tests;
};

/* -- making ready --------------------------------------------------------- */

static enum cost cost_of(const struct tj_filter *f)
{
    switch (f->entity) {
    case TJ_ENTITY_ATTRIBUTE:
        return f->attribute == TJ_ATTR_TEXT ? COST_TEXTS : COST_INFO;
    case TJ_ENTITY_TAG:
    case TJ_ENTITY_METADATA:
    case TJ_ENTITY_ISSUE: return COST_INFO;
    case TJ_ENTITY_FEEDBACK:
    case TJ_ENTITY_EXPECTATION: return COST_ASSESSMENTS;
    case TJ_ENTITY_SPAN: break;
    }
    return tj_str_eq(f->key, TJ_STR("content")) ||
                   tj_str_starts(f->key, TJ_STR("attributes."))
               ? COST_TEXTS
               : COST_SPANS;
}

static struct node *join(struct tj_filter_eval *e, enum node_kind kind,
                         struct node *left, struct node *right)
{
    if (!left || (!right && kind == NODE_AND))
        return left ? left : right;
    struct node *n = tj_arena_new(&e->arena, struct node);
    n->kind = kind;
    n->left = left;
    n->right = right;
    n->cost = right && right->cost > left->cost ? right->cost : left->cost;
    return n;
}

static struct node *make_test(struct tj_filter_eval *e,
                              const struct tj_filter *f, struct tj_err *err)
{
    struct node *n = tj_arena_new(&e->arena, struct node);
    n->kind = NODE_TEST;
    n->cost = cost_of(f);
    if (!tj_filter_test_init(&n->test, f, &e->arena, err))
        return NULL;
    *tj_vec_add(&e->tests, &e->arena) = n;
    return n;
}

static bool is_text(const struct tj_filter *f)
{
    return f->entity == TJ_ENTITY_ATTRIBUTE && f->attribute == TJ_ATTR_TEXT;
}

/* Only span conditions, joined by AND and OR? */
static bool is_of_span(const struct tj_filter *f, size_t depth)
{
    assert(depth < NODE_DEPTH_MAX);
    switch (f->kind) {
    case TJ_FILTER_CLAUSE: return f->entity == TJ_ENTITY_SPAN || is_text(f);
    case TJ_FILTER_NOT: return false;
    case TJ_FILTER_AND:
    case TJ_FILTER_OR: break;
    }
    return is_of_span(f->left, depth + 1) && is_of_span(f->right, depth + 1);
}

static struct node *span_tree(struct tj_filter_eval *e,
                              const struct tj_filter *f, size_t depth,
                              struct tj_err *err)
{
    if (f->kind == TJ_FILTER_CLAUSE)
        return make_test(e, f, err);
    struct node *left = span_tree(e, f->left, depth + 1, err);
    struct node *right = left ? span_tree(e, f->right, depth + 1, err) : NULL;
    if (!right)
        return NULL;
    return join(e, f->kind == TJ_FILTER_AND ? NODE_AND : NODE_OR, left, right);
}

/* The members of one AND: those about spans, and the rest. */
struct members {
    struct node *of_span;
    struct node *rest;
};

static struct node *trace_tree(struct tj_filter_eval *e,
                               const struct tj_filter *f, size_t depth,
                               struct tj_err *err);

static bool gather(struct tj_filter_eval *e, const struct tj_filter *f,
                   size_t depth, struct members *m, struct tj_err *err)
{
    bool of_span = is_of_span(f, depth);
    if (!of_span && f->kind == TJ_FILTER_AND)
        return gather(e, f->left, depth + 1, m, err) &&
               gather(e, f->right, depth + 1, m, err);
    struct node *n =
        of_span ? span_tree(e, f, depth, err) : trace_tree(e, f, depth, err);
    if (!n)
        return false;
    struct node **side = of_span ? &m->of_span : &m->rest;
    *side = join(e, NODE_AND, *side, n);
    return true;
}

static struct node *trace_tree(struct tj_filter_eval *e,
                               const struct tj_filter *f, size_t depth,
                               struct tj_err *err)
{
    assert(depth < NODE_DEPTH_MAX);
    if (f->kind == TJ_FILTER_AND || is_of_span(f, depth)) {
        struct members m = {0};
        if (!gather(e, f, depth, &m, err))
            return NULL;
        struct node *exists = join(e, NODE_EXISTS, m.of_span, NULL);
        return join(e, NODE_AND, m.rest, exists);
    }
    if (f->kind == TJ_FILTER_CLAUSE)
        return make_test(e, f, err);
    struct node *left = trace_tree(e, f->left, depth + 1, err);
    if (!left || f->kind == TJ_FILTER_NOT)
        return join(e, NODE_NOT, left, NULL);
    struct node *right = trace_tree(e, f->right, depth + 1, err);
    return right ? join(e, NODE_OR, left, right) : NULL;
}

struct tj_filter_eval *tj_filter_eval_new(const struct tj_filter *filter,
                                          struct tj_err *err)
{
    struct tj_filter_eval *e = tj_heap_new(sizeof *e);
    if (filter)
        e->root = trace_tree(e, filter, 0, err);
    if (!filter || e->root)
        return e;
    tj_filter_eval_free(e);
    return NULL;
}

void tj_filter_eval_free(struct tj_filter_eval *e)
{
    if (!e)
        return;
    tj_vec_each (&e->tests, struct node *, it)
        tj_filter_test_release(&(*it)->test);
    tj_arena_release(&e->arena);
    tj_heap_free(e);
}

/* -- the trace at hand ----------------------------------------------------- */

struct subject {
    struct tj_store *st;
    const struct tj_trace_info *info;
    struct tj_arena *a;
    struct tj_err *err;
    bool opened;
    struct tj_trace trace;
    bool have_assessments;
    struct tj_assessment *assessments;
    size_t assessment_count;
    bool have_session;
    struct tj_assessments of_session;
};

static bool open_trace(struct subject *s)
{
    if (!s->opened &&
        !tj_store_open_trace(s->st, s->info->trace_id, s->a, &s->trace, s->err))
        return false;
    s->opened = true;
    return true;
}

static bool read_assessments(struct subject *s)
{
    if (!s->have_assessments &&
        !tj_store_assessments(s->st, s->info->trace_id, s->a, &s->assessments,
                              &s->assessment_count, s->err))
        return false;
    s->have_assessments = true;
    return true;
}

static bool read_session(struct subject *s)
{
    if (!s->have_session && !s->st->ops->session_assessments(
                                s->st, s->info, s->a, &s->of_session, s->err))
        return false;
    s->have_session = true;
    return true;
}

/* -- infos ----------------------------------------------------------------- */

/* A missing value is an empty text here; "" cannot be told from it. */
static bool test_text(const struct node *n, tj_str text)
{
    return tj_filter_test_text(&n->test, text.len ? text : (tj_str){0},
                               TJ_VALUE_TEXT);
}

static bool test_ms(const struct node *n, uint64_t ns, bool known)
{
    uint64_t ms = ns / TJ_NS_PER_MS; /* whole ones, as MLflow stores them */
    return known && tj_filter_test_number(&n->test, (double)ms);
}

/* A trace has the id that we print and, sometimes, one that its source used. */
static bool test_id(const struct node *n, const struct subject *s)
{
    bool ours = test_text(n, tj_trace_id_mlflow(s->a, s->info->trace_id));
    if (!s->info->source_id.len)
        return ours;
    bool theirs = test_text(n, s->info->source_id);
    return tj_filter_test_is_negative(&n->test) ? ours && theirs
                                                : ours || theirs;
}

/* The run that made a trace, or one that it was linked to. */
static bool test_run(const struct node *n, const struct tj_trace_info *info)
{
    bool all = tj_filter_test_is_negative(&n->test);
    tj_str made_by = tj_pairs_find(&info->metadata, TJ_STR("mlflow.sourceRun"));
    if (!info->links.count)
        return test_text(n, made_by);
    if (made_by.len && test_text(n, made_by) != all)
        return !all;
    tj_vec_each (&info->links, const struct tj_pair, link) {
        if (test_text(n, link->key) != all)
            return !all;
    }
    return all;
}

/* MLflow keeps the prompts of a trace in a tag: [{"name", "version"}, ...]. */
static bool test_prompt(const struct node *n, const struct subject *s)
{
    tj_str tag = tj_pairs_find(&s->info->tags, TJ_STR("mlflow.linkedPrompts"));
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (!tag.len || !tj_json_parse(tag, s->a, &doc, &ignored))
        return false;
    tj_json_each (doc.root, it) {
        const struct tj_json *version = tj_json_find(it, TJ_STR("version"));
        tj_str name = tj_json_find_str(it, TJ_STR("name"));
        tj_str number = tj_json_is_number(version)
                            ? tj_json_number_text(version)
                            : tj_json_str(version);
        if (test_text(n, tj_str_printf(s->a, "%.*s/%.*s", TJ_STR_ARG(name),
                                       TJ_STR_ARG(number))))
            return true;
    }
    return false;
}

static bool test_attribute(const struct node *n, const struct subject *s)
{
    const struct tj_trace_info *info = s->info;
    bool finished = info->duration_ns || info->state != TJ_STATE_IN_PROGRESS;
    switch (n->test.clause->attribute) {
    case TJ_ATTR_REQUEST_ID: return test_id(n, s);
    case TJ_ATTR_TIMESTAMP_MS:
        return test_ms(n, info->request_time, info->request_time);
    case TJ_ATTR_EXECUTION_TIME_MS:
        return test_ms(n, info->duration_ns, finished);
    case TJ_ATTR_END_TIME_MS:
        return test_ms(n, info->request_time + info->duration_ns,
                       info->request_time); /* of an open one: its start */
    case TJ_ATTR_STATUS:
        return test_text(n, tj_str_c(tj_trace_state_name(info->state)));
    case TJ_ATTR_CLIENT_REQUEST_ID:
        return test_text(n, info->client_request_id);
    case TJ_ATTR_NAME: return test_text(n, info->name);
    case TJ_ATTR_RUN_ID: return test_run(n, info);
    case TJ_ATTR_EXPERIMENT_ID:
        return test_text(n, info->experiment.len ? info->experiment
                                                 : TJ_STR("Default"));
    case TJ_ATTR_PROMPT: return test_prompt(n, s);
    case TJ_ATTR_TEXT: break; /* see test_span */
    }
    return false;
}

/* A tag may be there and be empty. */
static bool test_pair(const struct node *n, tj_str value)
{
    return tj_filter_test_text(&n->test, value, TJ_VALUE_TEXT);
}

/* -- assessments ----------------------------------------------------------- */

struct wanted {
    const struct node *n;
    bool present; /* some valid one of this name */
    bool met;     /* and of the wanted value */
};

static void test_each(struct wanted *w, const struct tj_assessment *list,
                      size_t count, struct subject *s)
{
    const struct tj_filter *f = w->n->test.clause;
    enum tj_assessment_kind kind =
        f->entity == TJ_ENTITY_FEEDBACK ? TJ_FEEDBACK : TJ_EXPECTATION;
    for (size_t i = 0; i < count && !w->met; i++) {
        const struct tj_assessment *as = &list[i];
        if (as->kind != kind || !as->valid || !tj_str_eq(as->name, f->key))
            continue;
        w->present = true;
        w->met = tj_filter_test_json(&w->n->test, as->value_json, s->a);
    }
}

/* One of the trace, or one of its session, does; IS NULL: there is none. */
static bool test_assessments(const struct node *n, struct subject *s, bool *out)
{
    const struct tj_filter *f = n->test.clause;
    struct wanted w = {.n = n};
    if (!read_assessments(s))
        return false;
    test_each(&w, s->assessments, s->assessment_count, s);
    if (!w.met && s->info->session.len) {
        if (!read_session(s))
            return false;
        test_each(&w, s->of_session.items, s->of_session.count, s);
    }
    *out = f->op == TJ_OP_IS_NULL       ? !w.present
           : f->op == TJ_OP_IS_NOT_NULL ? w.present
                                        : w.met;
    return true;
}

/* -- spans ----------------------------------------------------------------- */

/* One field of one span, its text read. */
static bool test_field(const struct node *n, struct subject *s, size_t span,
                       size_t field, bool *out)
{
    const struct tj_field *f = &s->trace.spans[span].fields[field];
    enum tj_filter_value_kind kind = f->type == TJ_FIELD_NUMBER
                                         ? TJ_VALUE_NUMBER
                                     : f->type == TJ_FIELD_BOOL ? TJ_VALUE_BOOL
                                                                : TJ_VALUE_TEXT;
    tj_str text = {0};
    if (!tj_store_read_field(&s->trace, span, field, 0, f->text.len, &text,
                             s->err))
        return false;
    if (!text.len)
        text = TJ_STR("");
    *out = tj_filter_test_text(&n->test, text, kind);
    return true;
}

/* Any field; those that share the text of another are that other. */
static bool test_content(const struct node *n, struct subject *s, size_t span,
                         bool *out)
{
    *out = false;
    if (!tj_store_load_fields(&s->trace, span, s->err))
        return false;
    const struct tj_span *sp = &s->trace.spans[span];
    for (size_t i = 0; i < sp->field_count && !*out; i++)
        if (sp->fields[i].same_as == TJ_FIELD_NOT_SHARED &&
            !test_field(n, s, span, i, out))
            return false;
    return true;
}

static bool test_span_attribute(const struct node *n, struct subject *s,
                                size_t span, bool *out)
{
    if (!tj_store_load_fields(&s->trace, span, s->err))
        return false;
    int32_t field =
        tj_span_find_field(&s->trace.spans[span], n->test.clause->key);
    if (field >= 0)
        return test_field(n, s, span, (size_t)field, out);
    *out = tj_filter_test_text(&n->test, (tj_str){0}, TJ_VALUE_TEXT);
    return true;
}

static bool test_span(const struct node *n, struct subject *s, size_t span,
                      bool *out)
{
    const struct tj_span *sp = &s->trace.spans[span];
    tj_str key = n->test.clause->key;
    if (is_text(n->test.clause) || tj_str_eq(key, TJ_STR("content")))
        return test_content(n, s, span, out);
    if (tj_str_starts(key, TJ_STR("attributes.")))
        return test_span_attribute(n, s, span, out);
    if (tj_str_eq(key, TJ_STR("name")))
        *out = test_text(n, sp->name);
    else if (tj_str_eq(key, TJ_STR("status")))
        *out = test_text(n, tj_str_c(tj_status_name(sp->status)));
    else
        *out =
            test_text(n, sp->kind_text.len ? sp->kind_text
                                           : tj_str_c(tj_kind_name(sp->kind)));
    return true;
}

/* -- the walk -------------------------------------------------------------- */

static const struct node *cheaper(const struct node *n)
{
    return n->left->cost <= n->right->cost ? n->left : n->right;
}

static const struct node *dearer(const struct node *n)
{
    return cheaper(n) == n->left ? n->right : n->left;
}

static bool ask_span(const struct node *n, struct subject *s, size_t span,
                     size_t depth, bool *out)
{
    assert(depth < NODE_DEPTH_MAX);
    if (n->kind == NODE_TEST)
        return test_span(n, s, span, out);
    assert(n->kind == NODE_AND || n->kind == NODE_OR);
    if (!ask_span(cheaper(n), s, span, depth + 1, out))
        return false;
    if (*out == (n->kind == NODE_OR))
        return true;
    return ask_span(dearer(n), s, span, depth + 1, out);
}

static bool exists(const struct node *n, struct subject *s, size_t depth,
                   bool *out)
{
    *out = false;
    if (!open_trace(s))
        return false;
    for (size_t i = 0; i < s->trace.span_count && !*out; i++)
        if (!ask_span(n, s, i, depth, out))
            return false;
    return true;
}

static bool ask_test(const struct node *n, struct subject *s, bool *out)
{
    const struct tj_filter *f = n->test.clause;
    *out = false;
    switch (f->entity) {
    case TJ_ENTITY_ATTRIBUTE: *out = test_attribute(n, s); break;
    case TJ_ENTITY_TAG:
        *out = test_pair(n, tj_pairs_find(&s->info->tags, n->test.clause->key));
        break;
    case TJ_ENTITY_METADATA:
        *out = test_pair(n, tj_trace_info_meta(s->info, n->test.clause->key));
        break;
    case TJ_ENTITY_FEEDBACK:
    case TJ_ENTITY_EXPECTATION: return test_assessments(n, s, out);
    case TJ_ENTITY_SPAN: /* only inside of EXISTS, which was handled above */
        assert(n->test.clause->entity != TJ_ENTITY_SPAN);
        break;
    case TJ_ENTITY_ISSUE: break;
    }
    return true;
}

static bool ask(const struct node *n, struct subject *s, size_t depth,
                bool *out)
{
    assert(depth < NODE_DEPTH_MAX);
    switch (n->kind) {
    case NODE_TEST: return ask_test(n, s, out);
    case NODE_EXISTS: return exists(n->left, s, depth + 1, out);
    case NODE_NOT:
        if (!ask(n->left, s, depth + 1, out))
            return false;
        *out = !*out;
        return true;
    case NODE_AND:
    case NODE_OR: break;
    }
    if (!ask(cheaper(n), s, depth + 1, out))
        return false;
    if (*out == (n->kind == NODE_OR))
        return true;
    return ask(dearer(n), s, depth + 1, out);
}

bool tj_filter_eval_match(const struct tj_filter_eval *e, struct tj_store *st,
                          const struct tj_trace_info *info,
                          struct tj_arena *scratch, bool *out,
                          struct tj_err *err)
{
    struct subject s = {.st = st, .info = info, .a = scratch, .err = err};
    bool met = true;
    if (e->root && !ask(e->root, &s, 0, &met))
        return false;
    *out = met;
    return true;
}
