/* test_http.c - connections of HTTP/1.1 while the sweep looks at them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loopback.h"
#include "test.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/http.h"
#include "serve/listen.h"

enum {
    CLIENTS = 3,
    REQUESTS = 1500,
    SWEEPERS = 2,
    BODY_MAX = 4096,
    ANSWER_MAX = 1024,
};

struct fixture {
    struct tj_pool *pool;
    struct tj_http *http;
    struct tj_room room;
    unsigned port;
    atomic_bool over;
};

static bool admit(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    (void)ctx, (void)rq, (void)out;
    return true;
}

static void run(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    (void)ctx, (void)rq;
    out->status = 200;
    out->content_type = TJ_STR("text/plain");
    out->body = TJ_STR("here");
}

static void refuse(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    (void)ctx, (void)rq;
    out->status = 503;
}

static void end(void *ctx, const struct tj_http_end *end)
{
    (void)ctx, (void)end;
}

static const struct tj_http_ops ops = {admit, run, refuse, refuse, end};

static int setup_for(void **state, unsigned idle_ms)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct tj_pool_options pool = {2, 1000, 1000};
    struct tj_err err;
    f->room.bytes_max = (size_t)64 * BODY_MAX;
    assert_ok(tj_pool_open(&pool, &f->pool, &err), err);
    struct tj_http_options o = {
        .body_bytes_max = BODY_MAX,
        .connections_max = 64,
        .connections_per_address_max = 64,
        .idle_ms = idle_ms,
        .request_ms = 60000,
        .room = &f->room,
        .pool = f->pool,
        .ops = &ops,
        .ctx = f,
    };
    assert_ok(tj_listen(TJ_STR("127.0.0.1"), &f->port, &o.listen_fd, &err),
              err);
    assert_ok(tj_http_open(&o, &f->http, &err), err);
    *state = f;
    return 0;
}

static int setup_patient(void **state)
{
    return setup_for(state, 60000);
}

static int setup_hasty(void **state)
{
    return setup_for(state, 1);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->http)
        tj_http_drain(f->http);
    assert_true(tj_pool_drain(f->pool, tj_mono_ns() + 60 * TJ_NS_PER_SECOND));
    tj_http_close(f->http);
    tj_pool_close(f->pool);
    assert_int_equal(atomic_load(&f->room.used_bytes), 0);
    free(f);
    return 0;
}

static int try_dial(const struct fixture *f)
{
    return loopback_dial(f->port);
}

static int dial(const struct fixture *f)
{
    int fd = try_dial(f);
    assert_true(fd >= 0);
    return fd;
}

/* False: the connection ended without a whole answer. */
static bool is_answered(int fd)
{
    char answer[ANSWER_MAX];
    size_t have = 0;
    while (have < sizeof answer) {
        ssize_t n = recv(fd, answer + have, sizeof answer - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
        if (tj_str_ends(tj_str_make(answer, have), TJ_STR("\r\n\r\nhere")))
            return true;
    }
    return false;
}

/* One request on fd; false: the connection ended without an answer. */
static bool ask(int fd)
{
    static const char request[] =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        return false;
    return is_answered(fd);
}

static void *sweep(void *arg)
{
    struct fixture *f = arg;
    while (!atomic_load(&f->over))
        tj_http_sweep(f->http);
    return NULL;
}

struct client {
    pthread_t thread;
    const struct fixture *fixture;
    unsigned answered;
};

static void *ask_all(void *arg)
{
    struct client *c = arg;
    int fd = dial(c->fixture);
    while (c->answered < REQUESTS && ask(fd)) {
        c->answered++;
        if (c->answered % 8)
            continue;
        (void)close(fd);
        fd = dial(c->fixture);
    }
    (void)close(fd);
    return NULL;
}

/* A sweep that waits for the lock, while a connection comes to a new state,
 * takes it for one that has been in it for ever if it looked at the clock
 * first. */
static void nobody_is_cut_off_early(void **state)
{
    struct fixture *f = *state;
    pthread_t sweepers[SWEEPERS];
    struct client clients[CLIENTS] = {{0}};
    for (size_t i = 0; i < SWEEPERS; i++)
        assert_int_equal(pthread_create(&sweepers[i], NULL, sweep, f), 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].fixture = f;
        assert_int_equal(
            pthread_create(&clients[i].thread, NULL, ask_all, &clients[i]), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
    atomic_store(&f->over, true);
    for (size_t i = 0; i < SWEEPERS; i++)
        assert_int_equal(pthread_join(sweepers[i], NULL), 0);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(clients[i].answered, REQUESTS);
}

/* And the other way round: one that is late is. */
static void who_waits_too_long_is_cut_off(void **state)
{
    struct fixture *f = *state;
    char byte;
    int fd = dial(f);
    uint64_t until = tj_mono_ns() + 60 * TJ_NS_PER_SECOND;
    ssize_t n = -1;
    while (n < 0 && tj_mono_ns() < until) {
        tj_http_sweep(f->http);
        n = recv(fd, &byte, 1, MSG_DONTWAIT);
    }
    assert_int_equal(n, 0);
    (void)close(fd);
}

/* -- half-closed, and the end --------------------------------------------- */

enum { HALF_CLOSED = 3000 };

/* Reads until the end; did an answer come? */
static bool read_answer(int fd)
{
    char answer[ANSWER_MAX];
    size_t have = 0;
    ssize_t n;
    while (have < sizeof answer &&
           (n = recv(fd, answer + have, sizeof answer - have, 0)) > 0)
        have += (size_t)n;
    return tj_str_ends(tj_str_make(answer, have), TJ_STR("\r\n\r\nhere"));
}

static void *ask_half_closed(void *arg)
{
    static const char head[] =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n";
    struct client *c = arg;
    for (size_t i = 0; i < HALF_CLOSED; i++) {
        int fd = dial(c->fixture);
        (void)send(fd, head, sizeof head - 1, MSG_NOSIGNAL);
        (void)send(fd, "{}", 2, MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
        c->answered += read_answer(fd);
        (void)close(fd);
    }
    return NULL;
}

/* One that has said all and waits for the answer is not one that went away,
 * whenever the sweep looks. */
static void half_closed_is_answered(void **state)
{
    struct fixture *f = *state;
    pthread_t sweeper;
    struct client clients[CLIENTS] = {{0}};
    assert_int_equal(pthread_create(&sweeper, NULL, sweep, f), 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].fixture = f;
        assert_int_equal(pthread_create(&clients[i].thread, NULL,
                                        ask_half_closed, &clients[i]),
                         0);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
    atomic_store(&f->over, true);
    assert_int_equal(pthread_join(sweeper, NULL), 0);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(clients[i].answered, HALF_CLOSED);
}

enum { STOPS = 8, STOP_CLIENTS = 6, STOP_AFTER = 40 };

struct stopped {
    pthread_t thread;
    const struct fixture *fixture;
    atomic_uint_fast64_t *stop_ns; /* 0: not yet */
    atomic_uint *answered;         /* by all */
    bool keeps;                    /* its connection */
    unsigned cut;                  /* begun before the stop, not answered */
};

/* In two pieces, as most clients send it. */
static bool ask_in_two(int fd)
{
    static const char head[] =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n";
    (void)send(fd, head, sizeof head - 1, MSG_NOSIGNAL);
    (void)sched_yield();
    (void)send(fd, "{}", 2, MSG_NOSIGNAL);
    return is_answered(fd);
}

static void *ask_until_stopped(void *arg)
{
    struct stopped *c = arg;
    int fd = -1;
    for (;;) {
        if (fd < 0)
            fd = try_dial(c->fixture);
        uint64_t begin_ns = tj_mono_ns();
        if (fd < 0)
            return NULL; /* it listens no more */
        bool ok = ask_in_two(fd);
        atomic_fetch_add(c->answered, ok);
        uint64_t stop_ns = atomic_load(c->stop_ns);
        c->cut += !ok && (!stop_ns || begin_ns < stop_ns);
        if (ok && c->keeps)
            continue;
        (void)close(fd);
        fd = -1;
    }
}

/* What had begun when the server was told to stop is answered. */
static void stop_once(struct fixture *f)
{
    struct stopped clients[STOP_CLIENTS];
    atomic_uint_fast64_t stop_ns = 0;
    atomic_uint answered = 0;
    for (size_t i = 0; i < STOP_CLIENTS; i++) {
        clients[i] = (struct stopped){0, f, &stop_ns, &answered, i % 2 == 0, 0};
        assert_int_equal(pthread_create(&clients[i].thread, NULL,
                                        ask_until_stopped, &clients[i]),
                         0);
    }
    while (atomic_load(&answered) < STOP_AFTER)
        (void)sched_yield();
    atomic_store(&stop_ns, tj_mono_ns());
    tj_http_drain(f->http);
    uint64_t end_ns = tj_mono_ns() + 60 * TJ_NS_PER_SECOND;
    while (tj_http_connections(f->http)) {
        assert_true(tj_mono_ns() < end_ns);
        tj_http_sweep(f->http);
    }
    assert_true(tj_pool_drain(f->pool, end_ns));
    tj_http_close(f->http);
    f->http = NULL;
    for (size_t i = 0; i < STOP_CLIENTS; i++) {
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
        assert_int_equal(clients[i].cut, 0);
    }
}

static void stops_when_all_is_answered(void **state)
{
    for (int i = 0; i < STOPS; i++) {
        if (i)
            (void)setup_patient(state);
        stop_once(*state);
        if (i < STOPS - 1)
            (void)teardown(state);
    }
}

static void *ask_for_ever(void *arg)
{
    struct stopped *c = arg;
    int fd;
    while ((fd = try_dial(c->fixture)) >= 0) {
        while (ask(fd))
            atomic_fetch_add(c->answered, 1);
        (void)close(fd);
    }
    return NULL;
}

/* Without a drain, as after its deadline or when the start fails half way. */
static void close_once(struct fixture *f)
{
    struct stopped clients[STOP_CLIENTS];
    atomic_uint answered = 0;
    for (size_t i = 0; i < STOP_CLIENTS; i++) {
        clients[i] = (struct stopped){.fixture = f, .answered = &answered};
        assert_int_equal(
            pthread_create(&clients[i].thread, NULL, ask_for_ever, &clients[i]),
            0);
    }
    while (atomic_load(&answered) < STOP_AFTER)
        (void)sched_yield();
    tj_pool_stop(f->pool);
    tj_http_close(f->http);
    f->http = NULL;
    for (size_t i = 0; i < STOP_CLIENTS; i++)
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
}

static void closes_while_requests_come(void **state)
{
    for (int i = 0; i < STOPS; i++) {
        if (i)
            (void)setup_patient(state);
        close_once(*state);
        if (i < STOPS - 1)
            (void)teardown(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_is_cut_off_early, setup_patient,
                                        teardown),
        cmocka_unit_test_setup_teardown(half_closed_is_answered, setup_patient,
                                        teardown),
        cmocka_unit_test_setup_teardown(stops_when_all_is_answered,
                                        setup_patient, teardown),
        cmocka_unit_test_setup_teardown(closes_while_requests_come,
                                        setup_patient, teardown),
        cmocka_unit_test_setup_teardown(who_waits_too_long_is_cut_off,
                                        setup_hasty, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
