/* prices.c - list prices and context windows.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only models whose list price has stood since they came out; anything newer
 * or resold is left to the user's setting.  A dated name ("gpt-4o-2024-08-06",
 * "claude-sonnet-4-5-20250929") is its model.
 */
#include "llm/prices.h"

#include "text/json.h"

struct price {
    const char *provider;
    const char *name;
    double input; /* USD per million tokens */
    double cached;
    double output;
    uint64_t context;
};

static const struct price table[] = {
    {"openai", "gpt-4o", 2.5, 1.25, 10, 128000},
    {"openai", "gpt-4o-mini", 0.15, 0.075, 0.6, 128000},
    {"openai", "gpt-4.1", 2, 0.5, 8, 1047576},
    {"openai", "gpt-4.1-mini", 0.4, 0.1, 1.6, 1047576},
    {"openai", "gpt-4.1-nano", 0.1, 0.025, 0.4, 1047576},
    {"openai", "gpt-5", 1.25, 0.125, 10, 272000},
    {"openai", "gpt-5-mini", 0.25, 0.025, 2, 272000},
    {"openai", "gpt-5-nano", 0.05, 0.005, 0.4, 272000},
    {"anthropic", "claude-opus-4-1", 15, 1.5, 75, 200000},
    {"anthropic", "claude-sonnet-4", 3, 0.3, 15, 200000},
    {"anthropic", "claude-sonnet-4-5", 3, 0.3, 15, 200000},
    {"anthropic", "claude-haiku-4-5", 1, 0.1, 5, 200000},
};

static bool is_date(tj_str s)
{
    size_t digits = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] >= '0' && s.ptr[i] <= '9')
            digits++;
        else if (s.ptr[i] != '-')
            return false;
    }
    return digits == 8 && s.len > 8;
}

static bool is_model(tj_str name, tj_str base)
{
    return tj_str_starts(name, base) &&
           (name.len == base.len ||
            is_date(tj_str_slice(name, base.len, name.len)));
}

static bool read_number(const struct tj_json *entry, const char *member,
                        double *out, struct tj_err *err)
{
    const struct tj_json *v = tj_json_find(entry, tj_str_c(member));
    double n;
    if (!v)
        return true;
    if (!tj_json_double(v, &n) || n < 0 || n > 1e12)
        return tj_fail(err, TJ_E_INPUT, "model prices: %s: expected a number",
                       member);
    *out = n;
    return true;
}

static bool read_entry(const struct tj_json *entry, struct tj_model *model,
                       struct tj_err *err)
{
    double context = (double)model->context_tokens;
    if (!tj_json_is_object(entry))
        return tj_fail(err, TJ_E_INPUT,
                       "model prices: expected {\"input\", \"cached\", "
                       "\"output\", \"context\"}");
    if (!read_number(entry, "input", &model->input_usd_per_mtok, err) ||
        !read_number(entry, "cached", &model->cached_usd_per_mtok, err) ||
        !read_number(entry, "output", &model->output_usd_per_mtok, err) ||
        !read_number(entry, "context", &context, err))
        return false;
    model->context_tokens = (uint64_t)context;
    return true;
}

static bool override(tj_str name, tj_str overrides, struct tj_model *model,
                     struct tj_err *err)
{
    struct tj_arena a = {0};
    struct tj_json_doc doc;
    bool ok = tj_json_parse(overrides, &a, &doc, err);
    if (!ok)
        (void)tj_err_wrap(err, "model prices");
    if (ok && !tj_json_is_object(doc.root))
        ok = tj_fail(err, TJ_E_INPUT, "model prices: expected an object");
    const struct tj_json *entry = ok ? tj_json_find(doc.root, name) : NULL;
    if (entry)
        ok = read_entry(entry, model, err);
    tj_arena_release(&a);
    return ok;
}

bool tj_prices_find(tj_str provider, tj_str name, tj_str overrides,
                    struct tj_model *model, struct tj_err *err)
{
    model->context_tokens = 0;
    model->input_usd_per_mtok = -1;
    model->cached_usd_per_mtok = -1;
    model->output_usd_per_mtok = -1;
    for (size_t i = 0; i < TJ_COUNT(table); i++) {
        const struct price *p = &table[i];
        if (!tj_str_eq(provider, tj_str_c(p->provider)) ||
            !is_model(name, tj_str_c(p->name)))
            continue;
        model->context_tokens = p->context;
        model->input_usd_per_mtok = p->input;
        model->cached_usd_per_mtok = p->cached;
        model->output_usd_per_mtok = p->output;
    }
    return !overrides.len || override(name, overrides, model, err);
}

double tj_prices_cost(const struct tj_model *model,
                      const struct tj_llm_usage *usage)
{
    if (model->input_usd_per_mtok < 0 || model->output_usd_per_mtok < 0 ||
        usage->input_tokens < 0 || usage->output_tokens < 0)
        return -1;
    double cached_price = model->cached_usd_per_mtok < 0
                              ? model->input_usd_per_mtok
                              : model->cached_usd_per_mtok;
    double cached =
        usage->cached_input_tokens > 0 ? (double)usage->cached_input_tokens : 0;
    double fresh = (double)usage->input_tokens - cached;
    if (fresh < 0)
        fresh = 0;
    /* Anthropic takes a quarter more for what is written to its cache. */
    if (usage->cache_write_tokens > 0 &&
        tj_str_starts(model->uri, TJ_STR("anthropic:")))
        fresh += (double)usage->cache_write_tokens / 4;
    return (fresh * model->input_usd_per_mtok + cached * cached_price +
            (double)usage->output_tokens * model->output_usd_per_mtok) /
           1e6;
}
