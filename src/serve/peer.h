/* peer.h - whom a connection is from, as far as limits care.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Connections of one user are counted together: one IPv4 address, or the
 * first 64 bits of an IPv6 address, which one user has.  IPv4 is the same in
 * its own shape and inside of IPv6 (::ffff:192.0.2.1, what a socket for both
 * says).
 * Threads: pure functions.
 */
#ifndef TJ_SERVE_PEER_H
#define TJ_SERVE_PEER_H

#include <stdbool.h>
#include <sys/socket.h>

struct tj_peer {
    unsigned char bytes[16];
    bool is_loopback; /* where a reverse proxy would be: not counted */
};

struct tj_peer tj_peer_of(const struct sockaddr *address);
bool tj_peer_eq(const struct tj_peer *a, const struct tj_peer *b);

#endif
