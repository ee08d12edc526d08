/* mlflow_files.h - files that clients keep with a run or a logged model.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     <experiment>/<run id>/artifacts/<path>
 *     <experiment>/models/<model id>/artifacts/<path>
 *
 * There are no files behind it: each is a TJ_RECORD_ATTACHMENT whose parent is
 * "run/<id>" or "model/<id>" and whose name is the path; so no path of a
 * request reaches the file system.  set_active_model keeps an MLmodel file of
 * some hundred bytes this way, and log_text, log_dict and the like work.
 * Weights of models belong elsewhere: TJ_ATTACHMENT_BYTES_MAX.
 * Threads: a call belongs to its worker.
 */
#ifndef TJ_SERVE_MLFLOW_FILES_H
#define TJ_SERVE_MLFLOW_FILES_H

#include "serve/mlflow.h"

/* A place as a path of the artifact routes names it. */
struct tj_ml_file {
    enum tj_record_kind kind; /* TJ_RECORD_RUN or TJ_RECORD_LOGGED_MODEL */
    tj_str owner;
    tj_str path; /* empty: the folder of all */
};

/* False when the path is none of these two. */
bool tj_ml_file_parse(tj_str path, struct tj_ml_file *out);

/* Each answers. */
void tj_ml_file_put(struct tj_ml *call, const struct tj_ml_file *file);
void tj_ml_file_get(struct tj_ml *call, const struct tj_ml_file *file);
void tj_ml_file_list(struct tj_ml *call, const struct tj_ml_file *file);
/* A file, or all of a folder. */
void tj_ml_file_delete(struct tj_ml *call, const struct tj_ml_file *file);

#endif
