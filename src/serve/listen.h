/* listen.h - sockets that listen.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A connection is made by the system and then waits to be accepted, so one who
 * just stops listening cuts off clients who believe themselves connected.
 * tj_listen_end does not: first new ones are turned away, then those that are
 * there are taken, then the socket ends.
 *
 * Threads: any.
 */
#ifndef TJ_SERVE_LISTEN_H
#define TJ_SERVE_LISTEN_H

#include "base/err.h"
#include "base/str.h"

/* A listening socket on host (a name, an IPv4 or IPv6 address) and port (0:
 * any free one); *port is the real one.  It does not block. */
bool tj_listen(tj_str host, unsigned *port, int *fd, struct tj_err *err)
    TJ_MUST_USE;
/* Is this what only programs of this machine can reach?  By name and by
 * address; false when it cannot be resolved. */
bool tj_listen_is_loopback(tj_str host);

/* Ends the listening: take is called, some times, to accept all that are
 * there (or very many).  Clients that come now are refused as soon as this
 * returns.  Takes some 100 ms; the caller still closes fd. */
void tj_listen_end(int fd, void (*take)(void *ctx), void *ctx);

#endif
