/* peer.c - see peer.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/peer.h"

#include <netinet/in.h>
#include <string.h>

enum { V4_BYTES = 4, V4_AT = 12, V6_BYTES = 8, LOOPBACK_NET = 127 };

struct tj_peer tj_peer_of(const struct sockaddr *address)
{
    struct tj_peer peer = {0};
    const unsigned char *v4 = NULL;
    if (address->sa_family == AF_INET) {
        v4 = (const unsigned char *)&(
                 (const struct sockaddr_in *)(const void *)address)
                 ->sin_addr;
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(v6))
            v4 = v6->s6_addr + V4_AT;
        else
            memcpy(peer.bytes, v6->s6_addr, V6_BYTES);
        peer.is_loopback = IN6_IS_ADDR_LOOPBACK(v6);
    }
    if (v4) {
        memcpy(peer.bytes + V4_AT, v4, V4_BYTES);
        peer.is_loopback = v4[0] == LOOPBACK_NET;
    }
    return peer;
}

bool tj_peer_eq(const struct tj_peer *a, const struct tj_peer *b)
{
    return !memcmp(a->bytes, b->bytes, sizeof a->bytes);
}
