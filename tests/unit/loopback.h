/* loopback.h - a test's own sockets to a server on 127.0.0.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TESTS_LOOPBACK_H
#define TJ_TESTS_LOOPBACK_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

/* What connect says. */
static inline int loopback_connect(int fd, unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connect(fd, (struct sockaddr *)&to, sizeof to);
}

/* A connected socket, or -1. */
static inline int loopback_dial(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (loopback_connect(fd, port) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

#endif
