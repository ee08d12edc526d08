/* plain_routes.c - health, readiness, version, metrics, and what this is.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "serve/meter.h"
#include "serve/mlflow.h"
#include "serve/route.h"

enum { STATM_BYTES_MAX = 4096 };

static void run_health(struct tj_server *s, const struct tj_request *rq,
                       struct tj_answer *out)
{
    (void)s, (void)rq;
    tj_answer_text(out, 200, TJ_STR("OK"));
}

/* Ready: it takes requests, and the store answers. */
static void run_ready(struct tj_server *s, const struct tj_request *rq,
                      struct tj_answer *out)
{
    struct tj_trace_info info;
    struct tj_err err = {0};
    tj_trace_id none = {{0}};
    bool found;
    none.bytes[0] = 1;
    if (!atomic_load(&s->ready))
        tj_answer_text(out, 503, TJ_STR("stopping"));
    else if (!tj_store_find_info(s->store, none, rq->arena, &info, &found,
                                 &err))
        tj_answer_text(out, 503, TJ_STR("the store does not answer"));
    else
        tj_answer_text(out, 200, TJ_STR("OK"));
}

/* Clients read this as a version of MLflow (PEP 440 allows the tail), and
 * choose by it what to call. */
static void run_version(struct tj_server *s, const struct tj_request *rq,
                        struct tj_answer *out)
{
    tj_answer_text(out, 200,
                   tj_str_printf(rq->arena, "%s+tracejudge.%.*s",
                                 TJ_MLFLOW_VERSION, TJ_STR_ARG(s->version)));
}

/* A key that is not there means no to the clients that know it. */
static void run_server_info(struct tj_server *s, const struct tj_request *rq,
                            struct tj_answer *out)
{
    (void)s, (void)rq;
    tj_answer_json(out, 200,
                   TJ_STR("{\"store_type\":\"SqlStore\","
                          "\"workspaces_enabled\":false,"
                          "\"trace_archival_enabled\":false}"));
}

/* Resident memory of this process; 0 where there is no /proc. */
static double resident_bytes(struct tj_arena *a)
{
    struct tj_err ignored;
    tj_str text = {0};
    uint64_t pages = 0;
    if (!tj_file_read("/proc/self/statm", STATM_BYTES_MAX, a, &text, &ignored))
        return 0;
    (void)tj_str_cut(&text, ' ');
    if (!tj_str_to_u64(tj_str_cut(&text, ' '), &pages))
        return 0;
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void write_store(struct tj_server *s, struct tj_buf *out)
{
    struct tj_store_stats stats = {0};
    struct tj_err ignored;
    if (!tj_store_stats(s->store, &stats, &ignored))
        return;
    tj_metric_write(out, "tracejudge_store_traces", "gauge",
                    "Traces in the store.", (double)stats.trace_count);
    tj_metric_write(out, "tracejudge_store_spans", "gauge",
                    "Spans in the store.", (double)stats.span_count);
    tj_metric_write(out, "tracejudge_store_bytes", "gauge",
                    "What the store takes on disk.", (double)stats.disk_bytes);
}

static void write_ingest(struct tj_server *s, struct tj_buf *out)
{
    tj_metric_write(out, "tracejudge_spans_total", "counter",
                    "Spans stored since the start.",
                    (double)atomic_load(&s->counts.spans));
    tj_metric_write(out, "tracejudge_spans_rejected_total", "counter",
                    "Spans without a usable id.",
                    (double)atomic_load(&s->counts.spans_rejected));
    tj_metric_write(out, "tracejudge_span_bytes_total", "counter",
                    "Bytes of the bodies that carried spans.",
                    (double)atomic_load(&s->counts.span_bytes));
}

static void run_metrics(struct tj_server *s, const struct tj_request *rq,
                        struct tj_answer *out)
{
    struct tj_buf buf;
    struct tj_err ignored;
    if (!tj_grant_covers_all(rq->grant)) {
        (void)tj_ml_refuse(out, rq->arena, TJ_ML_PERMISSION_DENIED,
                           "Permission denied");
        return;
    }
    tj_buf_init(&buf, rq->arena, TJ_BODY_BYTES_MAX);
    tj_buf_fmt(&buf,
               "# HELP tracejudge_build_info What is running.\n"
               "# TYPE tracejudge_build_info gauge\n"
               "tracejudge_build_info{version=\"%.*s\"} 1\n",
               TJ_STR_ARG(s->version));
    if (s->meter)
        tj_meter_write(s->meter, &buf);
    write_ingest(s, &buf);
    write_store(s, &buf);
    tj_metric_write(&buf, "process_resident_memory_bytes", "gauge",
                    "Resident memory.", resident_bytes(rq->arena));
    if (!tj_buf_ok(&buf, "metrics", &ignored))
        return;
    tj_answer_text(out, 200, tj_buf_str(&buf));
    out->content_type = TJ_STR("text/plain; version=0.0.4; charset=utf-8");
}

static void run_root(struct tj_server *s, const struct tj_request *rq,
                     struct tj_answer *out)
{
    tj_answer_text(
        out, 200,
        tj_str_printf(
            rq->arena,
            "Tracejudge %.*s: a tracing backend for MLflow and OpenTelemetry "
            "clients.\n\n"
            "  Python   mlflow.set_tracking_uri(\"http://HOST:PORT\")\n"
            "  OTLP     OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="
            "http://HOST:PORT/v1/traces\n\n"
            "/health /readyz /version /metrics\n\n"
            "There is no web page here yet: look at traces with `tracejudge "
            "traces` and `tracejudge show`.\n",
            TJ_STR_ARG(s->version)));
}

const struct tj_route tj_routes_plain[] = {
    {TJ_METHOD_GET, TJ_PLAIN, "/health", TJ_ACCESS_NONE, run_health},
    {TJ_METHOD_GET, TJ_PLAIN, "/healthz", TJ_ACCESS_NONE, run_health},
    {TJ_METHOD_GET, TJ_PLAIN, "/readyz", TJ_ACCESS_NONE, run_ready},
    {TJ_METHOD_GET, TJ_PLAIN, "/version", TJ_ACCESS_NONE, run_version},
    {TJ_METHOD_GET, TJ_PLAIN, "/metrics", TJ_ACCESS_READ, run_metrics},
    {TJ_METHOD_GET, TJ_PLAIN, "/", TJ_ACCESS_READ, run_root},
    {TJ_METHOD_GET, TJ_V3, "/mlflow/server-info", TJ_ACCESS_READ,
     run_server_info},
    {.run = NULL},
};
