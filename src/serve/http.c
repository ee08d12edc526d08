/* http.c - libmicrohttpd on its epoll thread, and what it leaves to us.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The library calls us on its one thread: when a connection comes and goes,
 * when a request line is there, when the head is there, for each piece of a
 * body, when a request is over.  A request that is whole is suspended, so the
 * library forgets it until the worker that answers it resumes it.
 *
 * The library has a timeout for silence only; one who sends a byte a second
 * never meets it.  So every connection is in a list with its state and since
 * when it is in it, and whoever is late is shut down: the library sees the
 * end of the connection and clears it away.  The socket is closed only after
 * the connection has left the list, under the same lock.
 */
#include "serve/http.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/limits.h"
#include "serve/body.h"
#include "serve/listen.h"
#include "serve/peer.h"
#include "serve/route.h"

enum {
    BODY_BYTES_FIRST = 16 << 10,
    ANSWER_BYTES_PER_SECOND_MIN = 64 << 10,
    HEAD_MS_MAX = 20000,        /* a request line to the last header */
    SHED_WAITING_MS_MIN = 2000, /* younger ones are kept */
    SHED_READING_MS_MIN = 5000,
    /* Those that wait so long and longer go first at the end; the next request
     * of others may be on its way. */
    DRAIN_WAITING_MS = 500,
    PENDING_MAX = 4096,    /* more than the system keeps for us */
    PENDING_MS_MAX = 2000, /* then the library had no place for it */
    ENDED_MS = 100,        /* for the library to come to what it has read */
    OWN_TIMEOUT_SECONDS = 86400, /* the sweep is sooner */
};

enum state { WAITING, READING, WORKING, SENDING };

struct connection {
    struct connection *prev;
    struct connection *next;
    int fd;
    enum state state;
    uint64_t since_ns;   /* in this state */
    bool head_done;      /* READING: the body now */
    bool looked;         /* WAITING: for an end that the library missed */
    uint64_t ended_ns;   /* when that end was seen; 0: it was not */
    uint64_t allowed_ms; /* SENDING */
    struct tj_peer peer;
};

struct exchange {
    struct tj_job job;
    struct tj_http *http;
    struct MHD_Connection *mhd;
    struct connection *connection;
    struct tj_arena arena;
    struct tj_request rq;
    struct tj_answer answer;
    uint64_t start_ns;
    tj_str uri;
    char *body;
    size_t body_len;
    size_t body_cap;    /* taken from the room */
    uint64_t body_says; /* Content-Length; UINT64_MAX: chunked */
    uint64_t discarded;
    bool begun;    /* the head was looked at */
    bool answered; /* answer is to be sent, what still comes is not kept */
};

struct tj_http {
    struct tj_http_options options;
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock; /* guards the list and what is in it */
    struct connection *connections;
    unsigned connection_count;
    unsigned request_count;
    unsigned pending_count; /* given to the library, not yet in the list */
    uint64_t pending_ns;    /* since when */
    bool draining;
    bool quiesced;
};

/* -- connections ---------------------------------------------------------- */

static void enter(struct tj_http *h, struct connection *c, enum state state)
{
    if (!c)
        return;
    (void)pthread_mutex_lock(&h->lock);
    c->state = state;
    c->since_ns = tj_mono_ns();
    c->head_done = false;
    c->looked = false;
    c->ended_ns = 0;
    (void)pthread_mutex_unlock(&h->lock);
}

static enum MHD_Result on_accept(void *ctx, const struct sockaddr *from,
                                 socklen_t size)
{
    struct tj_http *h = ctx;
    struct tj_peer peer = tj_peer_of(from);
    unsigned same = 0;
    (void)size;
    if (peer.is_loopback)
        return MHD_YES;
    (void)pthread_mutex_lock(&h->lock);
    for (struct connection *c = h->connections; c; c = c->next)
        same += tj_peer_eq(&c->peer, &peer);
    (void)pthread_mutex_unlock(&h->lock);
    return same < h->options.connections_per_address_max ? MHD_YES : MHD_NO;
}

static void add_connection(struct tj_http *h, struct MHD_Connection *mhd,
                           void **socket_context)
{
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *from =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct connection *c = tj_heap_new(sizeof *c);
    c->fd = fd->connect_fd;
    c->since_ns = tj_mono_ns();
    c->peer = tj_peer_of(from->client_addr);
    (void)pthread_mutex_lock(&h->lock);
    c->next = h->connections;
    if (c->next)
        c->next->prev = c;
    h->connections = c;
    h->connection_count++;
    h->pending_count -= h->pending_count > 0;
    (void)pthread_mutex_unlock(&h->lock);
    *socket_context = c;
}

static void drop_connection(struct tj_http *h, void **socket_context)
{
    struct connection *c = *socket_context;
    if (!c)
        return;
    (void)pthread_mutex_lock(&h->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        h->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    h->connection_count--;
    (void)pthread_mutex_unlock(&h->lock);
    tj_heap_free(c);
    *socket_context = NULL;
}

static void on_connection(void *ctx, struct MHD_Connection *mhd,
                          void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        add_connection(ctx, mhd, socket_context);
    else
        drop_connection(ctx, socket_context);
}

static bool is_late(const struct tj_http *h, const struct connection *c,
                    uint64_t now_ns)
{
    uint64_t ms = tj_ns_since(c->since_ns, now_ns) / TJ_NS_PER_MS;
    unsigned head_ms = h->options.request_ms < HEAD_MS_MAX
                           ? h->options.request_ms
                           : HEAD_MS_MAX;
    switch (c->state) {
    case WAITING: return ms >= h->options.idle_ms;
    case READING: return ms >= (c->head_done ? h->options.request_ms : head_ms);
    case WORKING: return false;
    case SENDING: return ms >= c->allowed_ms;
    }
    return false;
}

/* The library hears of an end by an edge of epoll, and does not when it came
 * together with the last bytes: it has read these, and there is no other edge.
 * So connections that are read from are looked at, and those that wait once.
 * An end may also mean that all is said: then what the library has read is a
 * whole request, and it has some time to find that out. */
static bool has_ended(struct connection *c, uint64_t now_ns)
{
    char byte;
    if (c->state != READING && c->state != WAITING)
        return false;
    bool look = !c->ended_ns && (c->state == READING || !c->looked);
    c->looked = true;
    if (look && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        c->ended_ns = now_ns;
    return c->ended_ns &&
           tj_ns_since(c->ended_ns, now_ns) >= ENDED_MS * TJ_NS_PER_MS;
}

/* Has it nothing to say?  What the system has received already is answered. */
static bool is_idle(const struct connection *c, uint64_t now_ns)
{
    char byte;
    return c->state == WAITING &&
           tj_ns_since(c->since_ns, now_ns) >=
               DRAIN_WAITING_MS * TJ_NS_PER_MS &&
           recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

/* May it go when others have no place?  One that waits, or one that is slow
 * to say what it wants. */
static bool can_go(const struct connection *c, uint64_t now_ns)
{
    uint64_t ms = tj_ns_since(c->since_ns, now_ns) / TJ_NS_PER_MS;
    return (c->state == WAITING && ms >= SHED_WAITING_MS_MIN) ||
           (c->state == READING && ms >= SHED_READING_MS_MIN);
}

/* When connections run out, the oldest of those go first: one who opens
 * thousands and says nothing does not shut the others out. */
static void shed(struct tj_http *h, uint64_t now_ns)
{
    unsigned high = h->options.connections_max / 8 * 7;
    unsigned low = h->options.connections_max / 4 * 3;
    if (h->connection_count < high)
        return;
    unsigned surplus = h->connection_count - low;
    struct connection *oldest = h->connections;
    while (oldest && oldest->next)
        oldest = oldest->next;
    for (struct connection *c = oldest; c && surplus; c = c->prev) {
        if (!can_go(c, now_ns))
            continue;
        (void)shutdown(c->fd, SHUT_RDWR);
        surplus--;
    }
}

void tj_http_sweep(struct tj_http *h)
{
    (void)pthread_mutex_lock(&h->lock);
    uint64_t now_ns = tj_mono_ns();
    for (struct connection *c = h->connections; c; c = c->next) {
        if (is_late(h, c, now_ns) || has_ended(c, now_ns))
            (void)shutdown(c->fd, SHUT_RDWR);
        else if (h->draining && is_idle(c, now_ns))
            (void)shutdown(c->fd, SHUT_RD);
    }
    shed(h, now_ns);
    if (tj_ns_since(h->pending_ns, now_ns) >= PENDING_MS_MAX * TJ_NS_PER_MS)
        h->pending_count = 0;
    (void)pthread_mutex_unlock(&h->lock);
}

unsigned tj_http_connections(struct tj_http *h)
{
    (void)pthread_mutex_lock(&h->lock);
    unsigned count = h->connection_count + h->pending_count;
    (void)pthread_mutex_unlock(&h->lock);
    return count;
}

unsigned tj_http_requests(struct tj_http *h)
{
    (void)pthread_mutex_lock(&h->lock);
    unsigned count = h->request_count;
    (void)pthread_mutex_unlock(&h->lock);
    return count;
}

/* -- the head of a request ------------------------------------------------ */

static void *on_request_line(void *ctx, const char *uri,
                             struct MHD_Connection *mhd)
{
    struct tj_http *h = ctx;
    struct exchange *e = tj_heap_new(sizeof *e);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    e->http = h;
    e->mhd = mhd;
    e->connection = info ? info->socket_context : NULL;
    e->start_ns = tj_mono_ns();
    e->rq.arena = &e->arena;
    e->uri = tj_str_dup(&e->arena, tj_str_c(uri));
    enter(h, e->connection, READING);
    (void)pthread_mutex_lock(&h->lock);
    h->request_count++;
    (void)pthread_mutex_unlock(&h->lock);
    return e;
}

static enum tj_method method_of(const char *name)
{
    for (unsigned i = 0; i < TJ_METHOD_OTHER; i++)
        if (!strcmp(name, tj_method_name((enum tj_method)i)))
            return (enum tj_method)i;
    return TJ_METHOD_OTHER;
}

struct header_list {
    struct tj_arena *arena;
    struct tj_header *items;
    size_t count;
};

static enum MHD_Result take_header(void *ctx, enum MHD_ValueKind kind,
                                   const char *name, size_t name_len,
                                   const char *value, size_t value_len)
{
    struct header_list *list = ctx;
    (void)kind;
    if (list->count == TJ_REQUEST_HEADERS_MAX)
        return MHD_NO;
    list->items[list->count++] = (struct tj_header){
        tj_str_dup(list->arena, tj_str_make(name, name_len)),
        tj_str_dup(list->arena, tj_str_make(value, value_len)),
    };
    return MHD_YES;
}

/* False: too many. */
static bool take_headers(struct exchange *e)
{
    int count = MHD_get_connection_values(e->mhd, MHD_HEADER_KIND, NULL, NULL);
    if (count < 0 || (size_t)count > TJ_REQUEST_HEADERS_MAX)
        return false;
    struct header_list list = {
        .arena = &e->arena,
        .items = tj_arena_array(&e->arena, struct tj_header, (size_t)count + 1),
    };
    (void)MHD_get_connection_values_n(e->mhd, MHD_HEADER_KIND, take_header,
                                      &list);
    e->rq.headers = list.items;
    e->rq.header_count = list.count;
    return true;
}

static size_t count_of(const struct tj_request *rq, tj_str name)
{
    size_t count = 0;
    for (size_t i = 0; i < rq->header_count; i++)
        count += tj_str_eq_fold(rq->headers[i].name, name);
    return count;
}

/* Where one body ends and the next request begins must have one answer, or a
 * proxy in front of us may have another (RFC 9112, 6.3 and 11.2).  NULL: it
 * has. */
static const char *ambiguity(struct exchange *e)
{
    tj_str coding_name = TJ_STR("Transfer-Encoding");
    tj_str coding = tj_request_header(&e->rq, coding_name);
    size_t codings = count_of(&e->rq, coding_name);
    size_t lengths = count_of(&e->rq, TJ_STR("Content-Length"));
    if (codings > 1 || lengths > 1 || (codings && lengths))
        return "more than one length of the body";
    if (codings && !tj_str_eq_fold(coding, TJ_STR("chunked")))
        return "Transfer-Encoding must be chunked";
    if (count_of(&e->rq, TJ_STR("Host")) > 1)
        return "more than one Host header";
    e->body_says = codings ? UINT64_MAX : 0;
    if (lengths)
        (void)!tj_str_to_u64(
            tj_request_header(&e->rq, TJ_STR("Content-Length")), &e->body_says);
    return NULL;
}

static enum MHD_Result send_answer(struct exchange *e, bool last);

/* Answers without the body.  A client that asked first whether to send it is
 * told at once; of others it is read and thrown away, since most do not look
 * at an answer before they have sent everything. */
static enum MHD_Result refuse(struct exchange *e)
{
    tj_str expect = tj_request_header(&e->rq, TJ_STR("Expect"));
    bool asks = tj_str_eq_fold(expect, TJ_STR("100-continue"));
    bool endless =
        e->body_says != UINT64_MAX && e->body_says > TJ_BODY_DISCARD_BYTES_MAX;
    e->answered = true;
    return e->body_says && (asks || endless) ? send_answer(e, true) : MHD_YES;
}

static enum MHD_Result refuse_text(struct exchange *e, int status, tj_str text)
{
    e->answered = true;
    tj_answer_text(&e->answer, status, text);
    return send_answer(e, true);
}

static enum MHD_Result begin(struct exchange *e, const char *method)
{
    struct tj_http *h = e->http;
    struct tj_err err;
    e->begun = true;
    e->rq.method = method_of(method);
    e->rq.path = tj_str_slice(e->uri, 0, tj_str_find_byte(e->uri, '?'));
    if (!take_headers(e))
        return refuse_text(e, 431, TJ_STR("too many headers"));
    const char *what = ambiguity(e);
    if (what)
        return refuse_text(e, 400, tj_str_c(what));
    if (!tj_target_parse(e->uri, &e->rq, &err))
        return refuse_text(e, 400,
                           tj_str_dup(&e->arena, tj_str_c(err.message)));
    if (e->connection) {
        (void)pthread_mutex_lock(&h->lock);
        e->connection->head_done = true;
        (void)pthread_mutex_unlock(&h->lock);
    }
    if (!h->options.ops->admit(h->options.ctx, &e->rq, &e->answer))
        return refuse(e);
    if (e->body_says != UINT64_MAX &&
        e->body_says > h->options.body_bytes_max) {
        h->options.ops->too_large(h->options.ctx, &e->rq, &e->answer);
        return refuse(e);
    }
    return MHD_YES;
}

/* -- the body ------------------------------------------------------------- */

/* Gives back what the body took. */
static void drop_body(struct exchange *e)
{
    tj_room_give(e->http->options.room, e->body_cap);
    tj_heap_free(e->body);
    e->body = NULL;
    e->body_cap = 0;
}

/* Room is taken as bytes come and not as they are announced, so that an
 * announcement alone takes nothing. */
static bool make_room(struct exchange *e, size_t needed)
{
    size_t cap = tj_size_max(needed, 2 * e->body_cap);
    cap = tj_size_max(cap, BODY_BYTES_FIRST);
    if (e->body_says != UINT64_MAX)
        cap = tj_size_max(needed, tj_size_min(cap, (size_t)e->body_says));
    cap =
        tj_size_max(needed, tj_size_min(cap, e->http->options.body_bytes_max));
    if (!tj_room_take(e->http->options.room, cap - e->body_cap))
        return false;
    e->body = tj_heap_grow(e->body, cap);
    e->body_cap = cap;
    return true;
}

static enum MHD_Result take_bytes(struct exchange *e, tj_str bytes)
{
    const struct tj_http_options *o = &e->http->options;
    if (!e->answered && bytes.len > o->body_bytes_max - e->body_len) {
        o->ops->too_large(o->ctx, &e->rq, &e->answer);
        e->answered = true;
    } else if (!e->answered && bytes.len > e->body_cap - e->body_len &&
               !make_room(e, e->body_len + bytes.len)) {
        o->ops->busy(o->ctx, &e->rq, &e->answer);
        e->answered = true;
    }
    if (!e->answered) {
        memcpy(e->body + e->body_len, bytes.ptr, bytes.len);
        e->body_len += bytes.len;
        return MHD_YES;
    }
    drop_body(e);
    e->discarded += bytes.len;
    return e->discarded > TJ_BODY_DISCARD_BYTES_MAX ? MHD_NO : MHD_YES;
}

/* -- the answer ----------------------------------------------------------- */

static void add_header(struct MHD_Response *r, struct tj_arena *a, tj_str name,
                       tj_str value)
{
    /* The library refuses names and values with line breaks. */
    (void)MHD_add_response_header(r, tj_cstr(a, name), tj_cstr(a, value));
}

/* What is sent lives in the exchange, which outlives the sending.  The cast
 * is the library's type for "will only be read". */
static struct MHD_Response *response_of(struct exchange *e)
{
    union {
        const void *in;
        void *out;
    } bytes = {.in = e->answer.body.len ? e->answer.body.ptr : ""};
    return MHD_create_response_from_buffer(e->answer.body.len, bytes.out,
                                           MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_answer(struct exchange *e, bool last)
{
    struct tj_http *h = e->http;
    struct MHD_Response *r = response_of(e);
    if (!r)
        return MHD_NO;
    if (e->answer.content_type.len)
        add_header(r, &e->arena, TJ_STR("Content-Type"),
                   e->answer.content_type);
    for (size_t i = 0; i < e->answer.header_count; i++)
        add_header(r, &e->arena, e->answer.headers[i].name,
                   e->answer.headers[i].value);
    (void)pthread_mutex_lock(&h->lock);
    last = last || h->draining;
    if (e->connection)
        e->connection->allowed_ms =
            h->options.request_ms +
            e->answer.body.len / ANSWER_BYTES_PER_SECOND_MIN * 1000;
    (void)pthread_mutex_unlock(&h->lock);
    enter(h, e->connection, SENDING);
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(r, "X-Frame-Options", "SAMEORIGIN");
    if (last)
        (void)MHD_add_response_header(r, "Connection", "close");
    enum MHD_Result done =
        MHD_queue_response(e->mhd, (unsigned)e->answer.status, r);
    MHD_destroy_response(r);
    return done;
}

static void on_work(struct tj_job *job)
{
    struct exchange *e = (struct exchange *)job;
    struct tj_http *h = e->http;
    h->options.ops->run(h->options.ctx, &e->rq, &e->answer);
    e->answered = true;
    MHD_resume_connection(e->mhd);
}

/* When a connection is resumed the library would read from it before it asks
 * for the answer, and an end that it reads there (the client has said all, or
 * we let it say no more) is the end of the connection.  Those with a timeout
 * of their own it asks first. */
static void heed_answer(struct MHD_Connection *mhd, unsigned timeout_seconds)
{
    (void)MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT,
                                    timeout_seconds);
}

static enum MHD_Result submit(struct exchange *e)
{
    struct tj_http *h = e->http;
    e->rq.body = tj_str_make(e->body, e->body_len);
    e->job.run = on_work;
    enter(h, e->connection, WORKING);
    heed_answer(e->mhd, OWN_TIMEOUT_SECONDS);
    MHD_suspend_connection(e->mhd);
    if (tj_pool_add(h->options.pool, &e->job))
        return MHD_YES;
    h->options.ops->busy(h->options.ctx, &e->rq, &e->answer);
    e->answered = true;
    MHD_resume_connection(e->mhd);
    return MHD_YES;
}

/* The library's signature has eight parameters. */
/* NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd,
                                  const char *url, const char *method,
                                  const char *version, const char *bytes,
                                  size_t *size, void **request)
{
    struct exchange *e = *request;
    (void)ctx, (void)mhd, (void)url, (void)version;
    if (!e)
        return MHD_NO;
    if (!e->begun)
        return begin(e, method);
    if (*size) {
        tj_str piece = tj_str_make(bytes, *size);
        *size = 0;
        return take_bytes(e, piece);
    }
    return e->answered ? send_answer(e, false) : submit(e);
}

static void on_end(void *ctx, struct MHD_Connection *mhd, void **request,
                   enum MHD_RequestTerminationCode why)
{
    struct tj_http *h = ctx;
    struct exchange *e = *request;
    if (!e)
        return;
    *request = NULL;
    if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        heed_answer(mhd, 0);
    struct tj_http_end end = {
        .rq = &e->rq,
        .status = e->answered ? e->answer.status : 0,
        .body_bytes = e->body_len,
        .answer_bytes = e->answer.body.len,
        .duration_ns = tj_mono_ns() - e->start_ns,
        .sent = why == MHD_REQUEST_TERMINATED_COMPLETED_OK,
    };
    if (e->begun)
        h->options.ops->end(h->options.ctx, &end);
    enter(h, e->connection, WAITING);
    (void)pthread_mutex_lock(&h->lock);
    h->request_count--;
    (void)pthread_mutex_unlock(&h->lock);
    drop_body(e);
    tj_arena_release(&e->arena);
    tj_heap_free(e);
}

/* -- the daemon ----------------------------------------------------------- */

/* Paths and queries are decoded by those who know what they are. */
static size_t leave_escapes(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx, (void)mhd;
    return strlen(text);
}

static struct MHD_Daemon *start(struct tj_http *h)
{
    struct MHD_OptionItem more[] = {
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, h},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_end, h},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_request_line, h},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escapes, h},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT,
         (intptr_t)TJ_REQUEST_HEAD_BYTES_MAX, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)h->options.connections_max,
         NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_LISTEN_SOCKET, h->options.listen_fd, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* Without its error log: that is about single connections. */
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    return MHD_start_daemon(flags, 0, on_accept, h, on_request, h,
                            MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

bool tj_http_open(const struct tj_http_options *options, struct tj_http **out,
                  struct tj_err *err)
{
    struct tj_http *h = tj_heap_new(sizeof *h);
    h->options = *options;
    (void)pthread_mutex_init(&h->lock, NULL);
    h->daemon = start(h);
    if (!h->daemon) {
        (void)close(options->listen_fd);
        (void)pthread_mutex_destroy(&h->lock);
        tj_heap_free(h);
        return tj_fail(err, TJ_E_IO, "the HTTP server did not start");
    }
    *out = h;
    return true;
}

static void expect(struct tj_http *h, int more)
{
    (void)pthread_mutex_lock(&h->lock);
    if (more > 0)
        h->pending_count++;
    else
        h->pending_count -= h->pending_count > 0;
    h->pending_ns = tj_mono_ns();
    (void)pthread_mutex_unlock(&h->lock);
}

/* Those that the system has accepted for us are still ours to serve. */
static void take_pending(void *ctx)
{
    struct tj_http *h = ctx;
    for (int i = 0; i < PENDING_MAX; i++) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        int fd = accept(h->options.listen_fd, (struct sockaddr *)&from, &size);
        if (fd < 0)
            return;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
            fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
            (void)close(fd);
            continue;
        }
        expect(h, 1);
        /* On failure the library has closed it. */
        if (MHD_add_connection(h->daemon, fd, (struct sockaddr *)&from, size) !=
            MHD_YES)
            expect(h, -1);
    }
}

/* The socket is closed when the library's thread has ended, so that its
 * number is nobody else's while that thread might still look at it. */
static void stop_listening(struct tj_http *h)
{
    h->quiesced = true;
    (void)MHD_quiesce_daemon(h->daemon);
}

void tj_http_drain(struct tj_http *h)
{
    if (!h->quiesced) {
        stop_listening(h);
        tj_listen_end(h->options.listen_fd, take_pending, h);
    }
    (void)pthread_mutex_lock(&h->lock);
    h->draining = true;
    (void)pthread_mutex_unlock(&h->lock);
    tj_http_sweep(h);
}

void tj_http_close(struct tj_http *h)
{
    if (!h)
        return;
    if (!h->quiesced)
        stop_listening(h);
    MHD_stop_daemon(h->daemon);
    (void)close(h->options.listen_fd);
    (void)pthread_mutex_destroy(&h->lock);
    tj_heap_free(h);
}
