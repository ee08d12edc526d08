/* load_ingest.c - posts OTLP protobuf from many connections and counts.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     load_ingest HOST PORT [CLIENTS SPANS_PER_REQUEST SECONDS EXPERIMENT]
 *
 * Each connection posts one request after the other to /v1/traces and waits
 * for each answer, as exporters do.  A span is about 1.5 KB: an LLM call with
 * a system prompt, a question and an answer; 25 spans a trace.
 * Bodies are made before the clock starts; only ids change from request to
 * request, so that the generator takes little of the two cores.
 *
 * Prints one line of JSON: acknowledged spans, seconds, spans per second, and
 * the latency of an acknowledgement.  An answer other than 200 is counted and
 * its spans are not.  bench/ingest.py runs it against two servers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/random.h"

enum {
    CLIENTS_MAX = 1024,
    TEMPLATES = 8,
    SPANS_PER_TRACE = 25,
    ANSWER_BYTES_MAX = 4096,
    LATENCIES_MAX = 4000000,
};

struct options {
    const char *host;
    int port;
    int clients;
    int spans;
    double seconds;
    const char *experiment;
};

/* -- bodies --------------------------------------------------------------- */

/* Where the ids of a span stand in a body. */
struct place {
    size_t trace;
    size_t span;
    size_t parent; /* 0: a root */
};

struct body {
    struct tj_buf buf;
    struct place *places;
};

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void put_varint(struct tj_buf *b, uint64_t value)
{
    for (; value > 127; value >>= 7)
        tj_buf_byte(b, (char)(value | 128));
    tj_buf_byte(b, (char)value);
}

static void put_bytes(struct tj_buf *b, unsigned field, tj_str bytes)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, bytes.len);
    tj_buf_add(b, bytes);
}

static void put_fixed64(struct tj_buf *b, unsigned field, uint64_t value)
{
    put_varint(b, field << 3 | 1);
    for (int i = 0; i < 8; i++)
        tj_buf_byte(b, (char)(value >> (8 * i)));
}

static void put_attribute(struct tj_buf *b, struct tj_arena *a, const char *key,
                          tj_str value)
{
    struct tj_buf any;
    struct tj_buf pair;
    tj_buf_init(&any, a, SIZE_MAX);
    tj_buf_init(&pair, a, SIZE_MAX);
    put_bytes(&any, 1, value);
    put_bytes(&pair, 1, tj_str_c(key));
    put_bytes(&pair, 2, tj_buf_str(&any));
    put_bytes(b, 9, tj_buf_str(&pair));
}

/* Words of a vocabulary of 4,000, the frequent ones as much more frequent as
 * in natural language (Zipf), so that text compresses as text does. */
static tj_str words(struct tj_arena *a, size_t bytes)
{
    static const char *const parts[] = {"ka",  "lo",  "ren", "ti", "su",  "ma",
                                        "ver", "no",  "pel", "da", "ist", "un",
                                        "gro", "chi", "fe",  "wor"};
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    while (b.len < bytes) {
        double share = (double)(next_random() >> 11) / 9007199254740992.0;
        uint64_t word = (uint64_t)pow(4000.0, share) - 1;
        tj_buf_add(&b, tj_str_c(parts[word % 16]));
        tj_buf_add(&b, tj_str_c(parts[word / 16 % 16]));
        tj_buf_add(&b, tj_str_c(parts[word / 256]));
        tj_buf_byte(&b, ' ');
    }
    return tj_buf_str(&b);
}

/* The system prompt is the same in every call of a service. */
static tj_str question(struct tj_arena *a)
{
    tj_str text = words(a, 560);
    return tj_str_printf(
        a,
        "[{\"role\":\"system\",\"content\":\"You are the assistant of a shop "
        "for bicycles. Answer from the documents that the tools return, say so "
        "when they hold no answer, and never promise a date of delivery.\"},"
        "{\"role\":\"user\",\"content\":\"%.*s\"}]",
        TJ_STR_ARG(text));
}

static tj_str answer(struct tj_arena *a)
{
    tj_str text = words(a, 380);
    return tj_str_printf(a, "[{\"role\":\"assistant\",\"content\":\"%.*s\"}]",
                         TJ_STR_ARG(text));
}

static void put_span(struct tj_buf *out, struct tj_arena *a, int i,
                     struct place *place)
{
    static const char zeros[16];
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    put_bytes(&b, 1, (tj_str){zeros, 16});
    place->trace = b.len - 16;
    put_bytes(&b, 2, (tj_str){zeros, 8});
    place->span = b.len - 8;
    if (i % SPANS_PER_TRACE) {
        put_bytes(&b, 4, (tj_str){zeros, 8});
        place->parent = b.len - 8;
    }
    put_bytes(&b, 5,
              i % SPANS_PER_TRACE ? TJ_STR("chat gpt-5") : TJ_STR("agent run"));
    put_varint(&b, 6 << 3);
    put_varint(&b, 3);
    tj_time now = tj_now();
    put_fixed64(&b, 7, now);
    put_fixed64(&b, 8, now + 5 * TJ_NS_PER_MS);
    put_attribute(&b, a, "gen_ai.operation.name", TJ_STR("chat"));
    put_attribute(&b, a, "gen_ai.provider.name", TJ_STR("openai"));
    put_attribute(&b, a, "gen_ai.request.model", TJ_STR("gpt-5"));
    put_attribute(&b, a, "gen_ai.input.messages", question(a));
    put_attribute(&b, a, "gen_ai.output.messages", answer(a));
    put_attribute(&b, a, "session.id", TJ_STR("c0ffee-4711"));
    put_bytes(out, 2, tj_buf_str(&b));
    size_t shift = out->len - b.len;
    place->trace += shift;
    place->span += shift;
    if (place->parent)
        place->parent += shift;
}

static void make_body(struct body *body, const struct options *o,
                      struct tj_arena *a)
{
    struct tj_buf spans;
    struct tj_buf scope;
    struct tj_buf resource;
    struct tj_buf pair;
    body->places = tj_arena_array(a, struct place, (size_t)o->spans);
    tj_buf_init(&spans, a, SIZE_MAX);
    for (int i = 0; i < o->spans; i++)
        put_span(&spans, a, i, &body->places[i]);
    /* ResourceSpans {resource {service.name}, scope_spans {spans}} */
    struct tj_buf any;
    tj_buf_init(&any, a, SIZE_MAX);
    tj_buf_init(&pair, a, SIZE_MAX);
    tj_buf_init(&resource, a, SIZE_MAX);
    tj_buf_init(&scope, a, SIZE_MAX);
    tj_buf_init(&body->buf, a, SIZE_MAX);
    put_bytes(&any, 1, TJ_STR("load"));
    put_bytes(&pair, 1, TJ_STR("service.name"));
    put_bytes(&pair, 2, tj_buf_str(&any));
    put_bytes(&resource, 1, tj_buf_str(&pair));
    put_bytes(&scope, 1, tj_buf_str(&resource));
    put_bytes(&scope, 2, tj_buf_str(&spans));
    put_bytes(&body->buf, 1, tj_buf_str(&scope));
    size_t shift = body->buf.len - spans.len;
    for (int i = 0; i < o->spans; i++) {
        struct place *p = &body->places[i];
        p->trace += shift;
        p->span += shift;
        if (p->parent)
            p->parent += shift;
    }
}

/* -- connections ---------------------------------------------------------- */

struct client {
    int fd;
    char *request; /* head and body */
    size_t head;
    size_t size;
    size_t sent;
    const struct body *body;
    char answer[ANSWER_BYTES_MAX];
    size_t received;
    uint64_t started;
};

struct totals {
    uint64_t requests;
    uint64_t refused;
    uint64_t spans;
    uint64_t bytes;
    uint32_t *latencies_us;
    size_t latency_count;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int connect_to(const struct options *o)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)o->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || inet_pton(AF_INET, o->host, &to.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    return fd;
}

/* New ids for the spans of a request. */
static void name_spans(struct client *c, const struct options *o)
{
    char *body = c->request + c->head;
    char trace[16] = {0};
    char root[8] = {0};
    for (int i = 0; i < o->spans; i++) {
        const struct place *p = &c->body->places[i];
        uint64_t id[2] = {next_random(), next_random()};
        if (i % SPANS_PER_TRACE == 0) {
            memcpy(trace, id, sizeof trace);
            memcpy(root, id, sizeof root);
        }
        memcpy(body + p->trace, trace, sizeof trace);
        memcpy(body + p->span, i % SPANS_PER_TRACE ? (char *)id : root, 8);
        if (p->parent)
            memcpy(body + p->parent, root, sizeof root);
    }
}

static void begin_request(struct client *c, const struct options *o)
{
    name_spans(c, o);
    c->sent = 0;
    c->received = 0;
    c->started = tj_mono_ns();
}

static void client_init(struct client *c, const struct options *o,
                        const struct body *body, struct tj_arena *a)
{
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_buf_fmt(&b,
               "POST /v1/traces HTTP/1.1\r\nHost: %s:%d\r\n"
               "Content-Type: application/x-protobuf\r\n"
               "x-mlflow-experiment-id: %s\r\nContent-Length: %zu\r\n\r\n",
               o->host, o->port, o->experiment, body->buf.len);
    c->head = b.len;
    tj_buf_add(&b, tj_buf_str(&body->buf));
    c->request = b.ptr;
    c->size = b.len;
    c->body = body;
    c->fd = connect_to(o);
    begin_request(c, o);
}

/* Head and body are there?  Answers to OTLP are small. */
static bool is_whole(const struct client *c)
{
    tj_str got = {c->answer, c->received};
    size_t head = tj_str_find(got, TJ_STR("\r\n\r\n"));
    if (head == (size_t)-1)
        return false;
    size_t at = 0;
    uint64_t length = 0;
    for (; at + 16 < head; at++) {
        if (tj_str_eq_fold(tj_str_slice(got, at, 16),
                           TJ_STR("\r\ncontent-length")))
            break;
    }
    tj_str rest = tj_str_slice(got, at + 17, got.len);
    (void)!tj_str_to_u64(tj_str_trim(tj_str_cut(&rest, '\r')), &length);
    return got.len >= head + 4 + length;
}

static void finish_request(struct client *c, const struct options *o,
                           struct totals *t)
{
    bool ok = c->received > 12 && !memcmp(c->answer + 9, "200", 3);
    t->requests++;
    if (!ok && t->refused++ == 0)
        (void)fprintf(stderr, "refused: %.*s\n", (int)c->received, c->answer);
    t->spans += ok ? (uint64_t)o->spans : 0;
    t->bytes += ok ? c->body->buf.len : 0;
    if (t->latency_count < LATENCIES_MAX)
        t->latencies_us[t->latency_count++] =
            (uint32_t)((tj_mono_ns() - c->started) / 1000);
}

static void step(struct client *c, const struct options *o, struct totals *t)
{
    while (c->sent < c->size) {
        ssize_t n = send(c->fd, c->request + c->sent, c->size - c->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            die("send");
        c->sent += (size_t)n;
    }
    ssize_t n = recv(c->fd, c->answer + c->received,
                     sizeof c->answer - c->received, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("recv");
    c->received += (size_t)n;
    if (!is_whole(c))
        return;
    finish_request(c, o, t);
    begin_request(c, o);
    step(c, o, t);
}

/* -- the run -------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static double percentile_ms(const struct totals *t, double share)
{
    if (!t->latency_count)
        return 0;
    size_t at = (size_t)((double)(t->latency_count - 1) * share);
    return t->latencies_us[at] / 1000.0;
}

static void report(const struct options *o, struct totals *t, double seconds)
{
    struct rusage use;
    (void)getrusage(RUSAGE_SELF, &use);
    qsort(t->latencies_us, t->latency_count, sizeof *t->latencies_us, compare);
    (void)printf(
        "{\"clients\": %d, \"spans_per_request\": %d, \"seconds\": %.2f, "
        "\"requests\": %llu, \"refused\": %llu, \"spans\": %llu, "
        "\"spans_per_s\": %.0f, \"mb_per_s\": %.1f, \"p50_ms\": %.1f, "
        "\"p99_ms\": %.1f, \"generator_cpu_s\": %.2f}\n",
        o->clients, o->spans, seconds, (unsigned long long)t->requests,
        (unsigned long long)t->refused, (unsigned long long)t->spans,
        (double)t->spans / seconds, (double)t->bytes / seconds / 1e6,
        percentile_ms(t, 0.5), percentile_ms(t, 0.99),
        (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
            (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
}

static void run(struct client *clients, const struct options *o,
                struct totals *t)
{
    int epoll = epoll_create1(0);
    for (int i = 0; i < o->clients; i++) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                .data.ptr = &clients[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &e) != 0)
            die("epoll");
    }
    uint64_t from = tj_mono_ns();
    uint64_t until = from + (uint64_t)(o->seconds * 1e9);
    while (tj_mono_ns() < until) {
        struct epoll_event ready[64];
        int n = epoll_wait(epoll, ready, 64, 1000);
        for (int i = 0; i < n; i++)
            step(ready[i].data.ptr, o, t);
    }
    report(o, t, (double)(tj_mono_ns() - from) / 1e9);
    (void)close(epoll);
}

static int number(char **argv, int argc, int i, int otherwise)
{
    uint64_t value = 0;
    if (i >= argc)
        return otherwise;
    if (!tj_str_to_u64(tj_str_c(argv[i]), &value) || !value || value > 100000) {
        (void)fprintf(stderr, "load_ingest: %s is no number here\n", argv[i]);
        exit(3);
    }
    return (int)value;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: load_ingest HOST PORT [CLIENTS "
                              "SPANS_PER_REQUEST SECONDS EXPERIMENT]\n");
        return 3;
    }
    struct options o = {
        .host = argv[1],
        .port = number(argv, argc, 2, 0),
        .clients = number(argv, argc, 3, 64),
        .spans = number(argv, argc, 4, 100),
        .seconds = number(argv, argc, 5, 10),
        .experiment = argc > 6 ? argv[6] : "0",
    };
    if (o.clients > CLIENTS_MAX)
        o.clients = CLIENTS_MAX;
    struct tj_arena a = {0};
    struct body bodies[TEMPLATES] = {0};
    tj_random_bytes(&seed, sizeof seed);
    seed |= 1;
    for (int i = 0; i < TEMPLATES; i++)
        make_body(&bodies[i], &o, &a);
    struct client *clients =
        tj_arena_array(&a, struct client, (size_t)o.clients);
    for (int i = 0; i < o.clients; i++)
        client_init(&clients[i], &o, &bodies[i % TEMPLATES], &a);
    struct totals totals = {
        .latencies_us = tj_arena_alloc(&a, LATENCIES_MAX * sizeof(uint32_t))};
    run(clients, &o, &totals);
    for (int i = 0; i < o.clients; i++)
        (void)close(clients[i].fd);
    tj_arena_release(&a);
    return totals.refused ? 1 : 0;
}
