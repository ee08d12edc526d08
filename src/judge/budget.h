/* budget.h - the five limits of one judgment, and what was spent.
 * SPDX-License-Identifier: Apache-2.0
 *
 *  1. It is asked before each request and before each tool call, so a limit
 *     is overrun by at most one request or one tool result.
 *  2. Where a provider does not say how many tokens it read, the estimate
 *     counts against the limit (and stays out of the verdict).
 * Threads: plain data.
 */
#ifndef TJ_JUDGE_BUDGET_H
#define TJ_JUDGE_BUDGET_H

#include "judge/def.h"
#include "judge/verdict.h"

struct tj_budget {
    struct tj_judge_limits limits;
    uint64_t start_ns;
    uint32_t rounds; /* requests in which tools could be called */
    uint64_t input_tokens;
    uint64_t tool_bytes;
    double cost_usd;
};

/* The limit that another request of next_tokens would pass, or
 * TJ_BY_VERDICT when none. */
enum tj_stopped_by tj_budget_before_ask(const struct tj_budget *b,
                                        uint64_t now_ns, uint64_t next_tokens);
/* The same for a tool call. */
enum tj_stopped_by tj_budget_before_tool(const struct tj_budget *b,
                                         uint64_t now_ns);
/* When `seconds` is over. */
uint64_t tj_budget_deadline_ns(const struct tj_budget *b);

#endif
