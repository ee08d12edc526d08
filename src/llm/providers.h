/* providers.h - who answers at which address, in which dialect, for which key.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A model is a URI: "provider:/model" as MLflow writes it, or
 * "provider/model"; "?base_url=..." behind it names another server.
 * A provider of the OpenAI family may be followed by "-chat" or "-responses",
 * which forces the dialect ("openai-chat:/gpt-4.1").
 * Threads: pure functions over constant tables.
 */
#ifndef TJ_LLM_PROVIDERS_H
#define TJ_LLM_PROVIDERS_H

#include "llm/dialect.h"
#include "llm/model.h"
#include "net/http_client.h"

enum { TJ_MODEL_HEADERS_MAX = 16 };

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
/* Is the provider of an HTTP model known?  TJ_E_INPUT when not, with what to
 * do instead. */
bool tj_provider_check(const struct tj_model_uri *uri, struct tj_err *err)
    TJ_MUST_USE;

/* Where and how to send the requests of one model. */
struct tj_endpoint {
    const struct tj_dialect *dialect;
    tj_str url; /* the whole address */
    tj_str key; /* empty: none is needed */
    tj_str model;
    unsigned quirks;
    struct tj_header headers[TJ_MODEL_HEADERS_MAX]; /* the key's, too */
    size_t header_count;
};

/* Lives in a.  TJ_E_INPUT for an unknown provider or a bad header option;
 * TJ_E_AUTH that names the variables when there is no key. */
bool tj_endpoint_find(const struct tj_model_uri *uri,
                      const struct tj_model_options *options,
                      struct tj_arena *a, struct tj_endpoint *out,
                      struct tj_err *err) TJ_MUST_USE;

#endif
