/* bench_ingest.c - many threads that store batches: spans/s, CPU, latency.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     bench_ingest [FOLDER [SECONDS [THREADS SPANS [PIECES]]]]
 *
 * Each thread hands the store one batch after the other and waits for each,
 * as a server's workers do.  A span is about 1.5 KB: an LLM call whose prompt
 * and answer do not repeat themselves; 25 spans a trace.  Batches are parsed
 * before the clock starts and get new ids each time, so what is measured is
 * tj_store_add_batch alone, every write on disk before it counts.  With PIECES
 * so many batches in a row bring spans of the same traces.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "store/store.h"
#include "text/json_write.h"
#include "trace/format.h"

enum { SPANS_PER_TRACE = 25, TEMPLATES = 4, LATENCIES_MAX = 1 << 20 };

static const char *const words[] = {
    "the",    "order", "was",    "shipped", "to",    "customer", "error",
    "result", "tool",  "search", "context", "value", "returned", "because",
    "cannot", "find",  "file",   "line",    "test",  "passed",   "agent",
    "step",   "plan",  "next",   "query",   "index", "memory",   "token"};

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void must(bool ok, const struct tj_err *err)
{
    if (ok)
        return;
    (void)fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* -- batches -------------------------------------------------------------- */

static tj_str prose(struct tj_arena *a, size_t len)
{
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    while (b.len < len) {
        uint64_t r = next_random(&seed) >> 20;
        tj_buf_add(&b, tj_str_c(words[r % TJ_COUNT(words)]));
        tj_buf_byte(&b, r % 13 == 0 ? '\n' : ' ');
        if (r % 7 == 0)
            tj_buf_u64(&b, r >> 8);
    }
    return tj_buf_str(&b);
}

static void attribute(struct tj_json_writer *w, const char *key, tj_str value)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "key", tj_str_c(key));
    tj_jw_key(w, TJ_STR("value"));
    tj_jw_object(w);
    tj_jw_key_str(w, "stringValue", value);
    tj_jw_end(w);
    tj_jw_end(w);
}

static void span(struct tj_json_writer *w, size_t i)
{
    struct tj_arena a = {0};
    size_t trace = 1 + i / SPANS_PER_TRACE;
    size_t at = i % SPANS_PER_TRACE;
    uint64_t start = UINT64_C(1777708800000000000) + i * 1000000u;
    tj_jw_object(w);
    tj_jw_key_str(w, "traceId", tj_str_printf(&a, "%032zx", trace));
    tj_jw_key_str(w, "spanId", tj_str_printf(&a, "%016zx", i + 1));
    if (at)
        tj_jw_key_str(w, "parentSpanId",
                      tj_str_printf(&a, "%016zx", i - at + 1));
    tj_jw_key_str(w, "name", TJ_STR("chat"));
    tj_jw_key_str(w, "startTimeUnixNano", tj_str_printf(&a, "%" PRIu64, start));
    tj_jw_key_str(w, "endTimeUnixNano",
                  tj_str_printf(&a, "%" PRIu64, start + 1500000u));
    tj_jw_key(w, TJ_STR("attributes"));
    tj_jw_array(w);
    attribute(w, "openinference.span.kind", TJ_STR("LLM"));
    attribute(w, "input.value", prose(&a, 700));
    attribute(w, "output.value", prose(&a, 500));
    attribute(w, "llm.model_name", TJ_STR("model-5-large"));
    attribute(w, "session.id", TJ_STR("session-1234"));
    tj_jw_end(w);
    tj_jw_end(w);
    tj_arena_release(&a);
}

static void make_batch(size_t span_count, struct tj_arena *a,
                       struct tj_batch *out)
{
    struct tj_err err = {0};
    struct tj_buf json;
    struct tj_json_writer w;
    tj_buf_init(&json, a, TJ_IMPORT_BYTES_MAX);
    tj_json_writer_init(&w, &json, TJ_JSON_COMPACT);
    static const char *const heads[] = {"resourceSpans", "scopeSpans"};
    tj_jw_object(&w);
    for (int i = 0; i < 2; i++) {
        tj_jw_key(&w, tj_str_c(heads[i]));
        tj_jw_array(&w);
        tj_jw_object(&w);
    }
    tj_jw_key(&w, TJ_STR("spans"));
    tj_jw_array(&w);
    for (size_t i = 0; i < span_count; i++)
        span(&w, i);
    for (int i = 0; i < 6; i++)
        tj_jw_end(&w);
    must(tj_format_parse(tj_format_find(TJ_STR("otlp-json")), tj_buf_str(&json),
                         a, out, NULL, &err),
         &err);
}

/* The batch as that of other traces, which end now. */
static void give_new_ids(struct tj_batch *b, uint64_t *random, uint64_t piece)
{
    uint64_t shift = tj_now() - b->spans.items[b->spans.count - 1].end;
    tj_trace_id old = {{0}};
    tj_trace_id fresh = {{0}};
    for (size_t i = 0; i < b->spans.count; i++) {
        struct tj_span *s = &b->spans.items[i];
        if (i == 0 || !tj_trace_id_eq(s->trace_id, old)) {
            old = s->trace_id;
            uint64_t half[2] = {next_random(random), next_random(random)};
            memcpy(fresh.bytes, half, sizeof fresh.bytes);
            tj_vec_each (&b->traces, struct tj_trace_info, info) {
                if (tj_trace_id_eq(info->trace_id, old))
                    info->trace_id = fresh;
            }
        }
        s->trace_id = fresh;
        s->span_id.bytes[0] = (unsigned char)piece;
        if (!tj_span_id_is_none(s->parent_id))
            s->parent_id.bytes[0] = (unsigned char)piece;
        s->start += shift;
        s->end += shift;
    }
}

/* -- threads -------------------------------------------------------------- */

struct run {
    struct tj_store *st;
    size_t pieces;
    _Atomic bool stop;
    _Atomic size_t latency_count;
    uint32_t *latencies_us;
};

struct worker {
    pthread_t thread;
    struct run *run;
    struct tj_arena arena;
    struct tj_batch batches[TEMPLATES];
    uint64_t written;
};

static void *work(void *context)
{
    struct worker *w = context;
    struct tj_err err = {0};
    uint64_t random;
    tj_random_bytes(&random, sizeof random);
    random |= 1;
    uint64_t traces = random;
    for (size_t i = 0; !w->run->stop; i++) {
        struct tj_batch *b = &w->batches[i % TEMPLATES];
        if (i % w->run->pieces == 0)
            traces = random;
        uint64_t again = traces;
        give_new_ids(b, &again, i % w->run->pieces);
        random = again ^ i << 32;
        uint64_t start = tj_mono_ns();
        must(tj_store_add_batch(w->run->st, b, &err), &err);
        size_t n = w->run->latency_count++;
        if (n < LATENCIES_MAX)
            w->run->latencies_us[n] = (uint32_t)((tj_mono_ns() - start) / 1000);
        w->written += b->spans.count;
    }
    return NULL;
}

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static double file_mb(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (double)st.st_size / 1e6;
}

static size_t pieces = 1;

static void measure(const char *path, size_t threads, size_t spans,
                    double seconds)
{
    struct tj_err err = {0};
    struct run run = {.pieces = pieces};
    struct worker *workers = calloc(threads, sizeof *workers);
    run.latencies_us = calloc(LATENCIES_MAX, sizeof *run.latencies_us);
    if (!workers || !run.latencies_us)
        exit(1);
    (void)unlink(path);
    must(tj_store_open(tj_str_c(path), NULL, &run.st, &err), &err);
    for (size_t i = 0; i < threads; i++) {
        workers[i].run = &run;
        for (size_t k = 0; k < TEMPLATES; k++)
            make_batch(spans, &workers[i].arena, &workers[i].batches[k]);
    }
    uint64_t start = tj_mono_ns();
    double cpu = cpu_s();
    for (size_t i = 0; i < threads; i++)
        (void)pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    struct timespec wait = {(time_t)seconds,
                            (long)((seconds - (double)(time_t)seconds) * 1e9)};
    (void)nanosleep(&wait, NULL);
    run.stop = true;
    uint64_t written = 0;
    for (size_t i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        written += workers[i].written;
        tj_arena_release(&workers[i].arena);
    }
    double took = (double)(tj_mono_ns() - start) / 1e9;
    cpu = cpu_s() - cpu;
    struct tj_store_stats stats;
    must(tj_store_stats(run.st, &stats, &err), &err);
    tj_store_close(run.st);
    size_t n = tj_size_min(run.latency_count, LATENCIES_MAX);
    qsort(run.latencies_us, n, sizeof *run.latencies_us, by_size);
    (void)printf("%7zu %7zu %9zu %8" PRIu64
                 " %9.0f %8.2f %8.1f %8.1f %8.1f %8.0f\n",
                 threads, spans, n, stats.commit_count, (double)written / took,
                 cpu / (double)written * 1e6, run.latencies_us[n / 2] / 1e3,
                 run.latencies_us[n * 99 / 100] / 1e3,
                 run.latencies_us[n - 1] / 1e3, file_mb(path));
    (void)fflush(stdout);
    free(workers);
    free(run.latencies_us);
    (void)unlink(path);
}

int main(int argc, char **argv)
{
    char folder[256];
    char path[300];
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 5;
    (void)snprintf(folder, sizeof folder, "%.200s/tj-bench-XXXXXX",
                   argc > 1 ? argv[1] : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/store.db", folder);
    (void)printf("durable writes of many threads; CPU: of all, us a span\n");
    (void)printf("%7s %7s %9s %8s %9s %8s %8s %8s %8s %8s\n", "threads",
                 "spans", "writes", "commits", "spans/s", "CPU us", "p50 ms",
                 "p99 ms", "max ms", "disk MB");
    if (argc > 5)
        pieces = strtoul(argv[5], NULL, 10);
    if (argc > 4) {
        measure(path, strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                seconds);
        (void)rmdir(folder);
        return 0;
    }
    static const size_t sizes[] = {5, 100, 500, 1000};
    static const size_t threads[] = {1, 8, 64};
    for (size_t t = 0; t < TJ_COUNT(threads); t++) {
        for (size_t s = 0; s < TJ_COUNT(sizes); s++)
            measure(path, threads[t], sizes[s], seconds);
    }
    (void)rmdir(folder);
    return 0;
}
