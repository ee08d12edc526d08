/* mlflow_datasets.c - MLflow's evaluation datasets and their records.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_datasets[] = {
    {.run = NULL},
};
