/* grant.h - what somebody may do.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Without authentication every request has tj_grant_all.  Roles contain each
 * other: admin may write, write may read.  A grant may be bound to some
 * experiments: then it covers these and what is in them, and nothing that
 * belongs to none.
 * Threads: plain data, immutable.
 */
#ifndef TJ_SERVE_GRANT_H
#define TJ_SERVE_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum tj_access {
    TJ_ACCESS_NONE, /* of a route: open to all, like /health */
    TJ_ACCESS_READ,
    TJ_ACCESS_WRITE,
    TJ_ACCESS_ADMIN,
};

struct tj_grant {
    tj_str name;
    enum tj_access access;
    const uint64_t *experiments; /* ids; count 0: all */
    size_t experiment_count;
};

extern const struct tj_grant tj_grant_all;

/* May it see experiment id?  (What it may do there is the route's access.) */
bool tj_grant_covers(const struct tj_grant *grant, uint64_t experiment_id);
/* Bound to no experiment? */
bool tj_grant_covers_all(const struct tj_grant *grant);

#endif
