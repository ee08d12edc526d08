/* mlflow_traces.c - MLflow's traces: start, get, search, tags, links, delete.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_traces[] = {
    {.run = NULL},
};
