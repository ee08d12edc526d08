/* serve.c - the store, the guard, the routes, the pool and the sockets.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     http.c --admit--> guard, credentials          (I/O thread)
 *            --run----> decode -> route -> encode    (a worker)
 *            --end----> count, log                   (I/O thread)
 */
#include "serve/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/api_int.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/turns.h"
#include "serve/auth.h"
#include "serve/auth_file.h"
#include "serve/body.h"
#include "serve/grpc.h"
#include "serve/guard.h"
#include "serve/http.h"
#include "serve/listen.h"
#include "serve/meter.h"
#include "serve/mlflow.h"
#include "serve/pool.h"
#include "serve/route.h"
#include "serve/rpc_status.h"
#include "serve/server.h"

enum {
    SWEEP_MS = 250,
    WORKER_IDLE_MS = 5000,
    SLOW_MS = 2000,       /* an answer that took longer is logged */
    SPARE_FILES = 64,     /* for the store and the like, */
    WORKER_FILES = 3,     /* which has some open for each that is at work */
    TRIM_AFTER_MS = 5000, /* of quiet */
    TRIM_AGAIN_MS = 2 * WORKER_IDLE_MS,
};

struct tj_serve {
    struct tj_serve_options options;
    struct tj_arena arena;
    struct tracejudge *tj;
    struct tj_server server;
    struct tj_turns computing;
    struct tj_turns large;
    struct tj_meter meter;
    struct tj_guard guard;
    struct tj_auth *auth;
    struct tj_room room;
    struct tj_pool *pool;
    /* The first requests may be answered before open has these. */
    struct tj_http *_Atomic http;
    struct tj_grpc *_Atomic grpc; /* NULL: not wanted */
    tj_str url;
    tj_str grpc_url;
    atomic_bool stopping;
    atomic_uint_fast64_t last_end_ns; /* of a request */
};

/* -- one request ---------------------------------------------------------- */

static bool is_otlp(tj_str path)
{
    return tj_str_starts(path, TJ_STR("/v1/"));
}

/* In the form that clients of the path know: google.rpc.Status, or MLflow's
 * error object with a status that its codes may not have. */
static void refuse(struct tj_request *rq, struct tj_answer *out, int status,
                   enum tj_ml_code code, const char *message)
{
    if (is_otlp(rq->path)) {
        tj_rpc_refuse(rq, out, status, tj_rpc_code_of(status),
                      tj_str_dup(rq->arena, tj_str_c(message)));
        return;
    }
    (void)tj_ml_refuse(out, rq->arena, code, "%s", message);
    out->status = status;
}

static void on_busy(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    struct tj_serve *s = ctx;
    bool otlp = is_otlp(rq->path);
    refuse(rq, out, otlp ? 429 : 503,
           otlp ? TJ_ML_REQUEST_LIMIT_EXCEEDED : TJ_ML_TEMPORARILY_UNAVAILABLE,
           "the server is busy; try again");
    tj_answer_header(out, TJ_STR("Retry-After"), TJ_STR("1"));
    tj_guard_mark(&s->guard, rq, out);
}

static void on_too_large(void *ctx, struct tj_request *rq,
                         struct tj_answer *out)
{
    struct tj_serve *s = ctx;
    struct tj_err err;
    (void)tj_fail(&err, TJ_E_LIMIT,
                  "the request body is over %zu bytes (--body-max)",
                  s->server.body_bytes_max);
    refuse(rq, out, 413, TJ_ML_INVALID_PARAMETER_VALUE, err.message);
    tj_guard_mark(&s->guard, rq, out);
}

static void on_denied(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    struct tj_serve *s = ctx;
    refuse(rq, out, 401, TJ_ML_UNAUTHENTICATED,
           "You are not authenticated: send a token (Authorization: Bearer) or "
           "a name and password (Basic)");
    tj_answer_header(out, TJ_STR("WWW-Authenticate"),
                     TJ_STR("Basic realm=\"tracejudge\", charset=\"UTF-8\""));
    tj_answer_header(out, TJ_STR("WWW-Authenticate"),
                     TJ_STR("Bearer realm=\"tracejudge\""));
    tj_guard_mark(&s->guard, rq, out);
}

/* Of what is open to all, who asks is not even looked at. */
static bool is_public(struct tj_request *rq)
{
    bool path_known;
    const struct tj_route *route = tj_route_find(rq, &path_known);
    return route && route->access == TJ_ACCESS_NONE;
}

/* Fills rq->grant; NULL when only a full check can say.  False: refused. */
static bool authenticate(struct tj_serve *s, struct tj_request *rq,
                         enum tj_auth_effort effort, struct tj_answer *out)
{
    static const struct tj_grant nobody = {.access = TJ_ACCESS_NONE};
    tj_str header = tj_request_header(rq, TJ_STR("Authorization"));
    rq->grant = &tj_grant_all;
    if (!tj_auth_is_required(s->auth))
        return true;
    rq->grant = &nobody;
    if (is_public(rq))
        return true;
    rq->grant = NULL;
    switch (tj_auth_check(s->auth, header, effort, rq->arena, &rq->grant)) {
    case TJ_AUTH_GRANTED:
    case TJ_AUTH_LATER: return true;
    case TJ_AUTH_BUSY: on_busy(s, rq, out); return false;
    case TJ_AUTH_OPEN: /* answered above */
    case TJ_AUTH_MISSING:
    case TJ_AUTH_WRONG: break;
    }
    on_denied(s, rq, out);
    return false;
}

static bool on_admit(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    struct tj_serve *s = ctx;
    if (tj_guard_check(&s->guard, rq, out))
        return authenticate(s, rq, TJ_AUTH_QUICK, out);
    tj_guard_mark(&s->guard, rq, out);
    return false;
}

static void refuse_body(struct tj_serve *s, struct tj_request *rq,
                        struct tj_answer *out, enum tj_body_fault fault,
                        const struct tj_err *err)
{
    switch (fault) {
    case TJ_BODY_FINE: break;
    case TJ_BODY_BROKEN:
        refuse(rq, out, 400, TJ_ML_BAD_REQUEST, err->message);
        tj_guard_mark(&s->guard, rq, out);
        break;
    case TJ_BODY_UNKNOWN:
        refuse(rq, out, 415, TJ_ML_INVALID_PARAMETER_VALUE, err->message);
        tj_answer_header(out, TJ_STR("Accept-Encoding"),
                         TJ_STR("gzip, deflate, zstd"));
        tj_guard_mark(&s->guard, rq, out);
        break;
    case TJ_BODY_TOO_LARGE: on_too_large(s, rq, out); break;
    case TJ_BODY_NO_ROOM: on_busy(s, rq, out); break;
    }
}

static void on_run(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    struct tj_serve *s = ctx;
    struct tj_err err;
    size_t taken = 0;
    if (!rq->grant && !authenticate(s, rq, TJ_AUTH_FULL, out))
        return;
    enum tj_body_fault fault =
        tj_body_decode(rq, s->server.body_bytes_max, &s->room, &taken, &err);
    if (fault != TJ_BODY_FINE) {
        refuse_body(s, rq, out, fault, &err);
        return;
    }
    tj_route_run(&s->server, rq, out);
    tj_room_give(&s->room, taken);
    tj_body_encode(rq, out);
    tj_guard_mark(&s->guard, rq, out);
}

static void on_end(void *ctx, const struct tj_http_end *end)
{
    struct tj_serve *s = ctx;
    struct tj_log_line line;
    bool slow = end->duration_ns > SLOW_MS * TJ_NS_PER_MS;
    bool bad = end->status >= 500;
    tj_meter_add(&s->meter, end->rq->route, end->status, end->duration_ns,
                 end->body_bytes, end->answer_bytes);
    atomic_store(&s->last_end_ns, tj_mono_ns());
    tj_log_begin(&line, &s->options.log,
                 bad || slow ? TJ_LOG_WARN : TJ_LOG_DEBUG, "request");
    tj_log_str(&line, "method", tj_str_c(tj_method_name(end->rq->method)));
    tj_log_str(&line, "path", end->rq->path);
    tj_log_u64(&line, "status", (uint64_t)end->status);
    tj_log_ms(&line, "ms", end->duration_ns);
    tj_log_u64(&line, "in", end->body_bytes);
    tj_log_u64(&line, "out", end->answer_bytes);
    if (end->rq->grant && end->rq->grant->name.len)
        tj_log_str(&line, "who", end->rq->grant->name);
    if (!end->sent)
        tj_log_str(&line, "end", TJ_STR("client left"));
    tj_log_end(&line);
}

static unsigned connections(struct tj_serve *s)
{
    struct tj_http *http = atomic_load(&s->http);
    struct tj_grpc *grpc = atomic_load(&s->grpc);
    return (http ? tj_http_connections(http) : 0) +
           (grpc ? tj_grpc_connections(grpc) : 0);
}

static void on_gauges(void *ctx, struct tj_gauges *out)
{
    struct tj_serve *s = ctx;
    struct tj_http *http = atomic_load(&s->http);
    struct tj_pool_counts counts = tj_pool_counts(s->pool);
    *out = (struct tj_gauges){
        .connections = connections(s),
        .requests = http ? tj_http_requests(http) : 0,
        .workers = counts.workers,
        .busy_workers = counts.busy,
        .queued = counts.queued,
        .body_bytes = atomic_load(&s->room.used_bytes),
    };
}

static const struct tj_http_ops http_ops = {
    .admit = on_admit,
    .run = on_run,
    .busy = on_busy,
    .too_large = on_too_large,
    .end = on_end,
};

/* -- opening -------------------------------------------------------------- */

static void set_defaults(struct tj_serve_options *o)
{
    if (!o->host.len)
        o->host = TJ_STR("127.0.0.1");
    if (!o->body_bytes_max)
        o->body_bytes_max = TJ_BODY_BYTES_MAX;
    if (!o->workers_max)
        o->workers_max = TJ_WORKERS_MAX;
    if (!o->idle_seconds)
        o->idle_seconds = TJ_IDLE_SECONDS;
    if (!o->request_seconds)
        o->request_seconds = TJ_REQUEST_SECONDS;
}

/* The signals that stop us, blocked in every thread so that run can wait for
 * them. */
static void stop_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

/* A client that went away is an error of one write, not of the process. */
static void prepare_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;
    stop_signals(&set);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* As many connections as the system lets us have, with some files to spare,
 * but no more than most. */
static unsigned connections_possible(unsigned most, unsigned workers)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return TJ_CONNECTIONS_MAX / 8;
    rlim_t spare = SPARE_FILES + WORKER_FILES * (rlim_t)workers;
    rlim_t want = most + spare;
    if (files.rlim_cur < want) {
        files.rlim_cur = files.rlim_max < want ? files.rlim_max : want;
        (void)setrlimit(RLIMIT_NOFILE, &files);
        (void)getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= want)
        return most;
    rlim_t half = files.rlim_cur / 2;
    return (unsigned)(half > spare ? files.rlim_cur - spare : half);
}

static bool open_auth(struct tj_serve *s, tj_str store_url, struct tj_err *err)
{
    const char *path = s->options.auth_file;
    if (!path || !*path)
        path = tj_cstr(&s->arena, tj_auth_default_path(store_url, &s->arena));
    if (!tj_auth_open(path, &s->auth, err))
        return false;
    if (!tj_auth_is_private(s->auth))
        tj_log_text(&s->options.log, TJ_LOG_WARN,
                    "others can read the "
                    "credentials",
                    tj_str_c(path));
    if (s->options.unsafe_no_auth || tj_auth_is_required(s->auth) ||
        tj_listen_is_loopback(s->options.host))
        return true;
    return tj_fail(err, TJ_E_INPUT,
                   "listening on %.*s without authentication would give all "
                   "traces to everybody who can reach it: add credentials with "
                   "`tracejudge auth add`, or say --unsafe-no-auth",
                   TJ_STR_ARG(s->options.host));
}

/* First what may refuse, then what makes files. */
static bool open_store(struct tj_serve *s, struct tj_err *err)
{
    struct tj_error why = {0};
    unsigned flags = TJ_OPEN_CREATE;
    tj_str url = tj_api_store_url(s->options.store_url, &s->arena, err);
    if (!url.ptr)
        return false;
    /* What is answered with 200 must be durable, which another server's
     * answer does not say. */
    if (tj_str_starts(url, TJ_STR("mlflow+")))
        return tj_fail(err, TJ_E_INPUT,
                       "the store must be one of its own, not an MLflow "
                       "server: choose a file with --store");
    if (!open_auth(s, url, err))
        return false;
    if (s->options.relaxed)
        flags |= TJ_OPEN_RELAXED;
    if (!tj_open(tj_cstr(&s->arena, url), flags, &s->tj, &why))
        return tj_fail(err, (enum tj_code)why.code, "%s", why.message);
    s->server.store = s->tj->store;
    return true;
}

static bool listen_at(struct tj_serve *s, unsigned *port, int *fd, tj_str *url,
                      struct tj_err *err)
{
    tj_str host = s->options.host;
    bool v6 = tj_str_find_byte(host, ':') != (size_t)-1 && host.ptr[0] != '[';
    if (!tj_listen(host, port, fd, err))
        return false;
    *url = tj_str_printf(&s->arena, "http://%s%.*s%s:%u", v6 ? "[" : "",
                         TJ_STR_ARG(host), v6 ? "]" : "", *port);
    return true;
}

/* Both before either is answered on: a port in use is told before the first
 * request. */
static bool listen_all(struct tj_serve *s, int *http_fd, int *grpc_fd,
                       struct tj_err *err)
{
    struct tj_serve_options *o = &s->options;
    *grpc_fd = -1;
    if (!listen_at(s, &o->port, http_fd, &s->url, err))
        return false;
    if (!o->grpc || listen_at(s, &o->grpc_port, grpc_fd, &s->grpc_url, err))
        return true;
    (void)close(*http_fd);
    return false;
}

static bool open_pool(struct tj_serve *s, struct tj_err *err)
{
    struct tj_pool_options pool = {
        .workers_max = s->options.workers_max,
        .queue_max = TJ_QUEUE_MAX,
        .idle_ms = WORKER_IDLE_MS,
    };
    return tj_pool_open(&pool, &s->pool, err);
}

/* Of five connections one is for gRPC. */
static bool open_http(struct tj_serve *s, struct tj_err *err)
{
    const struct tj_serve_options *o = &s->options;
    unsigned grpc_max = o->grpc ? TJ_GRPC_CONNECTIONS_MAX : 0;
    unsigned all =
        connections_possible(TJ_CONNECTIONS_MAX + grpc_max, o->workers_max);
    struct tj_http_options options = {
        .body_bytes_max = o->body_bytes_max,
        .connections_max = o->grpc ? all - all / 5 : all,
        .connections_per_address_max = TJ_CONNECTIONS_PER_ADDRESS_MAX,
        .idle_ms = o->idle_seconds * 1000,
        .request_ms = o->request_seconds * 1000,
        .room = &s->room,
        .pool = s->pool,
        .ops = &http_ops,
        .ctx = s,
    };
    struct tj_http *http = NULL;
    struct tj_grpc *grpc = NULL;
    int grpc_fd;
    if (!listen_all(s, &options.listen_fd, &grpc_fd, err))
        return false;
    if (!tj_http_open(&options, &http, err)) {
        if (o->grpc)
            (void)close(grpc_fd);
        return false;
    }
    atomic_store(&s->http, http);
    options.listen_fd = grpc_fd;
    options.connections_max = all / 5;
    options.connections_per_address_max /= 4;
    if (o->grpc && !tj_grpc_open(&options, &grpc, err))
        return false;
    atomic_store(&s->grpc, grpc);
    return true;
}

bool tj_serve_open(const struct tj_serve_options *options,
                   struct tj_serve **out, struct tj_err *err)
{
    struct tj_serve *s = tj_heap_new(sizeof *s);
    s->options = *options;
    set_defaults(&s->options);
    s->room.bytes_max =
        tj_size_max(TJ_BODIES_BYTES_MAX, s->options.body_bytes_max * 4);
    tj_meter_init(&s->meter);
    s->meter.gauges = on_gauges;
    s->meter.ctx = s;
    s->server.meter = &s->meter;
    tj_turns_init(&s->computing);
    s->server.computing = &s->computing;
    tj_turns_init(&s->large);
    s->server.large = &s->large;
    s->server.version = tj_str_c(tj_version());
    s->server.body_bytes_max = s->options.body_bytes_max;
    atomic_store(&s->server.ready, true);
    tj_guard_init(&s->guard, s->options.host, s->options.allowed_hosts,
                  s->options.allowed_origins, &s->arena);
    tj_heap_tune();
    prepare_signals();
    if (open_store(s, err) && open_pool(s, err) && open_http(s, err)) {
        *out = s;
        return true;
    }
    tj_serve_close(s);
    return false;
}

tj_str tj_serve_url(const struct tj_serve *s)
{
    return s->url;
}

tj_str tj_serve_grpc_url(const struct tj_serve *s)
{
    return s->grpc_url;
}

/* -- running -------------------------------------------------------------- */

/* Gives memory back some time after the last request, and once more when the
 * workers have ended. */
static void trim_when_quiet(struct tj_serve *s, uint64_t *trimmed_ms)
{
    uint64_t quiet_ms =
        tj_ns_since(atomic_load(&s->last_end_ns), tj_mono_ns()) / TJ_NS_PER_MS;
    bool due = (quiet_ms >= TRIM_AFTER_MS && *trimmed_ms < TRIM_AFTER_MS) ||
               (quiet_ms >= TRIM_AGAIN_MS && *trimmed_ms < TRIM_AGAIN_MS);
    if (due)
        tj_heap_trim();
    if (due || quiet_ms < TRIM_AFTER_MS)
        *trimmed_ms = quiet_ms;
}

static void refresh_auth(struct tj_serve *s)
{
    struct tj_log_line line;
    struct tj_err err;
    bool changed;
    if (!tj_auth_refresh(s->auth, &changed, &err))
        tj_log_err(&s->options.log, "credentials", &err);
    if (!changed)
        return;
    tj_log_begin(&line, &s->options.log, TJ_LOG_INFO, "credentials");
    tj_log_u64(&line, "entries", tj_auth_count(s->auth));
    tj_log_end(&line);
}

/* Until a signal or tj_serve_stop; 0 for the latter. */
static int await_stop(struct tj_serve *s)
{
    struct timespec wait = {.tv_nsec = SWEEP_MS * (long)TJ_NS_PER_MS};
    uint64_t trimmed_ms = 0;
    sigset_t set;
    stop_signals(&set);
    while (!atomic_load(&s->stopping)) {
        int got = sigtimedwait(&set, NULL, &wait);
        if (got > 0)
            return got;
        tj_http_sweep(s->http);
        refresh_auth(s);
        trim_when_quiet(s, &trimmed_ms);
    }
    return 0;
}

/* From now on such a signal does what it does by itself. */
static void release_signals(void)
{
    sigset_t set;
    stop_signals(&set);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Lets what was accepted finish.  False at the deadline. */
static bool drain(struct tj_serve *s)
{
    uint64_t end_ns = tj_mono_ns() + TJ_DRAIN_SECONDS * TJ_NS_PER_SECOND;
    struct timespec pause = {.tv_nsec = 10 * (long)TJ_NS_PER_MS};
    tj_http_drain(s->http);
    if (s->grpc)
        tj_grpc_drain(s->grpc);
    while (connections(s) && tj_mono_ns() < end_ns) {
        (void)nanosleep(&pause, NULL);
        tj_http_sweep(s->http);
    }
    bool all = connections(s) == 0;
    return tj_pool_drain(s->pool, end_ns + TJ_NS_PER_SECOND) && all;
}

bool tj_serve_run(struct tj_serve *s, struct tj_err *err)
{
    struct tj_log_line line;
    tj_log_begin(&line, &s->options.log, TJ_LOG_INFO, "listening");
    tj_log_str(&line, "url", s->url);
    if (s->grpc)
        tj_log_str(&line, "grpc", s->grpc_url);
    tj_log_str(&line, "store", tj_str_c(tj_store_url(s->tj)));
    tj_log_str(&line, "auth",
               tj_auth_is_required(s->auth) ? TJ_STR("required")
                                            : TJ_STR("none"));
    tj_log_end(&line);
    int got = await_stop(s);
    release_signals();
    atomic_store(&s->server.ready, false);
    tj_log_begin(&line, &s->options.log, TJ_LOG_INFO, "stopping");
    tj_log_u64(&line, "signal", (uint64_t)got);
    tj_log_u64(&line, "requests", tj_http_requests(s->http));
    tj_log_end(&line);
    bool ok = drain(s);
    tj_log_text(&s->options.log, ok ? TJ_LOG_INFO : TJ_LOG_WARN, "stopped",
                ok ? TJ_STR("all requests are answered")
                   : TJ_STR("some clients were cut off"));
    return ok || tj_fail(err, TJ_E_UNCERTAIN,
                         "some requests were not finished in %d seconds",
                         TJ_DRAIN_SECONDS);
}

void tj_serve_stop(struct tj_serve *s)
{
    atomic_store(&s->stopping, true);
}

void tj_serve_close(struct tj_serve *s)
{
    if (!s)
        return;
    tj_pool_stop(s->pool); /* and requests that still come are told so */
    tj_http_close(s->http);
    tj_grpc_close(s->grpc);
    tj_pool_close(s->pool);
    tj_close(s->tj);
    tj_auth_close(s->auth);
    tj_meter_release(&s->meter);
    tj_turns_release(&s->computing);
    tj_turns_release(&s->large);
    tj_arena_release(&s->arena);
    tj_heap_free(s);
}
