/* mlflow_experiments.c - MLflow's experiments: make, find, change.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_experiments[] = {
    {.run = NULL},
};
