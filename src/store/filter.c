/* filter.c - recursive descent over the tokens, to a tree.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Left-associative chains make a tree as deep as they are long, so clauses
 * are counted as well as nesting; both have a maximum, which is also what
 * bounds every recursion over a parsed filter.
 */
#include "store/filter.h"

#include "base/base.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/vec.h"
#include "store/filter_lex.h"
#include "store/filter_rules.h"

enum { REFUSED_BYTES_MAX = 2000 };

struct parser {
    struct tj_filter_lexer lex;
    size_t clause_at; /* where the clause at hand begins */
    struct tj_arena *a;
    struct tj_err *err;
    size_t clause_count;
};

static bool next(struct parser *p)
{
    return tj_filter_lex_next(&p->lex, p->err);
}

static bool ends_clause(const struct tj_filter_lexer *lex)
{
    return lex->token.kind == TJ_TOKEN_END || tj_filter_lex_is(lex, "AND") ||
           tj_filter_lex_is(lex, "OR");
}

/* Names the words of the clause at hand, each in quotes, as MLflow does. */
static bool refuse(const struct parser *p)
{
    struct tj_err ignored = {0};
    struct tj_buf words;
    struct tj_filter_lexer lex = p->lex;
    tj_str from = tj_str_slice(lex.text, p->clause_at, lex.text.len);
    tj_buf_init(&words, p->a, REFUSED_BYTES_MAX);
    bool first = true;
    lex.at = p->clause_at;
    while (tj_filter_lex_next(&lex, &ignored) &&
           (first || !ends_clause(&lex)) && lex.token.kind != TJ_TOKEN_END) {
        tj_buf_fmt(&words, "%s'%.*s'", first ? "" : ", ",
                   TJ_STR_ARG(lex.token.raw));
        first = false;
    }
    if (first)
        tj_buf_fmt(&words, "'%.*s'", TJ_STR_ARG(from.len ? from : lex.text));
    return tj_fail(p->err, TJ_E_INPUT,
                   "Invalid clause(s) in filter string: %.*s",
                   TJ_STR_ARG(tj_buf_str(&words)));
}

static bool at_end_of_clause(const struct parser *p)
{
    return p->lex.token.kind == TJ_TOKEN_CLOSE || ends_clause(&p->lex);
}

static struct tj_filter *node(struct parser *p, enum tj_filter_node_kind kind,
                              struct tj_filter *left, struct tj_filter *right)
{
    struct tj_filter *f = tj_arena_new(p->a, struct tj_filter);
    f->kind = kind;
    f->left = left;
    f->right = right;
    return f;
}

/* -- clauses -------------------------------------------------------------- */

/* IS [NOT] NULL and NOT IN are operators of several words.  *text is what
 * stands there, *known whether it is an operator of ours. */
static bool take_op(struct parser *p, tj_str *text, bool *known,
                    enum tj_filter_op *out)
{
    struct tj_filter_token first = p->lex.token;
    bool comparison = first.kind == TJ_TOKEN_OP;
    bool is = tj_filter_lex_is(&p->lex, "IS");
    bool negated = tj_filter_lex_is(&p->lex, "NOT");
    if (at_end_of_clause(p) || (!comparison && first.kind != TJ_TOKEN_WORD))
        return refuse(p);
    if (!next(p))
        return false;
    *text = first.text;
    if (is && tj_filter_lex_is(&p->lex, "NOT")) {
        negated = true;
        if (!next(p))
            return false;
    }
    if (is || negated) {
        tj_str word = p->lex.token.text;
        if (at_end_of_clause(p))
            return refuse(p);
        *text = tj_str_printf(p->a, "%s%s%.*s", is ? "IS " : "",
                              negated ? "NOT " : "", TJ_STR_ARG(word));
        comparison = !is && tj_filter_lex_is(&p->lex, "LIKE");
        if (!next(p))
            return false;
    }
    *known = tj_filter_op_parse(*text, out);
    return *known || comparison || refuse(p);
}

/* ("a", "b"), at least one. */
static bool take_list(struct parser *p, struct tj_filter *f)
{
    TJ_VEC(tj_str) values = {0};
    if (p->lex.token.kind != TJ_TOKEN_OPEN)
        return refuse(p);
    do {
        if (!next(p))
            return false;
        if (p->lex.token.kind == TJ_TOKEN_CLOSE && !values.count)
            return tj_fail(p->err, TJ_E_INPUT,
                           "While parsing a list in the query, expected a "
                           "non-empty list of string values, but got empty "
                           "list");
        bool string =
            p->lex.token.kind == TJ_TOKEN_QUOTED && p->lex.token.quote != '`';
        if (!string)
            return refuse(p);
        *tj_vec_add(&values, p->a) = p->lex.token.text;
        if (!next(p))
            return false;
    } while (p->lex.token.kind == TJ_TOKEN_COMMA);
    if (p->lex.token.kind != TJ_TOKEN_CLOSE)
        return refuse(p);
    f->values = values.items;
    f->value_count = values.count;
    return next(p);
}

static bool take_value(struct parser *p, struct tj_filter *f)
{
    if (f->op == TJ_OP_IS_NULL || f->op == TJ_OP_IS_NOT_NULL)
        return true;
    if (at_end_of_clause(p))
        return refuse(p);
    if (f->op == TJ_OP_IN || f->op == TJ_OP_NOT_IN)
        return take_list(p, f);
    if (p->lex.token.kind != TJ_TOKEN_QUOTED &&
        p->lex.token.kind != TJ_TOKEN_WORD)
        return refuse(p);
    return tj_filter_check_value(f, &p->lex.token, p->a, p->err) && next(p);
}

/* The left side is a name: neither a string nor a number. */
static bool take_identifier(struct parser *p, struct tj_filter_token *out)
{
    double number = 0;
    struct tj_filter_token t = p->lex.token;
    p->clause_at = tj_filter_lex_offset(&p->lex);
    if (at_end_of_clause(p) ||
        (t.kind != TJ_TOKEN_WORD && t.kind != TJ_TOKEN_QUOTED))
        return refuse(p);
    if (!next(p))
        return false;
    *out = t;
    bool value = t.kind == TJ_TOKEN_WORD
                     ? !t.quote && tj_str_to_double(t.text, &number)
                     : t.quote == '\'';
    if (!value)
        return true;
    if (p->lex.token.kind != TJ_TOKEN_OP)
        return refuse(p);
    return tj_fail(p->err, TJ_E_INPUT,
                   "Invalid comparison clause. Expected 'Identifier' found "
                   "'%.*s'",
                   TJ_STR_ARG(t.raw));
}

static bool clause(struct parser *p, struct tj_filter **out)
{
    struct tj_filter_token word;
    tj_str op = {0};
    bool known = false;
    if (++p->clause_count > TJ_FILTER_CLAUSES_MAX)
        return tj_fail(p->err, TJ_E_LIMIT, "the filter has over %d clauses",
                       TJ_FILTER_CLAUSES_MAX);
    struct tj_filter *f = node(p, TJ_FILTER_CLAUSE, NULL, NULL);
    if (!take_identifier(p, &word) || !take_op(p, &op, &known, &f->op) ||
        !tj_filter_identify(&word, p->a, f, p->err))
        return false;
    if (!known)
        return tj_filter_refuse_op(f, op, p->a, p->err);
    if (!tj_filter_check_op(f, tj_filter_lex_rest(&p->lex), p->a, p->err) ||
        !take_value(p, f))
        return false;
    tj_filter_settle_run(f);
    *out = f;
    return true;
}

/* -- AND, OR, NOT and parentheses ------------------------------------------ */

static bool expr(struct parser *p, size_t depth, struct tj_filter **out);

static bool factor(struct parser *p, size_t depth, struct tj_filter **out)
{
    bool negated = tj_filter_lex_is(&p->lex, "NOT");
    if (!negated && p->lex.token.kind != TJ_TOKEN_OPEN)
        return clause(p, out);
    if (depth == TJ_FILTER_DEPTH_MAX)
        return tj_fail(p->err, TJ_E_LIMIT,
                       "the filter is nested over %d levels",
                       TJ_FILTER_DEPTH_MAX);
    struct tj_filter *inner = NULL;
    if (!next(p))
        return false;
    if (negated) {
        if (!factor(p, depth + 1, &inner))
            return false;
        *out = node(p, TJ_FILTER_NOT, inner, NULL);
        return true;
    }
    if (!expr(p, depth + 1, &inner))
        return false;
    if (p->lex.token.kind != TJ_TOKEN_CLOSE)
        return refuse(p);
    *out = inner;
    return next(p);
}

static bool term(struct parser *p, size_t depth, struct tj_filter **out)
{
    struct tj_filter *left = NULL;
    if (!factor(p, depth, &left))
        return false;
    while (tj_filter_lex_is(&p->lex, "AND")) {
        struct tj_filter *right = NULL;
        if (!next(p) || !factor(p, depth, &right))
            return false;
        left = node(p, TJ_FILTER_AND, left, right);
    }
    *out = left;
    return true;
}

static bool expr(struct parser *p, size_t depth, struct tj_filter **out)
{
    struct tj_filter *left = NULL;
    if (!term(p, depth, &left))
        return false;
    while (tj_filter_lex_is(&p->lex, "OR")) {
        struct tj_filter *right = NULL;
        if (!next(p) || !term(p, depth, &right))
            return false;
        left = node(p, TJ_FILTER_OR, left, right);
    }
    *out = left;
    return true;
}

bool tj_filter_parse(tj_str text, struct tj_arena *a,
                     const struct tj_filter **out, struct tj_err *err)
{
    struct parser p = {.a = a, .err = err};
    struct tj_filter *root = NULL;
    if (text.len > TJ_FILTER_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "the filter is over %zu bytes",
                       TJ_FILTER_BYTES_MAX);
    if (!tj_filter_lex_init(&p.lex, text, a, err))
        return false;
    if (p.lex.token.kind != TJ_TOKEN_END) {
        if (!expr(&p, 0, &root))
            return false;
        p.clause_at = tj_filter_lex_offset(&p.lex);
        if (p.lex.token.kind != TJ_TOKEN_END)
            return refuse(&p);
    }
    *out = root;
    return true;
}

/* -- order ----------------------------------------------------------------- */

static bool refuse_order(tj_str text, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT,
                   "Invalid order_by clause '%.*s'. Could not be parsed.",
                   TJ_STR_ARG(text));
}

bool tj_order_parse(tj_str text, struct tj_arena *a, struct tj_order *out,
                    struct tj_err *err)
{
    struct tj_filter_lexer lex;
    struct tj_filter f = {0};
    if (text.len > TJ_FILTER_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "the order is over %zu bytes",
                       TJ_FILTER_BYTES_MAX);
    if (!tj_filter_lex_init(&lex, text, a, err))
        return false;
    bool word = lex.token.kind == TJ_TOKEN_WORD ||
                (lex.token.kind == TJ_TOKEN_QUOTED && lex.token.quote != '\'');
    if (!word)
        return refuse_order(text, err);
    struct tj_filter_token key = lex.token;
    if (!tj_filter_lex_next(&lex, err))
        return false;
    bool descending = tj_filter_lex_is(&lex, "DESC");
    if ((descending || tj_filter_lex_is(&lex, "ASC")) &&
        !tj_filter_lex_next(&lex, err))
        return false;
    if (lex.token.kind != TJ_TOKEN_END)
        return refuse_order(text, err);
    if (!tj_filter_identify_order(&key, a, &f, err))
        return false;
    *out = (struct tj_order){.entity = f.entity,
                             .attribute = f.attribute,
                             .key = f.key,
                             .descending = descending};
    return true;
}
