/* route.h - the family of routes: method and path to a handler.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each file of handlers has a const table of its routes; route.c lists the
 * tables.  A path is matched segment by segment: "{}" takes one segment, a
 * last "{*}" all that is left.  Of routes that match, one with fewer captures
 * comes first: /traces/search is not a trace called "search".
 *
 * MLflow's routes stand under /api/<major>.0 and /ajax-api/<major>.0; their
 * path here begins behind that, and `majors` says which there are.
 * Threads: tables are const.
 */
#ifndef TJ_SERVE_ROUTE_H
#define TJ_SERVE_ROUTE_H

#include "serve/exchange.h"
#include "serve/server.h"

typedef void (*tj_handler)(struct tj_server *s, const struct tj_request *rq,
                           struct tj_answer *out);

enum tj_route_majors {
    TJ_PLAIN = 0, /* not one of MLflow's: path is the whole */
    TJ_V2 = 1 << 2,
    TJ_V3 = 1 << 3,
};

struct tj_route {
    enum tj_method method;
    unsigned majors;
    const char *path; /* "/mlflow/traces/{}/assessments/{}" */
    enum tj_access access;
    tj_handler run;
};

/* Each ends with a route whose run is NULL. */
extern const struct tj_route tj_routes_experiments[];
extern const struct tj_route tj_routes_traces[];
extern const struct tj_route tj_routes_spans[];
extern const struct tj_route tj_routes_assessments[];
extern const struct tj_route tj_routes_artifacts[];
extern const struct tj_route tj_routes_metrics[];
extern const struct tj_route tj_routes_correlation[];
extern const struct tj_route tj_routes_runs[];
extern const struct tj_route tj_routes_datasets[];
extern const struct tj_route tj_routes_scorers[];
extern const struct tj_route tj_routes_models[];
extern const struct tj_route tj_routes_otlp[];
extern const struct tj_route tj_routes_plain[];

/* The route for a request, and its captures and api_major in *rq.  NULL:
 * none; *path_known says whether the path has one for another method. */
const struct tj_route *tj_route_find(struct tj_request *rq, bool *path_known);

/* Route number i of all tables; NULL behind the last. */
const struct tj_route *tj_route_at(size_t i);
const char *tj_method_name(enum tj_method method);

/* find, check access, run; what is not there, not allowed or forgotten gets
 * the answer that MLflow's clients know.  The whole server but for sockets. */
void tj_route_run(struct tj_server *s, struct tj_request *rq,
                  struct tj_answer *out);

#endif
