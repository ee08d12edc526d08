/* guard.h - which hosts and origins a request may name.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A server on loopback trusts what runs on its machine, and browsers run
 * there whatever page somebody opened.  Two checks keep pages out:
 *  1. Host: a page of evil.example whose name was pointed at 127.0.0.1 (DNS
 *     rebinding) still says Host: evil.example.  Only known names may; an
 *     address as such cannot be rebound, and is known where the server
 *     listens beyond loopback.  /health and /version are for probes that know
 *     no name.
 *  2. Origin: what changes something must not come from a page of elsewhere,
 *     on every path.  Origins that may are told so (CORS); others cannot read
 *     answers, since nothing allows them to.
 * Threads: any, after init.
 */
#ifndef TJ_SERVE_GUARD_H
#define TJ_SERVE_GUARD_H

#include "serve/exchange.h"

struct tj_guard {
    const tj_str *hosts; /* "name" or "name:port", "*.name", "*" */
    size_t host_count;
    const tj_str *origins; /* "https://name[:port]", "*" */
    size_t origin_count;
    bool addresses_allowed; /* any address as Host */
};

/* Lists with commas between; either may be empty.  bound is the host that the
 * server listens on.  All text must outlive the guard. */
void tj_guard_init(struct tj_guard *g, tj_str bound, tj_str hosts,
                   tj_str origins, struct tj_arena *a);

/* False: *out says why not, or answers a preflight. */
bool tj_guard_check(const struct tj_guard *g, const struct tj_request *rq,
                    struct tj_answer *out);
/* What every answer to rq says to browsers. */
void tj_guard_mark(const struct tj_guard *g, const struct tj_request *rq,
                   struct tj_answer *out);

#endif
