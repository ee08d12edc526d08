/* mlflow_cost.c - see mlflow_cost.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The store keeps the total of a trace; the parts are in the attributes of the
 * spans that count: those with a cost that have no ancestor with one.
 */
#include "serve/mlflow_cost.h"

#include "text/plain.h"

struct cost {
    double input;
    double output;
    bool known; /* of every span that counts */
};

static bool read_text(struct tj_ml *call, struct tj_trace *trace, size_t span,
                      const char *field, tj_str *out)
{
    int32_t at = tj_span_find_field(&trace->spans[span], tj_str_c(field));
    return at >= 0 && tj_store_read_field(trace, span, (size_t)at, 0,
                                          UINT64_MAX, out, &call->err);
}

/* mlflow.llm.cost, or OpenInference's two attributes. */
bool tj_ml_span_cost(struct tj_ml *call, struct tj_trace *trace, size_t span,
                     double *input, double *output)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    tj_str text = {0};
    tj_str other = {0};
    if (read_text(call, trace, span, "attributes.mlflow.llm.cost", &text))
        return tj_plain_parse(text, trace->arena, &doc, &ignored) &&
               tj_json_double(tj_json_find(doc.root, TJ_STR("input_cost")),
                              input) &&
               tj_json_double(tj_json_find(doc.root, TJ_STR("output_cost")),
                              output);
    return read_text(call, trace, span, "attributes.llm.cost.prompt", &text) &&
           read_text(call, trace, span, "attributes.llm.cost.completion",
                     &other) &&
           tj_str_to_double(text, input) && tj_str_to_double(other, output);
}

/* counted[i]: an ancestor of span i, or i itself, has a cost. */
static bool sum(struct tj_ml *call, struct tj_trace *trace, struct cost *out)
{
    bool *counted = tj_arena_array(trace->arena, bool, trace->span_count);
    *out = (struct cost){.known = trace->span_count > 0};
    for (size_t i = 0; i < trace->span_count; i++) {
        int32_t parent = trace->tree.parent[i];
        double input = 0;
        double output = 0;
        counted[i] = parent >= 0 && counted[parent];
        if (counted[i] || trace->spans[i].usage.cost_usd < 0)
            continue;
        counted[i] = true;
        if (!tj_store_load_fields(trace, i, &call->err))
            return false;
        out->known &= tj_ml_span_cost(call, trace, i, &input, &output);
        out->input += input;
        out->output += output;
    }
    return true;
}

bool tj_ml_cost(struct tj_ml *call, const struct tj_trace_info *info,
                tj_str *out)
{
    struct tj_arena arena = {0};
    struct tj_trace trace = {0};
    struct cost cost = {0};
    struct tj_buf buf;
    struct tj_json_writer w;
    bool ok = tj_store_open_trace(call->store, info->trace_id, &arena, &trace,
                                  &call->err) &&
              (!tj_trace_is_open(&trace) || sum(call, &trace, &cost));
    tj_arena_release(&arena);
    if (!ok)
        return tj_ml_fail_err(call);
    tj_buf_init(&buf, call->arena, SIZE_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_PYTHON);
    tj_jw_object(&w);
    if (cost.known) {
        tj_jw_key_double(&w, "input_cost", cost.input);
        tj_jw_key_double(&w, "output_cost", cost.output);
    }
    tj_jw_key_double(&w, "total_cost", info->usage.cost_usd);
    tj_jw_end(&w);
    *out = tj_buf_str(&buf);
    return true;
}
