/* server.h - what handlers share: the store and a few settings.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Threads: handlers run on many workers at once; everything here is immutable
 * after the start, or says itself that it may be used from any thread.
 */
#ifndef TJ_SERVE_SERVER_H
#define TJ_SERVE_SERVER_H

#include <stdatomic.h>

#include "base/str.h"
#include "store/store.h"

/* What this server says it is to MLflow's clients: they parse it as PEP 440
 * and choose by it what to call. */
#define TJ_MLFLOW_VERSION "3.12.0"

/* Counters of /metrics; any thread. */
struct tj_server_counts {
    atomic_uint_fast64_t spans;          /* stored */
    atomic_uint_fast64_t spans_rejected; /* of partial successes */
    atomic_uint_fast64_t span_bytes;     /* bodies that carried them */
};

struct tj_meter;
struct tj_turns;

struct tj_server {
    struct tj_store *store;
    tj_str version;         /* of tracejudge */
    size_t body_bytes_max;  /* after decompression */
    atomic_bool ready;      /* for /readyz; false while stopping */
    struct tj_meter *meter; /* what /metrics shows of requests; may be NULL */
    struct tj_server_counts counts;
    struct tj_turns *computing; /* for parsing what is stored; may be NULL */
    /* For handlers of large bodies, to their end: unlike with those above, who
     * has one may wait for the disk.  Taken before those.  May be NULL. */
    struct tj_turns *large;
};

#endif
