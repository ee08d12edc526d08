/* providers.h - who answers at which address, in which dialect, for which key.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A model is a URI: "provider:/model" as MLflow writes it, or
 * "provider/model"; "?base_url=..." behind it names another server.
 * Threads: pure functions over constant tables.
 */
#ifndef TJ_LLM_PROVIDERS_H
#define TJ_LLM_PROVIDERS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* What a URI says; slices of its text. */
struct tj_model_uri {
    tj_str provider;
    tj_str name;     /* of the model; without leading slashes */
    tj_str path;     /* as name, but with them (replay:/) */
    tj_str base_url; /* empty: not given */
};

/* TJ_E_INPUT with MLflow's words for a malformed URI. */
bool tj_model_uri_parse(tj_str uri, struct tj_model_uri *out,
                        struct tj_err *err) TJ_MUST_USE;

#endif
