/* mlflow_artifacts.c - MLflow's the artifact routes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_artifacts[] = {
    {.run = NULL},
};
