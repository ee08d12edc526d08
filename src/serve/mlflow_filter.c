/* mlflow_filter.c - filters and orders of experiments, runs and their like.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow_filter.h"

#include "base/limits.h"
#include "store/filter_lex.h"

struct parser {
    struct tj_ml *call;
    const struct tj_ml_language *lang;
    struct tj_filter_lexer lex;
};

static bool refuse(struct parser *p, const char *format, ...) TJ_PRINTF(2, 3);

static bool refuse(struct parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tj_str text = tj_str_vprintf(p->call->arena, format, args);
    va_end(args);
    return tj_ml_fail(p->call, TJ_ML_INVALID_PARAMETER_VALUE, "%.*s",
                      TJ_STR_ARG(text));
}

/* What is no clause, and what stood before it. */
static bool refuse_clause(struct parser *p, tj_str before, tj_str it)
{
    const char *quote = p->lang->quotes ? "'" : "";
    if (!before.len)
        return refuse(p, "Invalid clause(s) in filter string: %s%.*s%s", quote,
                      TJ_STR_ARG(it), quote);
    return refuse(p, "Invalid clause(s) in filter string: %s%.*s%s, %s%.*s%s",
                  quote, TJ_STR_ARG(before), quote, quote, TJ_STR_ARG(it),
                  quote);
}

static bool next(struct parser *p)
{
    return tj_filter_lex_next(&p->lex, &p->call->err) ||
           tj_ml_fail_err(p->call);
}

/* -- identifiers ---------------------------------------------------------- */

static bool find_entity(tj_str type, enum tj_ml_entity *out)
{
    static const struct {
        const char *word;
        enum tj_ml_entity entity;
    } types[] = {
        {"attribute", TJ_ML_ATTRIBUTE},
        {"attributes", TJ_ML_ATTRIBUTE},
        {"attr", TJ_ML_ATTRIBUTE},
        {"run", TJ_ML_ATTRIBUTE},
        {"tag", TJ_ML_TAG},
        {"tags", TJ_ML_TAG},
        {"param", TJ_ML_PARAM},
        {"params", TJ_ML_PARAM},
        {"parameter", TJ_ML_PARAM},
        {"parameters", TJ_ML_PARAM},
        {"metric", TJ_ML_METRIC},
        {"metrics", TJ_ML_METRIC},
        {"dataset", TJ_ML_DATASET},
        {"datasets", TJ_ML_DATASET},
    };
    for (size_t i = 0; i < TJ_COUNT(types); i++) {
        if (tj_str_eq(type, tj_str_c(types[i].word))) {
            *out = types[i].entity;
            return true;
        }
    }
    return false;
}

static const struct tj_ml_key *find_key(const struct tj_ml_language *lang,
                                        tj_str word, unsigned not_flag)
{
    for (const struct tj_ml_key *k = lang->keys; k->word; k++) {
        if (tj_str_eq(word, tj_str_c(k->word)) && !(k->flags & not_flag))
            return k;
    }
    return NULL;
}

static bool identify_attribute(struct parser *p, unsigned not_flag,
                               struct tj_ml_field *out)
{
    const struct tj_ml_key *key = find_key(p->lang, out->key, not_flag);
    bool order = not_flag & TJ_ML_KEY_FILTER_ONLY;
    if (!key)
        return refuse(p,
                      "Invalid attribute key '%.*s' specified. Valid keys "
                      "are%s",
                      TJ_STR_ARG(out->key),
                      order && p->lang->order_attributes
                          ? p->lang->order_attributes
                          : p->lang->attributes);
    out->key = tj_str_c(key->name);
    out->flags = key->flags;
    return true;
}

/* "type.key", with a quoted key or not, or an attribute alone. */
static bool identify(struct parser *p, unsigned not_flag,
                     struct tj_ml_field *out)
{
    tj_str key = p->lex.token.text;
    tj_str type = tj_str_cut(&key, '.');
    *out = (struct tj_ml_field){.entity = TJ_ML_ATTRIBUTE, .key = key};
    if (p->lex.token.kind == TJ_TOKEN_QUOTED || !key.ptr)
        out->key = p->lex.token.text;
    else if (!find_entity(type, &out->entity) ||
             !(p->lang->entities & 1u << out->entity))
        return refuse(p, "Invalid entity type '%.*s'. Valid values are %s",
                      TJ_STR_ARG(type), p->lang->types);
    if (out->entity == TJ_ML_ATTRIBUTE)
        return identify_attribute(p, not_flag, out);
    if (out->entity == TJ_ML_METRIC)
        out->flags = TJ_ML_KEY_NUMERIC;
    if (out->entity != TJ_ML_DATASET)
        return true;
    out->flags = TJ_ML_KEY_LIST;
    return tj_str_eq(out->key, TJ_STR("name")) ||
           tj_str_eq(out->key, TJ_STR("digest")) ||
           tj_str_eq(out->key, TJ_STR("context")) ||
           refuse(p,
                  "Invalid dataset key '%.*s' specified. Valid keys are "
                  "'{'context', 'digest', 'name'}'",
                  TJ_STR_ARG(out->key));
}

/* -- operators ------------------------------------------------------------ */

enum {
    EQUALS = 1 << TJ_OP_EQ | 1 << TJ_OP_NE,
    ORDERS = 1 << TJ_OP_LT | 1 << TJ_OP_LE | 1 << TJ_OP_GT | 1 << TJ_OP_GE,
    LIKES = 1 << TJ_OP_LIKE | 1 << TJ_OP_ILIKE,
    LISTS = 1 << TJ_OP_IN | 1 << TJ_OP_NOT_IN,
    NULLS = 1 << TJ_OP_IS_NULL | 1 << TJ_OP_IS_NOT_NULL,
};

static bool op_of(tj_str text, enum tj_filter_op *out)
{
    static const struct {
        const char *text;
        enum tj_filter_op op;
    } ops[] = {
        {"=", TJ_OP_EQ},      {"!=", TJ_OP_NE},       {"<", TJ_OP_LT},
        {"<=", TJ_OP_LE},     {">", TJ_OP_GT},        {">=", TJ_OP_GE},
        {"like", TJ_OP_LIKE}, {"ilike", TJ_OP_ILIKE}, {"in", TJ_OP_IN},
        {"==", TJ_OP_EQ},     {"<>", TJ_OP_NE},
    };
    for (size_t i = 0; i < TJ_COUNT(ops); i++) {
        if (tj_str_eq_fold(text, tj_str_c(ops[i].text))) {
            *out = ops[i].op;
            return true;
        }
    }
    return false;
}

/* "IS NULL", "IS NOT NULL": *ok tells whether it was one. */
static bool take_null(struct parser *p, enum tj_filter_op *out, bool *ok)
{
    *ok = false;
    if (!tj_filter_lex_is(&p->lex, "is"))
        return true;
    *out = TJ_OP_IS_NULL;
    if (!next(p))
        return false;
    if (tj_filter_lex_is(&p->lex, "not")) {
        *out = TJ_OP_IS_NOT_NULL;
        if (!next(p))
            return false;
    }
    *ok = tj_filter_lex_is(&p->lex, "null");
    return *ok ? next(p) : refuse_clause(p, (tj_str){0}, p->lex.token.raw);
}

/* The operator, with NOT before IN; what stood there as *text. */
static bool take_op(struct parser *p, tj_str word, enum tj_filter_op *out,
                    tj_str *text)
{
    bool negated = tj_filter_lex_is(&p->lex, "not");
    if (negated && !next(p))
        return false;
    *text = p->lex.token.raw;
    bool known = p->lex.token.kind != TJ_TOKEN_QUOTED && op_of(*text, out);
    if (!known || (negated && *out != TJ_OP_IN)) {
        if (p->lex.token.kind == TJ_TOKEN_END)
            *text = word;
        return refuse_clause(p, (tj_str){0}, *text);
    }
    if (negated) {
        *out = TJ_OP_NOT_IN;
        *text = TJ_STR("NOT IN");
    }
    return next(p);
}

static bool check_op(struct parser *p, const struct tj_ml_clause *c,
                     tj_str text)
{
    unsigned allowed = 0;
    const char *names = "{'!=', '=', 'ILIKE', 'LIKE'}";
    if (c->field.flags & TJ_ML_KEY_NUMERIC) {
        allowed = EQUALS | ORDERS;
        names = "{'!=', '<', '<=', '=', '>', '>='}";
    } else if (c->field.flags & TJ_ML_KEY_ID) {
        allowed = EQUALS | LISTS;
        names = "{'!=', '=', 'IN', 'NOT IN'}";
    } else if (c->field.entity == TJ_ML_TAG || c->field.entity == TJ_ML_PARAM) {
        allowed = EQUALS | LIKES;
        names = p->lang->nulls ? "{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS "
                                 "NULL', 'LIKE'}"
                               : names;
    } else {
        allowed = EQUALS | LIKES | LISTS;
        names = "{'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'}";
    }
    return (allowed & 1u << c->op) ||
           refuse(p, "Invalid comparator '%.*s' not one of '%s'",
                  TJ_STR_ARG(text), names);
}

/* -- values --------------------------------------------------------------- */

static bool is_string(const struct tj_filter_token *token)
{
    return token->kind == TJ_TOKEN_QUOTED && token->quote != '`';
}

static const char *type_name(const struct tj_ml_field *field)
{
    return field->entity == TJ_ML_PARAM ? "parameter" : "tag";
}

static bool refuse_string(struct parser *p, const struct tj_ml_field *field,
                          tj_str raw, bool is_word)
{
    if (is_word)
        return refuse(p,
                      "Parameter value is either not quoted or unidentified "
                      "quote types used for string value %.*s. Use either "
                      "single or double quotes.",
                      TJ_STR_ARG(raw));
    if (field->entity == TJ_ML_DATASET)
        return refuse(p,
                      "Expected a quoted string value for dataset attributes. "
                      "Got value %.*s",
                      TJ_STR_ARG(raw));
    if (field->entity == TJ_ML_ATTRIBUTE)
        return refuse(p,
                      "Expected a quoted string value for attributes. Got "
                      "value %.*s",
                      TJ_STR_ARG(raw));
    return refuse(p,
                  "Expected a quoted string value for %s (e.g. 'my-value'). "
                  "Got value %.*s",
                  type_name(field), TJ_STR_ARG(raw));
}

static bool take_number(struct parser *p, struct tj_ml_clause *c)
{
    tj_str raw = p->lex.token.raw;
    if (p->lex.token.kind == TJ_TOKEN_WORD && !p->lex.token.quote &&
        tj_str_to_double(raw, &c->number)) {
        c->values = tj_arena_new(p->call->arena, tj_str);
        c->values[0] = raw;
        c->value_count = 1;
        return next(p);
    }
    if (c->field.entity == TJ_ML_METRIC)
        return refuse(p, "Expected numeric value type for metric. Found %.*s",
                      TJ_STR_ARG(raw));
    return refuse(p,
                  "Expected numeric value type for numeric attribute: %.*s. "
                  "Found %.*s",
                  TJ_STR_ARG(c->field.key), TJ_STR_ARG(raw));
}

static bool take_string(struct parser *p, struct tj_ml_clause *c)
{
    double number = 0;
    const struct tj_filter_token *token = &p->lex.token;
    if (!is_string(token)) {
        bool is_word = token->kind == TJ_TOKEN_QUOTED ||
                       (token->kind == TJ_TOKEN_WORD &&
                        !tj_str_to_double(token->raw, &number));
        return refuse_string(p, &c->field, token->raw, is_word);
    }
    c->values = tj_arena_new(p->call->arena, tj_str);
    c->values[0] = token->text;
    c->value_count = 1;
    return next(p);
}

static bool refuse_list(struct parser *p)
{
    return refuse(p, "While parsing a list in the query, expected a non-empty "
                     "list of string values, but got ill-formed list.");
}

/* "(...)" as it stands there; what is at hand when it is none. */
static tj_str list_text(const struct parser *p)
{
    tj_str raw = p->lex.token.raw;
    if (p->lex.token.kind != TJ_TOKEN_OPEN)
        return raw;
    size_t from = (size_t)(raw.ptr - p->lex.text.ptr);
    tj_str rest = tj_str_slice(p->lex.text, from, p->lex.text.len);
    return tj_str_slice(rest, 0, tj_str_find_byte(rest, ')') + 1);
}

/* IN, asked of something that takes no lists. */
static bool refuse_in(struct parser *p, const struct tj_ml_field *field)
{
    tj_str raw = list_text(p);
    if (field->entity == TJ_ML_METRIC)
        return refuse(p, "Expected numeric value type for metric. Found %.*s",
                      TJ_STR_ARG(raw));
    if (field->flags & TJ_ML_KEY_NUMERIC)
        return refuse(p,
                      "Expected numeric value type for numeric attribute: "
                      "%.*s. Found %.*s",
                      TJ_STR_ARG(field->key), TJ_STR_ARG(raw));
    if (field->entity == TJ_ML_ATTRIBUTE && p->lang->lists)
        return refuse(p,
                      "Only %s attributes support comparison with a list of "
                      "quoted string values.",
                      p->lang->lists);
    return refuse_string(p, field, raw, false);
}

/* "('a', 'b')": at its "(". */
static bool take_list(struct parser *p, struct tj_ml_clause *c)
{
    TJ_VEC(tj_str) list = {0};
    if (p->lex.token.kind != TJ_TOKEN_OPEN)
        return refuse_string(p, &c->field, p->lex.token.raw, false);
    do {
        if (!next(p))
            return false;
        if (p->lex.token.kind == TJ_TOKEN_CLOSE && !list.count)
            return refuse(p, "While parsing a list in the query, expected a "
                             "non-empty list of string values, but got empty "
                             "list");
        if (p->lex.token.kind == TJ_TOKEN_CLOSE)
            break;
        if (p->lex.token.kind == TJ_TOKEN_WORD)
            return refuse(p,
                          "While parsing a list in the query, expected string "
                          "value, punctuation, or whitespace, but got "
                          "different type in list: (%.*s)",
                          TJ_STR_ARG(p->lex.token.raw));
        if (!is_string(&p->lex.token))
            return refuse_list(p);
        *tj_vec_add(&list, p->call->arena) = p->lex.token.text;
        if (!next(p))
            return false;
    } while (p->lex.token.kind == TJ_TOKEN_COMMA);
    if (p->lex.token.kind != TJ_TOKEN_CLOSE)
        return refuse_list(p);
    c->values = list.items;
    c->value_count = list.count;
    return next(p);
}

static bool check_ids(struct parser *p, const struct tj_ml_clause *c)
{
    uint64_t id = 0;
    for (size_t i = 0; i < c->value_count; i++) {
        if (!tj_str_to_u64(c->values[i], &id))
            return refuse(p,
                          "Invalid experiment ID '%.*s'. Experiment ID must "
                          "be a valid integer.",
                          TJ_STR_ARG(c->values[i]));
    }
    return true;
}

/* -- clauses -------------------------------------------------------------- */

static const char *null_refusal(const struct tj_ml_clause *c)
{
    static const char *const names[] = {"attribute", "tag", "parameter",
                                        "metric", "dataset"};
    return names[c->field.entity];
}

static bool check_null(struct parser *p, const struct tj_ml_clause *c)
{
    bool allowed = c->field.entity == TJ_ML_TAG ||
                   (c->field.entity == TJ_ML_PARAM && p->lang->nulls);
    return allowed ||
           refuse(p,
                  "IS NULL / IS NOT NULL is only supported for tags and "
                  "params, not for '%s' '%.*s'",
                  null_refusal(c), TJ_STR_ARG(c->field.key));
}

static bool take_clause(struct parser *p, struct tj_ml_clause *c)
{
    bool null = false;
    tj_str text;
    tj_str word = p->lex.token.raw;
    enum tj_filter_token_kind kind = p->lex.token.kind;
    if (kind != TJ_TOKEN_WORD && kind != TJ_TOKEN_QUOTED)
        return refuse_clause(p, (tj_str){0}, word);
    /* Before the identifier: "a" alone is no clause, whatever a is. */
    struct tj_filter_lexer before = p->lex;
    if (!next(p) || !take_null(p, &c->op, &null) ||
        (!null && !take_op(p, word, &c->op, &text)))
        return false;
    if (!null && p->lex.token.kind == TJ_TOKEN_END)
        return refuse_clause(p, word, text);
    struct tj_filter_lexer behind = p->lex;
    p->lex = before;
    if (!identify(p, TJ_ML_KEY_ORDER_ONLY, &c->field))
        return false;
    p->lex = behind;
    if (null)
        return check_null(p, c);
    /* MLflow looks at the value first, but for lists. */
    if (LISTS & 1u << c->op)
        return (c->field.flags & TJ_ML_KEY_LIST ? check_op(p, c, text)
                                                : refuse_in(p, &c->field)) &&
               take_list(p, c) &&
               (!(c->field.flags & TJ_ML_KEY_ID) || check_ids(p, c));
    if (c->field.flags & TJ_ML_KEY_NUMERIC)
        return take_number(p, c) && check_op(p, c, text);
    return take_string(p, c) && check_op(p, c, text) &&
           (!(c->field.flags & TJ_ML_KEY_ID) || check_ids(p, c));
}

static bool take_clauses(struct parser *p, struct tj_ml_filter *out)
{
    TJ_VEC(struct tj_ml_clause) clauses = {0};
    while (p->lex.token.kind != TJ_TOKEN_END) {
        if (clauses.count == TJ_FILTER_CLAUSES_MAX)
            return refuse(p, "the filter has more than %d clauses",
                          TJ_FILTER_CLAUSES_MAX);
        struct tj_ml_clause *c = tj_vec_add(&clauses, p->call->arena);
        if (!take_clause(p, c))
            return false;
        if (p->lex.token.kind == TJ_TOKEN_END)
            break;
        if (!tj_filter_lex_is(&p->lex, "and"))
            return refuse_clause(p, (tj_str){0}, p->lex.token.raw);
        if (!next(p))
            return false;
        if (p->lex.token.kind == TJ_TOKEN_END)
            break;
    }
    *out = (struct tj_ml_filter){clauses.items, clauses.count};
    return true;
}

bool tj_ml_filter_parse(struct tj_ml *call, const struct tj_ml_language *lang,
                        tj_str text, struct tj_ml_filter *out)
{
    struct parser p = {.call = call, .lang = lang};
    *out = (struct tj_ml_filter){0};
    if (text.len > TJ_FILTER_BYTES_MAX)
        return refuse(&p, "the filter is over %zu bytes", TJ_FILTER_BYTES_MAX);
    if (!tj_filter_lex_init(&p.lex, text, call->arena, &call->err))
        return tj_ml_fail_err(call);
    return take_clauses(&p, out);
}

/* -- orders --------------------------------------------------------------- */

static bool same_field(const struct tj_ml_field *a, const struct tj_ml_field *b)
{
    return a->entity == b->entity && tj_str_eq(a->key, b->key);
}

static bool has_field(const struct tj_ml_orders *orders,
                      const struct tj_ml_field *field)
{
    for (size_t i = 0; i < orders->count; i++) {
        if (same_field(&orders->items[i].field, field))
            return true;
    }
    return false;
}

static void add(struct tj_arena *a, struct tj_ml_orders *orders,
                struct tj_ml_order order)
{
    size_t size = orders->count * sizeof order;
    orders->items = tj_arena_grow(a, orders->items, size, size + sizeof order);
    orders->items[orders->count++] = order;
}

/* Behind the identifier: ASC, DESC or nothing, and the end. */
static bool take_direction(struct parser *p, bool *descending)
{
    struct tj_err *err = &p->call->err;
    if (!tj_filter_lex_next(&p->lex, err))
        return false;
    *descending = tj_filter_lex_is(&p->lex, "desc");
    if (*descending || tj_filter_lex_is(&p->lex, "asc"))
        return tj_filter_lex_next(&p->lex, err) &&
               p->lex.token.kind == TJ_TOKEN_END;
    return p->lex.token.kind == TJ_TOKEN_END;
}

/* "name SIDEWAYS": at the word that is no direction. */
static bool is_last_word(struct parser *p)
{
    return p->lex.token.kind == TJ_TOKEN_WORD &&
           !tj_filter_lex_is(&p->lex, "asc") &&
           !tj_filter_lex_is(&p->lex, "desc") &&
           tj_filter_lex_next(&p->lex, &p->call->err) &&
           p->lex.token.kind == TJ_TOKEN_END;
}

static bool parse_order(struct parser *p, tj_str text, struct tj_ml_order *out)
{
    *out = (struct tj_ml_order){0};
    bool begun =
        tj_filter_lex_init(&p->lex, text, p->call->arena, &p->call->err) &&
        (p->lex.token.kind == TJ_TOKEN_WORD ||
         p->lex.token.kind == TJ_TOKEN_QUOTED);
    if (begun && !identify(p, TJ_ML_KEY_FILTER_ONLY, &out->field))
        return false;
    if (begun && take_direction(p, &out->descending))
        return true;
    if (begun && is_last_word(p))
        return refuse(p, "Invalid ordering key in order_by clause '%.*s'.",
                      TJ_STR_ARG(text));
    return refuse(p, "Invalid order_by clause '%.*s'. Could not be parsed.",
                  TJ_STR_ARG(text));
}

bool tj_ml_orders_parse(struct tj_ml *call, const struct tj_ml_language *lang,
                        const struct tj_ml_list *texts,
                        struct tj_ml_orders *out)
{
    struct parser p = {.call = call, .lang = lang};
    if (texts->count > TJ_FILTER_CLAUSES_MAX)
        return refuse(&p, "`order_by` has more than %d fields",
                      TJ_FILTER_CLAUSES_MAX);
    for (size_t i = 0; i < texts->count; i++) {
        struct tj_ml_order order;
        if (!parse_order(&p, texts->items[i], &order))
            return false;
        if (has_field(out, &order.field))
            return refuse(&p, "`order_by` contains duplicate fields: '%.*s'",
                          TJ_STR_ARG(texts->items[i]));
        add(call->arena, out, order);
    }
    return true;
}

void tj_ml_orders_add(struct tj_ml *call, struct tj_ml_orders *orders,
                      const char *attribute, bool descending)
{
    struct tj_ml_order order = {
        .field = {.entity = TJ_ML_ATTRIBUTE, .key = tj_str_c(attribute)},
        .descending = descending,
    };
    if (!has_field(orders, &order.field))
        add(call->arena, orders, order);
}
