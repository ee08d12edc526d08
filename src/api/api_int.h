/* api_int.h - what the files of the api floor share.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A handle owns its store.  The public structs are filled here from the
 * floors' own; nothing else happens on this floor.
 */
#ifndef TJ_API_API_INT_H
#define TJ_API_API_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "judge/def.h"
#include "net/loop.h"
#include "store/store.h"
#include <tracejudge.h>

struct tracejudge {
    struct tj_store *store;
    char *url;
    atomic_bool cancelled;
    pthread_mutex_t lock;            /* guards the members below */
    struct tj_recording *recordings; /* traces under way (api_record.c) */
    struct tj_loop *_Atomic loop; /* of the judging under way, for tj_cancel */
    char last_trace[33];
};

/* What tj_judge_* hand out: the definition first, so that the pointer is both;
 * everything in it lives in its arena. */
struct tj_api_judge {
    struct tj_judge_def def;
    struct tj_arena arena;
    tj_str source; /* NUL-terminated */
    const char *name;
    const char *model;
};

/* Frees what was started and never ended. */
void tj_api_drop_recordings(struct tracejudge *tj);

/* Moves an internal error out; returns false. */
bool tj_api_fail(const struct tj_err *err, struct tj_error *out);
/* A copy of s on the heap with a NUL behind. */
struct tj_text tj_api_text(tj_str s);
/* "tr-..." or digits, or a unique prefix, to an id; else TJ_E_INPUT that says
 * which it was: none, or several. */
bool tj_api_trace_id(struct tracejudge *tj, const char *text, tj_trace_id *out,
                     struct tj_err *err) TJ_MUST_USE;

/* The environment, as llm/model.h wants it: this floor reads it, not those
 * below. */
const char *tj_api_env(const char *name);
/* url, or when it is NULL or empty the store that the environment names; ptr
 * NULL (and *err filled) when there is none.  In a, or borrowed. */
tj_str tj_api_store_url(const char *url, struct tj_arena *a,
                        struct tj_err *err);

#endif
