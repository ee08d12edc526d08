/* mlflow_assessments.c - MLflow's assessments: create, get, update, delete.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/mlflow.h"
#include "serve/route.h"

const struct tj_route tj_routes_assessments[] = {
    {.run = NULL},
};
