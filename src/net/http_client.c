/* http_client.c - HTTP on libcurl's multi interface, driven by the loop.
 * SPDX-License-Identifier: Apache-2.0
 *
 * curl says which sockets it waits for (on_socket) and when it wants to be
 * called at the latest (on_timeout); libuv tells it when that is so.  Finished
 * transfers are collected after each such call (reap).
 *
 *     tj_http_send -> curl_multi_add_handle -> [poll, timer]* -> reap -> done
 *
 * A call that is refused or cancelled is taken out of curl at once, and done
 * comes from the loop (settle_soon), so that no caller is entered from inside
 * its own call.
 */
#include "net/http_client.h"

#include <curl/curl.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"

enum {
    TIMEOUT_MS = 600000,
    CONNECT_TIMEOUT_MS = 10000,
    HEADERS_MAX = 256,      /* of a response; more are dropped */
    CONNECTIONS_KEPT = 256, /* idle, for reuse */
};

#define HEADER_BYTES_MAX ((size_t)1 << 18)  /* all headers of a response */
#define BODY_BYTES_MAX   ((size_t)64 << 20) /* when the request names none */

struct watch {
    uv_poll_t poll; /* first */
    struct tj_http_client *client;
    curl_socket_t socket;
};

struct tj_http_call {
    struct tj_http_client *client;
    struct tj_http_call *next;
    struct tj_http_call *previous;
    CURL *easy;
    struct curl_slist *headers;
    struct tj_arena own; /* what curl borrows: URL, body, method */
    struct tj_arena *arena;
    struct tj_http_response response;
    struct tj_buf body;
    size_t header_bytes;
    struct tj_timer *settling; /* not NULL: curl has let go of it */
    uint64_t start_ns;
    char curl_message[CURL_ERROR_SIZE];
    tj_http_fn done;
    void *ctx;
};

struct tj_http_client {
    struct tj_loop *loop;
    CURLM *multi;
    uv_timer_t *timer;
    struct tj_http_call *calls;
    struct tj_arena arena;
    const char *ca_file; /* NULL: curl's own */
};

/* -- endings -------------------------------------------------------------- */

static void release(struct tj_http_call *call)
{
    if (call->previous)
        call->previous->next = call->next;
    else
        call->client->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    tj_arena_release(&call->own);
    tj_heap_free(call);
}

static void finish(struct tj_http_call *call)
{
    struct tj_http_response response = call->response;
    tj_http_fn done = call->done;
    void *ctx = call->ctx;
    response.duration_ns = tj_mono_ns() - call->start_ns;
    response.body = tj_buf_str(&call->body);
    release(call);
    done(ctx, &response);
}

static void settle(void *ctx)
{
    finish(ctx);
}

static void settle_soon(struct tj_http_call *call)
{
    call->settling = tj_loop_after(call->client->loop, 0, settle, call);
}

static void note_sent(struct tj_http_call *call)
{
    long bytes = 0;
    if (curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &bytes) ==
        CURLE_OK)
        call->response.request_sent = bytes > 0;
}

static void note_failure(struct tj_http_call *call, CURLcode code)
{
    struct tj_err *err = &call->response.err;
    const char *why =
        call->curl_message[0] ? call->curl_message : curl_easy_strerror(code);
    note_sent(call);
    if (call->body.full)
        (void)tj_fail(err, TJ_E_LIMIT, "the response body is over %zu bytes",
                      call->body.bytes_max);
    else if (call->header_bytes > HEADER_BYTES_MAX)
        (void)tj_fail(err, TJ_E_LIMIT,
                      "the response's headers are over %zu "
                      "bytes",
                      HEADER_BYTES_MAX);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        (void)tj_fail(err, TJ_E_BUSY, "timed out: %s", why);
    /* An answer that is not HTTP has the same code as a URL that is not. */
    else if (!call->response.request_sent &&
             (code == CURLE_UNSUPPORTED_PROTOCOL ||
              code == CURLE_URL_MALFORMAT))
        (void)tj_fail(err, TJ_E_INPUT, "%s", why);
    else
        (void)tj_fail(err, TJ_E_IO, "%s", why);
}

/* Looks for finished transfers.  done may send and cancel, so the list of
 * messages is read anew each time. */
static void reap(struct tj_http_client *client)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct tj_http_call *call = NULL;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        (void)curl_multi_remove_handle(client->multi, call->easy);
        long status = 0;
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        call->response.status = (int)status;
        call->response.ok = code == CURLE_OK && status > 0;
        call->response.request_sent = true;
        if (!call->response.ok)
            note_failure(call, code);
        finish(call);
    }
}

/* -- curl and the loop ---------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct tj_http_client *client = timer->data;
    int running;
    (void)curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0,
                                   &running);
    reap(client);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
    struct tj_http_client *client = ctx;
    (void)multi;
    if (timeout_ms < 0)
        return uv_timer_stop(client->timer);
    /* Calls of ours come between curl's own, so the loop's idea of "now" may
     * be old. */
    uv_update_time(client->timer->loop);
    return uv_timer_start(client->timer, on_timer, (uint64_t)timeout_ms, 0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = (struct watch *)poll;
    struct tj_http_client *client = watch->client;
    int flags = 0, running;
    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    /* watch may be gone after this. */
    (void)curl_multi_socket_action(client->multi, watch->socket, flags,
                                   &running);
    reap(client);
}

static void on_watch_closed(uv_handle_t *handle)
{
    tj_heap_free(handle);
}

static struct watch *watch_new(struct tj_http_client *client,
                               curl_socket_t socket)
{
    struct watch *watch = tj_heap_new(sizeof *watch);
    watch->client = client;
    watch->socket = socket;
    if (uv_poll_init_socket(tj_loop_uv(client->loop), &watch->poll, socket) !=
        0) {
        tj_heap_free(watch);
        return NULL;
    }
    (void)curl_multi_assign(client->multi, socket, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t socket, int action, void *ctx,
                     void *socket_ctx)
{
    struct tj_http_client *client = ctx;
    struct watch *watch = socket_ctx;
    (void)easy;
    if (action == CURL_POLL_REMOVE) {
        if (!watch)
            return 0;
        (void)uv_poll_stop(&watch->poll);
        (void)curl_multi_assign(client->multi, socket, NULL);
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        return 0;
    }
    if (!watch)
        watch = watch_new(client, socket);
    if (!watch)
        return -1;
    int events = (action & CURL_POLL_IN ? UV_READABLE : 0) |
                 (action & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_ready) == 0 ? 0 : -1;
}

/* -- a response arrives --------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct tj_http_call *call = ctx;
    tj_buf_add(&call->body, tj_str_make(bytes, size * count));
    return call->body.full ? 0 : size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct tj_http_call *call = ctx;
    tj_str line = tj_str_make(bytes, size * count);
    call->header_bytes += line.len;
    if (call->header_bytes > HEADER_BYTES_MAX)
        return 0;
    if (tj_str_starts(line, TJ_STR("HTTP/"))) {
        /* 100 Continue or a proxy's answer came first: forget its headers. */
        call->response.headers.count = 0;
        return line.len;
    }
    size_t colon = tj_str_find_byte(line, ':');
    if (colon == (size_t)-1 || call->response.headers.count == HEADERS_MAX)
        return line.len;
    tj_str name = tj_str_trim(tj_str_slice(line, 0, colon));
    tj_str value = tj_str_trim(tj_str_slice(line, colon + 1, line.len));
    struct tj_header *header = tj_vec_add(&call->response.headers, call->arena);
    header->name = tj_str_dup(call->arena, name);
    header->value = tj_str_dup(call->arena, value);
    return line.len;
}

tj_str tj_http_header(const struct tj_http_response *response, tj_str name)
{
    tj_vec_each (&response->headers, const struct tj_header, it)
        if (tj_str_eq_fold(it->name, name))
            return it->value;
    return (tj_str){0};
}

/* -- a request leaves ----------------------------------------------------- */

static bool has_control(tj_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
            return true;
    return false;
}

static bool add_header(struct tj_http_call *call, tj_str line)
{
    struct curl_slist *list =
        curl_slist_append(call->headers, tj_cstr(&call->own, line));
    if (list)
        call->headers = list;
    return list;
}

static bool set_headers(struct tj_http_call *call,
                        const struct tj_http_request *request,
                        struct tj_err *err)
{
    /* curl would wait a second for "100 Continue" before a large body. */
    bool ok = add_header(call, TJ_STR("Expect:"));
    for (size_t i = 0; i < request->header_count && ok; i++) {
        const struct tj_header *h = &request->headers[i];
        if (!h->name.len || has_control(h->name) || has_control(h->value))
            return tj_fail(err, TJ_E_INPUT,
                           "header '%.*s' has a control character",
                           TJ_STR_ARG(h->name));
        /* "Name;" is how curl is asked to send a header without a value. */
        ok = add_header(
            call,
            tj_str_printf(&call->own, h->value.len ? "%.*s: %.*s" : "%.*s;%.*s",
                          TJ_STR_ARG(h->name), TJ_STR_ARG(h->value)));
    }
    return ok || tj_fail(err, TJ_E_IO, "out of memory for headers");
}

#define SET(option, value)                                                     \
    (ok = ok && curl_easy_setopt(call->easy, (option), (value)) == CURLE_OK)

static bool set_transfer(struct tj_http_call *call,
                         const struct tj_http_request *request)
{
    bool ok = true;
    uint64_t timeout = request->timeout_ms ? request->timeout_ms : TIMEOUT_MS;
    uint64_t connect = request->connect_timeout_ms ? request->connect_timeout_ms
                                                   : CONNECT_TIMEOUT_MS;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->curl_message);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_ACCEPT_ENCODING, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)(timeout > INT32_MAX ? INT32_MAX : timeout));
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        (long)(connect > INT32_MAX ? INT32_MAX : connect));
    if (call->client->ca_file)
        SET(CURLOPT_CAINFO, call->client->ca_file);
    return ok;
}

static bool set_message(struct tj_http_call *call,
                        const struct tj_http_request *request)
{
    bool ok = true;
    SET(CURLOPT_URL, tj_cstr(&call->own, request->url));
    SET(CURLOPT_USERAGENT, "tracejudge");
    SET(CURLOPT_HTTPHEADER, call->headers);
    if (request->fresh)
        SET(CURLOPT_FRESH_CONNECT, 1L);
    if (request->body.len) {
        tj_str body = tj_str_dup(&call->own, request->body);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        SET(CURLOPT_POSTFIELDS, body.ptr);
    }
    if (request->method.len)
        SET(CURLOPT_CUSTOMREQUEST, tj_cstr(&call->own, request->method));
    return ok;
}
#undef SET

static bool start(struct tj_http_call *call,
                  const struct tj_http_request *request, struct tj_err *err)
{
    if (!call->easy)
        return tj_fail(err, TJ_E_IO, "out of memory for a request");
    if (has_control(request->url) || has_control(request->method))
        return tj_fail(err, TJ_E_INPUT, "the URL has a control character");
    if (!set_headers(call, request, err))
        return false;
    if (!set_transfer(call, request) || !set_message(call, request) ||
        curl_multi_add_handle(call->client->multi, call->easy) != CURLM_OK)
        return tj_fail(err, TJ_E_IO, "curl refuses the request");
    return true;
}

struct tj_http_call *tj_http_send(struct tj_http_client *client,
                                  const struct tj_http_request *request,
                                  struct tj_arena *a, tj_http_fn done,
                                  void *ctx)
{
    struct tj_http_call *call = tj_heap_new(sizeof *call);
    call->client = client;
    call->arena = a;
    call->done = done;
    call->ctx = ctx;
    call->start_ns = tj_mono_ns();
    call->easy = curl_easy_init();
    tj_buf_init(&call->body, a,
                request->body_bytes_max ? request->body_bytes_max
                                        : BODY_BYTES_MAX);
    call->next = client->calls;
    if (call->next)
        call->next->previous = call;
    client->calls = call;
    if (!start(call, request, &call->response.err))
        settle_soon(call);
    return call;
}

static void take_back(struct tj_http_call *call)
{
    note_sent(call);
    (void)curl_multi_remove_handle(call->client->multi, call->easy);
    (void)tj_fail(&call->response.err, TJ_E_CANCELLED, "cancelled");
}

void tj_http_cancel(struct tj_http_call *call)
{
    if (call->settling)
        return;
    take_back(call);
    settle_soon(call);
}

void tj_http_abandon(struct tj_http_call *call)
{
    if (!call)
        return;
    if (call->settling)
        tj_timer_cancel(call->settling);
    else
        take_back(call);
    release(call);
}

/* -- the client ----------------------------------------------------------- */

/* A libcurl from another system looks for certificates where they are not. */
static const char *find_ca_file(void)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    };
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (info->cainfo && access(info->cainfo, R_OK) == 0)
        return NULL;
    if (!info->cainfo && info->capath && access(info->capath, R_OK) == 0)
        return NULL;
    for (size_t i = 0; i < TJ_COUNT(places); i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

bool tj_http_client_open(struct tj_loop *loop, struct tj_http_client **out,
                         struct tj_err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return tj_fail(err, TJ_E_IO, "curl cannot be set up");
    CURLM *multi = curl_multi_init();
    if (!multi) {
        curl_global_cleanup();
        return tj_fail(err, TJ_E_IO, "curl cannot be set up");
    }
    struct tj_http_client *client = tj_heap_new(sizeof *client);
    client->loop = loop;
    client->multi = multi;
    client->ca_file = find_ca_file();
    client->timer = tj_heap_new(sizeof *client->timer);
    int rc = uv_timer_init(tj_loop_uv(loop), client->timer);
    assert(rc == 0);
    (void)rc;
    client->timer->data = client;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                            (long)CONNECTIONS_KEPT);
    *out = client;
    return true;
}

void tj_http_client_trust(struct tj_http_client *client, tj_str ca_file)
{
    client->ca_file =
        ca_file.len ? tj_cstr(&client->arena, ca_file) : find_ca_file();
}

static void on_client_timer_closed(uv_handle_t *handle)
{
    tj_heap_free(handle);
}

void tj_http_client_close(struct tj_http_client *client)
{
    if (!client)
        return;
    while (client->calls) {
        struct tj_http_call *call = client->calls;
        if (call->settling)
            tj_timer_cancel(call->settling);
        else
            take_back(call);
        finish(call);
    }
    (void)curl_multi_cleanup(client->multi);
    uv_close((uv_handle_t *)client->timer, on_client_timer_closed);
    tj_arena_release(&client->arena);
    tj_heap_free(client);
    curl_global_cleanup();
}

static void close_shared(void *resident)
{
    tj_http_client_close(resident);
}

bool tj_http_client_shared(struct tj_loop *loop, struct tj_http_client **out,
                           struct tj_err *err)
{
    struct tj_http_client *client =
        tj_loop_resident_find(loop, TJ_STR("http client"));
    if (!client) {
        if (!tj_http_client_open(loop, &client, err))
            return false;
        tj_loop_resident_add(loop, TJ_STR("http client"), client, close_shared);
    }
    *out = client;
    return true;
}
