/* verdict.c - a judgment as JSON and as MLflow's Feedback.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/verdict.h"

#include "base/hex.h"

enum { METADATA_BYTES_MAX = 2097152 };

const char *tj_verdict_state_name(enum tj_verdict_state state)
{
    switch (state) {
    case TJ_VERDICT_RATED: return "rated";
    case TJ_VERDICT_INSUFFICIENT: return "insufficient_evidence";
    case TJ_VERDICT_ERROR: return "error";
    }
    return "error";
}

const char *tj_stopped_by_name(enum tj_stopped_by by)
{
    switch (by) {
    case TJ_BY_VERDICT: return "verdict";
    case TJ_BY_ROUNDS: return "rounds";
    case TJ_BY_INPUT_TOKENS: return "input_tokens";
    case TJ_BY_TOOL_BYTES: return "tool_bytes";
    case TJ_BY_SECONDS: return "seconds";
    case TJ_BY_COST: return "cost_usd";
    case TJ_BY_CANCELLED: return "cancelled";
    case TJ_BY_ERROR: return "error";
    }
    return "error";
}

/* -- JSON ----------------------------------------------------------------- */

static void write_trace_id(struct tj_json_writer *w, const char *key,
                           tj_trace_id id)
{
    char text[3 + TJ_TRACE_ID_DIGITS] = {'t', 'r', '-'};
    tj_jw_key(w, tj_str_c(key));
    if (tj_trace_id_is_none(id)) {
        tj_jw_null(w);
        return;
    }
    tj_hex_write(id.bytes, sizeof id.bytes, text + 3);
    tj_jw_str(w, tj_str_make(text, sizeof text));
}

static void write_known(struct tj_json_writer *w, const char *key,
                        int64_t count)
{
    tj_jw_key(w, tj_str_c(key));
    if (count < 0)
        tj_jw_null(w);
    else
        tj_jw_i64(w, count);
}

static void write_text_or_null(struct tj_json_writer *w, const char *key,
                               tj_str text)
{
    tj_jw_key(w, tj_str_c(key));
    if (text.len == 0)
        tj_jw_null(w);
    else
        tj_jw_str(w, text);
}

static void write_evidence(struct tj_json_writer *w, const struct tj_verdict *v)
{
    tj_jw_array(w);
    for (size_t i = 0; i < v->evidence_count; i++) {
        const struct tj_evidence *e = &v->evidence[i];
        tj_jw_object(w);
        tj_jw_key_str(w, "span_id", e->span_id);
        tj_jw_key_str(w, "field", e->field);
        tj_jw_key_str(w, "quote", e->quote);
        if (e->verified) {
            tj_jw_key_u64(w, "offset", e->offset);
            tj_jw_key_u64(w, "length", e->len);
        }
        tj_jw_key_bool(w, "verified", e->verified);
        if (!e->verified)
            tj_jw_key_str(w, "why_not", e->why_not);
        tj_jw_end(w);
    }
    tj_jw_end(w);
}

static void write_coverage(struct tj_json_writer *w, const struct tj_verdict *v)
{
    tj_jw_object(w);
    tj_jw_key_u64(w, "spans_read", v->coverage.spans_read);
    tj_jw_key_u64(w, "spans_total", v->coverage.spans_total);
    tj_jw_key_u64(w, "bytes_read", v->coverage.bytes_read);
    tj_jw_key_u64(w, "bytes_total", v->coverage.bytes_total);
    tj_jw_end(w);
}

static void write_usage(struct tj_json_writer *w, const struct tj_verdict *v)
{
    tj_jw_object(w);
    tj_jw_key_u64(w, "requests", v->requests);
    write_known(w, "input_tokens", v->input_tokens);
    write_known(w, "cached_input_tokens", v->cached_input_tokens);
    write_known(w, "output_tokens", v->output_tokens);
    tj_jw_key(w, TJ_STR("cost_usd"));
    if (v->cost_usd < 0)
        tj_jw_null(w);
    else
        tj_jw_double(w, v->cost_usd);
    tj_jw_key_u64(w, "tool_calls", v->tool_calls);
    tj_jw_key_u64(w, "repeated_calls", v->repeated_calls);
    tj_jw_key_u64(w, "tool_bytes", v->tool_bytes);
    tj_jw_end(w);
}

static void write_passed(struct tj_json_writer *w, enum tj_passed passed)
{
    tj_jw_key(w, TJ_STR("passed"));
    if (passed == TJ_PASSED_NULL)
        tj_jw_null(w);
    else
        tj_jw_bool(w, passed == TJ_PASSED_TRUE);
}

static void write_error(struct tj_json_writer *w, const struct tj_verdict *v)
{
    tj_jw_key(w, TJ_STR("error"));
    if (v->error_code.len == 0) {
        tj_jw_null(w);
        return;
    }
    tj_jw_object(w);
    tj_jw_key_str(w, "code", v->error_code);
    tj_jw_key_str(w, "message", v->error_message);
    tj_jw_end(w);
}

void tj_verdict_write(struct tj_json_writer *w, const struct tj_verdict *v)
{
    tj_jw_object(w);
    write_trace_id(w, "trace_id", v->trace_id);
    tj_jw_key_str(w, "judge", v->judge);
    tj_jw_key_str(w, "judge_version", v->judge_version);
    tj_jw_key_str(w, "model", v->model);
    tj_jw_key_str(w, "state", tj_str_c(tj_verdict_state_name(v->state)));
    write_passed(w, v->passed);
    tj_jw_key(w, TJ_STR("value"));
    tj_jw_raw(w, v->value_json.len ? v->value_json : TJ_STR("null"));
    tj_jw_key_str(w, "rationale", v->rationale);
    write_error(w, v);
    tj_jw_key(w, TJ_STR("evidence"));
    write_evidence(w, v);
    tj_jw_key(w, TJ_STR("coverage"));
    write_coverage(w, v);
    tj_jw_key(w, TJ_STR("usage"));
    write_usage(w, v);
    tj_jw_key_str(w, "stopped_by", tj_str_c(tj_stopped_by_name(v->stopped_by)));
    tj_jw_key_u64(w, "duration_ms", v->duration_ns / TJ_NS_PER_MS);
    write_trace_id(w, "judge_trace_id", v->judge_trace_id);
    write_text_or_null(w, "assessment_id", v->assessment_id);
    tj_jw_end(w);
}

/* -- MLflow's Feedback ---------------------------------------------------- */

typedef void part_fn(struct tj_json_writer *w, const struct tj_verdict *v);

static tj_str part_text(part_fn *write, const struct tj_verdict *v,
                        struct tj_arena *a)
{
    struct tj_buf out;
    struct tj_json_writer w;
    tj_buf_init(&out, a, METADATA_BYTES_MAX);
    tj_json_writer_init(&w, &out, TJ_JSON_COMPACT);
    write(&w, v);
    return out.full ? TJ_STR("null") : tj_buf_str(&out);
}

static void set_count(struct tj_assessment *as, struct tj_arena *a, tj_str key,
                      int64_t count)
{
    if (count >= 0)
        tj_assessment_set_meta(as, a, key,
                               tj_str_printf(a, "%lld", (long long)count));
}

static void set_metadata(struct tj_assessment *as, const struct tj_verdict *v,
                         struct tj_arena *a)
{
    static const char *const passed[] = {"null", "false", "true"};
    tj_assessment_set_meta(as, a, TJ_STR("tracejudge.state"),
                           tj_str_c(tj_verdict_state_name(v->state)));
    tj_assessment_set_meta(as, a, TJ_STR("tracejudge.passed"),
                           tj_str_c(passed[v->passed]));
    tj_assessment_set_meta(as, a, TJ_STR("tracejudge.stopped_by"),
                           tj_str_c(tj_stopped_by_name(v->stopped_by)));
    tj_assessment_set_meta(as, a, TJ_STR("tracejudge.judge_version"),
                           v->judge_version);
    tj_assessment_set_meta(as, a, TJ_STR("tracejudge.evidence"),
                           part_text(write_evidence, v, a));
    tj_assessment_set_meta(as, a, TJ_STR("tracejudge.coverage"),
                           part_text(write_coverage, v, a));
    if (v->cost_usd >= 0)
        tj_assessment_set_meta(as, a, TJ_STR("mlflow.assessment.judgeCost"),
                               tj_str_printf(a, "%.9g", v->cost_usd));
    set_count(as, a, TJ_STR("mlflow.assessment.judgeInputTokens"),
              v->input_tokens);
    set_count(as, a, TJ_STR("mlflow.assessment.judgeOutputTokens"),
              v->output_tokens);
    if (!tj_trace_id_is_none(v->judge_trace_id))
        tj_assessment_set_meta(as, a, TJ_STR("mlflow.assessment.scorerTraceId"),
                               tj_trace_id_mlflow(a, v->judge_trace_id));
}

/* The same judge, version and model on the same trace: one assessment. */
static tj_str make_key(const struct tj_verdict *v, struct tj_arena *a)
{
    return tj_str_printf(a, "tracejudge:%.*s:%.*s@%.*s:%.*s",
                         TJ_STR_ARG(tj_trace_id_text(a, v->trace_id)),
                         TJ_STR_ARG(v->judge), TJ_STR_ARG(v->judge_version),
                         TJ_STR_ARG(v->model));
}

void tj_verdict_assessment(const struct tj_verdict *v, struct tj_arena *a,
                           struct tj_assessment *out)
{
    *out = (struct tj_assessment){
        .trace_id = v->trace_id,
        .kind = TJ_FEEDBACK,
        .name = v->judge,
        .source_type = TJ_SOURCE_LLM_JUDGE,
        .source_id = v->model,
        .rationale = v->rationale,
        .error_code = v->error_code,
        .error_message = v->error_message,
        .create_time = tj_now(),
        .valid = true,
        .key = make_key(v, a),
    };
    out->update_time = out->create_time;
    if (v->state != TJ_VERDICT_ERROR)
        out->value_json = v->value_json.len ? v->value_json : TJ_STR("null");
    set_metadata(out, v, a);
}
