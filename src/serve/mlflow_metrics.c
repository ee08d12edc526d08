/* mlflow_metrics.c - MLflow's counts and aggregates over traces.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_metrics[] = {
    {.run = NULL},
};
