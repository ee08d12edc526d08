/* test_grpc.c - calls of gRPC over a real socket, by nghttp2's own client.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loopback.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "serve/grpc.h"
#include "serve/grpc_call.h"
#include "serve/listen.h"

#define EXPORT "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

enum { CALLS = 40, BODY_MAX = 200000, WAIT_MS = 60000 };

/* -- a server whose handler says what it got ------------------------------ */

struct fixture {
    struct tj_pool *pool;
    struct tj_grpc *grpc;
    struct tj_room room;
    unsigned port;
    atomic_uint ended;
    atomic_uint ran;
};

static bool admit(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    (void)ctx;
    if (!tj_request_header(rq, TJ_STR("x-refuse")).len)
        return true;
    tj_rpc_refuse(rq, out, 401, TJ_RPC_UNAUTHENTICATED, TJ_STR("who? 100%"));
    return false;
}

/* Later than a call may take to come. */
static void be_late(void)
{
    struct timespec wait = {.tv_sec = 1, .tv_nsec = 300000000};
    (void)nanosleep(&wait, NULL);
}

static void run(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    struct fixture *f = ctx;
    atomic_fetch_add(&f->ran, 1);
    if (tj_request_header(rq, TJ_STR("x-late")).len)
        be_late();
    out->status = 200;
    out->content_type = TJ_STR("application/x-protobuf");
    out->body = tj_str_printf(
        rq->arena, "%.*s %.*s %.*s %zu", TJ_STR_ARG(rq->path),
        TJ_STR_ARG(tj_request_header(rq, TJ_STR("content-type"))),
        TJ_STR_ARG(tj_request_header(rq, TJ_STR("content-encoding"))),
        rq->body.len);
}

static void busy(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    (void)ctx;
    tj_rpc_refuse(rq, out, 429, TJ_RPC_RESOURCE_EXHAUSTED, TJ_STR("busy"));
}

static void too_large(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    (void)ctx;
    tj_rpc_refuse(rq, out, 413, TJ_RPC_RESOURCE_EXHAUSTED, TJ_STR("large"));
}

static void end(void *ctx, const struct tj_http_end *end)
{
    struct fixture *f = ctx;
    (void)end;
    atomic_fetch_add(&f->ended, 1);
}

static const struct tj_http_ops ops = {admit, run, busy, too_large, end};

static int setup_for(void **state, unsigned idle_ms)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct tj_pool_options pool = {4, 1000, 1000};
    struct tj_err err;
    f->room.bytes_max = (size_t)CALLS * BODY_MAX;
    assert_ok(tj_pool_open(&pool, &f->pool, &err), err);
    struct tj_http_options o = {
        .body_bytes_max = BODY_MAX,
        .connections_max = 8,
        .connections_per_address_max = 4,
        .idle_ms = idle_ms,
        .request_ms = 1000,
        .room = &f->room,
        .pool = f->pool,
        .ops = &ops,
        .ctx = f,
    };
    assert_ok(tj_listen(TJ_STR("127.0.0.1"), &f->port, &o.listen_fd, &err),
              err);
    assert_ok(tj_grpc_open(&o, &f->grpc, &err), err);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_for(state, 1000);
}

static int setup_patient(void **state)
{
    return setup_for(state, 60000);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tj_pool_close(f->pool);
    tj_grpc_close(f->grpc);
    assert_int_equal(atomic_load(&f->room.used_bytes), 0);
    free(f);
    return 0;
}

/* -- a client ------------------------------------------------------------- */

struct result {
    char code[8];
    char message[64];
    char body[256];
    size_t body_len;
    bool closed;
    bool refused; /* the server would have it sent again */
};

struct upload {
    tj_str frame;
    size_t sent;
    bool stuck; /* no end is told */
};

struct client {
    int fd;
    nghttp2_session *session;
    struct upload uploads[2 * CALLS + 2]; /* by stream id */
    struct result results[2 * CALLS + 2];
    int open;
    bool ended; /* the server closed */
};

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

static int on_header(nghttp2_session *s, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *ctx)
{
    struct client *c = ctx;
    struct result *r = &c->results[frame->hd.stream_id];
    tj_str key = tj_str_make((const char *)name, name_len);
    if (tj_str_eq(key, TJ_STR("grpc-status")))
        (void)snprintf(r->code, sizeof r->code, "%.*s", (int)value_len,
                       (const char *)value);
    if (tj_str_eq(key, TJ_STR("grpc-message")))
        (void)snprintf(r->message, sizeof r->message, "%.*s", (int)value_len,
                       (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t stream,
                   const uint8_t *bytes, size_t size, void *ctx)
{
    struct client *c = ctx;
    struct result *r = &c->results[stream];
    assert_true(r->body_len + size < sizeof r->body);
    memcpy(r->body + r->body_len, bytes, size);
    r->body_len += size;
    return 0;
}

static int on_close(nghttp2_session *s, int32_t stream, uint32_t code,
                    void *ctx)
{
    struct client *c = ctx;
    c->results[stream].closed = true;
    c->results[stream].refused = code == NGHTTP2_REFUSED_STREAM;
    c->open--;
    return 0;
}

static void client_use(struct client *c, int fd)
{
    nghttp2_session_callbacks *callbacks;
    *c = (struct client){.fd = fd};
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                              on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    assert_int_equal(nghttp2_session_client_new(&c->session, callbacks, c), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(c->session, 0, NULL, 0), 0);
}

static void client_open(struct client *c, const struct fixture *f)
{
    client_use(c, dial(f));
}

static void client_close(struct client *c)
{
    nghttp2_session_del(c->session);
    (void)close(c->fd);
}

static ssize_t read_upload(nghttp2_session *s, int32_t stream, uint8_t *out,
                           size_t size, uint32_t *flags,
                           nghttp2_data_source *source, void *ctx)
{
    struct upload *u = source->ptr;
    size_t n = tj_size_min(size, u->frame.len - u->sent);
    memcpy(out, u->frame.ptr + u->sent, n);
    u->sent += n;
    if (u->sent == u->frame.len && u->stuck && !n)
        return NGHTTP2_ERR_DEFERRED;
    if (u->sent == u->frame.len && !u->stuck)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv pair(const char *name, const char *value)
{
    union {
        const char *in;
        uint8_t *out;
    } n = {name}, v = {value};
    return (nghttp2_nv){n.out, v.out, strlen(name), strlen(value), 0};
}

/* The stream id.  more may be NULL. */
static int32_t post(struct client *c, const char *path, tj_str frame,
                    const nghttp2_nv *more)
{
    nghttp2_nv head[8] = {
        pair(":method", "POST"),
        pair(":scheme", "http"),
        pair(":path", path),
        pair(":authority", "localhost:4317"),
        pair("content-type", "application/grpc"),
        pair("te", "trailers"),
    };
    size_t count = 6;
    if (more)
        head[count++] = *more;
    int32_t id = (int32_t)nghttp2_session_get_next_stream_id(c->session);
    c->uploads[id] = (struct upload){.frame = frame};
    nghttp2_data_provider data = {{.ptr = &c->uploads[id]}, read_upload};
    assert_int_equal(
        nghttp2_submit_request(c->session, NULL, head, count, &data, NULL), id);
    c->open++;
    return id;
}

static void client_send(struct client *c)
{
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->session, &bytes)) > 0) {
        for (ssize_t at = 0; at < n;) {
            ssize_t m = send(c->fd, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
            if (m < 0)
                return; /* what has come can still be read */
            at += m;
        }
    }
}

/* Until all calls are closed, or the server ends the connection. */
static void client_run(struct client *c)
{
    uint8_t room[16384];
    while (c->open && !c->ended) {
        struct pollfd p = {c->fd, POLLIN, 0};
        client_send(c);
        if (c->ended || !c->open)
            break;
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        ssize_t n = recv(c->fd, room, sizeof room, 0);
        c->ended = n <= 0;
        if (n > 0)
            assert_int_equal(
                nghttp2_session_mem_recv(c->session, room, (size_t)n), n);
    }
}

static tj_str framed(struct tj_arena *a, int flag, size_t size)
{
    char *bytes = tj_arena_zero(a, size + TJ_GRPC_FRAME_BYTES);
    bytes[0] = (char)flag;
    for (size_t i = 0; i < 4; i++)
        bytes[1 + i] = (char)(size >> (24 - 8 * i));
    return tj_str_make(bytes, size + TJ_GRPC_FRAME_BYTES);
}

/* -- tests ---------------------------------------------------------------- */

static void many_calls(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    client_open(&c, f);
    for (size_t i = 0; i < CALLS; i++)
        (void)post(&c, EXPORT, framed(&a, 0, i * 4000), NULL);
    client_run(&c);
    assert_false(c.ended);
    for (size_t i = 0; i < CALLS; i++) {
        struct result *r = &c.results[2 * i + 1];
        tj_str want = tj_str_printf(
            &a, "/v1/traces application/x-protobuf  %zu", i * 4000);
        assert_string_equal(r->code, "0");
        assert_int_equal(r->body_len, want.len + TJ_GRPC_FRAME_BYTES);
        assert_int_equal(r->body[4], want.len);
        assert_memory_equal(r->body + TJ_GRPC_FRAME_BYTES, want.ptr, want.len);
    }
    assert_int_equal(atomic_load(&f->ended), CALLS);
    client_close(&c);
    tj_arena_release(&a);
}

static void refused_calls(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    nghttp2_nv refuse = pair("x-refuse", "1");
    nghttp2_nv gzip = pair("grpc-encoding", "gzip");
    client_open(&c, f);
    const struct {
        int32_t id;
        const char *code;
        const char *message;
    } calls[] = {
        {post(&c, "/other.Service/Call", framed(&a, 0, 5), NULL), "12",
         "only opentelemetry"},
        {post(&c, EXPORT, framed(&a, 0, 100000), &refuse), "16", "who? 100%25"},
        {post(&c, EXPORT, TJ_STR("abc"), NULL), "3", "not one whole"},
        {post(&c, EXPORT, TJ_STR(""), NULL), "3", "not one whole"},
        {post(&c, EXPORT, TJ_STR("\0\0\0\0\4abc"), NULL), "3", "not one whole"},
        {post(&c, EXPORT, framed(&a, 2, 4), NULL), "3", "compressed"},
        {post(&c, EXPORT, framed(&a, 1, 4), NULL), "3", "compressed"},
        {post(&c, EXPORT, framed(&a, 1, 4), &gzip), "0", ""},
        {post(&c, EXPORT, framed(&a, 0, BODY_MAX), NULL), "0", ""},
        {post(&c, EXPORT, framed(&a, 0, BODY_MAX + 1), NULL), "8", "large"},
        {post(&c, EXPORT, framed(&a, 0, 0), NULL), "0", ""},
    };
    client_run(&c);
    assert_false(c.ended);
    for (size_t i = 0; i < TJ_COUNT(calls); i++) {
        const struct result *r = &c.results[calls[i].id];
        if (strcmp(r->code, calls[i].code) ||
            !strstr(r->message, calls[i].message))
            fail_msg("call %zu: %s %s", i, r->code, r->message);
    }
    client_close(&c);
    tj_arena_release(&a);
}

/* Reads until the other side ends; false: it did not in time. */
static bool ends(int fd)
{
    char room[4096];
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, WAIT_MS) != 1)
            return false;
        if (recv(fd, room, sizeof room, 0) <= 0)
            return true;
    }
}

/* No preface, half of one, another protocol, nothing more: nobody stays. */
static void slow_and_wrong_clients(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    static const char *const starts[] = {
        "", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < TJ_COUNT(starts); i++) {
        int fd = dial(f);
        (void)send(fd, starts[i], strlen(starts[i]), MSG_NOSIGNAL);
        assert_true(ends(fd));
        (void)close(fd);
    }
    client_open(&c, f);
    tj_str frame = framed(&a, 0, 4000);
    int32_t id = post(&c, EXPORT, frame, NULL);
    client_run(&c);
    assert_string_equal(c.results[id].code, "0");
    assert_true(ends(c.fd)); /* idle */
    client_close(&c);
    tj_arena_release(&a);
}

/* A body that does not go on is reset, and the connection lives. */
static void stuck_call(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    client_open(&c, f);
    int32_t stuck = post(&c, EXPORT, framed(&a, 0, 4000), NULL);
    c.uploads[stuck].frame.len = 2000;
    c.uploads[stuck].stuck = true;
    client_run(&c);
    assert_true(c.results[stuck].closed);
    assert_string_equal(c.results[stuck].code, "");
    int32_t next = post(&c, EXPORT, framed(&a, 0, 10), NULL);
    client_run(&c);
    assert_string_equal(c.results[next].code, "0");
    client_close(&c);
    tj_arena_release(&a);
}

/* Calls under way are answered, then the connection ends. */
static void drains(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    client_open(&c, f);
    int32_t first = post(&c, EXPORT, framed(&a, 0, 10), NULL);
    client_run(&c);
    tj_grpc_drain(f->grpc);
    assert_string_equal(c.results[first].code, "0");
    assert_true(ends(c.fd));
    uint64_t end_ns = tj_mono_ns() + WAIT_MS * TJ_NS_PER_MS;
    while (tj_grpc_connections(f->grpc))
        assert_true(tj_mono_ns() < end_ns);
    client_close(&c);
    tj_arena_release(&a);
}

/* A connection that goes while its calls are at work takes only them along. */
static void connections_that_go(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    for (int round = 0; round < 20; round++) {
        client_open(&c, f);
        for (size_t i = 0; i < CALLS; i++)
            (void)post(&c, EXPORT, framed(&a, 0, 1000), NULL);
        client_send(&c);
        client_close(&c);
    }
    uint64_t end_ns = tj_mono_ns() + WAIT_MS * TJ_NS_PER_MS;
    while (tj_grpc_connections(f->grpc))
        assert_true(tj_mono_ns() < end_ns);
    assert_true(tj_pool_drain(f->pool, end_ns));
    tj_arena_release(&a);
}

/* An answer that comes late has its own time to be taken: here until the
 * client makes place for it. */
static void late_answer(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    nghttp2_nv late = pair("x-late", "1");
    nghttp2_settings_entry none = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    client_open(&c, f);
    assert_int_equal(nghttp2_submit_settings(c.session, 0, &none, 1), 0);
    int32_t id = post(&c, EXPORT, framed(&a, 0, 10), &late);
    client_send(&c);
    be_late(); /* until there is an answer */
    struct timespec wait = {.tv_nsec = 600000000};
    (void)nanosleep(&wait, NULL); /* and a sweep or two */
    assert_int_equal(nghttp2_submit_window_update(c.session, 0, id, 1 << 20),
                     0);
    client_run(&c);
    assert_string_equal(c.results[id].code, "0");
    client_close(&c);
    tj_arena_release(&a);
}

/* -- clients that mean ill ------------------------------------------------ */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                              "\0\0\0\4\0\0\0\0\0";

/* The server's end of fd, which is in this process. */
static int server_end(int fd)
{
    struct sockaddr_in ours = {0}, theirs = {0};
    uint64_t end_ns = tj_mono_ns() + WAIT_MS * TJ_NS_PER_MS;
    socklen_t size = sizeof ours;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&ours, &size), 0);
    for (;;) {
        for (int i = 3; i < 256; i++) {
            size = sizeof theirs;
            if (i != fd && !getpeername(i, (struct sockaddr *)&theirs, &size) &&
                theirs.sin_port == ours.sin_port)
                return i;
        }
        assert_true(tj_mono_ns() < end_ns);
    }
}

/* One that asks for acknowledgements and takes none has no call, and
 * something is left to be sent: it is let go all the same. */
static void takes_nothing(void **state)
{
    enum { PINGS = 700, PING_BYTES = 17 };
    struct fixture *f = *state;
    static char pings[PINGS * PING_BYTES];
    int least = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    assert_int_equal(loopback_connect(fd, f->port), 0);
    (void)setsockopt(server_end(fd), SOL_SOCKET, SO_SNDBUF, &least,
                     sizeof least);
    for (size_t i = 0; i < PINGS; i++)
        memcpy(pings + i * PING_BYTES, "\0\0\10\6\0\0\0\0\0", 9);
    (void)send(fd, preface, sizeof preface - 1, MSG_NOSIGNAL);
    (void)send(fd, pings, sizeof pings, MSG_NOSIGNAL);
    uint64_t end_ns = tj_mono_ns() + 20 * TJ_NS_PER_SECOND;
    while (tj_grpc_connections(f->grpc))
        assert_true(tj_mono_ns() < end_ns);
    (void)close(fd);
}

struct flood {
    pthread_t thread;
    int fd;
    atomic_size_t sent_bytes;
    atomic_bool over;
};

/* PRIORITY, which asks for nothing and need not be answered. */
static void *send_nonsense(void *arg)
{
    enum { FRAME_BYTES = 14 };
    static char frames[70000 * FRAME_BYTES];
    struct flood *flood = arg;
    for (size_t i = 0; i < sizeof frames; i += FRAME_BYTES)
        memcpy(frames + i, "\0\0\5\2\0\0\0\0\3\0\0\0\0\1", FRAME_BYTES);
    (void)send(flood->fd, preface, sizeof preface - 1, MSG_NOSIGNAL);
    for (size_t at = 0; !atomic_load(&flood->over);) {
        ssize_t n =
            send(flood->fd, frames + at, sizeof frames - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at = (at + (size_t)n) % sizeof frames;
        atomic_fetch_add(&flood->sent_bytes, (size_t)n);
    }
    return NULL;
}

/* One that never stops to send has its turn, and the others theirs. */
static void floods_leave_room(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    struct flood flood = {.fd = dial(f)};
    assert_int_equal(pthread_create(&flood.thread, NULL, send_nonsense, &flood),
                     0);
    uint64_t end_ns = tj_mono_ns() + 60 * TJ_NS_PER_SECOND;
    while (atomic_load(&flood.sent_bytes) < 256 << 20)
        assert_true(tj_mono_ns() < end_ns);
    end_ns = tj_mono_ns() + 10 * TJ_NS_PER_SECOND;
    for (int i = 0; i < 100; i++) {
        client_open(&c, f);
        int32_t id = post(&c, EXPORT, framed(&a, 0, 1000), NULL);
        client_run(&c);
        assert_string_equal(c.results[id].code, "0");
        client_close(&c);
    }
    assert_true(tj_mono_ns() < end_ns);
    (void)shutdown(flood.fd, SHUT_RDWR);
    assert_int_equal(pthread_join(flood.thread, NULL), 0);
    (void)close(flood.fd);
    tj_arena_release(&a);
}

/* Heads are small on the way (a header that was sent before is one byte) and
 * large here: what all of them take is bounded as bodies are. */
static void large_heads(void **state)
{
    enum { CONNECTIONS = 6, HEAD_BYTES = 3000, HEADERS = 9 };
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client clients[CONNECTIONS];
    static char large[HEAD_BYTES + 1];
    size_t refused = 0;
    memset(large, 'x', HEAD_BYTES);
    nghttp2_nv head[5 + HEADERS] = {
        pair(":method", "POST"),
        pair(":scheme", "http"),
        pair(":path", EXPORT),
        pair(":authority", "localhost:4317"),
        pair("content-type", "application/grpc"),
    };
    for (size_t i = 5; i < TJ_COUNT(head); i++)
        head[i] = pair("x-large", large);
    f->room.bytes_max = 4 << 20;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct client *c = &clients[i];
        client_open(c, f);
        for (int n = 0; n < CALLS; n++) {
            int32_t id =
                (int32_t)nghttp2_session_get_next_stream_id(c->session);
            c->uploads[id] =
                (struct upload){.frame = TJ_STR(""), .stuck = true};
            nghttp2_data_provider data = {{.ptr = &c->uploads[id]},
                                          read_upload};
            assert_int_equal(nghttp2_submit_request(c->session, NULL, head,
                                                    TJ_COUNT(head), &data,
                                                    NULL),
                             id);
            c->open++;
        }
        client_send(c);
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        client_run(&clients[i]); /* what is stuck is reset in time */
        for (int n = 0; n < CALLS; n++)
            refused += clients[i].results[2 * n + 1].refused;
        client_close(&clients[i]);
    }
    /* Each takes 27,000 bytes and more. */
    assert_true(refused >= CONNECTIONS * CALLS - (4 << 20) / 27000);
    assert_true(refused < CONNECTIONS * CALLS);
    uint64_t end_ns = tj_mono_ns() + WAIT_MS * TJ_NS_PER_MS;
    while (tj_grpc_connections(f->grpc))
        assert_true(tj_mono_ns() < end_ns);
    tj_arena_release(&a);
}

/* Connections that are there and say nothing shut nobody out. */
static void idle_ones_make_place(void **state)
{
    enum { PLACES = 8 };
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    int idle[PLACES];
    for (size_t i = 0; i < PLACES; i++) {
        idle[i] = dial(f);
        (void)send(idle[i], preface, sizeof preface - 1, MSG_NOSIGNAL);
    }
    uint64_t end_ns = tj_mono_ns() + 20 * TJ_NS_PER_SECOND;
    for (bool answered = false; !answered;) {
        assert_true(tj_mono_ns() < end_ns);
        client_open(&c, f);
        int32_t id = post(&c, EXPORT, framed(&a, 0, 10), NULL);
        client_run(&c);
        answered = !strcmp(c.results[id].code, "0");
        client_close(&c);
    }
    for (size_t i = 0; i < PLACES; i++)
        (void)close(idle[i]);
    tj_arena_release(&a);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * TJ_NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

/* A connection that cannot be accepted is no reason to be busy, and is
 * accepted when it can. */
static void no_more_files(void **state)
{
    struct fixture *f = *state;
    struct tj_arena a = {0};
    static struct client c;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    int next = dup(0); /* the lowest number that is free */
    assert_true(next >= 0);
    (void)close(next);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    none.rlim_cur = (rlim_t)next + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(loopback_connect(fd, f->port), 0);
    uint64_t begun_ns = cpu_ns();
    be_late();
    uint64_t used_ns = cpu_ns() - begun_ns;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(used_ns < TJ_NS_PER_SECOND / 2);
    client_use(&c, fd);
    int32_t id = post(&c, EXPORT, framed(&a, 0, 10), NULL);
    client_run(&c);
    assert_string_equal(c.results[id].code, "0");
    client_close(&c);
    tj_arena_release(&a);
}

enum { STOPS = 30, STOP_CLIENTS = 4, STOP_CALLS = 10 };

struct stopped {
    pthread_t thread;
    const struct fixture *fixture;
    tj_str frame;
    unsigned answered;
    struct client client;
};

/* A few calls at once, again and again, until the server ends it. */
static void *call_until_stopped(void *arg)
{
    struct stopped *s = arg;
    struct client *c = &s->client;
    int fd = try_dial(s->fixture);
    if (fd < 0)
        return NULL; /* it listens no more */
    client_use(c, fd);
    for (int round = 0; !c->ended && round < CALLS / STOP_CALLS; round++) {
        int32_t first = (int32_t)nghttp2_session_get_next_stream_id(c->session);
        if (first < 0 || !nghttp2_session_check_request_allowed(c->session))
            break;
        for (int i = 0; i < STOP_CALLS; i++)
            (void)post(c, EXPORT, s->frame, NULL);
        client_run(c);
        for (int i = 0; i < STOP_CALLS; i++)
            s->answered += !strcmp(c->results[first + 2 * i].code, "0");
    }
    client_close(c);
    return NULL;
}

/* Whatever was run is answered, whenever the stop comes; what was not can be
 * sent again, to another server. */
static void stops_when_all_is_answered(void **state)
{
    static struct stopped clients[STOP_CLIENTS];
    struct tj_arena a = {0};
    tj_str frame = framed(&a, 0, 3000);
    for (int i = 0; i < STOPS; i++) {
        if (i)
            (void)setup(state);
        struct fixture *f = *state;
        unsigned answered = 0;
        uint64_t end_ns = tj_mono_ns() + WAIT_MS * TJ_NS_PER_MS;
        for (size_t n = 0; n < STOP_CLIENTS; n++) {
            clients[n].fixture = f;
            clients[n].frame = frame;
            clients[n].answered = 0;
            assert_int_equal(pthread_create(&clients[n].thread, NULL,
                                            call_until_stopped, &clients[n]),
                             0);
        }
        while (atomic_load(&f->ran) < (unsigned)(i * 4))
            assert_true(tj_mono_ns() < end_ns);
        tj_grpc_drain(f->grpc);
        for (size_t n = 0; n < STOP_CLIENTS; n++) {
            assert_int_equal(pthread_join(clients[n].thread, NULL), 0);
            answered += clients[n].answered;
        }
        while (tj_grpc_connections(f->grpc))
            assert_true(tj_mono_ns() < end_ns);
        assert_int_equal(answered, atomic_load(&f->ran));
        if (i < STOPS - 1)
            (void)teardown(state);
    }
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_and_wrong_clients, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(stuck_call, setup, teardown),
        cmocka_unit_test_setup_teardown(drains, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_that_go, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_when_all_is_answered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(late_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(floods_leave_room, setup_patient,
                                        teardown),
        cmocka_unit_test_setup_teardown(large_heads, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_ones_make_place, setup_patient,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_more_files, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
