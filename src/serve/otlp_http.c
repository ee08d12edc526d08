/* otlp_http.c - OTLP over HTTP: POST /v1/traces.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/route.h"

const struct tj_route tj_routes_otlp[] = {
    {.run = NULL},
};
