/* meter.h - what the server counts about requests, for /metrics.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus' text format, names and units as its guide asks.  Labels are
 * routes, methods and statuses of ours: nothing from a request becomes one.
 * Threads: any, but init and release.
 */
#ifndef TJ_SERVE_METER_H
#define TJ_SERVE_METER_H

#include <pthread.h>

#include "base/buf.h"
#include "serve/route.h"

enum {
    TJ_METER_ROWS_MAX = 1024, /* a route and a status each; then "other" */
    TJ_METER_BUCKETS = 14,
};

/* What is so right now. */
struct tj_gauges {
    unsigned connections;
    unsigned requests; /* begun and not answered */
    unsigned workers;
    unsigned busy_workers;
    unsigned queued;
    size_t body_bytes; /* of bodies in memory */
};

struct tj_meter_row {
    const struct tj_route *route; /* NULL: no route matched */
    int status;
    uint64_t count;
};

struct tj_meter {
    pthread_mutex_t lock; /* guards all below but gauges */
    struct tj_meter_row rows[TJ_METER_ROWS_MAX];
    uint64_t other;
    uint64_t buckets[TJ_METER_BUCKETS + 1]; /* the last: longer than all */
    uint64_t duration_ns;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t start_ns; /* monotonic */
    void (*gauges)(void *ctx, struct tj_gauges *out);
    void *ctx;
};

void tj_meter_init(struct tj_meter *m);
void tj_meter_release(struct tj_meter *m);
void tj_meter_add(struct tj_meter *m, const struct tj_route *route, int status,
                  uint64_t duration_ns, uint64_t received_bytes,
                  uint64_t sent_bytes);
/* The requests' part of /metrics. */
void tj_meter_write(struct tj_meter *m, struct tj_buf *out);
/* One metric without labels, with its help and type. */
void tj_metric_write(struct tj_buf *out, const char *name, const char *type,
                     const char *help, double value);

#endif
