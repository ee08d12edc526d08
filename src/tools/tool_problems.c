/* tool_problems.c - find_problems: the deterministic findings.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     problems 1-2 of 2 (high 1, medium 1, low 0)
 *     [high] slow_span: 'fetch_data' took 2.50s, ...
 *       spans 00000000000000a2
 *       evidence 00000000000000a2 name "fetch_data"
 */
#include "text/json_write.h"
#include "tools/problems.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

static const char *const severity_words[] = {"low", "medium", "high", NULL};
static const char *const format_words[] = {"text", "json", NULL};
static const char *const code_words[] = {
#define X(name, text, help) text,
    TJ_PROBLEMS(X)
#undef X
        NULL,
};

/* Titles hold names from the trace and are bounded where they are made. */
enum { TITLE_BYTES = 900 };

static void put_problem(struct tj_buf *out, const struct tj_trace *trace,
                        const struct tj_problem *p)
{
    tj_buf_fmt(out, "[%s] %s: ", tj_severity_name(p->severity),
               tj_problem_name(p->code));
    tj_put_line(out, p->title, TITLE_BYTES);
    tj_buf_add(out, TJ_STR("\n  spans"));
    tj_vec_each (&p->spans, size_t, span) {
        tj_buf_byte(out, ' ');
        tj_put_id(out, trace->spans[*span].span_id);
    }
    if (p->spans.count < p->span_total)
        tj_buf_fmt(out, " (%zu of %zu shown)", p->spans.count, p->span_total);
    tj_buf_byte(out, '\n');
    tj_vec_each (&p->proofs, struct tj_proof, proof) {
        tj_buf_add(out, TJ_STR("  evidence "));
        tj_put_id(out, trace->spans[proof->span].span_id);
        tj_buf_byte(out, ' ');
        tj_put_line(out, proof->field, TJ_NAME_BYTES_MAX);
        tj_buf_byte(out, ' ');
        tj_put_quoted(out, proof->quote);
        tj_buf_byte(out, '\n');
    }
}

static void write_problem(struct tj_json_writer *w,
                          const struct tj_trace *trace,
                          const struct tj_problem *p, struct tj_arena *a)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "code", tj_str_c(tj_problem_name(p->code)));
    tj_jw_key_str(w, "severity", tj_str_c(tj_severity_name(p->severity)));
    tj_jw_key_str(w, "title", p->title);
    tj_jw_key(w, TJ_STR("span_ids"));
    tj_jw_array(w);
    tj_vec_each (&p->spans, size_t, span)
        tj_jw_str(w, tj_span_id_text(a, trace->spans[*span].span_id));
    tj_jw_end(w);
    tj_jw_key_u64(w, "span_total", p->span_total);
    tj_jw_key(w, TJ_STR("evidence"));
    tj_jw_array(w);
    tj_vec_each (&p->proofs, struct tj_proof, proof) {
        tj_jw_object(w);
        tj_jw_key_str(w, "span_id",
                      tj_span_id_text(a, trace->spans[proof->span].span_id));
        tj_jw_key_str(w, "field", proof->field);
        tj_jw_key_str(w, "quote", proof->quote);
        tj_jw_end(w);
    }
    tj_jw_end(w);
    tj_jw_end(w);
}

/* What was quoted has been seen. */
static void saw(struct tj_tool_env *env, const struct tj_problem *p)
{
    tj_vec_each (&p->spans, size_t, span)
        tj_tool_listed(env, *span);
    tj_vec_each (&p->proofs, struct tj_proof, proof) {
        const struct tj_span *s = &env->trace->spans[proof->span];
        int32_t field = s->fields ? tj_span_find_field(s, proof->field) : -1;
        tj_str text;
        struct tj_err ignored;
        /* The ledger is told what it can be told; a proof was read before. */
        if (field < 0 || !tj_field_text(env->trace, proof->span, (size_t)field,
                                        &text, &ignored))
            continue;
        size_t at = tj_str_find(text, proof->quote);
        if (at != (size_t)-1)
            tj_tool_saw(env, proof->span, (size_t)field, at, proof->quote.len);
    }
}

static tj_problems narrow(const tj_problems *all, const struct tj_json *args,
                          struct tj_arena *a)
{
    tj_problems out = {0};
    enum tj_severity severity;
    enum tj_problem_code code;
    bool by_severity =
        tj_severity_parse(tj_arg_str(args, "severity"), &severity);
    bool by_code = tj_problem_parse(tj_arg_str(args, "code"), &code);
    tj_vec_each (all, struct tj_problem, p) {
        if (by_severity && p->severity < severity)
            continue;
        if (!by_code || p->code == code)
            *tj_vec_add(&out, a) = *p;
    }
    return out;
}

/* One problem as JSON in at most bytes_max bytes; empty when it is longer. */
static tj_str to_json(struct tj_tool_env *env, const struct tj_problem *p,
                      size_t bytes_max)
{
    struct tj_buf one;
    struct tj_json_writer w;
    tj_buf_init(&one, env->step, bytes_max);
    tj_json_writer_init(&w, &one, TJ_JSON_COMPACT);
    write_problem(&w, env->trace, p, env->step);
    return one.full ? (tj_str){0} : tj_buf_str(&one);
}

/* What was looked at: who finds nothing can still say where. */
static void put_checked(struct tj_tool_env *env, struct tj_buf *out)
{
    struct tj_json_writer w;
    const struct tj_span *root = env->trace->spans;
    tj_buf_fmt(out, "\"checked\":{\"spans\":%zu,\"evidence\":",
               env->trace->span_count);
    tj_json_writer_init(&w, out, TJ_JSON_COMPACT);
    tj_jw_array(&w);
    if (env->trace->span_count) {
        tj_jw_object(&w);
        tj_jw_key_str(&w, "span_id", tj_span_id_text(env->step, root->span_id));
        tj_jw_key_str(&w, "field", TJ_STR("name"));
        tj_jw_key_str(&w, "quote", root->name);
        tj_jw_end(&w);
    }
    tj_jw_end(&w);
    tj_buf_byte(out, '}');
}

static void put_json(struct tj_tool_env *env, const tj_problems *list,
                     uint64_t offset, uint64_t rows_max, struct tj_buf *out)
{
    enum { TAIL_BYTES = 128 };
    size_t shown = 0;
    tj_buf_byte(out, '{');
    put_checked(env, out);
    tj_buf_add(out, TJ_STR(",\"problems\":["));
    for (size_t i = offset; i < list->count && shown < rows_max; i++, shown++) {
        struct tj_problem p = list->items[i];
        size_t used = out->len + TAIL_BYTES;
        size_t room = out->bytes_max > used ? out->bytes_max - used : 0;
        tj_str json = to_json(env, &p, room);
        if (!json.len && !shown) {
            /* Something has to come on a page: then without its proofs. */
            p.proofs.count = 0;
            json = to_json(env, &p, room);
        }
        if (!json.len)
            break;
        tj_buf_add(out, shown ? TJ_STR(",") : TJ_STR(""));
        tj_buf_add(out, json);
        saw(env, &p);
    }
    tj_buf_fmt(out, "],\"shown\":%zu,\"total\":%zu,\"next_page_token\":", shown,
               list->count);
    if (offset + shown < list->count)
        tj_buf_fmt(out, "\"%zu\"}", (size_t)offset + shown);
    else
        tj_buf_add(out, TJ_STR("null}"));
}

static void put_text(struct tj_tool_env *env, const tj_problems *list,
                     uint64_t offset, uint64_t rows_max, struct tj_buf *out)
{
    size_t counts[TJ_SEVERITY_HIGH + 1] = {0};
    tj_vec_each (list, struct tj_problem, p)
        counts[p->severity]++;
    struct tj_buf body;
    tj_tool_body(env, &body);
    size_t shown = 0;
    for (size_t i = offset; i < list->count && shown < rows_max; i++, shown++) {
        size_t mark = body.len;
        put_problem(&body, env->trace, &list->items[i]);
        if (!tj_tool_row_fits(&body, mark))
            break;
        saw(env, &list->items[i]);
    }
    tj_buf_add(out, TJ_STR("problems "));
    tj_put_page(out, offset, shown, list->count);
    tj_buf_fmt(out, " (high %zu, medium %zu, low %zu)\n",
               counts[TJ_SEVERITY_HIGH], counts[TJ_SEVERITY_MEDIUM],
               counts[TJ_SEVERITY_LOW]);
    tj_buf_add(out, tj_buf_str(&body));
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    uint64_t offset;
    if (!tj_arg_page(args, out, refused, &offset))
        return true;
    struct tj_problem_options options = {
        .slow_ns =
            (uint64_t)tj_arg_i64(args, "slow_span_ms", 2000) * TJ_NS_PER_MS,
        .repeated_calls = (size_t)tj_arg_i64(args, "repeated_calls", 2),
    };
    tj_problems all;
    if (!tj_problems_find(env->trace, &options, env->step, &all, err))
        return false;
    tj_problems list = narrow(&all, args, env->step);
    uint64_t rows_max = (uint64_t)tj_arg_i64(args, "max_results", 50);
    if (tj_str_eq_fold(tj_arg_str(args, "format"), TJ_STR("json")))
        put_json(env, &list, offset, rows_max, out);
    else
        put_text(env, &list, offset, rows_max, out);
    return true;
}

static const struct tj_param params[] = {
    {"severity", TJ_PARAM_STRING, false, "Only problems at least this severe.",
     0, 0, severity_words},
    {"code", TJ_PARAM_STRING, false, "Only this kind of problem.", 0, 0,
     code_words},
    {"slow_span_ms", TJ_PARAM_INT, false,
     "From when a span counts as slow. Default 2000.", 1, 1000000000, NULL},
    {"repeated_calls", TJ_PARAM_INT, false,
     "From how many equal calls they count as repeated. Default 2.", 2, 1000000,
     NULL},
    {"max_results", TJ_PARAM_INT, false, "Problems a page. Default 50.", 1,
     10000, NULL},
    {"page_token", TJ_PARAM_STRING, false,
     "next_page_token of the page before.", 0, 0, NULL},
    {"format", TJ_PARAM_STRING, false, "text (default) or json.", 0, 0,
     format_words},
    {0},
};

const struct tj_tool tj_tool_find_problems = {
    .name = "find_problems",
    .help = "Findings that need no judgement, worst first: errors with their "
            "cause and consequence, slow spans, the same call made again, "
            "retries, independent work done in sequence, empty outputs, token "
            "and cost hot spots. Each names its spans and evidence that can be "
            "quoted as it stands.",
    .params = params,
    .run = run,
};
