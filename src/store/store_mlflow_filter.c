/* store_mlflow_filter.c - what of a filter an MLflow server can be asked.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The server knows clauses joined by AND.  It is asked those of the filter's
 * own clauses that it answers at least as widely as we do, and what it gives
 * is looked at again here (filter_eval.h): the server makes the list short,
 * we make it right.  So a clause is left out when the server would hide a
 * trace that matches:
 *   - a value in quotes that its parser takes apart (no escapes there);
 *   - ILIKE beyond ASCII: some of its databases fold ASCII alone.  Letters that
 *     have a partner elsewhere (k, s) are asked as "%";
 *   - feedback = '5', which for us is the number 5.0 too;
 *   - keys that it looks up in the wrong table (tag.name, feedback.text);
 *   - the type of spans: servers before 3.14 do not know it of spans that came
 *     over OTLP.
 * Conditions on spans stand apart, since the server knows spans only of traces
 * that did not come as artifacts (store_mlflow_search.c).  What spans hold, it
 * has as JSON inside of JSON: of a pattern, letters and digits go through all
 * layers as they are, and all else is asked as "%".
 * Three it alone can answer, because no reply shows what they are about: runs
 * that traces were linked to, prompts, issues.  They are asked, and believed.
 * A server that does not know one of the clauses refuses the filter; then it
 * is asked for runs and issues alone (store_mlflow_search.c).
 */
#include "base/limits.h"
#include "store/store_mlflow_int.h"

enum {
    VALUE_BYTES_MAX = 1000,
    TEXT_BYTES_MAX = 65536,
    CLAUSE_BYTES_MAX = 65536,
    DEPTH_MAX = TJ_FILTER_CLAUSES_MAX + TJ_FILTER_DEPTH_MAX + 2,
};

/* -- text that its parser leaves whole ------------------------------------- */

static bool is_safe_value(tj_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < ' ' || c == 0x7f || strchr("'\"\\`", c))
            return false;
    }
    return s.len && s.len <= VALUE_BYTES_MAX;
}

static bool is_safe_key(tj_str s)
{
    static const char *const misread[] = {
        "name",      "prompt",         "run_id",  "text",
        "timestamp", "execution_time", "end_time"};
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (c >= 'A' && c <= 'Z') || strchr("_.-/: ", c);
        if (!plain || !c)
            return false;
    }
    for (size_t i = 0; i < TJ_COUNT(misread); i++) {
        if (tj_str_eq_fold(s, tj_str_c(misread[i])))
            return false;
    }
    return s.len && s.len <= VALUE_BYTES_MAX && s.ptr[0] != ' ' &&
           s.ptr[s.len - 1] != ' ';
}

static const char *op_text(enum tj_filter_op op)
{
    switch (op) {
    case TJ_OP_EQ: return "=";
    case TJ_OP_NE: return "!=";
    case TJ_OP_LT: return "<";
    case TJ_OP_LE: return "<=";
    case TJ_OP_GT: return ">";
    case TJ_OP_GE: return ">=";
    case TJ_OP_LIKE: return "LIKE";
    case TJ_OP_ILIKE: return "ILIKE";
    case TJ_OP_RLIKE: return "RLIKE";
    case TJ_OP_IN: return "IN";
    case TJ_OP_NOT_IN: return "NOT IN";
    case TJ_OP_IS_NULL: return "IS NULL";
    case TJ_OP_IS_NOT_NULL: return "IS NOT NULL";
    }
    return "=";
}

/* -- one clause ------------------------------------------------------------ */

struct asking {
    struct tj_arena *a;
    struct tj_buf text;  /* of one clause, then of all */
    struct tj_buf spans; /* of all clauses about spans */
    bool text_asked;
    bool hidden_only;
};

static void put_head(struct asking *q, tj_str identifier, enum tj_filter_op op)
{
    tj_buf_fmt(&q->text, "%.*s %s", TJ_STR_ARG(identifier), op_text(op));
}

static bool put_string(struct asking *q, tj_str identifier,
                       const struct tj_filter *f)
{
    if (f->value_count != 1 || !is_safe_value(f->values[0]))
        return false;
    put_head(q, identifier, f->op);
    tj_buf_fmt(&q->text, " '%.*s'", TJ_STR_ARG(f->values[0]));
    return true;
}

static bool put_list(struct asking *q, tj_str identifier, enum tj_filter_op op,
                     const tj_str *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_safe_value(values[i]))
            return false;
    }
    put_head(q, identifier, op);
    for (size_t i = 0; i < count; i++)
        tj_buf_fmt(&q->text, "%s'%.*s'", i ? ", " : " (",
                   TJ_STR_ARG(values[i]));
    tj_buf_byte(&q->text, ')');
    return count > 0;
}

/* Every letter that some database might not fold is any text. */
static bool put_folded(struct asking *q, tj_str identifier,
                       const struct tj_filter *f)
{
    struct tj_buf wide;
    tj_buf_init(&wide, q->a, TJ_FILTER_BYTES_MAX);
    for (size_t i = 0; i < f->values[0].len; i++) {
        char c = f->values[0].ptr[i];
        bool odd = (unsigned char)c >= 0x80 || strchr("kKsS%", c);
        if (!odd || !c)
            tj_buf_byte(&wide, c);
        else if (!wide.len || wide.ptr[wide.len - 1] != '%')
            tj_buf_byte(&wide, '%');
    }
    tj_str pattern = tj_buf_str(&wide);
    if (tj_str_eq(pattern, TJ_STR("%")) || !is_safe_value(pattern))
        return false;
    put_head(q, identifier, TJ_OP_ILIKE);
    tj_buf_fmt(&q->text, " '%.*s'", TJ_STR_ARG(pattern));
    return true;
}

/* =, LIKE and ILIKE: what all texts can be asked. */
static bool put_text(struct asking *q, tj_str identifier,
                     const struct tj_filter *f)
{
    if (f->op == TJ_OP_EQ || f->op == TJ_OP_LIKE)
        return put_string(q, identifier, f);
    return f->op == TJ_OP_ILIKE && put_folded(q, identifier, f);
}

/* Whole numbers only: all the server has are milliseconds. */
static bool put_number(struct asking *q, tj_str identifier,
                       const struct tj_filter *f)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    if (!f->is_number || f->number < 0 || f->number > exact ||
        (double)(uint64_t)f->number != f->number)
        return false;
    put_head(q, identifier, f->op);
    tj_buf_fmt(&q->text, " %llu", (unsigned long long)f->number);
    return true;
}

/* The server leaves out traces without a duration, which for us is 0. */
static bool put_duration(struct asking *q, const struct tj_filter *f)
{
    bool above = f->op == TJ_OP_GT || f->op == TJ_OP_GE || f->op == TJ_OP_EQ;
    return above && f->number > 0 &&
           put_number(q, TJ_STR("attributes.execution_time_ms"), f);
}

static bool put_status(struct asking *q, const struct tj_filter *f)
{
    static const char *const known[] = {"OK", "ERROR", "IN_PROGRESS"};
    bool listed = f->op == TJ_OP_IN || f->op == TJ_OP_NOT_IN;
    if (!listed && f->op != TJ_OP_EQ && f->op != TJ_OP_NE)
        return false;
    for (size_t i = 0; i < f->value_count; i++) {
        bool fits = false;
        for (size_t k = 0; k < TJ_COUNT(known); k++)
            fits = fits || tj_str_eq(f->values[i], tj_str_c(known[k]));
        if (!fits)
            return false;
    }
    tj_str identifier = TJ_STR("attributes.status");
    return listed ? put_list(q, identifier, f->op, f->values, f->value_count)
                  : put_string(q, identifier, f);
}

/* An id is kept as it was given, and old clients gave it without "tr-". */
static bool put_id(struct asking *q, const struct tj_filter *f)
{
    TJ_VEC(tj_str) all = {0};
    if (f->op != TJ_OP_EQ && f->op != TJ_OP_IN)
        return false;
    for (size_t i = 0; i < f->value_count; i++) {
        tj_trace_id id;
        *tj_vec_add(&all, q->a) = f->values[i];
        if (!tj_trace_id_parse(f->values[i], &id))
            continue;
        *tj_vec_add(&all, q->a) = tj_trace_id_mlflow(q->a, id);
        *tj_vec_add(&all, q->a) = tj_trace_id_text(q->a, id);
    }
    return put_list(q, TJ_STR("attributes.request_id"), TJ_OP_IN, all.items,
                    all.count);
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* LIKE or ILIKE of what is in a span, wherever it stands there. */
static bool put_content(struct asking *q, tj_str identifier,
                        const struct tj_filter *f)
{
    struct tj_buf wide;
    bool folded = f->op == TJ_OP_ILIKE;
    bool any = false;
    if (f->op != TJ_OP_LIKE && !folded)
        return false;
    tj_buf_init(&wide, q->a, TJ_FILTER_BYTES_MAX);
    tj_buf_byte(&wide, '%');
    for (size_t i = 0; i < f->values[0].len; i++) {
        char c = f->values[0].ptr[i];
        bool plain = is_alnum(c) && !(folded && strchr("kKsS", c));
        any = any || plain;
        if (plain)
            tj_buf_byte(&wide, c);
        else if (wide.ptr[wide.len - 1] != '%')
            tj_buf_byte(&wide, '%');
    }
    if (wide.len && wide.ptr[wide.len - 1] != '%')
        tj_buf_byte(&wide, '%');
    if (!any || wide.len > VALUE_BYTES_MAX)
        return false;
    put_head(q, identifier, f->op);
    tj_buf_fmt(&q->text, " '%.*s'", TJ_STR_ARG(tj_buf_str(&wide)));
    return true;
}

static bool put_attribute(struct asking *q, const struct tj_filter *f)
{
    switch (f->attribute) {
    case TJ_ATTR_REQUEST_ID: return put_id(q, f);
    case TJ_ATTR_TIMESTAMP_MS:
        return put_number(q, TJ_STR("attributes.timestamp_ms"), f);
    case TJ_ATTR_EXECUTION_TIME_MS: return put_duration(q, f);
    case TJ_ATTR_STATUS: return put_status(q, f);
    case TJ_ATTR_CLIENT_REQUEST_ID:
        return put_text(q, TJ_STR("attributes.client_request_id"), f);
    case TJ_ATTR_NAME: return put_text(q, TJ_STR("attributes.name"), f);
    case TJ_ATTR_RUN_ID:
        return f->op == TJ_OP_EQ &&
               put_string(q, TJ_STR("attributes.run_id"), f);
    case TJ_ATTR_PROMPT:
        return f->op == TJ_OP_EQ && put_string(q, TJ_STR("prompt"), f);
    case TJ_ATTR_TEXT: return put_content(q, TJ_STR("trace.text"), f);
    case TJ_ATTR_END_TIME_MS:
    case TJ_ATTR_EXPERIMENT_ID: break;
    }
    return false;
}

static bool put_null(struct asking *q, tj_str identifier,
                     const struct tj_filter *f)
{
    if (f->op != TJ_OP_IS_NULL && f->op != TJ_OP_IS_NOT_NULL)
        return false;
    put_head(q, identifier, f->op);
    return true;
}

/* Not among them: a bool or number in quotes, which is compared as one here
 * and as text there. */
static bool put_feedback(struct asking *q, tj_str identifier,
                         const struct tj_filter *f)
{
    double number = 0;
    if (f->op == TJ_OP_IS_NOT_NULL)
        return put_null(q, identifier, f);
    if (f->op != TJ_OP_EQ || f->is_number ||
        tj_str_to_double(f->values[0], &number) ||
        tj_str_eq_fold(f->values[0], TJ_STR("true")) ||
        tj_str_eq_fold(f->values[0], TJ_STR("false")))
        return false;
    return put_string(q, identifier, f);
}

static bool put_keyed(struct asking *q, const char *entity,
                      const struct tj_filter *f)
{
    if (!is_safe_key(f->key))
        return false;
    tj_str identifier =
        tj_str_printf(q->a, "%s.`%.*s`", entity, TJ_STR_ARG(f->key));
    if (f->entity == TJ_ENTITY_FEEDBACK || f->entity == TJ_ENTITY_EXPECTATION)
        return put_feedback(q, identifier, f);
    return put_null(q, identifier, f) || put_text(q, identifier, f);
}

/* -- about spans ----------------------------------------------------------- */

static bool put_span_status(struct asking *q, const struct tj_filter *f)
{
    static const char *const known[] = {"OK", "ERROR", "UNSET"};
    for (size_t i = 0; f->op == TJ_OP_EQ && i < TJ_COUNT(known); i++) {
        if (tj_str_eq(f->values[0], tj_str_c(known[i])))
            return put_string(q, TJ_STR("span.status"), f);
    }
    return false;
}

static bool put_span(struct asking *q, const struct tj_filter *f)
{
    tj_str head = TJ_STR("attributes.");
    if (tj_str_eq(f->key, TJ_STR("name")))
        return put_text(q, TJ_STR("span.name"), f);
    if (tj_str_eq(f->key, TJ_STR("status")))
        return put_span_status(q, f);
    if (tj_str_eq(f->key, TJ_STR("content")))
        return put_content(q, TJ_STR("span.content"), f);
    tj_str key = tj_str_slice(f->key, head.len, f->key.len);
    if (!tj_str_starts(f->key, head) || !is_safe_key(key))
        return false;
    return put_content(
        q, tj_str_printf(q->a, "span.attributes.`%.*s`", TJ_STR_ARG(key)), f);
}

static bool is_text(const struct tj_filter *f)
{
    return f->entity == TJ_ENTITY_ATTRIBUTE && f->attribute == TJ_ATTR_TEXT;
}

static bool is_about_spans(const struct tj_filter *f)
{
    return f->entity == TJ_ENTITY_SPAN || is_text(f);
}

/* The server wants one span that meets all of them; for us the text may be in
 * another one.  So it is asked for a text, or for conditions. */
static bool fits_beside(const struct asking *q, const struct tj_filter *f)
{
    return is_text(f) ? !q->spans.len : !q->text_asked;
}

/* -- all of them ----------------------------------------------------------- */

static bool put_clause(struct asking *q, const struct tj_filter *f)
{
    switch (f->entity) {
    case TJ_ENTITY_ATTRIBUTE: return put_attribute(q, f);
    case TJ_ENTITY_TAG: return put_keyed(q, "tags", f);
    case TJ_ENTITY_METADATA: return put_keyed(q, "request_metadata", f);
    case TJ_ENTITY_FEEDBACK: return put_keyed(q, "feedback", f);
    case TJ_ENTITY_EXPECTATION: return put_keyed(q, "expectation", f);
    case TJ_ENTITY_ISSUE:
        return f->op == TJ_OP_EQ && put_string(q, TJ_STR("issue.id"), f);
    case TJ_ENTITY_SPAN: return put_span(q, f);
    }
    return false;
}

static bool is_believed(const struct tj_filter *f)
{
    return f->entity == TJ_ENTITY_ISSUE ||
           (f->entity == TJ_ENTITY_ATTRIBUTE &&
            (f->attribute == TJ_ATTR_RUN_ID || f->attribute == TJ_ATTR_PROMPT));
}

static bool is_hidden(const struct tj_filter *f)
{
    return is_believed(f) && f->attribute != TJ_ATTR_PROMPT;
}

static bool hides(const struct tj_filter *f, size_t depth)
{
    assert(depth < DEPTH_MAX);
    if (f->kind == TJ_FILTER_CLAUSE)
        return is_hidden(f);
    return hides(f->left, depth + 1) ||
           (f->kind != TJ_FILTER_NOT && hides(f->right, depth + 1));
}

bool tj_mlflow_is_hidden(const struct tj_filter *filter)
{
    return filter && hides(filter, 0);
}

/* -- the filter ------------------------------------------------------------ */

static const struct tj_filter *join(struct tj_arena *a,
                                    const struct tj_filter *left,
                                    const struct tj_filter *right)
{
    if (!left || !right)
        return left ? left : right;
    struct tj_filter *both = tj_arena_new(a, struct tj_filter);
    struct tj_filter *l = tj_arena_new(a, struct tj_filter);
    struct tj_filter *r = tj_arena_new(a, struct tj_filter);
    *l = *left;
    *r = *right;
    both->kind = TJ_FILTER_AND;
    both->left = l;
    both->right = r;
    return both;
}

/* What of f is left to be looked at here. */
static const struct tj_filter *ask(struct asking *q, const struct tj_filter *f,
                                   size_t depth)
{
    assert(depth < DEPTH_MAX);
    if (f->kind == TJ_FILTER_AND) {
        const struct tj_filter *left = ask(q, f->left, depth + 1);
        return join(q->a, left, ask(q, f->right, depth + 1));
    }
    if (f->kind != TJ_FILTER_CLAUSE || (q->hidden_only && !is_hidden(f)))
        return f;
    struct asking one = {.a = q->a};
    struct tj_buf *out = is_about_spans(f) ? &q->spans : &q->text;
    if (is_about_spans(f) && !fits_beside(q, f))
        return f;
    tj_buf_init(&one.text, q->a, CLAUSE_BYTES_MAX);
    bool asked = put_clause(&one, f) && !one.text.full;
    if (!asked || one.text.len + 8 > tj_buf_room(out))
        return f;
    tj_buf_add(out, out->len ? TJ_STR(" AND ") : TJ_STR(""));
    tj_buf_add(out, tj_buf_str(&one.text));
    q->text_asked = q->text_asked || is_text(f);
    return is_believed(f) ? NULL : f;
}

static struct tj_mlflow_asked ask_all(const struct tj_filter *filter,
                                      bool hidden_only, struct tj_arena *a)
{
    struct asking q = {.a = a, .hidden_only = hidden_only};
    struct tj_mlflow_asked out = {0};
    tj_buf_init(&q.text, a, TEXT_BYTES_MAX);
    tj_buf_init(&q.spans, a, TEXT_BYTES_MAX);
    if (filter)
        out.rest = ask(&q, filter, 0);
    out.text = tj_buf_str(&q.text);
    out.spans = tj_buf_str(&q.spans);
    return out;
}

struct tj_mlflow_asked tj_mlflow_ask_filter(const struct tj_filter *filter,
                                            struct tj_arena *a)
{
    return ask_all(filter, false, a);
}

struct tj_mlflow_asked tj_mlflow_ask_hidden(const struct tj_filter *filter,
                                            struct tj_arena *a)
{
    return ask_all(filter, true, a);
}

/* -- the order ------------------------------------------------------------- */

static tj_str order_key(const struct tj_order *order, struct tj_arena *a)
{
    if (order->entity == TJ_ENTITY_TAG || order->entity == TJ_ENTITY_METADATA) {
        if (!is_safe_key(order->key))
            return (tj_str){0};
        return tj_str_printf(
            a, "%s.`%.*s`",
            order->entity == TJ_ENTITY_TAG ? "tags" : "request_metadata",
            TJ_STR_ARG(order->key));
    }
    switch (order->attribute) {
    case TJ_ATTR_REQUEST_ID: return TJ_STR("attributes.request_id");
    case TJ_ATTR_TIMESTAMP_MS: return TJ_STR("attributes.timestamp_ms");
    case TJ_ATTR_EXECUTION_TIME_MS:
        return TJ_STR("attributes.execution_time_ms");
    case TJ_ATTR_STATUS: return TJ_STR("attributes.status");
    case TJ_ATTR_NAME: return TJ_STR("attributes.name");
    case TJ_ATTR_END_TIME_MS:
    case TJ_ATTR_CLIENT_REQUEST_ID:
    case TJ_ATTR_RUN_ID:
    case TJ_ATTR_TEXT:
    case TJ_ATTR_EXPERIMENT_ID:
    case TJ_ATTR_PROMPT: break;
    }
    return (tj_str){0};
}

tj_str tj_mlflow_ask_order(const struct tj_order *order, struct tj_arena *a)
{
    tj_str key = order_key(order, a);
    if (!key.len)
        return key;
    return tj_str_printf(a, "%.*s %s", TJ_STR_ARG(key),
                         order->descending ? "DESC" : "ASC");
}
