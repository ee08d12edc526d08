/* subject.c - what a judge is shown of its subject before any tool is called.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/subject.h"

#include "store/store.h"
#include "text/json_write.h"
#include "text/plain.h"

enum { MISSING_BYTES_MAX = 256 };

struct resolver {
    const struct tj_judge_def *def;
    const struct tj_subject *subject;
    struct tj_arena *a;
    struct tj_values out;
    struct tj_err *err;
};

static tj_str pretty(const struct tj_json *v, struct tj_arena *a)
{
    struct tj_buf out;
    /* Indentation can multiply short items; the value itself is bounded. */
    tj_buf_init(&out, a, 64 * TJ_VALUE_BYTES_MAX);
    tj_json_write(&out, v, TJ_JSON_PRETTY);
    return out.full ? TJ_STR("") : tj_buf_str(&out);
}

static bool pretty_json(tj_str json, tj_str name, struct tj_arena *a,
                        tj_str *out, struct tj_err *err)
{
    struct tj_json_doc doc;
    if (!tj_json_parse(json, a, &doc, err))
        return tj_err_wrap(err, "%.*s", TJ_STR_ARG(name));
    *out = pretty(doc.root, a);
    return true;
}

/* -- from the root span --------------------------------------------------- */

static tj_str pretty_field(const struct tj_field *field, tj_str text,
                           struct tj_arena *a)
{
    struct tj_json_doc doc;
    struct tj_err ignored = {0};
    if (field->type != TJ_FIELD_STRING && field->type != TJ_FIELD_BYTES &&
        tj_plain_parse(text, a, &doc, &ignored))
        return pretty(doc.root, a);
    struct tj_buf out;
    struct tj_json_writer w;
    tj_buf_init(&out, a, 6 * TJ_VALUE_BYTES_MAX + 2);
    tj_json_writer_init(&w, &out, TJ_JSON_PRETTY);
    tj_jw_str(&w, text);
    return tj_buf_str(&out);
}

/* Empty *json when the root has no such field. */
static bool from_root(struct resolver *r, tj_str name, struct tj_value *out)
{
    struct tj_trace *trace = r->subject->trace;
    if (r->out.root < 0)
        return true;
    size_t span = (size_t)r->out.root;
    if (!tj_store_load_fields(trace, span, r->err))
        return false;
    int32_t index = tj_span_find_field(&trace->spans[span], name);
    if (index < 0)
        return true;
    const struct tj_field *field = &trace->spans[span].fields[index];
    if (field->type == TJ_FIELD_NULL || field->text.len == 0)
        return true;
    if (field->text.len > TJ_VALUE_BYTES_MAX)
        return true; /* too long for a prompt: the tools read it */
    tj_str text = {0};
    if (!tj_store_read_field(trace, span, (size_t)index, 0, field->text.len,
                             &text, r->err))
        return false;
    out->json = pretty_field(field, text, r->a);
    out->field = index;
    return true;
}

/* -- expectations --------------------------------------------------------- */

static bool from_people(struct resolver *r, struct tj_value *out)
{
    struct tj_assessment *all = NULL;
    size_t count = 0, found = 0;
    if (!r->subject->trace)
        return true;
    if (!tj_store_assessments(r->subject->trace->store,
                              r->subject->trace->info.trace_id, r->a, &all,
                              &count, r->err))
        return false;
    struct tj_buf text;
    struct tj_json_writer w;
    tj_buf_init(&text, r->a, 4 * TJ_VALUE_BYTES_MAX);
    tj_json_writer_init(&w, &text, TJ_JSON_COMPACT);
    tj_jw_object(&w);
    for (size_t i = 0; i < count; i++) {
        if (all[i].kind != TJ_EXPECTATION || !all[i].valid ||
            all[i].source_type != TJ_SOURCE_HUMAN || all[i].value_json.len == 0)
            continue;
        tj_jw_key(&w, all[i].name);
        tj_jw_raw(&w, all[i].value_json);
        found++;
    }
    tj_jw_end(&w);
    if (found == 0)
        return true;
    return tj_buf_ok(&text, "expectations", r->err) &&
           pretty_json(tj_buf_str(&text), out->name, r->a, &out->json, r->err);
}

/* -- all of it ------------------------------------------------------------ */

static bool resolve_one(struct resolver *r, tj_str name)
{
    struct tj_value *v = &r->out.items[r->out.count];
    tj_str given = r->subject->expectations;
    bool is_input = tj_str_eq(name, TJ_STR("inputs"));
    bool is_output = tj_str_eq(name, TJ_STR("outputs"));
    if (is_input)
        given = r->subject->inputs;
    else if (is_output)
        given = r->subject->outputs;
    *v = (struct tj_value){.name = name, .field = TJ_NO_FIELD};
    if (given.len > 0)
        return pretty_json(given, name, r->a, &v->json, r->err);
    if (is_input)
        return from_root(r, TJ_STR("input"), v);
    if (is_output)
        return from_root(r, TJ_STR("output"), v);
    return from_people(r, v);
}

static bool is_value(tj_str name)
{
    return tj_str_eq(name, TJ_STR("inputs")) ||
           tj_str_eq(name, TJ_STR("outputs")) ||
           tj_str_eq(name, TJ_STR("expectations"));
}

static bool has_value(const struct tj_values *values, const char *name)
{
    for (size_t i = 0; i < values->count; i++) {
        if (tj_str_eq(values->items[i].name, tj_str_c(name)))
            return true;
    }
    return false;
}

/* MLflow's message, its order of names, and its one way out. */
static bool check_missing(struct resolver *r)
{
    static const struct {
        enum tj_var bit;
        const char *name;
    } vars[] = {
        {TJ_VAR_INPUTS, "inputs"},
        {TJ_VAR_OUTPUTS, "outputs"},
        {TJ_VAR_EXPECTATIONS, "expectations"},
        {TJ_VAR_TRACE, "trace"},
        {TJ_VAR_CONVERSATION, "session"},
    };
    const unsigned findable = TJ_VAR_INPUTS | TJ_VAR_OUTPUTS;
    struct tj_buf missing;
    tj_buf_init(&missing, r->a, MISSING_BYTES_MAX);
    for (size_t i = 0; i < TJ_COUNT(vars); i++) {
        unsigned bit = (unsigned)vars[i].bit;
        bool from_trace = bit & (findable | TJ_VAR_TRACE | TJ_VAR_CONVERSATION);
        if (!(r->def->vars & bit) || has_value(&r->out, vars[i].name))
            continue;
        if (from_trace && r->subject->trace) {
            r->out.mode = TJ_MODE_AGENT;
            continue;
        }
        tj_buf_fmt(&missing, "%s'%s'", missing.len ? ", " : "", vars[i].name);
    }
    if (missing.len == 0)
        return true;
    return tj_fail(r->err, TJ_E_INPUT,
                   "Must specify %.*s - required by template variables in "
                   "instructions.",
                   TJ_STR_ARG(tj_buf_str(&missing)));
}

bool tj_subject_resolve(const struct tj_judge_def *def,
                        const struct tj_subject *subject, struct tj_arena *a,
                        struct tj_values *out, struct tj_err *err)
{
    struct resolver r = {
        .def = def,
        .subject = subject,
        .a = a,
        .out = {.mode = TJ_MODE_SINGLE, .root = -1},
        .err = err,
    };
    if (subject->trace && subject->trace->span_count > 0)
        r.out.root = subject->trace->tree.first_root;
    for (size_t i = 0; i < def->var_count; i++) {
        if (!is_value(def->var_order[i]))
            continue;
        if (!resolve_one(&r, def->var_order[i]))
            return false;
        if (r.out.items[r.out.count].json.len > 0)
            r.out.count++;
    }
    if (!check_missing(&r))
        return false;
    *out = r.out;
    return true;
}
