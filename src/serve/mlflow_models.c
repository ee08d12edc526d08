/* mlflow_models.c - MLflow's logged models.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_models[] = {
    {.run = NULL},
};
