/* mlflow_runs.c - MLflow's runs, as far as evaluations need them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_runs[] = {
    {.run = NULL},
};
