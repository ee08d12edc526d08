/* plain_routes.c - health, readiness, version, metrics.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/route.h"

const struct tj_route tj_routes_plain[] = {
    {.run = NULL},
};
