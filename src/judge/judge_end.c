/* judge_end.c - from an answer, or a failure, to a verdict.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/judge_int.h"

#include "judge/evidence.h"
#include "judge/pass.h"
#include "judge/prompt.h"

/* -- what it cost --------------------------------------------------------- */

static void add_known(int64_t *sum, int64_t count)
{
    if (count >= 0)
        *sum = (*sum < 0 ? 0 : *sum) + count;
}

static double price(const struct tj_judge_options *o,
                    const struct tj_llm_usage *u)
{
    if (u->cost_usd >= 0)
        return u->cost_usd;
    if (o->input_usd_per_mtok < 0 || o->output_usd_per_mtok < 0 ||
        u->input_tokens < 0 || u->output_tokens < 0)
        return -1.0;
    double cached =
        u->cached_input_tokens > 0 ? (double)u->cached_input_tokens : 0.0;
    double cached_price = o->cached_usd_per_mtok < 0 ? o->input_usd_per_mtok
                                                     : o->cached_usd_per_mtok;
    return (((double)u->input_tokens - cached) * o->input_usd_per_mtok +
            cached * cached_price +
            (double)u->output_tokens * o->output_usd_per_mtok) /
           1e6;
}

void tj_judge_book(struct tj_judge *j, const struct tj_reply *reply)
{
    struct tj_verdict *v = &j->verdict;
    const struct tj_llm_usage *u = &reply->usage;
    v->requests++;
    add_known(&v->input_tokens, u->input_tokens);
    add_known(&v->cached_input_tokens, u->cached_input_tokens);
    add_known(&v->output_tokens, u->output_tokens);
    double cost = price(&j->options, u);
    if (cost >= 0) {
        v->cost_usd = (v->cost_usd < 0 ? 0 : v->cost_usd) + cost;
        j->budget.cost_usd += cost;
    }
    if (u->input_tokens >= 0)
        j->budget.input_tokens += (uint64_t)u->input_tokens;
    else if (reply->stop != TJ_STOP_ERROR)
        j->budget.input_tokens += tj_context_tokens(&j->context);
    tj_context_measured(&j->context, u->input_tokens);
}

/* -- the verdict ---------------------------------------------------------- */

static void finish(struct tj_judge *j, enum tj_verdict_state state)
{
    struct tj_verdict *v = &j->verdict;
    v->state = state;
    v->stopped_by = j->stopped_by;
    v->tool_bytes = j->budget.tool_bytes;
    v->duration_ns = tj_judge_now(j) - j->budget.start_ns;
    if (j->env.coverage)
        v->coverage = tj_coverage_sum(j->env.coverage, j->subject.trace);
    j->phase = TJ_PHASE_DONE;
}

void tj_judge_fail(struct tj_judge *j, tj_str code, tj_str message)
{
    struct tj_verdict *v = &j->verdict;
    v->value_json = TJ_STR("null");
    v->passed = TJ_PASSED_NULL;
    v->error_code = code;
    v->error_message = tj_str_dup(j->a, message);
    if (tj_str_eq(code, TJ_STR("cancelled")))
        j->stopped_by = TJ_BY_CANCELLED;
    else if (j->stopped_by == TJ_BY_VERDICT)
        j->stopped_by = TJ_BY_ERROR;
    finish(j, TJ_VERDICT_ERROR);
}

static void take_words(struct tj_judge *j, const struct tj_answer *answer)
{
    struct tj_verdict *v = &j->verdict;
    v->rationale = tj_str_dup(j->a, answer->rationale);
    v->evidence = answer->evidence;
    v->evidence_count = answer->evidence_count;
    for (size_t i = 0; i < v->evidence_count; i++) {
        struct tj_evidence *e = &v->evidence[i];
        e->span_id = tj_str_dup(j->a, e->span_id);
        e->field = tj_str_dup(j->a, e->field);
        e->quote = tj_str_dup(j->a, e->quote);
    }
}

static void finish_insufficient(struct tj_judge *j,
                                const struct tj_answer *answer)
{
    take_words(j, answer);
    j->verdict.value_json = TJ_STR("null");
    j->verdict.passed = TJ_PASSED_NULL;
    finish(j, TJ_VERDICT_INSUFFICIENT);
}

/* A rating without one quote that stands, where evidence is required. */
static void conclude_unproven(struct tj_judge *j, const struct tj_reply *reply,
                              const struct tj_answer *answer)
{
    if (!j->repaired_quotes) {
        j->repaired_quotes = true;
        tj_context_add_assistant(&j->context, &reply->message);
        tj_context_add_user(&j->context,
                            tj_prompt_quotes(answer, j->nonce, j->a));
        return;
    }
    struct tj_answer void_answer = *answer;
    void_answer.rationale = tj_str_printf(
        j->a,
        "No rating: evidence is required, and %s. The model's rationale: "
        "%.*s",
        answer->evidence_count ? "no quote was found in the field it names"
                               : "the model quoted none",
        TJ_STR_ARG(answer->rationale));
    finish_insufficient(j, &void_answer);
}

bool tj_judge_conclude(struct tj_judge *j, const struct tj_reply *reply,
                       struct tj_answer *answer, struct tj_err *err)
{
    if (!tj_evidence_check(j->subject.trace, answer->evidence,
                           answer->evidence_count, j->a, err))
        return false;
    if (!answer->result) {
        finish_insufficient(j, answer);
        return true;
    }
    if (j->def->evidence == TJ_EVIDENCE_REQUIRED &&
        tj_evidence_verified(answer->evidence, answer->evidence_count) == 0) {
        conclude_unproven(j, reply, answer);
        return true;
    }
    take_words(j, answer);
    j->verdict.value_json = tj_str_dup(j->a, answer->result_json);
    j->verdict.passed = tj_pass_decide(j->def, answer->result, j->a);
    finish(j, TJ_VERDICT_RATED);
    return true;
}
