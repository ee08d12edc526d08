/* test_grpc.c - calls of gRPC over a real socket, by nghttp2's own client.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "serve/grpc.h"
#include "serve/grpc_call.h"

#define EXPORT "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

enum { CALLS = 40, BODY_MAX = 200000, WAIT_MS = 60000 };

/* -- a server whose handler says what it got ------------------------------ */

struct fixture {
    struct tj_pool *pool;
    struct tj_grpc *grpc;
    struct tj_room room;
    unsigned port;
    atomic_uint ended;
};

static bool admit(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    (void)ctx;
    if (!tj_request_header(rq, TJ_STR("x-refuse")).len)
        return true;
    tj_rpc_refuse(rq, out, 401, TJ_RPC_UNAUTHENTICATED, TJ_STR("who? 100%"));
    return false;
}

static void run(void *ctx, struct tj_request *rq, struct tj_answer *out)
{
    (void)ctx;
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

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct tj_pool_options pool = {4, 1000, 1000};
    struct tj_err err;
    f->room.bytes_max = (size_t)CALLS * BODY_MAX;
    assert_ok(tj_pool_open(&pool, &f->pool, &err), err);
    struct tj_http_options o = {
        .body_bytes_max = BODY_MAX,
        .connections_max = 8,
        .idle_ms = 1000,
        .request_ms = 1000,
        .room = &f->room,
        .pool = f->pool,
        .ops = &ops,
        .ctx = f,
    };
    assert_ok(tj_http_listen(TJ_STR("127.0.0.1"), &f->port, &o.listen_fd, &err),
              err);
    assert_ok(tj_grpc_open(&o, &f->grpc, &err), err);
    *state = f;
    return 0;
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

static int dial(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
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
    c->open--;
    return 0;
}

static void client_open(struct client *c, const struct fixture *f)
{
    nghttp2_session_callbacks *callbacks;
    *c = (struct client){.fd = dial(f)};
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                              on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    assert_int_equal(nghttp2_session_client_new(&c->session, callbacks, c), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(c->session, 0, NULL, 0), 0);
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
            if (m < 0) {
                c->ended = true;
                return;
            }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
