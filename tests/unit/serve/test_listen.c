/* test_listen.c - sockets that listen, and how they stop.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loopback.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/listen.h"

enum { DOORS = 12, CLIENTS = 16, BEFORE = 20, TOGETHER_MAX = 1000 };

struct door {
    int fd;
    unsigned port;
};

/* The client closes first, so that its side is the one that waits (TIME-WAIT)
 * and the ports of the server's are free. */
static void serve_one(int fd)
{
    char byte;
    (void)recv(fd, &byte, 1, 0);
    (void)send(fd, "x", 1, MSG_NOSIGNAL);
    (void)recv(fd, &byte, 1, 0);
    (void)close(fd);
}

static bool take_one(struct door *d)
{
    int fd = accept(d->fd, NULL, NULL);
    if (fd >= 0)
        serve_one(fd);
    return fd >= 0;
}

static void take_all(void *ctx)
{
    for (int i = 0; i < TOGETHER_MAX && take_one(ctx); i++)
        continue;
}

struct client {
    pthread_t thread;
    unsigned port;
    unsigned cut; /* connected, and then not served */
};

static void *come_until_refused(void *arg)
{
    struct client *c = arg;
    char byte;
    int fd;
    while ((fd = loopback_dial(c->port)) >= 0) {
        (void)send(fd, "?", 1, MSG_NOSIGNAL);
        c->cut += recv(fd, &byte, 1, 0) != 1;
        (void)close(fd);
    }
    return NULL;
}

static struct door opened(void)
{
    struct door d = {0};
    struct tj_err err;
    assert_ok(tj_listen(TJ_STR("127.0.0.1"), &d.port, &d.fd, &err), err);
    return d;
}

static void come(struct client *c, const struct door *d)
{
    *c = (struct client){.port = d->port};
    assert_int_equal(pthread_create(&c->thread, NULL, come_until_refused, c),
                     0);
}

/* Many doors, so that the ends are many; the clients of one that has ended may
 * try again for a second (the system's first repeat), side by side. */
static void who_is_connected_is_served(void **state)
{
    (void)state;
    struct door doors[DOORS];
    struct client clients[DOORS][CLIENTS];
    for (size_t i = 0; i < DOORS; i++) {
        doors[i] = opened();
        for (size_t k = 0; k < CLIENTS; k++)
            come(&clients[i][k], &doors[i]);
    }
    for (size_t i = 0; i < DOORS; i++) {
        for (int taken = 0; taken < BEFORE; taken += take_one(&doors[i]))
            (void)sched_yield();
        tj_listen_end(doors[i].fd, take_all, &doors[i]);
    }
    for (size_t i = 0; i < DOORS; i++) {
        assert_int_equal(loopback_dial(doors[i].port), -1);
        (void)close(doors[i].fd);
        for (size_t k = 0; k < CLIENTS; k++) {
            assert_int_equal(pthread_join(clients[i][k].thread, NULL), 0);
            assert_int_equal(clients[i][k].cut, 0);
        }
    }
}

static void a_port_has_one_listener(void **state)
{
    (void)state;
    struct door d = opened();
    struct tj_err err;
    int fd = -1;
    unsigned port = d.port;
    assert_false(tj_listen(TJ_STR("127.0.0.1"), &port, &fd, &err));
    assert_non_null(strstr(err.message, "in use"));
    assert_int_equal(fd, -1);
    (void)close(d.fd);
}

static void loopback_by_name_and_by_address(void **state)
{
    (void)state;
    assert_true(tj_listen_is_loopback(TJ_STR("127.0.0.1")));
    assert_true(tj_listen_is_loopback(TJ_STR("127.9.9.9")));
    assert_true(tj_listen_is_loopback(TJ_STR("[::1]")));
    assert_true(tj_listen_is_loopback(TJ_STR("::ffff:127.0.0.1")));
    assert_true(tj_listen_is_loopback(TJ_STR("localhost")));
    assert_false(tj_listen_is_loopback(TJ_STR("0.0.0.0")));
    assert_false(tj_listen_is_loopback(TJ_STR("::")));
    assert_false(tj_listen_is_loopback(TJ_STR("128.0.0.1")));
    assert_false(tj_listen_is_loopback(TJ_STR("no such host")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_connected_is_served),
        cmocka_unit_test(a_port_has_one_listener),
        cmocka_unit_test(loopback_by_name_and_by_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
