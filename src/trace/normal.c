/* normal.c - applies the rules of normal_rules.c to one span.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     fields --names--> at[rule] = first field      one pass over the fields
 *     rules in order --> the first that gives something sets the value
 *     then: errors, cached tokens, tool names       what needs more than one
 */
#include "trace/normal.h"

#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "text/plain.h"
#include "text/utf8.h"
#include "trace/normal_int.h"
#include "trace/normal_rules.h"

/* -- which rules a name takes part in ------------------------------------- */

static bool rule_is_of_events(const struct tj_rule *rule)
{
    return rule->how == TJ_RULE_SHARE_EVENT || rule->how == TJ_RULE_EVENTS;
}

static bool rule_reads(const struct tj_rule *rule, tj_str key, bool of_event)
{
    if (rule_is_of_events(rule) != of_event || rule->how == TJ_RULE_EVENTS)
        return false;
    tj_str want = tj_str_c(rule->key);
    return rule->how == TJ_RULE_FAMILY ? tj_str_starts(key, want)
                                       : tj_str_eq(key, want);
}

struct tj_normal_key tj_normal_key(tj_str name)
{
    struct tj_normal_key key = {{0}};
    tj_str rest = name;
    tj_str scope = tj_str_cut(&rest, '.');
    bool of_event = tj_str_eq(scope, TJ_STR("events"));
    if (of_event)
        (void)tj_str_cut(&rest, '.');
    else if (!tj_str_eq(scope, TJ_STR("attributes")))
        return key;
    size_t n = 0;
    for (size_t row = 0; row < tj_rule_count; row++) {
        if (!rule_reads(&tj_rules[row], rest, of_event))
            continue;
        assert(n < TJ_NORMAL_ROWS_PER_KEY_MAX);
        key.rows[n++] = (uint8_t)(row + 1);
    }
    return key;
}

static void find_fields(struct tj_normal_run *run,
                        const struct tj_normal_key *keys)
{
    const struct tj_span *span = run->span;
    memset(run->at, -1, sizeof run->at);
    for (size_t f = 0; f < span->field_count; f++) {
        struct tj_normal_key key =
            keys ? keys[f] : tj_normal_key(span->fields[f].name);
        for (size_t k = 0; k < TJ_NORMAL_ROWS_PER_KEY_MAX && key.rows[k]; k++) {
            int16_t *at = &run->at[key.rows[k] - 1];
            if (*at < 0)
                *at = (int16_t)f;
        }
    }
}

/* -- reading one field ---------------------------------------------------- */

static bool is_usable(const struct tj_field *f)
{
    return f->type != TJ_FIELD_NULL && tj_str_trim(f->text).len > 0;
}

/* A count or an amount as number or text; false below zero. */
static bool read_number(tj_str text, double *out)
{
    return tj_str_to_double(tj_str_trim(text), out) && *out >= 0;
}

static bool read_count(tj_str text, int64_t *out)
{
    text = tj_str_trim(text);
    double d = 0;
    if (tj_str_to_i64(text, out))
        return *out >= 0;
    /* Some clients count in doubles ("14.0"); above 2^53 that is no count. */
    if (!read_number(text, &d) || d > 9007199254740992.0)
        return false;
    *out = (int64_t)d;
    return true;
}

static tj_str number_text(const struct tj_json *v)
{
    return tj_json_is_number(v) ? tj_json_number_text(v) : tj_json_str(v);
}

/* The value of a JSON field; NULL for any other.  Lives in run->scratch. */
static const struct tj_json *field_json(struct tj_normal_run *run,
                                        const struct tj_field *f)
{
    struct tj_json_doc doc;
    struct tj_err err;
    if (f->type != TJ_FIELD_JSON ||
        !tj_plain_parse(f->text, &run->scratch, &doc, &err))
        return NULL;
    return doc.root;
}

static bool read_count_member(struct tj_normal_run *run,
                              const struct tj_rule *rule,
                              const struct tj_field *f, int64_t *out)
{
    const struct tj_json *v = tj_json_at(field_json(run, f), rule->arg);
    return v && read_count(number_text(v), out);
}

static bool read_money_member(struct tj_normal_run *run,
                              const struct tj_rule *rule,
                              const struct tj_field *f, double *out)
{
    const struct tj_json *v = field_json(run, f);
    const struct tj_json *total = tj_json_at(v, rule->arg);
    if (total && read_number(number_text(total), out))
        return true;
    double sum = 0;
    bool any = false;
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        double part = 0;
        if (read_number(number_text(m.value), &part)) {
            sum += part;
            any = true;
        }
    }
    if (any)
        *out = sum;
    return any;
}

static bool read_money_pair(const struct tj_normal_run *run,
                            const struct tj_rule *rule,
                            const struct tj_field *f, double *out)
{
    double first = 0;
    double second = 0;
    if (!read_number(f->text, &first))
        return false;
    for (size_t i = 0; i < run->span->field_count; i++) {
        const struct tj_field *other = &run->span->fields[i];
        if (tj_str_ends(other->name, tj_str_c(rule->arg)) &&
            read_number(other->text, &second))
            break;
    }
    *out = first + second;
    return true;
}

/* -- setting one value ---------------------------------------------------- */

static int64_t *count_of(struct tj_usage *u, enum tj_normal which)
{
    switch ((int)which) {
    case TJ_NORMAL_INPUT_TOKENS: return &u->input_tokens;
    case TJ_NORMAL_OUTPUT_TOKENS: return &u->output_tokens;
    case TJ_NORMAL_CACHE_READ_TOKENS: return &u->cache_read_tokens;
    case TJ_NORMAL_CACHE_WRITE_TOKENS: return &u->cache_write_tokens;
    case TJ_NORMAL_REASONING_TOKENS: return &u->reasoning_tokens;
    }
    return NULL;
}

static tj_str *text_of(struct tj_span *span, enum tj_normal which)
{
    switch ((int)which) {
    case TJ_NORMAL_MODEL: return &span->model;
    case TJ_NORMAL_PROVIDER: return &span->provider;
    case TJ_NORMAL_TOOL_NAME: return &span->tool_name;
    case TJ_NORMAL_TOOL_CALL_ID: return &span->tool_call_id;
    case TJ_NORMAL_AGENT: return &span->agent;
    case TJ_NORMAL_SESSION: return &span->session;
    case TJ_NORMAL_USER: return &span->user;
    case TJ_NORMAL_ENVIRONMENT: return &span->environment;
    case TJ_NORMAL_RELEASE: return &span->release;
    }
    return NULL;
}

static bool set_kind(struct tj_normal_run *run, const struct tj_rule *rule,
                     const struct tj_field *f)
{
    struct tj_span *span = run->span;
    enum tj_kind kind = TJ_KIND_UNKNOWN;
    bool known = rule->how == TJ_RULE_KIND_IF
                     ? tj_kind_parse(tj_str_c(rule->arg), &kind)
                     : tj_rule_kind_word(f->text, &kind);
    if (known && kind != TJ_KIND_UNKNOWN) {
        span->kind = kind;
        span->kind_text = (tj_str){0};
        return true;
    }
    /* Nobody's word: shown as it is unless a later rule knows better. */
    if (!known && span->kind_text.len == 0) {
        span->kind_text = tj_utf8_clip(f->text, TJ_NAME_BYTES_MAX);
        span->source[TJ_NORMAL_KIND] = run->at[rule - tj_rules];
    }
    return false;
}

static bool set_text(struct tj_normal_run *run, const struct tj_rule *rule,
                     const struct tj_field *f)
{
    if (rule->how == TJ_RULE_TEXT_IF_TOOL && run->span->kind != TJ_KIND_TOOL)
        return false;
    tj_str *text = text_of(run->span, rule->which);
    tj_str value = tj_str_trim(f->text);
    if (value.len > TJ_NAME_BYTES_MAX) {
        value = tj_utf8_clip(value, TJ_NAME_BYTES_MAX);
        run->span->marks |= TJ_MARK_CLIPPED;
    }
    *text = value;
    return true;
}

static bool set_count(struct tj_normal_run *run, const struct tj_rule *rule,
                      const struct tj_field *f)
{
    int64_t *count = count_of(&run->span->usage, rule->which);
    if (rule->how == TJ_RULE_COUNT_MEMBER)
        return read_count_member(run, rule, f, count);
    int64_t value = 0;
    if (!read_count(f->text, &value))
        return false;
    *count = value;
    return true;
}

static bool set_cost(struct tj_normal_run *run, const struct tj_rule *rule,
                     const struct tj_field *f)
{
    double cost = 0;
    bool ok = rule->how == TJ_RULE_MONEY_MEMBER
                  ? read_money_member(run, rule, f, &cost)
              : rule->how == TJ_RULE_MONEY_PAIR
                  ? read_money_pair(run, rule, f, &cost)
                  : read_number(f->text, &cost);
    if (ok)
        run->span->usage.cost_usd = cost;
    return ok;
}

static bool set_value(struct tj_normal_run *run, const struct tj_rule *rule,
                      const struct tj_field *f)
{
    switch (rule->how) {
    case TJ_RULE_KIND:
    case TJ_RULE_KIND_IF: return set_kind(run, rule, f);
    case TJ_RULE_SHARE:
    case TJ_RULE_SHARE_EVENT:
    case TJ_RULE_FAMILY:
    case TJ_RULE_EVENTS:
        return tj_normal_value(run, rule, (size_t)(f - run->span->fields));
    case TJ_RULE_TEXT:
    case TJ_RULE_TEXT_IF_TOOL: return set_text(run, rule, f);
    case TJ_RULE_COUNT:
    case TJ_RULE_COUNT_MEMBER: return set_count(run, rule, f);
    case TJ_RULE_MONEY:
    case TJ_RULE_MONEY_PAIR:
    case TJ_RULE_MONEY_MEMBER: return set_cost(run, rule, f);
    }
    return false;
}

/* What the format said itself is not asked for again. */
static uint32_t already_set(struct tj_span *span)
{
    uint32_t set = 0;
    if (span->kind != TJ_KIND_UNKNOWN)
        set |= UINT32_C(1) << TJ_NORMAL_KIND;
    for (int which = 0; which < TJ_NORMAL_COUNT; which++) {
        const tj_str *text = text_of(span, (enum tj_normal)which);
        const int64_t *count = count_of(&span->usage, (enum tj_normal)which);
        if ((text && text->len) || (count && *count >= 0))
            set |= UINT32_C(1) << which;
    }
    if (span->usage.cost_usd >= 0)
        set |= UINT32_C(1) << TJ_NORMAL_COST;
    if (tj_span_find_field(span, TJ_STR("input")) >= 0)
        set |= UINT32_C(1) << TJ_NORMAL_INPUT;
    if (tj_span_find_field(span, TJ_STR("output")) >= 0)
        set |= UINT32_C(1) << TJ_NORMAL_OUTPUT;
    return set;
}

static void apply_rules(struct tj_normal_run *run)
{
    struct tj_span *span = run->span;
    uint32_t set = already_set(span);
    for (size_t row = 0; row < tj_rule_count; row++) {
        const struct tj_rule *rule = &tj_rules[row];
        int16_t at = run->at[row];
        uint32_t bit = UINT32_C(1) << rule->which;
        if (at < 0 || (set & bit) || !is_usable(&span->fields[at]))
            continue;
        if (set_value(run, rule, &span->fields[at])) {
            set |= bit;
            span->source[rule->which] = at;
            run->used[rule->which] = rule;
        }
    }
}

/* -- what needs more than one value --------------------------------------- */

static int64_t known(int64_t count)
{
    return count < 0 ? 0 : count;
}

static bool says_anthropic(tj_str text)
{
    return tj_str_find(text, TJ_STR("anthropic")) != (size_t)-1 ||
           tj_str_find(text, TJ_STR("claude")) != (size_t)-1;
}

/* OpenTelemetry's convention: input includes cached tokens, output includes
 * reasoning.  An input smaller than its cached part cannot include it, so
 * that alone is proof that a source counts them apart. */
static void include_cached(struct tj_normal_run *run)
{
    struct tj_span *span = run->span;
    struct tj_usage *u = &span->usage;
    const struct tj_rule *in = run->used[TJ_NORMAL_INPUT_TOKENS];
    const struct tj_rule *out = run->used[TJ_NORMAL_OUTPUT_TOKENS];
    int64_t cached = known(u->cache_read_tokens) + known(u->cache_write_tokens);
    bool apart =
        in &&
        (in->cache == TJ_CACHE_APART || u->input_tokens < cached ||
         (in->cache == TJ_CACHE_APART_IF_ANTHROPIC &&
          (says_anthropic(span->provider) || says_anthropic(span->model))));
    if (apart && u->input_tokens <= INT64_MAX - cached)
        u->input_tokens += cached;
    int64_t reasoning = known(u->reasoning_tokens);
    if (out && out->cache == TJ_CACHE_APART &&
        u->output_tokens <= INT64_MAX - reasoning)
        u->output_tokens += reasoning;
}

/* A tool span without a name attribute is called after its tool. */
static void name_tool(struct tj_span *span)
{
    if (span->kind != TJ_KIND_TOOL || span->tool_name.len)
        return;
    tj_str name = span->name;
    if (tj_str_starts(name, TJ_STR("execute_tool ")))
        name = tj_str_slice(name, sizeof "execute_tool " - 1, name.len);
    span->tool_name = name;
    int32_t at = tj_span_find_field(span, TJ_STR("name"));
    span->source[TJ_NORMAL_TOOL_NAME] = (int16_t)at;
}

void tj_normalise(struct tj_span *span, const struct tj_normal_key *keys,
                  struct tj_arena *a)
{
    assert(span->field_count <= INT16_MAX - 3);
    struct tj_normal_run run = {.span = span, .arena = a};
    for (int i = 0; i < TJ_NORMAL_COUNT; i++)
        span->source[i] = TJ_NO_FIELD;
    find_fields(&run, keys);
    tj_normal_find_events(&run);
    apply_rules(&run);
    tj_normal_error(&run);
    include_cached(&run);
    name_tool(span);
    tj_arena_release(&run.scratch);
}
