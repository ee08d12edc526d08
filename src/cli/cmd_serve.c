/* cmd_serve.c - tracejudge serve: the server, until it is told to stop.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "serve/auth_file.h"
#include "serve/route.h"
#include "serve/serve.h"

enum {
    DEFAULT_PORT = 5000,
    SECONDS_MAX = 86400,
    WORKERS_MAX = 1024,
};

static tj_str text_of(const struct args *args, const char *name)
{
    return tj_str_c(args_value(args, name));
}

/* 0..65535; 0 asks the system for a free one. */
static bool read_port(const struct args *args, const char *name, unsigned *out)
{
    const char *text = args_value(args, name);
    uint64_t port = DEFAULT_PORT;
    if (text && (!tj_str_to_u64(tj_str_c(text), &port) || port > 65535)) {
        complain(EXIT_INPUT,
                 "serve: --%s must be a number from 0 to 65535, not '%s'", name,
                 text);
        return false;
    }
    *out = (unsigned)port;
    return true;
}

/* Bytes, or with KiB, MiB, GiB (or K, M, G) behind. */
static bool read_size(const struct args *args, const char *name, size_t *out)
{
    static const struct {
        const char *suffix;
        unsigned shift;
    } units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"K", 10},
                 {"M", 20},   {"G", 30},   {"", 0}};
    tj_str text = text_of(args, name);
    uint64_t n = 0;
    if (!text.ptr)
        return true;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        tj_str suffix = tj_str_c(units[i].suffix);
        if (!tj_str_ends(text, suffix))
            continue;
        tj_str digits = tj_str_slice(text, 0, text.len - suffix.len);
        if (tj_str_to_u64(digits, &n) && n >= 1 &&
            n <= 2u << 30 >> units[i].shift) {
            *out = (size_t)n << units[i].shift;
            return true;
        }
    }
    complain(EXIT_INPUT,
             "serve: --%s must be a size up to 2GiB, like 64MiB, not '%s'",
             name, text.ptr);
    return false;
}

static bool read_log(const struct args *args, struct tj_log *log)
{
    tj_str level = text_of(args, "log-level");
    tj_str format = text_of(args, "log-format");
    *log = (struct tj_log){.fd = STDERR_FILENO, .level = TJ_LOG_INFO};
    if (level.ptr && !tj_log_level_parse(level, &log->level)) {
        complain(EXIT_INPUT, "serve: --log-level must be error, warn, info or "
                             "debug");
        return false;
    }
    if (format.ptr && !tj_log_format_parse(format, &log->format)) {
        complain(EXIT_INPUT, "serve: --log-format must be logfmt or json");
        return false;
    }
    return true;
}

static bool read_durability(const struct args *args, bool *relaxed)
{
    const char *text = args_value(args, "durability");
    *relaxed = text && !strcmp(text, "relaxed");
    if (!text || *relaxed || !strcmp(text, "full"))
        return true;
    complain(EXIT_INPUT, "serve: --durability must be full or relaxed");
    return false;
}

static bool read_options(const struct args *args, struct tj_serve_options *o)
{
    *o = (struct tj_serve_options){
        .store_url = args_value(args, "store"),
        .host = text_of(args, "host"),
        .auth_file = args_value(args, "auth-file"),
        .unsafe_no_auth = args_has(args, "unsafe-no-auth"),
        .grpc = args_has(args, "grpc-port"),
        .allowed_hosts = text_of(args, "allowed-hosts"),
        .allowed_origins = text_of(args, "allowed-origins"),
    };
    return read_port(args, "port", &o->port) &&
           read_port(args, "grpc-port", &o->grpc_port) &&
           read_size(args, "body-max", &o->body_bytes_max) &&
           args_count(args, "threads", 0, WORKERS_MAX, &o->workers_max) &&
           args_count(args, "idle-timeout", 0, SECONDS_MAX, &o->idle_seconds) &&
           args_count(args, "request-timeout", 0, SECONDS_MAX,
                      &o->request_seconds) &&
           read_log(args, &o->log) && read_durability(args, &o->relaxed);
}

static int failed(const struct tj_err *err)
{
    return complain(exit_code_of((int)err->code), "serve: %s", err->message);
}

static void print_route(const struct tj_route *r, const char *prefix)
{
    const char *access =
        r->access == TJ_ACCESS_NONE ? "-" : tj_auth_role_name(r->access);
    (void)printf("%-6s %-5s %s%s\n", tj_method_name(r->method), access, prefix,
                 r->path);
}

/* MLflow's stand under /ajax-api as well. */
static int list_routes(void)
{
    const struct tj_route *r;
    for (size_t i = 0; (r = tj_route_at(i)); i++) {
        if (r->majors == TJ_PLAIN)
            print_route(r, "");
        if (r->majors & TJ_V2)
            print_route(r, "/api/2.0");
        if (r->majors & TJ_V3)
            print_route(r, "/api/3.0");
    }
    return EXIT_DONE;
}

static void print_urls(const struct args *args, tj_str url, tj_str grpc)
{
    bool json = args_has(args, "json");
    (void)printf(json ? "{\"url\":\"%.*s\"" : "listening on %.*s",
                 TJ_STR_ARG(url));
    if (grpc.len)
        (void)printf(json ? ",\"grpc_url\":\"%.*s\"" : ", gRPC on %.*s",
                     TJ_STR_ARG(grpc));
    (void)puts(json ? "}" : "");
}

static int run_serve(const struct args *args)
{
    struct tj_serve_options options;
    struct tj_serve *s = NULL;
    struct tj_err err = {0};
    if (args_has(args, "routes"))
        return list_routes();
    if (!read_options(args, &options))
        return EXIT_INPUT;
    if (!tj_serve_open(&options, &s, &err))
        return failed(&err);
    print_urls(args, tj_serve_url(s), tj_serve_grpc_url(s));
    (void)fflush(stdout);
    int code = tj_serve_run(s, &err) ? EXIT_DONE : failed(&err);
    tj_serve_close(s);
    return code;
}

static const struct option_spec options[] = {
    {"host", 0, "HOST", "address to listen on (127.0.0.1)", false},
    {"port", 'p', "N", "port (5000); 0: a free one", false},
    {"grpc-port", 0, "N", "also take OTLP over gRPC, on this port (4317)",
     false},
    {"auth-file", 0, "FILE", "credentials (the store's path with .auth behind)",
     false},
    {"unsafe-no-auth", 0, NULL, "listen beyond loopback without authentication",
     false},
    {"allowed-hosts", 0, "LIST",
     "more names that clients may call this server by", false},
    {"allowed-origins", 0, "LIST", "web pages that may use it: https://...",
     false},
    {"body-max", 0, "SIZE", "largest request, decompressed (64MiB)", false},
    {"threads", 0, "N", "requests at work at once (64)", false},
    {"request-timeout", 0, "S", "seconds for a whole request (60)", false},
    {"idle-timeout", 0, "S", "seconds between requests (75)", false},
    {"durability", 0, "KIND",
     "full: on disk when answered; relaxed: survives a crash of the program",
     false},
    {"routes", 0, NULL, "list what it answers, and the role that each needs",
     false},
    {"log-level", 0, "LEVEL", "error, warn, info or debug (info)", false},
    {"log-format", 0, "FORMAT", "logfmt or json", false},
    {NULL, 0, NULL, NULL, false},
};

const struct command command_serve = {
    .name = "serve",
    .summary = "a tracing backend for MLflow and OpenTelemetry clients",
    .usage = "[OPTIONS]",
    .text = "Clients of MLflow point at it with mlflow.set_tracking_uri, those "
            "of OpenTelemetry\nwith OTEL_EXPORTER_OTLP_TRACES_ENDPOINT (path "
            "/v1/traces). One line on standard\noutput says where it listens; "
            "logs go to standard error.\n\nSIGTERM or Ctrl-C stops it when "
            "what was accepted is answered; a second one at once.",
    .examples = "  tracejudge serve\n"
                "  tracejudge serve --port 0 --store run.db\n"
                "  tracejudge serve --host 0.0.0.0 --allowed-hosts "
                "traces.example.com\n",
    .options = options,
    .positionals_min = 0,
    .positionals_max = 0,
    .run = run_serve,
};
