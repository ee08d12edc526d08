/* rules.c - builtin:/rules, a model that is no language model.
 * SPDX-License-Identifier: Apache-2.0
 *
 * It speaks the same ask and reply as the others, so it drives the same loop
 * and the same tools: it calls find_problems until all pages are read, then
 * rates by the judge file's rules block:
 *
 *     {"thresholds": {"slow_span_ms": 2000, "repeated_calls": 2},
 *      "only": ["slow_span"], "ignore": ["..."],
 *      "value_of": {"high": V, "medium": V, "low": V, "none": V}}
 *
 * The value is that of the worst severity found, or of the next lower one that
 * has a value.  It does not read the criteria: whatever its checks cannot
 * decide it answers with "result": null, which a judge reports as
 * insufficient evidence, and says why.
 *
 * It keeps no state between asks.  All it needs is in the conversation: the
 * results of find_problems so far.
 *  1. Text from a trace cannot steer it: only the JSON object of a tool result
 *     is read, and only the members named below.
 *  2. A threshold that the tool does not have is never ignored in silence.
 */
#include "base/heap.h"
#include "base/limits.h"
#include "llm/model_int.h"
#include "llm/model_later.h"
#include "text/json_write.h"
#include "text/utf8.h"

enum {
    PAGES_MAX = 64,         /* of problems; then it says so */
    FINDINGS_SHOWN = 20,    /* in the rationale */
    QUOTES_PER_PROBLEM = 3, /* in the evidence */
    ANSWER_BYTES_MAX = 1 << 18,
};

#define TOOL TJ_STR("find_problems")

enum severity { NONE, LOW, MEDIUM, HIGH, SEVERITY_COUNT };
static const char *const severity_names[] = {"none", "low", "medium", "high"};

struct rules {
    struct tj_model model; /* first */
    struct tj_arena arena;
    struct tj_later later;
    const struct tj_json *block; /* NULL: there is none */
};

/* What the conversation says so far. */
struct findings {
    TJ_VEC(const struct tj_json *) problems; /* that count */
    enum severity worst;
    size_t pages;
    tj_str next_page_token;        /* empty: all was read */
    const struct tj_json *checked; /* {"spans", "evidence"}; may be NULL */
    tj_str trouble;                /* why it cannot be read; empty: fine */
};

/* -- the block ------------------------------------------------------------ */

static bool is_severity(tj_str name, enum severity *out)
{
    for (size_t i = 0; i < SEVERITY_COUNT; i++) {
        if (tj_str_eq(name, tj_str_c(severity_names[i]))) {
            *out = (enum severity)i;
            return true;
        }
    }
    return false;
}

static bool check_words(const struct tj_json *v, const char *member,
                        struct tj_err *err)
{
    bool ok = !v || tj_json_is_array(v);
    tj_json_each (v, it)
        ok = ok && tj_json_is_string(it);
    return ok || tj_fail(err, TJ_E_INPUT,
                         "rules: %s: expected a list of problem codes", member);
}

static bool check_thresholds(const struct tj_json *v, struct tj_err *err)
{
    if (v && !tj_json_is_object(v))
        return tj_fail(err, TJ_E_INPUT, "rules: thresholds: expected a map");
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        double number;
        if (!tj_json_double(m.value, &number) || number < 0)
            return tj_fail(err, TJ_E_INPUT,
                           "rules: thresholds.%.*s: expected a number",
                           TJ_STR_ARG(m.key));
    }
    return true;
}

static bool check_values(const struct tj_json *v, struct tj_err *err)
{
    if (!tj_json_is_object(v) || tj_json_count(v) == 0)
        return tj_fail(err, TJ_E_INPUT,
                       "rules: value_of: expected a map from high, medium, low "
                       "and none to values");
    struct tj_json_members m = tj_json_members(v);
    enum severity ignored;
    while (tj_json_member(&m))
        if (!is_severity(m.key, &ignored))
            return tj_fail(err, TJ_E_INPUT,
                           "rules: value_of.%.*s: expected high, medium, low "
                           "or none",
                           TJ_STR_ARG(m.key));
    return true;
}

static bool check_block(const struct tj_json *block, struct tj_err *err)
{
    if (!tj_json_is_object(block))
        return tj_fail(err, TJ_E_INPUT, "rules: expected a map");
    struct tj_json_members m = tj_json_members(block);
    while (tj_json_member(&m)) {
        bool known = tj_str_eq(m.key, TJ_STR("thresholds")) ||
                     tj_str_eq(m.key, TJ_STR("only")) ||
                     tj_str_eq(m.key, TJ_STR("ignore")) ||
                     tj_str_eq(m.key, TJ_STR("value_of"));
        if (!known)
            return tj_fail(err, TJ_E_INPUT,
                           "rules: unknown key '%.*s' (thresholds, only, "
                           "ignore, value_of)",
                           TJ_STR_ARG(m.key));
    }
    return check_thresholds(tj_json_at(block, "thresholds"), err) &&
           check_words(tj_json_at(block, "only"), "only", err) &&
           check_words(tj_json_at(block, "ignore"), "ignore", err) &&
           check_values(tj_json_at(block, "value_of"), err);
}

static bool has_word(const struct tj_json *words, tj_str word)
{
    tj_json_each (words, it)
        if (tj_str_eq(tj_json_str(it), word))
            return true;
    return false;
}

static bool counts(const struct tj_json *block, tj_str code)
{
    const struct tj_json *only = tj_json_at(block, "only");
    return (!only || has_word(only, code)) &&
           !has_word(tj_json_at(block, "ignore"), code);
}

/* -- reading the conversation --------------------------------------------- */

static void read_problems(const struct tj_json *block,
                          const struct tj_json *result, struct tj_arena *a,
                          struct findings *f)
{
    tj_json_each (tj_json_at(result, "problems"), it) {
        enum severity severity;
        if (!is_severity(tj_json_find_str(it, TJ_STR("severity")), &severity)) {
            f->trouble = TJ_STR("a problem has a severity that it does not "
                                "know");
            return;
        }
        if (!counts(block, tj_json_find_str(it, TJ_STR("code"))))
            continue;
        *tj_vec_add(&f->problems, a) = it;
        if (severity > f->worst)
            f->worst = severity;
    }
}

/* The judge puts a fence around what a tool returned, and may say what it was
 * above it: the result is the first JSON object. */
static void read_result(const struct tj_json *block, const struct tj_message *m,
                        struct tj_arena *a, struct findings *f)
{
    size_t brace = tj_str_find_byte(m->text, '{');
    tj_str text = tj_str_slice(m->text, brace, m->text.len);
    struct tj_json_doc doc;
    struct tj_err err;
    size_t used;
    f->pages++;
    f->next_page_token = (tj_str){0};
    if (m->is_error || brace == (size_t)-1 ||
        !tj_json_parse_prefix(text, a, &doc, &used, &err) ||
        !tj_json_is_array(tj_json_at(doc.root, "problems"))) {
        tj_str seen = tj_utf8_clip(tj_str_trim(m->text), 200);
        f->trouble = tj_str_printf(a, "find_problems answered \"%.*s\"",
                                   TJ_STR_ARG(seen));
        return;
    }
    read_problems(block, doc.root, a, f);
    f->next_page_token = tj_json_find_str(doc.root, TJ_STR("next_page_token"));
    f->checked = tj_json_find(doc.root, TJ_STR("checked"));
}

static void read_conversation(const struct tj_json *block,
                              const struct tj_ask *ask, struct tj_arena *a,
                              struct findings *f)
{
    for (size_t i = 0; i < ask->message_count && !f->trouble.len; i++) {
        const struct tj_message *m = &ask->messages[i];
        if (m->role == TJ_ROLE_TOOL && tj_str_eq(m->use_name, TOOL))
            read_result(block, m, a, f);
    }
}

/* -- asking for more ------------------------------------------------------ */

static const struct tj_tool_spec *find_tool(const struct tj_ask *ask)
{
    for (size_t i = 0; i < ask->tool_count; i++)
        if (tj_str_eq(ask->tools[i].name, TOOL))
            return &ask->tools[i];
    return NULL;
}

/* The arguments of the next call; empty with *trouble set when the tool has
 * no such threshold. */
static tj_str next_args(const struct rules *r, const struct tj_tool_spec *tool,
                        tj_str page_token, struct tj_arena *a, tj_str *trouble)
{
    struct tj_json_doc doc;
    struct tj_err err;
    struct tj_buf b;
    struct tj_json_writer w;
    if (!tj_json_parse(tool->schema, a, &doc, &err)) {
        *trouble = TJ_STR("the arguments of find_problems are not known");
        return (tj_str){0};
    }
    const struct tj_json *has = tj_json_at(doc.root, "properties");
    tj_buf_init(&b, a, TJ_TOOL_ARGS_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "format", TJ_STR("json"));
    struct tj_json_members m =
        tj_json_members(tj_json_at(r->block, "thresholds"));
    while (tj_json_member(&m)) {
        if (!tj_json_find(has, m.key)) {
            *trouble = tj_str_printf(a, "find_problems has no threshold '%.*s'",
                                     TJ_STR_ARG(m.key));
            return (tj_str){0};
        }
        tj_jw_key(&w, m.key);
        tj_jw_value(&w, m.value);
    }
    if (page_token.len)
        tj_jw_key_str(&w, "page_token", page_token);
    tj_jw_end(&w);
    if (!tj_buf_ok(&b, "arguments", &err))
        *trouble = TJ_STR("the thresholds are too long");
    return b.full ? (tj_str){0} : tj_buf_str(&b);
}

static struct tj_reply blank_reply(void)
{
    return (struct tj_reply){
        .stop = TJ_STOP_END,
        .message.role = TJ_ROLE_ASSISTANT,
        .model = TJ_STR("rules"),
        .usage = {.cost_usd = 0},
    };
}

static struct tj_reply call(tj_str args, size_t page, struct tj_arena *a)
{
    struct tj_reply reply = blank_reply();
    reply.stop = TJ_STOP_TOOLS;
    struct tj_tool_use *use = tj_vec_add(&reply.message.uses, a);
    use->id = tj_str_printf(a, "rules_%zu", page + 1);
    use->name = TOOL;
    use->args = args;
    return reply;
}

/* -- answering ------------------------------------------------------------ */

static struct tj_reply said(struct tj_buf *b, struct tj_arena *a)
{
    struct tj_err err;
    if (!tj_buf_ok(b, "answer of builtin:/rules", &err))
        return tj_reply_failed(a, TJ_LLM_BAD_OUTPUT, "%s", err.message);
    struct tj_reply reply = blank_reply();
    reply.message.text = tj_buf_str(b);
    return reply;
}

static struct tj_reply undecided(tj_str why, struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer w;
    tj_buf_init(&b, a, ANSWER_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("result"));
    tj_jw_null(&w);
    tj_jw_key_str(&w, "rationale",
                  tj_str_printf(a,
                                "builtin:/rules is a fixed set of checks, not "
                                "a language model, and cannot decide this: "
                                "%.*s.",
                                TJ_STR_ARG(why)));
    tj_jw_key(&w, TJ_STR("evidence"));
    tj_jw_array(&w);
    tj_jw_end(&w);
    tj_jw_end(&w);
    return said(&b, a);
}

static const struct tj_json *value_for(const struct tj_json *block,
                                       enum severity worst)
{
    const struct tj_json *values = tj_json_at(block, "value_of");
    for (int i = (int)worst; i >= 0; i--) {
        const struct tj_json *v =
            tj_json_find(values, tj_str_c(severity_names[i]));
        if (v)
            return v;
    }
    return NULL;
}

static tj_str rationale(const struct findings *f, struct tj_arena *a)
{
    struct tj_buf b;
    size_t count = f->problems.count;
    tj_buf_init(&b, a, ANSWER_BYTES_MAX / 2);
    tj_buf_fmt(&b, "The deterministic checks of builtin:/rules found ");
    if (count == 0) {
        tj_buf_add(&b, TJ_STR("no problem that counts."));
        return tj_buf_str(&b);
    }
    tj_buf_fmt(&b, "%zu problem%s, the worst of severity %s:", count,
               count == 1 ? "" : "s", severity_names[f->worst]);
    size_t shown = 0;
    for (int severity = HIGH; severity >= NONE; severity--) {
        tj_str name = tj_str_c(severity_names[severity]);
        tj_vec_each (&f->problems, const struct tj_json *, it) {
            if (!tj_str_eq(tj_json_find_str(*it, TJ_STR("severity")), name) ||
                shown == FINDINGS_SHOWN)
                continue;
            shown++;
            tj_str title = tj_json_find_str(*it, TJ_STR("title"));
            tj_str code = tj_json_find_str(*it, TJ_STR("code"));
            tj_buf_fmt(&b, "\n- [%.*s] %.*s (%.*s)", TJ_STR_ARG(name),
                       TJ_STR_ARG(tj_utf8_clip(title, 400)), TJ_STR_ARG(code));
        }
    }
    if (shown < count)
        tj_buf_fmt(&b, "\n- and %zu more", count - shown);
    return tj_buf_str(&b);
}

typedef TJ_VEC(const struct tj_json *) quotes;

/* Two findings about one span have the same proof. */
static bool has_quote(const quotes *list, const struct tj_json *quote)
{
    tj_vec_each (list, const struct tj_json *, it) {
        if (tj_json_eq(*it, quote))
            return true;
    }
    return false;
}

/* The first quotes of a problem, as find_problems gave them. */
static void add_quotes(quotes *list, const struct tj_json *problem,
                       struct tj_arena *a)
{
    size_t count = 0;
    tj_json_each (tj_json_at(problem, "evidence"), it) {
        if (count++ == QUOTES_PER_PROBLEM || list->count == TJ_EVIDENCE_MAX)
            break;
        if (!has_quote(list, it))
            *tj_vec_add(list, a) = it;
    }
}

static void put_quotes(struct tj_json_writer *w, const quotes *list)
{
    tj_vec_each (list, const struct tj_json *, it) {
        tj_jw_object(w);
        tj_jw_key_str(w, "span_id", tj_json_find_str(*it, TJ_STR("span_id")));
        tj_jw_key_str(w, "field", tj_json_find_str(*it, TJ_STR("field")));
        tj_jw_key_str(w, "quote", tj_json_find_str(*it, TJ_STR("quote")));
        tj_jw_end(w);
    }
}

/* The worst problems first. */
static quotes evidence_of(const struct findings *f, struct tj_arena *a)
{
    quotes list = {0};
    for (int severity = HIGH; severity >= NONE; severity--) {
        tj_vec_each (&f->problems, const struct tj_json *, it) {
            if (tj_str_eq(tj_json_find_str(*it, TJ_STR("severity")),
                          tj_str_c(severity_names[severity])))
                add_quotes(&list, *it, a);
        }
    }
    /* That nothing was found is proved by what was looked through. */
    if (list.count == 0)
        add_quotes(&list, f->checked, a);
    return list;
}

static struct tj_reply rated(const struct tj_json *value,
                             const struct findings *f, struct tj_arena *a)
{
    struct tj_buf b;
    struct tj_json_writer w;
    quotes list = evidence_of(f, a);
    tj_buf_init(&b, a, ANSWER_BYTES_MAX);
    tj_json_writer_init(&w, &b, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("result"));
    tj_jw_value(&w, value);
    tj_jw_key_str(&w, "rationale", rationale(f, a));
    tj_jw_key(&w, TJ_STR("evidence"));
    tj_jw_array(&w);
    put_quotes(&w, &list);
    tj_jw_end(&w);
    tj_jw_end(&w);
    return said(&b, a);
}

static struct tj_reply conclude(const struct rules *r, const struct findings *f,
                                struct tj_arena *a)
{
    /* Unread pages can only make it worse, and nothing is worse than high. */
    if (f->next_page_token.len && f->worst != HIGH)
        return undecided(tj_str_printf(a,
                                       "%zu pages of problems were read and "
                                       "there are more",
                                       f->pages),
                         a);
    const struct tj_json *value = value_for(r->block, f->worst);
    if (!value)
        return undecided(tj_str_printf(a,
                                       "the rules block gives no value for "
                                       "severity %s",
                                       severity_names[f->worst]),
                         a);
    return rated(value, f, a);
}

static struct tj_reply think(const struct rules *r, const struct tj_ask *ask,
                             struct tj_arena *a)
{
    if (!r->block)
        return undecided(TJ_STR("the judge has no `rules:` block that maps "
                                "findings to values"),
                         a);
    struct findings f = {0};
    read_conversation(r->block, ask, a, &f);
    const struct tj_tool_spec *tool = find_tool(ask);
    bool may_call = tool && ask->choice != TJ_CHOICE_NONE;
    if (f.trouble.len)
        return undecided(f.trouble, a);
    if (f.pages == 0 && !may_call)
        return undecided(TJ_STR("the tool find_problems was not offered"), a);
    bool wants_more = f.pages == 0 || f.next_page_token.len;
    if (!wants_more || !may_call || f.pages >= PAGES_MAX)
        return conclude(r, &f, a);
    tj_str args = next_args(r, tool, f.next_page_token, a, &f.trouble);
    return f.trouble.len ? undecided(f.trouble, a) : call(args, f.pages, a);
}

/* -- the member of the family --------------------------------------------- */

static void rules_ask(struct tj_model *model, const struct tj_ask *ask,
                      struct tj_arena *a, tj_reply_fn done, void *ctx)
{
    struct rules *r = (struct rules *)model;
    struct tj_reply reply = think(r, ask, a);
    tj_later_put(&r->later, &reply, done, ctx);
}

static void rules_cancel(struct tj_model *model)
{
    tj_later_cancel(&((struct rules *)model)->later);
}

static void rules_close(struct tj_model *model)
{
    struct rules *r = (struct rules *)model;
    tj_later_close(&r->later);
    tj_arena_release(&r->arena);
    tj_heap_free(r);
}

static const struct tj_model_ops rules_ops = {
    .name = "rules",
    .ask = rules_ask,
    .cancel = rules_cancel,
    .close = rules_close,
};

static bool read_block(struct rules *r, tj_str text, struct tj_err *err)
{
    struct tj_json_doc doc;
    if (!text.len)
        return true;
    if (!tj_json_parse(tj_str_dup(&r->arena, text), &r->arena, &doc, err))
        return tj_err_wrap(err, "rules");
    r->block = doc.root;
    return check_block(doc.root, err);
}

bool tj_model_rules_open(tj_str rules, struct tj_loop *loop,
                         struct tj_model **out, struct tj_err *err)
{
    struct rules *r = tj_heap_new(sizeof *r);
    r->model.ops = &rules_ops;
    r->model.loop = loop;
    r->model.uri = TJ_STR("builtin:/rules");
    r->later.loop = loop;
    if (!read_block(r, rules, err)) {
        rules_close(&r->model);
        return false;
    }
    *out = &r->model;
    return true;
}
