/* prices.h - what models cost, and how large their windows are.
 * SPDX-License-Identifier: Apache-2.0
 *
 * List prices of the providers' own services, in USD per million tokens; they
 * change, so a setting overrides them:
 *     {"gpt-4.1-mini": {"input": 0.4, "cached": 0.1, "output": 1.6,
 *                       "context": 1047576}}
 * A model that is in neither has no price: its cost is not known, never 0.
 * Threads: pure functions.
 */
#ifndef TJ_LLM_PRICES_H
#define TJ_LLM_PRICES_H

#include "llm/model.h"

/* Fills the prices and the window of model, by the provider's and the model's
 * own name.  overrides is JSON as above; empty: none.  TJ_E_INPUT when it is
 * not of that form. */
bool tj_prices_find(tj_str provider, tj_str name, tj_str overrides,
                    struct tj_model *model, struct tj_err *err) TJ_MUST_USE;
/* < 0 when a price or a count is not known. */
double tj_prices_cost(const struct tj_model *model,
                      const struct tj_llm_usage *usage);

#endif
