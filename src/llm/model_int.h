/* model_int.h - what model.c opens: one function per member of the family.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_LLM_MODEL_INT_H
#define TJ_LLM_MODEL_INT_H

#include "llm/model.h"
#include "llm/providers.h"

/* TJ_E_INPUT when the rules block says something that is not understood. */
bool tj_model_rules_open(tj_str rules, struct tj_loop *loop,
                         struct tj_model **out, struct tj_err *err) TJ_MUST_USE;
/* The path as in the URI: tried as a relative one first, then from the root. */
bool tj_model_replay_open(tj_str path, struct tj_loop *loop,
                          struct tj_model **out, struct tj_err *err)
    TJ_MUST_USE;
/* Any provider of providers.c. */
bool tj_model_http_open(const struct tj_model_uri *uri,
                        const struct tj_model_options *options,
                        struct tj_loop *loop, struct tj_model **out,
                        struct tj_err *err) TJ_MUST_USE;

#endif
