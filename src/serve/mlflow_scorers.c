/* mlflow_scorers.c - MLflow's registered scorers and their versions.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_scorers[] = {
    {.run = NULL},
};
