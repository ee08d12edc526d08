/* meter.c - a small hash of counters, and a histogram.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/meter.h"

#include <inttypes.h>

#include "base/clock.h"

/* Upper bounds; the answers of a tracing backend are between a cached read
 * and a search over everything. */
static const struct {
    uint64_t us;
    const char *label;
} bounds[TJ_METER_BUCKETS] = {
    {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},
    {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"},
    {5000000, "5"},   {10000000, "10"},
};

void tj_meter_init(struct tj_meter *m)
{
    *m = (struct tj_meter){.start_ns = tj_mono_ns()};
    (void)pthread_mutex_init(&m->lock, NULL);
}

void tj_meter_release(struct tj_meter *m)
{
    (void)pthread_mutex_destroy(&m->lock);
}

/* The counter of a route and status; `other` when the table is full. */
static uint64_t *counter(struct tj_meter *m, const struct tj_route *route,
                         int status)
{
    size_t at = ((uintptr_t)route / sizeof *route * 31 + (size_t)status) %
                TJ_METER_ROWS_MAX;
    for (size_t i = 0; i < TJ_METER_ROWS_MAX; i++) {
        struct tj_meter_row *row = &m->rows[(at + i) % TJ_METER_ROWS_MAX];
        if (!row->count) {
            row->route = route;
            row->status = status;
        }
        if (row->route == route && row->status == status)
            return &row->count;
    }
    return &m->other;
}

void tj_meter_add(struct tj_meter *m, const struct tj_route *route, int status,
                  uint64_t duration_ns, uint64_t received_bytes,
                  uint64_t sent_bytes)
{
    size_t bucket = 0;
    while (bucket < TJ_METER_BUCKETS && duration_ns > bounds[bucket].us * 1000)
        bucket++;
    (void)pthread_mutex_lock(&m->lock);
    ++*counter(m, route, status);
    m->buckets[bucket]++;
    m->duration_ns += duration_ns;
    m->received_bytes += received_bytes;
    m->sent_bytes += sent_bytes;
    (void)pthread_mutex_unlock(&m->lock);
}

/* -- writing -------------------------------------------------------------- */

static void head(struct tj_buf *out, const char *name, const char *type,
                 const char *help)
{
    tj_buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void tj_metric_write(struct tj_buf *out, const char *name, const char *type,
                     const char *help, double value)
{
    head(out, name, type, help);
    tj_buf_fmt(out, "%s %.17g\n", name, value);
}

static void write_row(struct tj_buf *out, const struct tj_meter_row *row)
{
    const struct tj_route *r = row->route;
    tj_buf_fmt(out,
               "tracejudge_http_requests_total{method=\"%s\",route=\"%s\","
               "code=\"%d\"} %" PRIu64 "\n",
               r ? tj_method_name(r->method) : "other", r ? r->path : "none",
               row->status, row->count);
}

static void write_histogram(const struct tj_meter *m, struct tj_buf *out)
{
    const char *name = "tracejudge_http_request_duration_seconds";
    uint64_t sum = 0;
    head(out, name, "histogram",
         "From the request line to the end of the answer.");
    for (size_t i = 0; i < TJ_METER_BUCKETS; i++) {
        sum += m->buckets[i];
        tj_buf_fmt(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name,
                   bounds[i].label, sum);
    }
    sum += m->buckets[TJ_METER_BUCKETS];
    tj_buf_fmt(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
    tj_buf_fmt(out, "%s_sum %.9f\n", name, (double)m->duration_ns / 1e9);
    tj_buf_fmt(out, "%s_count %" PRIu64 "\n", name, sum);
}

static void write_gauges(struct tj_meter *m, struct tj_buf *out)
{
    struct tj_gauges g = {0};
    if (!m->gauges)
        return;
    m->gauges(m->ctx, &g);
    tj_metric_write(out, "tracejudge_http_connections", "gauge",
                    "Open connections.", g.connections);
    tj_metric_write(out, "tracejudge_http_requests_in_flight", "gauge",
                    "Requests begun and not yet answered.", g.requests);
    tj_metric_write(out, "tracejudge_workers", "gauge",
                    "Threads that run requests.", g.workers);
    tj_metric_write(out, "tracejudge_workers_busy", "gauge",
                    "Those that run one now.", g.busy_workers);
    tj_metric_write(out, "tracejudge_queue_length", "gauge",
                    "Requests that wait for a worker.", g.queued);
    tj_metric_write(out, "tracejudge_body_bytes", "gauge",
                    "Memory held by request bodies.", (double)g.body_bytes);
}

void tj_meter_write(struct tj_meter *m, struct tj_buf *out)
{
    write_gauges(m, out);
    (void)pthread_mutex_lock(&m->lock);
    head(out, "tracejudge_http_requests_total", "counter",
         "Requests by route and status.");
    for (size_t i = 0; i < TJ_METER_ROWS_MAX; i++)
        if (m->rows[i].count)
            write_row(out, &m->rows[i]);
    if (m->other)
        tj_buf_fmt(out,
                   "tracejudge_http_requests_total{method=\"other\","
                   "route=\"other\",code=\"other\"} %" PRIu64 "\n",
                   m->other);
    write_histogram(m, out);
    tj_metric_write(out, "tracejudge_http_received_bytes_total", "counter",
                    "Bytes of request bodies, as they came.",
                    (double)m->received_bytes);
    tj_metric_write(out, "tracejudge_http_sent_bytes_total", "counter",
                    "Bytes of answers' bodies.", (double)m->sent_bytes);
    (void)pthread_mutex_unlock(&m->lock);
    tj_metric_write(out, "tracejudge_uptime_seconds", "gauge",
                    "Since the server started.",
                    (double)(tj_mono_ns() - m->start_ns) / 1e9);
}
