/* filter_rules.c - the tables of the filter language.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/filter_rules.h"

#include "base/buf.h"

enum { LIST_BYTES_MAX = 400, GOT_BYTES_MAX = 100 };

#define BIT(op) (1u << TJ_OP_##op)
#define EQUALS  (BIT(EQ) | BIT(NE))
#define LISTS   (BIT(IN) | BIT(NOT_IN))
#define LIKES   (BIT(LIKE) | BIT(ILIKE) | BIT(RLIKE))
#define ORDERS  (BIT(LT) | BIT(LE) | BIT(GT) | BIT(GE))
#define NULLS   (BIT(IS_NULL) | BIT(IS_NOT_NULL))

struct op_name {
    const char *name;
    enum tj_filter_op op;
};

static const struct op_name op_names[] = {
    {"=", TJ_OP_EQ},
    {"!=", TJ_OP_NE},
    {"<", TJ_OP_LT},
    {"<=", TJ_OP_LE},
    {">", TJ_OP_GT},
    {">=", TJ_OP_GE},
    {"LIKE", TJ_OP_LIKE},
    {"ILIKE", TJ_OP_ILIKE},
    {"RLIKE", TJ_OP_RLIKE},
    {"IN", TJ_OP_IN},
    {"NOT IN", TJ_OP_NOT_IN},
    {"IS NULL", TJ_OP_IS_NULL},
    {"IS NOT NULL", TJ_OP_IS_NOT_NULL},
};

struct entity_name {
    const char *name;
    enum tj_filter_entity entity;
};

static const struct entity_name entity_names[] = {
    {"attribute", TJ_ENTITY_ATTRIBUTE},
    {"attributes", TJ_ENTITY_ATTRIBUTE},
    {"trace", TJ_ENTITY_ATTRIBUTE},
    {"tag", TJ_ENTITY_TAG},
    {"tags", TJ_ENTITY_TAG},
    {"metadata", TJ_ENTITY_METADATA},
    {"request_metadata", TJ_ENTITY_METADATA},
    {"span", TJ_ENTITY_SPAN},
    {"feedback", TJ_ENTITY_FEEDBACK},
    {"expectation", TJ_ENTITY_EXPECTATION},
    {"issue", TJ_ENTITY_ISSUE},
};

enum attribute_type { NUMBER, STRING, SEARCH, PAIR };

/* Where MLflow knows a key, and so where messages name it. */
enum known { FILTERED = 1, ORDERED = 2 };

struct attribute_name {
    const char *name;
    enum tj_filter_attribute attribute;
    enum attribute_type type;
    unsigned known;
};

/* In the order in which messages name them. */
static const struct attribute_name attribute_names[] = {
    {"client_request_id", TJ_ATTR_CLIENT_REQUEST_ID, STRING, FILTERED},
    {"end_time", TJ_ATTR_END_TIME_MS, NUMBER, FILTERED | ORDERED},
    {"end_time_ms", TJ_ATTR_END_TIME_MS, NUMBER, FILTERED | ORDERED},
    {"execution_time", TJ_ATTR_EXECUTION_TIME_MS, NUMBER, FILTERED | ORDERED},
    {"execution_time_ms", TJ_ATTR_EXECUTION_TIME_MS, NUMBER,
     FILTERED | ORDERED},
    {"experiment_id", TJ_ATTR_EXPERIMENT_ID, STRING, ORDERED},
    {"name", TJ_ATTR_NAME, STRING, FILTERED | ORDERED},
    {"prompt", TJ_ATTR_PROMPT, PAIR, FILTERED},
    {"request_id", TJ_ATTR_REQUEST_ID, STRING, FILTERED | ORDERED},
    {"run_id", TJ_ATTR_RUN_ID, STRING, FILTERED | ORDERED},
    {"status", TJ_ATTR_STATUS, STRING, FILTERED | ORDERED},
    {"text", TJ_ATTR_TEXT, SEARCH, FILTERED},
    {"timestamp", TJ_ATTR_TIMESTAMP_MS, NUMBER, FILTERED | ORDERED},
    {"timestamp_ms", TJ_ATTR_TIMESTAMP_MS, NUMBER, FILTERED | ORDERED},
    {"trace_id", TJ_ATTR_REQUEST_ID, STRING, 0},
};

static const struct attribute_name *
attribute_by_name(tj_str name, enum tj_filter_attribute which)
{
    for (size_t i = 0; i < TJ_COUNT(attribute_names); i++) {
        const struct attribute_name *n = &attribute_names[i];
        if (name.ptr ? tj_str_eq(name, tj_str_c(n->name))
                     : n->attribute == which)
            return n;
    }
    return NULL;
}

static enum attribute_type type_of(enum tj_filter_attribute attribute)
{
    const struct attribute_name *n = attribute_by_name((tj_str){0}, attribute);
    assert(n); /* every attribute has a name */
    return n->type;
}

bool tj_filter_is_numeric(enum tj_filter_attribute attribute)
{
    return type_of(attribute) == NUMBER;
}

/* -- identifiers ---------------------------------------------------------- */

static bool refuse_attribute(tj_str key, enum known known, struct tj_arena *a,
                             struct tj_err *err)
{
    struct tj_buf names;
    tj_buf_init(&names, a, LIST_BYTES_MAX);
    for (size_t i = 0; i < TJ_COUNT(attribute_names); i++)
        if (attribute_names[i].known & known)
            tj_buf_fmt(&names, "%s'%s'", names.len ? ", " : "",
                       attribute_names[i].name);
    return tj_fail(err, TJ_E_INPUT,
                   "Invalid attribute key '%.*s' specified. Valid keys are "
                   "'{%.*s}'",
                   TJ_STR_ARG(key), TJ_STR_ARG(tj_buf_str(&names)));
}

/* A key that MLflow has not is ours, and goes everywhere. */
static bool identify_attribute(struct tj_filter *out, enum known known,
                               struct tj_arena *a, struct tj_err *err)
{
    tj_str key = out->key;
    const struct attribute_name *n = key.len ? attribute_by_name(key, 0) : NULL;
    bool ours = n && (!n->known || n->attribute == TJ_ATTR_EXPERIMENT_ID);
    if (!n || (!ours && !(n->known & known)))
        return refuse_attribute(key, known, a, err);
    out->attribute = n->attribute;
    return true;
}

static bool identify_span(tj_str key, struct tj_err *err)
{
    static const char *const plain[] = {"name", "type", "status", "content"};
    for (size_t i = 0; i < TJ_COUNT(plain); i++)
        if (tj_str_eq(key, tj_str_c(plain[i])))
            return true;
    if (tj_str_eq(key, TJ_STR("attributes.")))
        return tj_fail(err, TJ_E_INPUT,
                       "Span attribute name cannot be empty after "
                       "'attributes.'");
    if (tj_str_starts(key, TJ_STR("attributes.")))
        return true;
    return tj_fail(err, TJ_E_INPUT,
                   "Invalid span attribute '%.*s'. Supported attributes: "
                   "name, status, type, attributes.<attribute_name>.",
                   TJ_STR_ARG(key));
}

static bool identify_key(struct tj_filter *out, enum known known,
                         struct tj_arena *a, struct tj_err *err)
{
    switch (out->entity) {
    case TJ_ENTITY_ATTRIBUTE: return identify_attribute(out, known, a, err);
    case TJ_ENTITY_SPAN: return identify_span(out->key, err);
    case TJ_ENTITY_FEEDBACK:
    case TJ_ENTITY_EXPECTATION:
        return out->key.len || tj_fail(err, TJ_E_INPUT,
                                       "Assessment field name cannot be empty");
    case TJ_ENTITY_ISSUE:
        return tj_str_eq(out->key, TJ_STR("id")) ||
               tj_fail(err, TJ_E_INPUT,
                       "Invalid issue attribute '%.*s'. Supported attributes: "
                       "id",
                       TJ_STR_ARG(out->key));
    case TJ_ENTITY_TAG:
    case TJ_ENTITY_METADATA: break;
    }
    return out->key.len || tj_fail(err, TJ_E_INPUT,
                                   "Invalid clause(s) in filter string: a tag "
                                   "or metadata key is empty");
}

static bool identify(const struct tj_filter_token *word, enum known known,
                     struct tj_arena *a, struct tj_filter *out,
                     struct tj_err *err)
{
    size_t dot = word->kind == TJ_TOKEN_WORD ? tj_str_find_byte(word->text, '.')
                                             : (size_t)-1;
    out->entity = TJ_ENTITY_ATTRIBUTE;
    out->key = word->text;
    if (dot == (size_t)-1)
        return identify_key(out, known, a, err);
    tj_str type = tj_str_slice(word->text, 0, dot);
    out->key = tj_str_slice(word->text, dot + 1, word->text.len);
    for (size_t i = 0; i < TJ_COUNT(entity_names); i++) {
        if (!tj_str_eq_fold(type, tj_str_c(entity_names[i].name)))
            continue;
        out->entity = entity_names[i].entity;
        return identify_key(out, known, a, err);
    }
    struct tj_buf names;
    tj_buf_init(&names, a, LIST_BYTES_MAX);
    for (size_t i = 0; i < TJ_COUNT(entity_names); i++)
        tj_buf_fmt(&names, "%s'%s'", i ? ", " : "", entity_names[i].name);
    return tj_fail(err, TJ_E_INPUT,
                   "Invalid entity type '%.*s'. Valid values are {%.*s}",
                   TJ_STR_ARG(type), TJ_STR_ARG(tj_buf_str(&names)));
}

bool tj_filter_identify(const struct tj_filter_token *word, struct tj_arena *a,
                        struct tj_filter *out, struct tj_err *err)
{
    return identify(word, FILTERED, a, out, err);
}

/* As messages call them. */
static const char *entity_label(enum tj_filter_entity entity)
{
    switch (entity) {
    case TJ_ENTITY_ATTRIBUTE: return "attribute";
    case TJ_ENTITY_TAG: return "tag";
    case TJ_ENTITY_METADATA: return "request_metadata";
    case TJ_ENTITY_SPAN: return "span";
    case TJ_ENTITY_FEEDBACK: return "feedback";
    case TJ_ENTITY_EXPECTATION: return "expectation";
    case TJ_ENTITY_ISSUE: return "issue";
    }
    return "?";
}

bool tj_filter_identify_order(const struct tj_filter_token *word,
                              struct tj_arena *a, struct tj_filter *out,
                              struct tj_err *err)
{
    struct tj_filter f = {0};
    if (!identify(word, ORDERED, a, &f, err))
        return false;
    if (f.entity != TJ_ENTITY_ATTRIBUTE && f.entity != TJ_ENTITY_TAG &&
        f.entity != TJ_ENTITY_METADATA)
        return tj_fail(err, TJ_E_INPUT, "Invalid identifier type '%s'",
                       entity_label(f.entity));
    *out = f;
    return true;
}

/* -- operators ------------------------------------------------------------ */

bool tj_filter_op_parse(tj_str text, enum tj_filter_op *out)
{
    for (size_t i = 0; i < TJ_COUNT(op_names); i++) {
        if (!tj_str_eq_fold(text, tj_str_c(op_names[i].name)))
            continue;
        *out = op_names[i].op;
        return true;
    }
    return false;
}

static const char *op_name(enum tj_filter_op op)
{
    for (size_t i = 0; i < TJ_COUNT(op_names); i++)
        if (op_names[i].op == op)
            return op_names[i].name;
    return "?";
}

static unsigned attribute_ops(enum tj_filter_attribute attribute)
{
    switch (type_of(attribute)) {
    case NUMBER: return EQUALS | ORDERS;
    case STRING: return EQUALS | LISTS | LIKES | NULLS;
    case SEARCH: return LIKES;
    case PAIR: return BIT(EQ);
    }
    return 0;
}

static unsigned ops_of(const struct tj_filter *f)
{
    switch (f->entity) {
    case TJ_ENTITY_ATTRIBUTE: return attribute_ops(f->attribute);
    case TJ_ENTITY_TAG:
    case TJ_ENTITY_METADATA: return EQUALS | LIKES | NULLS;
    case TJ_ENTITY_SPAN:
        if (tj_str_eq(f->key, TJ_STR("content")))
            return LIKES;
        if (tj_str_starts(f->key, TJ_STR("attributes.")))
            return EQUALS | LISTS | LIKES | NULLS;
        return EQUALS | LISTS | LIKES;
    case TJ_ENTITY_FEEDBACK:
    case TJ_ENTITY_EXPECTATION: return EQUALS | LIKES | ORDERS | NULLS;
    case TJ_ENTITY_ISSUE: return BIT(EQ);
    }
    return 0;
}

static tj_str op_list(struct tj_arena *a, unsigned ops)
{
    struct tj_buf names;
    unsigned seen = 0;
    tj_buf_init(&names, a, LIST_BYTES_MAX);
    for (size_t i = 0; i < TJ_COUNT(op_names); i++) {
        unsigned bit = 1u << op_names[i].op;
        if (ops & bit & ~seen)
            tj_buf_fmt(&names, "%s'%s'", seen ? ", " : "", op_names[i].name);
        seen |= ops & bit;
    }
    return tj_buf_str(&names);
}

void tj_filter_settle_run(struct tj_filter *f)
{
    static const tj_str source_run = {"mlflow.sourceRun", 16};
    bool equal = (1u << f->op) & (BIT(EQ) | BIT(IN));
    if (equal && f->entity == TJ_ENTITY_METADATA &&
        tj_str_eq(f->key, source_run)) {
        f->entity = TJ_ENTITY_ATTRIBUTE;
        f->attribute = TJ_ATTR_RUN_ID;
    } else if (f->entity == TJ_ENTITY_ATTRIBUTE &&
               f->attribute == TJ_ATTR_RUN_ID && (1u << f->op) & LIKES) {
        f->entity = TJ_ENTITY_METADATA;
        f->key = source_run;
    }
}

/* What MLflow's messages list: not what is ours on top. */
static unsigned listed_ops(const struct tj_filter *f)
{
    if (f->entity == TJ_ENTITY_SPAN)
        return tj_str_eq(f->key, TJ_STR("content")) ? BIT(LIKE) | BIT(ILIKE)
                                                    : EQUALS | LISTS | LIKES;
    if (f->entity != TJ_ENTITY_ATTRIBUTE)
        return ops_of(f);
    if (f->attribute == TJ_ATTR_NAME || f->attribute == TJ_ATTR_RUN_ID)
        return EQUALS | LIKES | NULLS;
    if (f->attribute == TJ_ATTR_TEXT)
        return BIT(LIKE) | BIT(ILIKE);
    return EQUALS | LISTS | LIKES;
}

/* ('a', 'b') behind IN, for messages. */
static tj_str list_text(tj_str rest)
{
    size_t close = tj_str_find_byte(rest, ')');
    size_t len = close == (size_t)-1 ? rest.len : close + 1;
    return tj_str_slice(rest, 0, len < GOT_BYTES_MAX ? len : GOT_BYTES_MAX);
}

bool tj_filter_refuse_op(const struct tj_filter *f, tj_str op,
                         struct tj_arena *a, struct tj_err *err)
{
    tj_str list = op_list(a, listed_ops(f));
    bool attribute = f->entity == TJ_ENTITY_ATTRIBUTE;
    if (f->entity == TJ_ENTITY_SPAN || f->entity == TJ_ENTITY_ISSUE ||
        (attribute && f->attribute == TJ_ATTR_TEXT))
        return tj_fail(err, TJ_E_INPUT,
                       "%s.%.*s comparator '%.*s' not one of '{%.*s}'",
                       attribute ? "span" : entity_label(f->entity),
                       TJ_STR_ARG(attribute ? TJ_STR("content") : f->key),
                       TJ_STR_ARG(op), TJ_STR_ARG(list));
    if (f->entity == TJ_ENTITY_FEEDBACK || f->entity == TJ_ENTITY_EXPECTATION)
        return tj_fail(err, TJ_E_INPUT,
                       "assessment.%.*s comparator '%.*s' not one of '{%.*s}'",
                       TJ_STR_ARG(f->key), TJ_STR_ARG(op), TJ_STR_ARG(list));
    if (attribute && f->attribute == TJ_ATTR_PROMPT)
        return tj_fail(err, TJ_E_INPUT,
                       "Invalid comparator '%.*s' for prompts filter. Only "
                       "'=' is supported with format: prompt = "
                       "\"name/version\"",
                       TJ_STR_ARG(op));
    /* MLflow forgets the last quote for these; clients compare texts. */
    bool unclosed = f->entity == TJ_ENTITY_TAG ||
                    (attribute && (f->attribute == TJ_ATTR_NAME ||
                                   tj_filter_is_numeric(f->attribute)));
    return tj_fail(err, TJ_E_INPUT,
                   "Invalid comparator '%.*s' not one of '{%.*s}%s",
                   TJ_STR_ARG(op), TJ_STR_ARG(list), unclosed ? "" : "'");
}

bool tj_filter_check_op(const struct tj_filter *f, tj_str rest,
                        struct tj_arena *a, struct tj_err *err)
{
    tj_str list = list_text(rest);
    if (ops_of(f) & 1u << f->op)
        return true;
    if (!((1u << f->op) & LISTS) || f->entity == TJ_ENTITY_SPAN ||
        f->entity == TJ_ENTITY_TAG)
        return tj_filter_refuse_op(f, tj_str_c(op_name(f->op)), a, err);
    if (f->entity == TJ_ENTITY_ATTRIBUTE)
        return tj_fail(err, TJ_E_INPUT,
                       "Only attributes in {'client_request_id', 'name', "
                       "'request_id', 'run_id', 'status'} supports comparison "
                       "with a list of quoted string values.");
    return tj_fail(err, TJ_E_INPUT,
                   "Expected a quoted string value for %s (e.g. 'my-value'). "
                   "Got value %.*s",
                   entity_label(f->entity), TJ_STR_ARG(list));
}

/* -- values --------------------------------------------------------------- */

static bool is_string(const struct tj_filter_token *t)
{
    return t->kind == TJ_TOKEN_QUOTED && t->quote != '`';
}

static bool refuse_value(const struct tj_filter *f, tj_str got,
                         struct tj_err *err)
{
    bool attribute = f->entity == TJ_ENTITY_ATTRIBUTE;
    double number = 0;
    bool is_number = tj_str_to_double(got, &number);
    got = tj_str_slice(got, 0, GOT_BYTES_MAX);
    if ((f->entity == TJ_ENTITY_FEEDBACK ||
         f->entity == TJ_ENTITY_EXPECTATION) &&
        (1u << f->op) & ORDERS)
        return tj_fail(err, TJ_E_INPUT,
                       "Expected a numeric value for %s when using comparator "
                       "'%s'. Got value %.*s",
                       entity_label(f->entity), op_name(f->op),
                       TJ_STR_ARG(got));
    if (attribute && tj_filter_is_numeric(f->attribute))
        return tj_fail(err, TJ_E_INPUT,
                       "Expected numeric value type for numeric attribute: "
                       "%.*s. Found %.*s",
                       TJ_STR_ARG(f->key), TJ_STR_ARG(got));
    if (attribute && is_number)
        return tj_fail(err, TJ_E_INPUT,
                       "Only the '{'end_time', 'end_time_ms', "
                       "'execution_time', 'execution_time_ms', 'timestamp', "
                       "'timestamp_ms'}' attributes support comparison with "
                       "numeric values.");
    if (is_number)
        return tj_fail(err, TJ_E_INPUT,
                       "Expected a quoted string value for %s (e.g. "
                       "'my-value'). Got value %.*s",
                       entity_label(f->entity), TJ_STR_ARG(got));
    return tj_fail(err, TJ_E_INPUT,
                   "Parameter value is either not quoted or unidentified "
                   "quote types used for string value %.*s. Use either single "
                   "or double quotes.",
                   TJ_STR_ARG(got));
}

/* "name/version" with one slash and something on both sides. */
static bool check_prompt(tj_str value, struct tj_err *err)
{
    tj_str version = value;
    tj_str name = tj_str_cut(&version, '/');
    if (name.len && version.len && !tj_str_ends(version, TJ_STR("/")) &&
        tj_str_find_byte(version, '/') == (size_t)-1)
        return true;
    return tj_fail(err, TJ_E_INPUT,
                   "Invalid prompts filter value '%.*s'. Expected format: "
                   "prompt = \"name/version\"",
                   TJ_STR_ARG(value));
}

/* Does this identifier, under this operator, take a number, a string? */
static void wanted(const struct tj_filter *f, bool *number, bool *string)
{
    bool numeric =
        f->entity == TJ_ENTITY_ATTRIBUTE && tj_filter_is_numeric(f->attribute);
    bool assessment =
        f->entity == TJ_ENTITY_FEEDBACK || f->entity == TJ_ENTITY_EXPECTATION;
    bool ordered = (1u << f->op) & ORDERS;
    *number = numeric || (assessment && (1u << f->op) & (ORDERS | EQUALS));
    *string = !numeric && !(assessment && ordered);
}

bool tj_filter_check_value(struct tj_filter *f,
                           const struct tj_filter_token *value,
                           struct tj_arena *a, struct tj_err *err)
{
    bool number = false;
    bool string = false;
    double parsed = 0;
    wanted(f, &number, &string);
    bool is_number = value->kind == TJ_TOKEN_WORD && !value->quote &&
                     tj_str_to_double(value->text, &parsed);
    if (!(number && is_number) && !(string && is_string(value)))
        return refuse_value(f, value->raw, err);
    if (f->entity == TJ_ENTITY_ATTRIBUTE && f->attribute == TJ_ATTR_PROMPT &&
        !check_prompt(value->text, err))
        return false;
    f->values = tj_arena_new(a, tj_str);
    f->values[0] = value->text;
    f->value_count = 1;
    f->is_number = is_number;
    f->number = parsed;
    return true;
}
