/* budget.c - the five limits of one judgment, and what was spent.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "judge/budget.h"

uint64_t tj_budget_deadline_ns(const struct tj_budget *b)
{
    return b->start_ns + b->limits.seconds * TJ_NS_PER_SECOND;
}

enum tj_stopped_by tj_budget_before_tool(const struct tj_budget *b,
                                         uint64_t now_ns)
{
    if (b->tool_bytes >= b->limits.tool_bytes)
        return TJ_BY_TOOL_BYTES;
    if (now_ns >= tj_budget_deadline_ns(b))
        return TJ_BY_SECONDS;
    return TJ_BY_VERDICT;
}

enum tj_stopped_by tj_budget_before_ask(const struct tj_budget *b,
                                        uint64_t now_ns, uint64_t next_tokens)
{
    if (b->rounds >= b->limits.rounds)
        return TJ_BY_ROUNDS;
    /* The first request is made whatever it costs: there is no verdict
     * without one. */
    if (b->rounds > 0 && b->input_tokens + next_tokens > b->limits.input_tokens)
        return TJ_BY_INPUT_TOKENS;
    if (b->limits.cost_usd >= 0 && b->cost_usd >= b->limits.cost_usd)
        return TJ_BY_COST;
    return tj_budget_before_tool(b, now_ns);
}
