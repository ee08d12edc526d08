/* mlflow_runs.h - the handlers of runs that stand in other files.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to mlflow_runs.c, which has the table.
 */
#ifndef TJ_SERVE_MLFLOW_RUNS_H
#define TJ_SERVE_MLFLOW_RUNS_H

#include "serve/exchange.h"
#include "serve/server.h"

#define X(name)                                                                \
    void tj_ml_run_##name(struct tj_server *s, const struct tj_request *rq,    \
                          struct tj_answer *out)
X(log_metric);
X(log_parameter);
X(set_tag);
X(delete_tag);
X(log_batch);
X(search);
X(history);
#undef X

#endif
