/* filter.c - recursive descent over the tokens, to a tree.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Left-associative chains make a tree as deep as they are long, so clauses
 * are counted as well as nesting; both have a maximum, which is also what
 * bounds every recursion over a parsed filter.
 */
#include "store/filter.h"

#include "base/base.h"
#include "base/limits.h"
#include "base/vec.h"
#include "store/filter_lex.h"
#include "store/filter_rules.h"

struct parser {
    struct tj_filter_lexer lex;
    struct tj_arena *a;
    struct tj_err *err;
    size_t clause_count;
};

static bool next(struct parser *p)
{
    return tj_filter_lex_next(&p->lex, p->err);
}

static bool refuse(const struct parser *p)
{
    tj_str rest = tj_filter_lex_rest(&p->lex);
    if (!rest.len)
        rest = p->lex.text;
    return tj_fail(p->err, TJ_E_INPUT,
                   "Invalid clause(s) in filter string: '%.*s'",
                   TJ_STR_ARG(rest));
}

static bool refuse_count(const struct parser *p, int found)
{
    return tj_fail(p->err, TJ_E_INPUT,
                   "Invalid comparison clause. Expected 3 tokens found %d",
                   found);
}

static bool at_end_of_clause(const struct parser *p)
{
    return p->lex.token.kind == TJ_TOKEN_END ||
           p->lex.token.kind == TJ_TOKEN_CLOSE ||
           tj_filter_lex_is(&p->lex, "AND") || tj_filter_lex_is(&p->lex, "OR");
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

/* IS [NOT] NULL and NOT IN are operators of several words. */
static bool take_op(struct parser *p, enum tj_filter_op *out)
{
    tj_str text = p->lex.token.text;
    if (at_end_of_clause(p))
        return refuse_count(p, 1);
    if (p->lex.token.kind != TJ_TOKEN_OP && p->lex.token.kind != TJ_TOKEN_WORD)
        return refuse(p);
    bool is = tj_filter_lex_is(&p->lex, "IS");
    bool negated = tj_filter_lex_is(&p->lex, "NOT");
    if (!next(p))
        return false;
    if (is && tj_filter_lex_is(&p->lex, "NOT")) {
        negated = true;
        if (!next(p))
            return false;
    }
    if (is || negated) {
        tj_str word = p->lex.token.text;
        if (at_end_of_clause(p))
            return refuse_count(p, 2);
        text = tj_str_printf(p->a, "%s%s%.*s", is ? "IS " : "",
                             negated ? "NOT " : "", TJ_STR_ARG(word));
        if (!next(p))
            return false;
    }
    if (tj_filter_op_parse(text, out))
        return true;
    return tj_fail(p->err, TJ_E_INPUT,
                   "Invalid comparator '%.*s' not one of '{=, !=, <, <=, >, "
                   ">=, LIKE, ILIKE, RLIKE, IN, NOT IN, IS NULL, IS NOT "
                   "NULL}'",
                   TJ_STR_ARG(text));
}

static bool refuse_list(const struct parser *p)
{
    return tj_fail(p->err, TJ_E_INPUT,
                   "Invalid clause(s) in filter string: IN takes a list of "
                   "quoted strings in parentheses, not '%.*s'",
                   TJ_STR_ARG(tj_filter_lex_rest(&p->lex)));
}

/* ("a", "b"), at least one. */
static bool take_list(struct parser *p, struct tj_filter *f)
{
    TJ_VEC(tj_str) values = {0};
    if (p->lex.token.kind != TJ_TOKEN_OPEN)
        return refuse_list(p);
    do {
        if (!next(p))
            return false;
        bool string =
            p->lex.token.kind == TJ_TOKEN_QUOTED && p->lex.token.quote != '`';
        if (!string)
            return refuse_list(p);
        *tj_vec_add(&values, p->a) = p->lex.token.text;
        if (!next(p))
            return false;
    } while (p->lex.token.kind == TJ_TOKEN_COMMA);
    if (p->lex.token.kind != TJ_TOKEN_CLOSE)
        return refuse_list(p);
    f->values = values.items;
    f->value_count = values.count;
    return next(p);
}

static bool take_value(struct parser *p, struct tj_filter *f)
{
    if (f->op == TJ_OP_IS_NULL || f->op == TJ_OP_IS_NOT_NULL)
        return true;
    if (at_end_of_clause(p))
        return refuse_count(p, 2);
    if (f->op == TJ_OP_IN || f->op == TJ_OP_NOT_IN)
        return take_list(p, f);
    if (p->lex.token.kind != TJ_TOKEN_QUOTED &&
        p->lex.token.kind != TJ_TOKEN_WORD)
        return refuse(p);
    return tj_filter_check_value(f, &p->lex.token, p->a, p->err) && next(p);
}

static bool clause(struct parser *p, struct tj_filter **out)
{
    enum tj_filter_token_kind kind = p->lex.token.kind;
    if (at_end_of_clause(p) ||
        (kind != TJ_TOKEN_WORD && kind != TJ_TOKEN_QUOTED) ||
        (kind == TJ_TOKEN_QUOTED && p->lex.token.quote == '\''))
        return refuse(p);
    if (++p->clause_count > TJ_FILTER_CLAUSES_MAX)
        return tj_fail(p->err, TJ_E_LIMIT, "the filter has over %d clauses",
                       TJ_FILTER_CLAUSES_MAX);
    struct tj_filter *f = node(p, TJ_FILTER_CLAUSE, NULL, NULL);
    struct tj_filter_token word = p->lex.token;
    if (!next(p) || !take_op(p, &f->op) ||
        !tj_filter_identify(&word, p->a, f, p->err) ||
        !tj_filter_check_op(f, p->a, p->err) || !take_value(p, f))
        return false;
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
        if (p.lex.token.kind != TJ_TOKEN_END)
            return refuse(&p);
    }
    *out = root;
    return true;
}

/* -- order ----------------------------------------------------------------- */

static bool has_order(const struct tj_filter *f)
{
    if (f->entity == TJ_ENTITY_ATTRIBUTE)
        return f->attribute != TJ_ATTR_TEXT && f->attribute != TJ_ATTR_PROMPT;
    return f->entity == TJ_ENTITY_TAG || f->entity == TJ_ENTITY_METADATA;
}

static bool refuse_order(tj_str text, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT,
                   "Invalid order_by clause '%.*s'. Expected an attribute, "
                   "tag or metadata key, and ASC or DESC",
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
    if (!tj_filter_identify(&lex.token, a, &f, err) ||
        !tj_filter_lex_next(&lex, err))
        return false;
    bool descending = tj_filter_lex_is(&lex, "DESC");
    if ((descending || tj_filter_lex_is(&lex, "ASC")) &&
        !tj_filter_lex_next(&lex, err))
        return false;
    if (lex.token.kind != TJ_TOKEN_END || !has_order(&f))
        return refuse_order(text, err);
    *out = (struct tj_order){.entity = f.entity,
                             .attribute = f.attribute,
                             .key = f.key,
                             .descending = descending};
    return true;
}
