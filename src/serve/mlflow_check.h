/* mlflow_check.h - what MLflow accepts as names, tags and parameters.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every function is false, and has refused with MLflow's text, when it does
 * not.  Lengths are in characters, as Python counts them.
 * Threads: a call belongs to its worker.
 */
#ifndef TJ_SERVE_MLFLOW_CHECK_H
#define TJ_SERVE_MLFLOW_CHECK_H

#include "base/map.h"
#include "serve/mlflow.h"

enum {
    TJ_ML_KEY_CHARS_MAX = 250,
    TJ_ML_PARAM_CHARS_MAX = 6000,
    TJ_ML_TAG_CHARS_MAX = 8000,
    TJ_ML_EXPERIMENT_NAME_CHARS_MAX = 500,
    TJ_ML_EXPERIMENT_TAG_CHARS_MAX = 20000,
};

/* Letters, digits, "_-. :/", and a path that is its own normal form.  path is
 * what the message calls it: "key", "tags[3].key". */
bool tj_ml_check_name(struct tj_ml *call, const char *path, tj_str name);
bool tj_ml_check_chars(struct tj_ml *call, const char *what, tj_str text,
                       size_t chars_max);
/* Cut to so many characters (MLflow cuts tags and params, and says so in its
 * log only). */
tj_str tj_ml_cut(tj_str text, size_t chars_max);
bool tj_ml_check_experiment_tag(struct tj_ml *call, tj_str key, tj_str value);

/* "Missing value for required parameter '%s'. ..." */
bool tj_ml_missing(struct tj_ml *call, const char *path);
/* Is a name that MLflow's messages quote as JSON. */
tj_str tj_ml_quoted(struct tj_ml *call, tj_str text);

/* An int64 as protobuf reads it: a whole number, or digits. */
bool tj_ml_read_i64(const struct tj_json *v, int64_t *out);
/* A string member of an object; ptr NULL when there is none. */
tj_str tj_ml_text(const struct tj_json *object, const char *name);
/* An argument that is an array; NULL when it is absent. */
bool tj_ml_array(struct tj_ml *call, const char *name,
                 const struct tj_json **out);
/* "A batch logging request can contain at most ..." */
bool tj_ml_check_count(struct tj_ml *call, const char *what, size_t max,
                       size_t count);

/* A list of strings, each once, in order. */
bool tj_ml_set(struct tj_ml *call, const char *name, struct tj_map *out);

/* For edits of the store that refuse: `return tj_ml_stop(err)` after
 * tj_ml_fail, and then `return tj_ml_edited(call, tj_store_edit_x(...))`,
 * which keeps that answer. */
enum tj_edit tj_ml_stop(struct tj_err *err);
bool tj_ml_edited(struct tj_ml *call, bool ok);
/* An edit that deletes. */
enum tj_edit tj_ml_delete_record(void *ctx, struct tj_record *record,
                                 bool found, struct tj_arena *a,
                                 struct tj_err *err);
/* False when there was none. */
bool tj_ml_pairs_remove(tj_pairs *pairs, tj_str key);

/* Refused with MLflow's text when it is deleted. */
bool tj_ml_experiment_is_active(struct tj_ml *call,
                                const struct tj_experiment *ex);

/* active_only, deleted_only, all: by MLflow's name or number. */
enum tj_ml_view { TJ_ML_ACTIVE = 1, TJ_ML_DELETED = 2, TJ_ML_ALL = 3 };
bool tj_ml_view(struct tj_ml *call, const char *name, enum tj_ml_view *out);
bool tj_ml_in_view(enum tj_ml_view view, bool deleted);

/* prefix and 32 random hex digits. */
tj_str tj_ml_random_id(struct tj_arena *a, const char *prefix);
int64_t tj_ml_ms(tj_time time);
/* The decimal digits of an experiment's id. */
tj_str tj_ml_experiment_id(struct tj_arena *a, uint64_t id);

#endif
