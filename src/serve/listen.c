/* listen.c - sockets that listen, and how they stop.
 * SPDX-License-Identifier: Apache-2.0
 */
/* SO_ATTACH_FILTER */
#define _DEFAULT_SOURCE 1

#include "serve/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "serve/peer.h"

enum {
    LISTEN_BACKLOG = 1024,
    PORT_TEXT_MAX = 8,
    LAST_MS = 100, /* for a handshake that has begun */
    LAST_ROUNDS = 8,
};

static bool resolve(tj_str host, unsigned port, struct addrinfo **out,
                    struct tj_err *err)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    char service[PORT_TEXT_MAX];
    struct tj_arena a = {0};
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = tj_str_slice(host, 1, host.len - 2);
    (void)snprintf(service, sizeof service, "%u", port);
    int rc = getaddrinfo(tj_cstr(&a, host), service, &hints, out);
    tj_arena_release(&a);
    if (rc == 0)
        return true;
    return tj_fail(err, TJ_E_INPUT, "host %.*s: %s", TJ_STR_ARG(host),
                   gai_strerror(rc));
}

/* A name like "localhost" has two addresses; IPv4 is what clients try. */
static const struct addrinfo *best_of(const struct addrinfo *list)
{
    for (const struct addrinfo *i = list; i; i = i->ai_next)
        if (i->ai_family == AF_INET)
            return i;
    return list;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
}

static int listen_at(const struct addrinfo *at)
{
    int on = 1;
    assert(at);
    int fd = socket(at->ai_family, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    bool ok = fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
              fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
              setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
              listen(fd, LISTEN_BACKLOG) == 0;
    if (ok)
        return fd;
    int why = errno;
    (void)close(fd);
    errno = why;
    return -1;
}

static const char *reason(int code)
{
    switch (code) {
    case EADDRINUSE: return "the port is in use; choose another with --port";
    case EADDRNOTAVAIL: return "no such address on this machine";
    case EACCES: return "permission denied";
    case EMFILE:
    case ENFILE: return "too many open files";
    default: return "the system refused";
    }
}

bool tj_listen(tj_str host, unsigned *port, int *fd, struct tj_err *err)
{
    struct addrinfo *list = NULL;
    if (!resolve(host, *port, &list, err))
        return false;
    int made = listen_at(best_of(list));
    int why = errno;
    freeaddrinfo(list);
    if (made < 0)
        return tj_fail(err, TJ_E_IO, "listen on %.*s port %u: %s",
                       TJ_STR_ARG(host), *port, reason(why));
    *fd = made;
    *port = port_of(made);
    return true;
}

bool tj_listen_is_loopback(tj_str host)
{
    struct addrinfo *list = NULL;
    struct tj_err ignored;
    if (!resolve(host, 0, &list, &ignored))
        return false;
    bool all = true;
    for (const struct addrinfo *i = list; i; i = i->ai_next)
        all = all && tj_peer_of(i->ai_addr).is_loopback;
    freeaddrinfo(list);
    return all;
}

/* Throws away what opens a connection (SYN without ACK, RFC 9293, 3.1: the
 * flags are byte 13 of the header, with which a socket's filter begins) and
 * nothing else: whoever has got our SYN-ACK gets in. */
static void take_no_more(int fd)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    /* Where it is refused somebody may be cut off who came just now. */
    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                     sizeof program);
}

void tj_listen_end(int fd, void (*take)(void *ctx), void *ctx)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    take_no_more(fd);
    take(ctx);
    for (int i = 0; i < LAST_ROUNDS && poll(&one, 1, LAST_MS) > 0; i++)
        take(ctx);
    (void)shutdown(fd, SHUT_RDWR);
}
