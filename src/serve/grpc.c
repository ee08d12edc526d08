/* grpc.c - nghttp2 sessions on an epoll thread of their own.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     bytes --nghttp2--> call --(whole)--> pool: run --done list--> answer
 *
 * All of a connection and its calls belongs to the I/O thread, but for the
 * request and the answer of a call while a worker has it.  A call whose
 * connection ends meanwhile has no connection any more and is freed when the
 * worker gives it back.
 */
#include "serve/grpc.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/limits.h"
#include "serve/grpc_call.h"
#include "serve/peer.h"

enum {
    EVENTS = 64,
    TICK_MS = 250,
    READ_BYTES = 64 << 10,
    WINDOW_BYTES = 1 << 20,
    CALLS_PER_CONNECTION_MAX = 100,
    HEADERS_MAX = 64,
    CALL_BYTES = 8 << 10,    /* what one takes before it says anything */
    SHED_IDLE_MS_MIN = 2000, /* younger connections are kept */
    PART_MS_MAX = 2000,      /* for the other side to close as well */
    BODY_BYTES_FIRST = 16 << 10,
    CODE_TEXT_MAX = 16,
};

struct call {
    struct tj_job job;
    struct tj_grpc *grpc;
    struct connection *connection; /* NULL: it is gone */
    struct call *prev;             /* of the connection's */
    struct call *next;
    struct call *next_done;
    int32_t stream;
    struct tj_arena arena;
    struct tj_header headers[HEADERS_MAX + 1]; /* one for unframe */
    struct tj_request rq;
    struct tj_answer answer;
    struct tj_grpc_reply reply;
    char code_text[CODE_TEXT_MAX];
    char *body;
    size_t body_len;
    size_t body_cap;   /* taken from the room, */
    size_t head_taken; /* and so is this */
    size_t sent;       /* of the reply's frame */
    uint64_t start_ns;
    uint64_t since_ns; /* it began to come, or its reply to go */
    bool refused;      /* the answer is there before the body */
    bool replied;
    bool working; /* a worker has it */
};

struct connection {
    struct tj_grpc *grpc;
    struct connection *prev;
    struct connection *next;
    int fd;
    nghttp2_session *session;
    struct call *calls;
    struct tj_peer peer;
    uint64_t idle_ns;  /* since when it has no calls */
    uint64_t leave_ns; /* since when it is leaving */
    uint64_t part_ns;  /* since when all is said; 0: it is not */
    const uint8_t *unsent;
    size_t unsent_len;
    bool wants_write; /* epoll knows */
    bool failed;
    bool leaving; /* was told to go */
};

struct tj_grpc {
    struct tj_http_options options;
    nghttp2_session_callbacks *callbacks;
    pthread_t thread;
    int epoll_fd;
    int event_fd;
    struct connection *connections;
    atomic_uint connection_count;
    atomic_bool draining;
    atomic_bool closing;
    bool started;
    bool deaf;            /* does not listen for a while: there are no files */
    pthread_mutex_t lock; /* guards done */
    struct call *done;
};

/* -- calls ---------------------------------------------------------------- */

/* NULL: there is no room for it. */
static struct call *add_call(struct connection *c, int32_t stream)
{
    if (!tj_room_take(c->grpc->options.room, CALL_BYTES))
        return NULL;
    struct call *call = tj_heap_new(sizeof *call);
    call->head_taken = CALL_BYTES;
    call->grpc = c->grpc;
    call->connection = c;
    call->stream = stream;
    call->start_ns = call->since_ns = tj_mono_ns();
    call->rq.arena = &call->arena;
    call->rq.headers = call->headers;
    call->rq.method = TJ_METHOD_OTHER;
    call->next = c->calls;
    if (call->next)
        call->next->prev = call;
    c->calls = call;
    return call;
}

static void unlink_call(struct call *call)
{
    struct connection *c = call->connection;
    assert(c);
    if (call->prev)
        call->prev->next = call->next;
    else
        c->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    call->prev = call->next = NULL;
    call->connection = NULL;
    if (!c->calls)
        c->idle_ns = tj_mono_ns();
}

static void free_call(struct call *call)
{
    tj_room_give(call->grpc->options.room, call->body_cap + call->head_taken);
    tj_heap_free(call->body);
    tj_arena_release(&call->arena);
    tj_heap_free(call);
}

/* It is over, answered or not. */
static void end_call(struct call *call, uint32_t error_code)
{
    const struct tj_http_options *o = &call->grpc->options;
    struct tj_http_end end = {
        .rq = &call->rq,
        .status = call->answer.status,
        .body_bytes = call->body_len,
        .answer_bytes = call->reply.frame.len,
        .duration_ns = tj_mono_ns() - call->start_ns,
        .sent = error_code == NGHTTP2_NO_ERROR && call->replied,
    };
    o->ops->end(o->ctx, &end);
    free_call(call);
}

/* -- the answer ----------------------------------------------------------- */

static nghttp2_nv pair(const char *name, tj_str value)
{
    union {
        const char *in;
        uint8_t *out;
    } n = {.in = name}, v = {.in = value.ptr ? value.ptr : ""};
    return (nghttp2_nv){.name = n.out,
                        .value = v.out,
                        .namelen = strlen(name),
                        .valuelen = value.len};
}

static tj_str code_text(struct call *call)
{
    int len = snprintf(call->code_text, sizeof call->code_text, "%d",
                       (int)call->reply.code);
    return tj_str_make(call->code_text, (size_t)len);
}

/* These callbacks have the library's many parameters. */
/* NOLINTNEXTLINE(readability-function-size) */
static ssize_t read_frame(nghttp2_session *session, int32_t stream,
                          uint8_t *out, size_t size, uint32_t *flags,
                          nghttp2_data_source *source, void *ctx)
{
    struct call *call = source->ptr;
    tj_str frame = call->reply.frame;
    size_t n = tj_size_min(size, frame.len - call->sent);
    (void)ctx;
    memcpy(out, frame.ptr + call->sent, n);
    call->sent += n;
    if (call->sent < frame.len)
        return (ssize_t)n;
    nghttp2_nv trailer = pair("grpc-status", code_text(call));
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return nghttp2_submit_trailer(session, stream, &trailer, 1) == 0
               ? (ssize_t)n
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void send_reply(struct call *call)
{
    nghttp2_session *session = call->connection->session;
    nghttp2_data_provider data = {{.ptr = call}, read_frame};
    nghttp2_nv head[4] = {
        pair(":status", TJ_STR("200")),
        pair("content-type", TJ_STR("application/grpc")),
        pair("grpc-accept-encoding", TJ_STR("identity, deflate, gzip, zstd")),
    };
    bool ok = call->reply.code == TJ_RPC_OK;
    size_t count = 3;
    if (!ok) {
        head[2] = pair("grpc-status", code_text(call));
        head[3] = pair("grpc-message", call->reply.message);
        count = 4;
    }
    call->replied = true;
    call->since_ns = tj_mono_ns();
    if (nghttp2_submit_response(session, call->stream, head, count,
                                ok ? &data : NULL) != 0)
        call->connection->failed = true;
}

/* -- the call ------------------------------------------------------------- */

/* What still comes of its body is thrown away. */
static void refuse(struct call *call)
{
    call->refused = true;
    tj_room_give(call->grpc->options.room, call->body_cap);
    tj_heap_free(call->body);
    call->body = NULL;
    call->body_cap = 0;
    send_reply(call);
}

static void refuse_code(struct call *call, int status, enum tj_rpc_code code,
                        const char *text)
{
    call->answer.status = status;
    tj_grpc_refuse(&call->reply, code, tj_str_c(text), &call->arena);
    refuse(call);
}

static void refuse_answer(struct call *call)
{
    tj_grpc_reply_of(&call->answer, &call->arena, &call->reply);
    refuse(call);
}

static void begin_call(struct call *call)
{
    const struct tj_http_options *o = &call->grpc->options;
    tj_str type = tj_request_header(&call->rq, TJ_STR("content-type"));
    if (!tj_grpc_is_type(type))
        refuse_code(call, 415, TJ_RPC_UNKNOWN, "this port speaks gRPC");
    else if (!tj_grpc_route(&call->rq, call->headers))
        refuse_code(call, 404, TJ_RPC_UNIMPLEMENTED,
                    "only opentelemetry.proto.collector.trace.v1.TraceService/"
                    "Export is here");
    else if (!o->ops->admit(o->ctx, &call->rq, &call->answer))
        refuse_answer(call);
}

static bool make_room(struct call *call, size_t needed)
{
    size_t most = call->grpc->options.body_bytes_max + TJ_GRPC_FRAME_BYTES;
    size_t cap = tj_size_max(2 * call->body_cap, BODY_BYTES_FIRST);
    cap = tj_size_max(needed, tj_size_min(cap, most));
    if (!tj_room_take(call->grpc->options.room, cap - call->body_cap))
        return false;
    call->body = tj_heap_grow(call->body, cap);
    call->body_cap = cap;
    return true;
}

static void take_bytes(struct call *call, tj_str bytes)
{
    const struct tj_http_options *o = &call->grpc->options;
    size_t most = o->body_bytes_max + TJ_GRPC_FRAME_BYTES;
    if (call->refused)
        return;
    if (bytes.len > most - call->body_len) {
        o->ops->too_large(o->ctx, &call->rq, &call->answer);
        refuse_answer(call);
    } else if (bytes.len > call->body_cap - call->body_len &&
               !make_room(call, call->body_len + bytes.len)) {
        o->ops->busy(o->ctx, &call->rq, &call->answer);
        refuse_answer(call);
    } else {
        memcpy(call->body + call->body_len, bytes.ptr, bytes.len);
        call->body_len += bytes.len;
    }
}

static void wake(struct tj_grpc *g)
{
    uint64_t one = 1;
    ssize_t ignored = write(g->event_fd, &one, sizeof one);
    (void)ignored;
}

/* On a worker. */
static void on_work(struct tj_job *job)
{
    struct call *call = (struct call *)job;
    struct tj_grpc *g = call->grpc;
    struct tj_err err;
    if (tj_grpc_unframe(&call->rq, call->headers, &err)) {
        g->options.ops->run(g->options.ctx, &call->rq, &call->answer);
        tj_grpc_reply_of(&call->answer, &call->arena, &call->reply);
    } else {
        call->answer.status = 400;
        tj_grpc_refuse(&call->reply, TJ_RPC_INVALID_ARGUMENT,
                       tj_str_c(err.message), &call->arena);
    }
    (void)pthread_mutex_lock(&g->lock);
    call->next_done = g->done;
    g->done = call;
    /* Under the lock: once it is free, the call and all may be gone. */
    wake(g);
    (void)pthread_mutex_unlock(&g->lock);
}

static void whole_call(struct call *call)
{
    const struct tj_http_options *o = &call->grpc->options;
    if (call->refused || call->working)
        return;
    call->rq.body = tj_str_make(call->body, call->body_len);
    call->job.run = on_work;
    call->working = true;
    if (tj_pool_add(o->pool, &call->job))
        return;
    call->working = false;
    o->ops->busy(o->ctx, &call->rq, &call->answer);
    refuse_answer(call);
}

/* What workers have finished. */
static void take_done(struct tj_grpc *g)
{
    (void)pthread_mutex_lock(&g->lock);
    struct call *call = g->done;
    g->done = NULL;
    (void)pthread_mutex_unlock(&g->lock);
    while (call) {
        struct call *next = call->next_done;
        call->working = false;
        if (call->connection)
            send_reply(call);
        else
            end_call(call, NGHTTP2_CANCEL);
        call = next;
    }
}

/* -- what nghttp2 tells --------------------------------------------------- */

/* As if it had never come: its sender knows that it may send it again. */
static int turn_away(nghttp2_session *session, int32_t stream)
{
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream,
                                     NGHTTP2_REFUSED_STREAM);
}

static int on_begin_headers(nghttp2_session *session,
                            const nghttp2_frame *frame, void *ctx)
{
    if (frame->hd.type != NGHTTP2_HEADERS ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct call *call = add_call(ctx, frame->hd.stream_id);
    if (!call)
        return turn_away(session, frame->hd.stream_id);
    return nghttp2_session_set_stream_user_data(session, call->stream, call);
}

static enum tj_method method_of(tj_str name)
{
    return tj_str_eq(name, TJ_STR("POST")) ? TJ_METHOD_POST : TJ_METHOD_OTHER;
}

/* NOLINTNEXTLINE(readability-function-size) */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *ctx)
{
    struct call *call =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    tj_str key = tj_str_make((const char *)name, name_len);
    tj_str text = tj_str_make((const char *)value, value_len);
    (void)flags, (void)ctx;
    if (!call || call->working || call->refused)
        return 0;
    size_t size = name_len + value_len;
    if (call->rq.header_count == HEADERS_MAX ||
        call->head_taken - CALL_BYTES + size > TJ_REQUEST_HEAD_BYTES_MAX)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    call->refused = !tj_room_take(call->grpc->options.room, size);
    if (call->refused)
        return turn_away(session, call->stream);
    call->head_taken += size;
    text = tj_str_dup(&call->arena, text);
    if (tj_str_eq(key, TJ_STR(":method")))
        call->rq.method = method_of(text);
    else if (tj_str_eq(key, TJ_STR(":path")))
        call->rq.path = text;
    else if (tj_str_eq(key, TJ_STR(":authority")))
        call->headers[call->rq.header_count++] =
            (struct tj_header){TJ_STR("host"), text};
    else if (key.len && key.ptr[0] != ':')
        call->headers[call->rq.header_count++] =
            (struct tj_header){tj_str_dup(&call->arena, key), text};
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                    void *ctx)
{
    struct call *call =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool head = frame->hd.type == NGHTTP2_HEADERS;
    (void)ctx;
    if (!call || (!head && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (head && frame->headers.cat == NGHTTP2_HCAT_REQUEST && !call->refused)
        begin_call(call);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        whole_call(call);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream,
                   const uint8_t *bytes, size_t size, void *ctx)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)flags, (void)ctx;
    if (call)
        take_bytes(call, tj_str_make((const char *)bytes, size));
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream,
                           uint32_t error_code, void *ctx)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)ctx;
    if (!call)
        return 0;
    unlink_call(call);
    if (!call->working)
        end_call(call, error_code);
    return 0;
}

static bool make_callbacks(nghttp2_session_callbacks **out)
{
    if (nghttp2_session_callbacks_new(out) != 0)
        return false;
    nghttp2_session_callbacks_set_on_begin_headers_callback(*out,
                                                            on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(*out, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(*out, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(*out, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(*out,
                                                           on_stream_close);
    return true;
}

/* -- connections ---------------------------------------------------------- */

static bool start_session(struct connection *c)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, CALLS_PER_CONNECTION_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, TJ_REQUEST_HEAD_BYTES_MAX},
    };
    return nghttp2_session_server_new(&c->session, c->grpc->callbacks, c) ==
               0 &&
           nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
                                   TJ_COUNT(settings)) == 0 &&
           nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE,
                                                 0, 4 * WINDOW_BYTES) == 0;
}

static void close_connection(struct connection *c)
{
    struct tj_grpc *g = c->grpc;
    while (c->calls) {
        struct call *call = c->calls;
        unlink_call(call);
        if (!call->working)
            end_call(call, NGHTTP2_CANCEL);
    }
    nghttp2_session_del(c->session);
    (void)close(c->fd);
    if (c->prev)
        c->prev->next = c->next;
    else
        g->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    atomic_fetch_sub(&g->connection_count, 1);
    tj_heap_free(c);
}

/* Takes no new calls; those that are there are answered. */
static void leave(struct connection *c)
{
    if (c->leaving)
        return;
    c->leaving = true;
    c->leave_ns = tj_mono_ns();
    (void)nghttp2_submit_goaway(
        c->session, NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(c->session), NGHTTP2_NO_ERROR,
        NULL, 0);
}

static void add_connection(struct tj_grpc *g, int fd, struct tj_peer peer)
{
    struct connection *c = tj_heap_new(sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;
    c->grpc = g;
    c->fd = fd;
    c->peer = peer;
    c->idle_ns = tj_mono_ns();
    c->next = g->connections;
    if (c->next)
        c->next->prev = c;
    g->connections = c;
    atomic_fetch_add(&g->connection_count, 1);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->failed = fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
                fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || !start_session(c) ||
                epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0;
}

/* Has this address as many as it may? */
static bool has_enough(const struct tj_grpc *g, const struct tj_peer *peer)
{
    unsigned same = 0;
    if (peer->is_loopback)
        return false;
    for (const struct connection *c = g->connections; c; c = c->next)
        same += tj_peer_eq(&c->peer, peer);
    return same >= g->options.connections_per_address_max;
}

/* When connections run out, the one that is idle longest goes: its client
 * comes again when it has something to say. */
static bool make_place(struct tj_grpc *g)
{
    struct connection *longest = NULL;
    if (atomic_load(&g->connection_count) < g->options.connections_max)
        return true;
    for (struct connection *c = g->connections; c; c = c->next)
        if (!c->calls && !c->leaving && !c->failed &&
            (!longest || c->idle_ns < longest->idle_ns))
            longest = c;
    if (!longest || tj_ns_since(longest->idle_ns, tj_mono_ns()) <
                        SHED_IDLE_MS_MIN * TJ_NS_PER_MS)
        return false;
    leave(longest);
    return true;
}

/* events: EPOLLIN, or 0 for not to listen. */
static void heed_listener(struct tj_grpc *g, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = g};
    if (g->deaf == !events || g->options.listen_fd < 0)
        return;
    g->deaf = !events;
    (void)epoll_ctl(g->epoll_fd, EPOLL_CTL_MOD, g->options.listen_fd, &event);
}

static void accept_all(struct tj_grpc *g)
{
    for (;;) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        int fd = accept(g->options.listen_fd, (struct sockaddr *)&from, &size);
        /* Until the next sweep, or it would be told at once again. */
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                       errno == ENOBUFS))
            heed_listener(g, 0);
        if (fd < 0)
            return;
        struct tj_peer peer = tj_peer_of((struct sockaddr *)&from);
        if (!has_enough(g, &peer) && make_place(g))
            add_connection(g, fd, peer);
        else
            (void)close(fd);
    }
}

/* Once: one that sends without end waits for its next turn like others. */
static void read_some(struct connection *c, uint8_t room[READ_BYTES])
{
    ssize_t n = recv(c->fd, room, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    c->failed = n <= 0 || (!c->part_ns && nghttp2_session_mem_recv(
                                              c->session, room, (size_t)n) < 0);
}

/* False: the socket takes no more now. */
static bool send_unsent(struct connection *c)
{
    while (c->unsent_len) {
        ssize_t n = send(c->fd, c->unsent, c->unsent_len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            c->failed = errno != EAGAIN && errno != EWOULDBLOCK;
            return false;
        }
        c->unsent += n;
        c->unsent_len -= (size_t)n;
    }
    return true;
}

static void flush(struct connection *c)
{
    while (!c->failed && send_unsent(c)) {
        ssize_t n = nghttp2_session_mem_send(c->session, &c->unsent);
        c->failed = n < 0;
        c->unsent_len = n > 0 ? (size_t)n : 0;
        if (n <= 0)
            break;
    }
    bool wants = c->unsent_len > 0;
    if (c->failed || wants == c->wants_write)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wants ? EPOLLOUT : 0u),
                                .data.ptr = c};
    c->wants_write = wants;
    c->failed = epoll_ctl(c->grpc->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) != 0;
}

/* -- time, and the end ---------------------------------------------------- */

static void sweep_connection(struct connection *c, uint64_t now_ns)
{
    const struct tj_http_options *o = &c->grpc->options;
    if (!c->calls && now_ns - c->idle_ns > o->idle_ms * TJ_NS_PER_MS)
        leave(c);
    /* What is still to be sent is not taken. */
    if (c->leaving && !c->calls &&
        tj_ns_since(c->leave_ns > c->idle_ns ? c->leave_ns : c->idle_ns,
                    now_ns) > o->request_ms * TJ_NS_PER_MS)
        c->failed = true;
    for (struct call *call = c->calls; call; call = call->next) {
        uint64_t age_ms = tj_ns_since(call->since_ns, now_ns) / TJ_NS_PER_MS;
        if (call->working || age_ms < o->request_ms)
            continue;
        /* Not all of it came, or its answer is not taken. */
        if (age_ms > 2 * (uint64_t)o->request_ms)
            c->failed = true;
        else
            (void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE,
                                            call->stream, NGHTTP2_CANCEL);
    }
}

static bool is_over(const struct connection *c)
{
    bool quiet = !nghttp2_session_want_read(c->session) &&
                 !nghttp2_session_want_write(c->session);
    return !c->unsent_len && (quiet || (c->leaving && !c->calls));
}

/* All is said.  What the other side still says is read and thrown away until
 * it closes too: a socket that is closed with something unread resets the
 * connection, and the other side may lose what it has not read yet. */
static void part(struct connection *c, uint64_t now_ns)
{
    if (!c->part_ns) {
        c->part_ns = now_ns;
        c->failed = shutdown(c->fd, SHUT_WR) != 0;
    } else if (tj_ns_since(c->part_ns, now_ns) > PART_MS_MAX * TJ_NS_PER_MS) {
        c->failed = true;
    }
}

static void settle(struct tj_grpc *g, uint64_t *swept_ns)
{
    uint64_t now_ns = tj_mono_ns();
    bool sweep = now_ns - *swept_ns > TICK_MS * TJ_NS_PER_MS;
    bool draining = atomic_load(&g->draining);
    if (sweep) {
        *swept_ns = now_ns;
        heed_listener(g, EPOLLIN);
    }
    for (struct connection *c = g->connections, *next; c; c = next) {
        next = c->next;
        bool talks = !c->failed && !c->part_ns;
        if (talks && draining)
            leave(c);
        if (talks && sweep)
            sweep_connection(c, now_ns);
        if (talks && !c->failed)
            flush(c);
        if (!c->failed && (c->part_ns || is_over(c)))
            part(c, now_ns);
        if (c->failed)
            close_connection(c);
    }
}

static void stop_listening(struct tj_grpc *g)
{
    if (g->options.listen_fd < 0)
        return;
    (void)epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, g->options.listen_fd, NULL);
    (void)close(g->options.listen_fd);
    g->options.listen_fd = -1;
}

static void take_event(struct tj_grpc *g, const struct epoll_event *event,
                       uint8_t room[READ_BYTES])
{
    uint64_t ignored;
    if (event->data.ptr == g) {
        accept_all(g);
    } else if (event->data.ptr == &g->event_fd) {
        ssize_t n = read(g->event_fd, &ignored, sizeof ignored);
        (void)n;
    } else {
        struct connection *c = event->data.ptr;
        if (!c->failed && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            read_some(c, room);
    }
}

/* Connections are closed in settle alone, so those of a batch stay. */
static void *run_loop(void *arg)
{
    struct tj_grpc *g = arg;
    struct epoll_event events[EVENTS];
    uint8_t *room = tj_heap_new(READ_BYTES);
    uint64_t swept_ns = tj_mono_ns();
    while (!atomic_load(&g->closing)) {
        int n = epoll_wait(g->epoll_fd, events, EVENTS, TICK_MS);
        for (int i = 0; i < n; i++)
            take_event(g, &events[i], room);
        take_done(g);
        if (atomic_load(&g->draining))
            stop_listening(g);
        settle(g, &swept_ns);
    }
    take_done(g);
    while (g->connections)
        close_connection(g->connections);
    tj_heap_free(room);
    return NULL;
}

/* -- opening -------------------------------------------------------------- */

static bool open_events(struct tj_grpc *g)
{
    struct epoll_event listening = {.events = EPOLLIN, .data.ptr = g};
    struct epoll_event woken = {.events = EPOLLIN, .data.ptr = &g->event_fd};
    g->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    g->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return g->epoll_fd >= 0 && g->event_fd >= 0 &&
           epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, g->options.listen_fd,
                     &listening) == 0 &&
           epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, g->event_fd, &woken) == 0;
}

bool tj_grpc_open(const struct tj_http_options *options, struct tj_grpc **out,
                  struct tj_err *err)
{
    struct tj_grpc *g = tj_heap_new(sizeof *g);
    g->options = *options;
    g->epoll_fd = g->event_fd = -1;
    (void)pthread_mutex_init(&g->lock, NULL);
    g->started = make_callbacks(&g->callbacks) && open_events(g) &&
                 pthread_create(&g->thread, NULL, run_loop, g) == 0;
    if (!g->started) {
        tj_grpc_close(g);
        return tj_fail(err, TJ_E_IO, "the gRPC server did not start");
    }
    *out = g;
    return true;
}

unsigned tj_grpc_connections(struct tj_grpc *g)
{
    return atomic_load(&g->connection_count);
}

void tj_grpc_drain(struct tj_grpc *g)
{
    atomic_store(&g->draining, true);
    wake(g);
}

void tj_grpc_close(struct tj_grpc *g)
{
    if (!g)
        return;
    if (g->started) {
        atomic_store(&g->closing, true);
        wake(g);
        (void)pthread_join(g->thread, NULL);
    }
    if (g->options.listen_fd >= 0)
        (void)close(g->options.listen_fd);
    if (g->epoll_fd >= 0)
        (void)close(g->epoll_fd);
    if (g->event_fd >= 0)
        (void)close(g->event_fd);
    nghttp2_session_callbacks_del(g->callbacks);
    (void)pthread_mutex_destroy(&g->lock);
    tj_heap_free(g);
}
