/* mlflow_models.h - what runs say of logged models.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_SERVE_MLFLOW_MODELS_H
#define TJ_SERVE_MLFLOW_MODELS_H

#include "serve/mlflow_run.h"

/* Metrics that name a model are its own, too. */
bool tj_ml_add_model_metrics(struct tj_ml *call, tj_str run_id,
                             const tj_ml_metrics *metrics);

#endif
